/* network.c - what the layers of a model do to sizes: worked out from their geometry. */
#include "network.h"

#include "../trainer/message.h"

#include <math.h>
#include <stdlib.h>

bool network_read(struct network *network, const cae_model *model)
{
    const int count = cae_model_layer_count(model);

    *network = (struct network){.count = count, .encoder = cae_model_encoder_layers(model),
                                .residual = cae_model_residual(model)};
    network->layers = calloc((size_t)count, sizeof *network->layers);
    if (!network->layers)
        return fail("out of memory");
    for (int i = 0; i < count; i++) {
        struct layer *layer = &network->layers[i];
        int32_t transposed = 0, in = 0, out = 0;

        cae_conv_options_init(&layer->options, sizeof layer->options);
        cae_model_layer(&transposed, &in, &out, &layer->options, model, i);
        layer->transposed = transposed;
        layer->in_channels = in;
        layer->out_channels = out;
    }
    network->in_channels = network->layers[0].in_channels;
    network->out_channels = network->layers[count - 1].out_channels;
    return true;
}

void network_free(struct network *network)
{
    free(network->layers);
    network->layers = NULL;
}

enum { MOST_ADDED = 65536 /* pixels, to a side of a picture */ };

/* --- One axis of one layer ------------------------------------------------------------------- */

struct axis {
    bool transposed;
    int64_t kernel, stride, padding, dilation, output_padding;
};

static struct axis axis_of(const struct layer *layer, bool vertical)
{
    const cae_conv_options *o = &layer->options;

    return vertical ? (struct axis){layer->transposed, o->kernel_h, o->stride_h, o->padding_h,
                                    o->dilation_h, o->output_padding_h}
                    : (struct axis){layer->transposed, o->kernel_w, o->stride_w, o->padding_w,
                                    o->dilation_w, o->output_padding_w};
}

static int64_t reach(const struct axis *a)
{
    return a->dilation * (a->kernel - 1);
}

/* The formulas of cae.h. */
static int64_t extent_after(const struct axis *a, int64_t extent)
{
    const int64_t most = (int64_t)1 << 30;            /* of the library: clear of overflow */
    int64_t after;

    if (a->transposed)
        after = (extent - 1) * a->stride - 2 * a->padding + reach(a) + a->output_padding + 1;
    else if (extent + 2 * a->padding < reach(a) + 1)
        return 0;
    else
        after = (extent + 2 * a->padding - reach(a) - 1) / a->stride + 1;
    return after > 0 && after <= most ? after : 0;
}

int64_t network_extent(const struct network *network, int first, int end, bool vertical,
                       int64_t extent)
{
    for (int i = first; i < end && extent > 0; i++) {
        const struct axis a = axis_of(&network->layers[i], vertical);
        extent = extent_after(&a, extent);
    }
    return extent;
}

/* --- Margins --------------------------------------------------------------------------------- */

/* Where output pixel 0 lies among the pixels of the input, and how far apart two of them are. A
 * convolution's output o looks at o stride - padding + reach / 2, in the middle of its taps; a
 * transposed one's comes from the i for which that is o. */
struct place {
    double first, step;
};

static struct place place_of(const struct network *network, bool vertical)
{
    struct place place = {0, 1};

    for (int i = 0; i < network->count; i++) {
        const struct axis a = axis_of(&network->layers[i], vertical);
        const double middle = (double)reach(&a) / 2 - (double)a.padding;
        const double stride = (double)a.stride;

        if (a.transposed) {
            place.step /= stride;
            place.first -= place.step * middle;
        } else {
            place.first += place.step * middle;
            place.step *= stride;
        }
    }
    return place;
}

static bool add_after(struct margin *margin, const struct network *network, bool vertical,
                      int64_t extent, bool same_size)
{
    for (margin->after = 0; margin->after <= MOST_ADDED; margin->after++) {
        const int64_t in = margin->before + extent + margin->after;
        const int64_t out = network_extent(network, 0, network->count, vertical, in);
        if (same_size ? out == in : out >= margin->from + extent)
            return true;
    }
    return false;
}

/* A model that gives back some sizes, as those with strides do, gets such a size: what it then sees at
 * the edges is the picture in a mirror, not zeros. One that gives back none loses as much on every
 * side as it was given more. */
bool network_margin(struct margin *margin, const struct network *network, bool vertical,
                    int64_t extent)
{
    const struct place place = place_of(network, vertical);
    const double shift = floor(place.first + 0.5);    /* even kernels look between two pixels */

    *margin = (struct margin){0};
    if (!(fabs(place.step - 1) <= 1e-9) || !(fabs(shift) <= MOST_ADDED)) /* NaN, too */
        return false;
    if ((shift == 0 || network->residual) && add_after(margin, network, vertical, extent, true))
        return true;
    if (network->residual)
        return false;
    if (shift > 0)
        margin->before = (int64_t)shift;
    margin->from = margin->before - (int64_t)shift;
    return add_after(margin, network, vertical, extent, false);
}

/* --- What a pixel sees ----------------------------------------------------------------------- */

struct span {
    int64_t first, last; /* none when first > last */
};

/* The inputs that a run of outputs is made of. A transposed convolution gives input i to outputs
 * i stride - padding + dilation t: of an output o, the first and the last i for which there is a t. */
static struct span inputs_of(const struct axis *a, struct span out)
{
    struct span in = {INT64_MAX, INT64_MIN};

    if (!a->transposed)
        return (struct span){out.first * a->stride - a->padding,
                             out.last * a->stride - a->padding + reach(a)};
    for (int64_t t = 0; t < a->kernel; t++) {
        const int64_t low = out.first + a->padding - a->dilation * t;
        const int64_t high = out.last + a->padding - a->dilation * t;
        const int64_t first = low >= 0 ? (low + a->stride - 1) / a->stride : -(-low / a->stride);
        const int64_t last = high >= 0 ? high / a->stride : -((-high + a->stride - 1) / a->stride);
        if (first > last)
            continue;
        in.first = first < in.first ? first : in.first;
        in.last = last > in.last ? last : in.last;
    }
    return in;
}

/* Output pixels repeat what they see after as many as the strides that are undone have between them. Of
 * a stranger's model, as many are looked at as take no time. */
static int64_t period_of(const struct network *network, bool vertical)
{
    const int64_t most = 65536, steps = 20000000;
    int64_t period = 1, cost = 1;

    for (int i = 0; i < network->count; i++) {
        const struct axis a = axis_of(&network->layers[i], vertical);
        cost += a.transposed ? a.kernel : 1;
        if (a.transposed && period < most)
            period *= a.stride;
    }
    return period < steps / cost ? period : steps / cost + 1;
}

/* Far beyond every picture, and clear of overflow in the next layer. */
static struct span bounded(struct span span)
{
    const int64_t most = (int64_t)1 << 45;

    return (struct span){span.first > -most ? span.first : -most, span.last < most ? span.last : most};
}

int64_t network_sees(const struct network *network, bool vertical)
{
    const int64_t period = period_of(network, vertical);
    int64_t most = network->residual ? 1 : 0;

    for (int64_t o = 0; o < period; o++) {
        struct span span = {o, o};
        for (int i = network->count - 1; i >= 0 && span.first <= span.last; i--) {
            const struct axis a = axis_of(&network->layers[i], vertical);
            span = bounded(inputs_of(&a, span));
        }
        if (span.first <= span.last && span.last - span.first + 1 > most)
            most = span.last - span.first + 1;
    }
    return most;
}

double network_flop(const struct network *network)
{
    double flop = 0, density = 1; /* pixels of this layer for each of the input */

    for (int i = 0; i < network->count; i++) {
        const struct layer *layer = &network->layers[i];
        const cae_conv_options *o = &layer->options;
        const double weights = (double)layer->in_channels * layer->out_channels * o->kernel_h *
                               o->kernel_w;
        const double strides = (double)o->stride_h * o->stride_w;

        /* a weight meets each pixel of the smaller side: outputs of a convolution, inputs of a
         * transposed one */
        if (!layer->transposed)
            density /= strides;
        flop += 2 * weights * density;
        if (layer->transposed)
            density *= strides;
    }
    return flop;
}
