/* mutator.c - for libFuzzer, mutations of safetensors files that keep their two parts: the header grows
 * or shrinks and says so, or the values change. One in eight is of the bytes as they are. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

enum { LENGTH = 8 };

static uint64_t get(const uint8_t *data)
{
    uint64_t value = 0;
    for (int i = LENGTH - 1; i >= 0; i--)
        value = value << 8 | data[i];
    return value;
}

static void put(uint8_t *data, uint64_t value)
{
    for (int i = 0; i < LENGTH; i++)
        data[i] = (uint8_t)(value >> 8 * i);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    static uint8_t tail[1 << 16];
    const uint64_t header = size >= LENGTH ? get(data) : 0;

    if (seed % 8 == 0 || header == 0 || header > size - LENGTH || size > sizeof tail)
        return LLVMFuzzerMutate(data, size, most);
    const size_t values = size - LENGTH - (size_t)header;
    if (seed % 8 == 1 && values) { /* in place: their number belongs to the header */
        memcpy(tail, data + LENGTH + header, values);
        if (LLVMFuzzerMutate(tail, values, values) == values)
            memcpy(data + LENGTH + header, tail, values);
        return size;
    }
    memcpy(tail, data + LENGTH + header, values);
    const size_t length = LLVMFuzzerMutate(data + LENGTH, (size_t)header, most - LENGTH - values);
    memcpy(data + LENGTH + length, tail, values);
    put(data, length);
    return LENGTH + length + values;
}
