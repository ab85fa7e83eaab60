//! What every handle shares: how it is made, that it keeps its context, and how it is given back.

use crate::context::Shared;
use crate::error::Result;
use cae_sys as sys;
use std::ptr::{null_mut, NonNull};
use std::rc::Rc;

/// A handle of the library's, given back when dropped. The library keeps alive what it was made from; the
/// context is kept here too, for its error text and its log.
pub(crate) struct Handle<T> {
    pointer: NonNull<T>,
    destroy: unsafe extern "C" fn(*mut T),
    pub(crate) context: Rc<Shared>,
}

impl<T> Handle<T> {
    /// Ask a create or load call for a handle.
    ///
    /// # Safety
    /// `create` passes the pointer as `out` to a call that makes a T with `context`; `destroy` gives such
    /// a T back.
    pub(crate) unsafe fn new(
        context: &Rc<Shared>,
        destroy: unsafe extern "C" fn(*mut T),
        create: impl FnOnce(*mut *mut T) -> sys::cae_status,
    ) -> Result<Self> {
        let mut pointer = null_mut();
        let status = create(&mut pointer);
        let handle =
            NonNull::new(pointer).map(|pointer| Self { pointer, destroy, context: Rc::clone(context) });
        context.check(status)?;
        Ok(handle.expect("a create call that is done has made a handle"))
    }

    pub(crate) fn pointer(&self) -> *mut T {
        self.pointer.as_ptr()
    }

    /// What became of a call with this handle.
    pub(crate) fn check(&self, status: sys::cae_status) -> Result<()> {
        self.context.check(status)
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: made by the matching create call and given back once.
        unsafe { (self.destroy)(self.pointer()) }
    }
}
