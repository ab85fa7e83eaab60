/* random.h - counter-based random numbers: a value is a function of what it is for, not of when it
 * is drawn. Shuffles and noise therefore do not depend on threads, batch size or interruptions. */
#ifndef CAE_RANDOM_H
#define CAE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Keeps the streams of one seed apart. Values are part of the file format: a resumed run must draw
 * what the interrupted one would have drawn. Never reuse one. */
enum cae__purpose {
    CAE__FOR_INIT = 1,
    CAE__FOR_SHUFFLE = 2,
    CAE__FOR_NOISE = 3,
    CAE__FOR_LEAVES = 4,
    CAE__FOR_SIGMA = 5,
    CAE__FOR_AUGMENT = 6,
    CAE__FOR_CROPS = 7,
    CAE__FOR_ROTATION = 8,
    CAE__FOR_CHUNKS = 9,
    CAE__FOR_WINDOWS = 10
};

#define CAE__PHILOX_MULTIPLIER_0 0xD2511F53u
#define CAE__PHILOX_MULTIPLIER_1 0xCD9E8D57u
#define CAE__PHILOX_WEYL_0 0x9E3779B9u /* golden ratio */
#define CAE__PHILOX_WEYL_1 0xBB67AE85u /* sqrt(3) - 1 */

/* Philox4x32-10 (Salmon et al. 2011): a 128-bit counter under a 64-bit key. */
void cae__philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

/* A sequence of draws: word `i` is Philox of counter (i / 4, id low, id high, purpose). */
struct cae__stream {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t words[4];
    int used; /* of the four words */
};

void cae__stream_init(struct cae__stream *stream, uint64_t seed, enum cae__purpose purpose,
                      uint64_t id);
uint32_t cae__stream_next(struct cae__stream *stream);
/* Uniform in [0, 1), a multiple of 2^-24. */
float cae__stream_uniform(struct cae__stream *stream);

/* Where index goes in the permutation of [0, count) that (seed, epoch) name, see permutation.c. */
uint64_t cae__permute(uint64_t index, uint64_t count, uint64_t seed, uint64_t epoch);
/* The same, where places that are near in time are near in space, see permutation.c. */
uint64_t cae__permute_near(uint64_t index, uint64_t count, uint64_t window, uint64_t seed,
                           uint64_t epoch);

#endif
