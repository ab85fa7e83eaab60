/* world.c - failing once, random numbers, memory that is counted, and what a world holds. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Failing, once ------------------------------------------------------------------------------- */

static atomic_bool failed;

bool soak_failed(void)
{
    return atomic_load(&failed);
}

void fail(const char *what, cae_status status, const char *text)
{
    if (!atomic_exchange(&failed, true))
        printf("# %s: status %d, %s\n", what, (int)status, text);
}

/* --- Random numbers: SplitMix64 --------------------------------------------------------------- */

uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int below(uint64_t *state, int limit)
{
    return (int)(next_random(state) % (uint64_t)limit);
}

void fill(uint64_t seed, float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(next_random(&seed) >> 40) * 0x1p-23f - 1.0f;
}

/* FNV-1a */
uint64_t digest_of(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

/* --- Memory that is counted, and refused -------------------------------------------------------- */

void *heap_allocate(void *user, size_t bytes)
{
    struct heap *heap = user;
    uint64_t request = (uint64_t)atomic_fetch_add(&heap->requests, 1);
    if (heap->refuse_every && next_random(&request) % (uint64_t)heap->refuse_every == 0)
        return NULL;
    void *block = malloc(bytes);
    if (block)
        atomic_fetch_add(&heap->blocks, 1);
    return block;
}

void heap_release(void *user, void *block)
{
    struct heap *heap = user;
    atomic_fetch_sub(&heap->blocks, 1);
    free(block);
}

/* --- A world ---------------------------------------------------------------------------------------- */

int pick(struct world *w, int limit)
{
    return below(&w->tenant->random, limit);
}

bool good(struct world *w, cae_status status, cae_status other, const char *what)
{
    atomic_fetch_add(&w->tenant->calls, 1);
    const bool refused = status == CAE_ERR_MEMORY && w->heap.refuse_every;
    if (status != CAE_OK && status != other && !refused)
        fail(what, status, cae_context_error(w->context));
    else if (status < 0 && w->context && !*cae_context_error(w->context))
        fail(what, status, "without a text");
    return status == CAE_OK;
}

const char *file_in(struct world *w, const char *name, char path[PATH_ROOM])
{
    snprintf(path, PATH_ROOM, "%s/%s", w->tenant->directory, name);
    return path;
}

bool good_reading(struct world *w, cae_status status, cae_status other, const char *what)
{
    /* the numbers in a file that was written into may be none */
    const bool harm = status == CAE_ERR_IO || status == CAE_ERR_FORMAT || status == CAE_ERR_NUMERIC;
    return good(w, status, w->harmed && harm ? status : other, what);
}

/* What a model of strided layers makes of an odd size is of another one. */
static int step_of(const cae_model *model)
{
    int32_t side = 0;
    return cae_model_output_shape(NULL, &side, NULL, model, NULL, CAE_PART_WHOLE, LEAST_SIDE,
                                  LEAST_SIDE) == CAE_OK && side == LEAST_SIDE ? 1 : 4;
}

void put_model(struct world *w, cae_model *model, int channels)
{
    const int slot = pick(w, SLOTS);
    cae_model_destroy(w->models[slot]);
    w->models[slot] = model;
    w->channels[slot] = channels;
    w->step[slot] = step_of(model);
}

void put_dataset(struct world *w, cae_dataset *dataset)
{
    const int slot = pick(w, SLOTS);
    cae_dataset_destroy(w->datasets[slot]);
    w->datasets[slot] = dataset;
}

void compare_image(struct world *w, const cae_dataset *a, const cae_dataset *b, const char *what)
{
    const int64_t count = cae_dataset_count(a);
    int32_t c = 0, y = 0, x = 0;
    float *values = malloc(2 * FRAME_ROOM * sizeof *values);
    cae_dataset_shape(&c, &y, &x, a);
    const size_t size = (size_t)(c * y * x);
    if (count != cae_dataset_count(b) || size > FRAME_ROOM)
        fail(what, CAE_OK, "other images");
    else if (values) {
        const int64_t index = pick(w, (int)count);
        if (good_reading(w, cae_dataset_get(values, size, a, index), CAE_OK, "cae_dataset_get") &&
            good_reading(w, cae_dataset_get(values + size, size, b, index), CAE_OK, "cae_dataset_get") &&
            memcmp(values, values + size, size * sizeof *values) != 0)
            fail(what, CAE_OK, "an image with other bits");
    }
    free(values);
}
