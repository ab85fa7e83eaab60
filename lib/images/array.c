/* array.c - numbers with a shape: handles, and which reader or writer a file is for. */
#include "images.h"

#include <inttypes.h>
#include <string.h>

#include "../base/file.h"

size_t cae__type_size(int32_t type)
{
    return type == CAE_TYPE_U8 ? 1 : type == CAE_TYPE_U16 ? 2 : sizeof(float);
}

cae_status cae__numbers_measure(struct cae__numbers *numbers, const cae_context *context,
                                int32_t type, const int64_t *shape, int32_t rank)
{
    if (type < CAE_TYPE_U8 || type > CAE_TYPE_U16)
        return cae__fail(context, CAE_ERR_ARGUMENT, "type is %d, expected a CAE_TYPE_ value",
                         (int)type);
    if (rank < 1 || rank > CAE_MOST_RANK)
        return cae__fail(context, CAE_ERR_SHAPE, "an array of %d extents, expected 1 to %d",
                         (int)rank, CAE_MOST_RANK);
    *numbers = (struct cae__numbers){.type = type, .rank = rank, .count = 1};
    for (int i = 0; i < CAE_MOST_RANK; i++)
        numbers->shape[i] = i < rank ? shape[i] : 1;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 1)
            return cae__fail(context, CAE_ERR_SHAPE,
                             "extent %d of an array is %" PRId64 ", expected 1 or more", i,
                             shape[i]);
        if ((uint64_t)shape[i] > SIZE_MAX ||
            !cae__multiply(&numbers->count, numbers->count, (size_t)shape[i]) ||
            !cae__multiply(&numbers->bytes, numbers->count, cae__type_size(type)) ||
            numbers->bytes > SIZE_MAX / 4)
            return cae__fail(context, CAE_ERR_SHAPE,
                             "an array of more numbers than memory can address");
    }
    return CAE_OK;
}

/* --- Handles ---------------------------------------------------------------------------------- */

/* Takes the numbers, or frees them. */
static cae_status wrap(cae_array **out, cae_context *context, const struct cae__numbers *numbers)
{
    cae_array *array = cae__alloc(context, 1, sizeof *array);
    if (!array) {
        cae__free(context, numbers->data);
        return cae__fail_memory(context);
    }
    array->numbers = *numbers;
    cae__handle_init(&array->handle, CAE__NUMBERS, context);
    *out = array;
    return CAE_OK;
}

cae_status cae_array_create(cae_array **out, cae_context *context, int32_t type,
                            const int64_t *shape, int32_t rank)
{
    if (!out)
        return cae__fail(context, CAE_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!context || !shape)
        return cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL", context ? "shape" : "context");
    struct cae__numbers numbers;
    const cae_status status = cae__numbers_measure(&numbers, context, type, shape, rank);
    if (status != CAE_OK)
        return status;
    numbers.data = cae__alloc_zero(context, 1, numbers.bytes);
    return numbers.data ? wrap(out, context, &numbers) : cae__fail_memory(context);
}

void cae_array_destroy(cae_array *array)
{
    if (!cae__give_back(array, CAE__NUMBERS) || !cae__release(&array->handle))
        return;
    cae__free(array->handle.context, array->numbers.data);
    cae__handle_end(array);
}

cae_status cae_array_shape(int64_t *shape, int32_t *rank, int32_t *type, const cae_array *array)
{
    if (!array)
        return CAE_ERR_ARGUMENT;
    if (shape)
        memcpy(shape, array->numbers.shape, sizeof array->numbers.shape);
    if (rank)
        *rank = array->numbers.rank;
    if (type)
        *type = array->numbers.type;
    return CAE_OK;
}

void *cae_array_data(cae_array *array)
{
    return array ? array->numbers.data : NULL;
}

size_t cae_array_bytes(const cae_array *array)
{
    return array ? array->numbers.bytes : 0;
}

/* --- Images ----------------------------------------------------------------------------------- */

cae_status cae__image_check(const cae_context *context, int64_t height, int64_t width, size_t size,
                            int64_t most)
{
    if (height < 1 || width < 1 || height > CAE__MOST_SIDE || width > CAE__MOST_SIDE ||
        height * width > CAE__MOST_PIXELS)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "an image of %" PRId64 "x%" PRId64 ", expected sides of 1 to %d and at "
                         "most %" PRId64 " pixels", height, width, CAE__MOST_SIDE,
                         CAE__MOST_PIXELS);
    if ((uint64_t)(height * width / most) > size)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "an image of %" PRId64 "x%" PRId64 " in %zu bytes, which can hold %" PRId64
                         " pixels each at most", height, width, size, most);
    return CAE_OK;
}

cae_status cae__image_allocate(struct cae__numbers *image, const cae_context *context, int32_t type,
                               int64_t height, int64_t width, int channels, size_t size,
                               int64_t most)
{
    const int64_t shape[3] = {height, width, channels};
    cae_status status = cae__image_check(context, height, width, size, most);
    if (status == CAE_OK)
        status = cae__numbers_measure(image, context, type, shape, 3);
    if (status != CAE_OK)
        return status;
    image->data = cae__alloc(context, 1, image->bytes);
    return image->data ? CAE_OK : cae__fail_memory(context);
}

cae_status cae__image_extents(int64_t extents[3], const cae_context *context,
                              const struct cae__numbers *image)
{
    memcpy(extents, image->shape, 3 * sizeof *extents);
    return image->rank == 2 || image->rank == 3
               ? CAE_OK
               : cae__fail(context, CAE_ERR_SHAPE,
                           "an array of %d extents, expected an image: [height][width][channels] "
                           "or [height][width]", (int)image->rank);
}

/* --- Reading ---------------------------------------------------------------------------------- */

cae_status cae__numbers_read(struct cae__numbers *numbers, const cae_context *context,
                             const unsigned char *data, size_t size, unsigned char **block)
{
    if (cae__npy_is(data, size))
        return cae__npy_read(numbers, context, data, size, block);
    if (cae__png_is(data, size))
        return cae__png_read(numbers, context, data, size);
    if (cae__jpeg_is(data, size))
        return cae__jpeg_read(numbers, context, data, size);
    return cae__fail(context, CAE_ERR_FORMAT, "%zu bytes that are neither .npy nor PNG nor JPEG",
                     size);
}

cae_status cae_array_read_memory(cae_array **out, cae_context *context, const void *data,
                                 size_t size)
{
    if (!out)
        return cae__fail(context, CAE_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!context || !data)
        return cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL", context ? "data" : "context");
    struct cae__numbers numbers;
    const cae_status status = cae__numbers_read(&numbers, context, data, size, NULL);
    return status == CAE_OK ? wrap(out, context, &numbers) : status;
}

cae_status cae_array_read(cae_array **out, cae_context *context, const char *path)
{
    if (!out)
        return cae__fail(context, CAE_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!context)
        return CAE_ERR_ARGUMENT;
    unsigned char *data;
    size_t size;
    struct cae__numbers numbers;
    cae_status status = cae__path_check(context, path);
    if (status == CAE_OK)
        status = cae__file_read(&data, &size, context, path);
    if (status != CAE_OK)
        return status;
    status = cae__numbers_read(&numbers, context, data, size, &data);
    cae__free(context, data);
    return status == CAE_OK ? wrap(out, context, &numbers)
                            : cae__name_file(context, status, path);
}

/* --- Writing ---------------------------------------------------------------------------------- */

bool cae__bytes_grow(struct cae__bytes *bytes, const cae_context *context, size_t more)
{
    if (more <= bytes->capacity - bytes->size)
        return true;
    const size_t least = bytes->size + more, twice = 2 * bytes->capacity;
    if (least < more || twice < bytes->capacity)
        return false;
    const size_t capacity = least > twice ? least : twice;
    unsigned char *larger = cae__alloc(context, 1, capacity);
    if (!larger)
        return false;
    if (bytes->size)
        memcpy(larger, bytes->data, bytes->size);
    cae__free(context, bytes->data);
    bytes->data = larger;
    bytes->capacity = capacity;
    return true;
}

bool cae__name_ends(const char *path, const char *end)
{
    const size_t length = strlen(path), last = strlen(end);
    if (length <= last)
        return false;
    for (size_t i = 0; i < last; i++) {
        const char c = path[length - last + i]; /* not tolower, which asks the locale */
        if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != end[i])
            return false;
    }
    return true;
}

static int32_t format_of(const char *path)
{
    if (cae__name_ends(path, ".jpg") || cae__name_ends(path, ".jpeg"))
        return CAE_FILE_JPEG;
    return cae__name_ends(path, ".png") ? CAE_FILE_PNG
         : cae__name_ends(path, ".npy") ? CAE_FILE_NPY : -1;
}

static cae_status to_bytes(unsigned char **data, size_t *size, const cae_array *array,
                           int32_t format)
{
    const cae_context *context = array->handle.context;
    switch (format) {
    case CAE_FILE_NPY: return cae__npy_write(data, size, context, &array->numbers);
    case CAE_FILE_PNG: return cae__png_write(data, size, context, &array->numbers);
    case CAE_FILE_JPEG: return cae__jpeg_write(data, size, context, &array->numbers);
    default:
        return cae__fail(context, CAE_ERR_ARGUMENT, "format is %d, expected a CAE_FILE_ value",
                         (int)format);
    }
}

cae_status cae_array_write(const cae_array *array, const char *path)
{
    if (!array)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = array->handle.context;
    cae_status status = cae__path_check(context, path);
    if (status != CAE_OK)
        return status;
    const int32_t format = format_of(path);
    if (format < 0)
        return cae__fail(context, CAE_ERR_ARGUMENT,
                         "%s: expected a name that ends in .npy, .png, .jpg or .jpeg", path);
    unsigned char *data;
    size_t size;
    status = to_bytes(&data, &size, array, format);
    return status == CAE_OK ? cae__file_deliver(context, path, data, size)
                            : cae__name_file(context, status, path);
}

cae_status cae_array_write_memory(void *buffer, size_t capacity, size_t *written,
                                  const cae_array *array, int32_t format)
{
    if (!array)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = array->handle.context;
    unsigned char *data;
    size_t size;
    cae_status status = cae__buffer_check(context, buffer, capacity, written);
    if (status == CAE_OK)
        status = to_bytes(&data, &size, array, format);
    return status == CAE_OK ? cae__buffer_deliver(buffer, capacity, written, context, data, size)
                            : status;
}
