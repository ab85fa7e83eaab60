/* picture.h - pictures as files, as standard input and output, and as the planes that a model takes. */
#ifndef TOOL_PICTURE_H
#define TOOL_PICTURE_H

#include "command.h"
#include "network.h"

/* A picture as it was read. */
struct picture {
    int64_t height, width;
    int channels;   /* alpha included */
    int32_t type;   /* enum cae_type */
    float *planes;  /* [channels][height][width] */
};

/* Read [height][width] or [height][width][channels] from a file or standard input. */
bool picture_read(struct picture *picture, const struct call *call, const char *path);
void picture_free(struct picture *picture);

/* Read any array. NULL, having said why. */
cae_array *array_read(const struct call *call, const char *path);

/* The format that a name, or --format, asks for; `otherwise` where --format was not given. Says
 * what is expected when there is none. */
bool format_of(int32_t *format, const struct call *call, const char *path, int32_t otherwise);

/* Write an array to a file or standard output. */
bool array_write(const struct call *call, const cae_array *array, const char *path, int32_t format);

/* Write planes [channels][height][width] as a picture: --bits, else `type` where the format holds
 * it, else bytes. */
bool planes_write(const struct call *call, const float *planes, int channels, int64_t height,
                  int64_t width, int32_t type, const char *path, int32_t format);

/* Said of a path: "standard input" for "-". */
const char *input_name(const char *path);
const char *output_name(const char *path);

/* --- How a picture and a model come together ------------------------------------------------- */

enum way {
    WAY_DIRECT,  /* as many colours as the model reads */
    WAY_REPEAT,  /* grey, repeated for a model of three channels; what comes out is averaged */
    WAY_SEPARATE /* each channel by itself, by a model of one */
};

/* Channels of `channels` that are colour; the rest is alpha. Says what does not fit. */
bool way_of(enum way *way, int *colours, const struct call *call, const struct network *network,
            int channels, const char *path);

/* Where a picture lies in what the model is shown and in what it gives. */
struct frame {
    struct margin vertical, horizontal;
    int64_t height, width;         /* of the picture */
    int64_t in_height, in_width;   /* of what the model is shown */
    int64_t out_height, out_width; /* of what it gives */
    bool whole;                    /* neither has margins */
};

/* Says what does not fit. */
bool frame_of(struct frame *frame, const struct network *network, int64_t height, int64_t width,
              const char *path);

/* Planes of a picture as the model is shown them, [count][in_channels][in_height][in_width]: `x`
 * itself where nothing is to be done, else what *own then is, to be freed. Says when there is no memory. */
bool shown_to_model(const float **shown, float **own, const struct frame *frame, const float *x,
                    enum way way, int colours, int model_channels);

/* Of [count][height][width] to [count][frame height][frame width]. */
void cut_out(float *to, const float *from, const struct frame *frame, int64_t count);

/* y [colours][height][width] as the model makes it of x; `seconds` is what that took. */
bool picture_run(float *y, double *seconds, const struct call *call, const struct network *network,
                 const struct frame *frame, const float *x, enum way way, int colours,
                 const char *path);

/* Floats, or NULL having said that there is no memory. */
float *floats_new(size_t count);

#endif
