/* deeds.c - models, datasets, optimizers and trainers: made, used and destroyed. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

/* --- Models --------------------------------------------------------------------------------------- */

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
    if (fine)
        fine = good(w, cae_spec_set_initialization(spec, pick(w, 2)), CAE_OK, "cae_spec_set_initialization");
    return fine && good(w, cae_spec_set_residual(spec, options[0].activation == CAE_ACTIVATION_NONE && pick(w, 2)),
                        CAE_OK, "cae_spec_set_residual");
}

void make_model(struct world *w)
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

void make_preset(struct world *w)
{
    /* not the one that is trained for minutes */
    static const int32_t quick[] = {CAE_PRESET_REFERENCE, CAE_PRESET_TUNED, CAE_PRESET_RESIDUAL,
                                    CAE_PRESET_COMPRESS};
    const int channels = pick(w, 2) ? 3 : 1, preset = quick[pick(w, 4)];
    cae_spec *spec = NULL;
    cae_model *model = NULL;
    if (!good(w, cae_spec_create(&spec, w->context), CAE_OK, "cae_spec_create"))
        return;
    const int latent = preset == CAE_PRESET_COMPRESS ? pick(w, 5) : 0;
    if (good(w, cae_spec_add_preset(spec, preset, channels, latent), CAE_OK, "cae_spec_add_preset") &&
        good(w, cae_model_create(&model, w->context, spec, next_random(&w->tenant->random)), CAE_OK,
             "cae_model_create"))
        put_model(w, model, channels);
    cae_spec_destroy(spec);
}

/* All that a model says of itself, made into another one. */
static bool describe_layers(struct world *w, cae_spec *spec, const cae_model *model)
{
    const int layers = cae_model_layer_count(model), encoder = cae_model_encoder_layers(model);
    bool fine = true;
    for (int i = 0; i < layers && fine; i++) {
        int32_t transposed = 0, in = 0, out = 0;
        cae_conv_options options;
        cae_conv_options_init(&options, sizeof options);
        fine = good(w, cae_model_layer(&transposed, &in, &out, &options, model, i), CAE_OK,
                    "cae_model_layer") &&
               good(w, (transposed ? cae_spec_add_conv_transpose : cae_spec_add_conv)(spec, in, out, &options),
                    CAE_OK, "cae_spec_add_conv, as a model says") &&
               (i + 1 != encoder || good(w, cae_spec_end_encoder(spec), CAE_OK, "cae_spec_end_encoder"));
    }
    return fine && good(w, cae_spec_set_residual(spec, cae_model_residual(model)), CAE_OK,
                        "cae_spec_set_residual");
}

void describe_again(struct world *w)
{
    const int slot = pick(w, SLOTS);
    cae_spec *spec = NULL;
    cae_model *model = NULL;
    if (!w->models[slot] || !good(w, cae_spec_create(&spec, w->context), CAE_OK, "cae_spec_create"))
        return;
    if (describe_layers(w, spec, w->models[slot]) &&
        good(w, cae_model_create(&model, w->context, spec, 1), CAE_OK, "cae_model_create")) {
        if (cae_model_parameter_count(model) != cae_model_parameter_count(w->models[slot]))
            fail("a model made of what another says", CAE_OK, "has other parameters");
        put_model(w, model, w->channels[slot]);
    }
    cae_spec_destroy(spec);
}

/* --- Data ----------------------------------------------------------------------------------------- */

void make_dataset(struct world *w)
{
    const int channels = pick(w, 2) ? 3 : 1, h = LEAST_SIDE + pick(w, MOST_SIDE - 8);
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
                                   h, h, &options), CAE_OK, "cae_dataset_create"))
        put_dataset(w, dataset);
    free(data);
}

void make_leaves(struct world *w)
{
    cae_dataset *dataset = NULL;
    if (good(w, cae_dataset_create_dead_leaves(&dataset, w->context, 1 + pick(w, 6),
                                               pick(w, 2) ? 3 : 1, 12, 16,
                                               next_random(&w->tenant->random), NULL),
             CAE_OK, "cae_dataset_create_dead_leaves"))
        put_dataset(w, dataset);
}

void slice_dataset(struct world *w)
{
    const int from = pick(w, SLOTS);
    cae_dataset *slice = NULL;
    if (!w->datasets[from])
        return;
    const int64_t count = cae_dataset_count(w->datasets[from]), first = pick(w, (int)count);
    if (good(w, cae_dataset_slice(&slice, w->datasets[from], first, count - first), CAE_OK,
             "cae_dataset_slice"))
        put_dataset(w, slice);
}

void look_at_image(struct world *w)
{
    const cae_dataset *dataset = w->datasets[pick(w, SLOTS)];
    if (dataset && !w->rough) /* where files change, so does the image */
        compare_image(w, dataset, dataset, "the same image once more");
}

/* --- Training ------------------------------------------------------------------------------------- */

void make_optimizer(struct world *w)
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

static void draw_options(struct world *w, cae_trainer_options *options)
{
    options->batch = 1 + pick(w, 20);
    options->loss = pick(w, 4);
    options->noise_sigma = pick(w, 2) ? 0.1 : 0;
    options->noise_sigma_max = pick(w, 2) ? 0.4 : 0;
    options->average_decay = pick(w, 2) ? 0.9 : 0;
    options->ssim_weight = pick(w, 4) == 0 ? 0.2 : 0; /* some images are too small for it */
    options->augment = pick(w, 2) ? pick(w, 8) : 0;   /* leaves are not square */
    options->clip_norm = pick(w, 2) ? 1 : 0;
    options->shuffle = pick(w, 4) != 0;
    options->shuffle_window = options->shuffle && pick(w, 2) ? 1 + pick(w, 30) : 0;
}

static bool preset_recipe(struct world *w, cae_trainer_options *options, int64_t images)
{
    cae_optimizer_options optimizer;
    const int preset = pick(w, 5);
    cae_optimizer_options_init(&optimizer, sizeof optimizer);
    if (!cae_preset_name(preset) || cae_preset_epochs(preset, images) < 1)
        fail("a preset", CAE_OK, "without a name, or for no epochs");
    return good(w, cae_preset_options(&optimizer, options, w->context, preset, images, pick(w, 5)), CAE_OK,
                "cae_preset_options");
}

void make_trainer(struct world *w)
{
    const int which = pick(w, SLOTS), data = pick(w, SLOTS), slot = pick(w, SLOTS);
    const int model = w->optimized[which];
    cae_trainer_options options;
    cae_trainer *trainer = NULL;
    if (!w->optimizers[which] || !w->datasets[data] || !w->models[model])
        return;
    cae_trainer_options_init(&options, sizeof options);
    if (pick(w, 3))
        draw_options(w, &options);
    else if (!preset_recipe(w, &options, cae_dataset_count(w->datasets[data])))
        return;
    /* another number of channels, or another model's optimizer */
    const cae_status status = cae_trainer_create(&trainer, w->models[model], w->optimizers[which],
                                                 w->datasets[data], &options);
    if (good(w, status, status == CAE_ERR_ARGUMENT ? CAE_ERR_ARGUMENT : CAE_ERR_SHAPE,
             "cae_trainer_create")) {
        cae_trainer_destroy(w->trainers[slot]);
        w->trainers[slot] = trainer;
    }
}

void take_average(struct world *w)
{
    const cae_trainer *trainer = w->trainers[pick(w, SLOTS)];
    cae_model *average = NULL;
    int32_t channels = 0;
    if (trainer && good(w, cae_trainer_average(&average, trainer), CAE_OK, "cae_trainer_average") &&
        good(w, cae_model_channels(&channels, NULL, average, NULL, CAE_PART_WHOLE), CAE_OK, "cae_model_channels"))
        put_model(w, average, channels);
}

void take_steps(struct world *w)
{
    cae_trainer *trainer = w->trainers[pick(w, SLOTS)];
    cae_progress progress;
    cae_progress_init(&progress, sizeof progress);
    for (int i = pick(w, 4); trainer && i >= 0; i--)
        good_reading(w, cae_trainer_step(&progress, trainer), CAE_ERR_NUMERIC, "cae_trainer_step");
}

static int32_t stop_when_two(void *user, const cae_progress *progress)
{
    int *left = user;
    (void)progress;
    return --*left == 0;
}

void take_epoch(struct world *w)
{
    cae_trainer *trainer = w->trainers[pick(w, SLOTS)];
    int steps = 1 + pick(w, 3);
    if (trainer) {
        const cae_status status = cae_trainer_epoch(NULL, trainer, stop_when_two, &steps);
        good_reading(w, status, status == CAE_STOPPED ? CAE_STOPPED : CAE_ERR_NUMERIC, "cae_trainer_epoch");
    }
}

void ask_for_stop(struct world *w)
{
    cae_trainer *trainer = w->trainers[pick(w, SLOTS)];
    if (!trainer || !good(w, cae_trainer_request_stop(trainer), CAE_OK, "cae_trainer_request_stop"))
        return;
    const cae_status status = cae_trainer_epoch(NULL, trainer, NULL, NULL);
    if (status == CAE_OK)
        fail("cae_trainer_epoch", status, "went on over a stop that was asked for");
    good_reading(w, status, status == CAE_STOPPED ? CAE_STOPPED : CAE_ERR_NUMERIC, "cae_trainer_epoch");
}

void save_and_resume(struct world *w)
{
    char path[PATH_ROOM];
    cae_trainer *from = w->trainers[pick(w, SLOTS)], *to = w->trainers[pick(w, SLOTS)];
    if (from && to && good(w, cae_trainer_save(from, file_in(w, "checkpoint", path)), CAE_OK,
                           "cae_trainer_save")) {
        const cae_status status = cae_trainer_resume(to, path); /* it may not fit */
        good(w, status, from == to ? CAE_OK : status == CAE_ERR_SHAPE ? CAE_ERR_SHAPE : CAE_ERR_FORMAT,
             "cae_trainer_resume");
    }
}

/* --- Models at work ------------------------------------------------------------------------------- */

void run_model(struct world *w)
{
    const int slot = pick(w, SLOTS), count = 1 + pick(w, 10);
    if (!w->models[slot])
        return;
    const int side = (LEAST_SIDE + 3 + pick(w, 17)) / w->step[slot] * w->step[slot];
    const size_t values = (size_t)(count * w->channels[slot] * side * side);
    float *x = calloc(2 * values, sizeof *x);
    if (!x)
        return;
    fill(next_random(&w->tenant->random), x, values);
    good(w, cae_model_forward(x + values, values, w->models[slot], NULL, x, values, count, side, side),
         CAE_OK, "cae_model_forward");
    free(x);
}

void run_shared(struct world *w)
{
    const struct soak_shared *shared = w->tenant->shared;
    const bool large = pick(w, 8) == 0;
    cae_status status;
    const uint64_t digest = forward_digest(shared, w->context, large ? LARGE_SIDE : SHARED_SIDE, &status);
    if (good(w, status, CAE_OK, "forward of the shared model") &&
        digest != (large ? shared->large : shared->small))
        fail("forward of the shared model", CAE_OK, "other bits");
}

void repeat_recipe(struct world *w)
{
    const struct soak_shared *shared = w->tenant->shared;
    const int recipe = pick(w, recipe_count());
    struct recipe r;
    uint64_t digest = 0;
    cae_status status = recipe_begin(&r, shared, recipe, recipe_source(recipe, pick(w, 6)), w->context);
    for (int i = 0; i < RECIPE_STEPS && status == CAE_OK; i++)
        status = cae_trainer_step(NULL, r.trainer);
    if (status == CAE_OK)
        digest = recipe_digest(&r, &status);
    if (good(w, status, CAE_OK, "a recipe") && digest != shared->recipes[recipe])
        fail("a recipe", CAE_OK, "other bits than before");
    recipe_end(&r);
}

void evaluate(struct world *w)
{
    const int slot = pick(w, SLOTS), data = pick(w, SLOTS);
    cae_evaluation evaluation;
    cae_evaluation_options options;
    if (!w->models[slot] || !w->datasets[data])
        return;
    cae_evaluation_init(&evaluation, sizeof evaluation);
    cae_evaluation_options_init(&options, sizeof options);
    options.noise_sigma = pick(w, 2) ? 0.1 : 0;
    good_reading(w, cae_model_evaluate(&evaluation, w->models[slot], w->context, w->datasets[data], &options),
                 CAE_ERR_SHAPE, "cae_model_evaluate");
}

/* What must not work, and say why. */
void be_wrong(struct world *w)
{
    static const unsigned char nonsense[] = {9, 0, 0, 0, 0, 0, 0, 0, '{', '"', 'a', '"', ':', '[', '[', '[', '['};
    cae_model *model = NULL;
    cae_dataset *dataset = NULL;
    cae_array *array = NULL;
    cae_scorer *scorer = NULL;
    cae_status status = CAE_OK;
    switch (pick(w, 8)) {
    case 0: status = cae_model_load_memory(&model, w->context, nonsense, sizeof nonsense); break;
    case 1: status = cae_model_load(&model, w->context, "/nowhere/at/all"); break;
    case 2: status = cae_context_set_threads(w->context, -1); break;
    case 3: status = cae_dataset_create(&dataset, w->context, nonsense, 3, 1, 1, 2, 2, NULL); break;
    case 4: status = cae_dataset_open_npy(&dataset, w->context, "/nowhere/at/all.npy", NULL); break;
    case 5: status = cae_array_read_memory(&array, w->context, nonsense, sizeof nonsense); break;
    case 6: status = cae_scorer_create(&scorer, w->tenant->shared->model, w->context, 0, 9, NULL); break;
    case 7: status = cae_array_create(&array, w->context, 9, (const int64_t[]){2}, 1); break;
    }
    if (status == CAE_OK)
        fail("what is wrong", status, "was accepted");
    good(w, status, status, "what is wrong");
}

void change_threads(struct world *w)
{
    good(w, cae_context_set_threads(w->context, 1 + pick(w, 3)), CAE_OK, "cae_context_set_threads");
}

void destroy_one(struct world *w)
{
    const int slot = pick(w, SLOTS);
    switch (pick(w, 5)) {
    case 0: cae_model_destroy(w->models[slot]); w->models[slot] = NULL; break;
    case 1: cae_dataset_destroy(w->datasets[slot]); w->datasets[slot] = NULL; break;
    case 2: cae_optimizer_destroy(w->optimizers[slot]); w->optimizers[slot] = NULL; break;
    case 3: cae_trainer_destroy(w->trainers[slot]); w->trainers[slot] = NULL; break;
    case 4: cae_scorer_destroy(w->scorers[slot]); w->scorers[slot] = NULL; break;
    }
}

