/* page_charts.c - report.html: the loss over the epochs, and how the test images are distributed.
 *
 * Each chart is drawn twice, for wide screens and for narrow ones, of which the style shows one:
 * text that shrinks with its drawing cannot be read on a phone. */
#include "page.h"

#include "curve.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Where things are, in units that are pixels on a screen that has room. */
struct layout {
    const char *name;
    double width, height;    /* of the drawing area */
    double left, right, top; /* margins */
    double rate_height;
    int ticks;               /* on the axis across */
};

static const struct layout layouts[] = {
    {"wide", 960, 320, 64, 74, 34, 64, 10},
    {"narrow", 296, 230, 56, 70, 34, 50, 4},
};

enum { LAYOUTS = sizeof layouts / sizeof *layouts, GAP = 44, FOOT = 46, LINE = 18 };

struct chart {
    struct html *html;
    const struct layout *layout;
    struct scale x, y;
};

static struct chart chart_on(const struct page *page, const struct layout *layout)
{
    return (struct chart){.html = page->html, .layout = layout};
}

static void begin(const struct chart *chart, double height, const char *what)
{
    const struct layout *l = chart->layout;

    html_print(chart->html, "<svg class=\"%s\" viewBox=\"0 0 %g %g\" role=\"img\" "
               "aria-label=\"%s\">\n", l->name, l->left + l->width + l->right, height, what);
}

static void end(const struct chart *chart)
{
    html_print(chart->html, "</svg>\n");
}

static void line(const struct chart *chart, const char *class, double x0, double y0, double x1,
                 double y1)
{
    html_print(chart->html, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
               "y2=\"%.1f\"/>\n", class, x0, y0, x1, y1);
}

/* `anchor` is start, middle or end. */
static void words(const struct chart *chart, const char *class, const char *anchor, double x,
                  double y, const char *text)
{
    html_print(chart->html, "<text class=\"%s\" text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">%s"
               "</text>\n", class, anchor, x, y, text);
}

static void figure(const struct chart *chart, const char *class, const char *anchor, double x,
                   double y, const char *format, double value)
{
    char text[FIGURE_TEXT];

    snprintf(text, sizeof text, format, value);
    words(chart, class, anchor, x, y, text);
}

/* --- Axes ------------------------------------------------------------------------------------- */

static double right_end(const struct chart *chart)
{
    return chart->layout->left + chart->layout->width;
}

/* A line across for each tick of the axis that goes up, with its figure where there is room for
 * one. Logarithmic ticks are of ten's powers. */
static void axis_up(const struct chart *chart, const double *ticks, int count, bool logarithmic)
{
    double last = INFINITY;

    for (int i = 0; i < count; i++) {
        const double y = scale_place(&chart->y, ticks[i]);
        line(chart, "grid", chart->layout->left, y, right_end(chart), y);
        if (last - y < LINE)
            continue;
        figure(chart, "tick", "end", chart->layout->left - 9, y + 4.5, "%.3g",
               logarithmic ? pow(10, ticks[i]) : ticks[i]);
        last = y;
    }
}

static void axis_across(const struct chart *chart, double bottom, const char *name)
{
    double ticks[TICKS];
    const int count = ticks_linear(ticks, &chart->x, chart->layout->ticks);

    line(chart, "axis", chart->layout->left, bottom, right_end(chart), bottom);
    for (int i = 0; i < count; i++) {
        const double x = scale_place(&chart->x, ticks[i]);
        line(chart, "axis", x, bottom, x, bottom + 5);
        figure(chart, "tick", "middle", x, bottom + 19, "%.6g", ticks[i]);
    }
    words(chart, "name", "middle", chart->layout->left + chart->layout->width / 2, bottom + 39,
          name);
}

/* --- The loss --------------------------------------------------------------------------------- */

static double at_loss(const struct chart *chart, double loss)
{
    return scale_place(&chart->y, log10(loss));
}

static void loss_band(const struct chart *chart, const struct curve *curve)
{
    const int count = curve_buckets(curve);

    html_print(chart->html, "<path class=\"band\" d=\"");
    for (int i = 0; i < 2 * count; i++) {             /* there on the top, back on the bottom */
        const struct bucket b = curve_bucket(curve, i < count ? i : 2 * count - 1 - i);
        html_print(chart->html, "%c%.1f %.1f", i ? 'L' : 'M', scale_place(&chart->x, b.epoch),
                   at_loss(chart, i < count ? b.high : b.low));
    }
    html_print(chart->html, "Z\"/>\n");
}

static void loss_mean(const struct chart *chart, const struct curve *curve)
{
    const int count = curve_buckets(curve);
    const struct bucket last = curve_bucket(curve, count - 1);
    const double y = at_loss(chart, last.mean);

    html_print(chart->html, "<path class=\"curve\" d=\"");
    for (int i = 0; i < count; i++) {
        const struct bucket b = curve_bucket(curve, i);
        html_print(chart->html, "%c%.1f %.1f", i ? 'L' : 'M', scale_place(&chart->x, b.epoch),
                   at_loss(chart, b.mean));
    }
    html_print(chart->html, "\"/>\n<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>\n",
               scale_place(&chart->x, last.epoch), y);
    figure(chart, "value", "start", right_end(chart) + 8, y + 4.5, "%.3g", last.mean);
}

static void loss_level(const struct chart *chart, const struct curve *curve)
{
    const double y = at_loss(chart, curve->input_mse);

    line(chart, "level", chart->layout->left, y, right_end(chart), y);
    figure(chart, "input", "start", chart->layout->left + 6, y - 7, "noisy input: %.3g",
           curve->input_mse);
}

static void loss_chart(const struct chart *chart, const struct curve *curve)
{
    double ticks[TICKS];
    const int count = ticks_log(ticks, &chart->y);

    words(chart, "name", "start", 2, 14, "training loss");
    axis_up(chart, ticks, count, true);
    loss_band(chart, curve);
    if (curve->input_mse > 0)
        loss_level(chart, curve);
    loss_mean(chart, curve);
}

/* --- The learning rate ------------------------------------------------------------------------ */

static double highest_rate(const struct curve *curve)
{
    double highest = 0;

    for (int i = 0; i < curve_buckets(curve); i++)
        highest = fmax(highest, curve_bucket(curve, i).learning_rate);
    return highest > 0 ? highest : 1;
}

static void rate_chart(struct chart chart, const struct curve *curve, double top)
{
    const double bottom = top + chart.layout->rate_height;
    const double ticks[] = {0, highest_rate(curve)};
    const struct bucket last = curve_bucket(curve, curve_buckets(curve) - 1);

    chart.y = (struct scale){ticks[0], ticks[1], bottom, top};
    words(&chart, "name", "start", 2, top - 16, "learning rate");
    axis_up(&chart, ticks, 2, false);
    html_print(chart.html, "<path class=\"curve\" d=\"");
    for (int i = 0; i < curve_buckets(curve); i++) {
        const struct bucket b = curve_bucket(curve, i);
        html_print(chart.html, "%c%.1f %.1f", i ? 'L' : 'M', scale_place(&chart.x, b.epoch),
                   scale_place(&chart.y, b.learning_rate));
    }
    html_print(chart.html, "\"/>\n");
    figure(&chart, "value", "start", right_end(&chart) + 8,
           scale_place(&chart.y, last.learning_rate) + 4.5, "%.3g", last.learning_rate);
    axis_across(&chart, bottom, "epoch");
}

/* --- Figures under the pointer ---------------------------------------------------------------- */

static void touch(const struct chart *chart, const struct curve *curve, double bottom)
{
    const int count = curve_buckets(curve);
    const double width = chart->layout->width / count;

    for (int i = 0; i < count; i++) {
        const struct bucket b = curve_bucket(curve, i);
        html_print(chart->html, "<rect class=\"touch\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                   "height=\"%.1f\"><title>epoch %.2f: mean %.4g, %.4g to %.4g; rate %.3g</title>"
                   "</rect>\n", chart->layout->left + i * width, chart->layout->top, width,
                   bottom - chart->layout->top, b.epoch, b.mean, b.low, b.high, b.learning_rate);
    }
}

static void training_chart(const struct page *page, const struct layout *layout,
                           const struct curve *curve)
{
    struct chart chart = chart_on(page, layout);
    const double bottom = layout->top + layout->height;
    const double rate_bottom = bottom + GAP + layout->rate_height;

    chart.x = curve_epochs(curve, layout->left, layout->left + layout->width);
    chart.y = curve_losses(curve, bottom, layout->top);
    begin(&chart, rate_bottom + FOOT, "training loss and learning rate over the epochs");
    loss_chart(&chart, curve);
    rate_chart(chart, curve, bottom + GAP);
    touch(&chart, curve, rate_bottom);
    end(&chart);
}

void page_training(const struct page *page)
{
    const struct run *run = page->run;
    const char *loss = json_string_value(json_object_get(page->metrics, "loss"));
    struct curve curve;

    if (!run->trainer || !run->history.count)
        return;
    curve = curve_of(run);
    if (!loss || strcmp(loss, "mse") != 0)
        curve.input_mse = 0;                          /* which the loss cannot be compared with */
    page_section(page, "training", "Training");
    html_print(page->html, "<p class=\"note\">The loss (");
    html_text(page->html, loss ? loss : "?");
    if (curve_steps_each(&curve) > 1)
        html_print(page->html, ") of the training batches, on a logarithmic axis. Line: mean of "
                   "about %zu steps; band: the smallest and the largest among them.</p>\n",
                   curve_steps_each(&curve));
    else
        html_print(page->html, ") of every step, on a logarithmic axis.</p>\n");
    for (int i = 0; i < LAYOUTS; i++)
        training_chart(page, &layouts[i], &curve);
    html_print(page->html, "</section>\n");
}

/* --- The distribution of PSNR ----------------------------------------------------------------- */

enum { MOST_BINS = 64 };

struct histogram {
    double low, step;        /* bin i is from low + i step on */
    int bins;
    int64_t counts[MOST_BINS], most;
};

/* Images that came back exactly have no place on the axis. */
static int64_t finite_scores(const struct survey *survey)
{
    int64_t count = survey->count;

    while (count && !isfinite(survey->scores[count - 1].psnr))
        count--;
    return count;
}

static struct histogram gather(const struct survey *survey, int bins)
{
    const int64_t count = finite_scores(survey);
    const double low = survey->scores[0].psnr, high = survey->scores[count - 1].psnr;
    struct histogram h = {.step = axis_step(fmax(high - low, 1e-3), bins)};

    h.low = floor(low / h.step) * h.step;
    for (int64_t i = 0; i < count; i++) {
        const int bin = (int)((survey->scores[i].psnr - h.low) / h.step);
        const int inside = bin < MOST_BINS ? bin : MOST_BINS - 1;
        h.counts[inside]++;
        h.bins = inside + 1;                          /* scores are sorted */
        h.most = h.counts[inside] > h.most ? h.counts[inside] : h.most;
    }
    return h;
}

static void draw_bars(const struct chart *chart, const struct histogram *h)
{
    for (int i = 0; i < h->bins; i++) {
        const double from = h->low + i * h->step, x = scale_place(&chart->x, from);
        const double width = scale_place(&chart->x, from + h->step) - x;
        const double y = scale_place(&chart->y, (double)h->counts[i]);
        if (h->counts[i])
            html_print(chart->html, "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                       "height=\"%.1f\"><title>%.4g to %.4g dB: %" PRId64 " image%s</title>"
                       "</rect>\n",
                       x + 0.5, y, fmax(width - 1, 1), chart->y.from - y, from, from + h->step,
                       h->counts[i], h->counts[i] == 1 ? "" : "s");
    }
}

/* Counts are whole numbers, and so are their ticks. */
static int count_ticks(double ticks[TICKS], const struct scale *y)
{
    double all[TICKS];
    const int count = ticks_linear(all, y, 5);
    int whole = 0;

    for (int i = 0; i < count; i++)
        if (all[i] == floor(all[i]))
            ticks[whole++] = all[i];
    return whole;
}

static void draw_mean(const struct chart *chart, double psnr)
{
    const double x = scale_place(&chart->x, psnr);

    if (!isfinite(psnr))
        return;
    line(chart, "level", x, chart->layout->top - 6, x, chart->y.from);
    figure(chart, "input", x > right_end(chart) - 90 ? "end" : "start",
           x > right_end(chart) - 90 ? x - 6 : x + 6, chart->layout->top + 4, "mean %.2f", psnr);
}

static void distribution_chart(const struct page *page, const struct layout *layout)
{
    struct chart chart = chart_on(page, layout);
    const struct histogram h = gather(&page->survey, layout->ticks > 5 ? 30 : 15);
    const double bottom = layout->top + 0.7 * layout->height;
    double ticks[TICKS];
    int count;

    chart.x = (struct scale){h.low, h.low + h.bins * h.step, layout->left,
                             layout->left + layout->width};
    chart.y = (struct scale){0, 1.08 * (double)h.most, bottom, layout->top};
    begin(&chart, bottom + FOOT, "how many test images have which PSNR");
    words(&chart, "name", "start", 2, 14, "images");
    count = count_ticks(ticks, &chart.y);
    axis_up(&chart, ticks, count, false);
    draw_bars(&chart, &h);
    draw_mean(&chart, page->run->evaluation.psnr);
    axis_across(&chart, bottom, "PSNR of the output, dB");
    end(&chart);
}

static double quantile(const struct survey *survey, double fraction)
{
    return survey->scores[(int64_t)(fraction * (double)(survey->count - 1))].psnr;
}

void page_distribution(const struct page *page)
{
    const struct survey *s = &page->survey;
    const int64_t exact = s->count - finite_scores(s);
    char lowest[FIGURE_TEXT], few[FIGURE_TEXT], middle[FIGURE_TEXT], highest[FIGURE_TEXT];

    page_section(page, "distribution", "Every test image by itself");
    html_print(page->html, "<p class=\"note\">PSNR of the output: lowest %s dB",
               page_decibels(lowest, s->scores[0].psnr));
    if (s->count >= 20)
        html_print(page->html, ", 5 %% of the images below %s dB",
                   page_decibels(few, quantile(s, 0.05)));
    html_print(page->html, ", half below %s dB, highest %s dB.",
               page_decibels(middle, quantile(s, 0.5)), page_decibels(highest, quantile(s, 1)));
    if (exact)
        html_print(page->html, " %" PRId64 " came back exactly.", exact);
    html_print(page->html, "</p>\n");
    for (int i = 0; i < LAYOUTS && exact < s->count; i++)
        distribution_chart(page, &layouts[i]);
    html_print(page->html, "</section>\n");
}
