/* refuse.h - system calls that fail when a test says so. The linker sends the library's calls through the
 * __wrap_ functions here and in the program that includes this (--wrap, see tests/meson.build), which are
 * transparent until the test arms one of them. */
#ifndef CAE_TESTS_REFUSE_H
#define CAE_TESTS_REFUSE_H

#include "../api/api.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* Before 2.33 glibc had these in its header, under other names. */
#if defined __GLIBC__ && !(__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
#define STAT_IS_A_FUNCTION 0
#else
#define STAT_IS_A_FUNCTION 1
#endif

enum call { OPEN, NAMELESS, READ, WRITE, PREAD, PWRITE, FSYNC, CLOSE, FSTAT, STAT, RENAME, DUPLICATE, MKSTEMP,
            SEEK, TRUNCATE, FCHOWN, REALPATH, FSEEK, THREAD, AFFINITY, CALLS };

static struct {
    enum call call;
    int skip;  /* calls that go well before */
    int times; /* and those that do not after them; 0: none */
    int error; /* errno, or 0: the call does nothing and says so */
} armed;
static int calls[CALLS];       /* that were made */
static int refusals;
static char trace[512];        /* the calls of a save, by name */
static size_t most = SIZE_MAX; /* bytes that a read or write moves at a time */
static off_t longer;           /* bytes that stat adds to a size */

static void arm(enum call call, int skip, int times, int error)
{
    armed.call = call, armed.skip = skip, armed.times = times, armed.error = error;
    refusals = 0;
    memset(calls, 0, sizeof calls);
    trace[0] = '\0';
}

static void disarm(void)
{
    arm(CALLS, 0, 0, 0);
}

static void refuse_nothing(void)
{
    disarm();
    most = SIZE_MAX, longer = 0;
}

static bool refused(enum call call)
{
    calls[call]++;
    if (armed.call != call || armed.times == 0 || armed.skip-- > 0)
        return false;
    armed.times--;
    refusals++;
    errno = armed.error;
    return true;
}

static void note(const char *name)
{
    if (strlen(trace) + strlen(name) + 2 < sizeof trace)
        strcat(strcat(trace, name), " ");
}

/* With 64-bit offsets, which are all there are where this runs, some names end in 64 as well. */
/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's --wrap makes these names */
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode)
{
    const bool nameless = (flags & O_TMPFILE) == O_TMPFILE;

    note((flags & O_CREAT) ? "create" : (flags & O_DIRECTORY) ? "directory" : "open");
    return refused(nameless ? NAMELESS : OPEN)
               ? -1 : __real_open(path, flags, (flags & O_CREAT) || nameless ? mode : 0);
}

int __wrap_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode)
{
    return __wrap_open(path, flags, mode);
}

int __real_fstat(int descriptor, struct stat *info);
int __wrap_fstat(int descriptor, struct stat *info);
int __wrap_fstat(int descriptor, struct stat *info)
{
    return refused(FSTAT) ? -1 : __real_fstat(descriptor, info);
}

int __wrap_fstat64(int descriptor, struct stat *info);
int __wrap_fstat64(int descriptor, struct stat *info)
{
    return __wrap_fstat(descriptor, info);
}

int __real_stat(const char *path, struct stat *info);
int __wrap_stat(const char *path, struct stat *info);
int __wrap_stat(const char *path, struct stat *info)
{
    const int result = refused(STAT) ? -1 : __real_stat(path, info);

    if (result == 0 && S_ISREG(info->st_mode))
        info->st_size += longer;
    return result;
}

int __wrap_stat64(const char *path, struct stat *info);
int __wrap_stat64(const char *path, struct stat *info)
{
    return __wrap_stat(path, info);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* Files in the test's directory. */
static int entries(void)
{
    int count = -2; /* . and .. */
    DIR *directory = opendir(test_directory);

    ck_assert_ptr_nonnull(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

#endif
