/* version.c - which library this is. */
#include "base.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define VERSION TEXT(CAE_VERSION_MAJOR) "." TEXT(CAE_VERSION_MINOR) "." TEXT(CAE_VERSION_PATCH)

uint32_t cae_version_number(void)
{
    return (CAE_VERSION_MAJOR << 16) + (CAE_VERSION_MINOR << 8) + CAE_VERSION_PATCH;
}

uint32_t cae_abi_version(void)
{
    return CAE_ABI_VERSION;
}

const char *cae_version_string(void)
{
    return VERSION;
}
