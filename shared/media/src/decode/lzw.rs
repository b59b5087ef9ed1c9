//! LZW (Welch, "A Technique for High-Performance Data Compression", Computer 17, 1984) as TIFF (TIFF 6.0, section 13)
//! and GIF (`GIF89a`, appendix F) have it: codes of up to 12 bits. TIFF's begin at the high bit and grow one code
//! early, GIF's begin at the low bit and don't; so do those of the first TIFF files.
//!
//! An entry holds the first eight bytes of its string, and most strings of a photo are no longer: each of those is one
//! store.

const CODES: usize = 1 << 12;
/// Bytes of a string that an entry holds.
const HELD: usize = 8;

/// A string.
#[derive(Clone, Copy, Default)]
struct Entry {
    /// Its first bytes, the first lowest.
    head: u64,
    length: u16,
    /// The code of the string without its last byte.
    prefix: u16,
    last: u8,
}

/// Why nothing more is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The data ended, or said that it does.
    Short,
    /// A code stands in the data that isn't defined there.
    Undefined,
}

/// Data that is being decoded.
pub(crate) struct Lzw {
    entries: Box<[Entry]>,
    /// Bits of a byte as it is: 8 in TIFF, those that the palette needs in GIF.
    bits: u32,
    low_bit_first: bool,
    /// How many codes too early codes get longer.
    early: usize,
    /// The next code to define.
    next: usize,
    width: u32,
    /// The code before, none after a clear code.
    previous: Option<usize>,
    /// The next bit of the data.
    position: usize,
    /// Decoded bytes that nobody has read yet: those from `start` to `end`.
    ahead: Vec<u8>,
    start: usize,
    end: usize,
}

impl Lzw {
    /// Bytes that a decoder takes for itself, beside two rows.
    pub const MEMORY: u64 = 80 << 10;

    /// TIFF's.
    pub fn tiff() -> Self {
        Self::new(8, false, 1)
    }

    /// GIF's, of samples of `bits` bits, 1 to 11; of more than 8, the low byte is given.
    pub fn gif(bits: u32) -> Self {
        Self::new(bits.clamp(1, 11), true, 0)
    }

    fn new(bits: u32, low_bit_first: bool, early: usize) -> Self {
        let mut entries = vec![Entry::default(); CODES].into_boxed_slice();
        for (entry, byte) in entries.iter_mut().zip((0..=u8::MAX).cycle()).take(1 << bits) {
            *entry = Entry { head: byte.into(), length: 1, prefix: 0, last: byte };
        }
        let (next, width) = ((1 << bits) + 2, bits + 1);
        let (position, ahead, start, end) = (0, Vec::new(), 0, 0);
        Self { entries, bits, low_bit_first, early, next, width, previous: None, position, ahead, start, end }
    }

    /// The code that forgets all strings; the next one ends the data.
    const fn clear(&self) -> usize {
        1 << self.bits
    }

    /// Fills `out` with what comes next of `data`, always the same.
    pub fn read(&mut self, data: &[u8], out: &mut [u8]) -> Result<(), Stop> {
        if self.end - self.start < out.len() {
            self.ahead.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            // Behind what is wanted there may be all but a byte of a string.
            self.ahead.resize(self.ahead.len().max(out.len() + CODES + HELD), 0);
            while self.end < out.len() {
                self.code(data)?;
            }
        }
        out.copy_from_slice(&self.ahead[self.start..self.start + out.len()]);
        self.start += out.len();
        Ok(())
    }

    /// Decodes a code.
    #[inline]
    fn code(&mut self, data: &[u8]) -> Result<(), Stop> {
        let code = self.next_bits(data)?;
        let clear = self.clear();
        if code == clear {
            (self.next, self.width, self.previous) = (clear + 2, self.bits + 1, None);
            return Ok(());
        }
        if code == clear + 1 {
            return Err(Stop::Short);
        }
        // Behind a clear code a byte comes as it is; later each code defines the next one, which it may use itself.
        let highest = if self.previous.is_some() { self.next } else { clear };
        if code > highest {
            return Err(Stop::Undefined);
        }
        if let Some(previous) = self.previous
            && self.next < CODES
        {
            self.define(previous, if code == self.next { previous } else { code });
        }
        self.emit(code);
        self.previous = Some(code);
        Ok(())
    }

    /// Defines the next code as the string of `prefix` and the first byte of that of `follower`.
    #[inline]
    fn define(&mut self, prefix: usize, follower: usize) {
        let Entry { head, length, .. } = self.entries[prefix];
        let last = self.entries[follower].head.to_le_bytes()[0];
        let appended = if usize::from(length) < HELD { u64::from(last) << (length * 8) } else { 0 };
        #[expect(clippy::cast_possible_truncation, reason = "a code has 12 bits")]
        let prefix = prefix as u16;
        self.entries[self.next] = Entry { head: head | appended, length: length + 1, prefix, last };
        self.next += 1;
        if self.next + self.early >= 1 << self.width && self.width < 12 {
            self.width += 1;
        }
    }

    /// Writes a code's string.
    #[inline]
    fn emit(&mut self, code: usize) {
        let mut entry = self.entries[code];
        let length = usize::from(entry.length);
        let Some(out) = self.ahead.get_mut(self.end..self.end + length.max(HELD)) else { return };
        self.end += length;
        // From its end on.
        for at in (HELD..length).rev() {
            out[at] = entry.last;
            entry = self.entries[usize::from(entry.prefix) % CODES];
        }
        if let Some(head) = out.first_chunk_mut() {
            *head = entry.head.to_le_bytes();
        }
    }

    /// The next code's bits.
    #[inline]
    fn next_bits(&mut self, data: &[u8]) -> Result<usize, Stop> {
        let end = self.position + self.width as usize;
        if end > data.len() * 8 {
            return Err(Stop::Short);
        }
        let rest = &data[self.position / 8..];
        let bytes = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            bytes
        });
        let offset = self.position % 8;
        self.position = end;
        let code = if self.low_bit_first {
            u64::from_le_bytes(bytes) >> offset & ((1 << self.width) - 1)
        } else {
            u64::from_be_bytes(bytes) << offset >> (64 - self.width)
        };
        usize::try_from(code).map_err(|_| Stop::Undefined)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weezl::BitOrder;

    use super::*;

    fn encode(data: &[u8]) -> Vec<u8> {
        weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8).encode(data).unwrap()
    }

    /// In rows, and what was left over at the end.
    fn decode(mut lzw: Lzw, data: &[u8], row: usize) -> (Vec<u8>, Stop) {
        let (mut out, mut line) = (Vec::new(), vec![0; row]);
        loop {
            match lzw.read(data, &mut line) {
                Ok(()) => out.extend_from_slice(&line),
                Err(stop) => return (out, stop),
            }
        }
    }

    /// Bytes with repetitions of all lengths.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let run = (any::<u8>(), 1..40_usize).prop_map(|(byte, count)| vec![byte; count]);
        let noise = prop::collection::vec(any::<u8>(), 1..60);
        let again =
            (prop::collection::vec(0..3_u8, 1..30), 1..200_usize).prop_map(|(it, count)| it.repeat(count));
        prop::collection::vec(prop_oneof![run, noise, again], 1..300).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

        #[test]
        fn what_was_encoded_comes_back(data in bytes(), row in 1..500_usize, bits in 2..=8_u32) {
            let (out, stop) = decode(Lzw::tiff(), &encode(&data), row);
            prop_assert_eq!(&out[..], &data[..data.len() / row * row]);
            prop_assert_eq!(stop, Stop::Short);
            let data: Vec<u8> = data.iter().map(|byte| byte >> (8 - bits)).collect();
            let size = u8::try_from(bits).unwrap();
            let encoded = weezl::encode::Encoder::new(BitOrder::Lsb, size).encode(&data).unwrap();
            let (out, stop) = decode(Lzw::gif(bits), &encoded, row);
            prop_assert_eq!(&out[..], &data[..data.len() / row * row]);
            prop_assert_eq!(stop, Stop::Short);
        }

        #[test]
        fn anything_else_ends(mut data in bytes(), at: prop::sample::Index, value: u8, bits in 0..=12_u32) {
            let mut encoded = encode(&data);
            let at = at.index(encoded.len());
            encoded[at] = value;
            decode(Lzw::tiff(), &encoded, 100);
            decode(Lzw::gif(bits), &encoded, 100);
            data.truncate(4_000);
            decode(Lzw::tiff(), &data, 7);
        }
    }

    #[test]
    fn a_string_can_be_as_long_as_there_are_codes() {
        let data = vec![7; 3_000_000];
        assert_eq!(decode(Lzw::tiff(), &encode(&data), 1_000).0, data);
    }
}
