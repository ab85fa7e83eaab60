/* denoise.c - train an auto-encoder to take Gaussian noise out of images.
 *
 * Every visit of an image gets fresh noise, the target is the clean image. Everything else is
 * shared with reconstruct.c and lives in trainer/. */
#include "trainer/task.h"

int main(int argc, char **argv)
{
    static const struct task denoise = {
        .name = "denoise",
        .summary = "train a convolutional auto-encoder to remove Gaussian noise from images",
        .noisy = true,
        .sigma = 0.1,
        .out = "runs/denoise",
        .eval_out = "runs/denoise-eval",
    };

    return task_main(&denoise, argc, argv);
}
