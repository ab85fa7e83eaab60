/* data.c - the images: a CIFAR-10 directory, or the built-in set. */
#include "data.h"

#include "message.h"

/* The built-in set stands in for CIFAR-10: as many channels and pixels. The two splits are two
 * seeds, and have nothing to do with --seed: every run sees the same images. */
enum { CHANNELS = 3, SIDE = 32 };

static const struct {
    int64_t count;
    uint64_t seed;
} built_in[] = {[CAE_SPLIT_TRAIN] = {20000, 1}, [CAE_SPLIT_TEST] = {500, 2}};

static int64_t limit(const struct options *options, int32_t split, int64_t count)
{
    return split == CAE_SPLIT_TRAIN && options->limit && options->limit < count ? options->limit
                                                                                : count;
}

const char *data_name(const struct options *options)
{
    return options->data ? "cifar10" : "dead-leaves";
}

static cae_status make_built_in(cae_dataset **out, cae_context *context,
                                const struct options *options, int32_t split)
{
    return cae_dataset_create_dead_leaves(out, context,
                                          limit(options, split, built_in[split].count), CHANNELS,
                                          SIDE, SIDE, built_in[split].seed, NULL);
}

static cae_status open_cifar10(cae_dataset **out, cae_context *context,
                               const struct options *options, int32_t split)
{
    cae_dataset_options how;
    cae_dataset *all;
    cae_status status;

    cae_dataset_options_init(&how, sizeof how);
    how.memory = options->memory << 20;
    status = cae_dataset_open_cifar10(&all, context, options->data, split, &how);
    if (status)
        return status;
    status = cae_dataset_slice(out, all, 0, limit(options, split, cae_dataset_count(all)));
    cae_dataset_destroy(all);
    return status;
}

bool data_open(cae_dataset **out, cae_context *context, const struct options *options,
               int32_t split)
{
    const cae_status status = options->data ? open_cifar10(out, context, options, split)
                                            : make_built_in(out, context, options, split);

    return !status || fail_status(context, status, "cannot open the %s images",
                                  split == CAE_SPLIT_TRAIN ? "training" : "test");
}
