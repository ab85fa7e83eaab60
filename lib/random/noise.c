/* noise.c - Gaussian noise: Philox words through Box & Muller's transform.
 *
 *   counter = (block, image low, visit, purpose << 24 | image high)   key = seed
 *   u1 = ((word0 >> 8) + 1) 2^-24 in (0, 1]    u2 = (word1 >> 8) 2^-24 in [0, 1)
 *   n0 = sqrt(-2 ln u1) cos(2 pi u2)          n1 = sqrt(-2 ln u1) sin(2 pi u2)
 *
 * One counter gives four words and so four normals. CHUNK counters are worked at a time, of one image or
 * of eight interleaved ones, each step a plain loop over arrays that compilers turn into vectors. Logarithm, sine and cosine are short
 * polynomials of our own, because libm's do not vectorize and differ between systems; this file is
 * compiled without contraction of a * b + c, so the noise has the same bits on every machine.
 * 24-bit uniforms bound |n| by sqrt(48 ln 2) = 5.77. */
#include "random.h"

#include "../kernels/kernels.h"
#include "../kernels/vector.h"

#include <math.h>
#include <string.h>

#define CHUNK 64   /* worked at a time */
#define COUNTERS 64 /* in a block of 256 values of an image */
#define PI 3.14159265358979f

/* ln x for x in (0, 1]: x = 2^e m with m in [sqrt(1/2), sqrt(2)); ln m = 2 atanh(s), s = (m-1)/(m+1),
 * |s| <= 0.172, five terms: truncation below 3e-9. */
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

/* Philox on the counters first, first + 1, ... of all lanes, CHUNK / lanes of them: the rounds of
 * philox.c, one array a word. */
INLINE void philox_chunk(uint32_t w[4][CHUNK], uint32_t first, int lanes, const uint64_t *images,
                         uint32_t visit, uint64_t seed)
{
    for (int i = 0; i < CHUNK; i++) {
        const uint64_t image = images[i % lanes];
        w[0][i] = first + (uint32_t)(i / lanes);
        w[1][i] = (uint32_t)image;
        w[2][i] = visit;
        w[3][i] = (uint32_t)CAE__FOR_NOISE << 24 | ((uint32_t)(image >> 32) & 0xffffffu);
    }
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < CHUNK; i++) {
            const uint64_t p0 = (uint64_t)CAE__PHILOX_MULTIPLIER_0 * w[0][i];
            const uint64_t p1 = (uint64_t)CAE__PHILOX_MULTIPLIER_1 * w[2][i];
            w[0][i] = (uint32_t)(p1 >> 32) ^ w[1][i] ^ k0;
            w[1][i] = (uint32_t)p1;
            w[2][i] = (uint32_t)(p0 >> 32) ^ w[3][i] ^ k1;
            w[3][i] = (uint32_t)p0;
        }
        k0 += CAE__PHILOX_WEYL_0;
        k1 += CAE__PHILOX_WEYL_1;
    }
}

/* Value 256 a + 64 b + c of an image is normal b of its counter 64 a + c. */
INLINE void add_block(float *values, size_t count, int lanes, float sigma, uint64_t seed,
                      uint32_t visit, const uint64_t *images, uint32_t first)
{
    uint32_t words[4][CHUNK];
    float noise[4][CHUNK];
    const uint32_t step = (uint32_t)(CHUNK / lanes); /* counters worked at a time */

    for (uint32_t c = 0; c < COUNTERS; c += step) {
        philox_chunk(words, first + c, lanes, images, visit, seed);
        normals(words[0], words[1], noise[0], noise[1]);
        normals(words[2], words[3], noise[2], noise[3]);
        for (uint32_t b = 0; b < 4 && b * COUNTERS + c < count; b++) {
            const size_t at = b * COUNTERS + c, left = count - at < step ? count - at : step;
            float *to = values + at * (size_t)lanes;
            for (size_t i = 0; i < left * (size_t)lanes; i++)
                to[i] += sigma * noise[b][i];
        }
    }
}

/* `lanes` is 1 or 8: constants, for the divisions above. */
void CAE__LEVEL(cae__add_noise)(float *values, size_t count, int lanes, float sigma, uint64_t seed,
                                uint32_t visit, const uint64_t *images)
{
    const size_t block = 4 * COUNTERS;
    for (size_t done = 0; done < count; done += block) {
        const size_t left = count - done < block ? count - done : block;
        float *to = values + done * (size_t)lanes;
        const uint32_t first = (uint32_t)(done / 4);
        if (lanes == 1)
            add_block(to, left, 1, sigma, seed, visit, images, first);
        else
            add_block(to, left, 8, sigma, seed, visit, images, first);
    }
}
