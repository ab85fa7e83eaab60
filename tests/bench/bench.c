/* bench.c - the command: `bench [options] [peak | layers | step | training | inference | photo | scores |
 * growth | handles ...]`. */
#include "bench.h"

#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- The peak ------------------------------------------------------------------------------------- */

double peak_work_baseline(long count);
#if BENCH_X86
double peak_work_avx2(long count);
double peak_work_avx512(long count);
#endif

static double peak_work(int cpu, long count)
{
#if BENCH_X86
    if (cpu == CAE_CPU_AVX512)
        return peak_work_avx512(count);
    if (cpu == CAE_CPU_AVX2)
        return peak_work_avx2(count);
#endif
    (void)cpu;
    return peak_work_baseline(count);
}

struct probe {
    pthread_t thread;
    int cpu;
    double seconds, flop;
};

static void *probe_main(void *argument)
{
    struct probe *probe = argument;
    const double start = bench_now();
    while (bench_now() - start < probe->seconds)
        probe->flop += peak_work(probe->cpu, 20000);
    probe->flop /= bench_now() - start;
    return NULL;
}

double bench_peak(int cpu, int threads, double seconds)
{
    struct probe *probes = calloc((size_t)threads, sizeof *probes);
    double total = 0.0;
    for (int i = 0; i < threads; i++)
        probes[i] = (struct probe){.cpu = cpu, .seconds = seconds};
    for (int i = 1; i < threads; i++)
        if (pthread_create(&probes[i].thread, NULL, probe_main, &probes[i]) != 0)
            exit(1);
    probe_main(&probes[0]);
    for (int i = 0; i < threads; i++) {
        if (i > 0)
            pthread_join(probes[i].thread, NULL);
        total += probes[i].flop;
    }
    free(probes);
    return 1e-9 * total;
}

/* --- Measuring ---------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    /* cppcheck-suppress uninitvar ; one value for each round */
    qsort(values, (size_t)count, sizeof *values, ascending);
    return values[count / 2];
}

/* Seconds a call, over about `seconds`. */
static double time_calls(const struct bench_case *work, double seconds)
{
    long calls = 0, batch = 1;
    const double start = bench_now();
    double now;
    do {
        for (long i = 0; i < batch; i++)
            work->work(work->state);
        calls += batch;
        now = bench_now();
        if (now - start < 0.1 * seconds)
            batch *= 2; /* the clock is not free either */
    } while (now - start < seconds);
    return (now - start) / (double)calls;
}

static void print_line(const struct bench *b, const struct bench_case *work, double seconds,
                       double fraction, double peak)
{
    printf("%-44s %11.2f us", work->name, 1e6 * seconds);
    if (work->images > 0)
        printf(" %10.0f images/s", work->images / seconds);
    if (work->flop > 0)
        printf(" %7.1f GFLOP/s %5.1f %% of %.1f", 1e-9 * work->flop / seconds, 100 * fraction, peak);
    printf("\n");
    fflush(stdout);
    if (!b->json)
        return;
    fprintf(b->json,
            "{\"name\": \"%s\", \"cpu\": \"%s\", \"threads\": %d, \"microseconds\": %.4g, "
            "\"images_per_second\": %.6g, \"gflops\": %.5g, \"peak_gflops\": %.5g, "
            "\"fraction_of_peak\": %.4g}\n",
            work->name, bench_cpu_name(b->cpu), b->threads, 1e6 * seconds, work->images / seconds,
            1e-9 * work->flop / seconds, peak, fraction);
    fflush(b->json);
}

double bench_run(const struct bench *b, const struct bench_case *work)
{
    enum { MOST = 99 };
    double seconds[MOST], fractions[MOST], peaks[MOST];
    work->work(work->state);
    time_calls(work, 0.1 * b->seconds);
    for (int i = 0; i < b->rounds; i++) {
        peaks[i] = bench_peak(b->cpu, b->threads, 0.2 * b->seconds);
        seconds[i] = time_calls(work, b->seconds);
        fractions[i] = 1e-9 * work->flop / seconds[i] / peaks[i];
    }
    const double time = median(seconds, b->rounds);
    print_line(b, work, time, median(fractions, b->rounds), median(peaks, b->rounds));
    return time;
}

int bench_wanted(const struct bench *b, const char *name)
{
    return !b->only || strncmp(name, b->only, strlen(b->only)) == 0;
}

/* --- Networks --------------------------------------------------------------------------------------------- */

const char *bench_cpu_name(int cpu)
{
    return cpu == CAE_CPU_AVX512 ? "avx512" : cpu == CAE_CPU_AVX2 ? "avx2" : "baseline";
}

void bench_ok(const cae_context *context, cae_status status)
{
    if (status == CAE_OK)
        return;
    fprintf(stderr, "bench: %s: %s\n", cae_status_string(status), cae_context_error(context));
    exit(1);
}

cae_context *bench_context(const struct bench *b, int threads, int engine)
{
    cae_context *context;
    cae_context_options options;
    cae_context_options_init(&options, sizeof options);
    options.threads = threads;
    options.engine = engine;
    options.cpu = b->cpu;
    bench_ok(NULL, cae_context_create(&context, &options));
    return context;
}

cae_model *bench_model(cae_context *context, int channels)
{
    cae_spec *spec;
    cae_model *model;
    cae_conv_options relu;
    cae_conv_options_init(&relu, sizeof relu);
    relu.activation = CAE_ACTIVATION_RELU;
    bench_ok(context, cae_spec_create(&spec, context));
    bench_ok(context, cae_spec_add_conv(spec, 3, channels, &relu));
    bench_ok(context, cae_spec_add_conv(spec, channels, channels, &relu));
    bench_ok(context, cae_spec_add_conv_transpose(spec, channels, channels, &relu));
    bench_ok(context, cae_spec_add_conv_transpose(spec, channels, 3, NULL));
    bench_ok(context, cae_model_create(&model, context, spec, 1));
    cae_spec_destroy(spec);
    return model;
}

/* Two for each multiplication, 9 taps; the position counted is the grid's. */
double bench_forward_flop(int channels, int height, int width)
{
    const double outer = (height - 2.0) * (width - 2.0), inner = (height - 4.0) * (width - 4.0);
    return 2.0 * 9.0 * (2.0 * 3.0 * channels * outer + 2.0 * channels * channels * inner);
}

/* Forward, weight gradient and input gradient cost the same; the first layer has no input gradient. */
double bench_training_flop(int channels, int height, int width)
{
    const double outer = (height - 2.0) * (width - 2.0);
    return 3.0 * bench_forward_flop(channels, height, width) - 2.0 * 9.0 * 3.0 * channels * outer;
}

/* --- The command --------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(const struct bench *bench);
} groups[] = {
    {"peak", bench_peaks},           {"layers", bench_layers}, {"step", bench_step},
    {"training", bench_training},    {"inference", bench_inference},
    {"photo", bench_photo},          {"scores", bench_scores}, {"handles", bench_handles},
    {"growth", bench_growth},
};

enum { GROUPS = sizeof groups / sizeof *groups };

void bench_peaks(const struct bench *b)
{
    for (int cpu = CAE_CPU_BASELINE; cpu <= b->cpu; cpu++)
        for (int threads = 1; threads <= b->threads; threads++) {
            double peaks[5];
            for (int i = 0; i < 5; i++)
                peaks[i] = bench_peak(cpu, threads, b->seconds / 3);
            qsort(peaks, 5, sizeof *peaks, ascending);
            printf("peak, %s, %d thread%s: %.1f GFLOP/s (%.1f to %.1f)\n", bench_cpu_name(cpu),
                   threads, threads > 1 ? "s" : "", peaks[2], peaks[0], peaks[4]);
            if (b->json)
                fprintf(b->json,
                        "{\"name\": \"peak\", \"cpu\": \"%s\", \"threads\": %d, \"gflops\": %.5g}\n",
                        bench_cpu_name(cpu), threads, peaks[2]);
        }
}

static void usage(FILE *to)
{
    fprintf(to, "usage: bench [--threads N] [--cpu baseline|avx2|avx512] [--seconds X] [--rounds N]\n"
                "             [--only PREFIX] [--json FILE] [GROUP ...]\ngroups:");
    for (int i = 0; i < GROUPS; i++)
        fprintf(to, " %s", groups[i].name);
    fprintf(to, " (all but growth)\n");
}

static int cpu_of(const char *name)
{
    for (int cpu = CAE_CPU_BASELINE; cpu <= CAE_CPU_AVX512; cpu++)
        if (strcmp(name, bench_cpu_name(cpu)) == 0)
            return cpu;
    return -1;
}

static int best_cpu(void)
{
    cae_context *context;
    bench_ok(NULL, cae_context_create(&context, NULL));
    const int cpu = cae_context_cpu(context);
    cae_context_destroy(context);
    return cpu;
}

static int parse(struct bench *b, int argc, char **argv)
{
    static const struct option options[] = {
        {"threads", 1, NULL, 't'}, {"cpu", 1, NULL, 'c'},  {"seconds", 1, NULL, 's'},
        {"rounds", 1, NULL, 'r'},  {"only", 1, NULL, 'o'}, {"json", 1, NULL, 'j'},
        {"help", 0, NULL, 'h'},    {0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 't': b->threads = atoi(optarg); break;
        case 'c': b->cpu = cpu_of(optarg); break;
        case 's': b->seconds = atof(optarg); break;
        case 'r': b->rounds = atoi(optarg); break;
        case 'o': b->only = optarg; break;
        case 'j': b->json = fopen(optarg, "w"); break;
        case 'h': usage(stdout); exit(0);
        default: return 0;
        }
        if (c == 'j' && !b->json) {
            perror(optarg);
            exit(1);
        }
    }
    return b->threads >= 1 && b->cpu >= 1 && b->seconds > 0 && b->rounds >= 1 && b->rounds <= 99;
}

int main(int argc, char **argv)
{
    struct bench b = {.seconds = 0.3, .rounds = 5, .threads = 1, .cpu = best_cpu()};
    if (!parse(&b, argc, argv)) {
        usage(stderr);
        return 2;
    }
    char info[256];
    cae_build_info(info, sizeof info);
    printf("%s; measured with %s kernels, %d thread%s, %d rounds of %g s, medians\n", info,
           bench_cpu_name(b.cpu), b.threads, b.threads > 1 ? "s" : "", b.rounds, b.seconds);
    for (int i = 0; i < GROUPS; i++) {
        int wanted = optind == argc && groups[i].run != bench_growth;
        for (int j = optind; j < argc; j++)
            wanted |= strcmp(argv[j], groups[i].name) == 0;
        if (wanted) {
            printf("\n%s\n", groups[i].name);
            groups[i].run(&b);
        }
    }
    if (b.json && fclose(b.json) != 0) {
        perror("bench: --json");
        return 1;
    }
    return 0;
}
