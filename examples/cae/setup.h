/* setup.h - what a command stands on: a context, a model, and words for what is not there. */
#ifndef TOOL_SETUP_H
#define TOOL_SETUP_H

#include "command.h"

/* A context with the threads asked for. Warnings of the library go to stderr unless --quiet. */
bool open_context(struct call *call);

/* The same, and the model that --model names. */
bool open_model(struct call *call);

#define STANDARD "-" /* input or output */
bool is_standard(const char *path);

/* "program: path: why", and false. The library's text may begin with the path itself. */
bool fail_file(const cae_context *context, cae_status status, const char *path);

/* The two are one file, whatever they are called. "-" is what standard input or output is. */
bool same_file(const char *input, const char *output);

/* Refuse to write `output` over `input` without --force. */
bool may_write(const struct call *call, const char *input, const char *output);

/* Refuse, with --force too, to write `output` over what the command reads beside its input: the file of
 * --OPTION, or one of the images below its directory. NULL is no file. */
bool spares(const char *option, const char *path, const char *output);

/* A file can be made there, as far as can be seen without making one: before hours of work. */
bool can_be_written(const char *path);

/* "480x640", or "64" for both. */
bool parse_extents(int64_t extents[2], const char *option, const char *text);

/* What follows the last slash. */
const char *base_name(const char *path);

#endif
