/* recipe.h - network and training as --preset says, changed by what was given beside it. */
#ifndef TRAINER_RECIPE_H
#define TRAINER_RECIPE_H

#include <cae/cae.h>

struct recipe {
    int64_t epochs;
    cae_optimizer_options optimizer;
    cae_trainer_options trainer;
};

/* What was asked for; 0 or less where nothing was, and then it is the preset's. */
struct wishes {
    int64_t preset; /* enum cae_preset */
    int64_t epochs, batch, seed;
    int64_t window; /* of the shuffle */
    double lr, sigma, sigma_max;
};

/* The names of the presets, for a table of arguments; NULL after the last. */
extern const char *const recipe_presets[];

/* Made for training on `images` images. */
cae_status recipe_choose(struct recipe *recipe, cae_context *context, const struct wishes *wishes,
                         int64_t images);

/* The preset's network, for images of `channels` channels. */
cae_status recipe_model(cae_model **out, cae_context *context, const struct wishes *wishes,
                        int32_t channels);

/* "mse", "charbonnier". */
const char *recipe_loss_name(const struct recipe *recipe);

#endif
