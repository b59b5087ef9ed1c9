//! The boxes of an AVIF or HEIC file (ISO/IEC 23008-12, "HEIF"; 14496-12, "ISOBMFF"; AVIF 1.1).
//!
//! A file holds items: coded pictures, pictures put together from others (a phone writes a grid of tiles), and
//! metadata. The primary item is the picture; its properties tell size, colour, crop and turn; references tell
//! its tiles and its alpha.
//!
//! Invariants: boxes are walked in place, each byte of the file a bounded number of times. Counts in the file
//! allocate nothing: lists grow by what is there, up to the limits below. What an item refers to is followed a
//! few steps at most, so that loops end.

use std::{borrow::Cow, collections::BTreeMap};

use crate::{
    bytes::{Bytes, cut_short},
    error::MediaError,
    facts::{Facts, Header, upright},
    sniff::sniff,
};

pub(crate) const AVIF: &str = "image/avif";
pub(crate) const HEIC: &str = "image/heic";
/// H.264 within (ISO/IEC 23008-12, annex E): isn't decoded, but says of itself what the others say.
pub(crate) const AVCI: &str = "image/avci";

/// Most items; a phone writes about 60, for 100 megapixels 400.
const MAX_ITEMS: usize = 4_096;
/// Most tiles of a grid.
const MAX_TILES: usize = 4_096;
/// Most pieces that the data of all items lie in.
const MAX_EXTENTS: usize = 16_384;
/// Most properties, and most references of all items.
const MAX_LINKS: usize = 16_384;
/// Most pictures that an overlay lays over each other.
const MAX_LAYERS: usize = 16;
/// The number of the item that stands for a sequence's first picture: no file gets to so many.
const FIRST_PICTURE: u32 = u32::MAX;
/// How many items a picture may be derived through.
const MAX_DERIVATIONS: usize = 4;
/// A tile may be larger than the grid it is cut to, up to this edge.
const MAX_SPARE_TILE_EDGE: u32 = 4_096;

/// How an item is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec<'a> {
    /// With its `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15, 8.3.2.1).
    Hevc(&'a [u8]),
    Av1,
}

/// The numbers of an `nclx` colour box (ITU-T H.273).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nclx {
    pub primaries: u8,
    pub transfer: u8,
    pub matrix: u8,
    pub full_range: bool,
}

/// A coded picture: the whole, or a tile.
#[derive(Debug, Clone)]
pub(crate) struct Coded<'a> {
    pub codec: Codec<'a>,
    /// Of `ispe`: pixels across and down.
    pub size: (u32, u32),
    /// The bitstream, or what the file still has of it.
    pub data: Cow<'a, [u8]>,
    /// Whether the file has all of it.
    pub complete: bool,
    pub nclx: Option<Nclx>,
}

/// A picture made of `columns × rows` coded ones of one size; 1 × 1 for a single one.
#[derive(Debug, Clone)]
pub(crate) struct Mosaic {
    /// Pixels across and down, before any crop. The tiles cover it.
    pub size: (u32, u32),
    pub columns: u32,
    pub rows: u32,
    /// Pixels across and down of each tile.
    pub tile: (u32, u32),
    /// The items, row by row.
    pub tiles: Vec<u32>,
}

/// A cut-out: left, top, width, height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crop {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

#[derive(Debug, Clone, Copy)]
enum Property<'a> {
    Size(u32, u32),
    Deep(bool),
    Hevc(&'a [u8]),
    Av1(&'a [u8]),
    Nclx(Nclx),
    Icc(&'a [u8]),
    /// Quarter turns, anti-clockwise.
    Rotation(u8),
    /// 0 swaps top and bottom, 1 left and right.
    Mirror(u8),
    Crop(&'a [u8]),
    Auxiliary(&'a [u8]),
    Other,
}

#[derive(Debug, Clone, Copy)]
struct Extent {
    offset: u64,
    /// 0 for all that follows.
    length: u64,
}

#[derive(Debug, Default)]
struct Item {
    kind: [u8; 4],
    /// Of `mime` items.
    content_type: Vec<u8>,
    extents: Vec<Extent>,
    /// Whether the extents count from the `idat` box.
    in_idat: bool,
    /// Numbers of properties, from 1, in order.
    properties: Vec<u16>,
}

#[derive(Debug)]
struct Reference {
    kind: [u8; 4],
    from: u32,
    to: Vec<u32>,
}

/// A file's items.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    bytes: &'a [u8],
    idat: &'a [u8],
    primary: u32,
    items: BTreeMap<u32, Item>,
    properties: Vec<Property<'a>>,
    references: Vec<Reference>,
}

/// Pictures laid over each other (ISO/IEC 23008-12, 6.6.2.2).
#[derive(Debug)]
pub(crate) struct Overlay<'a> {
    /// What isn't covered: red, green, blue and alpha, in sRGB.
    pub fill: [u16; 4],
    /// From the lowest, with the places of their left upper corners, which may lie outside.
    pub layers: Vec<((i64, i64), Picture<'a>)>,
}

/// The primary picture, or one that it is made of.
#[derive(Debug)]
pub(crate) struct Picture<'a> {
    /// Of an overlay the canvas; its tiles mean nothing then.
    pub mosaic: Mosaic,
    pub overlay: Option<Overlay<'a>>,
    pub crop: Crop,
    /// EXIF's number for the turn and the mirroring.
    pub orientation: u8,
    pub nclx: Option<Nclx>,
    pub icc: Option<&'a [u8]>,
    pub alpha: Option<Mosaic>,
    /// Colours are multiplied by alpha.
    pub premultiplied: bool,
    pub deep: bool,
}

/// What only a HEIF file has.
#[derive(Debug)]
pub(crate) struct Heif<'a> {
    pub container: Container<'a>,
    pub picture: Picture<'a>,
    /// A smaller one of the same.
    pub thumbnail: Option<Picture<'a>>,
}

impl Heif<'_> {
    /// Whether its pictures are coded by HEVC.
    pub fn is_hevc(&self) -> bool {
        matches!(self.container.codec(&self.picture.mosaic), Some(Codec::Hevc(_)))
    }

    /// The thumbnail where it shows a picture of `target` pixels as well as the picture itself does.
    pub fn thumbnail_for(&self, target: (u32, u32)) -> Option<&Picture<'_>> {
        let (thumbnail, picture) = (self.thumbnail.as_ref()?, &self.picture);
        let whole = |picture: &Picture<'_>| (picture.crop.width, picture.crop.height) == picture.mosaic.size;
        let plain =
            |picture: &Picture<'_>| whole(picture) && picture.alpha.is_none() && picture.overlay.is_none();
        let ((width, height), (w, h)) = (picture.mosaic.size, thumbnail.mosaic.size);
        // The same but for rounding: the bars that old cameras put above and below are no part of the picture.
        let (across, down) = (u64::from(width) * u64::from(h), u64::from(height) * u64::from(w));
        let alike = across.abs_diff(down).saturating_mul(50) <= across;
        let larger = u64::from(w) >= 2 * u64::from(target.0) && u64::from(h) >= 2 * u64::from(target.1);
        (plain(picture)
            && plain(thumbnail)
            && alike
            && larger
            && thumbnail.orientation == picture.orientation)
            .then_some(thumbnail)
    }
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Header<'_, Heif<'_>>, MediaError> {
    let container = Container::parse(bytes)?;
    let picture = container.picture()?;
    let thumbnail = container.thumbnail().filter(|small| small.mosaic.size != picture.mosaic.size);
    let alpha = picture.alpha.is_some() || picture.overlay.is_some();
    let sample = if picture.deep { 2 } else { 1 };
    // A file that says it is one may be the other: the brand is a hint, the item's type is not.
    let content_type = match container.codec(&picture.mosaic) {
        Some(Codec::Hevc(_)) => HEIC,
        None if sniff(bytes).content_type == HEIC => HEIC,
        Some(Codec::Av1) | None => AVIF,
    };
    let facts = Facts {
        whole: picture.mosaic.size,
        bytes_per_pixel: sample * if alpha { 4 } else { 3 },
        exif: match container.exif() {
            Some(Cow::Borrowed(exif)) => Some(exif),
            _ => None,
        },
        orientation: Some(picture.orientation),
        icc: picture.icc.map(Cow::Borrowed),
        ..Facts::new(content_type, (picture.crop.width, picture.crop.height))?
    };
    Ok(Header { facts, head: Heif { container, picture, thumbnail } })
}

/// Walks the boxes in `bytes`: type and content. The last one may be cut short; 0 as a size means up to the
/// end (ISO/IEC 14496-12, 4.2).
fn boxes(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (size, behind) = rest.split_first_chunk::<4>()?;
        let (kind, behind) = behind.split_first_chunk::<4>()?;
        let (size, content) = match u32::from_be_bytes(*size) {
            0 => (rest.len(), behind),
            1 => {
                let (size, content) = behind.split_first_chunk::<8>()?;
                (usize::try_from(u64::from_be_bytes(*size)).ok()?, content)
            }
            size => (size as usize, behind),
        };
        let header = rest.len() - content.len();
        let length = size.checked_sub(header)?.min(content.len());
        rest = &content[length..];
        Some((*kind, &content[..length]))
    })
}

/// Version, flags and content of a full box.
fn full(bytes: &[u8]) -> Option<(u8, u32, &[u8])> {
    let (&[version, f2, f1, f0], content) = bytes.split_first_chunk::<4>()?;
    Some((version, u32::from_be_bytes([0, f2, f1, f0]), content))
}

/// Takes numbers from the front of a box.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A big-endian number of `size` bytes, at most 8.
    fn number(&mut self, size: usize) -> Option<u64> {
        Some(self.take(size)?.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// An item's number: 16 bits, in newer versions of a box 32.
    fn item(&mut self, wide: bool) -> Option<u32> {
        self.number(if wide { 4 } else { 2 }).and_then(|number| u32::try_from(number).ok())
    }
}

impl<'a> Container<'a> {
    /// Reads the `meta` box; where that has no picture, the first one of a sequence.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MediaError> {
        let (mut meta, mut movie) = (None, None);
        for (kind, content) in boxes(bytes) {
            match &kind {
                b"meta" => meta = meta.or(Some(content)),
                b"moov" => movie = movie.or(Some(content)),
                _ => {}
            }
        }
        let mut container = Self {
            bytes,
            idat: &[],
            primary: 0,
            items: BTreeMap::new(),
            properties: Vec::new(),
            references: Vec::new(),
        };
        let read = meta.map_or_else(|| Err(cut_short()), |meta| container.read_meta(meta));
        match movie {
            Some(movie) if !container.items.contains_key(&container.primary) => {
                let first = container.read_movie(movie);
                let found = "an image sequence coded in another way than by HEVC or AV1";
                first.ok_or_else(|| MediaError::Unsupported { found: found.to_owned() })?;
            }
            _ => read?,
        }
        Ok(container)
    }

    fn read_meta(&mut self, meta: &'a [u8]) -> Result<(), MediaError> {
        let (_, _, meta) = full(meta).ok_or_else(cut_short)?;
        let child = |wanted: &[u8; 4]| {
            boxes(meta).find(|(kind, _)| kind == wanted).map_or(&[][..], |(_, content)| content)
        };
        self.idat = child(b"idat");
        self.read_items(child(b"iinf"))?;
        // What is cut off in the following is missed when it is needed.
        self.read_locations(child(b"iloc"))?;
        let properties = child(b"iprp");
        for (kind, content) in boxes(properties) {
            match &kind {
                b"ipco" => self.read_properties(content)?,
                b"ipma" => _ = self.read_associations(content),
                _ => {}
            }
        }
        self.read_references(child(b"iref"))?;
        let (version, _, content) = full(child(b"pitm")).ok_or_else(cut_short)?;
        self.primary = Reader(content).item(version > 0).ok_or_else(cut_short)?;
        Ok(())
    }

    /// Takes the first picture of a sequence (ISO/IEC 23008-12, 7) for an item: its track's first sample, which stands where
    /// its first chunk does (ISO/IEC 14496-12, 8.7). `None` where there is none that can be decoded.
    fn read_movie(&mut self, movie: &'a [u8]) -> Option<()> {
        let tracks = boxes(movie).filter(|(kind, _)| kind == b"trak").take(64);
        let (kind, entry, extent, turn) =
            tracks.map(|(_, track)| first_picture(track)).find_map(|found| found)?;
        // Behind 78 bytes of a visual sample entry stand boxes, which are what an item's properties are (12.1.3).
        let size = Property::Size(Bytes(entry).be16(24)?.into(), Bytes(entry).be16(26)?.into());
        let described = boxes(entry.get(78..)?).filter_map(|(kind, content)| property(kind, content));
        let first = self.properties.len();
        self.properties.extend([size, Property::Rotation(turn)].into_iter().chain(described.take(64)));
        let numbers = first + 1..=self.properties.len();
        let properties = numbers.filter_map(|number| u16::try_from(number).ok()).collect();
        self.primary = FIRST_PICTURE;
        let item = Item { kind, extents: vec![extent], properties, ..Item::default() };
        self.items.insert(FIRST_PICTURE, item);
        Some(())
    }

    /// `iinf` (ISO/IEC 14496-12, 8.11.6).
    fn read_items(&mut self, content: &[u8]) -> Result<(), MediaError> {
        let (version, _, content) = full(content).ok_or_else(cut_short)?;
        let entries = content.get(if version == 0 { 2 } else { 4 }..).ok_or_else(cut_short)?;
        for (kind, entry) in boxes(entries) {
            if &kind != b"infe" {
                continue;
            }
            let Some((version @ 2.., _, entry)) = full(entry) else { continue };
            let mut reader = Reader(entry);
            let (Some(id), Some(_protection), Some(kind)) =
                (reader.item(version > 2), reader.u16(), reader.take(4))
            else {
                continue;
            };
            let mut strings = reader.0.split(|byte| *byte == 0);
            let _name = strings.next();
            let content_type = if kind == b"mime" { strings.next().unwrap_or_default() } else { &[] };
            if self.items.len() >= MAX_ITEMS {
                return Err(too_many("items", MAX_ITEMS));
            }
            let kind = [kind[0], kind[1], kind[2], kind[3]];
            self.items.entry(id).or_insert_with(|| Item {
                kind,
                content_type: content_type.iter().take(64).copied().collect(),
                ..Item::default()
            });
        }
        Ok(())
    }

    /// `iloc` (ISO/IEC 14496-12, 8.11.3).
    fn read_locations(&mut self, content: &[u8]) -> Result<(), MediaError> {
        let Some((version, _, content)) = full(content) else { return Ok(()) };
        let mut reader = Reader(content);
        let mut left = MAX_EXTENTS;
        let mut read = || -> Option<Result<(), MediaError>> {
            let sizes = reader.u16()?;
            let size = |shift: u16| usize::from(sizes >> shift & 15);
            let (offset_size, length_size, base_size) = (size(12), size(8), size(4));
            let index_size = if version == 0 { 0 } else { size(0) };
            if [offset_size, length_size, base_size, index_size].into_iter().any(|size| size > 8) {
                return Some(Err(MediaError::corrupt("an item's place is told in more than 64 bits")));
            }
            let count = reader.item(version > 1)?;
            for _ in 0..count {
                let id = reader.item(version > 1)?;
                let method = if version == 0 { 0 } else { reader.u16()? & 15 };
                let data_reference = reader.u16()?;
                let base = reader.number(base_size)?;
                let extents = reader.u16()?;
                let mut item = self.items.get_mut(&id).filter(|_| method < 2 && data_reference == 0);
                if let Some(item) = &mut item {
                    item.in_idat = method == 1;
                    item.extents.clear();
                }
                for _ in 0..extents {
                    reader.take(index_size)?;
                    let offset = base.saturating_add(reader.number(offset_size)?);
                    let length = reader.number(length_size)?;
                    let Some(fewer) = left.checked_sub(1) else {
                        return Some(Err(too_many("pieces", MAX_EXTENTS)));
                    };
                    left = fewer;
                    if let Some(item) = &mut item {
                        item.extents.push(Extent { offset, length });
                    }
                }
            }
            Some(Ok(()))
        };
        read().unwrap_or(Ok(()))
    }

    /// `ipco` (ISO/IEC 23008-12, 9.3).
    fn read_properties(&mut self, content: &'a [u8]) -> Result<(), MediaError> {
        for (kind, content) in boxes(content) {
            if self.properties.len() >= MAX_LINKS {
                return Err(too_many("properties", MAX_LINKS));
            }
            self.properties.push(property(kind, content).unwrap_or(Property::Other));
        }
        Ok(())
    }

    /// `ipma` (ISO/IEC 23008-12, 9.3). `None` when it is cut short.
    fn read_associations(&mut self, content: &[u8]) -> Option<()> {
        let (version, flags, content) = full(content)?;
        let mut reader = Reader(content);
        let count = reader.number(4)?;
        for _ in 0..count {
            let id = reader.item(version > 0)?;
            let associations = reader.u8()?;
            let mut item = self.items.get_mut(&id);
            for _ in 0..associations {
                // The highest bit says that a reader must understand it.
                let number =
                    if flags & 1 == 1 { reader.u16()? & 0x7FFF } else { u16::from(reader.u8()? & 0x7F) };
                if let Some(item) = &mut item
                    && item.properties.len() < 256
                {
                    item.properties.push(number);
                }
            }
        }
        Some(())
    }

    /// `iref` (ISO/IEC 14496-12, 8.11.12).
    fn read_references(&mut self, content: &[u8]) -> Result<(), MediaError> {
        let Some((version, _, content)) = full(content) else { return Ok(()) };
        let mut left = MAX_LINKS;
        for (kind, content) in boxes(content) {
            let mut reader = Reader(content);
            let (Some(from), Some(count)) = (reader.item(version > 0), reader.u16()) else { continue };
            let to: Vec<u32> = std::iter::from_fn(|| reader.item(version > 0)).take(count.into()).collect();
            left = left.checked_sub(to.len().max(1)).ok_or_else(|| too_many("references", MAX_LINKS))?;
            self.references.push(Reference { kind, from, to });
        }
        Ok(())
    }

    fn properties_of(&self, item: &Item) -> impl Iterator<Item = Property<'a>> {
        item.properties
            .iter()
            .filter_map(|&number| self.properties.get(usize::from(number).checked_sub(1)?).copied())
    }

    /// Where the references of `kind` from `item` lead.
    fn follow(&self, item: u32, kind: [u8; 4]) -> &[u32] {
        self.references
            .iter()
            .find(|reference| reference.from == item && reference.kind == kind)
            .map_or(&[], |reference| reference.to.as_slice())
    }

    /// The data of an item, and whether the file has all of it.
    fn data(&self, item: &Item) -> (Cow<'a, [u8]>, bool) {
        let source = if item.in_idat { self.idat } else { self.bytes };
        let mut complete = !item.extents.is_empty();
        let mut piece = |extent: &Extent| -> &'a [u8] {
            let from = usize::try_from(extent.offset).ok().and_then(|offset| source.get(offset..));
            let Some(from) = from else {
                complete = false;
                return &[];
            };
            let length = usize::try_from(extent.length).unwrap_or(usize::MAX);
            if length == 0 {
                return from;
            }
            complete &= length <= from.len();
            &from[..length.min(from.len())]
        };
        let data = match item.extents.as_slice() {
            [] => Cow::Borrowed(&[][..]),
            [extent] => Cow::Borrowed(piece(extent)),
            extents => {
                let mut whole = Vec::new();
                for extent in extents {
                    let piece = piece(extent);
                    // Extents don't overlap: together they are no longer than the file.
                    if whole.len() + piece.len() > self.bytes.len() {
                        return (Cow::Owned(whole), false);
                    }
                    whole.extend_from_slice(piece);
                }
                Cow::Owned(whole)
            }
        };
        (data, complete)
    }

    /// A coded item, to be decoded.
    pub fn coded(&self, id: u32) -> Result<Coded<'a>, MediaError> {
        let item = self.item(id)?;
        let codec = self.codec_of(item)?;
        let size = self.size(item)?;
        let nclx = self.properties_of(item).find_map(|property| match property {
            Property::Nclx(nclx) => Some(nclx),
            _ => None,
        });
        let (data, complete) = self.data(item);
        Ok(Coded { codec, size, data, complete, nclx })
    }

    fn item(&self, id: u32) -> Result<&Item, MediaError> {
        self.items.get(&id).ok_or_else(|| MediaError::corrupt(format!("there is no item {id}")))
    }

    fn size(&self, item: &Item) -> Result<(u32, u32), MediaError> {
        self.properties_of(item)
            .find_map(|property| match property {
                Property::Size(width, height) if width > 0 && height > 0 => Some((width, height)),
                _ => None,
            })
            .ok_or_else(|| MediaError::corrupt("an item has no size"))
    }

    fn codec_of(&self, item: &Item) -> Result<Codec<'a>, MediaError> {
        match &item.kind {
            b"av01" => Ok(Codec::Av1),
            b"hvc1" => self
                .properties_of(item)
                .find_map(|property| match property {
                    Property::Hevc(config) => Some(Codec::Hevc(config)),
                    _ => None,
                })
                .ok_or_else(|| MediaError::corrupt("an item has no HEVC configuration")),
            kind => Err(MediaError::Unsupported {
                found: match kind {
                    b"avc1" => "a HEIF picture coded by H.264",
                    b"vvc1" => "a HEIF picture coded by H.266",
                    b"jpeg" => "a HEIF picture coded as JPEG",
                    b"j2k1" => "a HEIF picture coded as JPEG 2000",
                    b"unci" => "a HEIF picture that isn't compressed",
                    b"iovl" => "a HEIF overlay within another one",
                    _ => "a HEIF picture of an unknown kind",
                }
                .to_owned(),
            }),
        }
    }

    fn codec(&self, mosaic: &Mosaic) -> Option<Codec<'a>> {
        self.codec_of(self.items.get(mosaic.tiles.first()?)?).ok()
    }

    /// The primary picture with what belongs to it.
    pub fn picture(&self) -> Result<Picture<'a>, MediaError> {
        self.picture_of(self.primary, true)
    }

    /// A smaller picture of the primary one (ISO/IEC 23008-12, 6.4.5).
    fn thumbnail(&self) -> Option<Picture<'a>> {
        let mut references = self.references.iter();
        let found = references.find(|found| &found.kind == b"thmb" && found.to.contains(&self.primary))?;
        self.picture_of(found.from, false).ok()
    }

    fn picture_of(&self, primary: u32, overlays: bool) -> Result<Picture<'a>, MediaError> {
        // An identity derivation is its source with further properties (ISO/IEC 23008-12, 6.6.2.1).
        let mut chain = vec![primary];
        while let &[.., last] = chain.as_slice()
            && &self.item(last)?.kind == b"iden"
        {
            let Some(&source) = self.follow(last, *b"dimg").first() else {
                return Err(MediaError::corrupt("a derived item has no source"));
            };
            if chain.len() > MAX_DERIVATIONS {
                return Err(MediaError::corrupt("items are derived from each other without end"));
            }
            chain.push(source);
        }
        let id = chain.last().copied().unwrap_or(primary);
        let (mosaic, overlay) = if overlays && &self.item(id)?.kind == b"iovl" {
            let (size, overlay) = self.overlay(id)?;
            // For the codec and the depth alone.
            let tiles = overlay.layers.first().map_or_else(Vec::new, |(_, layer)| layer.mosaic.tiles.clone());
            (Mosaic { size, columns: 1, rows: 1, tile: size, tiles }, Some(overlay))
        } else {
            (self.mosaic(id)?, None)
        };
        let (mut nclx, mut icc, mut deep) = (None, None, None);
        let mut crop = Crop { left: 0, top: 0, width: mosaic.size.0, height: mosaic.size.1 };
        let mut turn = Turn::default();
        for &id in chain.iter().rev() {
            for property in self.properties_of(self.item(id)?) {
                match property {
                    Property::Nclx(found) => nclx = nclx.or(Some(found)),
                    Property::Icc(found) => icc = icc.or(Some(found)),
                    Property::Deep(found) => deep = deep.or(Some(found)),
                    // Each changes what the ones before it made (ISO/IEC 23008-12, 6.3).
                    Property::Rotation(quarters) => turn.rotate(quarters),
                    Property::Mirror(axis) => turn.mirror(axis),
                    Property::Crop(clap) => {
                        let (width, height) = upright((crop.width, crop.height), turn.orientation());
                        let shown = Crop { left: 0, top: 0, width, height };
                        if let Some(left) = clean_aperture(clap, shown) {
                            crop = turn.undo(left, crop);
                        }
                    }
                    _ => {}
                }
            }
        }
        let deep = deep.or_else(|| self.tile_is_deep(&mosaic)).unwrap_or(false) && overlay.is_none();
        let alpha = self
            .alpha_of(&chain)
            .filter(|alpha| alpha.size.0 <= mosaic.size.0 && alpha.size.1 <= mosaic.size.1)
            .filter(|_| overlay.is_none());
        let premultiplied = chain.iter().any(|&id| !self.follow(id, *b"prem").is_empty());
        let orientation = turn.orientation();
        Ok(Picture { mosaic, overlay, crop, orientation, nclx, icc, alpha, premultiplied, deep })
    }

    /// The canvas of an overlay, and what is laid onto it.
    fn overlay(&self, id: u32) -> Result<((u32, u32), Overlay<'a>), MediaError> {
        let (data, _) = self.data(self.item(id)?);
        let sources = self.follow(id, *b"dimg");
        if sources.len() > MAX_LAYERS {
            return Err(too_many("pictures over each other", MAX_LAYERS));
        }
        let mut reader = Reader(&data);
        let read = (|| {
            let (_version, flags) = (reader.u8()?, reader.u8()?);
            let fill = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
            let wide = flags & 1 == 1;
            let mut edge = || reader.number(if wide { 4 } else { 2 });
            let size = (u32::try_from(edge()?).ok()?, u32::try_from(edge()?).ok()?);
            // Places are signed.
            let signed = |number: u64| {
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                let [_, _, high, low] = number.to_be_bytes();
                if wide { number.cast_signed().into() } else { i16::from_be_bytes([high, low]).into() }
            };
            let places: Option<Vec<(i64, i64)>> =
                sources.iter().map(|_| Some((signed(edge()?), signed(edge()?)))).collect();
            Some((fill, size, places?))
        })();
        let Some((fill, size, places)) = read.filter(|(_, size, _)| size.0 > 0 && size.1 > 0) else {
            return Err(MediaError::corrupt("the overlay is cut short"));
        };
        let layers = places
            .into_iter()
            .zip(sources)
            .map(|(place, &source)| Ok((place, self.picture_of(source, false)?)))
            .collect::<Result<Vec<_>, MediaError>>()?;
        if layers.is_empty() {
            return Err(MediaError::corrupt("the overlay has no pictures"));
        }
        Ok((size, Overlay { fill, layers }))
    }

    /// The depth as the first tile's `pixi` or decoder configuration has it.
    fn tile_is_deep(&self, mosaic: &Mosaic) -> Option<bool> {
        let item = self.items.get(mosaic.tiles.first()?)?;
        self.properties_of(item).find_map(|property| match property {
            Property::Deep(deep) => Some(deep),
            // bitDepthLumaMinus8
            Property::Hevc(config) => config.get(17).map(|depth| depth & 7 != 0),
            // high_bitdepth
            Property::Av1(config) => config.get(2).map(|flags| flags & 0x40 != 0),
            _ => None,
        })
    }

    /// A coded item or a grid of them.
    fn mosaic(&self, id: u32) -> Result<Mosaic, MediaError> {
        let item = self.item(id)?;
        if &item.kind != b"grid" {
            self.codec_of(item)?;
            let size = self.size(item)?;
            return Ok(Mosaic { size, columns: 1, rows: 1, tile: size, tiles: vec![id] });
        }
        // ISO/IEC 23008-12, 6.6.2.3.2.
        let (data, _) = self.data(item);
        let mut reader = Reader(&data);
        let grid = (|| {
            let (_version, flags) = (reader.u8()?, reader.u8()?);
            let (rows, columns) = (u32::from(reader.u8()?) + 1, u32::from(reader.u8()?) + 1);
            let edge = if flags & 1 == 1 { 4 } else { 2 };
            let mut edge = || reader.number(edge).and_then(|edge| u32::try_from(edge).ok());
            Some((rows, columns, edge()?, edge()?))
        })();
        let Some((rows, columns, width, height)) = grid else {
            return Err(MediaError::corrupt("the grid is cut short"));
        };
        let tiles = self.follow(id, *b"dimg");
        let count = rows as usize * columns as usize;
        if count > MAX_TILES {
            return Err(too_many("tiles", MAX_TILES));
        }
        if tiles.len() != count {
            return Err(MediaError::corrupt(format!(
                "a grid of {columns} × {rows} has {} tiles",
                tiles.len()
            )));
        }
        let first = self.item(tiles[0])?;
        self.codec_of(first)?;
        let tile = self.size(first)?;
        for &tile_id in tiles {
            let item = self.item(tile_id)?;
            self.codec_of(item)?;
            if self.size(item)? != tile {
                return Err(MediaError::corrupt("the tiles of the grid differ in size"));
            }
        }
        // The tiles must cover the picture, and none lies outside of it: this bounds the work by its size.
        let fits = |edge: u32, tile: u32, count: u32| {
            let (edge, tile, count) = (u64::from(edge), u64::from(tile), u64::from(count));
            edge > 0 && tile * count >= edge && tile * (count - 1) < edge
        };
        let spare = |edge: u32, tile: u32| tile <= edge.next_multiple_of(64).max(MAX_SPARE_TILE_EDGE);
        if width > i32::MAX as u32
            || height > i32::MAX as u32
            || !fits(width, tile.0, columns)
            || !fits(height, tile.1, rows)
            || !spare(width, tile.0)
            || !spare(height, tile.1)
        {
            return Err(MediaError::corrupt("the tiles don't make up the grid"));
        }
        Ok(Mosaic { size: (width, height), columns, rows, tile, tiles: tiles.to_vec() })
    }

    /// The alpha plane of any of the items that make up the primary picture.
    fn alpha_of(&self, chain: &[u32]) -> Option<Mosaic> {
        self.references
            .iter()
            .filter(|reference| &reference.kind == b"auxl")
            .filter(|reference| reference.to.iter().any(|id| chain.contains(id)))
            .find(|reference| {
                self.items.get(&reference.from).is_some_and(|item| {
                    self.properties_of(item).any(|property| match property {
                        // MIAF's name, and that of HEVC's first edition.
                        Property::Auxiliary(name) => {
                            name.starts_with(b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha")
                                || name.starts_with(b"urn:mpeg:hevc:2015:auxid:1")
                        }
                        _ => false,
                    })
                })
            })
            .and_then(|reference| self.mosaic(reference.from).ok())
    }

    /// Items that describe the primary picture.
    fn described_by(&self, wanted: impl Fn(&Item) -> bool) -> Option<Cow<'a, [u8]>> {
        let describes = |id: u32| {
            self.references.iter().any(|reference| {
                &reference.kind == b"cdsc" && reference.from == id && reference.to.contains(&self.primary)
            })
        };
        let found = self.items.iter().filter(|(_, item)| wanted(item));
        // Some writers leave the reference out.
        let (_, item) = found.clone().find(|(id, _)| describes(**id)).or_else(|| found.clone().next())?;
        Some(self.data(item).0)
    }

    /// The TIFF structure of the EXIF item: it begins behind as many bytes as its first four tell
    /// (ISO/IEC 23008-12, A.2.1).
    pub fn exif(&self) -> Option<Cow<'a, [u8]>> {
        fn tiff(data: &[u8]) -> Option<&[u8]> {
            let skip = usize::try_from(Bytes(data).be32(0)?).ok()?;
            data.get(4..)?.get(skip..)
        }
        Some(match self.described_by(|item| &item.kind == b"Exif")? {
            Cow::Borrowed(data) => Cow::Borrowed(tiff(data)?),
            Cow::Owned(data) => Cow::Owned(tiff(&data)?.to_vec()),
        })
    }

    pub fn xmp(&self) -> Option<Cow<'a, [u8]>> {
        self.described_by(|item| {
            &item.kind == b"mime" && item.content_type.eq_ignore_ascii_case(b"application/rdf+xml")
        })
    }
}

/// The first picture of a track: how it is coded, its sample entry, where it lies, and quarter turns anti-clockwise.
fn first_picture(track: &[u8]) -> Option<([u8; 4], &[u8], Extent, u8)> {
    fn child(parent: &[u8], wanted: [u8; 4]) -> Option<&[u8]> {
        boxes(parent).find(|(kind, _)| *kind == wanted).map(|(_, content)| content)
    }
    let media = child(track, *b"mdia")?;
    // Depth and alpha are tracks of other kinds.
    if !matches!(child(media, *b"hdlr")?.get(8..12)?, b"pict" | b"vide") {
        return None;
    }
    let table = child(child(media, *b"minf")?, *b"stbl")?;
    let (kind, entry) = boxes(child(table, *b"stsd")?.get(8..)?).next()?;
    let kind = match &kind {
        b"hvc1" | b"hev1" => *b"hvc1",
        b"av01" => *b"av01",
        _ => return None,
    };
    let sizes = Bytes(child(table, *b"stsz")?);
    let length = sizes.be32(4).filter(|size| *size > 0).or_else(|| sizes.be32(12))?.into();
    let narrow = || Bytes(child(table, *b"stco")?).be32(8).map(u64::from);
    let wide = || {
        let offsets = Bytes(child(table, *b"co64")?);
        Some(u64::from(offsets.be32(8)?) << 32 | u64::from(offsets.be32(12)?))
    };
    let offset = narrow().or_else(wide)?;
    Some((kind, entry, Extent { offset, length }, turned(child(track, *b"tkhd"))))
}

/// Quarter turns anti-clockwise of a track, by its header's matrix (ISO/IEC 14496-12, 8.3.2).
fn turned(header: Option<&[u8]>) -> u8 {
    let matrix = || {
        let (version, _, fields) = full(header?)?;
        let fields = Bytes(fields);
        let start = if version == 1 { 48 } else { 36 };
        let sign = |at: usize| fields.be32(start + 4 * at).map(|number| number.cast_signed().signum());
        Some([sign(0)?, sign(1)?, sign(3)?, sign(4)?])
    };
    match matrix() {
        Some([0, 1, -1, 0]) => 3,
        Some([-1, 0, 0, -1]) => 2,
        Some([0, -1, 1, 0]) => 1,
        _ => 0,
    }
}

fn too_many(what: &str, limit: usize) -> MediaError {
    MediaError::corrupt(format!("there are more than {limit} {what}"))
}

/// One property; `None` when it is cut short.
fn property(kind: [u8; 4], content: &[u8]) -> Option<Property<'_>> {
    let bytes = Bytes(content);
    Some(match &kind {
        b"ispe" => Property::Size(bytes.be32(4)?, bytes.be32(8)?),
        b"pixi" => {
            let channels = usize::from(bytes.u8(4)?);
            Property::Deep(content.get(5..)?.iter().take(channels).any(|&depth| depth > 8))
        }
        b"hvcC" => Property::Hevc(content),
        b"av1C" => Property::Av1(content),
        b"colr" => match content.split_first_chunk::<4>()? {
            (b"nclx", _) => Property::Nclx(Nclx {
                // Code points above 255 don't exist.
                primaries: u8::try_from(bytes.be16(4)?).unwrap_or(2),
                transfer: u8::try_from(bytes.be16(6)?).unwrap_or(2),
                matrix: u8::try_from(bytes.be16(8)?).unwrap_or(2),
                full_range: bytes.u8(10)? & 0x80 != 0,
            }),
            (b"prof" | b"rICC", profile) => Property::Icc(profile),
            _ => Property::Other,
        },
        b"irot" => Property::Rotation(bytes.u8(0)? & 3),
        b"imir" => Property::Mirror(bytes.u8(0)? & 1),
        b"clap" => Property::Crop(content),
        b"auxC" => Property::Auxiliary(content.get(4..)?),
        _ => Property::Other,
    })
}

/// The pixels that a clean aperture leaves of `whole` (ISO/IEC 14496-12, 12.1.4): its size and the offset of its
/// centre are fractions. `None` when it isn't within the picture.
fn clean_aperture(clap: &[u8], whole: Crop) -> Option<Crop> {
    let bytes = Bytes(clap);
    let number = |at: usize| bytes.be32(4 * at).map(i64::from);
    let signed = |at: usize| bytes.be32(4 * at).map(|number| i64::from(number.cast_signed()));
    let edge = |at: usize, edge: u32| -> Option<(u32, u32)> {
        let length = number(at)?.checked_div(number(at + 1)?)?;
        let (offset, divisor) = (signed(at + 4)?, signed(at + 5)?);
        if divisor <= 0 {
            return None;
        }
        // Where the middle is moved from the middle: floor((edge - length) / 2 + offset / divisor).
        let start = ((i64::from(edge) - length).checked_mul(divisor)?.checked_add(2 * offset)?)
            .div_euclid(2 * divisor);
        let (start, length) = (u32::try_from(start).ok()?, u32::try_from(length).ok()?);
        (length > 0 && start.checked_add(length)? <= edge).then_some((start, length))
    };
    let (left, width) = edge(0, whole.width)?;
    let (top, height) = edge(2, whole.height)?;
    Some(Crop { left: whole.left + left, top: whole.top + top, width, height })
}

/// What turns and mirrors add up to: a mirroring of left and right, then quarter turns clockwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Turn {
    mirrored: bool,
    quarters: u8,
}

impl Turn {
    /// `quarters` anti-clockwise.
    fn rotate(&mut self, quarters: u8) {
        self.quarters = (self.quarters + 4 - (quarters & 3)) & 3;
    }

    /// 0 swaps top and bottom, 1 left and right.
    fn mirror(&mut self, axis: u8) {
        // A mirroring behind a turn is one before the turn the other way round; top and bottom is left and
        // right with half a turn.
        self.quarters = (8 - self.quarters + if axis == 0 { 2 } else { 0 }) & 3;
        self.mirrored = !self.mirrored;
    }

    /// Where `part` of what is shown of `whole`, turned so, lies as it is stored.
    fn undo(self, part: Crop, whole: Crop) -> Crop {
        let (mut part, mut shown) = (part, upright((whole.width, whole.height), self.orientation()));
        for _ in 0..self.quarters {
            // What stands on the right after a turn stood on top.
            let Crop { left, top, width, height } = part;
            part = Crop { left: top, top: shown.0 - left - width, width: height, height: width };
            shown = (shown.1, shown.0);
        }
        let left = if self.mirrored { whole.width - part.left - part.width } else { part.left };
        Crop { left: whole.left + left, top: whole.top + part.top, ..part }
    }

    /// EXIF's number for the same.
    fn orientation(self) -> u8 {
        match (self.mirrored, self.quarters) {
            (false, 0) => 1,
            (false, 1) => 6,
            (false, 2) => 3,
            (false, _) => 8,
            (true, 0) => 2,
            (true, 1) => 7,
            (true, 2) => 4,
            (true, _) => 5,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
