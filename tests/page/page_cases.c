/* page_cases.c - report.html and samples.png of runs that the trainers' own images do not lead to.
 *
 *     page_cases CASE DIRECTORY
 *
 * grey   one channel, not square, a residual network with strides, dilation and output padding
 * large  images that are cut to their middle; a program and an --out that try to be markup
 * five   five channels, few images, smaller than SSIM's window
 * exact  an identity: no error, infinite PSNR, one test image */
#include "../../examples/trainer/report.h"
#include "../../examples/trainer/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nothing here is expected to fail. */
static void must(int32_t status, const char *what)
{
    if (status) {
        fprintf(stderr, "page_cases: %s: status %d\n", what, (int)status);
        exit(EXIT_FAILURE);
    }
}

struct layer {
    bool transposed;
    int32_t in, out, kernel, stride, padding, dilation, output_padding, activation;
};

struct page_case {
    const char *name, *program;
    struct task task;
    int32_t channels, height, width;
    int64_t train, test, epochs;
    double sigma;
    struct layer layers[5];
    bool identity, residual;
};

static const struct page_case cases[] = {
    {.name = "grey", .program = "denoise", .task = {.name = "denoise", .noisy = true},
     .channels = 1, .height = 40, .width = 24, .train = 200, .test = 30, .epochs = 2, .sigma = 0.2,
     .layers = {{false, 1, 6, 3, 2, 1, 1, 0, CAE_ACTIVATION_LEAKY_RELU},
                {false, 6, 4, 3, 1, 2, 2, 0, CAE_ACTIVATION_TANH},
                {true, 4, 1, 3, 2, 1, 1, 1, CAE_ACTIVATION_NONE}},
     .residual = true},
    {.name = "large", .program = "<script>alert(\"1\")</script> & 'x'\xff\x01",
     .task = {.name = "reconstruct"},
     .channels = 3, .height = 300, .width = 280, .train = 4, .test = 3, .epochs = 1,
     .layers = {{false, 3, 40, 5, 1, 2, 1, 0, CAE_ACTIVATION_RELU},
                {true, 40, 3, 5, 1, 2, 1, 0, CAE_ACTIVATION_SIGMOID}}},
    {.name = "five", .program = "denoise", .task = {.name = "denoise", .noisy = true},
     .channels = 5, .height = 6, .width = 9, .train = 1, .test = 2, .epochs = 1, .sigma = 0.1,
     .layers = {{true, 5, 30, 2, 1, 0, 1, 0, CAE_ACTIVATION_RELU},
                {false, 30, 5, 2, 1, 0, 1, 0, CAE_ACTIVATION_NONE}}},
    {.name = "exact", .program = "reconstruct", .task = {.name = "reconstruct"},
     .channels = 3, .height = 16, .width = 16, .train = 0, .test = 1,
     .layers = {{false, 3, 3, 1, 1, 0, 1, 0, CAE_ACTIVATION_NONE}}, .identity = true},
};

/* --- The pieces of a run ---------------------------------------------------------------------- */

static cae_spec *describe(cae_context *context, const struct page_case *c)
{
    cae_spec *spec;

    must(cae_spec_create(&spec, context), "spec");
    for (const struct layer *l = c->layers; l->in; l++) {
        cae_conv_options o;
        cae_conv_options_init(&o, sizeof o);
        o.kernel_h = o.kernel_w = l->kernel;
        o.stride_h = o.stride_w = l->stride;
        o.padding_h = o.padding_w = l->padding;
        o.dilation_h = o.dilation_w = l->dilation;
        o.output_padding_h = o.output_padding_w = l->output_padding;
        o.activation = l->activation;
        must((l->transposed ? cae_spec_add_conv_transpose : cae_spec_add_conv)(spec, l->in, l->out,
                                                                              &o), "layer");
    }
    must(cae_spec_set_residual(spec, c->residual), "residual");
    return spec;
}

static cae_dataset *images(cae_context *context, const struct page_case *c, int64_t count,
                           uint64_t seed)
{
    const size_t bytes = (size_t)(count * c->channels * c->height * c->width);
    unsigned char *data;
    cae_dataset *set;

    if (c->channels == 1 || c->channels == 3) {
        must(cae_dataset_create_dead_leaves(&set, context, count, c->channels, c->height, c->width,
                                            seed, NULL), "images");
        return set;
    }
    data = malloc(bytes);
    for (size_t i = 0; data && i < bytes; i++)
        data[i] = (unsigned char)(i * 37 + i / 11 + seed);
    must(data ? cae_dataset_create(&set, context, data, bytes, count, c->channels, c->height,
                                   c->width, NULL) : CAE_ERR_MEMORY, "images");
    free(data);
    return set;
}

static void make_identity(cae_model *model)
{
    const float weight[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, bias[3] = {0};

    must(cae_model_set_tensor(model, "0.weight", weight, 9), "weight");
    must(cae_model_set_tensor(model, "0.bias", bias, 3), "bias");
}

static void train_some(struct run *run, const struct page_case *c)
{
    cae_trainer_options options;

    run->train = images(run->context, c, c->train, 1);
    cae_trainer_options_init(&options, sizeof options);
    options.batch = (int32_t)run->options.batch;
    run->recipe.trainer = options;
    run->recipe.epochs = c->epochs;
    run->recipe.optimizer.learning_rate = run->options.lr;
    options.noise_sigma = c->sigma;
    must(cae_optimizer_create(&run->optimizer, run->model, NULL), "optimizer");
    must(cae_trainer_create(&run->trainer, run->model, run->optimizer, run->train, &options),
         "trainer");
    cae_progress_init(&run->progress, sizeof run->progress);
    while (run->progress.epoch < c->epochs) {
        must(cae_trainer_step(&run->progress, run->trainer), "step");
        if (!history_add(&run->history, &(struct history_row){
                .step = run->progress.step, .epoch = 1, .loss = run->progress.loss,
                .learning_rate = run->progress.learning_rate / (double)run->progress.step}))
            exit(EXIT_FAILURE);
    }
    run->seconds = 1;
    run->images = c->train * c->epochs;
}

static void set_up(struct run *run, const struct page_case *c, const char *directory)
{
    cae_context_options options;
    cae_spec *spec;

    *run = (struct run){.task = &c->task, .program = c->program,
                        .options = {.out = directory, .epochs = c->epochs, .batch = 8, .lr = 1e-3,
                                    .sigma = c->sigma, .seed = 1, .quiet = true},
                        .outputs = {.metrics = path_join(directory, "metrics.json"),
                                    .loss = path_join(directory, "loss.png"),
                                    .samples = path_join(directory, "samples.png"),
                                    .page = path_join(directory, "report.html")}};
    must(!directory_make(directory), "directory");
    cae_context_options_init(&options, sizeof options);
    must(cae_context_create(&run->context, &options), "context");
    spec = describe(run->context, c);
    must(cae_model_create(&run->model, run->context, spec, 1), "model");
    cae_spec_destroy(spec);
    run->test = images(run->context, c, c->test, 2);
    cae_evaluation_options_init(&run->evaluation_options, sizeof run->evaluation_options);
    run->evaluation_options.noise_sigma = c->sigma;
    if (c->train)
        train_some(run, c);
    if (c->identity)
        make_identity(run->model);
}

static void tear_down(struct run *run)
{
    cae_trainer_destroy(run->trainer);
    cae_optimizer_destroy(run->optimizer);
    cae_model_destroy(run->model);
    cae_dataset_destroy(run->test);
    cae_dataset_destroy(run->train);
    cae_context_destroy(run->context);
    history_free(&run->history);
    free(run->outputs.metrics);
    free(run->outputs.loss);
    free(run->outputs.samples);
    free(run->outputs.page);
}

int main(int argc, char **argv)
{
    const struct page_case *c = cases, *end = cases + sizeof cases / sizeof *cases;
    struct run run;
    bool good;

    while (argc == 3 && c < end && strcmp(c->name, argv[1]) != 0)
        c++;
    if (argc != 3 || c == end) {
        fprintf(stderr, "usage: page_cases grey|large|five|exact DIRECTORY\n");
        return EXIT_FAILURE;
    }
    set_up(&run, c, argv[2]);
    good = report(&run);
    tear_down(&run);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
