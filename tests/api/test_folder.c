/* test_folder.c - folders of images as datasets: which files, in which order, which crops, and what is left
 * out. The definition of a crop is here once more, slowly, with a Philox of its own. */
#include "arrays.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static struct heap heap;
static cae_context *context;
static char top[512]; /* the folder, made anew for each test */

/* --- What the library says ------------------------------------------------------------------- */

enum { MOST_LINES = 40 };
static char lines[MOST_LINES][512];
static int line_count;

static void keep_line(void *user, int32_t level, const char *text)
{
    (void)user;
    ck_assert_int_eq(level, CAE_LOG_WARNING);
    ck_assert_int_lt(line_count, MOST_LINES);
    snprintf(lines[line_count++], sizeof lines[0], "%s", text);
}

static cae_context *logging_context(int threads)
{
    cae_context_options options = heap_options(&heap, threads);
    cae_context *made = NULL;

    options.log = keep_line;
    ck_assert_int_eq(cae_context_create(&made, &options), CAE_OK);
    return made;
}

/* --- A folder -------------------------------------------------------------------------------- */

static void setup(void)
{
    heap = (struct heap)HEAP;
    line_count = 0;
    context = logging_context(1);
    snprintf(top, sizeof top, "%s/folder-XXXXXX", test_directory);
    ck_assert_ptr_nonnull(mkdtemp(top));
}

static void teardown(void)
{
    cae_context_destroy(context);
    assert_balanced(&heap, "at the end of the test");
    nftw(top, directory_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *inside(const char *name)
{
    static char path[1024];

    snprintf(path, sizeof path, "%s/%s", top, name);
    return path;
}

static void make_folder(const char *name)
{
    ck_assert_int_eq(mkdir(inside(name), 0755), 0);
}

/* Random bits, as a file of that name. */
static void put_image(const char *name, uint64_t seed, int32_t type, int64_t height, int64_t width,
                      int64_t channels)
{
    cae_array *image = random_image(context, seed, type, height, width, channels);

    assert_ok(context, cae_array_write(image, inside(name)));
    cae_array_destroy(image);
}

static void put_kind(const char *name, const char *kind)
{
    struct bytes file;
    char path[512];

    snprintf(path, sizeof path, "%s/%s", TEST_IMAGES, kind);
    file = file_bytes(path);
    write_file(inside(name), file.data, file.size);
    bytes_free(&file);
}

static cae_folder_options options_of(int32_t height, int32_t width, int32_t crops)
{
    cae_folder_options o;

    assert_ok(context, cae_folder_options_init(&o, sizeof o));
    o.height = height, o.width = width, o.crops = crops, o.scale = CAE_SCALE_UNIT;
    return o;
}

static cae_dataset *open_by(cae_context *by, const cae_folder_options *o)
{
    cae_dataset *dataset = NULL;

    assert_ok(by, cae_dataset_open_folder(&dataset, by, top, o));
    return dataset;
}

static void check_refused(cae_status status, const char *part, const char *folder,
                          const cae_folder_options *o)
{
    cae_dataset *dataset = (void *)&heap;

    assert_fails(context, status, cae_dataset_open_folder(&dataset, context, folder, o));
    assert_says(context, part);
    ck_assert_ptr_null(dataset);
}

/* --- The definition -------------------------------------------------------------------------- */

/* A value as a byte. */
static int byte_of(cae_array *image, int32_t type, int64_t at)
{
    return type == CAE_TYPE_U8 ? ((unsigned char *)cae_array_data(image))[at]
                               : (int)((((uint16_t *)cae_array_data(image))[at]) / 257.0 + 0.5);
}

static int pixel(cae_array *image, int64_t y, int64_t x, int channel, int channels)
{
    int64_t shape[CAE_MOST_RANK], at;
    int32_t type;

    assert_ok(context, cae_array_shape(shape, NULL, &type, image));
    at = (y * shape[1] + x) * shape[2];
    if (shape[2] < 3)
        return byte_of(image, type, at);
    if (channels == 3)
        return byte_of(image, type, at + channel);
    return (int)((299 * byte_of(image, type, at) + 587 * byte_of(image, type, at + 1) +
                  114 * byte_of(image, type, at + 2)) / 1000.0 + 0.5);
}

/* Image `index` of the dataset is crop `crop` of a file that is the `number`th of all. */
static void check_crop(const cae_dataset *dataset, int64_t index, const char *name, int64_t number,
                       int64_t crop, const cae_folder_options *o)
{
    const size_t n = (size_t)(o->channels * o->height * o->width);
    uint32_t x[4] = {(uint32_t)crop, (uint32_t)number, 0, 7};
    float *values = new_floats(n), *at = values;
    cae_array *image = NULL;
    int64_t shape[CAE_MOST_RANK], top_row, left;

    assert_ok(context, cae_array_read(&image, context, inside(name)));
    assert_ok(context, cae_array_shape(shape, NULL, NULL, image));
    philox(x, o->seed);
    top_row = (int64_t)((double)x[0] / 0x1p32 * (double)(shape[0] - o->height + 1));
    left = (int64_t)((double)x[1] / 0x1p32 * (double)(shape[1] - o->width + 1));
    assert_ok(context, cae_dataset_get(values, n, dataset, index));
    for (int c = 0; c < o->channels; c++)
        for (int row = 0; row < o->height; row++)
            for (int column = 0; column < o->width; column++, at++)
                if (*at * 255 != (float)pixel(image, top_row + row, left + column, c, o->channels) &&
                    *at != (float)pixel(image, top_row + row, left + column, c, o->channels) / 255)
                    ck_abort_msg("%s, crop %d: channel %d of (%d, %d) is %g", name, (int)crop, c, row,
                                 column, (double)*at * 255);
    cae_array_destroy(image);
    free(values);
}

/* --- Which files, which crops ---------------------------------------------------------------- */

/* In the order of their bytes: '-' before '.' before '/' before letters, capitals first. */
static const char *const names[] = {"B.PNG", "a-b.png", "a.jpeg", "a/a.png", "a/b/c.JPG", "a/b/d.png",
                                    "a0.png", "b/x.y.png", "\xc3\xa4.png"};

static void fill_folder(void)
{
    make_folder("b"), make_folder("a"), make_folder("a/b"), make_folder("empty");
    put_image("\xc3\xa4.png", 9, CAE_TYPE_U8, 8, 5, 1);
    put_image("a/b/d.png", 6, CAE_TYPE_U16, 12, 9, 3);
    put_image("B.PNG", 1, CAE_TYPE_U8, 20, 10, 3);
    put_kind("a/b/c.JPG", "turned6.jpg");
    put_image("a0.png", 7, CAE_TYPE_U8, 8, 5, 4);
    put_image("a-b.png", 2, CAE_TYPE_U8, 9, 16, 2);
    put_image("a/a.png", 4, CAE_TYPE_U16, 8, 10, 2);
    put_image("a.jpeg", 3, CAE_TYPE_U8, 17, 13, 1);
    put_image("b/x.y.png", 8, CAE_TYPE_U16, 8, 6, 4);
    write_file(inside("a/labels.csv"), "no image", 8);
    write_file(inside("png"), "no image", 8);
    write_file(inside(".png"), "no image", 8); /* a name without an end */
}

START_TEST(crops_are_those_of_the_definition)
{
    const int threads[] = {1, 2, 3, 7};
    cae_folder_options o = options_of(8, 5, 3);

    fill_folder();
    o.seed = 0x123456789abcdef;
    for (int i = 0; i < COUNT(threads); i++)
        for (o.channels = 1; o.channels <= 3; o.channels += 2) {
            cae_context *by = logging_context(threads[i]);
            cae_dataset *dataset = open_by(by, &o);
            int32_t c, h, w;

            ck_assert_int_eq(cae_dataset_count(dataset), 3 * COUNT(names));
            ck_assert_int_eq(cae_dataset_skipped(dataset), 0);
            assert_ok(by, cae_dataset_shape(&c, &h, &w, dataset));
            ck_assert(c == o.channels && h == 8 && w == 5);
            ck_assert_double_eq(cae_dataset_range(dataset), 1);
            for (int64_t at = 0; at < cae_dataset_count(dataset); at++)
                check_crop(dataset, at, names[at / 3], at / 3, at % 3, &o);
            cae_dataset_destroy(dataset);
            cae_context_destroy(by);
        }
    ck_assert_int_eq(line_count, 0);
}
END_TEST

/* Crops as large as the image: what is there, all of it. */
START_TEST(a_photo_is_upright_before_it_is_cut)
{
    const cae_folder_options upright = options_of(30, 21, 1), lying = options_of(21, 30, 1);
    cae_dataset *dataset;

    put_kind("photo.jpg", "turned6.jpg");
    dataset = open_by(context, &upright);
    check_crop(dataset, 0, "photo.jpg", 0, 0, &upright);
    cae_dataset_destroy(dataset);
    check_refused(CAE_ERR_FORMAT, "30x21 is smaller than crops of 21x30", top, &lying);
}
END_TEST

/* A comment that ends in what looks like the end of the file. */
START_TEST(segments_are_skipped_whole)
{
    static const unsigned char comment[] = {0xff, 0xfe, 0, 6, 'x', 'y', 0xff, 0xd9};
    const cae_folder_options o = options_of(8, 5, 1);
    struct bytes file, longer;
    cae_dataset *dataset;

    put_kind("a.jpg", "plain.jpg");
    file = file_bytes(inside("a.jpg"));
    longer = bytes_new(NULL, file.size + sizeof comment);
    memcpy(longer.data, file.data, 2);
    memcpy(longer.data + 2, comment, sizeof comment);
    memcpy(longer.data + 2 + sizeof comment, file.data + 2, file.size - 2);
    write_file(inside("a.jpg"), longer.data, longer.size);
    bytes_free(&file), bytes_free(&longer);
    dataset = open_by(context, &o);
    check_crop(dataset, 0, "a.jpg", 0, 0, &o);
    cae_dataset_destroy(dataset);
}
END_TEST

/* The defaults: 3 channels, 32x32, as many crops as fit the area, [-1, 1]. */
START_TEST(as_many_crops_as_fit)
{
    cae_dataset *dataset;
    cae_folder_options o = options_of(32, 32, 0);
    int32_t c, h, w;
    float values[3072];

    put_image("a.png", 1, CAE_TYPE_U8, 32, 32, 3);
    put_image("b.png", 2, CAE_TYPE_U8, 100, 100, 3); /* 9.8 */
    put_image("c.png", 3, CAE_TYPE_U8, 40, 40, 3);   /* 1.6 */
    dataset = open_by(context, NULL);
    ck_assert_int_eq(cae_dataset_count(dataset), 11);
    assert_ok(context, cae_dataset_shape(&c, &h, &w, dataset));
    ck_assert(c == 3 && h == 32 && w == 32);
    ck_assert_double_eq(cae_dataset_range(dataset), 2);
    assert_ok(context, cae_dataset_get(values, 3072, dataset, 10));
    for (int i = 0; i < 3072; i++)
        ck_assert(values[i] >= -1 && values[i] <= 1);
    cae_dataset_destroy(dataset);

    dataset = open_by(context, &o);
    for (int64_t i = 0; i < 11; i++)
        check_crop(dataset, i, i < 1 ? "a.png" : i < 10 ? "b.png" : "c.png", i < 1 ? 0 : i < 10 ? 1 : 2,
                   i < 1 ? 0 : i < 10 ? i - 1 : 0, &o);
    cae_dataset_destroy(dataset);
}
END_TEST

/* Files that have 1, 12, 3 and 30 crops, in less and less memory: as many of each as can be, as counted one
 * by one. */
START_TEST(memory_is_shared_out)
{
    const int fit[4] = {1, 12, 3, 30};
    cae_folder_options o = options_of(4, 4, 0);

    for (int i = 0; i < 4; i++) {
        const char name[] = {(char)('a' + i), '.', 'p', 'n', 'g', '\0'};
        put_image(name, 1, CAE_TYPE_U8, 4, 4 * fit[i], 3);
    }
    for (int room = 0; room <= 50; room++) {
        int expected = 0;
        o.memory = room * 48 + (room ? 47 : 1);
        for (int most = 1;; most++) {
            int sum = 0;
            for (int i = 0; i < 4; i++)
                sum += fit[i] < most ? fit[i] : most;
            if (sum > room || sum == expected)
                break;
            expected = sum;
        }
        if (expected == 0) {
            check_refused(CAE_ERR_OPTIONS, "raise memory", top, &o);
            continue;
        }
        cae_dataset *dataset = open_by(context, &o);
        ck_assert_int_eq(cae_dataset_count(dataset), expected);
        cae_dataset_destroy(dataset);
    }
    o.crops = 7, o.memory = 28 * 48;
    cae_dataset *dataset = open_by(context, &o);
    ck_assert_int_eq(cae_dataset_count(dataset), 28);
    cae_dataset_destroy(dataset);
    o.memory--;
    check_refused(CAE_ERR_OPTIONS, "room for 27 crops of 3x4x4, and 7 of each of 4 files is more", top, &o);
    o.crops = INT32_MAX, o.memory = INT64_MAX / 4;
    heap.largest = 0;
    assert_fails(context, CAE_ERR_MEMORY, cae_dataset_open_folder(&dataset, context, top, &o));
}
END_TEST

START_TEST(a_limit_takes_from_everywhere)
{
    cae_folder_options o = options_of(8, 5, 1);

    fill_folder();
    for (o.limit = 1; o.limit <= 12; o.limit++) {
        cae_dataset *dataset = open_by(context, &o);
        const int64_t count = o.limit < COUNT(names) ? o.limit : COUNT(names);

        ck_assert_int_eq(cae_dataset_count(dataset), count);
        for (int64_t i = 0; i < count; i++) /* numbers are those among all */
            check_crop(dataset, i, names[i * COUNT(names) / count], i * COUNT(names) / count, 0, &o);
        cae_dataset_destroy(dataset);
    }
}
END_TEST

START_TEST(seeds_choose_crops)
{
    cae_folder_options o = options_of(8, 8, 20);
    float a[192], b[192];
    int same = 0;

    put_image("a.png", 1, CAE_TYPE_U8, 64, 64, 3);
    for (int bit = 0; bit < 64; bit += 7) {
        cae_dataset *one, *other;

        o.seed = 1;
        one = open_by(context, &o);
        o.seed = 1 ^ (uint64_t)1 << bit;
        other = open_by(context, &o);
        for (int64_t i = 0; i < 20; i++) {
            assert_ok(context, cae_dataset_get(a, 192, one, i));
            assert_ok(context, cae_dataset_get(b, 192, other, i));
            same += memcmp(a, b, sizeof a) == 0;
        }
        cae_dataset_destroy(one);
        cae_dataset_destroy(other);
    }
    ck_assert_int_le(same, 2); /* of 200, by chance 1 in 3249 */
}
END_TEST

/* Every place is taken about as often: of 9 by 9, in 8100 crops, 100 times each, give or take 10. */
START_TEST(every_place_is_as_likely)
{
    cae_folder_options o = options_of(2, 2, 8100);
    cae_array *image = random_image(context, 1, CAE_TYPE_U8, 10, 10, 1);
    cae_dataset *dataset;
    int counts[81] = {0};
    double chi = 0;

    for (int i = 0; i < 100; i++)
        ((unsigned char *)cae_array_data(image))[i] = (unsigned char)i;
    assert_ok(context, cae_array_write(image, inside("a.png")));
    cae_array_destroy(image);
    o.channels = 1;
    dataset = open_by(context, &o);
    for (int64_t i = 0; i < 8100; i++) {
        float values[4];
        assert_ok(context, cae_dataset_get(values, 4, dataset, i));
        const int first = (int)(values[0] * 255 + 0.5f);
        counts[first / 10 * 9 + first % 10]++;
    }
    for (int i = 0; i < 81; i++)
        chi += (counts[i] - 100.0) * (counts[i] - 100.0) / 100;
    ck_assert_double_lt(chi, 134); /* 80 degrees of freedom: once in 10,000 */
    cae_dataset_destroy(dataset);
}
END_TEST

/* --- What is left out ------------------------------------------------------------------------ */

static void put_cut(const char *name, const char *kind)
{
    struct bytes file;
    char path[512];

    snprintf(path, sizeof path, "%s/%s", TEST_IMAGES, kind);
    file = file_bytes(path);
    write_file(inside(name), file.data, file.size * 2 / 3);
    bytes_free(&file);
}

static const struct {
    const char *name, *part;
} left_out[] = {
    {"b_cut.jpg", "JPEG: "},
    {"c_cut.png", "PNG: "},
    {"d_text.png", "neither PNG nor JPEG"},
    {"e_small.png", "4x9 is smaller than crops of 8x5"},
    {"f_cmyk.jpg", "CMYK"},
    {"g_lying.png", "5x8 is smaller than crops of 8x5"},
    {"h_link.png", "a link to nothing"},
    {"i_pipe.jpg", "not a regular file"},
    {"j_empty.png", "neither PNG nor JPEG"},
    {"k_header.png", "ends before it says its size"},
    {"k_header2.jpg", "ends before it says its size"},
    {"l_numbers.jpg", "neither PNG nor JPEG"},
};

static void fill_with_others(void)
{
    struct bytes numbers;
    cae_array *image;

    put_image("a.png", 1, CAE_TYPE_U8, 9, 9, 3);
    put_cut("b_cut.jpg", "plain.jpg");
    put_cut("c_cut.png", "grey16.png");
    put_image("c_good.png", 2, CAE_TYPE_U8, 9, 9, 3);
    write_file(inside("d_text.png"), "a text of some length", 21);
    put_image("e_small.png", 3, CAE_TYPE_U8, 4, 9, 3);
    put_kind("f_cmyk.jpg", "cmyk.jpg");
    put_image("g_lying.png", 3, CAE_TYPE_U8, 5, 8, 3);
    ck_assert_int_eq(symlink("nowhere", inside("h_link.png")), 0);
    ck_assert_int_eq(mkfifo(inside("i_pipe.jpg"), 0644), 0);
    write_file(inside("j_empty.png"), "", 0);
    write_file(inside("k_header.png"), "\x89PNG\r\n\x1a\n\0\0\0", 11);
    write_file(inside("k_header2.jpg"), "\xff\xd8\xff\xe0\0\x10", 6);
    image = random_image(context, 1, CAE_TYPE_U8, 9, 9, 3);
    numbers = array_bytes(context, image, CAE_FILE_NPY);
    write_file(inside("l_numbers.jpg"), numbers.data, numbers.size);
    bytes_free(&numbers);
    cae_array_destroy(image);
    put_image("m.png", 4, CAE_TYPE_U8, 9, 9, 3);
    put_image("n_link.png", 5, CAE_TYPE_U8, 9, 9, 3); /* and a link that leads somewhere */
    ck_assert_int_eq(symlink("n_link.png", inside("o_link.png")), 0);
}

START_TEST(what_cannot_be_used_is_left_out)
{
    const int threads[] = {1, 2, 3, 7};
    const cae_folder_options o = options_of(8, 5, 4);

    alarm(30); /* a pipe must not be waited for */
    fill_with_others();
    for (int i = 0; i < COUNT(threads); i++) {
        cae_context *by = logging_context(threads[i]);
        cae_dataset *dataset, *slice = NULL;

        line_count = 0;
        dataset = open_by(by, &o);
        ck_assert_int_eq(cae_dataset_count(dataset), 20);
        ck_assert_int_eq(cae_dataset_skipped(dataset), COUNT(left_out));
        ck_assert_int_eq(line_count, COUNT(left_out));
        for (int at = 0; at < COUNT(left_out); at++)
            if (!strstr(lines[at], left_out[at].name) || !strstr(lines[at], left_out[at].part))
                ck_abort_msg("the log says \"%s\", expected %s and \"%s\"", lines[at],
                             left_out[at].name, left_out[at].part);
        for (int64_t at = 0; at < 20; at++) {
            static const char *const good[] = {"a.png", "c_good.png", "m.png", "n_link.png", "o_link.png"};
            static const int number[] = {0, 3, 14, 15, 16};
            check_crop(dataset, at, good[at / 4], number[at / 4], at % 4, &o);
        }
        assert_ok(by, cae_dataset_slice(&slice, dataset, 3, 2));
        ck_assert_int_eq(cae_dataset_skipped(slice), COUNT(left_out));
        cae_dataset_destroy(dataset);
        cae_dataset_destroy(slice);
        cae_context_destroy(by);
    }
    ck_assert_int_eq(cae_dataset_skipped(NULL), 0);
    alarm(0);
}
END_TEST

/* root reads everything: be nobody for a while. */
START_TEST(what_may_not_be_read_is_left_out)
{
    const cae_folder_options o = options_of(8, 5, 1);
    const uid_t user = geteuid();
    cae_dataset *dataset;

    make_folder("closed");
    put_image("a.png", 1, CAE_TYPE_U8, 9, 9, 3);
    put_image("b.png", 1, CAE_TYPE_U8, 9, 9, 3);
    put_image("closed/c.png", 1, CAE_TYPE_U8, 9, 9, 3);
    ck_assert_int_eq(chmod(inside("b.png"), 0), 0);
    ck_assert_int_eq(chmod(inside("closed"), 0), 0);
    ck_assert_int_eq(chmod(test_directory, 0755), 0);
    ck_assert_int_eq(chmod(top, 0755), 0);
    if (user == 0 && seteuid(65534) != 0)
        return;
    dataset = open_by(context, &o);
    ck_assert_int_eq(seteuid(user), 0);
    ck_assert_int_eq(cae_dataset_count(dataset), 1);
    ck_assert_int_eq(cae_dataset_skipped(dataset), 2);
    ck_assert_int_eq(line_count, 2);
    ck_assert_ptr_nonnull(strstr(lines[0], "b.png"));
    ck_assert_ptr_nonnull(strstr(lines[0], strerror(EACCES)));
    ck_assert_ptr_nonnull(strstr(lines[1], "closed"));
    ck_assert_ptr_nonnull(strstr(lines[1], strerror(EACCES)));
    cae_dataset_destroy(dataset);
    ck_assert_int_eq(chmod(inside("closed"), 0755), 0);
}
END_TEST

START_TEST(folders_without_images)
{
    const cae_folder_options o = options_of(8, 5, 1);
    char path[600];

    check_refused(CAE_ERR_IO, ".jpeg", top, &o);
    assert_says(context, top);
    snprintf(path, sizeof path, "%s/missing", top);
    check_refused(CAE_ERR_IO, "missing", path, &o);
    write_file(inside("file"), "text", 4);
    snprintf(path, sizeof path, "%s/file", top);
    check_refused(CAE_ERR_IO, "file", path, &o);
    make_folder("a.png"); /* a folder of that name is one to look into */
    put_cut("a.png/cut.png", "grey16.png");
    write_file(inside("b.png"), "text", 4);
    check_refused(CAE_ERR_FORMAT, "none of 2 files", top, &o);
    assert_says(context, "a.png/cut.png");
    assert_says(context, "PNG: ");
    ck_assert_int_eq(line_count, 2);
}
END_TEST

/* A link that leads back up would never end. */
START_TEST(links_to_folders_are_not_followed)
{
    const cae_folder_options o = options_of(8, 5, 1);
    cae_dataset *dataset;

    make_folder("a");
    put_image("a/a.png", 1, CAE_TYPE_U8, 9, 9, 3);
    ck_assert_int_eq(symlink("..", inside("a/up")), 0);
    ck_assert_int_eq(symlink("a", inside("again.png")), 0); /* named like an image: not one */
    dataset = open_by(context, &o);
    ck_assert_int_eq(cae_dataset_count(dataset), 1);
    ck_assert_int_eq(cae_dataset_skipped(dataset), 1);
    ck_assert_ptr_nonnull(strstr(lines[0], "again.png"));
    cae_dataset_destroy(dataset);
    strcat(top, "/a/up"); /* but the one that is asked for is */
    dataset = open_by(context, &o);
    ck_assert_int_eq(cae_dataset_count(dataset), 1);
    cae_dataset_destroy(dataset);
    *strstr(top, "/a/up") = '\0';
}
END_TEST

START_TEST(a_very_long_path)
{
    const cae_folder_options o = options_of(8, 5, 1);
    char name[101], path[4200];
    cae_dataset *dataset;
    int depth = 0;

    memset(name, 'd', 100);
    name[100] = '\0';
    put_image("a.png", 1, CAE_TYPE_U8, 9, 9, 3);
    getcwd(path, sizeof path);
    ck_assert_int_eq(chdir(top), 0);
    for (; depth < 45 && mkdir(name, 0755) == 0 && chdir(name) == 0; depth++)
        ;
    ck_assert_int_eq(chdir(path), 0);
    ck_assert_int_eq(depth, 45);
    dataset = open_by(context, &o);
    ck_assert_int_eq(cae_dataset_count(dataset), 1);
    ck_assert_int_eq(cae_dataset_skipped(dataset), 1);
    ck_assert_ptr_nonnull(strstr(lines[0], "path of more than 4095 bytes"));
    cae_dataset_destroy(dataset);
    ck_assert_int_eq(chdir(top), 0); /* nftw could not: from the inside out */
    for (int i = 0; i < depth - 1; i++)
        ck_assert_int_eq(chdir(name), 0);
    for (int i = 0; i < depth; i++) {
        ck_assert_int_eq(rmdir(name), 0);
        ck_assert_int_eq(chdir(".."), 0);
    }
    ck_assert_int_eq(chdir(path), 0);
}
END_TEST

/* --- Wrong arguments ------------------------------------------------------------------------- */

START_TEST(options_out_of_range)
{
    static const struct {
        size_t field;
        int64_t value;
        const char *part;
    } bad[] = {
#define FIELD(name) offsetof(cae_folder_options, name)
        {FIELD(scale), -1, "scale is -1"},      {FIELD(scale), 2, "scale is 2"},
        {FIELD(channels), 0, "channels is 0"},  {FIELD(channels), 2, "channels is 2"},
        {FIELD(channels), 4, "channels is 4"},  {FIELD(height), 0, "crops of 0x32"},
        {FIELD(height), -5, "crops of -5x32"},  {FIELD(height), 1048577, "1048576"},
        {FIELD(width), 0, "crops of 32x0"},     {FIELD(width), INT32_MAX, "1048576"},
        {FIELD(crops), -1, "crops -1"},         {FIELD(memory), 0, "memory 0"},
        {FIELD(memory), -1, "memory -1"},       {FIELD(limit), -1, "limit -1"},
        {FIELD(limit), INT64_MIN, "limit -9"},
    };

    put_image("a.png", 1, CAE_TYPE_U8, 33, 33, 3);
    for (int i = 0; i < COUNT(bad); i++) {
        cae_folder_options o;
        int32_t narrow = (int32_t)bad[i].value;

        assert_ok(context, cae_folder_options_init(&o, sizeof o));
        if (bad[i].field >= FIELD(memory))
            memcpy((char *)&o + bad[i].field, &bad[i].value, 8);
        else
            memcpy((char *)&o + bad[i].field, &narrow, 4);
        check_refused(CAE_ERR_OPTIONS, bad[i].part, top, &o);
        assert_says(context, "cae_folder_options");
    }
    cae_folder_options o = options_of(1048576, 1048576, 1);
    check_refused(CAE_ERR_OPTIONS, "2 GiB", top, &o);
    o.size = 3;
    check_refused(CAE_ERR_OPTIONS, "init function", top, &o);
}
END_TEST

START_TEST(null_for_a_folder)
{
    cae_dataset *dataset = (void *)&heap;

    assert_fails(context, CAE_ERR_ARGUMENT, cae_dataset_open_folder(NULL, context, top, NULL));
    check_refused(CAE_ERR_ARGUMENT, "directory", NULL, NULL);
    ck_assert_int_eq(cae_dataset_open_folder(&dataset, NULL, top, NULL), CAE_ERR_ARGUMENT);
    ck_assert_ptr_null(dataset);
    ck_assert_int_eq(cae_folder_options_init(NULL, sizeof(cae_folder_options)), CAE_ERR_ARGUMENT);
}
END_TEST

/* Beside the dataset no block is larger than an image or a file, or a thread's context. */
START_TEST(no_block_is_larger_than_an_image)
{
    const cae_folder_options o = options_of(32, 32, 1);

    for (int i = 0; i < 8; i++) {
        const char name[] = {(char)('a' + i), '.', 'p', 'n', 'g', '\0'};
        put_image(name, 1, CAE_TYPE_U8, 300, 200, 3);
    }
    heap.largest = 0;
    cae_dataset *dataset = open_by(context, &o);
    ck_assert_uint_le(heap.largest, 300 * 200 * 3 + 2000); /* random pixels: the file is as large */
    cae_dataset_destroy(dataset);
}
END_TEST

START_TEST(a_build_without_images)
{
    check_refused(CAE_ERR_UNSUPPORTED, "-Dimages=enabled", top, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("folder");
    TCase *cases = tcase_create("folder");
    tcase_add_unchecked_fixture(cases, directory_setup, directory_teardown);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    if (HAVE_IMAGES) {
        tcase_add_test(cases, crops_are_those_of_the_definition);
        tcase_add_test(cases, a_photo_is_upright_before_it_is_cut);
        tcase_add_test(cases, segments_are_skipped_whole);
        tcase_add_test(cases, as_many_crops_as_fit);
        tcase_add_test(cases, memory_is_shared_out);
        tcase_add_test(cases, a_limit_takes_from_everywhere);
        tcase_add_test(cases, seeds_choose_crops);
        tcase_add_test(cases, every_place_is_as_likely);
        tcase_add_test(cases, what_cannot_be_used_is_left_out);
        tcase_add_test(cases, what_may_not_be_read_is_left_out);
        tcase_add_test(cases, folders_without_images);
        tcase_add_test(cases, links_to_folders_are_not_followed);
        tcase_add_test(cases, a_very_long_path);
        tcase_add_test(cases, options_out_of_range);
        tcase_add_test(cases, no_block_is_larger_than_an_image);
    } else {
        tcase_add_test(cases, a_build_without_images);
    }
    tcase_add_test(cases, null_for_a_folder);
    suite_add_tcase(suite, cases);
    return test_main(suite);
}
