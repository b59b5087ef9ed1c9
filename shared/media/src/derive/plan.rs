//! Which files are written: each once, from large to small.

use super::picture::Picture;
use crate::profile::{OutputFormat, Profile};

pub(super) fn longer_edge(size: (u32, u32)) -> u32 {
    size.0.max(size.1)
}

/// One file to write. A small original has the same one under several names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub size: (u32, u32),
    /// Of the still.
    pub format: OutputFormat,
    pub quality: u8,
    /// It moves, as WebP; the still takes its place where that doesn't come about.
    pub animated: bool,
    /// Whose derivative it is: indexes into the profile.
    pub specs: Vec<usize>,
}

/// Most pixels of all moving files together, frame by frame. libwebp codes 5 to 20 million a second.
const MOST_MOVING_PIXELS: u64 = 3 << 26;

/// The files to write, from large to small. Of an animation of `frames` frames the smaller ones move first, as many as
/// can be afforded; `None` is a still.
pub(super) fn plan(profile: &Profile, picture: &Picture, frames: Option<u32>) -> Vec<Step> {
    let moving = frames.is_some();
    let mut steps: Vec<Step> = Vec::new();
    for (index, spec) in profile.derivatives.iter().enumerate() {
        let format = spec.format(picture.is_transparent());
        // Every browser that shows JPEG shows WebP that moves.
        let animated = moving && matches!(format, OutputFormat::Jpeg | OutputFormat::WebP);
        let size = spec.size(picture.size());
        let step = Step { size, format, quality: spec.quality, animated, specs: vec![index] };
        let file = |step: &Step| (step.size, step.format, step.quality, step.animated);
        match steps.iter_mut().find(|known| file(known) == file(&step)) {
            Some(known) => known.specs.push(index),
            None => steps.push(step),
        }
    }
    steps.sort_by_key(|step| std::cmp::Reverse(longer_edge(step.size)));
    let mut left = MOST_MOVING_PIXELS;
    for step in steps.iter_mut().rev().filter(|step| step.animated) {
        let (width, height) = step.size;
        let pixels = u64::from(width) * u64::from(height) * u64::from(frames.unwrap_or(0));
        step.animated = pixels <= left;
        left = left.saturating_sub(pixels);
    }
    steps
}

#[cfg(test)]
mod tests {
    use sluice_pixels::planar::{Planar, Plane};

    use super::*;

    #[test]
    fn the_same_file_is_written_once() {
        let luma = Plane { width: 300, height: 200, samples: vec![0; 300 * 200] };
        let picture = Picture::Opaque(Planar { luma, chroma: None });
        let steps = plan(&Profile::default(), &picture, None);
        let written: Vec<_> = steps.iter().map(|step| (step.size, step.specs.clone())).collect();
        assert_eq!(written, [((300, 200), vec![1, 2]), ((256, 171), vec![0])]);
    }
    #[test]
    fn the_smaller_files_move_first() {
        let luma = Plane { width: 2_048, height: 1_024, samples: vec![0; 2_048 * 1_024] };
        let picture = Picture::Opaque(Planar { luma, chroma: None });
        let moving = |frames| -> Vec<bool> {
            plan(&Profile::default(), &picture, Some(frames)).iter().map(|step| step.animated).collect()
        };
        // Of a frame 2,048 × 1,024, 1,024 × 512 and 256 × 128 pixels.
        let all = MOST_MOVING_PIXELS / (2_048 * 1_024 + 1_024 * 512 + 256 * 128);
        let all = u32::try_from(all).unwrap();
        assert_eq!(moving(all), [true, true, true]);
        assert_eq!(moving(all + 1), [false, true, true]);
        assert_eq!(moving(1_000), [false, false, true]);
    }
}
