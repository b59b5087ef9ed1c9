//! Samples of 8 and of 16 bits, as decoders keep them.

use sluice_pixels::{raster::Samples, resample::Sample};

use super::Store;

/// Samples as decoders keep them.
pub(super) trait Depth: Sample + bytemuck::Pod + Into<i32> {
    /// The largest value.
    const MAX: i32;

    /// The samples of a channel that are kept in this form; none of another form.
    fn of(store: &Store) -> &[Self];

    /// `value` in this form, clamped.
    fn from_i32(value: i32) -> Self;

    /// The samples of a raster that are in this form.
    fn unwrap(samples: Samples) -> Option<Vec<Self>>;

    /// Samples that fit into 8 bits, in 8 bits.
    fn bytes(samples: Vec<Self>) -> Vec<u8>;
}

impl Depth for u8 {
    const MAX: i32 = 0xFF;

    fn of(store: &Store) -> &[Self] {
        match store {
            Store::Eight(samples) => samples,
            Store::Av1(plane) => plane,
            Store::Sixteen(_) => &[],
        }
    }

    #[expect(clippy::cast_sign_loss, reason = "it is clamped before")]
    fn from_i32(value: i32) -> Self {
        value.clamp(0, <Self as Depth>::MAX) as Self
    }

    fn unwrap(samples: Samples) -> Option<Vec<Self>> {
        match samples {
            Samples::Eight(samples) => Some(samples),
            Samples::Sixteen(_) => None,
        }
    }

    fn bytes(samples: Vec<Self>) -> Vec<u8> {
        samples
    }
}

impl Depth for u16 {
    const MAX: i32 = 0xFFFF;

    fn of(store: &Store) -> &[Self] {
        match store {
            Store::Sixteen(samples) => samples,
            Store::Av1(plane) => bytemuck::try_cast_slice(plane).unwrap_or_default(),
            Store::Eight(_) => &[],
        }
    }

    #[expect(clippy::cast_sign_loss, reason = "it is clamped before")]
    fn from_i32(value: i32) -> Self {
        value.clamp(0, <Self as Depth>::MAX) as Self
    }

    fn unwrap(samples: Samples) -> Option<Vec<Self>> {
        match samples {
            Samples::Sixteen(samples) => Some(samples),
            Samples::Eight(_) => None,
        }
    }

    fn bytes(samples: Vec<Self>) -> Vec<u8> {
        samples.into_iter().map(|sample| u8::from_i32(sample.into())).collect()
    }
}
