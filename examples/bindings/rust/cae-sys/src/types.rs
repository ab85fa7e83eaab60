//! Handles, enumerations and structs, in the order of the header.

use std::ffi::{c_char, c_void};
use std::marker::{PhantomData, PhantomPinned};

macro_rules! opaque {
    ($($name:ident)*) => {$(
        /// A handle: only ever seen through a pointer, neither `Send` nor `Sync`.
        #[repr(C)]
        pub struct $name {
            _data: [u8; 0],
            _marker: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )*};
}

opaque! { cae_context cae_spec cae_model cae_dataset cae_optimizer cae_trainer }

pub const CAE_VERSION_MAJOR: u32 = 1;
pub const CAE_VERSION_MINOR: u32 = 1;
pub const CAE_VERSION_PATCH: u32 = 0;
pub const CAE_ABI_VERSION: u32 = 1;

pub type cae_status = i32;

pub const CAE_STOPPED: cae_status = 1;
pub const CAE_OK: cae_status = 0;
pub const CAE_ERR_ARGUMENT: cae_status = -1;
pub const CAE_ERR_MEMORY: cae_status = -2;
pub const CAE_ERR_SHAPE: cae_status = -3;
pub const CAE_ERR_OPTIONS: cae_status = -4;
pub const CAE_ERR_IO: cae_status = -5;
pub const CAE_ERR_FORMAT: cae_status = -6;
pub const CAE_ERR_NUMERIC: cae_status = -7;
pub const CAE_ERR_UNSUPPORTED: cae_status = -8;
pub const CAE_ERR_NAME: cae_status = -9;
pub const CAE_ERR_PEER: cae_status = -10;

pub const CAE_LOG_INFO: i32 = 0;
pub const CAE_LOG_WARNING: i32 = 1;

pub const CAE_ENGINE_AUTO: i32 = 0;
pub const CAE_ENGINE_GEMM: i32 = 1;
pub const CAE_ENGINE_DIRECT: i32 = 2;

pub const CAE_CPU_AUTO: i32 = 0;
pub const CAE_CPU_BASELINE: i32 = 1;
pub const CAE_CPU_AVX2: i32 = 2;
pub const CAE_CPU_AVX512: i32 = 3;

pub type cae_allocate_fn = Option<unsafe extern "C" fn(user: *mut c_void, bytes: usize) -> *mut c_void>;
pub type cae_release_fn = Option<unsafe extern "C" fn(user: *mut c_void, block: *mut c_void)>;
pub type cae_log_fn = Option<unsafe extern "C" fn(user: *mut c_void, level: i32, text: *const c_char)>;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cae_context_options {
    pub size: u32,
    pub threads: i32,
    pub engine: i32,
    pub cpu: i32,
    pub allocate: cae_allocate_fn,
    pub release: cae_release_fn,
    pub allocator_user: *mut c_void,
    pub log: cae_log_fn,
    pub log_user: *mut c_void,
}

pub const CAE_ACTIVATION_NONE: i32 = 0;
pub const CAE_ACTIVATION_RELU: i32 = 1;
pub const CAE_ACTIVATION_LEAKY_RELU: i32 = 2;
pub const CAE_ACTIVATION_TANH: i32 = 3;
pub const CAE_ACTIVATION_SIGMOID: i32 = 4;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cae_conv_options {
    pub size: u32,
    pub kernel_h: i32,
    pub kernel_w: i32,
    pub stride_h: i32,
    pub stride_w: i32,
    pub padding_h: i32,
    pub padding_w: i32,
    pub dilation_h: i32,
    pub dilation_w: i32,
    pub output_padding_h: i32,
    pub output_padding_w: i32,
    pub bias: i32,
    pub activation: i32,
    pub reserved: u32,
    pub slope: f64,
}

pub const CAE_PART_ENCODER: i32 = 0;
pub const CAE_PART_DECODER: i32 = 1;
pub const CAE_PART_WHOLE: i32 = 2;

pub const CAE_TYPE_U8: i32 = 0;
pub const CAE_TYPE_F32: i32 = 1;

pub const CAE_LAYOUT_NCHW: i32 = 0;
pub const CAE_LAYOUT_NHWC: i32 = 1;

pub const CAE_SCALE_SIGNED: i32 = 0;
pub const CAE_SCALE_UNIT: i32 = 1;

pub const CAE_SPLIT_TRAIN: i32 = 0;
pub const CAE_SPLIT_TEST: i32 = 1;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cae_dataset_options {
    pub size: u32,
    pub scale: i32,
    pub type_: i32,
    pub layout: i32,
    pub borrow: i32,
    pub reserved: u32,
    pub memory: i64,
}

pub const CAE_VISIT_EVALUATION: u32 = 0xffff_ffff;

pub const CAE_SSIM_GAUSSIAN11: i32 = 0;
pub const CAE_SSIM_UNIFORM7: i32 = 1;

pub const CAE_OPTIMIZER_SGD: i32 = 0;
pub const CAE_OPTIMIZER_ADAM: i32 = 1;
pub const CAE_OPTIMIZER_ADAMW: i32 = 2;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cae_optimizer_options {
    pub size: u32,
    pub kind: i32,
    pub learning_rate: f64,
    pub momentum: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    pub weight_decay: f64,
    pub nesterov: i32,
    pub reserved: u32,
}

pub const CAE_LOSS_MSE: i32 = 0;
pub const CAE_LOSS_L1: i32 = 1;
pub const CAE_LOSS_HUBER: i32 = 2;
pub const CAE_LOSS_CHARBONNIER: i32 = 3;

pub const CAE_SCHEDULE_CONSTANT: i32 = 0;
pub const CAE_SCHEDULE_STEP: i32 = 1;
pub const CAE_SCHEDULE_COSINE: i32 = 2;

pub const CAE_AUGMENT_MIRROR: i32 = 1;
pub const CAE_AUGMENT_FLIP: i32 = 2;
pub const CAE_AUGMENT_TRANSPOSE: i32 = 4;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cae_trainer_options {
    pub size: u32,
    pub batch: i32,
    pub seed: u64,
    pub loss: i32,
    pub shuffle: i32,
    pub huber_delta: f64,
    pub noise_sigma: f64,
    pub clip_norm: f64,
    pub schedule: i32,
    pub reserved: u32,
    pub warmup_steps: i64,
    pub decay_steps: i64,
    pub decay_factor: f64,
    pub final_fraction: f64,
    pub noise_sigma_max: f64,
    pub average_decay: f64,
    pub epsilon: f64,
    pub ssim_weight: f64,
    pub augment: i32,
    pub reserved2: u32,
    pub shuffle_window: i64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cae_progress {
    pub size: u32,
    pub epoch_done: i32,
    pub step: i64,
    pub epoch: i64,
    pub images: i64,
    pub loss: f64,
    pub epoch_loss: f64,
    pub learning_rate: f64,
    pub gradient_norm: f64,
    pub stop: i32,
    pub reserved: u32,
}

pub type cae_progress_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, progress: *const cae_progress) -> i32>;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cae_evaluation_options {
    pub size: u32,
    pub reserved: u32,
    pub noise_seed: u64,
    pub noise_sigma: f64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cae_evaluation {
    pub size: u32,
    pub reserved: u32,
    pub images: i64,
    pub mse: f64,
    pub psnr: f64,
    pub psnr_global: f64,
    pub ssim: f64,
    pub ssim_uniform7: f64,
    pub noisy_mse: f64,
    pub noisy_psnr: f64,
    pub noisy_ssim: f64,
    pub noisy_ssim_uniform7: f64,
}
