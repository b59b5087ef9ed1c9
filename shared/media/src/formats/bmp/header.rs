//! The header of a BMP file: `BITMAPFILEHEADER`, then one of Windows' or OS/2's headers, told apart by their size
//! (Microsoft, "Bitmap Storage"; OS/2 Presentation Manager's `BITMAPINFOHEADER2`).

use std::borrow::Cow;

use crate::{
    bytes::{Bytes, cut_short},
    error::MediaError,
    facts::{Facts, Header},
};

/// `BITMAPFILEHEADER`.
const FILE_HEADER: usize = 14;
/// `PROFILE_EMBEDDED`, as stored.
const EMBEDDED: u32 = 0x4D42_4544;

/// How pixels are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Indices of 1, 2, 4 or 8 bits, or blue, green, red.
    Plain,
    /// Runs of indices, of 8 bits or of 4.
    Runs,
    /// Where the bits of red, green, blue and alpha stand in a pixel of 16 or 32 bits.
    Fields([u32; 4]),
}

/// What the header says.
#[derive(Debug, Clone)]
pub(crate) struct Bmp<'a> {
    pub width: u32,
    pub height: u32,
    /// The first stored row is the top one.
    pub top_down: bool,
    /// Of a pixel: 1, 2, 4, 8, 16, 24 or 32.
    pub bits: u16,
    pub encoding: Encoding,
    /// Blue, green, red and, but for OS/2's first version, a byte more.
    pub palette: &'a [u8],
    /// Bytes of a palette's entry: 3 or 4.
    pub entry: usize,
    /// The stored rows, as far as the file has them.
    pub data: &'a [u8],
    pub icc: Option<&'a [u8]>,
}

impl<'a> Bmp<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, MediaError> {
        let file = Bytes(bytes);
        let size = file.le32(FILE_HEADER).ok_or_else(cut_short)? as usize;
        let old = size == 12;
        if !old && !(16..=124).contains(&size) {
            return Err(MediaError::corrupt(format!("there is no BMP header of {size} bytes")));
        }
        // Fields that a short header leaves out are 0.
        let header = file.get(FILE_HEADER, size).ok_or_else(cut_short)?;
        let fields = Bytes(header);
        let (width, height, bits) = if old {
            let edge = |at| fields.le16(at).map(i32::from);
            (edge(4), edge(6), fields.le16(10))
        } else {
            let edge = |at| fields.le32(at).map(u32::cast_signed);
            (edge(4), edge(8), fields.le16(14))
        };
        let (Some(width), Some(height), Some(bits)) = (width, height, bits) else { return Err(cut_short()) };
        let Ok(width) = u32::try_from(width) else {
            return Err(MediaError::corrupt("the width is negative"));
        };
        let (top_down, height) = (height < 0, height.unsigned_abs());
        if width == 0 || height == 0 {
            return Err(MediaError::corrupt("an edge is 0 pixels long"));
        }
        let compression = if old { 0 } else { fields.le32(16).unwrap_or(0) };
        // Masks stand in the larger headers, or behind the one of 40 bytes.
        let mask = |at: usize| file.le32(FILE_HEADER + 40 + 4 * at).unwrap_or(0);
        let masks = match (compression, size) {
            (3, 40..) => 3,
            (6, 40..) => 4,
            _ => 0,
        };
        let encoding = match (compression, bits) {
            (0, 1 | 2 | 4 | 8 | 24) => Encoding::Plain,
            (0, 16) => Encoding::Fields([0x7C00, 0x03E0, 0x001F, 0]),
            (0, 32) => Encoding::Fields([0x00FF_0000, 0x0000_FF00, 0x0000_00FF, 0]),
            (1, 8) | (2, 4) if !top_down => Encoding::Runs,
            (3 | 6, 16 | 32) if masks > 0 => {
                let alpha = if size >= 56 || compression == 6 { mask(3) } else { 0 };
                Encoding::Fields([mask(0), mask(1), mask(2), alpha])
            }
            _ => {
                let found = format!("a BMP of compression {compression} with {bits} bits a pixel");
                return Err(MediaError::Unsupported { found });
            }
        };
        let behind = FILE_HEADER + size + if size < 52 { 4 * masks } else { 0 };
        let entry = if old { 3 } else { 4 };
        let used = fields.le32(32).filter(|_| !old).unwrap_or(0) as usize;
        let most = if bits <= 8 { 1_usize << bits } else { 0 };
        let count = if used == 0 { most } else { used.min(most) };
        let rest = bytes.get(behind..).unwrap_or_default();
        let start = file.le32(10).ok_or_else(cut_short)? as usize;
        // The palette ends where the pixels begin, whatever its length says.
        let room = start.checked_sub(behind).filter(|room| *room > 0).unwrap_or(usize::MAX);
        let palette = &rest[..(count * entry).min(room).min(rest.len())];
        let start = start.max(behind);
        let data = bytes.get(start..).unwrap_or_default();
        let profile = fields.le32(112).zip(fields.le32(116)).filter(|_| fields.le32(56) == Some(EMBEDDED));
        let icc =
            profile.and_then(|(at, length)| file.get(FILE_HEADER.checked_add(at as usize)?, length as usize));
        let icc = icc.filter(|icc| !icc.is_empty());
        Ok(Self { width, height, top_down, bits, encoding, palette, entry, data, icc })
    }

    /// Bytes from a stored row to the next.
    pub fn stride(&self) -> u64 {
        (u64::from(self.width) * u64::from(self.bits)).div_ceil(32) * 4
    }

    /// Whether pixels can be transparent.
    pub fn has_alpha(&self) -> bool {
        matches!(self.encoding, Encoding::Fields([_, _, _, alpha]) if alpha != 0) && self.any_opaque()
    }

    /// Whether any pixel isn't wholly transparent. Writers that leave alpha at 0 throughout mean no alpha.
    fn any_opaque(&self) -> bool {
        let Encoding::Fields([_, _, _, alpha]) = self.encoding else { return true };
        if self.bits == 16 {
            let pixels = self.data.as_chunks::<2>().0.iter().map(|&bytes| u16::from_le_bytes(bytes).into());
            any(pixels, alpha)
        } else {
            any(self.data.as_chunks::<4>().0.iter().map(|&bytes| u32::from_le_bytes(bytes)), alpha)
        }
    }
}

fn any(mut pixels: impl Iterator<Item = u32>, mask: u32) -> bool {
    pixels.any(|pixel| pixel & mask != 0)
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Header<'_, Bmp<'_>>, MediaError> {
    let bmp = Bmp::read(bytes)?;
    let pixels = u64::from(bmp.width) * u64::from(bmp.height);
    let facts = Facts {
        bytes_per_pixel: if bmp.has_alpha() { 4 } else { 3 },
        icc: bmp.icc.map(Cow::Borrowed),
        held: if bmp.encoding == Encoding::Runs { pixels } else { 0 },
        ..Facts::new("image/bmp", (bmp.width, bmp.height))?
    };
    Ok(Header { facts, head: bmp })
}
