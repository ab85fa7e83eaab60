//! Running a part of a model, with the threads, scratch memory and error text of any context.

use crate::context::Shared;
use crate::convert::{count_of, to_i32};
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
pub(crate) fn output_shape(
    model: &Model,
    context: &Shared,
    part: Part,
    size: [usize; 2],
) -> Result<[usize; 3]> {
    let [height, width] = size.map(to_i32);
    let (mut c, mut h, mut w) = (0, 0, 0);
    // SAFETY: a live handle and room for the results.
    context.check(unsafe {
        sys::cae_model_output_shape(
            &mut c,
            &mut h,
            &mut w,
            model.pointer(),
            context.pointer(),
            part as i32,
            height,
            width,
        )
    })?;
    Ok([c, h, w].map(|n| n as usize))
}

/// Values of one image or latent that a part reads; 0 for a size that is impossible.
fn input_length(model: &Model, context: &Shared, part: Part, size: [usize; 2]) -> usize {
    let mut reads = 0; // stays so for a part that does not exist, which running it will say
                       // SAFETY: live handles and room for the result.
    unsafe {
        let none = std::ptr::null_mut();
        sys::cae_model_channels(&mut reads, none, model.pointer(), context.pointer(), part as i32)
    };
    (reads as usize).saturating_mul(size[0]).saturating_mul(size[1])
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
    let count = count_of(x.len(), input_length(model, context, part, size));
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
            count,
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
    let count = x.len() / input_length(model, context, part, size); // a size that passed is not 0
    let length = shape.iter().try_fold(count, |n, &extent| n.checked_mul(extent));
    let mut y = vec![0.0; length.ok_or_else(|| Error::new(sys::CAE_ERR_MEMORY, "the output is too large"))?];
    run_into(&mut y, model, context, part, x, size)?;
    Ok(y)
}
