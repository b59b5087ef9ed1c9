//! Whether a container of moving pictures holds sound alone: by its tracks, which may stand far from its beginning.
//!
//! Both walks hop from box to box and from element to element; what lies between isn't read. Their steps are
//! bounded, and a file that makes no sense holds no sound alone.

use std::ops::Range;

use super::pieces::Pieces;
use crate::bytes::Bytes;

/// Boxes or elements of one level that are looked at.
const MAX_STEPS: usize = 256;
/// Bytes that are asked for where something of interest begins, so that what follows needn't be asked for again.
const PIECE: usize = 16 << 10;

/// A box of an ISO base media file (ISO/IEC 14496-12, 4.2): its type, and where its content lies.
struct Boxed {
    kind: [u8; 4],
    content: Range<u64>,
}

/// The box at `at`, of a parent that ends at `end`; `None` where there is none any more.
fn boxed(file: &Pieces<'_>, at: u64, end: u64) -> Result<Option<Boxed>, Range<u64>> {
    if end.saturating_sub(at) < 8 {
        return Ok(None);
    }
    // What is missing is asked for with what follows it.
    let known = file.read(at, 16).map_err(|missing| piece(file, missing.start))?;
    let head = Bytes(known);
    let (Some(size), Some(kind)) = (head.be32(0), head.get(4, 4)) else { return Ok(None) };
    let kind = <[u8; 4]>::try_from(kind).unwrap_or_default();
    let (header, size) = match size {
        0 => (8, end - at),
        1 => {
            let (Some(high), Some(low)) = (head.be32(8), head.be32(12)) else { return Ok(None) };
            (16, u64::from(high) << 32 | u64::from(low))
        }
        size => (8, u64::from(size)),
    };
    let stop = at.checked_add(size).filter(|_| size >= header);
    Ok(stop.map(|stop| Boxed { kind, content: at + header..stop.min(end) }))
}

fn piece(file: &Pieces<'_>, start: u64) -> Range<u64> {
    start..start.saturating_add(PIECE as u64).min(file.size)
}

/// The first box of a type within a range.
fn find(file: &Pieces<'_>, within: &Range<u64>, kind: [u8; 4]) -> Result<Option<Boxed>, Range<u64>> {
    let mut at = within.start;
    for _ in 0..MAX_STEPS {
        match boxed(file, at, within.end)? {
            Some(found) if found.kind == kind => return Ok(Some(found)),
            Some(other) => at = other.content.end,
            None => break,
        }
    }
    Ok(None)
}

/// Whether the tracks of an ISO base media file are sound, all that are sound or pictures.
pub(super) fn sound_alone_iso(file: &Pieces<'_>) -> Result<bool, Range<u64>> {
    let Some(movie) = find(file, &(0..file.size), *b"moov")? else { return Ok(false) };
    let mut sound = false;
    let mut at = movie.content.start;
    for _ in 0..MAX_STEPS {
        let Some(track) = boxed(file, at, movie.content.end)? else { break };
        at = track.content.end;
        if &track.kind != b"trak" {
            continue;
        }
        let Some(media) = find(file, &track.content, *b"mdia")? else { continue };
        let Some(handler) = find(file, &media.content, *b"hdlr")? else { continue };
        // Version and flags, a number that was QuickTime's, and the type (ISO/IEC 14496-12, 8.4.3).
        let start = handler.content.start;
        match file.read(start, 12).map_err(|missing| piece(file, missing.start))?.get(8..12) {
            Some(b"soun") => sound = true,
            Some(b"vide" | b"auxv" | b"pict") => return Ok(false),
            _ => {}
        }
    }
    Ok(sound)
}

/// An element of EBML (RFC 8794, 5 and 6): its id with the marker, and where its content lies.
struct Element {
    id: u32,
    content: Range<u64>,
}

fn element(file: &Pieces<'_>, at: u64, end: u64) -> Result<Option<Element>, Range<u64>> {
    if at >= end {
        return Ok(None);
    }
    let known = file.read(at, 12).map_err(|missing| piece(file, missing.start))?;
    let Some((&first, _)) = known.split_first() else { return Ok(None) };
    let length = first.leading_zeros() as usize + 1;
    let Some(id) = known.get(..length).filter(|_| length <= 4) else { return Ok(None) };
    let id = id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
    let Some(&marker) = known.get(length) else { return Ok(None) };
    let width = marker.leading_zeros() as usize + 1;
    let Some(digits) = known.get(length..length + width).filter(|_| width <= 8) else { return Ok(None) };
    let whole = digits.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let mask = (1_u64 << (7 * width)) - 1;
    let size = whole & mask;
    let start = at + (length + width) as u64;
    // All ones: it goes on to the end of what it stands in.
    let stop = if size == mask { end } else { start.saturating_add(size).min(end) };
    Ok(Some(Element { id, content: start..stop }))
}

/// The first element of an id within a range.
fn find_element(file: &Pieces<'_>, within: &Range<u64>, id: u32) -> Result<Option<Element>, Range<u64>> {
    /// What tracks don't come behind, in files that can be played as they come.
    const CLUSTER: u32 = 0x1F43_B675;
    let mut at = within.start;
    for _ in 0..MAX_STEPS {
        match element(file, at, within.end)? {
            Some(found) if found.id == id => return Ok(Some(found)),
            Some(other) if other.id != CLUSTER => at = other.content.end.max(at + 1),
            _ => break,
        }
    }
    Ok(None)
}

/// Whether the tracks of a Matroska file are sound, all that are sound or pictures (RFC 9559, 5.1.4).
pub(super) fn sound_alone_matroska(file: &Pieces<'_>) -> Result<bool, Range<u64>> {
    const SEGMENT: u32 = 0x1853_8067;
    const TRACKS: u32 = 0x1654_AE6B;
    const TRACK: u32 = 0xAE;
    const TYPE: u32 = 0x83;
    let Some(segment) = find_element(file, &(0..file.size), SEGMENT)? else { return Ok(false) };
    let Some(tracks) = find_element(file, &segment.content, TRACKS)? else { return Ok(false) };
    let mut sound = false;
    let mut at = tracks.content.start;
    for _ in 0..MAX_STEPS {
        let Some(track) = element(file, at, tracks.content.end)? else { break };
        at = track.content.end.max(at + 1);
        if track.id != TRACK {
            continue;
        }
        let Some(kind) = find_element(file, &track.content, TYPE)? else { continue };
        match file.read(kind.content.start, 1).map_err(|missing| piece(file, missing.start))?.first() {
            Some(2) => sound = true,
            Some(1 | 3) => return Ok(false),
            _ => {}
        }
    }
    Ok(sound)
}
