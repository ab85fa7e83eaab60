/* code.c - cae encode, cae decode: from pictures to latents, and back. */
#include "output.h"
#include "picture.h"
#include "setup.h"

#include "../trainer/message.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- cae encode ------------------------------------------------------------------------------ */

static const struct argument encode_arguments[] = {
    ROW_MODEL("what `cae train` saved"), ROW_SCALE, ROW_THREADS, ROW_FORCE, ROW_JSON, ROW_HELP};

/* Latents [count][channels][height][width]. */
struct latent {
    int64_t count;
    int32_t channels, height, width;
};

static size_t latent_size(const struct latent *l)
{
    return (size_t)(l->count * l->channels) * (size_t)l->height * (size_t)l->width;
}

/* [channels][height][width] for one picture, with the count before it for several channels. */
static cae_array *latent_array(const struct call *call, const struct latent *l)
{
    const int64_t shape[4] = {l->count, l->channels, l->height, l->width};
    const bool one = l->count == 1;
    cae_array *array = NULL;
    const cae_status status = cae_array_create(&array, call->context, CAE_TYPE_F32, shape + one,
                                               one ? 3 : 4);

    if (status)
        fail_file(call->context, status, "latent");
    return array;
}

static bool run_encoder(cae_array **array, struct latent *latent, const struct call *call,
                        const struct network *network, const struct frame *frame,
                        const struct picture *picture, enum way way, int colours, const char *in)
{
    const int64_t count = way == WAY_SEPARATE ? colours : 1;
    const size_t size = (size_t)(count * network->in_channels * frame->in_height * frame->in_width);
    const float *shown;
    float *own;
    cae_status status;

    latent->count = count;
    status = cae_model_output_shape(&latent->channels, &latent->height, &latent->width, call->model,
                                    NULL, CAE_PART_ENCODER, (int32_t)frame->in_height,
                                    (int32_t)frame->in_width);
    if (status)
        return fail_file(call->context, status, input_name(in));
    *array = latent_array(call, latent);
    if (!*array || !shown_to_model(&shown, &own, frame, picture->planes, way, colours,
                                   network->in_channels))
        return false;
    status = cae_model_encode(cae_array_data(*array), latent_size(latent), call->model, NULL, shown,
                              size, count, (int32_t)frame->in_height, (int32_t)frame->in_width);
    free(own);
    return !status || fail_file(call->context, status, input_name(in));
}

static bool report_latent(const struct call *call, const struct latent *l, const struct frame *f,
                          bool to_stderr)
{
    return output_report(json_pack("{s:s, s:o, s:o, s:o, s:[I, i, i, i], s:[I, I], s:[I, I]}",
                                   "command", "encode",
                                   "model", output_text(call->settings.model),
                                   "input", output_text(call->files[0]),
                                   "output", output_text(call->files[1]),
                                   "latent", (json_int_t)l->count, (int)l->channels, (int)l->height,
                                   (int)l->width,
                                   "size", (json_int_t)f->height, (json_int_t)f->width,
                                   "shown_to_model", (json_int_t)f->in_height,
                                   (json_int_t)f->in_width),
                         to_stderr);
}

static bool encode(const struct call *call, const struct network *network)
{
    const char *in = call->files[0], *out = call->files[1];
    struct picture picture = {0};
    struct latent latent = {0};
    struct frame frame;
    cae_array *array = NULL;
    enum way way;
    int colours = 0;
    bool good;

    good = may_write(call, in, out) && spares("model", call->settings.model, out) &&
           picture_read(&picture, call, in) &&
           way_of(&way, &colours, call, network, picture.channels, in) &&
           frame_of(&frame, network, picture.height, picture.width, in) &&
           run_encoder(&array, &latent, call, network, &frame, &picture, way, colours, in) &&
           array_write(call, array, out, CAE_FILE_NPY);
    if (good && picture.channels > colours)
        say("%s: its alpha is not in the latent", input_name(in));
    if (good && !frame.whole)
        say("%s: enlarged to %" PRId64 "x%" PRId64 " for this model; decode with --size %" PRId64
            "x%" PRId64, input_name(in), frame.in_height, frame.in_width, frame.height, frame.width);
    if (good && call->settings.json)
        good = report_latent(call, &latent, &frame, is_standard(out));
    picture_free(&picture);
    cae_array_destroy(array);
    return good;
}

/* Latents are .npy, whatever else there is. */
static bool is_npy(const char *path)
{
    const size_t length = strlen(path);

    return is_standard(path) || (length > 4 && !strcmp(path + length - 4, ".npy")) ||
           fail("%s: expected a name that ends in .npy, or -", path);
}

static int run_encode(struct call *call)
{
    struct network network = {0};
    int code = EXIT_FAILED;

    if (!is_npy(call->files[1]))
        return EXIT_USAGE;
    if (!call->settings.model) {
        fail("--model: expected a model file, found nothing");
        return EXIT_USAGE;
    }
    if (open_model(call) && network_read(&network, call->model) && encode(call, &network))
        code = EXIT_DONE;
    network_free(&network);
    return code;
}

const struct command command_encode = {
    .name = "encode",
    .summary = "turn a picture into its latent",
    .synopsis = "IN OUT.npy --model FILE [OPTION]...",
    .least = 2, .most = 2, .files = "IN and OUT.npy",
    .arguments = encode_arguments, .argument_count = COUNT(encode_arguments),
    .defaults = {.format = -1, .bits = -1},
    .description =
        "DESCRIPTION\n"
        "  IN is a picture as `cae denoise` takes it, or - for standard input. OUT.npy, or - for\n"
        "  standard output, is its latent as float32 [channels][height][width]; for a picture in\n"
        "  colour and a model of one channel [3][channels][height][width]. Grey is repeated for a\n"
        "  model of three channels. Alpha is left out.\n"
        "\n"
        "  Where the model does not give back a picture's size, it is enlarged by mirroring first;\n"
        "  a message then says with what --size `cae decode` gives back the picture alone.\n"
        "\n"
        "EXIT STATUS\n"
        "  0 done, 1 failed, 2 wrong usage.\n"
        "\n"
        "EXAMPLES\n"
        "  cae encode photo.png z.npy --model model.safetensors\n"
        "  cae decode z.npy again.png --model model.safetensors\n",
    .run = run_encode,
};

/* --- cae decode ------------------------------------------------------------------------------ */

static const struct argument decode_arguments[] = {
    ROW_MODEL("what the latent was made with"),
    {"size", "SIZE", ARGUMENT_NAME, FIELD(size), "HEIGHTxWIDTH or one number", 0, 0,
     "of the picture that was encoded, where `cae encode` says so", NULL},
    ROW_FORMAT, ROW_BITS, ROW_SCALE, ROW_THREADS, ROW_FORCE, ROW_JSON, ROW_HELP};

static bool take_latent_shape(struct latent *latent, const struct call *call, const cae_array *array,
                              const char *in)
{
    int64_t shape[CAE_MOST_RANK];
    int32_t rank = 0, type = 0, channels = 0;
    const cae_status status = cae_model_channels(&channels, NULL, call->model, NULL, CAE_PART_DECODER);

    if (status)
        return fail_file(call->context, status, call->settings.model);
    cae_array_shape(shape, &rank, &type, array);
    if (type != CAE_TYPE_F32)
        return fail("%s: expected a latent of float32, found %d-bit numbers", input_name(in),
                    type == CAE_TYPE_U8 ? 8 : 16);
    if (rank != 3 && rank != 4)
        return fail("%s: expected a latent [channels][height][width], or several, found %d dimension%s",
                    input_name(in), (int)rank, rank == 1 ? "" : "s");
    const int64_t *last = shape + rank - 3;
    if (last[0] != channels || last[1] > INT32_MAX || last[2] > INT32_MAX)
        return fail("%s: expected a latent of %d channels, which is what %s decodes, found %" PRId64
                    " of %" PRId64 "x%" PRId64, input_name(in), (int)channels, call->settings.model,
                    last[0], last[1], last[2]);
    *latent = (struct latent){rank == 4 ? shape[0] : 1, channels, (int32_t)last[1], (int32_t)last[2]};
    return true;
}

/* Several latents are the channels of one picture, each by a model of one. */
static bool channels_given(int *channels, const struct latent *latent, const struct network *network,
                           const char *in)
{
    *channels = latent->count == 1 ? network->out_channels : 3;
    return latent->count == 1 || (network->out_channels == 1 && latent->count == 3) ||
           fail("%s: expected one latent, or 3 of a model of one channel, found %" PRId64,
                input_name(in), latent->count);
}

/* The frame that `cae encode` put the picture into. */
static bool frame_given(struct frame *frame, const struct call *call, const struct network *network,
                        const struct latent *latent, const char *in)
{
    int64_t size[2];
    int32_t height = 0, width = 0;
    cae_status status;

    if (!parse_extents(size, "size", call->settings.size) ||
        !frame_of(frame, network, size[0], size[1], in))
        return false;
    status = cae_model_output_shape(NULL, &height, &width, call->model, NULL, CAE_PART_ENCODER,
                                    (int32_t)frame->in_height, (int32_t)frame->in_width);
    if (status)
        return fail_file(call->context, status, input_name(in));
    return (height == latent->height && width == latent->width) ||
           fail("%s: expected a latent of %dx%d, which is what %s makes of a picture of %" PRId64
                "x%" PRId64 ", found %dx%d", input_name(in), (int)height, (int)width,
                call->settings.model, size[0], size[1], (int)latent->height, (int)latent->width);
}

static float *run_decoder(int32_t *height, int32_t *width, const struct call *call,
                          const struct latent *latent, cae_array *array, int channels, const char *in)
{
    cae_status status = cae_model_output_shape(NULL, height, width, call->model, NULL,
                                               CAE_PART_DECODER, latent->height, latent->width);
    float *y = NULL;
    size_t size;

    if (!status) {
        size = (size_t)channels * (size_t)*height * (size_t)*width;
        if (!(y = floats_new(size)))
            return NULL;
        status = cae_model_decode(y, size, call->model, NULL, cae_array_data(array),
                                  latent_size(latent), latent->count, latent->height, latent->width);
    }
    if (status) {
        fail_file(call->context, status, input_name(in));
        free(y);
        return NULL;
    }
    return y;
}

static float *only_the_picture(float *y, const struct frame *frame, int channels)
{
    float *cut;

    if (frame->whole)
        return y;
    cut = floats_new((size_t)channels * (size_t)(frame->height * frame->width));
    if (cut)
        cut_out(cut, y, frame, channels);
    free(y);
    return cut;
}

static bool report_picture(const struct call *call, const struct frame *f, int channels,
                           bool to_stderr)
{
    return output_report(json_pack("{s:s, s:o, s:o, s:o, s:I, s:I, s:i, s:b}", "command", "decode",
                                   "model", output_text(call->settings.model),
                                   "input", output_text(call->files[0]),
                                   "output", output_text(call->files[1]), "height", (json_int_t)f->height,
                                   "width", (json_int_t)f->width, "channels", channels,
                                   "residual", (int)cae_model_residual(call->model)),
                         to_stderr);
}

static bool decode(const struct call *call, const struct network *network, int32_t format)
{
    const char *in = call->files[0], *out = call->files[1];
    struct latent latent = {0};
    struct frame frame = {.whole = true};
    int32_t height = 0, width = 0;
    int channels = 0;
    cae_array *array = may_write(call, in, out) && spares("model", call->settings.model, out)
                           ? array_read(call, in) : NULL;
    float *y = NULL;
    bool good;

    good = array && take_latent_shape(&latent, call, array, in) &&
           channels_given(&channels, &latent, network, in) &&
           (!call->settings.size || frame_given(&frame, call, network, &latent, in)) &&
           (y = run_decoder(&height, &width, call, &latent, array, channels, in));
    cae_array_destroy(array);
    if (!call->settings.size)
        frame.height = height, frame.width = width;
    good = good && (y = only_the_picture(y, &frame, channels)) &&
           planes_write(call, y, channels, frame.height, frame.width, CAE_TYPE_F32, out, format);
    free(y);
    if (good && network->residual)
        say("%s holds what the model adds to a picture, not the picture: %s is residual, y = x + f(x)",
            output_name(out), call->settings.model);
    return good && call->settings.json ? report_picture(call, &frame, channels, is_standard(out))
                                       : good;
}

static int run_decode(struct call *call)
{
    struct network network = {0};
    int32_t format;
    int64_t size[2];
    int code = EXIT_FAILED;

    if (!format_of(&format, call, call->files[1], CAE_FILE_PNG) ||
        (call->settings.size && !parse_extents(size, "size", call->settings.size)))
        return EXIT_USAGE;
    if (!call->settings.model) {
        fail("--model: expected a model file, found nothing");
        return EXIT_USAGE;
    }
    if (open_model(call) && network_read(&network, call->model) && decode(call, &network, format))
        code = EXIT_DONE;
    network_free(&network);
    return code;
}

const struct command command_decode = {
    .name = "decode",
    .summary = "turn a latent into a picture",
    .synopsis = "IN.npy OUT --model FILE [OPTION]...",
    .least = 2, .most = 2, .files = "IN.npy and OUT",
    .arguments = decode_arguments, .argument_count = COUNT(decode_arguments),
    .defaults = {.format = -1, .bits = -1},
    .description =
        "DESCRIPTION\n"
        "  IN.npy, or - for standard input, is what `cae encode` wrote: float32\n"
        "  [channels][height][width], or three of these for a picture in colour and a model of one\n"
        "  channel. OUT is .png, .jpg or .npy, or - for standard output; a .npy holds float32\n"
        "  [height][width][channels] unless --bits says otherwise, a .png 8 bits.\n"
        "\n"
        "  An encoded picture, decoded again, is what `cae denoise` makes of it, bit for bit. Not so with\n"
        "  a residual model, y = x + f(x): its latent is that of f(x), which is what comes out, the\n"
        "  change that the model would make; 0, no change, is grey in a picture.\n"
        "\n"
        "EXIT STATUS\n"
        "  0 done, 1 failed, 2 wrong usage.\n"
        "\n"
        "EXAMPLES\n"
        "  cae encode photo.png z.npy --model model.safetensors\n"
        "  cae decode z.npy again.png --model model.safetensors\n",
    .run = run_decode,
};
