/* schedule.c - the learning rate as a function of the step alone, so there is no state to save. */
#include "training.h"

#include <inttypes.h>
#include <math.h>

static const double pi = 3.14159265358979323846;

cae_status cae__schedule_check(const cae_context *context, const cae_trainer_options *o)
{
    if (o->schedule < CAE_SCHEDULE_CONSTANT || o->schedule > CAE_SCHEDULE_COSINE)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "schedule is %d, expected CAE_SCHEDULE_CONSTANT, _STEP or _COSINE",
                         (int)o->schedule);
    if (o->warmup_steps < 0)
        return cae__fail(context, CAE_ERR_OPTIONS, "warmup_steps is %" PRId64 ", expected >= 0",
                         o->warmup_steps);
    if (o->schedule == CAE_SCHEDULE_STEP && o->decay_steps < 1)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "decay_steps is %" PRId64 ", a step schedule expects >= 1",
                         o->decay_steps);
    if (o->schedule == CAE_SCHEDULE_COSINE && o->decay_steps <= o->warmup_steps)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "decay_steps is %" PRId64 ", a cosine schedule expects more than its %"
                         PRId64 " warm-up steps", o->decay_steps, o->warmup_steps);
    if (!(o->decay_factor > 0.0 && o->decay_factor <= 1.0))
        return cae__fail(context, CAE_ERR_OPTIONS, "decay_factor is %g, expected in (0, 1]",
                         o->decay_factor);
    if (!(o->final_fraction >= 0.0 && o->final_fraction <= 1.0))
        return cae__fail(context, CAE_ERR_OPTIONS, "final_fraction is %g, expected in [0, 1]",
                         o->final_fraction);
    return CAE_OK;
}

double cae__schedule_factor(const cae_trainer_options *o, int64_t step)
{
    if (step < o->warmup_steps)
        return (double)(step + 1) / (double)o->warmup_steps;
    const int64_t after = step - o->warmup_steps;

    switch (o->schedule) {
    case CAE_SCHEDULE_STEP: {
        const int64_t times = after / o->decay_steps; /* whole ones */
        return pow(o->decay_factor, (double)times);
    }
    case CAE_SCHEDULE_COSINE: {
        const double u = (double)after / (double)(o->decay_steps - o->warmup_steps);
        const double wave = 0.5 * (1.0 + cos(pi * (u < 1.0 ? u : 1.0)));
        return o->final_fraction + (1.0 - o->final_fraction) * wave;
    }
    default:
        return 1.0;
    }
}
