/* train.c - cae train: from images to a model, by a recipe that has a name. */
#include "data.h"
#include "output.h"
#include "quality.h"
#include "setup.h"

#include "../trainer/interrupt.h"
#include "../trainer/launcher.h"
#include "../trainer/message.h"
#include "../trainer/progress.h"
#include "../trainer/recipe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum task { DENOISE, RECONSTRUCT };
static const char *const tasks[] = {[DENOISE] = "denoise", [RECONSTRUCT] = "reconstruct", NULL};

static const struct argument arguments[] = {
    {"data", "PATH", ARGUMENT_NAME, FIELD(data), "a directory or a .npy", 0, 0,
     "CIFAR-10, a folder of pictures or a .npy (the built-in images)", NULL},
    {"out", "FILE", ARGUMENT_NAME, FIELD(out), "a file", 0, 0, "the model", NULL},
    {"task", "NAME", ARGUMENT_CHOICE, FIELD(task), "denoise or reconstruct", 0, 0,
     "denoise or reconstruct", tasks},
    {"preset", "NAME", ARGUMENT_CHOICE, FIELD(preset),
     "reference, tuned, residual, quality or compress", 0, 0,
     "network and recipe (denoise: residual, reconstruct: tuned)", recipe_presets},
    {"epochs", "N", ARGUMENT_WHOLE, FIELD(epochs), "a whole number from 1 to 1000000", 1, 1000000,
     "passes over the images (the preset's number of samples)", NULL},
    {"batch", "N", ARGUMENT_WHOLE, FIELD(batch), "a whole number from 1 to 65536", 1, 65536,
     "images per step (the preset's)", NULL},
    {"lr", "X", ARGUMENT_REAL, FIELD(lr), "a number greater than 0", 0, 0,
     "learning rate (the preset's)", NULL},
    {"sigma", "X", ARGUMENT_REAL, FIELD(sigma), "a number greater than 0, at most 1000", 0, 1000,
     "standard deviation of the noise, denoise (0.1)", NULL},
    {"sigma-max", "X", ARGUMENT_REAL, FIELD(sigma_max), "a number greater than 0, at most 1000", 0,
     1000, "each image has its own, between --sigma and this", NULL},
    ROW_CROP,
    {"grey", NULL, ARGUMENT_FLAG, FIELD(grey), NULL, 0, 0, "see photos and built-in images in grey", NULL},
    ROW_LIMIT("train on the first N images only (all)"),
    {"memory", "MIB", ARGUMENT_WHOLE, FIELD(memory), "a whole number from 1 to 1000000000", 1, 1000000000,
     "MiB of pixels to hold (all; of photos 256)", NULL},
    {"cache", "DIR", ARGUMENT_NAME, FIELD(cache), "a directory", 0, 0,
     "for what is cut out of photos, which else is held in memory", NULL},
    ROW_SEED("of the weights, the shuffles and the noise"),
    ROW_SCALE,
    ROW_THREADS,
    {"quiet", NULL, ARGUMENT_FLAG, FIELD(quiet), NULL, 0, 0, "print nothing but errors", NULL},
    ROW_JSON,
    ROW_HELP,
};

/* One training. */
struct training {
    struct call *call;
    struct data train, test;
    int32_t preset;
    double sigma;
    struct recipe recipe;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
    cae_model *learned; /* to be saved: the average, where the recipe keeps one */
    cae_progress progress;
    double seconds;     /* of training, without evaluation and files */
    cae_evaluation quality;
    bool evaluated;
    bool unread;        /* stopped by an image that could not be read any more */
};

/* --- Usage ----------------------------------------------------------------------------------- */

static bool usage_is_right(const struct settings *s)
{
    int64_t size[2];

    if (launcher_find().ranks > 1)
        return fail("started as one of %d processes, which would all write %s: the trainers of examples/ "
                    "train by many", launcher_find().ranks, s->out ? s->out : "the same");
    if (!parse_extents(size, "crop", s->crop))
        return false;
    if (s->task == RECONSTRUCT && (s->sigma > 0 || s->sigma_max > 0))
        return fail("--sigma: expected --task denoise, found --task reconstruct, which adds no noise");
    return s->sigma_max <= 0 || s->sigma_max >= s->sigma ||
           fail("--sigma-max: expected not less than --sigma");
}

/* --- Setting up ------------------------------------------------------------------------------ */

static bool set_up(struct training *t)
{
    const struct settings *s = &t->call->settings;
    struct wishes wishes = {
        .preset = t->preset, .epochs = s->epochs, .batch = s->batch, .seed = s->seed, .lr = s->lr,
        .sigma_max = s->sigma_max};
    int32_t channels = 0;
    cae_status status;

    t->sigma = s->task == RECONSTRUCT ? 0 : s->sigma > 0 ? s->sigma : 0.1;
    wishes.sigma = t->sigma;
    status = recipe_choose(&t->recipe, t->call->context, &wishes, cae_dataset_count(t->train.dataset));
    cae_dataset_shape(&channels, NULL, NULL, t->train.dataset);
    if (!status)
        status = recipe_model(&t->call->model, t->call->context, &wishes, channels);
    if (!status)
        status = cae_optimizer_create(&t->optimizer, t->call->model, &t->recipe.optimizer);
    if (!status)
        status = cae_trainer_create(&t->trainer, t->call->model, t->optimizer, t->train.dataset,
                                    &t->recipe.trainer);
    return !status || fail_status(t->call->context, status, "cannot set up training");
}

/* --- Training -------------------------------------------------------------------------------- */

static int64_t images_in_step(const struct training *t)
{
    const int64_t steps = cae_trainer_steps_per_epoch(t->trainer), batch = t->recipe.trainer.batch;

    return t->progress.step % steps != 0
               ? batch : cae_dataset_count(t->train.dataset) - (steps - 1) * batch;
}

static bool take_step(struct training *t, struct progress *progress)
{
    const double before = seconds_now();
    const cae_status status = cae_trainer_step(&t->progress, t->trainer);
    const double seconds = seconds_now() - before;

    if (status) {
        progress_end(progress);
        t->unread = status == CAE_ERR_IO || status == CAE_ERR_FORMAT;
        return fail_status(t->call->context, status, status == CAE_ERR_NUMERIC
                           ? "training diverged, nothing is saved; a smaller --lr may help"
                           : "training stopped");
    }
    t->seconds += seconds;
    progress_show(progress, &(struct progress_step){
        .step = t->progress.step, .epoch = t->progress.epoch + !t->progress.epoch_done,
        .epoch_done = t->progress.epoch_done, .images = images_in_step(t), .seconds = seconds,
        .loss = t->progress.epoch_loss});
    return true;
}

/* Until all epochs are done or somebody presses Ctrl-C. */
static bool train(struct training *t)
{
    struct progress progress;
    bool good = true;

    cae_progress_init(&t->progress, sizeof t->progress);
    progress_begin(&progress, t->recipe.epochs, cae_trainer_steps_per_epoch(t->trainer),
                   t->call->settings.quiet || t->call->settings.json);
    interrupt_begin();
    while (good && t->progress.epoch < t->recipe.epochs && !interrupt_signal())
        good = take_step(t, &progress);
    progress_end(&progress);
    return good;
}

/* --- What came of it ------------------------------------------------------------------------- */

static const char *optimizer_name(int32_t kind)
{
    return kind == CAE_OPTIMIZER_ADAM ? "adam" : kind == CAE_OPTIMIZER_ADAMW ? "adamw" : "sgd";
}

/* The command as it was given, for a shell; to be freed. */
static char *command_text(const struct call *call)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    if (!file)
        return NULL;
    fputs("cae train", file);
    arguments_print(file, arguments, COUNT(arguments), &call->settings, &call->command->defaults);
    if (fclose(file)) {
        free(text);
        return NULL;
    }
    return text;
}

/* What a model is to say of its training: nothing that is not the same the next time. */
static json_t *describe(const struct training *t)
{
    char *command = command_text(t->call);
    json_t *figures = t->evaluated ? quality_describe(&t->quality, t->sigma) : NULL;
    json_t *all = json_pack("{s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:s, s:f, s:s, s:o, s:I, s:o}",
                            "command", output_text(command ? command : "cae train"),
                            "task", tasks[t->call->settings.task], "preset", recipe_presets[t->preset],
                            "dataset", t->train.kind,
                            "train_images", (json_int_t)cae_dataset_count(t->train.dataset),
                            "epochs", (json_int_t)t->progress.epoch,
                            "steps", (json_int_t)t->progress.step, "batch", (int)t->recipe.trainer.batch,
                            "optimizer", optimizer_name(t->recipe.optimizer.kind),
                            "learning_rate", t->recipe.optimizer.learning_rate,
                            "loss", recipe_loss_name(&t->recipe),
                            "sigma_max", t->recipe.trainer.noise_sigma_max > 0
                                             ? json_real(t->recipe.trainer.noise_sigma_max) : json_null(),
                            "seed", (json_int_t)t->call->settings.seed,
                            "final_train_loss", output_real(t->progress.epoch_loss));

    if (all && figures)
        json_object_update(all, figures);
    json_decref(figures);
    free(command);
    return all;
}

static void add_note(const struct training *t)
{
    json_t *all = describe(t);
    char *text = all ? json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    const cae_status status = text ? cae_model_set_note(t->learned, text) : CAE_ERR_ARGUMENT;

    if (status && !t->call->settings.quiet)
        say("the model is saved without a note of its training");
    free(text);
    json_decref(all);
}

static bool report(const struct training *t)
{
    json_t *all;

    if (!t->call->settings.json) {
        if (!t->call->settings.quiet) {
            quality_print(&t->quality, &t->test, t->sigma);
            printf("The model is in %s\n", t->call->settings.out);
        }
        return true;
    }
    all = describe(t);
    if (all) {
        json_object_set_new(all, "model", output_text(t->call->settings.out));
        json_object_set_new(all, "train_seconds", json_real(t->seconds));
        json_object_set_new(all, "skipped_files", json_integer(t->train.skipped));
        json_object_set_new(all, "threads", json_integer(cae_context_threads(t->call->context)));
    }
    return output_report(all, false);
}

static bool save(const struct training *t)
{
    const char *out = t->call->settings.out;
    cae_status status;

    add_note(t);
    status = cae_model_save(t->learned, out);
    return !status || fail_file(t->call->context, status, out);
}

/* An interrupted training is saved, too; and all before it is evaluated, which may fail, as where an image
 * that was kept back for it is damaged, or be ended: hours of work do not go for a figure. */
static bool finish(struct training *t)
{
    const cae_status status = cae_trainer_average(&t->learned, t->trainer);

    if (status)
        return fail_status(t->call->context, status, "cannot take the model");
    if (!save(t))
        return false;
    t->evaluated = quality_measure(&t->quality, t->call, t->learned, &t->test, t->sigma);
    if (t->evaluated)
        return save(t);
    say("%s is the model as it was trained, without figures of what it reached", t->call->settings.out);
    return true;
}

/* --- cae train ------------------------------------------------------------------------------- */

static int perform(struct training *t)
{
    const struct settings *s = &t->call->settings;
    int code = EXIT_FAILED;

    if (spares("data", s->data, s->out) && can_be_written(s->out) && open_context(t->call) &&
        data_open_both(&t->train, &t->test, t->call) && set_up(t)) {
        const bool trained = train(t), some = trained || (t->unread && t->progress.step > 0);
        const bool saved = some && finish(t);
        interrupt_end(); /* a terminal that goes away says so more than once */
        if (trained)
            code = saved && t->evaluated && report(t) ? EXIT_DONE : EXIT_FAILED;
        else if (saved)
            say("%s is the model as it was after step %" PRId64, s->out, t->progress.step);
    }
    if (code == EXIT_DONE && t->progress.epoch < t->recipe.epochs) {
        say("interrupted after step %" PRId64 ": %s is the model as it was then", t->progress.step,
            s->out);
        code = EXIT_SIGNAL + interrupt_signal();
    }
    cae_model_destroy(t->learned);
    cae_trainer_destroy(t->trainer);
    cae_optimizer_destroy(t->optimizer);
    data_close(&t->test);
    data_close(&t->train);
    return code;
}

static int run(struct call *call)
{
    struct training training = {.call = call};

    if (!usage_is_right(&call->settings))
        return EXIT_USAGE;
    training.preset = call->settings.preset >= 0 ? (int32_t)call->settings.preset
                      : call->settings.task == DENOISE ? CAE_PRESET_RESIDUAL : CAE_PRESET_TUNED;
    return perform(&training);
}

const struct command command_train = {
    .name = "train",
    .summary = "train a model on images",
    .synopsis = "[--data PATH] [--task NAME] [--preset NAME] [--out FILE] [OPTION]...",
    .least = 0, .most = 0, .files = "options only",
    .arguments = arguments, .argument_count = COUNT(arguments),
    .defaults = {.out = "model.safetensors", .preset = -1, .epochs = -1, .batch = -1, .lr = -1,
                 .sigma = -1, .sigma_max = -1, .crop = "64", .limit = -1, .memory = -1,
                 .seed = 1},
    .description =
        "DESCRIPTION\n"
        "  --data is a directory in CIFAR-10's binary format, another directory, from whose pictures\n"
        "  parts are cut out at random places, or a .npy, [count][channels][height][width] or\n"
        "  [count][height][width][channels]. A tenth of the images, at most 1000, is kept back to\n"
        "  evaluate with; CIFAR-10 and the built-in images have their own for that.\n"
        "\n"
        "  CIFAR-10 and .npy files with more pixels than --memory has room for stay on disk and are read\n"
        "  as images are asked for. Of photos no more is cut out than fits; with --cache that goes to a\n"
        "  file without a name in DIR, of at most --memory, which ends with the program.\n"
        "\n"
        "  --task denoise learns to take Gaussian noise of --sigma out of images, in units of the\n"
        "  range [-1, 1]; --task reconstruct to give back the image it was shown.\n"
        "\n"
        "  --preset is a network with the recipe that trains it:\n"
        "    reference  the published network (1,611 parameters) and its recipe\n"
        "    tuned      the same network, trained better\n"
        "    residual   the same layers, which learn the noise and not the image\n"
        "    quality    wider and deeper, residual: minutes on two cores\n"
        "    compress   a bottleneck, for reconstruct: sides are multiples of 4\n"
        "  --epochs, --batch and --lr change the recipe.\n"
        "\n"
        "  The model is saved at the end, whole or not at all, with a note of what it was trained on\n"
        "  and what it reached: `cae info` shows it. It is saved, too, where an image cannot be read any\n"
        "  more or the model not be evaluated; the exit code is 1 then. For checkpoints, a log and\n"
        "  pictures of the training there are the trainers of examples/.\n"
        "\n"
        "SIGNALS\n"
        "  Ctrl-C finishes the step and saves the model as it is; a second one ends at once.\n"
        "\n"
        "EXIT STATUS\n"
        "  0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated, 129 hung up.\n"
        "\n"
        "EXAMPLES\n"
        "  cae train --data cifar-10-batches-bin --out denoiser.safetensors\n"
        "  cae train --data photos --preset quality --sigma 0.02 --sigma-max 0.2\n"
        "  cae train --data good-parts --grey --task reconstruct --out normal.safetensors\n",
    .run = run,
};
