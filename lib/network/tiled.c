/* tiled.c - a large image in parts, so that memory is bounded by the part and not by the image.
 *
 * A tile of the output is computed from the part of the input that it can see, layer by layer:
 * where tiles meet, the pixels that both need are computed by both, and the result is that of the
 * whole image (to the bit, but for layers that are matrix products, whose sums depend on their
 * shape). Tiles are the same whatever the number of threads; each worker has a plan of its own to
 * point at them. */
#include "network.h"

#include <string.h>

/* Values of the longest array between two layers, in one tile: with the next one and its copies
 * within a common L2 cache. Smaller tiles compute more pixels twice. */
#define TILE_VALUES 131072
/* Tiles are this much wider and lower than square, though not lower than that: long rows for
 * the vectors, and what tiles above each other compute twice must not be most of it. Measured
 * on a 4000x3000 photo. */
#define STRETCH 4
#define LEAST_HEIGHT 32

/* Images on their way through it. */
struct job {
    const struct cae__tiling *tiling;
    const cae_context *context;
    const float *x;
    float *y;
};

static struct cae__span piece(int64_t index, int64_t pieces, int64_t extent)
{
    return (struct cae__span){(int)(index * extent / pieces), (int)((index + 1) * extent / pieces)};
}

/* Between a dense [channels][rows][columns] and that part of an image; `out` writes the image. */
static void copy_part(float *image, float *dense, int channels, int h, int w, struct cae__span rows,
                      struct cae__span columns, bool out)
{
    const size_t length = (size_t)(columns.end - columns.first);
    for (int c = 0; c < channels; c++)
        for (int y = rows.first; y < rows.end; y++, dense += length) {
            float *part = image + ((size_t)c * (size_t)h + (size_t)y) * (size_t)w + columns.first;
            memcpy(out ? part : dense, out ? dense : part, length * sizeof *dense);
        }
}

/* The input of the same place, which has the output's size and channels. */
static void add_part(float *y, const float *x, const struct cae__tiling *t, struct cae__span rows,
                     struct cae__span columns)
{
    for (int c = 0; c < t->out_c; c++)
        for (int row = rows.first; row < rows.end; row++) {
            const size_t at = ((size_t)c * (size_t)t->out_h + (size_t)row) * (size_t)t->out_w +
                              (size_t)columns.first;
            cae__add(y + at, x + at, (size_t)(columns.end - columns.first));
        }
}

static void crop(const struct cae__tiling *t, struct cae__plan *plan, int64_t tile)
{
    cae__plan_crop(plan, piece(tile / t->columns, t->rows, t->out_h),
                   piece(tile % t->columns, t->columns, t->out_w), t->in, t->out);
}

static size_t place(int w, struct cae__span rows, struct cae__span columns)
{
    return (size_t)rows.first * (size_t)w + (size_t)columns.first;
}

/* Layers that are computed directly read and write in the middle of the images; for others the tile
 * is cut out and put back. */
static void run_tile(void *given, int64_t index, int worker)
{
    const struct job *job = given;
    const struct cae__tiling *t = job->tiling;
    struct cae__plan *plan = &t->plans[worker];
    const int64_t tiles = (int64_t)t->rows * t->columns;
    const int64_t image = index / tiles, tile = index % tiles;
    const struct cae__span rows = piece(tile / t->columns, t->rows, t->out_h);
    const struct cae__span columns = piece(tile % t->columns, t->columns, t->out_w);
    const float *x = job->x + (size_t)image * (size_t)t->in_c * (size_t)t->in_h * (size_t)t->in_w;
    float *y = job->y + (size_t)image * (size_t)t->out_c * (size_t)t->out_h * (size_t)t->out_w;
    float *scratch = cae__scratch(job->context, worker);
    float *const buffers[2] = {scratch, scratch + t->longest};

    crop(t, plan, tile);
    const float *from = x + place(t->in_w, plan->input_rows, plan->input_columns);
    float *to = y + place(t->out_w, rows, columns);
    if (!t->in.row) { /* the cast takes a const away for a copy that goes the other way */
        copy_part((float *)x, buffers[0], t->in_c, t->in_h, t->in_w, plan->input_rows,
                  plan->input_columns, false);
        from = buffers[0];
    }
    if (!t->out.row)
        to = buffers[plan->count % 2];
    cae__plan_run(plan, to, from, buffers, scratch + 2 * t->longest);
    if (!t->out.row)
        copy_part(y, to, t->out_c, t->out_h, t->out_w, rows, columns, true);
    if (plan->residual)
        add_part(y, x, t, rows, columns);
}

/* The side of a tile, were it square: as many output pixels as keep the longest array within
 * TILE_VALUES. */
static int side_of(const struct cae__plan *plan, int64_t out_pixels)
{
    const uint64_t pixels = TILE_VALUES * (uint64_t)out_pixels / plan->longest;
    int side = LEAST_HEIGHT;
    while ((uint64_t)(side + 1) * (uint64_t)(side + 1) <= pixels)
        side++;
    return side;
}

static int pieces_of(int extent, int64_t side)
{
    return (int)((extent + side - 1) / side);
}

/* Floats of scratch for the largest tile. */
static void measure(struct cae__tiling *t)
{
    uint64_t scratch = 0;
    for (int64_t tile = 0; tile < (int64_t)t->rows * t->columns; tile++) {
        crop(t, &t->plans[0], tile);
        t->longest = t->longest > t->plans[0].longest ? t->longest : t->plans[0].longest;
        scratch = scratch > t->plans[0].scratch ? scratch : t->plans[0].scratch;
    }
    t->floats = 2 * (uint64_t)t->longest + scratch;
}

int64_t cae__tiling_tiles(const struct cae__tiling *t, int64_t count)
{
    return count * t->rows * t->columns;
}

cae_status cae__tiling_init(struct cae__tiling *tiling, const cae_context *context,
                            const cae_model *model, int32_t part, const struct cae__plan *whole,
                            int64_t count)
{
    const struct cae__stage *first = &whole->stages[0], *last = &whole->stages[whole->count - 1];
    struct cae__tiling t = {
        .in_c = first->layer->in_channels, .in_h = first->in_h, .in_w = first->in_w,
        .out_c = last->layer->out_channels, .out_h = last->out_h, .out_w = last->out_w};
    if (first->direct.forward)
        t.in = (struct cae__frame){t.in_w, (ptrdiff_t)t.in_h * t.in_w};
    if (last->direct.forward)
        t.out = (struct cae__frame){t.out_w, (ptrdiff_t)t.out_h * t.out_w};
    const int side = side_of(whole, (int64_t)t.out_h * t.out_w);
    t.rows = pieces_of(t.out_h, side / STRETCH < LEAST_HEIGHT ? LEAST_HEIGHT : side / STRETCH);
    t.columns = pieces_of(t.out_w, side * STRETCH);

    t.workers = cae__workers(context, cae__tiling_tiles(&t, count));
    t.plans = cae__alloc_zero(context, (size_t)t.workers, sizeof *t.plans);
    cae_status status = t.plans ? CAE_OK : cae__fail_memory(context);
    for (int i = 0; i < t.workers && status == CAE_OK; i++)
        status = cae__plan_init(&t.plans[i], context, model, part, t.in_h, t.in_w, 1, false);
    if (status != CAE_OK) {
        cae__tiling_finish(&t, context);
        return status;
    }
    measure(&t);
    *tiling = t;
    return CAE_OK;
}

void cae__tiling_finish(struct cae__tiling *t, const cae_context *context)
{
    for (int i = 0; t->plans && i < t->workers; i++)
        cae__plan_finish(&t->plans[i], context);
    cae__free(context, t->plans);
    *t = (struct cae__tiling){0};
}

void cae__tiling_bind(struct cae__tiling *t, const cae_model *model, int32_t part)
{
    for (int i = 0; i < t->workers; i++)
        cae__plan_bind(&t->plans[i], model, part);
}

void cae__tiling_run(const struct cae__tiling *t, cae_context *context, float *y, const float *x,
                     int64_t count)
{
    struct job job = {t, context, x, y};
    cae__parallel(context, cae__tiling_tiles(t, count), run_tile, &job);
}

cae_status cae__run_tiled(cae_context *context, const cae_model *model, int32_t part,
                          const struct cae__plan *whole, float *y, const float *x, int64_t count)
{
    struct cae__tiling tiling;
    cae_status status = cae__tiling_init(&tiling, context, model, part, whole, count);
    if (status != CAE_OK)
        return status;
    status = cae__scratch_reserve(context, cae__tiling_tiles(&tiling, count),
                                  tiling.floats * sizeof(float));
    if (status == CAE_OK)
        cae__tiling_run(&tiling, context, y, x, count);
    cae__tiling_finish(&tiling, context);
    return status;
}
