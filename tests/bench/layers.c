/* layers.c - each layer of the network alone: forward, input gradient, weight gradient, by each engine. */
#include "../../lib/network/engine.h"
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct layer_state {
    struct cae__plan plan;
    const struct cae__stage *stage;
    const struct cae__layer *before;
    float *x, *y, *dx, *dw, *db, *scratch;
};

static void forward(void *state)
{
    const struct layer_state *s = state;
    cae__layer_forward(s->stage, s->y, s->x, s->scratch);
}

/* Through the functions that a step calls. The bias gradient is part of it. */
static void weight_gradient(void *state)
{
    const struct layer_state *s = state;
    cae__layer_backward(s->stage, s->dw, s->db, NULL, s->x, s->y, s->before, s->scratch);
}

static void input_gradient(void *state)
{
    const struct layer_state *s = state;
    const struct cae__finish finish = {.gate = s->x, .activation = CAE_ACTIVATION_RELU};
    const bool transposed = s->stage->layer->transposed, direct = s->stage->direct.input_gradient;
    if (transposed)
        (direct ? cae__direct_gather : cae__gemm_gather)(s->stage, s->dx, s->y, finish, s->scratch);
    else
        (direct ? cae__direct_scatter : cae__gemm_scatter)(s->stage, s->dx, s->y, finish, s->scratch);
}

static float *some_floats(size_t count)
{
    float *values = aligned_alloc(64, (count * sizeof(float) + 127) / 64 * 64);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)((i * 2654435761u) % 2001) / 1000.0f - 1.0f;
    return values;
}

static void run_layer(const struct bench *b, cae_context *context, const cae_model *model,
                      const char *prefix, int index)
{
    struct layer_state s = {0};
    bench_ok(context, cae__plan_init(&s.plan, context, model, CAE_PART_WHOLE, 32, 32, 8, true));
    s.stage = &s.plan.stages[index];
    const struct cae__layer *l = s.stage->layer;
    const size_t weights = (size_t)l->in_channels * (size_t)l->out_channels * 9;
    s.x = some_floats(s.stage->in_length);
    s.y = some_floats(s.stage->out_length);
    s.dx = some_floats(s.stage->in_length);
    s.dw = some_floats(weights);
    s.db = some_floats((size_t)l->out_channels);
    s.scratch = some_floats((size_t)s.plan.scratch);
    const struct cae__window *w = &s.stage->window;
    const double flop = 2.0 * (double)weights * w->grid_h * w->grid_w * w->lanes;
    static const struct {
        const char *name;
        bench_work work;
    } directions[] = {
        {"forward", forward}, {"weight gradient", weight_gradient}, {"input gradient", input_gradient}};
    for (int d = 0; d < (index > 0 ? 3 : 2); d++) {
        struct bench_case work = {.flop = flop, .work = directions[d].work, .state = &s};
        snprintf(work.name, sizeof work.name, "%s %s %d->%d %s", prefix,
                 l->transposed ? "convT" : "conv", l->in_channels, l->out_channels,
                 directions[d].name);
        if (bench_wanted(b, work.name))
            bench_run(b, &work);
    }
    free(s.x), free(s.y), free(s.dx), free(s.dw), free(s.db), free(s.scratch);
    cae__plan_finish(&s.plan, context);
}

void bench_layers(const struct bench *bench)
{
    static const int channels[] = {8, 16, 32, 64};
    const struct bench single = {bench->seconds, bench->rounds, 1, bench->cpu, bench->only, bench->json};
    for (int engine = CAE_ENGINE_GEMM; engine <= CAE_ENGINE_DIRECT; engine++)
        for (int i = 0; i < 4; i++) {
            cae_context *context = bench_context(bench, 1, engine);
            cae_model *model = bench_model(context, channels[i]);
            for (int layer = 0; layer < 4; layer++)
                run_layer(&single, context, model, engine == CAE_ENGINE_GEMM ? "gemm" : "direct",
                          layer);
            cae_model_destroy(model);
            cae_context_destroy(context);
        }
}
