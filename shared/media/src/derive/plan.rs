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
    pub format: OutputFormat,
    pub quality: u8,
    pub animated: bool,
    /// Whose derivative it is: indexes into the profile.
    pub specs: Vec<usize>,
}

/// The files to write, from large to small.
pub(super) fn plan(profile: &Profile, picture: &Picture, moving: bool) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (index, spec) in profile.derivatives.iter().enumerate() {
        let format = spec.format(picture.is_transparent());
        let animated = moving && format == OutputFormat::WebP;
        let size = spec.size(picture.size());
        let step = Step { size, format, quality: spec.quality, animated, specs: vec![index] };
        let file = |step: &Step| (step.size, step.format, step.quality, step.animated);
        match steps.iter_mut().find(|known| file(known) == file(&step)) {
            Some(known) => known.specs.push(index),
            None => steps.push(step),
        }
    }
    steps.sort_by_key(|step| std::cmp::Reverse(longer_edge(step.size)));
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
        let steps = plan(&Profile::default(), &picture, false);
        let written: Vec<_> = steps.iter().map(|step| (step.size, step.specs.clone())).collect();
        assert_eq!(written, [((300, 200), vec![1, 2]), ((256, 171), vec![0])]);
    }
}
