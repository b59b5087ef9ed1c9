//! AV1 still pictures (AV1 Bitstream & Decoding Process Specification), by `rav1d`, dav1d in Rust.
//!
//! Of its two editions this is the one with an interface in Rust, so that nothing here is unsafe. Its kernels
//! are Rust as well, or with the feature `asm` dav1d's own in assembler: four to seven times as fast.
//!
//! Invariants: the size in the sequence header is held against the item's before the decoder starts; no more
//! frames are coded in an item than a layered picture has.

use re_rav1d::{Decoder, PixelLayout, PlanarImageComponent, Settings};

use super::{Channel, Frame, Layout, Store, UNSPECIFIED, largest};
use crate::{
    error::MediaError,
    formats::heif::header::{Coded, Nclx},
};

/// Frames that an item may code: four layers, and as many hidden ones.
const MAX_FRAMES: usize = 8;
const OBU_SEQUENCE_HEADER: u8 = 1;
const OBU_FRAME_HEADER: u8 = 3;
const OBU_FRAME: u8 = 6;

pub(super) fn decode(item: &Coded<'_>) -> Result<Frame, MediaError> {
    let scan = Scan::parse(&item.data)?;
    let most = largest(item.size);
    let (width, height) = scan.sequence.size;
    if width > most.0 || height > most.1 {
        return Err(MediaError::corrupt(format!(
            "a picture of {} × {} is coded as {width} × {height}",
            item.size.0, item.size.1
        )));
    }
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_frame_size_limit(width.saturating_mul(height));
    // The best layer of a layered picture.
    settings.set_all_layers(false);
    let mut decoder = Decoder::with_settings(&settings).map_err(MediaError::corrupt)?;
    let data = scan.filled_up(&item.data);
    let mut sent = decoder.send_data(data, None, None, None);
    let picture = loop {
        match decoder.get_picture() {
            Ok(picture) => break picture,
            Err(error) if !error.is_again() => return Err(MediaError::corrupt(error)),
            Err(_) => {}
        }
        match sent {
            Err(error) if error.is_again() => sent = decoder.send_pending_data(),
            Err(error) => return Err(MediaError::corrupt(error)),
            Ok(()) => break decoder.get_picture().map_err(MediaError::corrupt)?,
        }
    };
    let chroma = match picture.pixel_layout() {
        PixelLayout::I400 => None,
        PixelLayout::I420 => Some((1, 1)),
        PixelLayout::I422 => Some((1, 0)),
        PixelLayout::I444 => Some((0, 0)),
    };
    let depth = u8::try_from(picture.bit_depth()).unwrap_or(8);
    let bytes = if depth == 8 { 1 } else { 2 };
    let components = [PlanarImageComponent::Y, PlanarImageComponent::U, PlanarImageComponent::V];
    let channels = components
        .into_iter()
        .take(if chroma.is_some() { 3 } else { 1 })
        .map(|component| Channel {
            stride: picture.stride(component) as usize / bytes,
            store: Store::Av1(picture.plane(component)),
        })
        .collect();
    Ok(Frame {
        size: (picture.width(), picture.height()),
        layout: Layout { depth, chroma },
        signal: scan.sequence.signal,
        channels,
        damaged: scan.cut.is_some(),
    })
}

/// What the sequence header says of all frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sequence {
    size: (u32, u32),
    signal: Nclx,
}

/// What was found on a walk over the units of a bitstream (5.3).
struct Scan {
    sequence: Sequence,
    /// Where the last unit begins, how long its header is, and how much it lacks, when the data ends within it.
    cut: Option<(usize, usize, usize)>,
}

impl Scan {
    fn parse(data: &[u8]) -> Result<Self, MediaError> {
        let mut sequence = None;
        let mut cut = None;
        let mut frames = 0;
        let mut at = 0;
        while let Some(&head) = data.get(at) {
            let kind = head >> 3 & 15;
            let mut content = at + 1 + usize::from(head >> 2 & 1);
            let rest = data.len().saturating_sub(content);
            let length = if head & 2 == 0 {
                rest
            } else {
                let Some((length, bytes)) = leb128(data.get(content..).unwrap_or_default()) else {
                    break;
                };
                content += bytes;
                length
            };
            let available = data.get(content..).unwrap_or_default();
            let payload = &available[..length.min(available.len())];
            match kind {
                OBU_SEQUENCE_HEADER if sequence.is_none() => sequence = sequence_header(payload),
                OBU_FRAME | OBU_FRAME_HEADER => frames += 1,
                _ => {}
            }
            if length > available.len() {
                cut = Some((at, content - at, length - available.len()));
            }
            at = content + payload.len();
        }
        if frames > MAX_FRAMES {
            return Err(MediaError::corrupt(format!("a picture is coded in more than {MAX_FRAMES} frames")));
        }
        let sequence = sequence.ok_or_else(|| MediaError::corrupt("there is no sequence header"))?;
        Ok(Self { sequence, cut })
    }

    /// The data for the decoder. A last unit that is cut short is told to go up to the end, and filled up with
    /// zeros, from which the arithmetic decoder goes on with what is likely.
    fn filled_up(&self, data: &[u8]) -> Vec<u8> {
        let Some((at, header, missing)) = self.cut else { return data.to_vec() };
        let missing = missing.min(data.len());
        let mut whole = Vec::with_capacity(data.len() + missing);
        whole.extend_from_slice(&data[..at]);
        whole.push(data[at] & !2);
        if data[at] & 4 != 0 {
            whole.extend(data.get(at + 1));
        }
        whole.extend_from_slice(&data[at + header..]);
        whole.resize(whole.len() + missing, 0);
        whole
    }
}

/// A number in groups of seven bits, and how many bytes it takes (4.10.5).
fn leb128(data: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_u64;
    for (at, &byte) in data.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, at + 1));
        }
    }
    None
}

/// Takes bits from the front.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// `count` bits, at most 32.
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// A number behind as many zeros as it has bits (4.10.3).
    fn skip_uvlc(&mut self) -> Option<()> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
        }
        if zeros < 32 {
            self.take(zeros)?;
        }
        Some(())
    }
}

/// The sequence header (5.5), up to its colours.
fn sequence_header(payload: &[u8]) -> Option<Sequence> {
    let mut bits = Bits { bytes: payload, at: 0 };
    let profile = bits.take(3)?;
    let _still_picture = bits.flag()?;
    let reduced = bits.flag()?;
    if reduced {
        bits.take(5)?;
    } else {
        operating_points(&mut bits)?;
    }
    let width_bits = bits.take(4)? as usize + 1;
    let height_bits = bits.take(4)? as usize + 1;
    let size = (bits.take(width_bits)? + 1, bits.take(height_bits)? + 1);
    if !reduced && bits.flag()? {
        // Lengths of frame numbers.
        bits.take(7)?;
    }
    // Superblocks of 128, filtered intra, intra edge filter.
    bits.take(3)?;
    if !reduced {
        // Interintra, masked, warped, dual filter.
        bits.take(4)?;
        let order_hint = bits.flag()?;
        if order_hint {
            // Joint compound, reference motion vectors.
            bits.take(2)?;
        }
        // Screen content tools: chosen by each frame, or for all.
        let screen_content = bits.flag()? || bits.flag()?;
        // Whole motion vectors, in the same way.
        if screen_content && !bits.flag()? {
            bits.take(1)?;
        }
        if order_hint {
            bits.take(3)?;
        }
    }
    // Superresolution, CDEF, restoration.
    bits.take(3)?;
    Some(Sequence { size, signal: color_config(&mut bits, profile)? })
}

/// Timing, decoder models and levels: not used here, but they stand in between.
fn operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut delay_bits = None;
    if bits.flag()? {
        bits.take(32)?;
        bits.take(32)?;
        if bits.flag()? {
            bits.skip_uvlc()?;
        }
        if bits.flag()? {
            delay_bits = Some(bits.take(5)? as usize + 1);
            bits.take(32)?;
            bits.take(10)?;
        }
    }
    let display_delay = bits.flag()?;
    for _ in 0..=bits.take(5)? {
        bits.take(12)?;
        if bits.take(5)? > 7 {
            bits.take(1)?;
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.take(delay_bits)?;
            bits.take(delay_bits)?;
            bits.take(1)?;
        }
        if display_delay && bits.flag()? {
            bits.take(4)?;
        }
    }
    Some(())
}

/// Depth, form and code points of the colours (5.5.2).
fn color_config(bits: &mut Bits<'_>, profile: u32) -> Option<Nclx> {
    let high_depth = bits.flag()?;
    if profile == 2 && high_depth {
        bits.take(1)?;
    }
    let grey = profile != 1 && bits.flag()?;
    let mut signal =
        Nclx { primaries: UNSPECIFIED, transfer: UNSPECIFIED, matrix: UNSPECIFIED, full_range: true };
    if bits.flag()? {
        let mut code = || bits.take(8).and_then(|code| u8::try_from(code).ok());
        (signal.primaries, signal.transfer, signal.matrix) = (code()?, code()?, code()?);
    }
    // RGB as sRGB has it is always of the full range.
    if grey || (signal.primaries, signal.transfer, signal.matrix) != (1, 13, 0) {
        signal.full_range = bits.flag()?;
    }
    Some(signal)
}
