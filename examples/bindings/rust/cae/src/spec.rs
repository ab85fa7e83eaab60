//! Describing a network, layer by layer.

use crate::context::Context;
use crate::convert::{filled, to_i32};
use crate::error::Result;
use crate::handle::Handle;
use cae_sys as sys;

/// What a layer does with its sums.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// x
    #[default]
    None,
    /// max(0, x)
    Relu,
    /// x < 0 ? slope x : x
    LeakyRelu {
        /// >= 0; PyTorch's default is 0.01
        slope: f64,
    },
    /// tanh(x)
    Tanh,
    /// 1 / (1 + exp(-x))
    Sigmoid,
}

/// The geometry of a layer, each pair as `[vertical, horizontal]` in pixels, and its activation.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvOptions {
    /// \[3, 3\]
    pub kernel: [usize; 2],
    /// \[1, 1\]
    pub stride: [usize; 2],
    /// \[0, 0\]: zeros on each side
    pub padding: [usize; 2],
    /// \[1, 1\]
    pub dilation: [usize; 2],
    /// \[0, 0\]; transposed convolution only
    pub output_padding: [usize; 2],
    /// true
    pub bias: bool,
    /// [`Activation::None`]
    pub activation: Activation,
}

impl Default for ConvOptions {
    fn default() -> Self {
        Self {
            kernel: [3, 3],
            stride: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
            output_padding: [0, 0],
            bias: true,
            activation: Activation::None,
        }
    }
}

impl ConvOptions {
    fn raw(&self) -> sys::cae_conv_options {
        // SAFETY: the init call of this struct.
        let mut raw = unsafe { filled(sys::cae_conv_options_init) };
        [raw.kernel_h, raw.kernel_w] = self.kernel.map(to_i32);
        [raw.stride_h, raw.stride_w] = self.stride.map(to_i32);
        [raw.padding_h, raw.padding_w] = self.padding.map(to_i32);
        [raw.dilation_h, raw.dilation_w] = self.dilation.map(to_i32);
        [raw.output_padding_h, raw.output_padding_w] = self.output_padding.map(to_i32);
        raw.bias = i32::from(self.bias);
        raw.activation = match self.activation {
            Activation::None => sys::CAE_ACTIVATION_NONE,
            Activation::Relu => sys::CAE_ACTIVATION_RELU,
            Activation::LeakyRelu { slope } => {
                raw.slope = slope;
                sys::CAE_ACTIVATION_LEAKY_RELU
            }
            Activation::Tanh => sys::CAE_ACTIVATION_TANH,
            Activation::Sigmoid => sys::CAE_ACTIVATION_SIGMOID,
        };
        raw
    }
}

/// A list of layers, to make models from.
pub struct Spec {
    pub(crate) handle: Handle<sys::cae_spec>,
}

impl Spec {
    /// Make an empty description.
    pub fn new(context: &Context) -> Result<Self> {
        let context = &context.shared;
        // SAFETY: a live context.
        let handle = unsafe {
            Handle::new(context, sys::cae_spec_destroy, |out| sys::cae_spec_create(out, context.pointer()))?
        };
        Ok(Self { handle })
    }

    /// Append a convolution. After an error the description is as it was.
    pub fn add_conv(
        &mut self,
        in_channels: usize,
        out_channels: usize,
        options: &ConvOptions,
    ) -> Result<&mut Self> {
        let (spec, raw) = (self.handle.pointer(), options.raw());
        // SAFETY: a live handle and a filled struct.
        let status = unsafe { sys::cae_spec_add_conv(spec, to_i32(in_channels), to_i32(out_channels), &raw) };
        self.done(status)
    }

    /// Append a transposed convolution, the adjoint of the convolution with the same options.
    pub fn add_conv_transpose(
        &mut self,
        in_channels: usize,
        out_channels: usize,
        options: &ConvOptions,
    ) -> Result<&mut Self> {
        let (spec, raw) = (self.handle.pointer(), options.raw());
        // SAFETY: a live handle and a filled struct.
        let status = unsafe {
            sys::cae_spec_add_conv_transpose(spec, to_i32(in_channels), to_i32(out_channels), &raw)
        };
        self.done(status)
    }

    /// The encoder is what has been added so far; what follows is the decoder. Without this call the
    /// encoder is the first half of the layers, the odd one going to the encoder.
    pub fn end_encoder(&mut self) -> Result<&mut Self> {
        // SAFETY: a live handle.
        let status = unsafe { sys::cae_spec_end_encoder(self.handle.pointer()) };
        self.done(status)
    }

    /// With true, a whole model gives its input plus what its layers make of it, y = x + f(x): as many
    /// channels as it takes, and no activation in the last layer. Encoder and decoder run their layers only.
    pub fn set_residual(&mut self, residual: bool) -> Result<&mut Self> {
        // SAFETY: a live handle.
        let status = unsafe { sys::cae_spec_set_residual(self.handle.pointer(), i32::from(residual)) };
        self.done(status)
    }

    /// Append the four layers of the reference network to an empty description.
    pub fn add_reference(&mut self) -> Result<&mut Self> {
        // SAFETY: a live handle.
        let status = unsafe { sys::cae_spec_add_reference(self.handle.pointer()) };
        self.done(status)
    }

    fn done(&mut self, status: sys::cae_status) -> Result<&mut Self> {
        self.handle.check(status)?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_librarys() {
        // SAFETY: the init call of this struct.
        let raw = unsafe { filled(sys::cae_conv_options_init) };
        assert_eq!(format!("{:?}", ConvOptions::default().raw()), format!("{raw:?}"));
    }
}
