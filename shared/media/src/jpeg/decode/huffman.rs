//! Huffman tables (ITU-T T.81, annexes C and F.2.2.3) as lookups by the next bits.
//!
//! A lookup of the next [`LOOK`] bits yields the code *and* the value behind it, sign-extended; of AC
//! coefficients two at once where both fit. Tables for coefficients that are only passed over sum up as many
//! as fit. Codes longer than the lookup are found by their length's bounds.

#![expect(clippy::inline_always, reason = "the decoders' innermost loops")]
#![expect(clippy::cast_possible_truncation, reason = "entries are packed from small numbers")]

use super::bits::Bits;

/// Bits of a lookup.
pub(super) const LOOK: u32 = 11;
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
    pub fn symbol(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let entry = self.short[(bits.buffer >> (64 - LOOK)) as usize & (ENTRIES - 1)];
        if entry != 0 {
            bits.skip(u32::from(entry >> 8));
            return Some(entry as u8);
        }
        self.long(bits)
    }

    #[cold]
    fn long(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let next = (bits.buffer >> 48) as u32;
        let length = (LOOK + 1..=16).find(|&length| next < self.bounds[length as usize])?;
        bits.skip(length);
        let index = (next >> (16 - length)).cast_signed() + self.offsets[length as usize];
        self.symbols.get(usize::try_from(index).ok()?).copied()
    }
}

/// Sign-extends a value of `size` bits (1 to 16), F.2.2.1's EXTEND.
#[inline(always)]
pub(super) fn extend(value: u32, size: u32) -> i32 {
    let value = value.cast_signed();
    if value < 1 << (size - 1) { value + 1 - (1 << size) } else { value }
}

/// The value of `size` bits at the top of a window of [`LOOK`] bits from which `length` are gone.
fn value(window: usize, length: u32, size: u32) -> i32 {
    if size == 0 {
        return 0;
    }
    let value = (window >> (LOOK - length - size)) & ((1 << size) - 1);
    extend(value as u32, size)
}

/// DC differences.
pub(super) struct Dc {
    codes: Codes,
    /// `length | value << 16`, 0 for what doesn't fit.
    fast: Box<[u32; ENTRIES]>,
}

impl Dc {
    pub fn new(definition: &Definition) -> Option<Self> {
        let codes = Codes::new(definition)?;
        let mut fast = Box::new([0; ENTRIES]);
        for (window, entry) in fast.iter_mut().enumerate() {
            let short = codes.short[window];
            let (length, size) = (u32::from(short >> 8), u32::from(short & 0xFF));
            if short != 0 && length + size <= LOOK {
                *entry = (length + size) | value(window, length, size).cast_unsigned() << 16;
            }
        }
        Some(Self { codes, fast })
    }

    /// The next difference.
    #[inline(always)]
    pub fn next(&self, bits: &mut Bits<'_>) -> Option<i32> {
        bits.refill();
        let entry = self.fast[(bits.buffer >> (64 - LOOK)) as usize & (ENTRIES - 1)];
        if entry != 0 {
            bits.skip(entry & 63);
            return Some(entry.cast_signed() >> 16);
        }
        let size = u32::from(self.codes.symbol(bits)?);
        match size {
            0 => Some(0),
            1..=15 => Some(extend(bits.take(size), size)),
            _ => None,
        }
    }
}

/// How a special AC entry goes on, in its top byte.
const END: u32 = 1;
const VALUE_END: u32 = 2;
const WIDE: u32 = 3;
const LONG: u32 = 4;
/// As second step of an AC entry: the entry is special. From any coefficient it leads past the last.
const SPECIAL: u32 = 63;
/// In a step of a passing entry: the block ends.
const PASS_END: u32 = 128;
const PASS_LONG: u32 = 64;

/// What one symbol says.
enum Single {
    /// The block ends.
    End,
    /// A coefficient at an index; 0 of a long run.
    Value(u32, i32),
}

/// AC coefficients of sequential scans.
pub(super) struct Ac {
    codes: Codes,
    /// Bits 0 to 5 the length, 6 to 9 the first run, 10 to 15 the steps from the first coefficient to the second
    /// (0 if there is none), 16 to 23 the first value, 24 to 31 the second.
    fast: Box<[u32; ENTRIES]>,
    /// Bits 0 to 5 the length, then the steps. `None` where nothing is passed over.
    pass: Option<Box<[u16; ENTRIES]>>,
}

impl Ac {
    /// With `passing` also the tables to pass over coefficients.
    pub fn new(definition: &Definition, passing: bool) -> Option<Self> {
        let codes = Codes::new(definition)?;
        let mut fast = Box::new([0; ENTRIES]);
        for (window, entry) in fast.iter_mut().enumerate() {
            *entry = codes.pair(window);
        }
        let pass = passing.then(|| {
            let mut pass = Box::new([0; ENTRIES]);
            for (window, entry) in pass.iter_mut().enumerate() {
                *entry = codes.pass(window);
            }
            pass
        });
        Some(Self { codes, fast, pass })
    }

    /// Decodes the AC coefficients of a block up to `limit` in zigzag order through `put`, which takes the
    /// index and the value, and passes over the rest. Returns the index of the last one, or more.
    #[inline(always)]
    pub fn block(&self, bits: &mut Bits<'_>, limit: u32, mut put: impl FnMut(u32, i32)) -> Option<u32> {
        let mut k = 1;
        'refill: loop {
            if k > limit {
                let last = k - 1;
                return if k > 63 { Some(last) } else { self.rest(bits, k).map(|()| last) };
            }
            bits.refill();
            // Each takes 11 bits of the 56, or ends the round.
            for _ in 0..5 {
                let entry = self.fast[(bits.buffer >> (64 - LOOK)) as usize & (ENTRIES - 1)];
                let first = k + (entry >> 6 & 15);
                let second = first + (entry >> 10 & 63);
                if second <= 63 {
                    bits.skip(entry & 63);
                    // In this order: if there is no second value, the first takes its place.
                    put(second, entry.cast_signed() >> 24);
                    put(first, entry.cast_signed() << 8 >> 24);
                    k = second + 1;
                    continue;
                }
                if k > 63 {
                    return Some(63);
                }
                if (entry >> 10 & 63) == SPECIAL && first <= 63 {
                    match entry >> 24 {
                        END => {
                            bits.skip(entry & 63);
                            return Some(k - 1);
                        }
                        VALUE_END if first < 63 => {
                            bits.skip(entry & 63);
                            put(first, entry.cast_signed() << 8 >> 24);
                            return Some(first);
                        }
                        WIDE => {
                            bits.skip(entry & 63);
                            let size = entry >> 16 & 15;
                            // The buffer has 56 bits less what the round took, which may be too few.
                            bits.refill();
                            put(first, extend(bits.take(size), size));
                            k = first + 1;
                            continue 'refill;
                        }
                        _ => {}
                    }
                }
                match self.single(bits, &mut k)? {
                    Single::Value(index, value) => put(index, value),
                    Single::End => return Some(k - 1),
                }
                continue 'refill;
            }
        }
    }

    /// The slow way: one symbol. `None` where the block is broken.
    #[inline(never)]
    fn single(&self, bits: &mut Bits<'_>, k: &mut u32) -> Option<Single> {
        bits.refill();
        let symbol = u32::from(self.codes.symbol(bits)?);
        let (run, size) = (symbol >> 4, symbol & 15);
        if size == 0 && run != 15 {
            // Runs of blocks are progressive's; libjpeg takes them for an end here, too.
            return Some(Single::End);
        }
        let index = *k + run;
        if index > 63 {
            return None;
        }
        *k = index + 1;
        Some(Single::Value(index, if size == 0 { 0 } else { extend(bits.take(size), size) }))
    }

    /// Passes over the block's coefficients from `k`.
    #[inline(always)]
    fn rest(&self, bits: &mut Bits<'_>, mut k: u32) -> Option<()> {
        let Some(pass) = &self.pass else {
            while k <= 63 {
                if matches!(self.single(bits, &mut k)?, Single::End) {
                    break;
                }
            }
            return Some(());
        };
        'refill: loop {
            bits.refill();
            // Each takes at most 28 bits of the 56.
            for _ in 0..2 {
                let entry = u32::from(pass[(bits.buffer >> (64 - LOOK)) as usize & (ENTRIES - 1)]);
                let next = k + (entry >> 6);
                if next > 63 {
                    if entry >> 6 >= PASS_END && next - PASS_END <= 63 {
                        bits.skip(entry & 63);
                        return Some(());
                    }
                    if matches!(self.single(bits, &mut k)?, Single::End) || k > 63 {
                        return Some(());
                    }
                    continue 'refill;
                }
                bits.skip(entry & 63);
                k = next;
            }
        }
    }
}

impl Codes {
    /// Run, size and code's length of the code at the top of `window`.
    fn at(&self, window: usize) -> Option<(u32, u32, u32)> {
        let short = u32::from(self.short[window & (ENTRIES - 1)]);
        (short != 0).then_some((short >> 4 & 15, short & 15, short >> 8))
    }

    fn pair(&self, window: usize) -> u32 {
        let special = |kind: u32, length: u32, run: u32, value: i32| {
            length | run << 6 | SPECIAL << 10 | (value.cast_unsigned() & 0xFF) << 16 | kind << 24
        };
        let Some((run, size, length)) = self.at(window) else { return special(LONG, 0, 0, 0) };
        if size == 0 && run != 15 {
            return special(END, length, 0, 0);
        }
        if length + size > LOOK {
            return special(WIDE, length, run, size.cast_signed());
        }
        let first = value(window, length, size);
        let taken = length + size;
        if i8::try_from(first).is_err() {
            return special(WIDE, length, run, size.cast_signed());
        }
        let low = |value: i32| value.cast_unsigned() & 0xFF;
        let one = taken | run << 6 | low(first) << 16 | low(first) << 24;
        let rest = window << taken;
        match self.at(rest) {
            Some((next, 0, length)) if next != 15 && taken + length <= LOOK => {
                special(VALUE_END, taken + length, run, first)
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

    fn pass(&self, window: usize) -> u16 {
        let (mut taken, mut steps) = (0, 0);
        while let Some((run, size, length)) = self.at(if taken < LOOK { window << taken } else { 0 })
            && taken + length <= LOOK
        {
            if size == 0 && run != 15 {
                steps += PASS_END;
                taken += length;
                break;
            }
            if taken + length + size > 28 || steps + run + 1 > 63 {
                break;
            }
            taken += length + size;
            steps += run + 1;
            if taken >= LOOK {
                break;
            }
        }
        if taken == 0 {
            steps = PASS_LONG;
        }
        (taken | steps << 6) as u16
    }
}
