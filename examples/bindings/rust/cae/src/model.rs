//! A network with its parameters.

use crate::context::{Context, Shared};
use crate::convert::c_name;
use crate::error::Result;
use crate::handle::Handle;
use crate::run;
use crate::spec::Spec;
use cae_sys as sys;
use std::ffi::CStr;
use std::rc::Rc;

/// Parts of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Part {
    /// From an image to its latent.
    Encoder = sys::CAE_PART_ENCODER,
    /// From a latent to an image.
    Decoder = sys::CAE_PART_DECODER,
    /// Both.
    Whole = sys::CAE_PART_WHOLE,
}

/// Layers and their parameters, named as in a PyTorch `nn.Sequential`: "0.weight", "0.bias", "2.weight" ...
///
/// What runs a part of it reads images or latents `[count][channels][height][width]`, told their size as
/// `[height, width]`; how many there are follows from the slice's length.
pub struct Model {
    pub(crate) handle: Rc<Handle<sys::cae_model>>,
}

impl Model {
    /// Make a model with PyTorch's default initialization. The same seed gives the same bits on every
    /// machine.
    pub fn new(context: &Context, spec: &Spec, seed: u64) -> Result<Self> {
        let (owner, spec) = (context.shared.pointer(), spec.handle.pointer());
        // SAFETY: live handles.
        Self::make(context, |out| unsafe { sys::cae_model_create(out, owner, spec, seed) })
    }

    /// Make the reference network: 3x3 convolutions 3 to 8 to 8 channels, and back; 1,611 parameters.
    pub fn reference(context: &Context, seed: u64) -> Result<Self> {
        let owner = context.shared.pointer();
        // SAFETY: a live handle.
        Self::make(context, |out| unsafe { sys::cae_model_create_reference(out, owner, seed) })
    }

    pub(crate) fn make(
        context: &Context,
        create: impl FnOnce(*mut *mut sys::cae_model) -> sys::cae_status,
    ) -> Result<Self> {
        Self::make_shared(&context.shared, create)
    }

    pub(crate) fn make_shared(
        context: &Rc<Shared>,
        create: impl FnOnce(*mut *mut sys::cae_model) -> sys::cae_status,
    ) -> Result<Self> {
        // SAFETY: what this module, `files` and `trainer` pass are calls that make models with the context.
        let handle = unsafe { Handle::new(context, sys::cae_model_destroy, create)? };
        Ok(Self { handle: Rc::new(handle) })
    }

    pub(crate) fn pointer(&self) -> *mut sys::cae_model {
        self.handle.pointer()
    }

    /// Number of scalar parameters.
    pub fn parameter_count(&self) -> usize {
        // SAFETY: a live handle.
        unsafe { sys::cae_model_parameter_count(self.pointer()) as usize }
    }

    /// Whether the whole model adds its input to what its layers make of it.
    pub fn residual(&self) -> bool {
        // SAFETY: a live handle.
        unsafe { sys::cae_model_residual(self.pointer()) == 1 }
    }

    /// Number of layers.
    pub fn layer_count(&self) -> usize {
        // SAFETY: a live handle.
        unsafe { sys::cae_model_layer_count(self.pointer()) as usize }
    }

    /// The names of the parameter tensors, in order.
    pub fn tensor_names(&self) -> impl ExactSizeIterator<Item = &str> + '_ {
        // SAFETY: a live handle.
        let count = unsafe { sys::cae_model_tensor_count(self.pointer()) };
        (0..count as usize).map(|index| {
            // SAFETY: there is a tensor of this index; its name is ASCII and lives with the model.
            let name = unsafe { CStr::from_ptr(sys::cae_model_tensor_name(self.pointer(), index as i32)) };
            name.to_str().expect("names of tensors are ASCII")
        })
    }

    /// The shape of a tensor: `[out, in, kernel_h, kernel_w]` of a convolution's weights, `[in, out, ...]`
    /// of a transposed one's, `[out]` of biases.
    pub fn tensor_shape(&self, name: &str) -> Result<Vec<usize>> {
        tensor_shape(&self.handle, name)
    }

    /// A copy of a tensor.
    pub fn tensor(&self, name: &str) -> Result<Vec<f32>> {
        let mut values = vec![0.0; self.tensor_shape(name)?.iter().product()];
        self.tensor_into(&mut values, name)?;
        Ok(values)
    }

    /// Copy a tensor to `values`, which has its number of elements.
    pub fn tensor_into(&self, values: &mut [f32], name: &str) -> Result<()> {
        let (name, count) = (c_name(name)?, values.len());
        // SAFETY: a live handle, and as many floats as the length says.
        self.handle.check(unsafe {
            sys::cae_model_get_tensor(values.as_mut_ptr(), count, self.pointer(), name.as_ptr())
        })
    }

    /// Replace a tensor. A value that is not finite is refused and leaves it as it was.
    pub fn set_tensor(&mut self, name: &str, values: &[f32]) -> Result<()> {
        let (name, count) = (c_name(name)?, values.len());
        // SAFETY: a live handle, and as many floats as the length says.
        self.handle.check(unsafe {
            sys::cae_model_set_tensor(self.pointer(), name.as_ptr(), values.as_ptr(), count)
        })
    }

    /// Channels that a part reads and writes.
    pub fn channels(&self, part: Part) -> Result<[usize; 2]> {
        let mut channels = [0; 2];
        let [reads, writes] = &mut channels;
        // SAFETY: a live handle and room for the results.
        self.handle.check(unsafe {
            sys::cae_model_channels(reads, writes, self.pointer(), std::ptr::null_mut(), part as i32)
        })?;
        Ok(channels.map(|n| n as usize))
    }

    /// `[channels, height, width]` of what a part makes of an input of `[height, width]`.
    pub fn output_shape(&self, part: Part, size: [usize; 2]) -> Result<[usize; 3]> {
        run::output_shape(self, &self.handle.context, part, size)
    }

    /// Run the whole model on images of one size.
    pub fn forward(&self, x: &[f32], size: [usize; 2]) -> Result<Vec<f32>> {
        run::run(self, &self.handle.context, Part::Whole, x, size)
    }

    /// Run the whole model, and write to `y`, which has room for exactly that.
    pub fn forward_into(&self, y: &mut [f32], x: &[f32], size: [usize; 2]) -> Result<()> {
        run::run_into(y, self, &self.handle.context, Part::Whole, x, size)
    }

    /// Run the encoder: images to latents.
    pub fn encode(&self, x: &[f32], size: [usize; 2]) -> Result<Vec<f32>> {
        run::run(self, &self.handle.context, Part::Encoder, x, size)
    }

    /// Run the encoder, and write to `latent`, which has room for exactly that.
    pub fn encode_into(&self, latent: &mut [f32], x: &[f32], size: [usize; 2]) -> Result<()> {
        run::run_into(latent, self, &self.handle.context, Part::Encoder, x, size)
    }

    /// Run the decoder: latents, whose size is meant here, to images.
    pub fn decode(&self, latent: &[f32], size: [usize; 2]) -> Result<Vec<f32>> {
        run::run(self, &self.handle.context, Part::Decoder, latent, size)
    }

    /// Run the decoder, and write to `y`, which has room for exactly that.
    pub fn decode_into(&self, y: &mut [f32], latent: &[f32], size: [usize; 2]) -> Result<()> {
        run::run_into(y, self, &self.handle.context, Part::Decoder, latent, size)
    }
}

/// Of a model's handle, which trainers have too.
pub(crate) fn tensor_shape(model: &Handle<sys::cae_model>, name: &str) -> Result<Vec<usize>> {
    let name = c_name(name)?;
    let (mut shape, mut rank) = ([0i64; 4], 0);
    // SAFETY: a live handle and room for the results.
    model.check(unsafe {
        sys::cae_model_tensor_shape(shape.as_mut_ptr(), &mut rank, model.pointer(), name.as_ptr())
    })?;
    Ok(shape[..rank as usize].iter().map(|&extent| extent as usize).collect())
}
