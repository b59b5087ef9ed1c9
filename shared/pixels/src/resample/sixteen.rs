//! Resizing rows of 16 bits: the same way as for 8, in `f32`.
//!
//! Invariants: every sum is made in the order of its samples and nothing is fused, so that every level of vector
//! instructions gives the same bits. 24 bits of precision keep the result within one step of 16 bits.

#![expect(
    clippy::inline_always,
    reason = "kernels are compiled for a level only where they are inlined into it"
)]

use fearless_simd::{Level, Simd, dispatch};

use super::{BAND, BLOCK, Band, axis::Axis, extend};

/// A column of a band.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct Lanes([f32; BAND]);

/// What the kernels keep from band to band.
#[derive(Debug, Default)]
pub struct Work {
    /// Where the source rows of a band stand.
    rows: Vec<usize>,
    /// A block of columns of them.
    block: Vec<[f32; BLOCK]>,
    /// By channel.
    lanes: [Vec<Lanes>; 4],
}

impl Work {
    /// Bytes on the heap.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<usize>()
            + self.block.capacity() * size_of::<[f32; BLOCK]>()
            + self.lanes.iter().map(|lanes| lanes.capacity() * size_of::<Lanes>()).sum::<usize>()
    }
}

/// Most bytes of [`Work`], for `rows` source rows of `columns` samples in `channels` planes.
pub const fn memory(rows: u64, columns: u64, channels: u64) -> u64 {
    rows * (size_of::<usize>() + size_of::<[f32; BLOCK]>()) as u64
        + channels * columns * size_of::<Lanes>() as u64
}

/// Makes the rows of a band, in planes.
pub fn resize(level: Level, band: &Band<'_, u16, f32>, work: &mut Work, lines: &mut [u16]) {
    dispatch!(level, simd => band_of(simd, band, work, lines));
}

#[inline(always)]
fn band_of<S: Simd>(simd: S, band: &Band<'_, u16, f32>, work: &mut Work, lines: &mut [u16]) {
    let pairs = band.down.pairs_of(band.rows.clone());
    extend(&mut work.rows, 2 * pairs.len(), 0);
    work.rows.truncate(2 * pairs.len());
    for (at, row) in work.rows.iter_mut().zip(2 * pairs.start..) {
        *at = band.source(row);
    }
    extend(&mut work.block, work.rows.len(), [0.0; BLOCK]);
    let blocks = band.across.padded.div_ceil(BLOCK);
    let colours = band.channels - usize::from(band.alpha);
    let mut lines = lines.chunks_exact_mut(BAND * band.line);
    if band.weighed() {
        for channel in 0..band.channels {
            down(simd, band, work, channel, Some(colours), (pairs.start, blocks));
        }
        let (colour_lanes, alpha_lanes) = work.lanes.split_at(colours);
        for (lanes, lines) in colour_lanes.iter().zip(&mut lines) {
            across(simd, band.across, lanes, alpha_lanes.first().map(Vec::as_slice), lines, band.line);
        }
        for (lanes, lines) in alpha_lanes.iter().zip(lines) {
            across(simd, band.across, lanes, None, lines, band.line);
        }
        return;
    }
    for (channel, lines) in (0..colours).zip(&mut lines) {
        down(simd, band, work, channel, None, (pairs.start, blocks));
        // One buffer serves all planes in turn.
        across(simd, band.across, &work.lanes[0], None, lines, band.line);
    }
    if let Some(alpha) = lines.next() {
        alpha.fill(u16::MAX);
    }
}

/// The first pass over one channel, into its lanes. With `alpha`, that channel's, colours are multiplied by it.
#[inline(always)]
fn down<S: Simd>(
    _: S,
    band: &Band<'_, u16, f32>,
    work: &mut Work,
    channel: usize,
    alpha: Option<usize>,
    (first, blocks): (usize, usize),
) {
    let Work { rows, block: samples, lanes } = work;
    let lanes = &mut lanes[if alpha.is_some() { channel } else { 0 }];
    extend(lanes, blocks * BLOCK, Lanes([0.0; BAND]));
    let alpha = alpha.filter(|&alpha| alpha != channel);
    for (block, lanes) in lanes.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
        let column = channel * band.stride + block * BLOCK;
        for (to, row) in samples.iter_mut().zip(rows.iter()) {
            for (to, &sample) in to.iter_mut().zip(&band.ring[row + column..]) {
                *to = f32::from(sample);
            }
            if let Some(alpha) = alpha {
                let alphas = &band.ring[row + alpha * band.stride + block * BLOCK..];
                for (to, &alpha) in to.iter_mut().zip(alphas) {
                    *to *= f32::from(alpha) * (1.0 / 65_535.0);
                }
            }
        }
        for (at, row) in band.rows.clone().enumerate() {
            let (start, weights) = band.down.window(row);
            let mut sums = [0.0; BLOCK];
            let rows = &samples[2 * (start - first)..];
            for (&weight, row) in weights.as_flattened().iter().zip(rows) {
                for (sum, &sample) in sums.iter_mut().zip(row) {
                    *sum += weight * sample;
                }
            }
            for (lanes, sum) in lanes.iter_mut().zip(sums) {
                lanes.0[at] = sum;
            }
        }
    }
}

/// The second pass over one channel: eight rows of `stride` samples into `lines`, divided by `alpha`.
#[inline(always)]
fn across<S: Simd>(
    _: S,
    axis: &Axis<f32>,
    lanes: &[Lanes],
    alpha: Option<&[Lanes]>,
    lines: &mut [u16],
    stride: usize,
) {
    for column in 0..axis.len() {
        let (start, weights) = axis.window(column);
        let mut sums = weigh(&lanes[2 * start..], weights);
        if let Some(alpha) = alpha {
            for (sum, alpha) in sums.iter_mut().zip(weigh(&alpha[2 * start..], weights)) {
                // What can't be seen is black.
                *sum = if alpha < 0.5 { 0.0 } else { *sum * 65_535.0 / alpha };
            }
        }
        for (sum, line) in sums.into_iter().zip(lines.chunks_exact_mut(stride)) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a cast clips to black and white"
            )]
            let sample = (sum + 0.5) as u16;
            line[column] = sample;
        }
    }
}

#[inline(always)]
fn weigh(lanes: &[Lanes], weights: &[[f32; 2]]) -> [f32; BAND] {
    let mut sums = [0.0; BAND];
    for (lanes, &weight) in lanes.iter().zip(weights.as_flattened()) {
        for (sum, &sample) in sums.iter_mut().zip(&lanes.0) {
            *sum += weight * sample;
        }
    }
    sums
}
