/* client.c - a program of the day of libcae 1.0.0, built with the header of that day.
 *
 * It uses all of that interface, with options structs as they were, shorter and longer, and must work
 * with every later library of the same soname, unchanged. Prints what failed. */
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

enum { COUNT = 12, PIXELS = 3 * 32 * 32 };

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
    cae_evaluation out = {.size = sizeof out};
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
                          uint32_t size, uint32_t least)
{
    union {
        uint32_t size;
        double aligned;
        unsigned char bytes[1024];
    } o;
    const int before = failures;

    CHECK(use(NULL) == CAE_OK);
    CHECK(init(&o, size) == CAE_OK && o.size == size && use(&o) == CAE_OK);
    for (uint32_t shorter = least; shorter < size; shorter += 4) {
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
    CHECK(options.batch == 64 && options.seed == 1 && options.shuffle == 1);
    options.batch = 4;
    options.noise_sigma = 0.1;
    cae_trainer *trainer = NULL;
    CHECK(cae_trainer_create(&trainer, model, adam, data, &options) == CAE_OK);
    CHECK(cae_trainer_steps_per_epoch(trainer) == COUNT / 4);
    check_results(trainer);

    int calls = 0;
    cae_progress progress = {.size = sizeof progress};
    CHECK(cae_trainer_epoch(&progress, trainer, stop_after_one, &calls) == CAE_STOPPED);
    CHECK(calls == 1 && progress.step == 2 && progress.epoch_done == 0);
    CHECK(cae_trainer_epoch(&progress, trainer, NULL, NULL) == CAE_OK);
    CHECK(progress.step == 3 && progress.epoch == 1 && progress.learning_rate == 1e-3);
    float bias[3];
    CHECK(cae_trainer_get_gradient(bias, 3, trainer, "6.bias") == CAE_OK);
    CHECK(cae_trainer_save(trainer, "client.checkpoint") == CAE_OK);
    CHECK(cae_trainer_resume(trainer, "client.checkpoint") == CAE_OK);
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
    CHECK(cae_model_get_tensor(bias, 3, model, "6.bias") == CAE_OK);
    CHECK(cae_model_set_tensor(model, "6.bias", bias, 3) == CAE_OK);
    CHECK(cae_model_get_tensor(bias, 3, model, "7.bias") == CAE_ERR_NAME);
    CHECK(cae_context_error(context)[0] != '\0');
    CHECK(cae_model_output_shape(&c, &h, &w, model, CAE_PART_ENCODER, 32, 32) == CAE_OK);
    CHECK(c == 8 && h == 28 && w == 28);
    CHECK(cae_model_channels(&c, NULL, model, CAE_PART_WHOLE) == CAE_OK && c == 3);

    static float x[PIXELS], y[PIXELS], z[PIXELS], latent[8 * 28 * 28];
    CHECK(cae_dataset_get(x, PIXELS, data, 0) == CAE_OK);
    CHECK(cae_model_forward(y, PIXELS, model, NULL, x, PIXELS, 1, 32, 32) == CAE_OK);
    CHECK(cae_model_encode(latent, 8 * 28 * 28, model, NULL, x, PIXELS, 1, 32, 32) == CAE_OK);
    CHECK(cae_model_decode(z, PIXELS, model, NULL, latent, 8 * 28 * 28, 1, 28, 28) == CAE_OK);
    CHECK(memcmp(y, z, sizeof y) == 0);

    double mse, psnr, ssim;
    CHECK(cae_mse(&mse, context, x, y, PIXELS) == CAE_OK && mse > 0);
    CHECK(cae_psnr(&psnr, context, x, y, PIXELS, 2) == CAE_OK);
    CHECK(fabs(psnr - 10 * log10(4 / mse)) < 1e-9);
    CHECK(cae_ssim(&ssim, context, x, x, 3, 32, 32, 2, CAE_SSIM_GAUSSIAN11) == CAE_OK);
    CHECK(fabs(ssim - 1) < 1e-12); /* of an image with itself, up to rounding */
    CHECK(cae_add_noise(x, PIXELS, 0.1, 1, CAE_VISIT_EVALUATION, 0) == CAE_OK);
}

static void check_files(void)
{
    static unsigned char file[65536];
    size_t size = 0, again = 0;
    CHECK(cae_model_save_memory(NULL, 0, &size, model) == CAE_OK && size > 4 * 1611);
    CHECK(cae_model_save_memory(file, sizeof file, &again, model) == CAE_OK && again == size);
    cae_model *loaded = NULL;
    CHECK(cae_model_load_memory(&loaded, context, file, size) == CAE_OK);
    CHECK(cae_model_parameter_count(loaded) == 1611);
    cae_model_destroy(loaded);
    CHECK(cae_model_load_memory(&loaded, context, file, size - 1) == CAE_ERR_FORMAT && !loaded);
    CHECK(cae_model_save(model, "client.model") == CAE_OK);
    CHECK(cae_model_load_weights(model, "client.model") == CAE_OK);
    CHECK(cae_model_load(&loaded, context, "client.model") == CAE_OK);
    cae_model_destroy(loaded);
    CHECK(cae_model_load(&loaded, context, "there is no such file") == CAE_ERR_IO && !loaded);
    CHECK(cae_model_export_onnx(model, CAE_PART_WHOLE, "client.onnx") == CAE_OK);
    CHECK(cae_model_export_onnx_memory(NULL, 0, &size, model, CAE_PART_DECODER) == CAE_OK);
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

int main(void)
{
    CHECK(cae_abi_version() == CAE_ABI_VERSION);
    CHECK(cae_version_number() >=
          (CAE_VERSION_MAJOR << 16 | CAE_VERSION_MINOR << 8 | CAE_VERSION_PATCH));
    CHECK(cae_version_string()[0] != '\0' && cae_build_info(NULL, 0) > 10);
    CHECK(strcmp(cae_status_string(CAE_ERR_MEMORY), "out of memory") == 0);

    for (int i = 0; i < COUNT; i++)
        for (int p = 0; p < PIXELS; p++)
            images[i][p] = (uint8_t)(i * 7 + p);
    cae_spec *spec = NULL;
    CHECK(cae_context_create(&context, NULL) == CAE_OK);
    CHECK(cae_context_set_threads(context, 2) == CAE_OK && cae_context_threads(context) == 2);
    CHECK(cae_context_cpu(context) >= CAE_CPU_BASELINE);
    CHECK(cae_spec_create(&spec, context) == CAE_OK);
    CHECK(cae_spec_add_reference(spec) == CAE_OK);
    CHECK(cae_model_create(&model, context, spec, 1) == CAE_OK);
    cae_spec_destroy(spec);
    CHECK(cae_spec_create(&spec, context) == CAE_OK);
    CHECK(cae_spec_add_conv(spec, 1, 2, NULL) == CAE_OK);
    CHECK(cae_spec_end_encoder(spec) == CAE_OK);
    CHECK(cae_spec_add_conv_transpose(spec, 3, 1, NULL) == CAE_ERR_SHAPE);
    cae_spec_destroy(spec);
    CHECK(cae_dataset_create(&data, context, images, sizeof images, COUNT, 3, 32, 32, NULL) == CAE_OK);
    CHECK(cae_optimizer_create(&adam, model, NULL) == CAE_OK);
    if (failures)
        return 1;

    check_options("context", init_context, use_context, sizeof(cae_context_options), 8);
    check_options("conv", init_conv, use_conv, sizeof(cae_conv_options), 8);
    check_options("dataset", init_dataset, use_dataset, sizeof(cae_dataset_options), 8);
    check_options("optimizer", init_optimizer, use_optimizer, sizeof(cae_optimizer_options), 8);
    check_options("trainer", init_trainer, use_trainer, sizeof(cae_trainer_options), 8);
    check_options("evaluation", init_evaluation, use_evaluation, sizeof(cae_evaluation_options), 8);
    check_model();
    check_data();
    check_files();
    check_training();

    cae_optimizer_destroy(adam);
    cae_dataset_destroy(data);
    cae_model_destroy(model);
    cae_context_destroy(context);
    return failures != 0;
}
