/* noise.c - Gaussian noise: Philox words through Box & Muller's transform.
 *
 *   counter = (block, image low, visit, purpose << 24 | image high)   key = seed
 *   u1 = ((word0 >> 8) + 1) 2^-24 in (0, 1]    u2 = (word1 >> 8) 2^-24 in [0, 1)
 *   n0 = sqrt(-2 ln u1) cos(2 pi u2)          n1 = sqrt(-2 ln u1) sin(2 pi u2)
 *
 * One counter gives four words and so four normals. CHUNK counters are worked at a time, of one
 * image or of eight interleaved ones, each step a plain loop over arrays that compilers turn
 * into vectors. Logarithm, sine and cosine are short polynomials of our own, because libm's do
 * not vectorize and differ between systems; this file is compiled without contraction of a * b
 * + c, so the noise has the same bits on every machine. 24-bit uniforms bound |n| by sqrt(48 ln
 * 2) = 5.77. */
#include "random.h"

#include "../kernels/kernels.h"
#include "../kernels/vector.h"

#include <math.h>
#include <string.h>

#define CHUNK 64   /* worked at a time */
#define COUNTERS 64 /* in a block of 256 values of an image */
#define PI 3.14159265358979f

/* ln x for x in (0, 1]: x = 2^e m with m in [sqrt(1/2), sqrt(2)); ln m = 2 atanh(s), s
 * = (m-1)/(m+1), |s| <= 0.172, five terms: truncation below 3e-9. */
static float log_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int32_t shifted = (int32_t)(bits - 0x3f3504f3u); /* sqrt(1/2) maps to exponent 0 */
    const float e = (float)(shifted >> 23);
    const uint32_t mantissa = ((uint32_t)shifted & 0x007fffffu) + 0x3f3504f3u;
    float m;
    memcpy(&m, &mantissa, sizeof m);
    const float s = (m - 1.0f) / (m + 1.0f), z = s * s;
    const float series =
        1.0f + z * (1.0f / 3 + z * (1.0f / 5 + z * (1.0f / 7 + z * (1.0f / 9))));
    return e * 0.693147180559945f + 2.0f * s * series;
}

/* cos and sin of 2 pi u for u in [0, 1): a quarter turn at a time, Taylor series on +-pi/4, whose
 * first dropped terms are below 3e-8. */
static void turn(float u, float *cosine, float *sine)
{
    const float quarters = u * 4.0f;
    const int32_t q = (int32_t)(quarters + 0.5f);
    const float r = (quarters - (float)q) * (PI / 2), z = r * r;
    const float s =
        r * (1.0f - z * (1.0f / 6 - z * (1.0f / 120 - z * (1.0f / 5040 - z * (1.0f / 362880)))));
    const float c = 1.0f - z * (1.0f / 2 - z * (1.0f / 24 - z * (1.0f / 720 - z * (1.0f / 40320))));
    const float x = q & 1 ? s : c, y = q & 1 ? c : s;
    *cosine = (q + 1) & 2 ? -x : x;
    *sine = q & 2 ? -y : y;
}

static void normals(const uint32_t *word0, const uint32_t *word1, float *cosines, float *sines)
{
    for (int i = 0; i < CHUNK; i++) {
        const float u1 = (float)((int32_t)(word0[i] >> 8) + 1) * 0x1p-24f;
        const float u2 = (float)(int32_t)(word1[i] >> 8) * 0x1p-24f;
        const float radius = sqrtf(-2.0f * log_of(u1));
        float c, s;
        turn(u2, &c, &s);
        cosines[i] = radius * c;
        sines[i] = radius * s;
    }
}

/* What a chunk's entries are for: CHUNK / lanes counters of each lane, the words of their Philox
 * counters in 64-bit lanes. */
struct chunk {
    uint64_t step[CHUNK], image[CHUNK], tail[CHUNK];
    float sigma[CHUNK];
};

INLINE void chunk_init(struct chunk *chunk, int lanes, const float *sigmas, const uint64_t *images)
{
    for (int i = 0; i < CHUNK; i++) {
        chunk->step[i] = (uint64_t)(i / lanes);
        chunk->image[i] = images[i % lanes];
        chunk->sigma[i] = sigmas[i % lanes];
        chunk->tail[i] = (uint32_t)CAE__FOR_NOISE << 24 | (images[i % lanes] >> 32 & 0xffffffu);
    }
}

/* The rounds of philox.c. Words lie in the low halves of 64-bit lanes; what is in the high
 * halves does not count, because multiplications look at low halves and everything else keeps
 * bits in their place. */
INLINE void philox(vector_wide c[4], uint64_t seed)
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    UNROLL for (int round = 0; round < 10; round++) {
        const vector_wide p0 = multiply_low(c[0], CAE__PHILOX_MULTIPLIER_0);
        const vector_wide p1 = multiply_low(c[2], CAE__PHILOX_MULTIPLIER_1);
        c[0] = p1 >> 32 ^ c[1] ^ k0;
        c[1] = p1;
        c[2] = p0 >> 32 ^ c[3] ^ k1;
        c[3] = p0;
        k0 += CAE__PHILOX_WEYL_0;
        k1 += CAE__PHILOX_WEYL_1;
    }
}

INLINE void counters_at(vector_wide c[4], const struct chunk *chunk, int entry, uint32_t first,
                        uint32_t visit)
{
    memcpy(&c[0], chunk->step + entry, sizeof c[0]);
    memcpy(&c[1], chunk->image + entry, sizeof c[1]);
    memcpy(&c[3], chunk->tail + entry, sizeof c[3]);
    c[0] += first;
    c[2] = (vector_wide){0} + visit;
}

/* Four words for each entry, the counters beginning at `first`. */
INLINE void philox_chunk(uint32_t words[4][CHUNK], const struct chunk *chunk, uint32_t first,
                         uint32_t visit, uint64_t seed)
{
    for (int entry = 0; entry < CHUNK; entry += WIDTH) {
        vector_wide low[4], high[4]; /* entries, the first half and the second */
        counters_at(low, chunk, entry, first, visit);
        counters_at(high, chunk, entry + WIDTH / 2, first, visit);
        philox(low, seed);
        philox(high, seed);
        UNROLL for (int i = 0; i < 4; i++) {
            const vector_word word = low_halves((vector_word)low[i], (vector_word)high[i]);
            memcpy(words[i] + entry, &word, sizeof word);
        }
    }
}

/* Value 256 a + 64 b + c of an image is normal b of its counter 64 a + c. */
INLINE void add_block(float *out, const float *values, size_t count, int lanes,
                      const struct chunk *chunk, uint32_t first, uint32_t visit, uint64_t seed)
{
    uint32_t words[4][CHUNK];
    float noise[4][CHUNK];
    const uint32_t step = (uint32_t)(CHUNK / lanes); /* counters worked at a time */

    for (uint32_t c = 0; c < COUNTERS && c < count; c += step) {
        philox_chunk(words, chunk, first + c, visit, seed);
        normals(words[0], words[1], noise[0], noise[1]);
        normals(words[2], words[3], noise[2], noise[3]);
        for (uint32_t b = 0; b < 4 && b * COUNTERS + c < count; b++) {
            const size_t at = b * COUNTERS + c, left = count - at < step ? count - at : step;
            const size_t from = at * (size_t)lanes, length = left * (size_t)lanes;
            for (size_t i = 0; i < length; i++)
                out[from + i] = values[from + i] + chunk->sigma[i] * noise[b][i];
        }
    }
}

INLINE void add_all(float *out, const float *values, size_t count, int lanes,
                    const float *sigmas, uint64_t seed, uint32_t visit, const uint64_t *images)
{
    const size_t block = 4 * COUNTERS;
    struct chunk chunk;
    chunk_init(&chunk, lanes, sigmas, images);
    for (size_t done = 0; done < count; done += block) {
        const size_t left = count - done < block ? count - done : block;
        const size_t at = done * (size_t)lanes;
        add_block(out + at, values + at, left, lanes, &chunk, (uint32_t)(done / 4), visit, seed);
    }
}

void CAE__LEVEL(cae__add_noise)(float *out, const float *values, size_t count, int lanes,
                                const float *sigmas, uint64_t seed, uint32_t visit,
                                const uint64_t *images)
{
    if (lanes == 1) /* constants, for the divisions above */
        add_all(out, values, count, 1, sigmas, seed, visit, images);
    else
        add_all(out, values, count, 8, sigmas, seed, visit, images);
}
