//! Decoding JPEG: planes by our own decoder, or what libjpeg makes of the rest.
//!
//! Each component is decoded at the DCT scale that its plane of the target needs and goes row by row through its
//! own resize. Files of other kinds (CMYK, RGB) and damaged ones go to libjpeg, which gives whole rasters.

use std::num::NonZero;

use crate::error::{MediaError, Warning};
use crate::header::Header;
use crate::jpeg::decode::{self as codec, Found, Frame, Refusal, Scale, Sink};
use crate::native;
use crate::picture::{Colour, Pixels, Planar, Plane, Still, Want};
use crate::raster::{Model, Raster, Samples};
use crate::resample::Resampler;
use crate::simd;

/// Peak bytes beside the input that [`decode`] takes, from the header alone.
pub(super) fn memory(header: &Header<'_>, target: (u32, u32)) -> u64 {
    let planes = u64::from(target.0) * u64::from(target.1) * 3;
    let Some(frame) = header.jpeg.as_ref().and_then(|jpeg| jpeg.frame.as_ref()) else {
        return libjpeg_memory(header, target);
    };
    // The rows that a resize keeps are few; those of one row of MCUs are counted here, as many as it may.
    let rows = u64::from(header.width) * 3 * 64;
    codec::memory(frame, &scales(frame, target), 2) + planes + rows
}

/// libjpeg's coefficients, its picture and the resized one.
fn libjpeg_memory(header: &Header<'_>, target: (u32, u32)) -> u64 {
    let (width, height) = header.decoded_size(target);
    let samples = u64::from(header.bytes_per_pixel);
    let coefficients = header.jpeg.as_ref().map_or(0, |jpeg| jpeg.coefficient_bytes);
    let area = |width: u32, height: u32| u64::from(width) * u64::from(height) * samples;
    coefficients + area(width, height) + area(target.0, target.1)
}

/// Decodes to the target.
pub(super) fn decode<'a>(
    bytes: &'a [u8],
    header: &Header<'a>,
    want: &Want<'_>,
) -> Result<Still<'a>, MediaError> {
    let threads = NonZero::new(want.limits.threads).unwrap_or(NonZero::<usize>::MIN);
    let complete = header.jpeg.as_ref().is_none_or(|jpeg| jpeg.complete);
    let own = header.jpeg.as_ref().and_then(|jpeg| jpeg.frame.as_ref());
    let (pixels, cut, faults) = match own.map(|frame| planes(bytes, frame, want.target, threads)) {
        Some(Ok((planar, found))) => (Pixels::Planar(planar?), found.cut, u32::from(found.extraneous)),
        // It is tried again from the start: what came out so far is no part of the answer.
        Some(Err(Refusal::Unsupported | Refusal::Damaged)) | None => {
            let needed = libjpeg_memory(header, want.target) + bytes.len() as u64;
            if needed > want.limits.max_memory {
                return Err(MediaError::OutOfMemoryBudget { needed, budget: want.limits.max_memory });
            }
            let (raster, faults) = raster(bytes, header, want.target)?;
            (Pixels::Raster(raster), false, faults)
        }
    };
    let mut warnings = Vec::new();
    if cut || !complete {
        warnings.push(Warning::new(
            "truncated",
            "the file ends before the image does, the rest is gray or blurred",
        ));
    } else if faults > 0 {
        warnings.push(Warning::new(
            "corrupt_data",
            format!("the image data is damaged ({faults} faults), parts of it may look wrong"),
        ));
    }
    let colour = header.icc.clone().map_or(Colour::Srgb, Colour::Icc);
    Ok(Still { pixels, colour, orientation: None, warnings })
}

/// Resizes a component's rows as they come.
struct Planes {
    resamplers: Vec<Resampler<u8>>,
}

impl Sink for Planes {
    fn row(&mut self, component: usize, row: &[u8]) {
        if let Some(resampler) = self.resamplers.get_mut(component) {
            resampler.push(row);
        }
    }
}

type Decoded = (Result<Planar, MediaError>, Found);

fn planes(
    bytes: &[u8],
    frame: &Frame,
    target: (u32, u32),
    threads: NonZero<usize>,
) -> Result<Decoded, Refusal> {
    let scales = scales(frame, target);
    let most = frame.most();
    let resamplers = frame
        .components()
        .iter()
        .enumerate()
        .map(|(component, sampling)| {
            let source = codec::scaled(frame, component, scales[component.min(2)]);
            let scale = scales[component.min(2)];
            let (size, halved) =
                if component == 0 { (target, 1.0) } else { (Planar::chroma_size(target), 2.0) };
            // Samples of the component, as decoded, to one of the target. From the frame's own size: a
            // component's may be rounded up.
            let covered = |frame: u32, target: u32, factor: u8, most: u32, points: u8| {
                halved * f64::from(frame) / f64::from(target) * f64::from(factor) / f64::from(most)
                    * f64::from(points)
                    / 8.0
            };
            let across = covered(frame.width, target.0, sampling.across, most.0, scale.across);
            let down = covered(frame.height, target.1, sampling.down, most.1, scale.down);
            Resampler::scaled(source, size, Model::Gray, (across, down))
        })
        .collect();
    let mut planes = Planes { resamplers };
    let found = codec::decode(bytes, scales, threads.get(), simd::level(), &mut planes)?;
    Ok((finish(planes.resamplers), found))
}

fn finish(resamplers: Vec<Resampler<u8>>) -> Result<Planar, MediaError> {
    let mut planes = resamplers.into_iter().map(plane);
    let luma = planes.next().ok_or_else(|| MediaError::corrupt("the frame has no component"))??;
    let chroma = match (planes.next(), planes.next()) {
        (Some(blue), Some(red)) => Some([blue?, red?]),
        _ => None,
    };
    Ok(Planar { luma, chroma })
}

fn plane(resampler: Resampler<u8>) -> Result<Plane, MediaError> {
    let Raster { width, height, samples, .. } = resampler.finish()?;
    match samples {
        Samples::Eight(samples) => Ok(Plane { width, height, samples }),
        Samples::Sixteen(_) => Err(MediaError::corrupt("a resize changed the depth")),
    }
}

/// For each component the smallest scale that doesn't fall below its plane of the target.
fn scales(frame: &Frame, target: (u32, u32)) -> [Scale; 3] {
    let most = frame.most();
    let mut scales = [Scale::FULL; 3];
    for ((component, sampling), scale) in frame.components().iter().enumerate().zip(&mut scales) {
        let halved = if component == 0 { 1 } else { 2 };
        let least = |frame: u32, target: u32, factor: u8, most: u32| {
            let reaches = |points: &u8| {
                u64::from(frame) * u64::from(factor) * u64::from(*points) * halved
                    >= u64::from(target) * u64::from(most) * 8
            };
            (1..8).find(reaches).unwrap_or(8)
        };
        *scale = Scale {
            across: least(frame.width, target.0, sampling.across, most.0),
            down: least(frame.height, target.1, sampling.down, most.1),
        };
    }
    scales
}

/// By libjpeg, resized, and how much of it was made up.
fn raster(bytes: &[u8], header: &Header<'_>, target: (u32, u32)) -> Result<(Raster, u32), MediaError> {
    let decoded = native::jpeg::decode(bytes, header.dct_eighths(target))?;
    let mut raster = decoded.raster;
    let adobe = header.jpeg.as_ref().is_some_and(|jpeg| jpeg.adobe);
    if let (Model::Cmyk, true, Samples::Eight(inks)) = (raster.model, adobe, &mut raster.samples) {
        // Adobe's writers store light in place of ink.
        for ink in inks {
            *ink = !*ink;
        }
    }
    if (raster.width, raster.height) == target {
        return Ok((raster, decoded.damages));
    }
    let mut resampler = Resampler::<u8>::new((raster.width, raster.height), target, raster.model);
    if let Samples::Eight(samples) = raster.samples {
        for row in samples.chunks_exact(raster.width as usize * raster.model.channels()) {
            resampler.push(row);
        }
    }
    Ok((resampler.finish()?, decoded.damages))
}
