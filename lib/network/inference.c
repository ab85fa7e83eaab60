/* inference.c - running a model, or half of one, on the caller's images. */
#include "network.h"

#include <inttypes.h>

/* One call of encode, decode or forward, cut into blocks of `plan.lanes` images, or of large
 * ones into tiles. */
struct run {
    const cae_context *context;
    const cae_model *model;
    int32_t part;
    struct cae__plan plan;
    const float *x;
    float *y;
    int64_t count;
    size_t x_length, y_length; /* floats of one image */
};

/* Scratch of one worker: two buffers to go back and forth between, and the columns. */
static void run_block(void *job, int64_t block, int worker)
{
    const struct run *run = job;
    const struct cae__plan *plan = &run->plan;
    const struct cae__kernels *kernels = run->context->kernels;
    float *scratch = cae__scratch(run->context, worker);
    float *const buffers[2] = {scratch, scratch + plan->longest};
    float *const rest = scratch + 2 * plan->longest;

    const int64_t first = block * plan->lanes, left = run->count - first;
    const int used = left < plan->lanes ? (int)left : plan->lanes;
    const float *x = run->x + (size_t)first * run->x_length;
    float *y = run->y + (size_t)first * run->y_length;
    if (plan->lanes == 1) {
        cae__plan_run(plan, y, x, buffers, rest);
    } else {
        float *const result = buffers[plan->count % 2];
        kernels->interleave(buffers[0], x, run->x_length, run->x_length, plan->lanes, used);
        cae__plan_run(plan, result, buffers[0], buffers, rest);
        kernels->deinterleave(y, result, run->y_length, run->y_length, plan->lanes, used);
    }
    if (plan->residual)
        cae__add(y, x, run->y_length * (size_t)used);
}

cae_status cae__check_array(const cae_context *context, const float *array, size_t values,
                            const char *name, int64_t count, int channels, int height, int width)
{
    size_t expected;
    if (!array && values > 0)
        return cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL", name);
    if ((uint64_t)count > SIZE_MAX ||
        !cae__multiply(&expected, (size_t)channels * (size_t)height * (size_t)width,
                       (size_t)count) ||
        expected != values)
        return cae__fail(context, CAE_ERR_SHAPE,
                         "%s has %zu values, expected %" PRId64 " x %dx%dx%d", name, values, count,
                         channels, height, width);
    return CAE_OK;
}

bool cae__overlap(const float *a, size_t a_count, const float *b, size_t b_count)
{
    const uintptr_t first = (uintptr_t)a, second = (uintptr_t)b;
    return first < second ? second - first < a_count * sizeof *a
                          : first - second < b_count * sizeof *b;
}

static cae_status run_images(struct run *run, cae_context *context, size_t x_count, size_t y_count)
{
    const struct cae__plan *plan = &run->plan;
    const struct cae__stage *first = &plan->stages[0], *last = &plan->stages[plan->count - 1];
    cae_status status = cae__check_array(context, run->x, x_count, "the input", run->count,
                                         first->layer->in_channels, first->in_h, first->in_w);
    if (status == CAE_OK)
        status = cae__check_array(context, run->y, y_count, "the output", run->count,
                                  last->layer->out_channels, last->out_h, last->out_w);
    if (status == CAE_OK && run->count > 0 && cae__overlap(run->x, x_count, run->y, y_count))
        status = cae__fail(context, CAE_ERR_ARGUMENT, "the output overlaps the input");
    if (status != CAE_OK || run->count == 0) /* of any size, which may be one that takes long */
        return status;
    if (plan->large)
        return cae__run_tiled(context, run->model, run->part, plan, run->y, run->x, run->count);
    const int64_t blocks = cae__plan_blocks(plan, run->count);
    status = cae__scratch_reserve(context, blocks,
                                  (2 * (uint64_t)plan->longest + plan->scratch) * sizeof(float));
    if (status != CAE_OK)
        return status;
    run->x_length = first->in_length / (size_t)plan->lanes;
    run->y_length = last->out_length / (size_t)plan->lanes;
    cae__parallel(context, blocks, run_block, run);
    return CAE_OK;
}

static cae_status run_part(float *y, size_t y_count, const cae_model *model, cae_context *context,
                           const float *x, size_t x_count, int64_t count, int32_t height,
                           int32_t width, int32_t part)
{
    if (!model)
        return cae__fail(context, CAE_ERR_ARGUMENT, "model is NULL");
    if (!context)
        context = model->handle.context;
    if (count < 0 || height < 1 || width < 1)
        return cae__fail(context, CAE_ERR_ARGUMENT,
                         "%" PRId64 " images of %dx%d, expected none or more of at least 1x1",
                         count, (int)height, (int)width);
    cae_status status = cae__check_part(context, model, part);
    if (status != CAE_OK)
        return status;
    struct run run = {.context = context, .model = model, .part = part, .x = x, .y = y,
                      .count = count};
    status = cae__plan_init(&run.plan, context, model, part, height, width, count, false);
    if (status != CAE_OK)
        return status;
    status = run_images(&run, context, x_count, y_count);
    cae__plan_finish(&run.plan, context);
    return status;
}

cae_status cae_model_forward(float *y, size_t y_count, const cae_model *model,
                             cae_context *context, const float *x, size_t x_count, int64_t count,
                             int32_t height, int32_t width)
{
    return run_part(y, y_count, model, context, x, x_count, count, height, width, CAE_PART_WHOLE);
}

cae_status cae_model_encode(float *latent, size_t latent_count, const cae_model *model,
                            cae_context *context, const float *x, size_t x_count, int64_t count,
                            int32_t height, int32_t width)
{
    return run_part(latent, latent_count, model, context, x, x_count, count, height, width,
                    CAE_PART_ENCODER);
}

cae_status cae_model_decode(float *y, size_t y_count, const cae_model *model,
                            cae_context *context, const float *latent, size_t latent_count,
                            int64_t count, int32_t height, int32_t width)
{
    return run_part(y, y_count, model, context, latent, latent_count, count, height, width,
                    CAE_PART_DECODER);
}
