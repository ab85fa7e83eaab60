/* test_gemm.c - the product and its cuts, against three loops in double. */
#include "../../lib/kernels/gemm.h"
#include "../common/common.h"

#include <stdlib.h>

/* Below the limit, exactly at it (64^3), just above, far above on each side in turn, and thin. */
static const struct {
    int m, n, k;
} shapes[] = {{1, 1, 1},    {3, 5, 7},     {8, 240, 72},  {64, 64, 64},   {64, 64, 65},
              {8, 2000, 72}, {300, 9, 150}, {9, 20, 3000}, {130, 130, 130}, {1, 1, 300000},
              {1, 300001, 1}, {300001, 1, 1}};

enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* Leading dimensions larger than the rows, and what lies between must stay. */
START_TEST(product_equals_definition)
{
    const int m = shapes[_i / 8].m, n = shapes[_i / 8].n, k = shapes[_i / 8].k;
    const int a_op = _i & 1, b_op = _i >> 1 & 1, add = _i >> 2 & 1;
    const int a_rows = a_op ? k : m, a_columns = a_op ? m : k, lda = a_columns + 2;
    const int b_rows = b_op ? n : k, b_columns = b_op ? k : n, ldb = b_columns + 3, ldc = n + 1;
    const size_t a_size = (size_t)a_rows * (size_t)lda, b_size = (size_t)b_rows * (size_t)ldb;
    const size_t c_size = (size_t)m * (size_t)ldc;
    float *a = new_floats(a_size), *b = new_floats(b_size), *c = guarded_floats(c_size);
    random_floats(1, a, a_size, -1, 1);
    random_floats(2, b, b_size, -1, 1);
    for (size_t i = 0; i < c_size; i++)
        c[i] = add || i % (size_t)ldc == (size_t)n ? 0.5f : c[i]; /* beta 0 must not read NaN */

    cae__gemm(a_op, b_op, m, n, k, a, lda, b, ldb, add ? 1.0f : 0.0f, c, ldc);
    double *expected = new_doubles(c_size);
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
            double sum = add ? 0.5 : 0.0;
            for (int l = 0; l < k; l++)
                sum += (double)(a_op ? a[l * lda + i] : a[(ptrdiff_t)i * lda + l]) *
                       (double)(b_op ? b[(ptrdiff_t)j * ldb + l] : b[(ptrdiff_t)l * ldb + j]);
            expected[(size_t)i * (size_t)ldc + (size_t)j] = sum;
        }
        expected[(size_t)i * (size_t)ldc + (size_t)n] = 0.5;
    }
    /* each of the k products and sums rounds to 6e-8; errors grow like the root of their number */
    const double error = relative_error_ref(c, expected, c_size);
    ck_assert_msg(error < 1e-5, "%d x %d x %d: off by %g", m, n, k, error);
    for (int i = 0; i < m; i++)
        ck_assert(c[(size_t)i * (size_t)ldc + (size_t)n] == 0.5f);
    guarded_finish(c, "C");
    free(expected), free(a), free(b);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("gemm");
    TCase *c = tcase_create("gemm");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, product_equals_definition, 0, 8 * SHAPES);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return test_main(suite());
}
