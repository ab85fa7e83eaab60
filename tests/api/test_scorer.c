/* test_scorer.c - anomaly scores: against their definition in double precision, the same bits for any number
 * of threads, without an allocation a frame; thresholds against numpy's, kept in files and gone when the
 * parameters change. */
#include "fixture.h"

#include <math.h>
#include <pthread.h>

#include "../ref/ref.h"

static cae_scorer_options score_options(int32_t kind, int32_t smoothing)
{
    cae_scorer_options o;

    ck_assert_int_eq(cae_scorer_options_init(&o, sizeof o), CAE_OK);
    ck_assert_int_eq(o.kind, CAE_SCORE_MEAN);
    ck_assert_int_eq(o.smoothing, 1);
    o.kind = kind, o.smoothing = smoothing;
    return o;
}

/* --- Networks of two layers, and the same for the definition -------------------------------------- */

struct net {
    const char *name;
    int channels, hidden, kernel, stride, padding, output_padding, residual;
};

/* The first keeps every size, the second has no padding, the third wants even sides; the last adds
 * its input. */
enum { PADDED, BARE, STRIDED, GREY, RESIDUAL };
static const struct net nets[] = {
    {"padded", 2, 3, 3, 1, 1, 0, 0},
    {"bare", 3, 4, 3, 1, 0, 0, 0},
    {"strided", 3, 5, 3, 2, 1, 1, 0},
    {"grey", 1, 4, 5, 1, 2, 0, 0},
    {"residual", 2, 3, 3, 1, 1, 0, 1},
};

static cae_model *model_of(cae_context *c, const struct net *n)
{
    cae_conv_options o;
    cae_spec *spec;
    cae_model *model;

    assert_ok(c, cae_conv_options_init(&o, sizeof o));
    o.kernel_h = o.kernel_w = n->kernel, o.stride_h = o.stride_w = n->stride;
    o.padding_h = o.padding_w = n->padding, o.activation = CAE_ACTIVATION_RELU;
    assert_ok(c, cae_spec_create(&spec, c));
    assert_ok(c, cae_spec_add_conv(spec, n->channels, n->hidden, &o));
    o.output_padding_h = o.output_padding_w = n->output_padding;
    o.activation = CAE_ACTIVATION_NONE;
    assert_ok(c, cae_spec_add_conv_transpose(spec, n->hidden, n->channels, &o));
    assert_ok(c, cae_spec_set_residual(spec, n->residual));
    assert_ok(c, cae_model_create(&model, c, spec, 5));
    cae_spec_destroy(spec);
    return model;
}

static double *parameter(const cae_model *model, const char *name, size_t count)
{
    float *values = new_floats(count);
    double *result = new_doubles(count);

    assert_ok(context, cae_model_get_tensor(values, count, model, name));
    for (size_t i = 0; i < count; i++)
        result[i] = (double)values[i];
    free(values);
    return result;
}

static void ref_layer(double *y, const struct ref_conv *l, const double *x, const cae_model *model,
                      const char *weight, const char *bias)
{
    double *w = parameter(model, weight, ref_weight_len(l));
    double *b = parameter(model, bias, (size_t)l->out_c);

    ref_layer_forward(y, NULL, l, x, w, b);
    free(w);
    free(b);
}

/* y = the model's output for x. */
static double *ref_output(const struct net *n, const cae_model *model, const double *x, int h, int w)
{
    struct ref_conv first = ref_conv_default(0, n->channels, h, w, n->hidden), second;

    first.kernel_h = first.kernel_w = n->kernel, first.stride_h = first.stride_w = n->stride;
    first.padding_h = first.padding_w = n->padding, first.activation = REF_RELU;
    second = first;
    second.transposed = 1, second.in_c = n->hidden, second.out_c = n->channels;
    second.in_h = ref_out_h(&first), second.in_w = ref_out_w(&first);
    second.output_padding_h = second.output_padding_w = n->output_padding;
    second.activation = REF_NONE;
    double *between = new_doubles(ref_out_len(&first)), *y = new_doubles(ref_out_len(&second));
    ck_assert_int_eq(ref_out_h(&second), h);
    ck_assert_int_eq(ref_out_w(&second), w);
    ref_layer(between, &first, x, model, "0.weight", "0.bias");
    ref_layer(y, &second, between, model, "2.weight", "2.bias");
    for (size_t i = 0; n->residual && i < ref_out_len(&second); i++)
        y[i] += x[i];
    free(between);
    return y;
}

/* map[i][j] = mean over the window around, of what of it is there, of the mean over channels of (y - x)^2. */
static void ref_map(double *map, const double *x, const double *y, int channels, int h, int w, int radius)
{
    for (int i = 0; i < h; i++)
        for (int j = 0; j < w; j++) {
            double sum = 0.0;
            int there = 0;
            for (int k = i - radius; k <= i + radius; k++)
                for (int l = j - radius; l <= j + radius; l++) {
                    if (k < 0 || k >= h || l < 0 || l >= w)
                        continue;
                    there++;
                    for (int c = 0; c < channels; c++) {
                        const double d = y[(c * h + k) * w + l] - x[(c * h + k) * w + l];
                        sum += d * d / channels;
                    }
                }
            map[i * w + j] = sum / there;
        }
}

static double ref_peak(const double *map, int count)
{
    double peak = map[0];

    for (int i = 1; i < count; i++)
        peak = map[i] > peak ? map[i] : peak;
    return peak;
}

static void assert_near(double actual, double expected, double tolerance, const char *what)
{
    if (!(fabs(actual - expected) <= tolerance * fabs(expected)))
        ck_abort_msg("%s: %.17g, expected %.17g", what, actual, expected);
}

/* --- Against the definition -------------------------------------------------------------------- */

/* Odd and prime sides, rows and columns alone, blurs wider than the frame; the last are run in tiles. */
static const struct shape {
    int net, h, w, smoothing;
} shapes[] = {
    {PADDED, 1, 1, 1}, {PADDED, 1, 37, 1}, {PADDED, 41, 1, 2}, {PADDED, 2, 2, 256}, {PADDED, 7, 5, 0},
    {PADDED, 13, 17, 1}, {PADDED, 31, 29, 3}, {PADDED, 19, 64, 40}, {BARE, 3, 3, 1}, {BARE, 32, 32, 1},
    {BARE, 23, 47, 2}, {STRIDED, 2, 2, 1}, {STRIDED, 16, 22, 1}, {STRIDED, 32, 32, 5}, {GREY, 1, 101, 1},
    {GREY, 11, 13, 0}, {GREY, 127, 131, 7}, {PADDED, 257, 256, 1}, {BARE, 264, 252, 2},
    {STRIDED, 282, 236, 1}, {GREY, 1, 70001, 3}, {GREY, 66047, 1, 1}, {PADDED, 521, 509, 4},
    {RESIDUAL, 1, 53, 1}, {RESIDUAL, 32, 32, 2}, {RESIDUAL, 271, 257, 1},
};

START_TEST(scores_are_those_of_the_definition)
{
    const struct shape *s = &shapes[_i];
    const struct net *net = &nets[s->net];
    const size_t pixels = (size_t)s->h * (size_t)s->w, n = (size_t)net->channels * pixels;
    float *x = new_floats(n);
    double *dx = new_doubles(n), *expected = new_doubles(pixels);
    cae_model *model = model_of(context, net);

    if (test_quick() && pixels > 65536) {
        free(x), free(dx), free(expected);
        cae_model_destroy(model);
        return;
    }
    random_floats(17, x, n, -1, 1);
    random_doubles(17, dx, n, -1, 1);
    double *dy = ref_output(net, model, dx, s->h, s->w);
    ref_map(expected, dx, dy, net->channels, s->h, s->w, s->smoothing);
    for (int32_t engine = CAE_ENGINE_AUTO; engine <= CAE_ENGINE_DIRECT; engine++)
        for (int32_t kind = CAE_SCORE_MEAN; kind <= CAE_SCORE_PEAK; kind++) {
            const cae_scorer_options o = score_options(kind, s->smoothing);
            cae_context_options co = heap_options(&heap, 1);
            cae_context *own;
            cae_scorer *scorer;
            double score, without;
            float *map = guarded_floats(pixels);

            co.engine = engine;
            ck_assert_int_eq(cae_context_create(&own, &co), CAE_OK);
            assert_ok(own, cae_scorer_create(&scorer, model, own, s->h, s->w, &o));
            assert_ok(own, cae_scorer_run(&score, map, pixels, scorer, x, n));
            assert_ok(own, cae_scorer_run(&without, NULL, 0, scorer, x, n));
            ck_assert_msg(memcmp(&score, &without, sizeof score) == 0, "the map changes the score");
            assert_close_ref(map, expected, pixels, 2e-5, 1e-7, net->name);
            if (kind == CAE_SCORE_MEAN)
                assert_near(score, ref_mse(dx, dy, n), 1e-5, "mean");
            else
                assert_near(score, ref_peak(expected, (int)pixels), 2e-5, "peak");
            guarded_finish(map, "the map");
            cae_scorer_destroy(scorer);
            cae_context_destroy(own);
        }
    cae_model_destroy(model);
    free(x), free(dx), free(dy), free(expected);
}
END_TEST

/* What cae_model_forward and cae_mse say of the same frame; the sum is made in another order. */
START_TEST(the_mean_is_the_mean_squared_error)
{
    static const int sides[][2] = {{32, 32}, {1, 5}, {264, 252}};
    const int h = sides[_i][0], w = sides[_i][1];
    const size_t n = 2 * (size_t)h * (size_t)w;
    float *x = new_floats(n), *y = new_floats(n);
    cae_model *model = model_of(context, &nets[PADDED]);
    cae_scorer *scorer;
    double score, mse;

    random_floats(3, x, n, -1, 1);
    assert_ok(context, cae_scorer_create(&scorer, model, NULL, h, w, NULL));
    assert_ok(context, cae_scorer_run(&score, NULL, 0, scorer, x, n));
    assert_ok(context, cae_model_forward(y, n, model, NULL, x, n, 1, h, w));
    assert_ok(context, cae_mse(&mse, context, y, x, n));
    assert_near(score, mse, 1e-12, "mean");
    cae_scorer_destroy(scorer);
    cae_model_destroy(model);
    free(x), free(y);
}
END_TEST

/* y = 0, one pixel is 1: a value is 1 / (pixels of the window that are in the frame), by hand. */
START_TEST(borders_are_left_out_of_the_blur)
{
    float x[20] = {1.0f}, map[20]; /* 4 x 5, in the upper left corner */
    const float third[20] = {1 / 4.0f, 1 / 6.0f, 0, 0, 0, 1 / 6.0f, 1 / 9.0f};
    const cae_scorer_options one = score_options(CAE_SCORE_PEAK, 1);
    const cae_scorer_options wide = score_options(CAE_SCORE_PEAK, 256);
    cae_model *model = pointwise_model(context, 0.0f, 0.0f);
    cae_scorer *scorer;
    double score;

    assert_ok(context, cae_scorer_create(&scorer, model, NULL, 4, 5, &one));
    assert_ok(context, cae_scorer_run(&score, map, 20, scorer, x, 20));
    for (int i = 0; i < 20; i++)
        ck_assert_msg(map[i] == third[i], "pixel %d is %g, not %g", i, (double)map[i], (double)third[i]);
    ck_assert_double_eq(score, 0.25);
    cae_scorer_destroy(scorer);
    assert_ok(context, cae_scorer_create(&scorer, model, NULL, 4, 5, &wide));
    assert_ok(context, cae_scorer_run(&score, map, 20, scorer, x, 20));
    for (int i = 0; i < 20; i++)
        ck_assert_float_eq(map[i], 1 / 20.0f);
    cae_scorer_destroy(scorer);
    cae_model_destroy(model);
}
END_TEST

/* --- Frames that are not finite ------------------------------------------------------------------ */

static const struct bad {
    int h, w;
    size_t at;
    float value;
} bads[] = {
    {12, 12, 0, NAN}, {12, 12, 143, -INFINITY}, {12, 12, 77, INFINITY}, {1, 9, 4, NAN},
    {264, 252, 0, NAN}, {264, 252, 66527, INFINITY}, {264, 252, 33000, NAN},
    {12, 12, 5, 3e38f}, /* whose square no float holds, nor any error of it */
};

START_TEST(a_frame_that_is_not_finite_is_refused)
{
    const struct bad *b = &bads[_i / 2];
    const cae_scorer_options o = score_options(_i % 2, 1);
    const size_t n = (size_t)b->h * (size_t)b->w;
    const bool finite = isfinite(b->value);
    float *x = new_floats(n), *map = new_floats(n);
    cae_model *model = model_of(context, &nets[GREY]);
    cae_scorer *scorer;
    double before, score;

    random_floats(4, x, n, -1, 1);
    assert_ok(context, cae_scorer_create(&scorer, model, NULL, b->h, b->w, &o));
    assert_ok(context, cae_scorer_run(&before, map, n, scorer, x, n));
    const float was = x[b->at];
    x[b->at] = b->value;
    fails_saying(CAE_ERR_NUMERIC, finite ? "what the model makes" : "a value of the frame",
                 cae_scorer_run(&score, map, n, scorer, x, n));
    if (!finite)
        assert_fails(context, CAE_ERR_NUMERIC, cae_scorer_run(&score, NULL, 0, scorer, x, n));
    x[b->at] = was;
    assert_ok(context, cae_scorer_run(&score, map, n, scorer, x, n));
    ck_assert_msg(memcmp(&score, &before, sizeof score) == 0, "the next frame is affected");
    cae_scorer_destroy(scorer);
    cae_model_destroy(model);
    free(x), free(map);
}
END_TEST

/* --- No allocation a frame ----------------------------------------------------------------------- */

static const struct quiet {
    int net, h, w, threads;
} quiets[] = {
    {BARE, 32, 32, 1}, {BARE, 32, 32, 3}, {STRIDED, 64, 48, 1}, {BARE, 264, 252, 1}, {BARE, 264, 252, 3},
    {STRIDED, 282, 236, 1}, {STRIDED, 520, 508, 3}, {PADDED, 700, 300, 2},
    {RESIDUAL, 281, 257, 3},
};

START_TEST(no_frame_allocates)
{
    const struct quiet *q = &quiets[_i];
    const struct net *net = &nets[q->net];
    const size_t pixels = (size_t)q->h * (size_t)q->w, n = (size_t)net->channels * pixels;
    const float bias[] = {0.1f, 0.2f, 0.3f};
    float *x = new_floats(n), *map = new_floats(pixels);

    for (int32_t kind = CAE_SCORE_MEAN; kind <= CAE_SCORE_PEAK; kind++) {
        const cae_scorer_options o = score_options(kind, 2);
        struct heap own_heap = HEAP;
        cae_context *own = heap_context(&own_heap, q->threads);
        cae_model *model = model_of(own, net);
        cae_scorer *scorer;
        double score, last = 0.0;

        random_floats(5, x, n, -1, 1);
        assert_ok(own, cae_scorer_create(&scorer, model, NULL, q->h, q->w, &o));
        const long requests = atomic_load(&own_heap.requests);
        for (int i = 0; i < 4; i++) {
            if (i == 2) /* binding to other parameters does not, either */
                assert_ok(own, cae_model_set_tensor(model, "2.bias", bias, (size_t)net->channels));
            assert_ok(own, cae_scorer_run(&score, i % 2 ? map : NULL, i % 2 ? pixels : 0, scorer, x, n));
            ck_assert_msg(i != 2 || score != last, "the old parameters were used");
            last = score;
        }
        ck_assert_int_eq(atomic_load(&own_heap.requests), requests);
        cae_scorer_destroy(scorer);
        cae_model_destroy(model);
        cae_context_destroy(own);
        assert_balanced(&own_heap, "the scorer's context");
    }
    free(x), free(map);
}
END_TEST

/* --- Parameters that change ---------------------------------------------------------------------- */

enum { SIDE = 12, IMAGES = 20 };

struct training {
    cae_model *model;
    cae_dataset *dataset;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
};

static struct training training_new(void)
{
    struct training t;

    t.model = small_model(context, 1);
    t.dataset = float_images(context, NULL, IMAGES, SIDE);
    assert_ok(context, cae_optimizer_create(&t.optimizer, t.model, NULL));
    assert_ok(context, cae_trainer_create(&t.trainer, t.model, t.optimizer, t.dataset, NULL));
    return t;
}

static void training_free(struct training *t)
{
    cae_trainer_destroy(t->trainer);
    cae_optimizer_destroy(t->optimizer);
    cae_dataset_destroy(t->dataset);
    cae_model_destroy(t->model);
}

static void change_by_step(struct training *t)
{
    assert_ok(context, cae_trainer_step(NULL, t->trainer));
}

static void change_by_tensor(struct training *t)
{
    const float bias[] = {0.25f, -0.5f};

    assert_ok(context, cae_model_set_tensor(t->model, "0.bias", bias, 2));
}

static void change_by_weights(struct training *t)
{
    cae_model *other = small_model(context, 9);

    assert_ok(context, cae_model_save(other, in_directory("weights")));
    cae_model_destroy(other);
    assert_ok(context, cae_model_load_weights(t->model, in_directory("weights")));
}

static void change_by_resume(struct training *t)
{
    struct training other = training_new();

    assert_ok(context, cae_trainer_step(NULL, other.trainer));
    assert_ok(context, cae_trainer_save(other.trainer, in_directory("checkpoint")));
    training_free(&other);
    assert_ok(context, cae_trainer_resume(t->trainer, in_directory("checkpoint")));
}

/* A step so large that the next finds no finite loss and takes it back. */
static void change_and_undo(struct training *t)
{
    cae_status status = CAE_OK;

    assert_ok(context, cae_optimizer_set_learning_rate(t->optimizer, 1e30));
    for (int i = 0; i < 4 && status == CAE_OK; i++)
        status = cae_trainer_step(NULL, t->trainer);
    ck_assert_int_eq(status, CAE_ERR_NUMERIC);
}

static void (*const changes[])(struct training *) = {change_by_step, change_by_tensor, change_by_weights,
                                                     change_by_resume, change_and_undo};

static double score_of(cae_scorer *scorer, const float *x, size_t n)
{
    double score;

    assert_ok(context, cae_scorer_run(&score, NULL, 0, scorer, x, n));
    return score;
}

/* The scorer that was there scores as one made anew; in tiles, too. */
START_TEST(a_scorer_follows_its_model)
{
    const int h = _i % 2 ? 264 : SIDE, w = _i % 2 ? 252 : SIDE;
    const size_t n = (size_t)h * (size_t)w;
    struct training t = training_new();
    float *x = new_floats(n);
    cae_scorer *old, *fresh;

    random_floats(6, x, n, -1, 1);
    assert_ok(context, cae_scorer_create(&old, t.model, NULL, h, w, NULL));
    const double before = score_of(old, x, n);
    changes[_i / 2](&t);
    assert_ok(context, cae_scorer_create(&fresh, t.model, NULL, h, w, NULL));
    ck_assert_double_eq(score_of(old, x, n), score_of(fresh, x, n));
    ck_assert(changes[_i / 2] == change_and_undo || score_of(old, x, n) != before);
    cae_scorer_destroy(old);
    cae_scorer_destroy(fresh);
    training_free(&t);
    free(x);
}
END_TEST

START_TEST(a_threshold_goes_with_its_parameters)
{
    struct training t = training_new();
    struct bytes kept, gone;
    double threshold;

    fails_saying(CAE_ERR_ARGUMENT, "never calibrated; call cae_model_calibrate on clean images",
                 cae_model_threshold(&threshold, NULL, NULL, t.model));
    assert_says(context, "cae calibrate");
    struct bytes plain = model_bytes(t.model);
    assert_ok(context, cae_model_calibrate(NULL, t.model, NULL, t.dataset, 0.9, NULL));
    assert_ok(context, cae_model_threshold(&threshold, NULL, NULL, t.model));
    kept = model_bytes(t.model);
    ck_assert_uint_gt(kept.size, plain.size);
    changes[_i](&t);
    fails_saying(CAE_ERR_ARGUMENT, "parameters have changed",
                 cae_model_threshold(&threshold, NULL, NULL, t.model));
    assert_says(context, "cae_model_calibrate");
    gone = model_bytes(t.model); /* and is not saved */
    ck_assert_uint_eq(gone.size, plain.size);
    assert_ok(context, cae_model_calibrate(NULL, t.model, NULL, t.dataset, 0.9, NULL));
    assert_ok(context, cae_model_threshold(&threshold, NULL, NULL, t.model));
    bytes_free(&plain), bytes_free(&kept), bytes_free(&gone);
    training_free(&t);
}
END_TEST

/* --- Threads ------------------------------------------------------------------------------------- */

static const int thread_counts[] = {1, 2, 3, 7};

START_TEST(the_number_of_threads_changes_no_bit)
{
    const struct quiet *q = &quiets[_i];
    const struct net *net = &nets[q->net];
    const size_t pixels = (size_t)q->h * (size_t)q->w, n = (size_t)net->channels * pixels;
    float *x = new_floats(n), *map = new_floats(pixels), *first = new_floats(pixels);
    cae_model *model = model_of(context, net);

    random_floats(8, x, n, -1, 1);
    for (int32_t kind = CAE_SCORE_MEAN; kind <= CAE_SCORE_PEAK; kind++) {
        const cae_scorer_options o = score_options(kind, 3);
        double score, expected = 0.0;
        for (int i = 0; i < COUNT(thread_counts); i++) {
            cae_context *own = heap_context(&heap, thread_counts[i]);
            cae_scorer *scorer;
            assert_ok(own, cae_scorer_create(&scorer, model, own, q->h, q->w, &o));
            assert_ok(own, cae_scorer_run(&score, map, pixels, scorer, x, n));
            if (i == 0) {
                expected = score;
                memcpy(first, map, pixels * sizeof *map);
            }
            ck_assert_msg(memcmp(&score, &expected, sizeof score) == 0, "%d threads", thread_counts[i]);
            ck_assert(memcmp(map, first, pixels * sizeof *map) == 0);
            /* more and fewer than it was made for */
            for (int j = 0; j < COUNT(thread_counts); j++) {
                assert_ok(own, cae_context_set_threads(own, thread_counts[j]));
                assert_ok(own, cae_scorer_run(&score, NULL, 0, scorer, x, n));
                ck_assert(memcmp(&score, &expected, sizeof score) == 0);
            }
            cae_scorer_destroy(scorer);
            cae_context_destroy(own);
        }
    }
    cae_model_destroy(model);
    free(x), free(map), free(first);
}
END_TEST

/* A dataset of images that may be large, and the highest of the scores that cae_scorer_run gives. */
START_TEST(the_highest_score_is_the_threshold_of_all)
{
    enum { COUNT_LARGE = 5 };
    const int h = _i ? 264 : 9, w = _i ? 252 : 14, count = _i ? COUNT_LARGE : 45;
    const size_t n = (size_t)h * (size_t)w;
    float *x = new_floats(n * (size_t)count);
    cae_model *model = model_of(context, &nets[GREY]);
    const cae_scorer_options o = score_options(CAE_SCORE_PEAK, 1);
    cae_dataset_options data_options;
    cae_dataset *dataset;
    cae_scorer *scorer;
    double highest = 0.0;

    random_floats(9, x, n * (size_t)count, -1, 1);
    assert_ok(context, cae_dataset_options_init(&data_options, sizeof data_options));
    data_options.type = CAE_TYPE_F32;
    assert_ok(context, cae_dataset_create(&dataset, context, x, n * (size_t)count * sizeof *x, count, 1, h, w,
                                          &data_options));
    assert_ok(context, cae_scorer_create(&scorer, model, NULL, h, w, &o));
    for (int i = 0; i < count; i++) {
        const double score = score_of(scorer, x + n * (size_t)i, n);
        highest = score > highest ? score : highest;
    }
    for (int i = 0; i < COUNT(thread_counts); i++) {
        cae_context *own = heap_context(&heap, thread_counts[i]);
        double threshold = 0.0, middle, again;
        assert_ok(own, cae_model_calibrate(&threshold, model, own, dataset, 1.0, &o));
        ck_assert_msg(memcmp(&threshold, &highest, sizeof highest) == 0, "%.17g, not %.17g", threshold,
                      highest);
        assert_ok(own, cae_model_calibrate(&middle, model, own, dataset, 0.37, NULL));
        assert_ok(own, cae_model_calibrate(&again, model, NULL, dataset, 0.37, NULL));
        ck_assert(memcmp(&middle, &again, sizeof middle) == 0);
        cae_context_destroy(own);
    }
    cae_scorer_destroy(scorer);
    cae_dataset_destroy(dataset);
    cae_model_destroy(model);
    free(x);
}
END_TEST

struct seat {
    const cae_model *model;
    double scores[30];
};

static void *score_alone(void *given)
{
    struct seat *seat = given;
    float x[3 * 32 * 32];
    cae_context *own = NULL;
    cae_scorer *scorer = NULL;

    if (cae_context_create(&own, NULL) == CAE_OK &&
        cae_scorer_create(&scorer, seat->model, own, 32, 32, NULL) == CAE_OK)
        for (int i = 0; i < COUNT(seat->scores); i++) {
            random_floats((uint64_t)i, x, COUNT(x), -1, 1);
            if (cae_scorer_run(&seat->scores[i], NULL, 0, scorer, x, COUNT(x)) != CAE_OK)
                seat->scores[i] = -1.0;
        }
    cae_scorer_destroy(scorer);
    cae_context_destroy(own);
    return NULL;
}

START_TEST(threads_share_a_model)
{
    enum { SEATS = 5 };
    struct seat seats[SEATS];
    pthread_t threads[SEATS];
    cae_model *model = model_of(context, &nets[BARE]);

    for (int i = 0; i < SEATS; i++) {
        seats[i] = (struct seat){.model = model};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, score_alone, &seats[i]), 0);
    }
    for (int i = 0; i < SEATS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < SEATS; i++) {
        ck_assert_double_gt(seats[i].scores[29], 0.0);
        ck_assert(memcmp(seats[i].scores, seats[0].scores, sizeof seats[0].scores) == 0);
    }
    cae_model_destroy(model);
}
END_TEST

START_TEST(a_scorer_keeps_what_it_needs)
{
    struct heap own_heap = HEAP;
    cae_context *own = heap_context(&own_heap, 1), *lent = heap_context(&own_heap, 1);
    cae_model *model = model_of(own, &nets[GREY]);
    float x[64];
    double score;
    cae_scorer *scorer;

    random_floats(10, x, 64, -1, 1);
    assert_ok(own, cae_scorer_create(&scorer, model, lent, 8, 8, NULL));
    cae_context_destroy(lent);
    cae_model_destroy(model);
    cae_context_destroy(own);
    cae_dataset_destroy((cae_dataset *)(void *)scorer); /* another kind of handle: ignored */
    ck_assert_int_eq(cae_scorer_run(&score, NULL, 0, scorer, x, 64), CAE_OK);
    cae_scorer_destroy(scorer);
    cae_scorer_destroy(NULL);
    assert_balanced(&own_heap, "after the scorer, the last of all");
}
END_TEST

/* --- Quantiles ------------------------------------------------------------------------------------ */

static const float one[] = {0.3f}, two[] = {0.25f, 7.0f}, ties[] = {2, 1, 1, 2, 1};
static const float ten[] = {0.1f, 0.7f, 0.2f, 3.5f, 1e-12f, 1e10f, 0.30000001192092896f, 5.0f, 0.6f, 0.4f};
static float hundred[101]; /* i * 37 % 101 / 64 */

/* numpy.quantile of the squares, numpy 2.4.6. */
static const struct quantile {
    const float *roots;
    int count;
    double q, expected;
} quantiles[] = {
#define Q(set, q, expected) {set, COUNT(set), q, expected}
    Q(one, 1e-9, 0x1.70a3d8f5c2900p-4), Q(one, 0.25, 0x1.70a3d8f5c2900p-4), Q(one, 1, 0x1.70a3d8f5c2900p-4),
    Q(two, 1e-9, 0x1.00000d22f59acp-4), Q(two, 0.1, 0x1.3d33333333334p+2),
    Q(two, 0.25, 0x1.8980000000000p+3), Q(two, 0.3333333333333333, 0x1.0600000000000p+4),
    Q(two, 0.5, 0x1.8880000000000p+4), Q(two, 0.9, 0x1.60d999999999ap+5),
    Q(two, 0.95, 0x1.746ccccccccccp+5), Q(two, 0.99, 0x1.8415c28f5c28fp+5),
    Q(two, 0.999, 0x1.879bc6a7ef9dbp+5), Q(two, 1.0, 0x1.88p+5),
    Q(ties, 1e-9, 1), Q(ties, 0.5, 1), Q(ties, 0.9, 4), Q(ties, 1, 4),
    Q(ten, 1e-9, 0x1.8bd2fea072966p-34), Q(ten, 0.1, 0x1.26e9796872b03p-7),
    Q(ten, 0.25, 0x1.ae147c51eb858p-5), Q(ten, 0.3333333333333333, 0x1.70a3d8f5c2900p-4),
    Q(ten, 0.5, 0x1.0a3d71c28f5c8p-2), Q(ten, 0.9, 0x1.158e460913cefp+63),
    Q(ten, 0.95, 0x1.7da3a04c7b3d3p+65), Q(ten, 0.99, 0x1.3bb83c7720231p+66),
    Q(ten, 0.999, 0x1.57d27b3c864d6p+66), Q(ten, 1, 0x1.5af1d78b58c40p+66),
    Q(hundred, 1e-9, 0x1.ad7f29abcaf49p-36), Q(hundred, 0.1, 0x1.9p-6), Q(hundred, 0.25, 0x1.388p-3),
    Q(hundred, 0.3333333333333333, 0x1.15d5555555554p-2), Q(hundred, 0.5, 0x1.388p-1),
    Q(hundred, 0.9, 0x1.fa4p+0), Q(hundred, 0.95, 0x1.1a08p+1), Q(hundred, 0.99, 0x1.3248p+1),
    Q(hundred, 0.999, 0x1.37e0ccccccccdp+1), Q(hundred, 1, 0x1.388p+1),
};

START_TEST(quantiles_are_those_of_numpy)
{
    const struct quantile *q = &quantiles[_i];
    cae_model *model = pointwise_model(context, 0.0f, 0.0f); /* the score of a pixel is its square */
    cae_dataset *dataset;
    double threshold, kept, quantile;

    for (int i = 0; i < COUNT(hundred); i++)
        hundred[i] = (float)(i * 37 % 101) / 64.0f;
    dataset = float_images(context, q->roots, q->count, 1);
    assert_ok(context, cae_model_calibrate(&threshold, model, NULL, dataset, q->q, NULL));
    ck_assert_msg(threshold == q->expected, "%d scores, q = %g: %a, numpy has %a", q->count, q->q, threshold,
                  q->expected);
    assert_ok(context, cae_model_threshold(&kept, &quantile, NULL, model));
    ck_assert_double_eq(kept, threshold);
    ck_assert_double_eq(quantile, q->q);
    cae_dataset_destroy(dataset);
    cae_model_destroy(model);
}
END_TEST

/* --- Files ---------------------------------------------------------------------------------------- */

static void assert_threshold(const cae_model *model, double threshold, double quantile, int32_t kind,
                             int32_t smoothing)
{
    cae_scorer_options o = score_options(CAE_SCORE_MEAN, 1);
    double found, q;

    assert_ok(context, cae_model_threshold(&found, &q, &o, model));
    ck_assert(memcmp(&found, &threshold, sizeof found) == 0);
    ck_assert(memcmp(&q, &quantile, sizeof q) == 0);
    ck_assert_int_eq(o.kind, kind);
    ck_assert_int_eq(o.smoothing, smoothing);
    ck_assert_uint_eq(o.size, sizeof o);
}

START_TEST(files_keep_the_threshold)
{
    struct training t = training_new();
    const cae_scorer_options o = score_options(CAE_SCORE_PEAK, 3);
    struct bytes bytes;
    cae_model *model;
    cae_scorer *as_calibrated, *as_told;
    float x[SIDE * SIDE];
    double threshold;

    assert_ok(context, cae_model_calibrate(&threshold, t.model, NULL, t.dataset, 0.77, &o));
    assert_ok(context, cae_model_save(t.model, in_directory("model")));
    assert_ok(context, cae_model_load(&model, context, in_directory("model")));
    assert_threshold(model, threshold, 0.77, CAE_SCORE_PEAK, 3);
    assert_same_models(t.model, model, "a model saved and loaded");

    random_floats(11, x, COUNT(x), -1, 1);
    assert_ok(context, cae_scorer_create(&as_calibrated, model, NULL, SIDE, SIDE, NULL));
    assert_ok(context, cae_scorer_create(&as_told, model, NULL, SIDE, SIDE, &o));
    ck_assert_double_eq(score_of(as_calibrated, x, COUNT(x)), score_of(as_told, x, COUNT(x)));
    cae_scorer_destroy(as_calibrated);
    cae_scorer_destroy(as_told);
    cae_model_destroy(model);

    bytes = model_bytes(t.model);
    assert_ok(context, cae_model_load_memory(&model, context, bytes.data, bytes.size));
    assert_threshold(model, threshold, 0.77, CAE_SCORE_PEAK, 3);
    cae_model_destroy(model);
    bytes_free(&bytes);

    assert_ok(context, cae_trainer_save(t.trainer, in_directory("checkpoint"))); /* it is the model's */
    assert_ok(context, cae_model_load(&model, context, in_directory("checkpoint")));
    assert_threshold(model, threshold, 0.77, CAE_SCORE_PEAK, 3);
    cae_model_destroy(model);
    training_free(&t);
}
END_TEST

/* A text of the header, what takes its place, and what the error says. */
static const struct edit {
    const char *from, *to, *says;
} edits[] = {
    {"\\\"version\\\":1,\\\"threshold", "\\\"version\\\":2,\\\"threshold", "of version 2"},
    {"\\\"version\\\":1,\\\"threshold", "\\\"version\\\":0,\\\"threshold", "out of range"},
    {"\\\"version\\\":1,\\\"threshold", "\\\"version\\\":\\\"1\\\",\\\"threshold", "\"version\""},
    {"\\\"version\\\":1,\\\"threshold", "\\\"threshold", "\"version\" is missing"},
    {"threshold_bits\\\":\\\"", "threshold_bits\\\":\\\"-", "out of range"},
    {"threshold_bits\\\":\\\"", "threshold_bits\\\":\\\" ", "out of range"},
    {"threshold_bits\\\":\\\"", "threshold_bits\\\":\\\"999", "out of range"},
    {"threshold_bits\\\":\\\"", "threshold_bits\\\":\\\"\\\",\\\"x\\\":\\\"", "not know"},
    {"threshold_bits\\\":\\\"4598175219545276416\\\"", "threshold_bits\\\":4598175219545276416",
     "\"threshold_bits\""},
    {"4598175219545276416", "9218868437227405312", "out of range"},  /* infinity */
    {"4598175219545276416", "9221120237041090560", "out of range"},  /* NaN */
    {"4598175219545276416", "13821547256400052224", "out of range"}, /* -0.25 */
    {"4607182418800017408", "4607182418800017409", "out of range"},  /* q a little above 1 */
    {"4607182418800017408", "0", "out of range"},
    {"4607182418800017408", "9221120237041090560", "out of range"},
    {"\\\"mean\\\"", "\\\"median\\\"", "kind \"median\""},
    {"\\\"mean\\\"", "0", "\"kind\""},
    {"\\\"smoothing\\\":1", "\\\"smoothing\\\":-1", "out of range"},
    {"\\\"smoothing\\\":1", "\\\"smoothing\\\":257", "out of range"},
    {"\\\"smoothing\\\":1", "\\\"smoothing\\\":4294967297", "out of range"},
    {"\\\"images\\\":4", "\\\"images\\\":0", "out of range"},
    {"\\\"images\\\":4", "\\\"images\\\":-4", "out of range"},
    {"\\\"images\\\":4", "\\\"images\\\":9007199254740993", "out of range"},
    {"\\\"images\\\":4", "\\\"images\\\":4,\\\"more\\\":1", "not know"},
    {",\\\"images\\\":4", "", "\"images\" is missing"},
    {"{\\\"version\\\":1,\\\"threshold", "[{\\\"version\\\":1,\\\"threshold", "the threshold"},
    {"\"libcae.threshold\":\"", "\"libcae.threshold\":\"[]\",\"x\":\"", "not a JSON object"},
    {"\"libcae.threshold\":\"", "\"libcae.threshold\":\"\",\"x\":\"", "the threshold"},
};

/* All scores are 0.25 exactly, for the texts above. */
static struct bytes calibrated_bytes(void)
{
    const float x[] = {0.5f, 0.5f, 0.5f, 0.5f};
    cae_model *model = pointwise_model(context, 0.0f, 0.0f);
    cae_dataset *dataset = float_images(context, x, 4, 1);
    struct bytes bytes;

    assert_ok(context, cae_model_calibrate(NULL, model, NULL, dataset, 1.0, NULL));
    bytes = model_bytes(model);
    cae_dataset_destroy(dataset);
    cae_model_destroy(model);
    return bytes;
}

START_TEST(a_threshold_in_a_file_is_checked)
{
    const struct edit *e = &edits[_i];
    struct bytes good = calibrated_bytes(), bad = edited(good, e->from, e->to);
    cae_model *model;

    assert_ok(context, cae_model_load_memory(&model, context, good.data, good.size));
    assert_threshold(model, 0.25, 1.0, CAE_SCORE_MEAN, 1);
    cae_model_destroy(model);
    fails_saying(CAE_ERR_FORMAT, e->says, cae_model_load_memory(&model, context, bad.data, bad.size));
    ck_assert_ptr_null(model);
    bytes_free(&good), bytes_free(&bad);
}
END_TEST

/* --- Refusals ------------------------------------------------------------------------------------- */

START_TEST(scorers_that_cannot_be)
{
    cae_model *model = model_of(context, &nets[PADDED]), *strided = model_of(context, &nets[STRIDED]);
    cae_conv_options same;
    cae_spec *spec;
    cae_model *narrow;
    cae_scorer *scorer = (void *)model;
    cae_scorer_options o = score_options(CAE_SCORE_MEAN, 1);

    fails_saying(CAE_ERR_ARGUMENT, "out is NULL", cae_scorer_create(NULL, model, NULL, 8, 8, NULL));
    fails_saying(CAE_ERR_ARGUMENT, "model is NULL", cae_scorer_create(&scorer, NULL, context, 8, 8, NULL));
    ck_assert_ptr_null(scorer);
    ck_assert_int_eq(cae_scorer_create(&scorer, NULL, NULL, 8, 8, NULL), CAE_ERR_ARGUMENT);
    fails_saying(CAE_ERR_ARGUMENT, "0x8", cae_scorer_create(&scorer, model, NULL, 0, 8, NULL));
    fails_saying(CAE_ERR_ARGUMENT, "8x-1", cae_scorer_create(&scorer, model, NULL, 8, -1, NULL));
    fails_saying(CAE_ERR_SHAPE, "3x9x8 into 3x10x8, expected the same shape",
                 cae_scorer_create(&scorer, strided, NULL, 9, 8, NULL));
    assert_fails(context, CAE_ERR_SHAPE, cae_scorer_create(&scorer, model, NULL, 40000, 40000, NULL));
    o.kind = 2;
    fails_saying(CAE_ERR_OPTIONS, "kind is 2", cae_scorer_create(&scorer, model, NULL, 8, 8, &o));
    o = score_options(-1, 1);
    fails_saying(CAE_ERR_OPTIONS, "kind is -1", cae_scorer_create(&scorer, model, NULL, 8, 8, &o));
    o = score_options(1, 257);
    fails_saying(CAE_ERR_OPTIONS, "expected 0 to 256", cae_scorer_create(&scorer, model, NULL, 8, 8, &o));
    o = score_options(1, -1);
    fails_saying(CAE_ERR_OPTIONS, "smoothing is -1", cae_scorer_create(&scorer, model, NULL, 8, 8, &o));
    o = score_options(1, 1), o.reserved = 1;
    fails_saying(CAE_ERR_OPTIONS, "reserved", cae_scorer_create(&scorer, model, NULL, 8, 8, &o));
    o.reserved = 0, o.size = 3;
    fails_saying(CAE_ERR_OPTIONS, "size is 3", cae_scorer_create(&scorer, model, NULL, 8, 8, &o));
    ck_assert_ptr_null(scorer);
    ck_assert_int_eq(cae_scorer_options_init(NULL, sizeof o), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_scorer_options_init(&o, 2), CAE_ERR_OPTIONS);

    assert_ok(context, cae_conv_options_init(&same, sizeof same)); /* two channels into one */
    same.padding_h = same.padding_w = 1;
    assert_ok(context, cae_spec_create(&spec, context));
    assert_ok(context, cae_spec_add_conv(spec, 2, 1, &same));
    assert_ok(context, cae_model_create(&narrow, context, spec, 1));
    fails_saying(CAE_ERR_SHAPE, "2x8x8 into 1x8x8", cae_scorer_create(&scorer, narrow, NULL, 8, 8, NULL));
    cae_spec_destroy(spec);
    cae_model_destroy(narrow);
    cae_model_destroy(model);
    cae_model_destroy(strided);
}
END_TEST

START_TEST(frames_that_do_not_fit)
{
    cae_model *model = model_of(context, &nets[GREY]);
    float x[64] = {0}, map[64];
    cae_scorer *scorer;
    double score;

    assert_ok(context, cae_scorer_create(&scorer, model, NULL, 8, 8, NULL));
    ck_assert_int_eq(cae_scorer_run(&score, NULL, 0, NULL, x, 64), CAE_ERR_ARGUMENT);
    fails_saying(CAE_ERR_ARGUMENT, "score is NULL", cae_scorer_run(NULL, NULL, 0, scorer, x, 64));
    fails_saying(CAE_ERR_ARGUMENT, "the frame is NULL", cae_scorer_run(&score, NULL, 0, scorer, NULL, 64));
    fails_saying(CAE_ERR_SHAPE, "the frame has 63 values, expected 1 x 1x8x8",
                 cae_scorer_run(&score, NULL, 0, scorer, x, 63));
    fails_saying(CAE_ERR_SHAPE, "the frame has 0", cae_scorer_run(&score, NULL, 0, scorer, NULL, 0));
    fails_saying(CAE_ERR_SHAPE, "the map has 65 values", cae_scorer_run(&score, map, 65, scorer, x, 64));
    fails_saying(CAE_ERR_SHAPE, "the map has 0", cae_scorer_run(&score, map, 0, scorer, x, 64));
    fails_saying(CAE_ERR_ARGUMENT, "the map is NULL", cae_scorer_run(&score, NULL, 64, scorer, x, 64));
    fails_saying(CAE_ERR_ARGUMENT, "overlaps", cae_scorer_run(&score, x, 64, scorer, x, 64));
    assert_ok(context, cae_scorer_run(&score, map, 64, scorer, x, 64));
    cae_scorer_destroy(scorer);
    cae_model_destroy(model);
}
END_TEST

START_TEST(calibrations_that_cannot_be)
{
    cae_model *model = small_model(context, 1), *two_channels = model_of(context, &nets[PADDED]);
    cae_dataset *dataset = float_images(context, NULL, 5, 9), *tiny = float_images(context, NULL, 5, 2);
    const double bad[] = {0.0, -0.1, 1.0000000000000002, (double)NAN, (double)INFINITY};
    cae_scorer_options o = score_options(2, 1);
    float image[81];
    double threshold, q;
    uint32_t sizes[4] = {3};

    fails_saying(CAE_ERR_ARGUMENT, "model is NULL",
                 cae_model_calibrate(&threshold, NULL, context, dataset, 0.9, NULL));
    fails_saying(CAE_ERR_ARGUMENT, "clean is NULL",
                 cae_model_calibrate(&threshold, model, NULL, NULL, 0.9, NULL));
    for (int i = 0; i < COUNT(bad); i++)
        fails_saying(CAE_ERR_ARGUMENT, "quantile is",
                     cae_model_calibrate(&threshold, model, NULL, dataset, bad[i], NULL));
    fails_saying(CAE_ERR_OPTIONS, "kind is 2", cae_model_calibrate(NULL, model, NULL, dataset, 0.9, &o));
    fails_saying(CAE_ERR_SHAPE, "2 channels",
                 cae_model_calibrate(&threshold, two_channels, NULL, dataset, 0.9, NULL));
    assert_fails(context, CAE_ERR_SHAPE, cae_model_calibrate(&threshold, model, NULL, tiny, 0.9, NULL));
    ck_assert_int_eq(cae_model_threshold(NULL, NULL, NULL, NULL), CAE_ERR_ARGUMENT);

    /* a failure leaves the threshold that was there */
    assert_ok(context, cae_model_calibrate(&threshold, model, NULL, dataset, 0.9, NULL));
    random_floats(1, image, 81, -1, 1);
    image[40] = NAN;
    cae_dataset *broken = float_images(context, image, 1, 9);
    fails_saying(CAE_ERR_NUMERIC, "image 0 of 1", cae_model_calibrate(&q, model, NULL, broken, 0.5, NULL));
    assert_threshold(model, threshold, 0.9, CAE_SCORE_MEAN, 1);
    fails_saying(CAE_ERR_OPTIONS, "size is 3",
                 cae_model_threshold(&q, NULL, (cae_scorer_options *)(void *)sizes, model));
    assert_ok(context, cae_model_threshold(NULL, NULL, NULL, model));
    cae_dataset_destroy(broken);
    cae_dataset_destroy(tiny);
    cae_dataset_destroy(dataset);
    cae_model_destroy(two_channels);
    cae_model_destroy(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scorer");
    TCase *scores = tcase_create("scores"), *thresholds = tcase_create("thresholds");

    tcase_set_timeout(scores, 60);
    tcase_add_checked_fixture(scores, setup, teardown);
    tcase_add_loop_test(scores, scores_are_those_of_the_definition, 0, COUNT(shapes));
    tcase_add_loop_test(scores, the_mean_is_the_mean_squared_error, 0, 3);
    tcase_add_test(scores, borders_are_left_out_of_the_blur);
    tcase_add_loop_test(scores, a_frame_that_is_not_finite_is_refused, 0, 2 * COUNT(bads));
    tcase_add_loop_test(scores, no_frame_allocates, 0, COUNT(quiets));
    tcase_add_loop_test(scores, the_number_of_threads_changes_no_bit, 0, COUNT(quiets));
    tcase_add_test(scores, threads_share_a_model);
    tcase_add_test(scores, a_scorer_keeps_what_it_needs);
    tcase_add_test(scores, scorers_that_cannot_be);
    tcase_add_test(scores, frames_that_do_not_fit);
    suite_add_tcase(suite, scores);
    tcase_add_unchecked_fixture(thresholds, directory_setup, directory_teardown);
    tcase_add_checked_fixture(thresholds, setup, teardown);
    tcase_add_loop_test(thresholds, a_scorer_follows_its_model, 0, 2 * COUNT(changes));
    tcase_add_loop_test(thresholds, a_threshold_goes_with_its_parameters, 0, COUNT(changes));
    tcase_add_loop_test(thresholds, the_highest_score_is_the_threshold_of_all, 0, 2);
    tcase_add_loop_test(thresholds, quantiles_are_those_of_numpy, 0, COUNT(quantiles));
    tcase_add_test(thresholds, files_keep_the_threshold);
    tcase_add_loop_test(thresholds, a_threshold_in_a_file_is_checked, 0, COUNT(edits));
    tcase_add_test(thresholds, calibrations_that_cannot_be);
    suite_add_tcase(suite, thresholds);
    return test_main(suite);
}
