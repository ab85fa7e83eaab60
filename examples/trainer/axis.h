/* axis.h - from values to pixels, and where the ticks of an axis are. */
#ifndef TRAINER_AXIS_H
#define TRAINER_AXIS_H

struct scale {
    double low, high;    /* values at the two ends */
    double from, to;     /* pixels there */
};

double scale_place(const struct scale *scale, double value);

/* 1, 2 or 5 times a power of ten: what divides a length into about `wanted` parts. */
double axis_step(double length, int wanted);

/* A tick at every such step. Returns how many. */
enum { TICKS = 64 };
int ticks_linear(double ticks[TICKS], const struct scale *scale, int wanted);

/* For a scale of decimal logarithms: four or more round values where that can be, as logarithms. */
int ticks_log(double ticks[TICKS], const struct scale *scale);

#endif
