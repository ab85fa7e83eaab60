/* step.c - what a training step does beside the network, each piece alone, on one block of images: loading,
 * noise, loss; and on one model: the optimizer. */
#include "../../lib/data/data.h"
#include "../../lib/network/network.h"
#include "../../lib/random/random.h"
#include "../../lib/training/training.h"
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { LANES = CAE__MOST_LANES, LENGTH = 3 * 32 * 32 };

struct pieces {
    const struct cae__kernels *kernels;
    cae_dataset *data;
    cae_optimizer *optimizer;
    int64_t images[LANES];
    float target[LANES * LENGTH], input[LANES * LENGTH], gradient[LANES * LENGTH], slope[1611];
};

static void shuffle(void *state)
{
    struct pieces *p = state;
    for (int lane = 0; lane < LANES; lane++)
        p->images[lane] = (int64_t)cae__permute((uint64_t)lane, 64, 1, 1);
}

static void load(void *state)
{
    struct pieces *p = state;
    (void)cae__dataset_read_lanes(p->target, p->data, p->images, NULL, LANES, LANES, NULL);
}

static void noise(void *state)
{
    struct pieces *p = state;
    static const uint64_t names[LANES] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const float sigmas[LANES] = {1e-9f, 1e-9f, 1e-9f, 1e-9f, 1e-9f, 1e-9f, 1e-9f, 1e-9f};
    p->kernels->add_noise(p->input, p->target, LENGTH, LANES, sigmas, 1, 1, names);
}

static void loss(void *state)
{
    struct pieces *p = state;
    const struct cae__loss mse = {CAE_LOSS_MSE, 1.0f};
    p->kernels->loss_gradient(&mse, p->gradient, p->input, p->target, LENGTH, LANES, LANES, 1e-3f);
}

static void update(void *state)
{
    struct pieces *p = state;
    cae__optimizer_update(p->optimizer, p->slope, 1e-9, 1);
}

void bench_step(const struct bench *bench)
{
    const struct bench single = {bench->seconds, bench->rounds, 1, bench->cpu, bench->only, bench->json};
    cae_context *context = bench_context(bench, 1, CAE_ENGINE_AUTO);
    struct pieces *p = calloc(1, sizeof *p);
    cae_model *model = bench_model(context, 8);
    p->kernels = context->kernels;
    memcpy(p->slope, model->parameters, sizeof p->slope);
    bench_ok(context, cae_dataset_create_dead_leaves(&p->data, context, 64, 3, 32, 32, 1, NULL));
    bench_ok(context, cae_optimizer_create(&p->optimizer, model, NULL));
    static const struct {
        const char *name;
        bench_work work;
        int images;
    } pieces[] = {{"step: shuffle, 8 images", shuffle, LANES},
                  {"step: load and scale, 8 images", load, LANES},
                  {"step: noise, 8 images", noise, LANES},
                  {"step: loss, 8 images", loss, LANES},
                  {"step: Adam, 1611 parameters", update, 0}};
    for (int i = 0; i < 5; i++) {
        struct bench_case work = {.images = pieces[i].images, .work = pieces[i].work, .state = p};
        snprintf(work.name, sizeof work.name, "%s", pieces[i].name);
        if (bench_wanted(bench, work.name))
            bench_run(&single, &work);
    }
    cae_optimizer_destroy(p->optimizer);
    cae_dataset_destroy(p->data);
    cae_model_destroy(model);
    cae_context_destroy(context);
    free(p);
}
