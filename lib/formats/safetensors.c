/* safetensors.c - the container format, written as the reference writes it and read more strictly.
 *
 *   8 bytes   header length N, little-endian
 *   N bytes   JSON object: "name": {"dtype", "shape", "data_offsets": [begin, end]}, and
 *             "__metadata__": {text: text}
 *   the rest  values, little-endian, row-major, packed; offsets count from here
 *
 * Tensors are written by name (all are float32; the reference sorts by type, then name), the header
 * is padded with spaces to a multiple of 8. */
#include "safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The reference allows 100,000,000 bytes, which a reader has to answer with seventeen times the
 * memory. A checkpoint of as many layers as there can be takes less than a third of this. */
#define MOST_HEADER (16u << 20)

/* --- Little-endian numbers, on any machine ---------------------------------------------------- */

static void put_u64(unsigned char *to, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        to[i] = (unsigned char)(value >> 8 * i);
}

static uint64_t get_u64(const unsigned char *from)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)from[i] << 8 * i;
    return value;
}

void cae__floats_to_bytes(unsigned char *to, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++, to += 4) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        to[0] = (unsigned char)bits;
        to[1] = (unsigned char)(bits >> 8);
        to[2] = (unsigned char)(bits >> 16);
        to[3] = (unsigned char)(bits >> 24);
    }
}

static void get_floats(float *values, const unsigned char *from, size_t count)
{
    for (size_t i = 0; i < count; i++, from += 4) {
        const uint32_t bits = (uint32_t)from[0] | (uint32_t)from[1] << 8 |
                              (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
        memcpy(&values[i], &bits, sizeof bits);
    }
}

/* --- Writing ---------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct cae__tensor_out *)a)->name,
                  ((const struct cae__tensor_out *)b)->name);
}

static void describe(struct cae__text *text, const struct cae__tensor_out *tensor, size_t begin)
{
    cae__text_add(text, ",");
    cae__text_add_string(text, tensor->name);
    cae__text_add(text, ":{\"dtype\":\"F32\",\"shape\":[");
    for (int i = 0; i < tensor->rank; i++)
        cae__text_add(text, "%s%" PRId64, i ? "," : "", tensor->shape[i]);
    cae__text_add(text, "],\"data_offsets\":[%zu,%zu]}", begin, begin + 4 * tensor->count);
}

static void make_header(struct cae__text *text, const struct cae__tensor_out *tensors, int count,
                        const struct cae__metadata *metadata, int metadata_count)
{
    size_t begin = 0;
    cae__text_add(text, "{\"__metadata__\":{");
    for (int i = 0; i < metadata_count; i++) {
        cae__text_add(text, i ? "," : "");
        cae__text_add_string(text, metadata[i].key);
        cae__text_add(text, ":");
        cae__text_add_string(text, metadata[i].value);
    }
    cae__text_add(text, "}");
    for (int i = 0; i < count; i++) {
        describe(text, &tensors[i], begin);
        begin += 4 * tensors[i].count;
    }
    cae__text_add(text, "}");
}

cae_status cae__safetensors_write(unsigned char **data, size_t *size, const cae_context *context,
                                  struct cae__tensor_out *tensors, int count,
                                  const struct cae__metadata *metadata, int metadata_count)
{
    struct cae__text text;
    qsort(tensors, (size_t)count, sizeof *tensors, by_name);
    cae__text_init(&text, context);
    make_header(&text, tensors, count, metadata, metadata_count);
    const size_t length = text.length, header = (length + 7) / 8 * 8;
    size_t total = 8 + header;
    for (int i = 0; i < count; i++)
        total += 4 * tensors[i].count;
    unsigned char *file = text.failed ? NULL : cae__alloc(context, 1, total);
    if (file) {
        put_u64(file, header);
        memcpy(file + 8, text.bytes, length);
        memset(file + 8 + length, ' ', header - length);
        unsigned char *values = file + 8 + header;
        for (int i = 0; i < count; i++) {
            cae__floats_to_bytes(values, tensors[i].values, tensors[i].count);
            values += 4 * tensors[i].count;
        }
    }
    cae__text_finish(&text);
    if (!file)
        return cae__fail_memory(context);
    *data = file;
    *size = total;
    return CAE_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Bits of one element; 0 for a type that the format does not have. */
static size_t bits_of(const char *dtype)
{
    static const struct {
        const char *name;
        size_t bits;
    } types[] = {
        {"BOOL", 8}, {"F4", 4}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8}, {"I8", 8},
        {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
        {"I16", 16}, {"U16", 16}, {"F16", 16}, {"BF16", 16}, {"I32", 32}, {"U32", 32},
        {"F32", 32}, {"C64", 64}, {"F64", 64}, {"I64", 64}, {"U64", 64},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(dtype, types[i].name) == 0)
            return types[i].bits;
    return 0;
}

static bool get_size(size_t *value, const struct cae__json *json)
{
    if (json->kind != CAE__INTEGER || json->integer < 0 || (uint64_t)json->integer > SIZE_MAX)
        return false;
    *value = (size_t)json->integer;
    return true;
}

/* Bytes that a shape takes; false when they overflow or are not whole. */
static bool shape_bytes(size_t *bytes, const struct cae__json *shape, size_t bits)
{
    size_t product = bits;
    for (const struct cae__json *side = shape->first; side; side = side->next) {
        size_t extent;
        if (!get_size(&extent, side) || !cae__multiply(&product, product, extent))
            return false;
    }
    *bytes = product / 8;
    return product % 8 == 0;
}

/* One entry by itself; how entries lie beside each other is checked when all are known. */
static cae_status read_entry(struct cae__tensor_in *tensor, const cae_context *context,
                             const struct cae__json *entry)
{
    const char *name = entry->key, *dtype = cae__json_text(cae__json_get(entry, "dtype"));
    const struct cae__json *shape = cae__json_get(entry, "shape");
    const struct cae__json *offsets = cae__json_get(entry, "data_offsets");
    size_t begin, end, bytes;
    if (!dtype || !shape || shape->kind != CAE__ARRAY || !offsets ||
        offsets->kind != CAE__ARRAY || offsets->count != 2 || !get_size(&begin, offsets->first) ||
        !get_size(&end, offsets->first->next))
        return cae__fail(context, CAE_ERR_FORMAT,
                         "tensor \"%.64s\": expected a dtype, a shape and two data_offsets", name);
    const size_t bits = bits_of(dtype);
    if (bits == 0)
        return cae__fail(context, CAE_ERR_FORMAT, "tensor \"%.64s\": unknown dtype \"%.16s\"", name,
                         dtype);
    if (!shape_bytes(&bytes, shape, bits))
        return cae__fail(context, CAE_ERR_FORMAT,
                         "tensor \"%.64s\": the shape is not of whole bytes in range", name);
    if (end < begin || end - begin != bytes)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "tensor \"%.64s\": the shape takes %zu bytes, data_offsets span %zu to "
                         "%zu", name, bytes, begin, end);
    *tensor = (struct cae__tensor_in){name, shape, strcmp(dtype, "F32") == 0, begin, end};
    return CAE_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct cae__tensor_in *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct cae__tensor_in *)a)->name,
                  ((const struct cae__tensor_in *)b)->name);
}

/* Tensors must fill the rest of the file without holes, overlaps or trailing bytes. */
static cae_status check_cover(const struct cae__safetensors *file, const cae_context *context,
                              size_t available)
{
    size_t end = 0;
    for (size_t i = 0; i < file->count; i++) {
        if (file->tensors[i].begin != end)
            return cae__fail(context, CAE_ERR_FORMAT,
                             "tensor \"%.64s\" begins at byte %zu, expected %zu: a hole or an "
                             "overlap", file->tensors[i].name, file->tensors[i].begin, end);
        end = file->tensors[i].end;
    }
    if (end != available)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "the tensors take %zu bytes, the file has %zu: cut off or extended", end,
                         available);
    return CAE_OK;
}

static cae_status check_metadata(const cae_context *context, const struct cae__json *metadata)
{
    if (metadata->kind != CAE__OBJECT)
        return cae__fail(context, CAE_ERR_FORMAT, "__metadata__ is not an object");
    for (const struct cae__json *member = metadata->first; member; member = member->next)
        if (member->kind != CAE__STRING)
            return cae__fail(context, CAE_ERR_FORMAT, "__metadata__ \"%.64s\" is not a text",
                             member->key);
    return CAE_OK;
}

static cae_status read_entries(struct cae__safetensors *file, const cae_context *context,
                               size_t available)
{
    const struct cae__json *root = file->header.root;
    file->tensors = cae__alloc(context, root->count + 1, sizeof *file->tensors);
    if (!file->tensors)
        return cae__fail_memory(context);
    for (const struct cae__json *member = root->first; member; member = member->next) {
        cae_status status;
        if (strcmp(member->key, "__metadata__") == 0) {
            file->metadata = member;
            status = check_metadata(context, member);
        } else {
            status = read_entry(&file->tensors[file->count++], context, member);
        }
        if (status != CAE_OK)
            return status;
    }
    file->size = available;
    qsort(file->tensors, file->count, sizeof *file->tensors, by_offset);
    const cae_status status = check_cover(file, context, available);
    qsort(file->tensors, file->count, sizeof *file->tensors, by_key);
    return status;
}

cae_status cae__safetensors_open(struct cae__safetensors *file, const cae_context *context,
                                 const void *data, size_t size)
{
    const unsigned char *bytes = data;
    memset(file, 0, sizeof *file);
    if (size < 8)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "%zu bytes are too few for a safetensors file", size);
    const uint64_t header = get_u64(bytes);
    if (header > MOST_HEADER)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "not a safetensors file: a header of %" PRIu64 " bytes, at most %u "
                         "allowed", header, MOST_HEADER);
    if (header > size - 8)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "cut off: a header of %" PRIu64 " bytes in a file of %zu", header, size);

    cae_status status = cae__json_parse(&file->header, context, (const char *)bytes + 8,
                                        (size_t)header, "the header");
    if (status != CAE_OK)
        return status;
    file->values = bytes + 8 + header;
    if (file->header.root->kind != CAE__OBJECT)
        status = cae__fail(context, CAE_ERR_FORMAT, "the header is not a JSON object");
    else
        status = read_entries(file, context, size - 8 - (size_t)header);
    if (status != CAE_OK)
        cae__safetensors_close(file, context);
    return status;
}

void cae__safetensors_close(struct cae__safetensors *file, const cae_context *context)
{
    cae__free(context, file->tensors);
    cae__json_close(&file->header);
    memset(file, 0, sizeof *file);
}

const struct cae__tensor_in *cae__safetensors_find(const struct cae__safetensors *file,
                                                   const char *name)
{
    const struct cae__tensor_in wanted = {.name = name};
    return file->count ? bsearch(&wanted, file->tensors, file->count, sizeof wanted, by_key) : NULL;
}

const char *cae__safetensors_text(const struct cae__safetensors *file, const char *key)
{
    return cae__json_text(cae__json_get(file->metadata, key));
}

/* "[8, 3, 3, 3]" */
static const char *shape_text(char *text, size_t capacity, const int64_t *shape, int rank)
{
    size_t length = (size_t)snprintf(text, capacity, "[");
    for (int i = 0; i < rank && length < capacity; i++)
        length += (size_t)snprintf(text + length, capacity - length, "%s%" PRId64, i ? ", " : "",
                                   shape[i]);
    if (length < capacity)
        snprintf(text + length, capacity - length, "]");
    return text;
}

static bool same_shape(const struct cae__json *found, const int64_t *shape, int rank)
{
    const struct cae__json *side = found->first;
    for (int i = 0; i < rank && side; i++, side = side->next)
        if (side->integer != shape[i])
            return false;
    return found->count == (size_t)rank;
}

static cae_status wrong_shape(const cae_context *context, const struct cae__tensor_in *tensor,
                              const int64_t *shape, int rank)
{
    enum { MOST = 6 }; /* extents shown */
    char expected[160], found[160];
    int64_t extents[MOST];
    int shown = 0;
    for (const struct cae__json *side = tensor->shape->first; side && shown < MOST;
         side = side->next)
        extents[shown++] = side->integer;
    return cae__fail(context, CAE_ERR_FORMAT, "tensor \"%s\" is %s, expected %s", tensor->name,
                     shape_text(found, sizeof found, extents, shown),
                     shape_text(expected, sizeof expected, shape, rank));
}

cae_status cae__safetensors_read(float *values, const struct cae__safetensors *file,
                                 const cae_context *context, const char *name, const int64_t *shape,
                                 int rank)
{
    const struct cae__tensor_in *tensor = cae__safetensors_find(file, name);
    if (!tensor)
        return cae__fail(context, CAE_ERR_FORMAT, "there is no tensor \"%s\"", name);
    if (!tensor->is_f32)
        return cae__fail(context, CAE_ERR_FORMAT, "tensor \"%s\" is not float32 (F32)", name);
    if (!same_shape(tensor->shape, shape, rank))
        return wrong_shape(context, tensor, shape, rank);
    get_floats(values, file->values + tensor->begin, (tensor->end - tensor->begin) / 4);
    return CAE_OK;
}
