//! Huffman tables (ITU-T T.81, annexes C and F.2.2.3) as lookups by the next bits.
//!
//! A lookup of the next [`LOOK`] bits yields the code *and* the value behind it, sign-extended; of AC
//! coefficients two at once where both fit. Codes longer than the lookup are found by their length's bounds.

#![expect(clippy::inline_always, reason = "the decoders' innermost loops")]
#![expect(clippy::cast_possible_truncation, reason = "entries are packed from small numbers")]
#![expect(clippy::large_stack_arrays, reason = "boxed at once")]

use super::bits::Reader;

/// Bits of a lookup.
pub(super) const LOOK: u32 = 13;
const ENTRIES: usize = 1 << LOOK;

/// A table as the file defines it.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    /// Codes of each length, 1 to 16.
    pub counts: [u8; 16],
    pub symbols: Vec<u8>,
}

/// A table's codes: the next symbol and its code's length.
pub(super) struct Codes {
    /// `symbol | length << 8` by the next [`LOOK`] bits, 0 for longer codes.
    short: Box<[u16; ENTRIES]>,
    /// For each length the first code, in 16 bits from the top, that isn't of this length or shorter.
    bounds: [u32; 17],
    /// What is added to a code of each length to index its symbol.
    offsets: [i32; 17],
    symbols: [u8; 256],
}

impl Codes {
    /// `None` where the lengths are no prefix code.
    pub fn new(definition: &Definition) -> Option<Self> {
        let mut codes =
            Self { short: Box::new([0; ENTRIES]), bounds: [0; 17], offsets: [0; 17], symbols: [0; 256] };
        let symbols = codes.symbols.get_mut(..definition.symbols.len())?;
        symbols.copy_from_slice(&definition.symbols);
        let (mut code, mut index) = (0_u32, 0_u32);
        for length in 1..=16_u32 {
            let count = u32::from(definition.counts[length as usize - 1]);
            if code + count > 1 << length {
                return None;
            }
            codes.offsets[length as usize] = index.cast_signed() - code.cast_signed();
            if length <= LOOK {
                let width = 1_usize << (LOOK - length);
                let first = code as usize * width;
                let entries = codes.short.get_mut(first..first + count as usize * width)?;
                for (entries, symbol) in
                    entries.chunks_exact_mut(width).zip(&definition.symbols[index as usize..])
                {
                    entries.fill(u16::from(*symbol) | (length as u16) << 8);
                }
            }
            code += count;
            index += count;
            codes.bounds[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(codes)
    }

    /// The next symbol, of which 16 bits must be in the buffer.
    #[inline(always)]
    pub fn symbol(&self, reader: &mut Reader) -> Option<u8> {
        let entry = self.short[(reader.buffer >> (64 - LOOK)) as usize & (ENTRIES - 1)];
        if entry != 0 {
            reader.skip(u32::from(entry >> 8));
            return Some(entry as u8);
        }
        self.long(reader)
    }

    #[cold]
    fn long(&self, reader: &mut Reader) -> Option<u8> {
        let next = (reader.buffer >> 48) as u32;
        let length = (LOOK + 1..=16).find(|&length| next < self.bounds[length as usize])?;
        reader.skip(length);
        let index = (next >> (16 - length)).cast_signed() + self.offsets[length as usize];
        self.symbols.get(usize::try_from(index).ok()?).copied()
    }
}

/// The value of `size` bits at the top of a window of [`LOOK`] bits from which `length` are gone.
fn value(window: usize, length: u32, size: u32) -> i32 {
    // One shift would be by all 64 bits for a code as long as the window, behind which there is no value.
    Reader { buffer: (window as u64) << (64 - LOOK) << length, position: 0 }.value(size)
}

/// DC differences.
pub(super) struct Dc {
    codes: Codes,
    /// `length | size << 8` by the next bits, 0 for longer codes. So small that it stays in the first cache.
    sizes: [u16; 1 << DC_LOOK],
}

const DC_LOOK: u32 = 8;

impl Dc {
    pub fn new(definition: &Definition) -> Option<Self> {
        let codes = Codes::new(definition)?;
        let mut sizes = [0; 1 << DC_LOOK];
        for (window, entry) in sizes.iter_mut().enumerate() {
            let short = codes.short[window << (LOOK - DC_LOOK)];
            let (length, size) = (short >> 8, short & 0xFF);
            if length <= DC_LOOK as u16 && size <= 15 {
                *entry = length | size << 8;
            }
        }
        Some(Self { codes, sizes })
    }

    /// The next difference, of which 32 bits must be loaded.
    #[inline(always)]
    pub fn next(&self, reader: &mut Reader) -> Option<i32> {
        let entry = self.sizes[(reader.buffer >> (64 - DC_LOOK)) as usize & ((1 << DC_LOOK) - 1)];
        let size = if entry == 0 {
            u32::from(self.codes.symbol(reader)?)
        } else {
            reader.skip(u32::from(entry) & 63);
            u32::from(entry >> 8)
        };
        if size > 15 {
            return None;
        }
        Some(reader.value(size))
    }
}

/// What a special AC entry says, in its top byte.
pub(super) mod special {
    /// The block ends.
    pub const END: u32 = 1;
    /// A coefficient, and the block ends.
    pub const VALUE_END: u32 = 2;
    /// A coefficient whose value isn't in the lookup.
    pub const WIDE: u32 = 3;
    /// The code isn't in the lookup.
    pub const LONG: u32 = 4;
}
/// As second step of an AC entry: the entry is special. From any coefficient it leads past the last.
const SPECIAL: u32 = 63;

/// What one symbol says.
pub(super) enum Single {
    /// The block ends.
    End,
    /// A coefficient at an index; 0 of a long run.
    Value(usize, i32),
}

/// A lookup among AC coefficients: bits 0 to 5 the length, 6 to 9 the first run, 10 to 15 the steps from the first
/// coefficient to the second (0 if there is none), 16 to 23 the first value, 24 to 31 the second.
#[derive(Clone, Copy)]
pub(super) struct Entry(u32);

impl Entry {
    /// Bits that it takes.
    #[inline(always)]
    pub fn length(self) -> u32 {
        self.0 & 63
    }

    /// Coefficients that are 0 before the first.
    #[inline(always)]
    pub fn run(self) -> usize {
        (self.0 >> 6 & 15) as usize
    }

    /// From the first coefficient to the second.
    #[inline(always)]
    pub fn step(self) -> usize {
        (self.0 >> 10 & 63) as usize
    }

    /// The value of the first coefficient.
    #[inline(always)]
    pub fn first(self) -> i16 {
        (self.0.cast_signed() << 8 >> 24) as i16
    }

    /// The value of the second coefficient, or of the first if there is no second.
    #[inline(always)]
    pub fn second(self) -> i16 {
        (self.0.cast_signed() >> 24) as i16
    }

    /// One of [`special`], if it is one; else past a block's end, anything.
    #[inline(always)]
    pub fn special(self) -> Option<u32> {
        (self.step() == SPECIAL as usize).then_some(self.0 >> 24)
    }

    /// Bits of the value that isn't in the lookup.
    #[inline(always)]
    pub fn size(self) -> u32 {
        self.0 >> 16 & 15
    }
}

/// What the next [`LOOK`] bits say.
pub(super) struct Lookups([Entry; ENTRIES]);

impl Lookups {
    #[inline(always)]
    pub fn at(&self, reader: Reader) -> Entry {
        self.0[(reader.buffer >> (64 - LOOK)) as usize & (ENTRIES - 1)]
    }
}

/// AC coefficients of sequential scans.
pub(super) struct Ac {
    codes: Codes,
    pub lookups: Box<Lookups>,
}

impl Ac {
    pub fn new(definition: &Definition) -> Option<Self> {
        let codes = Codes::new(definition)?;
        let mut lookups = Box::new(Lookups([Entry(0); ENTRIES]));
        for (window, entry) in lookups.0.iter_mut().enumerate() {
            *entry = Entry(codes.pair(window));
        }
        Some(Self { codes, lookups })
    }

    /// The slow way: one symbol, from coefficient `k` on, of which 32 bits must be in the buffer. `None` where the
    /// block is broken.
    pub fn single(&self, reader: &mut Reader, k: usize) -> Option<Single> {
        let symbol = u32::from(self.codes.symbol(reader)?);
        let (run, size) = (symbol >> 4, symbol & 15);
        if size == 0 && run != 15 {
            // Runs of blocks are progressive's; libjpeg takes them for an end here, too.
            return Some(Single::End);
        }
        let index = k + run as usize;
        if index > 63 {
            return None;
        }
        Some(Single::Value(index, reader.value(size)))
    }
}

impl Codes {
    /// Run, size and code's length of the code at the top of `window`.
    fn at(&self, window: usize) -> Option<(u32, u32, u32)> {
        let short = u32::from(self.short[window & (ENTRIES - 1)]);
        (short != 0).then_some((short >> 4 & 15, short & 15, short >> 8))
    }

    fn pair(&self, window: usize) -> u32 {
        let entry = |kind: u32, length: u32, run: u32, value: i32| {
            length | run << 6 | SPECIAL << 10 | (value.cast_unsigned() & 0xFF) << 16 | kind << 24
        };
        let Some((run, size, length)) = self.at(window) else { return entry(special::LONG, 0, 0, 0) };
        if size == 0 && run != 15 {
            return entry(special::END, length, 0, 0);
        }
        if length + size > LOOK {
            return entry(special::WIDE, length, run, size.cast_signed());
        }
        let first = value(window, length, size);
        let taken = length + size;
        if i8::try_from(first).is_err() {
            return entry(special::WIDE, length, run, size.cast_signed());
        }
        let low = |value: i32| value.cast_unsigned() & 0xFF;
        let one = taken | run << 6 | low(first) << 16 | low(first) << 24;
        let rest = window << taken;
        match self.at(rest) {
            Some((next, 0, length)) if next != 15 && taken + length <= LOOK => {
                entry(special::VALUE_END, taken + length, run, first)
            }
            Some((next, size, length)) if taken + length + size <= LOOK => {
                let second = value(rest & (ENTRIES - 1), length, size);
                if i8::try_from(second).is_err() {
                    return one;
                }
                (taken + length + size) | run << 6 | (next + 1) << 10 | low(first) << 16 | low(second) << 24
            }
            _ => one,
        }
    }
}
