//! Decoding JPEG: planes by our own decoder, or what libjpeg makes of the rest.
//!
//! Each component is decoded at the DCT scale that its plane of the target needs and goes row by row through its
//! own resize. Files of other kinds (CMYK, RGB) and damaged ones go to libjpeg, which gives whole rasters.

mod header;

use std::num::NonZero;

use sluice_jpeg::{self as codec, Found, Frame, Refusal, Scale, Sink};
use sluice_pixels::{
    planar::{Colour, Pixels, Planar, Plane},
    raster::{Model, Raster, Samples},
    resample::{self, Resampler},
};

pub(crate) use self::header::{Jpeg, blocks, parse};
use super::still::{Still, Want};
use crate::{
    error::{MediaError, Warning},
    facts::Header,
    native,
};

/// Peak bytes beside the input that [`decode`] takes, from the header alone.
pub(crate) fn memory(header: &Header<'_, Jpeg<'_>>, target: (u32, u32)) -> u64 {
    let Some(frame) = header.head.frame.as_ref() else {
        return libjpeg_memory(header, target);
    };
    // Chroma is halved in most files, and in every target.
    let size = header.facts.size();
    let rows = resample::memory(size, target, Model::Gray, 1)
        + 2 * resample::memory(Planar::chroma_size(size), Planar::chroma_size(target), Model::Gray, 1);
    codec::memory(frame, scales(frame, target), 2) + rows
}

/// libjpeg's coefficients, its picture and the resized one.
fn libjpeg_memory(header: &Header<'_, Jpeg<'_>>, target: (u32, u32)) -> u64 {
    let (width, height) = reduced(header.facts.size(), target);
    let samples = u64::from(header.facts.bytes_per_pixel);
    let coefficients = header.head.coefficient_bytes;
    let area = |width: u32, height: u32| u64::from(width) * u64::from(height) * samples;
    coefficients + area(width, height) + area(target.0, target.1)
}

/// Decodes to the target.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    header: &Header<'a, Jpeg<'a>>,
    want: &Want<'_>,
) -> Result<Still<'a>, MediaError> {
    let threads = NonZero::new(want.limits.threads).unwrap_or(NonZero::<usize>::MIN);
    let complete = header.head.complete;
    let own = header.head.frame.as_ref();
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
    let colour = header.facts.icc.clone().map_or(Colour::Srgb, Colour::Icc);
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
    let found = codec::decode(bytes, scales, threads.get(), &mut planes)?;
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

/// How many samples, in eighths, must be there for each one of the target, by the points of a block (1 to 7), so
/// that the block-wise reduction doesn't show. Measured against a full decode reduced by Lanczos: with these, luma
/// is 50 dB (PSNR) or more from it on pictures of fine detail, 55 on a smooth photo. What JPEG at quality 80 loses
/// lies near 36.
const LUMA_MARGIN: [u32; 7] = [32, 17, 13, 11, 11, 11, 11];
/// Chroma is smooth; this keeps it at 50 dB or more, mostly above 53.
const CHROMA_MARGIN: [u32; 7] = [16, 10, 10, 10, 10, 10, 10];

/// For each component the smallest scale that serves its plane of the target. Never below the target on either
/// edge, unless the component itself is.
fn scales(frame: &Frame, target: (u32, u32)) -> [Scale; 3] {
    let most = frame.most();
    let mut scales = [Scale::FULL; 3];
    for ((component, sampling), scale) in frame.components().iter().enumerate().zip(&mut scales) {
        let (halved, margin) = if component == 0 { (1, LUMA_MARGIN) } else { (2, CHROMA_MARGIN) };
        let least = |frame: u32, target: u32, factor: u8, most: u32| {
            (1..8)
                .zip(margin)
                .find(|&(points, margin)| {
                    u64::from(frame) * u64::from(factor) * u64::from(points) * halved
                        >= u64::from(target) * u64::from(most) * u64::from(margin)
                })
                .map_or(8, |(points, _)| points)
        };
        *scale = Scale {
            across: least(frame.width, target.0, sampling.across, most.0),
            down: least(frame.height, target.1, sampling.down, most.1),
        };
    }
    scales
}

/// The size that libjpeg gives of a frame of `size` when at least `target` is wanted.
fn reduced(size: (u32, u32), target: (u32, u32)) -> (u32, u32) {
    let eighths = u64::from(dct_eighths(size, target));
    let scale = |edge: u32| u32::try_from((u64::from(edge) * eighths).div_ceil(8)).unwrap_or(edge);
    (scale(size.0), scale(size.1))
}

/// The smallest DCT scale, in eighths, that doesn't fall below `target` on either edge.
fn dct_eighths(size: (u32, u32), target: (u32, u32)) -> u8 {
    (1..8u8)
        .find(|&eighths| {
            let reaches =
                |edge: u32, wanted: u32| u64::from(edge) * u64::from(eighths) >= u64::from(wanted) * 8;
            reaches(size.0, target.0) && reaches(size.1, target.1)
        })
        .unwrap_or(8)
}

/// By libjpeg, resized, and how much of it was made up.
fn raster(
    bytes: &[u8],
    header: &Header<'_, Jpeg<'_>>,
    target: (u32, u32),
) -> Result<(Raster, u32), MediaError> {
    let decoded = native::jpeg::decode(bytes, dct_eighths(header.facts.size(), target))?;
    let mut raster = decoded.raster;
    let adobe = header.head.adobe;
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::limits::Limits;

    fn sample(name: &str) -> Vec<u8> {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
    }

    fn decoded(
        bytes: &[u8],
        target: (u32, u32),
        threads: usize,
    ) -> Result<(Pixels, Vec<Warning>), MediaError> {
        let limits = Limits { threads, ..Limits::for_memory(1 << 30) };
        let header = parse(bytes).unwrap();
        decode(bytes, &header, &Want::new(target, &limits)).map(|still| (still.pixels, still.warnings))
    }

    #[test]
    fn scales_never_fall_below_the_target() {
        let frame = |size: (u16, u16), factors: [u8; 3]| {
            let (width, height) = (size.0.to_be_bytes(), size.1.to_be_bytes());
            let mut bytes =
                vec![0xFF, 0xD8, 0xFF, 0xC0, 0, 17, 8, height[0], height[1], width[0], width[1], 3];
            for (id, factor) in (1..).zip(factors) {
                bytes.extend([id, factor, 0]);
            }
            Frame::parse(&bytes).unwrap()
        };
        let at = |frame: &Frame, target| scales(frame, target).map(|scale| (scale.across, scale.down));
        // 12, 24 and 48 MP to 2048, and the placeholder of one.
        let twelve = frame((4000, 3000), [0x22, 0x11, 0x11]);
        assert_eq!(at(&twelve, (2048, 1536)), [(6, 6), (6, 6), (6, 6)]);
        assert_eq!(at(&twelve, (100, 75)), [(1, 1), (1, 1), (1, 1)]);
        let more = frame((6000, 4000), [0x22, 0x11, 0x11]);
        assert_eq!(at(&more, (2048, 1365)), [(4, 4), (4, 4), (4, 4)]);
        // At full size; chroma that isn't halved in the file is on the way.
        assert_eq!(at(&twelve, (4000, 3000)), [(8, 8), (8, 8), (8, 8)]);
        let plain = frame((4000, 3000), [0x11, 0x11, 0x11]);
        assert_eq!(at(&plain, (4000, 3000)), [(8, 8), (5, 5), (5, 5)]);
        let wide = frame((4000, 3000), [0x21, 0x11, 0x11]);
        assert_eq!(at(&wide, (4000, 3000)), [(8, 8), (8, 5), (8, 5)]);
        for size in [(1, 1), (7, 9), (640, 479), (4001, 3001)] {
            for factors in [[0x11, 0x11, 0x11], [0x22, 0x11, 0x11], [0x41, 0x11, 0x11], [0x12, 0x11, 0x11]] {
                let frame = frame(size, factors);
                for divisor in 1..20 {
                    let target = ((u32::from(size.0) / divisor).max(1), (u32::from(size.1) / divisor).max(1));
                    let scales = scales(&frame, target);
                    let (width, height) = codec::scaled(&frame, 0, scales[0]);
                    assert!(width >= target.0 && height >= target.1);
                }
            }
        }
    }

    #[test]
    fn dct_scale_never_falls_below_the_target() {
        assert_eq!(dct_eighths((4096, 3072), (2048, 1536)), 4);
        assert_eq!(dct_eighths((4095, 3072), (2048, 1536)), 5);
        assert_eq!(dct_eighths((800, 600), (100, 75)), 1);
        assert_eq!(dct_eighths((800, 600), (101, 76)), 2);
        assert_eq!(dct_eighths((800, 600), (800, 600)), 8);
        assert_eq!(reduced((4095, 3072), (2048, 1536)), (2560, 1920));
    }

    #[test]
    fn planes_have_the_size_of_the_target() {
        for (name, gray) in
            [("astronaut.jpg", false), ("astronaut-progressive.jpg", false), ("astronaut-grey.jpg", true)]
        {
            let bytes = sample(name);
            for target in [(512, 512), (333, 333), (100, 100), (17, 17), (1, 1)] {
                let (pixels, warnings) = decoded(&bytes, target, 1).unwrap();
                assert_eq!(warnings, []);
                assert_eq!(pixels, decoded(&bytes, target, 2).unwrap().0);
                let Pixels::Planar(planar) = pixels else { panic!("{name} comes as planes") };
                assert_eq!(planar.size(), target);
                assert_eq!(planar.luma.samples.len(), (target.0 * target.1) as usize);
                assert_eq!(planar.chroma.is_none(), gray);
                for plane in planar.chroma.iter().flatten() {
                    assert_eq!((plane.width, plane.height), Planar::chroma_size(target));
                }
            }
        }
    }

    #[test]
    fn a_reduced_decode_is_close_to_a_full_one() {
        let bytes = sample("astronaut.jpg");
        let Pixels::Planar(full) = decoded(&bytes, (512, 512), 1).unwrap().0 else { panic!("planes") };
        for edge in [360, 262, 175, 131, 66, 32] {
            let Pixels::Planar(planar) = decoded(&bytes, (edge, edge), 1).unwrap().0 else {
                panic!("planes")
            };
            let mut resampler = Resampler::<u8>::new((512, 512), (edge, edge), Model::Gray);
            for row in full.luma.samples.chunks_exact(512) {
                resampler.push(row);
            }
            let Samples::Eight(reduced) = resampler.finish().unwrap().samples else { panic!("8 bits") };
            let error: f64 = planar
                .luma
                .samples
                .iter()
                .zip(&reduced)
                .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
                .sum();
            let samples = f64::from(edge * edge);
            let psnr = 10.0 * (255.0 * 255.0 * samples / error.max(1e-9)).log10();
            assert!(psnr > 48.0, "{edge}: {psnr} dB");
        }
    }

    #[test]
    fn libjpeg_takes_the_rest() {
        let (pixels, warnings) = decoded(&sample("astronaut-cmyk.jpg"), (200, 200), 1).unwrap();
        let Pixels::Raster(raster) = pixels else { panic!("inks come as a raster") };
        assert_eq!((raster.model, raster.width, raster.height), (Model::Cmyk, 200, 200));
        assert_eq!(warnings, []);
        let (_, warnings) = decoded(&sample("corrupt-middle.jpg"), (200, 200), 1).unwrap();
        assert_eq!(warnings[0].code, "corrupt_data");
        let (_, warnings) = decoded(&sample("truncated.jpg"), (200, 200), 2).unwrap();
        assert_eq!(warnings[0].code, "truncated");
    }

    #[test]
    fn memory_is_that_of_a_band_and_the_target() {
        let bytes = sample("photo-12mp-exif6-gps.jpg");
        let header = parse(&bytes).unwrap();
        let needed = memory(&header, (1536, 2048));
        assert!((5 << 20..14 << 20).contains(&needed), "{needed}");
    }
}
