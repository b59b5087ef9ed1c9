//! What the kernels do, for samples of either depth.

use std::ops::{AddAssign, Mul, Range};

use fearless_simd::Level;

use super::{
    axis::{Axis, Weight},
    eight, sixteen,
};

/// Samples of 8 or 16 bits, as kernels take them.
pub trait Kernel: Copy + Default + Ord + Into<f64> + Into<Self::Sum> {
    /// What kernels multiply by.
    type Weight: Weight;
    /// What kernels keep.
    type Work: Default;
    /// Sums of samples and of products of two samples, four times as wide.
    type Sum: Copy + Default + AddAssign + Mul<Output = Self::Sum> + Into<u64>;

    /// The nearest to `value`, which is not negative.
    fn nearest(value: f64) -> Self;

    /// Makes a band in planes: of each channel [`BAND`](super::BAND) lines of [`Band::line`] samples.
    fn resize(level: Level, band: &Band<'_, Self, Self::Weight>, work: &mut Self::Work, lines: &mut [Self]);

    /// Most bytes of `Work`, for windows over `rows` source rows of `columns` samples in `channels` planes.
    fn work(rows: u64, columns: u64, channels: u64) -> u64;
}

impl Kernel for u8 {
    type Weight = i16;
    type Work = eight::Work;
    type Sum = u32;

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "this is what is asked for")]
    fn nearest(value: f64) -> Self {
        (value + 0.5) as Self
    }

    fn resize(level: Level, band: &Band<'_, Self, i16>, work: &mut Self::Work, lines: &mut [Self]) {
        eight::resize(level, band, work, lines);
    }

    fn work(rows: u64, columns: u64, channels: u64) -> u64 {
        eight::memory(rows, columns, channels)
    }
}

impl Kernel for u16 {
    type Weight = f32;
    type Work = sixteen::Work;
    type Sum = u64;

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "this is what is asked for")]
    fn nearest(value: f64) -> Self {
        (value + 0.5) as Self
    }

    fn resize(level: Level, band: &Band<'_, Self, f32>, work: &mut Self::Work, lines: &mut [Self]) {
        sixteen::resize(level, band, work, lines);
    }

    fn work(rows: u64, columns: u64, channels: u64) -> u64 {
        sixteen::memory(rows, columns, channels)
    }
}

/// What the kernels make a band of.
pub struct Band<'a, T, W> {
    pub(super) across: &'a Axis<W>,
    pub(super) down: &'a Axis<W>,
    /// The output rows: at most [`BAND`](super::BAND).
    pub(super) rows: Range<usize>,
    pub(super) channels: usize,
    /// Whether the last channel is alpha.
    pub(super) alpha: bool,
    /// Source rows, each with its channels as planes.
    pub(super) ring: &'a [T],
    /// From plane to plane.
    pub(super) stride: usize,
    /// Rows in the ring.
    pub(super) capacity: usize,
    /// Source rows that have come.
    pub(super) received: usize,
    /// Of each row in the ring, whether it is.
    pub(super) opaque: &'a [bool],
    /// Samples in a line of the result: the width, up to a whole vector.
    pub(super) line: usize,
}

impl<T, W: Weight> Band<'_, T, W> {
    /// Which source row stands for the one at `padded`.
    pub(super) fn row(&self, padded: usize) -> usize {
        self.down.source(padded).min(self.received - 1) % self.capacity
    }

    /// Where in the ring it begins.
    pub(super) fn source(&self, padded: usize) -> usize {
        self.row(padded) * self.channels * self.stride
    }

    /// Whether alpha matters here.
    pub(super) fn weighed(&self) -> bool {
        let pairs = self.down.pairs_of(self.rows.clone());
        self.alpha && !(2 * pairs.start..2 * pairs.end).all(|row| self.opaque[self.row(row)])
    }
}
