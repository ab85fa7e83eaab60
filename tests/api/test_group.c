/* test_group.c - one training by many ranks comes to what one process comes to; what fails or differs on
 * one rank ends the call on all of them. The ranks are threads, see common/ranks.h. */
#include "api.h"

#include "../common/ranks.h"

#include <fenv.h>
#include <math.h>

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

static cae_trainer_options training(const struct shape *shape)
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

static void member_init(struct member *m, const struct shape *shape, int threads)
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
static void member_remake(struct member *m, const float *images, int64_t count,
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

static void member_free(struct member *m)
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

static void group_init(struct group *g, int ranks, const struct shape *shape, int32_t reduction)
{
    memset(g, 0, sizeof *g);
    ranks_init(&g->ranks, ranks);
    g->reduction = reduction;
    g->stopper = -1;
    for (int i = 0; i < ranks; i++)
        member_init(&g->member[i], shape, 1 + i % 3);
}

static void group_free(struct group *g)
{
    for (int i = 0; i < g->ranks.count; i++)
        member_free(&g->member[i]);
    ranks_finish(&g->ranks);
}

static void note(struct member *m, cae_status status)
{
    m->status = status;
    snprintf(m->text, sizeof m->text, "%s", cae_context_error(m->context));
}

static void join_one(void *user, int rank)
{
    struct group *g = user;
    struct member *m = &g->member[rank];
    const cae_group_options options = ranks_options(&g->ranks, rank, g->reduction);

    note(m, cae_trainer_join(m->trainer, &options));
}

static void step_one(void *user, int rank)
{
    struct group *g = user;
    struct member *m = &g->member[rank];
    cae_status status = CAE_OK;

    for (int i = 0; i < g->steps && status == CAE_OK; i++)
        status = cae_trainer_step(&m->progress, m->trainer);
    note(m, status);
}

static void step_rounding_down(void *user, int rank)
{
    fesetround(FE_DOWNWARD); /* of this thread, which ends */
    step_one(user, rank);
}

static int32_t stop_at_step_2(void *user, const cae_progress *progress)
{
    (void)user;
    return progress->step == 2;
}

static void epoch_one(void *user, int rank)
{
    struct group *g = user;
    struct member *m = &g->member[rank];
    cae_status status = CAE_OK;

    for (int i = 0; i < g->epochs && status == CAE_OK; i++)
        status = cae_trainer_epoch(&m->progress, m->trainer,
                                   g->stopper == rank ? stop_at_step_2 : NULL, NULL);
    note(m, status);
}

static void save_one(void *user, int rank)
{
    struct group *g = user;

    note(&g->member[rank], cae_trainer_save(g->member[rank].trainer, rank == 0 ? g->path : NULL));
}

static void resume_one(void *user, int rank)
{
    struct group *g = user;

    note(&g->member[rank], cae_trainer_resume(g->member[rank].trainer, rank == 0 ? g->path : NULL));
}

static void all_ok(const struct group *g, const char *what)
{
    for (int i = 0; i < g->ranks.count; i++)
        if (g->member[i].status != CAE_OK)
            ck_abort_msg("%s: rank %d of %d: %d, %s", what, i, g->ranks.count,
                         (int)g->member[i].status, g->member[i].text);
}

/* Rank `who` with `status`, the others with CAE_ERR_PEER and a text with `part`. */
static void all_failed(const struct group *g, int who, cae_status status, const char *part)
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

static struct bytes state_of(cae_trainer *trainer, cae_context *context, const char *name)
{
    assert_ok(context, cae_trainer_save(trainer, in_directory(name)));
    return file_bytes(in_directory(name));
}

/* As the checkpoint says it that rank 0 writes, and the parameters of all. */
static struct bytes group_state(struct group *g)
{
    g->path = in_directory("group state");
    RUN(g, save_one);
    for (int i = 1; i < g->ranks.count; i++)
        assert_same_models(g->member[0].model, g->member[i].model, "ranks");
    return file_bytes(g->path);
}

static struct bytes alone(const struct shape *shape, int steps, cae_progress *progress)
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

/* --- The same result ----------------------------------------------------------------------------- */

/* Batches whose blocks cannot be shared out evenly, last ones with fewer blocks than ranks, blocks of one
 * image; epochs end between. */
static const struct {
    int ranks;
    int64_t images;
    int32_t batch, engine;
} shared[] = {
    {1, 150, 64, 0}, {2, 150, 64, 0}, {3, 150, 64, 0},  {4, 150, 64, 1},   {5, 150, 64, 2},
    {8, 150, 64, 0}, {8, 65, 64, 0},  {2, 40, 16, 0},   {13, 300, 200, 0}, {16, 300, 128, 0},
    {2, 9, 2, 0},    {5, 12, 5, 0},   {16, 600, 600, 0}};

START_TEST(ranks_come_to_the_same_bits_as_one_process)
{
    struct shape shape = usual;
    struct group g;
    cae_progress progress;
    struct bytes expected, found;
    const int steps = 7;

    shape.images = shared[_i].images;
    shape.batch = shared[_i].batch;
    shape.engine = shared[_i].engine;
    expected = alone(&shape, steps, &progress);
    group_init(&g, shared[_i].ranks, &shape, CAE_REDUCTION_DETERMINISTIC);
    g.steps = steps;
    RUN(&g, join_one);
    RUN(&g, step_one);
    for (int i = 0; i < g.ranks.count; i++)
        ck_assert_mem_eq(&g.member[i].progress, &progress, sizeof progress);
    found = group_state(&g);
    assert_same_bytes(found, expected, "a group's checkpoint and one process's");
    bytes_free(&found);
    bytes_free(&expected);
    group_free(&g);
}
END_TEST

static const struct {
    int ranks;
    int64_t images;
    int32_t batch;
} added[] = {{2, 150, 64}, {3, 150, 64}, {8, 150, 64}, {17, 300, 136}, {5, 12, 5}, {2, 700, 600}};

/* Sums in another order: each addition rounds by 6e-8 of a gradient's size, and steps of SGD carry that
 * on without enlarging it; 1e-6 of the largest parameter is what is promised. */
START_TEST(native_sums_differ_by_rounding)
{
    struct shape shape = usual;
    struct member m;
    struct group g;
    double worst = 0, largest = 0, loss = 0;
    float a[64], b[64];

    shape.images = added[_i].images;
    shape.batch = added[_i].batch;
    shape.kind = CAE_OPTIMIZER_SGD;
    member_init(&m, &shape, 1);
    group_init(&g, added[_i].ranks, &shape, CAE_REDUCTION_NATIVE);
    g.steps = 5;
    RUN(&g, join_one);
    RUN(&g, step_one);
    for (int i = 0; i < g.steps; i++)
        assert_ok(m.context, cae_trainer_step(&m.progress, m.trainer));
    for (int i = 0; i < cae_model_tensor_count(m.model); i++) {
        const char *name = cae_model_tensor_name(m.model, i);
        int64_t shape4[4];
        int32_t rank;
        size_t count = 1;
        ck_assert_int_eq(cae_model_tensor_shape(shape4, &rank, m.model, name), CAE_OK);
        for (int k = 0; k < rank; k++)
            count *= (size_t)shape4[k];
        assert_ok(m.context, cae_model_get_tensor(a, count, m.model, name));
        assert_ok(m.context, cae_model_get_tensor(b, count, g.member[0].model, name));
        for (size_t k = 0; k < count; k++) {
            worst = fmax(worst, fabs((double)a[k] - (double)b[k]));
            largest = fmax(largest, fabs((double)a[k]));
        }
    }
    loss = fabs(m.progress.loss - g.member[0].progress.loss) / m.progress.loss;
    if (test_verbose())
        printf("%d ranks: %.2g of the largest parameter, loss %.2g\n", added[_i].ranks,
               worst / largest, loss);
    ck_assert_double_le(worst, 1e-6 * largest);
    ck_assert_double_le(loss, 1e-6);
    struct bytes state = group_state(&g); /* all ranks' parameters are the same, to the bit */
    bytes_free(&state);
    member_free(&m);
    group_free(&g);
}
END_TEST

/* A sum that finds the caller's rounding fails. */
START_TEST(a_host_s_rounding_changes_no_bit)
{
    struct group g;
    cae_progress progress;
    struct bytes expected = alone(&usual, 4, &progress), found;

    group_init(&g, 3, &usual, CAE_REDUCTION_DETERMINISTIC);
    g.steps = 4;
    RUN(&g, join_one);
    RUN(&g, step_rounding_down);
    found = group_state(&g);
    assert_same_bytes(found, expected, "rounding down, and to nearest");
    bytes_free(&found);
    bytes_free(&expected);
    group_free(&g);
}
END_TEST

/* 39 parameters: 8 slots of a batch of 64, or one gradient; a loss is 4 or 3 floats, and there are 3 flags. */
START_TEST(a_step_is_one_sum)
{
    for (int native = 0; native <= 1; native++) {
        struct group g;

        group_init(&g, 3, &usual, native);
        RUN(&g, join_one);
        const long sums = g.ranks.sums;
        const size_t floats = g.ranks.floats;
        g.steps = 1;
        RUN(&g, step_one);
        ck_assert_int_eq(g.ranks.sums - sums, 1);
        ck_assert_uint_eq(g.ranks.floats - floats, native ? 39 + 3 + 3 : 8 * (39 + 4) + 3);
        group_free(&g);
    }
}
END_TEST

/* --- Files --------------------------------------------------------------------------------------- */

START_TEST(any_number_of_ranks_goes_on)
{
    static const int numbers[] = {3, 2, 8, 1};
    struct group g;
    cae_progress progress;
    struct bytes expected = alone(&usual, 8, &progress), found;

    for (int i = 0; i < COUNT(numbers); i++) { /* two steps each, ends of epochs between */
        struct shape other = usual;
        other.seed = i == 0 ? usual.seed : 1000;
        group_init(&g, numbers[i], &other, CAE_REDUCTION_DETERMINISTIC);
        g.path = in_directory("handed on");
        g.steps = 2;
        RUN(&g, join_one);
        if (i > 0)
            RUN(&g, resume_one);
        RUN(&g, step_one);
        g.path = in_directory("handed on");
        RUN(&g, save_one);
        group_free(&g);
    }
    found = file_bytes(in_directory("handed on"));
    assert_same_bytes(found, expected, "handed on, and in one go");
    bytes_free(&found);
    bytes_free(&expected);
}
END_TEST

/* Two bytes travel at a time. A header may end in spaces, and so a file be of odd length. */
START_TEST(a_file_of_odd_length_arrives_whole)
{
    struct shape other = usual;
    cae_progress progress;
    struct bytes even = alone(&usual, 2, &progress), odd = bytes_new(NULL, even.size + 1), found,
                 expected;
    struct group g;
    size_t header = 8;

    other.seed = 1000;
    for (int i = 0; i < 8; i++)
        header += (size_t)even.data[i] << 8 * i;
    memcpy(odd.data, even.data, header);
    odd.data[header] = ' ';
    memcpy(odd.data + header + 1, even.data + header, even.size - header);
    odd.data[0]++; /* the length of a padded header does not end in 255 */
    ck_assert_uint_eq(odd.size % 2, 1);
    group_init(&g, 3, &other, 0);
    g.path = in_directory("odd");
    write_file(g.path, odd.data, odd.size);
    RUN(&g, join_one);
    RUN(&g, resume_one);
    g.steps = 4; /* with all that rank 0 does not write */
    RUN(&g, step_one);
    found = group_state(&g);
    expected = alone(&usual, 6, &progress);
    assert_same_bytes(found, expected, "resumed from a file of odd length");
    bytes_free(&even), bytes_free(&odd), bytes_free(&found), bytes_free(&expected);
    group_free(&g);
}
END_TEST

START_TEST(files_that_fail_on_rank_0_fail_on_all)
{
    struct group g;

    group_init(&g, 3, &usual, CAE_REDUCTION_DETERMINISTIC);
    RUN(&g, join_one);
    g.path = in_directory("no/such/place");
    ranks_run(&g.ranks, save_one, &g);
    all_failed(&g, 0, CAE_ERR_IO, "rank 0 failed");
    ranks_run(&g.ranks, resume_one, &g);
    all_failed(&g, 0, CAE_ERR_IO, "rank 0 failed");
    g.path = in_directory("not a checkpoint");
    write_file(g.path, "nonsense", 8);
    ranks_run(&g.ranks, resume_one, &g);
    for (int i = 0; i < 3; i++) { /* all have read it */
        ck_assert_int_eq(g.member[i].status, CAE_ERR_FORMAT);
    }
    write_file(g.path, "", 0);
    ranks_run(&g.ranks, resume_one, &g);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(g.member[i].status, CAE_ERR_FORMAT);
    g.steps = 2; /* and nothing has happened */
    RUN(&g, step_one);
    group_free(&g);
}
END_TEST

/* --- Stopping ------------------------------------------------------------------------------------ */

START_TEST(a_request_to_stop_reaches_all_at_one_step)
{
    struct group g;

    group_init(&g, 4, &usual, CAE_REDUCTION_DETERMINISTIC);
    RUN(&g, join_one);
    g.steps = 1;
    RUN(&g, step_one);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(g.member[i].progress.stop, 0);
    ck_assert_int_eq(cae_trainer_request_stop(g.member[2].trainer), CAE_OK);
    RUN(&g, step_one);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(g.member[i].progress.stop, 1);
    RUN(&g, step_one);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(g.member[i].progress.stop, 0);
    group_free(&g);
}
END_TEST

START_TEST(a_callback_that_stops_stops_all)
{
    struct shape shape = usual;
    struct group g;

    shape.images = 64 * 6;
    for (int stopper = 0; stopper < 3; stopper++) {
        group_init(&g, 3, &shape, CAE_REDUCTION_DETERMINISTIC);
        g.epochs = 2;
        g.stopper = stopper;
        RUN(&g, join_one);
        ranks_run(&g.ranks, epoch_one, &g);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(g.member[i].status, CAE_STOPPED);
            ck_assert_int_eq(g.member[i].progress.step, 3);
        }
        group_free(&g);
    }
}
END_TEST

/* The last step's callback has nothing to end any more; the next epoch's first step says it. */
START_TEST(a_stop_at_an_epoch_s_end_is_not_lost)
{
    struct shape shape = usual;
    struct group g;

    shape.images = 128;
    group_init(&g, 3, &shape, CAE_REDUCTION_DETERMINISTIC);
    g.epochs = 1;
    g.stopper = 1;
    RUN(&g, join_one);
    RUN(&g, epoch_one);
    ranks_run(&g.ranks, epoch_one, &g);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(g.member[i].status, CAE_STOPPED);
        ck_assert_int_eq(g.member[i].progress.step, 3);
    }
    group_free(&g);
}
END_TEST

START_TEST(one_process_may_ask_to_stop_too)
{
    struct member m;

    member_init(&m, &usual, 1);
    assert_ok(m.context, cae_trainer_request_stop(m.trainer));
    ck_assert_int_eq(cae_trainer_epoch(&m.progress, m.trainer, NULL, NULL), CAE_STOPPED);
    ck_assert_int_eq(m.progress.step, 1);
    ck_assert_int_eq(m.progress.stop, 1);
    ck_assert_int_eq(cae_trainer_epoch(&m.progress, m.trainer, NULL, NULL), CAE_OK);
    ck_assert_int_eq(m.progress.stop, 0);
    ck_assert_int_eq(cae_trainer_request_stop(NULL), CAE_ERR_ARGUMENT);
    member_free(&m);
}
END_TEST

/* --- Ranks that differ --------------------------------------------------------------------------- */

static void other_seed(struct member *m)
{
    cae_trainer_options o = training(&usual);
    o.seed = 78;
    member_remake(m, NULL, 0, &o);
}

static void other_noise(struct member *m)
{
    cae_trainer_options o = training(&usual);
    o.noise_sigma = 0.2;
    member_remake(m, NULL, 0, &o);
}

static void other_batch(struct member *m)
{
    cae_trainer_options o = training(&usual);
    o.batch = 56;
    member_remake(m, NULL, 0, &o);
}

static void other_weight(struct member *m)
{
    const float bias = 0.25f;
    assert_ok(m->context, cae_model_set_tensor(m->model, "2.bias", &bias, 1));
}

static void other_rate(struct member *m)
{
    assert_ok(m->context, cae_optimizer_set_learning_rate(m->optimizer, 0.5));
}

static void other_images(struct member *m, int64_t count, int64_t image, int64_t pixel)
{
    const cae_trainer_options o = training(&usual);
    float *values = new_floats((size_t)count * PIXELS);

    random_floats(12345, values, (size_t)count * PIXELS, -1, 1);
    if (image >= 0)
        values[image * PIXELS + pixel] += 0.001f;
    member_remake(m, values, count, &o);
    free(values);
}

static void fewer_images(struct member *m)
{
    other_images(m, 149, -1, 0);
}

static void other_first_pixel(struct member *m)
{
    other_images(m, 150, 0, 0);
}

static void other_last_pixel(struct member *m)
{
    other_images(m, 150, 149, PIXELS - 1);
}

static void further_on(struct member *m)
{
    assert_ok(m->context, cae_trainer_step(NULL, m->trainer));
}

/* As a file says: the epoch draws images and noise, whatever the steps were. */
static void other_epoch(struct member *m)
{
    struct bytes file = state_of(m->trainer, m->context, "epoch");
    static const char from[] = "\\\"epoch\\\":0";
    size_t at = 0;

    while (memcmp(file.data + at, from, sizeof from - 1) != 0)
        ck_assert_uint_lt(++at + sizeof from, file.size);
    file.data[at + sizeof from - 2] = '7';
    write_file(in_directory("epoch"), file.data, file.size);
    assert_ok(m->context, cae_trainer_resume(m->trainer, in_directory("epoch")));
    bytes_free(&file);
}

static const struct {
    void (*change)(struct member *m);
    const char *says;
} differences[] = {
    {other_seed, "seed is 78, on rank 0 77"},
    {other_noise, "other training options than rank 0"},
    {other_batch, "batch is 56, on rank 0 64"},
    {other_weight, "other parameters than rank 0"},
    {other_rate, "other optimizer than rank 0"},
    {fewer_images, "images is 149, on rank 0 150"},
    {other_first_pixel, "other pixels than rank 0"},
    {other_last_pixel, "other pixels than rank 0"},
    {further_on, "rank 1"},
    {other_epoch, "epochs completed is 7, on rank 0 0"},
};

START_TEST(ranks_that_differ_are_refused)
{
    struct group g;

    group_init(&g, 3, &usual, CAE_REDUCTION_DETERMINISTIC);
    differences[_i].change(&g.member[1]);
    ranks_run(&g.ranks, join_one, &g);
    all_failed(&g, -1, CAE_ERR_PEER, differences[_i].says);
    all_failed(&g, -1, CAE_ERR_PEER, "rank 1");
    ck_assert_int_eq(cae_trainer_step(NULL, g.member[1].trainer), CAE_OK); /* alone as before */
    group_free(&g);
}
END_TEST

START_TEST(contexts_that_compute_otherwise_are_refused)
{
    struct shape gemm = usual;
    struct group g;
    cae_context_options options;

    gemm.engine = CAE_ENGINE_GEMM;
    group_init(&g, 2, &usual, CAE_REDUCTION_DETERMINISTIC);
    member_free(&g.member[1]);
    member_init(&g.member[1], &gemm, 1);
    ranks_run(&g.ranks, join_one, &g);
    all_failed(&g, -1, CAE_ERR_PEER, "engine is 1, on rank 0 0");
    if (cae_context_cpu(g.member[0].context) != CAE_CPU_BASELINE) {
        member_free(&g.member[1]);
        member_init(&g.member[1], &usual, 1);
        /* a second context: the first one's instruction set is what it is */
        struct member *m = &g.member[1];
        cae_trainer_destroy(m->trainer), cae_dataset_destroy(m->dataset);
        cae_optimizer_destroy(m->optimizer), cae_model_destroy(m->model);
        cae_context_destroy(m->context);
        options = heap_options(&m->heap, 1);
        options.cpu = CAE_CPU_BASELINE;
        ck_assert_int_eq(cae_context_create(&m->context, &options), CAE_OK);
        m->model = small_model(m->context, usual.seed);
        assert_ok(m->context, cae_optimizer_create(&m->optimizer, m->model, NULL));
        m->dataset = float_images(m->context, NULL, usual.images, SIDE);
        const cae_trainer_options o = training(&usual);
        assert_ok(m->context, cae_trainer_create(&m->trainer, m->model, m->optimizer, m->dataset,
                                                 &o));
        ranks_run(&g.ranks, join_one, &g);
        all_failed(&g, -1, CAE_ERR_PEER, "baseline kernels");
        all_failed(&g, -1, CAE_ERR_PEER, "rank 0 is \"libcae " );
    }
    group_free(&g);
}
END_TEST

static void join_as_native_on_rank_1(void *user, int rank)
{
    struct group *g = user;
    const cae_group_options options = ranks_options(&g->ranks, rank, rank == 1);

    note(&g->member[rank], cae_trainer_join(g->member[rank].trainer, &options));
}

static void join_twice_as_rank_1(void *user, int rank)
{
    struct group *g = user;
    cae_group_options options = ranks_options(&g->ranks, rank, 0);

    options.rank = rank == 2 ? 1 : rank;
    note(&g->member[rank], cae_trainer_join(g->member[rank].trainer, &options));
}

static void join_with_an_unknown_reduction_on_rank_1(void *user, int rank)
{
    struct group *g = user;
    const cae_group_options options = ranks_options(&g->ranks, rank, rank == 1 ? 2 : 0);

    note(&g->member[rank], cae_trainer_join(g->member[rank].trainer, &options));
}

/* Its rank, ranks and sum are usable: the others must not wait for it. */
START_TEST(an_unknown_reduction_on_one_rank_is_heard_of_on_all)
{
    struct group g;

    group_init(&g, 3, &usual, 0);
    ranks_run(&g.ranks, join_with_an_unknown_reduction_on_rank_1, &g);
    all_failed(&g, 1, CAE_ERR_OPTIONS, "rank 1 failed");
    ck_assert_ptr_nonnull(strstr(g.member[1].text, "reduction is 2"));
    RUN(&g, join_one);
    group_free(&g);
}
END_TEST

START_TEST(groups_that_are_set_up_wrongly_are_refused)
{
    struct group g;

    group_init(&g, 3, &usual, 0);
    ranks_run(&g.ranks, join_as_native_on_rank_1, &g);
    all_failed(&g, -1, CAE_ERR_PEER, "rank 1: reduction is 1, on rank 0 0");
    ranks_run(&g.ranks, join_twice_as_rank_1, &g);
    all_failed(&g, -1, CAE_ERR_PEER, "not heard of, or more than once");
    RUN(&g, join_one);
    group_free(&g);
}
END_TEST

/* Nobody compares rates; weights are looked at when an epoch ends. */
START_TEST(ranks_that_drift_apart_are_noticed)
{
    struct group g;

    group_init(&g, 3, &usual, 0);
    RUN(&g, join_one);
    other_rate(&g.member[2]);
    g.epochs = 1;
    ranks_run(&g.ranks, epoch_one, &g);
    all_failed(&g, -1, CAE_ERR_PEER, "after epoch 1 rank 2 has other parameters than rank 0");
    group_free(&g);
}
END_TEST

/* --- Ranks that fail ----------------------------------------------------------------------------- */

START_TEST(a_rank_without_memory_fails_the_step_on_all)
{
    struct shape shape = usual;
    struct group g;
    cae_progress progress;
    struct bytes expected, found;

    for (int native = 0; native <= 1; native++) {
        group_init(&g, 3, &shape, native);
        RUN(&g, join_one);
        g.steps = 1;
        RUN(&g, step_one);
        struct bytes before = group_state(&g);
        assert_ok(g.member[2].context, cae_context_set_threads(g.member[2].context, 2));
        assert_ok(g.member[1].context, cae_context_set_threads(g.member[1].context, 3));
        heap_fail(&g.member[1].heap, 0, true); /* workspaces for one more */
        ranks_run(&g.ranks, step_one, &g);
        all_failed(&g, 1, CAE_ERR_MEMORY, "rank 1 failed");
        heap_fail(&g.member[1].heap, -1, false);
        found = group_state(&g);
        assert_same_bytes(found, before, "after a step that failed");
        bytes_free(&found);
        g.steps = 3;
        RUN(&g, step_one);
        found = group_state(&g);
        expected = alone(&shape, 4, &progress);
        if (!native)
            assert_same_bytes(found, expected, "after the next step");
        bytes_free(&found);
        bytes_free(&expected);
        bytes_free(&before);
        group_free(&g);
    }
}
END_TEST

/* 150 images of bytes as a NumPy file, of which the last `missing` bytes are not there. */
static void write_npy(const char *path, long missing)
{
    unsigned char file[128 + 150 * PIXELS] = "\x93NUMPY\x01\x00\x76\x00"
        "{'descr': '|u1', 'fortran_order': False, 'shape': (150, 1, 6, 6), }";

    for (int i = 10; i < 128; i++)
        if (file[i] == 0)
            file[i] = ' ';
    file[127] = '\n';
    random_bytes(3, file + 128, 150 * PIXELS);
    write_file(path, file, sizeof file - (size_t)missing);
}

/* Each rank reads its own images only; what it cannot read fails the step on all. */
START_TEST(a_rank_that_cannot_read_fails_the_step_on_all)
{
    const cae_trainer_options o = training(&usual);
    const char *paths[3];
    char name[16];
    struct group g;

    group_init(&g, 3, &usual, 0);
    for (int i = 0; i < 3; i++) {
        struct member *m = &g.member[i];
        cae_dataset_options bounded;
        snprintf(name, sizeof name, "images %d", i);
        paths[i] = in_directory(name);
        write_npy(paths[i], 0);
        cae_trainer_destroy(m->trainer);
        cae_dataset_destroy(m->dataset);
        assert_ok(m->context, cae_dataset_options_init(&bounded, sizeof bounded));
        bounded.memory = 1;
        assert_ok(m->context, cae_dataset_open_npy(&m->dataset, m->context, paths[i], &bounded));
        assert_ok(m->context, cae_trainer_create(&m->trainer, m->model, m->optimizer, m->dataset,
                                                 &o));
    }
    RUN(&g, join_one);
    g.steps = 1;
    RUN(&g, step_one);
    write_npy(paths[1], 150 * PIXELS); /* into the file that it has open */
    ranks_run(&g.ranks, step_one, &g);
    all_failed(&g, 1, CAE_ERR_IO, "rank 1 failed");
    ck_assert_ptr_nonnull(strstr(g.member[1].text, "images 1"));
    write_npy(paths[1], 0);
    RUN(&g, step_one);
    struct bytes state = group_state(&g);
    bytes_free(&state);
    group_free(&g);
}
END_TEST

START_TEST(a_rank_that_is_gone_ends_the_group)
{
    struct group g;

    group_init(&g, 3, &usual, 0);
    g.ranks.patience = 0.2;
    RUN(&g, join_one);
    g.steps = 1;
    RUN(&g, step_one);
    g.ranks.rank[1].sums_left = 1;
    g.steps = 5;
    ranks_run(&g.ranks, step_one, &g);
    all_failed(&g, -1, CAE_ERR_PEER, "when one is gone");
    ck_assert_int_eq(g.member[0].progress.step, 2);
    ranks_run(&g.ranks, step_one, &g); /* at once, and without a sum */
    all_failed(&g, -1, CAE_ERR_PEER, "lost a rank before");
    g.path = in_directory("never");
    ranks_run(&g.ranks, save_one, &g);
    all_failed(&g, -1, CAE_ERR_PEER, "lost a rank before");
    for (int i = 0; i < 3; i++) /* what was learned is there */
        assert_same_models(g.member[0].model, g.member[i].model, "ranks that are left");
    group_free(&g);
}
END_TEST

/* In the look at the parameters that ends an epoch: the call fails, so its step is not taken. */
START_TEST(a_rank_that_is_gone_at_an_epoch_s_end_leaves_the_step_before)
{
    struct shape shape = usual;
    cae_progress progress;
    struct group g;

    shape.images = 128; /* two steps */
    for (int native = 0; native <= 1; native++) {
        group_init(&g, 3, &shape, native);
        RUN(&g, join_one);
        g.steps = 1;
        RUN(&g, step_one);
        struct bytes before = group_state(&g);
        g.ranks.patience = 0.2;
        g.ranks.rank[1].sums_left = 1;
        ranks_run(&g.ranks, step_one, &g);
        all_failed(&g, -1, CAE_ERR_PEER, "when one is gone");
        for (int i = 0; i < 3; i++) {
            struct member *m = &g.member[i];
            cae_model *kept = NULL;
            ck_assert_int_eq(cae_progress_init(&progress, sizeof progress), CAE_OK);
            assert_ok(m->context, cae_trainer_progress(&progress, m->trainer));
            ck_assert_int_eq(progress.step, 1);
            ck_assert_int_eq(progress.epoch, 0);
            assert_ok(m->context, cae_model_load_memory(&kept, m->context, before.data, before.size));
            assert_same_models(kept, m->model, "of the step before");
            cae_model_destroy(kept);
        }
        bytes_free(&before);
        group_free(&g);
    }
}
END_TEST

START_TEST(a_slow_rank_is_waited_for)
{
    struct group g;
    cae_progress progress;
    struct bytes expected = alone(&usual, 4, &progress), found;

    group_init(&g, 3, &usual, 0);
    g.ranks.rank[2].delay_us = 20000;
    RUN(&g, join_one);
    g.steps = 4;
    RUN(&g, step_one);
    found = group_state(&g);
    assert_same_bytes(found, expected, "with a slow rank");
    bytes_free(&found);
    bytes_free(&expected);
    group_free(&g);
}
END_TEST

/* --- What only one rank finds wrong ---------------------------------------------------------------- */

static void step_with_a_wrong_struct_on_rank_1(void *user, int rank)
{
    struct group *g = user;
    cae_progress progress = {.size = rank == 1 ? 12 : sizeof progress};

    note(&g->member[rank], cae_trainer_step(&progress, g->member[rank].trainer));
}

static void epoch_with_a_wrong_struct_on_rank_1(void *user, int rank)
{
    struct group *g = user;
    cae_progress progress = {.size = rank == 1 ? 12 : sizeof progress};

    note(&g->member[rank], cae_trainer_epoch(&progress, g->member[rank].trainer, NULL, NULL));
}

static void join_as_one_of_4_on_rank_1(void *user, int rank)
{
    struct group *g = user;
    cae_group_options options = ranks_options(&g->ranks, rank, 0);

    options.ranks += rank == 1;
    note(&g->member[rank], cae_trainer_join(g->member[rank].trainer, &options));
}

START_TEST(what_one_rank_refuses_ends_the_call_on_all)
{
    struct group g;
    cae_progress progress;
    struct bytes expected = alone(&usual, 2, &progress), found;

    group_init(&g, 3, &usual, 0);
    g.ranks.patience = 5;
    ranks_run(&g.ranks, join_as_one_of_4_on_rank_1, &g);
    all_failed(&g, 1, CAE_ERR_PEER, "rank 1 failed");
    ck_assert_ptr_nonnull(strstr(g.member[1].text, "3 ranks take part in the sum, expected 4"));
    assert_ok(g.member[1].context, cae_trainer_join(g.member[1].trainer, NULL)); /* elsewhere */
    ranks_run(&g.ranks, join_one, &g);
    all_failed(&g, 1, CAE_ERR_ARGUMENT, "rank 1 failed");
    group_free(&g);

    group_init(&g, 3, &usual, 0);
    g.ranks.patience = 5;
    RUN(&g, join_one);
    ranks_run(&g.ranks, step_with_a_wrong_struct_on_rank_1, &g);
    all_failed(&g, 1, CAE_ERR_OPTIONS, "rank 1 failed");
    ranks_run(&g.ranks, epoch_with_a_wrong_struct_on_rank_1, &g);
    all_failed(&g, 1, CAE_ERR_OPTIONS, "rank 1 failed");
    g.steps = 2;
    RUN(&g, step_one);
    found = group_state(&g);
    assert_same_bytes(found, expected, "after refused steps");
    bytes_free(&found);
    bytes_free(&expected);
    group_free(&g);
}
END_TEST

/* Whichever request for memory is refused on one rank, the calls end on all, and the group goes on. */
START_TEST(no_rank_waits_for_one_without_memory)
{
    static void (*const calls[])(void *user, int rank) = {join_one, step_one, save_one, resume_one};
    const int who = _i % 2, native = _i / 2;
    struct group g;

    group_init(&g, 3, &usual, native);
    g.steps = 1;
    g.path = in_directory("checkpoint");
    for (int i = 0; i < COUNT(calls); i++) {
        long refused = 0;
        for (bool failed = true; failed; refused += failed) {
            if (calls[i] == step_one) { /* which needs memory for more threads alone */
                const int32_t threads = cae_context_threads(g.member[who].context);
                assert_ok(g.member[who].context,
                          cae_context_set_threads(g.member[who].context, threads + !refused));
            }
            heap_fail(&g.member[who].heap, refused, true);
            ranks_run(&g.ranks, calls[i], &g);
            failed = g.member[who].status != CAE_OK;
            heap_fail(&g.member[who].heap, -1, false);
            ck_assert_msg(!g.ranks.broken, "call %d, request %ld: somebody was waited for", i, refused);
            if (failed)
                all_failed(&g, who, CAE_ERR_MEMORY, who == 0 ? "rank 0 failed" : "rank 1 failed");
            else
                all_ok(&g, "with memory");
        }
        ck_assert_msg(refused > 0 || calls[i] == step_one || (calls[i] == save_one && who != 0),
                      "call %d needs no memory", i);
    }
    struct bytes state = group_state(&g);
    bytes_free(&state);
    group_free(&g);
}
END_TEST

/* Whichever request is refused on one rank: nobody has taken anything over. */
START_TEST(a_resume_that_fails_on_one_rank_changes_none)
{
    struct shape other = usual;
    cae_progress progress;
    struct bytes state = alone(&usual, 2, &progress), before, after;
    struct group g;
    bool refused = true;

    other.seed = 1000;
    group_init(&g, 3, &other, 0);
    RUN(&g, join_one);
    before = group_state(&g);
    for (int k = 0; refused; k++) {
        g.path = in_directory("alone");
        heap_fail(&g.member[1].heap, k, false);
        ranks_run(&g.ranks, resume_one, &g);
        refused = heap_failed(&g.member[1].heap);
        heap_fail(&g.member[1].heap, -1, false);
        if (!refused)
            break;
        all_failed(&g, 1, CAE_ERR_MEMORY, "rank 1 failed");
        after = group_state(&g);
        assert_same_bytes(after, before, "after a resume that failed");
        bytes_free(&after);
    }
    all_ok(&g, "resume");
    after = group_state(&g);
    assert_same_bytes(after, state, "resumed");
    bytes_free(&after), bytes_free(&before), bytes_free(&state);
    group_free(&g);
}
END_TEST

/* An update of before the group cannot be taken back on one rank only. */
START_TEST(what_was_done_alone_stays_done)
{
    struct shape shape = usual;
    struct group g;
    const char *path = in_directory("made alone");

    shape.kind = CAE_OPTIMIZER_SGD;
    shape.rate = 1e37; /* the first update is finite, and no loss after it */
    group_init(&g, 2, &shape, 0);
    assert_ok(g.member[0].context, cae_trainer_step(NULL, g.member[0].trainer));
    assert_ok(g.member[0].context, cae_trainer_save(g.member[0].trainer, path));
    assert_ok(g.member[1].context, cae_trainer_resume(g.member[1].trainer, path));
    RUN(&g, join_one);
    g.steps = 1;
    ranks_run(&g.ranks, step_one, &g);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(g.member[i].status, CAE_ERR_NUMERIC);
        ck_assert_ptr_nonnull(strstr(g.member[i].text, "nothing was updated"));
    }
    assert_same_models(g.member[0].model, g.member[1].model, "ranks");
    group_free(&g);
}
END_TEST

/* Values of 1e18 have squares that a double adds up to more than a float holds. */
START_TEST(losses_beyond_floats_pass)
{
    struct shape shape = usual;
    cae_trainer_options o = training(&shape);
    float *values = new_floats(150 * PIXELS);
    struct member m;
    struct group g;

    random_floats(12345, values, 150 * PIXELS, -1e18, 1e18);
    shape.rate = 1e-30;
    member_init(&m, &shape, 1);
    group_init(&g, 3, &shape, 0);
    member_remake(&m, values, 150, &o);
    for (int i = 0; i < 3; i++)
        member_remake(&g.member[i], values, 150, &o);
    RUN(&g, join_one);
    g.steps = 1;
    RUN(&g, step_one);
    assert_ok(m.context, cae_trainer_step(&m.progress, m.trainer));
    ck_assert_double_gt(m.progress.loss * 64 * PIXELS, 3.5e38);
    ck_assert(g.member[0].progress.loss == m.progress.loss);
    free(values);
    member_free(&m);
    group_free(&g);
}
END_TEST

/* --- Values that are not finite ------------------------------------------------------------------ */

START_TEST(a_bad_image_is_named_on_all_ranks)
{
    struct shape shape = usual;
    cae_trainer_options o = training(&shape);
    float *values = new_floats(150 * PIXELS);
    struct group g;

    o.shuffle = 0;
    random_floats(12345, values, 150 * PIXELS, -1, 1);
    values[41 * PIXELS + 7] = NAN; /* block 5 of the first batch, and one of the second */
    values[90 * PIXELS] = INFINITY;
    group_init(&g, 3, &shape, 0);
    for (int i = 0; i < 3; i++)
        member_remake(&g.member[i], values, 150, &o);
    RUN(&g, join_one);
    g.steps = 1;
    ranks_run(&g.ranks, step_one, &g);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(g.member[i].status, CAE_ERR_NUMERIC);
        ck_assert_str_eq(g.member[i].text, "step 1: image 41 has a value that is not finite");
    }
    free(values);
    group_free(&g);
}
END_TEST

START_TEST(an_update_that_went_wrong_is_taken_back_on_all)
{
    struct shape shape = usual;
    struct group g;

    shape.kind = CAE_OPTIMIZER_SGD;
    group_init(&g, 3, &shape, 0);
    RUN(&g, join_one);
    g.steps = 1;
    RUN(&g, step_one);
    struct bytes before = group_state(&g);
    for (int i = 0; i < 3; i++)
        assert_ok(g.member[i].context, cae_optimizer_set_learning_rate(g.member[i].optimizer, 1e37));
    g.steps = 5;
    ranks_run(&g.ranks, step_one, &g);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(g.member[i].status, CAE_ERR_NUMERIC);
        ck_assert_str_eq(g.member[i].text, g.member[0].text);
    }
    struct bytes after = group_state(&g);
    assert_same_bytes(after, before, "taken back");
    bytes_free(&after);
    bytes_free(&before);
    group_free(&g);
}
END_TEST

/* --- What a rank says is not to be believed ------------------------------------------------------- */

/* In the place of another rank: it says what this one says, but for one number of a short table. */
struct liar {
    bool joined;
    size_t at;
    float lie;
};

static int32_t liar_sum(void *user, float *values, size_t count)
{
    enum { TABLE = 10 }; /* two rows: 1, and a number of 64 bits */
    const struct liar *liar = user;

    if (count == 1)
        values[0] = 2;
    else if (count == TABLE || (!liar->joined && count % 2 == 0))
        memcpy(values + count / 2, values, count / 2 * sizeof *values);
    if (count == TABLE)
        values[liar->at] = liar->lie;
    return 0;
}

static void join_liar(struct member *m, struct liar *liar)
{
    cae_group_options o;

    ck_assert_int_eq(cae_group_options_init(&o, sizeof o), CAE_OK);
    o.ranks = 2;
    o.sum = liar_sum;
    o.user = liar;
    assert_ok(m->context, cae_trainer_join(m->trainer, &o));
    liar->joined = true;
}

/* A look beyond the batch: undefined arithmetic with signs, or a shuffle that finds no end. */
START_TEST(a_place_beyond_the_batch_is_not_looked_at)
{
    static const struct {
        size_t at;
        float lie;
        const char *text;
    } lies[] = {{9, 32768, "rank 1 speaks of place 9223372036854775809 of 64"},
                {8, 65535, "rank 1 speaks of place 281470681743361 of 64"},
                {6, 65, "rank 1 speaks of place 65 of 64"}};
    struct liar liar = {.at = lies[_i].at, .lie = lies[_i].lie};
    const cae_trainer_options o = training(&usual);
    float *values = new_floats(150 * PIXELS);
    struct member m;

    for (int i = 0; i < 150; i++)
        values[i * PIXELS] = NAN;
    member_init(&m, &usual, 1);
    member_remake(&m, values, 150, &o);
    join_liar(&m, &liar);
    note(&m, cae_trainer_step(NULL, m.trainer));
    ck_assert_int_eq(m.status, CAE_ERR_PEER);
    ck_assert_str_eq(m.text, lies[_i].text);
    free(values);
    member_free(&m);
}
END_TEST

/* The update of an epoch's last step is made when parameters are compared. */
START_TEST(a_rank_that_mumbles_at_an_epoch_s_end_ends_the_group)
{
    struct liar liar = {.at = 5, .lie = 2};
    struct shape shape = usual;
    struct member m;

    shape.batch = 150;
    member_init(&m, &shape, 1);
    join_liar(&m, &liar);
    note(&m, cae_trainer_step(NULL, m.trainer));
    ck_assert_int_eq(m.status, CAE_ERR_PEER);
    ck_assert_str_eq(m.text, "rank 1 of 2 is not heard of, or more than once");
    note(&m, cae_trainer_step(NULL, m.trainer));
    ck_assert_int_eq(m.status, CAE_ERR_PEER);
    ck_assert_str_eq(m.text, "the group has lost a rank before: expected a new one");
    member_free(&m);
}
END_TEST

/* Of the file that rank 0 has read itself: it would be read, and written, beyond its end. */
START_TEST(a_shared_file_is_as_long_as_it_is)
{
    struct liar liar = {.at = 2, .lie = 1};
    struct member m;

    member_init(&m, &usual, 1);
    assert_ok(m.context, cae_trainer_save(m.trainer, in_directory("shared")));
    join_liar(&m, &liar);
    note(&m, cae_trainer_resume(m.trainer, in_directory("shared")));
    ck_assert_int_eq(m.status, CAE_ERR_PEER);
    ck_assert_ptr_nonnull(strstr(m.text, "bytes is one of"));
    ck_assert_ptr_nonnull(strstr(m.text, "shared"));
    member_free(&m);
}
END_TEST

/* --- Refusals ------------------------------------------------------------------------------------ */

START_TEST(options_are_checked)
{
    struct member m;
    struct ranks ranks;
    cae_group_options o;

    ranks_init(&ranks, 2);
    member_init(&m, &usual, 1);
    ck_assert_int_eq(cae_group_options_init(&o, sizeof o), CAE_OK);
    ck_assert_int_eq(o.rank, 0);
    ck_assert_int_eq(o.ranks, 1);
    ck_assert_ptr_null((void *)(uintptr_t)o.sum);
    ck_assert_int_eq(cae_group_options_init(NULL, sizeof o), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_trainer_join(NULL, &o), CAE_ERR_ARGUMENT);
    o = ranks_options(&ranks, 1, 0);
    o.sum = NULL;
    assert_fails(m.context, CAE_ERR_OPTIONS, cae_trainer_join(m.trainer, &o));
    assert_says(m.context, "sum is NULL");
    static const int32_t wrong[][2] = {{2, 2}, {-1, 2}, {0, 0}, {0, -1}, {0, INT32_MAX}};
    for (int i = 0; i < COUNT(wrong); i++) {
        o = ranks_options(&ranks, 0, 0);
        o.rank = wrong[i][0], o.ranks = wrong[i][1];
        assert_fails(m.context, CAE_ERR_OPTIONS, cae_trainer_join(m.trainer, &o));
        assert_says(m.context, "counted from 0");
    }
    ranks.patience = 0.05; /* the other rank, which does not come, would be told */
    for (int32_t reduction = -1; reduction <= 2; reduction += 3) {
        o = ranks_options(&ranks, 0, reduction);
        assert_fails(m.context, CAE_ERR_OPTIONS, cae_trainer_join(m.trainer, &o));
        assert_says(m.context, "reduction");
    }
    assert_ok(m.context, cae_trainer_join(m.trainer, NULL)); /* a group of one */
    assert_fails(m.context, CAE_ERR_ARGUMENT, cae_trainer_join(m.trainer, NULL));
    assert_says(m.context, "before");
    member_free(&m);
    ranks_finish(&ranks);
}
END_TEST

START_TEST(more_ranks_than_blocks_are_refused)
{
    static const struct {
        int64_t images;
        int32_t batch, reduction;
        int ranks;
    } cases[] = {{150, 64, 0, 9}, {150, 64, 1, 9}, {20, 64, 0, 4}, {300, 300, 0, 17}, {9, 2, 0, 3}};

    for (int i = 0; i < COUNT(cases); i++) {
        struct shape shape = usual;
        struct group g;

        shape.images = cases[i].images;
        shape.batch = cases[i].batch;
        group_init(&g, cases[i].ranks, &shape, cases[i].reduction);
        ranks_run(&g.ranks, join_one, &g);
        for (int k = 0; k < cases[i].ranks; k++) {
            ck_assert_int_eq(g.member[k].status, CAE_ERR_OPTIONS);
            ck_assert_ptr_nonnull(strstr(g.member[k].text, "a larger batch, or fewer ranks"));
        }
        group_free(&g);
    }
}
END_TEST

/* --- A partner that is not to be trusted --------------------------------------------------------- *
 *
 * Rank 0 or 1 of two, of which the other is this hook: it says of itself what the real one says, and has
 * gradients of 0 to add. One of its sums fails, or comes to what no sum should. */

struct partner {
    int rank;      /* of the real one */
    long sums;     /* that were asked for */
    long fail_at;  /* the one that fails, counting from 0; -1: none */
    long spoil_at; /* the one that is changed, */
    long and_at;   /* and another; 0: none */
    void (*spoil)(float *values, size_t count);
};

static int32_t partner_sum(void *user, float *values, size_t count)
{
    struct partner *p = user;
    const long number = p->sums++;
    float *own = values + (p->rank ? count / 2 : 0), *other = values + (p->rank ? 0 : count / 2);

    if (number == p->fail_at)
        return 1;
    if (count == 1)
        values[0] += 1;
    else if (count % 2 == 0 && own[0] == 1 && other[0] == 0) /* a table of two rows */
        memcpy(other, own, count / 2 * sizeof *own);
    if (number == p->spoil_at || (p->and_at && number == p->and_at))
        p->spoil(values, count);
    return 0;
}

/* The sum after the next `skip` is to be changed, and that `more` sums later, too; 0: no other. */
static void spoil_sums(struct partner *partner, long skip, long more, void (*spoil)(float *values, size_t count))
{
    partner->spoil = spoil;
    partner->spoil_at = partner->sums + skip;
    partner->and_at = more ? partner->spoil_at + more : 0;
}

static cae_status join_partner(struct member *m, struct partner *partner)
{
    cae_group_options o;

    ck_assert_int_eq(cae_group_options_init(&o, sizeof o), CAE_OK);
    o.ranks = 2, o.rank = partner->rank;
    o.sum = partner_sum, o.user = partner;
    return cae_trainer_join(m->trainer, &o);
}

static const char *partner_file; /* a checkpoint */

/* All that sums are for; how far it came is in `done`. */
static cae_status live_with(struct member *m, struct partner *partner, int *done)
{
    cae_status status = join_partner(m, partner);

    for (*done = 0; *done < 4 && status == CAE_OK;) {
        ++*done;
        status = *done == 1   ? cae_trainer_step(NULL, m->trainer)
                 : *done == 2 ? cae_trainer_epoch(NULL, m->trainer, NULL, NULL)
                 : *done == 3 ? cae_trainer_save(m->trainer, in_directory("with a partner"))
                              : cae_trainer_resume(m->trainer, partner_file);
    }
    return status;
}

START_TEST(a_sum_that_fails_ends_the_group_wherever)
{
    cae_progress progress;
    struct bytes file = alone(&usual, 1, &progress);
    long reached = 0;

    write_file(in_directory("to go on from"), file.data, file.size);
    partner_file = in_directory("to go on from");
    for (cae_status status = CAE_ERR_PEER; status != CAE_OK; reached++) {
        struct partner partner = {.fail_at = reached, .spoil_at = -1};
        struct member m;
        int done;

        member_init(&m, &usual, 1);
        status = live_with(&m, &partner, &done);
        if (status != CAE_OK) {
            ck_assert_int_eq(status, CAE_ERR_PEER);
            assert_says(m.context, "rank 0: the sum over 2 ranks failed");
            ck_assert_int_eq(partner.sums, reached + 1); /* and none after it */
            if (done == 0) { /* it never was in the group */
                assert_ok(m.context, cae_trainer_step(NULL, m.trainer));
            } else {
                assert_fails(m.context, CAE_ERR_PEER, cae_trainer_step(NULL, m.trainer));
                assert_says(m.context, "has lost a rank before");
            }
            ck_assert_int_eq(partner.sums, reached + 1);
        }
        member_free(&m);
    }
    ck_assert_int_gt(reached, 10);
    bytes_free(&file);
}
END_TEST

static void say_none(float *values, size_t count)
{
    values[0] = NAN;
    (void)count;
}

static void say_many(float *values, size_t count)
{
    values[0] = 1e30f;
    (void)count;
}

static void say_fewer_than_none(float *values, size_t count)
{
    values[0] = -3;
    (void)count;
}

static void say_two_failed(float *values, size_t count)
{
    ck_assert_uint_eq(count, 3);
    values[0] = 2, values[1] = 3;
}

static void say_rank_1_failed(float *values, size_t count)
{
    ck_assert_uint_eq(count, 3);
    values[0] = 1, values[1] = 2;
}

static void say_nobody_failed(float *values, size_t count)
{
    ck_assert_uint_eq(count, 3);
    values[0] = 1, values[1] = NAN;
}

static void be_twice(float *values, size_t count)
{
    values[count / 2] = 2;
}

static void be_nobody(float *values, size_t count)
{
    memset(values + count / 2, 0, count / 2 * sizeof *values);
}

static void be_half(float *values, size_t count)
{
    values[count - 9] = 0.5f;
}

static void be_too_much(float *values, size_t count)
{
    values[count / 2 + 170] = 65536;
}

static void be_less(float *values, size_t count)
{
    values[count / 2 + 170] = -1;
}

static void be_no_number(float *values, size_t count)
{
    values[count / 2 + 170] = NAN;
}

/* A build whose name rings the terminal's bell and never ends. */
static void be_loud(float *values, size_t count)
{
    float *row = values + count / 2;

    row[1] = 65535;
    row[2] = 7, row[3] = 'x', row[4] = 200, row[5] = 127, row[6] = 27, row[7] = 32, row[8] = 126;
    row[162] = row[162] == 0; /* the hash of it */
}

static const struct {
    long at;
    void (*spoil)(float *values, size_t count);
    const char *says;
} spoiled_joins[] = {
    {0, say_none, "0 ranks take part in the sum, expected 2"},
    {0, say_many, "0 ranks take part in the sum, expected 2"},
    {0, say_fewer_than_none, "0 ranks take part in the sum, expected 2"},
    {1, say_two_failed, "2 other ranks failed, and know why"},
    {1, say_rank_1_failed, "rank 1 failed, and knows why"},
    {1, say_nobody_failed, "rank -1 failed, and knows why"},
    {2, be_twice, "rank 1 of 2 is not heard of, or more than once"},
    {2, be_nobody, "rank 1 of 2 is not heard of, or more than once"},
    {2, be_half, "rank 1 of 2 is not heard of, or more than once"},
    {2, be_too_much, "rank 1 of 2 is not heard of, or more than once"},
    {2, be_less, "rank 1 of 2 is not heard of, or more than once"},
    {2, be_no_number, "rank 1 of 2 is not heard of, or more than once"},
    {2, be_loud, "rank 1 is \"?x??? ~"},
};

START_TEST(a_partner_that_spoils_the_beginning)
{
    struct partner partner = {.fail_at = -1, .spoil_at = spoiled_joins[_i].at,
                              .spoil = spoiled_joins[_i].spoil};
    struct member m;
    const char *text;

    member_init(&m, &usual, 1);
    text = cae_context_error(m.context);
    assert_fails(m.context, CAE_ERR_PEER, join_partner(&m, &partner));
    assert_says(m.context, spoiled_joins[_i].says);
    for (const char *c = text; *c; c++)
        ck_assert(*c >= 32 && *c < 127);
    assert_ok(m.context, cae_trainer_step(NULL, m.trainer)); /* alone, as before */
    partner = (struct partner){.fail_at = -1, .spoil_at = -1};
    assert_ok(m.context, join_partner(&m, &partner));
    assert_ok(m.context, cae_trainer_step(NULL, m.trainer));
    member_free(&m);
}
END_TEST

/* A loss of one slot that is none: rows of losses are before the three flags. */
static void lose_a_loss(float *values, size_t count)
{
    ck_assert_uint_gt(count, 100);
    values[count - 4] = 0.5f;
}

/* And then it names a place of the batch as the first that is not finite: the fourth. */
static void lose_a_loss_and_find_it(float *values, size_t count)
{
    if (count > 100) {
        lose_a_loss(values, count);
    } else {
        ck_assert_uint_eq(count, 10);
        values[5 + 1] = 4;
    }
}

START_TEST(a_partner_that_spoils_a_step)
{
    struct partner partner = {.fail_at = -1, .spoil_at = -1};
    struct bytes before, after;
    cae_trainer_options o = training(&usual);
    struct member m;

    o.shuffle = 0;
    member_init(&m, &usual, 1);
    member_remake(&m, NULL, 0, &o);
    assert_ok(m.context, join_partner(&m, &partner));
    before = model_bytes(m.model);
    spoil_sums(&partner, 0, 0, lose_a_loss);
    assert_fails(m.context, CAE_ERR_NUMERIC, cae_trainer_step(NULL, m.trainer));
    assert_says(m.context, "nothing was updated");
    spoil_sums(&partner, 0, 2, lose_a_loss_and_find_it); /* behind it: whether all can look, and where it is */
    assert_fails(m.context, CAE_ERR_NUMERIC, cae_trainer_step(NULL, m.trainer));
    assert_says(m.context, "image 3 has a value that is not finite");
    ck_assert_int_eq(partner.sums, partner.and_at + 1);
    after = model_bytes(m.model);
    assert_same_bytes(after, before, "after spoilt steps");
    assert_ok(m.context, cae_trainer_step(NULL, m.trainer));
    bytes_free(&before);
    bytes_free(&after);
    member_free(&m);
}
END_TEST

static float place_of_other; /* the first that is not finite on the other rank; -1: none */

static void find_it_there(float *values, size_t count)
{
    ck_assert_uint_eq(count, 10);
    values[5 + 1] = place_of_other + 1;
    for (int i = 2; place_of_other < 0 && i < 5; i++)
        values[5 + i] = 0;
}

/* Of two ranks that found a value that is not finite, the first place of the batch is named. */
START_TEST(the_first_bad_image_of_two)
{
    static const int places[][2] = {{-1, 2}, {1, 1}, {0, 0}, {3, 2}, {60, 2}}; /* the other's, and the first */
    cae_trainer_options o = training(&usual);
    float *values = new_floats(150 * PIXELS);
    struct partner partner = {.fail_at = -1, .spoil_at = -1};
    struct member m;
    char text[64];

    o.shuffle = 0;
    random_floats(12345, values, 150 * PIXELS, -1, 1);
    values[2 * PIXELS + 7] = NAN; /* in the first block, which is rank 0's */
    member_init(&m, &usual, 1);
    member_remake(&m, values, 150, &o);
    assert_ok(m.context, join_partner(&m, &partner));
    for (int i = 0; i < COUNT(places); i++) {
        place_of_other = (float)places[i][0];
        spoil_sums(&partner, 2, 0, find_it_there);
        assert_fails(m.context, CAE_ERR_NUMERIC, cae_trainer_step(NULL, m.trainer));
        snprintf(text, sizeof text, "image %d has a value that is not finite", places[i][1]);
        assert_says(m.context, text);
    }
    free(values);
    member_free(&m);
}
END_TEST

static int64_t claimed; /* by rank 0: bytes of its file */

static void claim_a_file(float *values, size_t count)
{
    ck_assert_uint_eq(count, 10);
    for (int i = 0; i < 4; i++)
        values[1 + i] = (float)((uint64_t)claimed >> 16 * i & 0xffff);
}

/* Rank 0 gives a file of any size that it likes, and of bytes that are none. */
START_TEST(a_partner_that_gives_a_file)
{
    static const struct {
        int64_t claimed;
        cae_status status;
    } files[] = {{-1, CAE_ERR_MEMORY}, {INT64_MAX, CAE_ERR_MEMORY}, {(int64_t)1 << 40, CAE_ERR_MEMORY},
                 {0, CAE_ERR_FORMAT}, {1, CAE_ERR_FORMAT}, {1000, CAE_ERR_FORMAT}};

    for (int i = 0; i < COUNT(files); i++) {
        struct partner partner = {.rank = 1, .fail_at = -1, .spoil_at = -1};
        struct member m;
        struct bytes before, after;
        long blocks;

        member_init(&m, &usual, 1);
        assert_ok(m.context, join_partner(&m, &partner));
        before = model_bytes(m.model);
        blocks = atomic_load(&m.heap.blocks);
        claimed = files[i].claimed;
        spoil_sums(&partner, 1, 0, claim_a_file); /* behind that whether rank 0 has one */
        assert_fails(m.context, files[i].status, cae_trainer_resume(m.trainer, NULL));
        ck_assert_int_eq(atomic_load(&m.heap.blocks), blocks);
        after = model_bytes(m.model);
        assert_same_bytes(after, before, "after a file that is none");
        bytes_free(&before);
        bytes_free(&after);
        member_free(&m);
    }
}
END_TEST

/* Who joins twice tells those that are about to join; when that fails, status and text are still of the join. */
START_TEST(a_second_join_that_nobody_hears)
{
    struct partner partner = {.fail_at = -1, .spoil_at = -1};
    struct member m;

    member_init(&m, &usual, 1);
    assert_ok(m.context, join_partner(&m, &partner));
    assert_fails(m.context, CAE_ERR_ARGUMENT, join_partner(&m, &partner));
    assert_says(m.context, "has joined a group before");
    partner.fail_at = partner.sums;
    assert_fails(m.context, CAE_ERR_ARGUMENT, join_partner(&m, &partner));
    assert_says(m.context, "has joined a group before");
    assert_ok(m.context, cae_trainer_step(NULL, m.trainer)); /* the first group is as it was */
    member_free(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("group");
    TCase *same = tcase_create("same result"), *files = tcase_create("files"),
          *stop = tcase_create("stopping"), *differ = tcase_create("differences"),
          *fail = tcase_create("failures");
    TCase *cases[] = {same, files, stop, differ, fail};

    TCase *partners = tcase_create("partners");

    tcase_set_timeout(partners, 60);
    tcase_add_unchecked_fixture(partners, directory_setup, directory_teardown);
    tcase_add_test(partners, a_sum_that_fails_ends_the_group_wherever);
    tcase_add_loop_test(partners, a_partner_that_spoils_the_beginning, 0, COUNT(spoiled_joins));
    tcase_add_test(partners, a_partner_that_spoils_a_step);
    tcase_add_test(partners, the_first_bad_image_of_two);
    tcase_add_test(partners, a_partner_that_gives_a_file);
    tcase_add_test(partners, a_second_join_that_nobody_hears);
    suite_add_tcase(suite, partners);

    for (int i = 0; i < COUNT(cases); i++) {
        tcase_set_timeout(cases[i], 60);
        tcase_add_unchecked_fixture(cases[i], directory_setup, directory_teardown);
        suite_add_tcase(suite, cases[i]);
    }
    tcase_add_loop_test(same, ranks_come_to_the_same_bits_as_one_process, 0, COUNT(shared));
    tcase_add_loop_test(same, native_sums_differ_by_rounding, 0, COUNT(added));
    tcase_add_test(same, a_host_s_rounding_changes_no_bit);
    tcase_add_test(same, a_step_is_one_sum);
    tcase_add_test(files, any_number_of_ranks_goes_on);
    tcase_add_test(files, a_file_of_odd_length_arrives_whole);
    tcase_add_test(files, files_that_fail_on_rank_0_fail_on_all);
    tcase_add_test(stop, a_request_to_stop_reaches_all_at_one_step);
    tcase_add_test(stop, a_callback_that_stops_stops_all);
    tcase_add_test(stop, a_stop_at_an_epoch_s_end_is_not_lost);
    tcase_add_test(stop, one_process_may_ask_to_stop_too);
    tcase_add_loop_test(differ, ranks_that_differ_are_refused, 0, COUNT(differences));
    tcase_add_test(differ, contexts_that_compute_otherwise_are_refused);
    tcase_add_test(differ, groups_that_are_set_up_wrongly_are_refused);
    tcase_add_test(differ, an_unknown_reduction_on_one_rank_is_heard_of_on_all);
    tcase_add_test(differ, ranks_that_drift_apart_are_noticed);
    tcase_add_test(fail, a_rank_without_memory_fails_the_step_on_all);
    tcase_add_test(fail, a_rank_that_cannot_read_fails_the_step_on_all);
    tcase_add_test(fail, what_one_rank_refuses_ends_the_call_on_all);
    tcase_add_loop_test(fail, no_rank_waits_for_one_without_memory, 0, 4);
    tcase_add_test(fail, a_resume_that_fails_on_one_rank_changes_none);
    tcase_add_test(fail, what_was_done_alone_stays_done);
    tcase_add_test(fail, losses_beyond_floats_pass);
    tcase_add_test(fail, a_rank_that_is_gone_ends_the_group);
    tcase_add_test(fail, a_rank_that_is_gone_at_an_epoch_s_end_leaves_the_step_before);
    tcase_add_test(fail, a_slow_rank_is_waited_for);
    tcase_add_test(fail, a_bad_image_is_named_on_all_ranks);
    tcase_add_test(fail, an_update_that_went_wrong_is_taken_back_on_all);
    tcase_add_loop_test(fail, a_place_beyond_the_batch_is_not_looked_at, 0, 3);
    tcase_add_test(fail, a_rank_that_mumbles_at_an_epoch_s_end_ends_the_group);
    tcase_add_test(fail, a_shared_file_is_as_long_as_it_is);
    tcase_add_test(fail, options_are_checked);
    tcase_add_test(fail, more_ranks_than_blocks_are_refused);
    return test_main(suite);
}
