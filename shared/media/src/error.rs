//! Why an image was refused.
//!
//! Every variant but [`MediaError::Encode`] and [`MediaError::Read`] is the fault of the bytes: the same
//! bytes give the same answer every time, so a worker marks the asset failed at once and never retries.
//! Codes are stable, clients see them in an asset's `failure.code` and `warnings[].code`.
//!
//! Every text that a client sees is written here or where the error is made. What a library or a reader says in its own words
//! is for the log: it is the error's source, and by their types such words can't become part of a text.

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
        /// What is wrong with them.
        reason: String,
        /// What a library said of it.
        source: Option<Words>,
    },
    /// A decoder gave up in the midst: it panicked, or libjpeg met what it can't read past. What it said is about this
    /// program more than about the image; it is the error's source, for the log, and no part of its text.
    #[error("the image could not be decoded")]
    Undecodable {
        /// What the decoder said.
        source: Words,
    },
    /// The bytes could not be read to their end. Not the bytes' fault.
    #[error("the image could not be read: {reason}")]
    Read {
        /// What happened.
        reason: String,
        /// What the reader said.
        source: Option<Words>,
    },
    /// A derivative could not be written. Not the bytes' fault.
    #[error("the derivative could not be encoded: {reason}")]
    Encode {
        /// What happened.
        reason: String,
        /// What the encoder said.
        source: Option<Words>,
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

    /// Damaged for a reason that is a text of ours, or else for what a library says of it: that goes to the log, and the text is
    /// a general one.
    pub(crate) fn corrupt(reason: impl Display + 'static) -> Self {
        let (reason, source) = words(reason, SENSELESS);
        Self::Corrupt { reason, source }
    }

    /// Damaged, in words of ours and those of a library.
    pub(crate) fn broken(reason: impl Into<String>, source: impl Display) -> Self {
        Self::Corrupt { reason: reason.into(), source: Some(Words(source.to_string())) }
    }

    pub(crate) fn read(reason: impl Display + 'static) -> Self {
        let (reason, source) = words(reason, "its bytes stopped coming");
        Self::Read { reason, source }
    }

    pub(crate) fn encode(reason: impl Display + 'static) -> Self {
        let (reason, source) = words(reason, "the encoder refused the picture");
        Self::Encode { reason, source }
    }
}

/// The text of a reason if it is one, as all that we write are; of anything else `general`, and its words apart.
fn words<R: Display + 'static>(reason: R, general: &str) -> (String, Option<Words>) {
    if is_text(&reason) {
        (reason.to_string(), None)
    } else {
        (general.to_owned(), Some(Words(reason.to_string())))
    }
}

/// What may be told of a reason: its words if they are ours, otherwise that it makes no sense.
pub(crate) fn own_words(reason: impl Display + 'static) -> String {
    words(reason, SENSELESS).0
}

const SENSELESS: &str = "its data makes no sense";

fn is_text(reason: &dyn Any) -> bool {
    reason.is::<String>() || reason.is::<&'static str>() || reason.is::<MediaError>()
}

impl From<sluice_pixels::PixelError> for MediaError {
    fn from(error: sluice_pixels::PixelError) -> Self {
        Self::broken("its picture can't be put together", error)
    }
}

/// What a library said. Never shown to clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Words(String);

/// Something that the derivatives could not show as it is in the original.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Warning {
    /// Stable code, `snake_case`: `truncated`, `corrupt_data`, `colour_profile_ignored`,
    /// `animation_flattened`, `drawing_simplified`, `hdr_flattened`.
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
        .unwrap_or_else(|payload| Err(MediaError::Undecodable { source: Words::of(&*payload) }))
}

impl Words {
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
    use std::io;

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
    fn words_of_others_are_for_the_log_alone() {
        let error = || io::Error::other("Invalid component ID %d in SOS");
        let texts = [
            (MediaError::corrupt(error()), "the image is damaged: its data makes no sense"),
            (MediaError::broken("it has no rows", error()), "the image is damaged: it has no rows"),
            (MediaError::read(error()), "the image could not be read: its bytes stopped coming"),
            (
                MediaError::encode(error()),
                "the derivative could not be encoded: the encoder refused the picture",
            ),
        ];
        for (error, text) in texts {
            assert_eq!(error.to_string(), text);
            assert_eq!(error.detail().as_deref(), Some("Invalid component ID %d in SOS"));
        }
        let ours = [MediaError::corrupt("it has no rows"), MediaError::corrupt("it has no rows".to_owned())];
        for error in ours {
            assert_eq!(
                (error.to_string().as_str(), error.detail()),
                ("the image is damaged: it has no rows", None)
            );
        }
    }

    #[test]
    fn only_words_of_ours_are_told() {
        assert_eq!(own_words("a strip of 3 rows"), "a strip of 3 rows");
        assert_eq!(own_words(MediaError::corrupt("no header")), MediaError::corrupt("no header").to_string());
        assert_eq!(own_words(std::io::Error::other("Invalid component ID %d in SOS")), SENSELESS);
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
