/* files.c - files that appear whole or not at all. */
#include "files.h"

#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
#define st_mtim st_mtimespec
#endif

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

static bool sync_all(int fd)
{
    int result;

    do
        result = fsync(fd);
    while (result && errno == EINTR);
    return !result;
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

    unlink(path);                                     /* left by a run that was killed */
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return fd >= 0 && close_after(fd, write_all(fd, data, size) && sync_all(fd));
}

/* path.tmp: on the same file system, and nobody else's while the directory is locked. */
static char *sibling(const char *path)
{
    const size_t capacity = strlen(path) + sizeof ".tmp";
    char *name = malloc(capacity);

    if (name)
        snprintf(name, capacity, "%s.tmp", path);
    return name;
}

/* The new name must be there after a power failure, before what is saved next relies on it. Some
 * file systems cannot sync a directory, and that is all right. */
static void sync_directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash ? strdup(path) : NULL;
    int fd;

    if (directory)
        directory[slash - path + (slash == path)] = '\0';
    fd = open(directory ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        sync_all(fd);
        close(fd);
    }
    free(directory);
}

void file_tidy(const char *path)
{
    char *beside = sibling(path);

    if (beside)
        unlink(beside);
    free(beside);
}

bool file_rename(const char *from, const char *to)
{
    if (rename(from, to))
        return fail("cannot write %s: %s", to, strerror(errno));
    sync_directory_of(to);
    return true;
}

void file_remove(const char *path)
{
    unlink(path);
}

bool file_is_older(const char *path, const char *other)
{
    struct stat a, b;

    if (stat(path, &a) || stat(other, &b))
        return false;
    return a.st_mtim.tv_sec < b.st_mtim.tv_sec ||
           (a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec < b.st_mtim.tv_nsec);
}

bool file_save(const char *path, const void *data, size_t size)
{
    char *beside = sibling(path);
    bool good = false;

    if (!beside)
        return fail("%s: out of memory", path);
    if (write_new(beside, data, size) && !rename(beside, path)) {
        sync_directory_of(path);
        good = true;
    } else {
        fail("cannot write %s: %s", path, strerror(errno));
        unlink(beside);
    }
    free(beside);
    return good;
}

bool file_create(const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

    return fd >= 0 && close_after(fd, true);
}

/* All or nothing: half a line must not stay behind. */
static bool append_all(int fd, const void *data, size_t size)
{
    struct stat before;

    if (fstat(fd, &before))
        return false;
    if (write_all(fd, data, size) && sync_all(fd))
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

/* --- Standard streams ------------------------------------------------------------------------- */

bool streams_begin(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return false;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    return true;
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

/* The system gives the lock back when the process ends, however it ends. Where directories cannot
 * be locked, as on NFS, nobody is kept out. */
bool directory_lock(int *lock, const char *path)
{
    *lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0 || !flock(*lock, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
        return true;
    return fail("another run is writing to the directory %s", path);
}

void directory_unlock(int lock)
{
    if (lock >= 0)
        close(lock);
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
