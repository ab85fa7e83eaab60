/* permutation.c - a shuffle with no memory: the k-th image of an epoch is a function of k.
 *
 * A Feistel network over the smallest even number of bits that holds the count is a permutation of
 * that power of two, whatever its round function is; ours is Philox. Indices that land outside
 * [0, count) walk on until they fall inside (cycle walking; fewer than four steps on average, as
 * the power of two is below 4 count). Black & Rogaway, "Ciphers with arbitrary finite domains"
 * (2002). Nothing to store, to save or to split between machines. */
#include "random.h"

#define ROUNDS 8
#define CHUNK 256 /* indices that stay together: of 3 KB images a disk's head reads them in one go */

/* One of many permutations under a seed. */
struct name {
    uint64_t seed, number;
    enum cae__purpose purpose;
};

static uint32_t round_of(uint32_t half, uint32_t round, const struct name *name)
{
    const uint32_t counter[4] = {half, (uint32_t)name->number, (uint32_t)(name->number >> 32),
                                 (uint32_t)name->purpose << 24 | round};
    const uint32_t key[2] = {(uint32_t)name->seed, (uint32_t)(name->seed >> 32)};
    uint32_t out[4];
    cae__philox(out, counter, key);
    return out[0];
}

static uint64_t permute(uint64_t index, uint64_t count, const struct name *name)
{
    unsigned half_bits = 1;
    while (half_bits < 31 && (uint64_t)1 << 2 * half_bits < count)
        half_bits++;
    const uint32_t mask = ((uint32_t)1 << half_bits) - 1;

    do {
        uint32_t left = (uint32_t)(index >> half_bits), right = (uint32_t)index & mask;
        for (uint32_t round = 0; round < ROUNDS; round++) {
            const uint32_t next = left ^ (round_of(right, round, name) & mask);
            left = right;
            right = next;
        }
        index = (uint64_t)left << half_bits | right;
    } while (index >= count);
    return index;
}

uint64_t cae__permute(uint64_t index, uint64_t count, uint64_t seed, uint64_t epoch)
{
    return permute(index, count, &(struct name){seed, epoch, CAE__FOR_SHUFFLE});
}

/* The indices lie in a ring. From a random place on they are cut into chunks; what is left over comes
 * last, the whole chunks before it in random order. Along that order a window is filled with so many
 * indices, which are shuffled, then the next. Each of the three is a permutation, and so is all of it;
 * by turning the ring no index is among the left over, or beside the same cut, in every epoch. */
uint64_t cae__permute_near(uint64_t index, uint64_t count, uint64_t window, uint64_t seed,
                           uint64_t epoch)
{
    const uint64_t number = index / window, first = number * window;
    const uint64_t fill = count - first < window ? count - first : window;
    const struct name within = {seed, (epoch & 0xffffff) << 40 | (number & 0xffffffffff),
                                CAE__FOR_WINDOWS};
    const uint64_t place = first + permute(index - first, fill, &within);

    const uint64_t chunks = count / CHUNK; /* whole ones */
    uint64_t chunk = place / CHUNK;
    if (chunk < chunks)
        chunk = permute(chunk, chunks, &(struct name){seed, epoch, CAE__FOR_CHUNKS});
    const uint64_t turn = permute(0, count, &(struct name){seed, epoch, CAE__FOR_ROTATION});
    const uint64_t found = chunk * CHUNK + place % CHUNK;
    return found < count - turn ? found + turn : found - (count - turn);
}
