/* api.c - libcae_mpi as its callers see it: mpirun -np 4 mpi-api-KIND all | single | lost.
 *
 * Every rank checks; rank 0 prints TAP, with a failure for what failed on any rank.
 *   all      what works, and what is refused
 *   single   MPI was initialized for one thread
 *   lost     a rank does not come */
#include <cae/mpi.h>

#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { IMAGES = 80, SIDE = 12, BATCH = 32, STEPS = 5, PARAMETERS = 1611 };

static int world_rank, world_size, bad, number;
static cae_context *context;

/* --- TAP over all ranks ----------------------------------------------------------------------- */

#define require(condition)                                                                             \
    do {                                                                                               \
        if (!(condition)) {                                                                            \
            bad++;                                                                                     \
            printf("# rank %d, line %d: %s\n", world_rank, __LINE__, #condition);                      \
        }                                                                                              \
    } while (0)

#define require_text(text, part)                                                                       \
    do {                                                                                               \
        if (!strstr(text, part)) {                                                                     \
            bad++;                                                                                     \
            printf("# rank %d, line %d: expected \"%s\" in \"%s\"\n", world_rank, __LINE__, part, text); \
        }                                                                                              \
    } while (0)

static void verdict(const char *name)
{
    int all = bad;

    if (world_size)
        MPI_Allreduce(&bad, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    number++;
    if (!world_rank)
        printf("%s %d - %s\n", all ? "not ok" : "ok", number, name);
    fflush(stdout);
    bad = 0;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* --- A training ------------------------------------------------------------------------------- */

struct training {
    cae_dataset *data;
    cae_spec *spec;
    cae_model *model;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
};

static void set_up(struct training *t, uint64_t seed)
{
    cae_trainer_options options;

    memset(t, 0, sizeof *t);
    cae_trainer_options_init(&options, sizeof options);
    options.batch = BATCH;
    options.seed = seed;
    if (cae_dataset_create_dead_leaves(&t->data, context, IMAGES, 3, SIDE, SIDE, 1, NULL) ||
        cae_spec_create(&t->spec, context) || cae_spec_add_reference(t->spec) ||
        cae_model_create(&t->model, context, t->spec, 1) ||
        cae_optimizer_create(&t->optimizer, t->model, NULL) ||
        cae_trainer_create(&t->trainer, t->model, t->optimizer, t->data, &options)) {
        printf("Bail out! %s\n", cae_context_error(context));
        exit(1);
    }
}

static void tear_down(struct training *t)
{
    cae_trainer_destroy(t->trainer);
    cae_optimizer_destroy(t->optimizer);
    cae_model_destroy(t->model);
    cae_spec_destroy(t->spec);
    cae_dataset_destroy(t->data);
}

static void take_steps(struct training *t)
{
    for (int i = 0; i < STEPS; i++)
        require(cae_trainer_step(NULL, t->trainer) == CAE_OK);
}

static size_t read_parameters(float values[PARAMETERS], const struct training *t)
{
    static const char *const names[] = {"0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias",
                                        "6.weight", "6.bias"};
    static const size_t counts[] = {216, 8, 576, 8, 576, 8, 216, 3};
    size_t at = 0;

    for (size_t i = 0; i < sizeof counts / sizeof *counts; at += counts[i++])
        require(cae_model_get_tensor(values + at, counts[i], t->model, names[i]) == CAE_OK);
    return at;
}

/* What one process makes of it. */
static void by_itself(float values[PARAMETERS])
{
    struct training t;

    set_up(&t, 1);
    take_steps(&t);
    require(read_parameters(values, &t) == PARAMETERS);
    tear_down(&t);
}

/* --- Before MPI_Init -------------------------------------------------------------------------- */

static void without_mpi(void)
{
    cae_mpi *mpi = NULL;
    char text[256], little[4];

    require(cae_mpi_create(&mpi, context, MPI_COMM_WORLD, NULL) == CAE_ERR_ARGUMENT);
    require_text(cae_mpi_error(mpi), "MPI_Init_thread");
    require(cae_mpi_agree(NULL, mpi, CAE_OK) == CAE_ERR_PEER);
    require(cae_mpi_join(mpi, NULL) == CAE_ERR_PEER);
    require(!cae_mpi_is_broken(mpi));
    cae_mpi_destroy(mpi);
    require(cae_mpi_build_info(text, sizeof text) == strlen(text));
    require_text(text, "libcae_mpi ");
    require(cae_mpi_build_info(little, sizeof little) == strlen(text) && !strcmp(little, "lib"));
    require(cae_mpi_build_info(NULL, 0) == strlen(text));
    require(cae_mpi_version_number() == cae_version_number());
    require(cae_mpi_abi_version() == CAE_MPI_ABI_VERSION);
}

static void of_null(void)
{
    cae_mpi_options options;

    require(cae_mpi_create(NULL, context, MPI_COMM_WORLD, NULL) == CAE_ERR_ARGUMENT);
    require(cae_mpi_agree(NULL, NULL, CAE_OK) == CAE_ERR_ARGUMENT);
    require(cae_mpi_join(NULL, NULL) == CAE_ERR_ARGUMENT);
    require(!strcmp(cae_mpi_error(NULL), ""));
    require(cae_mpi_rank(NULL) == 0 && cae_mpi_ranks(NULL) == 1 && !cae_mpi_is_broken(NULL));
    cae_mpi_destroy(NULL);
    require(cae_mpi_options_init(NULL, sizeof options) == CAE_ERR_ARGUMENT);
    require(cae_mpi_options_init(&options, 3) == CAE_ERR_OPTIONS);
    require(cae_mpi_options_init(&options, sizeof options) == CAE_OK);
    require(options.size == sizeof options && options.reduction == 0 && options.timeout == 300);
}

/* --- Making ----------------------------------------------------------------------------------- */

static cae_mpi_options usual(void)
{
    cae_mpi_options options;

    cae_mpi_options_init(&options, sizeof options);
    options.timeout = 60;
    return options;
}

static void refused(const cae_mpi_options *options, const char *part)
{
    cae_mpi *mpi = NULL;

    require(cae_mpi_create(&mpi, context, MPI_COMM_WORLD, options) == CAE_ERR_OPTIONS);
    require_text(cae_mpi_error(mpi), part);
    cae_mpi_destroy(mpi);
}

static void wrong_options(void)
{
    cae_mpi_options options = usual();
    struct {
        cae_mpi_options known;
        uint64_t tail;
    } newer = {.tail = 2};
    cae_mpi *mpi = NULL;

    options.reduction = 7;
    refused(&options, "reduction is 7");
    options = usual();
    options.timeout = 0;
    refused(&options, "timeout is 0");
    options.timeout = NAN;
    refused(&options, "timeout is");
    options.size = 5;
    refused(&options, "size is 5");
    newer.known = usual();
    newer.known.size = sizeof newer;
    refused(&newer.known, "newer");
    cae_mpi_options_init(&newer.known, sizeof newer);
    require(newer.known.size == sizeof newer && newer.tail == 0);
    require(cae_mpi_create(&mpi, context, MPI_COMM_WORLD, &newer.known) == CAE_OK);
    cae_mpi_destroy(mpi);
    options = usual();
    options.size = 8; /* an older one, without a timeout */
    require(cae_mpi_create(&mpi, context, MPI_COMM_WORLD, &options) == CAE_OK);
    cae_mpi_destroy(mpi);
    options = usual();
    options.timeout = INFINITY;
    require(cae_mpi_create(&mpi, context, MPI_COMM_WORLD, &options) == CAE_OK);
    cae_mpi_destroy(mpi);
}

/* The others are told, and wait for nobody. */
static void wrong_on_one_rank(void)
{
    cae_mpi_options options = usual();
    cae_mpi *mpi = NULL;
    const double begin = seconds();
    const int one = world_size - 1;

    options.timeout = world_rank == one ? -1 : 60;
    const cae_status status = cae_mpi_create(&mpi, context, MPI_COMM_WORLD, &options);
    if (world_rank == one) {
        require(status == CAE_ERR_OPTIONS);
        require_text(cae_mpi_error(mpi), "timeout is -1");
    } else {
        require(status == CAE_ERR_PEER);
        require_text(cae_mpi_error(mpi), "failed: ");
    }
    require(seconds() - begin < 30);
    cae_mpi_destroy(mpi);

    require(cae_mpi_create(&mpi, NULL, MPI_COMM_WORLD, NULL) == CAE_ERR_ARGUMENT);
    require_text(cae_mpi_error(mpi), "context is NULL");
    cae_mpi_destroy(mpi);
    require(cae_mpi_create(&mpi, context, MPI_COMM_NULL, NULL) == CAE_ERR_ARGUMENT);
    require_text(cae_mpi_error(mpi), "MPI_COMM_NULL");
    cae_mpi_destroy(mpi);
}

static void between_two_groups(void)
{
    MPI_Comm half, both;
    cae_mpi *mpi = NULL;

    if (world_size < 2)
        return;
    MPI_Comm_split(MPI_COMM_WORLD, world_rank % 2, 0, &half);
    MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, 1 - world_rank % 2, 5, &both);
    require(cae_mpi_create(&mpi, context, both, NULL) == CAE_ERR_ARGUMENT);
    require_text(cae_mpi_error(mpi), "intracommunicator");
    cae_mpi_destroy(mpi);
    MPI_Comm_free(&both);
    MPI_Comm_free(&half);
}

/* --- Agreeing --------------------------------------------------------------------------------- */

static void agreement(void)
{
    const int last = world_size - 1;
    int32_t failed = 9;
    char part[64];
    cae_mpi *mpi = NULL;

    require(cae_mpi_create(&mpi, context, MPI_COMM_WORLD, NULL) == CAE_OK);
    require(cae_mpi_rank(mpi) == world_rank && cae_mpi_ranks(mpi) == world_size);
    require(cae_mpi_agree(&failed, mpi, CAE_OK) == CAE_OK && failed == -1);
    require(!strcmp(cae_mpi_error(mpi), ""));

    cae_status status = cae_mpi_agree(&failed, mpi, world_rank == last ? CAE_ERR_IO : CAE_OK);
    require(status == (world_rank == last ? CAE_ERR_IO : CAE_ERR_PEER) && failed == last);
    snprintf(part, sizeof part, "rank %d of %d", last, world_size);
    require_text(cae_mpi_error(mpi), part);
    require_text(cae_mpi_error(mpi), cae_status_string(CAE_ERR_IO));

    /* who only heard of it is not to blame */
    status = cae_mpi_agree(&failed, mpi, world_rank == last ? CAE_ERR_MEMORY : CAE_ERR_PEER);
    require(status == (world_rank == last ? CAE_ERR_MEMORY : CAE_ERR_PEER) && failed == last);
    status = cae_mpi_agree(&failed, mpi, CAE_STOPPED);
    require(status == CAE_STOPPED && failed == 0);
    require(cae_mpi_agree(NULL, mpi, CAE_OK) == CAE_OK && !cae_mpi_is_broken(mpi));
    cae_mpi_destroy(mpi);
}

/* --- Training --------------------------------------------------------------------------------- */

static void same_bits_as_one(void)
{
    static float expected[PARAMETERS], found[PARAMETERS];
    struct training t;
    cae_mpi *mpi = NULL;

    by_itself(expected);
    set_up(&t, 1);
    require(cae_mpi_create(&mpi, context, MPI_COMM_WORLD, NULL) == CAE_OK);
    require(cae_mpi_join(mpi, t.trainer) == CAE_OK);
    take_steps(&t);
    read_parameters(found, &t);
    require(!memcmp(expected, found, sizeof found));
    require(cae_mpi_join(mpi, t.trainer) == CAE_ERR_ARGUMENT); /* twice */
    tear_down(&t);
    cae_mpi_destroy(mpi);
}

/* In each half a training of its own, and one of all, in turns. */
static void groups_in_turns(void)
{
    static float expected[PARAMETERS], found[PARAMETERS];
    struct training part, whole;
    cae_mpi *mpi[2] = {NULL, NULL};
    MPI_Comm half;

    by_itself(expected);
    MPI_Comm_split(MPI_COMM_WORLD, world_rank % 2, -world_rank, &half);
    require(cae_mpi_create(&mpi[0], context, half, NULL) == CAE_OK);
    require(cae_mpi_create(&mpi[1], context, MPI_COMM_WORLD, NULL) == CAE_OK);
    require(cae_mpi_ranks(mpi[0]) == (world_size + 1 - world_rank % 2) / 2);
    MPI_Comm_free(&half); /* ours is a duplicate */
    set_up(&part, 1);
    set_up(&whole, 1);
    require(cae_mpi_join(mpi[0], part.trainer) == CAE_OK);
    require(cae_mpi_join(mpi[1], whole.trainer) == CAE_OK);
    for (int i = 0; i < STEPS; i++) {
        require(cae_trainer_step(NULL, part.trainer) == CAE_OK);
        require(cae_trainer_step(NULL, whole.trainer) == CAE_OK);
    }
    read_parameters(found, &part);
    require(!memcmp(expected, found, sizeof found));
    read_parameters(found, &whole);
    require(!memcmp(expected, found, sizeof found));
    tear_down(&part);
    tear_down(&whole);
    cae_mpi_destroy(mpi[0]);
    cae_mpi_destroy(mpi[1]);
}

static void native_is_the_same_everywhere(void)
{
    static float found[PARAMETERS], first[PARAMETERS];
    cae_mpi_options options = usual();
    struct training t;
    cae_mpi *mpi = NULL;

    options.reduction = CAE_REDUCTION_NATIVE;
    set_up(&t, 1);
    require(cae_mpi_create(&mpi, context, MPI_COMM_WORLD, &options) == CAE_OK);
    require(cae_mpi_join(mpi, t.trainer) == CAE_OK);
    take_steps(&t);
    read_parameters(found, &t);
    memcpy(first, found, sizeof first);
    MPI_Bcast(first, PARAMETERS, MPI_FLOAT, 0, MPI_COMM_WORLD);
    require(!memcmp(first, found, sizeof found));
    tear_down(&t);
    cae_mpi_destroy(mpi);
}

/* A host that rounds upwards and flushes denormal numbers, on one rank. */
static void strange_arithmetic(void)
{
    static float expected[PARAMETERS], found[PARAMETERS];
    struct training t;
    cae_mpi *mpi = NULL;

    by_itself(expected);
    set_up(&t, 1);
    require(cae_mpi_create(&mpi, context, MPI_COMM_WORLD, NULL) == CAE_OK);
    require(cae_mpi_join(mpi, t.trainer) == CAE_OK);
    if (world_rank == world_size - 1)
        fesetround(FE_DOWNWARD);
    take_steps(&t);
    require(fegetround() == (world_rank == world_size - 1 ? FE_DOWNWARD : FE_TONEAREST));
    fesetround(FE_TONEAREST);
    read_parameters(found, &t);
    require(!memcmp(expected, found, sizeof found));
    tear_down(&t);
    cae_mpi_destroy(mpi);
}

static void different_trainers(void)
{
    const int last = world_size - 1;
    struct training t;
    cae_mpi *mpi = NULL;

    if (world_size < 2)
        return;
    set_up(&t, world_rank == last ? 2 : 1);
    require(cae_mpi_create(&mpi, context, MPI_COMM_WORLD, NULL) == CAE_OK);
    require(cae_mpi_join(mpi, t.trainer) == CAE_ERR_PEER);
    require_text(cae_mpi_error(mpi), "cannot join");
    require_text(cae_context_error(context), "seed");
    require(!cae_mpi_is_broken(mpi));
    const cae_status status = cae_mpi_join(mpi, world_rank == last ? NULL : t.trainer);
    require(status == (world_rank == last ? CAE_ERR_ARGUMENT : CAE_ERR_PEER));
    tear_down(&t);
    cae_mpi_destroy(mpi);
}

/* --- A rank that does not come ---------------------------------------------------------------- */

static void lost_rank(void)
{
    const int absent = world_size - 1;
    cae_mpi_options options = usual();
    cae_progress progress;
    struct training t;
    cae_mpi *mpi = NULL;

    options.timeout = 1;
    set_up(&t, 1);
    require(cae_mpi_create(&mpi, context, MPI_COMM_WORLD, &options) == CAE_OK);
    require(cae_mpi_join(mpi, t.trainer) == CAE_OK);
    take_steps(&t);
    cae_progress_init(&progress, sizeof progress);
    if (world_rank == absent) {
        nanosleep(&(struct timespec){.tv_sec = 3}, NULL);
    } else {
        const double begin = seconds();
        require(cae_trainer_step(NULL, t.trainer) == CAE_ERR_PEER);
        const double waited = seconds() - begin;
        require(waited >= 1 && waited < 2.5);
        require(cae_mpi_is_broken(mpi));
        require_text(cae_mpi_error(mpi), "nothing heard from another rank for 1 seconds");
        require(cae_trainer_step(NULL, t.trainer) == CAE_ERR_PEER);
        require(cae_mpi_agree(NULL, mpi, CAE_OK) == CAE_ERR_PEER);
        require(cae_mpi_join(mpi, t.trainer) == CAE_ERR_PEER);
        cae_trainer_progress(&progress, t.trainer);
        require(progress.step == STEPS); /* nothing was learned from half a sum */
        require(seconds() - begin < 2.5);
    }
    tear_down(&t);
    cae_mpi_destroy(mpi);
}

/* --- All of it -------------------------------------------------------------------------------- */

static void initialize(int argc, char **argv, int wanted)
{
    int level;

    MPI_Init_thread(&argc, &argv, wanted, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    MPI_Comm_size(MPI_COMM_WORLD, &world_size);
}

static void single_threaded(void)
{
    int level;
    cae_mpi *mpi = NULL;

    MPI_Query_thread(&level);
    if (level != MPI_THREAD_SINGLE) {
        verdict("two threads and an MPI for one # skip this MPI gives more");
        return;
    }
    require(cae_mpi_create(&mpi, context, MPI_COMM_WORLD, NULL) == CAE_OK);
    cae_mpi_destroy(mpi);
    cae_context_set_threads(context, 2);
    require(cae_mpi_create(&mpi, context, MPI_COMM_WORLD, NULL) == CAE_ERR_ARGUMENT);
    require_text(cae_mpi_error(mpi), "MPI_Init_thread with MPI_THREAD_FUNNELED");
    cae_mpi_destroy(mpi);
    verdict("two threads and an MPI for one");
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "all";
    static const struct {
        const char *name;
        void (*check)(void);
    } checks[] = {
        {"refused: NULL", of_null},
        {"refused: options", wrong_options},
        {"wrong on one rank, the others are told", wrong_on_one_rank},
        {"refused: an intercommunicator", between_two_groups},
        {"all ranks agree", agreement},
        {"the bits of one process", same_bits_as_one},
        {"halves and the whole in turns", groups_in_turns},
        {"native: the same bits on all ranks", native_is_the_same_everywhere},
        {"a rank with another rounding mode", strange_arithmetic},
        {"trainers that differ", different_trainers},
    };
    enum { CHECKS = sizeof checks / sizeof *checks };

    if (cae_context_create(&context, NULL))
        return 1;
    if (!strcmp(what, "all")) {
        without_mpi();
        initialize(argc, argv, MPI_THREAD_FUNNELED);
        if (!world_rank)
            printf("1..%d\n", CHECKS + 1);
        verdict("before MPI_Init");
        for (int i = 0; i < CHECKS; i++) {
            checks[i].check();
            verdict(checks[i].name);
        }
    } else if (!strcmp(what, "single")) {
        initialize(argc, argv, MPI_THREAD_SINGLE);
        if (!world_rank)
            printf("1..1\n");
        single_threaded();
    } else {
        initialize(argc, argv, MPI_THREAD_FUNNELED);
        if (!world_rank)
            printf("1..1\n");
        lost_rank();
        verdict("a rank that does not come");
    }
    cae_context_destroy(context);
    MPI_Finalize();
    return 0;
}
