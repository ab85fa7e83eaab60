/* network.h - layers, the model that owns their parameters, and the plan that runs them. */
#ifndef CAE_NETWORK_H
#define CAE_NETWORK_H

#include "../base/base.h"
#include "../kernels/kernels.h"

/* --- Description ---------------------------------------------------------------------------------- */

/* One layer as the user described it; every number has been checked. */
struct cae__layer {
    bool transposed;
    int in_channels, out_channels;
    int kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w;
    int dilation_h, dilation_w, output_padding_h, output_padding_w;
    bool bias;
    int32_t activation;
    float slope;
};

struct cae_spec {
    struct cae__handle handle;
    struct cae__layer *layers;
    int count, capacity;
    int encoder;        /* layers in the encoder; -1 until it was said */
    int64_t parameters; /* of all layers; at most 2^31 - 1 */
};

/* "layer 2 (ConvTranspose 8->8)", for error texts. Counts from 0, as the tensor names do not. */
struct cae__label {
    char text[64];
};
struct cae__label cae__layer_label(const struct cae__layer *layer, int index);

/* Check one layer's numbers and append it. */
cae_status cae__spec_append(cae_spec *spec, const struct cae__layer *layer);
int cae__spec_encoder(const cae_spec *spec);

/* --- Geometry: the only code that computes an output size -------------------------------------------- */

/* A layer at one input size. Lengths count floats with lanes. */
struct cae__stage {
    const struct cae__layer *layer;
    struct cae__window window;
    int in_h, in_w, out_h, out_w;
    size_t in_length, out_length;
    struct cae__tile tile; /* a full one */
    int64_t tiles;
    const float *weight, *bias;    /* parameters, bias NULL for none */
    size_t weight_at, bias_at;     /* the same as offsets into a flat gradient */
};

/* CAE_ERR_SHAPE when the kernel does not fit the input or a buffer would pass 2^31 - 1 floats, which
 * is what BLAS counts with. `index` is for the error text. */
cae_status cae__stage_init(const cae_context *context, struct cae__stage *stage,
                           const struct cae__layer *layer, int index, int in_h, int in_w,
                           int lanes);

/* --- Model ------------------------------------------------------------------------------------------------ */

struct cae__tensor {
    char name[24];
    int64_t shape[4];
    int rank;
    size_t at, count; /* floats: offset into the parameters, number of elements */
};

struct cae_model {
    struct cae__handle handle;
    struct cae__layer *layers;
    int layer_count, encoder;
    struct cae__tensor *tensors; /* a layer's weight, then its bias if it has one */
    int tensor_count;
    float *parameters; /* flat; an optimizer may exchange the block, never its size */
    size_t parameter_count;
    uint64_t revision; /* counts the changes of the parameters */
};

/* Parameters zero, not yet initialized. */
cae_status cae__model_allocate(cae_model **out, cae_context *context,
                               const struct cae__layer *layers, int count, int encoder);
void cae__model_initialize(cae_model *model, uint64_t seed);
const struct cae__tensor *cae__model_find(const cae_model *model, const char *name);
/* Copy one tensor out of `flat`, which is laid out as the parameters are. */
cae_status cae__model_copy_out(float *values, size_t count, const cae_model *model,
                               const float *flat, const char *name);
bool cae__all_finite(const float *values, size_t count);

/* The layers of one part: [*first, *end). */
void cae__part_layers(int *first, int *end, const cae_model *model, int32_t part);
cae_status cae__check_part(const cae_context *context, const cae_model *model, int32_t part);

/* --- Plan: some consecutive layers at one size, ready to run ------------------------------------------------ */

struct cae__plan {
    struct cae__stage *stages;
    int count;
    int lanes;
    uint64_t columns; /* floats of scratch that any stage needs */
    size_t longest;   /* floats of the longest input or output */
};

#define CAE__MOST_LANES 8

/* A plan for `count` images: interleaved where there are enough of them to fill the lanes and they
 * are small, one by one where they are few or large. */
cae_status cae__plan_init(struct cae__plan *plan, const cae_context *context,
                          const cae_model *model, int32_t part, int height, int width,
                          int64_t count);
/* Blocks that `count` images make. */
int64_t cae__plan_blocks(const struct cae__plan *plan, int64_t count);
void cae__plan_finish(struct cae__plan *plan, const cae_context *context);
/* Point the stages at the model's parameters, which an optimizer may have exchanged. */
void cae__plan_bind(struct cae__plan *plan, const cae_model *model, int32_t part);

/* Run one block. buffers[0] holds the input, buffers[i + 1] receives the output of stage i. */
void cae__plan_forward(const struct cae__plan *plan, float *const *buffers, float *columns);
/* Backward through all stages. `gradient` holds dloss/doutput and is overwritten, as is `spare`,
 * both `longest` floats; parameter gradients are added to `parameters`. */
void cae__plan_backward(const struct cae__plan *plan, float *const *buffers, float *gradient,
                        float *spare, float *parameters, float *columns);

/* Run a block without keeping what lies between: x is in buffers[0], the result in the returned
 * one of the two. */
float *cae__plan_run(const struct cae__plan *plan, float *const buffers[2], float *columns);

/* --- Layers -------------------------------------------------------------------------------------------------- *
 *
 * Forward overwrites y. Backward adds to dw and db and overwrites dx, which is NULL below the first
 * layer; dy is the gradient before the activation. db is NULL without bias. `columns` is scratch. */

void cae__conv_forward(const struct cae__stage *stage, const float *x, float *y, float *columns);
void cae__conv_backward(const struct cae__stage *stage, const float *x, const float *dy, float *dw,
                        float *db, float *dx, float *columns);
void cae__conv_transpose_forward(const struct cae__stage *stage, const float *x, float *y,
                                 float *columns);
void cae__conv_transpose_backward(const struct cae__stage *stage, const float *x, const float *dy,
                                  float *dw, float *db, float *dx, float *columns);

/* --- Loss -------------------------------------------------------------------------------------------------------- */

struct cae__loss {
    int32_t kind;
    float delta;
};

/* dy = dloss/dy scaled by `scale`; returns the sum of the loss over the first `used` lanes. Unused
 * lanes get gradient 0 and so contribute nothing further down. */
double cae__loss_gradient(const struct cae__loss *loss, float *dy, const float *y,
                          const float *target, size_t pixels, int lanes, int used, float scale);

#endif
