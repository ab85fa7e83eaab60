/* test_average.c - the moving average of the parameters: what it is step by step, that it stays finite, that
 * a harmful update leaves no trace in it, and what a checkpoint keeps of it. */
#include "api.h"

#include <float.h>
#include <math.h>

enum { IMAGES = 20, BATCH = 6, SIDE = 6, PARAMETERS = 39 };

struct rig {
    struct heap heap;
    cae_context *context;
    cae_model *model;
    cae_optimizer *optimizer;
    cae_dataset *dataset;
    cae_trainer *trainer;
};

static cae_trainer_options training(double decay)
{
    cae_trainer_options options;

    ck_assert_int_eq(cae_trainer_options_init(&options, sizeof options), CAE_OK);
    options.batch = BATCH;
    options.noise_sigma = 0.05, options.noise_sigma_max = 0.2;
    options.augment = CAE_AUGMENT_MIRROR | CAE_AUGMENT_FLIP | CAE_AUGMENT_TRANSPOSE;
    options.loss = CAE_LOSS_CHARBONNIER;
    options.average_decay = decay;
    return options;
}

static const int32_t kinds[] = {CAE_OPTIMIZER_SGD, CAE_OPTIMIZER_ADAM, CAE_OPTIMIZER_ADAMW};

static cae_optimizer_options optimizing(int32_t kind)
{
    cae_optimizer_options options;

    ck_assert_int_eq(cae_optimizer_options_init(&options, sizeof options), CAE_OK);
    options.kind = kind;
    options.momentum = 0.9;
    options.learning_rate = 0.02;
    return options;
}

/* The small model with a residual connection, which its copies are to have, too. */
static cae_model *residual_model(cae_context *context, uint64_t seed)
{
    cae_spec *spec = small_spec(context);
    cae_model *model = NULL;

    assert_ok(context, cae_spec_set_residual(spec, 1));
    assert_ok(context, cae_model_create(&model, context, spec, seed));
    cae_spec_destroy(spec);
    return model;
}

static void rig_init(struct rig *rig, int threads, int32_t kind, double decay)
{
    const cae_optimizer_options optimizer = optimizing(kind);
    const cae_trainer_options options = training(decay);

    *rig = (struct rig){.heap = HEAP};
    rig->context = heap_context(&rig->heap, threads);
    rig->model = residual_model(rig->context, 1);
    rig->dataset = float_images(rig->context, NULL, IMAGES, SIDE);
    assert_ok(rig->context, cae_optimizer_create(&rig->optimizer, rig->model, &optimizer));
    assert_ok(rig->context, cae_trainer_create(&rig->trainer, rig->model, rig->optimizer, rig->dataset,
                                               &options));
}

static void rig_free(struct rig *rig)
{
    cae_trainer_destroy(rig->trainer);
    cae_dataset_destroy(rig->dataset);
    cae_optimizer_destroy(rig->optimizer);
    cae_model_destroy(rig->model);
    cae_context_destroy(rig->context);
    assert_balanced(&rig->heap, "a trainer with an average");
}

static void steps(struct rig *rig, int count)
{
    for (int i = 0; i < count; i++)
        assert_ok(rig->context, cae_trainer_step(NULL, rig->trainer));
}

/* All parameters, one tensor after the other. */
static void parameters_of(float values[PARAMETERS], const struct rig *rig, const cae_model *model)
{
    size_t at = 0;

    for (int i = 0; i < cae_model_tensor_count(model); i++) {
        const char *name = cae_model_tensor_name(model, i);
        int64_t shape[4];

        assert_ok(rig->context, cae_model_tensor_shape(shape, NULL, model, name));
        const size_t n = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
        assert_ok(rig->context, cae_model_get_tensor(values + at, n, model, name));
        at += n;
    }
    ck_assert_uint_eq(at, PARAMETERS);
}

static struct bytes average_bytes(const struct rig *rig)
{
    cae_model *average = NULL;
    struct bytes bytes;

    assert_ok(rig->context, cae_trainer_average(&average, rig->trainer));
    ck_assert_int_eq(cae_model_residual(average), 1);
    bytes = model_bytes(average);
    cae_model_destroy(average);
    return bytes;
}

static struct bytes checkpoint_of(const struct rig *rig)
{
    const char *path = in_directory("checkpoint");

    assert_ok(rig->context, cae_trainer_save(rig->trainer, path));
    return file_bytes(path);
}

static void expect(struct bytes expected, struct bytes found, const char *what)
{
    assert_same_bytes(found, expected, what);
    bytes_free(&found);
}

/* --- What it is ---------------------------------------------------------------------------------- */

static const double decays[] = {0.02, 0.5, 0.9, 0.999};

/* The recurrence in double, from the parameters after each step; rounded to float only where the
 * library keeps floats, so that what is allowed is a rounding or two. */
START_TEST(it_follows_the_recurrence)
{
    const double decay = decays[_i % COUNT(decays)];
    float w[PARAMETERS], found[PARAMETERS];
    double expected[PARAMETERS];
    struct rig rig;

    rig_init(&rig, 1, kinds[_i / COUNT(decays)], decay);
    parameters_of(w, &rig, rig.model);
    for (int i = 0; i < PARAMETERS; i++)
        expected[i] = w[i];
    for (int t = 0; t < 60; t++) {
        const double d = fmin(decay, (1.0 + t) / (10.0 + t));
        cae_model *average = NULL;

        assert_ok(rig.context, cae_trainer_average(&average, rig.trainer)); /* which changes nothing */
        parameters_of(found, &rig, average);
        cae_model_destroy(average);
        assert_close_ref(found, expected, PARAMETERS, 2e-6, 2e-7, "the average");
        steps(&rig, 1);
        parameters_of(w, &rig, rig.model);
        for (int i = 0; i < PARAMETERS; i++)
            expected[i] = d * expected[i] + (1 - d) * w[i];
    }
    rig_free(&rig);
}
END_TEST

/* After one step a tenth of the initial weights is left, whatever the decay. */
START_TEST(it_warms_up)
{
    float before[PARAMETERS], after[PARAMETERS], found[PARAMETERS];
    cae_model *average = NULL;
    struct rig rig;

    rig_init(&rig, 1, CAE_OPTIMIZER_ADAM, 0.9999);
    parameters_of(before, &rig, rig.model);
    steps(&rig, 1);
    parameters_of(after, &rig, rig.model);
    assert_ok(rig.context, cae_trainer_average(&average, rig.trainer));
    parameters_of(found, &rig, average);
    for (int i = 0; i < PARAMETERS; i++)
        ck_assert_double_eq_tol(found[i], 0.1 * before[i] + 0.9 * after[i], 1e-7);
    cae_model_destroy(average);
    rig_free(&rig);
}
END_TEST

/* Without averaging it is the model as it is; a model of its own either way, which lives longer. */
START_TEST(without_it_the_model_is_copied)
{
    cae_model *copy = NULL;
    struct bytes then, now;
    struct rig rig;

    rig_init(&rig, 1, CAE_OPTIMIZER_ADAM, 0);
    steps(&rig, 2);
    then = model_bytes(rig.model);
    assert_ok(rig.context, cae_trainer_average(&copy, rig.trainer));
    steps(&rig, 1);
    now = model_bytes(copy);
    assert_same_bytes(now, then, "a copy of the model");
    cae_model_destroy(copy);
    ck_assert_int_eq(cae_trainer_average(&copy, NULL), CAE_ERR_ARGUMENT);
    ck_assert_ptr_null(copy);
    ck_assert_int_eq(cae_trainer_average(NULL, NULL), CAE_ERR_ARGUMENT);
    assert_fails(rig.context, CAE_ERR_ARGUMENT, cae_trainer_average(NULL, rig.trainer));
    assert_says(rig.context, "out is NULL");
    assert_ok(rig.context, cae_trainer_average(&copy, rig.trainer));
    cae_trainer_destroy(rig.trainer);
    rig.trainer = NULL;
    cae_optimizer_destroy(rig.optimizer);
    rig.optimizer = NULL;
    assert_same_models(copy, rig.model, "a copy that outlives its trainer");
    cae_model_destroy(copy);
    bytes_free(&then);
    bytes_free(&now);
    rig_free(&rig);
}
END_TEST

/* Weights as far apart as floats are: their difference is no float, their average is. */
START_TEST(it_stays_finite)
{
    const cae_optimizer_options sgd = {.size = sizeof sgd, .kind = CAE_OPTIMIZER_SGD, .learning_rate = 1e-30,
                                       .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    cae_trainer_options options = training(0.9);
    const float image = 0, far[2] = {-FLT_MAX, FLT_MAX};
    cae_context *context = test_context();
    cae_model *model = pointwise_model(context, 0, 0), *average = NULL;
    cae_dataset *dataset = float_images(context, &image, 1, 1);
    cae_optimizer *optimizer;
    cae_trainer *trainer;
    float weight = FLT_MAX;

    options.noise_sigma = options.noise_sigma_max = 0;
    assert_ok(context, cae_model_set_tensor(model, "0.weight", &weight, 1));
    assert_ok(context, cae_optimizer_create(&optimizer, model, &sgd));
    assert_ok(context, cae_trainer_create(&trainer, model, optimizer, dataset, &options));
    for (int t = 0; t < 6; t++) {
        assert_ok(context, cae_model_set_tensor(model, "0.weight", &far[t % 2], 1));
        assert_ok(context, cae_trainer_step(NULL, trainer));
        assert_ok(context, cae_trainer_average(&average, trainer));
        assert_ok(context, cae_model_get_tensor(&weight, 1, average, "0.weight"));
        ck_assert(isfinite(weight));
        ck_assert(t > 0 || fabsf(weight / -FLT_MAX - 0.8f) < 1e-6f);
        assert_ok(context, cae_trainer_save(trainer, in_directory("far")));
        assert_ok(context, cae_trainer_resume(trainer, in_directory("far")));
        cae_model_destroy(average);
    }
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(optimizer);
    cae_dataset_destroy(dataset);
    cae_model_destroy(model);
    cae_context_destroy(context);
}
END_TEST

/* --- Taken back with the update ------------------------------------------------------------------ */

/* As test_trainer's a_harmful_update_is_taken_back: the average goes back with the weights, and on as if
 * nothing had happened. */
START_TEST(a_harmful_update_leaves_no_trace)
{
    struct bytes expected, good;
    struct rig rig;

    rig_init(&rig, 1, kinds[_i], 0.9);
    steps(&rig, 9);
    expected = checkpoint_of(&rig);
    rig_free(&rig);
    for (int harmless = 0; harmless < 5; harmless++) {
        rig_init(&rig, 1, kinds[_i], 0.9);
        steps(&rig, harmless);
        good = checkpoint_of(&rig);
        assert_ok(rig.context, cae_optimizer_set_learning_rate(rig.optimizer, 1e30));
        steps(&rig, 1);
        assert_fails(rig.context, CAE_ERR_NUMERIC, cae_trainer_step(NULL, rig.trainer));
        assert_says(rig.context, "taken back");
        expect(good, checkpoint_of(&rig), "after the update was taken back");
        assert_ok(rig.context, cae_optimizer_set_learning_rate(rig.optimizer, 0.02));
        steps(&rig, 9 - harmless);
        expect(expected, checkpoint_of(&rig), "as if nothing had happened");
        bytes_free(&good);
        rig_free(&rig);
    }
    bytes_free(&expected);
}
END_TEST

/* An update that is not made is not averaged. */
START_TEST(a_refused_update_is_not_averaged)
{
    struct bytes before;
    struct rig rig;

    rig_init(&rig, 1, CAE_OPTIMIZER_SGD, 0.9);
    steps(&rig, 3);
    before = average_bytes(&rig);
    assert_ok(rig.context, cae_optimizer_set_learning_rate(rig.optimizer, 3e38));
    for (int i = 0; i < 2; i++) {
        const cae_status status = cae_trainer_step(NULL, rig.trainer);
        if (status == CAE_OK) /* weights of 1e37: found out and taken back by the next step */
            continue;
        ck_assert_int_eq(status, CAE_ERR_NUMERIC);
        expect(before, average_bytes(&rig), "after an update that was not made");
    }
    bytes_free(&before);
    rig_free(&rig);
}
END_TEST

/* --- Saved and resumed --------------------------------------------------------------------------- */

/* Stopped anywhere, with any number of threads before and after. */
START_TEST(resumed_it_comes_to_the_same_bits)
{
    static const int threads[] = {1, 2, 3, 7};
    const int32_t kind = kinds[_i];
    struct bytes expected, average;
    struct rig rig;

    rig_init(&rig, 1, kind, 0.95);
    steps(&rig, 9);
    expected = checkpoint_of(&rig);
    average = average_bytes(&rig);
    rig_free(&rig);
    for (int stop = 0; stop <= 9; stop++) {
        rig_init(&rig, threads[stop % 4], kind, 0.95);
        steps(&rig, stop);
        assert_ok(rig.context, cae_trainer_save(rig.trainer, in_directory("stopped")));
        rig_free(&rig);
        rig_init(&rig, threads[(stop + 1) % 4], kind, 0.95);
        steps(&rig, 2); /* which the file replaces */
        assert_ok(rig.context, cae_trainer_resume(rig.trainer, in_directory("stopped")));
        steps(&rig, 9 - stop);
        expect(expected, checkpoint_of(&rig), "the checkpoint of a resumed run");
        expect(average, average_bytes(&rig), "the average of a resumed run");
        rig_free(&rig);
    }
    bytes_free(&expected);
    bytes_free(&average);
}
END_TEST

/* The file: version 2 of the trainer's state, and tensors beside the moments; version 1 without. */
START_TEST(tensors_of_the_average)
{
    const char *path = in_directory("tensors");
    float found[PARAMETERS] = {0}, expected[PARAMETERS];
    cae_model *average = NULL;
    struct rig rig;

    for (int with = 0; with < 2; with++) {
        rig_init(&rig, 1, CAE_OPTIMIZER_ADAM, with ? 0.9 : 0);
        steps(&rig, 3);
        assert_ok(rig.context, cae_trainer_average(&average, rig.trainer));
        parameters_of(expected, &rig, average);
        assert_ok(rig.context, cae_trainer_save(rig.trainer, path));
        struct st_file *file = st_open(path);
        const char *state = st_metadata(file, "libcae.trainer");
        ck_assert_ptr_nonnull(state);
        ck_assert(strstr(state, with ? "\"version\":2" : "\"version\":1"));
        ck_assert((strstr(state, "\"average\":true") != NULL) == with);
        ck_assert_uint_eq(st_count(file), with ? 16 : 12);
        for (int i = 0, at = 0; with && i < cae_model_tensor_count(average); i++) {
            char name[64];
            size_t n;

            snprintf(name, sizeof name, "optim.average.%s", cae_model_tensor_name(average, i));
            const float *values = st_floats(file, name, &n);
            memcpy(found + at, values, n * sizeof *values);
            at += (int)n;
        }
        ck_assert(!with || memcmp(found, expected, sizeof found) == 0);
        st_close(file);
        cae_model_destroy(average);

        /* a model file it is, too: with the parameters as they are */
        assert_ok(rig.context, cae_model_load(&average, rig.context, path));
        assert_same_models(average, rig.model, "the model in a checkpoint");
        cae_model_destroy(average);
        rig_free(&rig);
    }
}
END_TEST

/* A trainer that averages needs an average; one that does not does without, and goes on to the same
 * bits as if it had always done so. */
START_TEST(with_and_without)
{
    const char *with = in_directory("with"), *without = in_directory("without");
    struct bytes before, expected;
    struct rig rig;

    rig_init(&rig, 1, CAE_OPTIMIZER_ADAM, 0.9);
    steps(&rig, 4);
    assert_ok(rig.context, cae_trainer_save(rig.trainer, with));
    rig_free(&rig);
    rig_init(&rig, 1, CAE_OPTIMIZER_ADAM, 0);
    steps(&rig, 4);
    assert_ok(rig.context, cae_trainer_save(rig.trainer, without));
    steps(&rig, 3);
    expected = checkpoint_of(&rig);
    rig_free(&rig);

    rig_init(&rig, 1, CAE_OPTIMIZER_ADAM, 0);
    assert_ok(rig.context, cae_trainer_resume(rig.trainer, with));
    steps(&rig, 3);
    expect(expected, checkpoint_of(&rig), "without the average that was there");
    rig_free(&rig);

    rig_init(&rig, 1, CAE_OPTIMIZER_ADAM, 0.9);
    steps(&rig, 2);
    before = checkpoint_of(&rig);
    assert_fails(rig.context, CAE_ERR_SHAPE, cae_trainer_resume(rig.trainer, without));
    assert_says(rig.context, "no moving average");
    expect(before, checkpoint_of(&rig), "after a refused checkpoint");
    bytes_free(&before);
    bytes_free(&expected);
    rig_free(&rig);
}
END_TEST

/* The trainer's state is JSON in a JSON string. */
static const struct {
    const char *from, *to, *says;
} lies[] = {
    {"{\\\"version\\\":2,\\\"step", "{\\\"version\\\":1,\\\"step", "version 1"},
    {"{\\\"version\\\":2,\\\"step", "{\\\"version\\\":3,\\\"step", "version 3"},
    {",\\\"average\\\":true", "", "version 2"},
    {",\\\"average\\\":true", ",\\\"average\\\":false", "version 2"},
    {",\\\"average\\\":true", ",\\\"average\\\":1", "average"},
    {",\\\"average\\\":true", ",\\\"average\\\":true,\\\"average\\\":true", "twice"},
    {"optim.average.2.weight", "optim.overage.2.weight", "optim.average.2.weight"},
    {"\"optim.average.0.bias\":{\"dtype\":\"F32\",\"shape\":[2]",
     "\"optim.average.0.bias\":{\"dtype\":\"F32\",\"shape\":[1,2]", "optim.average.0.bias"},
};

START_TEST(files_that_lie)
{
    const char *path = in_directory("lie");
    struct rig rig;

    rig_init(&rig, 1, CAE_OPTIMIZER_ADAM, 0.9);
    steps(&rig, 5);
    struct bytes file = checkpoint_of(&rig), lie = edited(file, lies[_i].from, lies[_i].to);
    steps(&rig, 1);
    struct bytes before = checkpoint_of(&rig);
    write_file(path, lie.data, lie.size);
    const cae_status status = cae_trainer_resume(rig.trainer, path);
    ck_assert(status == CAE_ERR_FORMAT || status == CAE_ERR_SHAPE);
    assert_says(rig.context, lies[_i].says);
    expect(before, checkpoint_of(&rig), "after a refused checkpoint");
    bytes_free(&file);
    bytes_free(&lie);
    bytes_free(&before);
    rig_free(&rig);
}
END_TEST

/* A NaN among the values of the average, which begin the file's data: "optim.average.0.bias". */
START_TEST(values_that_are_not_finite)
{
    const unsigned char nan[4] = {0, 0, 0xc0, 0x7f};
    const char *path = in_directory("nan");
    struct rig rig;

    rig_init(&rig, 1, CAE_OPTIMIZER_ADAM, 0.9);
    steps(&rig, 5);
    struct bytes file = checkpoint_of(&rig);
    const size_t data = 8 + header_size(file), plain = (2 + 18 + 1 + 18) * sizeof(float);
    memcpy(file.data + data + plain, nan, sizeof nan); /* sorted by name, the parameters come first */
    write_file(path, file.data, file.size);
    struct bytes before = checkpoint_of(&rig);
    assert_fails(rig.context, CAE_ERR_NUMERIC, cae_trainer_resume(rig.trainer, path));
    assert_says(rig.context, "optim.average.0.bias");
    expect(before, checkpoint_of(&rig), "after a refused checkpoint");
    bytes_free(&file);
    bytes_free(&before);
    rig_free(&rig);
}
END_TEST

/* Each request of a trainer with an average is refused once, and nothing of it is left. */
START_TEST(no_memory_for_it)
{
    const cae_trainer_options options = training(0.9);
    long refused = 0, blocks;
    struct rig rig;

    rig_init(&rig, 1, CAE_OPTIMIZER_ADAM, 0.9);
    struct bytes before = model_bytes(rig.model);
    cae_trainer_destroy(rig.trainer);
    blocks = atomic_load(&rig.heap.blocks);
    for (cae_status status = CAE_ERR_MEMORY; status != CAE_OK; refused++) {
        heap_fail(&rig.heap, refused, false);
        status = cae_trainer_create(&rig.trainer, rig.model, rig.optimizer, rig.dataset, &options);
        ck_assert_int_eq(status, heap_failed(&rig.heap) ? CAE_ERR_MEMORY : CAE_OK);
        heap_fail(&rig.heap, -1, false);
        if (status != CAE_OK) {
            ck_assert_ptr_null(rig.trainer);
            ck_assert_int_eq(atomic_load(&rig.heap.blocks), blocks);
        }
    }
    ck_assert_int_gt(refused, 5);
    expect(before, average_bytes(&rig), "an average that has not begun");
    bytes_free(&before);
    rig_free(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("average");
    TCase *c = tcase_create("average");

    tcase_set_timeout(c, 60);
    tcase_add_unchecked_fixture(c, directory_setup, directory_teardown);
    tcase_add_loop_test(c, it_follows_the_recurrence, 0, COUNT(kinds) * COUNT(decays));
    tcase_add_test(c, it_warms_up);
    tcase_add_test(c, without_it_the_model_is_copied);
    tcase_add_test(c, it_stays_finite);
    tcase_add_loop_test(c, a_harmful_update_leaves_no_trace, 0, COUNT(kinds));
    tcase_add_test(c, a_refused_update_is_not_averaged);
    tcase_add_loop_test(c, resumed_it_comes_to_the_same_bits, 0, COUNT(kinds));
    tcase_add_test(c, tensors_of_the_average);
    tcase_add_test(c, with_and_without);
    tcase_add_loop_test(c, files_that_lie, 0, COUNT(lies));
    tcase_add_test(c, values_that_are_not_finite);
    tcase_add_test(c, no_memory_for_it);
    suite_add_tcase(suite, c);
    return test_main(suite);
}
