/* file.h - whole files in, whole files out. Knows nothing of what is in them. */
#ifndef CAE_FILE_H
#define CAE_FILE_H

#include "base.h"

#define CAE__FILE_ABSENT (-1)

/* Bytes of a regular file; CAE__FILE_ABSENT when there is nothing of that name. */
cae_status cae__file_size(int64_t *size, const cae_context *context, const char *path);

/* CAE_ERR_IO unless `path` is a directory. */
cae_status cae__directory_check(const cae_context *context, const char *path);

/* The whole file in a block to be freed with cae__free. */
cae_status cae__file_read(unsigned char **data, size_t *size, const cae_context *context,
                          const char *path);

/* The ends of calls that make a file: into a file, written beside the target, synced and renamed, so
 * that whatever happens `path` is what it was or all of `data`; or into a caller's buffer, where NULL of
 * 0 bytes only asks for their number. Both free `data`. What the caller gave is checked before it is
 * made. */
cae_status cae__path_check(const cae_context *context, const char *path);
cae_status cae__file_deliver(const cae_context *context, const char *path, void *data, size_t size);
cae_status cae__buffer_check(const cae_context *context, const void *buffer, size_t capacity,
                             const size_t *written);
cae_status cae__buffer_deliver(void *buffer, size_t capacity, size_t *written,
                               const cae_context *context, void *data, size_t size);

#endif
