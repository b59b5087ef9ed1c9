//! Moving derivatives: every frame resized, converted and turned like a still, all sizes in one pass over the frames.

use sluice_pixels::{
    planar::Colour,
    raster::{Canvas, Model, Raster},
    resample::Resampler,
};

use super::plan::Step;
use crate::{
    colour,
    decode::frames::{Animation, Frame},
    error::{MediaError, Warning},
    facts::{Facts, upright},
    formats::{Image, webp::encode as webp},
    limits::Limits,
};

/// Most bytes of a file that moves.
const MOST_BYTES: usize = 8 << 20;

/// Whether all frames may be decoded. If not, the first one stands for them, with a warning.
pub(super) fn is_affordable(facts: &Facts<'_>, limits: &Limits, warnings: &mut Vec<Warning>) -> bool {
    let pixels = u64::from(facts.frames).saturating_mul(facts.pixels());
    if facts.frames > limits.max_frames {
        warnings.push(flattened(format!("{} frames are more than {}", facts.frames, limits.max_frames)));
    } else if pixels > limits.max_pixels {
        warnings.push(flattened(format!(
            "{} frames of {} pixels are more than {} pixels",
            facts.frames,
            facts.pixels(),
            limits.max_pixels
        )));
    } else {
        return true;
    }
    false
}

/// Warns of stills that stand for an animation.
pub(super) fn flattened(reason: impl std::fmt::Display) -> Warning {
    Warning::new("animation_flattened", format!("{reason}, only the first frame is shown"))
}

/// Writes `steps`, which go from large to small, all of them moving. `None` is one that would be too large.
///
/// An animation that breaks off plays as far as it goes, with a warning.
pub(super) fn encode<'a>(
    bytes: &'a [u8],
    image: &Image<'a>,
    orientation: u8,
    limits: &Limits,
    steps: &[&Step],
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Option<Vec<u8>>>, MediaError> {
    let Some(largest) = steps.first() else { return Ok(Vec::new()) };
    // The size as stored.
    let target = upright(largest.size, orientation);
    let Animation { mut frames, icc, loops } = image.animation(bytes, target, limits)?;
    let colour = icc.map_or(Colour::Srgb, Colour::Icc);
    let mut encoders = steps
        .iter()
        .map(|step| webp::Animation::new(step.size, step.quality, loops).map(Some))
        .collect::<Result<Vec<_>, _>>()?;
    let mut shown = 0_u32;
    while encoders.iter().any(Option::is_some) {
        let frame = match frames.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(error) if shown == 0 => return Err(error),
            Err(error) => {
                let frames = image.facts().frames;
                warnings.push(if shown < frames {
                    let message = format!("the animation stops after {shown} of {frames} frames: {error}");
                    Warning::new("truncated", message)
                } else {
                    Warning::new("corrupt_data", error.to_string())
                });
                break;
            }
        };
        shown += 1;
        if shown > 1 && frame.changed.is_empty() {
            for encoder in encoders.iter_mut().flatten() {
                encoder.hold(frame.duration_ms);
            }
            continue;
        }
        let resized = resize(&frame, target)?;
        let opaque = frame.opaque;
        let converted = colour::to_srgb_canvas(resized, &colour, warnings);
        let converted = if opaque { converted.without_opaque_alpha() } else { converted };
        let upright = converted.orient(orientation);
        for (slot, picture) in encoders.iter_mut().zip(reduce(&upright, steps)?) {
            let Some(encoder) = slot else { continue };
            encoder.push(&picture, frame.duration_ms)?;
            if encoder.bytes() > MOST_BYTES {
                let (width, height) = picture.size();
                let reason = format!("{width} × {height} pixels that move take more than {MOST_BYTES} bytes");
                warnings.push(flattened(reason));
                *slot = None;
            }
        }
    }
    if shown == 0 {
        return Err(MediaError::corrupt("the animation has no frame"));
    }
    encoders.into_iter().map(|encoder| encoder.map(webp::Animation::finish).transpose()).collect()
}

fn resize(frame: &Frame<'_>, target: (u32, u32)) -> Result<Raster, MediaError> {
    let mut resampler = Resampler::<u8>::new(frame.size, target, Model::Rgba);
    for row in frame.pixels.chunks_exact((frame.size.0 as usize * 4).max(1)) {
        resampler.push(row);
    }
    Ok(resampler.finish()?)
}

/// The picture in the size of each step, each made from the next larger.
fn reduce(largest: &Canvas, steps: &[&Step]) -> Result<Vec<Canvas>, MediaError> {
    let mut pictures: Vec<Canvas> = Vec::with_capacity(steps.len());
    for step in steps {
        let larger = pictures.last().unwrap_or(largest);
        let picture = if larger.size() == step.size { larger.clone() } else { larger.resize(step.size)? };
        pictures.push(picture);
    }
    Ok(pictures)
}
