/* interrupt.h - Ctrl-C as a question that the training loop asks between two steps. */
#ifndef TRAINER_INTERRUPT_H
#define TRAINER_INTERRUPT_H

/* From here on the first SIGINT or SIGTERM is only remembered; a second one ends the program, which
 * is safe at any time because files appear whole or not at all. So is SIGHUP, however often. */
void interrupt_begin(void);

/* Signals do again what they did before. */
void interrupt_end(void);

/* The signal that came, or 0. */
int interrupt_signal(void);

#endif
