//! Averages boxes of whole source samples, ahead of large reductions.
//!
//! Invariants: sums are exact (64 bits hold 2³² products of two 16-bit samples); colours are weighted by alpha; a
//! last box that the picture doesn't fill is the average of what there is of it.

use super::Sample;

pub(crate) struct Shrink<T> {
    /// Source columns that are read, and columns and rows of a box.
    width: usize,
    across: usize,
    down: usize,
    channels: usize,
    alpha: bool,
    /// Of each sample of a source row; colours multiplied by alpha.
    sums: Vec<u64>,
    /// Rows in the sums.
    rows: usize,
    row: Vec<T>,
}

/// Most bytes of a [`Shrink`] from `width` to `boxes` columns.
pub(super) const fn memory(width: u64, boxes: u64, channels: u64, bytes_per_sample: u64) -> u64 {
    channels * (width * size_of::<u64>() as u64 + boxes * bytes_per_sample)
}

impl<T: Sample> Shrink<T> {
    /// Of rows of `width` pixels, boxes of `across` × `down`.
    pub fn new((width, across): (usize, usize), down: usize, channels: usize, alpha: bool) -> Self {
        let sums = vec![0; width * channels];
        let row = vec![T::default(); width.div_ceil(across) * channels];
        Self { width, across, down, channels, alpha, sums, rows: 0, row }
    }

    /// Takes the next row, which may be the `last`. True if a row of boxes is complete, to be had by
    /// [`Self::take`].
    pub fn push(&mut self, row: &[T], last: bool) -> bool {
        let row = &row[..self.width * self.channels];
        if self.alpha {
            let pixels = self.sums.chunks_exact_mut(self.channels).zip(row.chunks_exact(self.channels));
            for (sums, pixel) in pixels {
                let (colours, alpha) = pixel.split_at(self.channels - 1);
                let alpha: u64 = alpha[0].into();
                for (sum, &colour) in sums.iter_mut().zip(colours) {
                    *sum += alpha * Into::<u64>::into(colour);
                }
                sums[self.channels - 1] += alpha;
            }
        } else {
            for (sum, &sample) in self.sums.iter_mut().zip(row) {
                *sum += Into::<u64>::into(sample);
            }
        }
        self.rows += 1;
        self.rows == self.down || last && self.flush()
    }

    /// True if there is an incomplete row of boxes.
    pub fn flush(&mut self) -> bool {
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
                    *total += sum;
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
        self.sums.fill(0);
        self.rows = 0;
        &self.row
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.sums.capacity() * size_of::<u64>() + self.row.capacity() * size_of::<T>()
    }
}
