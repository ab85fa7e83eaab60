/* training.h - gradients become updates; steps become epochs. */
#ifndef CAE_TRAINING_H
#define CAE_TRAINING_H

#include "../data/data.h"
#include "../network/network.h"

/* --- Optimizer --------------------------------------------------------------------------------- *
 *
 * An update reads one copy of the state and writes the other, then they change places: the last
 * update can be taken back when the loss it leads to is not finite. Moments are flat arrays like
 * the parameters; `moment_count` of them exist. */
struct cae_optimizer {
    struct cae__handle handle;
    cae_model *model;
    cae_optimizer_options options;
    int64_t updates;
    int moment_count;        /* SGD 0, with momentum 1, Adam and AdamW 2 */
    float *moments[2];
    float *spare_moments[2];
    float *spare_parameters; /* the model has the other copy */
    uint64_t trainers;       /* made for it so far: their numbers */
    uint64_t undo_owner;     /* who made the last update, 0 when there is none to take back */
    uint64_t undo_revision;  /* of the model, right after it */
};

/* Drop one reference; the caller's own goes with cae_optimizer_destroy. */
void cae__optimizer_release(cae_optimizer *optimizer);
/* False, with nothing changed, when the result would not be finite. */
bool cae__optimizer_update(cae_optimizer *optimizer, const float *gradient, double learning_rate,
                           uint64_t owner);
/* The two copies change places. */
void cae__optimizer_exchange(cae_optimizer *optimizer);
/* Take the last update back, if it was the owner's and nobody changed the model since. */
bool cae__optimizer_undo(cae_optimizer *optimizer, uint64_t owner);
const char *cae__optimizer_name(int32_t kind);

/* --- Schedule --------------------------------------------------------------------------------- */

cae_status cae__schedule_check(const cae_context *context, const cae_trainer_options *o);
/* What the base rate is multiplied by at a step, counted from 0. */
double cae__schedule_factor(const cae_trainer_options *o, int64_t step);

/* --- Trainer ---------------------------------------------------------------------------------- */

/* Everything that distinguishes one moment of training from another, beside the
 * optimizer's state. */
struct cae__cursor {
    int64_t step;     /* optimizer steps taken */
    int64_t epoch;    /* epochs completed */
    int64_t position; /* images visited in this epoch */
    double loss_sum;  /* of them, each image's mean loss */
};

/* The blocks of a batch are dealt out to a fixed number of slots, each with a gradient of its own:
 * block b goes to slot b mod slots. Slots are added up in order, so the number of threads changes no
 * bit; nor does that of ranks, to which slots are dealt in turn: slot s is rank s mod ranks'. A
 * native reduction adds up `own` slots on each rank first, and keeps no others. */
struct cae__deal {
    int slots, own;
    float *slot_gradients; /* [slots, or own][parameters], and then the tail of group.c */
    double *slot_losses;   /* [slots] */
    int64_t *slot_unread;  /* [slots]: CAE__ALL_READ, or an image that could not be read */
    float *gradient;       /* [parameters], their sum, and then that tail in native ones */
};

/* For a trainer that is alone `ranks` is 1. */
struct cae__group {
    cae_group_options options;
    bool joined, broken;
    float *table; /* [ranks + 1][CAE__IDENTITY], see cae__group_table */
};

struct cae_trainer {
    struct cae__handle handle;
    cae_model *model;
    cae_optimizer *optimizer;
    uint64_t number; /* of the optimizer's trainers; an address may be a former one's */
    const cae_dataset *dataset;
    cae_trainer_options options;
    struct cae__loss loss;
    struct cae__ssim ssim;
    bool noisy; /* the input is another one than the target */

    struct cae__plan plan;
    struct cae__workspace **workspaces; /* one per worker, see trainer.c */
    int workers;

    struct cae__deal deal;
    struct cae__group group;
    atomic_bool stop_requested; /* on this rank, and not yet seen by a step */
    bool stop_seen;      /* by the step that is being taken, on some rank */

    struct cae__cursor now;
    cae_progress progress;

    /* Moving averages of the parameters, NULL without: the current one and the one before. */
    float *average, *average_before;

    /* What goes with the optimizer's undo. */
    struct cae__cursor before;
    cae_progress progress_before;
};

/* --- A visit: which image, how it lies, with how much noise ----------------------------------- */

struct cae__visit {
    int64_t image;
    int way; /* a sum of enum cae_augment */
    float sigma;
};

/* At a position of the current epoch. */
struct cae__visit cae__visit_at(const cae_trainer *trainer, int64_t position);
/* `used` visits from position `first` on, interleaved as a block: the clean images and, unless both
 * are one array, those with noise. `room` is that of cae__dataset_room for so many images.
 * CAE__ALL_READ, or an image that cannot be read. */
int64_t cae__visit_load(float *input, float *target, const cae_trainer *trainer, int64_t first,
                        int lanes, int used, void *room);
/* The block at position `first` of the epoch is about to be loaded: where images lie in files, say
 * which ones its slot will ask for later, within this step or some steps from now. */
void cae__visit_announce(const cae_trainer *trainer, int64_t first);

/* --- Moving average of the parameters --------------------------------------------------------- */

cae_status cae__average_create(cae_trainer *trainer);
void cae__average_destroy(cae_trainer *trainer);
/* Once the optimizer has taken step now.step. */
void cae__average_update(cae_trainer *trainer);
/* The two copies change places: takes the last update back. */
void cae__average_exchange(cae_trainer *trainer);

/* --- Group, see group.c ----------------------------------------------------------------------- */

/* Images of the largest batch. */
int64_t cae__most_in_batch(const cae_trainer *trainer);
/* The deal of a trainer in a group; CAE_ERR_OPTIONS when there is not enough for all ranks. */
cae_status cae__deal_create(struct cae__deal *deal, const cae_trainer *trainer,
                            const cae_group_options *group);
void cae__deal_destroy(struct cae__deal *deal, const cae_context *context);
/* In place of the one it had; the last gradient stays. */
void cae__deal_take(cae_trainer *trainer, struct cae__deal *deal);
/* Floats that go with the gradients of `slots` slots. */
size_t cae__group_tail(int slots);

/* `mine` where it is a failure; CAE_ERR_PEER when another rank's is. Alone, `mine`. */
cae_status cae__group_agree(const cae_trainer *trainer, cae_status mine);
/* After it, slots or the gradient, and the losses, are those of all ranks; or the verdict. */
cae_status cae__group_step(cae_trainer *trainer, cae_status mine);
/* Every rank's row of `count` whole numbers below 65536, at most CAE__IDENTITY, the first of them 1:
 * group.table is [ranks][count] then. */
cae_status cae__group_table(const cae_trainer *trainer, const float *row, size_t count);
/* The least of all ranks' values, which are below `limit`, but for negative ones, which are none: -1. */
cae_status cae__group_least(int64_t *least, const cae_trainer *trainer, int64_t value,
                            int64_t limit);
/* Rank 0's bytes on all ranks; on the others they are a block for cae__free, also on failure. */
cae_status cae__group_share(unsigned char **data, size_t *size, const cae_trainer *trainer);
void cae__group_leave(cae_trainer *trainer);

/* A number of 64 bits in a row. */
#define CAE__ROW_NUMBER 4
void cae__row_put(float *row, uint64_t value);
uint64_t cae__row_get(const float *row);

/* identity.c: a row that says all that must be equal on all ranks, and a look at those of all. */
#define CAE__IDENTITY 256
cae_status cae__identity(float *row, const cae_trainer *trainer);
cae_status cae__identity_compare(const cae_trainer *trainer);
/* CAE_ERR_PEER, and the end of the group, unless all ranks have the same parameters. Collective. */
cae_status cae__identity_of_parameters(cae_trainer *trainer);

/* CAE_ERR_SHAPE unless the model maps the dataset's images onto their own shape. */
cae_status cae__check_fit(const cae_context *context, const cae_model *model,
                          const cae_dataset *dataset);

#endif
