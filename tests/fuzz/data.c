/* data.c - bytes as a program of calls on data: arrays, files of them, CIFAR-10's batches, folders; images that
 * stay in files beside the same in memory. Files are cut off, written into, mended and deleted between calls.
 * While a file is what it was, both sides give the same bits, whatever is made of them; when it is not, a call
 * may fail, and then has changed nothing; and once it is mended, nothing is left of the failure. */
#include "machine.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/network/network.h"
#include "../../lib/training/training.h"

enum { RECORD = 3073, MOST_STEPS = 6 };

/* The images of a slot: in files, and in memory where there was some left. */
static struct pair {
    cae_dataset *disk, *memory;
    struct fuzz_bytes file; /* the first of them, as it was */
    int open;               /* it, wherever it is by now; -1 where it cannot be reached */
    bool sound;             /* as it was, or only shorter for a while */
    bool whole;
} pairs[SLOTS];

static void drop(struct pair *p)
{
    cae_dataset_destroy(p->disk);
    cae_dataset_destroy(p->memory);
    fuzz_bytes_free(&p->file);
    if (p->open > 0)
        close(p->open);
    *p = (struct pair){0};
}

static void finish(struct machine *m)
{
    (void)m;
    for (int i = 0; i < SLOTS; i++)
        drop(&pairs[i]);
}

static size_t length_of(const cae_dataset *dataset)
{
    int32_t c = 0, h = 0, w = 0;

    CHECK(cae_dataset_shape(&c, &h, &w, dataset) == CAE_OK && c > 0 && h > 0 && w > 0);
    return (size_t)c * (size_t)h * (size_t)w;
}

/* Image `index` of both. */
static void check_image(struct machine *m, const struct pair *p, int64_t index)
{
    const size_t n = length_of(p->disk);
    float *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b);

    CHECK(a && b);
    const cae_status status = cae_dataset_get(a, n, p->disk, index);
    fuzz_check_status(m->context, status);
    if (index < 0 || index >= cae_dataset_count(p->disk))
        CHECK(status == CAE_ERR_ARGUMENT);
    else if (p->whole && p->sound)
        CHECK(status == CAE_OK || fuzz_heap.refused);
    else
        CHECK(status == CAE_OK || status == CAE_ERR_IO || status == CAE_ERR_FORMAT || fuzz_heap.refused);
    if (status == CAE_OK && p->memory && p->sound) {
        const cae_status other = cae_dataset_get(b, n, p->memory, index);
        CHECK(other == CAE_OK ? memcmp(a, b, n * sizeof *a) == 0 : fuzz_heap.refused);
    }
    free(a);
    free(b);
}

static void take(struct machine *m, struct pair *p, const char *path)
{
    FILE *file = path ? fopen(path, "rb") : NULL;

    p->open = -1;
    p->sound = p->memory != NULL;
    p->whole = true;
    if (file) {
        CHECK((p->file.data = malloc(1 << 16)));
        p->file.size = fread(p->file.data, 1, 1 << 16, file);
        fclose(file);
    }
    if (p->file.size == 1 << 16) /* not to be kept */
        fuzz_bytes_free(&p->file);
    if (path && p->file.size) {
        p->open = open(path, O_RDWR | O_CLOEXEC);
        CHECK(p->open > 0);
    }
    CHECK(cae_dataset_range(p->disk) == 1.0 || cae_dataset_range(p->disk) == 2.0);
    if (p->memory) {
        CHECK(cae_dataset_count(p->memory) == cae_dataset_count(p->disk));
        CHECK(cae_dataset_range(p->memory) == cae_dataset_range(p->disk));
        CHECK(cae_dataset_skipped(p->memory) == cae_dataset_skipped(p->disk));
        CHECK(length_of(p->memory) == length_of(p->disk));
    }
    check_image(m, p, 0);
    check_image(m, p, cae_dataset_count(p->disk) - 1);
    m->files = true;
}

/* --- Arrays ----------------------------------------------------------------------------------- */

static void put_array(struct machine *m, cae_status status, cae_array *array)
{
    const int i = slot(m);

    fuzz_check_made(m->context, status, array);
    cae_array_destroy(m->arrays[i]);
    m->arrays[i] = array;
}

static cae_status call_array_create(struct machine *m)
{
    cae_array *array = FUZZ_JUNK;
    int64_t shape[CAE_MOST_RANK];
    const int32_t type = fuzz_int(&m->in, 0, 2), rank = fuzz_int(&m->in, 2, 4);

    for (int i = 0; i < CAE_MOST_RANK; i++)
        shape[i] = rarely(m) ? (int64_t)fuzz_u64(&m->in) : fuzz_int(&m->in, 1, 9);
    const cae_status status = cae_array_create(&array, m->context, type, shape, rank);
    for (size_t i = 0; i < cae_array_bytes(array); i += 4) { /* bytes, or floats of sound size */
        const float value = i < 32 ? fuzz_float(&m->in) : (float)(i % 11) / 8.0f - 0.5f;
        memcpy((uint8_t *)cae_array_data(array) + i, &value, cae_array_bytes(array) - i < 4 ? 1 : 4);
    }
    put_array(m, status, array);
    return status;
}

static cae_status call_array_look(struct machine *m)
{
    cae_array *array = m->arrays[slot(m)];
    int64_t shape[CAE_MOST_RANK] = {0};
    int32_t rank = 0, type = -1;

    const cae_status status = cae_array_shape(shape, &rank, &type, array);
    CHECK((status == CAE_OK) == (array != NULL) && !array == !cae_array_data(array));
    CHECK(array ? rank >= 1 && cae_array_bytes(array) >= 1 : cae_array_bytes(array) == 0);
    return CAE_OK;
}

static const char *const endings[] = {".npy", ".png", ".jpg", ".JPEG", ".txt", ""};

/* To a file, or memory, of any format, and back; what is without loss comes back as it was. */
static cae_status call_array_file(struct machine *m)
{
    cae_array *array = m->arrays[slot(m)], *again = FUZZ_JUNK;
    const int format = fuzz_below(&m->in, 6);
    char name[16];
    size_t size = 0, written = 0;

    snprintf(name, sizeof name, "array%s", endings[format]);
    m->files = true;
    if (fuzz_u8(&m->in) & 1) {
        const cae_status status = cae_array_write(array, fuzz_path(name));
        if (status != CAE_OK)
            return array ? status : CAE_OK;
        const cae_status read = cae_array_read(&again, m->context, fuzz_path(name));
        (void)unlink(fuzz_path(name)); /* or a folder would have it */
        CHECK(read == CAE_OK || fuzz_heap.refused);
        put_array(m, read, again);
        return read;
    }
    cae_status status = cae_array_write_memory(NULL, 0, &size, array, rarely(m) ? fuzz_int(&m->in, 0, 2) : format);
    if (status != CAE_OK || size > 1 << 16)
        return array ? status : CAE_OK;
    const size_t capacity = rarely(m) ? fuzz_u32(&m->in) % size : size;
    uint8_t *buffer = malloc(capacity + 1);
    CHECK(buffer);
    status = cae_array_write_memory(buffer, capacity, &written, array, format);
    if (status == CAE_OK && written == size) {
        const cae_status read = cae_array_read_memory(&again, m->context, buffer, size);
        CHECK(read == CAE_OK || fuzz_heap.refused);
        if (read == CAE_OK && format <= CAE_FILE_PNG)
            CHECK(memcmp(cae_array_data(again), cae_array_data(array), cae_array_bytes(again)) == 0);
        if (read == CAE_OK)
            cae_array_destroy(again);
    }
    free(buffer);
    return status;
}

static cae_status call_planes(struct machine *m)
{
    cae_array *array = m->arrays[slot(m)];
    const int32_t scale = fuzz_int(&m->in, 0, 1), type = fuzz_u8(&m->in) & 1;
    size_t count = cae_array_bytes(array) / (type ? 1 : 4) + (rarely(m) ? 1 : 0);

    if (array && count > 1 << 14)
        return CAE_OK;
    float *planes = keep(m, count * sizeof *planes);
    const cae_status status = cae_array_to_planes(planes, count, array, scale);
    for (size_t i = 0; i < 4 && i < count; i++)
        planes[i] = fuzz_float(&m->in);
    const cae_status back = cae_array_from_planes(array, planes, count, scale);
    CHECK((status == CAE_OK) == (back == CAE_OK));
    return array ? status : CAE_OK;
}

/* --- Data in files ---------------------------------------------------------------------------- */

static cae_dataset_options wild_options(struct machine *m, int32_t layout)
{
    cae_dataset_options o;

    CHECK(cae_dataset_options_init(&o, sizeof o) == CAE_OK);
    o.scale = fuzz_u8(&m->in) & 1;
    o.layout = layout;
    o.memory = 1;
    if (rarely(m))
        o.memory = (int64_t)fuzz_u64(&m->in);
    if (rarely(m))
        o.scale = fuzz_int(&m->in, 0, 3);
    return o;
}

/* Floats as another machine would have written them: other numbers, which is as good. */
static void turn_order(const char *path)
{
    char head[64] = "";
    FILE *file = fopen(path, "r+b");

    CHECK(file && fread(head, 1, sizeof head, file) == sizeof head);
    char *descr = memchr(head, '<', sizeof head); /* bytes have none */
    if (descr)
        CHECK(fseek(file, descr - head, SEEK_SET) == 0 && putc('>', file) == '>');
    CHECK(fclose(file) == 0);
}

static cae_status call_npy(struct machine *m)
{
    struct pair *p = &pairs[slot(m)];
    const cae_array *array = m->arrays[slot(m)];
    const char *path = fuzz_path("images.npy");
    cae_dataset_options o = wild_options(m, fuzz_int(&m->in, 0, 1));

    drop(p);
    m->files = true;
    (void)unlink(path); /* another has it open */
    const cae_status written = cae_array_write(array, path);
    if (written != CAE_OK)
        return array ? written : CAE_OK;
    if (rarely(m))
        turn_order(path);
    const bool odd = rarely(m);
    p->disk = FUZZ_JUNK;
    const cae_status status =
        cae_dataset_open_npy(&p->disk, m->context, path, odd ? options(m, &o, sizeof o) : &o);
    fuzz_check_made(m->context, status, p->disk);
    o.memory = 0;
    if (p->disk && !odd)
        CHECK(cae_dataset_open_npy(&p->memory, m->context, path, &o) == CAE_OK || fuzz_heap.refused);
    if (p->disk)
        take(m, p, path);
    return status;
}

/* What memory was refused for is found when it is read. */
static void check_bad_label(const cae_dataset *disk)
{
    float image[RECORD - 1];
    int bad = 0;

    for (int64_t i = 0; i < cae_dataset_count(disk); i++)
        bad += cae_dataset_get(image, RECORD - 1, disk, i) == CAE_ERR_FORMAT;
    CHECK(bad == 1 || fuzz_heap.refused);
}

/* One to four images in one or two files, labels mostly right. */
static cae_status call_cifar(struct machine *m)
{
    struct pair *p = &pairs[slot(m)];
    const int first = 1 + fuzz_below(&m->in, 3), second = fuzz_below(&m->in, 2), bad = fuzz_u8(&m->in);
    const char *const paths[] = {fuzz_path("data_batch_1.bin"), fuzz_path("data_batch_2.bin")};
    cae_dataset_options o = wild_options(m, 0);
    uint8_t *records = calloc((size_t)(first + second), RECORD);

    drop(p);
    m->files = true;
    (void)unlink(paths[0]), (void)unlink(paths[1]);
    CHECK(records);
    for (int i = 0; i < (first + second) * RECORD; i++)
        records[i] = (uint8_t)(i % RECORD ? i * 7 : i / RECORD);
    if (bad >= 192)
        records[bad % (first + second) * RECORD] = (uint8_t)bad;
    fuzz_file("data_batch_1.bin", records, (size_t)first * RECORD);
    if (second)
        fuzz_file("data_batch_2.bin", records + (size_t)first * RECORD, RECORD);
    free(records);
    const bool odd = rarely(m);
    p->disk = FUZZ_JUNK;
    const int32_t split = odd ? fuzz_int(&m->in, 0, 1) : CAE_SPLIT_TRAIN;
    const cae_status status = cae_dataset_open_cifar10(&p->disk, m->context, fuzz_directory(), split,
                                                       odd ? options(m, &o, sizeof o) : &o);
    fuzz_check_made(m->context, status, p->disk);
    o.memory = 0;
    if (p->disk && !odd) {
        const cae_status other = cae_dataset_open_cifar10(&p->memory, m->context, fuzz_directory(), split, &o);
        CHECK(other == CAE_OK || (other == CAE_ERR_FORMAT && bad >= 192) || fuzz_heap.refused);
        if (other == CAE_ERR_FORMAT)
            check_bad_label(p->disk);
    }
    if (p->disk)
        take(m, p, paths[0]);
    return status;
}

/* Of the arrays that are images. Its crops are in a file that nobody reaches. */
static cae_status call_folder(struct machine *m)
{
    struct pair *p = &pairs[slot(m)];
    static const char *const names[] = {"a.png", "b.jpg", "c.PNG"};
    cae_folder_options o;

    drop(p);
    m->files = true;
    for (int i = 0; i < SLOTS; i++) {
        (void)unlink(fuzz_path(names[i]));
        (void)cae_array_write(m->arrays[i], fuzz_path(names[i]));
    }
    if (rarely(m))
        fuzz_file("broken.png", "\x89PNG\r\n\x1a\n", 8);
    CHECK(cae_folder_options_init(&o, sizeof o) == CAE_OK);
    o.channels = fuzz_u8(&m->in) & 1 ? 1 : 3;
    o.height = 1 + fuzz_below(&m->in, 6);
    o.width = 1 + fuzz_below(&m->in, 6);
    o.crops = fuzz_below(&m->in, 4);
    o.seed = fuzz_u8(&m->in);
    o.limit = fuzz_below(&m->in, 4);
    o.memory = 1 << 14;
    if (rarely(m)) {
        int32_t *const fields[] = {&o.scale, &o.channels, &o.height, &o.width, &o.crops};
        *fields[fuzz_below(&m->in, 5)] = fuzz_int(&m->in, 0, 3);
        o.memory = rarely(m) ? (int64_t)fuzz_u64(&m->in) : fuzz_int(&m->in, 0, 200);
    }
    if ((double)o.crops * o.height * o.width > 1e5)
        return CAE_OK;
    const bool odd = rarely(m);
    if (odd && fuzz_u8(&m->in) & 1)
        o.cache = fuzz_path("nowhere");
    else
        o.cache = fuzz_directory();
    p->disk = FUZZ_JUNK;
    const cae_status status =
        cae_dataset_open_folder(&p->disk, m->context, fuzz_directory(), odd ? options(m, &o, sizeof o) : &o);
    fuzz_check_made(m->context, status, p->disk);
    o.cache = NULL;
    if (!odd) {
        const cae_status other = cae_dataset_open_folder(&p->memory, m->context, fuzz_directory(), &o);
        fuzz_check_made(m->context, other, p->memory);
        CHECK(status == other || fuzz_heap.refused);
    }
    if (p->disk)
        take(m, p, NULL);
    else
        drop(p);
    return status;
}

/* The last image of a slice, and the first of a slice of that. */
static void check_parts(struct machine *m, const struct pair *p)
{
    const int64_t count = cae_dataset_count(p->disk);
    struct pair part = {.sound = p->sound, .whole = p->whole};

    check_image(m, p, count - 1);
    if (count > 1 && cae_dataset_slice(&part.disk, p->disk, 1, count - 1) == CAE_OK) {
        if (p->memory && cae_dataset_slice(&part.memory, p->memory, 1, count - 1) != CAE_OK)
            part.sound = false;
        check_image(m, &part, 0);
    }
    drop(&part);
}

static cae_status call_slice(struct machine *m)
{
    const int from = slot(m), to = slot(m);
    const struct pair *p = &pairs[from];
    const int64_t first = fuzz_int(&m->in, 0, 3), count = fuzz_int(&m->in, 1, 3);
    cae_dataset *disk = FUZZ_JUNK, *memory = NULL;

    const cae_status status = cae_dataset_slice(&disk, p->disk, first, count);
    CHECK((status == CAE_OK) == (disk != NULL) && disk != FUZZ_JUNK);
    if (status != CAE_OK)
        return p->disk ? status : CAE_OK;
    CHECK(cae_dataset_count(disk) == count && cae_dataset_skipped(disk) == cae_dataset_skipped(p->disk));
    if (p->memory)
        (void)cae_dataset_slice(&memory, p->memory, first, count);
    check_parts(m, &(struct pair){.disk = disk, .memory = memory, .sound = p->sound && memory, .whole = p->whole});
    if (from == to) {
        cae_dataset_destroy(disk), cae_dataset_destroy(memory);
        return CAE_OK;
    }
    drop(&pairs[to]); /* its file stays the other's to change: there may be none of its own */
    if (p->open < 0 && p->sound)
        pairs[to] = (struct pair){.disk = disk, .memory = memory, .open = -1, .sound = true, .whole = true};
    else
        cae_dataset_destroy(disk), cae_dataset_destroy(memory);
    return CAE_OK;
}

static cae_status call_get(struct machine *m)
{
    const struct pair *p = &pairs[slot(m)];

    if (p->disk)
        check_image(m, p, fuzz_int(&m->in, 0, 9));
    CHECK(cae_dataset_count(NULL) == 0 && cae_dataset_skipped(NULL) == 0 && cae_dataset_range(NULL) == 0.0);
    return CAE_OK;
}

/* --- What happens to files -------------------------------------------------------------------- */

static void mend(struct pair *p)
{
    if (p->open < 0)
        return;
    CHECK(ftruncate(p->open, (off_t)p->file.size) == 0);
    CHECK(pwrite(p->open, p->file.data, p->file.size, 0) == (ssize_t)p->file.size);
    p->whole = true;
    p->sound = p->memory != NULL;
}

/* Never longer than it is by now: what comes back would be zeros. */
static void cut(struct machine *m, struct pair *p)
{
    const uint32_t where = fuzz_u32(&m->in);
    const off_t size = p->open < 0 ? 0 : lseek(p->open, 0, SEEK_END);

    CHECK(size >= 0);
    if (size == 0)
        return;
    CHECK(ftruncate(p->open, where % size) == 0);
    p->whole = false;
}

static cae_status call_disturb(struct machine *m)
{
    struct pair *p = &pairs[slot(m)];
    const uint8_t byte = fuzz_u8(&m->in);

    switch (p->disk ? fuzz_below(&m->in, 4) : 9) {
    case 0: cut(m, p); break;
    case 1: mend(p); break;
    case 2:
        if (p->open >= 0) {
            CHECK(pwrite(p->open, &byte, 1, (off_t)(fuzz_u32(&m->in) % p->file.size)) == 1);
            p->sound = p->whole = false;
        }
        break;
    case 3: fuzz_clear(); break; /* deleted: nothing that is open minds */
    default: break;
    }
    return CAE_OK;
}

/* --- What is made of them --------------------------------------------------------------------- */

static cae_model *small(struct machine *m, const cae_dataset *dataset)
{
    cae_spec *spec = NULL;
    cae_model *model = NULL;
    cae_conv_options o;
    int32_t c = 0;

    CHECK(cae_conv_options_init(&o, sizeof o) == CAE_OK);
    o.kernel_h = o.kernel_w = 1;
    CHECK(cae_dataset_shape(&c, NULL, NULL, dataset) == CAE_OK);
    if (c <= 16 && cae_spec_create(&spec, m->context) == CAE_OK &&
        cae_spec_add_conv(spec, c, 1, &o) == CAE_OK && cae_spec_add_conv(spec, 1, c, &o) == CAE_OK)
        (void)cae_model_create(&model, m->context, spec, 3);
    cae_spec_destroy(spec);
    return model;
}

struct learner {
    cae_model *model;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
};

static void learner_free(struct learner *l)
{
    cae_model_destroy(l->model);
    cae_optimizer_destroy(l->optimizer);
    cae_trainer_destroy(l->trainer);
}

static cae_status learner_make(struct learner *l, struct machine *m, const cae_dataset *dataset,
                               const cae_trainer_options *o)
{
    *l = (struct learner){.model = small(m, dataset)};
    if (!l->model) /* images of many channels have none */
        return fuzz_heap.refused ? CAE_ERR_MEMORY : CAE_ERR_SHAPE;
    cae_status status = cae_optimizer_create(&l->optimizer, l->model, NULL);
    if (status == CAE_OK)
        status = cae_trainer_create(&l->trainer, l->model, l->optimizer, dataset, o);
    return status;
}

static bool same(const struct learner *a, const struct learner *b)
{
    return memcmp(a->model->parameters, b->model->parameters,
                  a->model->parameter_count * sizeof(float)) == 0 &&
           memcmp(&a->trainer->now, &b->trainer->now, sizeof a->trainer->now) == 0;
}

/* One step of both; with the file cut off first the one of files may fail, and go on when it is mended. */
static bool step_both(struct machine *m, struct pair *p, struct learner *disk, struct learner *memory)
{
    cae_progress a = {.size = sizeof a}, b = {.size = sizeof b};
    float before[64];
    const size_t bytes = disk->model->parameter_count * sizeof(float);

    CHECK(bytes <= sizeof before);
    memcpy(before, disk->model->parameters, bytes);
    if (fuzz_u8(&m->in) >= 192)
        cut(m, p);
    const struct cae__cursor now = disk->trainer->now;
    cae_status status = cae_trainer_step(&a, disk->trainer);
    fuzz_check_status(m->context, status);
    if (status == CAE_ERR_IO || status == CAE_ERR_FORMAT) {
        CHECK(!p->whole);
        CHECK(memcmp(before, disk->model->parameters, bytes) == 0);
        CHECK(memcmp(&now, &disk->trainer->now, sizeof now) == 0);
        mend(p);
        status = cae_trainer_step(&a, disk->trainer);
        fuzz_check_status(m->context, status);
    }
    if (status == CAE_ERR_MEMORY)
        return false;
    const cae_status other = cae_trainer_step(&b, memory->trainer);
    if (fuzz_heap.refused)
        return false;
    CHECK(status == other && same(disk, memory));
    CHECK(status != CAE_OK || memcmp(&a, &b, sizeof a) == 0);
    return status == CAE_OK;
}

static cae_status call_train(struct machine *m)
{
    struct pair *p = &pairs[slot(m)];
    cae_trainer_options o;
    struct learner disk, memory;

    if (!p->disk || !p->memory || !p->sound)
        return CAE_OK;
    mend(p);
    if (!afford(m, 200.0 * MOST_STEPS * (double)length_of(p->disk)))
        return CAE_OK;
    CHECK(cae_trainer_options_init(&o, sizeof o) == CAE_OK);
    o.batch = 1 + fuzz_below(&m->in, 9);
    o.shuffle = fuzz_u8(&m->in) < 224;
    o.shuffle_window = o.shuffle ? fuzz_below(&m->in, 12) : 0;
    o.augment = fuzz_below(&m->in, 4);
    o.noise_sigma = fuzz_u8(&m->in) & 1 ? 0.1 : 0.0;
    o.seed = fuzz_u8(&m->in);
    if (rarely(m))
        o.shuffle_window = (int64_t)fuzz_u64(&m->in);
    const cae_status status = learner_make(&disk, m, p->disk, &o), other = learner_make(&memory, m, p->memory, &o);
    if (!fuzz_heap.refused)
        CHECK(status == other);
    bool going = status == CAE_OK && other == CAE_OK;
    for (int i = going ? fuzz_below(&m->in, MOST_STEPS) : -1; going && i >= 0; i--)
        going = step_both(m, p, &disk, &memory);
    learner_free(&disk);
    learner_free(&memory);
    return fuzz_heap.refused ? CAE_OK : status;
}

/* The same numbers, and the same threshold. */
static cae_status call_measure(struct machine *m)
{
    struct pair *p = &pairs[slot(m)];
    cae_model *model;
    cae_evaluation a = {.size = sizeof a}, b = {.size = sizeof b};
    double x = 0, y = 0;

    if (!p->disk || !p->memory || !p->sound ||
        !afford(m, 500.0 * (double)length_of(p->disk) * (double)cae_dataset_count(p->disk)))
        return CAE_OK;
    model = small(m, p->disk);
    if (!model)
        return CAE_OK;
    cae_status status = cae_model_evaluate(&a, model, NULL, p->disk, NULL);
    fuzz_check_status(m->context, status);
    CHECK(!p->whole || (status != CAE_ERR_IO && status != CAE_ERR_FORMAT));
    if (status == CAE_OK && cae_model_evaluate(&b, model, NULL, p->memory, NULL) == CAE_OK)
        CHECK(memcmp(&a, &b, sizeof a) == 0);
    status = cae_model_calibrate(&x, model, NULL, p->disk, 0.9, NULL);
    fuzz_check_status(m->context, status);
    CHECK(!p->whole || (status != CAE_ERR_IO && status != CAE_ERR_FORMAT));
    CHECK((status == CAE_OK) == (cae_model_threshold(NULL, NULL, NULL, model) == CAE_OK));
    if (status == CAE_OK && cae_model_calibrate(&y, model, NULL, p->memory, 0.9, NULL) == CAE_OK)
        CHECK(x == y);
    cae_model_destroy(model);
    return CAE_OK;
}

static cae_status call_fail_later(struct machine *m)
{
    fuzz_heap.fail_at = fuzz_heap.requests + fuzz_below(&m->in, 64);
    return CAE_OK;
}

/* --- Running a program ------------------------------------------------------------------------ */

static const struct call calls[] = {
    {call_array_create, false}, {call_array_create, false}, {call_array_look, false}, {call_array_file, false},
    {call_planes, false}, {call_npy, false}, {call_npy, false}, {call_cifar, false}, {call_folder, false},
    {call_slice, false}, {call_get, false}, {call_disturb, false}, {call_disturb, false}, {call_train, false},
    {call_train, false}, {call_measure, false}, {call_fail_later, false},
};

static int which_call(struct machine *m)
{
    return fuzz_below(&m->in, (int)(sizeof calls / sizeof calls[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    machine_run(data, size, calls, which_call, finish, 3e6);
    return 0;
}
