/* test_oom.c - every public call that allocates, with the k-th request refused, for k = 0, 1, 2, ...
 * until the call no longer makes as many: that request alone, it and all after it, and every second one by
 * chance. Each time the status is CAE_ERR_MEMORY, there is no handle, nothing is lost, nothing has changed,
 * and the same call succeeds as soon as there is memory again, with the result it would have had. Calls
 * that are not in that table make no request at all; every function of cae.map is in one of the two. */
#include "calls.h"

#include <sys/mman.h>

#define CAE_MAP TEST_SOURCE "/lib/cae.map"

/* What was tried, in memory that the processes of Check's tests share with their parent. */
static struct tally {
    atomic_long refusals, comparisons, functions;
} *tally;

/* --- The k-th request is refused ----------------------------------------------------------------- */

/* What the call leads to when nothing is refused; `before` is the state that it finds. */
static struct result undisturbed(const struct call *call, struct setting setting, struct bytes *before)
{
    struct result result;
    struct world w;

    world_init(&w, setting);
    if (call->prepare)
        ck_assert_int_eq(call->prepare(&w), CAE_OK);
    *before = saved_state(&w);
    ck_assert_int_eq(call->run(&w), CAE_OK);
    result = result_of(&w);
    world_free(&w);
    return result;
}

static struct heap *heap_of(struct world *w, const struct call *call)
{
    return strstr(call->name, "lent") ? &w->lent_heap : &w->heap;
}

static bool asks_for_threads(const struct call *call)
{
    return strstr(call->name, "by three") != NULL;
}

/* A failure of memory, which changed nothing; the next try, undisturbed, succeeds. */
static void check_failure(struct world *w, const struct call *call, cae_status status,
                          struct bytes before)
{
    ck_assert_msg(status == CAE_ERR_MEMORY, "%s gave %d (%s)", call->name, (int)status,
                  cae_status_string(status));
    if (call->run != make_context)
        ck_assert_ptr_nonnull(
            strstr(cae_context_error(heap_of(w, call) == &w->heap ? w->context : w->lent), "memory"));
    if (!call->partial) {
        struct bytes now = saved_state(w);
        assert_same_bytes(now, before, call->name);
        bytes_free(&now);
        atomic_fetch_add(&tally->comparisons, 1);
    }
    ck_assert_int_eq(call->run(w), CAE_OK);
}

/* Returns whether there was a k-th request to refuse. */
static bool try_refusing(const struct call *call, struct setting setting, long k, bool and_all_after,
                         struct result expected, struct bytes before)
{
    struct heap *heap;
    struct result found;
    struct world w;
    cae_status status;
    bool refused;

    world_init(&w, setting);
    if (call->prepare)
        ck_assert_int_eq(call->prepare(&w), CAE_OK);
    heap = heap_of(&w, call);
    heap_fail(heap, k, and_all_after);
    status = call->run(&w);
    refused = heap_failed(heap);
    heap_fail(heap, -1, false);

    if (!refused)
        ck_assert_msg(status == CAE_OK, "%s without a refusal gave %d", call->name, (int)status);
    else if (setting.threads == 1 && !asks_for_threads(call))
        ck_assert_msg(status == CAE_ERR_MEMORY, "%s, request %ld refused, gave %d (%s)",
                      call->name, k, (int)status, cae_status_string(status));
    /* else threads that cannot be had are done without */
    if (status != CAE_OK)
        check_failure(&w, call, status, before);
    found = result_of(&w);
    assert_same_results(found, expected, call->name);
    bytes_free(&found.state);
    world_free(&w);
    atomic_fetch_add(&tally->comparisons, 1);
    atomic_fetch_add(&tally->refusals, refused);
    return refused;
}

/* The call again and again, while about every second request is refused; then without. */
static void refuse_by_chance(const struct call *call, struct setting setting, uint64_t seed,
                             struct result expected)
{
    struct result found;
    struct world w;
    cae_status status = CAE_ERR_MEMORY;

    world_init(&w, setting);
    if (call->prepare)
        ck_assert_int_eq(call->prepare(&w), CAE_OK);
    for (int i = 0; i < 20 && status != CAE_OK; i++) {
        struct heap *heap = heap_of(&w, call);
        heap_fail(heap, (long)random_below(&seed, 6), false);
        heap->fail_every = 2 + (int)random_below(&seed, 4);
        status = call->run(&w);
        atomic_fetch_add(&tally->refusals, heap_failed(heap));
        heap_fail(heap, -1, false);
        heap->fail_every = 0;
        ck_assert_msg(status == CAE_OK || status == CAE_ERR_MEMORY, "%s gave %d", call->name,
                      (int)status);
    }
    if (status != CAE_OK)
        ck_assert_int_eq(call->run(&w), CAE_OK);
    found = result_of(&w);
    assert_same_results(found, expected, call->name);
    bytes_free(&found.state);
    world_free(&w);
    atomic_fetch_add(&tally->comparisons, 1);
}

static void refuse_each(const struct call *call, struct setting setting)
{
    struct bytes before;
    struct result expected = undisturbed(call, setting, &before);
    long k;

    for (int and_all_after = 0; and_all_after <= 1; and_all_after++) {
        for (k = 0; try_refusing(call, setting, k, and_all_after, expected, before); k++)
            ck_assert_int_lt(k, 1000);
        ck_assert_msg(setting.threads > 1 || k >= call->least,
                      "%s made %ld requests, expected %d or more", call->name, k, call->least);
    }
    for (uint64_t seed = 0; seed < 5; seed++)
        refuse_by_chance(call, setting, seed, expected);
    bytes_free(&expected.state);
    bytes_free(&before);
}

/* On one thread and on three, by every engine. */
START_TEST(each_request_is_refused_once)
{
    const struct call *call = &calls[_i / 2];

    write_files();
    for (int32_t engine = CAE_ENGINE_AUTO; engine <= CAE_ENGINE_DIRECT; engine++)
        if (!test_quick() || engine == CAE_ENGINE_AUTO)
            refuse_each(call, (struct setting){.threads = _i % 2 ? 3 : 1, .engine = engine});
}
END_TEST

/* --- Calls that allocate nothing ------------------------------------------------------------------ */

static cae_status set_threads(struct world *w)
{
    return cae_context_set_threads(w->context, 2);
}

static cae_status end_encoder(struct world *w)
{
    return cae_spec_end_encoder(w->spec);
}

static cae_status preset_options(struct world *w)
{
    cae_optimizer_options optimizer;
    cae_trainer_options trainer;

    cae_optimizer_options_init(&optimizer, sizeof optimizer);
    cae_trainer_options_init(&trainer, sizeof trainer);
    return cae_preset_options(&optimizer, &trainer, w->context, CAE_PRESET_QUALITY, 50000, 0);
}

static cae_status set_initialization(struct world *w)
{
    return cae_spec_set_initialization(w->spec, CAE_INITIALIZATION_HE);
}

static cae_status set_residual(struct world *w)
{
    return cae_spec_set_residual(w->spec, 1);
}

static cae_status get_image(struct world *w)
{
    return cae_dataset_get(w->y, PIXELS, w->dataset, 1);
}

static cae_status get_tensor(struct world *w)
{
    return cae_model_get_tensor(w->y, 18, w->model, "0.weight");
}

static cae_status set_tensor(struct world *w)
{
    return cae_model_set_tensor(w->model, "0.weight", inputs, 18);
}

static cae_status tensor_shape(struct world *w)
{
    int64_t shape[4];

    return cae_model_tensor_shape(shape, NULL, w->model, "0.weight");
}

static cae_status output_shape(struct world *w)
{
    return cae_model_output_shape(NULL, NULL, NULL, w->model, w->context, CAE_PART_WHOLE, 9, 9);
}

static cae_status channels(struct world *w)
{
    return cae_model_channels(NULL, NULL, w->model, w->context, CAE_PART_DECODER);
}

static cae_status layer(struct world *w)
{
    cae_conv_options options;

    cae_conv_options_init(&options, sizeof options);
    return cae_model_layer(NULL, NULL, NULL, &options, w->model, 1);
}

static cae_status dataset_shape(struct world *w)
{
    return cae_dataset_shape(NULL, NULL, NULL, w->dataset);
}

static cae_status add_noise(struct world *w)
{
    return cae_add_noise(w->y, PIXELS, 0.1, 1, 1, 1);
}

static cae_status mse(struct world *w)
{
    double out;

    return cae_mse(&out, w->context, inputs, inputs + 9, 9);
}

static cae_status psnr(struct world *w)
{
    double out;

    return cae_psnr(&out, w->context, inputs, inputs + 9, 9, 2);
}

static cae_status init_group_options(struct world *w)
{
    cae_group_options options;

    (void)w;
    return cae_group_options_init(&options, sizeof options);
}

static cae_status request_stop(struct world *w)
{
    return cae_trainer_request_stop(w->trainer);
}

static cae_status set_rate(struct world *w)
{
    return cae_optimizer_set_learning_rate(w->optimizer, 0.5);
}

static cae_status get_gradient(struct world *w)
{
    return cae_trainer_get_gradient(w->y, 18, w->trainer, "0.weight");
}

static cae_status get_progress(struct world *w)
{
    cae_progress progress;

    cae_progress_init(&progress, sizeof progress);
    return cae_trainer_progress(&progress, w->trainer);
}

static cae_status get_threshold(struct world *w)
{
    cae_model_threshold(NULL, NULL, NULL, w->model); /* fails: there is none */
    return CAE_OK;
}

static cae_status array_shape(struct world *w)
{
    return cae_array_shape(NULL, NULL, NULL, w->image);
}

static cae_status to_planes(struct world *w)
{
    return cae_array_to_planes(w->y, 216, w->image, CAE_SCALE_UNIT);
}

static cae_status from_planes(struct world *w)
{
    return cae_array_from_planes(w->image, inputs, 216, CAE_SCALE_UNIT);
}

#define STATUS_OF(function, condition)                                                             \
    static cae_status function(struct world *w)                                                    \
    {                                                                                              \
        (void)w;                                                                                   \
        return (condition) ? CAE_OK : CAE_ERR_ARGUMENT;                                            \
    }

STATUS_OF(abi, cae_abi_version() == CAE_ABI_VERSION)
STATUS_OF(number, cae_version_number() != 0)
STATUS_OF(string, cae_version_string()[0] != 0)
STATUS_OF(info, cae_build_info(NULL, 0) > 0)
STATUS_OF(status_text, cae_status_string(CAE_OK)[0] != 0)
STATUS_OF(cpu, cae_context_cpu(w->context) != CAE_CPU_AUTO)
STATUS_OF(threads_of, cae_context_threads(w->context) > 0)
STATUS_OF(error_of, cae_context_error(w->context) != NULL)
STATUS_OF(array_data, cae_array_data(w->image) != NULL)
STATUS_OF(array_size, cae_array_bytes(w->image) == 216)
STATUS_OF(skipped, cae_dataset_skipped(w->dataset) == 0)
STATUS_OF(count, cae_dataset_count(w->dataset) == IMAGES)
STATUS_OF(range, cae_dataset_range(w->dataset) == 2.0)
STATUS_OF(preset_name, cae_preset_name(1) != NULL)
STATUS_OF(preset_epochs, cae_preset_epochs(0, 50000) == 10)
STATUS_OF(model_residual, cae_model_residual(w->model) == 0)
STATUS_OF(layer_count, cae_model_layer_count(w->model) == 2)
STATUS_OF(encoder_layers, cae_model_encoder_layers(w->model) == 1)
STATUS_OF(note, cae_model_note(w->model)[0] == 0)
STATUS_OF(parameter_count, cae_model_parameter_count(w->model) == 39)
STATUS_OF(tensor_count, cae_model_tensor_count(w->model) == 4)
STATUS_OF(tensor_name, cae_model_tensor_name(w->model, 0) != NULL)
STATUS_OF(learning_rate, cae_optimizer_learning_rate(w->optimizer) == 1e-3)
STATUS_OF(steps_per_epoch, cae_trainer_steps_per_epoch(w->trainer) == 1)

#define DESTROYS(noun, member)                                                                     \
    static cae_status destroy_##noun(struct world *w)                                              \
    {                                                                                              \
        cae_##noun##_destroy(w->member);                                                           \
        w->member = NULL;                                                                          \
        return CAE_OK;                                                                             \
    }

DESTROYS(context, lent)
DESTROYS(spec, spec)
DESTROYS(model, strided)
DESTROYS(dataset, dataset)
DESTROYS(optimizer, sgd)
DESTROYS(trainer, sgd_trainer)
DESTROYS(scorer, scorer)
DESTROYS(array, image)

#define INITS(noun)                                                                                \
    static cae_status init_##noun(struct world *w)                                                 \
    {                                                                                              \
        cae_##noun o;                                                                              \
        (void)w;                                                                                   \
        return cae_##noun##_init(&o, sizeof o);                                                    \
    }

INITS(context_options)
INITS(conv_options)
INITS(dataset_options)
INITS(folder_options)
INITS(optimizer_options)
INITS(trainer_options)
INITS(evaluation_options)
INITS(progress)
INITS(evaluation)
INITS(scorer_options)

static const struct call quiet_calls[] = {
#define QUIET(name, run) {name, run, 0, NULL, false}
    {"cae_scorer_destroy", destroy_scorer, 0, prepare_scorer, false},
    QUIET("cae_abi_version", abi),
    QUIET("cae_version_number", number),
    QUIET("cae_version_string", string),
    QUIET("cae_build_info", info),
    QUIET("cae_status_string", status_text),
    QUIET("cae_context_cpu", cpu),
    QUIET("cae_context_threads", threads_of),
    QUIET("cae_context_error", error_of),
    QUIET("cae_context_set_threads", set_threads),
    QUIET("cae_context_options_init", init_context_options),
    QUIET("cae_conv_options_init", init_conv_options),
    QUIET("cae_dataset_options_init", init_dataset_options),
    QUIET("cae_optimizer_options_init", init_optimizer_options),
    QUIET("cae_trainer_options_init", init_trainer_options),
    QUIET("cae_evaluation_options_init", init_evaluation_options),
    QUIET("cae_evaluation_init", init_evaluation),
    QUIET("cae_progress_init", init_progress),
    QUIET("cae_spec_end_encoder", end_encoder),
    QUIET("cae_spec_set_residual", set_residual),
    QUIET("cae_spec_set_initialization", set_initialization),
    QUIET("cae_preset_name", preset_name),
    QUIET("cae_preset_epochs", preset_epochs),
    QUIET("cae_preset_options", preset_options),
    QUIET("cae_dataset_count", count),
    QUIET("cae_dataset_get", get_image),
    QUIET("cae_dataset_range", range),
    QUIET("cae_dataset_shape", dataset_shape),
    QUIET("cae_model_channels", channels),
    QUIET("cae_model_encoder_layers", encoder_layers),
    QUIET("cae_model_layer", layer),
    QUIET("cae_model_note", note),
    QUIET("cae_model_get_tensor", get_tensor),
    QUIET("cae_model_set_tensor", set_tensor),
    QUIET("cae_model_layer_count", layer_count),
    QUIET("cae_model_residual", model_residual),
    QUIET("cae_model_output_shape", output_shape),
    QUIET("cae_model_parameter_count", parameter_count),
    QUIET("cae_model_tensor_count", tensor_count),
    QUIET("cae_model_tensor_name", tensor_name),
    QUIET("cae_model_tensor_shape", tensor_shape),
    QUIET("cae_add_noise", add_noise),
    QUIET("cae_mse", mse),
    QUIET("cae_psnr", psnr),
    QUIET("cae_optimizer_learning_rate", learning_rate),
    QUIET("cae_optimizer_set_learning_rate", set_rate),
    QUIET("cae_trainer_get_gradient", get_gradient),
    QUIET("cae_trainer_progress", get_progress),
    QUIET("cae_trainer_steps_per_epoch", steps_per_epoch),
    QUIET("cae_model_threshold", get_threshold),
    QUIET("cae_scorer_options_init", init_scorer_options),
    QUIET("cae_array_bytes", array_size),
    QUIET("cae_array_data", array_data),
    QUIET("cae_array_destroy", destroy_array),
    QUIET("cae_array_from_planes", from_planes),
    QUIET("cae_array_shape", array_shape),
    QUIET("cae_array_to_planes", to_planes),
    QUIET("cae_dataset_skipped", skipped),
    QUIET("cae_folder_options_init", init_folder_options),
    QUIET("cae_group_options_init", init_group_options),
    QUIET("cae_trainer_request_stop", request_stop),
    QUIET("cae_trainer_destroy", destroy_trainer),
    QUIET("cae_dataset_destroy", destroy_dataset),
    QUIET("cae_optimizer_destroy", destroy_optimizer),
    QUIET("cae_model_destroy", destroy_model),
    QUIET("cae_spec_destroy", destroy_spec),
    QUIET("cae_context_destroy", destroy_context),
};

START_TEST(quiet_calls_make_no_request)
{
    const struct call *call = &quiet_calls[_i];
    struct world w;

    for (int threads = 1; threads <= 3; threads += 2) {
        world_init(&w, (struct setting){.threads = threads});
        if (call->prepare)
            ck_assert_int_eq(call->prepare(&w), CAE_OK);
        heap_fail(&w.heap, 0, true);
        heap_fail(&w.lent_heap, 0, true);
        ck_assert_msg(call->run(&w) == CAE_OK, "%s failed without memory", call->name);
        ck_assert_msg(!heap_failed(&w.heap) && !heap_failed(&w.lent_heap), "%s made a request",
                      call->name);
        world_free(&w);
    }
}
END_TEST

/* --- Nothing is missing ---------------------------------------------------------------------------- */

/* "cae_model_forward, large" is a call of cae_model_forward. */
static bool is_called(const char *function, const struct call *table, int count)
{
    for (int i = 0; i < count; i++)
        if (strncmp(table[i].name, function, strlen(function)) == 0 &&
            (table[i].name[strlen(function)] == 0 || table[i].name[strlen(function)] == ','))
            return true;
    return false;
}

START_TEST(every_function_is_in_one_of_the_tables)
{
    FILE *map = fopen(CAE_MAP, "r");
    char line[256], function[128];
    int functions = 0;

    ck_assert_msg(map != NULL, "cannot read " CAE_MAP);
    while (fgets(line, sizeof line, map))
        if (sscanf(line, " cae_%127[a-z0-9_];", function) == 1) {
            char name[160];
            snprintf(name, sizeof name, "cae_%s", function);
            const bool loud = is_called(name, calls, COUNT(calls));
            const bool quiet = is_called(name, quiet_calls, COUNT(quiet_calls));
            ck_assert_msg(loud != quiet, "%s is in %s of test_oom.c's tables", name,
                          loud ? "both" : "neither");
            functions++;
        }
    fclose(map);
    ck_assert_int_ge(functions, 85);
    atomic_fetch_add(&tally->functions, functions);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("out of memory");
    TCase *each = tcase_create("each request"), *all = tcase_create("all functions");

    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tally == MAP_FAILED)
        return EXIT_FAILURE;
    tcase_set_timeout(each, 60);
    tcase_add_unchecked_fixture(each, directory_setup, directory_teardown);
    tcase_add_loop_test(each, each_request_is_refused_once, 0, 2 * COUNT(calls));
    suite_add_tcase(suite, each);
    tcase_add_unchecked_fixture(all, directory_setup, directory_teardown);
    tcase_add_loop_test(all, quiet_calls_make_no_request, 0, COUNT(quiet_calls));
    tcase_add_test(all, every_function_is_in_one_of_the_tables);
    suite_add_tcase(suite, all);
    const int result = test_main(suite);
    printf("%ld functions; %ld requests refused, results and states compared %ld times, leaks %s\n",
           atomic_load(&tally->functions), atomic_load(&tally->refusals),
           atomic_load(&tally->comparisons), result == EXIT_SUCCESS ? "0" : "as above");
    return result;
}
