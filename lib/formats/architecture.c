/* architecture.c - a network's layers as JSON:
 *
 *   {"version": 1, "encoder_layers": 2, "layers": [{"type": "conv", "in": 3, "out": 8, "kernel": [3, 3],
 *    "stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "output_padding": [0, 0],
 *    "bias": true, "activation": "relu"}, ...]}
 *
 * "leaky_relu" comes with "slope_bits", the bits of a float: exact, and no real number that a locale
 * could spell differently. Reading goes through the same checks as the API. Members that
 * this version does not know make the file unreadable for it: they may change what the network
 * computes. */
#include "architecture.h"

#include <inttypes.h>
#include <string.h>

static const char *const activations[] = {"none", "relu", "leaky_relu", "tanh", "sigmoid"};
#define ACTIVATIONS ((int)(sizeof activations / sizeof activations[0]))
#define VERSION 1 /* of this description; a reader refuses a later one */

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void write_pair(struct cae__text *text, const char *name, int h, int w)
{
    cae__text_add(text, ",\"%s\":[%d,%d]", name, h, w);
}

static void write_layer(struct cae__text *text, const struct cae__layer *l)
{
    cae__text_add(text, "{\"type\":\"%s\",\"in\":%d,\"out\":%d",
                  l->transposed ? "conv_transpose" : "conv", l->in_channels, l->out_channels);
    write_pair(text, "kernel", l->kernel_h, l->kernel_w);
    write_pair(text, "stride", l->stride_h, l->stride_w);
    write_pair(text, "padding", l->padding_h, l->padding_w);
    write_pair(text, "dilation", l->dilation_h, l->dilation_w);
    write_pair(text, "output_padding", l->output_padding_h, l->output_padding_w);
    cae__text_add(text, ",\"bias\":%s,\"activation\":\"%s\"", l->bias ? "true" : "false",
                  activations[l->activation]);
    if (l->activation == CAE_ACTIVATION_LEAKY_RELU)
        cae__text_add(text, ",\"slope_bits\":%" PRIu32, bits_of(l->slope));
    cae__text_add(text, "}");
}

void cae__architecture_write(struct cae__text *text, const cae_model *model)
{
    cae__text_add(text, "{\"version\":%d,\"encoder_layers\":%d,\"layers\":[", VERSION,
                  model->encoder);
    for (int i = 0; i < model->layer_count; i++) {
        cae__text_add(text, i ? "," : "");
        write_layer(text, &model->layers[i]);
    }
    cae__text_add(text, "]}");
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
    json_int_t slope_bits = 0;
    json_error_t error;
    if (json_unpack_ex(json, &error, JSON_STRICT,
                       "{s:s, s:I, s:I, s:[I,I], s:[I,I], s:[I,I], s:[I,I], s:[I,I], s:b, s:s, s?I}",
                       "type", &type, "in", &n[IN], "out", &n[OUT],
                       "kernel", &n[KERNEL], &n[KERNEL + 1], "stride", &n[STRIDE], &n[STRIDE + 1],
                       "padding", &n[PADDING], &n[PADDING + 1],
                       "dilation", &n[DILATION], &n[DILATION + 1],
                       "output_padding", &n[OUTPUT_PADDING], &n[OUTPUT_PADDING + 1],
                       "bias", &bias, "activation", &activation,
                       "slope_bits", &slope_bits) != 0)
        return cae__fail(context, CAE_ERR_FORMAT, "architecture, layer %d: %.100s", index,
                         error.text);
    if (!all_ints(n) || slope_bits < 0 || slope_bits > UINT32_MAX)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "architecture, layer %d: a number is out of range", index);
    *l = (struct cae__layer){.bias = bias != 0, .slope = float_of((uint32_t)slope_bits)};
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
    if ((l->activation == CAE_ACTIVATION_LEAKY_RELU) != (json_object_get(json, "slope_bits") != NULL))
        return cae__fail(context, CAE_ERR_FORMAT,
                         "architecture, layer %d: slope_bits goes with leaky_relu and only with it",
                         index);
    return CAE_OK;
}

static cae_status read_layers(cae_spec *spec, const cae_context *context, json_t *json)
{
    json_int_t version, encoder;
    json_t *layers;
    json_error_t error;
    if (json_unpack(json, "{s:I}", "version", &version) == 0 && version > VERSION)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "the architecture is of version %lld, this library reads up to %d",
                         (long long)version, VERSION);
    if (json_unpack_ex(json, &error, JSON_STRICT, "{s:I, s:I, s:o}", "version", &version,
                       "encoder_layers", &encoder, "layers", &layers) != 0)
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
    json_t *json;
    cae_status status =
        cae__json_parse(&json, context, text, strlen(text), "the architecture");
    if (status != CAE_OK)
        return status;
    cae_spec *spec = NULL;
    status = cae_spec_create(&spec, context);
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
