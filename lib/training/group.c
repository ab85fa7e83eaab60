/* group.c - one training by many ranks. */
#include "training.h"

static const cae_group_options defaults = {.size = sizeof defaults, .ranks = 1};

cae_status cae_group_options_init(cae_group_options *options, uint32_t size)
{
    return cae__options_init(options, size, &defaults, sizeof defaults);
}

cae_status cae_trainer_join(cae_trainer *trainer, const cae_group_options *options)
{
    (void)options;
    return trainer ? cae__fail(trainer->handle.context, CAE_ERR_UNSUPPORTED, "not yet")
                   : CAE_ERR_ARGUMENT;
}

cae_status cae_trainer_request_stop(cae_trainer *trainer)
{
    return trainer ? CAE_OK : CAE_ERR_ARGUMENT;
}
