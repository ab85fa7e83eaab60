/* levels.c - which instruction set to use: the best that both machine and build have. */
#include "kernels.h"

#include <cae/cae.h>

#define TABLE(level)                                                                               \
    {                                                                                              \
        #level, cae__group_##level, cae__correlate_##level, cae__correlate_gradient_##level,       \
            cae__pad_rows_##level, cae__im2col_##level, cae__col2im_##level,                       \
            cae__bias_activation_##level, cae__activation_backward_##level,                        \
            cae__add_row_sums_##level,                                                             \
            cae__scale_bytes_##level, cae__interleave_##level, cae__deinterleave_##level,          \
            cae__add_noise_##level, cae__loss_gradient_##level, cae__ssim_gradient_##level         \
    }

static const struct cae__kernels baseline = TABLE(baseline);

#if CAE__X86_LEVELS

static const struct cae__kernels avx2 = TABLE(avx2), avx512 = TABLE(avx512);

/* The compiler's runtime asks the system too, which may not save wide registers. */
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

#else

static const struct cae__kernels avx2, avx512;
static bool has_avx2(void) { return false; }
static bool has_avx512(void) { return false; }

#endif

int32_t cae__best_cpu(void)
{
    return has_avx512() ? CAE_CPU_AVX512 : has_avx2() ? CAE_CPU_AVX2 : CAE_CPU_BASELINE;
}

const struct cae__kernels *cae__kernels_at(int32_t cpu)
{
    if (cpu == CAE_CPU_AUTO)
        cpu = cae__best_cpu();
    switch (cpu) {
    case CAE_CPU_AVX512: return has_avx512() ? &avx512 : NULL;
    case CAE_CPU_AVX2: return has_avx2() ? &avx2 : NULL;
    default: return &baseline;
    }
}
