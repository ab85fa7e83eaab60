/* npy.c - bytes as a NumPy file: from memory, from a path, and as a dataset. */
#include "arrays.h"

static void read_path(const uint8_t *data, size_t size, cae_status expected)
{
    cae_context *context = fuzz_begin();
    cae_array *array = FUZZ_JUNK;

    const cae_status status = cae_array_read(&array, context, fuzz_file("array.npy", data, size));
    fuzz_check_made(context, status, array);
    CHECK(status == expected);
    CHECK(fuzz_heap.peak - fuzz_heap.marked <= size + 4096); /* it stays where it was read */
    cae_array_destroy(array);
    fuzz_end(context);
}

static void compare_with_memory(const cae_dataset *disk, float *image, size_t length, int32_t layout)
{
    cae_context *context = NULL;
    cae_dataset *dataset = NULL;
    cae_dataset_options o;
    float *other = malloc(length * sizeof *other);

    CHECK(other && cae_dataset_options_init(&o, sizeof o) == CAE_OK);
    o.layout = layout;
    CHECK(cae_context_create(&context, NULL) == CAE_OK);
    CHECK(cae_dataset_open_npy(&dataset, context, fuzz_path("array.npy"), &o) == CAE_OK);
    CHECK(cae_dataset_count(dataset) == cae_dataset_count(disk));
    for (int64_t i = 0; i < cae_dataset_count(disk); i += 1 + cae_dataset_count(disk) / 8) {
        CHECK(cae_dataset_get(image, length, disk, i) == CAE_OK);
        CHECK(cae_dataset_get(other, length, dataset, i) == CAE_OK);
        CHECK(memcmp(image, other, length * sizeof *other) == 0);
    }
    cae_dataset_destroy(dataset);
    cae_context_destroy(context);
    free(other);
}

/* With `memory`, images stay in the file: where that is possible they are those that are read into memory. */
static void open_dataset(const uint8_t *data, size_t size, int32_t layout, int64_t memory)
{
    cae_context *context = fuzz_begin();
    cae_dataset *dataset = FUZZ_JUNK;
    cae_dataset_options o;
    int32_t c, h, w;

    CHECK(cae_dataset_options_init(&o, sizeof o) == CAE_OK);
    o.layout = layout;
    o.memory = memory;
    const cae_status status =
        cae_dataset_open_npy(&dataset, context, fuzz_file("array.npy", data, size), &o);
    fuzz_check_made(context, status, dataset);
    CHECK(fuzz_heap.peak - fuzz_heap.marked <= (memory && size > 65548 ? 65548 : size) + 4096);
    if (dataset) {
        CHECK(cae_dataset_shape(&c, &h, &w, dataset) == CAE_OK);
        const size_t length = (size_t)c * (size_t)h * (size_t)w;
        float *image = malloc(length * sizeof *image);
        CHECK(image && length <= size);
        for (int64_t i = 0; i < cae_dataset_count(dataset); i += 1 + cae_dataset_count(dataset) / 8)
            CHECK(cae_dataset_get(image, length, dataset, i) == CAE_OK);
        if (memory)
            compare_with_memory(dataset, image, length, layout);
        free(image);
    }
    cae_dataset_destroy(dataset);
    fuzz_end(context);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 6 && memcmp(data, "\x93NUMPY", 6) != 0) /* the others have targets of their own */
        return 0;
    cae_context *context = fuzz_begin();
    cae_array *array = FUZZ_JUNK;

    const cae_status status = cae_array_read_memory(&array, context, data, size);
    fuzz_check_made(context, status, array);
    CHECK(fuzz_heap.peak - fuzz_heap.marked <= size + 4096);
    if (array) {
        (void)fuzz_sum(array);
        fuzz_check_written(context, array, CAE_FILE_NPY);
        fuzz_check_planes(context, array);
    }
    cae_array_destroy(array);
    fuzz_end(context);
    read_path(data, size, status);
    for (int memory = 0; memory <= 1; memory++) {
        open_dataset(data, size, CAE_LAYOUT_NCHW, memory);
        open_dataset(data, size, CAE_LAYOUT_NHWC, memory);
    }
    return 0;
}
