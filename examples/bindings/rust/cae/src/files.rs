//! Models as files and bytes: safetensors to keep them, ONNX to run them elsewhere.

use crate::context::Context;
use crate::convert::c_path;
use crate::error::Result;
use crate::model::{Model, Part};
use cae_sys as sys;
use std::ffi::c_void;
use std::path::Path;
use std::ptr::null_mut;

impl Model {
    /// Read what [`Model::save`] or [`Trainer::save`](crate::Trainer::save) wrote.
    pub fn load(context: &Context, path: impl AsRef<Path>) -> Result<Self> {
        let (path, owner) = (c_path(path.as_ref())?, context.shared.pointer());
        // SAFETY: a live context and a text.
        Self::make(context, |out| unsafe { sys::cae_model_load(out, owner, path.as_ptr()) })
    }

    /// Read a model file that is in memory already.
    pub fn from_bytes(context: &Context, bytes: &[u8]) -> Result<Self> {
        let owner = context.shared.pointer();
        // SAFETY: a live context and as many bytes as the length says.
        Self::make(context, |out| unsafe {
            sys::cae_model_load_memory(out, owner, bytes.as_ptr().cast(), bytes.len())
        })
    }

    /// Write a model file; it appears whole or not at all.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = c_path(path.as_ref())?;
        // SAFETY: a live handle and a text.
        self.handle.check(unsafe { sys::cae_model_save(self.pointer(), path.as_ptr()) })
    }

    /// The model file in memory.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        // SAFETY: a live handle; `bytes_of` passes a buffer and its size.
        self.bytes_of(|buffer, capacity, written| unsafe {
            sys::cae_model_save_memory(buffer, capacity, written, self.pointer())
        })
    }

    /// Fill the model from a file that need not say an architecture, such as a PyTorch state dict. All or
    /// nothing.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = c_path(path.as_ref())?;
        // SAFETY: a live handle and a text.
        self.handle.check(unsafe { sys::cae_model_load_weights(self.pointer(), path.as_ptr()) })
    }

    /// Write a part as ONNX, opset 13, with batch, height and width dynamic.
    pub fn export_onnx(&self, part: Part, path: impl AsRef<Path>) -> Result<()> {
        let path = c_path(path.as_ref())?;
        // SAFETY: a live handle and a text.
        self.handle.check(unsafe { sys::cae_model_export_onnx(self.pointer(), part as i32, path.as_ptr()) })
    }

    /// The ONNX file in memory.
    pub fn to_onnx(&self, part: Part) -> Result<Vec<u8>> {
        // SAFETY: a live handle; `bytes_of` passes a buffer and its size.
        self.bytes_of(|buffer, capacity, written| unsafe {
            sys::cae_model_export_onnx_memory(buffer, capacity, written, self.pointer(), part as i32)
        })
    }

    /// Ask how much it is, then for all of it.
    fn bytes_of(&self, write: impl Fn(*mut c_void, usize, *mut usize) -> sys::cae_status) -> Result<Vec<u8>> {
        let mut size = 0;
        self.handle.check(write(null_mut(), 0, &mut size))?;
        let mut bytes = vec![0u8; size];
        self.handle.check(write(bytes.as_mut_ptr().cast(), bytes.len(), &mut size))?;
        Ok(bytes)
    }
}
