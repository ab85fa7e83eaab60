/* checkpoint.c - a moment of training as a file: the model, the optimizer's moments as tensors
 * "optim.m.<name>" and "optim.v.<name>", and the counters as JSON in the metadata.
 *
 * Noise, shuffle and schedule are functions of the counters, so there is nothing else to keep. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../formats/file.h"
#include "../formats/model_file.h"
#include "training.h"

#define TRAINER_KEY "libcae.trainer"

static const char *const moment_prefixes[2] = {CAE__OPTIMIZER_PREFIX "m.",
                                               CAE__OPTIMIZER_PREFIX "v."};

/* What is read back and what must agree. 64-bit unsigned numbers and the bits of a double are
 * decimal texts: JSON's numbers hold neither. */
struct state {
    int64_t step, epoch, position, updates;
    uint64_t loss_sum_bits;
    uint64_t seed;
    int64_t batch, images, shuffle;
    const char *optimizer;
    int64_t moments;
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
        .optimizer = cae__optimizer_name(trainer->optimizer->options.kind),
        .moments = trainer->optimizer->moment_count,
    };
    memcpy(&s.loss_sum_bits, &trainer->now.loss_sum, sizeof s.loss_sum_bits);
    return s;
}

/* --- Writing ------------------------------------------------------------------------------------ */

/* The text, to be freed with free(). */
static char *write_state(const struct state *s)
{
    char bits[24], seed[24];
    snprintf(bits, sizeof bits, "%" PRIu64, s->loss_sum_bits);
    snprintf(seed, sizeof seed, "%" PRIu64, s->seed);
    json_t *json = json_pack("{s:I, s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:s, s:I}",
                             "step", (json_int_t)s->step, "epoch", (json_int_t)s->epoch,
                             "position", (json_int_t)s->position, "updates", (json_int_t)s->updates,
                             "loss_sum_bits", bits, "seed", seed, "batch", (json_int_t)s->batch,
                             "images", (json_int_t)s->images, "shuffle", (json_int_t)s->shuffle,
                             "optimizer", s->optimizer, "moments", (json_int_t)s->moments);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static cae_status to_bytes(unsigned char **data, size_t *size, const cae_trainer *trainer)
{
    const cae_context *context = trainer->handle.context;
    const cae_model *model = trainer->model;
    const cae_optimizer *optimizer = trainer->optimizer;
    const struct state state = state_of(trainer);

    const int count = model->tensor_count * (1 + optimizer->moment_count);
    struct cae__tensor_out *tensors = cae__alloc(context, (size_t)count, sizeof *tensors);
    json_t *metadata = cae__model_metadata(model);
    char *text = write_state(&state);
    cae_status status = CAE_OK;
    if (!tensors || !metadata || !text ||
        json_object_set_new(metadata, TRAINER_KEY, json_string(text)) != 0)
        status = cae__fail_memory(context);
    if (status == CAE_OK) {
        cae__model_tensors(tensors, model, model->parameters, "");
        for (int i = 0; i < optimizer->moment_count; i++)
            cae__model_tensors(tensors + (i + 1) * model->tensor_count, model,
                               optimizer->moments[i], moment_prefixes[i]);
        status = cae__safetensors_write(data, size, context, tensors, count, metadata);
    }
    free(text);
    json_decref(metadata);
    cae__free(context, tensors);
    return status;
}

cae_status cae_trainer_save(const cae_trainer *trainer, const char *path)
{
    if (!trainer)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = trainer->handle.context;
    if (!path)
        return cae__fail(context, CAE_ERR_ARGUMENT, "path is NULL");
    unsigned char *data;
    size_t size;
    cae_status status = to_bytes(&data, &size, trainer);
    if (status != CAE_OK)
        return status;
    status = cae__file_write(context, path, data, size);
    cae__free(context, data);
    return status;
}

/* --- Reading -------------------------------------------------------------------------------------- */

static bool parse_u64(uint64_t *value, const char *text)
{
    char again[24];
    *value = 0;
    for (const char *c = text; *c >= '0' && *c <= '9' && c - text < 20; c++)
        *value = 10 * *value + (uint64_t)(*c - '0');
    snprintf(again, sizeof again, "%" PRIu64, *value);
    return strcmp(again, text) == 0; /* no overflow, no other characters */
}

/* `json` keeps the texts that `s` points into. */
static cae_status read_state(struct state *s, const cae_context *context, json_t *json)
{
    const char *bits, *seed;
    json_int_t step, epoch, position, updates, batch, images, shuffle, moments;
    json_error_t error;
    if (json_unpack_ex(json, &error, JSON_STRICT,
                       "{s:I, s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:s, s:I}", "step", &step,
                       "epoch", &epoch, "position", &position, "updates", &updates,
                       "loss_sum_bits", &bits, "seed", &seed, "batch", &batch, "images", &images,
                       "shuffle", &shuffle, "optimizer", &s->optimizer, "moments", &moments) != 0)
        return cae__fail(context, CAE_ERR_FORMAT, "trainer state: %.100s", error.text);
    s->step = step;
    s->epoch = epoch;
    s->position = position;
    s->updates = updates;
    s->batch = batch;
    s->images = images;
    s->shuffle = shuffle;
    s->moments = moments;
    double loss_sum = 0.0;
    if (parse_u64(&s->loss_sum_bits, bits))
        memcpy(&loss_sum, &s->loss_sum_bits, sizeof loss_sum);
    else
        loss_sum = -1.0;
    if (!(loss_sum >= 0.0 && isfinite(loss_sum)) || !parse_u64(&s->seed, seed) || step < 0 ||
        epoch < 0 || updates < 0 || position < 0 || position >= images)
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
        {"number of moments", (uint64_t)found->moments, (uint64_t)own->moments},
    };
    if (strcmp(found->optimizer, own->optimizer) != 0)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "the checkpoint was trained with %.16s, this optimizer is %s",
                         found->optimizer, own->optimizer);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].found != numbers[i].own)
            return cae__fail(context, CAE_ERR_SHAPE,
                             "the checkpoint has %s %" PRIu64 ", this trainer %" PRIu64,
                             numbers[i].what, numbers[i].found, numbers[i].own);
    return CAE_OK;
}

/* Everything is read into the copies that an update would write, then they change places. */
static cae_status adopt(cae_trainer *trainer, const struct cae__safetensors *file,
                        const struct state *s)
{
    const cae_context *context = trainer->handle.context;
    cae_optimizer *optimizer = trainer->optimizer;
    optimizer->can_undo = false; /* the spare copies are about to be overwritten */
    cae_status status =
        cae__model_read_flat(optimizer->spare_parameters, trainer->model, context, file, "");
    for (int i = 0; i < optimizer->moment_count && status == CAE_OK; i++)
        status = cae__model_read_flat(optimizer->spare_moments[i], trainer->model, context, file,
                                      moment_prefixes[i]);
    if (status != CAE_OK)
        return status;
    cae__optimizer_exchange(optimizer);
    optimizer->updates = s->updates;
    trainer->now = (struct cae__cursor){s->step, s->epoch, s->position, 0.0};
    memcpy(&trainer->now.loss_sum, &s->loss_sum_bits, sizeof s->loss_sum_bits);
    trainer->progress.step = s->step;
    trainer->progress.epoch = s->epoch;
    trainer->progress.images = s->position;
    trainer->progress.epoch_done = 0;
    trainer->progress.loss = 0.0;
    trainer->progress.epoch_loss =
        s->position ? trainer->now.loss_sum / (double)s->position : 0.0;
    return CAE_OK;
}

static cae_status resume(cae_trainer *trainer, const void *data, size_t size)
{
    const cae_context *context = trainer->handle.context;
    struct cae__safetensors file;
    cae_status status = cae__safetensors_open(&file, context, data, size);
    if (status != CAE_OK)
        return status;
    const char *text = cae__safetensors_text(&file, TRAINER_KEY);
    json_error_t error;
    json_t *json = text ? json_loads(text, JSON_REJECT_DUPLICATES, &error) : NULL;
    struct state found;
    const struct state own = state_of(trainer);
    status = json ? read_state(&found, context, json)
                  : cae__fail(context, CAE_ERR_FORMAT,
                              "not a checkpoint: no trainer state (metadata " TRAINER_KEY ")");
    if (status == CAE_OK)
        status = cae__model_same_architecture(trainer->model, context, &file);
    if (status == CAE_OK)
        status = check_state(&found, &own, context);
    if (status == CAE_OK)
        status = adopt(trainer, &file, &found);
    json_decref(json);
    cae__safetensors_close(&file, context);
    return status;
}

cae_status cae_trainer_resume(cae_trainer *trainer, const char *path)
{
    if (!trainer)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = trainer->handle.context;
    if (!path)
        return cae__fail(context, CAE_ERR_ARGUMENT, "path is NULL");
    unsigned char *data;
    size_t size;
    cae_status status = cae__file_read(&data, &size, context, path);
    if (status != CAE_OK)
        return status;
    status = cae__name_file(context, resume(trainer, data, size), path);
    cae__free(context, data);
    return status;
}
