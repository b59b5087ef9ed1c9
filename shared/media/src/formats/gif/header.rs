//! The header of a GIF (`GIF89a`): a screen, then blocks, each image descriptor of which is a frame. Headers and frames
//! are read by the same walk, [`Blocks`].
//!
//! Where files and the specification disagree, files are read as browsers read them.

use crate::{
    bytes::{Bytes, cut_short},
    decode::frames::{Disposal, Rect},
    error::MediaError,
    facts::{Facts, Header},
};

/// What stands behind an XMP packet, so that its text passes for sub-blocks: descending bytes.
const XMP_TRAILER: usize = 258;

/// Labels of extensions.
const CONTROL: u8 = 0xF9;
const APPLICATION: u8 = 0xFF;

/// What only a GIF has.
#[derive(Debug)]
pub(crate) struct Gif<'a> {
    /// The XMP packet, unblocked in an application extension (XMP part 3, 1.1.2).
    pub xmp: Option<&'a [u8]>,
    /// The ICC profile, in sub-blocks ("Embedding ICC profiles in GIF files", ICC.1, annex B).
    pub icc: Option<SubBlocks<'a>>,
    /// The colours of frames that have none of their own, R, G, B; empty where there are none.
    pub palette: &'a [u8],
    /// How often it plays, 0 for ever.
    pub loops: u32,
    /// Where the first block stands.
    pub first: usize,
    /// Bytes of the longest frame's data.
    pub longest: usize,
}

/// The bytes of a block, in pieces of up to 255, as far as the file has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SubBlocks<'a> {
    /// With the length before each piece.
    data: &'a [u8],
    /// The block is ended as it should be, not by the file's end.
    pub whole: bool,
}

impl<'a> SubBlocks<'a> {
    /// Those that begin at `at`, and where the next block stands.
    fn at(data: &'a [u8], at: usize) -> (Self, usize) {
        let mut end = at;
        while let Some(&length @ 1..) = data.get(end) {
            end += 1 + usize::from(length);
        }
        let blocks = data.get(at..end.min(data.len())).unwrap_or_default();
        (Self { data: blocks, whole: end < data.len() }, end + 1)
    }

    /// The pieces.
    pub fn pieces(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.data;
        std::iter::from_fn(move || {
            let (&length, behind) = rest.split_first()?;
            let (piece, next) = behind.split_at(behind.len().min(length.into()));
            rest = next;
            Some(piece)
        })
    }
}

/// What stands before a frame's pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameHead<'a> {
    pub rect: Rect,
    pub interlaced: bool,
    /// Its own colours, R, G, B.
    pub palette: Option<&'a [u8]>,
    pub transparent: Option<u8>,
    pub disposal: Disposal,
    /// For how long it is shown, in hundredths of a second.
    pub delay: u16,
    /// Bits of a sample as they are compressed.
    pub bits: u8,
    pub data: SubBlocks<'a>,
}

/// A block of a file.
enum Block<'a> {
    Frame(FrameHead<'a>),
    Extension {
        label: u8,
        /// Where its sub-blocks begin, and where the next block does.
        range: (usize, usize),
        data: SubBlocks<'a>,
    },
}

/// How the blocks of a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By the trailer.
    Trailer,
    /// By the file's end.
    CutShort,
    /// By something that is no block.
    Unknown,
}

/// The blocks of a file, one after the other.
pub(crate) struct Blocks<'a> {
    data: &'a [u8],
    at: usize,
    /// What the next frame's control extension says: disposal, delay, transparent index.
    control: (Disposal, u16, Option<u8>),
    end: End,
}

impl<'a> Blocks<'a> {
    /// From the block at `first` on.
    pub fn new(data: &'a [u8], first: usize) -> Self {
        Self { data, at: first, control: (Disposal::Keep, 0, None), end: End::CutShort }
    }

    /// The next frame; extensions before it are passed over, whatever they are.
    pub fn next_frame(&mut self) -> Option<FrameHead<'a>> {
        loop {
            if let Block::Frame(frame) = self.next()? {
                return Some(frame);
            }
        }
    }

    /// How they ended, once there are no more.
    pub fn end(&self) -> End {
        self.end
    }

    fn next(&mut self) -> Option<Block<'a>> {
        // Writers that end a block twice leave zeros between blocks.
        while self.data.get(self.at) == Some(&0) {
            self.at += 1;
        }
        match *self.data.get(self.at)? {
            0x21 => {
                let label = *self.data.get(self.at + 1)?;
                let start = self.at + 2;
                let (data, next) = SubBlocks::at(self.data, start);
                self.at = next;
                if label == CONTROL {
                    self.read_control(data);
                }
                Some(Block::Extension { label, range: (start, next), data })
            }
            0x2C => self.read_frame().map(Block::Frame),
            other => {
                self.end = if other == 0x3B { End::Trailer } else { End::Unknown };
                None
            }
        }
    }

    fn read_control(&mut self, data: SubBlocks<'a>) {
        let Some(&[flags, low, high, index, ..]) = data.pieces().next() else { return };
        let disposal = match flags >> 2 & 7 {
            2 => Disposal::Background,
            // 4 where somebody counted bits and meant 3.
            3 | 4 => Disposal::Previous,
            _ => Disposal::Keep,
        };
        self.control = (disposal, u16::from_le_bytes([low, high]), (flags & 1 == 1).then_some(index));
    }

    fn read_frame(&mut self) -> Option<FrameHead<'a>> {
        let bytes = Bytes(self.data);
        let number = |offset: usize| bytes.le16(self.at + offset).map(u32::from);
        let rect = Rect { x: number(1)?, y: number(3)?, width: number(5)?, height: number(7)? };
        let flags = bytes.u8(self.at + 9)?;
        let start = self.at + 10;
        let palette = bytes.get(start, table(flags));
        let start = start + table(flags);
        let (data, next) = SubBlocks::at(self.data, start + 1);
        self.at = next;
        let (disposal, delay, transparent) = std::mem::replace(&mut self.control, (Disposal::Keep, 0, None));
        Some(FrameHead {
            rect,
            interlaced: flags & 0x40 != 0,
            palette: palette.filter(|colours| !colours.is_empty()),
            transparent,
            disposal,
            delay,
            bits: bytes.u8(start).unwrap_or(0),
            data,
        })
    }
}

/// Bytes of the palette that flags tell.
fn table(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

pub(crate) fn parse(data: &[u8]) -> Result<Header<'_, Gif<'_>>, MediaError> {
    let bytes = Bytes(data);
    let (Some(width), Some(height), Some(flags)) = (bytes.le16(6), bytes.le16(8), bytes.u8(10)) else {
        return Err(cut_short());
    };
    let mut size = (u32::from(width), u32::from(height));
    let palette = data.get(13..).unwrap_or_default();
    let palette = &palette[..palette.len().min(table(flags))];
    let mut gif = Gif { xmp: None, icc: None, palette, loops: 1, first: 13 + table(flags), longest: 0 };
    let mut frames = 0_u32;
    let mut blocks = Blocks::new(data, gif.first);
    while let Some(block) = blocks.next() {
        match block {
            Block::Frame(frame) => {
                if frames == 0 {
                    // A screen that the first frame is too large for grows, as browsers have it; 0 × 0 is written, too.
                    let Rect { x, y, width, height } = frame.rect;
                    size = (size.0.max(x + width), size.1.max(y + height));
                }
                frames = frames.saturating_add(1);
                gif.longest = gif.longest.max(frame.data.data.len());
            }
            Block::Extension { label: APPLICATION, range: (start, next), data: blocks } => {
                let mut pieces = blocks.pieces();
                match pieces.next() {
                    Some(b"XMP DataXMP") if gif.xmp.is_none() => {
                        gif.xmp = data.get(start + 12..next.saturating_sub(XMP_TRAILER).min(data.len()));
                    }
                    Some(b"ICCRGBG1012") if gif.icc.is_none() => gif.icc = Some(blocks),
                    Some(b"NETSCAPE2.0" | b"ANIMEXTS1.0") => {
                        if let Some(&[1, low, high, ..]) = pieces.next() {
                            let times = u32::from(u16::from_le_bytes([low, high]));
                            // The first showing isn't counted.
                            gif.loops = if times == 0 { 0 } else { times + 1 };
                        }
                    }
                    _ => {}
                }
            }
            Block::Extension { .. } => {}
        }
    }
    let facts = Facts {
        bytes_per_pixel: 4,
        frames: frames.max(1),
        animated: frames > 1,
        ..Facts::new("image/gif", size)?
    };
    Ok(Header { facts, head: gif })
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
        assert_eq!(parse(&gif).unwrap().head.xmp, Some(&packet[..]));
        for length in 0..gif.len() {
            let _ = parse(&gif[..length]);
        }
    }
}
