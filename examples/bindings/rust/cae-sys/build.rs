//! Finds libcae by asking pkg-config, run as a command so that no other crate is needed.

use std::env;
use std::process::Command;

const MODULE: &str = "cae";
const LEAST: &str = "1.1.0";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for name in ["PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    match ask_pkg_config() {
        Ok(flags) => flags.split_whitespace().for_each(print_directive),
        Err(reason) => {
            eprintln!("libcae {LEAST} or later was not found: {reason}");
            eprintln!("Install it, or let PKG_CONFIG_PATH name the directory of its {MODULE}.pc.");
            std::process::exit(1);
        }
    }
}

/// The linker flags of libcae, such as "-L/usr/lib -lcae".
fn ask_pkg_config() -> Result<String, String> {
    let program = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let output = Command::new(&program)
        .args(["--libs", "--print-errors", &format!("{MODULE} >= {LEAST}")])
        .output()
        .map_err(|error| format!("{}: {error}", program.to_string_lossy()))?;
    if output.status.success() {
        String::from_utf8(output.stdout).map_err(|error| error.to_string())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_string())
    }
}

fn print_directive(flag: &str) {
    if let Some(directory) = flag.strip_prefix("-L") {
        println!("cargo:rustc-link-search=native={directory}");
    } else if let Some(library) = flag.strip_prefix("-l") {
        println!("cargo:rustc-link-lib={library}");
    }
}
