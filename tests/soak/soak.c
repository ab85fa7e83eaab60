/* soak.c - a host that never rests: several threads make, train, run, save, load and destroy at random,
 * each with contexts of its own, all with one shared model, while the main thread watches what the
 * process holds: resident memory, descriptors, threads.
 *
 *   soak [--seconds N] [--tenants N] [--seed N] [--every SECONDS] [--log FILE.csv]
 *
 * It fails when a call gives a status that it may not give, when a result differs in one bit from the
 * same one computed before, when a context's memory does not balance, when descriptors, threads or memory
 * are left at the end, and when resident memory grows from the second quarter of the run to the last. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mkdtemp, nftw */
#endif
#include "soak.h"

#include <dirent.h>
#include <ftw.h>
#include <getopt.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- What the process holds ----------------------------------------------------------------------- */

struct sample {
    double seconds;
    long kilobytes, descriptors, threads, calls, rounds;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static long entries(const char *path)
{
    DIR *directory = opendir(path);
    long count = -3; /* ".", ".." and the directory's own descriptor */
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

static long status_number(const char *key)
{
    char line[256];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtol(line + strlen(key), NULL, 10);
    if (file)
        fclose(file);
    return value;
}

static struct sample take_sample(double start, const struct soak_tenant *tenants, int count)
{
    struct sample s = {.seconds = now() - start, .kilobytes = status_number("VmRSS:"),
                       .descriptors = entries("/proc/self/fd"), .threads = status_number("Threads:")};
    for (int i = 0; i < count; i++) {
        s.calls += atomic_load(&tenants[i].calls);
        s.rounds += atomic_load(&tenants[i].rounds);
    }
    return s;
}

/* --- The verdict ---------------------------------------------------------------------------------- */

static int failures;

static void verdict(bool good, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%s - ", good ? "ok" : "not ok");
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
    failures += !good;
}

static int by_size(const void *a, const void *b)
{
    const long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

static long median_kilobytes(const struct sample *samples, size_t first, size_t last)
{
    const size_t count = last - first;
    long *values = malloc((count + 1) * sizeof *values);
    if (!values)
        abort();
    for (size_t i = 0; i < count; i++)
        values[i] = samples[first + i].kilobytes;
    qsort(values, count, sizeof *values, by_size);
    const long median = count ? values[count / 2] : 0;
    free(values);
    return median;
}

/* Resident memory wanders by a few MB with what the tenants happen to hold and how malloc's arenas are
 * cut up: nothing to judge in seconds, while in an hour a leak of 16 bytes a call is hundreds of MB. */
static void judge_memory(const struct sample *samples, size_t count, double seconds)
{
    const long early = median_kilobytes(samples, count / 4, count / 2);
    const long late = median_kilobytes(samples, count - count / 4, count);
    if (seconds < 60)
        printf("ok - resident memory: %ld KB, then %ld KB # skip not judged in less than a minute\n",
               early, late);
    else
        verdict(late <= early + early / 20 + 4096,
                "resident memory: median %ld KB in the second quarter, %ld KB in the last", early, late);
}

static long most_threads(const struct sample *samples, size_t first, size_t last)
{
    long most = 0;
    for (size_t i = first; i < last; i++)
        most = samples[i].threads > most ? samples[i].threads : most;
    return most;
}

/* --- Running -------------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info, (void)kind, (void)ftw;
    return remove(path);
}

struct options {
    double seconds, every;
    int tenants;
    uint64_t seed;
    const char *log;
};

static struct options read_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"seconds", 1, NULL, 's'}, {"tenants", 1, NULL, 't'}, {"seed", 1, NULL, 'r'},
        {"every", 1, NULL, 'e'},   {"log", 1, NULL, 'l'},     {NULL, 0, NULL, 0}};
    struct options o = {.seconds = 4, .every = 0.1, .tenants = 3, .seed = 1};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 's': o.seconds = strtod(optarg, NULL); break;
        case 't': o.tenants = atoi(optarg); break;
        case 'r': o.seed = strtoull(optarg, NULL, 10); break;
        case 'e': o.every = strtod(optarg, NULL); break;
        case 'l': o.log = optarg; break;
        default: exit(2);
        }
    }
    if (o.tenants < 1 || o.tenants > 64 || !(o.every > 0) || !(o.seconds > 0))
        exit(2);
    return o;
}

static size_t watch(struct sample *samples, size_t capacity, const struct options *o,
                    struct soak_tenant *tenants)
{
    FILE *log = o->log ? fopen(o->log, "w") : NULL;
    const double start = now();
    size_t count = 0;
    if (log)
        fprintf(log, "seconds,kilobytes,descriptors,threads,calls,rounds\n");
    while (now() - start < o->seconds && count < capacity && !soak_failed()) {
        const struct timespec pause = {(time_t)o->every, (long)((o->every - (double)(time_t)o->every) * 1e9)};
        nanosleep(&pause, NULL);
        const struct sample s = samples[count++] = take_sample(start, tenants, o->tenants);
        if (log) {
            fprintf(log, "%.1f,%ld,%ld,%ld,%ld,%ld\n", s.seconds, s.kilobytes, s.descriptors, s.threads,
                    s.calls, s.rounds);
            fflush(log);
        }
    }
    if (log)
        fclose(log);
    return count;
}

/* Bytes that malloc has given and not taken back; memory got around the contexts' allocators counts, too. */
static long in_use(void)
{
#ifdef __GLIBC__
    return (long)mallinfo2().uordblks;
#else
    return 0;
#endif
}

/* Threads that pthread_join has seen end may be listed for a moment longer. */
static long settled_threads(long wanted)
{
    const struct timespec pause = {0, 1000000};
    long threads = status_number("Threads:");
    for (int i = 0; i < 1000 && threads > wanted; i++, threads = status_number("Threads:"))
        nanosleep(&pause, NULL);
    return threads;
}

static void *nothing(void *argument)
{
    return argument;
}

/* Sanitizers start a thread of their own with the first: it counts as there before. */
static void start_first_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, nothing, NULL) == 0)
        pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
    const struct options o = read_options(argc, argv);
    const size_t capacity = (size_t)(o.seconds / o.every) + 16;
    struct sample *samples = calloc(capacity, sizeof *samples);
    struct soak_tenant *tenants = calloc((size_t)o.tenants, sizeof *tenants);
    char directory[] = "/tmp/cae-soak-XXXXXX";
    if (!samples || !tenants || !mkdtemp(directory)) {
        perror("soak");
        free(tenants);
        free(samples);
        return 1;
    }
    struct soak_shared *shared = soak_shared_create(o.seed, directory);
    start_first_thread();

    const long descriptors = entries("/proc/self/fd"), threads = status_number("Threads:"),
               bytes = in_use();
    for (int i = 0; i < o.tenants; i++)
        soak_start(&tenants[i], shared, directory, o.seed * 1000 + (uint64_t)i);
    const size_t count = watch(samples, capacity, &o, tenants);
    for (int i = 0; i < o.tenants; i++)
        soak_stop(&tenants[i]);
    const struct sample last = take_sample(0, tenants, o.tenants);
    const long left = settled_threads(threads), kept = in_use() - bytes;

    verdict(!soak_failed(), "every call gave what it may give, every result its bits: %ld calls, "
            "%ld worlds made and destroyed", last.calls, last.rounds);
    verdict(last.descriptors == descriptors, "descriptors: %ld before, %ld after", descriptors,
            last.descriptors);
    verdict(left == threads, "threads: %ld before, %ld after, at most %ld in the first half, %ld in "
            "the second", threads, left, most_threads(samples, 0, count / 2),
            most_threads(samples, count / 2, count));
    judge_memory(samples, count, o.seconds);
    /* the C library keeps about 2 KB for each thread that ran at the same time */
    verdict(kept < 65536, "memory in use: %ld bytes more after than before", kept);
    for (int i = 0; i < SOAK_KINDS; i++)
        printf("# %-22s %ld\n", soak_kind_name(i), soak_kind_count(tenants, o.tenants, i));
    printf("1..5\n");

    soak_shared_destroy(shared);
    nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(tenants);
    free(samples);
    return failures != 0;
}
