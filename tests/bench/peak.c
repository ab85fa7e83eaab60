/* peak.c - as many multiply-adds as the machine can do: the roof that the benchmarks measure against.
 *
 * Compiled once for each level, as the kernels are. Twelve sums are independent, more than the four or
 * five cycles that one takes on two units; nothing is loaded or stored. */
#include "../../lib/kernels/vector.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

/* "v", "x" and "w" are vector registers on x86 and ARM. */
#if defined __AVX512F__
#define IN_REGISTER(v) "+v"(v)
#elif defined __SSE2__
#define IN_REGISTER(v) "+x"(v)
#elif defined __aarch64__
#define IN_REGISTER(v) "+w"(v)
#else
#define IN_REGISTER(v) "+m"(v)
#endif

enum { SUMS = 12 };

/* Floating-point operations of `count` rounds. */
double JOIN(peak_work_, LEVEL)(long count)
{
    vector sums[SUMS];
    const vector factor = broadcast(0.999f), term = broadcast(0.001f);
    UNROLL for (int i = 0; i < SUMS; i++)
        sums[i] = broadcast((float)i);
    for (long n = 0; n < count; n++)
        UNROLL for (int i = 0; i < SUMS; i++) {
            sums[i] = sums[i] * factor + term;
            __asm__ volatile("" : IN_REGISTER(sums[i])); /* no two rounds merged, none left out */
        }
    float totals[SUMS + WIDTH], total = 0.0f;
    vector last[SUMS]; /* a copy, so that the sums themselves need no address */
    UNROLL for (int i = 0; i < SUMS; i++)
        last[i] = sums[i];
    sums_of_lanes(totals, last, SUMS);
    UNROLL for (int i = 0; i < SUMS; i++)
        total += totals[i];
    return total < -1.0f ? 0.0 : 2.0 * WIDTH * SUMS * (double)count;
}
