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

static void open_dataset(const uint8_t *data, size_t size, int32_t layout)
{
    cae_context *context = fuzz_begin();
    cae_dataset *dataset = FUZZ_JUNK;
    cae_dataset_options o;
    int32_t c, h, w;

    CHECK(cae_dataset_options_init(&o, sizeof o) == CAE_OK);
    o.layout = layout;
    const cae_status status =
        cae_dataset_open_npy(&dataset, context, fuzz_file("array.npy", data, size), &o);
    fuzz_check_made(context, status, dataset);
    CHECK(fuzz_heap.peak - fuzz_heap.marked <= size + 4096);
    if (dataset) {
        CHECK(cae_dataset_shape(&c, &h, &w, dataset) == CAE_OK);
        const size_t length = (size_t)c * (size_t)h * (size_t)w;
        float *image = malloc(length * sizeof *image);
        CHECK(image && length <= size);
        for (int64_t i = 0; i < cae_dataset_count(dataset); i += 1 + cae_dataset_count(dataset) / 8)
            CHECK(cae_dataset_get(image, length, dataset, i) == CAE_OK);
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
    open_dataset(data, size, CAE_LAYOUT_NCHW);
    open_dataset(data, size, CAE_LAYOUT_NHWC);
    return 0;
}
