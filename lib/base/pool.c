/* pool.c - the context's threads: they sleep until there is work, share it index by index, sleep.
 *
 * Workers block all signals but faults, so that the host's handlers run on the host's threads. A
 * pool does not survive fork: the child sees another process id and makes its own. When the system
 * refuses a thread, the work is done by those there are, with the same result;
 * cae_context_set_threads asks again. */
#include "base.h"
#include "system.h"

#include <pthread.h>

struct cae__pool {
    pthread_mutex_t mutex;
    pthread_cond_t work;    /* a new round has begun, or the pool is closing */
    pthread_cond_t done;    /* the last worker of a round has finished */
    long owner;             /* process */
    int count;              /* workers beside the calling thread */
    int busy;               /* workers that have not finished the round */
    unsigned long round;
    bool closing;

    cae__task task;
    void *job;
    int64_t indices;
    _Atomic int64_t next;

    struct worker {
        struct cae__pool *pool;
        pthread_t thread;
        int number;
    } workers[];
};

int cae__workers(const cae_context *context, int64_t count)
{
    return count < 1 ? 1 : count < context->threads ? (int)count : context->threads;
}

static void take_indices(struct cae__pool *pool, int worker)
{
    if (worker >= pool->indices) /* it may not have scratch */
        return;
    for (;;) {
        const int64_t index = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (index >= pool->indices)
            return;
        pool->task(pool->job, index, worker);
    }
}

static void *worker_main(void *argument)
{
    struct worker *self = argument;
    struct cae__pool *pool = self->pool;
    unsigned long seen = 0;
    fenv_t inherited; /* from the thread that made this one */

    cae__arithmetic_begin(&inherited);
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        while (pool->round == seen && !pool->closing)
            pthread_cond_wait(&pool->work, &pool->mutex);
        if (pool->closing)
            break;
        seen = pool->round;
        pthread_mutex_unlock(&pool->mutex);
        take_indices(pool, self->number);
        pthread_mutex_lock(&pool->mutex);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

static void start_workers(struct cae__pool *pool, int wanted)
{
    struct cae__signals signals;
    cae__signals_block(&signals);
    for (int i = 0; i < wanted; i++) {
        struct worker *worker = &pool->workers[i];
        worker->pool = pool;
        worker->number = i + 1;
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
            break;
        pool->count = i + 1;
    }
    cae__signals_restore(&signals);
}

static void finish_locks(struct cae__pool *pool)
{
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
}

/* Some systems allocate for them. */
static bool init_locks(struct cae__pool *pool)
{
    if (pthread_mutex_init(&pool->mutex, NULL) != 0)
        return false;
    if (pthread_cond_init(&pool->work, NULL) != 0) {
        pthread_mutex_destroy(&pool->mutex);
        return false;
    }
    if (pthread_cond_init(&pool->done, NULL) != 0) {
        pthread_cond_destroy(&pool->work);
        pthread_mutex_destroy(&pool->mutex);
        return false;
    }
    return true;
}

static struct cae__pool *pool_create(cae_context *context)
{
    const int wanted = context->threads - 1;
    struct cae__pool *pool =
        cae__alloc_zero(context, 1, sizeof *pool + (size_t)wanted * sizeof pool->workers[0]);
    if (!pool)
        return NULL;
    if (!init_locks(pool)) {
        cae__free(context, pool);
        return NULL;
    }
    pool->owner = cae__process();
    start_workers(pool, wanted);
    return pool;
}

void cae__pool_destroy(cae_context *context)
{
    struct cae__pool *pool = context->pool;
    if (!pool)
        return;
    context->pool = NULL;
    if (pool->owner == cae__process()) { /* in a forked child the threads do not exist */
        pthread_mutex_lock(&pool->mutex);
        pool->closing = true;
        pthread_cond_broadcast(&pool->work);
        pthread_mutex_unlock(&pool->mutex);
        for (int i = 0; i < pool->count; i++)
            pthread_join(pool->workers[i].thread, NULL);
        finish_locks(pool);
    }
    cae__free(context, pool);
}

bool cae__pool_lacks_threads(const cae_context *context)
{
    return context->pool && context->pool->count < context->threads - 1;
}

/* The pool of this process, or NULL when the work is for the calling thread alone. */
static struct cae__pool *pool_get(cae_context *context)
{
    if (context->pool && context->pool->owner != cae__process())
        cae__pool_destroy(context);
    if (!context->pool) {
        context->pool = pool_create(context);
        if (!context->pool || cae__pool_lacks_threads(context))
            cae__log(context, CAE_LOG_WARNING, "the system gave %d of %d threads",
                     context->pool ? context->pool->count + 1 : 1, context->threads);
    }
    return context->pool && context->pool->count > 0 ? context->pool : NULL;
}

void cae__parallel(cae_context *context, int64_t count, cae__task task, void *job)
{
    struct cae__pool *pool = context->threads > 1 && count > 1 ? pool_get(context) : NULL;
    fenv_t host;
    if (!pool) {
        cae__arithmetic_begin(&host);
        for (int64_t index = 0; index < count; index++)
            task(job, index, 0);
        cae__arithmetic_end(&host);
        return;
    }

    pthread_mutex_lock(&pool->mutex);
    pool->task = task;
    pool->job = job;
    pool->indices = count;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    pool->busy = pool->count;
    pool->round++;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);

    cae__arithmetic_begin(&host);
    take_indices(pool, 0);
    cae__arithmetic_end(&host);

    pthread_mutex_lock(&pool->mutex);
    while (pool->busy > 0)
        pthread_cond_wait(&pool->done, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}
