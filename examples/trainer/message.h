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

/* A line without the program's name, after a failure. */
void hint(const char *format, ...) LIKE_PRINTF(1, 2);

/* What a terminal would act upon, in a text from a file or of a file's name, becomes '?': all control
 * characters but the ends of lines and tabs. Messages have been through it. */
void make_plain(char *text);

/* --- In a group of processes, which would all say the same ------------------------------------ */

/* From now on failures and hints are kept until one of the next two, and only rank 0 says anything
 * else; others begin with their rank. */
void message_as_rank(int rank);
void message_release(void);
void message_drop(void);

/* All failures kept are those of others: CAE_ERR_PEER. */
bool message_is_hearsay(void);

#endif
