//! Training: pull style, nothing runs unless it is called.

use crate::context::Shared;
use crate::convert::{c_name, c_path, filled, to_i32, to_i64};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{tensor_shape, Model};
use crate::optimizer::Optimizer;
use cae_sys as sys;
use std::any::Any;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::path::Path;
use std::rc::Rc;

/// What a step makes smaller; d = |output - target|.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Loss {
    /// Mean of d^2.
    #[default]
    Mse,
    /// Mean of d.
    L1,
    /// Mean of d < delta ? d^2 / 2 : delta (d - delta / 2).
    Huber {
        /// > 0
        delta: f64,
    },
    /// Mean of sqrt(d^2 + epsilon^2) - epsilon.
    Charbonnier {
        /// 1e-18 to 1e18, or 0, which is 1e-3
        epsilon: f64,
    },
}

/// What may happen to an image on its way into a batch, each by halves, drawn anew for each visit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Augment {
    /// Left and right exchanged.
    pub mirror: bool,
    /// Top and bottom exchanged.
    pub flip: bool,
    /// Rows and columns exchanged; square images only.
    pub transpose: bool,
}

/// What the rate of step t is multiplied with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Schedule {
    /// 1
    #[default]
    Constant,
    /// decay_factor ^ floor((t - warmup_steps) / decay_steps)
    Step {
        /// Steps between decays.
        decay_steps: u64,
        /// 0 < decay_factor <= 1
        decay_factor: f64,
    },
    /// From 1 to final_fraction along half a cosine.
    Cosine {
        /// All steps, the warm-up too.
        decay_steps: u64,
        /// 0 <= final_fraction <= 1
        final_fraction: f64,
    },
}

/// How to train.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainerOptions {
    /// 64; images per step
    pub batch: usize,
    /// 1; keys the shuffle and the noise
    pub seed: u64,
    /// [`Loss::Mse`]
    pub loss: Loss,
    /// true; false visits the images in order
    pub shuffle: bool,
    /// 0; standard deviation of Gaussian noise added to the input, never to the target
    pub noise_sigma: f64,
    /// `None`; a longer gradient is scaled to this L2 norm
    pub clip_norm: Option<f64>,
    /// [`Schedule::Constant`]
    pub schedule: Schedule,
    /// 0; steps over which the rate rises to its base
    pub warmup_steps: u64,
    /// `None`; each visit of an image draws the strength of its noise between `noise_sigma` and this
    pub noise_sigma_max: Option<f64>,
    /// none of it
    pub augment: Augment,
    /// 0: off; below 1, of the moving average that [`Trainer::average`] gives
    pub average_decay: f64,
    /// 0; this times 1 - SSIM is added to the loss
    pub ssim_weight: f64,
}

impl Default for TrainerOptions {
    fn default() -> Self {
        Self {
            batch: 64,
            seed: 1,
            loss: Loss::Mse,
            shuffle: true,
            noise_sigma: 0.0,
            clip_norm: None,
            schedule: Schedule::Constant,
            warmup_steps: 0,
            noise_sigma_max: None,
            augment: Augment::default(),
            average_decay: 0.0,
            ssim_weight: 0.0,
        }
    }
}

impl TrainerOptions {
    fn raw(&self) -> sys::cae_trainer_options {
        // SAFETY: the init call of this struct.
        let mut raw = unsafe { filled(sys::cae_trainer_options_init) };
        raw.batch = to_i32(self.batch);
        raw.seed = self.seed;
        raw.shuffle = i32::from(self.shuffle);
        raw.noise_sigma = self.noise_sigma;
        raw.clip_norm = self.clip_norm.unwrap_or(0.0);
        raw.warmup_steps = to_i64(self.warmup_steps);
        raw.noise_sigma_max = self.noise_sigma_max.unwrap_or(0.0);
        raw.average_decay = self.average_decay;
        raw.ssim_weight = self.ssim_weight;
        raw.augment = i32::from(self.augment.mirror) * sys::CAE_AUGMENT_MIRROR
            + i32::from(self.augment.flip) * sys::CAE_AUGMENT_FLIP
            + i32::from(self.augment.transpose) * sys::CAE_AUGMENT_TRANSPOSE;
        raw.loss = match self.loss {
            Loss::Mse => sys::CAE_LOSS_MSE,
            Loss::L1 => sys::CAE_LOSS_L1,
            Loss::Huber { delta } => {
                raw.huber_delta = delta;
                sys::CAE_LOSS_HUBER
            }
            Loss::Charbonnier { epsilon } => {
                raw.epsilon = epsilon;
                sys::CAE_LOSS_CHARBONNIER
            }
        };
        raw.schedule = match self.schedule {
            Schedule::Constant => sys::CAE_SCHEDULE_CONSTANT,
            Schedule::Step { decay_steps, decay_factor } => {
                raw.decay_steps = to_i64(decay_steps);
                raw.decay_factor = decay_factor;
                sys::CAE_SCHEDULE_STEP
            }
            Schedule::Cosine { decay_steps, final_fraction } => {
                raw.decay_steps = to_i64(decay_steps);
                raw.final_fraction = final_fraction;
                sys::CAE_SCHEDULE_COSINE
            }
        };
        raw
    }
}

/// Where training stands.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Whether the step just taken was the last of its epoch.
    pub epoch_done: bool,
    /// Optimizer steps taken in all.
    pub step: u64,
    /// Epochs completed.
    pub epoch: u64,
    /// Images visited in this epoch, or in the one just completed.
    pub images: u64,
    /// Of the step just taken; as the result of an epoch the mean per image.
    pub loss: f64,
    /// Mean per image since the epoch began.
    pub epoch_loss: f64,
    /// Used in the step just taken.
    pub learning_rate: f64,
    /// L2, before clipping.
    pub gradient_norm: f64,
}

impl Progress {
    fn from_raw(raw: &sys::cae_progress) -> Self {
        Self {
            epoch_done: raw.epoch_done != 0,
            step: raw.step as u64,
            epoch: raw.epoch as u64,
            images: raw.images as u64,
            loss: raw.loss,
            epoch_loss: raw.epoch_loss,
            learning_rate: raw.learning_rate,
            gradient_norm: raw.gradient_norm,
        }
    }
}

/// How a call of [`Trainer::epoch_with`] ended.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Epoch {
    /// Where training stands.
    pub progress: Progress,
    /// Whether the function asked to stop.
    pub stopped: bool,
}

/// A model, its optimizer and a dataset, at work. Keeps all three alive; the model has what it has learned.
pub struct Trainer<'d> {
    handle: Handle<sys::cae_trainer>,
    model: Rc<Handle<sys::cae_model>>,
    _dataset_context: Rc<Shared>, // may be another, whose log is to outlive the dataset's use here
    dataset: PhantomData<Dataset<'d>>,
}

impl<'d> Trainer<'d> {
    /// Bring the three together. The model must map an image onto its own shape.
    pub fn new(
        model: &Model,
        optimizer: &Optimizer,
        dataset: &Dataset<'d>,
        options: &TrainerOptions,
    ) -> Result<Self> {
        let (optimizer, images, raw) = (optimizer.handle.pointer(), dataset.handle.pointer(), options.raw());
        // SAFETY: live handles and a filled struct.
        let handle = unsafe {
            Handle::new(&model.handle.context, sys::cae_trainer_destroy, |out| {
                sys::cae_trainer_create(out, model.pointer(), optimizer, images, &raw)
            })?
        };
        Ok(Self {
            handle,
            model: Rc::clone(&model.handle),
            _dataset_context: Rc::clone(&dataset.handle.context),
            dataset: PhantomData,
        })
    }

    /// Take one optimizer step on the next batch. [`ErrorKind::Numeric`](crate::ErrorKind::Numeric) when
    /// something is not finite; nothing is updated then.
    pub fn step(&mut self) -> Result<Progress> {
        // SAFETY: the init call of this struct.
        let mut raw = unsafe { filled(sys::cae_progress_init) };
        // SAFETY: a live handle and a filled struct.
        self.handle.check(unsafe { sys::cae_trainer_step(&mut raw, self.handle.pointer()) })?;
        Ok(Progress::from_raw(&raw))
    }

    /// Take steps to the end of the current epoch.
    pub fn epoch(&mut self) -> Result<Progress> {
        // SAFETY: the init call of this struct.
        let mut raw = unsafe { filled(sys::cae_progress_init) };
        // SAFETY: a live handle, a filled struct, no function.
        self.handle.check(unsafe {
            sys::cae_trainer_epoch(&mut raw, self.handle.pointer(), None, std::ptr::null_mut())
        })?;
        Ok(Progress::from_raw(&raw))
    }

    /// The same, calling a function after every step; its [`ControlFlow::Break`] ends the call. When it
    /// panics, the step is complete, and the panic goes on from here.
    pub fn epoch_with<F>(&mut self, mut each_step: F) -> Result<Epoch>
    where
        F: FnMut(&Progress) -> ControlFlow<()>,
    {
        let mut caller = Caller { call: &mut each_step, panic: None };
        let user: *mut Caller<'_, F> = &mut caller;
        // SAFETY: the init call of this struct.
        let mut raw = unsafe { filled(sys::cae_progress_init) };
        // SAFETY: a live handle, a filled struct, and a function that gets the pointer meant for it.
        let status = unsafe {
            sys::cae_trainer_epoch(&mut raw, self.handle.pointer(), Some(after_step::<F>), user.cast())
        };
        if let Some(panic) = caller.panic {
            resume_unwind(panic);
        }
        self.handle.check(status)?;
        Ok(Epoch { progress: Progress::from_raw(&raw), stopped: status == sys::CAE_STOPPED })
    }

    /// Number of steps in an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        // SAFETY: a live handle.
        unsafe { sys::cae_trainer_steps_per_epoch(self.handle.pointer()) as u64 }
    }

    /// Where training stands, without taking a step.
    pub fn progress(&self) -> Result<Progress> {
        // SAFETY: the init call of this struct.
        let mut raw = unsafe { filled(sys::cae_progress_init) };
        // SAFETY: a live handle and a filled struct.
        self.handle.check(unsafe { sys::cae_trainer_progress(&mut raw, self.handle.pointer()) })?;
        Ok(Progress::from_raw(&raw))
    }

    /// The gradient of the last step for a named parameter tensor, after clipping.
    pub fn gradient(&self, name: &str) -> Result<Vec<f32>> {
        let mut values = vec![0.0; tensor_shape(&self.model, name)?.iter().product()];
        self.gradient_into(&mut values, name)?;
        Ok(values)
    }

    /// Copy the gradient to `values`, which has the tensor's number of elements.
    pub fn gradient_into(&self, values: &mut [f32], name: &str) -> Result<()> {
        let (name, data, count) = (c_name(name)?, values.as_mut_ptr(), values.len());
        // SAFETY: a live handle, and as many floats as the length says.
        self.handle.check(unsafe {
            sys::cae_trainer_get_gradient(data, count, self.handle.pointer(), name.as_ptr())
        })
    }

    /// A model of its own with the moving average of the parameters; without averaging, with the parameters
    /// as they are.
    pub fn average(&self) -> Result<Model> {
        let trainer = self.handle.pointer();
        // SAFETY: a live handle, whose context the model is made with.
        Model::make_shared(&self.handle.context, |out| unsafe { sys::cae_trainer_average(out, trainer) })
    }

    /// Write a checkpoint: a model file with the optimizer's moments and the trainer's counters in it.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = c_path(path.as_ref())?;
        // SAFETY: a live handle and a text.
        self.handle.check(unsafe { sys::cae_trainer_save(self.handle.pointer(), path.as_ptr()) })
    }

    /// Resume from a checkpoint, to the same bits as if training had never stopped. After an error nothing
    /// has changed.
    pub fn resume(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = c_path(path.as_ref())?;
        // SAFETY: a live handle and a text.
        self.handle.check(unsafe { sys::cae_trainer_resume(self.handle.pointer(), path.as_ptr()) })
    }
}

/// A function on its way through C, and what it panicked with.
struct Caller<'f, F> {
    call: &'f mut F,
    panic: Option<Box<dyn Any + Send>>,
}

/// What the library calls: 0 to go on.
unsafe extern "C" fn after_step<F>(user: *mut c_void, progress: *const sys::cae_progress) -> i32
where
    F: FnMut(&Progress) -> ControlFlow<()>,
{
    // SAFETY: the pointers that `epoch_with` and the library pass, for the time of the call.
    let (caller, progress) = unsafe { (&mut *user.cast::<Caller<'_, F>>(), &*progress) };
    let progress = Progress::from_raw(progress);
    match catch_unwind(AssertUnwindSafe(|| (caller.call)(&progress))) {
        Ok(flow) => i32::from(flow.is_break()),
        Err(panic) => {
            caller.panic = Some(panic);
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_librarys() {
        // SAFETY: the init call of this struct.
        let raw = unsafe { filled(sys::cae_trainer_options_init) };
        assert_eq!(format!("{:?}", TrainerOptions::default().raw()), format!("{raw:?}"));
    }
}
