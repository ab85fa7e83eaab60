//! What the C program of the library's own tests computes, to the bit. `../test.sh` sets CAE_CONTRACT, the
//! directory with that program's files, and CAE_SCRATCH, where these tests may write.

mod common;

use cae::*;
use common::*;
use std::process::Command;
use std::{env, fs};

#[test]
fn version_and_build_info() {
    if let Err(error) = Context::new(&ContextOptions::default()) {
        panic!("{error}"); // such as that of the next test
    }
    check_version().unwrap();
    assert_eq!(abi_version(), 1);
    assert!(build_info().starts_with(&format!("libcae {}", version())), "{}", build_info());
}

/// With another library before libcae on the loader's list, the test above has to fail.
#[cfg(target_os = "linux")]
#[test]
fn older_and_other_libraries_are_refused() {
    let found = [("CAE_LIBRARY_OLDER", "0.9.0 with ABI 1"), ("CAE_LIBRARY_OTHER_ABI", "9.0.0 with ABI 9")];
    for (variable, found) in found {
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", "version_and_build_info"])
            .env("LD_PRELOAD", path_in(variable))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success());
        assert!(
            text.contains(&format!("found libcae {found}, expected 1.1.0 or later with ABI 1")),
            "{text}"
        );
    }
}

#[test]
fn reference_network_layer_by_layer() {
    let context = context();
    let model = reference_by_layers(&context);
    assert_eq!(model.parameter_count(), 1611);
    assert_eq!(model.layer_count(), 4);
    let names: Vec<_> = model.tensor_names().collect();
    let expected = ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias", "6.weight", "6.bias"];
    assert_eq!(names, expected);
    assert_eq!(model.tensor_shape("0.weight").unwrap(), [8, 3, 3, 3]);
    assert_eq!(model.tensor_shape("6.weight").unwrap(), [8, 3, 3, 3]);
    assert_eq!(model.tensor_shape("6.bias").unwrap(), [3]);
    assert_eq!(model.channels(Part::Decoder).unwrap(), [8, 3]);
    assert_eq!(model.to_bytes().unwrap(), Model::reference(&context, SEED).unwrap().to_bytes().unwrap());
}

#[test]
fn twenty_steps_end_at_the_same_loss() {
    let mut trained = Trained::untrained(&context());
    let mut last = None;
    for step in 1..=STEPS {
        let progress = trained.trainer.step().unwrap();
        assert_eq!((progress.step, progress.learning_rate), (step, 1e-3));
        last = Some(progress);
    }
    assert_eq!(last.unwrap().loss, expected("loss"));
    assert!(last.unwrap().epoch_done);
    assert_eq!(trained.trainer.steps_per_epoch(), STEPS);
}

#[test]
fn a_residual_network_and_its_average_are_the_same() {
    let context = context();
    let (model, dataset) = (
        Model::new(&context, spec_by_layers(&context).set_residual(true).unwrap(), SEED).unwrap(),
        dataset(&context),
    );
    assert!(model.residual() && !reference_by_layers(&context).residual());
    let options = TrainerOptions {
        batch: 16,
        seed: SEED,
        loss: Loss::Charbonnier { epsilon: 0.01 },
        noise_sigma: 0.05,
        noise_sigma_max: Some(0.2),
        augment: Augment { mirror: true, flip: true, transpose: true },
        average_decay: 0.9,
        ..Default::default()
    };
    let optimizer = Optimizer::new(&model, &OptimizerOptions::default()).unwrap();
    let mut trainer = Trainer::new(&model, &optimizer, &dataset, &options).unwrap();
    let mut last = None;
    for _ in 0..STEPS {
        last = Some(trainer.step().unwrap());
    }
    assert_eq!(last.unwrap().loss, expected("residual_loss"));
    let average = trainer.average().unwrap();
    drop(trainer);
    assert!(average.residual());
    assert!(average.to_bytes().unwrap() == contract("average.safetensors"));
}

#[test]
fn evaluation_gives_the_same_figures() {
    let trained = Trained::new(&context());
    check_figures(&trained.model, &trained.dataset);
}

#[test]
fn files_are_the_same_bytes() {
    let trained = Trained::new(&context());
    let (safetensors, onnx) = (scratch("model.safetensors"), scratch("model.onnx"));
    trained.model.save(&safetensors).unwrap();
    trained.model.export_onnx(Part::Whole, &onnx).unwrap();
    assert!(fs::read(safetensors).unwrap() == contract("model.safetensors"));
    assert!(fs::read(onnx).unwrap() == contract("model.onnx"));
    assert!(trained.model.to_bytes().unwrap() == contract("model.safetensors"));
    assert!(trained.model.to_onnx(Part::Whole).unwrap() == contract("model.onnx"));
}

#[test]
fn a_reloaded_model_computes_the_same() {
    let context = context();
    let dataset = dataset(&context);
    let path = scratch("reload.safetensors");
    fs::write(&path, contract("model.safetensors")).unwrap();
    let mut filled = Model::reference(&context, 99).unwrap();
    filled.load_weights(&path).unwrap();
    let from_memory = Model::from_bytes(&context, &contract("model.safetensors")).unwrap();
    for model in [Model::load(&context, &path).unwrap(), from_memory, filled] {
        check_figures(&model, &dataset);
        let x = dataset.get(0).unwrap();
        let y = model.forward(&x, [32, 32]).unwrap();
        assert_eq!(y[0], expected("first") as f32);
        assert_eq!(model.output_shape(Part::Encoder, [32, 32]).unwrap(), [8, 28, 28]);
        let latent = model.encode(&x, [32, 32]).unwrap();
        assert_eq!(latent.len(), 8 * 28 * 28);
        assert_eq!(model.decode(&latent, [28, 28]).unwrap(), y);

        let (mut latent_too, mut y_too) = (vec![9.0; latent.len()], vec![9.0; y.len()]);
        model.encode_into(&mut latent_too, &x, [32, 32]).unwrap();
        model.decode_into(&mut y_too, &latent_too, [28, 28]).unwrap();
        assert_eq!((&latent_too, &y_too), (&latent, &y));
        model.forward_into(&mut y_too, &x, [32, 32]).unwrap();
        assert_eq!(y_too, y);
    }
}

#[test]
fn a_checkpoint_resumes_to_the_same_bits() {
    let context = context();
    let mut whole = Trained::untrained(&context);
    whole.take(7);
    let path = scratch("checkpoint.safetensors");
    whole.trainer.save(&path).unwrap();
    whole.take(13);

    let mut resumed = Trained::untrained(&context);
    resumed.trainer.resume(&path).unwrap();
    assert_eq!(resumed.trainer.progress().unwrap().step, 7);
    resumed.take(13);
    assert!(resumed.model.to_bytes().unwrap() == contract("model.safetensors"));
    assert!(whole.model.to_bytes().unwrap() == contract("model.safetensors"));
}

#[test]
fn two_threads_give_the_same_bits() {
    let mut context = context();
    context.set_threads(2).unwrap();
    assert_eq!(context.threads(), 2);
    let trained = Trained::new(&context);
    assert!(trained.model.to_bytes().unwrap() == contract("model.safetensors"));
}
