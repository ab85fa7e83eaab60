/* html.c - a page being written. */
#include "html.h"

#include "base64.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TINY = 16 };

static void add(struct html *html, const char *text, size_t size)
{
    if (!bytes_add(&html->text, text, size))
        html->failed = true;
}

void html_print(struct html *html, const char *format, ...)
{
    va_list arguments;
    char few[1024], *all;
    int length;

    va_start(arguments, format);
    length = vsnprintf(few, sizeof few, format, arguments);
    va_end(arguments);
    all = length < (int)sizeof few ? few : malloc((size_t)length + 1);
    if (all && all != few) {
        va_start(arguments, format);
        vsnprintf(all, (size_t)length + 1, format, arguments);
        va_end(arguments);
    }
    if (length < 0 || !all)
        html->failed = true;
    else
        add(html, all, (size_t)length);
    if (all != few)
        free(all);
}

/* --- Text ------------------------------------------------------------------------------------- */

/* No surrogates, and none of those that will never be characters. */
static bool is_character(unsigned code)
{
    return code <= 0x10ffff && code >> 11 != 0x1b && (code & 0xfffe) != 0xfffe;
}

/* How many bytes the character at `text` has, which ends with a zero; 0 when it is not UTF-8. */
static size_t character(const unsigned char *text)
{
    static const struct {
        unsigned mask, lead, least;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t size = 1; size <= sizeof forms / sizeof *forms; size++) {
        unsigned code = text[0] & ~forms[size - 1].mask;
        if ((text[0] & forms[size - 1].mask) != forms[size - 1].lead)
            continue;
        for (size_t i = 1; i < size; i++) {
            if ((text[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (text[i] & 0x3f);
        }
        return code >= forms[size - 1].least && is_character(code) ? size : 0;
    }
    return 0;
}

static const char *escape(unsigned char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return (c < ' ' && c != '\n' && c != '\t') || c == 127 ? "\xef\xbf\xbd" : NULL;
    }
}

void html_text(struct html *html, const char *text)
{
    while (*text) {
        const size_t size = character((const unsigned char *)text);
        const char *instead = size ? escape((unsigned char)*text) : "\xef\xbf\xbd";
        if (instead)
            add(html, instead, strlen(instead));
        else
            add(html, text, size);
        text += size ? size : 1;
    }
}

/* --- Pictures --------------------------------------------------------------------------------- */

void html_picture(struct html *html, const struct picture *picture, int zoom, const char *alt)
{
    const bool tiny = picture->shown_width < TINY;
    struct bytes png = {0};

    if (html->failed)
        return;
    if (!picture_png(&png, picture, tiny ? zoom : 1)) {
        html->failed = true;
    } else {
        html_print(html, "<img width=\"%d\" height=\"%d\" alt=\"", zoom * picture->shown_width,
                   zoom * picture->shown_height);
        html_text(html, alt);
        html_print(html, "\" src=\"data:image/png;base64,");
        html->failed = html->failed || !base64_add(&html->text, png.data, png.size);
        html_print(html, "\"/>");
    }
    bytes_free(&png);
}
