//! Derivatives of an image: oriented, in sRGB, without any metadata, never enlarged.
//!
//! One decode feeds them all. It gives the picture at the size of the largest derivative, resized while its rows
//! arrive; each smaller one is then made from the next larger. The same bytes and the same profile give the same
//! derivatives, byte for byte, on any number of threads.

mod animate;
mod decoded;
mod picture;
mod plan;

use std::thread;

pub(crate) use self::decoded::Decoded;
use self::{
    picture::Picture,
    plan::{Step, longer_edge, plan},
};
pub use crate::profile::{OutputFormat, Profile, Spec};
use crate::{
    error::{MediaError, Warning, contained},
    facts::Facts,
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
            return Ok(Derived { derivatives: Vec::new(), warnings: Vec::new() });
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
    let Decoded { image, picture, orientation, mut warnings, .. } = decoded;

    let moving = image.facts().animated
        && !is_too_long(image.facts(), limits, &mut warnings)
        && animate::is_affordable(image.facts(), limits, &mut warnings);
    let steps = plan(profile, &picture, moving);
    let (animated, stills): (Vec<_>, Vec<_>) = steps.iter().partition(|step| step.animated);
    let mut files = encode_stills(picture, &stills, limits.threads)?;
    files.extend(animate::encode(bytes, &image, orientation, limits, &animated, &mut warnings)?);

    let derivatives = profile.derivatives.iter().enumerate().filter_map(|(index, spec)| {
        let (step, file) =
            stills.iter().chain(&animated).zip(&files).find(|(step, _)| step.specs.contains(&index))?;
        Some(Derivative {
            name: spec.name.clone(),
            content_type: step.format.content_type(),
            extension: step.format.extension(),
            width: step.size.0,
            height: step.size.1,
            bytes: file.clone(),
        })
    });
    Ok(Derived { derivatives: derivatives.collect(), warnings })
}

/// Whether there are more frames than allowed, where the file has a picture that stands for all of them.
fn is_too_long(facts: &Facts<'_>, limits: &Limits, warnings: &mut Vec<Warning>) -> bool {
    let (frames, limit) = (facts.frames, limits.max_frames);
    if frames > limit {
        let message = format!("{frames} frames are more than {limit}, only one picture is shown");
        warnings.push(Warning::new("animation_flattened", message));
    }
    frames > limit
}

/// Writes `steps`, which go from large to small, each from the next larger picture. The largest is written beside the
/// rest where there are two threads: it costs about as much as all others.
fn encode_stills(picture: Picture, steps: &[&Step], threads: usize) -> Result<Vec<Vec<u8>>, MediaError> {
    let Some(first) = steps.first() else { return Ok(Vec::new()) };
    let picture = if picture.size() == first.size { picture } else { picture.resize(first.size)? };
    let same_size = steps.iter().take_while(|step| step.size == first.size).count();
    let (largest, smaller) = steps.split_at(same_size);
    let encode_largest = || -> Result<Vec<Vec<u8>>, MediaError> {
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
