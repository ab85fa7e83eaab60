/* arrays.h - what the tests of arrays and of folders share. */
#ifndef CAE_TESTS_ARRAYS_H
#define CAE_TESTS_ARRAYS_H

#include "api.h"

#define TEST_IMAGES TEST_SOURCE "/tests/api/images"

/* Bytes of an element by enum cae_type. */
static const size_t element_bytes[3] = {1, 4, 2};

/* An array of random bits; of floats, random numbers in [-1, 1). */
static inline cae_array *random_array(cae_context *context, uint64_t seed, int32_t type,
                                      const int64_t *shape, int32_t rank)
{
    cae_array *array = NULL;

    assert_ok(context, cae_array_create(&array, context, type, shape, rank));
    if (type == CAE_TYPE_F32)
        random_floats(seed, cae_array_data(array), cae_array_bytes(array) / 4, -1, 1);
    else
        random_bytes(seed, cae_array_data(array), cae_array_bytes(array));
    return array;
}

static inline cae_array *random_image(cae_context *context, uint64_t seed, int32_t type, int64_t height,
                                      int64_t width, int64_t channels)
{
    const int64_t shape[3] = {height, width, channels};

    return random_array(context, seed, type, shape, 3);
}

static inline struct bytes array_bytes(const cae_context *context, const cae_array *array, int32_t format)
{
    struct bytes bytes;
    size_t size = 0;

    assert_ok(context, cae_array_write_memory(NULL, 0, &size, array, format));
    bytes = bytes_new(NULL, size);
    assert_ok(context, cae_array_write_memory(bytes.data, size, &size, array, format));
    return bytes;
}

static inline cae_array *read_bytes(cae_context *context, struct bytes file, const char *what)
{
    cae_array *array = NULL;

    if (cae_array_read_memory(&array, context, file.data, file.size) != CAE_OK)
        ck_abort_msg("%s: %s", what, cae_context_error(context));
    return array;
}

/* Reading fails, by that status and a text with `part`, and makes nothing. */
static inline void check_array_refused(cae_context *context, struct bytes file, cae_status status, const char *part)
{
    cae_array *array = (void *)&status;

    assert_fails(context, status, cae_array_read_memory(&array, context, file.data, file.size));
    assert_says(context, part);
    ck_assert_ptr_null(array);
}

static inline void assert_same_arrays(cae_array *a, cae_array *b, const char *what)
{
    int64_t x[CAE_MOST_RANK], y[CAE_MOST_RANK];
    int32_t ranks[2], types[2];

    ck_assert_int_eq(cae_array_shape(x, &ranks[0], &types[0], a), CAE_OK);
    ck_assert_int_eq(cae_array_shape(y, &ranks[1], &types[1], b), CAE_OK);
    if (ranks[0] != ranks[1] || types[0] != types[1] || memcmp(x, y, sizeof x) != 0)
        ck_abort_msg("%s: another type or shape", what);
    ck_assert_uint_eq(cae_array_bytes(a), cae_array_bytes(b));
    for (size_t i = 0; i < cae_array_bytes(a); i++)
        if (((unsigned char *)cae_array_data(a))[i] != ((unsigned char *)cae_array_data(b))[i])
            ck_abort_msg("%s: byte %zu of %zu differs", what, i, cae_array_bytes(a));
}

#endif
