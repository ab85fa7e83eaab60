/* jpeg.c - bytes as a JPEG. What libjpeg takes it takes from malloc, which the fuzzer bounds. */
#include "arrays.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || memcmp(data, "\xff\xd8\xff", 3) != 0)
        return 0;
    fuzz_image(data, size, CAE_FILE_JPEG, "image.jpg", 16, 4096);
    return 0;
}
