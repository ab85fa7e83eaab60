/* gallery.c - test images as they are, as the model gets them, and as it gives them back. */
#include "gallery.h"

#include "message.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool gallery_begin(struct gallery *g, const struct run *run, int64_t count)
{
    const double range = cae_dataset_range(run->test);
    size_t bytes;

    *g = (struct gallery){.count = count, .low = range > 1 ? -range / 2 : 0};
    g->high = g->low + range;
    cae_dataset_shape(&g->channels, &g->height, &g->width, run->test);
    g->pixels = (size_t)g->channels * (size_t)g->height * (size_t)g->width;
    bytes = (size_t)count * g->pixels * sizeof *g->clean;
    g->indices = malloc((size_t)count * sizeof *g->indices);
    g->clean = malloc(bytes);
    g->input = malloc(bytes);
    g->output = malloc(bytes);
    return (g->indices && g->clean && g->input && g->output) ||
           fail("out of memory for the test images");
}

void gallery_end(struct gallery *g)
{
    free(g->indices);
    free(g->clean);
    free(g->input);
    free(g->output);
    *g = (struct gallery){0};
}

void gallery_spread(const struct gallery *g, const struct run *run)
{
    for (int64_t i = 0; i < g->count; i++)
        g->indices[i] = i * cae_dataset_count(run->test) / g->count;
}

/* The clean image and the input that evaluation made of it, to the bit. */
static cae_status fetch(const struct gallery *g, const struct run *run, int64_t i)
{
    const size_t offset = (size_t)i * g->pixels;
    cae_status status = cae_dataset_get(g->clean + offset, g->pixels, run->test, g->indices[i]);

    if (status)
        return status;
    memcpy(g->input + offset, g->clean + offset, g->pixels * sizeof *g->input);
    if (!run->task->noisy)
        return CAE_OK;
    return cae_add_noise(g->input + offset, g->pixels, run->evaluation_options.noise_sigma,
                         run->evaluation_options.noise_seed, CAE_VISIT_EVALUATION,
                         (uint64_t)g->indices[i]);
}

bool gallery_fill(const struct gallery *g, const struct run *run)
{
    const size_t values = (size_t)g->count * g->pixels;
    cae_status status = CAE_OK;

    for (int64_t i = 0; i < g->count && !status; i++)
        status = fetch(g, run, i);
    if (!status)
        status = cae_model_forward(g->output, values, run->model, NULL, g->input, values, g->count,
                                   g->height, g->width);
    return !status || fail_status(run->context, status, "cannot run the model on test images");
}

struct picture gallery_picture(const struct gallery *g, const float *images, int64_t i)
{
    return picture_of(images + (size_t)i * g->pixels, g->channels, g->height, g->width, g->low,
                      g->high);
}

double gallery_psnr(const struct gallery *g, const float *images, int64_t i)
{
    const size_t offset = (size_t)i * g->pixels;
    double psnr = NAN;

    cae_psnr(&psnr, NULL, images + offset, g->clean + offset, g->pixels, g->high - g->low);
    return psnr;
}
