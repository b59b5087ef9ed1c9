//! Text chunks of a PNG that hold what other formats have room for: EXIF fields, XMP and IPTC.
//!
//! XMP has a keyword of its own (XMP part 3, 1.1.5). For the rest, before there was `eXIf`, `ImageMagick` wrote "Raw profile
//! type …" and every tool since reads it: a line with the profile's name, one with its length in bytes, and the bytes in
//! hexadecimal digits, broken into lines. What is damaged gives as much as is there; nothing grows past a bound.

use std::{borrow::Cow, io::Read};

use flate2::read::ZlibDecoder;

use crate::blocks::{MAX_XMP_BYTES, iptc_in_resources};

/// Most bytes of a text chunk that are looked at, and of a profile that comes out of one.
pub(super) const MAX_TEXT_BYTES: usize = 2 * MAX_PROFILE_BYTES + MAX_PROFILE_BYTES / 8;
const MAX_PROFILE_BYTES: usize = MAX_XMP_BYTES;
/// What the keyword of a profile starts with.
const RAW: &[u8] = b"Raw profile type ";
/// What XMP in a JPEG's APP1 begins with.
const XMP_SEGMENT: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// A text chunk: `tEXt`, `zTXt` or `iTXt`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    keyword: &'a [u8],
    compressed: bool,
    stored: &'a [u8],
}

impl<'a> Text<'a> {
    /// Reads the chunk of a type (PNG, third edition, 11.3.3).
    pub fn new(kind: &[u8], chunk: &'a [u8]) -> Option<Self> {
        let (keyword, rest) = until_nul(chunk)?;
        let (compressed, stored) = match (kind, rest) {
            (b"tEXt", text) => (false, text),
            (b"zTXt", [_method, text @ ..]) => (true, text),
            (b"iTXt", [flag, _method, named @ ..]) => {
                let (_language, named) = until_nul(named)?;
                (*flag != 0, until_nul(named)?.1)
            }
            _ => return None,
        };
        Some(Self { keyword, compressed, stored })
    }

    /// Whether it is an XMP packet.
    pub fn is_xmp(&self) -> bool {
        self.keyword == b"XML:com.adobe.xmp"
    }

    /// Whether it is a profile as `ImageMagick` writes it.
    pub fn is_profile(&self) -> bool {
        self.profile_name().is_some()
    }

    fn profile_name(&self) -> Option<&'a [u8]> {
        let name = self.keyword.strip_prefix(RAW)?;
        [&b"exif"[..], b"app1", b"xmp", b"iptc", b"8bim"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
            .then_some(name)
    }

    /// The text, decompressed as far as a bound.
    pub fn read(&self) -> Option<Cow<'a, [u8]>> {
        if !self.compressed {
            return Some(Cow::Borrowed(self.stored));
        }
        let mut text = Vec::new();
        let end = ZlibDecoder::new(self.stored).take(MAX_TEXT_BYTES as u64).read_to_end(&mut text);
        // What came before the damage is kept.
        (end.is_ok() || !text.is_empty()).then_some(Cow::Owned(text))
    }
}

fn until_nul(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// What the profiles of a file say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Profiles {
    /// The TIFF structure.
    pub exif: Option<Vec<u8>>,
    pub xmp: Option<Vec<u8>>,
    /// The datasets.
    pub iptc: Option<Vec<u8>>,
}

impl Profiles {
    /// Decodes the profiles among `texts`; of each sort the first counts.
    pub fn read(texts: &[Text<'_>]) -> Self {
        let mut found = Self::default();
        for text in texts {
            let (Some(name), Some(content)) = (text.profile_name(), text.read()) else { continue };
            let Some(bytes) = digits(&content) else { continue };
            found.take(name, &bytes);
        }
        found
    }

    /// Takes a profile by its content: an APP1 may be EXIF or XMP, and writers keep or leave out the segment's name.
    fn take(&mut self, name: &[u8], bytes: &[u8]) {
        if name.eq_ignore_ascii_case(b"iptc") || name.eq_ignore_ascii_case(b"8bim") {
            let resources = bytes.strip_prefix(b"Photoshop 3.0\0").unwrap_or(bytes);
            let datasets = if resources.starts_with(b"8BIM") {
                iptc_in_resources(resources)
            } else {
                resources.starts_with(b"\x1C").then_some(resources)
            };
            self.iptc = self.iptc.take().or_else(|| datasets.map(<[u8]>::to_vec));
        } else if let Some(packet) = bytes.strip_prefix(XMP_SEGMENT) {
            self.xmp.get_or_insert_with(|| packet.to_vec());
        } else if name.eq_ignore_ascii_case(b"xmp") {
            self.xmp.get_or_insert_with(|| bytes.to_vec());
        } else {
            let tiff = bytes.strip_prefix(b"Exif\0\0").unwrap_or(bytes);
            if tiff.starts_with(b"II") || tiff.starts_with(b"MM") {
                self.exif.get_or_insert_with(|| tiff.to_vec());
            }
        }
    }
}

/// The bytes of a profile: a line with its name, one with their number, and their digits.
fn digits(text: &[u8]) -> Option<Vec<u8>> {
    let mut lines = text.trim_ascii_start().splitn(3, |byte| *byte == b'\n');
    let (_name, length, digits) = (lines.next()?, lines.next()?, lines.next()?);
    let length: usize = std::str::from_utf8(length).ok()?.trim().parse().ok()?;
    let mut values = digits
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map_while(|digit| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok()));
    let mut bytes = Vec::new();
    while bytes.len() < length.min(MAX_PROFILE_BYTES) {
        let (Some(high), Some(low)) = (values.next(), values.next()) else { break };
        bytes.push(high << 4 | low);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_as_far_as_they_go() {
        assert_eq!(digits(b"\nexif\n       4\n4d4d\n002A\n").as_deref(), Some(&b"MM\0*"[..]));
        assert_eq!(digits(b"\nexif\n 2\n4d4d002a").as_deref(), Some(&b"MM"[..]));
        assert_eq!(digits(b"\nexif\n 9\n4d4dx02a").as_deref(), Some(&b"MM"[..]));
        assert_eq!(digits(b"\nexif\n 9\n4d4").as_deref(), Some(&b"M"[..]));
        for broken in [&b""[..], b"\nexif", b"\nexif\n", b"\nexif\nx\n4d", b"\nexif\n-1\n4d"] {
            assert_eq!(digits(broken), None, "{}", broken.escape_ascii());
        }
        assert_eq!(digits(b"\nexif\n 99999999999999\n4d").as_deref(), Some(&b"M"[..]));
    }
}
