/* canvas.c - what the two pictures share: a white sheet, coloured text, a PNG file. */
#include "canvas.h"

#include "files.h"
#include "message.h"
#include "picture.h"

cairo_t *canvas_create(int width, int height)
{
    cairo_surface_t *sheet = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    cairo_t *canvas = cairo_create(sheet);

    cairo_surface_destroy(sheet);                     /* the canvas keeps it */
    cairo_set_source_rgb(canvas, 1, 1, 1);
    cairo_paint(canvas);
    return canvas;
}

bool canvas_save(cairo_t *canvas, const char *path)
{
    struct bytes png = {0};
    cairo_status_t status = cairo_status(canvas);
    bool good;

    if (!status)
        status = cairo_surface_write_to_png_stream(cairo_get_target(canvas), picture_collect, &png);
    good = status ? fail("cannot draw %s: %s", path, cairo_status_to_string(status))
                  : file_save(path, png.data, png.size);
    bytes_free(&png);
    cairo_destroy(canvas);
    return good;
}

void canvas_colour(cairo_t *canvas, int colour, double opacity)
{
    cairo_set_source_rgba(canvas, (colour >> 16 & 255) / 255.0, (colour >> 8 & 255) / 255.0,
                          (colour & 255) / 255.0, opacity);
}

void canvas_text(cairo_t *canvas, double x, double y, enum align align,
                 const struct canvas_font *font, const char *text)
{
    static const double before[] = {[LEFT] = 0, [CENTRE] = 0.5, [RIGHT] = 1};
    cairo_text_extents_t extents;

    cairo_select_font_face(canvas, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           font->bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(canvas, font->size);
    canvas_colour(canvas, font->colour, 1);
    cairo_text_extents(canvas, text, &extents);
    cairo_move_to(canvas, x - before[align] * extents.x_advance, y);
    cairo_show_text(canvas, text);
    cairo_new_path(canvas);                           /* text leaves a point to start from */
}
