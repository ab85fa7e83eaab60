/* score.c - cae calibrate, cae score: pictures that are unlike those a model was trained on. */
#include "data.h"
#include "heat.h"
#include "output.h"
#include "picture.h"
#include "setup.h"

#include "../trainer/files.h"
#include "../trainer/message.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const kinds[] = {[CAE_SCORE_MEAN] = "mean", [CAE_SCORE_PEAK] = "peak", NULL};

/* --- cae calibrate --------------------------------------------------------------------------- */

static const struct argument calibrate_arguments[] = {
    ROW_MODEL("what `cae train` saved"),
    {"data", "PATH", ARGUMENT_NAME, FIELD(data), "a directory or a .npy", 0, 0,
     "clean images: CIFAR-10, a folder of pictures or a .npy", NULL},
    {"out", "FILE", ARGUMENT_NAME, FIELD(out), "a file", 0, 0, "the model with its threshold", NULL},
    {"quantile", "Q", ARGUMENT_REAL, FIELD(quantile), "a number greater than 0, at most 1", 0, 1,
     "share of the clean images that stay below the threshold", NULL},
    {"kind", "NAME", ARGUMENT_CHOICE, FIELD(kind), "mean or peak", 0, 0,
     "mean: of the frame; peak: the worst place, for small defects", kinds},
    {"smoothing", "N", ARGUMENT_WHOLE, FIELD(smoothing), "a whole number from 0 to 256", 0, 256,
     "radius in pixels over which the error is averaged", NULL},
    ROW_CROP,
    ROW_LIMIT("use the first N images only (all)"),
    ROW_SCALE,
    ROW_THREADS,
    ROW_FORCE,
    {"quiet", NULL, ARGUMENT_FLAG, FIELD(quiet), NULL, 0, 0, "print nothing but errors", NULL},
    ROW_JSON,
    ROW_HELP,
};

static bool report_threshold(const struct call *call, const struct data *clean, double threshold)
{
    const struct settings *s = &call->settings;
    char text[REAL_TEXT], quantile[REAL_TEXT];

    if (s->json)
        return output_report(json_pack("{s:s, s:o, s:o, s:s, s:I, s:f, s:f, s:s, s:I}",
                                       "command", "calibrate",
                                       "model", output_text(s->model),
                                       "output", output_text(s->out),
                                       "dataset", clean->kind,
                                       "images", (json_int_t)cae_dataset_count(clean->dataset),
                                       "threshold", threshold, "quantile", s->quantile,
                                       "kind", kinds[s->kind], "smoothing", (json_int_t)s->smoothing),
                             false);
    if (!s->quiet)
        printf("threshold %s: the scores of %s of %" PRId64 " clean images are not above it\n"
               "The model is in %s\n", format_real(text, threshold), format_real(quantile, s->quantile),
               cae_dataset_count(clean->dataset), s->out);
    return true;
}

static bool calibrate(struct call *call, struct data *clean)
{
    const struct settings *s = &call->settings;
    cae_scorer_options options;
    double threshold = 0;
    int32_t channels = 0;
    cae_status status;

    cae_model_channels(&channels, NULL, call->model, NULL, CAE_PART_WHOLE);
    if (!data_open(clean, call, CAE_SPLIT_TEST, channels))
        return false;
    cae_scorer_options_init(&options, sizeof options);
    options.kind = (int32_t)s->kind;
    options.smoothing = (int32_t)s->smoothing;
    status = cae_model_calibrate(&threshold, call->model, NULL, clean->dataset, s->quantile, &options);
    if (status)
        return fail_status(call->context, status, "cannot calibrate %s", s->model);
    status = cae_model_save(call->model, s->out);
    if (status)
        return fail_file(call->context, status, s->out);
    return report_threshold(call, clean, threshold);
}

static bool needs(const char *value, const char *option, const char *expected)
{
    return value || fail("--%s: expected %s, found nothing", option, expected);
}

static int run_calibrate(struct call *call)
{
    const struct settings *s = &call->settings;
    struct data clean = {0};
    int64_t size[2];
    int code = EXIT_FAILED;

    if (!needs(s->model, "model", "a model file") || !needs(s->data, "data", "clean images") ||
        !needs(s->out, "out", "a file for the model with its threshold") ||
        !parse_extents(size, "crop", s->crop))
        return EXIT_USAGE;
    if (may_write(call, s->model, s->out) && spares("data", s->data, s->out) && can_be_written(s->out) &&
        open_model(call) && calibrate(call, &clean))
        code = EXIT_DONE;
    data_close(&clean);
    return code;
}

const struct command command_calibrate = {
    .name = "calibrate",
    .summary = "find the score that clean images stay below",
    .synopsis = "--model FILE --data PATH --out FILE [OPTION]...",
    .least = 0, .most = 0, .files = "options only",
    .arguments = calibrate_arguments, .argument_count = COUNT(calibrate_arguments),
    .defaults = {.quantile = 0.99, .kind = CAE_SCORE_MEAN, .smoothing = 1, .crop = "64", .limit = -1},
    .description =
        "DESCRIPTION\n"
        "  Scores clean images, which should not be those of the training, and saves the model with\n"
        "  the score that a share --quantile of them stays below. --data is a directory in CIFAR-10's\n"
        "  binary format (its test images), a folder, from whose pictures parts of --crop are cut out,\n"
        "  or a .npy. A peak is found in as many pixels as a frame has: calibrate it with parts of\n"
        "  the size that the frames to be scored have.\n"
        "\n"
        "EXIT STATUS\n"
        "  0 done, 1 failed, 2 wrong usage.\n"
        "\n"
        "EXAMPLES\n"
        "  cae calibrate --model normal.safetensors --data clean --kind peak --out ready.safetensors\n",
    .run = run_calibrate,
};

/* --- cae score ------------------------------------------------------------------------------- */

static const struct argument score_arguments[] = {
    ROW_MODEL("what `cae calibrate` saved"),
    {"map", "DIR", ARGUMENT_NAME, FIELD(map), "a directory", 0, 0,
     "write FILE.map.png there: where the error is", NULL},
    {"check", NULL, ARGUMENT_FLAG, FIELD(check), NULL, 0, 0,
     "fail where the model has no threshold to judge by", NULL},
    ROW_SCALE,
    ROW_THREADS,
    ROW_JSON,
    ROW_HELP,
};

/* Pictures of one size share a scorer. */
struct judge {
    const struct call *call;
    cae_scorer *scorer;
    int64_t height, width; /* of its frames */
    int channels;          /* that the model reads */
    bool calibrated;
    double threshold;
    cae_scorer_options options;
    json_t *files;
    int64_t above, failed;
};

static bool use_scorer(struct judge *j, int64_t height, int64_t width, const char *path)
{
    cae_status status;

    if (j->scorer && j->height == height && j->width == width)
        return true;
    cae_scorer_destroy(j->scorer);
    j->scorer = NULL;
    status = cae_scorer_create(&j->scorer, j->call->model, NULL, (int32_t)height, (int32_t)width, NULL);
    if (status)
        return fail_file(j->call->context, status, input_name(path));
    j->height = height;
    j->width = width;
    return true;
}

/* As cae_dataset_open_folder sees pictures, with which a model may have been calibrated: grey is
 * repeated, colours become grey by luma, alpha is left out. NULL, having said why. */
static float *frame_of_picture(const struct judge *j, const struct picture *p, const char *path)
{
    const size_t size = (size_t)(p->height * p->width);
    const bool alpha = (p->channels == 2 || p->channels == 4) && p->channels != j->channels;
    const int colours = p->channels - alpha;
    float *x;

    if (colours != j->channels && !(colours == 1 && j->channels == 3) &&
        !(colours == 3 && j->channels == 1)) {
        fail("%s: expected a picture of %d channels, which is what %s reads, found %d",
             input_name(path), j->channels, j->call->settings.model, colours);
        return NULL;
    }
    x = floats_new((size_t)j->channels * size);
    if (x && colours == j->channels)
        memcpy(x, p->planes, (size_t)colours * size * sizeof *x);
    else if (x && colours == 1)
        for (int c = 0; c < j->channels; c++)
            memcpy(x + (size_t)c * size, p->planes, size * sizeof *x);
    else if (x && !luma(x, j->call, p, path)) {
        free(x);
        return NULL;
    }
    return x;
}

/* Of a picture's map, without ".map.png". */
static const char *map_name(const char *path)
{
    return !is_standard(path) ? base_name(path) : "standard-input";
}

static char *map_path(const char *directory, const char *path)
{
    char *joined = path_join(directory, map_name(path));
    const size_t length = joined ? strlen(joined) + sizeof ".map.png" : 0;
    char *name = joined ? malloc(length) : NULL;

    if (name)
        snprintf(name, length, "%s.map.png", joined);
    free(joined);
    return name;
}

static bool write_map(const struct judge *j, char **name, const float *map, const char *path)
{
    const double white = j->calibrated && j->options.kind == CAE_SCORE_PEAK ? 2 * j->threshold : 0;

    *name = map_path(j->call->settings.map, path);
    return *name ? heat_write(j->call, map, j->height, j->width, white, *name)
                 : fail("out of memory");
}

static const char *verdict_of(const struct judge *j, double score)
{
    return !j->calibrated ? NULL : score > j->threshold ? "anomaly" : "normal";
}

static void tell(struct judge *j, const char *path, double score, const char *map)
{
    const char *verdict = verdict_of(j, score);

    j->above += verdict && score > j->threshold;
    if (j->call->settings.json)
        json_array_append_new(j->files, json_pack("{s:o, s:o, s:o, s:o}", "file", output_text(path),
                                                  "score", output_real(score),
                                                  "verdict", verdict ? json_string(verdict) : json_null(),
                                                  "map", map ? output_text(map) : json_null()));
    else
        printf("%-12.6g  %-7s  %s\n", score, verdict ? verdict : "-", path);
}

static bool score(struct judge *j, const char *path)
{
    struct picture picture;
    float *x = NULL, *map = NULL;
    char *name = NULL;
    double value = 0;
    size_t size;
    bool good;

    if (!picture_read(&picture, j->call, path))
        return false;
    size = (size_t)(picture.height * picture.width);
    good = use_scorer(j, picture.height, picture.width, path) &&
           (x = frame_of_picture(j, &picture, path)) &&
           (!j->call->settings.map || (map = floats_new(size)));
    picture_free(&picture);
    if (good) {
        const cae_status status = cae_scorer_run(&value, map, map ? size : 0, j->scorer, x,
                                                 (size_t)j->channels * size);
        good = !status || fail_file(j->call->context, status, input_name(path));
    }
    good = good && (!map || write_map(j, &name, map, path));
    if (good)
        tell(j, path, value, name);
    free(name);
    free(map);
    free(x);
    return good;
}

static bool report_scores(struct judge *j)
{
    return output_report(json_pack("{s:s, s:o, s:o, s:s, s:i, s:O, s:I, s:I}", "command", "score",
                                   "model", output_text(j->call->settings.model),
                                   "threshold", j->calibrated ? json_real(j->threshold) : json_null(),
                                   "kind", kinds[j->options.kind],
                                   "smoothing", (int)j->options.smoothing, "files", j->files,
                                   "anomalies", (json_int_t)j->above, "failed", (json_int_t)j->failed),
                         false);
}

static int score_all(struct judge *j)
{
    const struct call *call = j->call;
    bool good;

    j->files = json_array();
    for (int i = 0; i < call->count; i++)
        j->failed += !score(j, call->files[i]);
    good = !j->failed;
    if (call->settings.json)
        good = report_scores(j) && good;
    json_decref(j->files);
    cae_scorer_destroy(j->scorer);
    return !good ? EXIT_FAILED : j->above ? EXIT_ANOMALIES : EXIT_DONE;
}

/* A threshold to judge by is asked for before any picture is read. */
static bool is_ready(struct judge *j)
{
    cae_scorer_options_init(&j->options, sizeof j->options);
    j->calibrated = !cae_model_threshold(&j->threshold, NULL, &j->options, j->call->model);
    return j->calibrated || !j->call->settings.check ||
           fail("%s: expected a calibrated model, found no threshold; "
                "`cae calibrate --model %s --data CLEAN --out FILE` finds one",
                j->call->settings.model, j->call->settings.model);
}

static bool maps_can_be_written(const struct call *call)
{
    struct stat found;

    return !call->settings.map || (!stat(call->settings.map, &found) && S_ISDIR(found.st_mode)) ||
           fail("--map: expected a directory, found none of the name %s", call->settings.map);
}

/* A map is not to go where the map of another picture goes. */
static bool maps_differ(const struct call *call)
{
    for (int i = 0; call->settings.map && i < call->count; i++)
        for (int j = 0; j < i; j++)
            if (!strcmp(map_name(call->files[i]), map_name(call->files[j])))
                return fail("%s and %s: expected names that differ, as the maps of both go into %s",
                            call->files[j], call->files[i], call->settings.map);
    return true;
}

/* Nor where a picture is. */
static bool maps_spare(const struct call *call, const char *picture)
{
    for (int i = 0; call->settings.map && i < call->count; i++) {
        const char *name = map_name(call->files[i]);
        const size_t length = strlen(name);
        char *map;
        bool same;
        if (strncmp(base_name(picture), name, length) != 0 ||
            strcmp(base_name(picture) + length, ".map.png") != 0)
            continue;
        map = map_path(call->settings.map, call->files[i]);
        same = !map || same_file(picture, map);
        free(map);
        if (same)
            return fail("%s: expected another place than that of the map of %s, found the same",
                        picture, call->files[i]);
    }
    return true;
}

static bool maps_spare_pictures(const struct call *call)
{
    for (int i = 0; i < call->count; i++)
        if (!maps_spare(call, call->files[i]))
            return false;
    return true;
}

static int run_score(struct call *call)
{
    struct judge judge = {.call = call};
    int32_t channels = 0;

    if (!needs(call->settings.model, "model", "a model file") || !maps_differ(call))
        return EXIT_USAGE;
    if (!maps_spare_pictures(call))
        return EXIT_FAILED;
    if (!maps_can_be_written(call) || !open_model(call) || !is_ready(&judge))
        return EXIT_FAILED;
    cae_model_channels(&channels, NULL, call->model, NULL, CAE_PART_WHOLE);
    judge.channels = channels;
    return score_all(&judge);
}

const struct command command_score = {
    .name = "score",
    .summary = "say how unlike its training images a model finds pictures",
    .synopsis = "FILE... --model FILE [OPTION]...",
    .least = 1, .most = INT_MAX, .files = "one picture or more",
    .arguments = score_arguments, .argument_count = COUNT(score_arguments),
    .defaults = {.scale = CAE_SCALE_SIGNED},
    .description =
        "DESCRIPTION\n"
        "  A model reproduces what it knows. The score of a picture is the squared error of its\n"
        "  reproduction, over the whole picture or, as `cae calibrate --kind peak` says, in the worst\n"
        "  place. Prints a line for each file: score, verdict, name. The verdict is `anomaly` above\n"
        "  the threshold that `cae calibrate` has found, `normal` else, `-` for a model without one.\n"
        "\n"
        "  Files are .png, .jpg or .npy, or - for standard input. Grey is repeated for a model of three\n"
        "  channels, colour becomes grey for one of one channel, alpha is left out.\n"
        "\n"
        "  --map writes where the error is, from black over red and yellow to white. White is the\n"
        "  largest error of the picture; with a threshold of kind peak it is twice the threshold, so\n"
        "  that the maps of several pictures can be compared. Names of pictures must differ, and no\n"
        "  picture be where a map goes.\n"
        "\n"
        "EXIT STATUS\n"
        "  0 done and nothing above the threshold, 1 failed (any of the files), 2 wrong usage,\n"
        "  3 some are above the threshold.\n"
        "\n"
        "EXAMPLES\n"
        "  cae score part-*.png --model ready.safetensors\n"
        "  cae score frame.png --model ready.safetensors --map maps --check --json\n",
    .run = run_score,
};
