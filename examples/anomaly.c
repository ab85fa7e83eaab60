/* anomaly.c - find what is wrong with an image by training on images with nothing wrong.
 *
 * An auto-encoder with a narrow latent learns to reproduce clean images and little else. A threshold
 * is calibrated on clean images that it has not seen; then it scores others, half of them clean, half
 * with a defect painted on. anomaly/ has the defects, the area under the ROC curve, and the picture. */
#include "anomaly/auc.h"
#include "anomaly/defects.h"
#include "anomaly/settings.h"
#include "anomaly/sheet.h"
#include "trainer/files.h"
#include "trainer/message.h"

#include <cae/cae.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIDE = 32, PIXELS = 3 * SIDE * SIDE, CALIBRATION = 500,
    CLEAN = 0, FOREIGN = 1 + DEFECTS, GROUPS = FOREIGN + 1, /* of test images; 1 + a defect */
    SHOWN = 2                                               /* of each, in the picture */
};

struct run {
    struct settings settings;
    cae_context *context;
    cae_dataset *train, *calibration, *clean, *damaged, *foreign; /* the last with --data only */
    cae_model *model;
    cae_scorer *scorer;
    double loss, threshold;
    double *scores[GROUPS];                           /* [settings.test] each */
};

static const char *group_name(int group)
{
    return group == CLEAN ? "clean" : group == FOREIGN ? "leaves" : defect_names[group - 1];
}

/* --- Images ----------------------------------------------------------------------------------- */

static cae_status leaves(cae_dataset **out, struct run *r, int64_t count, int which)
{
    return cae_dataset_create_dead_leaves(out, r->context, count, 3, SIDE, SIDE,
                                          (uint64_t)r->settings.seed * 10 + (uint64_t)which, NULL);
}

static cae_status open_built_in(struct run *r)
{
    const int64_t test = r->settings.test;
    cae_status status = leaves(&r->train, r, r->settings.images, 0);

    if (!status) status = leaves(&r->calibration, r, CALIBRATION, 1);
    if (!status) status = leaves(&r->clean, r, test, 2);
    if (!status) status = leaves(&r->damaged, r, test, 3);
    return status;
}

/* The last training images calibrate; the test images are clean, then damaged. */
static cae_status open_cifar10(struct run *r)
{
    const int64_t images = r->settings.images, test = r->settings.test;
    cae_dataset *all = NULL, *unseen = NULL;
    cae_status status = cae_dataset_open_cifar10(&all, r->context, r->settings.data,
                                                 CAE_SPLIT_TRAIN, NULL);

    if (!status) status = cae_dataset_open_cifar10(&unseen, r->context, r->settings.data,
                                                   CAE_SPLIT_TEST, NULL);
    if (!status) status = cae_dataset_slice(&r->train, all, 0, images);
    if (!status) status = cae_dataset_slice(&r->calibration, all, images, CALIBRATION);
    if (!status) status = cae_dataset_slice(&r->clean, unseen, 0, test);
    if (!status) status = cae_dataset_slice(&r->damaged, unseen, test, test);
    if (!status) status = leaves(&r->foreign, r, test, 4);
    cae_dataset_destroy(all);
    cae_dataset_destroy(unseen);
    return status;
}

/* --- The model -------------------------------------------------------------------------------- */

static cae_status add_layer(cae_spec *spec, bool transposed, int in, int out, bool last)
{
    cae_conv_options o;
    cae_status status = cae_conv_options_init(&o, sizeof o);

    o.kernel_h = o.kernel_w = transposed ? 4 : 3;     /* twice the size, or half of it */
    o.stride_h = o.stride_w = 2;
    o.padding_h = o.padding_w = 1;
    o.activation = last ? CAE_ACTIVATION_NONE : CAE_ACTIVATION_RELU;
    if (status)
        return status;
    return transposed ? cae_spec_add_conv_transpose(spec, in, out, &o)
                      : cae_spec_add_conv(spec, in, out, &o);
}

/* 3x32x32 to 16x4x4 and back: a twelfth of the values. */
static cae_status add_compact(cae_spec *spec)
{
    cae_status status = add_layer(spec, false, 3, 16, false);

    if (!status) status = add_layer(spec, false, 16, 32, false);
    if (!status) status = add_layer(spec, false, 32, 16, true);
    if (!status) status = cae_spec_end_encoder(spec);
    if (!status) status = add_layer(spec, true, 16, 32, false);
    if (!status) status = add_layer(spec, true, 32, 16, false);
    if (!status) status = add_layer(spec, true, 16, 3, true);
    return status;
}

/* 3x32x32 to 32x8x8 and back: two thirds of the values. */
static cae_status add_shallow(cae_spec *spec)
{
    cae_status status = add_layer(spec, false, 3, 16, false);

    if (!status) status = add_layer(spec, false, 16, 32, false);
    if (!status) status = cae_spec_end_encoder(spec);
    if (!status) status = add_layer(spec, true, 32, 16, false);
    if (!status) status = add_layer(spec, true, 16, 3, true);
    return status;
}

static cae_status create_model(struct run *r)
{
    cae_spec *spec = NULL;
    cae_status status = cae_spec_create(&spec, r->context);

    if (!status)
        switch (r->settings.network) {
        case COMPACT: status = add_compact(spec); break;
        case SHALLOW: status = add_shallow(spec); break;
        case COMPRESS: status = cae_spec_add_preset(spec, CAE_PRESET_COMPRESS, 3, 4); break;
        default: status = cae_spec_add_reference(spec);
        }
    if (!status)
        status = cae_model_create(&r->model, r->context, spec, (uint64_t)r->settings.seed);
    cae_spec_destroy(spec);
    return status;
}

static cae_status train(struct run *r)
{
    cae_progress progress = {.size = sizeof progress};
    cae_optimizer_options o;
    cae_trainer_options t;
    cae_optimizer *adam = NULL;
    cae_trainer *trainer = NULL;
    cae_status status = cae_optimizer_options_init(&o, sizeof o);

    if (!status) status = cae_trainer_options_init(&t, sizeof t);
    if (status)
        return status;
    o.learning_rate = 4e-3;
    t.batch = 32;
    t.seed = (uint64_t)r->settings.seed;
    t.schedule = CAE_SCHEDULE_COSINE;
    t.decay_steps = r->settings.epochs * ((r->settings.images + t.batch - 1) / t.batch);
    status = cae_optimizer_create(&adam, r->model, &o);
    if (!status) status = cae_trainer_create(&trainer, r->model, adam, r->train, &t);
    for (int64_t epoch = 0; epoch < r->settings.epochs && !status; epoch++)
        status = cae_trainer_epoch(&progress, trainer, NULL, NULL);
    r->loss = progress.loss;
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(adam);
    return status;
}

/* The threshold, and a scorer that scores as it was found. */
static cae_status calibrate(struct run *r)
{
    cae_scorer_options o;
    cae_status status = cae_scorer_options_init(&o, sizeof o);

    o.kind = (int32_t)r->settings.score;
    o.smoothing = (int32_t)r->settings.smoothing;
    if (!status) status = cae_model_calibrate(&r->threshold, r->model, NULL, r->calibration,
                                              (double)r->settings.quantile / 1000.0, &o);
    if (!status) status = cae_scorer_create(&r->scorer, r->model, NULL, SIDE, SIDE, NULL);
    if (!status && r->settings.model)
        status = cae_model_save(r->model, r->settings.model);
    return status;
}

/* --- Scores ----------------------------------------------------------------------------------- */

/* Test image `index` of a group, and where its defect is. */
static cae_status test_image(float *image, unsigned char *mask, const struct run *r, int group,
                             int64_t index)
{
    const cae_dataset *from = group == CLEAN ? r->clean : group == FOREIGN ? r->foreign : r->damaged;
    cae_status status = cae_dataset_get(image, PIXELS, from, index);

    memset(mask, group == FOREIGN, SIDE * SIDE);
    if (!status && group != CLEAN && group != FOREIGN)
        defect_paint(image, mask, SIDE, (enum defect)(group - 1),
                     ((uint64_t)r->settings.seed << 32) + (uint64_t)index);
    return status;
}

static cae_status score_group(struct run *r, int group)
{
    static float image[PIXELS];
    static unsigned char mask[SIDE * SIDE];
    cae_status status = CAE_OK;

    for (int64_t i = 0; i < r->settings.test && !status; i++) {
        status = test_image(image, mask, r, group, i);
        if (!status)
            status = cae_scorer_run(&r->scores[group][i], NULL, 0, r->scorer, image, PIXELS);
    }
    return status;
}

static int groups_of(const struct run *r)
{
    return r->foreign ? GROUPS : GROUPS - 1;
}

static cae_status score_all(struct run *r)
{
    cae_status status = CAE_OK;

    for (int group = 0; group < groups_of(r) && !status; group++)
        status = score_group(r, group);
    return status;
}

static bool allocate_scores(struct run *r)
{
    const size_t test = (size_t)r->settings.test;
    double *all = malloc(GROUPS * test * sizeof *all); /* one block: groups 1 and on are all anomalies */

    if (!all)
        return fail("out of memory for %lld images", (long long)r->settings.test);
    for (int group = 0; group < GROUPS; group++)
        r->scores[group] = all + (size_t)group * test;
    return true;
}

static void report(struct run *r)
{
    const size_t test = (size_t)r->settings.test;
    const int groups = groups_of(r);

    printf("%s, %lld parameters, %lld images, %lld epochs: loss %.5f\n",
           network_names[r->settings.network], (long long)cae_model_parameter_count(r->model),
           (long long)r->settings.images, (long long)r->settings.epochs, r->loss);
    printf("threshold %.5f: the %g quantile of the %s scores, smoothing %d, of %d clean images\n",
           r->threshold, (double)r->settings.quantile / 1000.0,
           r->settings.score == CAE_SCORE_MEAN ? "mean" : "peak", (int)r->settings.smoothing,
           CALIBRATION);
    printf("%-8s  %5s  above the threshold, of %zu\n", "", "AUC", test);
    printf("%-8s  %5s  %5.1f %%\n", group_name(CLEAN), "",
           100.0 * share_above(r->scores[CLEAN], test, r->threshold));
    for (int group = 1; group < groups; group++)
        printf("%-8s  %.3f  %5.1f %%\n", group_name(group),
               auc(r->scores[CLEAN], test, r->scores[group], test),
               100.0 * share_above(r->scores[group], test, r->threshold));
    printf("%-8s  %.3f  %5.1f %%\n", "all",
           auc(r->scores[CLEAN], test, r->scores[1], (size_t)(groups - 1) * test),
           100.0 * share_above(r->scores[1], (size_t)(groups - 1) * test, r->threshold));
}

/* --- The picture ------------------------------------------------------------------------------ */

static cae_status fill_exhibit(struct exhibit *e, struct run *r, int group, int64_t index)
{
    cae_status status = test_image(e->frame, e->mask, r, group, index);

    e->kind = group_name(group);
    if (!status) status = cae_scorer_run(&e->score, e->map, SIDE * SIDE, r->scorer, e->frame, PIXELS);
    if (!status) status = cae_model_forward(e->output, PIXELS, r->model, NULL, e->frame, PIXELS, 1,
                                            SIDE, SIDE);
    return status;
}

/* What an exhibit points to. */
struct plate {
    float frame[PIXELS], output[PIXELS], map[SIDE * SIDE];
    unsigned char mask[SIDE * SIDE];
};

static bool draw(struct run *r)
{
    static struct plate plates[GROUPS * SHOWN];
    struct exhibit exhibits[GROUPS * SHOWN];
    const int count = groups_of(r) * SHOWN;
    double alarm = r->threshold;
    cae_status status = CAE_OK;

    for (int i = 0; i < count && !status; i++) {
        struct plate *p = &plates[i];
        exhibits[i] = (struct exhibit){
            .frame = p->frame, .output = p->output, .map = p->map, .mask = p->mask};
        status = fill_exhibit(&exhibits[i], r, i / SHOWN, i % r->settings.test);
    }
    if (status)
        return fail_status(r->context, status, "cannot make the picture");
    if (r->settings.score == CAE_SCORE_MEAN)          /* a mean over the frame is no measure of peaks */
        alarm *= 10.0;
    return sheet_save(r->settings.picture, exhibits, count, SIDE, alarm, r->threshold);
}

/* ---------------------------------------------------------------------------------------------- */

static bool work(struct run *r)
{
    cae_context_options o;
    cae_status status = cae_context_options_init(&o, sizeof o);

    o.threads = (int32_t)r->settings.threads;
    if (!status) status = cae_context_create(&r->context, &o);
    if (!status) status = r->settings.data ? open_cifar10(r) : open_built_in(r);
    if (!status) status = create_model(r);
    if (!status) status = train(r);
    if (!status) status = calibrate(r);
    if (!status) status = score_all(r);
    if (status)
        return fail_status(r->context, status, "cannot go on");
    if (r->settings.picture && !draw(r))              /* before the scores are sorted */
        return false;
    report(r);
    return true;
}

int main(int argc, char **argv)
{
    static struct run run;
    int code;
    bool good;

    message_begin_with("anomaly");
    if (!streams_begin())
        return EXIT_FAILURE;
    if (!settings_parse(&run.settings, &code, argc, argv))
        return code;
    good = allocate_scores(&run) && work(&run);
    cae_scorer_destroy(run.scorer);
    cae_model_destroy(run.model);
    cae_dataset_destroy(run.foreign);
    cae_dataset_destroy(run.damaged);
    cae_dataset_destroy(run.clean);
    cae_dataset_destroy(run.calibration);
    cae_dataset_destroy(run.train);
    cae_context_destroy(run.context);
    free(run.scores[0]);
    if (fflush(stdout) || ferror(stdout))
        good = fail("cannot write to standard output: %s", strerror(errno));
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
