//! From finished pixels to the bytes of a derivative.
//!
//! Encoders get pixels only: no EXIF, no XMP, no profile can reach a derivative, because nothing here has
//! a way to write one.

mod avif;
mod png;
#[allow(dead_code)]
pub(crate) mod webp;

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

use crate::error::MediaError;
use crate::raster::{Canvas, Model};

/// Longest edge of a JPEG (ITU-T T.81, B.2.2: 16 bits).
pub(crate) const JPEG_MAX_EDGE: u32 = 65_535;

/// Encodes a baseline JPEG, 4:2:0, on white where the picture is transparent.
///
/// The Huffman tables are the standard ones: tables fitted to the picture save 0.6 % and cost a second pass.
pub(crate) fn jpeg(canvas: &Canvas, quality: u8) -> Result<Vec<u8>, MediaError> {
    let canvas = canvas.flattened();
    let colour = if canvas.model == Model::Gray { ColorType::Luma } else { ColorType::Rgb };
    let edge = |pixels: u32| u16::try_from(pixels).map_err(MediaError::encode);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality.clamp(1, 100));
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder
        .encode(&canvas.pixels, edge(canvas.width)?, edge(canvas.height)?, colour)
        .map_err(MediaError::encode)?;
    Ok(bytes)
}
