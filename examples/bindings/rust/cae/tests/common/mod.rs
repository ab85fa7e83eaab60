//! The contract's files, network and training, for all test programs.
#![allow(dead_code)] // each program uses some of it

use cae::*;
use std::path::PathBuf;
use std::{env, fs};

pub const SEED: u64 = 7;
pub const STEPS: u64 = 20;
pub const SHAPE: [usize; 3] = [3, 32, 32];

/// What test.sh has set.
pub fn path_in(variable: &str) -> PathBuf {
    env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set; run test.sh")).into()
}

pub fn contract(name: &str) -> Vec<u8> {
    fs::read(path_in("CAE_CONTRACT").join(name)).unwrap()
}

/// A path that a test may write to; names are the tests' own, since tests run at the same time.
pub fn scratch(name: &str) -> PathBuf {
    let directory = path_in("CAE_SCRATCH").join("out");
    fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

/// A number of expected.txt.
pub fn expected(name: &str) -> f64 {
    let text = String::from_utf8(contract("expected.txt")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in expected.txt")).parse().unwrap()
}

pub fn context() -> Context {
    Context::new(&ContextOptions::default()).unwrap()
}

pub fn dataset(context: &Context) -> Dataset<'static> {
    Dataset::new(context, &contract("images.u8"), SHAPE, &DatasetOptions::default()).unwrap()
}

pub fn reference_by_layers(context: &Context) -> Model {
    Model::new(context, &spec_by_layers(context), SEED).unwrap()
}

pub fn spec_by_layers(context: &Context) -> Spec {
    let relu = ConvOptions { activation: Activation::Relu, ..Default::default() };
    let mut spec = Spec::new(context).unwrap();
    spec.add_conv(3, 8, &relu).unwrap().add_conv(8, 8, &relu).unwrap().end_encoder().unwrap();
    spec.add_conv_transpose(8, 8, &relu).unwrap();
    spec.add_conv_transpose(8, 3, &ConvOptions::default()).unwrap();
    spec
}

pub struct Trained {
    pub trainer: Trainer<'static>,
    pub optimizer: Optimizer,
    pub model: Model,
    pub dataset: Dataset<'static>,
}

impl Trained {
    pub fn untrained(context: &Context) -> Self {
        let options = TrainerOptions { batch: 16, seed: SEED, noise_sigma: 0.1, ..Default::default() };
        let (model, dataset) = (reference_by_layers(context), dataset(context));
        let optimizer = Optimizer::new(&model, &OptimizerOptions::default()).unwrap();
        let trainer = Trainer::new(&model, &optimizer, &dataset, &options).unwrap();
        Self { trainer, optimizer, model, dataset }
    }

    pub fn new(context: &Context) -> Self {
        let mut trained = Self::untrained(context);
        trained.take(STEPS);
        trained
    }

    pub fn take(&mut self, steps: u64) {
        for _ in 0..steps {
            self.trainer.step().unwrap();
        }
    }
}

pub fn check_figures(model: &Model, dataset: &Dataset<'_>) {
    let noisy = EvaluationOptions { noise_sigma: 0.1, ..Default::default() };
    let evaluation = model.evaluate(dataset, &noisy).unwrap();
    assert_eq!(evaluation.images, 320);
    assert_eq!(evaluation.mse, expected("mse"));
    assert_eq!(evaluation.psnr, expected("psnr"));
    assert_eq!(evaluation.ssim, expected("ssim"));
}
