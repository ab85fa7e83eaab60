/* msan-stat.c - linked into programs under MemorySanitizer, which up to clang 14 knows stat and its kin
 * by the names that they had before glibc 2.33 only, and takes what they wrote for not written. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* AT_EMPTY_PATH */
#endif
#include <fcntl.h>
#include <sanitizer/msan_interface.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int look(int directory, const char *path, struct stat *info, int flags)
{
    const long result = syscall(SYS_newfstatat, directory, path, info, flags);
    if (result == 0)
        __msan_unpoison(info, sizeof *info);
    return (int)result;
}

int stat(const char *path, struct stat *info)
{
    return look(AT_FDCWD, path, info, 0);
}

int lstat(const char *path, struct stat *info)
{
    return look(AT_FDCWD, path, info, AT_SYMLINK_NOFOLLOW);
}

int fstat(int descriptor, struct stat *info)
{
    return look(descriptor, "", info, AT_EMPTY_PATH);
}

/* What they are called where files may be large. */
int stat64(const char *path, struct stat64 *info) __attribute__((alias("stat")));
int lstat64(const char *path, struct stat64 *info) __attribute__((alias("lstat")));
int fstat64(int descriptor, struct stat64 *info) __attribute__((alias("fstat")));
