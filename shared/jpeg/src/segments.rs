//! The segments of a file (ITU-T T.81, B.1.1): what stands between its markers.

/// A marker with its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The byte behind 0xFF: 0xDA begins a scan, 0xD9 ends the image.
    pub marker: u8,
    /// What stands behind its length; empty where that is below 2, which it must not be, and for the end of the image.
    pub payload: &'a [u8],
    /// The length as the file tells it, its own two bytes among them.
    pub(crate) length: u16,
}

/// Walks over the segments of a file, from behind its start-of-image marker to the end of the image. Markers that stand alone
/// are passed over, and so is entropy-coded data. A segment that is cut short is the end.
#[derive(Debug, Clone)]
pub struct Segments<'a> {
    data: &'a [u8],
    at: usize,
    ended: bool,
}

impl<'a> Segments<'a> {
    /// The segments of a whole file, or of what there is of it.
    pub const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 2, ended: false }
    }

    /// Where the data stands that follows the segment.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// Goes on from `at`, behind a scan's data.
    pub(crate) const fn seek(&mut self, at: usize) {
        self.at = at;
    }

    fn segment(&mut self) -> Option<Segment<'a>> {
        loop {
            let marker = next_marker(self.data, &mut self.at)?;
            match marker {
                0xD9 => return Some(Segment { marker, payload: &[], length: 2 }),
                // Standing alone: TEM, the restarts, another start.
                0x01 | 0xD0..=0xD8 => {}
                _ => {
                    let (length, rest) = self.data.get(self.at..)?.split_first_chunk()?;
                    let length = u16::from_be_bytes(*length);
                    let payload = rest.get(..usize::from(length).saturating_sub(2))?;
                    self.at += usize::from(length).max(2);
                    return Some(Segment { marker, payload, length });
                }
            }
        }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        if self.ended {
            return None;
        }
        let segment = self.segment();
        self.ended = segment.is_none_or(|segment| segment.marker == 0xD9);
        segment
    }
}

/// The next marker at or after `at`, which is moved behind it. Entropy-coded data is passed over, since in it
/// 0xFF is always followed by 0.
fn next_marker(data: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        *at += memchr::memchr(0xFF, data.get(*at..)?)? + 1;
        match *data.get(*at)? {
            0x00 => *at += 1,
            // A fill byte: the next 0xFF is this one.
            0xFF => {}
            marker => {
                *at += 1;
                return Some(marker);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found_behind_stuffed_and_fill_bytes() {
        let mut at = 0;
        let data = [1, 0xFF, 0x00, 2, 0xFF, 0xFF, 0xFF, 0xD9];
        assert_eq!(next_marker(&data, &mut at), Some(0xD9));
        assert_eq!(at, data.len());
        assert_eq!(next_marker(&data, &mut at), None);
    }

    #[test]
    fn segments_end_with_the_image_or_the_file() {
        let file = b"\xFF\xD8\xFF\xE1\0\x04ab\xFF\xDA\0\x02\x11\xFF\0\xFF\xD3\x22\xFF\xD9\xFF\xE2\0\x02";
        let found: Vec<_> = Segments::new(file).map(|segment| (segment.marker, segment.payload)).collect();
        assert_eq!(found, [(0xE1, &b"ab"[..]), (0xDA, b""), (0xD9, b"")]);
        // Cut within a segment, and with a length that can't be one.
        assert_eq!(Segments::new(&file[..7]).count(), 0);
        let short = Segments::new(b"\xFF\xD8\xFF\xE1\0\x01\xFF\xD9").next();
        assert_eq!(short, Some(Segment { marker: 0xE1, payload: &[], length: 1 }));
    }
}
