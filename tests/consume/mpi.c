/* An outside program with libcae_mpi: a group of as many ranks as it was started with. */
#include <cae/mpi.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    char build[256];
    cae_context *context = NULL;
    cae_mpi *mpi = NULL;
    int level;
    cae_status status;

    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &level);
    status = cae_context_create(&context, NULL);
    if (!status)
        status = cae_mpi_create(&mpi, context, MPI_COMM_WORLD, NULL);
    if (!status)
        status = cae_mpi_agree(NULL, mpi, CAE_OK);
    cae_mpi_build_info(build, sizeof build);
    printf("%s: %d rank%s\n", build, (int)cae_mpi_ranks(mpi), cae_mpi_ranks(mpi) == 1 ? "" : "s");
    if (status)
        fprintf(stderr, "%s\n", cae_mpi_error(mpi));
    cae_mpi_destroy(mpi);
    cae_context_destroy(context);
    MPI_Finalize();
    return status != CAE_OK;
}
