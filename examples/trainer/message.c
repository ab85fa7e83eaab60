/* message.c - what the user is told on stderr. */
#include "message.h"

#include <stdarg.h>
#include <stdio.h>

static const char *program = "trainer";

void message_begin_with(const char *name)
{
    program = name;
}

static void print(const char *format, va_list arguments, const char *reason)
{
    fprintf(stderr, "%s: ", program);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, reason ? ": %s\n" : "\n", reason);
}

void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print(format, arguments, NULL);
    va_end(arguments);
}

bool fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print(format, arguments, NULL);
    va_end(arguments);
    return false;
}

bool fail_status(const cae_context *context, cae_status status, const char *format, ...)
{
    const char *reason = cae_context_error(context);
    va_list arguments;

    va_start(arguments, format);
    print(format, arguments, *reason ? reason : cae_status_string(status));
    va_end(arguments);
    return false;
}
