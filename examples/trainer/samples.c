/* samples.c - samples.png: test images as they are, as the model gets them, as it gives them back,
 * with the PSNR of each. */
#include "samples.h"

#include "canvas.h"
#include "message.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLUMNS = 10, ZOOM = 3, GAP = 8, MARGIN = 20, LABELS = 84, CAPTION = 22 };

static const struct canvas_font
    label_font = {14, INK, false}, caption_font = {11, FAINT_INK, false};

/* Pixels of all columns, [columns][channels][height][width] each. */
struct gallery {
    int64_t columns;
    int32_t channels, height, width;
    size_t pixels;       /* in one image */
    double range;
    float *clean, *input, *output;
};

/* --- The images ------------------------------------------------------------------------------- */

/* Spread over the whole test set, for its order may mean something. */
static int64_t image_index(const struct run *run, int64_t column, int64_t columns)
{
    return column * cae_dataset_count(run->test) / columns;
}

static bool gallery_begin(struct gallery *g, const struct run *run)
{
    const int64_t count = cae_dataset_count(run->test);
    size_t values;

    *g = (struct gallery){.columns = count < COLUMNS ? count : COLUMNS,
                          .range = cae_dataset_range(run->test)};
    cae_dataset_shape(&g->channels, &g->height, &g->width, run->test);
    g->pixels = (size_t)g->channels * (size_t)g->height * (size_t)g->width;
    values = (size_t)g->columns * g->pixels;
    g->clean = malloc(values * sizeof *g->clean);
    g->input = malloc(values * sizeof *g->input);
    g->output = malloc(values * sizeof *g->output);
    return (g->clean && g->input && g->output) || fail("out of memory for the samples");
}

static void gallery_end(struct gallery *g)
{
    free(g->clean);
    free(g->input);
    free(g->output);
}

/* The clean image and the input that evaluation made of it, to the bit. */
static cae_status fetch(const struct gallery *g, const struct run *run, int64_t column)
{
    const int64_t index = image_index(run, column, g->columns);
    const size_t offset = (size_t)column * g->pixels;
    cae_status status = cae_dataset_get(g->clean + offset, g->pixels, run->test, index);

    if (status)
        return status;
    for (size_t i = offset; i < offset + g->pixels; i++)
        g->input[i] = g->clean[i];
    if (!run->task->noisy)
        return CAE_OK;
    return cae_add_noise(g->input + offset, g->pixels, run->evaluation_options.noise_sigma,
                         run->evaluation_options.noise_seed, CAE_VISIT_EVALUATION,
                         (uint64_t)index);
}

static bool gallery_fill(const struct gallery *g, const struct run *run)
{
    cae_status status = CAE_OK;

    for (int64_t column = 0; column < g->columns && !status; column++)
        status = fetch(g, run, column);
    if (!status)
        status = cae_model_forward(g->output, (size_t)g->columns * g->pixels, run->model, NULL,
                                   g->input, (size_t)g->columns * g->pixels, g->columns,
                                   g->height, g->width);
    return !status || fail_status(run->context, status, "cannot make the samples");
}

/* --- Drawing ---------------------------------------------------------------------------------- */

/* [-1, 1] to a byte. */
static uint32_t to_byte(float value)
{
    return (uint32_t)lrint(127.5 * (1 + fmax(-1, fmin(1, value))));
}

static uint32_t to_rgb(float red, float green, float blue)
{
    return to_byte(red) << 16 | to_byte(green) << 8 | to_byte(blue);
}

/* One image, planes of red, green and blue, as a cairo surface. */
static cairo_surface_t *surface_of(const struct gallery *g, const float *image)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, g->width, g->height);
    unsigned char *data = cairo_image_surface_get_data(s);
    const int stride = cairo_image_surface_get_stride(s);
    const size_t plane = (size_t)g->height * (size_t)g->width;

    for (int y = 0; data && y < g->height; y++) {
        uint32_t *row = (uint32_t *)(void *)(data + (size_t)y * (size_t)stride);
        for (int x = 0; x < g->width; x++, image++)
            row[x] = to_rgb(image[0], image[plane], image[2 * plane]);
    }
    cairo_surface_mark_dirty(s);
    return s;
}

/* Enlarged with every pixel a square: nothing is smoothed away. */
static void draw_image(cairo_t *canvas, const struct gallery *g, const float *image, double x,
                       double y)
{
    cairo_surface_t *surface = surface_of(g, image);

    cairo_save(canvas);
    cairo_translate(canvas, x, y);
    cairo_scale(canvas, ZOOM, ZOOM);
    cairo_set_source_surface(canvas, surface, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(canvas), CAIRO_FILTER_NEAREST);
    cairo_paint(canvas);
    cairo_restore(canvas);
    cairo_surface_destroy(surface);
}

static void draw_caption(cairo_t *canvas, const struct gallery *g, const float *image,
                         const float *clean, double x, double y)
{
    double psnr;
    char text[32];

    if (image == clean || cae_psnr(&psnr, NULL, image, clean, g->pixels, g->range))
        return;
    snprintf(text, sizeof text, "%.2f dB", psnr);
    canvas_text(canvas, x, y, CENTRE, &caption_font, text);
}

/* A row of images from y on; returns where the next one begins. */
static double draw_row(cairo_t *canvas, const struct gallery *g, const char *label,
                       const float *images, double y)
{
    const double width = ZOOM * g->width, height = ZOOM * g->height;

    canvas_text(canvas, MARGIN, y + height / 2 + 5, LEFT, &label_font, label);
    for (int64_t column = 0; column < g->columns; column++) {
        const size_t offset = (size_t)column * g->pixels;
        const double x = MARGIN + LABELS + (double)column * (width + GAP);
        draw_image(canvas, g, images + offset, x, y);
        draw_caption(canvas, g, images + offset, g->clean + offset, x + width / 2,
                     y + height + 14);
    }
    return y + height + (images == g->clean ? GAP : CAPTION);
}

static bool draw(const char *path, const struct gallery *g, bool noisy)
{
    const int columns = (int)g->columns, rows = noisy ? 3 : 2;
    cairo_t *canvas = canvas_create(
        2 * MARGIN + LABELS + columns * (ZOOM * g->width + GAP) - GAP,
        2 * MARGIN + rows * ZOOM * g->height + GAP + (rows - 1) * CAPTION);
    double y = MARGIN;

    y = draw_row(canvas, g, "original", g->clean, y);
    if (noisy)
        y = draw_row(canvas, g, "noisy", g->input, y);
    draw_row(canvas, g, "output", g->output, y);
    return canvas_save(canvas, path);
}

bool samples_save(const char *path, const struct run *run)
{
    struct gallery gallery;
    const bool good = gallery_begin(&gallery, run) && gallery_fill(&gallery, run) &&
                      draw(path, &gallery, run->task->noisy);

    gallery_end(&gallery);
    return good;
}
