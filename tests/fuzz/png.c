/* png.c - bytes as a PNG: as they are, and with the checksums of their chunks mended, or nearly every change
 * would end at the first of them. */
#include "arrays.h"

enum { SIGNATURE = 8, ROWS = 4, LIBPNG = 128 << 10 }; /* libpng and zlib */

static uint32_t crc_of(const uint8_t *data, size_t size)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* length, four letters, data, checksum of the letters and the data */
static void mend(uint8_t *data, size_t size)
{
    for (size_t at = SIGNATURE; size >= 12 && at <= size - 12;) {
        const size_t length = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 |
                              (size_t)data[at + 2] << 8 | data[at + 3];
        if (length > size - 12 - at)
            return;
        const uint32_t crc = crc_of(data + at + 4, 4 + length);
        for (size_t i = 0; i < 4; i++)
            data[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t signature[SIGNATURE] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

    if (size < SIGNATURE || memcmp(data, signature, SIGNATURE) != 0)
        return 0;
    uint8_t *mended = malloc(size);
    CHECK(mended);
    memcpy(mended, data, size);
    mend(mended, size);
    if (memcmp(mended, data, size) != 0)
        fuzz_image(data, size, CAE_FILE_PNG, "image.png", ROWS, LIBPNG);
    fuzz_image(mended, size, CAE_FILE_PNG, "image.png", ROWS, LIBPNG);
    free(mended);
    return 0;
}
