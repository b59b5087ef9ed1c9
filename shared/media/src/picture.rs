//! What decoders give and encoders take: pictures as planes or as interleaved rows.
//!
//! A photo stays in the form that JPEG, WebP and AVIF share, Y'CbCr with halved chroma, from its decoder to its
//! encoders: no colour conversion, and half the samples of RGB. What planes can't hold (transparency, 16 bits,
//! another colour space that must be converted) goes as a [`Raster`].

use std::borrow::Cow;

use crate::encode::avif::Effort;
use crate::error::{MediaError, Warning};
use crate::limits::Limits;
use crate::profile::OutputFormat;
use crate::raster::{Canvas, Raster};
use crate::{encode, jpeg, native};

/// One channel of 8 bits, row after row without gaps: exactly `width × height` samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plane {
    pub width: u32,
    pub height: u32,
    pub samples: Vec<u8>,
}

/// A picture in JFIF's colour space: Y'CbCr by the matrix of BT.601, each channel in the full range 0 to 255
/// (JFIF 1.02; ITU-T T.871, 7).
///
/// `chroma` is Cb and Cr at half the size both ways, rounded up (4:2:0), sited in the middle of the four
/// luma samples; a grey picture has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planar {
    pub luma: Plane,
    pub chroma: Option<[Plane; 2]>,
}

impl Planar {
    /// Width and height in pixels, those of the luma plane.
    pub const fn size(&self) -> (u32, u32) {
        (self.luma.width, self.luma.height)
    }

    /// The size of a chroma plane of a picture of `size`.
    pub const fn chroma_size(size: (u32, u32)) -> (u32, u32) {
        (size.0.div_ceil(2), size.1.div_ceil(2))
    }
}

/// A picture in either form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pixels {
    Planar(Planar),
    Raster(Raster),
}

/// What the numbers of a picture mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Colour<'a> {
    /// sRGB, or unknown and taken for it.
    Srgb,
    /// By an ICC profile.
    Icc(Cow<'a, [u8]>),
    /// By code points of ITU-T H.273 (PNG's `cICP`, HEIF's `nclx`).
    Cicp { primaries: u8, transfer: u8 },
}

/// What is asked of a decoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Want<'l> {
    /// Width and height that the picture shall have, as stored (before orientation). Never more than the
    /// picture's own on either edge.
    pub target: (u32, u32),
    pub limits: &'l Limits,
}

/// The first or only frame of an image, resized to [`Want::target`], as stored (not oriented) and in the
/// image's own colour space. Alpha isn't premultiplied.
#[derive(Debug)]
pub(crate) struct Still<'a> {
    pub pixels: Pixels,
    pub colour: Colour<'a>,
    /// EXIF's orientation where the decoder met it only behind the pixels.
    pub orientation: Option<u8>,
    pub warnings: Vec<Warning>,
}

/// A picture on its way to the encoders: sRGB, 8 bits, upright.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Picture {
    /// Planes, which JPEG, WebP and AVIF take as they are.
    Opaque(Planar),
    /// Interleaved, with an alpha channel that isn't 255 everywhere.
    Transparent(Canvas),
}

impl Picture {
    /// Of pixels in sRGB. An alpha channel that hides nothing is left out.
    ///
    /// # Errors
    /// `corrupt_image` for pixels that no colour conversion gives: inks or 16 bits.
    pub fn from_pixels(pixels: Pixels) -> Result<Self, MediaError> {
        let raster = match pixels {
            Pixels::Planar(planar) => return Ok(Self::Opaque(planar)),
            Pixels::Raster(raster) => raster,
        };
        let canvas = raster.into_canvas()?;
        Ok(match canvas.without_opaque_alpha() {
            canvas if canvas.model.has_alpha() => Self::Transparent(canvas),
            canvas => Self::Opaque(Planar::from_canvas(&canvas)),
        })
    }

    /// Width and height in pixels.
    pub const fn size(&self) -> (u32, u32) {
        match self {
            Self::Opaque(planar) => planar.size(),
            Self::Transparent(canvas) => canvas.size(),
        }
    }

    /// Whether something shows through.
    pub const fn is_transparent(&self) -> bool {
        matches!(self, Self::Transparent(_))
    }

    /// Turns and mirrors the stored picture so that it stands as it was taken. `orientation` is EXIF's.
    pub fn orient(self, orientation: u8) -> Self {
        match self {
            Self::Opaque(planar) => Self::Opaque(planar.orient(orientation)),
            Self::Transparent(canvas) => Self::Transparent(canvas.orient(orientation)),
        }
    }

    /// The picture at `size`, which is not larger.
    pub fn resize(&self, size: (u32, u32)) -> Result<Self, MediaError> {
        Ok(match self {
            Self::Opaque(planar) => Self::Opaque(planar.resize(size)),
            Self::Transparent(canvas) => Self::Transparent(canvas.resize(size)?),
        })
    }

    /// The file of it.
    pub fn encode(&self, format: OutputFormat, quality: u8) -> Result<Vec<u8>, MediaError> {
        match (self, format) {
            (Self::Opaque(planar), OutputFormat::Jpeg) => jpeg::encode::encode(planar, quality),
            (Self::Transparent(canvas), OutputFormat::Jpeg) => {
                jpeg::encode::encode(&Planar::from_canvas(&canvas.flattened()), quality)
            }
            (Self::Opaque(planar), OutputFormat::WebP) => encode::webp::planar(planar, quality),
            (Self::Transparent(canvas), OutputFormat::WebP) => native::webp::encode(canvas, quality),
            (Self::Opaque(planar), OutputFormat::Png) => encode::png::encode(&planar.to_canvas()),
            (Self::Transparent(canvas), OutputFormat::Png) => encode::png::encode(canvas),
            (Self::Opaque(planar), OutputFormat::Avif) => encode::avif::planar(planar, quality, Effort::Quick),
            (Self::Transparent(canvas), OutputFormat::Avif) => {
                encode::avif::canvas(canvas, quality, Effort::Quick)
            }
        }
    }

    /// The picture as RGBA bytes.
    pub fn rgba(&self) -> Vec<u8> {
        match self {
            Self::Opaque(planar) => planar.to_canvas().rgba(),
            Self::Transparent(canvas) => canvas.rgba(),
        }
    }
}
