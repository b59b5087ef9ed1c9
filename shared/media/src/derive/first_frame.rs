//! The first frame as it is decoded, for comparisons with other decoders. Derivatives can't serve: they are converted,
//! resized, and mostly written with loss. Compiled for `make fuzz` alone (`cfg(fuzzing)`).

use sluice_pixels::{
    planar::Pixels,
    raster::{Canvas, Model, Raster, Samples},
};

use crate::{
    error::{MediaError, contained},
    formats::Image,
    limits::Limits,
};

/// Decoded pixels, as stored: not turned, and in the file's own colours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstFrame {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Row after row.
    pub samples: FirstSamples,
    /// Something is missing or damaged.
    pub warned: bool,
}

/// What was decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstSamples {
    /// The luma of a picture whose chroma was resized.
    Luma(Vec<u8>),
    /// R, G, B, A; of 16 bits rounded to 8.
    Rgba(Vec<u8>),
}

/// Decodes the first frame of an image.
///
/// # Errors
/// As [`super::derive()`]; and `unsupported_image` for inks.
pub fn first_frame(bytes: &[u8], limits: &Limits) -> Result<FirstFrame, MediaError> {
    contained(|| {
        let image = Image::parse(bytes)?;
        let size = image.facts().size();
        let still = image.decode(bytes, None, size, limits)?;
        let samples = match still.pixels {
            Pixels::Planar(planar) => FirstSamples::Luma(planar.luma.samples),
            Pixels::Raster(raster) => FirstSamples::Rgba(rgba(raster)?),
        };
        Ok(FirstFrame { size, samples, warned: !still.warnings.is_empty() })
    })
}

fn rgba(raster: Raster) -> Result<Vec<u8>, MediaError> {
    let Raster { width, height, model, samples } = raster;
    if model == Model::Cmyk {
        return Err(MediaError::Unsupported { found: "inks".to_owned() });
    }
    let narrow = |sample: u16| u8::try_from((u32::from(sample) + 128) / 257).unwrap_or(u8::MAX);
    let pixels = match samples {
        Samples::Eight(samples) => samples,
        Samples::Sixteen(samples) => samples.into_iter().map(narrow).collect(),
    };
    Ok(Canvas { width, height, model, pixels }.rgba())
}
