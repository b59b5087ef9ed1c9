//! The picture that all derivatives are made of: sRGB, 8 bits, upright.

use std::{borrow::Cow, collections::HashSet, hash::Hash};

use sluice_pixels::{
    planar::{Pixels, Planar},
    raster::{Canvas, Model, Raster, Samples},
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
    /// What was drawn rather than photographed: the picture as above, and its pixels before their chroma was halved.
    Drawn(Box<Picture>, Canvas),
}

/// Most pixels of a picture that is tried without loss: a screen of 2,048 × 2,048.
const MOST_DRAWN: u64 = 1 << 22;
/// The qualities at which an icon is tried with sharp edges, the best first. All are above those at which photos are
/// written.
const SHARP_QUALITIES: [u8; 2] = [95, 88];
/// Pixels of an icon: 128 × 128.
const ICON: u64 = 1 << 14;
/// As many colours as a palette holds, and of shades of grey, of which there are no more, as many as soft text needs.
const FEW_COLOURS: u64 = 256;
const FEW_SHADES: u64 = 16;
/// Bytes for each pixel that trying it takes: its own, libwebp's copy, and where libwebp looks for what repeats.
const DRAWN_BYTES: u64 = 40;

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

    /// The same with `pixels`, its own ones, beside it.
    pub fn drawn(self, pixels: Canvas) -> Self {
        Self::Drawn(Box::new(self), pixels)
    }

    /// Width and height in pixels.
    pub const fn size(&self) -> (u32, u32) {
        match self {
            Self::Opaque(planar) => planar.size(),
            Self::Transparent(canvas) | Self::Drawn(_, canvas) => canvas.size(),
        }
    }

    /// Whether something shows through.
    pub const fn is_transparent(&self) -> bool {
        match self {
            Self::Opaque(_) => false,
            Self::Transparent(_) => true,
            Self::Drawn(picture, _) => picture.is_transparent(),
        }
    }

    /// Turns and mirrors the stored picture so that it stands as it was taken. `orientation` is EXIF's.
    pub fn orient(self, orientation: u8) -> Self {
        match self {
            Self::Opaque(planar) => Self::Opaque(planar.orient(orientation)),
            Self::Transparent(canvas) => Self::Transparent(canvas.orient(orientation)),
            Self::Drawn(picture, canvas) => picture.orient(orientation).drawn(canvas.orient(orientation)),
        }
    }

    /// The picture at `size`, which is not larger.
    pub fn resize(&self, size: (u32, u32)) -> Result<Self, MediaError> {
        Ok(match self {
            Self::Opaque(planar) => Self::Opaque(planar.resize(size)),
            Self::Transparent(canvas) => Self::Transparent(canvas.resize(size)?),
            // Edges are blurred now, and colours are many.
            Self::Drawn(picture, _) => picture.resize(size)?,
        })
    }

    /// The file of it, and its format: of what is drawn, WebP takes the place of JPEG and of lossy WebP where it isn't
    /// larger: without loss, which few colours make small, or else, of an icon, with edges as sharp as halved chroma
    /// allows.
    pub fn encode(&self, format: OutputFormat, quality: u8) -> Result<(OutputFormat, Vec<u8>), MediaError> {
        let (picture, canvas) = match (self, format) {
            (Self::Drawn(picture, canvas), OutputFormat::Jpeg) => (picture, canvas.flattened()),
            (Self::Drawn(picture, canvas), OutputFormat::WebP) => (picture, Cow::Borrowed(canvas)),
            _ => return Ok((format, self.encode_as(format, quality)?)),
        };
        let lossy = picture.encode_as(format, quality)?;
        let lossless = native::webp::encode_lossless(&canvas)?;
        if lossless.len() <= lossy.len() {
            return Ok((OutputFormat::WebP, lossless));
        }
        let pixels = u64::from(canvas.width) * u64::from(canvas.height);
        let qualities = if pixels <= ICON { &SHARP_QUALITIES[..] } else { &[] };
        for &quality in qualities {
            let sharp = native::webp::encode_sharp(&canvas, quality)?;
            if sharp.len() <= lossy.len() {
                return Ok((OutputFormat::WebP, sharp));
            }
        }
        Ok((format, lossy))
    }

    fn encode_as(&self, format: OutputFormat, quality: u8) -> Result<Vec<u8>, MediaError> {
        match (self, format) {
            // PNG has no loss, and shall have none.
            (Self::Drawn(_, canvas) | Self::Transparent(canvas), OutputFormat::Png) => {
                png::encode::encode(canvas)
            }
            (Self::Drawn(picture, _), format) => picture.encode_as(format, quality),
            (Self::Opaque(planar), OutputFormat::Jpeg) => jpeg::encode::encode(planar, quality),
            (Self::Transparent(canvas), OutputFormat::Jpeg) => {
                jpeg::encode::encode(&Planar::from_canvas(&canvas.flattened()), quality)
            }
            (Self::Opaque(planar), OutputFormat::WebP) => webp::encode::planar(planar, quality),
            (Self::Transparent(canvas), OutputFormat::WebP) => native::webp::encode(canvas, quality),
            (Self::Opaque(planar), OutputFormat::Png) => png::encode::encode(&planar.to_canvas()),
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
            Self::Transparent(canvas) | Self::Drawn(_, canvas) => canvas.rgba(),
        }
    }
}

/// Whether a picture looks drawn: half of its pixels have the colour of the one before, which no camera gives, or its
/// colours are few. What else passes (a photo before a white wall, or in a palette) costs the time of a second file,
/// and nothing else. `memory` are the bytes that there are for it.
pub(crate) fn looks_drawn(raster: &Raster, memory: u64) -> bool {
    let pixels = u64::from(raster.width) * u64::from(raster.height);
    if pixels > MOST_DRAWN || DRAWN_BYTES * pixels > memory || raster.model == Model::Cmyk {
        return false;
    }
    let few = match raster.model {
        Model::Gray | Model::GrayAlpha => FEW_SHADES,
        // Soft edges of an icon have many, but each of a photo's pixels has one of its own.
        _ if pixels <= ICON => FEW_COLOURS.max(pixels / 2),
        _ => FEW_COLOURS,
    };
    let channels = raster.model.channels();
    match &raster.samples {
        Samples::Eight(samples) => are_drawn(samples, channels, few),
        Samples::Sixteen(samples) => are_drawn(samples, channels, few),
    }
}

/// Whether half of the pixels repeat the one before, or all have at most `few` colours.
fn are_drawn<S: Copy + Eq + Hash>(samples: &[S], channels: usize, few: u64) -> bool {
    let pixels = samples.chunks_exact(channels);
    let repeats = pixels.clone().skip(1).zip(pixels.clone()).filter(|(pixel, before)| pixel == before);
    if 2 * repeats.count() >= pixels.len() {
        return true;
    }
    let mut colours = HashSet::new();
    pixels.clone().all(|pixel| {
        colours.insert(pixel);
        colours.len() as u64 <= few
    })
}
