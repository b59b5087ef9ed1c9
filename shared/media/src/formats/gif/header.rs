//! The header of a GIF (GIF89a): a screen, then blocks; each image descriptor is a frame.

use crate::{
    bytes::{Bytes, cut_short},
    error::MediaError,
    facts::{Facts, Header},
};

/// What stands behind an XMP packet, so that its text passes for sub-blocks: descending bytes.
const XMP_TRAILER: usize = 258;

/// What only a GIF has.
#[derive(Debug)]
pub(crate) struct Gif<'a> {
    /// The XMP packet, unblocked in an application extension (XMP part 3, 1.1.2).
    pub xmp: Option<&'a [u8]>,
}

pub(crate) fn parse(data: &[u8]) -> Result<Header<'_, Gif<'_>>, MediaError> {
    let bytes = Bytes(data);
    let (Some(width), Some(height), Some(flags)) = (bytes.le16(6), bytes.le16(8), bytes.u8(10)) else {
        return Err(cut_short());
    };
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + table(flags);
    let (mut frames, mut xmp) = (0_u32, None);
    loop {
        let is_xmp = data.get(at..).is_some_and(|rest| rest.starts_with(b"\x21\xFF\x0BXMP DataXMP"));
        at = match bytes.u8(at) {
            Some(0x21) => at + 2,
            Some(0x2C) => {
                frames = frames.saturating_add(1);
                let Some(flags) = bytes.u8(at + 9) else { break };
                at + 11 + table(flags)
            }
            _ => break,
        };
        let start = at;
        while let Some(length @ 1..) = bytes.u8(at) {
            at += 1 + usize::from(length);
        }
        at += 1;
        if is_xmp && xmp.is_none() {
            xmp = data.get(start + 12..at.saturating_sub(XMP_TRAILER).min(data.len()));
        }
    }
    let facts = Facts {
        bytes_per_pixel: 4,
        frames: frames.max(1),
        animated: frames > 1,
        ..Facts::new("image/gif", (width.into(), height.into()))?
    };
    Ok(Header { facts, head: Gif { xmp } })
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
