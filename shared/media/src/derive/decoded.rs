//! From a file to the picture that everything else is made of. Derivatives and the placeholder go this way alone.

use std::io::Read;

use super::picture::Picture;
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
        let pixels = colour::to_srgb(still.pixels, &still.colour, &mut warnings);
        let picture = Picture::from_pixels(pixels)?.orient(orientation);
        Ok(Self { image, size, picture, orientation, warnings })
    }
}
