//! Everything that is known about an image before a pixel is decoded.
//!
//! The walkers below hop from block to block through the bytes they were given: no allocation that
//! follows a number in the file, no decompression, time linear in the input. They are lenient where the
//! decoders are: a broken tail ends the walk, a broken head is an error. What they find decides whether
//! the image is decoded at all, at which scale, and into how much memory.

pub(crate) mod bmp;
mod gif;
pub(crate) mod heif;
pub(crate) mod png;
pub(crate) mod raw;
pub(crate) mod svg;
pub(crate) mod tiff;
pub(crate) mod webp;

use std::borrow::Cow;

use sluice_jpeg::{Segment, Segments};

use crate::{error::MediaError, exif::Exif, sniff};

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
    /// The format of a sniffed content type, if it is decoded.
    pub fn of(content_type: &str) -> Option<Self> {
        Some(match content_type {
            "image/jpeg" => Self::Jpeg,
            "image/png" => Self::Png,
            "image/gif" => Self::Gif,
            "image/webp" => Self::WebP,
            "image/tiff" => Self::Tiff,
            "image/bmp" => Self::Bmp,
            "image/avif" => Self::Avif,
            "image/heic" => Self::Heic,
            "image/svg+xml" => Self::Svg,
            raw if raw::is_raw(raw) => Self::Raw,
            _ => return None,
        })
    }

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
    /// The frame, if [`sluice_jpeg`] decodes its kind.
    pub frame: Option<sluice_jpeg::Frame>,
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
    /// The XMP packet of formats that keep it in an item (HEIC, AVIF); elsewhere it is looked up when
    /// metadata is read.
    pub xmp: Option<&'a [u8]>,
    /// What the container says of turning and mirroring, in EXIF's numbers; EXIF's own doesn't count then.
    pub orientation: Option<u8>,
    /// The ICC profile where the file holds it as it is (JPEG, WebP).
    pub icc: Option<Cow<'a, [u8]>>,
    /// Bytes that the decoder must hold at once, where rows don't do: an interlaced PNG's whole picture, a TIFF's
    /// largest strip or row of tiles. 0 where the decoder knows better.
    pub held: u64,
    pub jpeg: Option<JpegHeader>,
    pub webp: Option<webp::WebPHeader<'a>>,
    /// What only a raw file has; `jpeg` is then its preview's.
    pub raw: Option<raw::Preview<'a>>,
    pub heif: Option<heif::HeifHeader>,
}

impl<'a> Header<'a> {
    /// A still of `size` pixels, of which nothing else is known.
    pub const fn new(format: Format, (width, height): (u32, u32)) -> Self {
        Self {
            format,
            width,
            height,
            bytes_per_pixel: 3,
            frames: 1,
            animated: false,
            exif: None,
            xmp: None,
            orientation: None,
            icc: None,
            held: 0,
            jpeg: None,
            webp: None,
            raw: None,
            heif: None,
        }
    }

    /// Reads the header of `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MediaError> {
        let found = sniff::sniff(bytes).content_type;
        let header = match Format::of(found) {
            Some(Format::Jpeg) => jpeg(bytes)?,
            Some(Format::Png) => png::parse(bytes)?,
            Some(Format::Gif) => gif::parse(bytes)?,
            Some(Format::WebP) => webp::parse(bytes)?,
            Some(Format::Tiff) => tiff::parse(bytes)?,
            Some(Format::Bmp) => bmp::parse(bytes)?,
            Some(format @ (Format::Avif | Format::Heic)) => heif::parse(bytes, format)?,
            Some(Format::Svg) => svg::parse(bytes)?,
            Some(Format::Raw) => raw::parse(bytes)?,
            None if bytes.is_empty() => {
                return Err(MediaError::Unsupported { found: "an empty file".to_owned() });
            }
            None => return Err(MediaError::Unsupported { found: found.to_owned() }),
        };
        if header.width == 0 || header.height == 0 {
            return Err(MediaError::corrupt("an edge is 0 pixels long"));
        }
        Ok(header)
    }

    /// The size that is decoded: as stored, before any crop.
    pub fn whole(&self) -> (u32, u32) {
        self.heif.as_ref().map_or((self.width, self.height), |heif| heif.whole)
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
            // Drawn at the size that is wanted.
            None if matches!(self.format, Format::Svg) => target,
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

/// The orientation of an image, 1 when it says none.
pub(crate) fn orientation(header: &Header<'_>) -> u8 {
    match (&header.raw, header.orientation) {
        (Some(raw), _) => raw.orientation,
        (None, Some(orientation)) => orientation,
        (None, None) => header.exif.and_then(|tiff| Exif::new(tiff).orientation()).unwrap_or(1),
    }
}

/// A stored size as displayed, or the other way round: orientations 5 to 8 swap the edges.
pub(crate) const fn upright(size: (u32, u32), orientation: u8) -> (u32, u32) {
    if orientation >= 5 { (size.1, size.0) } else { size }
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
    let mut jpeg = JpegHeader::default();
    let mut frame = None;
    let mut progressive = false;
    let mut exif = None;
    let mut icc: Vec<(u8, &[u8])> = Vec::new();
    for Segment { marker, payload: segment, .. } in Segments::new(data) {
        match marker {
            0xD9 => jpeg.complete = true,
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
    jpeg.frame = sluice_jpeg::Frame::parse(data).ok();
    icc.sort_by_key(|(number, _)| *number);
    let icc = match icc.as_slice() {
        [] => None,
        [(_, whole)] => Some(Cow::Borrowed(*whole)),
        parts => Some(Cow::Owned(parts.iter().flat_map(|(_, part)| part.iter().copied()).collect())),
    };
    Ok(Header {
        bytes_per_pixel: jpeg.components,
        exif,
        icc,
        jpeg: Some(jpeg),
        ..Header::new(Format::Jpeg, (width, height))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dct_scale_never_falls_below_the_target() {
        let header = |width, height| Header {
            jpeg: Some(JpegHeader::default()),
            ..Header::new(Format::Jpeg, (width, height))
        };
        assert_eq!(header(4096, 3072).dct_eighths((2048, 1536)), 4);
        assert_eq!(header(4095, 3072).dct_eighths((2048, 1536)), 5);
        assert_eq!(header(800, 600).dct_eighths((100, 75)), 1);
        assert_eq!(header(800, 600).dct_eighths((101, 76)), 2);
        assert_eq!(header(800, 600).dct_eighths((800, 600)), 8);
        assert_eq!(header(4095, 3072).decoded_size((2048, 1536)), (2560, 1920));
    }
}
