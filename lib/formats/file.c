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
static void sync_directory_of(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash)
        slash[slash == path ? 1 : 0] = '\0';
    const int directory = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0) {
        (void)fsync(directory);
        close(directory);
    }
}

/* mkstemp gives 0600; a file written anew should have what open() would have given it, one that
 * is replaced should keep its own. The umask cannot be read without setting it, process-wide, so a
 * new file gets 0644. */
static mode_t mode_for(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? info.st_mode & 07777 : 0644;
}

cae_status cae__file_write(const cae_context *context, const char *path, const void *data,
                           size_t size)
{
    static const char suffix[] = ".XXXXXX";
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return cae__fail(context, CAE_ERR_IO, "%s exists and is not a regular file", path);

    const size_t length = strlen(path);
    char *sibling = cae__alloc(context, 1, length + sizeof suffix);
    if (!sibling)
        return cae__fail_memory(context);
    memcpy(sibling, path, length);
    memcpy(sibling + length, suffix, sizeof suffix);

    const int descriptor = mkstemp(sibling);
    cae_status status = CAE_OK;
    if (descriptor < 0) {
        status = cae__fail_system(context, errno, "cannot write beside %s", path);
    } else {
        bool written = fchmod(descriptor, mode_for(path)) == 0 &&
                       write_all(descriptor, data, size) && fsync(descriptor) == 0;
        int error = errno;
        if (close(descriptor) != 0 && written) {
            written = false;
            error = errno;
        }
        if (written && rename(sibling, path) != 0) {
            written = false;
            error = errno;
        }
        if (written) {
            sync_directory_of(sibling);
        } else {
            unlink(sibling);
            status = cae__fail_system(context, error, "cannot write %s", path);
        }
    }
    cae__free(context, sibling);
    return status;
}
