/* heat.h - errors as colours, colours as grey. */
#ifndef TOOL_HEAT_H
#define TOOL_HEAT_H

#include "picture.h"

/* Write values [height][width] as a PNG: 0 is black, `white` and above white, over red and yellow;
 * where `white` is 0 the largest value is. */
bool heat_write(const struct call *call, const float *values, int64_t height, int64_t width,
                double white, const char *path);

/* One plane of three by Rec. 601 luma: of bytes and of 16 bits the byte that
 * cae_dataset_open_folder makes. */
bool luma(float *grey, const struct call *call, const struct picture *picture, const char *path);

#endif
