//! What is asked of a decoder, and what it gives.

use sluice_pixels::planar::{Colour, Pixels};

use crate::{error::Warning, limits::Limits};

/// What is asked of a decoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Want<'l> {
    /// Width and height that the picture shall have, as stored (before orientation). Never more than the
    /// picture's own on either edge.
    pub target: (u32, u32),
    pub limits: &'l Limits,
    /// Tells what a picture within the picture is, if it may be decoded.
    pub embedded: fn(&[u8], &Limits) -> Option<Embedded>,
}

impl<'l> Want<'l> {
    /// A picture of `target` pixels, without those that it may hold.
    pub fn new(target: (u32, u32), limits: &'l Limits) -> Self {
        Self { target, limits, embedded: |_, _| None }
    }
}

/// A picture within a picture, whose header passed the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Embedded {
    /// The IANA media type.
    pub content_type: &'static str,
    pub pixels: u64,
}

/// The first or only frame of an image, resized to [`Want::target`], as stored (not oriented) and in the
/// image's own colour space. Alpha isn't premultiplied.
#[derive(Debug)]
pub(crate) struct Still<'a> {
    pub pixels: Pixels,
    pub colour: Colour<'a>,
    /// EXIF's orientation where the decoder met it only behind the pixels.
    pub orientation: Option<u8>,
    pub warnings: Vec<Warning>,
}
