/* test_hostile.c - files made to cost more than they weigh. docs/file-format.md says what loading S bytes
 * may take: memory of at most 20 S + 64 KiB at once, and time in S log S. Here are the inputs that come
 * closest, found by thinking and by fuzzing. CAE_TEST_VERBOSE=1 prints what each took. */
#include "api.h"

#include <stdarg.h>
#include <time.h>

enum { TIMES = 20, BESIDE = 65536 };

/* --- An allocator that knows its largest sum ------------------------------------------------- */

struct meter {
    size_t bytes, peak;
};

static struct meter meter;
static cae_context *context;

static void *meter_allocate(void *user, size_t bytes)
{
    unsigned char *block = malloc(HEAP_FRONT + bytes);

    (void)user;
    if (!block)
        return NULL;
    memcpy(block, &bytes, sizeof bytes);
    meter.bytes += bytes;
    if (meter.bytes > meter.peak)
        meter.peak = meter.bytes;
    return block + HEAP_FRONT;
}

static void meter_release(void *user, void *block)
{
    unsigned char *front = (unsigned char *)block - HEAP_FRONT;
    size_t bytes;

    (void)user;
    memcpy(&bytes, front, sizeof bytes);
    meter.bytes -= bytes;
    free(front);
}

static void setup(void)
{
    cae_context_options options;

    meter = (struct meter){0, 0};
    ck_assert_int_eq(cae_context_options_init(&options, sizeof options), CAE_OK);
    options.allocate = meter_allocate;
    options.release = meter_release;
    ck_assert_int_eq(cae_context_create(&context, &options), CAE_OK);
}

static void teardown(void)
{
    cae_context_destroy(context);
    ck_assert_uint_eq(meter.bytes, 0);
}

/* --- Files that grow ------------------------------------------------------------------------- */

struct text {
    char *bytes;
    size_t length, room;
};

static void text_add(struct text *text, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text->bytes + text->length, text->room - text->length, format, arguments);
    va_end(arguments);
    ck_assert(length >= 0 && (size_t)length < text->room - text->length);
    text->length += (size_t)length;
}

static void text_append(struct text *text, const char *piece, size_t length)
{
    ck_assert(length < text->room - text->length);
    memcpy(text->bytes + text->length, piece, length);
    text->length += length;
}

static void text_fill(struct text *text, char c, size_t count)
{
    ck_assert(count < text->room - text->length);
    memset(text->bytes + text->length, c, count);
    text->length += count;
}

/* `begin`, then `piece` as often as it fits into `size`, its number, where it has one, counting up, or
 * down where it has nine digits, then `end`. */
struct growing {
    const char *name, *begin, *piece, *end;
    cae_status status;
};

#define TENSOR "{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}"
#define ARCHITECTURE "{\"__metadata__\":{\"libcae.architecture\":\""
#define THRESHOLD "{\"__metadata__\":{\"libcae.threshold\":\""
#define LAYER "{\\\"type\\\":\\\"conv\\\",\\\"in\\\":1,\\\"out\\\":1,\\\"kernel\\\":[1,1],\\\"stride\\\":[1,1]," \
    "\\\"padding\\\":[0,0],\\\"dilation\\\":[1,1],\\\"output_padding\\\":[0,0],\\\"bias\\\":true," \
    "\\\"activation\\\":\\\"relu\\\"}"

static const struct growing shapes[] = {
    {"zeros", "{\"a\":[0", ",0", "]}", CAE_ERR_FORMAT},
    {"zeros without an end", "{\"a\":[0", ",0", "", CAE_ERR_FORMAT},
    {"empty arrays", "{\"a\":[0", ",[]", "]}", CAE_ERR_FORMAT},
    {"empty objects", "{\"a\":[0", ",{}", "]}", CAE_ERR_FORMAT},
    {"empty texts", "{\"a\":[0", ",\"\"", "]}", CAE_ERR_FORMAT},
    {"open arrays", "{\"a\":", "[", "", CAE_ERR_FORMAT},
    {"open objects", "", "{\"\":", "", CAE_ERR_FORMAT},
    {"one empty key", "{\"\":0", ",\"\":0", "}", CAE_ERR_FORMAT},
    {"keys", "{\"a\":0", ",\"%zx\":0", "}", CAE_ERR_FORMAT},
    {"keys, longest first", "{\"a\":0", ",\"%09zu\":0", "}", CAE_ERR_FORMAT},
    {"keys in an object", "{\"a\":{\"a\":0", ",\"%zx\":0", "}}", CAE_ERR_FORMAT},
    {"tensors of nothing", "{\"a\":" TENSOR, ",\"%zx\":" TENSOR, "}", CAE_ERR_FORMAT},
    {"a shape of zeros", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,0],\"shape\":[0", ",0", "]}}",
     CAE_ERR_FORMAT},
    {"metadata", "{\"__metadata__\":{\"a\":\"\"", ",\"%zx\":\"\"", "}}", CAE_ERR_FORMAT},
    {"spaces", "{", " ", "}", CAE_ERR_FORMAT},
    {"one text", "{\"", "a", "\":0}", CAE_ERR_FORMAT},
    {"one text without an end", "{\"", "a", "", CAE_ERR_FORMAT},
    {"escapes", "{\"", "\\u0041", "\":0}", CAE_ERR_FORMAT},
    {"architecture of zeros", ARCHITECTURE "[0", ",0", "]\"}}", CAE_ERR_FORMAT},
    {"architecture of open arrays", ARCHITECTURE, "[", "\"}}", CAE_ERR_FORMAT},
    {"architecture of keys", ARCHITECTURE "{\\\"a\\\":0", ",\\\"%zx\\\":0", "}\"}}", CAE_ERR_FORMAT},
    {"layers of zeros", ARCHITECTURE "{\\\"version\\\":1,\\\"encoder_layers\\\":1,\\\"layers\\\":[0", ",0",
     "]}\"}}", CAE_ERR_FORMAT},
    {"layers", ARCHITECTURE "{\\\"version\\\":1,\\\"encoder_layers\\\":1,\\\"layers\\\":[" LAYER, "," LAYER,
     "]}\"}}", CAE_ERR_FORMAT},
    {"threshold of zeros", THRESHOLD "[0", ",0", "]\"}}", CAE_ERR_FORMAT},
    {"threshold of keys", THRESHOLD "{\\\"a\\\":0", ",\\\"%zx\\\":0", "}\"}}", CAE_ERR_FORMAT},
    {"a layer of keys", ARCHITECTURE "{\\\"version\\\":1,\\\"encoder_layers\\\":1,\\\"layers\\\":[{"
     "\\\"type\\\":\\\"conv\\\"", ",\\\"%zx\\\":0", "}]}\"}}", CAE_ERR_FORMAT},
};

static struct bytes grown(const struct growing *g, size_t size)
{
    struct text text = {malloc(size + 1024), 0, size + 1024};
    const size_t length = strlen(g->piece);
    const bool counts = strchr(g->piece, '%'), down = strstr(g->piece, "%09zu");
    struct bytes file;

    ck_assert_ptr_nonnull(text.bytes);
    text_add(&text, "%s", g->begin);
    for (size_t i = 0; text.length < size - 32; i++) {
        if (counts)
            text_add(&text, g->piece, down ? 999999999 - i : i);
        else
            text_append(&text, g->piece, length);
    }
    text_add(&text, "%s", g->end);
    file = safetensors(text.bytes, text.length, NULL, 0);
    free(text.bytes);
    return file;
}

/* Keys that differ in their last characters only, so that each comparison reads them whole; texts of a
 * size that leaves most of a chunk unused. */
static struct bytes long_keys(size_t size, size_t length)
{
    struct text text = {malloc(size + 2 * length + 1024), 0, size + 2 * length + 1024};
    struct bytes file;

    ck_assert_ptr_nonnull(text.bytes);
    text_add(&text, "{\"__metadata__\":{\"\":\"\"");
    for (size_t i = 0; text.length < size - length; i++) {
        text_add(&text, ",\"");
        text_fill(&text, 'k', length);
        text_add(&text, "%08zx\":\"\"", i * 2654435761u % 4294967296u);
    }
    text_add(&text, "}}");
    file = safetensors(text.bytes, text.length, NULL, 0);
    free(text.bytes);
    return file;
}

/* --- Memory ---------------------------------------------------------------------------------- */

static void assert_modest(const char *name, size_t size, size_t taken)
{
    if (test_verbose())
        printf("%-32s %8zu bytes took %9zu, %5.2f for each\n", name, size, taken,
               (double)taken / (double)size);
    if (taken > TIMES * size + BESIDE)
        ck_abort_msg("%s: %zu bytes took %zu, %.1f for each", name, size, taken,
                     (double)taken / (double)size);
}

/* From memory, as a path into a model, and as a path into a trainer: the file itself counts there. */
static void load_all_ways(const char *name, struct bytes file, cae_status expected)
{
    const char *path = in_directory("hostile");
    cae_model *model = NULL, *own = small_model(context, 1);
    cae_optimizer *optimizer = NULL;
    cae_dataset *dataset = float_images(context, NULL, 2, 4);
    cae_trainer *trainer = NULL;
    size_t before;

    assert_ok(context, cae_optimizer_create(&optimizer, own, NULL));
    assert_ok(context, cae_trainer_create(&trainer, own, optimizer, dataset, NULL));
    write_file(path, file.data, file.size);
    before = meter.peak = meter.bytes;
    assert_fails(context, expected, cae_model_load_memory(&model, context, file.data, file.size));
    assert_modest(name, file.size, meter.peak - before);
    ck_assert_uint_eq(meter.bytes, before);
    meter.peak = before;
    assert_fails(context, expected, cae_model_load_weights(own, path));
    assert_modest(name, file.size, meter.peak - before);
    assert_fails(context, expected, cae_trainer_resume(trainer, path));
    assert_modest(name, file.size, meter.peak - before);
    ck_assert_uint_eq(meter.bytes, before);
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(optimizer);
    cae_dataset_destroy(dataset);
    cae_model_destroy(own);
}

START_TEST(memory_is_bounded_by_the_size)
{
    const struct growing *g = &shapes[_i];

    for (size_t size = 2048; size <= (size_t)1 << 18; size *= 8) {
        struct bytes file = grown(g, size);
        load_all_ways(g->name, file, g->status);
        bytes_free(&file);
    }
}
END_TEST

START_TEST(memory_is_bounded_for_long_keys)
{
    static const size_t lengths[] = {100, 4096, 8200, 16384, 16400, 50000};
    char name[32];
    struct bytes file = long_keys((size_t)1 << 18, lengths[_i]);

    snprintf(name, sizeof name, "keys of %zu bytes", lengths[_i]);
    load_all_ways(name, file, CAE_ERR_FORMAT);
    bytes_free(&file);
}
END_TEST

/* A few hundred bytes that describe the largest network there can be. */
START_TEST(parameters_that_are_not_there_take_nothing)
{
    struct bytes file, small, big;
    cae_model *model = small_model(context, 1), *out = NULL;
    const char *edits[][2] = {
        {"\\\"in\\\":1,\\\"out\\\":2,\\\"kernel\\\":[3,3]", "\\\"in\\\":1,\\\"out\\\":2,\\\"kernel\\\":[1024,1024]"},
        {"\\\"in\\\":2,\\\"out\\\":1,", "\\\"in\\\":2,\\\"out\\\":1048576,"},
    };
    size_t before;

    file = model_bytes(model);
    small = edited(file, edits[0][0], edits[0][1]);
    big = edited(file, edits[1][0], edits[1][1]);
    before = meter.peak = meter.bytes;
    assert_fails(context, CAE_ERR_FORMAT, cae_model_load_memory(&out, context, small.data, small.size));
    assert_says(context, "the file room for");
    assert_fails(context, CAE_ERR_FORMAT, cae_model_load_memory(&out, context, big.data, big.size));
    assert_says(context, "the file room for");
    assert_modest("parameters", big.size, meter.peak - before);
    bytes_free(&file);
    bytes_free(&small);
    bytes_free(&big);
    cae_model_destroy(model);
}
END_TEST

/* --- Time ------------------------------------------------------------------------------------ */

static double seconds_to_load(struct bytes file)
{
    double best = 1e9;

    for (int i = 0; i < 3; i++) {
        cae_model *model = NULL;
        const clock_t begin = clock();
        ck_assert_int_ne(cae_model_load_memory(&model, context, file.data, file.size), CAE_OK);
        const double took = (double)(clock() - begin) / CLOCKS_PER_SEC;
        best = took < best ? took : best;
    }
    return best;
}

/* Sixteen times the size may take 16 times the time, and then some for the logarithm, caches and other
 * programs; it would take 256 times if the time were quadratic. */
static void assert_not_quadratic(const char *name, struct bytes small, struct bytes large)
{
    const double one = seconds_to_load(small), sixteen = seconds_to_load(large);

    if (test_verbose())
        printf("%-32s %.2f ms, sixteen times as long: %.2f ms\n", name, 1e3 * one, 1e3 * sixteen);
    if (sixteen > 80.0 * one + 0.01)
        ck_abort_msg("%s: %.2f ms, sixteen times as long: %.2f ms", name, 1e3 * one, 1e3 * sixteen);
}

START_TEST(time_does_not_grow_faster_than_the_size)
{
    const size_t size = test_quick() ? 4096 : 65536;
    struct bytes small = grown(&shapes[_i], size), large = grown(&shapes[_i], 16 * size);

    assert_not_quadratic(shapes[_i].name, small, large);
    bytes_free(&small);
    bytes_free(&large);
}
END_TEST

START_TEST(time_for_long_keys_is_bounded)
{
    const size_t size = test_quick() ? 8192 : 65536;
    struct bytes small = long_keys(size, 1000), large = long_keys(16 * size, 1000);

    assert_not_quadratic("keys of 1000 bytes", small, large);
    bytes_free(&small);
    bytes_free(&large);
}
END_TEST

/* The tiles of so many pixels were counted, with an overflow, and measured before it was seen that there is
 * nothing to do: seconds under a sanitizer. Found by fuzzing. */
START_TEST(no_images_of_the_largest_size_take_no_time)
{
    cae_model *model = NULL;
    cae_spec *spec = NULL;
    cae_conv_options o;

    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    o.kernel_h = o.kernel_w = 1;
    assert_ok(context, cae_spec_create(&spec, context));
    for (int i = 0; i < 200; i++)
        assert_ok(context, cae_spec_add_conv(spec, 1, 1, &o));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    const clock_t begin = clock();
    assert_ok(context, cae_model_forward(NULL, 0, model, NULL, NULL, 0, 0, 1 << 30, 1));
    assert_ok(context, cae_model_forward(NULL, 0, model, NULL, NULL, 0, 0, 32768, 65535));
    ck_assert_msg(clock() - begin < CLOCKS_PER_SEC / 20, "%.3f s",
                  (double)(clock() - begin) / CLOCKS_PER_SEC);
    cae_model_destroy(model);
    cae_spec_destroy(spec);
}
END_TEST

/* --- Limits ---------------------------------------------------------------------------------- */

START_TEST(the_longest_header_is_16_mib)
{
    const size_t most = (size_t)16 << 20;
    struct text text = {malloc(most + 2), 0, most + 2};
    cae_model *model = NULL;
    struct bytes file;

    ck_assert_ptr_nonnull(text.bytes);
    text_add(&text, "{}");
    text_fill(&text, ' ', most - 2);
    file = safetensors(text.bytes, most, NULL, 0);
    assert_fails(context, CAE_ERR_FORMAT, cae_model_load_memory(&model, context, file.data, file.size));
    assert_says(context, "no architecture");
    bytes_free(&file);
    text.bytes[most] = ' ';
    file = safetensors(text.bytes, most + 1, NULL, 0);
    assert_fails(context, CAE_ERR_FORMAT, cae_model_load_memory(&model, context, file.data, file.size));
    assert_says(context, "at most 16777216");
    bytes_free(&file);
    free(text.bytes);
}
END_TEST

/* As many layers as there can be, an optimizer with two moments, and an average: far below the limit. */
START_TEST(the_largest_checkpoint_is_read)
{
    enum { LAYERS = 4096 };
    const char *path = in_directory("largest");
    cae_conv_options o;
    cae_spec *spec = NULL;
    cae_model *model = NULL;
    cae_optimizer *optimizer = NULL;
    cae_dataset *dataset = float_images(context, NULL, 1, 1);
    cae_trainer_options averaging;
    cae_trainer *trainer = NULL;
    unsigned char length[8];
    size_t header = 0;
    FILE *file;

    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    o.kernel_h = o.kernel_w = 1;
    o.activation = CAE_ACTIVATION_LEAKY_RELU;
    assert_ok(context, cae_spec_create(&spec, context));
    for (int i = 0; i < LAYERS; i++)
        assert_ok(context, cae_spec_add_conv_transpose(spec, 1, 1, &o));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    assert_ok(context, cae_optimizer_create(&optimizer, model, NULL));
    assert_ok(context, cae_trainer_options_init(&averaging, sizeof averaging));
    averaging.average_decay = 0.9;
    assert_ok(context, cae_trainer_create(&trainer, model, optimizer, dataset, &averaging));
    assert_ok(context, cae_trainer_save(trainer, path));
    assert_ok(context, cae_trainer_resume(trainer, path));
    ck_assert_ptr_nonnull(file = fopen(path, "rb"));
    ck_assert_uint_eq(fread(length, 1, sizeof length, file), sizeof length);
    fclose(file);
    for (int i = 7; i >= 0; i--)
        header = header << 8 | length[i];
    if (test_verbose())
        printf("the header of the largest checkpoint: %zu bytes\n", header);
    ck_assert_uint_lt(header, ((size_t)16 << 20) / 3);
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(optimizer);
    cae_dataset_destroy(dataset);
    cae_model_destroy(model);
    cae_spec_destroy(spec);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hostile");
    TCase *memory = tcase_create("memory"), *time = tcase_create("time"), *limits = tcase_create("limits");

    TCase *const cases[] = {memory, time, limits};
    for (int i = 0; i < COUNT(cases); i++) {
        tcase_add_unchecked_fixture(cases[i], directory_setup, directory_teardown);
        tcase_add_checked_fixture(cases[i], setup, teardown);
        tcase_set_timeout(cases[i], 120);
        suite_add_tcase(suite, cases[i]);
    }
    tcase_add_loop_test(memory, memory_is_bounded_by_the_size, 0, COUNT(shapes));
    tcase_add_loop_test(memory, memory_is_bounded_for_long_keys, 0, 6);
    tcase_add_test(memory, parameters_that_are_not_there_take_nothing);
    tcase_add_loop_test(time, time_does_not_grow_faster_than_the_size, 0, COUNT(shapes));
    tcase_add_test(time, time_for_long_keys_is_bounded);
    tcase_add_test(time, no_images_of_the_largest_size_take_no_time);
    tcase_add_test(limits, the_longest_header_is_16_mib);
    tcase_add_test(limits, the_largest_checkpoint_is_read);
    return test_main(suite);
}
