/* test_visit.c - what a trainer draws for the visit of an image: which way it lies and how much noise it
 * gets, against formulas written a second time; and what the dataset then hands over. */
#include "../../lib/training/training.h"
#include "../api/api.h"

#include <math.h>

enum { WAYS = 8 };

/* --- How an image lies --------------------------------------------------------------------------- */

/* Value (y, x) of the result is the source's (*row, *column): mirrored and flipped, then transposed. */
static void source_of(int *row, int *column, int way, int y, int x, int height, int width)
{
    const int a = way & CAE_AUGMENT_FLIP ? height - 1 - y : y;
    const int b = way & CAE_AUGMENT_MIRROR ? width - 1 - x : x;

    *row = way & CAE_AUGMENT_TRANSPOSE ? b : a;
    *column = way & CAE_AUGMENT_TRANSPOSE ? a : b;
}

static const struct {
    int channels, height, width;
} shapes[] = {{1, 1, 1}, {1, 5, 5}, {3, 4, 4}, {2, 7, 3}, {3, 13, 19}, {3, 19, 19}, {4, 1, 9}, {5, 9, 1}};

enum { MOST_IMAGES = 9 };

struct images {
    int c, h, w;
    int32_t type, layout;
    unsigned char *memory; /* one byte on, so that floats are not aligned */
    cae_dataset *dataset;
};

/* The element of an image at a place, as the dataset would give it. */
static float element(const struct images *images, int image, int c, int y, int x)
{
    const int place = images->layout == CAE_LAYOUT_NCHW ? (c * images->h + y) * images->w + x
                                                        : (y * images->w + x) * images->c + c;
    const int at = image * images->c * images->h * images->w + place;
    float value;

    if (images->type == CAE_TYPE_U8)
        return (float)images->memory[1 + at] / 127.5f - 1.0f;
    memcpy(&value, images->memory + 1 + (size_t)at * sizeof value, sizeof value);
    return value;
}

static struct images images_new(cae_context *context, int shape, int32_t type, int32_t layout)
{
    struct images images = {shapes[shape].channels, shapes[shape].height, shapes[shape].width, type, layout,
                            NULL, NULL};
    const size_t values = (size_t)(MOST_IMAGES * images.c * images.h * images.w);
    const size_t bytes = values * (type == CAE_TYPE_U8 ? 1 : sizeof(float));
    cae_dataset_options o;

    images.memory = malloc(1 + bytes);
    ck_assert_ptr_nonnull(images.memory);
    random_bytes(3, images.memory + 1, bytes);
    if (type == CAE_TYPE_F32) {
        float *floats = new_floats(values);

        random_floats(4, floats, values, -1, 1);
        memcpy(images.memory + 1, floats, bytes);
        free(floats);
    }
    assert_ok(context, cae_dataset_options_init(&o, sizeof o));
    o.type = type, o.layout = layout, o.borrow = 1;
    assert_ok(context, cae_dataset_create(&images.dataset, context, images.memory + 1, bytes, MOST_IMAGES,
                                          images.c, images.h, images.w, &o));
    return images;
}

/* Eight lanes and one, all filled or not, each image lying its own way, some twice. */
static void check_lanes(const struct images *images, int lanes, int used, int first_way, bool square)
{
    const size_t length = (size_t)(images->c * images->h * images->w), all = length * (size_t)lanes;
    float *out = guarded_floats(all);
    int64_t chosen[8];
    int ways[8] = {0};

    for (int lane = 0; lane < used; lane++) {
        chosen[lane] = (lane * 5 + first_way) % MOST_IMAGES;
        ways[lane] = (first_way + lane) % WAYS & (square ? 7 : ~CAE_AUGMENT_TRANSPOSE);
    }
    ck_assert_int_eq(cae__dataset_read_lanes(out, images->dataset, chosen, ways, lanes, used, NULL), CAE__ALL_READ);
    for (size_t i = 0; i < length; i++)
        for (int lane = 0; lane < lanes; lane++) {
            const int x = (int)i % images->w, y = (int)i / images->w % images->h;
            float expected = 0.0f;
            int row, column;

            if (lane < used) {
                source_of(&row, &column, ways[lane], y, x, images->h, images->w);
                expected = element(images, (int)chosen[lane], (int)i / images->w / images->h, row, column);
            }
            if (out[i * (size_t)lanes + (size_t)lane] != expected)
                ck_abort_msg("%dx%dx%d, type %d, layout %d, way %d, lane %d of %d: value %zu is %g, not %g",
                             images->c, images->h, images->w, (int)images->type, (int)images->layout,
                             ways[lane], lane, used, i, (double)out[i * (size_t)lanes + (size_t)lane],
                             (double)expected);
        }
    guarded_finish(out, "images side by side");
}

START_TEST(images_lie_in_eight_ways)
{
    cae_context *context = test_context();
    struct images images = images_new(context, _i / 4, _i / 2 % 2, _i % 2);
    const bool square = images.h == images.w;

    for (int way = 0; way < WAYS; way++) {
        check_lanes(&images, 1, 1, way, square);
        for (int used = 1; used <= 8; used++)
            check_lanes(&images, 8, used, way, square);
    }
    cae_dataset_destroy(images.dataset);
    cae_context_destroy(context);
    free(images.memory);
}
END_TEST

/* Any part of an image, as pieces are read: first and last values within rows, across them and across
 * planes, and across the 512 bytes that are scaled at a time. */
START_TEST(parts_of_an_image_that_lies_otherwise)
{
    cae_context *context = test_context();
    struct images images = images_new(context, 5, _i / 2, _i % 2);
    const size_t length = (size_t)(images.c * images.h * images.w);
    uint64_t state = 1;

    for (int way = 0; way < WAYS; way++) {
        float *whole = new_floats(length);

        const unsigned char *bytes = cae__dataset_bytes(images.dataset, 2, NULL);

        cae__dataset_read_part(whole, images.dataset, bytes, way, 0, length);
        for (int trial = 0; trial < 50; trial++) {
            const size_t first = random_below(&state, (uint32_t)length);
            const size_t count = 1 + random_below(&state, (uint32_t)(length - first));
            float *part = guarded_floats(count);

            cae__dataset_read_part(part, images.dataset, bytes, way, first, count);
            ck_assert_int_eq(memcmp(part, whole + first, count * sizeof *part), 0);
            guarded_finish(part, "a part of an image");
        }
        free(whole);
    }
    cae_dataset_destroy(images.dataset);
    cae_context_destroy(context);
    free(images.memory);
}
END_TEST

/* --- What is drawn ------------------------------------------------------------------------------- */

enum { DRAWN = 4000, SIDE = 3 };

struct drawer {
    cae_context *context;
    cae_model *model;
    cae_dataset *dataset;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
};

static struct drawer drawer_new(const cae_trainer_options *o)
{
    struct drawer d = {.context = test_context()};

    d.model = small_model(d.context, 1);
    d.dataset = float_images(d.context, NULL, DRAWN, SIDE);
    assert_ok(d.context, cae_optimizer_create(&d.optimizer, d.model, NULL));
    assert_ok(d.context, cae_trainer_create(&d.trainer, d.model, d.optimizer, d.dataset, o));
    return d;
}

static void drawer_free(struct drawer *d)
{
    cae_trainer_destroy(d->trainer);
    cae_optimizer_destroy(d->optimizer);
    cae_dataset_destroy(d->dataset);
    cae_model_destroy(d->model);
    cae_context_destroy(d->context);
}

static cae_trainer_options options_of(uint64_t seed, int32_t shuffle, int32_t augment, double least,
                                      double most)
{
    cae_trainer_options o;

    ck_assert_int_eq(cae_trainer_options_init(&o, sizeof o), CAE_OK);
    o.seed = seed, o.shuffle = shuffle, o.augment = augment;
    o.noise_sigma = least, o.noise_sigma_max = most;
    return o;
}

static uint32_t draw(uint64_t seed, uint32_t purpose, uint64_t epoch, uint64_t image)
{
    const uint64_t id = (epoch & 0xffffff) << 40 | image;
    uint32_t counter[4] = {0, (uint32_t)id, (uint32_t)(id >> 32), purpose};

    philox(counter, seed);
    return counter[0];
}

static const int64_t epochs[] = {0, 1, 2, 1000, 0xfffffe, INT64_C(0x123456789a)};

/* Each of the eight sums of the options, in several epochs: coins that do not depend on what else is
 * asked for, nor on the noise. */
START_TEST(ways_are_their_draws)
{
    const uint64_t seed = UINT64_C(0x0123456789abcdef);
    const cae_trainer_options o = options_of(seed, 0, _i, 0.1, _i % 2 ? 0.2 : 0);
    struct drawer d = drawer_new(&o);

    for (int e = 0; e < COUNT(epochs); e++) {
        d.trainer->now.epoch = epochs[e];
        for (int64_t i = 0; i < DRAWN; i++) {
            const struct cae__visit visit = cae__visit_at(d.trainer, i);

            ck_assert_int_eq(visit.image, i);
            ck_assert_int_eq(visit.way, (int)(draw(seed, 6, (uint64_t)epochs[e], (uint64_t)i) & (uint32_t)_i));
        }
    }
    drawer_free(&d);
}
END_TEST

/* Fair, and of each other, of the next epoch's and of the next image's independent: each share is a
 * binomial mean of 4,000, standard deviation 0.0079; 4.5 of them, and the seed is fixed. */
START_TEST(coins_are_fair_and_independent)
{
    const cae_trainer_options o = options_of(1, 0, 7, 0, 0);
    struct drawer d = drawer_new(&o);
    double heads[3] = {0}, pairs[3] = {0}, next_epoch[3] = {0}, next_image[3] = {0}, all[WAYS] = {0};

    for (int64_t i = 0; i < DRAWN; i++) {
        d.trainer->now.epoch = 0;
        const int way = cae__visit_at(d.trainer, i).way, beside = cae__visit_at(d.trainer, (i + 1) % DRAWN).way;
        d.trainer->now.epoch = 1;
        const int later = cae__visit_at(d.trainer, i).way;

        all[way] += 1.0 / DRAWN;
        for (int k = 0; k < 3; k++) {
            heads[k] += (way >> k & 1) / (double)DRAWN;
            pairs[k] += ((way >> k ^ way >> (k + 1) % 3) & 1) / (double)DRAWN;
            next_epoch[k] += ((way ^ later) >> k & 1) / (double)DRAWN;
            next_image[k] += ((way ^ beside) >> k & 1) / (double)DRAWN;
        }
    }
    for (int k = 0; k < 3; k++) {
        ck_assert_double_eq_tol(heads[k], 0.5, 0.036);
        ck_assert_double_eq_tol(pairs[k], 0.5, 0.036);
        ck_assert_double_eq_tol(next_epoch[k], 0.5, 0.036);
        ck_assert_double_eq_tol(next_image[k], 0.5, 0.036);
    }
    for (int way = 0; way < WAYS; way++)
        ck_assert_double_eq_tol(all[way], 0.125, 0.024);
    drawer_free(&d);
}
END_TEST

/* The order of images is that of a trainer that draws nothing. */
START_TEST(draws_do_not_change_the_shuffle)
{
    const cae_trainer_options plain = options_of(9, 1, 0, 0, 0), drawing = options_of(9, 1, 7, 0.1, 0.3);
    struct drawer a = drawer_new(&plain), b = drawer_new(&drawing);

    for (int e = 0; e < COUNT(epochs); e++) {
        int64_t sum = 0;

        a.trainer->now.epoch = b.trainer->now.epoch = epochs[e];
        for (int64_t i = 0; i < DRAWN; i++) {
            const struct cae__visit visit = cae__visit_at(b.trainer, i);

            ck_assert_int_eq(visit.image, cae__visit_at(a.trainer, i).image);
            ck_assert_int_eq(visit.way, (int)(draw(9, 6, (uint64_t)epochs[e], (uint64_t)visit.image) & 7));
            sum += visit.image;
        }
        ck_assert_int_eq(sum, (int64_t)DRAWN * (DRAWN - 1) / 2);
    }
    drawer_free(&a);
    drawer_free(&b);
}
END_TEST

/* Uniform between the two: chi-squared of ten cells, 9 degrees of freedom, above 40 with probability
 * 8e-6; anew in each epoch; and for each image what it was before when it is asked again. */
START_TEST(sigmas_are_uniform_between_their_ends)
{
    const double least = 0.05, most = 0.45;
    const cae_trainer_options o = options_of(3, 0, 0, least, most);
    struct drawer d = drawer_new(&o);
    float before[DRAWN];

    for (int e = 0; e < COUNT(epochs); e++) {
        int cells[10] = {0}, same = 0;
        double chi = 0;

        d.trainer->now.epoch = epochs[e];
        for (int64_t i = 0; i < DRAWN; i++) {
            const float sigma = cae__visit_at(d.trainer, i).sigma;
            const double u = (draw(3, 5, (uint64_t)epochs[e], (uint64_t)i) >> 8) * 0x1p-24;

            ck_assert_float_eq(sigma, (float)(least + (most - least) * u));
            ck_assert(sigma >= (float)least && sigma <= (float)most);
            cells[(int)fmin(9, (sigma - least) / (most - least) * 10)]++;
            same += e > 0 && sigma == before[i];
            before[i] = sigma;
            ck_assert_float_eq(cae__visit_at(d.trainer, i).sigma, sigma);
        }
        for (int c = 0; c < 10; c++)
            chi += (cells[c] - DRAWN / 10.0) * (cells[c] - DRAWN / 10.0) / (DRAWN / 10.0);
        ck_assert_double_lt(chi, 40);
        ck_assert_int_lt(same, 3);
    }
    drawer_free(&d);
}
END_TEST

START_TEST(one_sigma_for_all)
{
    const cae_trainer_options fixed = options_of(3, 0, 0, 0.1, 0), point = options_of(3, 0, 0, 0.1, 0.1);
    struct drawer a = drawer_new(&fixed), b = drawer_new(&point);

    for (int64_t i = 0; i < DRAWN; i++) {
        ck_assert_float_eq(cae__visit_at(a.trainer, i).sigma, 0.1f);
        ck_assert_float_eq(cae__visit_at(b.trainer, i).sigma, 0.1f);
    }
    drawer_free(&a);
    drawer_free(&b);
}
END_TEST

/* --- What a block is loaded with ----------------------------------------------------------------- */

/* The image as it lies, and the same with the noise of cae_add_noise at its own sigma, to the bit; the
 * noise's standard deviation is that sigma, to five of its own standard errors. */
START_TEST(a_block_is_its_images)
{
    enum { LONG = 96, LENGTH = LONG * LONG, FEW = 20 };
    const cae_trainer_options o = options_of(77, 1, 7, _i ? 0.3 : 0, _i ? 0 : 0.5);
    struct drawer d = {.context = test_context()};
    float *input = guarded_floats(8 * LENGTH), *target = guarded_floats(8 * LENGTH);
    float *clean = new_floats(LENGTH);

    d.model = small_model(d.context, 1);
    d.dataset = float_images(d.context, NULL, FEW, LONG);
    assert_ok(d.context, cae_optimizer_create(&d.optimizer, d.model, NULL));
    assert_ok(d.context, cae_trainer_create(&d.trainer, d.model, d.optimizer, d.dataset, &o));
    d.trainer->now.epoch = 5;
    for (int64_t first = 0; first < FEW; first += 8) {
        const int used = FEW - first < 8 ? (int)(FEW - first) : 8;

        ck_assert_int_eq(cae__visit_load(input, target, d.trainer, first, 8, used, NULL), CAE__ALL_READ);
        for (int lane = 0; lane < used; lane++) {
            const struct cae__visit visit = cae__visit_at(d.trainer, first + lane);
            double square = 0;

            assert_ok(d.context, cae_dataset_get(clean, LENGTH, d.dataset, visit.image));
            for (int i = 0; i < LENGTH; i++) {
                int row, column;

                source_of(&row, &column, visit.way, i / LONG, i % LONG, LONG, LONG);
                ck_assert_float_eq(target[8 * i + lane], clean[row * LONG + column]);
            }
            for (int i = 0; i < LENGTH; i++)
                clean[i] = target[8 * i + lane];
            ck_assert_int_eq(cae_add_noise(clean, LENGTH, visit.sigma, 77, 5, (uint64_t)visit.image), CAE_OK);
            for (int i = 0; i < LENGTH; i++) {
                const double noise = (double)input[8 * i + lane] - (double)target[8 * i + lane];

                ck_assert_float_eq(input[8 * i + lane], clean[i]);
                square += noise * noise / LENGTH;
            }
            ck_assert_double_eq_tol(sqrt(square), visit.sigma, 5 * visit.sigma / sqrt(2.0 * LENGTH) + 1e-7);
        }
        for (int lane = used; lane < 8; lane++)
            for (int i = 0; i < LENGTH; i++)
                ck_assert(input[8 * i + lane] == 0.0f && target[8 * i + lane] == 0.0f);
    }
    guarded_finish(input, "noisy images");
    guarded_finish(target, "clean images");
    free(clean);
    drawer_free(&d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("visit");
    TCase *c = tcase_create("visit");

    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, images_lie_in_eight_ways, 0, 4 * COUNT(shapes));
    tcase_add_loop_test(c, parts_of_an_image_that_lies_otherwise, 0, 4);
    tcase_add_loop_test(c, ways_are_their_draws, 0, WAYS);
    tcase_add_test(c, coins_are_fair_and_independent);
    tcase_add_test(c, draws_do_not_change_the_shuffle);
    tcase_add_test(c, sigmas_are_uniform_between_their_ends);
    tcase_add_test(c, one_sigma_for_all);
    tcase_add_loop_test(c, a_block_is_its_images, 0, 2);
    suite_add_tcase(suite, c);
    return test_main(suite);
}
