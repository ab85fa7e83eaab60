/* trainer.c - one step: load, forward, loss, backward, reduce, update.
 *
 * A batch is cut into blocks of `lanes` images. A block goes through the whole step on one worker
 * while its activations stay in that core's cache; only gradients meet, in slots (training.h). */
#include "../metrics/metrics.h"
#include "training.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MOST_AUGMENT (CAE_AUGMENT_MIRROR | CAE_AUGMENT_FLIP | CAE_AUGMENT_TRANSPOSE)
#define REDUCE_CHUNK 16384 /* parameters that one worker adds up at a time */

static const cae_trainer_options defaults = {
    .size = sizeof defaults, .batch = 64, .seed = 1, .loss = CAE_LOSS_MSE, .shuffle = 1,
    .huber_delta = 1.0, .decay_factor = 0.1};

/* Charbonnier's, where the options say 0, and between which its square is a float. */
#define EPSILON 1e-3
#define LEAST_EPSILON 1e-18
#define MOST_EPSILON 1e18

cae_status cae_trainer_options_init(cae_trainer_options *options, uint32_t size)
{
    return cae__options_init(options, size, &defaults, sizeof defaults);
}

static const cae_progress no_progress = {.size = sizeof no_progress};

cae_status cae_progress_init(cae_progress *progress, uint32_t size)
{
    return cae__options_init(progress, size, &no_progress, sizeof no_progress);
}

/* --- Making ----------------------------------------------------------------------------------- */

static cae_status check_numbers(const cae_context *context, const cae_trainer_options *o)
{
    if (o->batch < 1)
        return cae__fail(context, CAE_ERR_OPTIONS, "batch is %d, expected >= 1", (int)o->batch);
    if (o->loss < CAE_LOSS_MSE || o->loss > CAE_LOSS_CHARBONNIER)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "loss is %d, expected CAE_LOSS_MSE, _L1, _HUBER or _CHARBONNIER",
                         (int)o->loss);
    if (o->shuffle < 0 || o->shuffle > 1 || o->reserved != 0)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "shuffle is %d, expected 0 or 1, and reserved must be 0", (int)o->shuffle);
    if (!((float)o->huber_delta > 0.0f && isfinite((float)o->huber_delta)))
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "huber_delta is %g, expected a finite value > 0", o->huber_delta);
    if (!(o->noise_sigma >= 0.0 && isfinite((float)o->noise_sigma)))
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "noise_sigma is %g, expected a finite value >= 0", o->noise_sigma);
    if (!(o->clip_norm >= 0.0 && isfinite(o->clip_norm)))
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "clip_norm is %g, expected a finite value >= 0", o->clip_norm);
    if (!(o->noise_sigma_max == 0.0 || (o->noise_sigma_max >= o->noise_sigma &&
                                        isfinite((float)o->noise_sigma_max))))
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "noise_sigma_max is %g, expected 0 or at least noise_sigma, %g, and "
                         "finite", o->noise_sigma_max, o->noise_sigma);
    if (!(o->average_decay >= 0.0 && o->average_decay < 1.0))
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "average_decay is %g, expected 0 <= average_decay < 1", o->average_decay);
    if (!(o->epsilon == 0.0 || (o->epsilon >= LEAST_EPSILON && o->epsilon <= MOST_EPSILON)))
        return cae__fail(context, CAE_ERR_OPTIONS, "epsilon is %g, expected 0 or %g to %g",
                         o->epsilon, LEAST_EPSILON, MOST_EPSILON);
    if (!cae__is_not_negative(o->ssim_weight) || !isfinite((float)o->ssim_weight))
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "ssim_weight is %g, expected a finite value >= 0", o->ssim_weight);
    if (o->augment < 0 || o->augment > MOST_AUGMENT || o->reserved2 != 0)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "augment is %d, expected a sum of enum cae_augment, and reserved2 must be "
                         "0", (int)o->augment);
    if (o->shuffle_window < 0 || (o->shuffle_window > 0 && !o->shuffle))
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "shuffle_window is %" PRId64 ", expected 0 or more, and 0 without shuffle",
                         o->shuffle_window);
    return cae__schedule_check(context, o);
}

static cae_status check_options(const cae_context *context, const cae_trainer_options *o)
{
    fenv_t host;
    cae__checks_begin(&host);
    const cae_status status = check_numbers(context, o);
    cae__arithmetic_end(&host);
    return status;
}

cae_status cae__check_fit(const cae_context *context, const cae_model *model,
                          const cae_dataset *d)
{
    if (model->layers[0].in_channels != d->channels)
        return cae__fail(context, CAE_ERR_SHAPE, "the model reads %d channels, the dataset has %d",
                         model->layers[0].in_channels, d->channels);
    return cae__check_same_shape(context, model, d->height, d->width);
}

/* Scratch that the loss needs is needed when that of the layers is not. */
static uint64_t scratch_floats(const cae_trainer *trainer)
{
    const struct cae__plan *plan = &trainer->plan;
    const cae_dataset *d = trainer->dataset;
    const uint64_t ssim = trainer->options.ssim_weight > 0.0
                              ? cae__ssim_floats(d->height, d->width, plan->lanes) : 0;
    return ssim > plan->scratch ? ssim : plan->scratch;
}

/* One worker's memory, every piece starting on a cache line. */
struct cae__workspace {
    float *target;   /* [length][lanes]; the input itself when there is no noise */
    float *gradient, *spare;
    float *scratch;
    void *room;      /* for the bytes of a block's images, where they come from files */
    float *buffers[]; /* input, then the output of every stage */
};

static uint64_t padded(uint64_t floats)
{
    return (floats + 15) / 16 * 16;
}

static uint64_t header_floats(const struct cae__plan *plan)
{
    const size_t bytes =
        sizeof(struct cae__workspace) + ((size_t)plan->count + 1) * sizeof(float *);
    return padded((bytes + sizeof(float) - 1) / sizeof(float));
}

static uint64_t workspace_floats(const cae_trainer *trainer)
{
    const struct cae__plan *plan = &trainer->plan;
    uint64_t floats = header_floats(plan) + 2 * padded(plan->stages[0].in_length);
    for (int i = 0; i < plan->count; i++)
        floats += padded(plan->stages[i].out_length);
    return floats + 2 * padded(plan->longest) + padded(scratch_floats(trainer)) +
           cae__dataset_room(trainer->dataset, plan->lanes) / sizeof(float);
}

static float *take(float **free_floats, uint64_t floats)
{
    float *const taken = *free_floats;
    *free_floats += padded(floats);
    return taken;
}

static struct cae__workspace *workspace_create(const cae_trainer *trainer)
{
    const struct cae__plan *plan = &trainer->plan;
    const uint64_t floats = workspace_floats(trainer);
    float *next = floats > SIZE_MAX ? NULL : cae__alloc(trainer->handle.context, (size_t)floats,
                                                        sizeof *next);
    struct cae__workspace *w = (void *)next;
    if (!w)
        return NULL;
    const size_t in_length = plan->stages[0].in_length;
    take(&next, header_floats(plan));
    w->buffers[0] = take(&next, in_length);
    w->target = trainer->noisy ? take(&next, in_length) : w->buffers[0];
    for (int i = 0; i < plan->count; i++)
        w->buffers[i + 1] = take(&next, plan->stages[i].out_length);
    w->gradient = take(&next, plan->longest);
    w->spare = take(&next, plan->longest);
    w->scratch = take(&next, scratch_floats(trainer));
    w->room = next;
    return w;
}

/* Workspaces for as many threads as the context has now; more may have been asked for since. */
static cae_status ensure_workspaces(cae_trainer *trainer)
{
    const cae_context *context = trainer->handle.context;
    const int wanted = cae__workers(context, trainer->deal.own);
    if (trainer->workers >= wanted)
        return CAE_OK;

    struct cae__workspace **workspaces =
        cae__alloc_zero(context, (size_t)wanted, sizeof *workspaces);
    if (!workspaces)
        return cae__fail_memory(context);
    if (trainer->workers)
        memcpy(workspaces, trainer->workspaces, (size_t)trainer->workers * sizeof *workspaces);
    cae__free(context, trainer->workspaces);
    trainer->workspaces = workspaces;
    while (trainer->workers < wanted) {
        struct cae__workspace *workspace = workspace_create(trainer);
        if (!workspace)
            return cae__fail_memory(context);
        workspaces[trainer->workers++] = workspace;
    }
    return CAE_OK;
}

static cae_status allocate(cae_trainer *trainer)
{
    const cae_context *context = trainer->handle.context;
    const cae_dataset *d = trainer->dataset;
    cae_status status = cae__plan_init(&trainer->plan, context, trainer->model, CAE_PART_WHOLE,
                                       d->height, d->width, cae__most_in_batch(trainer), true);
    if (status == CAE_OK)
        status = cae__deal_create(&trainer->deal, trainer, &trainer->group.options);
    if (status == CAE_OK)
        status = cae__average_create(trainer);
    return status == CAE_OK ? ensure_workspaces(trainer) : status;
}

/* What the loss is told beside its kind. */
static double delta_of(const cae_trainer_options *o)
{
    if (o->loss != CAE_LOSS_CHARBONNIER)
        return o->huber_delta;
    return o->epsilon == 0.0 ? EPSILON : o->epsilon;
}

cae_status cae_trainer_create(cae_trainer **out, cae_model *model, cae_optimizer *optimizer,
                              const cae_dataset *dataset, const cae_trainer_options *options)
{
    if (out)
        *out = NULL;
    if (!model)
        return CAE_ERR_ARGUMENT;
    cae_context *context = model->handle.context;
    if (!out || !optimizer || !dataset)
        return cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL",
                         !out ? "out" : !optimizer ? "optimizer" : "dataset");
    if (optimizer->model != model)
        return cae__fail(context, CAE_ERR_ARGUMENT, "the optimizer was made for another model");
    cae_trainer_options o = defaults;
    cae_status status = cae__options_read(context, &o, sizeof o, options, "cae_trainer_options");
    if (status == CAE_OK)
        status = check_options(context, &o);
    if (status == CAE_OK)
        status = cae__check_fit(context, model, dataset);
    if (status == CAE_OK && o.ssim_weight > 0.0 &&
        (dataset->height < CAE__SSIM_TAPS || dataset->width < CAE__SSIM_TAPS))
        status = cae__fail(context, CAE_ERR_SHAPE,
                           "ssim_weight: images of %dx%d are smaller than SSIM's window, 11x11",
                           dataset->height, dataset->width);
    if (status == CAE_OK && (o.augment & CAE_AUGMENT_TRANSPOSE) &&
        dataset->height != dataset->width)
        status = cae__fail(context, CAE_ERR_SHAPE,
                           "augment: images of %dx%d cannot be transposed, expected square ones",
                           dataset->height, dataset->width);
    if (status != CAE_OK)
        return status;

    cae_trainer *trainer = cae__alloc_zero(context, 1, sizeof *trainer);
    if (!trainer)
        return cae__fail_memory(context);
    cae__handle_init(&trainer->handle, CAE__TRAINER, context);
    cae__retain(&model->handle);
    cae__retain(&optimizer->handle);
    cae__retain(&dataset->handle);
    trainer->model = model;
    trainer->optimizer = optimizer;
    trainer->number = ++optimizer->trainers;
    trainer->dataset = dataset;
    trainer->options = o;
    trainer->noisy = o.noise_sigma > 0.0 || o.noise_sigma_max > 0.0;
    trainer->loss = (struct cae__loss){o.loss, cae__to_float(delta_of(&o))};
    trainer->ssim = cae__ssim_of(dataset->channels, dataset->height, dataset->width,
                                 cae_dataset_range(dataset));
    trainer->progress = no_progress;
    cae__group_leave(trainer); /* alone */
    status = allocate(trainer);
    if (status != CAE_OK) {
        cae_trainer_destroy(trainer);
        return status;
    }
    *out = trainer;
    return CAE_OK;
}

void cae_trainer_destroy(cae_trainer *trainer)
{
    if (!cae__give_back(trainer, CAE__TRAINER) || !cae__release(&trainer->handle))
        return;
    const cae_context *context = trainer->handle.context;
    for (int i = 0; i < trainer->workers; i++)
        cae__free(context, trainer->workspaces[i]);
    cae__free(context, trainer->workspaces);
    cae__deal_destroy(&trainer->deal, context);
    cae__group_leave(trainer);
    cae__average_destroy(trainer);
    cae__plan_finish(&trainer->plan, context);
    cae__dataset_release((cae_dataset *)trainer->dataset); /* the reference is ours to give back */
    cae__optimizer_release(trainer->optimizer);
    cae__model_release(trainer->model);
    cae__handle_end(trainer);
}

/* --- One step --------------------------------------------------------------------------------- */

struct batch {
    const cae_trainer *trainer;
    int64_t first; /* position in the epoch's order */
    int64_t count; /* images */
};

static double values_of(const struct batch *batch)
{
    return (double)batch->count * (double)batch->trainer->dataset->length;
}

/* A window of SSIM among the values of an image, whose losses are summed and then divided by their
 * number. */
static double weight_of_window(const cae_trainer *trainer)
{
    const struct cae__ssim *s = &trainer->ssim;
    const double windows = (double)(s->height - (CAE__SSIM_TAPS - 1)) *
                           (double)(s->width - (CAE__SSIM_TAPS - 1));
    return trainer->options.ssim_weight * (double)s->height * (double)s->width / windows;
}

/* Sum of the loss over a block; its gradient is added to `gradient`. Neither where `unread` names an
 * image that cannot be read. */
static double run_block(int64_t *unread, const struct batch *batch, int64_t block, float *gradient,
                        struct cae__workspace *w)
{
    const cae_trainer *trainer = batch->trainer;
    const struct cae__plan *plan = &trainer->plan;
    const int64_t start = block * plan->lanes, left = batch->count - start;
    const int used = left < plan->lanes ? (int)left : plan->lanes;

    *unread = cae__visit_load(w->buffers[0], w->target, trainer, batch->first + start, plan->lanes,
                              used, w->room);
    cae__visit_announce(trainer, batch->first + start);
    if (*unread != CAE__ALL_READ)
        return 0.0;
    cae__plan_forward(plan, w->buffers, w->scratch);
    const struct cae__kernels *kernels = trainer->handle.context->kernels;
    const float *y = w->buffers[plan->count];
    double loss = kernels->loss_gradient(&trainer->loss, w->gradient, y, w->target,
                                         trainer->dataset->length, plan->lanes, used,
                                         (float)(1.0 / values_of(batch)));
    if (trainer->options.ssim_weight > 0.0) {
        const double weight = weight_of_window(trainer);
        loss += weight * kernels->ssim_gradient(&trainer->ssim, w->gradient, y, w->target,
                                                plan->lanes, used,
                                                (float)(weight / values_of(batch)), w->scratch);
    }
    cae__plan_backward(plan, w->buffers, w->gradient, w->spare, gradient, w->scratch);
    return loss;
}

/* Gradients of a native reduction lie together, those of the other kind in the order of slots. */
static size_t place_of(const cae_trainer *trainer, int64_t own)
{
    const cae_group_options *group = &trainer->group.options;
    return (size_t)(group->reduction == CAE_REDUCTION_NATIVE ? own
                                                             : group->rank + own * group->ranks);
}

static void run_slot(void *job, int64_t own, int worker)
{
    const struct batch *batch = job;
    const cae_trainer *trainer = batch->trainer;
    const cae_group_options *group = &trainer->group.options;
    const size_t parameters = trainer->model->parameter_count, place = place_of(trainer, own);
    const int64_t blocks = cae__plan_blocks(&trainer->plan, batch->count);
    float *gradient = trainer->deal.slot_gradients + place * parameters;
    int64_t *unread = &trainer->deal.slot_unread[place];
    double loss = 0.0;

    *unread = CAE__ALL_READ;
    memset(gradient, 0, parameters * sizeof *gradient);
    for (int64_t block = group->rank + own * group->ranks; block < blocks && *unread == CAE__ALL_READ;
         block += trainer->deal.slots)
        loss += run_block(unread, batch, block, gradient, trainer->workspaces[worker]);
    trainer->deal.slot_losses[place] = loss;
}

/* The slots that are here: all, or those to be added up before they meet the other ranks'. */
static int slots_here(const cae_trainer *trainer)
{
    return trainer->group.options.reduction == CAE_REDUCTION_NATIVE ? trainer->deal.own
                                                                    : trainer->deal.slots;
}

static void reduce_chunk(void *job, int64_t chunk, int worker)
{
    (void)worker;
    const cae_trainer *trainer = job;
    const size_t parameters = trainer->model->parameter_count;
    const size_t first = (size_t)chunk * REDUCE_CHUNK;
    const size_t end = parameters - first < REDUCE_CHUNK ? parameters : first + REDUCE_CHUNK;
    const size_t count = end - first;
    float *sum = trainer->deal.gradient + first;

    memcpy(sum, trainer->deal.slot_gradients + first, count * sizeof *sum);
    for (int slot = 1; slot < slots_here(trainer); slot++) {
        const float *part = trainer->deal.slot_gradients + (size_t)slot * parameters + first;
        for (size_t i = 0; i < count; i++)
            sum[i] += part[i];
    }
}

static void reduce(cae_trainer *trainer)
{
    const size_t parameters = trainer->model->parameter_count;
    cae__parallel(trainer->handle.context,
                  (int64_t)((parameters + REDUCE_CHUNK - 1) / REDUCE_CHUNK), reduce_chunk, trainer);
}

static double norm_of(const float *values, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += (double)values[i] * values[i];
    return sqrt(sum);
}

/* As torch.nn.utils.clip_grad_norm_, its 1e-6 included. */
static void clip(float *gradient, size_t count, double norm, double most)
{
    const double factor = most / (norm + 1e-6);
    if (most == 0.0 || factor >= 1.0)
        return;
    for (size_t i = 0; i < count; i++) /* in double: as a float the factor may be denormal */
        gradient[i] = (float)(gradient[i] * factor);
}

/* A status with its text when a slot met an image that cannot be read: the data is at fault. */
static cae_status check_read(const cae_trainer *trainer)
{
    for (int own = 0; own < trainer->deal.own; own++) {
        const int64_t image = trainer->deal.slot_unread[place_of(trainer, own)];
        if (image != CAE__ALL_READ)
            return cae__dataset_explain(trainer->handle.context, trainer->dataset, image);
    }
    return CAE_OK;
}

/* Whether this rank computes the image at that place of a batch. */
static bool is_own(const cae_trainer *trainer, int64_t place)
{
    const int64_t slot = place / trainer->plan.lanes % trainer->deal.slots;
    return slot % trainer->group.options.ranks == trainer->group.options.rank;
}

/* Where in a batch, on this rank, is the first image that holds a value that is not finite, with its
 * noise; -1 when all are. `unread` becomes an image that cannot be read any more. */
static int64_t find_bad_place(int64_t *unread, const struct batch *batch)
{
    const cae_trainer *trainer = batch->trainer;
    const cae_dataset *d = trainer->dataset;
    float *input = trainer->workspaces[0]->buffers[0], *target = trainer->workspaces[0]->target;
    for (int64_t i = 0; i < batch->count; i++) {
        if (!is_own(trainer, i))
            continue;
        *unread = cae__visit_load(input, target, trainer, batch->first + i, 1, 1,
                                  trainer->workspaces[0]->room);
        if (*unread != CAE__ALL_READ)
            return -1;
        if (!cae__all_finite(input, d->length))
            return i;
    }
    return -1;
}

/* The image of the first such place on any rank; -1 when there is none. */
static cae_status agree_on_bad_image(int64_t *image, const struct batch *batch)
{
    const cae_trainer *trainer = batch->trainer;
    int64_t unread = CAE__ALL_READ;
    fenv_t host;
    cae__arithmetic_begin(&host);
    int64_t place = find_bad_place(&unread, batch);
    cae__arithmetic_end(&host);
    cae_status status = CAE_OK;
    if (unread != CAE__ALL_READ)
        status = cae__dataset_explain(trainer->handle.context, trainer->dataset, unread);
    status = cae__group_agree(trainer, status);
    if (status == CAE_OK && trainer->group.joined)
        status = cae__group_least(&place, trainer, place, batch->count);
    if (status != CAE_OK)
        return status;
    *image = place < 0 ? -1 : cae__visit_at(trainer, batch->first + place).image;
    return CAE_OK;
}

/* What a step has come to, of which not all may be finite. */
struct outcome {
    double loss, norm;
};

static struct outcome outcome_of(const struct batch *batch)
{
    const cae_trainer *trainer = batch->trainer;
    double loss = 0.0;
    for (int slot = 0; slot < slots_here(trainer); slot++)
        loss += trainer->deal.slot_losses[slot];
    return (struct outcome){
        .loss = loss / values_of(batch),
        .norm = norm_of(trainer->deal.gradient, trainer->model->parameter_count)};
}

/* The last update and all that came with it, if it was this trainer's and is there still. */
static bool take_back(cae_trainer *trainer)
{
    if (!cae__optimizer_undo(trainer->optimizer, trainer->number))
        return false;
    cae__average_exchange(trainer);
    trainer->now = trainer->before;
    trainer->progress = trainer->progress_before;
    return true;
}

/* The data is at fault, and then the model is not, or the last update was. */
static cae_status not_finite(cae_trainer *trainer, const struct batch *batch, struct outcome o)
{
    const cae_context *context = trainer->handle.context;
    const int64_t step = trainer->now.step + 1;
    int64_t image;
    const cae_status status = agree_on_bad_image(&image, batch);
    if (status != CAE_OK)
        return status;
    if (image >= 0)
        return cae__fail(context, CAE_ERR_NUMERIC,
                         "step %" PRId64 ": image %" PRId64 " has a value that is not finite", step,
                         image);

    const bool undone = take_back(trainer);
    return cae__fail(context, CAE_ERR_NUMERIC,
                     "step %" PRId64 ": the loss is %g and the gradient's norm %g, expected finite "
                     "values; %s", step, fabs(o.loss), fabs(o.norm), /* no "-nan" */
                     undone ? "the update before was taken back" : "nothing was updated");
}

static void advance(cae_trainer *trainer, int64_t images, double loss, double norm, double rate)
{
    struct cae__cursor *now = &trainer->now;
    cae_progress *p = &trainer->progress;

    now->step++;
    now->position += images;
    now->loss_sum += loss * (double)images;
    p->epoch_done = now->position == trainer->dataset->count;
    p->images = now->position;
    p->loss = loss;
    p->epoch_loss = now->loss_sum / (double)now->position;
    p->learning_rate = rate;
    p->gradient_norm = norm;
    p->stop = trainer->stop_seen;
    if (trainer->stop_seen)
        atomic_store(&trainer->stop_requested, false);
    if (p->epoch_done) {
        now->epoch++;
        now->position = 0;
        now->loss_sum = 0.0;
    }
    p->step = now->step;
    p->epoch = now->epoch;
}

/* Once the gradient is there. */
static cae_status update(cae_trainer *trainer, const struct batch *batch, struct outcome found)
{
    const cae_context *context = trainer->handle.context;
    const cae_trainer_options *o = &trainer->options;

    clip(trainer->deal.gradient, trainer->model->parameter_count, found.norm, o->clip_norm);
    const double rate = trainer->optimizer->options.learning_rate *
                        cae__schedule_factor(o, trainer->now.step);
    if (!cae__optimizer_update(trainer->optimizer, trainer->deal.gradient, rate, trainer->number))
        return cae__fail(context, CAE_ERR_NUMERIC,
                         "step %" PRId64 ": the update with learning rate %g and a gradient of "
                         "norm %g is not finite; nothing was updated", trainer->now.step + 1,
                         rate, found.norm);
    cae__average_update(trainer);
    trainer->before = trainer->now;
    trainer->progress_before = trainer->progress;
    advance(trainer, batch->count, found.loss, found.norm, rate);
    return CAE_OK;
}

/* Gradients and losses of this rank's blocks. */
static cae_status compute(cae_trainer *trainer, struct batch *batch)
{
    const cae_status status = ensure_workspaces(trainer);
    if (status != CAE_OK)
        return status;
    cae__plan_bind(&trainer->plan, trainer->model, CAE_PART_WHOLE);
    cae__parallel(trainer->handle.context, trainer->deal.own, run_slot, batch);
    return check_read(trainer);
}

/* Slots become the gradient: on this rank before the sum over all of them, or on each after it. */
static cae_status bring_together(cae_trainer *trainer, cae_status status)
{
    const bool native = trainer->group.options.reduction == CAE_REDUCTION_NATIVE;
    trainer->stop_seen = atomic_load(&trainer->stop_requested);
    if (native && status == CAE_OK)
        reduce(trainer);
    if (trainer->group.joined)
        status = cae__group_step(trainer, status);
    if (!native && status == CAE_OK)
        reduce(trainer);
    return status;
}

/* `mine` is what the caller found wrong before: in a group the others are to hear of it. */
static cae_status take_step(cae_trainer *trainer, cae_status mine)
{
    const int64_t left = trainer->dataset->count - trainer->now.position;
    const int64_t most = trainer->options.batch;
    struct batch batch = {trainer, trainer->now.position, left < most ? left : most};
    cae_status status = bring_together(trainer, mine == CAE_OK ? compute(trainer, &batch) : mine);
    if (status != CAE_OK)
        return status;
    fenv_t host;
    cae__arithmetic_begin(&host);
    const struct outcome found = outcome_of(&batch);
    const bool finite = isfinite(found.loss) && isfinite(found.norm);
    if (finite)
        status = update(trainer, &batch, found);
    cae__arithmetic_end(&host);
    if (!finite)
        return not_finite(trainer, &batch, found);
    if (status == CAE_OK && trainer->group.joined && trainer->progress.epoch_done) {
        status = cae__identity_of_parameters(trainer);
        if (status != CAE_OK) /* a call that fails leaves all as it was */
            take_back(trainer);
    }
    return status;
}

static cae_status write_progress(cae_progress *out, const cae_trainer *trainer)
{
    return out ? cae__result_write(trainer->handle.context, out, &trainer->progress,
                                   sizeof trainer->progress, "cae_progress")
               : CAE_OK;
}

cae_status cae_trainer_step(cae_progress *out, cae_trainer *trainer)
{
    if (!trainer)
        return CAE_ERR_ARGUMENT;
    /* a wrong size, before anything is done */
    const cae_status status = take_step(trainer, write_progress(out, trainer));
    return status == CAE_OK ? write_progress(out, trainer) : status;
}

cae_status cae_trainer_epoch(cae_progress *out, cae_trainer *trainer, cae_progress_fn callback,
                             void *user)
{
    if (!trainer)
        return CAE_ERR_ARGUMENT;
    cae_status status = write_progress(out, trainer);
    const int64_t epoch = trainer->now.epoch; /* a callback may take steps of its own */
    bool stop = false;
    do {
        status = take_step(trainer, status);
        const cae_progress taken = trainer->progress; /* the callback may take another */
        if (status == CAE_OK && callback)
            stop = callback(user, &taken) != 0;
        if (stop && trainer->group.joined) { /* all at once, a step later */
            atomic_store(&trainer->stop_requested, true);
            stop = false;
        }
        stop = stop || (status == CAE_OK && (taken.stop || trainer->progress.stop));
    } while (status == CAE_OK && !stop && trainer->now.epoch == epoch);
    if (status != CAE_OK)
        return status;
    status = write_progress(out, trainer);
    if (out && status == CAE_OK && out->size >= offsetof(cae_progress, loss) + sizeof out->loss)
        out->loss = trainer->progress.epoch_loss;
    return status == CAE_OK && stop ? CAE_STOPPED : status;
}

int64_t cae_trainer_steps_per_epoch(const cae_trainer *trainer)
{
    if (!trainer)
        return 0;
    const int64_t batch = trainer->options.batch;
    return (trainer->dataset->count + batch - 1) / batch;
}

cae_status cae_trainer_progress(cae_progress *out, const cae_trainer *trainer)
{
    if (!trainer)
        return CAE_ERR_ARGUMENT;
    if (!out)
        return cae__fail(trainer->handle.context, CAE_ERR_ARGUMENT, "out is NULL");
    return write_progress(out, trainer);
}

cae_status cae_trainer_get_gradient(float *values, size_t count, const cae_trainer *trainer,
                                    const char *name)
{
    return trainer ? cae__model_copy_out(values, count, trainer->model, trainer->deal.gradient, name)
                   : CAE_ERR_ARGUMENT;
}
