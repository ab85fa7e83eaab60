/* system_posix.c - Linux, macOS and their like. */
#if defined __linux__ && !defined _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "system.h"

#include <pthread.h>
#if defined __linux__
#include <sched.h>
#endif
#include <unistd.h>

long cae__processors(void)
{
#if defined __linux__
    cpu_set_t set; /* what the process may use: containers and taskset count */
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
#endif
    return sysconf(_SC_NPROCESSORS_ONLN);
}

long cae__process(void)
{
    return (long)getpid();
}

void cae__signals_block(struct cae__signals *signals)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL}; /* belong to their thread */
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &signals->before);
}

void cae__signals_restore(const struct cae__signals *signals)
{
    pthread_sigmask(SIG_SETMASK, &signals->before, NULL);
}
