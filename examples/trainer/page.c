/* page.c - report.html: a page that says all about a run and needs nothing beside it. */
#include "page.h"

#include "data.h"
#include "metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- Shared ----------------------------------------------------------------------------------- */

void page_section(const struct page *page, const char *id, const char *title)
{
    html_print(page->html, "\n<section id=\"%s\">\n<h2>%s</h2>\n", id, title);
}

const char *page_decibels(char text[FIGURE_TEXT], double psnr)
{
    if (isfinite(psnr))
        snprintf(text, FIGURE_TEXT, "%.2f", psnr);
    else
        snprintf(text, FIGURE_TEXT, "%s", "\xe2\x88\x9e");
    return text;
}

const char *page_whole(char text[FIGURE_TEXT], int64_t value)
{
    char digits[32], *to = text;
    const char *from = digits;

    snprintf(digits, sizeof digits, "%" PRId64, value);
    for (size_t left = strlen(digits); left; left--) {
        *to++ = *from++;
        if (left % 3 == 1 && left > 1 && to[-1] != '-')
            *to++ = ',';
    }
    *to = '\0';
    return text;
}

int page_zoom(const struct picture *picture, int wanted)
{
    return picture->shown_width < wanted ? wanted / picture->shown_width : 1;
}

/* --- The ends of the page --------------------------------------------------------------------- */

/* The policy forbids what the page does not do: to load anything, or to run a script. */
static void begin(const struct page *page)
{
    char psnr[FIGURE_TEXT];

    html_print(page->html,
               "<!DOCTYPE html>\n"
               "<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
               "<meta charset=\"utf-8\"/>\n"
               "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
               "img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\"/>\n"
               "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
               "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
               "<link rel=\"icon\" href=\"data:,\"/>\n"
               "<title>%s: PSNR %s dB</title>\n<style>\n",
               page->run->task->name, page_decibels(psnr, page->run->evaluation.psnr));
    for (const char *const *piece = page_style; *piece; piece++)
        html_print(page->html, "%s", *piece);
    html_print(page->html, "</style>\n</head>\n<body>\n");
}

static void contents(const struct page *page)
{
    static const struct {
        const char *id, *name;
    } places[] = {{"quality", "Quality"}, {"training", "Training"}, {"samples", "Samples"},
                  {"distribution", "Distribution"}, {"worst", "Worst cases"},
                  {"network", "Network"}, {"filters", "Filters"}, {"latent", "Latent"},
                  {"figures", "All figures"}, {"reproduce", "Reproduce"}};

    html_print(page->html, "<nav>\n");
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (strcmp(places[i].id, "training") != 0 || page->run->history.count)
            html_print(page->html, "<a href=\"#%s\">%s</a>\n", places[i].id, places[i].name);
    html_print(page->html, "</nav>\n");
}

/* --- The command ------------------------------------------------------------------------------ */

static void command(const struct page *page, const struct options *options)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    if (file)
        options_print(file, page->run->program, options, page->run->task);
    if (!file || fclose(file)) {
        page->html->failed = true;
    } else {
        text[strcspn(text, "\n")] = '\0';
        html_print(page->html, "<pre><code>");
        html_text(page->html, text);
        html_print(page->html, "</code></pre>\n");
    }
    free(text);
}

static void reproduce(const struct page *page)
{
    const struct run *run = page->run;
    struct options whole = run->options;
    char build[256];

    page_section(page, "reproduce", "Reproduce this run");
    if (run->options.resume) {
        html_print(page->html, "<p class=\"note\">It went on from step %" PRId64
                   ". The command was</p>\n", run->first_step);
        command(page, &run->options);
        html_print(page->html, "<p class=\"note\">The same without a break, provided that the "
                   "settings were these from the beginning:</p>\n");
        whole.resume = NULL;
    }
    command(page, &whole);
    cae_build_info(build, sizeof build);
    html_print(page->html, "<div class=\"scroll\"><table><tbody>\n<tr><th>library</th><td>");
    html_text(page->html, build);
    html_print(page->html, "</td></tr>\n");
    if (run->trainer)
        html_print(page->html, "<tr><th>seed</th><td>%" PRId64 "</td></tr>\n", run->options.seed);
    if (run->task->noisy)
        html_print(page->html, "<tr><th>seed of the noise on test images</th><td>%" PRIu64
                   "</td></tr>\n", run->evaluation_options.noise_seed);
    html_print(page->html, "<tr><th>threads</th><td>%d</td></tr>\n</tbody></table></div>\n"
               "<p class=\"note\">The same bits come out with any number of threads. Another kind "
               "of processor or another BLAS may round otherwise in the last digits.</p>\n"
               "</section>\n",
               (int)cae_context_threads(run->context));
}

/* --- All of it -------------------------------------------------------------------------------- */

static bool sections(const struct page *page)
{
    begin(page);
    html_print(page->html, "<header>\n");
    page_headline(page);
    contents(page);
    html_print(page->html, "</header>\n<main>\n");
    page_quality(page);
    page_training(page);
    if (!page_samples(page))
        return false;
    page_distribution(page);
    if (!page_worst(page))
        return false;
    page_network(page);
    if (!page_filters(page) || !page_latent(page))
        return false;
    page_figures(page);
    reproduce(page);
    html_print(page->html, "</main>\n<footer>Written by <code>%s</code>, libcae %s. One file: it "
               "loads nothing.</footer>\n</body>\n</html>\n", page->run->task->name,
               cae_version_string());
    return true;
}

bool page_save(const char *path, const struct run *run)
{
    struct html html = {0};
    struct page page = {.html = &html, .run = run, .metrics = metrics_describe(run)};
    bool good = page.metrics && survey_take(&page.survey, run) &&
                sections(&page);

    if (good && html.failed)
        good = fail("out of memory for %s", path);
    good = good && file_save(path, html.text.data, html.text.size);
    survey_free(&page.survey);
    json_decref(page.metrics);
    bytes_free(&html.text);
    return good;
}
