//! The context: threads, instruction set, log, and the text of the last error.

use crate::convert::{filled, text_of, to_i32};
use crate::error::{Error, Result};
use crate::version::check_version;
use cae_sys as sys;
use std::any::Any;
use std::cell::Cell;
use std::ffi::{c_char, c_void, CStr};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::ptr::{null_mut, NonNull};
use std::rc::Rc;

/// How layers are computed; all engines agree within a tolerance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Engine {
    /// The faster of the two, layer by layer.
    #[default]
    Auto = sys::CAE_ENGINE_AUTO,
    /// im2col and matrix products through BLAS.
    Gemm = sys::CAE_ENGINE_GEMM,
    /// Own kernels where the stride is 1, matrix products elsewhere.
    Direct = sys::CAE_ENGINE_DIRECT,
}

/// Instruction sets that the library's own kernels are built for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(i32)]
#[non_exhaustive]
pub enum Cpu {
    /// The best that the machine has.
    #[default]
    Auto = sys::CAE_CPU_AUTO,
    /// What the library was compiled for.
    Baseline = sys::CAE_CPU_BASELINE,
    /// x86-64 with AVX2 and FMA.
    Avx2 = sys::CAE_CPU_AVX2,
    /// x86-64 with AVX-512 F, BW, DQ, VL.
    Avx512 = sys::CAE_CPU_AVX512,
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogLevel {
    /// Worth knowing.
    Info,
    /// Worth looking into.
    Warning,
}

/// How to make a context.
#[derive(Clone, Debug)]
pub struct ContextOptions {
    /// 1; 0 asks for one per available processor. Results have the same bits for any number.
    pub threads: usize,
    /// [`Engine::Auto`]
    pub engine: Engine,
    /// [`Cpu::Auto`]
    pub cpu: Cpu,
}

impl Default for ContextOptions {
    fn default() -> Self {
        Self { threads: 1, engine: Engine::Auto, cpu: Cpu::Auto }
    }
}

/// What would otherwise be global. Belongs, with all that is made from it, to one thread.
///
/// ```compile_fail,E0277
/// let context = cae::Context::new(&Default::default()).unwrap();
/// std::thread::spawn(move || drop(context));
/// ```
pub struct Context {
    pub(crate) shared: Rc<Shared>,
}

impl Context {
    /// Make a context. No thread is started before there is work for it.
    pub fn new(options: &ContextOptions) -> Result<Self> {
        Self::make(options, None)
    }

    /// Make a context whose log lines, without line ends, go to a function.
    pub fn with_log(options: &ContextOptions, log: impl Fn(LogLevel, &str) + 'static) -> Result<Self> {
        Self::make(options, Some(Box::new(Log { call: Box::new(log), panic: Cell::new(None) })))
    }

    fn make(options: &ContextOptions, log: Option<Box<Log>>) -> Result<Self> {
        check_version()?;
        // SAFETY: the init call of this struct.
        let mut raw = unsafe { filled(sys::cae_context_options_init) };
        raw.threads = to_i32(options.threads);
        raw.engine = options.engine as i32;
        raw.cpu = options.cpu as i32;
        if let Some(log) = &log {
            raw.log = Some(hear);
            raw.log_user = (&**log as *const Log).cast_mut().cast();
        }
        let mut pointer = null_mut();
        // SAFETY: a filled struct; the log lives in a box that is dropped after the context.
        let status = unsafe { sys::cae_context_create(&mut pointer, &raw) };
        match NonNull::new(pointer) {
            Some(pointer) => Ok(Self { shared: Rc::new(Shared { pointer, log }) }),
            None => Err(Error::new(status, "")), // no context, no text
        }
    }

    /// Threads in use, the calling one included.
    pub fn threads(&self) -> usize {
        // SAFETY: a live context.
        unsafe { sys::cae_context_threads(self.shared.pointer()) as usize }
    }

    /// Set the number of threads in use; 0 asks for one per available processor.
    pub fn set_threads(&mut self, threads: usize) -> Result<()> {
        // SAFETY: a live context.
        self.shared.check(unsafe { sys::cae_context_set_threads(self.shared.pointer(), to_i32(threads)) })
    }

    /// The instruction set in use; [`Cpu::Auto`] stands for one newer than this crate.
    pub fn cpu(&self) -> Cpu {
        // SAFETY: a live context.
        match unsafe { sys::cae_context_cpu(self.shared.pointer()) } {
            sys::CAE_CPU_BASELINE => Cpu::Baseline,
            sys::CAE_CPU_AVX2 => Cpu::Avx2,
            sys::CAE_CPU_AVX512 => Cpu::Avx512,
            _ => Cpu::Auto,
        }
    }
}

/// The context itself, kept by every handle made from it: counted without atomics, which is what ties all
/// of them to one thread.
pub(crate) struct Shared {
    pointer: NonNull<sys::cae_context>,
    log: Option<Box<Log>>,
}

impl Shared {
    pub(crate) fn pointer(&self) -> *mut sys::cae_context {
        self.pointer.as_ptr()
    }

    /// What became of a call: its error with the text, and a panic of the log function's goes on.
    pub(crate) fn check(&self, status: sys::cae_status) -> Result<()> {
        if let Some(panic) = self.log.as_ref().and_then(|log| log.panic.take()) {
            resume_unwind(panic);
        }
        if status >= sys::CAE_OK {
            return Ok(());
        }
        // SAFETY: a live context; the text is copied before the next call.
        Err(Error::new(status, unsafe { text_of(sys::cae_context_error(self.pointer())) }))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: given back once. All handles are gone, so the log is not called again.
        unsafe { sys::cae_context_destroy(self.pointer()) }
    }
}

type LogFn = dyn Fn(LogLevel, &str);

struct Log {
    call: Box<LogFn>,
    panic: Cell<Option<Box<dyn Any + Send>>>,
}

/// What the library calls.
unsafe extern "C" fn hear(user: *mut c_void, level: i32, text: *const c_char) {
    // SAFETY: the pointer that was given to the library with this function.
    let log = unsafe { &*user.cast::<Log>() };
    // SAFETY: a line that is valid during the call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let level = if level >= sys::CAE_LOG_WARNING { LogLevel::Warning } else { LogLevel::Info };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (log.call)(level, &text))) {
        log.panic.set(Some(panic));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// Libcae 1.0.0 has nothing to say yet: stand in for it.
    fn say(context: &Context, level: i32) {
        let log: *const Log = &**context.shared.log.as_ref().unwrap();
        // SAFETY: what the library would pass.
        unsafe { hear(log.cast_mut().cast(), level, c"a line".as_ptr()) };
    }

    #[test]
    fn log_lines_arrive() {
        let lines = Rc::new(RefCell::new(Vec::new()));
        let heard = Rc::clone(&lines);
        let log = move |level, text: &str| heard.borrow_mut().push((level, text.to_string()));
        let context = Context::with_log(&ContextOptions::default(), log).unwrap();
        say(&context, sys::CAE_LOG_WARNING);
        assert_eq!(*lines.borrow(), [(LogLevel::Warning, "a line".to_string())]);
    }

    #[test]
    fn a_panic_in_the_log_goes_on_after_the_call() {
        let context = Context::with_log(&ContextOptions::default(), |_, text| panic!("{text}")).unwrap();
        say(&context, sys::CAE_LOG_INFO);
        let panic = catch_unwind(AssertUnwindSafe(|| context.shared.check(sys::CAE_OK))).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().unwrap(), "a line");
        context.shared.check(sys::CAE_OK).unwrap();
    }
}
