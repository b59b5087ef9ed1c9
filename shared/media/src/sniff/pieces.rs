//! The parts of a file that are known.

use std::{borrow::Cow, ops::Range};

/// The bytes of a file that are known.
#[derive(Debug, Clone)]
pub(super) struct Pieces<'a> {
    pub size: u64,
    /// Offset and bytes, the beginning first.
    pub known: Vec<(u64, Cow<'a, [u8]>)>,
}

impl Pieces<'_> {
    /// The beginning, as far as it is known.
    pub fn head(&self) -> &[u8] {
        self.known.first().map_or(&[], |(_, head)| head)
    }

    /// As many as `length` bytes from `offset` on; fewer where the file ends.
    ///
    /// # Errors
    /// What is missing of them.
    pub fn read(&self, offset: u64, length: usize) -> Result<&[u8], Range<u64>> {
        let end = offset.saturating_add(length as u64).min(self.size);
        if offset >= end {
            return Ok(&[]);
        }
        let mut missing = offset..end;
        for (start, piece) in &self.known {
            let Some(before) = offset.checked_sub(*start).and_then(|before| usize::try_from(before).ok())
            else {
                continue;
            };
            let wanted = usize::try_from(end - offset).unwrap_or(usize::MAX);
            match piece.get(before..) {
                Some(there) if there.len() >= wanted => return Ok(&there[..wanted]),
                Some(there) => missing.start = missing.start.max(offset + there.len() as u64),
                None => {}
            }
        }
        Err(missing)
    }
}
