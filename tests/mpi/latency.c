/* latency.c - what a sum costs beside MPI's own, blocking one: mpirun -np N mpi-latency-KIND
 * FLOATS... */
#include "../../lib/mpi/group.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 3, TURNS = 2000, LARGE = 100000 };

static void measure(cae_mpi *mpi, size_t count)
{
    const int turns = count > LARGE ? TURNS / 20 : TURNS;
    float *values = calloc(count, sizeof *values);

    for (int round = 0; values && round < ROUNDS; round++) {
        const double begin = MPI_Wtime();
        for (int i = 0; i < turns; i++)
            MPI_Allreduce(MPI_IN_PLACE, values, (int)count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
        const double between = MPI_Wtime();
        for (int i = 0; i < turns; i++)
            cae__mpi_sum(mpi, values, count);
        const double end = MPI_Wtime();
        if (cae_mpi_rank(mpi) == 0 && round > 0)
            printf("%zu floats, %d ranks: blocking %.1f us, libcae_mpi %.1f us\n", count,
                   (int)cae_mpi_ranks(mpi), 1e6 * (between - begin) / turns, 1e6 * (end - between) / turns);
    }
    free(values);
}

int main(int argc, char **argv)
{
    cae_context *context = NULL;
    cae_mpi *mpi = NULL;

    MPI_Init(&argc, &argv);
    if (cae_context_create(&context, NULL) || cae_mpi_create(&mpi, context, MPI_COMM_WORLD, NULL))
        MPI_Abort(MPI_COMM_WORLD, 1);
    for (int i = 1; i < argc; i++)
        measure(mpi, strtoul(argv[i], NULL, 10));
    cae_mpi_destroy(mpi);
    cae_context_destroy(context);
    MPI_Finalize();
    return 0;
}
