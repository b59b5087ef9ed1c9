//! TIFF's directories, read in place: what EXIF, TIFF and most raw files are made of.
//!
//! TIFF 6.0, section 2: a byte order, a first offset, and directories of entries of 12 bytes, each with its
//! value inline (up to 4 bytes) or at an offset. Nothing is copied, nothing is allocated, and no number in the
//! data is trusted: an entry that points outside gives nothing, the rest of its directory still counts.

/// Entries that are looked at in one directory. Real ones have fewer than 100, maker notes a few hundred.
const MAX_ENTRIES: u16 = 1_024;

/// The bytes that offsets count in, with their byte order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tiff<'a> {
    pub data: &'a [u8],
    big_endian: bool,
}

impl<'a> Tiff<'a> {
    /// Reads the byte order. The number behind it is 42 in TIFF; raw formats have their own, so it is left to
    /// the caller.
    pub fn new(data: &'a [u8]) -> Option<Self> {
        let big_endian = match data.get(..2)? {
            b"II" => false,
            b"MM" => true,
            _ => return None,
        };
        Some(Self { data, big_endian })
    }

    /// The first directory.
    pub fn first(self) -> Option<Ifd<'a>> {
        self.at(self.u32(4)? as usize)
    }

    /// The directory at an offset.
    pub fn at(self, offset: usize) -> Option<Ifd<'a>> {
        let count = self.u16(offset)?;
        Some(Ifd { tiff: self, start: offset.checked_add(2)?, count })
    }

    fn u16(self, at: usize) -> Option<u16> {
        let bytes = *self.data.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(self, at: usize) -> Option<u32> {
        let bytes = *self.data.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn u64(self, at: usize) -> Option<u64> {
        let bytes = *self.data.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }
}

/// One directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ifd<'a> {
    tiff: Tiff<'a>,
    start: usize,
    count: u16,
}

impl<'a> Ifd<'a> {
    /// The entry with `tag`; the first if there are more.
    pub fn get(&self, tag: u16) -> Option<Entry<'a>> {
        (0..self.count.min(MAX_ENTRIES))
            .map_while(|index| self.offset(index))
            .find(|&at| self.tiff.u16(at) == Some(tag))
            .and_then(|at| self.entry(at))
    }

    /// The directory that follows this one, if there is one.
    pub fn next(&self) -> Option<Self> {
        let at = self.start.checked_add(usize::from(self.count) * 12)?;
        match self.tiff.u32(at)? {
            0 => None,
            offset => self.tiff.at(offset as usize),
        }
    }

    /// The directories that an entry points at.
    pub fn children(&self, tag: u16) -> impl Iterator<Item = Ifd<'a>> + use<'a> {
        let (tiff, entry) = (self.tiff, self.get(tag));
        // More than a handful is an attack on time.
        (0..16).map_while(move |index| entry?.uint(index)).filter_map(move |at| tiff.at(at as usize))
    }

    /// Where this directory starts, for telling directories apart.
    pub fn position(&self) -> usize {
        self.start
    }

    fn offset(&self, index: u16) -> Option<usize> {
        let at = self.start.checked_add(usize::from(index) * 12)?;
        (at.checked_add(12)? <= self.tiff.data.len()).then_some(at)
    }

    fn entry(&self, at: usize) -> Option<Entry<'a>> {
        let (kind, count) = (self.tiff.u16(at + 2)?, self.tiff.u32(at + 4)?);
        let length = usize::try_from(count).ok()?.checked_mul(size_of_kind(kind)?)?;
        let start = if length <= 4 { at + 8 } else { self.tiff.u32(at + 8)? as usize };
        let data = self.tiff.data.get(start..start.checked_add(length)?)?;
        Some(Entry { kind, data, big_endian: self.tiff.big_endian })
    }
}

/// Bytes of one value. TIFF 6.0, section 2; 13 is an offset (Adobe's technical note 1), 129 is EXIF 3.0's UTF-8.
const fn size_of_kind(kind: u16) -> Option<usize> {
    match kind {
        1 | 2 | 6 | 7 | 129 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 => Some(8),
        _ => None,
    }
}

/// One entry's values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    kind: u16,
    /// As stored.
    pub data: &'a [u8],
    big_endian: bool,
}

impl<'a> Entry<'a> {
    /// The number at `index`, of whatever numeric type it was written: writers keep to the type that a tag is said to have
    /// less than to its meaning. `None` past the last one, for a fraction without a denominator, and for what isn't finite.
    pub fn number(&self, index: usize) -> Option<f64> {
        let tiff = Tiff { data: self.data, big_endian: self.big_endian };
        let at = index.checked_mul(size_of_kind(self.kind)?)?;
        let fraction =
            |numerator: f64, denominator: f64| (denominator != 0.0).then(|| numerator / denominator);
        let signed = |at: usize| tiff.u32(at).map(u32::cast_signed);
        let number = match self.kind {
            1 => f64::from(*self.data.get(at)?),
            6 => f64::from(self.data.get(at)?.cast_signed()),
            3 => f64::from(tiff.u16(at)?),
            8 => f64::from(tiff.u16(at)?.cast_signed()),
            4 | 13 => f64::from(tiff.u32(at)?),
            9 => f64::from(signed(at)?),
            5 => fraction(f64::from(tiff.u32(at)?), f64::from(tiff.u32(at + 4)?))?,
            10 => fraction(f64::from(signed(at)?), f64::from(signed(at + 4)?))?,
            11 => f64::from(f32::from_bits(tiff.u32(at)?)),
            12 => f64::from_bits(tiff.u64(at)?),
            _ => return None,
        };
        number.is_finite().then_some(number)
    }

    /// The number at `index` where it is whole and fits.
    pub fn uint(&self, index: usize) -> Option<u32> {
        let number = self.number(index)?;
        // Exact: a whole number that fits.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 2³² - 1 fits")]
        (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u32)
    }

    /// How many values there are.
    pub fn count(&self) -> usize {
        size_of_kind(self.kind).map_or(0, |size| self.data.len() / size)
    }

    /// The text up to its first NUL.
    pub fn text(&self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.data).unwrap_or(self.data.len());
        matches!(self.kind, 2 | 129).then(|| &self.data[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_byte_orders_inline_and_elsewhere() {
        let little = b"II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\x0E\x01\x02\0\x06\0\0\0\x26\0\0\0\0\0\0\0hello\0";
        let big = b"MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\x01\x0E\0\x02\0\0\0\x06\0\0\0\x26\0\0\0\0hello\0";
        for bytes in [&little[..], big] {
            let ifd = Tiff::new(bytes).and_then(Tiff::first).unwrap();
            assert_eq!(ifd.get(274).and_then(|entry| entry.uint(0)), Some(6));
            assert_eq!(ifd.get(270).and_then(|entry| entry.text()), Some(&b"hello"[..]));
            assert!(ifd.get(271).is_none() && ifd.next().is_none());
            for length in 0..bytes.len() {
                if let Some(ifd) = Tiff::new(&bytes[..length]).and_then(Tiff::first) {
                    let _ = (ifd.get(274), ifd.get(270), ifd.next().is_none());
                }
            }
        }
    }

    #[test]
    fn a_fraction_of_nothing_is_none() {
        let entry =
            Entry { kind: 5, data: &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2], big_endian: true };
        assert_eq!((entry.number(0), entry.number(1), entry.number(2)), (None, Some(1.5), None));
        assert_eq!((entry.number(usize::MAX), entry.count()), (None, 2));
    }

    #[test]
    fn a_number_is_one_by_whatever_type() {
        let numbers: [(u16, &[u8], f64); 17] = [
            (1, &[200], 200.0),
            (6, &[200], -56.0),
            (3, &[0x80, 1], 32_769.0),
            (8, &[0x80, 1], -32_767.0),
            (4, &[0x80, 0, 0, 1], 2_147_483_649.0),
            (13, &[0, 0, 0, 8], 8.0),
            (9, &[0xFF, 0xFF, 0xFF, 0xFF], -1.0),
            (5, &[0, 0, 0, 7, 0, 0, 0, 2], 3.5),
            (5, &[0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1], 4_294_967_295.0),
            (10, &[0xFF, 0xFF, 0xFF, 0xF9, 0, 0, 0, 2], -3.5),
            (10, &[0, 0, 0, 7, 0xFF, 0xFF, 0xFF, 0xFE], -3.5),
            (10, &[0x80, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF], 2_147_483_648.0),
            (11, &[0x40, 0x20, 0, 0], 2.5),
            (12, &[0xC0, 4, 0, 0, 0, 0, 0, 0], -2.5),
            (11, &[0x40, 0x40, 0, 0], 3.0),
            (6, &[5], 5.0),
            (8, &[0, 5], 5.0),
        ];
        for (kind, data, expected) in numbers {
            let entry = Entry { kind, data, big_endian: true };
            assert_eq!((entry.number(0), entry.number(1)), (Some(expected), None), "type {kind}");
            let whole = expected >= 0.0 && expected.fract() == 0.0;
            assert_eq!(entry.uint(0).map(f64::from), whole.then_some(expected), "type {kind}");
        }
        let nothing: [(u16, &[u8]); 6] = [
            (2, b"5"),
            (7, &[5]),
            (3, &[5]),
            (11, &[0x7F, 0x80, 0, 0]),
            (12, &[0x7F, 0xF8, 0, 0, 0, 0, 0, 0]),
            (10, &[0, 0, 0, 7, 0, 0, 0, 0]),
        ];
        for (kind, data) in nothing {
            assert_eq!(Entry { kind, data, big_endian: true }.number(0), None, "type {kind}");
        }
    }
}
