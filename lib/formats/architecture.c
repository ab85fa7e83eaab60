/* architecture.c - a network's layers as JSON:
 *
 *   {"encoder_layers": 2, "layers": [{"type": "conv", "in": 3, "out": 8, "kernel": [3, 3],
 *    "stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "output_padding": [0, 0],
 *    "bias": true, "activation": "relu"}, ...]}
 *
 * "leaky_relu" comes with a "slope". Reading goes through the same checks as the API. Members that
 * this version does not know make the file unreadable for it: they may change what the network
 * computes. */
#include "architecture.h"

#include <string.h>

static const char *const activations[] = {"none", "relu", "leaky_relu", "tanh", "sigmoid"};
#define ACTIVATIONS ((int)(sizeof activations / sizeof activations[0]))

static json_t *write_layer(const struct cae__layer *l)
{
    json_t *json = json_pack(
        "{s:s, s:i, s:i, s:[i,i], s:[i,i], s:[i,i], s:[i,i], s:[i,i], s:b, s:s}",
        "type", l->transposed ? "conv_transpose" : "conv", "in", l->in_channels, "out",
        l->out_channels, "kernel", l->kernel_h, l->kernel_w, "stride", l->stride_h, l->stride_w,
        "padding", l->padding_h, l->padding_w, "dilation", l->dilation_h, l->dilation_w,
        "output_padding", l->output_padding_h, l->output_padding_w, "bias", (int)l->bias,
        "activation", activations[l->activation]);
    if (json && l->activation == CAE_ACTIVATION_LEAKY_RELU &&
        json_object_set_new(json, "slope", json_real((double)l->slope)) != 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

char *cae__architecture_write(const cae_model *model)
{
    json_t *layers = json_array();
    bool complete = layers != NULL;
    for (int i = 0; i < model->layer_count && complete; i++)
        complete = json_array_append_new(layers, write_layer(&model->layers[i])) == 0;
    json_t *json = json_pack("{s:i, s:o}", "encoder_layers", model->encoder, "layers", layers);
    char *text = complete && json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static int activation_of(const char *name)
{
    for (int i = 0; i < ACTIVATIONS; i++)
        if (strcmp(name, activations[i]) == 0)
            return i;
    return -1;
}

/* A layer's numbers in the order of the unpacking below. */
enum { IN, OUT, KERNEL, STRIDE = KERNEL + 2, PADDING = STRIDE + 2, DILATION = PADDING + 2,
       OUTPUT_PADDING = DILATION + 2, NUMBERS = OUTPUT_PADDING + 2 };

static bool all_ints(const json_int_t *numbers)
{
    for (int i = 0; i < NUMBERS; i++)
        if (numbers[i] < 0 || numbers[i] > INT32_MAX)
            return false;
    return true;
}

static void set_numbers(struct cae__layer *l, const json_int_t *n)
{
    l->in_channels = (int)n[IN];
    l->out_channels = (int)n[OUT];
    l->kernel_h = (int)n[KERNEL];
    l->kernel_w = (int)n[KERNEL + 1];
    l->stride_h = (int)n[STRIDE];
    l->stride_w = (int)n[STRIDE + 1];
    l->padding_h = (int)n[PADDING];
    l->padding_w = (int)n[PADDING + 1];
    l->dilation_h = (int)n[DILATION];
    l->dilation_w = (int)n[DILATION + 1];
    l->output_padding_h = (int)n[OUTPUT_PADDING];
    l->output_padding_w = (int)n[OUTPUT_PADDING + 1];
}

static cae_status read_layer(struct cae__layer *l, const cae_context *context, json_t *json,
                             int index)
{
    const char *type, *activation;
    json_int_t n[NUMBERS];
    int bias;
    double slope = 0.01;
    json_error_t error;
    if (json_unpack_ex(json, &error, JSON_STRICT,
                       "{s:s, s:I, s:I, s:[I,I], s:[I,I], s:[I,I], s:[I,I], s:[I,I], s:b, s:s, s?F}",
                       "type", &type, "in", &n[IN], "out", &n[OUT],
                       "kernel", &n[KERNEL], &n[KERNEL + 1], "stride", &n[STRIDE], &n[STRIDE + 1],
                       "padding", &n[PADDING], &n[PADDING + 1],
                       "dilation", &n[DILATION], &n[DILATION + 1],
                       "output_padding", &n[OUTPUT_PADDING], &n[OUTPUT_PADDING + 1],
                       "bias", &bias, "activation", &activation, "slope", &slope) != 0)
        return cae__fail(context, CAE_ERR_FORMAT, "architecture, layer %d: %.100s", index,
                         error.text);
    if (!all_ints(n))
        return cae__fail(context, CAE_ERR_FORMAT,
                         "architecture, layer %d: a number is not in [0, 2^31)", index);
    *l = (struct cae__layer){.bias = bias != 0, .slope = (float)slope};
    set_numbers(l, n);
    l->transposed = strcmp(type, "conv_transpose") == 0;
    if (!l->transposed && strcmp(type, "conv") != 0)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "architecture, layer %d: type \"%.32s\", expected \"conv\" or "
                         "\"conv_transpose\"", index, type);
    l->activation = activation_of(activation);
    if (l->activation < 0)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "architecture, layer %d: unknown activation \"%.32s\"", index, activation);
    return CAE_OK;
}

static cae_status read_layers(cae_spec *spec, const cae_context *context, json_t *json)
{
    json_int_t encoder;
    json_t *layers;
    json_error_t error;
    if (json_unpack_ex(json, &error, JSON_STRICT, "{s:I, s:o}", "encoder_layers", &encoder,
                       "layers", &layers) != 0)
        return cae__fail(context, CAE_ERR_FORMAT, "architecture: %.100s", error.text);
    const size_t count = json_array_size(layers);
    if (count == 0 || encoder < 1 || (uint64_t)encoder > count)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "architecture: %zu layers with an encoder of %lld", count,
                         (long long)encoder);
    for (size_t i = 0; i < count; i++) {
        struct cae__layer layer;
        cae_status status = read_layer(&layer, context, json_array_get(layers, i), (int)i);
        if (status == CAE_OK)
            status = cae__spec_append(spec, &layer);
        if (status != CAE_OK) /* for the API a bad number is a bad argument, here it is a bad file */
            return status == CAE_ERR_MEMORY ? status : CAE_ERR_FORMAT;
    }
    spec->encoder = (int)encoder;
    return CAE_OK;
}

cae_status cae__architecture_read(cae_spec **out, cae_context *context, const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        return cae__fail(context, CAE_ERR_FORMAT, "the architecture is not JSON: %.100s",
                         error.text);
    cae_spec *spec = NULL;
    cae_status status = cae_spec_create(&spec, context);
    if (status == CAE_OK)
        status = read_layers(spec, context, json);
    json_decref(json);
    if (status != CAE_OK) {
        cae_spec_destroy(spec);
        return status;
    }
    *out = spec;
    return CAE_OK;
}
