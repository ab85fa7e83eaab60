/* data.c - images to train on, to evaluate with, to calibrate by. */
#include "data.h"

#include "setup.h"

#include "../trainer/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As many channels and pixels as CIFAR-10 has; the trainers' images. */
enum { CHANNELS = 3, SIDE = 32 };

static const struct {
    int64_t count;
    uint64_t seed;
} built_in[] = {[CAE_SPLIT_TRAIN] = {20000, 1}, [CAE_SPLIT_TEST] = {500, 2}};

/* --- What --data names ----------------------------------------------------------------------- */

static bool holds(const char *directory, const char *name)
{
    char path[4096];

    return (size_t)snprintf(path, sizeof path, "%s/%s", directory, name) < sizeof path &&
           !access(path, F_OK);
}

static bool holds_cifar10(const char *directory)
{
    static const char *const names[] = {"test_batch.bin", "data_batch_1.bin", "data_batch_2.bin",
                                        "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"};

    for (int i = 0; i < COUNT(names); i++)
        if (holds(directory, names[i]))
            return true;
    return false;
}

static const char *kind_of(const char *path)
{
    struct stat found;

    if (!path)
        return "dead-leaves";
    if (stat(path, &found)) {
        fail("%s: expected a CIFAR-10 directory, a folder of pictures or a .npy: %s", path,
             strerror(errno));
        return NULL;
    }
    if (!S_ISDIR(found.st_mode))
        return "npy";
    return holds_cifar10(path) ? "cifar10" : "folder";
}

/* --- Opening one ----------------------------------------------------------------------------- */

/* Bytes; 0: not given. */
static int64_t memory_of(const struct call *call)
{
    return call->settings.memory > 0 ? call->settings.memory << 20 : 0;
}

static cae_status open_npy(cae_dataset **out, const struct call *call, int32_t layout)
{
    cae_dataset_options options;

    cae_dataset_options_init(&options, sizeof options);
    options.scale = (int32_t)call->settings.scale;
    options.layout = layout;
    options.memory = memory_of(call);
    return cae_dataset_open_npy(out, call->context, call->settings.data, &options);
}

static bool has_channels(int32_t channels, int32_t wanted)
{
    return wanted ? channels == wanted : channels == 1 || channels == 3;
}

/* [count][channels][height][width]; where the channels can only be the last, in that order. */
static cae_status open_npy_either_way(cae_dataset **out, const struct call *call, int32_t channels)
{
    cae_dataset *pixels;
    int32_t first = 0, last = 0;
    cae_status status = open_npy(out, call, CAE_LAYOUT_NCHW);

    if (status)
        return status;
    cae_dataset_shape(&first, NULL, &last, *out);
    if (has_channels(first, channels) || !has_channels(last, channels))
        return CAE_OK;
    status = open_npy(&pixels, call, CAE_LAYOUT_NHWC);
    if (!status) {
        cae_dataset_destroy(*out);
        *out = pixels;
    }
    return CAE_OK;
}

static cae_status open_folder(cae_dataset **out, const struct call *call, int32_t channels)
{
    cae_folder_options options;
    int64_t size[2];

    cae_folder_options_init(&options, sizeof options);
    parse_extents(size, "crop", call->settings.crop);
    options.scale = (int32_t)call->settings.scale;
    options.channels = channels ? channels : call->settings.grey ? 1 : CHANNELS;
    options.height = (int32_t)size[0];
    options.width = (int32_t)size[1];
    options.cache = call->settings.cache;
    if (memory_of(call))
        options.memory = memory_of(call);
    return cae_dataset_open_folder(out, call->context, call->settings.data, &options);
}

static cae_status open_built_in(cae_dataset **out, const struct call *call, int32_t split,
                                int32_t channels)
{
    cae_dataset_options options;

    cae_dataset_options_init(&options, sizeof options);
    options.scale = (int32_t)call->settings.scale;
    return cae_dataset_create_dead_leaves(out, call->context, built_in[split].count,
                                          channels == 1 || (!channels && call->settings.grey) ? 1 : CHANNELS,
                                          SIDE, SIDE, built_in[split].seed, &options);
}

static cae_status open_cifar10(cae_dataset **out, const struct call *call, int32_t split)
{
    cae_dataset_options options;

    cae_dataset_options_init(&options, sizeof options);
    options.scale = (int32_t)call->settings.scale;
    options.memory = memory_of(call);
    return cae_dataset_open_cifar10(out, call->context, call->settings.data, split, &options);
}

static bool keep(struct data *data, const struct call *call, int64_t first, int64_t count)
{
    cae_dataset *part;
    const cae_status status = cae_dataset_slice(&part, data->dataset, first, count);

    if (status)
        return fail_status(call->context, status, "cannot take a part of the images");
    cae_dataset_destroy(data->dataset);
    data->dataset = part;
    return true;
}

static bool keep_first(struct data *data, const struct call *call)
{
    const int64_t limit = call->settings.limit;

    return limit <= 0 || limit >= cae_dataset_count(data->dataset) || keep(data, call, 0, limit);
}

static bool open_all(struct data *data, const struct call *call, int32_t split, int32_t channels)
{
    cae_status status;

    *data = (struct data){.kind = kind_of(call->settings.data)};
    if (!data->kind)
        return false;
    if (!strcmp(data->kind, "npy"))
        status = open_npy_either_way(&data->dataset, call, channels);
    else if (!strcmp(data->kind, "folder"))
        status = open_folder(&data->dataset, call, channels);
    else if (!strcmp(data->kind, "cifar10"))
        status = open_cifar10(&data->dataset, call, split);
    else
        status = open_built_in(&data->dataset, call, split, channels);
    if (status)
        return fail_file(call->context, status, call->settings.data ? call->settings.data : "images");
    data->skipped = cae_dataset_skipped(data->dataset);
    return true;
}

bool data_open(struct data *data, const struct call *call, int32_t split, int32_t channels)
{
    if (open_all(data, call, split, channels) && keep_first(data, call))
        return true;
    data_close(data);
    return false;
}

/* --- To train on, and to evaluate with ------------------------------------------------------- */

static bool divide(struct data *train, struct data *test, const struct call *call)
{
    const int64_t most = 1000, count = cae_dataset_count(train->dataset);
    const int64_t tenth = (count + 9) / 10, held_back = tenth < most ? tenth : most;

    if (count < 2)
        return fail("%s: expected two images or more, to train on and to evaluate with, found %" PRId64,
                    call->settings.data, count);
    *test = *train;
    if (cae_dataset_slice(&test->dataset, train->dataset, count - held_back, held_back)) {
        test->dataset = NULL;
        return fail("out of memory");
    }
    return keep(train, call, 0, count - held_back);
}

bool data_open_both(struct data *train, struct data *test, const struct call *call)
{
    bool good = open_all(train, call, CAE_SPLIT_TRAIN, 0);

    *test = (struct data){0};
    if (good && (!strcmp(train->kind, "cifar10") || !strcmp(train->kind, "dead-leaves")))
        good = open_all(test, call, CAE_SPLIT_TEST, 0);
    else
        good = good && divide(train, test, call);
    good = good && keep_first(train, call);
    if (!good) {
        data_close(train);
        data_close(test);
    }
    return good;
}

void data_close(struct data *data)
{
    cae_dataset_destroy(data->dataset);
    data->dataset = NULL;
}
