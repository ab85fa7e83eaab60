/* model_file.c - saving and loading models. */
#include "model_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "architecture.h"
#include "calibration.h"
#include "../base/file.h"

#define ARCHITECTURE_KEY "libcae.architecture"
#define MOST_METADATA 6
#define THRESHOLD_KEY "libcae.threshold"

/* --- Writing ---------------------------------------------------------------------------------- */

static void describe(struct cae__tensor_out *tensors, const cae_model *model, const float *flat,
                     const char *prefix)
{
    for (int i = 0; i < model->tensor_count; i++) {
        const struct cae__tensor *t = &model->tensors[i];
        tensors[i] = (struct cae__tensor_out){
            .shape = t->shape, .rank = t->rank, .values = flat + t->at, .count = t->count};
        snprintf(tensors[i].name, sizeof tensors[i].name, "%s%s", prefix, t->name);
    }
}

cae_status cae__model_bytes(unsigned char **data, size_t *size, const cae_model *model,
                            const float *const *flats, const char *const *prefixes, int count,
                            const struct cae__metadata *extra)
{
    const cae_context *context = model->handle.context;
    const int total = count * model->tensor_count;
    struct cae__tensor_out *tensors = cae__alloc(context, (size_t)total, sizeof *tensors);
    const struct cae__calibration *calibration = cae__model_calibration(model);
    struct cae__text architecture, threshold;
    cae__text_init(&architecture, context);
    cae__text_init(&threshold, context);
    cae__architecture_write(&architecture, model);
    if (calibration)
        cae__calibration_write(&threshold, calibration);

    cae_status status = CAE_OK;
    if (!tensors || architecture.failed || threshold.failed) {
        status = cae__fail_memory(context);
    } else {
        struct cae__metadata metadata[MOST_METADATA] = {
            {"format", "pt"},
            {ARCHITECTURE_KEY, architecture.bytes},
        };
        int pieces = 2;
        if (calibration)
            metadata[pieces++] = (struct cae__metadata){THRESHOLD_KEY, threshold.bytes};
        if (model->note)
            metadata[pieces++] = (struct cae__metadata){CAE__NOTE_KEY, model->note};
        if (extra)
            metadata[pieces++] = *extra;
        metadata[pieces++] = (struct cae__metadata){"libcae.version", cae_version_string()};
        for (int i = 0; i < count; i++)
            describe(tensors + i * model->tensor_count, model, flats[i], prefixes[i]);
        status = cae__safetensors_write(data, size, context, tensors, total, metadata, pieces);
    }
    cae__text_finish(&threshold);
    cae__text_finish(&architecture);
    cae__free(context, tensors);
    return status;
}

static cae_status to_bytes(unsigned char **data, size_t *size, const cae_model *model)
{
    const float *const flats[] = {model->parameters};
    const char *const prefixes[] = {""};
    return cae__model_bytes(data, size, model, flats, prefixes, 1, NULL);
}

cae_status cae_model_save(const cae_model *model, const char *path)
{
    if (!model)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = model->handle.context;
    unsigned char *data;
    size_t size;
    cae_status status = cae__path_check(context, path);
    if (status == CAE_OK)
        status = to_bytes(&data, &size, model);
    return status == CAE_OK ? cae__file_deliver(context, path, data, size) : status;
}

cae_status cae_model_save_memory(void *buffer, size_t capacity, size_t *written,
                                 const cae_model *model)
{
    if (!model)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = model->handle.context;
    unsigned char *data;
    size_t size;
    cae_status status = cae__buffer_check(context, buffer, capacity, written);
    if (status == CAE_OK)
        status = to_bytes(&data, &size, model);
    return status == CAE_OK ? cae__buffer_deliver(buffer, capacity, written, context, data, size)
                            : status;
}

/* --- Reading ---------------------------------------------------------------------------------- */

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
            return cae__fail(context, CAE_ERR_NUMERIC, "tensor \"%s\": a value is not finite",
                             name);
    }
    return CAE_OK;
}

/* Nothing but the model's parameters, which are all there, and an optimizer's state. */
static cae_status check_strangers(const cae_model *model, const cae_context *context,
                                  const struct cae__safetensors *file)
{
    int64_t others = 0;
    for (size_t i = 0; i < file->count; i++)
        others += strncmp(file->tensors[i].name, CAE__OPTIMIZER_PREFIX,
                          strlen(CAE__OPTIMIZER_PREFIX)) != 0;
    if (others > model->tensor_count)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "the file has %" PRId64 " parameter tensors, the model %d", others,
                         model->tensor_count);
    return CAE_OK;
}

static cae_status from_spec(cae_model **out, cae_context *context, const cae_spec *spec,
                            const struct cae__safetensors *file)
{
    /* before anything of that size is allocated */
    const size_t values = file->size / sizeof(float);
    if ((uint64_t)spec->parameters > values)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "the architecture has %" PRId64 " parameters, the file room for %zu",
                         spec->parameters, values);
    cae_model *model = NULL;
    cae_status status = cae__model_allocate(&model, context, spec);
    if (status == CAE_OK)
        status = check_strangers(model, context, file);
    if (status == CAE_OK)
        status = cae__model_read_flat(model->parameters, model, context, file, "");
    if (status == CAE_OK)
        status = cae__note_read(model, file);
    if (status != CAE_OK) {
        cae_model_destroy(model);
        return status;
    }
    *out = model;
    return CAE_OK;
}

/* None is there in most. */
static cae_status read_threshold(struct cae__calibration *calibration, const cae_context *context,
                                 const struct cae__safetensors *file)
{
    const char *text = cae__safetensors_text(file, THRESHOLD_KEY);
    *calibration = (struct cae__calibration){0};
    return text ? cae__calibration_read(calibration, context, text) : CAE_OK;
}

static cae_status read_architecture(cae_spec **spec, cae_context *context,
                                    const struct cae__safetensors *file)
{
    const char *text = cae__safetensors_text(file, ARCHITECTURE_KEY);
    return text ? cae__architecture_read(spec, context, text)
                : cae__fail(context, CAE_ERR_FORMAT,
                            "the file says no architecture (metadata " ARCHITECTURE_KEY
                            "); make the model and call cae_model_load_weights");
}

static cae_status from_bytes(cae_model **out, cae_context *context, const void *data, size_t size)
{
    struct cae__safetensors file;
    struct cae__calibration calibration;
    cae_spec *spec = NULL;
    cae_status status = cae__safetensors_open(&file, context, data, size);
    if (status != CAE_OK)
        return status;
    status = read_threshold(&calibration, context, &file);
    if (status == CAE_OK)
        status = read_architecture(&spec, context, &file);
    if (status == CAE_OK)
        status = from_spec(out, context, spec, &file);
    if (status == CAE_OK)
        (*out)->calibration = calibration;
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

cae_status cae__with_file(const cae_context *context, const char *path, cae__take_fn take,
                          void *target)
{
    unsigned char *data;
    size_t size;
    if (!path)
        return cae__fail(context, CAE_ERR_ARGUMENT, "path is NULL");
    cae_status status = cae__file_read(&data, &size, context, path);
    if (status != CAE_OK)
        return status;
    status = cae__name_file(context, take(target, data, size), path);
    cae__free(context, data);
    return status;
}

struct load {
    cae_model **out;
    cae_context *context;
};

static cae_status take_model(void *target, const void *data, size_t size)
{
    const struct load *load = target;
    return from_bytes(load->out, load->context, data, size);
}

cae_status cae_model_load(cae_model **out, cae_context *context, const char *path)
{
    if (!out)
        return cae__fail(context, CAE_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!context)
        return CAE_ERR_ARGUMENT;
    struct load load = {out, context};
    return cae__with_file(context, path, take_model, &load);
}

static cae_status take_weights(void *target, const void *data, size_t size)
{
    cae_model *model = target;
    const cae_context *context = model->handle.context;
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
    if (status == CAE_OK) {
        memcpy(model->parameters, flat, model->parameter_count * sizeof *flat);
        model->revision++;
    }
    cae__free(context, flat);
    cae__safetensors_close(&file, context);
    return status;
}

cae_status cae_model_load_weights(cae_model *model, const char *path)
{
    return model ? cae__with_file(model->handle.context, path, take_weights, model)
                 : CAE_ERR_ARGUMENT;
}

static bool same_layer(const struct cae__layer *a, const struct cae__layer *b)
{
    return a->transposed == b->transposed && a->in_channels == b->in_channels &&
           a->out_channels == b->out_channels && a->kernel_h == b->kernel_h &&
           a->kernel_w == b->kernel_w && a->stride_h == b->stride_h &&
           a->stride_w == b->stride_w && a->padding_h == b->padding_h &&
           a->padding_w == b->padding_w && a->dilation_h == b->dilation_h &&
           a->dilation_w == b->dilation_w && a->output_padding_h == b->output_padding_h &&
           a->output_padding_w == b->output_padding_w && a->bias == b->bias &&
           a->activation == b->activation &&
           (a->activation != CAE_ACTIVATION_LEAKY_RELU || a->slope == b->slope);
}

cae_status cae__model_same_architecture(const cae_model *model,
                                        const struct cae__safetensors *file)
{
    cae_context *context = model->handle.context;
    const char *text = cae__safetensors_text(file, ARCHITECTURE_KEY);
    if (!text)
        return cae__fail(context, CAE_ERR_FORMAT, "the file says no architecture");
    cae_spec *spec;
    const cae_status status = cae__architecture_read(&spec, context, text);
    if (status != CAE_OK)
        return status;
    bool same = spec->count == model->layer_count && cae__spec_encoder(spec) == model->encoder &&
                spec->residual == model->residual;
    for (int i = 0; i < spec->count && same; i++)
        same = same_layer(&spec->layers[i], &model->layers[i]);
    cae_spec_destroy(spec);
    return same ? CAE_OK
                : cae__fail(context, CAE_ERR_FORMAT,
                            "the file holds another architecture than this model");
}
