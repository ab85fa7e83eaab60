/* philox.c - Philox4x32-10, from the algorithm in Salmon, Moraes, Dror & Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3" (SC 2011). The tests hold it to the published known answers. */
#include "random.h"

void cae__philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];

    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)CAE__PHILOX_MULTIPLIER_0 * c0;
        const uint64_t p1 = (uint64_t)CAE__PHILOX_MULTIPLIER_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += CAE__PHILOX_WEYL_0;
        k1 += CAE__PHILOX_WEYL_1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void cae__stream_init(struct cae__stream *stream, uint64_t seed, enum cae__purpose purpose,
                      uint64_t id)
{
    stream->key[0] = (uint32_t)seed;
    stream->key[1] = (uint32_t)(seed >> 32);
    stream->counter[0] = 0;
    stream->counter[1] = (uint32_t)id;
    stream->counter[2] = (uint32_t)(id >> 32);
    stream->counter[3] = (uint32_t)purpose;
    stream->used = 4;
}

uint32_t cae__stream_next(struct cae__stream *stream)
{
    if (stream->used == 4) {
        cae__philox(stream->words, stream->counter, stream->key);
        stream->counter[0]++;
        stream->used = 0;
    }
    return stream->words[stream->used++];
}

float cae__stream_uniform(struct cae__stream *stream)
{
    return (float)(cae__stream_next(stream) >> 8) * 0x1p-24f;
}
