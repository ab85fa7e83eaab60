/* group.c - bytes as what the other ranks of a group say: to a trainer with or without bad images, that joins,
 * steps, saves, resumes and stops. They say what they should, or any number, or are gone. Whatever it is,
 * parameters stay finite, nothing is looked at that is not there, and a call that fails for it changes
 * nothing. */
#include "fuzz.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/training/training.h"

enum { MOST_CALLS = 8, SIDE = 5, IMAGES = 11, MOST_RANKS = 4 };

struct crowd {
    struct fuzz_input *in;
    size_t rank, ranks, row; /* floats of a row where the sum is a table, by what the library asks for */
    bool lost, honest;
};

/* Numbers that rows have, and those that they have not. */
static float number(struct fuzz_input *in)
{
    static const float odd[] = {0, 1, 2, 3, 255, 256, 32767, 32768, 65535, 65536, 16777216, -1, -0.0f, 0.5f};
    const int byte = fuzz_u8(in);

    if (byte < 224)
        return odd[byte % (int)(sizeof odd / sizeof odd[0])];
    return byte < 240 ? (float)(fuzz_u32(in) & 0xffff) : fuzz_float(in);
}

/* The others' rows as this one's, or their slots as this one's; then some lies. */
static int32_t crowd_sum(void *user, float *values, size_t count)
{
    struct crowd *crowd = user;
    struct fuzz_input *in = crowd->in;
    const int kind = fuzz_u8(in);

    CHECK(count > 0 && !crowd->lost);
    if (count == 1)
        values[0] = (float)crowd->ranks;
    else if (count % crowd->ranks == 0 && kind % 8 != 7)
        for (size_t i = 0, row = count / crowd->ranks; i < crowd->ranks; i++)
            memmove(values + i * row, values + crowd->rank * row, row * sizeof *values);
    for (int i = kind / 8 % 4; i > 0; i--) {
        const size_t near = fuzz_u8(in);
        crowd->honest = false;
        values[near < 128 ? near % count : near < 192 ? count - 1 - near % 64 % count : fuzz_u32(in) % count] =
            number(in);
    }
    crowd->lost = kind >= 248;
    return crowd->lost;
}

struct state {
    float parameters[64], moments[2][64], average[64];
    int64_t updates;
    struct cae__cursor now;
};

static struct state state_of(const cae_trainer *t)
{
    struct state s;
    const size_t bytes = t->model->parameter_count * sizeof(float);

    memset(&s, 0, sizeof s);
    CHECK(bytes <= sizeof s.parameters);
    memcpy(s.parameters, t->model->parameters, bytes);
    for (int i = 0; i < t->optimizer->moment_count; i++)
        memcpy(s.moments[i], t->optimizer->moments[i], bytes);
    if (t->average)
        memcpy(s.average, t->average, bytes);
    s.updates = t->optimizer->updates;
    s.now = t->now;
    return s;
}

/* Of float images, of which some may have a value that is none. */
static cae_trainer *make(cae_context *context, struct fuzz_input *in, int32_t *batch)
{
    static float images[IMAGES * SIDE * SIDE];
    const int kind = fuzz_u8(in), bad = fuzz_u8(in);
    cae_model *model = fuzz_small_model(context, kind & 1);
    cae_optimizer_options o;
    cae_trainer_options t;
    cae_dataset_options d;
    cae_optimizer *optimizer;
    cae_dataset *dataset;
    cae_trainer *trainer;

    CHECK(cae_optimizer_options_init(&o, sizeof o) == CAE_OK);
    CHECK(cae_trainer_options_init(&t, sizeof t) == CAE_OK);
    CHECK(cae_dataset_options_init(&d, sizeof d) == CAE_OK);
    for (int i = 0; i < IMAGES * SIDE * SIDE; i++)
        images[i] = (float)(i % 9) / 4.0f - 1.0f;
    if (bad >= 128)
        images[bad % IMAGES * SIDE * SIDE + 3] = bad & 1 ? NAN : 3e38f;
    o.kind = kind / 2 % 3;
    o.learning_rate = bad & 2 ? 1e30 : 1e-3;
    t.batch = *batch = 1 + fuzz_below(in, IMAGES);
    t.average_decay = kind & 64 ? 0.9 : 0.0;
    t.shuffle = kind >= 128;
    t.shuffle_window = kind >= 160 ? 4 : 0;
    t.clip_norm = kind & 16 ? 0.5 : 0.0;
    d.type = CAE_TYPE_F32;
    d.borrow = 1;
    CHECK(cae_optimizer_create(&optimizer, model, &o) == CAE_OK);
    CHECK(cae_dataset_create(&dataset, context, images, sizeof images, IMAGES, 1, SIDE, SIDE, &d) == CAE_OK);
    CHECK(cae_trainer_create(&trainer, model, optimizer, dataset, &t) == CAE_OK);
    cae_model_destroy(model);
    cae_optimizer_destroy(optimizer);
    cae_dataset_destroy(dataset);
    return trainer;
}

static int32_t at_step(void *user, const cae_progress *progress)
{
    struct crowd *crowd = user;

    CHECK(progress->images >= 1 && progress->images <= IMAGES);
    return fuzz_u8(crowd->in) >= 224;
}

static cae_status call(cae_trainer *trainer, struct crowd *crowd, const char *path, bool *keeps)
{
    cae_progress progress = {.size = sizeof progress};

    *keeps = true;
    switch (fuzz_below(crowd->in, 6)) {
    case 0:
        *keeps = false;
        return cae_trainer_epoch(&progress, trainer, at_step, crowd);
    case 1: return cae_trainer_save(trainer, path);
    case 2: return cae_trainer_resume(trainer, path);
    case 3: return cae_trainer_request_stop(trainer);
    default: return cae_trainer_step(&progress, trainer);
    }
}

static void use(cae_context *context, cae_trainer *trainer, struct crowd *crowd)
{
    const char *path = fuzz_path("checkpoint");
    const int32_t other = crowd->rank != 0; /* then the path is not looked at */

    for (int i = 0; i < MOST_CALLS && crowd->in->left; i++) {
        const struct state before = state_of(trainer);
        const bool lost = crowd->lost;
        bool keeps;
        crowd->lost = false; /* it is not asked again */
        const cae_status status = call(trainer, crowd, other ? NULL : path, &keeps);
        crowd->lost |= lost;
        const struct state after = state_of(trainer);
        fuzz_check_status(context, status);
        CHECK(status != CAE_STOPPED || !keeps);
        /* one that is not finite takes the last update back, and an epoch's end is behind its update */
        if (status < 0 && status != CAE_ERR_NUMERIC && keeps &&
            !(status == CAE_ERR_PEER && trainer->group.broken && after.now.step == before.now.step + 1))
            CHECK(memcmp(&before, &after, sizeof after) == 0);
        for (size_t k = 0; k < trainer->model->parameter_count; k++)
            CHECK(isfinite(after.parameters[k]) && isfinite(after.average[k]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    cae_context *context = fuzz_begin();
    int32_t batch;
    cae_trainer *trainer = make(context, &in, &batch);
    struct crowd crowd = {.in = &in, .ranks = 1 + (size_t)fuzz_below(&in, MOST_RANKS), .honest = true};
    cae_group_options o;

    if (fuzz_u8(&in) & 1)
        CHECK(cae_trainer_step(NULL, trainer) >= CAE_ERR_NUMERIC);
    fuzz_heap.limit = (size_t)16 << 20; /* whatever size a file is said to be */
    CHECK(cae_trainer_save(trainer, fuzz_path("checkpoint")) == CAE_OK);
    CHECK(cae_group_options_init(&o, sizeof o) == CAE_OK);
    crowd.rank = (size_t)fuzz_below(&in, (int)crowd.ranks);
    o.rank = (int32_t)crowd.rank;
    o.ranks = (int32_t)crowd.ranks;
    o.reduction = fuzz_u8(&in) & 1;
    o.sum = crowd_sum;
    o.user = &crowd;
    const struct state before = state_of(trainer);
    const cae_status status = cae_trainer_join(trainer, &o);
    const struct state after = state_of(trainer);
    fuzz_check_status(context, status);
    CHECK(memcmp(&before, &after, sizeof after) == 0);
    CHECK(status == CAE_OK || status == CAE_ERR_PEER || status == CAE_ERR_OPTIONS || fuzz_heap.refused);
    CHECK(status != CAE_ERR_OPTIONS || o.ranks > (batch < 8 ? batch : (batch + 7) / 8));
    if (status == CAE_OK)
        use(context, trainer, &crowd);
    cae_trainer_destroy(trainer);
    fuzz_end(context);
    return 0;
}
