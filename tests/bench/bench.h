/* bench.h - what the benchmarks share: time, the peak of the machine, and one line a result.
 *
 * The machines that this runs on drift and are shared. So everything is measured in rounds, each beside
 * a probe of the peak taken right before it, and reported as medians: of the time, and of the fraction
 * of the peak. */
#ifndef CAE_TESTS_BENCH_H
#define CAE_TESTS_BENCH_H

#include <stdint.h>
#include <stdio.h>

#include <cae/cae.h>

struct bench {
    double seconds; /* of a round */
    int rounds;     /* odd */
    int threads, cpu;
    const char *only; /* names to run begin with this; NULL runs all */
    FILE *json;       /* one object a line, NULL for none */
};

/* One piece of work; its state is the caller's. */
typedef void (*bench_work)(void *state);

/* What a piece of work is: `images` (or 0) and `flop` a call. */
struct bench_case {
    char name[96];
    double images, flop;
    bench_work work;
    void *state;
};

double bench_now(void);
/* GFLOP/s of multiply-adds in registers on so many threads, for about `seconds`. */
double bench_peak(int cpu, int threads, double seconds);
/* Run it, print the line, return the median of the seconds a call. */
double bench_run(const struct bench *bench, const struct bench_case *work);
/* False when the command line asked for others. */
int bench_wanted(const struct bench *bench, const char *name);
const char *bench_cpu_name(int cpu);

/* The groups. */
void bench_peaks(const struct bench *bench);
void bench_layers(const struct bench *bench);
void bench_training(const struct bench *bench);
void bench_step(const struct bench *bench);
void bench_inference(const struct bench *bench);
void bench_photo(const struct bench *bench);
void bench_scores(const struct bench *bench);
void bench_growth(const struct bench *bench);
void bench_handles(const struct bench *bench);

/* A context that ends the program when it cannot be had; checks of calls likewise. */
cae_context *bench_context(const struct bench *bench, int threads, int engine);
void bench_ok(const cae_context *context, cae_status status);
/* Networks shaped as the reference, with `channels` for its 8: 2 convolutions, 2 transposed ones. */
cae_model *bench_model(cae_context *context, int channels);
/* Their floating-point operations an image: forward, or a whole training step. */
double bench_forward_flop(int channels, int height, int width);
double bench_training_flop(int channels, int height, int width);

#endif
