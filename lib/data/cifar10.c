/* cifar10.c - directories in CIFAR-10's binary format: records of one label byte and 3072 pixels,
 * already planar. The official files are five of 10,000 records each; ours may be any number, of
 * any number. They are read into memory or stay where they are. */
#include "data.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/file.h"

#define PIXELS 3072
#define RECORD (1 + PIXELS)
#define CLASSES 10
#define OFFICIAL 5 /* files, any of which may be missing; the others end with the first that is */
#define PATH_ROOM 4096

struct batch_file {
    int number;      /* of data_batch_N.bin; 0 is test_batch.bin */
    int64_t records;
};

struct batches {
    cae_context *context;
    const char *directory;
    struct batch_file *files; /* those there are */
    size_t count, capacity;
    int64_t records;          /* of all */
};

static cae_status path_of(char *path, const struct batches *batches, int number)
{
    char name[32] = "test_batch.bin";
    if (number > 0)
        snprintf(name, sizeof name, "data_batch_%d.bin", number);
    const int length = snprintf(path, PATH_ROOM, "%s/%s", batches->directory, name);
    return length > 0 && length < PATH_ROOM
               ? CAE_OK
               : cae__fail(batches->context, CAE_ERR_ARGUMENT,
                           "the path of %s is longer than %d bytes", name, PATH_ROOM - 1);
}

/* Records of a file; 0 when there is none of that name. */
static cae_status measure(int64_t *records, const cae_context *context, const char *path)
{
    int64_t size;
    *records = 0;
    const cae_status status = cae__file_size(&size, context, path);
    if (status != CAE_OK || size == CAE__FILE_ABSENT)
        return status;
    if (size == 0 || size % RECORD != 0)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "%.400s has %" PRId64 " bytes, expected one or more records of %d", path,
                         size, RECORD);
    *records = size / RECORD;
    return CAE_OK;
}

static cae_status append(struct batches *batches, int number, int64_t records)
{
    const cae_context *context = batches->context;
    if (batches->count == batches->capacity) {
        const size_t capacity = 2 * batches->capacity + OFFICIAL;
        struct batch_file *files = cae__alloc(context, capacity, sizeof *files);
        if (!files)
            return cae__fail_memory(context);
        if (batches->count)
            memcpy(files, batches->files, batches->count * sizeof *files);
        cae__free(context, batches->files);
        batches->files = files;
        batches->capacity = capacity;
    }
    batches->files[batches->count++] = (struct batch_file){number, records};
    batches->records += records;
    return CAE_OK;
}

/* The files of `first` and up. */
static cae_status find_files(struct batches *batches, int first)
{
    const int certain = first == 0 ? 0 : OFFICIAL; /* whose absence ends nothing */
    cae_status status = cae__directory_check(batches->context, batches->directory);
    int64_t records = 1;
    for (int i = first; status == CAE_OK && (i <= certain || (records > 0 && first > 0)); i++) {
        char path[PATH_ROOM];
        status = path_of(path, batches, i);
        if (status == CAE_OK)
            status = measure(&records, batches->context, path);
        if (status == CAE_OK && records > 0)
            status = append(batches, i, records);
        if (i == certain)
            records = 1;
    }
    if (status == CAE_OK && batches->records == 0)
        return cae__fail(batches->context, CAE_ERR_IO, "no %s in %s",
                         first == 0 ? "test_batch.bin" : "data_batch_1.bin to data_batch_5.bin",
                         batches->directory);
    return status;
}

/* --- Into memory ------------------------------------------------------------------------------ */

/* Pixels of one file to `pixels`, label bytes checked and dropped. */
static cae_status read_records(const cae_context *context, unsigned char *pixels, const char *path,
                               int64_t records)
{
    FILE *stream = cae__file_stream(path);
    if (!stream)
        return cae__fail_system(context, errno, "cannot open %s", path);

    cae_status status = CAE_OK;
    unsigned char record[RECORD];
    for (int64_t i = 0; i < records && status == CAE_OK; i++, pixels += PIXELS) {
        if (cae__stream_read(record, RECORD, stream) != RECORD)
            status = cae__fail_system(context, errno ? errno : EIO,
                                      "cannot read record %" PRId64 " of %s", i, path);
        else if (record[0] >= CLASSES)
            status = cae__fail(context, CAE_ERR_FORMAT,
                               "%.400s: the label of record %" PRId64 " is %d, expected 0 to 9",
                               path, i, record[0]);
        else
            memcpy(pixels, record + 1, PIXELS);
    }
    (void)fclose(stream); /* only read from */
    return status;
}

static cae_status load(cae_dataset **out, const struct batches *batches, int32_t scale)
{
    cae_status status =
        cae__dataset_allocate(out, batches->context, batches->records, 3, 32, 32, scale);
    unsigned char *pixels = status == CAE_OK ? (*out)->owned : NULL;
    for (size_t i = 0; i < batches->count && status == CAE_OK; i++) {
        const struct batch_file *file = &batches->files[i];
        char path[PATH_ROOM];
        status = path_of(path, batches, file->number);
        if (status == CAE_OK)
            status = read_records(batches->context, pixels, path, file->records);
        pixels += file->records * PIXELS;
    }
    return status;
}

/* --- Where they are --------------------------------------------------------------------------- */

static cae_status open_batch(struct cae__store *store, const struct batches *batches,
                             const struct batch_file *file)
{
    const cae_context *context = batches->context;
    char path[PATH_ROOM];
    cae__opened opened;
    int64_t size;
    cae_status status = path_of(path, batches, file->number);
    if (status == CAE_OK)
        status = cae__file_open(&opened, &size, context, path);
    if (status != CAE_OK)
        return status;
    if (size == file->records * RECORD)
        return cae__store_add_file(store, context, opened, path);
    cae__file_close(opened);
    return cae__fail(context, CAE_ERR_IO,
                     "%.400s had %" PRId64 " bytes a moment ago and has %" PRId64, path,
                     file->records * RECORD, size);
}

static cae_status shelve(cae_dataset **out, const struct batches *batches, int32_t scale)
{
    struct cae__store *store;
    const int64_t count = (int64_t)batches->count;
    cae_status status = cae__store_create(&store, batches->context, count, count, PIXELS, 1);
    int64_t first = 0;
    for (int64_t i = 0; i < count && status == CAE_OK; i++) {
        status = open_batch(store, batches, &batches->files[i]);
        if (status == CAE_OK)
            cae__store_add_images(store, first, 0);
        first += batches->files[i].records;
    }
    if (status != CAE_OK) {
        cae__store_destroy(store, batches->context);
        return status;
    }
    const cae_dataset prototype = {.count = batches->records, .channels = 3, .height = 32,
                                   .width = 32, .scale = scale};
    return cae__dataset_shelve(out, batches->context, store, &prototype);
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
    cae_dataset_options o;
    cae_status status = cae__dataset_plain_options(context, &o, options);
    if (status != CAE_OK)
        return status;
    struct batches batches = {.context = context, .directory = directory};
    cae_dataset *dataset = NULL;
    status = find_files(&batches, split == CAE_SPLIT_TEST ? 0 : 1);
    if (status == CAE_OK)
        status = cae__dataset_fits(&o, batches.records, PIXELS)
                     ? load(&dataset, &batches, o.scale)
                     : shelve(&dataset, &batches, o.scale);
    cae__free(context, batches.files);
    if (status != CAE_OK) {
        cae_dataset_destroy(dataset);
        return status;
    }
    *out = dataset;
    return CAE_OK;
}
