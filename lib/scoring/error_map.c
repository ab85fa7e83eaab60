/* error_map.c - where a frame and its reconstruction differ, and by how much.
 *
 * The blur takes sums along rows, then along columns, each from its values anew: a running sum
 * that values are added to and taken from would carry the rounding of a large one to all that
 * follow. Sums and their order depend on the place alone. */
#include "scoring.h"

#include <string.h>

#define BAND_PIXELS 65536 /* a frame that is not run in tiles is one band */

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* How many positions of `extent` lie within `radius` of one. */
static int reach(int at, int radius, int extent)
{
    const int first = at > radius ? at - radius : 0;
    return (extent - at > radius ? at + radius + 1 : extent) - first;
}

cae_status cae__error_map_init(struct cae__error_map *map, const cae_context *context, int channels,
                               int height, int width, int smoothing)
{
    const int rows = width < BAND_PIXELS ? BAND_PIXELS / width : 1;
    *map = (struct cae__error_map){
        .channels = channels, .height = height, .width = width,
        .radius_h = least(smoothing, height - 1), .radius_w = least(smoothing, width - 1),
        .bands = height / rows + (height % rows != 0), .band_rows = rows};
    map->columns = cae__alloc(context, (size_t)width, sizeof *map->columns);
    if (!map->columns)
        return cae__fail_memory(context);
    for (int x = 0; x < width; x++)
        map->columns[x] = (float)reach(x, map->radius_w, width);
    return CAE_OK;
}

void cae__error_map_finish(struct cae__error_map *map, const cae_context *context)
{
    cae__free(context, map->columns);
    map->columns = NULL;
}

/* Rows of sums that the blur looks back on, a row with zeros at both ends, a row of the map. */
uint64_t cae__error_map_scratch(const struct cae__error_map *map)
{
    const uint64_t width = (uint64_t)map->width;
    return (2 * (uint64_t)map->radius_h + 1) * width + width + 2 * (uint64_t)map->radius_w + width;
}

static size_t place(const struct cae__error_map *map, int channel, int row)
{
    return ((size_t)channel * (size_t)map->height + (size_t)row) * (size_t)map->width;
}

/* Rows [*first, *end) of a band. */
static void rows_of(int *first, int *end, const struct cae__error_map *map, int band)
{
    *first = band * map->band_rows;
    *end = least(map->height - *first, map->band_rows) + *first;
}

/* --- The mean ---------------------------------------------------------------------------------- */

/* In eight sums side by side, so that none waits for the one before. */
static double square_sum(const float *a, const float *b, size_t count)
{
    enum { SUMS = 8 };
    double sums[SUMS] = {0};
    size_t i = 0;
    for (; i + SUMS <= count; i += SUMS)
        for (int k = 0; k < SUMS; k++) {
            const double d = (double)a[i + (size_t)k] - (double)b[i + (size_t)k];
            sums[k] += d * d;
        }
    for (int k = 0; i < count; i++, k++) {
        const double d = (double)a[i] - (double)b[i];
        sums[k] += d * d;
    }
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) +
           ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

double cae__error_sum(const struct cae__error_map *map, const float *x, const float *y, int band)
{
    int first, end;
    double sum = 0.0;
    rows_of(&first, &end, map, band);
    for (int c = 0; c < map->channels; c++)
        sum += square_sum(x + place(map, c, first), y + place(map, c, first),
                          (size_t)(end - first) * (size_t)map->width);
    return sum;
}

/* --- The map ----------------------------------------------------------------------------------- */

static void error_row(float *to, const struct cae__error_map *map, const float *x, const float *y,
                      int row)
{
    const float channels = (float)map->channels;
    memset(to, 0, (size_t)map->width * sizeof *to);
    for (int c = 0; c < map->channels; c++) {
        const float *a = x + place(map, c, row), *b = y + place(map, c, row);
        for (int i = 0; i < map->width; i++) {
            const float d = b[i] - a[i];
            to[i] += d * d;
        }
    }
    for (int i = 0; i < map->width; i++)
        to[i] /= channels;
}

/* `row` has radius_w zeros on both sides. */
static void sum_along(float *to, const float *row, const struct cae__error_map *map)
{
    memcpy(to, row, (size_t)map->width * sizeof *to);
    for (int k = 1; k <= 2 * map->radius_w; k++)
        for (int i = 0; i < map->width; i++)
            to[i] += row[i + k];
}

/* Row `row` of the map, of the sums around it. */
static void mean_down(float *to, const float *sums, const struct cae__error_map *map, int row)
{
    const int kept = 2 * map->radius_h + 1;
    const int first = row > map->radius_h ? row - map->radius_h : 0;
    const int count = reach(row, map->radius_h, map->height);
    const float rows = (float)count;
    const size_t width = (size_t)map->width;
    memcpy(to, sums + (size_t)(first % kept) * width, width * sizeof *to);
    for (int k = 1; k < count; k++) {
        const float *from = sums + (size_t)((first + k) % kept) * width;
        for (size_t i = 0; i < width; i++)
            to[i] += from[i];
    }
    for (size_t i = 0; i < width; i++)
        to[i] /= map->columns[i] * rows;
}

/* The largest of values >= 0, as their bits have it, which for NaN and infinity are above all. */
static uint32_t largest(const float *values, int count, uint32_t so_far)
{
    int32_t most = (int32_t)so_far;
    for (int i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        const int32_t value = (int32_t)(bits & 0x7fffffff);
        most = value > most ? value : most;
    }
    return (uint32_t)most;
}

void cae__error_band(struct cae__band *out, float *values, const struct cae__error_map *map,
                     const float *x, const float *y, int band, float *scratch)
{
    const size_t width = (size_t)map->width, zeros = (size_t)map->radius_w;
    const int kept = 2 * map->radius_h + 1;
    float *const sums = scratch, *const padded = sums + (size_t)kept * width;
    float *const spare = padded + width + 2 * zeros;
    uint32_t peak = 0;
    int first, end;

    rows_of(&first, &end, map, band);
    memset(padded, 0, (width + 2 * zeros) * sizeof *padded);
    int ready = first > map->radius_h ? first - map->radius_h : 0; /* the next row to be summed */
    for (int row = first; row < end; row++) {
        const int needed = map->height - row > map->radius_h ? row + map->radius_h : map->height - 1;
        for (; ready <= needed; ready++) {
            error_row(padded + zeros, map, x, y, ready);
            sum_along(sums + (size_t)(ready % kept) * width, padded, map);
        }
        float *to = values ? values + (size_t)row * width : spare;
        mean_down(to, sums, map, row);
        peak = largest(to, map->width, peak);
    }
    memcpy(&out->peak, &peak, sizeof peak);
    out->finite = peak < 0x7f800000;
}
