/* canvas.h - what the two pictures share: a white sheet, coloured text, a PNG file. */
#ifndef TRAINER_CANVAS_H
#define TRAINER_CANVAS_H

#include <cairo.h>
#include <stdbool.h>

/* Colours as 0xRRGGBB. */
enum { INK = 0x222222, FAINT_INK = 0x6b6b6b };

enum align { LEFT, CENTRE, RIGHT };

/* A white sheet to draw on; never NULL, as cairo keeps its errors until they are asked for. */
cairo_t *canvas_create(int width, int height);

/* Write it as PNG, replacing what was there; says what went wrong. Destroys the canvas. */
bool canvas_save(cairo_t *canvas, const char *path);

void canvas_colour(cairo_t *canvas, int colour, double opacity);

/* One line of text; y is its base line. */
struct canvas_font {
    double size;
    int colour;
    bool bold;
};
void canvas_text(cairo_t *canvas, double x, double y, enum align align,
                 const struct canvas_font *font, const char *text);

#endif
