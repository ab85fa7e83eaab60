/* 01_autoencode.c - train an auto-encoder on images in the program's own memory.
 *
 *   cc 01_autoencode.c $(pkg-config --cflags --libs cae) */
#include <cae/cae.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 256, SIDE = 32, EPOCHS = 5 };

/* [COUNT][3][SIDE][SIDE], as a camera or a decoder might leave them: here, coloured gradients. */
static uint8_t images[COUNT][3][SIDE][SIDE];

static void make_images(void)
{
    for (int i = 0; i < COUNT; i++)
        for (int c = 0; c < 3; c++)
            for (int y = 0; y < SIDE; y++)
                for (int x = 0; x < SIDE; x++)
                    images[i][c][y][x] = (uint8_t)(i * (c + 1) + 3 * x + 5 * y);
}

int main(void)
{
    cae_context *context = NULL;
    cae_model *model = NULL;
    cae_dataset *data = NULL;
    cae_optimizer *adam = NULL;
    cae_trainer *trainer = NULL;
    cae_progress progress = {.size = sizeof progress};

    make_images();
    cae_status status = cae_context_create(&context, NULL);
    if (!status) status = cae_model_create_reference(&model, context, 1);
    if (!status) status = cae_dataset_create(&data, context, images, sizeof images,
                                             COUNT, 3, SIDE, SIDE, NULL);
    if (!status) status = cae_optimizer_create(&adam, model, NULL);
    if (!status) status = cae_trainer_create(&trainer, model, adam, data, NULL);
    for (int epoch = 1; epoch <= EPOCHS && !status; epoch++) {
        status = cae_trainer_epoch(&progress, trainer, NULL, NULL);
        if (!status) printf("epoch %d: loss %.5f\n", epoch, progress.loss);
    }
    if (status)
        fprintf(stderr, "%s: %s\n", cae_status_string(status), cae_context_error(context));

    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(adam);
    cae_dataset_destroy(data);
    cae_model_destroy(model);
    cae_context_destroy(context);
    return status ? EXIT_FAILURE : EXIT_SUCCESS;
}
