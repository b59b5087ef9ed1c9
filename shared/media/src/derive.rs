//! Derivatives of an image: oriented, in sRGB, without any metadata, never enlarged.
//!
//! One decode feeds them all. It is as small as the decoder can make it without falling below the largest
//! derivative; each smaller one is then made from the next larger. The same bytes and the same profile
//! give the same derivatives, byte for byte.

use std::borrow::Cow;

use crate::error::{MediaError, Warning, contained};
use crate::header::Header;
use crate::limits::Limits;
use crate::raster::{Canvas, Raster, fit};
use crate::{colour, decode, encode, metadata, native};

/// How a derivative is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// Baseline JPEG, 4:2:0, on white. The first frame of an animation.
    Jpeg,
    /// Lossy WebP with alpha. Keeps an animation moving.
    WebP,
}

impl OutputFormat {
    /// The IANA media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
        }
    }

    /// The file extension, without a dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
        }
    }

    const fn max_edge(self) -> u32 {
        match self {
            Self::Jpeg => encode::JPEG_MAX_EDGE,
            Self::WebP => native::webp::MAX_EDGE,
        }
    }
}

/// One derivative to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Its name, `thumb` for example: unique within a profile, part of the derived object's key.
    pub name: String,
    /// Pixels that its longer edge has at most.
    pub max_edge: u32,
    /// How it is written.
    pub format: OutputFormat,
    /// 1 to 100, on the format's own scale.
    pub quality: u8,
}

impl Spec {
    /// A derivative named `name`, its longer edge at most `max_edge` pixels.
    pub fn new(name: impl Into<String>, max_edge: u32, format: OutputFormat, quality: u8) -> Self {
        Self { name: name.into(), max_edge, format, quality }
    }

    fn size(&self, original: (u32, u32)) -> (u32, u32) {
        fit(original, self.max_edge.clamp(1, self.format.max_edge()))
    }
}

/// The derivatives to make of every image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// In the order in which they are returned.
    pub derivatives: Vec<Spec>,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            derivatives: vec![
                Spec::new("thumb", 256, OutputFormat::WebP, 80),
                Spec::new("preview", 1024, OutputFormat::Jpeg, 80),
                Spec::new("large", 2048, OutputFormat::Jpeg, 80),
            ],
        }
    }
}

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

/// Makes the derivatives of `profile` from an image.
///
/// # Errors
/// A permanent [`MediaError`] for bytes that are no image, pass a limit or are broken beyond use. A JPEG that
/// was cut short or damaged is decoded as far as it goes, with a warning.
pub fn derive(bytes: &[u8], profile: &Profile, limits: &Limits) -> Result<Derived, MediaError> {
    contained(|| derive_contained(bytes, profile, limits))
}

fn derive_contained(bytes: &[u8], profile: &Profile, limits: &Limits) -> Result<Derived, MediaError> {
    let header = Header::parse(bytes)?;
    let orientation = metadata::orientation(&header);
    let upright = metadata::upright((header.width, header.height), orientation);
    let mut plan: Vec<(usize, &Spec, (u32, u32))> = profile
        .derivatives
        .iter()
        .enumerate()
        .map(|(index, spec)| (index, spec, spec.size(upright)))
        .collect();
    // Stable, so that equal sizes keep the profile's order.
    plan.sort_by_key(|(_, _, size)| std::cmp::Reverse(size.0.max(size.1)));
    let Some(&(_, _, largest)) = plan.first() else {
        return Ok(Derived { derivatives: Vec::new(), warnings: Vec::new() });
    };
    // The same the other way round: the size as stored.
    let target = metadata::upright(largest, orientation);
    limits.check(&header, target, bytes.len())?;

    let still = decode::still(bytes, &header, target, limits)?;
    let mut warnings = still.warnings;
    let finish = Finish { icc: still.icc, orientation };
    let mut canvas = finish.apply(still.raster, target, &mut warnings)?;

    let moving = header.animated && {
        let affordable = u64::from(header.frames).saturating_mul(header.pixels()) <= limits.max_pixels;
        if !affordable {
            warnings.push(Warning::new(
                "animation_flattened",
                format!(
                    "{} frames of {} pixels are more than {} pixels, only the first frame is shown",
                    header.frames,
                    header.pixels(),
                    limits.max_pixels
                ),
            ));
        }
        affordable
    };
    let mut derivatives: Vec<Option<Derivative>> = profile.derivatives.iter().map(|_| None).collect();
    let mut animated = Vec::new();
    let mut previous: Option<(usize, &Spec)> = None;
    for (index, spec, size) in plan {
        if moving && spec.format == OutputFormat::WebP {
            animated.push((index, spec, size));
            continue;
        }
        let resized = canvas.size() != size;
        if resized {
            canvas = canvas.resize(size)?;
        }
        // A small original gives the same file under several names: it is encoded once.
        let same = previous
            .filter(|(_, before)| !resized && (before.format, before.quality) == (spec.format, spec.quality));
        let encoded = match same.and_then(|(at, _)| derivatives[at].as_ref()) {
            Some(finished) => finished.bytes.clone(),
            None => match spec.format {
                OutputFormat::Jpeg => encode::jpeg(&canvas, spec.quality)?,
                OutputFormat::WebP => native::webp::encode(&canvas, spec.quality)?,
            },
        };
        derivatives[index] = Some(derivative(spec, size, encoded));
        previous = Some((index, spec));
    }
    drop(canvas);
    for (index, derivative) in animate(bytes, &header, &finish, limits, &animated, &mut warnings)? {
        derivatives[index] = Some(derivative);
    }
    Ok(Derived { derivatives: derivatives.into_iter().flatten().collect(), warnings })
}

fn derivative(spec: &Spec, (width, height): (u32, u32), bytes: Vec<u8>) -> Derivative {
    Derivative {
        name: spec.name.clone(),
        content_type: spec.format.content_type(),
        extension: spec.format.extension(),
        width,
        height,
        bytes,
    }
}

/// What every frame of an image goes through between decoder and encoders.
pub(crate) struct Finish<'a> {
    pub icc: Option<Cow<'a, [u8]>>,
    pub orientation: u8,
}

impl Finish<'_> {
    /// Resizes to `target` (as stored), converts to sRGB, turns upright.
    pub fn apply(
        &self,
        raster: Raster,
        target: (u32, u32),
        warnings: &mut Vec<Warning>,
    ) -> Result<Canvas, MediaError> {
        let resized = raster.resize(target)?;
        Ok(colour::to_srgb(resized, self.icc.as_deref(), warnings).orient(self.orientation))
    }
}

/// Makes the moving derivatives, all in one pass over the frames. `plan` goes from large to small.
fn animate(
    bytes: &[u8],
    header: &Header<'_>,
    finish: &Finish<'_>,
    limits: &Limits,
    plan: &[(usize, &Spec, (u32, u32))],
    warnings: &mut Vec<Warning>,
) -> Result<Vec<(usize, Derivative)>, MediaError> {
    let Some(&(_, _, largest)) = plan.first() else { return Ok(Vec::new()) };
    let target = metadata::upright(largest, finish.orientation);
    let animation = decode::animation(bytes, header, limits)?;
    let mut encoders = plan
        .iter()
        .map(|(_, spec, size)| encode::webp::Animation::new(*size, spec.quality, animation.loops))
        .collect::<Result<Vec<_>, _>>()?;
    let mut shown = 0_u32;
    for frame in animation.frames {
        let (raster, duration_ms) = match frame {
            Ok(frame) => frame,
            Err(error) if shown == 0 => return Err(error),
            Err(error) => {
                warnings.push(Warning::new(
                    "truncated",
                    format!("the animation stops after {shown} of {} frames: {error}", header.frames),
                ));
                break;
            }
        };
        let mut canvas = finish.apply(raster, target, warnings)?;
        for (encoder, (_, _, size)) in encoders.iter_mut().zip(plan) {
            if canvas.size() != *size {
                canvas = canvas.resize(*size)?;
            }
            encoder.push(&canvas, duration_ms)?;
        }
        shown += 1;
    }
    if shown == 0 {
        return Err(MediaError::corrupt("the animation has no frame"));
    }
    encoders
        .into_iter()
        .zip(plan)
        .map(|(encoder, (index, spec, size))| Ok((*index, derivative(spec, *size, encoder.finish()?))))
        .collect()
}
