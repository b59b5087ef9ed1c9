//! Numbers at an offset.

use crate::error::MediaError;

/// Reads big- and little-endian numbers at an offset; `None` past the end.
pub(crate) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn get(&self, start: usize, length: usize) -> Option<&'a [u8]> {
        self.0.get(start..start.checked_add(length)?)
    }

    pub fn u8(&self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    pub fn be16(&self, at: usize) -> Option<u16> {
        Some(u16::from_be_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    pub fn be32(&self, at: usize) -> Option<u32> {
        Some(u32::from_be_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    pub fn le16(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    pub fn le24(&self, at: usize) -> Option<u32> {
        Some(u32::from(self.le16(at)?) | u32::from(self.u8(at + 2)?) << 16)
    }

    pub fn le32(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.0.get(at..)?.first_chunk()?))
    }
}

/// What a file is that ends within its header.
pub(crate) fn cut_short() -> MediaError {
    MediaError::corrupt("the file ends within its header")
}
