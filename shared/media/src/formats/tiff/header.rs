//! The header of a TIFF file: its directories (TIFF 6.0, section 2; `BigTIFF` as libtiff describes it).
//!
//! A directory lists fields, whose values stand elsewhere when they don't fit. They are read where they lie, so that
//! a count in the file never becomes an allocation.

use std::{borrow::Cow, fmt::Display};

use crate::{
    bytes::cut_short,
    error::MediaError,
    facts::{Facts, Header},
};

/// Directories that are counted: a chain can be a ring.
const MAX_PAGES: u32 = 1_000;
/// Fields that are read of a directory; about 80 are defined.
const MAX_FIELDS: u64 = 4_096;
/// Most samples of a pixel.
const MAX_SAMPLES: u16 = 64;
/// The longest edge of a tile that is larger than the picture.
const MAX_TILE_EDGE: u32 = 1 << 16;
/// What a strip or tile takes that is read where it lies.
const SOURCE_BYTES: u64 = 256;
/// The largest window of a Zstandard frame that is read, and that every reader is recommended to read (RFC 8878,
/// 3.1.1.1.2).
pub(crate) const MAX_ZSTD_WINDOW: u64 = 8 << 20;
/// What an inflater or LZW's tables take; what is smaller is decompressed at once.
pub(crate) const DECOMPRESSOR_BYTES: u64 = 80 << 10;

/// Numbers of one field, as they stand in the file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Values<'a> {
    data: &'a [u8],
    /// Bytes of one: 1, 2, 4 or 8.
    size: usize,
    big_endian: bool,
}

impl<'a> Values<'a> {
    pub fn get(&self, index: usize) -> Option<u64> {
        if index >= self.len() {
            return None;
        }
        let start = index.checked_mul(self.size)?;
        let bytes = self.data.get(start..start.checked_add(self.size)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
    }

    pub fn len(&self) -> usize {
        self.data.len().checked_div(self.size).unwrap_or(0)
    }

    /// The bytes themselves.
    pub fn bytes(&self) -> &'a [u8] {
        self.data
    }
}

/// How pixels are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Fax(Fax),
    Lzw,
    Jpeg,
    /// JPEG as TIFF 6.0 has it in section 22, before Technical Note 2 replaced that.
    OldJpeg,
    Deflate,
    PackBits,
    Zstd,
    /// Each strip or tile is a WebP file.
    WebP,
}

/// How a fax is coded (TIFF 6.0, sections 10 and 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fax {
    /// Runs, each row beginning in a byte of its own.
    Bytes,
    /// The same in words of two bytes.
    Words,
    /// ITU-T T.4: runs, or of some rows differences.
    Group3 { two_dimensional: bool },
    /// ITU-T T.6: differences.
    Group4,
}

/// What JPEG strips or tiles of the old kind lack.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OldJpeg<'a> {
    /// Where the beginning of a JPEG stands that has all tables.
    pub interchange: Option<u64>,
    pub restart_interval: u16,
    /// Where the tables of each component stand: quantisation, Huffman codes of DC and of AC.
    pub tables: [Values<'a>; 3],
    /// Pixels that share a sample of either chroma, across and down.
    pub chroma: (u8, u8),
}

/// What the numbers of a pixel mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Photometric {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
}

/// What the samples beyond the colours are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alpha {
    None,
    /// Colours are multiplied by it.
    Associated,
    Unassociated,
}

/// The first full picture of a file.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "fields of the file, each of which has two values")]
pub(crate) struct Tiff<'a> {
    pub big_endian: bool,
    pub width: u32,
    pub height: u32,
    /// Of every sample: 1 to 16, or 32.
    pub bits: u8,
    /// The samples of 32 bits are floats, 0 to 1.
    pub float: bool,
    /// Samples of a pixel as stored.
    pub samples: u16,
    pub alpha: Alpha,
    /// Which sample of a pixel the alpha is.
    pub alpha_sample: usize,
    pub photometric: Photometric,
    /// Pixels that share a sample of either chroma, across and down, where they are stored in such groups.
    pub chroma: (u32, u32),
    pub compression: Compression,
    /// Samples are stored as differences to those of the pixel before.
    pub differences: bool,
    /// Each sample has its own strips or tiles.
    pub planar: bool,
    /// The first pixel stands in a byte's low bits.
    pub low_bit_first: bool,
    /// Size of a strip or tile in pixels. Strips are as wide as the picture, the last may be shorter.
    pub tile: (u32, u32),
    pub offsets: Values<'a>,
    pub counts: Values<'a>,
    pub palette: Values<'a>,
    pub jpeg_tables: Option<&'a [u8]>,
    pub old_jpeg: OldJpeg<'a>,
    pub icc: Option<&'a [u8]>,
    /// Directories of the file.
    pub pages: u32,
}

impl<'a> Tiff<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, MediaError> {
        let file = File::open(bytes)?;
        let mut directory = file.first;
        let mut pages = 0;
        let mut found: Option<Directory<'a>> = None;
        while directory != 0 && pages < MAX_PAGES {
            let Some((fields, next)) = file.directory(directory) else { break };
            pages += 1;
            // A reduced copy (NewSubfileType, bit 0) isn't the picture.
            let reduced = fields.number(254).is_some_and(|kind| kind & 1 == 1);
            if found.is_none() || (!reduced && pages > 1 && found.as_ref().is_some_and(|found| found.reduced))
            {
                found = Some(Directory { reduced, ..fields });
            }
            // Written from front to back; a ring goes back somewhere.
            if next == directory || next == file.first {
                break;
            }
            directory = next;
        }
        let Some(fields) = found else { return Err(cut_short()) };
        Self::of(&fields, pages)
    }

    fn of(fields: &Directory<'a>, pages: u32) -> Result<Self, MediaError> {
        let (Some(width), Some(height)) = (fields.edge(256), fields.edge(257)) else {
            return Err(MediaError::corrupt("the directory tells no size"));
        };
        if width == 0 || height == 0 {
            return Err(MediaError::corrupt("an edge is 0 pixels long"));
        }
        let compression = fields.compression()?;
        let samples = fields.number(277).unwrap_or(1).try_into().unwrap_or(u16::MAX);
        let photometric = fields.photometric(compression, samples)?;
        if samples < photometric.colours() || samples > MAX_SAMPLES {
            return Err(MediaError::corrupt(format!("a pixel has {samples} samples")));
        }
        let (bits, float) = fields.depth()?;
        let planar = fields.number(284) == Some(2) && samples > 1;
        let differences = fields.differences(compression, bits)?;
        let chroma = if photometric == Photometric::YCbCr { fields.chroma()? } else { (1, 1) };
        // What belongs together, and what isn't read.
        let impossible = match (compression, photometric) {
            (Compression::Jpeg | Compression::OldJpeg, _) if bits != 8 => {
                Some("JPEG of other than 8 bits a sample")
            }
            (Compression::Jpeg, Photometric::YCbCr) | (Compression::OldJpeg, _) if planar => {
                Some("JPEG planes")
            }
            (Compression::WebP, _)
                if (bits, planar, photometric) != (8, false, Photometric::Rgb) || samples > 4 =>
            {
                Some("WebP of other than RGB")
            }
            (Compression::OldJpeg, _) if fields.number(512) == Some(14) => Some("lossless JPEG"),
            (Compression::Jpeg | Compression::OldJpeg, Photometric::YCbCr) => None,
            (Compression::Fax(_), _) if (bits, samples) != (1, 1) => {
                Some("a fax of other than one bit a pixel")
            }
            (_, Photometric::Palette) if bits > 8 => Some("a palette of more than 8 bits"),
            (_, Photometric::YCbCr) if bits != 8 => Some("Y'CbCr of other than 8 bits a sample"),
            (_, Photometric::YCbCr) if chroma != (1, 1) && (planar || samples != 3 || differences) => {
                Some("subsampled Y'CbCr in planes, with more samples, or as differences")
            }
            _ => None,
        };
        if let Some(found) = impossible {
            return Err(MediaError::Unsupported { found: format!("a TIFF with {found}") });
        }
        let (mut tile, mut offsets, mut counts) = fields.tiles(width, height)?;
        let mut kind = compression;
        // 0 is written where there is none.
        let interchange = fields.values(513).filter(|start| start.get(0).is_some_and(|start| start > 0));
        if let (Compression::OldJpeg, Some(whole)) = (compression, interchange)
            && fields.strips_within(whole, offsets)
        {
            // One JPEG that can be read as it is. Its length is often told wrong, and it ends of itself.
            (kind, tile, offsets, counts) = (Compression::Jpeg, (width, height), whole, Values::default());
        }
        let (alpha, alpha_sample) = fields.alpha(photometric, samples);
        Ok(Self {
            big_endian: fields.file.big_endian,
            width,
            height,
            bits,
            float,
            samples,
            alpha,
            alpha_sample,
            photometric,
            chroma: match compression {
                Compression::Jpeg | Compression::OldJpeg => (1, 1),
                _ => (chroma.0.into(), chroma.1.into()),
            },
            compression: kind,
            differences,
            planar,
            low_bit_first: fields.number(266) == Some(2),
            tile,
            offsets,
            counts,
            palette: fields.values(320).unwrap_or_default(),
            jpeg_tables: fields.values(347).map(|values| values.bytes()),
            old_jpeg: OldJpeg {
                interchange: interchange.and_then(|start| start.get(0)),
                restart_interval: fields.number(515).and_then(|it| u16::try_from(it).ok()).unwrap_or(0),
                tables: [519, 520, 521].map(|tag| fields.values(tag).unwrap_or_default()),
                chroma,
            },
            icc: fields.values(34_675).map(|values| values.bytes()).filter(|icc| !icc.is_empty()),
            pages,
        })
    }

    /// Samples of a decoded pixel.
    pub fn channels(&self) -> u8 {
        let colours = match self.photometric {
            Photometric::WhiteIsZero | Photometric::BlackIsZero => 1,
            Photometric::Cmyk => 4,
            _ => 3,
        };
        colours + u8::from(self.alpha != Alpha::None)
    }

    /// Whether decoded samples have 16 bits.
    pub fn deep(&self) -> bool {
        self.bits > 8
    }

    /// Bytes of a row of a strip or tile, all samples or, of planes, one.
    pub fn tile_row_bytes(&self) -> u64 {
        let samples = if self.planar { 1 } else { u64::from(self.samples) };
        (u64::from(self.tile.0) * samples * u64::from(self.bits)).div_ceil(8)
    }

    /// Tiles beside each other.
    pub fn tiles_across(&self) -> u32 {
        self.width.div_ceil(self.tile.0)
    }

    /// Samples that have strips or tiles of their own.
    pub fn planes(&self) -> u16 {
        if self.planar { self.samples } else { 1 }
    }

    /// Peak bytes of the strips or tiles that lie beside each other while they are decompressed.
    pub fn held(&self) -> u64 {
        let whole = self.tile_row_bytes().saturating_mul(self.tile.1.min(self.height).into());
        let one = match self.compression {
            Compression::None | Compression::PackBits => 0,
            // As a picture; its coefficients, if it is progressive; the file that is made of it and its tables.
            // A tile may be larger than the picture.
            Compression::Jpeg | Compression::OldJpeg | Compression::WebP => {
                self.tile_row_bytes().saturating_mul(self.tile.1.into()).saturating_mul(4)
            }
            // The window, in a buffer that grows by doubling; tables and a block.
            Compression::Zstd => 2 * whole.min(MAX_ZSTD_WINDOW) + (512 << 10),
            // Where a row changes its colour, and the one above.
            Compression::Fax(_) => 8 * u64::from(self.tile.0),
            Compression::Lzw | Compression::Deflate if self.tiles_across() > 1 => {
                whole.min(DECOMPRESSOR_BYTES)
            }
            Compression::Lzw | Compression::Deflate => DECOMPRESSOR_BYTES,
        };
        let together = u64::from(self.tiles_across()) * u64::from(self.planes());
        let reversed = if self.low_bit_first { whole } else { 0 };
        // A row as bytes, as samples of a tile, as samples of the picture.
        let rows = 3 * self.tile_row_bytes() + 2 * u64::from(self.width) * u64::from(self.samples);
        let sources = one.saturating_add(reversed).saturating_add(SOURCE_BYTES).saturating_mul(together);
        sources.saturating_add(rows).saturating_add(DECOMPRESSOR_BYTES)
    }
}

impl Photometric {
    /// Samples that the colours have.
    pub const fn colours(self) -> u16 {
        match self {
            Self::WhiteIsZero | Self::BlackIsZero | Self::Palette => 1,
            Self::Rgb | Self::YCbCr => 3,
            Self::Cmyk => 4,
        }
    }
}

fn unsupported(what: impl Display) -> MediaError {
    MediaError::Unsupported { found: format!("a TIFF {what}") }
}

/// The byte order and the offsets' size.
#[derive(Debug, Clone, Copy)]
struct File<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    /// `BigTIFF`: offsets and counts have 8 bytes.
    wide: bool,
    /// Where the first directory stands.
    first: u64,
}

#[derive(Debug, Clone, Copy)]
struct Directory<'a> {
    file: File<'a>,
    /// The fields, 12 bytes each, of a `BigTIFF` 20.
    fields: &'a [u8],
    reduced: bool,
}

impl<'a> File<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, MediaError> {
        let big_endian = match bytes.first_chunk::<2>() {
            Some(b"II") => false,
            Some(b"MM") => true,
            _ => return Err(cut_short()),
        };
        let mut file = Self { bytes, big_endian, wide: false, first: 0 };
        file.wide = file.number(2, 2) == Some(43);
        let first = if file.wide { file.number(8, 8) } else { file.number(4, 4) };
        file.first = first.ok_or_else(cut_short)?;
        Ok(file)
    }

    fn slice(&self, start: u64, length: u64) -> Option<&'a [u8]> {
        let start = usize::try_from(start).ok()?;
        self.bytes.get(start..start.checked_add(usize::try_from(length).ok()?)?)
    }

    fn number(&self, start: u64, size: u64) -> Option<u64> {
        let data = self.slice(start, size)?;
        Values { data, size: data.len(), big_endian: self.big_endian }.get(0)
    }

    /// The directory at `start`, and where the next one stands, 0 behind the last.
    fn directory(&self, start: u64) -> Option<(Directory<'a>, u64)> {
        let (head, field) = if self.wide { (8, 20) } else { (2, 12) };
        let count = self.number(start, head)?.min(MAX_FIELDS);
        let first = start.checked_add(head)?;
        // A file that is cut within its directory still has the fields before.
        let rest = self.bytes.get(usize::try_from(first).ok()?..)?;
        let length = usize::try_from(count * field).ok()?.min(rest.len());
        let next = self.number(first + count * field, if self.wide { 8 } else { 4 }).unwrap_or(0);
        Some((Directory { file: *self, fields: &rest[..length], reduced: false }, next))
    }
}

impl<'a> Directory<'a> {
    fn number(&self, tag: u16) -> Option<u64> {
        self.values(tag)?.get(0)
    }

    fn edge(&self, tag: u16) -> Option<u32> {
        self.number(tag).and_then(|edge| u32::try_from(edge).ok())
    }

    fn compression(&self) -> Result<Compression, MediaError> {
        Ok(match self.number(259).unwrap_or(1) {
            1 => Compression::None,
            2 => Compression::Fax(Fax::Bytes),
            3 => {
                // The other options, fill and parts that aren't compressed, are seen in the data.
                let two_dimensional = self.number(292).is_some_and(|options| options & 1 == 1);
                Compression::Fax(Fax::Group3 { two_dimensional })
            }
            4 => Compression::Fax(Fax::Group4),
            5 => Compression::Lzw,
            6 => Compression::OldJpeg,
            7 => Compression::Jpeg,
            8 | 32_946 => Compression::Deflate,
            32_771 => Compression::Fax(Fax::Words),
            32_773 => Compression::PackBits,
            50_000 => Compression::Zstd,
            50_001 => Compression::WebP,
            other => return Err(unsupported(format!("of compression {other}"))),
        })
    }

    fn photometric(&self, compression: Compression, samples: u16) -> Result<Photometric, MediaError> {
        // Required, and left out now and then: what is on paper is black on white then.
        let usual = match compression {
            Compression::Fax(_) => 0,
            _ if samples >= 3 => 2,
            _ => 1,
        };
        Ok(match self.number(262).unwrap_or(usual) {
            0 => Photometric::WhiteIsZero,
            1 => Photometric::BlackIsZero,
            2 => Photometric::Rgb,
            3 => Photometric::Palette,
            5 if self.number(332).unwrap_or(1) == 1 => Photometric::Cmyk,
            6 => Photometric::YCbCr,
            other => return Err(unsupported(format!("of photometric interpretation {other}"))),
        })
    }

    /// Bits of a sample, and whether it is a float.
    fn depth(&self) -> Result<(u8, bool), MediaError> {
        let depths = self.values(258);
        let bits = depths.and_then(|depths| depths.get(0)).unwrap_or(1);
        let other = |depths: Values<'_>| {
            (1..depths.len().min(MAX_SAMPLES.into())).any(|at| depths.get(at) != Some(bits))
        };
        if depths.is_some_and(other) {
            return Err(unsupported("with samples of several depths"));
        }
        let format = self.number(339).unwrap_or(1);
        match (bits, format) {
            (1..=16 | 32, 1 | 4) => Ok((u8::try_from(bits).unwrap_or(u8::MAX), false)),
            (32, 3) => Ok((32, true)),
            _ => Err(unsupported(format!("with samples of {bits} bits in format {format}"))),
        }
    }

    /// The alpha, and which sample of a pixel it is.
    fn alpha(&self, photometric: Photometric, samples: u16) -> (Alpha, usize) {
        let colours = photometric.colours();
        let none = (Alpha::None, usize::from(colours));
        if matches!(photometric, Photometric::Cmyk | Photometric::Palette | Photometric::YCbCr) {
            return none;
        }
        let Some(kinds) = self.values(338) else {
            // Before TIFF 6.0 there was no word for it.
            let usual = photometric == Photometric::Rgb && samples == colours + 1;
            return if usual { (Alpha::Unassociated, none.1) } else { none };
        };
        let extra = usize::from(samples - colours);
        let found = (0..extra.min(kinds.len())).find_map(|at| match kinds.get(at) {
            Some(1) => Some((Alpha::Associated, none.1 + at)),
            Some(2) => Some((Alpha::Unassociated, none.1 + at)),
            // 0 is anything else, a selection in Photoshop's files for example.
            _ => None,
        });
        found.unwrap_or(none)
    }

    /// How many pixels share a sample of either chroma, across and down.
    fn chroma(&self) -> Result<(u8, u8), MediaError> {
        let Some(factors) = self.values(530) else { return Ok((2, 2)) };
        match (factors.get(0), factors.get(1)) {
            (Some(across @ (1 | 2 | 4)), Some(down @ (1 | 2 | 4))) => {
                Ok((u8::try_from(across).unwrap_or(1), u8::try_from(down).unwrap_or(1)))
            }
            _ => Err(MediaError::corrupt("chroma has an impossible size")),
        }
    }

    /// Whether the strips lie within the JPEG that begins at `whole`.
    fn strips_within(&self, whole: Values<'a>, strips: Values<'a>) -> bool {
        let (Some(start), Some(strip)) = (whole.get(0), strips.get(0)) else { return false };
        let length = self.number(514).unwrap_or(u64::MAX);
        (start..start.saturating_add(length)).contains(&strip)
    }

    fn differences(&self, compression: Compression, bits: u8) -> Result<bool, MediaError> {
        // A predictor belongs to these alone.
        if !matches!(compression, Compression::Lzw | Compression::Deflate | Compression::Zstd) {
            return Ok(false);
        }
        match self.number(317).unwrap_or(1) {
            1 => Ok(false),
            2 if matches!(bits, 8 | 16) => Ok(true),
            other => Err(unsupported(format!("of predictor {other} with {bits} bits"))),
        }
    }

    /// The size of strips or tiles, where each begins, and how long each is.
    fn tiles(&self, width: u32, height: u32) -> Result<((u32, u32), Values<'a>, Values<'a>), MediaError> {
        // Some writers of tiles tell their places as if they were strips.
        let either = |tile: u16, strip: u16| self.values(tile).or_else(|| self.values(strip));
        let (tile, offsets, counts) = if self.values(322).is_some() || self.values(324).is_some() {
            let (Some(across), Some(down)) = (self.edge(322), self.edge(323)) else {
                return Err(MediaError::corrupt("the tiles have no size"));
            };
            ((across, down), either(324, 273), either(325, 279))
        } else {
            let rows = self.edge(278).unwrap_or(height).min(height);
            // JPEG of the old kind may have no strips, and tell where it stands instead.
            ((width, rows), either(273, 513), self.values(279))
        };
        // Tiles are multiples of 16 both ways (TIFF 6.0, section 15); only a single one may be any size.
        if tile.1 == 0 || tile.0 < width.min(16) || tile.0 > MAX_TILE_EDGE.max(width) {
            return Err(MediaError::corrupt(format!("a strip or tile has {} × {} pixels", tile.0, tile.1)));
        }
        let Some(offsets) = offsets else {
            return Err(MediaError::corrupt("the directory tells no place of the pixels"));
        };
        Ok((tile, offsets, counts.unwrap_or_default()))
    }

    /// The values of a field of whole numbers or bytes.
    fn values(&self, tag: u16) -> Option<Values<'a>> {
        let wide = self.file.wide;
        let big_endian = self.file.big_endian;
        for field in self.fields.chunks_exact(if wide { 20 } else { 12 }) {
            let part = |start: usize, size: usize| {
                let data = field.get(start..start + size).unwrap_or_default();
                Values { data, size, big_endian }.get(0).unwrap_or(0)
            };
            if part(0, 2) != u64::from(tag) {
                continue;
            }
            // BYTE, ASCII, SBYTE and UNDEFINED; SHORT; LONG and IFD; LONG8 and IFD8.
            let size = match part(2, 2) {
                1 | 2 | 6 | 7 => 1,
                3 => 2,
                4 | 13 => 4,
                16 | 18 => 8,
                _ => return None,
            };
            let inline = if wide { 8 } else { 4 };
            let count = part(4, inline);
            let length = count.checked_mul(size)?;
            let data = if length <= inline as u64 {
                let start = 4 + inline;
                field.get(start..start + usize::try_from(length).ok()?)?
            } else {
                let start = part(4 + inline, inline);
                // As much as the file has of it.
                let left = (self.file.bytes.len() as u64).checked_sub(start)?;
                self.file.slice(start, length.min(left))?
            };
            return Some(Values { data, size: usize::try_from(size).ok()?, big_endian });
        }
        None
    }
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Header<'_, Tiff<'_>>, MediaError> {
    let tiff = Tiff::read(bytes)?;
    let facts = Facts {
        bytes_per_pixel: tiff.channels() * if tiff.deep() { 2 } else { 1 },
        frames: tiff.pages,
        exif: Some(bytes),
        icc: tiff.icc.map(Cow::Borrowed),
        held: tiff.held(),
        ..Facts::new("image/tiff", (tiff.width, tiff.height))?
    };
    Ok(Header { facts, head: tiff })
}
