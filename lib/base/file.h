/* file.h - whole files in, whole files out, and pieces of files. Knows nothing of what is in them.
 *
 * POSIX systems: file.c, file_at.c, replace.c. Windows: file_windows.c, where paths are UTF-8.
 * Everywhere: deliver.c. */
#ifndef CAE_FILE_H
#define CAE_FILE_H

#include "base.h"

#include <stdio.h>

#define CAE__FILE_ABSENT (-1)
#define CAE__FILE_AT_ONCE ((size_t)1 << 30) /* bytes; macOS refuses 2 GiB in one read or write */

/* Bytes of a regular file; CAE__FILE_ABSENT when there is nothing of that name. */
cae_status cae__file_size(int64_t *size, const cae_context *context, const char *path);

/* CAE_ERR_IO unless `path` is a directory. */
cae_status cae__directory_check(const cae_context *context, const char *path);

/* Call `take` for all that is in a directory, in no order, with `name` as it is there and whether it
 * is a directory itself; a link is none. A status that is not CAE_OK ends it and is returned. The
 * system may allocate for that. */
typedef cae_status (*cae__entry_fn)(void *user, const char *name, bool is_directory);
cae_status cae__directory_list(const cae_context *context, const char *path, cae__entry_fn take,
                               void *user);

/* The whole file in a block to be freed with cae__free. A file that is written into meanwhile is an
 * error; one that is replaced is read as it was. */
cae_status cae__file_read(unsigned char **data, size_t *size, const cae_context *context,
                          const char *path);

/* To read piece by piece; NULL with errno set. */
FILE *cae__file_stream(const char *path);
/* As fread of bytes, but no signal cuts it short. Where it is less than `size`, errno says why, or is 0
 * at the end. */
size_t cae__stream_read(void *data, size_t size, FILE *stream);

/* file_at.c: a file that stays open, to be read from anywhere in it, by any thread. Not for children
 * of other programs; a forked child has it too. */
typedef intptr_t cae__opened;
#define CAE__NOT_OPENED ((cae__opened)-1)
cae_status cae__file_open(cae__opened *file, int64_t *size, const cae_context *context,
                          const char *path);
/* A file without a name in a directory, to write to and to read from; it takes no room any more once
 * it is closed, or the process has ended. */
cae_status cae__file_nameless(cae__opened *file, const cae_context *context,
                              const char *directory);
void cae__file_close(cae__opened file);
/* 0, CAE__FILE_ENDS where there is less, or the system's number for what went wrong. For workers: no
 * text is kept. */
int32_t cae__file_read_at(void *data, size_t size, cae__opened file, int64_t offset);
int32_t cae__file_write_at(cae__opened file, const void *data, size_t size, int64_t offset);
#define CAE__FILE_ENDS (-1)
/* The failure in words, such as "cannot read at byte 42 of PATH: Input/output error". */
cae_status cae__fail_at(const cae_context *context, int32_t error, const char *what,
                        const char *path, int64_t offset);
/* The same, but only where none of it has to be waited for. False when it would, when it fails, and
 * where the system does not say. */
bool cae__file_read_now(void *data, size_t size, cae__opened file, int64_t offset);
/* These bytes will be asked for soon: where the system can, it fetches them meanwhile. */
void cae__file_announce(cae__opened file, int64_t offset, size_t size);

/* replace.c: make `path` hold `data`, in one step. Killed at any moment, or without power, `path`
 * is what it was or all of `data`; after an error it is what it was, but for the one that says that
 * the directory could not be synced. After CAE_OK it is `data`, also without power where the
 * directory can be synced. */
cae_status cae__file_replace(const cae_context *context, const char *path, const void *data,
                             size_t size);

/* Put `path` in front of the text of a failure that does not name it: of any but for memory. */
cae_status cae__name_file(const cae_context *context, cae_status status, const char *path);

/* The ends of calls that make a file: into a file, replaced as above; or into a caller's buffer,
 * where NULL of 0 bytes only asks for their number. Both free `data`. What the caller gave is
 * checked before it is made. */
cae_status cae__path_check(const cae_context *context, const char *path);
cae_status cae__file_deliver(const cae_context *context, const char *path, void *data, size_t size);
cae_status cae__buffer_check(const cae_context *context, const void *buffer, size_t capacity,
                             const size_t *written);
cae_status cae__buffer_deliver(void *buffer, size_t capacity, size_t *written,
                               const cae_context *context, void *data, size_t size);

#endif
