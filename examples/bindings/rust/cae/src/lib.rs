//! Convolutional auto-encoders on the CPU: a safe binding of [libcae](cae_sys).
//!
//! A [`Context`] carries threads and the log; a [`Spec`] describes a network, a [`Model`] is one with its
//! parameters; a [`Dataset`] gives images by index; a [`Trainer`] brings a model, its [`Optimizer`] and a
//! dataset together. Images are `f32` in the order `[count][channels][height][width]`.
//!
//! - **Threads.** A context, and what was made from it, belongs to one thread: none of them is `Send` or
//!   `Sync`. [`Model::share`] gives a [`SharedModel`] that any number of threads may run, each with a
//!   context of its own.
//! - **Lifetimes.** Handles may be dropped in any order, once, and not be used afterwards: the compiler sees
//!   to it. Only a dataset made by [`Dataset::borrow`], its
//!   slices and trainers carry the lifetime of the caller's images.
//! - **Panics** in callbacks cross no C code: they are caught there, and go on when the call has returned.
//! - **Numbers** that do not fit the library's 32 bits become the largest that does; it is beyond every
//!   limit, so that the error is the library's own.
//!
//! ```compile_fail,E0382
//! let context = cae::Context::new(&Default::default()).unwrap();
//! drop(context);
//! context.threads();
//! ```
//!
//! Options are structs to be written as `TrainerOptions { batch: 16, ..Default::default() }`; a minor
//! release may add fields.
#![deny(unsafe_op_in_unsafe_fn)]

mod context;
mod convert;
mod dataset;
mod error;
mod evaluation;
mod files;
mod handle;
mod metrics;
mod model;
mod optimizer;
mod run;
mod shared;
mod spec;
mod trainer;
mod version;

pub use context::{Context, ContextOptions, Cpu, Engine, LogLevel};
pub use dataset::{add_noise, Dataset, DatasetOptions, Layout, Pixel, Scale, Split, VISIT_EVALUATION};
pub use error::{Error, ErrorKind, Result};
pub use evaluation::{Evaluation, EvaluationOptions};
pub use metrics::{mse, psnr, ssim, SsimKind};
pub use model::{Model, Part};
pub use optimizer::{Optimizer, OptimizerOptions, Rule};
pub use shared::SharedModel;
pub use spec::{Activation, ConvOptions, Spec};
pub use trainer::{Augment, Epoch, Loss, Progress, Schedule, Trainer, TrainerOptions};
pub use version::{abi_version, build_info, check_version, version};

/// The example of README.md, compiled and run with the other tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
