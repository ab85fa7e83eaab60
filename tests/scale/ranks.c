/* ranks.c - what a step of training costs on this many ranks, and which part of it is the sum.
 *
 *   mpirun -np N ranks NETWORK deterministic|native BATCH STEPS
 *   mpirun -np N ranks sums FLOATS...
 *
 * Prints a line of JSON from rank 0. MPI's profiling interface tells computing from communicating: the
 * two calls that libcae_mpi makes for a sum come through here. On a machine with fewer processors than
 * ranks the wall's clock says little about computing: so that is measured in a process's own time. */
#include <cae/mpi.h>

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double clock_of(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double wall(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

static double cpu(void)
{
    return clock_of(CLOCK_PROCESS_CPUTIME_ID);
}

/* --- The sums of libcae_mpi, timed ------------------------------------------------------------------ */

static struct {
    double wall, cpu;             /* spent in sums so far */
    double wall_begin, cpu_begin; /* of the one that is going on */
    long floats;                  /* in the last one */
} sums;

int MPI_Iallreduce(const void *from, void *to, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
                   MPI_Request *request)
{
    sums.wall_begin = wall();
    sums.cpu_begin = cpu();
    sums.floats = count;
    return PMPI_Iallreduce(from, to, count, type, op, comm, request);
}

int MPI_Test(MPI_Request *request, int *done, MPI_Status *status)
{
    const int code = PMPI_Test(request, done, status);

    if (code == MPI_SUCCESS && *done) {
        sums.wall += wall() - sums.wall_begin;
        sums.cpu += cpu() - sums.cpu_begin;
    }
    return code;
}

/* --- Networks ----------------------------------------------------------------------------------- */

static void check(cae_status status, cae_context *context, const char *what)
{
    if (status == CAE_OK)
        return;
    fprintf(stderr, "ranks: %s: %s: %s\n", what, cae_status_string(status), cae_context_error(context));
    MPI_Abort(MPI_COMM_WORLD, 1);
}

/* Halves the sides at each of `halvings` layers, then one layer that keeps them; mirrored. */
static void add_wide(cae_spec *spec, cae_context *context, const int *channels, int halvings)
{
    cae_conv_options o;

    cae_conv_options_init(&o, sizeof o);
    o.activation = CAE_ACTIVATION_RELU;
    o.padding_h = o.padding_w = 1;
    for (int i = 0; i <= halvings; i++) {
        o.stride_h = o.stride_w = i < halvings ? 2 : 1;
        check(cae_spec_add_conv(spec, channels[i], channels[i + 1], &o), context, "conv");
    }
    for (int i = halvings; i >= 0; i--) {
        o.stride_h = o.stride_w = i < halvings ? 2 : 1;
        o.output_padding_h = o.output_padding_w = i < halvings ? 1 : 0;
        o.activation = i > 0 ? CAE_ACTIVATION_RELU : CAE_ACTIVATION_NONE;
        check(cae_spec_add_conv_transpose(spec, channels[i + 1], channels[i], &o), context,
              "conv_transpose");
    }
}

static cae_model *network(cae_context *context, const char *name)
{
    static const int million[] = {3, 32, 128, 256, 256}, ten[] = {3, 64, 256, 512, 768};
    cae_spec *spec = NULL;
    cae_model *model = NULL;

    check(cae_spec_create(&spec, context), context, "spec");
    if (strcmp(name, "million") == 0)
        add_wide(spec, context, million, 3);
    else if (strcmp(name, "tenmillion") == 0)
        add_wide(spec, context, ten, 3);
    else
        check(cae_spec_add_preset(spec, strcmp(name, "quality") == 0 ? CAE_PRESET_QUALITY
                                                                     : CAE_PRESET_REFERENCE, 3, 0),
              context, "preset");
    check(cae_model_create(&model, context, spec, 1), context, "model");
    cae_spec_destroy(spec);
    return model;
}

/* --- Steps ---------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    return values[count / 2];
}

static double mean_of_ranks(double value)
{
    double sum = 0;
    int ranks;

    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    MPI_Allreduce(&value, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    return sum / ranks;
}

static void measure_steps(const char *name, const char *reduction, int batch, int steps)
{
    cae_context *context = NULL;
    cae_optimizer *optimizer = NULL;
    cae_dataset *images = NULL;
    cae_trainer *trainer = NULL;
    cae_mpi *mpi = NULL;
    cae_trainer_options options;
    cae_mpi_options group;
    double *step = calloc((size_t)steps, sizeof *step), *sum = calloc((size_t)steps, sizeof *sum);
    double *compute = calloc((size_t)steps, sizeof *compute);

    check(cae_context_create(&context, NULL), context, "context");
    cae_mpi_options_init(&group, sizeof group);
    group.reduction = strcmp(reduction, "native") == 0;
    check(cae_mpi_create(&mpi, context, MPI_COMM_WORLD, &group), context, "group");
    cae_model *model = network(context, name);
    check(cae_optimizer_create(&optimizer, model, NULL), context, "optimizer");
    check(cae_dataset_create_dead_leaves(&images, context, (int64_t)batch * 2, 3, 32, 32, 1, NULL),
          context, "images");
    cae_trainer_options_init(&options, sizeof options);
    options.batch = batch;
    check(cae_trainer_create(&trainer, model, optimizer, images, &options), context, "trainer");
    check(cae_mpi_join(mpi, trainer), context, "join");

    for (int i = -2; i < steps; i++) { /* two to warm up */
        MPI_Barrier(MPI_COMM_WORLD);
        memset(&sums, 0, sizeof sums);
        const double begin = wall(), work = cpu();
        check(cae_trainer_step(NULL, trainer), context, "step");
        if (i < 0)
            continue;
        step[i] = wall() - begin;
        sum[i] = sums.wall;
        compute[i] = cpu() - work - sums.cpu;
    }
    const double step_s = mean_of_ranks(median(step, steps)), sum_s = mean_of_ranks(median(sum, steps));
    const double compute_s = mean_of_ranks(median(compute, steps));
    if (cae_mpi_rank(mpi) == 0)
        printf("{\"ranks\": %d, \"network\": \"%s\", \"parameters\": %lld, \"reduction\": \"%s\", "
               "\"batch\": %d, \"step_s\": %.9g, \"sum_s\": %.9g, \"compute_s\": %.9g}\n",
               (int)cae_mpi_ranks(mpi), name, (long long)cae_model_parameter_count(model), reduction,
               batch, step_s, sum_s, compute_s);
    cae_trainer_destroy(trainer);
    cae_mpi_destroy(mpi);
    cae_dataset_destroy(images);
    cae_optimizer_destroy(optimizer);
    cae_model_destroy(model);
    cae_context_destroy(context);
    free(step), free(sum), free(compute);
}

/* --- Sums alone ----------------------------------------------------------------------------------- */

/* All begin together; the slowest rank's time counts. Waits as libcae_mpi does when a sum is quick. */
static double time_of_sum(float *values, int count)
{
    MPI_Request request;
    double mine, longest;
    int done = 0;

    MPI_Barrier(MPI_COMM_WORLD);
    const double begin = wall();
    PMPI_Iallreduce(MPI_IN_PLACE, values, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &request);
    for (PMPI_Test(&request, &done, MPI_STATUS_IGNORE); !done;
         PMPI_Test(&request, &done, MPI_STATUS_IGNORE))
        if (wall() - begin > 20e-6)
            sched_yield();
    mine = wall() - begin;
    MPI_Allreduce(&mine, &longest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return longest;
}

static void measure_sums(int count, char **sizes)
{
    int rank, ranks;

    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    for (int i = 0; i < count; i++) {
        const int floats = atoi(sizes[i]), repeats = floats > 1000000 ? 7 : 101;
        float *values = calloc((size_t)floats, sizeof *values);
        double times[101];
        if (!values)
            MPI_Abort(MPI_COMM_WORLD, 1);
        time_of_sum(values, floats);
        for (int k = 0; k < repeats; k++)
            times[k] = time_of_sum(values, floats);
        const double middle = median(times, repeats);
        if (rank == 0)
            printf("{\"ranks\": %d, \"floats\": %d, \"allreduce_s\": %.9g, \"least_s\": %.9g}\n", ranks,
                   floats, middle, times[0]);
        free(values);
    }
}

int main(int argc, char **argv)
{
    int level;

    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &level);
    if (argc > 2 && strcmp(argv[1], "sums") == 0)
        measure_sums(argc - 2, argv + 2);
    else if (argc == 5)
        measure_steps(argv[1], argv[2], atoi(argv[3]), atoi(argv[4]));
    else
        fprintf(stderr, "usage: ranks NETWORK deterministic|native BATCH STEPS\n"
                        "       ranks sums FLOATS...\n");
    MPI_Finalize();
    return EXIT_SUCCESS;
}
