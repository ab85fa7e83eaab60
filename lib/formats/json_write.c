/* json_write.c - text put together in memory, with JSON's quoting. */
#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void cae__text_init(struct cae__text *text, const cae_context *context)
{
    *text = (struct cae__text){.context = context};
}

void cae__text_finish(struct cae__text *text)
{
    cae__free(text->context, text->bytes);
    text->bytes = NULL;
}

static bool reserve(struct cae__text *text, size_t more)
{
    const size_t needed = text->length + more + 1;
    if (text->failed || needed <= text->capacity)
        return !text->failed;
    const size_t capacity = 2 * needed + 256;
    char *bytes = cae__alloc(text->context, 1, capacity);
    if (!bytes) {
        text->failed = true;
        return false;
    }
    if (text->bytes)
        memcpy(bytes, text->bytes, text->length + 1);
    cae__free(text->context, text->bytes);
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void cae__text_add(struct cae__text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !reserve(text, (size_t)length))
        return;
    va_start(arguments, format);
    vsnprintf(text->bytes + text->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->length += (size_t)length;
}

static void add_bytes(struct cae__text *text, const char *bytes, size_t length)
{
    if (!reserve(text, length))
        return;
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

static bool stands_for_itself(char c)
{
    return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

/* Most of a text is runs of characters that stand for themselves. */
void cae__text_add_string(struct cae__text *text, const char *value)
{
    add_bytes(text, "\"", 1);
    while (*value) {
        size_t run = 0;
        while (stands_for_itself(value[run])) /* zero does not */
            run++;
        add_bytes(text, value, run);
        value += run;
        if (*value == '"' || *value == '\\')
            cae__text_add(text, "\\%c", *value++);
        else if (*value)
            cae__text_add(text, "\\u%04x", (unsigned char)*value++);
    }
    add_bytes(text, "\"", 1);
}
