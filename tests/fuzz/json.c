/* json.c - the JSON reader. What it takes must be a tree that hangs together, and reads the same after
 * being written out by the plain writer below. */
#include "fuzz.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/formats/json.h"

/* NOLINTNEXTLINE(misc-no-recursion): a tree, of a depth that the reader bounds and CHECK watches */
static void write_value(struct cae__text *out, const struct cae__json *value, int level)
{
    size_t count = 0;

    switch (value->kind) {
    case CAE__NULL: cae__text_add(out, "null"); return;
    case CAE__BOOL: cae__text_add(out, value->integer ? "true" : "false"); return;
    case CAE__INTEGER: cae__text_add(out, "%" PRId64, value->integer); return;
    case CAE__STRING: cae__text_add_string(out, value->text); return;
    default: break;
    }
    const bool object = value->kind == CAE__OBJECT;
    CHECK(level < 64);
    cae__text_add(out, object ? "{" : "[");
    for (const struct cae__json *item = value->first; item; item = item->next, count++) {
        cae__text_add(out, count ? "," : "");
        if (object) {
            CHECK(cae__json_get(value, item->key) == item); /* no key twice */
            cae__text_add_string(out, item->key);
            cae__text_add(out, ":");
        }
        write_value(out, item, level + 1);
    }
    CHECK(count == value->count);
    cae__text_add(out, object ? "}" : "]");
}

static struct cae__text written(const cae_context *context, const struct cae__json *root)
{
    struct cae__text out;

    cae__text_init(&out, context);
    write_value(&out, root, 0);
    CHECK(!out.failed && out.bytes && strlen(out.bytes) == out.length);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cae_context *context = fuzz_begin();
    struct cae__json_document document, again;
    char *text = malloc(size ? size : 1); /* of that size, so that reading beyond it is seen */

    CHECK(text);
    memcpy(text, data, size);
    const cae_status status = cae__json_parse(&document, context, text, size, "input");
    fuzz_check_peak(size);
    fuzz_check_status(context, status);
    CHECK(status == CAE_OK || (status == CAE_ERR_FORMAT && fuzz_heap.blocks == 1));
    free(text);
    if (status == CAE_OK) {
        struct cae__text first = written(context, document.root), second;
        CHECK(cae__json_parse(&again, context, first.bytes, first.length, "again") == CAE_OK);
        second = written(context, again.root);
        CHECK(first.length == second.length && strcmp(first.bytes, second.bytes) == 0);
        cae__text_finish(&first);
        cae__text_finish(&second);
        cae__json_close(&again);
        cae__json_close(&document);
    }
    fuzz_end(context);
    return 0;
}
