/* report.c - what a run found out, as a table, as JSON and as pictures. */
#include "report.h"

#include "data.h"
#include "message.h"
#include "metrics.h"
#include "page.h"
#include "plot.h"
#include "samples.h"
#include "tensorboard.h"

#include <inttypes.h>

static bool evaluate(struct run *run)
{
    cae_status status;

    cae_evaluation_init(&run->evaluation, sizeof run->evaluation);
    status = cae_model_evaluate(&run->evaluation, run->model, NULL, run->test,
                                &run->evaluation_options);
    return !status || fail_status(run->context, status, "cannot evaluate the model");
}

/* The curve under the figures that it led to. */
static bool draw_loss(const struct run *run)
{
    char title[160], subtitle[240], rate[REAL_TEXT];

    snprintf(title, sizeof title, "%s: PSNR %.2f dB, SSIM %.3f", run->task->name,
             run->evaluation.psnr, run->evaluation.ssim);
    snprintf(subtitle, sizeof subtitle,
             "%s, %" PRId64 " images, %" PRId64 " epoch%s, batch %" PRId64
             ", Adam %s, seed %" PRId64 "; MSE on test images %.5f",
             data_name(&run->options), cae_dataset_count(run->train), run->progress.epoch,
             run->progress.epoch == 1 ? "" : "s", (int64_t)run->recipe.trainer.batch,
             format_real(rate, run->recipe.optimizer.learning_rate), run->options.seed,
             run->evaluation.mse);
    return plot_loss(run->outputs.loss,
                     &(struct plot){.title = title, .subtitle = subtitle, .curve = curve_of(run)});
}

static void print_row(const char *name, double psnr, double ssim, double ssim_uniform7)
{
    printf("%-12s %8.2f %8.4f %9.4f\n", name, psnr, ssim, ssim_uniform7);
}

static void print_table(const struct run *run)
{
    const cae_evaluation *e = &run->evaluation;

    printf("%" PRId64 " test images of %s\n", e->images, data_name(&run->options));
    printf("%-12s %8s %8s %9s\n", "", "PSNR dB", "SSIM", "SSIM 7x7");
    if (run->task->noisy)
        print_row("noisy input", e->noisy_psnr, e->noisy_ssim, e->noisy_ssim_uniform7);
    print_row("output", e->psnr, e->ssim, e->ssim_uniform7);
    printf("Results are in %s\n", run->options.out);
}

bool report(struct run *run)
{
    if (!evaluate(run) || !metrics_save(run->outputs.metrics, run) ||
        !samples_save(run->outputs.samples, run) || (run->trainer && !draw_loss(run)) ||
        !page_save(run->outputs.page, run) || !tensorboard_results(run))
        return false;
    if (!run->options.quiet)
        print_table(run);
    return true;
}
