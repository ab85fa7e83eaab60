/* group.c - one training by many ranks: what passes between them.
 *
 * All there is is a sum of floats over the ranks. Whoever has nothing to say in a place says -0,
 * which changes no number it is added to, not even 0: so numbers pass unchanged, whatever the order
 * of the additions. A table with a row for each rank is a gather, a row of rank 0's a broadcast,
 * and the gradients of a step, each slot filled by the one rank that owns it, are on every rank
 * what they would be in one process (training.h).
 *
 * No rank may leave the others waiting. What fails on one does not end its call before the next
 * sum, into which it goes as a flag; only a sum that fails itself, when a rank is gone, ends it at
 * once, and the group with it. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "training.h"

#define MOST_RANKS ((int32_t)1 << 20) /* their numbers, added up, are exact in a float */
#define NOTHING (-0.0f)
#define SHARE ((size_t)1 << 20)       /* floats of a file at a time */

static const cae_group_options defaults = {.size = sizeof defaults, .ranks = 1};

cae_status cae_group_options_init(cae_group_options *options, uint32_t size)
{
    return cae__options_init(options, size, &defaults, sizeof defaults);
}

/* --- Sums ------------------------------------------------------------------------------------- */

static void say_nothing(float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = NOTHING;
}

/* That the group is lost is a note about a call, as an error's text is: hence the const. */
static cae_status sum(const cae_trainer *trainer, float *values, size_t count)
{
    struct cae__group *g = (struct cae__group *)&trainer->group;
    if (g->broken)
        return cae__fail(trainer->handle.context, CAE_ERR_PEER,
                         "the group has lost a rank before: expected a new one");
    if (g->options.ranks == 1)
        return CAE_OK;
    fenv_t host; /* in others, x + -0 is not x: rounding down makes -0 of 0 */
    cae__checks_begin(&host);
    const int32_t failed = g->options.sum(g->options.user, values, count);
    cae__arithmetic_end(&host);
    if (!failed)
        return CAE_OK;
    g->broken = true;
    return cae__fail(trainer->handle.context, CAE_ERR_PEER,
                     "rank %d: the sum over %d ranks failed, as when one is gone",
                     (int)g->options.rank, (int)g->options.ranks);
}

/* What a sum came to that should be a whole number; one that is none, whoever made it so, is 0. */
static uint32_t whole_of(float sum)
{
    return sum >= 0.0f && sum <= (float)(1 << 24) ? (uint32_t)sum : 0;
}

enum { FAILED, WHO, STOP, FLAGS }; /* how many, the sum of their numbers from 1 on, stop requests */

static void set_flags(float *flags, const cae_trainer *trainer, cae_status mine)
{
    flags[FAILED] = mine == CAE_OK ? NOTHING : 1.0f;
    flags[WHO] = mine == CAE_OK ? NOTHING : (float)trainer->group.options.rank + 1.0f;
    flags[STOP] = atomic_load(&trainer->stop_requested) ? 1.0f : NOTHING;
}

/* The same verdict on all ranks; those that did not fail are told who did. */
static cae_status verdict(const cae_trainer *trainer, const float *flags, cae_status mine)
{
    if (mine != CAE_OK || flags[FAILED] == 0.0f)
        return mine;
    return flags[FAILED] == 1.0f
               ? cae__fail(trainer->handle.context, CAE_ERR_PEER, "rank %d failed, and knows why",
                           (int)whole_of(flags[WHO]) - 1)
               : cae__fail(trainer->handle.context, CAE_ERR_PEER,
                           "%d other ranks failed, and know why", (int)whole_of(flags[FAILED]));
}

cae_status cae__group_agree(const cae_trainer *trainer, cae_status mine)
{
    if (!trainer->group.joined)
        return mine;
    float flags[FLAGS];
    set_flags(flags, trainer, mine);
    const cae_status status = sum(trainer, flags, FLAGS);
    return status == CAE_OK ? verdict(trainer, flags, mine) : status;
}

/* --- Tables: a row of whole numbers from each rank -------------------------------------------- */

void cae__row_put(float *row, uint64_t value)
{
    for (int i = 0; i < CAE__ROW_NUMBER; i++)
        row[i] = (float)(value >> 16 * i & 0xffff);
}

uint64_t cae__row_get(const float *row)
{
    uint64_t value = 0;
    for (int i = 0; i < CAE__ROW_NUMBER; i++)
        value |= (uint64_t)row[i] << 16 * i;
    return value;
}

/* Others' numbers are not to be trusted to be whole: two ranks of one number add up theirs. */
static bool is_row(const float *row, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(row[i] >= 0.0f && row[i] <= 65535.0f && row[i] == (float)(uint32_t)row[i]))
            return false;
    return true;
}

cae_status cae__group_table(const cae_trainer *trainer, const float *row, size_t count)
{
    const struct cae__group *g = &trainer->group;
    const size_t ranks = (size_t)g->options.ranks, own = (size_t)g->options.rank;
    say_nothing(g->table, ranks * count);
    memcpy(g->table + own * count, row, count * sizeof *row);
    const cae_status status = sum(trainer, g->table, ranks * count);
    if (status != CAE_OK)
        return status;
    for (size_t rank = 0; rank < ranks; rank++)
        if (!is_row(g->table + rank * count, count) ||
            g->table[rank * count] != 1.0f) /* every row begins so */
            return cae__fail(trainer->handle.context, CAE_ERR_PEER,
                             "rank %zu of %zu is not heard of, or more than once", rank, ranks);
    return CAE_OK;
}

cae_status cae__group_least(int64_t *least, const cae_trainer *trainer, int64_t value,
                            int64_t limit)
{
    enum { ROW = 1 + CAE__ROW_NUMBER };
    float row[ROW] = {1.0f};
    cae__row_put(row + 1, (uint64_t)(value + 1));
    const cae_status status = cae__group_table(trainer, row, ROW);
    *least = -1;
    for (int rank = 0; rank < trainer->group.options.ranks && status == CAE_OK; rank++) {
        const uint64_t said = cae__row_get(trainer->group.table + rank * ROW + 1);
        if (said > (uint64_t)limit) /* nobody here could look there */
            return cae__fail(trainer->handle.context, CAE_ERR_PEER,
                             "rank %d speaks of place %" PRIu64 " of %" PRId64, rank, said, limit);
        const int64_t other = (int64_t)said - 1;
        if (other >= 0 && (*least < 0 || other < *least))
            *least = other;
    }
    return status;
}

/* --- A step ------------------------------------------------------------------------------------
 *
 *   deterministic   [slots][parameters] [slots][CAE__ROW_NUMBER] [FLAGS]   each slot from its owner
 *   native                 [parameters]                 [PIECES] [FLAGS]   added up on each before
 *
 * A loss is a double. In its slot it passes as its bits; where losses are added up, as three floats,
 * which hold all of it. */
enum { PIECES = 3, MOST_PIECES = CAE__ROW_NUMBER };

static void put_bits(float row[CAE__ROW_NUMBER], double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    cae__row_put(row, bits);
}

/* NaN, which no loss that is trained on is, where a sum is none of such a row. */
static double get_bits(const float row[CAE__ROW_NUMBER])
{
    if (!is_row(row, CAE__ROW_NUMBER))
        return (double)NAN;
    const uint64_t bits = cae__row_get(row);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void split(float pieces[PIECES], double value)
{
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = (float)value;
        value -= (double)pieces[i];
    }
}

static double whole(const float pieces[PIECES])
{
    double value = 0.0;
    for (int i = PIECES; i > 0; i--) /* from the smallest on: no rounding but that of the sums */
        value += (double)pieces[i - 1];
    return value;
}

size_t cae__group_tail(int slots)
{
    return (size_t)slots * MOST_PIECES + FLAGS;
}

static bool is_native(const cae_trainer *trainer)
{
    return trainer->group.options.reduction == CAE_REDUCTION_NATIVE;
}

static bool is_own(const cae_trainer *trainer, int slot)
{
    return slot % trainer->group.options.ranks == trainer->group.options.rank;
}

/* What a rank that failed has in its slots is nothing to be added. */
static cae_status sum_slots(cae_trainer *trainer, cae_status mine, float *flags)
{
    enum { BITS = CAE__ROW_NUMBER };
    const struct cae__deal *deal = &trainer->deal;
    const size_t parameters = trainer->model->parameter_count, slots = (size_t)deal->slots;
    float *losses = deal->slot_gradients + slots * parameters, *end = losses + slots * BITS;

    for (int slot = 0; slot < deal->slots; slot++)
        if (mine == CAE_OK && is_own(trainer, slot)) {
            put_bits(losses + (size_t)slot * BITS, deal->slot_losses[slot]);
        } else {
            say_nothing(deal->slot_gradients + (size_t)slot * parameters, parameters);
            say_nothing(losses + (size_t)slot * BITS, BITS);
        }
    set_flags(end, trainer, mine);
    const cae_status status = sum(trainer, deal->slot_gradients,
                                  slots * (parameters + BITS) + FLAGS);
    memcpy(flags, end, FLAGS * sizeof *flags);
    if (status != CAE_OK || flags[FAILED] != 0.0f)
        return status;
    for (int slot = 0; slot < deal->slots; slot++)
        deal->slot_losses[slot] = get_bits(losses + (size_t)slot * BITS);
    return CAE_OK;
}

static cae_status sum_native(cae_trainer *trainer, cae_status mine, float *flags)
{
    const struct cae__deal *deal = &trainer->deal;
    const size_t parameters = trainer->model->parameter_count;
    float *loss = deal->gradient + parameters;
    fenv_t host;

    cae__checks_begin(&host);
    for (int slot = 1; slot < deal->own; slot++)
        deal->slot_losses[0] += deal->slot_losses[slot];
    split(loss, deal->slot_losses[0]);
    if (mine != CAE_OK)
        say_nothing(deal->gradient, parameters + PIECES);
    set_flags(loss + PIECES, trainer, mine);
    cae__arithmetic_end(&host);
    const cae_status status = sum(trainer, deal->gradient, parameters + PIECES + FLAGS);
    cae__checks_begin(&host);
    memset(deal->slot_losses, 0, (size_t)deal->own * sizeof *deal->slot_losses);
    deal->slot_losses[0] = whole(loss);
    cae__arithmetic_end(&host);
    memcpy(flags, loss + PIECES, FLAGS * sizeof *flags);
    return status;
}

cae_status cae__group_step(cae_trainer *trainer, cae_status mine)
{
    float flags[FLAGS];
    const cae_status status = is_native(trainer) ? sum_native(trainer, mine, flags)
                                                 : sum_slots(trainer, mine, flags);
    if (status != CAE_OK)
        return status;
    trainer->stop_seen = flags[STOP] > 0.0f;
    return verdict(trainer, flags, mine);
}

/* --- A file of rank 0's ----------------------------------------------------------------------- */

/* A piece of the file, two bytes in a float. */
static cae_status share_piece(const cae_trainer *trainer, unsigned char *bytes, size_t size,
                              float *floats)
{
    const size_t count = size / 2 + size % 2;
    const bool giver = trainer->group.options.rank == 0;
    for (size_t i = 0; i < count; i++) {
        const unsigned high = 2 * i + 1 < size && giver ? bytes[2 * i + 1] : 0;
        floats[i] = giver ? (float)(bytes[2 * i] | high << 8) : NOTHING;
    }
    const cae_status status = sum(trainer, floats, count);
    if (status != CAE_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        const uint32_t both = whole_of(floats[i]);
        bytes[2 * i] = (unsigned char)(both & 0xff);
        if (2 * i + 1 < size)
            bytes[2 * i + 1] = (unsigned char)(both >> 8);
    }
    return CAE_OK;
}

cae_status cae__group_share(unsigned char **data, size_t *size, const cae_trainer *trainer)
{
    const cae_context *context = trainer->handle.context;
    const bool giver = trainer->group.options.rank == 0;
    float row[1 + CAE__ROW_NUMBER] = {1.0f};
    cae__row_put(row + 1, giver ? *size : 0);
    cae_status status = cae__group_table(trainer, row, 1 + CAE__ROW_NUMBER);
    if (status != CAE_OK)
        return status;
    const uint64_t bytes = cae__row_get(trainer->group.table + 1);
    float *floats = cae__alloc(context, SHARE, sizeof *floats);
    if (giver && bytes != *size) /* others spoke in its row, and would be believed beyond its end */
        status = cae__fail(context, CAE_ERR_PEER,
                           "a file of %zu bytes is one of %" PRIu64 " in the sum", *size, bytes);
    if (!giver && bytes < SIZE_MAX)
        *data = cae__alloc(context, 1, (size_t)bytes + 1); /* + 1: may be empty */
    if (status == CAE_OK && !(floats && *data))
        status = cae__fail_memory(context);
    status = cae__group_agree(trainer, status);
    *size = (size_t)bytes;
    for (size_t done = 0, length; done < *size && status == CAE_OK; done += length) {
        length = *size - done < 2 * SHARE ? *size - done : 2 * SHARE;
        status = share_piece(trainer, *data + done, length, floats);
    }
    cae__free(context, floats);
    return status;
}

/* --- Joining ---------------------------------------------------------------------------------- */

/* Without these the other ranks cannot be told anything. */
static cae_status check_place(const cae_context *context, const cae_group_options *o)
{
    if (o->ranks < 1 || o->ranks > MOST_RANKS || o->rank < 0 || o->rank >= o->ranks)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "rank %d of %d, expected 1 to %d ranks, counted from 0", (int)o->rank,
                         (int)o->ranks, (int)MOST_RANKS);
    if (!o->sum && o->ranks > 1)
        return cae__fail(context, CAE_ERR_OPTIONS, "sum is NULL, expected what connects %d ranks",
                         (int)o->ranks);
    return CAE_OK;
}

static cae_status check_rest(const cae_trainer *trainer, const cae_group_options *o)
{
    const cae_context *context = trainer->handle.context;
    if (trainer->group.joined)
        return cae__fail(context, CAE_ERR_ARGUMENT, "the trainer has joined a group before");
    if (o->reduction < CAE_REDUCTION_DETERMINISTIC || o->reduction > CAE_REDUCTION_NATIVE)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "reduction is %d, expected CAE_REDUCTION_DETERMINISTIC or _NATIVE",
                         (int)o->reduction);
    return CAE_OK;
}

/* What this rank needs, and what may be wrong with it alone. The table has a row more, its own. */
static cae_status prepare(cae_trainer *trainer, struct cae__deal *deal)
{
    const cae_context *context = trainer->handle.context;
    struct cae__group *g = &trainer->group;
    const size_t ranks = (size_t)g->options.ranks;
    g->table = cae__alloc(context, ranks + 1, CAE__IDENTITY * sizeof *g->table);
    if (!g->table)
        return cae__fail_memory(context);
    const cae_status status = cae__deal_create(deal, trainer, &g->options);
    return status == CAE_OK ? cae__identity(g->table + ranks * CAE__IDENTITY, trainer) : status;
}

/* Tables are of the size that this says. */
static cae_status count_ranks(const cae_trainer *trainer)
{
    const int ranks = trainer->group.options.ranks;
    float present = 1.0f;
    const cae_status status = sum(trainer, &present, 1);
    if (status != CAE_OK || present == (float)ranks)
        return status;
    return cae__fail(trainer->handle.context, CAE_ERR_PEER,
                     "%d ranks take part in the sum, expected %d", (int)whole_of(present), ranks);
}

static cae_status join(cae_trainer *trainer)
{
    struct cae__group *g = &trainer->group;
    struct cae__deal deal = {0};
    cae_status status = count_ranks(trainer);
    if (g->broken)
        return status;
    status = cae__group_agree(trainer, status == CAE_OK ? prepare(trainer, &deal) : status);
    if (status == CAE_OK)
        status = cae__group_table(trainer, g->table + (size_t)g->options.ranks * CAE__IDENTITY,
                                  CAE__IDENTITY);
    if (status == CAE_OK)
        status = cae__identity_compare(trainer);
    if (status == CAE_OK)
        cae__deal_take(trainer, &deal);
    else
        cae__deal_destroy(&deal, trainer->handle.context);
    return status;
}

/* The ranks that are about to join hear that this one cannot; why is what its own text says, whatever
 * comes of that. */
static cae_status tell(cae_trainer *trainer, const cae_group_options *options, cae_status mine)
{
    const struct cae__group kept = trainer->group;
    char text[sizeof trainer->handle.context->error];
    float present = 1.0f; /* count_ranks, on the others */
    memcpy(text, trainer->handle.context->error, sizeof text);
    trainer->group = (struct cae__group){.options = *options, .joined = true};
    if (sum(trainer, &present, 1) == CAE_OK)
        cae__group_agree(trainer, mine);
    trainer->group = kept;
    return cae__fail(trainer->handle.context, mine, "%s", text);
}

cae_status cae_trainer_join(cae_trainer *trainer, const cae_group_options *options)
{
    if (!trainer)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = trainer->handle.context;
    cae_group_options o = defaults;
    cae_status status = cae__options_read(context, &o, sizeof o, options, "cae_group_options");
    if (status == CAE_OK)
        status = check_place(context, &o);
    if (status != CAE_OK)
        return status;
    status = check_rest(trainer, &o);
    if (status != CAE_OK)
        return tell(trainer, &o, status);
    trainer->group = (struct cae__group){.options = o, .joined = true};
    status = join(trainer);
    if (status != CAE_OK)
        cae__group_leave(trainer);
    else
        trainer->optimizer->undo_owner = 0; /* what one rank did alone others cannot take back */
    return status;
}

void cae__group_leave(cae_trainer *trainer)
{
    cae__free(trainer->handle.context, trainer->group.table);
    trainer->group = (struct cae__group){.options = defaults};
}

cae_status cae_trainer_request_stop(cae_trainer *trainer)
{
    if (!trainer)
        return CAE_ERR_ARGUMENT;
    atomic_store(&trainer->stop_requested, true);
    return CAE_OK;
}
