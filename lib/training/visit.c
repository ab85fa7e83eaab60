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

static int64_t image_at(const cae_trainer *trainer, int64_t epoch, int64_t position)
{
    const cae_trainer_options *o = &trainer->options;
    const uint64_t count = (uint64_t)trainer->dataset->count;
    if (!o->shuffle)
        return position;
    return (int64_t)(o->shuffle_window == 0
                         ? cae__permute((uint64_t)position, count, o->seed, (uint64_t)epoch)
                         : cae__permute_near((uint64_t)position, count,
                                             (uint64_t)o->shuffle_window, o->seed,
                                             (uint64_t)epoch));
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
    const int64_t image = image_at(trainer, trainer->now.epoch, position);
    return (struct cae__visit){image, way_of(trainer, image), sigma_of(trainer, image)};
}

int64_t cae__visit_load(float *input, float *target, const cae_trainer *trainer, int64_t first,
                        int lanes, int used, void *room)
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
    const int64_t unread = cae__dataset_read_lanes(target, d, images, ways, lanes, used, room);
    if (trainer->noisy && unread == CAE__ALL_READ)
        trainer->handle.context->kernels->add_noise(input, target, d->length, lanes, sigmas,
                                                    trainer->options.seed,
                                                    (uint32_t)trainer->now.epoch, names);
    return unread;
}

/* What is read while earlier images are computed on: so many bytes that a disk has something to put
 * in order, so few that they are still there when their turn comes. */
#define AHEAD ((int64_t)8 << 20)

/* Blocks that are some rounds of all slots away belong to the same slot, and so to the same rank, which
 * is the one that will read them. */
void cae__visit_announce(const cae_trainer *trainer, int64_t first)
{
    const cae_dataset *d = trainer->dataset;
    if (!d->store || !cae__store_is_slow(d->store))
        return;
    const int64_t wanted = trainer->options.batch, lanes = trainer->plan.lanes;
    const int64_t batch = d->count < wanted ? d->count : wanted, slots = trainer->deal.slots;
    const int64_t rounds = (cae__plan_blocks(&trainer->plan, batch) + slots - 1) / slots;
    const int64_t ahead = AHEAD / (int64_t)cae__dataset_room(d, 1) / (lanes * slots) + 1;

    const int64_t block = (first - trainer->now.position) / lanes;
    const int64_t round = block / slots + ahead;
    const int64_t step = trainer->now.position / batch + round / rounds;
    const int64_t steps = (d->count + batch - 1) / batch, begin = step % steps * batch;
    const int64_t end = d->count - begin < batch ? d->count : begin + batch;
    const int64_t position = begin + (round % rounds * slots + block % slots) * lanes;
    for (int64_t i = position; i < position + lanes && i < end; i++)
        cae__dataset_announce(d, image_at(trainer, trainer->now.epoch + step / steps, i));
}
