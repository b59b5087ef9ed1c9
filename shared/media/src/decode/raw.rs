//! Decoding raw files: the JPEG that the camera put into them.

use crate::decode::jpeg_still;
use crate::error::MediaError;
use crate::header::Header;
use crate::picture::{Colour, Pixels, Still, Want};

/// Peak bytes beside the input that [`decode`] takes: those of a JPEG, whose header this is.
pub(super) fn memory(header: &Header<'_>, target: (u32, u32)) -> u64 {
    let (width, height) = header.decoded_size(target);
    let decoded = u64::from(width) * u64::from(height) * u64::from(header.bytes_per_pixel);
    decoded * 2 + header.jpeg.as_ref().map_or(0, |jpeg| jpeg.coefficient_bytes)
}

/// Decodes the preview.
pub(super) fn decode<'a>(header: &Header<'a>, want: &Want<'_>) -> Result<Still<'a>, MediaError> {
    let preview = header.raw.as_ref().ok_or_else(|| MediaError::corrupt("there is no preview"))?;
    let still = jpeg_still(preview.jpeg, header, want.target)?;
    Ok(Still {
        pixels: Pixels::Raster(still.raster.resize(want.target)?),
        colour: still.icc.map_or(Colour::Srgb, Colour::Icc),
        warnings: still.warnings,
    })
}
