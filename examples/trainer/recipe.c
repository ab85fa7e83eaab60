/* recipe.c - network and training as --preset says, changed by what was given beside it. */
#include "recipe.h"

#include <math.h>

const char *const recipe_presets[] = { /* of cae_preset_name */
    [CAE_PRESET_REFERENCE] = "reference", [CAE_PRESET_TUNED] = "tuned",
    [CAE_PRESET_RESIDUAL] = "residual", [CAE_PRESET_QUALITY] = "quality",
    [CAE_PRESET_COMPRESS] = "compress", NULL};

static int64_t steps_of(int64_t epochs, int64_t images, int64_t batch)
{
    return epochs * ((images + batch - 1) / batch);
}

/* Another batch makes another number of steps: the schedule is stretched to them. */
static void set_batch(struct recipe *recipe, int64_t images, int64_t batch)
{
    cae_trainer_options *t = &recipe->trainer;
    const double before = (double)steps_of(recipe->epochs, images, t->batch);
    const double stretch = (double)steps_of(recipe->epochs, images, batch) / before;

    t->batch = (int32_t)batch;
    t->warmup_steps = (int64_t)floor((double)t->warmup_steps * stretch);
    t->decay_steps = (int64_t)ceil((double)t->decay_steps * stretch);
}

cae_status recipe_choose(struct recipe *recipe, cae_context *context, const struct wishes *wishes,
                         int64_t images)
{
    cae_status status;

    recipe->epochs = wishes->epochs > 0 ? wishes->epochs
                                        : cae_preset_epochs((int32_t)wishes->preset, images);
    cae_optimizer_options_init(&recipe->optimizer, sizeof recipe->optimizer);
    cae_trainer_options_init(&recipe->trainer, sizeof recipe->trainer);
    status = cae_preset_options(&recipe->optimizer, &recipe->trainer, context,
                                (int32_t)wishes->preset, images, recipe->epochs);
    if (status)
        return status;
    if (wishes->batch > 0)
        set_batch(recipe, images, wishes->batch);
    if (wishes->lr > 0)
        recipe->optimizer.learning_rate = wishes->lr;
    recipe->trainer.seed = (uint64_t)wishes->seed;
    recipe->trainer.shuffle_window = wishes->window;
    recipe->trainer.noise_sigma = fmax(wishes->sigma, 0);
    recipe->trainer.noise_sigma_max = fmax(wishes->sigma_max, 0);
    return CAE_OK;
}

cae_status recipe_model(cae_model **out, cae_context *context, const struct wishes *wishes,
                        int32_t channels)
{
    cae_spec *spec = NULL;
    cae_status status = cae_spec_create(&spec, context);

    if (!status)
        status = cae_spec_add_preset(spec, (int32_t)wishes->preset, channels, 0);
    if (!status)
        status = cae_model_create(out, context, spec, (uint64_t)wishes->seed);
    cae_spec_destroy(spec);
    return status;
}

const char *recipe_loss_name(const struct recipe *recipe)
{
    switch (recipe->trainer.loss) {
    case CAE_LOSS_MSE: return recipe->trainer.ssim_weight > 0 ? "mse+ssim" : "mse";
    case CAE_LOSS_L1: return recipe->trainer.ssim_weight > 0 ? "l1+ssim" : "l1";
    case CAE_LOSS_HUBER: return recipe->trainer.ssim_weight > 0 ? "huber+ssim" : "huber";
    default: return recipe->trainer.ssim_weight > 0 ? "charbonnier+ssim" : "charbonnier";
    }
}
