//! From samples to quantised coefficients: the forward DCT and the division by the quantiser's steps.
//!
//! The DCT is libjpeg's accurate integer one (`jfdctint.c`, after Loeffler, Ligtenberg and Moschytz, ICASSP
//! 1989), with its two passes, rounding and scale, so coefficients are the same to the last bit. Sums of two
//! products of 16 bits are exact in 32, so nothing depends on the order they are made in, and every level
//! of vector instructions gives the same.

#![expect(clippy::many_single_char_names, reason = "8 rows are best told apart by 8 letters")]

use fearless_simd::{i16x8, i32x4, prelude::*, u8x16, u16x8};

use super::markers::Steps;

/// The coefficients of a block by rows.
pub(super) type Block = [i16; 64];

/// The samples of two blocks: 8 rows, each 8 samples of the first and 8 of the second.
pub(super) type Samples = [[u8; 16]; 8];

/// Division by the steps, eightfold as the DCT scales its output, as two multiplications of which the high
/// halves are kept. The quotient is exact: rounded to the nearest, halves away from 0 (`compute_reciprocal` of
/// libjpeg-turbo's `jcdctmgr.c`, after Agner Fog). Each row stands twice, for two blocks at once.
#[derive(Debug)]
pub(super) struct Quantizer {
    /// Half a step, added before the division.
    correction: [[u16; 16]; 8],
    reciprocal: [[u16; 16]; 8],
    scale: [[u16; 16]; 8],
}

impl Quantizer {
    pub fn new(steps: &Steps) -> Self {
        let mut quantizer = Self { correction: [[0; 16]; 8], reciprocal: [[0; 16]; 8], scale: [[0; 16]; 8] };
        for (at, &step) in steps.iter().enumerate() {
            let [correction, reciprocal, scale] = reciprocal(8 * u16::from(step.max(1)));
            let row = at / 8;
            for column in [at % 8, at % 8 + 8] {
                quantizer.correction[row][column] = correction;
                quantizer.reciprocal[row][column] = reciprocal;
                quantizer.scale[row][column] = scale;
            }
        }
        quantizer
    }
}

/// What to add, and the two factors, that divide by `divisor` (3 to 32,767; a scale for 2 has no room in 16 bits).
const fn reciprocal(divisor: u16) -> [u16; 3] {
    let mut shift = 16 + divisor.ilog2();
    let mut quotient = (1_u32 << shift) / divisor as u32;
    let remainder = (1_u32 << shift) % divisor as u32;
    let mut correction = divisor / 2;
    if remainder == 0 {
        // A power of two: its reciprocal would take 17 bits.
        quotient >>= 1;
        shift -= 1;
    } else if remainder <= divisor as u32 / 2 {
        correction += 1;
    } else {
        quotient += 1;
    }
    // Of 16 bits: 2^shift / divisor, where divisor is at least 2^(shift - 16).
    #[expect(clippy::cast_possible_truncation, reason = "see above")]
    let quotient = quotient as u16;
    [correction, quotient, 1 << (32 - shift)]
}

/// The constants of `jfdctint.c`, of 13 bits behind the point.
const FIX_0_298631336: i16 = 2446;
const FIX_0_390180644: i16 = 3196;
const FIX_0_541196100: i16 = 4433;
const FIX_0_765366865: i16 = 6270;
const FIX_0_899976223: i16 = 7373;
const FIX_1_175875602: i16 = 9633;
const FIX_1_501321110: i16 = 12_299;
const FIX_1_847759065: i16 = 15_137;
const FIX_1_961570560: i16 = 16_069;
const FIX_2_053119869: i16 = 16_819;
const FIX_2_562915447: i16 = 20_995;
const FIX_3_072711026: i16 = 25_172;

/// Factors of sums of two products, each with the line of `jfdctint.c` resolved into its inputs.
mod factors {
    use super::{
        FIX_0_298631336, FIX_0_390180644, FIX_0_541196100, FIX_0_765366865, FIX_0_899976223, FIX_1_175875602,
        FIX_1_501321110, FIX_1_847759065, FIX_1_961570560, FIX_2_053119869, FIX_2_562915447, FIX_3_072711026,
    };

    /// Of tmp13 and tmp12.
    pub const OUT2: (i16, i16) = (FIX_0_541196100 + FIX_0_765366865, FIX_0_541196100);
    pub const OUT6: (i16, i16) = (FIX_0_541196100, FIX_0_541196100 - FIX_1_847759065);
    /// Of z3 and z4.
    pub const Z3: (i16, i16) = (FIX_1_175875602 - FIX_1_961570560, FIX_1_175875602);
    pub const Z4: (i16, i16) = (FIX_1_175875602, FIX_1_175875602 - FIX_0_390180644);
    /// Of tmp4 and tmp7.
    pub const OUT7: (i16, i16) = (FIX_0_298631336 - FIX_0_899976223, -FIX_0_899976223);
    pub const OUT1: (i16, i16) = (-FIX_0_899976223, FIX_1_501321110 - FIX_0_899976223);
    /// Of tmp5 and tmp6.
    pub const OUT5: (i16, i16) = (FIX_2_053119869 - FIX_2_562915447, -FIX_2_562915447);
    pub const OUT3: (i16, i16) = (-FIX_2_562915447, FIX_3_072711026 - FIX_2_562915447);
}

/// Bits behind the point of the constants.
const CONST_BITS: u32 = 13;
/// Bits that the first pass leaves behind the point.
const PASS1_BITS: u32 = 2;
const FIRST: u32 = CONST_BITS - PASS1_BITS;
const SECOND: u32 = CONST_BITS + PASS1_BITS;
/// What the sum of 8 samples is too large by after the first pass: samples are taken as they are, those of the
/// standard are 128 less (T.81, A.3.1). Differences don't show it.
const LEVEL: i16 = (8 * 128) << PASS1_BITS;

/// Transforms and quantises two blocks. Gives of each a bit for each coefficient that isn't 0, by rows.
#[inline(always)]
pub(super) fn transform<S: Simd>(
    simd: S,
    samples: &Samples,
    quantizer: &Quantizer,
    blocks: &mut [Block; 2],
) -> [u64; 2] {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = simd.level().as_avx2() {
        return x86::transform(avx2, samples, quantizer, blocks);
    }
    portable(simd, samples, quantizer, blocks)
}

/// One block after the other, in vectors of 8.
#[inline(always)]
fn portable<S: Simd>(simd: S, samples: &Samples, quantizer: &Quantizer, blocks: &mut [Block; 2]) -> [u64; 2] {
    let mut nonzero = [0; 2];
    for (half, (block, nonzero)) in blocks.iter_mut().zip(&mut nonzero).enumerate() {
        let rows = samples.map(|row| {
            let (first, second) = u8x16::simd_from(simd, row).widen();
            if half == 0 { first } else { second }.bitcast::<i16x8<S>>()
        });
        let rows = pass::<S, FIRST>(simd, transpose(rows));
        let rows = pass::<S, SECOND>(simd, transpose(rows));
        for (at, (row, out)) in rows.iter().zip(block.as_chunks_mut::<8>().0).enumerate() {
            let table = |table: &[[u16; 16]; 8]| u16x8::from_slice(simd, &table[at][..8]);
            let magnitude = row.abs().bitcast::<u16x8<S>>() + table(&quantizer.correction);
            let quotient = high_half(magnitude, table(&quantizer.reciprocal));
            let quotient = high_half(quotient, table(&quantizer.scale)).bitcast::<i16x8<S>>();
            let quotient = row.simd_lt(0).select(-quotient, quotient);
            quotient.store_slice(&mut out[..]);
            *nonzero |= (!quotient.simd_eq(0).to_bitmask() & 0xff) << (8 * at);
        }
    }
    nonzero
}

#[inline(always)]
fn high_half<S: Simd>(a: u16x8<S>, b: u16x8<S>) -> u16x8<S> {
    let (low, high) = a.widening_mul(b);
    (low >> 16).narrow(high >> 16)
}

#[inline(always)]
fn transpose<S: Simd>(rows: [i16x8<S>; 8]) -> [i16x8<S>; 8] {
    // Three perfect shuffles of what lies 4 rows apart.
    let stage = |rows: [i16x8<S>; 8]| {
        let [a, b, c, d, e, f, g, h] = rows;
        [
            a.zip_low(e),
            a.zip_high(e),
            b.zip_low(f),
            b.zip_high(f),
            c.zip_low(g),
            c.zip_high(g),
            d.zip_low(h),
            d.zip_high(h),
        ]
    };
    stage(stage(stage(rows)))
}

/// A sum of two products, exact, of the low and of the high half of the lanes.
#[inline(always)]
fn products<S: Simd>(simd: S, (a, b): (i16x8<S>, i16x8<S>), factors: (i16, i16)) -> (i32x4<S>, i32x4<S>) {
    let a = a.widening_mul(i16x8::splat(simd, factors.0));
    let b = b.widening_mul(i16x8::splat(simd, factors.1));
    (a.0 + b.0, a.1 + b.1)
}

/// One-dimensional DCTs of 8 columns. `BITS` of what multiplications yield are rounded off.
#[inline(always)]
fn pass<S: Simd, const BITS: u32>(simd: S, rows: [i16x8<S>; 8]) -> [i16x8<S>; 8] {
    let rounded = |(low, high): (i32x4<S>, i32x4<S>)| {
        let half = i32x4::splat(simd, 1 << (BITS - 1));
        ((low + half) >> BITS).narrow((high + half) >> BITS)
    };
    let sum = |a: (i32x4<S>, i32x4<S>), b: (i32x4<S>, i32x4<S>)| (a.0 + b.0, a.1 + b.1);
    let whole = |row: i16x8<S>, level: i16| {
        if BITS == FIRST {
            (row << PASS1_BITS) - i16x8::splat(simd, level)
        } else {
            (row + i16x8::splat(simd, 1 << (PASS1_BITS - 1))) >> PASS1_BITS
        }
    };
    let [d0, d1, d2, d3, d4, d5, d6, d7] = rows;
    let (tmp0, tmp1, tmp2, tmp3) = (d0 + d7, d1 + d6, d2 + d5, d3 + d4);
    let (tmp4, tmp5, tmp6, tmp7) = (d3 - d4, d2 - d5, d1 - d6, d0 - d7);
    let (tmp10, tmp11, tmp12, tmp13) = (tmp0 + tmp3, tmp1 + tmp2, tmp1 - tmp2, tmp0 - tmp3);
    let (z3, z4) = (tmp4 + tmp6, tmp5 + tmp7);
    let z3_sum = products(simd, (z3, z4), factors::Z3);
    let z4_sum = products(simd, (z3, z4), factors::Z4);
    [
        whole(tmp10 + tmp11, LEVEL),
        rounded(sum(products(simd, (tmp4, tmp7), factors::OUT1), z4_sum)),
        rounded(products(simd, (tmp13, tmp12), factors::OUT2)),
        rounded(sum(products(simd, (tmp5, tmp6), factors::OUT3), z3_sum)),
        whole(tmp10 - tmp11, 0),
        rounded(sum(products(simd, (tmp5, tmp6), factors::OUT5), z4_sum)),
        rounded(products(simd, (tmp13, tmp12), factors::OUT6)),
        rounded(sum(products(simd, (tmp4, tmp7), factors::OUT7), z3_sum)),
    ]
}

/// Both blocks at once: the first in the low half of each vector of 16, the second in the high one.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, _mm256_abs_epi16, _mm256_add_epi16, _mm256_add_epi32, _mm256_cmpeq_epi8,
        _mm256_cvtepu8_epi16, _mm256_madd_epi16, _mm256_movemask_epi8, _mm256_mulhi_epi16,
        _mm256_mulhi_epu16, _mm256_packs_epi16, _mm256_packs_epi32, _mm256_set1_epi16, _mm256_set1_epi32,
        _mm256_setzero_si256, _mm256_sign_epi16, _mm256_slli_epi16, _mm256_srai_epi16, _mm256_srai_epi32,
        _mm256_sub_epi16, _mm256_unpackhi_epi16, _mm256_unpacklo_epi16,
    };

    use super::{Block, FIRST, LEVEL, PASS1_BITS, Quantizer, SECOND, Samples, factors};

    type Rows = [__m256i; 8];

    /// Vectors of one pair of 16-bit factors, for `_mm256_madd_epi16` with interleaved inputs.
    const fn pair((a, b): (i16, i16)) -> i32 {
        (b as i32) << 16 | (a.cast_unsigned() as i32)
    }

    macro_rules! pass {
        ($rows:expr, $bits:expr, $whole:expr) => {{
            let [d0, d1, d2, d3, d4, d5, d6, d7] = $rows;
            let add = |a, b| _mm256_add_epi16(a, b);
            let sub = |a, b| _mm256_sub_epi16(a, b);
            let (tmp0, tmp1, tmp2, tmp3) = (add(d0, d7), add(d1, d6), add(d2, d5), add(d3, d4));
            let (tmp4, tmp5, tmp6, tmp7) = (sub(d3, d4), sub(d2, d5), sub(d1, d6), sub(d0, d7));
            let (tmp10, tmp11, tmp12, tmp13) =
                (add(tmp0, tmp3), add(tmp1, tmp2), sub(tmp1, tmp2), sub(tmp0, tmp3));
            let (z3, z4) = (add(tmp4, tmp6), add(tmp5, tmp7));
            let zip = |a, b| (_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b));
            let products = |zipped: (__m256i, __m256i), factors| {
                let factors = _mm256_set1_epi32(pair(factors));
                (_mm256_madd_epi16(zipped.0, factors), _mm256_madd_epi16(zipped.1, factors))
            };
            let sum = |a: (__m256i, __m256i), b: (__m256i, __m256i)| {
                (_mm256_add_epi32(a.0, b.0), _mm256_add_epi32(a.1, b.1))
            };
            let rounded = |sums: (__m256i, __m256i)| {
                const BITS: i32 = $bits.cast_signed();
                let half = _mm256_set1_epi32(1 << (BITS - 1));
                let low = _mm256_srai_epi32::<BITS>(_mm256_add_epi32(sums.0, half));
                let high = _mm256_srai_epi32::<BITS>(_mm256_add_epi32(sums.1, half));
                _mm256_packs_epi32(low, high)
            };
            let (even, outer, inner, cross) =
                (zip(tmp13, tmp12), zip(tmp4, tmp7), zip(tmp5, tmp6), zip(z3, z4));
            let (z3, z4) = (products(cross, factors::Z3), products(cross, factors::Z4));
            [
                $whole(add(tmp10, tmp11), LEVEL),
                rounded(sum(products(outer, factors::OUT1), z4)),
                rounded(products(even, factors::OUT2)),
                rounded(sum(products(inner, factors::OUT3), z3)),
                $whole(sub(tmp10, tmp11), 0),
                rounded(sum(products(inner, factors::OUT5), z4)),
                rounded(products(even, factors::OUT6)),
                rounded(sum(products(outer, factors::OUT7), z3)),
            ]
        }};
    }

    fearless_simd::kernel!(
        #[inline]
        pub(super) fn transform(
            _avx2: Avx2,
            samples: &Samples,
            quantizer: &Quantizer,
            blocks: &mut [Block; 2],
        ) -> [u64; 2] {
            let stage = |rows: Rows| -> Rows {
                let [a, b, c, d, e, f, g, h] = rows;
                [
                    _mm256_unpacklo_epi16(a, e),
                    _mm256_unpackhi_epi16(a, e),
                    _mm256_unpacklo_epi16(b, f),
                    _mm256_unpackhi_epi16(b, f),
                    _mm256_unpacklo_epi16(c, g),
                    _mm256_unpackhi_epi16(c, g),
                    _mm256_unpacklo_epi16(d, h),
                    _mm256_unpackhi_epi16(d, h),
                ]
            };
            let rows = samples.map(|row| _mm256_cvtepu8_epi16(bytemuck::cast(row)));
            let rows = stage(stage(stage(rows)));
            let rows: Rows = pass!(rows, FIRST, |row, level| {
                let row = _mm256_slli_epi16::<{ PASS1_BITS.cast_signed() }>(row);
                _mm256_sub_epi16(row, _mm256_set1_epi16(level))
            });
            let rows = stage(stage(stage(rows)));
            let rows: Rows = pass!(rows, SECOND, |row, _| {
                let half = _mm256_set1_epi16(1 << (PASS1_BITS - 1));
                _mm256_srai_epi16::<{ PASS1_BITS.cast_signed() }>(_mm256_add_epi16(row, half))
            });

            let mut zero = [0_u32; 4];
            for (at, zero) in zero.iter_mut().enumerate() {
                let quantized = [2 * at, 2 * at + 1].map(|row| {
                    let sum = _mm256_add_epi16(
                        _mm256_abs_epi16(rows[row]),
                        bytemuck::cast(quantizer.correction[row]),
                    );
                    let quotient = _mm256_mulhi_epu16(sum, bytemuck::cast(quantizer.reciprocal[row]));
                    // Both factors are below 2^15: the signed multiplication is the same, and keeps the
                    // compiler from taking the two for one of 32 bits.
                    let quotient = _mm256_mulhi_epi16(quotient, bytemuck::cast(quantizer.scale[row]));
                    _mm256_sign_epi16(quotient, rows[row])
                });
                for (row, quantized) in quantized.into_iter().enumerate() {
                    let row = 8 * (2 * at + row);
                    let [first, second]: [[i16; 8]; 2] = bytemuck::cast(quantized);
                    blocks[0][row..row + 8].copy_from_slice(&first);
                    blocks[1][row..row + 8].copy_from_slice(&second);
                }
                let bytes = _mm256_packs_epi16(quantized[0], quantized[1]);
                let equal = _mm256_cmpeq_epi8(bytes, _mm256_setzero_si256());
                *zero = _mm256_movemask_epi8(equal).cast_unsigned();
            }
            // 16 bits of the first block, then 16 of the second.
            let first = zero.map(|bits| u64::from(bits & 0xffff));
            let second = zero.map(|bits| u64::from(bits >> 16));
            [first, second].map(|[a, b, c, d]| !(a | b << 16 | c << 32 | d << 48))
        }
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_is_exact_and_rounds_halves_away_from_zero() {
        for step in 1..=255_u16 {
            let divisor = 8 * step;
            let [correction, reciprocal, scale] = reciprocal(divisor);
            let high = |a: u16, b: u16| u16::try_from((u32::from(a) * u32::from(b)) >> 16).unwrap();
            // The DCT gives up to 8 × 1024.
            for value in 0..=8 * 1024_u16 + 64 {
                let quotient = high(high(value + correction, reciprocal), scale);
                assert_eq!(quotient, (value + divisor / 2) / divisor, "{value} / {divisor}");
            }
        }
    }
}
