/* calls.h - every public call that allocates, in a small world made for it, and what it comes to. For the
 * tests that refuse things while it runs: test_oom.c memory, test_refusals.c what the system gives. */
#ifndef CAE_TESTS_CALLS_H
#define CAE_TESTS_CALLS_H

#include "arrays.h"

#include <sys/stat.h>

/* --- A world to call into, made anew for every k --------------------------------------------- */

enum { IMAGES = 20, SIDE = 12, PIXELS = SIDE * SIDE };
/* More than 65,536 pixels: in tiles. */
enum { LARGE_H = 264, LARGE_W = 252, LARGE = LARGE_H * LARGE_W };

struct world {
    struct heap heap, lent_heap;
    cae_context *context, *lent;
    cae_spec *spec, *full_spec, *empty_spec;
    cae_model *model, *strided;
    cae_optimizer *optimizer, *sgd;
    cae_dataset *dataset;
    cae_trainer *trainer, *sgd_trainer;
    cae_scorer *scorer;        /* of the model, for large frames; NULL until made */
    cae_array *image;
    struct bytes file;         /* the model */
    struct bytes image_file;   /* .npy */
    float y[IMAGES * PIXELS];  /* what a call computed */
};

/* How contexts are made: another program may have its own allocator and log. */
struct setting {
    int threads;
    int32_t engine;
    cae_allocate_fn allocate; /* NULL: that of struct heap */
    cae_release_fn release;
    cae_log_fn log;
    void *log_user;
};

static float inputs[IMAGES * PIXELS];

static inline cae_context *world_context(struct heap *heap, struct setting s)
{
    cae_context_options options = heap_options(heap, s.threads);
    cae_context *context = NULL;

    options.engine = s.engine;
    if (s.allocate)
        options.allocate = s.allocate, options.release = s.release;
    options.log = s.log, options.log_user = s.log_user;
    ck_assert_int_eq(cae_context_create(&context, &options), CAE_OK);
    return context;
}

/* Strides, every activation: half of it is always matrix products. */
static inline cae_model *strided_model(cae_context *context)
{
    cae_conv_options o;
    cae_spec *spec;
    cae_model *model;

    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    assert_ok(context, cae_spec_create(&spec, context));
    o.stride_h = o.stride_w = 2, o.padding_h = o.padding_w = 1;
    o.activation = CAE_ACTIVATION_LEAKY_RELU;
    assert_ok(context, cae_spec_add_conv(spec, 1, 3, &o));
    o.output_padding_h = o.output_padding_w = 1, o.activation = CAE_ACTIVATION_SIGMOID;
    assert_ok(context, cae_spec_add_conv_transpose(spec, 3, 1, &o));
    assert_ok(context, cae_model_create(&model, context, spec, 2));
    cae_spec_destroy(spec);
    return model;
}

static inline void world_init(struct world *w, struct setting setting)
{
    cae_trainer_options options;
    cae_optimizer_options sgd;

    *w = (struct world){.heap = HEAP, .lent_heap = HEAP};
    w->context = world_context(&w->heap, setting);
    w->lent = world_context(&w->lent_heap, setting);
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
    w->strided = strided_model(w->context);
    assert_ok(w->context, cae_optimizer_options_init(&sgd, sizeof sgd));
    sgd.kind = CAE_OPTIMIZER_SGD, sgd.momentum = 0.9;
    options.batch = 9; /* three steps an epoch, of two blocks */
    options.average_decay = 0.9;
    assert_ok(w->context, cae_optimizer_create(&w->sgd, w->strided, &sgd));
    assert_ok(w->context,
              cae_trainer_create(&w->sgd_trainer, w->strided, w->sgd, w->dataset, &options));
    w->file = model_bytes(w->model);
    w->image = random_image(w->context, 1, CAE_TYPE_U8, 8, 9, 3);
    w->image_file = array_bytes(w->context, w->image, CAE_FILE_NPY);
    random_floats(1, inputs, IMAGES * PIXELS, -1, 1);
}

static inline void world_free(struct world *w)
{
    bytes_free(&w->file);
    cae_scorer_destroy(w->scorer);
    bytes_free(&w->image_file);
    cae_array_destroy(w->image);
    cae_trainer_destroy(w->sgd_trainer);
    cae_optimizer_destroy(w->sgd);
    cae_model_destroy(w->strided);
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
static inline void check_out(cae_status status, const void *out)
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

static cae_status add_preset(struct world *w)
{
    return cae_spec_add_preset(w->empty_spec, CAE_PRESET_COMPRESS, 3, 0);
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

static cae_status open_cifar_on_disk(struct world *w)
{
    cae_dataset_options o;

    cae_dataset_options_init(&o, sizeof o);
    o.memory = 1;
    MAKES(dataset, cae_dataset_open_cifar10, w->context, test_directory, CAE_SPLIT_TRAIN, &o);
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

static cae_status join(struct world *w)
{
    return cae_trainer_join(w->trainer, NULL);
}

/* --- Other ways through the same calls --- */

/* What is too large to keep, as a number: FNV-1a of its bytes. */
static inline void keep_digest(struct world *w, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t digest = 0xcbf29ce484222325;

    for (size_t i = 0; i < size; i++)
        digest = (digest ^ bytes[i]) * 0x100000001b3;
    memcpy(w->y, &digest, sizeof digest);
}

static inline cae_status run_large(struct world *w, const cae_model *model)
{
    static float x[LARGE], y[LARGE];
    cae_status status;

    random_floats(6, x, LARGE, -1, 1);
    status = cae_model_forward(y, LARGE, model, NULL, x, LARGE, 1, LARGE_H, LARGE_W);
    if (status == CAE_OK)
        keep_digest(w, y, sizeof y);
    return status;
}

static cae_status forward_large(struct world *w)
{
    return run_large(w, w->model);
}

static cae_status forward_large_strided(struct world *w)
{
    return run_large(w, w->strided);
}

static cae_status forward_strided(struct world *w)
{
    return cae_model_forward(w->y, IMAGES * PIXELS, w->strided, NULL, inputs, IMAGES * PIXELS,
                             IMAGES, SIDE, SIDE);
}

static cae_status forward_one(struct world *w)
{
    return cae_model_forward(w->y, PIXELS, w->model, NULL, inputs, PIXELS, 1, SIDE, SIDE);
}

static cae_status forward_none(struct world *w)
{
    return cae_model_forward(NULL, 0, w->model, NULL, NULL, 0, 0, SIDE, SIDE);
}

static cae_status export_decoder(struct world *w)
{
    size_t size;

    return cae_model_export_onnx_memory(w->y, sizeof w->y, &size, w->strided, CAE_PART_DECODER);
}

static cae_status export_whole(struct world *w)
{
    size_t size;

    return cae_model_export_onnx_memory(w->y, sizeof w->y, &size, w->strided, CAE_PART_WHOLE);
}

static cae_status measure_file(struct world *w)
{
    size_t size = 0;

    (void)w;
    return cae_model_save_memory(NULL, 0, &size, w->model);
}

static inline cae_status make_images(struct world *w, int32_t type, int32_t layout, int32_t borrow)
{
    cae_dataset_options o;

    cae_dataset_options_init(&o, sizeof o);
    o.type = type, o.layout = layout, o.borrow = borrow;
    MAKES(dataset, cae_dataset_create, w->context, inputs, type == CAE_TYPE_F32 ? 96 * 4 : 96, 4, 2, 3,
          4, &o);
}

static cae_status copy_floats(struct world *w)
{
    return make_images(w, CAE_TYPE_F32, CAE_LAYOUT_NHWC, 0);
}

static cae_status borrow_floats(struct world *w)
{
    return make_images(w, CAE_TYPE_F32, CAE_LAYOUT_NCHW, 1);
}

static cae_status open_cifar_test(struct world *w)
{
    MAKES(dataset, cae_dataset_open_cifar10, w->context, test_directory, CAE_SPLIT_TEST, NULL);
}

static cae_status evaluate_noisy(struct world *w)
{
    cae_evaluation_options o;
    cae_evaluation evaluation;
    cae_status status;

    cae_evaluation_init(&evaluation, sizeof evaluation);
    cae_evaluation_options_init(&o, sizeof o);
    o.noise_sigma = 0.2;
    status = cae_model_evaluate(&evaluation, w->strided, NULL, w->dataset, &o);
    if (status == CAE_OK)
        keep_digest(w, &evaluation, sizeof evaluation);
    return status;
}

static cae_status compare_uniform(struct world *w)
{
    double ssim;

    return cae_ssim(&ssim, w->context, inputs, inputs + PIXELS, 1, SIDE, SIDE, 2, CAE_SSIM_UNIFORM7);
}

static cae_status make_adamw(struct world *w)
{
    cae_optimizer_options options;

    cae_optimizer_options_init(&options, sizeof options);
    options.kind = CAE_OPTIMIZER_ADAMW;
    MAKES(optimizer, cae_optimizer_create, w->model, &options);
}

static cae_status make_plain_sgd(struct world *w)
{
    cae_optimizer_options options;

    cae_optimizer_options_init(&options, sizeof options);
    options.kind = CAE_OPTIMIZER_SGD;
    MAKES(optimizer, cae_optimizer_create, w->model, &options);
}

static cae_status make_sgd_trainer(struct world *w)
{
    MAKES(trainer, cae_trainer_create, w->strided, w->sgd, w->dataset, NULL);
}

/* Runs the model and looks around in the middle of an epoch. */
static int32_t look_around(void *user, const cae_progress *progress)
{
    struct world *w = user;

    (void)progress;
    return forward_strided(w) == CAE_OK ? 0 : 1;
}

/* An epoch that its callback may end: what it said then is the call's. */
static cae_status train_watched_epoch(struct world *w)
{
    const int64_t epoch = 1;
    cae_progress progress;
    cae_status status = CAE_OK;

    cae_progress_init(&progress, sizeof progress);
    status = cae_trainer_progress(&progress, w->sgd_trainer);
    if (status != CAE_OK)
        return status;
    if (progress.epoch < epoch)
        status = cae_trainer_epoch(NULL, w->sgd_trainer, look_around, w);
    else /* it was the last step's look that failed */
        return forward_strided(w);
    return status == CAE_STOPPED ? CAE_ERR_MEMORY : status;
}

static cae_status average(struct world *w)
{
    MAKES(model, cae_trainer_average, w->sgd_trainer);
}

static cae_status save_sgd_trainer(struct world *w)
{
    return cae_trainer_save(w->sgd_trainer, in_directory("out"));
}

static cae_status resume_sgd_trainer(struct world *w)
{
    return cae_trainer_resume(w->sgd_trainer, in_directory("sgd checkpoint"));
}

/* The other model: the state of this one's trainer is compared. */
static cae_status set_note(struct world *w)
{
    return cae_model_set_note(w->strided, "a note");
}

static cae_status save_noted(struct world *w)
{
    return cae_model_save(w->strided, in_directory("out"));
}

static cae_status load_noted(struct world *w)
{
    MAKES(model, cae_model_load, w->context, in_directory("noted"));
}

/* --- Scores --- */

static inline cae_scorer_options peaks(void)
{
    cae_scorer_options o;

    cae_scorer_options_init(&o, sizeof o);
    o.kind = CAE_SCORE_PEAK, o.smoothing = 2;
    return o;
}

/* A scorer made, run and given back; what it found is kept. */
static inline cae_status score_by(struct world *w, cae_context *context, const cae_model *model,
                                  int height, int width, const cae_scorer_options *options)
{
    static float x[LARGE], map[LARGE];
    const size_t n = (size_t)height * (size_t)width;
    cae_scorer *out = (void *)w;
    double score;
    cae_status status = cae_scorer_create(&out, model, context, height, width, options);

    check_out(status, out);
    random_floats(6, x, n, -1, 1);
    if (status == CAE_OK)
        status = cae_scorer_run(&score, map, n, out, x, n);
    cae_scorer_destroy(out);
    if (status == CAE_OK) {
        keep_digest(w, map, n * sizeof *map);
        memcpy(w->y + 2, &score, sizeof score);
    }
    return status;
}

static cae_status score_frame(struct world *w)
{
    return score_by(w, NULL, w->model, SIDE, SIDE, NULL);
}

static cae_status score_frame_lent(struct world *w)
{
    const cae_scorer_options o = peaks();

    return score_by(w, w->lent, w->strided, SIDE, SIDE, &o);
}

static cae_status score_large(struct world *w)
{
    const cae_scorer_options o = peaks();

    return score_by(w, NULL, w->model, LARGE_H, LARGE_W, &o);
}

static cae_status score_large_strided(struct world *w)
{
    return score_by(w, NULL, w->strided, LARGE_H, LARGE_W, NULL);
}

/* Goes before the next two. */
static cae_status prepare_scorer(struct world *w)
{
    return cae_scorer_create(&w->scorer, w->model, NULL, LARGE_H, LARGE_W, NULL);
}

static cae_status run_scorer(struct world *w)
{
    static float x[LARGE];
    double score;
    cae_status status;

    random_floats(6, x, LARGE, -1, 1);
    status = cae_scorer_run(&score, NULL, 0, w->scorer, x, LARGE);
    if (status == CAE_OK)
        memcpy(w->y, &score, sizeof score);
    return status;
}

/* More than it was made for. */
static cae_status run_scorer_by_three(struct world *w)
{
    const cae_status status = cae_context_set_threads(w->context, 3);

    return status == CAE_OK ? run_scorer(w) : status;
}

static cae_status calibrate(struct world *w)
{
    double threshold;
    const cae_status status = cae_model_calibrate(&threshold, w->model, NULL, w->dataset, 0.9, NULL);

    if (status == CAE_OK)
        memcpy(w->y, &threshold, sizeof threshold);
    return status;
}

static cae_status calibrate_lent(struct world *w)
{
    const cae_scorer_options o = peaks();

    return cae_model_calibrate(NULL, w->strided, w->lent, w->dataset, 1.0, &o);
}

static cae_status calibrate_large(struct world *w)
{
    static float x[2 * LARGE];
    cae_dataset_options o;
    cae_dataset *dataset;
    cae_status status;

    random_floats(7, x, 2 * LARGE, -1, 1);
    cae_dataset_options_init(&o, sizeof o);
    o.type = CAE_TYPE_F32, o.borrow = 1;
    status = cae_dataset_create(&dataset, w->context, x, sizeof x, 2, 1, LARGE_H, LARGE_W, &o);
    if (status == CAE_OK)
        status = cae_model_calibrate(NULL, w->model, NULL, dataset, 0.5, NULL);
    cae_dataset_destroy(dataset);
    return status;
}

static cae_status load_calibrated(struct world *w)
{
    MAKES(model, cae_model_load, w->context, in_directory("calibrated"));
}

static cae_status make_array(struct world *w)
{
    const int64_t shape[2] = {3, 4};

    MAKES(array, cae_array_create, w->context, CAE_TYPE_F32, shape, 2);
}

/* In a build without PNG and JPEG, which asks for nothing, .npy in their place. */
static inline cae_status read_array(struct world *w, const char *name)
{
    MAKES(array, cae_array_read, w->context, in_directory(HAVE_IMAGES ? name : "array.npy"));
}

static cae_status read_npy(struct world *w)
{
    MAKES(array, cae_array_read, w->context, in_directory("array.npy"));
}

static cae_status read_png(struct world *w)
{
    return read_array(w, "image.png");
}

static cae_status read_jpeg(struct world *w)
{
    return read_array(w, "image.jpg");
}

static cae_status read_turned(struct world *w)
{
    return read_array(w, "turned.jpg");
}

static cae_status read_array_memory(struct world *w)
{
    MAKES(array, cae_array_read_memory, w->context, w->image_file.data, w->image_file.size);
}

static cae_status write_npy(struct world *w)
{
    return cae_array_write(w->image, in_directory("out.npy"));
}

static cae_status write_png(struct world *w)
{
    return cae_array_write(w->image, HAVE_IMAGES ? in_directory("out.png")
                                                             : in_directory("out.npy"));
}

static cae_status write_jpeg(struct world *w)
{
    return cae_array_write(w->image, HAVE_IMAGES ? in_directory("out.jpg")
                                                             : in_directory("out.npy"));
}

static cae_status write_array_memory(struct world *w)
{
    size_t size;

    return cae_array_write_memory(w->y, sizeof w->y, &size, w->image,
                                  HAVE_IMAGES ? CAE_FILE_PNG : CAE_FILE_NPY);
}

static cae_status open_npy(struct world *w)
{
    MAKES(dataset, cae_dataset_open_npy, w->context, in_directory("set.npy"), NULL);
}

static cae_status open_npy_on_disk(struct world *w)
{
    cae_dataset_options o;

    cae_dataset_options_init(&o, sizeof o);
    o.memory = 1;
    MAKES(dataset, cae_dataset_open_npy, w->context, in_directory("set.npy"), &o);
}

/* Five files, of which two cannot be used. */
static cae_status open_folder_with(struct world *w, const char *cache)
{
    cae_folder_options o;

    cae_folder_options_init(&o, sizeof o);
    o.height = o.width = 4;
    o.cache = cache;
    if (!HAVE_IMAGES)
        return open_npy(w);
    MAKES(dataset, cae_dataset_open_folder, w->context, in_directory("images"), &o);
}

static cae_status open_folder(struct world *w)
{
    return open_folder_with(w, NULL);
}

static cae_status open_folder_on_disk(struct world *w)
{
    return open_folder_with(w, test_directory);
}

static const struct call {
    const char *name;
    cae_status (*run)(struct world *w);
    int least; /* requests that it makes, at least: so that the test tests something */
    cae_status (*prepare)(struct world *w); /* goes before it, undisturbed; NULL for nothing */
    bool partial; /* may have taken whole steps when it fails */
} calls[] = {
    {"cae_context_create", make_context, 1, NULL, false},
    {"cae_spec_create", make_spec, 1, NULL, false},
    {"cae_spec_add_conv", add_first_layer, 1, NULL, false},
    {"cae_spec_add_conv_transpose", add_ninth_layer, 1, NULL, false},
    {"cae_spec_add_reference", add_reference, 1, NULL, false},
    {"cae_spec_add_preset", add_preset, 1, NULL, false},
    {"cae_model_create", make_model, 3, NULL, false},
    {"cae_model_create_reference", make_reference, 4, NULL, false},
    {"cae_model_forward", forward, 2, NULL, false},
    {"cae_model_forward, lent", forward_lent, 2, NULL, false},
    {"cae_model_encode", encode, 2, NULL, false},
    {"cae_model_decode", decode, 2, NULL, false},
    {"cae_model_save", save_model, 3, NULL, false},
    {"cae_model_save_memory", save_memory, 2, NULL, false},
    {"cae_model_export_onnx", export_onnx, 2, NULL, false},
    {"cae_model_export_onnx_memory", export_onnx_memory, 1, NULL, false},
    {"cae_model_load", load_model, 5, NULL, false},
    {"cae_model_load_memory", load_memory, 4, NULL, false},
    {"cae_model_load_weights", load_weights, 3, NULL, false},
    {"cae_model_set_note", set_note, 1, NULL, false},
    {"cae_model_save, noted", save_noted, 3, set_note, false},
    {"cae_model_load, noted", load_noted, 6, NULL, false},
    {"cae_dataset_create", copy_images, 2, NULL, false},
    {"cae_dataset_create, borrowed", borrow_images, 1, NULL, false},
    {"cae_dataset_slice", slice_images, 1, NULL, false},
    {"cae_dataset_open_cifar10", open_cifar, 3, NULL, false},
    {"cae_dataset_open_cifar10, on disk", open_cifar_on_disk, 5, NULL, false},
    {"cae_dataset_create_dead_leaves", make_leaves, 3, NULL, false},
    {"cae_ssim", compare_images, 1, NULL, false},
    {"cae_model_evaluate", evaluate, 3, NULL, false},
    {"cae_model_evaluate, lent", evaluate_lent, 3, NULL, false},
    {"cae_optimizer_create", make_optimizer, 6, NULL, false},
    {"cae_optimizer_create, SGD", make_sgd, 4, NULL, false},
    {"cae_trainer_create", make_trainer, 6, NULL, false},
    {"cae_trainer_step", take_step, 0, NULL, false},
    {"cae_trainer_step, by three", take_step_by_three, 2, NULL, false},
    {"cae_trainer_epoch, by three", train_epoch_by_three, 2, NULL, false},
    {"cae_trainer_save", save_trainer, 3, NULL, false},
    {"cae_trainer_average", average, 4, NULL, false},
    {"cae_trainer_resume", resume_trainer, 2, NULL, false},
    {"cae_trainer_join", join, 6, NULL, false},
    {"cae_trainer_step, in a group", take_step, 0, join, false},
    {"cae_trainer_save, in a group", save_trainer, 3, join, false},
    {"cae_trainer_resume, in a group", resume_trainer, 3, join, false},
    {"cae_model_forward, large", forward_large, 3, NULL, false},
    {"cae_model_forward, large and strided", forward_large_strided, 3, NULL, false},
    {"cae_model_forward, strided", forward_strided, 2, NULL, false},
    {"cae_model_forward, one", forward_one, 2, NULL, false},
    {"cae_model_forward, none", forward_none, 1, NULL, false},
    {"cae_model_forward, scratch that grows", forward, 2, forward_one, false},
    {"cae_model_forward, scratch that grows much", forward_large, 3, forward, false},
    {"cae_model_forward, scratch that is there", forward, 2, forward_large, false},
    {"cae_model_export_onnx_memory, decoder", export_decoder, 1, NULL, false},
    {"cae_model_export_onnx_memory, whole", export_whole, 1, NULL, false},
    {"cae_model_save_memory, measured", measure_file, 1, NULL, false},
    {"cae_dataset_create, floats", copy_floats, 2, NULL, false},
    {"cae_dataset_create, floats borrowed", borrow_floats, 1, NULL, false},
    {"cae_dataset_open_cifar10, test", open_cifar_test, 3, NULL, false},
    {"cae_ssim, uniform", compare_uniform, 1, NULL, false},
    {"cae_ssim, scratch that is there", compare_uniform, 0, compare_images, false},
    {"cae_model_evaluate, noisy", evaluate_noisy, 3, NULL, false},
    {"cae_optimizer_create, AdamW", make_adamw, 6, NULL, false},
    {"cae_optimizer_create, plain SGD", make_plain_sgd, 2, NULL, false},
    {"cae_trainer_create, strided", make_sgd_trainer, 6, NULL, false},
    {"cae_trainer_epoch, watched", train_watched_epoch, 2, NULL, true},
    {"cae_trainer_save, SGD", save_sgd_trainer, 3, NULL, false},
    {"cae_trainer_resume, SGD", resume_sgd_trainer, 2, NULL, false},
    {"cae_scorer_create", score_frame, 5, NULL, false},
    {"cae_scorer_create, lent", score_frame_lent, 5, NULL, false},
    {"cae_scorer_create, large", score_large, 10, NULL, false},
    {"cae_scorer_create, large and strided", score_large_strided, 8, NULL, false},
    {"cae_scorer_run", run_scorer, 0, prepare_scorer, false},
    {"cae_scorer_run, by three", run_scorer_by_three, 4, prepare_scorer, false},
    {"cae_model_calibrate", calibrate, 6, NULL, false},
    {"cae_model_calibrate, lent", calibrate_lent, 6, NULL, false},
    {"cae_model_calibrate, large", calibrate_large, 10, NULL, false},
    {"cae_model_save, calibrated", save_model, 4, calibrate, false},
    {"cae_trainer_save, calibrated", save_trainer, 4, calibrate, false},
    {"cae_model_load, calibrated", load_calibrated, 6, NULL, false},
    {"cae_array_create", make_array, 2, NULL, false},
    {"cae_array_read", read_npy, 2, NULL, false},
    {"cae_array_read, PNG", read_png, 2, NULL, false},
    {"cae_array_read, JPEG", read_jpeg, 2, NULL, false},
    {"cae_array_read, turned", read_turned, 2, NULL, false},
    {"cae_array_read_memory", read_array_memory, 2, NULL, false},
    {"cae_array_write", write_npy, 1, NULL, false},
    {"cae_array_write, PNG", write_png, 1, NULL, false},
    {"cae_array_write, JPEG", write_jpeg, 1, NULL, false},
    {"cae_array_write_memory", write_array_memory, 1, NULL, false},
    {"cae_dataset_open_npy", open_npy, 2, NULL, false},
    {"cae_dataset_open_npy, on disk", open_npy_on_disk, 5, NULL, false},
    {"cae_dataset_open_folder", open_folder, 2, NULL, false},
    {"cae_dataset_open_folder, on disk", open_folder_on_disk, 2, NULL, false},
};

/* --- Before and after ------------------------------------------------------------------------ */

/* Both trainers with their models and optimizers, as their checkpoints say it. */
static inline struct bytes saved_state(struct world *w)
{
    assert_ok(w->context, cae_trainer_save(w->trainer, in_directory("state")));
    assert_ok(w->context, cae_trainer_save(w->sgd_trainer, in_directory("sgd state")));
    struct bytes a = file_bytes(in_directory("state")), b = file_bytes(in_directory("sgd state"));
    struct bytes both = bytes_new(NULL, a.size + b.size);

    memcpy(both.data, a.data, a.size);
    memcpy(both.data + a.size, b.data, b.size);
    bytes_free(&a), bytes_free(&b);
    return both;
}

/* What the call is to come to: what it computed, and the state of training. */
struct result {
    struct bytes state;
    float y[IMAGES * PIXELS];
    int layers[3];
};

static inline int layers_of(cae_context *context, const cae_spec *spec)
{
    cae_model *model = NULL;
    int layers = 0;

    if (cae_model_create(&model, context, spec, 1) == CAE_OK) /* else it is empty */
        layers = cae_model_layer_count(model);
    cae_model_destroy(model);
    return layers;
}

static inline struct result result_of(struct world *w)
{
    struct result result = {.state = saved_state(w)};

    memcpy(result.y, w->y, sizeof w->y);
    result.layers[0] = layers_of(w->context, w->spec);
    result.layers[1] = layers_of(w->context, w->full_spec);
    result.layers[2] = layers_of(w->context, w->empty_spec);
    return result;
}

static inline void assert_same_results(struct result a, struct result b, const char *what)
{
    assert_same_bytes(a.state, b.state, what);
    if (memcmp(a.y, b.y, sizeof a.y) != 0 || memcmp(a.layers, b.layers, sizeof a.layers) != 0)
        ck_abort_msg("%s: the result is another", what);
}

static inline void copy_kind(const char *kind, const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", TEST_IMAGES, kind);
    struct bytes file = file_bytes(path);
    write_file(in_directory(name), file.data, file.size);
    bytes_free(&file);
}

static inline void write_images(struct world *w)
{
    const int64_t shape[4] = {3, 1, 4, 4};
    cae_array *set = random_array(w->context, 1, CAE_TYPE_U8, shape, 4);

    assert_ok(w->context, cae_array_write(set, in_directory("set.npy")));
    assert_ok(w->context, cae_array_write(w->image, in_directory("array.npy")));
    cae_array_destroy(set);
    copy_kind("palette8_alpha.png", "image.png");
    copy_kind("progressive.jpg", "image.jpg");
    copy_kind("turned6.jpg", "turned.jpg");
    (void)mkdir(in_directory("images"), 0755); /* may be there */
    (void)mkdir(in_directory("images/inside"), 0755);
    copy_kind("rgb8.png", "images/a.png");
    copy_kind("plain.jpg", "images/b.jpg");
    copy_kind("cmyk.jpg", "images/c.jpg");
    copy_kind("grey16.png", "images/inside/d.png");
    write_file(in_directory("images/e.png"), "text", 4);
}

/* Files to read: a model, weights, a checkpoint three steps ahead, a CIFAR-10 batch, images. */
static inline void write_files(void)
{
    unsigned char record[3073] = {1};
    struct world w;

    world_init(&w, (struct setting){.threads = 1});
    assert_ok(w.context, cae_model_save(w.model, in_directory("model")));
    assert_ok(w.context, calibrate(&w));
    assert_ok(w.context, cae_model_save(w.model, in_directory("calibrated")));
    for (int i = 0; i < 3; i++) {
        assert_ok(w.context, cae_trainer_step(NULL, w.trainer));
        assert_ok(w.context, cae_trainer_step(NULL, w.sgd_trainer));
    }
    assert_ok(w.context, cae_trainer_save(w.sgd_trainer, in_directory("sgd checkpoint")));
    assert_ok(w.context, cae_trainer_save(w.trainer, in_directory("checkpoint")));
    assert_ok(w.context, cae_model_save(w.model, in_directory("weights")));
    assert_ok(w.context, cae_model_set_note(w.model, "a note"));
    assert_ok(w.context, cae_model_save(w.model, in_directory("noted")));
    write_file(in_directory("data_batch_1.bin"), record, sizeof record);
    write_file(in_directory("test_batch.bin"), record, sizeof record);
    write_images(&w);
    world_free(&w);
}

#endif
