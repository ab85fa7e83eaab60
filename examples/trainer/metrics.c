/* metrics.c - metrics.json. */
#include "metrics.h"

#include "data.h"
#include "files.h"
#include "message.h"

#include <math.h>
#include <string.h>
#include <stdlib.h>

enum { DIGITS = 12 };  /* more than any figure holds, few enough to print 0.1 as 0.1 */

static json_t *real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *whole_if(bool known, int64_t value)
{
    return known ? json_integer(value) : json_null();
}

static json_t *text_if(bool known, const char *text)
{
    return known ? json_string(text) : json_null();
}

static json_t *real_if(bool known, double value)
{
    return known ? real(value) : json_null();
}

/* json_pack gives NULL when any part is NULL; "o" takes over what it is given. */
static json_t *describe_task(const struct run *run)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:I, s:f, s:f}",
                     "task", run->task->name,
                     "mode", run->trainer ? "train" : "evaluate",
                     "dataset", data_name(&run->options),
                     "train_images", whole_if(run->train, cae_dataset_count(run->train)),
                     "test_images", (json_int_t)run->evaluation.images,
                     "data_range", cae_dataset_range(run->test),
                     "sigma", run->evaluation_options.noise_sigma);
}

/* `epochs` and `steps` count from the very beginning; images and seconds, this run only. */
static json_t *describe_training(const struct run *run)
{
    const struct options *o = &run->options;
    const bool trained = run->trainer;
    const char *loss = recipe_loss_name(&run->recipe);
    const char *preset = cae_preset_name((int32_t)o->preset);
    const bool timed = run->seconds > 0;
    const double rate = timed ? (double)run->images / run->seconds : 0;
    const double per_epoch = timed ? (double)cae_dataset_count(run->train) / rate : 0;

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "preset", text_if(trained, preset),
                     "epochs", whole_if(trained, run->progress.epoch),
                     "steps", whole_if(trained, run->progress.step),
                     "batch", whole_if(trained, run->recipe.trainer.batch),
                     "learning_rate", real_if(trained, run->recipe.optimizer.learning_rate),
                     "seed", whole_if(trained, o->seed),
                     "optimizer", text_if(trained, "adam"),
                     "loss", text_if(trained, loss),
                     "resumed_at_step", whole_if(trained && o->resume, run->first_step),
                     "images_trained", whole_if(trained, run->images),
                     "train_seconds", real_if(trained, run->seconds),
                     "seconds_per_epoch", real_if(timed, per_epoch),
                     "images_per_second", real_if(timed, rate),
                     "final_train_mse", real_if(timed && !strcmp(loss, "mse"), run->progress.epoch_loss),
                     "final_train_loss", real_if(timed, run->progress.epoch_loss));
}

static json_t *describe_quality(const struct run *run)
{
    const cae_evaluation *e = &run->evaluation;
    const bool noisy = run->task->noisy;

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:s, s:s}",
                     "test_mse", real(e->mse),
                     "psnr_db", real(e->psnr),
                     "psnr_of_mean_mse_db", real(e->psnr_global),
                     "ssim", real(e->ssim),
                     "ssim_uniform7", real(e->ssim_uniform7),
                     "noisy_mse", real_if(noisy, e->noisy_mse),
                     "noisy_psnr_db", real_if(noisy, e->noisy_psnr),
                     "noisy_ssim", real_if(noisy, e->noisy_ssim),
                     "noisy_ssim_uniform7", real_if(noisy, e->noisy_ssim_uniform7),
                     "noise_seed", (json_int_t)run->evaluation_options.noise_seed,
                     "ssim_convention", "Wang et al. 2004: Gaussian 11x11, sigma 1.5",
                     "ssim_uniform7_convention", "scikit-image: uniform 7x7, sample moments");
}

static json_t *describe_machine(const struct run *run)
{
    char build[256];

    cae_build_info(build, sizeof build);
    return json_pack("{s:i, s:i, s:s, s:I, s:s, s:s}",
                     "ranks", run->group.ranks,
                     "threads", (int)cae_context_threads(run->context),
                     "engine", options_engine_name(&run->options),
                     "parameters", (json_int_t)cae_model_parameter_count(run->model),
                     "library_version", cae_version_string(),
                     "library_build", build);
}

/* Gives `part` back in any case. */
static bool take_in(json_t *all, json_t *part)
{
    const bool good = part && !json_object_update(all, part);

    json_decref(part);
    return good;
}

json_t *metrics_describe(const struct run *run)
{
    json_t *all = json_object();

    if (all && take_in(all, describe_task(run)) && take_in(all, describe_training(run)) &&
        take_in(all, describe_quality(run)) && take_in(all, describe_machine(run)))
        return all;
    json_decref(all);
    fail("out of memory for the figures");
    return NULL;
}

static int collect(const char *text, size_t size, void *bytes)
{
    return bytes_add(bytes, text, size) ? 0 : -1;
}

bool metrics_save(const char *path, const struct run *run)
{
    struct bytes text = {0};
    json_t *all = metrics_describe(run);
    const bool composed = all &&
        !json_dump_callback(all, collect, &text, JSON_INDENT(2) | JSON_REAL_PRECISION(DIGITS)) &&
        bytes_add(&text, "\n", 1);
    const bool good = composed ? file_save(path, text.data, text.size)
                               : all && fail("out of memory for %s", path);

    bytes_free(&text);
    json_decref(all);
    return good;
}

bool metrics_note(const struct run *run)
{
    const struct options *o = &run->options;
    json_t *all = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:f, s:s, s:f, s:I}",
                            "task", run->task->name,
                            "preset", cae_preset_name((int32_t)o->preset),
                            "dataset", data_name(o),
                            "train_images", (json_int_t)cae_dataset_count(run->train),
                            "epochs", (json_int_t)run->progress.epoch,
                            "steps", (json_int_t)run->progress.step,
                            "batch", (json_int_t)run->recipe.trainer.batch,
                            "optimizer", "adam",
                            "learning_rate", run->recipe.optimizer.learning_rate,
                            "loss", recipe_loss_name(&run->recipe),
                            "sigma", run->evaluation_options.noise_sigma,
                            "seed", (json_int_t)o->seed);
    char *text = all ? json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(DIGITS)) : NULL;
    const cae_status status = text ? cae_model_set_note(run->model, text) : CAE_ERR_MEMORY;

    free(text);
    json_decref(all);
    return !status || fail_status(run->context, status, "cannot note what the model was trained on");
}
