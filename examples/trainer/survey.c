/* survey.c - every test image by itself. */
#include "survey.h"

#include "gallery.h"
#include "message.h"

#include <stdlib.h>

enum { AT_ONCE = 64, VALUES_AT_ONCE = 1 << 20 };

static int64_t images_at_once(const struct run *run)
{
    int32_t channels, height, width;
    int64_t fit;

    cae_dataset_shape(&channels, &height, &width, run->test);
    fit = VALUES_AT_ONCE / ((int64_t)channels * height * width);
    return fit < 1 ? 1 : fit < AT_ONCE ? fit : AT_ONCE;
}

static bool score_some(struct survey *survey, struct gallery *g, const struct run *run,
                       int64_t first)
{
    const int64_t left = survey->count - first;

    g->count = left < g->count ? left : g->count;
    for (int64_t i = 0; i < g->count; i++)
        g->indices[i] = first + i;
    if (!gallery_fill(g, run))
        return false;
    for (int64_t i = 0; i < g->count; i++)
        survey->scores[first + i] = (struct score){first + i, gallery_psnr(g, g->output, i)};
    return true;
}

static int compare(const void *left, const void *right)
{
    const struct score *a = left, *b = right;

    if (a->psnr != b->psnr)
        return a->psnr < b->psnr ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

bool survey_take(struct survey *survey, const struct run *run)
{
    struct gallery gallery;
    bool good;

    *survey = (struct survey){.count = cae_dataset_count(run->test)};
    survey->scores = malloc((size_t)survey->count * sizeof *survey->scores);
    if (!survey->scores)
        return fail("out of memory for the test images");

    good = gallery_begin(&gallery, run, images_at_once(run));
    for (int64_t first = 0; good && first < survey->count; first += gallery.count)
        good = score_some(survey, &gallery, run, first);
    gallery_end(&gallery);
    if (good)
        qsort(survey->scores, (size_t)survey->count, sizeof *survey->scores, compare);
    return good;
}

void survey_free(struct survey *survey)
{
    free(survey->scores);
    *survey = (struct survey){0};
}
