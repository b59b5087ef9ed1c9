//! Entropy-coded data as rows of bits, 64 at a time.
//!
//! A [`Segment`] is unstuffed (ITU-T T.81, F.1.2.3: 0xFF is followed by 0) into a window ahead of its readers, so
//! that a refill is one load without a look at the bytes. Behind a segment's last byte stand zeros.

#![expect(clippy::inline_always, reason = "the decoders' innermost loops")]
#![expect(clippy::cast_possible_truncation, reason = "bits are cut out of words")]
#![expect(clippy::large_stack_arrays, reason = "boxed at once")]

/// Bytes of a window, a power of two: a masked position is in bounds by its type.
const WINDOW: usize = 1 << 15;
/// A window, and what may be loaded behind its last byte.
pub(super) type Window = [u8; WINDOW + 8];
/// Bytes of a segment that a window holds.
pub(super) const HELD: usize = WINDOW - MCU;
/// More bytes than the longest MCU takes: 10 blocks of 64 coefficients with 16 bits of code and 15 of value each,
/// and those that are loaded ahead.
pub(super) const MCU: usize = 10 * 64 * 4 + 16;

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

/// The bytes between two markers, of which some stand in a window.
pub(super) struct Segment<'a> {
    data: &'a [u8],
    /// The next byte of the file that isn't in the window.
    at: usize,
    window: Box<Window>,
    /// Bytes of the window that are the segment's.
    end: usize,
    state: End,
}

impl<'a> Segment<'a> {
    /// The segment that starts at `at`.
    pub fn new(data: &'a [u8], at: usize) -> Self {
        let window = Box::new([0; WINDOW + 8]);
        let mut segment = Self { data, at, window, end: 0, state: End::Open };
        segment.start(at);
        segment
    }

    /// Goes on with the segment that starts at `at`.
    pub fn start(&mut self, at: usize) {
        self.at = at;
        self.state = End::Open;
        self.end = 0;
        self.fill(0);
    }

    /// Moves what stands from `from` on to the window's front, and unstuffs more behind it.
    pub fn fill(&mut self, from: usize) {
        let from = from.min(self.end);
        self.window.copy_within(from..self.end, 0);
        self.end -= from;
        while self.state == End::Open && self.end < HELD {
            let ahead = self.data.get(self.at..).unwrap_or_default();
            let chunk = &ahead[..(HELD - self.end).min(ahead.len())];
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
        if self.state != End::Open {
            // As far as the last MCU may be read; of many short segments, to the window's end would be much.
            self.window[self.end..self.end + MCU + 8].fill(0);
        }
    }

    /// What stands in the window, zeros behind it included.
    #[inline(always)]
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Bytes of the window that are the segment's.
    #[inline(always)]
    pub fn end(&self) -> usize {
        self.end
    }

    /// Whether more bytes follow the window.
    #[inline(always)]
    pub fn open(&self) -> bool {
        self.state == End::Open
    }

    /// Whether the data holds the bits up to `position` of the window.
    #[inline(always)]
    pub fn holds(&self, position: usize) -> Result<(), Stop> {
        if position <= self.end * 8 {
            return Ok(());
        }
        match self.state {
            End::Open => Ok(()),
            End::Marker => Err(Stop::Marker),
            End::File => Err(Stop::Cut),
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

    /// Goes to the end of the segment: whether whole bytes are left over behind the bits up to `position`, and where
    /// the marker starts.
    pub fn finish(&mut self, position: usize) -> (bool, usize) {
        let mut left = self.end > position.div_ceil(8);
        while self.state == End::Open {
            self.fill(self.end);
            left |= self.end > 0;
        }
        (left, self.at)
    }
}

/// A place in a segment's window.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reader {
    /// The next bits, from the top, as far as they are loaded.
    pub buffer: u64,
    /// The next bit of the window.
    pub position: usize,
}

impl Reader {
    /// From bit `position` of the window.
    #[inline(always)]
    pub fn new(window: &Window, position: usize) -> Self {
        let mut reader = Self { buffer: 0, position };
        reader.refill(window);
        reader
    }

    /// Loads the next 57 bits, or more.
    #[inline(always)]
    pub fn refill(&mut self, window: &Window) {
        let at = (self.position / 8) & (WINDOW - 1);
        let bytes = window[at..].first_chunk().unwrap_or(&[0; 8]);
        self.buffer = u64::from_be_bytes(*bytes) << (self.position & 7);
    }

    #[inline(always)]
    pub fn skip(&mut self, length: u32) {
        self.buffer <<= length & 63;
        self.position += length as usize;
    }

    /// The next `length` bits (1 to 32), which must be loaded.
    #[inline(always)]
    pub fn take(&mut self, length: u32) -> u32 {
        let value = (self.buffer >> ((64 - length) & 63)) as u32;
        self.skip(length);
        value
    }

    /// The value of `size` bits (0 to 16) that must be loaded, sign-extended (F.2.2.1's RECEIVE and EXTEND): 0 where there
    /// are none. Without a branch, of which a predictor could make nothing.
    #[inline(always)]
    pub fn value(&mut self, size: u32) -> i32 {
        let magnitude = (self.buffer >> 1 >> (63 - size)) as i32;
        let negative = !(self.buffer.cast_signed() >> 63) as i32;
        self.skip(size);
        magnitude + (((-1 << size) + 1) & negative)
    }
}

/// One reader through a whole segment.
pub(super) struct Bits<'a> {
    segment: Segment<'a>,
    pub reader: Reader,
}

impl<'a> Bits<'a> {
    /// The segment that starts at `at`.
    pub fn new(data: &'a [u8], at: usize) -> Self {
        Self { segment: Segment::new(data, at), reader: Reader::default() }
    }

    /// Goes on with the segment that starts at `at`.
    pub fn start(&mut self, at: usize) {
        self.segment.start(at);
        self.reader = Reader::default();
    }

    /// Before each MCU: sees to it that its bits are there, and tells if those of the last one were not.
    #[inline(always)]
    pub fn ready(&mut self) -> Result<(), Stop> {
        if self.reader.position / 8 + MCU > self.segment.end() { self.more() } else { Ok(()) }
    }

    #[cold]
    fn more(&mut self) -> Result<(), Stop> {
        if self.segment.open() {
            self.segment.fill(self.reader.position / 8);
            self.reader.position %= 8;
        }
        self.segment.holds(self.reader.position)
    }

    /// Whether the file ends with this segment.
    pub fn cut(&self) -> bool {
        self.segment.cut()
    }

    /// A byte of the file.
    pub fn byte(&self, at: usize) -> Option<u8> {
        self.segment.byte(at)
    }

    /// Goes to the end of the segment: whether whole bytes were left over, and where the marker starts.
    pub fn finish(&mut self) -> (bool, usize) {
        self.segment.finish(self.reader.position)
    }

    /// Loads the next 57 bits, or more.
    #[inline(always)]
    pub fn refill(&mut self) {
        self.reader.refill(self.segment.window());
    }

    /// The next bit, loaded or not; what was loaded is void after it.
    #[inline(always)]
    pub fn bit(&mut self) -> bool {
        self.refill();
        self.take(1) != 0
    }

    /// The next `length` bits (1 to 32), which must be loaded.
    #[inline(always)]
    pub fn take(&mut self, length: u32) -> u32 {
        self.reader.take(length)
    }
}
