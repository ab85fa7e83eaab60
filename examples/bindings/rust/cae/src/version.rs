//! Which library this is.

use crate::convert::text_of;
use crate::error::{Error, Result};
use cae_sys as sys;
use std::ffi::c_char;

/// The lowest version of the library that has all that this crate calls.
const LEAST: u32 = sys::CAE_VERSION_MAJOR << 16 | sys::CAE_VERSION_MINOR << 8 | sys::CAE_VERSION_PATCH;

/// The version of the loaded library, such as "1.1.0".
pub fn version() -> String {
    // SAFETY: the text is static.
    unsafe { text_of(sys::cae_version_string()) }
}

/// The number of the loaded library's binary interface.
pub fn abi_version() -> u32 {
    // SAFETY: reads a constant.
    unsafe { sys::cae_abi_version() }
}

/// One line on how the library was built and what it found.
pub fn build_info() -> String {
    // SAFETY: with no room, nothing is written.
    let length = unsafe { sys::cae_build_info(std::ptr::null_mut(), 0) };
    let mut text = vec![0u8; length + 1];
    // SAFETY: at most as many bytes as there are are written, a zero among them.
    unsafe { sys::cae_build_info(text.as_mut_ptr().cast::<c_char>(), text.len()) };
    text.truncate(length);
    String::from_utf8_lossy(&text).into_owned()
}

/// Whether the loaded library is one that this crate can work with; [`Context::new`](crate::Context::new)
/// asks. The linker compares sonames already, so this matters to who puts a library in another's place.
pub fn check_version() -> Result<()> {
    // SAFETY: reads a constant.
    check(unsafe { sys::cae_version_number() }, abi_version())
}

fn check(number: u32, abi: u32) -> Result<()> {
    if abi == sys::CAE_ABI_VERSION && number >= LEAST {
        return Ok(());
    }
    let dotted = |n: u32| format!("{}.{}.{}", n >> 16, n >> 8 & 0xff, n & 0xff);
    Err(Error::new(
        sys::CAE_ERR_UNSUPPORTED,
        format!(
            "found libcae {} with ABI {abi}, expected {} or later with ABI {}",
            dotted(number),
            dotted(LEAST),
            sys::CAE_ABI_VERSION
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_and_other_libraries_are_refused() {
        assert!(check(0x01_01_00, 1).is_ok());
        assert!(check(0x01_02_03, 1).is_ok());
        let older = check(0x00_09_00, 1).unwrap_err();
        assert_eq!(older.message(), "found libcae 0.9.0 with ABI 1, expected 1.1.0 or later with ABI 1");
        let other = check(0x09_00_00, 9).unwrap_err();
        assert!(other.message().contains("9.0.0 with ABI 9"), "{other}");
    }
}
