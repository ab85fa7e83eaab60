/* test_residual.c - networks with a residual connection, y = x + f(x), against the double-precision
 * definition in tests/ref: running them in blocks, alone and in tiles, training them on what the
 * trainer draws (noise of its own strength for each image, mirrored, flipped and transposed), and
 * judging them. The draws are written a second time here. */
#include "api.h"

#include "../ref/ref.h"

#include <math.h>

#define FORWARD_TOLERANCE 5e-6  /* of the largest value, as docs/numerics.md has it for layers */
#define GRADIENT_TOLERANCE 1e-5 /* and for networks */

/* --- Networks that give the size of an image back ---------------------------------------------- */

static const struct network {
    const char *name;
    int count;
    struct ref_conv layers[REF_LAYERS];
} networks[] = {
    {"one layer", 1, {{.in_c = 1, .out_c = 1, .kernel_h = 3, .kernel_w = 3, .stride_h = 1, .stride_w = 1,
                       .padding_h = 1, .padding_w = 1, .dilation_h = 1, .dilation_w = 1}}},
    {"reference", 4,
     {{.in_c = 3, .out_c = 8, .kernel_h = 3, .kernel_w = 3, .stride_h = 1, .stride_w = 1,
       .dilation_h = 1, .dilation_w = 1, .activation = REF_RELU},
      {.in_c = 8, .out_c = 8, .kernel_h = 3, .kernel_w = 3, .stride_h = 1, .stride_w = 1,
       .dilation_h = 1, .dilation_w = 1, .activation = REF_RELU},
      {.in_c = 8, .out_c = 8, .kernel_h = 3, .kernel_w = 3, .stride_h = 1, .stride_w = 1,
       .dilation_h = 1, .dilation_w = 1, .transposed = 1, .activation = REF_RELU},
      {.in_c = 8, .out_c = 3, .kernel_h = 3, .kernel_w = 3, .stride_h = 1, .stride_w = 1,
       .dilation_h = 1, .dilation_w = 1, .transposed = 1}}},
    {"strided", 2,
     {{.in_c = 2, .out_c = 5, .kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2, .padding_h = 1,
       .padding_w = 1, .dilation_h = 1, .dilation_w = 1, .activation = REF_LEAKY_RELU, .slope = 0.2},
      {.in_c = 5, .out_c = 2, .kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2, .padding_h = 1,
       .padding_w = 1, .dilation_h = 1, .dilation_w = 1, .output_padding_h = 1, .output_padding_w = 1,
       .transposed = 1}}},
    {"nothing square", 3,
     {{.in_c = 2, .out_c = 4, .kernel_h = 3, .kernel_w = 5, .stride_h = 1, .stride_w = 1, .padding_h = 2,
       .padding_w = 2, .dilation_h = 2, .dilation_w = 1, .activation = REF_TANH},
      {.in_c = 4, .out_c = 3, .kernel_h = 1, .kernel_w = 1, .stride_h = 1, .stride_w = 1,
       .dilation_h = 1, .dilation_w = 1, .activation = REF_SIGMOID},
      {.in_c = 3, .out_c = 2, .kernel_h = 3, .kernel_w = 3, .stride_h = 1, .stride_w = 1, .padding_h = 1,
       .padding_w = 1, .dilation_h = 1, .dilation_w = 1, .transposed = 1}}},
};

/* The strided one gives even sides back only. */
static const int32_t sizes[][2] = {{6, 10}, {16, 16}, {40, 6}};
static const int32_t counts[] = {1, 3, 8, 9, 17};

enum { NETWORKS = COUNT(networks), ENGINES = CAE_ENGINE_DIRECT + 1 };

static cae_context *context_with(int32_t engine, int threads)
{
    cae_context_options options;
    cae_context *context = NULL;

    ck_assert_int_eq(cae_context_options_init(&options, sizeof options), CAE_OK);
    options.engine = engine;
    options.threads = threads;
    ck_assert_int_eq(cae_context_create(&context, &options), CAE_OK);
    return context;
}

static cae_spec *spec_of(cae_context *context, const struct network *n, int32_t residual)
{
    cae_spec *spec;

    assert_ok(context, cae_spec_create(&spec, context));
    assert_ok(context, cae_spec_set_residual(spec, residual)); /* before its layers, or after */
    for (int i = 0; i < n->count; i++) {
        const struct ref_conv *l = &n->layers[i];
        cae_conv_options o;

        assert_ok(context, cae_conv_options_init(&o, sizeof o));
        o.kernel_h = l->kernel_h, o.kernel_w = l->kernel_w;
        o.stride_h = l->stride_h, o.stride_w = l->stride_w;
        o.padding_h = l->padding_h, o.padding_w = l->padding_w;
        o.dilation_h = l->dilation_h, o.dilation_w = l->dilation_w;
        o.output_padding_h = l->output_padding_h, o.output_padding_w = l->output_padding_w;
        o.activation = l->activation, o.slope = l->slope;
        assert_ok(context, (l->transposed ? cae_spec_add_conv_transpose : cae_spec_add_conv)(
                               spec, l->in_c, l->out_c, &o));
    }
    return spec;
}

static cae_model *model_of(cae_context *context, const struct network *n, int32_t residual)
{
    cae_spec *spec = spec_of(context, n, residual);
    cae_model *model;

    assert_ok(context, cae_model_create(&model, context, spec, 5));
    cae_spec_destroy(spec);
    return model;
}

/* --- The definition of such a model ------------------------------------------------------------ */

struct slow {
    struct ref_chain chain;
    double *w[REF_LAYERS], *b[REF_LAYERS], *dw[REF_LAYERS], *db[REF_LAYERS];
};

/* Tensors come as each layer's weight, then its bias. */
static double *parameter(cae_context *context, const cae_model *model, int index, size_t n)
{
    float *values = new_floats(n);
    double *copy = new_doubles(n);

    assert_ok(context,
              cae_model_get_tensor(values, n, model, cae_model_tensor_name(model, index)));
    for (size_t i = 0; i < n; i++)
        copy[i] = (double)values[i];
    free(values);
    return copy;
}

static void slow_init(struct slow *s, cae_context *context, const cae_model *model,
                      const struct network *n, int height, int width)
{
    *s = (struct slow){.chain = {.count = n->count, .residual = cae_model_residual(model)}};
    for (int i = 0; i < n->count; i++) {
        struct ref_conv *l = &s->chain.layers[i];

        *l = n->layers[i];
        l->in_h = height, l->in_w = width;
        height = ref_out_h(l), width = ref_out_w(l);
        s->w[i] = parameter(context, model, 2 * i, ref_weight_len(l));
        s->b[i] = parameter(context, model, 2 * i + 1, (size_t)l->out_c);
        s->chain.w[i] = s->w[i], s->chain.b[i] = s->b[i];
        s->dw[i] = new_doubles(ref_weight_len(l));
        s->db[i] = new_doubles((size_t)l->out_c);
    }
}

static void slow_free(struct slow *s)
{
    for (int i = 0; i < s->chain.count; i++)
        free(s->w[i]), free(s->b[i]), free(s->dw[i]), free(s->db[i]);
}

static double *widened(const float *values, size_t n)
{
    double *wide = new_doubles(n);

    for (size_t i = 0; i < n; i++)
        wide[i] = (double)values[i];
    return wide;
}

/* --- Forward ------------------------------------------------------------------------------------ */

static void judge(const char *what, const struct network *n, int engine, double error, double most)
{
    if (test_verbose())
        printf("%-14s engine %d  %-10s %.1e of %.0e\n", n->name, engine, what, error, most);
    if (!(error <= most))
        ck_abort_msg("%s, engine %d: %s is off by %.3g, allowed is %.3g", n->name, engine, what, error,
                     most);
}

static void check_forward(cae_context *context, int engine, const struct network *n, int32_t count,
                          int32_t height, int32_t width)
{
    cae_model *model = model_of(context, n, 1);
    struct slow slow;
    const size_t image = (size_t)(n->layers[0].in_c * height * width), all = image * (size_t)count;
    float *x = new_floats(all), *y = guarded_floats(all);
    double *expected = new_doubles(all), *wide;

    random_floats(3, x, all, -1, 1);
    wide = widened(x, all);
    slow_init(&slow, context, model, n, height, width);
    ck_assert_uint_eq(ref_out_len(&slow.chain.layers[n->count - 1]), image);
    for (size_t i = 0; i < all; i += image)
        ref_chain_forward(expected + i, &slow.chain, wide + i);
    assert_ok(context, cae_model_forward(y, all, model, NULL, x, all, count, height, width));
    judge("forward", n, engine, relative_error_ref(y, expected, all), FORWARD_TOLERANCE);
    guarded_finish(y, "forward");
    slow_free(&slow);
    free(x), free(expected), free(wide);
    cae_model_destroy(model);
}

START_TEST(forward_is_the_definition)
{
    const struct network *n = &networks[_i % NETWORKS];
    cae_context *context = context_with(_i / NETWORKS, 3);

    for (int s = 0; s < COUNT(sizes); s++)
        for (int c = 0; c < COUNT(counts); c++)
            check_forward(context, _i / NETWORKS, n, counts[c], sizes[s][0], sizes[s][1]);
    cae_context_destroy(context);
}
END_TEST

/* More than 256x256 pixels: in tiles, whose edges fall anywhere. */
START_TEST(tiles_are_the_definition)
{
    static const int chosen[] = {0, 2, 3};
    const int engine = _i % ENGINES;
    cae_context *context = context_with(engine, 2);

    check_forward(context, engine, &networks[chosen[_i / ENGINES]], 1 + _i % 2, 258, 260);
    cae_context_destroy(context);
}
END_TEST

/* A layer on one image of one pixel, with nothing around it but zeros. */
START_TEST(one_pixel)
{
    cae_context *context = context_with(_i, 1);

    check_forward(context, _i, &networks[0], 1, 1, 1);
    check_forward(context, _i, &networks[0], 11, 1, 1);
    cae_context_destroy(context);
}
END_TEST

/* The input is added to the bit where f is 0, and encoder and decoder do not add it. */
START_TEST(parts_run_their_layers_only)
{
    enum { SIDE = 8, IMAGES = 9, FLOATS = IMAGES * 3 * SIDE * SIDE };
    cae_context *context = context_with(_i, 2);
    cae_model *with = model_of(context, &networks[1], 1), *without = model_of(context, &networks[1], 0);
    int32_t c, h, w;
    float x[FLOATS], y[FLOATS], z[FLOATS], zeros[216] = {0};

    ck_assert_int_eq(cae_model_residual(with), 1);
    ck_assert_int_eq(cae_model_residual(without), 0);
    ck_assert_int_eq(cae_model_residual(NULL), 0);
    for (int i = 6; i < 8; i++) { /* the last layer begins differently */
        const size_t n = i == 6 ? COUNT(zeros) : 3;
        float values[COUNT(zeros)];
        assert_ok(context, cae_model_get_tensor(values, n, with, cae_model_tensor_name(with, i)));
        assert_ok(context, cae_model_set_tensor(without, cae_model_tensor_name(with, i), values, n));
    }
    random_floats(1, x, FLOATS, -1, 1);
    assert_ok(context, cae_model_output_shape(&c, &h, &w, with, NULL, CAE_PART_ENCODER, SIDE, SIDE));
    const size_t latents = (size_t)(IMAGES * c * h * w);
    float *a = new_floats(latents), *b = new_floats(latents);
    assert_ok(context, cae_model_encode(a, latents, with, NULL, x, FLOATS, IMAGES, SIDE, SIDE));
    assert_ok(context, cae_model_encode(b, latents, without, NULL, x, FLOATS, IMAGES, SIDE, SIDE));
    ck_assert_int_eq(memcmp(a, b, latents * sizeof *a), 0);
    assert_ok(context, cae_model_decode(y, FLOATS, with, NULL, a, latents, IMAGES, h, w));
    assert_ok(context, cae_model_forward(z, FLOATS, without, NULL, x, FLOATS, IMAGES, SIDE, SIDE));
    ck_assert_int_eq(memcmp(y, z, sizeof y), 0); /* encoded and decoded again is f(x) */
    assert_ok(context, cae_model_forward(z, FLOATS, with, NULL, x, FLOATS, IMAGES, SIDE, SIDE));
    for (int i = 0; i < FLOATS; i++)
        ck_assert(z[i] == y[i] + x[i]);

    assert_ok(context, cae_model_set_tensor(with, "6.weight", zeros, 216));
    assert_ok(context, cae_model_set_tensor(with, "6.bias", zeros, 3));
    assert_ok(context, cae_model_forward(z, FLOATS, with, NULL, x, FLOATS, IMAGES, SIDE, SIDE));
    ck_assert_int_eq(memcmp(z, x, sizeof x), 0);
    free(a), free(b);
    cae_model_destroy(with);
    cae_model_destroy(without);
    cae_context_destroy(context);
}
END_TEST

/* The last layer begins at a tenth of what it would be, all others as ever. */
START_TEST(the_last_layer_begins_small)
{
    cae_context *context = context_with(0, 1);

    for (int n = 0; n < NETWORKS; n++) {
        cae_model *with = model_of(context, &networks[n], 1), *without = model_of(context, &networks[n], 0);
        const int tensors = cae_model_tensor_count(with);

        for (int i = 0; i < tensors; i++) {
            const char *name = cae_model_tensor_name(with, i);
            int64_t shape[4];

            assert_ok(context, cae_model_tensor_shape(shape, NULL, with, name));
            const size_t count = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
            double *a = parameter(context, with, i, count), *b = parameter(context, without, i, count);
            for (size_t k = 0; k < count; k++)
                ck_assert_double_eq_tol(a[k], i < tensors - 2 ? b[k] : 0.1 * b[k], 1e-8);
            free(a), free(b);
        }
        cae_model_destroy(with);
        cae_model_destroy(without);
    }
    cae_context_destroy(context);
}
END_TEST

/* --- What is refused ---------------------------------------------------------------------------- */

START_TEST(what_cannot_be_added_is_refused)
{
    cae_context *context = context_with(0, 1), *other = context_with(0, 1);
    cae_conv_options o;
    cae_spec *spec = NULL;
    cae_model *model = NULL;
    float x[20], y[20];
    int32_t c = 7, h = 7, w = 7;

    ck_assert_int_eq(cae_spec_set_residual(NULL, 1), CAE_ERR_ARGUMENT);
    assert_ok(context, cae_spec_create(&spec, context));
    assert_fails(context, CAE_ERR_ARGUMENT, cae_spec_set_residual(spec, 2));
    assert_says(context, "residual is 2");
    assert_fails(context, CAE_ERR_ARGUMENT, cae_spec_set_residual(spec, -1));

    /* channels; said in the context that the model was to be made in */
    assert_ok(context, cae_spec_set_residual(spec, 1));
    assert_ok(context, cae_spec_add_conv(spec, 1, 2, NULL));
    assert_fails(other, CAE_ERR_SHAPE, cae_model_create(&model, other, spec, 1));
    assert_says(other, "1 channels to the 2 of layer 0");
    ck_assert_ptr_null(model);
    assert_says(context, "residual is -1");

    /* the last activation; with 0 there is no residual connection to refuse it for */
    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    o.activation = CAE_ACTIVATION_TANH;
    assert_ok(context, cae_spec_add_conv_transpose(spec, 2, 1, &o));
    assert_fails(context, CAE_ERR_SHAPE, cae_model_create(&model, context, spec, 1));
    assert_says(context, "layer 1 (ConvTranspose 2->1): activation is 3, expected CAE_ACTIVATION_NONE");
    assert_ok(context, cae_spec_set_residual(spec, 0));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    ck_assert_int_eq(cae_model_residual(model), 0);
    cae_model_destroy(model);
    cae_spec_destroy(spec);

    /* sizes: 4x5 comes back from the strided network as 4x6 */
    model = model_of(context, &networks[2], 1);
    assert_fails(context, CAE_ERR_SHAPE,
                 cae_model_output_shape(&c, &h, &w, model, NULL, CAE_PART_WHOLE, 4, 5));
    assert_says(context, "input of 4x5 to an output of 4x6");
    assert_fails(context, CAE_ERR_SHAPE, cae_model_forward(y, 20, model, NULL, x, 20, 1, 4, 5));
    assert_says(context, "input of 4x5 to an output of 4x6");
    assert_ok(context, cae_model_output_shape(&c, &h, &w, model, NULL, CAE_PART_ENCODER, 4, 5));
    ck_assert(c == 5 && h == 2 && w == 3);
    assert_ok(context, cae_model_output_shape(&c, &h, &w, model, NULL, CAE_PART_WHOLE, 4, 6));
    ck_assert(c == 2 && h == 4 && w == 6);
    cae_model_destroy(model);
    cae_context_destroy(context);
    cae_context_destroy(other);
}
END_TEST

/* --- Training ----------------------------------------------------------------------------------- */

/* Draws as docs/numerics.md has them. */
static uint32_t draw(uint64_t seed, uint32_t purpose, uint32_t epoch, uint32_t image)
{
    const uint64_t id = (uint64_t)epoch << 40 | image;
    uint32_t counter[4] = {0, (uint32_t)id, (uint32_t)(id >> 32), purpose};

    philox(counter, seed);
    return counter[0];
}

/* Value (y, x) of the image as it lies in the batch, taken from where it was. */
static float lying(const float *plane, int height, int width, uint32_t way, int y, int x)
{
    const int a = way & CAE_AUGMENT_FLIP ? height - 1 - y : y;
    const int b = way & CAE_AUGMENT_MIRROR ? width - 1 - x : x;

    return way & CAE_AUGMENT_TRANSPOSE ? plane[b * width + a] : plane[a * width + b];
}

enum { IMAGES = 11, MOST_CHANNELS = 3 };

/* What the slow definition makes of all images of an epoch: the loss, and the gradients in `slow`. */
static double slow_epoch(struct slow *slow, const cae_trainer_options *o, uint32_t epoch,
                         const float *images, int channels, int height, int width)
{
    const int plane = height * width;
    const size_t length = (size_t)(channels * plane);
    float *clean = new_floats(length), *noisy = new_floats(length);
    double *y = new_doubles(length), *dy = new_doubles(length), loss = 0;
    const double delta = o->loss == CAE_LOSS_CHARBONNIER ? o->epsilon > 0 ? o->epsilon : 1e-3
                                                         : o->huber_delta;

    for (uint32_t i = 0; i < IMAGES; i++) {
        const uint32_t way = draw(o->seed, 6, epoch, i) & (uint32_t)o->augment;
        const double u = (draw(o->seed, 5, epoch, i) >> 8) * 0x1p-24;
        const double sigma = o->noise_sigma_max > 0
                                 ? o->noise_sigma + (o->noise_sigma_max - o->noise_sigma) * u
                                 : o->noise_sigma;
        double *x, *target;

        for (int c = 0; c < channels; c++)
            for (int at = 0; at < plane; at++)
                clean[c * plane + at] = lying(images + (size_t)i * length + c * plane, height, width, way,
                                              at / width, at % width);
        memcpy(noisy, clean, length * sizeof *noisy);
        ck_assert_int_eq(cae_add_noise(noisy, length, sigma, o->seed, epoch, i), CAE_OK);
        x = widened(noisy, length);
        target = widened(clean, length);
        ref_chain_forward(y, &slow->chain, x);
        loss += ref_loss(dy, o->loss, delta, y, target, length) / IMAGES;
        for (size_t k = 0; k < length; k++)
            dy[k] /= IMAGES;
        ref_chain_backward(slow->dw, slow->db, &slow->chain, x, dy);
        free(x), free(target);
    }
    free(clean), free(noisy), free(y), free(dy);
    return loss;
}

/* All of it at once: every loss, engine and network, images that are square and others, and two
 * epochs, so that the second draws anew. Steps are too small to change a parameter. */
static void check_training(int engine, const struct network *n, int32_t loss, int height, int width)
{
    cae_context *context = context_with(engine, 2);
    cae_model *model = model_of(context, n, 1);
    const int channels = n->layers[0].in_c;
    const size_t all = (size_t)(IMAGES * channels * height * width);
    float *images = new_floats(all);
    cae_optimizer_options still;
    cae_trainer_options o;
    cae_dataset_options floats;
    cae_optimizer *optimizer;
    cae_dataset *dataset;
    cae_trainer *trainer;

    random_floats(7, images, all, -1, 1);
    assert_ok(context, cae_dataset_options_init(&floats, sizeof floats));
    floats.type = CAE_TYPE_F32;
    assert_ok(context, cae_dataset_create(&dataset, context, images, all * sizeof *images, IMAGES,
                                          channels, height, width, &floats));
    assert_ok(context, cae_optimizer_options_init(&still, sizeof still));
    still.kind = CAE_OPTIMIZER_SGD, still.learning_rate = 1e-30;
    assert_ok(context, cae_trainer_options_init(&o, sizeof o));
    o.seed = UINT64_C(0xfedcba9876543210);
    o.batch = IMAGES; /* a block of eight and three more */
    o.loss = loss, o.huber_delta = 0.5, o.epsilon = height == width ? 0 : 0.2;
    o.noise_sigma = 0.1, o.noise_sigma_max = 0.4;
    o.augment = CAE_AUGMENT_MIRROR | CAE_AUGMENT_FLIP | (height == width ? CAE_AUGMENT_TRANSPOSE : 0);
    assert_ok(context, cae_optimizer_create(&optimizer, model, &still));
    assert_ok(context, cae_trainer_create(&trainer, model, optimizer, dataset, &o));
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        cae_progress progress;
        struct slow slow;

        assert_ok(context, cae_progress_init(&progress, sizeof progress));
        assert_ok(context, cae_trainer_step(&progress, trainer));
        slow_init(&slow, context, model, n, height, width);
        const double expected = slow_epoch(&slow, &o, epoch, images, channels, height, width);
        judge("loss", n, engine, fabs(progress.loss / expected - 1), GRADIENT_TOLERANCE);
        for (int i = 0; i < 2 * n->count; i++) {
            const size_t values = i % 2 ? (size_t)n->layers[i / 2].out_c
                                        : ref_weight_len(&slow.chain.layers[i / 2]);
            float *found = guarded_floats(values);

            assert_ok(context, cae_trainer_get_gradient(found, values, trainer,
                                                        cae_model_tensor_name(model, i)));
            judge("gradient", n, engine,
                  relative_error_ref(found, i % 2 ? slow.db[i / 2] : slow.dw[i / 2], values),
                  GRADIENT_TOLERANCE);
            guarded_finish(found, "a gradient");
        }
        slow_free(&slow);
    }
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(optimizer);
    cae_dataset_destroy(dataset);
    cae_model_destroy(model);
    cae_context_destroy(context);
    free(images);
}

START_TEST(training_is_the_definition)
{
    const struct network *n = &networks[_i / ENGINES];

    for (int32_t loss = CAE_LOSS_MSE; loss <= CAE_LOSS_CHARBONNIER; loss++) {
        check_training(_i % ENGINES, n, loss, 8, 8);
        check_training(_i % ENGINES, n, loss, 6, 10);
    }
}
END_TEST

/* --- Judging ------------------------------------------------------------------------------------ */

/* Of eleven images, one with eight lanes and three without company. */
START_TEST(evaluation_is_the_definition)
{
    enum { SIDE = 12, LENGTH = 3 * SIDE * SIDE };
    const struct network *n = &networks[1];
    cae_context *context = context_with(_i, 2);
    cae_model *model = model_of(context, n, 1);
    cae_dataset *dataset;
    cae_evaluation_options o;
    cae_evaluation e;
    struct slow slow;
    double mse = 0, psnr = 0, noisy_mse = 0;

    assert_ok(context, cae_dataset_create_dead_leaves(&dataset, context, IMAGES, 3, SIDE, SIDE, 1, NULL));
    assert_ok(context, cae_evaluation_options_init(&o, sizeof o));
    assert_ok(context, cae_evaluation_init(&e, sizeof e));
    o.noise_sigma = 0.2;
    assert_ok(context, cae_model_evaluate(&e, model, NULL, dataset, &o));
    slow_init(&slow, context, model, n, SIDE, SIDE);
    for (uint64_t i = 0; i < IMAGES; i++) {
        float clean[LENGTH], noisy[LENGTH];
        double y[LENGTH], *x, *target;

        assert_ok(context, cae_dataset_get(clean, LENGTH, dataset, (int64_t)i));
        memcpy(noisy, clean, sizeof noisy);
        ck_assert_int_eq(cae_add_noise(noisy, LENGTH, 0.2, 123, CAE_VISIT_EVALUATION, i), CAE_OK);
        x = widened(noisy, LENGTH), target = widened(clean, LENGTH);
        ref_chain_forward(y, &slow.chain, x);
        mse += ref_mse(y, target, LENGTH) / IMAGES;
        psnr += ref_psnr(y, target, LENGTH, 2) / IMAGES;
        noisy_mse += ref_mse(x, target, LENGTH) / IMAGES;
        free(x), free(target);
    }
    ck_assert_double_eq_tol(e.mse, mse, 1e-6 * mse);
    ck_assert_double_eq_tol(e.psnr, psnr, 1e-5);
    ck_assert_double_eq_tol(e.noisy_mse, noisy_mse, 1e-6 * noisy_mse);
    slow_free(&slow);
    cae_dataset_destroy(dataset);
    cae_model_destroy(model);
    cae_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("residual");
    TCase *running = tcase_create("running"), *training = tcase_create("training");

    tcase_set_timeout(running, 60);
    tcase_add_loop_test(running, forward_is_the_definition, 0, NETWORKS * ENGINES);
    tcase_add_loop_test(running, tiles_are_the_definition, 0, 3 * ENGINES);
    tcase_add_loop_test(running, one_pixel, 0, ENGINES);
    tcase_add_loop_test(running, parts_run_their_layers_only, 0, ENGINES);
    tcase_add_test(running, the_last_layer_begins_small);
    tcase_add_test(running, what_cannot_be_added_is_refused);
    suite_add_tcase(suite, running);
    tcase_set_timeout(training, 60);
    tcase_add_loop_test(training, training_is_the_definition, 0, NETWORKS * ENGINES);
    tcase_add_loop_test(training, evaluation_is_the_definition, 0, ENGINES);
    suite_add_tcase(suite, training);
    return test_main(suite);
}
