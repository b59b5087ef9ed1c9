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
    /// An archive.
    Archive,
    /// A program.
    Program,
    /// A script.
    Script,
    /// A page that a browser would run.
    Page,
}

/// What may be something else than it is said to be.
pub const OTHERS: [Sort; 4] = [Sort::Archive, Sort::Program, Sort::Script, Sort::Page];

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
            Sort::Archive | Sort::Program | Sort::Script | Sort::Page => {
                format!("{}{name:<length$}", sort.signature()).into_bytes()
            }
            Sort::Picture => gif(&format!("{name:<length$}")),
            Sort::BrokenPicture => gif(&format!("{:<length$}", format!("{name} {BROKEN}"))),
        };
        Self { sort, bytes: bytes.into() }
    }

    /// The type that it is of.
    pub fn media_type(&self) -> &'static str {
        type_of(&self.bytes)
    }
}

impl Sort {
    /// The first bytes.
    const fn signature(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::Picture | Self::BrokenPicture => "GIF89a",
            Self::Archive => "PK\x03\x04",
            Self::Program => "\x7FELF",
            Self::Script => "#!/bin/sh\n",
            Self::Page => "<html> ",
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Picture | Self::BrokenPicture => "image/gif",
            Self::Archive => "application/zip",
            Self::Program => "application/x-executable",
            Self::Script => "application/x-shellscript",
            Self::Page => "text/html",
        }
    }
}

/// The type that bytes are of.
pub fn type_of(bytes: &[u8]) -> &'static str {
    let known = [Sort::Picture].into_iter().chain(OTHERS);
    let sort = known.into_iter().find(|sort| bytes.starts_with(sort.signature().as_bytes()));
    sort.unwrap_or(Sort::Text).media_type()
}

/// The extension of the names of files that are said to be of a type.
pub fn extension_of(media_type: &str) -> &'static str {
    match media_type {
        "image/gif" => "gif",
        "application/pdf" => "pdf",
        "text/plain" => "txt",
        _ => "bin",
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
