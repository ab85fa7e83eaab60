/* machine.c - see machine.h. */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

#include "../../lib/network/network.h"

int slot(struct machine *m)
{
    return fuzz_below(&m->in, SLOTS);
}

bool rarely(struct machine *m)
{
    return fuzz_u8(&m->in) >= 240;
}

bool afford(struct machine *m, double work)
{
    if (work > m->budget)
        return false;
    m->budget -= work;
    return true;
}

cae_context *lent(struct machine *m, cae_context **text)
{
    const int which = fuzz_below(&m->in, 3);
    cae_context *context = which == 0 ? NULL : which == 1 || !m->other ? m->context : m->other;

    *text = context ? context : m->context;
    return context;
}

void *keep(struct machine *m, size_t bytes)
{
    void *block = calloc(1, bytes ? bytes : 1);

    CHECK(block && m->buffer_count < MOST_BUFFERS);
    m->buffers[m->buffer_count++] = block;
    return block;
}

void *options(struct machine *m, const void *filled, uint32_t size)
{
    static const uint32_t sizes[] = {0, 4, 8, 12, 16, 24, 32, 40, 48, 64, 128, 4096, 4104, 0xffffffff};
    const int kind = fuzz_u8(&m->in);
    uint32_t said = size;

    if (kind >= 250)
        return NULL;
    if (kind >= 216)
        said = sizes[fuzz_below(&m->in, (int)(sizeof sizes / sizeof sizes[0]))];
    const size_t there = said > 8192 ? size : said < 4 ? 4 : said;
    unsigned char *block = keep(m, there);
    memcpy(block, filled, there < size ? there : size);
    memcpy(block, &said, sizeof said);
    if (kind >= 240 && there > size)
        block[size + fuzz_u8(&m->in) % (there - size)] = fuzz_u8(&m->in);
    return block;
}

uint64_t digest(const struct machine *m)
{
    uint64_t sum = 14695981039346656037u;

    for (int i = 0; i < SLOTS; i++) {
        const cae_model *model = m->models[i];
        for (size_t j = 0; model && j < model->parameter_count && j < 4096; j++) {
            uint32_t bits;
            memcpy(&bits, &model->parameters[j], sizeof bits);
            sum = (sum ^ bits) * 1099511628211u;
        }
    }
    return sum;
}

void put_model(struct machine *m, cae_status status, cae_model *model)
{
    const int i = slot(m);

    fuzz_check_made(m->context, status, model);
    cae_model_destroy(m->models[i]);
    m->models[i] = model;
}

void put_dataset(struct machine *m, cae_status status, cae_dataset *dataset)
{
    const int i = slot(m);

    fuzz_check_made(m->context, status, dataset);
    cae_dataset_destroy(m->datasets[i]);
    m->datasets[i] = dataset;
}

/* --- Running a program ---------------------------------------------------------------------------- */

static void end(struct machine *m)
{
    for (int i = 0; i < SLOTS; i++) { /* any order will do */
        cae_model_destroy(m->models[i]);
        cae_spec_destroy(m->specs[i]);
        cae_dataset_destroy(m->datasets[i]);
        cae_optimizer_destroy(m->optimizers[i]);
        cae_trainer_destroy(m->trainers[i]);
        cae_scorer_destroy(m->scorers[i]);
        cae_array_destroy(m->arrays[i]);
    }
    cae_context_destroy(m->other);
    fuzz_end(m->context);
    fuzz_bytes_free(&m->file);
    for (int i = 0; i < m->buffer_count; i++)
        free(m->buffers[i]);
}

void machine_run(const uint8_t *data, size_t size, const struct call *calls, int (*which)(struct machine *m),
                 void (*finish)(struct machine *m), double budget)
{
    struct machine m = {.in = {data, size}, .context = fuzz_begin(), .budget = budget};

    fuzz_heap.limit = (size_t)1 << 20; /* small, so that wild sizes are refused and nothing is slow */
    for (int i = 0; i < MOST_CALLS && m.in.left && m.buffer_count < MOST_BUFFERS - 4; i++) {
        const struct call *call = &calls[which(&m)];
        const uint64_t before = digest(&m);
        fuzz_heap.refused = false;
        m.changes = false;
        const cae_status status = call->call(&m);
        CHECK(status >= CAE_ERR_PEER && status <= CAE_STOPPED);
        CHECK(status != CAE_ERR_MEMORY || fuzz_heap.refused);
        if (status < 0 && !m.changes && !call->replaces)
            CHECK(digest(&m) == before);
    }
    if (finish)
        finish(&m);
    end(&m);
    if (m.files)
        fuzz_clear();
}
