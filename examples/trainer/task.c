/* task.c - the whole program, from the arguments to the exit code.
 *
 * Everything that can be found wrong is found before --out is touched: arguments, then data, then
 * model and checkpoint. */
#include "data.h"
#include "files.h"
#include "interrupt.h"
#include "message.h"
#include "report.h"
#include "tensorboard.h"
#include "train.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { PUBLISHED_EPOCHS = 10 };

/* --- What a run stands on --------------------------------------------------------------------- */

static bool open_context(struct run *run)
{
    cae_context_options options;
    cae_status status;
    const int share = group_threads(&run->group);    /* asked on all ranks, whatever they were told */

    cae_context_options_init(&options, sizeof options);
    options.threads = run->options.threads ? (int32_t)run->options.threads : (int32_t)share;
    options.engine = (int32_t)run->options.engine;
    status = cae_context_create(&run->context, &options);
    return !status || fail_status(NULL, status, "cannot start with --engine %s --threads %" PRId64,
                                  options_engine_name(&run->options), run->options.threads);
}

static void set_evaluation(struct run *run)
{
    cae_evaluation_options_init(&run->evaluation_options, sizeof run->evaluation_options);
    run->evaluation_options.noise_sigma = run->task->noisy ? run->options.sigma : 0;
}

static bool load_model(struct run *run)
{
    cae_status status = cae_model_load(&run->model, run->context, run->options.eval);

    return !status || fail_status(run->context, status, "cannot load the model");
}

static bool set_up_training(struct run *run)
{
    struct recipe *recipe = &run->recipe;
    int32_t channels = 0;
    const struct options *o = &run->options;
    const struct wishes wishes = {
        .preset = o->preset, .batch = o->batch, .seed = o->seed, .lr = o->lr, .sigma = o->sigma,
        .window = o->window,
        /* the published recipe counts epochs, the others samples */
        .epochs = o->epochs || o->preset != CAE_PRESET_REFERENCE ? o->epochs : PUBLISHED_EPOCHS};
    cae_status status = recipe_choose(recipe, run->context, &wishes, cae_dataset_count(run->train));

    cae_dataset_shape(&channels, NULL, NULL, run->train);
    if (!status)
        status = recipe_model(&run->model, run->context, &wishes, channels);
    if (!status)
        status = cae_optimizer_create(&run->optimizer, run->model, &recipe->optimizer);
    if (!status)
        status = cae_trainer_create(&run->trainer, run->model, run->optimizer, run->train,
                                    &recipe->trainer);
    return !status || fail_status(run->context, status, "cannot set up training");
}

static bool resume(struct run *run)
{
    const char *path = run->options.resume;
    cae_status status = path ? cae_trainer_resume(run->trainer, path) : CAE_OK;

    if (status)
        return fail_status(run->context, status, "cannot resume");
    cae_progress_init(&run->progress, sizeof run->progress);
    cae_trainer_progress(&run->progress, run->trainer);
    run->first_step = run->progress.step;
    if (run->progress.epoch >= run->recipe.epochs && !run->options.quiet)
        say("%s has %" PRId64 " epochs already: nothing to train", path, run->progress.epoch);
    return true;
}

/* --- Where it goes ---------------------------------------------------------------------------- */

static bool open_outputs(struct run *run)
{
    const char *out = run->options.out;
    struct outputs *o = &run->outputs;

    *o = (struct outputs){
        .metrics = path_join(out, "metrics.json"),
        .log = path_join(out, "log.csv"),
        .log_aside = path_join(out, "log.csv.new"),
        .loss = path_join(out, "loss.png"),
        .samples = path_join(out, "samples.png"),
        .page = path_join(out, "report.html"),
        .model = path_join(out, "model.safetensors"),
        .checkpoint = path_join(out, "checkpoint.safetensors"),
        .lock = -1,
    };
    if (!o->metrics || !o->log || !o->log_aside || !o->loss || !o->samples || !o->page ||
        !o->model || !o->checkpoint)
        return fail("out of memory");
    if (!directory_make(out) || !directory_lock(&o->lock, out))
        return false;
    file_tidy(o->metrics);
    file_tidy(o->log);
    file_tidy(o->log_aside);
    file_tidy(o->loss);
    file_tidy(o->samples);
    file_tidy(o->page);
    return true;
}

static void close_outputs(struct outputs *o)
{
    free(o->metrics);
    free(o->log);
    free(o->log_aside);
    free(o->loss);
    free(o->samples);
    free(o->page);
    free(o->model);
    free(o->checkpoint);
    directory_unlock(o->lock);
}

static bool load_history(struct run *run)
{
    const struct outputs *o = &run->outputs;
    const char *from = run->options.resume;

    return !from || (history_recover(o->log_aside, o->log, from, run->first_step) &&
                     history_load(&run->history, o->log, run->first_step));
}

/* --- The two modes ---------------------------------------------------------------------------- */

static int evaluate_only(struct run *run)
{
    if (run->group.rank)
        return EXIT_SUCCESS;
    return data_open(&run->test, run->context, &run->options, CAE_SPLIT_TEST) &&
           load_model(run) && tensorboard_prepare(run) && open_outputs(run) &&
           tensorboard_open(run) && report(run) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Of a group, rank 0 alone has test images and writes files. */
static bool set_up(struct run *run)
{
    return data_open(&run->train, run->context, &run->options, CAE_SPLIT_TRAIN) &&
           (run->group.rank ||
            data_open(&run->test, run->context, &run->options, CAE_SPLIT_TEST)) &&
           set_up_training(run);
}

static bool prepare_outputs(struct run *run)
{
    return run->group.rank || (tensorboard_prepare(run) && open_outputs(run) && load_history(run) &&
                               tensorboard_open(run));
}

static bool prepare_training(struct run *run)
{
    struct group *group = &run->group;

    return group_agree(group, set_up(run)) &&
           group_agree(group, group_join(group, run->context, run->trainer)) &&
           group_agree(group, resume(run)) && group_agree(group, prepare_outputs(run));
}

static int train_and_report(struct run *run)
{
    if (!prepare_training(run))
        return EXIT_FAILURE;
    switch (train(run)) {
    case TRAINED: return run->group.rank || report(run) ? EXIT_SUCCESS : EXIT_FAILURE;
    case INTERRUPTED: /* another rank may have got the signal */
        return EXIT_SIGNAL + (interrupt_signal() ? interrupt_signal() : SIGTERM);
    default: return EXIT_FAILURE;
    }
}

/* What decides about the calls to come is decided alike on all ranks. */
static bool all_alike(struct run *run, const char *name, const char *value)
{
    const bool all = group_all(&run->group, value != NULL);

    return group_agree(&run->group, all == (value != NULL) ||
                                        fail("%s: not all processes have it", name));
}

static int perform(struct run *run)
{
    const struct options *o = &run->options;

    if (!group_agree(&run->group, open_context(run)) ||
        !group_agree(&run->group, group_set(&run->group, run->context, (int32_t)o->reduction,
                                            o->timeout)))
        return EXIT_FAILURE;
    if (!all_alike(run, "--eval", o->eval) || !all_alike(run, "--resume", o->resume))
        return EXIT_FAILURE;
    set_evaluation(run);
    return run->options.eval ? evaluate_only(run) : train_and_report(run);
}

static void close_run(struct run *run)
{
    cae_trainer_destroy(run->trainer);
    cae_optimizer_destroy(run->optimizer);
    cae_model_destroy(run->model);
    cae_dataset_destroy(run->test);
    cae_dataset_destroy(run->train);
    cae_context_destroy(run->context);
    history_free(&run->history);
    events_close(&run->events);
    close_outputs(&run->outputs);
}

/* All ranks have something to do, or none. */
static bool read_options(struct run *run, int *exit_code, int argc, char **argv)
{
    const bool ready = options_read(&run->options, exit_code, run->task, argc, argv);
    const bool good = group_agree(&run->group, ready || *exit_code == EXIT_SUCCESS);

    if (run->group.rank)
        run->options.quiet = true;
    if (!good && *exit_code == EXIT_SUCCESS)
        *exit_code = EXIT_FAILURE;
    return good && group_all(&run->group, ready);
}

int task_main(const struct task *task, int argc, char **argv)
{
    struct run run = {.task = task, .program = argv[0], .outputs.lock = -1};
    int exit_code;

    message_begin_with(task->name);
    if (!streams_begin())
        return EXIT_FAILURE;
    if (!group_begin(&run.group))
        return group_end(&run.group, EXIT_FAILURE);
    if (read_options(&run, &exit_code, argc, argv)) {
        exit_code = perform(&run);
        close_run(&run);
    }
    if (fflush(stdout) || ferror(stdout)) {           /* the table, on a full disk */
        say("cannot write to standard output: %s", strerror(errno));
        exit_code = exit_code ? exit_code : EXIT_FAILURE;
    }
    return group_end(&run.group, exit_code);
}
