/* tenant.c - what a tenant does. It lives in rounds. A round is a world: a context with an allocator of
 * its own that counts, and in every third world refuses now and then; a few handles of each kind, made
 * and destroyed in any order; then all is destroyed and every block must have been given back. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "soak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SLOTS = 3, RECIPES = 6, SHARED_SIDE = 40, LARGE_SIDE = 264, MOST_SIDE = 20 };

/* --- Failing, once ------------------------------------------------------------------------------- */

static atomic_bool failed;

bool soak_failed(void)
{
    return atomic_load(&failed);
}

static void fail(const char *what, cae_status status, const char *text)
{
    if (!atomic_exchange(&failed, true))
        printf("# %s: status %d, %s\n", what, (int)status, text);
}

/* --- Random numbers: SplitMix64 --------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int below(uint64_t *state, int limit)
{
    return (int)(next_random(state) % (uint64_t)limit);
}

static void fill(uint64_t seed, float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(next_random(&seed) >> 40) * 0x1p-23f - 1.0f;
}

/* FNV-1a */
static uint64_t digest_of(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

/* --- Memory that is counted, and refused -------------------------------------------------------- */

struct heap {
    atomic_long blocks, requests;
    long refuse_every; /* about; 0: never */
};

static void *heap_allocate(void *user, size_t bytes)
{
    struct heap *heap = user;
    uint64_t request = (uint64_t)atomic_fetch_add(&heap->requests, 1);
    if (heap->refuse_every && next_random(&request) % (uint64_t)heap->refuse_every == 0)
        return NULL;
    void *block = malloc(bytes);
    if (block)
        atomic_fetch_add(&heap->blocks, 1);
    return block;
}

static void heap_release(void *user, void *block)
{
    struct heap *heap = user;
    atomic_fetch_sub(&heap->blocks, 1);
    free(block);
}

/* --- What has to come out ------------------------------------------------------------------------- */

struct soak_shared {
    cae_context *context;
    cae_model *model; /* the reference network, trained a little; const from then on */
    float *image;     /* [3][LARGE_SIDE][LARGE_SIDE]; the first of its values are a small one */
    uint64_t seed, small, large, recipes[RECIPES];
    
};

static uint64_t forward_digest(const struct soak_shared *shared, cae_context *context, int side,
                               cae_status *status)
{
    const size_t count = (size_t)3 * (size_t)side * (size_t)side;
    float *y = calloc(count, sizeof *y);
    *status = y ? cae_model_forward(y, count, shared->model, context, shared->image, count, 1, side,
                                    side)
                : CAE_ERR_MEMORY;
    const uint64_t digest = digest_of(y, *status == CAE_OK ? count * sizeof *y : 0);
    free(y);
    return digest;
}

/* A short training, a function of its number alone: the digest of the model that it leads to, or of the
 * average of those on the way. */
static uint64_t train_recipe(int recipe, uint64_t seed, cae_context *context, cae_status *status)
{
    static unsigned char file[16384];
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    cae_model *model = NULL, *average = NULL;
    cae_dataset *images = NULL;
    cae_optimizer *optimizer = NULL;
    cae_trainer *trainer = NULL;
    cae_optimizer_options how;
    cae_trainer_options options;
    size_t size = 0;
    uint64_t digest = 0;

    cae_optimizer_options_init(&how, sizeof how);
    how.kind = recipe % 3;
    cae_trainer_options_init(&options, sizeof options);
    options.batch = 5 + 4 * recipe;
    options.noise_sigma = recipe & 1 ? 0.1 : 0;
    options.noise_sigma_max = recipe & 2 ? 0.3 : 0;
    options.augment = recipe & 3; /* images are not square */
    options.loss = recipe & 4 ? CAE_LOSS_CHARBONNIER : CAE_LOSS_MSE;
    options.average_decay = recipe & 1 ? 0.5 : 0;
    *status = cae_model_create_reference(&model, context, seed + (uint64_t)recipe);
    if (*status == CAE_OK)
        *status = cae_dataset_create_dead_leaves(&images, context, 20, 3, 14, 14 + recipe, seed, NULL);
    if (*status == CAE_OK)
        *status = cae_optimizer_create(&optimizer, model, &how);
    if (*status == CAE_OK)
        *status = cae_trainer_create(&trainer, model, optimizer, images, &options);
    for (int i = 0; i < 4 && *status == CAE_OK; i++)
        *status = cae_trainer_step(NULL, trainer);
    if (*status == CAE_OK)
        *status = cae_trainer_average(&average, trainer);
    pthread_mutex_lock(&mutex);
    if (*status == CAE_OK)
        *status = cae_model_save_memory(file, sizeof file, &size, average);
    if (*status == CAE_OK)
        digest = digest_of(file, size);
    pthread_mutex_unlock(&mutex);
    cae_model_destroy(average);
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(optimizer);
    cae_dataset_destroy(images);
    cae_model_destroy(model);
    return digest;
}

static void insist(cae_status status, const char *what)
{
    if (status != CAE_OK)
        fail(what, status, "before the tenants came");
}

struct soak_shared *soak_shared_create(uint64_t seed)
{
    struct soak_shared *s = calloc(1, sizeof *s);
    cae_status status;
    if (!s || !(s->image = calloc((size_t)3 * LARGE_SIDE * LARGE_SIDE, sizeof *s->image)))
        abort();
    fill(seed, s->image, (size_t)3 * LARGE_SIDE * LARGE_SIDE);
    s->seed = seed;
    insist(cae_context_create(&s->context, NULL), "cae_context_create");
    insist(cae_model_create_reference(&s->model, s->context, seed), "cae_model_create_reference");
    s->small = forward_digest(s, NULL, SHARED_SIDE, &status);
    insist(status, "cae_model_forward, small");
    s->large = forward_digest(s, NULL, LARGE_SIDE, &status);
    insist(status, "cae_model_forward, large");
    for (int i = 0; i < RECIPES; i++) {
        s->recipes[i] = train_recipe(i, seed, s->context, &status);
        insist(status, "a recipe");
    }
    return s;
}

void soak_shared_destroy(struct soak_shared *shared)
{
    cae_model_destroy(shared->model);
    cae_context_destroy(shared->context);
    free(shared->image);
    free(shared);
}

/* --- A world ---------------------------------------------------------------------------------------- */

struct world {
    struct soak_tenant *tenant;
    struct heap heap;
    cae_context *context;
    cae_model *models[SLOTS];
    int channels[SLOTS]; /* of the model beside it */
    cae_dataset *datasets[SLOTS];
    cae_optimizer *optimizers[SLOTS];
    int optimized[SLOTS]; /* the model slot it was made for; the model there may be another by now */
    cae_trainer *trainers[SLOTS];
};

static int pick(struct world *w, int limit)
{
    return below(&w->tenant->random, limit);
}

/* Whether the call succeeded. OK, `other`, and in a world that refuses memory CAE_ERR_MEMORY are what it
 * may give; a text must explain the last two. */
static bool good(struct world *w, cae_status status, cae_status other, const char *what)
{
    atomic_fetch_add(&w->tenant->calls, 1);
    const bool refused = status == CAE_ERR_MEMORY && w->heap.refuse_every;
    if (status != CAE_OK && status != other && !refused)
        fail(what, status, cae_context_error(w->context));
    else if (status < 0 && w->context && !*cae_context_error(w->context))
        fail(what, status, "without a text");
    return status == CAE_OK;
}

static const char *file_in(struct world *w, const char *name, char path[160])
{
    snprintf(path, 160, "%s/%s", w->tenant->directory, name);
    return path;
}

/* --- Deeds: the name of each is in `deeds` below ------------------------------------------------ */

/* Layers and their mirror image, so that the output has the input's shape. */
static bool describe(struct world *w, cae_spec *spec, int channels)
{
    const int layers = 1 + pick(w, 3);
    int widths[4] = {channels};
    cae_conv_options options[3] = {{0}};
    bool fine = true;
    for (int i = 0; i < layers && fine; i++) {
        cae_conv_options *o = &options[i];
        cae_conv_options_init(o, sizeof *o);
        o->kernel_h = 1 + pick(w, 3);
        o->kernel_w = 1 + pick(w, 3);
        o->activation = pick(w, 5);
        o->bias = pick(w, 2);
        widths[i + 1] = 1 + pick(w, 9);
        fine = good(w, cae_spec_add_conv(spec, widths[i], widths[i + 1], o), CAE_OK, "cae_spec_add_conv");
    }
    for (int i = layers - 1; i >= 0 && fine; i--)
        fine = good(w, cae_spec_add_conv_transpose(spec, widths[i + 1], widths[i], &options[i]), CAE_OK,
                    "cae_spec_add_conv_transpose");
    return fine && good(w, cae_spec_set_residual(spec, options[0].activation == CAE_ACTIVATION_NONE && pick(w, 2)),
                        CAE_OK, "cae_spec_set_residual");
}

static void put_model(struct world *w, cae_model *model, int channels)
{
    const int slot = pick(w, SLOTS);
    cae_model_destroy(w->models[slot]);
    w->models[slot] = model;
    w->channels[slot] = channels;
}

static void make_model(struct world *w)
{
    const int channels = pick(w, 2) ? 3 : 1;
    cae_spec *spec = NULL;
    cae_model *model = NULL;
    if (!good(w, cae_spec_create(&spec, w->context), CAE_OK, "cae_spec_create"))
        return;
    if (describe(w, spec, channels) &&
        good(w, cae_model_create(&model, w->context, spec, next_random(&w->tenant->random)), CAE_OK,
             "cae_model_create"))
        put_model(w, model, channels);
    cae_spec_destroy(spec);
}

static void make_dataset(struct world *w)
{
    const int channels = pick(w, 2) ? 3 : 1, h = 9 + pick(w, MOST_SIDE - 8), slot = pick(w, SLOTS);
    const int64_t count = 1 + pick(w, 30);
    const size_t values = (size_t)count * (size_t)(channels * h * h);
    float *data = calloc(values, sizeof *data);
    cae_dataset_options options;
    cae_dataset *dataset = NULL;
    if (!data)
        return;
    fill(next_random(&w->tenant->random), data, values);
    cae_dataset_options_init(&options, sizeof options);
    options.type = pick(w, 2);
    options.layout = pick(w, 2);
    options.scale = pick(w, 2);
    if (good(w, cae_dataset_create(&dataset, w->context, data,
                                   options.type == CAE_TYPE_F32 ? 4 * values : values, count, channels,
                                   h, h, &options), CAE_OK, "cae_dataset_create")) {
        cae_dataset_destroy(w->datasets[slot]);
        w->datasets[slot] = dataset;
    }
    free(data);
}

static void make_leaves(struct world *w)
{
    const int slot = pick(w, SLOTS);
    cae_dataset *dataset = NULL;
    if (!good(w, cae_dataset_create_dead_leaves(&dataset, w->context, 1 + pick(w, 6),
                                                pick(w, 2) ? 3 : 1, 12, 16,
                                                next_random(&w->tenant->random), NULL),
              CAE_OK, "cae_dataset_create_dead_leaves"))
        return;
    cae_dataset_destroy(w->datasets[slot]);
    w->datasets[slot] = dataset;
}

static void slice_dataset(struct world *w)
{
    const int from = pick(w, SLOTS), to = pick(w, SLOTS);
    cae_dataset *slice = NULL;
    if (!w->datasets[from])
        return;
    const int64_t count = cae_dataset_count(w->datasets[from]), first = pick(w, (int)count);
    if (good(w, cae_dataset_slice(&slice, w->datasets[from], first, count - first), CAE_OK,
             "cae_dataset_slice")) {
        cae_dataset_destroy(w->datasets[to]);
        w->datasets[to] = slice;
    }
}

static void make_optimizer(struct world *w)
{
    const int model = pick(w, SLOTS), slot = pick(w, SLOTS);
    cae_optimizer_options options;
    cae_optimizer *optimizer = NULL;
    if (!w->models[model])
        return;
    cae_optimizer_options_init(&options, sizeof options);
    options.kind = pick(w, 3);
    options.momentum = pick(w, 2) ? 0.9 : 0;
    if (good(w, cae_optimizer_create(&optimizer, w->models[model], &options), CAE_OK,
             "cae_optimizer_create")) {
        cae_optimizer_destroy(w->optimizers[slot]);
        w->optimizers[slot] = optimizer;
        w->optimized[slot] = model;
    }
}

static void make_trainer(struct world *w)
{
    const int which = pick(w, SLOTS), data = pick(w, SLOTS), slot = pick(w, SLOTS);
    const int model = w->optimized[which];
    cae_trainer_options options;
    cae_trainer *trainer = NULL;
    if (!w->optimizers[which] || !w->datasets[data] || !w->models[model])
        return;
    cae_trainer_options_init(&options, sizeof options);
    options.batch = 1 + pick(w, 20);
    options.loss = pick(w, 4);
    options.noise_sigma = pick(w, 2) ? 0.1 : 0;
    options.noise_sigma_max = pick(w, 2) ? 0.4 : 0;
    options.average_decay = pick(w, 2) ? 0.9 : 0;
    options.augment = pick(w, 2) ? pick(w, 8) : 0; /* leaves are not square */
    options.clip_norm = pick(w, 2) ? 1 : 0;
    /* another number of channels, or another model's optimizer */
    const cae_status status = cae_trainer_create(&trainer, w->models[model], w->optimizers[which],
                                                 w->datasets[data], &options);
    if (good(w, status, status == CAE_ERR_ARGUMENT ? CAE_ERR_ARGUMENT : CAE_ERR_SHAPE,
             "cae_trainer_create")) {
        cae_trainer_destroy(w->trainers[slot]);
        w->trainers[slot] = trainer;
    }
}

static void take_average(struct world *w)
{
    const cae_trainer *trainer = w->trainers[pick(w, SLOTS)];
    cae_model *average = NULL;
    int32_t channels = 0;
    if (trainer && good(w, cae_trainer_average(&average, trainer), CAE_OK, "cae_trainer_average") &&
        good(w, cae_model_channels(&channels, NULL, average, NULL, CAE_PART_WHOLE), CAE_OK, "cae_model_channels"))
        put_model(w, average, channels);
}

static void take_steps(struct world *w)
{
    cae_trainer *trainer = w->trainers[pick(w, SLOTS)];
    cae_progress progress;
    cae_progress_init(&progress, sizeof progress);
    for (int i = pick(w, 4); trainer && i >= 0; i--)
        good(w, cae_trainer_step(&progress, trainer), CAE_ERR_NUMERIC, "cae_trainer_step");
}

static int32_t stop_when_two(void *user, const cae_progress *progress)
{
    int *left = user;
    (void)progress;
    return --*left == 0;
}

static void take_epoch(struct world *w)
{
    cae_trainer *trainer = w->trainers[pick(w, SLOTS)];
    int steps = 1 + pick(w, 3);
    if (trainer) {
        const cae_status status = cae_trainer_epoch(NULL, trainer, stop_when_two, &steps);
        good(w, status, status == CAE_STOPPED ? CAE_STOPPED : CAE_ERR_NUMERIC, "cae_trainer_epoch");
    }
}

static void save_and_resume(struct world *w)
{
    char path[160];
    cae_trainer *from = w->trainers[pick(w, SLOTS)], *to = w->trainers[pick(w, SLOTS)];
    if (from && to && good(w, cae_trainer_save(from, file_in(w, "checkpoint", path)), CAE_OK,
                           "cae_trainer_save")) {
        const cae_status status = cae_trainer_resume(to, path); /* it may not fit */
        good(w, status, from == to ? CAE_OK : status == CAE_ERR_SHAPE ? CAE_ERR_SHAPE : CAE_ERR_FORMAT,
             "cae_trainer_resume");
    }
}

static void save_and_load(struct world *w)
{
    char path[160];
    const int slot = pick(w, SLOTS);
    cae_model *loaded = NULL;
    if (w->models[slot] &&
        good(w, cae_model_save(w->models[slot], file_in(w, "model", path)), CAE_OK, "cae_model_save") &&
        good(w, cae_model_load(&loaded, w->context, path), CAE_OK, "cae_model_load")) {
        if (pick(w, 2))
            good(w, cae_model_load_weights(loaded, path), CAE_OK, "cae_model_load_weights");
        put_model(w, loaded, w->channels[slot]);
    }
}

static void through_memory(struct world *w)
{
    const int slot = pick(w, SLOTS);
    size_t size = 0, again = 0;
    cae_model *loaded = NULL;
    if (!w->models[slot] || !good(w, cae_model_save_memory(NULL, 0, &size, w->models[slot]), CAE_OK,
                                  "cae_model_save_memory"))
        return;
    unsigned char *file = malloc(2 * size), *second = file ? file + size : NULL;
    if (file &&
        good(w, cae_model_save_memory(file, size, &again, w->models[slot]), CAE_OK,
             "cae_model_save_memory") &&
        good(w, cae_model_load_memory(&loaded, w->context, file, size), CAE_OK,
             "cae_model_load_memory")) {
        if (good(w, cae_model_save_memory(second, size, &again, loaded), CAE_OK,
                 "cae_model_save_memory") && memcmp(file, second, size) != 0)
            fail("save, load, save", CAE_OK, "other bytes");
        put_model(w, loaded, w->channels[slot]);
    }
    free(file);
}

static void run_model(struct world *w)
{
    const int slot = pick(w, SLOTS), side = 9 + pick(w, 20), count = 1 + pick(w, 10);
    const size_t values = (size_t)(count * w->channels[slot] * side * side);
    if (!w->models[slot])
        return;
    float *x = calloc(2 * values, sizeof *x);
    if (!x)
        return;
    fill(next_random(&w->tenant->random), x, values);
    good(w, cae_model_forward(x + values, values, w->models[slot], NULL, x, values, count, side, side),
         CAE_OK, "cae_model_forward");
    free(x);
}

static void run_shared(struct world *w)
{
    const struct soak_shared *shared = w->tenant->shared;
    const bool large = pick(w, 8) == 0;
    cae_status status;
    const uint64_t digest = forward_digest(shared, w->context, large ? LARGE_SIDE : SHARED_SIDE, &status);
    if (good(w, status, CAE_OK, "forward of the shared model") &&
        digest != (large ? shared->large : shared->small))
        fail("forward of the shared model", CAE_OK, "other bits");
}

static void repeat_recipe(struct world *w)
{
    const struct soak_shared *shared = w->tenant->shared;
    const int recipe = pick(w, RECIPES);
    cae_status status;
    const uint64_t digest = train_recipe(recipe, shared->seed, w->context, &status);
    if (good(w, status, CAE_OK, "a recipe") && digest != shared->recipes[recipe])
        fail("a recipe", CAE_OK, "other bits than before");
}

static void evaluate(struct world *w)
{
    const int slot = pick(w, SLOTS), data = pick(w, SLOTS);
    cae_evaluation evaluation;
    cae_evaluation_options options;
    if (!w->models[slot] || !w->datasets[data])
        return;
    cae_evaluation_init(&evaluation, sizeof evaluation);
    cae_evaluation_options_init(&options, sizeof options);
    options.noise_sigma = pick(w, 2) ? 0.1 : 0;
    good(w, cae_model_evaluate(&evaluation, w->models[slot], w->context, w->datasets[data], &options),
         CAE_ERR_SHAPE, "cae_model_evaluate");
}

static void export_onnx(struct world *w)
{
    const int slot = pick(w, SLOTS);
    char path[160];
    if (w->models[slot])
        good(w, cae_model_export_onnx(w->models[slot], pick(w, 3), file_in(w, "model.onnx", path)),
             CAE_ERR_UNSUPPORTED, "cae_model_export_onnx");
}

/* What must not work, and say why. */
static void be_wrong(struct world *w)
{
    static const unsigned char nonsense[] = {9, 0, 0, 0, 0, 0, 0, 0, '{', '"', 'a', '"', ':', '[', '[', '[', '['};
    cae_model *model = NULL;
    cae_dataset *dataset = NULL;
    cae_status status = CAE_OK;
    switch (pick(w, 4)) {
    case 0: status = cae_model_load_memory(&model, w->context, nonsense, sizeof nonsense); break;
    case 1: status = cae_model_load(&model, w->context, "/nowhere/at/all"); break;
    case 2: status = cae_context_set_threads(w->context, -1); break;
    case 3: status = cae_dataset_create(&dataset, w->context, nonsense, 3, 1, 1, 2, 2, NULL); break;
    }
    if (status == CAE_OK)
        fail("what is wrong", status, "was accepted");
    good(w, status, status, "what is wrong");
}

static void change_threads(struct world *w)
{
    good(w, cae_context_set_threads(w->context, 1 + pick(w, 3)), CAE_OK, "cae_context_set_threads");
}

static void destroy_one(struct world *w)
{
    const int slot = pick(w, SLOTS);
    switch (pick(w, 4)) {
    case 0: cae_model_destroy(w->models[slot]); w->models[slot] = NULL; break;
    case 1: cae_dataset_destroy(w->datasets[slot]); w->datasets[slot] = NULL; break;
    case 2: cae_optimizer_destroy(w->optimizers[slot]); w->optimizers[slot] = NULL; break;
    case 3: cae_trainer_destroy(w->trainers[slot]); w->trainers[slot] = NULL; break;
    }
}

static const struct {
    const char *name;
    void (*act)(struct world *w);
} deeds[SOAK_KINDS] = {
    {"make model", make_model},
    {"make dataset", make_dataset},
    {"make built-in images", make_leaves},
    {"slice dataset", slice_dataset},
    {"make optimizer", make_optimizer},
    {"make trainer", make_trainer},
    {"take steps", take_steps},
    {"take part of an epoch", take_epoch},
    {"take the average", take_average},
    {"save and resume", save_and_resume},
    {"save and load", save_and_load},
    {"through memory", through_memory},
    {"run a model", run_model},
    {"run the shared model", run_shared},
    {"repeat a training", repeat_recipe},
    {"evaluate", evaluate},
    {"export ONNX", export_onnx},
    {"be wrong", be_wrong},
    {"change threads", change_threads},
};

const char *soak_kind_name(int kind)
{
    return deeds[kind].name;
}

long soak_kind_count(const struct soak_tenant *tenants, int count, int kind)
{
    long sum = 0;
    for (int i = 0; i < count; i++)
        sum += atomic_load(&tenants[i].kinds[kind]);
    return sum;
}

/* --- A life ------------------------------------------------------------------------------------------ */

/* Which goes first is drawn: what others still need lives on inside. */
static void end_world(struct world *w)
{
    const bool context_first = pick(w, 2);
    if (context_first)
        cae_context_destroy(w->context);
    for (int i = 0, slot = pick(w, SLOTS); i < SLOTS; i++, slot = (slot + 1) % SLOTS) {
        cae_model_destroy(w->models[slot]);
        cae_trainer_destroy(w->trainers[slot]);
        cae_dataset_destroy(w->datasets[slot]);
        cae_optimizer_destroy(w->optimizers[slot]);
    }
    if (!context_first)
        cae_context_destroy(w->context);
    if (atomic_load(&w->heap.blocks) != 0)
        fail("the end of a world", CAE_OK, "blocks were not given back");
}

static void live_a_round(struct soak_tenant *tenant)
{
    struct world w = {.tenant = tenant};
    cae_context_options options;
    cae_context_options_init(&options, sizeof options);
    options.threads = 1 + pick(&w, 3);
    options.allocate = heap_allocate;
    options.release = heap_release;
    options.allocator_user = &w.heap;
    if (cae_context_create(&w.context, &options) != CAE_OK) {
        fail("cae_context_create", CAE_ERR_MEMORY, "");
        return;
    }
    if (pick(&w, 3) == 0)
        w.heap.refuse_every = 20 + pick(&w, 200);
    for (int i = 50 + pick(&w, 200); i > 0 && !atomic_load(&tenant->stop) && !soak_failed(); i--) {
        const int deed = pick(&w, SOAK_KINDS);
        deeds[deed].act(&w);
        atomic_fetch_add(&tenant->kinds[deed], 1);
        if (pick(&w, 4) == 0)
            destroy_one(&w);
    }
    end_world(&w);
    atomic_fetch_add(&tenant->rounds, 1);
}

static void *live(void *argument)
{
    struct soak_tenant *tenant = argument;
    while (!atomic_load(&tenant->stop) && !soak_failed())
        live_a_round(tenant);
    return NULL;
}

void soak_start(struct soak_tenant *tenant, const struct soak_shared *shared, const char *directory,
                uint64_t seed)
{
    tenant->shared = shared;
    tenant->random = seed;
    snprintf(tenant->directory, sizeof tenant->directory, "%s/%llu", directory,
             (unsigned long long)seed);
    if (mkdir(tenant->directory, 0700) != 0 ||
        pthread_create(&tenant->thread, NULL, live, tenant) != 0)
        abort();
}

void soak_stop(struct soak_tenant *tenant)
{
    atomic_store(&tenant->stop, true);
    pthread_join(tenant->thread, NULL);
}
