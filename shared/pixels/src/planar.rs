//! Pictures as planes, or in either form, and what their numbers mean.
//!
//! A photo stays in the form that JPEG, WebP and AVIF share, `Y'CbCr` with halved chroma, from its decoder to its
//! encoders: no colour conversion, and half the samples of RGB. What planes can't hold (transparency, 16 bits,
//! another colour space that must be converted) goes as a [`Raster`].

use std::borrow::Cow;

use crate::raster::Raster;

/// One channel of 8 bits, row after row without gaps: exactly `width × height` samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane {
    /// Samples across.
    pub width: u32,
    /// Samples down.
    pub height: u32,
    /// The samples.
    pub samples: Vec<u8>,
}

/// A picture in JFIF's colour space: `Y'CbCr` by the matrix of BT.601, each channel in the full range 0 to 255
/// (JFIF 1.02; ITU-T T.871, 7).
///
/// `chroma` is Cb and Cr at half the size both ways, rounded up (4:2:0), sited in the middle of the four
/// luma samples; a grey picture has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planar {
    /// Y', of the size of the picture.
    pub luma: Plane,
    /// Cb and Cr, or none of a grey picture.
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
pub enum Pixels {
    /// As planes.
    Planar(Planar),
    /// Interleaved.
    Raster(Raster),
}

/// What the numbers of a picture mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Colour<'a> {
    /// sRGB, or unknown and taken for it.
    Srgb,
    /// By an ICC profile.
    Icc(Cow<'a, [u8]>),
    /// By code points of ITU-T H.273 (PNG's `cICP`, HEIF's `nclx`).
    Cicp {
        /// Which red, green and blue (table 2).
        primaries: u8,
        /// Which curve (table 3).
        transfer: u8,
    },
}
