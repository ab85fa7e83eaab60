/* test_arrays.c - numbers with a shape: their files in three formats, and the way to planes and back. */
#include "arrays.h"
#include "fixture.h"

#include <dirent.h>
#include <fenv.h>
#include <math.h>
#include <unistd.h>

/* --- Handles --------------------------------------------------------------------------------- */

START_TEST(arrays_of_every_type_and_rank)
{
    const int64_t extents[CAE_MOST_RANK] = {3, 1, 2, 5, 1, 4, 2, 3};
    int64_t shape[CAE_MOST_RANK];
    int32_t rank, type;

    for (int32_t t = CAE_TYPE_U8; t <= CAE_TYPE_U16; t++)
        for (int32_t r = 1; r <= CAE_MOST_RANK; r++) {
            cae_array *array = NULL;
            size_t count = 1;

            assert_ok(context, cae_array_create(&array, context, t, extents, r));
            assert_ok(context, cae_array_shape(shape, &rank, &type, array));
            ck_assert(rank == r && type == t);
            for (int i = 0; i < CAE_MOST_RANK; i++) {
                ck_assert_int_eq(shape[i], i < r ? extents[i] : 1);
                count *= (size_t)shape[i];
            }
            ck_assert_uint_eq(cae_array_bytes(array), count * element_bytes[t]);
            ck_assert_uint_eq((uintptr_t)cae_array_data(array) % 64, 0);
            for (size_t i = 0; i < cae_array_bytes(array); i++)
                ck_assert_int_eq(((unsigned char *)cae_array_data(array))[i], 0);
            assert_ok(context, cae_array_shape(NULL, NULL, NULL, array));
            cae_array_destroy(array);
        }
}
END_TEST

static const struct {
    int32_t type;
    int64_t shape[2];
    int32_t rank;
    cae_status status;
    const char *part;
} bad_arrays[] = {
    {-1, {2, 2}, 2, CAE_ERR_ARGUMENT, "type is -1"},
    {3, {2, 2}, 2, CAE_ERR_ARGUMENT, "type is 3"},
    {0, {2, 2}, 0, CAE_ERR_SHAPE, "0 extents, expected 1 to 8"},
    {0, {2, 2}, -1, CAE_ERR_SHAPE, "-1 extents"},
    {0, {2, 2}, 9, CAE_ERR_SHAPE, "9 extents"},
    {0, {2, 2}, INT32_MAX, CAE_ERR_SHAPE, "2147483647 extents"},
    {0, {0, 2}, 2, CAE_ERR_SHAPE, "extent 0 of an array is 0"},
    {0, {2, -7}, 2, CAE_ERR_SHAPE, "extent 1 of an array is -7"},
    {0, {INT64_MAX, INT64_MAX}, 2, CAE_ERR_SHAPE, "memory can address"},
    {0, {(int64_t)1 << 32, (int64_t)1 << 32}, 2, CAE_ERR_SHAPE, "memory can address"},
    {1, {(int64_t)1 << 61, 2}, 2, CAE_ERR_SHAPE, "memory can address"},
    {1, {INT64_MAX, 1}, 2, CAE_ERR_SHAPE, "memory can address"},
};

START_TEST(arrays_that_cannot_be)
{
    cae_array *array = (void *)&heap;

    fails_saying(bad_arrays[_i].status, bad_arrays[_i].part,
                 cae_array_create(&array, context, bad_arrays[_i].type, bad_arrays[_i].shape,
                                  bad_arrays[_i].rank));
    ck_assert_ptr_null(array);
    ck_assert_uint_lt(heap.largest, 1 << 20);
}
END_TEST

START_TEST(null_and_an_array_that_outlives_its_context)
{
    const int64_t shape[1] = {3};
    cae_array *array = (void *)&heap;
    size_t size = 0;

    assert_fails(context, CAE_ERR_ARGUMENT, cae_array_create(NULL, context, 0, shape, 1));
    fails_saying(CAE_ERR_ARGUMENT, "shape", cae_array_create(&array, context, 0, NULL, 1));
    ck_assert_int_eq(cae_array_create(&array, NULL, 0, shape, 1), CAE_ERR_ARGUMENT);
    ck_assert_ptr_null(array);
    assert_fails(context, CAE_ERR_ARGUMENT, cae_array_read(NULL, context, "x"));
    array = (void *)&heap;
    fails_saying(CAE_ERR_ARGUMENT, "path", cae_array_read(&array, context, NULL));
    ck_assert_ptr_null(array);
    ck_assert_int_eq(cae_array_read(&array, NULL, "x"), CAE_ERR_ARGUMENT);
    assert_fails(context, CAE_ERR_ARGUMENT, cae_array_read_memory(NULL, context, "x", 1));
    fails_saying(CAE_ERR_ARGUMENT, "data", cae_array_read_memory(&array, context, NULL, 1));
    ck_assert_int_eq(cae_array_read_memory(&array, NULL, "x", 1), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_array_shape(NULL, NULL, NULL, NULL), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_array_write(NULL, "x.npy"), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_array_write_memory(NULL, 0, &size, NULL, 0), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_array_to_planes(NULL, 0, NULL, 0), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_array_from_planes(NULL, NULL, 0, 0), CAE_ERR_ARGUMENT);
    ck_assert_ptr_null(cae_array_data(NULL));
    ck_assert_uint_eq(cae_array_bytes(NULL), 0);
    cae_array_destroy(NULL);

    assert_ok(context, cae_array_create(&array, context, 0, shape, 1));
    fails_saying(CAE_ERR_ARGUMENT, "path", cae_array_write(array, NULL));
    fails_saying(CAE_ERR_ARGUMENT, "written", cae_array_write_memory(NULL, 0, NULL, array, 0));
    fails_saying(CAE_ERR_ARGUMENT, "buffer", cae_array_write_memory(NULL, 1, &size, array, 0));
    for (int32_t format = -1; format <= 3; format += 4)
        fails_saying(CAE_ERR_ARGUMENT, "CAE_FILE_",
                     cae_array_write_memory(NULL, 0, &size, array, format));
    cae_dataset_destroy((void *)array); /* another kind of handle: ignored */
    cae_context_destroy(context);
    memset(cae_array_data(array), 7, 3);
    cae_array_destroy(array);
    context = heap_context(&heap, 1);
}
END_TEST

/* --- Round trips ----------------------------------------------------------------------------- */

static const int64_t shapes[][3] = {{1, 1, 1}, {1, 9, 3}, {8, 1, 2}, {5, 7, 4}, {33, 65, 3}, {16, 16, 1}};

/* _i counts formats, types, channels and shapes; JPEG loses something, so it only has to be close. */
START_TEST(images_come_back)
{
    if (!HAVE_IMAGES)
        return;
    for (int i = 0; i < COUNT(shapes); i++)
        for (int32_t type = CAE_TYPE_U8; type <= CAE_TYPE_U16; type += 2) {
            cae_array *image = random_array(context, 5, type, shapes[i], 3), *again;
            struct bytes file = array_bytes(context, image, CAE_FILE_PNG);

            again = read_bytes(context, file, "PNG");
            assert_same_arrays(image, again, "PNG");
            bytes_free(&file);
            cae_array_destroy(again);
            cae_array_destroy(image);
        }
}
END_TEST

START_TEST(numbers_come_back)
{
    const int64_t extents[CAE_MOST_RANK] = {3, 1, 2, 5, 1, 4, 2, 3};

    for (int32_t type = CAE_TYPE_U8; type <= CAE_TYPE_U16; type++)
        for (int32_t rank = 1; rank <= CAE_MOST_RANK; rank++) {
            cae_array *array = random_array(context, 3, type, extents, rank), *again;
            struct bytes file = array_bytes(context, array, CAE_FILE_NPY);

            ck_assert_uint_eq((file.size - cae_array_bytes(array)) % 64, 0);
            again = read_bytes(context, file, ".npy");
            assert_same_arrays(array, again, ".npy");
            cae_array_destroy(again);
            write_file(in_directory("round.npy"), file.data, file.size);
            again = NULL;
            assert_ok(context, cae_array_read(&again, context, in_directory("round.npy")));
            assert_same_arrays(array, again, ".npy by path");
            ck_assert_uint_eq((uintptr_t)cae_array_data(again) % 64, 0);
            cae_array_destroy(again);
            bytes_free(&file);
            cae_array_destroy(array);
        }
}
END_TEST

/* NaN and the like are numbers to .npy. */
START_TEST(floats_of_any_bits_come_back)
{
    const float values[] = {NAN, -NAN, INFINITY, -INFINITY, -0.0f, 1e-45f, 3.4e38f};
    const int64_t shape[] = {COUNT(values)};
    cae_array *array = NULL, *again;
    struct bytes file;

    assert_ok(context, cae_array_create(&array, context, CAE_TYPE_F32, shape, 1));
    memcpy(cae_array_data(array), values, sizeof values);
    file = array_bytes(context, array, CAE_FILE_NPY);
    again = read_bytes(context, file, "NaN");
    assert_same_arrays(array, again, "NaN");
    bytes_free(&file);
    cae_array_destroy(again);
    cae_array_destroy(array);
}
END_TEST

/* A smooth picture: quality 95 and colour in full resolution stay close, sharp colours too. */
START_TEST(jpeg_stays_close)
{
    double sum = 0;

    if (!HAVE_IMAGES)
        return;
    for (int64_t channels = 1; channels <= 3; channels += 2) {
        cae_array *image = random_image(context, 1, CAE_TYPE_U8, 40, 56, channels), *again;
        unsigned char *a = cae_array_data(image), *b;
        const size_t n = cae_array_bytes(image);
        struct bytes file;

        for (size_t i = 0; i < n; i++) { /* waves, and an edge from red to blue */
            const size_t pixel = i / (size_t)channels, row = pixel / 56;
            const double x = (double)(pixel % 56), y = (double)row;
            const double edge = x < 28 ? i % 3 == 0 : i % 3 == 2;
            a[i] = (unsigned char)(y < 24 || channels == 1 ? 128 + 100 * sin(x / 6) * cos(y / 5)
                                                           : 40 + 160 * edge);
        }
        file = array_bytes(context, image, CAE_FILE_JPEG);
        again = read_bytes(context, file, "JPEG");
        b = cae_array_data(again);
        ck_assert_uint_eq(cae_array_bytes(again), n);
        for (size_t i = 0; i < n; i++) {
            ck_assert_int_le(abs((int)a[i] - (int)b[i]), 40);
            sum += abs((int)a[i] - (int)b[i]);
        }
        ck_assert_double_lt(sum / (double)n, 1.5);
        bytes_free(&file);
        cae_array_destroy(again);
        cae_array_destroy(image);
    }
}
END_TEST

START_TEST(an_image_may_have_two_extents)
{
    const int64_t shape[2] = {6, 4};
    cae_array *image = random_array(context, 1, CAE_TYPE_U8, shape, 2);

    if (HAVE_IMAGES)
        for (int32_t format = CAE_FILE_PNG; format <= CAE_FILE_JPEG; format++) {
            struct bytes file = array_bytes(context, image, format);
            cae_array *again = read_bytes(context, file, "two extents");
            int64_t found[CAE_MOST_RANK];

            assert_ok(context, cae_array_shape(found, NULL, NULL, again));
            ck_assert(found[0] == 6 && found[1] == 4 && found[2] == 1);
            bytes_free(&file);
            cae_array_destroy(again);
        }
    cae_array_destroy(image);
}
END_TEST

/* --- Files ----------------------------------------------------------------------------------- */

START_TEST(names_say_the_format)
{
    static const struct {
        const char *name;
        unsigned char first;
    } names[] = {{"a.npy", 0x93}, {"a.NPY", 0x93}, {"a.png", 0x89}, {"a.Png", 0x89}, {"a.jpg", 0xff},
                 {"a.JPEG", 0xff}, {"a.png.jpeg", 0xff}, {"x.y.npy", 0x93}};
    static const char *const bad[] = {"a", "a.bmp", "npy", "png.", "a.png ", "a.jp", "a.webp"};
    cae_array *image = random_image(context, 1, CAE_TYPE_U8, 4, 5, 3), *again = NULL;

    for (int i = 0; i < COUNT(names); i++) {
        const char *path = in_directory(names[i].name);
        struct bytes file;

        if (names[i].first != 0x93 && !HAVE_IMAGES)
            continue;
        assert_ok(context, cae_array_write(image, path));
        file = file_bytes(path);
        ck_assert_int_eq(file.data[0], names[i].first);
        bytes_free(&file);
        assert_ok(context, cae_array_read(&again, context, path));
        cae_array_destroy(again);
    }
    for (int i = 0; i < COUNT(bad); i++) {
        fails_saying(CAE_ERR_ARGUMENT, ".jpeg", cae_array_write(image, in_directory(bad[i])));
        assert_says(context, bad[i]);
        ck_assert_int_ne(access(in_directory(bad[i]), F_OK), 0);
    }
    cae_array_destroy(image);
}
END_TEST

/* By what is in it, not by its name. */
START_TEST(first_bytes_say_what_a_file_is)
{
    cae_array *image = random_image(context, 1, CAE_TYPE_U8, 4, 5, 3), *again = NULL;
    struct bytes file = array_bytes(context, image, HAVE_IMAGES ? CAE_FILE_PNG : CAE_FILE_NPY);

    write_file(in_directory("really.jpg"), file.data, file.size);
    assert_ok(context, cae_array_read(&again, context, in_directory("really.jpg")));
    assert_same_arrays(image, again, "a PNG named .jpg");
    cae_array_destroy(again);
    for (size_t size = 0; size < 8; size++) { /* of which none is a file */
        struct bytes cut = {file.data, size};
        check_array_refused(context, cut, CAE_ERR_FORMAT, size < 6 ? "neither .npy nor PNG nor JPEG" : "");
    }
    bytes_free(&file);
    cae_array_destroy(image);
}
END_TEST

START_TEST(failures_name_the_file)
{
    cae_array *image = random_image(context, 1, CAE_TYPE_U8, 4, 5, 2), *array = (void *)&heap;

    fails_saying(CAE_ERR_IO, "missing.png", cae_array_read(&array, context, in_directory("missing.png")));
    ck_assert_ptr_null(array);
    fails_saying(CAE_ERR_IO, test_directory, cae_array_read(&array, context, test_directory));
    write_file(in_directory("text.png"), "text", 4);
    fails_saying(CAE_ERR_FORMAT, "text.png", cae_array_read(&array, context, in_directory("text.png")));
    assert_says(context, "neither");
    fails_saying(CAE_ERR_IO, "no-such", cae_array_write(image, in_directory("no-such/x.npy")));
    if (HAVE_IMAGES) {
        fails_saying(CAE_ERR_SHAPE, "alpha.jpg", cae_array_write(image, in_directory("alpha.jpg")));
        ck_assert_int_ne(access(in_directory("alpha.jpg"), F_OK), 0);
    }
    cae_array_destroy(image);
}
END_TEST

START_TEST(buffers_that_are_too_short)
{
    cae_array *image = random_image(context, 1, CAE_TYPE_U8, 4, 5, 3);

    for (int32_t format = CAE_FILE_NPY; format <= (HAVE_IMAGES ? CAE_FILE_JPEG : 0); format++) {
        struct bytes file = array_bytes(context, image, format), shorter = bytes_new(NULL, file.size);
        size_t size = 0;

        memset(shorter.data, 0x77, file.size);
        fails_saying(CAE_ERR_ARGUMENT, "the buffer has",
                     cae_array_write_memory(shorter.data, file.size - 1, &size, image, format));
        ck_assert_uint_eq(size, file.size);
        for (size_t i = 0; i < file.size; i++)
            ck_assert_int_eq(shorter.data[i], 0x77);
        bytes_free(&file), bytes_free(&shorter);
    }
    cae_array_destroy(image);
}
END_TEST

static const struct {
    int32_t type;
    int64_t shape[4];
    int32_t rank, format;
    const char *part;
} unwritable[] = {
    {CAE_TYPE_F32, {4, 4, 3}, 3, CAE_FILE_PNG, "cae_array_from_planes"},
    {CAE_TYPE_F32, {4, 4, 3}, 3, CAE_FILE_JPEG, "floats"},
    {CAE_TYPE_U16, {4, 4, 3}, 3, CAE_FILE_JPEG, "16 bits"},
    {CAE_TYPE_U8, {4, 4, 2}, 3, CAE_FILE_JPEG, "no alpha"},
    {CAE_TYPE_U8, {4, 4, 4}, 3, CAE_FILE_JPEG, "no alpha"},
    {CAE_TYPE_U8, {4, 4, 5}, 3, CAE_FILE_PNG, "5 channels"},
    {CAE_TYPE_U8, {4, 4, 5}, 3, CAE_FILE_JPEG, "5 channels"},
    {CAE_TYPE_U8, {16}, 1, CAE_FILE_PNG, "[height][width][channels]"},
    {CAE_TYPE_U8, {1, 4, 4, 3}, 4, CAE_FILE_JPEG, "4 extents"},
    {CAE_TYPE_U8, {1, 65501, 1}, 3, CAE_FILE_JPEG, "65500"},
    {CAE_TYPE_U8, {1048577, 1, 1}, 3, CAE_FILE_PNG, "1048576"},
};

START_TEST(what_a_format_cannot_hold)
{
    cae_array *array = NULL;
    size_t size;

    assert_ok(context, cae_array_create(&array, context, unwritable[_i].type, unwritable[_i].shape,
                                        unwritable[_i].rank));
    if (HAVE_IMAGES)
        fails_saying(CAE_ERR_SHAPE, unwritable[_i].part,
                     cae_array_write_memory(NULL, 0, &size, array, unwritable[_i].format));
    else
        fails_saying(CAE_ERR_UNSUPPORTED, "-Dimages",
                     cae_array_write_memory(NULL, 0, &size, array, unwritable[_i].format));
    cae_array_destroy(array);
}
END_TEST

/* --- Kinds of PNG and JPEG, which make.py drew ------------------------------------------------ */

static bool ends_in(const char *name, const char *end)
{
    const size_t length = strlen(name);

    return length > strlen(end) && strcmp(name + length - strlen(end), end) == 0;
}

/* Other versions of libjpeg smooth halved colours in other ways. */
static void check_close(cae_array *found, cae_array *expected, const char *name)
{
    const unsigned char *a = cae_array_data(found), *b = cae_array_data(expected);

    ck_assert_uint_eq(cae_array_bytes(found), cae_array_bytes(expected));
    for (size_t i = 0; i < cae_array_bytes(found); i++)
        if (abs((int)a[i] - (int)b[i]) > (strcmp(name, "subsampled.jpg") == 0 ? 60 : 2))
            ck_abort_msg("%s: value %zu is %d, expected %d", name, i, a[i], b[i]);
}

static void check_kind(const char *name)
{
    cae_array *found = NULL, *expected = NULL;
    char path[512];

    snprintf(path, sizeof path, "%s/%s", TEST_IMAGES, name);
    if (strcmp(name, "cmyk.jpg") == 0) {
        fails_saying(CAE_ERR_FORMAT, "CMYK", cae_array_read(&found, context, path));
        return;
    }
    assert_ok(context, cae_array_read(&found, context, path));
    snprintf(path, sizeof path, "%s/%s.npy", TEST_IMAGES, name);
    assert_ok(context, cae_array_read(&expected, context, path));
    if (ends_in(name, ".png"))
        assert_same_arrays(found, expected, name);
    else
        check_close(found, expected, name);
    cae_array_destroy(found);
    cae_array_destroy(expected);
}

START_TEST(kinds_of_images)
{
    DIR *directory = opendir(TEST_IMAGES);
    int count = 0;

    ck_assert_msg(directory != NULL, "no " TEST_IMAGES);
    for (const struct dirent *entry; (entry = readdir(directory));)
        if (ends_in(entry->d_name, ".png") || ends_in(entry->d_name, ".jpg")) {
            if (HAVE_IMAGES)
                check_kind(entry->d_name);
            count++;
        }
    closedir(directory);
    ck_assert_int_ge(count, 30);
}
END_TEST

static struct bytes kind(const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", TEST_IMAGES, name);
    return file_bytes(path);
}

/* A host may trap what is inexact, round as it likes, and finds that as it was. */
START_TEST(in_any_floating_point_environment)
{
#if defined __GLIBC__ && defined __x86_64__
    static const char *const names[] = {"rgb16.png", "chunks.png", "progressive.jpg", "turned6.jpg"};
    const int64_t shape[3] = {4, 4, 3};
    float planes[48], again[48];
    cae_array *image = random_array(context, 1, CAE_TYPE_U16, shape, 3);

    assert_ok(context, cae_array_to_planes(planes, 48, image, CAE_SCALE_SIGNED));
    feclearexcept(FE_ALL_EXCEPT);
    fesetround(FE_UPWARD);
    feenableexcept(FE_INEXACT | FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW | FE_UNDERFLOW);
    for (int i = 0; i < COUNT(names) && HAVE_IMAGES; i++) {
        struct bytes file = kind(names[i]);
        cae_array *read = read_bytes(context, file, names[i]);
        bytes_free(&file);
        file = array_bytes(context, read, i < 2 ? CAE_FILE_PNG : CAE_FILE_JPEG);
        bytes_free(&file);
        cae_array_destroy(read);
    }
    cae_status status = cae_array_to_planes(again, 48, image, CAE_SCALE_SIGNED);
    cae_status back = cae_array_from_planes(image, again, 48, CAE_SCALE_SIGNED);
    const int round = fegetround(), raised = fetestexcept(FE_ALL_EXCEPT);
    fedisableexcept(FE_ALL_EXCEPT);
    fesetround(FE_TONEAREST);
    ck_assert(status == CAE_OK && back == CAE_OK && round == FE_UPWARD && raised == 0);
    ck_assert_int_eq(memcmp(planes, again, sizeof planes), 0);
    cae_array_destroy(image);
#endif
}
END_TEST

/* --- Malformed files ------------------------------------------------------------------------- */

static const struct {
    const char *header, *part;
} bad_headers[] = {
    {"", "expected a header"},
    {"{'descr': '|u1', 'fortran_order': False}", "expected a header"},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': (6,), 'x': 1}", "expected a header"},
    {"{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (6,)}", "expected a header"},
    {"{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (6,)}", "descr (one type)"},
    {"{'descr': '|u1', 'fortran_order': false, 'shape': (6,)}", "expected a header"},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': (6,)} x", "expected a header"},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': (-6,)}", "expected a header"},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775808,)}", "expected a header"},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': (6)", "expected a header"},
    {"{'descr': '|b1', 'fortran_order': False, 'shape': (6,)}", "astype(numpy.float32)"},
    {"{'descr': '<i8', 'fortran_order': False, 'shape': (6,)}", "'<i8'"},
    {"{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3)}", "numpy.ascontiguousarray"},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': ()}", "0 extents"},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 6)}", "9 extents"},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': (0, 6)}", "extent 0 of an array is 0"},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': (5,)}", "5 numbers take 5 bytes, the file has 6"},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': (7,)}", "7 numbers take 7 bytes, the file has 6"},
    {"{'descr': '<f8', 'fortran_order': False, 'shape': (6,)}", "48 bytes"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", "memory can address"},
};

static struct bytes npy(int major, const char *header, size_t length, const void *data, size_t size)
{
    const size_t start = major == 1 ? 10 : 12, text = strlen(header);
    struct bytes file = bytes_new(NULL, start + text + size);

    memcpy(file.data, "\x93NUMPY", 6);
    file.data[6] = (unsigned char)major, file.data[7] = 0;
    for (size_t i = 8; i < start; i++, length >>= 8)
        file.data[i] = (unsigned char)length;
    memcpy(file.data + start, header, text);
    memcpy(file.data + start + text, data, size);
    return file;
}

START_TEST(headers_that_are_not)
{
    struct bytes file = npy(1, bad_headers[_i].header, strlen(bad_headers[_i].header), "123456", 6);

    check_array_refused(context, file, CAE_ERR_FORMAT, bad_headers[_i].part);
    bytes_free(&file);
}
END_TEST

static const char *const good_headers[] = {
    "{'descr': '|u1', 'fortran_order': False, 'shape': (6,), }",
    "{'shape':(6,),'fortran_order':False,'descr':'|u1'}",
    "{\"descr\": \"u1\", \"fortran_order\": True, \"shape\": (6L,)}  \n",
    " { 'descr' : '<u1' , 'fortran_order' : False , 'shape' : ( 6 , ) } \n",
};

START_TEST(headers_of_any_version)
{
    for (int major = 1; major <= 3; major++) {
        struct bytes file =
            npy(major, good_headers[_i], strlen(good_headers[_i]), "123456", 6);
        cae_array *array = read_bytes(context, file, good_headers[_i]);

        ck_assert_uint_eq(cae_array_bytes(array), 6);
        ck_assert_int_eq(memcmp(cae_array_data(array), "123456", 6), 0);
        cae_array_destroy(array);
        for (size_t size = 6; size < file.size; size++) {
            struct bytes cut = {file.data, size};
            check_array_refused(context, cut, CAE_ERR_FORMAT, size < 10                ? "ends after"
                                               : size < file.size - 6 ? "ends in its header"
                                                                      : "6 numbers take 6 bytes");
        }
        file.data[6] = 4;
        check_array_refused(context, file, CAE_ERR_FORMAT, "version 4.0");
        file.data[6] = (unsigned char)major, file.data[7] = 1;
        check_array_refused(context, file, CAE_ERR_FORMAT, "version");
        bytes_free(&file);
    }
    struct bytes file = npy(2, good_headers[_i], 65537, "123456", 6);
    check_array_refused(context, file, CAE_ERR_FORMAT, "65537 bytes");
    bytes_free(&file);
}
END_TEST

/* Doubles are rounded to nearest: 1 + 2^-24 is a tie, to even; beyond floats is infinity. */
START_TEST(doubles_are_rounded)
{
    const double given[] = {1 + 0x1p-24, 1 + 0x1.8p-24, -1e300, 1e-45, 0.1, -0.0};
    const float expected[] = {1, 1 + 0x1p-23f, -INFINITY, 1e-45f, 0.1f, -0.0f};
    const char *header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }";
    double values[6];
    cae_array *array;
    struct bytes file;

    memcpy(values, given, sizeof values);
    little_endian(values, 6, 8);
    file = npy(1, header, strlen(header), values, sizeof values);
    array = read_bytes(context, file, "doubles");
    ck_assert_uint_eq(cae_array_bytes(array), sizeof expected);
    ck_assert_int_eq(memcmp(cae_array_data(array), expected, sizeof expected), 0);
    cae_array_destroy(array);
    bytes_free(&file);
}
END_TEST

START_TEST(numbers_in_the_other_order)
{
    const char *header = "{'descr': '>u2', 'fortran_order': False, 'shape': (2,), }";
    const char *floats = "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }";
    struct bytes file = npy(1, header, strlen(header), "\x01\x02\xff\x00", 4);
    cae_array *array = read_bytes(context, file, ">u2");

    ck_assert_int_eq(((uint16_t *)cae_array_data(array))[0], 0x0102);
    ck_assert_int_eq(((uint16_t *)cae_array_data(array))[1], 0xff00);
    cae_array_destroy(array);
    bytes_free(&file);
    file = npy(1, floats, strlen(floats), "\x3f\x80\x00\x00", 4);
    array = read_bytes(context, file, ">f4");
    ck_assert(((float *)cae_array_data(array))[0] == 1.0f);
    cae_array_destroy(array);
    bytes_free(&file);
}
END_TEST

/* Cut off anywhere: no image, whatever the libraries would make of it. */
START_TEST(images_that_are_cut_off)
{
    static const char *const names[] = {"plain.jpg", "progressive.jpg", "turned6.jpg", "rgb8.png",
                                        "grey16.png", "palette8_alpha.png"};
    if (!HAVE_IMAGES)
        return;
    for (int i = 0; i < COUNT(names); i++) {
        struct bytes file = kind(names[i]);

        for (size_t size = 8; size < file.size; size++) {
            struct bytes cut = {file.data, size};
            check_array_refused(context, cut, CAE_ERR_FORMAT, i < 3 ? "JPEG: " : "PNG: ");
        }
        bytes_free(&file);
    }
}
END_TEST

START_TEST(a_png_with_any_bit_turned)
{
    struct bytes file = kind("rgb8.png"), good = kind("rgb8.png");
    cae_array *expected, *array;

    if (!HAVE_IMAGES) {
        bytes_free(&file), bytes_free(&good);
        return;
    }
    expected = read_bytes(context, good, "rgb8.png");
    for (size_t bit = 0; bit < 8 * file.size; bit++) {
        file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        array = NULL;
        const cae_status status = cae_array_read_memory(&array, context, file.data, file.size);
        if (status == CAE_OK) /* a checksum that nobody needs */
            assert_same_arrays(array, expected, "a bit turned");
        cae_array_destroy(array);
        file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    cae_array_destroy(expected);
    bytes_free(&file), bytes_free(&good);
}
END_TEST

static uint32_t crc_of(const unsigned char *data, size_t size)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void put(unsigned char *at, int64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> 8 * (bytes - 1 - i));
}

/* Headers that lie are found out before memory is taken. */
START_TEST(images_larger_than_their_files)
{
    static const int64_t sides[][2] = {{1048577, 1}, {1, 1048577}, {1 << 20, 257}, {16385, 16384},
                                       {0x7fffffff, 0x7fffffff}, {16384, 16384}, {1000, 1000}};
    struct bytes png = kind("rgb8.png"), jpeg = kind("plain.jpg");

    heap.largest = 0;
    for (int i = 0; i < COUNT(sides) && HAVE_IMAGES; i++) {
        put(png.data + 16, sides[i][1], 4);
        put(png.data + 20, sides[i][0], 4);
        put(png.data + 29, crc_of(png.data + 12, 17), 4);
        check_array_refused(context, png, CAE_ERR_FORMAT, i < 5 ? "268435456 pixels" : "can hold");
    }
    ck_assert_uint_lt(heap.largest, 1 << 17);
    for (size_t at = 2; HAVE_IMAGES && at + 8 < jpeg.size;) {
        if (jpeg.data[at + 1] == 0xc0) {
            put(jpeg.data + at + 5, 65000, 2);
            put(jpeg.data + at + 7, 65000, 2);
            check_array_refused(context, jpeg, CAE_ERR_FORMAT, "268435456 pixels");
            put(jpeg.data + at + 5, 2000, 2);
            put(jpeg.data + at + 7, 2000, 2);
            check_array_refused(context, jpeg, CAE_ERR_FORMAT, "can hold 512 pixels");
            put(jpeg.data + at + 5, 0, 2);
            check_array_refused(context, jpeg, CAE_ERR_FORMAT, "JPEG");
            break;
        }
        at += 2 + ((size_t)jpeg.data[at + 2] << 8 | jpeg.data[at + 3]);
    }
    ck_assert_uint_lt(heap.largest, 1 << 17);
    bytes_free(&png), bytes_free(&jpeg);
}
END_TEST

/* The densest PNG that there is does not fall under it. */
START_TEST(an_empty_sheet_can_be_read)
{
    const int64_t shape[3] = {4096, 4096, 1};
    cae_array *image = NULL, *again;
    struct bytes file;

    if (!HAVE_IMAGES)
        return;
    assert_ok(context, cae_array_create(&image, context, CAE_TYPE_U8, shape, 3));
    for (int32_t format = CAE_FILE_PNG; format <= CAE_FILE_JPEG; format++) {
        file = array_bytes(context, image, format);
        again = read_bytes(context, file, "an empty sheet");
        assert_same_arrays(image, again, "an empty sheet");
        cae_array_destroy(again);
        bytes_free(&file);
    }
    cae_array_destroy(image);
}
END_TEST

/* --- Planes ---------------------------------------------------------------------------------- */

/* What the header says a number becomes, and the way back. */
static float scaled(int32_t type, int32_t scale, unsigned value)
{
    const float most = type == CAE_TYPE_U8 ? 255 : 65535;

    return scale == CAE_SCALE_SIGNED ? (float)value / (most / 2) - 1 : (float)value / most;
}

static unsigned value_of(cae_array *image, int32_t type, size_t i)
{
    return type == CAE_TYPE_U8 ? ((unsigned char *)cae_array_data(image))[i]
                               : ((uint16_t *)cae_array_data(image))[i];
}

START_TEST(images_become_planes_and_come_back)
{
    enum { H = 7, W = 93, MOST = 4 };

    for (int64_t channels = 1; channels <= MOST; channels++)
        for (int32_t type = CAE_TYPE_U8; type <= CAE_TYPE_U16; type++)
            for (int32_t scale = CAE_SCALE_SIGNED; scale <= CAE_SCALE_UNIT; scale++) {
                const size_t n = (size_t)(H * W * channels);
                cae_array *image = random_image(context, 9, type, H, W, channels);
                cae_array *again = random_image(context, 8, type, H, W, channels);
                float *planes = guarded_floats(n);

                assert_ok(context, cae_array_to_planes(planes, n, image, scale));
                for (size_t i = 0; i < n; i++) {
                    const size_t at = i % (H * W) * (size_t)channels + i / (H * W);
                    ck_assert(planes[i] == (type == CAE_TYPE_F32
                                                ? ((float *)cae_array_data(image))[at]
                                                : scaled(type, scale, value_of(image, type, at))));
                }
                assert_ok(context, cae_array_from_planes(again, planes, n, scale));
                assert_same_arrays(image, again, "planes and back");
                guarded_finish(planes, "cae_array_to_planes");
                cae_array_destroy(image);
                cae_array_destroy(again);
            }
}
END_TEST

/* Each of the 65,536. */
START_TEST(every_number_comes_back)
{
    const int64_t shape[2] = {256, 256};
    static float planes[65536];
    cae_array *image = NULL, *again = NULL;

    assert_ok(context, cae_array_create(&image, context, CAE_TYPE_U16, shape, 2));
    assert_ok(context, cae_array_create(&again, context, CAE_TYPE_U16, shape, 2));
    for (size_t i = 0; i < 65536; i++)
        ((uint16_t *)cae_array_data(image))[i] = (uint16_t)i;
    for (int32_t scale = CAE_SCALE_SIGNED; scale <= CAE_SCALE_UNIT; scale++) {
        assert_ok(context, cae_array_to_planes(planes, 65536, image, scale));
        ck_assert(planes[0] == (scale == CAE_SCALE_SIGNED ? -1 : 0) && planes[65535] == 1);
        assert_ok(context, cae_array_from_planes(again, planes, 65536, scale));
        assert_same_arrays(image, again, "every number");
    }
    cae_array_destroy(image);
    cae_array_destroy(again);
}
END_TEST

/* As datasets do: the same bits. */
START_TEST(planes_are_what_datasets_give)
{
    enum { H = 6, W = 9, C = 3, N = H * W * C };
    cae_array *image = random_image(context, 4, CAE_TYPE_U8, H, W, C);
    cae_dataset_options options;
    cae_dataset *dataset = NULL;
    float a[N], b[N];

    assert_ok(context, cae_dataset_options_init(&options, sizeof options));
    options.layout = CAE_LAYOUT_NHWC;
    for (options.scale = 0; options.scale <= 1; options.scale++) {
        assert_ok(context, cae_dataset_create(&dataset, context, cae_array_data(image), N, 1, C, H, W,
                                              &options));
        assert_ok(context, cae_dataset_get(a, N, dataset, 0));
        assert_ok(context, cae_array_to_planes(b, N, image, options.scale));
        ck_assert_int_eq(memcmp(a, b, sizeof a), 0);
        cae_dataset_destroy(dataset);
    }
    cae_array_destroy(image);
}
END_TEST

START_TEST(values_out_of_range_are_clipped)
{
    const float given[] = {-INFINITY, -1.5f, -1, 0, 1, 1.01f, 1e30f, INFINITY, NAN, -NAN};
    const unsigned char bytes[] = {0, 0, 0, 128, 255, 255, 255, 255, 0, 0};
    const uint16_t words[] = {0, 0, 0, 32768, 65535, 65535, 65535, 65535, 0, 0};
    const int64_t shape[2] = {1, COUNT(given)};
    cae_array *image = NULL;

    assert_ok(context, cae_array_create(&image, context, CAE_TYPE_U8, shape, 2));
    assert_ok(context, cae_array_from_planes(image, given, COUNT(given), CAE_SCALE_SIGNED));
    for (int i = 0; i < COUNT(given); i++)
        ck_assert_int_eq(((unsigned char *)cae_array_data(image))[i], bytes[i]);
    cae_array_destroy(image);
    assert_ok(context, cae_array_create(&image, context, CAE_TYPE_U16, shape, 2));
    assert_ok(context, cae_array_from_planes(image, given, COUNT(given), CAE_SCALE_SIGNED));
    for (int i = 0; i < COUNT(words); i++)
        ck_assert_int_eq(((uint16_t *)cae_array_data(image))[i], words[i]);
    assert_ok(context, cae_array_from_planes(image, given, COUNT(given), CAE_SCALE_UNIT));
    for (int i = 0; i < COUNT(words); i++)
        ck_assert_int_eq(((uint16_t *)cae_array_data(image))[i], i == 3 ? 0 : words[i]);
    cae_array_destroy(image);
}
END_TEST

START_TEST(planes_that_do_not_fit)
{
    cae_array *image = random_image(context, 1, CAE_TYPE_U8, 3, 4, 2), *line = NULL;
    const int64_t shape[1] = {24};
    const size_t wrong[] = {0, 23, 25, SIZE_MAX};
    float planes[25] = {0};

    assert_ok(context, cae_array_create(&line, context, CAE_TYPE_U8, shape, 1));
    for (int i = 0; i < COUNT(wrong); i++) {
        fails_saying(CAE_ERR_SHAPE, "24 values", cae_array_to_planes(planes, wrong[i], image, 0));
        fails_saying(CAE_ERR_SHAPE, "24 values", cae_array_from_planes(image, planes, wrong[i], 0));
    }
    for (int32_t scale = -1; scale <= 2; scale += 3) {
        fails_saying(CAE_ERR_ARGUMENT, "CAE_SCALE_", cae_array_to_planes(planes, 24, image, scale));
        fails_saying(CAE_ERR_ARGUMENT, "CAE_SCALE_", cae_array_from_planes(image, planes, 24, scale));
    }
    fails_saying(CAE_ERR_ARGUMENT, "planes", cae_array_to_planes(NULL, 24, image, 0));
    fails_saying(CAE_ERR_ARGUMENT, "planes", cae_array_from_planes(image, NULL, 24, 0));
    fails_saying(CAE_ERR_SHAPE, "1 extents", cae_array_to_planes(planes, 24, line, 0));
    fails_saying(CAE_ERR_SHAPE, "1 extents", cae_array_from_planes(line, planes, 24, 0));
    cae_array_destroy(image);
    cae_array_destroy(line);
}
END_TEST

/* --- Datasets from .npy ----------------------------------------------------------------------- */

static cae_dataset *open_npy(cae_array *array, int32_t layout, int32_t scale)
{
    cae_dataset_options options;
    cae_dataset *dataset = NULL;

    assert_ok(context, cae_array_write(array, in_directory("set.npy")));
    assert_ok(context, cae_dataset_options_init(&options, sizeof options));
    options.layout = layout, options.scale = scale;
    assert_ok(context, cae_dataset_open_npy(&dataset, context, in_directory("set.npy"), &options));
    return dataset;
}

START_TEST(a_dataset_of_a_file_is_one_of_memory)
{
    enum { N = 5, H = 4, W = 6, C = 3, LENGTH = H * W * C };

    for (int32_t rank = 3; rank <= 4; rank++)
        for (int32_t type = CAE_TYPE_U8; type <= CAE_TYPE_F32; type++)
            for (int32_t layout = 0; layout <= 1; layout++) {
                const int64_t planes[4] = {N, C, H, W}, pixels[4] = {N, H, W, C}, grey[3] = {N, H, W};
                cae_array *array = random_array(context, 2, type,
                                                rank == 3 ? grey : layout ? pixels : planes, rank);
                cae_dataset *file = open_npy(array, layout, CAE_SCALE_UNIT), *memory = NULL;
                const int32_t c = rank == 3 ? 1 : C;
                const size_t length = (size_t)(LENGTH / C * c);
                cae_dataset_options options;
                float a[LENGTH], b[LENGTH];

                assert_ok(context, cae_dataset_options_init(&options, sizeof options));
                options.type = type, options.layout = layout, options.scale = CAE_SCALE_UNIT;
                assert_ok(context, cae_dataset_create(&memory, context, cae_array_data(array),
                                                      cae_array_bytes(array), N, c, H, W, &options));
                ck_assert_int_eq(cae_dataset_count(file), N);
                ck_assert_int_eq(cae_dataset_skipped(file), 0);
                ck_assert_double_eq(cae_dataset_range(file), 1);
                for (int i = 0; i < N; i++) {
                    assert_ok(context, cae_dataset_get(a, length, file, i));
                    assert_ok(context, cae_dataset_get(b, length, memory, i));
                    ck_assert_int_eq(memcmp(a, b, length * sizeof *a), 0);
                }
                cae_dataset_destroy(file);
                cae_dataset_destroy(memory);
                cae_array_destroy(array);
            }
}
END_TEST

static const struct {
    int32_t type;
    int64_t shape[5];
    int32_t rank;
    const char *part;
} no_datasets[] = {
    {CAE_TYPE_U16, {2, 3, 4, 4}, 4, "16 bits"},
    {CAE_TYPE_U8, {2, 3}, 2, "2 extents"},
    {CAE_TYPE_U8, {96}, 1, "[count][height][width]"},
    {CAE_TYPE_U8, {1, 2, 3, 4, 4}, 5, "5 extents"},
    {CAE_TYPE_U8, {1, 1, 1048577, 1}, 4, "1048576"},
};

START_TEST(arrays_that_are_no_datasets)
{
    cae_array *array = random_array(context, 1, no_datasets[_i].type, no_datasets[_i].shape,
                                    no_datasets[_i].rank);
    cae_dataset *dataset = (void *)&heap;

    assert_ok(context, cae_array_write(array, in_directory("none.npy")));
    fails_saying(CAE_ERR_FORMAT, no_datasets[_i].part,
                 cae_dataset_open_npy(&dataset, context, in_directory("none.npy"), NULL));
    assert_says(context, "none.npy");
    ck_assert_ptr_null(dataset);
    cae_array_destroy(array);
}
END_TEST

START_TEST(no_dataset_of_what_is_no_file)
{
    cae_dataset *dataset = (void *)&heap;
    cae_dataset_options options;

    assert_fails(context, CAE_ERR_ARGUMENT, cae_dataset_open_npy(NULL, context, "x", NULL));
    fails_saying(CAE_ERR_ARGUMENT, "path", cae_dataset_open_npy(&dataset, context, NULL, NULL));
    ck_assert_ptr_null(dataset);
    ck_assert_int_eq(cae_dataset_open_npy(&dataset, NULL, "x", NULL), CAE_ERR_ARGUMENT);
    fails_saying(CAE_ERR_IO, "gone.npy",
                 cae_dataset_open_npy(&dataset, context, in_directory("gone.npy"), NULL));
    write_file(in_directory("text.npy"), "text", 4);
    fails_saying(CAE_ERR_FORMAT, "text.npy: not a .npy",
                 cae_dataset_open_npy(&dataset, context, in_directory("text.npy"), NULL));
    assert_ok(context, cae_dataset_options_init(&options, sizeof options));
    options.borrow = 1;
    fails_saying(CAE_ERR_OPTIONS, "expected 0",
                 cae_dataset_open_npy(&dataset, context, in_directory("text.npy"), &options));
    options.borrow = 0, options.type = CAE_TYPE_F32;
    fails_saying(CAE_ERR_OPTIONS, "expected 0",
                 cae_dataset_open_npy(&dataset, context, in_directory("text.npy"), &options));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arrays");
    TCase *cases = tcase_create("arrays");

    tcase_add_unchecked_fixture(cases, directory_setup, directory_teardown);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, arrays_of_every_type_and_rank);
    tcase_add_loop_test(cases, arrays_that_cannot_be, 0, COUNT(bad_arrays));
    tcase_add_test(cases, null_and_an_array_that_outlives_its_context);
    tcase_add_test(cases, images_come_back);
    tcase_add_test(cases, numbers_come_back);
    tcase_add_test(cases, floats_of_any_bits_come_back);
    tcase_add_test(cases, jpeg_stays_close);
    tcase_add_test(cases, an_image_may_have_two_extents);
    tcase_add_test(cases, names_say_the_format);
    tcase_add_test(cases, first_bytes_say_what_a_file_is);
    tcase_add_test(cases, failures_name_the_file);
    tcase_add_test(cases, buffers_that_are_too_short);
    tcase_add_loop_test(cases, what_a_format_cannot_hold, 0, COUNT(unwritable));
    tcase_add_test(cases, kinds_of_images);
    tcase_add_test(cases, in_any_floating_point_environment);
    tcase_add_loop_test(cases, headers_that_are_not, 0, COUNT(bad_headers));
    tcase_add_loop_test(cases, headers_of_any_version, 0, COUNT(good_headers));
    tcase_add_test(cases, doubles_are_rounded);
    tcase_add_test(cases, numbers_in_the_other_order);
    tcase_add_test(cases, images_that_are_cut_off);
    tcase_add_test(cases, a_png_with_any_bit_turned);
    tcase_add_test(cases, images_larger_than_their_files);
    tcase_add_test(cases, an_empty_sheet_can_be_read);
    tcase_add_test(cases, images_become_planes_and_come_back);
    tcase_add_test(cases, every_number_comes_back);
    tcase_add_test(cases, planes_are_what_datasets_give);
    tcase_add_test(cases, values_out_of_range_are_clipped);
    tcase_add_test(cases, planes_that_do_not_fit);
    tcase_add_test(cases, a_dataset_of_a_file_is_one_of_memory);
    tcase_add_loop_test(cases, arrays_that_are_no_datasets, 0, COUNT(no_datasets));
    tcase_add_test(cases, no_dataset_of_what_is_no_file);
    suite_add_tcase(suite, cases);
    return test_main(suite);
}
