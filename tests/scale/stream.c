/* stream.c - what stream.py measures with.
 *
 *   stream make DIR FILES RECORDS    a directory in CIFAR-10's format, of files of so many records
 *   stream train DIR MEMORY WINDOW SECONDS THREADS
 *
 * `train` takes steps of the published network and recipe with noise for that long and prints one
 * JSON object: images and steps taken, seconds of them, the longest of them, processor time for an image, and what
 * /proc says of the process's memory at its end. MEMORY (MiB, 0 for all) and WINDOW are those of the options. A sum over the
 * parameters tells runs of equal steps whether they are the same. */
#include <cae/cae.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { IMAGES = 2000, SIDE = 32, PLANE = SIDE * SIDE, LENGTH = 3 * PLANE, RECORD = 1 + LENGTH };

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int complain(cae_context *context, const char *what)
{
    fprintf(stderr, "stream: %s: %s\n", what, cae_context_error(context));
    return 1;
}

/* --- make ------------------------------------------------------------------------------------- */

/* The built-in images as records. */
static unsigned char *draw(cae_context *context)
{
    static float pixels[LENGTH];
    unsigned char *records = malloc((size_t)IMAGES * RECORD);
    cae_dataset *dataset = NULL;
    bool good = records && !cae_dataset_create_dead_leaves(&dataset, context, IMAGES, 3, SIDE, SIDE, 1, NULL);

    for (int i = 0; good && i < IMAGES; i++) {
        unsigned char *record = records + (size_t)i * RECORD;

        good = !cae_dataset_get(pixels, LENGTH, dataset, i);
        record[0] = (unsigned char)(i % 10);
        for (int k = 0; k < LENGTH; k++)
            record[1 + k] = (unsigned char)((pixels[k] + 1.0f) * 127.5f + 0.5f);
    }
    cae_dataset_destroy(dataset);
    if (!good) {
        free(records);
        return NULL;
    }
    return records;
}

/* Record `number` is image number % IMAGES, moved in a circle and inverted or not: no two are the same. */
static void derive(unsigned char *record, const unsigned char *records, int64_t number)
{
    const unsigned char *image = records + (size_t)(number % IMAGES) * RECORD;
    const size_t shift = (size_t)(number / IMAGES) % PLANE;
    const unsigned char flip = number / IMAGES / PLANE % 2 ? 255 : 0;

    record[0] = image[0];
    for (int c = 0; c < 3; c++) {
        unsigned char *to = record + 1 + c * PLANE;

        memcpy(to, image + 1 + c * PLANE + shift, PLANE - shift);
        memcpy(to + PLANE - shift, image + 1 + c * PLANE, shift);
    }
    for (int k = 1; flip && k < RECORD; k++)
        record[k] ^= flip;
}

static int make(const char *directory, int files, int64_t count)
{
    cae_context *context = NULL;
    unsigned char *records, record[RECORD];
    int64_t number = 0;

    if (cae_context_create(&context, NULL) || !(records = draw(context)))
        return complain(context, "cannot draw images");
    for (int file = 0; file <= files; file++) { /* the first is the test set, a small one */
        char path[4096], name[32] = "test_batch.bin";
        FILE *out;

        if (file)
            snprintf(name, sizeof name, "data_batch_%d.bin", file);
        snprintf(path, sizeof path, "%s/%s", directory, name);
        if (!(out = fopen(path, "wb")))
            return complain(NULL, path);
        for (int64_t i = 0; i < (file ? count : 500); i++, number++) {
            derive(record, records, number);
            if (fwrite(record, sizeof record, 1, out) != 1)
                return complain(NULL, path);
        }
        if (fclose(out))
            return complain(NULL, path);
    }
    free(records);
    cae_context_destroy(context);
    return 0;
}

/* --- train ------------------------------------------------------------------------------------ */

/* KiB, from /proc/self/status; -1 where there is none. */
static long memory(const char *what)
{
    char line[256];
    long found = -1;
    FILE *file = fopen("/proc/self/status", "r");

    while (file && found < 0 && fgets(line, sizeof line, file))
        if (!strncmp(line, what, strlen(what)))
            found = atol(line + strlen(what) + 1);
    if (file)
        fclose(file);
    return found;
}

static double sum_of(const cae_model *model)
{
    static float values[4096];
    double sum = 0;

    for (int i = 0; i < cae_model_tensor_count(model); i++) {
        const char *name = cae_model_tensor_name(model, i);
        int64_t shape[4];

        if (cae_model_tensor_shape(shape, NULL, model, name) ||
            cae_model_get_tensor(values, (size_t)(shape[0] * shape[1] * shape[2] * shape[3]), model, name))
            return -1;
        for (int64_t k = 0; k < shape[0] * shape[1] * shape[2] * shape[3]; k++)
            sum += values[k] * (double)(k + 1);
    }
    return sum;
}

/* Seconds of all processors. */
static double processor(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int train(const char *directory, int64_t mebibytes, int64_t window, double seconds, int threads)
{
    cae_context_options co;
    cae_dataset_options data;
    cae_trainer_options how;
    cae_context *context = NULL;
    cae_dataset *dataset;
    cae_model *model;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
    cae_progress progress;
    double begin, end, spent, longest = 0, sum_at_100 = 0, opened = now();
    int64_t images = 0;

    cae_context_options_init(&co, sizeof co);
    co.threads = threads;
    cae_dataset_options_init(&data, sizeof data);
    data.memory = mebibytes << 20;
    cae_trainer_options_init(&how, sizeof how);
    how.noise_sigma = 0.1;
    how.shuffle_window = window;
    cae_progress_init(&progress, sizeof progress);
    if (cae_context_create(&context, &co) ||
        cae_dataset_open_cifar10(&dataset, context, directory, CAE_SPLIT_TRAIN, &data) ||
        cae_model_create_reference(&model, context, 1) ||
        cae_optimizer_create(&optimizer, model, NULL) ||
        cae_trainer_create(&trainer, model, optimizer, dataset, &how))
        return complain(context, "cannot begin");
    opened = now() - opened;
    begin = end = now();
    spent = processor();
    while (end - begin < seconds || progress.step < 100) {
        const double before = end;

        if (cae_trainer_step(&progress, trainer))
            return complain(context, "a step");
        end = now();
        longest = end - before > longest ? end - before : longest;
        images += how.batch;
        if (progress.step == 100)
            sum_at_100 = sum_of(model);
    }
    spent = processor() - spent;
    printf("{\"dataset\": %" PRId64 ", \"images\": %" PRId64 ", \"steps\": %" PRId64 ", \"seconds\": %.3f, "
           "\"opened\": %.3f, \"longest\": %.4f, \"rate\": %.0f, \"cpu_us\": %.2f, \"sum_at_100\": \"%a\", \"peak_kib\": %ld, "
           "\"anonymous_kib\": %ld, \"file_kib\": %ld}\n",
           cae_dataset_count(dataset), images, progress.step, end - begin, opened, longest,
           (double)images / (end - begin), 1e6 * spent / (double)images, sum_at_100, memory("VmHWM:"), memory("RssAnon:"),
           memory("RssFile:"));
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(optimizer);
    cae_model_destroy(model);
    cae_dataset_destroy(dataset);
    cae_context_destroy(context);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[1], "make"))
        return make(argv[2], atoi(argv[3]), atoll(argv[4]));
    if (argc == 7 && !strcmp(argv[1], "train"))
        return train(argv[2], atoll(argv[3]), atoll(argv[4]), atof(argv[5]), atoi(argv[6]));
    fputs("usage: stream make DIR FILES RECORDS | stream train DIR MEMORY WINDOW SECONDS THREADS\n", stderr);
    return 2;
}
