/* exchange.c - what one machine writes, another reads.
 *
 *   exchange write DIR         writes the files below
 *   exchange take FROM TO      reads FROM's model and checkpoint, which written again must be the same
 *                              bytes, trains on from there, and writes what came of it into TO
 *   exchange compare A B       the files of two machines: those that the contract makes equal, byte for
 *                              byte; values that training made, by their largest relative difference
 *   exchange continued A B     the same of what training on came to
 *
 * Directories exist. Needs nothing but C and the library, so that it is built for any machine; one thread
 * and the baseline's instructions, as other machines have no others. */
#include <cae/cae.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/random/random.h"

enum {
    IMAGES = 24, CHANNELS = 3, SIDE = 17, PIXELS = CHANNELS * SIDE * SIDE,
    STEPS = 8, MORE_STEPS = 4, ORDER = 1000
};

#define SIGMA 0.1 /* of the noise, in units of the images */

/* Values that went through training, or through sums that machines may order and fuse differently: how
 * far they may be apart, of the largest value. Measured over all machines: 3.5e-7 (docs/machines.md). */
#define TOLERANCE 5e-6

/* Fresh parameters, random numbers, images and the formats: the same bytes on every machine. */
static const char *const exact[] = {"fresh.safetensors", "fresh.onnx", "images.f32", "noise.f32",
                                    "order.u64"};
static const char *const measured[] = {"output.f32", "trained.f32"};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "exchange: %s: %s\n", what, why);
    exit(1);
}

static cae_context *context;

static void check(cae_status status, const char *what)
{
    if (status != CAE_OK)
        fail(what, *cae_context_error(context) ? cae_context_error(context)
                                               : cae_status_string(status));
}

/* --- Files ------------------------------------------------------------------------------------ */

struct bytes {
    unsigned char *data;
    size_t size;
};

static const char *in(const char *directory, const char *name)
{
    static char paths[2][4096];
    static int turn;
    char *path = paths[turn = !turn];

    if (snprintf(path, sizeof paths[0], "%s/%s", directory, name) >= (int)sizeof paths[0])
        fail(name, "its path is too long");
    return path;
}

static struct bytes read_file(const char *path)
{
    struct bytes file = {malloc(1 << 20), 0};
    FILE *stream = fopen(path, "rb");

    if (!stream || !file.data)
        fail(path, "cannot open it");
    file.size = fread(file.data, 1, 1 << 20, stream);
    if (file.size == 0 || file.size == 1 << 20 || fclose(stream) != 0)
        fail(path, "cannot read it, or it is larger than any of ours");
    return file;
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *stream = fopen(path, "wb");

    if (!stream || fwrite(data, 1, size, stream) != size || fclose(stream) != 0)
        fail(path, "cannot write it");
}

/* Little-endian, as the files are that the library writes. */
static void write_numbers(const char *path, const uint64_t *numbers, size_t count, size_t width)
{
    unsigned char *bytes = malloc(count * width);

    if (!bytes)
        fail(path, "no memory");
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < width; j++)
            bytes[i * width + j] = (unsigned char)(numbers[i] >> 8 * j);
    write_file(path, bytes, count * width);
    free(bytes);
}

static void write_floats(const char *path, const float *values, size_t count)
{
    uint64_t *numbers = malloc(count * sizeof *numbers);

    if (!numbers)
        fail(path, "no memory");
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;

        memcpy(&bits, &values[i], sizeof bits);
        numbers[i] = bits;
    }
    write_numbers(path, numbers, count, sizeof(float));
    free(numbers);
}

static float float_at(const unsigned char *bytes)
{
    const uint32_t bits = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
                          (uint32_t)bytes[3] << 24;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* --- A network, its images and its training ------------------------------------------------------- */

struct run {
    cae_model *model;
    cae_dataset *data;
    cae_optimizer *adam;
    cae_trainer *trainer;
};

/* Both kinds of layer, both engines, every activation that is arithmetic. tanh and exp are the C
 * library's, and each has its own. */
static cae_model *new_model(void)
{
    cae_spec *spec;
    cae_conv_options o;
    cae_model *model;

    check(cae_conv_options_init(&o, sizeof o), "options");
    check(cae_spec_create(&spec, context), "spec");
    o.activation = CAE_ACTIVATION_RELU;
    check(cae_spec_add_conv(spec, CHANNELS, 8, &o), "first layer");
    o.activation = CAE_ACTIVATION_LEAKY_RELU;
    o.stride_h = o.stride_w = 2;
    check(cae_spec_add_conv(spec, 8, 6, &o), "second layer");
    check(cae_spec_end_encoder(spec), "encoder");
    check(cae_spec_add_conv_transpose(spec, 6, 8, &o), "third layer");
    o.stride_h = o.stride_w = 1;
    o.activation = CAE_ACTIVATION_NONE;
    check(cae_spec_add_conv_transpose(spec, 8, CHANNELS, &o), "fourth layer");
    check(cae_model_create(&model, context, spec, 7), "model");
    cae_spec_destroy(spec);
    return model;
}

static struct run run_new(cae_model *model)
{
    struct run run = {.model = model};
    cae_trainer_options o;

    check(cae_dataset_create_dead_leaves(&run.data, context, IMAGES, CHANNELS, SIDE, SIDE, 3, NULL),
          "images");
    check(cae_optimizer_create(&run.adam, model, NULL), "optimizer");
    check(cae_trainer_options_init(&o, sizeof o), "options");
    o.batch = 10;
    o.noise_sigma = SIGMA;
    check(cae_trainer_create(&run.trainer, model, run.adam, run.data, &o), "trainer");
    return run;
}

static void run_free(struct run *run)
{
    cae_trainer_destroy(run->trainer);
    cae_optimizer_destroy(run->adam);
    cae_dataset_destroy(run->data);
    cae_model_destroy(run->model);
}

static void take_steps(struct run *run, int count)
{
    cae_progress progress = {.size = sizeof progress};

    for (int i = 0; i < count; i++)
        check(cae_trainer_step(&progress, run->trainer), "step");
    if (!(progress.loss > 0 && progress.loss < 1))
        fail("training", "the loss is not what it should be");
}

static void write_parameters(const char *path, const cae_model *model)
{
    const size_t count = (size_t)cae_model_parameter_count(model);
    float *values = malloc(count * sizeof *values), *at = values;

    if (!values)
        fail(path, "no memory");
    for (int32_t i = 0; i < cae_model_tensor_count(model); i++) {
        const char *name = cae_model_tensor_name(model, i);
        int64_t shape[4];
        size_t length;

        check(cae_model_tensor_shape(shape, NULL, model, name), name);
        length = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
        check(cae_model_get_tensor(at, length, model, name), name);
        at += length;
    }
    write_floats(path, values, count);
    free(values);
}

/* --- Verbs -------------------------------------------------------------------------------------- */

static void write_all(const char *directory)
{
    static float images[IMAGES][PIXELS], noise[PIXELS], output[IMAGES][PIXELS];
    uint64_t order[ORDER];
    struct run run = run_new(new_model());

    check(cae_model_save(run.model, in(directory, "fresh.safetensors")), "fresh model");
    check(cae_model_export_onnx(run.model, CAE_PART_WHOLE, in(directory, "fresh.onnx")), "ONNX");
    for (int i = 0; i < IMAGES; i++)
        check(cae_dataset_get(images[i], PIXELS, run.data, i), "image");
    write_floats(in(directory, "images.f32"), images[0], IMAGES * PIXELS);
    check(cae_add_noise(noise, PIXELS, 1.0, 0x123456789abcdef, 5, (uint64_t)1 << 40), "noise");
    write_floats(in(directory, "noise.f32"), noise, PIXELS);
    for (uint64_t i = 0; i < ORDER; i++)
        order[i] = cae__permute(i, ORDER, 11, (uint64_t)1 << 33);
    write_numbers(in(directory, "order.u64"), order, ORDER, sizeof order[0]);

    check(cae_model_forward(output[0], IMAGES * PIXELS, run.model, NULL, images[0], IMAGES * PIXELS,
                            IMAGES, SIDE, SIDE), "forward");
    write_floats(in(directory, "output.f32"), output[0], IMAGES * PIXELS);
    take_steps(&run, STEPS);
    check(cae_trainer_save(run.trainer, in(directory, "trained.safetensors")), "checkpoint");
    write_parameters(in(directory, "trained.f32"), run.model);
    take_steps(&run, MORE_STEPS);
    write_parameters(in(directory, "continued.f32"), run.model);
    run_free(&run);
}

static void same_bytes(const char *a, const char *b)
{
    struct bytes one = read_file(a), other = read_file(b);

    if (one.size != other.size || memcmp(one.data, other.data, one.size) != 0)
        fail(b, "other bytes than the other machine's");
    free(one.data);
    free(other.data);
}

static void take(const char *from, const char *to)
{
    cae_model *model;
    struct run run;

    check(cae_model_load(&model, context, in(from, "fresh.safetensors")), "loading a model");
    check(cae_model_save(model, in(to, "again.safetensors")), "saving it again");
    same_bytes(in(from, "fresh.safetensors"), in(to, "again.safetensors"));
    cae_model_destroy(model);

    check(cae_model_load(&model, context, in(from, "trained.safetensors")), "loading a checkpoint");
    run = run_new(model);
    check(cae_trainer_resume(run.trainer, in(from, "trained.safetensors")), "resuming");
    check(cae_trainer_save(run.trainer, in(to, "again.safetensors")), "saving it again");
    same_bytes(in(from, "trained.safetensors"), in(to, "again.safetensors"));
    take_steps(&run, MORE_STEPS);
    write_parameters(in(to, "continued.f32"), run.model);
    run_free(&run);
}

/* Of the largest value. */
static double difference(const char *a, const char *b)
{
    struct bytes one = read_file(a), other = read_file(b);
    double most = 0, largest = 0;

    if (one.size != other.size)
        fail(b, "another size than the other machine's");
    for (size_t i = 0; i < one.size; i += 4) {
        const double x = (double)float_at(one.data + i), y = (double)float_at(other.data + i);

        if (!isfinite(x) || !isfinite(y))
            fail(b, "a value is not finite");
        most = fmax(most, fabs(x - y));
        largest = fmax(largest, fabs(x));
    }
    free(one.data);
    free(other.data);
    return most / largest;
}

static double within(const char *a, const char *b, const char *name)
{
    const double apart = difference(in(a, name), in(b, name));

    if (!(apart <= TOLERANCE))
        fail(name, "the two machines are further apart than rounding explains");
    return apart;
}

static void compare(const char *a, const char *b)
{
    for (size_t i = 0; i < COUNT(exact); i++)
        same_bytes(in(a, exact[i]), in(b, exact[i]));
    printf("%zu files equal", COUNT(exact));
    for (size_t i = 0; i < COUNT(measured); i++)
        printf(", %s %.1e", measured[i], within(a, b, measured[i]));
    printf("\n");
}

int main(int argc, char **argv)
{
    cae_context_options o;
    const bool three = argc == 4;

    check(cae_context_options_init(&o, sizeof o), "options");
    o.cpu = CAE_CPU_BASELINE;
    check(cae_context_create(&context, &o), "context");
    if (argc == 3 && strcmp(argv[1], "write") == 0)
        write_all(argv[2]);
    else if (three && strcmp(argv[1], "take") == 0)
        take(argv[2], argv[3]);
    else if (three && strcmp(argv[1], "compare") == 0)
        compare(argv[2], argv[3]);
    else if (three && strcmp(argv[1], "continued") == 0)
        printf("%.1e\n", within(argv[2], argv[3], "continued.f32"));
    else
        return fprintf(stderr, "usage: exchange write DIR | take FROM TO | compare A B | "
                               "continued A B\n"), 2;
    cae_context_destroy(context);
    return 0;
}
