/* denoise.c - cae denoise: pictures through a model. */
#include "output.h"
#include "picture.h"
#include "setup.h"

#include "../trainer/files.h"
#include "../trainer/message.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const struct argument arguments[] = {
    ROW_MODEL("what `cae train` saved"),
    {"out", "DIR", ARGUMENT_NAME, FIELD(out), "a directory", 0, 0,
     "where the results of several files go, under their names", NULL},
    ROW_FORMAT,
    ROW_BITS,
    ROW_SCALE,
    ROW_THREADS,
    ROW_FORCE,
    ROW_JSON,
    ROW_HELP,
};

static const char *const ways[] = {
    [WAY_DIRECT] = "direct", [WAY_REPEAT] = "repeated and averaged",
    [WAY_SEPARATE] = "channel by channel"};

/* What there is to say of one picture. */
struct result {
    struct frame frame;
    enum way way;
    int channels, colours;
    int32_t type;
    double seconds;
};

/* --- One picture ----------------------------------------------------------------------------- */

/* Alpha stands behind the colours, and goes through as it is. */
static bool write_result(const struct call *call, const struct picture *picture, const float *y,
                         const char *out, int32_t format)
{
    return planes_write(call, y, picture->channels, picture->height, picture->width, picture->type, out,
                        format);
}

static float *run_model(struct result *result, const struct call *call, const struct network *network,
                        const struct picture *picture, const char *in)
{
    const size_t size = (size_t)(picture->height * picture->width);
    const size_t colours = (size_t)result->colours * size;
    float *y = floats_new((size_t)picture->channels * size);

    if (y && !picture_run(y, &result->seconds, call, network, &result->frame, picture->planes,
                          result->way, result->colours, in)) {
        free(y);
        return NULL;
    }
    if (y)
        memcpy(y + colours, picture->planes + colours,
               ((size_t)picture->channels * size - colours) * sizeof *y);
    return y;
}

static bool denoise(struct result *result, const struct call *call, const struct network *network,
                    const char *in, const char *out)
{
    struct picture picture;
    int32_t format;
    float *y = NULL;
    bool good;

    if (!may_write(call, in, out) || !spares("model", call->settings.model, out) ||
        !picture_read(&picture, call, in))
        return false;
    *result = (struct result){.channels = picture.channels, .type = picture.type};
    good = format_of(&format, call, out,
                     picture.type == CAE_TYPE_F32 ? CAE_FILE_NPY : CAE_FILE_PNG) &&
           way_of(&result->way, &result->colours, call, network, picture.channels, in) &&
           frame_of(&result->frame, network, picture.height, picture.width, in) &&
           (y = run_model(result, call, network, &picture, in));
    picture_free(&picture); /* before there are the bytes of a file, too */
    good = good && write_result(call, &picture, y, out, format);
    free(y);
    return good;
}

/* --- The report ------------------------------------------------------------------------------ */

static double megapixels(const struct result *r)
{
    return r->seconds > 0 ? 1e-6 * (double)(r->frame.height * r->frame.width) / r->seconds : 0;
}

static json_t *describe(const struct result *r, const char *in, const char *out)
{
    const struct frame *f = &r->frame;

    return json_pack("{s:o, s:o, s:I, s:I, s:i, s:s, s:b, s:s, s:o, s:f, s:f}",
                     "input", output_text(in), "output", output_text(out), "height", (json_int_t)f->height,
                     "width", (json_int_t)f->width, "channels", r->channels,
                     "numbers", r->type == CAE_TYPE_U8 ? "8 bits" : r->type == CAE_TYPE_U16
                                                          ? "16 bits" : "float32",
                     "alpha", r->channels > r->colours, "way", ways[r->way],
                     "shown_to_model", json_pack("[I, I]", (json_int_t)f->in_height,
                                                 (json_int_t)f->in_width),
                     "seconds", r->seconds, "megapixels_per_second", megapixels(r));
}

static bool report(const struct call *call, json_t *files, double fastest, bool to_stderr)
{
    return output_report(json_pack("{s:s, s:o, s:i, s:o, s:f}", "command", "denoise",
                                   "model", output_text(call->settings.model),
                                   "threads", (int)cae_context_threads(call->context),
                                   "files", files, "peak_megapixels_per_second", fastest),
                         to_stderr);
}

/* --- All pictures ---------------------------------------------------------------------------- */

static bool names_differ(const struct call *call)
{
    for (int i = 0; i < call->count; i++) {
        if (is_standard(call->files[i]))
            return fail("-: expected files by name with --out, found standard input");
        for (int j = 0; j < i; j++)
            if (!strcmp(base_name(call->files[i]), base_name(call->files[j])))
                return fail("%s and %s: expected names that differ, as both go into %s",
                            call->files[j], call->files[i], call->settings.out);
    }
    return true;
}

static bool usage_is_right(const struct call *call)
{
    int32_t format;

    if (!call->settings.model)
        return fail("--model: expected a model file, found nothing");
    if (call->settings.out)
        return names_differ(call);
    if (call->count != 2)
        return fail("expected IN and OUT, or --out DIR and any number of files, found %d argument%s",
                    call->count, call->count == 1 ? "" : "s");
    return format_of(&format, call, call->files[1], CAE_FILE_PNG);
}

/* The next one's turn comes whatever became of the one before. */
static int denoise_all(const struct call *call, const struct network *network)
{
    const int count = call->settings.out ? call->count : 1;
    const bool to_stderr = !call->settings.out && is_standard(call->files[1]);
    json_t *files = json_array();
    double fastest = 0;
    bool good = true;

    for (int i = 0; i < count; i++) {
        const char *in = call->files[i];
        char *joined = call->settings.out ? path_join(call->settings.out, base_name(in)) : NULL;
        const char *out = joined ? joined : call->files[1];
        struct result result;

        if (call->settings.out && !joined) {
            good = fail("out of memory");
            break;
        }
        if (denoise(&result, call, network, in, out)) {
            fastest = megapixels(&result) > fastest ? megapixels(&result) : fastest;
            json_array_append_new(files, describe(&result, in, out));
        } else {
            good = false;
        }
        free(joined);
    }
    if (!call->settings.json || (!good && !json_array_size(files)))
        json_decref(files);
    else
        good = report(call, files, fastest, to_stderr) && good;
    return good ? EXIT_DONE : EXIT_FAILED;
}

static int run(struct call *call)
{
    struct network network = {0};
    int code = EXIT_FAILED;

    if (!usage_is_right(call))
        return EXIT_USAGE;
    if (open_model(call) && network_read(&network, call->model))
        code = denoise_all(call, &network);
    network_free(&network);
    return code;
}

const struct command command_denoise = {
    .name = "denoise",
    .summary = "run pictures through a model",
    .synopsis = "IN OUT --model FILE [OPTION]...\n--out DIR FILE... --model FILE [OPTION]...",
    .least = 1, .most = INT_MAX, .files = "IN and OUT, or --out DIR and any number of files",
    .arguments = arguments, .argument_count = COUNT(arguments),
    .defaults = {.format = -1, .bits = -1},
    .description =
        "DESCRIPTION\n"
        "  IN and OUT are .png, .jpg or .npy ([height][width] or [height][width][channels] of bytes,\n"
        "  16-bit numbers or float32), or - for standard input and output. IN is known by what is in\n"
        "  it, OUT by its name. A picture may have any size, 8 or 16 bits, which it keeps, and alpha,\n"
        "  which goes through as it is. Floats are taken to be in the range that the model knows.\n"
        "\n"
        "  Grey with a model of three channels is repeated and the result averaged; colour with a\n"
        "  model of one channel goes through it channel by channel. Where the model gives back another\n"
        "  size, the picture is enlarged by mirroring at its edges so that all of it comes back.\n"
        "\n"
        "  OUT appears whole or not at all. It may be the same file as IN, by whatever name, with\n"
        "  --force only. With --out each result goes into DIR, under the name and in the format of its\n"
        "  FILE; a file that fails does not stop the others.\n"
        "\n"
        "  --json says what was done: sizes, the seconds the model took, megapixels per second and the\n"
        "  highest of these; on stderr when the picture goes to standard output.\n"
        "\n"
        "EXIT STATUS\n"
        "  0 done, 1 failed (any of several files), 2 wrong usage.\n"
        "\n"
        "EXAMPLES\n"
        "  cae denoise noisy.png clean.png --model denoiser.safetensors\n"
        "  cae denoise --out clean/ photos/*.jpg --model denoiser.safetensors --json\n"
        "  cat noisy.png | cae denoise - - --model denoiser.safetensors >clean.png\n",
    .run = run,
};
