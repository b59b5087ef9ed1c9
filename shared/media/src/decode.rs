//! From bytes to pictures, each at the size that is wanted of it.
//!
//! Everything here runs on hostile bytes: call it within [`crate::error::contained`], with a header that passed the
//! limits. What a broken file still shows is kept and told as a warning.

mod bmp;
pub(crate) mod frames;
mod gif;
mod heif;
mod jpeg;
mod memory;
mod png;
mod raw;
mod still;
mod svg;
mod tiff;
mod webp;

use std::io::Read;

use self::frames::Animation;
pub(crate) use self::still::{Still, Want};
use crate::{
    error::MediaError,
    header::{Format, Header},
    limits::{Limits, MAX_SCANS},
};

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

impl Limits {
    /// Holds the header of a file of `input_len` bytes against the limits, for a decode to at least
    /// `target` (stored orientation).
    pub(crate) fn check(
        &self,
        header: &Header<'_>,
        target: (u32, u32),
        input_len: usize,
    ) -> Result<(), MediaError> {
        let (width, height) = header.whole();
        if width > self.max_edge || height > self.max_edge {
            return Err(MediaError::EdgeTooLong { width, height, limit: self.max_edge });
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels > self.max_pixels {
            return Err(MediaError::TooManyPixels { width, height, pixels, limit: self.max_pixels });
        }
        // Pages of a TIFF are frames, too, but only the first is decoded.
        if header.animated && header.frames > self.max_frames {
            return Err(MediaError::TooManyFrames { frames: header.frames, limit: self.max_frames });
        }
        if let Some(jpeg) = &header.jpeg
            && jpeg.scans > MAX_SCANS
        {
            return Err(MediaError::TooManyScans { scans: jpeg.scans, limit: MAX_SCANS });
        }
        let needed = estimate(header, target, input_len);
        if needed > self.max_memory {
            return Err(MediaError::OutOfMemoryBudget { needed, budget: self.max_memory });
        }
        Ok(())
    }
}

/// Bytes that the way from a file to its derivatives takes at its peak. Beside the input, that is the larger of two
/// stages: the decoder, with the picture that it gives; the picture, as planes or RGBA, with a converted and a turned
/// copy, and the files.
fn estimate(header: &Header<'_>, target: (u32, u32), input_len: usize) -> u64 {
    let finished = 3 * 4 * u64::from(target.0) * u64::from(target.1);
    memory(header, target).max(finished).saturating_add(input_len as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    fn check(limits: Limits, bytes: &[u8]) -> Result<(), MediaError> {
        let header = Header::parse(bytes).unwrap();
        limits.check(&header, (64, 64), bytes.len())
    }

    const OPEN: Limits = Limits {
        max_pixels: u64::MAX,
        max_frames: u32::MAX,
        max_edge: u32::MAX,
        max_memory: u64::MAX,
        max_held: u64::MAX,
        threads: 1,
    };

    #[test]
    fn pixels_at_the_limit_pass_and_one_more_does_not() {
        let limits = Limits { max_pixels: 100 * 50, ..OPEN };
        assert_eq!(check(limits, &png(100, 50)), Ok(()));
        assert_eq!(
            check(limits, &png(5_001, 1)),
            Err(MediaError::TooManyPixels { width: 5_001, height: 1, pixels: 5_001, limit: 5_000 })
        );
    }

    #[test]
    fn edge_at_the_limit_passes_and_one_more_does_not() {
        let limits = Limits { max_edge: 100, ..OPEN };
        assert_eq!(check(limits, &png(100, 100)), Ok(()));
        for bytes in [png(101, 1), png(1, 101)] {
            assert_eq!(check(limits, &bytes).unwrap_err().code(), "edge_too_long");
        }
    }

    #[test]
    fn memory_at_the_limit_passes_and_one_less_does_not() {
        let bytes = png(3_000, 2_000);
        let needed = estimate(&Header::parse(&bytes).unwrap(), (64, 64), bytes.len());
        assert!(needed < 3_000 * 2_000 * 3, "rows take less than the picture: {needed}");
        assert_eq!(check(Limits { max_memory: needed, ..OPEN }, &bytes), Ok(()));
        assert_eq!(
            check(Limits { max_memory: needed - 1, ..OPEN }, &bytes),
            Err(MediaError::OutOfMemoryBudget { needed, budget: needed - 1 })
        );
    }
}
