//! Resizing while a picture is decoded: rows go in from top to bottom, nothing of the source is kept but the few
//! rows that the next output rows are made of.
//!
//! The filter is Lanczos with three lobes, stretched when reducing; past its edges a picture repeats them. The
//! result is within one step of 8 bits of what exact arithmetic gives, and the same on every processor. Colours
//! are weighted by alpha, at no cost where everything is opaque.
//!
//! | step | done | kept |
//! |---|---|---|
//! | rows come, channels are parted into planes | once per row | a ring of source rows, of the source's depth |
//! | down, then across, for 8 output rows at once | once per band | a few KiB, and the band between the passes |
//! | channels are joined | once per band | the output |
//!
//! A reduction by 8 or more would need a long ring and long windows: there, boxes of whole source
//! samples are averaged first (`shrink`), so that Lanczos is left with a scale from 4 to less than
//! twice that. Its stop band is far above what is left of the box's error, as libvips found, too.
//!
//! Invariants: memory is what [`memory`] says, from the sizes alone; rows that never come repeat the last one;
//! too many rows and samples of a row are ignored, missing samples are 0.

mod axis;
mod eight;
mod kernel;
mod planes;
mod shrink;
mod sixteen;
#[cfg(test)]
mod tests;
mod whole;

use std::ops::Range;

use fearless_simd::Level;

use self::{
    axis::Axis,
    kernel::{Band, Kernel},
    shrink::Shrink,
};
use crate::{
    error::PixelError,
    planar::{Planar, Plane},
    raster::{Model, Raster, Samples},
    simd::level,
};

/// Output rows that are made at once: as many as 32-bit sums stand in a vector of 256 bits.
const BAND: usize = 8;
/// Columns of a block of the first pass: a line of the cache, for 8 bits.
const BLOCK: usize = 64;
/// The scale from which on source samples are averaged before.
const SHRINK_FROM: f64 = 8.0;
/// The least scale that is left then.
const SHRINK_TO: f64 = 4.0;

/// No picture asks for more or less: edges have at most 65,536 pixels. Within these, sizes can't overflow.
const MOST_SCALE: f64 = 65_536.0;
const LEAST_SCALE: f64 = 1.0 / MOST_SCALE;

/// Samples of 8 or 16 bits.
pub trait Sample: Kernel {
    /// White, or opaque.
    const FULL: Self;

    /// The samples of a raster.
    fn samples(samples: Vec<Self>) -> Samples;
}

impl Sample for u8 {
    const FULL: Self = Self::MAX;

    fn samples(samples: Vec<Self>) -> Samples {
        Samples::Eight(samples)
    }
}

impl Sample for u16 {
    const FULL: Self = Self::MAX;

    fn samples(samples: Vec<Self>) -> Samples {
        Samples::Sixteen(samples)
    }
}

/// Resizes one picture by Lanczos-3, colour weighted by alpha.
pub struct Resampler<T: Sample> {
    /// Samples in a row of the source.
    length: usize,
    target: (u32, u32),
    model: Model,
    engine: Engine<T>,
}

enum Engine<T: Sample> {
    /// Nothing to resize: rows of this many samples, until so many have come.
    Copy {
        row: usize,
        whole: usize,
        samples: Vec<T>,
    },
    Bands(Box<Bands<T>>),
}

impl<T: Sample> Resampler<T> {
    /// From `source` to `target` pixels.
    pub fn new(source: (u32, u32), target: (u32, u32), model: Model) -> Self {
        let scale = |source: u32, target: u32| f64::from(source) / f64::from(target.max(1));
        Self::scaled(source, target, model, (scale(source.0, target.0), scale(source.1, target.1)))
    }

    /// The same, where a target sample covers `scale` source samples (across, down), counted from the top
    /// left corner: chroma planes of odd pictures are a little larger than what they stand for. What lies
    /// past the last target sample isn't read; what is missing repeats the edge.
    pub fn scaled(source: (u32, u32), target: (u32, u32), model: Model, scale: (f64, f64)) -> Self {
        Self::at_level(level(), source, target, model, scale)
    }

    fn at_level(
        level: Level,
        source: (u32, u32),
        target: (u32, u32),
        model: Model,
        scale: (f64, f64),
    ) -> Self {
        let channels = model.channels();
        let length = source.0 as usize * channels;
        let whole = target.0 as usize * target.1 as usize * channels;
        let same = scale == (1.0, 1.0) && target.0 <= source.0 && target.1 <= source.1;
        let engine = if same || whole == 0 || length == 0 || source.1 == 0 {
            Engine::Copy { row: target.0 as usize * channels, whole, samples: Vec::with_capacity(whole) }
        } else {
            Engine::Bands(Box::new(Bands::new(level, source, target, model, scale)))
        };
        Self { length, target, model, engine }
    }

    /// Takes the next row of the source: its width × channels samples, alpha not premultiplied. Rows past the
    /// last are ignored.
    pub fn push(&mut self, row: &[T]) {
        let mut filled;
        let row = if let Some(row) = row.get(..self.length) {
            row
        } else {
            filled = row.to_vec();
            filled.resize(self.length, T::default());
            &filled
        };
        match &mut self.engine {
            Engine::Copy { row: length, whole, samples } => {
                if samples.len() < *whole
                    && let Some(row) = row.get(..*length)
                {
                    samples.extend_from_slice(row);
                }
            }
            Engine::Bands(bands) => bands.push(row),
        }
    }

    /// The resized picture. Rows that never came repeat the last one.
    ///
    /// # Errors
    /// [`PixelError::NoRows`] where no row came.
    pub fn finish(self) -> Result<Raster, PixelError> {
        let (width, height) = self.target;
        let model = self.model;
        let samples = self.samples().ok_or(PixelError::NoRows)?;
        Ok(Raster { width, height, model, samples: T::samples(samples) })
    }

    fn samples(self) -> Option<Vec<T>> {
        match self.engine {
            Engine::Copy { row, whole, mut samples } => {
                while samples.len() < whole {
                    let last = samples.len().checked_sub(row)?;
                    samples.extend_from_within(last..);
                }
                Some(samples)
            }
            Engine::Bands(bands) => bands.finish(),
        }
    }
}

/// How one axis is reduced: by whole samples at first, if by much.
struct Plan {
    /// Source samples that are read.
    valid: usize,
    /// So many are averaged.
    by: usize,
    /// What is left of `valid` then.
    samples: usize,
    /// What is left of the scale.
    scale: f64,
}

impl Plan {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "edges are whole and far below 2⁵³"
    )]
    fn new(source: u32, target: u32, scale: f64) -> Self {
        let scale = if scale.is_nan() { 1.0 } else { scale.clamp(LEAST_SCALE, MOST_SCALE) };
        let read = (f64::from(target) * scale - 1e-6).ceil() as usize;
        let valid = read.clamp(1, source.max(1) as usize);
        let by = if scale < SHRINK_FROM { 1 } else { (scale / SHRINK_TO) as usize };
        Self { valid, by, samples: valid.div_ceil(by), scale: scale / by as f64 }
    }
}

/// A picture between its first and its last row.
struct Bands<T: Sample> {
    level: Level,
    channels: usize,
    alpha: bool,
    /// Source rows that are read, and those that have come.
    rows: (usize, usize),
    shrink: Option<Shrink<T>>,
    across: Axis<T::Weight>,
    down: Axis<T::Weight>,
    ring: planes::Ring<T>,
    /// The next output row.
    next: usize,
    /// The source row after the last that its band needs.
    until: usize,
    work: T::Work,
    lines: Vec<T>,
    line: usize,
    samples: Vec<T>,
}

impl<T: Sample> Bands<T> {
    fn new(level: Level, source: (u32, u32), target: (u32, u32), model: Model, scale: (f64, f64)) -> Self {
        let (channels, alpha) = (model.channels(), model.has_alpha());
        let across = Plan::new(source.0, target.0, scale.0);
        let down = Plan::new(source.1, target.1, scale.1);
        let shrink = (across.by > 1 || down.by > 1)
            .then(|| Shrink::new((across.valid, across.by), down.by, channels, alpha));
        let (width, height) = (target.0 as usize, target.1 as usize);
        let rows = (down.valid, 0);
        let across = Axis::new(across.samples, width, across.scale);
        let down = Axis::<T::Weight>::new(down.samples, height, down.scale);
        // The longest that a band waits for its last row.
        let (mut capacity, mut end) = (0, 0);
        for first in (0..height).step_by(BAND) {
            let needed = down.needed(first..height.min(first + BAND));
            end = end.max(needed.end);
            capacity = capacity.max(end - needed.start);
        }
        let line = width.next_multiple_of(16);
        let mut bands = Self {
            level,
            channels,
            alpha,
            rows,
            shrink,
            ring: planes::Ring::new(across.lead, across.valid, across.padded, channels, capacity),
            across,
            down,
            next: 0,
            until: 0,
            work: T::Work::default(),
            lines: vec![T::default(); channels * BAND * line],
            line,
            samples: Vec::with_capacity(width * height * channels),
        };
        bands.until = bands.needed();
        bands
    }

    /// The output rows of the next band.
    fn band(&self) -> Range<usize> {
        self.next..self.down.len().min(self.next + BAND)
    }

    /// How many source rows the next band needs, counted from the first.
    fn needed(&self) -> usize {
        if self.next < self.down.len() { self.down.needed(self.band()).end } else { usize::MAX }
    }

    fn push(&mut self, row: &[T]) {
        let (valid, came) = &mut self.rows;
        if came == valid {
            return;
        }
        *came += 1;
        let whole = came == valid;
        let Some(shrink) = &mut self.shrink else { return self.receive(row) };
        if shrink.push(self.level, row, whole) {
            self.receive_shrunk();
        }
    }

    fn receive_shrunk(&mut self) {
        // Taken out for as long as it is read.
        let Some(mut shrink) = self.shrink.take() else { return };
        self.receive(shrink.take());
        self.shrink = Some(shrink);
    }

    fn receive(&mut self, row: &[T]) {
        self.ring.push(self.level, row, self.alpha);
        while self.ring.received >= self.until {
            self.resize();
        }
    }

    /// Makes the next band.
    fn resize(&mut self) {
        let rows = self.band();
        let width = self.across.len() * self.channels;
        let band = Band {
            across: &self.across,
            down: &self.down,
            rows: rows.clone(),
            channels: self.channels,
            alpha: self.alpha,
            ring: self.ring.samples(),
            stride: self.ring.stride,
            capacity: self.ring.capacity,
            received: self.ring.received,
            opaque: &self.ring.opaque,
            line: self.line,
        };
        T::resize(self.level, &band, &mut self.work, &mut self.lines);
        self.samples.resize(rows.end * width, T::default());
        let samples = &mut self.samples[rows.start * width..];
        planes::join(self.level, &self.lines, self.line, (self.channels, width), samples);
        self.next = rows.end;
        self.until = self.needed();
    }

    fn finish(mut self) -> Option<Vec<T>> {
        if self.shrink.as_ref().is_some_and(Shrink::flush) {
            self.receive_shrunk();
        }
        if self.ring.received == 0 {
            return None;
        }
        while self.next < self.down.len() {
            self.resize();
        }
        Some(self.samples)
    }

    /// Bytes on the heap.
    #[cfg(test)]
    fn bytes(&self, work: impl Fn(&T::Work) -> usize) -> usize {
        self.across.bytes()
            + self.down.bytes()
            + self.ring.bytes()
            + self.shrink.as_ref().map_or(0, Shrink::bytes)
            + work(&self.work)
            + size_of::<T>() * (self.lines.capacity() + self.samples.capacity())
    }
}

/// Makes `buffer` as long as `length`, and its memory no larger than that.
fn extend<T: Copy>(buffer: &mut Vec<T>, length: usize, value: T) {
    if let Some(missing) = length.checked_sub(buffer.len()) {
        buffer.reserve_exact(missing);
        buffer.resize(length, value);
    }
}

/// Most bytes that a [`Resampler`] from `source` to `target` pixels of `bytes_per_sample` (1 or 2) takes, its
/// output among them.
pub fn memory(source: (u32, u32), target: (u32, u32), model: Model, bytes_per_sample: u64) -> u64 {
    let channels = model.channels() as u64;
    let output = u64::from(target.0) * u64::from(target.1) * channels * bytes_per_sample;
    if source == target || source.0 == 0 || source.1 == 0 || output == 0 {
        return output;
    }
    let plan = |source: u32, target: u32| Plan::new(source, target, f64::from(source) / f64::from(target));
    let (across, down) = (plan(source.0, target.0), plan(source.1, target.1));
    let (wide, tall) = (axis::most_pairs(across.scale), axis::most_pairs(down.scale));
    // Windows of a band: the first, and as far as the last lies below it.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most twice SHRINK_FROM")]
    let span = 2 * tall + (f64::from(BAND as u32) * down.scale).ceil() as u64 + 4;
    // Windows are told in pairs, the last may reach one row too far.
    let rows = span.min(down.samples as u64 + 1);
    let columns = (across.samples as u64 + 4 * wide + 4).next_multiple_of(BLOCK as u64);
    let ring = planes::memory(columns, channels, rows) * bytes_per_sample + rows;
    let tables = |pairs: u64, target: u32| u64::from(target) * (8 + pairs * 4 * bytes_per_sample);
    let lanes = if model.has_alpha() { channels } else { 1 };
    let work =
        if bytes_per_sample == 1 { u8::work(span, columns, lanes) } else { u16::work(span, columns, lanes) };
    let lines = (u64::from(target.0) + 16) * channels * BAND as u64 * bytes_per_sample;
    let shrink = if across.by > 1 || down.by > 1 {
        shrink::memory(across.valid as u64, across.samples as u64, channels, bytes_per_sample)
    } else {
        0
    };
    output + ring + tables(wide, target.0) + tables(tall, target.1) + work + lines + shrink
}

/// Resizes a plane.
fn plane(source: &Plane, target: (u32, u32)) -> Plane {
    let scale = |source: u32, target: u32| f64::from(source) / f64::from(target.max(1));
    plane_scaled(source, target, (scale(source.width, target.0), scale(source.height, target.1)))
}

/// Resizes a plane of which a target sample covers `scale` samples, see [`Resampler::scaled`].
fn plane_scaled(source: &Plane, target: (u32, u32), scale: (f64, f64)) -> Plane {
    let mut resampler = Resampler::scaled((source.width, source.height), target, Model::Gray, scale);
    for row in source.samples.chunks_exact((source.width as usize).max(1)) {
        resampler.push(row);
    }
    let whole = target.0 as usize * target.1 as usize;
    let samples = resampler.samples().unwrap_or_else(|| vec![0; whole]);
    Plane { width: target.0, height: target.1, samples }
}

impl Planar {
    /// Resizes to `target` pixels. Chroma keeps its place between the luma samples: its scale is luma's.
    #[must_use]
    pub fn resize(&self, target: (u32, u32)) -> Self {
        let (width, height) = self.size();
        let scale =
            (f64::from(width) / f64::from(target.0.max(1)), f64::from(height) / f64::from(target.1.max(1)));
        let chroma = |chroma: &[Plane; 2]| {
            chroma.each_ref().map(|chroma| plane_scaled(chroma, Self::chroma_size(target), scale))
        };
        Self { luma: plane(&self.luma, target), chroma: self.chroma.as_ref().map(chroma) }
    }
}
