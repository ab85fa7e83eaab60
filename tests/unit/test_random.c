/* test_random.c - the generator against published answers, and what is built on it. */
#include "../../lib/kernels/kernels.h"
#include "../../lib/random/random.h"
#include "../common/common.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The known answers for philox4x32 with 10 rounds that its authors publish with Random123. */
START_TEST(philox_known_answers)
{
    static const struct {
        uint32_t counter[4], key[2], expected[4];
    } answers[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        cae__philox(out, answers[i].counter, answers[i].key);
        ck_assert(memcmp(out, answers[i].expected, sizeof out) == 0);
    }
}
END_TEST

/* The noise as noise.c defines it, with libm and one counter at a time. */
START_TEST(noise_equals_its_definition)
{
    enum { COUNT = 1000 };
    const uint64_t seed = 0x123456789abcdef0u, image = 0x200000007u;
    const uint32_t visit = 9, key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    float values[COUNT] = {0};
    const struct cae__kernels *kernels = cae__kernels_at(CAE_CPU_BASELINE + _i);
    if (!kernels)
        return;
    kernels->add_noise(values, values, COUNT, 1, (const float[]){2.0f}, seed, visit, &image);

    /* eight images side by side, this one among them, get what each gets alone, each with its sigma */
    static const float sigmas[8] = {0.5f, 0, 3, 2, 1e-3f, 0.25f, 2, 7};
    float lanes[COUNT * 8] = {0}, alone[COUNT] = {0};
    uint64_t images[8] = {1, 2, UINT64_C(0xffffffffffffff), image, 0, 7, image + 1, 9};
    kernels->add_noise(lanes, lanes, COUNT, 8, sigmas, seed, visit, images);
    for (int lane = 0; lane < 8; lane++) {
        memset(alone, 0, sizeof alone);
        kernels->add_noise(alone, alone, COUNT, 1, &sigmas[lane], seed, visit, &images[lane]);
        for (int i = 0; i < COUNT; i++)
            ck_assert(lanes[8 * i + lane] == alone[i] && (lane != 3 || alone[i] == values[i]));
    }

    for (int i = 0; i < COUNT; i++) {
        const int chunk = i / 256, word = i % 256 / 64, within = i % 64;
        const uint32_t counter[4] = {(uint32_t)(64 * chunk + within), (uint32_t)image, visit,
                                     CAE__FOR_NOISE << 24 | (uint32_t)(image >> 32)};
        uint32_t w[4];
        cae__philox(w, counter, key);
        const double u1 = ((w[word / 2 * 2] >> 8) + 1) / 16777216.0;
        const double u2 = (w[word / 2 * 2 + 1] >> 8) / 16777216.0;
        const double radius = sqrt(-2 * log(u1)), angle = 2 * 3.14159265358979323846 * u2;
        const double expected = 2 * radius * (word % 2 ? sin(angle) : cos(angle));
        /* polynomials to 3e-8, a few float roundings of numbers up to 12 */
        ck_assert_msg(fabs(values[i] - expected) <= 4e-6, "value %d: %.9g, expected %.9g", i,
                      values[i], expected);
    }
}
END_TEST

/* Same bits on every machine and level: values that this test once printed, on x86-64. */
START_TEST(noise_has_the_same_bits_everywhere)
{
    static const uint32_t expected[6] = {0xbd58566f, 0x3c9b370c, 0xbcefc630,
                                         0x3d7000a7, 0x3db783de, 0x3d3fbc63};
    float values[3072] = {0};
    uint32_t bits[6], hash = 2166136261u;
    const struct cae__kernels *kernels = cae__kernels_at(CAE_CPU_BASELINE + _i);
    if (!kernels)
        return;
    kernels->add_noise(values, values, 3072, 1, (const float[]){0.1f}, 1, 0, &(uint64_t){0});
    const int at[6] = {0, 1, 64, 128, 1000, 3071};
    for (int i = 0; i < 6; i++)
        memcpy(&bits[i], &values[at[i]], 4);
    little_endian(values, 3072, sizeof values[0]);
    for (size_t i = 0; i < sizeof values; i++)
        hash = (hash ^ ((unsigned char *)values)[i]) * 16777619u;
    if (test_verbose())
        printf("noise: {0x%08x, 0x%08x, 0x%08x, 0x%08x, 0x%08x, 0x%08x} hash 0x%08x\n", bits[0],
               bits[1], bits[2], bits[3], bits[4], bits[5], hash);
    ck_assert(memcmp(bits, expected, sizeof bits) == 0);
    ck_assert_uint_eq(hash, 0xdac61130);
}
END_TEST

START_TEST(shuffle_visits_everything_once)
{
    static const uint64_t counts[] = {1, 2, 3, 4, 5, 7, 16, 17, 63, 64, 65, 1000, 4096, 5085, 50000};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        const uint64_t count = counts[c];
        unsigned char *seen = calloc(count, 1);
        for (uint64_t i = 0; i < count; i++) {
            const uint64_t to = cae__permute(i, count, 3, c);
            ck_assert_msg(to < count && !seen[to], "count %llu: %llu goes to %llu",
                          (unsigned long long)count, (unsigned long long)i, (unsigned long long)to);
            seen[to] = 1;
        }
        free(seen);
    }
}
END_TEST

/* What cae__permute_near is, in lists: the images in a ring from some place on, cut into chunks of 256, whole
 * ones in random order, windows of that order shuffled. Each of its permutations is a Feistel network of eight
 * rounds over the least even number of bits, walked until it is inside. */
static uint64_t scrambled(uint64_t index, uint64_t count, uint64_t seed, uint64_t name, uint32_t purpose)
{
    uint64_t side = 2; /* values of a half */

    while (side * side < count)
        side *= 2;
    do {
        uint64_t left = index / side, right = index % side;

        for (uint32_t round = 0; round < 8; round++) {
            uint32_t words[4] = {(uint32_t)right, (uint32_t)name, (uint32_t)(name >> 32),
                                 purpose * 16777216u + round};
            uint64_t next;

            philox(words, seed);
            next = left ^ words[0] % side;
            left = right;
            right = next;
        }
        index = left * side + right;
    } while (index >= count);
    return index;
}

static uint64_t *listed(uint64_t count, uint64_t window, uint64_t seed, uint64_t epoch)
{
    const uint64_t turn = scrambled(0, count, seed, epoch, 8), chunks = count / 256;
    uint64_t *row = malloc(count * sizeof *row), *list = malloc(count * sizeof *list), n = 0;

    for (uint64_t i = 0; i < chunks; i++)
        for (uint64_t k = 0; k < 256; k++)
            row[n++] = (turn + 256 * scrambled(i, chunks, seed, epoch, 9) + k) % count;
    for (uint64_t i = 256 * chunks; i < count; i++)
        row[n++] = (turn + i) % count;
    for (uint64_t first = 0, number = 0; first < count; first += window, number++) {
        const uint64_t fill = count - first < window ? count - first : window;

        for (uint64_t i = 0; i < fill; i++)
            list[first + i] = row[first + scrambled(i, fill, seed, epoch % 16777216 << 40 | number, 10)];
        if (count - first <= window)
            break;
    }
    free(row);
    return list;
}

START_TEST(a_shuffle_in_windows_equals_its_definition)
{
    static const uint64_t counts[] = {1, 2, 255, 256, 257, 511, 512, 1000, 5000};
    static const uint64_t windows[] = {1, 2, 7, 255, 256, 300, 1024, 5000, UINT64_MAX / 2};

    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++)
        for (size_t w = 0; w < sizeof windows / sizeof windows[0]; w++) {
            const uint64_t count = counts[c], seed = 3 + ((uint64_t)w << 33), epoch = w + ((uint64_t)c << 31);
            uint64_t *expected = listed(count, windows[w], seed, epoch);
            unsigned char *seen = calloc(count, 1);

            for (uint64_t i = 0; i < count; i++) {
                const uint64_t to = cae__permute_near(i, count, windows[w], seed, epoch);

                ck_assert_uint_eq(to, expected[i]);
                ck_assert(!seen[to]);
                seen[to] = 1;
            }
            free(seen);
            free(expected);
        }
}
END_TEST

/* Of 4096 images in windows of 512, none comes from further away than the runs that fill a window: at most
 * three of them, so a window names few runs; in the shuffle of all images it would name all sixteen. */
START_TEST(windows_name_few_runs)
{
    enum { ALL = 4096, WINDOW = 512 };
    int most = 0, differ = 0;

    for (uint64_t epoch = 0; epoch < 4; epoch++)
        for (uint64_t first = 0; first < ALL; first += WINDOW) {
            unsigned char seen[ALL / 256 + 1] = {0};
            int runs = 0;

            for (uint64_t i = first; i < first + WINDOW; i++) {
                const uint64_t to = cae__permute_near(i, ALL, WINDOW, 1, epoch);

                runs += !seen[to / 256];
                seen[to / 256] = 1;
                differ += to != cae__permute_near(i, ALL, WINDOW, 1, epoch + 1);
            }
            most = runs > most ? runs : most;
        }
    ck_assert_int_le(most, 4); /* two runs, each across two of ours */
    ck_assert_int_gt(differ, 4 * ALL * 99 / 100);
}
END_TEST

/* Positions after the shuffle must be uniform: chi-squared of where image 0 of 10 lands in 20,000
 * epochs. 9 degrees of freedom: above 40 with probability 8e-6, and the seed is fixed. The same for
 * the difference of two neighbours, which a weak network would keep. */
START_TEST(shuffle_is_uniform)
{
    enum { COUNT = 10, EPOCHS = 20000 };
    int place[COUNT] = {0}, difference[COUNT] = {0};
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        const uint64_t a = cae__permute(0, COUNT, 77, epoch), b = cae__permute(1, COUNT, 77, epoch);
        place[a]++;
        difference[(a + COUNT - b) % COUNT]++;
    }
    double place_chi = 0, difference_chi = 0;
    for (int i = 0; i < COUNT; i++) {
        const double p = EPOCHS / (double)COUNT, d = EPOCHS / (COUNT - 1.0);
        place_chi += (place[i] - p) * (place[i] - p) / p;
        if (i > 0)
            difference_chi += (difference[i] - d) * (difference[i] - d) / d;
    }
    ck_assert_int_eq(difference[0], 0);
    ck_assert_double_lt(place_chi, 40);
    ck_assert_double_lt(difference_chi, 40);
}
END_TEST

START_TEST(epochs_and_seeds_shuffle_differently)
{
    int same_epoch = 0, same_seed = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        same_epoch += cae__permute(i, 1000, 1, 0) == cae__permute(i, 1000, 1, 1);
        same_seed += cae__permute(i, 1000, 1, 0) == cae__permute(i, 1000, 2, 0);
    }
    ck_assert_int_lt(same_epoch, 10); /* one is expected by chance */
    ck_assert_int_lt(same_seed, 10);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("random");
    TCase *c = tcase_create("random");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, philox_known_answers);
    tcase_add_loop_test(c, noise_equals_its_definition, 0, 3);
    tcase_add_loop_test(c, noise_has_the_same_bits_everywhere, 0, 3);
    tcase_add_test(c, shuffle_visits_everything_once);
    tcase_add_test(c, shuffle_is_uniform);
    tcase_add_test(c, a_shuffle_in_windows_equals_its_definition);
    tcase_add_test(c, windows_name_few_runs);
    tcase_add_test(c, epochs_and_seeds_shuffle_differently);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return test_main(suite());
}
