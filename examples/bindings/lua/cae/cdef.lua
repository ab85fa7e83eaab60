-- The declarations of cae/cae.h 1.0, word for word, without comments and preprocessor lines.
return [[
uint32_t cae_version_number(void);
const char *cae_version_string(void);
uint32_t cae_abi_version(void);
size_t cae_build_info(char *text, size_t capacity);

typedef int32_t cae_status;

enum cae_status_code {
    CAE_STOPPED = 1,
    CAE_OK = 0,
    CAE_ERR_ARGUMENT = -1,
    CAE_ERR_MEMORY = -2,
    CAE_ERR_SHAPE = -3,
    CAE_ERR_OPTIONS = -4,
    CAE_ERR_IO = -5,
    CAE_ERR_FORMAT = -6,
    CAE_ERR_NUMERIC = -7,
    CAE_ERR_UNSUPPORTED = -8,
    CAE_ERR_NAME = -9,
    CAE_ERR_PEER = -10
};

const char *cae_status_string(cae_status status);

typedef struct cae_context cae_context;

enum cae_log_level {
    CAE_LOG_INFO = 0,
    CAE_LOG_WARNING = 1
};

enum cae_engine {
    CAE_ENGINE_AUTO = 0,
    CAE_ENGINE_GEMM = 1,
    CAE_ENGINE_DIRECT = 2
};

enum cae_cpu {
    CAE_CPU_AUTO = 0,
    CAE_CPU_BASELINE = 1,
    CAE_CPU_AVX2 = 2,
    CAE_CPU_AVX512 = 3
};

typedef void *(*cae_allocate_fn)(void *user, size_t bytes);
typedef void (*cae_release_fn)(void *user, void *block);
typedef void (*cae_log_fn)(void *user, int32_t level, const char *text);

typedef struct cae_context_options {
    uint32_t size;
    int32_t threads;
    int32_t engine;
    int32_t cpu;
    cae_allocate_fn allocate;
    cae_release_fn release;
    void *allocator_user;
    cae_log_fn log;
    void *log_user;
} cae_context_options;

cae_status cae_context_options_init(cae_context_options *options, uint32_t size);
cae_status cae_context_create(cae_context **out, const cae_context_options *options);
void cae_context_destroy(cae_context *context);
const char *cae_context_error(const cae_context *context);
cae_status cae_context_set_threads(cae_context *context, int32_t threads);
int32_t cae_context_threads(const cae_context *context);
int32_t cae_context_cpu(const cae_context *context);

typedef struct cae_spec cae_spec;

enum cae_activation {
    CAE_ACTIVATION_NONE = 0,
    CAE_ACTIVATION_RELU = 1,
    CAE_ACTIVATION_LEAKY_RELU = 2,
    CAE_ACTIVATION_TANH = 3,
    CAE_ACTIVATION_SIGMOID = 4
};

typedef struct cae_conv_options {
    uint32_t size;
    int32_t kernel_h;
    int32_t kernel_w;
    int32_t stride_h;
    int32_t stride_w;
    int32_t padding_h;
    int32_t padding_w;
    int32_t dilation_h;
    int32_t dilation_w;
    int32_t output_padding_h;
    int32_t output_padding_w;
    int32_t bias;
    int32_t activation;
    uint32_t reserved;
    double slope;
} cae_conv_options;

cae_status cae_conv_options_init(cae_conv_options *options, uint32_t size);
cae_status cae_spec_create(cae_spec **out, cae_context *context);
void cae_spec_destroy(cae_spec *spec);
cae_status cae_spec_add_conv(cae_spec *spec, int32_t in_channels, int32_t out_channels,
                             const cae_conv_options *options);
cae_status cae_spec_add_conv_transpose(cae_spec *spec, int32_t in_channels, int32_t out_channels,
                                       const cae_conv_options *options);
cae_status cae_spec_end_encoder(cae_spec *spec);
cae_status cae_spec_set_residual(cae_spec *spec, int32_t residual);
cae_status cae_spec_add_reference(cae_spec *spec);

typedef struct cae_model cae_model;

cae_status cae_model_create(cae_model **out, cae_context *context, const cae_spec *spec,
                            uint64_t seed);
cae_status cae_model_create_reference(cae_model **out, cae_context *context, uint64_t seed);
void cae_model_destroy(cae_model *model);
int64_t cae_model_parameter_count(const cae_model *model);
int32_t cae_model_layer_count(const cae_model *model);
int32_t cae_model_residual(const cae_model *model);
int32_t cae_model_tensor_count(const cae_model *model);
const char *cae_model_tensor_name(const cae_model *model, int32_t index);
cae_status cae_model_tensor_shape(int64_t *shape, int32_t *rank, const cae_model *model,
                                  const char *name);
cae_status cae_model_get_tensor(float *values, size_t count, const cae_model *model,
                                const char *name);
cae_status cae_model_set_tensor(cae_model *model, const char *name, const float *values,
                                size_t count);

enum cae_part {
    CAE_PART_ENCODER = 0,
    CAE_PART_DECODER = 1,
    CAE_PART_WHOLE = 2
};

cae_status cae_model_output_shape(int32_t *out_channels, int32_t *out_height, int32_t *out_width,
                                  const cae_model *model, cae_context *context, int32_t part,
                                  int32_t height, int32_t width);
cae_status cae_model_channels(int32_t *in_channels, int32_t *out_channels, const cae_model *model,
                              cae_context *context, int32_t part);
cae_status cae_model_forward(float *y, size_t y_count, const cae_model *model,
                             cae_context *context, const float *x, size_t x_count, int64_t count,
                             int32_t height, int32_t width);
cae_status cae_model_encode(float *latent, size_t latent_count, const cae_model *model,
                            cae_context *context, const float *x, size_t x_count, int64_t count,
                            int32_t height, int32_t width);
cae_status cae_model_decode(float *y, size_t y_count, const cae_model *model,
                            cae_context *context, const float *latent, size_t latent_count,
                            int64_t count, int32_t height, int32_t width);
cae_status cae_model_save(const cae_model *model, const char *path);
cae_status cae_model_load(cae_model **out, cae_context *context, const char *path);
cae_status cae_model_save_memory(void *buffer, size_t capacity, size_t *written,
                                 const cae_model *model);
cae_status cae_model_load_memory(cae_model **out, cae_context *context, const void *data,
                                 size_t size);
cae_status cae_model_load_weights(cae_model *model, const char *path);
cae_status cae_model_export_onnx(const cae_model *model, int32_t part, const char *path);
cae_status cae_model_export_onnx_memory(void *buffer, size_t capacity, size_t *written,
                                        const cae_model *model, int32_t part);

typedef struct cae_dataset cae_dataset;

enum cae_type {
    CAE_TYPE_U8 = 0,
    CAE_TYPE_F32 = 1,
    CAE_TYPE_U16 = 2
};

enum cae_layout {
    CAE_LAYOUT_NCHW = 0,
    CAE_LAYOUT_NHWC = 1
};

enum cae_scale {
    CAE_SCALE_SIGNED = 0,
    CAE_SCALE_UNIT = 1
};

enum cae_split {
    CAE_SPLIT_TRAIN = 0,
    CAE_SPLIT_TEST = 1
};

typedef struct cae_dataset_options {
    uint32_t size;
    int32_t scale;
    int32_t type;
    int32_t layout;
    int32_t borrow;
    uint32_t reserved;
    int64_t memory;
} cae_dataset_options;

cae_status cae_dataset_options_init(cae_dataset_options *options, uint32_t size);
cae_status cae_dataset_create(cae_dataset **out, cae_context *context, const void *data,
                              size_t bytes, int64_t count, int32_t channels, int32_t height,
                              int32_t width, const cae_dataset_options *options);
cae_status cae_dataset_open_cifar10(cae_dataset **out, cae_context *context,
                                    const char *directory, int32_t split,
                                    const cae_dataset_options *options);
cae_status cae_dataset_create_dead_leaves(cae_dataset **out, cae_context *context, int64_t count,
                                          int32_t channels, int32_t height, int32_t width,
                                          uint64_t seed, const cae_dataset_options *options);
cae_status cae_dataset_slice(cae_dataset **out, const cae_dataset *dataset, int64_t first,
                             int64_t count);
void cae_dataset_destroy(cae_dataset *dataset);
int64_t cae_dataset_count(const cae_dataset *dataset);
cae_status cae_dataset_shape(int32_t *channels, int32_t *height, int32_t *width,
                             const cae_dataset *dataset);
double cae_dataset_range(const cae_dataset *dataset);
cae_status cae_dataset_get(float *pixels, size_t pixel_count, const cae_dataset *dataset,
                           int64_t index);
cae_status cae_add_noise(float *values, size_t count, double sigma, uint64_t seed, uint32_t visit,
                         uint64_t image);

enum cae_ssim_kind {
    CAE_SSIM_GAUSSIAN11 = 0,
    CAE_SSIM_UNIFORM7 = 1
};

cae_status cae_mse(double *out, cae_context *context, const float *a, const float *b, size_t count);
cae_status cae_psnr(double *out, cae_context *context, const float *a, const float *b,
                    size_t count, double data_range);
cae_status cae_ssim(double *out, cae_context *context, const float *a, const float *b,
                    int32_t channels, int32_t height, int32_t width, double data_range,
                    int32_t kind);

typedef struct cae_optimizer cae_optimizer;

enum cae_optimizer_kind {
    CAE_OPTIMIZER_SGD = 0,
    CAE_OPTIMIZER_ADAM = 1,
    CAE_OPTIMIZER_ADAMW = 2
};

typedef struct cae_optimizer_options {
    uint32_t size;
    int32_t kind;
    double learning_rate;
    double momentum;
    double beta1;
    double beta2;
    double epsilon;
    double weight_decay;
    int32_t nesterov;
    uint32_t reserved;
} cae_optimizer_options;

cae_status cae_optimizer_options_init(cae_optimizer_options *options, uint32_t size);
cae_status cae_optimizer_create(cae_optimizer **out, cae_model *model,
                                const cae_optimizer_options *options);
void cae_optimizer_destroy(cae_optimizer *optimizer);
double cae_optimizer_learning_rate(const cae_optimizer *optimizer);
cae_status cae_optimizer_set_learning_rate(cae_optimizer *optimizer, double learning_rate);

typedef struct cae_trainer cae_trainer;

enum cae_loss {
    CAE_LOSS_MSE = 0,
    CAE_LOSS_L1 = 1,
    CAE_LOSS_HUBER = 2,
    CAE_LOSS_CHARBONNIER = 3
};

enum cae_schedule {
    CAE_SCHEDULE_CONSTANT = 0,
    CAE_SCHEDULE_STEP = 1,
    CAE_SCHEDULE_COSINE = 2
};

enum cae_augment {
    CAE_AUGMENT_MIRROR = 1,
    CAE_AUGMENT_FLIP = 2,
    CAE_AUGMENT_TRANSPOSE = 4
};

typedef struct cae_trainer_options {
    uint32_t size;
    int32_t batch;
    uint64_t seed;
    int32_t loss;
    int32_t shuffle;
    double huber_delta;
    double noise_sigma;
    double clip_norm;
    int32_t schedule;
    uint32_t reserved;
    int64_t warmup_steps;
    int64_t decay_steps;
    double decay_factor;
    double final_fraction;
    double noise_sigma_max;
    double average_decay;
    double epsilon;
    double ssim_weight;
    int32_t augment;
    uint32_t reserved2;
    int64_t shuffle_window;
} cae_trainer_options;

cae_status cae_trainer_options_init(cae_trainer_options *options, uint32_t size);

typedef struct cae_progress {
    uint32_t size;
    int32_t epoch_done;
    int64_t step;
    int64_t epoch;
    int64_t images;
    double loss;
    double epoch_loss;
    double learning_rate;
    double gradient_norm;
    int32_t stop;
    uint32_t reserved;
} cae_progress;

cae_status cae_progress_init(cae_progress *progress, uint32_t size);
typedef int32_t (*cae_progress_fn)(void *user, const cae_progress *progress);
cae_status cae_trainer_create(cae_trainer **out, cae_model *model, cae_optimizer *optimizer,
                              const cae_dataset *dataset, const cae_trainer_options *options);
void cae_trainer_destroy(cae_trainer *trainer);
cae_status cae_trainer_step(cae_progress *out, cae_trainer *trainer);
cae_status cae_trainer_epoch(cae_progress *out, cae_trainer *trainer, cae_progress_fn callback,
                             void *user);
int64_t cae_trainer_steps_per_epoch(const cae_trainer *trainer);
cae_status cae_trainer_progress(cae_progress *out, const cae_trainer *trainer);
cae_status cae_trainer_get_gradient(float *values, size_t count, const cae_trainer *trainer,
                                    const char *name);
cae_status cae_trainer_average(cae_model **out, const cae_trainer *trainer);
cae_status cae_trainer_save(const cae_trainer *trainer, const char *path);
cae_status cae_trainer_resume(cae_trainer *trainer, const char *path);

typedef struct cae_evaluation_options {
    uint32_t size;
    uint32_t reserved;
    uint64_t noise_seed;
    double noise_sigma;
} cae_evaluation_options;

cae_status cae_evaluation_options_init(cae_evaluation_options *options, uint32_t size);

typedef struct cae_evaluation {
    uint32_t size;
    uint32_t reserved;
    int64_t images;
    double mse;
    double psnr;
    double psnr_global;
    double ssim;
    double ssim_uniform7;
    double noisy_mse;
    double noisy_psnr;
    double noisy_ssim;
    double noisy_ssim_uniform7;
} cae_evaluation;

cae_status cae_evaluation_init(cae_evaluation *evaluation, uint32_t size);
cae_status cae_model_evaluate(cae_evaluation *out, const cae_model *model, cae_context *context,
                              const cae_dataset *dataset, const cae_evaluation_options *options);
]]
