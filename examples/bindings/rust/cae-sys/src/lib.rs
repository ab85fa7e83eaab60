//! Declarations of libcae's C interface, `cae/cae.h` 1.1.0, name by name.
//!
//! What the calls do, who owns what and which thread may call is said in that header; the `cae` crate makes
//! it safe. `tests/layout.rs` compares every struct with a C compiler's.
#![allow(non_camel_case_types, missing_docs)]

mod functions;
mod types;

pub use functions::*;
pub use types::*;
