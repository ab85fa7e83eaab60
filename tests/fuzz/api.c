/* api.c - bytes as a program of calls to the public interface: a small interpreter over a few handles.
 * Options of odd sizes, wild numbers, wrong lengths, allocations that fail, callbacks that stop or jump
 * out. What must hold after every call: a status that the header knows, a text with a failure, a handle
 * with a success and none without; a failed call changed no model. */
#include "machine.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/network/network.h"
#include "../../lib/training/training.h"

/* --- Describing ------------------------------------------------------------------------------- */

static cae_status call_spec_create(struct machine *m)
{
    const int i = slot(m);
    cae_spec *spec = FUZZ_JUNK;
    const cae_status status = cae_spec_create(&spec, m->context);

    fuzz_check_made(m->context, status, spec);
    cae_spec_destroy(m->specs[i]);
    m->specs[i] = spec;
    return status;
}

static cae_status call_add_layer(struct machine *m)
{
    cae_spec *spec = m->specs[slot(m)];
    cae_conv_options o;
    const int kind = fuzz_u8(&m->in);
    const int32_t to = fuzz_int(&m->in, 1, 3);
    const int32_t from = spec && spec->count && !rarely(m) ? spec->layers[spec->count - 1].out_channels
                                                           : fuzz_int(&m->in, 1, 3);

    CHECK(cae_conv_options_init(&o, sizeof o) == CAE_OK);
    if (kind & 2) {
        int32_t *const fields[] = {&o.kernel_h, &o.kernel_w, &o.stride_h, &o.stride_w, &o.padding_h,
                                   &o.padding_w, &o.dilation_h, &o.dilation_w};
        for (int i = 0; i < 8; i++)
            *fields[i] = fuzz_int(&m->in, i == 4 || i == 5 ? 0 : 1, 3);
        o.output_padding_h = kind & 1 ? fuzz_int(&m->in, 0, 2) : 0;
        o.bias = fuzz_int(&m->in, 0, 1);
        o.slope = kind & 4 ? fuzz_double(&m->in) : 0.1;
    }
    o.activation = fuzz_int(&m->in, 0, 4);
    const void *given = options(m, &o, sizeof o);
    return kind & 1 ? cae_spec_add_conv_transpose(spec, from, to, given)
                    : cae_spec_add_conv(spec, from, to, given);
}

static cae_status call_add_reference(struct machine *m)
{
    return cae_spec_add_reference(m->specs[slot(m)]);
}

static cae_status call_end_encoder(struct machine *m)
{
    return cae_spec_end_encoder(m->specs[slot(m)]);
}

static cae_status call_residual(struct machine *m)
{
    cae_spec *spec = m->specs[slot(m)];

    return cae_spec_set_residual(spec, fuzz_int(&m->in, 0, 1));
}

/* --- Models ----------------------------------------------------------------------------------- */

static cae_status call_model_create(struct machine *m)
{
    cae_model *model = FUZZ_JUNK;
    const cae_status status =
        rarely(m) ? cae_model_create_reference(&model, m->context, fuzz_u64(&m->in))
                  : cae_model_create(&model, m->context, m->specs[slot(m)], fuzz_u8(&m->in));

    put_model(m, status, model);
    return status;
}

/* A model of some use, so that short programs get somewhere. */
static cae_status call_model_small(struct machine *m)
{
    cae_spec *spec = NULL;
    cae_conv_options o;

    if (cae_spec_create(&spec, m->context) != CAE_OK)
        return CAE_ERR_MEMORY;
    CHECK(cae_conv_options_init(&o, sizeof o) == CAE_OK);
    o.kernel_h = fuzz_below(&m->in, 3) + 1;
    o.activation = fuzz_below(&m->in, 5);
    const int inner = fuzz_below(&m->in, 3) + 1, outer = fuzz_below(&m->in, 3) + 1;
    cae_model *model = FUZZ_JUNK;
    cae_status status = cae_spec_add_conv(spec, outer, inner, &o);
    if (o.activation == CAE_ACTIVATION_NONE)
        CHECK(cae_spec_set_residual(spec, inner & 1) == CAE_OK);
    if (status == CAE_OK)
        status = cae_spec_add_conv_transpose(spec, inner, outer, &o);
    if (status == CAE_OK) {
        status = cae_model_create(&model, m->context, spec, 1);
        put_model(m, status, model);
    }
    cae_spec_destroy(spec);
    return status;
}

static cae_status call_tensor(struct machine *m)
{
    cae_model *model = m->models[slot(m)];
    const char *name = cae_model_tensor_name(model, fuzz_int(&m->in, 0, 5));
    int64_t shape[4] = {0};
    int32_t rank = 0;
    const int kind = fuzz_u8(&m->in);

    if (rarely(m))
        name = "1.weigh";
    cae_status status = cae_model_tensor_shape(shape, &rank, model, name);
    if (status != CAE_OK)
        return status;
    CHECK(rank == 1 || rank == 4);
    size_t count = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
    if (count > 4096)
        return CAE_OK;
    if (kind >= 200)
        count += (size_t)fuzz_below(&m->in, 3) - 1;
    float *values = keep(m, count * sizeof *values);
    if (kind & 1)
        return cae_model_get_tensor(values, count, model, name);
    for (size_t i = 0; i < count && m->in.left; i++)
        values[i] = fuzz_float(&m->in);
    return cae_model_set_tensor(model, name, values, count);
}

static cae_status call_save(struct machine *m)
{
    const cae_model *model = m->models[slot(m)];
    const bool onnx = fuzz_u8(&m->in) >= 200;
    const int32_t part = fuzz_int(&m->in, 0, 2);
    size_t size = 0, written = 0;

    cae_status status = onnx ? cae_model_export_onnx_memory(NULL, 0, &size, model, part)
                             : cae_model_save_memory(NULL, 0, &size, model);
    if (status != CAE_OK || size > 65536)
        return status;
    size_t capacity = size;
    if (rarely(m))
        capacity = fuzz_u32(&m->in) % (size + 1);
    uint8_t *buffer = malloc(capacity ? capacity : 1);
    CHECK(buffer);
    status = onnx ? cae_model_export_onnx_memory(buffer, capacity, &written, model, part)
                  : cae_model_save_memory(buffer, capacity, &written, model);
    if (status == CAE_OK)
        CHECK(written == size && capacity == size);
    else
        CHECK(capacity < size || fuzz_heap.refused);
    if (status == CAE_OK && !onnx) {
        fuzz_bytes_free(&m->file);
        m->file = (struct fuzz_bytes){buffer, size};
    } else {
        free(buffer);
    }
    return status;
}

/* The last file, perhaps with a byte changed or the end cut off. */
static cae_status call_load(struct machine *m)
{
    cae_model *model = FUZZ_JUNK;
    const int kind = fuzz_u8(&m->in);

    if (!m->file.data)
        return CAE_OK;
    uint8_t *copy = malloc(m->file.size);
    size_t size = m->file.size;
    CHECK(copy);
    memcpy(copy, m->file.data, size);
    if (kind >= 128)
        copy[fuzz_u32(&m->in) % size] = fuzz_u8(&m->in);
    if (kind >= 240)
        size = fuzz_u32(&m->in) % size;
    const cae_status status = cae_model_load_memory(&model, m->context, copy, size);
    if (kind < 128)
        CHECK(status == CAE_OK || fuzz_heap.refused);
    put_model(m, status, model);
    free(copy);
    return status;
}

static cae_status call_run(struct machine *m)
{
    const cae_model *model = m->models[slot(m)];
    cae_context *text, *context = lent(m, &text);
    const int32_t part = fuzz_int(&m->in, 0, 2);
    const int32_t height = fuzz_int(&m->in, 1, MOST_SIDE), width = fuzz_int(&m->in, 1, MOST_SIDE);
    const int64_t count = fuzz_int(&m->in, 0, 10);
    int32_t in = 0, out = 0, out_h = 0, out_w = 0;
    size_t x_count = 3, y_count = 5; /* of no use, but true */

    cae_status status = cae_model_channels(&in, NULL, model, context, part);
    if (status == CAE_OK)
        status = cae_model_output_shape(&out, &out_h, &out_w, model, context, part, height, width);
    if (status == CAE_OK) {
        const double each = fuzz_work(model, part, height, width);
        const double x = (double)in * height * width, y = (double)out * out_h * out_w;
        const double images = count < 0 ? 0.0 : (double)count;
        if ((x + y) * images < 1e5 && afford(m, (each + x + y) * images)) {
            x_count = (size_t)(x * images);
            y_count = (size_t)(y * images);
        }
        if (rarely(m))
            x_count++;
    } else if (model) {
        fuzz_check_status(text, status);
    }
    float *x = malloc((x_count + 1) * sizeof *x), *y = malloc(y_count ? y_count * sizeof *y : 1);
    CHECK(x && y);
    for (size_t i = 0; i < x_count; i++)
        x[i] = i < 8 ? fuzz_float(&m->in) : (float)i * 0.01f;
    status = part == CAE_PART_ENCODER
                 ? cae_model_encode(y, y_count, model, context, x, x_count, count, height, width)
             : part == CAE_PART_DECODER
                 ? cae_model_decode(y, y_count, model, context, x, x_count, count, height, width)
                 : cae_model_forward(y, y_count, model, context, x, x_count, count, height, width);
    if (model && status < 0)
        CHECK(cae_context_error(text)[0]);
    free(x);
    free(y);
    return model ? status : CAE_OK;
}

/* --- Data ------------------------------------------------------------------------------------- */

static cae_status call_dataset_create(struct machine *m)
{
    cae_dataset_options o;
    cae_dataset *dataset = FUZZ_JUNK;

    CHECK(cae_dataset_options_init(&o, sizeof o) == CAE_OK);
    o.scale = fuzz_int(&m->in, 0, 1);
    o.type = fuzz_int(&m->in, 0, 1);
    o.layout = fuzz_int(&m->in, 0, 1);
    o.borrow = fuzz_int(&m->in, 0, 1);
    const int64_t count = fuzz_int(&m->in, 1, 10);
    const int32_t channels = fuzz_int(&m->in, 1, 3), height = fuzz_int(&m->in, 3, MOST_SIDE),
                  width = fuzz_int(&m->in, 3, MOST_SIDE);
    const double values = (double)count * channels * height * width;
    const bool fits = count > 0 && channels > 0 && height > 0 && width > 0 && values < 1e4;
    size_t bytes = (fits ? (size_t)values : 100) * (o.type == CAE_TYPE_F32 ? sizeof(float) : 1);
    if (rarely(m))
        bytes--;
    uint8_t *data = keep(m, bytes);
    for (size_t i = 0; i < bytes; i += sizeof(float)) {
        const float value = i < 16 ? fuzz_float(&m->in) : 0.25f;
        if (o.type == CAE_TYPE_F32 && bytes - i >= sizeof value)
            memcpy(data + i, &value, sizeof value);
        else
            data[i] = (uint8_t)i;
    }
    const void *given = options(m, &o, sizeof o);
    const cae_status status = cae_dataset_create(&dataset, m->context, data, bytes, count, channels,
                                                 height, width, given);
    put_dataset(m, status, dataset);
    return status;
}

static cae_status call_dead_leaves(struct machine *m)
{
    cae_dataset *dataset = FUZZ_JUNK;
    const int64_t count = fuzz_int(&m->in, 1, 4);
    const int32_t channels = fuzz_int(&m->in, 1, 3), height = fuzz_int(&m->in, 3, MOST_SIDE),
                  width = fuzz_int(&m->in, 3, MOST_SIDE);
    const double values = (double)count * channels * height * width;

    if (count > 0 && channels > 0 && height > 0 && width > 0 && channels <= 3 && height <= 1024 &&
        width <= 1024 && (values > 2000 || !afford(m, 100 * values)))
        return CAE_OK;
    const cae_status status = cae_dataset_create_dead_leaves(&dataset, m->context, count, channels,
                                                             height, width, fuzz_u8(&m->in), NULL);
    put_dataset(m, status, dataset);
    return status;
}

static cae_status call_slice(struct machine *m)
{
    cae_dataset *slice = FUZZ_JUNK;
    const cae_dataset *dataset = m->datasets[slot(m)];
    const int64_t first = fuzz_int(&m->in, 0, 4);
    const cae_status status = cae_dataset_slice(&slice, dataset, first, fuzz_int(&m->in, 1, 5));

    CHECK((status == CAE_OK) == (slice != NULL) && slice != FUZZ_JUNK);
    if (slice)
        put_dataset(m, status, slice);
    return status;
}

static cae_status call_get(struct machine *m)
{
    const cae_dataset *dataset = m->datasets[slot(m)];
    int32_t channels = 0, height = 0, width = 0;

    const cae_status status = cae_dataset_shape(&channels, &height, &width, dataset);
    if (status != CAE_OK)
        return status;
    const size_t count = (size_t)channels * (size_t)height * (size_t)width + (rarely(m) ? 1 : 0);
    return cae_dataset_get(keep(m, count * sizeof(float)), count, dataset, fuzz_int(&m->in, 0, 9));
}

/* --- Training --------------------------------------------------------------------------------- */

static cae_status call_optimizer_create(struct machine *m)
{
    const int i = slot(m);
    cae_model *model = m->models[slot(m)];
    cae_optimizer_options o;
    cae_optimizer *optimizer = FUZZ_JUNK;

    CHECK(cae_optimizer_options_init(&o, sizeof o) == CAE_OK);
    o.kind = fuzz_int(&m->in, 0, 2);
    if (fuzz_u8(&m->in) >= 128) {
        double *const fields[] = {&o.learning_rate, &o.momentum, &o.beta1, &o.beta2, &o.epsilon,
                                  &o.weight_decay};
        *fields[fuzz_below(&m->in, 6)] = fuzz_double(&m->in);
        o.nesterov = fuzz_int(&m->in, 0, 1);
    }
    const void *given = options(m, &o, sizeof o);
    const cae_status status = cae_optimizer_create(&optimizer, model, given);
    CHECK((status == CAE_OK) == (optimizer != NULL) && optimizer != FUZZ_JUNK);
    cae_optimizer_destroy(m->optimizers[i]);
    m->optimizers[i] = optimizer;
    return status;
}

static cae_status call_learning_rate(struct machine *m)
{
    cae_optimizer *optimizer = m->optimizers[slot(m)];
    const double rate = fuzz_double(&m->in), before = cae_optimizer_learning_rate(optimizer);
    const cae_status status = cae_optimizer_set_learning_rate(optimizer, rate);

    CHECK(cae_optimizer_learning_rate(optimizer) == (status == CAE_OK ? rate : before));
    return status;
}

static cae_status call_trainer_create(struct machine *m)
{
    const int i = slot(m), o_slot = slot(m);
    cae_optimizer *optimizer = m->optimizers[o_slot];
    cae_model *model = optimizer && !rarely(m) ? optimizer->model : m->models[slot(m)];
    const cae_dataset *dataset = m->datasets[slot(m)];
    cae_trainer_options o;
    cae_trainer *trainer = FUZZ_JUNK;

    CHECK(cae_trainer_options_init(&o, sizeof o) == CAE_OK);
    o.batch = fuzz_int(&m->in, 1, 9);
    const int kind = fuzz_u8(&m->in);
    if (kind >= 128) {
        double *const fields[] = {&o.huber_delta, &o.noise_sigma, &o.clip_norm, &o.decay_factor,
                                  &o.final_fraction};
        *fields[fuzz_below(&m->in, 5)] = fuzz_double(&m->in);
        o.loss = fuzz_int(&m->in, 0, 3);
        o.shuffle = fuzz_int(&m->in, 0, 1);
        o.schedule = fuzz_int(&m->in, 0, 2);
        o.warmup_steps = fuzz_int(&m->in, 0, 4);
        o.decay_steps = fuzz_int(&m->in, 0, 6);
    }
    if (kind >= 192) {
        double *const fields[] = {&o.noise_sigma_max, &o.average_decay, &o.epsilon};
        o.augment = kind & 1 ? fuzz_int(&m->in, 0, 7) : 0;
        o.average_decay = kind & 2 ? 0.9 : 0.0;
        o.noise_sigma_max = kind & 4 ? o.noise_sigma + 0.5 : 0.0;
        if (kind & 8)
            *fields[fuzz_below(&m->in, 3)] = fuzz_double(&m->in);
    }
    const void *given = options(m, &o, sizeof o);
    const cae_status status = cae_trainer_create(&trainer, model, optimizer, dataset, given);
    CHECK((status == CAE_OK) == (trainer != NULL) && trainer != FUZZ_JUNK);
    cae_trainer_destroy(m->trainers[i]);
    m->trainers[i] = trainer;
    return model ? status : CAE_OK;
}

static double step_work(const cae_trainer *t)
{
    const double image = fuzz_work(t->model, CAE_PART_WHOLE, t->dataset->height, t->dataset->width);
    const double batch = t->options.batch < t->dataset->count ? t->options.batch
                                                               : (double)t->dataset->count;
    return 3.0 * batch * image + 20.0 * (double)t->model->parameter_count;
}

static void check_progress(const cae_trainer *trainer, const cae_progress *p)
{
    CHECK(trainer); /* or it went well with none */
    CHECK(p->step >= 0 && p->epoch >= 0 && p->images >= 0);
    CHECK(p->images <= cae_dataset_count(trainer->dataset));
}

static cae_status call_step(struct machine *m)
{
    cae_trainer *trainer = m->trainers[slot(m)];
    cae_progress progress = {.size = sizeof progress};

    if (trainer && !afford(m, step_work(trainer)))
        return CAE_OK;
    const struct cae__cursor before = trainer ? trainer->now : (struct cae__cursor){0};
    const cae_status status = cae_trainer_step(rarely(m) ? NULL : &progress, trainer);
    if (status == CAE_OK)
        check_progress(trainer, &progress);
    else if (trainer && status != CAE_ERR_NUMERIC) /* which may take back the step before */
        CHECK(memcmp(&before, &trainer->now, sizeof before) == 0);
    m->changes = status == CAE_ERR_NUMERIC;
    return status;
}

struct visit {
    struct machine *m;
    const cae_trainer *trainer;
    int calls, stop_at, jump_at;
    jmp_buf out;
};

static int32_t at_step(void *user, const cae_progress *progress)
{
    struct visit *visit = user;
    size_t size = 0;

    check_progress(visit->trainer, progress);
    if (visit->calls == 1)
        (void)cae_model_save_memory(NULL, 0, &size, visit->trainer->model);
    if (visit->calls == visit->jump_at)
        longjmp(visit->out, 1);
    return visit->calls++ == visit->stop_at;
}

static cae_status call_epoch(struct machine *m)
{
    cae_trainer *trainer = m->trainers[slot(m)];
    cae_progress progress = {.size = sizeof progress};
    struct visit visit = {.m = m, .trainer = trainer, .stop_at = fuzz_below(&m->in, 8),
                          .jump_at = fuzz_below(&m->in, 16)};

    m->changes = true;
    if (trainer && !afford(m, step_work(trainer) * (double)cae_trainer_steps_per_epoch(trainer)))
        return CAE_OK;
    if (setjmp(visit.out))
        return CAE_OK;
    const cae_status status = cae_trainer_epoch(&progress, trainer, at_step, &visit);
    if (status == CAE_STOPPED)
        CHECK(visit.calls == visit.stop_at + 1 || progress.stop);
    return status;
}

static cae_status call_look(struct machine *m)
{
    const cae_trainer *trainer = m->trainers[slot(m)];
    float values[64];
    cae_progress p = {.size = fuzz_u8(&m->in) < 200 ? sizeof p : 8u * (uint32_t)fuzz_below(&m->in, 8)};

    cae_status status = cae_trainer_progress(&p, trainer);
    if (trainer)
        fuzz_check_status(m->context, status);
    if (status == CAE_OK && p.size >= sizeof p)
        check_progress(trainer, &p);
    status = cae_trainer_get_gradient(values, (size_t)fuzz_below(&m->in, 64), trainer, "0.bias");
    return status;
}

/* The average, finite whatever was done to the model, into a slot. */
static cae_status call_average(struct machine *m)
{
    const cae_trainer *trainer = m->trainers[slot(m)];
    cae_model *average = FUZZ_JUNK;
    const cae_status status = cae_trainer_average(&average, trainer);

    CHECK((status == CAE_OK) == (average != NULL) && average != FUZZ_JUNK);
    if (!average)
        return status;
    CHECK(cae_model_residual(average) == cae_model_residual(trainer->model));
    CHECK(cae__all_finite(average->parameters, average->parameter_count));
    put_model(m, status, average);
    return status;
}

/* To a file and back, in memory: into itself, or another that it may not fit. */
static cae_status call_checkpoint(struct machine *m)
{
    const cae_trainer *from = m->trainers[slot(m)];
    cae_trainer *to = m->trainers[slot(m)];
    const char *path = fuzz_path("checkpoint");

    m->files = true;
    if (from && from->model->parameter_count > 4096)
        return CAE_OK;
    const cae_status status = cae_trainer_save(from, path);
    if (status != CAE_OK)
        return status;
    const uint64_t before = digest(m);
    const cae_status resumed = cae_trainer_resume(to, path);
    if (from == to)
        CHECK((resumed == CAE_OK && digest(m) == before) || fuzz_heap.refused);
    m->changes = true;
    if (resumed != CAE_OK)
        CHECK(digest(m) == before);
    return resumed;
}

/* Other ranks that say what this one says, but for some values; or are gone. */
struct crowd {
    struct machine *m;
    int rank, ranks;
};

static int32_t crowd_sum(void *user, float *values, size_t count)
{
    const struct crowd *crowd = user;
    struct fuzz_input *in = &crowd->m->in;
    const size_t ranks = (size_t)crowd->ranks, row = count / ranks;

    if (count % ranks == 0 && fuzz_u8(in) < 240)
        for (size_t i = 0; i < ranks; i++)
            memmove(values + i * row, values + (size_t)crowd->rank * row, row * sizeof *values);
    for (int i = fuzz_below(in, 4); i > 0; i--)
        values[(size_t)fuzz_u32(in) % count] = fuzz_float(in);
    return fuzz_u8(in) >= 224;
}

/* A group of one, or of a crowd, which must not be gone while its trainer is there. */
static cae_status call_join(struct machine *m)
{
    const int i = slot(m);
    cae_trainer *trainer = m->trainers[i];
    struct crowd crowd = {m, fuzz_int(&m->in, 0, 3), fuzz_int(&m->in, 1, 4)};
    cae_group_options o;

    CHECK(cae_group_options_init(&o, sizeof o) == CAE_OK);
    o.rank = crowd.rank;
    o.ranks = crowd.ranks;
    o.reduction = fuzz_int(&m->in, 0, 1);
    o.sum = rarely(m) ? NULL : crowd_sum;
    o.user = &crowd;
    const cae_status status = cae_trainer_join(trainer, &o);
    if (trainer)
        fuzz_check_status(m->context, status);
    if (trainer && status == CAE_OK && o.ranks > 1) {
        m->changes = true;
        if (afford(m, fuzz_work(trainer->model, CAE_PART_WHOLE, trainer->dataset->height,
                                trainer->dataset->width) * 3.0 * (double)trainer->options.batch)) {
            const cae_status step = cae_trainer_step(NULL, trainer);
            CHECK(step != CAE_STOPPED);
            cae_trainer_resume(trainer, fuzz_path("checkpoint"));
        }
        cae_trainer_destroy(trainer);
        m->trainers[i] = NULL;
    }
    return trainer ? status : CAE_OK;
}

static cae_status call_evaluate(struct machine *m)
{
    const cae_model *model = m->models[slot(m)];
    const cae_dataset *dataset = m->datasets[slot(m)];
    cae_context *text, *context = lent(m, &text);
    cae_evaluation_options o;
    cae_evaluation result = {.size = sizeof result};

    CHECK(cae_evaluation_options_init(&o, sizeof o) == CAE_OK);
    o.noise_sigma = fuzz_double(&m->in);
    if (model && dataset &&
        !afford(m, (fuzz_work(model, CAE_PART_WHOLE, dataset->height, dataset->width) +
                    200.0 * (double)dataset->length) * (double)dataset->count))
        return CAE_OK;
    const cae_status status =
        cae_model_evaluate(&result, model, context, dataset, options(m, &o, sizeof o));
    if (model && status < 0)
        CHECK(cae_context_error(text)[0]);
    if (status == CAE_OK)
        CHECK(result.images == cae_dataset_count(dataset) && result.mse >= 0.0);
    return model ? status : CAE_OK;
}

/* --- Scores ----------------------------------------------------------------------------------- */

static cae_scorer_options wild_scores(struct machine *m)
{
    cae_scorer_options o;

    CHECK(cae_scorer_options_init(&o, sizeof o) == CAE_OK);
    o.kind = fuzz_int(&m->in, 0, 1);
    o.smoothing = fuzz_int(&m->in, 0, 3);
    return o;
}

static double frame_work(const cae_model *model, int height, int width, int smoothing)
{
    return fuzz_work(model, CAE_PART_WHOLE, height, width) + (4.0 + 4.0 * smoothing) * height * width;
}

static cae_status call_scorer_create(struct machine *m)
{
    const int i = slot(m);
    const cae_model *model = m->models[slot(m)];
    cae_context *text, *context = lent(m, &text);
    const cae_scorer_options o = wild_scores(m);
    const int32_t height = fuzz_int(&m->in, 1, MOST_SIDE), width = fuzz_int(&m->in, 1, MOST_SIDE);
    struct frame frame = {.model = model, .height = height, .width = width};
    cae_scorer *scorer = FUZZ_JUNK;

    const cae_status status =
        cae_scorer_create(&scorer, model, context, height, width, options(m, &o, sizeof o));
    CHECK((status == CAE_OK) == (scorer != NULL) && scorer != FUZZ_JUNK);
    if (model && status < 0)
        CHECK(cae_context_error(text)[0]);
    if (status == CAE_OK)
        CHECK(cae_model_channels(&frame.channels, NULL, model, context, CAE_PART_WHOLE) == CAE_OK);
    cae_scorer_destroy(m->scorers[i]);
    m->scorers[i] = scorer;
    m->frames[i] = frame;
    return model ? status : CAE_OK;
}

/* Of a model that may have been given back by now, and changed in between. */
static cae_status call_score(struct machine *m)
{
    const int i = slot(m);
    cae_scorer *scorer = m->scorers[i];
    const struct frame f = m->frames[i];
    double score = -1.0;

    if (!scorer)
        return cae_scorer_run(&score, NULL, 0, NULL, NULL, 0) == CAE_ERR_ARGUMENT ? CAE_OK : CAE_STOPPED + 1;
    const size_t pixels = (size_t)f.height * (size_t)f.width, n = pixels * (size_t)f.channels;
    if (n > 1 << 16 || !afford(m, frame_work(f.model, f.height, f.width, 3)))
        return CAE_OK;
    const bool wants_map = fuzz_u8(&m->in) & 1;
    float *x = malloc(n * sizeof *x), *map = malloc(pixels * sizeof *map);
    CHECK(x && map);
    for (size_t k = 0; k < n; k++)
        x[k] = k < 8 ? fuzz_float(&m->in) : (float)k * 0.01f;
    const cae_status status = cae_scorer_run(&score, wants_map ? map : NULL, wants_map ? pixels : 0,
                                             scorer, x, n - (rarely(m) ? 1 : 0));
    if (status == CAE_OK) {
        CHECK(score >= 0.0 && isfinite(score));
        for (size_t k = 0; wants_map && k < pixels; k++)
            CHECK(map[k] >= 0.0f && isfinite(map[k]));
    }
    free(x);
    free(map);
    return status;
}

static cae_status call_calibrate(struct machine *m)
{
    cae_model *model = m->models[slot(m)];
    const cae_dataset *dataset = m->datasets[slot(m)];
    cae_context *text, *context = lent(m, &text);
    const cae_scorer_options o = wild_scores(m);
    const double q = fuzz_u8(&m->in) >= 64 ? 0.9 : fuzz_double(&m->in);
    double threshold = -1.0, kept = -2.0;

    if (model && dataset &&
        !afford(m, frame_work(model, dataset->height, dataset->width, 3) * (double)dataset->count))
        return CAE_OK;
    const cae_status status =
        cae_model_calibrate(&threshold, model, context, dataset, q, options(m, &o, sizeof o));
    if (model && status < 0)
        CHECK(cae_context_error(text)[0]);
    if (status == CAE_OK) {
        CHECK(cae_model_threshold(&kept, NULL, NULL, model) == CAE_OK);
        CHECK(threshold >= 0.0 && kept == threshold && q > 0.0 && q <= 1.0);
    }
    return model ? status : CAE_OK;
}

static cae_status call_threshold(struct machine *m)
{
    cae_scorer_options o;
    double threshold = -1.0, q = -1.0;

    CHECK(cae_scorer_options_init(&o, sizeof o) == CAE_OK);
    const cae_status status = cae_model_threshold(&threshold, &q, &o, m->models[slot(m)]);
    if (status == CAE_OK)
        CHECK(threshold >= 0.0 && q > 0.0 && q <= 1.0 && o.smoothing >= 0 && o.smoothing <= 256);
    return status;
}

/* --- The context, and ends -------------------------------------------------------------------- */

static cae_status call_threads(struct machine *m)
{
    const int kind = fuzz_u8(&m->in);

    if (kind >= 252) /* threads take long to start */
        return cae_context_set_threads(m->context, 2);
    return kind >= 128 ? cae_context_set_threads(m->context, kind >= 192 ? 1025 : -1)
                       : cae_context_set_threads(m->context, 1);
}

static cae_status call_other(struct machine *m)
{
    cae_context_options o;

    if (m->other || fuzz_heap.fail_at >= 0)
        return CAE_OK;
    CHECK(cae_context_options_init(&o, sizeof o) == CAE_OK);
    o.engine = fuzz_int(&m->in, 0, 2);
    o.cpu = fuzz_int(&m->in, 0, 2);
    o.threads = fuzz_u8(&m->in) >= 240 ? -1 : 1;
    o.allocate = m->context->allocate;
    o.release = fuzz_u8(&m->in) >= 240 ? NULL : m->context->release;
    o.allocator_user = &fuzz_heap;
    m->other = FUZZ_JUNK;
    const cae_status status = cae_context_create(&m->other, options(m, &o, sizeof o));
    CHECK((status == CAE_OK) == (m->other != NULL) && m->other != FUZZ_JUNK);
    return CAE_OK; /* which has no text */
}

/* The next allocations but a few: one of them fails. */
static cae_status call_fail_later(struct machine *m)
{
    fuzz_heap.fail_at = fuzz_heap.requests + fuzz_below(&m->in, 32);
    return CAE_OK;
}

static cae_status call_inits(struct machine *m)
{
    typedef cae_status (*init_fn)(void *, uint32_t);
    static const init_fn inits[] = {
        (init_fn)(void (*)(void))cae_context_options_init,
        (init_fn)(void (*)(void))cae_conv_options_init,
        (init_fn)(void (*)(void))cae_dataset_options_init,
        (init_fn)(void (*)(void))cae_optimizer_options_init,
        (init_fn)(void (*)(void))cae_trainer_options_init,
        (init_fn)(void (*)(void))cae_progress_init,
        (init_fn)(void (*)(void))cae_evaluation_options_init,
        (init_fn)(void (*)(void))cae_evaluation_init,
        (init_fn)(void (*)(void))cae_scorer_options_init,
        (init_fn)(void (*)(void))cae_group_options_init};
    const uint32_t size = fuzz_u8(&m->in) < 128 ? 8u * (uint32_t)fuzz_below(&m->in, 40)
                                                : fuzz_u32(&m->in) % 8192;
    void *block = keep(m, size);
    const cae_status status = inits[fuzz_below(&m->in, 10)](block, size);
    CHECK(status == CAE_OK || status == CAE_ERR_OPTIONS);
    return CAE_OK;
}

static cae_status call_destroy(struct machine *m)
{
    const int i = slot(m);

    switch (fuzz_below(&m->in, 6)) {
    case 0:
        cae_spec_destroy(m->specs[i]);
        m->specs[i] = NULL;
        break;
    case 1:
        cae_model_destroy(m->models[i]);
        m->models[i] = NULL;
        break;
    case 2:
        cae_dataset_destroy(m->datasets[i]);
        m->datasets[i] = NULL;
        break;
    case 3:
        cae_optimizer_destroy(m->optimizers[i]);
        m->optimizers[i] = NULL;
        break;
    case 4:
        cae_trainer_destroy(m->trainers[i]);
        m->trainers[i] = NULL;
        break;
    default:
        cae_scorer_destroy(m->scorers[i]);
        m->scorers[i] = NULL;
    }
    return CAE_OK;
}

/* --- Running a program ------------------------------------------------------------------------ */

static const struct call calls[] = {
    {call_spec_create, false}, {call_add_layer, false}, {call_add_layer, false},
    {call_add_reference, false}, {call_end_encoder, false}, {call_model_create, true},
    {call_model_small, true}, {call_model_small, true}, {call_tensor, false}, {call_save, false},
    {call_load, true}, {call_run, false}, {call_run, false}, {call_dataset_create, false},
    {call_dataset_create, false}, {call_dead_leaves, false}, {call_slice, false}, {call_get, false},
    {call_optimizer_create, false}, {call_optimizer_create, false}, {call_learning_rate, false},
    {call_trainer_create, false}, {call_trainer_create, false}, {call_step, false},
    {call_step, false}, {call_epoch, false}, {call_look, false}, {call_evaluate, false},
    {call_threads, false}, {call_other, false}, {call_fail_later, false}, {call_inits, false},
    {call_destroy, true}, {call_residual, false}, {call_average, true}, {call_checkpoint, false},
    {call_more, false}, {call_scorer_create, false}, {call_score, false}, {call_calibrate, false},
    {call_threshold, false}, {call_join, false},
};

/* Inputs that were kept keep their meaning: those that have come since are for bytes that few of them have. */
enum { CALLS = sizeof calls / sizeof calls[0], FIRST_CALLS = 33, FEW = 231 };

static int which_call(struct machine *m)
{
    const int byte = fuzz_u8(&m->in);

    return byte < FEW ? byte % FIRST_CALLS : FIRST_CALLS + byte % (CALLS - FIRST_CALLS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    machine_run(data, size, calls, which_call, NULL, 3e5);
    return 0;
}
