/* interrupt.c - Ctrl-C as a question that the training loop asks between two steps. */
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>

enum { SIGNALS = 3 };

static const int signals[SIGNALS] = {SIGINT, SIGTERM, SIGHUP};
static struct sigaction before[SIGNALS];
static volatile sig_atomic_t caught;

static void remember(int number)
{
    caught = number;
}

/* SA_RESTART: the write that a signal falls into still completes. A signal that is ignored stays
 * so: that is how nohup and a shell's & ask not to be disturbed. A terminal that goes away may say so
 * more than once, and asks for nothing else with the second time. */
void interrupt_begin(void)
{
    struct sigaction action = {.sa_handler = remember};

    caught = 0;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < SIGNALS; i++) {
        action.sa_flags = signals[i] == SIGHUP ? SA_RESTART : (int)SA_RESETHAND | SA_RESTART;
        sigaction(signals[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

void interrupt_end(void)
{
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
}

int interrupt_signal(void)
{
    return caught;
}
