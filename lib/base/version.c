/* version.c - which library this is. */
#include "base.h"

#include <stdio.h>

#include "../kernels/gemm.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define VERSION TEXT(CAE_VERSION_MAJOR) "." TEXT(CAE_VERSION_MINOR) "." TEXT(CAE_VERSION_PATCH)

uint32_t cae_version_number(void)
{
    return CAE_VERSION_MAJOR << 16 | CAE_VERSION_MINOR << 8 | CAE_VERSION_PATCH;
}

const char *cae_version_string(void)
{
    return VERSION;
}

size_t cae_build_info(char *text, size_t capacity)
{
    char blas[128];
    cae__blas_info(blas, sizeof blas);
    const int length = snprintf(text, text ? capacity : 0, "libcae " VERSION ", %s", blas);
    return length < 0 ? 0 : (size_t)length;
}
