/* engine.h - the three operations of a window, each by two engines.
 *
 *   gather            grid[g][p]  = sum over i, taps of w[g][i][tap] image[i][pixel of (p, tap)]
 *   scatter           image[i][.] = sum over g, taps of w[g][i][tap] grid[g][p] at that pixel
 *   weight gradient   dw[g][i][tap] += sum over p of grid[g][p] image[i][pixel of (p, tap)]
 *
 * with grid [G][P][Q][B], image [I][H][W][B], w [G][I][R][S]. A convolution goes forward by gather,
 * a transposed convolution by scatter; each is the other's input gradient. `gemm` makes matrix
 * products of them, for every geometry; `direct` correlates in place, for stride 1. */
#ifndef CAE_ENGINE_H
#define CAE_ENGINE_H

#include "network.h"

/* What happens to a result on its way out: y = activation(y + bias), or, with a gate, which is what
 * activation(...) gave on the way forward, y = y activation'(...). */
struct cae__finish {
    const float *bias, *gate; /* NULL for none */
    int32_t activation;
    float slope;
    struct cae__margin margin, gate_margin; /* of y and of gate; the direct engine's alone */
    struct cae__frame frame;                /* of y, likewise */
};

void cae__gemm_gather(const struct cae__stage *stage, float *grid, const float *image,
                      struct cae__finish finish, float *scratch);
void cae__gemm_scatter(const struct cae__stage *stage, float *image, const float *grid,
                       struct cae__finish finish, float *scratch);
void cae__gemm_weight_gradient(const struct cae__stage *stage, float *dw, const float *grid,
                               const float *image, float *scratch);
/* Floats of scratch that any of the three needs. */
uint64_t cae__gemm_scratch(const struct cae__stage *stage);
/* Is it better to multiply tap by tap, without columns? Where the stride is 1 and
 * channels are many. */
bool cae__gemm_slices(const struct cae__stage *stage);

void cae__direct_gather(const struct cae__stage *stage, float *grid, const float *image,
                        struct cae__finish finish, float *scratch);
void cae__direct_scatter(const struct cae__stage *stage, float *image, const float *grid,
                         struct cae__finish finish, float *scratch);
void cae__direct_weight_gradient(const struct cae__stage *stage, float *dw, const float *grid,
                                 const float *image, float *scratch);
/* Can it: stride 1. */
bool cae__direct_fits(const struct cae__layer *layer);
/* Offsets and weights that the stage's tables need room for. */
size_t cae__direct_taps(const struct cae__stage *stage);
/* What a correlation reads: the source, or a copy in scratch with zeros at the ends of its rows. */
const float *cae__direct_fetch(const struct cae__stage *stage, const struct cae__view *view,
                               const float *source, int channels, int h, float *scratch);
/* Settle what both correlations read, once the window is known; then where their taps are. */
void cae__direct_view(struct cae__stage *stage);
void cae__direct_aim(struct cae__stage *stage);
/* Zeros that x, or dy, had better have at the ends of its rows. */
struct cae__margin cae__direct_in_margin(const struct cae__stage *stage, bool trainable);
struct cae__margin cae__direct_dy_margin(const struct cae__stage *stage);
/* Pack the stage's weights. */
void cae__direct_pack(struct cae__stage *stage);
uint64_t cae__direct_scratch(const struct cae__stage *stage);

#endif
