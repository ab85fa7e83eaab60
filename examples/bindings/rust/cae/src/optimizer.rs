//! How gradients change parameters.

use crate::convert::filled;
use crate::error::Result;
use crate::handle::Handle;
use crate::model::Model;
use cae_sys as sys;

/// Update rules as in `torch.optim`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Stochastic gradient descent.
    Sgd {
        /// 0 <= momentum < 1; 0 is none
        momentum: f64,
        /// Needs momentum.
        nesterov: bool,
    },
    /// Kingma & Ba 2015; weight decay is added to the gradient.
    Adam {
        /// 0 <= beta1 < 1
        beta1: f64,
        /// 0 <= beta2 < 1
        beta2: f64,
    },
    /// Loshchilov & Hutter 2019; weight decay shrinks the weights.
    AdamW {
        /// 0 <= beta1 < 1
        beta1: f64,
        /// 0 <= beta2 < 1
        beta2: f64,
    },
}

/// An update rule and its rates. The default is Adam.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerOptions {
    /// [`Rule::Adam`] with 0.9 and 0.999
    pub rule: Rule,
    /// 1e-3
    pub learning_rate: f64,
    /// 1e-8
    pub epsilon: f64,
    /// 0
    pub weight_decay: f64,
}

impl Default for OptimizerOptions {
    fn default() -> Self {
        Self::adam()
    }
}

impl OptimizerOptions {
    /// Adam with its usual moments.
    pub fn adam() -> Self {
        Self {
            rule: Rule::Adam { beta1: 0.9, beta2: 0.999 },
            learning_rate: 1e-3,
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }

    /// AdamW with Adam's usual moments.
    pub fn adamw() -> Self {
        Self { rule: Rule::AdamW { beta1: 0.9, beta2: 0.999 }, ..Self::adam() }
    }

    /// Plain stochastic gradient descent.
    pub fn sgd() -> Self {
        Self { rule: Rule::Sgd { momentum: 0.0, nesterov: false }, ..Self::adam() }
    }

    fn raw(&self) -> sys::cae_optimizer_options {
        // SAFETY: the init call of this struct.
        let mut raw = unsafe { filled(sys::cae_optimizer_options_init) };
        raw.learning_rate = self.learning_rate;
        raw.epsilon = self.epsilon;
        raw.weight_decay = self.weight_decay;
        match self.rule {
            Rule::Sgd { momentum, nesterov } => {
                raw.kind = sys::CAE_OPTIMIZER_SGD;
                raw.momentum = momentum;
                raw.nesterov = i32::from(nesterov);
            }
            Rule::Adam { beta1, beta2 } => {
                raw.kind = sys::CAE_OPTIMIZER_ADAM;
                (raw.beta1, raw.beta2) = (beta1, beta2);
            }
            Rule::AdamW { beta1, beta2 } => {
                raw.kind = sys::CAE_OPTIMIZER_ADAMW;
                (raw.beta1, raw.beta2) = (beta1, beta2);
            }
        }
        raw
    }
}

/// An update rule and its moments, for one model.
pub struct Optimizer {
    pub(crate) handle: Handle<sys::cae_optimizer>,
}

impl Optimizer {
    /// Make an optimizer with zero moments. One at a time may train a model.
    pub fn new(model: &Model, options: &OptimizerOptions) -> Result<Self> {
        let raw = options.raw();
        // SAFETY: a live model and a filled struct.
        let handle = unsafe {
            Handle::new(&model.handle.context, sys::cae_optimizer_destroy, |out| {
                sys::cae_optimizer_create(out, model.pointer(), &raw)
            })?
        };
        Ok(Self { handle })
    }

    /// The base rate that a schedule multiplies.
    pub fn learning_rate(&self) -> f64 {
        // SAFETY: a live handle.
        unsafe { sys::cae_optimizer_learning_rate(self.handle.pointer()) }
    }

    /// Set the base rate, from the next step on; > 0.
    pub fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        // SAFETY: a live handle.
        self.handle
            .check(unsafe { sys::cae_optimizer_set_learning_rate(self.handle.pointer(), learning_rate) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_librarys() {
        // SAFETY: the init call of this struct.
        let raw = unsafe { filled(sys::cae_optimizer_options_init) };
        assert_eq!(format!("{:?}", OptimizerOptions::default().raw()), format!("{raw:?}"));
    }
}
