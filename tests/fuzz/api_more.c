/* api_more.c - calls of the target api that have come since its first inputs were kept: presets, notes, what a
 * model says it is, files by their paths, requests to stop. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/network/network.h"
#include "../../lib/training/training.h"

/* --- Describing ------------------------------------------------------------------------------- */

static cae_status call_preset(struct machine *m)
{
    cae_spec *spec = m->specs[slot(m)];
    const int32_t preset = fuzz_int(&m->in, 0, 5), channels = fuzz_int(&m->in, 1, 4), latent = fuzz_int(&m->in, 0, 3);
    const int before = spec ? spec->count : 0;

    CHECK((cae_preset_name(preset) != NULL) == (preset >= 0 && preset <= CAE_PRESET_COMPRESS));
    const cae_status status = cae_spec_add_preset(spec, preset, channels, latent);
    if (status == CAE_OK)
        CHECK(spec && before == 0 && spec->count > 0 && cae_preset_name(preset));
    else
        CHECK(!spec || spec->count == before);
    return status;
}

static cae_status call_recipe(struct machine *m)
{
    cae_optimizer_options o, o_before;
    cae_trainer_options t, t_before;
    const int32_t preset = fuzz_int(&m->in, 0, 5);
    int64_t images = fuzz_int(&m->in, 1, 100), epochs = fuzz_int(&m->in, 0, 20);
    const int kind = fuzz_u8(&m->in);

    if (rarely(m))
        images = (int64_t)fuzz_u64(&m->in);
    if (rarely(m))
        epochs = (int64_t)fuzz_u64(&m->in);
    CHECK(cae_optimizer_options_init(&o, sizeof o) == CAE_OK && cae_trainer_options_init(&t, sizeof t) == CAE_OK);
    if (kind >= 224) /* of an older header */
        t.size = 8u * (uint32_t)fuzz_below(&m->in, 32);
    o_before = o, t_before = t;
    const int64_t budget = cae_preset_epochs(preset, images);
    CHECK((budget > 0) == (images > 0 && cae_preset_name(preset)));
    const cae_status status =
        cae_preset_options(kind & 1 ? NULL : &o, kind >= 240 ? NULL : &t, kind & 2 ? m->context : NULL, preset, images, epochs);
    CHECK(status <= CAE_OK);
    if (status != CAE_OK)
        CHECK(memcmp(&o, &o_before, sizeof o) == 0 && memcmp(&t, &t_before, sizeof t) == 0);
    else
        CHECK(o.learning_rate > 0 && t.batch >= 1);
    return CAE_OK; /* there may be no text */
}

static cae_status call_initialization(struct machine *m)
{
    return cae_spec_set_initialization(m->specs[slot(m)], fuzz_int(&m->in, 0, 2));
}

/* --- What a model is --------------------------------------------------------------------------- */

/* Its layers, one by one, make the same model again. */
static cae_status call_layers(struct machine *m)
{
    const cae_model *model = m->models[slot(m)];
    const int32_t count = cae_model_layer_count(model), split = cae_model_encoder_layers(model);
    cae_spec *spec = NULL;
    cae_model *again = NULL;

    CHECK((count > 0) == (model != NULL) && split >= 0 && split <= count);
    const int32_t one = fuzz_int(&m->in, 0, 8);
    CHECK((cae_model_layer(NULL, NULL, NULL, NULL, model, one) == CAE_OK) == (one >= 0 && one < count));
    cae_status status = cae_spec_create(&spec, m->context);
    for (int32_t i = 0; i < count && status == CAE_OK; i++) {
        int32_t transposed = -1, in = 0, out = 0;
        cae_conv_options o;
        CHECK(cae_conv_options_init(&o, sizeof o) == CAE_OK);
        CHECK(cae_model_layer(&transposed, &in, &out, &o, model, i) == CAE_OK);
        status = transposed ? cae_spec_add_conv_transpose(spec, in, out, &o) : cae_spec_add_conv(spec, in, out, &o);
        if (status == CAE_OK && i + 1 == split)
            status = cae_spec_end_encoder(spec);
    }
    if (status == CAE_OK && model)
        status = cae_spec_set_residual(spec, cae_model_residual(model));
    if (status == CAE_OK && model)
        status = cae_model_create(&again, m->context, spec, 1);
    if (again) {
        CHECK(cae_model_parameter_count(again) == cae_model_parameter_count(model));
        CHECK(cae_model_tensor_count(again) == cae_model_tensor_count(model));
        for (int32_t i = 0; i < cae_model_tensor_count(model) && i < 8; i++)
            CHECK(strcmp(cae_model_tensor_name(again, i), cae_model_tensor_name(model, i)) == 0);
    }
    CHECK(!model || again || fuzz_heap.refused);
    cae_model_destroy(again);
    cae_spec_destroy(spec);
    return fuzz_heap.refused ? CAE_OK : status;
}

/* A note of these bytes: kept, or the one before is. */
static cae_status call_note(struct machine *m)
{
    cae_model *model = m->models[slot(m)];
    char text[64], before[64];
    const int length = fuzz_below(&m->in, 40);

    for (int i = 0; i < length; i++)
        text[i] = (char)fuzz_u8(&m->in);
    text[length] = '\0';
    snprintf(before, sizeof before, "%s", cae_model_note(model));
    const cae_status status = cae_model_set_note(model, rarely(m) ? NULL : text);
    if (status != CAE_OK)
        CHECK(strcmp(cae_model_note(model), before) == 0);
    else
        CHECK(cae_model_note(model)[0] == '\0' || strcmp(cae_model_note(model), text) == 0);
    return model ? status : CAE_OK;
}

/* --- Files ------------------------------------------------------------------------------------- */

/* By its path, as a model and as weights of one that it may not fit. */
static cae_status call_files(struct machine *m)
{
    const int from = slot(m), to = slot(m), kind = fuzz_u8(&m->in);
    const char *path = fuzz_path(kind >= 240 ? "none/model" : "model");
    cae_model *again = FUZZ_JUNK;

    if (!m->models[from] || cae_model_parameter_count(m->models[from]) > 4096)
        return CAE_OK;
    m->files = true;
    cae_status status = kind & 1 ? cae_model_export_onnx(m->models[from], fuzz_int(&m->in, 0, 2), path)
                                 : cae_model_save(m->models[from], path);
    if (status != CAE_OK)
        return status;
    m->changes = true;
    if (kind & 2) {
        const struct fuzz_bytes before = fuzz_heap.fail_at < 0 && m->models[to] ? fuzz_model_bytes(m->models[to])
                                                                              : (struct fuzz_bytes){0};
        status = cae_model_load_weights(m->models[to], path);
        CHECK(!(kind & 1) || status != CAE_OK);
        CHECK(from != to || kind & 1 || status == CAE_OK || fuzz_heap.refused);
        if (status != CAE_OK && before.data && fuzz_heap.fail_at < 0) {
            const struct fuzz_bytes after = fuzz_model_bytes(m->models[to]);
            fuzz_check_same(before, after);
            free(after.data);
        }
        free(before.data);
        return m->models[to] ? status : CAE_OK;
    }
    status = cae_model_load(&again, m->context, path);
    CHECK((status == CAE_OK) == !(kind & 1) || fuzz_heap.refused);
    if (status == CAE_OK)
        CHECK(strcmp(cae_model_note(again), cae_model_note(m->models[from])) == 0);
    put_model(m, status, again);
    return status;
}

/* --- Training, and the rest -------------------------------------------------------------------- */

/* The next step that is taken says so, and no other. */
static cae_status call_stop(struct machine *m)
{
    cae_trainer *trainer = m->trainers[slot(m)];
    cae_progress p = {.size = sizeof p};

    const cae_status asked = cae_trainer_request_stop(trainer);
    CHECK((asked == CAE_OK) == (trainer != NULL));
    if (!trainer || fuzz_u8(&m->in) & 1 ||
        !afford(m, 6.0 * (double)trainer->options.batch *
                       fuzz_work(trainer->model, CAE_PART_WHOLE, trainer->dataset->height, trainer->dataset->width)))
        return CAE_OK;
    m->changes = true;
    cae_status status = cae_trainer_epoch(&p, trainer, NULL, NULL);
    CHECK(status == CAE_STOPPED || status < 0);
    if (status != CAE_STOPPED)
        return status;
    CHECK(p.stop == 1);
    status = cae_trainer_step(&p, trainer);
    CHECK(status != CAE_OK || p.stop == 0);
    return status;
}

static cae_status call_words(struct machine *m)
{
    char text[300];
    const size_t capacity = (size_t)fuzz_below(&m->in, 250);

    memset(text, 'x', sizeof text);
    const size_t length = cae_build_info(capacity ? text : NULL, capacity);
    CHECK(length > 0 && (!capacity || strlen(text) == (length < capacity ? length : capacity - 1)));
    CHECK(text[capacity] == 'x');
    CHECK(cae_status_string(fuzz_int(&m->in, -10, 1))[0] && cae_version_string()[0]);
    CHECK(cae_version_number() >> 16 == CAE_VERSION_MAJOR && cae_abi_version() == CAE_ABI_VERSION);
    CHECK(cae_context_threads(m->context) >= 1 && cae_context_threads(NULL) == 0);
    CHECK(cae_context_cpu(m->context) != CAE_CPU_AUTO && cae_context_cpu(NULL) == CAE_CPU_AUTO);
    return CAE_OK;
}

cae_status call_more(struct machine *m)
{
    static cae_status (*const more[])(struct machine *) = {call_preset, call_recipe, call_initialization, call_layers,
                                                           call_note, call_files, call_files, call_stop, call_words};

    return more[fuzz_below(&m->in, (int)(sizeof more / sizeof more[0]))](m);
}
