/* npy.c - NumPy's file of one array: a magic number, a version, a header that is a Python literal,
 * and the numbers. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include "images.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAGIC "\x93NUMPY"
#define MAGIC_SIZE 6
#define MOST_HEADER (CAE__NPY_HEAD - 12) /* bytes; NumPy itself refuses more than 10,000 */
#define LINE 64           /* numbers begin at a multiple of it */

bool cae__npy_is(const unsigned char *data, size_t size)
{
    return size >= MAGIC_SIZE && memcmp(data, MAGIC, MAGIC_SIZE) == 0;
}

/* --- The header: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } ------------------ */

struct header {
    char descr[24]; /* cut off where it is longer than any that is known */
    bool fortran;
    int64_t shape[CAE_MOST_RANK];
    int rank;
    unsigned seen; /* a bit for each key */
};

struct literal {
    const char *at, *end;
};

static void skip_blanks(struct literal *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\n' || *in->at == '\t' ||
                                *in->at == '\r'))
        in->at++;
}

static bool next_is(struct literal *in, char expected)
{
    skip_blanks(in);
    if (in->at == in->end || *in->at != expected)
        return false;
    in->at++;
    return true;
}

static bool word_is(struct literal *in, const char *word)
{
    const size_t length = strlen(word);
    skip_blanks(in);
    if ((size_t)(in->end - in->at) < length || memcmp(in->at, word, length) != 0)
        return false;
    in->at += length;
    return true;
}

/* Without escapes, which nothing that is known needs. */
static bool read_text(char *text, size_t capacity, struct literal *in)
{
    const char quote = next_is(in, '\'') ? '\'' : '"';
    if (quote == '"' && !next_is(in, '"'))
        return false;
    size_t length = 0;
    for (; in->at < in->end && *in->at != quote; in->at++)
        if (length + 1 < capacity)
            text[length++] = *in->at;
    text[length] = '\0';
    return in->at < in->end && *in->at++ == quote;
}

static bool read_number(int64_t *number, struct literal *in)
{
    skip_blanks(in);
    const char *first = in->at;
    *number = 0;
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++) {
        const int digit = *in->at - '0';
        if (*number > (INT64_MAX - digit) / 10)
            return false;
        *number = 10 * *number + digit;
    }
    const bool some = in->at > first;
    (void)next_is(in, 'L'); /* Python 2's long */
    return some;
}

/* One more than there may be is counted, to be refused in words. */
static bool read_shape(struct header *header, struct literal *in)
{
    if (!next_is(in, '('))
        return false;
    for (header->rank = 0; !next_is(in, ')'); header->rank++) {
        int64_t extent;
        if (!read_number(&extent, in))
            return false;
        if (header->rank < CAE_MOST_RANK)
            header->shape[header->rank] = extent;
        if (!next_is(in, ',')) {
            header->rank++;
            return next_is(in, ')');
        }
    }
    return true;
}

static bool read_item(struct header *header, struct literal *in)
{
    char key[16];
    if (!read_text(key, sizeof key, in) || !next_is(in, ':'))
        return false;
    const unsigned bit = strcmp(key, "descr") == 0 ? 1 : strcmp(key, "fortran_order") == 0 ? 2
                       : strcmp(key, "shape") == 0 ? 4 : 0;
    if (bit == 0 || header->seen & bit)
        return false;
    header->seen |= bit;
    if (bit == 1)
        return read_text(header->descr, sizeof header->descr, in);
    if (bit == 4)
        return read_shape(header, in);
    header->fortran = word_is(in, "True");
    return header->fortran || word_is(in, "False");
}

static bool read_literal(struct header *header, struct literal in)
{
    if (!next_is(&in, '{'))
        return false;
    while (!next_is(&in, '}')) {
        if (!read_item(header, &in))
            return false;
        if (!next_is(&in, ',')) {
            if (!next_is(&in, '}'))
                return false;
            break;
        }
    }
    skip_blanks(&in);
    return in.at == in.end && header->seen == 7;
}

/* Where the numbers begin, through `start`. */
static cae_status read_header(struct header *header, size_t *start, const cae_context *context,
                              const unsigned char *data, size_t size)
{
    const unsigned char *d = data + MAGIC_SIZE;
    if (size < MAGIC_SIZE + 4)
        return cae__fail(context, CAE_ERR_FORMAT, ".npy: the file ends after %zu bytes", size);
    const int major = d[0], minor = d[1];
    if (major < 1 || major > 3 || minor != 0)
        return cae__fail(context, CAE_ERR_FORMAT, ".npy: version %d.%d, expected 1.0, 2.0 or 3.0",
                         major, minor);
    *start = MAGIC_SIZE + (major == 1 ? 4 : 6);
    uint64_t length = 0;
    if (size >= *start)
        for (size_t i = *start; i > MAGIC_SIZE + 2; i--)
            length = length << 8 | data[i - 1];
    if (length > MOST_HEADER)
        return cae__fail(context, CAE_ERR_FORMAT, ".npy: a header of %" PRIu64 " bytes, expected "
                         "at most %d", length, MOST_HEADER);
    if (size < *start || size - *start < length)
        return cae__fail(context, CAE_ERR_FORMAT, ".npy: the file ends in its header");

    *header = (struct header){.rank = 0};
    const struct literal literal = {(const char *)data + *start,
                                    (const char *)data + *start + length};
    *start += (size_t)length;
    if (!read_literal(header, literal))
        return cae__fail(context, CAE_ERR_FORMAT,
                         ".npy: expected a header of descr (one type), fortran_order and shape");
    return CAE_OK;
}

/* --- The numbers ------------------------------------------------------------------------------ */

struct element {
    int32_t type; /* that it becomes */
    size_t size;  /* in the file */
    bool swapped;
};

static cae_status read_descr(struct element *element, const cae_context *context,
                             const char *descr)
{
    static const struct {
        char text[3];
        struct element is;
    } known[] = {{"u1", {CAE_TYPE_U8, 1, false}},
                 {"u2", {CAE_TYPE_U16, 2, false}},
                 {"f4", {CAE_TYPE_F32, 4, false}},
                 {"f8", {CAE_TYPE_F32, 8, false}}};
    const bool has_order = *descr != '\0' && strchr("<>=|", *descr);
    const char *name = descr + has_order;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(name, known[i].text) == 0) {
            *element = known[i].is;
            element->swapped =
                element->size > 1 && *descr == (cae__is_little_endian() ? '>' : '<');
            return CAE_OK;
        }
    return cae__fail(context, CAE_ERR_FORMAT,
                     ".npy: numbers of type '%s', expected u1, u2, f4 or f8: "
                     "array.astype(numpy.float32)", descr);
}

/* In place: no float lies behind the double that it comes from. */
static void narrow(unsigned char *data, size_t count)
{
    fenv_t host;
    cae__checks_begin(&host); /* denormal floats are what they are */
    for (size_t i = 0; i < count; i++) {
        double wide;
        memcpy(&wide, data + i * sizeof wide, sizeof wide);
        const float value = (float)wide;
        memcpy(data + i * sizeof value, &value, sizeof value);
    }
    cae__arithmetic_end(&host);
}

static cae_status check_header(struct cae__numbers *numbers, struct element *element,
                               const cae_context *context, const struct header *header,
                               size_t size)
{
    cae_status status = read_descr(element, context, header->descr);
    if (status == CAE_OK && header->fortran && header->rank > 1)
        status = cae__fail(context, CAE_ERR_FORMAT,
                           ".npy: an array in Fortran order, expected C order: "
                           "numpy.ascontiguousarray(array)");
    if (status == CAE_OK)
        status = cae__numbers_measure(numbers, context, element->type, header->shape,
                                      header->rank);
    if (status != CAE_OK)
        return status == CAE_ERR_SHAPE ? CAE_ERR_FORMAT : status;
    const size_t expected = numbers->bytes / cae__type_size(element->type) * element->size;
    if (size != expected)
        return cae__fail(context, CAE_ERR_FORMAT,
                         ".npy: %zu numbers take %zu bytes, the file has %zu", numbers->count,
                         expected, size);
    return CAE_OK;
}

cae_status cae__npy_look(struct cae__numbers *numbers, struct cae__npy_place *place,
                         const cae_context *context, const unsigned char *head, size_t head_size,
                         uint64_t size)
{
    struct header header;
    struct element element;
    cae_status status = read_header(&header, &place->start, context, head, head_size);
    if (status == CAE_OK && size - place->start > SIZE_MAX)
        status = cae__fail(context, CAE_ERR_FORMAT, ".npy: the file is larger than memory can "
                           "address");
    if (status == CAE_OK)
        status = check_header(numbers, &element, context, &header,
                              (size_t)(size - place->start));
    if (status == CAE_OK) {
        place->swapped = element.swapped;
        place->narrowed = element.size > cae__type_size(element.type);
    }
    return status;
}

cae_status cae__npy_read(struct cae__numbers *numbers, const cae_context *context,
                         const unsigned char *data, size_t size, unsigned char **block)
{
    struct header header;
    struct element element;
    size_t start;
    cae_status status = read_header(&header, &start, context, data, size);
    if (status == CAE_OK)
        status = check_header(numbers, &element, context, &header, size - start);
    if (status != CAE_OK)
        return status;

    if (block) { /* ours from here on */
        numbers->data = *block;
        *block = NULL;
        memmove(numbers->data, (unsigned char *)numbers->data + start, size - start);
    } else {
        numbers->data = cae__alloc(context, 1, size - start);
        if (!numbers->data)
            return cae__fail_memory(context);
        memcpy(numbers->data, data + start, size - start);
    }
    if (element.swapped)
        cae__swap_bytes(numbers->data, numbers->count, element.size);
    if (element.size == sizeof(double))
        narrow(numbers->data, numbers->count);
    return CAE_OK;
}

/* --- Writing: version 1.0, little-endian on every machine ------------------------------------- */

static size_t write_header(char *text, size_t capacity, const struct cae__numbers *numbers)
{
    const char *descr = numbers->type == CAE_TYPE_U8 ? "|u1"
                      : numbers->type == CAE_TYPE_U16 ? "<u2" : "<f4";
    int length = snprintf(text, capacity, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                          descr);
    for (int i = 0; i < numbers->rank; i++)
        length += snprintf(text + length, capacity - (size_t)length, "%s%lld", i > 0 ? ", " : "",
                           (long long)numbers->shape[i]);
    length += snprintf(text + length, capacity - (size_t)length, "%s), }",
                       numbers->rank == 1 ? "," : "");
    return (size_t)length;
}

cae_status cae__npy_write(unsigned char **data, size_t *size, const cae_context *context,
                          const struct cae__numbers *numbers)
{
    char text[512]; /* more than eight extents of 19 digits */
    const size_t length = write_header(text, sizeof text, numbers);
    const size_t before = MAGIC_SIZE + 4;
    const size_t start = (before + length + 1 + LINE - 1) / LINE * LINE;
    unsigned char *file = cae__alloc(context, 1, start + numbers->bytes);
    if (!file)
        return cae__fail_memory(context);

    memcpy(file, MAGIC "\x01\x00", MAGIC_SIZE + 2);
    file[MAGIC_SIZE + 2] = (unsigned char)((start - before) & 255);
    file[MAGIC_SIZE + 3] = (unsigned char)((start - before) >> 8);
    memcpy(file + before, text, length);
    memset(file + before + length, ' ', start - before - length - 1);
    file[start - 1] = '\n';
    memcpy(file + start, numbers->data, numbers->bytes);
    if (!cae__is_little_endian())
        cae__swap_bytes(file + start, numbers->count, cae__type_size(numbers->type));
    *data = file;
    *size = start + numbers->bytes;
    return CAE_OK;
}
