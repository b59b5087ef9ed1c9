//! The header of a WebP (RFC 9649): one chunk `VP8 ` or `VP8L`, or `VP8X` with more chunks behind it.

use std::borrow::Cow;

use crate::{
    bytes::{Bytes, cut_short},
    error::MediaError,
    facts::{Facts, Header},
};

/// What only a WebP has.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of the format")]
pub(crate) struct WebP<'a> {
    /// A still's data: from its `ALPH`, `VP8 ` or `VP8L` chunk on, header included, to the end of the file. Empty
    /// where it is missing, and for animations.
    pub image: &'a [u8],
    /// A still is coded by VP8L.
    pub lossless: bool,
    /// A still has an alpha channel.
    pub alpha: bool,
    /// The file is built as an animation, if only of one frame.
    pub framed: bool,
    /// How often an animation plays, 0 for ever.
    pub loops: u16,
    /// The file is shorter than it says.
    pub cut: bool,
    /// The XMP packet (RFC 9649, 2.7.1.5).
    pub xmp: Option<&'a [u8]>,
}

/// A chunk of a RIFF file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk<'a> {
    pub kind: [u8; 4],
    /// As far as it is there.
    pub payload: &'a [u8],
    /// The payload, or what lies after it, is all there.
    pub whole: bool,
    /// The chunk with its header, and all that follows it.
    pub rest: &'a [u8],
}

/// Walks the chunks of `bytes`, the first of which starts at their begin: four characters, a length, the payload,
/// padding to an even length.
pub(crate) fn chunks(mut bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    std::iter::from_fn(move || {
        let rest = bytes;
        let (&kind, behind) = rest.split_first_chunk::<4>()?;
        let (&length, behind) = behind.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(length) as usize;
        let payload = behind.get(..length).unwrap_or(behind);
        let padded = length.saturating_add(length & 1);
        bytes = behind.get(padded..).unwrap_or_default();
        Some(Chunk { kind, payload, whole: payload.len() == length, rest })
    })
}

/// Width, height and whether there is alpha, of a `VP8L` chunk's payload (RFC 9649, 3.4).
pub(crate) fn lossless_size(payload: &[u8]) -> Option<((u32, u32), bool)> {
    let bytes = Bytes(payload);
    let bits = bytes.le32(1).filter(|_| bytes.u8(0) == Some(0x2F))?;
    Some((((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1), bits >> 28 & 1 == 1))
}

/// Width and height of a `VP8 ` chunk's payload (RFC 6386, 9.1).
pub(crate) fn lossy_size(payload: &[u8]) -> Option<(u32, u32)> {
    let bytes = Bytes(payload);
    let edge = |at| bytes.le16(at).map(|edge| u32::from(edge & 0x3FFF));
    edge(6).zip(edge(8)).filter(|_| bytes.get(3, 3) == Some(b"\x9D\x01\x2A"))
}

pub(crate) fn parse(data: &[u8]) -> Result<Header<'_, WebP<'_>>, MediaError> {
    let bytes = Bytes(data);
    let body = data.get(12..).unwrap_or_default();
    let first = chunks(body).next().ok_or_else(cut_short)?;
    let (size, extended, flags) = match &first.kind {
        b"VP8 " => {
            if first.payload.len() >= 6 && first.payload.get(3..6) != Some(b"\x9D\x01\x2A") {
                return Err(MediaError::corrupt("the first frame is no VP8 key frame"));
            }
            (lossy_size(first.payload), false, 0)
        }
        b"VP8L" => (lossless_size(first.payload).map(|(size, _)| size), false, 0),
        b"VP8X" => {
            let size = bytes.le24(24).zip(bytes.le24(27)).map(|(width, height)| (width + 1, height + 1));
            (size, true, first.payload.first().copied().unwrap_or(0))
        }
        _ => return Err(MediaError::corrupt("the first chunk is none of VP8, VP8L, VP8X")),
    };
    let (width, height) = size.ok_or_else(cut_short)?;
    let framed = extended && flags & 0x02 != 0;
    let cut = bytes.le32(4).is_some_and(|length| u64::from(length) + 8 > data.len() as u64);
    let mut webp = WebP { image: &[], lossless: false, alpha: false, framed, loops: 0, cut, xmp: None };
    let (mut exif, mut icc, mut frames) = (None, None, 0_u32);
    let mut coded = false;
    for chunk in chunks(body) {
        match &chunk.kind {
            b"ANMF" => frames = frames.saturating_add(1),
            b"ANIM" => webp.loops = Bytes(chunk.payload).le16(4).unwrap_or(0),
            b"ALPH" if !framed && !coded && webp.image.is_empty() => {
                (webp.image, webp.alpha) = (chunk.rest, true);
            }
            b"VP8 " | b"VP8L" if !framed && !coded => {
                coded = true;
                if &chunk.kind == b"VP8L" {
                    // It has its own alpha: an `ALPH` before it means nothing.
                    webp.image = chunk.rest;
                    webp.lossless = true;
                    webp.alpha = lossless_size(chunk.payload).is_some_and(|(_, alpha)| alpha);
                } else if webp.image.is_empty() {
                    webp.image = chunk.rest;
                }
            }
            b"ICCP" if extended && chunk.whole => icc = Some(Cow::Borrowed(chunk.payload)),
            b"XMP " if chunk.whole && webp.xmp.is_none() => webp.xmp = Some(chunk.payload),
            // Some writers keep JPEG's prefix.
            b"EXIF" if extended && chunk.whole => {
                exif = Some(chunk.payload.strip_prefix(b"Exif\0\0").unwrap_or(chunk.payload));
            }
            _ => {}
        }
    }
    let facts = Facts {
        bytes_per_pixel: if webp.alpha || framed { 4 } else { 3 },
        frames: if framed { frames.max(1) } else { 1 },
        animated: framed && frames > 1,
        exif,
        icc,
        ..Facts::new("image/webp", (width, height))?
    };
    Ok(Header { facts, head: webp })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WEBP".to_vec();
        for (kind, payload) in chunks {
            bytes.extend(*kind);
            bytes.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
            bytes.extend(*payload);
            bytes.resize(bytes.len().next_multiple_of(2), 0);
        }
        bytes
    }

    const VP8: &[u8] = b"\0\0\0\x9D\x01\x2A\x05\0\x03\0";

    #[test]
    fn chunks_are_padded_and_may_be_cut() {
        let file = riff(&[(b"AAAA", b"abc"), (b"BBBB", b""), (b"CCCC", b"xy")]);
        let all: Vec<_> = chunks(&file[12..]).map(|chunk| (chunk.kind, chunk.payload, chunk.whole)).collect();
        assert_eq!(all, [(*b"AAAA", &b"abc"[..], true), (*b"BBBB", b"", true), (*b"CCCC", b"xy", true)]);
        let cut: Vec<_> =
            chunks(&file[12..file.len() - 1]).map(|chunk| (chunk.payload, chunk.whole)).collect();
        assert_eq!(cut[2], (&b"x"[..], false));
        assert_eq!(chunks(&file[12..19]).count(), 0);
        let endless = [&b"AAAA\xFF\xFF\xFF\xFFabc"[..]].concat();
        assert_eq!(chunks(&endless).map(|chunk| chunk.payload).collect::<Vec<_>>(), [b"abc"]);
    }

    #[test]
    fn a_still_is_found_with_its_alpha() {
        let extended = |flags: u8| [flags, 0, 0, 0, 4, 0, 0, 2, 0, 0];
        let simple = riff(&[(b"VP8 ", VP8)]);
        let Header { facts, head: webp } = parse(&simple).unwrap();
        assert_eq!((facts.width, facts.height, webp.alpha, webp.lossless), (5, 3, false, false));
        assert_eq!(webp.image, &simple[12..]);

        let alpha =
            riff(&[(b"VP8X", &extended(0x10)), (b"ALPH", b"abc"), (b"VP8 ", VP8), (b"EXIF", b"tiff")]);
        let Header { facts, head: webp } = parse(&alpha).unwrap();
        assert_eq!((facts.width, facts.height, webp.alpha, facts.exif), (5, 3, true, Some(&b"tiff"[..])));
        assert!(webp.image.starts_with(b"ALPH") && webp.image.ends_with(b"tiff"));
    }

    #[test]
    fn an_animation_counts_its_frames() {
        let extended = [0x02, 0, 0, 0, 4, 0, 0, 2, 0, 0];
        let anim = (b"ANIM", &b"\0\0\0\0\x07\0"[..]);
        for frames in 0..3 {
            let mut all: Vec<(&[u8; 4], &[u8])> = vec![(b"VP8X", &extended), (anim.0, anim.1)];
            all.resize(2 + frames, (b"ANMF", b"0123456789012345"));
            let file = riff(&all);
            let Header { facts, head: webp } = parse(&file).unwrap();
            assert_eq!((facts.frames as usize, facts.animated), (frames.max(1), frames > 1));
            assert_eq!((webp.framed, webp.loops, webp.image.len()), (true, 7, 0));
        }
    }
}
