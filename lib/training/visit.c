/* visit.c - what the visit of an image in an epoch is: which image, how it lies, with how much
 * noise. All of it is a function of (seed, epoch, position), so a resumed run draws what the
 * interrupted one would have drawn. */
#include "training.h"

#include "../random/random.h"

/* Draw streams are counted by image and epoch: images beyond 2^40 and epochs beyond 2^24 share
 * theirs with others, which nobody has. */
static struct cae__stream stream_of(const cae_trainer *trainer, enum cae__purpose purpose,
                                    int64_t image)
{
    struct cae__stream stream;
    const uint64_t id = ((uint64_t)trainer->now.epoch & 0xffffff) << 40 |
                        ((uint64_t)image & 0xffffffffff);
    cae__stream_init(&stream, trainer->options.seed, purpose, id);
    return stream;
}

static int64_t image_at(const cae_trainer *trainer, int64_t position)
{
    const cae_trainer_options *o = &trainer->options;
    return !o->shuffle ? position
                       : (int64_t)cae__permute((uint64_t)position,
                                               (uint64_t)trainer->dataset->count,
                                               o->seed, (uint64_t)trainer->now.epoch);
}

/* Each of the ways asked for by the toss of a coin; all coins are tossed, so that asking for one
 * more does not change the others. */
static int way_of(const cae_trainer *trainer, int64_t image)
{
    if (!trainer->options.augment)
        return 0;
    struct cae__stream stream = stream_of(trainer, CAE__FOR_AUGMENT, image);
    return (int)(cae__stream_next(&stream) & (uint32_t)trainer->options.augment);
}

static float sigma_of(const cae_trainer *trainer, int64_t image)
{
    const cae_trainer_options *o = &trainer->options;
    if (o->noise_sigma_max == 0.0)
        return (float)o->noise_sigma;
    struct cae__stream stream = stream_of(trainer, CAE__FOR_SIGMA, image);
    return (float)(o->noise_sigma + (o->noise_sigma_max - o->noise_sigma) *
                                        (double)cae__stream_uniform(&stream));
}

struct cae__visit cae__visit_at(const cae_trainer *trainer, int64_t position)
{
    const int64_t image = image_at(trainer, position);
    return (struct cae__visit){image, way_of(trainer, image), sigma_of(trainer, image)};
}

void cae__visit_load(float *input, float *target, const cae_trainer *trainer, int64_t first,
                     int lanes, int used)
{
    const cae_dataset *d = trainer->dataset;
    int64_t images[CAE__MOST_LANES];
    uint64_t names[CAE__MOST_LANES] = {0}; /* lanes beyond get no noise, and nobody looks at them */
    float sigmas[CAE__MOST_LANES] = {0};
    int ways[CAE__MOST_LANES];

    for (int lane = 0; lane < used; lane++) {
        const struct cae__visit visit = cae__visit_at(trainer, first + lane);
        images[lane] = visit.image;
        names[lane] = (uint64_t)visit.image;
        ways[lane] = visit.way;
        sigmas[lane] = visit.sigma;
    }
    cae__dataset_read_lanes(target, d, images, ways, lanes, used);
    if (trainer->noisy)
        trainer->handle.context->kernels->add_noise(input, target, d->length, lanes, sigmas,
                                                    trainer->options.seed,
                                                    (uint32_t)trainer->now.epoch, names);
}
