//! A model that many threads run at once.

use crate::context::{Context, ContextOptions};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::evaluation::{evaluate, Evaluation, EvaluationOptions};
use crate::model::{Model, Part};
use crate::run;

/// A copy of a model that does not change any more: `Send` and `Sync`. Every thread runs it with a context
/// of its own.
pub struct SharedModel {
    model: Model, // the only handle of a context that nobody else has
}

// SAFETY: the library lets many threads use a model that nobody changes, each passing a context of its own,
// and all calls below do. The model's own context is private: no call writes to it, and its references are
// counted only where the whole is dropped, by the one thread that has it then.
unsafe impl Send for SharedModel {}
// SAFETY: as above.
unsafe impl Sync for SharedModel {}

impl Model {
    /// A copy to run on many threads, as the model is now.
    pub fn share(&self) -> Result<SharedModel> {
        let own = Context::new(&ContextOptions::default())?;
        Ok(SharedModel { model: Model::from_bytes(&own, &self.to_bytes()?)? })
    }
}

impl SharedModel {
    /// As [`Model::output_shape`].
    pub fn output_shape(&self, context: &Context, part: Part, size: [usize; 2]) -> Result<[usize; 3]> {
        run::output_shape(&self.model, &context.shared, part, size)
    }

    /// As [`Model::forward`].
    pub fn forward(&self, context: &Context, x: &[f32], size: [usize; 2]) -> Result<Vec<f32>> {
        run::run(&self.model, &context.shared, Part::Whole, x, size)
    }

    /// As [`Model::forward_into`].
    pub fn forward_into(&self, y: &mut [f32], context: &Context, x: &[f32], size: [usize; 2]) -> Result<()> {
        run::run_into(y, &self.model, &context.shared, Part::Whole, x, size)
    }

    /// As [`Model::encode`].
    pub fn encode(&self, context: &Context, x: &[f32], size: [usize; 2]) -> Result<Vec<f32>> {
        run::run(&self.model, &context.shared, Part::Encoder, x, size)
    }

    /// As [`Model::encode_into`].
    pub fn encode_into(
        &self,
        latent: &mut [f32],
        context: &Context,
        x: &[f32],
        size: [usize; 2],
    ) -> Result<()> {
        run::run_into(latent, &self.model, &context.shared, Part::Encoder, x, size)
    }

    /// As [`Model::decode`].
    pub fn decode(&self, context: &Context, latent: &[f32], size: [usize; 2]) -> Result<Vec<f32>> {
        run::run(&self.model, &context.shared, Part::Decoder, latent, size)
    }

    /// As [`Model::decode_into`].
    pub fn decode_into(
        &self,
        y: &mut [f32],
        context: &Context,
        latent: &[f32],
        size: [usize; 2],
    ) -> Result<()> {
        run::run_into(y, &self.model, &context.shared, Part::Decoder, latent, size)
    }

    /// As [`Model::evaluate`].
    pub fn evaluate(
        &self,
        context: &Context,
        dataset: &Dataset<'_>,
        options: &EvaluationOptions,
    ) -> Result<Evaluation> {
        evaluate(&self.model, &context.shared, dataset, options)
    }
}
