/* folder.c - random crops of the images below a directory. */
#include "images.h"

#include "../data/data.h"

static const cae_folder_options defaults = {.size = sizeof defaults, .scale = CAE_SCALE_SIGNED,
                                            .channels = 3, .height = 32, .width = 32, .seed = 1,
                                            .memory = (int64_t)256 << 20};

cae_status cae_folder_options_init(cae_folder_options *options, uint32_t size)
{
    return cae__options_init(options, size, &defaults, sizeof defaults);
}

cae_status cae_dataset_open_folder(cae_dataset **out, cae_context *context, const char *directory,
                                   const cae_folder_options *options)
{
    if (!out)
        return cae__fail(context, CAE_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    (void)directory, (void)options;
    return cae__fail(context, CAE_ERR_UNSUPPORTED, "not yet");
}
