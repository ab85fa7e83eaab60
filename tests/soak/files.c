/* files.c - what goes to files and comes back: models, notes, arrays; and datasets that stay there. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- Models --------------------------------------------------------------------------------------- */

void save_and_load(struct world *w)
{
    char path[PATH_ROOM];
    const int slot = pick(w, SLOTS);
    cae_model *loaded = NULL;
    if (w->models[slot] &&
        good(w, cae_model_save(w->models[slot], file_in(w, "model", path)), CAE_OK, "cae_model_save") &&
        good(w, cae_model_load(&loaded, w->context, path), CAE_OK, "cae_model_load")) {
        if (pick(w, 2))
            good(w, cae_model_load_weights(loaded, path), CAE_OK, "cae_model_load_weights");
        put_model(w, loaded, w->channels[slot]);
    }
}

void through_memory(struct world *w)
{
    const int slot = pick(w, SLOTS);
    size_t size = 0, again = 0;
    cae_model *loaded = NULL;
    if (!w->models[slot] || !good(w, cae_model_save_memory(NULL, 0, &size, w->models[slot]), CAE_OK,
                                  "cae_model_save_memory"))
        return;
    unsigned char *file = malloc(2 * size), *second = file ? file + size : NULL;
    if (file &&
        good(w, cae_model_save_memory(file, size, &again, w->models[slot]), CAE_OK,
             "cae_model_save_memory") &&
        good(w, cae_model_load_memory(&loaded, w->context, file, size), CAE_OK,
             "cae_model_load_memory")) {
        if (good(w, cae_model_save_memory(second, size, &again, loaded), CAE_OK,
                 "cae_model_save_memory") && memcmp(file, second, size) != 0)
            fail("save, load, save", CAE_OK, "other bytes");
        put_model(w, loaded, w->channels[slot]);
    }
    free(file);
}

void export_onnx(struct world *w)
{
    const int slot = pick(w, SLOTS);
    char path[PATH_ROOM];
    if (w->models[slot])
        good(w, cae_model_export_onnx(w->models[slot], pick(w, 3), file_in(w, "model.onnx", path)),
             CAE_ERR_UNSUPPORTED, "cae_model_export_onnx");
}

static void random_note(struct world *w, char *note, int length)
{
    static const char *const pieces[] = {"a", "\"", "\\", "\n", "{", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8c\x8a"};
    char *end = note;
    while (end - note < length)
        end = stpcpy(end, pieces[pick(w, 8)]);
    *end = 0;
}

void take_a_note(struct world *w)
{
    enum { MOST = 65536 };
    const int slot = pick(w, SLOTS);
    char path[PATH_ROOM];
    cae_model *model = w->models[slot], *loaded = NULL;
    char *note = model ? malloc(MOST + 8) : NULL;
    if (!note)
        return;
    random_note(w, note, pick(w, 16) ? pick(w, 300) : MOST - 8);
    if (good(w, cae_model_set_note(model, note), CAE_OK, "cae_model_set_note") &&
        good(w, cae_model_save(model, file_in(w, "noted", path)), CAE_OK, "cae_model_save") &&
        good(w, cae_model_load(&loaded, w->context, path), CAE_OK, "cae_model_load")) {
        if (strcmp(cae_model_note(loaded), note) != 0)
            fail("cae_model_note", CAE_OK, "is another one");
        put_model(w, loaded, w->channels[slot]);
    }
    model = w->models[slot];
    if (model && !good(w, cae_model_set_note(model, "\xff"), CAE_ERR_ARGUMENT, "cae_model_set_note, not UTF-8"))
        good(w, cae_model_set_note(model, NULL), CAE_OK, "cae_model_set_note, none");
    free(note);
}

/* --- Arrays --------------------------------------------------------------------------------------- */

static bool new_array(struct world *w, cae_array **out, int32_t type, const int64_t *shape, int32_t rank)
{
    if (!good(w, cae_array_create(out, w->context, type, shape, rank), CAE_OK, "cae_array_create"))
        return false;
    const size_t size = cae_array_bytes(*out);
    unsigned char *bytes = cae_array_data(*out);
    if (type == CAE_TYPE_F32)
        fill(next_random(&w->tenant->random), cae_array_data(*out), size / sizeof(float));
    for (size_t i = 0; i < size && type != CAE_TYPE_F32; i++)
        bytes[i] = (unsigned char)next_random(&w->tenant->random);
    return true;
}

static bool random_array(struct world *w, cae_array **out)
{
    int64_t shape[CAE_MOST_RANK];
    const int rank = 1 + pick(w, 4);
    for (int i = 0; i < rank; i++)
        shape[i] = 1 + pick(w, i == 2 ? 4 : 24);
    return new_array(w, out, pick(w, 3), shape, rank);
}

/* What a format cannot hold is CAE_ERR_SHAPE; what the build cannot do, CAE_ERR_UNSUPPORTED. */
static cae_status unless_held(cae_status status, int32_t format)
{
    const cae_status other = HAVE_IMAGES ? CAE_ERR_SHAPE : CAE_ERR_UNSUPPORTED;
    return format != CAE_FILE_NPY && status == other ? other : CAE_OK;
}

static void compare_arrays(cae_array *a, cae_array *b, int32_t format)
{
    int32_t type[2];
    cae_array_shape(NULL, NULL, &type[0], a);
    cae_array_shape(NULL, NULL, &type[1], b);
    if (type[0] != type[1] || cae_array_bytes(a) != cae_array_bytes(b))
        fail("an array that was written and read", CAE_OK, "has another shape");
    else if (format != CAE_FILE_JPEG && memcmp(cae_array_data(a), cae_array_data(b), cae_array_bytes(a)) != 0)
        fail("an array that was written and read", CAE_OK, "has other numbers");
}

void write_array(struct world *w)
{
    static const char *const names[] = {"array.npy", "array.png", "array.jpg"};
    const int32_t format = pick(w, 3);
    char path[PATH_ROOM];
    cae_array *array = NULL, *again = NULL;
    if (!random_array(w, &array))
        return;
    const cae_status status = cae_array_write(array, file_in(w, names[format], path));
    if (good(w, status, unless_held(status, format), "cae_array_write") &&
        good(w, cae_array_read(&again, w->context, path), CAE_OK, "cae_array_read"))
        compare_arrays(array, again, format);
    cae_array_destroy(again);
    cae_array_destroy(array);
}

void array_through_memory(struct world *w)
{
    const int32_t format = pick(w, 3);
    size_t size = 0, written = 0;
    unsigned char *file = NULL;
    cae_array *array = NULL, *again = NULL;
    if (!random_array(w, &array))
        return;
    const cae_status status = cae_array_write_memory(NULL, 0, &size, array, format);
    if (good(w, status, unless_held(status, format), "cae_array_write_memory") && (file = malloc(size)) &&
        good(w, cae_array_write_memory(file, size, &written, array, format), CAE_OK,
             "cae_array_write_memory, the second time") &&
        good(w, cae_array_read_memory(&again, w->context, file, written), CAE_OK, "cae_array_read_memory"))
        compare_arrays(array, again, format);
    free(file);
    cae_array_destroy(again);
    cae_array_destroy(array);
}

void array_as_planes(struct world *w)
{
    const int64_t shape[3] = {1 + pick(w, 24), 1 + pick(w, 24), 1 + pick(w, 4)};
    const size_t count = (size_t)(shape[0] * shape[1] * shape[2]);
    const int32_t type = pick(w, 3), scale = pick(w, 2);
    cae_array *array = NULL, *again = NULL;
    float *planes = malloc(count * sizeof *planes);
    if (planes && new_array(w, &array, type, shape, 3) && new_array(w, &again, type, shape, 3) &&
        good(w, cae_array_to_planes(planes, count, array, scale), CAE_OK, "cae_array_to_planes") &&
        good(w, cae_array_from_planes(again, planes, count, scale), CAE_OK, "cae_array_from_planes"))
        compare_arrays(array, again, CAE_FILE_NPY);
    cae_array_destroy(again);
    cae_array_destroy(array);
    free(planes);
}

/* --- Data that stays in files --------------------------------------------------------------------- */

enum { RECORD = 1 + 3 * 32 * 32 };

/* None, all but one byte, all: the first two leave the images where they are. */
static int64_t draw_memory(struct world *w, int64_t bytes)
{
    const int which = pick(w, 4);
    return which == 0 ? bytes : which == 1 ? bytes - 1 : 1;
}

void stream_npy(struct world *w)
{
    const bool planes = pick(w, 2), floats = pick(w, 2);
    const int64_t count = 1 + pick(w, 30), side = LEAST_SIDE + pick(w, 16), channels = pick(w, 2) ? 3 : 1;
    const int64_t shape[4] = {count, planes ? channels : side, side, planes ? side : channels};
    char name[32], path[PATH_ROOM];
    cae_array *array = NULL;
    cae_dataset *streamed = NULL, *held = NULL;
    cae_dataset_options options;
    snprintf(name, sizeof name, "stream-%d.npy", pick(w, SLOTS));
    cae_dataset_options_init(&options, sizeof options);
    options.layout = planes ? CAE_LAYOUT_NCHW : CAE_LAYOUT_NHWC;
    options.scale = pick(w, 2);
    if (new_array(w, &array, floats ? CAE_TYPE_F32 : CAE_TYPE_U8, shape, 4) &&
        good(w, cae_array_write(array, file_in(w, name, path)), CAE_OK, "cae_array_write") &&
        good(w, cae_dataset_open_npy(&held, w->context, path, &options), CAE_OK, "cae_dataset_open_npy")) {
        options.memory = draw_memory(w, (int64_t)cae_array_bytes(array));
        if (good(w, cae_dataset_open_npy(&streamed, w->context, path, &options), CAE_OK,
                 "cae_dataset_open_npy, in its file")) {
            compare_image(w, streamed, held, "an image in a .npy");
            put_dataset(w, streamed);
        }
    }
    cae_dataset_destroy(held);
    cae_array_destroy(array);
}

/* Beside and renamed: who reads the file that was there goes on. */
static bool write_batch(struct world *w, int number, int count, bool bad_label)
{
    char name[48], path[PATH_ROOM], beside[PATH_ROOM];
    unsigned char record[RECORD];
    snprintf(name, sizeof name, "cifar/data_batch_%d.bin", number);
    file_in(w, name, path);
    FILE *file = fopen(file_in(w, "batch", beside), "wb");
    bool written = file;
    for (int i = 0; i < count && written; i++) {
        for (int k = 0; k < RECORD; k++)
            record[k] = (unsigned char)next_random(&w->tenant->random);
        record[0] = bad_label && i == count - 1 ? 10 : (unsigned char)(i % 10);
        written = fwrite(record, RECORD, 1, file) == 1;
    }
    return file && fclose(file) == 0 && written && rename(beside, path) == 0;
}

void stream_cifar(struct world *w)
{
    char path[PATH_ROOM];
    cae_dataset *streamed = NULL, *held = NULL;
    cae_dataset_options options;
    const int first = 1 + pick(w, 5), second = 1 + pick(w, 5);
    const bool bad = w->rough && pick(w, 4) == 0;
    w->harmed = w->harmed || bad;
    (void)mkdir(file_in(w, "cifar", path), 0700);
    if (!write_batch(w, 1, first, false) || !write_batch(w, 2, second, bad))
        return;
    cae_dataset_options_init(&options, sizeof options);
    options.scale = pick(w, 2);
    options.memory = draw_memory(w, (first + second) * (RECORD - 1));
    if (!good_reading(w, cae_dataset_open_cifar10(&streamed, w->context, path, CAE_SPLIT_TRAIN, &options),
                      CAE_OK, "cae_dataset_open_cifar10, in its files"))
        return;
    options.memory = 0;
    if (good_reading(w, cae_dataset_open_cifar10(&held, w->context, path, CAE_SPLIT_TRAIN, &options), CAE_OK,
                     "cae_dataset_open_cifar10"))
        compare_image(w, streamed, held, "an image of CIFAR-10's kind");
    put_dataset(w, streamed);
    cae_dataset_destroy(held);
}

/* --- Folders -------------------------------------------------------------------------------------- */

static void write_photo(struct world *w, int number)
{
    static const char *const ends[] = {"png", "jpg", "PNG"};
    const int64_t shape[3] = {6 + pick(w, 30), 6 + pick(w, 30), pick(w, 2) ? 3 : 1};
    char name[48], path[PATH_ROOM];
    cae_array *array = NULL;
    const char *end = ends[pick(w, 3)];
    snprintf(name, sizeof name, "photos/%s%d.%s", number % 2 ? "inner/" : "", number, end);
    if (new_array(w, &array, CAE_TYPE_U8, shape, 3) &&
        good(w, cae_array_write(array, file_in(w, name, path)), CAE_OK, "cae_array_write, an image") &&
        pick(w, 6) == 0 && truncate(path, 60) != 0)
        abort();
    cae_array_destroy(array);
}

/* Some files are cut off, some too small for a crop: none may be left, or no room; and where memory is
 * refused none may have been written. */
static cae_status folder_may(const struct world *w, cae_status status)
{
    const bool empty = status == CAE_ERR_IO && w->heap.refuse_every;
    return status == CAE_ERR_FORMAT || status == CAE_ERR_OPTIONS || empty ? status : CAE_OK;
}

void open_folder(struct world *w)
{
    char path[PATH_ROOM];
    cae_folder_options options;
    cae_dataset *held = NULL, *cached = NULL;
    (void)mkdir(file_in(w, "photos", path), 0700);
    (void)mkdir(file_in(w, "photos/inner", path), 0700);
    file_in(w, "photos", path);
    if (!HAVE_IMAGES) {
        good(w, cae_dataset_open_folder(&held, w->context, path, NULL), CAE_ERR_UNSUPPORTED,
             "cae_dataset_open_folder");
        return;
    }
    for (int i = 1 + pick(w, 3); i > 0; i--)
        write_photo(w, pick(w, 4));
    cae_folder_options_init(&options, sizeof options);
    options.channels = pick(w, 2) ? 3 : 1;
    options.height = LEAST_SIDE + pick(w, 8);
    options.width = LEAST_SIDE + pick(w, 8);
    options.crops = pick(w, 4);
    options.limit = pick(w, 3);
    options.seed = (uint64_t)pick(w, 9);
    options.memory = pick(w, 4) ? options.memory : 3000;
    cae_status status = cae_dataset_open_folder(&held, w->context, path, &options);
    if (good(w, status, folder_may(w, status), "cae_dataset_open_folder")) {
        const bool nowhere = pick(w, 8) == 0;
        options.cache = nowhere ? "/nowhere/at/all" : w->tenant->directory;
        status = cae_dataset_open_folder(&cached, w->context, path, &options);
        if (good(w, status, nowhere ? CAE_ERR_IO : CAE_OK, "cae_dataset_open_folder, with a cache")) {
            if (cae_dataset_skipped(held) != cae_dataset_skipped(cached))
                fail("cae_dataset_skipped", CAE_OK, "says another number with a cache");
            compare_image(w, cached, held, "a crop");
        }
        if (cached && pick(w, 2)) {
            put_dataset(w, cached);
            cached = NULL;
        } else {
            put_dataset(w, held);
            held = NULL;
        }
    }
    cae_dataset_destroy(cached);
    cae_dataset_destroy(held);
}

/* --- Under the readers ---------------------------------------------------------------------------- */

void harm_a_file(struct world *w)
{
    static const char *const names[] = {"stream-0.npy", "stream-1.npy", "stream-2.npy",
                                        "cifar/data_batch_1.bin", "cifar/data_batch_2.bin"};
    char path[PATH_ROOM];
    struct stat info;
    const char *name = names[pick(w, 5)];
    if (stat(file_in(w, name, path), &info) != 0)
        return;
    if (!w->rough || pick(w, 3) == 0) { /* its readers have it open and go on */
        (void)unlink(path);
        return;
    }
    w->harmed = true;
    if (info.st_size == 0 || pick(w, 2)) {
        if (truncate(path, info.st_size * pick(w, 4) / 4) != 0)
            abort();
        return;
    }
    const int file = open(path, O_WRONLY | O_CLOEXEC);
    unsigned char bad[400];
    memset(bad, 0xff, sizeof bad);
    if (file < 0 || pwrite(file, bad, sizeof bad, pick(w, (int)info.st_size)) < 0)
        abort();
    close(file);
}
