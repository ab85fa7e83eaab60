/* picture.c - arrays of numbers as something to look at. */
#include "picture.h"

#include "message.h"

#include <math.h>

struct picture picture_of(const float *values, int32_t channels, int32_t height, int32_t width,
                          double low, double high)
{
    return (struct picture){.values = values, .channels = channels, .height = height,
                            .width = width, .low = low, .high = high, .shown_width = width,
                            .shown_height = height};
}

struct picture picture_middle(struct picture p, int32_t most)
{
    p.shown_width = p.width < most ? p.width : most;
    p.shown_height = p.height < most ? p.height : most;
    p.left = (p.width - p.shown_width) / 2;
    p.top = (p.height - p.shown_height) / 2;
    return p;
}

static uint32_t to_byte(const struct picture *p, float value)
{
    return (uint32_t)lrint(255 * fmax(0, fmin(1, (value - p->low) / (p->high - p->low))));
}

static uint32_t to_rgb(const struct picture *p, size_t at)
{
    const size_t plane = p->channels < 3 ? 0 : (size_t)p->height * (size_t)p->width;

    return to_byte(p, p->values[at]) << 16 | to_byte(p, p->values[at + plane]) << 8 |
           to_byte(p, p->values[at + 2 * plane]);
}

static cairo_surface_t *surface_of(const struct picture *p)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, p->shown_width,
                                                    p->shown_height);
    unsigned char *data = cairo_image_surface_get_data(s);
    const int stride = cairo_image_surface_get_stride(s);

    for (int y = 0; data && y < p->shown_height; y++) {
        uint32_t *row = (uint32_t *)(void *)(data + (size_t)y * (size_t)stride);
        const size_t from = (size_t)(p->top + y) * (size_t)p->width + (size_t)p->left;
        for (int x = 0; x < p->shown_width; x++)
            row[x] = to_rgb(p, from + (size_t)x);
    }
    cairo_surface_mark_dirty(s);
    return s;
}

void picture_draw(cairo_t *canvas, const struct picture *picture, double x, double y, double zoom)
{
    cairo_surface_t *surface = surface_of(picture);

    cairo_save(canvas);
    cairo_translate(canvas, x, y);
    cairo_scale(canvas, zoom, zoom);
    cairo_set_source_surface(canvas, surface, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(canvas), CAIRO_FILTER_NEAREST);
    cairo_paint(canvas);
    cairo_restore(canvas);
    cairo_surface_destroy(surface);
}

cairo_status_t picture_collect(void *bytes, const unsigned char *data, unsigned int size)
{
    return bytes_add(bytes, data, size) ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_NO_MEMORY;
}

bool picture_png(struct bytes *png, const struct picture *picture, int zoom)
{
    cairo_surface_t *sheet = cairo_image_surface_create(
        CAIRO_FORMAT_RGB24, zoom * picture->shown_width, zoom * picture->shown_height);
    cairo_t *canvas = cairo_create(sheet);
    cairo_status_t status;

    picture_draw(canvas, picture, 0, 0, zoom);
    status = cairo_status(canvas);
    if (!status)
        status = cairo_surface_write_to_png_stream(sheet, picture_collect, png);
    cairo_destroy(canvas);
    cairo_surface_destroy(sheet);
    return !status || fail("cannot draw a picture: %s", cairo_status_to_string(status));
}
