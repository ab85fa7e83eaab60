/* test_auc.c - the area under the ROC curve of examples/anomaly, against its definition: the share of pairs
 * that are in order, ties counting half. */
#include "../common/common.h"

#include "../../examples/anomaly/auc.h"

enum { MOST = 60 };

static double by_pairs(const double *clean, int clean_count, const double *anomalous, int anomalous_count)
{
    double pairs = 0.0;

    for (int i = 0; i < clean_count; i++)
        for (int j = 0; j < anomalous_count; j++)
            pairs += clean[i] < anomalous[j] ? 1.0 : clean[i] == anomalous[j] ? 0.5 : 0.0;
    return pairs / clean_count / anomalous_count;
}

START_TEST(auc_is_the_share_of_pairs_in_order)
{
    uint64_t state = (uint64_t)_i;
    double clean[MOST], anomalous[MOST];
    const int n = 1 + (int)random_below(&state, MOST), m = 1 + (int)random_below(&state, MOST);
    const uint32_t values = 1 + random_below(&state, 40); /* few of them: ties */

    for (int i = 0; i < n; i++)
        clean[i] = random_below(&state, values);
    for (int i = 0; i < m; i++)
        anomalous[i] = random_below(&state, values) + random_below(&state, 4);
    const double expected = by_pairs(clean, n, anomalous, m);
    ck_assert_double_eq_tol(auc(clean, (size_t)n, anomalous, (size_t)m), expected, 1e-12);
}
END_TEST

START_TEST(auc_of_what_is_apart)
{
    double low[] = {3, 1, 2}, high[] = {6, 5}, same[] = {2, 2};

    ck_assert_double_eq(auc(low, 3, high, 2), 1.0);
    ck_assert_double_eq(auc(high, 2, low, 3), 0.0);
    ck_assert_double_eq(auc(same, 2, same, 2), 0.5);
    ck_assert_double_eq(share_above(low, 3, 2.0), 1.0 / 3.0);
    ck_assert_double_eq(share_above(high, 2, 6.0), 0.0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auc");
    TCase *cases = tcase_create("auc");

    tcase_add_loop_test(cases, auc_is_the_share_of_pairs_in_order, 0, 200);
    tcase_add_test(cases, auc_of_what_is_apart);
    suite_add_tcase(suite, cases);
    return test_main(suite);
}
