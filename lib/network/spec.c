/* spec.c - describing a network: every number is checked here, where the layer is added. */
#include "network.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Far above any use, and small enough that no product of two of them leaves 64 bits. */
#define MOST_CHANNELS 1048576
#define MOST_TAPS 1024
#define MOST_STEP 65535
#define MOST_LAYERS 4096

cae_status cae_spec_create(cae_spec **out, cae_context *context)
{
    if (!out)
        return cae__fail(context, CAE_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!context)
        return CAE_ERR_ARGUMENT;
    cae_spec *spec = cae__alloc_zero(context, 1, sizeof *spec);
    if (!spec)
        return cae__fail_memory(context);
    cae__handle_init(&spec->handle, CAE__SPEC, context);
    spec->encoder = -1;
    *out = spec;
    return CAE_OK;
}

void cae_spec_destroy(cae_spec *spec)
{
    if (!cae__give_back(spec, CAE__SPEC) || !cae__release(&spec->handle))
        return;
    cae__free(spec->handle.context, spec->layers);
    cae__handle_end(spec);
}

struct cae__label cae__layer_label(const struct cae__layer *layer, int index)
{
    struct cae__label label;
    snprintf(label.text, sizeof label.text, "layer %d (%s %d->%d)", index,
             layer->transposed ? "ConvTranspose" : "Conv", layer->in_channels, layer->out_channels);
    return label;
}


static cae_status check_numbers(const cae_context *context, const struct cae__layer *l,
                                const struct cae__label *label)
{
    const struct {
        const char *what;
        int value, least, most;
        cae_status status;
    } limits[] = {
        {"in_channels", l->in_channels, 1, MOST_CHANNELS, CAE_ERR_ARGUMENT},
        {"out_channels", l->out_channels, 1, MOST_CHANNELS, CAE_ERR_ARGUMENT},
        {"kernel_h", l->kernel_h, 1, MOST_TAPS, CAE_ERR_OPTIONS},
        {"kernel_w", l->kernel_w, 1, MOST_TAPS, CAE_ERR_OPTIONS},
        {"stride_h", l->stride_h, 1, MOST_STEP, CAE_ERR_OPTIONS},
        {"stride_w", l->stride_w, 1, MOST_STEP, CAE_ERR_OPTIONS},
        {"padding_h", l->padding_h, 0, MOST_STEP, CAE_ERR_OPTIONS},
        {"padding_w", l->padding_w, 0, MOST_STEP, CAE_ERR_OPTIONS},
        {"dilation_h", l->dilation_h, 1, MOST_STEP, CAE_ERR_OPTIONS},
        {"dilation_w", l->dilation_w, 1, MOST_STEP, CAE_ERR_OPTIONS},
        {"output_padding_h", l->output_padding_h, 0, MOST_STEP, CAE_ERR_OPTIONS},
        {"output_padding_w", l->output_padding_w, 0, MOST_STEP, CAE_ERR_OPTIONS},
        {"activation", l->activation, CAE_ACTIVATION_NONE, CAE_ACTIVATION_SIGMOID, CAE_ERR_OPTIONS},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (limits[i].value < limits[i].least || limits[i].value > limits[i].most)
            return cae__fail(context, limits[i].status, "%s: %s is %d, expected %d to %d",
                             label->text, limits[i].what, limits[i].value, limits[i].least,
                             limits[i].most);
    return CAE_OK;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

/* Checked numbers: at most 2^20 channels and 2^20 taps, so nothing here leaves 64 bits. */
static int64_t parameters_of(const struct cae__layer *l)
{
    const int64_t taps = (int64_t)l->kernel_h * l->kernel_w;
    return (int64_t)l->in_channels * l->out_channels * taps + (l->bias ? l->out_channels : 0);
}

static cae_status check_layer(const cae_spec *spec, const struct cae__layer *l)
{
    const cae_context *context = spec->handle.context;
    const struct cae__label label = cae__layer_label(l, spec->count);
    cae_status status = check_numbers(context, l, &label);
    if (status != CAE_OK)
        return status;

    if (!cae__is_not_negative((double)l->slope))
        return cae__fail(context, CAE_ERR_OPTIONS, "%s: slope is %g, expected a finite value >= 0",
                         label.text, (double)l->slope);
    if (!l->transposed && (l->output_padding_h || l->output_padding_w))
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "%s: output padding belongs to transposed convolutions", label.text);
    if (l->transposed && (l->output_padding_h >= larger(l->stride_h, l->dilation_h) ||
                          l->output_padding_w >= larger(l->stride_w, l->dilation_w)))
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "%s: output padding %dx%d must be smaller than stride %dx%d or dilation "
                         "%dx%d", label.text, l->output_padding_h, l->output_padding_w,
                         l->stride_h, l->stride_w, l->dilation_h, l->dilation_w);
    if (spec->parameters + parameters_of(l) > INT32_MAX)
        return cae__fail(context, CAE_ERR_SHAPE,
                         "%s: the network would have more than 2^31 - 1 weights and biases",
                         label.text);
    if (spec->count == MOST_LAYERS)
        return cae__fail(context, CAE_ERR_ARGUMENT, "more than %d layers", MOST_LAYERS);

    if (spec->count > 0 && spec->layers[spec->count - 1].out_channels != l->in_channels) {
        const struct cae__layer *before = &spec->layers[spec->count - 1];
        return cae__fail(context, CAE_ERR_SHAPE, "%s expects %d channels, but %s gives %d",
                         label.text, l->in_channels,
                         cae__layer_label(before, spec->count - 1).text, before->out_channels);
    }
    return CAE_OK;
}

void cae__spec_clear(cae_spec *spec)
{
    spec->count = 0;
    spec->parameters = 0;
}

cae_status cae__spec_append(cae_spec *spec, const struct cae__layer *layer)
{
    const cae_context *context = spec->handle.context;
    const cae_status status = check_layer(spec, layer);
    if (status != CAE_OK)
        return status;

    if (spec->count == spec->capacity) {
        const int capacity = spec->capacity ? 2 * spec->capacity : 8;
        struct cae__layer *layers = cae__alloc(context, (size_t)capacity, sizeof *layers);
        if (!layers)
            return cae__fail_memory(context);
        if (spec->count)
            memcpy(layers, spec->layers, (size_t)spec->count * sizeof *layers);
        cae__free(context, spec->layers);
        spec->layers = layers;
        spec->capacity = capacity;
    }
    spec->layers[spec->count++] = *layer;
    spec->parameters += parameters_of(layer);
    return CAE_OK;
}

static const cae_conv_options defaults = {
    .size = sizeof defaults,
    .kernel_h = 3, .kernel_w = 3, .stride_h = 1, .stride_w = 1,
    .dilation_h = 1, .dilation_w = 1, .bias = 1, .slope = 0.01};

cae_status cae_conv_options_init(cae_conv_options *options, uint32_t size)
{
    return cae__options_init(options, size, &defaults, sizeof defaults);
}

static cae_status add_layer(cae_spec *spec, bool transposed, int32_t in_channels,
                            int32_t out_channels, const cae_conv_options *options)
{
    if (!spec)
        return CAE_ERR_ARGUMENT;
    cae_conv_options o = defaults;
    const cae_status status = cae__options_read(spec->handle.context, &o, sizeof o, options,
                                                "cae_conv_options");
    if (status != CAE_OK)
        return status;
    if (o.reserved != 0 || (o.bias != 0 && o.bias != 1))
        return cae__fail(spec->handle.context, CAE_ERR_OPTIONS,
                         "cae_conv_options: bias is %d, expected 0 or 1, and reserved must be 0",
                         (int)o.bias);
    const struct cae__layer layer = {
        .transposed = transposed,
        .in_channels = in_channels, .out_channels = out_channels,
        .kernel_h = o.kernel_h, .kernel_w = o.kernel_w,
        .stride_h = o.stride_h, .stride_w = o.stride_w,
        .padding_h = o.padding_h, .padding_w = o.padding_w,
        .dilation_h = o.dilation_h, .dilation_w = o.dilation_w,
        .output_padding_h = o.output_padding_h, .output_padding_w = o.output_padding_w,
        .bias = o.bias != 0,
        .activation = o.activation,
        .slope = cae__to_float(o.slope),
    };
    return cae__spec_append(spec, &layer);
}

cae_status cae_spec_add_conv(cae_spec *spec, int32_t in_channels, int32_t out_channels,
                             const cae_conv_options *options)
{
    return add_layer(spec, false, in_channels, out_channels, options);
}

cae_status cae_spec_add_conv_transpose(cae_spec *spec, int32_t in_channels, int32_t out_channels,
                                       const cae_conv_options *options)
{
    return add_layer(spec, true, in_channels, out_channels, options);
}

cae_status cae_spec_end_encoder(cae_spec *spec)
{
    if (!spec)
        return CAE_ERR_ARGUMENT;
    if (spec->count == 0)
        return cae__fail(spec->handle.context, CAE_ERR_ARGUMENT,
                         "the encoder needs at least one layer");
    if (spec->encoder >= 0)
        return cae__fail(spec->handle.context, CAE_ERR_ARGUMENT,
                         "the encoder already ended after layer %d", spec->encoder - 1);
    spec->encoder = spec->count;
    return CAE_OK;
}

int cae__spec_encoder(const cae_spec *spec)
{
    return spec->encoder >= 0 ? spec->encoder : (spec->count + 1) / 2;
}

cae_status cae_spec_set_residual(cae_spec *spec, int32_t residual)
{
    if (!spec)
        return CAE_ERR_ARGUMENT;
    if (residual != 0 && residual != 1)
        return cae__fail(spec->handle.context, CAE_ERR_ARGUMENT, "residual is %d, expected 0 or 1",
                         (int)residual);
    spec->residual = residual == 1;
    return CAE_OK;
}

cae_status cae_spec_set_initialization(cae_spec *spec, int32_t initialization)
{
    if (!spec)
        return CAE_ERR_ARGUMENT;
    if (initialization != CAE_INITIALIZATION_PYTORCH && initialization != CAE_INITIALIZATION_HE)
        return cae__fail(spec->handle.context, CAE_ERR_ARGUMENT,
                         "initialization is %d, expected CAE_INITIALIZATION_PYTORCH or _HE",
                         (int)initialization);
    spec->initialization = initialization;
    return CAE_OK;
}

cae_status cae__spec_complete(const cae_context *context, const cae_spec *spec)
{
    if (!spec->residual)
        return CAE_OK;
    const struct cae__layer *first = &spec->layers[0], *last = &spec->layers[spec->count - 1];
    if (last->out_channels != first->in_channels)
        return cae__fail(context, CAE_ERR_SHAPE,
                         "the residual connection adds the input's %d channels to the %d of %s: "
                         "expected as many", first->in_channels, last->out_channels,
                         cae__layer_label(last, spec->count - 1).text);
    if (last->activation != CAE_ACTIVATION_NONE)
        return cae__fail(context, CAE_ERR_SHAPE,
                         "%s: activation is %d, expected CAE_ACTIVATION_NONE in the last layer "
                         "before a residual connection",
                         cae__layer_label(last, spec->count - 1).text, (int)last->activation);
    return CAE_OK;
}

cae_status cae_spec_add_reference(cae_spec *spec)
{
    if (!spec)
        return CAE_ERR_ARGUMENT;
    if (spec->count != 0)
        return cae__fail(spec->handle.context, CAE_ERR_ARGUMENT,
                         "the description already has %d layers, expected none", spec->count);

    cae_conv_options relu = defaults;
    relu.activation = CAE_ACTIVATION_RELU;
    cae_status status = cae_spec_add_conv(spec, 3, 8, &relu);
    if (status == CAE_OK)
        status = cae_spec_add_conv(spec, 8, 8, &relu);
    if (status == CAE_OK)
        status = cae_spec_end_encoder(spec);
    if (status == CAE_OK)
        status = cae_spec_add_conv_transpose(spec, 8, 8, &relu);
    if (status == CAE_OK)
        status = cae_spec_add_conv_transpose(spec, 8, 3, NULL);
    if (status != CAE_OK) {
        spec->count = 0;
        spec->parameters = 0;
        spec->encoder = -1;
    }
    return status;
}
