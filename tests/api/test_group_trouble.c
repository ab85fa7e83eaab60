/* test_group_trouble.c - what fails, is refused or differs on one rank ends the call on all of them, and
 * nothing has happened. */
#include "group.h"

#include <math.h>

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
    g.ranks.patience = 5;
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
    cae_progress progress = {.size = rank == 1 ? 3 : sizeof progress}; /* not its own size even */

    note(&g->member[rank], cae_trainer_step(&progress, g->member[rank].trainer));
}

static void epoch_with_a_wrong_struct_on_rank_1(void *user, int rank)
{
    struct group *g = user;
    cae_progress progress = {.size = rank == 1 ? 3 : sizeof progress}; /* not its own size even */

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
    ck_assert(!o.sum);
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

int main(void)
{
    Suite *suite = suite_create("group trouble");
    TCase *differ = tcase_create("differences"), *fail = tcase_create("failures");
    TCase *cases[] = {differ, fail};

    for (int i = 0; i < COUNT(cases); i++) {
        tcase_set_timeout(cases[i], 60);
        tcase_add_unchecked_fixture(cases[i], directory_setup, directory_teardown);
        suite_add_tcase(suite, cases[i]);
    }
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
    tcase_add_test(fail, options_are_checked);
    tcase_add_test(fail, more_ranks_than_blocks_are_refused);
    return test_main(suite);
}
