/* error.c - status texts, and the text of the last error on its context. */
#include "base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if defined _WIN32 /* has it under another name */
#define strerror_r(number, text, capacity) strerror_s(text, capacity, number)
#endif

const char *cae_status_string(cae_status status)
{
    switch (status) {
    case CAE_STOPPED: return "stopped by a callback";
    case CAE_OK: return "done";
    case CAE_ERR_ARGUMENT: return "invalid argument";
    case CAE_ERR_MEMORY: return "out of memory";
    case CAE_ERR_SHAPE: return "shapes do not fit";
    case CAE_ERR_OPTIONS: return "invalid options";
    case CAE_ERR_IO: return "input or output failed";
    case CAE_ERR_FORMAT: return "malformed file";
    case CAE_ERR_NUMERIC: return "value is not finite";
    case CAE_ERR_UNSUPPORTED: return "not supported by this build";
    case CAE_ERR_NAME: return "no such name";
    case CAE_ERR_PEER: return "another rank failed";
    default: return "unknown status";
    }
}

const char *cae_context_error(const cae_context *context)
{
    return context ? context->error : "";
}

void cae__note(const cae_context *context, const char *format, ...)
{
    if (!context)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(((cae_context *)context)->error, sizeof context->error, format, arguments);
    va_end(arguments);
}

bool cae__note_system(const cae_context *context, int error_number, const char *format, ...)
{
    if (!context)
        return error_number == ENOMEM;
    char reason[128];
    if (strerror_r(error_number, reason, sizeof reason) != 0)
        snprintf(reason, sizeof reason, "error %d", error_number);

    char *text = ((cae_context *)context)->error;
    const size_t capacity = sizeof context->error;
    va_list arguments;
    va_start(arguments, format); /* a long path is cut off, and not the reason */
    vsnprintf(text, capacity - strlen(": ") - strlen(reason), format, arguments);
    va_end(arguments);
    const size_t length = strlen(text);
    snprintf(text + length, capacity - length, ": %s", reason);
    return error_number == ENOMEM;
}

void cae__log(const cae_context *context, int32_t level, const char *format, ...)
{
    if (!context || !context->log)
        return;
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    context->log(context->log_user, level, text);
}
