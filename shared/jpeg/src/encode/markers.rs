//! The marker segments before the entropy-coded data (ITU-T T.81, annex B; JFIF 1.01, ITU-T T.871).
//!
//! Nothing of an original gets here: sizes, tables and the JFIF header are all that is written.

use super::huffman::{CHROMA_AC, CHROMA_DC, LUMA_AC, LUMA_DC, Spec};
use crate::zigzag::ZIGZAG;

/// T.81, table K.1, by rows.
#[rustfmt::skip]
const LUMA_STEPS: [u8; 64] = [
    16, 11, 10, 16,  24,  40,  51,  61,
    12, 12, 14, 19,  26,  58,  60,  55,
    14, 13, 16, 24,  40,  57,  69,  56,
    14, 17, 22, 29,  51,  87,  80,  62,
    18, 22, 37, 56,  68, 109, 103,  77,
    24, 35, 55, 64,  81, 104, 113,  92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103,  99,
];

/// T.81, table K.2, by rows.
#[rustfmt::skip]
const CHROMA_STEPS: [u8; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
];

/// Quantiser steps by rows, 1 to 255.
pub(super) type Steps = [u8; 64];

/// The steps of luma and chroma at `quality` (1 to 100) on libjpeg's scale (`jpeg_quality_scaling`): 50 are
/// the tables of annex K, 100 are ones.
pub(super) fn steps(quality: u8) -> [Steps; 2] {
    let quality = u32::from(quality.clamp(1, 100));
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    [LUMA_STEPS, CHROMA_STEPS].map(|table| {
        table.map(|step| u8::try_from((u32::from(step) * percent + 50) / 100).unwrap_or(u8::MAX).max(1))
    })
}

/// Writes everything from SOI to the end of SOS. `colour` is three components at 4:2:0, else there is one.
pub(super) fn write(out: &mut Vec<u8>, size: (u16, u16), colour: bool, steps: &[Steps; 2]) {
    let channels = if colour { 2 } else { 1 };
    out.extend([0xff, 0xd8]);
    // APP0: version 1.1, no unit, pixels as wide as high, no thumbnail.
    segment(out, 0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    for (id, steps) in (0_u8..).zip(&steps[..channels]) {
        let mut table = [id; 65];
        for (entry, at) in table[1..].iter_mut().zip(ZIGZAG) {
            *entry = steps[usize::from(at)];
        }
        segment(out, 0xdb, &table);
    }
    // SOF0. Of each component: its id, its sampling factors, its quantiser table.
    let ([high_y, low_y], [high_x, low_x]) = (size.1.to_be_bytes(), size.0.to_be_bytes());
    if colour {
        let frame = [8, high_y, low_y, high_x, low_x, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];
        segment(out, 0xc0, &frame);
    } else {
        segment(out, 0xc0, &[8, high_y, low_y, high_x, low_x, 1, 1, 0x11, 0]);
    }
    let codes: [(u8, &Spec); 4] =
        [(0x00, &LUMA_DC), (0x10, &LUMA_AC), (0x01, &CHROMA_DC), (0x11, &CHROMA_AC)];
    for (id, spec) in &codes[..2 * channels] {
        let mut table = vec![*id];
        table.extend(spec.counts);
        table.extend(spec.symbols);
        segment(out, 0xc4, &table);
    }
    // SOS. Of each component: its id and its Huffman tables; then the whole band.
    if colour {
        segment(out, 0xda, &[3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0]);
    } else {
        segment(out, 0xda, &[1, 1, 0x00, 0, 63, 0]);
    }
}

fn segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    // The longest is a Huffman table of 179 bytes.
    let length = u16::try_from(content.len() + 2).unwrap_or(u16::MAX);
    out.extend([0xff, marker]);
    out.extend(length.to_be_bytes());
    out.extend(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_scales_the_tables_of_annex_k() {
        assert_eq!(steps(50), [LUMA_STEPS, CHROMA_STEPS]);
        assert_eq!(steps(100), [[1; 64]; 2]);
        assert_eq!(steps(101), steps(100));
        assert_eq!(steps(1), [[255; 64]; 2]);
        assert_eq!(steps(0), steps(1));
        // (16 × 40 + 50) / 100.
        assert_eq!((steps(80)[0][0], steps(80)[1][63]), (6, 40));
    }
}
