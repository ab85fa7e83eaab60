/* defects.c - what can be wrong with an image.
 *
 * Every defect says of each pixel how much of it is covered, and by what value in each channel.
 * Sizes are in parts of the side, so that they look alike at any. */
#include "defects.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

const char *const defect_names[DEFECTS] = {"scratch", "blob", "block", "texture"};

/* Where a defect is, and what it looks like. */
struct look {
    float x, y;             /* its middle */
    float ux, uy;           /* unit vector along it */
    float length, width;    /* half extents along and across */
    float colour[3], depth; /* what it puts there, or by how much it moves what is there */
};

/* SplitMix64: uniform in [low, high). */
static float uniform(uint64_t *state, float low, float high)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return low + (high - low) * (float)((z ^ z >> 31) >> 40) / 16777216.0f;
}

static struct look look_of(enum defect kind, float side, uint64_t seed)
{
    static const float least[DEFECTS] = {0.25f, 0.07f, 0.10f, 0.12f};
    static const float most[DEFECTS] = {0.45f, 0.14f, 0.16f, 0.20f};
    uint64_t state = seed * DEFECTS + (uint64_t)kind;
    struct look look;
    const float angle = uniform(&state, 0.0f, 3.14159265f);
    const float sign = uniform(&state, -1.0f, 1.0f) < 0.0f ? -1.0f : 1.0f;
    const int strong = (int)uniform(&state, 0.0f, 3.0f);

    look.length = uniform(&state, least[kind], most[kind]) * side;
    look.width = kind == SCRATCH ? uniform(&state, 0.4f, 0.8f) : look.length;
    look.x = uniform(&state, 0.2f, 0.8f) * side;
    look.y = uniform(&state, 0.2f, 0.8f) * side;
    look.ux = kind == SCRATCH || kind == BLOB ? cosf(angle) : 1.0f;
    look.uy = kind == SCRATCH || kind == BLOB ? sinf(angle) : 0.0f;
    look.depth = uniform(&state, 0.5f, 0.9f);
    for (int c = 0; c < 3; c++)
        look.colour[c] = sign * (c == strong ? 0.8f : -0.4f);
    return look;
}

/* 1 inside, 0 outside, over one pixel in between. */
static float inside(float distance, float extent)
{
    return fmaxf(0.0f, fminf(1.0f, extent - distance + 0.5f));
}

/* How much of the pixel is covered. */
static float cover(const struct look *look, enum defect kind, int x, int y)
{
    const float dx = (float)x + 0.5f - look->x, dy = (float)y + 0.5f - look->y;
    const float along = dx * look->ux + dy * look->uy, across = dy * look->ux - dx * look->uy;
    const float far = (along * along + across * across) / (look->length * look->length);

    if (kind == BLOB)
        return far < 4.0f ? 0.9f * expf(-far) : 0.0f;
    if (kind == SCRATCH)
        return inside(fabsf(along), look->length) * inside(fabsf(across), look->width);
    return fabsf(along) < look->length && fabsf(across) < look->width ? 1.0f : 0.0f;
}

/* What is there instead. */
static float value_of(const struct look *look, enum defect kind, int c, int x, int y, float was)
{
    switch (kind) {
    case SCRATCH: return was > 0.0f ? was - look->depth : was + look->depth;
    case BLOB: return look->colour[c];
    case BLOCK: return -1.0f;
    default: return was + ((x + y) % 2 ? 0.35f : -0.35f);
    }
}

void defect_paint(float *image, unsigned char *mask, int side, enum defect kind, uint64_t seed)
{
    const struct look look = look_of(kind, (float)side, seed);
    const size_t plane = (size_t)side * (size_t)side;

    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            const size_t at = (size_t)y * (size_t)side + (size_t)x;
            const float part = cover(&look, kind, x, y);
            mask[at] = part > 0.1f;
            for (int c = 0; part > 0.0f && c < 3; c++) {
                float *value = &image[(size_t)c * plane + at];
                *value += part * (value_of(&look, kind, c, x, y, *value) - *value);
                *value = fmaxf(-1.0f, fminf(1.0f, *value));
            }
        }
}
