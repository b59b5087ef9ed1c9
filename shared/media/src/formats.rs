//! The formats that are decoded: the one list, and the one way from a file's bytes to pixels.
//!
//! Each format has a folder, with its header, its metadata blocks, its decoder, its encoder if it has one, and their tests.
//! To add one is that folder, with a [`Format`] as its `Head`, and its lines here. No format knows another one, nor this list.
//!
//! Everything here runs on hostile bytes: call it within [`crate::error::contained`]. What a broken file still shows is kept
//! and told as a warning. Encoders get pixels only: no EXIF, no XMP, no profile can reach a derivative, because nothing in them
//! has a way to write one.

mod bmp;
mod gif;
pub(crate) mod heif;
pub(crate) mod jpeg;
pub(crate) mod png;
mod raw;
mod svg;
mod tiff;
mod via_image;
pub(crate) mod webp;

use std::io::Read;

use crate::{
    blocks::Blocks,
    decode::{
        format::Format,
        frames::Animation,
        still::{Embedded, Still, Want},
    },
    error::MediaError,
    facts::{Facts, Header},
    limits::Limits,
    sniff,
};

/// Makes of the list of formats what asks each of them.
macro_rules! formats {
    ($($module:ident: $Format:ident,)*) => {
        /// An image whose header was read.
        #[derive(Debug)]
        pub(crate) enum Image<'a> {
            $($Format(Header<'a, $module::Head<'a>>),)*
        }

        /// Whether files of this content type, as [`crate::sniff`] names it, are decoded.
        pub(crate) fn supports(content_type: &str) -> bool {
            $($module::Head::TYPES.contains(&content_type))||*
        }

        fn streams_as(head: &[u8], content_type: &str) -> bool {
            $(if $module::Head::TYPES.contains(&content_type) {
                return $module::Head::streams(head);
            })*
            false
        }

        fn salvage_as<'a>(bytes: &'a [u8], content_type: &str) -> Option<Blocks<'a>> {
            $(if $module::Head::TYPES.contains(&content_type) {
                return $module::Head::salvage(bytes);
            })*
            None
        }

        impl<'a> Image<'a> {
            /// Reads the header of a file of a content type; `None` for one that isn't decoded.
            fn read(bytes: &'a [u8], content_type: &str) -> Option<Result<Self, MediaError>> {
                $(if $module::Head::TYPES.contains(&content_type) {
                    return Some($module::Head::parse(bytes).map(Self::$Format));
                })*
                None
            }

            pub fn facts(&self) -> &Facts<'a> {
                match self {
                    $(Self::$Format(header) => &header.facts,)*
                }
            }

            /// Where the file keeps what it says of itself.
            pub fn blocks(&self, bytes: &'a [u8]) -> Blocks<'a> {
                match self {
                    $(Self::$Format(header) => $module::Head::blocks(bytes, header),)*
                }
            }

            /// Peak bytes beside the input that a decode takes, from the header alone.
            fn memory(&self, target: (u32, u32)) -> u64 {
                match self {
                    $(Self::$Format(header) => $module::Head::memory(header, target),)*
                }
            }

            /// Whether even a picture of `target` pixels takes a decode of the whole, much dearer than reading the file.
            pub fn is_dear(&self, target: (u32, u32)) -> bool {
                match self {
                    $(Self::$Format(header) => $module::Head::is_dear(header, target),)*
                }
            }

            fn decode_unchecked(&self, bytes: &'a [u8], want: &Want<'_>) -> Result<Still<'a>, MediaError> {
                match self {
                    $(Self::$Format(header) => $module::Head::decode(bytes, header, want),)*
                }
            }

            fn stream_unchecked(
                &self,
                bytes: &'a [u8],
                rest: &mut (dyn Read + Send),
                want: &Want<'_>,
            ) -> Result<Still<'a>, MediaError> {
                match self {
                    $(Self::$Format(header) => $module::Head::stream(bytes, rest, header, want),)*
                }
            }

            fn animation_unchecked(&self, bytes: &'a [u8], limits: &Limits) -> Result<Animation<'a>, MediaError> {
                match self {
                    $(Self::$Format(header) => $module::Head::animation(bytes, header, limits),)*
                }
            }
        }
    };
}

formats! {
    bmp: Bmp,
    gif: Gif,
    heif: Heif,
    jpeg: Jpeg,
    png: Png,
    raw: Raw,
    svg: Svg,
    tiff: Tiff,
    via_image: Other,
    webp: WebP,
}

impl<'a> Image<'a> {
    /// Reads the header of `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MediaError> {
        let found = sniff::sniff(bytes).content_type;
        Self::read(bytes, found).unwrap_or_else(|| {
            let found = if bytes.is_empty() { "an empty file" } else { found };
            Err(MediaError::Unsupported { found: found.to_owned() })
        })
    }

    /// Decodes the first or only frame to `target` pixels, as stored. `bytes` are all of the file or, where `rest` gives what
    /// follows, its beginning.
    ///
    /// Nothing is decoded before its header passed the limits: here it must.
    pub fn decode(
        &self,
        bytes: &'a [u8],
        rest: Option<&mut (dyn Read + Send)>,
        target: (u32, u32),
        limits: &Limits,
    ) -> Result<Still<'a>, MediaError> {
        self.check(limits, target, bytes.len())?;
        let want = Want { embedded, ..Want::new(target, limits) };
        match rest {
            Some(rest) => self.stream_unchecked(bytes, rest, &want),
            None => self.decode_unchecked(bytes, &want),
        }
    }

    /// Starts decoding an animation; frames are decoded as they are asked for. Each takes less than the still that was decoded
    /// before to `target`, and that is held against the limits again.
    pub fn animation(
        &self,
        bytes: &'a [u8],
        target: (u32, u32),
        limits: &Limits,
    ) -> Result<Animation<'a>, MediaError> {
        self.check(limits, target, bytes.len())?;
        self.animation_unchecked(bytes, limits)
    }

    /// Holds the header of a file of `input_len` bytes against the limits, for a decode to at least `target` (stored
    /// orientation).
    fn check(&self, limits: &Limits, target: (u32, u32), input_len: usize) -> Result<(), MediaError> {
        self.facts().check(limits, target, self.memory(target), input_len)
    }
}

/// Whether a file that begins with `head` is decoded as it comes.
pub(crate) fn streams(head: &[u8]) -> bool {
    streams_as(head, sniff::sniff(head).content_type)
}

/// What a file whose header can't be read still says of itself.
pub(crate) fn salvage(bytes: &[u8]) -> Option<Blocks<'_>> {
    salvage_as(bytes, sniff::sniff(bytes).content_type)
}

/// What a picture within a picture is, if its header passes the limits.
fn embedded(bytes: &[u8], limits: &Limits) -> Option<Embedded> {
    let image = Image::parse(bytes).ok()?;
    let facts = image.facts();
    image.check(limits, facts.size(), bytes.len()).ok()?;
    Some(Embedded { content_type: facts.content_type, pixels: facts.pixels() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::estimate;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    fn check(limits: Limits, bytes: &[u8]) -> Result<(), MediaError> {
        Image::parse(bytes).unwrap().check(&limits, (64, 64), bytes.len())
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
        let needed = estimate((64, 64), Image::parse(&bytes).unwrap().memory((64, 64)), bytes.len());
        assert!(needed < 3_000 * 2_000 * 3, "rows take less than the picture: {needed}");
        assert_eq!(check(Limits { max_memory: needed, ..OPEN }, &bytes), Ok(()));
        assert_eq!(
            check(Limits { max_memory: needed - 1, ..OPEN }, &bytes),
            Err(MediaError::OutOfMemoryBudget { needed, budget: needed - 1 })
        );
    }
}
