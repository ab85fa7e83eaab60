/* group.c - a recipe trained by ranks that are threads, each with a context of its own. The sum that
 * connects them fails now and then, a rank has no memory or does not come, another one asks for an end:
 * none may wait for ever, and where all goes well the bits are those of one process. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum { RANKS = 3, STOP_AT = 2, RESUME_AT = 3 };

struct meeting;

struct rank {
    struct meeting *meeting;
    int number;
    pthread_t thread;
    float *values; /* a copy of what it brought */
    cae_context *context;
    cae_status status;
    int steps; /* taken */
    uint64_t digest;
    bool silent; /* an error without a text */
};

struct meeting {
    struct world *world;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int ranks, arrived, recipe, source, threads, refuser;
    long sum, fails_at; /* which sum is going on; -1: none fails */
    bool broken, stops, resumes;
    size_t count;
    struct rank rank[RANKS];
};

/* --- The sum -------------------------------------------------------------------------------------- */

static void add_up(struct meeting *m)
{
    const int first = (int)(m->sum % m->ranks); /* the order is free */
    for (int k = 1; k < m->ranks; k++)
        for (size_t i = 0; i < m->count; i++)
            m->rank[first].values[i] += m->rank[(first + k) % m->ranks].values[i];
    for (int k = 1; k < m->ranks; k++)
        memcpy(m->rank[(first + k) % m->ranks].values, m->rank[first].values, m->count * sizeof(float));
}

static void leave(struct meeting *m)
{
    pthread_mutex_lock(&m->lock);
    m->broken = true;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

static int32_t meet(void *user, float *values, size_t count)
{
    struct rank *r = user;
    struct meeting *m = r->meeting;
    float *copy = malloc(count * sizeof *copy);
    pthread_mutex_lock(&m->lock);
    const long sum = m->sum;
    m->broken = m->broken || !copy || sum == m->fails_at || (m->arrived && count != m->count);
    r->values = copy;
    m->count = count;
    if (copy)
        memcpy(copy, values, count * sizeof *copy);
    if (!m->broken && ++m->arrived == m->ranks) {
        add_up(m);
        m->arrived = 0;
        m->sum++;
    }
    pthread_cond_broadcast(&m->changed);
    while (m->sum == sum && !m->broken)
        pthread_cond_wait(&m->changed, &m->lock);
    const bool done = copy && m->sum != sum; /* even if another one has left since */
    if (done)
        memcpy(values, copy, count * sizeof *copy);
    pthread_mutex_unlock(&m->lock);
    free(copy);
    return !done;
}

/* --- A rank --------------------------------------------------------------------------------------- */

/* To a file and back, which changes nothing. Only the first rank's path counts. */
static cae_status save_and_go_on(const struct rank *r, cae_trainer *trainer)
{
    char path[PATH_ROOM];
    const char *own = r->number ? "" : file_in(r->meeting->world, "group", path);
    const cae_status status = cae_trainer_save(trainer, own);
    return status == CAE_OK ? cae_trainer_resume(trainer, own) : status;
}

static cae_status train(struct rank *r, struct recipe *recipe)
{
    const struct meeting *m = r->meeting;
    cae_group_options options;
    cae_progress progress;
    cae_group_options_init(&options, sizeof options);
    options.rank = r->number;
    options.ranks = m->ranks;
    options.sum = meet;
    options.user = r;
    cae_status status = cae_trainer_join(recipe->trainer, &options);
    cae_progress_init(&progress, sizeof progress);
    while (r->steps < RECIPE_STEPS && status == CAE_OK && !progress.stop) {
        if (m->stops && r->number == 1 && r->steps == STOP_AT)
            cae_trainer_request_stop(recipe->trainer);
        status = cae_trainer_step(&progress, recipe->trainer);
        r->steps += status == CAE_OK;
        if (status == CAE_OK && m->resumes && r->steps == RESUME_AT)
            status = save_and_go_on(r, recipe->trainer);
    }
    return status;
}

static void *be_a_rank(void *argument)
{
    struct rank *r = argument;
    struct meeting *m = r->meeting;
    struct recipe recipe = {0};
    cae_context_options options;
    cae_context_options_init(&options, sizeof options);
    options.threads = m->threads;
    if (m->refuser < 0 || m->refuser == r->number) { /* where memory is refused, of one rank */
        options.allocate = heap_allocate;
        options.release = heap_release;
        options.allocator_user = &m->world->heap;
    }
    r->status = cae_context_create(&r->context, &options);
    if (r->status == CAE_OK)
        r->status = recipe_begin(&recipe, m->world->tenant->shared, m->recipe, m->source, r->context);
    if (r->status == CAE_OK)
        r->status = train(r, &recipe);
    else
        leave(m);
    if (r->status == CAE_OK)
        r->digest = recipe_digest(&recipe, &r->status);
    r->silent = r->status != CAE_OK && r->context && !*cae_context_error(r->context);
    recipe_end(&recipe);
    cae_context_destroy(r->context);
    return NULL;
}

/* --- What came of it ------------------------------------------------------------------------------ */

static void judge(struct world *w, const struct meeting *m)
{
    const uint64_t expected = w->tenant->shared->recipes[m->recipe];
    for (int i = 0; i < m->ranks; i++) {
        const struct rank *r = &m->rank[i];
        const bool disturbed = m->fails_at >= 0 || w->heap.refuse_every;
        atomic_fetch_add(&w->tenant->calls, RECIPE_STEPS + 1);
        if (r->silent)
            fail("a rank", r->status, "without a text");
        else if (r->status == CAE_OK && m->stops && r->steps != STOP_AT + 1)
            fail("a rank", r->status, "did not stop with the others");
        else if (r->status == CAE_OK && !m->stops && r->digest != expected)
            fail("a rank", r->status, "other bits than one process");
        else if (r->status != CAE_OK && !disturbed)
            fail("a rank", r->status, "failed without a reason");
        else if (r->status != CAE_OK && r->status != CAE_ERR_PEER && r->status != CAE_ERR_MEMORY)
            fail("a rank", r->status, "another reason than there was");
    }
}

void train_as_group(struct world *w)
{
    struct meeting m = {.world = w, .refuser = -1, .fails_at = -1};
    int started = 0;
    m.recipe = pick(w, recipe_count());
    m.source = recipe_source(m.recipe, pick(w, 6));
    m.ranks = m.recipe != 1 && m.recipe != 2 && m.recipe != 7 && pick(w, 2) ? 3 : 2; /* a block for each */
    m.threads = 1 + pick(w, 2);
    m.stops = pick(w, 4) == 0;
    m.resumes = pick(w, 2);
    if (pick(w, 4) == 0)
        m.fails_at = pick(w, 24);
    if (w->heap.refuse_every && pick(w, 2))
        m.refuser = pick(w, m.ranks);
    pthread_mutex_init(&m.lock, NULL);
    pthread_cond_init(&m.changed, NULL);
    for (; started < m.ranks; started++) {
        m.rank[started] = (struct rank){.meeting = &m, .number = started};
        if (pthread_create(&m.rank[started].thread, NULL, be_a_rank, &m.rank[started]) != 0)
            abort();
    }
    for (int i = 0; i < started; i++)
        pthread_join(m.rank[i].thread, NULL);
    pthread_cond_destroy(&m.changed);
    pthread_mutex_destroy(&m.lock);
    judge(w, &m);
}
