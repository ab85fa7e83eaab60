/* base64.c - bytes as text (RFC 4648). */
#include "base64.h"

#include <string.h>

/* Three bytes make four digits; of `count` < 3 bytes the digits that tell nothing are '='. */
static void encode(char digits[4], const unsigned char *data, size_t count)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned bits = (unsigned)data[0] << 16 | (count > 1 ? (unsigned)data[1] << 8 : 0) |
                          (count > 2 ? data[2] : 0);

    memset(digits, '=', 4);
    for (size_t i = 0; i <= count; i++)
        digits[i] = alphabet[bits >> (18 - 6 * i) & 63];
}

bool base64_add(struct bytes *text, const void *data, size_t size)
{
    const unsigned char *from = data;
    char digits[4];

    for (size_t left = size; left; from += left < 3 ? left : 3, left -= left < 3 ? left : 3) {
        encode(digits, from, left < 3 ? left : 3);
        if (!bytes_add(text, digits, sizeof digits))
            return false;
    }
    return true;
}
