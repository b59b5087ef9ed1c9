//! From a file to the picture that everything else is made of. Derivatives and the placeholder go this way alone.

use std::io::Read;

use sluice_pixels::planar::Pixels;

use super::picture::{Picture, looks_drawn};
use crate::{
    colour,
    error::{MediaError, Warning},
    facts::upright,
    formats::Image,
    limits::Limits,
};

/// An image with its picture.
pub(crate) struct Decoded<'a> {
    pub image: Image<'a>,
    /// Its own size as displayed.
    pub size: (u32, u32),
    /// Of the first frame.
    pub picture: Picture,
    /// By which the picture was turned, in EXIF's numbers.
    pub orientation: u8,
    pub warnings: Vec<Warning>,
}

impl<'a> Decoded<'a> {
    /// Decodes `bytes`, which `rest` may go on with. `target` tells, from the size as displayed, how large the picture shall
    /// be: not larger than that.
    pub fn of(
        bytes: &'a [u8],
        rest: Option<&mut (dyn Read + Send)>,
        limits: &Limits,
        target: impl FnOnce((u32, u32)) -> (u32, u32),
    ) -> Result<Self, MediaError> {
        let image = Image::parse(bytes)?;
        let orientation = image.facts().orientation();
        let size = upright(image.facts().size(), orientation);
        // The same the other way round: the size as stored.
        let stored = upright(target(size), orientation);
        let still = image.decode(bytes, rest, stored, limits)?;
        // A PNG may say its orientation behind its pixels.
        let orientation = still.orientation.unwrap_or(orientation);
        let mut warnings = still.warnings;
        let left = limits.max_memory.saturating_sub(bytes.len() as u64);
        let drawn = match &still.pixels {
            Pixels::Raster(raster) if stored == image.facts().size() && looks_drawn(raster, left) => {
                Some(colour::to_srgb_canvas(raster.clone(), &still.colour, &mut warnings))
            }
            _ => None,
        };
        let pixels = colour::to_srgb(still.pixels, &still.colour, &mut warnings);
        let mut picture = Picture::from_pixels(pixels)?;
        if let Some(canvas) = drawn {
            picture = picture.drawn(canvas.without_opaque_alpha());
        }
        let picture = picture.orient(orientation);
        Ok(Self { image, size, picture, orientation, warnings })
    }
}
