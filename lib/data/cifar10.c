/* cifar10.c - directories in CIFAR-10's binary format: records of one label byte and 3072 pixels,
 * already planar. The official files hold 10,000 records each; ours may hold any number. */
#include "data.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/file.h"

#define PIXELS 3072
#define RECORD (1 + PIXELS)
#define CLASSES 10
#define MOST_FILES 5

static const char *const train_files[MOST_FILES] = {"data_batch_1.bin", "data_batch_2.bin",
                                                    "data_batch_3.bin", "data_batch_4.bin",
                                                    "data_batch_5.bin"};
static const char *const test_files[1] = {"test_batch.bin"};

struct batch_file {
    char path[4096];
    int64_t records; /* 0: not there */
};

static cae_status measure(const cae_context *context, struct batch_file *file,
                          const char *directory, const char *name)
{
    const int length = snprintf(file->path, sizeof file->path, "%s/%s", directory, name);
    if (length < 0 || (size_t)length >= sizeof file->path)
        return cae__fail(context, CAE_ERR_ARGUMENT, "the path of %s is longer than %zu bytes", name,
                         sizeof file->path - 1);
    int64_t size;
    cae_status status = cae__file_size(&size, context, file->path);
    if (status != CAE_OK)
        return status;
    if (size == CAE__FILE_ABSENT) {
        file->records = 0;
        return CAE_OK;
    }
    if (size == 0 || size % RECORD != 0)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "%s has %" PRId64 " bytes, expected one or more records of %d", file->path,
                         size, RECORD);
    file->records = size / RECORD;
    return CAE_OK;
}

/* Pixels of one file to `pixels`, label bytes checked and dropped. */
static cae_status read_records(const cae_context *context, unsigned char *pixels,
                               const struct batch_file *file)
{
    FILE *stream = cae__file_stream(file->path);
    if (!stream)
        return cae__fail_system(context, errno, "cannot open %s", file->path);

    cae_status status = CAE_OK;
    unsigned char record[RECORD];
    for (int64_t i = 0; i < file->records && status == CAE_OK; i++, pixels += PIXELS) {
        errno = 0;
        if (fread(record, RECORD, 1, stream) != 1)
            status = cae__fail_system(context, errno ? errno : EIO,
                                      "cannot read record %" PRId64 " of %s", i, file->path);
        else if (record[0] >= CLASSES)
            status = cae__fail(context, CAE_ERR_FORMAT,
                               "%s: the label of record %" PRId64 " is %d, expected 0 to 9",
                               file->path, i, record[0]);
        else
            memcpy(pixels, record + 1, PIXELS);
    }
    (void)fclose(stream); /* only read from */
    return status;
}

static cae_status open_files(cae_dataset **out, cae_context *context, const char *directory,
                             const char *const *names, int count, int32_t scale)
{
    cae_status status = cae__directory_check(context, directory);
    if (status != CAE_OK)
        return status;
    struct batch_file *files = cae__alloc(context, (size_t)count, sizeof *files);
    if (!files)
        return cae__fail_memory(context);

    int64_t records = 0;
    for (int i = 0; i < count && status == CAE_OK; i++) {
        status = measure(context, &files[i], directory, names[i]);
        if (status == CAE_OK) /* else it was not counted */
            records += files[i].records;
    }
    if (status == CAE_OK && records == 0)
        status = cae__fail(context, CAE_ERR_IO, "no %s%s in %s", names[0],
                           count > 1 ? " to data_batch_5.bin" : "", directory);

    cae_dataset *dataset = NULL;
    if (status == CAE_OK)
        status = cae__dataset_allocate(&dataset, context, records, 3, 32, 32, scale);
    unsigned char *pixels = status == CAE_OK ? dataset->owned : NULL;
    for (int i = 0; i < count && status == CAE_OK; i++) {
        if (files[i].records)
            status = read_records(context, pixels, &files[i]);
        pixels += files[i].records * PIXELS;
    }
    cae__free(context, files);
    if (status != CAE_OK) {
        cae_dataset_destroy(dataset);
        return status;
    }
    *out = dataset;
    return CAE_OK;
}

cae_status cae_dataset_open_cifar10(cae_dataset **out, cae_context *context,
                                    const char *directory, int32_t split,
                                    const cae_dataset_options *options)
{
    if (!out)
        return cae__fail(context, CAE_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!context || !directory)
        return cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL",
                         context ? "directory" : "context");
    if (split != CAE_SPLIT_TRAIN && split != CAE_SPLIT_TEST)
        return cae__fail(context, CAE_ERR_ARGUMENT,
                         "split is %d, expected CAE_SPLIT_TRAIN or CAE_SPLIT_TEST", (int)split);
    int32_t scale;
    const cae_status status = cae__dataset_scale(context, &scale, options);
    if (status != CAE_OK)
        return status;
    return split == CAE_SPLIT_TRAIN
               ? open_files(out, context, directory, train_files, MOST_FILES, scale)
               : open_files(out, context, directory, test_files, 1, scale);
}
