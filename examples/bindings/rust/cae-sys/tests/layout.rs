//! The structs, constants and calls of this crate against those of the header.

use cae_sys::*;
use std::fmt::Write as _;
use std::mem::{offset_of, size_of};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs};

/// The same list as Rust sees it, and as a C program that prints what C sees.
#[derive(Default)]
struct Lists {
    rust: String,
    c: String,
}

impl Lists {
    fn add(&mut self, label: &str, value: i64, c: &str) {
        writeln!(self.rust, "{label} {value}").unwrap();
        writeln!(self.c, "    printf(\"{label} %lld\\n\", (long long)({c}));").unwrap();
    }
}

macro_rules! layout {
    ($lists:ident, $name:ident { $($field:ident)* }) => {
        $lists.add(
            concat!("sizeof ", stringify!($name)),
            size_of::<$name>() as i64,
            concat!("sizeof(", stringify!($name), ")"),
        );
        $({
            let field = stringify!($field).trim_end_matches('_'); // `type` is a word of Rust's
            let (owner, offset) = (stringify!($name), offset_of!($name, $field) as i64);
            $lists.add(&format!("{owner}.{field}"), offset, &format!("offsetof({owner}, {field})"));
        })*
        // No field is missing: as many as a destructuring without `..` asks for.
        let _ = |$name { $($field: _),* }: $name| ();
    };
}

macro_rules! constants {
    ($lists:ident, $($name:ident)*) => {
        $($lists.add(stringify!($name), $name as i64, stringify!($name));)*
    };
}

fn lists() -> Lists {
    let mut l = Lists::default();
    layout!(l, cae_context_options {
        size threads engine cpu allocate release allocator_user log log_user
    });
    layout!(l, cae_conv_options {
        size kernel_h kernel_w stride_h stride_w padding_h padding_w dilation_h dilation_w
        output_padding_h output_padding_w bias activation reserved slope
    });
    layout!(l, cae_dataset_options { size scale type_ layout borrow reserved memory });
    layout!(l, cae_optimizer_options {
        size kind learning_rate momentum beta1 beta2 epsilon weight_decay nesterov reserved
    });
    layout!(l, cae_trainer_options {
        size batch seed loss shuffle huber_delta noise_sigma clip_norm schedule reserved warmup_steps
        decay_steps decay_factor final_fraction noise_sigma_max average_decay epsilon ssim_weight augment reserved2
        shuffle_window
    });
    layout!(l, cae_progress {
        size epoch_done step epoch images loss epoch_loss learning_rate gradient_norm stop reserved
    });
    layout!(l, cae_evaluation_options { size reserved noise_seed noise_sigma });
    layout!(l, cae_evaluation {
        size reserved images mse psnr psnr_global ssim ssim_uniform7 noisy_mse noisy_psnr noisy_ssim
        noisy_ssim_uniform7
    });
    constants!(l,
        CAE_VERSION_MAJOR CAE_VERSION_MINOR CAE_VERSION_PATCH CAE_ABI_VERSION
        CAE_STOPPED CAE_OK CAE_ERR_ARGUMENT CAE_ERR_MEMORY CAE_ERR_SHAPE CAE_ERR_OPTIONS CAE_ERR_IO
        CAE_ERR_FORMAT CAE_ERR_NUMERIC CAE_ERR_UNSUPPORTED CAE_ERR_NAME CAE_ERR_PEER
        CAE_LOG_INFO CAE_LOG_WARNING CAE_ENGINE_AUTO CAE_ENGINE_GEMM CAE_ENGINE_DIRECT
        CAE_CPU_AUTO CAE_CPU_BASELINE CAE_CPU_AVX2 CAE_CPU_AVX512
        CAE_ACTIVATION_NONE CAE_ACTIVATION_RELU CAE_ACTIVATION_LEAKY_RELU CAE_ACTIVATION_TANH
        CAE_ACTIVATION_SIGMOID CAE_PART_ENCODER CAE_PART_DECODER CAE_PART_WHOLE
        CAE_TYPE_U8 CAE_TYPE_F32 CAE_LAYOUT_NCHW CAE_LAYOUT_NHWC CAE_SCALE_SIGNED CAE_SCALE_UNIT
        CAE_SPLIT_TRAIN CAE_SPLIT_TEST CAE_VISIT_EVALUATION CAE_SSIM_GAUSSIAN11 CAE_SSIM_UNIFORM7
        CAE_OPTIMIZER_SGD CAE_OPTIMIZER_ADAM CAE_OPTIMIZER_ADAMW CAE_LOSS_MSE CAE_LOSS_L1 CAE_LOSS_HUBER
        CAE_LOSS_CHARBONNIER CAE_SCHEDULE_CONSTANT CAE_SCHEDULE_STEP CAE_SCHEDULE_COSINE
        CAE_AUGMENT_MIRROR CAE_AUGMENT_FLIP CAE_AUGMENT_TRANSPOSE
    );
    l
}

/// What the C program prints; `None` without a C compiler.
fn ask_c(body: &str) -> Option<String> {
    Command::new("cc").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (source, program) = (directory.join("layout.c"), directory.join("layout"));
    let text = format!(
        "#include <cae/cae.h>\n#include <stddef.h>\n#include <stdio.h>\n\nint main(void)\n{{\n{body}}}\n"
    );
    fs::write(&source, text).unwrap();
    let flags = Command::new(env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into()))
        .args(["--cflags", "cae"])
        .output()
        .unwrap();
    let flags = String::from_utf8(flags.stdout).unwrap();
    let status =
        Command::new("cc").args(flags.split_whitespace()).arg(&source).arg("-o").arg(&program).status();
    assert!(status.unwrap().success(), "cc refuses {}", source.display());
    Some(String::from_utf8(Command::new(&program).output().unwrap().stdout).unwrap())
}

#[test]
fn structs_and_constants_are_those_of_the_header() {
    let lists = lists();
    match ask_c(&lists.c) {
        Some(c) => assert_eq!(lists.rust, c),
        None => eprintln!("no C compiler: the sizes alone are compared, in another test"),
    }
}

#[test]
fn the_library_fills_structs_of_these_sizes() {
    macro_rules! filled {
        ($init:ident, $name:ident, $field:ident, $expected:expr) => {{
            // SAFETY: all fields are numbers or nullable pointers, which may be zero.
            let mut value: $name = unsafe { std::mem::zeroed() };
            // SAFETY: the pointer is to as many bytes as the size says.
            assert_eq!(unsafe { $init(&mut value, size_of::<$name>() as u32) }, CAE_OK);
            assert_eq!(value.size as usize, size_of::<$name>());
            assert_eq!(value.$field, $expected, stringify!($name));
        }};
    }
    filled!(cae_context_options_init, cae_context_options, threads, 1);
    filled!(cae_conv_options_init, cae_conv_options, slope, 0.01);
    filled!(cae_dataset_options_init, cae_dataset_options, borrow, 0);
    filled!(cae_optimizer_options_init, cae_optimizer_options, epsilon, 1e-8);
    filled!(cae_trainer_options_init, cae_trainer_options, decay_factor, 0.1);
    filled!(cae_progress_init, cae_progress, gradient_norm, 0.0);
    filled!(cae_evaluation_options_init, cae_evaluation_options, noise_seed, 123);
    filled!(cae_evaluation_init, cae_evaluation, noisy_ssim_uniform7, 0.0);
}
