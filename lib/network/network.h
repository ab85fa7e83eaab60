/* network.h - layers, the model that owns their parameters, and the plan that runs them. */
#ifndef CAE_NETWORK_H
#define CAE_NETWORK_H

#include "../base/base.h"
#include "../data/data.h"
#include "../kernels/kernels.h"

/* --- Description ------------------------------------------------------------------------------ */

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
    bool residual;      /* y = x + f(x) */
    int32_t initialization;
    int64_t parameters; /* of all layers; at most 2^31 - 1 */
};

/* "layer 2 (ConvTranspose 8->8)", for error texts. Counts from 0, as the tensor names do not. */
struct cae__label {
    char text[64];
};
struct cae__label cae__layer_label(const struct cae__layer *layer, int index);

/* Check one layer's numbers and append it. */
cae_status cae__spec_append(cae_spec *spec, const struct cae__layer *layer);
/* Take all layers away again. */
void cae__spec_clear(cae_spec *spec);
/* What cannot be checked before all layers are there. `context` keeps the error text. */
cae_status cae__spec_complete(const cae_context *context, const cae_spec *spec);
int cae__spec_encoder(const cae_spec *spec);

/* --- Geometry: the only code that computes an output size ------------------------------------- */

/* Columns of zeros at the ends of the rows of an array between two layers, so that the second need
 * not make a copy with them. */
struct cae__margin {
    int left, right;
};

/* Distances from row to row and from channel to channel, in floats, in an array that is a part of a
 * larger one; 0 for one that is not. */
struct cae__frame {
    ptrdiff_t row, plane;
};

/* What a correlation reads: the source itself or a copy with zeros at the ends of its rows, see
 * engine_direct.c. */
struct cae__view {
    int64_t top, left, width, there; /* columns: zeros before, all that is needed, the source's */
    ptrdiff_t source_row, source_plane;
    bool in_place;
    ptrdiff_t row, plane, start; /* distances in what is read, and where it begins in place */
    uint64_t length;             /* floats of the copy, 0 in place */
};

struct cae__correlator {
    struct cae__view view;
    int channels;       /* of the source */
    ptrdiff_t *offsets; /* of the taps, in the plan's memory */
    float *weights;     /* packed; NULL where they are never read */
    bool sliced;        /* for products of the gemm engine, one a tap, and packed for these */
};

/* A layer at one input size, or at a part of one. Lengths count floats with lanes. */
struct cae__stage {
    const struct cae__layer *layer;
    const struct cae__kernels *kernels;
    struct cae__window window;
    int whole_in_h, whole_in_w; /* of the whole image */
    int in_h, in_w, out_h, out_w;
    struct cae__margin in_margin, out_margin; /* of x and y */
    struct cae__margin dx_margin, dy_margin;  /* of their gradients */
    struct cae__frame in_frame, out_frame;    /* of x and y; the direct engine's alone */
    size_t in_length, out_length;             /* margins of x and y included */
    struct cae__tile tile; /* a full one, for matrix products */
    int64_t tiles;
    const float *weight, *bias;    /* parameters, bias NULL for none */
    size_t weight_at, bias_at;     /* the same as offsets into a flat gradient */
    struct cae__correlator gather, scatter;
    struct {
        bool forward, input_gradient, weight_gradient;
    } direct; /* which engine does what */
};

/* Sizes and window of a layer. CAE_ERR_SHAPE when the kernel does not fit the input or a buffer
 * would pass 2^31 - 1 floats, which is what BLAS counts with. `index` is for the error text. */
cae_status cae__stage_init(const cae_context *context, struct cae__stage *stage,
                           const struct cae__layer *layer, int index, int in_h, int in_w,
                           int lanes);

/* Floats of dy, its margins included. */
static inline size_t cae__dy_length(const struct cae__stage *s)
{
    const size_t row = (size_t)s->dy_margin.left + (size_t)s->out_w + (size_t)s->dy_margin.right;
    return (size_t)s->layer->out_channels * (size_t)s->out_h * row * (size_t)s->window.lanes;
}

/* Positions [first, end) along one axis. */
struct cae__span {
    int first, end;
};
/* The inputs of `extent` that a layer needs for the given outputs; `vertical` says which axis. */
struct cae__span cae__span_needed(const struct cae__layer *layer, bool vertical,
                                  struct cae__span out, int extent);
/* The stage for a part of its output, given the part of the input that is at hand. */
void cae__stage_crop(struct cae__stage *stage, struct cae__span in_h, struct cae__span in_w,
                     struct cae__span out_h, struct cae__span out_w);

/* --- Model ------------------------------------------------------------------------------------ */

struct cae__tensor {
    char name[24];
    int64_t shape[4];
    int rank;
    size_t at, count; /* floats: offset into the parameters, number of elements */
};

/* What scores of clean images came to, see scoring/. */
#define CAE__MOST_SMOOTHING 256
struct cae__calibration {
    double threshold, quantile;
    int32_t kind, smoothing; /* of cae_scorer_options */
    int64_t images;          /* 0: never calibrated */
};

struct cae_model {
    struct cae__handle handle;
    struct cae__layer *layers;
    int layer_count, encoder;
    bool residual;             /* a whole model adds its input */
    struct cae__tensor *tensors; /* a layer's weight, then its bias if it has one */
    int tensor_count;
    float *parameters; /* flat; an optimizer may exchange the block, never its size */
    size_t parameter_count;
    uint64_t revision; /* counts the changes of the parameters */
    char *note;        /* UTF-8; NULL for none */
    struct cae__calibration calibration;
    uint64_t calibration_revision; /* whose scores they were */
};

/* Parameters zero, not yet initialized. */
cae_status cae__model_allocate(cae_model **out, cae_context *context, const cae_spec *spec);
/* Drop one reference; the caller's own goes with cae_model_destroy. */
void cae__model_release(cae_model *model);
/* The same network with these parameters, laid out as the model's. */
cae_status cae__model_copy(cae_model **out, cae_context *context, const cae_model *model,
                           const float *parameters);
void cae__model_initialize(cae_model *model, int32_t initialization, uint64_t seed);
const struct cae__tensor *cae__model_find(const cae_model *model, const char *name);
/* Copy one tensor out of `flat`, which is laid out as the parameters are. */
cae_status cae__model_copy_out(float *values, size_t count, const cae_model *model,
                               const float *flat, const char *name);
bool cae__all_finite(const float *values, size_t count);
/* NULL when there is none, or the parameters have changed since. */
const struct cae__calibration *cae__model_calibration(const cae_model *model);
/* CAE_ERR_SHAPE unless the model maps an image of this size onto its own shape. */
cae_status cae__check_same_shape(const cae_context *context, const cae_model *model, int height,
                                 int width);
/* A caller's array of `count` images: CAE_ERR_ARGUMENT for NULL, CAE_ERR_SHAPE for another size. */
cae_status cae__check_array(const cae_context *context, const float *array, size_t values,
                            const char *name, int64_t count, int channels, int height, int width);
bool cae__overlap(const float *a, size_t a_count, const float *b, size_t b_count);

/* The layers of one part: [*first, *end). */
void cae__part_layers(int *first, int *end, const cae_model *model, int32_t part);
cae_status cae__check_part(const cae_context *context, const cae_model *model, int32_t part);
/* CAE_ERR_SHAPE for a part that adds its input to an output of another size. */
cae_status cae__check_residual(const cae_context *context, const cae_model *model, int32_t part,
                               int in_h, int in_w, int out_h, int out_w);
static inline bool cae__adds_input(const cae_model *model, int32_t part)
{
    return model->residual && part == CAE_PART_WHOLE;
}

/* --- Plan: some consecutive layers at one size, ready to run ---------------------------------- */

struct cae__plan {
    struct cae__stage *stages;
    int count;
    int lanes;
    bool large;       /* single images, better run in tiles */
    bool residual;    /* the output is the input plus what the stages make of it */
    uint64_t scratch; /* floats that any stage needs */
    size_t longest;   /* floats of the longest input, output or gradient */
    void *tables;     /* of the stages' correlators */
    struct cae__span input_rows, input_columns; /* of a crop: the part of the image that it reads */
};

/* A plan for `count` images: interleaved where there are enough of them to fill the lanes and they
 * are small, one by one where they are few or large. Only a `trainable` one can go backward. */
cae_status cae__plan_init(struct cae__plan *plan, const cae_context *context,
                          const cae_model *model, int32_t part, int height, int width,
                          int64_t count, bool trainable);
/* Point a plan for single images at a part of its output. Lengths and scratch change. A frame
 * says that x, or y, is that part of a larger array; only where the first, or last, stage
 * goes forward directly. */
void cae__plan_crop(struct cae__plan *plan, struct cae__span rows, struct cae__span columns,
                    struct cae__frame in, struct cae__frame out);
/* Blocks that `count` images make. */
int64_t cae__plan_blocks(const struct cae__plan *plan, int64_t count);
void cae__plan_finish(struct cae__plan *plan, const cae_context *context);
/* Point the stages at the model's parameters, which an optimizer may have exchanged and changed. */
void cae__plan_bind(struct cae__plan *plan, const cae_model *model, int32_t part);

/* Run one block. buffers[0] holds the input, buffers[i + 1] receives the output of stage i, and the
 * last one the sum of a residual plan. */
void cae__plan_forward(const struct cae__plan *plan, float *const *buffers, float *scratch);
/* Backward through all stages. `gradient` holds dloss/doutput and is overwritten, as is `spare`,
 * both `longest` floats; parameter gradients are added to `parameters`. */
void cae__plan_backward(const struct cae__plan *plan, float *const *buffers, float *gradient,
                        float *spare, float *parameters, float *scratch);

/* Run a block from x to y without keeping what lies between: that goes back and forth between the
 * two buffers, of `longest` floats. y may be one of them, x buffers[0]. Does not add the input of a
 * residual plan, which may be gone by then: the caller does, cae__add. */
void cae__plan_run(const struct cae__plan *plan, float *y, const float *x, float *const buffers[2],
                   float *scratch);

static inline void cae__add(float *y, const float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] += x[i];
}

/* A network at one size of large images: tiles that are computed apart, settled once. */
struct cae__tiling {
    struct cae__plan *plans; /* one a worker, pointed at tile after tile */
    int workers;
    int in_c, in_h, in_w, out_c, out_h, out_w;
    struct cae__frame in, out; /* none where the first or the last layer needs a dense array */
    int rows, columns;         /* of tiles */
    size_t longest;            /* floats, of any tile */
    uint64_t floats;           /* of a worker's scratch */
};

/* For `count` images a call, by the context's threads as they are now. `whole` is a plan for single
 * images of that size; it is not kept. */
cae_status cae__tiling_init(struct cae__tiling *tiling, const cae_context *context,
                            const cae_model *model, int32_t part, const struct cae__plan *whole,
                            int64_t count);
void cae__tiling_finish(struct cae__tiling *tiling, const cae_context *context);
int64_t cae__tiling_tiles(const struct cae__tiling *tiling, int64_t count);
/* As cae__plan_bind. */
void cae__tiling_bind(struct cae__tiling *tiling, const cae_model *model, int32_t part);
/* Run images, by no more workers than it was made for; their scratch has been reserved. */
void cae__tiling_run(const struct cae__tiling *tiling, cae_context *context, float *y,
                     const float *x, int64_t count);

/* All of that in one call. */
cae_status cae__run_tiled(cae_context *context, const cae_model *model, int32_t part,
                          const struct cae__plan *whole, float *y, const float *x, int64_t count);

/* --- Layers ------------------------------------------------------------------------------------ *
 *
 * Forward overwrites y. Backward adds to dw and db and overwrites dx, which is NULL below the first
 * layer; db is NULL without bias. Gradients are those before an activation: dy of this layer's, dx
 * of the one of layer `before`, which made x; NULL when x is what it is. */

void cae__layer_forward(const struct cae__stage *stage, float *y, const float *x, float *scratch);
void cae__layer_backward(const struct cae__stage *stage, float *dw, float *db, float *dx,
                         const float *x, const float *dy, const struct cae__layer *before,
                         float *scratch);

#endif
