/* saver.c - a program that saves and loads, to be killed and disturbed by kill.py and disk.py.
 *
 *   saver train PATH STEPS [KEEP]  train and save PATH after every step; go on from PATH if it is there.
 *                                  KEEP: each checkpoint is saved as KEEP-<step> too
 *   saver stream PATH STEPS [KEEP] the same with the moving average, on images that stay in PATH.npy,
 *                                  which it writes each time
 *   saver files PATH TIMES [KEEP]  write PATH.npy, PATH.png and a model with a note, PATH, TIMES times,
 *                                  each time others; go on after what the note of PATH says
 *   saver save PATH SEED           save a model; print "status, text" and check that no descriptor leaks
 *   saver noted PATH SEED          the same of a model with a long note
 *   saver average PATH SEED        of a checkpoint with the moving average
 *   saver array PATH SEED          of an array; PATH ends in .npy or .png
 *   saver folder DIR CACHE         open the pictures of DIR, crops in a file in CACHE; the same checks
 *   saver few PATH DESCRIPTORS     save with a limit on open descriptors
 *   saver loop PATH SECONDS        save models of seeds 1 and 2 in turns, by renaming
 *   saver scribble PATH SECONDS    the same by writing into the file that is there
 *   saver open PATH 0              load once; print "status, text"
 *   saver load PATH SECONDS        load in a loop: each time one of the two models, or a status
 *   saver storm PATH SAVES         save while a timer's signals interrupt every call that can be
 *   saver threads PATH SAVES       four threads save to PATH-<n>, all in one directory
 *   saver deaf PATH SAVES          without standard descriptors, while a thread prints
 *
 * Exit code: 0 done, 1 the library returned a status other than the text allows, 2 usage, 3 a promise
 * is broken. */
#define _GNU_SOURCE
#include <cae/cae.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { FAILED = 1, USAGE = 2, BROKEN = 3 };

static cae_context *context;

static int failed(cae_status status, const char *what)
{
    fprintf(stderr, "%s: status %d, %s\n", what, (int)status, cae_context_error(context));
    return FAILED;
}

static void must(cae_status status, const char *what)
{
    if (status)
        exit(failed(status, what));
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static cae_model *model_of(cae_context *own, uint64_t seed)
{
    cae_model *model = NULL;

    must(cae_model_create_reference(&model, own, seed), "create");
    return model;
}

/* --- Training ----------------------------------------------------------------------------------- */

enum { IMAGES = 40, SIDE = 12, BATCH = 16 };

/* In memory; or, with a path, in that file, which is written first. */
static cae_dataset *images_new(const char *path)
{
    static const int64_t shape[4] = {IMAGES, 3, SIDE, SIDE};
    cae_dataset_options options;
    cae_dataset *data = NULL;
    cae_array *array = NULL;

    must(cae_array_create(&array, context, CAE_TYPE_F32, shape, 4), "array");
    for (int i = 0; i < IMAGES * 3 * SIDE * SIDE; i++)
        ((float *)cae_array_data(array))[i] = (float)(i * 7919 % 1000) / 1000.0f;
    cae_dataset_options_init(&options, sizeof options);
    if (path) {
        must(cae_array_write(array, path), "images");
        options.memory = 1;
        must(cae_dataset_open_npy(&data, context, path, &options), "dataset");
    } else {
        options.type = CAE_TYPE_F32;
        must(cae_dataset_create(&data, context, cae_array_data(array), cae_array_bytes(array), IMAGES, 3,
                                SIDE, SIDE, &options), "dataset");
    }
    cae_array_destroy(array);
    return data;
}

static cae_trainer *trainer_new(const char *images, double average)
{
    cae_trainer_options options;
    cae_dataset *data = images_new(images);
    cae_optimizer *optimizer = NULL;
    cae_trainer *trainer = NULL;
    cae_model *model = model_of(context, 1);

    must(cae_optimizer_create(&optimizer, model, NULL), "optimizer");
    cae_trainer_options_init(&options, sizeof options);
    options.batch = BATCH;
    options.noise_sigma = 0.1;
    options.average_decay = average;
    options.shuffle_window = images ? IMAGES / 3 : 0;
    must(cae_trainer_create(&trainer, model, optimizer, data, &options), "trainer");
    cae_optimizer_destroy(optimizer);
    cae_dataset_destroy(data);
    cae_model_destroy(model);
    return trainer;
}

static int train_on(cae_trainer *trainer, const char *path, long steps, const char *keep)
{
    cae_progress progress;

    cae_progress_init(&progress, sizeof progress);
    if (access(path, F_OK) == 0)
        must(cae_trainer_resume(trainer, path), "resume");
    must(cae_trainer_progress(&progress, trainer), "progress");
    while (progress.step < steps) {
        must(cae_trainer_step(&progress, trainer), "step");
        must(cae_trainer_save(trainer, path), "save");
        if (keep) {
            char name[4096];
            snprintf(name, sizeof name, "%s-%" PRId64, keep, progress.step);
            must(cae_trainer_save(trainer, name), "keep");
        }
    }
    cae_trainer_destroy(trainer);
    return 0;
}

static int train(const char *path, long steps, const char *keep)
{
    return train_on(trainer_new(NULL, 0), path, steps, keep);
}

static int stream(const char *path, long steps, const char *keep)
{
    char images[4096];

    snprintf(images, sizeof images, "%s.npy", path);
    return train_on(trainer_new(images, 0.9), path, steps, keep);
}

/* --- Arrays and notes ---------------------------------------------------------------------------- */

static cae_array *array_of(uint64_t seed)
{
    static const int64_t shape[3] = {60, 70, 3};
    cae_array *array = NULL;

    must(cae_array_create(&array, context, CAE_TYPE_U8, shape, 3), "array");
    for (size_t i = 0; i < cae_array_bytes(array); i++) { /* SplitMix64: a PNG of it is not small */
        uint64_t z = (seed << 32) + i;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        ((unsigned char *)cae_array_data(array))[i] = (unsigned char)(z >> 40);
    }
    return array;
}

/* A build without PNG writes none. */
static void write_files(const char *path, long number)
{
    cae_array *array = array_of((uint64_t)number);
    cae_model *model = model_of(context, (uint64_t)number);
    char text[4096];
    cae_status status;

    snprintf(text, sizeof text, "%s.npy", path);
    must(cae_array_write(array, text), "npy");
    snprintf(text, sizeof text, "%s.png", path);
    status = cae_array_write(array, text);
    if (status != CAE_ERR_UNSUPPORTED)
        must(status, "png");
    snprintf(text, sizeof text, "%ld", number);
    must(cae_model_set_note(model, text), "note");
    must(cae_model_save(model, path), "model");
    cae_array_destroy(array);
    cae_model_destroy(model);
}

static int files(const char *path, long times, const char *keep)
{
    cae_model *model = NULL;
    long done = 0;

    if (access(path, F_OK) == 0) {
        must(cae_model_load(&model, context, path), "load");
        done = strtol(cae_model_note(model), NULL, 10);
        cae_model_destroy(model);
    }
    for (long number = done + 1; number <= times; number++) {
        char name[2048];
        write_files(path, number);
        snprintf(name, sizeof name, "%s-%ld", keep ? keep : "", number);
        if (keep)
            write_files(name, number);
    }
    return 0;
}

/* --- One save ----------------------------------------------------------------------------------- */

static int descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    if (!directory)
        return 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* What a call said, and whether it left as many descriptors as there were. */
static int judge(cae_status status, int before, int after)
{
    printf("%d, %s\n", (int)status, cae_context_error(context));
    if (before != after || (status && !*cae_context_error(context))) {
        fprintf(stderr, "%d descriptors before, %d after\n", before, after);
        return BROKEN;
    }
    return status ? FAILED : 0;
}

static int save(const char *path, uint64_t seed, size_t note)
{
    cae_model *model = model_of(context, seed);
    char *text = calloc(note + 1, 1);
    int before;
    cae_status status;

    must(cae_model_set_note(model, note ? memset(text, 'n', note) : NULL), "note");
    before = descriptors();
    status = cae_model_save(model, path);
    free(text);
    cae_model_destroy(model);
    return judge(status, before, descriptors());
}

static int save_average(const char *path, long steps)
{
    cae_trainer *trainer = trainer_new(NULL, 0.9);
    int before;
    cae_status status;

    for (long i = 0; i < steps; i++)
        must(cae_trainer_step(NULL, trainer), "step");
    before = descriptors();
    status = cae_trainer_save(trainer, path);
    return judge(status, before, descriptors());
}

static int save_array(const char *path, uint64_t seed)
{
    cae_array *array = array_of(seed);
    const int before = descriptors();
    const cae_status status = cae_array_write(array, path);

    return judge(status, before, descriptors());
}

static int open_folder(const char *directory, const char *cache)
{
    const int before = descriptors();
    cae_folder_options options;
    cae_dataset *data = NULL;
    cae_status status;

    cae_folder_options_init(&options, sizeof options);
    options.crops = 20;
    options.cache = cache;
    status = cae_dataset_open_folder(&data, context, directory, &options);
    cae_dataset_destroy(data);
    return judge(status, before, descriptors());
}

static int few(const char *path, rlim_t most)
{
    cae_model *model = model_of(context, 2);
    struct rlimit limit;
    cae_status status;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = most;
    setrlimit(RLIMIT_NOFILE, &limit);
    status = cae_model_save(model, path);
    printf("%d, %s\n", (int)status, cae_context_error(context));
    return status ? FAILED : 0;
}

/* --- Writers and a reader ------------------------------------------------------------------------ */

struct bytes {
    unsigned char *data;
    size_t size;
};

static struct bytes bytes_of(const cae_model *model)
{
    struct bytes bytes = {0};

    must(cae_model_save_memory(NULL, 0, &bytes.size, model), "size");
    bytes.data = malloc(bytes.size);
    must(cae_model_save_memory(bytes.data, bytes.size, &bytes.size, model), "bytes");
    return bytes;
}

static int loop(const char *path, double seconds)
{
    cae_model *models[2] = {model_of(context, 1), model_of(context, 2)};
    long saves = 0;

    for (const double end = now() + seconds; now() < end; saves++)
        must(cae_model_save(models[saves % 2], path), "save");
    printf("%ld saves\n", saves);
    return 0;
}

/* In pieces, as stdio would. Half of the times the file is not cut off first. */
static int scribble(const char *path, double seconds)
{
    const struct bytes bytes[2] = {bytes_of(model_of(context, 1)), bytes_of(model_of(context, 2))};
    long saves = 0;

    for (const double end = now() + seconds; now() < end; saves++) {
        const struct bytes *b = &bytes[saves % 2];
        const int file = open(path, O_WRONLY | O_CREAT | (saves & 2 ? O_TRUNC : 0), 0644);
        for (size_t at = 0; at < b->size; at += 1024)
            if (write(file, b->data + at, b->size - at < 1024 ? b->size - at : 1024) < 0)
                return FAILED;
        close(file);
        usleep(300);
    }
    printf("%ld writes\n", saves);
    return 0;
}

static int open_once(const char *path)
{
    cae_model *model = NULL;
    const cae_status status = cae_model_load(&model, context, path);

    printf("%d, %s\n", (int)status, cae_context_error(context));
    cae_model_destroy(model);
    return status ? FAILED : 0;
}

static int load(const char *path, double seconds)
{
    const struct bytes known[2] = {bytes_of(model_of(context, 1)), bytes_of(model_of(context, 2))};
    long whole[2] = {0}, changed = 0, refused = 0, mixed = 0;

    for (const double end = now() + seconds; now() < end;) {
        cae_model *model = NULL;
        const cae_status status = cae_model_load(&model, context, path);
        if (status) {
            const char *text = cae_context_error(context);
            if (!*text || model || (status != CAE_ERR_IO && status != CAE_ERR_FORMAT))
                return failed(status, "load"), BROKEN;
            if (strstr(text, "changed while") || strstr(text, "became shorter"))
                changed++;
            else
                refused++;
            continue;
        }
        const struct bytes found = bytes_of(model);
        int which = 0;
        while (which < 2 && (found.size != known[which].size ||
                             memcmp(found.data, known[which].data, found.size) != 0))
            which++;
        if (which < 2)
            whole[which]++;
        else
            mixed++;
        free(found.data);
        cae_model_destroy(model);
    }
    printf("%ld first, %ld second, %ld changed, %ld refused, %ld mixed\n", whole[0], whole[1],
           changed, refused, mixed);
    return whole[0] + whole[1] > 0 ? 0 : BROKEN;
}

/* --- Disturbances -------------------------------------------------------------------------------- */

static atomic_long signals;

static void count_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals, 1);
}

static int storm(const char *path, long saves)
{
    const struct sigaction action = {.sa_handler = count_signal}; /* no SA_RESTART */
    const struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    cae_model *model = model_of(context, 1);

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (long i = 0; i < saves; i++)
        must(cae_model_save(model, path), "save");
    setitimer(ITIMER_REAL, &never, NULL);
    printf("%ld saves, %ld signals\n", saves, atomic_load(&signals));
    return atomic_load(&signals) ? 0 : BROKEN;
}

struct writer {
    char path[4096];
    long saves;
    cae_status status;
    char text[512];
};

static void *write_often(void *argument)
{
    struct writer *writer = argument;
    cae_context *own = NULL;
    cae_model *model = NULL;

    writer->status = cae_context_create(&own, NULL);
    if (!writer->status)
        writer->status = cae_model_create_reference(&model, own, 1);
    for (long i = 0; i < writer->saves && !writer->status; i++)
        writer->status = cae_model_save(model, writer->path);
    snprintf(writer->text, sizeof writer->text, "%s", cae_context_error(own));
    cae_model_destroy(model);
    cae_context_destroy(own);
    return NULL;
}

static int threads(const char *path, long saves)
{
    enum { WRITERS = 4 };
    static struct writer writers[WRITERS];
    pthread_t ids[WRITERS];
    int result = 0;

    for (int i = 0; i < WRITERS; i++) {
        snprintf(writers[i].path, sizeof writers[i].path, "%s-%d", path, i);
        writers[i].saves = saves;
        pthread_create(&ids[i], NULL, write_often, &writers[i]);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(ids[i], NULL);
        if (writers[i].status) {
            fprintf(stderr, "%s: %d, %s\n", writers[i].path, (int)writers[i].status,
                    writers[i].text);
            result = FAILED;
        }
    }
    return result;
}

static atomic_bool stop;

static void *print_often(void *argument)
{
    while (!atomic_load(&stop))
        for (int i = 0; i <= 2; i++)
            (void)!write(i, "warning\n", 8);
    return argument;
}

static int deaf(const char *path, long saves)
{
    cae_model *model = model_of(context, 1);
    const struct bytes expected = bytes_of(model);
    pthread_t printer;
    int result = 0;

    for (int i = 0; i <= 2; i++)
        close(i);
    pthread_create(&printer, NULL, print_often, NULL);
    for (long i = 0; i < saves && !result; i++) {
        unsigned char *found = malloc(expected.size + 1);
        if (cae_model_save(model, path))
            result = FAILED;
        const int file = fcntl(open(path, O_RDONLY), F_DUPFD, 3);
        if (read(file, found, expected.size + 1) != (ssize_t)expected.size ||
            memcmp(found, expected.data, expected.size) != 0)
            result = BROKEN;
        close(file);
        for (int k = 0; k <= 2; k++)
            close(k);
        free(found);
    }
    atomic_store(&stop, true);
    pthread_join(printer, NULL);
    return result;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return USAGE;

    const char *what = argv[1], *path = argv[2];
    const double number = strtod(argv[3], NULL);

    must(cae_context_create(&context, NULL), "context");
    return !strcmp(what, "train")      ? train(path, (long)number, argc > 4 ? argv[4] : NULL)
           : !strcmp(what, "stream")   ? stream(path, (long)number, argc > 4 ? argv[4] : NULL)
           : !strcmp(what, "files")    ? files(path, (long)number, argc > 4 ? argv[4] : NULL)
           : !strcmp(what, "save")     ? save(path, (uint64_t)number, 0)
           : !strcmp(what, "noted")    ? save(path, (uint64_t)number, 60000)
           : !strcmp(what, "average")  ? save_average(path, (long)number)
           : !strcmp(what, "array")    ? save_array(path, (uint64_t)number)
           : !strcmp(what, "folder")   ? open_folder(path, argv[3])
           : !strcmp(what, "few")      ? few(path, (rlim_t)number)
           : !strcmp(what, "loop")     ? loop(path, number)
           : !strcmp(what, "scribble") ? scribble(path, number)
           : !strcmp(what, "open")     ? open_once(path)
           : !strcmp(what, "load")     ? load(path, number)
           : !strcmp(what, "storm")    ? storm(path, (long)number)
           : !strcmp(what, "threads")  ? threads(path, (long)number)
           : !strcmp(what, "deaf")     ? deaf(path, (long)number)
                                       : USAGE;
}
