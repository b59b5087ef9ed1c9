//! The bytes of files. Each file's are its own, so that bytes which end under another's name are seen.

use bytes::Bytes;

/// The largest file that comes by one PUT here.
pub const DIRECT_LIMIT: u64 = 90;
/// The bytes of a part here.
pub const PART_SIZE: u64 = 50;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Text: nothing is made of it.
    Text,
    /// A picture: derivatives are made of it.
    Picture,
    /// A picture that no decoder can read.
    BrokenPicture,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// What it is.
    pub sort: Sort,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What stands in a picture that no decoder can read.
const BROKEN: &str = "broken";

impl Content {
    /// The file of this name: small, or of several parts. All of a sort and size have the same length, for mixing up is
    /// noticed least where lengths agree.
    pub fn new(name: &str, sort: Sort, large: bool) -> Self {
        let length = if large { 150 } else { 30 };
        let bytes = match sort {
            Sort::Text => format!("{name:<length$}").into_bytes(),
            Sort::Picture => gif(&format!("{name:<length$}")),
            Sort::BrokenPicture => gif(&format!("{:<length$}", format!("{name} {BROKEN}"))),
        };
        Self { sort, bytes: bytes.into() }
    }

    /// The type that its client says.
    pub const fn media_type(&self) -> &'static str {
        match self.sort {
            Sort::Text => "text/plain",
            Sort::Picture | Sort::BrokenPicture => "image/gif",
        }
    }

    /// The extension of its name.
    pub const fn extension(&self) -> &'static str {
        match self.sort {
            Sort::Text => "txt",
            Sort::Picture | Sort::BrokenPicture => "gif",
        }
    }
}

/// Whether bytes are a picture that no decoder can read.
pub fn is_broken(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).contains(BROKEN)
}

/// A GIF of one pixel with a comment.
fn gif(comment: &str) -> Vec<u8> {
    let mut bytes = b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0!\xfe".to_vec();
    bytes.push(u8::try_from(comment.len()).expect("a comment's block holds 255 bytes"));
    bytes.extend_from_slice(comment.as_bytes());
    bytes.extend_from_slice(b"\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;");
    bytes
}
