/* model_file.h - a model as a safetensors file. Checkpoints are the same with more in them. */
#ifndef CAE_MODEL_FILE_H
#define CAE_MODEL_FILE_H

#include "../network/network.h"
#include "safetensors.h"

#define CAE__OPTIMIZER_PREFIX "optim."
#define CAE__NOTE_KEY "libcae.note"

/* The tensors of a model file, `flats` of them for each parameter: the first is the parameters,
 * others are laid out the same and have `prefixes[i]` before their names. `extra` is one more piece
 * of metadata, or NULL. */
cae_status cae__model_bytes(unsigned char **data, size_t *size, const cae_model *model,
                            const float *const *flats, const char *const *prefixes, int count,
                            const struct cae__metadata *extra);

/* Read all of the model's tensors, `prefix` before each name. Values must be finite. On error
 * `flat` is half written. */
cae_status cae__model_read_flat(float *flat, const cae_model *model, const cae_context *context,
                                const struct cae__safetensors *file, const char *prefix);

/* Give a model the note that the file has, or none. */
cae_status cae__note_read(cae_model *model, const struct cae__safetensors *file);

/* CAE_ERR_FORMAT when the file says it holds another architecture. */
cae_status cae__model_same_architecture(const cae_model *model,
                                        const struct cae__safetensors *file);

/* Read a file whole and hand its bytes to `take`; a failure's text begins with the path. */
typedef cae_status (*cae__take_fn)(void *target, const void *data, size_t size);
cae_status cae__with_file(const cae_context *context, const char *path, cae__take_fn take,
                          void *target);

#endif
