/* history.c - every step taken, in memory and in log.csv.
 *
 * The program never calls setlocale, so printf and strtod keep the decimal point. */
#include "history.h"

#include "files.h"
#include "message.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char header[] = "step,epoch,loss,learning_rate,images_per_second\n";

bool history_add(struct history *history, const struct history_row *row)
{
    if (history->count == history->capacity) {
        size_t capacity = 2 * history->capacity + 256;
        struct history_row *grown = realloc(history->rows, capacity * sizeof *grown);
        if (!grown)
            return fail("out of memory for the log");
        history->rows = grown;
        history->capacity = capacity;
    }
    history->rows[history->count++] = *row;
    return true;
}

void history_free(struct history *history)
{
    free(history->rows);
    *history = (struct history){0};
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* One line without its end. */
static bool parse_row(struct history_row *row, const char *line)
{
    int length = -1;

    (void)sscanf(line, "%" SCNd64 ",%" SCNd64 ",%lf,%lf,%lf%n", &row->step, &row->epoch, &row->loss,
                 &row->learning_rate, &row->images_per_second, &length); /* which says it all */
    return length >= 0 && !line[length] && isfinite(row->loss) && isfinite(row->learning_rate) &&
           isfinite(row->images_per_second);
}

/* Steps follow one another, so the first that goes back or is damaged tells a foreign file. What
 * lies behind the last step may be anything: power failed while it was written. */
static bool load_rows(struct history *history, char *text, const char *path, int64_t last_step)
{
    int64_t previous = 0;
    char *end;

    for (int number = 2; previous < last_step && (end = strchr(text, '\n'));
         text = end + 1, number++) {
        struct history_row row;
        *end = '\0';
        if (!parse_row(&row, text) || row.step <= previous)
            return fail("%s, line %d: expected %.*s, found '%.60s'", path,
                        number, (int)strlen(header) - 1, header, text);
        previous = row.step;
        if (row.step <= last_step && !history_add(history, &row))
            return false;
    }
    return true;                                      /* half a line at the end: never finished */
}

bool history_load(struct history *history, const char *path, int64_t last_step)
{
    struct bytes text;
    bool good = true;

    if (!file_read(&text, path))
        return false;
    if (text.size > 1) {
        if (strncmp(text.data, header, strlen(header)) != 0)
            good = fail("%s is not a training log: expected the line %.*s", path,
                        (int)strlen(header) - 1, header);
        else
            good = load_rows(history, text.data + strlen(header), path, last_step);
    }
    bytes_free(&text);
    return good;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static bool print_row(struct bytes *text, const struct history_row *row)
{
    char line[160];
    int length = snprintf(line, sizeof line, "%" PRId64 ",%" PRId64 ",%.9g,%.9g,%.1f\n", row->step,
                          row->epoch, row->loss, row->learning_rate, row->images_per_second);

    return bytes_add(text, line, (size_t)length);
}

static bool print_rows(struct bytes *text, const struct history *history)
{
    if (!history->on_disk && !bytes_add(text, header, strlen(header)))
        return false;
    for (size_t i = history->saved; i < history->count; i++)
        if (!print_row(text, &history->rows[i]))
            return false;
    return true;
}

bool history_save_aside(const struct history *history, const char *aside)
{
    struct bytes text = {0};
    const bool good = print_rows(&text, history) ? file_save(aside, text.data, text.size)
                                                 : fail("out of memory for the log");

    bytes_free(&text);
    return good;
}

bool history_take_place(struct history *history, const char *aside, const char *path)
{
    if (!file_rename(aside, path))
        return false;
    history->on_disk = true;
    history->saved = history->count;
    return true;
}

/* The log aside is written first, and ends with the checkpoint's step. */
bool history_recover(const char *aside, const char *path, const char *checkpoint,
                     int64_t last_step)
{
    struct history rows = {0};
    const bool good = history_load(&rows, aside, INT64_MAX);
    const bool belongs = rows.count && rows.rows[rows.count - 1].step == last_step &&
                         !file_is_older(checkpoint, aside);

    history_free(&rows);
    if (!good)
        return false;
    if (belongs)
        return file_rename(aside, path);
    file_remove(aside);
    return true;
}

bool history_save(struct history *history, const char *path)
{
    struct bytes text = {0};
    bool good;

    if (!print_rows(&text, history))
        good = fail("out of memory for the log");
    else if (history->on_disk)
        good = file_append(path, text.data, text.size);
    else
        good = file_save(path, text.data, text.size);
    if (good) {
        history->on_disk = true;
        history->saved = history->count;
    }
    bytes_free(&text);
    return good;
}
