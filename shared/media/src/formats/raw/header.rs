//! The header of a camera's raw file: that of the largest JPEG in it.
//!
//! Cameras put a finished picture beside the sensor's data, often in full size; that is what a viewer shows, in
//! the maker's own colours. It is found where each format keeps it:
//!
//! | format | where |
//! |---|---|
//! | CR2, NEF, ARW, DNG, PEF, SRW and the other TIFFs | directories of the chain and their sub-directories: tags 513 and 514, or a single strip of compression 6 or 7 |
//! | RW2 | tag 0x2E of the first directory |
//! | RAF | offset and length at 84 and 88 |
//! | CR3 | the first sample of a track, or the box `PRVW` |
//! | ORF, and where the above give nothing of use | searched for, as a JPEG that is whole |
//!
//! What is found counts only if its own header can be read, so the sensor's data (lossless JPEG in some formats) is
//! never taken for a picture.

use crate::{
    bytes::Bytes,
    decode::jpeg::{self, Jpeg},
    error::MediaError,
    exif::Exif,
    facts::{Facts, Header},
    ifd::{Ifd, Tiff},
};

const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const STRIP_OFFSETS: u16 = 273;
const STRIP_BYTE_COUNTS: u16 = 279;
const SUB_IFDS: u16 = 330;
const JPEG_OFFSET: u16 = 513;
const JPEG_LENGTH: u16 = 514;
const PANASONIC_JPEG: u16 = 0x2E;

/// Directories that are looked at. Real files have up to ten.
const MAX_DIRECTORIES: usize = 32;
/// Places that are tried; each costs a walk over its JPEG.
const MAX_PLACES: usize = 24;
/// A preview whose longer edge is shorter is a thumbnail: a larger one is searched for.
const SMALL: u32 = 640;

/// The picture in a raw file.
#[derive(Debug)]
pub(crate) struct Preview<'a> {
    /// The JPEG.
    pub jpeg: &'a [u8],
    /// Its header.
    pub header: Header<'a, Jpeg<'a>>,
    /// The raw file's EXIF.
    pub exif: Exif<'a>,
}

/// The content types of the sorts.
pub(crate) const TYPES: &[&str] = &[
    "image/x-canon-cr2",
    "image/x-canon-cr3",
    "image/x-nikon-nef",
    "image/x-sony-arw",
    "image/x-adobe-dng",
    "image/x-pentax-pef",
    "image/x-samsung-srw",
    "image/x-hasselblad-3fr",
    "image/x-epson-erf",
    "image/x-kodak-dcr",
    "image/x-fuji-raf",
    "image/x-olympus-orf",
    "image/x-panasonic-rw2",
    "image/x-raw",
];

pub(crate) fn parse(bytes: &[u8]) -> Result<Header<'_, Preview<'_>>, MediaError> {
    let mut best = Best::default();
    let exif = if let Some(tiff) = Tiff::new(bytes) {
        directories(tiff, &mut best);
        Exif::new(bytes)
    } else if bytes.starts_with(b"FUJIFILM") {
        let numbers = Bytes(bytes);
        best.consider_at(bytes, numbers.be32(84), numbers.be32(88));
        best.header.as_ref().and_then(|header| header.facts.exif).map(Exif::new).unwrap_or_default()
    } else {
        canon(bytes, &mut best)
    };
    if best.header.as_ref().is_none_or(|header| header.facts.width.max(header.facts.height) < SMALL) {
        search(bytes, &mut best);
    }
    let Best { header: Some(header), jpeg, .. } = best else {
        return Err(MediaError::Unsupported { found: "a raw file without a preview".to_owned() });
    };
    let own = header.facts.exif.and_then(|tiff| Exif::new(tiff).orientation());
    let orientation = own.or_else(|| exif.orientation()).unwrap_or(1);
    let whole = Tiff::new(bytes).is_some().then_some(bytes);
    let facts = Facts {
        content_type: "image/x-raw",
        exif: whole.or(header.facts.exif),
        orientation: Some(orientation),
        ..header.facts.clone()
    };
    Ok(Header { facts, head: Preview { jpeg, header, exif } })
}

/// The largest JPEG so far.
#[derive(Default)]
struct Best<'a> {
    header: Option<Header<'a, Jpeg<'a>>>,
    jpeg: &'a [u8],
    tried: usize,
}

impl<'a> Best<'a> {
    fn consider_at(&mut self, bytes: &'a [u8], start: Option<u32>, length: Option<u32>) {
        let (Some(start), Some(length)) = (start, length) else { return };
        // Cut short is better than not at all.
        let Some(rest) = bytes.get(start as usize..) else { return };
        self.consider(&rest[..rest.len().min(length as usize)], false);
    }

    /// Takes `file` if it is a JPEG and larger; `whole` asks for its end, too.
    fn consider(&mut self, file: &'a [u8], whole: bool) {
        if !file.starts_with(b"\xFF\xD8\xFF") || self.tried == MAX_PLACES {
            return;
        }
        self.tried += 1;
        let Ok(header) = jpeg::parse(file) else { return };
        let complete = header.head.complete && header.facts.scans > 0;
        let larger = self.header.as_ref().is_none_or(|best| header.facts.pixels() > best.facts.pixels());
        if larger && header.facts.pixels() > 0 && (complete || !whole) {
            (self.header, self.jpeg) = (Some(header), file);
        }
    }
}

/// Follows the chain of directories and their sub-directories.
fn directories<'a>(tiff: Tiff<'a>, best: &mut Best<'a>) {
    let mut waiting: Vec<Ifd<'a>> = tiff.first().into_iter().collect();
    let mut seen: Vec<usize> = Vec::new();
    while let Some(ifd) = waiting.pop() {
        if seen.len() == MAX_DIRECTORIES || seen.contains(&ifd.position()) {
            continue;
        }
        seen.push(ifd.position());
        waiting.extend(ifd.next());
        waiting.extend(ifd.children(SUB_IFDS));
        directory(tiff, &ifd, best);
    }
}

fn directory<'a>(tiff: Tiff<'a>, ifd: &Ifd<'a>, best: &mut Best<'a>) {
    let uint = |tag| ifd.get(tag).and_then(|entry| entry.uint(0));
    if let Some(entry) = ifd.get(PANASONIC_JPEG) {
        best.consider(entry.data, false);
    }
    best.consider_at(tiff.data, uint(JPEG_OFFSET), uint(JPEG_LENGTH));
    // Samples of a colour filter array or linear raw are no picture, even as JPEG.
    let sensor = matches!(uint(PHOTOMETRIC), Some(32_803 | 34_892));
    let one_strip = ifd.get(STRIP_OFFSETS).is_some_and(|entry| entry.uint(1).is_none());
    if matches!(uint(COMPRESSION), Some(6 | 7)) && one_strip && !sensor {
        best.consider_at(tiff.data, uint(STRIP_OFFSETS), uint(STRIP_BYTE_COUNTS));
    }
}

/// The boxes of a CR3: ISO base media (ISO/IEC 14496-12, 4.2) with Canon's own in `uuid` boxes.
fn canon<'a>(bytes: &'a [u8], best: &mut Best<'a>) -> Exif<'a> {
    /// Holds `CMT1` to `CMT4`: four TIFF structures.
    const METADATA: &[u8] = b"\x85\xC0\xB6\x87\x82\x0F\x11\xE0\x81\x11\xF4\xCE\x46\x2B\x6A\x48";
    /// Holds `PRVW` behind 8 bytes.
    const PREVIEW: &[u8] = b"\xEA\xF4\x2B\x5E\x1C\x98\x4B\x88\xB9\xFB\xB7\xDC\x40\x6E\x4D\x16";
    let mut exif = Exif::default();
    for (kind, content) in Boxes(bytes) {
        if kind == b"uuid"
            && let Some(boxes) = content.strip_prefix(PREVIEW)
        {
            for (_, content) in Boxes(boxes.get(8..).unwrap_or_default()).filter(|(kind, _)| *kind == b"PRVW")
            {
                best.consider(content.get(16..).unwrap_or_default(), false);
            }
        }
        if kind != b"moov" {
            continue;
        }
        for (kind, content) in Boxes(content) {
            if kind == b"trak" {
                let (start, length) = first_sample(content).unzip();
                best.consider_at(bytes, start, length);
            } else if let Some(boxes) = content.strip_prefix(METADATA) {
                for (kind, content) in Boxes(boxes) {
                    let first = || Tiff::new(content).and_then(Tiff::first);
                    match kind {
                        b"CMT1" => exif.main = first(),
                        b"CMT2" => exif.photo = first(),
                        b"CMT4" => exif.gps = first(),
                        _ => {}
                    }
                }
            }
        }
    }
    exif
}

/// Where a track's first sample stands and how long it is: `stsz` and `co64` (ISO/IEC 14496-12, 8.7).
fn first_sample(track: &[u8]) -> Option<(u32, u32)> {
    let inside =
        |content, wanted: &[u8]| Boxes(content).find(|(kind, _)| *kind == wanted).map(|(_, content)| content);
    let table = inside(inside(inside(track, b"mdia")?, b"minf")?, b"stbl")?;
    let (sizes, offsets) = (Bytes(inside(table, b"stsz")?), Bytes(inside(table, b"co64")?));
    let size = match sizes.be32(4)? {
        0 => sizes.be32(12)?,
        size => size,
    };
    // Beyond 4 GiB nothing is held in memory.
    (offsets.be32(8)? == 0).then_some((offsets.be32(12)?, size))
}

/// The boxes in a stretch of bytes.
struct Boxes<'a>(&'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = Bytes(self.0);
        let (head, size) = match bytes.be32(0)? {
            0 => (8, self.0.len()),
            1 if bytes.be32(8)? == 0 => (16, bytes.be32(12)? as usize),
            size => (8, size as usize),
        };
        let kind = bytes.get(4, 4)?;
        let whole = &self.0[..size.min(self.0.len())];
        let content = whole.get(head..)?;
        self.0 = &self.0[whole.len()..];
        Some((kind, content))
    }
}

/// Looks for JPEGs anywhere.
fn search<'a>(bytes: &'a [u8], best: &mut Best<'a>) {
    best.tried = 0;
    let mut from = 0;
    while let Some(found) = bytes.get(from..).and_then(|rest| memchr::memmem::find(rest, b"\xFF\xD8\xFF")) {
        let start = from + found;
        from = start + 3;
        // A picture starts with one of these: application data, a comment, tables, a frame.
        if matches!(bytes.get(from), Some(0xC0..=0xC4 | 0xDB | 0xDD | 0xE0..=0xEF | 0xFE)) {
            best.consider(&bytes[start..], true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_any_length_end() {
        let boxes = |bytes: &'static [u8]| {
            Boxes(bytes).map(|(kind, content)| (kind, content.len())).collect::<Vec<_>>()
        };
        assert_eq!(boxes(b"\0\0\0\x09abcdx\0\0\0\0wxyzrest"), [(&b"abcd"[..], 1), (b"wxyz", 4)]);
        assert_eq!(boxes(b"\0\0\0\x01abcd\0\0\0\0\0\0\0\x11z"), [(&b"abcd"[..], 1)]);
        assert_eq!(boxes(b"\0\0\0\x02abcd"), []);
        assert_eq!(boxes(b"\xFF\xFF\xFF\xFFabcdx"), [(&b"abcd"[..], 1)]);
        assert_eq!(boxes(b"\0\0\0"), []);
    }
}
