/* file_at.c - pieces of files, on POSIX systems.
 *
 * By pread and not by mapping: a file that becomes shorter under a mapping ends the process, here
 * that is an error like others; and what was read is held by the system as long as it likes, not
 * by us. */
#if defined __linux__ && !defined _GNU_SOURCE
#define _GNU_SOURCE /* O_TMPFILE, preadv2 */
#endif
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FIRST_OF_OURS 3 /* descriptors below are the host's, and it may print */

static int open_again(const char *path, int flags)
{
    int descriptor;
    do
        descriptor = open(path, flags | O_CLOEXEC, 0600);
    while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

/* A host that closed its standard descriptors may still print: not into a file of ours. And it may
 * put something else in their place, as daemons do: not instead of a file that we read from. */
static int move_from_standard(int descriptor)
{
    if (descriptor < 0 || descriptor >= FIRST_OF_OURS)
        return descriptor;
    const int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, FIRST_OF_OURS), error = errno;
    close(descriptor);
    errno = error;
    return moved;
}

cae_status cae__file_open(cae__opened *file, int64_t *size, const cae_context *context,
                          const char *path)
{
    *file = CAE__NOT_OPENED;
    const int descriptor =
        move_from_standard(open_again(path, O_RDONLY | O_NONBLOCK)); /* never wait for a pipe */
    if (descriptor < 0)
        return cae__fail_system(context, errno, "cannot open %s", path);
    struct stat info;
    cae_status status = CAE_OK;
    if (fstat(descriptor, &info) != 0)
        status = cae__fail_system(context, errno, "cannot look at %s", path);
    else if (!S_ISREG(info.st_mode))
        status = cae__fail(context, CAE_ERR_IO, "%.400s is not a regular file", path);
    if (status != CAE_OK) {
        close(descriptor);
        return status;
    }
    *size = (int64_t)info.st_size;
    *file = descriptor;
    return CAE_OK;
}

/* Where the system, or the file system, makes none without a name, it loses the name at once. */
static int open_nameless(const char *directory)
{
#if defined O_TMPFILE
    const int nameless = open_again(directory, O_RDWR | O_TMPFILE);
    if (nameless >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return nameless;
#endif
    char path[4096];
    const int length = snprintf(path, sizeof path, "%s/.cae-XXXXXX", directory);
    if (length < 0 || (size_t)length >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    const int descriptor = mkstemp(path);
    if (descriptor < 0)
        return -1;
    (void)fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    (void)unlink(path);
    return descriptor;
}

cae_status cae__file_nameless(cae__opened *file, const cae_context *context, const char *directory)
{
    *file = move_from_standard(open_nameless(directory));
    return *file < 0 ? cae__fail_system(context, errno, "cannot make a file in %s", directory)
                     : CAE_OK;
}

void cae__file_close(cae__opened file)
{
    if (file != CAE__NOT_OPENED)
        close((int)file);
}

int32_t cae__file_read_at(void *data, size_t size, cae__opened file, int64_t offset)
{
    unsigned char *to = data;
    while (size > 0) {
        const size_t piece = size < CAE__FILE_AT_ONCE ? size : CAE__FILE_AT_ONCE;
        const ssize_t got = pread((int)file, to, piece, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? errno : CAE__FILE_ENDS;
        to += got;
        size -= (size_t)got;
        offset += got;
    }
    return 0;
}

bool cae__file_read_now(void *data, size_t size, cae__opened file, int64_t offset)
{
#if defined __GLIBC__ && defined RWF_NOWAIT
    const struct iovec to = {data, size};
    return size < CAE__FILE_AT_ONCE &&
           preadv2((int)file, &to, 1, (off_t)offset, RWF_NOWAIT) == (ssize_t)size;
#else
    (void)data, (void)size, (void)file, (void)offset;
    return false;
#endif
}

int32_t cae__file_write_at(cae__opened file, const void *data, size_t size, int64_t offset)
{
    const unsigned char *from = data;
    while (size > 0) {
        const size_t piece = size < CAE__FILE_AT_ONCE ? size : CAE__FILE_AT_ONCE;
        const ssize_t put = pwrite((int)file, from, piece, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? errno : ENOSPC;
        from += put;
        size -= (size_t)put;
        offset += put;
    }
    return 0;
}

cae_status cae__fail_at(const cae_context *context, int32_t error, const char *what,
                        const char *path, int64_t offset)
{
    if (error == CAE__FILE_ENDS)
        return cae__fail(context, CAE_ERR_IO, "%s at byte %lld of %.300s: it has become shorter",
                         what, (long long)offset, path);
    return cae__fail_system(context, error, "%s at byte %lld of %.300s", what, (long long)offset,
                            path);
}

void cae__file_announce(cae__opened file, int64_t offset, size_t size)
{
#if defined POSIX_FADV_WILLNEED
    (void)posix_fadvise((int)file, (off_t)offset, (off_t)size, POSIX_FADV_WILLNEED);
#else
    (void)file, (void)offset, (void)size;
#endif
}
