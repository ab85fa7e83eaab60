/* dead_leaves.c - the built-in image set: procedural scenes with the statistics of photographs.
 *
 * The dead leaves model (Lee, Mumford & Huang, "Occlusion models for natural images", 2001) drops
 * opaque discs of power-law radii, p(r) ~ r^-3, on a plane until it is covered; what remains
 * visible has the edges, the occlusion and the scale invariance of natural images. Ours are
 * ellipses with shading and a striped texture, drawn front to back on a grid of twice the size
 * and averaged down.
 *
 * An image is a function of (seed, index). Only + - * / and sqrt are used, which IEEE 754
 * rounds the same way everywhere, and this file is compiled without contraction: same bytes
 * on every machine. */
#include "data.h"

#include <math.h>
#include <string.h>

#include "../random/random.h"

#define MOST_SIDE 1024
#define OVERSAMPLE 2
#define LEAST_RADIUS 2.5f /* pixels: with it, contrast at all scales is close to CIFAR-10's */
#define COVERAGE 6.0f     /* leaves per point on average: exp(-6) = 0.25 % stays background */

struct scene {
    struct cae__stream stream;
    int channels, height, width;
    float most_radius;
    float tint[3];
    int rows, columns;      /* of samples: OVERSAMPLE a pixel, and a rim of one all around */
    unsigned char *samples; /* [rows][columns][channels] */
    unsigned char *covered; /* [rows][columns] */
};

struct leaf {
    float x, y, radius;
    float ux, uy, aspect;    /* unit axis; the other axis is shorter by `aspect` */
    float colour[3];
    float shade_x, shade_y;  /* change of brightness across one radius */
    float wave_x, wave_y, wave_phase, wave_height;
};

static float uniform(struct scene *scene, float low, float high)
{
    return low + (high - low) * cae__stream_uniform(&scene->stream);
}

/* A bell of variance 1/36 on [-1/2, 1/2], for colours: the mean of three uniforms, centred. */
static float bell(struct scene *scene)
{
    const float a = uniform(scene, 0.0f, 1.0f), b = uniform(scene, 0.0f, 1.0f);
    return (a + b + uniform(scene, 0.0f, 1.0f)) / 3.0f - 0.5f;
}

/* p(r) ~ r^-3 between the two radii, by inversion. */
static float power_law_radius(struct scene *scene)
{
    const float a = 1.0f / (LEAST_RADIUS * LEAST_RADIUS);
    const float b = 1.0f / (scene->most_radius * scene->most_radius);
    return 1.0f / sqrtf(a - uniform(scene, 0.0f, 1.0f) * (a - b));
}

static void draw_place(struct scene *scene, struct leaf *leaf)
{
    const float margin = scene->most_radius;
    leaf->radius = power_law_radius(scene);
    leaf->x = uniform(scene, -margin, (float)scene->width + margin);
    leaf->y = uniform(scene, -margin, (float)scene->height + margin);
}

static bool outside(const struct scene *scene, const struct leaf *leaf)
{
    return leaf->x + leaf->radius < 0.0f || leaf->x - leaf->radius > (float)scene->width ||
           leaf->y + leaf->radius < 0.0f || leaf->y - leaf->radius > (float)scene->height;
}

static void draw_look(struct scene *scene, struct leaf *leaf)
{
    const float ux = uniform(scene, -1.0f, 1.0f), uy = uniform(scene, -1.0f, 1.0f);
    const float norm = sqrtf(ux * ux + uy * uy) + 1e-6f;
    leaf->ux = ux / norm;
    leaf->uy = uy / norm;
    leaf->aspect = uniform(scene, 1.0f, 3.0f);

    const float brightness = uniform(scene, -0.4f, 0.4f);
    for (int c = 0; c < scene->channels; c++)
        leaf->colour[c] = scene->tint[c] + brightness + 0.3f * bell(scene);
    leaf->shade_x = 0.5f * bell(scene);
    leaf->shade_y = 0.5f * bell(scene);

    /* Two leaves in three are plain; the others carry stripes 2.5 to 10 pixels apart. */
    const float frequency = 1.0f / uniform(scene, 2.5f, 10.0f);
    const bool plain = uniform(scene, 0.0f, 1.0f) < 0.67f;
    leaf->wave_height = plain ? 0.0f : uniform(scene, 0.02f, 0.15f);
    leaf->wave_x = leaf->uy * frequency;
    leaf->wave_y = leaf->ux * frequency;
    leaf->wave_phase = uniform(scene, 0.0f, 1.0f);
}

/* Period 1, range [-1, 1], smooth: a cubic in place of a sine, to stay clear of libm. */
static float wave(float t)
{
    t -= (float)(int)t;
    t = t < 0.0f ? t + 1.0f : t;
    const float s = t < 0.5f ? 2.0f * t : 2.0f - 2.0f * t;
    return 2.0f * s * s * (3.0f - 2.0f * s) - 1.0f;
}

static unsigned char to_byte(float value)
{
    const float scaled = value * 255.0f + 0.5f;
    return scaled <= 0.0f ? 0 : scaled >= 255.0f ? 255 : (unsigned char)scaled;
}

static int clamp(float x, int most)
{
    return x <= 0.0f ? 0 : x >= (float)most ? most : (int)x;
}

static void paint(struct scene *scene, const struct leaf *leaf)
{
    const float step = 1.0f / OVERSAMPLE, r = leaf->radius;
    const int first_row = clamp((leaf->y - r) * OVERSAMPLE, scene->rows);
    const int end_row = clamp((leaf->y + r) * OVERSAMPLE + 2.0f, scene->rows);
    const int first_column = clamp((leaf->x - r) * OVERSAMPLE, scene->columns);
    const int end_column = clamp((leaf->x + r) * OVERSAMPLE + 2.0f, scene->columns);

    for (int row = first_row; row < end_row; row++)
        for (int column = first_column; column < end_column; column++) {
            const size_t at = (size_t)row * (size_t)scene->columns + (size_t)column;
            if (scene->covered[at])
                continue;
            const float dx = ((float)column - 0.5f) * step - leaf->x;
            const float dy = ((float)row - 0.5f) * step - leaf->y;
            const float along = dx * leaf->ux + dy * leaf->uy;
            const float across = (dy * leaf->ux - dx * leaf->uy) * leaf->aspect;
            if (along * along + across * across > r * r)
                continue;
            const float light =
                (dx * leaf->shade_x + dy * leaf->shade_y) / r +
                leaf->wave_height * wave(dx * leaf->wave_x + dy * leaf->wave_y + leaf->wave_phase);
            scene->covered[at] = 1;
            for (int c = 0; c < scene->channels; c++)
                scene->samples[at * (size_t)scene->channels + (size_t)c] =
                    to_byte(leaf->colour[c] + light);
        }
}

/* What no leaf covers: one more, large enough for the whole image. */
static void paint_background(struct scene *scene)
{
    struct leaf leaf = {0};
    draw_look(scene, &leaf);
    leaf.aspect = 1.0f;
    leaf.wave_height = 0.0f;
    leaf.x = 0.5f * (float)scene->width;
    leaf.y = 0.5f * (float)scene->height;
    leaf.radius = (float)(scene->width + scene->height);
    paint(scene, &leaf);
}

/* The mean of the 4x4 samples around a pixel: its own 2x2 and a rim, as no lens draws sharper. */
static void average_down(unsigned char *image, const struct scene *scene)
{
    enum { FOOTPRINT = OVERSAMPLE + 2 };
    const size_t channels = (size_t)scene->channels, pitch = channels * (size_t)scene->columns;
    for (size_t c = 0; c < channels; c++)
        for (size_t y = 0; y < (size_t)scene->height; y++)
            for (size_t x = 0; x < (size_t)scene->width; x++) {
                const unsigned char *corner =
                    scene->samples + OVERSAMPLE * (y * pitch + x * channels) + c;
                unsigned sum = FOOTPRINT * FOOTPRINT / 2; /* rounds */
                for (size_t i = 0; i < FOOTPRINT; i++)
                    for (size_t j = 0; j < FOOTPRINT; j++)
                        sum += corner[i * pitch + j * channels];
                *image++ = (unsigned char)(sum / (FOOTPRINT * FOOTPRINT));
            }
}

static void render(unsigned char *image, struct scene *scene)
{
    const float margin = 2.0f * scene->most_radius;
    const float area = ((float)scene->width + margin) * ((float)scene->height + margin);
    /* Mean area of a leaf: pi E[r^2] / E[aspect], with E[r^2] = 2 a^2 ln(b / a) for a << b. The
     * logarithm is taken as 2, its value for 32 pixels: larger images get a few leaves too many,
     * and no libm call decides how many there are. */
    const float leaf_area = 3.14159f * 2.0f * LEAST_RADIUS * LEAST_RADIUS * 2.0f / 2.0f;
    const int leaves = (int)(COVERAGE * area / leaf_area);

    memset(scene->covered, 0, (size_t)scene->rows * (size_t)scene->columns);
    const float brightness = uniform(scene, 0.25f, 0.75f);
    for (int c = 0; c < scene->channels; c++)
        scene->tint[c] = brightness + 0.4f * bell(scene);
    for (int i = 0; i < leaves; i++) {
        struct leaf leaf = {0};
        draw_place(scene, &leaf);
        if (outside(scene, &leaf))
            continue;
        draw_look(scene, &leaf);
        paint(scene, &leaf);
    }
    paint_background(scene);
    average_down(image, scene);
}

struct job {
    const cae_dataset *dataset;
    uint64_t seed;
};

static int samples_along(int side)
{
    return OVERSAMPLE * side + 2;
}

static void render_image(void *argument, int64_t index, int worker)
{
    const struct job *job = argument;
    const cae_dataset *d = job->dataset;
    const int side = d->height > d->width ? d->height : d->width;
    struct scene scene = {.channels = d->channels, .height = d->height, .width = d->width,
                          .most_radius = side < 8 ? 4.0f : 0.5f * (float)side,
                          .rows = samples_along(d->height), .columns = samples_along(d->width)};
    cae__stream_init(&scene.stream, job->seed, CAE__FOR_LEAVES, (uint64_t)index);
    scene.samples = cae__scratch(d->handle.context, worker);
    scene.covered =
        scene.samples + (size_t)scene.rows * (size_t)scene.columns * (size_t)d->channels;
    render((unsigned char *)d->owned + (size_t)index * d->length, &scene);
}

cae_status cae_dataset_create_dead_leaves(cae_dataset **out, cae_context *context, int64_t count,
                                          int32_t channels, int32_t height, int32_t width,
                                          uint64_t seed, const cae_dataset_options *options)
{
    if (!out)
        return cae__fail(context, CAE_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!context)
        return CAE_ERR_ARGUMENT;
    if ((channels != 1 && channels != 3) || height < 1 || width < 1 || height > MOST_SIDE ||
        width > MOST_SIDE)
        return cae__fail(context, CAE_ERR_ARGUMENT,
                         "dead leaves of %dx%dx%d, expected 1 or 3 channels and sides of 1 to %d",
                         (int)channels, (int)height, (int)width, MOST_SIDE);
    cae_dataset_options o;
    cae_status status = cae__dataset_plain_options(context, &o, options);
    if (status == CAE_OK)
        status = cae__dataset_refuse_memory(context, &o);
    cae_dataset *dataset = NULL;
    if (status == CAE_OK)
        status = cae__dataset_allocate(&dataset, context, count, channels, height, width, o.scale);
    if (status == CAE_OK)
        status = cae__scratch_reserve(context, count, (size_t)samples_along(height) *
                                                          (size_t)samples_along(width) *
                                                          ((size_t)channels + 1));
    if (status != CAE_OK) {
        cae_dataset_destroy(dataset);
        return status;
    }
    struct job job = {dataset, seed};
    cae__parallel(context, count, render_image, &job);
    *out = dataset;
    return CAE_OK;
}
