/* calibrate.c - the score that a given share of clean images stays below. */
#include "scoring.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../training/training.h"

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Numbers >= 0 are in the order of their bits, whatever the host's environment makes of
 * denormal ones. */
static int by_bits(const void *a, const void *b)
{
    const uint64_t x = bits_of(*(const double *)a), y = bits_of(*(const double *)b);
    return x < y ? -1 : x > y;
}

/* Type 7 of Hyndman & Fan, "Sample quantiles in statistical packages" (1996), of sorted values. From
 * the nearer of the two, so that both ends are hit exactly and it never decreases in q. */
static double quantile_of(const double *sorted, int64_t count, double q)
{
    fenv_t host;
    cae__arithmetic_begin(&host);
    const double at = (double)(count - 1) * q;
    const int64_t below = (int64_t)at < count - 1 ? (int64_t)at : count - 1;
    const int64_t above = below + 1 < count ? below + 1 : below;
    const double part = at - (double)below, step = sorted[above] - sorted[below];
    const double result = part < 0.5 ? sorted[below] + step * part
                                     : sorted[above] - step * (1.0 - part);
    cae__arithmetic_end(&host);
    return result;
}

static cae_status check_scores(const cae_context *context, const double *scores, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!cae__is_not_negative(scores[i]))
            return cae__fail(context, CAE_ERR_NUMERIC,
                             "image %" PRId64 " of %" PRId64 ": the score is not finite", i, count);
    return CAE_OK;
}

static cae_status score_images(double *scores, cae_model *model, cae_context *context,
                               const cae_dataset *clean, const cae_scorer_options *o)
{
    cae_scorer *scorer;
    cae_status status =
        cae_scorer_create(&scorer, model, context, clean->height, clean->width, o);
    if (status == CAE_OK)
        status = cae__scorer_run_all(scores, scorer, clean);
    if (status == CAE_OK)
        status = check_scores(context, scores, clean->count);
    cae_scorer_destroy(scorer);
    return status;
}

cae_status cae_model_calibrate(double *threshold, cae_model *model, cae_context *context,
                               const cae_dataset *clean, double quantile,
                               const cae_scorer_options *options)
{
    if (!context && model)
        context = model->handle.context;
    if (!model || !clean)
        return cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL", model ? "clean" : "model");
    if (!cae__is_share(quantile))
        return cae__fail(context, CAE_ERR_ARGUMENT,
                         "quantile is %g, expected more than 0 and at most 1", quantile);
    cae_scorer_options o = cae__scorer_defaults;
    cae_status status = cae__scorer_options(context, &o, options);
    if (status == CAE_OK)
        status = cae__check_fit(context, model, clean);
    if (status != CAE_OK)
        return status;

    double *scores = cae__alloc(context, (size_t)clean->count, sizeof *scores);
    if (!scores)
        return cae__fail_memory(context);
    o.size = sizeof o; /* an older caller's was shorter */
    status = score_images(scores, model, context, clean, &o);
    if (status == CAE_OK) {
        qsort(scores, (size_t)clean->count, sizeof *scores, by_bits);
        model->calibration = (struct cae__calibration){
            quantile_of(scores, clean->count, quantile), quantile, o.kind, o.smoothing,
            clean->count};
        model->calibration_revision = model->revision;
        if (threshold)
            *threshold = model->calibration.threshold;
    }
    cae__free(context, scores);
    return status;
}

cae_status cae_model_threshold(double *threshold, double *quantile, cae_scorer_options *options,
                               const cae_model *model)
{
    if (!model)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = model->handle.context;
    const struct cae__calibration *c = cae__model_calibration(model);
    if (!c)
        return cae__fail(context, CAE_ERR_ARGUMENT,
                         "the model has no threshold: %s; call cae_model_calibrate on clean images, "
                         "or run `cae calibrate`",
                         model->calibration.images > 0
                             ? "its parameters have changed since it was calibrated"
                             : "it was never calibrated");
    if (options) {
        const cae_scorer_options o = {.size = sizeof o, .kind = c->kind, .smoothing = c->smoothing};
        const cae_status status =
            cae__result_write(context, options, &o, sizeof o, "cae_scorer_options");
        if (status != CAE_OK)
            return status;
    }
    if (threshold)
        *threshold = c->threshold;
    if (quantile)
        *quantile = c->quantile;
    return CAE_OK;
}
