/* arrays.h - what the targets npy, png and jpeg share: an array that was read is what it says, goes through
 * its file and through planes unchanged, and as a file in a folder gives the dataset that it should. */
#ifndef CAE_TESTS_FUZZ_ARRAYS_H
#define CAE_TESTS_FUZZ_ARRAYS_H

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FUZZ_SMALL = 1 << 18 }; /* bytes of an array that more is done with */

struct fuzz_shape {
    int64_t extents[CAE_MOST_RANK];
    int32_t rank, type;
    size_t count;
};

static inline struct fuzz_shape fuzz_shape_of(const cae_array *array)
{
    static const size_t sizes[] = {1, 4, 2};
    struct fuzz_shape shape = {.count = 1};

    CHECK(cae_array_shape(shape.extents, &shape.rank, &shape.type, array) == CAE_OK);
    CHECK(shape.rank >= 1 && shape.rank <= CAE_MOST_RANK && shape.type >= 0 && shape.type <= 2);
    for (int i = 0; i < CAE_MOST_RANK; i++) {
        CHECK(i < shape.rank ? shape.extents[i] >= 1 : shape.extents[i] == 1);
        shape.count *= (size_t)shape.extents[i];
    }
    CHECK(cae_array_bytes(array) == shape.count * sizes[shape.type]);
    return shape;
}

/* Every byte is there to be read: a sanitizer looks. */
static inline unsigned fuzz_sum(cae_array *array)
{
    const uint8_t *data = cae_array_data(array);
    unsigned sum = 0;

    for (size_t i = 0; i < cae_array_bytes(array); i++)
        sum += data[i];
    return sum;
}

/* As a file of that format, and back. */
static inline void fuzz_check_written(cae_context *context, cae_array *array, int32_t format)
{
    struct fuzz_shape shape = fuzz_shape_of(array);
    cae_array *again = FUZZ_JUNK;
    size_t size = 0, same = 0;
    uint8_t *file;

    CHECK(cae_array_write_memory(NULL, 0, &size, array, format) == CAE_OK);
    CHECK((file = malloc(size)));
    CHECK(cae_array_write_memory(file, size, &same, array, format) == CAE_OK && same == size);
    CHECK(cae_array_read_memory(&again, context, file, size) == CAE_OK);
    const struct fuzz_shape found = fuzz_shape_of(again);
    CHECK(memcmp(found.extents, shape.extents, sizeof shape.extents) == 0);
    CHECK(found.rank == shape.rank && found.type == shape.type);
    if (format != CAE_FILE_JPEG)
        CHECK(memcmp(cae_array_data(again), cae_array_data(array), cae_array_bytes(array)) == 0);
    cae_array_destroy(again);
    free(file);
}

/* To planes and back. */
static inline void fuzz_check_planes(cae_context *context, cae_array *array)
{
    struct fuzz_shape shape = fuzz_shape_of(array);
    float *planes = malloc(shape.count * sizeof *planes);
    cae_array *again = FUZZ_JUNK;

    CHECK(planes);
    CHECK(cae_array_create(&again, context, shape.type, shape.extents, shape.rank) == CAE_OK);
    for (int32_t scale = CAE_SCALE_SIGNED; scale <= CAE_SCALE_UNIT; scale++) {
        const cae_status status = cae_array_to_planes(planes, shape.count, array, scale);
        CHECK((status == CAE_OK) == (shape.rank == 2 || shape.rank == 3));
        if (status != CAE_OK)
            break;
        CHECK(cae_array_from_planes(again, planes, shape.count, scale) == CAE_OK);
        CHECK(memcmp(cae_array_data(again), cae_array_data(array), cae_array_bytes(array)) == 0);
    }
    cae_array_destroy(again);
    free(planes);
}

/* The file in a folder: of single pixels there are crops exactly when it can be read. */
static inline void fuzz_check_folder(const uint8_t *data, size_t size, const char *name, bool good)
{
    cae_context *context = fuzz_begin();
    cae_dataset *dataset = FUZZ_JUNK;
    cae_folder_options o;

    fuzz_file(name, data, size);
    CHECK(cae_folder_options_init(&o, sizeof o) == CAE_OK);
    o.height = o.width = 1, o.crops = 3;
    const cae_status status = cae_dataset_open_folder(&dataset, context, fuzz_directory(), &o);
    fuzz_check_made(context, status, dataset);
    if (!fuzz_heap.refused && status != CAE_ERR_UNSUPPORTED)
        CHECK(status == (good ? CAE_OK : CAE_ERR_FORMAT));
    CHECK(cae_dataset_count(dataset) == (good && dataset ? 3 : 0) && cae_dataset_skipped(dataset) == 0);
    cae_dataset_destroy(dataset);
    fuzz_end(context);
    (void)unlink(fuzz_path(name));
}

/* Read an image, and all of the above. Beside its pixels it may take that many rows and bytes at once. */
static inline void fuzz_image(const uint8_t *data, size_t size, int32_t format, const char *name, size_t rows,
                              size_t most)
{
    cae_context *context = fuzz_begin();
    cae_array *array = FUZZ_JUNK;

    const cae_status status = cae_array_read_memory(&array, context, data, size);
    fuzz_check_made(context, status, array);
    if (array) {
        const struct fuzz_shape shape = fuzz_shape_of(array);
        const size_t row = cae_array_bytes(array) / (size_t)shape.extents[0];
        CHECK(shape.rank == 3 && shape.extents[2] <= 4 && shape.type != CAE_TYPE_F32);
        CHECK(fuzz_heap.peak - fuzz_heap.marked <= cae_array_bytes(array) + rows * row + most);
        (void)fuzz_sum(array);
        if (cae_array_bytes(array) <= FUZZ_SMALL) {
            fuzz_check_written(context, array, format);
            fuzz_check_planes(context, array);
        }
    }
    cae_array_destroy(array);
    fuzz_end(context);
    if (size < 1 << 16)
        fuzz_check_folder(data, size, name, status == CAE_OK);
}

#endif
