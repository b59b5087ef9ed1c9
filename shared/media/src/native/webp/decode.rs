//! Reading WebP: lossy pictures as bands of planes while they are decoded, everything into a raster in place.
//!
//! Lossy pictures (VP8) are decoded in rows of 16 × 16 blocks, and libwebp keeps only the row at hand. Its public
//! API collects them into a whole picture; [`lossy`] instead takes the rows from the hooks that libwebp's own
//! output is built on (`src/dec/vp8_dec.h`), so that the memory doesn't grow with the picture's height. That
//! header isn't installed by libwebp, which is why `libwebp-sys`, that vendors its source, is pinned to
//! the very version that [`Io`] was copied from.

use std::{
    any::Any,
    ffi::{c_int, c_void},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
};

use libwebp_sys as ffi;

use super::edge;
use crate::error::MediaError;

/// The version of libwebp whose hooks are declared below.
const VERSION: c_int = 0x01_06_00;

/// `WebPBitstreamFeatures::format` of a lossy picture.
const LOSSY: c_int = 1;

/// How far a decode came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// To the last row.
    Complete,
    /// To where the data ends.
    CutShort,
    /// To where the data makes no sense.
    Damaged,
}

/// Rows of one channel.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'b> {
    /// Starts with the first row, ends with the last sample of the last one.
    samples: &'b [u8],
    stride: usize,
    width: usize,
}

impl<'b> Rows<'b> {
    /// The rows from top to bottom.
    pub fn iter(&self) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        let width = self.width;
        self.samples.chunks(self.stride).map(move |row| row.get(..width).unwrap_or_default())
    }

    /// # Safety
    /// At `first` there are `count` rows of `width` readable samples, `stride` apart, for as long as `'b`.
    unsafe fn new(first: *const u8, stride: c_int, width: c_int, count: c_int) -> Option<Self> {
        let stride = usize::try_from(stride).ok()?;
        let width = usize::try_from(width).ok()?;
        let count = usize::try_from(count).ok()?;
        if first.is_null() || width == 0 || count == 0 || stride < width {
            return None;
        }
        // SAFETY: the caller's promise; the last row is counted without what follows it up to the stride.
        let samples = unsafe { std::slice::from_raw_parts(first, (count - 1) * stride + width) };
        Some(Self { samples, stride, width })
    }
}

/// Finished rows of a lossy picture: `Y'CbCr` of BT.601 in the limited range, the chroma halved both ways. All bands
/// but the last have an even number of rows.
pub(crate) struct Band<'b> {
    pub luma: Rows<'b>,
    pub chroma: [Rows<'b>; 2],
    /// The alpha channel, if the picture has one.
    pub alpha: Option<Rows<'b>>,
}

/// What [`lossy`] hands its bands to. It may be called on another thread, one call after the other.
pub(crate) type Sink<'s> = dyn FnMut(&Band<'_>) + Send + 's;

/// Decodes a lossy picture of `size`, band by band from top to bottom, and tells how far it came. `image` starts
/// with the chunk `VP8 `, or with `ALPH` before it, and may go on behind them. With `threads`, bands are
/// reconstructed beside the parsing of the next one.
pub(crate) fn lossy(
    image: &[u8],
    size: (u32, u32),
    threads: bool,
    sink: &mut Sink<'_>,
) -> Result<End, MediaError> {
    let mut config = config(threads)?;
    // The output that libwebp insists on, and that its replaced hooks would have written: a single pixel.
    (config.options.use_scaling, config.options.scaled_width, config.options.scaled_height) = (1, 1, 1);
    let mut hook = Hook { sink, size: (edge(size.0)?, edge(size.1)?), panic: None };
    let mut decoder = Decoder::new(image, config)?;
    // The hooks are for lossy pictures only: of a lossless one, libwebp takes `opaque` for its own.
    if decoder.config.input.format != LOSSY || !(image.starts_with(b"VP8 ") || image.starts_with(b"ALPH")) {
        return Err(MediaError::corrupt("the image data isn't lossy WebP"));
    }
    // SAFETY: checks the version before anything of it is used. The decoder is fresh and will decode lossily;
    // the hooks get the pointer to `hook`, which outlives the decoder's only run, and nobody else touches it
    // until that returns.
    let set = unsafe {
        ffi::WebPGetDecoderVersion() == VERSION
            && WebPISetIOHooks(decoder.inner.as_ptr(), Some(put), Some(setup), None, (&raw mut hook).cast())
                != 0
    };
    if !set {
        return Err(MediaError::corrupt("the decoder is of another version"));
    }
    let end = decoder.run();
    drop(decoder);
    if let Some(panic) = hook.panic {
        resume_unwind(panic);
    }
    end
}

/// Where [`raster`] writes to within a larger buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Bytes before the first pixel.
    pub offset: usize,
    /// Bytes from row to row.
    pub stride: usize,
    /// Four channels in place of three.
    pub alpha: bool,
}

/// Decodes a picture of `size`, lossy or lossless, to RGB or RGBA in `target`, and tells how many rows were
/// written. `image` starts with the chunk `VP8 ` or `VP8L`, or with `ALPH` before it, and may go on behind.
pub(crate) fn raster(
    image: &[u8],
    size: (u32, u32),
    threads: bool,
    target: &mut [u8],
    layout: Layout,
) -> Result<(u32, End), MediaError> {
    let (width, height) = (edge(size.0)?, edge(size.1)?);
    let target = target.get_mut(layout.offset..).unwrap_or_default();
    let row = size.0 as usize * if layout.alpha { 4 } else { 3 };
    let length = (size.1 as usize - 1).checked_mul(layout.stride).and_then(|rows| rows.checked_add(row));
    if layout.stride < row || length.is_none_or(|length| length > target.len()) {
        return Err(MediaError::corrupt("a frame doesn't fit onto its canvas"));
    }
    let mut config = config(threads)?;
    config.output.colorspace =
        if layout.alpha { ffi::WEBP_CSP_MODE::MODE_RGBA } else { ffi::WEBP_CSP_MODE::MODE_RGB };
    config.output.is_external_memory = 1;
    config.output.u.RGBA = ffi::WebPRGBABuffer {
        rgba: target.as_mut_ptr(),
        stride: c_int::try_from(layout.stride).map_err(MediaError::corrupt)?,
        size: target.len(),
    };
    // `target` isn't touched on this side until the decoder is gone.
    let mut decoder = Decoder::new(image, config)?;
    let input = &decoder.config.input;
    if (input.width, input.height) != (width, height) {
        return Err(MediaError::corrupt("a frame's size differs from what the header says"));
    }
    let end = decoder.run()?;
    let mut rows = 0;
    // SAFETY: the decoder is live; null pointers are allowed for what isn't asked.
    unsafe {
        ffi::WebPIDecGetRGB(
            decoder.inner.as_ptr(),
            &raw mut rows,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
        );
    }
    Ok((u32::try_from(rows).unwrap_or(0).min(size.1), end))
}

fn config(threads: bool) -> Result<Box<ffi::WebPDecoderConfig>, MediaError> {
    let mut config = ffi::WebPDecoderConfig::new()
        .map(Box::new)
        .map_err(|()| MediaError::corrupt("the decoder is of another version"))?;
    config.options.use_threads = c_int::from(threads);
    Ok(config)
}

/// libwebp's incremental decoder on bytes that are all there: it is the one that keeps what it has when
/// they end too early.
struct Decoder<'i> {
    inner: ptr::NonNull<ffi::WebPIDecoder>,
    /// The decoder points to it: its address must not change.
    config: Box<ffi::WebPDecoderConfig>,
    image: &'i [u8],
    lifetime: PhantomData<&'i [u8]>,
}

impl<'i> Decoder<'i> {
    fn new(image: &'i [u8], mut config: Box<ffi::WebPDecoderConfig>) -> Result<Self, MediaError> {
        // SAFETY: `image` is as long as told; `config` was initialised by libwebp and lives in the same place
        // until after the decoder, see `Drop`.
        let inner = unsafe { ffi::WebPIDecode(image.as_ptr(), image.len(), &raw mut *config) };
        let inner = ptr::NonNull::new(inner)
            .ok_or_else(|| MediaError::corrupt("the image data has no valid header"))?;
        Ok(Self { inner, config, image, lifetime: PhantomData })
    }

    /// Decodes as far as the bytes go.
    fn run(&mut self) -> Result<End, MediaError> {
        use ffi::VP8StatusCode as Status;
        // SAFETY: the decoder is live, and the bytes outlive it.
        let status = unsafe { ffi::WebPIUpdate(self.inner.as_ptr(), self.image.as_ptr(), self.image.len()) };
        match status {
            Status::VP8_STATUS_OK => Ok(End::Complete),
            Status::VP8_STATUS_SUSPENDED | Status::VP8_STATUS_NOT_ENOUGH_DATA => Ok(End::CutShort),
            Status::VP8_STATUS_OUT_OF_MEMORY => Err(MediaError::corrupt("there is too little memory")),
            _ => Ok(End::Damaged),
        }
    }
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        // SAFETY: both were made in `new` and are freed only here, the decoder before the buffer it points to.
        unsafe {
            ffi::WebPIDelete(self.inner.as_ptr());
            ffi::WebPFreeDecBuffer(&raw mut self.config.output);
        }
    }
}

/// `VP8Io` of `src/dec/vp8_dec.h`, field by field.
#[repr(C)]
struct Io {
    width: c_int,
    height: c_int,
    mb_y: c_int,
    mb_w: c_int,
    mb_h: c_int,
    y: *const u8,
    u: *const u8,
    v: *const u8,
    y_stride: c_int,
    uv_stride: c_int,
    opaque: *mut c_void,
    put: Option<unsafe extern "C" fn(*const Io) -> c_int>,
    setup: Option<unsafe extern "C" fn(*mut Io) -> c_int>,
    teardown: Option<unsafe extern "C" fn(*const Io)>,
    fancy_upsampling: c_int,
    data_size: usize,
    data: *const u8,
    bypass_filtering: c_int,
    use_cropping: c_int,
    crop_left: c_int,
    crop_right: c_int,
    crop_top: c_int,
    crop_bottom: c_int,
    use_scaling: c_int,
    scaled_width: c_int,
    scaled_height: c_int,
    a: *const u8,
}

unsafe extern "C" {
    fn WebPISetIOHooks(
        decoder: *mut ffi::WebPIDecoder,
        put: Option<unsafe extern "C" fn(*const Io) -> c_int>,
        setup: Option<unsafe extern "C" fn(*mut Io) -> c_int>,
        teardown: Option<unsafe extern "C" fn(*const Io)>,
        user_data: *mut c_void,
    ) -> c_int;
}

/// What libwebp's hooks are given.
struct Hook<'h, 's> {
    sink: &'h mut Sink<'s>,
    size: (c_int, c_int),
    /// What the sink panicked with: it must not unwind through libwebp.
    panic: Option<Box<dyn Any + Send>>,
}

/// Called once the frame's header is read, before anything is allocated for it.
unsafe extern "C" fn setup(io: *mut Io) -> c_int {
    // SAFETY: libwebp passes its live `VP8Io`, `opaque` is what `lossy` gave it.
    let (io, hook) = unsafe { (&*io, &*(*io).opaque.cast::<Hook<'_, '_>>()) };
    c_int::from((io.width, io.height) == hook.size)
}

/// Called with each band of finished rows; 0 stops the decoder.
unsafe extern "C" fn put(io: *const Io) -> c_int {
    // SAFETY: libwebp passes its live `VP8Io`; `opaque` is what `lossy` gave it, which is used by nobody else
    // while the decoder runs, and by one call at a time.
    let (io, hook) = unsafe { (&*io, &mut *(*io).opaque.cast::<Hook<'_, '_>>()) };
    let (chroma_width, chroma_rows) = ((io.mb_w + 1) / 2, (io.mb_h + 1) / 2);
    // SAFETY: libwebp's contract of `put`: `mb_h` rows of `mb_w` samples of luma, and as many of alpha if there is
    // any, whose rows are as wide as the picture; half of them, rounded up, of chroma; valid during the call.
    let (luma, cb, cr, alpha) = unsafe {
        (
            Rows::new(io.y, io.y_stride, io.mb_w, io.mb_h),
            Rows::new(io.u, io.uv_stride, chroma_width, chroma_rows),
            Rows::new(io.v, io.uv_stride, chroma_width, chroma_rows),
            Rows::new(io.a, io.width, io.mb_w, io.mb_h),
        )
    };
    let (Some(luma), Some(cb), Some(cr)) = (luma, cb, cr) else { return 0 };
    if io.mb_w != hook.size.0 || hook.panic.is_some() {
        return 0;
    }
    let band = Band { luma, chroma: [cb, cr], alpha };
    match catch_unwind(AssertUnwindSafe(|| (hook.sink)(&band))) {
        Ok(()) => 1,
        Err(panic) => {
            hook.panic = Some(panic);
            0
        }
    }
}
