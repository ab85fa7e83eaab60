/* group.h - what the tests of groups share. The ranks are threads, see common/ranks.h.
 *
 *   struct member   a rank and what it trains
 *   struct group    some of them; RUN lets all do the same, and all_failed says how it has to end
 *   alone           what one process comes to */
#ifndef CAE_TESTS_GROUP_H
#define CAE_TESTS_GROUP_H

#include "api.h"

#include "../common/ranks.h"

enum { SIDE = 6, PIXELS = SIDE * SIDE };

/* --- A rank and what it trains ------------------------------------------------------------------- */

struct shape {
    int64_t images;
    int32_t batch;
    uint64_t seed; /* of the weights */
    int32_t kind;
    int32_t engine;
    double rate;
};

static const struct shape usual = {.images = 150, .batch = 64, .seed = 5,
                                   .kind = CAE_OPTIMIZER_ADAM, .rate = 0.02};

struct member {
    struct heap heap;
    cae_context *context;
    cae_model *model;
    cae_optimizer *optimizer;
    cae_dataset *dataset;
    cae_trainer *trainer;
    cae_status status; /* of what it did last, with the text of an error */
    char text[512];
    cae_progress progress;
};

static inline cae_trainer_options training(const struct shape *shape)
{
    cae_trainer_options options;

    ck_assert_int_eq(cae_trainer_options_init(&options, sizeof options), CAE_OK);
    options.batch = shape->batch;
    options.seed = 77;
    options.noise_sigma = 0.1;
    options.clip_norm = 0.5;
    options.average_decay = 0.9;
    options.augment = CAE_AUGMENT_MIRROR;
    return options;
}

static inline void member_init(struct member *m, const struct shape *shape, int threads)
{
    cae_optimizer_options rule;
    const cae_trainer_options options = training(shape);
    cae_context_options context;

    memset(m, 0, sizeof *m);
    m->heap = (struct heap)HEAP;
    context = heap_options(&m->heap, threads);
    context.engine = shape->engine;
    ck_assert_int_eq(cae_context_create(&m->context, &context), CAE_OK);
    m->model = small_model(m->context, shape->seed);
    ck_assert_int_eq(cae_optimizer_options_init(&rule, sizeof rule), CAE_OK);
    rule.kind = shape->kind;
    rule.learning_rate = shape->rate;
    assert_ok(m->context, cae_optimizer_create(&m->optimizer, m->model, &rule));
    m->dataset = float_images(m->context, NULL, shape->images, SIDE);
    assert_ok(m->context, cae_trainer_create(&m->trainer, m->model, m->optimizer, m->dataset,
                                             &options));
    ck_assert_int_eq(cae_progress_init(&m->progress, sizeof m->progress), CAE_OK);
}

/* With other images, or other options. */
static inline void member_remake(struct member *m, const float *images, int64_t count,
                          const cae_trainer_options *options)
{
    cae_trainer_destroy(m->trainer);
    if (images) {
        cae_dataset_destroy(m->dataset);
        m->dataset = float_images(m->context, images, count, SIDE);
    }
    assert_ok(m->context, cae_trainer_create(&m->trainer, m->model, m->optimizer, m->dataset,
                                             options));
}

static inline void member_free(struct member *m)
{
    cae_trainer_destroy(m->trainer);
    cae_dataset_destroy(m->dataset);
    cae_optimizer_destroy(m->optimizer);
    cae_model_destroy(m->model);
    cae_context_destroy(m->context);
    assert_balanced(&m->heap, "a rank");
}

/* --- Groups of them ------------------------------------------------------------------------------ */

struct group {
    struct ranks ranks;
    struct member member[RANKS_MOST];
    int32_t reduction;
    int steps;
    int epochs;
    const char *path;
    int stopper; /* the rank whose callback asks to stop, at step 2 */
};

static inline void group_init(struct group *g, int ranks, const struct shape *shape, int32_t reduction)
{
    memset(g, 0, sizeof *g);
    ranks_init(&g->ranks, ranks);
    g->reduction = reduction;
    g->stopper = -1;
    for (int i = 0; i < ranks; i++)
        member_init(&g->member[i], shape, 1 + i % 3);
}

static inline void group_free(struct group *g)
{
    for (int i = 0; i < g->ranks.count; i++)
        member_free(&g->member[i]);
    ranks_finish(&g->ranks);
}

static inline void note(struct member *m, cae_status status)
{
    m->status = status;
    snprintf(m->text, sizeof m->text, "%s", cae_context_error(m->context));
}

static inline void join_one(void *user, int rank)
{
    struct group *g = user;
    struct member *m = &g->member[rank];
    const cae_group_options options = ranks_options(&g->ranks, rank, g->reduction);

    note(m, cae_trainer_join(m->trainer, &options));
}

static inline void step_one(void *user, int rank)
{
    struct group *g = user;
    struct member *m = &g->member[rank];
    cae_status status = CAE_OK;

    for (int i = 0; i < g->steps && status == CAE_OK; i++)
        status = cae_trainer_step(&m->progress, m->trainer);
    note(m, status);
}

static inline int32_t stop_at_step_2(void *user, const cae_progress *progress)
{
    (void)user;
    return progress->step == 2;
}

static inline void epoch_one(void *user, int rank)
{
    struct group *g = user;
    struct member *m = &g->member[rank];
    cae_status status = CAE_OK;

    for (int i = 0; i < g->epochs && status == CAE_OK; i++)
        status = cae_trainer_epoch(&m->progress, m->trainer,
                                   g->stopper == rank ? stop_at_step_2 : NULL, NULL);
    note(m, status);
}

static inline void save_one(void *user, int rank)
{
    struct group *g = user;

    note(&g->member[rank], cae_trainer_save(g->member[rank].trainer, rank == 0 ? g->path : NULL));
}

static inline void resume_one(void *user, int rank)
{
    struct group *g = user;

    note(&g->member[rank], cae_trainer_resume(g->member[rank].trainer, rank == 0 ? g->path : NULL));
}

static inline void all_ok(const struct group *g, const char *what)
{
    for (int i = 0; i < g->ranks.count; i++)
        if (g->member[i].status != CAE_OK)
            ck_abort_msg("%s: rank %d of %d: %d, %s", what, i, g->ranks.count,
                         (int)g->member[i].status, g->member[i].text);
}

/* Rank `who` with `status`, the others with CAE_ERR_PEER and a text with `part`. */
static inline void all_failed(const struct group *g, int who, cae_status status, const char *part)
{
    int rank = 0;

    for (const struct member *m = g->member; m < g->member + g->ranks.count; m++, rank++) {
        ck_assert_msg(m->status == (rank == who ? status : CAE_ERR_PEER), "rank %d: %d, %s", rank,
                      (int)m->status, m->text);
        if (rank != who)
            ck_assert_msg(strstr(m->text, part) != NULL, "rank %d says \"%s\", without \"%s\"", rank,
                          m->text, part);
    }
}

#define RUN(group, body)                                                                           \
    do {                                                                                           \
        ranks_run(&(group)->ranks, body, group);                                                   \
        all_ok(group, #body);                                                                      \
    } while (0)

static inline struct bytes state_of(cae_trainer *trainer, cae_context *context, const char *name)
{
    assert_ok(context, cae_trainer_save(trainer, in_directory(name)));
    return file_bytes(in_directory(name));
}

/* As the checkpoint says it that rank 0 writes, and the parameters of all. */
static inline struct bytes group_state(struct group *g)
{
    g->path = in_directory("group state");
    RUN(g, save_one);
    for (int i = 1; i < g->ranks.count; i++)
        assert_same_models(g->member[0].model, g->member[i].model, "ranks");
    return file_bytes(g->path);
}

static inline struct bytes alone(const struct shape *shape, int steps, cae_progress *progress)
{
    struct member m;
    struct bytes state;

    member_init(&m, shape, 2);
    for (int i = 0; i < steps; i++)
        assert_ok(m.context, cae_trainer_step(&m.progress, m.trainer));
    state = state_of(m.trainer, m.context, "alone");
    *progress = m.progress;
    member_free(&m);
    return state;
}

#endif
