/* test_checkpoint.c - training that was interrupted and resumed comes to the same bits as training
 * that was not; and a file that does not fit changes nothing. */
#include "api.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

/* 10 images in batches of 4: 3 steps to an epoch, the last one smaller. */
enum { IMAGES = 10, BATCH = 4, SIDE = 6, STEPS = 8 };

/* --- A training run -------------------------------------------------------------------------- */

struct plan {
    int32_t kind;
    double momentum, weight_decay;
    int32_t nesterov;
};

static const struct plan plans[] = {
    {CAE_OPTIMIZER_SGD, 0, 0, 0},      {CAE_OPTIMIZER_SGD, 0.9, 0, 0},
    {CAE_OPTIMIZER_SGD, 0.9, 0.01, 1}, {CAE_OPTIMIZER_ADAM, 0, 0, 0},
    {CAE_OPTIMIZER_ADAMW, 0, 0.01, 0},
};

static const struct plan *const adam = &plans[3];

struct run {
    struct heap heap;
    cae_context *context;
    cae_model *model;
    cae_optimizer *optimizer;
    cae_dataset *dataset;
    cae_trainer *trainer;
};

static cae_optimizer_options optimizing(const struct plan *plan)
{
    cae_optimizer_options options;

    ck_assert_int_eq(cae_optimizer_options_init(&options, sizeof options), CAE_OK);
    options.kind = plan->kind;
    options.learning_rate = 0.02;
    options.momentum = plan->momentum;
    options.weight_decay = plan->weight_decay;
    options.nesterov = plan->nesterov;
    return options;
}

/* Everything that depends on where training stands is switched on. */
static cae_trainer_options training(void)
{
    cae_trainer_options options;

    ck_assert_int_eq(cae_trainer_options_init(&options, sizeof options), CAE_OK);
    options.batch = BATCH;
    options.seed = UINT64_MAX - 1; /* not a number of JSON's */
    options.noise_sigma = 0.1;
    options.clip_norm = 0.5;
    options.schedule = CAE_SCHEDULE_COSINE;
    options.warmup_steps = 2;
    options.decay_steps = 20;
    options.final_fraction = 0.1;
    return options;
}

static void run_join(struct run *run, const struct plan *plan, const cae_trainer_options *options)
{
    const cae_optimizer_options optimizer = optimizing(plan);

    assert_ok(run->context, cae_optimizer_create(&run->optimizer, run->model, &optimizer));
    assert_ok(run->context, cae_trainer_create(&run->trainer, run->model, run->optimizer,
                                               run->dataset, options));
}

/* `seed` is that of the initial weights: resuming must replace them. */
static void run_init(struct run *run, const struct plan *plan, int threads, uint64_t seed)
{
    const cae_trainer_options options = training();

    *run = (struct run){.heap = HEAP};
    run->context = heap_context(&run->heap, threads);
    run->model = small_model(run->context, seed);
    run->dataset = float_images(run->context, NULL, IMAGES, SIDE);
    run_join(run, plan, &options);
}

static void run_free(struct run *run)
{
    cae_trainer_destroy(run->trainer);
    cae_dataset_destroy(run->dataset);
    cae_optimizer_destroy(run->optimizer);
    cae_model_destroy(run->model);
    cae_context_destroy(run->context);
    assert_balanced(&run->heap, "a run");
}

static void take_steps(struct run *run, int count)
{
    for (int i = 0; i < count; i++)
        assert_ok(run->context, cae_trainer_step(NULL, run->trainer));
}

static cae_progress progress_of(const struct run *run)
{
    cae_progress progress;

    ck_assert_int_eq(cae_progress_init(&progress, sizeof progress), CAE_OK);
    assert_ok(run->context, cae_trainer_progress(&progress, run->trainer));
    return progress;
}

/* All that a run is: its model, its moments and its counters. */
static struct bytes state_of(const struct run *run)
{
    const char *path = in_directory("state");

    assert_ok(run->context, cae_trainer_save(run->trainer, path));
    return file_bytes(path);
}

static void assert_state(const struct run *run, struct bytes expected, const char *what)
{
    struct bytes found = state_of(run);

    assert_same_bytes(found, expected, what);
    bytes_free(&found);
}

/* --- Save and resume ------------------------------------------------------------------------- */

/* A run of STEPS steps, saved after `at` of them to `path`. */
static struct bytes whole_run(const struct plan *plan, int threads, int at, const char *path)
{
    struct run run;
    struct bytes end;

    run_init(&run, plan, threads, 1);
    take_steps(&run, at);
    assert_ok(run.context, cae_trainer_save(run.trainer, path));
    take_steps(&run, STEPS - at);
    end = state_of(&run);
    run_free(&run);
    return end;
}

static void check_resumed(const struct plan *plan, int threads, int at, const char *path,
                          struct bytes expected)
{
    struct run run;
    cae_progress progress;

    run_init(&run, plan, threads, 2);
    assert_ok(run.context, cae_trainer_resume(run.trainer, path));
    progress = progress_of(&run);
    ck_assert_int_eq(progress.step, at);
    ck_assert_int_eq(progress.epoch, at / 3);
    ck_assert_int_eq(progress.images, at % 3 * BATCH);
    take_steps(&run, STEPS - at);
    assert_state(&run, expected, "resumed and uninterrupted");
    run_free(&run);
}

/* Every optimizer, at the start, within an epoch and between epochs, by one thread and by two. */
START_TEST(resumed_training_comes_to_the_same_bits)
{
    const struct plan *plan = &plans[_i];
    const char *path = in_directory("checkpoint");

    for (int at = 0; at < STEPS; at++)
        for (int saved_by = 1; saved_by <= 2; saved_by++) {
            struct bytes end = whole_run(plan, saved_by, at, path);

            for (int resumed_by = 1; resumed_by <= 2; resumed_by++)
                check_resumed(plan, resumed_by, at, path, end);
            bytes_free(&end);
        }
}
END_TEST

/* A chain of interruptions, each after one step. */
START_TEST(resuming_again_and_again)
{
    const char *path = in_directory("chain");
    struct bytes end = whole_run(adam, 1, 0, path);

    for (int i = 0; i < STEPS; i++) {
        struct run run;

        run_init(&run, adam, 1 + i % 3, 10 + (uint64_t)i);
        assert_ok(run.context, cae_trainer_resume(run.trainer, path));
        take_steps(&run, 1);
        assert_ok(run.context, cae_trainer_save(run.trainer, path));
        run_free(&run);
    }
    {
        struct bytes found = file_bytes(path);

        assert_same_bytes(found, end, "eight runs of a step, and one of eight");
        bytes_free(&found);
    }
    bytes_free(&end);
}
END_TEST

/* The mean of an epoch counts what came before the interruption. */
START_TEST(an_epochs_mean_survives)
{
    const char *path = in_directory("mean");
    cae_progress expected, found;
    struct run run;

    run_init(&run, adam, 1, 1);
    take_steps(&run, 5);
    assert_ok(run.context, cae_trainer_save(run.trainer, path));
    take_steps(&run, 1);
    expected = progress_of(&run);
    run_free(&run);
    run_init(&run, adam, 1, 2);
    assert_ok(run.context, cae_trainer_resume(run.trainer, path));
    take_steps(&run, 1);
    found = progress_of(&run);
    ck_assert_int_eq(memcmp(&found, &expected, sizeof found), 0);
    ck_assert_int_eq(found.epoch_done, 1);
    run_free(&run);
}
END_TEST

/* Back to an earlier moment, in the trainer that made the file. */
START_TEST(going_back)
{
    const char *path = in_directory("back");
    struct bytes end;
    struct run run;

    run_init(&run, adam, 1, 1);
    take_steps(&run, 2);
    assert_ok(run.context, cae_trainer_save(run.trainer, path));
    take_steps(&run, 5);
    end = state_of(&run);
    assert_ok(run.context, cae_trainer_resume(run.trainer, path));
    ck_assert_int_eq(progress_of(&run).step, 2);
    take_steps(&run, 5);
    assert_state(&run, end, "the same five steps again");
    bytes_free(&end);
    run_free(&run);
}
END_TEST

START_TEST(saving_changes_nothing)
{
    struct run run, quiet;
    struct bytes end;

    run_init(&run, adam, 1, 1);
    run_init(&quiet, adam, 1, 1);
    for (int i = 0; i < STEPS; i++) {
        struct bytes once = state_of(&run);

        assert_state(&run, once, "saved twice");
        bytes_free(&once);
        take_steps(&run, 1);
        take_steps(&quiet, 1);
    }
    end = state_of(&quiet);
    assert_state(&run, end, "with and without saving");
    bytes_free(&end);
    run_free(&run);
    run_free(&quiet);
}
END_TEST

/* After a loss that was not finite, "may be saved or continued". */
START_TEST(a_run_that_diverged_can_be_saved)
{
    const char *path = in_directory("diverged");
    struct run run, resumed;
    struct bytes before;

    run_init(&run, adam, 1, 1);
    take_steps(&run, 4);
    before = state_of(&run);
    assert_ok(run.context, cae_optimizer_set_learning_rate(run.optimizer, 1e30));
    take_steps(&run, 1);
    assert_fails(run.context, CAE_ERR_NUMERIC, cae_trainer_step(NULL, run.trainer));
    assert_ok(run.context, cae_trainer_save(run.trainer, path));
    assert_state(&run, before, "saved after it diverged");
    run_init(&resumed, adam, 1, 2);
    assert_ok(resumed.context, cae_trainer_resume(resumed.trainer, path));
    take_steps(&resumed, 1);
    bytes_free(&before);
    run_free(&run);
    run_free(&resumed);
}
END_TEST

/* The rate is the host's to choose, and not in the file. */
START_TEST(a_resumed_run_may_go_on_at_another_rate)
{
    const char *path = in_directory("rate");
    struct run run;

    run_init(&run, adam, 1, 1);
    assert_ok(run.context, cae_trainer_save(run.trainer, path));
    assert_ok(run.context, cae_optimizer_set_learning_rate(run.optimizer, 0.5));
    assert_ok(run.context, cae_trainer_resume(run.trainer, path));
    ck_assert_double_eq(cae_optimizer_learning_rate(run.optimizer), 0.5);
    run_free(&run);
}
END_TEST

/* --- A checkpoint is a model file ------------------------------------------------------------ */

START_TEST(a_checkpoint_loads_as_a_model)
{
    const struct plan *plan = &plans[_i];
    const char *path = in_directory("as-model");
    cae_model *model = NULL;
    struct run run;

    run_init(&run, plan, 1, 1);
    take_steps(&run, 4);
    assert_ok(run.context, cae_trainer_save(run.trainer, path));
    assert_ok(run.context, cae_model_load(&model, run.context, path));
    assert_same_models(model, run.model, "the model in a checkpoint");
    cae_model_destroy(model);

    model = small_model(run.context, 9);
    assert_ok(run.context, cae_model_load_weights(model, path));
    assert_same_models(model, run.model, "the weights in a checkpoint");
    cae_model_destroy(model);
    run_free(&run);
}
END_TEST

/* Moments lie beside the weights, by name and with their shapes. */
START_TEST(moments_are_tensors)
{
    static const char *const names[] = {"0.weight", "0.bias", "2.weight", "2.bias"};
    const char *path = in_directory("tensors");
    const size_t moments[] = {0, 1, 1, 2, 2};

    for (int i = 0; i < COUNT(plans); i++) {
        struct st_file *file;
        struct run run;

        run_init(&run, &plans[i], 1, 1);
        take_steps(&run, 2);
        assert_ok(run.context, cae_trainer_save(run.trainer, path));
        file = st_open(path);
        ck_assert_uint_eq(st_count(file), 4 * (1 + moments[i]));
        for (int k = 0; k < 4; k++)
            for (size_t m = 0; m < moments[i]; m++) {
                char name[64];
                int64_t shape[8], of_weight[8];
                int rank;

                snprintf(name, sizeof name, "optim.%c.%s", m ? 'v' : 'm', names[k]);
                rank = st_shape(of_weight, file, names[k]);
                ck_assert_int_eq(st_shape(shape, file, name), rank);
                ck_assert_int_eq(memcmp(shape, of_weight, (size_t)rank * sizeof shape[0]), 0);
            }
        ck_assert_ptr_nonnull(st_metadata(file, "libcae.trainer"));
        st_close(file);
        run_free(&run);
    }
}
END_TEST

/* --- Files that do not fit ------------------------------------------------------------------- */

/* Resuming is refused, the text says `part`, and the run is where it was. CAE_OK stands for any
 * error. */
static void check_refused(struct run *run, cae_status expected, const char *path, const char *part)
{
    struct bytes before = state_of(run);
    cae_status status = cae_trainer_resume(run->trainer, path);

    if (expected == CAE_OK)
        expected = status < 0 ? status : CAE_ERR_FORMAT;
    assert_fails(run->context, expected, status);
    assert_says(run->context, part);
    assert_state(run, before, "after a refused checkpoint");
    bytes_free(&before);
}

/* A checkpoint of another run, which differs from ours in one thing. */
enum difference { OPTIMIZER, MOMENTUM, NO_MOMENTUM, BATCHES, SEED, ORDER, DATASET, ARCHITECTURE, RESIDUAL };

static cae_model *other_model(cae_context *context)
{
    cae_spec *spec = NULL;
    cae_model *model = NULL;

    assert_ok(context, cae_spec_create(&spec, context)); /* the activation is missing */
    assert_ok(context, cae_spec_add_conv(spec, 1, 2, NULL));
    assert_ok(context, cae_spec_add_conv_transpose(spec, 2, 1, NULL));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    cae_spec_destroy(spec);
    return model;
}

/* The small model, which adds its input: nothing else differs. */
static cae_model *residual_model(cae_context *context)
{
    cae_spec *spec = small_spec(context);
    cae_model *model = NULL;

    assert_ok(context, cae_spec_set_residual(spec, 1));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    cae_spec_destroy(spec);
    return model;
}

static void save_other(const char *path, const struct plan *plan, enum difference difference)
{
    cae_trainer_options options = training();
    struct run run = {.heap = HEAP};

    options.batch = difference == BATCHES ? BATCH + 1 : BATCH;
    options.seed = difference == SEED ? 1 : options.seed;
    options.shuffle = difference == ORDER ? 0 : 1;
    run.context = heap_context(&run.heap, 1);
    run.model = difference == ARCHITECTURE ? other_model(run.context)
                : difference == RESIDUAL   ? residual_model(run.context)
                                           : small_model(run.context, 1);
    run.dataset = float_images(run.context, NULL, IMAGES + (difference == DATASET), SIDE);
    run_join(&run, plan, &options);
    take_steps(&run, 4);
    assert_ok(run.context, cae_trainer_save(run.trainer, path));
    run_free(&run);
}

static const struct {
    enum difference difference;
    int own, other; /* plans */
    const char *says;
} differences[] = {
    {OPTIMIZER, 3, 4, "adamw"},     {OPTIMIZER, 4, 3, "adamw"},     {OPTIMIZER, 3, 0, "sgd"},
    {OPTIMIZER, 1, 3, "adam"},      {MOMENTUM, 0, 1, "moments 1"},
    {NO_MOMENTUM, 1, 0, "moments 0"},
    {BATCHES, 3, 3, "batch 5"},     {SEED, 3, 3, "seed 1"},         {ORDER, 3, 3, "shuffle 0"},
    {DATASET, 3, 3, "size 11"},     {ARCHITECTURE, 3, 3, "architecture"},
    {RESIDUAL, 3, 3, "architecture"},
};

START_TEST(checkpoints_of_other_runs)
{
    const char *path = in_directory("other");
    struct run run;

    save_other(path, &plans[differences[_i].other], differences[_i].difference);
    run_init(&run, &plans[differences[_i].own], 1, 1);
    take_steps(&run, 2);
    check_refused(&run, CAE_OK, path, differences[_i].says);
    ck_assert_int_ne(cae_trainer_resume(run.trainer, path), CAE_ERR_IO);
    run_free(&run);
}
END_TEST

START_TEST(files_that_are_no_checkpoints)
{
    const char *path = in_directory("none");
    struct run run;

    run_init(&run, adam, 1, 1);
    take_steps(&run, 2);
    assert_ok(run.context, cae_model_save(run.model, path));
    check_refused(&run, CAE_ERR_FORMAT, path, "not a checkpoint");
    write_file(path, "", 0);
    check_refused(&run, CAE_ERR_FORMAT, path, path);
    write_file(path, "epoch,loss\n1,0.5\n", 17);
    check_refused(&run, CAE_ERR_FORMAT, path, path);
    check_refused(&run, CAE_ERR_IO, in_directory("missing"), "missing");
    check_refused(&run, CAE_ERR_IO, test_directory, "regular file");
    assert_fails(run.context, CAE_ERR_ARGUMENT, cae_trainer_resume(run.trainer, NULL));
    assert_fails(run.context, CAE_ERR_ARGUMENT, cae_trainer_save(run.trainer, NULL));
    ck_assert_int_eq(cae_trainer_resume(NULL, path), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_trainer_save(NULL, path), CAE_ERR_ARGUMENT);
    assert_fails(run.context, CAE_ERR_IO, cae_trainer_save(run.trainer, test_directory));
    run_free(&run);
}
END_TEST

/* A run that is at step 2, and a checkpoint of the same run at step 5. */
static struct bytes five_steps(struct run *run)
{
    struct bytes file;
    struct run other;

    run_init(&other, adam, 1, 1);
    take_steps(&other, 5);
    file = state_of(&other);
    run_free(&other);
    run_init(run, adam, 1, 1);
    take_steps(run, 2);
    return file;
}

START_TEST(cut_off_at_any_byte)
{
    const char *path = in_directory("cut");
    struct run run;
    struct bytes file = five_steps(&run), before = state_of(&run), model = model_bytes(run.model);

    write_file(path, file.data, file.size);
    for (size_t size = file.size; size-- > 0;) {
        ck_assert_int_eq(truncate(path, (off_t)size), 0);
        assert_fails(run.context, CAE_ERR_FORMAT, cae_trainer_resume(run.trainer, path));
        if (size % 64 == 0) {
            struct bytes now = model_bytes(run.model);

            assert_same_bytes(now, model, "the model after a short file");
            bytes_free(&now);
        }
    }
    assert_state(&run, before, "after all those short files");
    write_file(path, file.data, file.size);
    assert_ok(run.context, cae_trainer_resume(run.trainer, path));
    assert_state(&run, file, "after the whole file");
    bytes_free(&file);
    bytes_free(&before);
    bytes_free(&model);
    run_free(&run);
}
END_TEST

/* Any byte inverted: refused, or a state from which training goes on without a crash. */
START_TEST(any_byte_inverted)
{
    const char *path = in_directory("inverted");
    struct run run;
    struct bytes file = five_steps(&run);

    for (size_t at = 0; at < file.size; at++) {
        cae_status status;

        file.data[at] ^= 0xff;
        write_file(path, file.data, file.size);
        file.data[at] ^= 0xff;
        status = cae_trainer_resume(run.trainer, path);
        if (status == CAE_OK)
            (void)cae_trainer_step(NULL, run.trainer);
        else
            ck_assert(status == CAE_ERR_FORMAT || status == CAE_ERR_SHAPE ||
                      status == CAE_ERR_NUMERIC);
    }
    bytes_free(&file);
    run_free(&run);
}
END_TEST

/* The trainer's state is JSON in a JSON string: quotes are escaped once. */
static const struct {
    const char *from, *to;
} lies[] = {
    {"\\\"step\\\":5", "\\\"step\\\":-1"},
    {"\\\"step\\\":5", "\\\"step\\\":5.0"},
    {"\\\"step\\\":5", "\\\"step\\\":\\\"5\\\""},
    {"\\\"step\\\":5", "\\\"step\\\":9223372036854775807"}, /* one more step would overflow */
    {"\\\"step\\\":5", "\\\"step\\\":9223372036854775808"},
    {"\\\"step\\\":5", "\\\"step\\\":null"},
    {"\\\"step\\\":5,", ""},
    {"\\\"step\\\":5", "\\\"step\\\":5,\\\"step\\\":5"},
    {"\\\"step\\\":5", "\\\"step\\\":5,\\\"more\\\":5"},
    {"\\\"epoch\\\":1", "\\\"epoch\\\":-1"},
    {"\\\"epoch\\\":1", "\\\"epoch\\\":9223372036854775807"},
    {"\\\"position\\\":8", "\\\"position\\\":-4"},
    {"\\\"position\\\":8", "\\\"position\\\":10"}, /* the epoch's end is position 0 of the next */
    {"\\\"position\\\":8", "\\\"position\\\":9223372036854775807"},
    {"\\\"updates\\\":5", "\\\"updates\\\":-5"},
    {"\\\"updates\\\":5", "\\\"updates\\\":9223372036854775807"},
    {"\\\"batch\\\":4", "\\\"batch\\\":0"},
    {"\\\"batch\\\":4", "\\\"batch\\\":4294967300"}, /* 4 in 32 bits */
    {"\\\"images\\\":10", "\\\"images\\\":9223372036854775807"},
    {"\\\"moments\\\":2", "\\\"moments\\\":3"},
    {"\\\"moments\\\":2", "\\\"moments\\\":-1"},
    {"\\\"seed\\\":\\\"18446744073709551614\\\"", "\\\"seed\\\":\\\"\\\""},
    {"\\\"seed\\\":\\\"18446744073709551614\\\"", "\\\"seed\\\":\\\"-2\\\""},
    {"\\\"seed\\\":\\\"18446744073709551614\\\"", "\\\"seed\\\":\\\"018446744073709551614\\\""},
    {"\\\"seed\\\":\\\"18446744073709551614\\\"", "\\\"seed\\\":\\\"18446744073709551614 \\\""},
    {"\\\"seed\\\":\\\"18446744073709551614\\\"", "\\\"seed\\\":\\\"36893488147419103230\\\""},
    {"\\\"seed\\\":\\\"18446744073709551614\\\"", "\\\"seed\\\":-2"},
    {"\\\"loss_sum_bits\\\":\\\"", "\\\"loss_sum_bits\\\":\\\"9"},
    {"\\\"optimizer\\\":\\\"adam\\\"", "\\\"optimizer\\\":\\\"ADAM\\\""},
    {"\\\"optimizer\\\":\\\"adam\\\"", "\\\"optimizer\\\":7"},
    {"libcae.trainer", "libcae.trained"},
    {"libcae.architecture", "libcae.architect"},
    {"optim.v.2.weight", "optim.v.3.weight"},
    {"optim.m.0.bias\":{\"dtype\":\"F32\"", "optim.m.0.bias\":{\"dtype\":\"I32\""},
};

START_TEST(states_that_cannot_be)
{
    const char *path = in_directory("lie");
    struct run run;
    struct bytes file = five_steps(&run), lie = edited(file, lies[_i].from, lies[_i].to), end;

    write_file(path, lie.data, lie.size);
    check_refused(&run, CAE_OK, path, path);

    /* and so the run continues to the bits of one that nobody disturbed */
    take_steps(&run, 3);
    end = state_of(&run);
    assert_same_bytes(end, file, "after a refused checkpoint and three steps");
    bytes_free(&end);
    bytes_free(&file);
    bytes_free(&lie);
    run_free(&run);
}
END_TEST

/* The last value of a file is the second moment of the last weight. */
static void spoil_last_value(struct bytes file)
{
    const unsigned char nan[4] = {0, 0, 0xc0, 0x7f};

    memcpy(file.data + file.size - 4, nan, sizeof nan);
}

START_TEST(moments_that_are_not_finite)
{
    const char *path = in_directory("nan");
    struct run run;
    struct bytes file = five_steps(&run);

    spoil_last_value(file);
    write_file(path, file.data, file.size);
    check_refused(&run, CAE_OK, path, "optim.v.2.weight");
    bytes_free(&file);
    run_free(&run);
}
END_TEST

/* "With nothing changed": also not the way back from an update that turns out to be harmful. */
START_TEST(a_refused_file_leaves_the_way_back)
{
    const char *path = in_directory("way-back");
    struct run run;
    struct bytes file = five_steps(&run), good = state_of(&run);

    spoil_last_value(file);
    write_file(path, file.data, file.size);
    assert_ok(run.context, cae_optimizer_set_learning_rate(run.optimizer, 1e30));
    take_steps(&run, 1);
    ck_assert_int_lt(cae_trainer_resume(run.trainer, path), 0);
    assert_fails(run.context, CAE_ERR_NUMERIC, cae_trainer_step(NULL, run.trainer));
    assert_state(&run, good, "the harmful update was taken back");
    bytes_free(&file);
    bytes_free(&good);
    run_free(&run);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checkpoint");
    TCase *resume = tcase_create("resume");
    TCase *refuse = tcase_create("refuse");

    tcase_set_timeout(resume, 60);
    tcase_add_unchecked_fixture(resume, directory_setup, directory_teardown);
    tcase_add_loop_test(resume, resumed_training_comes_to_the_same_bits, 0, COUNT(plans));
    tcase_add_test(resume, resuming_again_and_again);
    tcase_add_test(resume, an_epochs_mean_survives);
    tcase_add_test(resume, going_back);
    tcase_add_test(resume, saving_changes_nothing);
    tcase_add_test(resume, a_run_that_diverged_can_be_saved);
    tcase_add_test(resume, a_resumed_run_may_go_on_at_another_rate);
    tcase_add_loop_test(resume, a_checkpoint_loads_as_a_model, 0, COUNT(plans));
    tcase_add_test(resume, moments_are_tensors);
    suite_add_tcase(suite, resume);

    tcase_set_timeout(refuse, 60);
    tcase_add_unchecked_fixture(refuse, directory_setup, directory_teardown);
    tcase_add_loop_test(refuse, checkpoints_of_other_runs, 0, COUNT(differences));
    tcase_add_test(refuse, files_that_are_no_checkpoints);
    tcase_add_test(refuse, cut_off_at_any_byte);
    tcase_add_test(refuse, any_byte_inverted);
    tcase_add_loop_test(refuse, states_that_cannot_be, 0, COUNT(lies));
    tcase_add_test(refuse, moments_that_are_not_finite);
    tcase_add_test(refuse, a_refused_file_leaves_the_way_back);
    suite_add_tcase(suite, refuse);
    return test_main(suite);
}
