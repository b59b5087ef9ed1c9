//! Writing WebP: stills from planes or from a canvas; lossy, method 4 (libwebp's default trade of
//! time for size), or lossless.
//!
//! The pixels are checked against the picture's size before any pointer is made of them; everything that
//! libwebp allocates is owned by a type whose `Drop` frees it.

use std::{ffi::c_int, io};

use libwebp_sys as ffi;
use sluice_pixels::raster::{Canvas, Model};

use super::edge;
use crate::error::MediaError;

/// Encodes a still at `quality` (0 to 100), with its alpha if it has any.
pub(crate) fn encode(canvas: &Canvas, quality: u8) -> Result<Vec<u8>, MediaError> {
    Picture::import(canvas, Import::Yuv)?.encode(&config(quality)?)
}

/// Encodes a still at `quality` (0 to 100) so that edges between colours stay where they are, as far as halved chroma
/// can hold them: luma makes up for it (libwebp's sharp conversion).
pub(crate) fn encode_sharp(canvas: &Canvas, quality: u8) -> Result<Vec<u8>, MediaError> {
    let mut config = config(quality)?;
    config.use_sharp_yuv = 1;
    Picture::import(canvas, Import::Argb)?.encode(&config)
}

/// Encodes a still without loss, but for the colours of what is wholly transparent.
pub(crate) fn encode_lossless(canvas: &Canvas) -> Result<Vec<u8>, MediaError> {
    let mut config = config(100)?;
    let pixels = u64::from(canvas.width) * u64::from(canvas.height);
    let level = LOSSLESS_LEVELS.iter().find(|(most, _)| pixels <= *most).map_or(0, |(_, level)| *level);
    // SAFETY: the config was initialised above, and is plain data.
    if unsafe { ffi::WebPConfigLosslessPreset(&raw mut config, level) } == 0 {
        return Err(MediaError::encode("libwebp: an unknown level"));
    }
    Picture::import(canvas, Import::Argb)?.encode(&config)
}

/// libwebp's level of lossless effort, 0 to 9, for pictures of so many pixels: what is small has time for more.
const LOSSLESS_LEVELS: [(u64, c_int); 2] = [(1 << 17, 6), (u64::MAX, 3)];

/// As what libwebp keeps the pixels that it is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Import {
    Yuv,
    Argb,
}

/// A picture as libwebp codes it: `Y'CbCr` of BT.601 in the limited range (luma 16 to 235, chroma 16 to 240), the
/// chroma halved both ways, rounded up; planes without gaps.
pub(crate) struct Yuv {
    pub width: u32,
    pub height: u32,
    pub luma: Vec<u8>,
    pub chroma: [Vec<u8>; 2],
}

/// Encodes a still without alpha from its planes, which libwebp reads where they are.
pub(crate) fn encode_yuv(mut yuv: Yuv, quality: u8) -> Result<Vec<u8>, MediaError> {
    let config = config(quality)?;
    let (width, height) = (edge(yuv.width)?, edge(yuv.height)?);
    let chroma_width = yuv.width.div_ceil(2);
    let samples = |width: u32, height: u32| width as usize * height as usize;
    let chroma = samples(chroma_width, yuv.height.div_ceil(2));
    if yuv.luma.len() != samples(yuv.width, yuv.height)
        || yuv.chroma.iter().any(|plane| plane.len() != chroma)
    {
        return Err(MediaError::encode("the pixels don't fill the picture"));
    }
    // The picture owns no memory of libwebp's: freeing it frees nothing.
    let mut picture = Picture::new()?;
    picture.0.use_argb = 0;
    picture.0.colorspace = ffi::WebPEncCSP::WEBP_YUV420;
    (picture.0.width, picture.0.height) = (width, height);
    (picture.0.y_stride, picture.0.uv_stride) = (width, edge(chroma_width)?);
    let [cb, cr] = &mut yuv.chroma;
    (picture.0.y, picture.0.u, picture.0.v) = (yuv.luma.as_mut_ptr(), cb.as_mut_ptr(), cr.as_mut_ptr());
    picture.encode(&config)
}

fn config(quality: u8) -> Result<ffi::WebPConfig, MediaError> {
    let quality = f32::from(quality.min(100));
    let mut config = ffi::WebPConfig::new_with_preset(ffi::WebPPreset::WEBP_PRESET_DEFAULT, quality)
        .map_err(|()| MediaError::encode("the encoder is of another version"))?;
    config.method = 4;
    Ok(config)
}

/// A picture whose planes libwebp allocated, or which are borrowed from the caller.
struct Picture(ffi::WebPPicture);

impl Picture {
    fn new() -> Result<Self, MediaError> {
        ffi::WebPPicture::new()
            .map(Self)
            .map_err(|()| MediaError::encode("the encoder is of another version"))
    }

    fn import(canvas: &Canvas, form: Import) -> Result<Self, MediaError> {
        let canvas = canvas.coloured();
        let (width, height) = (edge(canvas.width)?, edge(canvas.height)?);
        let channels = canvas.model.channels();
        if canvas.pixels.len() != canvas.width as usize * canvas.height as usize * channels {
            return Err(MediaError::encode("the pixels don't fill the picture"));
        }
        let mut picture = Self::new()?;
        picture.0.use_argb = (form == Import::Argb).into();
        picture.0.width = width;
        picture.0.height = height;
        let stride = width * c_int::try_from(channels).map_err(MediaError::encode)?;
        let import =
            if canvas.model == Model::Rgba { ffi::WebPPictureImportRGBA } else { ffi::WebPPictureImportRGB };
        // SAFETY: the buffer holds `height` rows of `stride` bytes, as checked above, and is only read.
        if unsafe { import(&raw mut picture.0, canvas.pixels.as_ptr(), stride) } == 0 {
            return Err(MediaError::encode("there is too little memory"));
        }
        Ok(picture)
    }

    /// The finished file. What the planes are borrowed from must be alive.
    fn encode(mut self, config: &ffi::WebPConfig) -> Result<Vec<u8>, MediaError> {
        let mut writer = Writer::new();
        self.0.writer = Some(ffi::WebPMemoryWrite);
        self.0.custom_ptr = (&raw mut writer.0).cast();
        // SAFETY: config and picture were initialised by libwebp, the planes are alive and as long as the
        // picture's size says; the writer outlives the call and is of the type that `WebPMemoryWrite` expects
        // behind `custom_ptr`.
        if unsafe { ffi::WebPEncode(config, &raw mut self.0) } == 0 {
            return Err(MediaError::encode(io::Error::other(format!("libwebp: {:?}", self.0.error_code))));
        }
        Ok(writer.to_vec())
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: initialised by `WebPPictureInit`; freeing a picture without planes is allowed.
        unsafe { ffi::WebPPictureFree(&raw mut self.0) }
    }
}

/// libwebp's growing output buffer.
struct Writer(ffi::WebPMemoryWriter);

impl Writer {
    fn new() -> Self {
        let mut writer = std::mem::MaybeUninit::uninit();
        // SAFETY: `WebPMemoryWriterInit` sets every field.
        unsafe {
            ffi::WebPMemoryWriterInit(writer.as_mut_ptr());
            Self(writer.assume_init())
        }
    }

    fn to_vec(&self) -> Vec<u8> {
        if self.0.mem.is_null() {
            return Vec::new();
        }
        // SAFETY: libwebp wrote `size` bytes to `mem`, which is freed only in `Drop`.
        unsafe { std::slice::from_raw_parts(self.0.mem, self.0.size) }.to_vec()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`; freed only here.
        unsafe { ffi::WebPMemoryWriterClear(&raw mut self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::MAX_EDGE, *};

    fn canvas(model: Model, width: u32, height: u32) -> Canvas {
        let length = width as usize * height as usize * model.channels();
        Canvas { width, height, model, pixels: (0..=250).cycle().take(length).collect() }
    }

    #[test]
    fn every_model_encodes() {
        for model in [Model::Gray, Model::GrayAlpha, Model::Rgb, Model::Rgba] {
            let bytes = encode(&canvas(model, 7, 5), 80).unwrap();
            assert!(bytes.starts_with(b"RIFF"), "{model:?}");
            assert_eq!(bytes, encode(&canvas(model, 7, 5), 80).unwrap());
        }
    }

    #[test]
    fn edges_at_the_limit() {
        assert!(encode(&canvas(Model::Gray, MAX_EDGE, 1), 80).is_ok());
        assert_eq!(encode(&canvas(Model::Gray, MAX_EDGE + 1, 1), 80).unwrap_err().code(), "encode_failed");
        assert!(encode(&canvas(Model::Gray, 0, 1), 80).is_err());
    }

    #[test]
    fn pixels_that_do_not_fill_the_picture_are_refused() {
        let mut short = canvas(Model::Rgb, 4, 4);
        short.pixels.pop();
        assert!(encode(&short, 80).is_err());
    }
}
