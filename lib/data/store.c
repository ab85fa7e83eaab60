/* store.c - images that stay in files, which are open as long as the dataset is, and are read from
 * when an image is asked for. Nothing here changes once it is made but how much is to be announced:
 * any number of threads may read. */
#include "data.h"

#include <inttypes.h>
#include <string.h>

#include "../base/file.h"

/* A file. */
struct volume {
    cae__opened file;
    char *path; /* for texts */
};

/* Images that follow each other in one file. */
struct extent {
    int64_t first;  /* of the images of all extents */
    int64_t offset; /* where it begins in the file */
    const struct volume *volume;
};

struct cae__store {
    struct volume *volumes;
    int64_t volume_count;
    struct extent *extents; /* in the order of `first`, which begins with 0 */
    int64_t extent_count;
    size_t image;           /* bytes of one */
    size_t label;           /* bytes before each: 0, or 1 that is below LABELS */
    bool swapped;           /* floats of the other order of bytes */
    atomic_int slow;        /* times that it is worth announcing what comes */
};

/* Announcing what the system holds already costs as much as reading it. So that is done for as long
 * as reads have to wait: each that does is reason for so many blocks of images, as its neighbours in
 * time are likely to be missing, too. What was announced need not be waited for, so the most is much
 * more than the few hundred blocks that lie between an announcement and its read. */
#define SLOW_STEP 64
#define SLOW_MOST 16384

#define LABELS 10 /* CIFAR-10's */
#define BAD_LABEL (-2) /* among the faults of cae__file_read_at */

cae_status cae__store_create(struct cae__store **out, const cae_context *context, int64_t volumes,
                             int64_t extents, size_t image, size_t label)
{
    struct cae__store *store = cae__alloc_zero(context, 1, sizeof *store);
    *out = store;
    if (!store)
        return cae__fail_memory(context);
    store->volumes = cae__alloc(context, (size_t)volumes, sizeof *store->volumes);
    store->extents = cae__alloc(context, (size_t)extents, sizeof *store->extents);
    store->image = image;
    store->label = label;
    if (store->volumes && store->extents)
        return CAE_OK;
    cae__store_destroy(store, context);
    *out = NULL;
    return cae__fail_memory(context);
}

cae_status cae__store_add_file(struct cae__store *store, const cae_context *context,
                               cae__opened file, const char *path)
{
    const size_t size = strlen(path) + 1;
    char *copy = cae__alloc(context, 1, size);
    if (!copy) {
        cae__file_close(file);
        return cae__fail_memory(context);
    }
    memcpy(copy, path, size);
    store->volumes[store->volume_count++] = (struct volume){file, copy};
    return CAE_OK;
}

void cae__store_add_images(struct cae__store *store, int64_t first, int64_t offset)
{
    store->extents[store->extent_count++] =
        (struct extent){first, offset, &store->volumes[store->volume_count - 1]};
}

void cae__store_swap_floats(struct cae__store *store)
{
    store->swapped = true;
}

void cae__store_destroy(struct cae__store *store, const cae_context *context)
{
    if (!store)
        return;
    for (int64_t i = 0; i < store->volume_count; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): counted once they are there */
        cae__file_close(store->volumes[i].file);
        cae__free(context, store->volumes[i].path);
    }
    cae__free(context, store->volumes);
    cae__free(context, store->extents);
    cae__free(context, store);
}

size_t cae__store_room(const struct cae__store *store)
{
    return (store->label + store->image + 63) / 64 * 64;
}

/* The extent that an image lies in: the last that does not begin behind it. */
static const struct extent *find(const struct cae__store *store, int64_t image)
{
    int64_t low = 0, high = store->extent_count;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (store->extents[middle].first <= image)
            low = middle;
        else
            high = middle;
    }
    return &store->extents[low];
}

static int64_t offset_of(const struct cae__store *store, const struct extent *extent, int64_t image)
{
    return extent->offset + (image - extent->first) * (int64_t)(store->label + store->image);
}

bool cae__store_is_slow(struct cae__store *store)
{
    const int left = atomic_load_explicit(&store->slow, memory_order_relaxed);
    if (left > 0) /* that a thread's step may be lost to another's does no harm */
        atomic_store_explicit(&store->slow, left - 1, memory_order_relaxed);
    return left > 0;
}

static int32_t wait_and_read(unsigned char *room, struct cae__store *store, cae__opened file,
                             int64_t offset)
{
    const int left = atomic_load_explicit(&store->slow, memory_order_relaxed);
    atomic_store_explicit(&store->slow, left < SLOW_MOST ? left + SLOW_STEP : left,
                          memory_order_relaxed);
    return cae__file_read_at(room, store->label + store->image, file, offset);
}

const unsigned char *cae__store_read(unsigned char *room, struct cae__store *store, int64_t image)
{
    const struct extent *extent = find(store, image);
    const cae__opened file = extent->volume->file;
    const int64_t offset = offset_of(store, extent, image);
    int32_t error = 0;
    if (!cae__file_read_now(room, store->label + store->image, file, offset))
        error = wait_and_read(room, store, file, offset);
    if (error || (store->label && room[0] >= LABELS))
        return NULL;
    if (store->swapped)
        cae__swap_bytes(room, store->image / sizeof(float), sizeof(float));
    return room + store->label;
}

void cae__store_announce(const struct cae__store *store, int64_t image)
{
    const struct extent *extent = find(store, image);
    cae__file_announce(extent->volume->file, offset_of(store, extent, image),
                       store->label + store->image);
}

/* Once more, piece by piece, as there is no room for it here. */
static int32_t try_again(unsigned char *label, const struct cae__store *store,
                         const struct extent *extent, int64_t image)
{
    unsigned char piece[1024];
    const size_t size = store->label + store->image;
    const int64_t offset = offset_of(store, extent, image);
    for (size_t done = 0; done < size; done += sizeof piece) {
        const size_t count = size - done < sizeof piece ? size - done : sizeof piece;
        const int32_t error =
            cae__file_read_at(piece, count, extent->volume->file, offset + (int64_t)done);
        if (error)
            return error;
        if (done == 0)
            *label = piece[0];
    }
    return store->label && *label >= LABELS ? BAD_LABEL : 0;
}

cae_status cae__store_explain(const cae_context *context, const struct cae__store *store,
                              int64_t image, int64_t name)
{
    const struct extent *extent = find(store, image);
    const char *path = extent->volume->path;
    unsigned char label = 0;
    const int32_t error = try_again(&label, store, extent, image);
    char what[64];
    if (error == BAD_LABEL)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "%.300s: the label of record %" PRId64 " is %d, expected 0 to 9", path,
                         image - extent->first, label);
    if (error) {
        snprintf(what, sizeof what, "image %" PRId64 ": cannot read", name);
        return cae__fail_at(context, error, what, path, offset_of(store, extent, image));
    }
    return cae__fail(context, CAE_ERR_IO,
                     "image %" PRId64 ": could not be read from %.300s, and now it can be", name,
                     path);
}
