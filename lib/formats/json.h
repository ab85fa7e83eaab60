/* json.h - JSON as libcae's files have it: read strictly into a tree, written piece by piece.
 *
 * Ours and not a library's, after measuring jansson 2.14 inside a host: with each of its
 * allocations failing once it reported success or a malformed file, freed twice or failed an
 * assertion, and in locales with a multi-byte decimal point real numbers failed one too. All memory
 * here comes from the context; numbers are integers, so no locale has a say. */
#ifndef CAE_JSON_H
#define CAE_JSON_H

#include "../base/base.h"

/* --- Reading ---------------------------------------------------------------------------------- */

enum cae__json_kind { CAE__NULL, CAE__BOOL, CAE__INTEGER, CAE__STRING, CAE__ARRAY, CAE__OBJECT };

/* 32 bytes: a number in an array may be two bytes of a hostile file. */
struct cae__json {
    const char *key;             /* of a member of an object */
    const struct cae__json *next; /* beside it */
    union {                      /* by its kind */
        int64_t integer;         /* of an integer; 0 or 1 of a bool */
        const char *text;        /* of a string: UTF-8 without zeros, ends with one */
        const struct cae__json *first; /* of an array or object */
    };
    uint32_t count;              /* of elements or members */
    uint32_t kind;               /* enum cae__json_kind */
};

struct cae__json_document {
    const cae_context *context;
    const struct cae__json *root;
    struct cae__chunk *chunks; /* what nodes and texts lie in */
};

/* Parse one value with nothing but white space around it. Valid UTF-8, integers that fit 64 bits,
 * no key twice, at most 64 levels, less than 4 GiB. Takes time in n log n of the length and at most
 * 16 bytes of memory for each of its own, beside a chunk (docs/file-format.md). `what` begins the
 * error text. Close after success. */
cae_status cae__json_parse(struct cae__json_document *document, const cae_context *context,
                           const char *bytes, size_t length, const char *what);
void cae__json_close(struct cae__json_document *document);

/* A member; NULL when it is absent or `object` is none (or NULL). */
const struct cae__json *cae__json_get(const struct cae__json *object, const char *key);
/* The text of a string, NULL for anything else. */
const char *cae__json_text(const struct cae__json *value);

/* What a member must be, and where it goes. */
enum cae__field_kind {
    CAE__FIELD_INTEGER, /* int64_t */
    CAE__FIELD_PAIR,    /* int64_t[2], from an array of two */
    CAE__FIELD_BOOL,    /* bool */
    CAE__FIELD_TEXT,    /* const char * */
    CAE__FIELD_ARRAY    /* const struct cae__json * */
};
struct cae__field {
    const char *name;
    enum cae__field_kind kind;
    void *to;
    bool optional;
};
/* Read all members of an object at once: those that are not optional must be there, others must
 * not. `what` begins the error text. */
cae_status cae__json_fields(const cae_context *context, const struct cae__json *object,
                            const struct cae__field *fields, size_t count, const char *what);

/* Bytes of the UTF-8 sequence at `s`, 0 when it is none (RFC 3629: shortest form, no surrogates, up
 * to U+10FFFF). */
int cae__utf8_length(const unsigned char *s, size_t left);

/* 64-bit unsigned numbers, and the bits of a double, are decimal texts: JSON's numbers hold neither.
 * False, with something in *value, for any other text. */
bool cae__json_u64(uint64_t *value, const char *text);

/* --- Writing ---------------------------------------------------------------------------------- */

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

#endif
