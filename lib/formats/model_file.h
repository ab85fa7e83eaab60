/* model_file.h - a model as a safetensors file. Checkpoints are the same with more in them. */
#ifndef CAE_MODEL_FILE_H
#define CAE_MODEL_FILE_H

#include "../network/network.h"
#include "safetensors.h"

#define CAE__OPTIMIZER_PREFIX "optim."

/* Text that every libcae file carries: format, version, architecture. NULL: out of memory. */
json_t *cae__model_metadata(const cae_model *model);

/* Describe the tensors of `flat`, laid out as the parameters are, with a prefix before each name. */
void cae__model_tensors(struct cae__tensor_out *tensors, const cae_model *model, const float *flat,
                        const char *prefix);

/* Read all of the model's tensors, `prefix` before each name. Values must be finite. On error
 * `flat` is half written. */
cae_status cae__model_read_flat(float *flat, const cae_model *model, const cae_context *context,
                                const struct cae__safetensors *file, const char *prefix);

/* CAE_ERR_FORMAT when the file says it holds another architecture. */
cae_status cae__model_same_architecture(const cae_model *model, const cae_context *context,
                                        const struct cae__safetensors *file);

/* Put the path before the reason of a failure. */
cae_status cae__name_file(const cae_context *context, cae_status status, const char *path);

#endif
