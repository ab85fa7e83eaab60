/* test_group.c - one training by many ranks comes to what one process comes to, goes on from the same
 * files, and stops on all ranks at one step. */
#include "group.h"

#include <fenv.h>
#include <math.h>

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

static void step_rounding_down(void *user, int rank)
{
    fesetround(FE_DOWNWARD); /* of this thread, which ends */
    step_one(user, rank);
}

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

int main(void)
{
    Suite *suite = suite_create("group");
    TCase *same = tcase_create("same result"), *files = tcase_create("files"),
          *stop = tcase_create("stopping");
    TCase *cases[] = {same, files, stop};

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
    return test_main(suite);
}
