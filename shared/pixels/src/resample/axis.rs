//! One axis of a resize: which source samples a target sample is made of, and by how much each counts.
//!
//! The kernel is Lanczos with three lobes, stretched by the scale when reducing (Turkowski, "Filters for Common
//! Resampling Tasks", Graphics Gems I, 1990). Past its ends the source repeats its first and last sample.
//!
//! Invariants: the weights of a window sum up to exactly one, so that a flat picture stays flat. Windows are
//! told in pairs of samples, the first of them even, because kernels multiply and add two at a time; samples
//! are counted from `lead` repetitions of the first one, so that no window begins before 0. The phase between
//! source and target repeats (every 64 target samples for 4000 → 2048), and so do the weights: only one period
//! is kept, which the first cache level holds.

use std::f64::consts::PI;

/// Half the width of the kernel.
const LOBES: f64 = 3.0;
/// How far a window may stray from its place, in source samples, for a period to count as one.
const STRAY: f64 = 1e-6;

/// A weight as a kernel multiplies it.
pub trait Weight: Copy + Default {
    /// Fraction bits for weights of which none is more than `peak`.
    fn bits(peak: f64) -> u32;
    /// The `ideal` weights, whose sum is one, in this form.
    fn quantise(ideal: &[f64], bits: u32) -> Vec<Self>;
    /// Whether the sample isn't needed.
    fn is_nothing(self) -> bool;
}

/// Fixed point, for 8-bit samples.
impl Weight for i16 {
    fn bits(peak: f64) -> u32 {
        if peak < 0.999 { 15 } else { 14 }
    }

    #[expect(clippy::cast_possible_truncation, reason = "no weight is more than one, see bits()")]
    fn quantise(ideal: &[f64], bits: u32) -> Vec<Self> {
        let one = f64::from(1_u32 << bits);
        let mut weights: Vec<i32> = ideal.iter().map(|weight| (weight * one).round() as i32).collect();
        // The sum is made exact where that costs least.
        let mut missing = (1 << bits) - weights.iter().sum::<i32>();
        while missing != 0 {
            let step = missing.signum();
            let gain = |at: usize| (ideal[at] * one - f64::from(weights[at])) * f64::from(step);
            let Some(best) = (0..weights.len()).max_by(|&a, &b| gain(a).total_cmp(&gain(b))) else { break };
            weights[best] += step;
            missing -= step;
        }
        weights.into_iter().map(|weight| weight as Self).collect()
    }

    fn is_nothing(self) -> bool {
        self == 0
    }
}

/// For 16-bit samples.
impl Weight for f32 {
    fn bits(_: f64) -> u32 {
        0
    }

    #[expect(clippy::cast_possible_truncation, reason = "24 bits are enough for samples of 16")]
    fn quantise(ideal: &[f64], _: u32) -> Vec<Self> {
        ideal.iter().map(|&weight| weight as Self).collect()
    }

    fn is_nothing(self) -> bool {
        self.abs() < 1e-7
    }
}

/// The windows of all target samples.
#[derive(Debug)]
pub struct Axis<W> {
    /// Source samples that are read.
    pub valid: usize,
    /// Repetitions of the first sample before it.
    pub lead: usize,
    /// Samples with the repeated ones at both ends, even.
    pub padded: usize,
    /// Pairs per window.
    pub pairs: usize,
    /// Fraction bits of the weights.
    pub bits: u32,
    windows: Vec<Window>,
    weights: Vec<[W; 2]>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    /// The first pair of samples.
    start: u32,
    /// The first pair of weights.
    weights: u32,
}

/// The window of one phase: the first source sample and its weights.
struct Phase<W> {
    first: i64,
    weights: Vec<W>,
}

impl<W: Weight> Axis<W> {
    /// `target` samples of `scale` source samples each, of which there are `source`; neither may be 0.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        clippy::cast_possible_wrap,
        reason = "edges of pictures are far below 2³¹"
    )]
    pub fn new(source: usize, target: usize, scale: f64) -> Self {
        let valid = source.min((target as f64 * scale - STRAY).ceil() as usize).max(1);
        let (scale, period, shift) = match ratio(scale, target) {
            // Windows begin with even samples, so that a period has to be an even number of them.
            Some((samples, period)) if samples % 2 == 0 => (samples as f64 / period as f64, period, samples),
            Some((samples, period)) => (samples as f64 / period as f64, 2 * period, 2 * samples),
            None => (scale, target, 0),
        };
        let period = period.min(target);
        let ideal: Vec<_> = (0..period).map(|at| lanczos(at, scale)).collect();
        let peak = ideal.iter().flat_map(|(_, weights)| weights).fold(0.0, |peak, &weight| weight.max(peak));
        let bits = W::bits(peak);
        let phases: Vec<_> = ideal.into_iter().map(|(first, weights)| phase(first, &weights, bits)).collect();

        let least = phases.iter().map(|phase| phase.first).min().unwrap_or(0);
        let pairs_at = |lead: i64| {
            let pairs = |phase: &Phase<W>| {
                let odd = (phase.first + lead).rem_euclid(2) as usize;
                (odd + phase.weights.len()).div_ceil(2)
            };
            phases.iter().map(pairs).max().unwrap_or(1)
        };
        let shortest = (-least).max(0);
        let lead = if pairs_at(shortest + 1) < pairs_at(shortest) { shortest + 1 } else { shortest };
        let pairs = pairs_at(lead);

        let mut weights = vec![[W::default(); 2]; period * pairs];
        for (phase, weights) in phases.iter().zip(weights.chunks_exact_mut(pairs)) {
            let odd = (phase.first + lead).rem_euclid(2) as usize;
            weights.as_flattened_mut()[odd..][..phase.weights.len()].copy_from_slice(&phase.weights);
        }
        // A window past the end sees the last sample only: how far past it is doesn't matter.
        let end = (valid as i64 + lead + 1) / 2;
        let windows: Vec<_> = (0..target)
            .map(|at| {
                let first = phases[at % period].first + (at / period * shift) as i64 + lead;
                Window { start: first.div_euclid(2).min(end) as u32, weights: (at % period * pairs) as u32 }
            })
            .collect();
        let last = windows.iter().map(|window| window.start).max().unwrap_or(0) as usize;
        let lead = lead as usize;
        let padded = (2 * (last + pairs)).max((lead + valid).next_multiple_of(2));
        Self { valid, lead, padded, pairs, bits, windows, weights }
    }

    /// Target samples.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// The first pair of target sample `at`, and the weights of the pairs from there.
    #[inline]
    pub fn window(&self, at: usize) -> (usize, &[[W; 2]]) {
        let window = self.windows[at];
        (window.start as usize, &self.weights[window.weights as usize..][..self.pairs])
    }

    /// The source samples, as a range, that the target samples `range` are made of.
    pub fn needed(&self, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let pairs = self.pairs_of(range);
        self.source(2 * pairs.start)..self.source(2 * pairs.end - 1) + 1
    }

    /// The pairs that the target samples `range`, not empty, are made of.
    pub fn pairs_of(&self, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let starts = || self.windows[range.clone()].iter().map(|window| window.start as usize);
        starts().min().unwrap_or(0)..starts().max().unwrap_or(0) + self.pairs
    }

    /// The source sample that stands at `padded`.
    pub fn source(&self, padded: usize) -> usize {
        padded.saturating_sub(self.lead).min(self.valid - 1)
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        size_of_val(self.windows.as_slice()) + size_of_val(self.weights.as_slice())
    }
}

/// Most pairs in a window at `scale`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "scales are small and positive")]
pub fn most_pairs(scale: f64) -> u64 {
    (LOBES * scale.max(1.0)).ceil() as u64 + 1
}

/// The ideal weights of target sample `at`, with the first source sample that they are for.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "edges of pictures are far below 2⁵³"
)]
fn lanczos(at: usize, scale: f64) -> (i64, Vec<f64>) {
    let stretch = scale.max(1.0);
    let centre = (at as f64 + 0.5) * scale - 0.5;
    let first = (centre - LOBES * stretch).floor() + 1.0;
    let last = (centre + LOBES * stretch).ceil() - 1.0;
    // sin πx and sin πx/3 at equal steps: turned on, not computed anew.
    let start = (first - centre) / stretch;
    let turn = |angle: f64| {
        let (mut sin, mut cos) = (angle * start).sin_cos();
        let (by_sin, by_cos) = (angle / stretch).sin_cos();
        move || {
            let now = sin;
            (sin, cos) = (sin * by_cos + cos * by_sin, cos * by_cos - sin * by_sin);
            now
        }
    };
    let (mut narrow, mut wide) = (turn(PI), turn(PI / LOBES));
    let count = (last - first) as usize + 1;
    let mut weights: Vec<f64> = (0..count)
        .map(|tap| {
            let x = (first + tap as f64 - centre) / stretch;
            let product = narrow() * wide();
            if x.abs() < 1e-5 { 1.0 } else { LOBES * product / (PI * PI * x * x) }
        })
        .collect();
    let sum: f64 = weights.iter().sum();
    for weight in &mut weights {
        *weight /= sum;
    }
    (first as i64, weights)
}

/// Quantises weights and drops those at the ends that became nothing.
#[expect(clippy::cast_possible_wrap, reason = "windows are short")]
fn phase<W: Weight>(first: i64, ideal: &[f64], bits: u32) -> Phase<W> {
    let weights = W::quantise(ideal, bits);
    let skip = weights.iter().take_while(|weight| weight.is_nothing()).count();
    let tail = weights.iter().rev().take_while(|weight| weight.is_nothing()).count();
    match weights.get(skip..weights.len() - tail) {
        Some(kept) if !kept.is_empty() => Phase { first: first + skip as i64, weights: kept.to_vec() },
        _ => Phase { first, weights },
    }
}

/// `scale` as a ratio of two whole numbers, the second at most `target`, by its continued fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "both are checked to be small"
)]
fn ratio(scale: f64, target: usize) -> Option<(usize, usize)> {
    let target = target as f64;
    let (mut before, mut now) = ((0.0, 1.0), (1.0, 0.0));
    let mut rest = scale;
    for _ in 0..24 {
        let whole = rest.floor();
        let (samples, period) = (whole * now.0 + before.0, whole * now.1 + before.1);
        if period > target || samples > f64::from(u32::MAX) {
            return None;
        }
        if (scale * period - samples).abs() / period * target < STRAY {
            return Some((samples as usize, period as usize));
        }
        (before, now) = (now, (samples, period));
        rest = (rest - whole).recip();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phase_repeats_where_the_scale_is_a_ratio() {
        assert_eq!(ratio(4000.0 / 2048.0, 2048), Some((125, 64)));
        assert_eq!(ratio(2.0, 1024), Some((2, 1)));
        assert_eq!(ratio(2999.0 / 1999.0, 1999), Some((2999, 1999)));
        assert_eq!(ratio(0.5, 7), Some((1, 2)));
        assert_eq!(ratio(std::f64::consts::SQRT_2, 2048), None);
    }

    #[test]
    fn weights_sum_up_to_one() {
        for (source, target) in
            [(4000_u16, 2048_u16), (3000, 2048), (2048, 1024), (300, 299), (7, 7), (5, 9), (1, 3)]
        {
            let scale = f64::from(source) / f64::from(target);
            let (source, target) = (usize::from(source), usize::from(target));
            let axis = Axis::<i16>::new(source, target, scale);
            for at in 0..target {
                let (start, weights) = axis.window(at);
                let sum: i32 = weights.as_flattened().iter().map(|&weight| i32::from(weight)).sum();
                assert_eq!(sum, 1 << axis.bits, "{source} → {target}, {at}");
                assert!(2 * (start + axis.pairs) <= axis.padded);
            }
            assert!(axis.pairs as u64 <= most_pairs(scale));
        }
    }

    #[test]
    fn halving_takes_twelve_samples() {
        let axis = Axis::<i16>::new(2048, 1024, 2.0);
        assert_eq!((axis.pairs, axis.bits, axis.weights.len()), (6, 15, 6));
    }

    #[test]
    fn a_sample_for_a_sample_is_one_pair() {
        let axis = Axis::<i16>::new(100, 100, 1.0);
        assert_eq!((axis.pairs, axis.needed(0..100)), (1, 0..100));
    }
}
