//! The placeholder that a client shows before any derivative exists, made from a picture.
//!
//! A `ThumbHash` (<https://evanw.github.io/thumbhash/>): about 25 bytes that hold the blurred picture, its
//! shape and its transparency.

use base64::{Engine, engine::general_purpose::STANDARD};
use sluice_pixels::raster::fit;

use super::picture::Picture;
use crate::error::MediaError;

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

impl Placeholder {
    /// The size of the picture that it is made from, of an image of `size`.
    pub(crate) fn target(size: (u32, u32)) -> (u32, u32) {
        fit(size, MAX_EDGE)
    }

    /// That of an image of `size`, from its picture at [`Self::target`].
    pub(crate) fn of(picture: &Picture, size: (u32, u32)) -> Self {
        let (width, height) = picture.size();
        let hash = thumbhash::rgba_to_thumb_hash(width as usize, height as usize, &picture.rgba());
        let (width, height) = size;
        Self { thumbhash: STANDARD.encode(hash), width, height }
    }

    /// That of an image of `size`, from a larger picture.
    pub(crate) fn reduced(picture: &Picture, size: (u32, u32)) -> Result<Self, MediaError> {
        Ok(Self::of(&picture.resize(Self::target(size))?, size))
    }
}
