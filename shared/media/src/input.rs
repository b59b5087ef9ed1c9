//! An image's bytes: whole in memory, or read once from first to last.
//!
//! A PNG is decoded by rows as its bytes come, so that a picture of a hundred megapixels takes a few megabytes. Every
//! other format is collected first, up to a limit: their decoders look back and forth, and what they are made of is
//! small beside the picture.

use std::{
    borrow::Cow,
    fmt,
    io::{self, ErrorKind, Read},
};

use crate::error::MediaError;

/// What is read of a stream to tell what it is. The chunks of a PNG that stand before its pixels, profile and EXIF
/// among them, must lie in it, or else the file is collected like any other.
const HEAD_BYTES: usize = 256 << 10;
/// How much more room is made at a time: the size that a stream claims isn't allocated on trust.
const STEP_BYTES: usize = 1 << 20;

/// An image's bytes.
pub enum Input<'a> {
    /// All of them.
    Whole(Cow<'a, [u8]>),
    /// As they come.
    Stream {
        /// Bytes of the whole file. When the reader ends before, that is a failure to read and not a damaged file.
        size: u64,
        /// Gives the file from its first byte.
        reader: Box<dyn Read + Send + 'a>,
    },
}

/// An input that is known enough to be decoded.
pub(crate) enum Opened<'a> {
    Whole(Cow<'a, [u8]>),
    /// What is decoded as it comes: a still PNG.
    Streamed {
        /// Its beginning, with all of its header.
        head: Vec<u8>,
        /// What follows.
        rest: Box<dyn Read + Send + 'a>,
    },
}

impl<'a> Input<'a> {
    /// A file of `size` bytes as it comes.
    pub fn stream(size: u64, reader: impl Read + Send + 'a) -> Self {
        Self::Stream { size, reader: Box::new(reader) }
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Stream { size, .. } => *size,
        }
    }

    /// Finds out what it is, and collects it into at most `max_held` bytes of memory unless it can be decoded as it
    /// comes, which `streams` tells of its beginning.
    ///
    /// # Errors
    /// `image_too_large` for a file of more bytes, `read_failed` (not permanent) when the reader fails.
    pub(crate) fn open(
        self,
        max_held: u64,
        streams: impl Fn(&[u8]) -> bool,
    ) -> Result<Opened<'a>, MediaError> {
        match self {
            Self::Whole(bytes) => Ok(Opened::Whole(bytes)),
            Self::Stream { size, reader } => {
                let mut reader = Exact { reader, left: size };
                let mut head = Vec::new();
                collect(&mut reader, &mut head, size.min(HEAD_BYTES as u64))?;
                if streams(&head) && size > head.len() as u64 {
                    return Ok(Opened::Streamed { head, rest: Box::new(reader) });
                }
                if size > max_held {
                    return Err(MediaError::TooManyBytes { bytes: size, limit: max_held });
                }
                collect(&mut reader, &mut head, size)?;
                Ok(Opened::Whole(Cow::Owned(head)))
            }
        }
    }
}

impl Opened<'_> {
    /// All bytes, or the first ones with what gives the rest.
    pub fn parts(&mut self) -> (&[u8], Option<&mut (dyn Read + Send)>) {
        match self {
            Self::Whole(bytes) => (bytes, None),
            Self::Streamed { head, rest, .. } => (head, Some(&mut **rest)),
        }
    }
}

impl<'a> From<&'a [u8]> for Input<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Whole(Cow::Borrowed(bytes))
    }
}

impl<'a> From<&'a Vec<u8>> for Input<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Whole(Cow::Borrowed(bytes))
    }
}

impl From<Vec<u8>> for Input<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Whole(Cow::Owned(bytes))
    }
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Whole(_) => "Whole",
            Self::Stream { .. } => "Stream",
        };
        f.debug_struct(kind).field("size", &self.size()).finish_non_exhaustive()
    }
}

/// Reads until `bytes` has `length` of them.
fn collect(reader: &mut dyn Read, bytes: &mut Vec<u8>, length: u64) -> Result<(), MediaError> {
    while let missing @ 1.. = length - bytes.len() as u64 {
        let step = usize::try_from(missing).unwrap_or(usize::MAX).min(STEP_BYTES.max(bytes.len()));
        bytes.reserve_exact(step);
        let before = bytes.len();
        (&mut *reader).take(step as u64).read_to_end(bytes).map_err(MediaError::read)?;
        if bytes.len() == before {
            return Err(MediaError::read(early()));
        }
    }
    Ok(())
}

fn early() -> io::Error {
    io::Error::new(ErrorKind::ConnectionAborted, "the stream ended before the file did")
}

/// Fails when the file ends before `left` bytes were read; gives no byte after them.
struct Exact<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.reader.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(early());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in small pieces.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(7_001);
            self.0.read(&mut buffer[..most])
        }
    }

    fn open(bytes: &[u8], size: u64, max_held: u64) -> Result<Opened<'_>, MediaError> {
        Input::stream(size, Drip(bytes)).open(max_held, crate::formats::streams)
    }

    #[test]
    fn other_formats_are_held_up_to_the_limit() {
        let mut bytes = b"GIF89a".to_vec();
        bytes.resize(3 << 20, 9);
        let size = bytes.len() as u64;
        let Ok(Opened::Whole(held)) = open(&bytes, size, size) else { panic!("it fits") };
        assert_eq!(held, bytes);
        let error = open(&bytes, size, size - 1).err();
        assert_eq!(error, Some(MediaError::TooManyBytes { bytes: size, limit: size - 1 }));
        assert_eq!(error.map(|error| error.code()), Some("image_too_large"));
    }

    #[test]
    fn a_stream_that_ends_early_can_be_tried_again() {
        let error = open(b"GIF89a", 7, 100).err().unwrap();
        assert_eq!((error.code(), error.is_permanent()), ("read_failed", false));
        let Ok(Opened::Whole(held)) = open(b"GIF89a and more", 6, 100) else { panic!("it fits") };
        assert_eq!(&*held, b"GIF89a");
        assert!(matches!(open(b"", 0, 0), Ok(Opened::Whole(held)) if held.is_empty()));
    }

    #[test]
    fn a_still_png_streams_and_a_moving_one_does_not() {
        let chunk = |kind: &[u8; 4], data: &[u8]| {
            let length = u32::try_from(data.len()).unwrap().to_be_bytes();
            [&length, kind, data, &[0; 4][..]].concat()
        };
        let start =
            [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &[0, 0, 0, 9, 0, 0, 0, 9, 8, 2, 0, 0, 0])].concat();
        let pixels = chunk(b"IDAT", &vec![0; HEAD_BYTES]);
        let still = [&start[..], &pixels].concat();
        let moving = [&start[..], &chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]), &pixels].concat();
        let late = [&start[..], &chunk(b"tEXt", &vec![0; HEAD_BYTES]), &pixels].concat();
        for (bytes, streams) in [(&still, true), (&moving, false), (&late, false)] {
            let size = bytes.len() as u64;
            match open(bytes, size, size).unwrap() {
                Opened::Streamed { head, mut rest, .. } => {
                    assert!(streams);
                    let mut all = head;
                    rest.read_to_end(&mut all).unwrap();
                    assert_eq!(&all, bytes);
                }
                Opened::Whole(held) => assert!(!streams && held == *bytes),
            }
        }
    }
}
