/* test_threads.c - several threads at once: on one model that nobody changes, on one dataset, on contexts
 * of their own. What each computes is to the bit what it is alone; ThreadSanitizer (run.sh --tsan) says
 * whether that was luck. Check's own calls are for one thread, so threads only say whether all was well. */
#include "api.h"

#include <pthread.h>

enum { THREADS = 4, ROUNDS = 6, IMAGES = 19, SIDE = 14, VALUES = IMAGES * SIDE * SIDE };

static float images[VALUES];

/* Each thread's `same` becomes false as soon as anything is not what it is alone. */
struct seat {
    void *table;
    int number;
    bool same;
};

static void together(void *(*work)(void *), void *table, const char *what)
{
    struct seat seats[THREADS];
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        seats[i] = (struct seat){table, i, true};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &seats[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_msg(seats[i].same, "%s: thread %d", what, i);
    }
}

/* A context of the thread's own: with 1 to 3 threads, as results do not depend on them. */
static cae_context *own_context(const struct seat *seat)
{
    cae_context_options options;
    cae_context *context = NULL;

    cae_context_options_init(&options, sizeof options);
    options.threads = 1 + seat->number % 3;
    return cae_context_create(&context, &options) == CAE_OK ? context : NULL;
}

/* --- One model ------------------------------------------------------------------------------- */

/* All that a model can be asked for without changing it. */
struct answers {
    float whole[VALUES], latent[2 * VALUES], decoded[VALUES];
    cae_evaluation evaluation;
    unsigned char file[4096];
    size_t size;
    int32_t channels, height, width;
};

struct model_table {
    cae_model *model;
    cae_dataset *dataset;
    struct answers alone;
};

/* The model encodes to 2 x 12 x 12. Saving takes no context: it may go on beside others while it
 * succeeds, as only a failure writes a text. */
static bool ask(struct answers *a, const cae_model *model, cae_context *context,
                const cae_dataset *dataset)
{
    enum { LATENT = 2 * IMAGES * (SIDE - 2) * (SIDE - 2) };

    *a = (struct answers){.evaluation = {.size = sizeof a->evaluation}};
    return cae_model_forward(a->whole, VALUES, model, context, images, VALUES, IMAGES, SIDE,
                             SIDE) == CAE_OK &&
           cae_model_encode(a->latent, LATENT, model, context, images, VALUES, IMAGES, SIDE,
                            SIDE) == CAE_OK &&
           cae_model_decode(a->decoded, VALUES, model, context, a->latent, LATENT, IMAGES, SIDE - 2,
                            SIDE - 2) == CAE_OK &&
           cae_model_evaluate(&a->evaluation, model, context, dataset, NULL) == CAE_OK &&
           cae_model_output_shape(&a->channels, &a->height, &a->width, model, context,
                                  CAE_PART_ENCODER, SIDE, SIDE) == CAE_OK &&
           cae_model_save_memory(a->file, sizeof a->file, &a->size, model) == CAE_OK;
}

static bool same_answers(const struct answers *a, const struct answers *b)
{
    return memcmp(a->whole, b->whole, sizeof a->whole) == 0 &&
           memcmp(a->latent, b->latent, sizeof a->latent) == 0 &&
           memcmp(a->decoded, b->decoded, sizeof a->decoded) == 0 &&
           memcmp(&a->evaluation, &b->evaluation, sizeof a->evaluation) == 0 &&
           a->size == b->size && memcmp(a->file, b->file, a->size) == 0 &&
           a->channels == b->channels && a->height == b->height && a->width == b->width;
}

static void *ask_again(void *argument)
{
    struct seat *seat = argument;
    const struct model_table *table = seat->table;
    cae_context *context = own_context(seat);
    struct answers *mine = malloc(sizeof *mine);

    seat->same = context && mine;
    for (int i = 0; i < ROUNDS && seat->same; i++)
        seat->same = ask(mine, table->model, context, table->dataset) &&
                     same_answers(mine, &table->alone);
    free(mine);
    cae_context_destroy(context);
    return NULL;
}

START_TEST(one_model_answers_many)
{
    static struct model_table table;
    cae_context *context = test_context();

    random_floats(1, images, VALUES, -1, 1);
    table.model = small_model(context, 1);
    table.dataset = float_images(context, images, IMAGES, SIDE);
    ck_assert(ask(&table.alone, table.model, NULL, table.dataset));
    ck_assert_int_eq(table.alone.channels, 2);
    ck_assert_int_eq(table.alone.evaluation.images, IMAGES);
    together(ask_again, &table, "one model");
    cae_dataset_destroy(table.dataset);
    cae_model_destroy(table.model);
    cae_context_destroy(context);
}
END_TEST

/* Every failure's text is on the context of the call that failed. */
static void *fail_again(void *argument)
{
    struct seat *seat = argument;
    const struct model_table *table = seat->table;
    cae_context *context = own_context(seat);
    const int32_t side = -1 - seat->number;
    char mine[32];
    float y[1];

    snprintf(mine, sizeof mine, "of %dx%d,", (int)side, (int)side);
    seat->same = context;
    for (int i = 0; i < 200 && seat->same; i++)
        seat->same = cae_model_forward(y, 1, table->model, context, y, 1, 1, side, side) ==
                         CAE_ERR_ARGUMENT &&
                     strstr(cae_context_error(context), mine) &&
                     cae_model_evaluate(NULL, table->model, context, table->dataset, NULL) ==
                         CAE_ERR_ARGUMENT &&
                     strstr(cae_context_error(context), "out is NULL");
    cae_context_destroy(context);
    return NULL;
}

START_TEST(error_texts_do_not_meet)
{
    static struct model_table table;
    cae_context *context = test_context();

    table.model = small_model(context, 1);
    table.dataset = float_images(context, images, IMAGES, SIDE);
    together(fail_again, &table, "error texts");
    ck_assert_str_eq(cae_context_error(context), "");
    cae_dataset_destroy(table.dataset);
    cae_model_destroy(table.model);
    cae_context_destroy(context);
}
END_TEST

/* --- One dataset ----------------------------------------------------------------------------- */

struct data_table {
    cae_dataset *dataset;
    struct bytes alone;
};

/* Train a new model on it; two epochs. */
static bool train(struct bytes *result, cae_context *context, const cae_dataset *dataset)
{
    cae_model *model = NULL;
    cae_optimizer *optimizer = NULL;
    cae_trainer *trainer = NULL;
    cae_trainer_options options;
    bool good = context && cae_trainer_options_init(&options, sizeof options) == CAE_OK;

    options.batch = 8;
    options.noise_sigma = 0.1;
    good = good && cae_model_create_reference(&model, context, 1) == CAE_OK &&
           cae_optimizer_create(&optimizer, model, NULL) == CAE_OK &&
           cae_trainer_create(&trainer, model, optimizer, dataset, &options) == CAE_OK &&
           cae_trainer_epoch(NULL, trainer, NULL, NULL) == CAE_OK &&
           cae_trainer_epoch(NULL, trainer, NULL, NULL) == CAE_OK &&
           cae_model_save_memory(result->data, result->size, &result->size, model) == CAE_OK;
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(optimizer);
    cae_model_destroy(model);
    return good;
}

enum { FILE_ROOM = 16384 };

static void *train_again(void *argument)
{
    struct seat *seat = argument;
    const struct data_table *table = seat->table;
    cae_context *context = own_context(seat);
    unsigned char *file = malloc(FILE_ROOM);

    seat->same = context && file;
    for (int i = 0; i < 2 && seat->same; i++) {
        struct bytes mine = {file, FILE_ROOM};

        seat->same = train(&mine, context, table->dataset) && mine.size == table->alone.size &&
                     memcmp(mine.data, table->alone.data, mine.size) == 0;
    }
    free(file);
    cae_context_destroy(context);
    return NULL;
}

/* The context that the data is of goes on meanwhile: slices share it and its count of references. */
static void *slice_again(void *argument)
{
    struct seat *seat = argument;
    const struct data_table *table = seat->table;

    for (int i = 0; i < 1000 && seat->same; i++) {
        cae_dataset *slice = NULL;

        seat->same = cae_dataset_slice(&slice, table->dataset, i % 7, 5) == CAE_OK &&
                     cae_dataset_count(slice) == 5;
        cae_dataset_destroy(slice);
    }
    return NULL;
}

static void *train_or_slice(void *argument)
{
    const struct seat *seat = argument;

    return (seat->number ? train_again : slice_again)(argument);
}

START_TEST(one_dataset_feeds_many)
{
    struct data_table table;
    cae_context *context = test_context();

    assert_ok(context, cae_dataset_create_dead_leaves(&table.dataset, context, 30, 3, 16, 16, 1, NULL));
    table.alone = bytes_new(NULL, FILE_ROOM);
    ck_assert(train(&table.alone, context, table.dataset));
    together(train_or_slice, &table, "one dataset");
    bytes_free(&table.alone);
    cae_dataset_destroy(table.dataset);
    cae_context_destroy(context);
}
END_TEST

/* --- Nothing in common ----------------------------------------------------------------------- */

/* Contexts come and go, each with its threads and its own images, which are a function of the seed. */
static void *live_alone(void *argument)
{
    struct seat *seat = argument;
    const unsigned char *expected = seat->table;

    for (int i = 0; i < ROUNDS && seat->same; i++) {
        cae_context *context = own_context(seat);
        cae_dataset *leaves = NULL;
        float pixels[64];

        seat->same = context && cae_dataset_create_dead_leaves(&leaves, context, 3, 1, 8, 8, 7,
                                                               NULL) == CAE_OK &&
                     cae_dataset_get(pixels, 64, leaves, 2) == CAE_OK &&
                     memcmp(pixels, expected, sizeof pixels) == 0;
        cae_dataset_destroy(leaves);
        cae_context_destroy(context);
    }
    return NULL;
}

START_TEST(contexts_are_independent)
{
    cae_context *context = test_context();
    cae_dataset *leaves;
    float pixels[64];

    assert_ok(context, cae_dataset_create_dead_leaves(&leaves, context, 3, 1, 8, 8, 7, NULL));
    assert_ok(context, cae_dataset_get(pixels, 64, leaves, 2));
    together(live_alone, pixels, "contexts");
    cae_dataset_destroy(leaves);
    cae_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("threads");
    TCase *c = tcase_create("together");

    tcase_set_timeout(c, 60);
    tcase_add_test(c, one_model_answers_many);
    tcase_add_test(c, error_texts_do_not_meet);
    tcase_add_test(c, one_dataset_feeds_many);
    tcase_add_test(c, contexts_are_independent);
    suite_add_tcase(suite, c);
    return test_main(suite);
}
