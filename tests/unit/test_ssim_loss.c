/* test_ssim_loss.c - SSIM as a loss: its value and its gradient against the definition in double
 * precision, for images side by side and blocks that are not full, at every instruction set. */
#include "../../lib/metrics/metrics.h"
#include "../api/api.h"
#include "../ref/ref.h"

#include <math.h>

static const struct {
    int channels, height, width, lanes, used;
    double range;
} cases[] = {
    {1, 11, 11, 1, 1, 2}, {3, 11, 13, 8, 8, 2}, {2, 17, 12, 8, 5, 2},
    {1, 32, 32, 8, 1, 1}, {3, 19, 23, 1, 1, 1}, {4, 12, 31, 8, 7, 2},
};

/* [pixels][lanes], an image and another one near it: uniform noise and slopes. */
static void fill(float *y, float *target, size_t values)
{
    random_floats(5, target, values, -1, 1);
    random_floats(6, y, values, -0.4, 0.4);
    for (size_t i = 0; i < values; i++)
        y[i] += target[i] * 0.7f + 0.1f * sinf((float)i * 0.01f);
}

/* Sum of 1 - SSIM over the windows and channels of one lane, moved by `step` at one value. */
static double definition(const float *y, const float *target, int n, int lane, size_t at, double step)
{
    const int c = cases[n].channels, h = cases[n].height, w = cases[n].width;
    const size_t values = (size_t)(c * h * w), lanes = (size_t)cases[n].lanes;
    double *a = new_doubles(values), *b = new_doubles(values);

    for (size_t i = 0; i < values; i++) {
        a[i] = (double)y[i * lanes + (size_t)lane];
        b[i] = (double)target[i * lanes + (size_t)lane];
    }
    a[at] += step;
    const double ssim = ref_ssim(a, b, c, h, w, cases[n].range, REF_GAUSSIAN11);
    free(a), free(b);
    return c * (h - 10) * (w - 10) * (1 - ssim);
}

/* The loss is a sum of up to 1452 windows in float, and each a difference of moments: 1e-5. A central
 * difference of step 1e-4 is off by its square and the curvature: 1e-4 of the largest gradient. */
START_TEST(value_and_gradient_are_the_definition)
{
    const int c = cases[_i].channels, h = cases[_i].height, w = cases[_i].width;
    const int lanes = cases[_i].lanes, used = cases[_i].used;
    const size_t pixels = (size_t)(c * h * w), values = pixels * (size_t)lanes;
    const struct cae__ssim s = cae__ssim_of(c, h, w, cases[_i].range);
    const float scale = 0.37f;
    float *y = new_floats(values), *target = new_floats(values), *dy = new_floats(values);
    float *before = new_floats(values), *first = NULL;
    double expected = 0, largest = 0, worst = 0;

    fill(y, target, values);
    random_floats(9, before, values, -1, 1);
    for (int lane = 0; lane < used; lane++)
        expected += definition(y, target, _i, lane, 0, 0);
    for (int32_t cpu = CAE_CPU_BASELINE; cpu <= CAE_CPU_AVX512; cpu++) {
        const struct cae__kernels *kernels = cae__kernels_at(cpu);
        if (!kernels)
            continue;
        const size_t floats = (size_t)cae__ssim_floats(h, w, lanes);
        float *scratch = guarded_floats(floats);
        memcpy(dy, before, values * sizeof *dy);
        const double loss = kernels->ssim_gradient(&s, dy, y, target, lanes, used, scale, scratch);
        ck_assert_msg(fabs(loss - expected) < 1e-5 * expected, "%s: %.9g, expected %.9g",
                      kernels->name, loss, expected);
        guarded_finish(scratch, "scratch");
        if (!first) {
            first = new_floats(values);
            memcpy(first, dy, values * sizeof *dy);
        }
        ck_assert_msg(memcmp(first, dy, values * sizeof *dy) == 0, "%s: other bits", kernels->name);
    }
    for (size_t i = 0; i < values; i++) { /* lanes beyond are left alone */
        const int lane = (int)(i % (size_t)lanes);
        if (lane >= used)
            ck_assert(dy[i] == before[i]);
    }
    for (size_t i = 0; i < pixels; i += pixels / 60 + 1)
        for (int lane = 0; lane < used; lane++) {
            const size_t at = i * (size_t)lanes + (size_t)lane;
            const double slope = (definition(y, target, _i, lane, i, 1e-4) -
                                  definition(y, target, _i, lane, i, -1e-4)) / 2e-4;
            const double found = ((double)dy[at] - (double)before[at]) / (double)scale;
            worst = fmax(worst, fabs(found - slope));
            largest = fmax(largest, fabs(slope));
        }
    ck_assert_msg(worst < 1e-4 * largest, "a gradient of up to %g is off by %g", largest, worst);
    free(y), free(target), free(dy), free(before), free(first);
}
END_TEST

/* Training minimizes MSE + weight (1 - SSIM): the loss of one step, and the gradient of y = a x + b. */
START_TEST(a_step_is_the_definition)
{
    enum { SIDE = 13, IMAGES = 11, PIXELS = SIDE * SIDE };
    static const float a = 0.8f, b = 0.05f, h = 1e-3f;
    const double weight = 0.3;
    cae_context *context = test_context();
    cae_model *model = pointwise_model(context, a, b);
    cae_dataset *dataset = float_images(context, NULL, IMAGES, SIDE);
    cae_trainer_options options;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
    cae_progress progress = {.size = sizeof progress};
    double loss[5] = {0}; /* as it is, and with a and b moved */
    float gradient;

    assert_ok(context, cae_trainer_options_init(&options, sizeof options));
    options.batch = IMAGES, options.ssim_weight = weight;
    assert_ok(context, cae_optimizer_create(&optimizer, model, NULL));
    assert_ok(context, cae_trainer_create(&trainer, model, optimizer, dataset, &options));
    assert_ok(context, cae_trainer_step(&progress, trainer));
    for (int i = 0; i < IMAGES; i++) {
        float x[PIXELS];
        double target[PIXELS], y[PIXELS];
        assert_ok(context, cae_dataset_get(x, PIXELS, dataset, i));
        for (int k = 0; k < 5; k++) {
            const double slope = (double)a + (k == 1 ? (double)h : k == 2 ? -(double)h : 0);
            const double offset = (double)b + (k == 3 ? (double)h : k == 4 ? -(double)h : 0);
            for (int p = 0; p < PIXELS; p++) {
                target[p] = (double)x[p];
                y[p] = slope * (double)x[p] + offset;
            }
            loss[k] += (ref_mse(y, target, PIXELS) +
                        weight * (1 - ref_ssim(y, target, 1, SIDE, SIDE, 2, REF_GAUSSIAN11))) / IMAGES;
        }
    }
    ck_assert_double_eq_tol(progress.loss, loss[0], 1e-5 * loss[0]);
    assert_ok(context, cae_trainer_get_gradient(&gradient, 1, trainer, "0.weight"));
    ck_assert_double_eq_tol((double)gradient, (loss[1] - loss[2]) / (2 * (double)h), 2e-4);
    assert_ok(context, cae_trainer_get_gradient(&gradient, 1, trainer, "0.bias"));
    ck_assert_double_eq_tol((double)gradient, (loss[3] - loss[4]) / (2 * (double)h), 2e-4);
    cae_trainer_destroy(trainer), cae_optimizer_destroy(optimizer);
    cae_dataset_destroy(dataset), cae_model_destroy(model), cae_context_destroy(context);
}
END_TEST

/* Equal images have SSIM 1 and no slope, flat ones too: no division by nothing. */
START_TEST(equal_and_flat_images)
{
    enum { SIDE = 12, VALUES = SIDE * SIDE };
    const struct cae__ssim s = cae__ssim_of(1, SIDE, SIDE, 2);
    float *y = new_floats(VALUES), *dy = new_floats(VALUES);
    float *scratch = new_floats((size_t)cae__ssim_floats(SIDE, SIDE, 1));

    for (int flat = 0; flat < 2; flat++) {
        random_floats(1, y, VALUES, flat ? 0.5 : -1, flat ? 0.5 : 1);
        memset(dy, 0, VALUES * sizeof *dy);
        const double loss = cae__kernels_at(CAE_CPU_AUTO)->ssim_gradient(&s, dy, y, y, 1, 1, 1, scratch);
        ck_assert_double_eq_tol(loss, 0, 1e-5);
        for (int i = 0; i < VALUES; i++)
            ck_assert_float_eq_tol(dy[i], 0, 1e-4f);
    }
    free(y), free(dy), free(scratch);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("SSIM as a loss");
    TCase *all = tcase_create("all");

    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, value_and_gradient_are_the_definition, 0, COUNT(cases));
    tcase_add_test(all, a_step_is_the_definition);
    tcase_add_test(all, equal_and_flat_images);
    suite_add_tcase(suite, all);
    return suite;
}

int main(void)
{
    return test_main(suite());
}
