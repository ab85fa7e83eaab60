/* page_network.c - report.html: the layers, what the first has learned, and what is in between. */
#include "page.h"

#include "gallery.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FILTER = 72, MOST_TILES = 96 };

#define TIMES "\xc3\x97"

/* --- The layers ------------------------------------------------------------------------------- */

struct layer {
    int32_t transposed, in, out;
    cae_conv_options options;
};

/* Of layer `index`, which is there. */
static struct layer layer_of(const struct page *page, int32_t index)
{
    struct layer l;

    cae_conv_options_init(&l.options, sizeof l.options);
    if (cae_model_layer(&l.transposed, &l.in, &l.out, &l.options, page->run->model, index))
        page->html->failed = true;
    return l;
}

static const char *activation_of(const struct layer *l, char text[FIGURE_TEXT])
{
    switch (l->options.activation) {
    case CAE_ACTIVATION_NONE: return "\xe2\x80\x93";
    case CAE_ACTIVATION_RELU: return "ReLU";
    case CAE_ACTIVATION_LEAKY_RELU:
        snprintf(text, FIGURE_TEXT, "leaky ReLU, slope %.4g", l->options.slope);
        return text;
    case CAE_ACTIVATION_TANH: return "tanh";
    case CAE_ACTIVATION_SIGMOID: return "sigmoid";
    default: return "?";                              /* of a later library */
    }
}

static int64_t parameters_of(const struct layer *l)
{
    return (int64_t)l->in * l->out * l->options.kernel_h * l->options.kernel_w +
           (l->options.bias ? l->out : 0);
}

/* The formulas of cae_spec_add_conv and cae_spec_add_conv_transpose, along one axis. */
static int64_t output_size(bool transposed, int64_t size, int64_t kernel, int64_t stride,
                           int64_t padding, int64_t dilation, int64_t output_padding)
{
    const int64_t reach = dilation * (kernel - 1);

    return transposed ? (size - 1) * stride - 2 * padding + reach + output_padding + 1
                      : (size + 2 * padding - reach - 1) / stride + 1;
}

struct size {
    int64_t height, width;
};

static struct size output_of(const struct layer *l, struct size in)
{
    const cae_conv_options *o = &l->options;

    return (struct size){
        output_size(l->transposed, in.height, o->kernel_h, o->stride_h, o->padding_h,
                    o->dilation_h, o->output_padding_h),
        output_size(l->transposed, in.width, o->kernel_w, o->stride_w, o->padding_w,
                    o->dilation_w, o->output_padding_w)};
}

static void pair(const struct page *page, int32_t h, int32_t w)
{
    html_print(page->html, "%" PRId32 TIMES "%" PRId32, h, w);
}

/* Said only where it is not what it mostly is. */
static void unusual(const struct page *page, const char *name, int32_t usual, int32_t h, int32_t w)
{
    if (h == usual && w == usual)
        return;
    html_print(page->html, ", %s ", name);
    pair(page, h, w);
}

static void shape_cell(const struct page *page, int64_t channels, struct size size)
{
    html_print(page->html, "<td class=\"n\">%" PRId64 TIMES "%" PRId64 TIMES "%" PRId64 "</td>",
               channels, size.height, size.width);
}

static void layer_row(const struct page *page, const struct layer *l, int32_t number,
                      struct size size)
{
    const cae_conv_options *o = &l->options;
    char parameters[FIGURE_TEXT], activation[FIGURE_TEXT];

    html_print(page->html, "<tr><td class=\"n\">%" PRId32 "</td><td>%s</td><td>", number,
               l->transposed ? "transposed convolution" : "convolution");
    pair(page, o->kernel_h, o->kernel_w);
    unusual(page, "dilation", 1, o->dilation_h, o->dilation_w);
    html_print(page->html, "</td><td>");
    pair(page, o->stride_h, o->stride_w);
    html_print(page->html, "</td><td>");
    pair(page, o->padding_h, o->padding_w);
    unusual(page, "output", 0, o->output_padding_h, o->output_padding_w);
    html_print(page->html, "</td><td>%s</td>", activation_of(l, activation));
    shape_cell(page, l->out, size);
    html_print(page->html, "<td class=\"n\">%s</td></tr>\n",
               page_whole(parameters, parameters_of(l)));
}

static void part_row(const struct page *page, const char *name)
{
    html_print(page->html, "<tr class=\"part\"><th colspan=\"8\">%s</th></tr>\n", name);
}

static void layer_rows(const struct page *page)
{
    const int32_t layers = cae_model_layer_count(page->run->model);
    const int32_t encoder = cae_model_encoder_layers(page->run->model);
    int32_t channels, height, width;
    struct size size;

    cae_dataset_shape(&channels, &height, &width, page->run->test);
    size = (struct size){height, width};
    html_print(page->html, "<tr><td></td><td>input</td><td></td><td></td><td></td><td></td>");
    shape_cell(page, channels, size);
    html_print(page->html, "<td></td></tr>\n");
    for (int32_t i = 0; i < layers; i++) {
        const struct layer layer = layer_of(page, i);
        if (i == 0 || i == encoder)
            part_row(page, i ? "decoder" : "encoder");
        size = output_of(&layer, size);
        layer_row(page, &layer, i + 1, size);
    }
}

static void residual_row(const struct page *page)
{
    if (!cae_model_residual(page->run->model))
        return;
    part_row(page, "residual connection");
    html_print(page->html, "<tr><td></td><td colspan=\"7\">output = input + what the layers make "
               "of it</td></tr>\n");
}

/* How much the latent holds of what an image has. */
static void latent_size(const struct page *page)
{
    const cae_model *model = page->run->model;
    int32_t channels, height, width, latent_channels, latent_height, latent_width;
    double image, latent;
    char text[FIGURE_TEXT];

    cae_dataset_shape(&channels, &height, &width, page->run->test);
    if (cae_model_output_shape(&latent_channels, &latent_height, &latent_width, model, NULL,
                               CAE_PART_ENCODER, height, width))
        return;
    image = (double)channels * height * width;
    latent = (double)latent_channels * latent_height * latent_width;
    html_print(page->html, "<p class=\"note\">The latent, between encoder and decoder, has %" PRId32
               TIMES "%" PRId32 TIMES "%" PRId32 " = %s values, %.2f for each value of the "
               "image.</p>\n", latent_channels, latent_height, latent_width,
               page_whole(text, (int64_t)latent), latent / image);
}

void page_network(const struct page *page)
{
    char parameters[FIGURE_TEXT];

    page_section(page, "network", "Network");
    latent_size(page);
    html_print(page->html, "<div class=\"scroll\"><table><thead><tr><th></th><th>layer</th>"
               "<th>kernel</th><th>stride</th><th>padding</th><th>activation</th>"
               "<th class=\"n\">output shape</th><th class=\"n\">parameters</th></tr></thead>"
               "<tbody>\n");
    layer_rows(page);
    residual_row(page);
    html_print(page->html, "<tr class=\"total\"><th colspan=\"7\">parameters in all</th>"
               "<td class=\"n\">%s</td></tr>\n</tbody></table></div>\n</section>\n",
               page_whole(parameters, cae_model_parameter_count(page->run->model)));
}

/* --- What the first layer looks for ----------------------------------------------------------- */

/* The first layer's weights, as they are in the model. */
struct filters {
    float *weights;
    int64_t out, in, height, width;
    bool transposed;         /* [in][out]..., not [out][in]... */
    int64_t together;        /* input channels in one picture: three are its colours */
};

static bool filters_get(struct filters *f, const struct page *page)
{
    const cae_model *model = page->run->model;
    const struct layer first = layer_of(page, 0);
    const char *name = cae_model_tensor_name(model, 0);
    int64_t shape[4] = {0};
    size_t count;
    cae_status status = cae_model_tensor_shape(shape, NULL, model, name);

    *f = (struct filters){.in = first.in, .out = first.out, .height = shape[2], .width = shape[3],
                          .transposed = first.transposed, .together = first.in == 3 ? 3 : 1};
    count = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
    f->weights = malloc(count * sizeof *f->weights);
    if (!f->weights)
        return fail("out of memory for the filters");
    if (!status)
        status = cae_model_get_tensor(f->weights, count, model, name);
    return !status || fail_status(page->run->context, status, "cannot read the filters");
}

/* Planes of `together` input channels from `in` on, of what leads to output channel `out`. */
static void gather(float *planes, const struct filters *f, int64_t out, int64_t in)
{
    const size_t plane = (size_t)(f->height * f->width);

    for (int64_t c = in; c < in + f->together; c++, planes += plane) {
        const int64_t at = f->transposed ? c * f->out + out : out * f->in + c;
        memcpy(planes, f->weights + (size_t)at * plane, plane * sizeof *planes);
    }
}

static double largest(const float *values, size_t count)
{
    double most = 0;

    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs((double)values[i]));
    return most;
}

static void tile(const struct page *page, const struct filters *f, const float *planes,
                 int64_t out, int64_t in)
{
    const double most = largest(planes, (size_t)(f->together * f->height * f->width));
    const double end = most > 0 ? most : 1;
    const struct picture all = picture_of(planes, (int32_t)f->together, (int32_t)f->height,
                                          (int32_t)f->width, -end, end);
    const struct picture picture = picture_middle(all, MOST);
    char name[FIGURE_TEXT];

    snprintf(name, sizeof name, "filter %" PRId64, out);
    if (f->in != f->together)
        snprintf(name, sizeof name, "filter %" PRId64 ", input %" PRId64, out, in);
    html_print(page->html, "<figure>");
    html_picture(page->html, &picture, page_zoom(&picture, FILTER), name);
    html_print(page->html, "<figcaption>%s<br/>\xc2\xb1%.3g</figcaption></figure>\n", name, most);
}

static bool tiles(const struct page *page, const struct filters *f)
{
    float *planes = malloc((size_t)(f->together * f->height * f->width) * sizeof *planes);
    const int64_t each = f->in / f->together, all = f->out * each;

    if (!planes)
        return fail("out of memory for the filters");
    html_print(page->html, "<p class=\"note\">The %" PRId64 " filters of the first layer, %" PRId64
               TIMES "%" PRId64 "%s; a square is a weight, not smoothed. Each filter is scaled by "
               "itself: middle grey is 0, and the ends are plus and minus its largest weight, "
               "which stands below it.", f->out, f->height, f->width,
               f->together == 3 ? ", their three input channels as red, green and blue" : "");
    if (all > MOST_TILES)
        html_print(page->html, " The first %d pictures.", MOST_TILES);
    html_print(page->html, "</p>\n<div class=\"shots filters\" style=\"--shot:72px\">\n");
    for (int64_t i = 0; i < all && i < MOST_TILES; i++) {
        gather(planes, f, i / each, i % each);
        tile(page, f, planes, i / each, i % each);
    }
    html_print(page->html, "</div>\n</section>\n");
    free(planes);
    return true;
}

bool page_filters(const struct page *page)
{
    struct filters filters;
    bool good;

    page_section(page, "filters", "What the first layer looks for");
    good = filters_get(&filters, page) && tiles(page, &filters);
    free(filters.weights);
    return good;
}

/* --- What the decoder is given ---------------------------------------------------------------- */

/* One test image, and what the encoder makes of it. */
struct latent {
    struct gallery gallery;
    float *values;
    int32_t channels, height, width;
};

static bool latent_get(struct latent *l, const struct page *page)
{
    const struct run *run = page->run;
    struct gallery *g = &l->gallery;
    cae_status status;
    size_t count;

    *l = (struct latent){.values = NULL};
    if (!gallery_begin(g, run, 1))
        return false;
    gallery_spread(g, run);
    if (!gallery_fill(g, run))
        return false;
    status = cae_model_output_shape(&l->channels, &l->height, &l->width, run->model, NULL,
                                    CAE_PART_ENCODER, g->height, g->width);
    count = (size_t)l->channels * (size_t)l->height * (size_t)l->width;
    if (!status && !(l->values = malloc(count * sizeof *l->values)))
        return fail("out of memory for the latent");
    if (!status)
        status = cae_model_encode(l->values, count, run->model, NULL, g->input, g->pixels, 1,
                                  g->height, g->width);
    return !status || fail_status(run->context, status, "cannot encode a test image");
}

static void latent_channel(const struct page *page, const struct latent *l, int32_t c)
{
    const size_t plane = (size_t)l->height * (size_t)l->width;
    const float *values = l->values + (size_t)c * plane;
    float low = values[0], high = values[0];
    struct picture picture;
    char name[FIGURE_TEXT];

    for (size_t i = 0; i < plane; i++) {
        low = fminf(low, values[i]);
        high = fmaxf(high, values[i]);
    }
    picture = picture_middle(picture_of(values, 1, l->height, l->width, low,
                                        high > low ? high : low + 1), MOST_OF_LATENT);
    snprintf(name, sizeof name, "channel %" PRId32, c);
    html_print(page->html, "<figure>");
    html_picture(page->html, &picture, page_zoom(&picture, SHOT), name);
    if (high > low)
        html_print(page->html, "<figcaption>%s<br/><b>%.2f to %.2f</b></figcaption></figure>\n",
                   name, (double)low, (double)high);
    else
        html_print(page->html, "<figcaption>%s<br/><b>%.2g everywhere</b></figcaption></figure>\n",
                   name, (double)low);
}

static void latent_pictures(const struct page *page, const struct latent *l)
{
    const struct gallery *g = &l->gallery;
    const struct picture input = picture_middle(gallery_picture(g, g->input, 0), MOST_OF_LATENT);

    html_print(page->html, "<p class=\"note\">Test image %" PRId64 " as the encoder is given it, "
               "and the %" PRId32 " channels of %" PRId32 TIMES "%" PRId32 " that it makes of it. "
               "Each channel is scaled by itself: black is its smallest value, white its largest; "
               "both stand below it.", g->indices[0], l->channels, l->height, l->width);
    if (l->height > MOST_OF_LATENT || l->width > MOST_OF_LATENT)
        html_print(page->html, " Shown is the middle of each.");
    if (l->channels > MOST_TILES)
        html_print(page->html, " The first %d channels.", MOST_TILES);
    html_print(page->html, "</p>\n<div class=\"shots\" style=\"--shot:%dpx\">\n<figure>",
               input.shown_width * page_zoom(&input, SHOT));
    html_picture(page->html, &input, page_zoom(&input, SHOT), "input of the encoder");
    html_print(page->html, "<figcaption>input</figcaption></figure>\n");
    for (int32_t c = 0; c < l->channels && c < MOST_TILES; c++)
        latent_channel(page, l, c);
    html_print(page->html, "</div>\n</section>\n");
}

bool page_latent(const struct page *page)
{
    struct latent latent;
    bool good;

    page_section(page, "latent", "What the decoder is given");
    good = latent_get(&latent, page);
    if (good)
        latent_pictures(page, &latent);
    gallery_end(&latent.gallery);
    free(latent.values);
    return good;
}
