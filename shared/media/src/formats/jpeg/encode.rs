//! Writing JPEG: planes as [`sluice_jpeg`] takes them.

use sluice_jpeg::Picture;
use sluice_pixels::planar::{Planar, Plane};

use crate::error::MediaError;

/// Encodes `picture` at `quality` (1 to 100, on libjpeg's scale).
///
/// # Errors
/// `encode_failed` for an edge of 0 or of more than 65,535 pixels.
pub(crate) fn encode(picture: &Planar, quality: u8) -> Result<Vec<u8>, MediaError> {
    let chroma = picture.chroma.as_ref().map(|[blue, red]| [lent(blue), lent(red)]);
    sluice_jpeg::encode(&Picture { luma: lent(&picture.luma), chroma }, quality).map_err(MediaError::encode)
}

fn lent(plane: &Plane) -> sluice_jpeg::Plane<'_> {
    sluice_jpeg::Plane { width: plane.width, height: plane.height, samples: &plane.samples }
}
