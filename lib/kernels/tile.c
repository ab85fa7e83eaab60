/* tile.c - cutting a grid into pieces whose column matrix stays in the cache. */
#include "kernels.h"

/* 64 KiB of columns: with the operands of the product beside them, within a common L2 and most of
 * it in L1. On the reference layers 64, 80 and 128 KiB measured alike, 32 KiB a tenth slower. */
#define TILE_FLOATS 16384

static int at_least_one(int64_t x)
{
    return x < 1 ? 1 : (int)x;
}

int64_t cae__tile_grid(struct cae__tile *tile, const struct cae__window *w)
{
    const int64_t positions = TILE_FLOATS / ((int64_t)cae__column_rows(w) * w->lanes);
    *tile = (struct cae__tile){.rows = 1, .columns = w->grid_w};
    if (positions >= w->grid_w) {
        const int rows = positions / w->grid_w < w->grid_h ? (int)(positions / w->grid_w) : w->grid_h;
        const int bands = (w->grid_h + rows - 1) / rows;
        tile->rows = (w->grid_h + bands - 1) / bands;
    } else {
        const int pieces = (w->grid_w + at_least_one(positions) - 1) / at_least_one(positions);
        tile->columns = (w->grid_w + pieces - 1) / pieces;
    }
    const int64_t bands = (w->grid_h + tile->rows - 1) / tile->rows;
    return bands * ((w->grid_w + tile->columns - 1) / tile->columns);
}

struct cae__tile cae__tile_at(const struct cae__window *w, struct cae__tile full, int64_t index)
{
    const int64_t pieces = (w->grid_w + full.columns - 1) / full.columns;
    struct cae__tile tile = full;
    tile.row = (int)(index / pieces) * full.rows;
    tile.column = (int)(index % pieces) * full.columns;
    if (tile.rows > w->grid_h - tile.row)
        tile.rows = w->grid_h - tile.row;
    if (tile.columns > w->grid_w - tile.column)
        tile.columns = w->grid_w - tile.column;
    return tile;
}

bool cae__columns_are_image(const struct cae__window *w)
{
    return w->kernel_h == 1 && w->kernel_w == 1 && w->stride_h == 1 && w->stride_w == 1 &&
           w->padding_h == 0 && w->padding_w == 0 && w->grid_h == w->image_h &&
           w->grid_w == w->image_w;
}
