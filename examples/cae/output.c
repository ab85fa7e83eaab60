/* output.c - what goes to standard output, and reports as JSON. */
#include "output.h"

#include "../trainer/message.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIGITS = 12 };  /* more than any figure holds, few enough to print 0.1 as 0.1 */

bool output_pipe_is_broken(void)
{
    return errno == EPIPE;
}

bool output_write(const void *data, size_t size)
{
    const char *at = data;

    while (size) {
        const ssize_t written = write(STDOUT_FILENO, at, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return !output_pipe_is_broken() &&
                   fail("cannot write to standard output: %s", strerror(errno));
        at += written;
        size -= (size_t)written;
    }
    return true;
}

bool output_report(json_t *report, bool to_stderr)
{
    FILE *file = to_stderr ? stderr : stdout;
    const bool good = report && !json_dumpf(report, file, JSON_INDENT(2) | JSON_REAL_PRECISION(DIGITS));

    json_decref(report);
    if (!good && ferror(file))
        return false;                                 /* of stdout, main says why */
    if (!good)
        return fail("out of memory for the report");
    putc('\n', file);
    return true;
}

json_t *output_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *output_text(const char *text)
{
    json_t *string = json_string(text);
    char *plain = string ? NULL : strdup(text);

    for (char *c = plain; c && *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    if (plain)
        string = json_string(plain);
    free(plain);
    return string;
}
