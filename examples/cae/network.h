/* network.h - what the layers of a model do to sizes: worked out from their geometry. */
#ifndef TOOL_NETWORK_H
#define TOOL_NETWORK_H

#include <cae/cae.h>
#include <stdbool.h>

struct layer {
    bool transposed;
    int in_channels, out_channels;
    cae_conv_options options;
};

struct network {
    struct layer *layers;
    int count, encoder;
    int in_channels, out_channels;
    bool residual;
};

/* Says what went wrong. */
bool network_read(struct network *network, const cae_model *model);
void network_free(struct network *network);

/* What layers [first, end) turn `extent` rows, or columns, into; 0 where a kernel does not fit. */
int64_t network_extent(const struct network *network, int first, int end, bool vertical,
                       int64_t extent);

/* One axis of a picture that is made larger, by mirroring, so that what comes out covers it: `before`
 * and `after` are added to its ends, of the output the picture is at [from, from + extent). */
struct margin {
    int64_t before, after, from;
};

/* The least margins with which a picture of `extent` comes back whole, and as it is where the model
 * gives back its size. False when the model changes the scale or its layers never give that much. */
bool network_margin(struct margin *margin, const struct network *network, bool vertical,
                    int64_t extent);

/* Rows, or columns, of the input that one output pixel can depend on; of those that differ, as they
 * do where strides are undone, the most. */
int64_t network_sees(const struct network *network, bool vertical);

/* Floating-point operations for each pixel of a large picture: two for each multiplication with a
 * weight and the addition of its result, none for biases and activations. */
double network_flop(const struct network *network);

#endif
