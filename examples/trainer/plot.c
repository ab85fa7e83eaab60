/* plot.c - loss.png: the training loss over the epochs, on a logarithmic axis. The band shows the
 * smallest and largest loss of each bucket, the line the mean. */
#include "plot.h"

#include "canvas.h"

#include <math.h>
#include <stdio.h>

enum { WIDTH = 1000, HEIGHT = 560 };

static const double left = 92, right = WIDTH - 84, top = 92, bottom = HEIGHT - 64;

enum { GRID = 0xe4e4e4, BAND = 0x9dc3e6, LINE = 0x1f5fa8, INPUT = 0xc0504d };

static const struct canvas_font
    title_font = {20, INK, true}, subtitle_font = {13, FAINT_INK, false},
    label_font = {14, INK, false}, tick_font = {13, FAINT_INK, false},
    line_font = {13, LINE, true}, input_font = {13, INPUT, false};

struct chart {
    cairo_t *canvas;
    const struct plot *plot;
    struct scale x;      /* epochs */
    struct scale y;      /* log10 of the loss */
};

static double at_y(const struct chart *chart, double loss)
{
    return scale_place(&chart->y, log10(loss));
}

/* --- Axes ------------------------------------------------------------------------------------- */

static void stroke_line(cairo_t *canvas, double x0, double y0, double x1, double y1)
{
    cairo_move_to(canvas, x0, y0);
    cairo_line_to(canvas, x1, y1);
    cairo_stroke(canvas);
}

/* Half pixels: a line one pixel wide then covers one row of pixels, not two by half. */
static double crisp(double pixel)
{
    return floor(pixel) + 0.5;
}

static void draw_tick_lines(const struct chart *chart, const double *ticks, int count)
{
    canvas_colour(chart->canvas, GRID, 1);
    cairo_set_line_width(chart->canvas, 1);
    for (int i = 0; i < count; i++) {
        const double y = crisp(scale_place(&chart->y, ticks[i]));
        stroke_line(chart->canvas, left, y, right, y);
    }
}

static void draw_loss_axis(const struct chart *chart)
{
    double ticks[TICKS];
    const int count = ticks_log(ticks, &chart->y);
    char text[32], name[48];

    draw_tick_lines(chart, ticks, count);
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%.3g", pow(10, ticks[i]));
        canvas_text(chart->canvas, left - 10, scale_place(&chart->y, ticks[i]) + 4.5, RIGHT, &tick_font,
                    text);
    }
    snprintf(name, sizeof name, "loss (%s)", chart->plot->curve.loss);
    canvas_text(chart->canvas, left, top - 12, RIGHT, &label_font, name);
}

static void draw_epoch_axis(const struct chart *chart)
{
    double ticks[TICKS];
    const int count = ticks_linear(ticks, &chart->x, 8);
    char text[32];

    for (int i = 0; i < count; i++) {
        const double x = crisp(scale_place(&chart->x, ticks[i]));
        canvas_colour(chart->canvas, FAINT_INK, 1);
        stroke_line(chart->canvas, x, bottom, x, bottom + 5);
        snprintf(text, sizeof text, "%.6g", ticks[i]);
        canvas_text(chart->canvas, x, bottom + 21, CENTRE, &tick_font, text);
    }
    canvas_colour(chart->canvas, FAINT_INK, 1);
    stroke_line(chart->canvas, left, crisp(bottom), right, crisp(bottom));
    canvas_text(chart->canvas, (left + right) / 2, bottom + 46, CENTRE, &label_font, "epoch");
}

/* --- Curves ----------------------------------------------------------------------------------- */

static void draw_input_level(const struct chart *chart)
{
    const double y = crisp(at_y(chart, chart->plot->curve.input_mse)), dashes[] = {6, 4};

    canvas_colour(chart->canvas, INPUT, 1);
    cairo_set_line_width(chart->canvas, 1.5);
    cairo_set_dash(chart->canvas, dashes, 2, 0);
    stroke_line(chart->canvas, left, y, right, y);
    cairo_set_dash(chart->canvas, NULL, 0, 0);
}

static void draw_band(const struct chart *chart)
{
    const int count = curve_buckets(&chart->plot->curve);

    for (int i = 0; i < count; i++) {
        const struct bucket b = curve_bucket(&chart->plot->curve, i);
        cairo_line_to(chart->canvas, scale_place(&chart->x, b.epoch), at_y(chart, b.high));
    }
    for (int i = count - 1; i >= 0; i--) {
        const struct bucket b = curve_bucket(&chart->plot->curve, i);
        cairo_line_to(chart->canvas, scale_place(&chart->x, b.epoch), at_y(chart, b.low));
    }
    cairo_close_path(chart->canvas);
    canvas_colour(chart->canvas, BAND, 0.6);
    cairo_fill(chart->canvas);
}

/* The mean, and at its end the figure. */
static void draw_mean(const struct chart *chart)
{
    const int count = curve_buckets(&chart->plot->curve);
    const struct bucket last = curve_bucket(&chart->plot->curve, count - 1);
    const double x = scale_place(&chart->x, last.epoch), y = at_y(chart, last.mean);
    char text[32];

    for (int i = 0; i < count; i++) {
        const struct bucket b = curve_bucket(&chart->plot->curve, i);
        cairo_line_to(chart->canvas, scale_place(&chart->x, b.epoch), at_y(chart, b.mean));
    }
    canvas_colour(chart->canvas, LINE, 1);
    cairo_set_line_width(chart->canvas, 2);
    cairo_set_line_join(chart->canvas, CAIRO_LINE_JOIN_ROUND);
    cairo_stroke(chart->canvas);

    cairo_arc(chart->canvas, x, y, 3.5, 0, 2 * acos(-1));
    cairo_fill(chart->canvas);
    snprintf(text, sizeof text, "%.4g", last.mean);
    canvas_text(chart->canvas, right + 10, y + 4.5, LEFT, &line_font, text);
}

/* --- Words ------------------------------------------------------------------------------------ */

static void draw_words(const struct chart *chart)
{
    canvas_text(chart->canvas, 24, 34, LEFT, &title_font, chart->plot->title);
    canvas_text(chart->canvas, 24, 56, LEFT, &subtitle_font, chart->plot->subtitle);
}

static void draw_legend(const struct chart *chart)
{
    const size_t each = curve_steps_each(&chart->plot->curve);
    char text[64];

    if (each > 1) {
        snprintf(text, sizeof text, "mean and range of about %zu steps", each);
        canvas_text(chart->canvas, right, top - 12, RIGHT, &line_font, text);
    } else {
        canvas_text(chart->canvas, right, top - 12, RIGHT, &line_font, "every step");
    }
    if (chart->plot->curve.input_mse > 0)
        canvas_text(chart->canvas, left + 6, at_y(chart, chart->plot->curve.input_mse) - 7, LEFT,
                    &input_font, "noisy input");
}

bool plot_loss(const char *path, const struct plot *plot)
{
    if (!plot->curve.history->count)
        return true;

    const struct chart chart = {.canvas = canvas_create(WIDTH, HEIGHT), .plot = plot,
                                .x = curve_epochs(&plot->curve, left, right),
                                .y = curve_losses(&plot->curve, bottom, top)};

    draw_words(&chart);
    draw_loss_axis(&chart);
    draw_epoch_axis(&chart);
    draw_band(&chart);
    if (plot->curve.input_mse > 0)
        draw_input_level(&chart);
    draw_mean(&chart);
    draw_legend(&chart);
    return canvas_save(chart.canvas, path);
}
