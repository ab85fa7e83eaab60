/* setup.c - what a command stands on: a context, a model, and words for what is not there. */
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700 /* realpath */
#endif
#include "setup.h"

#include "../trainer/message.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static void hear(void *user, int32_t level, const char *text)
{
    const struct call *call = user;

    if (level >= CAE_LOG_WARNING && !call->settings.quiet)
        say("%s", text);
}

bool open_context(struct call *call)
{
    cae_context_options options;
    cae_status status;

    cae_context_options_init(&options, sizeof options);
    options.threads = (int32_t)call->settings.threads;
    options.log = hear;
    options.log_user = call;
    status = cae_context_create(&call->context, &options);
    return !status || fail_status(NULL, status, "cannot start with --threads %" PRId64,
                                  call->settings.threads);
}

bool fail_file(const cae_context *context, cae_status status, const char *path)
{
    const char *reason = cae_context_error(context);
    const size_t length = strlen(path);

    if (!strncmp(reason, path, length) && !strncmp(reason + length, ": ", 2))
        reason += length + 2;
    return fail("%s: %s", path, *reason ? reason : cae_status_string(status));
}

bool open_model(struct call *call)
{
    const char *path = call->settings.model;
    cae_status status;

    if (!path)
        return fail("--model: expected a model file, found nothing");
    if (!open_context(call))
        return false;
    status = cae_model_load(&call->model, call->context, path);
    if (status == CAE_ERR_IO && access(path, F_OK))
        return fail("%s: expected a model file, found none; `cae train --out FILE` makes one", path);
    return !status || fail_file(call->context, status, path);
}

bool is_standard(const char *path)
{
    return !strcmp(path, STANDARD);
}

/* --- Files ----------------------------------------------------------------------------------- */

static bool look(struct stat *found, const char *path, int standard)
{
    return is_standard(path) ? !fstat(standard, found) : !stat(path, found);
}

bool same_file(const char *input, const char *output)
{
    struct stat a, b;

    return look(&a, input, STDIN_FILENO) && look(&b, output, STDOUT_FILENO) && S_ISREG(a.st_mode) &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool may_write(const struct call *call, const char *input, const char *output)
{
    return call->settings.force || !same_file(input, output) ||
           fail("%s: expected another file than the input %s, found the same; --force replaces it",
                output, input);
}

static bool is_below(const char *directory, const char *path)
{
    char *top = realpath(directory, NULL), *real = realpath(path, NULL);
    const size_t length = top ? strlen(top) : 0;
    const bool below = top && real && !strncmp(real, top, length) &&
                       (real[length] == '/' || top[length - 1] == '/');

    free(top);
    free(real);
    return below;
}

/* As what the library reads of a directory is called; a model may lie there, too. */
static bool is_called_as_images(const char *path)
{
    static const char *const ends[] = {".png", ".jpg", ".jpeg", ".bin"};
    const char *dot = strrchr(base_name(path), '.');

    for (int i = 0; i < COUNT(ends); i++)
        if (dot && !strcasecmp(dot, ends[i]))
            return true;
    return false;
}

bool spares(const char *option, const char *path, const char *output)
{
    if (!path)
        return true;
    if (same_file(path, output))
        return fail("%s: expected another file than that of --%s, found the same", output, option);
    return !is_called_as_images(output) || !is_below(path, output) ||
           fail("%s: expected a name of its own, found one of the images in %s", output, path);
}

bool can_be_written(const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[PATH_MAX] = ".";
    struct stat found;

    if (!stat(path, &found) && S_ISDIR(found.st_mode))
        return fail("%s: expected a file to write, found a directory", path);
    if (slash && (size_t)(slash - path) < sizeof directory - 1)
        snprintf(directory, sizeof directory, "%.*s", (int)(slash == path ? 1 : slash - path), path);
    if (stat(directory, &found))
        return fail("%s: cannot be written: %s: %s", path, directory, strerror(errno));
    if (!S_ISDIR(found.st_mode))
        return fail("%s: cannot be written: %s is no directory", path, directory);
    return !access(directory, W_OK | X_OK) ||
           fail("%s: cannot be written: %s: %s", path, directory, strerror(errno));
}

const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* --- Options --------------------------------------------------------------------------------- */

bool parse_extents(int64_t extents[2], const char *option, const char *text)
{
    const int64_t most = 1048576;
    char first[16];
    const char *cross = strchr(text, 'x');

    snprintf(first, sizeof first, "%.*s", (int)(cross ? cross - text : 15), text);
    return (parse_whole(&extents[0], first, 1, most) &&
            parse_whole(&extents[1], cross ? cross + 1 : first, 1, most)) ||
           fail("--%s: expected HEIGHTxWIDTH or one number, each from 1 to %" PRId64 ", found '%s'",
                option, most, text);
}
