//! Entropy-coded data as a row of bits, 64 at a time.
//!
//! Segments are unstuffed (ITU-T T.81, F.1.2.3: 0xFF is followed by 0) into a small window ahead of the
//! decoder, so that a refill is one load without a look at the bytes. Behind a segment's last byte the window
//! holds zeros for [`SPARE`] bytes, more than one MCU can take: whether the data ran out is asked once per MCU.

#![expect(clippy::inline_always, reason = "the decoders' innermost loops")]
#![expect(clippy::cast_possible_truncation, reason = "bits are cut out of words")]

/// Bytes of the window, a power of two so that a masked position is in bounds by its type.
const WINDOW: usize = 1 << 13;
/// More than the longest MCU: 10 blocks of 64 coefficients with 16 bits of code and 15 of value each, and the
/// bytes that are loaded ahead.
const SPARE: usize = 10 * 64 * 4 + 16;

/// Where the bits of a segment end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// More bytes follow the window.
    Open,
    /// A marker follows.
    Marker,
    /// The file ends.
    File,
}

/// Why there are no more bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The file ends within the segment.
    Cut,
    /// A marker stands where data should be.
    Marker,
}

pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// The next byte of the file that isn't in the window.
    at: usize,
    window: Box<[u8; WINDOW + 8]>,
    /// Next byte of the window to load.
    position: usize,
    /// End of the segment's bytes in the window.
    end: usize,
    /// Past this position, [`Bits::more`] must be asked.
    low: usize,
    state: End,
    /// The next bits, from the top.
    pub buffer: u64,
    /// How many bits of `buffer` count.
    pub count: u32,
}

impl<'a> Bits<'a> {
    /// The segment that starts at `at`.
    pub fn new(data: &'a [u8], at: usize) -> Self {
        let window = Box::new([0; WINDOW + 8]);
        let mut bits =
            Self { data, at, window, position: 0, end: 0, low: 0, state: End::Open, buffer: 0, count: 0 };
        bits.start(at);
        bits
    }

    /// Goes on with the segment that starts at `at`.
    pub fn start(&mut self, at: usize) {
        self.at = at;
        self.state = End::Open;
        (self.position, self.end, self.buffer, self.count) = (0, 0, 0, 0);
        self.fill();
    }

    /// Moves what is left to the window's front and unstuffs more behind it.
    #[cold]
    fn fill(&mut self) {
        // Bits in the buffer are counted back from the position.
        let start = self.position.min(self.end).saturating_sub(8);
        self.window.copy_within(start..self.end, 0);
        self.position -= start;
        self.end -= start;
        while self.state == End::Open && self.end < WINDOW - SPARE {
            let room = WINDOW - SPARE - self.end;
            let ahead = self.data.get(self.at..).unwrap_or_default();
            let chunk = &ahead[..room.min(ahead.len())];
            let plain = memchr::memchr(0xFF, chunk).unwrap_or(chunk.len());
            if let Some(target) = self.window.get_mut(self.end..self.end + plain) {
                target.copy_from_slice(&chunk[..plain]);
            }
            self.end += plain;
            self.at += plain;
            match (ahead.get(plain), ahead.get(plain + 1)) {
                // The window is full.
                (Some(byte), _) if *byte != 0xFF => {}
                (Some(_), Some(0)) => {
                    self.window[self.end] = 0xFF;
                    self.end += 1;
                    self.at += 2;
                }
                // A fill byte: the marker's own 0xFF is the next.
                (Some(_), Some(0xFF)) => self.at += 1,
                (Some(_), Some(_)) => self.state = End::Marker,
                (_, None) | (None, _) => self.state = End::File,
            }
        }
        if self.state == End::Open {
            self.low = self.end - SPARE;
        } else {
            let padded = (self.end + SPARE).min(WINDOW + 8);
            self.window[self.end..padded].fill(0);
            self.low = self.end;
        }
    }

    /// Before each MCU: sees to it that its bits are there, and tells if those of the last one were not.
    #[inline(always)]
    pub fn ready(&mut self) -> Result<(), Stop> {
        if self.position > self.low { self.more() } else { Ok(()) }
    }

    #[cold]
    fn more(&mut self) -> Result<(), Stop> {
        if self.state == End::Open {
            self.fill();
        }
        let taken = self.position * 8 - self.count as usize;
        match self.state {
            End::Marker if taken > self.end * 8 => Err(Stop::Marker),
            End::File if taken > self.end * 8 => Err(Stop::Cut),
            _ => Ok(()),
        }
    }

    /// Whether the file ends with this segment.
    pub fn cut(&self) -> bool {
        self.state == End::File
    }

    /// A byte of the file.
    pub fn byte(&self, at: usize) -> Option<u8> {
        self.data.get(at).copied()
    }

    /// Goes to the end of the segment: whether whole bytes were left over, and where the marker starts.
    pub fn finish(&mut self) -> (bool, usize) {
        let taken = (self.position * 8 - self.count as usize).div_ceil(8);
        let mut left = self.end > taken;
        while self.state == End::Open {
            self.position = self.end;
            self.fill();
            left |= self.position < self.end;
        }
        (left, self.at)
    }

    /// Fills up to at least 56 bits.
    #[inline(always)]
    pub fn refill(&mut self) {
        let at = self.position & (WINDOW - 1);
        let bytes: &[u8; 8] = self.window[at..].first_chunk().unwrap_or(&[0; 8]);
        self.buffer |= u64::from_be_bytes(*bytes) >> (self.count & 63);
        self.position += ((63 - self.count) >> 3) as usize;
        // 56 to 63 bits, those of whole bytes.
        self.count |= 0x38;
    }

    #[inline(always)]
    pub fn skip(&mut self, length: u32) {
        self.buffer <<= length & 63;
        // Never below zero: a refill gives more than a step takes.
        self.count = self.count.wrapping_sub(length);
    }

    /// The next bit, refilled if need be.
    #[inline(always)]
    pub fn bit(&mut self) -> bool {
        if self.count == 0 {
            self.refill();
        }
        self.take(1) != 0
    }

    /// The next `length` bits (1 to 32), which must be in the buffer.
    #[inline(always)]
    pub fn take(&mut self, length: u32) -> u32 {
        let value = (self.buffer >> ((64 - length) & 63)) as u32;
        self.skip(length);
        value
    }
}
