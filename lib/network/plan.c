/* plan.c - a network at one image size: shapes, engines and scratch settled once, then run block by
 * block. */
#include "engine.h"

#include <string.h>

/* --- Which engine ----------------------------------------------------------------------------- */

/* Rows this long fill the vectors of every level; shorter ones are left to matrix products. */
#define SHORT_RUN 16

/* Zeros around a source may make its copy larger than all there is to compute, when a kernel is
 * larger than the image. */
static bool copy_is_modest(const struct cae__stage *stage, const struct cae__correlator *c)
{
    return c->view.length / 4 <= stage->in_length + stage->out_length;
}

/* `auto`: direct wherever the stride is 1, at every level and number of channels measured
 * (docs/performance.md), but for rows that are shorter than a vector. */
static void choose_engines(struct cae__stage *stage, int32_t engine)
{
    const struct cae__window *w = &stage->window;
    const int short_run = engine == CAE_ENGINE_DIRECT ? 0 : SHORT_RUN;
    bool gather = false, scatter = false;
    if (engine != CAE_ENGINE_GEMM && cae__direct_fits(stage->layer)) {
        gather = copy_is_modest(stage, &stage->gather) && w->grid_w * w->lanes >= short_run;
        scatter = copy_is_modest(stage, &stage->scatter) && w->image_w * w->lanes >= short_run;
    }
    stage->direct.forward = stage->layer->transposed ? scatter : gather;
    stage->direct.input_gradient = stage->layer->transposed ? gather : scatter;
    stage->direct.weight_gradient = gather;
    const bool slices = cae__gemm_slices(stage);
    stage->gather.sliced = !gather && slices && copy_is_modest(stage, &stage->gather);
    stage->scatter.sliced = !scatter && slices && copy_is_modest(stage, &stage->scatter);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Scratch of a stage and the longest of its arrays. */
static void measure(struct cae__plan *plan, const struct cae__stage *stage)
{
    if (!stage->direct.forward || !stage->direct.input_gradient || !stage->direct.weight_gradient)
        plan->scratch = larger(plan->scratch, cae__gemm_scratch(stage));
    if (stage->direct.forward || stage->direct.input_gradient)
        plan->scratch = larger(plan->scratch, cae__direct_scratch(stage));
    plan->longest = (size_t)larger(larger(plan->longest, cae__dy_length(stage)),
                                  larger(stage->in_length, stage->out_length));
}

/* --- Tables: offsets and packed weights of all stages in one block ---------------------------- */

struct needs {
    bool gather, scatter; /* packed weights */
};

static struct needs needs_of(const struct cae__stage *stage, bool dx)
{
    const bool transposed = stage->layer->transposed;
    const struct cae__correlator *forward = transposed ? &stage->scatter : &stage->gather;
    const struct cae__correlator *back = transposed ? &stage->gather : &stage->scatter;
    const bool ahead = stage->direct.forward || forward->sliced;
    const bool behind = dx && (stage->direct.input_gradient || back->sliced);
    return (struct needs){transposed ? behind : ahead, transposed ? ahead : behind};
}

static size_t weights_of(const struct cae__layer *l)
{
    return (size_t)l->in_channels * (size_t)l->out_channels * (size_t)l->kernel_h *
           (size_t)l->kernel_w;
}

static size_t padded(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

static cae_status allocate_tables(struct cae__plan *plan, const cae_context *context,
                                  bool trainable)
{
    size_t offsets = 0, floats = 0;
    for (int i = 0; i < plan->count; i++) {
        const struct cae__stage *stage = &plan->stages[i];
        const struct needs needs = needs_of(stage, trainable && i > 0);
        offsets += cae__direct_fits(stage->layer) ? cae__direct_taps(stage) : 0;
        floats += padded(weights_of(stage->layer)) * ((size_t)needs.gather + needs.scatter);
    }
    size_t bytes;
    if (!cae__multiply(&bytes, floats, sizeof(float)) ||
        offsets > (SIZE_MAX - bytes) / sizeof(ptrdiff_t))
        return cae__fail_memory(context);
    bytes += offsets * sizeof(ptrdiff_t);
    if (bytes == 0)
        return CAE_OK;
    float *weights = cae__alloc(context, 1, bytes);
    if (!weights)
        return cae__fail_memory(context);
    plan->tables = weights;

    ptrdiff_t *offset = (ptrdiff_t *)(void *)(weights + floats);
    for (int i = 0; i < plan->count; i++) {
        struct cae__stage *stage = &plan->stages[i];
        const struct needs needs = needs_of(stage, trainable && i > 0);
        const size_t step = padded(weights_of(stage->layer));
        if (needs.gather) {
            stage->gather.weights = weights;
            weights += step;
        }
        if (needs.scatter) {
            stage->scatter.weights = weights;
            weights += step;
        }
        if (cae__direct_fits(stage->layer)) {
            const struct cae__window *w = &stage->window;
            stage->gather.offsets = offset;
            stage->scatter.offsets =
                offset + (size_t)w->image_c * (size_t)w->kernel_h * (size_t)w->kernel_w;
            offset += cae__direct_taps(stage);
        }
    }
    return CAE_OK;
}

/* --- Making ----------------------------------------------------------------------------------- */

void cae__plan_bind(struct cae__plan *plan, const cae_model *model, int32_t part)
{
    int first, end;
    cae__part_layers(&first, &end, model, part);

    const struct cae__tensor *tensor = model->tensors;
    for (int i = 0; i < end; i++) {
        const struct cae__tensor *weight = tensor++;
        const struct cae__tensor *bias = model->layers[i].bias ? tensor++ : NULL;
        if (i < first)
            continue;
        struct cae__stage *stage = &plan->stages[i - first];
        stage->weight_at = weight->at;
        stage->bias_at = bias ? bias->at : 0;
        stage->weight = model->parameters + weight->at;
        stage->bias = bias ? model->parameters + bias->at : NULL;
        cae__direct_pack(stage);
    }
}

static cae_status init_stages(struct cae__plan *plan, const cae_context *context,
                              const struct cae__layer *layers, int first, int height, int width)
{
    for (int i = 0; i < plan->count; i++) {
        struct cae__stage *stage = &plan->stages[i];
        const cae_status status = cae__stage_init(context, stage, &layers[first + i], first + i,
                                                  height, width, plan->lanes);
        if (status != CAE_OK)
            return status;
        height = stage->out_h;
        width = stage->out_w;
        stage->kernels = context->kernels;
        cae__direct_view(stage);
        choose_engines(stage, context->engine);
    }
    return CAE_OK;
}

/* More than memory can address stays more: whoever allocates it is refused. */
static size_t length_with(struct cae__margin margin, size_t length, int w)
{
    const uint64_t row = (uint64_t)margin.left + (uint64_t)w + (uint64_t)margin.right;
    const uint64_t floats = length / (size_t)w * row; /* < 2^31 * 2^32 */
    return floats > SIZE_MAX ? SIZE_MAX : (size_t)floats;
}

/* Between two layers that both compute directly, one writes what the other needs around its rows:
 * the lower one y, the upper one its gradient. */
static void set_margins(struct cae__plan *plan, bool trainable)
{
    for (int i = 1; i < plan->count; i++) {
        struct cae__stage *stage = &plan->stages[i], *below = stage - 1, *above = stage + 1;
        if (below->direct.forward) {
            const struct cae__margin margin = cae__direct_in_margin(stage, trainable);
            stage->in_margin = below->out_margin = margin;
            stage->in_length = below->out_length =
                length_with(margin, stage->in_length, stage->in_w);
        }
        if (trainable && i + 1 < plan->count && above->direct.input_gradient)
            stage->dy_margin = above->dx_margin = cae__direct_dy_margin(stage);
        cae__direct_view(stage);
    }
}

static cae_status init(struct cae__plan *plan, const cae_context *context, const cae_model *model,
                       int32_t part, int height, int width, int lanes, bool trainable)
{
    int first, end;
    cae__part_layers(&first, &end, model, part);
    *plan = (struct cae__plan){.count = end - first, .lanes = lanes,
                               .residual = cae__adds_input(model, part)};
    plan->stages = cae__alloc(context, (size_t)plan->count, sizeof *plan->stages);
    if (!plan->stages)
        return cae__fail_memory(context);
    cae_status status = init_stages(plan, context, model->layers, first, height, width);
    const struct cae__stage *last = &plan->stages[plan->count - 1];
    if (status == CAE_OK)
        status = cae__check_residual(context, model, part, height, width, last->out_h,
                                     last->out_w);
    if (status == CAE_OK) {
        set_margins(plan, trainable);
        for (int i = 0; i < plan->count; i++)
            measure(plan, &plan->stages[i]);
        status = allocate_tables(plan, context, trainable);
    }
    if (status != CAE_OK) {
        cae__plan_finish(plan, context);
        return status;
    }
    for (int i = 0; i < plan->count; i++)
        cae__direct_aim(&plan->stages[i]);
    cae__plan_bind(plan, model, part);
    return CAE_OK;
}

/* Eight images side by side: runs of whole vectors on every machine, and a block of the reference
 * network that stays within a common L2 cache (docs/architecture.md has the measurement). The rows
 * of large images are long enough by themselves, and eight of them would only cost memory. */
#define LARGE 65536 /* pixels */

/* What becomes of an image on its way: a decoder may enlarge it. */
struct journey {
    bool large;      /* more than LARGE pixels somewhere */
    bool lanes_fit;  /* all stages have room for eight */
};

static struct journey survey(const cae_model *model, int32_t part, int height, int width)
{
    int first, end;
    struct journey journey = {(int64_t)height * width > LARGE, true};
    struct cae__stage stage = {.out_h = height, .out_w = width}, wide;
    cae__part_layers(&first, &end, model, part);
    for (int i = first; i < end; i++) {
        const struct cae__layer *layer = &model->layers[i];
        const int h = stage.out_h, w = stage.out_w;
        /* without a context, so that a no leaves no error text: init() will say it */
        if (cae__stage_init(NULL, &wide, layer, i, h, w, CAE__MOST_LANES) != CAE_OK)
            journey.lanes_fit = false;
        if (cae__stage_init(NULL, &stage, layer, i, h, w, 1) != CAE_OK)
            break;
        journey.large = journey.large || (int64_t)stage.out_h * stage.out_w > LARGE;
    }
    return journey;
}

cae_status cae__plan_init(struct cae__plan *plan, const cae_context *context,
                          const cae_model *model, int32_t part, int height, int width,
                          int64_t count, bool trainable)
{
    const struct journey journey = survey(model, part, height, width);
    const bool interleave = count >= CAE__MOST_LANES && !journey.large && journey.lanes_fit;
    const cae_status status = init(plan, context, model, part, height, width,
                                   interleave ? CAE__MOST_LANES : 1, trainable);
    plan->large = journey.large;
    return status;
}

void cae__plan_crop(struct cae__plan *plan, struct cae__span rows, struct cae__span columns,
                    struct cae__frame in, struct cae__frame out)
{
    plan->stages[0].in_frame = in;
    plan->stages[plan->count - 1].out_frame = out;
    plan->scratch = 0;
    plan->longest = 0;
    for (int i = plan->count - 1; i >= 0; i--) {
        struct cae__stage *stage = &plan->stages[i];
        const struct cae__span in_rows =
            cae__span_needed(stage->layer, true, rows, stage->whole_in_h);
        const struct cae__span in_columns =
            cae__span_needed(stage->layer, false, columns, stage->whole_in_w);
        cae__stage_crop(stage, in_rows, in_columns, rows, columns);
        cae__direct_view(stage);
        cae__direct_aim(stage);
        measure(plan, stage);
        rows = in_rows;
        columns = in_columns;
    }
    plan->input_rows = rows;
    plan->input_columns = columns;
}

int64_t cae__plan_blocks(const struct cae__plan *plan, int64_t count)
{
    return count / plan->lanes + (count % plan->lanes != 0);
}

void cae__plan_finish(struct cae__plan *plan, const cae_context *context)
{
    cae__free(context, plan->tables);
    cae__free(context, plan->stages);
    plan->tables = NULL;
    plan->stages = NULL;
}

/* --- Running ---------------------------------------------------------------------------------- */

void cae__plan_forward(const struct cae__plan *plan, float *const *buffers, float *scratch)
{
    for (int i = 0; i < plan->count; i++)
        cae__layer_forward(&plan->stages[i], buffers[i + 1], buffers[i], scratch);
    if (plan->residual) /* its last stage has no activation that would need what it overwrites */
        cae__add(buffers[plan->count], buffers[0], plan->stages[0].in_length);
}

void cae__plan_run(const struct cae__plan *plan, float *y, const float *x, float *const buffers[2],
                   float *scratch)
{
    for (int i = 0; i < plan->count; i++) {
        float *const to = i + 1 < plan->count ? buffers[(i + 1) % 2] : y;
        cae__layer_forward(&plan->stages[i], to, x, scratch);
        x = to;
    }
}

void cae__plan_backward(const struct cae__plan *plan, float *const *buffers, float *gradient,
                        float *spare, float *parameters, float *scratch)
{
    const struct cae__stage *last = &plan->stages[plan->count - 1];
    last->kernels->activation_backward(gradient, buffers[plan->count], (ptrdiff_t)last->out_length,
                                       last->layer->activation, last->layer->slope);
    for (int i = plan->count - 1; i >= 0; i--) {
        const struct cae__stage *stage = &plan->stages[i];
        const bool first = i == 0;
        cae__layer_backward(stage, parameters + stage->weight_at,
                            stage->bias ? parameters + stage->bias_at : NULL,
                            first ? NULL : spare, buffers[i], gradient,
                            first ? NULL : stage[-1].layer, scratch);
        float *const swap = gradient;
        gradient = spare;
        spare = swap;
    }
}
