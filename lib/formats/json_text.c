/* json_text.c - JSON out of pieces, and JSON into jansson's values. */
#include "json_text.h"

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

void cae__text_add_string(struct cae__text *text, const char *value)
{
    cae__text_add(text, "\"");
    for (; *value; value++) {
        const unsigned char c = (unsigned char)*value;
        if (c == '"' || c == '\\')
            cae__text_add(text, "\\%c", c);
        else if (c < 0x20)
            cae__text_add(text, "\\u%04x", c);
        else
            cae__text_add(text, "%c", c);
    }
    cae__text_add(text, "\"");
}

/* jansson reads real numbers with strtod, which follows the host's locale and in some makes it fail
 * an assertion. Nothing of ours holds one, so a digit followed by '.', 'e' or 'E' outside a text is an
 * error before jansson sees it. */
static bool has_real_number(const char *bytes, size_t length)
{
    bool in_text = false;
    for (size_t i = 0; i < length; i++) {
        if (in_text && bytes[i] == '\\')
            i++;
        else if (bytes[i] == '"')
            in_text = !in_text;
        else if (!in_text && i > 0 && bytes[i - 1] >= '0' && bytes[i - 1] <= '9' &&
                 (bytes[i] == '.' || bytes[i] == 'e' || bytes[i] == 'E'))
            return true;
    }
    return false;
}

cae_status cae__json_parse(json_t **out, const cae_context *context, const char *bytes,
                           size_t length, const char *what)
{
    json_error_t error;
    if (has_real_number(bytes, length))
        return cae__fail(context, CAE_ERR_FORMAT, "%s: a number is not an integer", what);
    *out = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &error);
    if (*out)
        return CAE_OK;
    if (json_error_code(&error) == json_error_out_of_memory)
        return cae__fail_memory(context);
    return cae__fail(context, CAE_ERR_FORMAT, "%s is not JSON: %.100s at byte %d", what, error.text,
                     error.position);
}
