/* contract.c - what every binding has to reproduce, byte for byte.
 *
 * contract DIR writes
 *   images.u8           320 images [3][32][32] of bytes: what is trained on
 *   model.safetensors   the reference network, seed 7, after 20 steps of Adam (batch 16, seed 7,
 *                       noise 0.1)
 *   model.onnx          the same model, whole
 *   average.safetensors the moving average, decay 0.9, of the reference network with a residual connection
 *                       after 20 such steps with Charbonnier's loss, epsilon 0.01, noise between 0.05 and
 *                       0.2, and images mirrored, flipped and transposed
 *   expected.txt        lines "name value": the loss of step 20; mse, psnr and ssim of an evaluation
 *                       with noise 0.1; the first value of the output for the first image; the loss of
 *                       step 20 of the residual network */
#include <cae/cae.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 320, PIXELS = 3 * 32 * 32, BATCH = 16, STEPS = 20, SEED = 7 };

static uint8_t images[COUNT][PIXELS];

static void check(cae_status status, const cae_context *context, const char *what)
{
    if (status == CAE_OK)
        return;
    fprintf(stderr, "contract: %s: %s: %s\n", what, cae_status_string(status),
            cae_context_error(context));
    exit(EXIT_FAILURE);
}

static FILE *open_in(const char *directory, const char *name, char path[4096])
{
    snprintf(path, 4096, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    if (!file) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    return file;
}

static void make_images(cae_context *context, const char *directory)
{
    static float pixels[PIXELS];
    cae_dataset *leaves;
    check(cae_dataset_create_dead_leaves(&leaves, context, COUNT, 3, 32, 32, SEED, NULL), context,
          "dead leaves");
    for (int i = 0; i < COUNT; i++) {
        check(cae_dataset_get(pixels, PIXELS, leaves, i), context, "image");
        for (int p = 0; p < PIXELS; p++)
            images[i][p] = (uint8_t)lrintf((pixels[p] + 1) * 127.5f);
    }
    cae_dataset_destroy(leaves);

    char path[4096];
    FILE *file = open_in(directory, "images.u8", path);
    if (fwrite(images, sizeof images, 1, file) != 1 || fclose(file) != 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}

static void add(cae_context *context, cae_spec *spec, int transposed, int32_t in, int32_t out, int32_t activation)
{
    cae_conv_options options;
    cae_conv_options_init(&options, sizeof options);
    options.activation = activation;
    check((transposed ? cae_spec_add_conv_transpose : cae_spec_add_conv)(spec, in, out, &options), context,
          "layer");
}

/* The loss of the last step. */
static double train_residual(cae_context *context, const cae_dataset *data, const char *directory)
{
    cae_spec *spec = NULL;
    cae_model *model = NULL, *average = NULL;
    cae_optimizer *adam = NULL;
    cae_trainer *trainer = NULL;
    check(cae_spec_create(&spec, context), context, "spec");
    add(context, spec, 0, 3, 8, CAE_ACTIVATION_RELU);
    add(context, spec, 0, 8, 8, CAE_ACTIVATION_RELU);
    check(cae_spec_end_encoder(spec), context, "encoder");
    add(context, spec, 1, 8, 8, CAE_ACTIVATION_RELU);
    add(context, spec, 1, 8, 3, CAE_ACTIVATION_NONE);
    check(cae_spec_set_residual(spec, 1), context, "residual");
    check(cae_model_create(&model, context, spec, SEED), context, "model");

    cae_trainer_options options;
    cae_trainer_options_init(&options, sizeof options);
    options.batch = BATCH;
    options.seed = SEED;
    options.loss = CAE_LOSS_CHARBONNIER;
    options.epsilon = 0.01;
    options.noise_sigma = 0.05;
    options.noise_sigma_max = 0.2;
    options.augment = CAE_AUGMENT_MIRROR | CAE_AUGMENT_FLIP | CAE_AUGMENT_TRANSPOSE;
    options.average_decay = 0.9;
    check(cae_optimizer_create(&adam, model, NULL), context, "optimizer");
    check(cae_trainer_create(&trainer, model, adam, data, &options), context, "trainer");
    cae_progress progress = {.size = sizeof progress};
    for (int step = 0; step < STEPS; step++)
        check(cae_trainer_step(&progress, trainer), context, "step");
    check(cae_trainer_average(&average, trainer), context, "average");
    char path[4096];
    snprintf(path, sizeof path, "%s/average.safetensors", directory);
    check(cae_model_save(average, path), context, path);

    cae_model_destroy(average);
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(adam);
    cae_model_destroy(model);
    cae_spec_destroy(spec);
    return progress.loss;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: contract DIR\n");
        return 2;
    }
    cae_context *context = NULL;
    cae_model *model = NULL;
    cae_dataset *data = NULL;
    cae_optimizer *adam = NULL;
    cae_trainer *trainer = NULL;
    check(cae_context_create(&context, NULL), NULL, "context");
    make_images(context, argv[1]);

    cae_trainer_options options;
    cae_trainer_options_init(&options, sizeof options);
    options.batch = BATCH;
    options.seed = SEED;
    options.noise_sigma = 0.1;
    check(cae_model_create_reference(&model, context, SEED), context, "model");
    check(cae_dataset_create(&data, context, images, sizeof images, COUNT, 3, 32, 32, NULL), context,
          "dataset");
    check(cae_optimizer_create(&adam, model, NULL), context, "optimizer");
    check(cae_trainer_create(&trainer, model, adam, data, &options), context, "trainer");
    cae_progress progress = {.size = sizeof progress};
    for (int step = 0; step < STEPS; step++)
        check(cae_trainer_step(&progress, trainer), context, "step");

    cae_evaluation_options noisy;
    cae_evaluation_options_init(&noisy, sizeof noisy);
    noisy.noise_sigma = 0.1;
    cae_evaluation evaluation = {.size = sizeof evaluation};
    check(cae_model_evaluate(&evaluation, model, NULL, data, &noisy), context, "evaluation");
    static float x[PIXELS], y[PIXELS];
    check(cae_dataset_get(x, PIXELS, data, 0), context, "image");
    check(cae_model_forward(y, PIXELS, model, NULL, x, PIXELS, 1, 32, 32), context, "forward");

    char path[4096];
    FILE *file = open_in(argv[1], "expected.txt", path);
    fprintf(file, "loss %.17g\nmse %.17g\npsnr %.17g\nssim %.17g\nfirst %.9g\nresidual_loss %.17g\n",
            progress.loss, evaluation.mse, evaluation.psnr, evaluation.ssim, (double)y[0],
            train_residual(context, data, argv[1]));
    if (fclose(file) != 0) {
        perror(path);
        return EXIT_FAILURE;
    }
    snprintf(path, sizeof path, "%s/model.safetensors", argv[1]);
    check(cae_model_save(model, path), context, path);
    snprintf(path, sizeof path, "%s/model.onnx", argv[1]);
    check(cae_model_export_onnx(model, CAE_PART_WHOLE, path), context, path);

    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(adam);
    cae_dataset_destroy(data);
    cae_model_destroy(model);
    cae_context_destroy(context);
    return EXIT_SUCCESS;
}
