/* test_group_partner.c - what another rank says is not to be believed. */
#include "group.h"

#include <math.h>

/* --- The partner --------------------------------------------------------------------------------- *
 *
 * Rank 0 or 1 of two, of which the other is this hook: it says of itself what the real one says, and has
 * gradients of 0 to add. One of its sums fails or comes to what no sum should, or all short tables have the
 * same wrong number. */

struct partner {
    int rank;       /* of the real one */
    long sums;      /* that were asked for */
    long fail_at;   /* the one that fails, counting from 0; -1: none */
    long spoil_at;  /* the one that is changed, */
    long and_at;    /* and another; 0: none */
    void (*spoil)(float *values, size_t count);
    size_t lies_at; /* the number of each short table that is wrong; 0: none */
    float lie;
};

enum { SHORT_TABLE = 10 }; /* two rows: 1, and a number of 64 bits */

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
    if (count == SHORT_TABLE && p->lies_at)
        values[p->lies_at] = p->lie;
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

/* --- Sums that fail ------------------------------------------------------------------------------ */

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

/* --- At the beginning ---------------------------------------------------------------------------- */

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
    row[162] = row[162] == 0 ? 1.0f : 0.0f; /* the hash of it */
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

/* --- In a step ----------------------------------------------------------------------------------- */

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
        ck_assert_uint_eq(count, SHORT_TABLE);
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
    ck_assert_uint_eq(count, SHORT_TABLE);
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
    struct partner partner = {.fail_at = -1, .spoil_at = -1,
                              .lies_at = lies[_i].at, .lie = lies[_i].lie};
    const cae_trainer_options o = training(&usual);
    float *values = new_floats(150 * PIXELS);
    struct member m;

    for (int i = 0; i < 150; i++)
        values[i * PIXELS] = NAN;
    member_init(&m, &usual, 1);
    member_remake(&m, values, 150, &o);
    assert_ok(m.context, join_partner(&m, &partner));
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
    struct partner partner = {.fail_at = -1, .spoil_at = -1, .lies_at = 5, .lie = 2};
    struct shape shape = usual;
    struct member m;

    shape.batch = 150;
    member_init(&m, &shape, 1);
    assert_ok(m.context, join_partner(&m, &partner));
    note(&m, cae_trainer_step(NULL, m.trainer));
    ck_assert_int_eq(m.status, CAE_ERR_PEER);
    ck_assert_str_eq(m.text, "rank 1 of 2 is not heard of, or more than once");
    note(&m, cae_trainer_step(NULL, m.trainer));
    ck_assert_int_eq(m.status, CAE_ERR_PEER);
    ck_assert_str_eq(m.text, "the group has lost a rank before: expected a new one");
    member_free(&m);
}
END_TEST

/* --- Files --------------------------------------------------------------------------------------- */

static int64_t claimed; /* by rank 0: bytes of its file */

static void claim_a_file(float *values, size_t count)
{
    ck_assert_uint_eq(count, SHORT_TABLE);
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

/* Of the file that rank 0 has read itself: it would be read, and written, beyond its end. */
START_TEST(a_shared_file_is_as_long_as_it_is)
{
    struct partner partner = {.fail_at = -1, .spoil_at = -1, .lies_at = 2, .lie = 1};
    struct member m;

    member_init(&m, &usual, 1);
    assert_ok(m.context, cae_trainer_save(m.trainer, in_directory("shared")));
    assert_ok(m.context, join_partner(&m, &partner));
    note(&m, cae_trainer_resume(m.trainer, in_directory("shared")));
    ck_assert_int_eq(m.status, CAE_ERR_PEER);
    ck_assert_ptr_nonnull(strstr(m.text, "bytes is one of"));
    ck_assert_ptr_nonnull(strstr(m.text, "shared"));
    member_free(&m);
}
END_TEST

/* --- A second join ------------------------------------------------------------------------------- */

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
    Suite *suite = suite_create("group partner");
    TCase *partners = tcase_create("partners");

    tcase_set_timeout(partners, 60);
    tcase_add_unchecked_fixture(partners, directory_setup, directory_teardown);
    suite_add_tcase(suite, partners);
    tcase_add_test(partners, a_sum_that_fails_ends_the_group_wherever);
    tcase_add_loop_test(partners, a_partner_that_spoils_the_beginning, 0, COUNT(spoiled_joins));
    tcase_add_test(partners, a_partner_that_spoils_a_step);
    tcase_add_test(partners, the_first_bad_image_of_two);
    tcase_add_loop_test(partners, a_place_beyond_the_batch_is_not_looked_at, 0, 3);
    tcase_add_test(partners, a_rank_that_mumbles_at_an_epoch_s_end_ends_the_group);
    tcase_add_test(partners, a_partner_that_gives_a_file);
    tcase_add_test(partners, a_shared_file_is_as_long_as_it_is);
    tcase_add_test(partners, a_second_join_that_nobody_hears);
    return test_main(suite);
}
