/* replace.c - a file replaced in one step: the new one is written beside it under a temporary name,
 * synced, and renamed over it. What a system of another kind does otherwise is all here.
 *
 * A process that is killed leaves its temporary file behind, and whoever saves in that directory
 * next takes it away. It must not take that of a live writer. A writer holds a lock (flock) on its
 * file, which the system gives back when the process ends, however it ends; and a name changes
 * hands only under the lock of the file that it leads to:
 *
 *   a writer    makes the file (O_EXCL), locks it, sees that the name still leads to it; writes;
 *               renames or removes it; and only then closes it
 *   a cleaner   opens the file that it finds, locks it without waiting, sees that the name still
 *               leads to it, removes the name, and closes it
 *
 * A writer whose file a cleaner met before it was locked takes another name. Where there are no
 * locks nothing is cleaned. On some network file systems locks bind only the processes of one
 * machine: names carry a hash of the machine's, so that no other looks at them. Only regular files
 * of our own count as left behind; what others lay under a name is neither opened nor followed. A
 * child that was forked during a save shares the lock: what its parent left waits until the child
 * has ended. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_NAMES 1000
#define LOOK_BEHIND 8
#define NAME_ROOM 32 /* "/.cae-0123abcd-1007.tmp" */

/* --- Names and locks -------------------------------------------------------------------------- */

/* FNV-1a of the machine's name. */
static uint32_t machine_hash(void)
{
    char name[256] = "";
    uint32_t hash = 2166136261u;
    (void)gethostname(name, sizeof name - 1); /* without a name all are one machine */
    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return hash;
}

static void name_sibling(char *name, size_t capacity, const char *directory, uint32_t machine,
                         int number)
{
    snprintf(name, capacity, "%s/.cae-%08" PRIx32 "-%d.tmp", directory, machine, number);
}

/* False with EWOULDBLOCK when somebody holds it, with another reason when there are no locks
 * here. */
static bool lock(int descriptor)
{
    int result;
    do
        result = flock(descriptor, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

static bool leads_to(const char *name, int descriptor)
{
    struct stat named, opened;
    return lstat(name, &named) == 0 && fstat(descriptor, &opened) == 0 &&
           named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

static int open_again(const char *name, int flags, mode_t mode)
{
    int descriptor;
    do
        descriptor = open(name, flags | O_CLOEXEC, mode);
    while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

/* True when there was one and it is gone. */
static bool remove_leftover(const char *name)
{
    struct stat info;
    if (lstat(name, &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid())
        return false;
    const int descriptor = open_again(name, O_WRONLY | O_NONBLOCK | O_NOFOLLOW, 0);
    if (descriptor < 0)
        return false;
    const bool gone = lock(descriptor) && leads_to(name, descriptor) && unlink(name) == 0;
    close(descriptor);
    return gone;
}

/* A host that closed its standard descriptors may still print: not into our file. */
static int move_from_standard(int descriptor, const char *name)
{
    if (descriptor > 2)
        return descriptor;
    const int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
    int error = moved < 0 ? errno : 0;
    if (error)
        unlink(name);
    close(descriptor);
    /* some of that may be in it already */
    if (!error && (lseek(moved, 0, SEEK_SET) != 0 || ftruncate(moved, 0) != 0)) {
        error = errno;
        unlink(name);
        close(moved);
    }
    errno = error;
    return error ? -1 : moved;
}

/* A new file, locked where there are locks. EEXIST asks for another name. */
static int make_sibling(const char *name, mode_t mode)
{
    const int descriptor = open_again(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    if (descriptor < 0)
        return -1;
    if ((lock(descriptor) || errno != EWOULDBLOCK) && leads_to(name, descriptor))
        return move_from_standard(descriptor, name);
    close(descriptor);
    errno = EEXIST;
    return -1;
}

/* Several writers may have been killed at once: a few names behind ours are looked at too. */
static int create_sibling(char *name, size_t capacity, const char *directory, mode_t mode)
{
    const uint32_t machine = machine_hash();
    int descriptor = -1, number = -1;
    do {
        name_sibling(name, capacity, directory, machine, ++number);
        descriptor = make_sibling(name, mode);
        if (descriptor < 0 && errno == EEXIST) {
            if (remove_leftover(name))
                descriptor = make_sibling(name, mode);
            else
                errno = EEXIST;
        }
    } while (descriptor < 0 && errno == EEXIST && number < MOST_NAMES - 1);
    if (descriptor < 0)
        return -1;
    for (int next = number + 1; next <= number + LOOK_BEHIND; next++) {
        name_sibling(name, capacity, directory, machine, next);
        remove_leftover(name);
    }
    name_sibling(name, capacity, directory, machine, number);
    return descriptor;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static bool write_all(int descriptor, const unsigned char *data, size_t size)
{
    while (size > 0) {
        const ssize_t put = write(descriptor, data,
                                  size < CAE__FILE_AT_ONCE ? size : CAE__FILE_AT_ONCE);
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

/* What fsync says of a file it says once: trying again after another reason than EINTR would hear
 * that all is well. On macOS fsync leaves data in the drive. */
static bool sync_all(int descriptor)
{
#ifdef F_FULLFSYNC
    if (fcntl(descriptor, F_FULLFSYNC) == 0)
        return true; /* not on every file system */
#endif
    int result;
    do
        result = fsync(descriptor);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

/* Some file systems keep a refusal until the file is closed, and it must be heard before the
 * rename. The lock must be held until after it, so a duplicate is closed. */
static bool close_duplicate(int descriptor)
{
    const int duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
    return duplicate >= 0 && (close(duplicate) == 0 || errno == EINTR);
}

/* The mode and group of the file that is replaced. Where the group cannot stay, another one must
 * not get what was meant for it. A file system without modes may refuse, and that is all right. */
static void inherit(int descriptor, const struct stat *old)
{
    struct stat own;
    mode_t mode = old->st_mode & 0777;
    if ((fstat(descriptor, &own) != 0 || own.st_gid != old->st_gid) &&
        fchown(descriptor, (uid_t)-1, old->st_gid) != 0)
        mode &= (mode_t)(0707 | (mode & 07) << 3);
    while (fchmod(descriptor, mode) != 0 && errno == EINTR)
        ;
}

/* 0 or the error number, and then the target is as it was. */
static int replace(const char *target, const char *sibling, int descriptor, const struct stat *old,
                   const void *data, size_t size)
{
    if (!write_all(descriptor, data, size))
        return errno;
    if (old)
        inherit(descriptor, old);
    if (!sync_all(descriptor) || !close_duplicate(descriptor))
        return errno;
    if (!leads_to(sibling, descriptor)) /* somebody removed it who does not know of locks */
        return ENOENT;
    return rename(sibling, target) == 0 ? 0 : errno;
}

/* A new name needs its directory synced to survive a power failure. That some directories cannot be
 * synced, or not be opened, is no error. */
static int sync_directory(const char *directory)
{
    const int descriptor = open_again(directory, O_RDONLY | O_DIRECTORY, 0);
    if (descriptor < 0)
        return 0;
    const int error = sync_all(descriptor) ? 0 : errno;
    close(descriptor);
    return error == EIO || error == ENOSPC || error == EDQUOT ? error : 0;
}

/* Nobody else may read a file under way to replace one that they may not read: 0600 until it is
 * whole. The mode of a new one is what open() gives under the host's umask. */
static cae_status write_sibling(const cae_context *context, const char *path, const char *target,
                                const struct stat *old, const void *data, size_t size)
{
    const size_t capacity = strlen(target) + NAME_ROOM;
    char *directory = cae__alloc(context, 1, capacity), *sibling = cae__alloc(context, 1, capacity);
    cae_status status = directory && sibling ? CAE_OK : cae__fail_memory(context);
    if (status == CAE_OK) {
        const char *slash = strrchr(target, '/');
        snprintf(directory, capacity, "%.*s", slash && slash > target ? (int)(slash - target) : 1,
                 slash ? target : ".");
        const int descriptor = create_sibling(sibling, capacity, directory, old ? 0600 : 0666);
        int error = descriptor < 0 ? errno
                                   : replace(target, sibling, descriptor, old, data, size);
        if (error && descriptor >= 0 && leads_to(sibling, descriptor))
            unlink(sibling);
        if (descriptor >= 0)
            close(descriptor);
        if (error)
            status = cae__fail_system(context, error, "cannot write %s", path);
        else if ((error = sync_directory(directory)))
            status = cae__fail_system(
                context, error, "%.350s is written, but its directory cannot be synced", path);
    }
    cae__free(context, sibling);
    cae__free(context, directory);
    return status;
}

cae_status cae__file_replace(const cae_context *context, const char *path, const void *data,
                             size_t size)
{
    struct stat info;
    char *real = NULL; /* what a link leads to is replaced, not the link */
    bool exists = lstat(path, &info) == 0;
    if (exists && S_ISLNK(info.st_mode)) {
        real = realpath(path, NULL);
        if (!real && errno == ENOMEM)
            return cae__fail_memory(context);
        exists = real && stat(real, &info) == 0;
        if (!exists) {
            free(real);
            return cae__fail(context, CAE_ERR_IO, "%.400s is a link that leads nowhere", path);
        }
    }
    const cae_status status =
        exists && !S_ISREG(info.st_mode)
            ? cae__fail(context, CAE_ERR_IO, "%.400s exists and is not a regular file", path)
            : write_sibling(context, path, real ? real : path, exists ? &info : NULL, data, size);
    free(real);
    return status;
}
