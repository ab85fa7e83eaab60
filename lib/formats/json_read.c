/* json_read.c - a strict reader for JSON (RFC 8259) without real numbers.
 *
 * Recursive descent over the bytes; nodes and texts lie in chunks that are freed together. */
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_LEVELS 64
#define CHUNK 16384 /* bytes; a larger piece gets a chunk of its own */

#define UNIT _Alignof(struct cae__json)

struct cae__chunk {
    struct cae__chunk *next;
    size_t used, size;
    _Alignas(struct cae__json) unsigned char bytes[];
};

struct parser {
    struct cae__json_document *document;
    const char *at, *end, *begin;
    const char *what;
    int level;
    cae_status status; /* the first failure; then everything returns NULL */
};

/* --- Memory and errors ------------------------------------------------------------------------ */

static void *fail(struct parser *p, const char *reason)
{
    if (p->status == CAE_OK)
        p->status = cae__fail(p->document->context, CAE_ERR_FORMAT, "%s: %s at byte %zu of %zu",
                              p->what, reason, (size_t)(p->at - p->begin),
                              (size_t)(p->end - p->begin));
    return NULL;
}

static void *take(struct parser *p, size_t bytes)
{
    struct cae__json_document *d = p->document;
    const size_t padded = (bytes + UNIT - 1) / UNIT * UNIT;
    if (!d->chunks || d->chunks->size - d->chunks->used < padded) {
        const size_t size = padded > CHUNK ? padded : CHUNK;
        struct cae__chunk *chunk = cae__alloc(d->context, 1, sizeof *chunk + size);
        if (!chunk) {
            p->status = cae__fail_memory(d->context);
            return NULL;
        }
        *chunk = (struct cae__chunk){.next = d->chunks, .size = size};
        d->chunks = chunk;
    }
    void *const piece = d->chunks->bytes + d->chunks->used;
    d->chunks->used += padded;
    return piece;
}

void cae__json_close(struct cae__json_document *document)
{
    while (document->chunks) {
        struct cae__chunk *next = document->chunks->next;
        cae__free(document->context, document->chunks);
        document->chunks = next;
    }
    document->root = NULL;
}

/* --- Texts ------------------------------------------------------------------------------------ */

int cae__utf8_length(const unsigned char *s, size_t left)
{
    const int length = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3
                       : s[0] < 0xf5 ? 4 : 0;
    if (length == 0 || (size_t)length > left)
        return 0;
    for (int i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return length;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* Four hexadecimal digits; -1 when they are not. */
static int32_t hex4(const struct parser *p)
{
    int32_t value = 0;
    if (p->end - p->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const char c = p->at[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* After "\u". A surrogate must come with its partner; a zero would end our texts early. */
static char *unicode_escape(struct parser *p, char *to)
{
    int32_t c = hex4(p);
    if (c <= 0 || (c >= 0xdc00 && c <= 0xdfff))
        return fail(p, "an impossible \\u escape");
    p->at += 4;
    if (c >= 0xd800 && c <= 0xdbff) {
        if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
            return fail(p, "half a surrogate pair");
        p->at += 2;
        const int32_t low = hex4(p);
        if (low < 0xdc00 || low > 0xdfff)
            return fail(p, "half a surrogate pair");
        p->at += 4;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    return put_utf8(to, (uint32_t)c);
}

static char *escape(struct parser *p, char *to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    char c = '\0';
    if (p->at < p->end)
        c = *p->at++;
    const char *found = c ? strchr(from, c) : NULL;
    if (c == 'u')
        return unicode_escape(p, to);
    if (!found)
        return fail(p, "an unknown escape");
    *to++ = into[found - from];
    return to;
}

/* Where the text that begins at `at` ends: its closing quote, or the end of everything. */
static const char *closing_quote(const struct parser *p)
{
    const char *c = p->at;
    while (c < p->end && *c != '"')
        c += *c == '\\' && p->end - c > 1 ? 2 : 1;
    return c;
}

static const char *parse_text(struct parser *p)
{
    p->at++; /* the opening quote */
    const char *close = closing_quote(p); /* decoding never makes a text longer */
    char *text = take(p, (size_t)(close - p->at) + 1), *to = text;
    while (to && p->at < p->end && *p->at != '"') {
        if ((unsigned char)*p->at < 0x20)
            return fail(p, "a control character in a text");
        if (*p->at == '\\') {
            p->at++;
            to = escape(p, to);
            continue;
        }
        const int length = cae__utf8_length((const unsigned char *)p->at, (size_t)(p->end - p->at));
        if (length == 0)
            return fail(p, "not UTF-8");
        memcpy(to, p->at, (size_t)length);
        to += length;
        p->at += length;
    }
    if (!to)
        return NULL;
    if (p->at == p->end)
        return fail(p, "a text without an end");
    p->at++;
    *to = '\0';
    return text;
}

/* --- Values ----------------------------------------------------------------------------------- */

static void skip_space(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
        p->at++;
}

/* Skip white space, then this character if it comes next. */
static bool accept(struct parser *p, char c)
{
    skip_space(p);
    if (p->at == p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

static bool accept_word(struct parser *p, const char *word)
{
    const size_t length = strlen(word);
    if ((size_t)(p->end - p->at) < length || memcmp(p->at, word, length) != 0)
        return false;
    p->at += length;
    return true;
}

static bool is_digit(const struct parser *p)
{
    return p->at < p->end && *p->at >= '0' && *p->at <= '9';
}

static struct cae__json *parse_integer(struct parser *p, struct cae__json *node)
{
    const bool negative = accept_word(p, "-");
    const uint64_t most = (uint64_t)INT64_MAX + negative;
    uint64_t value = 0;
    if (!is_digit(p))
        return fail(p, "no value");
    const bool zero = *p->at == '0';
    while (is_digit(p)) {
        const uint64_t digit = (uint64_t)(*p->at - '0');
        if (value > (most - digit) / 10)
            return fail(p, "a number beyond 64 bits");
        value = 10 * value + digit;
        p->at++;
        if (zero && is_digit(p))
            return fail(p, "a number with a leading zero");
    }
    if (p->at < p->end && (*p->at == '.' || *p->at == 'e' || *p->at == 'E'))
        return fail(p, "a number that is not an integer");
    node->kind = CAE__INTEGER;
    node->integer = negative ? (int64_t)(0 - value) : (int64_t)value;
    return node;
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(const struct cae__json *const *)a)->key,
                  (*(const struct cae__json *const *)b)->key);
}

static bool keys_are_unique(struct parser *p, const struct cae__json *object)
{
    const struct cae__json **members =
        cae__alloc(p->document->context, object->count, sizeof *members);
    if (!members) {
        p->status = cae__fail_memory(p->document->context);
        return false;
    }
    size_t count = 0;
    for (const struct cae__json *member = object->first; member; member = member->next)
        members[count++] = member;
    qsort(members, count, sizeof *members, by_key);
    bool unique = true;
    for (size_t i = 1; i < count && unique; i++)
        unique = strcmp(members[i - 1]->key, members[i]->key) != 0;
    cae__free(p->document->context, members);
    if (!unique)
        fail(p, "a key that stands twice");
    return unique;
}

static struct cae__json *parse_value(struct parser *p);

/* What is between the brackets of an array or the braces of an object. */
/* NOLINTNEXTLINE(misc-no-recursion): at most MOST_LEVELS deep */
static struct cae__json *parse_elements(struct parser *p, struct cae__json *node, char close)
{
    const struct cae__json **link = &node->first;
    if (p->level == MOST_LEVELS)
        return fail(p, "too many levels");
    p->level++;
    p->at++; /* the opening one */
    while (node->count > 0 || !accept(p, close)) {
        const char *key = NULL;
        skip_space(p);
        if (node->kind == CAE__OBJECT) {
            if (p->at == p->end || *p->at != '"')
                return fail(p, "a member without a key");
            if (!(key = parse_text(p)))
                return NULL;
            if (!accept(p, ':'))
                return fail(p, "a key without a value");
        }
        struct cae__json *element = parse_value(p);
        if (!element)
            return NULL;
        element->key = key;
        *link = element;
        link = &element->next;
        node->count++;
        if (accept(p, close))
            break;
        if (!accept(p, ','))
            return fail(p, "neither a comma nor an end");
    }
    p->level--;
    return node->kind == CAE__OBJECT && node->count > 1 && !keys_are_unique(p, node) ? NULL : node;
}

/* NOLINTNEXTLINE(misc-no-recursion): at most MOST_LEVELS deep */
static struct cae__json *parse_value(struct parser *p)
{
    struct cae__json *node = take(p, sizeof *node);
    if (!node)
        return NULL;
    *node = (struct cae__json){.kind = CAE__NULL};
    skip_space(p);
    if (p->at == p->end)
        return fail(p, "no value");
    switch (*p->at) {
    case '{':
        node->kind = CAE__OBJECT;
        return parse_elements(p, node, '}');
    case '[':
        node->kind = CAE__ARRAY;
        return parse_elements(p, node, ']');
    case '"':
        node->kind = CAE__STRING;
        node->text = parse_text(p);
        return node->text ? node : NULL;
    default:
        if (accept_word(p, "null"))
            return node;
        node->kind = CAE__BOOL;
        node->integer = accept_word(p, "true");
        if (node->integer || accept_word(p, "false"))
            return node;
        return parse_integer(p, node);
    }
}

cae_status cae__json_parse(struct cae__json_document *document, const cae_context *context,
                           const char *bytes, size_t length, const char *what)
{
    *document = (struct cae__json_document){.context = context};
    if (length > UINT32_MAX) /* so that counts of nodes fit */
        return cae__fail(context, CAE_ERR_FORMAT, "%s: %zu bytes are too many", what, length);
    struct parser p = {.document = document, .at = bytes, .begin = bytes, .end = bytes + length,
                       .what = what};
    document->root = parse_value(&p);
    skip_space(&p);
    if (p.status == CAE_OK && p.at != p.end)
        fail(&p, "more than one value");
    if (p.status != CAE_OK)
        cae__json_close(document);
    return p.status;
}

/* --- Using ------------------------------------------------------------------------------------ */

const struct cae__json *cae__json_get(const struct cae__json *object, const char *key)
{
    if (!object || object->kind != CAE__OBJECT)
        return NULL;
    const struct cae__json *member = object->first;
    while (member && strcmp(member->key, key) != 0)
        member = member->next;
    return member;
}

const char *cae__json_text(const struct cae__json *value)
{
    return value && value->kind == CAE__STRING ? value->text : NULL;
}

static bool store(const struct cae__field *field, const struct cae__json *value)
{
    switch (field->kind) {
    case CAE__FIELD_INTEGER:
        if (value->kind == CAE__INTEGER)
            *(int64_t *)field->to = value->integer;
        return value->kind == CAE__INTEGER;
    case CAE__FIELD_PAIR: {
        if (value->kind != CAE__ARRAY || value->count != 2 ||
            value->first->kind != CAE__INTEGER || value->first->next->kind != CAE__INTEGER)
            return false;
        int64_t *pair = field->to;
        pair[0] = value->first->integer;
        pair[1] = value->first->next->integer;
        return true;
    }
    case CAE__FIELD_BOOL:
        if (value->kind == CAE__BOOL)
            *(bool *)field->to = value->integer != 0;
        return value->kind == CAE__BOOL;
    case CAE__FIELD_TEXT:
        if (value->kind == CAE__STRING)
            *(const char **)field->to = value->text;
        return value->kind == CAE__STRING;
    default:
        if (value->kind == CAE__ARRAY)
            *(const struct cae__json **)field->to = value;
        return value->kind == CAE__ARRAY;
    }
}

cae_status cae__json_fields(const cae_context *context, const struct cae__json *object,
                            const struct cae__field *fields, size_t count, const char *what)
{
    size_t known = 0;
    for (size_t i = 0; i < count; i++) {
        const struct cae__json *value = cae__json_get(object, fields[i].name);
        if (!value && fields[i].optional)
            continue;
        if (!value || !store(&fields[i], value))
            return cae__fail(context, CAE_ERR_FORMAT, "%s: \"%s\" is %s", what, fields[i].name,
                             value ? "not what it should be" : "missing");
        known++;
    }
    if (known != object->count)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "%s: %zu members that this version does not know", what,
                         object->count - known);
    return CAE_OK;
}

bool cae__json_u64(uint64_t *value, const char *text)
{
    char again[24];
    *value = 0;
    for (const char *c = text; *c >= '0' && *c <= '9' && c - text < 20; c++)
        *value = 10 * *value + (uint64_t)(*c - '0');
    snprintf(again, sizeof again, "%" PRIu64, *value);
    return strcmp(again, text) == 0; /* no overflow, no other characters */
}
