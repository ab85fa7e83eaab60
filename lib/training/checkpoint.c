/* checkpoint.c - a moment of training as a file: the model, the optimizer's moments as tensors
 * "optim.m.<name>" and "optim.v.<name>", their moving average as "optim.average.<name>", and the
 * counters as JSON in the metadata.
 *
 * Noise, shuffle and schedule are functions of the counters, so there is nothing else to keep. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../base/file.h"
#include "../formats/model_file.h"
#include "training.h"

#define TRAINER_KEY "libcae.trainer"
#define PLAIN 1    /* versions of what is written under that key */
#define AVERAGED 2 /* with a moving average, which an older library cannot continue */
#define WINDOWED 3 /* with a shuffle in windows, and an average or not: the same */
#define MOST_COUNT ((int64_t)1 << 53) /* further than anyone trains, and clear of overflow */

static const char *const moment_prefixes[2] = {CAE__OPTIMIZER_PREFIX "m.",
                                               CAE__OPTIMIZER_PREFIX "v."};
#define AVERAGE_PREFIX CAE__OPTIMIZER_PREFIX "average."

/* What is read back and what must agree. 64-bit unsigned numbers and the bits of a double are
 * decimal texts: JSON's numbers hold neither. */
struct state {
    int64_t step, epoch, position, updates;
    uint64_t loss_sum_bits;
    uint64_t seed;
    int64_t batch, images, shuffle, window;
    const char *optimizer;
    int64_t moments;
    bool average;
};

static struct state state_of(const cae_trainer *trainer)
{
    struct state s = {
        .step = trainer->now.step,
        .epoch = trainer->now.epoch,
        .position = trainer->now.position,
        .updates = trainer->optimizer->updates,
        .seed = trainer->options.seed,
        .batch = trainer->options.batch,
        .images = trainer->dataset->count,
        .shuffle = trainer->options.shuffle,
        .window = trainer->options.shuffle_window,
        .optimizer = cae__optimizer_name(trainer->optimizer->options.kind),
        .moments = trainer->optimizer->moment_count,
        .average = trainer->average,
    };
    memcpy(&s.loss_sum_bits, &trainer->now.loss_sum, sizeof s.loss_sum_bits);
    return s;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static int version_of(const struct state *s)
{
    return s->window > 0 ? WINDOWED : s->average ? AVERAGED : PLAIN;
}

static void write_state(struct cae__text *text, const struct state *s)
{
    cae__text_add(text, "{\"version\":%d,\"step\":%" PRId64 ",\"epoch\":%" PRId64
                  ",\"position\":%" PRId64 ",\"updates\":%" PRId64,
                  version_of(s), s->step, s->epoch, s->position, s->updates);
    cae__text_add(text, ",\"loss_sum_bits\":\"%" PRIu64 "\",\"seed\":\"%" PRIu64 "\"",
                  s->loss_sum_bits, s->seed);
    cae__text_add(text, ",\"batch\":%" PRId64 ",\"images\":%" PRId64 ",\"shuffle\":%" PRId64
                  ",\"optimizer\":\"%s\",\"moments\":%" PRId64 "%s", s->batch, s->images,
                  s->shuffle, s->optimizer, s->moments, s->average ? ",\"average\":true" : "");
    if (s->window > 0)
        cae__text_add(text, ",\"shuffle_window\":%" PRId64, s->window);
    cae__text_add(text, "}");
}

static cae_status to_bytes(unsigned char **data, size_t *size, const cae_trainer *trainer)
{
    const cae_context *context = trainer->handle.context;
    const cae_optimizer *optimizer = trainer->optimizer;
    const float *flats[4] = {trainer->model->parameters, optimizer->moments[0],
                             optimizer->moments[1]};
    const char *prefixes[4] = {"", moment_prefixes[0], moment_prefixes[1]};
    int count = 1 + optimizer->moment_count;
    if (trainer->average) {
        flats[count] = trainer->average;
        prefixes[count++] = AVERAGE_PREFIX;
    }
    const struct state state = state_of(trainer);
    struct cae__text text;
    cae__text_init(&text, context);
    write_state(&text, &state);
    const struct cae__metadata extra = {TRAINER_KEY, text.bytes};
    const cae_status status =
        text.failed ? cae__fail_memory(context)
                    : cae__model_bytes(data, size, trainer->model, flats, prefixes,
                                       count, &extra);
    cae__text_finish(&text);
    return status;
}

static cae_status save(const cae_trainer *trainer, const char *path)
{
    const cae_context *context = trainer->handle.context;
    unsigned char *data;
    size_t size;
    cae_status status = cae__path_check(context, path);
    if (status == CAE_OK)
        status = to_bytes(&data, &size, trainer);
    return status == CAE_OK ? cae__file_deliver(context, path, data, size) : status;
}

cae_status cae_trainer_save(const cae_trainer *trainer, const char *path)
{
    if (!trainer)
        return CAE_ERR_ARGUMENT;
    const bool writes = trainer->group.options.rank == 0 && !trainer->group.broken;
    return cae__group_agree(trainer, writes ? save(trainer, path) : CAE_OK);
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* `json` keeps the texts that `s` points into. */
static cae_status read_state(struct state *s, const cae_context *context,
                             const struct cae__json *json)
{
    int64_t version;
    const char *bits, *seed;
    const struct cae__field fields[] = {
        {"version", CAE__FIELD_INTEGER, &version, false},
        {"step", CAE__FIELD_INTEGER, &s->step, false},
        {"epoch", CAE__FIELD_INTEGER, &s->epoch, false},
        {"position", CAE__FIELD_INTEGER, &s->position, false},
        {"updates", CAE__FIELD_INTEGER, &s->updates, false},
        {"loss_sum_bits", CAE__FIELD_TEXT, &bits, false},
        {"seed", CAE__FIELD_TEXT, &seed, false},
        {"batch", CAE__FIELD_INTEGER, &s->batch, false},
        {"images", CAE__FIELD_INTEGER, &s->images, false},
        {"shuffle", CAE__FIELD_INTEGER, &s->shuffle, false},
        {"optimizer", CAE__FIELD_TEXT, &s->optimizer, false},
        {"moments", CAE__FIELD_INTEGER, &s->moments, false},
        {"average", CAE__FIELD_BOOL, &s->average, true},
        {"shuffle_window", CAE__FIELD_INTEGER, &s->window, true},
    };
    s->average = false;
    s->window = 0;
    if (json->kind != CAE__OBJECT)
        return cae__fail(context, CAE_ERR_FORMAT, "the trainer state is not a JSON object");
    const cae_status status = cae__json_fields(context, json, fields,
                                               sizeof fields / sizeof fields[0], "trainer state");
    if (status != CAE_OK)
        return status;

    if (version != version_of(s))
        return cae__fail(context, CAE_ERR_FORMAT,
                         "trainer state of version %" PRId64 ", libcae %s reads %d, %d with a "
                         "moving average and %d with a shuffle in windows", version,
                         cae_version_string(), PLAIN, AVERAGED, WINDOWED);
    double loss_sum = (double)NAN;
    if (cae__json_u64(&s->loss_sum_bits, bits))
        memcpy(&loss_sum, &s->loss_sum_bits, sizeof loss_sum);
    /* below 0 as well: 1 - SSIM of an image that is all but reproduced, by rounding */
    if (!cae__is_not_negative(fabs(loss_sum)) || !cae__json_u64(&s->seed, seed) || s->step < 0 ||
        s->step > MOST_COUNT || s->epoch < 0 || s->epoch > MOST_COUNT || s->updates < 0 ||
        s->updates > MOST_COUNT || s->window < 0 || s->position < 0 || s->position >= s->images)
        return cae__fail(context, CAE_ERR_FORMAT, "trainer state: a number is out of range");
    return CAE_OK;
}

/* What the file was made with must be what this trainer was made with, or the bits would differ. */
static cae_status check_state(const struct state *found, const struct state *own,
                              const cae_context *context)
{
    const struct {
        const char *what;
        uint64_t found, own;
    } numbers[] = {
        {"dataset size", (uint64_t)found->images, (uint64_t)own->images},
        {"batch", (uint64_t)found->batch, (uint64_t)own->batch},
        {"seed", found->seed, own->seed},
        {"shuffle", (uint64_t)found->shuffle, (uint64_t)own->shuffle},
        {"shuffle window", (uint64_t)found->window, (uint64_t)own->window},
        {"number of moments", (uint64_t)found->moments, (uint64_t)own->moments},
    };
    if (strcmp(found->optimizer, own->optimizer) != 0)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "the checkpoint was trained with %.16s, this optimizer is %s",
                         found->optimizer, own->optimizer);
    if (own->average && !found->average)
        return cae__fail(context, CAE_ERR_SHAPE,
                         "the checkpoint has no moving average, this trainer goes on with one");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].found != numbers[i].own)
            return cae__fail(context, CAE_ERR_SHAPE,
                             "the checkpoint has %s %" PRIu64 ", this trainer %" PRIu64,
                             numbers[i].what, numbers[i].found, numbers[i].own);
    return CAE_OK;
}

/* Parameters, then moments, then the average if there is one here: one flat array after the
 * other. */
static cae_status read_flats(float *flats, const cae_trainer *trainer,
                             const struct cae__safetensors *file)
{
    const cae_context *context = trainer->handle.context;
    const cae_model *model = trainer->model;
    cae_status status = cae__model_read_flat(flats, model, context, file, "");
    for (int i = 0; i < trainer->optimizer->moment_count && status == CAE_OK; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): there are at most two moments */
        status = cae__model_read_flat(flats + (size_t)(i + 1) * model->parameter_count, model,
                                      context, file, moment_prefixes[i]);
    if (status == CAE_OK && trainer->average)
        status = cae__model_read_flat(
            flats + (size_t)(1 + trainer->optimizer->moment_count) * model->parameter_count, model,
            context, file, AVERAGE_PREFIX);
    return status;
}

/* What cannot fail. */
static void take_over(cae_trainer *trainer, const float *flats, const struct state *s)
{
    cae_optimizer *optimizer = trainer->optimizer;
    const size_t count = trainer->model->parameter_count, bytes = count * sizeof(float);
    memcpy(trainer->model->parameters, flats, bytes);
    trainer->model->revision++;
    for (int i = 0; i < optimizer->moment_count; i++)
        memcpy(optimizer->moments[i], flats + (size_t)(i + 1) * count, bytes);
    if (trainer->average)
        memcpy(trainer->average, flats + (size_t)(optimizer->moment_count + 1) * count, bytes);
    optimizer->updates = s->updates;
    trainer->now = (struct cae__cursor){s->step, s->epoch, s->position, 0.0};
    memcpy(&trainer->now.loss_sum, &s->loss_sum_bits, sizeof s->loss_sum_bits);
    trainer->progress = (cae_progress){
        .size = sizeof trainer->progress,
        .step = s->step,
        .epoch = s->epoch,
        .images = s->position};
    fenv_t host;
    cae__arithmetic_begin(&host);
    trainer->progress.epoch_loss =
        s->position ? trainer->now.loss_sum / (double)s->position : 0.0;
    cae__arithmetic_end(&host);
}

/* `flats` is to be freed whatever the status. */
static cae_status read_aside(float **flats, struct state *found, const cae_trainer *trainer,
                             const struct cae__safetensors *file)
{
    const cae_context *context = trainer->handle.context;
    const size_t bytes = trainer->model->parameter_count * sizeof(float);
    const char *text = cae__safetensors_text(file, TRAINER_KEY);
    struct cae__json_document json = {.context = context};
    const struct state own = state_of(trainer);
    cae_status status =
        text ? cae__json_parse(&json, context, text, strlen(text), "the trainer state")
             : cae__fail(context, CAE_ERR_FORMAT,
                         "not a checkpoint: no trainer state (metadata " TRAINER_KEY ")");
    if (status == CAE_OK)
        status = read_state(found, context, json.root);
    if (status == CAE_OK)
        status = cae__model_same_architecture(trainer->model, file);
    if (status == CAE_OK)
        status = check_state(found, &own, context);
    found->optimizer = NULL; /* a text of the document's */
    cae__json_close(&json);
    if (status != CAE_OK)
        return status;
    *flats = cae__alloc(context, 2 + (size_t)trainer->optimizer->moment_count, bytes);
    return *flats ? read_flats(*flats, trainer, file) : cae__fail_memory(context);
}

/* All or nothing, on all ranks of a group: read aside, agree, take over. */
static cae_status take_checkpoint(void *target, const void *data, size_t size)
{
    cae_trainer *trainer = target;
    const cae_context *context = trainer->handle.context;
    struct cae__safetensors file;
    struct state found = {0};
    float *flats = NULL;
    cae_status status = cae__safetensors_open(&file, context, data, size);
    if (status == CAE_OK) {
        status = read_aside(&flats, &found, trainer, &file);
        cae__safetensors_close(&file, context);
    }
    status = cae__group_agree(trainer, status);
    if (status == CAE_OK && flats) /* the latter follows from the former, which analyzers do not see */
        take_over(trainer, flats, &found);
    cae__free(context, flats);
    return status;
}

/* In a group rank 0 reads, and all take what it has read. */
static cae_status read_shared(unsigned char **data, size_t *size, const cae_trainer *trainer,
                              const char *path)
{
    const cae_context *context = trainer->handle.context;
    cae_status status = CAE_OK;
    if (trainer->group.options.rank == 0)
        status = cae__path_check(context, path);
    if (trainer->group.options.rank == 0 && status == CAE_OK)
        status = cae__file_read(data, size, context, path);
    status = cae__group_agree(trainer, status);
    return status == CAE_OK ? cae__group_share(data, size, trainer) : status;
}

static cae_status resume_group(cae_trainer *trainer, const char *path)
{
    const cae_context *context = trainer->handle.context;
    unsigned char *data = NULL;
    size_t size = 0;
    cae_status status = read_shared(&data, &size, trainer, path);
    if (status == CAE_OK)
        status = take_checkpoint(trainer, data, size);
    cae__free(context, data);
    return trainer->group.options.rank == 0 ? cae__name_file(context, status, path) : status;
}

cae_status cae_trainer_resume(cae_trainer *trainer, const char *path)
{
    if (!trainer)
        return CAE_ERR_ARGUMENT;
    return trainer->group.joined ? resume_group(trainer, path)
                                 : cae__with_file(trainer->handle.context, path, take_checkpoint,
                                                  trainer);
}
