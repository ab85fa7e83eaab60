/* survey.h - every test image by itself. */
#ifndef TRAINER_SURVEY_H
#define TRAINER_SURVEY_H

#include "run.h"

struct score {
    int64_t index;       /* in the test set */
    double psnr;         /* of the output, dB; infinite for an image that came back exactly */
};

/* {0} is empty. */
struct survey {
    struct score *scores;
    int64_t count;
};

/* The PSNR of every test image, the lowest first, and of equal ones the earlier. */
bool survey_take(struct survey *survey, const struct run *run);
void survey_free(struct survey *survey);

#endif
