/* json_text.h - JSON written piece by piece into memory of the context's allocator, and parsed.
 *
 * Writing is ours because it is a loop and must not lose a piece when memory runs out; reading is
 * jansson's. Only integers and texts are written: real numbers would depend on the locale. */
#ifndef CAE_JSON_TEXT_H
#define CAE_JSON_TEXT_H

#include <jansson.h>

#include "../base/base.h"

struct cae__text {
    const cae_context *context;
    char *bytes; /* ends with a zero; to be freed with cae__text_finish */
    size_t length, capacity;
    bool failed; /* memory ran out: later calls do nothing */
};

void cae__text_init(struct cae__text *text, const cae_context *context);
void cae__text_finish(struct cae__text *text);
void cae__text_add(struct cae__text *text, const char *format, ...) CAE__PRINTF(2, 3);
/* A quoted JSON string. */
void cae__text_add_string(struct cae__text *text, const char *value);

/* Parse one JSON value. Numbers must be integers; a key may stand once. `what` begins the error text. */
cae_status cae__json_parse(json_t **out, const cae_context *context, const char *bytes,
                           size_t length, const char *what);

#endif
