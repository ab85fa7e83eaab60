// The functions of cae.h, declaration by declaration as it has them, white space aside: koffi parses
// C, and a test of libcae compares this file with the header.
export const prototypes = `
  uint32_t cae_version_number(void);
  const char *cae_version_string(void);
  uint32_t cae_abi_version(void);
  size_t cae_build_info(char *text, size_t capacity);
  const char *cae_status_string(cae_status status);
  cae_status cae_context_options_init(cae_context_options *options, uint32_t size);
  cae_status cae_context_create(cae_context **out, const cae_context_options *options);
  void cae_context_destroy(cae_context *context);
  const char *cae_context_error(const cae_context *context);
  cae_status cae_context_set_threads(cae_context *context, int32_t threads);
  int32_t cae_context_threads(const cae_context *context);
  int32_t cae_context_cpu(const cae_context *context);
  cae_status cae_conv_options_init(cae_conv_options *options, uint32_t size);
  cae_status cae_spec_create(cae_spec **out, cae_context *context);
  void cae_spec_destroy(cae_spec *spec);
  cae_status cae_spec_add_conv(cae_spec *spec, int32_t in_channels, int32_t out_channels, const
      cae_conv_options *options);
  cae_status cae_spec_add_conv_transpose(cae_spec *spec, int32_t in_channels, int32_t
      out_channels, const cae_conv_options *options);
  cae_status cae_spec_end_encoder(cae_spec *spec);
  cae_status cae_spec_set_residual(cae_spec *spec, int32_t residual);
  cae_status cae_spec_add_reference(cae_spec *spec);
  cae_status cae_model_create(cae_model **out, cae_context *context, const cae_spec *spec,
      uint64_t seed);
  cae_status cae_model_create_reference(cae_model **out, cae_context *context, uint64_t seed);
  void cae_model_destroy(cae_model *model);
  int64_t cae_model_parameter_count(const cae_model *model);
  int32_t cae_model_layer_count(const cae_model *model);
  int32_t cae_model_residual(const cae_model *model);
  int32_t cae_model_tensor_count(const cae_model *model);
  const char *cae_model_tensor_name(const cae_model *model, int32_t index);
  cae_status cae_model_tensor_shape(int64_t *shape, int32_t *rank, const cae_model *model, const
      char *name);
  cae_status cae_model_get_tensor(float *values, size_t count, const cae_model *model, const char
      *name);
  cae_status cae_model_set_tensor(cae_model *model, const char *name, const float *values, size_t
      count);
  cae_status cae_model_output_shape(int32_t *out_channels, int32_t *out_height, int32_t
      *out_width, const cae_model *model, cae_context *context, int32_t part, int32_t height, int32_t width);
  cae_status cae_model_channels(int32_t *in_channels, int32_t *out_channels, const cae_model
      *model, cae_context *context, int32_t part);
  cae_status cae_model_forward(float *y, size_t y_count, const cae_model *model, cae_context
      *context, const float *x, size_t x_count, int64_t count, int32_t height, int32_t width);
  cae_status cae_model_encode(float *latent, size_t latent_count, const cae_model *model,
      cae_context *context, const float *x, size_t x_count, int64_t count, int32_t height, int32_t
      width);
  cae_status cae_model_decode(float *y, size_t y_count, const cae_model *model, cae_context
      *context, const float *latent, size_t latent_count, int64_t count, int32_t height, int32_t
      width);
  cae_status cae_model_save(const cae_model *model, const char *path);
  cae_status cae_model_load(cae_model **out, cae_context *context, const char *path);
  cae_status cae_model_save_memory(void *buffer, size_t capacity, size_t *written, const cae_model
      *model);
  cae_status cae_model_load_memory(cae_model **out, cae_context *context, const void *data, size_t
      size);
  cae_status cae_model_load_weights(cae_model *model, const char *path);
  cae_status cae_model_export_onnx(const cae_model *model, int32_t part, const char *path);
  cae_status cae_model_export_onnx_memory(void *buffer, size_t capacity, size_t *written, const
      cae_model *model, int32_t part);
  cae_status cae_dataset_options_init(cae_dataset_options *options, uint32_t size);
  cae_status cae_dataset_create(cae_dataset **out, cae_context *context, const void *data, size_t
      bytes, int64_t count, int32_t channels, int32_t height, int32_t width, const
      cae_dataset_options *options);
  cae_status cae_dataset_open_cifar10(cae_dataset **out, cae_context *context, const char
      *directory, int32_t split, const cae_dataset_options *options);
  cae_status cae_dataset_create_dead_leaves(cae_dataset **out, cae_context *context, int64_t
      count, int32_t channels, int32_t height, int32_t width, uint64_t seed, const
      cae_dataset_options *options);
  cae_status cae_dataset_slice(cae_dataset **out, const cae_dataset *dataset, int64_t first,
      int64_t count);
  void cae_dataset_destroy(cae_dataset *dataset);
  int64_t cae_dataset_count(const cae_dataset *dataset);
  cae_status cae_dataset_shape(int32_t *channels, int32_t *height, int32_t *width, const
      cae_dataset *dataset);
  double cae_dataset_range(const cae_dataset *dataset);
  cae_status cae_dataset_get(float *pixels, size_t pixel_count, const cae_dataset *dataset,
      int64_t index);
  cae_status cae_add_noise(float *values, size_t count, double sigma, uint64_t seed, uint32_t
      visit, uint64_t image);
  cae_status cae_mse(double *out, cae_context *context, const float *a, const float *b, size_t
      count);
  cae_status cae_psnr(double *out, cae_context *context, const float *a, const float *b, size_t
      count, double data_range);
  cae_status cae_ssim(double *out, cae_context *context, const float *a, const float *b, int32_t
      channels, int32_t height, int32_t width, double data_range, int32_t kind);
  cae_status cae_optimizer_options_init(cae_optimizer_options *options, uint32_t size);
  cae_status cae_optimizer_create(cae_optimizer **out, cae_model *model, const
      cae_optimizer_options *options);
  void cae_optimizer_destroy(cae_optimizer *optimizer);
  double cae_optimizer_learning_rate(const cae_optimizer *optimizer);
  cae_status cae_optimizer_set_learning_rate(cae_optimizer *optimizer, double learning_rate);
  cae_status cae_trainer_options_init(cae_trainer_options *options, uint32_t size);
  cae_status cae_progress_init(cae_progress *progress, uint32_t size);
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
  cae_status cae_evaluation_options_init(cae_evaluation_options *options, uint32_t size);
  cae_status cae_evaluation_init(cae_evaluation *evaluation, uint32_t size);
  cae_status cae_model_evaluate(cae_evaluation *out, const cae_model *model, cae_context *context,
      const cae_dataset *dataset, const cae_evaluation_options *options);
`.split(';').map((text) => text.trim().replace(/\s+/g, ' ')).filter(Boolean);
