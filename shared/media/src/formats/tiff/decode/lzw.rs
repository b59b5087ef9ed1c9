//! LZW (TIFF 6.0, section 13; Welch, "A Technique for High-Performance Data Compression", Computer 17, 1984): codes of 9
//! to 12 bits from the high bit on, which grow one code early.
//!
//! An entry holds the first eight bytes of its string, and most strings of a photo are no longer: each of those is one
//! store.

use super::Fault;

const CLEAR: usize = 256;
const END: usize = 257;
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

/// A strip or tile that is being decoded.
pub(super) struct Lzw {
    entries: Box<[Entry]>,
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
    pub fn new() -> Self {
        let mut entries = vec![Entry::default(); CODES].into_boxed_slice();
        for (entry, byte) in entries.iter_mut().zip(0..=u8::MAX) {
            *entry = Entry { head: byte.into(), length: 1, prefix: 0, last: byte };
        }
        let (position, ahead, start, end) = (0, Vec::new(), 0, 0);
        Self { entries, next: END + 1, width: 9, previous: None, position, ahead, start, end }
    }

    /// Fills `out` with what comes next of `data`, always the same.
    pub fn read(&mut self, data: &[u8], out: &mut [u8]) -> Result<(), Fault> {
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
    fn code(&mut self, data: &[u8]) -> Result<(), Fault> {
        let code = self.next_bits(data)?;
        match (code, self.previous) {
            (CLEAR, _) => {
                (self.next, self.width, self.previous) = (END + 1, 9, None);
                return Ok(());
            }
            (END, _) => return Err(Fault::Short),
            (_, None) if code > END => return Err(Fault::broken("an LZW code that isn't defined")),
            (_, None) => {}
            (_, Some(previous)) => {
                if code > self.next {
                    return Err(Fault::broken("an LZW code that isn't defined"));
                }
                if self.next < CODES {
                    self.define(previous, if code == self.next { previous } else { code });
                }
            }
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
        if self.next + 1 >= 1 << self.width && self.width < 12 {
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
    fn next_bits(&mut self, data: &[u8]) -> Result<usize, Fault> {
        let end = self.position + self.width as usize;
        if end > data.len() * 8 {
            return Err(Fault::Short);
        }
        let rest = &data[self.position / 8..];
        let bytes = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            bytes
        });
        let bits = u64::from_be_bytes(bytes) << (self.position % 8);
        self.position = end;
        usize::try_from(bits >> (64 - self.width)).map_err(Fault::broken)
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
    fn decode(data: &[u8], row: usize) -> (Vec<u8>, Fault) {
        let (mut lzw, mut out, mut line) = (Lzw::new(), Vec::new(), vec![0; row]);
        loop {
            match lzw.read(data, &mut line) {
                Ok(()) => out.extend_from_slice(&line),
                Err(fault) => return (out, fault),
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
        fn what_was_encoded_comes_back(data in bytes(), row in 1..500_usize) {
            let (out, fault) = decode(&encode(&data), row);
            prop_assert_eq!(&out[..], &data[..data.len() / row * row]);
            prop_assert_eq!(fault, Fault::Short);
        }

        #[test]
        fn anything_else_ends(mut data in bytes(), at: prop::sample::Index, value: u8) {
            let mut encoded = encode(&data);
            let at = at.index(encoded.len());
            encoded[at] = value;
            decode(&encoded, 100);
            data.truncate(4_000);
            decode(&data, 7);
        }
    }

    #[test]
    fn a_string_can_be_as_long_as_there_are_codes() {
        let data = vec![7; 3_000_000];
        assert_eq!(decode(&encode(&data), 1_000).0, data);
    }
}
