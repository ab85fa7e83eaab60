/* plot.c - loss.png: the training loss over the epochs, on a logarithmic axis.
 *
 * Steps are gathered into at most BUCKETS groups: the band shows the smallest and largest loss in
 * each, the line the mean. So a run of a hundred steps and one of a million read alike. */
#include "plot.h"

#include "canvas.h"

#include <math.h>
#include <stdio.h>

enum { WIDTH = 1000, HEIGHT = 560, BUCKETS = 120, TICKS = 64 };

static const double left = 92, right = WIDTH - 84, top = 92, bottom = HEIGHT - 64;

enum { GRID = 0xe4e4e4, BAND = 0x9dc3e6, LINE = 0x1f5fa8, INPUT = 0xc0504d };

static const struct canvas_font
    title_font = {20, INK, true}, subtitle_font = {13, FAINT_INK, false},
    label_font = {14, INK, false}, tick_font = {13, FAINT_INK, false},
    line_font = {13, LINE, true}, input_font = {13, INPUT, false};

/* --- From values to pixels -------------------------------------------------------------------- */

struct scale {
    double low, high;    /* values at the two ends */
    double from, to;     /* pixels there */
};

static double place(const struct scale *s, double value)
{
    return s->from + (value - s->low) / (s->high - s->low) * (s->to - s->from);
}

struct chart {
    cairo_t *canvas;
    const struct plot *plot;
    struct scale x;      /* epochs */
    struct scale y;      /* log10 of the loss */
};

static double at_y(const struct chart *chart, double loss)
{
    return place(&chart->y, log10(loss));
}

/* --- Buckets ---------------------------------------------------------------------------------- */

struct bucket {
    double epoch, low, high, mean;
};

/* A loss of 0 is possible and has no logarithm. */
static double positive(double loss)
{
    return fmax(loss, 1e-12);
}

static int bucket_count(const struct plot *plot)
{
    return plot->history->count < BUCKETS ? (int)plot->history->count : BUCKETS;
}

/* Bucket i of n holds the rows from i count / n up to, not including, (i + 1) count / n. */
static struct bucket bucket_at(const struct plot *plot, int i)
{
    const struct history *h = plot->history;
    const size_t n = (size_t)bucket_count(plot);
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): no bucket is asked for where there are none */
    const size_t first = (size_t)i * h->count / n, end = ((size_t)i + 1) * h->count / n;
    const double middle = 0.5 * (double)(h->rows[first].step + h->rows[end - 1].step);
    struct bucket b = {.epoch = middle / (double)plot->steps_per_epoch, .low = INFINITY};

    for (size_t r = first; r < end; r++) {
        const double loss = positive(h->rows[r].loss);
        b.low = fmin(b.low, loss);
        b.high = fmax(b.high, loss);
        b.mean += loss / (double)(end - first);
    }
    return b;
}

/* --- Axes ------------------------------------------------------------------------------------- */

static struct scale epoch_scale(const struct plot *plot)
{
    const struct history *h = plot->history;
    const double first = (double)(h->rows[0].step - 1), last = (double)h->rows[h->count - 1].step;

    return (struct scale){first / (double)plot->steps_per_epoch,
                          last / (double)plot->steps_per_epoch, left, right};
}

/* All that is drawn, and some air. */
static struct scale loss_scale(const struct plot *plot)
{
    const double input = plot->input_mse > 0 ? plot->input_mse : NAN;  /* fmin passes over NaN */
    double low = input, high = input, air;

    for (size_t r = 0; r < plot->history->count; r++) {
        low = fmin(low, positive(plot->history->rows[r].loss));
        high = fmax(high, positive(plot->history->rows[r].loss));
    }
    low = log10(low);
    high = log10(high);
    air = fmax(0.06 * (high - low), 0.05);
    return (struct scale){low - air, high + air, bottom, top};
}

/* Steps of 1, 2 or 5 times a power of ten, about eight of them. */
static int linear_ticks(double ticks[TICKS], const struct scale *s)
{
    const double rough = (s->high - s->low) / 8, power = pow(10, floor(log10(rough)));
    const double factor = rough / power;
    const double step = power * (factor > 5 ? 10 : factor > 2 ? 5 : factor > 1 ? 2 : 1);
    int count = 0;

    const double first = ceil(s->low / step - 1e-9);

    while (first + count <= s->high / step + 1e-9 && count < TICKS) {
        ticks[count] = (first + count) * step + 0.0;  /* never -0 */
        count++;
    }
    return count;
}

/* Every `multiples` times a power of ten that is in sight. */
static int decade_ticks(double ticks[TICKS], const struct scale *s, const double *multiples)
{
    int count = 0;

    for (int decade = (int)floor(s->low); decade <= s->high; decade++)
        for (const double *m = multiples; *m; m++) {
            const double tick = decade + log10(*m);
            if (tick >= s->low && tick <= s->high && count < TICKS)
                ticks[count++] = tick;
        }
    return count;
}

/* Evenly spaced losses, for a range that lies between two such multiples. */
static int even_loss_ticks(double ticks[TICKS], const struct scale *s)
{
    const struct scale loss = {.low = pow(10, s->low), .high = pow(10, s->high)};
    const int count = linear_ticks(ticks, &loss);

    for (int i = 0; i < count; i++)
        ticks[i] = log10(ticks[i]);
    return count;
}

/* The coarsest division that gives the eye something to hold on to. */
static int log_ticks(double ticks[TICKS], const struct scale *s)
{
    static const double divisions[][10] = {
        {1}, {1, 3}, {1, 2, 5}, {1, 2, 3, 4, 5, 6, 7, 8, 9}};
    int count = 0;

    for (size_t i = 0; i < sizeof divisions / sizeof *divisions && count < 4; i++)
        count = decade_ticks(ticks, s, divisions[i]);
    return count < 4 ? even_loss_ticks(ticks, s) : count;
}

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
        const double y = crisp(place(&chart->y, ticks[i]));
        stroke_line(chart->canvas, left, y, right, y);
    }
}

static void draw_loss_axis(const struct chart *chart)
{
    double ticks[TICKS];
    const int count = log_ticks(ticks, &chart->y);
    char text[32];

    draw_tick_lines(chart, ticks, count);
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%.3g", pow(10, ticks[i]));
        canvas_text(chart->canvas, left - 10, place(&chart->y, ticks[i]) + 4.5, RIGHT, &tick_font,
                    text);
    }
    canvas_text(chart->canvas, left, top - 12, RIGHT, &label_font, "loss (MSE)");
}

static void draw_epoch_axis(const struct chart *chart)
{
    double ticks[TICKS];
    const int count = linear_ticks(ticks, &chart->x);
    char text[32];

    for (int i = 0; i < count; i++) {
        const double x = crisp(place(&chart->x, ticks[i]));
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
    const double y = crisp(at_y(chart, chart->plot->input_mse)), dashes[] = {6, 4};

    canvas_colour(chart->canvas, INPUT, 1);
    cairo_set_line_width(chart->canvas, 1.5);
    cairo_set_dash(chart->canvas, dashes, 2, 0);
    stroke_line(chart->canvas, left, y, right, y);
    cairo_set_dash(chart->canvas, NULL, 0, 0);
}

static void draw_band(const struct chart *chart)
{
    const int count = bucket_count(chart->plot);

    for (int i = 0; i < count; i++) {
        const struct bucket b = bucket_at(chart->plot, i);
        cairo_line_to(chart->canvas, place(&chart->x, b.epoch), at_y(chart, b.high));
    }
    for (int i = count - 1; i >= 0; i--) {
        const struct bucket b = bucket_at(chart->plot, i);
        cairo_line_to(chart->canvas, place(&chart->x, b.epoch), at_y(chart, b.low));
    }
    cairo_close_path(chart->canvas);
    canvas_colour(chart->canvas, BAND, 0.6);
    cairo_fill(chart->canvas);
}

/* The mean, and at its end the figure. */
static void draw_mean(const struct chart *chart)
{
    const int count = bucket_count(chart->plot);
    const struct bucket last = bucket_at(chart->plot, count - 1);
    const double x = place(&chart->x, last.epoch), y = at_y(chart, last.mean);
    char text[32];

    for (int i = 0; i < count; i++) {
        const struct bucket b = bucket_at(chart->plot, i);
        cairo_line_to(chart->canvas, place(&chart->x, b.epoch), at_y(chart, b.mean));
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
    const size_t steps = chart->plot->history->count;
    const size_t each = (steps + BUCKETS - 1) / BUCKETS;
    char text[64];

    if (each > 1) {
        snprintf(text, sizeof text, "mean and range of about %zu steps", each);
        canvas_text(chart->canvas, right, top - 12, RIGHT, &line_font, text);
    } else {
        canvas_text(chart->canvas, right, top - 12, RIGHT, &line_font, "every step");
    }
    if (chart->plot->input_mse > 0)
        canvas_text(chart->canvas, left + 6, at_y(chart, chart->plot->input_mse) - 7, LEFT,
                    &input_font, "noisy input");
}

bool plot_loss(const char *path, const struct plot *plot)
{
    if (!plot->history->count)
        return true;

    const struct chart chart = {.canvas = canvas_create(WIDTH, HEIGHT), .plot = plot,
                                .x = epoch_scale(plot), .y = loss_scale(plot)};

    draw_words(&chart);
    draw_loss_axis(&chart);
    draw_epoch_axis(&chart);
    draw_band(&chart);
    if (plot->input_mse > 0)
        draw_input_level(&chart);
    draw_mean(&chart);
    draw_legend(&chart);
    return canvas_save(chart.canvas, path);
}
