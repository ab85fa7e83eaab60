/* page_images.c - report.html: test images, as they are and as they come back. */
#include "page.h"

#include "gallery.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { IMAGES = 10 };

/* --- The error, enlarged ---------------------------------------------------------------------- */

/* 1, 2 or 5 times a power of ten, such that the error is grey for most pixels and rarely white. */
static double enlargement(const struct page *page)
{
    const double error = sqrt(page->run->evaluation.mse);
    const double ideal = 0.35 * cae_dataset_range(page->run->test) / fmax(error, 1e-9);
    const double power = pow(10, floor(log10(fmin(fmax(ideal, 1), 1000))));
    const double factor = ideal / power;

    return power * (factor < 2 ? 1 : factor < 5 ? 2 : 5);
}

static float *errors_of(const struct gallery *g)
{
    float *errors = malloc((size_t)g->count * g->pixels * sizeof *errors);

    for (size_t i = 0; errors && i < (size_t)g->count * g->pixels; i++)
        errors[i] = fabsf(g->output[i] - g->clean[i]);
    return errors;
}

/* --- One picture, one image ------------------------------------------------------------------- */

static void shot(const struct page *page, struct picture picture, const char *name,
                 const char *figure)
{
    html_print(page->html, "<figure>");
    picture = picture_middle(picture, MOST);
    html_picture(page->html, &picture, page_zoom(&picture, SHOT), name);
    html_print(page->html, "<figcaption>%s%s%s%s</figcaption></figure>", name,
               *figure ? "<b>" : "", figure, *figure ? "</b>" : "");
}

static void compared(const struct page *page, const struct gallery *g, const float *images,
                     int64_t i, const char *name)
{
    char psnr[FIGURE_TEXT];

    shot(page, gallery_picture(g, images, i), name,
         page_decibels(psnr, gallery_psnr(g, images, i)));
}

static void column(const struct page *page, const struct gallery *g, const float *errors,
                   int64_t i)
{
    struct picture error = gallery_picture(g, errors, i);
    char name[FIGURE_TEXT];

    error.low = 0;
    error.high = (g->high - g->low) / enlargement(page);
    snprintf(name, sizeof name, "error \xc3\x97 %g", enlargement(page));
    html_print(page->html, "<div><h3>No. %" PRId64 "</h3>", g->indices[i]);
    shot(page, gallery_picture(g, g->clean, i), "original", "");
    if (page->run->task->noisy)
        compared(page, g, g->input, i, "noisy");
    compared(page, g, g->output, i, "output");
    shot(page, error, name, "");
    html_print(page->html, "</div>\n");
}

/* --- Many ------------------------------------------------------------------------------------- */

static void about(const struct page *page, const struct gallery *g)
{
    html_print(page->html, " Below each picture its PSNR in dB. Error: the absolute difference "
               "between output and original, channel by channel, times %g: black is none, full "
               "brightness %g of the data range.", enlargement(page), 1 / enlargement(page));
    if (g->width > MOST || g->height > MOST)
        html_print(page->html, " Shown is the middle of each image; PSNR is that of the whole.");
    if (g->channels != 3 && g->channels != 1)
        html_print(page->html, " Of %" PRId32 " channels the %s.", g->channels,
                   g->channels < 3 ? "first is shown in grey" : "first three are shown as colours");
}

static bool columns(const struct page *page, const struct gallery *g)
{
    float *errors = errors_of(g);
    const struct picture first = picture_middle(gallery_picture(g, g->clean, 0), MOST);

    if (!errors)
        return fail("out of memory for the errors");
    about(page, g);
    html_print(page->html, "</p>\n<div class=\"shots columns\" style=\"--shot:%dpx\">\n",
               first.shown_width * page_zoom(&first, SHOT));
    for (int64_t i = 0; i < g->count; i++)
        column(page, g, errors, i);
    html_print(page->html, "</div>\n</section>\n");
    free(errors);
    return true;
}

static int64_t how_many(const struct page *page)
{
    return page->survey.count < IMAGES ? page->survey.count : IMAGES;
}

bool page_samples(const struct page *page)
{
    struct gallery g;
    bool good = gallery_begin(&g, page->run, how_many(page));

    page_section(page, "samples", "Samples");
    html_print(page->html, "<p class=\"note\">Test images spread over the whole set, each with its "
               "number.");
    if (good)
        gallery_spread(&g, page->run);
    good = good && gallery_fill(&g, page->run) && columns(page, &g);
    gallery_end(&g);
    return good;
}

bool page_worst(const struct page *page)
{
    struct gallery g;
    bool good = gallery_begin(&g, page->run, how_many(page));

    page_section(page, "worst", "Worst cases");
    html_print(page->html, "<p class=\"note\">The test images with the lowest PSNR, the worst "
               "first.");
    for (int64_t i = 0; good && i < g.count; i++)
        g.indices[i] = page->survey.scores[i].index;
    good = good && gallery_fill(&g, page->run) && columns(page, &g);
    gallery_end(&g);
    return good;
}
