/* optimizer.c - SGD, Adam and AdamW, step for step as torch.optim computes them. */
#include "training.h"

#include <float.h>
#include <math.h>

static const cae_optimizer_options defaults = {
    .size = sizeof defaults, .kind = CAE_OPTIMIZER_ADAM, .learning_rate = 1e-3,
    .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};

cae_status cae_optimizer_options_init(cae_optimizer_options *options, uint32_t size)
{
    return cae__options_init(options, size, &defaults, sizeof defaults);
}

const char *cae__optimizer_name(int32_t kind)
{
    return kind == CAE_OPTIMIZER_SGD ? "sgd" : kind == CAE_OPTIMIZER_ADAM ? "adam" : "adamw";
}

/* Values are used as floats: what a float cannot hold is out of range. */
static bool fits(double value)
{
    return isfinite(value) && isfinite((float)value);
}

static cae_status check_rate(const cae_context *context, double rate, cae_status status)
{
    if (fits(rate) && (float)rate > 0.0f)
        return CAE_OK;
    return cae__fail(context, status, "learning_rate is %g, expected above 0 and at most 3.4e38",
                     rate);
}

static cae_status check_numbers(const cae_context *context, const cae_optimizer_options *o)
{
    if (o->kind < CAE_OPTIMIZER_SGD || o->kind > CAE_OPTIMIZER_ADAMW)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "kind is %d, expected CAE_OPTIMIZER_SGD, _ADAM or _ADAMW", (int)o->kind);
    if (o->reserved != 0 || o->nesterov < 0 || o->nesterov > 1)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "nesterov is %d, expected 0 or 1, and reserved must be 0",
                         (int)o->nesterov);
    const struct {
        const char *name;
        double value;
    } fractions[] = {{"momentum", o->momentum}, {"beta1", o->beta1}, {"beta2", o->beta2}};
    for (int i = 0; i < 3; i++)
        if (!(fractions[i].value >= 0.0 && (float)fractions[i].value < 1.0f))
            return cae__fail(context, CAE_ERR_OPTIONS, "%s is %.9g, expected in [0, 1)",
                             fractions[i].name, fractions[i].value);
    if (o->nesterov && o->momentum == 0.0)
        return cae__fail(context, CAE_ERR_OPTIONS, "nesterov needs a momentum > 0");
    if (!(fits(o->epsilon) && (float)o->epsilon > 0.0f))
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "epsilon is %g, expected above 0 (1.4e-45 at least) and at most 3.4e38",
                         o->epsilon);
    if (!(fits(o->weight_decay) && o->weight_decay >= 0.0))
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "weight_decay is %g, expected >= 0 and at most 3.4e38", o->weight_decay);
    return check_rate(context, o->learning_rate, CAE_ERR_OPTIONS);
}

static cae_status check_options(const cae_context *context, const cae_optimizer_options *o)
{
    fenv_t host;
    cae__checks_begin(&host);
    const cae_status status = check_numbers(context, o);
    cae__arithmetic_end(&host);
    return status;
}

static int moments_of(const cae_optimizer_options *o)
{
    return o->kind != CAE_OPTIMIZER_SGD ? 2 : o->momentum > 0.0 ? 1 : 0;
}

cae_status cae_optimizer_create(cae_optimizer **out, cae_model *model,
                                const cae_optimizer_options *options)
{
    if (out)
        *out = NULL;
    if (!model)
        return CAE_ERR_ARGUMENT;
    cae_context *context = model->handle.context;
    if (!out)
        return cae__fail(context, CAE_ERR_ARGUMENT, "out is NULL");
    cae_optimizer_options o = defaults;
    cae_status status = cae__options_read(context, &o, sizeof o, options, "cae_optimizer_options");
    if (status == CAE_OK)
        status = check_options(context, &o);
    if (status != CAE_OK)
        return status;

    cae_optimizer *optimizer = cae__alloc_zero(context, 1, sizeof *optimizer);
    if (!optimizer)
        return cae__fail_memory(context);
    cae__handle_init(&optimizer->handle, CAE__OPTIMIZER, context);
    cae__retain(&model->handle);
    optimizer->model = model;
    optimizer->options = o;
    optimizer->moment_count = moments_of(&o);

    const size_t count = model->parameter_count;
    bool complete = (optimizer->spare_parameters = cae__alloc(context, count, sizeof(float)));
    for (int i = 0; i < optimizer->moment_count; i++) {
        optimizer->moments[i] = cae__alloc_zero(context, count, sizeof(float));
        optimizer->spare_moments[i] = cae__alloc(context, count, sizeof(float));
        complete = complete && optimizer->moments[i] && optimizer->spare_moments[i];
    }
    if (!complete) {
        cae_optimizer_destroy(optimizer);
        return cae__fail_memory(context);
    }
    *out = optimizer;
    return CAE_OK;
}

void cae_optimizer_destroy(cae_optimizer *optimizer)
{
    if (cae__give_back(optimizer, CAE__OPTIMIZER))
        cae__optimizer_release(optimizer);
}

void cae__optimizer_release(cae_optimizer *optimizer)
{
    if (!cae__release(&optimizer->handle))
        return;
    const cae_context *context = optimizer->handle.context;
    for (int i = 0; i < 2; i++) {
        cae__free(context, optimizer->moments[i]);
        cae__free(context, optimizer->spare_moments[i]);
    }
    cae__free(context, optimizer->spare_parameters);
    cae__model_release(optimizer->model);
    cae__handle_end(optimizer);
}

double cae_optimizer_learning_rate(const cae_optimizer *optimizer)
{
    return optimizer ? optimizer->options.learning_rate : 0.0;
}

cae_status cae_optimizer_set_learning_rate(cae_optimizer *optimizer, double learning_rate)
{
    if (!optimizer)
        return CAE_ERR_ARGUMENT;
    volatile double rate = learning_rate; /* not to be looked at before */
    fenv_t host;
    cae__checks_begin(&host);
    const cae_status status = check_rate(optimizer->handle.context, rate, CAE_ERR_ARGUMENT);
    cae__arithmetic_end(&host);
    if (status == CAE_OK)
        optimizer->options.learning_rate = learning_rate;
    return status;
}

/* What an update reads and writes. */
struct update {
    size_t count;
    const float *gradient, *weight, *first, *second;
    float *new_weight, *new_first, *new_second;
};

/* Moments of a weight whose gradient stays 0 fade into denormal numbers, of which a processor may
 * make a hundred a microsecond, and never leave them. Rounded to 0 there instead. */
static inline float flushed(float moment)
{
    return fabsf(moment) < FLT_MIN ? 0.0f : moment;
}

/* g' = g + decay w;  m' = momentum m + g';  w' = w - rate (nesterov ? g' + momentum m' : m') */
static void sgd(const struct update *u, const cae_optimizer_options *o, double rate)
{
    const float lr = (float)rate, decay = (float)o->weight_decay, momentum = (float)o->momentum;
    for (size_t i = 0; i < u->count; i++) {
        float step = u->gradient[i] + decay * u->weight[i];
        if (u->first) {
            const float m = flushed(momentum * u->first[i] + step);
            u->new_first[i] = m;
            step = o->nesterov ? step + momentum * m : m;
        }
        u->new_weight[i] = u->weight[i] - lr * step;
    }
}

/* m' = b1 m + (1 - b1) g;  v' = b2 v + (1 - b2) g^2
 * w' = w - rate / (1 - b1^t) m' / (sqrt(v') / sqrt(1 - b2^t) + epsilon)
 * Weight decay: Adam adds decay w to g; AdamW first shrinks w by rate decay. */
static void adam(const struct update *u, const cae_optimizer_options *o, double rate, int64_t t)
{
    const bool decoupled = o->kind == CAE_OPTIMIZER_ADAMW;
    const float decay = decoupled ? 0.0f : (float)o->weight_decay;
    const float keep = decoupled ? (float)(1.0 - rate * o->weight_decay) : 1.0f;
    const float b1 = (float)o->beta1, c1 = (float)(1.0 - o->beta1);
    const float b2 = (float)o->beta2, c2 = (float)(1.0 - o->beta2);
    const float step = (float)(rate / (1.0 - pow(o->beta1, (double)t)));
    const float root = (float)sqrt(1.0 - pow(o->beta2, (double)t));
    /* denormal it would count as 0, and a weight without a gradient would become 0 / 0 */
    const float epsilon = fmaxf((float)o->epsilon, FLT_MIN);

    /* no two overlap: said so that the loop becomes vectors */
    const float *restrict gradient = u->gradient, *restrict weight = u->weight;
    const float *restrict first = u->first, *restrict second = u->second;
    float *restrict new_weight = u->new_weight;
    float *restrict new_first = u->new_first, *restrict new_second = u->new_second;

    for (size_t i = 0; i < u->count; i++) {
        const float g = gradient[i] + decay * weight[i];
        const float m = b1 * first[i] + c1 * g;
        const float v = b2 * second[i] + c2 * g * g;
        new_first[i] = flushed(m);
        new_second[i] = flushed(v);
        new_weight[i] = keep * weight[i] - step * m / (sqrtf(v) / root + epsilon);
    }
}

static void swap(float **a, float **b)
{
    float *const kept = *a;
    *a = *b;
    *b = kept;
}

void cae__optimizer_exchange(cae_optimizer *optimizer)
{
    swap(&optimizer->model->parameters, &optimizer->spare_parameters);
    optimizer->model->revision++;
    for (int i = 0; i < optimizer->moment_count; i++)
        swap(&optimizer->moments[i], &optimizer->spare_moments[i]);
}

/* Before it is put in place, so that nothing has to be repaired. */
static bool update_is_finite(const cae_optimizer *optimizer)
{
    const size_t count = optimizer->model->parameter_count;
    bool finite = cae__all_finite(optimizer->spare_parameters, count);
    for (int i = 0; i < optimizer->moment_count; i++)
        finite = finite && cae__all_finite(optimizer->spare_moments[i], count);
    return finite;
}

bool cae__optimizer_update(cae_optimizer *optimizer, const float *gradient, double learning_rate,
                           uint64_t owner)
{
    const struct update update = {
        .count = optimizer->model->parameter_count,
        .gradient = gradient,
        .weight = optimizer->model->parameters,
        .first = optimizer->moments[0],
        .second = optimizer->moments[1],
        .new_weight = optimizer->spare_parameters,
        .new_first = optimizer->spare_moments[0],
        .new_second = optimizer->spare_moments[1],
    };
    optimizer->undo_owner = 0; /* the spare copies are being overwritten */
    if (optimizer->options.kind == CAE_OPTIMIZER_SGD)
        sgd(&update, &optimizer->options, learning_rate);
    else
        adam(&update, &optimizer->options, learning_rate, optimizer->updates + 1);
    if (!update_is_finite(optimizer))
        return false;
    cae__optimizer_exchange(optimizer);
    optimizer->updates++;
    optimizer->undo_owner = owner;
    optimizer->undo_revision = optimizer->model->revision;
    return true;
}

bool cae__optimizer_undo(cae_optimizer *optimizer, uint64_t owner)
{
    if (optimizer->undo_owner != owner || optimizer->undo_revision != optimizer->model->revision)
        return false;
    cae__optimizer_exchange(optimizer);
    optimizer->updates--;
    optimizer->undo_owner = 0;
    return true;
}
