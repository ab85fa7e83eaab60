//! Images of one shape, by index.

use crate::context::{Context, Shared};
use crate::convert::{c_path, count_of, filled, to_i32, to_i64};
use crate::error::{Error, Result};
use crate::handle::Handle;
use cae_sys as sys;
use std::marker::PhantomData;
use std::mem::size_of_val;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

/// Orders of the caller's images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Layout {
    /// `[count][channels][height][width]`, planes
    #[default]
    Nchw = sys::CAE_LAYOUT_NCHW,
    /// `[count][height][width][channels]`, pixels
    Nhwc = sys::CAE_LAYOUT_NHWC,
}

/// The range the network sees. Bytes are mapped to it; floats are taken to be in it already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Scale {
    /// \[-1, 1\]: byte / 127.5 - 1
    #[default]
    Signed = sys::CAE_SCALE_SIGNED,
    /// \[0, 1\]: byte / 255
    Unit = sys::CAE_SCALE_UNIT,
}

/// Which images of a data set with two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Split {
    /// To train on.
    Train = sys::CAE_SPLIT_TRAIN,
    /// To evaluate on.
    Test = sys::CAE_SPLIT_TEST,
}

/// How to see the caller's images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatasetOptions {
    /// [`Scale::Signed`]
    pub scale: Scale,
    /// [`Layout::Nchw`]
    pub layout: Layout,
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for f32 {}
}

/// What images may be made of: `u8` or `f32`.
pub trait Pixel: Copy + sealed::Sealed {
    #[doc(hidden)]
    const TYPE: i32;
}

impl Pixel for u8 {
    const TYPE: i32 = sys::CAE_TYPE_U8;
}

impl Pixel for f32 {
    const TYPE: i32 = sys::CAE_TYPE_F32;
}

/// Images of one shape. `'d` is the lifetime of the memory they are in; `'static` when it is the library's.
///
/// The caller's memory outlives the dataset, its slices, and all trainers using them:
///
/// ```compile_fail,E0597
/// # let context = cae::Context::new(&Default::default()).unwrap();
/// let dataset;
/// {
///     let images = vec![0u8; 2 * 3 * 8 * 8];
///     dataset = cae::Dataset::borrow(&context, &images, [3, 8, 8], &Default::default()).unwrap();
/// }
/// dataset.len();
/// ```
pub struct Dataset<'d> {
    pub(crate) handle: Handle<sys::cae_dataset>,
    images: PhantomData<&'d [f32]>,
}

impl Dataset<'static> {
    /// A copy of the caller's images, each `[channels, height, width]`.
    pub fn new<T: Pixel>(
        context: &Context,
        images: &[T],
        shape: [usize; 3],
        options: &DatasetOptions,
    ) -> Result<Self> {
        Self::from_memory(context, images, shape, options, false)
    }

    /// A directory in CIFAR-10's binary format.
    pub fn cifar10(
        context: &Context,
        directory: impl AsRef<Path>,
        split: Split,
        scale: Scale,
    ) -> Result<Self> {
        let (path, raw) = (c_path(directory.as_ref())?, scale_only(scale));
        // SAFETY: a live context, a text, a filled struct.
        Self::make(&context.shared, |out| unsafe {
            sys::cae_dataset_open_cifar10(out, context.shared.pointer(), path.as_ptr(), split as i32, &raw)
        })
    }

    /// The built-in image set: occluding textured discs, the same bytes for a seed on every machine.
    pub fn dead_leaves(
        context: &Context,
        count: usize,
        shape: [usize; 3],
        seed: u64,
        scale: Scale,
    ) -> Result<Self> {
        let ([channels, height, width], raw) = (shape.map(to_i32), scale_only(scale));
        let (owner, count) = (context.shared.pointer(), to_i64(count));
        // SAFETY: a live context and a filled struct.
        Self::make(&context.shared, |out| unsafe {
            sys::cae_dataset_create_dead_leaves(out, owner, count, channels, height, width, seed, &raw)
        })
    }
}

impl<'d> Dataset<'d> {
    /// The caller's images themselves, each `[channels, height, width]`, without a copy.
    pub fn borrow<T: Pixel>(
        context: &Context,
        images: &'d [T],
        shape: [usize; 3],
        options: &DatasetOptions,
    ) -> Result<Self> {
        Self::from_memory(context, images, shape, options, true)
    }

    /// How many images there are follows from the slice's length; a remainder is the library's error.
    fn from_memory<T: Pixel>(
        context: &Context,
        images: &[T],
        shape: [usize; 3],
        options: &DatasetOptions,
        borrow: bool,
    ) -> Result<Self> {
        let mut raw = scale_only(options.scale);
        raw.type_ = T::TYPE;
        raw.layout = options.layout as i32;
        raw.borrow = i32::from(borrow);
        let length = shape.iter().fold(1usize, |n, &extent| n.saturating_mul(extent));
        let count = count_of(images.len(), length);
        let [channels, height, width] = shape.map(to_i32);
        let (data, bytes, owner) = (images.as_ptr().cast(), size_of_val(images), context.shared.pointer());
        // SAFETY: a live context, as many bytes as the size says, a filled struct. Borrowed memory outlives
        // 'd, which the dataset, its slices and their trainers carry.
        Self::make(&context.shared, |out| unsafe {
            sys::cae_dataset_create(out, owner, data, bytes, count, channels, height, width, &raw)
        })
    }

    fn make(
        context: &Rc<Shared>,
        create: impl FnOnce(*mut *mut sys::cae_dataset) -> sys::cae_status,
    ) -> Result<Self> {
        // SAFETY: what this module passes are create calls of datasets with the context.
        let handle = unsafe { Handle::new(context, sys::cae_dataset_destroy, create)? };
        Ok(Self { handle, images: PhantomData })
    }

    /// Some of the images, without a copy.
    pub fn slice(&self, images: Range<usize>) -> Result<Self> {
        let count = images.end.saturating_sub(images.start);
        let (first, count) = (to_i64(images.start), to_i64(count));
        // SAFETY: a live handle.
        Self::make(&self.handle.context, |out| unsafe {
            sys::cae_dataset_slice(out, self.handle.pointer(), first, count)
        })
    }

    /// Number of images; never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        // SAFETY: a live handle.
        unsafe { sys::cae_dataset_count(self.handle.pointer()) as usize }
    }

    /// `[channels, height, width]` of every image.
    pub fn shape(&self) -> [usize; 3] {
        let (mut c, mut h, mut w) = (0, 0, 0);
        // SAFETY: a live handle and room for the results; it cannot fail.
        unsafe { sys::cae_dataset_shape(&mut c, &mut h, &mut w, self.handle.pointer()) };
        [c, h, w].map(|n| n as usize)
    }

    /// Difference between the largest and the smallest value of the range: 2 or 1.
    pub fn range(&self) -> f64 {
        // SAFETY: a live handle.
        unsafe { sys::cae_dataset_range(self.handle.pointer()) }
    }

    /// One image, scaled, as `[channels][height][width]`.
    pub fn get(&self, index: usize) -> Result<Vec<f32>> {
        let mut pixels = vec![0.0; self.shape().iter().product()];
        self.get_into(&mut pixels, index)?;
        Ok(pixels)
    }

    /// Copy one image, scaled, to `pixels`, which has room for exactly that.
    pub fn get_into(&self, pixels: &mut [f32], index: usize) -> Result<()> {
        let (data, count) = (pixels.as_mut_ptr(), pixels.len());
        // SAFETY: a live handle, and as many floats as the length says.
        self.handle.check(unsafe { sys::cae_dataset_get(data, count, self.handle.pointer(), to_i64(index)) })
    }
}

fn scale_only(scale: Scale) -> sys::cae_dataset_options {
    // SAFETY: the init call of this struct.
    let mut raw = unsafe { filled(sys::cae_dataset_options_init) };
    raw.scale = scale as i32;
    raw
}

/// The visit whose noise an evaluation adds.
pub const VISIT_EVALUATION: u32 = sys::CAE_VISIT_EVALUATION;

/// Add Gaussian noise of standard deviation `sigma` to one image: a function of (seed, visit, image) alone.
/// A trainer's epoch e uses visit e; an evaluation uses [`VISIT_EVALUATION`].
pub fn add_noise(values: &mut [f32], sigma: f64, seed: u64, visit: u32, image: u64) -> Result<()> {
    // SAFETY: as many floats as the length says.
    match unsafe { sys::cae_add_noise(values.as_mut_ptr(), values.len(), sigma, seed, visit, image) } {
        sys::CAE_OK => Ok(()),
        status => Err(Error::new(
            status,
            format!("sigma is {sigma}, expected finite and >= 0; image is {image}, expected below 2^56"),
        )),
    }
}
