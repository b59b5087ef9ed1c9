//! Derivatives of an image: oriented, in sRGB, without any metadata, never enlarged.
//!
//! One decode feeds them all. It gives the picture at the size of the largest derivative, resized while its rows
//! arrive; each smaller one is then made from the next larger. The same bytes and the same profile give the same
//! derivatives, byte for byte, on any number of threads.

mod animate;
mod decoded;
#[cfg(fuzzing)]
mod first_frame;
mod hash;
mod picture;
mod plan;

use std::thread;

pub(crate) use self::decoded::Decoded;
#[cfg(fuzzing)]
pub use self::first_frame::{FirstFrame, FirstSamples, first_frame};
pub use self::hash::Placeholder;
use self::{
    picture::Picture,
    plan::{Step, longer_edge, plan},
};
pub use crate::profile::{OutputFormat, Profile, Spec};
use crate::{
    error::{MediaError, Warning, contained},
    facts::upright,
    formats,
    input::{Input, Opened},
    limits::Limits,
};

/// A finished derivative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derivative {
    /// Its spec's name.
    pub name: String,
    /// The IANA media type.
    pub content_type: &'static str,
    /// The file extension, without a dot.
    pub extension: &'static str,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The file.
    pub bytes: Vec<u8>,
}

/// What came of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// One for each spec, in the profile's order.
    pub derivatives: Vec<Derivative>,
    /// What the derivatives could not show.
    pub warnings: Vec<Warning>,
    /// The placeholder, where it was too dear to be made before ([`crate::placeholder::cheap_thumbhash`]).
    pub placeholder: Option<Placeholder>,
}

impl Derived {
    /// The derivative, by its place, whose file the one at `index` is, too: the first that has the same bytes. Of an
    /// original that is smaller than two of the profile's sizes, both are one file, which need not be stored twice.
    /// `None` where nothing before it is the same.
    pub fn same_as(&self, index: usize) -> Option<usize> {
        let made = self.derivatives.get(index)?;
        let file = |made: &Derivative| (made.content_type, made.bytes.len());
        self.derivatives[..index]
            .iter()
            .position(|earlier| file(earlier) == file(made) && earlier.bytes == made.bytes)
    }
}

/// Whether derivatives are made of this content type, as [`crate::sniff`] names it.
pub fn supports(content_type: &str) -> bool {
    formats::supports(content_type)
}

/// Makes the derivatives of `profile` from an image.
///
/// # Errors
/// A permanent [`MediaError`] for bytes that are no image, pass a limit or are broken beyond use. An image that was cut
/// short or damaged is decoded as far as it goes, with a warning.
pub fn derive<'a>(
    input: impl Into<Input<'a>>,
    profile: &Profile,
    limits: &Limits,
) -> Result<Derived, MediaError> {
    let input = input.into();
    contained(|| {
        if profile.derivatives.is_empty() {
            return Ok(Derived { derivatives: Vec::new(), warnings: Vec::new(), placeholder: None });
        }
        let mut opened = input.open(limits.max_held, formats::streams)?;
        derive_opened(&mut opened, profile, limits)
    })
}

fn derive_opened(opened: &mut Opened<'_>, profile: &Profile, limits: &Limits) -> Result<Derived, MediaError> {
    let (bytes, rest) = opened.parts();
    let decoded = Decoded::of(bytes, rest, limits, |displayed| {
        let sizes = profile.derivatives.iter().map(|spec| spec.size(displayed));
        sizes.max_by_key(|size| longer_edge(*size)).unwrap_or((1, 1))
    })?;
    let Decoded { image, picture, orientation, size, mut warnings } = decoded;
    let dear = image.is_dear(upright(Placeholder::target(size), orientation));
    let placeholder = dear.then(|| Placeholder::reduced(&picture, size)).transpose()?;

    let facts = image.facts();
    let moving = facts.animated && animate::is_affordable(facts, limits, &mut warnings);
    let steps = plan(profile, &picture, moving.then_some(facts.frames));
    let steps: Vec<&Step> = steps.iter().collect();
    // Of what moves, too: a still may have to stand for it.
    let mut files = encode_stills(picture, &steps, limits.threads)?;
    if moving {
        let animated: Vec<&Step> = steps.iter().copied().filter(|step| step.animated).collect();
        let mut moved = match animate::encode(bytes, &image, orientation, limits, &animated, &mut warnings) {
            Ok(moved) => moved.into_iter(),
            Err(error) if error.is_permanent() => {
                warnings.push(animate::flattened(error));
                Vec::new().into_iter()
            }
            Err(error) => return Err(error),
        };
        for (step, file) in steps.iter().zip(&mut files) {
            if step.animated {
                if let Some(Some(moved)) = moved.next() {
                    *file = (OutputFormat::WebP, moved);
                }
            } else if matches!(step.format, OutputFormat::Jpeg | OutputFormat::WebP) {
                let (width, height) = step.size;
                let reason =
                    format!("{} frames of {width} × {height} pixels are too many", image.facts().frames);
                warnings.push(animate::flattened(reason));
            }
        }
    }

    let derivatives = profile.derivatives.iter().enumerate().filter_map(|(index, spec)| {
        let (step, (format, file)) =
            steps.iter().zip(&files).find(|(step, _)| step.specs.contains(&index))?;
        Some(Derivative {
            name: spec.name.clone(),
            content_type: format.content_type(),
            extension: format.extension(),
            width: step.size.0,
            height: step.size.1,
            bytes: file.clone(),
        })
    });
    Ok(Derived { derivatives: derivatives.collect(), warnings, placeholder })
}

/// A finished file and its format.
type File = (OutputFormat, Vec<u8>);

/// Writes `steps`, which go from large to small, each from the next larger picture. The largest is written beside the
/// rest where there are two threads: it costs about as much as all others.
fn encode_stills(picture: Picture, steps: &[&Step], threads: usize) -> Result<Vec<File>, MediaError> {
    let Some(first) = steps.first() else { return Ok(Vec::new()) };
    let picture = if picture.size() == first.size { picture } else { picture.resize(first.size)? };
    let same_size = steps.iter().take_while(|step| step.size == first.size).count();
    let (largest, smaller) = steps.split_at(same_size);
    let encode_largest = || -> Result<Vec<File>, MediaError> {
        largest.iter().map(|step| picture.encode(step.format, step.quality)).collect()
    };
    let Some(next) = smaller.first() else { return encode_largest() };
    if threads < 2 {
        let mut files = encode_largest()?;
        let reduced = picture.resize(next.size)?;
        drop(picture);
        files.extend(encode_stills(reduced, smaller, threads)?);
        return Ok(files);
    }
    thread::scope(|scope| {
        let beside = scope.spawn(|| contained(encode_largest));
        let rest = picture.resize(next.size).and_then(|reduced| encode_stills(reduced, smaller, 1));
        let mut files = beside
            .join()
            .unwrap_or_else(|_| Err(MediaError::encode("the encoder's thread ended without a result")))?;
        files.extend(rest?);
        Ok(files)
    })
}
