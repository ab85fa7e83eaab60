/* test_ref.c - the definition itself: its gradients against finite differences, in double.
 *
 * Central differences of a function with bounded third derivative err by h^2; with h = 1e-5 and
 * values of order 1 what remains is rounding, 1e-16 / h = 1e-11. */
#include "../common/common.h"
#include "../ref/ref.h"

#include <math.h>
#include <stdlib.h>

enum { KINDS = 2, ACTIVATIONS = 5, VARIANTS = 4 };

struct problem {
    struct ref_conv layer;
    double *x, *w, *b, *g; /* the loss is <y, g> */
    size_t in, out, weights;
};

static double *random_array(uint64_t seed, size_t n)
{
    double *values = new_doubles(n);
    random_doubles(seed, values, n, -1, 1);
    return values;
}

static struct problem problem_new(int number)
{
    struct problem p = {.layer = ref_conv_default(number % KINDS, 2, 5, 6, 3)};
    p.layer.activation = number / KINDS % ACTIVATIONS;
    p.layer.slope = 0.3;
    switch (number / (KINDS * ACTIVATIONS)) {
    case 1:
        p.layer.stride_h = 2, p.layer.stride_w = 3, p.layer.padding_h = 1, p.layer.padding_w = 2;
        p.layer.output_padding_h = p.layer.transposed, p.layer.output_padding_w = p.layer.transposed;
        break;
    case 2:
        p.layer.dilation_h = 2, p.layer.kernel_w = 2, p.layer.padding_h = 3;
        break;
    case 3:
        p.layer.kernel_h = 1, p.layer.kernel_w = 4, p.layer.stride_h = 2, p.layer.padding_w = 3;
        break;
    default:
        break;
    }
    p.in = ref_in_len(&p.layer), p.out = ref_out_len(&p.layer), p.weights = ref_weight_len(&p.layer);
    p.x = random_array(1, p.in);
    p.w = random_array(2, p.weights);
    p.b = random_array(3, 3);
    p.g = random_array(4, p.out);
    return p;
}

static double loss_of(const struct problem *p)
{
    double *y = new_doubles(p->out), sum = 0.0;
    ref_layer_forward(y, NULL, &p->layer, p->x, p->w, p->b);
    for (size_t i = 0; i < p->out; i++)
        sum += y[i] * p->g[i];
    free(y);
    return sum;
}

static void assert_slope(struct problem *p, double *value, double expected, const char *what)
{
    const double h = 1e-5, kept = *value;
    *value = kept + h;
    const double above = loss_of(p);
    *value = kept - h;
    const double below = loss_of(p);
    *value = kept;
    ck_assert_msg(fabs((above - below) / (2 * h) - expected) < 1e-7, "%s: slope %.12g, gradient %.12g",
                  what, (above - below) / (2 * h), expected);
}

START_TEST(gradients_are_slopes)
{
    struct problem p = problem_new(_i);
    double *y = new_doubles(p.out), *z = new_doubles(p.out), *dx = new_doubles(p.in);
    double *dw = new_doubles(p.weights), db[3] = {0};
    for (size_t i = 0; i < p.weights; i++)
        dw[i] = 0.0;
    ref_layer_forward(y, z, &p.layer, p.x, p.w, p.b);
    ref_layer_backward(dx, dw, db, &p.layer, p.x, p.w, z, p.g);
    for (size_t i = 0; i < p.in; i++)
        assert_slope(&p, &p.x[i], dx[i], "x");
    for (size_t i = 0; i < p.weights; i++)
        assert_slope(&p, &p.w[i], dw[i], "w");
    for (size_t i = 0; i < 3; i++)
        assert_slope(&p, &p.b[i], db[i], "b");
    free(y), free(z), free(dx), free(dw), free(p.x), free(p.w), free(p.b), free(p.g);
}
END_TEST

/* --- Losses and whole networks ---------------------------------------------------------------- */

enum { LOSSES = REF_CHARBONNIER + 1 };

/* Differences of any size, exact zeros among them, where L1 has no slope. */
START_TEST(loss_gradients_are_slopes)
{
    enum { VALUES = 60 };
    const double delta = 0.3, h = 1e-5;
    double *y = random_array(1, VALUES), *target = random_array(2, VALUES), dy[VALUES];
    for (int i = 0; _i != REF_L1 && i < VALUES; i += 7)
        y[i] = target[i];
    ref_loss(dy, _i, delta, y, target, VALUES);
    for (int i = 0; i < VALUES; i++) {
        const double kept = y[i];
        y[i] = kept + h;
        const double above = ref_loss(NULL, _i, delta, y, target, VALUES);
        y[i] = kept - h;
        const double below = ref_loss(NULL, _i, delta, y, target, VALUES);
        y[i] = kept;
        ck_assert_double_eq_tol((above - below) / (2 * h), dy[i], 1e-9);
    }
    free(y), free(target);
}
END_TEST

/* Charbonnier's between its two ends: d^2 / (2 epsilon) near 0, |d| - epsilon far from it. */
START_TEST(charbonnier_at_its_ends)
{
    double slope;
    const double zero = 0, small = 1e-6, large = 1e6;
    ck_assert_double_eq(ref_loss(&slope, REF_CHARBONNIER, 0.5, &zero, &zero, 1), 0);
    ck_assert_double_eq(slope, 0);
    ck_assert_double_eq_tol(ref_loss(&slope, REF_CHARBONNIER, 0.5, &small, &zero, 1), 1e-12, 1e-16);
    ck_assert_double_eq_tol(slope, 2e-6, 1e-12);
    ck_assert_double_eq_tol(ref_loss(&slope, REF_CHARBONNIER, 0.5, &large, &zero, 1), 1e6 - 0.5, 1e-6);
    ck_assert_double_eq_tol(slope, 1, 1e-12);
}
END_TEST

/* A strided network that gives the size of its images back, with and without what a residual
 * connection adds; target 0, so that the two have different gradients. */
START_TEST(gradients_of_networks_are_slopes)
{
    const int residual = _i % 2, loss = _i / 2;
    const double h = 1e-5, delta = 0.3;
    struct ref_chain c = {.count = 3, .residual = residual, .layers = {
        ref_conv_default(0, 2, 6, 4, 3), ref_conv_default(0, 3, 3, 2, 3), ref_conv_default(1, 3, 3, 2, 2)}};
    double *x = random_array(1, 48), *y = new_doubles(48), *dy = new_doubles(48), *w[3], *b[3], *dw[3], *db[3];
    double target[48] = {0};
    for (int i = 0; i < 3; i++) {
        c.layers[i].padding_h = c.layers[i].padding_w = 1;
        c.layers[i].activation = i == 0 ? REF_TANH : i == 1 ? REF_SIGMOID : REF_NONE;
        if (i != 1)
            c.layers[i].stride_h = c.layers[i].stride_w = 2;
        c.layers[i].output_padding_h = c.layers[i].output_padding_w = i == 2;
        c.w[i] = w[i] = random_array(10 + (uint64_t)i, ref_weight_len(&c.layers[i]));
        c.b[i] = b[i] = random_array(20 + (uint64_t)i, 3);
        dw[i] = new_doubles(ref_weight_len(&c.layers[i])), db[i] = new_doubles(3);
    }
    ck_assert_uint_eq(ref_out_len(&c.layers[2]), 48);
    ref_chain_forward(y, &c, x);
    ref_loss(dy, loss, delta, y, target, 48);
    ref_chain_backward(dw, db, &c, x, dy);
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < ref_weight_len(&c.layers[i]) + (size_t)c.layers[i].out_c; k++) {
            const size_t weights = ref_weight_len(&c.layers[i]);
            double *const value = k < weights ? &w[i][k] : &b[i][k - weights], kept = *value;
            const double expected = k < weights ? dw[i][k] : db[i][k - weights];
            *value = kept + h;
            ref_chain_forward(y, &c, x);
            const double above = ref_loss(NULL, loss, delta, y, target, 48);
            *value = kept - h;
            ref_chain_forward(y, &c, x);
            const double below = ref_loss(NULL, loss, delta, y, target, 48);
            *value = kept;
            ck_assert_double_eq_tol((above - below) / (2 * h), expected, 1e-7);
        }
    for (int i = 0; i < 3; i++)
        free(w[i]), free(b[i]), free(dw[i]), free(db[i]);
    free(x), free(y), free(dy);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ref");
    TCase *c = tcase_create("ref");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, gradients_are_slopes, 0, KINDS * ACTIVATIONS * VARIANTS);
    tcase_add_loop_test(c, loss_gradients_are_slopes, 0, LOSSES);
    tcase_add_test(c, charbonnier_at_its_ends);
    tcase_add_loop_test(c, gradients_of_networks_are_slopes, 0, 2 * LOSSES);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return test_main(suite());
}
