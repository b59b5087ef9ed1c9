//! The header of a GIF (GIF89a): a screen, then blocks; each image descriptor is a frame.

use super::{Bytes, Format, Header, cut_short};
use crate::error::MediaError;

pub(super) fn parse(data: &[u8]) -> Result<Header<'_>, MediaError> {
    let bytes = Bytes(data);
    let (Some(width), Some(height), Some(flags)) = (bytes.le16(6), bytes.le16(8), bytes.u8(10)) else {
        return Err(cut_short());
    };
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + table(flags);
    let mut frames = 0_u32;
    loop {
        at = match bytes.u8(at) {
            Some(0x21) => at + 2,
            Some(0x2C) => {
                frames = frames.saturating_add(1);
                let Some(flags) = bytes.u8(at + 9) else { break };
                at + 11 + table(flags)
            }
            _ => break,
        };
        while let Some(length @ 1..) = bytes.u8(at) {
            at += 1 + usize::from(length);
        }
        at += 1;
    }
    Ok(Header {
        bytes_per_pixel: 4,
        frames: frames.max(1),
        animated: frames > 1,
        ..Header::new(Format::Gif, (width.into(), height.into()))
    })
}
