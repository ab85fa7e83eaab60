/* output.h - what goes to standard output, and reports as JSON. */
#ifndef TOOL_OUTPUT_H
#define TOOL_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Write bytes to standard output. A pipe that nobody reads fails without a word. */
bool output_write(const void *data, size_t size);

/* The last write met a pipe that nobody reads, or there has been none. */
bool output_pipe_is_broken(void);

/* Print a report as one JSON object, on stderr when standard output is taken by a picture. Takes
 * `report` over; NULL is one that there was no memory for. */
bool output_report(json_t *report, bool to_stderr);

/* null for what JSON has no number for. */
json_t *output_real(double value);

/* A path; where it is not UTF-8, which JSON is, with question marks for what is not ASCII. */
json_t *output_text(const char *text);

#endif
