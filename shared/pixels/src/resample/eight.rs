//! Resizing rows of 8 bits: eight output rows at a time, first down, then across.
//!
//! Invariants: sums are of 16-bit by 16-bit products in 32 bits, exact, so that every level of vector
//! instructions gives the same bits; between the passes samples have [`FRACTION`] fraction bits in an `i16`,
//! which Lanczos' overshoot can't leave: at worst −0.27 to 1.27 of white (half-way between samples), hence
//! 1.27 · 255 · 2⁶ < 2¹⁵, and 1.27 · 1.54 · 255 · 2⁶ · 2¹⁵ < 2³⁰ in the second sum.
//!
//! The way of a band of eight output rows:
//! 1. of each 64 columns, the source rows are widened to pairs of 16-bit samples, one above the other (a few
//!    KiB, in the first cache level), and eight rows are made of them, each by multiplying pairs and adding;
//! 2. these are turned, so that the same two columns of all eight rows stand together;
//! 3. each output column is then made for the eight rows at once: no sums across a vector, no gathering;
//! 4. the columns of bytes are turned back into rows.

#![expect(
    clippy::inline_always,
    reason = "kernels are compiled for a level only where they are inlined into it"
)]

use fearless_simd::{
    Level, Simd, dispatch, f32x8, i8x32, i16x8, i16x16, i16x32, i32x8, i32x16, prelude::*, u8x16, u32x4,
    u64x2,
};

use super::{BAND, BLOCK, Band, axis::Axis, extend};

/// Fraction bits of samples between the passes.
const FRACTION: u32 = 6;

/// Two source rows of a block of columns: the samples of the first and the second row in turn.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Pair([i16; 2 * BLOCK]);

/// Two columns of a band: of each row, the two samples.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct Lanes([i16; 2 * BAND]);

/// A block of columns of a band.
#[repr(align(64))]
struct Tile([[i16; BLOCK]; BAND]);

/// What the kernels keep from band to band.
#[derive(Debug, Default)]
pub struct Work {
    /// Where the source rows of a band stand.
    rows: Vec<usize>,
    pairs: Vec<Pair>,
    /// By channel.
    lanes: [Vec<Lanes>; 4],
}

impl Work {
    /// Bytes on the heap.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<usize>()
            + self.pairs.capacity() * size_of::<Pair>()
            + self.lanes.iter().map(|lanes| lanes.capacity() * size_of::<Lanes>()).sum::<usize>()
    }
}

/// Most bytes of [`Work`], for `rows` source rows of `columns` samples in `channels` planes.
pub const fn memory(rows: u64, columns: u64, channels: u64) -> u64 {
    rows * size_of::<usize>() as u64
        + (rows / 2 + 1) * size_of::<Pair>() as u64
        + channels * columns.div_ceil(2) * size_of::<Lanes>() as u64
}

/// Makes the rows of a band, in planes.
pub fn resize(level: Level, band: &Band<'_, u8, i16>, work: &mut Work, lines: &mut [u8]) {
    dispatch!(level, simd => band_of(simd, band, work, lines));
}

#[inline(always)]
fn band_of<S: Simd>(simd: S, band: &Band<'_, u8, i16>, work: &mut Work, lines: &mut [u8]) {
    let pairs = band.down.pairs_of(band.rows.clone());
    extend(&mut work.rows, 2 * pairs.len(), 0);
    work.rows.truncate(2 * pairs.len());
    for (at, row) in work.rows.iter_mut().zip(2 * pairs.start..) {
        *at = band.source(row);
    }
    extend(&mut work.pairs, pairs.len(), Pair([0; 2 * BLOCK]));
    let blocks = band.across.padded.div_ceil(BLOCK);
    let weigh = band.weighed();
    let colours = band.channels - usize::from(band.alpha);
    if weigh {
        for channel in 0..band.channels {
            down(simd, band, work, channel, Some(colours), (pairs.start, blocks));
        }
        across_by_alpha(simd, band, &work.lanes, lines);
        return;
    }
    for channel in 0..colours {
        down(simd, band, work, channel, None, (pairs.start, blocks));
        // One buffer serves all planes in turn.
        let lanes = work.lanes[0].as_slice();
        across(
            simd,
            band.across,
            lanes,
            &mut lines[channel * BAND * band.line..][..BAND * band.line],
            band.line,
        );
    }
    if band.alpha {
        lines[colours * BAND * band.line..][..BAND * band.line].fill(u8::MAX);
    }
}

/// The first pass over one channel, into its lanes. With `alpha`, that channel's, colours are multiplied by it.
#[inline(always)]
fn down<S: Simd>(
    simd: S,
    band: &Band<'_, u8, i16>,
    work: &mut Work,
    channel: usize,
    alpha: Option<usize>,
    (first, blocks): (usize, usize),
) {
    let Work { rows, pairs, lanes } = work;
    let lanes = &mut lanes[if alpha.is_some() { channel } else { 0 }];
    extend(lanes, blocks * (BLOCK / 2), Lanes([0; 2 * BAND]));
    let shift = match alpha {
        Some(_) => band.down.bits,
        None => band.down.bits - FRACTION,
    };
    let mut tile = Tile([[0; BLOCK]; BAND]);
    for (block, lanes) in lanes.chunks_exact_mut(BLOCK / 2).enumerate() {
        let column = channel * band.stride + block * BLOCK;
        for (pair, rows) in pairs.iter_mut().zip(rows.as_chunks::<2>().0) {
            let two = [samples(band.ring, rows[0] + column), samples(band.ring, rows[1] + column)];
            match alpha {
                None => spread(simd, two[0], two[1], &mut pair.0),
                Some(alpha) if alpha == channel => multiply(two, None, &mut pair.0),
                Some(alpha) => {
                    let column = alpha * band.stride + block * BLOCK;
                    let alphas = [samples(band.ring, rows[0] + column), samples(band.ring, rows[1] + column)];
                    multiply(two, Some(alphas), &mut pair.0);
                }
            }
        }
        for (row, line) in band.rows.clone().zip(&mut tile.0) {
            let (start, weights) = band.down.window(row);
            weigh_down(simd, &pairs[start - first..][..weights.len()], weights, shift, line);
        }
        turn(simd, &tile, lanes);
    }
}

#[inline(always)]
fn samples(ring: &[u8], at: usize) -> &[u8; BLOCK] {
    ring[at..].first_chunk().unwrap_or(&[0; BLOCK])
}

/// Puts two rows together.
#[inline(always)]
fn spread<S: Simd>(simd: S, upper: &[u8; BLOCK], lower: &[u8; BLOCK], pair: &mut [i16; 2 * BLOCK]) {
    let (upper, _) = upper.as_chunks::<16>();
    let (lower, _) = lower.as_chunks::<16>();
    let (pair, _) = pair.as_chunks_mut::<32>();
    for ((upper, lower), pair) in upper.iter().zip(lower).zip(pair) {
        let (upper, lower) = (u8x16::load_array_ref(simd, upper), u8x16::load_array_ref(simd, lower));
        let both = upper.zip_low(lower).combine(upper.zip_high(lower));
        let (low, high) = both.widen();
        low.combine(high).bitcast::<i16x32<S>>().store_slice(pair);
    }
}

/// Puts two rows together, multiplied by their alphas if there are, and with fraction bits.
#[inline(always)]
fn multiply(rows: [&[u8; BLOCK]; 2], alphas: Option<[&[u8; BLOCK]; 2]>, pair: &mut [i16; 2 * BLOCK]) {
    let (pair, _) = pair.as_chunks_mut::<2>();
    let [upper, lower] = rows;
    let Some([upper_alpha, lower_alpha]) = alphas else {
        for ((pair, &upper), &lower) in pair.iter_mut().zip(upper).zip(lower) {
            *pair = [i16::from(upper) << FRACTION, i16::from(lower) << FRACTION];
        }
        return;
    };
    let upper = upper.iter().zip(upper_alpha);
    let lower = lower.iter().zip(lower_alpha);
    for ((pair, (&upper, &upper_alpha)), (&lower, &lower_alpha)) in pair.iter_mut().zip(upper).zip(lower) {
        *pair = [product(upper, upper_alpha), product(lower, lower_alpha)];
    }
}

/// `sample · alpha / 255` with fraction bits. What is opaque becomes exactly itself.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "at most 255 with fraction bits")]
fn product(sample: u8, alpha: u8) -> i16 {
    // Of 255: 2¹⁴.
    let share = (i32::from(alpha) << FRACTION) + ((i32::from(alpha) + 2) >> 2);
    ((i32::from(sample) * share + 128) >> 8) as i16
}

/// A sum of products of pairs, in the way that suits the processor. The bits are the same.
#[derive(Clone, Copy)]
struct Sum<W> {
    /// What to begin with.
    start: W,
    first: W,
    second: W,
}

impl<W: Copy> Sum<W> {
    #[inline(always)]
    fn new<S: Simd>(simd: S, start: W) -> Self
    where
        W: SimdInt<S, Element = i32>,
    {
        // x86 multiplies and adds neighbours at once. ARM multiplies and adds to sums, two vectors of them.
        let first = if cfg!(target_arch = "aarch64") { W::splat(simd, 0) } else { start };
        Self { start, first, second: first }
    }

    #[inline(always)]
    fn add<S: Simd, N: SimdIntWiden<S, Widened = W>>(&mut self, samples: N, weights: N)
    where
        W: SimdInt<S>,
    {
        if cfg!(target_arch = "aarch64") {
            let (first, second) = samples.widening_mul(weights);
            self.first += first;
            self.second += second;
        } else {
            self.first += samples.pairwise_dot_product(weights);
        }
    }

    #[inline(always)]
    fn total<S: Simd>(self) -> W
    where
        W: SimdInt<S>,
    {
        if cfg!(target_arch = "aarch64") {
            self.start + self.first.unzip_low(self.second) + self.first.unzip_high(self.second)
        } else {
            self.first
        }
    }
}

/// Columns whose sums fit into the registers.
const GROUP: usize = if cfg!(target_arch = "aarch64") { 32 } else { 64 };

/// One output row of a block.
#[inline(always)]
fn weigh_down<S: Simd>(simd: S, pairs: &[Pair], weights: &[[i16; 2]], shift: u32, line: &mut [i16; BLOCK]) {
    let half = i32x16::splat(simd, 1 << (shift - 1));
    for (group, line) in line.as_chunks_mut::<GROUP>().0.iter_mut().enumerate() {
        let mut sums = [Sum::new(simd, half); GROUP / 16];
        for (pair, weights) in pairs.iter().zip(weights) {
            let weights = i32x16::splat(simd, both(*weights)).bitcast::<i16x32<S>>();
            let (pair, _) = pair.0[2 * GROUP * group..].as_chunks::<32>();
            for (sum, pair) in sums.iter_mut().zip(pair) {
                sum.add(i16x32::load_array_ref(simd, pair), weights);
            }
        }
        for (sums, line) in sums.as_chunks::<2>().0.iter().zip(line.as_chunks_mut::<32>().0) {
            (sums[0].total() >> shift).saturating_narrow(sums[1].total() >> shift).store_slice(line);
        }
    }
}

/// Two weights as one number, in the order of memory.
#[inline(always)]
fn both(weights: [i16; 2]) -> i32 {
    bytemuck::cast(weights)
}

/// Turns a tile: the pairs of columns of all rows together.
#[inline(always)]
fn turn<S: Simd>(simd: S, tile: &Tile, lanes: &mut [Lanes]) {
    for (at, lanes) in lanes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        for half in 0..2 {
            let row = |row: usize| -> u32x4<S> {
                let samples = tile.0[4 * half + row][8 * at..].first_chunk().unwrap_or(&[0; 8]);
                i16x8::load_array_ref(simd, samples).bitcast()
            };
            let rows = [row(0), row(1), row(2), row(3)];
            let wide = |vector: u32x4<S>| -> u64x2<S> { vector.bitcast() };
            let upper = [wide(rows[0].zip_low(rows[1])), wide(rows[0].zip_high(rows[1]))];
            let lower = [wide(rows[2].zip_low(rows[3])), wide(rows[2].zip_high(rows[3]))];
            let turned = [
                upper[0].zip_low(lower[0]),
                upper[0].zip_high(lower[0]),
                upper[1].zip_low(lower[1]),
                upper[1].zip_high(lower[1]),
            ];
            for (lanes, turned) in lanes.iter_mut().zip(turned) {
                turned.bitcast::<i16x8<S>>().store_slice(&mut lanes.0[8 * half..][..8]);
            }
        }
    }
}

/// The second pass over one channel: eight rows of `stride` samples into `lines`.
#[inline(always)]
fn across<S: Simd>(simd: S, axis: &Axis<i16>, lanes: &[Lanes], lines: &mut [u8], stride: usize) {
    let shift = axis.bits + FRACTION;
    // Half for rounding, and white's half away, so that a signed narrowing clips at black and white.
    let bias = i32x8::splat(simd, (1 << (shift - 1)) - (128 << shift));
    for column in (0..axis.len()).step_by(16) {
        let mut columns = [[0; 4 * BAND]; 4];
        for (quad, columns) in columns.iter_mut().enumerate() {
            let mut sums = weigh_across(simd, axis, lanes, column + 4 * quad, bias);
            for sum in &mut sums {
                *sum >>= shift;
            }
            narrow(sums, columns);
        }
        store(simd, &columns, lines, stride, column);
    }
}

/// The second pass over colours that were multiplied by alpha, and over the alpha.
#[inline(always)]
fn across_by_alpha<S: Simd>(simd: S, band: &Band<'_, u8, i16>, lanes: &[Vec<Lanes>; 4], lines: &mut [u8]) {
    let axis = band.across;
    let shift = axis.bits + FRACTION;
    let colours = band.channels - 1;
    let zero = i32x8::splat(simd, 0);
    let half = i32x8::splat(simd, 1 << (shift - 1));
    let white = i32x8::splat(simd, 255);
    for column in (0..axis.len()).step_by(16) {
        let mut columns = [[[0; 4 * BAND]; 4]; 4];
        for (quad, first) in (column..column + 16).step_by(4).enumerate() {
            let mut alphas = weigh_across(simd, axis, &lanes[colours], first, zero);
            // White over alpha, or nothing where alpha is: what can't be seen is black.
            let mut factors = [f32x8::splat(simd, 0.0); 4];
            for (alpha, factor) in alphas.iter_mut().zip(&mut factors) {
                let share = f32x8::splat(simd, 255.0) / alpha.max(1).to_float::<f32x8<S>>();
                *alpha = ((*alpha + half) >> shift).max(zero).min(white);
                *factor = alpha.simd_gt(zero).select(share, *factor);
                *alpha -= 128;
            }
            narrow(alphas, &mut columns[colours][quad]);
            for (columns, lanes) in columns.iter_mut().zip(lanes).take(colours) {
                let mut colour = weigh_across(simd, axis, lanes, first, zero);
                for (colour, &factor) in colour.iter_mut().zip(&factors) {
                    let value = colour.max(zero).to_float::<f32x8<S>>() * factor + 0.5;
                    *colour = value.min(255.0).to_int::<i32x8<S>>() - 128;
                }
                narrow(colour, &mut columns[quad]);
            }
        }
        for (columns, lines) in columns.iter().zip(lines.chunks_exact_mut(BAND * band.line)) {
            store(simd, columns, lines, band.line, column);
        }
    }
}

/// Four columns of eight rows, from `column`; past the last, that one again.
#[inline(always)]
fn weigh_across<S: Simd>(
    simd: S,
    axis: &Axis<i16>,
    lanes: &[Lanes],
    column: usize,
    start: i32x8<S>,
) -> [i32x8<S>; 4] {
    let last = axis.len() - 1;
    let mut windows = [(lanes, [].as_slice()); 4];
    for (at, window) in windows.iter_mut().enumerate() {
        let (start, weights) = axis.window((column + at).min(last));
        *window = (&lanes[start..][..axis.pairs], &weights[..axis.pairs]);
    }
    let mut sums = [Sum::new(simd, start); 4];
    for tap in 0..axis.pairs {
        for (sum, (lanes, weights)) in sums.iter_mut().zip(&windows) {
            let weights = i32x8::splat(simd, both(weights[tap])).bitcast::<i16x16<S>>();
            sum.add(i16x16::load_array_ref(simd, &lanes[tap].0), weights);
        }
    }
    [sums[0].total(), sums[1].total(), sums[2].total(), sums[3].total()]
}

/// Four columns of −128 to 127, clipped, as bytes.
#[inline(always)]
fn narrow<S: Simd>(columns: [i32x8<S>; 4], bytes: &mut [u8; 4 * BAND]) {
    let upper: i16x16<S> = columns[0].saturating_narrow(columns[1]);
    let lower: i16x16<S> = columns[2].saturating_narrow(columns[3]);
    let both: i8x32<S> = upper.saturating_narrow(lower);
    (both ^ i8::MIN).bitcast::<fearless_simd::u8x32<S>>().store_slice(bytes);
}

/// Turns sixteen columns of eight rows back and puts them into the lines at `column`.
#[inline(always)]
fn store<S: Simd>(simd: S, columns: &[[u8; 4 * BAND]; 4], lines: &mut [u8], stride: usize, column: usize) {
    let (bytes, _) = columns.as_flattened().as_chunks::<16>();
    let mut vectors = [u8x16::splat(simd, 0); BAND];
    for (vector, bytes) in vectors.iter_mut().zip(bytes) {
        *vector = u8x16::load_array_ref(simd, bytes);
    }
    // Each round takes the uppermost bit of a byte's place to the lowest: after four, the column's four bits
    // stand below the row's three.
    for _ in 0..4 {
        let before = vectors;
        for (at, pair) in vectors.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let (upper, lower) = (before[at], before[at + BAND / 2]);
            *pair = [upper.zip_low(lower), upper.zip_high(lower)];
        }
    }
    for (line, vector) in lines.chunks_exact_mut(stride).zip(vectors) {
        vector.store_slice(&mut line[column..][..16]);
    }
}
