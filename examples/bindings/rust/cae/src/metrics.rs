//! Metrics on plain slices, in double precision.

use crate::context::Context;
use crate::convert::to_i32;
use crate::error::{Error, Result};
use cae_sys as sys;
use std::ptr::null_mut;

/// Windows of SSIM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum SsimKind {
    /// Wang et al. 2004: 11x11 Gaussian, sigma 1.5, population moments.
    #[default]
    Gaussian11 = sys::CAE_SSIM_GAUSSIAN11,
    /// scikit-image's default: 7x7 uniform, sample moments.
    Uniform7 = sys::CAE_SSIM_UNIFORM7,
}

/// Mean squared difference.
pub fn mse(a: &[f32], b: &[f32]) -> Result<f64> {
    let count = same_length(a, b)?;
    let mut value = 0.0;
    // SAFETY: as many floats in both as the count says; no context is needed.
    let status = unsafe { sys::cae_mse(&mut value, null_mut(), a.as_ptr(), b.as_ptr(), count) };
    without_context(status, value)
}

/// 10 log10(data_range^2 / MSE); infinite for equal slices.
pub fn psnr(a: &[f32], b: &[f32], data_range: f64) -> Result<f64> {
    let count = same_length(a, b)?;
    let mut value = 0.0;
    // SAFETY: as many floats in both as the count says; no context is needed.
    let status = unsafe { sys::cae_psnr(&mut value, null_mut(), a.as_ptr(), b.as_ptr(), count, data_range) };
    without_context(status, value)
}

/// Structural similarity of two images `[channels, height, width]`: the mean over the positions where the
/// window fits, then over channels.
pub fn ssim(
    context: &Context,
    a: &[f32],
    b: &[f32],
    shape: [usize; 3],
    data_range: f64,
    kind: SsimKind,
) -> Result<f64> {
    let length = same_length(a, b)?;
    if shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent)) != Some(length) {
        return Err(Error::new(
            sys::CAE_ERR_SHAPE,
            format!("an image of {shape:?} is not made of {length} values"),
        ));
    }
    let ([channels, height, width], owner) = (shape.map(to_i32), context.shared.pointer());
    let (a, b) = (a.as_ptr(), b.as_ptr());
    let mut value = 0.0;
    // SAFETY: a live context, and as many floats in both as the shape says.
    context.shared.check(unsafe {
        sys::cae_ssim(&mut value, owner, a, b, channels, height, width, data_range, kind as i32)
    })?;
    Ok(value)
}

fn same_length(a: &[f32], b: &[f32]) -> Result<usize> {
    if a.len() == b.len() {
        return Ok(a.len());
    }
    Err(Error::new(sys::CAE_ERR_SHAPE, format!("{} values against {}", a.len(), b.len())))
}

fn without_context(status: sys::cae_status, value: f64) -> Result<f64> {
    if status == sys::CAE_OK {
        Ok(value)
    } else {
        Err(Error::new(status, ""))
    }
}
