/* files.c - files that appear whole or not at all. */
#include "files.h"

#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_AT_ONCE = 65536 };

/* --- Bytes ------------------------------------------------------------------------------------ */

bool bytes_add(struct bytes *bytes, const void *data, size_t size)
{
    if (size > bytes->capacity - bytes->size) {
        size_t capacity = 2 * bytes->capacity + size;
        char *grown = realloc(bytes->data, capacity);
        if (!grown)
            return false;
        bytes->data = grown;
        bytes->capacity = capacity;
    }
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return true;
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}

/* --- Writing ---------------------------------------------------------------------------------- */

static bool write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        data += written;
        size -= (size_t)written;
    }
    return true;
}

/* Close in any case, and keep the reason of the first failure. */
static bool close_after(int fd, bool good)
{
    const int reason = errno;
    const bool closed = !close(fd);

    if (!good)
        errno = reason;
    return good && closed;
}

static bool write_new(const char *path, const void *data, size_t size)
{
    int fd;

    unlink(path);                                     /* left by a process of our number, killed */
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return fd >= 0 && close_after(fd, write_all(fd, data, size) && !fsync(fd));
}

/* path.tmp-<process>: on the same file system, and nobody else's. */
static char *sibling(const char *path)
{
    const size_t capacity = strlen(path) + 32;
    char *name = malloc(capacity);

    if (name)
        snprintf(name, capacity, "%s.tmp-%ld", path, (long)getpid());
    return name;
}

bool file_save(const char *path, const void *data, size_t size)
{
    char *beside = sibling(path);
    bool good = false;

    if (!beside)
        return fail("%s: out of memory", path);
    if (write_new(beside, data, size) && !rename(beside, path)) {
        good = true;
    } else {
        fail("cannot write %s: %s", path, strerror(errno));
        unlink(beside);
    }
    free(beside);
    return good;
}

/* All or nothing: half a line must not stay behind. */
static bool append_all(int fd, const void *data, size_t size)
{
    struct stat before;

    if (fstat(fd, &before))
        return false;
    if (write_all(fd, data, size) && !fsync(fd))
        return true;

    const int reason = errno;
    if (ftruncate(fd, before.st_size))
        say("what was there before may now be followed by half a line");
    errno = reason;
    return false;
}

bool file_append(const char *path, const void *data, size_t size)
{
    const int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

    if (fd >= 0 && close_after(fd, append_all(fd, data, size)))
        return true;
    return fail("cannot write %s: %s", path, strerror(errno));
}

/* --- Reading ---------------------------------------------------------------------------------- */

static bool read_stream(struct bytes *bytes, FILE *file)
{
    char block[READ_AT_ONCE];
    size_t got;

    while ((got = fread(block, 1, sizeof block, file)))
        if (!bytes_add(bytes, block, got))
            return false;
    return !ferror(file) && bytes_add(bytes, "", 1);
}

bool file_read(struct bytes *bytes, const char *path)
{
    FILE *file = fopen(path, "rb");
    bool good;

    *bytes = (struct bytes){0};
    if (!file && errno == ENOENT)
        return bytes_add(bytes, "", 1) || fail("%s: out of memory", path);
    if (!file)
        return fail("cannot read %s: %s", path, strerror(errno));
    good = read_stream(bytes, file) || fail("cannot read %s: %s", path, strerror(errno));
    fclose(file);
    if (!good)
        bytes_free(bytes);
    return good;
}

/* --- Directories and paths -------------------------------------------------------------------- */

static bool make_one(const char *path)
{
    return !mkdir(path, 0777) || errno == EEXIST;
}

/* Make every directory that `path` names, from the root down. */
static bool make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool good = make_one(path);
        *slash = '/';
        if (!good)
            return false;
    }
    return make_one(path);
}

static bool is_writable_directory(const char *path)
{
    struct stat found;

    if (stat(path, &found))
        return false;
    errno = ENOTDIR;
    return S_ISDIR(found.st_mode) && !access(path, W_OK | X_OK);
}

bool directory_make(const char *path)
{
    char *copy = path_join(path, "");
    bool good = copy && make_parents(copy) && is_writable_directory(path);

    if (!good)
        fail("cannot write to the directory %s: %s", path, strerror(errno));
    free(copy);
    return good;
}

char *path_join(const char *directory, const char *name)
{
    const size_t length = strlen(directory);
    const char *slash = length && directory[length - 1] == '/' ? "" : "/";
    const size_t capacity = length + strlen(name) + 2;
    char *path = malloc(capacity);

    if (path)
        snprintf(path, capacity, "%s%s%s", directory, slash, name);
    return path;
}
