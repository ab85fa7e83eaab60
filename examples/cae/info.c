/* info.c - cae info: what is in a model file. */
#include "network.h"
#include "output.h"
#include "setup.h"

#include "../trainer/files.h"
#include "../trainer/message.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct argument arguments[] = {
    {"size", "SIZE", ARGUMENT_NAME, FIELD(size), "HEIGHTxWIDTH or one number", 0, 0,
     "of the picture whose latent is shown", NULL},
    ROW_JSON,
    ROW_HELP,
};

static const char *const activations[] = {
    [CAE_ACTIVATION_NONE] = "none", [CAE_ACTIVATION_RELU] = "relu",
    [CAE_ACTIVATION_LEAKY_RELU] = "leaky relu", [CAE_ACTIVATION_TANH] = "tanh",
    [CAE_ACTIVATION_SIGMOID] = "sigmoid"};

/* What there is to say of a file. */
struct facts {
    const char *path;
    const cae_model *model;
    struct network network;
    int64_t size[2];
    int32_t latent[3], output[3];   /* channels, height, width at that size; 0 where it does not fit */
    bool calibrated;
    double threshold, quantile;
    cae_scorer_options scorer;
    json_t *note;                   /* what the note says, as JSON; NULL when it is none */
    json_t *trainer;                /* of a checkpoint */
    char library[32];               /* that wrote it */
};

/* --- What only the file says ----------------------------------------------------------------- */

/* The header of a file that the library has read already: eight bytes of length, JSON. A text of its
 * metadata. */
static json_t *metadata_of(const char *path)
{
    struct bytes file = {0};
    json_t *header = NULL, *metadata;
    uint64_t length = 0;

    if (!file_read(&file, path))
        return NULL;
    for (int i = 7; i >= 0 && file.size > 8; i--)
        length = length << 8 | (unsigned char)file.data[i];
    if (length <= file.size - 8)
        header = json_loadb(file.data + 8, (size_t)length, 0, NULL);
    metadata = json_incref(json_object_get(header, "__metadata__"));
    json_decref(header);
    bytes_free(&file);
    return metadata;
}

static void read_metadata(struct facts *facts)
{
    json_t *metadata = metadata_of(facts->path);
    const char *trainer = json_string_value(json_object_get(metadata, "libcae.trainer"));
    const char *version = json_string_value(json_object_get(metadata, "libcae.version"));

    if (trainer)
        facts->trainer = json_loads(trainer, 0, NULL);
    if (version)
        snprintf(facts->library, sizeof facts->library, "%s", version);
    facts->note = json_loads(cae_model_note(facts->model), 0, NULL);
    if (!json_is_object(facts->note)) {
        json_decref(facts->note);
        facts->note = NULL;
    }
    json_decref(metadata);
}

/* --- What the model says --------------------------------------------------------------------- */

static int64_t parameters_of(const struct layer *layer)
{
    const cae_conv_options *o = &layer->options;

    return (int64_t)layer->in_channels * layer->out_channels * o->kernel_h * o->kernel_w +
           (o->bias ? layer->out_channels : 0);
}

static void shape_at(int32_t shape[3], const struct facts *facts, int32_t part)
{
    if (cae_model_output_shape(&shape[0], &shape[1], &shape[2], facts->model, NULL, part,
                               (int32_t)facts->size[0], (int32_t)facts->size[1]))
        memset(shape, 0, 3 * sizeof *shape);
}

static bool gather(struct facts *facts, const struct call *call)
{
    facts->path = call->files[0];
    facts->model = call->model;
    if (!network_read(&facts->network, call->model))
        return false;
    shape_at(facts->latent, facts, CAE_PART_ENCODER);
    shape_at(facts->output, facts, CAE_PART_WHOLE);
    cae_scorer_options_init(&facts->scorer, sizeof facts->scorer);
    facts->calibrated = !cae_model_threshold(&facts->threshold, &facts->quantile, &facts->scorer,
                                             call->model);
    read_metadata(facts);
    return true;
}

static void forget(struct facts *facts)
{
    network_free(&facts->network);
    json_decref(facts->note);
    json_decref(facts->trainer);
}

/* --- As a table ------------------------------------------------------------------------------ */

enum { CELL = 32 };

static const char *pair(char text[CELL], int32_t h, int32_t w)
{
    snprintf(text, CELL, "%dx%d", (int)h, (int)w);
    return text;
}

static void print_layer(const struct network *network, int index)
{
    const struct layer *layer = &network->layers[index];
    const cae_conv_options *o = &layer->options;
    char channels[CELL], kernel[CELL], stride[CELL], padding[CELL], dilation[CELL];

    snprintf(channels, sizeof channels, "%d -> %d", layer->in_channels, layer->out_channels);
    printf("%5d  %-14s  %-12s  %-6s  %-6s  %-7s", index, layer->transposed ? "conv transpose" : "conv",
           channels, pair(kernel, o->kernel_h, o->kernel_w), pair(stride, o->stride_h, o->stride_w),
           pair(padding, o->padding_h, o->padding_w));
    if (o->output_padding_h || o->output_padding_w)
        snprintf(channels, sizeof channels, "+%dx%d", (int)o->output_padding_h, (int)o->output_padding_w);
    else
        channels[0] = '\0';
    printf("%-5s  %-8s  %-10s  %10" PRId64 "%s\n", channels, pair(dilation, o->dilation_h, o->dilation_w),
           activations[o->activation], parameters_of(layer),
           index + 1 == network->encoder && index + 1 < network->count ? "  | latent" : "");
}

static void print_layers(const struct network *network)
{
    printf("layer  %-14s  %-12s  %-6s  %-6s  %-12s  %-8s  %-10s  %10s\n", "kind", "channels", "kernel",
           "stride", "padding", "dilation", "activation", "parameters");
    for (int i = 0; i < network->count; i++)
        print_layer(network, i);
}

static void print_shape(const char *name, const struct facts *f, const int32_t shape[3])
{
    printf("%-16s", name);
    if (shape[0])
        printf("%d x %dx%d", (int)shape[0], (int)shape[1], (int)shape[2]);
    else
        printf("none");
    printf(" for a picture of %d x %" PRId64 "x%" PRId64 "\n", f->network.in_channels, f->size[0],
           f->size[1]);
}

/* A text that somebody else wrote, in a column. */
static void print_plain(int width, const char *text)
{
    char *plain = strdup(text);

    if (plain) {
        make_plain(plain);
        printf("%-*s", width, plain);
    }
    free(plain);
}

/* "name: value" for what is no object itself. */
static void print_members(const char *title, json_t *object)
{
    const char *key;
    json_t *value;

    if (!object)
        return;
    printf("%s\n", title);
    json_object_foreach(object, key, value) {
        char *text = json_is_string(value) ? strdup(json_string_value(value))
                     : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        if (text) {
            printf("  ");
            print_plain(20, key);
            putchar(' ');
            print_plain(0, text);
            putchar('\n');
        }
        free(text);
    }
}

static const char *kind_name(int32_t kind)
{
    return kind == CAE_SCORE_PEAK ? "peak" : "mean";
}

static void print_facts(const struct facts *f)
{
    char text[REAL_TEXT], more[REAL_TEXT];

    print_layers(&f->network);
    printf("\n%-16s%" PRId64 "\n", "parameters", cae_model_parameter_count(f->model));
    printf("%-16s%s\n", "residual", f->network.residual ? "yes: y = x + f(x)" : "no");
    printf("%-16s%" PRId64 "x%" PRId64 " pixels\n", "receptive field",
           network_sees(&f->network, true), network_sees(&f->network, false));
    printf("%-16s%.6g FLOP for each pixel, 2 for each multiply-add of a weight\n", "work",
           network_flop(&f->network));
    print_shape("latent", f, f->latent);
    print_shape("output", f, f->output);
    if (f->calibrated)
        printf("%-16s%s: quantile %s of scores by %s, smoothing %d\n", "threshold",
               format_real(text, f->threshold), format_real(more, f->quantile),
               kind_name(f->scorer.kind), (int)f->scorer.smoothing);
    else
        printf("%-16snone: cae calibrate finds one\n", "threshold");
    printf("%-16slibcae ", "written by");
    print_plain(0, f->library[0] ? f->library : "unknown");
    putchar('\n');
    print_members("checkpoint", f->trainer);
    print_members("training", f->note);
    if (!f->note && cae_model_note(f->model)[0]) {
        printf("note\n");
        print_plain(0, cae_model_note(f->model));
        putchar('\n');
    }
}

/* --- As JSON --------------------------------------------------------------------------------- */

static json_t *describe_layer(const struct layer *layer)
{
    const cae_conv_options *o = &layer->options;

    return json_pack("{s:s, s:i, s:i, s:[i, i], s:[i, i], s:[i, i], s:[i, i], s:[i, i], s:b, s:s, s:o,"
                     " s:I}",
                     "type", layer->transposed ? "conv_transpose" : "conv",
                     "in", layer->in_channels, "out", layer->out_channels,
                     "kernel", o->kernel_h, o->kernel_w, "stride", o->stride_h, o->stride_w,
                     "padding", o->padding_h, o->padding_w, "dilation", o->dilation_h, o->dilation_w,
                     "output_padding", o->output_padding_h, o->output_padding_w,
                     "bias", o->bias, "activation", activations[o->activation],
                     "slope", o->activation == CAE_ACTIVATION_LEAKY_RELU ? json_real(o->slope)
                                                                         : json_null(),
                     "parameters", (json_int_t)parameters_of(layer));
}

static json_t *describe_shape(const int32_t shape[3])
{
    return shape[0] ? json_pack("[i, i, i]", (int)shape[0], (int)shape[1], (int)shape[2]) : json_null();
}

static json_t *describe_threshold(const struct facts *f)
{
    return !f->calibrated ? json_null()
                          : json_pack("{s:f, s:f, s:s, s:i}", "value", f->threshold,
                                      "quantile", f->quantile, "kind", kind_name(f->scorer.kind),
                                      "smoothing", (int)f->scorer.smoothing);
}

static json_t *or_null(json_t *value)
{
    return value ? json_incref(value) : json_null();
}

static bool report(const struct facts *f)
{
    const struct network *n = &f->network;
    json_t *layers = json_array();

    for (int i = 0; i < n->count; i++)
        json_array_append_new(layers, describe_layer(&n->layers[i]));
    return output_report(
        json_pack("{s:s, s:o, s:o, s:i, s:I, s:b, s:[I, I], s:o, s:[i, I, I], s:o, s:o, s:o, s:o, s:o,"
                  " s:s, s:o}",
                  "command", "info", "model", output_text(f->path), "layers", layers,
                  "encoder_layers", n->encoder,
                  "parameters", (json_int_t)cae_model_parameter_count(f->model),
                  "residual", n->residual,
                  "receptive_field", (json_int_t)network_sees(n, true),
                  (json_int_t)network_sees(n, false),
                  "flop_per_pixel", output_real(network_flop(n)),
                  "input", n->in_channels, (json_int_t)f->size[0], (json_int_t)f->size[1],
                  "latent", describe_shape(f->latent), "output", describe_shape(f->output),
                  "threshold", describe_threshold(f),
                  "checkpoint", or_null(f->trainer), "training", or_null(f->note),
                  "note", cae_model_note(f->model), "library_version", output_text(f->library)),
        false);
}

/* --- cae info -------------------------------------------------------------------------------- */

static int run(struct call *call)
{
    struct facts facts = {0};
    int code = EXIT_FAILED;

    if (!parse_extents(facts.size, "size", call->settings.size))
        return EXIT_USAGE;
    call->settings.model = call->files[0];
    call->settings.threads = 1;
    if (open_model(call) && gather(&facts, call)) {
        code = EXIT_DONE;
        if (!call->settings.json)
            print_facts(&facts);
        else if (!report(&facts))
            code = EXIT_FAILED;
    }
    forget(&facts);
    return code;
}

const struct command command_info = {
    .name = "info",
    .summary = "say what is in a model file",
    .synopsis = "MODEL [OPTION]...",
    .least = 1, .most = 1, .files = "one model file",
    .arguments = arguments, .argument_count = COUNT(arguments),
    .defaults = {.size = "32"},
    .description =
        "DESCRIPTION\n"
        "  The layers, from the image to the latent and back, and what follows from them:\n"
        "\n"
        "  receptive field  rows and columns of the input that one output pixel can depend on; where\n"
        "                   strides make output pixels differ, the most of any\n"
        "  work             floating-point operations for each pixel of a large picture: 2 for each\n"
        "                   multiply-add of a weight; biases, activations and edges are not counted\n"
        "  latent, output   channels x height x width for a picture of --size\n"
        "  threshold        what `cae calibrate` has found\n"
        "  checkpoint       where training stood, if the file is a checkpoint\n"
        "  training         the note of the program that trained the model, if it left one\n"
        "\n"
        "EXIT STATUS\n"
        "  0 done, 1 failed, 2 wrong usage.\n"
        "\n"
        "EXAMPLES\n"
        "  cae info denoiser.safetensors\n"
        "  cae info denoiser.safetensors --json | jq .receptive_field\n",
    .run = run,
};
