/* architecture.c - a network's description. A first byte of 0: the rest is its JSON. Otherwise the bytes
 * are numbers for the members of JSON that is well formed, so that every check behind the reader is
 * met. What is taken becomes a model if it is small, is written and read again, and runs. */
#include "fuzz.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/formats/architecture.h"

static void add_pair(struct cae__text *out, struct fuzz_input *in, const char *name, int least, int most)
{
    const int h = fuzz_int(in, least, most), w = fuzz_int(in, least, most);
    cae__text_add(out, ",\"%s\":[%d,%d]", name, h, w);
}

/* With `last` above 0: the layer before a residual connection to as many channels. */
static int add_layer(struct cae__text *out, struct fuzz_input *in, int channels, int last)
{
    static const char *const activations[] = {"none", "relu", "leaky_relu", "tanh", "sigmoid"};
    const bool transposed = fuzz_u8(in) & 1;
    const int some = fuzz_int(in, 1, 4), any = fuzz_below(in, 5);
    const int to = last > 0 ? last : some, activation = last > 0 ? CAE_ACTIVATION_NONE : any;

    cae__text_add(out, "{\"type\":\"%s\",\"in\":%d,\"out\":%d", transposed ? "conv_transpose" : "conv",
                  channels, to);
    add_pair(out, in, "kernel", 1, 4);
    add_pair(out, in, "stride", 1, 3);
    add_pair(out, in, "padding", 0, 3);
    add_pair(out, in, "dilation", 1, 3);
    if (transposed)
        add_pair(out, in, "output_padding", 0, 2);
    else
        cae__text_add(out, ",\"output_padding\":[0,0]");
    cae__text_add(out, ",\"bias\":%s,\"activation\":\"%s\"", fuzz_u8(in) & 1 ? "true" : "false",
                  activations[activation]);
    if (activation == CAE_ACTIVATION_LEAKY_RELU)
        cae__text_add(out, ",\"slope_bits\":%" PRIu32, fuzz_u8(in) & 1 ? fuzz_u32(in) : 0x3c23d70au);
    cae__text_add(out, "}");
    return to;
}

static void make_text(struct cae__text *out, struct fuzz_input *in)
{
    static const char *const residuals[] = {"", "", ",\"residual\":true", ",\"residual\":true",
                                            ",\"residual\":false"};
    const int layers = fuzz_below(in, 6), residual = fuzz_below(in, 5), kind = fuzz_u8(in);
    const int first = fuzz_int(in, 1, 4);
    int channels = first;

    cae__text_add(out, "{\"version\":%d,\"encoder_layers\":%d%s,\"layers\":[",
                  kind >= 240 ? kind % 4 : *residuals[residual] ? 2 : 1, fuzz_int(in, 1, 5),
                  residuals[residual]);
    for (int i = 0; i < layers; i++) {
        cae__text_add(out, i ? "," : "");
        channels = add_layer(out, in, channels,
                             *residuals[residual] && kind < 200 && i == layers - 1 ? first : 0);
    }
    cae__text_add(out, "]}");
}

static void use(cae_context *context, const cae_spec *spec, int height, int width)
{
    cae_model *model = NULL;
    cae_spec *again = FUZZ_JUNK;
    struct cae__text first, second;

    CHECK(spec->parameters > 0 && spec->parameters <= INT32_MAX);
    if (spec->parameters > 4096)
        return;
    CHECK(cae_model_create(&model, context, spec, 1) == CAE_OK);
    cae__text_init(&first, context);
    cae__text_init(&second, context);
    cae__architecture_write(&first, model);
    CHECK(cae__architecture_read(&again, context, first.bytes) == CAE_OK);
    CHECK(again->count == spec->count && cae__spec_encoder(again) == cae__spec_encoder(spec));
    CHECK(again->residual == spec->residual && cae_model_residual(model) == spec->residual);
    cae_spec_destroy(again);
    fuzz_run_model(context, model, height, width);
    fuzz_export_model(context, model);
    cae__text_finish(&first);
    cae__text_finish(&second);
    cae_model_destroy(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    struct fuzz_input in = {data, size};
    cae_context *context = fuzz_begin();
    cae_spec *spec = NULL; /* an internal call: only success writes it */
    struct cae__text text;
    const bool raw = fuzz_u8(&in) == 0;
    const int height = fuzz_int(&in, 1, 12), width = fuzz_int(&in, 1, 12);

    cae__text_init(&text, context);
    if (raw)
        cae__text_add(&text, "%.*s", (int)in.left, (const char *)in.at);
    else
        make_text(&text, &in);
    CHECK(!text.failed);
    fuzz_mark();
    const cae_status status = cae__architecture_read(&spec, context, text.bytes ? text.bytes : "");
    fuzz_check_peak(text.length);
    fuzz_check_made(context, status, spec);
    CHECK(status == CAE_OK || status == CAE_ERR_FORMAT);
    if (spec)
        use(context, spec, height, width);
    cae_spec_destroy(spec);
    cae__text_finish(&text);
    fuzz_end(context);
    return 0;
}
