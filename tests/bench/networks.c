/* networks.c - whole steps, inference, photos, and how cost grows: through the public interface. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

/* --- Training -------------------------------------------------------------------------------------- */

struct training {
    cae_context *context;
    cae_trainer *trainer;
};

static void train_step(void *state)
{
    struct training *t = state;
    bench_ok(t->context, cae_trainer_step(NULL, t->trainer));
}

/* Steps of `batch` images of the built-in set. */
static void run_training(const struct bench *b, const char *name, int engine, int channels, int side,
                         int batch, double sigma)
{
    struct bench_case work = {.images = batch, .work = train_step,
                              .flop = batch * bench_training_flop(channels, side, side)};
    snprintf(work.name, sizeof work.name, "%s", name);
    if (!bench_wanted(b, name))
        return;
    struct training t = {.context = bench_context(b, b->threads, engine)};
    cae_model *model = bench_model(t.context, channels);
    cae_dataset *data;
    cae_optimizer *adam;
    cae_trainer_options options;
    cae_trainer_options_init(&options, sizeof options);
    options.batch = batch;
    options.noise_sigma = sigma;
    /* whole batches, so that every step costs the same */
    const int64_t images = batch < 64 ? batch * (64 / batch) : batch;
    bench_ok(t.context, cae_dataset_create_dead_leaves(&data, t.context, images, 3, side, side, 1, NULL));
    bench_ok(t.context, cae_optimizer_create(&adam, model, NULL));
    bench_ok(t.context, cae_trainer_create(&t.trainer, model, adam, data, &options));
    work.state = &t;
    bench_run(b, &work);
    cae_trainer_destroy(t.trainer);
    cae_optimizer_destroy(adam);
    cae_dataset_destroy(data);
    cae_model_destroy(model);
    cae_context_destroy(t.context);
}

void bench_training(const struct bench *b)
{
    run_training(b, "training auto", CAE_ENGINE_AUTO, 8, 32, 64, 0.0);
    run_training(b, "training auto, noise", CAE_ENGINE_AUTO, 8, 32, 64, 0.1);
    run_training(b, "training direct", CAE_ENGINE_DIRECT, 8, 32, 64, 0.0);
    run_training(b, "training gemm", CAE_ENGINE_GEMM, 8, 32, 64, 0.0);
    run_training(b, "training 16 channels", CAE_ENGINE_AUTO, 16, 32, 64, 0.0);
    run_training(b, "training 32 channels", CAE_ENGINE_AUTO, 32, 32, 64, 0.0);
    run_training(b, "training 64 channels", CAE_ENGINE_AUTO, 64, 32, 64, 0.0);
    run_training(b, "training gemm, 64 channels", CAE_ENGINE_GEMM, 64, 32, 64, 0.0);
}

/* --- Inference ----------------------------------------------------------------------------------------- */

struct inference {
    cae_context *context;
    cae_model *model;
    float *x, *y;
    int count, height, width;
};

static void run_forward(void *state)
{
    const struct inference *s = state;
    const size_t floats = (size_t)s->count * 3 * (size_t)s->height * (size_t)s->width;
    bench_ok(s->context, cae_model_forward(s->y, floats, s->model, NULL, s->x, floats, s->count,
                                           s->height, s->width));
}

static void run_inference(const struct bench *b, const char *name, int channels, int count, int height,
                          int width)
{
    struct bench_case work = {.images = count, .work = run_forward,
                              .flop = count * bench_forward_flop(channels, height, width)};
    snprintf(work.name, sizeof work.name, "%s", name);
    if (!bench_wanted(b, name))
        return;
    struct inference s = {.context = bench_context(b, b->threads, CAE_ENGINE_AUTO), .count = count,
                          .height = height, .width = width};
    const size_t floats = (size_t)count * 3 * (size_t)height * (size_t)width;
    s.model = bench_model(s.context, channels);
    s.x = malloc(floats * sizeof *s.x);
    s.y = malloc(floats * sizeof *s.y);
    for (size_t i = 0; i < floats; i++)
        s.x[i] = (float)(i % 511) / 255.0f - 1.0f;
    work.state = &s;
    bench_run(b, &work);
    free(s.x);
    free(s.y);
    cae_model_destroy(s.model);
    cae_context_destroy(s.context);
}

void bench_inference(const struct bench *b)
{
    run_inference(b, "inference batch 1", 8, 1, 32, 32);
    run_inference(b, "inference batch 16", 8, 16, 32, 32);
    run_inference(b, "inference batch 64", 8, 64, 32, 32);
    run_inference(b, "inference batch 256", 8, 256, 32, 32);
}

void bench_photo(const struct bench *b)
{
    run_inference(b, "photo 640x480", 8, 1, 480, 640);
    run_inference(b, "photo 4000x3000", 8, 1, 3000, 4000);
}

/* --- Scores: one frame at a time, beside cae_model_forward of it ------------------------------------------- */

struct score {
    cae_context *context;
    cae_scorer *scorer;
    float *x;
    size_t floats;
};

static void run_score(void *state)
{
    const struct score *s = state;
    double score;
    bench_ok(s->context, cae_scorer_run(&score, NULL, 0, s->scorer, s->x, s->floats));
}

static void run_scorer(const struct bench *b, const char *name, int32_t kind, int height, int width)
{
    struct bench_case work = {.images = 1, .work = run_score, .flop = bench_forward_flop(8, height, width)};
    struct score s = {.context = bench_context(b, b->threads, CAE_ENGINE_AUTO),
                      .floats = 3 * (size_t)height * (size_t)width};
    cae_scorer_options o;
    cae_model *model = bench_model(s.context, 8);

    bench_ok(s.context, cae_scorer_options_init(&o, sizeof o));
    o.kind = kind;
    bench_ok(s.context, cae_scorer_create(&s.scorer, model, NULL, height, width, &o));
    s.x = malloc(s.floats * sizeof *s.x);
    for (size_t i = 0; i < s.floats; i++)
        s.x[i] = (float)(i % 511) / 255.0f - 1.0f;
    snprintf(work.name, sizeof work.name, "%s", name);
    work.state = &s;
    bench_run(b, &work);
    free(s.x);
    cae_scorer_destroy(s.scorer);
    cae_model_destroy(model);
    cae_context_destroy(s.context);
}

void bench_scores(const struct bench *b)
{
    static const struct {
        const char *name;
        int height, width;
    } sizes[] = {{"32x32", 32, 32}, {"640x480", 480, 640}, {"4000x3000", 3000, 4000}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const int height = sizes[i].height, width = sizes[i].width;
        char name[64];
        snprintf(name, sizeof name, "scores forward %s", sizes[i].name);
        run_inference(b, name, 8, 1, height, width);
        for (int32_t kind = CAE_SCORE_MEAN; kind <= CAE_SCORE_PEAK; kind++) {
            snprintf(name, sizeof name, "scores %s %s", kind == CAE_SCORE_MEAN ? "mean" : "peak",
                     sizes[i].name);
            if (bench_wanted(b, name))
                run_scorer(b, name, kind, height, width);
        }
    }
}

/* --- Handles ----------------------------------------------------------------------------------------------- */

static void make_model(void *state)
{
    cae_model *model;
    bench_ok(state, cae_model_create_reference(&model, state, 1));
    cae_model_destroy(model);
}

void bench_handles(const struct bench *b)
{
    cae_context *context = bench_context(b, 1, CAE_ENGINE_AUTO);
    const struct bench_case work = {.name = "create and destroy the reference model",
                                    .work = make_model, .state = context};
    bench_run(b, &work);
    cae_context_destroy(context);
}

/* --- Growth: the curves of docs/performance.md --------------------------------------------------------------- */

void bench_growth(const struct bench *b)
{
    char name[64];
    for (int threads = 1; threads <= 4; threads++) { /* also more than there are processors */
        struct bench more = *b;
        more.threads = threads;
        snprintf(name, sizeof name, "growth training threads %d", threads);
        run_training(&more, name, CAE_ENGINE_AUTO, 8, 32, 64, 0.0);
    }
    for (int batch = 1; batch <= 1024; batch *= 2) {
        snprintf(name, sizeof name, "growth training batch %d", batch);
        run_training(b, name, CAE_ENGINE_AUTO, 8, 32, batch, 0.0);
        snprintf(name, sizeof name, "growth inference batch %d", batch);
        run_inference(b, name, 8, batch, 32, 32);
    }
    for (int channels = 4; channels <= 128; channels *= 2) {
        snprintf(name, sizeof name, "growth training channels %d", channels);
        run_training(b, name, CAE_ENGINE_AUTO, channels, 32, 64, 0.0);
        snprintf(name, sizeof name, "growth gemm channels %d", channels);
        run_training(b, name, CAE_ENGINE_GEMM, channels, 32, 64, 0.0);
    }
    for (int side = 16; side <= 2048; side *= 2) {
        snprintf(name, sizeof name, "growth inference side %d", side);
        run_inference(b, name, 8, 1, side, side);
    }
}
