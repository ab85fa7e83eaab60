/* npy_dataset.c - a NumPy file of images as a dataset: its numbers stay where they were read, or in the
 * file. */
#include "images.h"

#include <inttypes.h>

#include "../base/file.h"
#include "../data/data.h"

/* Which extent is which. */
static cae_status describe(cae_dataset *prototype, const cae_context *context,
                           const struct cae__numbers *numbers)
{
    const int64_t *shape = numbers->shape;
    if (numbers->type == CAE_TYPE_U16)
        return cae__fail(context, CAE_ERR_FORMAT, "numbers of 16 bits, expected bytes or floats: "
                         "(array / 65535).astype(numpy.float32), with CAE_SCALE_UNIT");
    if (numbers->rank != 3 && numbers->rank != 4)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "an array of %d extents, expected 4, [count][channels][height][width] or "
                         "[count][height][width][channels], or 3, [count][height][width]",
                         (int)numbers->rank);
    const bool pixels = prototype->layout == CAE_LAYOUT_NHWC;
    const int64_t channels = numbers->rank == 3 ? 1 : shape[pixels ? 3 : 1];
    const int first = numbers->rank == 3 || pixels ? 1 : 2;
    if (channels > INT32_MAX || shape[first] > INT32_MAX || shape[first + 1] > INT32_MAX)
        return cae__fail(context, CAE_ERR_FORMAT, "images of %" PRId64 "x%" PRId64 "x%" PRId64
                         ", expected extents of at most %d", channels, shape[first],
                         shape[first + 1], CAE__MOST_SIDE);
    prototype->count = shape[0];
    prototype->channels = (int)channels;
    prototype->height = (int)shape[first];
    prototype->width = (int)shape[first + 1];
    prototype->type = numbers->type;
    return CAE_OK;
}

static cae_status from_numbers(cae_dataset **out, cae_context *context,
                               const struct cae__numbers *numbers, const cae_dataset_options *o)
{
    cae_dataset prototype = {.layout = o->layout, .scale = o->scale};
    cae_status status = describe(&prototype, context, numbers);
    if (status != CAE_OK) {
        cae__free(context, numbers->data);
        return status;
    }
    status = cae__dataset_adopt(out, context, numbers->data, numbers->bytes, &prototype);
    return status == CAE_ERR_ARGUMENT || status == CAE_ERR_SHAPE ? CAE_ERR_FORMAT : status;
}

/* --- Numbers that stay in the file ------------------------------------------------------------- */

struct source {
    cae__opened file;
    int64_t size;
    struct cae__numbers numbers; /* what the header says */
    struct cae__npy_place place;
};

static cae_status read_head(struct source *source, const cae_context *context, const char *path)
{
    const size_t size = source->size < CAE__NPY_HEAD ? (size_t)source->size : CAE__NPY_HEAD;
    unsigned char *head = cae__alloc(context, 1, size + 1); /* + 1: may be empty */
    if (!head)
        return cae__fail_memory(context);
    const int32_t error = cae__file_read_at(head, size, source->file, 0);
    cae_status status;
    if (error)
        status = cae__fail_at(context, error, "cannot read", path, 0);
    else if (!cae__npy_is(head, size))
        status = cae__fail(context, CAE_ERR_FORMAT, "not a .npy file");
    else
        status = cae__npy_look(&source->numbers, &source->place, context, head, size,
                               (uint64_t)source->size);
    cae__free(context, head);
    return status;
}

/* Bytes of numbers in the file, which is what they take in memory, too, whatever they become there. */
static size_t bytes_in_file(const struct source *source)
{
    return (size_t)source->size - source->place.start;
}

static cae_status shelve(cae_dataset **out, cae_context *context, struct source *source,
                         const char *path, const cae_dataset *prototype)
{
    struct cae__store *store;
    const int64_t count = prototype->count;
    if (source->place.narrowed)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "numbers that have to be rounded cannot stay in the file, expected u1 or f4: "
                         "array.astype(numpy.float32), or memory for %zu bytes",
                         bytes_in_file(source));
    cae_status status = cae__store_create(&store, context, 1, 1,
                                          source->numbers.bytes / (size_t)count, 0);
    if (status != CAE_OK)
        return status;
    if (source->place.swapped)
        cae__store_swap_floats(store);
    const cae__opened file = source->file;
    source->file = CAE__NOT_OPENED; /* the store's */
    status = cae__store_add_file(store, context, file, path);
    if (status != CAE_OK) {
        cae__store_destroy(store, context);
        return status;
    }
    cae__store_add_images(store, 0, (int64_t)source->place.start);
    return cae__dataset_shelve(out, context, store, prototype);
}

/* *out stays NULL where the pixels fit into memory. */
static cae_status open_bounded(cae_dataset **out, cae_context *context, const char *path,
                               const cae_dataset_options *o)
{
    struct source source;
    cae_dataset prototype = {.layout = o->layout, .scale = o->scale};
    cae_status status = cae__file_open(&source.file, &source.size, context, path);
    if (status != CAE_OK)
        return status;
    status = read_head(&source, context, path);
    if (status == CAE_OK)
        status = describe(&prototype, context, &source.numbers);
    if (status == CAE_OK && !cae__dataset_fits(o, 1, bytes_in_file(&source)))
        status = shelve(out, context, &source, path, &prototype);
    cae__file_close(source.file);
    status = status == CAE_ERR_ARGUMENT || status == CAE_ERR_SHAPE ? CAE_ERR_FORMAT : status;
    return status == CAE_ERR_IO ? status : cae__name_file(context, status, path);
}

/* ------------------------------------------------------------------------------------------------ */

static cae_status open_file(cae_dataset **out, cae_context *context, const char *path,
                            const cae_dataset_options *o)
{
    unsigned char *data;
    size_t size;
    cae_status status = cae__file_read(&data, &size, context, path);
    if (status != CAE_OK)
        return status;
    struct cae__numbers numbers;
    status = cae__npy_is(data, size)
                 ? cae__npy_read(&numbers, context, data, size, &data)
                 : cae__fail(context, CAE_ERR_FORMAT, "not a .npy file");
    cae__free(context, data);
    if (status == CAE_OK)
        status = from_numbers(out, context, &numbers, o);
    return cae__name_file(context, status, path);
}

cae_status cae_dataset_open_npy(cae_dataset **out, cae_context *context, const char *path,
                                const cae_dataset_options *options)
{
    if (!out)
        return cae__fail(context, CAE_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!context)
        return CAE_ERR_ARGUMENT;
    cae_dataset_options o;
    cae_status status = cae__path_check(context, path);
    if (status == CAE_OK)
        status = cae__dataset_options(context, &o, options);
    if (status != CAE_OK)
        return status;
    if (o.type != CAE_TYPE_U8 || o.borrow != 0)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "cae_dataset_options: the type is the file's and borrow belongs to "
                         "cae_dataset_create, expected 0");
    if (o.memory > 0)
        status = open_bounded(out, context, path, &o);
    return status == CAE_OK && !*out ? open_file(out, context, path, &o) : status;
}
