/** @file mpi.h
 * libcae_mpi: one training by many processes that MPI connects. A library of its own beside
 * libcae, which knows nothing of MPI; it uses the public interface of both and nothing else.
 *
 * - The program begins and ends MPI: nothing here calls MPI_Init, MPI_Finalize or MPI_Abort.
 *   What is said goes through a duplicate of the caller's communicator, with error handling of
 *   its own.
 * - Status and text: as in cae.h, and cae_mpi_error keeps the text of the last call that
 *   failed.
 * - Collective calls are made by all ranks of the communicator, in the same order. A rank waits
 *   for the others no longer than `timeout`: then the group is broken, and so are its trainers.
 *   A program that has no other use for MPI then calls MPI_Abort, as MPI_Finalize may never
 *   return.
 * - Memory is malloc's; a trainer's is that of its context.
 * - Threads: a group belongs to one thread, which must be one that may call MPI.
 * - Errors of MPI are returned, and break the group. Open MPI 4 reports those that it finds while a call
 *   goes on to the handler of MPI_COMM_WORLD, which ends the program: one that is to outlive them sets
 *   MPI_ERRORS_RETURN there, as this library sets nothing that is not its own.
 * - Floating point: sums are made in the default environment, and the caller's put back. Signals: as
 *   they are.
 *
 * MPI_Comm is another type in each MPI: a build of this library serves programs of the MPI that
 * it was built with. docs/mpi.md shows its use. */
#ifndef CAE_MPI_H
#define CAE_MPI_H

#include <cae/cae.h>
#include <mpi.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined __GNUC__ && !defined _WIN32
#pragma GCC visibility push(default)
#endif

/** @defgroup mpi MPI: groups of trainers by libcae_mpi
 * @{ */

#define CAE_MPI_ABI_VERSION 1 /**< the soname's number: counts ABI breaks, not releases */

/** Major << 16 | minor << 8 | patch of the loaded library, which has the version of its libcae. */
uint32_t cae_mpi_version_number(void);

/** CAE_MPI_ABI_VERSION of the loaded library. */
uint32_t cae_mpi_abi_version(void);

/** One line on how the library was built and which MPI it found, such as "libcae_mpi 1.1.0, MPI
 * 3.1, Open MPI v4.1.4". Copies at most `capacity` bytes with the closing zero; returns the
 * length without it, as snprintf does. May be called before MPI_Init. */
size_t cae_mpi_build_info(char *text, size_t capacity);

typedef struct cae_mpi cae_mpi; /**< a rank's place in a group */

/** How to make a group; comments begin with the default. */
typedef struct cae_mpi_options {
    uint32_t size;     /**< sizeof(cae_mpi_options) */
    int32_t reduction; /**< CAE_REDUCTION_DETERMINISTIC; one of enum cae_reduction */
    double timeout;    /**< 300; > 0, seconds that a rank waits for the others in a collective call,
                            or in each sum where a call makes several; INFINITY waits for ever */
} cae_mpi_options;

/** Write the defaults of the first `size` bytes: pass sizeof(cae_mpi_options). */
cae_status cae_mpi_options_init(cae_mpi_options *options, uint32_t size);

/** Make a group of all ranks of a communicator. Collective. MPI must have been initialized, and
 * not finalized: CAE_ERR_ARGUMENT. The communicator is duplicated. `context` is that of the
 * trainer to join: when it has more than one thread, MPI must give MPI_THREAD_FUNNELED or more
 * (MPI_Init_thread): CAE_ERR_ARGUMENT, too; it is not kept. NULL options are the defaults.
 *
 * CAE_ERR_PEER when another rank failed. After any error but that of memory *out is a handle
 * all the same: it tells cae_mpi_error, fails in all calls, and is to be destroyed. */
cae_status cae_mpi_create(cae_mpi **out, cae_context *context, MPI_Comm comm,
                          const cae_mpi_options *options);

/** Give a group back, after the trainers that have joined it, and before MPI_Finalize. Never
 * waits. NULL is fine. Of a broken group the communicator stays, and memory that MPI may still
 * write into. */
void cae_mpi_destroy(cae_mpi *mpi);

/** What went wrong in the last call with this group that failed; "" when nothing has, and for
 * NULL. For a step of a trainer it is what MPI said: the rest is in cae_context_error. */
const char *cae_mpi_error(const cae_mpi *mpi);

/** This rank, from 0; 0 for NULL. */
int32_t cae_mpi_rank(const cae_mpi *mpi);

/** Ranks in all; 1 for NULL. */
int32_t cae_mpi_ranks(const cae_mpi *mpi);

/** 1 when a rank was not heard of in time, or MPI reported an error: every further call fails at
 * once. 0 for NULL. */
int32_t cae_mpi_is_broken(const cae_mpi *mpi);

/** Agree on whether all is well, as when each rank has opened its data and there is no trainer yet.
 * Collective. CAE_OK when every rank gave CAE_OK. Otherwise a rank that failed gets back what it
 * gave, and the others CAE_ERR_PEER with a text that names the rank. `failed`, which may be NULL,
 * receives the rank that failed, -1 when none did or the group is broken; among several the
 * first of those that gave anything but CAE_ERR_PEER. A broken group returns CAE_ERR_PEER. */
cae_status cae_mpi_agree(int32_t *failed, cae_mpi *mpi, cae_status mine);

/** Join a trainer to the group: cae_trainer_join, by sums over the communicator. Collective, as
 * from then on are the calls that cae_trainer_join names. Several trainers may join one group,
 * one after the other or in turns. The group must be there as long as they are. */
cae_status cae_mpi_join(cae_mpi *mpi, cae_trainer *trainer);

/** @} */

#if defined __GNUC__ && !defined _WIN32
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
