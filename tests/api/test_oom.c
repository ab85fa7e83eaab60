/* test_oom.c - every public call that allocates, with the k-th request refused, for k = 0, 1, 2, ...
 * until the call no longer makes as many. Each time the status is CAE_ERR_MEMORY, there is no
 * handle, nothing is lost, and the same call succeeds as soon as there is memory again, with the
 * result it would have had. */
#include "api.h"

/* --- A world to call into, made anew for every k --------------------------------------------- */

enum { IMAGES = 20, SIDE = 12, PIXELS = SIDE * SIDE };

struct world {
    struct heap heap, lent_heap;
    cae_context *context, *lent;
    cae_spec *spec, *full_spec, *empty_spec;
    cae_model *model;
    cae_optimizer *optimizer;
    cae_dataset *dataset;
    cae_trainer *trainer;
    struct bytes file;         /* the model */
    float y[IMAGES * PIXELS];  /* what a call computed */
};

static float inputs[IMAGES * PIXELS];

static void world_init(struct world *w, int threads)
{
    cae_trainer_options options;

    *w = (struct world){.heap = HEAP, .lent_heap = HEAP};
    w->context = heap_context(&w->heap, threads);
    w->lent = heap_context(&w->lent_heap, threads);
    w->spec = small_spec(w->context);
    w->full_spec = small_spec(w->context);
    for (int i = 2; i < 8; i++) /* the ninth layer takes more room */
        assert_ok(w->context, cae_spec_add_conv(w->full_spec, 1, 1, NULL));
    assert_ok(w->context, cae_spec_create(&w->empty_spec, w->context));
    w->model = small_model(w->context, 1);
    w->dataset = float_images(w->context, NULL, IMAGES, SIDE);
    assert_ok(w->context, cae_optimizer_create(&w->optimizer, w->model, NULL));
    assert_ok(w->context, cae_trainer_options_init(&options, sizeof options));
    options.batch = 24; /* all images in three blocks: work for three threads */
    options.noise_sigma = 0.1;
    assert_ok(w->context,
              cae_trainer_create(&w->trainer, w->model, w->optimizer, w->dataset, &options));
    w->file = model_bytes(w->model);
    random_floats(1, inputs, IMAGES * PIXELS, -1, 1);
}

static void world_free(struct world *w)
{
    bytes_free(&w->file);
    cae_trainer_destroy(w->trainer);
    cae_dataset_destroy(w->dataset);
    cae_optimizer_destroy(w->optimizer);
    cae_model_destroy(w->model);
    cae_spec_destroy(w->spec);
    cae_spec_destroy(w->full_spec);
    cae_spec_destroy(w->empty_spec);
    cae_context_destroy(w->lent);
    cae_context_destroy(w->context);
    assert_balanced(&w->heap, "the world");
    assert_balanced(&w->lent_heap, "the lent context");
}

/* --- The calls ------------------------------------------------------------------------------- */

/* A handle is there exactly when the status says so. */
static void check_out(cae_status status, const void *out)
{
    if ((status == CAE_OK) != (out != NULL))
        ck_abort_msg("status %d with %s handle", (int)status, out ? "a" : "no");
}

#define MAKES(noun, function, ...)                                                                 \
    do {                                                                                           \
        cae_##noun *out = (void *)w;                                                               \
        const cae_status status = function(&out, __VA_ARGS__);                                     \
        check_out(status, out);                                                                    \
        if (out)                                                                                   \
            cae_##noun##_destroy(out);                                                             \
        return status;                                                                             \
    } while (0)

static cae_status make_context(struct world *w)
{
    const cae_context_options options = heap_options(&w->heap, 1);

    MAKES(context, cae_context_create, &options);
}

static cae_status make_spec(struct world *w)
{
    MAKES(spec, cae_spec_create, w->context);
}

static cae_status add_first_layer(struct world *w)
{
    return cae_spec_add_conv(w->empty_spec, 1, 1, NULL);
}

static cae_status add_ninth_layer(struct world *w)
{
    return cae_spec_add_conv_transpose(w->full_spec, 1, 1, NULL);
}

static cae_status add_reference(struct world *w)
{
    return cae_spec_add_reference(w->empty_spec);
}

static cae_status make_model(struct world *w)
{
    MAKES(model, cae_model_create, w->context, w->spec, 1);
}

static cae_status make_reference(struct world *w)
{
    MAKES(model, cae_model_create_reference, w->context, 1);
}

static cae_status forward(struct world *w)
{
    return cae_model_forward(w->y, IMAGES * PIXELS, w->model, NULL, inputs, IMAGES * PIXELS,
                             IMAGES, SIDE, SIDE);
}

static cae_status forward_lent(struct world *w)
{
    return cae_model_forward(w->y, IMAGES * PIXELS, w->model, w->lent, inputs, IMAGES * PIXELS,
                             IMAGES, SIDE, SIDE);
}

static cae_status encode(struct world *w)
{
    return cae_model_encode(w->y, 2 * 10 * 10, w->model, NULL, inputs, PIXELS, 1, SIDE, SIDE);
}

static cae_status decode(struct world *w)
{
    return cae_model_decode(w->y, 9 * 8 * 8, w->model, NULL, inputs, 9 * 2 * 6 * 6, 9, 6, 6);
}

static cae_status save_model(struct world *w)
{
    return cae_model_save(w->model, in_directory("out"));
}

static cae_status save_memory(struct world *w)
{
    size_t size;

    return cae_model_save_memory(w->y, sizeof w->y, &size, w->model);
}

static cae_status export_onnx(struct world *w)
{
    return cae_model_export_onnx(w->model, CAE_PART_WHOLE, in_directory("out"));
}

static cae_status export_onnx_memory(struct world *w)
{
    size_t size;

    return cae_model_export_onnx_memory(w->y, sizeof w->y, &size, w->model, CAE_PART_ENCODER);
}

static cae_status load_model(struct world *w)
{
    MAKES(model, cae_model_load, w->context, in_directory("model"));
}

static cae_status load_memory(struct world *w)
{
    MAKES(model, cae_model_load_memory, w->context, w->file.data, w->file.size);
}

static cae_status load_weights(struct world *w)
{
    return cae_model_load_weights(w->model, in_directory("weights"));
}

static cae_status copy_images(struct world *w)
{
    MAKES(dataset, cae_dataset_create, w->context, inputs, IMAGES, IMAGES, 1, 1, 1, NULL);
}

static cae_status borrow_images(struct world *w)
{
    cae_dataset_options options;

    cae_dataset_options_init(&options, sizeof options);
    options.borrow = 1;
    MAKES(dataset, cae_dataset_create, w->context, inputs, IMAGES, IMAGES, 1, 1, 1, &options);
}

static cae_status slice_images(struct world *w)
{
    MAKES(dataset, cae_dataset_slice, w->dataset, 1, 2);
}

static cae_status open_cifar(struct world *w)
{
    MAKES(dataset, cae_dataset_open_cifar10, w->context, test_directory, CAE_SPLIT_TRAIN, NULL);
}

static cae_status make_leaves(struct world *w)
{
    MAKES(dataset, cae_dataset_create_dead_leaves, w->context, 5, 3, 8, 8, 1, NULL);
}

static cae_status compare_images(struct world *w)
{
    double ssim;

    return cae_ssim(&ssim, w->context, inputs, inputs + PIXELS, 1, SIDE, SIDE, 2,
                    CAE_SSIM_GAUSSIAN11);
}

static cae_status evaluate(struct world *w)
{
    cae_evaluation evaluation;

    cae_evaluation_init(&evaluation, sizeof evaluation);
    return cae_model_evaluate(&evaluation, w->model, NULL, w->dataset, NULL);
}

static cae_status evaluate_lent(struct world *w)
{
    cae_evaluation evaluation;

    cae_evaluation_init(&evaluation, sizeof evaluation);
    return cae_model_evaluate(&evaluation, w->model, w->lent, w->dataset, NULL);
}

static cae_status make_optimizer(struct world *w)
{
    MAKES(optimizer, cae_optimizer_create, w->model, NULL);
}

static cae_status make_sgd(struct world *w)
{
    cae_optimizer_options options;

    cae_optimizer_options_init(&options, sizeof options);
    options.kind = CAE_OPTIMIZER_SGD;
    options.momentum = 0.9;
    MAKES(optimizer, cae_optimizer_create, w->model, &options);
}

static cae_status make_trainer(struct world *w)
{
    MAKES(trainer, cae_trainer_create, w->model, w->optimizer, w->dataset, NULL);
}

static cae_status take_step(struct world *w)
{
    return cae_trainer_step(NULL, w->trainer);
}

/* More threads than when the trainer was made: they need memory of their own. */
static cae_status take_step_by_three(struct world *w)
{
    const cae_status status = cae_context_set_threads(w->context, 3);

    return status == CAE_OK ? cae_trainer_step(NULL, w->trainer) : status;
}

static cae_status train_epoch_by_three(struct world *w)
{
    const cae_status status = cae_context_set_threads(w->context, 3);

    return status == CAE_OK ? cae_trainer_epoch(NULL, w->trainer, NULL, NULL) : status;
}

static cae_status save_trainer(struct world *w)
{
    return cae_trainer_save(w->trainer, in_directory("out"));
}

static cae_status resume_trainer(struct world *w)
{
    return cae_trainer_resume(w->trainer, in_directory("checkpoint"));
}

static const struct call {
    const char *name;
    cae_status (*run)(struct world *w);
    int least; /* requests that it makes, at least: so that the test tests something */
} calls[] = {
    {"cae_context_create", make_context, 1},
    {"cae_spec_create", make_spec, 1},
    {"cae_spec_add_conv", add_first_layer, 1},
    {"cae_spec_add_conv_transpose", add_ninth_layer, 1},
    {"cae_spec_add_reference", add_reference, 1},
    {"cae_model_create", make_model, 3},
    {"cae_model_create_reference", make_reference, 4},
    {"cae_model_forward", forward, 2},
    {"cae_model_forward, lent", forward_lent, 2},
    {"cae_model_encode", encode, 2},
    {"cae_model_decode", decode, 2},
    {"cae_model_save", save_model, 3},
    {"cae_model_save_memory", save_memory, 2},
    {"cae_model_export_onnx", export_onnx, 2},
    {"cae_model_export_onnx_memory", export_onnx_memory, 1},
    {"cae_model_load", load_model, 5},
    {"cae_model_load_memory", load_memory, 4},
    {"cae_model_load_weights", load_weights, 3},
    {"cae_dataset_create", copy_images, 2},
    {"cae_dataset_create, borrowed", borrow_images, 1},
    {"cae_dataset_slice", slice_images, 1},
    {"cae_dataset_open_cifar10", open_cifar, 3},
    {"cae_dataset_create_dead_leaves", make_leaves, 3},
    {"cae_ssim", compare_images, 1},
    {"cae_model_evaluate", evaluate, 3},
    {"cae_model_evaluate, lent", evaluate_lent, 3},
    {"cae_optimizer_create", make_optimizer, 6},
    {"cae_optimizer_create, SGD", make_sgd, 4},
    {"cae_trainer_create", make_trainer, 6},
    {"cae_trainer_step", take_step, 0},
    {"cae_trainer_step, by three", take_step_by_three, 2},
    {"cae_trainer_epoch, by three", train_epoch_by_three, 2},
    {"cae_trainer_save", save_trainer, 3},
    {"cae_trainer_resume", resume_trainer, 2},
};

/* --- Before and after ------------------------------------------------------------------------ */

static struct bytes saved_state(struct world *w)
{
    assert_ok(w->context, cae_trainer_save(w->trainer, in_directory("state")));
    return file_bytes(in_directory("state"));
}

/* What the call is to come to: what it computed, and the state of training. */
struct result {
    struct bytes state;
    float y[IMAGES * PIXELS];
    int layers[3];
};

static int layers_of(cae_context *context, const cae_spec *spec)
{
    cae_model *model = NULL;
    int layers = 0;

    if (cae_model_create(&model, context, spec, 1) == CAE_OK) /* else it is empty */
        layers = cae_model_layer_count(model);
    cae_model_destroy(model);
    return layers;
}

static struct result result_of(struct world *w)
{
    struct result result = {.state = saved_state(w)};

    memcpy(result.y, w->y, sizeof w->y);
    result.layers[0] = layers_of(w->context, w->spec);
    result.layers[1] = layers_of(w->context, w->full_spec);
    result.layers[2] = layers_of(w->context, w->empty_spec);
    return result;
}

static void assert_same_results(struct result a, struct result b, const char *what)
{
    assert_same_bytes(a.state, b.state, what);
    if (memcmp(a.y, b.y, sizeof a.y) != 0 || memcmp(a.layers, b.layers, sizeof a.layers) != 0)
        ck_abort_msg("%s: the result is another", what);
}

/* Files to read: a model, weights, a checkpoint three steps ahead, a CIFAR-10 batch. */
static void write_files(void)
{
    unsigned char record[3073] = {1};
    struct world w;

    world_init(&w, 1);
    assert_ok(w.context, cae_model_save(w.model, in_directory("model")));
    for (int i = 0; i < 3; i++)
        assert_ok(w.context, cae_trainer_step(NULL, w.trainer));
    assert_ok(w.context, cae_trainer_save(w.trainer, in_directory("checkpoint")));
    assert_ok(w.context, cae_model_save(w.model, in_directory("weights")));
    write_file(in_directory("data_batch_1.bin"), record, sizeof record);
    world_free(&w);
}

/* --- The k-th request is refused ------------------------------------------------------------- */

/* What the call leads to when nothing is refused. */
static struct result undisturbed(const struct call *call, int threads)
{
    struct result result;
    struct world w;

    world_init(&w, threads);
    ck_assert_int_eq(call->run(&w), CAE_OK);
    result = result_of(&w);
    world_free(&w);
    return result;
}

static struct heap *heap_of(struct world *w, const struct call *call)
{
    return strstr(call->name, "lent") ? &w->lent_heap : &w->heap;
}

/* Returns whether there was a k-th request to refuse. */
static bool try_refusing(const struct call *call, int threads, long k, bool and_all_after,
                         struct result expected)
{
    struct heap *heap;
    struct result found;
    struct world w;
    cae_status status;
    bool refused;

    world_init(&w, threads);
    heap = heap_of(&w, call);
    heap_fail(heap, k, and_all_after);
    status = call->run(&w);
    refused = heap_failed(heap);
    heap_fail(heap, -1, false);

    if (!refused)
        ck_assert_msg(status == CAE_OK, "%s without a refusal gave %d", call->name, (int)status);
    else if (threads == 1 && !strstr(call->name, "by three"))
        ck_assert_msg(status == CAE_ERR_MEMORY, "%s, request %ld refused, gave %d (%s)",
                      call->name, k, (int)status, cae_status_string(status));
    else /* threads that cannot be had are done without */
        ck_assert(status == CAE_ERR_MEMORY || status == CAE_OK);
    if (status == CAE_ERR_MEMORY && call->run != make_context)
        ck_assert_ptr_nonnull(strstr(cae_context_error(heap == &w.heap ? w.context : w.lent),
                                     "memory"));
    if (status != CAE_OK)
        ck_assert_int_eq(call->run(&w), CAE_OK);
    found = result_of(&w);
    assert_same_results(found, expected, call->name);
    bytes_free(&found.state);
    world_free(&w);
    return refused;
}

static void refuse_each(const struct call *call, int threads)
{
    struct result expected = undisturbed(call, threads);
    long k;

    for (int and_all_after = 0; and_all_after <= 1; and_all_after++) {
        for (k = 0; try_refusing(call, threads, k, and_all_after, expected); k++)
            ck_assert_int_lt(k, 1000);
        ck_assert_msg(threads > 1 || k >= call->least,
                      "%s made %ld requests, expected %d or more", call->name, k, call->least);
    }
    bytes_free(&expected.state);
}

START_TEST(each_request_is_refused_once)
{
    write_files();
    refuse_each(&calls[_i], 1);
}
END_TEST

START_TEST(each_request_is_refused_once_with_threads)
{
    write_files();
    refuse_each(&calls[_i], 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("out of memory");
    TCase *each = tcase_create("each request");

    tcase_set_timeout(each, 60);
    tcase_add_unchecked_fixture(each, directory_setup, directory_teardown);
    tcase_add_loop_test(each, each_request_is_refused_once, 0, COUNT(calls));
    tcase_add_loop_test(each, each_request_is_refused_once_with_threads, 0, COUNT(calls));
    suite_add_tcase(suite, each);
    return test_main(suite);
}
