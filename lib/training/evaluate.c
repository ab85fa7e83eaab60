/* evaluate.c - a model over a dataset, judged image by image.
 *
 * Blocks run in parallel; every image leaves its figures in a row of its own, and rows are summed
 * in order, so the number of threads changes no bit. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "../metrics/metrics.h"
#include "../random/random.h"
#include "training.h"

static const cae_evaluation_options defaults = {.size = sizeof defaults, .noise_seed = 123};

cae_status cae_evaluation_options_init(cae_evaluation_options *options, uint32_t size)
{
    return cae__options_init(options, size, &defaults, sizeof defaults);
}

static const cae_evaluation nothing = {.size = sizeof nothing};

cae_status cae_evaluation_init(cae_evaluation *evaluation, uint32_t size)
{
    return cae__options_init(evaluation, size, &nothing, sizeof nothing);
}

enum { MSE, PSNR, SSIM, UNIFORM7, FIGURES };

/* Of one image: the output against the clean image, and the noisy input against it. */
struct figures {
    double output[FIGURES], noisy[FIGURES];
};

struct evaluation {
    const cae_context *context;
    const cae_dataset *dataset;
    const cae_evaluation_options *options;
    float sigma;
    struct cae__plan plan;
    struct figures *figures; /* one per image */
};

static uint64_t block_floats(const struct cae__plan *plan)
{
    const struct cae__stage *first = &plan->stages[0], *last = &plan->stages[plan->count - 1];
    return 2 * (uint64_t)first->in_length + (uint64_t)last->out_length +
           2 * (uint64_t)plan->longest + plan->scratch;
}

static void judge(double *figures, const cae_dataset *d, const float *clean, const float *other,
                  double *scratch)
{
    const double range = cae_dataset_range(d);
    figures[MSE] = cae__mse(clean, other, d->length);
    figures[PSNR] = cae__psnr_of(figures[MSE], range);
    figures[SSIM] = cae__ssim(clean, other, d->channels, d->height, d->width, range,
                              CAE_SSIM_GAUSSIAN11, scratch);
    figures[UNIFORM7] = cae__ssim(clean, other, d->channels, d->height, d->width, range,
                                  CAE_SSIM_UNIFORM7, scratch);
}

static void evaluate_block(void *job, int64_t block, int worker)
{
    const struct evaluation *e = job;
    const cae_dataset *d = e->dataset;
    const struct cae__plan *plan = &e->plan;
    const struct cae__kernels *kernels = e->context->kernels;
    const int64_t first = block * plan->lanes, left = d->count - first;
    const int used = left < plan->lanes ? (int)left : plan->lanes;

    double *ssim = cae__scratch(e->context, worker);
    float *clean = (void *)(ssim + cae__ssim_scratch(d->width) / sizeof *ssim);
    float *other = clean + plan->stages[0].in_length;
    float *result = other + plan->stages[0].in_length;
    float *const first_buffer = result + plan->stages[plan->count - 1].out_length;
    float *const buffers[2] = {first_buffer, first_buffer + plan->longest};
    float *scratch = buffers[1] + plan->longest;

    for (int lane = 0; lane < used; lane++) {
        const uint64_t image = (uint64_t)(first + lane);
        float *pixels = clean + (size_t)lane * d->length, *noisy = other + (size_t)lane * d->length;
        cae__dataset_read(pixels, d, first + lane);
        if (e->options->noise_sigma > 0.0)
            kernels->add_noise(noisy, pixels, d->length, 1, &e->sigma,
                               e->options->noise_seed, CAE_VISIT_EVALUATION, &image);
        else
            memcpy(noisy, pixels, d->length * sizeof *noisy);
    }
    for (int lane = 0; lane < used; lane++)
        judge(e->figures[first + lane].noisy, d, clean + (size_t)lane * d->length,
              other + (size_t)lane * d->length, ssim);

    kernels->interleave(buffers[0], other, d->length, d->length, plan->lanes, used);
    float *const output = buffers[plan->count % 2];
    cae__plan_run(plan, output, buffers[0], buffers, scratch);
    kernels->deinterleave(result, output, d->length, d->length, plan->lanes, used);
    if (plan->residual)
        cae__add(result, other, d->length * (size_t)used);
    for (int lane = 0; lane < used; lane++)
        judge(e->figures[first + lane].output, d, clean + (size_t)lane * d->length,
              result + (size_t)lane * d->length, ssim);
}

static cae_evaluation summarize(const struct evaluation *e)
{
    const int64_t count = e->dataset->count;
    struct figures sum = {{0}, {0}};
    for (int64_t i = 0; i < count; i++)
        for (int k = 0; k < FIGURES; k++) {
            sum.output[k] += e->figures[i].output[k];
            sum.noisy[k] += e->figures[i].noisy[k];
        }
    for (int k = 0; k < FIGURES; k++) {
        sum.output[k] /= (double)count;
        sum.noisy[k] /= (double)count;
    }
    return (cae_evaluation){
        .images = count,
        .mse = sum.output[MSE],
        .psnr = sum.output[PSNR],
        .psnr_global = cae__psnr_of(sum.output[MSE], cae_dataset_range(e->dataset)),
        .ssim = sum.output[SSIM],
        .ssim_uniform7 = sum.output[UNIFORM7],
        .noisy_mse = sum.noisy[MSE],
        .noisy_psnr = sum.noisy[PSNR],
        .noisy_ssim = sum.noisy[SSIM],
        .noisy_ssim_uniform7 = sum.noisy[UNIFORM7],
    };
}

static cae_status run(cae_evaluation *result, struct evaluation *e, cae_context *context)
{
    const int64_t count = e->dataset->count;
    const int64_t blocks = cae__plan_blocks(&e->plan, count);
    const cae_status status = cae__scratch_reserve(
        context, blocks,
        cae__ssim_scratch(e->dataset->width) + block_floats(&e->plan) * sizeof(float));
    if (status != CAE_OK)
        return status;
    e->figures = cae__alloc(context, (size_t)count, sizeof *e->figures);
    if (!e->figures)
        return cae__fail_memory(context);
    cae__parallel(context, blocks, evaluate_block, e);
    fenv_t host;
    cae__arithmetic_begin(&host);
    *result = summarize(e);
    cae__arithmetic_end(&host);
    cae__free(context, e->figures);
    return isfinite(result->mse) ? CAE_OK
                                 : cae__fail(context, CAE_ERR_NUMERIC,
                                             "the mean squared error over %" PRId64 " images is %g",
                                             count, result->mse);
}

cae_status cae_model_evaluate(cae_evaluation *out, const cae_model *model, cae_context *context,
                              const cae_dataset *dataset, const cae_evaluation_options *options)
{
    if (!context && model)
        context = model->handle.context;
    if (!out || !model || !dataset)
        return cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL",
                         !out ? "out" : !model ? "model" : "dataset");
    cae_evaluation_options o = defaults;
    cae_status status = cae__options_read(context, &o, sizeof o, options, "cae_evaluation_options");
    if (status != CAE_OK)
        return status;
    if (!cae__is_sigma(o.noise_sigma) || o.reserved != 0)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "noise_sigma is %g, expected a finite value >= 0, and reserved must be 0",
                         o.noise_sigma);
    status = cae__check_fit(context, model, dataset);
    if (status != CAE_OK)
        return status;
    status = cae__result_write(context, out, &nothing, sizeof nothing, "cae_evaluation");
    if (status != CAE_OK)
        return status;

    struct evaluation e = {.context = context, .dataset = dataset, .options = &o,
                           .sigma = cae__to_float(o.noise_sigma)};
    status = cae__plan_init(&e.plan, context, model, CAE_PART_WHOLE, dataset->height,
                            dataset->width, dataset->count, false);
    if (status != CAE_OK)
        return status;
    cae_evaluation result = nothing;
    status = run(&result, &e, context);
    cae__plan_finish(&e.plan, context);
    return status != CAE_OK ? status
                            : cae__result_write(context, out, &result, sizeof result,
                                                "cae_evaluation");
}
