/* file.c - whole files in, on POSIX systems. */
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
#define st_mtim st_mtimespec
#endif

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
        return cae__fail(context, CAE_ERR_IO, "%.400s is not a regular file", path);
    *size = (int64_t)info.st_size;
    return CAE_OK;
}

cae_status cae__directory_check(const cae_context *context, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return cae__fail_system(context, errno, "cannot look at %s", path);
    return S_ISDIR(info.st_mode)
               ? CAE_OK
               : cae__fail(context, CAE_ERR_IO, "%.400s is not a directory", path);
}

static cae_status list(DIR *directory, const cae_context *context, const char *path,
                       cae__entry_fn take, void *user)
{
    for (;;) {
        errno = 0;
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread has this directory's stream */
        const struct dirent *entry = readdir(directory);
        if (!entry)
            return errno == 0 ? CAE_OK
                              : cae__fail_system(context, errno, "cannot read directory %s", path);
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        struct stat info;
        const bool there = fstatat(dirfd(directory), name, &info, AT_SYMLINK_NOFOLLOW) == 0;
        const cae_status status = take(user, name, there && S_ISDIR(info.st_mode));
        if (status != CAE_OK)
            return status;
    }
}

cae_status cae__directory_list(const cae_context *context, const char *path, cae__entry_fn take,
                               void *user)
{
    DIR *directory = opendir(path);
    if (!directory)
        return cae__fail_system(context, errno, "cannot open directory %s", path);
    const cae_status status = list(directory, context, path, take, user);
    (void)closedir(directory);
    return status;
}

static cae_status read_all(unsigned char *data, size_t size, int descriptor,
                           const cae_context *context, const char *path)
{
    for (size_t done = 0; done < size;) {
        const size_t left = size - done;
        const ssize_t got = read(descriptor, data + done,
                                 left < CAE__FILE_AT_ONCE ? left : CAE__FILE_AT_ONCE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cae__fail_system(context, errno, "cannot read %s", path);
        if (got == 0)
            return cae__fail(context, CAE_ERR_IO, "%.400s became shorter while it was read", path);
        done += (size_t)got;
    }
    return CAE_OK;
}

/* Who replaces a file by renaming does not disturb its readers; who writes into it does. Half of
 * one model and half of another is a model like any other, so it must be noticed here. Two writes
 * within one tick of the file system's clock look like one; Linux since 6.13 tells those apart
 * too. */
static cae_status check_unchanged(int descriptor, const struct stat *before,
                                  const cae_context *context, const char *path)
{
    struct stat after;
    if (fstat(descriptor, &after) != 0)
        return cae__fail_system(context, errno, "cannot look at %s", path);
    return after.st_size == before->st_size && after.st_mtim.tv_sec == before->st_mtim.tv_sec &&
                   after.st_mtim.tv_nsec == before->st_mtim.tv_nsec
               ? CAE_OK
               : cae__fail(context, CAE_ERR_IO, "%.400s changed while it was read", path);
}

static int open_to_read(const char *path)
{
    int descriptor;
    do /* O_NONBLOCK: never wait for a pipe */
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

cae_status cae__file_read(unsigned char **data, size_t *size, const cae_context *context,
                          const char *path)
{
    *data = NULL;
    const int descriptor = open_to_read(path);
    if (descriptor < 0)
        return cae__fail_system(context, errno, "cannot open %s", path);

    struct stat info;
    cae_status status = CAE_OK;
    if (fstat(descriptor, &info) != 0)
        status = cae__fail_system(context, errno, "cannot look at %s", path);
    else if (!S_ISREG(info.st_mode))
        status = cae__fail(context, CAE_ERR_IO, "%.400s is not a regular file", path);
    else if ((uintmax_t)info.st_size > SIZE_MAX / 2)
        status = cae__fail(context, CAE_ERR_IO, "%.400s is larger than memory", path);
    else if (!(*data = cae__alloc(context, 1, (size_t)info.st_size + 1))) /* + 1: may be empty */
        status = cae__fail_memory(context);
    if (status == CAE_OK) {
        *size = (size_t)info.st_size;
        status = read_all(*data, *size, descriptor, context, path);
    }
    if (status == CAE_OK)
        status = check_unchanged(descriptor, &info, context, path);
    close(descriptor);
    if (status != CAE_OK) {
        cae__free(context, *data);
        *data = NULL;
    }
    return status;
}

FILE *cae__file_stream(const char *path)
{
    FILE *stream;
    do
        stream = fopen(path, "rbe"); /* e: not for children */
    while (!stream && errno == EINTR);
    return stream;
}
