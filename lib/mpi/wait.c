/* wait.c - waiting for the other ranks: quick to see that they are there, patient with slow
 * ones, and not for ever.
 *
 * MPI_Wait cannot be left, and in most MPIs burns a processor that the rank it waits for may
 * need. So requests are tested: at once and again, as most are done in microseconds; then with
 * the processor lent to whoever wants it; then after naps, each a small part of the time already
 * waited, so that what they add stays a small part, too. */
#include "group.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static const double spin = 20e-6, lend = 2e-3; /* seconds waited, up to which it is done so */
static const double part = 1.0 / 16, longest = 2e-3;

cae_status cae__mpi_fail(cae_mpi *mpi, cae_status status, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    vsnprintf(mpi->error, sizeof mpi->error, format, values);
    va_end(values);
    return status;
}

cae_status cae__mpi_broken(cae_mpi *mpi, int code, const char *what)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;

    mpi->broken = true;
    if (MPI_Error_string(code, text, &length) != MPI_SUCCESS)
        snprintf(text, sizeof text, "error %d", code);
    return cae__mpi_fail(mpi, CAE_ERR_PEER, "rank %d of %d, %s: %.*s", mpi->rank, mpi->ranks, what,
                         CAE__MPI_TEXT / 2, text);
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void pause_after(double waited)
{
    if (waited < spin)
        return;
    if (waited < lend) {
        sched_yield();
        return;
    }
    const double nap = part * waited < longest ? part * waited : longest;
    nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * nap)}, NULL);
}

/* The time is taken before the test: a process that was stopped for long gets another look. */
cae_status cae__mpi_wait(cae_mpi *mpi, MPI_Request *request, const char *what)
{
    const double begin = seconds_now();

    for (;;) {
        const double waited = seconds_now() - begin;
        int done = 0;
        const int code = MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS) {
            mpi->pending = *request;
            return cae__mpi_broken(mpi, code, what);
        }
        if (done)
            return CAE_OK;
        if (waited > mpi->timeout) {
            mpi->broken = true;
            mpi->pending = *request;
            return cae__mpi_fail(mpi, CAE_ERR_PEER, "rank %d of %d, %s: nothing heard from "
                                 "another rank for %g seconds",
                                 mpi->rank, mpi->ranks, what, mpi->timeout);
        }
        pause_after(waited);
    }
}
