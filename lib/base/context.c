/* context.c - what would otherwise be global, and the reference counts that keep it alive. */
#include "base.h"
#include "system.h"

#include "../kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

static void *default_allocate(void *user, size_t bytes)
{
    (void)user;
    return malloc(bytes);
}

static void default_release(void *user, void *block)
{
    (void)user;
    free(block);
}

static const cae_context_options defaults = {
    .size = sizeof defaults, .threads = 1, .engine = CAE_ENGINE_AUTO};

cae_status cae_context_options_init(cae_context_options *options, uint32_t size)
{
    return cae__options_init(options, size, &defaults, sizeof defaults);
}

static int resolve_threads(int32_t asked)
{
    if (asked != 0)
        return asked;
    const long count = cae__processors();
    return count < 1 ? 1 : count > CAE__MAX_THREADS ? CAE__MAX_THREADS : (int)count;
}

/* There is no context yet to keep a text: the log hears it. */
static cae_status refuse(const cae_context_options *o, cae_status status, const char *text)
{
    if (o->log)
        o->log(o->log_user, CAE_LOG_WARNING, text);
    return status;
}

static cae_status check_options(const cae_context_options *o)
{
    if (o->threads < 0 || o->threads > CAE__MAX_THREADS)
        return refuse(o, CAE_ERR_OPTIONS, "cae_context_options: threads is not in 0 to 1024");
    if (!o->allocate != !o->release)
        return refuse(o, CAE_ERR_OPTIONS,
                      "cae_context_options: allocate and release go together, one is NULL");
    if (o->engine < CAE_ENGINE_AUTO || o->engine > CAE_ENGINE_DIRECT)
        return refuse(o, CAE_ERR_OPTIONS, "cae_context_options: engine is not a CAE_ENGINE_ value");
    if (o->cpu < CAE_CPU_AUTO || o->cpu > CAE_CPU_AVX512)
        return refuse(o, CAE_ERR_OPTIONS, "cae_context_options: cpu is not a CAE_CPU_ value");
    if (!cae__kernels_at(o->cpu))
        return refuse(o, CAE_ERR_UNSUPPORTED,
                      "cae_context_options: this machine or build lacks the instructions of cpu");
    return CAE_OK;
}

cae_status cae_context_create(cae_context **out, const cae_context_options *options)
{
    if (!out)
        return CAE_ERR_ARGUMENT;
    *out = NULL;

    cae_context_options o = defaults;
    cae_status status =
        cae__options_read(NULL, &o, sizeof o, options, "cae_context_options");
    if (status == CAE_OK)
        status = check_options(&o);
    if (status != CAE_OK)
        return status;
    if (!o.allocate) {
        o.allocate = default_allocate;
        o.release = default_release;
    }

    cae_context *context = o.allocate(o.allocator_user, sizeof *context);
    if (!context)
        return CAE_ERR_MEMORY;
    memset(context, 0, sizeof *context);
    atomic_init(&context->handle.references, 1);
    atomic_init(&context->handle.kind, CAE__CONTEXT);
    context->handle.context = context;
    context->threads = resolve_threads(o.threads);
    context->engine = o.engine;
    context->cpu = o.cpu == CAE_CPU_AUTO ? cae__best_cpu() : o.cpu;
    context->kernels = cae__kernels_at(o.cpu);
    context->allocate = o.allocate;
    context->release = o.release;
    context->allocator_user = o.allocator_user;
    context->log = o.log;
    context->log_user = o.log_user;
    *out = context;
    return CAE_OK;
}

static void context_release(cae_context *context)
{
    if (!cae__release(&context->handle))
        return;
    cae__pool_destroy(context);
    for (int worker = 0; worker < CAE__MAX_THREADS; worker++)
        cae__free(context, context->scratch[worker].data);
    atomic_store_explicit(&context->handle.kind, CAE__NO_KIND, memory_order_relaxed);
    context->release(context->allocator_user, context);
}

void cae_context_destroy(cae_context *context)
{
    if (cae__give_back(context, CAE__CONTEXT))
        context_release(context);
}

cae_status cae_context_set_threads(cae_context *context, int32_t threads)
{
    if (!context)
        return CAE_ERR_ARGUMENT;
    if (threads < 0 || threads > CAE__MAX_THREADS)
        return cae__fail(context, CAE_ERR_ARGUMENT, "threads is %d, expected 0 to %d", (int)threads,
                         CAE__MAX_THREADS);
    const int resolved = resolve_threads(threads);
    if (resolved != context->threads || cae__pool_lacks_threads(context))
        cae__pool_destroy(context);
    context->threads = resolved;
    return CAE_OK;
}

int32_t cae_context_threads(const cae_context *context)
{
    return context ? context->threads : 0;
}

int32_t cae_context_cpu(const cae_context *context)
{
    return context ? context->cpu : CAE_CPU_AUTO;
}

void cae__handle_init(struct cae__handle *handle, enum cae__kind kind, cae_context *context)
{
    atomic_init(&handle->references, 1);
    atomic_init(&handle->kind, (int)kind);
    atomic_init(&handle->given_back, false);
    handle->context = context;
    cae__retain(&context->handle);
}

bool cae__give_back(void *handle, enum cae__kind kind)
{
    struct cae__handle *h = handle;
    return h && atomic_load_explicit(&h->kind, memory_order_relaxed) == (int)kind &&
           !atomic_exchange_explicit(&h->given_back, true, memory_order_relaxed);
}

void cae__retain(const struct cae__handle *handle)
{
    atomic_fetch_add_explicit(&((struct cae__handle *)handle)->references, 1, memory_order_relaxed);
}

bool cae__release(struct cae__handle *handle)
{
    return atomic_fetch_sub_explicit(&handle->references, 1, memory_order_acq_rel) == 1;
}

void cae__handle_end(void *handle)
{
    cae_context *context = ((struct cae__handle *)handle)->context;
    atomic_store_explicit(&((struct cae__handle *)handle)->kind, CAE__NO_KIND,
                          memory_order_relaxed);
    cae__free(context, handle);
    context_release(context);
}
