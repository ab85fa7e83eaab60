/* vector.h - the vectors of the instruction set that a file is being compiled for.
 *
 * Files listed under `per_level` in lib/meson.build are compiled once for each level of kernels.h, and
 * are plain C in terms of this: as wide as the target's registers, with its number of them. */
#ifndef CAE_VECTOR_H
#define CAE_VECTOR_H

#include <stdint.h>
#include <string.h>

#if defined __AVX512F__
#define WIDTH 16
#elif defined __AVX__
#define WIDTH 8
#else
#define WIDTH 4 /* SSE2, NEON; emulated elsewhere */
#endif

/* Enough to keep 24 sums in registers, or only 12. */
#if defined __AVX512F__ || defined __aarch64__
#define MANY_REGISTERS 1
#else
#define MANY_REGISTERS 0
#endif

typedef float vector __attribute__((vector_size(WIDTH * 4)));
typedef int32_t vector_mask __attribute__((vector_size(WIDTH * 4)));

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

/* memcpy: no alignment is asked for, and compilers make it one instruction. */
INLINE vector load(const float *from)
{
    vector v;
    memcpy(&v, from, sizeof v);
    return v;
}

INLINE void store(float *to, vector v)
{
    memcpy(to, &v, sizeof v);
}

INLINE vector broadcast(float value)
{
    return value - (vector){0};
}

/* v where the mask is set, 0 elsewhere. Comparisons of vectors give such masks. */
INLINE vector keep(vector v, vector_mask mask)
{
    return (vector)((vector_mask)v & mask);
}

/* The sum of all lanes, halves first: a tree, so its rounding does not grow with the width. */
INLINE float sum_of_lanes(vector v)
{
    float lanes[WIDTH];
    memcpy(lanes, &v, sizeof lanes);
    UNROLL for (int half = WIDTH / 2; half > 0; half /= 2)
        UNROLL for (int i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

#endif
