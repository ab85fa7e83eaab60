/* safetensors.h - named tensors and text metadata in one file; see docs/file-format.md. Knows
 * nothing of models or training. */
#ifndef CAE_SAFETENSORS_H
#define CAE_SAFETENSORS_H

#include "json.h"

#define CAE__NAME_LENGTH 48 /* of the tensors that libcae writes, closing zero included */

/* A float32 tensor to write. */
struct cae__tensor_out {
    char name[CAE__NAME_LENGTH];
    const int64_t *shape;
    int rank;
    const float *values;
    size_t count;
};

struct cae__metadata {
    const char *key, *value;
};

/* The bytes of a whole file, to be freed with cae__free. `tensors` is sorted in place; `metadata`
 * is written in the order given. */
cae_status cae__safetensors_write(unsigned char **data, size_t *size, const cae_context *context,
                                  struct cae__tensor_out *tensors, int count,
                                  const struct cae__metadata *metadata, int metadata_count);

/* float32, little-endian. */
void cae__floats_to_bytes(unsigned char *to, const float *values, size_t count);

/* A tensor that was found in a file; `name` and `shape` live with the reader. */
struct cae__tensor_in {
    const char *name;
    const struct cae__json *shape; /* array of integers >= 0 */
    bool is_f32;
    size_t begin, end;   /* bytes, relative to the reader's `values` */
};

struct cae__safetensors {
    struct cae__json_document header;
    const struct cae__json *metadata; /* object of strings, or NULL */
    const unsigned char *values;
    struct cae__tensor_in *tensors; /* by name */
    size_t count;
    size_t size; /* bytes of values */
};

/* Check every rule of the format. The reader borrows `data`. */
cae_status cae__safetensors_open(struct cae__safetensors *file, const cae_context *context,
                                 const void *data, size_t size);
void cae__safetensors_close(struct cae__safetensors *file, const cae_context *context);

/* NULL when absent. */
const struct cae__tensor_in *cae__safetensors_find(const struct cae__safetensors *file,
                                                   const char *name);
const char *cae__safetensors_text(const struct cae__safetensors *file, const char *key);

/* Copy a float32 tensor of exactly this shape. */
cae_status cae__safetensors_read(float *values, const struct cae__safetensors *file,
                                 const cae_context *context, const char *name, const int64_t *shape,
                                 int rank);

#endif
