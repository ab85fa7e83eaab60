/* permutation.c - a shuffle with no memory: the k-th image of an epoch is a function of k.
 *
 * A Feistel network over the smallest even number of bits that holds the count is a permutation of
 * that power of two, whatever its round function is; ours is Philox. Indices that land outside
 * [0, count) walk on until they fall inside (cycle walking; fewer than four steps on average, as
 * the power of two is below 4 count). Black & Rogaway, "Ciphers with arbitrary finite domains"
 * (2002). Nothing to store, to save or to split between machines. */
#include "random.h"

#define ROUNDS 8

static uint32_t round_of(uint32_t half, uint32_t round, uint64_t seed, uint64_t epoch)
{
    const uint32_t counter[4] = {half, (uint32_t)epoch, (uint32_t)(epoch >> 32),
                                 (uint32_t)CAE__FOR_SHUFFLE << 24 | round};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t out[4];
    cae__philox(out, counter, key);
    return out[0];
}

uint64_t cae__permute(uint64_t index, uint64_t count, uint64_t seed, uint64_t epoch)
{
    unsigned half_bits = 1;
    while (half_bits < 31 && (uint64_t)1 << 2 * half_bits < count)
        half_bits++;
    const uint32_t mask = ((uint32_t)1 << half_bits) - 1;

    do {
        uint32_t left = (uint32_t)(index >> half_bits), right = (uint32_t)index & mask;
        for (uint32_t round = 0; round < ROUNDS; round++) {
            const uint32_t next = left ^ (round_of(right, round, seed, epoch) & mask);
            left = right;
            right = next;
        }
        index = (uint64_t)left << half_bits | right;
    } while (index >= count);
    return index;
}
