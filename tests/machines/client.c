/* client.c - a program beside the shared library on a system that is not POSIX: what differs there.
 *
 *   client DIR     an empty directory to write into */
#include <cae/cae.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD = 3073, RECORDS = 2, IMAGES = 40, PIXELS = 3 * 32 * 32 };

static int failures;
static cae_context *context;

static void expect(cae_status expected, cae_status status, const char *what)
{
    const int good = status == expected;

    printf("%s - %s%s%s\n", good ? "ok" : "not ok", what, status == CAE_OK ? "" : ": ",
           status == CAE_OK ? "" : cae_context_error(context));
    failures += !good;
}

static const char *in(const char *directory, const char *name)
{
    static char paths[2][1024];
    static int turn;
    char *path = paths[turn = !turn];

    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

/* Saved, replaced, loaded, under a name that no code page of one byte has all of. */
static void models(const char *directory)
{
    const char *path = in(directory, "gr\xc3\xbc\xc3\x9f" "e \xe7\xa5\x9e.safetensors");
    cae_model *model, *loaded = NULL;
    float bias[8], same[8];

    expect(CAE_OK, cae_model_create_reference(&model, context, 1), "a model");
    expect(CAE_OK, cae_model_save(model, path), "saved under a name in UTF-8");
    cae_model_destroy(model);
    expect(CAE_OK, cae_model_create_reference(&model, context, 2), "another");
    expect(CAE_OK, cae_model_save(model, path), "saved over it");
    expect(CAE_OK, cae_model_load(&loaded, context, path), "loaded");
    expect(CAE_OK, cae_model_get_tensor(bias, 8, model, "0.bias"), "its bias");
    expect(CAE_OK, cae_model_get_tensor(same, 8, loaded, "0.bias"), "and as loaded");
    expect(CAE_OK, memcmp(bias, same, sizeof bias) == 0 ? CAE_OK : CAE_ERR_NUMERIC, "which are the same");
    cae_model_destroy(loaded);

    expect(CAE_ERR_IO, cae_model_load(&loaded, context, in(directory, "none")), "no such file");
    expect(CAE_ERR_IO, cae_model_load(&loaded, context, directory), "a directory is no model");
    expect(CAE_ERR_IO, cae_model_save(model, directory), "nor replaced by one");
    expect(CAE_ERR_IO, cae_model_save(model, in(directory, "no/such/folder")), "no such folder");
    expect(CAE_ERR_IO, cae_model_save(model, in(directory, "\xff")), "not UTF-8");
    cae_model_destroy(model);
}

/* Every byte value: 26 ends a text file there, and 13 before 10 goes. */
static void binary_data(const char *directory)
{
    static unsigned char record[RECORD];
    static float pixels[PIXELS];
    cae_dataset *data = NULL;
    FILE *stream = fopen(in(directory, "test_batch.bin"), "wb");

    for (int i = 1; i < RECORD; i++)
        record[i] = (unsigned char)(i % 7 == 0 ? 13 : i % 7 == 1 ? 10 : i);
    for (int i = 0; stream && i < RECORDS; i++)
        fwrite(record, 1, RECORD, stream);
    if (stream)
        fclose(stream);
    expect(CAE_OK, cae_dataset_open_cifar10(&data, context, directory, CAE_SPLIT_TEST, NULL),
           "CIFAR-10 with all values of a byte");
    expect(CAE_OK, cae_dataset_get(pixels, PIXELS, data, 1), "an image");
    int same = 1;
    for (int i = 0; i < PIXELS; i++)
        same = same && (int)((pixels[i] + 1) * 127.5f + 0.5f) == record[1 + i];
    expect(CAE_OK, same ? CAE_OK : CAE_ERR_FORMAT, "whose pixels are those of the file");
    cae_dataset_destroy(data);
}

/* An epoch on three threads and on one, by every instruction set there is: whose vectors lie on stacks
 * that the system aligned. */
static void training(int32_t cpu)
{
    double losses[2] = {0, 0};

    for (int round = 0; round < 2; round++) {
        cae_context_options o;
        cae_context *own = NULL;
        cae_model *model = NULL;
        cae_dataset *data = NULL;
        cae_optimizer *adam = NULL;
        cae_trainer *trainer = NULL;
        cae_progress progress = {.size = sizeof progress};
        cae_status status;

        cae_context_options_init(&o, sizeof o);
        o.cpu = cpu;
        o.threads = round ? 3 : 1;
        status = cae_context_create(&own, &o);
        if (status == CAE_ERR_UNSUPPORTED) {
            printf("ok - cpu %d # skip not on this machine\n", (int)cpu);
            return;
        }
        if (!status) status = cae_model_create_reference(&model, own, 1);
        if (!status) status = cae_dataset_create_dead_leaves(&data, own, IMAGES, 3, 32, 32, 1, NULL);
        if (!status) status = cae_optimizer_create(&adam, model, NULL);
        if (!status) status = cae_trainer_create(&trainer, model, adam, data, NULL);
        if (!status) status = cae_trainer_epoch(&progress, trainer, NULL, NULL);
        expect(CAE_OK, status, "an epoch");
        losses[round] = progress.loss;
        cae_trainer_destroy(trainer);
        cae_optimizer_destroy(adam);
        cae_dataset_destroy(data);
        cae_model_destroy(model);
        cae_context_destroy(own);
    }
    expect(CAE_OK, losses[0] > 0 && losses[0] == losses[1] ? CAE_OK : CAE_ERR_NUMERIC,
           "the same loss on three threads");
}

int main(int argc, char **argv)
{
    char info[128];

    if (argc != 2)
        return fprintf(stderr, "usage: client DIR\n"), 2;
    cae_build_info(info, sizeof info);
    printf("# %s\n", info);
    expect(CAE_OK, cae_context_create(&context, NULL), "a context");
    models(argv[1]);
    binary_data(argv[1]);
    for (int32_t cpu = CAE_CPU_BASELINE; cpu <= CAE_CPU_AVX512; cpu++)
        training(cpu);
    expect(CAE_OK, cae_context_set_threads(context, 0), "all processors");
    printf("# %d processors\n", (int)cae_context_threads(context));
    cae_context_destroy(context);
    return failures ? 1 : 0;
}
