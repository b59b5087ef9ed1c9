//! Between pixels, whose channels stand side by side, and planes, which kernels work on.

#![expect(
    clippy::inline_always,
    reason = "kernels are compiled for a level only where they are inlined into it"
)]

use fearless_simd::{Level, Simd, dispatch};

use super::{BAND, BLOCK, Sample};

/// The last rows of the source, each with its channels as planes.
///
/// A plane begins with repetitions of its first sample and ends with repetitions of its last, see
/// [`super::axis::Axis`]; planes begin with a cache line, an odd number of them apart, so that the same columns of
/// many rows don't compete for one place in the cache.
pub struct Ring<T> {
    samples: Vec<T>,
    /// Where the first line begins.
    skip: usize,
    lead: usize,
    valid: usize,
    padded: usize,
    channels: usize,
    /// From plane to plane.
    pub stride: usize,
    /// Rows.
    pub capacity: usize,
    /// Rows that have come.
    pub received: usize,
    /// Of each row in the ring, whether it is.
    pub opaque: Vec<bool>,
}

/// Samples from plane to plane.
const fn stride(padded: usize) -> usize {
    (padded.div_ceil(BLOCK) | 1) * BLOCK
}

/// Most samples of a ring of `rows` rows of `padded` columns.
pub(super) const fn memory(padded: u64, channels: u64, rows: u64) -> u64 {
    (padded + BLOCK as u64) * channels * rows + BLOCK as u64
}

impl<T: Sample> Ring<T> {
    pub fn new(lead: usize, valid: usize, padded: usize, channels: usize, capacity: usize) -> Self {
        let stride = stride(padded);
        let samples = vec![T::default(); stride * channels * capacity + BLOCK];
        let skip = samples.as_ptr().align_offset(64).min(BLOCK);
        let opaque = vec![true; capacity];
        Self { samples, skip, lead, valid, padded, channels, stride, capacity, received: 0, opaque }
    }

    pub fn samples(&self) -> &[T] {
        &self.samples[self.skip..]
    }

    /// Takes a row of pixels, whose last channel may be `alpha`.
    pub fn push(&mut self, level: Level, row: &[T], alpha: bool) {
        let slot = self.received % self.capacity;
        let length = self.stride * self.channels;
        let planes = &mut self.samples[self.skip + slot * length..][..length];
        let (lead, end) = (self.lead, self.lead + self.valid);
        if self.channels == 1 {
            planes[lead..end].copy_from_slice(&row[..self.valid]);
        } else {
            dispatch!(level, simd => part(simd, row, self.channels, planes, (self.stride, lead, self.valid)));
        }
        for plane in planes.chunks_exact_mut(self.stride) {
            let (first, last) = (plane[lead], plane[end - 1]);
            plane[..lead].fill(first);
            plane[end..self.padded].fill(last);
        }
        if alpha {
            let alphas = &planes[length - self.stride..][lead..end];
            self.opaque[slot] = dispatch!(level, simd => least(simd, alphas)) == T::FULL;
        }
        self.received += 1;
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.samples.capacity() * size_of::<T>() + self.opaque.capacity()
    }
}

#[inline(always)]
fn least<S: Simd, T: Sample>(_: S, samples: &[T]) -> T {
    samples.iter().fold(T::FULL, |least, &sample| least.min(sample))
}

#[inline(always)]
fn part<S: Simd, T: Sample>(
    _: S,
    row: &[T],
    channels: usize,
    planes: &mut [T],
    (stride, lead, valid): (usize, usize, usize),
) {
    let mut planes = planes.chunks_exact_mut(stride).map(|plane| &mut plane[lead..][..valid]);
    let mut next = || planes.next().unwrap_or_default();
    match channels {
        2 => {
            for ((&[a, b], to_a), to_b) in row.as_chunks().0.iter().zip(next()).zip(next()) {
                (*to_a, *to_b) = (a, b);
            }
        }
        3 => {
            let pixels = row.as_chunks().0.iter();
            for (((&[a, b, c], to_a), to_b), to_c) in pixels.zip(next()).zip(next()).zip(next()) {
                (*to_a, *to_b, *to_c) = (a, b, c);
            }
        }
        _ => {
            let pixels = row.as_chunks().0.iter();
            for ((((&[a, b, c, d], to_a), to_b), to_c), to_d) in
                pixels.zip(next()).zip(next()).zip(next()).zip(next())
            {
                (*to_a, *to_b, *to_c, *to_d) = (a, b, c, d);
            }
        }
    }
}

/// Puts the lines of a band, [`BAND`] of `line` samples for each channel, into rows of `length` samples.
pub(super) fn join<T: Sample>(
    level: Level,
    lines: &[T],
    line: usize,
    (channels, length): (usize, usize),
    rows: &mut [T],
) {
    for (at, row) in rows.chunks_exact_mut(length).enumerate() {
        let lines = &lines[at * line..];
        if channels == 1 {
            row.copy_from_slice(&lines[..length]);
        } else {
            dispatch!(level, simd => join_row(simd, lines, BAND * line, channels, row));
        }
    }
}

#[inline(always)]
fn join_row<S: Simd, T: Sample>(_: S, lines: &[T], stride: usize, channels: usize, row: &mut [T]) {
    let width = row.len() / channels;
    let line = |channel: usize| lines[channel * stride..][..width].iter();
    match channels {
        2 => {
            for ((to, &a), &b) in row.as_chunks_mut().0.iter_mut().zip(line(0)).zip(line(1)) {
                *to = [a, b];
            }
        }
        3 => {
            let pixels = row.as_chunks_mut().0.iter_mut();
            for (((to, &a), &b), &c) in pixels.zip(line(0)).zip(line(1)).zip(line(2)) {
                *to = [a, b, c];
            }
        }
        _ => {
            let pixels = row.as_chunks_mut().0.iter_mut();
            for ((((to, &a), &b), &c), &d) in pixels.zip(line(0)).zip(line(1)).zip(line(2)).zip(line(3)) {
                *to = [a, b, c, d];
            }
        }
    }
}
