/* test_spec_model.c - describing a network, and the model made from it: its tensors, its shapes, and
 * running it. That the numbers are right is shown in tests/parity and tests/unit; here it is that
 * they do not depend on how the images come in. */
#include "fixture.h"

#include <math.h>
#include <pthread.h>

#define fails(status, call) assert_fails(context, status, call)


static cae_conv_options conv_options(void)
{
    cae_conv_options options;

    assert_ok(context, cae_conv_options_init(&options, sizeof options));
    return options;
}

static cae_spec *empty_spec(void)
{
    cae_spec *spec = NULL;

    assert_ok(context, cae_spec_create(&spec, context));
    return spec;
}

/* A model of one layer; consumes nothing. */
static cae_model *model_of(bool transposed, int32_t in, int32_t out,
                           const cae_conv_options *options)
{
    cae_spec *spec = empty_spec();
    cae_model *model = NULL;

    assert_ok(context, transposed ? cae_spec_add_conv_transpose(spec, in, out, options)
                                  : cae_spec_add_conv(spec, in, out, options));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    cae_spec_destroy(spec);
    return model;
}

static cae_model *reference_model(uint64_t seed)
{
    cae_model *model = NULL;

    assert_ok(context, cae_model_create_reference(&model, context, seed));
    return model;
}

/* --- Descriptions: what is refused ----------------------------------------------------------- */

#define FIELD(name) #name, offsetof(cae_conv_options, name)

/* A number in the options that no layer can have. `found` and `expected` stand in the text. */
static const struct bad_field {
    const char *name;
    size_t offset;
    int32_t value;
    const char *found, *expected;
} bad_fields[] = {
    {FIELD(kernel_h), 0, "is 0", "expected 1"},
    {FIELD(kernel_h), -3, "is -3", "expected 1"},
    {FIELD(kernel_h), INT32_MAX, "is 2147483647", "expected 1"},
    {FIELD(kernel_w), 0, "is 0", "expected 1"},
    {FIELD(kernel_w), INT32_MIN, "is -2147483648", "expected 1"},
    {FIELD(kernel_w), INT32_MAX, "is 2147483647", "expected 1"},
    {FIELD(stride_h), 0, "is 0", "expected 1"},
    {FIELD(stride_h), -1, "is -1", "expected 1"},
    {FIELD(stride_h), INT32_MAX, "is 2147483647", "expected 1"},
    {FIELD(stride_w), 0, "is 0", "expected 1"},
    {FIELD(stride_w), INT32_MAX, "is 2147483647", "expected 1"},
    {FIELD(padding_h), -1, "is -1", "expected 0"},
    {FIELD(padding_h), INT32_MAX, "is 2147483647", "expected 0"},
    {FIELD(padding_w), -1, "is -1", "expected 0"},
    {FIELD(padding_w), INT32_MAX, "is 2147483647", "expected 0"},
    {FIELD(dilation_h), 0, "is 0", "expected 1"},
    {FIELD(dilation_h), INT32_MAX, "is 2147483647", "expected 1"},
    {FIELD(dilation_w), -7, "is -7", "expected 1"},
    {FIELD(dilation_w), INT32_MAX, "is 2147483647", "expected 1"},
    {FIELD(output_padding_h), -1, "is -1", "expected 0"},
    {FIELD(output_padding_h), INT32_MAX, "is 2147483647", "expected 0"},
    {FIELD(output_padding_w), -1, "is -1", "expected 0"},
    {FIELD(output_padding_w), INT32_MAX, "is 2147483647", "expected 0"},
    {FIELD(activation), -1, "is -1", "expected 0 to 4"},
    {FIELD(activation), 5, "is 5", "expected 0 to 4"},
    {FIELD(bias), 2, "is 2", "expected 0 or 1"},
    {FIELD(bias), -1, "is -1", "expected 0 or 1"},
    {FIELD(reserved), 1, "reserved", "0"},
};

START_TEST(option_fields_out_of_range)
{
    const struct bad_field *bad = &bad_fields[_i];
    cae_conv_options options = conv_options();
    cae_spec *spec = empty_spec();

    memcpy((char *)&options + bad->offset, &bad->value, sizeof bad->value);
    for (int transposed = 0; transposed < 2; transposed++) {
        fails_saying(CAE_ERR_OPTIONS, bad->name,
                     transposed ? cae_spec_add_conv_transpose(spec, 1, 1, &options)
                                : cae_spec_add_conv(spec, 1, 1, &options));
        assert_says(context, bad->found);
        assert_says(context, bad->expected);
    }
    cae_spec_destroy(spec);
}
END_TEST

static const double bad_slopes[] = {-0.01, (double)NAN, HUGE_VAL, -HUGE_VAL, 1e300};

START_TEST(slope_is_finite_and_not_negative)
{
    cae_conv_options options = conv_options();
    cae_spec *spec = empty_spec();

    options.activation = CAE_ACTIVATION_LEAKY_RELU;
    options.slope = bad_slopes[_i];
    fails_saying(CAE_ERR_OPTIONS, "slope", cae_spec_add_conv(spec, 1, 1, &options));
    cae_spec_destroy(spec);
}
END_TEST

START_TEST(output_padding_has_its_place_and_its_bound)
{
    cae_conv_options options = conv_options();
    cae_spec *spec = empty_spec();

    options.output_padding_w = 1;
    options.stride_w = 2;
    fails_saying(CAE_ERR_OPTIONS, "transposed", cae_spec_add_conv(spec, 1, 1, &options));
    assert_ok(context, cae_spec_add_conv_transpose(spec, 1, 1, &options));
    options.output_padding_w = 2;
    fails_saying(CAE_ERR_OPTIONS, "smaller", cae_spec_add_conv_transpose(spec, 1, 1, &options));
    options.dilation_w = 3; /* smaller than one of the two is enough */
    assert_ok(context, cae_spec_add_conv_transpose(spec, 1, 1, &options));
    options.output_padding_h = 1; /* and each axis counts for itself */
    fails_saying(CAE_ERR_OPTIONS, "smaller", cae_spec_add_conv_transpose(spec, 1, 1, &options));
    cae_spec_destroy(spec);
}
END_TEST

static const struct {
    int32_t in, out;
    const char *name, *found;
} bad_channels[] = {
    {0, 1, "in_channels", "is 0"},          {-1, 1, "in_channels", "is -1"},
    {INT32_MIN, 1, "in_channels", "is -2"}, {INT32_MAX, 1, "in_channels", "is 2147483647"},
    {1, 0, "out_channels", "is 0"},         {1, -8, "out_channels", "is -8"},
    {1, INT32_MIN, "out_channels", "is -2"}, {1, INT32_MAX, "out_channels", "is 2147483647"},
};

START_TEST(channels_out_of_range)
{
    cae_spec *spec = empty_spec();
    const int32_t in = bad_channels[_i].in, out = bad_channels[_i].out;

    fails_saying(CAE_ERR_ARGUMENT, bad_channels[_i].name, cae_spec_add_conv(spec, in, out, NULL));
    assert_says(context, bad_channels[_i].found);
    assert_says(context, "expected 1");
    fails_saying(CAE_ERR_ARGUMENT, bad_channels[_i].name,
                 cae_spec_add_conv_transpose(spec, in, out, NULL));
    cae_spec_destroy(spec);
}
END_TEST

/* Numbers that are fine alone, with products beyond 32 bits and beyond 64. */
static const struct {
    int32_t in, out, kernel_h, kernel_w;
} too_large[] = {
    {46341, 46341, 1, 1},   {1 << 16, 1 << 15, 1, 1},     {1 << 20, 1 << 20, 1, 1},
    {1 << 11, 1, 1024, 1024}, {64, 64, 1024, 1024},       {1 << 20, 1 << 20, 1024, 1024},
    {1, 1 << 20, 1024, 2},  {3, 1 << 20, 32, 32},
};

START_TEST(layers_with_too_many_weights)
{
    cae_conv_options options = conv_options();
    cae_spec *spec = empty_spec();

    options.kernel_h = too_large[_i].kernel_h;
    options.kernel_w = too_large[_i].kernel_w;
    fails_saying(CAE_ERR_SHAPE, "weights",
                 cae_spec_add_conv(spec, too_large[_i].in, too_large[_i].out, &options));
    fails_saying(CAE_ERR_SHAPE, "weights",
                 cae_spec_add_conv_transpose(spec, too_large[_i].in, too_large[_i].out, &options));
    cae_spec_destroy(spec);
}
END_TEST

/* 8 GB of weights can be described; without the memory there is a status, and nothing is left. */
START_TEST(a_model_larger_than_memory)
{
    cae_conv_options options = conv_options();
    cae_spec *spec = empty_spec();
    cae_model *model = NULL;

    options.kernel_h = options.kernel_w = 1;
    assert_ok(context, cae_spec_add_conv(spec, 46340, 46340, &options));
    fails(CAE_ERR_MEMORY, cae_model_create(&model, context, spec, 1));
    ck_assert_ptr_null(model);
    if (SIZE_MAX > UINT32_MAX) /* else nobody is asked */
        ck_assert_uint_ge(heap.largest, (uint64_t)46340 * 46340 * sizeof(float));
    cae_spec_destroy(spec);
}
END_TEST

START_TEST(layers_must_fit_together)
{
    cae_spec *spec = empty_spec();

    assert_ok(context, cae_spec_add_conv(spec, 3, 8, NULL));
    fails_saying(CAE_ERR_SHAPE, "layer 1", cae_spec_add_conv(spec, 3, 8, NULL));
    assert_says(context, "layer 0");
    assert_says(context, "expects 3");
    assert_says(context, "gives 8");
    fails_saying(CAE_ERR_SHAPE, "ConvTranspose 16->3",
                 cae_spec_add_conv_transpose(spec, 16, 3, NULL));
    cae_spec_destroy(spec);
}
END_TEST

static struct bytes spec_bytes(const cae_spec *spec)
{
    cae_model *model = NULL;
    struct bytes bytes;

    assert_ok(context, cae_model_create(&model, context, spec, 5));
    bytes = model_bytes(model);
    cae_model_destroy(model);
    return bytes;
}

START_TEST(a_failed_call_changes_nothing)
{
    cae_conv_options bad = conv_options();
    cae_spec *spec = small_spec(context);
    struct bytes before = spec_bytes(spec), after;

    bad.stride_h = 0;
    fails(CAE_ERR_SHAPE, cae_spec_add_conv(spec, 7, 1, NULL));
    fails(CAE_ERR_ARGUMENT, cae_spec_add_conv(spec, 1, -1, NULL));
    ck_assert_int_lt(cae_spec_add_conv_transpose(spec, 1, 1, &bad), 0);
    fails(CAE_ERR_ARGUMENT, cae_spec_add_reference(spec));
    after = spec_bytes(spec);
    assert_same_bytes(before, after, "after refused calls");
    bytes_free(&before);
    bytes_free(&after);
    assert_ok(context, cae_spec_add_conv(spec, 1, 4, NULL)); /* and it can be continued */
    cae_spec_destroy(spec);
}
END_TEST

START_TEST(the_encoder_ends_once_and_not_at_the_start)
{
    cae_spec *spec = empty_spec();

    fails_saying(CAE_ERR_ARGUMENT, "at least one layer", cae_spec_end_encoder(spec));
    assert_ok(context, cae_spec_add_conv(spec, 1, 2, NULL));
    assert_ok(context, cae_spec_end_encoder(spec));
    fails_saying(CAE_ERR_ARGUMENT, "already", cae_spec_end_encoder(spec));
    cae_spec_destroy(spec);
}
END_TEST

START_TEST(an_empty_description_makes_no_model)
{
    cae_spec *spec = empty_spec();
    cae_model *model = (void *)&spec;

    fails_saying(CAE_ERR_ARGUMENT, "no layers", cae_model_create(&model, context, spec, 1));
    ck_assert_ptr_null(model);
    cae_spec_destroy(spec);
}
END_TEST

START_TEST(null_where_a_description_or_model_is_made)
{
    cae_spec *spec = small_spec(context), *other = (void *)&spec;
    cae_model *model = (void *)&spec;

    fails(CAE_ERR_ARGUMENT, cae_spec_create(NULL, context));
    ck_assert_int_eq(cae_spec_create(&other, NULL), CAE_ERR_ARGUMENT);
    ck_assert_ptr_null(other);
    ck_assert_int_eq(cae_spec_add_conv(NULL, 1, 1, NULL), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_spec_add_conv_transpose(NULL, 1, 1, NULL), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_spec_end_encoder(NULL), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_spec_add_reference(NULL), CAE_ERR_ARGUMENT);

    fails(CAE_ERR_ARGUMENT, cae_model_create(NULL, context, spec, 1));
    fails_saying(CAE_ERR_ARGUMENT, "spec", cae_model_create(&model, context, NULL, 1));
    ck_assert_ptr_null(model);
    model = (void *)&spec;
    ck_assert_int_eq(cae_model_create(&model, NULL, spec, 1), CAE_ERR_ARGUMENT);
    ck_assert_ptr_null(model);
    model = (void *)&spec;
    ck_assert_int_eq(cae_model_create_reference(&model, NULL, 1), CAE_ERR_ARGUMENT);
    ck_assert_ptr_null(model);
    fails(CAE_ERR_ARGUMENT, cae_model_create_reference(NULL, context, 1));
    cae_spec_destroy(spec);
}
END_TEST

/* --- Models and their tensors ---------------------------------------------------------------- */

struct tensor {
    const char *name;
    int32_t rank;
    int64_t shape[4];
};

static void check_tensors(const cae_model *model, const struct tensor *expected, int count)
{
    int64_t total = 0;

    ck_assert_int_eq(cae_model_tensor_count(model), count);
    for (int i = 0; i < count; i++) {
        const struct tensor *e = &expected[i];
        int64_t shape[4], elements = 1;
        int32_t rank;

        ck_assert_str_eq(cae_model_tensor_name(model, i), e->name);
        assert_ok(context, cae_model_tensor_shape(shape, &rank, model, e->name));
        assert_ok(context, cae_model_tensor_shape(shape, NULL, model, e->name));
        ck_assert_int_eq(rank, e->rank);
        for (int k = 0; k < 4; k++) {
            ck_assert_int_eq(shape[k], e->shape[k]);
            elements *= shape[k];
        }
        total += elements;
    }
    ck_assert_int_eq(cae_model_parameter_count(model), total);
}

START_TEST(reference_network)
{
    static const struct tensor tensors[] = {
        {"0.weight", 4, {8, 3, 3, 3}}, {"0.bias", 1, {8, 1, 1, 1}},
        {"2.weight", 4, {8, 8, 3, 3}}, {"2.bias", 1, {8, 1, 1, 1}},
        {"4.weight", 4, {8, 8, 3, 3}}, {"4.bias", 1, {8, 1, 1, 1}},
        {"6.weight", 4, {8, 3, 3, 3}}, {"6.bias", 1, {3, 1, 1, 1}}};
    cae_model *model = reference_model(1), *described = NULL;
    cae_spec *spec = empty_spec();
    int32_t c, h, w;

    check_tensors(model, tensors, COUNT(tensors));
    ck_assert_int_eq(cae_model_parameter_count(model), 1611);
    ck_assert_int_eq(cae_model_layer_count(model), 4);
    assert_ok(context, cae_model_output_shape(&c, &h, &w, model, NULL, CAE_PART_ENCODER, 32, 32));
    ck_assert(c == 8 && h == 28 && w == 28);
    assert_ok(context, cae_model_output_shape(&c, &h, &w, model, NULL, CAE_PART_WHOLE, 32, 32));
    ck_assert(c == 3 && h == 32 && w == 32);

    assert_ok(context, cae_spec_add_reference(spec));
    assert_ok(context, cae_model_create(&described, context, spec, 1));
    assert_same_models(model, described, "in one call or in two");
    cae_spec_destroy(spec);
    cae_model_destroy(model);
    cae_model_destroy(described);
}
END_TEST

/* Names count modules of a Sequential: an activation is one, no activation is none. Kernels are not
 * square, so that a swapped extent shows. */
START_TEST(names_and_shapes_are_those_of_pytorch)
{
    static const struct tensor tensors[] = {
        {"0.weight", 4, {5, 2, 3, 4}}, {"0.bias", 1, {5, 1, 1, 1}},
        {"1.weight", 4, {5, 6, 3, 4}}, /* transposed: [in][out] */
        {"3.weight", 4, {7, 6, 3, 4}}, {"3.bias", 1, {7, 1, 1, 1}}};
    cae_conv_options options = conv_options();
    cae_spec *spec = empty_spec();
    cae_model *model = NULL;

    options.kernel_w = 4;
    assert_ok(context, cae_spec_add_conv(spec, 2, 5, &options));
    options.bias = 0;
    options.activation = CAE_ACTIVATION_TANH;
    assert_ok(context, cae_spec_add_conv_transpose(spec, 5, 6, &options));
    options.bias = 1;
    assert_ok(context, cae_spec_add_conv(spec, 6, 7, &options));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    check_tensors(model, tensors, COUNT(tensors));
    cae_spec_destroy(spec);
    cae_model_destroy(model);
}
END_TEST

START_TEST(a_model_does_not_follow_its_description)
{
    cae_spec *spec = small_spec(context);
    cae_model *model = NULL;

    assert_ok(context, cae_model_create(&model, context, spec, 1));
    assert_ok(context, cae_spec_add_conv(spec, 1, 9, NULL));
    cae_spec_destroy(spec);
    ck_assert_int_eq(cae_model_layer_count(model), 2);
    ck_assert_int_eq(cae_model_parameter_count(model), 39);
    cae_model_destroy(model);
}
END_TEST

START_TEST(a_hundred_layers)
{
    cae_conv_options options = conv_options();
    cae_spec *spec = empty_spec();
    cae_model *model = NULL;
    float x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, y[9];

    options.padding_h = options.padding_w = 1;
    for (int i = 0; i < 100; i++)
        assert_ok(context, cae_spec_add_conv(spec, 1, 1, &options));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    ck_assert_int_eq(cae_model_layer_count(model), 100);
    ck_assert_str_eq(cae_model_tensor_name(model, 199), "99.bias");
    assert_ok(context, cae_model_forward(y, 9, model, NULL, x, 9, 1, 3, 3));
    cae_spec_destroy(spec);
    cae_model_destroy(model);
}
END_TEST

/* FNV-1a, to keep a long sequence of bits in one line. */
static uint64_t fingerprint(const cae_model *model)
{
    uint64_t hash = 0xcbf29ce484222325;

    for (int i = 0; i < cae_model_tensor_count(model); i++) {
        const char *name = cae_model_tensor_name(model, i);
        int64_t shape[4];
        float values[1024];
        size_t count;

        assert_ok(context, cae_model_tensor_shape(shape, NULL, model, name));
        count = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
        assert_ok(context, cae_model_get_tensor(values, count, model, name));
        for (size_t j = 0; j < count; j++) {
            uint32_t bits;

            memcpy(&bits, &values[j], sizeof bits);
            for (int k = 0; k < 4; k++)
                hash = (hash ^ (bits >> 8 * k & 0xff)) * 0x100000001b3;
        }
    }
    return hash;
}

/* "The same seed gives the same bits on every machine": these were drawn on x86-64. */
START_TEST(initial_weights_are_a_function_of_the_seed)
{
    cae_model *a = reference_model(1), *b = reference_model(1), *c = reference_model(2);
    cae_model *d = reference_model(1 + ((uint64_t)1 << 32));

    assert_same_models(a, b, "same seed");
    ck_assert_uint_eq(fingerprint(a), 0x21867d4b027446c2);
    ck_assert_uint_eq(fingerprint(c), 0x4ba35f09e2c8f1c6);
    ck_assert_uint_ne(fingerprint(a), fingerprint(d)); /* all 64 bits count */
    cae_model_destroy(a);
    cae_model_destroy(b);
    cae_model_destroy(c);
    cae_model_destroy(d);
}
END_TEST

START_TEST(tensors_can_be_read_and_written)
{
    cae_model *model = small_model(context, 1);
    float written[18], read[18], bias[2];

    random_floats(3, written, 18, -1, 1);
    assert_ok(context, cae_model_get_tensor(bias, 2, model, "0.bias"));
    assert_ok(context, cae_model_set_tensor(model, "0.weight", written, 18));
    assert_ok(context, cae_model_get_tensor(read, 18, model, "0.weight"));
    ck_assert_int_eq(memcmp(read, written, sizeof read), 0);
    assert_ok(context, cae_model_get_tensor(read, 2, model, "0.bias"));
    ck_assert_int_eq(memcmp(read, bias, sizeof bias), 0); /* the neighbour is untouched */
    cae_model_destroy(model);
}
END_TEST

static const float not_finite[] = {NAN, INFINITY, -INFINITY};

START_TEST(a_value_that_is_not_finite_is_refused)
{
    cae_model *model = small_model(context, 1);
    struct bytes before = model_bytes(model), after;
    float values[18];

    for (int at = 0; at < 18; at += 17) {
        random_floats(3, values, 18, -1, 1);
        values[at] = not_finite[_i];
        fails_saying(CAE_ERR_NUMERIC, "0.weight",
                     cae_model_set_tensor(model, "0.weight", values, 18));
    }
    after = model_bytes(model);
    assert_same_bytes(before, after, "after refused values");
    bytes_free(&before);
    bytes_free(&after);
    cae_model_destroy(model);
}
END_TEST

START_TEST(tensors_that_do_not_fit)
{
    cae_model *model = small_model(context, 1);
    const char *const names[] = {"", "0", "0.weights", "0.WEIGHT", "1.weight", "00.weight",
                                 "0.weight ", "optim.m.0.weight"};
    float values[18] = {0};
    int64_t shape[4];

    for (int i = 0; i < COUNT(names); i++) {
        fails(CAE_ERR_NAME, cae_model_get_tensor(values, 18, model, names[i]));
        assert_says(context, names[i]);
        fails(CAE_ERR_NAME, cae_model_set_tensor(model, names[i], values, 18));
        fails(CAE_ERR_NAME, cae_model_tensor_shape(shape, NULL, model, names[i]));
    }
    fails_saying(CAE_ERR_SHAPE, "17", cae_model_get_tensor(values, 17, model, "0.weight"));
    assert_says(context, "18");
    fails_saying(CAE_ERR_SHAPE, "19", cae_model_set_tensor(model, "0.weight", values, 19));
    assert_says(context, "18");
    fails(CAE_ERR_SHAPE, cae_model_get_tensor(values, 0, model, "0.weight"));
    fails(CAE_ERR_SHAPE, cae_model_set_tensor(model, "0.weight", values, SIZE_MAX));
    cae_model_destroy(model);
}
END_TEST

START_TEST(null_where_tensors_are_named)
{
    cae_model *model = small_model(context, 1);
    float values[18] = {0};
    int64_t shape[4];

    fails_saying(CAE_ERR_ARGUMENT, "values", cae_model_get_tensor(NULL, 18, model, "0.weight"));
    fails_saying(CAE_ERR_ARGUMENT, "name", cae_model_get_tensor(values, 18, model, NULL));
    fails_saying(CAE_ERR_ARGUMENT, "values", cae_model_set_tensor(model, "0.weight", NULL, 18));
    fails_saying(CAE_ERR_ARGUMENT, "name", cae_model_set_tensor(model, NULL, values, 18));
    fails_saying(CAE_ERR_ARGUMENT, "shape", cae_model_tensor_shape(NULL, NULL, model, "0.weight"));
    fails_saying(CAE_ERR_ARGUMENT, "name", cae_model_tensor_shape(shape, NULL, model, NULL));
    ck_assert_int_eq(cae_model_get_tensor(values, 18, NULL, "0.weight"), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_model_set_tensor(NULL, "0.weight", values, 18), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_model_tensor_shape(shape, NULL, NULL, "0.weight"), CAE_ERR_ARGUMENT);

    ck_assert_ptr_null(cae_model_tensor_name(model, -1));
    ck_assert_ptr_null(cae_model_tensor_name(model, 4));
    ck_assert_ptr_null(cae_model_tensor_name(model, INT32_MAX));
    ck_assert_ptr_null(cae_model_tensor_name(model, INT32_MIN));
    ck_assert_ptr_null(cae_model_tensor_name(NULL, 0));
    ck_assert_int_eq(cae_model_tensor_count(NULL), 0);
    ck_assert_int_eq(cae_model_layer_count(NULL), 0);
    ck_assert_int_eq(cae_model_parameter_count(NULL), 0);
    cae_model_destroy(model);
}
END_TEST

/* --- Shapes ---------------------------------------------------------------------------------- */

static const struct geometry {
    int kernel, stride, padding, dilation, output_padding;
} geometries[] = {
    {1, 1, 0, 1, 0}, {3, 1, 0, 1, 0}, {3, 1, 1, 1, 0}, {3, 2, 1, 1, 0}, {3, 2, 1, 1, 1},
    {2, 2, 0, 1, 1}, {5, 3, 4, 1, 2}, {3, 1, 2, 2, 1}, {4, 2, 3, 3, 2}, {1, 3, 0, 1, 2},
    {1, 2, 5, 1, 0}, {7, 1, 3, 1, 0}, {2, 5, 1, 4, 4}, {3, 4, 0, 7, 6},
};

/* A convolution's outputs, counted one by one: the positions where the whole kernel lies within
 * the padded input. */
static int count_conv(const struct geometry *g, int in)
{
    int positions = 0;

    while (positions * g->stride + g->dilation * (g->kernel - 1) < in + 2 * g->padding)
        positions++;
    return positions;
}

/* A transposed convolution's outputs: the pixels that the last tap reaches, without the padding. */
static int count_conv_transpose(const struct geometry *g, int in)
{
    const int last = (in - 1) * g->stride + g->dilation * (g->kernel - 1);

    return last + 1 - 2 * g->padding + g->output_padding;
}

static void check_extent(const cae_model *model, int height, int width, int out_h, int out_w)
{
    int32_t c = -1, h = -1, w = -1;

    if (out_h < 1 || out_w < 1) {
        fails_saying(CAE_ERR_SHAPE, "layer 0",
                     cae_model_output_shape(&c, &h, &w, model, NULL, CAE_PART_WHOLE, height, width));
        ck_assert(c == -1 && h == -1 && w == -1);
        return;
    }
    assert_ok(context, cae_model_output_shape(&c, &h, &w, model, NULL, CAE_PART_WHOLE, height, width));
    ck_assert_int_eq(c, 3);
    ck_assert_int_eq(h, out_h);
    ck_assert_int_eq(w, out_w);
}

START_TEST(output_shapes_are_those_of_the_definition)
{
    const struct geometry *g = &geometries[_i];
    const struct geometry across = {3, 2, 1, 1, 0}; /* along the other axis */
    cae_conv_options options = conv_options();

    options.kernel_h = g->kernel, options.stride_h = g->stride, options.padding_h = g->padding;
    options.dilation_h = g->dilation;
    options.kernel_w = across.kernel, options.stride_w = across.stride;
    options.padding_w = across.padding;
    for (int transposed = 0; transposed < 2; transposed++) {
        cae_model *model;

        options.output_padding_h = transposed ? g->output_padding : 0;
        model = model_of(transposed, 2, 3, &options);
        for (int in = 1; in <= 24; in++) {
            const int out = transposed ? count_conv_transpose(g, in) : count_conv(g, in);

            check_extent(model, in, 24, out,
                         transposed ? count_conv_transpose(&across, 24) : count_conv(&across, 24));
        }
        cae_model_destroy(model);
    }
}
END_TEST

START_TEST(parts_of_a_model)
{
    cae_model *model = reference_model(1);
    int32_t in = 0, out = 0, h = 0, w = 0;

    assert_ok(context, cae_model_channels(&in, &out, model, NULL, CAE_PART_ENCODER));
    ck_assert(in == 3 && out == 8);
    assert_ok(context, cae_model_channels(&in, &out, model, NULL, CAE_PART_DECODER));
    ck_assert(in == 8 && out == 3);
    assert_ok(context, cae_model_channels(&in, &out, model, NULL, CAE_PART_WHOLE));
    ck_assert(in == 3 && out == 3);
    assert_ok(context, cae_model_channels(NULL, NULL, model, NULL, CAE_PART_WHOLE));
    assert_ok(context, cae_model_output_shape(&out, &h, &w, model, NULL, CAE_PART_ENCODER, 40, 7));
    ck_assert(out == 8 && h == 36 && w == 3);
    assert_ok(context, cae_model_output_shape(&out, &h, &w, model, NULL, CAE_PART_DECODER, 36, 3));
    ck_assert(out == 3 && h == 40 && w == 7);
    assert_ok(context, cae_model_output_shape(NULL, NULL, NULL, model, NULL, CAE_PART_WHOLE, 9, 9));
    cae_model_destroy(model);
}
END_TEST

/* Without cae_spec_end_encoder, the first half; the odd layer goes to the encoder. */
START_TEST(the_encoder_is_the_first_half)
{
    const int32_t latent[] = {0, 2, 2, 3, 3, 4}; /* channels after the encoder; layer i is i -> i+1 */

    for (int layers = 2; layers <= 5; layers++) {
        cae_spec *spec = empty_spec();
        cae_model *model = NULL;
        int32_t channels = 0;

        for (int i = 1; i <= layers; i++)
            assert_ok(context, cae_spec_add_conv(spec, i, i + 1, NULL));
        assert_ok(context, cae_model_create(&model, context, spec, 1));
        assert_ok(context, cae_model_channels(NULL, &channels, model, NULL, CAE_PART_ENCODER));
        ck_assert_int_eq(channels, latent[layers]);
        assert_ok(context, cae_model_channels(&channels, NULL, model, NULL, CAE_PART_DECODER));
        ck_assert_int_eq(channels, latent[layers]);
        cae_spec_destroy(spec);
        cae_model_destroy(model);
    }
}
END_TEST

START_TEST(a_model_without_a_decoder)
{
    cae_model *model = model_of(false, 1, 1, NULL);
    float x[9] = {0}, y[1];
    int32_t channels;

    fails_saying(CAE_ERR_SHAPE, "decoder",
                 cae_model_channels(&channels, NULL, model, NULL, CAE_PART_DECODER));
    fails_saying(CAE_ERR_SHAPE, "decoder",
                 cae_model_output_shape(&channels, NULL, NULL, model, NULL, CAE_PART_DECODER, 9, 9));
    fails_saying(CAE_ERR_SHAPE, "decoder", cae_model_decode(y, 1, model, NULL, x, 9, 1, 3, 3));
    assert_ok(context, cae_model_encode(y, 1, model, NULL, x, 9, 1, 3, 3));
    cae_model_destroy(model);
}
END_TEST

START_TEST(shapes_out_of_range)
{
    cae_model *model = reference_model(1);
    const int32_t bad_parts[] = {-1, 3, INT32_MAX, INT32_MIN}, bad_sides[] = {0, -1, INT32_MIN};
    int32_t c;

    for (int i = 0; i < COUNT(bad_parts); i++) {
        fails_saying(CAE_ERR_ARGUMENT, "part",
                     cae_model_output_shape(&c, NULL, NULL, model, NULL, bad_parts[i], 9, 9));
        fails_saying(CAE_ERR_ARGUMENT, "part",
                     cae_model_channels(&c, NULL, model, NULL, bad_parts[i]));
    }
    for (int i = 0; i < COUNT(bad_sides); i++) {
        fails_saying(CAE_ERR_ARGUMENT, "1x1",
                     cae_model_output_shape(&c, NULL, NULL, model, NULL, 2, bad_sides[i], 9));
        fails_saying(CAE_ERR_ARGUMENT, "1x1",
                     cae_model_output_shape(&c, NULL, NULL, model, NULL, 2, 9, bad_sides[i]));
    }
    ck_assert_int_eq(cae_model_output_shape(&c, NULL, NULL, NULL, NULL, 2, 9, 9), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_model_channels(&c, NULL, NULL, NULL, 2), CAE_ERR_ARGUMENT);

    /* The text names the layer whose kernel no longer fits: 4 -> 2 -> nothing. */
    fails_saying(CAE_ERR_SHAPE, "layer 1",
                 cae_model_output_shape(&c, NULL, NULL, model, NULL, CAE_PART_WHOLE, 4, 32));
    assert_says(context, "2x30");
    fails_saying(CAE_ERR_SHAPE, "layer 0",
                 cae_model_output_shape(&c, NULL, NULL, model, NULL, CAE_PART_WHOLE, 32, 2));
    cae_model_destroy(model);
}
END_TEST

/* Extents whose products pass 32 bits, and with strides 64; each is a status and not a wrapped size. */
START_TEST(sizes_that_overflow)
{
    static const int32_t sides[][2] = {
        {INT32_MAX, INT32_MAX}, {INT32_MAX, 3}, {3, INT32_MAX}, {1 << 16, 1 << 16},
        {46341, 46341}, {INT32_MAX - 1, INT32_MAX - 1}};
    cae_model *model = reference_model(1), *wide;
    cae_conv_options options = conv_options();
    float x[1] = {0}, y[1] = {7};
    int32_t h = -1;

    for (int i = 0; i < COUNT(sides); i++) {
        fails_saying(CAE_ERR_SHAPE, "layer 0",
                     cae_model_output_shape(NULL, &h, NULL, model, NULL, 2, sides[i][0], sides[i][1]));
        fails(CAE_ERR_SHAPE,
              cae_model_forward(y, 1, model, NULL, x, 1, 1, sides[i][0], sides[i][1]));
    }
    /* eight images side by side: 2^30 2^30 8 is 2^63 */
    fails(CAE_ERR_SHAPE, cae_model_forward(y, 1, model, NULL, x, 1, 8, 1 << 30, 1 << 30));
    fails(CAE_ERR_SHAPE, cae_model_forward(y, 1, model, NULL, x, 1, 9, INT32_MAX, INT32_MAX));
    options.stride_h = options.stride_w = 65535;
    wide = model_of(true, 1, 1, &options);
    fails(CAE_ERR_SHAPE, cae_model_output_shape(NULL, &h, NULL, wide, NULL, 2, INT32_MAX, INT32_MAX));
    fails(CAE_ERR_SHAPE, cae_model_output_shape(NULL, &h, NULL, wide, NULL, 2, 2, 32768));
    cae_model_destroy(wide);
    options = conv_options();
    options.kernel_h = options.kernel_w = 1;
    wide = model_of(false, 4, 1, &options); /* a plane fits, 4 of them are 2^32 */
    fails(CAE_ERR_SHAPE, cae_model_output_shape(NULL, &h, NULL, wide, NULL, 2, 32768, 32768));
    ck_assert_int_eq(h, -1);
    ck_assert(y[0] == 7);
    cae_model_destroy(wide);
    /* 2^31 - 1 values are allowed, but not in a line: what is rounded up to tiles passes an int */
    wide = model_of(false, 1, 1, &options);
    fails_saying(CAE_ERR_SHAPE, "2^30 a side",
                 cae_model_output_shape(NULL, &h, NULL, wide, NULL, 2, INT32_MAX, 1));
    fails_saying(CAE_ERR_SHAPE, "2^30 a side",
                 cae_model_output_shape(NULL, &h, NULL, wide, NULL, 2, 1, (1 << 30) + 1));
    assert_ok(context, cae_model_output_shape(NULL, &h, NULL, wide, NULL, 2, 1 << 30, 1));
    ck_assert_int_eq(h, 1 << 30);
    cae_model_destroy(wide);
    cae_model_destroy(model);
}
END_TEST

/* --- Running --------------------------------------------------------------------------------- */

/* A network with everything in it, on images that are not square. Four layers, two of them encode:
 * [2][H][W] -> [5][P][Q] -> [2][H'][W']. */
static cae_model *rich_model(void)
{
    cae_conv_options options = conv_options();
    cae_spec *spec = empty_spec();
    cae_model *model = NULL;

    options.kernel_w = 5;
    options.padding_h = 1, options.padding_w = 2;
    options.activation = CAE_ACTIVATION_LEAKY_RELU;
    assert_ok(context, cae_spec_add_conv(spec, 2, 9, &options));
    options.stride_h = 2, options.dilation_w = 2;
    options.activation = CAE_ACTIVATION_TANH;
    assert_ok(context, cae_spec_add_conv(spec, 9, 5, &options));
    options.output_padding_h = 1;
    options.activation = CAE_ACTIVATION_RELU;
    assert_ok(context, cae_spec_add_conv_transpose(spec, 5, 7, &options));
    options = conv_options();
    options.kernel_h = options.kernel_w = 1;
    options.activation = CAE_ACTIVATION_SIGMOID;
    assert_ok(context, cae_spec_add_conv_transpose(spec, 7, 2, &options));
    assert_ok(context, cae_model_create(&model, context, spec, 3));
    cae_spec_destroy(spec);
    return model;
}

/* One input with the room for what comes out of it, for a part of a model. */
struct run {
    int32_t count, height, width;
    size_t in, out; /* values of one image */
    float *x, *y;
};

static struct run run_new(const cae_model *model, int32_t part, int32_t count, int32_t height,
                          int32_t width)
{
    struct run run = {count, height, width, 0, 0, NULL, NULL};
    int32_t in, c, h, w;

    assert_ok(context, cae_model_channels(&in, NULL, model, NULL, part));
    assert_ok(context, cae_model_output_shape(&c, &h, &w, model, NULL, part, height, width));
    run.in = (size_t)(in * height * width);
    run.out = (size_t)(c * h * w);
    run.x = new_floats(run.in * (size_t)count);
    run.y = guarded_floats(run.out * (size_t)count);
    random_floats((uint64_t)(height * 1000 + width), run.x, run.in * (size_t)count, -1, 1);
    return run;
}

static void run_free(struct run *run, const char *what)
{
    guarded_finish(run->y, what);
    free(run->x);
}

static void run_forward(const struct run *run, const cae_model *model, cae_context *lent)
{
    assert_ok(context, cae_model_forward(run->y, run->out * (size_t)run->count, model, lent,
                                         run->x, run->in * (size_t)run->count, run->count,
                                         run->height, run->width));
}

static const int32_t counts[] = {1, 3, 8, 9, 17};
static const int32_t sizes[][2] = {{5, 9}, {9, 5}, {3, 40}, {40, 5}, {16, 16}, {1, 5}, {61, 47}};

/* However many images come in one call, each gives what it gives alone. Products are summed in
 * another order when images are interleaved, by up to 225 terms of size 1: 1e-5 is 80 rounding
 * errors of a float. */
START_TEST(images_do_not_depend_on_their_neighbours)
{
    const int32_t height = sizes[_i][0], width = sizes[_i][1];
    cae_model *model = rich_model();

    for (int k = 0; k < COUNT(counts); k++) {
        struct run all = run_new(model, CAE_PART_WHOLE, counts[k], height, width);

        run_forward(&all, model, NULL);
        for (int32_t i = 0; i < counts[k]; i++) {
            struct run one = run_new(model, CAE_PART_WHOLE, 1, height, width);

            memcpy(one.x, all.x + (size_t)i * all.in, all.in * sizeof(float));
            run_forward(&one, model, NULL);
            assert_close(all.y + (size_t)i * all.out, one.y, all.out, 0, 1e-5, "one of a batch");
            run_free(&one, "one image");
        }
        run_free(&all, "a batch");
    }
    cae_model_destroy(model);
}
END_TEST

START_TEST(decoding_what_was_encoded_is_forward)
{
    const int32_t height = sizes[_i][0], width = sizes[_i][1];
    cae_model *model = rich_model();
    int32_t h, w;

    assert_ok(context,
              cae_model_output_shape(NULL, &h, &w, model, NULL, CAE_PART_ENCODER, height, width));
    for (int k = 0; k < COUNT(counts); k++) {
        const size_t n = (size_t)counts[k];
        struct run whole = run_new(model, CAE_PART_WHOLE, counts[k], height, width);
        struct run first = run_new(model, CAE_PART_ENCODER, counts[k], height, width);
        struct run second = run_new(model, CAE_PART_DECODER, counts[k], h, w);

        run_forward(&whole, model, NULL);
        assert_ok(context, cae_model_encode(first.y, first.out * n, model, NULL, whole.x,
                                            whole.in * n, counts[k], height, width));
        assert_ok(context, cae_model_decode(second.y, second.out * n, model, NULL, first.y,
                                            first.out * n, counts[k], h, w));
        ck_assert_int_eq(memcmp(second.y, whole.y, whole.out * n * sizeof(float)), 0);
        run_free(&whole, "forward");
        run_free(&first, "encode");
        run_free(&second, "decode");
    }
    cae_model_destroy(model);
}
END_TEST

/* Scratch memory grows and is used again: a large image must leave nothing to a small one. */
START_TEST(calls_leave_nothing_behind)
{
    cae_model *model = rich_model();
    struct run small = run_new(model, CAE_PART_WHOLE, 1, 7, 5);
    struct run large = run_new(model, CAE_PART_WHOLE, 9, 33, 35);
    float *first = new_floats(small.out);

    run_forward(&small, model, NULL);
    memcpy(first, small.y, small.out * sizeof(float));
    run_forward(&large, model, NULL);
    run_forward(&small, model, NULL);
    ck_assert_int_eq(memcmp(first, small.y, small.out * sizeof(float)), 0);
    free(first);
    run_free(&small, "small");
    run_free(&large, "large");
    cae_model_destroy(model);
}
END_TEST

/* A lent context gives threads, scratch memory and the error text; the model's own gives nothing. */
START_TEST(another_context_can_be_lent)
{
    struct heap lent_heap = HEAP;
    cae_context *lent = heap_context(&lent_heap, 3);
    cae_model *model = rich_model();
    struct run run = run_new(model, CAE_PART_WHOLE, 17, 12, 13);
    float *own = new_floats(17 * run.out);
    long requests;

    run_forward(&run, model, NULL);
    memcpy(own, run.y, 17 * run.out * sizeof(float));
    requests = atomic_load(&heap.requests);
    memset(run.y, 0, 17 * run.out * sizeof(float));
    run_forward(&run, model, lent);
    ck_assert_int_eq(memcmp(own, run.y, 17 * run.out * sizeof(float)), 0);
    ck_assert_int_eq(atomic_load(&heap.requests), requests);
    ck_assert_int_gt(atomic_load(&lent_heap.requests), 1);
    free(own);
    run_free(&run, "in another context");
    cae_model_destroy(model);
    cae_context_destroy(lent);
    assert_balanced(&lent_heap, "the lent context");
}
END_TEST

struct user {
    const cae_model *model;
    const struct run *run;
    bool same;
};

static void *use_model(void *argument)
{
    struct user *user = argument;
    const struct run *run = user->run;
    const size_t n = (size_t)run->count * run->out;
    float *y = malloc(n * sizeof *y);
    cae_context *own = NULL;

    user->same = y && cae_context_create(&own, NULL) == CAE_OK;
    for (int i = 0; i < 20 && user->same; i++)
        user->same = cae_model_forward(y, n, user->model, own, run->x,
                                       (size_t)run->count * run->in, run->count, run->height,
                                       run->width) == CAE_OK &&
                     memcmp(y, run->y, n * sizeof *y) == 0;
    cae_context_destroy(own);
    free(y);
    return NULL;
}

START_TEST(many_threads_use_one_model)
{
    cae_model *model = rich_model();
    struct run run = run_new(model, CAE_PART_WHOLE, 9, 12, 13);
    struct user users[4];
    pthread_t threads[4];

    run_forward(&run, model, NULL);
    for (int i = 0; i < 4; i++) {
        users[i] = (struct user){model, &run, false};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_model, &users[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert(users[i].same);
    }
    run_free(&run, "alone");
    cae_model_destroy(model);
}
END_TEST

START_TEST(no_images_are_fine)
{
    cae_model *model = reference_model(1);
    float y[1] = {7};

    assert_ok(context, cae_model_forward(NULL, 0, model, NULL, NULL, 0, 0, 32, 32));
    assert_ok(context, cae_model_encode(NULL, 0, model, NULL, NULL, 0, 0, 32, 32));
    assert_ok(context, cae_model_decode(y, 0, model, NULL, y, 0, 0, 28, 28));
    fails(CAE_ERR_SHAPE, cae_model_forward(y, 1, model, NULL, NULL, 0, 0, 32, 32));
    fails(CAE_ERR_SHAPE, cae_model_forward(NULL, 0, model, NULL, y, 1, 0, 32, 32));
    ck_assert(y[0] == 7);
    cae_model_destroy(model);
}
END_TEST

typedef cae_status (*run_call)(float *, size_t, const cae_model *, cae_context *, const float *,
                               size_t, int64_t, int32_t, int32_t);

/* Each of the three calls, on two images that fit it, with one argument wrong at a time. */
static const struct {
    run_call call;
    int32_t height, width;
    size_t in, out;
} calls[] = {
    {cae_model_forward, 6, 7, 2 * 3 * 6 * 7, 2 * 3 * 6 * 7},
    {cae_model_encode, 6, 7, 2 * 3 * 6 * 7, 2 * 8 * 2 * 3},
    {cae_model_decode, 2, 3, 2 * 8 * 2 * 3, 2 * 3 * 6 * 7},
};

START_TEST(running_with_wrong_arguments)
{
    const run_call call = calls[_i].call;
    const int32_t h = calls[_i].height, w = calls[_i].width;
    const size_t in = calls[_i].in, out = calls[_i].out;
    cae_model *model = reference_model(1);
    float *x = new_floats(in), *y = new_floats(out);

    assert_ok(context, call(y, out, model, NULL, x, in, 2, h, w));
    memset(y, 0, out * sizeof *y);
    ck_assert_int_eq(call(y, out, NULL, NULL, x, in, 2, h, w), CAE_ERR_ARGUMENT);
    fails_saying(CAE_ERR_ARGUMENT, "model", call(y, out, NULL, context, x, in, 2, h, w));
    fails_saying(CAE_ERR_ARGUMENT, "output", call(NULL, out, model, NULL, x, in, 2, h, w));
    fails_saying(CAE_ERR_ARGUMENT, "input", call(y, out, model, NULL, NULL, in, 2, h, w));
    fails_saying(CAE_ERR_ARGUMENT, "-1", call(y, out, model, NULL, x, in, -1, h, w));
    fails(CAE_ERR_ARGUMENT, call(y, out, model, NULL, x, in, INT64_MIN, h, w));
    fails_saying(CAE_ERR_ARGUMENT, "1x1", call(y, out, model, NULL, x, in, 2, 0, w));
    fails_saying(CAE_ERR_ARGUMENT, "1x1", call(y, out, model, NULL, x, in, 2, h, -5));
    for (size_t i = 0; i < out; i++)
        ck_assert(y[i] == 0);
    free(x);
    free(y);
    cae_model_destroy(model);
}
END_TEST

/* Both arrays must be as long as the images say. */
START_TEST(running_on_arrays_of_the_wrong_length)
{
    const run_call call = calls[_i].call;
    const int32_t h = calls[_i].height, w = calls[_i].width;
    const size_t in = calls[_i].in, out = calls[_i].out;
    const int64_t counts_of_others[] = {0, 1, 3, (int64_t)1 << 62, INT64_MAX};
    cae_model *model = reference_model(1);
    float *x = new_floats(in), *y = new_floats(out);
    char found[32];

    snprintf(found, sizeof found, "output has %zu", out - 1);
    fails_saying(CAE_ERR_SHAPE, found, call(y, out - 1, model, NULL, x, in, 2, h, w));
    assert_says(context, "expected 2 x");
    fails(CAE_ERR_SHAPE, call(y, out + 1, model, NULL, x, in, 2, h, w));
    fails(CAE_ERR_SHAPE, call(y, 0, model, NULL, x, in, 2, h, w));
    fails(CAE_ERR_SHAPE, call(y, SIZE_MAX, model, NULL, x, in, 2, h, w));
    snprintf(found, sizeof found, "input has %zu", in - 1);
    fails_saying(CAE_ERR_SHAPE, found, call(y, out, model, NULL, x, in - 1, 2, h, w));
    assert_says(context, "expected 2 x");
    fails(CAE_ERR_SHAPE, call(y, out, model, NULL, x, in + 1, 2, h, w));
    fails(CAE_ERR_SHAPE, call(y, out, model, NULL, x, 0, 2, h, w));
    fails(CAE_ERR_SHAPE, call(y, out, model, NULL, x, SIZE_MAX, 2, h, w));
    for (int i = 0; i < COUNT(counts_of_others); i++)
        fails(CAE_ERR_SHAPE, call(y, out, model, NULL, x, in, counts_of_others[i], h, w));
    for (size_t i = 0; i < out; i++)
        ck_assert(y[i] == 0);
    free(x);
    free(y);
    cae_model_destroy(model);
}
END_TEST

START_TEST(images_too_small_for_the_kernels)
{
    cae_model *model = reference_model(1);
    float x[3 * 32 * 4] = {0}, y[3 * 32 * 4];

    fails_saying(CAE_ERR_SHAPE, "layer 1",
                 cae_model_forward(y, 3 * 32 * 4, model, NULL, x, 3 * 32 * 4, 1, 32, 4));
    fails_saying(CAE_ERR_SHAPE, "layer 0",
                 cae_model_encode(y, 3 * 2 * 2, model, NULL, x, 12, 1, 2, 2));
    assert_ok(context, /* the smallest */
              cae_model_forward(y, 3 * 5 * 5, model, NULL, x, 3 * 5 * 5, 1, 5, 5));
    cae_model_destroy(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spec and model");
    TCase *specs = tcase_create("descriptions");
    TCase *models = tcase_create("models");
    TCase *shapes = tcase_create("shapes");
    TCase *running = tcase_create("running");

    tcase_add_checked_fixture(specs, setup, teardown);
    tcase_add_loop_test(specs, option_fields_out_of_range, 0, COUNT(bad_fields));
    tcase_add_loop_test(specs, slope_is_finite_and_not_negative, 0, COUNT(bad_slopes));
    tcase_add_test(specs, output_padding_has_its_place_and_its_bound);
    tcase_add_loop_test(specs, channels_out_of_range, 0, COUNT(bad_channels));
    tcase_add_loop_test(specs, layers_with_too_many_weights, 0, COUNT(too_large));
    tcase_add_test(specs, a_model_larger_than_memory);
    tcase_add_test(specs, layers_must_fit_together);
    tcase_add_test(specs, a_failed_call_changes_nothing);
    tcase_add_test(specs, the_encoder_ends_once_and_not_at_the_start);
    tcase_add_test(specs, an_empty_description_makes_no_model);
    tcase_add_test(specs, null_where_a_description_or_model_is_made);
    suite_add_tcase(suite, specs);

    tcase_add_checked_fixture(models, setup, teardown);
    tcase_add_test(models, reference_network);
    tcase_add_test(models, names_and_shapes_are_those_of_pytorch);
    tcase_add_test(models, a_model_does_not_follow_its_description);
    tcase_add_test(models, a_hundred_layers);
    tcase_add_test(models, initial_weights_are_a_function_of_the_seed);
    tcase_add_test(models, tensors_can_be_read_and_written);
    tcase_add_loop_test(models, a_value_that_is_not_finite_is_refused, 0, COUNT(not_finite));
    tcase_add_test(models, tensors_that_do_not_fit);
    tcase_add_test(models, null_where_tensors_are_named);
    suite_add_tcase(suite, models);

    tcase_add_checked_fixture(shapes, setup, teardown);
    tcase_add_loop_test(shapes, output_shapes_are_those_of_the_definition, 0, COUNT(geometries));
    tcase_add_test(shapes, parts_of_a_model);
    tcase_add_test(shapes, the_encoder_is_the_first_half);
    tcase_add_test(shapes, a_model_without_a_decoder);
    tcase_add_test(shapes, shapes_out_of_range);
    tcase_add_test(shapes, sizes_that_overflow);
    suite_add_tcase(suite, shapes);

    tcase_set_timeout(running, 60);
    tcase_add_checked_fixture(running, setup, teardown);
    tcase_add_loop_test(running, images_do_not_depend_on_their_neighbours, 0, COUNT(sizes));
    tcase_add_loop_test(running, decoding_what_was_encoded_is_forward, 0, COUNT(sizes));
    tcase_add_test(running, calls_leave_nothing_behind);
    tcase_add_test(running, another_context_can_be_lent);
    tcase_add_test(running, many_threads_use_one_model);
    tcase_add_test(running, no_images_are_fine);
    tcase_add_loop_test(running, running_with_wrong_arguments, 0, COUNT(calls));
    tcase_add_loop_test(running, running_on_arrays_of_the_wrong_length, 0, COUNT(calls));
    tcase_add_test(running, images_too_small_for_the_kernels);
    suite_add_tcase(suite, running);
    return test_main(suite);
}
