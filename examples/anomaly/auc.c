/* auc.c - how well scores tell two kinds of images apart. */
#include "auc.h"

#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

double auc(double *clean, size_t clean_count, double *anomalous, size_t anomalous_count)
{
    size_t below = 0, not_above = 0;
    double pairs = 0.0;

    qsort(clean, clean_count, sizeof *clean, ascending);
    qsort(anomalous, anomalous_count, sizeof *anomalous, ascending);
    for (size_t i = 0; i < anomalous_count; i++) {    /* both numbers only grow from one to the next */
        while (below < clean_count && clean[below] < anomalous[i])
            below++;
        while (not_above < clean_count && clean[not_above] <= anomalous[i])
            not_above++;
        pairs += 0.5 * (double)(below + not_above);
    }
    return pairs / ((double)clean_count * (double)anomalous_count);
}

double share_above(const double *scores, size_t count, double threshold)
{
    size_t above = 0;

    for (size_t i = 0; i < count; i++)
        above += scores[i] > threshold;
    return (double)above / (double)count;
}
