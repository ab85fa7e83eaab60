/* world.h - what deeds share: a world and how to act in it. See tenant.c. */
#ifndef CAE_TESTS_WORLD_H
#define CAE_TESTS_WORLD_H

#include "soak.h"

#include <stddef.h>

enum {
    SLOTS = 3,
    SHARED_SIDE = 40,
    LARGE_SIDE = 264,
    LEAST_SIDE = 9,
    MOST_SIDE = 20,
    PATH_ROOM = 192,
    FRAME_ROOM = 3 * 48 * 48 /* floats of the largest image that a deed looks at */
};

/* --- Memory that is counted, and refused --- */

struct heap {
    atomic_long blocks, requests;
    long refuse_every; /* about; 0: never */
};

void *heap_allocate(void *user, size_t bytes);
void heap_release(void *user, void *block);

/* --- Random numbers and digests --- */

uint64_t next_random(uint64_t *state);
void fill(uint64_t seed, float *values, size_t count);
uint64_t digest_of(const void *data, size_t size);

/* --- What has to come out: shared.c --- */

enum { RECIPES = 8, FOLDER_RECIPE = 7 };
enum source { FROM_MEMORY, FROM_NPY, FROM_CIFAR, FROM_CACHE };

struct soak_shared {
    cae_context *context;
    cae_model *model; /* the reference network; const from then on */
    float *image;     /* [3][LARGE_SIDE][LARGE_SIDE]; the first of its values are a small one */
    char directory[96];
    uint64_t seed, small, large, score, recipes[RECIPES];
};

/* A recipe under way. All is NULL that a failure kept from being made. */
struct recipe {
    cae_model *model;
    cae_dataset *images;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
};

/* Recipes that this build can do; the others read a folder of images. */
int recipe_count(void);
/* Where a recipe's images may come from: one of them, by a random number. */
int recipe_source(int recipe, int random);
cae_status recipe_begin(struct recipe *r, const struct soak_shared *shared, int recipe, int source,
                        cae_context *context);
enum { RECIPE_STEPS = 4 };
/* Of the model that the steps led to, or of the average of those on the way. */
uint64_t recipe_digest(const struct recipe *r, cae_status *status);
void recipe_end(struct recipe *r);

uint64_t forward_digest(const struct soak_shared *shared, cae_context *context, int side,
                        cae_status *status);
uint64_t score_digest(const struct soak_shared *shared, cae_context *context, cae_status *status);

/* --- A world --- */

struct world {
    struct soak_tenant *tenant;
    struct heap heap;
    cae_context *context;
    cae_model *models[SLOTS];
    int channels[SLOTS]; /* of the model beside it */
    int step[SLOTS];     /* of the sides it takes: 1, or 4 of one with strided layers */
    cae_dataset *datasets[SLOTS];
    cae_optimizer *optimizers[SLOTS];
    int optimized[SLOTS]; /* the model slot it was made for; the model there may be another by now */
    cae_trainer *trainers[SLOTS];
    cae_scorer *scorers[SLOTS];
    int frame[SLOTS][3]; /* of the scorer beside it: channels, height, width */
    bool rough;          /* files are cut off and written into under who reads them */
    bool harmed;         /* one was: reading images may fail from now on */
};

void fail(const char *what, cae_status status, const char *text);
int pick(struct world *w, int limit);

/* Whether the call succeeded. OK, `other`, and in a world that refuses memory CAE_ERR_MEMORY are what it
 * may give; a text must explain the last two. */
bool good(struct world *w, cae_status status, cae_status other, const char *what);

/* The same of a call that reads images, whose files may have been harmed. */
bool good_reading(struct world *w, cae_status status, cae_status other, const char *what);

const char *file_in(struct world *w, const char *name, char path[PATH_ROOM]);
void put_model(struct world *w, cae_model *model, int channels);
void put_dataset(struct world *w, cae_dataset *dataset);
/* Both give the same image, by its bits. */
void compare_image(struct world *w, const cae_dataset *a, const cae_dataset *b, const char *what);

/* --- Deeds --- */

struct deed {
    const char *name;
    void (*act)(struct world *w);
};

/* deeds.c */
void make_model(struct world *w);
void make_preset(struct world *w);
void describe_again(struct world *w);
void make_dataset(struct world *w);
void make_leaves(struct world *w);
void slice_dataset(struct world *w);
void look_at_image(struct world *w);
void make_optimizer(struct world *w);
void make_trainer(struct world *w);
void take_average(struct world *w);
void take_steps(struct world *w);
void take_epoch(struct world *w);
void ask_for_stop(struct world *w);
void save_and_resume(struct world *w);
void run_model(struct world *w);
void run_shared(struct world *w);
void repeat_recipe(struct world *w);
void evaluate(struct world *w);
void be_wrong(struct world *w);
void change_threads(struct world *w);
void destroy_one(struct world *w);

/* scores.c */
void make_scorer(struct world *w);
void score_frame(struct world *w);
void score_shared(struct world *w);
void calibrate(struct world *w);

/* files.c */
void save_and_load(struct world *w);
void through_memory(struct world *w);
void export_onnx(struct world *w);
void take_a_note(struct world *w);
void stream_npy(struct world *w);
void stream_cifar(struct world *w);
void open_folder(struct world *w);
void write_array(struct world *w);
void array_through_memory(struct world *w);
void array_as_planes(struct world *w);
void harm_a_file(struct world *w);

/* group.c */
void train_as_group(struct world *w);

#endif
