/* scores.c - scorers and thresholds. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

static void draw_scoring(struct world *w, cae_scorer_options *options)
{
    cae_scorer_options_init(options, sizeof *options);
    options->kind = pick(w, 2);
    options->smoothing = pick(w, 4);
}

void make_scorer(struct world *w)
{
    const int model = pick(w, SLOTS), slot = pick(w, SLOTS);
    cae_scorer_options options;
    cae_scorer *scorer = NULL;
    if (!w->models[model])
        return;
    const int step = w->step[model], h = (12 + pick(w, 20)) / step * step, x = (12 + pick(w, 20)) / step * step;
    draw_scoring(w, &options);
    if (good(w, cae_scorer_create(&scorer, w->models[model], pick(w, 2) ? w->context : NULL, h, x,
                                  pick(w, 2) ? &options : NULL), CAE_OK, "cae_scorer_create")) {
        cae_scorer_destroy(w->scorers[slot]);
        w->scorers[slot] = scorer;
        memcpy(w->frame[slot], (const int[]){w->channels[model], h, x}, sizeof w->frame[slot]);
    }
}

void score_frame(struct world *w)
{
    const int slot = pick(w, SLOTS), *frame = w->frame[slot];
    const size_t pixels = (size_t)(frame[1] * frame[2]), count = (size_t)frame[0] * pixels;
    double first = 0, second = 0;
    if (!w->scorers[slot])
        return;
    float *x = calloc(count + pixels, sizeof *x), *map = x ? x + count : NULL;
    if (!x)
        return;
    fill(next_random(&w->tenant->random), x, count);
    if (good(w, cae_scorer_run(&first, map, pixels, w->scorers[slot], x, count), CAE_OK, "cae_scorer_run") &&
        good(w, cae_scorer_run(&second, NULL, 0, w->scorers[slot], x, count), CAE_OK, "cae_scorer_run") &&
        memcmp(&first, &second, sizeof first) != 0)
        fail("cae_scorer_run", CAE_OK, "another score of the same frame");
    free(x);
}

void score_shared(struct world *w)
{
    cae_status status;
    const uint64_t digest = score_digest(w->tenant->shared, w->context, &status);
    if (good(w, status, CAE_OK, "a scorer of the shared model") && digest != w->tenant->shared->score)
        fail("a scorer of the shared model", CAE_OK, "other bits");
}

void calibrate(struct world *w)
{
    const int slot = pick(w, SLOTS), data = pick(w, SLOTS);
    const double quantile = 0.01 * (1 + pick(w, 100));
    double found = 0, kept = 0, of = 0;
    cae_scorer_options options;
    if (!w->models[slot] || !w->datasets[data])
        return;
    draw_scoring(w, &options);
    if (good_reading(w, cae_model_calibrate(&found, w->models[slot], w->context, w->datasets[data], quantile,
                                            &options), CAE_ERR_SHAPE, "cae_model_calibrate") &&
        good(w, cae_model_threshold(&kept, &of, &options, w->models[slot]), CAE_OK, "cae_model_threshold") &&
        (found != kept || of != quantile))
        fail("cae_model_threshold", CAE_OK, "is not what was found");
}
