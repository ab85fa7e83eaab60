/* fixture.c - reading a fixture and building what it describes. See fixture.h. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- The description -------------------------------------------------------------------------- */

static int parse_activation(const char *word)
{
    static const char *const words[] = {"none", "relu", "leaky", "tanh", "sigmoid"};

    for (int i = 0; i < 5; i++)
        if (strcmp(word, words[i]) == 0)
            return i; /* REF_* and CAE_ACTIVATION_* count alike */
    ck_abort_msg("activation \"%s\"", word);
    return -1;
}

/* "conv 3 8 kernel 3 3 stride 1 1 padding 0 0 dilation 1 1 outpad 0 0 bias 1 act relu 0.01" */
static void parse_layer(struct network *net, const char *line)
{
    struct layer *l = &net->layers[net->layer_count++];
    struct ref_conv *s = &l->shape;
    char kind[16], act[16];
    int fields = sscanf(line,
                        "%15s %d %d kernel %d %d stride %d %d padding %d %d dilation %d %d "
                        "outpad %d %d bias %d act %15s %lf",
                        kind, &s->in_c, &s->out_c, &s->kernel_h, &s->kernel_w, &s->stride_h,
                        &s->stride_w, &s->padding_h, &s->padding_w, &s->dilation_h,
                        &s->dilation_w, &s->output_padding_h, &s->output_padding_w, &l->bias, act,
                        &s->slope);

    if (fields != 16)
        ck_abort_msg("layer line with %d of 16 fields: %s", fields, line);
    s->transposed = strcmp(kind, "convt") == 0;
    s->activation = parse_activation(act);
}

/* "run adam kind adam lr 0.002 momentum 0 nesterov 0 decay 0 clip 0", and perhaps " loss charbonnier" */
static void parse_run(struct network *net, const char *line)
{
    static const char *const kinds[] = {"sgd", "adam", "adamw"};
    struct run *r = &net->runs[net->run_count++];
    cae_optimizer_options *o = &r->optimizer;
    char kind[16], loss[16];
    int nesterov, fields;

    ck_assert_int_eq(cae_optimizer_options_init(o, sizeof *o), CAE_OK);
    fields = sscanf(line, "run %63s kind %15s lr %lf momentum %lf nesterov %d decay %lf clip %lf "
                    "loss %15s",
                    r->name, kind, &o->learning_rate, &o->momentum, &nesterov, &o->weight_decay,
                    &r->clip, loss);
    if (fields != 7 && !(fields == 8 && strcmp(loss, "charbonnier") == 0))
        ck_abort_msg("run line with %d of 7 or 8 fields: %s", fields, line);
    r->loss = fields == 8 ? CAE_LOSS_CHARBONNIER : CAE_LOSS_MSE;
    o->nesterov = nesterov;
    o->kind = -1;
    for (int i = 0; i < 3; i++)
        if (strcmp(kind, kinds[i]) == 0)
            o->kind = i;
    ck_assert_int_ge(o->kind, 0);
}

static void parse_line(struct network *net, const char *line)
{
    if (strncmp(line, "conv", 4) == 0) {
        ck_assert_int_lt(net->layer_count, FIXTURE_LAYERS);
        parse_layer(net, line);
    } else if (strncmp(line, "run ", 4) == 0) {
        ck_assert_int_lt(net->run_count, FIXTURE_RUNS);
        parse_run(net, line);
    } else if (strcmp(line, "residual") == 0) {
        net->residual = 1;
    } else if (sscanf(line, "encoder %d", &net->encoder) != 1 &&
               sscanf(line, "huber %lf", &net->huber_delta) != 1 &&
               sscanf(line, "epsilon %lf", &net->epsilon) != 1) {
        ck_abort_msg("line of a description: %s", line);
    }
}

/* An activation takes an index of its own in nn.Sequential. */
static void name_parameters(struct network *net)
{
    int index = 0;

    for (int i = 0; i < net->layer_count; i++) {
        struct layer *l = &net->layers[i];

        snprintf(l->weight_name, FIXTURE_NAME, "%d.weight", index);
        snprintf(l->bias_name, FIXTURE_NAME, "%d.bias", index);
        index += l->shape.activation == REF_NONE ? 1 : 2;
    }
}

static void chain_extents(struct network *net, int height, int width)
{
    for (int i = 0; i < net->layer_count; i++) {
        struct ref_conv *s = &net->layers[i].shape;

        s->in_h = height;
        s->in_w = width;
        height = ref_out_h(s);
        width = ref_out_w(s);
    }
}

static void parse_description(struct network *net, const char *text)
{
    while (*text) {
        char line[256];
        size_t length = strcspn(text, "\n");

        ck_assert_uint_lt(length, sizeof line);
        memcpy(line, text, length);
        line[length] = '\0';
        parse_line(net, line);
        text += length + (text[length] == '\n');
    }
    ck_assert_int_gt(net->layer_count, 0);
}

/* --- The file --------------------------------------------------------------------------------- */

void fixture_open(struct fixture *f, const char *name)
{
    const char *directory = getenv("CAE_FIXTURES");
    const char *description;
    int64_t shape[8];
    char path[1024];
    size_t y_len;

    memset(f, 0, sizeof *f);
    f->name = name;
    snprintf(path, sizeof path, "%s/%s.safetensors", directory ? directory : FIXTURES_DIR, name);
    f->file = st_open(path);
    ck_assert_int_eq(st_shape(shape, f->file, "x"), 4);
    f->batch = shape[0];
    f->channels = (int32_t)shape[1];
    f->height = (int32_t)shape[2];
    f->width = (int32_t)shape[3];
    f->x = st_floats(f->file, "x", &f->x_len);
    f->y = st_floats(f->file, "y", &y_len);
    f->latent = st_floats(f->file, "latent", &f->latent_len);
    ck_assert_uint_eq(y_len, f->x_len);

    description = st_metadata(f->file, "description");
    ck_assert_ptr_nonnull(description);
    parse_description(&f->net, description);
    name_parameters(&f->net);
    chain_extents(&f->net, f->height, f->width);
}

void fixture_close(struct fixture *f)
{
    st_close(f->file);
}

static void join(char *out, size_t capacity, const char *prefix, const char *name)
{
    ck_assert_uint_lt((size_t)snprintf(out, capacity, "%s%s", prefix, name), capacity);
}

const float *fixture_floats(const struct fixture *f, size_t *count, const char *prefix,
                            const char *name)
{
    char full[2 * FIXTURE_NAME];

    join(full, sizeof full, prefix, name);
    return st_floats(f->file, full, count);
}

const double *fixture_doubles(const struct fixture *f, size_t *count, const char *prefix,
                              const char *name)
{
    char full[2 * FIXTURE_NAME];

    join(full, sizeof full, prefix, name);
    return st_doubles(f->file, full, count);
}

/* --- The library's side ----------------------------------------------------------------------- */

static void add_layer(cae_context *context, cae_spec *spec, const struct layer *l)
{
    const struct ref_conv *s = &l->shape;
    cae_conv_options o;

    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    o.kernel_h = s->kernel_h;
    o.kernel_w = s->kernel_w;
    o.stride_h = s->stride_h;
    o.stride_w = s->stride_w;
    o.padding_h = s->padding_h;
    o.padding_w = s->padding_w;
    o.dilation_h = s->dilation_h;
    o.dilation_w = s->dilation_w;
    o.output_padding_h = s->output_padding_h;
    o.output_padding_w = s->output_padding_w;
    o.bias = l->bias;
    o.activation = s->activation;
    o.slope = s->slope;
    if (s->transposed)
        assert_ok(context, cae_spec_add_conv_transpose(spec, s->in_c, s->out_c, &o));
    else
        assert_ok(context, cae_spec_add_conv(spec, s->in_c, s->out_c, &o));
}

static void set_parameter(cae_context *context, cae_model *model, const struct fixture *f,
                          const char *name)
{
    int64_t expected[8], actual[4];
    int rank = st_shape(expected, f->file, name);
    size_t count;
    const float *values = st_floats(f->file, name, &count);
    int32_t actual_rank;

    assert_ok(context, cae_model_tensor_shape(actual, &actual_rank, model, name));
    ck_assert_int_eq(actual_rank, rank);
    for (int i = 0; i < rank; i++)
        ck_assert_int_eq(actual[i], expected[i]);
    assert_ok(context, cae_model_set_tensor(model, name, values, count));
}

cae_model *fixture_model(const struct fixture *f, cae_context *context)
{
    const struct network *net = &f->net;
    cae_model *model;
    cae_spec *spec;
    int32_t tensors = 0;

    assert_ok(context, cae_spec_create(&spec, context));
    for (int i = 0; i < net->layer_count; i++) {
        add_layer(context, spec, &net->layers[i]);
        if (i + 1 == net->encoder)
            assert_ok(context, cae_spec_end_encoder(spec));
    }
    assert_ok(context, cae_spec_set_residual(spec, net->residual));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    cae_spec_destroy(spec);

    for (int i = 0; i < net->layer_count; i++) {
        set_parameter(context, model, f, net->layers[i].weight_name);
        if (net->layers[i].bias)
            set_parameter(context, model, f, net->layers[i].bias_name);
        tensors += net->layers[i].bias ? 2 : 1;
    }
    ck_assert_int_eq(cae_model_tensor_count(model), tensors);
    return model;
}

cae_dataset *fixture_dataset(const struct fixture *f, cae_context *context)
{
    cae_dataset_options options;
    cae_dataset *dataset;

    assert_ok(context, cae_dataset_options_init(&options, sizeof options));
    options.type = CAE_TYPE_F32;
    options.borrow = 1;
    assert_ok(context,
              cae_dataset_create(&dataset, context, f->x, f->x_len * sizeof *f->x, f->batch,
                                 f->channels, f->height, f->width, &options));
    return dataset;
}
