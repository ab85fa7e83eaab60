/* arithmetic.c - the floating-point environment that the library computes in.
 *
 * A thread's rounding mode, traps and treatment of denormal numbers are its host's: whatever they
 * are, our results are to have the same bits, and no overflow of a diverging run may become a
 * signal. So every computation runs in an environment of its own, and the host's is put back behind
 * it, sticky flags included. Threads of the pool have ours for life.
 *
 * Denormal numbers count as 0 in it, where a processor has a switch for that. Networks get there by
 * themselves, as when weight decay fades out a dead layer, and an operation on them takes a hundred
 * times as long (docs/numerics.md has the measurement). */
#include "base.h"

#include <math.h>

#if defined __SSE2__
#include <immintrin.h>
#endif

static void flush_denormals(void)
{
#if defined __x86_64__
    _mm_setcsr(_mm_getcsr() | 0x8040); /* results, operands */
#elif defined __SSE2__
    _mm_setcsr(_mm_getcsr() | 0x8000); /* the first processors with SSE2 fault on the other bit */
#elif defined __aarch64__
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    __asm__ volatile("msr fpcr, %0" : : "r"(control | (uint64_t)1 << 24) : "memory");
#elif defined __arm__ && defined __VFP_FP__ && !defined __SOFTFP__
    uint32_t control;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(control));
    __asm__ volatile("vmsr fpscr, %0" : : "r"(control | (uint32_t)1 << 24) : "memory");
#endif
}

void cae__checks_begin(fenv_t *host)
{
    fegetenv(host);
    fesetenv(FE_DFL_ENV);
}

void cae__arithmetic_begin(fenv_t *host)
{
    cae__checks_begin(host);
    flush_denormals();
}

void cae__arithmetic_end(const fenv_t *host)
{
    fesetenv(host);
}

float cae__to_float(double value)
{
    volatile double given = value; /* volatile: not to be converted before or after */
    fenv_t host;
    cae__checks_begin(&host);
    volatile float nearest = (float)given;
    cae__arithmetic_end(&host);
    return nearest;
}

bool cae__is_positive(double value)
{
    volatile double given = value;
    fenv_t host;
    cae__checks_begin(&host);
    volatile const bool is = given > 0.0 && isfinite(given);
    cae__arithmetic_end(&host);
    return is;
}

bool cae__is_not_negative(double value)
{
    volatile double given = value;
    fenv_t host;
    cae__checks_begin(&host);
    volatile const bool is = given >= 0.0 && isfinite(given);
    cae__arithmetic_end(&host);
    return is;
}

bool cae__is_sigma(double value)
{
    return cae__is_not_negative(value) && cae__is_not_negative((double)cae__to_float(value));
}

bool cae__is_share(double value)
{
    volatile double given = value;
    fenv_t host;
    cae__checks_begin(&host);
    volatile const bool is = given > 0.0 && given <= 1.0;
    cae__arithmetic_end(&host);
    return is;
}
