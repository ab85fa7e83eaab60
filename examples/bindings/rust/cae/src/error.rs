//! What can go wrong: a status of the library's, and its text.

use crate::convert::text_of;
use cae_sys as sys;
use std::fmt;

/// A result whose error is libcae's.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A size or a value that no call could accept.
    Argument,
    /// The allocator has no more.
    Memory,
    /// Sizes that are fine alone and do not fit together.
    Shape,
    /// An option out of range.
    Options,
    /// The operating system refused: missing, unreadable, full.
    Io,
    /// A file that was read and is not what it should be.
    Format,
    /// A loss, gradient, parameter or output that is not finite.
    Numeric,
    /// Valid, but not in this build.
    Unsupported,
    /// No parameter of that name.
    Name,
    /// A status newer than this crate.
    Other,
}

/// An error, with the library's words for what was expected and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    status: i32,
    message: String,
}

impl Error {
    pub(crate) fn new(status: sys::cae_status, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self.status {
            sys::CAE_ERR_ARGUMENT => ErrorKind::Argument,
            sys::CAE_ERR_MEMORY => ErrorKind::Memory,
            sys::CAE_ERR_SHAPE => ErrorKind::Shape,
            sys::CAE_ERR_OPTIONS => ErrorKind::Options,
            sys::CAE_ERR_IO => ErrorKind::Io,
            sys::CAE_ERR_FORMAT => ErrorKind::Format,
            sys::CAE_ERR_NUMERIC => ErrorKind::Numeric,
            sys::CAE_ERR_UNSUPPORTED => ErrorKind::Unsupported,
            sys::CAE_ERR_NAME => ErrorKind::Name,
            _ => ErrorKind::Other,
        }
    }

    /// The library's status code.
    pub fn status(&self) -> i32 {
        self.status
    }

    /// The library's text; empty where there was no context to keep one.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the text for a status is static and never NULL.
        f.write_str(&unsafe { text_of(sys::cae_status_string(self.status)) })?;
        if self.message.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Error {}
