//! Where each format keeps EXIF, XMP and IPTC.
//!
//! Walks as the header's do: block by block, nothing copied; only a compressed PNG text is inflated, up to a bound.

use std::{borrow::Cow, io::Read};

use super::{iptc, xmp};
use crate::{
    exif::Exif,
    header::{Format, Header},
    ifd::{Ifd, Tiff},
};

const TIFF_XMP: u16 = 700;
const TIFF_IPTC: u16 = 33_723;
const TIFF_PHOTOSHOP: u16 = 34_377;

/// What was found; not parsed yet.
#[derive(Debug, Default)]
pub(super) struct Blocks<'a> {
    pub exif: Exif<'a>,
    pub xmp: Option<Cow<'a, [u8]>>,
    pub iptc: Option<&'a [u8]>,
}

impl<'a> Blocks<'a> {
    /// Looks through a file whose header could be read.
    pub fn of(bytes: &'a [u8], header: &Header<'a>) -> Self {
        let mut blocks = match header.format {
            Format::Jpeg => Self::jpeg(bytes),
            Format::Png => Self { xmp: png_xmp(bytes), ..Self::default() },
            Format::Gif => Self { xmp: gif_xmp(bytes).map(Cow::Borrowed), ..Self::default() },
            Format::WebP => Self { xmp: webp_xmp(bytes).map(Cow::Borrowed), ..Self::default() },
            Format::Tiff => Self::tiff(bytes),
            // The preview tells less than the raw file around it, unless that is no TIFF.
            Format::Raw => match Tiff::new(bytes) {
                Some(_) => Self::tiff(bytes),
                None => header
                    .raw
                    .as_ref()
                    .map_or_else(Self::default, |raw| Self { exif: raw.exif, ..Self::jpeg(raw.jpeg) }),
            },
            Format::Bmp | Format::Svg | Format::Avif | Format::Heic => Self::default(),
        };
        if blocks.exif.main.is_none() {
            blocks.exif = header.exif.map(Exif::new).unwrap_or_default();
        }
        if blocks.xmp.is_none() {
            blocks.xmp = header.xmp.map(Cow::Borrowed);
        }
        blocks
    }

    /// A TIFF structure as a whole file.
    pub fn tiff(bytes: &'a [u8]) -> Self {
        let exif = Exif::new(bytes);
        let data = |tag| exif.main.as_ref().and_then(|main: &Ifd<'a>| main.get(tag)).map(|entry| entry.data);
        Self {
            exif,
            xmp: data(TIFF_XMP).map(Cow::Borrowed),
            iptc: data(TIFF_IPTC).or_else(|| data(TIFF_PHOTOSHOP).and_then(iptc::in_resources)),
        }
    }

    /// The segments before the first scan (ITU-T T.81, B.1.1.4; XMP specification part 3, 1.1.3).
    fn jpeg(bytes: &'a [u8]) -> Self {
        let mut blocks = Self::default();
        let mut rest = bytes.get(2..).unwrap_or_default();
        while let [0xFF, marker, ref tail @ ..] = *rest {
            match marker {
                0xFF => rest = &rest[1..],
                0x01 | 0xD0..=0xD8 => rest = tail,
                0xDA | 0xD9 => break,
                _ => {
                    let Some(length) =
                        tail.first_chunk().map(|length| usize::from(u16::from_be_bytes(*length)))
                    else {
                        break;
                    };
                    let Some((segment, behind)) = tail.split_at_checked(length.max(2)) else { break };
                    blocks.segment(marker, &segment[2..]);
                    rest = behind;
                }
            }
        }
        blocks
    }

    fn segment(&mut self, marker: u8, segment: &'a [u8]) {
        if marker == 0xED && self.iptc.is_none() {
            self.iptc = segment.strip_prefix(b"Photoshop 3.0\0").and_then(iptc::in_resources);
        }
        if marker == 0xE1 && self.xmp.is_none() {
            self.xmp = segment.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0").map(Cow::Borrowed);
        }
    }
}

/// An `iTXt` chunk by the keyword that Adobe gave it (PNG, third edition, 11.3.3.4; XMP part 3, 1.1.5).
fn png_xmp(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut rest = bytes.get(8..)?;
    loop {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (kind, behind) = behind.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (data, behind) = behind.split_at_checked(length)?;
        if kind == b"iTXt"
            && let Some([compressed, _method, named @ ..]) = data.strip_prefix(b"XML:com.adobe.xmp\0")
        {
            // The language and the translated keyword, each ended by a NUL.
            let language = memchr::memchr(0, named)? + 1;
            let keyword = memchr::memchr(0, &named[language..])? + 1;
            let text = &named[language + keyword..];
            return if *compressed == 0 {
                Some(Cow::Borrowed(text))
            } else {
                let mut inflated = Vec::new();
                let bound = xmp::MAX_BYTES as u64 + 1;
                flate2::read::ZlibDecoder::new(text).take(bound).read_to_end(&mut inflated).ok()?;
                Some(Cow::Owned(inflated))
            };
        }
        rest = behind.get(4..)?;
    }
}

/// The chunk `XMP ` (RFC 9649, 2.7.1.5).
fn webp_xmp(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.get(12..)?;
    loop {
        let (kind, behind) = rest.split_first_chunk::<4>()?;
        let (length, behind) = behind.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if kind == b"XMP " {
            return behind.get(..length);
        }
        rest = behind.get(length.checked_add(length & 1)?..)?;
    }
}

/// The packet stands unblocked in an application extension; a trailer of descending bytes makes its text
/// pass for sub-blocks (XMP part 3, 1.1.2).
fn gif_xmp(bytes: &[u8]) -> Option<&[u8]> {
    const TRAILER: usize = 258;
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + table(*bytes.get(10)?);
    loop {
        let extension = bytes.get(at..)?;
        let is_xmp = extension.starts_with(b"\x21\xFF\x0BXMP DataXMP");
        at = match extension.first()? {
            0x21 => at + 2,
            0x2C => at + 11 + table(*bytes.get(at + 9)?),
            _ => return None,
        };
        let start = at;
        while let Some(length @ 1..) = bytes.get(at) {
            at += 1 + usize::from(*length);
        }
        at += 1;
        if is_xmp {
            return bytes.get(start + 12..at.saturating_sub(TRAILER).min(bytes.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gifs_packet_is_found_behind_a_frame() {
        let packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>";
        let mut gif = b"GIF89a\x01\0\x01\0\0\0\0".to_vec();
        gif.extend(b"\x2C\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0");
        gif.extend(b"\x21\xFF\x0BXMP DataXMP");
        gif.extend(packet);
        gif.push(1);
        gif.extend((0..=255).rev());
        gif.push(0);
        gif.push(0x3B);
        assert_eq!(gif_xmp(&gif), Some(&packet[..]));
        for length in 0..gif.len() {
            let _ = gif_xmp(&gif[..length]);
        }
    }
}
