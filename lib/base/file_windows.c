/* file_windows.c - whole files in, whole files out, on Windows. Paths are UTF-8.
 *
 * A file is replaced as on other systems: written beside its target under a temporary name,
 * flushed, and moved over it. A reader keeps the file it has opened for itself alone, so nobody
 * writes into it meanwhile, and while it is read it cannot be replaced: the writer is told so. What
 * a killed process leaves stays. Links are refused, as MoveFileEx would replace the link and not
 * what it leads to. */
#define WIN32_LEAN_AND_MEAN
#include "file.h"

#include <windows.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define MOST_NAMES 1000
#define NAME_ROOM 32 /* "/.cae-0123abcd-1007.tmp" */

/* A failure with the system's words, in UTF-8, where it has some. */
static cae_status fail(const cae_context *context, DWORD error, const char *what, const char *path)
{
    wchar_t wide[128];
    char words[256] = "";
    DWORD length = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL,
                                  error, 0, wide, sizeof wide / sizeof wide[0], NULL);
    while (length > 0 && (wide[length - 1] <= L' ' || wide[length - 1] == L'.'))
        length--; /* ".\r\n" */
    const int bytes = WideCharToMultiByte(CP_UTF8, 0, wide, (int)length, words,
                                          (int)sizeof words - 1, NULL, NULL);
    words[bytes > 0 ? bytes : 0] = '\0';
    return *words ? cae__fail(context, CAE_ERR_IO, "%s %s: %s", what, path, words)
                  : cae__fail(context, CAE_ERR_IO, "%s %s: error %lu", what, path,
                              (unsigned long)error);
}

/* To be freed with cae__free. */
static cae_status widen(wchar_t **wide, const cae_context *context, const char *path)
{
    *wide = NULL;
    const int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    if (length <= 0)
        return cae__fail(context, CAE_ERR_IO, "%s: a path that is not UTF-8", path);
    *wide = cae__alloc(context, (size_t)length, sizeof **wide);
    if (!*wide)
        return cae__fail_memory(context);
    MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, *wide, length);
    return CAE_OK;
}

/* --- Looking ---------------------------------------------------------------------------------- */

struct found {
    bool there;
    DWORD attributes;
    int64_t size;
};

static cae_status look(struct found *found, const cae_context *context, const char *path,
                       const wchar_t *wide)
{
    WIN32_FILE_ATTRIBUTE_DATA data;
    *found = (struct found){.there = GetFileAttributesExW(wide, GetFileExInfoStandard, &data) != 0};
    if (found->there) {
        found->attributes = data.dwFileAttributes;
        found->size = (int64_t)((uint64_t)data.nFileSizeHigh << 32 | data.nFileSizeLow);
        return CAE_OK;
    }
    const DWORD error = GetLastError();
    return error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND
               ? CAE_OK
               : fail(context, error, "cannot look at", path);
}

static cae_status look_at(struct found *found, const cae_context *context, const char *path)
{
    wchar_t *wide;
    cae_status status = widen(&wide, context, path);
    if (status == CAE_OK)
        status = look(found, context, path, wide);
    cae__free(context, wide);
    return status;
}

cae_status cae__file_size(int64_t *size, const cae_context *context, const char *path)
{
    struct found found;
    const cae_status status = look_at(&found, context, path);
    if (status != CAE_OK)
        return status;
    if (found.there && found.attributes & FILE_ATTRIBUTE_DIRECTORY)
        return cae__fail(context, CAE_ERR_IO, "%.400s is not a regular file", path);
    *size = found.there ? found.size : CAE__FILE_ABSENT;
    return CAE_OK;
}

cae_status cae__directory_check(const cae_context *context, const char *path)
{
    struct found found;
    const cae_status status = look_at(&found, context, path);
    if (status != CAE_OK)
        return status;
    if (!found.there)
        return fail(context, ERROR_PATH_NOT_FOUND, "cannot look at", path);
    return found.attributes & FILE_ATTRIBUTE_DIRECTORY
               ? CAE_OK
               : cae__fail(context, CAE_ERR_IO, "%.400s is not a directory", path);
}

static cae_status take_entry(const WIN32_FIND_DATAW *entry, const cae_context *context,
                             const char *path, cae__entry_fn take, void *user)
{
    char name[4 * MAX_PATH];
    if (wcscmp(entry->cFileName, L".") == 0 || wcscmp(entry->cFileName, L"..") == 0)
        return CAE_OK;
    if (!WideCharToMultiByte(CP_UTF8, 0, entry->cFileName, -1, name, sizeof name, NULL, NULL))
        return fail(context, GetLastError(), "cannot read directory", path);
    const DWORD folder = FILE_ATTRIBUTE_DIRECTORY, link = FILE_ATTRIBUTE_REPARSE_POINT;
    return take(user, name, (entry->dwFileAttributes & (folder | link)) == folder);
}

cae_status cae__directory_list(const cae_context *context, const char *path, cae__entry_fn take,
                               void *user)
{
    wchar_t *wide;
    cae_status status = widen(&wide, context, path);
    if (status != CAE_OK)
        return status;
    const size_t length = wcslen(wide);
    wchar_t *pattern = cae__alloc(context, length + 3, sizeof *pattern);
    WIN32_FIND_DATAW entry;
    HANDLE search = INVALID_HANDLE_VALUE;
    if (!pattern) {
        status = cae__fail_memory(context);
    } else {
        memcpy(pattern, wide, length * sizeof *pattern);
        memcpy(pattern + length, L"/*", 3 * sizeof *pattern);
        search = FindFirstFileW(pattern, &entry);
        if (search == INVALID_HANDLE_VALUE)
            status = fail(context, GetLastError(), "cannot open directory", path);
    }
    cae__free(context, pattern);
    cae__free(context, wide);
    if (status != CAE_OK)
        return status;
    do
        status = take_entry(&entry, context, path, take, user);
    while (status == CAE_OK && FindNextFileW(search, &entry));
    FindClose(search);
    return status;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static cae_status read_all(unsigned char *data, size_t size, HANDLE file,
                           const cae_context *context, const char *path)
{
    for (size_t done = 0; done < size;) {
        const size_t left = size - done;
        DWORD got;
        if (!ReadFile(file, data + done,
                      (DWORD)(left < CAE__FILE_AT_ONCE ? left : CAE__FILE_AT_ONCE), &got, NULL))
            return fail(context, GetLastError(), "cannot read", path);
        if (got == 0)
            return cae__fail(context, CAE_ERR_IO, "%.400s became shorter while it was read", path);
        done += got;
    }
    return CAE_OK;
}

cae_status cae__file_read(unsigned char **data, size_t *size, const cae_context *context,
                          const char *path)
{
    wchar_t *wide;
    *data = NULL;
    cae_status status = widen(&wide, context, path);
    if (status != CAE_OK)
        return status;
    const HANDLE file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING,
                                    FILE_ATTRIBUTE_NORMAL, NULL);
    const DWORD error = GetLastError();
    cae__free(context, wide);
    if (file == INVALID_HANDLE_VALUE)
        return fail(context, error, "cannot open", path);

    LARGE_INTEGER length;
    if (GetFileType(file) != FILE_TYPE_DISK)
        status = cae__fail(context, CAE_ERR_IO, "%.400s is not a regular file", path);
    else if (!GetFileSizeEx(file, &length))
        status = fail(context, GetLastError(), "cannot look at", path);
    else if ((uint64_t)length.QuadPart > SIZE_MAX / 2)
        status = cae__fail(context, CAE_ERR_IO, "%.400s is larger than memory", path);
    else if (!(*data = cae__alloc(context, 1, (size_t)length.QuadPart + 1))) /* + 1: may be empty */
        status = cae__fail_memory(context);
    if (status == CAE_OK) {
        *size = (size_t)length.QuadPart;
        status = read_all(*data, *size, file, context, path);
    }
    CloseHandle(file);
    if (status != CAE_OK) {
        cae__free(context, *data);
        *data = NULL;
    }
    return status;
}

/* --- Pieces ----------------------------------------------------------------------------------- */

cae_status cae__file_open(cae__opened *file, int64_t *size, const cae_context *context,
                          const char *path)
{
    wchar_t *wide;
    *file = CAE__NOT_OPENED;
    cae_status status = widen(&wide, context, path);
    if (status != CAE_OK)
        return status;
    const HANDLE handle = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING,
                                      FILE_ATTRIBUTE_NORMAL, NULL);
    const DWORD error = GetLastError();
    cae__free(context, wide);
    if (handle == INVALID_HANDLE_VALUE)
        return fail(context, error, "cannot open", path);
    LARGE_INTEGER length;
    if (GetFileType(handle) != FILE_TYPE_DISK)
        status = cae__fail(context, CAE_ERR_IO, "%.400s is not a regular file", path);
    else if (!GetFileSizeEx(handle, &length))
        status = fail(context, GetLastError(), "cannot look at", path);
    if (status != CAE_OK) {
        CloseHandle(handle);
        return status;
    }
    *size = (int64_t)length.QuadPart;
    *file = (cae__opened)handle;
    return CAE_OK;
}

cae_status cae__file_nameless(cae__opened *file, const cae_context *context, const char *directory)
{
    *file = CAE__NOT_OPENED;
    return cae__fail(context, CAE_ERR_UNSUPPORTED, "a file in %s: not on Windows", directory);
}

void cae__file_close(cae__opened file)
{
    if (file != CAE__NOT_OPENED)
        CloseHandle((HANDLE)file);
}

int32_t cae__file_read_at(void *data, size_t size, cae__opened file, int64_t offset)
{
    unsigned char *to = data;
    while (size > 0) {
        OVERLAPPED at = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)((uint64_t)offset >> 32)};
        DWORD got;
        if (!ReadFile((HANDLE)file, to,
                      (DWORD)(size < CAE__FILE_AT_ONCE ? size : CAE__FILE_AT_ONCE), &got, &at))
            return GetLastError() == ERROR_HANDLE_EOF ? CAE__FILE_ENDS : (int32_t)GetLastError();
        if (got == 0)
            return CAE__FILE_ENDS;
        to += got;
        size -= got;
        offset += got;
    }
    return 0;
}

bool cae__file_read_now(void *data, size_t size, cae__opened file, int64_t offset)
{
    (void)data, (void)size, (void)file, (void)offset; /* no call for it */
    return false;
}

int32_t cae__file_write_at(cae__opened file, const void *data, size_t size, int64_t offset)
{
    (void)file, (void)data, (void)size, (void)offset; /* there is no file to write to */
    return ERROR_NOT_SUPPORTED;
}

cae_status cae__fail_at(const cae_context *context, int32_t error, const char *what,
                        const char *path, int64_t offset)
{
    char told[96];
    snprintf(told, sizeof told, "%s at byte %lld of", what, (long long)offset);
    return error == CAE__FILE_ENDS
               ? cae__fail(context, CAE_ERR_IO, "%s %.300s: it has become shorter", told, path)
               : fail(context, (DWORD)error, told, path);
}

void cae__file_announce(cae__opened file, int64_t offset, size_t size)
{
    (void)file, (void)offset, (void)size; /* no call for it */
}

FILE *cae__file_stream(const char *path)
{
    const int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    wchar_t *wide = length > 0 ? malloc((size_t)length * sizeof *wide) : NULL;
    if (!wide) {
        errno = length > 0 ? ENOMEM : EINVAL;
        return NULL;
    }
    MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, length);
    FILE *stream = _wfopen(wide, L"rbN"); /* N: not for children */
    free(wide);
    return stream;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* 0 or the error. */
static DWORD write_all(HANDLE file, const unsigned char *data, size_t size)
{
    while (size > 0) {
        DWORD put;
        if (!WriteFile(file, data, (DWORD)(size < CAE__FILE_AT_ONCE ? size : CAE__FILE_AT_ONCE),
                       &put, NULL))
            return GetLastError();
        data += put;
        size -= put;
    }
    return FlushFileBuffers(file) ? 0 : GetLastError();
}

/* A new file beside the target; `sibling` has NAME_ROOM more than the target's directory. */
static HANDLE create_sibling(wchar_t *sibling, size_t directory)
{
    HANDLE file = INVALID_HANDLE_VALUE;
    for (int i = 0; i < MOST_NAMES; i++) {
        swprintf(sibling + directory, NAME_ROOM, L".cae-%lx-%d.tmp",
                 (unsigned long)GetCurrentProcessId(), i);
        file = CreateFileW(sibling, GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL,
                           NULL);
        if (file != INVALID_HANDLE_VALUE || GetLastError() != ERROR_FILE_EXISTS)
            break;
    }
    return file;
}

/* Characters up to and with the last separator. */
static size_t directory_length(const wchar_t *path)
{
    size_t length = wcslen(path);
    while (length > 0 && !wcschr(L"/\\:", path[length - 1]))
        length--;
    return length;
}

static cae_status write_beside(const cae_context *context, const char *path, const wchar_t *target,
                               const void *data, size_t size)
{
    const size_t directory = directory_length(target);
    wchar_t *sibling = cae__alloc(context, directory + NAME_ROOM, sizeof *sibling);
    if (!sibling)
        return cae__fail_memory(context);
    memcpy(sibling, target, directory * sizeof *sibling);

    const HANDLE file = create_sibling(sibling, directory);
    DWORD error = file == INVALID_HANDLE_VALUE ? GetLastError() : write_all(file, data, size);
    if (file != INVALID_HANDLE_VALUE) {
        if (!CloseHandle(file) && !error)
            error = GetLastError();
        if (!error && !MoveFileExW(sibling, target,
                                   MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
            error = GetLastError();
        if (error)
            DeleteFileW(sibling);
    }
    cae__free(context, sibling);
    return error ? fail(context, error, "cannot write", path) : CAE_OK;
}

cae_status cae__file_replace(const cae_context *context, const char *path, const void *data,
                             size_t size)
{
    wchar_t *target;
    struct found found;
    cae_status status = widen(&target, context, path);
    if (status == CAE_OK)
        status = look(&found, context, path, target);
    if (status == CAE_OK && found.there && found.attributes & FILE_ATTRIBUTE_DIRECTORY)
        status = cae__fail(context, CAE_ERR_IO, "%.400s exists and is not a regular file", path);
    else if (status == CAE_OK && found.there && found.attributes & FILE_ATTRIBUTE_REPARSE_POINT)
        status = cae__fail(context, CAE_ERR_IO, "%s is a link: name what it leads to", path);
    if (status == CAE_OK)
        status = write_beside(context, path, target, data, size);
    cae__free(context, target);
    return status;
}
