/* seeds.c - files of the library's own making, to fuzz from: a model for every option of a layer and
 * a checkpoint for every optimizer. seeds.py calls it and adds what the library would not write.
 *
 *   seeds DIRECTORY, which has model and checkpoint in it */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static void save_to(const cae_context *context, const char *directory, const char *kind,
                    const char *name, const cae_model *model, const cae_trainer *trainer)
{
    char path[512];

    CHECK(snprintf(path, sizeof path, "%s/%s/%s", directory, kind, name) < (int)sizeof path);
    const cae_status status = model ? cae_model_save(model, path) : cae_trainer_save(trainer, path);
    if (status != CAE_OK)
        fprintf(stderr, "%s\n", cae_context_error(context));
    CHECK(status == CAE_OK);
}

/* Conv 1->2 | ConvTranspose 2->1 with one option changed. */
static void write_model(cae_context *context, const char *directory, const char *name, size_t offset,
                        int32_t value, bool both, bool residual)
{
    cae_conv_options o, plain;
    cae_spec *spec;
    cae_model *model;

    CHECK(cae_conv_options_init(&o, sizeof o) == CAE_OK);
    plain = o;
    *(int32_t *)(void *)((char *)&o + offset) = value;
    if (offset == offsetof(cae_conv_options, output_padding_h)) /* which needs one of them */
        o.stride_h = value + 1;
    CHECK(cae_spec_create(&spec, context) == CAE_OK);
    CHECK(cae_spec_add_conv(spec, 1, 2, both ? &o : &plain) == CAE_OK);
    CHECK(cae_spec_add_conv_transpose(spec, 2, 1, &o) == CAE_OK);
    CHECK(cae_spec_set_residual(spec, residual) == CAE_OK);
    CHECK(cae_model_create(&model, context, spec, 1) == CAE_OK);
    if (value == CAE_ACTIVATION_TANH && offset == offsetof(cae_conv_options, activation))
        CHECK(cae_model_set_note(model, "{\"command\":\"\xc3\xa4\n\"}") == CAE_OK);
    save_to(context, directory, "model", name, model, NULL);
    cae_model_destroy(model);
    cae_spec_destroy(spec);
}

static void write_models(cae_context *context, const char *directory)
{
#define FIELD(name) offsetof(cae_conv_options, name)
    write_model(context, directory, "plain", FIELD(kernel_h), 3, true, false);
    write_model(context, directory, "kernel", FIELD(kernel_w), 1, true, false);
    write_model(context, directory, "stride", FIELD(stride_h), 2, true, false);
    write_model(context, directory, "padding", FIELD(padding_w), 1, true, false);
    write_model(context, directory, "dilation", FIELD(dilation_h), 2, true, false);
    write_model(context, directory, "output_padding", FIELD(output_padding_h), 1, false, false);
    write_model(context, directory, "no_bias", FIELD(bias), 0, true, false);
    for (int32_t i = CAE_ACTIVATION_NONE; i <= CAE_ACTIVATION_SIGMOID; i++) {
        char name[32];
        snprintf(name, sizeof name, "activation_%d", (int)i);
        write_model(context, directory, name, FIELD(activation), i, true, false);
    }
    write_model(context, directory, "residual", FIELD(kernel_h), 3, true, true);
    write_model(context, directory, "residual_strided", FIELD(output_padding_h), 1, false, true);
}

/* With a threshold of either kind of score. */
static void write_calibrated(cae_context *context, const char *directory)
{
    cae_model *model = fuzz_small_model(context, false);
    cae_dataset *dataset;
    cae_scorer_options o;

    CHECK(cae_dataset_create_dead_leaves(&dataset, context, 4, 1, 9, 9, 1, NULL) == CAE_OK);
    CHECK(cae_scorer_options_init(&o, sizeof o) == CAE_OK);
    CHECK(cae_model_calibrate(NULL, model, NULL, dataset, 0.9, &o) == CAE_OK);
    save_to(context, directory, "model", "threshold_mean", model, NULL);
    o.kind = CAE_SCORE_PEAK, o.smoothing = 3;
    CHECK(cae_model_calibrate(NULL, model, NULL, dataset, 1.0, &o) == CAE_OK);
    save_to(context, directory, "model", "threshold_peak", model, NULL);
    cae_dataset_destroy(dataset);
    cae_model_destroy(model);
}

/* Of the trainer of checkpoint.c: the same network, images and options. */
static void write_checkpoint(cae_context *context, const char *directory, const char *name,
                             struct fuzz_training how, int steps)
{
    cae_trainer *trainer = fuzz_trainer(context, how);

    for (int i = 0; i < steps; i++)
        CHECK(cae_trainer_step(NULL, trainer) == CAE_OK);
    save_to(context, directory, "checkpoint", name, NULL, trainer);
    cae_trainer_destroy(trainer);
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: seeds DIRECTORY\n");
        return 2;
    }
    cae_context *context = fuzz_begin();
    write_models(context, arguments[1]);
    static const struct {
        const char *name;
        struct fuzz_training how;
        int steps;
    } runs[] = {
        {"sgd", {CAE_OPTIMIZER_SGD, false, false}, 1},
        {"adam", {CAE_OPTIMIZER_ADAM, false, false}, 2},
        {"adamw", {CAE_OPTIMIZER_ADAMW, false, false}, 3},
        {"fresh", {CAE_OPTIMIZER_ADAM, false, false}, 0},
        {"average", {CAE_OPTIMIZER_ADAM, false, true}, 2},
        {"average_sgd", {CAE_OPTIMIZER_SGD, false, true}, 1},
        {"residual", {CAE_OPTIMIZER_ADAM, true, false}, 2},
        {"residual_average", {CAE_OPTIMIZER_ADAMW, true, true}, 3},
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
        write_checkpoint(context, arguments[1], runs[i].name, runs[i].how, runs[i].steps);
    write_calibrated(context, arguments[1]);
    fuzz_end(context);
    return 0;
}
