/* onnx.c - a model as ONNX, for other runtimes.
 *
 * An ONNX file is one protobuf message. Protobuf puts the length of a nested message before it, so
 * the bytes are written from the end to the front: what is inside comes first, and its length is
 * known when its head is written. Fields of a message therefore stand here in reverse. Field
 * numbers are those of onnx.proto (https://github.com/onnx/onnx). */
#include "../network/network.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../base/file.h"
#include "safetensors.h"

/* The lowest versions that say all there is to say, so that old runtimes read the file, too. */
#define IR_VERSION 7
#define OPSET 13

/* --- Protobuf, backwards ---------------------------------------------------------------------- */

struct message {
    unsigned char *end; /* of the buffer; NULL only to count */
    size_t length;      /* bytes written so far, up to the end */
};

/* At -O3 everything here would be inlined everywhere, to thirty times the size. */
#if defined __GNUC__
#define OUT_OF_LINE __attribute__((noinline))
#else
#define OUT_OF_LINE
#endif

enum wire { VARINT = 0, LENGTH = 2, FIXED32 = 5 };

static void put(struct message *m, const void *bytes, size_t count)
{
    m->length += count;
    if (m->end)
        memcpy(m->end - m->length, bytes, count);
}

static OUT_OF_LINE void put_varint(struct message *m, uint64_t value)
{
    unsigned char bytes[10];
    size_t count = 0;
    do {
        bytes[count] = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        count++;
        value >>= 7;
    } while (value);
    put(m, bytes, count);
}

static void put_key(struct message *m, int field, enum wire wire)
{
    put_varint(m, (uint64_t)field << 3 | (uint64_t)wire);
}

static OUT_OF_LINE void put_integer(struct message *m, int field, int64_t value)
{
    put_varint(m, (uint64_t)value);
    put_key(m, field, VARINT);
}

/* Make what was written since `mark` a nested message. */
static OUT_OF_LINE void put_head(struct message *m, int field, size_t mark)
{
    put_varint(m, m->length - mark);
    put_key(m, field, LENGTH);
}

static void put_floats(struct message *m, int field, const float *values, size_t count)
{
    const size_t mark = m->length;
    m->length += 4 * count;
    if (m->end)
        cae__floats_to_bytes(m->end - m->length, values, count);
    put_head(m, field, mark);
}

static void put_float(struct message *m, int field, float value)
{
    unsigned char bytes[4];
    cae__floats_to_bytes(bytes, &value, 1);
    put(m, bytes, sizeof bytes);
    put_key(m, field, FIXED32);
}

static OUT_OF_LINE void put_text(struct message *m, int field, const char *text)
{
    const size_t mark = m->length;
    put(m, text, strlen(text));
    put_head(m, field, mark);
}

/* --- Nodes ------------------------------------------------------------------------------------ */

struct name {
    char text[32];
};

/* "layer2", and "layer2.relu" after it; the ends of the graph have names of their own. */
static struct name value_name(const char *what, int layer)
{
    struct name name;
    snprintf(name.text, sizeof name.text, "layer%d%s%s", layer, *what ? "." : "", what);
    return name;
}

enum attribute_type { FLOAT = 1, INTS = 7 };

static void put_attribute_head(struct message *m, const char *name, size_t mark)
{
    put_text(m, 1, name);
    put_head(m, 5, mark);
}

static OUT_OF_LINE void put_ints(struct message *m, const char *name, const int *values, int count)
{
    const size_t mark = m->length;
    put_integer(m, 20, INTS);
    for (int i = count - 1; i >= 0; i--)
        put_integer(m, 8, values[i]);
    put_attribute_head(m, name, mark);
}

/* Output padding takes back what padding cut off the end. Where it is not below the stride (which
 * takes a dilation to be allowed at all), runtimes refuse it, but not the padding that is left. */
static int taken_back(int output_padding, int padding, int stride)
{
    return output_padding < stride ? 0 : output_padding < padding ? output_padding : padding;
}

static void put_conv(struct message *m, const char *output, const char *input,
                     const struct cae__layer *l, const struct cae__tensor *weight,
                     const struct cae__tensor *bias)
{
    const size_t mark = m->length;
    const int back_h = taken_back(l->output_padding_h, l->padding_h, l->stride_h);
    const int back_w = taken_back(l->output_padding_w, l->padding_w, l->stride_w);
    if (l->transposed)
        put_ints(m, "output_padding",
                 (int[]){l->output_padding_h - back_h, l->output_padding_w - back_w}, 2);
    put_ints(m, "dilations", (int[]){l->dilation_h, l->dilation_w}, 2);
    put_ints(m, "pads",
             (int[]){l->padding_h, l->padding_w, l->padding_h - back_h, l->padding_w - back_w}, 4);
    put_ints(m, "strides", (int[]){l->stride_h, l->stride_w}, 2);
    put_ints(m, "kernel_shape", (int[]){l->kernel_h, l->kernel_w}, 2);
    put_text(m, 4, l->transposed ? "ConvTranspose" : "Conv");
    put_text(m, 3, output);
    put_text(m, 2, output);
    if (bias)
        put_text(m, 1, bias->name);
    put_text(m, 1, weight->name);
    put_text(m, 1, input);
    put_head(m, 1, mark);
}

static const char *activation_operator(int32_t activation)
{
    switch (activation) {
    case CAE_ACTIVATION_RELU: return "Relu";
    case CAE_ACTIVATION_LEAKY_RELU: return "LeakyRelu";
    case CAE_ACTIVATION_TANH: return "Tanh";
    default: return "Sigmoid";
    }
}

static void put_activation(struct message *m, const char *output, const char *input,
                           const struct cae__layer *l)
{
    const size_t mark = m->length;
    if (l->activation == CAE_ACTIVATION_LEAKY_RELU) {
        const size_t attribute = m->length;
        put_integer(m, 20, FLOAT);
        put_float(m, 2, l->slope);
        put_attribute_head(m, "alpha", attribute);
    }
    put_text(m, 4, activation_operator(l->activation));
    put_text(m, 3, output);
    put_text(m, 2, output);
    put_text(m, 1, input);
    put_head(m, 1, mark);
}

static void put_sum(struct message *m, const char *output, const char *a, const char *b)
{
    const size_t mark = m->length;
    put_text(m, 4, "Add");
    put_text(m, 3, output);
    put_text(m, 2, output);
    put_text(m, 1, b);
    put_text(m, 1, a);
    put_head(m, 1, mark);
}

/* --- The graph -------------------------------------------------------------------------------- */

/* "input" and "output": float [batch][channels][height][width], all but the channels dynamic. */
static void put_end(struct message *m, int field, const char *name, int channels,
                    const char *height, const char *width)
{
    enum { DIMENSION_VALUE = 1, DIMENSION_NAME = 2 };
    const char *const names[] = {"batch", NULL, height, width};
    const size_t info = m->length; /* ValueInfoProto, TypeProto, Tensor, TensorShapeProto */
    for (int i = 3; i >= 0; i--) {
        const size_t dimension = m->length;
        if (names[i])
            put_text(m, DIMENSION_NAME, names[i]);
        else
            put_integer(m, DIMENSION_VALUE, channels);
        put_head(m, 1, dimension);
    }
    put_head(m, 2, info);
    put_integer(m, 1, FLOAT);
    put_head(m, 1, info);
    put_head(m, 2, info);
    put_text(m, 1, name);
    put_head(m, field, info);
}

static void put_tensor(struct message *m, const cae_model *model, const struct cae__tensor *tensor)
{
    const size_t mark = m->length;
    put_floats(m, 9, model->parameters + tensor->at, tensor->count);
    put_text(m, 8, tensor->name);
    put_integer(m, 2, FLOAT);
    for (int i = tensor->rank - 1; i >= 0; i--)
        put_integer(m, 1, tensor->shape[i]);
    put_head(m, 5, mark);
}

/* Layers [first, end) and their tensors, the last of which is the one before `tensor`. */
static void put_graph(struct message *m, const cae_model *model, int first, int end,
                      const struct cae__tensor *tensor, bool residual)
{
    const size_t graph = m->length;
    put_end(m, 12, "output", model->layers[end - 1].out_channels, "output_height", "output_width");
    put_end(m, 11, "input", model->layers[first].in_channels, "height", "width");

    const struct cae__tensor *last = tensor;
    for (int i = end - 1; i >= first; i--) {
        last -= model->layers[i].bias ? 2 : 1;
        if (model->layers[i].bias)
            put_tensor(m, model, last + 1);
        put_tensor(m, model, last);
    }
    put_text(m, 2, "libcae");

    struct name output = {"output"};
    if (residual) {
        output = value_name("change", end - 1);
        put_sum(m, "output", "input", output.text);
    }
    for (int i = end - 1; i >= first; i--) {
        const struct cae__layer *l = &model->layers[i];
        const struct name sum =
            l->activation == CAE_ACTIVATION_NONE ? output : value_name("sum", i);
        struct name input = {"input"};
        if (i > first)
            input = value_name("", i - 1);
        tensor -= l->bias ? 2 : 1;
        if (l->activation != CAE_ACTIVATION_NONE)
            put_activation(m, output.text, sum.text, l);
        put_conv(m, sum.text, input.text, l, tensor, l->bias ? tensor + 1 : NULL);
        output = input;
    }
    put_head(m, 7, graph);
}

static void put_model(struct message *m, const cae_model *model, int32_t part)
{
    int first, end;
    cae__part_layers(&first, &end, model, part);
    const struct cae__tensor *tensor = model->tensors;
    for (int i = 0; i < end; i++)
        tensor += model->layers[i].bias ? 2 : 1;

    put_integer(m, 2, OPSET);
    put_head(m, 8, 0);
    put_graph(m, model, first, end, tensor, cae__adds_input(model, part));
    put_text(m, 3, cae_version_string());
    put_text(m, 2, "libcae");
    put_integer(m, 1, IR_VERSION);
}

static cae_status check_layers(const cae_context *context, const cae_model *model, int32_t part)
{
    cae_status status = cae__check_part(context, model, part);
    if (status != CAE_OK)
        return status;
    int first, end;
    cae__part_layers(&first, &end, model, part);
    for (int i = first; i < end && status == CAE_OK; i++) {
        const struct cae__layer *l = &model->layers[i];
        if (l->output_padding_h - l->padding_h >= l->stride_h ||
            l->output_padding_w - l->padding_w >= l->stride_w)
            status = cae__fail(context, CAE_ERR_UNSUPPORTED,
                               "%s: ONNX runtimes take output padding below the stride, not %dx%d",
                               cae__layer_label(l, i).text, l->output_padding_h,
                               l->output_padding_w);
    }
    return status;
}

static cae_status to_bytes(unsigned char **data, size_t *size, const cae_model *model, int32_t part)
{
    const cae_context *context = model->handle.context;
    const cae_status status = check_layers(context, model, part);
    if (status != CAE_OK)
        return status;
    struct message counted = {NULL, 0};
    put_model(&counted, model, part);
    if (counted.length > INT_MAX) /* protobuf's own limit */
        return cae__fail(context, CAE_ERR_UNSUPPORTED,
                         "the model takes %zu bytes, ONNX files end at 2 GiB", counted.length);
    *data = cae__alloc(context, 1, counted.length);
    if (!*data)
        return cae__fail_memory(context);
    struct message written = {*data + counted.length, 0};
    put_model(&written, model, part);
    *size = counted.length;
    return CAE_OK;
}

cae_status cae_model_export_onnx(const cae_model *model, int32_t part, const char *path)
{
    if (!model)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = model->handle.context;
    unsigned char *data;
    size_t size;
    cae_status status = cae__path_check(context, path);
    if (status == CAE_OK)
        status = to_bytes(&data, &size, model, part);
    return status == CAE_OK ? cae__file_deliver(context, path, data, size) : status;
}

cae_status cae_model_export_onnx_memory(void *buffer, size_t capacity, size_t *written,
                                        const cae_model *model, int32_t part)
{
    if (!model)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = model->handle.context;
    unsigned char *data;
    size_t size;
    cae_status status = cae__buffer_check(context, buffer, capacity, written);
    if (status == CAE_OK)
        status = to_bytes(&data, &size, model, part);
    return status == CAE_OK ? cae__buffer_deliver(buffer, capacity, written, context, data, size)
                            : status;
}
