//! Running a part of a model, with the threads, scratch memory and error text of any context.

use crate::context::Shared;
use crate::convert::{to_i32, to_i64};
use crate::error::{Error, Result};
use crate::model::{Model, Part};
use cae_sys as sys;

type Call = unsafe extern "C" fn(
    *mut f32,
    usize,
    *const sys::cae_model,
    *mut sys::cae_context,
    *const f32,
    usize,
    i64,
    i32,
    i32,
) -> sys::cae_status;

fn call_of(part: Part) -> Call {
    match part {
        Part::Encoder => sys::cae_model_encode,
        Part::Decoder => sys::cae_model_decode,
        Part::Whole => sys::cae_model_forward,
    }
}

/// `[channels, height, width]` of what a part makes of an input.
///
/// The library's own call leaves its error text in the model's context, which may be another thread's.
/// Running no images at all checks the same and tells the right context; after that, it cannot fail.
pub(crate) fn output_shape(
    model: &Model,
    context: &Shared,
    part: Part,
    size: [usize; 2],
) -> Result<[usize; 3]> {
    run_into(&mut [], model, context, part, &[], size)?;
    let [height, width] = size.map(to_i32);
    let (mut c, mut h, mut w) = (0, 0, 0);
    // SAFETY: a live handle and room for the results.
    context.check(unsafe {
        sys::cae_model_output_shape(&mut c, &mut h, &mut w, model.pointer(), part as i32, height, width)
    })?;
    Ok([c, h, w].map(|n| n as usize))
}

/// Values of one image or latent that a part reads; 0 for a size that is impossible.
fn input_length(model: &Model, part: Part, size: [usize; 2]) -> usize {
    // The channels of these two parts always exist, so that no error text is written.
    let (mut reads, mut writes) = (0, 0);
    let known = if part == Part::Decoder { Part::Encoder } else { Part::Whole };
    // SAFETY: a live handle and room for the results.
    unsafe { sys::cae_model_channels(&mut reads, &mut writes, model.pointer(), known as i32) };
    let channels = if part == Part::Decoder { writes } else { reads };
    (channels as usize).saturating_mul(size[0]).saturating_mul(size[1])
}

/// Run a part. How many images there are follows from the length of `x`; a remainder is the library's error.
pub(crate) fn run_into(
    y: &mut [f32],
    model: &Model,
    context: &Shared,
    part: Part,
    x: &[f32],
    size: [usize; 2],
) -> Result<()> {
    let count = x.len().checked_div(input_length(model, part, size)).unwrap_or(0);
    let [height, width] = size.map(to_i32);
    // SAFETY: live handles; as many floats as the lengths say, and the slices cannot overlap.
    context.check(unsafe {
        call_of(part)(
            y.as_mut_ptr(),
            y.len(),
            model.pointer(),
            context.pointer(),
            x.as_ptr(),
            x.len(),
            to_i64(count),
            height,
            width,
        )
    })
}

/// Run a part into new memory.
pub(crate) fn run(
    model: &Model,
    context: &Shared,
    part: Part,
    x: &[f32],
    size: [usize; 2],
) -> Result<Vec<f32>> {
    let shape = output_shape(model, context, part, size)?;
    let count = x.len() / input_length(model, part, size); // a size that passed is not 0
    let length = shape.iter().try_fold(count, |n, &extent| n.checked_mul(extent));
    let mut y = vec![0.0; length.ok_or_else(|| Error::new(sys::CAE_ERR_MEMORY, "the output is too large"))?];
    run_into(&mut y, model, context, part, x, size)?;
    Ok(y)
}
