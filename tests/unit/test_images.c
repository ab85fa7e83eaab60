/* test_images.c - what may be wrong with images and arrays, part by part: Exif of any kind, JPEG files that
 * no camera writes, headers that are looked at but not read, limits that no test has the memory to reach
 * from outside. */
#include "../api/arrays.h"

#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/data/data.h"
#include "../../lib/images/images.h"

static struct heap heap;
static cae_context *context;
static char logged[2048];

static void take_log(void *user, int32_t level, const char *text)
{
    (void)user, (void)level;
    strncat(logged, text, sizeof logged - strlen(logged) - 1);
}

static void setup(void)
{
    cae_context_options options;

    heap = (struct heap)HEAP;
    logged[0] = '\0';
    options = heap_options(&heap, 1);
    options.log = take_log;
    ck_assert_int_eq(cae_context_create(&context, &options), CAE_OK);
}

static void teardown(void)
{
    cae_context_destroy(context);
    assert_balanced(&heap, "at the end of the test");
}

static struct bytes kind(const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", TEST_IMAGES, name);
    return file_bytes(path);
}

/* `file` with `more` put in at `at`; frees the file. */
static struct bytes with(struct bytes file, size_t at, const void *more, size_t size)
{
    struct bytes longer = bytes_new(NULL, file.size + size);

    memcpy(longer.data, file.data, at);
    memcpy(longer.data + at, more, size);
    memcpy(longer.data + at + size, file.data + at, file.size - at);
    bytes_free(&file);
    return longer;
}

static void put(unsigned char *at, unsigned value, int bytes, bool little)
{
    for (int i = 0; i < bytes; i++)
        at[little ? i : bytes - 1 - i] = (unsigned char)(value >> 8 * i);
}

/* --- Exif ------------------------------------------------------------------------------------------- */

enum { EXIF_SIZE = 6 + 8 + 2 + 2 * 12 + 4 }; /* name, header, number of entries, two, no further directory */

/* A segment of Exif, of which the second entry is the orientation. */
static const struct exif {
    const char *what, *name;
    bool big;
    unsigned directory, entries, tag, type, value;
    int size;     /* of what is behind the segment's length */
    int expected; /* 1: as if nothing had been said */
} exifs[] = {
    {"as cameras write it", "Exif", false, 8, 2, 0x112, 3, 6, EXIF_SIZE, 6},
    {"big-endian", "Exif", true, 8, 2, 0x112, 3, 6, EXIF_SIZE, 6},
    {"upright", "Exif", false, 8, 2, 0x112, 3, 1, EXIF_SIZE, 1},
    {"mirrored", "Exif", true, 8, 2, 0x112, 3, 2, EXIF_SIZE, 2},
    {"the last that there is", "Exif", false, 8, 2, 0x112, 3, 8, EXIF_SIZE, 8},
    {"0", "Exif", false, 8, 2, 0x112, 3, 0, EXIF_SIZE, 1},
    {"9", "Exif", false, 8, 2, 0x112, 3, 9, EXIF_SIZE, 1},
    {"65535", "Exif", true, 8, 2, 0x112, 3, 65535, EXIF_SIZE, 1},
    {"a long", "Exif", false, 8, 2, 0x112, 4, 6, EXIF_SIZE, 1},
    {"another entry", "Exif", false, 8, 2, 0x113, 3, 6, EXIF_SIZE, 1},
    {"no entries", "Exif", false, 8, 0, 0x112, 3, 6, EXIF_SIZE, 1},
    {"one entry", "Exif", false, 8, 1, 0x112, 3, 6, EXIF_SIZE, 1},
    {"more entries than there are", "Exif", false, 8, 65535, 0x112, 3, 6, EXIF_SIZE, 6},
    {"and none is it", "Exif", false, 8, 65535, 0x113, 3, 6, EXIF_SIZE, 1},
    {"up to the end", "Exif", false, 8, 2, 0x112, 3, 6, EXIF_SIZE - 4, 6},
    {"cut off in the entry", "Exif", false, 8, 2, 0x112, 3, 6, EXIF_SIZE - 5, 1},
    {"cut off behind the first", "Exif", false, 8, 2, 0x112, 3, 6, EXIF_SIZE - 16, 1},
    {"cut off behind the number", "Exif", false, 8, 2, 0x112, 3, 6, 16, 1},
    {"cut off in the number", "Exif", false, 8, 2, 0x112, 3, 6, 15, 1},
    {"cut off behind the header", "Exif", false, 8, 2, 0x112, 3, 6, 14, 1},
    {"cut off in the header", "Exif", false, 8, 2, 0x112, 3, 6, 13, 1},
    {"cut off behind the name", "Exif", false, 8, 2, 0x112, 3, 6, 6, 1},
    {"cut off in the name", "Exif", false, 8, 2, 0x112, 3, 6, 5, 1},
    {"nothing", "Exif", false, 8, 2, 0x112, 3, 6, 0, 1},
    {"directory at the end", "Exif", false, EXIF_SIZE - 6 - 2, 2, 0x112, 3, 6, EXIF_SIZE, 1},
    {"directory behind it", "Exif", false, EXIF_SIZE - 6 - 1, 2, 0x112, 3, 6, EXIF_SIZE, 1},
    {"directory far away", "Exif", false, 0xffffffff, 2, 0x112, 3, 6, EXIF_SIZE, 1},
    {"and the other way round", "Exif", true, 0xfffffffe, 2, 0x112, 3, 6, EXIF_SIZE, 1},
    {"no Exif", "Exix", false, 8, 2, 0x112, 3, 6, EXIF_SIZE, 1},
};

static struct bytes with_exif(struct bytes file, const struct exif *e)
{
    unsigned char segment[4 + EXIF_SIZE] = {0xff, 0xe1}, *tiff = segment + 4 + 6;
    const bool little = !e->big;

    put(segment + 2, 2 + (unsigned)e->size, 2, false);
    memcpy(segment + 4, e->name, strlen(e->name));
    memcpy(tiff, little ? "II" : "MM", 2);
    put(tiff + 2, 42, 2, little);
    put(tiff + 4, e->directory, 4, little);
    put(tiff + 8, e->entries, 2, little);
    put(tiff + 10, 0x110, 2, little);
    put(tiff + 12, 3, 2, little);
    put(tiff + 22, e->tag, 2, little);
    put(tiff + 24, e->type, 2, little);
    put(tiff + 26, 1, 4, little);
    put(tiff + 30, e->value, 2, little);
    return with(file, 2, segment, 4 + (size_t)e->size);
}

static void check_orientation(struct bytes file, int orientation, const char *what)
{
    char name[32];
    struct bytes like;
    cae_array *found = read_bytes(context, file, what), *expected;

    snprintf(name, sizeof name, "turned%d.jpg", orientation);
    like = kind(name);
    expected = read_bytes(context, like, name);
    assert_same_arrays(found, expected, what);
    cae_array_destroy(found);
    cae_array_destroy(expected);
    bytes_free(&like);
    bytes_free(&file);
}

START_TEST(exif_of_any_kind)
{
    check_orientation(with_exif(kind("plain.jpg"), &exifs[_i]), exifs[_i].expected, exifs[_i].what);
}
END_TEST

/* The first that is Exif counts, whatever it says; others may come before. */
START_TEST(the_first_exif_counts)
{
    const struct exif *good = &exifs[0], *mirrored = &exifs[3], *none = &exifs[COUNT(exifs) - 1];
    static const unsigned char xmp[] = "\xff\xe1\0\x1fhttp://ns.adobe.com/xap/1.0/";

    check_orientation(with_exif(with_exif(kind("plain.jpg"), good), none), 6, "another before");
    check_orientation(with(with_exif(kind("plain.jpg"), good), 2, xmp, sizeof xmp), 6, "XMP before");
    check_orientation(with_exif(with_exif(kind("plain.jpg"), good), mirrored), 2, "two");
    check_orientation(with_exif(with_exif(kind("plain.jpg"), good), &exifs[6]), 1, "a bad one first");
}
END_TEST

/* --- JPEG that no camera writes --------------------------------------------------------------------- */

/* A file that ends in its first scan; `extra` comes before the rest. */
static struct bytes jpeg_header(int frame, int precision, int channels, const void *extra, size_t size)
{
    unsigned char file[64] = {0xff, 0xd8}, *at = file + 2;
    struct bytes plain;

    *at++ = 0xff, *at++ = (unsigned char)frame;
    put(at, 8 + 3 * (unsigned)channels, 2, false);
    at[2] = (unsigned char)precision;
    put(at + 3, 8, 2, false);
    put(at + 5, 8, 2, false);
    at[7] = (unsigned char)channels;
    at += 8;
    for (int c = 1; c <= channels; c++, at += 3)
        at[0] = (unsigned char)c, at[1] = 0x11;
    memcpy(at, "\xff\xda\0\x08\x01\x01\0\0\x3f\0\xff\xd9", 12);
    at += 12;
    plain = bytes_new(file, (size_t)(at - file));
    return with(plain, 2, extra, size);
}

/* Transform 2 of four channels is YCCK. */
static const unsigned char ycck[] = {0xff, 0xee, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 2};

static const struct {
    int frame, precision, channels;
    bool adobe;
    const char *part, *or;
} kinds[] = {
    {0xc0, 8, 4, false, "in CMYK", NULL},
    {0xc0, 8, 4, true, "in CMYK", NULL},
    {0xc0, 8, 2, false, "of unknown colours", NULL},
    {0xc1, 12, 1, false, "of other than 8 bits", "precision"}, /* libjpeg's own words, before ours */
    {0xc1, 12, 3, false, "of other than 8 bits", "precision"},
    {0xc9, 8, 1, false, "in arithmetic coding", "rithmetic"},
    {0xca, 8, 3, false, "in arithmetic coding", "rithmetic"},
    {0xc3, 8, 1, false, "JPEG", NULL}, /* lossless */
};

START_TEST(kinds_that_are_not_read)
{
    struct bytes file = jpeg_header(kinds[_i].frame, kinds[_i].precision, kinds[_i].channels, ycck,
                                    kinds[_i].adobe ? sizeof ycck : 0);
    cae_array *array = (void *)&heap;

    assert_fails(context, CAE_ERR_FORMAT, cae_array_read_memory(&array, context, file.data, file.size));
    ck_assert_ptr_null(array);
    if (!kinds[_i].or || !strstr(cae_context_error(context), kinds[_i].or))
        assert_says(context, kinds[_i].part);
    bytes_free(&file);
}
END_TEST

/* Warnings that real files give cause for change nothing; others are errors. */
START_TEST(warnings_that_are_none)
{
    static const unsigned char adobe[] = {0xff, 0xee, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 7};
    struct bytes plain = kind("plain.jpg"), file, cut;
    cae_array *expected = read_bytes(context, plain, "plain.jpg"), *found;

    for (int i = 0; i < 3; i++) {
        file = kind("plain.jpg");
        ck_assert(memcmp(file.data + 2, "\xff\xe0\0\x10JFIF", 8) == 0);
        if (i == 0) { /* bytes between segments */
            file = with(file, 20, "abc", 3);
        } else if (i == 1) { /* a version of JFIF that is to come */
            file.data[11] = 2;
        } else { /* colours of a number that nobody knows, and no JFIF to say which */
            memmove(file.data + 2, file.data + 20, file.size - 20);
            file.size -= 18;
            file = with(file, 2, adobe, sizeof adobe);
        }
        found = read_bytes(context, file, i == 0 ? "bytes between" : i == 1 ? "JFIF 2" : "Adobe 7");
        assert_same_arrays(found, expected, "a warning that is none");
        cae_array_destroy(found);
        bytes_free(&file);
    }
    cut = (struct bytes){plain.data, plain.size - 2}; /* no end */
    check_array_refused(context, cut, CAE_ERR_FORMAT, "JPEG: ");
    bytes_free(&plain);
    cae_array_destroy(expected);
}
END_TEST

/* A grey image of one block, all of it 0, in so many scans: one for the first coefficient, one each for the
 * others, and one more each for their last bit. */
static struct bytes scans(int count)
{
    /* tables of one code each, of one bit, for 0: "no difference" and "no more" */
    static const unsigned char head[] = {
        0xff, 0xd8, 0xff, 0xc2, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0,
        0xff, 0xc4, 0, 20, 0x00, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct bytes file = bytes_new(NULL, sizeof head + 4 + 65 + 11 * (size_t)count + 2);
    unsigned char *at = file.data + sizeof head;

    memcpy(file.data, head, sizeof head);
    memcpy(at, "\xff\xdb\0\x43\0", 5);
    memset(at + 5, 1, 64);
    at += 4 + 65;
    for (int i = 0; i < count; i++, at += 11) {
        const int coefficient = i == 0 ? 0 : (i - 1) % 63 + 1;

        memcpy(at, "\xff\xda\0\x08\x01\x01\0\0\0\0\x7f", 11);
        at[7] = at[8] = (unsigned char)coefficient;
        at[9] = i == 0 ? 0 : i <= 63 ? 0x01 : 0x10;
    }
    memcpy(at, "\xff\xd9", 2);
    return file;
}

START_TEST(scans_without_end)
{
    for (int count = 1; count <= 127; count++) {
        struct bytes file = scans(count);
        cae_array *array;

        if (count > 100) {
            check_array_refused(context, file, CAE_ERR_FORMAT, "JPEG: more than 100 scans");
        } else {
            array = read_bytes(context, file, "scans");
            ck_assert_uint_eq(cae_array_bytes(array), 64);
            for (int i = 0; i < 64; i++)
                ck_assert_int_eq(((unsigned char *)cae_array_data(array))[i], 128);
            cae_array_destroy(array);
        }
        bytes_free(&file);
    }
}
END_TEST

/* --- Writing ---------------------------------------------------------------------------------------- */

/* Each request of a file that has to grow is refused once. */
START_TEST(no_memory_for_a_file_that_grows)
{
    const int32_t format = _i ? CAE_FILE_JPEG : CAE_FILE_PNG;
    cae_array *image = random_image(context, 1, CAE_TYPE_U8, 300, 300, 3);
    struct bytes expected = array_bytes(context, image, format);
    static unsigned char data[1 << 20];
    long refused = 0;
    size_t size;

    ck_assert_uint_gt(expected.size, 2 * 65536);
    for (cae_status status = CAE_ERR_MEMORY; status != CAE_OK; refused++) {
        heap_fail(&heap, refused, false);
        status = cae_array_write_memory(data, sizeof data, &size, image, format);
        heap_fail(&heap, -1, false);
        if (status != CAE_OK) {
            ck_assert_int_eq(status, CAE_ERR_MEMORY);
            ck_assert_int_eq(atomic_load(&heap.blocks), 3); /* the context, and the array in two */
        }
    }
    ck_assert_int_ge(refused, 3); /* the first room, two that are larger */
    ck_assert_uint_eq(size, expected.size);
    ck_assert_mem_eq(data, expected.data, size);
    bytes_free(&expected);
    cae_array_destroy(image);
}
END_TEST

/* Refused before a pixel is looked at: there is none. */
START_TEST(images_too_large_to_be_written)
{
    static const int64_t sides[][2] = {{16385, 16384}, {16384, 16385}, {1, 1048577}, {1048577, 1}};
    unsigned char *data;
    size_t size;

    for (int i = 0; i < COUNT(sides); i++) {
        const struct cae__numbers image = {.type = CAE_TYPE_U8, .rank = 3,
                                           .shape = {sides[i][0], sides[i][1], 1}};

        fails_saying(CAE_ERR_SHAPE, "at most 268435456 pixels",
                     cae__png_write(&data, &size, context, &image));
        fails_saying(CAE_ERR_SHAPE, "at most 268435456 pixels",
                     cae__jpeg_write(&data, &size, context, &image));
    }
}
END_TEST

START_TEST(sizes_that_no_image_has)
{
    static const struct {
        int64_t height, width;
        size_t size;
        bool fits;
    } cases[] = {{1, 1, 1, true}, {0, 1, 1, false}, {1, 0, 1, false}, {-1, 1, 1, false},
                 {1, -1, 1, false}, {1048576, 256, 1 << 19, true}, {256, 1048576, 1 << 19, true},
                 {1048577, 1, 1 << 19, false}, {1, 1048577, 1 << 19, false},
                 {1048576, 257, 1 << 29, false}, {1048576, 1048576, SIZE_MAX, false},
                 {32, 16, 1, true}, {32, 32, 1, false}, {511, 1, 0, true}, {512, 1, 0, false}};

    for (int i = 0; i < COUNT(cases); i++)
        ck_assert_msg((cae__image_check(context, cases[i].height, cases[i].width, cases[i].size,
                                        CAE__JPEG_MOST) == CAE_OK) == cases[i].fits, "case %d", i);
}
END_TEST

START_TEST(rooms_beyond_memory)
{
    struct cae__bytes full = {NULL, SIZE_MAX - 10, SIZE_MAX - 10};
    struct cae__bytes half = {NULL, SIZE_MAX / 2 + 10, SIZE_MAX / 2 + 10};
    const long requests = atomic_load(&heap.requests);

    ck_assert(!cae__bytes_grow(&full, context, 11)); /* the sum is 0 */
    ck_assert(!cae__bytes_grow(&half, context, 1));  /* twice as much is 18 */
    ck_assert_int_eq(atomic_load(&heap.requests), requests);
    ck_assert_uint_eq(full.capacity, SIZE_MAX - 10);
    ck_assert_uint_eq(half.capacity, SIZE_MAX / 2 + 10);
}
END_TEST

/* --- Looking ---------------------------------------------------------------------------------------- */

#define START "\xff\xd8\xff\xe0\0\4\1\2"    /* a start, and a segment */
#define FRAME "\xff\xc0\0\x0b\x08\0\5\0\x09" /* 5 x 9 */
#define LOOK(text) (text), sizeof(text) - 1

static const struct {
    const char *data;
    size_t size;
    bool found;
} looks[] = {
    {LOOK(START FRAME), true},
    {LOOK(START "\xff\xc2\0\x0b\x08\0\5\0\x09"), true},         /* progressive */
    {LOOK(START "\xff\xcf\0\x0b\x08\0\5\0\x09"), true},         /* the last kind of frame */
    {LOOK(START "\xff\xc4\0\4ab\xff\xc8\0\4ab\xff\xcc\0\4ab" FRAME), true}, /* no frames */
    {LOOK(START "\xff\xd0\0\4ab" FRAME), true},                  /* no segment: what follows is between */
    {LOOK(START "\xff\1\xff\xd0\xff\xd7\xff\xd8" FRAME), true}, /* markers without segments */
    {LOOK(START "\xff\0\xff\0" FRAME), true},                    /* 255 and no marker */
    {LOOK(START "abc" FRAME), true},                             /* between segments */
    {LOOK(START "\xff\xff\xff" FRAME), true},                    /* more of what a marker begins with */
    {LOOK(START "\xff\xfe\0\2" FRAME), true},                    /* an empty segment */
    {LOOK(START "\xff\xfe\0\0" FRAME), true},                    /* one shorter than its length */
    {LOOK(START "\xff\xfe\0\x0b" FRAME), false},                 /* one that has the frame in it */
    {LOOK(START "\xff\xfe\xff\xff" FRAME), false},               /* one that is longer than the file */
    {LOOK(START "\xff\xd9" FRAME), false},                       /* the end */
    {LOOK(START "\xff\xda\0\2" FRAME), false},                   /* a scan before its frame */
    {LOOK(START), false},
    {LOOK(START "\xff"), false},
    {LOOK(START "\xff\xc0"), false},
    {LOOK(START "\xff\xc0\0"), false},
    {LOOK(START "\xff\xfe\0"), false},
    {LOOK(START "\xff\xc0\0\x0b\x08\0\5\0"), false},
    {LOOK("\xff\xd8\xff"), false},
};

/* By its frame; a file that ends before that is named JPEG, but not taken for one. */
START_TEST(looks_at_a_jpeg)
{
    int64_t height = 7, width = 7;

    write_file(in_directory("look.jpg"), looks[_i].data, looks[_i].size);
    if (looks[_i].found) {
        assert_ok(context, cae__image_look(&height, &width, context, in_directory("look.jpg")));
        ck_assert(height == 5 && width == 9);
    } else {
        fails_saying(CAE_ERR_FORMAT, "JPEG: the file ends before it says its size",
                     cae__image_look(&height, &width, context, in_directory("look.jpg")));
        ck_assert(height == 7 && width == 7);
    }
}
END_TEST

START_TEST(looks_at_a_png)
{
    const char *path = in_directory("look.png");
    struct bytes file = kind("rgb8.png");
    int64_t height = 7, width = 7;

    for (size_t size = 0; size < 27; size++) {
        write_file(path, file.data, size);
        if (size < 26)
            fails_saying(CAE_ERR_FORMAT,
                         size < 8 ? "neither PNG nor JPEG" : "PNG: the file ends before",
                         cae__image_look(&height, &width, context, path));
    }
    ck_assert(height == 7 && width == 7);
    memcpy(file.data + 12, "IDAT", 4);
    write_file(path, file.data, file.size);
    fails_saying(CAE_ERR_FORMAT, "PNG: the file ends before",
                 cae__image_look(&height, &width, context, path));
    memcpy(file.data + 12, "IHDR", 4);
    write_file(path, file.data, file.size);
    assert_ok(context, cae__image_look(&height, &width, context, path));
    ck_assert(height == (file.data[22] << 8 | file.data[23]) && width == (file.data[18] << 8 | file.data[19]));
    bytes_free(&file);
    write_file(path, "\xff\xd8\xfe\xe0zzzzzzzz", 12); /* nearly */
    fails_saying(CAE_ERR_FORMAT, "neither PNG nor JPEG",
                 cae__image_look(&height, &width, context, path));
    write_file(path, "\xff\xd9\xff\xe0zzzzzzzz", 12);
    fails_saying(CAE_ERR_FORMAT, "neither PNG nor JPEG",
                 cae__image_look(&height, &width, context, path));
    fails_saying(CAE_ERR_IO, "it is gone", cae__image_look(&height, &width, context, in_directory("no")));
}
END_TEST

/* --- Folders ---------------------------------------------------------------------------------------- */

/* A folder whose path is longer than any may be is left out as one that cannot be read, and the rest counts. */
START_TEST(folders_that_lie_too_deep)
{
    static char directory[8192];
    const char *top = in_directory("deep"), *below = in_directory("deep/a folder of some length");
    cae_array *image = random_image(context, 1, CAE_TYPE_U8, 20, 20, 3);
    cae_dataset *dataset = (void *)&heap;
    cae_folder_options o;
    long refused = 0;

    ck_assert(mkdir(top, 0755) == 0 && mkdir(below, 0755) == 0);
    assert_ok(context, cae_array_write(image, in_directory("deep/a.png")));
    assert_ok(context, cae_array_write(image, in_directory("deep/a folder of some length/b.png")));
    cae_array_destroy(image);
    assert_ok(context, cae_folder_options_init(&o, sizeof o));
    o.height = o.width = 12;
    strcpy(directory, top);
    while (strlen(directory) < 4080)
        strcat(directory, "/.");
    assert_ok(context, cae_dataset_open_folder(&dataset, context, directory, &o));
    ck_assert_int_eq(cae_dataset_skipped(dataset), 1);
    ck_assert_int_gt(cae_dataset_count(dataset), 0);
    ck_assert_ptr_nonnull(strstr(logged, "left out a folder of some length: a path of more than 4095 bytes"));
    cae_dataset_destroy(dataset);
    for (cae_status status = CAE_ERR_MEMORY; status != CAE_OK; refused++) {
        const long blocks = atomic_load(&heap.blocks);

        heap_fail(&heap, refused, false);
        status = cae_dataset_open_folder(&dataset, context, directory, &o);
        heap_fail(&heap, -1, false);
        ck_assert(status == CAE_OK || status == CAE_ERR_MEMORY);
        if (status != CAE_OK)
            ck_assert_int_eq(atomic_load(&heap.blocks), blocks);
        else
            cae_dataset_destroy(dataset);
    }
    ck_assert_int_gt(refused, 8);
    while (strlen(directory) < 4096)
        strcat(directory, "/.");
    assert_fails(context, CAE_ERR_IO, cae_dataset_open_folder(&dataset, context, directory, &o));
    assert_says(context, "a path of more than 4095 bytes");
    ck_assert_ptr_null(dataset);
}
END_TEST

/* --- Arrays ----------------------------------------------------------------------------------------- */

static struct bytes npy(const char *header, const void *data, size_t size)
{
    const size_t length = strlen(header);
    struct bytes file = bytes_new(NULL, 10 + length + size);

    memcpy(file.data, "\x93NUMPY\1\0", 8);
    put(file.data + 8, (unsigned)length, 2, true);
    memcpy(file.data + 10, header, length);
    if (size)
        memcpy(file.data + 10 + length, data, size);
    return file;
}

static const struct {
    const char *header, *part; /* NULL: it is one */
} headers[] = {
    {"{'descr': '|u1',\r\n'fortran_order':\tFalse,\r'shape':\n(6,)}\r\n", NULL},
    {"{'descr': '>u1', 'fortran_order': False, 'shape': (6,)}", NULL},
    {"{'descr': 'u1', 'fortran_order': False, 'shape': (6)}", NULL},
    {"{'descr': '=u1', 'fortran_order': False, 'shape': (6L)}", NULL},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': 6}", "expected a header"},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': [6]}", "expected a header"},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': (6:)}", "expected a header"},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': (6;)}", "expected a header"},
    {"{'descr' '|u1', 'fortran_order': False, 'shape': (6,)}", "expected a header"},
    {"{'descr': '|u1', 'fortran_order': Fal", "expected a header"},
    {"{'descr': '|u1', 'fortran_order': Falsf, 'shape': (6,)}", "expected a header"},
    {"{'descr': '|u1", "expected a header"},
    {"{'descr': \"|u1', 'fortran_order': False, 'shape': (6,)}", "expected a header"},
    {"{'descr", "expected a header"},
    {"{", "expected a header"},
    {"{'descr': '|u1' 'fortran_order': False, 'shape': (6,)}", "expected a header"},
    {"{'a key that is longer than any': 1, 'descr': '|u1', 'fortran_order': False, 'shape': (6,)}",
     "expected a header"},
    {"{'descr': '', 'fortran_order': False, 'shape': (6,)}", "numbers of type ''"},
    {"{'descr': '<', 'fortran_order': False, 'shape': (6,)}", "numbers of type '<'"},
    {"{'descr': '|u1|u1|u1|u1|u1|u1|u1|u1|u1|u1', 'fortran_order': False, 'shape': (6,)}",
     "numbers of type '|u1|u1|u1|u1|u1|u1|u1|u'"}, /* as much of it as is kept */
};

START_TEST(headers_by_hand)
{
    struct bytes file = npy(headers[_i].header, "123456", 6);

    if (headers[_i].part) {
        check_array_refused(context, file, CAE_ERR_FORMAT, headers[_i].part);
    } else {
        cae_array *array = read_bytes(context, file, headers[_i].header);

        ck_assert_uint_eq(cae_array_bytes(array), 6);
        ck_assert_mem_eq(cae_array_data(array), "123456", 6);
        cae_array_destroy(array);
    }
    file.data[6] = 0;
    check_array_refused(context, file, CAE_ERR_FORMAT, "version 0.0");
    bytes_free(&file);
}
END_TEST

/* Sparse files of gigabytes, of which only the header is read. */
static const struct {
    const char *shape;
    int64_t bytes;
    const char *part;
} huge[] = {
    {"(1, 2147483648, 1, 1)", 2147483648, "images of 2147483648x1x1, expected extents of at most"},
    {"(1, 1, 2147483648, 1)", 2147483648, "images of 1x2147483648x1"},
    {"(1, 1, 1, 2147483648)", 2147483648, "images of 1x1x2147483648"},
    {"(1, 1, 4294967300, 1)", 4294967300, "images of 1x4294967300x1"}, /* 4 in 32 bits */
    {"(1, 1, 65536, 65536)", 4294967296, "1 images of 1x65536x65536 are more than memory can address"},
};

START_TEST(images_beyond_any_dataset)
{
    const char *path = in_directory("huge.npy");
    char text[128];
    struct bytes header;
    cae_dataset_options o;
    cae_dataset *dataset = (void *)&heap;

    snprintf(text, sizeof text, "{'descr': '|u1', 'fortran_order': False, 'shape': %s}", huge[_i].shape);
    header = npy(text, NULL, 0);
    write_file(path, header.data, header.size);
    ck_assert_int_eq(truncate(path, (off_t)header.size + huge[_i].bytes), 0);
    assert_ok(context, cae_dataset_options_init(&o, sizeof o));
    o.memory = 1;
    if (sizeof(size_t) > 4) {
        fails_saying(CAE_ERR_FORMAT, huge[_i].part, cae_dataset_open_npy(&dataset, context, path, &o));
        assert_says(context, "huge.npy");
        ck_assert_ptr_null(dataset);
    }
    ck_assert_uint_lt(heap.largest, 1 << 20);
    bytes_free(&header);
    ck_assert_int_eq(remove(path), 0);
}
END_TEST

/* What a dataset is made of has to be there: fewer bytes than its images take are refused, and freed. */
START_TEST(a_block_that_is_too_short)
{
    const cae_dataset prototype = {.count = 2, .channels = 3, .height = 4, .width = 5};
    cae_dataset *dataset = NULL;

    for (size_t bytes = 119; bytes <= 121; bytes++) {
        void *block = cae__alloc_zero(context, 1, 121);

        ck_assert_ptr_nonnull(block);
        if (bytes < 120)
            fails_saying(CAE_ERR_SHAPE, "2 images of 3x4x5 take 120 bytes, the array has 119",
                         cae__dataset_adopt(&dataset, context, block, bytes, &prototype));
        else
            assert_ok(context, cae__dataset_adopt(&dataset, context, block, bytes, &prototype));
        cae_dataset_destroy(dataset);
        dataset = NULL;
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("images");
    TCase *images = tcase_create("images"), *arrays = tcase_create("arrays");
    TCase *all[] = {images, arrays};

    for (int i = 0; i < COUNT(all); i++) {
        tcase_add_unchecked_fixture(all[i], directory_setup, directory_teardown);
        tcase_add_checked_fixture(all[i], setup, teardown);
        tcase_set_timeout(all[i], 60);
        suite_add_tcase(suite, all[i]);
    }
    if (HAVE_IMAGES) {
        tcase_add_loop_test(images, exif_of_any_kind, 0, COUNT(exifs));
        tcase_add_test(images, the_first_exif_counts);
        tcase_add_loop_test(images, kinds_that_are_not_read, 0, COUNT(kinds));
        tcase_add_test(images, warnings_that_are_none);
        tcase_add_test(images, scans_without_end);
        tcase_add_loop_test(images, no_memory_for_a_file_that_grows, 0, 2);
        tcase_add_test(images, images_too_large_to_be_written);
        tcase_add_test(images, folders_that_lie_too_deep);
        tcase_add_loop_test(images, looks_at_a_jpeg, 0, COUNT(looks));
        tcase_add_test(images, looks_at_a_png);
    }
    tcase_add_test(arrays, sizes_that_no_image_has);
    tcase_add_test(arrays, rooms_beyond_memory);
    tcase_add_loop_test(arrays, headers_by_hand, 0, COUNT(headers));
    tcase_add_loop_test(arrays, images_beyond_any_dataset, 0, COUNT(huge));
    tcase_add_test(arrays, a_block_that_is_too_short);
    return test_main(suite);
}
