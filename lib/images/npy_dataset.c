/* npy_dataset.c - a NumPy file of images as a dataset: its numbers stay where they were read. */
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
    return open_file(out, context, path, &o);
}
