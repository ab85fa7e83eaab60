/* message.c - what the user is told on stderr. */
#include "message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MOST_TEXT = 8192 }; /* bytes of a message: more than two paths */

static const char *program = "trainer";

/* Of a process among others: what it has to say when it is asked. */
static struct {
    bool holding, own;  /* own: a failure that is not another rank's */
    int rank;
    size_t size;
    char text[2048];
} kept;

void message_begin_with(const char *name)
{
    program = name;
}

/* --- Printing or keeping ---------------------------------------------------------------------- */

static bool is_control(const unsigned char *c)
{
    return (*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f ||
           (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0); /* in UTF-8, two bytes */
}

void make_plain(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (is_control(c)) {
            if (*c == 0xc2)
                *c++ = '?';
            *c = '?';
        }
}

static void keep(const char *text)
{
    const size_t room = sizeof kept.text - kept.size, length = strlen(text);
    const size_t count = length < room ? length : room - 1;

    memcpy(kept.text + kept.size, text, count);
    kept.size += count;
}

static void put_values(const char *format, va_list values)
{
    char text[MOST_TEXT];

    vsnprintf(text, sizeof text, format, values);
    make_plain(text);
    if (kept.holding)
        keep(text);
    else
        fputs(text, stderr);
}

static void put(const char *format, ...) LIKE_PRINTF(1, 2);

static void put(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    put_values(format, values);
    va_end(values);
}

static void put_message(const char *format, va_list values, const char *reason)
{
    put("%s: ", program);
    if (kept.rank)
        put("rank %d: ", kept.rank);
    put_values(format, values);
    put(reason ? ": %s\n" : "\n", reason);
}

/* --- What the program calls ------------------------------------------------------------------- */

void say(const char *format, ...)
{
    const bool holding = kept.holding;
    va_list values;

    if (kept.rank)
        return;
    kept.holding = false;
    va_start(values, format);
    put_message(format, values, NULL);
    va_end(values);
    kept.holding = holding;
}

bool fail(const char *format, ...)
{
    va_list values;

    kept.own = true;
    va_start(values, format);
    put_message(format, values, NULL);
    va_end(values);
    return false;
}

bool fail_status(const cae_context *context, cae_status status, const char *format, ...)
{
    const char *reason = cae_context_error(context);
    va_list values;

    kept.own = kept.own || status != CAE_ERR_PEER;
    va_start(values, format);
    put_message(format, values, *reason ? reason : cae_status_string(status));
    va_end(values);
    return false;
}

void hint(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    put_values(format, values);
    va_end(values);
    put("\n");
}

void message_as_rank(int rank)
{
    kept.holding = true;
    kept.rank = rank;
}

void message_release(void)
{
    (void)fwrite(kept.text, 1, kept.size, stderr); /* at once: other ranks write there, too */
    message_drop();
}

void message_drop(void)
{
    kept.size = 0;
    kept.own = false;
}

bool message_is_hearsay(void)
{
    return kept.size && !kept.own;
}
