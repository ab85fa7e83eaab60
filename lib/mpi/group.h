/* group.h - what the files of libcae_mpi share. */
#ifndef CAE__MPI_GROUP_H
#define CAE__MPI_GROUP_H

#include <cae/mpi.h>
#include <stdbool.h>

enum { CAE__MPI_TEXT = 768 };

struct cae_mpi {
    MPI_Comm comm;          /* our own; MPI_COMM_NULL when it could not be made */
    int rank, ranks;
    int32_t reduction;
    double timeout;
    bool unmade;            /* create failed */
    bool broken;            /* no more calls of MPI */
    MPI_Request pending;    /* what a broken group still waits for */
    float *values;          /* the sum under way: MPI may write into it after we have given up */
    size_t capacity;        /* floats */
    int64_t word;           /* the agreement under way, for the same reason */
    char error[CAE__MPI_TEXT];
};

/* Keep a text, and return the status. */
#if defined __GNUC__
__attribute__((format(printf, 3, 4)))
#endif
cae_status cae__mpi_fail(cae_mpi *mpi, cae_status status, const char *format, ...);

/* The text of an error of MPI, and the group is broken. */
cae_status cae__mpi_broken(cae_mpi *mpi, int code, const char *what);

/* Wait for `request`, which then is none, no longer than the timeout. What it reads and writes must
 * belong to `mpi`. CAE_ERR_PEER: the group is broken, and the request pending. */
cae_status cae__mpi_wait(cae_mpi *mpi, MPI_Request *request, const char *what);

/* A cae_sum_fn; `user` is the group. */
int32_t cae__mpi_sum(void *user, float *values, size_t count);

#endif
