/* shared.c - what all tenants have in common: a model that they run at the same time, files that they read,
 * and what has to come out. Recipes are short trainings, functions of their numbers alone: wherever the
 * images lie and however many ranks take part. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CIFAR_RECIPE = 6, CIFAR_SIDE = 32, CIFAR_RECORD = 1 + 3 * CIFAR_SIDE * CIFAR_SIDE, MOST_FILE = 16384 };

/* --- Recipes -------------------------------------------------------------------------------------- */

int recipe_count(void)
{
    return HAVE_IMAGES ? RECIPES : FOLDER_RECIPE;
}

int recipe_source(int recipe, int random)
{
    if (recipe == FOLDER_RECIPE)
        return random % 2 ? FROM_CACHE : FROM_MEMORY;
    return random % (recipe == CIFAR_RECIPE ? 3 : 2);
}

static cae_status open_leaves(cae_dataset **images, const struct soak_shared *shared, int recipe,
                              cae_context *context)
{
    const bool cifar = recipe == CIFAR_RECIPE;
    return cae_dataset_create_dead_leaves(images, context, cifar ? 12 : 20, 3, cifar ? CIFAR_SIDE : 14,
                                          cifar ? CIFAR_SIDE : 14 + recipe, shared->seed, NULL);
}

static cae_status open_crops(cae_dataset **images, const char *directory, const char *cache,
                             cae_context *context)
{
    cae_folder_options options;
    char path[PATH_ROOM];
    cae_folder_options_init(&options, sizeof options);
    options.height = options.width = 14;
    options.crops = 3;
    options.cache = cache;
    snprintf(path, sizeof path, "%s/photos", directory);
    return cae_dataset_open_folder(images, context, path, &options);
}

static cae_status open_images(cae_dataset **images, const struct soak_shared *shared, int recipe,
                              int source, cae_context *context)
{
    cae_dataset_options options;
    char path[PATH_ROOM];
    cae_dataset_options_init(&options, sizeof options);
    options.memory = 1; /* they stay where they are */
    snprintf(path, sizeof path, "%s/recipe-%d.npy", shared->directory, recipe);
    switch (source) {
    case FROM_NPY: return cae_dataset_open_npy(images, context, path, &options);
    case FROM_CIFAR:
        return cae_dataset_open_cifar10(images, context, shared->directory, CAE_SPLIT_TRAIN, &options);
    case FROM_CACHE: return open_crops(images, shared->directory, shared->directory, context);
    default:
        return recipe == FOLDER_RECIPE ? open_crops(images, shared->directory, NULL, context)
                                       : open_leaves(images, shared, recipe, context);
    }
}

cae_status recipe_begin(struct recipe *r, const struct soak_shared *shared, int recipe, int source,
                        cae_context *context)
{
    cae_optimizer_options how;
    cae_trainer_options options;

    *r = (struct recipe){0};
    cae_optimizer_options_init(&how, sizeof how);
    how.kind = recipe % 3;
    cae_trainer_options_init(&options, sizeof options);
    options.batch = 5 + 4 * recipe % 24;
    options.noise_sigma = recipe & 1 ? 0.1 : 0;
    options.noise_sigma_max = recipe & 2 ? 0.3 : 0;
    options.augment = recipe & 3; /* images are not square */
    options.loss = recipe & 4 ? CAE_LOSS_CHARBONNIER : CAE_LOSS_MSE;
    options.average_decay = recipe & 1 ? 0.5 : 0;
    options.shuffle_window = recipe % 3 ? 2 * recipe + 1 : 0;
    cae_status status = cae_model_create_reference(&r->model, context, shared->seed + (uint64_t)recipe);
    if (status == CAE_OK)
        status = open_images(&r->images, shared, recipe, source, context);
    if (status == CAE_OK)
        status = cae_optimizer_create(&r->optimizer, r->model, &how);
    if (status == CAE_OK)
        status = cae_trainer_create(&r->trainer, r->model, r->optimizer, r->images, &options);
    return status;
}

uint64_t recipe_digest(const struct recipe *r, cae_status *status)
{
    unsigned char file[MOST_FILE];
    cae_model *average = NULL;
    size_t size = 0;
    *status = cae_trainer_average(&average, r->trainer);
    if (*status == CAE_OK)
        *status = cae_model_set_note(average, "what a recipe led to");
    if (*status == CAE_OK)
        *status = cae_model_save_memory(file, sizeof file, &size, average);
    cae_model_destroy(average);
    return *status == CAE_OK ? digest_of(file, size) : 0;
}

void recipe_end(struct recipe *r)
{
    cae_trainer_destroy(r->trainer);
    cae_optimizer_destroy(r->optimizer);
    cae_dataset_destroy(r->images);
    cae_model_destroy(r->model);
}

/* --- The shared model ----------------------------------------------------------------------------- */

uint64_t forward_digest(const struct soak_shared *shared, cae_context *context, int side,
                        cae_status *status)
{
    const size_t count = (size_t)3 * (size_t)side * (size_t)side;
    float *y = calloc(count, sizeof *y);
    *status = y ? cae_model_forward(y, count, shared->model, context, shared->image, count, 1, side,
                                    side)
                : CAE_ERR_MEMORY;
    const uint64_t digest = digest_of(y, *status == CAE_OK ? count * sizeof *y : 0);
    free(y);
    return digest;
}

uint64_t score_digest(const struct soak_shared *shared, cae_context *context, cae_status *status)
{
    enum { PIXELS = SHARED_SIDE * SHARED_SIDE };
    struct {
        double score;
        float map[PIXELS];
    } found = {0};
    cae_scorer *scorer = NULL;
    *status = cae_scorer_create(&scorer, shared->model, context, SHARED_SIDE, SHARED_SIDE, NULL);
    if (*status == CAE_OK)
        *status = cae_scorer_run(&found.score, found.map, PIXELS, scorer, shared->image, 3 * PIXELS);
    cae_scorer_destroy(scorer);
    return digest_of(&found, sizeof found);
}

/* --- The shared files ----------------------------------------------------------------------------- */

static void insist(cae_status status, const char *what)
{
    if (status != CAE_OK)
        fail(what, status, "before the tenants came");
}

/* The bytes that the images of a dataset were. */
static cae_array *bytes_of(cae_context *context, const cae_dataset *images, const int64_t shape[4])
{
    cae_array *array = NULL;
    const size_t size = (size_t)(shape[1] * shape[2] * shape[3]);
    float *values = calloc(size, sizeof *values);
    insist(cae_array_create(&array, context, CAE_TYPE_U8, shape, 4), "cae_array_create");
    unsigned char *to = cae_array_data(array);
    if (!values || !to)
        abort();
    for (int64_t i = 0; i < shape[0]; i++) {
        insist(cae_dataset_get(values, size, images, i), "cae_dataset_get");
        for (size_t k = 0; k < size; k++)
            *to++ = (unsigned char)lrint(((double)values[k] + 1) * 127.5);
    }
    free(values);
    return array;
}

static void write_records(const char *directory, int number, const unsigned char *pixels, int count)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s/data_batch_%d.bin", directory, number);
    FILE *file = fopen(path, "wb");
    if (!file)
        abort();
    for (int i = 0; i < count; i++, pixels += CIFAR_RECORD - 1) {
        putc(i % 10, file);
        if (fwrite(pixels, CIFAR_RECORD - 1, 1, file) != 1)
            abort();
    }
    if (fclose(file) != 0)
        abort();
}

/* The images of a recipe that makes its own, as files. */
static void write_leaves(const struct soak_shared *s, int recipe)
{
    cae_dataset *images = NULL;
    int32_t c = 0, y = 0, x = 0;
    char path[PATH_ROOM];
    insist(open_leaves(&images, s, recipe, s->context), "images of a recipe");
    cae_dataset_shape(&c, &y, &x, images);
    cae_array *array = bytes_of(s->context, images, (const int64_t[]){cae_dataset_count(images), c, y, x});
    snprintf(path, sizeof path, "%s/recipe-%d.npy", s->directory, recipe);
    insist(cae_array_write(array, path), "cae_array_write");
    if (recipe == CIFAR_RECIPE) {
        write_records(s->directory, 1, cae_array_data(array), 5);
        write_records(s->directory, 3, (unsigned char *)cae_array_data(array) + 5 * (CIFAR_RECORD - 1), 7);
    }
    cae_array_destroy(array);
    cae_dataset_destroy(images);
}

static void write_photos(const struct soak_shared *s)
{
    static const char *const names[] = {"a.png", "b.JPG", "c.png", "d.jpeg"};
    char path[PATH_ROOM];
    uint64_t random = s->seed;
    snprintf(path, sizeof path, "%s/photos", s->directory);
    if (mkdir(path, 0700) != 0)
        abort();
    for (int i = 0; i < 4; i++) {
        cae_array *array = NULL;
        insist(cae_array_create(&array, s->context, CAE_TYPE_U8, (const int64_t[]){20 + i, 30 - i, i % 2 ? 1 : 3},
                                3), "cae_array_create");
        unsigned char *bytes = cae_array_data(array);
        for (size_t k = 0; k < cae_array_bytes(array); k++)
            bytes[k] = (unsigned char)next_random(&random);
        snprintf(path, sizeof path, "%s/photos/%s", s->directory, names[i]);
        insist(cae_array_write(array, path), "cae_array_write");
        cae_array_destroy(array);
    }
}

/* --- Before the tenants come, and after ----------------------------------------------------------- */

static uint64_t in_memory(const struct soak_shared *s, int recipe)
{
    struct recipe r;
    uint64_t digest = 0;
    cae_status status = recipe_begin(&r, s, recipe, FROM_MEMORY, s->context);
    for (int i = 0; i < RECIPE_STEPS && status == CAE_OK; i++)
        status = cae_trainer_step(NULL, r.trainer);
    if (status == CAE_OK)
        digest = recipe_digest(&r, &status);
    insist(status, "a recipe");
    recipe_end(&r);
    return digest;
}

struct soak_shared *soak_shared_create(uint64_t seed, const char *directory)
{
    struct soak_shared *s = calloc(1, sizeof *s);
    cae_status status;
    if (!s || !(s->image = calloc((size_t)3 * LARGE_SIDE * LARGE_SIDE, sizeof *s->image)))
        abort();
    fill(seed, s->image, (size_t)3 * LARGE_SIDE * LARGE_SIDE);
    s->seed = seed;
    snprintf(s->directory, sizeof s->directory, "%s/shared", directory);
    if (mkdir(s->directory, 0700) != 0)
        abort();
    insist(cae_context_create(&s->context, NULL), "cae_context_create");
    insist(cae_model_create_reference(&s->model, s->context, seed), "cae_model_create_reference");
    s->small = forward_digest(s, NULL, SHARED_SIDE, &status);
    insist(status, "cae_model_forward, small");
    s->large = forward_digest(s, NULL, LARGE_SIDE, &status);
    insist(status, "cae_model_forward, large");
    s->score = score_digest(s, NULL, &status);
    insist(status, "cae_scorer_run");
    for (int i = 0; i < FOLDER_RECIPE && !soak_failed(); i++)
        write_leaves(s, i);
    if (HAVE_IMAGES && !soak_failed())
        write_photos(s);
    for (int i = 0; i < recipe_count() && !soak_failed(); i++)
        s->recipes[i] = in_memory(s, i);
    return s;
}

void soak_shared_destroy(struct soak_shared *shared)
{
    cae_model_destroy(shared->model);
    cae_context_destroy(shared->context);
    free(shared->image);
    free(shared);
}
