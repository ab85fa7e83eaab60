/* test_onnx.c - what is exported, read by a reader of its own. onnxruntime and PyTorch run the files in
 * tests/parity/onnx_parity.py, where there are any. */
#include "fixture.h"

/* --- A reader of protobuf: messages are spans of bytes ------------------------------------------- */

struct span {
    const unsigned char *at, *end;
};

struct field {
    uint64_t number, integer; /* of a varint or a fixed32 */
    struct span body;         /* of a nested message */
};

static uint64_t next_varint(struct span *s)
{
    uint64_t value = 0;

    for (int shift = 0;; shift += 7) {
        ck_assert_msg(s->at < s->end && shift < 64, "a varint without an end");
        value |= (uint64_t)(*s->at & 0x7f) << shift;
        if (!(*s->at++ & 0x80))
            return value;
    }
}

static bool next_field(struct span *s, struct field *f)
{
    if (s->at == s->end)
        return false;
    const uint64_t key = next_varint(s);
    *f = (struct field){.number = key >> 3};
    if ((key & 7) == 0) {
        f->integer = next_varint(s);
        return true;
    }
    ck_assert_msg((key & 7) == 2 || (key & 7) == 5, "wire type %d", (int)(key & 7));
    const uint64_t length = (key & 7) == 5 ? 4 : next_varint(s);
    ck_assert_msg(length <= (uint64_t)(s->end - s->at), "a field longer than its message");
    f->body = (struct span){s->at, s->at + length};
    s->at += length;
    return true;
}

static bool is_text(struct span s, const char *text)
{
    return (size_t)(s.end - s.at) == strlen(text) && memcmp(s.at, text, strlen(text)) == 0;
}

/* The `index`-th field of that number; fails the test when there is none. */
static struct field get(struct span message, uint64_t number, int index)
{
    struct field f;

    while (next_field(&message, &f))
        if (f.number == number && index-- == 0)
            return f;
    ck_abort_msg("no field %d", (int)number);
    return f;
}

static int count(struct span message, uint64_t number)
{
    struct field f;
    int found = 0;

    while (next_field(&message, &f))
        found += f.number == number;
    return found;
}

/* Field numbers of onnx.proto. */
enum { MODEL_IR_VERSION = 1, MODEL_PRODUCER = 2, MODEL_GRAPH = 7, MODEL_OPSET = 8, OPSET_VERSION = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_OPERATOR = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_FLOAT = 2, ATTRIBUTE_INTS = 8 };
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };

static struct span attribute(struct span node, const char *name)
{
    for (int i = 0; i < count(node, NODE_ATTRIBUTE); i++) {
        const struct span a = get(node, NODE_ATTRIBUTE, i).body;
        if (is_text(get(a, ATTRIBUTE_NAME, 0).body, name))
            return a;
    }
    ck_abort_msg("no attribute %s", name);
    return node;
}

static void assert_ints(struct span node, const char *name, const int *expected, int n)
{
    const struct span a = attribute(node, name);

    ck_assert_int_eq(count(a, ATTRIBUTE_INTS), n);
    for (int i = 0; i < n; i++)
        ck_assert_msg(get(a, ATTRIBUTE_INTS, i).integer == (uint64_t)expected[i], "%s[%d] is %d",
                      name, i, (int)get(a, ATTRIBUTE_INTS, i).integer);
}

static struct bytes exported(const cae_model *model, int32_t part)
{
    size_t size = 0, again = 0;

    assert_ok(context, cae_model_export_onnx_memory(NULL, 0, &size, model, part));
    struct bytes file = bytes_new(NULL, size);
    assert_ok(context, cae_model_export_onnx_memory(file.data, size, &again, model, part));
    ck_assert_uint_eq(again, size);
    return file;
}

static struct span graph_of(struct bytes file)
{
    const struct span model = {file.data, file.data + file.size};

    ck_assert_uint_eq(get(model, MODEL_IR_VERSION, 0).integer, 7);
    ck_assert(is_text(get(model, MODEL_PRODUCER, 0).body, "libcae"));
    ck_assert_uint_eq(get(get(model, MODEL_OPSET, 0).body, OPSET_VERSION, 0).integer, 13);
    return get(model, MODEL_GRAPH, 0).body;
}

/* --- Tests -------------------------------------------------------------------------------------------- */

/* Names, shapes and bits of the tensors; the operators one after the other. */
START_TEST(the_reference_network)
{
    static const char *const operators[] = {"Conv", "Relu", "Conv", "Relu",
                                            "ConvTranspose", "Relu", "ConvTranspose"};
    cae_model *model = NULL;
    assert_ok(context, cae_model_create_reference(&model, context, 3));
    struct bytes file = exported(model, CAE_PART_WHOLE);
    const struct span graph = graph_of(file);

    ck_assert_int_eq(count(graph, GRAPH_NODE), COUNT(operators));
    struct span value = get(get(graph, GRAPH_INPUT, 0).body, 1, 0).body;
    ck_assert(is_text(value, "input"));
    for (int i = 0; i < COUNT(operators); i++) {
        const struct span node = get(graph, GRAPH_NODE, i).body;
        ck_assert(is_text(get(node, NODE_OPERATOR, 0).body, operators[i]));
        const struct span input = get(node, NODE_INPUT, 0).body;
        ck_assert_msg(input.end - input.at == value.end - value.at &&
                          memcmp(input.at, value.at, (size_t)(value.end - value.at)) == 0,
                      "node %d does not read what the one before wrote", i);
        value = get(node, NODE_OUTPUT, 0).body;
        if (operators[i][0] == 'C') {
            assert_ints(node, "kernel_shape", (int[]){3, 3}, 2);
            assert_ints(node, "pads", (int[]){0, 0, 0, 0}, 4);
        }
    }
    ck_assert(is_text(value, "output"));
    ck_assert(is_text(get(get(graph, GRAPH_OUTPUT, 0).body, 1, 0).body, "output"));

    ck_assert_int_eq(count(graph, GRAPH_INITIALIZER), cae_model_tensor_count(model));
    for (int i = 0; i < cae_model_tensor_count(model); i++) {
        const struct span tensor = get(graph, GRAPH_INITIALIZER, i).body;
        const char *name = cae_model_tensor_name(model, i);
        int64_t shape[4];
        int32_t rank;
        size_t length = 1;
        float values[1024];
        assert_ok(context, cae_model_tensor_shape(shape, &rank, model, name));
        ck_assert(is_text(get(tensor, TENSOR_NAME, 0).body, name));
        ck_assert_uint_eq(get(tensor, TENSOR_TYPE, 0).integer, 1);
        ck_assert_int_eq(count(tensor, TENSOR_DIMS), rank);
        for (int d = 0; d < rank; d++) {
            ck_assert_uint_eq(get(tensor, TENSOR_DIMS, d).integer, (uint64_t)shape[d]);
            length *= (size_t)shape[d];
        }
        assert_ok(context, cae_model_get_tensor(values, length, model, name));
        const struct span raw = get(tensor, TENSOR_RAW, 0).body;
        ck_assert_uint_eq((size_t)(raw.end - raw.at), 4 * length);
        for (size_t j = 0; j < length; j++) { /* little-endian, on every machine */
            const unsigned char *b = raw.at + 4 * j;
            const uint32_t bits = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
                                  (uint32_t)b[3] << 24;
            ck_assert(memcmp(&bits, &values[j], 4) == 0);
        }
    }
    bytes_free(&file);
    cae_model_destroy(model);
}
END_TEST

/* One node more, which adds the input to what the layers make of it; parts have none. */
START_TEST(a_residual_network)
{
    cae_spec *spec = small_spec(context);
    cae_model *model = NULL;
    assert_ok(context, cae_spec_set_residual(spec, 1));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    cae_spec_destroy(spec);
    struct bytes file = exported(model, CAE_PART_WHOLE);
    const struct span graph = graph_of(file);
    ck_assert_int_eq(count(graph, GRAPH_NODE), 4); /* Conv, Relu, ConvTranspose, Add */
    const struct span last = get(graph, GRAPH_NODE, 2).body, sum = get(graph, GRAPH_NODE, 3).body;
    ck_assert(is_text(get(last, NODE_OUTPUT, 0).body, "layer1.change"));
    ck_assert(is_text(get(sum, NODE_OPERATOR, 0).body, "Add"));
    ck_assert_int_eq(count(sum, NODE_INPUT), 2);
    ck_assert(is_text(get(sum, NODE_INPUT, 0).body, "input"));
    ck_assert(is_text(get(sum, NODE_INPUT, 1).body, "layer1.change"));
    ck_assert(is_text(get(sum, NODE_OUTPUT, 0).body, "output"));
    bytes_free(&file);
    for (int32_t part = CAE_PART_ENCODER; part <= CAE_PART_DECODER; part++) {
        file = exported(model, part);
        ck_assert_int_eq(count(graph_of(file), GRAPH_NODE), part == CAE_PART_ENCODER ? 2 : 1);
        bytes_free(&file);
    }
    cae_model_destroy(model);
}
END_TEST

/* What a node reads beside its input: names of tensors that are there; and the sides of both ends. */
START_TEST(nodes_name_their_tensors_and_ends_their_sides)
{
    static const char *const names[2][2] = {{"0.weight", "0.bias"}, {"2.weight", "2.bias"}};
    static const char *const sides[2][4] = {{"batch", NULL, "height", "width"},
                                            {"batch", NULL, "output_height", "output_width"}};
    cae_model *model = small_model(context, 1);
    struct bytes file = exported(model, CAE_PART_WHOLE);
    const struct span graph = graph_of(file);
    for (int i = 0; i < 2; i++) {
        const struct span node = get(graph, GRAPH_NODE, 2 * i).body; /* a ReLU stands between */
        ck_assert_int_eq(count(node, NODE_INPUT), 3);
        for (int k = 0; k < 2; k++)
            ck_assert(is_text(get(node, NODE_INPUT, 1 + k).body, names[i][k]));
    }
    for (int i = 0; i < 2; i++) { /* ValueInfoProto, TypeProto, Tensor, TensorShapeProto, Dimension */
        const struct span info = get(graph, i ? GRAPH_OUTPUT : GRAPH_INPUT, 0).body;
        const struct span tensor = get(get(info, 2, 0).body, 1, 0).body;
        const struct span shape = get(tensor, 2, 0).body;
        ck_assert_uint_eq(get(tensor, 1, 0).integer, 1);
        ck_assert_int_eq(count(shape, 1), 4);
        for (int d = 0; d < 4; d++) {
            const struct span side = get(shape, 1, d).body;
            if (sides[i][d])
                ck_assert(is_text(get(side, 2, 0).body, sides[i][d]));
            else
                ck_assert_uint_eq(get(side, 1, 0).integer, 1);
            ck_assert_int_eq(count(side, 1) + count(side, 2), 1);
        }
    }
    bytes_free(&file);
    cae_model_destroy(model);
}
END_TEST

/* One layer with every number different; `options` as given. */
static struct bytes one_layer(bool transposed, const cae_conv_options *options)
{
    cae_spec *spec = NULL;
    cae_model *model = NULL;
    assert_ok(context, cae_spec_create(&spec, context));
    assert_ok(context, transposed ? cae_spec_add_conv_transpose(spec, 2, 3, options)
                                  : cae_spec_add_conv(spec, 2, 3, options));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    struct bytes file = exported(model, CAE_PART_ENCODER);
    cae_model_destroy(model);
    cae_spec_destroy(spec);
    return file;
}

START_TEST(every_option)
{
    cae_conv_options o;
    cae_conv_options_init(&o, sizeof o);
    o.kernel_h = 4, o.kernel_w = 5, o.stride_h = 2, o.stride_w = 3, o.padding_h = 6, o.padding_w = 7;
    o.dilation_h = 8, o.dilation_w = 9, o.output_padding_h = 1, o.output_padding_w = 2;
    o.bias = 0, o.activation = CAE_ACTIVATION_LEAKY_RELU, o.slope = 0.25;
    struct bytes file = one_layer(true, &o);
    const struct span graph = graph_of(file), conv = get(graph, GRAPH_NODE, 0).body;

    assert_ints(conv, "kernel_shape", (int[]){4, 5}, 2);
    assert_ints(conv, "strides", (int[]){2, 3}, 2);
    assert_ints(conv, "pads", (int[]){6, 7, 6, 7}, 4);
    assert_ints(conv, "dilations", (int[]){8, 9}, 2);
    assert_ints(conv, "output_padding", (int[]){1, 2}, 2);
    ck_assert_int_eq(count(conv, NODE_INPUT), 2);
    const struct span leaky = get(graph, GRAPH_NODE, 1).body;
    ck_assert(is_text(get(leaky, NODE_OPERATOR, 0).body, "LeakyRelu"));
    const struct span alpha = get(attribute(leaky, "alpha"), ATTRIBUTE_FLOAT, 0).body;
    ck_assert_int_eq(memcmp(alpha.at, (unsigned char[]){0, 0, 0x80, 0x3e}, 4), 0); /* 0.25 */
    ck_assert_int_eq(count(graph, GRAPH_INITIALIZER), 1);
    bytes_free(&file);
}
END_TEST

/* Output padding that runtimes refuse gives back some of the padding instead, or is refused here. */
START_TEST(output_padding_above_the_stride)
{
    cae_conv_options o;
    cae_conv_options_init(&o, sizeof o);
    o.dilation_h = 4, o.dilation_w = 4, o.padding_h = 5, o.padding_w = 1;
    o.output_padding_h = 3, o.output_padding_w = 1;
    struct bytes file = one_layer(true, &o);
    const struct span conv = get(graph_of(file), GRAPH_NODE, 0).body;
    assert_ints(conv, "pads", (int[]){5, 1, 2, 0}, 4);
    assert_ints(conv, "output_padding", (int[]){0, 0}, 2);
    bytes_free(&file);

    o.output_padding_w = 2;
    cae_spec *spec = NULL;
    cae_model *model = NULL;
    size_t size;
    assert_ok(context, cae_spec_create(&spec, context));
    assert_ok(context, cae_spec_add_conv_transpose(spec, 2, 3, &o));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    assert_fails(context, CAE_ERR_UNSUPPORTED,
                 cae_model_export_onnx_memory(NULL, 0, &size, model, CAE_PART_WHOLE));
    assert_says(context, "layer 0 (ConvTranspose 2->3)");
    cae_model_destroy(model);
    cae_spec_destroy(spec);
}
END_TEST

START_TEST(parts_files_and_refusals)
{
    cae_model *model = small_model(context, 1), *point = pointwise_model(context, 1, 0);
    struct bytes whole = exported(model, CAE_PART_WHOLE);
    struct bytes encoder = exported(model, CAE_PART_ENCODER);
    struct bytes decoder = exported(model, CAE_PART_DECODER);
    ck_assert_int_eq(count(graph_of(whole), GRAPH_INITIALIZER),
                     count(graph_of(encoder), GRAPH_INITIALIZER) +
                         count(graph_of(decoder), GRAPH_INITIALIZER));
    const char *path = in_directory("model.onnx");
    assert_ok(context, cae_model_export_onnx(model, CAE_PART_DECODER, path));
    struct bytes file = file_bytes(path);
    assert_same_bytes(file, decoder, "the file and the same in memory");

    size_t size = 0;
    unsigned char buffer[16];
    assert_fails(context, CAE_ERR_ARGUMENT,
                 cae_model_export_onnx_memory(buffer, sizeof buffer, &size, model, CAE_PART_WHOLE));
    ck_assert_uint_eq(size, whole.size);
    assert_fails(context, CAE_ERR_ARGUMENT,
                 cae_model_export_onnx_memory(buffer, sizeof buffer, NULL, model, CAE_PART_WHOLE));
    assert_fails(context, CAE_ERR_ARGUMENT,
                 cae_model_export_onnx_memory(NULL, 1, &size, model, CAE_PART_WHOLE));
    assert_fails(context, CAE_ERR_ARGUMENT, cae_model_export_onnx(model, 3, path));
    assert_fails(context, CAE_ERR_ARGUMENT, cae_model_export_onnx(model, -1, path));
    assert_fails(context, CAE_ERR_ARGUMENT, cae_model_export_onnx(model, CAE_PART_WHOLE, NULL));
    assert_fails(context, CAE_ERR_SHAPE, cae_model_export_onnx(point, CAE_PART_DECODER, path));
    assert_fails(context, CAE_ERR_IO,
                 cae_model_export_onnx(model, CAE_PART_WHOLE, in_directory("no/such/model.onnx")));
    ck_assert_int_eq(cae_model_export_onnx(NULL, CAE_PART_WHOLE, path), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_model_export_onnx_memory(NULL, 0, &size, NULL, CAE_PART_WHOLE),
                     CAE_ERR_ARGUMENT);

    bytes_free(&file), bytes_free(&whole), bytes_free(&encoder), bytes_free(&decoder);
    cae_model_destroy(model), cae_model_destroy(point);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("onnx");
    TCase *c = tcase_create("onnx");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_checked_fixture(c, directory_setup, directory_teardown);
    tcase_add_test(c, the_reference_network);
    tcase_add_test(c, a_residual_network);
    tcase_add_test(c, nodes_name_their_tensors_and_ends_their_sides);
    tcase_add_test(c, every_option);
    tcase_add_test(c, output_padding_above_the_stride);
    tcase_add_test(c, parts_files_and_refusals);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return test_main(suite());
}
