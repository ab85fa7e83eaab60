/* fuzz.c - what the fuzz targets share. */
#define _GNU_SOURCE /* mkdtemp, memmem */
#include "fuzz.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/network/network.h"

_Noreturn void fuzz_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    abort();
}

/* --- A context that counts -------------------------------------------------------------------- */

struct fuzz_heap fuzz_heap;

/* In front of a block: its size. The library asks for LINE bytes before and after what it needs, to find
 * a cache line's alignment inside; as our blocks have that already, the last LINE are for nobody, and a
 * sanitizer is told so: it would not see the library run over the end of its own block. */
enum { LINE = 64, FRONT = LINE };

#if defined __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

/* Only the context itself comes as it is. */
static bool has_slack(size_t bytes)
{
    return bytes != sizeof(cae_context) && bytes > 2 * LINE;
}

static void *allocate(void *user, size_t bytes)
{
    struct fuzz_heap *heap = &fuzz_heap; /* `user` may be cut off from short options */
    const long request = heap->requests++;
    void *front = NULL;

    (void)user;
    CHECK(bytes > 0);
    if (request != heap->fail_at && bytes <= heap->limit && heap->bytes <= heap->limit - bytes)
        CHECK(posix_memalign(&front, LINE, FRONT + bytes) == 0);
    if (!front) {
        heap->refused = true;
        return NULL;
    }
    unsigned char *block = (unsigned char *)front + FRONT;
    memcpy(front, &bytes, sizeof bytes);
    if (has_slack(bytes))
        ASAN_POISON_MEMORY_REGION(block + bytes - LINE, LINE);
    heap->blocks++;
    heap->bytes += bytes;
    if (heap->bytes > heap->peak)
        heap->peak = heap->bytes;
    return block;
}

static void release(void *user, void *block)
{
    struct fuzz_heap *heap = &fuzz_heap;
    size_t bytes;

    (void)user;
    CHECK(block);
    unsigned char *front = (unsigned char *)block - FRONT;
    memcpy(&bytes, front, sizeof bytes);
    CHECK(heap->blocks > 0 && heap->bytes >= bytes);
    if (has_slack(bytes))
        ASAN_UNPOISON_MEMORY_REGION((unsigned char *)block + bytes - LINE, LINE);
    heap->blocks--;
    heap->bytes -= bytes;
    free(front);
}

cae_context *fuzz_begin(void)
{
    cae_context_options options;
    cae_context *context = FUZZ_JUNK;

    fuzz_heap = (struct fuzz_heap){.limit = (size_t)256 << 20, .fail_at = -1};
    CHECK(cae_context_options_init(&options, sizeof options) == CAE_OK);
    options.allocate = allocate;
    options.release = release;
    options.allocator_user = &fuzz_heap;
    CHECK(cae_context_create(&context, &options) == CAE_OK);
    fuzz_mark();
    return context;
}

void fuzz_end(cae_context *context)
{
    cae_context_destroy(context);
    CHECK(fuzz_heap.blocks == 0);
    CHECK(fuzz_heap.bytes == 0);
}

void fuzz_mark(void)
{
    fuzz_heap.marked = fuzz_heap.peak = fuzz_heap.bytes;
}

void fuzz_check_peak(size_t size)
{
    const size_t taken = fuzz_heap.peak - fuzz_heap.marked;

    if (taken > 20 * size + 65536) {
        fprintf(stderr, "%zu bytes of input took %zu bytes of memory\n", size, taken);
        abort();
    }
}

void fuzz_check_filled(const uint8_t *data, size_t size, const cae_model *model)
{
    uint64_t header = 0;

    CHECK(size >= 8);
    for (int i = 7; i >= 0; i--)
        header = header << 8 | data[i];
    CHECK(header <= size - 8);
    const uint64_t filled = 4 * (uint64_t)cae_model_parameter_count(model);
    CHECK(size - 8 - header >= filled);
    if (!memmem(data + 8, (size_t)header, "\"optim", 6) && !memmem(data + 8, (size_t)header, "\\u", 2))
        CHECK(size - 8 - header == filled);
}

void fuzz_check_status(const cae_context *context, cae_status status)
{
    CHECK(status >= CAE_ERR_PEER && status <= CAE_STOPPED);
    CHECK(status != CAE_ERR_MEMORY || fuzz_heap.refused);
    if (status < 0)
        CHECK(cae_context_error(context)[0] != '\0');
}

void fuzz_check_made(const cae_context *context, cae_status status, const void *handle)
{
    fuzz_check_status(context, status);
    CHECK(status <= CAE_OK);
    CHECK((status == CAE_OK) == (handle != NULL));
    CHECK(handle != FUZZ_JUNK);
}

/* --- Bytes as numbers ------------------------------------------------------------------------- */

uint8_t fuzz_u8(struct fuzz_input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

uint32_t fuzz_u32(struct fuzz_input *in)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value |= (uint32_t)fuzz_u8(in) << 8 * i;
    return value;
}

uint64_t fuzz_u64(struct fuzz_input *in)
{
    const uint64_t low = fuzz_u32(in);
    return low | (uint64_t)fuzz_u32(in) << 32;
}

int fuzz_below(struct fuzz_input *in, int limit)
{
    return fuzz_u8(in) % limit;
}

int32_t fuzz_int(struct fuzz_input *in, int32_t least, int32_t most)
{
    static const int32_t odd[] = {
        0, 1, 2, -1, INT32_MAX, INT32_MIN, INT32_MAX - 1, 65535, 65536, 46341, 1024, 1025, 256, 257,
        1048576, 1048577, 32768, 16777216, 715827883, 4096};
    const int byte = fuzz_u8(in);
    if (byte < 208)
        return least + byte % (most - least + 1);
    if (byte < 248)
        return odd[(byte - 208) % (int)(sizeof odd / sizeof odd[0])];
    return (int32_t)fuzz_u32(in);
}

double fuzz_double(struct fuzz_input *in)
{
    static const double odd[] = {0, -0.0, 1, -1, 0.5, 1e-3, 1e-8, 0.9, 0.999, 1e300, -1e300, 1e-300,
                                 1e38, 3.5e38, 4.9e-324, INFINITY, -INFINITY, NAN, 2, 1e6};
    const int byte = fuzz_u8(in);
    double value;
    if (byte < 240)
        return odd[byte % (int)(sizeof odd / sizeof odd[0])];
    const uint64_t bits = fuzz_u64(in);
    memcpy(&value, &bits, sizeof value);
    return value;
}

float fuzz_float(struct fuzz_input *in)
{
    const int byte = fuzz_u8(in);
    float value;
    if (byte < 240)
        return (float)(byte - 120) / 60.0f;
    const uint32_t bits = fuzz_u32(in);
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* --- Files ------------------------------------------------------------------------------------ */

static char directory[64];
static char names[16][32]; /* of what is there */
static char paths[16][128];

void fuzz_clear(void)
{
    for (int i = 0; i < 16 && names[i][0]; i++)
        (void)unlink(paths[i]);
}

static void remove_directory(void)
{
    fuzz_clear();
    (void)rmdir(directory);
}

const char *fuzz_directory(void)
{
    if (directory[0])
        return directory;
    /* fuzzers end their processes without atexit: who runs them takes away what lies in there */
    const char *where = getenv("CAE_FUZZ_DIRECTORY");
    if (where)
        CHECK(snprintf(directory, sizeof directory, "%s/XXXXXX", where) < (int)sizeof directory);
    else
        strcpy(directory, "/dev/shm/cae-fuzz-XXXXXX");
    if (!mkdtemp(directory)) {
        strcpy(directory, "/tmp/cae-fuzz-XXXXXX");
        CHECK(mkdtemp(directory));
    }
    CHECK(atexit(remove_directory) == 0);
    return directory;
}

const char *fuzz_path(const char *name)
{
    int i = 0;
    while (names[i][0] && strcmp(names[i], name) != 0)
        CHECK(++i < 16);
    if (!names[i][0]) {
        CHECK(snprintf(names[i], sizeof names[i], "%s", name) < (int)sizeof names[i]);
        snprintf(paths[i], sizeof paths[i], "%s/%s", fuzz_directory(), name);
    }
    return paths[i];
}

const char *fuzz_file(const char *name, const void *data, size_t size)
{
    const char *path = fuzz_path(name);
    const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CHECK(file >= 0);
    CHECK(size == 0 || write(file, data, size) == (ssize_t)size);
    close(file);
    return path;
}

/* --- Models ----------------------------------------------------------------------------------- */

cae_model *fuzz_small_model(cae_context *context, bool residual)
{
    cae_conv_options relu;
    cae_spec *spec = NULL;
    cae_model *model = NULL;

    CHECK(cae_conv_options_init(&relu, sizeof relu) == CAE_OK);
    relu.activation = CAE_ACTIVATION_RELU;
    CHECK(cae_spec_create(&spec, context) == CAE_OK);
    CHECK(cae_spec_add_conv(spec, 1, 2, &relu) == CAE_OK);
    CHECK(cae_spec_add_conv_transpose(spec, 2, 1, NULL) == CAE_OK);
    CHECK(cae_spec_set_residual(spec, residual) == CAE_OK);
    CHECK(cae_model_create(&model, context, spec, 1) == CAE_OK);
    cae_spec_destroy(spec);
    return model;
}

cae_trainer *fuzz_trainer(cae_context *context, struct fuzz_training how)
{
    enum { SIDE = 4, BATCH = 4 };
    static const uint8_t pixels[FUZZ_IMAGES * SIDE * SIDE] = {1, 2, 3, 200, 255, 77};
    cae_model *model = fuzz_small_model(context, how.residual);
    cae_optimizer_options o;
    cae_trainer_options t;
    cae_dataset_options d;
    cae_optimizer *optimizer;
    cae_dataset *dataset;
    cae_trainer *trainer;

    CHECK(cae_optimizer_options_init(&o, sizeof o) == CAE_OK);
    CHECK(cae_trainer_options_init(&t, sizeof t) == CAE_OK);
    CHECK(cae_dataset_options_init(&d, sizeof d) == CAE_OK);
    o.kind = how.kind;
    o.momentum = how.kind == CAE_OPTIMIZER_SGD ? 0.9 : 0.0;
    t.batch = BATCH;
    t.average_decay = how.average ? 0.9 : 0.0;
    d.borrow = 1;
    CHECK(cae_optimizer_create(&optimizer, model, &o) == CAE_OK);
    CHECK(cae_dataset_create(&dataset, context, pixels, sizeof pixels, FUZZ_IMAGES, 1, SIDE, SIDE, &d) ==
          CAE_OK);
    CHECK(cae_trainer_create(&trainer, model, optimizer, dataset, &t) == CAE_OK);
    cae_model_destroy(model);
    cae_optimizer_destroy(optimizer);
    cae_dataset_destroy(dataset);
    return trainer;
}

/* Into a buffer that is mostly large enough: asking for the size first would make the file twice. */
struct fuzz_bytes fuzz_model_bytes(const cae_model *model)
{
    struct fuzz_bytes bytes = {malloc(8192), 0};

    CHECK(bytes.data);
    cae_status status = cae_model_save_memory(bytes.data, 8192, &bytes.size, model);
    if (status == CAE_ERR_ARGUMENT && bytes.size > 8192) {
        free(bytes.data);
        CHECK((bytes.data = malloc(bytes.size)));
        status = cae_model_save_memory(bytes.data, bytes.size, &bytes.size, model);
    }
    CHECK(status == CAE_OK);
    return bytes;
}

void fuzz_check_same(struct fuzz_bytes a, struct fuzz_bytes b)
{
    CHECK(a.size == b.size);
    CHECK(memcmp(a.data, b.data, a.size) == 0);
}

void fuzz_bytes_free(struct fuzz_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct fuzz_bytes){0};
}

double fuzz_work(const cae_model *model, int32_t part, int height, int width)
{
    int first, end;
    double work = 0.0;
    struct cae__stage stage = {.out_h = height, .out_w = width};

    cae__part_layers(&first, &end, model, part);
    for (int i = first; i < end; i++) {
        const struct cae__layer *l = &model->layers[i];
        const double taps = (double)l->kernel_h * l->kernel_w;
        if (cae__stage_init(NULL, &stage, l, i, stage.out_h, stage.out_w, 1) != CAE_OK)
            return 0.0;
        work += (double)stage.out_length * l->in_channels * taps / l->stride_h / l->stride_w *
                (l->transposed ? 1.0 : (double)l->stride_h * l->stride_w);
        work += (double)stage.out_length +
                (double)(stage.in_h + 2.0 * l->padding_h) *
                    (stage.in_w + 2.0 * l->padding_w) * l->in_channels;
    }
    return work;
}

static cae_status run_part(float *y, size_t y_count, const cae_model *model, cae_context *context,
                           const float *x, size_t x_count, int64_t count, int height, int width,
                           int32_t part)
{
    return part == CAE_PART_ENCODER
               ? cae_model_encode(y, y_count, model, context, x, x_count, count, height, width)
           : part == CAE_PART_DECODER
               ? cae_model_decode(y, y_count, model, context, x, x_count, count, height, width)
               : cae_model_forward(y, y_count, model, context, x, x_count, count, height, width);
}

static void run_images(cae_context *context, const cae_model *model, int32_t part, int height,
                       int width, int count)
{
    int32_t in = 0, out = 0, channels = 0, out_h = 0, out_w = 0;

    cae_status status = cae_model_channels(&in, &channels, model, context, part);
    if (status != CAE_OK) /* no decoder */
        return;
    status = cae_model_output_shape(&out, &out_h, &out_w, model, context, part, height, width);
    fuzz_check_status(context, status);
    if (status != CAE_OK) {
        CHECK(run_part(NULL, 0, model, context, NULL, 0, 0, height, width, part) != CAE_OK);
        return;
    }
    CHECK(out == channels && out_h > 0 && out_w > 0);
    const size_t x_count = (size_t)count * (size_t)in * (size_t)height * (size_t)width;
    const size_t y_count = (size_t)count * (size_t)out * (size_t)out_h * (size_t)out_w;
    CHECK(run_part(NULL, 0, model, context, NULL, 0, count, height, width, part) != CAE_OK);
    if (fuzz_work(model, part, height, width) * count > 2e5 || x_count > 1 << 16)
        return;
    float *x = malloc(x_count * sizeof *x), *y = malloc(y_count * sizeof *y);
    CHECK(x && y);
    for (size_t i = 0; i < x_count; i++)
        x[i] = (float)(i % 7) / 3.0f - 1.0f;
    status = run_part(y, y_count, model, context, x, x_count, count, height, width, part);
    fuzz_check_status(context, status);
    CHECK(status == CAE_OK || fuzz_heap.refused);
    free(x);
    free(y);
}

void fuzz_run_model(cae_context *context, const cae_model *model, int height, int width)
{
    for (int32_t part = CAE_PART_ENCODER; part <= CAE_PART_WHOLE; part++)
        run_images(context, model, part, height, width, part == CAE_PART_WHOLE ? 9 : 1);
}

void fuzz_score_model(cae_context *context, const cae_model *model, int height, int width)
{
    cae_scorer_options o = {.size = sizeof o};
    double threshold = -1.0, quantile = -1.0, score = -1.0;
    int32_t channels = 0;
    cae_scorer *scorer = FUZZ_JUNK;

    cae_status status = cae_model_threshold(&threshold, &quantile, &o, model);
    CHECK(status == CAE_OK || status == CAE_ERR_ARGUMENT);
    if (status == CAE_OK)
        CHECK(threshold >= 0.0 && quantile > 0.0 && quantile <= 1.0 && o.kind >= CAE_SCORE_MEAN &&
              o.kind <= CAE_SCORE_PEAK && o.smoothing >= 0 && o.smoothing <= 256);
    if (fuzz_work(model, CAE_PART_WHOLE, height, width) > 2e5)
        return;
    status = cae_scorer_create(&scorer, model, context, height, width, NULL);
    fuzz_check_made(context, status, scorer);
    if (!scorer)
        return;
    CHECK(cae_model_channels(&channels, NULL, model, context, CAE_PART_WHOLE) == CAE_OK);
    const size_t n = (size_t)channels * (size_t)height * (size_t)width;
    float *x = calloc(n, sizeof *x);
    CHECK(x);
    status = cae_scorer_run(&score, NULL, 0, scorer, x, n);
    fuzz_check_status(context, status);
    CHECK(status == CAE_OK ? score >= 0.0 : status == CAE_ERR_NUMERIC || fuzz_heap.refused);
    free(x);
    cae_scorer_destroy(scorer);
}

void fuzz_export_model(cae_context *context, const cae_model *model)
{
    for (int32_t part = CAE_PART_ENCODER; part <= CAE_PART_WHOLE; part++) {
        struct fuzz_bytes bytes = {0};
        size_t again = 0;
        cae_status status = cae_model_export_onnx_memory(NULL, 0, &bytes.size, model, part);
        fuzz_check_status(context, status);
        if (status != CAE_OK)
            continue;
        CHECK((bytes.data = malloc(bytes.size)));
        status = cae_model_export_onnx_memory(bytes.data, bytes.size, &again, model, part);
        CHECK(status == CAE_OK && again == bytes.size);
        fuzz_bytes_free(&bytes);
    }
}
