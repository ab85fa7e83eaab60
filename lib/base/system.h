/* system.h - what operating systems do differently, but for files (file.h). One of system_posix.c
 * and system_windows.c is built. */
#ifndef CAE_SYSTEM_H
#define CAE_SYSTEM_H

#if !defined _WIN32
#include <signal.h>
#endif

/* Processors that this process may use; below 1 when the system does not say. */
long cae__processors(void);

/* Another number in a forked child. */
long cae__process(void);

/* Threads started in between see no signals but faults, so that the host's handlers run
 * on the host's. */
struct cae__signals {
#if defined _WIN32
    char none; /* no signal interrupts a thread there */
#else
    sigset_t before;
#endif
};
void cae__signals_block(struct cae__signals *signals);
void cae__signals_restore(const struct cae__signals *signals);

#endif
