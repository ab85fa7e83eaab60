/* contract.c - what every binding has to reproduce, byte for byte.
 *
 * contract DIR writes
 *   images.u8           320 images [3][32][32] of bytes: what is trained on
 *   model.safetensors   the reference network, seed 7, after 20 steps of Adam (batch 16, seed 7,
 *                       noise 0.1)
 *   model.onnx          the same model, whole
 *   expected.txt        lines "name value": the loss of step 20; mse, psnr and ssim of an evaluation
 *                       with noise 0.1; the first value of the output for the first image */
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
    fprintf(file, "loss %.17g\nmse %.17g\npsnr %.17g\nssim %.17g\nfirst %.9g\n", progress.loss,
            evaluation.mse, evaluation.psnr, evaluation.ssim, (double)y[0]);
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
