/* tenant.c - what a tenant does. It lives in rounds. A round is a world: a context with an allocator of
 * its own that counts, and in every third world refuses now and then; a few handles of each kind, made
 * and destroyed in any order; then all is destroyed and every block must have been given back. In every
 * third world files are harmed under those who read them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const struct deed deeds[SOAK_KINDS] = {
    {"make model", make_model},
    {"make preset", make_preset},
    {"describe a model again", describe_again},
    {"make dataset", make_dataset},
    {"make built-in images", make_leaves},
    {"slice dataset", slice_dataset},
    {"stream a .npy", stream_npy},
    {"stream CIFAR-10", stream_cifar},
    {"open a folder", open_folder},
    {"harm a file", harm_a_file},
    {"look at an image", look_at_image},
    {"make optimizer", make_optimizer},
    {"make trainer", make_trainer},
    {"take steps", take_steps},
    {"take part of an epoch", take_epoch},
    {"ask for a stop", ask_for_stop},
    {"take the average", take_average},
    {"save and resume", save_and_resume},
    {"save and load", save_and_load},
    {"through memory", through_memory},
    {"take a note", take_a_note},
    {"write an array", write_array},
    {"an array in memory", array_through_memory},
    {"an array as planes", array_as_planes},
    {"run a model", run_model},
    {"run the shared model", run_shared},
    {"repeat a training", repeat_recipe},
    {"train as a group", train_as_group},
    {"make scorer", make_scorer},
    {"score a frame", score_frame},
    {"score, shared model", score_shared},
    {"calibrate", calibrate},
    {"evaluate", evaluate},
    {"export ONNX", export_onnx},
    {"be wrong", be_wrong},
    {"change threads", change_threads},
};

const char *soak_kind_name(int kind)
{
    return deeds[kind].name;
}

long soak_kind_count(const struct soak_tenant *tenants, int count, int kind)
{
    long sum = 0;
    for (int i = 0; i < count; i++)
        sum += atomic_load(&tenants[i].kinds[kind]);
    return sum;
}

/* --- A life ------------------------------------------------------------------------------------------ */

/* Which goes first is drawn: what others still need lives on inside. */
static void end_world(struct world *w)
{
    const bool context_first = pick(w, 2);
    if (context_first)
        cae_context_destroy(w->context);
    for (int i = 0, slot = pick(w, SLOTS); i < SLOTS; i++, slot = (slot + 1) % SLOTS) {
        cae_model_destroy(w->models[slot]);
        cae_trainer_destroy(w->trainers[slot]);
        cae_dataset_destroy(w->datasets[slot]);
        cae_optimizer_destroy(w->optimizers[slot]);
        cae_scorer_destroy(w->scorers[slot]);
    }
    if (!context_first)
        cae_context_destroy(w->context);
    if (atomic_load(&w->heap.blocks) != 0)
        fail("the end of a world", CAE_OK, "blocks were not given back");
}

static void live_a_round(struct soak_tenant *tenant)
{
    struct world w = {.tenant = tenant};
    cae_context_options options;
    cae_context_options_init(&options, sizeof options);
    options.threads = 1 + pick(&w, 3);
    options.allocate = heap_allocate;
    options.release = heap_release;
    options.allocator_user = &w.heap;
    if (cae_context_create(&w.context, &options) != CAE_OK) {
        fail("cae_context_create", CAE_ERR_MEMORY, "");
        return;
    }
    if (pick(&w, 3) == 0)
        w.heap.refuse_every = 20 + pick(&w, 200);
    w.rough = pick(&w, 3) == 0;
    for (int i = 50 + pick(&w, 200); i > 0 && !atomic_load(&tenant->stop) && !soak_failed(); i--) {
        const int deed = pick(&w, SOAK_KINDS);
        deeds[deed].act(&w);
        atomic_fetch_add(&tenant->kinds[deed], 1);
        if (pick(&w, 4) == 0)
            destroy_one(&w);
    }
    end_world(&w);
    atomic_fetch_add(&tenant->rounds, 1);
}

static void *live(void *argument)
{
    struct soak_tenant *tenant = argument;
    while (!atomic_load(&tenant->stop) && !soak_failed())
        live_a_round(tenant);
    return NULL;
}

void soak_start(struct soak_tenant *tenant, const struct soak_shared *shared, const char *directory,
                uint64_t seed)
{
    tenant->shared = shared;
    tenant->random = seed;
    snprintf(tenant->directory, sizeof tenant->directory, "%s/%llu", directory,
             (unsigned long long)seed);
    if (mkdir(tenant->directory, 0700) != 0 ||
        pthread_create(&tenant->thread, NULL, live, tenant) != 0)
        abort();
}

void soak_stop(struct soak_tenant *tenant)
{
    atomic_store(&tenant->stop, true);
    pthread_join(tenant->thread, NULL);
}
