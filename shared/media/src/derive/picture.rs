//! The picture that all derivatives are made of: sRGB, 8 bits, upright.

use sluice_pixels::{
    planar::{Pixels, Planar},
    raster::Canvas,
};

use crate::{
    error::MediaError,
    formats::{heif, jpeg, png, webp},
    native,
    profile::OutputFormat,
};

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
            (Self::Opaque(planar), OutputFormat::WebP) => webp::encode::planar(planar, quality),
            (Self::Transparent(canvas), OutputFormat::WebP) => native::webp::encode(canvas, quality),
            (Self::Opaque(planar), OutputFormat::Png) => png::encode::encode(&planar.to_canvas()),
            (Self::Transparent(canvas), OutputFormat::Png) => png::encode::encode(canvas),
            (Self::Opaque(planar), OutputFormat::Avif) => {
                heif::encode::planar(planar, quality, heif::encode::Effort::Quick)
            }
            (Self::Transparent(canvas), OutputFormat::Avif) => {
                heif::encode::canvas(canvas, quality, heif::encode::Effort::Quick)
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
