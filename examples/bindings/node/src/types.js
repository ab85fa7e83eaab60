// What cae.h defines beside functions: structs (field: C type, in order) and enumerations. Here they
// keep their C names; options.js translates to and from JavaScript's.
import koffi from 'koffi';

export const handles = [
  'cae_context', 'cae_spec', 'cae_model', 'cae_dataset', 'cae_optimizer', 'cae_trainer',
];

export const structs = {
  cae_context_options: {
    size: 'uint32_t', threads: 'int32_t', engine: 'int32_t', cpu: 'int32_t',
    allocate: 'void *', release: 'void *', allocator_user: 'void *',
    log: 'cae_log_fn', log_user: 'void *',
  },
  cae_conv_options: {
    size: 'uint32_t', kernel_h: 'int32_t', kernel_w: 'int32_t', stride_h: 'int32_t', stride_w: 'int32_t',
    padding_h: 'int32_t', padding_w: 'int32_t', dilation_h: 'int32_t', dilation_w: 'int32_t',
    output_padding_h: 'int32_t', output_padding_w: 'int32_t', bias: 'int32_t', activation: 'int32_t',
    reserved: 'uint32_t', slope: 'double',
  },
  cae_dataset_options: {
    size: 'uint32_t', scale: 'int32_t', type: 'int32_t', layout: 'int32_t', borrow: 'int32_t',
    reserved: 'uint32_t',
  },
  cae_optimizer_options: {
    size: 'uint32_t', kind: 'int32_t', learning_rate: 'double', momentum: 'double', beta1: 'double',
    beta2: 'double', epsilon: 'double', weight_decay: 'double', nesterov: 'int32_t', reserved: 'uint32_t',
  },
  cae_trainer_options: {
    size: 'uint32_t', batch: 'int32_t', seed: 'uint64_t', loss: 'int32_t', shuffle: 'int32_t',
    huber_delta: 'double', noise_sigma: 'double', clip_norm: 'double', schedule: 'int32_t',
    reserved: 'uint32_t', warmup_steps: 'int64_t', decay_steps: 'int64_t', decay_factor: 'double',
    final_fraction: 'double', noise_sigma_max: 'double', average_decay: 'double', epsilon: 'double',
    ssim_weight: 'double', augment: 'int32_t', reserved2: 'uint32_t',
  },
  cae_progress: {
    size: 'uint32_t', epoch_done: 'int32_t', step: 'int64_t', epoch: 'int64_t', images: 'int64_t',
    loss: 'double', epoch_loss: 'double', learning_rate: 'double', gradient_norm: 'double',
  },
  cae_evaluation_options: {
    size: 'uint32_t', reserved: 'uint32_t', noise_seed: 'uint64_t', noise_sigma: 'double',
  },
  cae_evaluation: {
    size: 'uint32_t', reserved: 'uint32_t', images: 'int64_t', mse: 'double', psnr: 'double',
    psnr_global: 'double', ssim: 'double', ssim_uniform7: 'double', noisy_mse: 'double',
    noisy_psnr: 'double', noisy_ssim: 'double', noisy_ssim_uniform7: 'double',
  },
};

/** The names of enumerators; a name's place is its value. */
export const enums = {
  engine: ['auto', 'gemm', 'direct'],
  cpu: ['auto', 'baseline', 'avx2', 'avx512'],
  activation: ['none', 'relu', 'leakyRelu', 'tanh', 'sigmoid'],
  part: ['encoder', 'decoder', 'whole'],
  type: ['u8', 'f32'],
  layout: ['nchw', 'nhwc'],
  scale: ['signed', 'unit'],
  split: ['train', 'test'],
  window: ['gaussian11', 'uniform7'],
  kind: ['sgd', 'adam', 'adamw'],
  loss: ['mse', 'l1', 'huber', 'charbonnier'],
  schedule: ['constant', 'step', 'cosine'],
  level: ['info', 'warning'],
};

/** The names of enumerators that are added up; a name's place is its bit. */
export const sums = {
  augment: ['mirror', 'flip', 'transpose'],
};

let declared = false;

/** Tell koffi, once: its names are global. */
export function declareTypes() {
  if (declared) return;
  declared = true;
  koffi.alias('cae_status', 'int32_t');
  handles.forEach((name) => koffi.opaque(name));
  const progress = koffi.opaque(); // callbacks get an address, which they decode
  const callback = (name, result, parameters) =>
    koffi.alias(name, koffi.pointer(koffi.proto(result, parameters)));
  callback('cae_log_fn', 'void', ['void *', 'int32_t', 'str']);
  callback('cae_progress_fn', 'int32_t', ['void *', koffi.pointer(progress)]);
  for (const [name, fields] of Object.entries(structs)) koffi.struct(name, fields);
}
