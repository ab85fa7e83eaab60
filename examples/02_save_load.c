/* 02_save_load.c - train a little, save, reload, and use the two halves on their own.
 *
 * The file is safetensors with PyTorch's key names: any safetensors library reads it. The argument
 * is its path. */
#include <cae/cae.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 128, SIDE = 32, PIXELS = 3 * SIDE * SIDE, LATENT = 8 * 28 * 28 };

static float image[PIXELS], latent[LATENT], output[PIXELS];

/* One epoch on the built-in images, saved to `path`. The first image is left in `image`. */
static cae_status train_and_save(cae_context *context, const char *path)
{
    cae_dataset *data = NULL;
    cae_model *model = NULL;
    cae_optimizer *adam = NULL;
    cae_trainer *trainer = NULL;

    cae_status status = cae_dataset_create_dead_leaves(&data, context, COUNT, 3, SIDE, SIDE, 1,
                                                       NULL);
    if (!status) status = cae_dataset_get(image, PIXELS, data, 0);
    if (!status) status = cae_model_create_reference(&model, context, 1);
    if (!status) status = cae_optimizer_create(&adam, model, NULL);
    if (!status) status = cae_trainer_create(&trainer, model, adam, data, NULL);
    if (!status) status = cae_trainer_epoch(NULL, trainer, NULL, NULL);
    if (!status) status = cae_model_save(model, path);
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(adam);
    cae_model_destroy(model);
    cae_dataset_destroy(data);
    return status;
}

/* The saved model squeezes the image into its latent and makes an image of that again. */
static cae_status load_and_run(cae_context *context, const char *path)
{
    cae_model *model = NULL;
    double psnr = 0;

    cae_status status = cae_model_load(&model, context, path);
    if (!status) status = cae_model_encode(latent, LATENT, model, NULL, image, PIXELS,
                                           1, SIDE, SIDE);
    if (!status) status = cae_model_decode(output, PIXELS, model, NULL, latent, LATENT,
                                           1, 28, 28);
    if (!status) status = cae_psnr(&psnr, context, output, image, PIXELS, 2.0);
    if (!status) printf("encoded to 8x28x28 and back: PSNR %.2f dB\n", psnr);
    cae_model_destroy(model);
    return status;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "model.safetensors";
    cae_context *context = NULL;

    cae_status status = cae_context_create(&context, NULL);
    if (!status) status = train_and_save(context, path);
    if (!status) status = load_and_run(context, path);
    if (status)
        fprintf(stderr, "%s: %s\n", cae_status_string(status), cae_context_error(context));
    cae_context_destroy(context);
    return status ? EXIT_FAILURE : EXIT_SUCCESS;
}
