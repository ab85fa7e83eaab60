/* recipe.h - network and training as --preset says, changed by what was given beside it. */
#ifndef TRAINER_RECIPE_H
#define TRAINER_RECIPE_H

#include "options.h"

#include <cae/cae.h>

struct recipe {
    int64_t epochs;
    cae_optimizer_options optimizer;
    cae_trainer_options trainer;
};

/* Made for training on `images` images. */
cae_status recipe_choose(struct recipe *recipe, cae_context *context, const struct options *options,
                         int64_t images);

/* The preset's network, for images of `channels` channels. */
cae_status recipe_model(cae_model **out, cae_context *context, const struct options *options,
                        int32_t channels);

/* "mse", "charbonnier". */
const char *recipe_loss_name(const struct recipe *recipe);

#endif
