/* samples.c - samples.png: test images as they are, as the model gets them, as it gives them back,
 * with the PSNR of each. */
#include "samples.h"

#include "canvas.h"
#include "gallery.h"

#include <stdio.h>

enum { COLUMNS = 10, SIDE = 96, WIDEST = 4000, GAP = 8, MARGIN = 20, LABELS = 84, CAPTION = 22 };

static const struct canvas_font
    label_font = {14, INK, false}, caption_font = {11, FAINT_INK, false};

/* Small images are enlarged to about SIDE pixels, by a whole number. */
static int zoom_of(const struct gallery *g)
{
    const int side = g->width > g->height ? g->width : g->height;

    return side < SIDE ? SIDE / side : 1;
}

/* As many as there are, and as the paper has room for. */
static int64_t columns_for(const struct run *run)
{
    const int64_t count = cae_dataset_count(run->test);
    int32_t width;
    int64_t room;

    cae_dataset_shape(NULL, NULL, &width, run->test);
    room = WIDEST / (width + GAP);
    room = room < 1 ? 1 : room < COLUMNS ? room : COLUMNS;
    return count < room ? count : room;
}

static void draw_caption(cairo_t *canvas, const struct gallery *g, const float *images, int64_t i,
                         double x, double y)
{
    char text[32];

    if (images == g->clean)
        return;
    snprintf(text, sizeof text, "%.2f dB", gallery_psnr(g, images, i));
    canvas_text(canvas, x, y, CENTRE, &caption_font, text);
}

/* A row of images from y on; returns where the next one begins. */
static double draw_row(cairo_t *canvas, const struct gallery *g, const char *label,
                       const float *images, double y)
{
    const int zoom = zoom_of(g);
    const double width = zoom * g->width, height = zoom * g->height;

    canvas_text(canvas, MARGIN, y + height / 2 + 5, LEFT, &label_font, label);
    for (int64_t i = 0; i < g->count; i++) {
        const struct picture picture = gallery_picture(g, images, i);
        const double x = MARGIN + LABELS + (double)i * (width + GAP);
        picture_draw(canvas, &picture, x, y, zoom);
        draw_caption(canvas, g, images, i, x + width / 2, y + height + 14);
    }
    return y + height + (images == g->clean ? GAP : CAPTION);
}

static bool draw(const char *path, const struct gallery *g, bool noisy)
{
    const int columns = (int)g->count, rows = noisy ? 3 : 2, zoom = zoom_of(g);
    cairo_t *canvas = canvas_create(
        2 * MARGIN + LABELS + columns * (zoom * g->width + GAP) - GAP,
        2 * MARGIN + rows * zoom * g->height + GAP + (rows - 1) * CAPTION);
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
    bool good = gallery_begin(&gallery, run, columns_for(run));

    if (good)
        gallery_spread(&gallery, run);
    good = good && gallery_fill(&gallery, run) && draw(path, &gallery, run->task->noisy);
    gallery_end(&gallery);
    return good;
}
