/* tensorboard.c - --tensorboard: what TensorBoard is told of a run. */
#include "tensorboard.h"

#include "gallery.h"
#include "message.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { SAMPLES = 10, MOST = 256, FLUSH_AT = 1 << 20 };

bool tensorboard_prepare(const struct run *run)
{
    return !run->options.tensorboard || directory_make(run->options.tensorboard);
}

/* A run that goes on, or is repeated, replaces what an older file says of the same steps. */
bool tensorboard_open(struct run *run)
{
    if (!run->options.tensorboard)
        return true;
    if (!events_open(&run->events, run->options.tensorboard))
        return false;
    if (run->trainer)
        events_restart(&run->events, run->first_step + 1);
    return true;
}

bool tensorboard_step(struct run *run)
{
    struct events *events = &run->events;

    events_begin(events, run->progress.step);
    events_scalar(events, "train/loss", run->progress.loss);
    events_scalar(events, "train/learning_rate", run->progress.learning_rate);
    events_end(events);
    return events->records.size < FLUSH_AT || events_flush(events);
}

/* What has no finite value is not shown. */
static void figure(struct run *run, const char *tag, double value)
{
    if (isfinite(value))
        events_scalar(&run->events, tag, value);
}

static void figures(struct run *run)
{
    const cae_evaluation *e = &run->evaluation;

    events_begin(&run->events, run->progress.step);
    figure(run, "test/psnr_db", e->psnr);
    figure(run, "test/ssim", e->ssim);
    figure(run, "test/ssim_uniform7", e->ssim_uniform7);
    figure(run, "test/mse", e->mse);
    if (run->task->noisy) {
        figure(run, "test/noisy_psnr_db", e->noisy_psnr);
        figure(run, "test/noisy_ssim", e->noisy_ssim);
    }
    events_end(&run->events);
}

static bool sample(struct run *run, const struct gallery *g, const float *images, int64_t i,
                   const char *name)
{
    const struct picture picture = picture_middle(gallery_picture(g, images, i), MOST);
    struct bytes png = {0};
    char tag[64];
    const bool good = picture_png(&png, &picture, 1);

    snprintf(tag, sizeof tag, "test_image_%" PRId64 "/%s", g->indices[i], name);
    if (good)
        events_png(&run->events, tag, &png, picture.shown_height, picture.shown_width);
    bytes_free(&png);
    return good;
}

static bool samples(struct run *run, const struct gallery *g)
{
    bool good = true;

    events_begin(&run->events, run->progress.step);
    for (int64_t i = 0; i < g->count && good; i++)
        good = sample(run, g, g->clean, i, "original") &&
               (!run->task->noisy || sample(run, g, g->input, i, "noisy")) &&
               sample(run, g, g->output, i, "output");
    events_end(&run->events);
    return good;
}

bool tensorboard_results(struct run *run)
{
    const int64_t count = cae_dataset_count(run->test);
    struct gallery gallery;
    bool good;

    if (!run->options.tensorboard)
        return true;
    figures(run);
    good = gallery_begin(&gallery, run, count < SAMPLES ? count : SAMPLES);
    if (good)
        gallery_spread(&gallery, run);
    good = good && gallery_fill(&gallery, run) && samples(run, &gallery) &&
           events_flush(&run->events);
    gallery_end(&gallery);
    return good;
}
