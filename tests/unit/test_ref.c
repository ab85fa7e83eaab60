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

static Suite *suite(void)
{
    Suite *s = suite_create("ref");
    TCase *c = tcase_create("ref");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, gradients_are_slopes, 0, KINDS * ACTIVATIONS * VARIANTS);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return test_main(suite());
}
