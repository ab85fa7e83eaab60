/* soak.h - a tenant is a thread that lives at random; see soak.c. */
#ifndef CAE_TESTS_SOAK_H
#define CAE_TESTS_SOAK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <cae/cae.h>

enum { SOAK_KINDS = 36 }; /* of things that a tenant does */

struct soak_shared; /* a model that all run at the same time, and what has to come out */

struct soak_tenant {
    pthread_t thread;
    const struct soak_shared *shared;
    char directory[96]; /* its own */
    uint64_t random;
    atomic_long calls, rounds;
    atomic_long kinds[SOAK_KINDS];
    atomic_bool stop;
};

/* It leaves files in `directory`. */
struct soak_shared *soak_shared_create(uint64_t seed, const char *directory);
void soak_shared_destroy(struct soak_shared *shared);

void soak_start(struct soak_tenant *tenant, const struct soak_shared *shared, const char *directory,
                uint64_t seed);
/* Waits for it: it destroys what it has. */
void soak_stop(struct soak_tenant *tenant);

/* Something went wrong; it has been printed. */
bool soak_failed(void);

const char *soak_kind_name(int kind);
long soak_kind_count(const struct soak_tenant *tenants, int count, int kind);

#endif
