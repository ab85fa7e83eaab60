/* fit.c - how a picture and a model come together: channels, margins, and running it. */
#include "picture.h"

#include "setup.h"

#include "../trainer/message.h"
#include "../trainer/progress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- Channels -------------------------------------------------------------------------------- */

/* Alpha is the last of 2 or 4 channels, unless the model reads as many. */
bool way_of(enum way *way, int *colours, const struct call *call, const struct network *network,
            int channels, const char *path)
{
    const int in = network->in_channels;
    const bool alpha = (channels == 2 || channels == 4) && channels != in;

    *colours = channels - alpha;
    if (*colours == in)
        *way = WAY_DIRECT;
    else if (*colours == 1 && in == 3)
        *way = WAY_REPEAT;
    else if (in == 1)
        *way = WAY_SEPARATE;
    else
        return fail("%s: expected a picture of %d channel%s, which is what %s reads, found %d%s",
                    input_name(path), in, in == 1 ? "" : "s", call->settings.model, *colours,
                    alpha ? " and alpha" : "");
    return true;
}

/* --- Margins --------------------------------------------------------------------------------- */

bool frame_of(struct frame *frame, const struct network *network, int64_t height, int64_t width,
              const char *path)
{
    const int64_t most = INT32_MAX;
    struct frame f = {.height = height, .width = width};

    if (!network_margin(&f.vertical, network, true, height) ||
        !network_margin(&f.horizontal, network, false, width))
        return fail("%s: the model does not give back pictures of %" PRId64 "x%" PRId64
                    ": expected one that ends at the scale it began with", input_name(path), height,
                    width);
    f.in_height = f.vertical.before + height + f.vertical.after;
    f.in_width = f.horizontal.before + width + f.horizontal.after;
    if (f.in_height > most || f.in_width > most)
        return fail("%s: too large", input_name(path));
    f.out_height = network_extent(network, 0, network->count, true, f.in_height);
    f.out_width = network_extent(network, 0, network->count, false, f.in_width);
    f.whole = f.in_height == height && f.in_width == width && f.out_height == height &&
              f.out_width == width;
    *frame = f;
    return true;
}

/* Pixel `at` of a row that goes on beyond its ends as in a mirror that stands on the last pixel, to and
 * fro as often as it takes. */
static int64_t mirrored(int64_t at, int64_t extent)
{
    const int64_t period = 2 * (extent - 1);

    if (extent == 1)
        return 0;
    at %= period;
    if (at < 0)
        at += period;
    return at < extent ? at : period - at;
}

static void add_margins(float *to, const float *from, const struct frame *f)
{
    for (int64_t y = 0; y < f->in_height; y++) {
        const float *row = from + mirrored(y - f->vertical.before, f->height) * f->width;
        float *out = to + y * f->in_width;
        for (int64_t x = 0; x < f->in_width; x++) {
            const int64_t at = x - f->horizontal.before;
            out[x] = row[at >= 0 && at < f->width ? at : mirrored(at, f->width)];
        }
    }
}

bool shown_to_model(const float **shown, float **own, const struct frame *frame, const float *x,
                    enum way way, int colours, int model_channels)
{
    const int planes = way == WAY_REPEAT ? model_channels : colours;
    const size_t from = way == WAY_REPEAT ? 0 : (size_t)(frame->height * frame->width);
    const size_t to = (size_t)(frame->in_height * frame->in_width);

    *own = NULL;
    *shown = x;
    if (frame->whole && way != WAY_REPEAT)
        return true;
    *shown = *own = floats_new((size_t)planes * to);
    for (int i = 0; i < planes && *own; i++)
        add_margins(*own + (size_t)i * to, x + (size_t)i * from, frame);
    return *own;
}

void cut_out(float *to, const float *from, const struct frame *f, int64_t count)
{
    for (int64_t i = 0; i < count; i++, from += f->out_height * f->out_width)
        for (int64_t y = 0; y < f->height; y++, to += f->width)
            memcpy(to, from + (f->vertical.from + y) * f->out_width + f->horizontal.from,
                   (size_t)f->width * sizeof *to);
}

/* The mean of [count][size] in y. */
static void average(float *y, const float *planes, size_t size, int count)
{
    for (size_t i = 0; i < size; i++) {
        double sum = 0;
        for (int c = 0; c < count; c++)
            sum += (double)planes[(size_t)c * size + i];
        y[i] = (float)(sum / count);
    }
}

/* --- Running --------------------------------------------------------------------------------- */

static bool forward(float *y, double *seconds, const struct call *call, const struct frame *frame,
                    const float *x, int64_t count, int channels, const char *path)
{
    const size_t in = (size_t)(count * channels * frame->in_height * frame->in_width);
    const size_t out = (size_t)(count * channels * frame->out_height * frame->out_width);
    const double before = seconds_now();
    const cae_status status = cae_model_forward(y, out, call->model, NULL, x, in, count,
                                                (int32_t)frame->in_height, (int32_t)frame->in_width);

    *seconds = seconds_now() - before;
    return !status || fail_file(call->context, status, input_name(path));
}

/* All that the model gives, of the picture enlarged or repeated. NULL, having said why. */
static float *run_shown(double *seconds, const struct call *call, const struct network *network,
                        const struct frame *frame, const float *x, enum way way, int colours,
                        const char *path)
{
    const int64_t count = way == WAY_SEPARATE ? colours : 1;
    const int64_t planes = count * network->in_channels;
    float *own = NULL, *given = floats_new((size_t)(planes * frame->out_height * frame->out_width));
    const float *shown;
    const bool good = given &&
        shown_to_model(&shown, &own, frame, x, way, colours, network->in_channels) &&
        forward(given, seconds, call, frame, shown, count, network->in_channels, path);

    free(own);
    if (good)
        return given;
    free(given);
    return NULL;
}

/* The picture's place in what the model gave. */
static bool take_out(float *y, const float *given, const struct frame *frame, enum way way,
                     int colours, int channels)
{
    const size_t size = (size_t)(frame->height * frame->width);
    float *cut;
    bool good;

    if (way != WAY_REPEAT) {
        cut_out(y, given, frame, colours);
        return true;
    }
    cut = floats_new((size_t)channels * size);
    good = cut;
    if (good) {
        cut_out(cut, given, frame, channels);
        average(y, cut, size, channels);
    }
    free(cut);
    return good;
}

bool picture_run(float *y, double *seconds, const struct call *call, const struct network *network,
                 const struct frame *frame, const float *x, enum way way, int colours,
                 const char *path)
{
    const int channels = network->in_channels;
    float *given;
    bool good;

    if (network->out_channels != channels)
        return fail("%s: expected a model that gives back as many channels as it reads, found %d from "
                    "%d in %s", input_name(path), network->out_channels, channels,
                    call->settings.model);
    if (frame->whole && way != WAY_REPEAT)
        return forward(y, seconds, call, frame, x, way == WAY_SEPARATE ? colours : 1, channels, path);
    given = run_shown(seconds, call, network, frame, x, way, colours, path);
    good = given && take_out(y, given, frame, way, colours, channels);
    free(given);
    return good;
}
