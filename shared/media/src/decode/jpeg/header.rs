//! The header of a JPEG, as a file or within one.

use std::borrow::Cow;

use sluice_jpeg::{Segment, Segments};

use crate::{
    blocks::{Blocks, iptc_in_resources},
    bytes::cut_short,
    error::MediaError,
    facts::{Facts, Header},
};

/// What only a JPEG has.
#[derive(Debug, Default)]
pub(crate) struct Jpeg<'a> {
    /// What libjpeg keeps of the whole frame when it comes in more than one scan.
    pub coefficient_bytes: u64,
    /// An Adobe marker is there: four components hold inverted inks.
    pub adobe: bool,
    /// The end-of-image marker was reached.
    pub complete: bool,
    /// The frame, if [`sluice_jpeg`] decodes its kind.
    pub frame: Option<sluice_jpeg::Frame>,
    /// The XMP packet (XMP specification part 3, 1.1.3), if it stands before the first scan (ITU-T T.81, B.1.1.4).
    pub xmp: Option<&'a [u8]>,
    /// The IPTC datasets, likewise.
    pub iptc: Option<&'a [u8]>,
}

/// ITU-T T.81, annex B; the ICC segments as ICC.1, annex B.4.
pub(crate) fn parse(data: &[u8]) -> Result<Header<'_, Jpeg<'_>>, MediaError> {
    let mut jpeg = Jpeg::default();
    let mut scans = 0_u32;
    let mut frame = None;
    let mut progressive = false;
    let mut exif = None;
    let mut icc: Vec<(u8, &[u8])> = Vec::new();
    for Segment { marker, payload: segment, .. } in Segments::new(data) {
        match marker {
            0xD9 => jpeg.complete = true,
            // Baseline, extended and progressive; the last two in arithmetic coding.
            0xC0..=0xC2 | 0xC9 | 0xCA if frame.is_none() => {
                frame = Some(frame_header(segment, &mut jpeg)?);
                progressive = matches!(marker, 0xC2 | 0xCA);
            }
            0xC3 | 0xC5..=0xC7 | 0xCB | 0xCD..=0xCF if frame.is_none() => {
                return Err(MediaError::Unsupported {
                    found: format!("a lossless or hierarchical JPEG (SOF{})", marker - 0xC0),
                });
            }
            0xE1 => {
                if exif.is_none() {
                    exif = segment.strip_prefix(b"Exif\0\0");
                }
                if scans == 0 && jpeg.xmp.is_none() {
                    jpeg.xmp = segment.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0");
                }
            }
            0xE2 => {
                if let Some([number, _, rest @ ..]) = segment.strip_prefix(b"ICC_PROFILE\0") {
                    icc.push((*number, rest));
                }
            }
            0xED if scans == 0 && jpeg.iptc.is_none() => {
                jpeg.iptc = segment.strip_prefix(b"Photoshop 3.0\0").and_then(iptc_in_resources);
            }
            0xEE => jpeg.adobe |= segment.starts_with(b"Adobe"),
            0xDA => scans = scans.saturating_add(1),
            _ => {}
        }
    }
    let Some((width, height, components)) = frame else { return Err(cut_short()) };
    if !progressive && scans <= 1 {
        jpeg.coefficient_bytes = 0;
    }
    jpeg.frame = sluice_jpeg::Frame::parse(data).ok();
    icc.sort_by_key(|(number, _)| *number);
    let icc = match icc.as_slice() {
        [] => None,
        [(_, whole)] => Some(Cow::Borrowed(*whole)),
        parts => Some(Cow::Owned(parts.iter().flat_map(|(_, part)| part.iter().copied()).collect())),
    };
    let facts =
        Facts { bytes_per_pixel: components, scans, exif, icc, ..Facts::new("image/jpeg", (width, height))? };
    Ok(Header { facts, head: jpeg })
}

/// The size and the number of components.
fn frame_header(segment: &[u8], jpeg: &mut Jpeg<'_>) -> Result<(u32, u32, u8), MediaError> {
    let &[precision, h1, h0, w1, w0, components, ref specs @ ..] = segment else { return Err(cut_short()) };
    if precision != 8 {
        return Err(MediaError::Unsupported { found: format!("a JPEG of {precision} bits a sample") });
    }
    if !matches!(components, 1 | 3 | 4) {
        return Err(MediaError::Unsupported { found: format!("a JPEG of {components} components") });
    }
    let width = u32::from(u16::from_be_bytes([w1, w0]));
    let height = u32::from(u16::from_be_bytes([h1, h0]));
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
    Ok((width, height, components))
}

/// Where a JPEG keeps what it says of itself.
pub(crate) fn blocks<'a>(header: &Header<'a, Jpeg<'a>>) -> Blocks<'a> {
    let Jpeg { xmp, iptc, .. } = header.head;
    Blocks { xmp: xmp.map(Cow::Borrowed), iptc: iptc.map(Cow::Borrowed), ..Blocks::of(&header.facts) }
}
