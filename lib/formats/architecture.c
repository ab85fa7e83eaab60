/* architecture.c - a network's layers as JSON:
 *
 *   {"version": 1, "encoder_layers": 2, "layers": [{"type": "conv", "in": 3, "out": 8,
 *    "kernel": [3, 3], "stride": [1, 1], "padding": [0, 0], "dilation": [1, 1],
 *    "output_padding": [0, 0], "bias": true, "activation": "relu"}, ...]}
 *
 * "leaky_relu" comes with "slope_bits", the bits of a float: exact, and no real number that
 * a locale could spell differently. Reading goes through the same checks as the API.
 * Members that this version does not know make the file unreadable for it: they may change
 * what the network computes. Version 2 adds "residual", and is written where it is true only. */
#include "architecture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const activations[] = {"none", "relu", "leaky_relu", "tanh", "sigmoid"};
#define ACTIVATIONS ((int)(sizeof activations / sizeof activations[0]))
#define PLAIN 1    /* versions of this description; a reader refuses a later one */
#define RESIDUAL 2 /* the latest */

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
    cae__text_add(text, "{\"version\":%d,\"encoder_layers\":%d%s,\"layers\":[",
                  model->residual ? RESIDUAL : PLAIN, model->encoder,
                  model->residual ? ",\"residual\":true" : "");
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

/* False when a number is not one that an int holds: no layer has it. */
static bool to_int(int *to, int64_t number)
{
    *to = (int)number;
    return number >= 0 && number <= INT32_MAX;
}

static bool to_pair(int *h, int *w, const int64_t pair[2])
{
    return to_int(h, pair[0]) && to_int(w, pair[1]);
}

static cae_status read_layer(struct cae__layer *l, const cae_context *context,
                             const struct cae__json *json, int index)
{
    char what[40];
    const char *type, *activation;
    int64_t in, out, kernel[2], stride[2], padding[2], dilation[2], output_padding[2];
    int64_t slope_bits = -1;
    bool bias;
    const struct cae__field fields[] = {
        {"type", CAE__FIELD_TEXT, &type, false},
        {"in", CAE__FIELD_INTEGER, &in, false},
        {"out", CAE__FIELD_INTEGER, &out, false},
        {"kernel", CAE__FIELD_PAIR, kernel, false},
        {"stride", CAE__FIELD_PAIR, stride, false},
        {"padding", CAE__FIELD_PAIR, padding, false},
        {"dilation", CAE__FIELD_PAIR, dilation, false},
        {"output_padding", CAE__FIELD_PAIR, output_padding, false},
        {"bias", CAE__FIELD_BOOL, &bias, false},
        {"activation", CAE__FIELD_TEXT, &activation, false},
        {"slope_bits", CAE__FIELD_INTEGER, &slope_bits, true},
    };
    snprintf(what, sizeof what, "architecture, layer %d", index);
    const cae_status status =
        cae__json_fields(context, json, fields, sizeof fields / sizeof fields[0], what);
    if (status != CAE_OK)
        return status;

    *l = (struct cae__layer){.transposed = strcmp(type, "conv_transpose") == 0, .bias = bias,
                             .activation = activation_of(activation)};
    if (!to_int(&l->in_channels, in) || !to_int(&l->out_channels, out) ||
        !to_pair(&l->kernel_h, &l->kernel_w, kernel) ||
        !to_pair(&l->stride_h, &l->stride_w, stride) ||
        !to_pair(&l->padding_h, &l->padding_w, padding) ||
        !to_pair(&l->dilation_h, &l->dilation_w, dilation) ||
        !to_pair(&l->output_padding_h, &l->output_padding_w, output_padding) ||
        slope_bits > UINT32_MAX)
        return cae__fail(context, CAE_ERR_FORMAT, "%s: a number is out of range", what);
    if (!l->transposed && strcmp(type, "conv") != 0)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "%s: type \"%.32s\", expected \"conv\" or \"conv_transpose\"", what, type);
    if (l->activation < 0)
        return cae__fail(context, CAE_ERR_FORMAT, "%s: unknown activation \"%.32s\"", what,
                         activation);
    if ((l->activation == CAE_ACTIVATION_LEAKY_RELU) != (slope_bits >= 0))
        return cae__fail(context, CAE_ERR_FORMAT,
                         "%s: slope_bits goes with leaky_relu and only with it", what);
    if (slope_bits >= 0)
        l->slope = float_of((uint32_t)slope_bits);
    return CAE_OK;
}

static cae_status read_layers(cae_spec *spec, const cae_context *context,
                              const struct cae__json *json)
{
    int64_t version, encoder;
    bool residual = false;
    const struct cae__json *layers, *early = cae__json_get(json, "version");
    if (json->kind != CAE__OBJECT)
        return cae__fail(context, CAE_ERR_FORMAT, "architecture: not a JSON object");
    if (early && early->kind == CAE__INTEGER && early->integer > RESIDUAL)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "the architecture is of version %" PRId64 ", this library reads up to %d",
                         early->integer, RESIDUAL);
    const struct cae__field fields[] = {
        {"version", CAE__FIELD_INTEGER, &version, false},
        {"encoder_layers", CAE__FIELD_INTEGER, &encoder, false},
        {"residual", CAE__FIELD_BOOL, &residual, true},
        {"layers", CAE__FIELD_ARRAY, &layers, false},
    };
    cae_status status = cae__json_fields(context, json, fields, sizeof fields / sizeof fields[0],
                                         "architecture");
    if (status != CAE_OK)
        return status;
    if (version != (residual ? RESIDUAL : PLAIN))
        return cae__fail(context, CAE_ERR_FORMAT,
                         "architecture: version %" PRId64 " %s a residual connection, expected %d",
                         version, residual ? "with" : "without", residual ? RESIDUAL : PLAIN);
    if (layers->count == 0 || encoder < 1 || (uint64_t)encoder > layers->count)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "architecture: %" PRIu32 " layers, an encoder of %" PRId64,
                         layers->count, encoder);
    int index = 0;
    for (const struct cae__json *item = layers->first; item; item = item->next, index++) {
        struct cae__layer layer;
        if (item->kind != CAE__OBJECT)
            return cae__fail(context, CAE_ERR_FORMAT, "architecture, layer %d: not an object",
                             index);
        status = read_layer(&layer, context, item, index);
        if (status == CAE_OK)
            status = cae__spec_append(spec, &layer);
        if (status != CAE_OK) /* what the API calls a bad argument is a bad file here */
            return status == CAE_ERR_MEMORY ? status : CAE_ERR_FORMAT;
    }
    spec->encoder = (int)encoder;
    spec->residual = residual;
    return cae__spec_complete(context, spec) == CAE_OK ? CAE_OK : CAE_ERR_FORMAT;
}

cae_status cae__architecture_read(cae_spec **out, cae_context *context, const char *text)
{
    struct cae__json_document json;
    cae_status status = cae__json_parse(&json, context, text, strlen(text), "the architecture");
    if (status != CAE_OK)
        return status;
    cae_spec *spec = NULL;
    status = cae_spec_create(&spec, context);
    if (status == CAE_OK)
        status = read_layers(spec, context, json.root);
    cae__json_close(&json);
    if (status != CAE_OK) {
        cae_spec_destroy(spec);
        return status;
    }
    *out = spec;
    return CAE_OK;
}
