/* test_preset.c - presets: the networks and the recipes that their names promise; how models begin. */
#include "api.h"

#include <math.h>

static cae_context *context;

static void setup(void)
{
    context = test_context();
}

static void teardown(void)
{
    cae_context_destroy(context);
}

static const struct {
    const char *name;
    int layers, encoder, residual;
    int64_t parameters, grey; /* for 3 channels and for 1 */
} presets[] = {
    [CAE_PRESET_REFERENCE] = {"reference", 4, 2, 0, 1611, 1321},
    [CAE_PRESET_TUNED] = {"tuned", 4, 2, 0, 1611, 1321},
    [CAE_PRESET_RESIDUAL] = {"residual", 4, 2, 1, 1611, 1321},
    [CAE_PRESET_QUALITY] = {"quality", 5, 3, 1, 64995, 63265},
    [CAE_PRESET_COMPRESS] = {"compress", 6, 3, 0, 87251, 85201},
};

static cae_model *model_of(int32_t preset, int32_t channels, int32_t latent)
{
    cae_spec *spec;
    cae_model *model;

    assert_ok(context, cae_spec_create(&spec, context));
    assert_ok(context, cae_spec_add_preset(spec, preset, channels, latent));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    cae_spec_destroy(spec);
    return model;
}

START_TEST(names)
{
    for (int32_t i = 0; i < COUNT(presets); i++)
        ck_assert_str_eq(cae_preset_name(i), presets[i].name);
    ck_assert_ptr_null(cae_preset_name(COUNT(presets)));
    ck_assert_ptr_null(cae_preset_name(-1));
}
END_TEST

START_TEST(networks)
{
    for (int32_t i = 0; i < COUNT(presets); i++) {
        cae_model *model = model_of(i, 3, 0), *grey = model_of(i, 1, 0);
        int32_t channels, height, width;

        ck_assert_int_eq(cae_model_parameter_count(model), presets[i].parameters);
        ck_assert_int_eq(cae_model_parameter_count(grey), presets[i].grey);
        ck_assert_int_eq(cae_model_layer_count(model), presets[i].layers);
        ck_assert_int_eq(cae_model_encoder_layers(model), presets[i].encoder);
        ck_assert_int_eq(cae_model_residual(model), presets[i].residual);
        assert_ok(context, cae_model_output_shape(&channels, &height, &width, model, NULL,
                                                  CAE_PART_WHOLE, 32, 44));
        ck_assert(channels == 3 && height == 32 && width == 44);
        cae_model_destroy(model), cae_model_destroy(grey);
    }
}
END_TEST

/* The published network is the same by both calls, to the bit. */
START_TEST(reference_is_the_reference)
{
    cae_model *a = model_of(CAE_PRESET_REFERENCE, 3, 0), *b;

    assert_ok(context, cae_model_create_reference(&b, context, 1));
    assert_same_models(a, b, "reference");
    cae_model_destroy(a), cae_model_destroy(b);
}
END_TEST

START_TEST(latents)
{
    for (int32_t latent = 1; latent < 50; latent += 7) {
        cae_model *model = model_of(CAE_PRESET_COMPRESS, 3, latent);
        int32_t channels, height, width;

        assert_ok(context, cae_model_output_shape(&channels, &height, &width, model, NULL,
                                                  CAE_PART_ENCODER, 32, 16));
        ck_assert(channels == latent && height == 8 && width == 4);
        cae_model_destroy(model);
    }
}
END_TEST

START_TEST(descriptions_refused)
{
    cae_spec *spec;

    assert_ok(context, cae_spec_create(&spec, context));
    ck_assert_int_eq(cae_spec_add_preset(NULL, 0, 3, 0), CAE_ERR_ARGUMENT);
    assert_fails(context, CAE_ERR_ARGUMENT, cae_spec_add_preset(spec, 5, 3, 0));
    assert_says(context, "expected 0 to 4, \"reference\" to \"compress\"");
    assert_fails(context, CAE_ERR_ARGUMENT, cae_spec_add_preset(spec, -1, 3, 0));
    assert_fails(context, CAE_ERR_ARGUMENT, cae_spec_add_preset(spec, CAE_PRESET_QUALITY, 3, 4));
    assert_says(context, "only the preset \"compress\" has a latent");
    assert_fails(context, CAE_ERR_ARGUMENT, cae_spec_add_preset(spec, CAE_PRESET_COMPRESS, 3, -4));
    assert_fails(context, CAE_ERR_ARGUMENT, cae_spec_add_preset(spec, CAE_PRESET_QUALITY, 0, 0));
    assert_says(context, "in_channels is 0");
    /* half of the layers were there when it failed: all are gone, and it may be tried again */
    assert_fails(context, CAE_ERR_ARGUMENT, cae_spec_add_preset(spec, CAE_PRESET_COMPRESS, 3, 1 << 30));
    assert_ok(context, cae_spec_add_preset(spec, CAE_PRESET_QUALITY, 3, 0));
    assert_fails(context, CAE_ERR_ARGUMENT, cae_spec_add_preset(spec, CAE_PRESET_QUALITY, 3, 0));
    assert_says(context, "needs an empty description, this one has 5 layers");
    cae_spec_destroy(spec);
}
END_TEST

/* --- Recipes --------------------------------------------------------------------------------- */

START_TEST(epochs)
{
    ck_assert_int_eq(cae_preset_epochs(CAE_PRESET_REFERENCE, 50000), 10);
    ck_assert_int_eq(cae_preset_epochs(CAE_PRESET_REFERENCE, 5085), 99);
    ck_assert_int_eq(cae_preset_epochs(CAE_PRESET_QUALITY, 1), 200000);
    ck_assert_int_eq(cae_preset_epochs(CAE_PRESET_QUALITY, INT64_MAX), 1);
    ck_assert_int_eq(cae_preset_epochs(CAE_PRESET_QUALITY, 0), 0);
    ck_assert_int_eq(cae_preset_epochs(-1, 100), 0);
    ck_assert_int_eq(cae_preset_epochs(COUNT(presets), 100), 0);
}
END_TEST

static void options_of(cae_optimizer_options *optimizer, cae_trainer_options *trainer)
{
    assert_ok(context, cae_optimizer_options_init(optimizer, sizeof *optimizer));
    assert_ok(context, cae_trainer_options_init(trainer, sizeof *trainer));
}

START_TEST(published_recipe)
{
    cae_optimizer_options optimizer, plain_optimizer;
    cae_trainer_options trainer, plain;

    options_of(&optimizer, &trainer), options_of(&plain_optimizer, &plain);
    trainer.seed = plain.seed = 77, trainer.noise_sigma = plain.noise_sigma = 0.1;
    trainer.shuffle = plain.shuffle = 0;
    assert_ok(context, cae_preset_options(&optimizer, &trainer, context, CAE_PRESET_REFERENCE, 1000, 3));
    plain.decay_steps = 3 * 16; /* of no use to a constant rate */
    ck_assert(memcmp(&trainer, &plain, sizeof plain) == 0);
    ck_assert(memcmp(&optimizer, &plain_optimizer, sizeof optimizer) == 0);
}
END_TEST

/* Each trains, and its schedule ends where training does. */
START_TEST(recipes_fit_their_training)
{
    enum { IMAGES = 37, EPOCHS = 2 };
    cae_optimizer_options optimizer_options;
    cae_trainer_options options;
    cae_model *model = model_of(_i, 3, 0);
    cae_dataset *dataset;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
    cae_progress progress = {.size = sizeof progress};

    options_of(&optimizer_options, &options);
    options.noise_sigma = 0.1;
    assert_ok(context, cae_preset_options(&optimizer_options, &options, context, _i, IMAGES, EPOCHS));
    assert_ok(context, cae_dataset_create_dead_leaves(&dataset, context, IMAGES, 3, 16, 16, 1, NULL));
    assert_ok(context, cae_optimizer_create(&optimizer, model, &optimizer_options));
    assert_ok(context, cae_trainer_create(&trainer, model, optimizer, dataset, &options));
    ck_assert_int_eq(options.decay_steps, EPOCHS * cae_trainer_steps_per_epoch(trainer));
    ck_assert_int_le(options.warmup_steps, options.decay_steps / 10);
    for (int i = 0; i < EPOCHS; i++)
        assert_ok(context, cae_trainer_epoch(&progress, trainer, NULL, NULL));
    ck_assert_int_eq(progress.step, options.decay_steps);
    if (options.schedule == CAE_SCHEDULE_COSINE) /* of the last of few steps */
        ck_assert_double_lt(progress.learning_rate, 0.4 * optimizer_options.learning_rate);
    cae_trainer_destroy(trainer), cae_optimizer_destroy(optimizer);
    cae_dataset_destroy(dataset), cae_model_destroy(model);
}
END_TEST

START_TEST(recipes_refused)
{
    cae_optimizer_options optimizer;
    cae_trainer_options trainer;

    options_of(&optimizer, &trainer);
#define REFUSED(status, text, ...)                                                                  \
    assert_fails(context, status, cae_preset_options(__VA_ARGS__)), assert_says(context, text)
    REFUSED(CAE_ERR_ARGUMENT, "optimizer is NULL", NULL, &trainer, context, 0, 10, 1);
    REFUSED(CAE_ERR_ARGUMENT, "trainer is NULL", &optimizer, NULL, context, 0, 10, 1);
    REFUSED(CAE_ERR_ARGUMENT, "preset is 9", &optimizer, &trainer, context, 9, 10, 1);
    REFUSED(CAE_ERR_ARGUMENT, "0 images", &optimizer, &trainer, context, 0, 0, 1);
    REFUSED(CAE_ERR_ARGUMENT, "-1 epochs", &optimizer, &trainer, context, 0, 10, -1);
    REFUSED(CAE_ERR_ARGUMENT, "more than can be counted", &optimizer, &trainer, context, 0, 1000,
            INT64_MAX);
    trainer.size = offsetof(cae_trainer_options, shuffle_window); /* before it grew */
    trainer.shuffle_window = 12345;
    assert_ok(context, cae_preset_options(&optimizer, &trainer, context, 0, 10, 1));
    ck_assert_int_eq(trainer.shuffle_window, 12345);
    trainer.size = 64;
    REFUSED(CAE_ERR_OPTIONS, "64 bytes", &optimizer, &trainer, context, 0, 10, 1);
    ck_assert_int_eq(cae_preset_options(NULL, NULL, NULL, 0, 10, 1), CAE_ERR_ARGUMENT);
}
END_TEST

/* --- How models begin ------------------------------------------------------------------------ */

static cae_model *begun(int32_t activation, double slope, int32_t initialization)
{
    cae_conv_options o;
    cae_spec *spec;
    cae_model *model;

    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    o.activation = activation, o.slope = slope, o.kernel_w = 5;
    assert_ok(context, cae_spec_create(&spec, context));
    assert_ok(context, cae_spec_set_initialization(spec, initialization));
    assert_ok(context, cae_spec_add_conv(spec, 4, 30, &o));
    assert_ok(context, cae_spec_add_conv_transpose(spec, 30, 4, &o));
    assert_ok(context, cae_model_create(&model, context, spec, 3));
    cae_spec_destroy(spec);
    return model;
}

/* He's weights are PyTorch's, from +-1/sqrt(fan_in) stretched to +-g sqrt(3/fan_in); biases are 0. */
START_TEST(he_is_its_formula)
{
    static const struct {
        int32_t activation;
        double slope, gain;
    } kinds[] = {{CAE_ACTIVATION_NONE, 0.01, 1}, {CAE_ACTIVATION_RELU, 0.01, 2},
                 {CAE_ACTIVATION_LEAKY_RELU, 0.5, 2 / 1.25}, {CAE_ACTIVATION_TANH, 0.01, 1}};
    float he[30 * 4 * 15], torch[30 * 4 * 15], bias[30];

    for (int k = 0; k < COUNT(kinds); k++) {
        cae_model *a = begun(kinds[k].activation, kinds[k].slope, CAE_INITIALIZATION_HE);
        cae_model *b = begun(kinds[k].activation, kinds[k].slope, CAE_INITIALIZATION_PYTORCH);
        const char *const names[] = {cae_model_tensor_name(a, 0), cae_model_tensor_name(a, 2)};

        for (int t = 0; t < 2; t++) {
            double largest = 0;
            assert_ok(context, cae_model_get_tensor(he, COUNT(he), a, names[t]));
            assert_ok(context, cae_model_get_tensor(torch, COUNT(torch), b, names[t]));
            for (int i = 0; i < COUNT(he); i++) {
                const double expected = (double)torch[i] * sqrt(3 * kinds[k].gain);
                ck_assert_double_eq_tol((double)he[i], expected, 1e-7);
                largest = fmax(largest, fabs((double)he[i]));
            }
            const double bound = sqrt(3 * kinds[k].gain / (4 * 15)); /* shape[1] is 4 in both */
            ck_assert(largest <= bound && largest > 0.99 * bound);
        }
        assert_ok(context, cae_model_get_tensor(bias, 30, a, "0.bias"));
        for (int i = 0; i < 30; i++)
            ck_assert(bias[i] == 0);
        assert_ok(context, cae_model_get_tensor(bias, 30, b, "0.bias"));
        ck_assert(bias[0] != 0 && bias[29] != 0);
        cae_model_destroy(a), cae_model_destroy(b);
    }
}
END_TEST

START_TEST(initializations_refused)
{
    cae_spec *spec;

    assert_ok(context, cae_spec_create(&spec, context));
    ck_assert_int_eq(cae_spec_set_initialization(NULL, 0), CAE_ERR_ARGUMENT);
    assert_fails(context, CAE_ERR_ARGUMENT, cae_spec_set_initialization(spec, 2));
    assert_says(context, "initialization is 2");
    assert_fails(context, CAE_ERR_ARGUMENT, cae_spec_set_initialization(spec, -1));
    cae_spec_destroy(spec);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("presets");
    TCase *all = tcase_create("all");

    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, names);
    tcase_add_test(all, networks);
    tcase_add_test(all, reference_is_the_reference);
    tcase_add_test(all, latents);
    tcase_add_test(all, descriptions_refused);
    tcase_add_test(all, epochs);
    tcase_add_test(all, published_recipe);
    tcase_add_loop_test(all, recipes_fit_their_training, 0, COUNT(presets));
    tcase_add_test(all, recipes_refused);
    tcase_add_test(all, he_is_its_formula);
    tcase_add_test(all, initializations_refused);
    suite_add_tcase(suite, all);
    return suite;
}

int main(void)
{
    return test_main(suite());
}
