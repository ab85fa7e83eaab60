/* scorer.c - one frame in, its score out: all that takes time to settle is settled before.
 *
 * A small frame runs on the calling thread from end to end. A large one is run in tiles, then
 * compared in bands, each of which leaves its figures in a row of its own; rows are put together in
 * order, so the number of threads changes no bit. */
#include "scoring.h"

#include <math.h>

struct cae_scorer {
    struct cae__handle handle;
    cae_model *model;
    uint64_t revision; /* of the parameters that the plans are bound to */
    cae_scorer_options options;
    struct cae__plan plan;
    struct cae__tiling tiling; /* large frames only */
    struct cae__error_map map;
    struct cae__band *bands;
    float *y;                  /* reconstruction of a large frame */
};

const cae_scorer_options cae__scorer_defaults = {
    .size = sizeof cae__scorer_defaults, .kind = CAE_SCORE_MEAN, .smoothing = 1};

cae_status cae_scorer_options_init(cae_scorer_options *options, uint32_t size)
{
    return cae__options_init(options, size, &cae__scorer_defaults, sizeof cae__scorer_defaults);
}

cae_status cae__scorer_options(const cae_context *context, cae_scorer_options *known,
                               const cae_scorer_options *given)
{
    const cae_status status =
        cae__options_read(context, known, sizeof *known, given, "cae_scorer_options");
    if (status != CAE_OK)
        return status;
    if (known->kind < CAE_SCORE_MEAN || known->kind > CAE_SCORE_PEAK)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "kind is %d, expected CAE_SCORE_MEAN or CAE_SCORE_PEAK", (int)known->kind);
    if (known->smoothing < 0 || known->smoothing > CAE__MOST_SMOOTHING || known->reserved != 0)
        return cae__fail(context, CAE_ERR_OPTIONS,
                         "smoothing is %d, expected 0 to %d, and reserved must be 0",
                         (int)known->smoothing, CAE__MOST_SMOOTHING);
    return CAE_OK;
}

/* --- Making ------------------------------------------------------------------------------------ */

static size_t frame_length(const cae_scorer *s)
{
    return (size_t)s->map.channels * (size_t)s->map.height * (size_t)s->map.width;
}

static uint64_t padded(uint64_t floats)
{
    return (floats + 15) / 16 * 16;
}

/* Floats that a small frame takes: its output, two arrays to go back and forth between, and what
 * stages or the map need. */
static uint64_t small_floats(const cae_scorer *s)
{
    const uint64_t map = cae__error_map_scratch(&s->map);
    const uint64_t most = map > s->plan.scratch ? map : s->plan.scratch;
    return padded(frame_length(s)) + 2 * padded(s->plan.longest) + padded(most);
}

/* Scratch for as many threads as the context has now; it may have been lent to others in
 * between, who leave it as large or larger. More threads need plans of their own. */
static cae_status reserve(cae_scorer *s)
{
    cae_context *context = s->handle.context;
    if (!s->plan.large)
        return cae__scratch_reserve(context, 1, small_floats(s) * sizeof(float));

    const uint64_t map = cae__error_map_scratch(&s->map);
    const int64_t tiles = cae__tiling_tiles(&s->tiling, 1);
    if (!s->tiling.plans || cae__workers(context, tiles) > s->tiling.workers) {
        struct cae__tiling tiling;
        const cae_status status =
            cae__tiling_init(&tiling, context, s->model, CAE_PART_WHOLE, &s->plan, 1);
        if (status != CAE_OK)
            return status;
        cae__tiling_finish(&s->tiling, context);
        s->tiling = tiling;
    }
    const cae_status status =
        cae__scratch_reserve(context, cae__tiling_tiles(&s->tiling, 1),
                             s->tiling.floats * sizeof(float));
    return status != CAE_OK ? status
                            : cae__scratch_reserve(context, s->map.bands, map * sizeof(float));
}

/* Threads are started when there is work for them: there is. */
static void nothing(void *job, int64_t index, int worker)
{
    (void)job, (void)index, (void)worker;
}

static cae_status allocate(cae_scorer *s, int32_t height, int32_t width)
{
    cae_context *context = s->handle.context;
    cae_status status = cae__plan_init(&s->plan, context, s->model, CAE_PART_WHOLE, height, width,
                                       1, false);
    if (status == CAE_OK)
        status = cae__error_map_init(&s->map, context, s->model->layers[0].in_channels, height,
                                     width, s->options.smoothing);
    if (status != CAE_OK)
        return status;
    s->revision = s->model->revision;
    s->bands = cae__alloc(context, (size_t)s->map.bands, sizeof *s->bands);
    if (s->plan.large)
        s->y = cae__alloc(context, frame_length(s), sizeof *s->y);
    if (!s->bands || (s->plan.large && !s->y))
        return cae__fail_memory(context);
    status = reserve(s);
    if (status == CAE_OK && s->plan.large)
        cae__parallel(context, cae__tiling_tiles(&s->tiling, 1), nothing, NULL);
    return status;
}

static cae_status check_size(const cae_context *context, const cae_model *model, int32_t height,
                             int32_t width)
{
    return height < 1 || width < 1
               ? cae__fail(context, CAE_ERR_ARGUMENT, "a frame of %dx%d, expected at least 1x1",
                           (int)height, (int)width)
               : cae__check_same_shape(context, model, height, width);
}

cae_status cae_scorer_create(cae_scorer **out, const cae_model *model, cae_context *context,
                             int32_t height, int32_t width, const cae_scorer_options *options)
{
    if (out)
        *out = NULL;
    if (!context && model)
        context = model->handle.context;
    if (!out || !model)
        return cae__fail(context, CAE_ERR_ARGUMENT, "%s is NULL", out ? "model" : "out");
    const struct cae__calibration *calibration = cae__model_calibration(model);
    cae_scorer_options o = cae__scorer_defaults;
    if (!options && calibration) {
        o.kind = calibration->kind;
        o.smoothing = calibration->smoothing;
    }
    cae_status status = cae__scorer_options(context, &o, options);
    if (status == CAE_OK)
        status = check_size(context, model, height, width);
    if (status != CAE_OK)
        return status;

    cae_scorer *scorer = cae__alloc_zero(context, 1, sizeof *scorer);
    if (!scorer)
        return cae__fail_memory(context);
    cae__handle_init(&scorer->handle, CAE__SCORER, context);
    cae__retain(&model->handle);
    scorer->model = (cae_model *)model; /* for its reference; the parameters are only read */
    scorer->options = o;
    status = allocate(scorer, height, width);
    if (status != CAE_OK) {
        cae_scorer_destroy(scorer);
        return status;
    }
    *out = scorer;
    return CAE_OK;
}

void cae_scorer_destroy(cae_scorer *scorer)
{
    if (!cae__give_back(scorer, CAE__SCORER) || !cae__release(&scorer->handle))
        return;
    const cae_context *context = scorer->handle.context;
    cae__free(context, scorer->y);
    cae__free(context, scorer->bands);
    cae__error_map_finish(&scorer->map, context);
    cae__tiling_finish(&scorer->tiling, context);
    cae__plan_finish(&scorer->plan, context);
    cae__model_release(scorer->model);
    cae__handle_end(scorer);
}

/* --- One frame --------------------------------------------------------------------------------- */

struct frame {
    const cae_scorer *scorer;
    const float *x;
    const float *y; /* of a large one */
    float *map;     /* or NULL */
    double score;   /* of a small one */
};

/* What the score is made of, and the map if it is wanted. */
static void compare(struct cae__band *out, const cae_scorer *s, float *map, const float *x,
                    const float *y, int band, float *scratch)
{
    *out = (struct cae__band){.finite = true};
    if (s->options.kind == CAE_SCORE_MEAN)
        out->sum = cae__error_sum(&s->map, x, y, band);
    if (s->options.kind == CAE_SCORE_PEAK || map)
        cae__error_band(out, map, &s->map, x, y, band, scratch);
}

/* NaN when anything is not finite. */
static double summarize(const cae_scorer *s, const struct cae__band *bands)
{
    double sum = 0.0;
    float peak = 0.0f;
    bool finite = true;
    for (int i = 0; i < s->map.bands; i++) {
        sum += bands[i].sum;
        peak = bands[i].peak > peak ? bands[i].peak : peak;
        finite = finite && bands[i].finite;
    }
    const double score = s->options.kind == CAE_SCORE_MEAN ? sum / (double)frame_length(s)
                                                           : (double)peak;
    return finite && isfinite(score) ? score : (double)NAN;
}

static double score_small(const cae_scorer *s, float *map, const float *x, float *scratch)
{
    float *const y = scratch;
    float *const first = y + padded(frame_length(s));
    float *const buffers[2] = {first, first + padded(s->plan.longest)};
    float *const rest = buffers[1] + padded(s->plan.longest);
    struct cae__band band;

    cae__plan_run(&s->plan, y, x, buffers, rest);
    if (s->plan.residual)
        cae__add(y, x, frame_length(s));
    compare(&band, s, map, x, y, 0, rest);
    return summarize(s, &band);
}

static void run_small(void *job, int64_t index, int worker)
{
    struct frame *frame = job;
    (void)index;
    frame->score = score_small(frame->scorer, frame->map, frame->x,
                               cae__scratch(frame->scorer->handle.context, worker));
}

static void compare_band(void *job, int64_t band, int worker)
{
    const struct frame *frame = job;
    const cae_scorer *s = frame->scorer;
    compare(&s->bands[band], s, frame->map, frame->x, frame->y, (int)band,
            cae__scratch(s->handle.context, worker));
}

static double run_frame(cae_scorer *s, float *map, const float *x)
{
    cae_context *context = s->handle.context;
    struct frame frame = {.scorer = s, .x = x, .y = s->y, .map = map};
    if (!s->plan.large) {
        cae__parallel(context, 1, run_small, &frame);
        return frame.score;
    }
    cae__tiling_run(&s->tiling, context, s->y, x, 1);
    cae__parallel(context, s->map.bands, compare_band, &frame);
    fenv_t host;
    cae__arithmetic_begin(&host);
    frame.score = summarize(s, s->bands);
    cae__arithmetic_end(&host);
    return frame.score;
}

/* The parameters as they are now. */
static void bind(cae_scorer *s)
{
    if (s->revision == s->model->revision)
        return;
    cae__plan_bind(&s->plan, s->model, CAE_PART_WHOLE);
    cae__tiling_bind(&s->tiling, s->model, CAE_PART_WHOLE);
    s->revision = s->model->revision;
}

cae_status cae_scorer_run(double *score, float *map, size_t map_count, cae_scorer *scorer,
                          const float *x, size_t x_count)
{
    if (!scorer)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = scorer->handle.context;
    const struct cae__error_map *m = &scorer->map;
    if (!score)
        return cae__fail(context, CAE_ERR_ARGUMENT, "score is NULL");
    cae_status status = cae__check_array(context, x, x_count, "the frame", 1, m->channels,
                                         m->height, m->width);
    if (status == CAE_OK && (map || map_count > 0))
        status = cae__check_array(context, map, map_count, "the map", 1, 1, m->height, m->width);
    if (status == CAE_OK && map && cae__overlap(x, x_count, map, map_count))
        status = cae__fail(context, CAE_ERR_ARGUMENT, "the map overlaps the frame");
    if (status == CAE_OK)
        status = reserve(scorer);
    if (status != CAE_OK)
        return status;
    bind(scorer);
    *score = run_frame(scorer, map, x);
    if (cae__is_not_negative(*score))
        return CAE_OK;
    return cae__fail(context, CAE_ERR_NUMERIC, "the score is not finite, because %s",
                     cae__all_finite(x, x_count) ? "what the model makes of the frame is not"
                                                 : "a value of the frame is not");
}

/* --- Many frames ------------------------------------------------------------------------------- */

#define UNREAD (-1.0) /* no score of an image that was read */

struct many {
    const cae_scorer *scorer;
    const cae_dataset *dataset;
    double *scores;
};

static void run_image(void *job, int64_t image, int worker)
{
    const struct many *many = job;
    const cae_scorer *s = many->scorer;
    float *x = cae__scratch(s->handle.context, worker), *rest = x + padded(frame_length(s));
    float *room = rest + padded(small_floats(s));
    many->scores[image] = cae__dataset_read(x, many->dataset, image, room)
                              ? score_small(s, NULL, x, rest) : UNREAD;
}

/* The failure of the first image that could not be read. */
static cae_status check_read(const cae_context *context, const double *scores,
                             const cae_dataset *dataset)
{
    for (int64_t i = 0; i < dataset->count; i++)
        if (scores[i] == UNREAD)
            return cae__dataset_explain(context, dataset, i);
    return CAE_OK;
}

static cae_status run_images(double *scores, cae_scorer *s, const cae_dataset *dataset)
{
    cae_context *context = s->handle.context;
    struct many many = {s, dataset, scores};
    const uint64_t floats = padded(frame_length(s)) + padded(small_floats(s));
    const cae_status status = cae__scratch_reserve(
        context, dataset->count, floats * sizeof(float) + cae__dataset_room(dataset, 1));
    if (status != CAE_OK)
        return status;
    cae__parallel(context, dataset->count, run_image, &many);
    return check_read(context, scores, dataset);
}

/* Threads share the images of a small size, and the tiles of each large one. */
cae_status cae__scorer_run_all(double *scores, cae_scorer *s, const cae_dataset *dataset)
{
    cae_context *context = s->handle.context;
    if (!s->plan.large)
        return run_images(scores, s, dataset);
    const uint64_t frame = padded(frame_length(s)) * sizeof(float);
    const uint64_t bytes = frame + cae__dataset_room(dataset, 1);
    float *x = bytes > SIZE_MAX ? NULL : cae__alloc(context, 1, (size_t)bytes);
    if (!x)
        return cae__fail_memory(context);
    bool there = true;
    for (int64_t i = 0; i < dataset->count && there; i++) {
        fenv_t host;
        cae__arithmetic_begin(&host);
        there = cae__dataset_read(x, dataset, i, (unsigned char *)x + frame);
        cae__arithmetic_end(&host);
        scores[i] = there ? run_frame(s, NULL, x) : UNREAD;
    }
    cae__free(context, x);
    return there ? CAE_OK : check_read(context, scores, dataset);
}
