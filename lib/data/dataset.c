/* dataset.c - random access to images of one shape: memory, slices, scaling. */
#include "data.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "../kernels/kernels.h"

#define MOST_SIDE 1048576

static const cae_dataset_options defaults = {.size = sizeof defaults};

cae_status cae_dataset_options_init(cae_dataset_options *options, uint32_t size)
{
    return cae__options_init(options, size, &defaults, sizeof defaults);
}

cae_status cae__dataset_options(const cae_context *context, cae_dataset_options *known,
                                const cae_dataset_options *given)
{
    *known = defaults;
    const cae_status status = cae__options_read(context, known, sizeof *known, given,
                                                "cae_dataset_options");
    if (status != CAE_OK)
        return status;
    if (known->scale < CAE_SCALE_SIGNED || known->scale > CAE_SCALE_UNIT ||
        known->type < CAE_TYPE_U8 || known->type > CAE_TYPE_F32 ||
        known->layout < CAE_LAYOUT_NCHW || known->layout > CAE_LAYOUT_NHWC ||
        known->borrow < 0 || known->borrow > 1 || known->reserved != 0)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "cae_dataset_options: scale %d, type %d, layout %d, borrow %d: each is 0 "
                         "or 1, reserved is 0", (int)known->scale, (int)known->type,
                         (int)known->layout, (int)known->borrow);
    if (known->memory < 0)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "cae_dataset_options: memory is %" PRId64 ", expected 0 or more",
                         known->memory);
    return CAE_OK;
}

cae_status cae__dataset_plain_options(const cae_context *context, cae_dataset_options *known,
                                      const cae_dataset_options *given)
{
    const cae_status status = cae__dataset_options(context, known, given);
    if (status != CAE_OK)
        return status;
    if (known->type != CAE_TYPE_U8 || known->layout != CAE_LAYOUT_NCHW || known->borrow != 0)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "cae_dataset_options: type, layout and borrow belong to "
                         "cae_dataset_create, expected 0");
    return CAE_OK;
}

cae_status cae__dataset_refuse_memory(const cae_context *context, const cae_dataset_options *o)
{
    return o->memory == 0
               ? CAE_OK
               : cae__fail(context, CAE_ERR_OPTIONS, "cae_dataset_options: memory is %" PRId64
                           ", which is for data in files, expected 0", o->memory);
}

bool cae__dataset_fits(const cae_dataset_options *o, int64_t images, size_t bytes)
{
    return o->memory == 0 || (uint64_t)images <= (uint64_t)o->memory / bytes;
}

/* Bytes of all images; CAE_ERR_ARGUMENT for impossible extents. */
static cae_status total_bytes(size_t *bytes, size_t *length, const cae_context *context,
                              int64_t count, int channels, int height, int width, size_t element)
{
    if (count < 1 || channels < 1 || height < 1 || width < 1 || channels > MOST_SIDE ||
        height > MOST_SIDE || width > MOST_SIDE)
        return cae__fail(context, CAE_ERR_ARGUMENT,
                         "%" PRId64 " images of %dx%dx%d, expected at least one and extents of "
                         "1 to %d", count, channels, height, width, MOST_SIDE);
    size_t plane;
    if (!cae__multiply(&plane, (size_t)height, (size_t)width) ||
        !cae__multiply(length, plane, (size_t)channels) || *length > INT32_MAX ||
        (uint64_t)count > SIZE_MAX || !cae__multiply(bytes, *length, (size_t)count) ||
        !cae__multiply(bytes, *bytes, element))
        return cae__fail(context, CAE_ERR_SHAPE,
                         "%" PRId64 " images of %dx%dx%d are more than memory can address", count,
                         channels, height, width);
    return CAE_OK;
}

static cae_status allocate(cae_dataset **out, cae_context *context, const cae_dataset *prototype)
{
    cae_dataset *dataset = cae__alloc(context, 1, sizeof *dataset);
    if (!dataset)
        return cae__fail_memory(context);
    *dataset = *prototype;
    cae__handle_init(&dataset->handle, CAE__DATASET, context);
    *out = dataset;
    return CAE_OK;
}

cae_status cae__dataset_allocate(cae_dataset **out, cae_context *context, int64_t count,
                                 int channels, int height, int width, int32_t scale)
{
    cae_dataset prototype = {.count = count, .channels = channels, .height = height,
                             .width = width, .scale = scale};
    size_t bytes;
    cae_status status = total_bytes(&bytes, &prototype.length, context, count, channels, height,
                                    width, 1);
    if (status != CAE_OK)
        return status;
    prototype.owned = cae__alloc(context, 1, bytes);
    if (!prototype.owned)
        return cae__fail_memory(context);
    prototype.data = prototype.owned;
    status = allocate(out, context, &prototype);
    if (status != CAE_OK)
        cae__free(context, prototype.owned);
    return status;
}

cae_status cae__dataset_adopt(cae_dataset **out, cae_context *context, void *block, size_t bytes,
                              const cae_dataset *prototype)
{
    cae_dataset adopted = *prototype;
    size_t expected;
    cae_status status = total_bytes(&expected, &adopted.length, context, adopted.count,
                                    adopted.channels, adopted.height, adopted.width,
                                    adopted.type == CAE_TYPE_U8 ? 1 : sizeof(float));
    if (status == CAE_OK && bytes < expected)
        status = cae__fail(context, CAE_ERR_SHAPE,
                           "%" PRId64 " images of %dx%dx%d take %zu bytes, the array has %zu",
                           adopted.count, adopted.channels, adopted.height, adopted.width, expected,
                           bytes);
    adopted.owned = block;
    adopted.data = block;
    if (status == CAE_OK)
        status = allocate(out, context, &adopted);
    if (status != CAE_OK)
        cae__free(context, block);
    return status;
}

cae_status cae__dataset_shelve(cae_dataset **out, cae_context *context, struct cae__store *store,
                               const cae_dataset *prototype)
{
    cae_dataset shelved = *prototype;
    size_t bytes; /* of one: of all there may be more than memory can address */
    cae_status status = total_bytes(&bytes, &shelved.length, context, shelved.count > 0,
                                    shelved.channels, shelved.height, shelved.width,
                                    shelved.type == CAE_TYPE_U8 ? 1 : sizeof(float));
    shelved.store = store;
    if (status == CAE_OK)
        status = allocate(out, context, &shelved);
    if (status != CAE_OK)
        cae__store_destroy(store, context);
    return status;
}

cae_status cae_dataset_create(cae_dataset **out, cae_context *context, const void *data,
                              size_t bytes, int64_t count, int32_t channels, int32_t height,
                              int32_t width, const cae_dataset_options *options)
{
    if (!out)
        return cae__fail(context, CAE_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!context || !data)
        return cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL", context ? "data" : "context");

    cae_dataset_options o;
    cae_status status = cae__dataset_options(context, &o, options);
    if (status == CAE_OK)
        status = cae__dataset_refuse_memory(context, &o);
    if (status != CAE_OK)
        return status;
    const size_t element = o.type == CAE_TYPE_U8 ? 1 : sizeof(float);
    cae_dataset prototype = {.count = count, .channels = channels, .height = height,
                             .width = width, .type = o.type, .layout = o.layout,
                             .scale = o.scale, .data = data};
    size_t expected;
    status = total_bytes(&expected, &prototype.length, context, count, channels, height, width,
                         element);
    if (status != CAE_OK)
        return status;
    if (bytes != expected)
        return cae__fail(context, CAE_ERR_SHAPE,
                         "%" PRId64 " images of %dx%dx%d take %zu bytes, the array has %zu", count,
                         (int)channels, (int)height, (int)width, expected, bytes);
    if (!o.borrow) {
        prototype.owned = cae__alloc(context, 1, bytes);
        if (!prototype.owned)
            return cae__fail_memory(context);
        memcpy(prototype.owned, data, bytes);
        prototype.data = prototype.owned;
    }
    status = allocate(out, context, &prototype);
    if (status != CAE_OK)
        cae__free(context, prototype.owned);
    return status;
}

cae_status cae_dataset_slice(cae_dataset **out, const cae_dataset *dataset, int64_t first,
                             int64_t count)
{
    if (!out || !dataset) {
        if (out)
            *out = NULL;
        return cae__fail(dataset ? dataset->handle.context : NULL, CAE_ERR_ARGUMENT, "out is NULL");
    }
    *out = NULL;
    if (first < 0 || count < 1 || first >= dataset->count || count > dataset->count - first)
        return cae__fail(dataset->handle.context, CAE_ERR_ARGUMENT,
                         "images %" PRId64 " to %" PRId64 " + %" PRId64 " of a dataset of %" PRId64,
                         first, first, count, dataset->count);
    const size_t element = dataset->type == CAE_TYPE_U8 ? 1 : sizeof(float);
    cae_dataset prototype = { /* all but the handle, which other threads may be counting on */
        .count = count, .channels = dataset->channels, .height = dataset->height,
        .width = dataset->width, .length = dataset->length, .type = dataset->type,
        .layout = dataset->layout, .scale = dataset->scale, .skipped = dataset->skipped,
        .parent = dataset, .store = dataset->store, .first = dataset->first + first,
        .data = dataset->store ? NULL
                               : dataset->data + (size_t)first * dataset->length * element};
    const cae_status status = allocate(out, dataset->handle.context, &prototype);
    if (status == CAE_OK)
        cae__retain(&dataset->handle);
    return status;
}

void cae_dataset_destroy(cae_dataset *dataset)
{
    if (cae__give_back(dataset, CAE__DATASET))
        cae__dataset_release(dataset);
}

void cae__dataset_release(cae_dataset *dataset)
{
    while (dataset && cae__release(&dataset->handle)) {
        cae_dataset *parent = (cae_dataset *)dataset->parent; /* ours to let go of */
        cae__free(dataset->handle.context, dataset->owned);
        if (!parent)
            cae__store_destroy(dataset->store, dataset->handle.context);
        cae__handle_end(dataset);
        dataset = parent;
    }
}

int64_t cae_dataset_count(const cae_dataset *dataset)
{
    return dataset ? dataset->count : 0;
}

int64_t cae_dataset_skipped(const cae_dataset *dataset)
{
    return dataset ? dataset->skipped : 0;
}

cae_status cae_dataset_shape(int32_t *channels, int32_t *height, int32_t *width,
                             const cae_dataset *dataset)
{
    if (!dataset)
        return CAE_ERR_ARGUMENT;
    if (channels)
        *channels = dataset->channels;
    if (height)
        *height = dataset->height;
    if (width)
        *width = dataset->width;
    return CAE_OK;
}

double cae_dataset_range(const cae_dataset *dataset)
{
    return !dataset ? 0.0 : dataset->scale == CAE_SCALE_SIGNED ? 2.0 : 1.0;
}

/* Where the values of one image lie in its source, in elements. The result's row y of channel c is
 * `start + c plane + y row`, and steps `pixel` from value to value: any order of the source, and
 * any way that the image may lie. */
struct walk {
    size_t start;
    ptrdiff_t plane, row, pixel;
    bool straight; /* the source is what is wanted, from end to end */
};

static struct walk walk_of(const cae_dataset *d, int way)
{
    const ptrdiff_t h = d->height, w = d->width, c = d->channels;
    const bool planes = d->layout == CAE_LAYOUT_NCHW || c == 1;
    const ptrdiff_t pixel = planes ? 1 : c, row = pixel * w;
    const bool transpose = (way & CAE_AUGMENT_TRANSPOSE) != 0;
    struct walk walk = {.plane = planes ? h * w : 1, .row = transpose ? pixel : row,
                        .pixel = transpose ? row : pixel, .straight = planes && way == 0};
    ptrdiff_t start = 0; /* height and width of the result are those of the source */
    if (way & CAE_AUGMENT_FLIP) {
        start += (h - 1) * walk.row;
        walk.row = -walk.row;
    }
    if (way & CAE_AUGMENT_MIRROR) {
        start += (w - 1) * walk.pixel;
        walk.pixel = -walk.pixel;
    }
    walk.start = (size_t)start;
    return walk;
}

static void fetch_run(unsigned char *to, const unsigned char *from, ptrdiff_t step, size_t count,
                      size_t element)
{
    const ptrdiff_t length = (ptrdiff_t)count;
    if (element == 1)
        for (ptrdiff_t i = 0; i < length; i++)
            to[i] = from[i * step];
    else /* floats, which may be unaligned in borrowed memory */
        for (ptrdiff_t i = 0; i < length; i++)
            memcpy(to + i * (ptrdiff_t)sizeof(float), from + i * step * (ptrdiff_t)sizeof(float),
                   sizeof(float));
}

/* Values first .. first + count - 1 of an image, bytes or floats, in the order of NCHW. */
static void fetch(void *values, const cae_dataset *d, const unsigned char *image,
                  const struct walk *walk, size_t first, size_t count, size_t element)
{
    const size_t w = (size_t)d->width, plane = w * (size_t)d->height;
    if (walk->straight) {
        memcpy(values, image + first * element, count * element);
        return;
    }
    unsigned char *to = values;
    for (size_t i = first, length; i < first + count; i += length, to += length * element) {
        const ptrdiff_t c = (ptrdiff_t)(i / plane), y = (ptrdiff_t)(i % plane / w);
        const size_t x = i % w;
        length = w - x < first + count - i ? w - x : first + count - i;
        const ptrdiff_t at = (ptrdiff_t)walk->start + c * walk->plane + y * walk->row +
                             (ptrdiff_t)x * walk->pixel;
        fetch_run(to, image + at * (ptrdiff_t)element, walk->pixel, length, element);
    }
}

size_t cae__dataset_room(const cae_dataset *d, int images)
{
    return d->store ? (size_t)images * cae__store_room(d->store) : 0;
}

cae_status cae__dataset_explain(const cae_context *context, const cae_dataset *d, int64_t index)
{
    return cae__store_explain(context, d->store, d->first + index, index);
}

void cae__dataset_announce(const cae_dataset *d, int64_t index)
{
    if (d->store)
        cae__store_announce(d->store, d->first + index);
}

const unsigned char *cae__dataset_bytes(const cae_dataset *d, int64_t index, void *room)
{
    if (d->store)
        return cae__store_read(room, d->store, d->first + index);
    return d->data + (size_t)index * d->length * (d->type == CAE_TYPE_U8 ? 1 : sizeof(float));
}

void cae__dataset_read_part(float *pixels, const cae_dataset *d, const unsigned char *image,
                            int way, size_t first, size_t count)
{
    const struct cae__kernels *kernels = d->handle.context->kernels;
    const struct walk walk = walk_of(d, way);
    const bool is_signed = d->scale == CAE_SCALE_SIGNED;
    if (d->type == CAE_TYPE_F32) {
        fetch(pixels, d, image, &walk, first, count, sizeof(float));
        return;
    }
    if (walk.straight) {
        kernels->scale_bytes(pixels, image + first, count, is_signed);
        return;
    }
    unsigned char bytes[512];
    for (size_t done = 0; done < count; done += sizeof bytes) {
        const size_t left = count - done < sizeof bytes ? count - done : sizeof bytes;
        fetch(bytes, d, image, &walk, first + done, left, 1);
        kernels->scale_bytes(pixels + done, bytes, left, is_signed);
    }
}

bool cae__dataset_read(float *pixels, const cae_dataset *d, int64_t index, void *room)
{
    const unsigned char *image = cae__dataset_bytes(d, index, room);
    if (image)
        cae__dataset_read_part(pixels, d, image, 0, 0, d->length);
    return image != NULL;
}

/* Through a piece of each image that stays in the nearest cache. */
int64_t cae__dataset_read_lanes(float *out, const cae_dataset *d, const int64_t *images,
                                const int *ways, int lanes, int used, void *room)
{
    enum { PIECE = 512 };
    float piece[CAE__MOST_LANES * PIECE];
    const unsigned char *bytes[CAE__MOST_LANES];
    for (int lane = 0; lane < used; lane++) {
        unsigned char *place = room;
        if (d->store)
            place += cae__dataset_room(d, lane);
        bytes[lane] = cae__dataset_bytes(d, images[lane], place);
        if (!bytes[lane])
            return images[lane];
    }
    if (lanes == 1) {
        /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): used is at least 1 */
        cae__dataset_read_part(out, d, bytes[0], ways ? ways[0] : 0, 0, d->length);
        return CAE__ALL_READ;
    }
    for (size_t first = 0; first < d->length; first += PIECE) {
        const size_t count = d->length - first < PIECE ? d->length - first : PIECE;
        for (int lane = 0; lane < used; lane++)
            cae__dataset_read_part(piece + lane * PIECE, d, bytes[lane], ways ? ways[lane] : 0,
                                   first, count);
        d->handle.context->kernels->interleave(out + first * (size_t)lanes, piece, count, PIECE,
                                               lanes, used);
    }
    return CAE__ALL_READ;
}

cae_status cae_dataset_get(float *pixels, size_t pixel_count, const cae_dataset *dataset,
                           int64_t index)
{
    if (!dataset)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = dataset->handle.context;
    if (!pixels)
        return cae__fail(context, CAE_ERR_ARGUMENT, "pixels is NULL");
    if (index < 0 || index >= dataset->count)
        return cae__fail(context, CAE_ERR_ARGUMENT, "image %" PRId64 " of a dataset of %" PRId64,
                         index, dataset->count);
    if (pixel_count != dataset->length)
        return cae__fail(context, CAE_ERR_SHAPE, "an image has %zu values, the array %zu",
                         dataset->length, pixel_count);
    const size_t bytes = cae__dataset_room(dataset, 1);
    void *room = bytes ? cae__alloc(context, 1, bytes) : NULL;
    if (bytes && !room)
        return cae__fail_memory(context);
    fenv_t host;
    cae__arithmetic_begin(&host);
    const bool there = cae__dataset_read(pixels, dataset, index, room);
    cae__arithmetic_end(&host);
    cae__free(context, room);
    return there ? CAE_OK : cae__dataset_explain(context, dataset, index);
}

cae_status cae_add_noise(float *values, size_t count, double sigma, uint64_t seed, uint32_t visit,
                         uint64_t image)
{
    if ((!values && count) || !cae__is_sigma(sigma) || image >> 56 != 0)
        return CAE_ERR_ARGUMENT;
    const float narrow = cae__to_float(sigma);
    fenv_t host;
    cae__arithmetic_begin(&host);
    cae__kernels_at(CAE_CPU_AUTO)->add_noise(values, values, count, 1, &narrow, seed, visit,
                                             &image);
    cae__arithmetic_end(&host);
    return CAE_OK;
}
