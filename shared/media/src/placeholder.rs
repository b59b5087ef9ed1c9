//! The placeholder that a client shows before any derivative exists.
//!
//! A `ThumbHash` (<https://evanw.github.io/thumbhash/>): about 25 bytes that hold the blurred picture, its
//! shape and its transparency. Made at ingest, so it must be cheap: a JPEG is decoded at the DCT scale
//! next above 100 pixels.

use base64::{Engine, engine::general_purpose::STANDARD};
use sluice_pixels::raster::fit;

use crate::{
    derive::Decoded,
    error::{MediaError, contained},
    limits::Limits,
};

/// The longest edge that the algorithm takes.
const MAX_EDGE: u32 = 100;

/// A blurred stand-in for an image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Placeholder {
    /// The hash, in standard base64 with padding.
    pub thumbhash: String,
    /// The image's width as displayed, in pixels.
    pub width: u32,
    /// The image's height as displayed, in pixels.
    pub height: u32,
}

/// Makes the placeholder of an image; of an animation, that of its first frame.
///
/// # Errors
/// As for [`crate::derive::derive`].
pub fn thumbhash(bytes: &[u8], limits: &Limits) -> Result<Placeholder, MediaError> {
    contained(|| {
        let Decoded { size, picture, .. } = Decoded::of(bytes, None, limits, |size| fit(size, MAX_EDGE))?;
        let (width, height) = picture.size();
        let hash = thumbhash::rgba_to_thumb_hash(width as usize, height as usize, &picture.rgba());
        let (width, height) = size;
        Ok(Placeholder { thumbhash: STANDARD.encode(hash), width, height })
    })
}
