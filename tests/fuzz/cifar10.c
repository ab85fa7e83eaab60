/* cifar10.c - bytes as a directory in CIFAR-10's format. The first byte says which files there are:
 * bit 0 the test split, bits 1 and 2 where data_batch_1 ends and data_batch_2 begins. */
#include "fuzz.h"

#include <string.h>
#include <unistd.h>

enum { PIXELS = 3072, RECORD = 1 + PIXELS };

/* Every byte as the header says: byte / 127.5 - 1. */
static void check_image(const cae_dataset *dataset, int64_t index, const uint8_t *record)
{
    static float image[PIXELS];

    CHECK(cae_dataset_get(image, PIXELS, dataset, index) == CAE_OK);
    for (int i = 0; i < PIXELS; i++) {
        const double difference = (double)image[i] - (record[1 + i] / 127.5 - 1.0);
        CHECK(difference < 1e-6 && difference > -1e-6);
    }
}

static void check_images(const cae_dataset *dataset, const uint8_t *data, size_t size)
{
    CHECK((size_t)cae_dataset_count(dataset) == size / RECORD && size % RECORD == 0);
    for (size_t i = 0; i < size / RECORD; i++) {
        CHECK(data[i * RECORD] < 10);
        check_image(dataset, (int64_t)i, data + i * RECORD);
    }
}

static bool labels_are_fine(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i += RECORD)
        if (data[i] > 9)
            return false;
    return true;
}

/* The same where images stay in the files: labels are looked at when they are read. */
static void check_on_disk(const uint8_t *data, size_t size, int32_t split)
{
    static float image[PIXELS];
    cae_context *context = fuzz_begin();
    cae_dataset *dataset = FUZZ_JUNK;
    cae_dataset_options o;

    CHECK(cae_dataset_options_init(&o, sizeof o) == CAE_OK);
    o.memory = 1;
    const cae_status status =
        cae_dataset_open_cifar10(&dataset, context, fuzz_directory(), split, &o);
    fuzz_check_made(context, status, dataset);
    CHECK(fuzz_heap.peak - fuzz_heap.marked <= 8192);
    CHECK((status == CAE_OK) == (size > 0 && size % RECORD == 0));
    for (size_t i = 0; dataset && i < size / RECORD; i++)
        if (data[i * RECORD] > 9)
            CHECK(cae_dataset_get(image, PIXELS, dataset, (int64_t)i) == CAE_ERR_FORMAT);
        else
            check_image(dataset, (int64_t)i, data + i * RECORD);
    cae_dataset_destroy(dataset);
    fuzz_end(context);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const int which = data[0];
    const size_t length = size - 1, part = (which >> 1 & 3) * (length / 4 / RECORD * RECORD);
    cae_context *context = fuzz_begin();
    cae_dataset *dataset = FUZZ_JUNK;

    data++;
    (void)unlink(fuzz_path("data_batch_2.bin"));
    if (which & 1) {
        fuzz_file("test_batch.bin", data, length);
    } else {
        fuzz_file("data_batch_1.bin", data, length - part);
        if (part)
            fuzz_file("data_batch_2.bin", data + length - part, part);
    }
    const cae_status status =
        cae_dataset_open_cifar10(&dataset, context, fuzz_directory(),
                                 which & 1 ? CAE_SPLIT_TEST : CAE_SPLIT_TRAIN, NULL);
    fuzz_check_peak(size);
    fuzz_check_made(context, status, dataset);
    CHECK((status == CAE_OK) == (length > 0 && length % RECORD == 0 && labels_are_fine(data, length)));
    if (dataset)
        check_images(dataset, data, length);
    cae_dataset_destroy(dataset);
    fuzz_end(context);
    check_on_disk(data, length, which & 1 ? CAE_SPLIT_TEST : CAE_SPLIT_TRAIN);
    return 0;
}
