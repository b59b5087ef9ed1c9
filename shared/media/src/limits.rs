//! What an image may demand, decided from its header before anything is decoded.
//!
//! Two things are bounded: time (pixels, frames, scans, the length of an edge) and memory. The memory
//! budget follows from the memory that the function was given, so that a bigger function takes bigger
//! pictures without another setting.

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
    /// Most frames of an animation that keeps moving; of a longer one the first frame is shown.
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
