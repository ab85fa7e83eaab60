/* checkpoint.c - bytes as a checkpoint to resume from. Refused, nothing has changed: model, moments,
 * counters. Taken, the trainer saves a checkpoint that it takes again, and goes on. */
#define _GNU_SOURCE /* memmem */
#include "fuzz.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/training/training.h"

enum { IMAGES = FUZZ_IMAGES, PARAMETERS = 39 };

struct state {
    float parameters[PARAMETERS], moments[2][PARAMETERS], average[PARAMETERS];
    int64_t updates;
    struct cae__cursor now;
    cae_progress progress;
};

static struct state state_of(const cae_trainer *trainer)
{
    struct state s;
    memset(&s, 0, sizeof s);
    CHECK(trainer->model->parameter_count == PARAMETERS);
    memcpy(s.parameters, trainer->model->parameters, sizeof s.parameters);
    for (int i = 0; i < trainer->optimizer->moment_count; i++)
        memcpy(s.moments[i], trainer->optimizer->moments[i], sizeof s.moments[i]);
    if (trainer->average)
        memcpy(s.average, trainer->average, sizeof s.average);
    s.updates = trainer->optimizer->updates;
    s.now = trainer->now;
    s.progress = trainer->progress;
    return s;
}

static bool says(const uint8_t *data, size_t size, const char *text)
{
    return memmem(data, size, text, strlen(text)) != NULL;
}

/* What the file is for, so that everything is met. */
static struct fuzz_training training_of(const uint8_t *data, size_t size)
{
    return (struct fuzz_training){
        .kind = says(data, size, "\\\"adamw\\\"") ? CAE_OPTIMIZER_ADAMW
                : says(data, size, "\\\"sgd\\\"") ? CAE_OPTIMIZER_SGD
                                                  : CAE_OPTIMIZER_ADAM,
        .residual = says(data, size, "\\\"residual\\\""),
        .average = says(data, size, "optim.average."),
    };
}

static void go_on(cae_context *context, cae_trainer *trainer)
{
    const char *path = fuzz_path("saved");
    const struct state resumed = state_of(trainer);
    cae_progress progress;

    CHECK(resumed.now.step >= 0 && resumed.now.position >= 0 && resumed.now.position < IMAGES);
    CHECK(cae_trainer_save(trainer, path) == CAE_OK);
    CHECK(cae_trainer_resume(trainer, path) == CAE_OK);
    const struct state again = state_of(trainer);
    CHECK(memcmp(&resumed, &again, sizeof again) == 0);

    progress.size = sizeof progress;
    const cae_status status = cae_trainer_step(&progress, trainer);
    fuzz_check_status(context, status);
    CHECK(status == CAE_OK || status == CAE_ERR_NUMERIC);
    if (status == CAE_OK)
        CHECK(progress.step == resumed.now.step + 1 && isfinite(progress.loss));
    for (int i = 0; i < PARAMETERS; i++)
        CHECK(isfinite(trainer->model->parameters[i]) && (!trainer->average || isfinite(trainer->average[i])));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cae_context *context = fuzz_begin();
    cae_trainer *trainer = fuzz_trainer(context, training_of(data, size));
    const struct state before = state_of(trainer);
    const char *path = fuzz_file("checkpoint", data, size);

    fuzz_mark();
    const cae_status status = cae_trainer_resume(trainer, path);
    fuzz_check_peak(size);
    fuzz_check_status(context, status);
    if (status == CAE_OK) {
        go_on(context, trainer);
    } else {
        const struct state after = state_of(trainer);
        CHECK(memcmp(&before, &after, sizeof after) == 0);
    }
    cae_trainer_destroy(trainer);
    fuzz_end(context);
    return 0;
}
