//! Inverse DCT of eight blocks at once, to blocks of 1 to 8 samples a side.
//!
//! Blocks of N samples a side are made of the N lowest frequencies each way: the N-point transform of an 8-point
//! spectrum is the picture reduced by N/8. 8 points are Loeffler, Ligtenberg and Moschytz's (ICASSP 1989)
//! with 13-bit constants, bit for bit what libjpeg's `jidctint.c` gives; other sizes are sums over the
//! even and the odd frequencies. All in 32-bit integers, which wrap on hostile input: the same bits on
//! every processor.

#![expect(clippy::inline_always, reason = "must be compiled with the instructions of the caller's level")]

use fearless_simd::{i16x8, i32x8, prelude::*};

use super::{
    Scale,
    band::{Block, LANES},
};
use crate::zigzag::ZIGZAG;

/// Bits of the constants' fractions.
const BITS: u32 = 13;
/// Bits that are kept between the passes.
const BETWEEN: u32 = 2;

/// Coefficients of eight blocks, by index in zigzag order and block: each vector of the transform is one load.
type Group = [[i16; LANES]; 64];

/// The index in zigzag order of each row's and column's coefficient.
const INDEX: [usize; 64] = {
    let mut index = [0; 64];
    let mut k = 0;
    while k < 64 {
        index[ZIGZAG[k] as usize] = k;
        k += 1;
    }
    index
};

/// √2·cos((2n+1)kπ/2N) in 13 bits, by N, k and n; 1 for k = 0.
#[expect(clippy::cast_possible_truncation, reason = "small constants")]
const fn matrix<const N: usize>() -> [[i32; N]; N] {
    let mut matrix = [[0; N]; N];
    let mut k = 0;
    while k < N {
        let mut n = 0;
        while n < N {
            let cosine = if k == 0 { 1.0 } else { std::f64::consts::SQRT_2 * cos((2 * n + 1) * k, 2 * N) };
            let scaled = cosine * (1 << BITS) as f64;
            matrix[k][n] = (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32;
            n += 1;
        }
        k += 1;
    }
    matrix
}

/// cos(π·a/b) for const contexts.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
const fn cos(a: usize, b: usize) -> f64 {
    // Into the first quadrant, then the series.
    let a = a % (2 * b);
    let a = if a > b { 2 * b - a } else { a };
    let (a, sign) = if 2 * a > b { (b - a, -1.0) } else { (a, 1.0) };
    let x = std::f64::consts::PI * a as f64 / b as f64;
    let (mut term, mut sum, mut i) = (1.0, 1.0, 1.0);
    while i < 24.0 {
        term *= -x * x / (i * (i + 1.0));
        sum += term;
        i += 2.0;
    }
    sign * sum
}

/// The 1-D transform of the first `N` of `x` to `N` points, scaled by 2^13. Inputs from `IN` on are 0.
#[inline(always)]
fn points<S: Simd, const N: usize, const IN: usize>(simd: S, x: [i32x8<S>; 8]) -> [i32x8<S>; 8] {
    if N == 8 {
        return eight(x);
    }
    let matrix = const { matrix::<N>() };
    let zero = i32x8::splat(simd, 0);
    let mut out = [zero; 8];
    for n in 0..N.div_ceil(2) {
        let mut even = x[0] << BITS;
        let mut odd = zero;
        for k in 1..N {
            if k >= IN {
                break;
            }
            // In the middle of an odd number of points odd frequencies are 0.
            if matrix[k][n] != 0 {
                let part = x[k] * matrix[k][n];
                if k % 2 == 0 {
                    even += part;
                } else {
                    odd += part;
                }
            }
        }
        out[n] = even + odd;
        out[N - 1 - n] = even - odd;
    }
    out
}

/// `jidctint.c`'s one dimension.
#[inline(always)]
fn eight<S: Simd>(x: [i32x8<S>; 8]) -> [i32x8<S>; 8] {
    const F0_298: i32 = 2446;
    const F0_390: i32 = 3196;
    const F0_541: i32 = 4433;
    const F0_765: i32 = 6270;
    const F0_899: i32 = 7373;
    const F1_175: i32 = 9633;
    const F1_501: i32 = 12299;
    const F1_847: i32 = 15137;
    const F1_961: i32 = 16069;
    const F2_053: i32 = 16819;
    const F2_562: i32 = 20995;
    const F3_072: i32 = 25172;

    let z1 = (x[2] + x[6]) * F0_541;
    let t2 = z1 - x[6] * F1_847;
    let t3 = z1 + x[2] * F0_765;
    let t0 = (x[0] + x[4]) << BITS;
    let t1 = (x[0] - x[4]) << BITS;
    let (t10, t13) = (t0 + t3, t0 - t3);
    let (t11, t12) = (t1 + t2, t1 - t2);

    let (t0, t1, t2, t3) = (x[7], x[5], x[3], x[1]);
    let (z1, z2) = (t0 + t3, t1 + t2);
    let (z3, z4) = (t0 + t2, t1 + t3);
    let z5 = (z3 + z4) * F1_175;
    let z3 = z5 - z3 * F1_961;
    let z4 = z5 - z4 * F0_390;
    let z1 = z1 * F0_899;
    let z2 = z2 * F2_562;
    let t0 = t0 * F0_298 - z1 + z3;
    let t1 = t1 * F2_053 - z2 + z4;
    let t2 = t2 * F3_072 - z2 + z3;
    let t3 = t3 * F1_501 - z1 + z4;
    [t10 + t3, t11 + t2, t12 + t1, t13 + t0, t13 - t0, t12 - t1, t11 - t2, t10 - t3]
}

/// What lies between the passes: by row of samples and column of frequencies.
type Work = [[[i32; LANES]; 8]; 8];

/// Columns: dequantises and transforms the first `IN` columns of at most `IN` frequencies to `N` points.
#[inline(always)]
fn columns<S: Simd, const N: usize, const IN: usize>(
    simd: S,
    group: &Group,
    table: &[u16; 64],
    width: usize,
    work: &mut Work,
) {
    let zero = i32x8::splat(simd, 0);
    let rounding = i32x8::splat(simd, 1 << (BITS - BETWEEN - 1));
    for u in 0..width.min(IN).min(8) {
        let mut x = [zero; 8];
        for v in 0..if IN < N { IN } else { N } {
            let wide: [i32; LANES] = group[INDEX[v * 8 + u]].map(i32::from);
            x[v] = i32x8::simd_from(simd, wide) * i32::from(table[v * 8 + u]);
        }
        let out = points::<S, N, IN>(simd, x);
        for y in 0..N {
            work[y][u] = ((out[y] + rounding) >> (BITS - BETWEEN)).into();
        }
    }
}

/// Rows: transforms `IN` frequencies to `N` points and writes them, eight blocks side by side.
#[inline(always)]
fn rows<S: Simd, const N: usize, const IN: usize>(
    simd: S,
    work: &Work,
    height: usize,
    out: &mut [u8],
    stride: usize,
) {
    const SHIFT: u32 = BITS + BETWEEN + 3;
    let zero = i32x8::splat(simd, 0);
    let most = i32x8::splat(simd, 255);
    // To the nearest, and from around 0 to around 128.
    let rounding = i32x8::splat(simd, (1 << (SHIFT - 1)) + (128 << SHIFT));
    for (work, out) in work.iter().zip(out.chunks_mut(stride)).take(height) {
        let mut x = [zero; 8];
        for u in 0..if IN < N { IN } else { N } {
            x[u] = i32x8::simd_from(simd, work[u]);
        }
        let mut points = points::<S, N, IN>(simd, x);
        for point in points.iter_mut().take(N) {
            *point = ((*point + rounding) >> SHIFT).max(zero).min(most);
        }
        write::<S, N>(points, out);
    }
}

/// Writes `N` samples of each lane side by side.
#[inline(always)]
fn write<S: Simd, const N: usize>(x: [i32x8<S>; 8], out: &mut [u8]) {
    let low = match N {
        1 => x[0],
        2 => x[0] | (x[1] << 8),
        3 => x[0] | (x[1] << 8) | (x[2] << 16),
        _ => x[0] | (x[1] << 8) | (x[2] << 16) | (x[3] << 24),
    };
    let high = match N {
        5 => x[4],
        6 => x[4] | (x[5] << 8),
        7 => x[4] | (x[5] << 8) | (x[6] << 16),
        _ => x[4] | (x[5] << 8) | (x[6] << 16) | (x[7] << 24),
    };
    if N == 4 {
        let Some(out) = out.first_chunk_mut::<32>() else { return };
        low.to_bytes().store_slice(out);
        return;
    }
    if N == 8 {
        let Some(out) = out.first_chunk_mut::<64>() else { return };
        let (first, second) = low.interleave(high);
        let (head, tail) = out.split_at_mut(32);
        first.to_bytes().store_slice(head);
        second.to_bytes().store_slice(tail);
        return;
    }
    let (low, high): ([i32; LANES], [i32; LANES]) = (low.into(), high.into());
    if N < 4 {
        let Some(out) = out.first_chunk_mut::<32>() else { return };
        for (lane, low) in low.iter().enumerate() {
            // The next lane overwrites what is too much.
            if let Some(out) = out.get_mut(lane * N..lane * N + 4) {
                out.copy_from_slice(&low.to_le_bytes());
            }
        }
        return;
    }
    let Some(out) = out.first_chunk_mut::<64>() else { return };
    for (lane, (low, high)) in low.iter().zip(high).enumerate() {
        let both = u64::from(low.cast_unsigned()) | u64::from(high.cast_unsigned()) << 32;
        if let Some(out) = out.get_mut(lane * N..lane * N + 8) {
            out.copy_from_slice(&both.to_le_bytes());
        }
    }
}

/// Transposes the coefficients of eight blocks up to index `last`.
#[inline(always)]
fn gather<S: Simd>(simd: S, blocks: &[Block; LANES], last: u32, group: &mut Group) {
    for (v, group) in group.as_chunks_mut::<8>().0.iter_mut().enumerate().take(last as usize / 8 + 1) {
        let mut x = [i16x8::splat(simd, 0); 8];
        for (x, block) in x.iter_mut().zip(blocks) {
            *x = i16x8::simd_from(simd, block.0.as_chunks::<8>().0[v & 7]);
        }
        // Each round interleaves the halves; after three, rows are columns.
        for _ in 0..3 {
            let mut next = x;
            for i in 0..4 {
                (next[2 * i], next[2 * i + 1]) = x[i].interleave(x[i + 4]);
            }
            x = next;
        }
        for (column, lanes) in group.iter_mut().zip(x) {
            *column = lanes.into();
        }
    }
}

/// Samples of blocks that hold nothing but DC.
#[inline(always)]
fn flat<S: Simd>(
    simd: S,
    blocks: &[Block; LANES],
    table: &[u16; 64],
    size: (usize, usize),
    out: &mut [u8],
    stride: usize,
) {
    let mut wide = [0; LANES];
    for (wide, block) in wide.iter_mut().zip(blocks) {
        *wide = block.0[0].into();
    }
    let dc = i32x8::simd_from(simd, wide) * i32::from(table[0]);
    let zero = i32x8::splat(simd, 0);
    let samples = ((dc + ((128 << 3) + 4)) >> 3).max(zero).min(i32x8::splat(simd, 255));
    let samples: [i32; LANES] = samples.into();
    let Some(first) = out.get_mut(..size.0 * LANES) else { return };
    for (cells, sample) in first.chunks_exact_mut(size.0).zip(samples) {
        cells.fill(u8::try_from(sample).unwrap_or(u8::MAX));
    }
    for y in 1..size.1 {
        out.copy_within(..size.0 * LANES, y * stride);
    }
}

/// Bytes behind the last sample of a row that may be written, too.
pub(super) const SLACK: usize = 64;

/// Transforms a row of blocks, a multiple of [`LANES`], each to `scale`, into rows of `stride` bytes, of which
/// [`SLACK`] lie behind the samples.
#[inline(always)]
pub(super) fn row<S: Simd>(
    simd: S,
    blocks: &[Block],
    extents: &[u8],
    table: &[u16; 64],
    scale: Scale,
    out: &mut [u8],
    stride: usize,
) {
    let mut work: Work = [[[0; LANES]; 8]; 8];
    let mut group: Group = [[0; LANES]; 64];
    let last = scale.last();
    let size = (usize::from(scale.across), usize::from(scale.down));
    let (blocks, extents) = (blocks.as_chunks::<LANES>().0, extents.as_chunks::<LANES>().0);
    for (index, (blocks, extents)) in blocks.iter().zip(extents).enumerate() {
        let Some(out) = out.get_mut(index * size.0 * LANES..) else { return };
        let extent = extents.iter().fold(0, |most, extent| most.max(*extent));
        if extent == 0 || size == (1, 1) {
            flat(simd, blocks, table, size, out, stride);
            continue;
        }
        // Up to these, the coefficients in zigzag order lie in the corner of 2 by 2 and of 4 by 4.
        match extent {
            0..=2 => {
                gather(simd, blocks, last.min(4), &mut group);
                block::<S, 2>(simd, &group, table, size, out, stride, &mut work);
            }
            3..=9 => {
                gather(simd, blocks, last.min(24), &mut group);
                block::<S, 4>(simd, &group, table, size, out, stride, &mut work);
            }
            _ => {
                gather(simd, blocks, last, &mut group);
                block::<S, 8>(simd, &group, table, size, out, stride, &mut work);
            }
        }
    }
}

#[inline(always)]
fn block<S: Simd, const IN: usize>(
    simd: S,
    group: &Group,
    table: &[u16; 64],
    (across, down): (usize, usize),
    out: &mut [u8],
    stride: usize,
    work: &mut Work,
) {
    match down {
        1 => columns::<S, 1, IN>(simd, group, table, across, work),
        2 => columns::<S, 2, IN>(simd, group, table, across, work),
        3 => columns::<S, 3, IN>(simd, group, table, across, work),
        4 => columns::<S, 4, IN>(simd, group, table, across, work),
        5 => columns::<S, 5, IN>(simd, group, table, across, work),
        6 => columns::<S, 6, IN>(simd, group, table, across, work),
        7 => columns::<S, 7, IN>(simd, group, table, across, work),
        _ => columns::<S, 8, IN>(simd, group, table, across, work),
    }
    match across {
        1 => rows::<S, 1, IN>(simd, work, down, out, stride),
        2 => rows::<S, 2, IN>(simd, work, down, out, stride),
        3 => rows::<S, 3, IN>(simd, work, down, out, stride),
        4 => rows::<S, 4, IN>(simd, work, down, out, stride),
        5 => rows::<S, 5, IN>(simd, work, down, out, stride),
        6 => rows::<S, 6, IN>(simd, work, down, out, stride),
        7 => rows::<S, 7, IN>(simd, work, down, out, stride),
        _ => rows::<S, 8, IN>(simd, work, down, out, stride),
    }
}
