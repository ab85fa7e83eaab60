/* sheet.c - frames, what the model makes of them, error maps and masks, as a picture. */
#include "sheet.h"

#include "../trainer/canvas.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>

enum { ZOOM = 3, GAP = 8, MARGIN = 20, LABELS = 116, HEADING = 18, CAPTION = 20, ROWS = 4 };

static const struct canvas_font
    label_font = {14, INK, false}, heading_font = {13, INK, true}, caption_font = {11, FAINT_INK, false},
    alarm_font = {11, 0xc02020, true};

static uint32_t to_byte(double value)
{
    return (uint32_t)lrint(255.0 * fmax(0.0, fmin(1.0, value)));
}

static uint32_t grey(double value)
{
    return to_byte(value) * 0x010101;
}

/* Black, red, yellow, white over [0, 1]: half way is orange. */
static uint32_t heat(double value)
{
    return to_byte(3.0 * value) << 16 | to_byte(3.0 * value - 1.0) << 8 | to_byte(3.0 * value - 2.0);
}

static uint32_t rgb(const float *image, size_t plane, size_t at)
{
    return to_byte(0.5 + 0.5 * (double)image[at]) << 16 |
           to_byte(0.5 + 0.5 * (double)image[plane + at]) << 8 |
           to_byte(0.5 + 0.5 * (double)image[2 * plane + at]);
}

/* A pixel of one of the rows. */
static uint32_t colour_of(const struct exhibit *e, int row, size_t plane, size_t at, double alarm)
{
    switch (row) {
    case 0: return rgb(e->frame, plane, at);
    case 1: return rgb(e->output, plane, at);
    case 2: return heat(0.5 * (double)e->map[at] / alarm);
    default: return grey(e->mask[at]);
    }
}

static cairo_surface_t *surface_of(const struct exhibit *e, int row, int side, double alarm)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, side, side);
    unsigned char *data = cairo_image_surface_get_data(s);
    const int stride = cairo_image_surface_get_stride(s);
    const size_t plane = (size_t)side * (size_t)side;

    for (int y = 0; data && y < side; y++) {
        uint32_t *line = (uint32_t *)(void *)(data + (size_t)y * (size_t)stride);
        for (int x = 0; x < side; x++)
            line[x] = colour_of(e, row, plane, (size_t)y * (size_t)side + (size_t)x, alarm);
    }
    cairo_surface_mark_dirty(s);
    return s;
}

/* Enlarged with every pixel a square. */
static void draw_surface(cairo_t *canvas, cairo_surface_t *surface, double x, double y)
{
    cairo_save(canvas);
    cairo_translate(canvas, x, y);
    cairo_scale(canvas, ZOOM, ZOOM);
    cairo_set_source_surface(canvas, surface, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(canvas), CAIRO_FILTER_NEAREST);
    cairo_paint(canvas);
    cairo_restore(canvas);
    cairo_surface_destroy(surface);
}

static void draw_exhibit(cairo_t *canvas, const struct exhibit *e, int side, double x, double alarm,
                         double threshold)
{
    const double step = ZOOM * side + GAP, middle = x + ZOOM * side / 2.0;
    char text[32];

    canvas_text(canvas, middle, MARGIN + 8, CENTRE, &heading_font, e->kind);
    for (int row = 0; row < ROWS; row++)
        draw_surface(canvas, surface_of(e, row, side, alarm), x, MARGIN + HEADING + row * step);
    snprintf(text, sizeof text, e->score > threshold ? "%.3f !" : "%.3f", e->score);
    canvas_text(canvas, middle, MARGIN + HEADING + ROWS * step + 8, CENTRE,
                e->score > threshold ? &alarm_font : &caption_font, text);
}

bool sheet_save(const char *path, const struct exhibit *exhibits, int count, int side, double alarm,
                double threshold)
{
    static const char *const labels[ROWS] = {"frame", "reconstruction", "error map", "defect"};
    const int step = ZOOM * side + GAP;
    cairo_t *canvas = canvas_create(2 * MARGIN + LABELS + count * step - GAP,
                                    2 * MARGIN + HEADING + ROWS * step + CAPTION - GAP);

    for (int row = 0; row < ROWS; row++)
        canvas_text(canvas, MARGIN, MARGIN + HEADING + row * step + ZOOM * side / 2.0 + 5, LEFT,
                    &label_font, labels[row]);
    canvas_text(canvas, MARGIN, MARGIN + HEADING + ROWS * step + 8, LEFT, &label_font, "score");
    for (int i = 0; i < count; i++)
        draw_exhibit(canvas, &exhibits[i], side, MARGIN + LABELS + i * step, alarm, threshold);
    return canvas_save(canvas, path);
}
