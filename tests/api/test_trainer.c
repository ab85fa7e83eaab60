/* test_trainer.c - optimizers, schedules, steps, epochs and evaluation, as a user sees them. That
 * gradients and updates are PyTorch's is shown in tests/parity; here it is what is visited when, what
 * the numbers reported mean, that nothing depends on threads, and what happens when things go wrong. */
#include "api.h"

#include <float.h>
#include <math.h>
#include <pthread.h>

/* Everything that training needs, in one place. Destroyed in the order of the members. */
struct rig {
    struct heap heap;
    cae_context *context;
    cae_model *model;
    cae_optimizer *optimizer;
    cae_dataset *dataset;
    cae_trainer *trainer;
};

static cae_trainer_options training(int32_t batch)
{
    cae_trainer_options options;

    ck_assert_int_eq(cae_trainer_options_init(&options, sizeof options), CAE_OK);
    options.batch = batch;
    return options;
}

static cae_optimizer_options optimizing(int32_t kind, double rate)
{
    cae_optimizer_options options;

    ck_assert_int_eq(cae_optimizer_options_init(&options, sizeof options), CAE_OK);
    options.kind = kind;
    options.learning_rate = rate;
    return options;
}

static void rig_init(struct rig *rig, int threads)
{
    *rig = (struct rig){.heap = HEAP};
    rig->context = heap_context(&rig->heap, threads);
}

static void rig_join(struct rig *rig, const cae_optimizer_options *optimizer,
                     const cae_trainer_options *trainer)
{
    assert_ok(rig->context, cae_optimizer_create(&rig->optimizer, rig->model, optimizer));
    assert_ok(rig->context, cae_trainer_create(&rig->trainer, rig->model, rig->optimizer,
                                               rig->dataset, trainer));
}

/* The small model and `count` random images of 6x6. */
static void rig_small(struct rig *rig, int threads, int64_t count,
                      const cae_optimizer_options *optimizer, const cae_trainer_options *trainer)
{
    rig_init(rig, threads);
    rig->model = small_model(rig->context, 1);
    rig->dataset = float_images(rig->context, NULL, count, 6);
    rig_join(rig, optimizer, trainer);
}

/* One value is an image, and the model multiplies it by `weight`; SGD with a rate so small that no
 * step changes that. What a step saw can then be read off its loss. */
static void rig_pointwise(struct rig *rig, float weight, const float *values, int64_t count,
                          int side, const cae_trainer_options *trainer)
{
    const cae_optimizer_options still = optimizing(CAE_OPTIMIZER_SGD, 1e-30);

    rig_init(rig, 1);
    rig->model = pointwise_model(rig->context, weight, 0);
    rig->dataset = float_images(rig->context, values, count, side);
    rig_join(rig, &still, trainer);
}

static void rig_free(struct rig *rig)
{
    cae_context_destroy(rig->context);
    cae_model_destroy(rig->model);
    cae_optimizer_destroy(rig->optimizer);
    cae_dataset_destroy(rig->dataset);
    cae_trainer_destroy(rig->trainer);
    assert_balanced(&rig->heap, "a trainer and all it was made from");
}

static cae_progress step(struct rig *rig)
{
    cae_progress progress;

    ck_assert_int_eq(cae_progress_init(&progress, sizeof progress), CAE_OK);
    assert_ok(rig->context, cae_trainer_step(&progress, rig->trainer));
    return progress;
}

static cae_progress epoch(struct rig *rig)
{
    cae_progress progress;

    ck_assert_int_eq(cae_progress_init(&progress, sizeof progress), CAE_OK);
    assert_ok(rig->context, cae_trainer_epoch(&progress, rig->trainer, NULL, NULL));
    return progress;
}

static cae_progress progress_of(const struct rig *rig)
{
    cae_progress progress;

    ck_assert_int_eq(cae_progress_init(&progress, sizeof progress), CAE_OK);
    assert_ok(rig->context, cae_trainer_progress(&progress, rig->trainer));
    return progress;
}

static void assert_model_is(const struct rig *rig, struct bytes expected, const char *what)
{
    struct bytes found = model_bytes(rig->model);

    assert_same_bytes(found, expected, what);
    bytes_free(&found);
}

static const int32_t kinds[] = {CAE_OPTIMIZER_SGD, CAE_OPTIMIZER_ADAM, CAE_OPTIMIZER_ADAMW};

/* --- Options --------------------------------------------------------------------------------- */

/* One field wrong at a time. Fields are int32, int64 or double; `kind` says which. */
struct bad_field {
    const char *name;
    size_t offset;
    char kind;
    double value;
};

static void set_field(void *options, const struct bad_field *bad)
{
    char *field = (char *)options + bad->offset;
    const int32_t narrow = bad->kind == 'i' ? (int32_t)bad->value : 0;
    const int64_t wide = bad->kind == 'l' ? (int64_t)bad->value : 0;

    if (bad->kind == 'i')
        memcpy(field, &narrow, sizeof narrow);
    else if (bad->kind == 'l')
        memcpy(field, &wide, sizeof wide);
    else
        memcpy(field, &bad->value, sizeof bad->value);
}

#define INT(type, name) #name, offsetof(type, name), 'i'
#define LONG(type, name) #name, offsetof(type, name), 'l'
#define DOUBLE(type, name) #name, offsetof(type, name), 'd'
#define O cae_optimizer_options
#define T cae_trainer_options
#define NOT_A_NUMBER ((double)NAN)

static const struct bad_field bad_optimizer[] = {
    {INT(O, kind), -1},
    {INT(O, kind), 3},
    {INT(O, kind), INT32_MIN},
    {DOUBLE(O, learning_rate), 0},
    {DOUBLE(O, learning_rate), -1e-3},
    {DOUBLE(O, learning_rate), NOT_A_NUMBER},
    {DOUBLE(O, learning_rate), HUGE_VAL},
    {DOUBLE(O, learning_rate), -HUGE_VAL},
    {DOUBLE(O, learning_rate), 1e39}, /* updates are floats */
    {DOUBLE(O, momentum), -0.1},
    {DOUBLE(O, momentum), 1},
    {DOUBLE(O, momentum), NOT_A_NUMBER},
    {DOUBLE(O, beta1), -0.1},
    {DOUBLE(O, beta1), 1},
    {DOUBLE(O, beta1), NOT_A_NUMBER},
    {DOUBLE(O, beta2), -0.1},
    {DOUBLE(O, beta2), 1},
    {DOUBLE(O, beta2), HUGE_VAL},
    {DOUBLE(O, beta2), NOT_A_NUMBER},
    {DOUBLE(O, epsilon), 0},
    {DOUBLE(O, epsilon), -1e-8},
    {DOUBLE(O, epsilon), NOT_A_NUMBER},
    {DOUBLE(O, epsilon), HUGE_VAL},
    {DOUBLE(O, epsilon), 1e-60}, /* 0 as a float: 0 / 0 where a gradient is 0 */
    {DOUBLE(O, weight_decay), -1e-3},
    {DOUBLE(O, weight_decay), NOT_A_NUMBER},
    {DOUBLE(O, weight_decay), HUGE_VAL},
    {DOUBLE(O, weight_decay), 1e300}, /* infinite as a float */
    {INT(O, nesterov), 2},
    {INT(O, nesterov), -1},
    {INT(O, nesterov), 1}, /* without momentum */
    {INT(O, reserved), 1},
};

START_TEST(optimizer_options_out_of_range)
{
    const struct bad_field *bad = &bad_optimizer[_i];
    cae_optimizer_options options = optimizing(CAE_OPTIMIZER_ADAM, 1e-3);
    cae_context *context = test_context();
    cae_model *model = small_model(context, 1);
    cae_optimizer *optimizer = (void *)&options;

    set_field(&options, bad);
    assert_fails(context, CAE_ERR_OPTIONS, cae_optimizer_create(&optimizer, model, &options));
    assert_says(context, bad->name);
    ck_assert_ptr_null(optimizer);
    cae_model_destroy(model);
    cae_context_destroy(context);
}
END_TEST

static const struct bad_field bad_trainer[] = {
    {INT(T, batch), 0},
    {INT(T, batch), -1},
    {INT(T, batch), INT32_MIN},
    {INT(T, loss), -1},
    {INT(T, loss), 4},
    {INT(T, shuffle), -1},
    {INT(T, shuffle), 2},
    {DOUBLE(T, huber_delta), 0},
    {DOUBLE(T, huber_delta), -1},
    {DOUBLE(T, huber_delta), NOT_A_NUMBER},
    {DOUBLE(T, huber_delta), HUGE_VAL},
    {DOUBLE(T, huber_delta), 1e-60}, /* 0 as a float: no loss at all */
    {DOUBLE(T, noise_sigma), -0.1},
    {DOUBLE(T, noise_sigma), NOT_A_NUMBER},
    {DOUBLE(T, noise_sigma), HUGE_VAL},
    {DOUBLE(T, noise_sigma), 1e300},
    {DOUBLE(T, noise_sigma_max), -0.1},
    {DOUBLE(T, noise_sigma_max), NOT_A_NUMBER},
    {DOUBLE(T, noise_sigma_max), HUGE_VAL},
    {DOUBLE(T, noise_sigma_max), 1e300},
    {DOUBLE(T, average_decay), -0.1},
    {DOUBLE(T, average_decay), 1},
    {DOUBLE(T, average_decay), NOT_A_NUMBER},
    {DOUBLE(T, average_decay), HUGE_VAL},
    {DOUBLE(T, epsilon), -1e-3},
    {DOUBLE(T, epsilon), 9e-19}, /* its square may be none */
    {DOUBLE(T, epsilon), 1.1e18},
    {DOUBLE(T, epsilon), NOT_A_NUMBER},
    {DOUBLE(T, epsilon), HUGE_VAL},
    {INT(T, augment), -1},
    {INT(T, augment), 8},
    {INT(T, augment), INT32_MIN},
    {INT(T, reserved2), 1},
    {DOUBLE(T, clip_norm), -1},
    {DOUBLE(T, clip_norm), NOT_A_NUMBER},
    {DOUBLE(T, clip_norm), HUGE_VAL},
    {INT(T, schedule), -1},
    {INT(T, schedule), 3},
    {INT(T, reserved), 1},
    {LONG(T, warmup_steps), -1},
    {DOUBLE(T, decay_factor), 0},
    {DOUBLE(T, decay_factor), -0.5},
    {DOUBLE(T, decay_factor), 1.5},
    {DOUBLE(T, decay_factor), NOT_A_NUMBER},
    {DOUBLE(T, final_fraction), -0.1},
    {DOUBLE(T, final_fraction), 1.1},
    {DOUBLE(T, final_fraction), NOT_A_NUMBER},
};

static void check_trainer_options(cae_status expected, const cae_trainer_options *options,
                                  const char *part)
{
    struct rig rig;
    cae_trainer *trainer = (void *)&rig;

    rig_small(&rig, 1, 4, NULL, NULL);
    if (expected == CAE_OK) {
        assert_ok(rig.context, cae_trainer_create(&trainer, rig.model, rig.optimizer, rig.dataset,
                                                  options));
        cae_trainer_destroy(trainer);
    } else {
        assert_fails(rig.context, expected, cae_trainer_create(&trainer, rig.model, rig.optimizer,
                                                               rig.dataset, options));
        assert_says(rig.context, part);
        ck_assert_ptr_null(trainer);
    }
    rig_free(&rig);
}

START_TEST(trainer_options_out_of_range)
{
    cae_trainer_options options = training(4);

    set_field(&options, &bad_trainer[_i]);
    check_trainer_options(CAE_ERR_OPTIONS, &options, bad_trainer[_i].name);
}
END_TEST

/* Two fields that must fit each other, and images that must fit one. */
START_TEST(ranges_and_turns_that_do_not_fit)
{
    cae_trainer_options options = training(4);
    cae_dataset_options floats;
    cae_dataset *dataset = NULL;
    cae_trainer *trainer = NULL;
    float images[2 * 6 * 7];
    struct rig rig;

    options.noise_sigma = 0.2, options.noise_sigma_max = 0.2;
    check_trainer_options(CAE_OK, &options, "");
    options.noise_sigma_max = 0.19;
    check_trainer_options(CAE_ERR_OPTIONS, &options, "noise_sigma_max is 0.19, expected 0 or at least "
                                                     "noise_sigma, 0.2");
    options = training(4);
    options.epsilon = 1e-18;
    check_trainer_options(CAE_OK, &options, "");
    options.epsilon = 1e18;
    check_trainer_options(CAE_OK, &options, "");

    rig_small(&rig, 1, 4, NULL, NULL);
    random_floats(1, images, COUNT(images), -1, 1);
    assert_ok(rig.context, cae_dataset_options_init(&floats, sizeof floats));
    floats.type = CAE_TYPE_F32;
    assert_ok(rig.context, cae_dataset_create(&dataset, rig.context, images, sizeof images, 2, 1, 6, 7,
                                              &floats));
    options = training(2);
    for (int32_t augment = 0; augment < 8; augment++) {
        options.augment = augment;
        if (!(augment & CAE_AUGMENT_TRANSPOSE)) {
            assert_ok(rig.context, cae_trainer_create(&trainer, rig.model, rig.optimizer, dataset, &options));
            assert_ok(rig.context, cae_trainer_step(NULL, trainer));
            cae_trainer_destroy(trainer);
            continue;
        }
        assert_fails(rig.context, CAE_ERR_SHAPE,
                     cae_trainer_create(&trainer, rig.model, rig.optimizer, dataset, &options));
        assert_says(rig.context, "images of 6x7 cannot be transposed");
        ck_assert_ptr_null(trainer);
    }
    cae_dataset_destroy(dataset);
    rig_free(&rig);
}
END_TEST

/* What a host of 1.0.0 passes, and one that has zeros in all that came later, train alike. */
START_TEST(options_of_an_older_host)
{
    cae_trainer_options now = training(4), then = training(4);
    struct bytes bytes[2];

    now.noise_sigma = then.noise_sigma = 0.1;
    then.size = (uint32_t)offsetof(cae_trainer_options, noise_sigma_max);
    memset((char *)&then + then.size, 0xff, sizeof then - then.size); /* which nobody reads */
    for (int i = 0; i < 2; i++) {
        struct rig rig;

        rig_small(&rig, 1, 10, NULL, i ? &then : &now);
        epoch(&rig);
        bytes[i] = model_bytes(rig.model);
        rig_free(&rig);
    }
    assert_same_bytes(bytes[1], bytes[0], "options of an older host");
    bytes_free(&bytes[0]);
    bytes_free(&bytes[1]);
}
END_TEST

static const struct {
    int32_t schedule;
    int64_t warmup, decay;
    cae_status expected;
} schedules[] = {
    {CAE_SCHEDULE_CONSTANT, 0, 0, CAE_OK},
    {CAE_SCHEDULE_CONSTANT, INT64_MAX, 0, CAE_OK},
    {CAE_SCHEDULE_STEP, 0, 1, CAE_OK},
    {CAE_SCHEDULE_STEP, 100, 1, CAE_OK},
    {CAE_SCHEDULE_STEP, 0, 0, CAE_ERR_OPTIONS},
    {CAE_SCHEDULE_STEP, 0, -1, CAE_ERR_OPTIONS},
    {CAE_SCHEDULE_COSINE, 0, 1, CAE_OK},
    {CAE_SCHEDULE_COSINE, 5, 6, CAE_OK},
    {CAE_SCHEDULE_COSINE, 0, 0, CAE_ERR_OPTIONS},
    {CAE_SCHEDULE_COSINE, 5, 5, CAE_ERR_OPTIONS}, /* nothing is left after the warm-up */
    {CAE_SCHEDULE_COSINE, 5, 4, CAE_ERR_OPTIONS},
    {CAE_SCHEDULE_COSINE, 0, INT64_MIN, CAE_ERR_OPTIONS},
};

START_TEST(schedules_need_their_steps)
{
    cae_trainer_options options = training(4);

    options.schedule = schedules[_i].schedule;
    options.warmup_steps = schedules[_i].warmup;
    options.decay_steps = schedules[_i].decay;
    check_trainer_options(schedules[_i].expected, &options, "decay_steps");
}
END_TEST

START_TEST(learning_rates_out_of_range)
{
    const double bad[] = {0, -1, NOT_A_NUMBER, HUGE_VAL, -HUGE_VAL, 1e39};
    struct rig rig;

    rig_small(&rig, 1, 4, NULL, NULL);
    ck_assert_double_eq(cae_optimizer_learning_rate(rig.optimizer), 1e-3);
    for (int i = 0; i < COUNT(bad); i++) {
        assert_fails(rig.context, CAE_ERR_ARGUMENT,
                     cae_optimizer_set_learning_rate(rig.optimizer, bad[i]));
        assert_says(rig.context, "learning_rate");
        ck_assert_double_eq(cae_optimizer_learning_rate(rig.optimizer), 1e-3);
    }
    assert_ok(rig.context, cae_optimizer_set_learning_rate(rig.optimizer, 0.25));
    ck_assert_double_eq(cae_optimizer_learning_rate(rig.optimizer), 0.25);
    ck_assert_int_eq(cae_optimizer_set_learning_rate(NULL, 1), CAE_ERR_ARGUMENT);
    ck_assert_double_eq(cae_optimizer_learning_rate(NULL), 0);
    rig_free(&rig);
}
END_TEST

/* --- What does not belong together ----------------------------------------------------------- */

/* cae_trainer_create is refused with these three, and says both parts. */
static void check_mismatch(struct rig *rig, cae_status expected, cae_model *model,
                           cae_optimizer *optimizer, const cae_dataset *dataset, const char *one,
                           const char *other)
{
    cae_trainer *trainer = (void *)rig;

    assert_fails(rig->context, expected,
                 cae_trainer_create(&trainer, model, optimizer, dataset, NULL));
    assert_says(rig->context, one);
    assert_says(rig->context, other);
    ck_assert_ptr_null(trainer);
}

START_TEST(an_optimizer_of_another_model)
{
    struct rig rig, other;

    rig_small(&rig, 1, 4, NULL, NULL);
    rig_small(&other, 1, 4, NULL, NULL);
    check_mismatch(&rig, CAE_ERR_ARGUMENT, rig.model, other.optimizer, rig.dataset, "optimizer",
                   "another model");
    rig_free(&rig);
    rig_free(&other);
}
END_TEST

START_TEST(images_that_the_model_cannot_read)
{
    struct rig rig;
    cae_dataset *colour = NULL, *tiny = float_images((rig_small(&rig, 1, 4, NULL, NULL),
                                                      rig.context), NULL, 4, 2);

    assert_ok(rig.context,
              cae_dataset_create_dead_leaves(&colour, rig.context, 4, 3, 8, 8, 1, NULL));
    check_mismatch(&rig, CAE_ERR_SHAPE, rig.model, rig.optimizer, colour, "reads 1", "has 3");
    check_mismatch(&rig, CAE_ERR_SHAPE, rig.model, rig.optimizer, tiny, "layer 0", "2x2");
    cae_dataset_destroy(colour);
    cae_dataset_destroy(tiny);
    rig_free(&rig);
}
END_TEST

/* Training compares the output with the image. */
START_TEST(a_model_with_an_output_of_another_shape)
{
    const struct {
        int32_t channels, kernel;
        const char *out;
    } layers[] = {{1, 3, "1x4x4"}, {2, 1, "2x6x6"}};
    struct rig rig;

    rig_small(&rig, 1, 4, NULL, NULL);
    for (int i = 0; i < COUNT(layers); i++) {
        cae_conv_options options;
        cae_spec *spec = NULL;
        cae_model *model = NULL;
        cae_optimizer *optimizer = NULL;

        assert_ok(rig.context, cae_conv_options_init(&options, sizeof options));
        options.kernel_h = options.kernel_w = layers[i].kernel;
        assert_ok(rig.context, cae_spec_create(&spec, rig.context));
        assert_ok(rig.context, cae_spec_add_conv(spec, 1, layers[i].channels, &options));
        assert_ok(rig.context, cae_model_create(&model, rig.context, spec, 1));
        assert_ok(rig.context, cae_optimizer_create(&optimizer, model, NULL));
        check_mismatch(&rig, CAE_ERR_SHAPE, model, optimizer, rig.dataset, "1x6x6", layers[i].out);
        cae_spec_destroy(spec);
        cae_model_destroy(model);
        cae_optimizer_destroy(optimizer);
    }
    rig_free(&rig);
}
END_TEST

START_TEST(null_where_trainers_are_made_and_used)
{
    struct rig rig;
    cae_trainer *trainer = (void *)&rig;
    cae_optimizer *optimizer = (void *)&rig;
    cae_progress progress;
    float values[18];

    rig_small(&rig, 1, 4, NULL, NULL);
    assert_fails(rig.context, CAE_ERR_ARGUMENT, cae_optimizer_create(NULL, rig.model, NULL));
    ck_assert_int_eq(cae_optimizer_create(&optimizer, NULL, NULL), CAE_ERR_ARGUMENT);
    ck_assert_ptr_null(optimizer);

    assert_fails(rig.context, CAE_ERR_ARGUMENT,
                 cae_trainer_create(NULL, rig.model, rig.optimizer, rig.dataset, NULL));
    check_mismatch(&rig, CAE_ERR_ARGUMENT, rig.model, NULL, rig.dataset, "optimizer", "NULL");
    check_mismatch(&rig, CAE_ERR_ARGUMENT, rig.model, rig.optimizer, NULL, "dataset", "NULL");
    ck_assert_int_eq(cae_trainer_create(&trainer, NULL, rig.optimizer, rig.dataset, NULL),
                     CAE_ERR_ARGUMENT);
    ck_assert_ptr_null(trainer);

    cae_progress_init(&progress, sizeof progress);
    ck_assert_int_eq(cae_trainer_step(&progress, NULL), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_trainer_epoch(&progress, NULL, NULL, NULL), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_trainer_progress(&progress, NULL), CAE_ERR_ARGUMENT);
    assert_fails(rig.context, CAE_ERR_ARGUMENT, cae_trainer_progress(NULL, rig.trainer));
    ck_assert_int_eq(cae_trainer_steps_per_epoch(NULL), 0);
    ck_assert_int_eq(cae_trainer_get_gradient(values, 18, NULL, "0.weight"), CAE_ERR_ARGUMENT);
    assert_fails(rig.context, CAE_ERR_ARGUMENT,
                 cae_trainer_get_gradient(NULL, 18, rig.trainer, "0.weight"));
    assert_fails(rig.context, CAE_ERR_ARGUMENT,
                 cae_trainer_get_gradient(values, 18, rig.trainer, NULL));
    assert_fails(rig.context, CAE_ERR_NAME,
                 cae_trainer_get_gradient(values, 18, rig.trainer, "1.weight"));
    assert_fails(rig.context, CAE_ERR_SHAPE,
                 cae_trainer_get_gradient(values, 17, rig.trainer, "0.weight"));

    assert_ok(rig.context, cae_trainer_step(NULL, rig.trainer)); /* results may be unwanted */
    assert_ok(rig.context, cae_trainer_epoch(NULL, rig.trainer, NULL, NULL));
    rig_free(&rig);
}
END_TEST

/* A struct of the wrong size is noticed before anything is done. */
START_TEST(a_refused_result_takes_no_step)
{
    struct rig rig;
    cae_progress progress = {.size = 3};
    struct bytes before;

    rig_small(&rig, 1, 4, NULL, NULL);
    before = model_bytes(rig.model);
    assert_fails(rig.context, CAE_ERR_OPTIONS, cae_trainer_step(&progress, rig.trainer));
    assert_fails(rig.context, CAE_ERR_OPTIONS,
                 cae_trainer_epoch(&progress, rig.trainer, NULL, NULL));
    assert_model_is(&rig, before, "after refused results");
    ck_assert_int_eq(progress_of(&rig).step, 0);
    bytes_free(&before);
    rig_free(&rig);
}
END_TEST

/* --- Learning -------------------------------------------------------------------------------- */

/* Every optimizer with every loss, on images: after 40 epochs the loss is below half of what it was
 * (measured: below a third). */
START_TEST(the_loss_goes_down)
{
    const int32_t kind = kinds[_i % 3];
    const int32_t loss = _i / 3;
    /* L1's gradient does not fade: at 0.1 its loss ends between 0.15 and 0.20, by chance of rounding */
    const double rate = kind != CAE_OPTIMIZER_SGD ? 0.01 : loss == CAE_LOSS_L1 ? 0.02 : 0.1;
    cae_optimizer_options optimizer = optimizing(kind, rate);
    cae_trainer_options options = training(8);
    double first;
    struct rig rig;

    options.loss = loss;
    optimizer.momentum = 0.9;
    rig_init(&rig, 1);
    rig.model = small_model(rig.context, 1);
    assert_ok(rig.context, cae_dataset_create_dead_leaves(&rig.dataset, rig.context, 40, 1, 10, 10,
                                                          1, NULL));
    rig_join(&rig, &optimizer, &options);
    first = epoch(&rig).loss;
    for (int i = 0; i < 39; i++)
        epoch(&rig);
    ck_assert_double_lt(progress_of(&rig).epoch_loss, 0.5 * first);
    rig_free(&rig);
}
END_TEST

/* y = 0, so d = -x, with x = 1, 2, 3, 4: sums that floats hold exactly. */
START_TEST(losses_are_means_over_all_values)
{
    const float x[4] = {1, 2, 3, 4};
    const double expected[] = {7.5, 2.5, (0.5 + 2 + 2 * (3 - 1) + 2 * (4 - 1)) / 4};

    for (int32_t loss = CAE_LOSS_MSE; loss <= CAE_LOSS_HUBER; loss++) {
        cae_trainer_options options = training(1);
        struct rig rig;

        options.loss = loss;
        options.huber_delta = 2;
        rig_pointwise(&rig, 0, x, 1, 2, &options);
        ck_assert_double_eq(step(&rig).loss, expected[loss]);
        rig_free(&rig);
    }
}
END_TEST

/* SGD on y = w x + b by hand: dw = mean 2 (y - x) x, db = mean 2 (y - x). */
START_TEST(one_step_by_hand)
{
    const float x[4] = {1, 2, 3, 4};
    const cae_optimizer_options sgd = optimizing(CAE_OPTIMIZER_SGD, 0.125);
    float w, b, dw, db;
    cae_progress progress;
    struct rig rig;

    rig_init(&rig, 1);
    rig.model = pointwise_model(rig.context, 3, 1); /* y - x = 3, 5, 7, 9 */
    rig.dataset = float_images(rig.context, x, 1, 2);
    rig_join(&rig, &sgd, NULL);
    progress = step(&rig);
    ck_assert_double_eq(progress.loss, (9 + 25 + 49 + 81) / 4.0);
    assert_ok(rig.context, cae_trainer_get_gradient(&dw, 1, rig.trainer, "0.weight"));
    assert_ok(rig.context, cae_trainer_get_gradient(&db, 1, rig.trainer, "0.bias"));
    ck_assert(dw == 2 * (3 + 10 + 21 + 36) / 4.0f);
    ck_assert(db == 2 * (3 + 5 + 7 + 9) / 4.0f);
    ck_assert_double_eq_tol(progress.gradient_norm, hypot((double)dw, (double)db), 1e-12);
    assert_ok(rig.context, cae_model_get_tensor(&w, 1, rig.model, "0.weight"));
    assert_ok(rig.context, cae_model_get_tensor(&b, 1, rig.model, "0.bias"));
    ck_assert(w == 3 - 0.125f * dw);
    ck_assert(b == 1 - 0.125f * db);
    rig_free(&rig);
}
END_TEST

/* --- Schedules ------------------------------------------------------------------------------- */

/* The formulas of the header. */
static double factor(const cae_trainer_options *o, int64_t t)
{
    const double pi = acos(-1.0);
    double u;

    if (t < o->warmup_steps)
        return (double)(t + 1) / (double)o->warmup_steps;
    if (o->schedule == CAE_SCHEDULE_CONSTANT)
        return 1;
    if (o->schedule == CAE_SCHEDULE_STEP)
        return pow(o->decay_factor, floor((double)(t - o->warmup_steps) / (double)o->decay_steps));
    u = fmin(1, (double)(t - o->warmup_steps) / (double)(o->decay_steps - o->warmup_steps));
    return o->final_fraction + (1 - o->final_fraction) * (1 + cos(pi * u)) / 2;
}

static const struct {
    int32_t schedule;
    int64_t warmup, decay;
    double decay_factor, final_fraction;
} courses[] = {
    {CAE_SCHEDULE_CONSTANT, 0, 0, 0.1, 0},  {CAE_SCHEDULE_CONSTANT, 5, 0, 0.1, 0},
    {CAE_SCHEDULE_STEP, 0, 4, 0.5, 0},      {CAE_SCHEDULE_STEP, 3, 1, 0.9, 0},
    {CAE_SCHEDULE_STEP, 1, 7, 1, 0},        {CAE_SCHEDULE_COSINE, 0, 20, 0.1, 0},
    {CAE_SCHEDULE_COSINE, 6, 20, 0.1, 0.25}, {CAE_SCHEDULE_COSINE, 0, 1, 0.1, 1},
    {CAE_SCHEDULE_COSINE, 1, 2, 0.1, 0.5},
};

/* 30 steps over several epochs, past the end of every course; half-way the base rate changes. */
START_TEST(rates_follow_the_schedule)
{
    cae_trainer_options options = training(3);
    double base = 1e-3;
    struct rig rig;

    options.schedule = courses[_i].schedule;
    options.warmup_steps = courses[_i].warmup;
    options.decay_steps = courses[_i].decay;
    options.decay_factor = courses[_i].decay_factor;
    options.final_fraction = courses[_i].final_fraction;
    rig_small(&rig, 1, 10, NULL, &options);
    for (int64_t t = 0; t < 30; t++) {
        double expected;

        if (t == 15)
            assert_ok(rig.context, cae_optimizer_set_learning_rate(rig.optimizer, base = 2e-3));
        expected = base * factor(&options, t);
        /* 1e-12: a few roundings of a double */
        ck_assert_double_eq_tol(step(&rig).learning_rate, expected, 1e-12 * base);
    }
    ck_assert_double_eq(cae_optimizer_learning_rate(rig.optimizer), 2e-3);
    rig_free(&rig);
}
END_TEST

/* And the rate that is reported is the one that was used: SGD moves by rate times gradient. */
START_TEST(the_reported_rate_is_the_one_used)
{
    const cae_optimizer_options sgd = optimizing(CAE_OPTIMIZER_SGD, 0.01);
    cae_trainer_options options = training(4);
    struct rig rig;

    options.schedule = CAE_SCHEDULE_COSINE;
    options.warmup_steps = 3;
    options.decay_steps = 12;
    rig_small(&rig, 1, 8, &sgd, &options);
    for (int i = 0; i < 12; i++) {
        float before[18], after[18], gradient[18], expected[18];
        cae_progress progress;

        assert_ok(rig.context, cae_model_get_tensor(before, 18, rig.model, "0.weight"));
        progress = step(&rig);
        assert_ok(rig.context, cae_model_get_tensor(after, 18, rig.model, "0.weight"));
        assert_ok(rig.context, cae_trainer_get_gradient(gradient, 18, rig.trainer, "0.weight"));
        for (int k = 0; k < 18; k++)
            expected[k] = before[k] - (float)progress.learning_rate * gradient[k];
        assert_close(after, expected, 18, 0, 1.2e-7, "weights after a step"); /* 1 rounding */
    }
    rig_free(&rig);
}
END_TEST

/* --- Clipping -------------------------------------------------------------------------------- */

enum { PARAMETERS = 39 };

static void whole_gradient(float *values, const struct rig *rig)
{
    static const char *const names[] = {"0.weight", "0.bias", "2.weight", "2.bias"};
    static const size_t counts[] = {18, 2, 18, 1};

    for (int i = 0; i < 4; values += counts[i++])
        assert_ok(rig->context,
                  cae_trainer_get_gradient(values, counts[i], rig->trainer, names[i]));
}

static double norm_of(const float *values, int count)
{
    double sum = 0;

    for (int i = 0; i < count; i++)
        sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

START_TEST(clipping_bounds_the_length_and_keeps_the_direction)
{
    const double limits[] = {1e-3, 0.1, 0};
    struct rig free_rig, rig;
    float free_gradient[PARAMETERS], gradient[PARAMETERS], expected[PARAMETERS];
    double norm;

    rig_small(&free_rig, 1, 8, NULL, NULL);
    norm = step(&free_rig).gradient_norm;
    whole_gradient(free_gradient, &free_rig);
    ck_assert_double_eq_tol(norm_of(free_gradient, PARAMETERS), norm, 1e-12);
    ck_assert_double_gt(norm, 0.1);

    for (int i = 0; i < COUNT(limits); i++) {
        const double limit = limits[i] > 0 ? limits[i] : 2 * norm; /* the last one does nothing */
        cae_trainer_options options = training(64);

        options.clip_norm = limit;
        rig_small(&rig, 1, 8, NULL, &options);
        ck_assert_double_eq(step(&rig).gradient_norm, norm); /* as it was before */
        whole_gradient(gradient, &rig);
        if (limit > norm) {
            ck_assert_int_eq(memcmp(gradient, free_gradient, sizeof gradient), 0);
        } else {
            /* PyTorch divides by norm + 1e-6, so a little less than the limit */
            ck_assert_double_eq_tol(norm_of(gradient, PARAMETERS), limit, 1e-4 * limit);
            ck_assert_double_le(norm_of(gradient, PARAMETERS), limit);
            for (int k = 0; k < PARAMETERS; k++)
                expected[k] = free_gradient[k] * (float)(limit / norm);
            assert_close(gradient, expected, PARAMETERS, 1e-4, 0, "direction");
        }
        rig_free(&rig);
    }
    rig_free(&free_rig);
}
END_TEST

/* --- What is visited when -------------------------------------------------------------------- */

/* x = 1, 2, ..., y = 0 and batches of one: the loss is the square of the image's number. */
static void visits(int *order, struct rig *rig, int count)
{
    for (int i = 0; i < count; i++) {
        const cae_progress progress = step(rig);

        order[i] = (int)lrint(sqrt(progress.loss)) - 1;
        ck_assert_double_eq(progress.loss, (order[i] + 1.0) * (order[i] + 1.0));
        ck_assert_int_eq(progress.epoch_done, i == count - 1);
        ck_assert_int_eq(progress.images, i + 1);
    }
}

static void numbered(struct rig *rig, int count, int32_t batch, int32_t shuffle, uint64_t seed)
{
    cae_trainer_options options = training(batch);
    float values[1000];

    options.shuffle = shuffle;
    options.seed = seed;
    for (int i = 0; i < count; i++)
        values[i] = (float)(i + 1);
    rig_pointwise(rig, 0, values, count, 1, &options);
}

static const int counts[] = {1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 100, 1000};

START_TEST(an_epoch_visits_each_image_once)
{
    const int count = counts[_i];
    int order[1000], before[1000], seen[1000], same = 0;
    struct rig rig;

    numbered(&rig, count, 1, 1, 1);
    for (int e = 0; e < 3; e++) {
        memset(seen, 0, sizeof seen);
        visits(order, &rig, count);
        for (int i = 0; i < count; i++) {
            ck_assert(order[i] >= 0 && order[i] < count);
            ck_assert_int_eq(seen[order[i]]++, 0);
            same += e > 0 && order[i] == before[i];
        }
        memcpy(before, order, sizeof before);
    }
    /* Two permutations agree in one place on average; in 10 of 1000 once in 10 million. */
    ck_assert(count < 15 || same <= 20);
    rig_free(&rig);
}
END_TEST

START_TEST(without_shuffle_images_come_in_order)
{
    int order[17];
    struct rig rig;

    numbered(&rig, 17, 1, 0, 1);
    for (int e = 0; e < 2; e++) {
        visits(order, &rig, 17);
        for (int i = 0; i < 17; i++)
            ck_assert_int_eq(order[i], i);
    }
    rig_free(&rig);
}
END_TEST

START_TEST(the_shuffle_is_a_function_of_the_seed)
{
    int first[100], again[100], other[100], same = 0;
    struct rig rig;

    numbered(&rig, 100, 1, 1, 7);
    visits(first, &rig, 100);
    rig_free(&rig);
    numbered(&rig, 100, 1, 1, 7);
    visits(again, &rig, 100);
    rig_free(&rig);
    numbered(&rig, 100, 1, 1, 7 + ((uint64_t)1 << 40));
    visits(other, &rig, 100);
    rig_free(&rig);
    ck_assert_int_eq(memcmp(first, again, sizeof first), 0);
    for (int i = 0; i < 100; i++)
        same += first[i] == other[i];
    ck_assert_int_le(same, 10);
}
END_TEST

/* Any image may come at any place: 400 epochs of 10 images. Chi squared with 81 degrees of freedom
 * is below 142 in all but one of 30,000 cases. */
START_TEST(the_shuffle_has_no_favourites)
{
    int order[10], at[10][10] = {{0}};
    double chi = 0;
    struct rig rig;

    numbered(&rig, 10, 1, 1, 3);
    for (int e = 0; e < 400; e++) {
        visits(order, &rig, 10);
        for (int i = 0; i < 10; i++)
            at[i][order[i]]++;
    }
    for (int i = 0; i < 10; i++)
        for (int k = 0; k < 10; k++)
            chi += (at[i][k] - 40.0) * (at[i][k] - 40.0) / 40;
    ck_assert_double_lt(chi, 142);
    rig_free(&rig);
}
END_TEST

/* 10 images in batches of 4: the last batch has 2, whose gradient is their mean, and which count as
 * two in the mean of the epoch. With y = 0, dw = mean 2 (0 - x) x = -2 loss. */
START_TEST(a_smaller_last_batch_has_its_own_weight)
{
    struct rig rig;

    numbered(&rig, 10, 4, 1, 1);
    ck_assert_int_eq(cae_trainer_steps_per_epoch(rig.trainer), 3);
    for (int e = 1; e <= 2; e++) {
        cae_progress progress;
        float gradient;

        for (int i = 0; i < 3; i++) {
            progress = step(&rig);
            assert_ok(rig.context,
                      cae_trainer_get_gradient(&gradient, 1, rig.trainer, "0.weight"));
            ck_assert_double_eq_tol((double)gradient, -2 * progress.loss, 1e-5 * progress.loss);
            ck_assert_int_eq(progress.images, i < 2 ? 4 * (i + 1) : 10);
            ck_assert_int_eq(progress.epoch_done, i == 2);
            ck_assert_int_eq(progress.epoch, i == 2 ? e : e - 1);
            ck_assert_int_eq(progress.step, 3 * (e - 1) + i + 1);
        }
        ck_assert_double_eq_tol(progress.epoch_loss, 38.5, 1e-12); /* mean of 1, 4, ..., 100 */
    }
    rig_free(&rig);
}
END_TEST

START_TEST(steps_in_an_epoch)
{
    const struct {
        int count;
        int32_t batch;
        int64_t steps;
    } cases[] = {{1, 1, 1}, {10, 1, 10}, {10, 3, 4}, {10, 5, 2}, {10, 10, 1}, {10, 11, 1},
                 {10, INT32_MAX, 1}};

    for (int i = 0; i < COUNT(cases); i++) {
        struct rig rig;

        numbered(&rig, cases[i].count, cases[i].batch, 1, 1);
        ck_assert_int_eq(cae_trainer_steps_per_epoch(rig.trainer), cases[i].steps);
        for (int64_t k = 1; k <= cases[i].steps; k++)
            ck_assert_int_eq(step(&rig).epoch_done, k == cases[i].steps);
        rig_free(&rig);
    }
}
END_TEST

START_TEST(a_batch_larger_than_the_dataset_is_the_dataset)
{
    const cae_trainer_options equal = training(12), larger = training(1000);
    struct rig a, b;

    rig_small(&a, 1, 12, NULL, &equal);
    rig_small(&b, 1, 12, NULL, &larger);
    for (int i = 0; i < 5; i++) {
        ck_assert_double_eq(step(&a).loss, step(&b).loss);
        assert_same_models(a.model, b.model, "batch 12 and batch 1000 of 12 images");
    }
    rig_free(&a);
    rig_free(&b);
}
END_TEST

/* y = x here, so the loss is the mean square of the noise: that of cae_add_noise with the epoch as
 * its visit and the image's own number, whatever its place in the order. */
START_TEST(noise_is_that_of_the_seed_the_epoch_and_the_image)
{
    enum { IMAGES = 7, PIXELS = 25 };
    cae_trainer_options options = training(1);
    float clean[IMAGES * PIXELS];
    struct rig rig;

    random_floats(5, clean, IMAGES * PIXELS, -1, 1);
    options.shuffle = 0;
    options.seed = 77;
    options.noise_sigma = 0.3;
    rig_pointwise(&rig, 1, clean, IMAGES, 5, &options);
    for (uint32_t e = 0; e < 3; e++)
        for (uint64_t i = 0; i < IMAGES; i++) {
            float noisy[PIXELS];
            double sum = 0;

            memcpy(noisy, clean + i * PIXELS, sizeof noisy);
            ck_assert_int_eq(cae_add_noise(noisy, PIXELS, 0.3, 77, e, i), CAE_OK);
            for (int k = 0; k < PIXELS; k++) {
                const double d = (double)noisy[k] - (double)clean[i * PIXELS + (uint64_t)k];

                sum += d * d;
            }
            /* squares and their sum are floats in the library */
            ck_assert_double_eq_tol(step(&rig).loss, sum / PIXELS, 1e-5 * sum / PIXELS);
        }
    rig_free(&rig);
}
END_TEST

/* With shuffle, the epoch's losses are those of the same images and noise in another order. */
START_TEST(shuffling_does_not_change_the_noise)
{
    cae_trainer_options options = training(1);
    double in_order;
    struct rig rig;

    options.noise_sigma = 0.3;
    options.shuffle = 0;
    rig_pointwise(&rig, 1, NULL, 20, 5, &options);
    in_order = epoch(&rig).epoch_loss;
    rig_free(&rig);
    options.shuffle = 1;
    rig_pointwise(&rig, 1, NULL, 20, 5, &options);
    ck_assert_double_eq_tol(epoch(&rig).epoch_loss, in_order, 1e-12);
    rig_free(&rig);
}
END_TEST

/* --- Steps and epochs ------------------------------------------------------------------------ */

START_TEST(an_epoch_is_its_steps)
{
    const cae_trainer_options options = training(4);
    struct rig a, b;
    cae_progress last, whole;

    rig_small(&a, 1, 10, NULL, &options);
    rig_small(&b, 1, 10, NULL, &options);
    for (int e = 0; e < 2; e++) {
        for (int i = 0; i < 3; i++)
            last = step(&a);
        whole = epoch(&b);
        assert_same_models(a.model, b.model, "three steps and one epoch");
        ck_assert_double_eq(whole.loss, last.epoch_loss); /* the mean of the epoch */
        ck_assert_double_eq(whole.epoch_loss, last.epoch_loss);
        ck_assert_double_eq(whole.gradient_norm, last.gradient_norm);
        ck_assert(whole.step == last.step && whole.epoch == last.epoch &&
                  whole.images == last.images && whole.epoch_done == 1);
    }
    step(&a);
    step(&b);
    epoch(&b); /* from within an epoch: what is left of it */
    ck_assert_int_eq(progress_of(&b).step, 9);
    rig_free(&a);
    rig_free(&b);
}
END_TEST

START_TEST(progress_before_the_first_step)
{
    struct rig rig;
    cae_progress progress;
    float gradient[PARAMETERS];

    rig_small(&rig, 1, 4, NULL, NULL);
    progress = progress_of(&rig);
    ck_assert(progress.step == 0 && progress.epoch == 0 && progress.images == 0 &&
              progress.epoch_done == 0);
    ck_assert(progress.loss == 0 && progress.epoch_loss == 0 && progress.gradient_norm == 0);
    ck_assert(progress.learning_rate == 0); /* no step has used one */
    whole_gradient(gradient, &rig);
    ck_assert(norm_of(gradient, PARAMETERS) == 0);
    rig_free(&rig);
}
END_TEST

START_TEST(progress_is_that_of_the_last_step)
{
    struct rig rig;
    cae_progress stepped, asked;
    const cae_trainer_options options = training(2);

    rig_small(&rig, 1, 5, NULL, &options);
    for (int i = 0; i < 7; i++) {
        stepped = step(&rig);
        asked = progress_of(&rig);
        ck_assert_int_eq(memcmp(&stepped, &asked, sizeof asked), 0);
    }
    rig_free(&rig);
}
END_TEST

struct watcher {
    int calls, stop_at; /* at the call of this number, from 1; 0: never */
    cae_progress last;
    pthread_t thread;
};

static int32_t watch(void *user, const cae_progress *progress)
{
    struct watcher *watcher = user;

    watcher->calls++;
    watcher->last = *progress;
    watcher->thread = pthread_self();
    return watcher->calls == watcher->stop_at ? -5 : 0; /* any number but 0 */
}

START_TEST(the_callback_sees_every_step)
{
    const cae_trainer_options options = training(2);
    struct watcher watcher = {0};
    cae_progress progress;
    struct rig rig;

    rig_small(&rig, 3, 9, NULL, &options);
    cae_progress_init(&progress, sizeof progress);
    assert_ok(rig.context, cae_trainer_epoch(&progress, rig.trainer, watch, &watcher));
    ck_assert_int_eq(watcher.calls, 5);
    ck_assert_uint_eq(watcher.last.size, sizeof(cae_progress));
    ck_assert_int_eq(watcher.last.step, 5);
    ck_assert_int_eq(watcher.last.epoch_done, 1);
    ck_assert_double_eq(watcher.last.epoch_loss, progress.loss);
    ck_assert(pthread_equal(watcher.thread, pthread_self()));
    rig_free(&rig);
}
END_TEST

/* Stopped anywhere and continued, training comes to the same bits. */
START_TEST(a_callback_can_stop_the_epoch)
{
    const cae_trainer_options options = training(2);
    struct bytes expected;
    struct rig rig;

    rig_small(&rig, 1, 9, NULL, &options);
    epoch(&rig);
    epoch(&rig);
    expected = model_bytes(rig.model);
    rig_free(&rig);

    for (int stop_at = 1; stop_at <= 4; stop_at++) {
        struct watcher watcher = {.stop_at = stop_at};
        cae_progress progress;

        rig_small(&rig, 1, 9, NULL, &options);
        cae_progress_init(&progress, sizeof progress);
        ck_assert_int_eq(cae_trainer_epoch(&progress, rig.trainer, watch, &watcher), CAE_STOPPED);
        ck_assert_int_eq(watcher.calls, stop_at);
        ck_assert_int_eq(progress.step, stop_at);
        ck_assert_int_eq(progress.images, 2 * stop_at);
        ck_assert_int_eq(progress.epoch_done, 0);
        ck_assert_double_eq(progress.loss, watcher.last.epoch_loss);
        ck_assert_int_eq(epoch(&rig).epoch, 1);
        epoch(&rig);
        assert_model_is(&rig, expected, "stopped and continued");
        rig_free(&rig);
    }
    bytes_free(&expected);
}
END_TEST

/* "CAE_STOPPED when callback asked to", also with the epoch's last step: a loop over epochs that ends
 * on any status but CAE_OK must not lose the request. */
START_TEST(a_request_with_the_last_step_is_not_lost)
{
    const cae_trainer_options options = training(2);
    struct watcher watcher = {.stop_at = 5};
    cae_progress progress;
    struct rig rig;

    rig_small(&rig, 1, 9, NULL, &options);
    cae_progress_init(&progress, sizeof progress);
    ck_assert_int_eq(cae_trainer_epoch(&progress, rig.trainer, watch, &watcher), CAE_STOPPED);
    ck_assert_int_eq(progress.epoch_done, 1);
    ck_assert_int_eq(progress.epoch, 1);
    rig_free(&rig);
}
END_TEST

static int32_t step_once_more(void *user, const cae_progress *progress)
{
    struct rig *rig = user;

    if (progress->stop)
        assert_ok(rig->context, cae_trainer_step(NULL, rig->trainer));
    return 0;
}

/* A request ends the epoch with the step that says so, also when the callback has taken another since. */
START_TEST(a_callback_s_own_step_hides_no_request)
{
    const cae_trainer_options options = training(2);
    cae_progress progress;
    struct rig rig;

    rig_small(&rig, 1, 9, NULL, &options);
    cae_progress_init(&progress, sizeof progress);
    assert_ok(rig.context, cae_trainer_request_stop(rig.trainer));
    ck_assert_int_eq(cae_trainer_epoch(&progress, rig.trainer, step_once_more, &rig), CAE_STOPPED);
    ck_assert_int_eq(progress.step, 2);
    rig_free(&rig);
}
END_TEST

/* Callbacks "may call anything but destroy": this one trains nobody and disturbs nothing. */
static int32_t look_around(void *user, const cae_progress *progress)
{
    struct rig *rig = user;
    cae_evaluation evaluation;
    struct bytes bytes = model_bytes(rig->model);
    float gradient[PARAMETERS];

    ck_assert_int_eq(progress_of(rig).step, progress->step);
    whole_gradient(gradient, rig);
    cae_evaluation_init(&evaluation, sizeof evaluation);
    assert_ok(rig->context,
              cae_model_evaluate(&evaluation, rig->model, NULL, rig->dataset, NULL));
    assert_ok(rig->context, cae_context_set_threads(rig->context, 1 + (int32_t)progress->step % 3));
    bytes_free(&bytes);
    return 0;
}

START_TEST(a_callback_may_look_around)
{
    const cae_trainer_options options = training(8);
    struct rig a, b;

    rig_small(&a, 2, 40, NULL, &options);
    rig_small(&b, 2, 40, NULL, &options);
    assert_ok(a.context, cae_trainer_epoch(NULL, a.trainer, NULL, NULL));
    assert_ok(b.context, cae_trainer_epoch(NULL, b.trainer, look_around, &b));
    assert_same_models(a.model, b.model, "with a callback and without");
    rig_free(&a);
    rig_free(&b);
}
END_TEST

/* A trainer works with its model's context; the images may belong to another. */
START_TEST(images_of_another_context)
{
    const cae_trainer_options options = training(8);
    struct rig own, mixed;
    struct heap heap = HEAP;
    cae_context *other = heap_context(&heap, 3);
    long requests;

    rig_small(&own, 2, 20, NULL, &options);
    rig_init(&mixed, 2);
    mixed.model = small_model(mixed.context, 1);
    mixed.dataset = float_images(other, NULL, 20, 6);
    rig_join(&mixed, NULL, &options);
    cae_context_destroy(other);
    requests = atomic_load(&heap.requests);
    for (int i = 0; i < 4; i++) {
        step(&own);
        step(&mixed);
    }
    assert_same_models(own.model, mixed.model, "images of two contexts");
    ck_assert_int_eq(atomic_load(&heap.requests), requests);
    rig_free(&own);
    rig_free(&mixed);
    assert_balanced(&heap, "the context of the images");
}
END_TEST

/* "Everything a step needs is allocated" when the trainer is made; threads when they first work. */
START_TEST(steps_allocate_nothing)
{
    for (int threads = 1; threads <= 3; threads += 2) {
        cae_trainer_options options = training(32);
        struct rig rig;
        long requests;

        options.noise_sigma = 0.1;
        options.clip_norm = 0.5;
        rig_small(&rig, threads, 70, NULL, &options);
        if (threads > 1)
            step(&rig);
        requests = atomic_load(&rig.heap.requests);
        epoch(&rig);
        epoch(&rig);
        ck_assert_int_eq(atomic_load(&rig.heap.requests), requests);
        rig_free(&rig);
    }
}
END_TEST

/* Between steps the model may be run, evaluated and saved. */
START_TEST(looking_at_the_model_does_not_disturb)
{
    const cae_trainer_options options = training(8);
    struct rig a, b;
    float *x = new_floats(9 * 400), *y = new_floats(9 * 400);

    rig_small(&a, 1, 20, NULL, &options);
    rig_small(&b, 1, 20, NULL, &options);
    for (int i = 0; i < 6; i++) {
        cae_evaluation evaluation;

        step(&a);
        step(&b);
        assert_ok(b.context,
                  cae_model_forward(y, 9 * 400, b.model, NULL, x, 9 * 400, 9, 20, 20));
        cae_evaluation_init(&evaluation, sizeof evaluation);
        assert_ok(b.context, cae_model_evaluate(&evaluation, b.model, NULL, b.dataset, NULL));
        assert_same_models(a.model, b.model, "looked at and left alone");
    }
    free(x);
    free(y);
    rig_free(&a);
    rig_free(&b);
}
END_TEST

/* --- Threads --------------------------------------------------------------------------------- */

/* The last one has more blocks of eight images than a batch has gradients of its own. */
static const int32_t batches[] = {1, 5, 8, 64, 100, 300};

/* Two epochs with noise, of 70 images or, for the largest batch, 310. */
static struct bytes trained(int threads, int32_t batch, int32_t kind)
{
    const cae_optimizer_options optimizer = optimizing(kind, 1e-2);
    cae_trainer_options options = training(batch);
    struct bytes bytes;
    struct rig rig;

    options.noise_sigma = 0.1;
    rig_small(&rig, threads, batch < 300 ? 70 : 310, &optimizer, &options);
    epoch(&rig);
    epoch(&rig);
    bytes = model_bytes(rig.model);
    rig_free(&rig);
    return bytes;
}

START_TEST(threads_do_not_change_a_bit)
{
    const int32_t batch = batches[_i], threads[] = {2, 3, 4, 7};

    for (int k = 0; k < COUNT(kinds); k++) {
        struct bytes expected = trained(1, batch, kinds[k]);

        for (int i = 0; i < COUNT(threads); i++) {
            struct bytes found = trained(threads[i], batch, kinds[k]);

            assert_same_bytes(found, expected, "one thread and many");
            bytes_free(&found);
        }
        bytes_free(&expected);
    }
}
END_TEST

/* So the test above could see a difference: other batches give other bits. */
START_TEST(batches_do_change_bits)
{
    struct bytes a = trained(1, 8, CAE_OPTIMIZER_ADAM), b = trained(1, 5, CAE_OPTIMIZER_ADAM);

    ck_assert_uint_eq(a.size, b.size);
    ck_assert_int_ne(memcmp(a.data, b.data, a.size), 0);
    bytes_free(&a);
    bytes_free(&b);
}
END_TEST

static int32_t change_threads(void *user, const cae_progress *progress)
{
    const int32_t threads[] = {3, 1, 7, 2};

    return cae_context_set_threads(user, threads[progress->step % 4]) != CAE_OK;
}

START_TEST(threads_may_change_between_steps)
{
    cae_trainer_options options = training(16);
    struct bytes expected = trained(1, 16, CAE_OPTIMIZER_ADAM);
    const cae_optimizer_options adam = optimizing(CAE_OPTIMIZER_ADAM, 1e-2);
    struct rig rig;

    options.noise_sigma = 0.1;
    rig_small(&rig, 1, 70, &adam, &options);
    assert_ok(rig.context, cae_trainer_epoch(NULL, rig.trainer, change_threads, rig.context));
    assert_ok(rig.context, cae_trainer_epoch(NULL, rig.trainer, change_threads, rig.context));
    assert_model_is(&rig, expected, "threads that come and go");
    bytes_free(&expected);
    rig_free(&rig);
}
END_TEST

/* --- Values that are not finite -------------------------------------------------------------- */

static void assert_all_finite(const struct rig *rig)
{
    for (int i = 0; i < cae_model_tensor_count(rig->model); i++) {
        const char *name = cae_model_tensor_name(rig->model, i);
        float values[18];
        int64_t shape[4];
        size_t count;

        assert_ok(rig->context, cae_model_tensor_shape(shape, NULL, rig->model, name));
        count = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
        assert_ok(rig->context, cae_model_get_tensor(values, count, rig->model, name));
        for (size_t k = 0; k < count; k++)
            ck_assert(isfinite(values[k]));
    }
}

static void assert_diverges(struct rig *rig)
{
    cae_progress progress;

    cae_progress_init(&progress, sizeof progress);
    assert_fails(rig->context, CAE_ERR_NUMERIC, cae_trainer_step(&progress, rig->trainer));
    assert_says(rig->context, "finite");
}

/* A rate of 1e30 throws the weights away; the step after it finds out and takes that update back.
 * Then training goes on, to the bits of a run in which it never happened. */
START_TEST(a_harmful_update_is_taken_back)
{
    const int32_t kind = kinds[_i];
    cae_optimizer_options optimizer = optimizing(kind, 1e-2);
    cae_trainer_options options = training(8);
    cae_progress before, after;
    struct bytes good, expected;
    struct rig rig;

    optimizer.momentum = 0.9;
    options.noise_sigma = 0.1;
    rig_small(&rig, 1, 30, &optimizer, &options);
    for (int i = 0; i < 9; i++)
        step(&rig);
    expected = model_bytes(rig.model);
    rig_free(&rig);

    for (int harmless = 0; harmless < 8; harmless++) { /* 4 steps in an epoch: at each place in it */
        rig_small(&rig, 1, 30, &optimizer, &options);
        for (int i = 0; i < harmless; i++)
            step(&rig);
        good = model_bytes(rig.model);
        before = progress_of(&rig);

        assert_ok(rig.context, cae_optimizer_set_learning_rate(rig.optimizer, 1e30));
        step(&rig);
        assert_diverges(&rig);
        assert_model_is(&rig, good, "after the update was taken back");
        assert_all_finite(&rig);
        after = progress_of(&rig);
        ck_assert_int_eq(memcmp(&after, &before, sizeof after), 0);

        assert_ok(rig.context, cae_optimizer_set_learning_rate(rig.optimizer, 1e-2));
        for (int i = harmless; i < 9; i++)
            step(&rig);
        assert_model_is(&rig, expected, "as if nothing had happened");
        bytes_free(&good);
        rig_free(&rig);
    }
    bytes_free(&expected);
}
END_TEST

/* The epoch call reports it like a step, and says nothing to the callback. */
START_TEST(an_epoch_ends_where_the_loss_does)
{
    const cae_optimizer_options sgd = optimizing(CAE_OPTIMIZER_SGD, 1e30);
    const cae_trainer_options options = training(4);
    struct watcher watcher = {0};
    struct bytes before;
    struct rig rig;

    rig_small(&rig, 1, 20, &sgd, &options);
    before = model_bytes(rig.model);
    assert_fails(rig.context, CAE_ERR_NUMERIC,
                 cae_trainer_epoch(NULL, rig.trainer, watch, &watcher));
    ck_assert_int_eq(watcher.calls, 1);
    assert_model_is(&rig, before, "after the first update was taken back");
    bytes_free(&before);
    rig_free(&rig);
}
END_TEST

static const float poisons[] = {NAN, INFINITY, -INFINITY, FLT_MAX};

/* Gradients of about 1 times a rate of 3e38 do not fit a float: not even the first update is made. */
START_TEST(an_update_that_is_not_finite_is_not_made)
{
    const float x[4] = {1, 2, 3, 4};
    const cae_optimizer_options sgd = optimizing(CAE_OPTIMIZER_SGD, 3e38);
    float weight, bias;
    struct rig rig;

    rig_init(&rig, 1);
    rig.model = pointwise_model(rig.context, 3, 1); /* dw = 35, db = 12: one_step_by_hand */
    rig.dataset = float_images(rig.context, x, 1, 2);
    rig_join(&rig, &sgd, NULL);
    for (int i = 0; i < 2; i++) {
        assert_diverges(&rig);
        assert_ok(rig.context, cae_model_get_tensor(&weight, 1, rig.model, "0.weight"));
        assert_ok(rig.context, cae_model_get_tensor(&bias, 1, rig.model, "0.bias"));
        ck_assert(weight == 3 && bias == 1);
        ck_assert_int_eq(progress_of(&rig).step, 0);
    }
    assert_ok(rig.context, cae_optimizer_set_learning_rate(rig.optimizer, 0.125));
    step(&rig);
    assert_ok(rig.context, cae_model_get_tensor(&weight, 1, rig.model, "0.weight"));
    ck_assert(weight == 3 - 0.125f * 35);
    rig_free(&rig);
}
END_TEST

/* One value of one image: FLT_MAX is finite, its square is not. */
START_TEST(images_that_are_not_finite)
{
    float values[4 * 36];
    struct bytes before;
    struct rig rig;

    random_floats(1, values, 4 * 36, -1, 1);
    values[2 * 36 + 20] = poisons[_i];
    for (int32_t loss = CAE_LOSS_MSE; loss <= CAE_LOSS_HUBER; loss++) {
        cae_trainer_options options = training(4);

        if (poisons[_i] == FLT_MAX && loss != CAE_LOSS_MSE)
            continue; /* |d| of that is still finite */
        options.loss = loss;
        rig_init(&rig, 1);
        rig.model = small_model(rig.context, 1);
        rig.dataset = float_images(rig.context, values, 4, 6);
        rig_join(&rig, NULL, &options);
        before = model_bytes(rig.model);
        for (int i = 0; i < 2; i++) {
            assert_diverges(&rig);
            if (!isfinite(poisons[_i]))
                assert_says(rig.context, "image 2");
            assert_model_is(&rig, before, "after a step that could not be taken");
            ck_assert_int_eq(progress_of(&rig).step, 0);
        }
        bytes_free(&before);
        rig_free(&rig);
    }
}
END_TEST

/* The bad image comes in the third batch: the steps before it are good ones, whatever is done, the
 * weights stay finite and the trainer stays usable. */
START_TEST(one_bad_image_among_good_ones)
{
    cae_trainer_options options = training(4);
    float values[12 * 36];
    struct rig rig;

    random_floats(1, values, 12 * 36, -1, 1);
    values[9 * 36] = NAN;
    options.shuffle = 0;
    rig_init(&rig, 2);
    rig.model = small_model(rig.context, 1);
    rig.dataset = float_images(rig.context, values, 12, 6);
    rig_join(&rig, NULL, &options);
    for (int i = 0; i < 5; i++) {
        assert_fails(rig.context, CAE_ERR_NUMERIC,
                     cae_trainer_epoch(NULL, rig.trainer, NULL, NULL));
        assert_says(rig.context, "image 9");
        assert_all_finite(&rig);
        ck_assert_int_eq(progress_of(&rig).step, 2); /* no update led there: none is taken back */
    }
    rig_free(&rig);
}
END_TEST

/* What is taken back is an update of this trainer, and no more than that. */
START_TEST(weights_set_by_hand_are_not_taken_back)
{
    float large[18], found[18];
    struct rig rig;

    rig_small(&rig, 1, 4, NULL, NULL);
    step(&rig);
    for (int i = 0; i < 18; i++)
        large[i] = 1e30f;
    assert_ok(rig.context, cae_model_set_tensor(rig.model, "0.weight", large, 18));
    assert_diverges(&rig);
    assert_ok(rig.context, cae_model_get_tensor(found, 18, rig.model, "0.weight"));
    ck_assert_int_eq(memcmp(found, large, sizeof found), 0);
    rig_free(&rig);
}
END_TEST

START_TEST(steps_of_another_trainer_are_not_taken_back)
{
    float values[36];
    cae_dataset *bad;
    cae_trainer *other = NULL;
    struct bytes before;
    struct rig rig;

    rig_small(&rig, 1, 4, NULL, NULL);
    random_floats(1, values, 36, -1, 1);
    values[7] = FLT_MAX; /* a number, so the image is not to blame; its square is none */
    bad = float_images(rig.context, values, 1, 6);
    assert_ok(rig.context, cae_trainer_create(&other, rig.model, rig.optimizer, bad, NULL));
    step(&rig);
    before = model_bytes(rig.model);
    assert_fails(rig.context, CAE_ERR_NUMERIC, cae_trainer_step(NULL, other));
    assert_model_is(&rig, before, "after another trainer's first step failed");
    bytes_free(&before);
    cae_trainer_destroy(other);
    cae_dataset_destroy(bad);
    rig_free(&rig);
}
END_TEST

/* An allocator that gives a block's place to the next one of its size, always. */
struct places {
    struct place {
        size_t size;
        bool used;
        void *block;
    } all[64];
};

static void *places_allocate(void *user, size_t bytes)
{
    struct places *places = user;

    for (int i = 0; i < COUNT(places->all); i++) {
        struct place *place = &places->all[i];

        if (place->used || (place->block && place->size != bytes))
            continue;
        if (!place->block)
            *place = (struct place){bytes, false, malloc(bytes)};
        place->used = place->block != NULL;
        return place->block;
    }
    return NULL;
}

static void places_release(void *user, void *block)
{
    struct places *places = user;

    for (int i = 0; i < COUNT(places->all); i++)
        if (places->all[i].block == block) {
            memset(block, 0xdd, places->all[i].size);
            places->all[i].used = false;
        }
}

/* A trainer used to be known by its address, so one made where another had been took the other's last
 * update back, and its own progress lost its size. */
START_TEST(steps_of_a_former_trainer_are_not_taken_back)
{
    struct places places = {0};
    cae_context_options options;
    cae_progress fresh, after;
    float values[36];
    cae_dataset *bad;
    uintptr_t former;
    struct bytes before;
    struct rig rig = {.heap = HEAP};

    cae_context_options_init(&options, sizeof options);
    options.allocate = places_allocate;
    options.release = places_release;
    options.allocator_user = &places;
    ck_assert_int_eq(cae_context_create(&rig.context, &options), CAE_OK);
    rig.model = small_model(rig.context, 1);
    rig.dataset = float_images(rig.context, NULL, 1, 6);
    random_floats(1, values, 36, -1, 1);
    values[7] = FLT_MAX;
    bad = float_images(rig.context, values, 1, 6);
    rig_join(&rig, NULL, NULL);
    fresh = progress_of(&rig);
    step(&rig);
    before = model_bytes(rig.model);
    former = (uintptr_t)rig.trainer;
    cae_trainer_destroy(rig.trainer);

    assert_ok(rig.context, cae_trainer_create(&rig.trainer, rig.model, rig.optimizer, bad, NULL));
    ck_assert_uint_eq((uintptr_t)rig.trainer, former);
    assert_fails(rig.context, CAE_ERR_NUMERIC, cae_trainer_step(NULL, rig.trainer));
    assert_model_is(&rig, before, "after a new trainer's first step failed");
    after = progress_of(&rig);
    ck_assert_int_eq(memcmp(&after, &fresh, sizeof after), 0);
    bytes_free(&before);
    cae_dataset_destroy(bad);
    rig_free(&rig);
    for (int i = 0; i < COUNT(places.all); i++)
        free(places.all[i].block);
}
END_TEST

/* --- Lifetimes ------------------------------------------------------------------------------- */

static void destroy(struct rig *rig, cae_dataset *slice, int which)
{
    switch (which) {
    case 0: cae_context_destroy(rig->context); break;
    case 1: cae_model_destroy(rig->model); break;
    case 2: cae_optimizer_destroy(rig->optimizer); break;
    case 3: cae_dataset_destroy(rig->dataset); break;
    case 4: cae_dataset_destroy(slice); break;
    default: cae_trainer_destroy(rig->trainer);
    }
}

/* All 720 orders of six handles; as long as the trainer is there, it can take a step. */
START_TEST(handles_may_be_destroyed_in_any_order)
{
    for (int number = 0; number < 720; number++) {
        int left[6] = {0, 1, 2, 3, 4, 5}, code = number;
        cae_dataset *slice = NULL;
        bool trains = true;
        struct rig rig;

        rig_init(&rig, 1);
        rig.model = small_model(rig.context, 1);
        rig.dataset = float_images(rig.context, NULL, 4, 3);
        assert_ok(rig.context, cae_dataset_slice(&slice, rig.dataset, 1, 2));
        assert_ok(rig.context, cae_optimizer_create(&rig.optimizer, rig.model, NULL));
        assert_ok(rig.context,
                  cae_trainer_create(&rig.trainer, rig.model, rig.optimizer, slice, NULL));
        for (int n = 6; n > 0; code /= n--) {
            const int at = code % n;

            trains = trains && left[at] != 5;
            destroy(&rig, slice, left[at]);
            memmove(left + at, left + at + 1, (size_t)(n - at - 1) * sizeof left[0]);
            if (trains)
                ck_assert_int_eq(cae_trainer_step(NULL, rig.trainer), CAE_OK);
        }
        assert_balanced(&rig.heap, "destroyed in some order");
    }
}
END_TEST

/* --- Evaluation ------------------------------------------------------------------------------ */

static cae_evaluation evaluate(const struct rig *rig, cae_context *context, double sigma)
{
    cae_evaluation_options options;
    cae_evaluation evaluation;

    cae_evaluation_options_init(&options, sizeof options);
    options.noise_sigma = sigma;
    cae_evaluation_init(&evaluation, sizeof evaluation);
    assert_ok(rig->context,
              cae_model_evaluate(&evaluation, rig->model, context, rig->dataset, &options));
    return evaluation;
}

/* 13 images of 12x12 with all the windows: what the calls on plain arrays give, averaged. */
START_TEST(an_evaluation_is_the_mean_of_its_images)
{
    enum { IMAGES = 13, SIDE = 12, PIXELS = SIDE * SIDE };
    cae_evaluation found;
    double sum[8] = {0}, value[8];
    struct rig rig;

    rig_init(&rig, 2);
    rig.model = small_model(rig.context, 1);
    assert_ok(rig.context, cae_dataset_create_dead_leaves(&rig.dataset, rig.context, IMAGES, 1,
                                                          SIDE, SIDE, 1, NULL));
    found = evaluate(&rig, NULL, 0.2);
    for (int i = 0; i < IMAGES; i++) {
        float clean[PIXELS], noisy[PIXELS], y[PIXELS];
        cae_context *c = rig.context;

        assert_ok(c, cae_dataset_get(clean, PIXELS, rig.dataset, i));
        memcpy(noisy, clean, sizeof noisy);
        ck_assert_int_eq(cae_add_noise(noisy, PIXELS, 0.2, 123, CAE_VISIT_EVALUATION, (uint64_t)i),
                         CAE_OK);
        assert_ok(c, cae_model_forward(y, PIXELS, rig.model, NULL, noisy, PIXELS, 1, SIDE, SIDE));
        for (int k = 0; k < 2; k++) {
            const float *image = k ? noisy : y;

            assert_ok(c, cae_mse(&value[4 * k], c, clean, image, PIXELS));
            assert_ok(c, cae_psnr(&value[4 * k + 1], c, clean, image, PIXELS, 2));
            assert_ok(c, cae_ssim(&value[4 * k + 2], c, clean, image, 1, SIDE, SIDE, 2,
                                  CAE_SSIM_GAUSSIAN11));
            assert_ok(c, cae_ssim(&value[4 * k + 3], c, clean, image, 1, SIDE, SIDE, 2,
                                  CAE_SSIM_UNIFORM7));
        }
        for (int k = 0; k < 8; k++)
            sum[k] += value[k] / IMAGES;
    }
    /* 1e-6: images alone and interleaved differ in the last bits of a float */
    ck_assert_int_eq(found.images, IMAGES);
    ck_assert_double_eq_tol(found.mse, sum[0], 1e-6);
    ck_assert_double_eq_tol(found.psnr, sum[1], 1e-5);
    ck_assert_double_eq_tol(found.ssim, sum[2], 1e-6);
    ck_assert_double_eq_tol(found.ssim_uniform7, sum[3], 1e-6);
    ck_assert_double_eq_tol(found.noisy_mse, sum[4], 1e-12);
    ck_assert_double_eq_tol(found.noisy_psnr, sum[5], 1e-12);
    ck_assert_double_eq_tol(found.noisy_ssim, sum[6], 1e-12);
    ck_assert_double_eq_tol(found.noisy_ssim_uniform7, sum[7], 1e-12);
    ck_assert_double_eq_tol(found.psnr_global, 10 * log10(4 / found.mse), 1e-12);
    rig_free(&rig);
}
END_TEST

START_TEST(evaluation_does_not_depend_on_threads_or_context)
{
    struct rig rig;
    cae_evaluation own, other;
    cae_context *lent = test_context();

    rig_small(&rig, 1, 41, NULL, NULL);
    own = evaluate(&rig, NULL, 0.1);
    assert_ok(rig.context, cae_context_set_threads(rig.context, 5));
    other = evaluate(&rig, NULL, 0.1);
    ck_assert_int_eq(memcmp(&own.mse, &other.mse, sizeof own.mse), 0);
    ck_assert_double_eq(own.noisy_psnr, other.noisy_psnr);
    other = evaluate(&rig, lent, 0.1);
    ck_assert_double_eq(own.psnr, other.psnr);
    ck_assert(isnan(own.ssim)); /* 6x6 holds no window */
    cae_context_destroy(lent);
    rig_free(&rig);
}
END_TEST

START_TEST(a_perfect_model_has_no_error)
{
    struct rig rig;
    cae_evaluation found;

    rig_pointwise(&rig, 1, NULL, 3, 12, NULL);
    found = evaluate(&rig, NULL, 0);
    ck_assert_double_eq(found.mse, 0);
    ck_assert_double_eq(found.psnr, HUGE_VAL);
    ck_assert_double_eq_tol(found.ssim, 1, 1e-12);
    ck_assert_double_eq(found.noisy_mse, 0);
    rig_free(&rig);
}
END_TEST

START_TEST(evaluation_with_wrong_arguments)
{
    const double bad_sigmas[] = {-1, NOT_A_NUMBER, HUGE_VAL, 1e300};
    cae_evaluation_options options;
    cae_evaluation found;
    cae_dataset *colour = NULL, *tiny, *bad;
    float values[36] = {0};
    struct rig rig;

    rig_small(&rig, 1, 4, NULL, NULL);
    cae_evaluation_init(&found, sizeof found);
    assert_fails(rig.context, CAE_ERR_ARGUMENT,
                 cae_model_evaluate(NULL, rig.model, NULL, rig.dataset, NULL));
    ck_assert_int_eq(cae_model_evaluate(&found, NULL, NULL, rig.dataset, NULL), CAE_ERR_ARGUMENT);
    assert_fails(rig.context, CAE_ERR_ARGUMENT,
                 cae_model_evaluate(&found, rig.model, NULL, NULL, NULL));
    for (int i = 0; i < COUNT(bad_sigmas); i++) {
        cae_evaluation_options_init(&options, sizeof options);
        options.noise_sigma = bad_sigmas[i];
        assert_fails(rig.context, CAE_ERR_OPTIONS,
                     cae_model_evaluate(&found, rig.model, NULL, rig.dataset, &options));
        assert_says(rig.context, "noise_sigma");
    }
    cae_evaluation_options_init(&options, sizeof options);
    options.reserved = 1;
    assert_fails(rig.context, CAE_ERR_OPTIONS,
                 cae_model_evaluate(&found, rig.model, NULL, rig.dataset, &options));

    assert_ok(rig.context,
              cae_dataset_create_dead_leaves(&colour, rig.context, 4, 3, 8, 8, 1, NULL));
    tiny = float_images(rig.context, NULL, 4, 2);
    values[5] = NAN;
    bad = float_images(rig.context, values, 1, 6);
    assert_fails(rig.context, CAE_ERR_SHAPE,
                 cae_model_evaluate(&found, rig.model, NULL, colour, NULL));
    assert_fails(rig.context, CAE_ERR_SHAPE,
                 cae_model_evaluate(&found, rig.model, NULL, tiny, NULL));
    assert_fails(rig.context, CAE_ERR_NUMERIC,
                 cae_model_evaluate(&found, rig.model, NULL, bad, NULL));
    assert_ok(rig.context, cae_model_evaluate(&found, rig.model, NULL, rig.dataset, NULL));
    cae_dataset_destroy(colour);
    cae_dataset_destroy(tiny);
    cae_dataset_destroy(bad);
    rig_free(&rig);
}
END_TEST

/* --- SSIM in the loss ------------------------------------------------------------------------- */

START_TEST(weights_of_ssim_out_of_range)
{
    static const double weights[] = {-0.1, NAN, HUGE_VAL, -HUGE_VAL, 1e300};
    cae_trainer_options options = training(4);

    for (int i = 0; i < COUNT(weights); i++) {
        options.ssim_weight = weights[i];
        check_trainer_options(CAE_ERR_OPTIONS, &options, "ssim_weight is ");
    }
    options.ssim_weight = 0;
    check_trainer_options(CAE_OK, &options, "");
}
END_TEST

/* Images must hold a window of it, where it is asked for. */
START_TEST(images_without_a_window_of_ssim)
{
    static const int32_t sides[][2] = {{11, 11}, {10, 11}, {11, 10}, {3, 200}, {200, 3}};
    static float images[2 * 600];

    random_floats(1, images, COUNT(images), -1, 1);
    for (int i = 0; i < 2 * COUNT(sides); i++) {
        const int32_t h = sides[i / 2][0], w = sides[i / 2][1];
        cae_trainer_options options = training(2);
        cae_dataset_options floats;
        cae_trainer *trainer = NULL;
        char text[64];
        struct rig rig;

        rig_init(&rig, 1);
        rig.model = small_model(rig.context, 1);
        assert_ok(rig.context, cae_dataset_options_init(&floats, sizeof floats));
        floats.type = CAE_TYPE_F32;
        assert_ok(rig.context, cae_dataset_create(&rig.dataset, rig.context, images,
                                                  2 * (size_t)(h * w) * sizeof(float), 2, 1, h, w, &floats));
        assert_ok(rig.context, cae_optimizer_create(&rig.optimizer, rig.model, NULL));
        options.ssim_weight = i % 2 ? 1e-300 : 0.5; /* any weight asks for it, even one that is no float */
        if (i / 2 == 0) {
            assert_ok(rig.context, cae_trainer_create(&trainer, rig.model, rig.optimizer, rig.dataset, &options));
            assert_ok(rig.context, cae_trainer_step(NULL, trainer));
            cae_trainer_destroy(trainer);
        } else {
            trainer = (void *)&rig;
            assert_fails(rig.context, CAE_ERR_SHAPE,
                         cae_trainer_create(&trainer, rig.model, rig.optimizer, rig.dataset, &options));
            snprintf(text, sizeof text, "images of %dx%d are smaller than SSIM's window, 11x11", (int)h, (int)w);
            assert_says(rig.context, text);
            ck_assert_ptr_null(trainer);
            options.ssim_weight = 0;
            assert_ok(rig.context, cae_trainer_create(&trainer, rig.model, rig.optimizer, rig.dataset, &options));
            cae_trainer_destroy(trainer);
        }
        rig_free(&rig);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trainer");
    TCase *options = tcase_create("options");
    TCase *learning = tcase_create("learning");
    TCase *order = tcase_create("visits");
    TCase *steps = tcase_create("steps");
    TCase *threads = tcase_create("threads");
    TCase *finite = tcase_create("not finite");
    TCase *evaluation = tcase_create("evaluation");

    tcase_add_loop_test(options, optimizer_options_out_of_range, 0, COUNT(bad_optimizer));
    tcase_add_loop_test(options, trainer_options_out_of_range, 0, COUNT(bad_trainer));
    tcase_add_test(options, ranges_and_turns_that_do_not_fit);
    tcase_add_test(options, options_of_an_older_host);
    tcase_add_loop_test(options, schedules_need_their_steps, 0, COUNT(schedules));
    tcase_add_test(options, learning_rates_out_of_range);
    tcase_add_test(options, an_optimizer_of_another_model);
    tcase_add_test(options, images_that_the_model_cannot_read);
    tcase_add_test(options, a_model_with_an_output_of_another_shape);
    tcase_add_test(options, null_where_trainers_are_made_and_used);
    tcase_add_test(options, a_refused_result_takes_no_step);
    tcase_add_test(options, weights_of_ssim_out_of_range);
    tcase_add_test(options, images_without_a_window_of_ssim);
    suite_add_tcase(suite, options);

    tcase_set_timeout(learning, 60);
    tcase_add_loop_test(learning, the_loss_goes_down, 0, 9);
    tcase_add_test(learning, losses_are_means_over_all_values);
    tcase_add_test(learning, one_step_by_hand);
    tcase_add_loop_test(learning, rates_follow_the_schedule, 0, COUNT(courses));
    tcase_add_test(learning, the_reported_rate_is_the_one_used);
    tcase_add_test(learning, clipping_bounds_the_length_and_keeps_the_direction);
    suite_add_tcase(suite, learning);

    tcase_set_timeout(order, 60);
    tcase_add_loop_test(order, an_epoch_visits_each_image_once, 0, COUNT(counts));
    tcase_add_test(order, without_shuffle_images_come_in_order);
    tcase_add_test(order, the_shuffle_is_a_function_of_the_seed);
    tcase_add_test(order, the_shuffle_has_no_favourites);
    tcase_add_test(order, a_smaller_last_batch_has_its_own_weight);
    tcase_add_test(order, steps_in_an_epoch);
    tcase_add_test(order, a_batch_larger_than_the_dataset_is_the_dataset);
    tcase_add_test(order, noise_is_that_of_the_seed_the_epoch_and_the_image);
    tcase_add_test(order, shuffling_does_not_change_the_noise);
    suite_add_tcase(suite, order);

    tcase_set_timeout(steps, 60);
    tcase_add_test(steps, an_epoch_is_its_steps);
    tcase_add_test(steps, progress_before_the_first_step);
    tcase_add_test(steps, progress_is_that_of_the_last_step);
    tcase_add_test(steps, the_callback_sees_every_step);
    tcase_add_test(steps, a_callback_can_stop_the_epoch);
    tcase_add_test(steps, a_request_with_the_last_step_is_not_lost);
    tcase_add_test(steps, a_callback_s_own_step_hides_no_request);
    tcase_add_test(steps, a_callback_may_look_around);
    tcase_add_test(steps, images_of_another_context);
    tcase_add_test(steps, steps_allocate_nothing);
    tcase_add_test(steps, looking_at_the_model_does_not_disturb);
    tcase_add_test(steps, handles_may_be_destroyed_in_any_order);
    suite_add_tcase(suite, steps);

    tcase_set_timeout(threads, 60);
    tcase_add_loop_test(threads, threads_do_not_change_a_bit, 0, COUNT(batches));
    tcase_add_test(threads, batches_do_change_bits);
    tcase_add_test(threads, threads_may_change_between_steps);
    suite_add_tcase(suite, threads);

    tcase_set_timeout(finite, 60);
    tcase_add_loop_test(finite, a_harmful_update_is_taken_back, 0, COUNT(kinds));
    tcase_add_test(finite, an_epoch_ends_where_the_loss_does);
    tcase_add_test(finite, an_update_that_is_not_finite_is_not_made);
    tcase_add_loop_test(finite, images_that_are_not_finite, 0, COUNT(poisons));
    tcase_add_test(finite, one_bad_image_among_good_ones);
    tcase_add_test(finite, weights_set_by_hand_are_not_taken_back);
    tcase_add_test(finite, steps_of_another_trainer_are_not_taken_back);
    tcase_add_test(finite, steps_of_a_former_trainer_are_not_taken_back);
    suite_add_tcase(suite, finite);

    tcase_add_test(evaluation, an_evaluation_is_the_mean_of_its_images);
    tcase_add_test(evaluation, evaluation_does_not_depend_on_threads_or_context);
    tcase_add_test(evaluation, a_perfect_model_has_no_error);
    tcase_add_test(evaluation, evaluation_with_wrong_arguments);
    suite_add_tcase(suite, evaluation);
    return test_main(suite);
}
