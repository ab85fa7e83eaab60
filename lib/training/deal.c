/* deal.c - who computes what: blocks of a batch dealt out to slots, and slots to ranks, see
 * training.h. */
#include "training.h"

#include <inttypes.h>
#include <string.h>

#define MOST_SLOTS 16   /* part of what a training's bits are */
#define MOST_NATIVE 32  /* of a rank, where the bits depend on ranks anyway: so many of its threads */

int64_t cae__most_in_batch(const cae_trainer *trainer)
{
    const int64_t count = trainer->dataset->count, batch = trainer->options.batch;
    return count < batch ? count : batch;
}

static cae_status too_few_blocks(const cae_context *context, const cae_trainer *trainer, int ranks,
                                 int64_t most)
{
    return cae__fail(context, CAE_ERR_OPTIONS,
                     "a batch of %" PRId64 " images is work for %" PRId64 " ranks with this "
                     "reduction, expected at least %d: a larger batch, or fewer ranks",
                     cae__most_in_batch(trainer), most, ranks);
}

static int smaller(int64_t a, int b)
{
    return a < b ? (int)a : b;
}

cae_status cae__deal_create(struct cae__deal *deal, const cae_trainer *trainer,
                            const cae_group_options *group)
{
    const cae_context *context = trainer->handle.context;
    const int ranks = group->ranks;
    const bool native = group->reduction == CAE_REDUCTION_NATIVE;
    const int64_t blocks = cae__plan_blocks(&trainer->plan, cae__most_in_batch(trainer));
    *deal = (struct cae__deal){.slots = smaller(blocks, MOST_SLOTS)};
    if (ranks > (native ? blocks : deal->slots))
        return too_few_blocks(context, trainer, ranks, native ? blocks : deal->slots);
    if (native) /* as many on each, whatever their number */
        deal->slots = ranks * smaller((blocks + ranks - 1) / ranks, MOST_NATIVE);
    deal->own = (deal->slots - group->rank + ranks - 1) / ranks;

    const size_t parameters = trainer->model->parameter_count;
    const size_t tail = cae__group_tail(native ? 1 : deal->slots);
    size_t floats;
    if (cae__multiply(&floats, (size_t)(native ? deal->own : deal->slots), parameters) &&
        floats <= SIZE_MAX - tail)
        deal->slot_gradients = cae__alloc(context, floats + (native ? 0 : tail), sizeof(float));
    deal->slot_losses = cae__alloc_zero(context, (size_t)deal->slots, sizeof(double));
    deal->slot_unread = cae__alloc(context, (size_t)deal->slots, sizeof(int64_t));
    deal->gradient = cae__alloc_zero(context, parameters + (native ? tail : 0), sizeof(float));
    return deal->slot_gradients && deal->slot_losses && deal->slot_unread && deal->gradient
               ? CAE_OK
               : cae__fail_memory(context);
}

void cae__deal_destroy(struct cae__deal *deal, const cae_context *context)
{
    cae__free(context, deal->slot_gradients);
    cae__free(context, deal->slot_losses);
    cae__free(context, deal->slot_unread);
    cae__free(context, deal->gradient);
}

void cae__deal_take(cae_trainer *trainer, struct cae__deal *deal)
{
    memcpy(deal->gradient, trainer->deal.gradient,
           trainer->model->parameter_count * sizeof(float));
    cae__deal_destroy(&trainer->deal, trainer->handle.context);
    trainer->deal = *deal;
}
