/* options.c - size-prefixed structs: one rule, used by every call that takes or fills one. */
#include "base.h"

#include <string.h>

/* No struct of ours will ever be longer: a larger size is an uninitialized one. */
#define LIMIT 4096

static uint32_t size_of(const void *given)
{
    uint32_t size;
    memcpy(&size, given, sizeof size); /* `size` is always the first field */
    return size;
}

static bool all_zero(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

cae_status cae__options_read(const cae_context *context, void *known, uint32_t known_size,
                             const void *given, uint32_t minimum, const char *name)
{
    if (!given)
        return CAE_OK;

    const uint32_t size = size_of(given);
    if (size < minimum || size > LIMIT)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "%s: size is %lu, expected at least %lu; call the init function first",
                         name, (unsigned long)size, (unsigned long)minimum);
    if (size > known_size && !all_zero((const unsigned char *)given + known_size, size - known_size))
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "%s: asks for something newer than libcae %s knows", name,
                         cae_version_string());
    memcpy(known, given, size < known_size ? size : known_size);
    return CAE_OK;
}

cae_status cae__options_init(void *given, uint32_t size, const void *defaults, uint32_t known_size)
{
    if (!given || size < CAE__OPTIONS_MINIMUM || size > LIMIT)
        return CAE_ERR_OPTIONS;
    memset(given, 0, size);
    memcpy(given, defaults, size < known_size ? size : known_size);
    memcpy(given, &size, sizeof size);
    return CAE_OK;
}

cae_status cae__result_write(const cae_context *context, void *given, const void *result,
                             uint32_t known_size, uint32_t minimum, const char *name)
{
    const uint32_t size = size_of(given);
    if (size < minimum || size > LIMIT)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "%s: size is %lu, expected at least %lu; call the init function first",
                         name, (unsigned long)size, (unsigned long)minimum);
    memcpy((unsigned char *)given + sizeof size, (const unsigned char *)result + sizeof size,
           (size < known_size ? size : known_size) - sizeof size);
    return CAE_OK;
}
