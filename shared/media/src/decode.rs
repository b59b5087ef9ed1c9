//! From bytes to pictures, each at the size that is wanted of it.
//!
//! Everything here runs on hostile bytes: call it within [`crate::error::contained`], with a header that passed the
//! limits. What a broken file still shows is kept and told as a warning.

mod bmp;
pub(crate) mod frames;
mod gif;
mod heif;
mod jpeg;
mod png;
mod raw;
mod svg;
mod tiff;
mod webp;

use std::io::Read;

use self::frames::Animation;
use crate::error::MediaError;
use crate::header::{Format, Header};
use crate::limits::Limits;
use crate::picture::{Still, Want};

/// Decodes the first or only frame. `bytes` are all of the file or, where `rest` gives what follows, a PNG's beginning up
/// to its pixels.
pub(crate) fn still<'a>(
    bytes: &'a [u8],
    rest: Option<&mut (dyn Read + Send)>,
    header: &Header<'a>,
    want: &Want<'_>,
) -> Result<Still<'a>, MediaError> {
    match (header.format, rest) {
        (Format::Png, Some(rest)) => png::stream(bytes, rest, want),
        (Format::Png, None) => png::decode(bytes, header, want),
        (Format::Jpeg, _) => jpeg::decode(bytes, header, want),
        (Format::WebP, _) => webp::decode(bytes, header, want),
        (Format::Gif, _) => gif::decode(bytes, header, want),
        (Format::Tiff, _) => tiff::decode(bytes, header, want),
        (Format::Bmp, _) => bmp::decode(bytes, header, want),
        (Format::Avif | Format::Heic, _) => heif::decode(bytes, header, want),
        (Format::Svg, _) => svg::decode(bytes, header, want),
        (Format::Raw, _) => raw::decode(bytes, header, want),
    }
}

/// Peak bytes beside the input that [`still`] takes, from the header alone.
pub(crate) fn memory(header: &Header<'_>, target: (u32, u32)) -> u64 {
    match header.format {
        Format::Png => png::memory(header, target),
        Format::Jpeg => jpeg::memory(header, target),
        Format::WebP => webp::memory(header, target),
        Format::Gif => gif::memory(header, target),
        Format::Tiff => tiff::memory(header, target),
        Format::Bmp => bmp::memory(header, target),
        Format::Avif | Format::Heic => heif::memory(header, target),
        Format::Svg => svg::memory(header, target),
        Format::Raw => raw::memory(header, target),
    }
}

/// Starts decoding an animation; frames are decoded as they are asked for.
pub(crate) fn animation<'a>(
    bytes: &'a [u8],
    header: &Header<'a>,
    limits: &Limits,
) -> Result<Animation<'a>, MediaError> {
    match header.format {
        Format::Gif => gif::animation(bytes, header, limits),
        Format::WebP => webp::animation(bytes, header),
        Format::Png => png::animation(bytes, limits),
        _ => Err(MediaError::corrupt("the format has no frames")),
    }
}
