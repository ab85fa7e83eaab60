/* machine.h - what the targets that call the public interface in any order share: a few handles of each kind,
 * options of odd sizes, and what must hold after every call. */
#ifndef CAE_TESTS_FUZZ_MACHINE_H
#define CAE_TESTS_FUZZ_MACHINE_H

#include "fuzz.h"

enum { SLOTS = 3, MOST_CALLS = 48, MOST_BUFFERS = 64, MOST_SIDE = 12 };

struct machine {
    struct fuzz_input in;
    cae_context *context, *other; /* the second one, for calls that take one; NULL until asked for */
    cae_spec *specs[SLOTS];
    cae_model *models[SLOTS];
    cae_dataset *datasets[SLOTS];
    cae_optimizer *optimizers[SLOTS];
    cae_trainer *trainers[SLOTS];
    cae_scorer *scorers[SLOTS];
    struct frame {
        const cae_model *model;
        int32_t channels, height, width;
    } frames[SLOTS];              /* of the scorers */
    cae_array *arrays[SLOTS];
    struct fuzz_bytes file;       /* the last model saved */
    void *buffers[MOST_BUFFERS];  /* that the library may have borrowed: to the end */
    int buffer_count;
    double budget;                /* multiplications left */
    bool changes;                 /* the call may change a model though it fails */
    bool files;                   /* there may be some in fuzz_directory */
};

/* A slot's number; a rare yes; whether there is time left for so much work. */
int slot(struct machine *m);
bool rarely(struct machine *m);
bool afford(struct machine *m, double work);

/* The context to lend, and where its error text will be. */
cae_context *lent(struct machine *m, cae_context **text);

/* Zeros that are there to the end of the program. */
void *keep(struct machine *m, size_t bytes);

/* A caller's struct, as long as it says: mostly as filled in, at times of another size, with or without
 * something in the tail, in a block of that very size. */
void *options(struct machine *m, const void *filled, uint32_t size);

/* Of all parameters of all models. */
uint64_t digest(const struct machine *m);

/* What was made, or was not, into a slot. */
void put_model(struct machine *m, cae_status status, cae_model *model);
void put_dataset(struct machine *m, cae_status status, cae_dataset *dataset);

/* Of the target api: one of those in api_more.c. */
cae_status call_more(struct machine *m);

struct call {
    cae_status (*call)(struct machine *m);
    bool replaces; /* puts a model into a slot */
};

/* Run a program of calls that `which` picks; `finish`, which may be NULL, ends what the target has besides. */
void machine_run(const uint8_t *data, size_t size, const struct call *calls, int (*which)(struct machine *m),
                 void (*finish)(struct machine *m), double budget);

#endif
