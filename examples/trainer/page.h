/* page.h - report.html, one section a function. */
#ifndef TRAINER_PAGE_H
#define TRAINER_PAGE_H

#include "html.h"
#include "run.h"
#include "survey.h"

#include <jansson.h>

/* Write everything that the run found out as one page that needs nothing beside it: no network, no
 * script, no font. */
bool page_save(const char *path, const struct run *run);

/* What the sections are made of. */
struct page {
    struct html *html;
    const struct run *run;
    json_t *metrics;         /* what metrics.json says */
    struct survey survey;
};

/* --- The sections, in page_*.c. False: they cannot be made, and a message has told why. ------- */

void page_headline(const struct page *page);
void page_quality(const struct page *page);
void page_figures(const struct page *page);

void page_training(const struct page *page);
void page_distribution(const struct page *page);

bool page_samples(const struct page *page);
bool page_worst(const struct page *page);

void page_network(const struct page *page);
bool page_filters(const struct page *page);
bool page_latent(const struct page *page);

/* --- Shared ----------------------------------------------------------------------------------- */

/* Pieces, then NULL. */
extern const char *const page_style[];

/* <section id="id"><h2>title</h2>; the caller ends it. */
void page_section(const struct page *page, const char *id, const char *title);

/* "29.41", or the sign of infinity. */
enum { FIGURE_TEXT = 64 };
const char *page_decibels(char text[FIGURE_TEXT], double psnr);

/* 1234567 as "1,234,567". */
const char *page_whole(char text[FIGURE_TEXT], int64_t value);

/* Pictures are cut to their middle, so that the page stays small, and shown enlarged by a whole
 * number, about SHOT wide. */
enum { SHOT = 96, MOST = 192, MOST_OF_LATENT = 96 };
int page_zoom(const struct picture *picture, int wanted);

#endif
