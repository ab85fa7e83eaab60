/* model_file.c - saving and loading models. */
#include "model_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "architecture.h"
#include "file.h"

#define ARCHITECTURE_KEY "libcae.architecture"

/* --- Writing ------------------------------------------------------------------------------------ */

json_t *cae__model_metadata(const cae_model *model)
{
    char *architecture = cae__architecture_write(model);
    json_t *metadata = architecture ? json_pack("{s:s, s:s, s:s}", "format", "pt",
                                                ARCHITECTURE_KEY, architecture, "libcae.version",
                                                cae_version_string())
                                    : NULL;
    free(architecture);
    return metadata;
}

void cae__model_tensors(struct cae__tensor_out *tensors, const cae_model *model, const float *flat,
                        const char *prefix)
{
    for (int i = 0; i < model->tensor_count; i++) {
        const struct cae__tensor *t = &model->tensors[i];
        tensors[i] = (struct cae__tensor_out){
            .shape = t->shape, .rank = t->rank, .values = flat + t->at, .count = t->count};
        snprintf(tensors[i].name, sizeof tensors[i].name, "%s%s", prefix, t->name);
    }
}

static cae_status to_bytes(unsigned char **data, size_t *size, const cae_model *model)
{
    const cae_context *context = model->handle.context;
    struct cae__tensor_out *tensors =
        cae__alloc(context, (size_t)model->tensor_count, sizeof *tensors);
    json_t *metadata = cae__model_metadata(model);
    cae_status status = tensors && metadata ? CAE_OK : cae__fail_memory(context);
    if (status == CAE_OK) {
        cae__model_tensors(tensors, model, model->parameters, "");
        status = cae__safetensors_write(data, size, context, tensors, model->tensor_count, metadata);
    }
    json_decref(metadata);
    cae__free(context, tensors);
    return status;
}

cae_status cae_model_save(const cae_model *model, const char *path)
{
    if (!model)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = model->handle.context;
    if (!path)
        return cae__fail(context, CAE_ERR_ARGUMENT, "path is NULL");
    unsigned char *data;
    size_t size;
    cae_status status = to_bytes(&data, &size, model);
    if (status != CAE_OK)
        return status;
    status = cae__file_write(context, path, data, size);
    cae__free(context, data);
    return status;
}

cae_status cae_model_save_memory(void *buffer, size_t capacity, size_t *written,
                                 const cae_model *model)
{
    if (!model)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = model->handle.context;
    if (!written || (!buffer && capacity))
        return cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL", written ? "buffer" : "written");
    unsigned char *data;
    size_t size;
    cae_status status = to_bytes(&data, &size, model);
    if (status != CAE_OK)
        return status;
    *written = size;
    if (buffer && capacity < size)
        status = cae__fail(context, CAE_ERR_ARGUMENT, "the file takes %zu bytes, the buffer has %zu",
                           size, capacity);
    else if (buffer)
        memcpy(buffer, data, size);
    cae__free(context, data);
    return status;
}

/* --- Reading -------------------------------------------------------------------------------------- */

static const char *prefixed(char *name, const char *prefix, const struct cae__tensor *tensor)
{
    snprintf(name, CAE__NAME_LENGTH, "%s%s", prefix, tensor->name);
    return name;
}

cae_status cae__model_read_flat(float *flat, const cae_model *model, const cae_context *context,
                                const struct cae__safetensors *file, const char *prefix)
{
    for (int i = 0; i < model->tensor_count; i++) {
        const struct cae__tensor *t = &model->tensors[i];
        char name[CAE__NAME_LENGTH];
        const cae_status status = cae__safetensors_read(
            flat + t->at, file, context, prefixed(name, prefix, t), t->shape, t->rank);
        if (status != CAE_OK)
            return status;
        if (!cae__all_finite(flat + t->at, t->count))
            return cae__fail(context, CAE_ERR_NUMERIC, "tensor \"%s\": a value is not finite", name);
    }
    return CAE_OK;
}

/* Nothing but the model's parameters and an optimizer's state. */
static cae_status check_strangers(const cae_model *model, const cae_context *context,
                                  const struct cae__safetensors *file)
{
    for (size_t i = 0; i < file->count; i++) {
        const char *name = file->tensors[i].name;
        if (!cae__model_find(model, name) &&
            strncmp(name, CAE__OPTIMIZER_PREFIX, strlen(CAE__OPTIMIZER_PREFIX)) != 0)
            return cae__fail(context, CAE_ERR_FORMAT,
                             "tensor \"%.64s\" is none of the model's parameters", name);
    }
    return CAE_OK;
}

static cae_status from_spec(cae_model **out, cae_context *context, const cae_spec *spec,
                            const struct cae__safetensors *file)
{
    /* before anything of that size is allocated */
    const size_t values = file->count ? file->tensors[file->count - 1].end / sizeof(float) : 0;
    if ((uint64_t)spec->parameters > values)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "the architecture has %" PRId64 " parameters, the file room for %zu",
                         spec->parameters, values);
    cae_model *model = NULL;
    cae_status status =
        cae__model_allocate(&model, context, spec->layers, spec->count, cae__spec_encoder(spec));
    if (status == CAE_OK)
        status = check_strangers(model, context, file);
    if (status == CAE_OK)
        status = cae__model_read_flat(model->parameters, model, context, file, "");
    if (status != CAE_OK) {
        cae_model_destroy(model);
        return status;
    }
    *out = model;
    return CAE_OK;
}

static cae_status from_bytes(cae_model **out, cae_context *context, const void *data, size_t size)
{
    struct cae__safetensors file;
    cae_status status = cae__safetensors_open(&file, context, data, size);
    if (status != CAE_OK)
        return status;
    const char *architecture = cae__safetensors_text(&file, ARCHITECTURE_KEY);
    cae_spec *spec = NULL;
    status = architecture
                 ? cae__architecture_read(&spec, context, architecture)
                 : cae__fail(context, CAE_ERR_FORMAT,
                             "the file says no architecture (metadata " ARCHITECTURE_KEY
                             "); make the model and call cae_model_load_weights");
    if (status == CAE_OK)
        status = from_spec(out, context, spec, &file);
    cae_spec_destroy(spec);
    cae__safetensors_close(&file, context);
    return status;
}

cae_status cae_model_load_memory(cae_model **out, cae_context *context, const void *data,
                                 size_t size)
{
    if (!out)
        return cae__fail(context, CAE_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!context || !data)
        return cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL", context ? "data" : "context");
    return from_bytes(out, context, data, size);
}

cae_status cae__name_file(const cae_context *context, cae_status status, const char *path)
{
    if (status == CAE_OK || status == CAE_ERR_MEMORY)
        return status;
    char reason[sizeof context->error];
    memcpy(reason, context->error, sizeof reason);
    return cae__fail(context, status, "%.200s: %s", path, reason);
}

cae_status cae_model_load(cae_model **out, cae_context *context, const char *path)
{
    if (!out)
        return cae__fail(context, CAE_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!context || !path)
        return cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL", context ? "path" : "context");
    unsigned char *data;
    size_t size;
    cae_status status = cae__file_read(&data, &size, context, path);
    if (status != CAE_OK)
        return status;
    status = cae__name_file(context, from_bytes(out, context, data, size), path);
    cae__free(context, data);
    return status;
}

static cae_status load_weights(cae_model *model, const cae_context *context, const void *data,
                               size_t size)
{
    struct cae__safetensors file;
    cae_status status = cae__safetensors_open(&file, context, data, size);
    if (status != CAE_OK)
        return status;
    status = check_strangers(model, context, &file);
    float *flat = NULL; /* all or nothing: read aside, then copy */
    if (status == CAE_OK && !(flat = cae__alloc(context, model->parameter_count, sizeof *flat)))
        status = cae__fail_memory(context);
    if (status == CAE_OK)
        status = cae__model_read_flat(flat, model, context, &file, "");
    if (status == CAE_OK)
        memcpy(model->parameters, flat, model->parameter_count * sizeof *flat);
    cae__free(context, flat);
    cae__safetensors_close(&file, context);
    return status;
}

cae_status cae_model_load_weights(cae_model *model, const char *path)
{
    if (!model)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = model->handle.context;
    if (!path)
        return cae__fail(context, CAE_ERR_ARGUMENT, "path is NULL");
    unsigned char *data;
    size_t size;
    cae_status status = cae__file_read(&data, &size, context, path);
    if (status != CAE_OK)
        return status;
    status = cae__name_file(context, load_weights(model, context, data, size), path);
    cae__free(context, data);
    return status;
}

cae_status cae__model_same_architecture(const cae_model *model, const cae_context *context,
                                        const struct cae__safetensors *file)
{
    const char *found = cae__safetensors_text(file, ARCHITECTURE_KEY);
    char *own = cae__architecture_write(model);
    if (!own)
        return cae__fail_memory(context);
    const bool same = found && strcmp(found, own) == 0;
    free(own);
    return same ? CAE_OK
                : cae__fail(context, CAE_ERR_FORMAT,
                            "the file holds %s architecture than this model",
                            found ? "another" : "no");
}
