//! The header of a PNG file: its chunks (PNG, third edition, 5).
//!
//! A chunk is a length, a type, data and a checksum. What describes the picture stands before the first `IDAT`,
//! but for the EXIF fields, which may come behind the last one. Checksums aren't verified: what a damaged chunk
//! says is held against the rules like any other.

use std::{borrow::Cow, io::Read};

use flate2::bufread::DeflateDecoder;

use super::{
    motion::{Motion, Sequence},
    text::{MAX_TEXT_BYTES, Profiles, Text},
};
use crate::{
    bytes::{Bytes, cut_short},
    error::MediaError,
    exif::orientation_of,
    facts::{Facts, Header},
};

/// Signature and `IHDR`.
const FIRST_CHUNK: usize = 8;
/// Most bytes of a decompressed profile. The largest that are in use, of presses and cameras, have about 2 MiB.
const MAX_PROFILE_BYTES: usize = 4 << 20;
/// Most text chunks with profiles that are looked at: there are four sorts.
const MAX_PROFILES: usize = 8;

/// What the channels of a pixel mean (PNG, third edition, 11.2.1, table 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColourType {
    Gray,
    Rgb,
    Palette,
    GrayAlpha,
    Rgba,
}

impl ColourType {
    /// Samples of a pixel as stored.
    pub const fn channels(self) -> usize {
        match self {
            Self::Gray | Self::Palette => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// What the chunks say, borrowed from them.
#[derive(Debug, Clone)]
pub(crate) struct Png<'a> {
    pub width: u32,
    pub height: u32,
    /// Bits of a sample: 1, 2, 4, 8 or 16.
    pub depth: u8,
    pub colour: ColourType,
    pub interlaced: bool,
    /// Of `PLTE`: three bytes an entry.
    pub palette: &'a [u8],
    /// Of `tRNS`: an alpha for each entry, or the gray or colour that is transparent.
    pub transparency: Option<&'a [u8]>,
    /// Of `iCCP`: name, method and the compressed profile.
    profile: Option<&'a [u8]>,
    /// Of `cICP`: primaries, transfer, matrix, full range (ITU-T H.273).
    pub cicp: Option<[u8; 4]>,
    /// `sRGB` is there.
    pub srgb: bool,
    pub exif: Option<&'a [u8]>,
    xmp: Option<Text<'a>>,
    /// Text chunks with what other formats have room for.
    pub(super) profiles: Vec<Text<'a>>,
    pub motion: Motion,
    /// Where the first `IDAT` begins, with its length.
    pub data: Option<usize>,
}

impl<'a> Png<'a> {
    /// Reads the chunks of `bytes`, as many as are there.
    pub fn read(bytes: &'a [u8]) -> Result<Self, MediaError> {
        let data = Bytes(bytes);
        let head = data.get(16, 13).filter(|_| data.get(12, 4) == Some(b"IHDR")).ok_or_else(cut_short)?;
        let (Some(width), Some(height)) = (data.be32(16), data.be32(20)) else { return Err(cut_short()) };
        let (depth, number, interlace) = (head[8], head[9], head[12]);
        let (colour, depths): (_, &[u8]) = match number {
            0 => (ColourType::Gray, &[1, 2, 4, 8, 16]),
            2 => (ColourType::Rgb, &[8, 16]),
            3 => (ColourType::Palette, &[1, 2, 4, 8]),
            4 => (ColourType::GrayAlpha, &[8, 16]),
            6 => (ColourType::Rgba, &[8, 16]),
            other => return Err(MediaError::corrupt(format!("there is no PNG colour type {other}"))),
        };
        if !depths.contains(&depth) {
            return Err(MediaError::corrupt(format!("PNG colour type {number} can't have {depth} bits")));
        }
        if interlace > 1 {
            return Err(MediaError::corrupt(format!("there is no PNG interlace method {interlace}")));
        }
        let mut png = Self {
            width,
            height,
            depth,
            colour,
            interlaced: interlace == 1,
            palette: &[],
            transparency: None,
            profile: None,
            cicp: None,
            srgb: false,
            exif: None,
            xmp: None,
            profiles: Vec::new(),
            motion: Motion::Still,
            data: None,
        };
        let mut sequence = Sequence::default();
        let mut complete = false;
        let mut at = FIRST_CHUNK;
        while let (Some(length), Some(kind)) = (data.be32(at), data.get(at + 4, 4)) {
            let length = length as usize;
            let there = data.get(at + 8, length).unwrap_or_else(|| bytes.get(at + 8..).unwrap_or_default());
            sequence.chunk(kind, there, length, (width, height));
            if png.data.is_none() {
                png.describe(kind, data.get(at + 8, length).unwrap_or_default());
            }
            match kind {
                b"IDAT" if png.data.is_none() => png.data = Some(at),
                b"eXIf" => png.exif = data.get(at + 8, length),
                b"tEXt" | b"zTXt" | b"iTXt" if length <= MAX_TEXT_BYTES => {
                    let text = data.get(at + 8, length).and_then(|chunk| Text::new(kind, chunk));
                    match text {
                        Some(text) if text.is_xmp() && png.xmp.is_none() => png.xmp = Some(text),
                        Some(text) if text.is_profile() && png.profiles.len() < MAX_PROFILES => {
                            png.profiles.push(text);
                        }
                        _ => {}
                    }
                }
                b"IEND" => {
                    complete = true;
                    break;
                }
                _ => {}
            }
            let Some(next) = length.checked_add(12).and_then(|size| at.checked_add(size)) else { break };
            at = next;
        }
        png.motion = sequence.finish(complete);
        Ok(png)
    }

    /// Takes what a chunk before the first `IDAT` says.
    fn describe(&mut self, kind: &[u8], chunk: &'a [u8]) {
        match kind {
            b"PLTE" => self.palette = chunk,
            b"tRNS" => {
                self.transparency = match self.colour {
                    ColourType::Palette => Some(chunk),
                    ColourType::Gray => chunk.get(..2),
                    ColourType::Rgb => chunk.get(..6),
                    ColourType::GrayAlpha | ColourType::Rgba => None,
                };
            }
            b"iCCP" if self.profile.is_none() => self.profile = Some(chunk),
            b"cICP" => self.cicp = chunk.first_chunk().copied(),
            b"sRGB" => self.srgb = true,
            _ => {}
        }
    }

    /// Whether pixels can be transparent.
    pub fn has_alpha(&self) -> bool {
        match self.colour {
            ColourType::GrayAlpha | ColourType::Rgba => true,
            ColourType::Gray | ColourType::Rgb => self.transparency.is_some(),
            ColourType::Palette => {
                self.transparency.is_some_and(|alphas| alphas.iter().any(|alpha| *alpha < u8::MAX))
            }
        }
    }

    /// Samples of a decoded pixel.
    pub fn channels(&self) -> u8 {
        let colours = match self.colour {
            ColourType::Gray | ColourType::GrayAlpha => 1,
            _ => 3,
        };
        colours + u8::from(self.has_alpha())
    }

    /// Bytes of a decoded pixel.
    pub fn bytes_per_pixel(&self) -> u8 {
        if self.depth == 16 { 2 * self.channels() } else { self.channels() }
    }

    /// The ICC profile, decompressed as far as [`MAX_PROFILE_BYTES`]; one that is larger or broken is left out.
    pub fn profile(&self) -> Option<Vec<u8>> {
        let chunk = self.profile?;
        let name = memchr::memchr(0, chunk.get(..80.min(chunk.len()))?)?;
        // The method, then a zlib stream (RFC 1950): two bytes, the data, a checksum.
        let [0, _, _, deflated @ ..] = chunk.get(name + 1..)? else { return None };
        let mut profile = Vec::new();
        let reader = DeflateDecoder::new(deflated);
        reader.take(MAX_PROFILE_BYTES as u64 + 1).read_to_end(&mut profile).ok()?;
        (profile.len() <= MAX_PROFILE_BYTES).then_some(profile)
    }

    /// The XMP packet, decompressed up to a bound.
    pub fn xmp(&self) -> Option<Cow<'a, [u8]>> {
        self.xmp?.read()
    }
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Header<'_, Png<'_>>, MediaError> {
    let mut png = Png::read(bytes)?;
    let frames = match png.motion {
        Motion::Still | Motion::Broken(_) => 1,
        Motion::Moving { frames: 2.., found: 0, .. } => {
            png.motion = Motion::Broken("the file ends before the animation's first frame");
            1
        }
        Motion::Moving { frames, .. } => frames,
    };
    let bytes_per_pixel = png.bytes_per_pixel();
    let pixels = u64::from(png.width) * u64::from(png.height);
    let facts = Facts {
        bytes_per_pixel,
        frames,
        animated: frames > 1,
        exif: png.exif,
        orientation: if png.exif.is_none() && !png.profiles.is_empty() {
            Profiles::read(&png.profiles).exif.as_deref().and_then(orientation_of)
        } else {
            None
        },
        held: if png.interlaced { pixels.saturating_mul(bytes_per_pixel.into()) } else { 0 },
        ..Facts::new("image/png", (png.width, png.height))?
    };
    Ok(Header { facts, head: png })
}
