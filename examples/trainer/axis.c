/* axis.c - from values to pixels, and where the ticks of an axis are. */
#include "axis.h"

#include <math.h>
#include <stddef.h>

double scale_place(const struct scale *s, double value)
{
    return s->from + (value - s->low) / (s->high - s->low) * (s->to - s->from);
}

double axis_step(double length, int wanted)
{
    const double rough = length / wanted, power = pow(10, floor(log10(rough)));
    const double factor = rough / power;

    return power * (factor > 5 ? 10 : factor > 2 ? 5 : factor > 1 ? 2 : 1);
}

int ticks_linear(double ticks[TICKS], const struct scale *s, int wanted)
{
    const double step = axis_step(s->high - s->low, wanted);
    const double first = ceil(s->low / step - 1e-9);
    int count = 0;

    while (first + count <= s->high / step + 1e-9 && count < TICKS) {
        ticks[count] = (first + count) * step + 0.0;  /* never -0 */
        count++;
    }
    return count;
}

/* Every `multiples` times a power of ten that is in sight. */
static int decade_ticks(double ticks[TICKS], const struct scale *s, const double *multiples)
{
    int count = 0;

    for (int decade = (int)floor(s->low); decade <= s->high; decade++)
        for (const double *m = multiples; *m; m++) {
            const double tick = decade + log10(*m);
            if (tick >= s->low && tick <= s->high && count < TICKS)
                ticks[count++] = tick;
        }
    return count;
}

/* Evenly spaced values, for a range that lies between two such multiples. */
static int even_ticks(double ticks[TICKS], const struct scale *s)
{
    const struct scale values = {.low = pow(10, s->low), .high = pow(10, s->high)};
    const int count = ticks_linear(ticks, &values, 8);

    for (int i = 0; i < count; i++)
        ticks[i] = log10(ticks[i]);
    return count;
}

/* The coarsest division that gives the eye something to hold on to. */
int ticks_log(double ticks[TICKS], const struct scale *s)
{
    static const double divisions[][10] = {
        {1}, {1, 3}, {1, 2, 5}, {1, 2, 3, 4, 5, 6, 7, 8, 9}};
    int count = 0;

    for (size_t i = 0; i < sizeof divisions / sizeof *divisions && count < 4; i++)
        count = decade_ticks(ticks, s, divisions[i]);
    return count < 4 ? even_ticks(ticks, s) : count;
}
