//! What an image may demand, decided from its header before anything is decoded.
//!
//! Two things are bounded: time (pixels, frames, scans, the length of an edge) and memory. The memory
//! budget follows from the memory that the function was given, so that a bigger function takes bigger
//! pictures without another setting.

use crate::decode;
use crate::error::MediaError;
use crate::header::Header;

/// Most pixels a single image may have by default: 0x3FFF², the limit of libvips, too.
const DEFAULT_MAX_PIXELS: u64 = 0x3FFF * 0x3FFF;
/// Most frames of an animation by default.
const DEFAULT_MAX_FRAMES: u32 = 1_000;
/// JPEG's own limit (ITU-T T.81, B.2.2); no camera writes a longer edge.
const DEFAULT_MAX_EDGE: u32 = 65_535;
/// Most scans of a progressive JPEG. Encoders write about ten; a file with thousands of empty scans over
/// a large frame is an attack on time (libjpeg-turbo's advisory of 2015 has the like).
pub(crate) const MAX_SCANS: u32 = 100;
/// Kept free for the runtime, the code and the transport beside the picture.
const RESERVED_MEMORY: u64 = 64 << 20;

/// What Lambda sells one whole processor with (AWS Lambda developer guide, "Configure Lambda function memory").
const MEMORY_PER_CPU: u64 = 1_769 << 20;

/// Bounds on one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels of one frame, stored width × height.
    pub max_pixels: u64,
    /// Most frames of an animation.
    pub max_frames: u32,
    /// Longest edge in pixels.
    pub max_edge: u32,
    /// Most bytes that the input, its decoding and its derivatives may take together.
    pub max_memory: u64,
    /// Most bytes of a file that must be held whole to be decoded. A PNG is read by rows and may be longer.
    pub max_held: u64,
    /// Threads that may work on one picture: 1 or 2. Its pixels don't depend on it.
    pub threads: usize,
}

impl Limits {
    /// The limits of a function with `bytes` of memory, usually `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` in MiB
    /// shifted left by 20.
    ///
    /// A quarter of it, at least 64 MiB, is kept for everything else; the rest may go into one picture, of which an
    /// eighth of all for a file that is held whole. Lambda gives processors in proportion to memory.
    pub const fn for_memory(bytes: u64) -> Self {
        let reserved = if bytes / 4 > RESERVED_MEMORY { bytes / 4 } else { RESERVED_MEMORY };
        Self {
            max_pixels: DEFAULT_MAX_PIXELS,
            max_frames: DEFAULT_MAX_FRAMES,
            max_edge: DEFAULT_MAX_EDGE,
            max_memory: bytes.saturating_sub(reserved),
            max_held: bytes / 8,
            threads: if bytes >= 2 * MEMORY_PER_CPU { 2 } else { 1 },
        }
    }

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
    decode::memory(header, target).max(finished).saturating_add(input_len as u64)
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

    #[test]
    fn a_second_processor_comes_with_twice_the_memory() {
        assert_eq!(Limits::for_memory(2 * MEMORY_PER_CPU - 1).threads, 1);
        assert_eq!(Limits::for_memory(2 * MEMORY_PER_CPU).threads, 2);
    }

    #[test]
    fn a_function_keeps_a_quarter_or_64_mib() {
        assert_eq!(Limits::for_memory(128 << 20).max_memory, 64 << 20);
        assert_eq!(Limits::for_memory(1024 << 20).max_memory, 768 << 20);
        assert_eq!(Limits::for_memory(0).max_memory, 0);
    }
}
