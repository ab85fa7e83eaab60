/* fixture.h - a fixture file, parsed, and the model it describes. See make_fixtures.py. */
#ifndef CAE_TESTS_FIXTURE_H
#define CAE_TESTS_FIXTURE_H

#include "../common/common.h"
#include "../ref/ref.h"

enum { FIXTURE_LAYERS = 8, FIXTURE_RUNS = 16, FIXTURE_NAME = 64 };

struct layer {
    struct ref_conv shape; /* with the extents of the images this layer sees */
    int bias;
    char weight_name[FIXTURE_NAME], bias_name[FIXTURE_NAME];
};

struct run {
    char name[FIXTURE_NAME];
    cae_optimizer_options optimizer;
    double clip;
    int32_t loss;
};

struct network {
    int encoder, layer_count, run_count; /* the first `encoder` layers make the latent */
    struct layer layers[FIXTURE_LAYERS];
    struct run runs[FIXTURE_RUNS];
    double huber_delta, epsilon;
    int residual;
};

struct fixture {
    const char *name;
    struct st_file *file;
    struct network net;
    int64_t batch;
    int32_t channels, height, width;
    const float *x, *y, *latent; /* y has the shape of x */
    size_t x_len, latent_len;
};

/* Reads `name`.safetensors from CAE_FIXTURES, or else from the source tree. */
void fixture_open(struct fixture *f, const char *name);
void fixture_close(struct fixture *f);

/* Tensor "<prefix><name>", such as prefix "grad.mse." and name "0.weight". */
const float *fixture_floats(const struct fixture *f, size_t *count, const char *prefix,
                            const char *name);
const double *fixture_doubles(const struct fixture *f, size_t *count, const char *prefix,
                              const char *name);

/* The model that the fixture describes, with its parameters. */
cae_model *fixture_model(const struct fixture *f, cae_context *context);

/* Its images as a dataset, borrowed. */
cae_dataset *fixture_dataset(const struct fixture *f, cae_context *context);

#endif
