/* test_pieces.c - pieces of files, and files that are replaced, while the system refuses: what test_system.c
 * does for whole files. Files that stay open and fail later, temporary files without a name, and the calls
 * of a save that fail only where a host or a disk is strange. */
#include "refuse.h"

#include <math.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../lib/base/file.h"
#include "../../lib/images/images.h"

static int reads_at_once; /* calls that would not wait: none ever gives anything here */
static bool deny_group;   /* fchown is refused, too */

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's --wrap makes these names */
int __real_fcntl(int descriptor, int command, ...);
int __wrap_fcntl(int descriptor, int command, int value);
int __wrap_fcntl(int descriptor, int command, int value)
{
    return command == F_DUPFD_CLOEXEC && refused(DUPLICATE) ? -1
                                                            : __real_fcntl(descriptor, command, value);
}

int __wrap_fcntl64(int descriptor, int command, int value);
int __wrap_fcntl64(int descriptor, int command, int value)
{
    return __wrap_fcntl(descriptor, command, value);
}

ssize_t __real_pread(int descriptor, void *data, size_t size, off_t offset);
ssize_t __wrap_pread(int descriptor, void *data, size_t size, off_t offset);
ssize_t __wrap_pread(int descriptor, void *data, size_t size, off_t offset)
{
    if (refused(PREAD))
        return armed.error ? -1 : 0;
    return __real_pread(descriptor, data, size < most ? size : most, offset);
}

ssize_t __wrap_pread64(int descriptor, void *data, size_t size, off_t offset);
ssize_t __wrap_pread64(int descriptor, void *data, size_t size, off_t offset)
{
    return __wrap_pread(descriptor, data, size, offset);
}

/* Of what is not there at once each read is one by pread, which can be counted. */
ssize_t __wrap_preadv64v2(int descriptor, const struct iovec *to, int count, off_t offset, int flags);
ssize_t __wrap_preadv64v2(int descriptor, const struct iovec *to, int count, off_t offset, int flags)
{
    (void)descriptor, (void)to, (void)count, (void)offset, (void)flags;
    reads_at_once++;
    errno = EAGAIN;
    return -1;
}

ssize_t __real_pwrite(int descriptor, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite(int descriptor, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite(int descriptor, const void *data, size_t size, off_t offset)
{
    if (refused(PWRITE))
        return armed.error ? -1 : 0;
    return __real_pwrite(descriptor, data, size < most ? size : most, offset);
}

ssize_t __wrap_pwrite64(int descriptor, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite64(int descriptor, const void *data, size_t size, off_t offset)
{
    return __wrap_pwrite(descriptor, data, size, offset);
}

int __real_mkstemp(char *path);
int __wrap_mkstemp(char *path);
int __wrap_mkstemp(char *path)
{
    calls[MKSTEMP]++;
    return __real_mkstemp(path);
}

int __wrap_mkstemp64(char *path);
int __wrap_mkstemp64(char *path)
{
    return __wrap_mkstemp(path);
}

off_t __real_lseek(int descriptor, off_t offset, int from);
off_t __wrap_lseek(int descriptor, off_t offset, int from);
off_t __wrap_lseek(int descriptor, off_t offset, int from)
{
    return refused(SEEK) ? -1 : __real_lseek(descriptor, offset, from);
}

off_t __wrap_lseek64(int descriptor, off_t offset, int from);
off_t __wrap_lseek64(int descriptor, off_t offset, int from)
{
    return __wrap_lseek(descriptor, offset, from);
}

int __real_ftruncate(int descriptor, off_t size);
int __wrap_ftruncate(int descriptor, off_t size);
int __wrap_ftruncate(int descriptor, off_t size)
{
    return refused(TRUNCATE) ? -1 : __real_ftruncate(descriptor, size);
}

int __wrap_ftruncate64(int descriptor, off_t size);
int __wrap_ftruncate64(int descriptor, off_t size)
{
    return __wrap_ftruncate(descriptor, size);
}

int __real_fchown(int descriptor, uid_t user, gid_t group);
int __wrap_fchown(int descriptor, uid_t user, gid_t group);
int __wrap_fchown(int descriptor, uid_t user, gid_t group)
{
    calls[FCHOWN]++;
    if (deny_group)
        errno = EPERM;
    return deny_group ? -1 : __real_fchown(descriptor, user, group);
}

char *__real_realpath(const char *path, char *resolved);
char *__wrap_realpath(const char *path, char *resolved);
char *__wrap_realpath(const char *path, char *resolved)
{
    return refused(REALPATH) ? NULL : __real_realpath(path, resolved);
}

int __real_fseek(FILE *stream, long offset, int from);
int __wrap_fseek(FILE *stream, long offset, int from);
int __wrap_fseek(FILE *stream, long offset, int from)
{
    return refused(FSEEK) ? -1 : __real_fseek(stream, offset, from);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* --- What the tests share --------------------------------------------------------------------------- */

static struct heap heap;
static cae_context *context;

static void setup(void)
{
    refuse_nothing();
    reads_at_once = 0;
    directory_setup();
    heap = (struct heap)HEAP;
    context = heap_context(&heap, 1);
}

static void teardown(void)
{
    disarm();
    cae_context_destroy(context);
    assert_balanced(&heap, "at the end of the test");
    directory_teardown();
}

static int open_files(void)
{
    int count = 0;

    for (int i = 0; i < 256; i++)
        count += __real_fcntl(i, F_GETFD) >= 0;
    return count;
}

/* --- Files that stay open --------------------------------------------------------------------------- */

START_TEST(a_file_that_cannot_be_opened)
{
    const char *path = in_directory("file");
    const int before = open_files();
    cae__opened file;
    int64_t size = -1;

    write_file(path, "0123456789", 10);
    arm(OPEN, 0, 3, EINTR);
    assert_ok(context, cae__file_open(&file, &size, context, path));
    ck_assert_int_eq(refusals, 3);
    ck_assert_int_eq(size, 10);
    cae__file_close(file);
    arm(OPEN, 0, 1, EMFILE);
    fails_saying(CAE_ERR_IO, strerror(EMFILE), cae__file_open(&file, &size, context, path));
    assert_says(context, path);
    ck_assert(file == CAE__NOT_OPENED);
    if (STAT_IS_A_FUNCTION) {
        arm(FSTAT, 0, 1, EOVERFLOW);
        fails_saying(CAE_ERR_IO, "cannot look at", cae__file_open(&file, &size, context, path));
        assert_says(context, path);
        ck_assert(file == CAE__NOT_OPENED);
    }
    ck_assert_int_eq(open_files(), before);
}
END_TEST

START_TEST(pieces_that_are_interrupted_or_short)
{
    const char *path = in_directory("file");
    unsigned char expected[1000], found[1000];
    cae__opened file;
    int64_t size;

    random_bytes(1, expected, sizeof expected);
    write_file(path, expected, sizeof expected);
    assert_ok(context, cae__file_open(&file, &size, context, path));
    most = 7;
    arm(PREAD, 2, 3, EINTR);
    ck_assert_int_eq(cae__file_read_at(found, 900, file, 100), 0);
    ck_assert_int_eq(refusals, 3);
    ck_assert_mem_eq(found, expected + 100, 900);
    ck_assert_int_eq(cae__file_read_at(found, 901, file, 100), CAE__FILE_ENDS);
    arm(PREAD, 5, 1, EIO);
    ck_assert_int_eq(cae__file_read_at(found, 900, file, 0), EIO);
    cae__file_close(file);

    /* and in the other direction */
    assert_ok(context, cae__file_nameless(&file, context, test_directory));
    arm(PWRITE, 2, 3, EINTR);
    ck_assert_int_eq(cae__file_write_at(file, expected, 1000, 0), 0);
    ck_assert_int_eq(refusals, 3);
    disarm();
    most = SIZE_MAX;
    ck_assert_int_eq(cae__file_read_at(found, 1000, file, 0), 0);
    ck_assert_mem_eq(found, expected, 1000);
    arm(PWRITE, 0, 1, ENOSPC);
    ck_assert_int_eq(cae__file_write_at(file, expected, 1000, 0), ENOSPC);
    arm(PWRITE, 0, 1000, 0); /* nothing is written, and no reason given: not to be tried for ever */
    ck_assert_int_eq(cae__file_write_at(file, expected, 1000, 0), ENOSPC);
    ck_assert_int_eq(refusals, 1);
    cae__file_close(file);
}
END_TEST

START_TEST(reads_that_would_wait)
{
    const char *path = in_directory("file");
    unsigned char data[16];
    cae__opened file;
    int64_t size;

    write_file(path, "0123456789", 10);
    assert_ok(context, cae__file_open(&file, &size, context, path));
    ck_assert(!cae__file_read_now(data, 10, file, 0));
#if defined __GLIBC__ && defined RWF_NOWAIT
    ck_assert_int_eq(reads_at_once, 1);
#endif
    reads_at_once = 0;
    ck_assert(!cae__file_read_now(data, CAE__FILE_AT_ONCE, file, 0)); /* more than macOS reads */
    ck_assert_int_eq(reads_at_once, 0);
    cae__file_close(file);
}
END_TEST

START_TEST(a_piece_that_fails_says_where)
{
    fails_saying(CAE_ERR_IO, "cannot read at byte 42 of some/where: ",
                 cae__fail_at(context, EIO, "cannot read", "some/where", 42));
    assert_says(context, strerror(EIO));
    fails_saying(CAE_ERR_IO, "cannot read at byte 42 of some/where: it has become shorter",
                 cae__fail_at(context, CAE__FILE_ENDS, "cannot read", "some/where", 42));
}
END_TEST

/* It cannot be seen whether a file changed while it was read: so it is not taken for whole. */
START_TEST(a_file_that_cannot_be_looked_at_again)
{
    const char *path = in_directory("file");
    const int before = open_files();
    unsigned char *data = NULL;
    size_t size = 0;

    write_file(path, "0123456789", 10);
    arm(FSTAT, 1, 1, EIO); /* the first says its size */
    fails_saying(CAE_ERR_IO, "cannot look at ", cae__file_read(&data, &size, context, path));
    ck_assert_int_eq(refusals, 1);
    assert_says(context, strerror(EIO));
    disarm();
    ck_assert_int_eq(open_files(), before);
    assert_ok(context, cae__file_read(&data, &size, context, path));
    ck_assert_uint_eq(size, 10);
    ck_assert_mem_eq(data, "0123456789", 10);
    cae__free(context, data);
}
END_TEST

/* A path that is longer than a text may be is cut off, and what is wrong with it is not. */
START_TEST(reasons_behind_long_paths)
{
    static char directory[2048], path[4096];
    static unsigned char records[3073] = {77};
    cae_dataset *dataset = NULL;
    cae_model *model = small_model(context, 1);
    unsigned char *data;
    cae__opened file;
    size_t bytes;
    int64_t size;

    strcpy(directory, test_directory);
    while (strlen(directory) < 700)
        strcat(directory, "/.");
    write_file(in_directory("test_batch.bin"), records, sizeof records);
    snprintf(path, sizeof path, "%s/none", directory);
    fails_saying(CAE_ERR_IO, strerror(ENOENT), cae__file_open(&file, &size, context, path));
    fails_saying(CAE_ERR_IO, strerror(ENOENT), cae__file_read(&data, &bytes, context, path));
    fails_saying(CAE_ERR_IO, "is not a regular file", cae__file_open(&file, &size, context, directory));
    fails_saying(CAE_ERR_IO, "is not a regular file", cae__file_read(&data, &bytes, context, directory));
    fails_saying(CAE_ERR_IO, "is not a regular file", cae__file_size(&size, context, directory));
    fails_saying(CAE_ERR_IO, "exists and is not a regular file", cae_model_save(model, directory));
    ck_assert_int_eq(symlink("nowhere", in_directory("none")), 0);
    fails_saying(CAE_ERR_IO, "is a link that leads nowhere", cae_model_save(model, path));
    snprintf(path, sizeof path, "%s/test_batch.bin", directory);
    fails_saying(CAE_ERR_IO, "is not a directory", cae__directory_check(context, path));
    fails_saying(CAE_ERR_FORMAT, "the label of record 0 is 77, expected 0 to 9",
                 cae_dataset_open_cifar10(&dataset, context, directory, CAE_SPLIT_TEST, NULL));
    write_file(in_directory("test_batch.bin"), records, 100);
    fails_saying(CAE_ERR_FORMAT, "has 100 bytes, expected one or more records",
                 cae_dataset_open_cifar10(&dataset, context, directory, CAE_SPLIT_TEST, NULL));
    cae_model_destroy(model);
}
END_TEST

/* Where the system or the file system makes no file without a name, it gets one and loses it. */
START_TEST(files_that_lose_their_name)
{
    static const int reasons[] = {EOPNOTSUPP, EISDIR, EINVAL};
    const int before = open_files();
    char found[4];
    struct stat info;
    cae__opened file;

    for (int i = 0; i < COUNT(reasons); i++) {
        arm(NAMELESS, 0, 1, reasons[i]);
        assert_ok(context, cae__file_nameless(&file, context, test_directory));
        ck_assert_int_eq(calls[MKSTEMP], 1);
        disarm();
        ck_assert_int_eq(entries(), 0);
        ck_assert_int_eq(__real_fstat((int)file, &info), 0);
        ck_assert_int_eq(info.st_nlink, 0);
        ck_assert_int_eq(info.st_mode & 0777, 0600);
        ck_assert_int_eq(__real_fcntl((int)file, F_GETFD), FD_CLOEXEC);
        ck_assert_int_eq(cae__file_write_at(file, "text", 4, 3), 0);
        ck_assert_int_eq(cae__file_read_at(found, 4, file, 3), 0);
        ck_assert_mem_eq(found, "text", 4);
        cae__file_close(file);
    }

    /* other reasons are no reason to try that */
    arm(NAMELESS, 0, 1, EMFILE);
    fails_saying(CAE_ERR_IO, strerror(EMFILE), cae__file_nameless(&file, context, test_directory));
    assert_says(context, test_directory);
    ck_assert_int_eq(calls[MKSTEMP], 0);
    ck_assert(file == CAE__NOT_OPENED);
    ck_assert_int_eq(open_files(), before);
    ck_assert_int_eq(entries(), 0);
}
END_TEST

START_TEST(no_name_to_lose)
{
    static char deep[8192];
    cae__opened file;

    memset(deep, '/', 4090);
    snprintf(deep + 4090, sizeof deep - 4090, "tmp");
    arm(NAMELESS, 0, 1, EOPNOTSUPP);
    fails_saying(CAE_ERR_IO, strerror(ENAMETOOLONG), cae__file_nameless(&file, context, deep));
    ck_assert_int_eq(calls[MKSTEMP], 0);
    ck_assert(file == CAE__NOT_OPENED);
    snprintf(deep, sizeof deep, "%s/nowhere", test_directory);
    arm(NAMELESS, 0, 1, EOPNOTSUPP);
    fails_saying(CAE_ERR_IO, strerror(ENOENT), cae__file_nameless(&file, context, deep));
    ck_assert_int_eq(calls[MKSTEMP], 1);
    ck_assert(file == CAE__NOT_OPENED);
}
END_TEST

/* A host that closed its own may print, and not into such a file. */
START_TEST(a_nameless_file_is_no_standard_one)
{
    const int kept = dup(STDIN_FILENO), before = open_files();
    cae__opened file = CAE__NOT_OPENED, other = CAE__NOT_OPENED;

    __real_fcntl(kept, F_SETFD, FD_CLOEXEC);
    ck_assert_int_ge(kept, 3);
    close(STDIN_FILENO);
    const cae_status status = cae__file_nameless(&file, context, test_directory);
    const int open_now = open_files();
    arm(DUPLICATE, 0, 1, EMFILE);
    const cae_status refusal = cae__file_nameless(&other, context, test_directory);
    const int open_after = open_files(), next = dup(kept); /* the lowest that is free */
    dup2(kept, STDIN_FILENO);
    close(kept);
    ck_assert_int_eq(status, CAE_OK);
    ck_assert_int_ge((int)file, 3);
    ck_assert_int_eq(__real_fcntl((int)file, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(open_now, before); /* one less, and one more */
    ck_assert_int_eq(refusal, CAE_ERR_IO);
    assert_says(context, strerror(EMFILE));
    ck_assert(other == CAE__NOT_OPENED);
    ck_assert_int_eq(open_after, open_now);
    ck_assert_int_eq(next, STDIN_FILENO);
    cae__file_close(file);
}
END_TEST

/* --- Datasets in files ------------------------------------------------------------------------------ */

enum { RECORD = 3073 };

static void write_records(int count)
{
    struct bytes bytes = bytes_new(NULL, (size_t)count * RECORD);

    random_bytes(1, bytes.data, bytes.size);
    for (int i = 0; i < count; i++)
        bytes.data[i * RECORD] %= 10;
    write_file(in_directory("test_batch.bin"), bytes.data, bytes.size);
    bytes_free(&bytes);
}

static cae_status open_records(cae_dataset **dataset)
{
    cae_dataset_options o;

    assert_ok(context, cae_dataset_options_init(&o, sizeof o));
    o.memory = 1;
    return cae_dataset_open_cifar10(dataset, context, test_directory, CAE_SPLIT_TEST, &o);
}

/* Its records were counted before it was opened. */
START_TEST(a_batch_that_changes_before_it_is_opened)
{
    const int before = open_files();
    cae_dataset *dataset = (void *)&heap;

    write_records(3);
    longer = -RECORD;
    fails_saying(CAE_ERR_IO, "had 6146 bytes a moment ago and has 9219", open_records(&dataset));
    assert_says(context, "test_batch.bin");
    ck_assert_ptr_null(dataset);
    ck_assert_int_eq(open_files(), before);
    longer = 0;
    assert_ok(context, open_records(&dataset));
    ck_assert_int_eq(cae_dataset_count(dataset), 3);
    cae_dataset_destroy(dataset);
}
END_TEST

START_TEST(an_image_that_cannot_be_read)
{
    static float image[3072];
    cae_dataset *dataset = NULL;

    write_records(3);
    assert_ok(context, open_records(&dataset));
    arm(PREAD, 0, 100, EIO);
    fails_saying(CAE_ERR_IO, "image 2: cannot read at byte 6146 of ",
                 cae_dataset_get(image, 3072, dataset, 2));
    assert_says(context, strerror(EIO));
    arm(PREAD, 0, 1, EIO); /* and when the reason is asked for, all is well again */
    fails_saying(CAE_ERR_IO, "image 2: could not be read from ",
                 cae_dataset_get(image, 3072, dataset, 2));
    assert_says(context, "test_batch.bin, and now it can be");
    arm(PREAD, 1, 100, EIO); /* reads in the middle of the reason */
    most = RECORD - 1;
    fails_saying(CAE_ERR_IO, "image 0: cannot read at byte 0 of ",
                 cae_dataset_get(image, 3072, dataset, 0));
    disarm();
    most = SIZE_MAX;
    assert_ok(context, cae_dataset_get(image, 3072, dataset, 2));
    cae_dataset_destroy(dataset);
}
END_TEST

/* Five images of 6 x 6 floats, of which one holds a value that is not finite, or none. */
static void write_floats(int bad)
{
    float values[5][36];
    const int64_t shape[3] = {5, 6, 6};
    cae_array *array = NULL;

    random_floats(3, values[0], 5 * 36, -1, 1);
    if (bad >= 0)
        values[bad][7] = NAN;
    assert_ok(context, cae_array_create(&array, context, CAE_TYPE_F32, shape, 3));
    memcpy(cae_array_data(array), values, sizeof values);
    assert_ok(context, cae_array_write(array, in_directory("floats.npy")));
    cae_array_destroy(array);
}

static cae_status open_floats(cae_dataset **dataset)
{
    cae_dataset_options o;

    assert_ok(context, cae_dataset_options_init(&o, sizeof o));
    o.memory = 1;
    return cae_dataset_open_npy(dataset, context, in_directory("floats.npy"), &o);
}

START_TEST(a_header_that_cannot_be_read)
{
    const int before = open_files();
    cae_dataset *dataset = (void *)&heap;
    const char *path = in_directory("floats.npy"), *first;

    write_floats(-1);
    arm(PREAD, 0, 1, EIO);
    fails_saying(CAE_ERR_IO, "cannot read at byte 0 of ", open_floats(&dataset));
    assert_says(context, strerror(EIO));
    first = strstr(cae_context_error(context), path);
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(strstr(first + 1, path)); /* once is enough */
    ck_assert_ptr_null(dataset);
    ck_assert_int_eq(open_files(), before);
}
END_TEST

struct training {
    cae_dataset *dataset;
    cae_model *model;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
};

static struct training train_on_floats(void)
{
    struct training t = {.model = small_model(context, 1)};
    cae_trainer_options o;

    assert_ok(context, open_floats(&t.dataset));
    assert_ok(context, cae_trainer_options_init(&o, sizeof o));
    o.batch = 5;
    o.shuffle = 0;
    assert_ok(context, cae_optimizer_create(&t.optimizer, t.model, NULL));
    assert_ok(context, cae_trainer_create(&t.trainer, t.model, t.optimizer, t.dataset, &o));
    return t;
}

static void finish(struct training *t)
{
    cae_trainer_destroy(t->trainer);
    cae_optimizer_destroy(t->optimizer);
    cae_model_destroy(t->model);
    cae_dataset_destroy(t->dataset);
}

/* A step that is not finite looks for the image at fault, and that cannot be read any more. */
START_TEST(a_bad_image_that_cannot_be_found)
{
    struct training t;
    struct bytes before, after;

    write_floats(3);
    t = train_on_floats();
    before = model_bytes(t.model);
    disarm();
    fails_saying(CAE_ERR_NUMERIC, "image 3 has a value that is not finite",
                 cae_trainer_step(NULL, t.trainer));
    ck_assert_int_eq(calls[PREAD], 5 + 4);
    arm(PREAD, 5 + 1, 2, EIO); /* the second that is looked at, and what asks for the reason */
    fails_saying(CAE_ERR_IO, "image 1: cannot read at byte ", cae_trainer_step(NULL, t.trainer));
    assert_says(context, strerror(EIO));
    ck_assert_int_eq(refusals, 2);
    after = model_bytes(t.model);
    assert_same_bytes(after, before, "a model that was not trained");
    disarm();
    fails_saying(CAE_ERR_NUMERIC, "image 3 has a value that is not finite",
                 cae_trainer_step(NULL, t.trainer));
    bytes_free(&before);
    bytes_free(&after);
    finish(&t);
}
END_TEST

/* What ranks compare holds a hash of images, which have to be read for it. */
START_TEST(a_group_that_cannot_be_joined_unread)
{
    struct training t;
    cae_group_options o;

    write_floats(-1);
    t = train_on_floats();
    assert_ok(context, cae_group_options_init(&o, sizeof o));
    o.ranks = 1;
    arm(PREAD, 2, 2, EIO);
    fails_saying(CAE_ERR_IO, "image 2: cannot read at byte ", cae_trainer_join(t.trainer, &o));
    ck_assert_int_eq(refusals, 2);
    disarm();
    assert_ok(context, cae_trainer_step(NULL, t.trainer)); /* alone, as before */
    assert_ok(context, cae_trainer_join(t.trainer, &o));
    assert_ok(context, cae_trainer_step(NULL, t.trainer));
    finish(&t);
}
END_TEST

/* --- Looking at images ------------------------------------------------------------------------------ */

START_TEST(a_segment_that_cannot_be_skipped)
{
    static const unsigned char file[] = {0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2,
                                         0xff, 0xc0, 0, 11, 8, 0, 5, 0, 9};
    int64_t height = 0, width = 0;

    if (!HAVE_IMAGES)
        return;
    write_file(in_directory("a.jpg"), file, sizeof file);
    assert_ok(context, cae__image_look(&height, &width, context, in_directory("a.jpg")));
    ck_assert(height == 5 && width == 9);
    arm(FSEEK, 0, 1, EIO);
    fails_saying(CAE_ERR_FORMAT, "before it says its size",
                 cae__image_look(&height, &width, context, in_directory("a.jpg")));
    ck_assert_int_eq(refusals, 1);
}
END_TEST

/* --- Saves ------------------------------------------------------------------------------------------ */

/* The temporary name that a save takes first: FNV-1a of the machine's, as the library makes it. */
static const char *first_name(void)
{
    static char path[256];
    char name[256] = "";
    uint32_t hash = 2166136261u;

    (void)gethostname(name, sizeof name - 1);
    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    snprintf(path, sizeof path, "%s/.cae-%08x-0.tmp", test_directory, (unsigned)hash);
    return path;
}

/* What a process that was killed left behind, and now it cannot be opened: another name is taken. */
START_TEST(a_leftover_that_cannot_be_opened)
{
    cae_model *model = small_model(context, 1), *loaded = NULL;

    write_file(first_name(), "left", 4);
    arm(OPEN, 1, 1, EACCES); /* the first is to make the file of that name */
    assert_ok(context, cae_model_save(model, in_directory("model")));
    ck_assert_int_eq(refusals, 1);
    ck_assert_int_eq(access(first_name(), F_OK), 0);
    ck_assert_int_eq(entries(), 2);
    disarm();
    assert_ok(context, cae_model_load(&loaded, context, in_directory("model")));
    assert_same_models(model, loaded, "saved and loaded");
    assert_ok(context, cae_model_save(model, in_directory("model"))); /* which takes it away */
    ck_assert_int_eq(entries(), 1);
    cae_model_destroy(loaded);
    cae_model_destroy(model);
}
END_TEST

/* A new file had a standard number, and could not be moved, or not be emptied of what was printed. */
static const struct {
    enum call call;
    int error;
} unmoved[] = {{DUPLICATE, EMFILE}, {SEEK, EIO}, {TRUNCATE, EIO}};

START_TEST(a_file_that_cannot_leave_a_standard_number)
{
    const char *path = in_directory("model");
    const int kept = dup(STDIN_FILENO);
    cae_model *first = small_model(context, 1), *second = small_model(context, 2);
    struct bytes before, after;

    assert_ok(context, cae_model_save(first, path));
    before = file_bytes(path);
    ck_assert_int_ge(kept, 3);
    const int open_before = open_files();
    close(STDIN_FILENO);
    arm(unmoved[_i].call, 0, 1, unmoved[_i].error);
    const cae_status status = cae_model_save(second, path);
    const int refused_then = refusals, next = dup(kept);
    disarm();
    dup2(kept, STDIN_FILENO);
    const int open_after = open_files();
    ck_assert_int_eq(status, CAE_ERR_IO);
    assert_says(context, strerror(unmoved[_i].error));
    assert_says(context, path);
    ck_assert_int_eq(refused_then, 1);
    ck_assert_int_eq(next, STDIN_FILENO);
    ck_assert_int_eq(open_after, open_before);
    ck_assert_int_eq(entries(), 1);
    after = file_bytes(path);
    assert_same_bytes(after, before, "the file that was there");
    bytes_free(&before);
    bytes_free(&after);
    close(kept);
    cae_model_destroy(first);
    cae_model_destroy(second);
}
END_TEST

/* Where the group cannot stay, the new one gets no more than all others. */
START_TEST(a_group_that_cannot_stay)
{
    static const mode_t modes[][2] = {{0664, 0644}, {0660, 0600}, {0646, 0646}, {0640, 0600},
                                      {0666, 0666}, {0675, 0655}, {0600, 0600}};
    const char *path = in_directory("model");
    cae_model *model = small_model(context, 1);
    struct stat info;

    if (!STAT_IS_A_FUNCTION) {
        cae_model_destroy(model);
        return;
    }
    for (int i = 0; i < COUNT(modes); i++)
        for (int stays = 0; stays < 2; stays++) {
            assert_ok(context, cae_model_save(model, path));
            ck_assert_int_eq(chmod(path, modes[i][0]), 0);
            /* which group the new one is of cannot be seen: the first looks at the temporary name */
            arm(FSTAT, 1, 1, EIO);
            deny_group = !stays;
            assert_ok(context, cae_model_save(model, path));
            deny_group = false;
            ck_assert_int_eq(refusals, 1);
            ck_assert_int_eq(calls[FCHOWN], 1);
            disarm();
            ck_assert_int_eq(__real_stat(path, &info), 0);
            ck_assert_int_eq(info.st_mode & 0777, modes[i][stays ? 0 : 1]);
        }
    cae_model_destroy(model);
}
END_TEST

START_TEST(no_memory_to_follow_a_link)
{
    const char *path = in_directory("model"), *link = in_directory("link");
    cae_model *first = small_model(context, 1), *second = small_model(context, 2);
    struct bytes before, after;

    assert_ok(context, cae_model_save(first, path));
    before = file_bytes(path);
    ck_assert_int_eq(symlink(path, link), 0);
    arm(REALPATH, 0, 1, ENOMEM);
    assert_fails(context, CAE_ERR_MEMORY, cae_model_save(second, link));
    ck_assert_int_eq(refusals, 1);
    disarm();
    after = file_bytes(path);
    assert_same_bytes(after, before, "what the link leads to");
    ck_assert_int_eq(entries(), 2);
    bytes_free(&before);
    bytes_free(&after);
    cae_model_destroy(first);
    cae_model_destroy(second);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pieces");
    TCase *open = tcase_create("files that stay open"), *datasets = tcase_create("datasets in files");
    TCase *saves = tcase_create("saves");
    TCase *all[] = {open, datasets, saves};

    for (int i = 0; i < COUNT(all); i++) {
        tcase_set_timeout(all[i], 60);
        tcase_add_checked_fixture(all[i], setup, teardown);
        suite_add_tcase(suite, all[i]);
    }
    tcase_add_test(open, a_file_that_cannot_be_opened);
    tcase_add_test(open, pieces_that_are_interrupted_or_short);
    tcase_add_test(open, reads_that_would_wait);
    tcase_add_test(open, a_piece_that_fails_says_where);
    if (STAT_IS_A_FUNCTION)
        tcase_add_test(open, a_file_that_cannot_be_looked_at_again);
    tcase_add_test(open, reasons_behind_long_paths);
    tcase_add_test(open, files_that_lose_their_name);
    tcase_add_test(open, no_name_to_lose);
    tcase_add_test(open, a_nameless_file_is_no_standard_one);
    if (STAT_IS_A_FUNCTION)
        tcase_add_test(datasets, a_batch_that_changes_before_it_is_opened);
    tcase_add_test(datasets, an_image_that_cannot_be_read);
    tcase_add_test(datasets, a_header_that_cannot_be_read);
    tcase_add_test(datasets, a_bad_image_that_cannot_be_found);
    tcase_add_test(datasets, a_group_that_cannot_be_joined_unread);
    tcase_add_test(datasets, a_segment_that_cannot_be_skipped);
    tcase_add_test(saves, a_leftover_that_cannot_be_opened);
    tcase_add_loop_test(saves, a_file_that_cannot_leave_a_standard_number, 0, COUNT(unmoved));
    tcase_add_test(saves, a_group_that_cannot_stay);
    tcase_add_test(saves, no_memory_to_follow_a_link);
    return test_main(suite);
}
