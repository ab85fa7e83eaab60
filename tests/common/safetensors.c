/* safetensors.c - a small reader for files that tests trust. See common.h.
 *
 * The file is: 8 bytes N little-endian; N bytes of JSON, an object that maps a name to
 * {"dtype", "shape", "data_offsets": [begin, end]} and "__metadata__" to an object of strings;
 * the data. The parser knows just that much JSON. */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TENSORS = 256, MAX_METADATA = 16, MAX_RANK = 8 };

struct st_tensor {
    char *name, *dtype;
    int rank;
    int64_t shape[MAX_RANK];
    uint64_t begin, end;
};

struct st_file {
    char *path;
    unsigned char *bytes, *data;
    size_t data_size;
    size_t tensor_count, metadata_count;
    struct st_tensor tensors[MAX_TENSORS];
    char *keys[MAX_METADATA], *values[MAX_METADATA];
};

/* --- JSON ------------------------------------------------------------------------------------- */

struct cursor {
    const char *path, *start, *at, *end;
};

_Noreturn static void reject(const struct cursor *c, const char *expected)
{
    ck_abort_msg("%s: expected %s at header byte %td", c->path, expected, c->at - c->start);
    abort(); /* ck_abort_msg does not return; the compiler is not told */
}

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && *c->at && strchr(" \t\r\n", *c->at))
        c->at++;
}

static bool accept(struct cursor *c, char symbol)
{
    skip_blanks(c);
    if (c->at == c->end || *c->at != symbol)
        return false;
    c->at++;
    return true;
}

static void expect(struct cursor *c, char symbol)
{
    const char expected[] = {'\'', symbol, '\'', 0};

    if (!accept(c, symbol))
        reject(c, expected);
}

static char escaped(struct cursor *c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found = c->at < c->end && *c->at ? strchr(from, *c->at) : NULL;

    if (!found)
        reject(c, "a simple escape"); /* no test file needs \u */
    c->at++;
    return to[found - from];
}

static char *string(struct cursor *c)
{
    char *const text = malloc((size_t)(c->end - c->at) + 1), *out = text;

    ck_assert_ptr_nonnull(text);
    expect(c, '"');
    while (c->at < c->end && *c->at != '"') {
        char symbol = *c->at++;

        if (symbol == '\\')
            symbol = escaped(c);
        *out++ = symbol;
    }
    *out = '\0';
    expect(c, '"');
    return text;
}

static uint64_t number(struct cursor *c)
{
    uint64_t value = 0;

    skip_blanks(c);
    if (c->at == c->end || *c->at < '0' || *c->at > '9')
        reject(c, "a number");
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        value = 10 * value + (uint64_t)(*c->at - '0');
    return value;
}

static void read_shape(struct cursor *c, struct st_tensor *tensor)
{
    expect(c, '[');
    if (accept(c, ']'))
        return;
    do {
        if (tensor->rank == MAX_RANK)
            reject(c, "fewer dimensions");
        tensor->shape[tensor->rank++] = (int64_t)number(c);
    } while (accept(c, ','));
    expect(c, ']');
}

static void read_tensor(struct cursor *c, struct st_tensor *tensor)
{
    expect(c, '{');
    do {
        char *field = string(c);

        expect(c, ':');
        if (strcmp(field, "dtype") == 0) {
            tensor->dtype = string(c);
        } else if (strcmp(field, "shape") == 0) {
            read_shape(c, tensor);
        } else if (strcmp(field, "data_offsets") == 0) {
            expect(c, '[');
            tensor->begin = number(c);
            expect(c, ',');
            tensor->end = number(c);
            expect(c, ']');
        } else {
            reject(c, "dtype, shape or data_offsets");
        }
        free(field);
    } while (accept(c, ','));
    expect(c, '}');
    if (!tensor->dtype)
        reject(c, "a dtype");
}

static void read_metadata(struct cursor *c, struct st_file *file)
{
    expect(c, '{');
    if (accept(c, '}'))
        return;
    do {
        if (file->metadata_count == MAX_METADATA)
            reject(c, "less metadata");
        file->keys[file->metadata_count] = string(c);
        expect(c, ':');
        file->values[file->metadata_count++] = string(c);
    } while (accept(c, ','));
    expect(c, '}');
}

static void read_header(struct cursor *c, struct st_file *file)
{
    expect(c, '{');
    if (accept(c, '}'))
        return;
    do {
        char *name = string(c);

        expect(c, ':');
        if (strcmp(name, "__metadata__") == 0) {
            free(name);
            read_metadata(c, file);
            continue;
        }
        if (file->tensor_count == MAX_TENSORS)
            reject(c, "fewer tensors");
        file->tensors[file->tensor_count].name = name;
        read_tensor(c, &file->tensors[file->tensor_count++]);
    } while (accept(c, ','));
    expect(c, '}');
}

/* --- The file --------------------------------------------------------------------------------- */

static unsigned char *read_whole(size_t *size, const char *path)
{
    FILE *stream = fopen(path, "rb");
    unsigned char *bytes;
    long length;

    if (!stream)
        ck_abort_msg("%s: cannot be opened", path);
    ck_assert_int_eq(fseek(stream, 0, SEEK_END), 0);
    length = ftell(stream);
    if (length < 8)
        ck_abort_msg("%s: %ld bytes are no safetensors file", path, length);
    rewind(stream);
    *size = (size_t)length;
    bytes = malloc(*size);
    ck_assert_ptr_nonnull(bytes);
    if (fread(bytes, 1, *size, stream) != *size)
        ck_abort_msg("%s: cannot be read", path);
    fclose(stream);
    return bytes;
}

/* Values are read where they lie: to the order of bytes of this machine. */
static void turn_values(struct st_file *file)
{
    for (size_t i = 0; i < file->tensor_count; i++) {
        const struct st_tensor *t = &file->tensors[i];
        const size_t width = strcmp(t->dtype, "F64") == 0 ? 8 : 4;

        if (t->begin <= t->end && t->end <= file->data_size)
            little_endian(file->data + t->begin, (size_t)(t->end - t->begin) / width, width);
    }
}

struct st_file *st_open(const char *path)
{
    struct st_file *file = calloc(1, sizeof *file);
    uint64_t header = 0;
    struct cursor c;
    size_t size;

    ck_assert_ptr_nonnull(file);
    file->path = malloc(strlen(path) + 1);
    ck_assert_ptr_nonnull(file->path);
    strcpy(file->path, path);
    file->bytes = read_whole(&size, path);
    for (int i = 8; i-- > 0;)
        header = header << 8 | file->bytes[i];
    if (header > size - 8)
        ck_abort_msg("%s: header of %ju bytes in a file of %zu", path, (uintmax_t)header, size);
    file->data = file->bytes + 8 + header;
    file->data_size = size - 8 - (size_t)header;
    c = (struct cursor){path, (char *)file->bytes + 8, (char *)file->bytes + 8, (char *)file->data};
    read_header(&c, file);
    turn_values(file);
    return file;
}

void st_close(struct st_file *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < file->tensor_count; i++) {
        free(file->tensors[i].name);
        free(file->tensors[i].dtype);
    }
    for (size_t i = 0; i < file->metadata_count; i++) {
        free(file->keys[i]);
        free(file->values[i]);
    }
    free(file->bytes);
    free(file->path);
    free(file);
}

const char *st_metadata(const struct st_file *file, const char *key)
{
    for (size_t i = 0; i < file->metadata_count; i++)
        if (strcmp(file->keys[i], key) == 0)
            return file->values[i];
    return NULL;
}

size_t st_count(const struct st_file *file)
{
    return file->tensor_count;
}

const char *st_name(const struct st_file *file, size_t index)
{
    return index < file->tensor_count ? file->tensors[index].name : NULL;
}

static const struct st_tensor *lookup(const struct st_file *file, const char *name)
{
    for (size_t i = 0; i < file->tensor_count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

bool st_has(const struct st_file *file, const char *name)
{
    return lookup(file, name) != NULL;
}

static const struct st_tensor *find(const struct st_file *file, const char *name)
{
    const struct st_tensor *tensor = lookup(file, name);

    if (!tensor)
        ck_abort_msg("%s: no tensor \"%s\"", file->path, name);
    return tensor;
}

/* The data of a tensor after checking its type, its size and that it can be read in place. */
static const void *elements(size_t *count, const struct st_file *file, const char *name,
                            const char *dtype, size_t width)
{
    const struct st_tensor *tensor = find(file, name);
    uint64_t n = 1;

    for (int i = 0; i < tensor->rank; i++)
        n *= (uint64_t)tensor->shape[i];
    if (strcmp(tensor->dtype, dtype) != 0)
        ck_abort_msg("%s: \"%s\" is %s, not %s", file->path, name, tensor->dtype, dtype);
    if (tensor->end > file->data_size || tensor->begin > tensor->end ||
        tensor->end - tensor->begin != n * width)
        ck_abort_msg("%s: \"%s\" does not fit its offsets", file->path, name);
    if ((uintptr_t)(file->data + tensor->begin) % width)
        ck_abort_msg("%s: \"%s\" is not aligned", file->path, name);
    if (count)
        *count = (size_t)n;
    return file->data + tensor->begin;
}

const float *st_floats(const struct st_file *file, const char *name, size_t *count)
{
    return elements(count, file, name, "F32", sizeof(float));
}

const double *st_doubles(const struct st_file *file, const char *name, size_t *count)
{
    return elements(count, file, name, "F64", sizeof(double));
}

int st_shape(int64_t *shape, const struct st_file *file, const char *name)
{
    const struct st_tensor *tensor = find(file, name);

    memcpy(shape, tensor->shape, (size_t)tensor->rank * sizeof *shape);
    return tensor->rank;
}
