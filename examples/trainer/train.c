/* train.c - the training loop: step, log, show; after every epoch a checkpoint. */
#include "train.h"

#include "files.h"
#include "interrupt.h"
#include "message.h"
#include "metrics.h"
#include "progress.h"
#include "tensorboard.h"

#include <inttypes.h>

/* --- Saving ----------------------------------------------------------------------------------- */

static bool save_state(const struct run *run)
{
    cae_status status = cae_trainer_save(run->trainer, run->outputs.checkpoint);

    return !status || fail_status(run->context, status, "cannot save the checkpoint");
}

/* Files are those of rank 0; a checkpoint is saved by all ranks, and written by that one. */
static bool is_writer(const struct run *run)
{
    return !run->group.rank;
}

static bool save_log(struct run *run, bool aside)
{
    const struct outputs *o = &run->outputs;

    return !is_writer(run) || (aside ? history_save_aside(&run->history, o->log_aside)
                                     : history_save(&run->history, o->log));
}

static bool settle_log(struct run *run, bool aside)
{
    const struct outputs *o = &run->outputs;

    return !is_writer(run) || !aside || history_take_place(&run->history, o->log_aside, o->log);
}

/* The run may be killed at any moment, and the log must have all rows of the checkpoint that stands
 * beside it. A log that goes on is therefore saved first: a resume drops rows that no checkpoint
 * knows of. A new one must not come to stand beside an older run's checkpoint, nor the other way
 * round. */
static bool save_checkpoint(struct run *run)
{
    const bool new_log = !run->history.on_disk && !run->first_step;

    if (group_agree(&run->group, save_log(run, new_log)) &&
        group_agree(&run->group, save_state(run)))
        return group_agree(&run->group, settle_log(run, new_log));
    /* of a group that lost a rank, who knows what was saved */
    if (new_log && is_writer(run) && !group_is_lost(&run->group))
        file_remove(run->outputs.log_aside);
    return false;
}

/* TensorBoard is told of no step that a checkpoint lacks for long: what is too much is taken back by
 * the run that goes on. The checkpoint is saved whatever becomes of that. */
static bool save_all(struct run *run)
{
    const bool told = !is_writer(run) || events_flush(&run->events);

    return save_checkpoint(run) && group_agree(&run->group, told);
}

/* What was learned is the average, where the recipe keeps one. The trainer keeps its own model. */
static bool take_average(struct run *run)
{
    cae_model *average = NULL;
    cae_status status = cae_trainer_average(&average, run->trainer);

    if (status)
        return fail_status(run->context, status, "cannot take the average");
    cae_model_destroy(run->model);
    run->model = average;
    return true;
}

static bool save_model(struct run *run)
{
    cae_status status;

    if (!is_writer(run))
        return true;
    if (run->recipe.trainer.average_decay > 0 && !take_average(run))
        return false;

    if (!metrics_note(run))
        return false;
    status = cae_model_save(run->model, run->outputs.model);
    return !status || fail_status(run->context, status, "cannot save the model");
}

/* --- One step --------------------------------------------------------------------------------- */

/* Images in a step: the last batch of an epoch is what is left over. */
static int64_t images_in_step(const struct run *run, int64_t step)
{
    const int64_t steps = cae_trainer_steps_per_epoch(run->trainer);
    const int64_t batch = run->recipe.trainer.batch;

    return step % steps != 0 ? batch : cae_dataset_count(run->train) - (steps - 1) * batch;
}

/* The library has put everything back as it was before the loss went wrong. */
static bool diverged(struct run *run, cae_status status)
{
    group_agree(&run->group, fail_status(run->context, status, "training diverged"));
    if (save_all(run))
        say("the last good weights are in %s; a smaller --lr may help", run->outputs.checkpoint);
    return false;
}

static bool step_failed(struct run *run, cae_status status)
{
    if (group_all(&run->group, status == CAE_ERR_NUMERIC))
        return diverged(run, status);
    return group_agree(&run->group, fail_status(run->context, status, "training stopped"));
}

static bool note_step(struct run *run, const struct history_row *row)
{
    return !is_writer(run) || (history_add(&run->history, row) && tensorboard_step(run));
}

/* Take one step and note what it was like: *noted tells whether that could be done. */
static bool take_step(struct run *run, struct progress *progress, bool *noted)
{
    const double before = seconds_now();
    const cae_status status = cae_trainer_step(&run->progress, run->trainer);
    const double seconds = seconds_now() - before;
    const cae_progress *now = &run->progress;

    if (status) {
        progress_end(progress);
        return step_failed(run, status);
    }

    const int64_t epoch = now->epoch + !now->epoch_done;
    const int64_t images = images_in_step(run, now->step);
    run->images += images;
    run->seconds += seconds;
    progress_show(progress, &(struct progress_step){
        .step = now->step, .epoch = epoch, .epoch_done = now->epoch_done, .images = images,
        .seconds = seconds, .loss = now->epoch_loss});
    *noted = note_step(run, &(struct history_row){
        .step = now->step, .epoch = epoch, .loss = now->loss, .learning_rate = now->learning_rate,
        .images_per_second = seconds > 0 ? (double)images / seconds : 0});
    return true;
}

/* --- The loop --------------------------------------------------------------------------------- */

/* What one rank of a group wants, all find in the progress of the next step. */
static bool is_time_to_stop(struct run *run, bool wanted)
{
    if (!run->group.mpi)
        return wanted;
    if (wanted)
        cae_trainer_request_stop(run->trainer);
    return run->progress.stop;
}

/* What could not be noted ends a run, and is no reason to lose what was learned since the last
 * checkpoint. */
static bool save_with_notes(struct run *run, bool noted)
{
    if (group_agree(&run->group, noted))
        return save_all(run);
    if (!group_is_lost(&run->group))
        save_checkpoint(run);
    return false;
}

static enum outcome take_steps(struct run *run, struct progress *progress)
{
    bool noted = true;

    while (run->progress.epoch < run->recipe.epochs) {
        bool this_one = true;
        if (!take_step(run, progress, &this_one))
            return FAILED;

        noted = noted && this_one;
        const bool interrupted = is_time_to_stop(run, !noted || interrupt_signal());
        if (interrupted)
            progress_end(progress);
        if ((interrupted || run->progress.epoch_done) && !save_with_notes(run, noted))
            return FAILED;
        if (interrupted)
            return INTERRUPTED;
    }
    return TRAINED;
}

static void tell_how_to_resume(const struct run *run)
{
    say("interrupted after step %" PRId64 " and saved; to continue:", run->progress.step);
    options_print_resume(stderr, run->program, &run->options, run->task,
                         run->outputs.checkpoint);
    say("to evaluate the model as it is:");
    options_print_eval(stderr, run->program, &run->options, run->task, run->outputs.model);
}

enum outcome train(struct run *run)
{
    struct progress progress;
    enum outcome outcome;

    progress_begin(&progress, run->recipe.epochs, cae_trainer_steps_per_epoch(run->trainer),
                   run->options.quiet);
    progress.ranks = run->group.ranks;
    interrupt_begin();
    outcome = take_steps(run, &progress);
    progress_end(&progress);

    if (outcome != FAILED && !save_model(run))
        outcome = FAILED;
    interrupt_end();
    if (outcome == FAILED)
        return FAILED;
    if (outcome == INTERRUPTED && is_writer(run))
        tell_how_to_resume(run);
    return outcome;
}
