/* images.c - bytes as images of odd geometry: what a dataset makes of them, noise on them, and the
 * metrics between them, held against plain definitions. */
#include "fuzz.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct geometry {
    int32_t count, channels, height, width, type, layout, scale;
};

static size_t element(const struct geometry *g)
{
    return g->type == CAE_TYPE_F32 ? sizeof(float) : 1;
}

static size_t image_length(const struct geometry *g)
{
    return (size_t)g->channels * (size_t)g->height * (size_t)g->width;
}

/* Value (c, y, x) of an image in the caller's memory, by the words of the header. */
static float value_at(const uint8_t *image, const struct geometry *g, size_t c, size_t yx)
{
    const size_t plane = (size_t)g->height * (size_t)g->width;
    const size_t i = g->layout == CAE_LAYOUT_NCHW ? c * plane + yx : yx * (size_t)g->channels + c;
    float value;

    if (g->type == CAE_TYPE_F32) {
        memcpy(&value, image + i * sizeof value, sizeof value);
        return value;
    }
    return (float)(g->scale == CAE_SCALE_SIGNED ? image[i] / 127.5 - 1.0 : image[i] / 255.0);
}

static void check_pixels(const float *got, const uint8_t *image, const struct geometry *g)
{
    const size_t plane = (size_t)g->height * (size_t)g->width;

    for (size_t c = 0; c < (size_t)g->channels; c++)
        for (size_t yx = 0; yx < plane; yx++) {
            const float expected = value_at(image, g, c, yx), found = got[c * plane + yx];
            if (g->type == CAE_TYPE_F32)
                CHECK(memcmp(&expected, &found, sizeof found) == 0);
            else
                CHECK(fabsf(expected - found) < 1e-6f);
        }
}

/* Two arrays of the same geometry, ours to change. */
static void measure(cae_context *context, float *a, float *b, const struct geometry *g,
                    struct fuzz_input *in)
{
    const size_t n = image_length(g);
    const double range = fuzz_u8(in) % 4 ? 2.0 : fuzz_double(in), sigma = fuzz_double(in);
    double mse = -1.0, psnr = -1.0, ssim = -2.0, plain = 0.0;
    const uint64_t seed = fuzz_u64(in), image = fuzz_u64(in);
    float *first = malloc(n * sizeof *first);

    CHECK(first);
    CHECK(cae_mse(&mse, context, a, b, n) == CAE_OK);
    for (size_t i = 0; i < n; i++)
        plain += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    plain /= (double)n;
    /* the library takes denormal floats for 0, so each difference may be off by two of them */
    CHECK(isnan(plain) ? isnan(mse)
                       : plain == mse || fabs(plain - mse) <= 1e-9 * plain +
                                             4.0 * FLT_MIN * (sqrt(plain) + FLT_MIN));
    cae_status status = cae_psnr(&psnr, context, a, b, n, range);
    fuzz_check_status(context, status);
    CHECK((status == CAE_OK) == (range > 0.0 && isfinite(range)));
    for (int32_t kind = -1; kind <= 2; kind++) {
        status = cae_ssim(&ssim, context, a, b, g->channels, g->height, g->width, range, kind);
        fuzz_check_status(context, status);
        if (status != CAE_OK)
            continue;
        CHECK(kind == CAE_SSIM_GAUSSIAN11 || kind == CAE_SSIM_UNIFORM7);
        CHECK(g->height >= 7 && g->width >= 7);
    }
    status = cae_add_noise(a, n, sigma, seed, fuzz_u32(in), image);
    CHECK((status == CAE_OK) == (sigma >= 0.0 && isfinite((float)sigma) && image >> 56 == 0));
    memcpy(first, b, n * sizeof *b);
    CHECK(cae_add_noise(first, n, 0.5, seed, 1, 7) == CAE_OK);
    CHECK(cae_add_noise(b, n, 0.5, seed, 1, 7) == CAE_OK);
    CHECK(memcmp(first, b, n * sizeof *b) == 0);
    free(first);
}

static void use(cae_context *context, const cae_dataset *dataset, const uint8_t *data,
                const struct geometry *g, struct fuzz_input *in)
{
    const size_t n = image_length(g), stride = n * element(g);
    const int64_t last = g->count - 1;
    int32_t channels = 0, height = 0, width = 0;
    float *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b);
    cae_dataset *slice = FUZZ_JUNK;
    const int64_t from = fuzz_int(in, 0, g->count), count = fuzz_int(in, 0, g->count);

    CHECK(a && b);
    CHECK(cae_dataset_count(dataset) == g->count);
    CHECK(cae_dataset_shape(&channels, &height, &width, dataset) == CAE_OK);
    CHECK(channels == g->channels && height == g->height && width == g->width);
    CHECK(cae_dataset_get(a, n, dataset, last) == CAE_OK);
    check_pixels(a, data + (size_t)last * stride, g);
    CHECK(cae_dataset_get(b, n, dataset, g->count) == CAE_ERR_ARGUMENT);
    CHECK(cae_dataset_get(b, n + 1, dataset, 0) == CAE_ERR_SHAPE);

    const cae_status status = cae_dataset_slice(&slice, dataset, from, count);
    fuzz_check_made(context, status, slice);
    CHECK((status == CAE_OK) == (from >= 0 && count >= 1 && from + count <= g->count));
    CHECK(cae_dataset_get(b, n, slice ? slice : dataset, 0) == CAE_OK);
    check_pixels(b, data + (slice ? (size_t)from : 0) * stride, g);
    cae_dataset_destroy(slice);
    measure(context, a, b, g, in);
    free(a);
    free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct geometry g = {
        .count = fuzz_int(&in, 1, 3), .channels = fuzz_int(&in, 1, 4),
        .height = fuzz_int(&in, 1, 20), .width = fuzz_int(&in, 1, 20),
        .type = fuzz_int(&in, 0, 1), .layout = fuzz_int(&in, 0, 1), .scale = fuzz_int(&in, 0, 1)};
    const uint64_t bytes = (uint64_t)image_length(&g) * (uint64_t)g.count * element(&g);
    const bool sound = g.count > 0 && g.channels > 0 && g.height > 0 && g.width > 0 &&
                       (double)g.count * g.channels * g.height * g.width <= 8192;
    cae_context *context = fuzz_begin();
    cae_dataset_options options;
    cae_dataset *dataset = FUZZ_JUNK;
    /* what the input does not have is zero, so that short inputs make images too */
    const size_t length = sound ? (size_t)bytes : in.left;
    uint8_t *block = calloc(1, length + 1), *pixels = block + (fuzz_u8(&in) & 1); /* unaligned */

    CHECK(block);
    CHECK(cae_dataset_options_init(&options, sizeof options) == CAE_OK);
    options.type = g.type;
    options.layout = g.layout;
    options.scale = g.scale;
    options.borrow = fuzz_u8(&in) & 1;
    if (in.left)
        memcpy(pixels, in.at, in.left < length ? in.left : length);
    fuzz_mark();
    const cae_status status = cae_dataset_create(&dataset, context, pixels, length, g.count,
                                                 g.channels, g.height, g.width, &options);
    fuzz_check_peak(length);
    fuzz_check_made(context, status, dataset);
    if (dataset)
        use(context, dataset, pixels, &g, &in);
    else
        CHECK(!sound || g.type < 0 || g.type > 1 || g.layout < 0 || g.layout > 1 || g.scale < 0 ||
              g.scale > 1);
    cae_dataset_destroy(dataset);
    free(block);
    fuzz_end(context);
    return 0;
}
