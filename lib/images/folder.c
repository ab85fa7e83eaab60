/* folder.c - random crops of the images below a directory, as a dataset of bytes in memory or in a
 * file of its own.
 *
 *   find    the files, in the order of their names          walk.c
 *   look    at the size of each, by its header              look.c, on all threads
 *   share   the memory out among them: how many crops of each
 *   cut     read, decode, cut                               png.c, jpeg.c, on all threads
 *   close   the gaps of those that turned out to be unusable; in a file they are left, unwritten
 *
 * Workers must not write into the context: its error text is one, its log the caller's. Each has a
 * context of its own, whose allocator is the caller's, called in the caller's floating-point
 * environment. What a file has come to is said when all are done, in order. */
#include "images.h"

#include <inttypes.h>
#include <string.h>

#include "../base/file.h"
#include "../data/data.h"
#include "../random/random.h"

static const cae_folder_options defaults = {.size = sizeof defaults, .scale = CAE_SCALE_SIGNED,
                                            .channels = 3, .height = 32, .width = 32, .seed = 1,
                                            .memory = (int64_t)256 << 20};

cae_status cae_folder_options_init(cae_folder_options *options, uint32_t size)
{
    return cae__options_init(options, size, &defaults, sizeof defaults);
}

struct folder {
    cae_context *context;
    cae_context *workers; /* one for each thread */
    fenv_t host;          /* for the allocator */
    const char *directory;
    cae_folder_options options;
    struct cae__files files;
    int64_t crops;        /* of all files that seemed usable */
    cae_dataset *dataset; /* in memory, or */
    cae__opened cache;    /* the file that crops are written to, and */
    unsigned char *rooms; /* a crop of each worker's on its way there */
    atomic_int error;     /* of writing them, 0 for none */
};

/* --- Contexts for workers --------------------------------------------------------------------- */

static void *allocate(void *user, size_t bytes)
{
    const struct folder *folder = user;
    fenv_t ours;
    fegetenv(&ours);
    fesetenv(&folder->host);
    void *block = folder->context->allocate(folder->context->allocator_user, bytes);
    fesetenv(&ours);
    return block;
}

static void release(void *user, void *block)
{
    const struct folder *folder = user;
    fenv_t ours;
    fegetenv(&ours);
    fesetenv(&folder->host);
    folder->context->release(folder->context->allocator_user, block);
    fesetenv(&ours);
}

static cae_status make_workers(struct folder *folder)
{
    const size_t count = (size_t)folder->context->threads;
    fegetenv(&folder->host);
    folder->workers = cae__alloc_zero(folder->context, count, sizeof *folder->workers);
    if (!folder->workers)
        return cae__fail_memory(folder->context);
    for (size_t i = 0; i < count; i++) {
        cae_context *worker = &folder->workers[i];
        worker->handle.context = worker;
        worker->threads = 1;
        worker->allocate = allocate;
        worker->release = release;
        worker->allocator_user = folder;
    }
    return CAE_OK;
}

/* --- Looking, and what is left ---------------------------------------------------------------- */

static cae_status too_small(const cae_context *context, const cae_folder_options *o, int64_t height,
                            int64_t width)
{
    return cae__fail(context, CAE_ERR_SHAPE,
                     "an image of %" PRId64 "x%" PRId64 " is smaller than crops of %dx%d", height,
                     width, (int)o->height, (int)o->width);
}

/* The one way or the other: which, the file's EXIF says, and that comes later. */
static bool may_fit(const cae_folder_options *o, int64_t height, int64_t width)
{
    return (height >= o->height && width >= o->width) || (width >= o->height && height >= o->width);
}

static void look(void *job, int64_t index, int worker)
{
    const struct folder *folder = job;
    const cae_context *context = &folder->workers[worker];
    struct cae__file *file = &folder->files.list[index];
    char path[CAE__PATH_ROOM];
    int64_t height = 0, width = 0;
    if (file->status != CAE_OK)
        return;
    cae_status status = cae__path_join(path, context, folder->directory, file->name);
    if (status == CAE_OK)
        status = cae__image_look(&height, &width, context, path);
    if (status == CAE_OK && !may_fit(&folder->options, height, width))
        status = too_small(context, &folder->options, height, width);
    file->pixels = height * width;
    if (status != CAE_OK)
        cae__file_skip(file, context, status);
}

/* At most as many as were asked for, evenly spaced. */
static void choose(struct folder *folder)
{
    struct cae__files *files = &folder->files;
    const int64_t all = files->count, limit = folder->options.limit;
    if (limit == 0 || limit >= all)
        return;
    for (int64_t i = 0, chosen = 0; i < all; i++) {
        if (i == all / limit * chosen + all % limit * chosen / limit)
            files->list[chosen++] = files->list[i];
        else
            cae__free(folder->context, files->list[i].reason);
    }
    files->count = limit;
}

static int64_t usable(const struct cae__files *files)
{
    int64_t count = 0;
    for (int64_t i = 0; i < files->count; i++)
        count += files->list[i].status == CAE_OK;
    return count;
}

static cae_status check_files(const struct folder *folder)
{
    const struct cae__file *list = folder->files.list;
    const int64_t count = folder->files.count;
    for (int64_t i = 0; i < count; i++)
        if (list[i].status == CAE_ERR_MEMORY)
            return cae__fail_memory(folder->context);
    if (count == 0)
        return cae__fail(folder->context, CAE_ERR_IO,
                         "no file below %s has a name that ends in .png, .jpg or .jpeg",
                         folder->directory);
    if (usable(&folder->files) == 0)
        return cae__fail(folder->context, CAE_ERR_FORMAT,
                         "none of %" PRId64 " files below %.100s can be used; the first is "
                         "%.100s: %s", count, folder->directory, list[0].name, list[0].reason);
    return CAE_OK;
}

/* --- Sharing: how many crops of each ---------------------------------------------------------- */

static int64_t crop_bytes(const cae_folder_options *o)
{
    return (int64_t)o->channels * o->height * o->width; /* below 2^42 */
}

/* Of a file that has this many pixels, where no file may have more than `most`. */
static int64_t crops_of(const cae_folder_options *o, int64_t pixels, int64_t most)
{
    const int64_t fit = pixels / ((int64_t)o->height * o->width);
    const int64_t wanted = o->crops > 0 ? o->crops : fit < 1 ? 1 : fit;
    return wanted < most ? wanted : most;
}

/* In all, or `room` + 1 where that is more. */
static int64_t crops_in_all(const struct folder *folder, int64_t most, int64_t room)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < folder->files.count && sum <= room; i++)
        if (folder->files.list[i].status == CAE_OK)
            sum += crops_of(&folder->options, folder->files.list[i].pixels, most);
    return sum <= room ? sum : room + 1;
}

/* The largest number of crops of a file with which all of them have room. */
static cae_status share(struct folder *folder)
{
    const cae_folder_options *o = &folder->options;
    const int64_t room = o->memory / crop_bytes(o);
    int64_t most = o->crops > 0 ? o->crops : 1, too_many = CAE__MOST_PIXELS + 1;
    if (crops_in_all(folder, most, room) > room)
        return cae__fail(folder->context, CAE_ERR_OPTIONS,
                         "cae_folder_options: memory is %" PRId64 " bytes, room for %" PRId64
                         " crops of %dx%dx%d, and %d of each of %" PRId64 " files is more: "
                         "raise memory, or set limit", o->memory, room, (int)o->channels,
                         (int)o->height, (int)o->width, (int)most, usable(&folder->files));
    while (o->crops == 0 && too_many - most > 1) {
        const int64_t middle = most + (too_many - most) / 2;
        if (crops_in_all(folder, middle, room) > room)
            too_many = middle;
        else
            most = middle;
    }
    int64_t first = 0;
    for (int64_t i = 0; i < folder->files.count; i++) {
        struct cae__file *file = &folder->files.list[i];
        file->crops = file->status == CAE_OK ? crops_of(o, file->pixels, most) : 0;
        file->first = first;
        first += file->crops;
    }
    folder->crops = first;
    return CAE_OK;
}

/* Where crops go: memory of the dataset's, or a file without a name. */
static cae_status make_room(struct folder *folder)
{
    const cae_context *context = folder->context;
    const cae_folder_options *o = &folder->options;
    if (!o->cache)
        return cae__dataset_allocate(&folder->dataset, folder->context, folder->crops, o->channels,
                                     o->height, o->width, o->scale);
    folder->rooms = cae__alloc(context, (size_t)cae__workers(context, folder->files.count),
                               (size_t)crop_bytes(o));
    return folder->rooms ? cae__file_nameless(&folder->cache, context, o->cache)
                         : cae__fail_memory(context);
}

/* --- Cutting ---------------------------------------------------------------------------------- */

static unsigned byte_at(const struct cae__numbers *image, size_t at)
{
    return image->type == CAE_TYPE_U8 ? ((const unsigned char *)image->data)[at]
                                      : (((const uint16_t *)image->data)[at] + 128u) / 257u;
}

/* A row of a crop, one channel of it: `at` is the first value of its first pixel. */
static void cut_row(unsigned char *row, const struct cae__numbers *image, size_t at, int width,
                    int channels, int channel)
{
    const size_t step = (size_t)image->shape[2];
    const bool colours = step >= 3;
    if (colours && channels == 1) {
        for (int x = 0; x < width; x++, at += step)
            row[x] = (unsigned char)((299 * byte_at(image, at) + 587 * byte_at(image, at + 1) +
                                      114 * byte_at(image, at + 2) + 500) / 1000);
        return;
    }
    at += colours ? (size_t)channel : 0;
    for (int x = 0; x < width; x++, at += step)
        row[x] = (unsigned char)byte_at(image, at);
}

/* Any of `places`, by 32 random bits. */
static size_t place(uint32_t bits, int64_t places)
{
    return (size_t)((uint64_t)bits * (uint64_t)places >> 32);
}

static void cut_crop(unsigned char *row, const struct folder *folder,
                     const struct cae__numbers *image, const struct cae__file *file, int64_t crop)
{
    const cae_folder_options *o = &folder->options;
    const uint64_t number = (uint64_t)file->number;
    const uint32_t key[2] = {(uint32_t)o->seed, (uint32_t)(o->seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)crop, (uint32_t)number, (uint32_t)(number >> 32),
                                 CAE__FOR_CROPS};
    uint32_t bits[4];
    cae__philox(bits, counter, key);
    const size_t top = place(bits[0], image->shape[0] - o->height + 1);
    const size_t left = place(bits[1], image->shape[1] - o->width + 1);

    for (int c = 0; c < o->channels; c++)
        for (size_t y = 0; y < (size_t)o->height; y++, row += o->width)
            cut_row(row, image,
                    ((top + y) * (size_t)image->shape[1] + left) * (size_t)image->shape[2],
                    o->width, o->channels, c);
}

static cae_status read_image(struct cae__numbers *image, const cae_context *context,
                             const char *path)
{
    unsigned char *data;
    size_t size;
    cae_status status = cae__file_read(&data, &size, context, path);
    if (status != CAE_OK)
        return status;
    status = cae__png_is(data, size)    ? cae__png_read(image, context, data, size)
             : cae__jpeg_is(data, size) ? cae__jpeg_read(image, context, data, size)
                                        : cae__fail(context, CAE_ERR_FORMAT,
                                                    "neither PNG nor JPEG any more");
    cae__free(context, data);
    return status;
}

/* To its place. What cannot be written is no fault of the file that it is of. */
static void keep_crop(struct folder *folder, const struct cae__numbers *image,
                      const struct cae__file *file, int64_t crop, int worker)
{
    const size_t bytes = (size_t)crop_bytes(&folder->options);
    if (folder->cache == CAE__NOT_OPENED) {
        cut_crop((unsigned char *)folder->dataset->owned + (size_t)(file->first + crop) * bytes,
                 folder, image, file, crop);
        return;
    }
    unsigned char *room = folder->rooms + (size_t)worker * bytes;
    cut_crop(room, folder, image, file, crop);
    const int32_t error = cae__file_write_at(folder->cache, room, bytes,
                                             (file->first + crop) * (int64_t)bytes);
    if (error)
        atomic_store(&folder->error, error);
}

static void cut(void *job, int64_t index, int worker)
{
    struct folder *folder = job;
    const cae_folder_options *o = &folder->options;
    const cae_context *context = &folder->workers[worker];
    struct cae__file *file = &folder->files.list[index];
    struct cae__numbers image;
    char path[CAE__PATH_ROOM];
    if (file->status != CAE_OK || atomic_load(&folder->error))
        return;
    cae_status status = cae__path_join(path, context, folder->directory, file->name);
    if (status == CAE_OK)
        status = read_image(&image, context, path);
    if (status == CAE_OK) {
        if (image.shape[0] < o->height || image.shape[1] < o->width)
            status = too_small(context, o, image.shape[0], image.shape[1]);
        for (int64_t crop = 0; crop < file->crops && status == CAE_OK; crop++) {
            keep_crop(folder, &image, file, crop, worker);
            if (atomic_load(&folder->error)) /* there may be 2^31 more */
                break;
        }
        cae__free(context, image.data);
    }
    if (status != CAE_OK)
        cae__file_skip(file, context, status);
}

/* --- Closing the gaps ------------------------------------------------------------------------- */

static void close_gaps(struct folder *folder)
{
    cae_dataset *d = folder->dataset;
    unsigned char *images = d->owned;
    d->count = 0;
    for (int64_t i = 0; i < folder->files.count; i++) {
        const struct cae__file *file = &folder->files.list[i];
        if (file->status != CAE_OK) {
            d->skipped++;
            continue;
        }
        if (file->first != d->count)
            memmove(images + (size_t)d->count * d->length, images + (size_t)file->first * d->length,
                    (size_t)file->crops * d->length);
        d->count += file->crops;
    }
}

/* Of files that could be used, one after the other; there is one. */
static int64_t runs_of(const struct folder *folder)
{
    int64_t runs = 0, end = -1;
    for (int64_t i = 0; i < folder->files.count; i++) {
        const struct cae__file *file = &folder->files.list[i];
        if (file->status != CAE_OK)
            continue;
        runs += file->first != end;
        end = file->first + file->crops;
    }
    return runs;
}

/* In the file nothing is moved: the dataset knows where images lie. */
static cae_status shelve(struct folder *folder)
{
    cae_context *context = folder->context;
    const cae_folder_options *o = &folder->options;
    const int64_t bytes = crop_bytes(o);
    cae_dataset prototype = {.channels = o->channels, .height = o->height, .width = o->width,
                             .scale = o->scale};
    struct cae__store *store;
    cae_status status = cae__store_create(&store, context, 1, runs_of(folder), (size_t)bytes, 0);
    if (status != CAE_OK)
        return status;
    const cae__opened cache = folder->cache;
    folder->cache = CAE__NOT_OPENED; /* the store's */
    status = cae__store_add_file(store, context, cache, o->cache);
    int64_t end = -1;
    for (int64_t i = 0; i < folder->files.count && status == CAE_OK; i++) {
        const struct cae__file *file = &folder->files.list[i];
        if (file->status != CAE_OK) {
            prototype.skipped++;
            continue;
        }
        if (file->first != end)
            cae__store_add_images(store, prototype.count, file->first * bytes);
        prototype.count += file->crops;
        end = file->first + file->crops;
    }
    if (status == CAE_OK)
        return cae__dataset_shelve(&folder->dataset, context, store, &prototype);
    cae__store_destroy(store, context);
    return status;
}

static cae_status check_cache(const struct folder *folder)
{
    const int error = atomic_load(&folder->error);
    return error == 0 ? CAE_OK
                      : cae__fail_system(folder->context, error, "cannot write %" PRId64
                                         " crops of %" PRId64 " bytes to a file in %.300s",
                                         folder->crops, crop_bytes(&folder->options),
                                         folder->options.cache);
}

static void log_skipped(const struct folder *folder)
{
    for (int64_t i = 0; i < folder->files.count; i++) {
        const struct cae__file *file = &folder->files.list[i];
        if (file->reason)
            cae__log(folder->context, CAE_LOG_WARNING, "left out %.250s: %.240s", file->name,
                     file->reason);
    }
}

static cae_status open_folder(struct folder *folder)
{
    cae_context *context = folder->context;
    cae_status status = cae__files_find(&folder->files, &folder->workers[0], folder->directory);
    if (status != CAE_OK)
        return cae__fail(context, status, "%s", folder->workers[0].error);
    choose(folder);
    cae__parallel(context, folder->files.count, look, folder);
    status = check_files(folder);
    if (status == CAE_OK)
        status = share(folder);
    if (status == CAE_OK)
        status = make_room(folder);
    if (status == CAE_OK) {
        cae__parallel(context, folder->files.count, cut, folder);
        status = check_cache(folder);
    }
    if (status == CAE_OK)
        status = check_files(folder);
    if (status == CAE_OK && folder->options.cache)
        status = shelve(folder);
    else if (status == CAE_OK)
        close_gaps(folder);
    if (status != CAE_ERR_MEMORY)
        log_skipped(folder);
    return status;
}

static cae_status check_options(const cae_context *context, const cae_folder_options *o)
{
    if (o->scale < CAE_SCALE_SIGNED || o->scale > CAE_SCALE_UNIT)
        return cae__fail(context, CAE_ERR_OPTIONS, "cae_folder_options: scale is %d, expected a "
                         "CAE_SCALE_ value", (int)o->scale);
    if (o->channels != 1 && o->channels != 3)
        return cae__fail(context, CAE_ERR_OPTIONS, "cae_folder_options: channels is %d, expected 1 "
                         "or 3", (int)o->channels);
    if (o->height < 1 || o->width < 1 || o->height > CAE__MOST_SIDE || o->width > CAE__MOST_SIDE ||
        crop_bytes(o) > INT32_MAX)
        return cae__fail(context, CAE_ERR_OPTIONS, "cae_folder_options: crops of %dx%d, expected "
                         "sides of 1 to %d and less than 2 GiB", (int)o->height, (int)o->width,
                         CAE__MOST_SIDE);
    if (o->crops < 0 || o->memory < 1 || o->limit < 0)
        return cae__fail(context, CAE_ERR_OPTIONS, "cae_folder_options: crops %d, memory %" PRId64
                         ", limit %" PRId64 ": expected 0 or more, 1 or more, 0 or more",
                         (int)o->crops, o->memory, o->limit);
    return CAE_OK;
}

cae_status cae_dataset_open_folder(cae_dataset **out, cae_context *context, const char *directory,
                                   const cae_folder_options *options)
{
    if (!out)
        return cae__fail(context, CAE_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!context || !directory)
        return cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL",
                         context ? "directory" : "context");
    struct folder folder = {.context = context, .directory = directory, .options = defaults,
                            .cache = CAE__NOT_OPENED};
    cae_status status = cae__options_read(context, &folder.options, sizeof folder.options, options,
                                          "cae_folder_options");
    if (status == CAE_OK)
        status = check_options(context, &folder.options);
    if (status == CAE_OK)
        status = cae__images_check(context);
    if (status == CAE_OK)
        status = make_workers(&folder);
    if (status == CAE_OK)
        status = open_folder(&folder);
    cae__files_free(&folder.files, context);
    cae__free(context, folder.workers);
    cae__free(context, folder.rooms);
    cae__file_close(folder.cache);
    if (status != CAE_OK) {
        cae_dataset_destroy(folder.dataset);
        return status;
    }
    *out = folder.dataset;
    return CAE_OK;
}
