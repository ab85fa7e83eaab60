/* identity.c - what must be equal on all ranks of a group, and is compared before they begin.
 *
 * Each rank says in a row of whole numbers what it is. All see the rows of all, and so come to the
 * same verdict. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../formats/architecture.h"
#include "../formats/json.h"
#include "../kernels/gemm.h"
#include "training.h"

#define SAMPLES 1024 /* images read, of however many */

/* --- Hashes: FNV-1a --------------------------------------------------------------------------- */

#define HASH_START 14695981039346656037u

static uint64_t hash(uint64_t state, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        state = (state ^ bytes[i]) * 1099511628211u;
    return state;
}

static uint64_t hash_of_parameters(const cae_trainer *trainer)
{
    return hash(HASH_START, trainer->model->parameters,
                trainer->model->parameter_count * sizeof(float));
}

static uint64_t hash_of_optimizer(const cae_trainer *trainer)
{
    const cae_optimizer *optimizer = trainer->optimizer;
    cae_optimizer_options options = optimizer->options;
    options.size = sizeof options; /* the caller's header may be an older one */
    uint64_t state = hash(HASH_START, &options, sizeof options);
    state = hash(state, &optimizer->updates, sizeof optimizer->updates);
    for (int i = 0; i < optimizer->moment_count; i++)
        state = hash(state, optimizer->moments[i],
                     trainer->model->parameter_count * sizeof(float));
    if (trainer->average)
        state = hash(state, trainer->average, trainer->model->parameter_count * sizeof(float));
    return state;
}

/* Options have no gaps between their fields. */
static uint64_t hash_of_options(const cae_trainer *trainer)
{
    cae_trainer_options options = trainer->options;
    options.size = sizeof options; /* the caller's header may be an older one */
    return hash(HASH_START, &options, sizeof options);
}

static cae_status hash_of_layers(uint64_t *result, const cae_trainer *trainer)
{
    struct cae__text text;
    cae__text_init(&text, trainer->handle.context);
    cae__architecture_write(&text, trainer->model);
    const bool failed = text.failed;
    if (!failed)
        *result = hash(HASH_START, text.bytes, strlen(text.bytes));
    cae__text_finish(&text);
    return failed ? cae__fail_memory(trainer->handle.context) : CAE_OK;
}

/* The k-th of `samples` images that are evenly spaced from the first to the last. */
static int64_t sample(const cae_dataset *d, int64_t k, int64_t samples)
{
    const int64_t last = d->count - 1, gaps = samples > 1 ? samples - 1 : 1;
    return last / gaps * k + last % gaps * k / gaps;
}

static cae_status hash_of_images(uint64_t *result, const cae_trainer *trainer)
{
    const cae_context *context = trainer->handle.context;
    const cae_dataset *d = trainer->dataset;
    const int64_t samples = d->count < SAMPLES ? d->count : SAMPLES;
    const size_t bytes = d->length * sizeof(float);
    unsigned char *room = cae__alloc(context, 1, cae__dataset_room(d, 1) + bytes);
    if (!room)
        return cae__fail_memory(context);
    float *pixels = (void *)(room + cae__dataset_room(d, 1));
    cae_status status = CAE_OK;
    *result = HASH_START;
    for (int64_t k = 0; k < samples && status == CAE_OK; k++) {
        const int64_t image = sample(d, k, samples);
        fenv_t host;
        cae__arithmetic_begin(&host);
        const bool read = cae__dataset_read(pixels, d, image, room);
        cae__arithmetic_end(&host);
        if (read)
            *result = hash(*result, pixels, bytes);
        else
            status = cae__dataset_explain(context, d, image);
    }
    cae__free(context, room);
    return status;
}

/* --- The row ---------------------------------------------------------------------------------- *
 *
 *   [0]               1: there is one
 *   [1]               characters of the build's text
 *   [TEXT]            the text, one in each
 *   [NUMBERS]         the numbers below, CAE__ROW_NUMBER floats each */
enum { LENGTH = 1, TEXT = 2, MOST_TEXT = 160, NUMBERS = TEXT + MOST_TEXT };

enum kind { PLAIN, HASH }; /* a number to be shown, or one that only says whether */

static const struct {
    const char *what;
    enum kind kind;
} numbers[] = {
    {"build", HASH},
    {"engine", PLAIN},
    {"reduction", PLAIN},
    {"layers", HASH},
    {"parameters", HASH},
    {"optimizer", HASH},
    {"batch", PLAIN},
    {"seed", PLAIN},
    {"training options", HASH},
    {"images", PLAIN},
    {"channels", PLAIN},
    {"height", PLAIN},
    {"width", PLAIN},
    {"data range", PLAIN},
    {"pixels", HASH},
    {"steps taken", PLAIN},
    {"epochs completed", PLAIN},
    {"place in the epoch", PLAIN},
};

enum { COUNT = sizeof numbers / sizeof numbers[0] };
_Static_assert(NUMBERS + COUNT * CAE__ROW_NUMBER <= CAE__IDENTITY, "a row holds it all");

/* As much of it as there is room for. */
static void put_text(float *row, const char *text)
{
    size_t length = 0;
    for (; length < MOST_TEXT && text[length] != '\0'; length++)
        row[TEXT + length] = (float)(unsigned char)text[length];
    row[LENGTH] = (float)length;
}

cae_status cae__identity(float *row, const cae_trainer *trainer)
{
    const cae_dataset *d = trainer->dataset;
    const cae_group_options *group = &trainer->group.options;
    uint64_t layers, pixels;
    cae_status status = hash_of_layers(&layers, trainer);
    if (status == CAE_OK)
        status = hash_of_images(&pixels, trainer);
    if (status != CAE_OK)
        return status;

    char build[MOST_TEXT + 1] = "";
    memset(row, 0, CAE__IDENTITY * sizeof *row);
    row[0] = 1.0f;
    cae__build_text(build, sizeof build, trainer->handle.context->kernels);
    put_text(row, build);
    const uint64_t values[COUNT] = {
        hash(HASH_START, build, strlen(build)),
        (uint64_t)trainer->handle.context->engine,
        (uint64_t)group->reduction,
        layers,
        hash_of_parameters(trainer),
        hash_of_optimizer(trainer),
        (uint64_t)trainer->options.batch,
        trainer->options.seed,
        hash_of_options(trainer),
        (uint64_t)d->count,
        (uint64_t)d->channels,
        (uint64_t)d->height,
        (uint64_t)d->width,
        (uint64_t)cae_dataset_range(d),
        pixels,
        (uint64_t)trainer->now.step,
        (uint64_t)trainer->now.epoch,
        (uint64_t)trainer->now.position,
    };
    for (int i = 0; i < COUNT; i++)
        cae__row_put(row + NUMBERS + (size_t)i * CAE__ROW_NUMBER, values[i]);
    return CAE_OK;
}

/* --- The look at all of them ------------------------------------------------------------------ */

static const char *build_of(char *text, const float *row)
{
    const size_t length = row[LENGTH] < MOST_TEXT ? (size_t)row[LENGTH] : MOST_TEXT;
    for (size_t i = 0; i < length; i++) /* others' bytes: nothing that a terminal would obey */
        text[i] = (char)(row[TEXT + i] >= 32.0f && row[TEXT + i] < 127.0f ? (int)row[TEXT + i] : '?');
    text[length] = '\0';
    return text;
}

static cae_status differs(const cae_trainer *trainer, int rank, int number, const float *first,
                          const float *other)
{
    const cae_context *context = trainer->handle.context;
    const size_t at = NUMBERS + (size_t)number * CAE__ROW_NUMBER;
    char mine[MOST_TEXT + 1], theirs[MOST_TEXT + 1];
    if (number == 0)
        return cae__fail(context, CAE_ERR_PEER, "rank %d is \"%s\", rank 0 is \"%s\"", rank,
                         build_of(theirs, other), build_of(mine, first));
    if (numbers[number].kind == HASH)
        return cae__fail(context, CAE_ERR_PEER, "rank %d has other %s than rank 0", rank,
                         numbers[number].what);
    return cae__fail(context, CAE_ERR_PEER, "rank %d: %s is %" PRIu64 ", on rank 0 %" PRIu64, rank,
                     numbers[number].what, cae__row_get(other + at), cae__row_get(first + at));
}

cae_status cae__identity_compare(const cae_trainer *trainer)
{
    const float *first = trainer->group.table;
    for (int number = 0; number < COUNT; number++)
        for (int rank = 1; rank < trainer->group.options.ranks; rank++) {
            const float *other = first + (size_t)rank * CAE__IDENTITY;
            const size_t at = NUMBERS + (size_t)number * CAE__ROW_NUMBER;
            if (cae__row_get(first + at) != cae__row_get(other + at))
                return differs(trainer, rank, number, first, other);
        }
    return CAE_OK;
}

cae_status cae__identity_of_parameters(cae_trainer *trainer)
{
    const float *table = trainer->group.table;
    float row[1 + CAE__ROW_NUMBER] = {1.0f};
    cae__row_put(row + 1, hash_of_parameters(trainer));
    const cae_status status = cae__group_table(trainer, row, 1 + CAE__ROW_NUMBER);
    if (status != CAE_OK) { /* the update is made, and whether others have it is not known */
        trainer->group.broken = true;
        return status;
    }
    for (int rank = 1; rank < trainer->group.options.ranks; rank++)
        if (cae__row_get(table + (size_t)rank * (1 + CAE__ROW_NUMBER) + 1) != cae__row_get(table + 1)) {
            trainer->group.broken = true;
            return cae__fail(trainer->handle.context, CAE_ERR_PEER,
                             "after epoch %" PRId64 " rank %d has other parameters than rank 0",
                             trainer->now.epoch, rank);
        }
    return CAE_OK;
}
