//! How well a model does.

use crate::context::Shared;
use crate::convert::filled;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::model::Model;
use cae_sys as sys;

/// How to evaluate.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationOptions {
    /// 0; standard deviation of Gaussian noise added to the input
    pub noise_sigma: f64,
    /// 123
    pub noise_seed: u64,
}

impl Default for EvaluationOptions {
    fn default() -> Self {
        Self { noise_sigma: 0.0, noise_seed: 123 }
    }
}

/// Means over the images, with the dataset's range. SSIM is NaN for images smaller than its window, PSNR
/// infinite when an image is reproduced exactly. `noisy_` compares the input, the others the output, with
/// the clean image.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evaluation {
    /// Images compared.
    pub images: u64,
    /// Mean squared error.
    pub mse: f64,
    /// Mean over images, dB.
    pub psnr: f64,
    /// Of the mean MSE, dB.
    pub psnr_global: f64,
    /// With [`SsimKind::Gaussian11`](crate::SsimKind::Gaussian11).
    pub ssim: f64,
    /// With [`SsimKind::Uniform7`](crate::SsimKind::Uniform7).
    pub ssim_uniform7: f64,
    /// The same of the input.
    pub noisy_mse: f64,
    /// The same of the input.
    pub noisy_psnr: f64,
    /// The same of the input.
    pub noisy_ssim: f64,
    /// The same of the input.
    pub noisy_ssim_uniform7: f64,
}

impl Model {
    /// Run the model over a dataset and compare.
    pub fn evaluate(&self, dataset: &Dataset<'_>, options: &EvaluationOptions) -> Result<Evaluation> {
        evaluate(self, &self.handle.context, dataset, options)
    }
}

pub(crate) fn evaluate(
    model: &Model,
    context: &Shared,
    dataset: &Dataset<'_>,
    options: &EvaluationOptions,
) -> Result<Evaluation> {
    // SAFETY: the init calls of these structs.
    let (mut raw, mut given) =
        unsafe { (filled(sys::cae_evaluation_init), filled(sys::cae_evaluation_options_init)) };
    given.noise_sigma = options.noise_sigma;
    given.noise_seed = options.noise_seed;
    let (model, images) = (model.pointer(), dataset.handle.pointer());
    // SAFETY: live handles and filled structs.
    context.check(unsafe { sys::cae_model_evaluate(&mut raw, model, context.pointer(), images, &given) })?;
    Ok(Evaluation {
        images: raw.images as u64,
        mse: raw.mse,
        psnr: raw.psnr,
        psnr_global: raw.psnr_global,
        ssim: raw.ssim,
        ssim_uniform7: raw.ssim_uniform7,
        noisy_mse: raw.noisy_mse,
        noisy_psnr: raw.noisy_psnr,
        noisy_ssim: raw.noisy_ssim,
        noisy_ssim_uniform7: raw.noisy_ssim_uniform7,
    })
}
