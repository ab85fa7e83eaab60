/* test_dataset.c - images from memory, from CIFAR-10 directories and from the built-in generator. */
#include "fixture.h"

#include <errno.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#define fails(status, call) assert_fails(context, status, call)

static cae_dataset_options options_of(int32_t type, int32_t layout, int32_t scale, int32_t borrow)
{
    cae_dataset_options options;

    assert_ok(context, cae_dataset_options_init(&options, sizeof options));
    options.type = type;
    options.layout = layout;
    options.scale = scale;
    options.borrow = borrow;
    return options;
}

/* Image `index` of a dataset whose images have `n` values; `values` guarded by its neighbours. */
static void get(float *values, size_t n, const cae_dataset *dataset, int64_t index)
{
    float *guarded = guarded_floats(n);

    assert_ok(context, cae_dataset_get(guarded, n, dataset, index));
    memcpy(values, guarded, n * sizeof *values);
    guarded_finish(guarded, "cae_dataset_get");
}

/* --- Host memory ----------------------------------------------------------------------------- */

enum { N = 3, C = 3, H = 4, W = 5, LENGTH = C * H * W, ALL = N * LENGTH };

/* Where value [c][y][x] of an image lies in the caller's array. */
static int place(int32_t layout, int c, int y, int x)
{
    return layout == CAE_LAYOUT_NCHW ? (c * H + y) * W + x : (y * W + x) * C + c;
}

/* What the header says a byte becomes. */
static float scaled(int32_t scale, unsigned char byte)
{
    return scale == CAE_SCALE_SIGNED ? (float)byte / 127.5f - 1.0f : (float)byte / 255.0f;
}

/* All combinations: _i counts layout, scale, borrow in its three bits. */
START_TEST(bytes_of_either_layout)
{
    const int32_t layout = _i & 1, scale = _i >> 1 & 1, borrow = _i >> 2;
    const cae_dataset_options options = options_of(CAE_TYPE_U8, layout, scale, borrow);
    unsigned char bytes[ALL];
    cae_dataset *dataset = NULL;
    float image[LENGTH];
    int32_t c, h, w;

    random_bytes(1, bytes, ALL);
    assert_ok(context, cae_dataset_create(&dataset, context, bytes, ALL, N, C, H, W, &options));
    ck_assert_int_eq(cae_dataset_count(dataset), N);
    assert_ok(context, cae_dataset_shape(&c, &h, &w, dataset));
    ck_assert(c == C && h == H && w == W);
    ck_assert_double_eq(cae_dataset_range(dataset), scale == CAE_SCALE_SIGNED ? 2 : 1);
    for (int i = N - 1; i >= 0; i--) {
        get(image, LENGTH, dataset, i);
        for (int at = 0; at < LENGTH; at++)
            ck_assert(image[at] == scaled(scale, bytes[i * LENGTH + place(layout, at / (H * W),
                                                                           at / W % H, at % W)]));
    }
    cae_dataset_destroy(dataset);
}
END_TEST

START_TEST(floats_of_either_layout)
{
    const int32_t layout = _i & 1, scale = _i >> 1 & 1, borrow = _i >> 2;
    const cae_dataset_options options = options_of(CAE_TYPE_F32, layout, scale, borrow);
    float values[ALL], image[LENGTH];
    cae_dataset *dataset = NULL;

    random_floats(1, values, ALL, -3, 3); /* taken as they are, also beyond the range */
    assert_ok(context, cae_dataset_create(&dataset, context, values, sizeof values, N, C, H, W,
                                          &options));
    ck_assert_double_eq(cae_dataset_range(dataset), scale == CAE_SCALE_SIGNED ? 2 : 1);
    for (int i = 0; i < N; i++) {
        get(image, LENGTH, dataset, i);
        for (int at = 0; at < LENGTH; at++)
            ck_assert(image[at] == values[i * LENGTH + place(layout, at / (H * W), at / W % H,
                                                             at % W)]);
    }
    cae_dataset_destroy(dataset);
}
END_TEST

/* The ends of the range are exact, the middle is where it should be, and order is kept. */
START_TEST(all_bytes_are_scaled_exactly)
{
    unsigned char bytes[256];
    float values[256];
    const double least[] = {-1, 0}, range[] = {2, 1};

    for (int i = 0; i < 256; i++)
        bytes[i] = (unsigned char)i;
    for (int32_t scale = CAE_SCALE_SIGNED; scale <= CAE_SCALE_UNIT; scale++) {
        const cae_dataset_options options = options_of(CAE_TYPE_U8, 0, scale, 0);
        cae_dataset *dataset = NULL;

        assert_ok(context, cae_dataset_create(&dataset, context, bytes, 256, 1, 1, 16, 16,
                                              &options));
        get(values, 256, dataset, 0);
        ck_assert(values[0] == (float)least[scale]);
        ck_assert(values[255] == 1);
        for (int i = 0; i < 256; i++) {
            ck_assert(i == 0 || values[i] > values[i - 1]);
            /* two roundings, each of half the spacing of floats below 2 */
            ck_assert_double_eq_tol((double)values[i], least[scale] + range[scale] * i / 255,
                                    0x1p-23);
        }
        cae_dataset_destroy(dataset);
    }
}
END_TEST

START_TEST(a_copy_is_a_copy_and_a_loan_is_a_loan)
{
    const size_t bytes = 1 << 20;
    unsigned char *data = malloc(bytes);
    float before[1024], after[1024];

    ck_assert_ptr_nonnull(data);
    for (int32_t borrow = 0; borrow <= 1; borrow++) {
        const cae_dataset_options options = options_of(CAE_TYPE_U8, 0, 0, borrow);
        cae_dataset *dataset = NULL;

        random_bytes(1, data, bytes);
        heap.largest = 0;
        assert_ok(context, cae_dataset_create(&dataset, context, data, bytes, 1024, 1, 32, 32,
                                              &options));
        ck_assert_int_eq(heap.largest >= bytes, !borrow);
        get(before, 1024, dataset, 1000);
        random_bytes(2, data, bytes);
        get(after, 1024, dataset, 1000);
        ck_assert_int_eq(memcmp(before, after, sizeof before) != 0, borrow);
        cae_dataset_destroy(dataset);
    }
    free(data);
}
END_TEST

/* A host may point into the middle of a file. */
START_TEST(borrowed_floats_need_no_alignment)
{
    const float values[4] = {1.5f, -2.5f, 3.5f, -4.5f};
    unsigned char bytes[1 + sizeof values];
    float image[2];

    memcpy(bytes + 1, values, sizeof values);
    for (int32_t layout = 0; layout <= 1; layout++) {
        const cae_dataset_options options = options_of(CAE_TYPE_F32, layout, 0, 1);
        cae_dataset *dataset = NULL;

        assert_ok(context, cae_dataset_create(&dataset, context, bytes + 1, sizeof values, 2, 2, 1,
                                              1, &options));
        get(image, 2, dataset, 1);
        ck_assert(image[0] == 3.5f && image[1] == -4.5f);
        cae_dataset_destroy(dataset);
    }
}
END_TEST

/* --- Slices ---------------------------------------------------------------------------------- */

/* 10 images of one byte, 0 to 9. */
static cae_dataset *ten(void)
{
    static const unsigned char bytes[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    const cae_dataset_options options = options_of(CAE_TYPE_U8, 0, CAE_SCALE_UNIT, 0);
    cae_dataset *dataset = NULL;

    assert_ok(context, cae_dataset_create(&dataset, context, bytes, 10, 10, 1, 1, 1, &options));
    return dataset;
}

static int digit(const cae_dataset *dataset, int64_t index)
{
    float value;

    get(&value, 1, dataset, index);
    return (int)lrintf(value * 255);
}

START_TEST(a_slice_is_a_window)
{
    cae_dataset *whole = ten(), *middle = NULL, *inner = NULL, *all = NULL;
    int32_t c, h, w;

    assert_ok(context, cae_dataset_slice(&middle, whole, 3, 5));
    ck_assert_int_eq(cae_dataset_count(middle), 5);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(digit(middle, i), 3 + i);
    assert_ok(context, cae_dataset_slice(&inner, middle, 1, 2));
    ck_assert_int_eq(cae_dataset_count(inner), 2);
    ck_assert_int_eq(digit(inner, 0), 4);
    ck_assert_int_eq(digit(inner, 1), 5);
    assert_ok(context, cae_dataset_shape(&c, &h, &w, inner));
    ck_assert(c == 1 && h == 1 && w == 1);
    ck_assert_double_eq(cae_dataset_range(inner), 1);
    assert_ok(context, cae_dataset_slice(&all, whole, 0, 10));
    ck_assert_int_eq(digit(all, 9), 9);

    /* The images stay as long as anyone looks at them. */
    cae_dataset_destroy(whole);
    cae_dataset_destroy(middle);
    ck_assert_int_eq(digit(inner, 1), 5);
    cae_dataset_destroy(all);
    ck_assert_int_eq(digit(inner, 0), 4);
    cae_dataset_destroy(inner);
}
END_TEST

START_TEST(a_slice_of_floats)
{
    cae_dataset *whole = float_images(context, NULL, 6, 5), *slice = NULL;
    float a[25], b[25];

    assert_ok(context, cae_dataset_slice(&slice, whole, 4, 2));
    get(a, 25, whole, 5);
    get(b, 25, slice, 1);
    ck_assert_int_eq(memcmp(a, b, sizeof a), 0);
    cae_dataset_destroy(slice);
    cae_dataset_destroy(whole);
}
END_TEST

static const int64_t bad_slices[][2] = {
    {-1, 2}, {0, 0}, {0, -1}, {0, 11}, {10, 1}, {9, 2}, {INT64_MIN, 1}, {INT64_MAX, 1},
    {1, INT64_MAX}, {INT64_MAX, INT64_MAX}, {5, INT64_MIN},
};

START_TEST(slices_that_are_not_inside)
{
    cae_dataset *whole = ten(), *slice = whole;

    fails_saying(CAE_ERR_ARGUMENT, "of a dataset of 10",
                 cae_dataset_slice(&slice, whole, bad_slices[_i][0], bad_slices[_i][1]));
    ck_assert_ptr_null(slice);
    cae_dataset_destroy(whole);
}
END_TEST

/* --- Wrong arguments ------------------------------------------------------------------------- */

static cae_status create(const void *data, size_t bytes, int64_t count, int32_t c, int32_t h,
                         int32_t w, const cae_dataset_options *options)
{
    cae_dataset *dataset = (void *)&heap;
    const cae_status status =
        cae_dataset_create(&dataset, context, data, bytes, count, c, h, w, options);

    if (status == CAE_OK)
        cae_dataset_destroy(dataset);
    else
        ck_assert_ptr_null(dataset);
    return status;
}

START_TEST(bytes_must_be_exactly_those_of_the_images)
{
    const cae_dataset_options floats = options_of(CAE_TYPE_F32, 0, 0, 0);
    const size_t wrong[] = {0, 1, ALL - 1, ALL + 1, 4 * ALL, SIZE_MAX};
    unsigned char data[4 * ALL] = {0};

    for (int i = 0; i < COUNT(wrong); i++) {
        char found[32];

        snprintf(found, sizeof found, "%zu", wrong[i]);
        fails_saying(CAE_ERR_SHAPE, found, create(data, wrong[i], N, C, H, W, NULL));
        assert_says(context, "180 bytes");
    }
    fails_saying(CAE_ERR_SHAPE, "720 bytes", create(data, ALL, N, C, H, W, &floats));
    assert_ok(context, create(data, 4 * ALL, N, C, H, W, &floats));
}
END_TEST

static const struct {
    int64_t count;
    int32_t c, h, w;
} bad_shapes[] = {
    {0, C, H, W},         {-1, C, H, W},         {INT64_MIN, C, H, W},  {N, 0, H, W},
    {N, -C, H, W},        {N, INT32_MIN, H, W},  {N, C, 0, W},          {N, C, -1, W},
    {N, C, H, 0},         {N, C, H, INT32_MIN},
};

START_TEST(images_of_no_size)
{
    unsigned char data[ALL] = {0};

    fails_saying(CAE_ERR_ARGUMENT, "at least one",
                 create(data, ALL, bad_shapes[_i].count, bad_shapes[_i].c, bad_shapes[_i].h,
                        bad_shapes[_i].w, NULL));
}
END_TEST

/* Products that wrap around to 0 or to something small in 32 or 64 bits, with the bytes to match. */
START_TEST(sizes_that_overflow)
{
    static const struct {
        int64_t count;
        int32_t c, h, w;
    } large[] = {
        {INT64_MAX, 1, 1, 1},         {(int64_t)1 << 62, 1, 2, 2},     {1, 65536, 65536, 65536},
        {1, INT32_MAX, INT32_MAX, INT32_MAX}, {INT64_MAX, INT32_MAX, INT32_MAX, INT32_MAX},
        {1, 1 << 20, 1 << 20, 1},     {1, 1, 1 << 16, 1 << 15},        {(int64_t)1 << 60, 4, 2, 2},
    };
    const cae_dataset_options floats = options_of(CAE_TYPE_F32, 0, 0, 0);
    unsigned char data[64] = {0};

    for (int i = 0; i < COUNT(large); i++)
        for (size_t bytes = 0; bytes <= 64; bytes += 4) {
            ck_assert_int_lt(create(data, bytes, large[i].count, large[i].c, large[i].h,
                                    large[i].w, NULL), 0);
            ck_assert_int_lt(create(data, bytes, large[i].count, large[i].c, large[i].h,
                                    large[i].w, &floats), 0);
        }
    ck_assert_uint_lt(heap.largest, 1 << 20); /* and nobody tried to allocate them */
}
END_TEST

/* A limit has to be told to whoever meets it. */
START_TEST(sides_have_a_limit)
{
    static unsigned char data[(1 << 20) + 1];

    assert_ok(context, create(data, 1 << 20, 1, 1, 1, 1 << 20, NULL));
    fails_saying(CAE_ERR_ARGUMENT, "1048576",
                 create(data, sizeof data, 1, 1, 1, (1 << 20) + 1, NULL));
}
END_TEST

START_TEST(dataset_options_out_of_range)
{
    const unsigned char data[1] = {0};
    cae_dataset_options options;
    const int32_t bad[] = {-1, 2, INT32_MIN, INT32_MAX};

    for (int i = 0; i < COUNT(bad); i++) {
        options = options_of(bad[i], 0, 0, 0);
        fails_saying(CAE_ERR_OPTIONS, "type", create(data, 1, 1, 1, 1, 1, &options));
        options = options_of(0, bad[i], 0, 0);
        fails_saying(CAE_ERR_OPTIONS, "layout", create(data, 1, 1, 1, 1, 1, &options));
        options = options_of(0, 0, bad[i], 0);
        fails_saying(CAE_ERR_OPTIONS, "scale", create(data, 1, 1, 1, 1, 1, &options));
        options = options_of(0, 0, 0, bad[i]);
        fails_saying(CAE_ERR_OPTIONS, "borrow", create(data, 1, 1, 1, 1, 1, &options));
    }
    options = options_of(0, 0, 0, 0);
    options.reserved = 1;
    fails_saying(CAE_ERR_OPTIONS, "reserved", create(data, 1, 1, 1, 1, 1, &options));
}
END_TEST

START_TEST(null_where_datasets_are_made)
{
    const unsigned char data[1] = {0};
    cae_dataset *dataset = (void *)&heap, *whole = ten();

    fails(CAE_ERR_ARGUMENT, cae_dataset_create(NULL, context, data, 1, 1, 1, 1, 1, NULL));
    fails_saying(CAE_ERR_ARGUMENT, "data", create(NULL, 1, 1, 1, 1, 1, NULL));
    ck_assert_int_eq(cae_dataset_create(&dataset, NULL, data, 1, 1, 1, 1, 1, NULL),
                     CAE_ERR_ARGUMENT);
    ck_assert_ptr_null(dataset);

    fails(CAE_ERR_ARGUMENT, cae_dataset_open_cifar10(NULL, context, "/", 0, NULL));
    fails_saying(CAE_ERR_ARGUMENT, "directory",
                 cae_dataset_open_cifar10(&dataset, context, NULL, 0, NULL));
    dataset = (void *)&heap;
    ck_assert_int_eq(cae_dataset_open_cifar10(&dataset, NULL, "/", 0, NULL), CAE_ERR_ARGUMENT);
    ck_assert_ptr_null(dataset);

    fails(CAE_ERR_ARGUMENT, cae_dataset_create_dead_leaves(NULL, context, 1, 1, 1, 1, 1, NULL));
    dataset = (void *)&heap;
    ck_assert_int_eq(cae_dataset_create_dead_leaves(&dataset, NULL, 1, 1, 1, 1, 1, NULL),
                     CAE_ERR_ARGUMENT);
    ck_assert_ptr_null(dataset);

    fails(CAE_ERR_ARGUMENT, cae_dataset_slice(NULL, whole, 0, 1));
    dataset = (void *)&heap;
    ck_assert_int_eq(cae_dataset_slice(&dataset, NULL, 0, 1), CAE_ERR_ARGUMENT);
    ck_assert_ptr_null(dataset);
    cae_dataset_destroy(whole);
}
END_TEST

START_TEST(null_and_wrong_numbers_where_datasets_are_read)
{
    const int64_t indices[] = {-1, 10, INT64_MAX, INT64_MIN};
    cae_dataset *dataset = ten();
    float values[2] = {7, 7};
    int32_t extent;

    for (int i = 0; i < COUNT(indices); i++)
        fails_saying(CAE_ERR_ARGUMENT, "of a dataset of 10",
                     cae_dataset_get(values, 1, dataset, indices[i]));
    fails_saying(CAE_ERR_SHAPE, "2", cae_dataset_get(values, 2, dataset, 0));
    fails(CAE_ERR_SHAPE, cae_dataset_get(values, 0, dataset, 0));
    fails_saying(CAE_ERR_ARGUMENT, "pixels", cae_dataset_get(NULL, 1, dataset, 0));
    ck_assert_int_eq(cae_dataset_get(values, 1, NULL, 0), CAE_ERR_ARGUMENT);
    ck_assert(values[0] == 7 && values[1] == 7);

    assert_ok(context, cae_dataset_shape(NULL, NULL, NULL, dataset));
    ck_assert_int_eq(cae_dataset_shape(&extent, NULL, NULL, NULL), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_dataset_count(NULL), 0);
    ck_assert_double_eq(cae_dataset_range(NULL), 0);
    cae_dataset_destroy(dataset);
}
END_TEST

/* --- CIFAR-10 directories -------------------------------------------------------------------- */

enum { PIXELS = 3072, RECORD = 1 + PIXELS };

/* Pixel `at` of a record, told apart by file and record. */
static unsigned char pixel_of(int file, int record, int at)
{
    return (unsigned char)(41 * file + 13 * record + at + at / 256);
}

/* `size` bytes of records; all labels are legal. */
static struct bytes batch_bytes(int file, size_t size)
{
    struct bytes bytes = bytes_new(NULL, size);

    for (size_t i = 0; i < size; i++) {
        const int record = (int)(i / RECORD), at = (int)(i % RECORD);

        if (at == 0)
            bytes.data[i] = (unsigned char)((file + record) % 10); /* the label */
        else
            bytes.data[i] = pixel_of(file, record, at - 1);
    }
    return bytes;
}

/* The directory of one test; `name` must be new. */
static const char *cifar_directory(const char *name)
{
    const char *path = in_directory(name);

    ck_assert_int_eq(mkdir(path, 0755), 0);
    return path;
}

/* File 0 is the test batch. */
static const char *batch_path(const char *directory, int file)
{
    static char path[16500];

    if (file == 0)
        snprintf(path, sizeof path, "%s/test_batch.bin", directory);
    else
        snprintf(path, sizeof path, "%s/data_batch_%d.bin", directory, file);
    return path;
}

static void write_batch(const char *directory, int file, size_t size)
{
    struct bytes bytes = batch_bytes(file, size);

    write_file(batch_path(directory, file), bytes.data, bytes.size);
    bytes_free(&bytes);
}

static cae_dataset *open_cifar(const char *directory, int32_t split)
{
    cae_dataset *dataset = NULL;

    assert_ok(context, cae_dataset_open_cifar10(&dataset, context, directory, split, NULL));
    return dataset;
}

static void check_image(const cae_dataset *dataset, int64_t index, int file, int record)
{
    float values[PIXELS];

    get(values, PIXELS, dataset, index);
    for (int at = 0; at < PIXELS; at++)
        ck_assert(values[at] == scaled(CAE_SCALE_SIGNED, pixel_of(file, record, at)));
}

/* Opening fails, makes nothing, and the text names the file and says `part`. */
static void check_refused(cae_status expected, const char *directory, int32_t split,
                          const char *file, const char *part)
{
    cae_dataset *dataset = (void *)&heap;

    fails_saying(expected, part,
                 cae_dataset_open_cifar10(&dataset, context, directory, split, NULL));
    assert_says(context, file);
    ck_assert_ptr_null(dataset);
}

START_TEST(batches_of_any_length_in_order)
{
    const char *directory = cifar_directory("lengths");
    const int records[6] = {2, 1, 3, 2, 5, 1}; /* of the test batch, then of 1 to 5 */
    cae_dataset *dataset;
    int32_t c, h, w;
    int64_t index = 0;

    for (int file = 0; file <= 5; file++)
        write_batch(directory, file, (size_t)records[file] * RECORD);
    dataset = open_cifar(directory, CAE_SPLIT_TRAIN);
    ck_assert_int_eq(cae_dataset_count(dataset), 12);
    assert_ok(context, cae_dataset_shape(&c, &h, &w, dataset));
    ck_assert(c == 3 && h == 32 && w == 32);
    ck_assert_double_eq(cae_dataset_range(dataset), 2);
    for (int file = 1; file <= 5; file++)
        for (int record = 0; record < records[file]; record++)
            check_image(dataset, index++, file, record);
    cae_dataset_destroy(dataset);

    dataset = open_cifar(directory, CAE_SPLIT_TEST);
    ck_assert_int_eq(cae_dataset_count(dataset), 2);
    check_image(dataset, 1, 0, 1);
    cae_dataset_destroy(dataset);
}
END_TEST

START_TEST(some_batches_are_enough)
{
    const char *directory = cifar_directory("some");
    cae_dataset *dataset;

    write_batch(directory, 5, RECORD);
    write_batch(directory, 2, 2 * RECORD);
    dataset = open_cifar(directory, CAE_SPLIT_TRAIN);
    ck_assert_int_eq(cae_dataset_count(dataset), 3);
    check_image(dataset, 0, 2, 0);
    check_image(dataset, 2, 5, 0);
    cae_dataset_destroy(dataset);
    check_refused(CAE_ERR_IO, directory, CAE_SPLIT_TEST, directory, "test_batch.bin");
}
END_TEST

START_TEST(the_scale_can_be_chosen)
{
    const char *directory = cifar_directory("scale");
    const cae_dataset_options options = options_of(0, 0, CAE_SCALE_UNIT, 0);
    cae_dataset *dataset = NULL;
    float values[PIXELS];

    write_batch(directory, 0, RECORD);
    assert_ok(context, cae_dataset_open_cifar10(&dataset, context, directory, CAE_SPLIT_TEST,
                                                &options));
    ck_assert_double_eq(cae_dataset_range(dataset), 1);
    get(values, PIXELS, dataset, 0);
    ck_assert(values[100] == scaled(CAE_SCALE_UNIT, pixel_of(0, 0, 100)));
    cae_dataset_destroy(dataset);
}
END_TEST

START_TEST(directories_without_batches)
{
    const char *directory = cifar_directory("none");

    check_refused(CAE_ERR_IO, directory, CAE_SPLIT_TRAIN, directory, "data_batch_1.bin");
    check_refused(CAE_ERR_IO, directory, CAE_SPLIT_TEST, directory, "test_batch.bin");
    check_refused(CAE_ERR_IO, in_directory("missing"), CAE_SPLIT_TRAIN, "missing", "");
    check_refused(CAE_ERR_IO, "", CAE_SPLIT_TRAIN, "No such file or directory", "");
    write_file(in_directory("a-file"), "text", 4);
    check_refused(CAE_ERR_IO, in_directory("a-file"), CAE_SPLIT_TRAIN, "a-file", "");
}
END_TEST

START_TEST(batches_that_are_not_whole_records)
{
    static const struct {
        const char *name, *found;
        size_t size;
    } files[] = {{"empty", "0 bytes", 0},
                 {"byte", "1 bytes", 1},
                 {"short", "6145 bytes", 2 * RECORD - 1},
                 {"long", "6147 bytes", 2 * RECORD + 1},
                 {"unlabelled", "3072 bytes", PIXELS}};

    for (int i = 0; i < COUNT(files); i++) {
        const char *directory = cifar_directory(files[i].name);

        write_batch(directory, 1, RECORD); /* the others being fine does not help */
        write_batch(directory, 3, files[i].size);
        write_batch(directory, 0, files[i].size);
        check_refused(CAE_ERR_FORMAT, directory, CAE_SPLIT_TRAIN, "data_batch_3.bin",
                      files[i].found);
        assert_says(context, "3073");
        check_refused(CAE_ERR_FORMAT, directory, CAE_SPLIT_TEST, "test_batch.bin",
                      files[i].found);
    }
}
END_TEST

START_TEST(labels_that_do_not_exist)
{
    const unsigned char labels[] = {10, 127, 128, 255};
    const char *directory = cifar_directory("labels");

    for (int i = 0; i < COUNT(labels); i++) {
        struct bytes bytes = batch_bytes(2, 3 * RECORD);
        char found[32];

        write_batch(directory, 1, RECORD);
        bytes.data[2 * RECORD] = labels[i];
        write_file(batch_path(directory, 2), bytes.data, bytes.size);
        snprintf(found, sizeof found, "is %d", labels[i]);
        check_refused(CAE_ERR_FORMAT, directory, CAE_SPLIT_TRAIN, "data_batch_2.bin", found);
        assert_says(context, "record 2");
        assert_says(context, "0 to 9");
        bytes_free(&bytes);
    }
}
END_TEST

START_TEST(things_that_are_not_files)
{
    const char *directory = cifar_directory("things");

    ck_assert_int_eq(mkdir(batch_path(directory, 1), 0755), 0);
    check_refused(CAE_ERR_IO, directory, CAE_SPLIT_TRAIN, "data_batch_1.bin", "regular file");

    alarm(20); /* nobody writes to this one: opening it must not wait */
    ck_assert_int_eq(mkfifo(batch_path(directory, 0), 0644), 0);
    check_refused(CAE_ERR_IO, directory, CAE_SPLIT_TEST, "test_batch.bin", "regular file");
    alarm(0);
}
END_TEST

START_TEST(a_link_to_a_batch_is_a_batch)
{
    const char *directory = cifar_directory("link"), *target = in_directory("link-target");
    struct bytes bytes = batch_bytes(0, RECORD);
    cae_dataset *dataset;

    write_file(target, bytes.data, bytes.size);
    bytes_free(&bytes);
    ck_assert_int_eq(symlink(target, batch_path(directory, 0)), 0);
    dataset = open_cifar(directory, CAE_SPLIT_TEST);
    check_image(dataset, 0, 0, 0);
    cae_dataset_destroy(dataset);

    ck_assert_int_eq(symlink(batch_path(directory, 4), batch_path(directory, 4)), 0);
    check_refused(CAE_ERR_IO, directory, CAE_SPLIT_TRAIN, "data_batch_4.bin", "");
}
END_TEST

/* root reads everything: be nobody for a while. */
START_TEST(a_batch_that_may_not_be_read)
{
    const char *directory = cifar_directory("forbidden");
    const uid_t user = geteuid();

    write_batch(directory, 0, RECORD);
    ck_assert_int_eq(chmod(batch_path(directory, 0), 0), 0);
    ck_assert_int_eq(chmod(test_directory, 0755), 0);
    if (user == 0 && seteuid(65534) != 0)
        return;
    check_refused(CAE_ERR_IO, directory, CAE_SPLIT_TEST, "test_batch.bin", strerror(EACCES));
    ck_assert_int_eq(seteuid(user), 0);
}
END_TEST

START_TEST(splits_and_paths_out_of_range)
{
    const int32_t splits[] = {-1, 2, INT32_MAX, INT32_MIN};
    char *path = malloc(10001);
    cae_dataset *dataset = NULL;

    ck_assert_ptr_nonnull(path);
    for (int i = 0; i < COUNT(splits); i++)
        check_refused(CAE_ERR_ARGUMENT, "/tmp", splits[i], "split", "CAE_SPLIT_TRAIN");
    memset(path, '/', 10000);
    path[10000] = '\0';
    fails(CAE_ERR_IO, cae_dataset_open_cifar10(&dataset, context, path, 0, NULL));
    ck_assert_ptr_null(dataset);
    free(path);
}
END_TEST

/* --- The built-in images --------------------------------------------------------------------- */

static cae_dataset *leaves(cae_context *in, int64_t count, int32_t c, int32_t h, int32_t w,
                           uint64_t seed)
{
    const cae_dataset_options options = options_of(0, 0, CAE_SCALE_UNIT, 0);
    cae_dataset *dataset = NULL;

    assert_ok(in, cae_dataset_create_dead_leaves(&dataset, in, count, c, h, w, seed, &options));
    return dataset;
}

/* FNV-1a of the bytes of images `first` to the last. */
static uint64_t fingerprint(const cae_dataset *dataset, int64_t first)
{
    uint64_t hash = 0xcbf29ce484222325;
    int32_t c, h, w;
    size_t n;
    float *values;

    assert_ok(context, cae_dataset_shape(&c, &h, &w, dataset));
    n = (size_t)(c * h * w);
    values = new_floats(n);
    for (int64_t i = first; i < cae_dataset_count(dataset); i++) {
        get(values, n, dataset, i);
        for (size_t at = 0; at < n; at++)
            hash = (hash ^ (uint64_t)lrintf(values[at] * 255)) * 0x100000001b3;
    }
    free(values);
    return hash;
}

static const struct golden {
    int64_t count;
    int32_t c, h, w;
    uint64_t seed, hash;
} golden[] = {
    {40, 3, 32, 32, 1, 0xc58925f999f2631b},
    {3, 1, 32, 32, 1, 0xa458813da37b5231},
    {9, 3, 5, 7, 2, 0x54663abf953b6a8e},
    {9, 1, 1, 1, 3, 0x69dfa5446a4d6d70},
    {2, 3, 1, 64, 0xfedcba9876543210, 0xa8299923bbc4ef71},
    {1, 1, 100, 70, 0, 0xa3199e18ab667c02},
};

/* "The same bytes on every machine": these were drawn on x86-64. */
START_TEST(golden_leaves)
{
    const struct golden *g = &golden[_i];
    cae_dataset *dataset = leaves(context, g->count, g->c, g->h, g->w, g->seed);

    ck_assert_uint_eq(fingerprint(dataset, 0), g->hash);
    cae_dataset_destroy(dataset);
}
END_TEST

START_TEST(leaves_do_not_depend_on_threads)
{
    const struct golden *g = &golden[0];
    const int threads[] = {2, 3, 4, 7, 50};

    for (int i = 0; i < COUNT(threads); i++) {
        struct heap many_heap = HEAP;
        cae_context *many = heap_context(&many_heap, threads[i]);
        cae_dataset *dataset = leaves(many, g->count, g->c, g->h, g->w, g->seed);

        ck_assert_uint_eq(fingerprint(dataset, 0), g->hash);
        cae_dataset_destroy(dataset);
        cae_context_destroy(many);
        assert_balanced(&many_heap, "leaves by many threads");
    }
}
END_TEST

START_TEST(an_image_is_a_function_of_seed_and_index)
{
    float values[12][768], again[768];
    cae_dataset *dataset = leaves(context, 12, 3, 16, 16, 5), *shorter, *other;

    for (int i = 0; i < 12; i++) {
        get(values[i], 768, dataset, i);
        for (int j = 0; j < i; j++)
            ck_assert_int_ne(memcmp(values[i], values[j], sizeof again), 0);
    }
    shorter = leaves(context, 3, 3, 16, 16, 5); /* of fewer, the first */
    get(again, 768, shorter, 2);
    ck_assert_int_eq(memcmp(again, values[2], sizeof again), 0);
    for (int bit = 0; bit < 64; bit += 9) {
        other = leaves(context, 1, 3, 16, 16, 5 ^ (uint64_t)1 << bit);
        get(again, 768, other, 0);
        ck_assert_int_ne(memcmp(again, values[0], sizeof again), 0);
        cae_dataset_destroy(other);
    }
    cae_dataset_destroy(shorter);
    cae_dataset_destroy(dataset);
}
END_TEST

/* What they are for: images with contrast and edges, all different, that use the range. Bounds are
 * far from what was measured: mean 0.50, deviation 0.25, 1 pixel in 10 differs much from the next. */
START_TEST(leaves_look_like_images)
{
    enum { IMAGES = 100 };
    cae_dataset *dataset = leaves(context, IMAGES, 1, 32, 32, 11);
    double sum = 0, squares = 0;
    int edges = 0;
    float values[1024];

    for (int i = 0; i < IMAGES; i++) {
        get(values, 1024, dataset, i);
        for (int at = 0; at < 1024; at++) {
            sum += (double)values[at];
            squares += (double)values[at] * (double)values[at];
            edges += at % 32 && fabsf(values[at] - values[at - 1]) > 0.2f;
        }
    }
    sum /= IMAGES * 1024;
    ck_assert_double_eq_tol(sum, 0.5, 0.1);
    ck_assert_double_eq_tol(sqrt(squares / (IMAGES * 1024) - sum * sum), 0.25, 0.1);
    ck_assert_int_gt(edges, IMAGES * 1024 / 50);
    ck_assert_int_lt(edges, IMAGES * 1024 / 3);
    cae_dataset_destroy(dataset);
}
END_TEST

START_TEST(leaves_of_either_scale)
{
    cae_dataset *unit = leaves(context, 1, 3, 5, 7, 2), *is_signed = NULL;
    float a[105], b[105];

    assert_ok(context,
              cae_dataset_create_dead_leaves(&is_signed, context, 1, 3, 5, 7, 2, NULL));
    ck_assert_double_eq(cae_dataset_range(unit), 1);
    ck_assert_double_eq(cae_dataset_range(is_signed), 2);
    get(a, 105, unit, 0);
    get(b, 105, is_signed, 0);
    for (int i = 0; i < 105; i++)
        ck_assert(b[i] == scaled(CAE_SCALE_SIGNED, (unsigned char)lrintf(a[i] * 255)));
    cae_dataset_destroy(unit);
    cae_dataset_destroy(is_signed);
}
END_TEST

START_TEST(leaves_of_the_largest_side)
{
    cae_dataset *dataset = leaves(context, 1, 1, 1, 1024, 1);

    ck_assert_int_eq(cae_dataset_count(dataset), 1);
    cae_dataset_destroy(dataset);
}
END_TEST

static const struct {
    int64_t count;
    int32_t c, h, w;
    const char *found;
} bad_leaves[] = {
    {1, 0, 8, 8, "0x8x8"},      {1, 2, 8, 8, "2x8x8"},      {1, 4, 8, 8, "4x8x8"},
    {1, -1, 8, 8, "-1x8x8"},    {1, 3, 0, 8, "3x0x8"},      {1, 3, -8, 8, "3x-8x8"},
    {1, 3, 1025, 8, "1025x8"},  {1, 3, 8, 0, "8x0"},        {1, 3, 8, 1025, "8x1025"},
    {1, 3, 8, INT32_MAX, "8x2147483647"}, {0, 3, 8, 8, "0 images"}, {-1, 3, 8, 8, "-1 images"},
    {INT64_MIN, 3, 8, 8, "images"},
};

START_TEST(leaves_out_of_range)
{
    cae_dataset *dataset = (void *)&heap;

    fails_saying(CAE_ERR_ARGUMENT, bad_leaves[_i].found,
                 cae_dataset_create_dead_leaves(&dataset, context, bad_leaves[_i].count,
                                                bad_leaves[_i].c, bad_leaves[_i].h,
                                                bad_leaves[_i].w, 1, NULL));
    ck_assert_ptr_null(dataset);
}
END_TEST

START_TEST(more_leaves_than_memory)
{
    cae_dataset *dataset = (void *)&heap;

    /* fewer than pointers of 64 bits can count, and more than those of 32 */
    fails(SIZE_MAX > UINT32_MAX ? CAE_ERR_MEMORY : CAE_ERR_SHAPE,
          cae_dataset_create_dead_leaves(&dataset, context, (int64_t)1 << 32, 3, 1024, 1024, 1,
                                         NULL));
    ck_assert_ptr_null(dataset);
    fails(CAE_ERR_SHAPE, cae_dataset_create_dead_leaves(&dataset, context, INT64_MAX, 3, 1024,
                                                        1024, 1, NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dataset");
    TCase *memory = tcase_create("memory");
    TCase *cifar = tcase_create("cifar10");
    TCase *built_in = tcase_create("dead leaves");

    tcase_add_checked_fixture(memory, setup, teardown);
    tcase_add_loop_test(memory, bytes_of_either_layout, 0, 8);
    tcase_add_loop_test(memory, floats_of_either_layout, 0, 8);
    tcase_add_test(memory, all_bytes_are_scaled_exactly);
    tcase_add_test(memory, a_copy_is_a_copy_and_a_loan_is_a_loan);
    tcase_add_test(memory, borrowed_floats_need_no_alignment);
    tcase_add_test(memory, a_slice_is_a_window);
    tcase_add_test(memory, a_slice_of_floats);
    tcase_add_loop_test(memory, slices_that_are_not_inside, 0, COUNT(bad_slices));
    tcase_add_test(memory, bytes_must_be_exactly_those_of_the_images);
    tcase_add_loop_test(memory, images_of_no_size, 0, COUNT(bad_shapes));
    tcase_add_test(memory, sizes_that_overflow);
    tcase_add_test(memory, sides_have_a_limit);
    tcase_add_test(memory, dataset_options_out_of_range);
    tcase_add_test(memory, null_where_datasets_are_made);
    tcase_add_test(memory, null_and_wrong_numbers_where_datasets_are_read);
    suite_add_tcase(suite, memory);

    tcase_set_timeout(cifar, 60);
    tcase_add_unchecked_fixture(cifar, directory_setup, directory_teardown);
    tcase_add_checked_fixture(cifar, setup, teardown);
    tcase_add_test(cifar, batches_of_any_length_in_order);
    tcase_add_test(cifar, some_batches_are_enough);
    tcase_add_test(cifar, the_scale_can_be_chosen);
    tcase_add_test(cifar, directories_without_batches);
    tcase_add_test(cifar, batches_that_are_not_whole_records);
    tcase_add_test(cifar, labels_that_do_not_exist);
    tcase_add_test(cifar, things_that_are_not_files);
    tcase_add_test(cifar, a_link_to_a_batch_is_a_batch);
    tcase_add_test(cifar, a_batch_that_may_not_be_read);
    tcase_add_test(cifar, splits_and_paths_out_of_range);
    suite_add_tcase(suite, cifar);

    tcase_set_timeout(built_in, 60);
    tcase_add_checked_fixture(built_in, setup, teardown);
    tcase_add_loop_test(built_in, golden_leaves, 0, COUNT(golden));
    tcase_add_test(built_in, leaves_do_not_depend_on_threads);
    tcase_add_test(built_in, an_image_is_a_function_of_seed_and_index);
    tcase_add_test(built_in, leaves_look_like_images);
    tcase_add_test(built_in, leaves_of_either_scale);
    tcase_add_test(built_in, leaves_of_the_largest_side);
    tcase_add_loop_test(built_in, leaves_out_of_range, 0, COUNT(bad_leaves));
    tcase_add_test(built_in, more_leaves_than_memory);
    suite_add_tcase(suite, built_in);
    return test_main(suite);
}
