/* look.c - what kind of image a file is, and how large, by its first bytes. */
#include "images.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/file.h"

#define SIGNATURE 8 /* bytes that every PNG begins with */

bool cae__png_is(const unsigned char *data, size_t size)
{
    static const unsigned char signature[SIGNATURE] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    return size >= SIGNATURE && memcmp(data, signature, SIGNATURE) == 0;
}

bool cae__jpeg_is(const unsigned char *data, size_t size)
{
    return size >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff;
}

struct found {
    int64_t height, width;
    int64_t most; /* pixels that a byte can hold */
};

static int64_t number(const unsigned char *at, int bytes)
{
    int64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

/* The first chunk is the header: width, height, bits of a value, kind of colours. */
static bool look_at_png(struct found *found, FILE *stream)
{
    static const int values[8] = {1, 1, 3, 1, 2, 1, 4, 1}; /* of a pixel, by kind */
    unsigned char header[8 + 10];
    if (cae__stream_read(header, sizeof header, stream) != sizeof header ||
        memcmp(header + 4, "IHDR", 4) != 0)
        return false;
    const int bits = header[16] * values[header[17] & 7];
    *found = (struct found){.width = number(header + 8, 4), .height = number(header + 12, 4),
                            .most = cae__png_most(bits < 1 ? 1 : bits)};
    return true;
}

/* EOF at the end. */
static int next_byte(FILE *stream)
{
    int c;
    do {
        errno = 0;
        c = getc(stream);
        if (c == EOF && errno == EINTR)
            clearerr(stream);
    } while (c == EOF && errno == EINTR);
    return c;
}

static bool skip(FILE *stream, long bytes)
{
    while (fseek(stream, bytes, SEEK_CUR) != 0)
        if (errno != EINTR)
            return false;
    return true;
}

/* The next marker; EOF at the end. What is between segments and no marker is skipped, as libjpeg
 * does. */
static int next_marker(FILE *stream)
{
    for (;;) {
        int c;
        do
            c = next_byte(stream);
        while (c != 0xff && c != EOF);
        while (c == 0xff)
            c = next_byte(stream);
        if (c != 0)
            return c;
    }
}

/* One segment after the other, up to the one that has the size. */
static bool look_at_jpeg(struct found *found, FILE *stream)
{
    enum { TEM = 0x01, SOF0 = 0xc0, DHT = 0xc4, JPG = 0xc8, DAC = 0xcc, SOF15 = 0xcf, RST0 = 0xd0,
           SOI = 0xd8, EOI = 0xd9, SOS = 0xda };
    for (;;) {
        unsigned char segment[7];
        const int marker = next_marker(stream);
        if (marker == EOF || marker == EOI || marker == SOS)
            return false;
        if (marker == TEM || (marker >= RST0 && marker <= SOI))
            continue;
        if (cae__stream_read(segment, 2, stream) != 2)
            return false;
        if (marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != JPG && marker != DAC) {
            if (cae__stream_read(segment + 2, 5, stream) != 5)
                return false;
            *found = (struct found){.height = number(segment + 3, 2),
                                    .width = number(segment + 5, 2), .most = CAE__JPEG_MOST};
            return true;
        }
        const long rest = (long)number(segment, 2) - 2; /* below 0 it is none to libjpeg */
        if (rest > 0 && !skip(stream, rest))
            return false;
    }
}

static cae_status look(struct found *found, const cae_context *context, FILE *stream)
{
    unsigned char first[SIGNATURE] = {0};
    const size_t got = cae__stream_read(first, sizeof first, stream);
    const bool is_png = cae__png_is(first, got), is_jpeg = cae__jpeg_is(first, got);
    if (ferror(stream))
        return cae__fail_system(context, errno, "cannot read");
    if (!is_png && !is_jpeg)
        return cae__fail(context, CAE_ERR_FORMAT, "neither PNG nor JPEG");
    if (is_jpeg)
        rewind(stream);
    if (is_png ? look_at_png(found, stream) : look_at_jpeg(found, stream))
        return CAE_OK;
    return ferror(stream)
               ? cae__fail_system(context, errno, "cannot read")
               : cae__fail(context, CAE_ERR_FORMAT, "%s: the file ends before it says its size",
                           is_png ? "PNG" : "JPEG");
}

cae_status cae__image_look(int64_t *height, int64_t *width, const cae_context *context, const char *path)
{
    struct found found;
    int64_t size;
    cae_status status = cae__file_size(&size, context, path); /* also: is it one? */
    if (status == CAE_OK && size == CAE__FILE_ABSENT)
        status = cae__fail(context, CAE_ERR_IO, "it is gone, or a link to nothing");
    if (status != CAE_OK)
        return status;
    FILE *stream = cae__file_stream(path);
    if (!stream)
        return cae__fail_system(context, errno, "cannot open");
    status = look(&found, context, stream);
    (void)fclose(stream); /* only read from */
    if (status == CAE_OK)
        status = cae__image_check(context, found.height, found.width, (size_t)size, found.most);
    if (status == CAE_OK) {
        *height = found.height;
        *width = found.width;
    }
    return status;
}
