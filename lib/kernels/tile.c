/* tile.c - cutting a grid into pieces whose column matrix stays in the cache. */
#include "kernels.h"

/* 64 KiB of columns: with the operands of the product beside them, within a common L2 and most of
 * it in L1. On the reference layers 64, 80 and 128 KiB measured alike, 32 KiB a tenth slower. */
#define TILE_FLOATS 16384

/* Pieces of at most so many to cover an extent, which may be the largest int. */
static int pieces_of(int extent, int64_t most)
{
    return (int)((extent + most - 1) / most);
}

int64_t cae__tile_grid(struct cae__tile *tile, const struct cae__window *w)
{
    const int64_t positions = TILE_FLOATS / ((int64_t)cae__column_rows(w) * w->lanes);
    *tile = (struct cae__tile){.rows = 1, .columns = w->grid_w};
    if (positions >= w->grid_w)
        tile->rows = pieces_of(w->grid_h, pieces_of(w->grid_h, positions / w->grid_w));
    else
        tile->columns = pieces_of(w->grid_w, pieces_of(w->grid_w, positions < 1 ? 1 : positions));
    return (int64_t)pieces_of(w->grid_h, tile->rows) * pieces_of(w->grid_w, tile->columns);
}

struct cae__tile cae__tile_at(const struct cae__window *w, struct cae__tile full, int64_t index)
{
    const int64_t pieces = pieces_of(w->grid_w, full.columns);
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
