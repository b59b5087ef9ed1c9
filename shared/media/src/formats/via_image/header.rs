//! The headers, as the `image` crate's decoders read them: none allocates for the picture before it is told to.

use std::io::Cursor;

use image::{
    ColorType, ImageDecoder, ImageError, Limits,
    codecs::{farbfeld::FarbfeldDecoder, ico::IcoDecoder, png::PngDecoder, pnm::PnmDecoder, qoi::QoiDecoder},
};

use crate::{
    bytes::{Bytes, cut_short},
    error::MediaError,
    facts::{Facts, Header},
    sniff::sniff,
};

pub(crate) const NETPBM: &str = "image/x-portable-anymap";
pub(crate) const QOI: &str = "image/qoi";
pub(crate) const ICON: &str = "image/vnd.microsoft.icon";
pub(crate) const FARBFELD: &str = "image/x-farbfeld";

/// Most bytes that reading a header may take: the profile of a PNG within an icon is decompressed.
const HEADER_BYTES: u64 = 4 << 20;
/// The directory of an icon: its header, and each of its entries.
const ICON_HEADER: usize = 6;
const ICON_ENTRY: usize = 16;

/// Which decoder of the `image` crate reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decoder {
    Netpbm,
    Qoi,
    Farbfeld,
    /// The bitmap of an icon.
    Icon,
    /// The PNG of an icon. The crate's own decoder of icons would read its header without a limit.
    Png,
}

/// What only these formats' headers have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ViaImage<'a> {
    decoder: Decoder,
    /// What it reads: the file, or the PNG within.
    file: &'a [u8],
    /// Bytes of the whole picture, decoded.
    pub bytes: u64,
}

impl<'a> ViaImage<'a> {
    /// Reads the header, with at most `max_alloc` bytes of memory for it and for the picture.
    pub fn open(&self, max_alloc: u64) -> Result<Box<dyn ImageDecoder + 'a>, MediaError> {
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(max_alloc);
        let reader = Cursor::new(self.file);
        let opened: Result<Box<dyn ImageDecoder + 'a>, ImageError> = match self.decoder {
            Decoder::Netpbm => PnmDecoder::new(reader).map(|decoder| Box::new(decoder) as _),
            Decoder::Qoi => QoiDecoder::new(reader).map(|decoder| Box::new(decoder) as _),
            Decoder::Farbfeld => FarbfeldDecoder::new(reader).map(|decoder| Box::new(decoder) as _),
            Decoder::Icon => IcoDecoder::new(reader).map(|decoder| Box::new(decoder) as _),
            Decoder::Png => {
                PngDecoder::with_limits(reader, limits.clone()).map(|decoder| Box::new(decoder) as _)
            }
        };
        let mut decoder = opened.map_err(MediaError::corrupt)?;
        decoder.set_limits(limits).map_err(MediaError::corrupt)?;
        Ok(decoder)
    }
}

/// The picture of an icon that shows most: of the deepest the largest, by what the directory says of them. As the `image` crate
/// chooses, which goes from the last entry to the first.
fn best_of(bytes: &[u8]) -> Result<&[u8], MediaError> {
    let file = Bytes(bytes);
    let count = usize::from(file.le16(4).ok_or_else(cut_short)?);
    let mut best: Option<((u16, u32), usize)> = None;
    for entry in (0..count).map(|entry| ICON_HEADER + entry * ICON_ENTRY) {
        let (Some(width), Some(height), Some(bits), Some(start)) =
            (file.u8(entry), file.u8(entry + 1), file.le16(entry + 6), file.le32(entry + 12))
        else {
            return Err(cut_short());
        };
        // 0 stands for 256.
        let edge = |edge: u8| if edge == 0 { 256 } else { u32::from(edge) };
        let score = (bits, edge(width) * edge(height));
        let last = entry + ICON_ENTRY == ICON_HEADER + count * ICON_ENTRY;
        if best.is_none_or(|(known, _)| score > known || last && score == known) {
            best = Some((score, start as usize));
        }
    }
    let (_, start) = best.ok_or_else(|| MediaError::corrupt("the icon has no picture"))?;
    bytes.get(start..).ok_or_else(cut_short)
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Header<'_, ViaImage<'_>>, MediaError> {
    let content_type = sniff(bytes).content_type;
    let (decoder, file) = match content_type {
        NETPBM => (Decoder::Netpbm, bytes),
        QOI => (Decoder::Qoi, bytes),
        FARBFELD => (Decoder::Farbfeld, bytes),
        ICON => match best_of(bytes)? {
            png if png.starts_with(b"\x89PNG\r\n\x1a\n") => (Decoder::Png, png),
            _ => (Decoder::Icon, bytes),
        },
        other => return Err(MediaError::Unsupported { found: other.to_owned() }),
    };
    let mut head = ViaImage { decoder, file, bytes: 0 };
    let decoder = head.open(HEADER_BYTES)?;
    let colour = decoder.color_type();
    if !matches!(
        colour,
        ColorType::L8
            | ColorType::La8
            | ColorType::Rgb8
            | ColorType::Rgba8
            | ColorType::L16
            | ColorType::La16
            | ColorType::Rgb16
            | ColorType::Rgba16
    ) {
        return Err(MediaError::Unsupported {
            found: format!("{content_type} with samples of another form"),
        });
    }
    head.bytes = decoder.total_bytes();
    let facts = Facts {
        bytes_per_pixel: colour.bytes_per_pixel(),
        held: head.bytes,
        ..Facts::new(content_type, decoder.dimensions())?
    };
    Ok(Header { facts, head })
}
