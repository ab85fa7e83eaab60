/* group.c - a group: made, agreed in, joined, given back. */
#include "group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Options ---------------------------------------------------------------------------------- */

static const cae_mpi_options defaults = {.size = sizeof defaults,
                                         .reduction = CAE_REDUCTION_DETERMINISTIC,
                                         .timeout = 300};

enum { LEAST_SIZE = 8, LARGEST_SIZE = 4096, UNIT = 8 };

cae_status cae_mpi_options_init(cae_mpi_options *options, uint32_t size)
{
    if (!options)
        return CAE_ERR_ARGUMENT;
    if (size < LEAST_SIZE || size > LARGEST_SIZE || size % UNIT != 0)
        return CAE_ERR_OPTIONS;
    memset(options, 0, size);
    memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
    memcpy(options, &size, sizeof size);
    return CAE_OK;
}

static bool all_zero(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* The rule of cae.h: a shorter struct is an older program's, a longer one may have a tail of
 * zeros. */
static cae_status read_options(cae_mpi *mpi, const cae_mpi_options *given)
{
    cae_mpi_options known = defaults;
    uint32_t size = sizeof known;

    if (given)
        memcpy(&size, given, sizeof size);
    if (size < LEAST_SIZE || size > LARGEST_SIZE || size % UNIT != 0)
        return cae__mpi_fail(mpi, CAE_ERR_OPTIONS, "cae_mpi_options: size is %lu, expected that of "
                             "the struct; call the init function first", (unsigned long)size);
    if (given && size > sizeof known &&
        !all_zero((const unsigned char *)given + sizeof known, size - sizeof known))
        return cae__mpi_fail(mpi, CAE_ERR_OPTIONS, "cae_mpi_options: asks for something newer than "
                             "libcae_mpi %s knows", cae_version_string());
    if (given)
        memcpy(&known, given, size < sizeof known ? size : sizeof known);
    if (known.reduction != CAE_REDUCTION_DETERMINISTIC && known.reduction != CAE_REDUCTION_NATIVE)
        return cae__mpi_fail(mpi, CAE_ERR_OPTIONS,
                             "cae_mpi_options: reduction is %ld, expected one of enum "
                             "cae_reduction",
                             (long)known.reduction);
    if (!(known.timeout > 0))
        return cae__mpi_fail(mpi, CAE_ERR_OPTIONS,
                             "cae_mpi_options: timeout is %g, expected seconds above 0",
                             known.timeout);
    mpi->reduction = known.reduction;
    mpi->timeout = known.timeout;
    return CAE_OK;
}

/* --- Making ----------------------------------------------------------------------------------- */

static cae_status check_mpi(cae_mpi *mpi)
{
    int begun = 0, ended = 0;

    if (MPI_Initialized(&begun) != MPI_SUCCESS || !begun)
        return cae__mpi_fail(mpi, CAE_ERR_ARGUMENT,
                             "MPI is not initialized: expected a call of MPI_Init_thread before");
    if (MPI_Finalized(&ended) != MPI_SUCCESS || ended)
        return cae__mpi_fail(mpi, CAE_ERR_ARGUMENT, "MPI has been finalized already");
    return CAE_OK;
}

static cae_status check_comm(cae_mpi *mpi, MPI_Comm comm)
{
    int inter = 0;

    if (comm == MPI_COMM_NULL)
        return cae__mpi_fail(mpi, CAE_ERR_ARGUMENT,
                             "the communicator is MPI_COMM_NULL, expected one with this process");
    MPI_Comm_test_inter(comm, &inter);
    if (inter)
        return cae__mpi_fail(mpi, CAE_ERR_ARGUMENT,
                             "expected an intracommunicator, found an intercommunicator");
    return CAE_OK;
}

static const char *level_name(int level)
{
    return level == MPI_THREAD_SINGLE ? "MPI_THREAD_SINGLE"
         : level == MPI_THREAD_FUNNELED ? "MPI_THREAD_FUNNELED"
         : level == MPI_THREAD_SERIALIZED ? "MPI_THREAD_SERIALIZED" : "MPI_THREAD_MULTIPLE";
}

static cae_status check_threads(cae_mpi *mpi, const cae_context *context)
{
    const long threads = (long)cae_context_threads(context);
    int level = MPI_THREAD_SINGLE, main_thread = 1;

    if (!context)
        return cae__mpi_fail(mpi, CAE_ERR_ARGUMENT, "context is NULL");
    MPI_Query_thread(&level);
    MPI_Is_thread_main(&main_thread);
    if (threads > 1 && level < MPI_THREAD_FUNNELED)
        return cae__mpi_fail(mpi, CAE_ERR_ARGUMENT, "the context has %ld threads and MPI was "
                             "initialized for one: call MPI_Init_thread with MPI_THREAD_FUNNELED",
                             threads);
    if (!main_thread && level < MPI_THREAD_SERIALIZED)
        return cae__mpi_fail(mpi, CAE_ERR_ARGUMENT, "MPI gives %s, with which only the thread that "
                             "called MPI_Init_thread may call it; this is another",
                             level_name(level));
    return CAE_OK;
}

static cae_status duplicate(cae_mpi *mpi, MPI_Comm comm)
{
    MPI_Comm copy = MPI_COMM_NULL;
    MPI_Request request = MPI_REQUEST_NULL;
    int code;

    MPI_Comm_rank(comm, &mpi->rank);
    MPI_Comm_size(comm, &mpi->ranks);
    /* into the handle: MPI writes there when the last rank has come, which may be too late for
     * us */
    code = MPI_Comm_idup(comm, &mpi->comm, &request);
    if (code != MPI_SUCCESS) {
        mpi->comm = copy;
        return cae__mpi_broken(mpi, code, "duplicating the communicator");
    }
    const cae_status status = cae__mpi_wait(mpi, &request, "duplicating the communicator");
    if (!status)
        MPI_Comm_set_errhandler(mpi->comm, MPI_ERRORS_RETURN);
    return status;
}

/* A rank whose options are wrong duplicates the communicator all the same: the others wait for it,
 * and are to hear what it found. Where the communicator cannot be used they can only time out. */
static cae_status begin(cae_mpi *mpi, const cae_context *context, MPI_Comm comm,
                        const cae_mpi_options *options)
{
    char found[CAE__MPI_TEXT];
    cae_status mine, status = check_mpi(mpi);

    if (!status)
        status = check_comm(mpi, comm);
    if (status)
        return status;
    mine = check_threads(mpi, context);
    if (!mine)
        mine = read_options(mpi, options);
    memcpy(found, mpi->error, sizeof found);
    status = duplicate(mpi, comm);
    if (status)
        return mine ? cae__mpi_fail(mpi, mine, "%s", found) : status;
    status = cae_mpi_agree(NULL, mpi, mine);
    return mine ? cae__mpi_fail(mpi, mine, "%s", found) : status;
}

cae_status cae_mpi_create(cae_mpi **out, cae_context *context, MPI_Comm comm,
                          const cae_mpi_options *options)
{
    if (!out)
        return CAE_ERR_ARGUMENT;
    *out = calloc(1, sizeof **out);
    if (!*out)
        return CAE_ERR_MEMORY;
    (*out)->comm = MPI_COMM_NULL;
    (*out)->pending = MPI_REQUEST_NULL;
    (*out)->ranks = 1;
    (*out)->timeout = defaults.timeout;
    const cae_status status = begin(*out, context, comm, options);
    (*out)->unmade = status != CAE_OK;
    return status;
}

/* --- Giving back ------------------------------------------------------------------------------ */

static bool mpi_is_up(void)
{
    int begun = 0, ended = 0;

    MPI_Initialized(&begun);
    MPI_Finalized(&ended);
    return begun && !ended;
}

/* Has what a broken group waited for come in the end? */
static bool settled(cae_mpi *mpi)
{
    int done = 0;

    if (mpi->pending == MPI_REQUEST_NULL)
        return true;
    return mpi_is_up() && MPI_Test(&mpi->pending, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done;
}

void cae_mpi_destroy(cae_mpi *mpi)
{
    if (!mpi)
        return;
    if (!settled(mpi))
        return; /* MPI holds its addresses */
    if (mpi->comm != MPI_COMM_NULL && !mpi->broken && mpi_is_up())
        MPI_Comm_free(&mpi->comm);
    free(mpi->values);
    free(mpi);
}

/* --- Asking ----------------------------------------------------------------------------------- */

const char *cae_mpi_error(const cae_mpi *mpi)
{
    return mpi ? mpi->error : "";
}

int32_t cae_mpi_rank(const cae_mpi *mpi)
{
    return mpi ? mpi->rank : 0;
}

int32_t cae_mpi_ranks(const cae_mpi *mpi)
{
    return mpi ? mpi->ranks : 1;
}

int32_t cae_mpi_is_broken(const cae_mpi *mpi)
{
    return mpi && mpi->broken;
}

/* --- Agreeing --------------------------------------------------------------------------------- */

/* The smallest word wins: the rank that failed in its upper half, those that only heard of a
 * failure behind all others; the status in the lower one. */
static int64_t word_of(const cae_mpi *mpi, cae_status mine)
{
    const int64_t order = (int64_t)mpi->rank + (mine == CAE_ERR_PEER ? mpi->ranks : 0);

    return mine ? order << 32 | (uint32_t)mine : INT64_MAX;
}

static cae_status share_word(cae_mpi *mpi)
{
    MPI_Request request = MPI_REQUEST_NULL;
    const int code = MPI_Iallreduce(MPI_IN_PLACE, &mpi->word, 1, MPI_INT64_T, MPI_MIN, mpi->comm,
                                    &request);

    return code != MPI_SUCCESS ? cae__mpi_broken(mpi, code, "agreeing")
                               : cae__mpi_wait(mpi, &request, "agreeing");
}

static cae_status is_usable(cae_mpi *mpi)
{
    return mpi->unmade || mpi->broken ? CAE_ERR_PEER : CAE_OK; /* the text is there */
}

cae_status cae_mpi_agree(int32_t *failed, cae_mpi *mpi, cae_status mine)
{
    if (failed)
        *failed = -1;
    if (!mpi)
        return CAE_ERR_ARGUMENT;
    cae_status status = is_usable(mpi);
    if (status)
        return status;

    mpi->word = word_of(mpi, mine);
    status = share_word(mpi);
    if (status || mpi->word == INT64_MAX)
        return status;
    const int first = (int)((mpi->word >> 32) % mpi->ranks);
    const cae_status its = (cae_status)(uint32_t)(mpi->word & UINT32_MAX);
    if (failed)
        *failed = first;
    if (mine)
        return cae__mpi_fail(mpi, mine, "rank %d of %d: %s", mpi->rank, mpi->ranks,
                             cae_status_string(mine));
    return cae__mpi_fail(mpi, CAE_ERR_PEER, "rank %d of %d failed: %s", first, mpi->ranks,
                         cae_status_string(its));
}

cae_status cae_mpi_join(cae_mpi *mpi, cae_trainer *trainer)
{
    cae_group_options options;
    cae_status status;

    if (!mpi)
        return CAE_ERR_ARGUMENT;
    status = is_usable(mpi);
    if (status)
        return status;
    /* a rank without a trainer must not leave the others alone in the sums to come */
    status = cae_mpi_agree(NULL, mpi, trainer ? CAE_OK : CAE_ERR_ARGUMENT);
    if (status)
        return status;

    cae_group_options_init(&options, sizeof options);
    options.rank = mpi->rank;
    options.ranks = mpi->ranks;
    options.reduction = mpi->reduction;
    options.sum = cae__mpi_sum;
    options.user = mpi;
    status = cae_trainer_join(trainer, &options);
    if (status && !mpi->broken)
        cae__mpi_fail(mpi, status, "rank %d of %d cannot join, see cae_context_error: %s",
                      mpi->rank, mpi->ranks, cae_status_string(status));
    return status;
}
