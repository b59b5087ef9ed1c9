//! Averages boxes of whole source samples, ahead of large reductions.
//!
//! Invariants: sums are exact (32 bits hold those of 65 535 products of 8-bit samples, 64 of 16-bit ones, and boxes
//! are not that high); colours are weighted by alpha; a
//! last box that the picture doesn't fill is the average of what there is of it.

#![expect(
    clippy::inline_always,
    reason = "kernels are compiled for a level only where they are inlined into it"
)]

use fearless_simd::{Level, Simd, dispatch};

use super::Sample;

pub struct Shrink<T: Sample> {
    /// Source columns that are read, and columns and rows of a box.
    width: usize,
    across: usize,
    down: usize,
    channels: usize,
    alpha: bool,
    /// Of each sample of a source row; colours multiplied by alpha.
    sums: Vec<T::Sum>,
    /// Rows in the sums.
    rows: usize,
    row: Vec<T>,
}

/// Most bytes of a [`Shrink`] from `width` to `boxes` columns.
pub(super) const fn memory(width: u64, boxes: u64, channels: u64, bytes_per_sample: u64) -> u64 {
    channels * bytes_per_sample * (4 * width + boxes)
}

impl<T: Sample> Shrink<T> {
    /// Of rows of `width` pixels, boxes of `across` × `down`.
    pub fn new((width, across): (usize, usize), down: usize, channels: usize, alpha: bool) -> Self {
        let sums = vec![T::Sum::default(); width * channels];
        let row = vec![T::default(); width.div_ceil(across) * channels];
        Self { width, across, down, channels, alpha, sums, rows: 0, row }
    }

    /// Takes the next row, which may be the `last`. True if a row of boxes is complete, to be had by
    /// [`Self::take`].
    pub fn push(&mut self, level: Level, row: &[T], last: bool) -> bool {
        let row = &row[..self.width * self.channels];
        dispatch!(level, simd => match (self.alpha, self.channels) {
            (false, _) => add(simd, &mut self.sums, row),
            (true, 2) => add_weighted::<_, _, 2>(simd, &mut self.sums, row),
            (true, _) => add_weighted::<_, _, 4>(simd, &mut self.sums, row),
        });
        self.rows += 1;
        self.rows == self.down || last
    }

    /// True if there is an incomplete row of boxes.
    pub fn flush(&self) -> bool {
        self.rows > 0
    }

    /// The averages.
    #[expect(clippy::cast_precision_loss, reason = "rounded to 16 bits in the end")]
    pub fn take(&mut self) -> &[T] {
        let boxes = self.sums.chunks(self.across * self.channels);
        for (pixel, sums) in self.row.chunks_exact_mut(self.channels).zip(boxes) {
            let mut totals = [0_u64; 4];
            for sums in sums.chunks_exact(self.channels) {
                for (total, sum) in totals.iter_mut().zip(sums) {
                    *total += (*sum).into();
                }
            }
            let samples = (sums.len() / self.channels * self.rows) as f64;
            let colours = self.channels - usize::from(self.alpha);
            let weight = if self.alpha { totals[colours] as f64 } else { samples };
            for (sample, &total) in pixel[..colours].iter_mut().zip(&totals) {
                *sample = if weight > 0.0 { T::nearest(total as f64 / weight) } else { T::default() };
            }
            for (sample, &total) in pixel[colours..].iter_mut().zip(&totals[colours..]) {
                *sample = T::nearest(total as f64 / samples);
            }
        }
        self.sums.fill(T::Sum::default());
        self.rows = 0;
        &self.row
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.sums.capacity() * size_of::<T::Sum>() + self.row.capacity() * size_of::<T>()
    }
}

#[inline(always)]
fn add<S: Simd, T: Sample>(_: S, sums: &mut [T::Sum], row: &[T]) {
    for (sum, &sample) in sums.iter_mut().zip(row) {
        *sum += sample.into();
    }
}

/// The same, colours multiplied by alpha, the last of `N` channels.
#[inline(always)]
fn add_weighted<S: Simd, T: Sample, const N: usize>(_: S, sums: &mut [T::Sum], row: &[T]) {
    for (sums, pixel) in sums.as_chunks_mut::<N>().0.iter_mut().zip(row.as_chunks::<N>().0) {
        let alpha: T::Sum = pixel[N - 1].into();
        for (sum, &colour) in sums[..N - 1].iter_mut().zip(pixel) {
            *sum += alpha * colour.into();
        }
        sums[N - 1] += alpha;
    }
}
