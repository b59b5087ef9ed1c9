//! Everything that is known about an image before a pixel is decoded.
//!
//! The walkers below hop from block to block through the bytes they were given: no allocation that
//! follows a number in the file, no decompression, time linear in the input. They are lenient where the
//! decoders are: a broken tail ends the walk, a broken head is an error. What they find decides whether
//! the image is decoded at all, at which scale, and into how much memory.

mod bmp;
pub(crate) mod heif;
mod raw;
mod svg;
mod tiff;

use std::borrow::Cow;

use crate::error::MediaError;
use crate::sniff;

/// The formats that are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Jpeg,
    Png,
    Gif,
    WebP,
    Tiff,
    Bmp,
    Avif,
    Heic,
    Svg,
    /// A camera's raw file: what is decoded is the JPEG embedded in it.
    Raw,
}

impl Format {
    /// The IANA media type; of raw files, the one that covers their sorts.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
            Self::Tiff => "image/tiff",
            Self::Bmp => "image/bmp",
            Self::Avif => "image/avif",
            Self::Heic => "image/heic",
            Self::Svg => "image/svg+xml",
            Self::Raw => "image/x-raw",
        }
    }
}

/// What only a JPEG has.
#[derive(Debug, Default)]
pub(crate) struct JpegHeader {
    /// 1, 3 or 4.
    pub components: u8,
    /// Number of scans.
    pub scans: u32,
    /// What libjpeg keeps of the whole frame when it comes in more than one scan.
    pub coefficient_bytes: u64,
    /// An Adobe marker is there: four components hold inverted inks.
    pub adobe: bool,
    /// The end-of-image marker was reached.
    pub complete: bool,
}

/// The header of an image, borrowing from its bytes.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    pub format: Format,
    /// As stored, before orientation.
    pub width: u32,
    /// As stored, before orientation.
    pub height: u32,
    /// Bytes that a decoded pixel takes.
    pub bytes_per_pixel: u8,
    /// Frames of an animation, 1 for a still.
    pub frames: u32,
    pub animated: bool,
    /// The TIFF structure with the EXIF fields.
    pub exif: Option<&'a [u8]>,
    /// The XMP packet.
    pub xmp: Option<&'a [u8]>,
    /// What the container says of turning and mirroring, in EXIF's numbers; EXIF's own doesn't count then.
    pub orientation: Option<u8>,
    /// The ICC profile where the file holds it as it is (JPEG, WebP).
    pub icc: Option<Cow<'a, [u8]>>,
    pub jpeg: Option<JpegHeader>,
    pub heif: Option<heif::HeifHeader>,
}

impl<'a> Header<'a> {
    /// Reads the header of `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MediaError> {
        let sniffed = sniff::sniff(bytes);
        let header = match sniffed.content_type {
            "image/jpeg" => jpeg(bytes)?,
            "image/png" => png(bytes)?,
            "image/gif" => gif(bytes)?,
            "image/webp" => webp(bytes)?,
            "image/tiff" => tiff::parse(bytes)?,
            "image/bmp" => bmp::parse(bytes)?,
            "image/avif" => heif::parse(bytes, Format::Avif)?,
            "image/heic" => heif::parse(bytes, Format::Heic)?,
            "image/svg+xml" => svg::parse(bytes)?,
            raw if raw::is_raw(raw) => raw::parse(bytes)?,
            _ if bytes.is_empty() => {
                return Err(MediaError::Unsupported { found: "an empty file".to_owned() });
            }
            other => return Err(MediaError::Unsupported { found: other.to_owned() }),
        };
        if header.width == 0 || header.height == 0 {
            return Err(MediaError::corrupt("an edge is 0 pixels long"));
        }
        Ok(header)
    }

    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The size that the decoder gives when at least `target` is wanted.
    pub fn decoded_size(&self, target: (u32, u32)) -> (u32, u32) {
        match self.jpeg {
            Some(_) => {
                let eighths = u64::from(self.dct_eighths(target));
                let scale =
                    |edge: u32| u32::try_from((u64::from(edge) * eighths).div_ceil(8)).unwrap_or(edge);
                (scale(self.width), scale(self.height))
            }
            None => (self.width, self.height),
        }
    }

    /// The smallest DCT scale, in eighths, that doesn't fall below `target` on either edge.
    pub fn dct_eighths(&self, target: (u32, u32)) -> u8 {
        (1..8u8)
            .find(|&eighths| {
                let reaches =
                    |edge: u32, wanted: u32| u64::from(edge) * u64::from(eighths) >= u64::from(wanted) * 8;
                reaches(self.width, target.0) && reaches(self.height, target.1)
            })
            .unwrap_or(8)
    }
}

/// Reads big- and little-endian numbers at an offset; `None` past the end.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn get(&self, start: usize, length: usize) -> Option<&'a [u8]> {
        self.0.get(start..start.checked_add(length)?)
    }

    fn u8(&self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    fn be16(&self, at: usize) -> Option<u16> {
        Some(u16::from_be_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    fn be32(&self, at: usize) -> Option<u32> {
        Some(u32::from_be_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    fn le16(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    fn le24(&self, at: usize) -> Option<u32> {
        Some(u32::from(self.le16(at)?) | u32::from(self.u8(at + 2)?) << 16)
    }

    fn le32(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.0.get(at..)?.first_chunk()?))
    }
}

fn cut_short() -> MediaError {
    MediaError::corrupt("the file ends within its header")
}

/// ITU-T T.81, annex B; the ICC segments as ICC.1, annex B.4.
fn jpeg(data: &[u8]) -> Result<Header<'_>, MediaError> {
    let bytes = Bytes(data);
    let mut jpeg = JpegHeader::default();
    let mut frame = None;
    let mut progressive = false;
    let mut exif = None;
    let mut icc: Vec<(u8, &[u8])> = Vec::new();
    let mut at = 2;
    while let Some(marker) = next_marker(data, &mut at) {
        match marker {
            0xD9 => {
                jpeg.complete = true;
                break;
            }
            // Standing alone: TEM, the restarts, another start.
            0x01 | 0xD0..=0xD8 => continue,
            _ => {}
        }
        let Some(length) = bytes.be16(at).map(usize::from) else { break };
        let Some(segment) = bytes.get(at + 2, length.saturating_sub(2)) else { break };
        at += length.max(2);
        match marker {
            0xC0..=0xC2 if frame.is_none() => {
                frame = Some(jpeg_frame(segment, &mut jpeg)?);
                progressive = marker == 0xC2;
            }
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF if frame.is_none() => {
                return Err(MediaError::Unsupported {
                    found: format!(
                        "a lossless, hierarchical or arithmetic-coded JPEG (SOF{})",
                        marker - 0xC0
                    ),
                });
            }
            0xE1 if exif.is_none() => exif = segment.strip_prefix(b"Exif\0\0"),
            0xE2 => {
                if let Some([number, _, rest @ ..]) = segment.strip_prefix(b"ICC_PROFILE\0") {
                    icc.push((*number, rest));
                }
            }
            0xEE => jpeg.adobe |= segment.starts_with(b"Adobe"),
            0xDA => jpeg.scans += 1,
            _ => {}
        }
    }
    let Some((width, height)) = frame else { return Err(cut_short()) };
    if !progressive && jpeg.scans <= 1 {
        jpeg.coefficient_bytes = 0;
    }
    icc.sort_by_key(|(number, _)| *number);
    let icc = match icc.as_slice() {
        [] => None,
        [(_, whole)] => Some(Cow::Borrowed(*whole)),
        parts => Some(Cow::Owned(parts.iter().flat_map(|(_, part)| part.iter().copied()).collect())),
    };
    Ok(Header {
        format: Format::Jpeg,
        width,
        height,
        bytes_per_pixel: jpeg.components,
        frames: 1,
        animated: false,
        exif,
        xmp: None,
        orientation: None,
        icc,
        jpeg: Some(jpeg),
        heif: None,
    })
}

/// The next marker at or after `at`, which is moved behind it. Entropy-coded data is passed over, since in it
/// 0xFF is always followed by 0.
fn next_marker(data: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        *at += memchr::memchr(0xFF, data.get(*at..)?)? + 1;
        match *data.get(*at)? {
            0x00 => *at += 1,
            // A fill byte: the next 0xFF is this one.
            0xFF => {}
            marker => {
                *at += 1;
                return Some(marker);
            }
        }
    }
}

fn jpeg_frame(segment: &[u8], jpeg: &mut JpegHeader) -> Result<(u32, u32), MediaError> {
    let &[precision, h1, h0, w1, w0, components, ref specs @ ..] = segment else { return Err(cut_short()) };
    if precision != 8 {
        return Err(MediaError::Unsupported { found: format!("a JPEG of {precision} bits a sample") });
    }
    if !matches!(components, 1 | 3 | 4) {
        return Err(MediaError::Unsupported { found: format!("a JPEG of {components} components") });
    }
    let width = u32::from(u16::from_be_bytes([w1, w0]));
    let height = u32::from(u16::from_be_bytes([h1, h0]));
    jpeg.components = components;
    // Two bytes a coefficient; components are sampled relative to the largest factors.
    let factors: Vec<(u64, u64)> = specs
        .chunks_exact(3)
        .take(usize::from(components))
        .map(|spec| (u64::from(spec[1] >> 4), u64::from(spec[1] & 15)))
        .collect();
    let most = |pick: fn(&(u64, u64)) -> u64| factors.iter().map(pick).max().unwrap_or(1).max(1);
    let (most_h, most_v) = (most(|factor| factor.0), most(|factor| factor.1));
    let (mcus_x, mcus_y) = (u64::from(width).div_ceil(8 * most_h), u64::from(height).div_ceil(8 * most_v));
    let blocks: u64 = factors.iter().map(|(h, v)| h * v).sum();
    jpeg.coefficient_bytes = mcus_x * mcus_y * blocks * 128;
    Ok((width, height))
}

/// PNG, third edition: chunks of length, type, data, checksum; `acTL` makes an animation.
fn png(data: &[u8]) -> Result<Header<'_>, MediaError> {
    let bytes = Bytes(data);
    let head = bytes.get(16, 10).filter(|_| bytes.get(12, 4) == Some(b"IHDR")).ok_or_else(cut_short)?;
    let (Some(width), Some(height)) = (bytes.be32(16), bytes.be32(20)) else { return Err(cut_short()) };
    let (depth, colour) = (head[8], head[9]);
    let (mut exif, mut frames, mut transparent) = (None, 0, false);
    let mut at = 8_usize;
    while let (Some(length), Some(kind)) = (bytes.be32(at), bytes.get(at + 4, 4)) {
        let length = length as usize;
        match kind {
            b"acTL" => frames = bytes.be32(at + 8).unwrap_or(0),
            b"tRNS" => transparent = true,
            b"eXIf" => exif = bytes.get(at + 8, length),
            b"IEND" => break,
            _ => {}
        }
        let Some(next) = length.checked_add(12).and_then(|size| at.checked_add(size)) else { break };
        at = next;
    }
    let channels = match colour {
        0 => 1 + u8::from(transparent),
        2 | 3 => 3 + u8::from(transparent),
        4 => 2,
        6 => 4,
        other => return Err(MediaError::corrupt(format!("there is no PNG colour type {other}"))),
    };
    Ok(Header {
        format: Format::Png,
        width,
        height,
        bytes_per_pixel: if depth == 16 { 2 * channels } else { channels },
        frames: frames.max(1),
        animated: frames > 1,
        exif,
        xmp: None,
        orientation: None,
        icc: None,
        jpeg: None,
        heif: None,
    })
}

/// `GIF89a`: a screen, then blocks; each image descriptor is a frame.
fn gif(data: &[u8]) -> Result<Header<'_>, MediaError> {
    let bytes = Bytes(data);
    let (Some(width), Some(height), Some(flags)) = (bytes.le16(6), bytes.le16(8), bytes.u8(10)) else {
        return Err(cut_short());
    };
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + table(flags);
    let mut frames = 0_u32;
    loop {
        at = match bytes.u8(at) {
            Some(0x21) => at + 2,
            Some(0x2C) => {
                frames = frames.saturating_add(1);
                let Some(flags) = bytes.u8(at + 9) else { break };
                at + 11 + table(flags)
            }
            _ => break,
        };
        while let Some(length @ 1..) = bytes.u8(at) {
            at += 1 + usize::from(length);
        }
        at += 1;
    }
    Ok(Header {
        format: Format::Gif,
        width: width.into(),
        height: height.into(),
        bytes_per_pixel: 4,
        frames: frames.max(1),
        animated: frames > 1,
        exif: None,
        xmp: None,
        orientation: None,
        icc: None,
        jpeg: None,
        heif: None,
    })
}

/// RFC 9649: one `VP8 ` or `VP8L` chunk, or `VP8X` with more chunks behind it.
fn webp(data: &[u8]) -> Result<Header<'_>, MediaError> {
    let bytes = Bytes(data);
    let first = bytes.get(12, 4).ok_or_else(cut_short)?;
    let size = match first {
        b"VP8 " => {
            if bytes.get(23, 3) != Some(b"\x9D\x01\x2A") {
                return Err(MediaError::corrupt("the first frame is no VP8 key frame"));
            }
            let edge = |at| bytes.le16(at).map(|edge| u32::from(edge & 0x3FFF));
            edge(26).zip(edge(28)).map(|size| (size, false))
        }
        b"VP8L" => bytes
            .le32(21)
            .filter(|_| bytes.u8(20) == Some(0x2F))
            .map(|bits| (((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1), bits >> 28 & 1 == 1)),
        b"VP8X" => bytes
            .le24(24)
            .zip(bytes.le24(27))
            .zip(bytes.u8(20))
            .map(|((width, height), flags)| ((width + 1, height + 1), flags & 0x10 != 0)),
        _ => return Err(MediaError::corrupt("the first chunk is none of VP8, VP8L, VP8X")),
    };
    let ((width, height), alpha) = size.ok_or_else(cut_short)?;
    let extended = first == b"VP8X";
    let animated = extended && bytes.u8(20).is_some_and(|flags| flags & 0x02 != 0);
    let (mut exif, mut icc, mut frames) = (None, None, 0_u32);
    let mut at = 12_usize;
    while let (true, Some(kind), Some(length)) = (extended, bytes.get(at, 4), bytes.le32(at + 4)) {
        let length = length as usize;
        match kind {
            b"ANMF" => frames = frames.saturating_add(1),
            b"ICCP" => icc = bytes.get(at + 8, length).map(Cow::Borrowed),
            // Some writers keep JPEG's prefix.
            b"EXIF" => {
                exif = bytes.get(at + 8, length).map(|tiff| tiff.strip_prefix(b"Exif\0\0").unwrap_or(tiff));
            }
            _ => {}
        }
        let Some(next) = length.checked_add(8 + (length & 1)).and_then(|size| at.checked_add(size)) else {
            break;
        };
        at = next;
    }
    Ok(Header {
        format: Format::WebP,
        width,
        height,
        bytes_per_pixel: if alpha || animated { 4 } else { 3 },
        frames: if animated { frames.max(1) } else { 1 },
        animated: animated && frames > 1,
        exif,
        xmp: None,
        orientation: None,
        icc,
        jpeg: None,
        heif: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found_behind_stuffed_and_fill_bytes() {
        let mut at = 0;
        let data = [1, 0xFF, 0x00, 2, 0xFF, 0xFF, 0xFF, 0xD9];
        assert_eq!(next_marker(&data, &mut at), Some(0xD9));
        assert_eq!(at, data.len());
        assert_eq!(next_marker(&data, &mut at), None);
    }

    #[test]
    fn dct_scale_never_falls_below_the_target() {
        let header = |width, height| Header {
            format: Format::Jpeg,
            width,
            height,
            bytes_per_pixel: 3,
            frames: 1,
            animated: false,
            exif: None,
            xmp: None,
            orientation: None,
            icc: None,
            jpeg: Some(JpegHeader::default()),
            heif: None,
        };
        assert_eq!(header(4096, 3072).dct_eighths((2048, 1536)), 4);
        assert_eq!(header(4095, 3072).dct_eighths((2048, 1536)), 5);
        assert_eq!(header(800, 600).dct_eighths((100, 75)), 1);
        assert_eq!(header(800, 600).dct_eighths((101, 76)), 2);
        assert_eq!(header(800, 600).dct_eighths((800, 600)), 8);
        assert_eq!(header(4095, 3072).decoded_size((2048, 1536)), (2560, 1920));
    }
}
