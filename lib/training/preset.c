/* preset.c - networks with the recipes that train them. Every number here was chosen by measurement:
 * docs/results.md has what was tried. */
#include "training.h"

#include <inttypes.h>

#define SAMPLES 500000 /* images visited in a training of the published length */

struct recipe {
    const char *name;
    int64_t samples; /* of a training whose length nobody says */
    int batch, warmup_steps, augment;
    int32_t loss, schedule;
    double learning_rate, average_decay, ssim_weight;
};

#define ALL_WAYS (CAE_AUGMENT_MIRROR | CAE_AUGMENT_FLIP | CAE_AUGMENT_TRANSPOSE)

static const struct recipe recipes[] = {
    [CAE_PRESET_REFERENCE] = {.name = "reference", .samples = SAMPLES, .batch = 64,
                              .loss = CAE_LOSS_MSE, .schedule = CAE_SCHEDULE_CONSTANT,
                              .learning_rate = 1e-3},
    [CAE_PRESET_TUNED] = {.name = "tuned", .samples = SAMPLES, .batch = 8, .warmup_steps = 4000,
                          .loss = CAE_LOSS_MSE, .schedule = CAE_SCHEDULE_COSINE,
                          .learning_rate = 6e-3},
    [CAE_PRESET_RESIDUAL] = {.name = "residual", .samples = SAMPLES, .batch = 8,
                             .warmup_steps = 200, .loss = CAE_LOSS_CHARBONNIER,
                             .schedule = CAE_SCHEDULE_COSINE, .learning_rate = 8e-3,
                             .ssim_weight = 0.05},
    [CAE_PRESET_QUALITY] = {.name = "quality", .samples = 200000, .batch = 16, .warmup_steps = 300,
                            .loss = CAE_LOSS_CHARBONNIER, .schedule = CAE_SCHEDULE_COSINE,
                            .learning_rate = 3e-3, .average_decay = 0.999, .augment = ALL_WAYS},
    [CAE_PRESET_COMPRESS] = {.name = "compress", .samples = SAMPLES, .batch = 16,
                             .warmup_steps = 300, .loss = CAE_LOSS_MSE,
                             .schedule = CAE_SCHEDULE_COSINE, .learning_rate = 2e-3,
                             .average_decay = 0.999, .augment = ALL_WAYS},
};

enum { PRESETS = sizeof recipes / sizeof recipes[0] };

static const struct recipe *recipe_of(int32_t preset)
{
    return preset >= 0 && preset < PRESETS ? &recipes[preset] : NULL;
}

const char *cae_preset_name(int32_t preset)
{
    const struct recipe *recipe = recipe_of(preset);
    return recipe ? recipe->name : NULL;
}

static cae_status no_such(const cae_context *context, int32_t preset)
{
    return cae__fail(context, CAE_ERR_ARGUMENT, "preset is %d, expected 0 to %d, \"%s\" to \"%s\"",
                     (int)preset, PRESETS - 1, recipes[0].name, recipes[PRESETS - 1].name);
}

/* --- Networks --------------------------------------------------------------------------------- */

/* One layer of a preset's network. */
struct plain_layer {
    bool transposed;
    int out, kernel, stride, padding; /* `out` 0: as many channels as the image, -1: the latent's */
};

#define SLOPE 0.1f
#define PT CAE_INITIALIZATION_PYTORCH
#define HE CAE_INITIALIZATION_HE
#define LATENT (-1)
#define IMAGE 0

static const struct plain_layer reference[] = {
    {false, 8, 3, 1, 0}, {false, 8, 3, 1, 0}, {true, 8, 3, 1, 0}, {true, IMAGE, 3, 1, 0}};

static const struct plain_layer quality[] = {
    {false, 48, 3, 1, 1}, {false, 48, 3, 1, 1}, {false, 48, 3, 1, 1}, {false, 48, 3, 1, 1},
    {false, IMAGE, 3, 1, 1}};

/* The latent has a sixteenth of the pixels. */
static const struct plain_layer compress[] = {
    {false, 32, 4, 2, 1}, {false, 64, 4, 2, 1}, {false, LATENT, 3, 1, 1},
    {true, 64, 3, 1, 1}, {true, 32, 4, 2, 1}, {true, IMAGE, 4, 2, 1}};

struct network {
    const struct plain_layer *layers;
    int count, encoder;
    bool residual, leaky;
    int32_t initialization;
    int latent; /* default number of channels; 0: there is nothing to choose */
};

static struct network network_of(int32_t preset)
{
#define LAYERS(table) (table), sizeof(table) / sizeof(table)[0]
    switch (preset) {
    case CAE_PRESET_RESIDUAL: return (struct network){LAYERS(reference), 2, true, true, HE, 0};
    case CAE_PRESET_QUALITY: return (struct network){LAYERS(quality), 3, true, true, PT, 0};
    case CAE_PRESET_COMPRESS: return (struct network){LAYERS(compress), 3, false, true, PT, 16};
    case CAE_PRESET_TUNED: return (struct network){LAYERS(reference), 2, false, false, HE, 0};
    default: return (struct network){LAYERS(reference), 2, false, false, PT, 0};
    }
}

/* ReLU in the published network. LeakyReLU in the others: few channels cannot afford that one of
 * them dies. None after the last layer, nor before a bottleneck, whose channels would say half of
 * what they can. */
static int32_t activation_at(const struct network *n, int index)
{
    if (index == n->count - 1 || (n->latent != 0 && index == n->encoder - 1))
        return CAE_ACTIVATION_NONE;
    return n->leaky ? CAE_ACTIVATION_LEAKY_RELU : CAE_ACTIVATION_RELU;
}

static cae_status add_layer(cae_spec *spec, const struct network *n, int index, int channels,
                            int latent, int *in)
{
    const struct plain_layer *l = &n->layers[index];
    const int out = l->out == IMAGE ? channels : l->out == LATENT ? latent : l->out;
    const struct cae__layer layer = {
        .transposed = l->transposed, .in_channels = *in, .out_channels = out,
        .kernel_h = l->kernel, .kernel_w = l->kernel, .stride_h = l->stride, .stride_w = l->stride,
        .padding_h = l->padding, .padding_w = l->padding, .dilation_h = 1, .dilation_w = 1,
        .bias = true, .activation = activation_at(n, index), .slope = SLOPE};
    *in = out;
    return cae__spec_append(spec, &layer);
}

cae_status cae_spec_add_preset(cae_spec *spec, int32_t preset, int32_t channels, int32_t latent)
{
    if (!spec)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = spec->handle.context;
    if (!recipe_of(preset))
        return no_such(context, preset);
    if (spec->count > 0)
        return cae__fail(context, CAE_ERR_ARGUMENT,
                         "a preset needs an empty description, this one has %d layers", spec->count);
    const struct network n = network_of(preset);
    if (latent < 0 || (latent > 0 && n.latent == 0))
        return cae__fail(context, CAE_ERR_ARGUMENT,
                         "latent is %d; only the preset \"%s\" has a latent to choose, expected 0",
                         (int)latent, recipes[CAE_PRESET_COMPRESS].name);
    cae_status status = CAE_OK;
    for (int i = 0, in = channels; i < n.count && status == CAE_OK; i++)
        status = add_layer(spec, &n, i, channels, latent ? latent : n.latent, &in);
    if (status != CAE_OK) {
        cae__spec_clear(spec);
        return status;
    }
    spec->encoder = n.encoder;
    spec->residual = n.residual;
    spec->initialization = n.initialization;
    return CAE_OK;
}

/* --- Recipes ---------------------------------------------------------------------------------- */

int64_t cae_preset_epochs(int32_t preset, int64_t images)
{
    const struct recipe *recipe = recipe_of(preset);
    if (!recipe || images < 1)
        return 0;
    return (recipe->samples - 1) / images + 1;
}

cae_status cae_preset_options(cae_optimizer_options *optimizer, cae_trainer_options *trainer,
                              cae_context *context, int32_t preset, int64_t images,
                              int64_t epochs)
{
    const struct recipe *r = recipe_of(preset);
    if (!optimizer || !trainer)
        return cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL",
                         optimizer ? "trainer" : "optimizer");
    if (!r)
        return no_such(context, preset);
    /* up to the last fields that are written: structs of programs from before they grew will do */
    const size_t least = offsetof(cae_optimizer_options, momentum);
    const size_t trainer_least = offsetof(cae_trainer_options, shuffle_window);
    if (optimizer->size < least || trainer->size < trainer_least)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "the options have %lu and %lu bytes, expected at least %zu and %zu; call "
                         "their init functions first", (unsigned long)optimizer->size,
                         (unsigned long)trainer->size, least, trainer_least);
    if (images < 1 || epochs < 0)
        return cae__fail(context, CAE_ERR_ARGUMENT,
                         "%" PRId64 " images and %" PRId64 " epochs, expected at least 1 and 0",
                         images, epochs);
    const int64_t steps = (images - 1) / r->batch + 1;
    const int64_t all = epochs ? epochs : cae_preset_epochs(preset, images);
    if (all > INT64_MAX / steps)
        return cae__fail(context, CAE_ERR_ARGUMENT, "%" PRId64 " epochs of %" PRId64
                         " steps are more than can be counted", all, steps);
    optimizer->kind = CAE_OPTIMIZER_ADAM;
    optimizer->learning_rate = r->learning_rate;
    trainer->batch = r->batch;
    trainer->loss = r->loss;
    trainer->epsilon = 0.0;
    trainer->schedule = r->schedule;
    trainer->decay_steps = all * steps;
    /* a short training has no time for a long one's warm-up */
    trainer->warmup_steps = r->warmup_steps < all * steps / 10 ? r->warmup_steps : all * steps / 10;
    trainer->final_fraction = 0.0;
    trainer->average_decay = r->average_decay;
    trainer->augment = r->augment;
    trainer->ssim_weight = r->ssim_weight;
    return CAE_OK;
}
