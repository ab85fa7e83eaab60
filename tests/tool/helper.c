/* helper.c - the library by its C interface, for test_cae.py to compare `cae` with.
 *
 *   helper make KIND OUT                     a model of known geometry, see kinds[]
 *   helper planes FILE                       a picture's planes, raw floats on stdout
 *   helper picture u8|u16|f32 C H W OUT      planes from stdin into a picture
 *   helper forward|encode|decode MODEL N H W raw floats from stdin to stdout
 *   helper score MODEL H W                   the score of one frame from stdin, as text
 *   helper note MODEL TEXT OUT               the model with that note
 *   helper checkpoint OUT                    of a trainer, three steps on
 *
 * Shares no code with the tool. */
#include <cae/cae.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cae_context *context;

static void check(cae_status status, const char *what)
{
    if (status == CAE_OK)
        return;
    fprintf(stderr, "helper: %s: %s\n", what, cae_context_error(context));
    exit(1);
}

/* --- Models ---------------------------------------------------------------------------------- */

struct layer {
    int transposed, in, out, kernel, stride, padding, output_padding, activation;
};

static const struct kind {
    const char *name;
    int residual;
    struct layer layers[5];
} kinds[] = {
    {"one", 0, {{0, 1, 4, 3, 1, 1, 0, 1}, {1, 4, 1, 3, 1, 1, 0, 0}}},
    {"two", 0, {{0, 2, 4, 3, 1, 1, 0, 1}, {1, 4, 2, 3, 1, 1, 0, 0}}},
    {"four", 0, {{0, 4, 4, 3, 1, 1, 0, 1}, {1, 4, 4, 3, 1, 1, 0, 0}}},
    {"five", 0, {{0, 5, 4, 3, 1, 1, 0, 1}, {1, 4, 5, 3, 1, 1, 0, 0}}},
    {"valid", 0, {{0, 3, 4, 3, 1, 0, 0, 1}, {0, 4, 4, 5, 1, 0, 0, 1}, {0, 4, 3, 3, 1, 1, 0, 0}}},
    {"strided", 0, {{0, 3, 4, 3, 2, 1, 0, 1}, {0, 4, 4, 3, 2, 1, 0, 1}, {1, 4, 4, 3, 2, 1, 1, 1},
                    {1, 4, 3, 3, 2, 1, 1, 0}}},
    {"residual", 1, {{0, 3, 4, 3, 2, 1, 0, 1}, {1, 4, 3, 3, 2, 1, 1, 0}}},
    {"even", 0, {{0, 3, 4, 4, 2, 1, 0, 1}, {1, 4, 3, 4, 2, 1, 0, 0}}},
    {"larger", 0, {{0, 3, 4, 3, 1, 1, 0, 1}, {1, 4, 3, 2, 2, 0, 0, 0}}},
    {"narrow", 0, {{0, 3, 4, 3, 1, 1, 0, 1}, {0, 4, 2, 3, 1, 1, 0, 0}}},
    {"steep", 0, {{0, 3, 3, 1, 65535, 0, 0, 0}, {0, 3, 3, 1024, 65535, 0, 0, 0},
                  {0, 3, 3, 1024, 65535, 0, 0, 0}, {0, 3, 3, 1024, 65535, 0, 0, 0},
                  {0, 3, 3, 1, 65535, 0, 0, 0}}},
    {"rising", 0, {{1, 3, 3, 1024, 65535, 0, 65534, 0}, {1, 3, 3, 1024, 65535, 0, 65534, 0},
                   {1, 3, 3, 1024, 65535, 0, 0, 0}, {1, 3, 3, 1, 65535, 0, 0, 0},
                   {1, 3, 3, 1, 65535, 0, 0, 0}}},
    {"alone", 0, {{0, 3, 3, 3, 1, 1, 0, 0}}},
};

static const struct kind *kind_named(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    fprintf(stderr, "helper: no kind %s\n", name);
    exit(1);
}

static cae_model *make(const char *name)
{
    cae_conv_options o;
    cae_spec *spec;
    cae_model *model;

    if (strcmp(name, "reference") == 0) {
        check(cae_model_create_reference(&model, context, 7), "reference");
        return model;
    }
    const struct kind *kind = kind_named(name);
    check(cae_spec_create(&spec, context), "spec");
    for (const struct layer *l = kind->layers; l < kind->layers + 5 && l->in; l++) {
        cae_conv_options_init(&o, sizeof o);
        o.kernel_h = o.kernel_w = l->kernel;
        o.stride_h = o.stride_w = l->stride;
        o.padding_h = o.padding_w = l->padding;
        o.output_padding_h = o.output_padding_w = l->output_padding;
        o.activation = l->activation;
        check(l->transposed ? cae_spec_add_conv_transpose(spec, l->in, l->out, &o)
                            : cae_spec_add_conv(spec, l->in, l->out, &o), "layer");
    }
    check(cae_spec_set_residual(spec, kind->residual), "residual");
    check(cae_model_create(&model, context, spec, 7), "model");
    cae_spec_destroy(spec);
    return model;
}

static cae_model *load(const char *path)
{
    cae_model *model;

    check(cae_model_load(&model, context, path), path);
    return model;
}

/* --- Floats on stdin and stdout -------------------------------------------------------------- */

static float *take(size_t count)
{
    float *values = malloc(count * sizeof *values);

    if (!values || fread(values, sizeof *values, count, stdin) != count || getchar() != EOF) {
        fprintf(stderr, "helper: expected %zu floats\n", count);
        exit(1);
    }
    return values;
}

static void give(const float *values, size_t count)
{
    if (fwrite(values, sizeof *values, count, stdout) != count || fflush(stdout)) {
        perror("helper");
        exit(1);
    }
}

static void run(int part, const char *path, int64_t n, int32_t h, int32_t w)
{
    cae_model *model = load(path);
    int32_t in, out, oh, ow;

    check(cae_model_channels(&in, NULL, model, NULL, part), "channels");
    check(cae_model_output_shape(&out, &oh, &ow, model, NULL, part, h, w), "shape");
    const size_t x_count = (size_t)(n * in) * (size_t)h * (size_t)w;
    const size_t y_count = (size_t)(n * out) * (size_t)oh * (size_t)ow;
    float *x = take(x_count), *y = malloc(y_count * sizeof *y);
    check(part == CAE_PART_WHOLE ? cae_model_forward(y, y_count, model, NULL, x, x_count, n, h, w)
          : part == CAE_PART_ENCODER ? cae_model_encode(y, y_count, model, NULL, x, x_count, n, h, w)
                                     : cae_model_decode(y, y_count, model, NULL, x, x_count, n, h, w),
          "run");
    give(y, y_count);
    free(x);
    free(y);
    cae_model_destroy(model);
}

/* --- Pictures -------------------------------------------------------------------------------- */

static void planes(const char *path)
{
    cae_array *array;
    int64_t shape[CAE_MOST_RANK];

    check(cae_array_read(&array, context, path), path);
    check(cae_array_shape(shape, NULL, NULL, array), "shape");
    const size_t count = (size_t)(shape[0] * shape[1] * shape[2]);
    float *values = malloc(count * sizeof *values);
    check(cae_array_to_planes(values, count, array, CAE_SCALE_SIGNED), "planes");
    give(values, count);
    free(values);
    cae_array_destroy(array);
}

static void picture(const char *type, int c, int h, int w, const char *out)
{
    const int64_t shape[3] = {h, w, c};
    const size_t count = (size_t)c * (size_t)h * (size_t)w;
    float *values = take(count);
    cae_array *array;

    check(cae_array_create(&array, context, strcmp(type, "u8") == 0 ? CAE_TYPE_U8
                           : strcmp(type, "u16") == 0 ? CAE_TYPE_U16 : CAE_TYPE_F32, shape, 3), "array");
    check(cae_array_from_planes(array, values, count, CAE_SCALE_SIGNED), "planes");
    check(cae_array_write(array, out), out);
    cae_array_destroy(array);
    free(values);
}

static void score(const char *path, int h, int w)
{
    cae_model *model = load(path);
    cae_scorer *scorer;
    int32_t channels;
    double value;

    check(cae_model_channels(&channels, NULL, model, NULL, CAE_PART_WHOLE), "channels");
    const size_t count = (size_t)channels * (size_t)h * (size_t)w;
    float *x = take(count);
    check(cae_scorer_create(&scorer, model, NULL, h, w, NULL), "scorer");
    check(cae_scorer_run(&value, NULL, 0, scorer, x, count), "run");
    printf("%.17g\n", value);
    free(x);
    cae_scorer_destroy(scorer);
    cae_model_destroy(model);
}

static void checkpoint(const char *out)
{
    cae_model *model = make("reference");
    cae_optimizer *optimizer;
    cae_dataset *dataset;
    cae_trainer *trainer;

    check(cae_dataset_create_dead_leaves(&dataset, context, 10, 3, 8, 8, 1, NULL), "images");
    check(cae_optimizer_create(&optimizer, model, NULL), "optimizer");
    check(cae_trainer_create(&trainer, model, optimizer, dataset, NULL), "trainer");
    for (int i = 0; i < 3; i++)
        check(cae_trainer_step(NULL, trainer), "step");
    check(cae_trainer_save(trainer, out), out);
    cae_trainer_destroy(trainer);
    cae_dataset_destroy(dataset);
    cae_optimizer_destroy(optimizer);
    cae_model_destroy(model);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    cae_model *model;

    if (cae_context_create(&context, NULL) != CAE_OK)
        return 1;
    if (strcmp(what, "make") == 0 && argc == 4) {
        model = make(argv[2]);
        check(cae_model_save(model, argv[3]), argv[3]);
        cae_model_destroy(model);
    } else if (strcmp(what, "note") == 0 && argc == 5) {
        model = load(argv[2]);
        check(cae_model_set_note(model, argv[3]), "note");
        check(cae_model_save(model, argv[4]), argv[4]);
        cae_model_destroy(model);
    } else if (strcmp(what, "planes") == 0 && argc == 3) {
        planes(argv[2]);
    } else if (strcmp(what, "picture") == 0 && argc == 7) {
        picture(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]), argv[6]);
    } else if (strcmp(what, "forward") == 0 && argc == 6) {
        run(CAE_PART_WHOLE, argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
    } else if (strcmp(what, "encode") == 0 && argc == 6) {
        run(CAE_PART_ENCODER, argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
    } else if (strcmp(what, "decode") == 0 && argc == 6) {
        run(CAE_PART_DECODER, argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
    } else if (strcmp(what, "score") == 0 && argc == 5) {
        score(argv[2], atoi(argv[3]), atoi(argv[4]));
    } else if (strcmp(what, "checkpoint") == 0 && argc == 3) {
        checkpoint(argv[2]);
    } else {
        fprintf(stderr, "helper: see helper.c\n");
        return 2;
    }
    cae_context_destroy(context);
    return 0;
}
