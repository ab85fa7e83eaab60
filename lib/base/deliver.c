/* deliver.c - the ends of calls that read or make a file, on any system. */
#include "file.h"

#include <errno.h>
#include <string.h>

size_t cae__stream_read(void *data, size_t size, FILE *stream)
{
    unsigned char *to = data;
    size_t done = 0;
    while (done < size) {
        errno = 0;
        done += fread(to + done, 1, size - done, stream);
        if (done < size && !(ferror(stream) && errno == EINTR))
            break;
        if (done < size)
            clearerr(stream);
    }
    return done;
}

cae_status cae__path_check(const cae_context *context, const char *path)
{
    return path ? CAE_OK : cae__fail(context, CAE_ERR_ARGUMENT, "path is NULL");
}

cae_status cae__name_file(const cae_context *context, cae_status status, const char *path)
{
    if (status == CAE_OK || status == CAE_ERR_MEMORY)
        return status;
    char reason[sizeof context->error];
    memcpy(reason, context->error, sizeof reason);
    return cae__fail(context, status, "%.200s: %s", path, reason);
}

cae_status cae__file_deliver(const cae_context *context, const char *path, void *data, size_t size)
{
    const cae_status status = cae__file_replace(context, path, data, size);
    cae__free(context, data);
    return status;
}

cae_status cae__buffer_check(const cae_context *context, const void *buffer, size_t capacity,
                             const size_t *written)
{
    return written && (buffer || !capacity)
               ? CAE_OK
               : cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL", written ? "buffer" : "written");
}

cae_status cae__buffer_deliver(void *buffer, size_t capacity, size_t *written,
                               const cae_context *context, void *data, size_t size)
{
    const bool fits = !buffer || size <= capacity;
    *written = size;
    if (buffer && fits)
        memcpy(buffer, data, size);
    cae__free(context, data);
    return fits ? CAE_OK
                : cae__fail(context, CAE_ERR_ARGUMENT, "the file takes %zu bytes, the buffer "
                            "has %zu", size, capacity);
}
