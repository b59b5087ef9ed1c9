//! Undoing PNG's row filters (PNG, third edition, 9.2).
//!
//! Average and Paeth need the pixel to the left, so that a row is one long chain of dependent steps: a processor
//! waits for results most of the time. Up to four rows are therefore undone at once, each a few pixels behind the one
//! above, two to a vector: four chains take the time of one. Photos are filtered by those two almost throughout.
//!
//! Invariant: a [`Band`] has [`SLACK`] bytes behind its last row, and its rows are as many bytes apart, so that blocks
//! of 16 bytes may reach over the end of a row. What lies there is never looked at.

#![expect(
    clippy::inline_always,
    reason = "what isn't inlined isn't compiled for the processor's instructions"
)]

use fearless_simd::{Level, Simd, dispatch, i16x8, prelude::*, u8x16, u16x8, u64x2};

/// Bytes that a row's last block may reach over its end.
pub(super) const SLACK: usize = 32;

/// There is no such filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnknownFilter(pub u8);

/// Unfiltered rows, with the one above them.
pub(super) struct Band {
    /// Bytes of a row.
    length: usize,
    /// Bytes from a row to the next.
    stride: usize,
    /// Bytes from a pixel to the next, at least 1.
    pixel: usize,
    /// The row above, then the others.
    samples: Vec<u8>,
}

impl Band {
    /// For at most `rows` rows of `length` bytes; the row above is all zeros, as above a picture's first.
    pub fn new(length: usize, pixel: usize, rows: usize) -> Self {
        let stride = length + SLACK;
        Self { length, stride, pixel, samples: vec![0; (rows + 1) * stride + SLACK] }
    }

    /// The row at `index`.
    pub fn row(&self, index: usize) -> &[u8] {
        &self.samples[(index + 1) * self.stride..][..self.length]
    }

    /// Undoes the filters of `count` rows, which stand in `raw` without gaps, each behind the byte that names its
    /// filter, with at least [`SLACK`] bytes behind the last. The last of the rows before is the one above.
    ///
    /// Gives the number of rows that are right, and what stopped the others.
    pub fn unfilter(
        &mut self,
        level: Level,
        raw: &[u8],
        count: usize,
        before: usize,
    ) -> Result<(), (usize, UnknownFilter)> {
        if before > 0 {
            self.samples.copy_within(before * self.stride..(before + 1) * self.stride, 0);
        }
        dispatch!(level, simd => rows(simd, self, raw, count))
    }
}

#[inline(always)]
fn rows<S: Simd>(simd: S, band: &mut Band, raw: &[u8], count: usize) -> Result<(), (usize, UnknownFilter)> {
    let Band { length, stride, pixel, ref mut samples } = *band;
    let mut at = 0;
    while at < count {
        let (above, rest) = samples[at * stride..].split_at_mut(stride);
        let upper = &raw[at * (length + 1)..];
        let chained = |row: usize| at + row < count && matches!(upper[row * (length + 1)], 3 | 4);
        let group = Group { above, raw: upper, out: rest, length, stride };
        if matches!(pixel, 3 | 4) && chained(0) && chained(1) {
            let four = chained(2) && chained(3);
            match (four, pixel) {
                (true, 3) => group.undo::<S, 3, 2>(simd),
                (true, _) => group.undo::<S, 4, 2>(simd),
                (false, 3) => group.undo::<S, 3, 1>(simd),
                (false, _) => group.undo::<S, 4, 1>(simd),
            }
            at += if four { 4 } else { 2 };
            continue;
        }
        let Group { above, out: rest, .. } = group;
        let (filter, source) = (upper[0], &upper[1..]);
        let one = One { above, source, out: rest, length };
        match (filter, pixel) {
            (0, _) => one.out[..length].copy_from_slice(&source[..length]),
            (2, _) => {
                let sums = source[..length].iter().zip(&above[..length]);
                for (out, (&raw, &above)) in one.out[..length].iter_mut().zip(sums) {
                    *out = raw.wrapping_add(above);
                }
            }
            (1, 1) => one.bytes::<1>(|left, _, _| left),
            (1, 2) => one.bytes::<2>(|left, _, _| left),
            (1, 3) => one.undo::<S, Sub, 3, 4>(simd),
            (1, 4) => one.undo::<S, Sub, 4, 4>(simd),
            (1, 6) => one.undo::<S, Sub, 6, 2>(simd),
            (1, _) => one.undo::<S, Sub, 8, 2>(simd),
            (3, 1) => one.bytes::<1>(average),
            (3, 2) => one.bytes::<2>(average),
            (3, 3) => one.undo::<S, Average, 3, 4>(simd),
            (3, 4) => one.undo::<S, Average, 4, 4>(simd),
            (3, 6) => one.undo::<S, Average, 6, 2>(simd),
            (3, _) => one.undo::<S, Average, 8, 2>(simd),
            (4, 1) => one.bytes::<1>(paeth),
            (4, 2) => one.bytes::<2>(paeth),
            (4, 3) => one.undo::<S, Paeth, 3, 4>(simd),
            (4, 4) => one.undo::<S, Paeth, 4, 4>(simd),
            (4, 6) => one.undo::<S, Paeth, 6, 2>(simd),
            (4, _) => one.undo::<S, Paeth, 8, 2>(simd),
            (other, _) => return Err((at, UnknownFilter(other))),
        }
        at += 1;
    }
    Ok(())
}

/// Makes a pixel of what is stored of it and of the ones to the left, above, and above to the left: a sample a lane,
/// 0 to 255.
trait Filter<S: Simd> {
    fn undo(stored: i16x8<S>, left: i16x8<S>, above: i16x8<S>, corner: i16x8<S>) -> i16x8<S>;
}

struct Sub;
struct Average;
struct Paeth;

impl<S: Simd> Filter<S> for Sub {
    #[inline(always)]
    fn undo(stored: i16x8<S>, left: i16x8<S>, _above: i16x8<S>, _corner: i16x8<S>) -> i16x8<S> {
        (stored + left) & 255
    }
}

impl<S: Simd> Filter<S> for Average {
    #[inline(always)]
    fn undo(stored: i16x8<S>, left: i16x8<S>, above: i16x8<S>, _corner: i16x8<S>) -> i16x8<S> {
        (stored + ((left + above) >> 1)) & 255
    }
}

impl<S: Simd> Filter<S> for Paeth {
    /// With fewer steps from `left` to the result than the standard's form has, and the same result (the choice is
    /// `stb_image`'s). All three sums are made before it is known which is chosen.
    #[inline(always)]
    fn undo(stored: i16x8<S>, left: i16x8<S>, above: i16x8<S>, corner: i16x8<S>) -> i16x8<S> {
        let (low, high) = (left.min(above), left.max(above));
        let threshold = (corner + corner + (corner - above)) - left;
        let (by_low, by_high, by_corner) = (stored + low, stored + high, stored + corner);
        let inner = high.simd_gt(threshold).select(by_corner, by_low);
        threshold.simd_gt(low).select(inner, by_high) & 255
    }
}

fn average(left: u8, above: u8, _corner: u8) -> u8 {
    left.midpoint(above)
}

fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, above, corner].map(i16::from);
    let (to_left, to_above, to_corner) = ((b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs());
    if to_left <= to_above && to_left <= to_corner {
        left
    } else if to_above <= to_corner {
        above
    } else {
        corner
    }
}

/// A block of `N` pixels of `B` bytes each, of which every pixel fills a vector's low lanes.
type Block<S, const N: usize> = [i16x8<S>; N];

/// 16 bytes from the front of `bytes`, of which `N` pixels of `B` bytes are taken.
#[inline(always)]
fn load<S: Simd, const B: usize, const N: usize>(simd: S, bytes: &[u8]) -> Block<S, N> {
    let bytes = u8x16::from_slice(simd, &bytes[..16]);
    let mut block = [i16x8::splat(simd, 0); N];
    for (at, pixel) in block.iter_mut().enumerate() {
        let mut indices = [u8::MAX; 16];
        for lane in 0..B {
            #[expect(clippy::cast_possible_truncation, reason = "below 16")]
            let index = (at * B + lane) as u8;
            indices[2 * lane] = index;
        }
        *pixel = bytes.swizzle_dyn_precise(u8x16::from_slice(simd, &indices)).bitcast();
    }
    block
}

/// The other way round; of the 16 bytes that are written those behind the pixels are zeros.
#[inline(always)]
fn store<S: Simd, const B: usize, const N: usize>(simd: S, block: &Block<S, N>, bytes: &mut [u8]) {
    let mut whole = u8x16::splat(simd, 0);
    for (half, pair) in block.chunks_exact(2).enumerate() {
        let (first, second): (u16x8<S>, u16x8<S>) = (pair[0].bitcast(), pair[1].bitcast());
        let packed: u8x16<S> = first.relaxed_narrow(second);
        let mut indices = [u8::MAX; 16];
        for lane in 0..B {
            #[expect(clippy::cast_possible_truncation, reason = "below 16")]
            let index = lane as u8;
            indices[2 * half * B + lane] = index;
            indices[(2 * half + 1) * B + lane] = 8 + index;
        }
        whole |= packed.swizzle_dyn_precise(u8x16::from_slice(simd, &indices));
    }
    whole.store_slice(&mut bytes[..16]);
}

struct One<'b> {
    above: &'b [u8],
    /// Behind the filter's byte.
    source: &'b [u8],
    out: &'b mut [u8],
    length: usize,
}

impl One<'_> {
    #[inline(always)]
    fn undo<S: Simd, F: Filter<S>, const B: usize, const N: usize>(self, simd: S) {
        let zero = i16x8::splat(simd, 0);
        let (mut left, mut corner) = (zero, zero);
        for at in (0..self.length).step_by(B * N) {
            let source = load::<S, B, N>(simd, &self.source[at..]);
            let above = load::<S, B, N>(simd, &self.above[at..]);
            let mut block = source;
            for i in 0..N {
                left = F::undo(source[i], left, above[i], corner);
                corner = above[i];
                block[i] = left;
            }
            store::<S, B, N>(simd, &block, &mut self.out[at..]);
        }
    }

    /// A byte after the other, `B` to a pixel.
    #[inline(always)]
    fn bytes<const B: usize>(self, predict: impl Fn(u8, u8, u8) -> u8) {
        let (mut left, mut corner) = ([0; B], [0; B]);
        let (out, _) = self.out[..self.length].as_chunks_mut::<B>();
        let (source, _) = self.source[..self.length].as_chunks::<B>();
        let (above, _) = self.above[..self.length].as_chunks::<B>();
        for (out, (source, above)) in out.iter_mut().zip(source.iter().zip(above)) {
            for lane in 0..B {
                out[lane] = source[lane].wrapping_add(predict(left[lane], above[lane], corner[lane]));
            }
            (left, corner) = (*out, *above);
        }
    }
}

/// Rows that are filtered by Average or Paeth, with pixels of 3 or 4 bytes.
struct Group<'b> {
    above: &'b [u8],
    /// With the filters' bytes.
    raw: &'b [u8],
    out: &'b mut [u8],
    length: usize,
    stride: usize,
}

/// Pixels of a block.
const PIXELS: usize = 4;

impl Group<'_> {
    /// Undoes 2 × `V` rows of pixels of `B` bytes.
    ///
    /// A vector holds a pixel of one row in its low half and one of the row below, a block behind, in its high half.
    /// What stands above a pixel was made a block before, and is still in a register.
    #[inline(always)]
    fn undo<S: Simd, const B: usize, const V: usize>(self, simd: S) {
        let zero = i16x8::splat(simd, 0);
        let Self { above, raw, out, length, stride } = self;
        let step = PIXELS * B;
        let blocks = length.div_ceil(step);
        let source: [&[u8]; 4] =
            std::array::from_fn(|row| if row < 2 * V { &raw[row * (length + 1) + 1..] } else { &[][..] });
        let mut averaged = [zero; V];
        for (at, averaged) in averaged.iter_mut().enumerate() {
            let half = |row: usize| if raw[(2 * at + row) * (length + 1)] == 3 { -1 } else { 0 };
            let (upper, lower) = (half(0), half(1));
            *averaged = i16x8::from_slice(simd, &[upper, upper, upper, upper, lower, lower, lower, lower]);
        }
        let spread = Spread::new::<B>(simd);
        let (mut left, mut corner) = ([zero; V], [zero; V]);
        let mut before = [[zero; PIXELS]; V];
        for k in 0..blocks + 2 * V - 1 {
            let nothing = u8x16::splat(simd, 0);
            // Rows stand a block apart. Before its first, `wrapping_sub` gives a number above all of them.
            let block = |row: usize| k.wrapping_sub(row);
            let load = |bytes: &[u8], at: usize| {
                if at < blocks { u8x16::from_slice(simd, &bytes[at * step..][..16]) } else { nothing }
            };
            let top = load(above, k);
            let mut stored = [[nothing; 2]; V];
            for (v, stored) in stored.iter_mut().enumerate() {
                *stored = [load(source[2 * v], block(2 * v)), load(source[2 * v + 1], block(2 * v + 1))];
            }
            #[expect(clippy::needless_range_loop, reason = "a pixel of several blocks")]
            for i in 0..PIXELS {
                let mut over = [zero; V];
                for v in 0..V {
                    over[v] = if v == 0 {
                        let upper: u64x2<S> = top.swizzle_dyn_precise(spread.low[i]).bitcast();
                        let lower: u64x2<S> = before[0][i].bitcast();
                        upper.zip_low(lower).bitcast()
                    } else {
                        before[v - 1][i].slide::<4>(before[v][i])
                    };
                }
                for v in 0..V {
                    let upper = stored[v][0].swizzle_dyn_precise(spread.low[i]);
                    let lower = stored[v][1].swizzle_dyn_precise(spread.high[i]);
                    left[v] = mixed((upper | lower).bitcast(), left[v], over[v], corner[v], averaged[v]);
                    corner[v] = over[v];
                    before[v][i] = left[v];
                }
            }
            for v in 0..V {
                let first: u8x16<S> =
                    before[v][0].bitcast::<u16x8<S>>().relaxed_narrow(before[v][1].bitcast());
                let second: u8x16<S> =
                    before[v][2].bitcast::<u16x8<S>>().relaxed_narrow(before[v][3].bitcast());
                let upper =
                    first.swizzle_dyn_precise(spread.upper[0]) | second.swizzle_dyn_precise(spread.upper[1]);
                let lower =
                    first.swizzle_dyn_precise(spread.lower[0]) | second.swizzle_dyn_precise(spread.lower[1]);
                if block(2 * v) < blocks {
                    upper.store_slice(&mut out[2 * v * stride + block(2 * v) * step..][..16]);
                }
                if block(2 * v + 1) < blocks {
                    lower.store_slice(&mut out[(2 * v + 1) * stride + block(2 * v + 1) * step..][..16]);
                }
                // A row that hasn't begun has nothing to its left.
                if k <= 2 * v {
                    let begun = if k < 2 * v { 0 } else { -1 };
                    let begun = i16x8::from_slice(simd, &[begun, begun, begun, begun, 0, 0, 0, 0]);
                    left[v] &= begun;
                    corner[v] &= begun;
                }
            }
        }
    }
}

/// Average in the lanes where `averaged` has all bits, Paeth in the others.
#[inline(always)]
fn mixed<S: Simd>(
    stored: i16x8<S>,
    left: i16x8<S>,
    above: i16x8<S>,
    corner: i16x8<S>,
    averaged: i16x8<S>,
) -> i16x8<S> {
    let (low, high) = (left.min(above), left.max(above));
    let threshold = (corner + corner + (corner - above)) - left;
    let average = (left + above) >> 1;
    let inner = high.simd_gt(threshold).select(corner, low);
    let paeth = threshold.simd_gt(low).select(inner, high);
    let chosen = averaged.simd_lt(0).select(average, paeth);
    (stored + chosen) & 255
}

/// Indices that spread 16 bytes over the halves of vectors, a pixel each, and gather them again.
struct Spread<S: Simd> {
    low: [u8x16<S>; PIXELS],
    high: [u8x16<S>; PIXELS],
    upper: [u8x16<S>; 2],
    lower: [u8x16<S>; 2],
}

impl<S: Simd> Spread<S> {
    #[inline(always)]
    fn new<const B: usize>(simd: S) -> Self {
        let none = u8x16::splat(simd, 0);
        let mut spread =
            Self { low: [none; PIXELS], high: [none; PIXELS], upper: [none; 2], lower: [none; 2] };
        for i in 0..PIXELS {
            let (mut low, mut high) = ([u8::MAX; 16], [u8::MAX; 16]);
            for lane in 0..B {
                #[expect(clippy::cast_possible_truncation, reason = "below 16")]
                let index = (i * B + lane) as u8;
                low[2 * lane] = index;
                high[8 + 2 * lane] = index;
            }
            spread.low[i] = u8x16::from_slice(simd, &low);
            spread.high[i] = u8x16::from_slice(simd, &high);
        }
        for pair in 0..2 {
            let (mut upper, mut lower) = ([u8::MAX; 16], [u8::MAX; 16]);
            for lane in 0..B {
                #[expect(clippy::cast_possible_truncation, reason = "below 16")]
                let index = lane as u8;
                for second in 0..2 {
                    let place = (2 * pair + usize::from(second)) * B + lane;
                    upper[place] = 8 * second + index;
                    lower[place] = 8 * second + 4 + index;
                }
            }
            spread.upper[pair] = u8x16::from_slice(simd, &upper);
            spread.lower[pair] = u8x16::from_slice(simd, &lower);
        }
        spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the standard's words, a byte after the other.
    fn reference(raw: &[u8], length: usize, pixel: usize, count: usize) -> Vec<Vec<u8>> {
        let mut rows: Vec<Vec<u8>> = vec![vec![0; length]];
        for row in raw.chunks_exact(length + 1).take(count) {
            let above = rows.last().unwrap().clone();
            let mut done: Vec<u8> = Vec::new();
            for (x, &stored) in row[1..].iter().enumerate() {
                let left = if x >= pixel { done[x - pixel] } else { 0 };
                let corner = if x >= pixel { above[x - pixel] } else { 0 };
                let predicted = match row[0] {
                    0 => 0,
                    1 => left,
                    2 => above[x],
                    3 => average(left, above[x], 0),
                    _ => paeth(left, above[x], corner),
                };
                done.push(stored.wrapping_add(predicted));
            }
            rows.push(done);
        }
        rows.split_off(1)
    }

    #[test]
    fn every_filter_at_every_level_in_batches_of_any_size() {
        let mut seed = 7_u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed.to_be_bytes()[0]
        };
        for pixel in [1, 2, 3, 4, 6, 8] {
            for width in [1, 2, 3, 4, 5, 31, 64] {
                let (length, count) = (width * pixel, 40);
                let mut raw: Vec<u8> = (0..count * (length + 1)).map(|_| next()).collect();
                for row in raw.chunks_exact_mut(length + 1) {
                    // Twice as many that are undone in pairs.
                    row[0] = [0, 1, 2, 3, 3, 4, 4, 4][usize::from(next() % 8)];
                }
                raw.extend([9; SLACK]);
                let expected = reference(&raw, length, pixel, count);
                for level in [Level::baseline(), sluice_pixels::simd::level()] {
                    for batch in [1, 2, 7, 40] {
                        let mut band = Band::new(length, pixel, batch);
                        let mut before = 0;
                        for start in (0..count).step_by(batch) {
                            let rows = batch.min(count - start);
                            band.unfilter(level, &raw[start * (length + 1)..], rows, before).unwrap();
                            for index in 0..rows {
                                assert_eq!(
                                    band.row(index),
                                    expected[start + index],
                                    "{pixel} {width} {batch}"
                                );
                            }
                            before = rows;
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn an_unknown_filter_is_told_with_its_row() {
        let mut raw = vec![4; 5 * 4 + SLACK];
        raw[3 * 4] = 5;
        let mut band = Band::new(3, 3, 5);
        assert_eq!(band.unfilter(Level::baseline(), &raw, 5, 0), Err((3, UnknownFilter(5))));
    }
}
