/* test_optimizer.c - many updates by their formulas, in double precision.
 *
 * The model is y = w x + b on one pixel, so its gradients under the MSE are 2 (y - x) x and 2 (y - x).
 * Beside this tests/parity compares whole networks with PyTorch. */
#include "../api/api.h"

#include <math.h>

enum { STEPS = 40 };
static const double pixel = 0.75;

static const struct {
    const char *name;
    int32_t kind, nesterov;
    double rate, momentum, beta1, beta2, epsilon, decay;
} cases[] = {
    {"plain", CAE_OPTIMIZER_SGD, 0, 0.05, 0, 0.9, 0.999, 1e-8, 0},
    {"decay", CAE_OPTIMIZER_SGD, 0, 0.05, 0, 0.9, 0.999, 1e-8, 0.3},
    {"momentum", CAE_OPTIMIZER_SGD, 0, 0.05, 0.8, 0.9, 0.999, 1e-8, 0},
    {"momentum, decay", CAE_OPTIMIZER_SGD, 0, 0.05, 0.8, 0.9, 0.999, 1e-8, 0.3},
    {"nesterov", CAE_OPTIMIZER_SGD, 1, 0.05, 0.8, 0.9, 0.999, 1e-8, 0},
    {"nesterov, decay", CAE_OPTIMIZER_SGD, 1, 0.05, 0.8, 0.9, 0.999, 1e-8, 0.3},
    {"adam", CAE_OPTIMIZER_ADAM, 0, 0.02, 0, 0.9, 0.999, 1e-8, 0},
    {"adam, other numbers", CAE_OPTIMIZER_ADAM, 0, 0.02, 0, 0.5, 0.8, 0.03, 0.2},
    {"adam, no averages", CAE_OPTIMIZER_ADAM, 0, 0.02, 0, 0, 0, 0.1, 0},
    {"adamw", CAE_OPTIMIZER_ADAMW, 0, 0.02, 0, 0.9, 0.999, 1e-8, 0.3},
    {"adamw, other numbers", CAE_OPTIMIZER_ADAMW, 0, 0.02, 0, 0.5, 0.8, 0.03, 2.0},
    {"adamw, no decay", CAE_OPTIMIZER_ADAMW, 0, 0.02, 0, 0.9, 0.999, 1e-8, 0},
};

/* One parameter, its moments, and update number t. */
struct parameter {
    double value, first, second;
};

static void update(struct parameter *p, double gradient, int t, int n)
{
    const double rate = cases[n].rate, b1 = cases[n].beta1, b2 = cases[n].beta2;
    if (cases[n].kind == CAE_OPTIMIZER_SGD) {
        const double g = gradient + cases[n].decay * p->value;
        p->first = cases[n].momentum * p->first + g;
        p->value -= rate * (cases[n].nesterov ? g + cases[n].momentum * p->first : p->first);
        return;
    }
    double g = gradient;
    if (cases[n].kind == CAE_OPTIMIZER_ADAM)
        g += cases[n].decay * p->value;
    else
        p->value *= 1 - rate * cases[n].decay;
    p->first = b1 * p->first + (1 - b1) * g;
    p->second = b2 * p->second + (1 - b2) * g * g;
    const double m = p->first / (1 - pow(b1, t)), v = p->second / (1 - pow(b2, t));
    p->value -= rate * m / (sqrt(v) + cases[n].epsilon);
}

START_TEST(updates_follow_their_formulas)
{
    struct heap heap = HEAP;
    cae_context *context = heap_context(&heap, 1);
    const float image = (float)pixel;
    cae_model *model = pointwise_model(context, -0.5f, 0.25f);
    cae_dataset *dataset = float_images(context, &image, 1, 1);
    cae_optimizer_options options;
    cae_optimizer *optimizer = NULL;
    cae_trainer *trainer = NULL;
    assert_ok(context, cae_optimizer_options_init(&options, sizeof options));
    options.kind = cases[_i].kind, options.nesterov = cases[_i].nesterov;
    options.learning_rate = cases[_i].rate, options.momentum = cases[_i].momentum;
    options.beta1 = cases[_i].beta1, options.beta2 = cases[_i].beta2;
    options.epsilon = cases[_i].epsilon, options.weight_decay = cases[_i].decay;
    assert_ok(context, cae_optimizer_create(&optimizer, model, &options));
    assert_ok(context, cae_trainer_create(&trainer, model, optimizer, dataset, NULL));

    struct parameter weight = {.value = -0.5}, bias = {.value = 0.25};
    double moved = 0;
    for (int t = 1; t <= STEPS; t++) {
        const double error = weight.value * pixel + bias.value - pixel, before = weight.value;
        float w, b;
        update(&weight, 2 * error * pixel, t, _i);
        update(&bias, 2 * error, t, _i);
        moved += fabs(weight.value - before);
        assert_ok(context, cae_trainer_step(NULL, trainer));
        assert_ok(context, cae_model_get_tensor(&w, 1, model, "0.weight"));
        assert_ok(context, cae_model_get_tensor(&b, 1, model, "0.bias"));
        /* floats round each time, by 6e-8 of values below 2 */
        ck_assert_msg(fabs(w - weight.value) < 1e-5 && fabs(b - bias.value) < 1e-5,
                      "%s, step %d: weight %.8g, expected %.8g, bias %.8g, expected %.8g", cases[_i].name,
                      t, (double)w, weight.value, (double)b, bias.value);
    }
    ck_assert(moved > 0.1);
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(optimizer);
    cae_dataset_destroy(dataset);
    cae_model_destroy(model);
    cae_context_destroy(context);
    assert_balanced(&heap, cases[_i].name);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optimizer");
    TCase *tcase = tcase_create("optimizer");
    tcase_add_loop_test(tcase, updates_follow_their_formulas, 0, COUNT(cases));
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
