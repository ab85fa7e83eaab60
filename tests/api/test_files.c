/* test_files.c - models as files: what is written, what is read back, what is refused, and what a
 * disk can do to either. */
#include "api.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct heap heap;
static cae_context *context;

static void setup(void)
{
    heap = (struct heap)HEAP;
    heap.limit = (size_t)16 << 20; /* no file here may make the library ask for more */
    context = heap_context(&heap, 1);
}

static void teardown(void)
{
    cae_context_destroy(context);
    assert_balanced(&heap, "at the end of the test");
}

#define fails(status, call) assert_fails(context, status, call)

/* --- Models with everything in them ---------------------------------------------------------- */

static void add(cae_spec *spec, bool transposed, int32_t in, int32_t out,
                const cae_conv_options *options)
{
    assert_ok(context, transposed ? cae_spec_add_conv_transpose(spec, in, out, options)
                                  : cae_spec_add_conv(spec, in, out, options));
}

/* Twelve layers, so that "10.weight" is to be sorted before "2.weight"; every activation, with and
 * without bias, nothing square, an encoder of three layers. */
static cae_model *rich_model(void)
{
    cae_conv_options options;
    cae_spec *spec = NULL;
    cae_model *model = NULL;

    assert_ok(context, cae_spec_create(&spec, context));
    for (int i = 0; i < 12; i++) {
        assert_ok(context, cae_conv_options_init(&options, sizeof options));
        options.kernel_h = 1 + i % 3;
        options.kernel_w = 3 - i % 3;
        options.stride_w = 1 + i % 2;
        options.padding_h = i % 2;
        options.padding_w = 2;
        options.dilation_h = 1 + i % 2;
        options.bias = i % 4 != 1;
        options.activation = i % 5;
        options.slope = 0.1 + 0.01 * i;
        if (i % 2)
            options.output_padding_h = options.output_padding_w = 1;
        add(spec, i % 2, 1 + i % 2, 1 + (i + 1) % 2, &options);
        if (i == 2)
            assert_ok(context, cae_spec_end_encoder(spec));
    }
    assert_ok(context, cae_model_create(&model, context, spec, 11));
    cae_spec_destroy(spec);
    return model;
}

static cae_model *reference(void)
{
    cae_model *model = NULL;

    assert_ok(context, cae_model_create_reference(&model, context, 1));
    return model;
}

/* The small model's layers, whose output is added to the input. */
static cae_model *residual_model(void)
{
    cae_spec *spec = small_spec(context);
    cae_model *model = NULL;

    assert_ok(context, cae_spec_set_residual(spec, 1));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    cae_spec_destroy(spec);
    return model;
}

static cae_model *model_number(int number)
{
    return number == 0   ? small_model(context, 1)
           : number == 1 ? reference()
           : number == 2 ? pointwise_model(context, 2, 3) /* no decoder */
           : number == 3 ? rich_model()
                         : residual_model();
}

enum { MODELS = 5 };

/* --- Writing and reading back ---------------------------------------------------------------- */

/* The same images in, the same bits out. */
static void assert_same_outputs(const cae_model *a, const cae_model *b)
{
    enum { SIDE = 24 };
    int32_t in, out, h, w, other_h, other_w;
    float *x, *y, *z;
    size_t n, m;

    for (int32_t part = CAE_PART_ENCODER; part <= CAE_PART_WHOLE; part += 2) {
        assert_ok(context, cae_model_channels(&in, NULL, a, NULL, part));
        assert_ok(context, cae_model_output_shape(&out, &h, &w, a, NULL, part, SIDE, SIDE));
        assert_ok(context, cae_model_output_shape(NULL, &other_h, &other_w, b, NULL, part, SIDE, SIDE));
        ck_assert(h == other_h && w == other_w);
        n = (size_t)(in * SIDE * SIDE);
        m = (size_t)(out * h * w);
        x = new_floats(n);
        y = new_floats(m);
        z = new_floats(m);
        random_floats(1, x, n, -1, 1);
        if (part == CAE_PART_WHOLE) {
            assert_ok(context, cae_model_forward(y, m, a, NULL, x, n, 1, SIDE, SIDE));
            assert_ok(context, cae_model_forward(z, m, b, NULL, x, n, 1, SIDE, SIDE));
        } else {
            assert_ok(context, cae_model_encode(y, m, a, NULL, x, n, 1, SIDE, SIDE));
            assert_ok(context, cae_model_encode(z, m, b, NULL, x, n, 1, SIDE, SIDE));
        }
        ck_assert_int_eq(memcmp(y, z, m * sizeof *y), 0);
        free(x);
        free(y);
        free(z);
    }
}

START_TEST(a_model_comes_back_bit_for_bit)
{
    const char *path = in_directory("model");
    cae_model *model = model_number(_i), *from_file = NULL, *from_memory = NULL;
    struct bytes bytes = model_bytes(model), file;

    assert_ok(context, cae_model_save(model, path));
    file = file_bytes(path);
    assert_same_bytes(file, bytes, "saved to a file and to memory");
    assert_ok(context, cae_model_load(&from_file, context, path));
    assert_same_models(from_file, model, "loaded from a file");
    assert_same_outputs(from_file, model);
    assert_ok(context, cae_model_load_memory(&from_memory, context, bytes.data, bytes.size));
    assert_same_models(from_memory, model, "loaded from memory");
    assert_same_outputs(from_memory, model);
    bytes_free(&bytes);
    bytes_free(&file);
    cae_model_destroy(model);
    cae_model_destroy(from_file);
    cae_model_destroy(from_memory);
}
END_TEST

START_TEST(weights_go_into_a_model_that_is_there)
{
    const char *path = in_directory("weights");
    cae_model *model = reference(), *other = NULL;

    assert_ok(context, cae_model_create_reference(&other, context, 99));
    assert_ok(context, cae_model_save(model, path));
    assert_ok(context, cae_model_load_weights(other, path));
    assert_same_models(other, model, "weights");
    cae_model_destroy(model);
    cae_model_destroy(other);
}
END_TEST

/* Which once could not even be looked at where time_t has 32 bits. A program sets the date that is built
 * for times that this one may not know. */
START_TEST(files_of_after_2038_are_read)
{
    const char *path = in_directory("later");
    cae_model *model = small_model(context, 1), *loaded = NULL;
    char file[PATH_MAX];
    char *const arguments[] = {(char[]){"touch"}, (char[]){"-d"}, (char[]){"2040-01-01 12:00"}, file,
                               NULL};
    pid_t child;
    int ended = -1;

    assert_ok(context, cae_model_save(model, path));
    ck_assert_int_lt(snprintf(file, sizeof file, "%s", path), (int)sizeof file);
    ck_assert_int_eq(posix_spawnp(&child, arguments[0], NULL, NULL, arguments, environ), 0);
    ck_assert_int_eq(waitpid(child, &ended, 0), child);
    ck_assert_int_eq(ended, 0);
    assert_ok(context, cae_model_load(&loaded, context, path));
    assert_ok(context, cae_model_save(loaded, path));
    cae_model_destroy(loaded);
    cae_model_destroy(model);
}
END_TEST

/* Bits, not numbers: -0, the smallest and the largest. */
START_TEST(every_float_survives)
{
    const float values[18] = {0.0f, -0.0f, FLT_MIN, -FLT_MIN, FLT_MAX, -FLT_MAX, 1e-45f, -1e-45f,
                              0x1.fffffcp-127f, 1.0f, 0x1.000002p0f, 0x1.fffffep-1f, 0.1f};
    float found[18];
    cae_model *model = small_model(context, 1), *loaded = NULL;
    struct bytes bytes;

    assert_ok(context, cae_model_set_tensor(model, "0.weight", values, 18));
    bytes = model_bytes(model);
    assert_ok(context, cae_model_load_memory(&loaded, context, bytes.data, bytes.size));
    assert_ok(context, cae_model_get_tensor(found, 18, loaded, "0.weight"));
    ck_assert_int_eq(memcmp(found, values, sizeof values), 0);
    bytes_free(&bytes);
    cae_model_destroy(model);
    cae_model_destroy(loaded);
}
END_TEST

/* As the reference writes it: '{' first, padded with spaces to a multiple of 8, tensors by name,
 * packed. tests/parity lets Python's safetensors read it. */
START_TEST(the_layout_of_a_file)
{
    const char *path = in_directory("layout");
    cae_model *model = model_number(_i);
    struct bytes bytes = model_bytes(model);
    const size_t length = header_size(bytes);
    struct st_file *file;
    size_t last = length;

    ck_assert_uint_eq(length % 8, 0);
    ck_assert_int_eq(bytes.data[8], '{');
    while (bytes.data[8 + last - 1] == ' ')
        last--;
    ck_assert_int_eq(bytes.data[8 + last - 1], '}');
    ck_assert_uint_lt(length - last, 8);
    ck_assert_uint_eq(bytes.size, 8 + length + 4 * (size_t)cae_model_parameter_count(model));

    assert_ok(context, cae_model_save(model, path));
    file = st_open(path);
    ck_assert_uint_eq(st_count(file), (size_t)cae_model_tensor_count(model));
    for (size_t i = 1; i < st_count(file); i++)
        ck_assert(strcmp(st_name(file, i - 1), st_name(file, i)) < 0);
    for (size_t i = 0, at = 8 + length; i < st_count(file); i++) {
        size_t count;
        const float *values = st_floats(file, st_name(file, i), &count);
        float *own = new_floats(count);

        assert_ok(context, cae_model_get_tensor(own, count, model, st_name(file, i)));
        ck_assert_int_eq(memcmp(own, values, 4 * count), 0);
        little_endian(own, count, sizeof *own);
        ck_assert_int_eq(memcmp(bytes.data + at, own, 4 * count), 0);
        at += 4 * count;
        free(own);
    }
    ck_assert_str_eq(st_metadata(file, "format"), "pt");
    ck_assert_str_eq(st_metadata(file, "libcae.version"), cae_version_string());
    ck_assert_ptr_nonnull(st_metadata(file, "libcae.architecture"));
    st_close(file);
    bytes_free(&bytes);
    cae_model_destroy(model);
}
END_TEST

START_TEST(saving_to_memory_needs_the_room)
{
    cae_model *model = small_model(context, 1);
    struct bytes bytes = model_bytes(model);
    unsigned char *buffer = malloc(bytes.size + 1);
    size_t written = 0;

    ck_assert_ptr_nonnull(buffer);
    assert_ok(context, cae_model_save_memory(NULL, 0, &written, model));
    ck_assert_uint_eq(written, bytes.size);

    for (size_t room = 0; room < bytes.size; room = room < 10 ? room + 1 : 2 * room) {
        memset(buffer, 0xa5, bytes.size + 1);
        written = 0;
        fails(CAE_ERR_ARGUMENT, cae_model_save_memory(buffer, room, &written, model));
        ck_assert_uint_eq(written, bytes.size); /* so that the caller can try again */
        for (size_t i = 0; i <= bytes.size; i++)
            ck_assert_int_eq(buffer[i], 0xa5);
    }
    fails(CAE_ERR_ARGUMENT, cae_model_save_memory(buffer, bytes.size - 1, &written, model));
    assert_ok(context, cae_model_save_memory(buffer, bytes.size + 1, &written, model));
    ck_assert_uint_eq(written, bytes.size);
    ck_assert_int_eq(memcmp(buffer, bytes.data, bytes.size), 0);
    ck_assert_int_eq(buffer[bytes.size], 0xa5);
    free(buffer);
    bytes_free(&bytes);
    cae_model_destroy(model);
}
END_TEST

START_TEST(null_where_models_are_saved_and_loaded)
{
    cae_model *model = small_model(context, 1), *loaded = (void *)&heap;
    unsigned char byte;
    size_t written;

    ck_assert_int_eq(cae_model_save(NULL, "x"), CAE_ERR_ARGUMENT);
    fails(CAE_ERR_ARGUMENT, cae_model_save(model, NULL));
    ck_assert_int_eq(cae_model_save_memory(&byte, 1, &written, NULL), CAE_ERR_ARGUMENT);
    fails(CAE_ERR_ARGUMENT, cae_model_save_memory(&byte, 1, NULL, model));
    fails(CAE_ERR_ARGUMENT, cae_model_save_memory(NULL, 1, &written, model));
    ck_assert_int_eq(cae_model_load_weights(NULL, "x"), CAE_ERR_ARGUMENT);
    fails(CAE_ERR_ARGUMENT, cae_model_load_weights(model, NULL));

    fails(CAE_ERR_ARGUMENT, cae_model_load(NULL, context, "x"));
    fails(CAE_ERR_ARGUMENT, cae_model_load(&loaded, context, NULL));
    ck_assert_ptr_null(loaded);
    loaded = (void *)&heap;
    ck_assert_int_eq(cae_model_load(&loaded, NULL, "x"), CAE_ERR_ARGUMENT);
    ck_assert_ptr_null(loaded);
    fails(CAE_ERR_ARGUMENT, cae_model_load_memory(NULL, context, &byte, 1));
    loaded = (void *)&heap;
    fails(CAE_ERR_ARGUMENT, cae_model_load_memory(&loaded, context, NULL, 1));
    ck_assert_ptr_null(loaded);
    loaded = (void *)&heap;
    ck_assert_int_eq(cae_model_load_memory(&loaded, NULL, &byte, 1), CAE_ERR_ARGUMENT);
    ck_assert_ptr_null(loaded);
    fails(CAE_ERR_FORMAT, cae_model_load_memory(&loaded, context, &byte, 0));
    cae_model_destroy(model);
}
END_TEST

/* --- Damage ---------------------------------------------------------------------------------- */

static cae_status load_bytes(const void *data, size_t size)
{
    cae_model *model = (void *)&heap;
    const cae_status status = cae_model_load_memory(&model, context, data, size);

    if (status == CAE_OK) { /* then it is a model, and can be used as one */
        struct bytes bytes = model_bytes(model);

        bytes_free(&bytes);
        cae_model_destroy(model);
    } else {
        ck_assert_ptr_null(model);
    }
    return status;
}

/* A block of exactly the size, so that a byte too many is noticed by sanitizers and valgrind. */
static cae_status load_copy(const unsigned char *data, size_t size)
{
    unsigned char *copy = malloc(size ? size : 1);
    cae_status status;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, data, size);
    status = load_bytes(copy, size);
    free(copy);
    return status;
}

START_TEST(cut_off_at_any_byte)
{
    cae_model *model = pointwise_model(context, 1, 2);
    struct bytes bytes = model_bytes(model);

    assert_ok(context, load_copy(bytes.data, bytes.size));
    for (size_t size = 0; size < bytes.size; size++)
        fails(CAE_ERR_FORMAT, load_copy(bytes.data, size));
    bytes.data[bytes.size] = 0; /* there is room for one more */
    fails(CAE_ERR_FORMAT, load_copy(bytes.data, bytes.size + 1));
    bytes_free(&bytes);
    cae_model_destroy(model);
}
END_TEST

/* All bits of a byte, then each alone: a status or a model, within bounds and without leaks. */
START_TEST(any_byte_changed)
{
    cae_model *model = small_model(context, 1);
    struct bytes bytes = model_bytes(model);
    int loaded = 0, refused = 0;

    for (size_t at = 0; at < bytes.size; at++)
        for (int bit = -1; bit < 8; bit++) {
            const unsigned char change = (unsigned char)(bit < 0 ? 0xff : 1 << bit);
            cae_status status;

            bytes.data[at] ^= change;
            status = load_copy(bytes.data, bytes.size);
            bytes.data[at] ^= change;
            ck_assert(status == CAE_OK || status == CAE_ERR_FORMAT || status == CAE_ERR_NUMERIC);
            loaded += status == CAE_OK;
            refused += status != CAE_OK;
        }
    ck_assert_int_gt(loaded, 0); /* most changes of a weight */
    ck_assert_int_gt(refused, loaded); /* and hardly any of the header */
    ck_assert_uint_lt(heap.largest, 1 << 20);
    bytes_free(&bytes);
    cae_model_destroy(model);
}
END_TEST

/* --- The container's rules ----------------------------------------------------------------------
 *
 * Files with the weights of a model y = w x + b, as another program may have written them: no
 * architecture, so they go to cae_model_load_weights. Values are floats of 1, as many as `bytes` say.
 * The reference (safetensors 0.8.0) says the same of all of them, but takes names and keys that come
 * twice, zeros in texts and metadata of null; and it does not know this model. */

#define BIAS "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"
#define WEIGHT "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1],\"data_offsets\":[4,8]}"
#define BOTH BIAS "," WEIGHT
/* Both, and a third of an optimizer, which may be anything that the format allows. */
#define THIRD(dtype, shape, offsets)                                                               \
    "{" BOTH ",\"optim.x\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define ONLY(dtype, shape, offsets)                                                                \
    "{" BIAS ",\"0.weight\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

struct file {
    const char *what, *header;
    size_t bytes;
};

static const struct file good_files[] = {
    {"nothing else", "{" BOTH "}", 8},
    {"spaces behind", "{" BOTH "}      ", 8},
    {"white space behind", "{" BOTH "} \t\r\n", 8},
    {"white space in front", " \n\t\r{" BOTH "}", 8},
    {"white space within", "{ " BIAS " ,\n " WEIGHT " }", 8},
    {"the other order of names", "{" WEIGHT "," BIAS "}", 8},
    {"the other order of values",
     "{\"0.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]},"
     "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1],\"data_offsets\":[0,4]}}", 8},
    {"the other order of members",
     "{" BIAS ",\"0.weight\":{\"data_offsets\":[4,8],\"shape\":[1,1,1,1],\"dtype\":\"F32\"}}", 8},
    {"metadata", "{\"__metadata__\":{\"format\":\"pt\",\"a\":\"\"}," BOTH "}", 8},
    {"metadata at the end", "{" BOTH ",\"__metadata__\":{\"format\":\"pt\"}}", 8},
    {"empty metadata", "{\"__metadata__\":{}," BOTH "}", 8},
    {"text in UTF-8", "{\"__metadata__\":{\"\xc3\xa9\":\"\xf0\x9f\x98\x80 \\u00e9\"}," BOTH "}", 8},
    {"escapes in a name",
     "{" BIAS ",\"0.wei\\u0067ht\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1],\"data_offsets\":[4,8]}}",
     8},
    {"no elements", THIRD("F32", "[0]", "[8,8]"), 8},
    {"no elements, several extents", THIRD("F32", "[2,0,3]", "[8,8]"), 8},
    {"no elements, between others", THIRD("F32", "[0]", "[4,4]"), 8},
    {"no elements, at the start", THIRD("F32", "[0]", "[0,0]"), 8},
    {"a scalar", THIRD("F32", "[]", "[8,12]"), 12},
    {"bytes", THIRD("U8", "[3]", "[8,11]"), 11},
    {"halves", THIRD("F16", "[3]", "[8,14]"), 14},
    {"bfloats", THIRD("BF16", "[2,2]", "[8,16]"), 16},
    {"doubles", THIRD("F64", "[1]", "[8,16]"), 16},
    {"numbers of 4 bits", THIRD("F4", "[4]", "[8,10]"), 10},
    {"many extents", THIRD("I64", "[1,1,1,1,1,1,1,1,1,1]", "[8,16]"), 16},
};

static const struct file bad_files[] = {
    /* not the JSON it should be */
    {"no header", "", 0},
    {"spaces", "        ", 0},
    {"no JSON", "hello world", 0},
    {"an array", "[]", 0},
    {"a text", "\"text\"", 0},
    {"a number", "0", 0},
    {"null", "null", 0},
    {"an end missing", "{" BOTH, 8},
    {"two objects", "{" BOTH "}{}", 8},
    {"something behind", "{" BOTH "}x", 8},
    {"a comma too many", "{" BOTH ",}", 8},
    {"a comment", "{" BOTH "/* */}", 8},
    {"single quotes", "{'0.bias':1}", 8},
    {"UTF-8: a lone byte", "{\"__metadata__\":{\"a\":\"\xff\"}," BOTH "}", 8},
    {"UTF-8: cut off", "{\"__metadata__\":{\"a\":\"\xc3\"}," BOTH "}", 8},
    {"UTF-8: overlong", "{\"__metadata__\":{\"a\":\"\xc0\x80\"}," BOTH "}", 8},
    {"UTF-8: a surrogate", "{\"__metadata__\":{\"a\":\"\xed\xa0\x80\"}," BOTH "}", 8},
    {"UTF-8: beyond the last", "{\"__metadata__\":{\"a\":\"\xf4\x90\x80\x80\"}," BOTH "}", 8},
    {"UTF-8: in a name", "{\"0.\xff\":1," BOTH "}", 8},
    {"UTF-8: outside of texts", "{\xc3\xa9" BOTH "}", 8},
    {"a control character", "{\"__metadata__\":{\"a\":\"\n\"}," BOTH "}", 8},
    {"a byte order mark", "\xef\xbb\xbf{" BOTH "}", 8},
    {"a zero in a text", "{\"__metadata__\":{\"a\":\"\\u0000\"}," BOTH "}", 8},
    {"a zero in a name",
     "{" BOTH ",\"0.bias\\u0000x\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]}}", 8},

    /* names twice */
    {"a tensor twice", "{" BIAS "," BOTH "}", 8},
    {"a tensor twice, spelled in two ways",
     "{" BOTH ",\"0.\\u0062ias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8},
    {"metadata twice", "{\"__metadata__\":{},\"__metadata__\":{}," BOTH "}", 8},
    {"a key of the metadata twice", "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}," BOTH "}", 8},
    {"a shape twice", ONLY("\"F32\",\"shape\":[1]", "[1,1,1,1]", "[4,8]"), 8},

    /* metadata that is not of texts */
    {"metadata: a number", "{\"__metadata__\":{\"a\":1}," BOTH "}", 8},
    {"metadata: null", "{\"__metadata__\":{\"a\":null}," BOTH "}", 8},
    {"metadata: an object", "{\"__metadata__\":{\"a\":{}}," BOTH "}", 8},
    {"metadata: a truth", "{\"__metadata__\":{\"a\":true}," BOTH "}", 8},
    {"metadata is an array", "{\"__metadata__\":[]," BOTH "}", 8},
    {"metadata is a text", "{\"__metadata__\":\"pt\"," BOTH "}", 8},
    {"metadata is null", "{\"__metadata__\":null," BOTH "}", 8},

    /* values that do not fill the rest of the file */
    {"a hole", THIRD("F32", "[1]", "[12,16]"), 16},
    {"a hole at the start",
     "{\"0.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]},"
     "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1],\"data_offsets\":[8,12]}}", 12},
    {"a hole before nothing", THIRD("F32", "[0]", "[9,9]"), 9},
    {"nothing within another", THIRD("F32", "[0]", "[6,6]"), 8},
    {"an overlap", ONLY("\"F32\"", "[1,1,1,1]", "[2,6]"), 6},
    {"the same values", ONLY("\"F32\"", "[1,1,1,1]", "[0,4]"), 4},
    {"a byte too many", "{" BOTH "}", 9},
    {"a byte too few", "{" BOTH "}", 7},
    {"no values", "{" BOTH "}", 0},
    {"nothing but values", "{}", 8},
    {"the end before the beginning", ONLY("\"F32\"", "[1,1,1,1]", "[8,4]"), 8},
    {"an end beyond the file", THIRD("F32", "[1000]", "[8,4008]"), 8},
    {"an end beyond any file", THIRD("U8", "[9223372036854775799]", "[8,9223372036854775807]"), 8},

    /* shapes of another size */
    {"a shape too large", ONLY("\"F32\"", "[2,1,1,1]", "[4,8]"), 8},
    {"a shape too small", THIRD("F32", "[1]", "[8,16]"), 16},
    {"a shape of nothing", THIRD("F32", "[0]", "[8,12]"), 12},
    {"a shape beyond 64 bits", THIRD("F32", "[2,18446744073709551614]", "[8,8]"), 8},
    {"a product beyond 64 bits", THIRD("F32", "[2,9223372036854775807]", "[8,8]"), 8},
    {"a product of 2^64", THIRD("U8", "[4294967296,4294967296]", "[8,8]"), 8},
    {"a product of 2^64 + 4", THIRD("U8", "[2147483649,8589934588]", "[8,12]"), 12},
    {"2^64 bytes", THIRD("F32", "[4611686018427387904]", "[8,8]"), 8},
    {"2^64 bits", THIRD("U8", "[2305843009213693952]", "[8,8]"), 8},
    {"half a byte", THIRD("F4", "[1]", "[8,9]"), 9},
    {"half a byte and no room", THIRD("F4", "[1]", "[8,8]"), 8},

    /* numbers that are no sizes */
    {"a negative extent", ONLY("\"F32\"", "[-1,1,1,1]", "[4,8]"), 8},
    {"two negative extents", ONLY("\"F32\"", "[-1,-1,1,1]", "[4,8]"), 8},
    {"a negative extent beside 0", THIRD("F32", "[0,-1]", "[8,8]"), 8},
    {"minus zero", THIRD("F32", "[-0.0]", "[8,8]"), 8},
    {"a fractional extent", ONLY("\"F32\"", "[1.0,1,1,1]", "[4,8]"), 8},
    {"an extent with an exponent", ONLY("\"F32\"", "[1e0,1,1,1]", "[4,8]"), 8},
    {"an extent in quotes", ONLY("\"F32\"", "[\"1\",1,1,1]", "[4,8]"), 8},
    {"an extent of null", ONLY("\"F32\"", "[null,1,1,1]", "[4,8]"), 8},
    {"an extent of true", ONLY("\"F32\"", "[true,1,1,1]", "[4,8]"), 8},
    {"a shape within a shape", ONLY("\"F32\"", "[[1],1,1,1]", "[4,8]"), 8},
    {"a negative offset", ONLY("\"F32\"", "[1,1,1,1]", "[-4,0]"), 8},
    {"a fractional offset", ONLY("\"F32\"", "[1,1,1,1]", "[4.0,8.0]"), 8},
    {"an offset beyond 64 bits",
     ONLY("\"F32\"", "[1,1,1,1]", "[18446744073709551620,18446744073709551624]"), 8},
    {"one offset", ONLY("\"F32\"", "[1,1,1,1]", "[4]"), 8},
    {"three offsets", ONLY("\"F32\"", "[1,1,1,1]", "[4,8,12]"), 8},
    {"offsets that are no array", ONLY("\"F32\"", "[1,1,1,1]", "{\"4\":8}"), 8},
    {"a shape that is no array", ONLY("\"F32\"", "1", "[4,8]"), 8},

    /* entries with something missing or strange */
    {"no dtype", "{" BIAS ",\"0.weight\":{\"shape\":[1,1,1,1],\"data_offsets\":[4,8]}}", 8},
    {"no shape", "{" BIAS ",\"0.weight\":{\"dtype\":\"F32\",\"data_offsets\":[4,8]}}", 8},
    {"no offsets", "{" BIAS ",\"0.weight\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1]}}", 8},
    {"an entry that is a number", "{" BOTH ",\"optim.x\":1}", 8},
    {"an entry that is null", "{" BOTH ",\"optim.x\":null}", 8},
    {"an entry that is an array", "{" BOTH ",\"optim.x\":[]}", 8},
    {"a type that does not exist", THIRD("F31", "[1]", "[8,12]"), 12},
    {"a type in lower case", THIRD("f32", "[1]", "[8,12]"), 12},
    {"a type of no letters", THIRD("", "[1]", "[8,12]"), 12},
    {"a type that is a number", ONLY("32", "[1,1,1,1]", "[4,8]"), 8},

    /* not this model's tensors */
    {"no weight", "{" BIAS "}", 4},
    {"no tensors", "{}", 0},
    {"a stranger",
     "{" BOTH ",\"1.weight\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}", 12},
    {"a stranger of no size",
     "{" BOTH ",\"0.weights\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]}}", 8},
    {"a name that ends early",
     "{" BOTH ",\"opti\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]}}", 8},
    {"half precision", ONLY("\"F16\"", "[1,1,1,1]", "[4,6]"), 6},
    {"bfloat", ONLY("\"BF16\"", "[1,1,1,1]", "[4,6]"), 6},
    {"double precision", ONLY("\"F64\"", "[1,1,1,1]", "[4,12]"), 12},
    {"integers", ONLY("\"I32\"", "[1,1,1,1]", "[4,8]"), 8},
    {"fewer extents", ONLY("\"F32\"", "[1,1,1]", "[4,8]"), 8},
    {"more extents", ONLY("\"F32\"", "[1,1,1,1,1]", "[4,8]"), 8},
    {"no extents", ONLY("\"F32\"", "[]", "[4,8]"), 8},
    {"other extents", ONLY("\"F32\"", "[1,1,2,1]", "[4,12]"), 12},
    {"a weight of nothing", ONLY("\"F32\"", "[1,0,1,1]", "[4,4]"), 4},
};

static struct bytes file_of(const struct file *file)
{
    float values[16];

    for (int i = 0; i < 16; i++)
        values[i] = 1;
    little_endian(values, 16, sizeof values[0]);
    return safetensors(file->header, strlen(file->header), values, file->bytes);
}

/* Weights from these bytes into a model of 2 and 3; refused or not, it is all or nothing. */
static cae_status load_weights(struct bytes file)
{
    const char *path = in_directory("state-dict");
    cae_model *model = pointwise_model(context, 2, 3);
    cae_status status;
    float weight, bias;

    write_file(path, file.data, file.size);
    status = cae_model_load_weights(model, path);
    assert_ok(context, cae_model_get_tensor(&weight, 1, model, "0.weight"));
    assert_ok(context, cae_model_get_tensor(&bias, 1, model, "0.bias"));
    if (status == CAE_OK)
        ck_assert(weight == 1 && bias == 1);
    else
        ck_assert(weight == 2 && bias == 3);
    cae_model_destroy(model);
    return status;
}

START_TEST(files_that_keep_the_rules)
{
    struct bytes file = file_of(&good_files[_i]);

    ck_assert_msg(load_weights(file) == CAE_OK, "%s: %s", good_files[_i].what,
                  cae_context_error(context));
    bytes_free(&file);
}
END_TEST

START_TEST(files_that_break_a_rule)
{
    const struct file *bad = &bad_files[_i];
    struct bytes file = file_of(bad);
    cae_status status = load_weights(file);

    ck_assert_msg(status == CAE_ERR_FORMAT, "%s: %s", bad->what, cae_status_string(status));
    assert_says(context, "state-dict"); /* the file, and more than that */
    ck_assert_uint_gt(strlen(cae_context_error(context)), strlen(in_directory("state-dict")) + 10);

    /* The same container from memory, where an architecture is asked for as well. */
    fails(CAE_ERR_FORMAT, load_copy(file.data, file.size));
    bytes_free(&file);
}
END_TEST

/* The header's length, in front of a file that is otherwise fine. */
static const uint64_t bad_lengths[] = {
    0, 1, 100, 1000000, 100000000, 100000001, UINT32_MAX, INT64_MAX, (uint64_t)1 << 63,
    UINT64_MAX - 7, UINT64_MAX};

START_TEST(header_lengths_that_cannot_be)
{
    struct bytes file = file_of(&good_files[0]);

    for (int i = 0; i < 8; i++)
        file.data[i] = (unsigned char)(bad_lengths[_i] >> 8 * i);
    ck_assert_int_eq(load_weights(file), CAE_ERR_FORMAT);
    bytes_free(&file);
}
END_TEST

START_TEST(files_without_room_for_a_header)
{
    for (size_t size = 0; size < 8; size++) {
        struct bytes file = file_of(&good_files[0]);

        file.size = size;
        ck_assert_int_eq(load_weights(file), CAE_ERR_FORMAT);
        assert_says(context, "bytes");
        bytes_free(&file);
    }
}
END_TEST

/* A zero byte is no white space, though it ends a C string. */
START_TEST(zero_bytes_in_the_header)
{
    struct bytes file = file_of(&good_files[1]); /* spaces behind */
    const size_t end = 8 + header_size(file);

    file.data[end - 1] = '\0';
    ck_assert_int_eq(load_weights(file), CAE_ERR_FORMAT);
    file.data[end - 1] = ' ';
    ck_assert_int_eq(load_weights(file), CAE_OK);
    file.data[20] = '\0';
    ck_assert_int_eq(load_weights(file), CAE_ERR_FORMAT);
    bytes_free(&file);
}
END_TEST

static const uint32_t not_finite[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0x7f800000, 0xff800000};

START_TEST(values_that_are_not_finite)
{
    static const char *const names[] = {"0.weight", "0.bias"}; /* from the end of the file */

    for (size_t which = 0; which < 2; which++) {
        struct bytes file = file_of(&good_files[0]);
        unsigned char *value = file.data + file.size - 4 * (which + 1);

        for (int i = 0; i < 4; i++)
            value[i] = (unsigned char)(not_finite[_i] >> 8 * i);
        ck_assert_int_eq(load_weights(file), CAE_ERR_NUMERIC);
        assert_says(context, names[which]);
        bytes_free(&file);
    }
}
END_TEST

/* A million brackets must not take a million stack frames. */
START_TEST(nesting_without_end)
{
    enum { DEPTH = 1000000 };
    static const char *const opens[] = {"[", "{\"a\":"};

    for (int i = 0; i < 2; i++) {
        const size_t unit = strlen(opens[i]);
        char *header = malloc(DEPTH * unit);
        struct bytes file;

        ck_assert_ptr_nonnull(header);
        for (size_t k = 0; k < DEPTH; k++)
            memcpy(header + k * unit, opens[i], unit);
        file = safetensors(header, DEPTH * unit, NULL, 0);
        fails(CAE_ERR_FORMAT, load_copy(file.data, file.size));
        bytes_free(&file);
        free(header);
    }
}
END_TEST

/* Many tensors take time in proportion, not its square: 20,000 of no size. */
START_TEST(many_tensors)
{
    enum { MANY = 20000 };
    char *header = malloc(MANY * 80 + 1000), *at = header;
    float ones[2] = {1, 1};
    struct bytes file;

    little_endian(ones, 2, sizeof ones[0]);
    ck_assert_ptr_nonnull(header);
    at += sprintf(at, "{" BOTH);
    for (int i = 0; i < MANY; i++)
        at += sprintf(at, ",\"optim.%d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]}",
                      i);
    at += sprintf(at, "}");
    file = safetensors(header, (size_t)(at - header), ones, sizeof ones);
    ck_assert_int_eq(load_weights(file), CAE_OK);
    bytes_free(&file);
    free(header);
}
END_TEST

/* --- Architectures that lie ---------------------------------------------------------------------
 *
 * The small model's file with its architecture edited. The JSON is a text within JSON, so its quotes
 * come escaped. What it says must be refused before memory is taken for it. */

#define Q "\\\""
#define RELU Q "activation" Q ":" Q "relu" Q
#define LEAKY Q "activation" Q ":" Q "leaky_relu" Q "," Q "slope_bits" Q ":"

static const struct {
    const char *from, *to;
} lies[] = {
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":1," Q "out" Q ":3"},
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":2," Q "out" Q ":2"},
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":1," Q "out" Q ":1048576"},
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":1048576," Q "out" Q ":1048576"},
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":1," Q "out" Q ":2147483647"},
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":1," Q "out" Q ":4294967298"}, /* 2 in 32 bits */
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":-4294967295," Q "out" Q ":2"},
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":1," Q "out" Q ":9223372036854775807"},
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":1," Q "out" Q ":18446744073709551618"},
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":0," Q "out" Q ":2"},
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":-1," Q "out" Q ":2"},
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":1.0," Q "out" Q ":2"},
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":" Q "1" Q "," Q "out" Q ":2"},
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":1"},
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":1," Q "in" Q ":1," Q "out" Q ":2"},
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":1," Q "out" Q ":2," Q "groups" Q ":1"},
    {Q "out" Q ":2," Q "kernel" Q ":[3,3]", Q "out" Q ":2," Q "kernel" Q ":[3,4]"},
    {Q "out" Q ":2," Q "kernel" Q ":[3,3]", Q "out" Q ":2," Q "kernel" Q ":[1024,1024]"},
    {Q "out" Q ":2," Q "kernel" Q ":[3,3]", Q "out" Q ":2," Q "kernel" Q ":[4294967299,3]"},
    {Q "out" Q ":2," Q "kernel" Q ":[3,3]", Q "out" Q ":2," Q "kernel" Q ":[3]"},
    {Q "out" Q ":2," Q "kernel" Q ":[3,3]", Q "out" Q ":2," Q "kernel" Q ":[3,3,3]"},
    {Q "out" Q ":2," Q "kernel" Q ":[3,3]", Q "out" Q ":2," Q "kernel" Q ":3"},
    {Q "out" Q ":2," Q "kernel" Q ":[3,3]," Q "stride" Q ":[1,1]",
     Q "out" Q ":2," Q "kernel" Q ":[3,3]," Q "stride" Q ":[0,1]"},
    {Q "out" Q ":2," Q "kernel" Q ":[3,3]," Q "stride" Q ":[1,1]",
     Q "out" Q ":2," Q "kernel" Q ":[3,3]," Q "stride" Q ":[4294967297,1]"},
    {Q "activation" Q ":" Q "relu" Q, Q "activation" Q ":" Q "gelu" Q},
    {Q "activation" Q ":" Q "relu" Q, Q "activation" Q ":1"},
    {Q "activation" Q ":" Q "relu" Q, Q "activation" Q ":" Q "leaky_relu" Q},
    {RELU, LEAKY "0.01"},
    {RELU, LEAKY "-1"},
    {RELU, LEAKY "4294967296"},
    {RELU, LEAKY "3184315597"}, /* -0.1 */
    {RELU, LEAKY "2139095040"}, /* infinity */
    {RELU, LEAKY "2143289344"}, /* NaN */
    {RELU, LEAKY Q "0" Q},
    {RELU, RELU "," Q "slope_bits" Q ":0"},
    {RELU, RELU "," Q "slope" Q ":0.01"},
    {Q "bias" Q ":true," Q "activation" Q ":" Q "relu" Q,
     Q "bias" Q ":1," Q "activation" Q ":" Q "relu" Q},
    {Q "bias" Q ":true," Q "activation" Q ":" Q "relu" Q,
     Q "bias" Q ":false," Q "activation" Q ":" Q "relu" Q},
    {Q "type" Q ":" Q "conv" Q, Q "type" Q ":" Q "pool" Q},
    {Q "type" Q ":" Q "conv" Q, Q "type" Q ":" Q "conv_transpose" Q},
    {Q "version" Q ":1", Q "version" Q ":2"},
    {Q "version" Q ":1", Q "version" Q ":0"},
    {Q "version" Q ":1", Q "version" Q ":-1"},
    {Q "version" Q ":1", Q "version" Q ":" Q "1" Q},
    {Q "version" Q ":1,", ""},
    {Q "encoder_layers" Q ":1", Q "encoder_layers" Q ":0"},
    {Q "encoder_layers" Q ":1", Q "encoder_layers" Q ":3"},
    {Q "encoder_layers" Q ":1", Q "encoder_layers" Q ":-1"},
    {Q "encoder_layers" Q ":1", Q "encoder_layers" Q ":4294967297"},
    {Q "encoder_layers" Q ":1", Q "encoder_layers" Q ":1.0"},
    {Q "encoder_layers" Q ":1,", ""},
    {Q "encoder_layers" Q ":1,", Q "encoder_layers" Q ":1," Q "latent" Q ":1,"},
    {Q "encoder_layers" Q ":1," Q "layers" Q ":[",
     Q "encoder_layers" Q ":1," Q "layers" Q ":[],{" Q "x" Q ":["},
    {Q "layers" Q ":[", Q "layers" Q ":[null,"},
    {Q "layers" Q ":[", Q "layers" Q ":[7,"},
    {"\"libcae.architecture\":\"", "\"libcae.architecture\":\"x"},
    {"\"libcae.architecture\":\"", "\"libcae.architecture\":\"\",\"libcae.other\":\""},
    {"\"libcae.architecture\":\"", "\"libcae.architecture\":\"null\",\"libcae.other\":\""},
    {"\"libcae.architecture\":\"", "\"libcae.architecture\":\"[]\",\"libcae.other\":\""},
    {"\"libcae.architecture\":\"", "\"libcae.architecture\":\"{}\",\"libcae.other\":\""},
    {"libcae.architecture", "libcae.architectures"},
};

START_TEST(architectures_that_lie)
{
    cae_model *model = small_model(context, 1);
    struct bytes file = model_bytes(model), lie = edited(file, lies[_i].from, lies[_i].to);

    fails(CAE_ERR_FORMAT, load_copy(lie.data, lie.size));
    ck_assert_uint_lt(heap.largest, 1 << 20); /* nothing was taken for it */
    bytes_free(&file);
    bytes_free(&lie);
    cae_model_destroy(model);
}
END_TEST

/* The same of a residual model: what only version 2 says, and what cannot be added. */
static const struct {
    const char *from, *to, *says;
} residual_lies[] = {
    {Q "version" Q ":2", Q "version" Q ":1", "version 1 with a residual connection, expected 2"},
    {Q "version" Q ":2", Q "version" Q ":3", "is of version 3, this library reads up to 2"},
    {Q "residual" Q ":true,", "", "version 2 without a residual connection, expected 1"},
    {Q "residual" Q ":true", Q "residual" Q ":false", "version 2 without a residual connection"},
    {Q "residual" Q ":true", Q "residual" Q ":1", "residual"},
    {Q "residual" Q ":true", Q "residual" Q ":null", "residual"},
    {Q "residual" Q ":true", Q "residual" Q ":true," Q "residual" Q ":true", "twice"},
    {Q "activation" Q ":" Q "none" Q, Q "activation" Q ":" Q "tanh" Q, "CAE_ACTIVATION_NONE"},
    {Q "in" Q ":1," Q "out" Q ":2", Q "in" Q ":3," Q "out" Q ":2", "adds the input's 3 channels to the 1"},
    {Q "in" Q ":2," Q "out" Q ":1", Q "in" Q ":2," Q "out" Q ":4", "adds the input's 1 channels to the 4"},
};

START_TEST(residual_architectures_that_lie)
{
    cae_model *model = residual_model();
    struct bytes file = model_bytes(model);
    struct bytes lie = edited(file, residual_lies[_i].from, residual_lies[_i].to);

    fails(CAE_ERR_FORMAT, load_copy(lie.data, lie.size));
    assert_says(context, residual_lies[_i].says);
    bytes_free(&file);
    bytes_free(&lie);
    cae_model_destroy(model);
}
END_TEST

/* Version 2 is for residual models only: others are as 1.0.0 wrote and reads them. */
START_TEST(versions_of_architectures)
{
    for (int i = 0; i < MODELS; i++) {
        cae_model *model = model_number(i);
        struct bytes bytes = model_bytes(model);
        const int32_t residual = cae_model_residual(model);
        cae_model *again = NULL;

        bytes.data[bytes.size] = 0;
        ck_assert_int_eq(residual, i == 4);
        ck_assert_ptr_nonnull(strstr((char *)bytes.data + 8, residual ? Q "version" Q ":2," : Q "version" Q ":1,"));
        ck_assert((strstr((char *)bytes.data + 8, "residual") != NULL) == residual);
        assert_ok(context, cae_model_load_memory(&again, context, bytes.data, bytes.size));
        ck_assert_int_eq(cae_model_residual(again), residual);
        cae_model_destroy(again);
        cae_model_destroy(model);
        bytes_free(&bytes);
    }
}
END_TEST

/* The same kind of edit, and the truth: so it is the lie that is refused, and not the edit. */
START_TEST(an_architecture_that_was_edited_well)
{
    cae_model *model = small_model(context, 1);
    struct bytes file = model_bytes(model), leaky = edited(file, RELU, LEAKY "1008981770"); /* 0.01 */
    struct bytes spaced = edited(file, Q "version" Q ":1", " " Q "version" Q " : 1 ");

    assert_ok(context, load_copy(leaky.data, leaky.size));
    assert_ok(context, load_copy(spaced.data, spaced.size));
    bytes_free(&file);
    bytes_free(&leaky);
    bytes_free(&spaced);
    cae_model_destroy(model);
}
END_TEST

/* Sizes that agree with each other, 2 x 9 M parameters, and a file that has 39. */
START_TEST(an_architecture_larger_than_the_file)
{
    cae_model *model = small_model(context, 1);
    struct bytes file = model_bytes(model);
    struct bytes half = edited(file, Q "in" Q ":1," Q "out" Q ":2",
                               Q "in" Q ":1," Q "out" Q ":1048576");
    struct bytes lie = edited(half, Q "in" Q ":2," Q "out" Q ":1",
                              Q "in" Q ":1048576," Q "out" Q ":1");

    fails(CAE_ERR_FORMAT, load_copy(lie.data, lie.size));
    assert_says(context, "parameters");
    ck_assert_uint_lt(heap.largest, 1 << 20);
    bytes_free(&file);
    bytes_free(&half);
    bytes_free(&lie);
    cae_model_destroy(model);
}
END_TEST

/* More layers than the file has values: 20,000, each with two parameters. */
START_TEST(an_architecture_of_many_layers)
{
    static const char layer[] = "{" Q "type" Q ":" Q "conv" Q "," Q "in" Q ":1," Q "out" Q ":1,"
        Q "kernel" Q ":[1,1]," Q "stride" Q ":[1,1]," Q "padding" Q ":[0,0]," Q "dilation" Q
        ":[1,1]," Q "output_padding" Q ":[0,0]," Q "bias" Q ":true," Q "activation" Q ":" Q "none" Q
        "},";
    enum { LAYERS = 20000 };
    char *text = malloc(LAYERS * sizeof layer + 100), *at = text;
    cae_model *model = small_model(context, 1);
    struct bytes file = model_bytes(model), lie;

    ck_assert_ptr_nonnull(text);
    at += sprintf(at, Q "layers" Q ":[");
    for (int i = 0; i < LAYERS; i++)
        at += sprintf(at, "%s", layer);
    lie = edited(file, Q "layers" Q ":[", text);
    fails(CAE_ERR_FORMAT, load_copy(lie.data, lie.size));
    ck_assert_uint_le(heap.largest, lie.size); /* the text itself, nothing for the layers */
    free(text);
    bytes_free(&file);
    bytes_free(&lie);
    cae_model_destroy(model);
}
END_TEST

START_TEST(a_state_dict_needs_a_model)
{
    struct bytes file = file_of(&good_files[0]);

    fails(CAE_ERR_FORMAT, load_copy(file.data, file.size));
    assert_says(context, "cae_model_load_weights");
    bytes_free(&file);
}
END_TEST

/* --- Paths ----------------------------------------------------------------------------------- */

/* Names in a directory, so that a forgotten temporary file shows. */
static int entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;

    ck_assert_ptr_nonnull(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    return count;
}

static const char *new_directory(const char *name)
{
    const char *path = in_directory(name);

    ck_assert_int_eq(mkdir(path, 0755), 0);
    return path;
}

static void check_unreadable(cae_status expected, const char *path, const char *says)
{
    cae_model *model = small_model(context, 1), *loaded = (void *)&heap;
    struct bytes before = model_bytes(model), after;

    fails(expected, cae_model_load(&loaded, context, path));
    assert_says(context, path);
    assert_says(context, says);
    ck_assert_ptr_null(loaded);
    fails(expected, cae_model_load_weights(model, path));
    assert_says(context, path);
    after = model_bytes(model);
    assert_same_bytes(before, after, "after nothing could be read");
    bytes_free(&before);
    bytes_free(&after);
    cae_model_destroy(model);
}

START_TEST(paths_that_cannot_be_read)
{
    const char *empty = in_directory("empty"), *text = in_directory("text");
    const char *fifo = in_directory("fifo"), *loop = in_directory("loop");

    check_unreadable(CAE_ERR_IO, in_directory("missing"), strerror(ENOENT));
    check_unreadable(CAE_ERR_IO, in_directory("missing/model"), strerror(ENOENT));
    check_unreadable(CAE_ERR_IO, "", strerror(ENOENT));
    check_unreadable(CAE_ERR_IO, test_directory, "not a regular file");
    check_unreadable(CAE_ERR_IO, "/dev/null", "not a regular file");
    write_file(empty, "", 0);
    check_unreadable(CAE_ERR_FORMAT, empty, "0 bytes");
    write_file(text, "this is a text, and no model\n", 29);
    check_unreadable(CAE_ERR_FORMAT, text, "not a safetensors file");
    check_unreadable(CAE_ERR_IO, in_directory("text/model"), strerror(ENOTDIR));
    ck_assert_int_eq(symlink(loop, loop), 0);
    check_unreadable(CAE_ERR_IO, loop, strerror(ELOOP));

    alarm(20); /* nobody writes to it: opening must not wait */
    ck_assert_int_eq(mkfifo(fifo, 0644), 0);
    check_unreadable(CAE_ERR_IO, fifo, "not a regular file");
    alarm(0);
}
END_TEST

/* Without a disk to hold it: a terabyte of nothing, behind a header or not. */
START_TEST(a_file_larger_than_memory)
{
    const char *path = in_directory("large");
    cae_model *model = NULL;
    cae_status status;

    write_file(path, "", 0);
    if (truncate(path, (off_t)1 << 40) != 0)
        return; /* not on this file system */
    status = cae_model_load(&model, context, path);
    ck_assert(status == CAE_ERR_MEMORY || status == CAE_ERR_FORMAT || status == CAE_ERR_IO);
    ck_assert_ptr_null(model);
    ck_assert_int_eq(truncate(path, 0), 0);
}
END_TEST

/* Saving fails, the text names the path, nothing appears in `directory` and nothing goes. */
static void check_unwritable(const char *path, const char *directory, const char *says)
{
    const int before = entries(directory);
    cae_model *model = small_model(context, 1);

    fails(CAE_ERR_IO, cae_model_save(model, path));
    assert_says(context, path);
    assert_says(context, says);
    ck_assert_int_eq(entries(directory), before);
    cae_model_destroy(model);
}

START_TEST(paths_that_cannot_be_written)
{
    const char *directory = new_directory("targets"), *fifo = in_directory("targets/fifo");
    const char *file = in_directory("targets/file");

    write_file(file, "text", 4);
    check_unwritable(in_directory("targets/missing/model"), directory, strerror(ENOENT));
    check_unwritable(in_directory("targets/file/model"), directory, strerror(ENOTDIR));
    check_unwritable(directory, test_directory, "not a regular file");
    check_unwritable("", ".", strerror(ENOENT));
    check_unwritable("/dev/null", directory, "not a regular file");
    check_unwritable("/dev/full", directory, "not a regular file");
    alarm(20);
    ck_assert_int_eq(mkfifo(fifo, 0644), 0);
    check_unwritable(fifo, directory, "not a regular file");
    alarm(0);
}
END_TEST

/* root writes everywhere: be nobody for a while. */
START_TEST(a_directory_that_may_not_be_written)
{
    const char *directory = new_directory("read-only"), *path = in_directory("read-only/model");
    const uid_t user = geteuid();

    write_file(path, "old", 3);
    ck_assert_int_eq(chmod(directory, 0555), 0);
    ck_assert_int_eq(chmod(test_directory, 0755), 0);
    if (user != 0 || seteuid(65534) == 0) {
        check_unwritable(path, directory, strerror(EACCES));
        ck_assert_int_eq(seteuid(user), 0);
    }
    ck_assert_int_eq(chmod(directory, 0755), 0);
}
END_TEST

static void assert_file_is(const char *path, const char *text)
{
    struct bytes bytes = file_bytes(path);

    ck_assert_uint_eq(bytes.size, strlen(text));
    ck_assert_int_eq(memcmp(bytes.data, text, bytes.size), 0);
    bytes_free(&bytes);
}

/* A limit of 1000 bytes a file is a disk that fills up half-way through; the model takes 7 kB. */
START_TEST(a_file_that_may_not_grow)
{
    const char *directory = new_directory("limited"), *path = in_directory("limited/model");
    cae_model *model = reference();
    struct rlimit before, limited;
    cae_status created, replaced;

    getrlimit(RLIMIT_FSIZE, &before);
    limited = before;
    limited.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN); /* then write() fails instead */
    setrlimit(RLIMIT_FSIZE, &limited);
    created = cae_model_save(model, path);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_fails(context, CAE_ERR_IO, created);
    assert_says(context, strerror(EFBIG));
    ck_assert_int_eq(entries(directory), 0);

    write_file(path, "what was there", 14);
    setrlimit(RLIMIT_FSIZE, &limited);
    replaced = cae_model_save(model, path);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_fails(context, CAE_ERR_IO, replaced);
    assert_file_is(path, "what was there");
    ck_assert_int_eq(entries(directory), 1);

    assert_ok(context, cae_model_save(model, path)); /* there is room again */
    cae_model_destroy(model);
}
END_TEST

/* The real thing, where this process may mount: a file system of one page. */
START_TEST(a_disk_that_is_full)
{
    const char *directory = new_directory("full"), *path = in_directory("full/model");
    cae_model *model = reference();

    if (mount("cae-test", directory, "tmpfs", 0, "size=4k") == 0) {
        const cae_status status = cae_model_save(model, path);
        const int left = entries(directory);

        ck_assert_int_eq(umount(directory), 0);
        assert_fails(context, CAE_ERR_IO, status);
        assert_says(context, strerror(ENOSPC));
        ck_assert_int_eq(left, 0);
    }
    cae_model_destroy(model);
}
END_TEST

static int mode_of(const char *path)
{
    struct stat info;

    ck_assert_int_eq(stat(path, &info), 0);
    return (int)(info.st_mode & 07777);
}

/* As if open() had made it: others see what the umask lets them see. */
START_TEST(a_new_file_has_the_mode_of_any_new_file)
{
    const mode_t masks[] = {022, 077, 002, 027};
    const char *path = in_directory("new");
    cae_model *model = small_model(context, 1);
    const mode_t before = umask(0);

    for (int i = 0; i < COUNT(masks); i++) {
        cae_status status;

        umask(masks[i]);
        status = cae_model_save(model, path);
        umask(before);
        assert_ok(context, status);
        ck_assert_int_eq(mode_of(path), 0666 & ~(int)masks[i]);
        ck_assert_int_eq(unlink(path), 0);
    }
    cae_model_destroy(model);
}
END_TEST

START_TEST(a_replaced_file_keeps_its_mode)
{
    const mode_t modes[] = {0600, 0640, 0664, 0444, 0755};
    const char *directory = new_directory("modes"), *path = in_directory("modes/model");
    cae_model *model = small_model(context, 1), *loaded = NULL;

    for (int i = 0; i < COUNT(modes); i++) {
        write_file(path, "old", 3);
        ck_assert_int_eq(chmod(path, modes[i]), 0);
        assert_ok(context, cae_model_save(model, path));
        ck_assert_int_eq(mode_of(path), (int)modes[i]);
        ck_assert_int_eq(entries(directory), 1);
        ck_assert_int_eq(unlink(path), 0);
    }
    assert_ok(context, cae_model_save(model, path));
    assert_ok(context, cae_model_save(model, path)); /* onto itself */
    assert_ok(context, cae_model_load(&loaded, context, path));
    ck_assert_int_eq(entries(directory), 1);
    cae_model_destroy(loaded);
    cae_model_destroy(model);
}
END_TEST

/* Someone who has the old file open, or mapped, keeps the old file. */
START_TEST(a_replaced_file_is_not_written_into)
{
    const char *path = in_directory("open");
    cae_model *model = small_model(context, 1);
    char text[4] = {0};
    int descriptor;

    write_file(path, "old", 3);
    descriptor = open(path, O_RDONLY);
    ck_assert_int_ge(descriptor, 0);
    assert_ok(context, cae_model_save(model, path));
    ck_assert_int_eq(read(descriptor, text, sizeof text), 3);
    ck_assert_str_eq(text, "old");
    close(descriptor);
    cae_model_destroy(model);
}
END_TEST

/* A link is a name for its target: the target is replaced, wherever it lies, and the link stays. */
START_TEST(saving_through_a_link)
{
    const char *near = new_directory("near"), *far = new_directory("far");
    const char *link = in_directory("near/link"), *chain = in_directory("near/chain");
    const char *target = in_directory("far/model");
    cae_model *model = small_model(context, 1), *loaded = NULL;
    struct bytes expected = model_bytes(model), found;
    struct stat info;

    write_file(target, "old", 3);
    ck_assert_int_eq(chmod(target, 0640), 0);
    ck_assert_int_eq(symlink("../far/model", link), 0);
    ck_assert_int_eq(symlink("link", chain), 0);
    assert_ok(context, cae_model_save(model, chain));
    ck_assert_int_eq(lstat(link, &info), 0);
    ck_assert(S_ISLNK(info.st_mode));
    found = file_bytes(target);
    assert_same_bytes(found, expected, "the target of a link to a link");
    ck_assert_int_eq(mode_of(target), 0640);
    ck_assert_int_eq(entries(near), 2);
    ck_assert_int_eq(entries(far), 1);
    assert_ok(context, cae_model_load(&loaded, context, chain));

    ck_assert_int_eq(unlink(target), 0); /* now it leads nowhere */
    fails(CAE_ERR_IO, cae_model_save(model, link));
    assert_says(context, link);
    ck_assert_int_eq(entries(near), 2);
    ck_assert_int_eq(entries(far), 0);
    bytes_free(&expected);
    bytes_free(&found);
    cae_model_destroy(loaded);
    cae_model_destroy(model);
}
END_TEST

/* The longest name that a file system takes is a name to save to. */
START_TEST(a_name_of_255_bytes)
{
    char path[400];
    cae_model *model = small_model(context, 1), *loaded = NULL;
    const size_t start = (size_t)snprintf(path, sizeof path, "%s/", test_directory);

    memset(path + start, 'x', 255);
    path[start + 255] = '\0';
    assert_ok(context, cae_model_save(model, path));
    assert_ok(context, cae_model_save(model, path));
    assert_ok(context, cae_model_load(&loaded, context, path));
    cae_model_destroy(loaded);
    cae_model_destroy(model);
}
END_TEST

START_TEST(relative_paths)
{
    cae_model *model = small_model(context, 1), *loaded = NULL;
    char *before = getcwd(NULL, 0);

    ck_assert_ptr_nonnull(before);
    new_directory("here");
    ck_assert_int_eq(chdir(in_directory("here")), 0);
    assert_ok(context, cae_model_save(model, "model"));
    assert_ok(context, cae_model_save(model, "./model"));
    assert_ok(context, cae_model_load(&loaded, context, "../here/model"));
    ck_assert_int_eq(entries("."), 1);
    ck_assert_int_eq(chdir(before), 0);
    free(before);
    cae_model_destroy(loaded);
    cae_model_destroy(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("files");
    TCase *round_trip = tcase_create("round trip");
    TCase *damage = tcase_create("damage");
    TCase *rules = tcase_create("rules");
    TCase *paths = tcase_create("paths");

    tcase_add_unchecked_fixture(round_trip, directory_setup, directory_teardown);
    tcase_add_checked_fixture(round_trip, setup, teardown);
    tcase_add_loop_test(round_trip, a_model_comes_back_bit_for_bit, 0, MODELS);
    tcase_add_test(round_trip, weights_go_into_a_model_that_is_there);
    tcase_add_test(round_trip, every_float_survives);
    tcase_add_test(round_trip, files_of_after_2038_are_read);
    tcase_add_loop_test(round_trip, the_layout_of_a_file, 0, MODELS);
    tcase_add_test(round_trip, saving_to_memory_needs_the_room);
    tcase_add_test(round_trip, null_where_models_are_saved_and_loaded);
    suite_add_tcase(suite, round_trip);

    tcase_set_timeout(damage, 60);
    tcase_add_checked_fixture(damage, setup, teardown);
    tcase_add_test(damage, cut_off_at_any_byte);
    tcase_add_test(damage, any_byte_changed);
    tcase_add_loop_test(damage, architectures_that_lie, 0, COUNT(lies));
    tcase_add_loop_test(damage, residual_architectures_that_lie, 0, COUNT(residual_lies));
    tcase_add_test(damage, versions_of_architectures);
    tcase_add_test(damage, an_architecture_that_was_edited_well);
    tcase_add_test(damage, an_architecture_larger_than_the_file);
    tcase_add_test(damage, an_architecture_of_many_layers);
    suite_add_tcase(suite, damage);

    tcase_set_timeout(rules, 60);
    tcase_add_unchecked_fixture(rules, directory_setup, directory_teardown);
    tcase_add_checked_fixture(rules, setup, teardown);
    tcase_add_loop_test(rules, files_that_keep_the_rules, 0, COUNT(good_files));
    tcase_add_loop_test(rules, files_that_break_a_rule, 0, COUNT(bad_files));
    tcase_add_loop_test(rules, header_lengths_that_cannot_be, 0, COUNT(bad_lengths));
    tcase_add_test(rules, files_without_room_for_a_header);
    tcase_add_test(rules, zero_bytes_in_the_header);
    tcase_add_loop_test(rules, values_that_are_not_finite, 0, COUNT(not_finite));
    tcase_add_test(rules, nesting_without_end);
    tcase_add_test(rules, many_tensors);
    tcase_add_test(rules, a_state_dict_needs_a_model);
    suite_add_tcase(suite, rules);

    tcase_set_timeout(paths, 60);
    tcase_add_unchecked_fixture(paths, directory_setup, directory_teardown);
    tcase_add_checked_fixture(paths, setup, teardown);
    tcase_add_test(paths, paths_that_cannot_be_read);
    tcase_add_test(paths, a_file_larger_than_memory);
    tcase_add_test(paths, paths_that_cannot_be_written);
    tcase_add_test(paths, a_directory_that_may_not_be_written);
    tcase_add_test(paths, a_file_that_may_not_grow);
    tcase_add_test(paths, a_disk_that_is_full);
    tcase_add_test(paths, a_new_file_has_the_mode_of_any_new_file);
    tcase_add_test(paths, a_replaced_file_keeps_its_mode);
    tcase_add_test(paths, a_replaced_file_is_not_written_into);
    tcase_add_test(paths, saving_through_a_link);
    tcase_add_test(paths, a_name_of_255_bytes);
    tcase_add_test(paths, relative_paths);
    suite_add_tcase(suite, paths);
    return test_main(suite);
}
