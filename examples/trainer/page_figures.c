/* page_figures.c - report.html: what the figures are, in words and units. */
#include "page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- The headline ----------------------------------------------------------------------------- */

static void card(const struct page *page, const char *name, const char *figure, const char *unit,
                 const char *more)
{
    html_print(page->html, "<div class=\"card\"><span>%s</span><b>%s<small>%s%s</small></b>"
               "<span>%s</span></div>\n", name, figure, *unit ? " " : "", unit, more);
}

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

static void psnr_card(const struct page *page)
{
    const cae_evaluation *e = &page->run->evaluation;
    char psnr[FIGURE_TEXT], more[2 * FIGURE_TEXT] = "mean over the test images";
    const double gain = e->psnr - e->noisy_psnr;

    if (page->run->task->noisy && isfinite(gain))
        snprintf(more, sizeof more, "%+.2f dB over the input", gain);
    card(page, "PSNR", page_decibels(psnr, e->psnr), "dB", more);
}

static void ssim_card(const struct page *page)
{
    const cae_evaluation *e = &page->run->evaluation;
    char ssim[FIGURE_TEXT], more[2 * FIGURE_TEXT] = "1 is the original";

    if (!isfinite(e->ssim))                           /* images smaller than its window */
        return;
    snprintf(ssim, sizeof ssim, "%.4f", e->ssim);
    if (page->run->task->noisy)
        snprintf(more, sizeof more, "noisy input: %.4f", e->noisy_ssim);
    card(page, "SSIM", ssim, "", more);
}

static void mse_card(const struct page *page)
{
    char mse[FIGURE_TEXT], more[2 * FIGURE_TEXT];

    snprintf(mse, sizeof mse, "%.5f", page->run->evaluation.mse);
    snprintf(more, sizeof more, "data range %g", cae_dataset_range(page->run->test));
    card(page, "Test MSE", mse, "", more);
}

static void time_card(const struct page *page)
{
    const struct run *run = page->run;
    char seconds[FIGURE_TEXT], rate[FIGURE_TEXT], more[2 * FIGURE_TEXT];

    if (run->seconds <= 0)
        return;
    snprintf(seconds, sizeof seconds, run->seconds < 100 ? "%.1f" : "%.0f", run->seconds);
    snprintf(more, sizeof more, "%s images/s",
             page_whole(rate, (int64_t)((double)run->images / run->seconds)));
    card(page, "Training time", seconds, "s", more);
}

static void parameter_card(const struct page *page)
{
    char count[FIGURE_TEXT], more[2 * FIGURE_TEXT];
    const int32_t layers = cae_model_layer_count(page->run->model);

    snprintf(more, sizeof more, "in %" PRId32 " layer%s", layers, plural(layers));
    card(page, "Parameters", page_whole(count, cae_model_parameter_count(page->run->model)), "",
         more);
}

static void lead(const struct page *page)
{
    const struct run *run = page->run;
    char images[FIGURE_TEXT], tests[FIGURE_TEXT];

    html_print(page->html, "<p class=\"lead\">");
    if (run->trainer)
        html_print(page->html, "Trained for %" PRId64 " epoch%s on %s image%s of ",
                   run->progress.epoch, plural(run->progress.epoch),
                   page_whole(images, cae_dataset_count(run->train)),
                   plural(cae_dataset_count(run->train)));
    else
        html_print(page->html, "A saved model, evaluated on images of ");
    html_text(page->html, json_string_value(json_object_get(page->metrics, "dataset")));
    html_print(page->html, "; figures are of %s test image%s",
               page_whole(tests, run->evaluation.images), plural(run->evaluation.images));
    if (run->task->noisy)
        html_print(page->html, " with Gaussian noise of standard deviation %g",
                   run->evaluation_options.noise_sigma);
    html_print(page->html, ".</p>\n");
}

/* What it takes to tell an image, beside the image. */
static void latent_card(const struct page *page)
{
    int32_t c, h, w, channels, height, width;
    char size[FIGURE_TEXT], more[2 * FIGURE_TEXT];

    cae_dataset_shape(&c, &h, &w, page->run->test);
    if (cae_model_output_shape(&channels, &height, &width, page->run->model, NULL,
                               CAE_PART_ENCODER, h, w))
        return;
    snprintf(size, sizeof size, "%.3g",
             (double)channels * height * width / ((double)c * h * w));
    snprintf(more, sizeof more, "values for one of the image");
    card(page, "Latent", size, "", more);
}

void page_headline(const struct page *page)
{
    html_print(page->html, "<h1>%s</h1>\n",
               page->run->task->noisy ? "Noise removal by a convolutional auto-encoder"
                                      : "Reconstruction by a convolutional auto-encoder");
    lead(page);
    html_print(page->html, "<div class=\"cards\">\n");
    psnr_card(page);
    ssim_card(page);
    mse_card(page);
    time_card(page);
    parameter_card(page);
    latent_card(page);
    html_print(page->html, "</div>\n");
}

/* --- Before and after ------------------------------------------------------------------------- */

static void cell(const struct page *page, const char *format, double value)
{
    char text[FIGURE_TEXT];

    snprintf(text, sizeof text, format, value);
    html_print(page->html, "<td class=\"n\">%s</td>", isfinite(value) ? text : "\xe2\x80\x93");
}

static void quality_row(const struct page *page, const char *name, const double figures[4])
{
    char psnr[FIGURE_TEXT];

    html_print(page->html, "<tr><th>%s</th><td class=\"n\">%s</td>", name,
               page_decibels(psnr, figures[0]));
    cell(page, "%.4f", figures[1]);
    cell(page, "%.4f", figures[2]);
    cell(page, "%.6f", figures[3]);
    html_print(page->html, "</tr>\n");
}

void page_quality(const struct page *page)
{
    const cae_evaluation *e = &page->run->evaluation;

    page_section(page, "quality", "Quality on the test images");
    html_print(page->html, "<div class=\"scroll\"><table><thead><tr><th></th>"
               "<th class=\"n\">PSNR, dB</th><th class=\"n\">SSIM</th>"
               "<th class=\"n\">SSIM 7\xc3\x97" "7</th><th class=\"n\">MSE</th></tr></thead>"
               "<tbody>\n");
    if (page->run->task->noisy)
        quality_row(page, "noisy input", (const double[]){e->noisy_psnr, e->noisy_ssim,
                                                          e->noisy_ssim_uniform7, e->noisy_mse});
    quality_row(page, "output", (const double[]){e->psnr, e->ssim, e->ssim_uniform7, e->mse});
    html_print(page->html, "</tbody></table></div>\n"
               "<p class=\"note\">Each compared with the clean image; PSNR and SSIM are means over "
               "images. SSIM: Gaussian window of Wang et al. (2004); SSIM 7\xc3\x97" "7: "
               "scikit-image\xe2\x80\x99s default.</p>\n</section>\n");
}

/* --- Everything in metrics.json --------------------------------------------------------------- */

/* A key that is not listed is shown as it is: a figure may be new, and is not to be lost. */
static const struct meaning {
    const char *key, *words, *unit;
    const char *format;  /* of a real number; NULL: as many digits as it takes; "": a whole one */
} meanings[] = {
    {"Task and data", NULL, NULL, NULL},
    {"task", "task", "", NULL},
    {"mode", "what the run did", "", NULL},
    {"dataset", "images", "", NULL},
    {"train_images", "training images", "", NULL},
    {"test_images", "test images", "", NULL},
    {"data_range", "largest minus smallest pixel value", "", NULL},
    {"sigma", "standard deviation of the noise", "", NULL},
    {"noise_seed", "seed of the noise on test images", "", NULL},
    {"Training", NULL, NULL, NULL},
    {"preset", "preset: network and recipe", "", NULL},
    {"epochs", "epochs, from the very beginning", "", NULL},
    {"steps", "optimizer steps, from the very beginning", "", NULL},
    {"batch", "images per step", "", NULL},
    {"optimizer", "optimizer", "", NULL},
    {"learning_rate", "learning rate", "", NULL},
    {"loss", "loss that training makes smaller", "", NULL},
    {"seed", "seed of weights, shuffles and noise", "", NULL},
    {"resumed_at_step", "resumed after step", "", NULL},
    {"images_trained", "images trained on in this run", "", NULL},
    {"train_seconds", "training time of this run", "s", "%.2f"},
    {"seconds_per_epoch", "time per epoch", "s", "%.3f"},
    {"images_per_second", "training speed", "images/s", ""},
    {"final_train_mse", "mean squared error in training, last epoch", "", "%.6f"},
    {"final_train_loss", "training loss, mean of the last epoch", "", "%.6f"},
    {"Result on the test images", NULL, NULL, NULL},
    {"test_mse", "mean squared error", "", "%.6f"},
    {"psnr_db", "PSNR, mean over images", "dB", "%.3f"},
    {"psnr_of_mean_mse_db", "PSNR of the mean squared error", "dB", "%.3f"},
    {"ssim", "SSIM, Gaussian window", "", "%.4f"},
    {"ssim_uniform7", "SSIM, 7\xc3\x97" "7 window", "", "%.4f"},
    {"noisy_mse", "noisy input: mean squared error", "", "%.6f"},
    {"noisy_psnr_db", "noisy input: PSNR, mean over images", "dB", "%.3f"},
    {"noisy_ssim", "noisy input: SSIM, Gaussian window", "", "%.4f"},
    {"noisy_ssim_uniform7", "noisy input: SSIM, 7\xc3\x97" "7 window", "", "%.4f"},
    {"ssim_convention", "SSIM, Gaussian window, is that of", "", NULL},
    {"ssim_uniform7_convention", "SSIM, 7\xc3\x97" "7 window, is that of", "", NULL},
    {"Machine and library", NULL, NULL, NULL},
    {"parameters", "parameters of the model", "", NULL},
    {"threads", "threads", "", NULL},
    {"engine", "engine", "", NULL},
    {"library_version", "library", "", NULL},
    {"library_build", "how it was built, what it found", "", NULL},
};

enum { MEANINGS = sizeof meanings / sizeof *meanings };

static bool is_group(const struct meaning *m)
{
    return !m->words;
}

static void format_number(const struct page *page, const struct meaning *m, const json_t *value)
{
    char exact[REAL_TEXT], text[FIGURE_TEXT];

    if (json_is_integer(value)) {
        snprintf(exact, sizeof exact, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        if (strstr(m->key, "seed"))
            snprintf(text, sizeof text, "%s", exact);
        else
            page_whole(text, json_integer_value(value));
    } else {
        format_real(exact, json_real_value(value));
        if (!m->format)
            snprintf(text, sizeof text, "%s", exact);
        else if (*m->format)
            snprintf(text, sizeof text, m->format, json_real_value(value));
        else
            page_whole(text, llrint(json_real_value(value)));
    }
    html_print(page->html, "<data value=\"%s\">%s</data>%s%s", exact, text, *m->unit ? " " : "",
               m->unit);
}

static void format_value(const struct page *page, const struct meaning *m, const json_t *value)
{
    if (json_is_string(value))
        html_text(page->html, json_string_value(value));
    else if (json_is_number(value))
        format_number(page, m, value);
    else if (json_is_boolean(value))
        html_print(page->html, "%s", json_is_true(value) ? "yes" : "no");
    else
        html_print(page->html, "\xe2\x80\x93");       /* not in this run */
}

static void figure_row(const struct page *page, const struct meaning *m, const json_t *value)
{
    html_print(page->html, "<tr><th>");
    html_text(page->html, m->words);
    html_print(page->html, "<code>");
    html_text(page->html, m->key);
    html_print(page->html, "</code></th><td>");
    format_value(page, m, value);
    html_print(page->html, "</td></tr>\n");
}

static void begin_group(const struct page *page, const char *name)
{
    html_print(page->html, "<div class=\"group\"><h3>%s</h3><table><tbody>\n", name);
}

static void end_group(const struct page *page)
{
    html_print(page->html, "</tbody></table></div>\n");
}

static bool is_listed(const char *key)
{
    for (const struct meaning *m = meanings; m < meanings + MEANINGS; m++)
        if (!strcmp(m->key, key))
            return true;
    return false;
}

static void other_figures(const struct page *page)
{
    bool begun = false;
    const char *key;
    json_t *value;

    json_object_foreach(page->metrics, key, value) {
        const struct meaning as_it_is = {key, key, "", NULL};
        if (is_listed(key))
            continue;
        if (!begun)
            begin_group(page, "Further");
        begun = true;
        figure_row(page, &as_it_is, value);
    }
    if (begun)
        end_group(page);
}

void page_figures(const struct page *page)
{
    page_section(page, "figures", "All figures");
    html_print(page->html, "<p class=\"note\">What <code>metrics.json</code> beside this page "
               "holds, under the names that stand below. \xe2\x80\x93: not in this run.</p>\n"
               "<div class=\"groups\">\n");
    for (int i = 0; i < MEANINGS; i++) {
        const json_t *value = json_object_get(page->metrics, meanings[i].key);
        if (is_group(&meanings[i])) {
            if (i)
                end_group(page);
            begin_group(page, meanings[i].key);
        } else if (value) {
            figure_row(page, &meanings[i], value);
        }
    }
    end_group(page);
    other_figures(page);
    html_print(page->html, "</div>\n</section>\n");
}
