//! Errors, callbacks, lifetimes, threads, and the calls that the contract does without.

mod common;

use cae::*;
use common::*;
use std::fs;
use std::ops::ControlFlow;
use std::panic::{catch_unwind, panic_any, AssertUnwindSafe};

#[track_caller]
fn fails<T>(result: Result<T>, kind: ErrorKind, words: &str) {
    let error = result.err().expect("an error");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.message().contains(words), "{error}");
    assert!(error.to_string().ends_with(error.message()), "{error}");
}

#[test]
fn errors_have_a_kind_and_the_librarys_text() {
    let context = context();
    let mut spec = Spec::new(&context).unwrap();
    spec.add_conv(3, 8, &ConvOptions::default()).unwrap();
    fails(
        spec.add_conv(4, 8, &ConvOptions::default()),
        ErrorKind::Shape,
        "layer 1 (Conv 4->8) expects 4 channels, but layer 0 (Conv 3->8) gives 8",
    );
    let missing = scratch("missing.safetensors");
    fails(Model::load(&context, &missing), ErrorKind::Io, missing.to_str().unwrap());
    let garbage = scratch("garbage.safetensors");
    fs::write(&garbage, "this is not a model file").unwrap();
    fails(Model::load(&context, &garbage), ErrorKind::Format, "");
    let trained = Trained::untrained(&context);
    let none = TrainerOptions { batch: 0, ..Default::default() };
    fails(
        Trainer::new(&trained.model, &trained.optimizer, &trained.dataset, &none),
        ErrorKind::Options,
        "batch is 0",
    );
    fails(trained.model.tensor("9.weight"), ErrorKind::Name, "9.weight");
    fails(Model::load(&context, "a\0b"), ErrorKind::Argument, "zero byte");
    fails(Context::new(&ContextOptions { threads: 1 << 40, ..Default::default() }), ErrorKind::Options, "");
}

#[test]
fn sizes_that_do_not_fit_are_errors() {
    let context = context();
    let model = Model::reference(&context, SEED).unwrap();
    let x = vec![0.0; 3 * 32 * 32];
    let short = "the input has 3071 values, expected 1 x 3x32x32";
    fails(model.forward(&x[1..], [32, 32]), ErrorKind::Shape, short);
    fails(model.encode_into(&mut [], &x[1..], [32, 32]), ErrorKind::Shape, short);
    fails(model.forward_into(&mut [0.0; 9], &x, [32, 32]), ErrorKind::Shape, "the output has 9 values");
    fails(model.forward(&x, [0, 32]), ErrorKind::Argument, "");
    fails(model.encode(&x, [2, 2]), ErrorKind::Shape, "layer 0");
    fails(model.output_shape(Part::Encoder, [3, 3]), ErrorKind::Shape, "layer 1");
    fails(model.forward(&x, [usize::MAX, usize::MAX]), ErrorKind::Shape, "");
    fails(
        Dataset::new(&context, &x[1..], SHAPE, &Default::default()),
        ErrorKind::Shape,
        "1 images of 3x32x32 take 12288 bytes, the array has 12284",
    );
    fails(Dataset::new::<f32>(&context, &[], SHAPE, &Default::default()), ErrorKind::Argument, "0 images");
    let bytes = vec![0u8; 2 * 3 * 32 * 32 + 1];
    fails(Dataset::new(&context, &bytes, SHAPE, &Default::default()), ErrorKind::Shape, "6144 bytes");
    assert_eq!(model.forward(&[], [32, 32]).unwrap(), []);
    fails(mse(&x, &x[1..]), ErrorKind::Shape, "");
    let huge = ConvOptions { stride: [usize::MAX, 1], ..Default::default() };
    fails(Spec::new(&context).unwrap().add_conv(1, 1, &huge), ErrorKind::Options, "stride_h");
}

#[test]
fn a_callback_stops_an_epoch() {
    let mut trained = Trained::untrained(&context());
    let mut losses = Vec::new();
    let epoch = trained
        .trainer
        .epoch_with(|progress| {
            losses.push(progress.loss);
            if progress.step == 3 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
    assert!(epoch.stopped);
    assert_eq!((epoch.progress.step, losses.len()), (3, 3));
    let rest = trained.trainer.epoch_with(|_| ControlFlow::Continue(())).unwrap();
    assert!(!rest.stopped && rest.progress.epoch_done);
    assert!(trained.model.to_bytes().unwrap() == contract("model.safetensors"));
    assert_eq!(trained.trainer.epoch().unwrap().epoch, 2);
}

#[test]
fn a_panic_in_a_callback_arrives_and_training_continues() {
    #[derive(Debug, PartialEq)]
    struct Reason(u64);

    let mut trained = Trained::untrained(&context());
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _ = trained.trainer.epoch_with(|progress| match progress.step {
            2 => panic_any(Reason(progress.step)),
            _ => ControlFlow::Continue(()),
        });
    }));
    assert_eq!(panic.unwrap_err().downcast_ref::<Reason>(), Some(&Reason(2)));
    assert_eq!(trained.trainer.step().unwrap().step, 3);
    trained.take(STEPS - 3);
    assert!(trained.model.to_bytes().unwrap() == contract("model.safetensors"));
}

#[test]
fn handles_are_dropped_in_any_order() {
    let context = context();
    let Trained { mut trainer, optimizer, model, dataset } = Trained::untrained(&context);
    let slice = dataset.slice(1..3).unwrap();
    let second = dataset.get(1).unwrap();
    drop((context, model, dataset, optimizer));
    assert_eq!(slice.get(0).unwrap(), second);
    drop(slice);
    for _ in 0..STEPS - 1 {
        trainer.step().unwrap();
    }
    assert_eq!(trainer.step().unwrap().loss, expected("loss"));
}

#[test]
fn a_borrowed_dataset_sees_the_callers_memory() {
    let context = context();
    let mut images = vec![0.5f32; 2 * 4 * 4];
    let memory = images.as_mut_ptr();
    // SAFETY: as long as the vector lives. What follows changes it behind the compiler's back, which knows
    // of no reader; only a test that looks for copies may.
    let seen = unsafe { std::slice::from_raw_parts(memory, images.len()) };
    let borrowed = Dataset::borrow(&context, seen, [1, 4, 4], &Default::default()).unwrap();
    let copied = Dataset::new(&context, seen, [1, 4, 4], &Default::default()).unwrap();
    // SAFETY: an element of the vector.
    unsafe { memory.add(16).write(0.25) };
    assert_eq!(borrowed.get(1).unwrap()[..2], [0.25, 0.5]);
    assert_eq!(borrowed.slice(1..2).unwrap().get(0).unwrap()[..2], [0.25, 0.5]);
    assert_eq!(copied.get(1).unwrap()[..2], [0.5, 0.5]);
}

#[test]
fn a_shared_model_runs_on_many_threads() {
    let context = context();
    let (model, dataset) = (Model::reference(&context, SEED).unwrap(), dataset(&context));
    let (x, shared) = (dataset.get(5).unwrap(), model.share().unwrap());
    let expected = model.forward(&x, [32, 32]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let own = common::context();
                for _ in 0..20 {
                    assert_eq!(shared.forward(&own, &x, [32, 32]).unwrap(), expected);
                    let latent = shared.encode(&own, &x, [32, 32]).unwrap();
                    assert_eq!(shared.decode(&own, &latent, [28, 28]).unwrap(), expected);
                    fails(shared.encode(&own, &x, [2, 2]), ErrorKind::Shape, "layer 0");
                }
            });
        }
    });
    let noisy = EvaluationOptions { noise_sigma: 0.1, ..Default::default() };
    let slice = dataset.slice(0..10).unwrap();
    let figures = shared.evaluate(&context, &slice, &noisy).unwrap();
    assert_eq!(figures, model.evaluate(&slice, &noisy).unwrap());
    drop((model, context));
    std::thread::spawn(move || drop(shared)).join().unwrap();
}

#[test]
fn datasets_from_every_source() {
    let context = context();
    let leaves = Dataset::dead_leaves(&context, 320, SHAPE, SEED, Scale::Signed).unwrap();
    assert_eq!((leaves.len(), leaves.shape(), leaves.range()), (320, SHAPE, 2.0));
    let bytes: Vec<u8> = leaves.get(0).unwrap().iter().map(|v| ((v + 1.0) * 127.5).round() as u8).collect();
    assert!(bytes == contract("images.u8")[..3072]);
    fails(leaves.get(320), ErrorKind::Argument, "320");
    #[allow(clippy::reversed_empty_ranges)]
    let backwards = 3..2;
    fails(leaves.slice(backwards), ErrorKind::Argument, "");

    let pixels = [0u8, 51, 102, 153, 204, 255]; // 1x2 pixels of 3 channels
    let options = DatasetOptions { layout: Layout::Nhwc, scale: Scale::Unit };
    let planes = Dataset::borrow(&context, &pixels, [3, 1, 2], &options).unwrap();
    assert_eq!(planes.get(0).unwrap(), [0.0, 0.6, 0.2, 0.8, 0.4, 1.0]);
    assert_eq!(planes.range(), 1.0);

    let directory = scratch("cifar10");
    fs::create_dir_all(&directory).unwrap();
    let mut record = vec![3u8];
    record.extend(&contract("images.u8")[..3072]);
    fs::write(directory.join("test_batch.bin"), record).unwrap();
    let cifar = Dataset::cifar10(&context, &directory, Split::Test, Scale::Signed).unwrap();
    assert_eq!(cifar.get(0).unwrap(), dataset(&context).get(0).unwrap());
    fails(Dataset::cifar10(&context, &directory, Split::Train, Scale::Signed), ErrorKind::Io, "");
}

#[test]
fn noise_and_metrics() {
    let context = context();
    let a = dataset(&context).get(0).unwrap();
    let mut b = a.clone();
    add_noise(&mut b, 0.1, 123, VISIT_EVALUATION, 0).unwrap();
    fails(add_noise(&mut b, -1.0, 123, 0, 0), ErrorKind::Argument, "sigma is -1");
    let slice = dataset(&context).slice(0..1).unwrap();
    let options = EvaluationOptions { noise_sigma: 0.1, ..Default::default() };
    let figures = Model::reference(&context, SEED).unwrap().evaluate(&slice, &options).unwrap();
    assert_eq!(mse(&b, &a).unwrap(), figures.noisy_mse);
    assert_eq!(psnr(&b, &a, 2.0).unwrap(), figures.noisy_psnr);
    assert_eq!(ssim(&context, &b, &a, SHAPE, 2.0, SsimKind::Gaussian11).unwrap(), figures.noisy_ssim);
    assert_eq!(ssim(&context, &b, &a, SHAPE, 2.0, SsimKind::Uniform7).unwrap(), figures.noisy_ssim_uniform7);
    fails(ssim(&context, &b, &a, [3, 32, 31], 2.0, SsimKind::Uniform7), ErrorKind::Shape, "3072");
    assert_eq!(psnr(&a, &a, 2.0).unwrap(), f64::INFINITY);
}

#[test]
fn tensors_gradients_and_rates() {
    let mut trained = Trained::untrained(&context());
    trained.take(1);
    assert!(trained.trainer.gradient("0.bias").unwrap().iter().any(|&g| g != 0.0));
    let weights = trained.model.tensor("2.weight").unwrap();
    let half: Vec<f32> = weights.iter().map(|w| w / 2.0).collect();
    trained.model.set_tensor("2.weight", &half).unwrap();
    assert_eq!(trained.model.tensor("2.weight").unwrap(), half);
    fails(trained.model.set_tensor("2.bias", &[f32::NAN; 8]), ErrorKind::Numeric, "2.bias");
    fails(trained.model.set_tensor("2.bias", &[0.0; 7]), ErrorKind::Shape, "2.bias");
    trained.optimizer.set_learning_rate(0.5e-3).unwrap();
    assert_eq!(trained.optimizer.learning_rate(), 0.5e-3);
    assert_eq!(trained.trainer.step().unwrap().learning_rate, 0.5e-3);
    fails(trained.optimizer.set_learning_rate(-1.0), ErrorKind::Argument, "learning_rate is -1");
}

#[test]
fn every_option_reaches_the_library() {
    let baseline = ContextOptions { threads: 2, engine: Engine::Gemm, cpu: Cpu::Baseline };
    let context = Context::new(&baseline).unwrap();
    assert_eq!((context.threads(), context.cpu()), (2, Cpu::Baseline));
    let leaky = ConvOptions {
        kernel: [2, 4],
        stride: [2, 2],
        padding: [0, 1],
        bias: false,
        activation: Activation::LeakyRelu { slope: 0.2 },
        ..Default::default()
    };
    let mut spec = Spec::new(&context).unwrap();
    spec.add_conv(1, 2, &leaky).unwrap().add_conv_transpose(2, 1, &leaky).unwrap();
    let model = Model::new(&context, &spec, 1).unwrap();
    assert_eq!(model.tensor_shape("0.weight").unwrap(), [2, 1, 2, 4]);
    assert_eq!(model.tensor_names().len(), 2);
    assert_eq!(model.output_shape(Part::Encoder, [8, 8]).unwrap(), [2, 4, 4]);

    let dataset = Dataset::dead_leaves(&context, 4, [1, 8, 8], 1, Scale::Unit).unwrap();
    let sgd = Rule::Sgd { momentum: 0.9, nesterov: true };
    let optimizer =
        Optimizer::new(&model, &OptimizerOptions { rule: sgd, learning_rate: 0.1, ..Default::default() })
            .unwrap();
    let options = TrainerOptions {
        batch: 2,
        loss: Loss::Huber { delta: 0.5 },
        clip_norm: Some(1e-3),
        schedule: Schedule::Step { decay_steps: 1, decay_factor: 0.5 },
        warmup_steps: 2,
        ..Default::default()
    };
    let mut trainer = Trainer::new(&model, &optimizer, &dataset, &options).unwrap();
    let rates: Vec<f64> = (0..4).map(|_| trainer.step().unwrap().learning_rate).collect();
    assert_eq!(rates, [0.05, 0.1, 0.1, 0.05]);
    fails(trainer.gradient("1.weight"), ErrorKind::Name, "1.weight"); // that number is the activation's
    let norm = trainer.gradient("0.weight").unwrap().iter().map(|g| g * g).sum::<f32>().sqrt();
    assert!(norm <= 1e-3, "{norm}");
    let cosine = Schedule::Cosine { decay_steps: 0, final_fraction: 0.0 };
    let wrong = TrainerOptions { schedule: cosine, ..Default::default() };
    fails(Trainer::new(&model, &optimizer, &dataset, &wrong), ErrorKind::Options, "decay_steps");
}
