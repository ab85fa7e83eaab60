/* memory.c - aligned blocks from the context's allocator, checked arithmetic, and the order of bytes. */
#include "base.h"

#include <string.h>

/* A cache line, and the widest vector: rows that start here never straddle a line needlessly. */
#define ALIGNMENT 64

bool cae__multiply(size_t *product, size_t a, size_t b)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *product = a * b;
    return true;
}

bool cae__is_little_endian(void)
{
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 1;
}

void cae__swap_bytes(void *numbers, size_t count, size_t size)
{
    unsigned char *number = numbers;
    for (size_t n = 0; n < count; n++, number += size)
        for (size_t i = 0; i < size / 2; i++) {
            const unsigned char byte = number[i];
            number[i] = number[size - 1 - i];
            number[size - 1 - i] = byte;
        }
}

void *cae__alloc(const cae_context *context, size_t count, size_t size)
{
    size_t bytes;
    if (!cae__multiply(&bytes, count, size) || bytes > SIZE_MAX - 2 * ALIGNMENT)
        return NULL;

    /* The allocator promises malloc's alignment only: find ours inside a larger block and keep
     * the original pointer just below it. */
    unsigned char *raw = context->allocate(context->allocator_user, bytes + 2 * ALIGNMENT);
    if (!raw)
        return NULL;
    const uintptr_t first = (uintptr_t)raw + sizeof(void *);
    unsigned char *block = raw + sizeof(void *) + (ALIGNMENT - first % ALIGNMENT) % ALIGNMENT;
    memcpy(block - sizeof raw, &raw, sizeof raw);
    return block;
}

void *cae__alloc_zero(const cae_context *context, size_t count, size_t size)
{
    void *block = cae__alloc(context, count, size);
    if (block)
        memset(block, 0, count * size);
    return block;
}

void cae__free(const cae_context *context, void *block)
{
    if (!block)
        return;
    void *raw;
    memcpy(&raw, (unsigned char *)block - sizeof raw, sizeof raw);
    context->release(context->allocator_user, raw);
}

cae_status cae__scratch_reserve(cae_context *context, int64_t count, uint64_t size)
{
    if (size > SIZE_MAX / 2)
        return cae__fail_memory(context);
    const int workers = cae__workers(context, count);
    for (int worker = 0; worker < workers; worker++) {
        struct cae__scratch *scratch = &context->scratch[worker];
        if (scratch->size >= size)
            continue;
        cae__free(context, scratch->data);
        scratch->data = cae__alloc(context, 1, (size_t)size);
        scratch->size = scratch->data ? (size_t)size : 0;
        if (!scratch->data)
            return cae__fail_memory(context);
    }
    return CAE_OK;
}
