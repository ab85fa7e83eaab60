/* message.h - what the user is told on stderr. */
#ifndef TRAINER_MESSAGE_H
#define TRAINER_MESSAGE_H

#include <cae/cae.h>
#include <stdbool.h>

#if defined __GNUC__
#define LIKE_PRINTF(text, values) __attribute__((format(printf, text, values)))
#else
#define LIKE_PRINTF(text, values)
#endif

/* Messages begin with this name. Kept, not copied. */
void message_begin_with(const char *program);

/* Print "program: text". */
void say(const char *format, ...) LIKE_PRINTF(1, 2);

/* The same, and false: `return fail(...)` is how a function that could not do its work ends. */
bool fail(const char *format, ...) LIKE_PRINTF(1, 2);

/* "program: text: why", with the reason the library gave: the context's text, which names the file
 * concerned, or that of the status where there is no context. */
bool fail_status(const cae_context *context, cae_status status, const char *format, ...)
    LIKE_PRINTF(3, 4);

#endif
