//! The header of an image: everything that is known before a pixel is decoded.
//!
//! It is made of the facts that any image has, and of what its own format says besides. The walkers that read it hop from
//! block to block through the bytes they were given: no allocation that follows a number in the file, no decompression, time
//! linear in the input. They are lenient where the decoders are: a broken tail ends the walk, a broken head is an error. What
//! they find decides whether the image is decoded at all, at which scale, and into how much memory.

use std::borrow::Cow;

use crate::{
    error::MediaError,
    exif::orientation_of,
    limits::{Limits, MAX_SCANS},
};

/// The header of an image of one format, borrowing from its bytes.
#[derive(Debug)]
pub(crate) struct Header<'a, H> {
    pub facts: Facts<'a>,
    /// What only this format has.
    pub head: H,
}

/// What is known of any image.
#[derive(Debug, Clone)]
pub(crate) struct Facts<'a> {
    /// The IANA media type; of raw files, the one that covers their sorts.
    pub content_type: &'static str,
    /// As stored, before orientation.
    pub width: u32,
    /// As stored, before orientation.
    pub height: u32,
    /// The size that is decoded: as stored, before any crop.
    pub whole: (u32, u32),
    /// Bytes that a decoded pixel takes.
    pub bytes_per_pixel: u8,
    /// Frames of an animation or pages, 1 for a still.
    pub frames: u32,
    pub animated: bool,
    /// Passes in which the picture is coded, where each of them costs a walk over all of it; else 0.
    pub scans: u32,
    /// The TIFF structure with the EXIF fields.
    pub exif: Option<&'a [u8]>,
    /// What the container says of turning and mirroring, in EXIF's numbers; EXIF's own doesn't count then.
    pub orientation: Option<u8>,
    /// The ICC profile where the file holds it as it is.
    pub icc: Option<Cow<'a, [u8]>>,
    /// Bytes that the decoder must hold at once, where rows don't do: an interlaced PNG's whole picture, a TIFF's
    /// largest strip or row of tiles. 0 where the decoder knows better.
    pub held: u64,
}

impl Facts<'_> {
    /// Those of a still of `size` pixels, of which nothing else is known.
    ///
    /// # Errors
    /// `corrupt_image` for a size without pixels.
    pub fn new(content_type: &'static str, (width, height): (u32, u32)) -> Result<Self, MediaError> {
        if width == 0 || height == 0 {
            return Err(MediaError::corrupt("an edge is 0 pixels long"));
        }
        Ok(Self {
            content_type,
            width,
            height,
            whole: (width, height),
            bytes_per_pixel: 3,
            frames: 1,
            animated: false,
            scans: 0,
            exif: None,
            orientation: None,
            icc: None,
            held: 0,
        })
    }

    /// As stored, before orientation.
    pub const fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The orientation of the image, 1 when it says none.
    pub fn orientation(&self) -> u8 {
        self.orientation.or_else(|| self.exif.and_then(orientation_of)).unwrap_or(1)
    }

    /// Holds the facts of a file of `input_len` bytes against the limits, for a decode to at least `target` (stored
    /// orientation) by a decoder that takes `decoder` bytes.
    pub fn check(
        &self,
        limits: &Limits,
        target: (u32, u32),
        decoder: u64,
        input_len: usize,
    ) -> Result<(), MediaError> {
        let (width, height) = self.whole;
        if width > limits.max_edge || height > limits.max_edge {
            return Err(MediaError::EdgeTooLong { width, height, limit: limits.max_edge });
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels > limits.max_pixels {
            return Err(MediaError::TooManyPixels { width, height, pixels, limit: limits.max_pixels });
        }
        if self.scans > MAX_SCANS {
            return Err(MediaError::TooManyScans { scans: self.scans, limit: MAX_SCANS });
        }
        let needed = estimate(target, decoder, input_len);
        if needed > limits.max_memory {
            return Err(MediaError::OutOfMemoryBudget { needed, budget: limits.max_memory });
        }
        Ok(())
    }
}

/// Bytes that the way from a file to its derivatives takes at its peak. Beside the input, that is the larger of two
/// stages: the decoder, with the picture that it gives; the picture, as planes or RGBA, with a converted and a turned
/// copy, and the files.
pub(crate) fn estimate(target: (u32, u32), decoder: u64, input_len: usize) -> u64 {
    let finished = 3 * 4 * u64::from(target.0) * u64::from(target.1);
    decoder.max(finished).saturating_add(input_len as u64)
}

/// A stored size as displayed, or the other way round: orientations 5 to 8 swap the edges.
pub(crate) const fn upright(size: (u32, u32), orientation: u8) -> (u32, u32) {
    if orientation >= 5 { (size.1, size.0) } else { size }
}
