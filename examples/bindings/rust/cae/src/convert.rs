//! Between Rust's types and C's.

use crate::error::{Error, Result};
use cae_sys as sys;
use std::ffi::{c_char, CStr, CString};
use std::mem::{size_of, MaybeUninit};
use std::path::Path;

/// As the library counts. What does not fit is beyond every limit of the library's, as is what it becomes.
pub(crate) fn to_i32(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// The same for numbers of images and steps.
pub(crate) fn to_i64(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// How many images of `length` values the library is told. A remainder, or less than one image, is its error.
pub(crate) fn count_of(values: usize, length: usize) -> i64 {
    to_i64(values.checked_div(length).unwrap_or(0).max(values.min(1)))
}

/// A copy of a C text.
///
/// # Safety
/// `text` points to a text that ends with a zero.
pub(crate) unsafe fn text_of(text: *const c_char) -> String {
    // SAFETY: as promised by the caller.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// A name for C.
pub(crate) fn c_name(name: &str) -> Result<CString> {
    c_text(name.as_bytes(), "a name")
}

/// A path for C: the file system's own bytes.
pub(crate) fn c_path(path: &Path) -> Result<CString> {
    #[cfg(unix)]
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
    #[cfg(not(unix))]
    let bytes =
        path.to_str().ok_or_else(|| Error::new(sys::CAE_ERR_ARGUMENT, "a path is not Unicode"))?.as_bytes();
    c_text(bytes, "a path")
}

fn c_text(bytes: &[u8], what: &str) -> Result<CString> {
    CString::new(bytes)
        .map_err(|_| Error::new(sys::CAE_ERR_ARGUMENT, format!("{what} has a zero byte in it")))
}

/// A struct of options or results, as its init call fills it.
///
/// # Safety
/// `init` is the init call of `T`, which is made of numbers and nullable pointers.
pub(crate) unsafe fn filled<T>(init: unsafe extern "C" fn(*mut T, u32) -> sys::cae_status) -> T {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: the pointer is to as many bytes as the size says, and they were zeroed.
    let status = unsafe { init(value.as_mut_ptr(), size_of::<T>() as u32) };
    assert_eq!(status, sys::CAE_OK, "an init call of libcae fails for a wrong size only");
    // SAFETY: zeros are a valid T, and so is what the init call wrote over them.
    unsafe { value.assume_init() }
}
