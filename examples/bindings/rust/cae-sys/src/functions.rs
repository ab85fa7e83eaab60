//! Every call, in the order of the header: results first, then the handle, then what is read, then options.

use crate::types::*;
use std::ffi::{c_char, c_void};

extern "C" {
    // Version and status
    pub fn cae_version_number() -> u32;
    pub fn cae_version_string() -> *const c_char;
    pub fn cae_abi_version() -> u32;
    pub fn cae_build_info(text: *mut c_char, capacity: usize) -> usize;
    pub fn cae_status_string(status: cae_status) -> *const c_char;

    // Context
    pub fn cae_context_options_init(options: *mut cae_context_options, size: u32) -> cae_status;
    pub fn cae_context_create(out: *mut *mut cae_context, options: *const cae_context_options) -> cae_status;
    pub fn cae_context_destroy(context: *mut cae_context);
    pub fn cae_context_error(context: *const cae_context) -> *const c_char;
    pub fn cae_context_set_threads(context: *mut cae_context, threads: i32) -> cae_status;
    pub fn cae_context_threads(context: *const cae_context) -> i32;
    pub fn cae_context_cpu(context: *const cae_context) -> i32;

    // Describing a network
    pub fn cae_conv_options_init(options: *mut cae_conv_options, size: u32) -> cae_status;
    pub fn cae_spec_create(out: *mut *mut cae_spec, context: *mut cae_context) -> cae_status;
    pub fn cae_spec_destroy(spec: *mut cae_spec);
    pub fn cae_spec_add_conv(
        spec: *mut cae_spec,
        in_channels: i32,
        out_channels: i32,
        options: *const cae_conv_options,
    ) -> cae_status;
    pub fn cae_spec_add_conv_transpose(
        spec: *mut cae_spec,
        in_channels: i32,
        out_channels: i32,
        options: *const cae_conv_options,
    ) -> cae_status;
    pub fn cae_spec_end_encoder(spec: *mut cae_spec) -> cae_status;
    pub fn cae_spec_set_residual(spec: *mut cae_spec, residual: i32) -> cae_status;
    pub fn cae_spec_add_reference(spec: *mut cae_spec) -> cae_status;

    // Model
    pub fn cae_model_create(
        out: *mut *mut cae_model,
        context: *mut cae_context,
        spec: *const cae_spec,
        seed: u64,
    ) -> cae_status;
    pub fn cae_model_create_reference(
        out: *mut *mut cae_model,
        context: *mut cae_context,
        seed: u64,
    ) -> cae_status;
    pub fn cae_model_destroy(model: *mut cae_model);
    pub fn cae_model_parameter_count(model: *const cae_model) -> i64;
    pub fn cae_model_layer_count(model: *const cae_model) -> i32;
    pub fn cae_model_residual(model: *const cae_model) -> i32;
    pub fn cae_model_tensor_count(model: *const cae_model) -> i32;
    pub fn cae_model_tensor_name(model: *const cae_model, index: i32) -> *const c_char;
    pub fn cae_model_tensor_shape(
        shape: *mut i64,
        rank: *mut i32,
        model: *const cae_model,
        name: *const c_char,
    ) -> cae_status;
    pub fn cae_model_get_tensor(
        values: *mut f32,
        count: usize,
        model: *const cae_model,
        name: *const c_char,
    ) -> cae_status;
    pub fn cae_model_set_tensor(
        model: *mut cae_model,
        name: *const c_char,
        values: *const f32,
        count: usize,
    ) -> cae_status;
    pub fn cae_model_output_shape(
        out_channels: *mut i32,
        out_height: *mut i32,
        out_width: *mut i32,
        model: *const cae_model,
        context: *mut cae_context,
        part: i32,
        height: i32,
        width: i32,
    ) -> cae_status;
    pub fn cae_model_channels(
        in_channels: *mut i32,
        out_channels: *mut i32,
        model: *const cae_model,
        context: *mut cae_context,
        part: i32,
    ) -> cae_status;
    pub fn cae_model_forward(
        y: *mut f32,
        y_count: usize,
        model: *const cae_model,
        context: *mut cae_context,
        x: *const f32,
        x_count: usize,
        count: i64,
        height: i32,
        width: i32,
    ) -> cae_status;
    pub fn cae_model_encode(
        latent: *mut f32,
        latent_count: usize,
        model: *const cae_model,
        context: *mut cae_context,
        x: *const f32,
        x_count: usize,
        count: i64,
        height: i32,
        width: i32,
    ) -> cae_status;
    pub fn cae_model_decode(
        y: *mut f32,
        y_count: usize,
        model: *const cae_model,
        context: *mut cae_context,
        latent: *const f32,
        latent_count: usize,
        count: i64,
        height: i32,
        width: i32,
    ) -> cae_status;

    // Files
    pub fn cae_model_save(model: *const cae_model, path: *const c_char) -> cae_status;
    pub fn cae_model_load(
        out: *mut *mut cae_model,
        context: *mut cae_context,
        path: *const c_char,
    ) -> cae_status;
    pub fn cae_model_save_memory(
        buffer: *mut c_void,
        capacity: usize,
        written: *mut usize,
        model: *const cae_model,
    ) -> cae_status;
    pub fn cae_model_load_memory(
        out: *mut *mut cae_model,
        context: *mut cae_context,
        data: *const c_void,
        size: usize,
    ) -> cae_status;
    pub fn cae_model_load_weights(model: *mut cae_model, path: *const c_char) -> cae_status;
    pub fn cae_model_export_onnx(model: *const cae_model, part: i32, path: *const c_char) -> cae_status;
    pub fn cae_model_export_onnx_memory(
        buffer: *mut c_void,
        capacity: usize,
        written: *mut usize,
        model: *const cae_model,
        part: i32,
    ) -> cae_status;

    // Data
    pub fn cae_dataset_options_init(options: *mut cae_dataset_options, size: u32) -> cae_status;
    pub fn cae_dataset_create(
        out: *mut *mut cae_dataset,
        context: *mut cae_context,
        data: *const c_void,
        bytes: usize,
        count: i64,
        channels: i32,
        height: i32,
        width: i32,
        options: *const cae_dataset_options,
    ) -> cae_status;
    pub fn cae_dataset_open_cifar10(
        out: *mut *mut cae_dataset,
        context: *mut cae_context,
        directory: *const c_char,
        split: i32,
        options: *const cae_dataset_options,
    ) -> cae_status;
    pub fn cae_dataset_create_dead_leaves(
        out: *mut *mut cae_dataset,
        context: *mut cae_context,
        count: i64,
        channels: i32,
        height: i32,
        width: i32,
        seed: u64,
        options: *const cae_dataset_options,
    ) -> cae_status;
    pub fn cae_dataset_slice(
        out: *mut *mut cae_dataset,
        dataset: *const cae_dataset,
        first: i64,
        count: i64,
    ) -> cae_status;
    pub fn cae_dataset_destroy(dataset: *mut cae_dataset);
    pub fn cae_dataset_count(dataset: *const cae_dataset) -> i64;
    pub fn cae_dataset_shape(
        channels: *mut i32,
        height: *mut i32,
        width: *mut i32,
        dataset: *const cae_dataset,
    ) -> cae_status;
    pub fn cae_dataset_range(dataset: *const cae_dataset) -> f64;
    pub fn cae_dataset_get(
        pixels: *mut f32,
        pixel_count: usize,
        dataset: *const cae_dataset,
        index: i64,
    ) -> cae_status;
    pub fn cae_add_noise(
        values: *mut f32,
        count: usize,
        sigma: f64,
        seed: u64,
        visit: u32,
        image: u64,
    ) -> cae_status;

    // Metrics
    pub fn cae_mse(
        out: *mut f64,
        context: *mut cae_context,
        a: *const f32,
        b: *const f32,
        count: usize,
    ) -> cae_status;
    pub fn cae_psnr(
        out: *mut f64,
        context: *mut cae_context,
        a: *const f32,
        b: *const f32,
        count: usize,
        data_range: f64,
    ) -> cae_status;
    pub fn cae_ssim(
        out: *mut f64,
        context: *mut cae_context,
        a: *const f32,
        b: *const f32,
        channels: i32,
        height: i32,
        width: i32,
        data_range: f64,
        kind: i32,
    ) -> cae_status;

    // Optimizer
    pub fn cae_optimizer_options_init(options: *mut cae_optimizer_options, size: u32) -> cae_status;
    pub fn cae_optimizer_create(
        out: *mut *mut cae_optimizer,
        model: *mut cae_model,
        options: *const cae_optimizer_options,
    ) -> cae_status;
    pub fn cae_optimizer_destroy(optimizer: *mut cae_optimizer);
    pub fn cae_optimizer_learning_rate(optimizer: *const cae_optimizer) -> f64;
    pub fn cae_optimizer_set_learning_rate(optimizer: *mut cae_optimizer, learning_rate: f64) -> cae_status;

    // Training
    pub fn cae_trainer_options_init(options: *mut cae_trainer_options, size: u32) -> cae_status;
    pub fn cae_progress_init(progress: *mut cae_progress, size: u32) -> cae_status;
    pub fn cae_trainer_create(
        out: *mut *mut cae_trainer,
        model: *mut cae_model,
        optimizer: *mut cae_optimizer,
        dataset: *const cae_dataset,
        options: *const cae_trainer_options,
    ) -> cae_status;
    pub fn cae_trainer_destroy(trainer: *mut cae_trainer);
    pub fn cae_trainer_step(out: *mut cae_progress, trainer: *mut cae_trainer) -> cae_status;
    pub fn cae_trainer_epoch(
        out: *mut cae_progress,
        trainer: *mut cae_trainer,
        callback: cae_progress_fn,
        user: *mut c_void,
    ) -> cae_status;
    pub fn cae_trainer_steps_per_epoch(trainer: *const cae_trainer) -> i64;
    pub fn cae_trainer_progress(out: *mut cae_progress, trainer: *const cae_trainer) -> cae_status;
    pub fn cae_trainer_get_gradient(
        values: *mut f32,
        count: usize,
        trainer: *const cae_trainer,
        name: *const c_char,
    ) -> cae_status;
    pub fn cae_trainer_average(out: *mut *mut cae_model, trainer: *const cae_trainer) -> cae_status;
    pub fn cae_trainer_save(trainer: *const cae_trainer, path: *const c_char) -> cae_status;
    pub fn cae_trainer_resume(trainer: *mut cae_trainer, path: *const c_char) -> cae_status;

    // Evaluation
    pub fn cae_evaluation_options_init(options: *mut cae_evaluation_options, size: u32) -> cae_status;
    pub fn cae_evaluation_init(evaluation: *mut cae_evaluation, size: u32) -> cae_status;
    pub fn cae_model_evaluate(
        out: *mut cae_evaluation,
        model: *const cae_model,
        context: *mut cae_context,
        dataset: *const cae_dataset,
        options: *const cae_evaluation_options,
    ) -> cae_status;
}
