/* test_context.c - version, status texts, options structs, and the context: its allocator, its
 * threads, its error text and its log. */
#include "api.h"

#include <limits.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- Version and build ----------------------------------------------------------------------- */

START_TEST(loaded_library_is_the_one_compiled_against)
{
    char text[32];

    snprintf(text, sizeof text, "%d.%d.%d", CAE_VERSION_MAJOR, CAE_VERSION_MINOR,
             CAE_VERSION_PATCH);
    ck_assert_str_eq(cae_version_string(), text);
    ck_assert_uint_eq(cae_version_number(), (CAE_VERSION_MAJOR << 16) + (CAE_VERSION_MINOR << 8) +
                                                CAE_VERSION_PATCH);
}
END_TEST

START_TEST(build_info_is_one_line_with_the_version)
{
    char text[256], start[32];
    const size_t length = cae_build_info(text, sizeof text);

    ck_assert_uint_lt(length, sizeof text);
    ck_assert_uint_eq(strlen(text), length);
    snprintf(start, sizeof start, "libcae %s, ", cae_version_string());
    ck_assert_int_eq(strncmp(text, start, strlen(start)), 0);
    ck_assert_uint_gt(length, strlen(start));
    ck_assert_ptr_null(strpbrk(text, "\r\n"));
}
END_TEST

/* As snprintf: the same length whatever the room, what fits is copied and closed, no byte more. */
START_TEST(build_info_is_cut_to_the_room)
{
    char whole[256], text[256];
    const size_t length = cae_build_info(whole, sizeof whole);

    ck_assert_uint_eq(cae_build_info(NULL, 0), length);
    for (size_t room = 0; room <= length + 1; room++) {
        memset(text, '#', sizeof text);
        ck_assert_uint_eq(cae_build_info(text, room), length);
        if (room) {
            ck_assert_uint_eq(strlen(text), room - 1);
            ck_assert_int_eq(memcmp(text, whole, room - 1), 0);
        }
        ck_assert_int_eq(text[room], '#');
    }
}
END_TEST

/* --- Status texts ---------------------------------------------------------------------------- */

static const cae_status statuses[] = {
    CAE_STOPPED,     CAE_OK,         CAE_ERR_ARGUMENT, CAE_ERR_MEMORY,      CAE_ERR_SHAPE,
    CAE_ERR_OPTIONS, CAE_ERR_IO,     CAE_ERR_FORMAT,   CAE_ERR_NUMERIC,     CAE_ERR_UNSUPPORTED,
    CAE_ERR_NAME};

START_TEST(every_status_has_a_text_of_its_own)
{
    for (int i = 0; i < COUNT(statuses); i++) {
        ck_assert_str_ne(cae_status_string(statuses[i]), "");
        for (int j = 0; j < i; j++) {
            ck_assert_int_ne(statuses[i], statuses[j]);
            ck_assert_str_ne(cae_status_string(statuses[i]), cae_status_string(statuses[j]));
        }
    }
}
END_TEST

START_TEST(unknown_status_has_a_text_too)
{
    const cae_status unknown[] = {2, -10, INT32_MAX, INT32_MIN};

    for (int i = 0; i < COUNT(unknown); i++) {
        ck_assert_ptr_nonnull(cae_status_string(unknown[i]));
        for (int j = 0; j < COUNT(statuses); j++)
            ck_assert_str_ne(cae_status_string(unknown[i]), cae_status_string(statuses[j]));
    }
}
END_TEST

/* Bindings hold the numbers: a renumbered status is an ABI break. */
START_TEST(status_numbers_never_change)
{
    for (int i = 0; i < COUNT(statuses); i++)
        ck_assert_int_eq(statuses[i], 1 - i);
}
END_TEST

/* --- Options structs: one rule for all of them ----------------------------------------------- */

/* Everything that a call with options needs. */
static struct {
    cae_context *context;
    cae_spec *spec;
    cae_model *model;
    cae_optimizer *optimizer;
    cae_dataset *dataset;
    cae_trainer *trainer;
} world;

static void world_setup(void)
{
    world.context = test_context();
    world.spec = small_spec(world.context);
    world.model = small_model(world.context, 1);
    world.dataset = float_images(world.context, NULL, 3, 5);
    assert_ok(world.context, cae_optimizer_create(&world.optimizer, world.model, NULL));
    assert_ok(world.context, cae_trainer_create(&world.trainer, world.model, world.optimizer,
                                                world.dataset, NULL));
}

static void world_teardown(void)
{
    cae_context_destroy(world.context);
    cae_spec_destroy(world.spec);
    cae_model_destroy(world.model);
    cae_optimizer_destroy(world.optimizer);
    cae_dataset_destroy(world.dataset);
    cae_trainer_destroy(world.trainer);
}

static cae_status use_context(void *options)
{
    cae_context *context = NULL;
    const cae_status status = cae_context_create(&context, options);

    ck_assert_int_eq(status == CAE_OK, context != NULL);
    cae_context_destroy(context);
    return status;
}

static cae_status use_conv(void *options)
{
    return cae_spec_add_conv(world.spec, 1, 1, options);
}

static cae_status use_conv_transpose(void *options)
{
    return cae_spec_add_conv_transpose(world.spec, 1, 1, options);
}

static cae_status use_dataset(void *options)
{
    const unsigned char pixel = 1;
    cae_dataset *dataset = NULL;
    const cae_status status =
        cae_dataset_create(&dataset, world.context, &pixel, 1, 1, 1, 1, 1, options);

    ck_assert_int_eq(status == CAE_OK, dataset != NULL);
    cae_dataset_destroy(dataset);
    return status;
}

static cae_status use_dead_leaves(void *options)
{
    cae_dataset *dataset = NULL;
    const cae_status status =
        cae_dataset_create_dead_leaves(&dataset, world.context, 1, 1, 4, 4, 1, options);

    ck_assert_int_eq(status == CAE_OK, dataset != NULL);
    cae_dataset_destroy(dataset);
    return status;
}

static cae_status use_optimizer(void *options)
{
    cae_optimizer *optimizer = NULL;
    const cae_status status = cae_optimizer_create(&optimizer, world.model, options);

    ck_assert_int_eq(status == CAE_OK, optimizer != NULL);
    cae_optimizer_destroy(optimizer);
    return status;
}

static cae_status use_trainer(void *options)
{
    cae_trainer *trainer = NULL;
    const cae_status status =
        cae_trainer_create(&trainer, world.model, world.optimizer, world.dataset, options);

    ck_assert_int_eq(status == CAE_OK, trainer != NULL);
    cae_trainer_destroy(trainer);
    return status;
}

static cae_status use_evaluation_options(void *options)
{
    cae_evaluation evaluation;

    ck_assert_int_eq(cae_evaluation_init(&evaluation, sizeof evaluation), CAE_OK);
    return cae_model_evaluate(&evaluation, world.model, NULL, world.dataset, options);
}

static cae_status use_step(void *progress)
{
    return cae_trainer_step(progress, world.trainer);
}

static cae_status use_epoch(void *progress)
{
    return cae_trainer_epoch(progress, world.trainer, NULL, NULL);
}

static cae_status use_progress(void *progress)
{
    return cae_trainer_progress(progress, world.trainer);
}

static cae_status use_evaluation(void *evaluation)
{
    return cae_model_evaluate(evaluation, world.model, NULL, world.dataset, NULL);
}

#define INIT(type)                                                                                 \
    static cae_status init_##type(void *options, uint32_t size)                                    \
    {                                                                                              \
        return cae_##type##_init(options, size);                                                   \
    }
INIT(context_options)
INIT(conv_options)
INIT(dataset_options)
INIT(optimizer_options)
INIT(trainer_options)
INIT(evaluation_options)
INIT(progress)
INIT(evaluation)

static const struct structure {
    const char *name;
    cae_status (*init)(void *options, uint32_t size);
    cae_status (*use)(void *options);
    uint32_t size;
    bool result; /* written by the library, so its tail may hold anything */
    bool silent; /* no context is there to keep the text */
} structures[] = {
    {"context", init_context_options, use_context, sizeof(cae_context_options), false, true},
    {"conv", init_conv_options, use_conv, sizeof(cae_conv_options), false, false},
    {"conv transpose", init_conv_options, use_conv_transpose, sizeof(cae_conv_options), false,
     false},
    {"dataset", init_dataset_options, use_dataset, sizeof(cae_dataset_options), false, false},
    {"dead leaves", init_dataset_options, use_dead_leaves, sizeof(cae_dataset_options), false,
     false},
    {"optimizer", init_optimizer_options, use_optimizer, sizeof(cae_optimizer_options), false,
     false},
    {"trainer", init_trainer_options, use_trainer, sizeof(cae_trainer_options), false, false},
    {"evaluation options", init_evaluation_options, use_evaluation_options,
     sizeof(cae_evaluation_options), false, false},
    {"step's progress", init_progress, use_step, sizeof(cae_progress), true, false},
    {"epoch's progress", init_progress, use_epoch, sizeof(cae_progress), true, false},
    {"progress", init_progress, use_progress, sizeof(cae_progress), true, false},
    {"evaluation", init_evaluation, use_evaluation, sizeof(cae_evaluation), true, false},
};

/* A size that could cut a field in two. */
#define CUT (sizeof(void *) == 8 ? 12 : 10)

enum { ROOM = 4200 }; /* more than the largest size that is accepted */

union any {
    uint32_t size;
    unsigned char bytes[ROOM];
    double aligned;
};

static void refuse_size(const struct structure *s, union any *options)
{
    if (s->silent)
        ck_assert_int_eq(s->use(options), CAE_ERR_OPTIONS);
    else
        assert_fails(world.context, CAE_ERR_OPTIONS, s->use(options));
}

START_TEST(init_writes_as_many_bytes_as_it_is_given)
{
    const struct structure *s = &structures[_i];
    const uint32_t sizes[] = {8, s->size - 8, s->size, s->size + 8, s->size + 64, 4096};
    union any whole, part;

    ck_assert_int_eq(s->init(&whole, s->size), CAE_OK);
    ck_assert_uint_eq(whole.size, s->size);
    for (int i = 0; i < COUNT(sizes); i++) {
        const uint32_t known = sizes[i] < s->size ? sizes[i] : s->size;

        memset(&part, 0xa5, sizeof part);
        ck_assert_int_eq(s->init(&part, sizes[i]), CAE_OK);
        ck_assert_uint_eq(part.size, sizes[i]);
        ck_assert_int_eq(memcmp(part.bytes + 4, whole.bytes + 4, known - 4), 0);
        for (uint32_t at = known; at < ROOM; at++)
            ck_assert_int_eq(part.bytes[at], at < sizes[i] ? 0 : 0xa5);
    }
}
END_TEST

START_TEST(init_refuses_what_cannot_be_the_struct)
{
    const struct structure *s = &structures[_i];
    const uint32_t sizes[] = {0, 1, 4, 7, 10, CUT, 4097, UINT32_MAX};
    union any options;

    ck_assert_int_eq(s->init(NULL, s->size), CAE_ERR_ARGUMENT);
    memset(&options, 0xa5, sizeof options);
    for (int i = 0; i < COUNT(sizes); i++) {
        ck_assert_int_eq(s->init(&options, sizes[i]), CAE_ERR_OPTIONS);
        ck_assert_int_eq(options.bytes[0], 0xa5);
    }
}
END_TEST

START_TEST(sizes_that_no_release_had_are_refused)
{
    const struct structure *s = &structures[_i];
    const uint32_t sizes[] = {0, 4, 7, 10, CUT, 4097, UINT32_MAX};
    union any options;

    for (int i = 0; i < COUNT(sizes); i++) {
        memset(&options, 0, sizeof options);
        ck_assert_int_eq(s->init(&options, s->size), CAE_OK);
        options.size = sizes[i];
        refuse_size(s, &options);
        if (!s->silent)
            assert_says(world.context, "size is");
    }
}
END_TEST

/* An older caller's struct ends early: what it lacks keeps its default, and nothing beyond it is
 * read or written. What lies there here would be refused. */
START_TEST(a_shorter_struct_is_an_older_one)
{
    const struct structure *s = &structures[_i];
    union any options;

    memset(&options, 0xa5, sizeof options);
    ck_assert_int_eq(s->init(&options, 8), CAE_OK);
    ck_assert_int_eq(s->use(&options), CAE_OK);
    ck_assert_uint_eq(options.size, 8);
    for (size_t at = 8; at < ROOM; at++)
        ck_assert_int_eq(options.bytes[at], 0xa5);
}
END_TEST

/* A newer caller's struct is fine while it asks for nothing that this library lacks. */
START_TEST(a_longer_struct_is_a_newer_one)
{
    const struct structure *s = &structures[_i];
    const uint32_t longer[] = {s->size + 8, s->size + 64, 4096};
    union any options;

    for (int i = 0; i < COUNT(longer); i++) {
        memset(&options, 0, sizeof options);
        ck_assert_int_eq(s->init(&options, longer[i]), CAE_OK);
        ck_assert_int_eq(s->use(&options), CAE_OK);
        ck_assert_uint_eq(options.size, longer[i]);

        options.bytes[longer[i] - 1] = 1;
        if (s->result) {
            ck_assert_int_eq(s->use(&options), CAE_OK);
            ck_assert_int_eq(options.bytes[longer[i] - 1], 1);
        } else {
            refuse_size(s, &options);
        }
    }
}
END_TEST

START_TEST(null_options_are_the_defaults)
{
    if (!structures[_i].result)
        ck_assert_int_eq(structures[_i].use(NULL), CAE_OK);
}
END_TEST

/* The header's comments, in code. */
START_TEST(defaults_are_those_of_the_header)
{
    cae_context_options c;
    cae_conv_options l;
    cae_dataset_options d;
    cae_optimizer_options o;
    cae_trainer_options t;
    cae_evaluation_options e;

    cae_context_options_init(&c, sizeof c);
    ck_assert(c.threads == 1 && c.engine == CAE_ENGINE_AUTO && c.cpu == CAE_CPU_AUTO && !c.allocate &&
              !c.release && !c.allocator_user && !c.log && !c.log_user);
    cae_conv_options_init(&l, sizeof l);
    ck_assert(l.kernel_h == 3 && l.kernel_w == 3 && l.stride_h == 1 && l.stride_w == 1 &&
              !l.padding_h && !l.padding_w && l.dilation_h == 1 && l.dilation_w == 1 &&
              !l.output_padding_h && !l.output_padding_w && l.bias == 1 &&
              l.activation == CAE_ACTIVATION_NONE && !l.reserved && l.slope == 0.01);
    cae_dataset_options_init(&d, sizeof d);
    ck_assert(d.scale == CAE_SCALE_SIGNED && d.type == CAE_TYPE_U8 &&
              d.layout == CAE_LAYOUT_NCHW && !d.borrow && !d.reserved);
    cae_optimizer_options_init(&o, sizeof o);
    ck_assert(o.kind == CAE_OPTIMIZER_ADAM && o.learning_rate == 1e-3 && o.momentum == 0 &&
              o.beta1 == 0.9 && o.beta2 == 0.999 && o.epsilon == 1e-8 && o.weight_decay == 0 &&
              !o.nesterov && !o.reserved);
    cae_trainer_options_init(&t, sizeof t);
    ck_assert(t.batch == 64 && t.seed == 1 && t.loss == CAE_LOSS_MSE && t.shuffle == 1 &&
              t.huber_delta == 1 && t.noise_sigma == 0 && t.clip_norm == 0 &&
              t.schedule == CAE_SCHEDULE_CONSTANT && !t.reserved && t.warmup_steps == 0 &&
              t.decay_steps == 0 && t.decay_factor == 0.1 && t.final_fraction == 0);
    cae_evaluation_options_init(&e, sizeof e);
    ck_assert(!e.reserved && e.noise_seed == 123 && e.noise_sigma == 0);
}
END_TEST

/* --- Making a context ------------------------------------------------------------------------ */

struct logged {
    int lines;
    int32_t level;
    char text[256];
    pthread_t thread;
};

static void keep_log(void *user, int32_t level, const char *text)
{
    struct logged *logged = user;

    logged->lines++;
    logged->level = level;
    snprintf(logged->text, sizeof logged->text, "%s", text);
    logged->thread = pthread_self();
}

static cae_status create_and_destroy(const cae_context_options *options)
{
    cae_context *context = (void *)&options; /* anything but NULL */
    const cae_status status = cae_context_create(&context, options);

    ck_assert_int_eq(status == CAE_OK, context != NULL);
    cae_context_destroy(context);
    return status;
}

START_TEST(context_options_out_of_range)
{
    struct heap heap = HEAP;
    struct logged logged;
    cae_context_options options;

/* Once without a log, once with one that hears which of the options it was. */
#define REFUSED(status, field, value)                                                              \
    do {                                                                                           \
        options = heap_options(&heap, 1);                                                          \
        options.field = value;                                                                     \
        ck_assert_int_eq(create_and_destroy(&options), status);                                    \
        logged = (struct logged){0};                                                               \
        options.log = keep_log, options.log_user = &logged;                                        \
        ck_assert_int_eq(create_and_destroy(&options), status);                                    \
        ck_assert_int_eq(logged.lines, 1);                                                         \
        ck_assert_msg(strstr(logged.text, #field), "%s: %s", #field, logged.text);                 \
    } while (0)
    REFUSED(CAE_ERR_OPTIONS, threads, -1);
    REFUSED(CAE_ERR_OPTIONS, threads, 1025);
    REFUSED(CAE_ERR_OPTIONS, threads, INT32_MAX);
    REFUSED(CAE_ERR_OPTIONS, threads, INT32_MIN);
    REFUSED(CAE_ERR_OPTIONS, engine, -1);
    REFUSED(CAE_ERR_OPTIONS, engine, 3);
    REFUSED(CAE_ERR_OPTIONS, cpu, -1);
    REFUSED(CAE_ERR_OPTIONS, cpu, 4);
    REFUSED(CAE_ERR_OPTIONS, allocate, NULL);
    REFUSED(CAE_ERR_OPTIONS, release, NULL);
#undef REFUSED
    ck_assert_int_eq(cae_context_create(NULL, NULL), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(atomic_load(&heap.requests), 0);
}
END_TEST

START_TEST(context_options_in_range)
{
    const int32_t threads[] = {0, 1, 2, 1024};
    struct heap heap = HEAP;

    for (int i = 0; i < COUNT(threads); i++) {
        cae_context *context = heap_context(&heap, threads[i]);

        if (threads[i])
            ck_assert_int_eq(cae_context_threads(context), threads[i]);
        else
            ck_assert_int_ge(cae_context_threads(context), 1);
        cae_context_destroy(context);
        assert_balanced(&heap, "a context that did nothing");
    }
    for (int32_t engine = CAE_ENGINE_AUTO; engine <= CAE_ENGINE_DIRECT; engine++) {
        cae_context_options options = heap_options(&heap, 1);

        options.engine = engine;
        ck_assert_int_eq(create_and_destroy(&options), CAE_OK);
    }
}
END_TEST

START_TEST(nothing_is_destroyed_quietly)
{
    cae_context_destroy(NULL);
    cae_spec_destroy(NULL);
    cae_model_destroy(NULL);
    cae_dataset_destroy(NULL);
    cae_optimizer_destroy(NULL);
    cae_trainer_destroy(NULL);
    ck_assert_int_eq(cae_context_threads(NULL), 0);
    ck_assert_str_eq(cae_context_error(NULL), "");
    ck_assert_int_eq(cae_context_set_threads(NULL, 1), CAE_ERR_ARGUMENT);
}
END_TEST

/* --- Allocator: all memory comes from it and goes back to it --------------------------------- */

/* The `number`-th order of n things, in the factorial system. */
static void order_of(int *order, int n, int number)
{
    int left[8];

    for (int i = 0; i < n; i++)
        left[i] = i;
    for (int i = 0; i < n; i++) {
        const int at = number % (n - i);

        number /= n - i;
        order[i] = left[at];
        memmove(left + at, left + at + 1, (size_t)(n - i - at - 1) * sizeof left[0]);
    }
}

START_TEST(handles_may_be_destroyed_in_any_order)
{
    for (int number = 0; number < 120; number++) {
        struct heap heap = HEAP;
        cae_context *context = heap_context(&heap, 1);
        cae_spec *spec = small_spec(context);
        cae_model *model = NULL;
        cae_dataset *dataset = float_images(context, NULL, 4, 5), *slice = NULL;
        int order[5];

        assert_ok(context, cae_model_create(&model, context, spec, 1));
        assert_ok(context, cae_dataset_slice(&slice, dataset, 1, 2));
        order_of(order, 5, number);
        for (int i = 0; i < 5; i++) {
            ck_assert_int_gt(atomic_load(&heap.blocks), 0);
            switch (order[i]) {
            case 0: cae_context_destroy(context); break;
            case 1: cae_spec_destroy(spec); break;
            case 2: cae_model_destroy(model); break;
            case 3: cae_dataset_destroy(dataset); break;
            default: cae_dataset_destroy(slice);
            }
        }
        assert_balanced(&heap, "destroyed in some order");
    }
}
END_TEST

/* A handle keeps alive what it was made from. */
START_TEST(handles_outlive_their_context)
{
    struct heap heap = HEAP;
    cae_context *context = heap_context(&heap, 2);
    cae_model *model = small_model(context, 1);
    cae_dataset *dataset = float_images(context, NULL, 9, 5), *slice = NULL;
    float x[9 * 25], y[9 * 25], before[9 * 25];

    random_floats(1, x, 9 * 25, -1, 1);
    assert_ok(context, cae_model_forward(before, 9 * 25, model, NULL, x, 9 * 25, 9, 5, 5));
    assert_ok(context, cae_dataset_slice(&slice, dataset, 3, 2));
    cae_context_destroy(context);
    cae_dataset_destroy(dataset);

    ck_assert_int_eq(cae_model_forward(y, 9 * 25, model, NULL, x, 9 * 25, 9, 5, 5), CAE_OK);
    ck_assert_int_eq(memcmp(y, before, sizeof y), 0);
    ck_assert_int_eq(cae_dataset_get(y, 25, slice, 1), CAE_OK);
    cae_model_destroy(model);
    cae_dataset_destroy(slice);
    assert_balanced(&heap, "after the last handle");
}
END_TEST

/* --- Error text ------------------------------------------------------------------------------ */

START_TEST(error_text_is_that_of_the_last_failure)
{
    cae_context *context = test_context(), *other = test_context();
    cae_model *model = small_model(context, 1);
    float value = 0;

    ck_assert_str_eq(cae_context_error(context), "");
    assert_fails(context, CAE_ERR_NAME, cae_model_get_tensor(&value, 1, model, "7.weight"));
    assert_says(context, "7.weight"); /* found */
    assert_says(context, "0.weight"); /* expected */
    assert_fails(context, CAE_ERR_ARGUMENT, cae_model_get_tensor(&value, 1, model, NULL));
    ck_assert_ptr_null(strstr(cae_context_error(context), "7.weight"));
    assert_says(context, "name");
    ck_assert_str_eq(cae_context_error(other), "");
    cae_model_destroy(model);
    cae_context_destroy(context);
    cae_context_destroy(other);
}
END_TEST

/* A context that is lent to a call is the one that says what went wrong. */
START_TEST(error_text_goes_to_the_context_of_the_call)
{
    cae_context *context = test_context(), *other = test_context();
    cae_model *model = small_model(context, 1);
    float x[25] = {0}, y[25];

    assert_fails(other, CAE_ERR_SHAPE, cae_model_forward(y, 24, model, other, x, 25, 1, 5, 5));
    assert_says(other, "24");
    ck_assert_str_eq(cae_context_error(context), "");
    cae_model_destroy(model);
    cae_context_destroy(context);
    cae_context_destroy(other);
}
END_TEST

/* Names and paths come from outside; however long, the text stays one line of bounded length. */
START_TEST(error_text_is_bounded)
{
    cae_context *context = test_context();
    cae_model *model = small_model(context, 1), *loaded = NULL;
    cae_dataset *dataset = NULL;
    float value = 0;
    char *name = malloc(100001);

    ck_assert_ptr_nonnull(name);
    memset(name, 'x', 100000);
    name[100000] = '\0';
    assert_fails(context, CAE_ERR_NAME, cae_model_get_tensor(&value, 1, model, name));
    ck_assert_uint_lt(strlen(cae_context_error(context)), 1024);
    assert_fails(context, CAE_ERR_IO, cae_model_load(&loaded, context, name));
    ck_assert_uint_lt(strlen(cae_context_error(context)), 1024);
    assert_fails(context, CAE_ERR_IO, cae_model_save(model, name));
    ck_assert_uint_lt(strlen(cae_context_error(context)), 1024);
    assert_fails(context, CAE_ERR_IO,
                 cae_dataset_open_cifar10(&dataset, context, name, CAE_SPLIT_TEST, NULL));
    ck_assert_uint_lt(strlen(cae_context_error(context)), 1024);
    free(name);
    cae_model_destroy(model);
    cae_context_destroy(context);
}
END_TEST

/* --- Threads --------------------------------------------------------------------------------- */

START_TEST(threads_can_be_changed_at_any_time)
{
    cae_context *context = test_context();
    const int32_t good[] = {2, 1024, 1, 3}, bad[] = {-1, 1025, INT32_MIN, INT32_MAX};

    ck_assert_int_eq(cae_context_threads(context), 1);
    for (int i = 0; i < COUNT(good); i++) {
        assert_ok(context, cae_context_set_threads(context, good[i]));
        ck_assert_int_eq(cae_context_threads(context), good[i]);
    }
    for (int i = 0; i < COUNT(bad); i++) {
        assert_fails(context, CAE_ERR_ARGUMENT, cae_context_set_threads(context, bad[i]));
        assert_says(context, "1024");
        ck_assert_int_eq(cae_context_threads(context), 3);
    }
    assert_ok(context, cae_context_set_threads(context, 0));
    ck_assert_int_eq(cae_context_threads(context), (int)sysconf(_SC_NPROCESSORS_ONLN));
    cae_context_destroy(context);
}
END_TEST

enum { IMAGES = 40, SIDE = 9, VALUES = IMAGES * SIDE * SIDE };

static void forward_all(float *y, const cae_model *model, cae_context *context)
{
    static float x[VALUES];

    random_floats(2, x, VALUES, -1, 1);
    assert_ok(context,
              cae_model_forward(y, VALUES, model, context, x, VALUES, IMAGES, SIDE, SIDE));
}

START_TEST(threads_do_not_change_the_result)
{
    const int32_t threads[] = {2, 3, 8, 1};
    struct heap heap = HEAP;
    cae_context *context = heap_context(&heap, 1);
    cae_model *model = small_model(context, 1);
    float expected[VALUES], y[VALUES];

    forward_all(expected, model, context);
    for (int i = 0; i < COUNT(threads); i++) {
        assert_ok(context, cae_context_set_threads(context, threads[i]));
        memset(y, 0xff, sizeof y);
        forward_all(y, model, context);
        ck_assert_int_eq(memcmp(y, expected, sizeof y), 0);
    }
    cae_model_destroy(model);
    cae_context_destroy(context);
    assert_balanced(&heap, "threads came and went");
}
END_TEST

/* A server forks: the child's copy of the context has no threads, and must find that out. */
START_TEST(a_forked_child_goes_on)
{
    cae_context *context = test_context();
    cae_model *model = small_model(context, 1);
    float expected[VALUES], y[VALUES];
    int result = -1;
    pid_t child;

    if (test_emulated(THREADS_AFTER_FORK))
        return;
    assert_ok(context, cae_context_set_threads(context, 3));
    forward_all(expected, model, context);
    child = fork();
    if (child == 0) {
        alarm(60);
        forward_all(y, model, context);
        cae_model_destroy(model);
        cae_context_destroy(context);
        _exit(memcmp(y, expected, sizeof y) == 0 ? 0 : 1);
    }
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &result, 0), child);
    ck_assert_int_eq(result, 0);
    forward_all(y, model, context); /* the parent's threads are where they were */
    ck_assert_int_eq(memcmp(y, expected, sizeof y), 0);
    cae_model_destroy(model);
    cae_context_destroy(context);
}
END_TEST

/* --- Log ------------------------------------------------------------------------------------- */

static cae_context *logging_context(struct heap *heap, struct logged *logged, int threads)
{
    cae_context_options options = heap_options(heap, threads);
    cae_context *context = NULL;

    options.log = keep_log;
    options.log_user = logged;
    ck_assert_int_eq(cae_context_create(&context, &options), CAE_OK);
    return context;
}

START_TEST(ordinary_work_logs_nothing)
{
    struct heap heap = HEAP;
    struct logged logged = {0};
    cae_context *context = logging_context(&heap, &logged, 2);
    cae_model *model = small_model(context, 1);
    float y[VALUES];

    forward_all(y, model, context);
    assert_fails(context, CAE_ERR_NAME, cae_model_get_tensor(y, 1, model, "none"));
    cae_model_destroy(model);
    cae_context_destroy(context);
    ck_assert_int_eq(logged.lines, 0);
    assert_balanced(&heap, "a context with a log");
}
END_TEST

/* Stacks of 2^46 bytes: the system has to refuse. */
static bool refuse_threads(pthread_attr_t *before)
{
#if defined __GLIBC__ && SIZE_MAX > UINT32_MAX
    pthread_attr_t attributes;
    bool done;

    pthread_getattr_default_np(before);
    pthread_attr_init(&attributes);
    done = pthread_attr_setstacksize(&attributes, (size_t)1 << 46) == 0 &&
           pthread_setattr_default_np(&attributes) == 0;
    pthread_attr_destroy(&attributes);
    return done;
#else
    (void)before;
    return false;
#endif
}

static void allow_threads(const pthread_attr_t *before)
{
#if defined __GLIBC__ && SIZE_MAX > UINT32_MAX
    pthread_setattr_default_np(before);
#else
    (void)before;
#endif
}

START_TEST(threads_that_the_system_refuses_are_logged)
{
    struct heap heap = HEAP;
    struct logged logged = {0};
    cae_context *alone = test_context(), *context = logging_context(&heap, &logged, 4);
    cae_model *model = small_model(alone, 1);
    pthread_attr_t before;
    float expected[VALUES], y[VALUES];

    forward_all(expected, model, alone);
    if (!test_emulated("stacks of 2^46 bytes: qemu-user notes each page of them") &&
        refuse_threads(&before)) {
        forward_all(y, model, context);
        forward_all(y, model, context);
        allow_threads(&before);
        ck_assert_int_eq(memcmp(y, expected, sizeof y), 0);
        ck_assert_int_eq(logged.lines, 1);
        ck_assert_int_eq(logged.level, CAE_LOG_WARNING);
        ck_assert_ptr_nonnull(strstr(logged.text, "1 of 4"));
        ck_assert_ptr_null(strchr(logged.text, '\n'));
        ck_assert(pthread_equal(logged.thread, pthread_self()));
    }
    cae_model_destroy(model);
    cae_context_destroy(context);
    cae_context_destroy(alone);
    assert_balanced(&heap, "after threads were refused");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("context");
    TCase *texts = tcase_create("version and status");
    TCase *options = tcase_create("options");
    TCase *context = tcase_create("context");
    const int all = COUNT(structures);

    tcase_add_test(texts, loaded_library_is_the_one_compiled_against);
    tcase_add_test(texts, build_info_is_one_line_with_the_version);
    tcase_add_test(texts, build_info_is_cut_to_the_room);
    tcase_add_test(texts, every_status_has_a_text_of_its_own);
    tcase_add_test(texts, unknown_status_has_a_text_too);
    tcase_add_test(texts, status_numbers_never_change);
    suite_add_tcase(suite, texts);

    tcase_add_checked_fixture(options, world_setup, world_teardown);
    tcase_add_loop_test(options, init_writes_as_many_bytes_as_it_is_given, 0, all);
    tcase_add_loop_test(options, init_refuses_what_cannot_be_the_struct, 0, all);
    tcase_add_loop_test(options, sizes_that_no_release_had_are_refused, 0, all);
    tcase_add_loop_test(options, a_shorter_struct_is_an_older_one, 0, all);
    tcase_add_loop_test(options, a_longer_struct_is_a_newer_one, 0, all);
    tcase_add_loop_test(options, null_options_are_the_defaults, 0, all);
    tcase_add_test(options, defaults_are_those_of_the_header);
    suite_add_tcase(suite, options);

    tcase_set_timeout(context, 60);
    tcase_add_test(context, context_options_out_of_range);
    tcase_add_test(context, context_options_in_range);
    tcase_add_test(context, nothing_is_destroyed_quietly);
    tcase_add_test(context, handles_may_be_destroyed_in_any_order);
    tcase_add_test(context, handles_outlive_their_context);
    tcase_add_test(context, error_text_is_that_of_the_last_failure);
    tcase_add_test(context, error_text_goes_to_the_context_of_the_call);
    tcase_add_test(context, error_text_is_bounded);
    tcase_add_test(context, threads_can_be_changed_at_any_time);
    tcase_add_test(context, threads_do_not_change_the_result);
    if (!TEST_HAS_TSAN)
        tcase_add_test(context, a_forked_child_goes_on);
    tcase_add_test(context, ordinary_work_logs_nothing);
    tcase_add_test(context, threads_that_the_system_refuses_are_logged);
    suite_add_tcase(suite, context);
    return test_main(suite);
}
