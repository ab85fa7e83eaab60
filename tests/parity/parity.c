/* parity.c - the library computes what PyTorch computes.
 *
 * Every fixture is a network, images, and what PyTorch made of them in float64; make_fixtures.py
 * says how they came about and what is in them. For each, with every engine:
 *
 *   forward, encode, decode                                        FORWARD_TOLERANCE
 *   losses and gradients of MSE, L1, Huber and Charbonnier         FORWARD_TOLERANCE
 *   losses of 100 steps with every optimizer, parameters after     TRAJECTORY_TOLERANCE
 *
 * The definition in tests/ref is held to the same fixtures, more tightly.
 *
 * An error is max |a - b| / max |b| over a tensor; of a trajectory it is the worst single step.
 * CAE_TEST_VERBOSE=1 prints them. CAE_FIXTURES names another directory of fixtures. */
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORWARD_TOLERANCE 1e-5
#define TRAJECTORY_TOLERANCE 1e-4
#define DEFINITION_TOLERANCE 2e-7 /* fixtures are rounded to float32, which costs 6e-8 */

enum { STEPS = 100, QUICK_STEPS = 2 };

/* --- Tables: tests loop over engines x fixtures ----------------------------------------------- */

static const char *const fixtures[] = {
    "reference",    "reference_32",   "stride2_outpad", "dilation2",       "rectangular",
    "wide_padding", "pointwise",      "no_bias",        "holes",           "activations",
    "one_channel",  "sigmoid_latent", "wide",           "outpad_dilation", "residual",
    "residual_strided",
};

static const struct {
    int32_t engine;
    const char *name;
} engines[] = {
    {CAE_ENGINE_AUTO, "auto"},
    {CAE_ENGINE_GEMM, "gemm"},
    {CAE_ENGINE_DIRECT, "direct"},
};

static const struct {
    int32_t loss;
    int ref;
    const char *name;
} losses[] = {
    {CAE_LOSS_MSE, REF_MSE, "mse"},
    {CAE_LOSS_L1, REF_L1, "l1"},
    {CAE_LOSS_HUBER, REF_HUBER, "huber"},
    {CAE_LOSS_CHARBONNIER, REF_CHARBONNIER, "charbonnier"},
};

enum {
    FIXTURES = sizeof fixtures / sizeof *fixtures,
    ENGINES = sizeof engines / sizeof *engines,
    LOSSES = sizeof losses / sizeof *losses
};

/* --- One case --------------------------------------------------------------------------------- */

struct test_case {
    struct fixture f;
    const char *engine;
    cae_context *context;
    cae_model *model;
    cae_dataset *dataset;
};

static void case_open(struct test_case *t, int index)
{
    const int e = index / FIXTURES;
    cae_context_options options;

    ck_assert_int_eq(cae_context_options_init(&options, sizeof options), CAE_OK);
    options.engine = engines[e].engine;
    ck_assert_int_eq(cae_context_create(&t->context, &options), CAE_OK);
    t->engine = engines[e].name;
    fixture_open(&t->f, fixtures[index % FIXTURES]);
    t->model = fixture_model(&t->f, t->context);
    t->dataset = fixture_dataset(&t->f, t->context);
}

static void case_close(struct test_case *t)
{
    cae_dataset_destroy(t->dataset);
    cae_model_destroy(t->model);
    cae_context_destroy(t->context);
    fixture_close(&t->f);
}

/* Print an error when asked to, and fail when it is too large or not a number. */
static void judge(const char *fixture, const char *engine, const char *what, double error,
                  double tolerance)
{
    if (test_verbose())
        printf("%-16s %-10s %-28s %.1e of %.0e\n", fixture, engine, what, error, tolerance);
    if (!(error <= tolerance))
        ck_abort_msg("%s, %s: %s is off by %.3g, allowed is %.3g", fixture, engine, what, error,
                     tolerance);
}

/* --- Forward ---------------------------------------------------------------------------------- */

START_TEST(forward_encode_decode)
{
    struct test_case t;
    const struct fixture *f = &t.f;
    int32_t c, h, w, same_c, same_h, same_w;
    float *y, *latent, *decoded;

    case_open(&t, _i);
    assert_ok(t.context, cae_model_output_shape(&c, &h, &w, t.model, NULL, CAE_PART_ENCODER, f->height,
                                                f->width));
    ck_assert_int_eq(f->batch * c * h * w, (int64_t)f->latent_len);
    assert_ok(t.context, cae_model_output_shape(&same_c, &same_h, &same_w, t.model, NULL,
                                                CAE_PART_WHOLE, f->height, f->width));
    ck_assert_int_eq(same_c, f->channels);
    ck_assert_int_eq(same_h, f->height);
    ck_assert_int_eq(same_w, f->width);

    y = guarded_floats(f->x_len);
    latent = guarded_floats(f->latent_len);
    decoded = guarded_floats(f->x_len);
    assert_ok(t.context, cae_model_forward(y, f->x_len, t.model, NULL, f->x, f->x_len, f->batch,
                                           f->height, f->width));
    assert_ok(t.context, cae_model_encode(latent, f->latent_len, t.model, NULL, f->x, f->x_len,
                                          f->batch, f->height, f->width));
    assert_ok(t.context, cae_model_decode(decoded, f->x_len, t.model, NULL, f->latent,
                                          f->latent_len, f->batch, h, w));
    judge(f->name, t.engine, "forward", relative_error(y, f->y, f->x_len), FORWARD_TOLERANCE);
    judge(f->name, t.engine, "encode", relative_error(latent, f->latent, f->latent_len),
          FORWARD_TOLERANCE);
    for (size_t i = 0; f->net.residual && i < f->x_len; i++)
        decoded[i] += f->x[i];
    judge(f->name, t.engine, "decode", relative_error(decoded, f->y, f->x_len),
          FORWARD_TOLERANCE);
    guarded_finish(y, "forward");
    guarded_finish(latent, "encode");
    guarded_finish(decoded, "decode");
    case_close(&t);
}
END_TEST

/* The same image gives the same output alone as in a batch, up to rounding. */
START_TEST(forward_of_single_images)
{
    struct test_case t;
    const struct fixture *f = &t.f;
    double worst = 0;
    size_t image;
    float *y;

    case_open(&t, _i);
    image = f->x_len / (size_t)f->batch;
    y = guarded_floats(image);
    for (size_t i = 0; i < (size_t)f->batch; i++) {
        assert_ok(t.context, cae_model_forward(y, image, t.model, NULL, f->x + i * image, image,
                                               1, f->height, f->width));
        worst = fmax(worst, relative_error(y, f->y + i * image, image));
    }
    judge(f->name, t.engine, "single image", worst, FORWARD_TOLERANCE);
    guarded_finish(y, "forward of one image");
    case_close(&t);
}
END_TEST

/* --- Training --------------------------------------------------------------------------------- */

/* Full batch, in order, no noise: what the fixtures are made with. */
static cae_trainer *trainer_of(struct test_case *t, cae_optimizer *optimizer, int32_t loss,
                               double clip)
{
    cae_trainer_options options;
    cae_trainer *trainer;

    assert_ok(t->context, cae_trainer_options_init(&options, sizeof options));
    options.batch = (int32_t)t->f.batch;
    options.shuffle = 0;
    options.loss = loss;
    options.huber_delta = t->f.net.huber_delta;
    options.epsilon = t->f.net.epsilon;
    options.clip_norm = clip;
    assert_ok(t->context,
              cae_trainer_create(&trainer, t->model, optimizer, t->dataset, &options));
    return trainer;
}

static cae_progress step(struct test_case *t, cae_trainer *trainer)
{
    cae_progress progress;

    assert_ok(t->context, cae_progress_init(&progress, sizeof progress));
    assert_ok(t->context, cae_trainer_step(&progress, trainer));
    ck_assert_int_eq(progress.epoch_done, 1);
    return progress;
}

static void check_gradient(struct test_case *t, const cae_trainer *trainer, const char *loss,
                           const char *name, double *norm2)
{
    char prefix[FIXTURE_NAME], what[2 * FIXTURE_NAME + 16];
    const float *expected;
    float *actual;
    size_t n;

    snprintf(prefix, sizeof prefix, "grad.%s.", loss);
    snprintf(what, sizeof what, "%s%s", prefix, name);
    expected = fixture_floats(&t->f, &n, prefix, name);
    actual = guarded_floats(n);
    assert_ok(t->context, cae_trainer_get_gradient(actual, n, trainer, name));
    judge(t->f.name, t->engine, what, relative_error(actual, expected, n), FORWARD_TOLERANCE);
    guarded_finish(actual, what);
    for (size_t i = 0; i < n; i++)
        *norm2 += (double)expected[i] * (double)expected[i];
}

static void check_loss(struct test_case *t, int which)
{
    const char *name = losses[which].name;
    const double *expected = fixture_doubles(&t->f, NULL, "loss.", name);
    cae_optimizer *optimizer;
    cae_trainer *trainer;
    cae_progress progress;
    double norm2 = 0;

    assert_ok(t->context, cae_optimizer_create(&optimizer, t->model, NULL));
    trainer = trainer_of(t, optimizer, losses[which].loss, 0);
    progress = step(t, trainer);
    judge(t->f.name, t->engine, name, fabs(progress.loss / *expected - 1), FORWARD_TOLERANCE);
    for (int i = 0; i < t->f.net.layer_count; i++) {
        const struct layer *l = &t->f.net.layers[i];

        check_gradient(t, trainer, name, l->weight_name, &norm2);
        if (l->bias)
            check_gradient(t, trainer, name, l->bias_name, &norm2);
    }
    judge(t->f.name, t->engine, "gradient norm", fabs(progress.gradient_norm / sqrt(norm2) - 1),
          FORWARD_TOLERANCE);
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(optimizer);
}

START_TEST(losses_and_gradients)
{
    for (int i = 0; i < LOSSES; i++) {
        struct test_case t; /* anew: a step has moved the parameters */
        char key[FIXTURE_NAME];

        case_open(&t, _i);
        snprintf(key, sizeof key, "loss.%s", losses[i].name);
        if (st_has(t.f.file, key))
            check_loss(&t, i);
        else
            ck_assert_int_ne(losses[i].loss, CAE_LOSS_MSE); /* which every fixture has */
        case_close(&t);
    }
}
END_TEST

static void check_final(struct test_case *t, const char *run, const char *name)
{
    char prefix[2 * FIXTURE_NAME], what[4 * FIXTURE_NAME];
    const float *expected;
    float *actual;
    size_t n;

    snprintf(prefix, sizeof prefix, "final.%s.", run);
    snprintf(what, sizeof what, "%s%s", prefix, name);
    if (!st_has(t->f.file, what))
        return;
    expected = fixture_floats(&t->f, &n, prefix, name);
    actual = guarded_floats(n);
    assert_ok(t->context, cae_model_get_tensor(actual, n, t->model, name));
    judge(t->f.name, t->engine, what, relative_error(actual, expected, n), TRAJECTORY_TOLERANCE);
    guarded_finish(actual, what);
}

static void check_run(struct test_case *t, const struct run *run)
{
    char what[2 * FIXTURE_NAME];
    cae_optimizer *optimizer;
    cae_trainer *trainer;
    const double *expected;
    double worst = 0;
    size_t steps;

    expected = fixture_doubles(&t->f, &steps, "traj.", run->name);
    ck_assert_uint_eq(steps, STEPS);
    assert_ok(t->context, cae_optimizer_create(&optimizer, t->model, &run->optimizer));
    trainer = trainer_of(t, optimizer, run->loss, run->clip);
    if (test_quick())
        steps = QUICK_STEPS;
    for (size_t i = 0; i < steps; i++) {
        cae_progress progress = step(t, trainer);

        ck_assert_int_eq(progress.step, (int64_t)i + 1);
        worst = fmax(worst, fabs(progress.loss / expected[i] - 1));
    }
    snprintf(what, sizeof what, "%zu steps of %s", steps, run->name);
    judge(t->f.name, t->engine, what, worst, TRAJECTORY_TOLERANCE);
    for (int i = 0; i < t->f.net.layer_count && steps == STEPS; i++) {
        check_final(t, run->name, t->f.net.layers[i].weight_name);
        if (t->f.net.layers[i].bias)
            check_final(t, run->name, t->f.net.layers[i].bias_name);
    }
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(optimizer);
}

START_TEST(trajectories)
{
    struct test_case t;
    int runs = 1;

    for (int i = 0; i < runs; i++) {
        case_open(&t, _i);
        runs = t.f.net.run_count;
        if (i < runs) /* reference_32 has none */
            check_run(&t, &t.f.net.runs[i]);
        case_close(&t);
    }
}
END_TEST

/* Clipping scales the whole gradient to the norm asked for and leaves a shorter one alone. As in
 * clip_grad_norm_, the scale is min(1, clip / (norm + 1e-6)). */
START_TEST(clipped_gradient)
{
    const double shares[] = {0.25, 4}; /* of the unclipped norm */

    for (int i = 0; i < 2; i++) {
        struct test_case t;
        cae_optimizer *optimizer;
        cae_trainer *trainer;
        const float *full;
        double norm2 = 0, norm, scale;
        float *actual, *expected;
        size_t n;

        case_open(&t, _i);
        for (int k = 0; k < cae_model_tensor_count(t.model); k++) {
            full = fixture_floats(&t.f, &n, "grad.mse.", cae_model_tensor_name(t.model, k));
            for (size_t j = 0; j < n; j++)
                norm2 += (double)full[j] * (double)full[j];
        }
        assert_ok(t.context, cae_optimizer_create(&optimizer, t.model, NULL));
        norm = sqrt(norm2);
        scale = fmin(1, shares[i] * norm / (norm + 1e-6));
        trainer = trainer_of(&t, optimizer, CAE_LOSS_MSE, shares[i] * norm);
        judge(t.f.name, t.engine, "norm before clipping",
              fabs(step(&t, trainer).gradient_norm / norm - 1), FORWARD_TOLERANCE);
        for (int k = 0; k < cae_model_tensor_count(t.model); k++) {
            const char *name = cae_model_tensor_name(t.model, k);

            full = fixture_floats(&t.f, &n, "grad.mse.", name);
            actual = guarded_floats(n);
            expected = new_floats(n);
            for (size_t j = 0; j < n; j++)
                expected[j] = (float)(scale * (double)full[j]);
            assert_ok(t.context, cae_trainer_get_gradient(actual, n, trainer, name));
            judge(t.f.name, t.engine, "clipped gradient", relative_error(actual, expected, n),
                  FORWARD_TOLERANCE);
            guarded_finish(actual, name);
            free(expected);
        }
        cae_trainer_destroy(trainer);
        cae_optimizer_destroy(optimizer);
        case_close(&t);
    }
}
END_TEST

/* --- The definition in tests/ref: no library in here ------------------------------------------ */

/* One image on its way through: activations[0] is x, activations[i + 1] what layer i makes of it,
 * inputs[i] that before its activation function. */
struct pass {
    double *activations[FIXTURE_LAYERS + 1], *inputs[FIXTURE_LAYERS];
    double *weights[FIXTURE_LAYERS], *biases[FIXTURE_LAYERS];
    double *weight_gradients[FIXTURE_LAYERS], *bias_gradients[FIXTURE_LAYERS];
};

static double *parameter(const struct fixture *f, size_t expected, const char *name)
{
    size_t n;
    const float *values = st_floats(f->file, name, &n);
    double *copy = new_doubles(n);

    ck_assert_uint_eq(n, expected);
    for (size_t i = 0; i < n; i++)
        copy[i] = (double)values[i];
    return copy;
}

static void pass_init(struct pass *p, const struct fixture *f)
{
    memset(p, 0, sizeof *p);
    p->activations[0] = new_doubles(ref_in_len(&f->net.layers[0].shape));
    for (int i = 0; i < f->net.layer_count; i++) {
        const struct layer *l = &f->net.layers[i];
        const size_t weights = ref_weight_len(&l->shape), biases = (size_t)l->shape.out_c;

        p->activations[i + 1] = new_doubles(ref_out_len(&l->shape));
        p->inputs[i] = new_doubles(ref_out_len(&l->shape));
        p->weights[i] = parameter(f, weights, l->weight_name);
        p->biases[i] = l->bias ? parameter(f, biases, l->bias_name) : NULL;
        p->weight_gradients[i] = new_doubles(weights);
        p->bias_gradients[i] = new_doubles(biases);
    }
}

static void pass_finish(struct pass *p, const struct fixture *f)
{
    for (int i = 0; i < f->net.layer_count; i++) {
        free(p->activations[i]);
        free(p->inputs[i]);
        free(p->weights[i]);
        free(p->biases[i]);
        free(p->weight_gradients[i]);
        free(p->bias_gradients[i]);
    }
    free(p->activations[f->net.layer_count]);
}

static void pass_forward(struct pass *p, const struct fixture *f, const float *x)
{
    for (size_t i = 0; i < ref_in_len(&f->net.layers[0].shape); i++)
        p->activations[0][i] = (double)x[i];
    for (int i = 0; i < f->net.layer_count; i++)
        ref_layer_forward(p->activations[i + 1], p->inputs[i], &f->net.layers[i].shape,
                          p->activations[i], p->weights[i], p->biases[i]);
    for (size_t i = 0; f->net.residual && i < ref_in_len(&f->net.layers[0].shape); i++)
        p->activations[f->net.layer_count][i] += (double)x[i];
}

/* Adds the gradients of one image; the mean runs over the batch, hence the division. */
static double pass_backward(struct pass *p, const struct fixture *f, int loss)
{
    const int last = f->net.layer_count;
    const size_t n = ref_out_len(&f->net.layers[last - 1].shape);
    double *dy = new_doubles(n), *dx;
    double value = ref_loss(dy, loss, loss == REF_CHARBONNIER ? f->net.epsilon : f->net.huber_delta,
                            p->activations[last], p->activations[0], n);

    for (size_t i = 0; i < n; i++)
        dy[i] /= (double)f->batch;
    for (int i = last; i-- > 0;) {
        const struct ref_conv *s = &f->net.layers[i].shape;

        dx = new_doubles(ref_in_len(s));
        ref_layer_backward(dx, p->weight_gradients[i], p->bias_gradients[i], s,
                           p->activations[i], p->weights[i], p->inputs[i], dy);
        free(dy);
        dy = dx;
    }
    free(dy);
    return value / (double)f->batch;
}

static void check_definition_gradients(const struct pass *p, const struct fixture *f,
                                       const char *loss)
{
    char prefix[FIXTURE_NAME];

    snprintf(prefix, sizeof prefix, "grad.%s.", loss);
    for (int i = 0; i < f->net.layer_count; i++) {
        const struct layer *l = &f->net.layers[i];
        const float *expected;
        size_t n;

        expected = fixture_floats(f, &n, prefix, l->weight_name);
        judge(f->name, "definition", l->weight_name,
              relative_error_ref(expected, p->weight_gradients[i], n), DEFINITION_TOLERANCE);
        if (!l->bias)
            continue;
        expected = fixture_floats(f, &n, prefix, l->bias_name);
        judge(f->name, "definition", l->bias_name,
              relative_error_ref(expected, p->bias_gradients[i], n), DEFINITION_TOLERANCE);
    }
}

START_TEST(definition_forward_and_gradients)
{
    struct fixture f;
    size_t image, latent;
    struct pass p;

    fixture_open(&f, fixtures[_i]);
    image = f.x_len / (size_t)f.batch;
    latent = f.latent_len / (size_t)f.batch;
    for (int loss = 0; loss < LOSSES; loss++) {
        double value = 0, worst = 0, worst_latent = 0;
        char key[FIXTURE_NAME];

        snprintf(key, sizeof key, "loss.%s", losses[loss].name);
        if (!st_has(f.file, key))
            continue;
        pass_init(&p, &f);
        for (size_t i = 0; i < (size_t)f.batch; i++) {
            pass_forward(&p, &f, f.x + i * image);
            worst = fmax(worst, relative_error_ref(f.y + i * image,
                                                   p.activations[f.net.layer_count], image));
            worst_latent =
                fmax(worst_latent, relative_error_ref(f.latent + i * latent,
                                                      p.activations[f.net.encoder], latent));
            value += pass_backward(&p, &f, losses[loss].ref);
        }
        judge(f.name, "definition", "forward", worst, DEFINITION_TOLERANCE);
        judge(f.name, "definition", "encode", worst_latent, DEFINITION_TOLERANCE);
        judge(f.name, "definition", key, fabs(value / *st_doubles(f.file, key, NULL) - 1), 1e-12);
        check_definition_gradients(&p, &f, losses[loss].name);
        pass_finish(&p, &f);
    }
    fixture_close(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parity");
    TCase *forward = tcase_create("forward");
    TCase *training = tcase_create("training");
    TCase *definition = tcase_create("definition");

    tcase_add_loop_test(definition, definition_forward_and_gradients, 0, FIXTURES);
    tcase_add_loop_test(forward, forward_encode_decode, 0, ENGINES * FIXTURES);
    tcase_add_loop_test(forward, forward_of_single_images, 0, ENGINES * FIXTURES);
    tcase_add_loop_test(training, losses_and_gradients, 0, ENGINES * FIXTURES);
    tcase_add_loop_test(training, clipped_gradient, 0, ENGINES * FIXTURES);
    tcase_add_loop_test(training, trajectories, 0, ENGINES * FIXTURES);
    tcase_set_timeout(definition, 60);
    tcase_set_timeout(training, 60);
    suite_add_tcase(suite, definition);
    suite_add_tcase(suite, forward);
    suite_add_tcase(suite, training);
    return test_main(suite);
}
