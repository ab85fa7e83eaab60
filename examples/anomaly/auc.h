/* auc.h - how well scores tell two kinds of images apart. */
#ifndef ANOMALY_AUC_H
#define ANOMALY_AUC_H

#include <stddef.h>

/* The area under the ROC curve: the chance that an anomalous image, drawn at random, has a higher
 * score than a clean one, ties counting half (Mann & Whitney 1947; Hanley & McNeil 1982). 0.5 is
 * guessing. Both arrays are sorted in place; both counts are at least 1. */
double auc(double *clean, size_t clean_count, double *anomalous, size_t anomalous_count);

/* The share of scores above a threshold. */
double share_above(const double *scores, size_t count, double threshold);

#endif
