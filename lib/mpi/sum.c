/* sum.c - the sum over all ranks that a group of trainers asks for. */
#include "group.h"

#include <fenv.h>
#include <stdlib.h>
#include <string.h>

/* More than any latency is worth, and counts stay ints. */
enum { LARGEST_PIECE = 1 << 22 };

/* A piece is summed in memory of the group's: a sum that was given up may yet be written to, and
 * the caller's array may then be gone. */
static bool make_room(cae_mpi *mpi, size_t count)
{
    if (count <= mpi->capacity)
        return true;
    float *room = realloc(mpi->values, count * sizeof *room);
    if (!room)
        return false;
    mpi->values = room;
    mpi->capacity = count;
    return true;
}

static cae_status add_up(cae_mpi *mpi, size_t count)
{
    MPI_Request request = MPI_REQUEST_NULL;
    const int code = MPI_Iallreduce(MPI_IN_PLACE, mpi->values, (int)count, MPI_FLOAT, MPI_SUM,
                                    mpi->comm, &request);

    return code != MPI_SUCCESS ? cae__mpi_broken(mpi, code, "in a sum")
                               : cae__mpi_wait(mpi, &request, "in a sum");
}

static cae_status sum_pieces(cae_mpi *mpi, float *values, size_t count)
{
    for (size_t done = 0, piece; done < count; done += piece) {
        piece = count - done < LARGEST_PIECE ? count - done : LARGEST_PIECE;
        memcpy(mpi->values, values + done, piece * sizeof *values);
        const cae_status status = add_up(mpi, piece);
        if (status)
            return status;
        memcpy(values + done, mpi->values, piece * sizeof *values);
    }
    return CAE_OK;
}

/* MPI adds on the calling thread. x + -0 is x in the default environment only: another rounding
 * direction makes +0 of it, another treatment of denormals takes them away. */
int32_t cae__mpi_sum(void *user, float *values, size_t count)
{
    cae_mpi *mpi = user;
    fenv_t host;

    if (mpi->broken)
        return CAE_ERR_PEER;
    if (!make_room(mpi, count < LARGEST_PIECE ? count : LARGEST_PIECE)) {
        mpi->broken = true; /* the others will find that this rank is not there */
        return cae__mpi_fail(mpi, CAE_ERR_MEMORY, "rank %d of %d: out of memory for a sum",
                             mpi->rank, mpi->ranks);
    }
    fegetenv(&host);
    fesetenv(FE_DFL_ENV);
    const cae_status status = sum_pieces(mpi, values, count);
    fesetenv(&host);
    return status;
}
