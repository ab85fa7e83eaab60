/* html.h - a page being written.
 *
 * Elements that have no content end in "/>" and quotes are everywhere, so that the page is XML,
 * too: what checks it may be strict. A lack of memory is remembered and asked for once, at the
 * end. */
#ifndef TRAINER_HTML_H
#define TRAINER_HTML_H

#include "message.h"
#include "picture.h"

struct html {
    struct bytes text;
    bool failed;         /* no memory for the page, or for a picture, of which a message told */
};

/* Markup as it stands; what is put in its place must be numbers or words of our own. */
void html_print(struct html *html, const char *format, ...) LIKE_PRINTF(2, 3);

/* Text that may hold anything, as content or as the value of an attribute: escaped. What is not
 * UTF-8, or cannot be in a document, becomes U+FFFD. */
void html_text(struct html *html, const char *text);

/* An <img> that holds its picture and is shown enlarged by `zoom`; `alt` says what it shows. Tiny
 * ones are enlarged in the file already, for readers that would smooth them. */
void html_picture(struct html *html, const struct picture *picture, int zoom, const char *alt);

#endif
