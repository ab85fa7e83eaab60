/* walk.c - the images below a directory, in an order that is theirs and not the file system's. */
#include "images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/file.h"

cae_status cae__path_join(char *path, const cae_context *context, const char *directory,
                          const char *name)
{
    const int length = *name ? snprintf(path, CAE__PATH_ROOM, "%s/%s", directory, name)
                             : snprintf(path, CAE__PATH_ROOM, "%s", directory);
    return length >= 0 && length < CAE__PATH_ROOM
               ? CAE_OK
               : cae__fail(context, CAE_ERR_IO, "a path of more than %d bytes",
                           CAE__PATH_ROOM - 1);
}

void cae__file_skip(struct cae__file *file, const cae_context *context, cae_status status)
{
    const size_t size = strlen(context->error) + 1;
    file->reason = cae__alloc(context, 1, size);
    file->status = file->reason ? status : CAE_ERR_MEMORY;
    if (file->reason)
        memcpy(file->reason, context->error, size);
}

/* --- Finding: folder by folder, of which the list grows meanwhile ----------------------------- */

/* A name that was found, as where it begins in `names`, which moves while it grows. */
struct entry {
    size_t at;
    char *reason;
    cae_status status;
};

struct walk {
    const cae_context *context;
    struct cae__bytes names, files, folders; /* texts; struct entry; size_t */
    const char *folder;                      /* that is being read, from the first one; "" */
};

static bool append(struct cae__bytes *bytes, const cae_context *context, const void *data,
                   size_t size)
{
    if (!cae__bytes_grow(bytes, context, size))
        return false;
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return true;
}

/* Where it begins, or SIZE_MAX. */
static size_t append_name(struct walk *walk, const char *folder, const char *name)
{
    const size_t at = walk->names.size;
    const bool done = (!*folder || (append(&walk->names, walk->context, folder, strlen(folder)) &&
                                    append(&walk->names, walk->context, "/", 1))) &&
                      append(&walk->names, walk->context, name, strlen(name) + 1);
    return done ? at : SIZE_MAX;
}

static bool is_image(const char *name)
{
    return cae__name_ends(name, ".png") || cae__name_ends(name, ".jpg") ||
           cae__name_ends(name, ".jpeg");
}

static cae_status take_entry(void *user, const char *name, bool is_directory)
{
    struct walk *walk = user;
    if (!is_directory && !is_image(name))
        return CAE_OK;
    const struct entry entry = {.at = append_name(walk, walk->folder, name)};
    const bool done = entry.at != SIZE_MAX &&
                      (is_directory
                           ? append(&walk->folders, walk->context, &entry.at, sizeof entry.at)
                           : append(&walk->files, walk->context, &entry, sizeof entry));
    return done ? CAE_OK : cae__fail_memory(walk->context);
}

/* A folder that cannot be read is the end of it only where it is the one that was asked for. */
static cae_status skip_folder(struct walk *walk, size_t at, cae_status status)
{
    struct cae__file file = {0};
    if (at == 0 || status == CAE_ERR_MEMORY)
        return status;
    cae__file_skip(&file, walk->context, status);
    const struct entry entry = {at, file.reason, file.status};
    if (file.reason && append(&walk->files, walk->context, &entry, sizeof entry))
        return CAE_OK;
    cae__free(walk->context, file.reason);
    return cae__fail_memory(walk->context);
}

static cae_status walk_folders(struct walk *walk, const char *directory)
{
    cae_status status = CAE_OK;
    for (size_t i = 0; i < walk->folders.size / sizeof(size_t) && status == CAE_OK; i++) {
        char path[CAE__PATH_ROOM], folder[CAE__PATH_ROOM];
        size_t at;
        memcpy(&at, walk->folders.data + i * sizeof at, sizeof at);
        const char *name = (const char *)walk->names.data + at;
        status = cae__path_join(path, walk->context, directory, name);
        if (status == CAE_OK) {
            memcpy(folder, name, strlen(name) + 1); /* names move */
            walk->folder = folder;
            status = cae__directory_list(walk->context, path, take_entry, walk);
        }
        if (status != CAE_OK)
            status = skip_folder(walk, at, status);
    }
    return status;
}

/* --- The list --------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct cae__file *)a)->name, ((const struct cae__file *)b)->name);
}

static cae_status make_list(struct cae__files *files, const struct walk *walk)
{
    const size_t count = walk->files.size / sizeof(struct entry);
    files->list = cae__alloc_zero(walk->context, count ? count : 1, sizeof *files->list);
    if (!files->list)
        return cae__fail_memory(walk->context);
    files->names = (char *)walk->names.data;
    files->count = (int64_t)count;
    for (size_t i = 0; i < count; i++) {
        struct entry entry;
        memcpy(&entry, walk->files.data + i * sizeof entry, sizeof entry);
        files->list[i].name = files->names + entry.at;
        files->list[i].reason = entry.reason;
        files->list[i].status = entry.status;
    }
    qsort(files->list, count, sizeof *files->list, by_name);
    for (size_t i = 0; i < count; i++)
        files->list[i].number = (int64_t)i;
    return CAE_OK;
}

static void free_reasons(const struct walk *walk)
{
    for (size_t i = 0; i < walk->files.size / sizeof(struct entry); i++) {
        struct entry entry;
        memcpy(&entry, walk->files.data + i * sizeof entry, sizeof entry);
        cae__free(walk->context, entry.reason);
    }
}

cae_status cae__files_find(struct cae__files *files, const cae_context *context,
                           const char *directory)
{
    struct walk walk = {.context = context};
    const size_t first = 0;
    *files = (struct cae__files){.count = 0};
    cae_status status = append(&walk.names, context, "", 1) &&
                                append(&walk.folders, context, &first, sizeof first)
                            ? walk_folders(&walk, directory)
                            : cae__fail_memory(context);
    if (status == CAE_OK)
        status = make_list(files, &walk);
    if (status != CAE_OK) {
        free_reasons(&walk);
        cae__free(context, walk.names.data);
    }
    cae__free(context, walk.files.data);
    cae__free(context, walk.folders.data);
    return status;
}

void cae__files_free(struct cae__files *files, const cae_context *context)
{
    for (int64_t i = 0; i < files->count; i++)
        cae__free(context, files->list[i].reason);
    cae__free(context, files->list);
    cae__free(context, files->names);
}
