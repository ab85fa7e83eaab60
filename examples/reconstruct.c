/* reconstruct.c - train an auto-encoder to give back the image it was shown.
 *
 * What it cannot give back does not fit its latent: the error is a measure of how unusual an image
 * is. Everything else is shared with denoise.c and lives in trainer/. */
#include "trainer/task.h"

int main(int argc, char **argv)
{
    static const struct task reconstruct = {
        .name = "reconstruct",
        .summary = "train a convolutional auto-encoder to reproduce its input",
        .out = "runs/reconstruct",
        .eval_out = "runs/reconstruct-eval",
    };

    return task_main(&reconstruct, argc, argv);
}
