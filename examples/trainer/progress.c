/* progress.c - how training is going: a bar on a terminal, one line per epoch elsewhere. */
#include "progress.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static const double redraw_seconds = 0.1, fade_seconds = 3.0;

enum { COLUMNS = 80, SHORTEST_BAR = 10, LONGEST_BAR = 40, TEXT = 96 };

double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* --- Figures ---------------------------------------------------------------------------------- */

static void speed_add(struct speed *speed, int64_t images, double seconds)
{
    double keep = exp(-seconds / fade_seconds);

    speed->images = keep * speed->images + (double)images;
    speed->seconds = keep * speed->seconds + seconds;
}

static double images_per_second(const struct speed *speed)
{
    return speed->seconds > 0 ? speed->images / speed->seconds : 0;
}

/* 4:05, or 1:04:05. */
static void format_duration(char text[TEXT], double seconds)
{
    const int64_t total = (int64_t)fmin(seconds + 0.5, 1e9);
    const int64_t hours = total / 3600, minutes = total / 60 % 60;

    if (hours)
        snprintf(text, TEXT, "%" PRId64 ":%02" PRId64 ":%02" PRId64, hours, minutes, total % 60);
    else
        snprintf(text, TEXT, "%" PRId64 ":%02" PRId64, minutes, total % 60);
}

static double fraction_done(const struct progress *p, const struct progress_step *step)
{
    return (double)step->step / ((double)p->steps_per_epoch * (double)p->epochs);
}

/* The speed, the loss and the time left, as both forms show them. */
static void format_figures(char text[TEXT], const struct progress *p,
                           const struct progress_step *step)
{
    const double steps_left = (double)p->steps_per_epoch * (double)p->epochs - (double)step->step;
    const double rate = images_per_second(&p->speed);
    char left[TEXT];

    format_duration(left, rate > 0 ? steps_left * (double)step->images / rate : 0);
    const int length = snprintf(text, TEXT, "%.0f images/s  loss %.5f  ETA %.16s", rate, step->loss,
                                left);
    if (p->ranks > 1)
        snprintf(text + length, (size_t)(TEXT - length), "  %d ranks", p->ranks);
}

static void format_epoch(char text[TEXT], const struct progress *p,
                         const struct progress_step *step)
{
    const int width = snprintf(NULL, 0, "%" PRId64, p->epochs);

    snprintf(text, TEXT, "epoch %*" PRId64 "/%" PRId64, width, step->epoch, p->epochs);
}

/* --- The two forms ---------------------------------------------------------------------------- */

/* Asked for every time: windows change their size. */
static int terminal_columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col ? COLUMNS : size.ws_col;
}

/* epoch  3/10 [=========>           ]  27%  11234 images/s  loss 0.01234  ETA 0:41
 * One line that never wraps: the bar takes the room that the figures leave. */
static void draw_bar(const struct progress *p, const struct progress_step *step)
{
    static const char full[] = "========================================";
    char epoch[TEXT], figures[TEXT], line[3 * TEXT];
    const double done = fmin(1, fraction_done(p, step));
    const int columns = terminal_columns();
    int bar, filled, length;

    format_epoch(epoch, p, step);
    format_figures(figures, p, step);
    bar = columns - 1 - (int)(strlen(epoch) + strlen(" []  100%  ") + strlen(figures));
    bar = bar > LONGEST_BAR ? LONGEST_BAR : bar;
    filled = (int)(done * bar);
    /* cppcheck-suppress knownConditionTrueFalse ; it takes strlen of what snprintf wrote for one value */
    if (bar < SHORTEST_BAR)
        length = snprintf(line, sizeof line, "%s  %s", epoch, figures);
    else
        length = snprintf(line, sizeof line, "%s [%.*s%s%*s] %3.0f%%  %s", epoch, filled, full,
                          filled < bar ? ">" : "", filled < bar ? bar - filled - 1 : 0, "",
                          floor(100 * done), figures);
    fprintf(stderr, "\r%.*s\033[K", length < columns ? length : columns - 1, line);
    fflush(stderr);
}

static void print_epoch(const struct progress *p, const struct progress_step *step)
{
    char epoch[TEXT], figures[TEXT];

    format_epoch(epoch, p, step);
    format_figures(figures, p, step);
    fprintf(stderr, "%s  %s\n", epoch, figures);
}

/* --- What the training loop calls ------------------------------------------------------------- */

static bool can_redraw(void)
{
    const char *kind = getenv("TERM");

    return isatty(STDERR_FILENO) && kind && strcmp(kind, "dumb") != 0;
}

void progress_begin(struct progress *p, int64_t epochs, int64_t steps_per_epoch, bool quiet)
{
    *p = (struct progress){.quiet = quiet, .terminal = can_redraw(), .epochs = epochs,
                           .steps_per_epoch = steps_per_epoch, .drawn_at = -1e9};
}

void progress_show(struct progress *p, const struct progress_step *step)
{
    speed_add(&p->speed, step->images, step->seconds);
    if (p->quiet)
        return;
    if (!p->terminal) {
        if (step->epoch_done)
            print_epoch(p, step);
        return;
    }

    const double now = seconds_now();
    const bool last = step->step == p->steps_per_epoch * p->epochs;
    if (now - p->drawn_at < redraw_seconds && !last)
        return;
    draw_bar(p, step);
    p->drawn = true;
    p->drawn_at = now;
}

void progress_end(struct progress *p)
{
    if (p->drawn)
        putc('\n', stderr);
    p->drawn = false;
}
