//! Why an image was refused.
//!
//! Every variant but [`MediaError::Encode`] and [`MediaError::Read`] is the fault of the bytes: the same
//! bytes give the same answer every time, so a worker marks the asset failed at once and never retries.
//! Codes are stable, clients see them in an asset's `failure.code` and `warnings[].code`.

use std::{
    any::Any,
    error::Error,
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Why no derivative, header or placeholder could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The bytes are no image, or an image of a format that isn't decoded.
    #[error("{found} can't be decoded as an image")]
    Unsupported {
        /// What the bytes are, as far as known: a content type or a short phrase.
        found: String,
    },
    /// The header promises more pixels than allowed.
    #[error("the image is {width} × {height} = {pixels} pixels, at most {limit} are accepted")]
    TooManyPixels {
        /// Stored width in pixels.
        width: u32,
        /// Stored height in pixels.
        height: u32,
        /// Their product.
        pixels: u64,
        /// The limit that was passed.
        limit: u64,
    },
    /// One edge is longer than allowed.
    #[error("the image is {width} × {height} pixels, an edge may have at most {limit}")]
    EdgeTooLong {
        /// Stored width in pixels.
        width: u32,
        /// Stored height in pixels.
        height: u32,
        /// The limit that was passed.
        limit: u32,
    },
    /// A progressive JPEG with an absurd number of scans, each of which costs a walk over the image.
    #[error("the progressive image has {scans} scans, at most {limit} are accepted")]
    TooManyScans {
        /// Scans that the file holds.
        scans: u32,
        /// The limit that was passed.
        limit: u32,
    },
    /// Decoding would take more memory than this function may use.
    #[error("decoding needs about {needed} bytes of memory, {budget} are available")]
    OutOfMemoryBudget {
        /// The estimate, from the header.
        needed: u64,
        /// The budget it was held against.
        budget: u64,
    },
    /// A file that must be held in memory whole is larger than there is room for.
    #[error("the file has {bytes} bytes and must be held whole, at most {limit} can be")]
    TooManyBytes {
        /// Bytes of the file.
        bytes: u64,
        /// The limit that was passed.
        limit: u64,
    },
    /// The bytes start like an image and then break the format.
    #[error("the image is damaged: {reason}")]
    Corrupt {
        /// What the decoder said.
        reason: String,
    },
    /// A decoder gave up in the midst: it panicked, or libjpeg met what it can't read past. What it said is about this
    /// program more than about the image; it is the error's source, for the log, and no part of its text.
    #[error("the image could not be decoded")]
    Undecodable {
        /// What the decoder said.
        source: Panic,
    },
    /// The bytes could not be read to their end. Not the bytes' fault.
    #[error("the image could not be read: {reason}")]
    Read {
        /// What the reader said.
        reason: String,
    },
    /// A derivative could not be written. Not the bytes' fault.
    #[error("the derivative could not be encoded: {reason}")]
    Encode {
        /// What the encoder said.
        reason: String,
    },
}

impl MediaError {
    /// The stable code of this error, `snake_case`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsupported { .. } => "unsupported_image",
            Self::TooManyPixels { .. } => "too_many_pixels",
            Self::EdgeTooLong { .. } => "edge_too_long",
            Self::TooManyScans { .. } => "too_many_scans",
            Self::OutOfMemoryBudget { .. } => "out_of_memory_budget",
            Self::TooManyBytes { .. } => "image_too_large",
            Self::Corrupt { .. } | Self::Undecodable { .. } => "corrupt_image",
            Self::Read { .. } => "read_failed",
            Self::Encode { .. } => "encode_failed",
        }
    }

    /// What is for the log alone, beside the text: a decoder's own words as it gave up.
    pub fn detail(&self) -> Option<String> {
        self.source().map(ToString::to_string)
    }

    /// Whether the same bytes will fail again: true for everything that the bytes cause.
    pub const fn is_permanent(&self) -> bool {
        !matches!(self, Self::Encode { .. } | Self::Read { .. })
    }

    pub(crate) fn corrupt(reason: impl Display) -> Self {
        Self::Corrupt { reason: format!("{reason}") }
    }

    pub(crate) fn read(reason: impl Display) -> Self {
        Self::Read { reason: format!("{reason}") }
    }

    pub(crate) fn encode(reason: impl Display) -> Self {
        Self::Encode { reason: format!("{reason}") }
    }
}

impl From<sluice_pixels::PixelError> for MediaError {
    fn from(error: sluice_pixels::PixelError) -> Self {
        Self::corrupt(error)
    }
}

/// What a decoder said when it unwound. Never shown to clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Panic(String);

/// Something that the derivatives could not show as it is in the original.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Warning {
    /// Stable code, `snake_case`: `truncated`, `corrupt_data`, `colour_profile_ignored`,
    /// `animation_flattened`.
    pub code: &'static str,
    /// The same for a reader.
    pub message: String,
}

impl Warning {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

// Aborting on a panic would let one file take down the worker and everything else in its batch.
const _: () = assert!(cfg!(panic = "unwind"), "sluice-media must be built with panic = \"unwind\"");

/// Runs a decoder so that its panic becomes [`MediaError::Undecodable`] and never takes the worker down.
///
/// libjpeg's error exit arrives here, too: it unwinds with its message as payload. Nothing that `work`
/// borrows mutably is read after an unwind, its callers only move values in.
pub(crate) fn contained<T>(work: impl FnOnce() -> Result<T, MediaError>) -> Result<T, MediaError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|payload| Err(MediaError::Undecodable { source: Panic::of(&*payload) }))
}

impl Panic {
    fn of(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string));
        Self(text.unwrap_or_else(|| "the decoder gave up".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_corrupt_image_and_keeps_its_words_for_the_log() {
        let words: [(Box<dyn Any + Send>, &str); 3] = [
            (Box::new("index out of bounds"), "index out of bounds"),
            (Box::new("at row 7".to_owned()), "at row 7"),
            (Box::new(7), "the decoder gave up"),
        ];
        for (payload, detail) in words {
            let error = contained::<()>(|| std::panic::resume_unwind(payload)).unwrap_err();
            assert_eq!(error.to_string(), "the image could not be decoded");
            assert_eq!((error.code(), error.is_permanent()), ("corrupt_image", true));
            assert_eq!(error.detail().as_deref(), Some(detail));
        }
        assert_eq!(MediaError::corrupt("an edge is 0 pixels long").detail(), None);
    }

    #[test]
    fn messages_name_the_numbers() {
        let error = MediaError::TooManyPixels {
            width: 30_000,
            height: 30_000,
            pixels: 900_000_000,
            limit: 268_402_689,
        };
        assert_eq!(
            error.to_string(),
            "the image is 30000 × 30000 = 900000000 pixels, at most 268402689 are accepted"
        );
        assert_eq!(error.code(), "too_many_pixels");
    }
}
