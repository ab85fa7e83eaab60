/* api.h - what the tests of the public interface share beyond common.h. Include it first.
 *
 *   struct heap       an allocator that counts blocks, refuses large ones, and fails when told to
 *   small_model ...   models and images that train in microseconds
 *   struct bytes      a model or a file as bytes, to compare
 *   in_directory      paths in a directory of the test case's own, which goes when the case ends */
#ifndef CAE_TESTS_API_H
#define CAE_TESTS_API_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mkdtemp, nftw */
#endif

#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/common.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

/* --- An allocator to look into --------------------------------------------------------------- */

struct heap {
    atomic_long blocks;   /* handed out and not yet given back */
    atomic_long requests;
    long fail_at;         /* the request that gets NULL, counting from 0; -1: none */
    bool fail_on;         /* and so do all after it */
    int fail_every;       /* and so does each so many after it; 0: none */
    size_t limit;         /* larger blocks get NULL */
    size_t largest;       /* block asked for */
};

#define HEAP {.fail_at = -1, .limit = (size_t)64 << 20}

/* In front of a block: its size, at the distance that keeps malloc's alignment. */
enum { HEAP_FRONT = 16 };

static inline void *heap_allocate(void *user, size_t bytes)
{
    struct heap *heap = user;
    const long request = atomic_fetch_add(&heap->requests, 1);
    unsigned char *block;

    if (bytes > heap->largest)
        heap->largest = bytes;
    if (heap->fail_at >= 0 &&
        (request == heap->fail_at ||
         (request > heap->fail_at &&
          (heap->fail_on ||
           (heap->fail_every && (request - heap->fail_at) % heap->fail_every == 0)))))
        return NULL;
    if (bytes == 0 || bytes > heap->limit || !(block = malloc(HEAP_FRONT + bytes)))
        return NULL;
    memcpy(block, &bytes, sizeof bytes);
    atomic_fetch_add(&heap->blocks, 1);
    return block + HEAP_FRONT;
}

/* What is released is overwritten, so that using it afterwards does not go well. */
static inline void heap_release(void *user, void *block)
{
    static void *(*volatile overwrite)(void *, int, size_t) = memset; /* not to be optimized away */
    struct heap *heap = user;
    unsigned char *front;
    size_t bytes;

    if (!block)
        ck_abort_msg("the library released NULL");
    front = (unsigned char *)block - HEAP_FRONT;
    memcpy(&bytes, front, sizeof bytes);
    overwrite(front, 0xdd, HEAP_FRONT + bytes);
    atomic_fetch_sub(&heap->blocks, 1);
    free(front);
}

static inline cae_context_options heap_options(struct heap *heap, int threads)
{
    cae_context_options options;

    ck_assert_int_eq(cae_context_options_init(&options, sizeof options), CAE_OK);
    options.threads = threads;
    options.allocate = heap_allocate;
    options.release = heap_release;
    options.allocator_user = heap;
    return options;
}

static inline cae_context *heap_context(struct heap *heap, int threads)
{
    const cae_context_options options = heap_options(heap, threads);
    cae_context *context = NULL;

    ck_assert_int_eq(cae_context_create(&context, &options), CAE_OK);
    return context;
}

/* From now on, request `k` gets NULL. */
static inline void heap_fail(struct heap *heap, long k, bool and_all_after)
{
    atomic_store(&heap->requests, 0);
    heap->fail_at = k;
    heap->fail_on = and_all_after;
}

/* It did: as many requests were made. */
static inline bool heap_failed(const struct heap *heap)
{
    return heap->fail_at >= 0 && atomic_load(&heap->requests) > heap->fail_at;
}

static inline void assert_balanced(const struct heap *heap, const char *what)
{
    const long blocks = atomic_load(&heap->blocks);

    if (blocks != 0)
        ck_abort_msg("%s: %ld blocks were not given back", what, blocks);
}

/* --- Texts ----------------------------------------------------------------------------------- */

/* The text of the last error mentions `part`: what was expected, or what was found. */
static inline void assert_says(const cae_context *context, const char *part)
{
    if (!strstr(cae_context_error(context), part))
        ck_abort_msg("the error text is \"%s\", without \"%s\"", cae_context_error(context), part);
}

/* A call of the test's `context` fails, and its text is about that: it was not there before. */
#define fails_saying(status, part, call)                                                           \
    do {                                                                                           \
        assert_fails(context, status, call);                                                       \
        assert_says(context, part);                                                                \
    } while (0)

/* --- Networks and images that are small and quick -------------------------------------------- */

/* Conv 1->2 3x3 ReLU | ConvTranspose 2->1 3x3; 39 parameters, images of any size from 3x3. */
static inline cae_spec *small_spec(cae_context *context)
{
    cae_conv_options relu;
    cae_spec *spec = NULL;

    assert_ok(context, cae_conv_options_init(&relu, sizeof relu));
    relu.activation = CAE_ACTIVATION_RELU;
    assert_ok(context, cae_spec_create(&spec, context));
    assert_ok(context, cae_spec_add_conv(spec, 1, 2, &relu));
    assert_ok(context, cae_spec_add_conv_transpose(spec, 2, 1, NULL));
    return spec;
}

static inline cae_model *small_model(cae_context *context, uint64_t seed)
{
    cae_spec *spec = small_spec(context);
    cae_model *model = NULL;

    assert_ok(context, cae_model_create(&model, context, spec, seed));
    cae_spec_destroy(spec);
    return model;
}

/* y = weight x + bias on every pixel: what a step does can be worked out by hand. */
static inline cae_model *pointwise_model(cae_context *context, float weight, float bias)
{
    cae_conv_options options;
    cae_spec *spec = NULL;
    cae_model *model = NULL;

    assert_ok(context, cae_conv_options_init(&options, sizeof options));
    options.kernel_h = options.kernel_w = 1;
    assert_ok(context, cae_spec_create(&spec, context));
    assert_ok(context, cae_spec_add_conv(spec, 1, 1, &options));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    cae_spec_destroy(spec);
    assert_ok(context, cae_model_set_tensor(model, "0.weight", &weight, 1));
    assert_ok(context, cae_model_set_tensor(model, "0.bias", &bias, 1));
    return model;
}

/* `count` float images of 1 x side x side, copied; `values` NULL: uniform in [-1, 1). */
static inline cae_dataset *float_images(cae_context *context, const float *values, int64_t count,
                                        int side)
{
    const size_t n = (size_t)count * (size_t)(side * side);
    float *own = values ? NULL : new_floats(n);
    cae_dataset_options options;
    cae_dataset *dataset = NULL;

    if (own)
        random_floats(12345, own, n, -1, 1);
    assert_ok(context, cae_dataset_options_init(&options, sizeof options));
    options.type = CAE_TYPE_F32;
    assert_ok(context, cae_dataset_create(&dataset, context, own ? own : values,
                                          n * sizeof(float), count, 1, side, side, &options));
    free(own);
    return dataset;
}

/* --- Bytes ----------------------------------------------------------------------------------- */

struct bytes {
    unsigned char *data;
    size_t size;
};

static inline struct bytes bytes_new(const void *data, size_t size)
{
    struct bytes bytes = {malloc(size + 1), size};

    ck_assert_ptr_nonnull(bytes.data);
    if (size && data)
        memcpy(bytes.data, data, size);
    return bytes;
}

static inline void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){NULL, 0};
}

static inline void assert_same_bytes(struct bytes a, struct bytes b, const char *what)
{
    if (a.size != b.size)
        ck_abort_msg("%s: %zu bytes and %zu", what, a.size, b.size);
    for (size_t i = 0; i < a.size; i++)
        if (a.data[i] != b.data[i])
            ck_abort_msg("%s: byte %zu of %zu differs", what, i, a.size);
}

/* The model as cae_model_save writes it: architecture and all parameters. */
static inline struct bytes model_bytes(const cae_model *model)
{
    struct bytes bytes;
    size_t size = 0;

    ck_assert_int_eq(cae_model_save_memory(NULL, 0, &size, model), CAE_OK);
    bytes = bytes_new(NULL, size);
    ck_assert_int_eq(cae_model_save_memory(bytes.data, size, &size, model), CAE_OK);
    return bytes;
}

static inline void assert_same_models(const cae_model *a, const cae_model *b, const char *what)
{
    struct bytes x = model_bytes(a), y = model_bytes(b);

    assert_same_bytes(x, y, what);
    bytes_free(&x);
    bytes_free(&y);
}

/* --- Files ----------------------------------------------------------------------------------- */

static char test_directory[64];

/* Unchecked fixtures: they run in the parent, which outlives a test that fails. In memory where
 * there is a place for it: the library syncs every file it writes. */
static inline void directory_setup(void)
{
    strcpy(test_directory, "/dev/shm/cae-test-XXXXXX");
    if (mkdtemp(test_directory))
        return;
    strcpy(test_directory, "/tmp/cae-test-XXXXXX");
    if (!mkdtemp(test_directory))
        ck_abort_msg("mkdtemp: no directory %s", test_directory);
}

static inline int directory_remove_one(const char *path, const struct stat *info, int kind,
                                       struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

static inline void directory_teardown(void)
{
    nftw(test_directory, directory_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A path there, which stays valid; there is room for 128 of them in a program. */
static inline const char *in_directory(const char *name)
{
    static char paths[128][256];
    char path[256];

    snprintf(path, sizeof path, "%s/%s", test_directory, name);
    for (int i = 0; i < COUNT(paths); i++) {
        if (paths[i][0] == '\0')
            strcpy(paths[i], path);
        if (strcmp(paths[i], path) == 0)
            return paths[i];
    }
    ck_abort_msg("too many paths");
    return NULL;
}

static inline void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");

    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        ck_abort_msg("cannot write %s", path);
}

static inline struct bytes file_bytes(const char *path)
{
    struct bytes bytes = bytes_new(NULL, (size_t)1 << 20); /* more than any test writes */
    FILE *file = fopen(path, "rb");

    if (!file)
        ck_abort_msg("cannot read %s", path);
    bytes.size = fread(bytes.data, 1, bytes.size, file);
    fclose(file);
    return bytes;
}

/* --- Safetensors, by hand -------------------------------------------------------------------- */

/* A file of this header and these values, whether they fit together or not. */
static inline struct bytes safetensors(const char *header, size_t length, const void *values,
                                       size_t size)
{
    struct bytes file = bytes_new(NULL, 8 + length + size);

    for (int i = 0; i < 8; i++)
        file.data[i] = (unsigned char)((uint64_t)length >> 8 * i);
    memcpy(file.data + 8, header, length);
    if (size)
        memcpy(file.data + 8 + length, values, size);
    return file;
}

static inline size_t header_size(struct bytes file)
{
    size_t size = 0;

    for (int i = 7; i >= 0; i--)
        size = size << 8 | file.data[i];
    return size;
}

/* A copy of a file with one text in its header, which must be there once, replaced by another. */
static inline struct bytes edited(struct bytes file, const char *from, const char *to)
{
    const size_t old = header_size(file), size = old - strlen(from) + strlen(to);
    char *text = calloc(1, old + 1), *header = calloc(1, size + 1), *at;
    struct bytes result;

    ck_assert(text && header);
    memcpy(text, file.data + 8, old);
    at = strstr(text, from);
    if (!at || strstr(at + 1, from))
        ck_abort_msg("\"%s\" is not in the header, or more than once: %s", from, text);
    snprintf(header, size + 1, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    result = safetensors(header, size, file.data + 8 + old, file.size - 8 - old);
    free(text);
    free(header);
    return result;
}

#endif
