/* file.c - whole files in, whole files out. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

cae_status cae__file_size(int64_t *size, const cae_context *context, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        if (errno != ENOENT)
            return cae__fail_system(context, errno, "cannot look at %s", path);
        *size = CAE__FILE_ABSENT;
        return CAE_OK;
    }
    if (!S_ISREG(info.st_mode))
        return cae__fail(context, CAE_ERR_IO, "%s is not a regular file", path);
    *size = (int64_t)info.st_size;
    return CAE_OK;
}

cae_status cae__directory_check(const cae_context *context, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return cae__fail_system(context, errno, "cannot look at %s", path);
    return S_ISDIR(info.st_mode) ? CAE_OK
                                 : cae__fail(context, CAE_ERR_IO, "%s is not a directory", path);
}

static cae_status read_all(unsigned char *data, size_t size, int descriptor,
                           const cae_context *context, const char *path)
{
    for (size_t done = 0; done < size;) {
        const ssize_t got = read(descriptor, data + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cae__fail_system(context, errno, "cannot read %s", path);
        if (got == 0)
            return cae__fail(context, CAE_ERR_IO, "%s became shorter while it was read", path);
        done += (size_t)got;
    }
    return CAE_OK;
}

cae_status cae__file_read(unsigned char **data, size_t *size, const cae_context *context,
                          const char *path)
{
    *data = NULL;
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* never wait for a pipe */
    if (descriptor < 0)
        return cae__fail_system(context, errno, "cannot open %s", path);

    struct stat info;
    cae_status status = CAE_OK;
    if (fstat(descriptor, &info) != 0)
        status = cae__fail_system(context, errno, "cannot look at %s", path);
    else if (!S_ISREG(info.st_mode))
        status = cae__fail(context, CAE_ERR_IO, "%s is not a regular file", path);
    else if ((uintmax_t)info.st_size > SIZE_MAX / 2)
        status = cae__fail(context, CAE_ERR_IO, "%s is larger than memory", path);
    else if (!(*data = cae__alloc(context, 1, (size_t)info.st_size + 1))) /* + 1: may be empty */
        status = cae__fail_memory(context);
    if (status == CAE_OK) {
        *size = (size_t)info.st_size;
        status = read_all(*data, *size, descriptor, context, path);
    }
    close(descriptor);
    if (status != CAE_OK) {
        cae__free(context, *data);
        *data = NULL;
    }
    return status;
}

static bool write_all(int descriptor, const unsigned char *data, size_t size)
{
    while (size > 0) {
        const ssize_t put = write(descriptor, data, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            errno = put == 0 ? ENOSPC : errno;
            return false;
        }
        data += put;
        size -= (size_t)put;
    }
    return true;
}

/* A new name needs its directory synced to survive a power failure. Some file systems cannot sync a
 * directory; the file itself is safe by then, so that is not an error. */
static void sync_directory(const char *directory)
{
    const int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
        (void)fsync(descriptor);
        close(descriptor);
    }
}

/* Where to write: what links lead to is replaced, not the link. To be freed with cae__free. */
static cae_status resolve(char **target, bool *exists, struct stat *info,
                          const cae_context *context, const char *path)
{
    char *real = realpath(path, NULL);
    *exists = real && stat(real, info) == 0;
    if (!real && errno == ENOMEM)
        return cae__fail_memory(context);
    if (!real && lstat(path, info) == 0)
        return cae__fail(context, CAE_ERR_IO, "%s is a link that leads nowhere", path);
    const char *name = real ? real : path;
    *target = cae__alloc(context, 1, strlen(name) + 1);
    if (*target)
        memcpy(*target, name, strlen(name) + 1);
    free(real);
    if (!*target)
        return cae__fail_memory(context);
    if (*exists && !S_ISREG(info->st_mode)) {
        cae__free(context, *target);
        return cae__fail(context, CAE_ERR_IO, "%s exists and is not a regular file", path);
    }
    return CAE_OK;
}

/* A new file in a directory, under a name that nobody has: `sibling` must have room for
 * SIBLING_ROOM more than the directory. The mode is what open() gives under the host's umask. */
#define SIBLING_ROOM 48
static int create_sibling(char *sibling, size_t capacity, const char *directory)
{
    int descriptor = -1;
    for (int i = 0; i < 1000; i++) {
        snprintf(sibling, capacity, "%s/.cae-%ld-%d.tmp", directory, (long)getpid(), i);
        descriptor = open(sibling, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0 || errno != EEXIST)
            break;
    }
    return descriptor;
}

static int close_checked(int descriptor)
{
    return close(descriptor) == 0 || errno == EINTR ? 0 : errno;
}

/* 0 or the error number; on error the sibling is gone and the target as it was. */
static int replace(const char *target, const char *sibling, int descriptor, const struct stat *old,
                   const void *data, size_t size)
{
    if (old) /* a file system without modes may refuse, and that is all right */
        (void)fchmod(descriptor, old->st_mode & 0777);
    int error = write_all(descriptor, data, size) && fsync(descriptor) == 0 ? 0 : errno;
    const int closing = close_checked(descriptor);
    if (!error)
        error = closing;
    if (!error && rename(sibling, target) != 0)
        error = errno;
    if (error)
        unlink(sibling);
    return error;
}

static cae_status write_file(const cae_context *context, const char *path, const void *data,
                             size_t size)
{
    char *target = NULL;
    bool exists;
    struct stat info;
    cae_status status = resolve(&target, &exists, &info, context, path);
    if (status != CAE_OK)
        return status;

    const size_t capacity = strlen(target) + SIBLING_ROOM;
    char *directory = cae__alloc(context, 1, capacity), *sibling = cae__alloc(context, 1, capacity);
    if (!directory || !sibling) {
        status = cae__fail_memory(context);
    } else {
        const char *slash = strrchr(target, '/');
        snprintf(directory, capacity, "%.*s", slash > target ? (int)(slash - target) : 1,
                 slash ? target : ".");
        const int descriptor = create_sibling(sibling, capacity, directory);
        const int error = descriptor < 0 ? errno
                                         : replace(target, sibling, descriptor,
                                                   exists ? &info : NULL, data, size);
        if (error)
            status = cae__fail_system(context, error, "cannot write %s", path);
        else
            sync_directory(directory);
    }
    cae__free(context, sibling);
    cae__free(context, directory);
    cae__free(context, target);
    return status;
}

cae_status cae__path_check(const cae_context *context, const char *path)
{
    return path ? CAE_OK : cae__fail(context, CAE_ERR_ARGUMENT, "path is NULL");
}

cae_status cae__file_deliver(const cae_context *context, const char *path, void *data, size_t size)
{
    const cae_status status = write_file(context, path, data, size);
    cae__free(context, data);
    return status;
}

cae_status cae__buffer_check(const cae_context *context, const void *buffer, size_t capacity,
                             const size_t *written)
{
    return written && (buffer || !capacity)
               ? CAE_OK
               : cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL", written ? "buffer" : "written");
}

cae_status cae__buffer_deliver(void *buffer, size_t capacity, size_t *written,
                               const cae_context *context, void *data, size_t size)
{
    const bool fits = !buffer || size <= capacity;
    *written = size;
    if (buffer && fits)
        memcpy(buffer, data, size);
    cae__free(context, data);
    return fits ? CAE_OK
                : cae__fail(context, CAE_ERR_ARGUMENT, "the file takes %zu bytes, the buffer has %zu",
                            size, capacity);
}
