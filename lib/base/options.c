/* options.c - size-prefixed structs: one rule, used by every call that takes or fills one. */
#include "base.h"

#include <string.h>

/* Every struct has its size and something more, is made of units that hold most of its fields, so
 * that none is cut in two, and will never be longer than this: any other size is an uninitialized
 * one. Where pointers have 32 bits a struct of pointers is no multiple of 8 bytes, though doubles
 * may be aligned to them. */
#define LEAST 8
#define LIMIT 4096
#define UNIT _Alignof(void *)

static uint32_t size_of(const void *given)
{
    uint32_t size;
    memcpy(&size, given, sizeof size); /* `size` is always the first field */
    return size;
}

static bool size_is_possible(uint32_t size)
{
    return size >= LEAST && size <= LIMIT && size % UNIT == 0;
}

static cae_status wrong_size(const cae_context *context, uint32_t size, const char *name)
{
    return cae__fail(context, CAE_ERR_OPTIONS,
                     "%s: size is %lu, expected that of the struct; call the init function first",
                     name, (unsigned long)size);
}

static bool all_zero(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

cae_status cae__options_read(const cae_context *context, void *known, uint32_t known_size,
                             const void *given, const char *name)
{
    if (!given)
        return CAE_OK;

    const uint32_t size = size_of(given);
    if (!size_is_possible(size))
        return wrong_size(context, size, name);
    if (size > known_size && !all_zero((const unsigned char *)given + known_size,
                                       size - known_size))
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "%s: asks for something newer than libcae %s knows", name,
                         cae_version_string());
    memcpy(known, given, size < known_size ? size : known_size);
    return CAE_OK;
}

cae_status cae__options_init(void *given, uint32_t size, const void *defaults, uint32_t known_size)
{
    if (!given)
        return CAE_ERR_ARGUMENT;
    if (!size_is_possible(size))
        return CAE_ERR_OPTIONS;
    memset(given, 0, size);
    memcpy(given, defaults, size < known_size ? size : known_size);
    memcpy(given, &size, sizeof size);
    return CAE_OK;
}

cae_status cae__result_write(const cae_context *context, void *given, const void *result,
                             uint32_t known_size, const char *name)
{
    const uint32_t size = size_of(given);
    if (!size_is_possible(size))
        return wrong_size(context, size, name);
    memcpy((unsigned char *)given + sizeof size, (const unsigned char *)result + sizeof size,
           (size < known_size ? size : known_size) - sizeof size);
    return CAE_OK;
}
