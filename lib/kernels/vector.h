/* vector.h - the vectors of the instruction set that a file is being compiled for.
 *
 * Files listed under `per_level` in lib/meson.build are compiled once for each level of kernels.h,
 * and are plain C in terms of this: as wide as the target's registers, with its number of them. */
#ifndef CAE_VECTOR_H
#define CAE_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined __SSE2__
#include <immintrin.h>
#endif

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
#if defined __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* The lanes of a, b side by side that are listed; `mask` is a vector of integers of their size. gcc
 * has had its own spelling for longer than the common one. */
#if defined __clang__ || __GNUC__ >= 12
#define SHUFFLE(mask, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(mask, a, b, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif

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

/* A load that is used several times, kept in a register: compilers like to repeat it as an operand
 * in memory instead, and then the loads are what limits. */
INLINE vector load_once(const float *from)
{
    vector v = load(from);
#if defined __AVX512F__
    __asm__("" : "+v"(v));
#elif defined __SSE2__
    __asm__("" : "+x"(v));
#elif defined __aarch64__
    __asm__("" : "+w"(v));
#endif
    return v;
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

/* The sums of all lanes of each of `count` vectors, in order; overwrites the vectors. A tree, so
 * its rounding does not grow with the width: lanes are added half on half, and the halves of two
 * vectors fill one again. `sums` has room for whole vectors. */
#if WIDTH == 16
#define EVEN_8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define ODD_8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define EVEN_4 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27
#define ODD_4 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31
#define EVEN_2 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29
#define ODD_2 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31
#define EVEN_1 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD_1 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif WIDTH == 8
#define EVEN_4 0, 1, 2, 3, 8, 9, 10, 11
#define ODD_4 4, 5, 6, 7, 12, 13, 14, 15
#define EVEN_2 0, 1, 4, 5, 8, 9, 12, 13
#define ODD_2 2, 3, 6, 7, 10, 11, 14, 15
#define EVEN_1 0, 2, 4, 6, 8, 10, 12, 14
#define ODD_1 1, 3, 5, 7, 9, 11, 13, 15
#else
#define EVEN_2 0, 1, 4, 5
#define ODD_2 2, 3, 6, 7
#define EVEN_1 0, 2, 4, 6
#define ODD_1 1, 3, 5, 7
#endif

#define ADD_HALVES(a, b, half)                                                                     \
    (SHUFFLE(vector_mask, a, b, EVEN_##half) + SHUFFLE(vector_mask, a, b, ODD_##half))

INLINE vector add_halves(vector a, vector b, const int half)
{
#if WIDTH == 16
    if (half == 8)
        return ADD_HALVES(a, b, 8);
#endif
#if WIDTH >= 8
    if (half == 4)
        return ADD_HALVES(a, b, 4);
#endif
    return half == 2 ? ADD_HALVES(a, b, 2) : ADD_HALVES(a, b, 1);
}

INLINE void sums_of_lanes(float *sums, vector *vectors, const int count)
{
    int left = count;
    UNROLL for (int half = WIDTH / 2; half > 0; half /= 2) {
        UNROLL for (int i = 0; i < left; i += 2)
            vectors[i / 2] =
                add_halves(vectors[i], i + 1 < left ? vectors[i + 1] : (vector){0}, half);
        left = (left + 1) / 2;
    }
    UNROLL for (int i = 0; i < left; i++)
        store(sums + i * WIDTH, vectors[i]);
}

/* One instruction, once the compiler has seen the whole vector. */
INLINE vector square_root(vector v)
{
    float values[WIDTH];
    store(values, v);
    for (int i = 0; i < WIDTH; i++)
        values[i] = sqrtf(values[i]);
    return load(values);
}

/* a where the mask is set, b elsewhere. */
INLINE vector select(vector_mask mask, vector a, vector b)
{
    return (vector)(((vector_mask)a & mask) | ((vector_mask)b & ~mask));
}

/* Sums that have the same bits at every level are kept in sixteen parts, in as many vectors
 * as that takes. */
enum { PARTS = 16, PART_VECTORS = PARTS / WIDTH };

/* 64-bit lanes of which the low halves count. */
typedef uint64_t vector_wide __attribute__((vector_size(WIDTH * 4)));
typedef uint32_t vector_word __attribute__((vector_size(WIDTH * 4)));

/* Low half times factor, all 64 bits: one instruction that compilers do not find by themselves. */
INLINE vector_wide multiply_low(vector_wide a, uint32_t factor)
{
    const vector_wide b = (vector_wide){0} + factor;
#if defined __AVX512F__
    return (vector_wide)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined __AVX2__
    return (vector_wide)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined __SSE2__
    return (vector_wide)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
    return (a & 0xffffffffu) * b;
#endif
}

/* The low halves of the 64-bit lanes of a, then those of b. */
INLINE vector_word low_halves(vector_word a, vector_word b)
{
#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return SHUFFLE(vector_mask, a, b, ODD_1);
#else
    return SHUFFLE(vector_mask, a, b, EVEN_1);
#endif
}

#endif
