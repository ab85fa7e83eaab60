/* client.c - a program of the day of libcae 1.0.0, built with the header of that day.
 *
 * client DIR checks what that release promised: every function of that header, defaults, random
 * streams, structs as they were, shorter and longer, and the files that it wrote, which are in DIR.
 * It must work with every later library of the same soname, unchanged, and asserts nothing that
 * docs/abi.md lets change. Writes into the current directory, prints what failed.
 * client --write DIR wrote those files. */
#include "cae.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int failures;

#define CHECK(condition)                                                     \
    do {                                                                     \
        if (!(condition)) {                                                  \
            printf("client.c:%d: %s\n", __LINE__, #condition);               \
            failures++;                                                      \
        }                                                                    \
    } while (0)

enum { COUNT = 12, PIXELS = 3 * 32 * 32, LATENT = 8 * 28 * 28, BATCH = 4 };

static cae_context *context;
static cae_model *model;
static cae_dataset *data;
static cae_optimizer *adam;
static uint8_t images[COUNT][PIXELS];

/* --- Options: each struct in three lengths ------------------------------------------------------------ */

static cae_status use_context(const void *options)
{
    cae_context *made = NULL;
    const cae_status status = cae_context_create(&made, options);
    CHECK((status == CAE_OK) == (made != NULL));
    cae_context_destroy(made);
    return status;
}

static cae_status use_conv(const void *options)
{
    cae_spec *spec = NULL;
    CHECK(cae_spec_create(&spec, context) == CAE_OK);
    const cae_status status = cae_spec_add_conv(spec, 3, 4, options);
    cae_spec_destroy(spec);
    return status;
}

static cae_status use_dataset(const void *options)
{
    cae_dataset *made = NULL;
    const cae_status status =
        cae_dataset_create(&made, context, images, sizeof images, COUNT, 3, 32, 32, options);
    CHECK((status == CAE_OK) == (made != NULL));
    cae_dataset_destroy(made);
    return status;
}

static cae_status use_optimizer(const void *options)
{
    cae_optimizer *made = NULL;
    const cae_status status = cae_optimizer_create(&made, model, options);
    CHECK((status == CAE_OK) == (made != NULL));
    cae_optimizer_destroy(made);
    return status;
}

static cae_status use_trainer(const void *options)
{
    cae_trainer *made = NULL;
    const cae_status status = cae_trainer_create(&made, model, adam, data, options);
    CHECK((status == CAE_OK) == (made != NULL));
    cae_trainer_destroy(made);
    return status;
}

static cae_status use_evaluation(const void *options)
{
    cae_evaluation out;
    CHECK(cae_evaluation_init(&out, sizeof out) == CAE_OK);
    return cae_model_evaluate(&out, model, NULL, data, options);
}

typedef cae_status (*init_fn)(void *, uint32_t);
#define INIT(name) /* through a pointer of one type for all */                    \
    static cae_status init_##name(void *options, uint32_t size)                   \
    {                                                                             \
        return cae_##name##_options_init((cae_##name##_options *)options, size);  \
    }
INIT(context)
INIT(conv)
INIT(dataset)
INIT(optimizer)
INIT(trainer)
INIT(evaluation)

static void check_options(const char *name, init_fn init, cae_status (*use)(const void *),
                          uint32_t size)
{
    union {
        uint32_t size;
        double aligned;
        unsigned char bytes[1024];
    } o;
    const int before = failures;

    CHECK(use(NULL) == CAE_OK);
    CHECK(init(&o, size) == CAE_OK && o.size == size && use(&o) == CAE_OK);
    for (uint32_t shorter = 8; shorter < size; shorter += 8) {
        memset(&o, 0xaa, sizeof o); /* what lies behind a short struct is not to be read */
        CHECK(init(&o, shorter) == CAE_OK && o.size == shorter && o.bytes[shorter] == 0xaa);
        CHECK(use(&o) == CAE_OK);
    }
    const uint32_t longer = size + 256;
    CHECK(init(&o, longer) == CAE_OK && o.size == longer && use(&o) == CAE_OK);
    o.bytes[longer - 1] = 1; /* far behind what any later library is likely to know */
    CHECK(use(&o) == CAE_ERR_OPTIONS);
    const uint32_t impossible[] = {0, 4, 7, size + 1, 1u << 20, UINT32_MAX};
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
        CHECK(init(&o, size) == CAE_OK);
        o.size = impossible[i];
        CHECK(use(&o) == CAE_ERR_OPTIONS);
    }
    if (failures != before)
        printf("client.c: those were of cae_%s_options\n", name);
}

static void check_defaults(void)
{
    cae_context_options x;
    cae_conv_options c;
    cae_dataset_options d;
    cae_optimizer_options o;
    cae_trainer_options t;
    cae_evaluation_options e;

    CHECK(cae_context_options_init(&x, sizeof x) == CAE_OK);
    CHECK(x.threads == 1 && x.engine == CAE_ENGINE_AUTO && x.cpu == CAE_CPU_AUTO && !x.allocate &&
          !x.release && !x.allocator_user && !x.log && !x.log_user);
    CHECK(cae_conv_options_init(&c, sizeof c) == CAE_OK);
    CHECK(c.kernel_h == 3 && c.kernel_w == 3 && c.stride_h == 1 && c.stride_w == 1);
    CHECK(c.padding_h == 0 && c.padding_w == 0 && c.dilation_h == 1 && c.dilation_w == 1);
    CHECK(c.output_padding_h == 0 && c.output_padding_w == 0 && c.bias == 1);
    CHECK(c.activation == CAE_ACTIVATION_NONE && c.reserved == 0 && c.slope == 0.01);
    CHECK(cae_dataset_options_init(&d, sizeof d) == CAE_OK);
    CHECK(d.scale == CAE_SCALE_SIGNED && d.type == CAE_TYPE_U8 && d.layout == CAE_LAYOUT_NCHW &&
          d.borrow == 0 && d.reserved == 0);
    CHECK(cae_optimizer_options_init(&o, sizeof o) == CAE_OK);
    CHECK(o.kind == CAE_OPTIMIZER_ADAM && o.learning_rate == 1e-3 && o.momentum == 0);
    CHECK(o.beta1 == 0.9 && o.beta2 == 0.999 && o.epsilon == 1e-8 && o.weight_decay == 0 &&
          o.nesterov == 0 && o.reserved == 0);
    CHECK(cae_trainer_options_init(&t, sizeof t) == CAE_OK);
    CHECK(t.batch == 64 && t.seed == 1 && t.loss == CAE_LOSS_MSE && t.shuffle == 1);
    CHECK(t.huber_delta == 1 && t.noise_sigma == 0 && t.clip_norm == 0);
    CHECK(t.schedule == CAE_SCHEDULE_CONSTANT && t.reserved == 0 && t.warmup_steps == 0);
    CHECK(t.decay_steps == 0 && t.decay_factor == 0.1 && t.final_fraction == 0);
    CHECK(cae_evaluation_options_init(&e, sizeof e) == CAE_OK);
    CHECK(e.noise_seed == 123 && e.noise_sigma == 0 && e.reserved == 0);
}

/* --- Random streams: the same bits in every release, on every machine ----------------------------------- */

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void check_streams(void)
{
    float weights[216] = {0}, noise[4] = {0};
    CHECK(cae_model_get_tensor(weights, 216, model, "0.weight") == CAE_OK);
    CHECK(bits_of(weights[0]) == 0xbe289c5bu && bits_of(weights[215]) == 0xbddebd16u);
    CHECK(cae_add_noise(noise, 4, 1.0, 7, 3, 11) == CAE_OK);
    CHECK(bits_of(noise[0]) == 0xbfba6818u && bits_of(noise[3]) == 0x3fc5863fu);
    cae_dataset *leaves = NULL;
    float pixels[48];
    CHECK(cae_dataset_create_dead_leaves(&leaves, context, 2, 3, 4, 4, 5, NULL) == CAE_OK);
    CHECK(cae_dataset_get(pixels, 48, leaves, 1) == CAE_OK);
    CHECK(bits_of(pixels[0]) == 0xbf2fafb0u && bits_of(pixels[47]) == 0xbdc8c8c8u);
    cae_dataset_destroy(leaves);
}

/* A network of zeros that hardly learns: the loss of a step is the square of its image. */
static void check_shuffle(void)
{
    static const int order[2][COUNT] = {{2, 3, 5, 1, 0, 4, 9, 10, 11, 7, 8, 6},
                                          {0, 4, 9, 2, 3, 5, 1, 8, 10, 6, 11, 7}};
    enum { SIDE = 4 };
    float squares[COUNT][SIDE][SIDE], zeros[9] = {0};
    cae_spec *spec = NULL;
    cae_model *flat = NULL;
    cae_dataset *steps = NULL;
    cae_optimizer *sgd = NULL;
    cae_trainer *trainer = NULL;
    cae_dataset_options in_floats;
    cae_optimizer_options hardly;
    cae_trainer_options one;
    cae_progress progress = {.size = sizeof progress};

    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < SIDE * SIDE; k++)
            squares[i][k / SIDE][k % SIDE] = (float)(1 + i) / 16;
    cae_dataset_options_init(&in_floats, sizeof in_floats);
    in_floats.type = CAE_TYPE_F32;
    in_floats.borrow = 1;
    cae_optimizer_options_init(&hardly, sizeof hardly);
    hardly.kind = CAE_OPTIMIZER_SGD;
    hardly.learning_rate = 1e-30;
    cae_trainer_options_init(&one, sizeof one);
    one.batch = 1;
    one.seed = 9;
    CHECK(cae_spec_create(&spec, context) == CAE_OK);
    CHECK(cae_spec_add_conv(spec, 1, 1, NULL) == CAE_OK);
    CHECK(cae_spec_add_conv_transpose(spec, 1, 1, NULL) == CAE_OK);
    CHECK(cae_model_create(&flat, context, spec, 1) == CAE_OK);
    for (int32_t i = 0; i < cae_model_tensor_count(flat); i++)
        CHECK(cae_model_set_tensor(flat, cae_model_tensor_name(flat, i), zeros, i % 2 ? 1 : 9) ==
              CAE_OK);
    CHECK(cae_dataset_create(&steps, context, squares, sizeof squares, COUNT, 1, SIDE, SIDE,
                             &in_floats) == CAE_OK);
    CHECK(cae_optimizer_create(&sgd, flat, &hardly) == CAE_OK);
    CHECK(cae_trainer_create(&trainer, flat, sgd, steps, &one) == CAE_OK);
    for (int epoch = 0; epoch < 2; epoch++)
        for (int i = 0; i < COUNT; i++) {
            CHECK(cae_trainer_step(&progress, trainer) == CAE_OK);
            const int image = (int)lrint(16 * sqrt(progress.loss)) - 1;
            CHECK(image == order[epoch][i]);
        }
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(sgd);
    cae_dataset_destroy(steps);
    cae_model_destroy(flat);
    cae_spec_destroy(spec);
}

/* --- Files of that day -------------------------------------------------------------------------------------- */

static const struct {
    const char *file;
    int32_t kind;
    double momentum;
} kinds[] = {{"sgd.checkpoint", CAE_OPTIMIZER_SGD, 0},
             {"momentum.checkpoint", CAE_OPTIMIZER_SGD, 0.9},
             {"adam.checkpoint", CAE_OPTIMIZER_ADAM, 0},
             {"adamw.checkpoint", CAE_OPTIMIZER_ADAMW, 0}};

static void in(char path[1024], const char *directory, const char *name)
{
    snprintf(path, 1024, "%s/%s", directory, name);
}

/* A checkpoint of each optimizer, in the middle of an epoch; `write` makes them, else they resume. */
static void checkpoints(const char *directory, int write)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        cae_model *own = NULL;
        cae_optimizer *optimizer = NULL;
        cae_trainer *trainer = NULL;
        cae_optimizer_options o;
        cae_trainer_options t;
        cae_progress progress;
        char path[1024];
        in(path, directory, kinds[i].file);
        cae_optimizer_options_init(&o, sizeof o);
        o.kind = kinds[i].kind;
        o.momentum = kinds[i].momentum;
        cae_trainer_options_init(&t, sizeof t);
        t.batch = BATCH;
        t.seed = 3;
        CHECK(cae_progress_init(&progress, sizeof progress) == CAE_OK);
        CHECK(cae_model_create_reference(&own, context, 2) == CAE_OK);
        CHECK(cae_optimizer_create(&optimizer, own, &o) == CAE_OK);
        CHECK(cae_trainer_create(&trainer, own, optimizer, data, &t) == CAE_OK);
        if (write) {
            for (int step = 0; step < 4; step++)
                CHECK(cae_trainer_step(NULL, trainer) == CAE_OK);
            CHECK(cae_trainer_save(trainer, path) == CAE_OK);
        } else {
            CHECK(cae_trainer_resume(trainer, path) == CAE_OK);
            CHECK(cae_trainer_progress(&progress, trainer) == CAE_OK);
            CHECK(progress.step == 4 && progress.epoch == 1 && progress.images == BATCH);
            CHECK(cae_trainer_epoch(&progress, trainer, NULL, NULL) == CAE_OK);
            CHECK(progress.step == 6 && progress.epoch == 2);
        }
        cae_trainer_destroy(trainer);
        cae_optimizer_destroy(optimizer);
        cae_model_destroy(own);
    }
}

static void check_files(const char *directory)
{
    static unsigned char file[65536];
    size_t size = 0, again = 0;
    char path[1024];
    cae_model *loaded = NULL;
    float then[3], now[3];

    in(path, directory, "model.safetensors");
    CHECK(cae_model_load(&loaded, context, path) == CAE_OK);
    CHECK(cae_model_get_tensor(then, 3, loaded, "6.bias") == CAE_OK);
    CHECK(cae_model_get_tensor(now, 3, model, "6.bias") == CAE_OK);
    CHECK(memcmp(then, now, sizeof now) == 0); /* both of the same seed */
    CHECK(cae_model_load_weights(loaded, path) == CAE_OK);
    cae_model_destroy(loaded);
    checkpoints(directory, 0);

    CHECK(cae_model_save_memory(NULL, 0, &size, model) == CAE_OK && size > 4 * 1611);
    CHECK(cae_model_save_memory(file, sizeof file, &again, model) == CAE_OK && again == size);
    CHECK(cae_model_load_memory(&loaded, context, file, size) == CAE_OK);
    CHECK(cae_model_parameter_count(loaded) == 1611);
    cae_model_destroy(loaded);
    CHECK(cae_model_load_memory(&loaded, context, file, size - 1) < 0 && !loaded);
    CHECK(cae_model_save(model, "client.model") == CAE_OK);
    CHECK(cae_model_load(&loaded, context, "client.model") == CAE_OK);
    cae_model_destroy(loaded);
    CHECK(cae_model_load(&loaded, context, "there is no such file") == CAE_ERR_IO && !loaded);
    CHECK(cae_context_error(context)[0] != '\0');
    CHECK(cae_model_export_onnx(model, CAE_PART_WHOLE, "client.onnx") == CAE_OK);
    CHECK(cae_model_export_onnx_memory(NULL, 0, &size, model, CAE_PART_DECODER) == CAE_OK);
    CHECK(size > 1000);
}

/* --- Results: as many bytes as the caller has room for -------------------------------------------------- */

static void check_results(cae_trainer *trainer)
{
    struct {
        cae_progress known;
        unsigned char tail[64];
    } longer;
    memset(&longer, 0xaa, sizeof longer);
    longer.known.size = sizeof longer;
    CHECK(cae_trainer_step(&longer.known, trainer) == CAE_OK);
    CHECK(longer.known.size == sizeof longer && longer.known.loss > 0);

    cae_progress shorter;
    memset(&shorter, 0xaa, sizeof shorter);
    shorter.size = 16;
    CHECK(cae_trainer_progress(&shorter, trainer) == CAE_OK);
    CHECK(shorter.size == 16 && shorter.step == longer.known.step);
    CHECK(((unsigned char *)&shorter)[16] == 0xaa);

    cae_evaluation evaluation;
    memset(&evaluation, 0xaa, sizeof evaluation);
    evaluation.size = 24;
    CHECK(cae_model_evaluate(&evaluation, model, NULL, data, NULL) == CAE_OK);
    CHECK(evaluation.images == COUNT && evaluation.mse > 0);
    CHECK(((unsigned char *)&evaluation)[24] == 0xaa);
}

/* --- The rest of the interface, once ------------------------------------------------------------------------ */

static int32_t stop_after_one(void *user, const cae_progress *progress)
{
    CHECK(progress->size >= sizeof *progress && progress->step >= 1);
    return ++*(int *)user;
}

static void check_training(void)
{
    cae_trainer_options options;
    CHECK(cae_trainer_options_init(&options, sizeof options) == CAE_OK);
    options.batch = BATCH;
    options.noise_sigma = 0.1;
    cae_trainer *trainer = NULL;
    CHECK(cae_trainer_create(&trainer, model, adam, data, &options) == CAE_OK);
    CHECK(cae_trainer_steps_per_epoch(trainer) == COUNT / BATCH);
    check_results(trainer);

    int calls = 0;
    cae_progress progress = {.size = sizeof progress};
    CHECK(cae_trainer_epoch(&progress, trainer, stop_after_one, &calls) == CAE_STOPPED);
    CHECK(calls == 1 && progress.step == 2 && progress.epoch_done == 0);
    CHECK(cae_trainer_epoch(&progress, trainer, NULL, NULL) == CAE_OK);
    CHECK(progress.step == 3 && progress.epoch == 1 && progress.learning_rate == 1e-3);
    float bias[3];
    CHECK(cae_trainer_get_gradient(bias, 3, trainer, "6.bias") == CAE_OK);
    cae_trainer_destroy(trainer);
    CHECK(cae_optimizer_set_learning_rate(adam, 0.5) == CAE_OK);
    CHECK(cae_optimizer_learning_rate(adam) == 0.5);
}

static void check_model(void)
{
    CHECK(cae_model_parameter_count(model) == 1611 && cae_model_layer_count(model) == 4);
    CHECK(cae_model_tensor_count(model) == 8);
    CHECK(strcmp(cae_model_tensor_name(model, 7), "6.bias") == 0);
    int64_t shape[4];
    int32_t rank, c, h, w;
    CHECK(cae_model_tensor_shape(shape, &rank, model, "4.weight") == CAE_OK && rank == 4);
    CHECK(shape[0] == 8 && shape[1] == 8 && shape[2] == 3 && shape[3] == 3);
    float bias[3];
    CHECK(cae_model_get_tensor(bias, 3, model, "7.bias") == CAE_ERR_NAME);
    CHECK(cae_model_output_shape(&c, &h, &w, model, NULL, CAE_PART_ENCODER, 32, 32) == CAE_OK);
    CHECK(c == 8 && h == 28 && w == 28);
    CHECK(cae_model_channels(&c, NULL, model, NULL, CAE_PART_WHOLE) == CAE_OK && c == 3);

    static float x[PIXELS], y[PIXELS], z[PIXELS], latent[LATENT];
    CHECK(cae_dataset_get(x, PIXELS, data, 0) == CAE_OK);
    CHECK(cae_model_forward(y, PIXELS, model, NULL, x, PIXELS, 1, 32, 32) == CAE_OK);
    CHECK(cae_model_encode(latent, LATENT, model, NULL, x, PIXELS, 1, 32, 32) == CAE_OK);
    CHECK(cae_model_decode(z, PIXELS, model, NULL, latent, LATENT, 1, 28, 28) == CAE_OK);

    double mse, psnr, ssim;
    CHECK(cae_mse(&mse, context, y, z, PIXELS) == CAE_OK && mse < 1e-10); /* but for rounding */
    CHECK(cae_mse(&mse, context, x, y, PIXELS) == CAE_OK && mse > 0);
    CHECK(cae_psnr(&psnr, context, x, y, PIXELS, 2) == CAE_OK);
    CHECK(fabs(psnr - 10 * log10(4 / mse)) < 1e-9);
    CHECK(cae_ssim(&ssim, context, x, x, 3, 32, 32, 2, CAE_SSIM_GAUSSIAN11) == CAE_OK);
    CHECK(fabs(ssim - 1) < 1e-12); /* of an image with itself, up to rounding */
}

static void check_specs(void)
{
    cae_spec *spec = NULL;
    cae_model *made = NULL;
    CHECK(cae_spec_create(&spec, context) == CAE_OK);
    CHECK(cae_spec_add_reference(spec) == CAE_OK);
    CHECK(cae_model_create(&made, context, spec, 1) == CAE_OK);
    CHECK(cae_model_parameter_count(made) == 1611);
    cae_model_destroy(made);
    cae_spec_destroy(spec);
    CHECK(cae_spec_create(&spec, context) == CAE_OK);
    CHECK(cae_spec_add_conv(spec, 1, 2, NULL) == CAE_OK);
    CHECK(cae_spec_end_encoder(spec) == CAE_OK);
    CHECK(cae_spec_add_conv_transpose(spec, 2, 1, NULL) == CAE_OK);
    cae_spec_destroy(spec);
}

static void check_data(void)
{
    cae_dataset *leaves = NULL, *slice = NULL;
    CHECK(cae_dataset_create_dead_leaves(&leaves, context, 8, 3, 16, 16, 1, NULL) == CAE_OK);
    CHECK(cae_dataset_slice(&slice, leaves, 2, 3) == CAE_OK);
    int32_t c, h, w;
    CHECK(cae_dataset_shape(&c, &h, &w, slice) == CAE_OK && c == 3 && h == 16 && w == 16);
    CHECK(cae_dataset_count(slice) == 3 && cae_dataset_range(slice) == 2);
    cae_dataset_destroy(leaves);
    cae_dataset_destroy(slice);
    CHECK(cae_dataset_open_cifar10(&leaves, context, "no such directory", CAE_SPLIT_TRAIN, NULL) ==
          CAE_ERR_IO);
}

static void check_version(void)
{
    CHECK(cae_abi_version() == CAE_ABI_VERSION);
    CHECK(cae_version_number() >=
          (CAE_VERSION_MAJOR << 16) + (CAE_VERSION_MINOR << 8) + CAE_VERSION_PATCH);
    CHECK(cae_version_string()[0] != '\0' && cae_build_info(NULL, 0) > 10);
    CHECK(cae_status_string(CAE_ERR_MEMORY)[0] != '\0');
}

int main(int argc, char **argv)
{
    const int write = argc == 3 && strcmp(argv[1], "--write") == 0;
    if (!write && argc != 2) {
        fprintf(stderr, "usage: client [--write] DIR\n");
        return 2;
    }
    for (int i = 0; i < COUNT; i++)
        for (int p = 0; p < PIXELS; p++)
            images[i][p] = (uint8_t)(i * 7 + p);
    CHECK(cae_context_create(&context, NULL) == CAE_OK);
    CHECK(cae_context_set_threads(context, 2) == CAE_OK && cae_context_threads(context) == 2);
    CHECK(cae_context_cpu(context) >= CAE_CPU_BASELINE);
    CHECK(cae_model_create_reference(&model, context, 1) == CAE_OK);
    CHECK(cae_dataset_create(&data, context, images, sizeof images, COUNT, 3, 32, 32, NULL) == CAE_OK);
    CHECK(cae_optimizer_create(&adam, model, NULL) == CAE_OK);
    if (failures)
        return 1;

    if (write) {
        char path[1024];
        in(path, argv[2], "model.safetensors");
        CHECK(cae_model_save(model, path) == CAE_OK);
        checkpoints(argv[2], 1);
    } else {
        check_version();
        check_defaults();
        check_options("context", init_context, use_context, sizeof(cae_context_options));
        check_options("conv", init_conv, use_conv, sizeof(cae_conv_options));
        check_options("dataset", init_dataset, use_dataset, sizeof(cae_dataset_options));
        check_options("optimizer", init_optimizer, use_optimizer, sizeof(cae_optimizer_options));
        check_options("trainer", init_trainer, use_trainer, sizeof(cae_trainer_options));
        check_options("evaluation", init_evaluation, use_evaluation, sizeof(cae_evaluation_options));
        check_streams();
        check_shuffle();
        check_specs();
        check_model();
        check_data();
        check_files(argv[1]);
        check_training();
    }

    cae_optimizer_destroy(adam);
    cae_dataset_destroy(data);
    cae_model_destroy(model);
    cae_context_destroy(context);
    return failures != 0;
}
