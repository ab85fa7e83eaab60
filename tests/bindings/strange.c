/* strange.c - a library that says it is another version: bindings have to refuse it when they load it. */
#include <stdint.h>

#if defined __GNUC__
#pragma GCC visibility push(default)
#endif
uint32_t cae_version_number(void);
uint32_t cae_abi_version(void);
const char *cae_version_string(void);

uint32_t cae_version_number(void)
{
    return CAE__STRANGE_VERSION;
}

uint32_t cae_abi_version(void)
{
    return CAE__STRANGE_ABI;
}

const char *cae_version_string(void)
{
    return CAE__STRANGE_TEXT;
}
