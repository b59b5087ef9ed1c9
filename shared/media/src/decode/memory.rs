//! What a resize behind a decoder takes.

use sluice_pixels::{raster::Model, resample};

use crate::facts::Facts;

/// Peak bytes of a resize to `target`, its result among them.
pub(crate) fn resizing(facts: &Facts<'_>, target: (u32, u32)) -> u64 {
    let size = facts.size();
    let of = |channels: u8, bytes: u64| {
        let model = match channels {
            1 => Model::Gray,
            2 => Model::GrayAlpha,
            3 => Model::Rgb,
            _ => Model::Rgba,
        };
        resample::memory(size, target, model, bytes)
    };
    // The header doesn't tell two channels of 8 bits from one of 16.
    let bytes = facts.bytes_per_pixel;
    let shallow = if bytes <= 4 { of(bytes, 1) } else { 0 };
    let deep = if bytes.is_multiple_of(2) { of(bytes / 2, 2) } else { 0 };
    shallow.max(deep)
}
