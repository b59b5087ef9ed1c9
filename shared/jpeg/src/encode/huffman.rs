//! Entropy coding of blocks by the standard Huffman tables (ITU-T T.81, F.1.2 and K.3).
//!
//! A block comes with a bit for each coefficient that isn't 0, in zigzag order, so that runs of zeros cost
//! nothing: the next coefficient is the next set bit. Code and length lie in one table entry, and a code and
//! its extra bits go into the bit buffer together.

use crate::zigzag::ZIGZAG;

/// A Huffman table as DHT holds it: how many codes there are of each length 1 to 16, and their symbols.
pub(super) struct Spec {
    pub counts: [u8; 16],
    pub symbols: &'static [u8],
}

/// T.81, table K.3.
pub(super) const LUMA_DC: Spec = Spec {
    counts: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
    symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
};

/// T.81, table K.4.
pub(super) const CHROMA_DC: Spec = Spec {
    counts: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
    symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
};

/// T.81, table K.5.
pub(super) const LUMA_AC: Spec = Spec {
    counts: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d],
    symbols: &[
        0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22,
        0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33,
        0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34,
        0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55,
        0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76,
        0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96,
        0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5,
        0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4,
        0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1,
        0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    ],
};

/// T.81, table K.6.
pub(super) const CHROMA_AC: Spec = Spec {
    counts: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
    symbols: &[
        0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13,
        0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62,
        0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29,
        0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54,
        0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75,
        0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94,
        0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3,
        0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2,
        0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea,
        0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    ],
};

/// A code moved left by the bits of the value that follow it, and in the low 5 bits the length of both
/// together, at most 26.
type Code = u32;

const LENGTH_BITS: u32 = 5;

/// The codes of one kind of component. Rather than by the bits of a value they are found by its leading zeros as
/// `u32`, which the processor counts.
pub(super) struct Table {
    /// By the leading zeros of the difference.
    dc: [Code; 64],
    /// By how many coefficients further the next value is (1 to 16), and its leading zeros.
    ac: [[Code; 32]; 32],
    end_of_block: Code,
    /// 16 zeros.
    zeros: Code,
}

pub(super) static LUMA: Table = table(&LUMA_DC, &LUMA_AC);
pub(super) static CHROMA: Table = table(&CHROMA_DC, &CHROMA_AC);

/// Numbers the codes (T.81, C.2).
const fn table(dc: &Spec, ac: &Spec) -> Table {
    let mut table = Table { dc: [0; 64], ac: [[0; 32]; 32], end_of_block: 0, zeros: 0 };
    let specs = [dc, ac];
    let mut kind = 0;
    while kind < 2 {
        let (mut code, mut next, mut length) = (0, 0, 1);
        while length <= 16 {
            let mut left = specs[kind].counts[length as usize - 1];
            while left > 0 {
                let symbol = specs[kind].symbols[next];
                let (run, bits) = (symbol as usize >> 4, symbol as Code & 15);
                let entry = (code << bits << LENGTH_BITS) | (length + bits);
                match (kind, symbol) {
                    (0, _) => table.dc[32 - bits as usize] = entry,
                    (_, 0x00) => table.end_of_block = entry,
                    (_, 0xf0) => table.zeros = entry,
                    _ => table.ac[run + 1][32 - bits as usize] = entry,
                }
                code += 1;
                next += 1;
                left -= 1;
            }
            code <<= 1;
            length += 1;
        }
        kind += 1;
    }
    table
}

/// By row of a block and which of its 8 coefficients aren't 0: the bits of those in zigzag order.
static ZIGZAG_BITS: [[u64; 256]; 8] = zigzag_bits();

const fn zigzag_bits() -> [[u64; 256]; 8] {
    let mut bits = [[0; 256]; 8];
    let mut zigzag = 0;
    while zigzag < 64 {
        let (row, column) = (ZIGZAG[zigzag] as usize / 8, ZIGZAG[zigzag] as usize % 8);
        let mut mask = 0;
        while mask < 256 {
            if mask >> column & 1 == 1 {
                bits[row][mask] |= 1 << zigzag;
            }
            mask += 1;
        }
        zigzag += 1;
    }
    bits
}

/// From a bit for each coefficient by rows to one for each in zigzag order.
#[inline(always)]
fn zigzag(rows: u64) -> u64 {
    let bytes = rows.to_le_bytes();
    let mut bits = 0;
    for (table, byte) in ZIGZAG_BITS.iter().zip(bytes) {
        bits |= table[usize::from(byte)];
    }
    bits
}

/// Writes codes, most significant bit first, and puts a 0 after each byte 0xff (T.81, F.1.2.3).
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// The lowest `64 - free` bits wait to be written; what is above them is of no meaning.
    buffer: u64,
    /// 1 to 64.
    free: u32,
}

impl<'o> Writer<'o> {
    /// Appends to `out`.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, buffer: 0, free: u64::BITS }
    }

    /// Appends the low `length` bits (up to 32) of `bits`; those above are 0.
    #[inline(always)]
    fn put(&mut self, bits: u32, length: u32) {
        let bits = u64::from(bits);
        if length < self.free {
            self.buffer = self.buffer << length | bits;
            self.free -= length;
        } else {
            let over = length - self.free;
            flush(self.out, self.buffer << self.free | bits >> over);
            self.buffer = bits;
            self.free = u64::BITS - over;
        }
    }

    /// Pads the last byte with ones and writes it.
    pub fn finish(self) {
        let waiting = u64::BITS - self.free;
        if waiting > 0 {
            let word = self.buffer << self.free | ((1 << self.free) - 1);
            stuff(self.out, &word.to_be_bytes()[..waiting.div_ceil(8) as usize]);
        }
    }

    /// Codes one block: its coefficients by rows, `nonzero` a bit for each of them (that of DC is of no
    /// meaning). `last_dc` is the DC of the component's block before, and becomes that of this one.
    #[inline(always)]
    pub fn block(&mut self, table: &Table, block: &[i16; 64], nonzero: u64, last_dc: &mut i16) {
        let (extra, zeros) = written(i32::from(block[0]) - i32::from(*last_dc));
        *last_dc = block[0];
        self.code(table.dc[zeros & 63], extra);
        let mut left = zigzag(nonzero & !1);
        // In zigzag order, of the last coefficient that was coded.
        let mut at = 0;
        while left != 0 {
            let next = left.trailing_zeros();
            left &= left - 1;
            let mut step = next - at;
            at = next;
            while step > 16 {
                self.code(table.zeros, 0);
                step -= 16;
            }
            let value = block[usize::from(ZIGZAG[next as usize & 63]) & 63];
            let (extra, zeros) = written(i32::from(value));
            self.code(table.ac[step as usize & 31][zeros & 31], extra);
        }
        if at != 63 {
            self.code(table.end_of_block, 0);
        }
    }

    /// Appends a code and the bits that follow it.
    #[inline(always)]
    fn code(&mut self, code: Code, extra: u32) {
        self.put((code >> LENGTH_BITS) | extra, code & ((1 << LENGTH_BITS) - 1));
    }
}

/// The bits that follow the code of a value of `-2047..=2047`, and how many leading zeros they have at 32.
///
/// Negative values are written less one, the missing highest bit is their sign (T.81, F.1.2.1.1).
#[inline(always)]
fn written(value: i32) -> (u32, usize) {
    let sign = value >> 31;
    let written = (value + sign).cast_unsigned();
    let zeros = (written ^ sign.cast_unsigned()).leading_zeros();
    // Of 0 all bits are kept, and are zeros.
    (written & u32::MAX.wrapping_shr(zeros), zeros as usize)
}

/// Writes 8 bytes.
#[inline(always)]
fn flush(out: &mut Vec<u8>, word: u64) {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const ONES: u64 = 0x0101_0101_0101_0101;
    let bytes = word.to_be_bytes();
    // A byte 0xff becomes 0 by adding 1: its highest bit was set and no longer is.
    if word & HIGH & !word.wrapping_add(ONES) == 0 {
        out.extend_from_slice(&bytes);
    } else {
        stuff(out, &bytes);
    }
}

#[cold]
#[inline(never)]
fn stuff(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        out.push(byte);
        if byte == 0xff {
            out.push(0);
        }
    }
}
