/* evaluate.c - a model over a dataset, judged image by image.
 *
 * Blocks run in parallel; every image leaves its figures in a row of its own, and rows are summed
 * in order, so the number of threads changes no bit. A long dataset is worked off part by part. */
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

#define MOST_FIGURES ((int64_t)65536) /* images at a time: their rows are not to grow with the data */

enum { MSE, PSNR, SSIM, UNIFORM7, FIGURES };

/* Of one image: the output against the clean image, and the noisy input against it. */
struct figures {
    double output[FIGURES], noisy[FIGURES];
    bool unread; /* and there are none */
};

struct evaluation {
    const cae_context *context;
    const cae_dataset *dataset;
    const cae_evaluation_options *options;
    float sigma;
    struct cae__plan plan;
    int64_t first, end;      /* images of the part that is at work */
    struct figures *figures; /* one for each of them */
    struct figures sum;      /* of all before */
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
    const int64_t first = e->first + block * plan->lanes, left = e->end - first;
    struct figures *figures = &e->figures[first - e->first];
    const int used = left < plan->lanes ? (int)left : plan->lanes;

    unsigned char *room = cae__scratch(e->context, worker);
    double *ssim = (void *)(room + cae__dataset_room(d, 1));
    float *clean = (void *)(ssim + cae__ssim_scratch(d->width) / sizeof *ssim);
    float *other = clean + plan->stages[0].in_length;
    float *result = other + plan->stages[0].in_length;
    float *const first_buffer = result + plan->stages[plan->count - 1].out_length;
    float *const buffers[2] = {first_buffer, first_buffer + plan->longest};
    float *scratch = buffers[1] + plan->longest;

    for (int lane = 0; lane < used; lane++) {
        const uint64_t image = (uint64_t)(first + lane);
        float *pixels = clean + (size_t)lane * d->length, *noisy = other + (size_t)lane * d->length;
        figures[lane].unread = !cae__dataset_read(pixels, d, first + lane, room);
        if (figures[lane].unread)
            return;
        if (e->options->noise_sigma > 0.0)
            kernels->add_noise(noisy, pixels, d->length, 1, &e->sigma,
                               e->options->noise_seed, CAE_VISIT_EVALUATION, &image);
        else
            memcpy(noisy, pixels, d->length * sizeof *noisy);
    }
    for (int lane = 0; lane < used; lane++)
        judge(figures[lane].noisy, d, clean + (size_t)lane * d->length,
              other + (size_t)lane * d->length, ssim);

    kernels->interleave(buffers[0], other, d->length, d->length, plan->lanes, used);
    float *const output = buffers[plan->count % 2];
    cae__plan_run(plan, output, buffers[0], buffers, scratch);
    kernels->deinterleave(result, output, d->length, d->length, plan->lanes, used);
    if (plan->residual)
        cae__add(result, other, d->length * (size_t)used);
    for (int lane = 0; lane < used; lane++)
        judge(figures[lane].output, d, clean + (size_t)lane * d->length,
              result + (size_t)lane * d->length, ssim);
}

static void add_part(struct evaluation *e)
{
    for (int64_t i = 0; i < e->end - e->first; i++)
        for (int k = 0; k < FIGURES; k++) {
            e->sum.output[k] += e->figures[i].output[k];
            e->sum.noisy[k] += e->figures[i].noisy[k];
        }
}

static cae_evaluation summarize(const struct evaluation *e)
{
    const int64_t count = e->dataset->count;
    struct figures sum = e->sum;
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

/* The first image that could not be read, or CAE__ALL_READ. */
static int64_t find_unread(const struct evaluation *e)
{
    for (int64_t i = e->first; i < e->end; i++)
        if (e->figures[i - e->first].unread)
            return i;
    return CAE__ALL_READ;
}

/* Images first to end - 1. */
static cae_status run_part(struct evaluation *e, cae_context *context)
{
    const int64_t count = e->end - e->first;
    memset(e->figures, 0, (size_t)count * sizeof *e->figures);
    cae__parallel(context, cae__plan_blocks(&e->plan, count), evaluate_block, e);
    const int64_t unread = find_unread(e);
    if (unread != CAE__ALL_READ)
        return cae__dataset_explain(context, e->dataset, unread);
    fenv_t host;
    cae__arithmetic_begin(&host);
    add_part(e);
    cae__arithmetic_end(&host);
    return CAE_OK;
}

static cae_status run(cae_evaluation *result, struct evaluation *e, cae_context *context)
{
    const int64_t count = e->dataset->count, part = count < MOST_FIGURES ? count : MOST_FIGURES;
    cae_status status = cae__scratch_reserve(
        context, cae__plan_blocks(&e->plan, part),
        cae__dataset_room(e->dataset, 1) + cae__ssim_scratch(e->dataset->width) +
            block_floats(&e->plan) * sizeof(float));
    if (status != CAE_OK)
        return status;
    e->figures = cae__alloc(context, (size_t)part, sizeof *e->figures);
    if (!e->figures)
        return cae__fail_memory(context);
    for (e->first = 0; e->first < count && status == CAE_OK; e->first += part) {
        e->end = count - e->first < part ? count : e->first + part;
        status = run_part(e, context);
    }
    cae__free(context, e->figures);
    if (status != CAE_OK)
        return status;
    fenv_t host;
    cae__arithmetic_begin(&host);
    *result = summarize(e);
    cae__arithmetic_end(&host);
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
