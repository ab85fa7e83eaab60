/* average.c - the exponential moving average of a model's parameters (Polyak & Juditsky 1992 for
 * the idea of averaging). Like the optimizer, an update reads one copy and writes the other, so
 * that the last one can be taken back. */
#include <math.h>
#include <string.h>

#include "training.h"

cae_status cae__average_create(cae_trainer *trainer)
{
    const cae_context *context = trainer->handle.context;
    const size_t count = trainer->model->parameter_count;
    if (trainer->options.average_decay == 0.0)
        return CAE_OK;
    trainer->average = cae__alloc(context, count, sizeof(float));
    trainer->average_before = cae__alloc(context, count, sizeof(float));
    if (!trainer->average || !trainer->average_before)
        return cae__fail_memory(context);
    memcpy(trainer->average, trainer->model->parameters, count * sizeof(float));
    return CAE_OK;
}

void cae__average_destroy(cae_trainer *trainer)
{
    cae__free(trainer->handle.context, trainer->average);
    cae__free(trainer->handle.context, trainer->average_before);
}

void cae__average_exchange(cae_trainer *trainer)
{
    float *const kept = trainer->average;
    trainer->average = trainer->average_before;
    trainer->average_before = kept;
}

/* Early on the average follows faster, so that it does not remember the initial weights for
 * long. */
void cae__average_update(cae_trainer *trainer)
{
    if (!trainer->average)
        return;
    const double t = (double)trainer->now.step, most = trainer->options.average_decay;
    const double decay = fmin(most, (1.0 + t) / (10.0 + t)), part = 1.0 - decay;
    const float *restrict old = trainer->average, *restrict w = trainer->model->parameters;
    float *restrict next = trainer->average_before;
    /* in double: between finite values it stays finite, however far apart they are */
    for (size_t i = 0; i < trainer->model->parameter_count; i++)
        next[i] = (float)(decay * (double)old[i] + part * (double)w[i]);
    cae__average_exchange(trainer);
}

cae_status cae_trainer_average(cae_model **out, const cae_trainer *trainer)
{
    if (out)
        *out = NULL;
    if (!trainer)
        return CAE_ERR_ARGUMENT;
    cae_context *context = trainer->handle.context;
    if (!out)
        return cae__fail(context, CAE_ERR_ARGUMENT, "out is NULL");
    return cae__model_copy(out, context, trainer->model,
                           trainer->average ? trainer->average : trainer->model->parameters);
}
