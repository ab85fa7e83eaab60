/* test_stream.c - images that stay in files give what the same images in memory give, to the bit; and a
 * file that fails makes a status. Files of more images than are held, of any kind there is. */
#include "arrays.h"
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- Sources ---------------------------------------------------------------------------------- */

enum { RECORD = 3073, SIDE = 12, IMAGES = 45 };

/* What is made once, in the parent: a directory of eight files, arrays, a folder. */
static const int file_records[] = {3, 7, 1, 12, 2, 9, 4, 7};
static const char *const kinds[] = {"cifar10", "u8.npy", "u8-nhwc.npy", "f32.npy", "f32-nhwc.npy",
                                    "f32-big.npy", "grey.npy", "folder"};
enum { CIFAR, U8, U8_NHWC, F32, F32_NHWC, F32_BIG, GREY, FOLDER, KINDS };

static const char *batch_path(const char *directory, int file)
{
    static char path[1024];

    snprintf(path, sizeof path, "%s/data_batch_%d.bin", directory, file);
    return path;
}

static void write_batch(const char *directory, int file, int records)
{
    struct bytes bytes = bytes_new(NULL, (size_t)records * RECORD);

    random_bytes((uint64_t)file + 1, bytes.data, bytes.size);
    for (int i = 0; i < records; i++)
        bytes.data[i * RECORD] %= 10;
    write_file(batch_path(directory, file), bytes.data, bytes.size);
    bytes_free(&bytes);
}

static const char *new_directory(const char *name)
{
    const char *directory = in_directory(name);

    ck_assert_int_eq(mkdir(directory, 0755), 0);
    return directory;
}

static const char *new_cifar(const char *name)
{
    const char *directory = new_directory(name);

    for (int i = 0; i < COUNT(file_records); i++)
        write_batch(directory, i + 1, file_records[i]);
    return directory;
}

static void write_array(cae_context *with, const char *name, int32_t type, const int64_t *shape, int32_t rank)
{
    cae_array *array = random_array(with, 3, type, shape, rank);

    assert_ok(with, cae_array_write(array, in_directory(name)));
    cae_array_destroy(array);
}

/* The same numbers, in the order of bytes that the library does not write. */
static void write_big_endian(const char *name, const char *from)
{
    struct bytes file = file_bytes(in_directory(from));
    unsigned char *descr = memchr(file.data, '<', 64);

    *descr = '>';
    for (unsigned char *number = file.data + 128; number < file.data + file.size; number += 4) {
        const unsigned char turned[4] = {number[3], number[2], number[1], number[0]};

        memcpy(number, turned, 4);
    }
    write_file(in_directory(name), file.data, file.size);
    bytes_free(&file);
}

/* Five pictures, of which the third is cut off behind its header. */
static void make_pictures(cae_context *with)
{
    const char *folder = new_directory("folder");
    char path[1024];

    for (int i = 0; HAVE_IMAGES && i < 5; i++) {
        cae_array *image = random_image(with, (uint64_t)i, CAE_TYPE_U8, 36, 40, 3);

        snprintf(path, sizeof path, "%s/%d.png", folder, i);
        assert_ok(with, cae_array_write(image, path));
        if (i == 2)
            ck_assert_int_eq(truncate(path, 1000), 0);
        cae_array_destroy(image);
    }
}

static void make_sources(void)
{
    const int64_t planes[4] = {IMAGES, 3, SIDE, SIDE}, pixels[4] = {IMAGES, SIDE, SIDE, 3};
    const int64_t grey[3] = {IMAGES, SIDE, SIDE};
    cae_context *with = test_context();

    directory_setup();
    new_cifar("cifar10");
    write_array(with, "u8.npy", CAE_TYPE_U8, planes, 4);
    write_array(with, "u8-nhwc.npy", CAE_TYPE_U8, pixels, 4);
    write_array(with, "f32.npy", CAE_TYPE_F32, planes, 4);
    write_array(with, "f32-nhwc.npy", CAE_TYPE_F32, pixels, 4);
    write_big_endian("f32-big.npy", "f32.npy");
    write_array(with, "grey.npy", CAE_TYPE_U8, grey, 3);
    make_pictures(with);
    cae_context_destroy(with);
}

static cae_status open_folder(cae_dataset **out, cae_context *by, bool on_disk)
{
    cae_folder_options o;

    assert_ok(by, cae_folder_options_init(&o, sizeof o));
    o.height = o.width = SIDE;
    o.cache = on_disk ? test_directory : NULL;
    return cae_dataset_open_folder(out, by, in_directory("folder"), &o);
}

/* Held in memory with `memory` 0. */
static cae_status try_open(cae_dataset **out, cae_context *by, int kind, int64_t memory)
{
    cae_dataset_options o;

    assert_ok(by, cae_dataset_options_init(&o, sizeof o));
    o.memory = memory;
    o.layout = kind == U8_NHWC || kind == F32_NHWC;
    o.scale = kind == U8 ? CAE_SCALE_UNIT : CAE_SCALE_SIGNED;
    if (kind == FOLDER)
        return open_folder(out, by, memory > 0);
    if (kind == CIFAR)
        return cae_dataset_open_cifar10(out, by, in_directory(kinds[kind]), CAE_SPLIT_TRAIN, &o);
    return cae_dataset_open_npy(out, by, in_directory(kinds[kind]), &o);
}

static cae_dataset *open_kind(cae_context *by, int kind, bool on_disk)
{
    cae_dataset *dataset = NULL;

    assert_ok(by, try_open(&dataset, by, kind, on_disk ? 1000 : 0));
    return dataset;
}

/* Without PNG there are no folders. */
static bool lacks(int kind)
{
    return kind == FOLDER && !HAVE_IMAGES;
}

/* --- The same images -------------------------------------------------------------------------- */

static size_t length_of(const cae_dataset *dataset)
{
    int32_t c, h, w;

    ck_assert_int_eq(cae_dataset_shape(&c, &h, &w, dataset), CAE_OK);
    return (size_t)c * (size_t)h * (size_t)w;
}

static void assert_same_images(const cae_dataset *a, const cae_dataset *b)
{
    const size_t n = length_of(a);

    ck_assert_int_eq(cae_dataset_count(a), cae_dataset_count(b));
    ck_assert_int_eq(cae_dataset_skipped(a), cae_dataset_skipped(b));
    ck_assert_double_eq(cae_dataset_range(a), cae_dataset_range(b));
    ck_assert_uint_eq(n, length_of(b));
    for (int64_t i = cae_dataset_count(a) - 1; i >= 0; i--) {
        float *x = guarded_floats(n), *y = guarded_floats(n);

        assert_ok(context, cae_dataset_get(x, n, a, i));
        assert_ok(context, cae_dataset_get(y, n, b, i));
        ck_assert_int_eq(memcmp(x, y, n * sizeof *x), 0);
        guarded_finish(x, "in memory");
        guarded_finish(y, "on disk");
    }
}

START_TEST(images_are_the_same)
{
    cae_dataset *memory, *disk, *slices[2], *inner[2];

    if (lacks(_i))
        return;
    memory = open_kind(context, _i, false);
    disk = open_kind(context, _i, true);
    if (_i == FOLDER) {
        ck_assert_int_eq(cae_dataset_count(disk), 4 * (36 * 40 / SIDE / SIDE));
        ck_assert_int_eq(cae_dataset_skipped(disk), 1);
    } else {
        ck_assert_int_eq(cae_dataset_count(disk), IMAGES);
    }
    assert_same_images(memory, disk);
    for (int i = 0; i < 2; i++) { /* the dataset goes before its slices */
        assert_ok(context, cae_dataset_slice(&slices[i], i ? disk : memory, 5, 30));
        assert_ok(context, cae_dataset_slice(&inner[i], slices[i], 7, 20));
        cae_dataset_destroy(i ? disk : memory);
    }
    assert_same_images(slices[0], slices[1]);
    assert_same_images(inner[0], inner[1]);
    for (int i = 0; i < 2; i++) {
        cae_dataset_destroy(slices[i]);
        cae_dataset_destroy(inner[i]);
    }
}
END_TEST

/* --- The same training ------------------------------------------------------------------------ */

struct training {
    cae_dataset *dataset;
    cae_model *model;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
};

static cae_model *model_for(cae_context *by, const cae_dataset *dataset)
{
    int32_t c, h, w;
    cae_spec *spec;
    cae_model *model;

    ck_assert_int_eq(cae_dataset_shape(&c, &h, &w, dataset), CAE_OK);
    assert_ok(by, cae_spec_create(&spec, by));
    assert_ok(by, cae_spec_add_preset(spec, CAE_PRESET_TUNED, c, 0));
    assert_ok(by, cae_model_create(&model, by, spec, 1));
    cae_spec_destroy(spec);
    return model;
}

/* Everything that may happen to an image on its way. */
static cae_trainer_options eventful(cae_context *by, int64_t window)
{
    cae_trainer_options o;

    assert_ok(by, cae_trainer_options_init(&o, sizeof o));
    o.batch = 20;
    o.noise_sigma = 0.05, o.noise_sigma_max = 0.3;
    o.augment = CAE_AUGMENT_MIRROR + CAE_AUGMENT_FLIP + CAE_AUGMENT_TRANSPOSE;
    o.average_decay = 0.9;
    o.shuffle_window = window;
    return o;
}

/* The dataset is the training's from here on. */
static struct training train_on(cae_context *by, cae_dataset *dataset, int64_t window)
{
    const cae_trainer_options o = eventful(by, window);
    struct training t = {.dataset = dataset, .model = model_for(by, dataset)};

    assert_ok(by, cae_optimizer_create(&t.optimizer, t.model, NULL));
    assert_ok(by, cae_trainer_create(&t.trainer, t.model, t.optimizer, dataset, &o));
    return t;
}

static void finish(struct training *t)
{
    cae_trainer_destroy(t->trainer);
    cae_optimizer_destroy(t->optimizer);
    cae_model_destroy(t->model);
    cae_dataset_destroy(t->dataset);
}

static void take_steps(cae_context *by, const struct training *t, int steps)
{
    for (int i = 0; i < steps; i++)
        assert_ok(by, cae_trainer_step(NULL, t->trainer));
}

static struct bytes checkpoint(cae_context *by, const struct training *t, const char *name)
{
    assert_ok(by, cae_trainer_save(t->trainer, in_directory(name)));
    return file_bytes(in_directory(name));
}

/* Some steps, across the end of an epoch of three; _i counts kinds, threads, windows. */
START_TEST(training_is_the_same)
{
    const int kind = _i % KINDS, threads = _i / KINDS % 2 ? 3 : 1, window = _i / KINDS / 2 ? 10 : 0;
    struct training t[2];
    struct bytes bytes[2];
    struct heap heaps[2] = {HEAP, HEAP};
    cae_context *by[2];

    if (lacks(kind) || (test_quick() && (threads > 1) != (window > 0)))
        return;
    for (int i = 0; i < 2; i++) {
        by[i] = heap_context(&heaps[i], threads);
        t[i] = train_on(by[i], open_kind(by[i], kind, i == 1), window);
        take_steps(by[i], &t[i], 7);
        bytes[i] = checkpoint(by[i], &t[i], i ? "disk" : "memory");
    }
    assert_same_bytes(bytes[0], bytes[1], "a checkpoint after 7 steps");
    for (int i = 0; i < 2; i++) {
        bytes_free(&bytes[i]);
        finish(&t[i]);
        cae_context_destroy(by[i]);
        assert_balanced(&heaps[i], "a training");
    }
}
END_TEST

/* And the one goes on where the other was. */
START_TEST(resumed_on_the_other_side)
{
    struct training from, to;
    struct bytes expected, found;
    const bool on_disk = _i;

    from = train_on(context, open_kind(context, CIFAR, on_disk), 16);
    take_steps(context, &from, 4);
    bytes_free(&(struct bytes){checkpoint(context, &from, "middle").data, 0});
    to = train_on(context, open_kind(context, CIFAR, !on_disk), 16);
    assert_ok(context, cae_trainer_resume(to.trainer, in_directory("middle")));
    take_steps(context, &from, 4);
    take_steps(context, &to, 4);
    expected = checkpoint(context, &from, "expected");
    found = checkpoint(context, &to, "found");
    assert_same_bytes(found, expected, "resumed");
    bytes_free(&expected);
    bytes_free(&found);
    finish(&from);
    finish(&to);
}
END_TEST

/* Evaluations, and the thresholds of small and large frames. */
START_TEST(judging_is_the_same)
{
    cae_evaluation_options o;
    cae_evaluation e[2];
    double threshold[2];

    if (lacks(_i))
        return;
    assert_ok(context, cae_evaluation_options_init(&o, sizeof o));
    o.noise_sigma = 0.1;
    assert_ok(context, cae_context_set_threads(context, 2));
    for (int i = 0; i < 2; i++) {
        cae_dataset *dataset = open_kind(context, _i, i == 1);
        cae_model *model = model_for(context, dataset);

        memset(&e[i], 0, sizeof e[i]);
        assert_ok(context, cae_evaluation_init(&e[i], sizeof e[i]));
        assert_ok(context, cae_model_evaluate(&e[i], model, NULL, dataset, &o));
        assert_ok(context, cae_model_calibrate(&threshold[i], model, NULL, dataset, 0.9, NULL));
        cae_model_destroy(model);
        cae_dataset_destroy(dataset);
    }
    ck_assert_int_eq(memcmp(&e[0], &e[1], sizeof e[0]), 0);
    ck_assert_int_eq(memcmp(&threshold[0], &threshold[1], sizeof threshold[0]), 0);
}
END_TEST

/* Frames that are run in tiles. */
START_TEST(large_frames_are_the_same)
{
    const int64_t shape[3] = {3, 260, 260};
    double threshold[2];

    write_array(context, "large.npy", CAE_TYPE_U8, shape, 3);
    for (int i = 0; i < 2; i++) {
        cae_dataset_options o;
        cae_dataset *dataset;
        cae_model *model;

        assert_ok(context, cae_dataset_options_init(&o, sizeof o));
        o.memory = i;
        assert_ok(context, cae_dataset_open_npy(&dataset, context, in_directory("large.npy"), &o));
        model = small_model(context, 1);
        assert_ok(context, cae_model_calibrate(&threshold[i], model, NULL, dataset, 0.5, NULL));
        if (i) { /* and it is noticed when one cannot be read */
            ck_assert_int_eq(truncate(in_directory("large.npy"), 260 * 260 * 2), 0);
            fails_saying(CAE_ERR_IO, "image 1: cannot read",
                         cae_model_calibrate(&threshold[0], model, NULL, dataset, 0.5, NULL));
            threshold[0] = threshold[1];
            assert_ok(context, cae_model_threshold(&threshold[0], NULL, NULL, model));
        }
        cae_model_destroy(model);
        cae_dataset_destroy(dataset);
    }
    ck_assert_int_eq(memcmp(&threshold[0], &threshold[1], sizeof threshold[0]), 0);
}
END_TEST

/* A long dataset is evaluated part by part: more images than a part has, against the mean of slices. */
START_TEST(more_images_than_are_judged_at_a_time)
{
    enum { ALL = 65536 + 100 };
    cae_dataset *dataset = float_images(context, NULL, ALL, 4), *slice;
    cae_model *model = small_model(context, 1);
    cae_evaluation all, part;
    double sum = 0;

    assert_ok(context, cae_evaluation_init(&all, sizeof all));
    assert_ok(context, cae_evaluation_init(&part, sizeof part));
    assert_ok(context, cae_model_evaluate(&all, model, NULL, dataset, NULL));
    ck_assert_int_eq(all.images, ALL);
    for (int first = 0; first < ALL; first += ALL / 4) {
        assert_ok(context, cae_dataset_slice(&slice, dataset, first, ALL / 4));
        assert_ok(context, cae_model_evaluate(&part, model, NULL, slice, NULL));
        sum += part.mse / 4;
        cae_dataset_destroy(slice);
    }
    ck_assert_double_eq_tol(all.mse, sum, 1e-10 * sum); /* 65,636 additions of doubles, in other orders */
    cae_model_destroy(model);
    cae_dataset_destroy(dataset);
}
END_TEST

/* --- What is announced ------------------------------------------------------------------------ */

#if defined __has_feature
#define HAS_MSAN __has_feature(memory_sanitizer) /* which has to see what the system writes */
#else
#define HAS_MSAN 0
#endif
#if defined __GLIBC__ && defined __x86_64__ && !HAS_MSAN
#include <sys/syscall.h>
#include <sys/uio.h>

/* The library's calls come here first, the program being before the C library in the order of look-up. */
enum { MOST_NOTED = 8192 };
static struct noted {
    int step, file;
    long long offset;
} announced[MOST_NOTED], was_read[MOST_NOTED];
static int announced_count, read_count, step_now = -1; /* -1: nothing is noted */

static void note(struct noted *list, int *count, int file, long long offset)
{
    if (step_now >= 0 && *count < MOST_NOTED)
        list[(*count)++] = (struct noted){step_now, file, offset};
}

int posix_fadvise64(int file, off64_t offset, off64_t length, int advice);
int posix_fadvise64(int file, off64_t offset, off64_t length, int advice)
{
    if (advice == POSIX_FADV_WILLNEED)
        note(announced, &announced_count, file, offset);
    return syscall(SYS_fadvise64, file, offset, length, advice) ? errno : 0;
}

/* Nothing is there at once, or all is. */
static bool all_is_there;
ssize_t preadv64v2(int file, const struct iovec *to, int count, off64_t offset, int flags);
ssize_t preadv64v2(int file, const struct iovec *to, int count, off64_t offset, int flags)
{
    (void)count, (void)flags;
    if (all_is_there)
        return syscall(SYS_pread64, file, to->iov_base, to->iov_len, offset);
    errno = EAGAIN;
    return -1;
}

ssize_t pread64(int file, void *data, size_t size, off64_t offset);
ssize_t pread64(int file, void *data, size_t size, off64_t offset)
{
    note(was_read, &read_count, file, offset);
    return syscall(SYS_pread64, file, data, size, offset);
}

/* What a step announces is read so many steps later: 8 MiB of images of 3,136 bytes, 24 of them a step. Batches
 * of 20, 20 and 5 images are an epoch; the small one announces less than the step that comes so much later
 * reads. In large batches it is a later block of the same one. */
START_TEST(what_is_announced_is_read)
{
    enum { AHEAD = (8 << 20) / 3136 / 24 + 1, STEPS = AHEAD + 20 };
    struct training t;
    int found = 0;

    if (test_quick() && _i)
        return;
    t = train_on(context, open_kind(context, CIFAR, true), _i ? 7 : 0);
    for (announced_count = read_count = step_now = 0; step_now < STEPS; step_now++)
        assert_ok(context, cae_trainer_step(NULL, t.trainer));
    step_now = -1;
    ck_assert_int_eq(read_count, STEPS / 3 * IMAGES + STEPS % 3 * 20);
    ck_assert_int_lt(announced_count, MOST_NOTED);
    for (int i = 0; i < read_count; i++) {
        const int step = was_read[i].step - AHEAD;

        if (step < 0 || step % 3 == 2)
            continue;
        for (int k = 0; k < announced_count; k++)
            if (announced[k].step == step && announced[k].file == was_read[i].file &&
                announced[k].offset == was_read[i].offset) {
                found++;
                break;
            }
    }
    ck_assert_int_gt(found, 0);
    for (int i = 0; i < read_count; i++) /* all of them */
        found -= was_read[i].step >= AHEAD && (was_read[i].step - AHEAD) % 3 != 2;
    ck_assert_int_eq(found, 0);
    finish(&t);
}
END_TEST

START_TEST(what_is_there_is_not_announced)
{
    struct training t = train_on(context, open_kind(context, CIFAR, true), 0);

    all_is_there = true;
    announced_count = read_count = 0;
    for (step_now = 0; step_now < 9; step_now++)
        assert_ok(context, cae_trainer_step(NULL, t.trainer));
    ck_assert_int_eq(announced_count, 0);
    ck_assert_int_eq(read_count, 0);
    all_is_there = false;
    assert_ok(context, cae_trainer_step(NULL, t.trainer));
    ck_assert_int_gt(announced_count, 0);
    step_now = -1;
    finish(&t);
}
END_TEST

/* A batch of 65,536 images of 144 bytes is more than is announced ahead: later blocks of it, and as many of the
 * next. Nothing is announced twice. */
START_TEST(large_batches_announce_their_own)
{
    enum { ALL = 131072, BATCH = 65536 };
    const int64_t shape[3] = {ALL, 12, 12};
    cae_trainer_options o;
    struct training t;
    cae_dataset_options d;
    int within = 0;

    if (test_quick())
        return;
    write_array(context, "many.npy", CAE_TYPE_U8, shape, 3);
    assert_ok(context, cae_dataset_options_init(&d, sizeof d));
    d.memory = 1;
    assert_ok(context, cae_dataset_open_npy(&t.dataset, context, in_directory("many.npy"), &d));
    t.model = small_model(context, 1);
    assert_ok(context, cae_optimizer_create(&t.optimizer, t.model, NULL));
    assert_ok(context, cae_trainer_options_init(&o, sizeof o));
    o.batch = BATCH, o.shuffle = 0;
    assert_ok(context, cae_trainer_create(&t.trainer, t.model, t.optimizer, t.dataset, &o));
    announced_count = read_count = step_now = 0;
    assert_ok(context, cae_trainer_step(NULL, t.trainer));
    step_now = -1;
    ck_assert_int_eq(read_count, MOST_NOTED);
    ck_assert_int_eq(announced_count, MOST_NOTED);
    for (int i = 0; i < MOST_NOTED; i++) /* the first slot: every sixteenth block, those it will have */
        within += announced[i].offset - was_read[i].offset ==
                  ((8 << 20) / 192 / 128 + 1) * 128 * 144; /* rooms of 192 bytes, rounds of 128 images */
    ck_assert_int_eq(within, MOST_NOTED);
    finish(&t);
    ck_assert_int_eq(remove(in_directory("many.npy")), 0);
}
END_TEST
#define CAN_NOTE 1
#else
#define CAN_NOTE 0
#endif

/* --- How much is held ------------------------------------------------------------------------- */

/* What fits is in memory, and the file may be cut off; one byte less, and it is not. */
START_TEST(what_fits_is_held)
{
    const int64_t pixels = _i == CIFAR ? IMAGES * 3072 : IMAGES * 3 * SIDE * SIDE * (_i == F32 ? 4 : 1);

    for (int fits = 0; fits < 2; fits++) {
        cae_dataset *dataset = NULL;
        float *image;
        struct bytes file;
        const char *path = _i == CIFAR ? batch_path(in_directory("cifar10"), 8) : in_directory(kinds[_i]);

        heap.largest = 0;
        assert_ok(context, try_open(&dataset, context, _i, pixels - 1 + fits));
        if (fits)
            ck_assert_uint_ge(heap.largest, (size_t)pixels);
        image = new_floats(length_of(dataset));
        file = file_bytes(path);
        ck_assert_int_eq(truncate(path, 10), 0);
        if (fits)
            assert_ok(context, cae_dataset_get(image, length_of(dataset), dataset, IMAGES - 1));
        else
            fails_saying(CAE_ERR_IO, "shorter",
                         cae_dataset_get(image, length_of(dataset), dataset, IMAGES - 1));
        write_file(path, file.data, file.size);
        bytes_free(&file);
        free(image);
        cae_dataset_destroy(dataset);
    }
}
END_TEST

/* Of a directory of any size: a few KiB, whatever is read. */
START_TEST(little_is_held)
{
    cae_dataset *dataset;
    float image[3072];

    heap.largest = 0;
    dataset = open_kind(context, CIFAR, true);
    for (int i = 0; i < IMAGES; i++)
        assert_ok(context, cae_dataset_get(image, 3072, dataset, i));
    ck_assert_uint_le(heap.largest, 4096);
    cae_dataset_destroy(dataset);
}
END_TEST

START_TEST(files_of_any_number)
{
    const char *directory = new_directory("numbers");
    cae_dataset_options o;

    assert_ok(context, cae_dataset_options_init(&o, sizeof o));
    for (int i = 0; i < 2; i++, o.memory = 1) {
        cae_dataset *dataset = NULL;

        for (int file = 1; file <= 14; file++)
            if (file != 3 && file != 12) /* of the first five any may be missing, 12 ends them */
                write_batch(directory, file, file);
        assert_ok(context, cae_dataset_open_cifar10(&dataset, context, directory, CAE_SPLIT_TRAIN, &o));
        ck_assert_int_eq(cae_dataset_count(dataset), 66 - 3);
        cae_dataset_destroy(dataset);
        for (int file = 1; file <= 5; file++)
            unlink(batch_path(directory, file));
        assert_ok(context, cae_dataset_open_cifar10(&dataset, context, directory, CAE_SPLIT_TRAIN, &o));
        ck_assert_int_eq(cae_dataset_count(dataset), 66 - 15);
        cae_dataset_destroy(dataset);
        unlink(batch_path(directory, 6));
        fails_saying(CAE_ERR_IO, "data_batch_1.bin to data_batch_5.bin",
                     cae_dataset_open_cifar10(&dataset, context, directory, CAE_SPLIT_TRAIN, &o));
        ck_assert_ptr_null(dataset);
    }
}
END_TEST

/* --- Files that fail -------------------------------------------------------------------------- */

/* A step fails, says so, changes nothing, and can be taken again once the file is as it was. */
static void check_failing_step(struct training *t, const char *path, struct bytes file, cae_status status,
                               const char *part)
{
    struct bytes before = checkpoint(context, t, "before"), after;
    cae_evaluation e;

    fails_saying(status, part, cae_trainer_step(NULL, t->trainer));
    assert_says(context, path);
    fails_saying(status, part, cae_trainer_epoch(NULL, t->trainer, NULL, NULL));
    after = checkpoint(context, t, "after");
    assert_same_bytes(after, before, "after a step that failed");
    assert_ok(context, cae_evaluation_init(&e, sizeof e));
    fails_saying(status, part, cae_model_evaluate(&e, t->model, NULL, t->dataset, NULL));
    fails_saying(status, part, cae_model_calibrate(NULL, t->model, NULL, t->dataset, 0.5, NULL));
    write_file(path, file.data, file.size);
    bytes_free(&before);
    bytes_free(&after);
}

enum { CUT_OFF, EMPTIED, LABELLED, WAYS_TO_FAIL };

START_TEST(files_that_change_in_training)
{
    static const char *const names[] = {"cut", "emptied", "labelled"};
    const char *directory = new_cifar(names[_i]);
    struct training t, undisturbed;
    struct bytes file, a, b;
    char path[1024];

    snprintf(path, sizeof path, "%s", batch_path(directory, 4));
    file = file_bytes(path);
    assert_ok(context, cae_context_set_threads(context, 2));
    undisturbed = train_on(context, open_kind(context, CIFAR, false), 0);
    {
        cae_dataset_options o;
        cae_dataset *dataset;

        assert_ok(context, cae_dataset_options_init(&o, sizeof o));
        o.memory = 1;
        assert_ok(context, cae_dataset_open_cifar10(&dataset, context, directory, CAE_SPLIT_TRAIN, &o));
        t = train_on(context, dataset, 0);
    }
    take_steps(context, &t, 4);
    if (_i == LABELLED) {
        struct bytes other = bytes_new(file.data, file.size);

        for (int i = 0; i < 12; i++)
            other.data[i * RECORD] = 77;
        write_file(path, other.data, other.size);
        bytes_free(&other);
        check_failing_step(&t, path, file, CAE_ERR_FORMAT, "is 77, expected 0 to 9");
    } else {
        ck_assert_int_eq(truncate(path, _i == EMPTIED ? 0 : RECORD / 2), 0);
        check_failing_step(&t, path, file, CAE_ERR_IO, "it has become shorter");
        assert_says(context, "image ");
    }
    take_steps(context, &t, 5);
    take_steps(context, &undisturbed, 9);
    a = checkpoint(context, &t, "a");
    b = checkpoint(context, &undisturbed, "b");
    assert_same_bytes(a, b, "as if nothing had been");
    bytes_free(&a);
    bytes_free(&b);
    bytes_free(&file);
    finish(&t);
    finish(&undisturbed);
}
END_TEST

/* Deleted, and replaced by renaming: the files that were opened are read on. */
START_TEST(files_that_go_away)
{
    const char *directory = new_cifar("gone");
    cae_dataset *memory = open_kind(context, CIFAR, false), *disk;
    cae_dataset_options o;

    assert_ok(context, cae_dataset_options_init(&o, sizeof o));
    o.memory = 1;
    assert_ok(context, cae_dataset_open_cifar10(&disk, context, directory, CAE_SPLIT_TRAIN, &o));
    for (int file = 1; file <= COUNT(file_records); file++)
        ck_assert_int_eq(unlink(batch_path(directory, file)), 0);
    write_batch(directory, 1, 40);
    assert_same_images(memory, disk);
    cae_dataset_destroy(memory);
    cae_dataset_destroy(disk);
}
END_TEST

/* As many open files as there are: a status, and none is left open. */
static int open_files(void)
{
    int count = 0;

    for (int i = 0; i < 256; i++)
        count += fcntl(i, F_GETFD) >= 0;
    return count;
}

START_TEST(too_many_files)
{
    struct rlimit before, limit;
    const int open_before = open_files();
    cae_dataset *dataset = (void *)&heap;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)open_before + 5;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    {
        const cae_status status = try_open(&dataset, context, CIFAR, 1);

        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        ck_assert_int_eq(status, CAE_ERR_IO);
    }
    assert_says(context, "data_batch_");
    assert_says(context, strerror(EMFILE));
    ck_assert_ptr_null(dataset);
    ck_assert_int_eq(open_files(), open_before);
    dataset = open_kind(context, CIFAR, true);
    ck_assert_int_eq(open_files(), open_before + COUNT(file_records));
    cae_dataset_destroy(dataset);
    ck_assert_int_eq(open_files(), open_before);
}
END_TEST

/* What calls on such datasets ask for: each request refused once, and the call is as if it had not been. */
enum { GET, EVALUATE, CALIBRATE, TRAIN, CALLS };

static cae_status make_call(int which, cae_dataset *dataset, cae_model *model)
{
    static float image[3072];
    cae_optimizer *optimizer = NULL;
    cae_trainer *trainer = NULL;
    cae_evaluation e;
    cae_status status;

    ck_assert_int_eq(cae_evaluation_init(&e, sizeof e), CAE_OK);
    if (which == GET)
        return cae_dataset_get(image, 3072, dataset, 40);
    if (which == EVALUATE)
        return cae_model_evaluate(&e, model, NULL, dataset, NULL);
    if (which == CALIBRATE)
        return cae_model_calibrate(NULL, model, NULL, dataset, 0.5, NULL);
    status = cae_optimizer_create(&optimizer, model, NULL);
    if (status == CAE_OK)
        status = cae_trainer_create(&trainer, model, optimizer, dataset, NULL);
    if (status == CAE_OK)
        status = cae_trainer_step(NULL, trainer);
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(optimizer);
    return status;
}

START_TEST(without_memory)
{
    long refused = 0;

    for (cae_status status = CAE_ERR_MEMORY; status != CAE_OK; refused++) {
        cae_context *by = heap_context(&heap, 1);
        cae_dataset *dataset = open_kind(by, CIFAR, true);
        cae_model *model = model_for(by, dataset);

        heap_fail(&heap, refused, false);
        status = make_call(_i, dataset, model);
        heap_fail(&heap, -1, false);
        if (status != CAE_OK) {
            ck_assert_int_eq(status, CAE_ERR_MEMORY);
            assert_ok(by, make_call(_i, dataset, model));
        }
        cae_model_destroy(model);
        cae_dataset_destroy(dataset);
        cae_context_destroy(by);
    }
    ck_assert_int_ge(refused, _i == GET ? 2 : 3);
}
END_TEST

/* Once it has begun, a trainer asks for nothing, whatever comes from disk. */
START_TEST(steps_take_no_memory)
{
    struct training t = train_on(context, open_kind(context, CIFAR, true), 7);

    take_steps(context, &t, 1);
    heap_fail(&heap, 0, true);
    take_steps(context, &t, 6);
    ck_assert(!heap_failed(&heap));
    heap_fail(&heap, -1, false);
    finish(&t);
}
END_TEST

/* --- Options ---------------------------------------------------------------------------------- */

START_TEST(memory_belongs_to_files)
{
    cae_dataset_options o;
    cae_dataset *dataset = (void *)&heap;
    unsigned char bytes[16] = {0};

    assert_ok(context, cae_dataset_options_init(&o, sizeof o));
    o.memory = 1;
    fails_saying(CAE_ERR_OPTIONS, "memory is 1",
                 cae_dataset_create(&dataset, context, bytes, 16, 1, 1, 4, 4, &o));
    fails_saying(CAE_ERR_OPTIONS, "memory is 1",
                 cae_dataset_create_dead_leaves(&dataset, context, 1, 1, 4, 4, 1, &o));
    fails_saying(CAE_ERR_OPTIONS, "memory is -1", try_open(&dataset, context, CIFAR, -1));
    fails_saying(CAE_ERR_OPTIONS, "memory is -1", try_open(&dataset, context, U8, -1));
    ck_assert_ptr_null(dataset);
    o.memory = 0;
    o.size = 24; /* as in 1.0, where there was no such field */
    assert_ok(context, cae_dataset_create(&dataset, context, bytes, 16, 1, 1, 4, 4, &o));
    cae_dataset_destroy(dataset);
}
END_TEST

/* Headers that say what the file is not, numbers that would have to be rounded. */
START_TEST(arrays_that_cannot_stay)
{
    static const struct {
        const char *descr, *shape, *part;
        int bytes;
        bool fortran;
        int memory; /* 0: one byte */
    } files[] = {
        {"<f8", "(2, 3, 4)", "astype(numpy.float32)", 192, false, 0},
        {"<f8", "(2, 3, 4)", "memory for 192 bytes", 192, false, 191}, /* as floats they take 96 */
        {">f8", "(2, 3, 4)", "memory for 192 bytes", 192, false, 0},
        {"<u2", "(2, 3, 4)", "16 bits", 48, false, 0},
        {"<f4", "(2, 3, 4)", "Fortran", 96, true, 0},
        {"|u1", "(2, 3, 4)", "the file has 23", 23, false, 0},
        {"|u1", "(2, 3, 4)", "the file has 25", 25, false, 0},
        {"|u1", "(24,)", "an array of 1 extents", 24, false, 0},
        {"|u1", "(0, 3, 4)", "expected 1 or more", 0, false, 0},
        {"|u1", "(1, 1, 2000000)", "1048576", 2000000, false, 0},
    };
    cae_dataset_options o;

    assert_ok(context, cae_dataset_options_init(&o, sizeof o));
    for (int i = 0; i < COUNT(files); i++) {
        o.memory = files[i].memory ? files[i].memory : 1;
        char head[128] = "\x93NUMPY\x01";
        struct bytes file = bytes_new(NULL, 128 + (size_t)files[i].bytes);
        cae_dataset *dataset = (void *)&heap;

        snprintf(head + 10, sizeof head - 10, "{'descr': '%s', 'fortran_order': %s, 'shape': %s}",
                 files[i].descr, files[i].fortran ? "True" : "False", files[i].shape);
        memset(file.data, ' ', 128);
        memcpy(file.data, head, 10);
        memcpy(file.data + 10, head + 10, strlen(head + 10));
        file.data[8] = 118;
        memset(file.data + 128, 0, (size_t)files[i].bytes);
        write_file(in_directory("odd.npy"), file.data, file.size);
        fails_saying(CAE_ERR_FORMAT, files[i].part,
                     cae_dataset_open_npy(&dataset, context, in_directory("odd.npy"), &o));
        assert_says(context, "odd.npy");
        ck_assert_ptr_null(dataset);
        bytes_free(&file);
    }
    write_file(in_directory("odd.npy"), "", 0);
    fails_saying(CAE_ERR_FORMAT, "not a .npy file",
                 cae_dataset_open_npy(&(cae_dataset *){NULL}, context, in_directory("odd.npy"), &o));
    fails_saying(CAE_ERR_IO, "gone.npy",
                 cae_dataset_open_npy(&(cae_dataset *){NULL}, context, in_directory("gone.npy"), &o));
    fails_saying(CAE_ERR_IO, "not a regular file",
                 cae_dataset_open_npy(&(cae_dataset *){NULL}, context, test_directory, &o));
}
END_TEST

START_TEST(a_window_that_is_none)
{
    struct training t = train_on(context, open_kind(context, GREY, false), 0);
    cae_trainer_options o = eventful(context, -1);
    cae_trainer *trainer = (void *)&heap;

    fails_saying(CAE_ERR_OPTIONS, "shuffle_window is -1",
                 cae_trainer_create(&trainer, t.model, t.optimizer, t.dataset, &o));
    ck_assert_ptr_null(trainer);
    o.shuffle_window = 5, o.shuffle = 0;
    fails_saying(CAE_ERR_OPTIONS, "shuffle_window is 5",
                 cae_trainer_create(&trainer, t.model, t.optimizer, t.dataset, &o));
    finish(&t);
}
END_TEST

/* A checkpoint goes with its window, and an older library refuses one by its version. */
START_TEST(windows_in_checkpoints)
{
    static const int64_t windows[] = {0, 10, 11, INT64_MAX};

    for (int i = 0; i < COUNT(windows); i++) {
        struct training from = train_on(context, open_kind(context, GREY, false), windows[i]);
        struct bytes file = checkpoint(context, &from, "window");
        char number[64];

        file.data[file.size] = 0;
        snprintf(number, sizeof number, "shuffle_window\\\":%lld", (long long)windows[i]);
        ck_assert_ptr_nonnull(strstr((char *)file.data + 8, i ? "{\\\"version\\\":3" : "{\\\"version\\\":2"));
        ck_assert_int_eq(strstr((char *)file.data + 8, i ? number : "shuffle_window") != NULL, i > 0);
        for (int k = 0; k < COUNT(windows); k++) {
            struct training to = train_on(context, open_kind(context, GREY, false), windows[k]);

            if (i == k)
                assert_ok(context, cae_trainer_resume(to.trainer, in_directory("window")));
            else
                fails_saying(CAE_ERR_SHAPE, "shuffle window",
                             cae_trainer_resume(to.trainer, in_directory("window")));
            finish(&to);
        }
        if (i == 1) {
            static const char *const wrong[][2] = {{"\\\"version\\\":3", "\\\"version\\\":2"},
                                                   {"\\\"version\\\":3", "\\\"version\\\":4"},
                                                   {"shuffle_window\\\":10", "shuffle_window\\\":0"},
                                                   {"shuffle_window\\\":10", "shuffle_window\\\":-1"}};

            for (int k = 0; k < COUNT(wrong); k++) {
                struct bytes changed = edited(file, wrong[k][0], wrong[k][1]);

                write_file(in_directory("window"), changed.data, changed.size);
                assert_fails(context, CAE_ERR_FORMAT,
                             cae_trainer_resume(from.trainer, in_directory("window")));
                bytes_free(&changed);
            }
        }
        bytes_free(&file);
        finish(&from);
    }
}
END_TEST

/* --- Crops in a file -------------------------------------------------------------------------- */

static int entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;

    ck_assert_ptr_nonnull(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

START_TEST(a_cache_has_no_name)
{
    const int before = entries(test_directory), open_before = open_files();
    cae_dataset *dataset = open_kind(context, FOLDER, true);

    ck_assert_int_eq(entries(test_directory), before);
    ck_assert_int_eq(open_files(), open_before + 1);
    cae_dataset_destroy(dataset);
    ck_assert_int_eq(open_files(), open_before);
}
END_TEST

START_TEST(a_cache_by_many_threads)
{
    cae_dataset *memory = open_kind(context, FOLDER, false), *disk;

    assert_ok(context, cae_context_set_threads(context, 4));
    heap.largest = 0;
    disk = open_kind(context, FOLDER, true);
    assert_same_images(memory, disk);
    cae_dataset_destroy(memory);
    cae_dataset_destroy(disk);
}
END_TEST

START_TEST(caches_that_cannot_be)
{
    cae_folder_options o;
    cae_dataset *dataset = (void *)&heap;

    assert_ok(context, cae_folder_options_init(&o, sizeof o));
    o.height = o.width = SIDE;
    o.cache = in_directory("nowhere");
    fails_saying(CAE_ERR_IO, "nowhere",
                 cae_dataset_open_folder(&dataset, context, in_directory("folder"), &o));
    ck_assert_ptr_null(dataset);
    o.cache = in_directory("u8.npy");
    fails_saying(CAE_ERR_IO, "u8.npy",
                 cae_dataset_open_folder(&dataset, context, in_directory("folder"), &o));
    o.cache = test_directory;
    o.memory = 100;
    fails_saying(CAE_ERR_OPTIONS, "memory is 100 bytes",
                 cae_dataset_open_folder(&dataset, context, in_directory("folder"), &o));
}
END_TEST

/* As on a disk that is full, for any user. */
START_TEST(a_cache_that_is_full)
{
    const int open_before = open_files(), before = entries(test_directory);
    const struct rlimit small = {2000, RLIM_INFINITY};
    struct rlimit old;
    cae_dataset *dataset = (void *)&heap;
    cae_status status;

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){small.rlim_cur, old.rlim_max}), 0);
    status = open_folder(&dataset, context, true);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    ck_assert_int_eq(status, CAE_ERR_IO);
    assert_says(context, strerror(EFBIG));
    assert_says(context, test_directory);
    ck_assert_ptr_null(dataset);
    ck_assert_int_eq(open_files(), open_before);
    ck_assert_int_eq(entries(test_directory), before);
}
END_TEST

/* The first crop that cannot be written is the last that is tried: of all there are would take minutes. */
START_TEST(a_cache_that_is_full_long_before_the_end)
{
    struct rlimit old;
    cae_folder_options o;
    cae_dataset *dataset = NULL;
    cae_status status;

    assert_ok(context, cae_folder_options_init(&o, sizeof o));
    o.height = o.width = o.channels = 1;
    o.crops = INT32_MAX;
    o.memory = (int64_t)1 << 40;
    o.cache = test_directory;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){2000, old.rlim_max}), 0);
    status = cae_dataset_open_folder(&dataset, context, in_directory("folder"), &o);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    ck_assert_int_eq(status, CAE_ERR_IO);
    assert_says(context, strerror(EFBIG));
}
END_TEST

/* As a daemon does it: standard descriptors are closed, and later lead to nowhere. */
START_TEST(standard_descriptors_that_come_later)
{
    const int standard = dup(STDIN_FILENO), nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    cae_dataset *dataset;
    float *pixels;

    if (lacks(_i))
        return;
    close(STDIN_FILENO);
    dataset = open_kind(context, _i, true);
    ck_assert_int_eq(dup2(nowhere, STDIN_FILENO), STDIN_FILENO);
    pixels = malloc(length_of(dataset) * sizeof *pixels);
    ck_assert_ptr_nonnull(pixels);
    for (int64_t i = 0; i < cae_dataset_count(dataset); i++)
        assert_ok(context, cae_dataset_get(pixels, length_of(dataset), dataset, i));
    free(pixels);
    cae_dataset_destroy(dataset);
    if (standard >= 0)
        ck_assert_int_eq(dup2(standard, STDIN_FILENO), STDIN_FILENO);
    close(standard);
    close(nowhere);
}
END_TEST

/* --- Large batches ---------------------------------------------------------------------------- */

/* Bytes that are held, and the most there were. */
struct counter {
    size_t now, most;
};

static void *count_allocate(void *user, size_t bytes)
{
    struct counter *counter = user;
    unsigned char *block = malloc(HEAP_FRONT + bytes);

    if (!block)
        return NULL;
    memcpy(block, &bytes, sizeof bytes);
    counter->now += bytes;
    counter->most = counter->now > counter->most ? counter->now : counter->most;
    return block + HEAP_FRONT;
}

static void count_release(void *user, void *block)
{
    struct counter *counter = user;
    unsigned char *front = (unsigned char *)block - HEAP_FRONT;
    size_t bytes;

    memcpy(&bytes, front, sizeof bytes);
    counter->now -= bytes;
    free(front);
}

/* The most memory that a step with such batches takes, beside the dataset. */
static size_t most_of(int32_t batch)
{
    struct counter counter = {0, 0};
    cae_context_options options;
    cae_trainer_options o;
    cae_context *by = NULL;
    cae_dataset *dataset;
    cae_model *model;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
    size_t before;

    ck_assert_int_eq(cae_context_options_init(&options, sizeof options), CAE_OK);
    options.allocate = count_allocate, options.release = count_release, options.allocator_user = &counter;
    ck_assert_int_eq(cae_context_create(&by, &options), CAE_OK);
    dataset = float_images(by, NULL, 65536, 6);
    before = counter.now;
    counter.most = 0;
    model = small_model(by, 1);
    assert_ok(by, cae_optimizer_create(&optimizer, model, NULL));
    assert_ok(by, cae_trainer_options_init(&o, sizeof o));
    o.batch = batch;
    o.noise_sigma = 0.1;
    assert_ok(by, cae_trainer_create(&trainer, model, optimizer, dataset, &o));
    assert_ok(by, cae_trainer_step(NULL, trainer));
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(optimizer);
    cae_model_destroy(model);
    cae_dataset_destroy(dataset);
    cae_context_destroy(by);
    ck_assert_uint_eq(counter.now, 0);
    return counter.most - before;
}

/* A batch goes through one workspace a thread, block by block; from 16 blocks on there are as many
 * gradients. 64 images are 8 blocks, so 8 gradients of 39 floats, with a loss, twice, and a place each. */
START_TEST(a_large_batch_takes_no_more_memory)
{
    const size_t small = most_of(64), middle = most_of(128), large = most_of(65536);

    ck_assert_uint_eq(middle, large);
    ck_assert_uint_le(large - small, 8 * (39 * sizeof(float) + 32) + 3 * 64);
}
END_TEST

/* The gradient of 512 images is the mean of those of eight batches of 64: gradients may be accumulated. Steps
 * in between change no parameter, as their rate is below any float's precision. Each value is a sum of
 * float32 products over 512 * 144 places in one order or another: 1e-5 of the largest allows for that. */
START_TEST(a_gradient_is_the_mean_of_parts)
{
    enum { LARGE_BATCH = 512, PARTS = 8 };
    cae_dataset *dataset = float_images(context, NULL, LARGE_BATCH, SIDE);
    cae_model *model = small_model(context, 1);
    struct bytes before = model_bytes(model), after;
    double sums[4][64] = {{0}};
    cae_optimizer_options sgd;

    assert_ok(context, cae_optimizer_options_init(&sgd, sizeof sgd));
    sgd.kind = CAE_OPTIMIZER_SGD, sgd.learning_rate = 1e-30;
    for (int parts = 1; parts <= PARTS; parts += PARTS - 1) {
        cae_optimizer *optimizer;
        cae_trainer *trainer;
        cae_trainer_options o;

        assert_ok(context, cae_trainer_options_init(&o, sizeof o));
        o.batch = LARGE_BATCH / parts;
        o.noise_sigma = 0.1;
        assert_ok(context, cae_optimizer_create(&optimizer, model, &sgd));
        assert_ok(context, cae_trainer_create(&trainer, model, optimizer, dataset, &o));
        for (int part = 0; part < parts; part++) {
            assert_ok(context, cae_trainer_step(NULL, trainer));
            for (int tensor = 0; tensor < 4; tensor++) {
                const char *name = cae_model_tensor_name(model, tensor);
                int64_t shape[4];
                float values[64];
                size_t n;

                assert_ok(context, cae_model_tensor_shape(shape, NULL, model, name));
                n = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
                ck_assert_uint_le(n, 64);
                assert_ok(context, cae_trainer_get_gradient(values, n, trainer, name));
                for (size_t i = 0; i < n; i++) /* the mean of the parts minus the whole */
                    sums[tensor][i] += parts == 1 ? -values[i] : values[i] / PARTS;
            }
        }
        if (parts == PARTS)
            for (int tensor = 0; tensor < 4; tensor++) {
                float values[64];
                double largest = 0;
                int64_t shape[4];
                size_t n;

                assert_ok(context, cae_model_tensor_shape(shape, NULL, model, cae_model_tensor_name(model, tensor)));
                n = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
                assert_ok(context, cae_trainer_get_gradient(values, n, trainer,
                                                            cae_model_tensor_name(model, tensor)));
                for (size_t i = 0; i < n; i++)
                    largest = fabs((double)values[i]) > largest ? fabs((double)values[i]) : largest;
                ck_assert_double_gt(largest, 0);
                for (size_t i = 0; i < n; i++)
                    ck_assert_double_le(fabs(sums[tensor][i]), 1e-5 * largest);
            }
        cae_trainer_destroy(trainer);
        cae_optimizer_destroy(optimizer);
    }
    after = model_bytes(model);
    assert_same_bytes(after, before, "parameters that were to stay");
    bytes_free(&before);
    bytes_free(&after);
    cae_model_destroy(model);
    cae_dataset_destroy(dataset);
}
END_TEST

/* ---------------------------------------------------------------------------------------------- */

int main(void)
{
    Suite *suite = suite_create("stream");
    TCase *same = tcase_create("the same"), *held = tcase_create("what is held");
    TCase *failing = tcase_create("files that fail"), *options = tcase_create("options");
    TCase *cache = tcase_create("crops in a file"), *batches = tcase_create("large batches");
    TCase *all[] = {same, held, failing, options, cache, batches};

    for (int i = 0; i < COUNT(all); i++) {
        tcase_add_unchecked_fixture(all[i], make_sources, directory_teardown);
        tcase_add_checked_fixture(all[i], setup, teardown);
        tcase_set_timeout(all[i], 120);
        suite_add_tcase(suite, all[i]);
    }
    tcase_add_loop_test(same, images_are_the_same, 0, KINDS);
    tcase_add_loop_test(same, training_is_the_same, 0, 4 * KINDS);
    tcase_add_loop_test(same, resumed_on_the_other_side, 0, 2);
    tcase_add_loop_test(same, judging_is_the_same, 0, KINDS);
    tcase_add_test(same, large_frames_are_the_same);
    tcase_add_test(same, more_images_than_are_judged_at_a_time);
#if CAN_NOTE
    tcase_add_loop_test(same, what_is_announced_is_read, 0, 2);
    tcase_add_test(same, what_is_there_is_not_announced);
    tcase_add_test(same, large_batches_announce_their_own);
#endif
    tcase_add_loop_test(held, what_fits_is_held, CIFAR, F32 + 1);
    tcase_add_test(held, little_is_held);
    tcase_add_test(held, files_of_any_number);
    tcase_add_loop_test(failing, files_that_change_in_training, 0, WAYS_TO_FAIL);
    tcase_add_test(failing, files_that_go_away);
    tcase_add_test(failing, too_many_files);
    tcase_add_loop_test(failing, standard_descriptors_that_come_later, 0, KINDS);
    tcase_add_loop_test(failing, without_memory, 0, CALLS);
    tcase_add_test(failing, steps_take_no_memory);
    tcase_add_test(options, memory_belongs_to_files);
    tcase_add_test(options, arrays_that_cannot_stay);
    tcase_add_test(options, a_window_that_is_none);
    tcase_add_test(options, windows_in_checkpoints);
    if (HAVE_IMAGES) {
        tcase_add_test(cache, a_cache_has_no_name);
        tcase_add_test(cache, a_cache_by_many_threads);
        tcase_add_test(cache, caches_that_cannot_be);
        tcase_add_test(cache, a_cache_that_is_full);
        tcase_add_test(cache, a_cache_that_is_full_long_before_the_end);
    }
    tcase_add_test(batches, a_large_batch_takes_no_more_memory);
    tcase_add_test(batches, a_gradient_is_the_mean_of_parts);
    return test_main(suite);
}
