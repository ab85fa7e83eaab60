/* plan.c - a network at one image size: shapes and scratch settled once, then run block by block. */
#include "network.h"

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
    }
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static cae_status init(struct cae__plan *plan, const cae_context *context, const cae_model *model,
                       int32_t part, int height, int width, int lanes)
{
    int first, end;
    cae__part_layers(&first, &end, model, part);
    *plan = (struct cae__plan){.count = end - first, .lanes = lanes};
    plan->stages = cae__alloc(context, (size_t)plan->count, sizeof *plan->stages);
    if (!plan->stages)
        return cae__fail_memory(context);

    for (int i = 0; i < plan->count; i++) {
        struct cae__stage *stage = &plan->stages[i];
        const cae_status status = cae__stage_init(context, stage, &model->layers[first + i],
                                                  first + i, height, width, lanes);
        if (status != CAE_OK) {
            cae__plan_finish(plan, context);
            return status;
        }
        height = stage->out_h;
        width = stage->out_w;
        plan->longest = larger(plan->longest, larger(stage->in_length, stage->out_length));
        const uint64_t columns = (uint64_t)cae__column_rows(&stage->window) *
                                 (uint64_t)cae__tile_length(&stage->window, stage->tile);
        plan->columns = plan->columns > columns ? plan->columns : columns;
    }
    cae__plan_bind(plan, model, part);
    return CAE_OK;
}

/* Do all stages have room for so many lanes? A decoder may enlarge: eight can be too many where one
 * fits. Without a context, so that a no leaves no error text. */
static bool lanes_fit(const cae_model *model, int32_t part, int height, int width, int lanes)
{
    int first, end;
    struct cae__stage stage = {.out_h = height, .out_w = width};
    cae__part_layers(&first, &end, model, part);
    for (int i = first; i < end; i++)
        if (cae__stage_init(NULL, &stage, &model->layers[i], i, stage.out_h, stage.out_w, lanes) !=
            CAE_OK)
            return false;
    return true;
}

/* Eight images side by side: runs of whole vectors on every machine, and a block of the reference
 * network that stays within a common L2 cache (docs/architecture.md has the measurement). The rows of
 * large images are long enough by themselves, and eight of them would only cost memory. */
#define LARGE 65536 /* pixels */

cae_status cae__plan_init(struct cae__plan *plan, const cae_context *context,
                          const cae_model *model, int32_t part, int height, int width,
                          int64_t count)
{
    const bool interleave = count >= CAE__MOST_LANES && (int64_t)height * width <= LARGE &&
                            lanes_fit(model, part, height, width, CAE__MOST_LANES);
    return init(plan, context, model, part, height, width, interleave ? CAE__MOST_LANES : 1);
}

int64_t cae__plan_blocks(const struct cae__plan *plan, int64_t count)
{
    return count / plan->lanes + (count % plan->lanes != 0);
}

void cae__plan_finish(struct cae__plan *plan, const cae_context *context)
{
    cae__free(context, plan->stages);
    plan->stages = NULL;
}

static void forward(const struct cae__stage *stage, const float *x, float *y, float *columns)
{
    if (stage->layer->transposed)
        cae__conv_transpose_forward(stage, x, y, columns);
    else
        cae__conv_forward(stage, x, y, columns);
}

static void backward(const struct cae__stage *stage, const float *x, const float *dy, float *dw,
                     float *db, float *dx, float *columns)
{
    if (stage->layer->transposed)
        cae__conv_transpose_backward(stage, x, dy, dw, db, dx, columns);
    else
        cae__conv_backward(stage, x, dy, dw, db, dx, columns);
}

void cae__plan_forward(const struct cae__plan *plan, float *const *buffers, float *columns)
{
    for (int i = 0; i < plan->count; i++)
        forward(&plan->stages[i], buffers[i], buffers[i + 1], columns);
}

float *cae__plan_run(const struct cae__plan *plan, float *const buffers[2], float *columns)
{
    for (int i = 0; i < plan->count; i++)
        forward(&plan->stages[i], buffers[i % 2], buffers[(i + 1) % 2], columns);
    return buffers[plan->count % 2];
}

void cae__plan_backward(const struct cae__plan *plan, float *const *buffers, float *gradient,
                        float *spare, float *parameters, float *columns)
{
    for (int i = plan->count - 1; i >= 0; i--) {
        const struct cae__stage *stage = &plan->stages[i];
        const struct cae__layer *l = stage->layer;
        cae__activation_backward(gradient, buffers[i + 1], (ptrdiff_t)stage->out_length,
                                 l->activation, l->slope);
        backward(stage, buffers[i], gradient, parameters + stage->weight_at,
                 l->bias ? parameters + stage->bias_at : NULL, i > 0 ? spare : NULL, columns);
        float *const swap = gradient;
        gradient = spare;
        spare = swap;
    }
}
