/* curve.c - the training loss over the epochs, gathered for the eye. */
#include "curve.h"

#include <math.h>
#include <string.h>

/* A loss of 0 is possible and has no logarithm. */
static double positive(double loss)
{
    return fmax(loss, 1e-12);
}

struct curve curve_of(const struct run *run)
{
    return (struct curve){.history = &run->history,
                          .steps_per_epoch = cae_trainer_steps_per_epoch(run->trainer),
                          .loss = recipe_loss_name(&run->recipe),
                          .input_mse = strcmp(recipe_loss_name(&run->recipe), "mse")
                                           ? 0 : run->evaluation.noisy_mse};
}

int curve_buckets(const struct curve *curve)
{
    return curve->history->count < BUCKETS ? (int)curve->history->count : BUCKETS;
}

size_t curve_steps_each(const struct curve *curve)
{
    return (curve->history->count + BUCKETS - 1) / BUCKETS;
}

struct bucket curve_bucket(const struct curve *curve, int i)
{
    const struct history *h = curve->history;
    const size_t n = (size_t)curve_buckets(curve);
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): no bucket is asked for where there are none */
    const size_t first = (size_t)i * h->count / n, end = ((size_t)i + 1) * h->count / n;
    const double middle = 0.5 * (double)(h->rows[first].step + h->rows[end - 1].step);
    struct bucket b = {.epoch = middle / (double)curve->steps_per_epoch, .low = INFINITY};

    for (size_t r = first; r < end; r++) {
        const double loss = positive(h->rows[r].loss);
        b.low = fmin(b.low, loss);
        b.high = fmax(b.high, loss);
        b.mean += loss / (double)(end - first);
        b.learning_rate += h->rows[r].learning_rate / (double)(end - first);
    }
    return b;
}

struct scale curve_epochs(const struct curve *curve, double from, double to)
{
    const struct history *h = curve->history;
    const double first = (double)(h->rows[0].step - 1), last = (double)h->rows[h->count - 1].step;

    return (struct scale){first / (double)curve->steps_per_epoch,
                          last / (double)curve->steps_per_epoch, from, to};
}

struct scale curve_losses(const struct curve *curve, double from, double to)
{
    const double input = curve->input_mse > 0 ? curve->input_mse : NAN;  /* fmin passes over NaN */
    double low = input, high = input, air;

    for (size_t r = 0; r < curve->history->count; r++) {
        low = fmin(low, positive(curve->history->rows[r].loss));
        high = fmax(high, positive(curve->history->rows[r].loss));
    }
    low = log10(low);
    high = log10(high);
    air = fmax(0.06 * (high - low), 0.05);
    return (struct scale){low - air, high + air, from, to};
}
