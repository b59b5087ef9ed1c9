use proptest::prelude::*;

use super::*;

/// Pixels that look like nothing in particular: gradients, edges and noise.
fn noise(count: usize, mut seed: u32) -> impl Iterator<Item = u8> {
    (0..count).map(move |at| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match seed >> 30 {
            0 => 255,
            1 => 0,
            _ => (seed >> 16).to_le_bytes()[0] / 2 + (at % 100).to_le_bytes()[0],
        }
    })
}

/// Lanczos-3 as it is written down.
fn lanczos(x: f64) -> f64 {
    let sinc =
        |x: f64| if x == 0.0 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) };
    if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

/// One line of `valid` samples.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "small"
)]
fn reference_axis(line: &[f64], valid: usize, target: usize, scale: f64) -> Vec<f64> {
    let stretch = scale.max(1.0);
    let last = valid as i64 - 1;
    (0..target)
        .map(|at| {
            let centre = (at as f64 + 0.5) * scale - 0.5;
            let taps = (centre - 3.0 * stretch).floor() as i64..=(centre + 3.0 * stretch).ceil() as i64;
            let (mut sum, mut total) = (0.0, 0.0);
            for tap in taps {
                let weight = lanczos((tap as f64 - centre) / stretch);
                sum += weight * line[tap.clamp(0, last) as usize];
                total += weight;
            }
            sum / total
        })
        .collect()
}

/// Resizes in `f64`; samples are from 0 to 1, unclipped and, with alpha, multiplied by it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
fn reference(
    pixels: &[f64],
    source: (u32, u32),
    target: (u32, u32),
    model: Model,
    scale: (f64, f64),
) -> Vec<f64> {
    let channels = model.channels();
    let (width, height) = (source.0 as usize, source.1 as usize);
    let (to_width, to_height) = (target.0 as usize, target.1 as usize);
    let valid = |source: usize, target: u32, scale: f64| {
        source.min((f64::from(target) * scale - 1e-6).ceil() as usize).max(1)
    };
    let mut result = vec![0.0; to_width * to_height * channels];
    for channel in 0..channels {
        let mut between = vec![0.0; width * to_height];
        for x in 0..width {
            let line: Vec<f64> = (0..height)
                .map(|y| {
                    let pixel = &pixels[(y * width + x) * channels..][..channels];
                    let alpha =
                        if model.has_alpha() && channel + 1 < channels { pixel[channels - 1] } else { 1.0 };
                    pixel[channel] * alpha
                })
                .collect();
            let line = reference_axis(&line, valid(height, target.1, scale.1), to_height, scale.1);
            for (y, sample) in line.into_iter().enumerate() {
                between[y * width + x] = sample;
            }
        }
        for y in 0..to_height {
            let line = &between[y * width..][..width];
            let line = reference_axis(line, valid(width, target.0, scale.0), to_width, scale.0);
            for (x, sample) in line.into_iter().enumerate() {
                result[(y * to_width + x) * channels + channel] = sample;
            }
        }
    }
    result
}

fn resample<T: Sample>(
    level: Level,
    pixels: &[T],
    source: (u32, u32),
    target: (u32, u32),
    model: Model,
    scale: (f64, f64),
) -> Vec<T> {
    let mut resampler = Resampler::at_level(level, source, target, model, scale);
    for row in pixels.chunks_exact(source.0 as usize * model.channels()) {
        resampler.push(row);
    }
    resampler.samples().unwrap()
}

fn scale(source: (u32, u32), target: (u32, u32)) -> (f64, f64) {
    (f64::from(source.0) / f64::from(target.0), f64::from(source.1) / f64::from(target.1))
}

fn full<T: Sample>(sample: T) -> f64 {
    Into::<f64>::into(sample) / Into::<f64>::into(T::FULL)
}

/// Holds `result` against the reference: within `steps` of its depth, and colours by as much as they count.
fn compare<T: Sample + std::fmt::Debug>(result: &[T], reference: &[f64], model: Model, steps: f64) {
    let step = steps / Into::<f64>::into(T::FULL);
    assert_eq!(result.len(), reference.len());
    let channels = model.channels();
    for (at, (pixel, expected)) in result.chunks(channels).zip(reference.chunks(channels)).enumerate() {
        if model.has_alpha() {
            let alpha = expected[channels - 1];
            assert!(
                (full(pixel[channels - 1]) - alpha.clamp(0.0, 1.0)).abs() <= step,
                "{at}: {pixel:?} {expected:?}"
            );
            if alpha < 2.0 * step {
                continue;
            }
            for (&sample, &expected) in pixel[..channels - 1].iter().zip(expected) {
                let expected = (expected / alpha).clamp(0.0, 1.0);
                let off = (full(sample) - expected).abs();
                // Multiplied colours have six more bits: the less alpha, the fewer are left.
                assert!(off <= step * (1.0 + 0.1 / alpha), "{at}: {pixel:?}, {expected} at {alpha}");
            }
        } else {
            for (&sample, &expected) in pixel.iter().zip(expected) {
                let off = (full(sample) - expected.clamp(0.0, 1.0)).abs();
                assert!(off <= step, "{at}: {pixel:?}, {expected:?}");
            }
        }
    }
}

const MODELS: [Model; 5] = [Model::Gray, Model::GrayAlpha, Model::Rgb, Model::Rgba, Model::Cmyk];

fn check(source: (u32, u32), target: (u32, u32), model: Model, scale: (f64, f64), seed: u32) {
    let count = source.0 as usize * source.1 as usize * model.channels();
    let pixels: Vec<u8> = noise(count, seed).collect();
    let ideal: Vec<f64> = pixels.iter().map(|&sample| full(sample)).collect();
    let ideal = reference(&ideal, source, target, model, scale);
    let result = resample(level(), &pixels, source, target, model, scale);
    compare(&result, &ideal, model, 1.0);
    assert_eq!(result, resample(Level::baseline(), &pixels, source, target, model, scale));

    let pixels: Vec<u16> = pixels.iter().map(|&sample| u16::from(sample) * 257).collect();
    let result = resample(level(), &pixels, source, target, model, scale);
    compare(&result, &ideal, model, 1.0);
    assert_eq!(result, resample(Level::baseline(), &pixels, source, target, model, scale));
}

/// Every level that this processor has.
fn levels() -> Vec<Level> {
    #[cfg(target_arch = "x86_64")]
    let more = [level().as_sse4_2().map(Level::Sse4_2), level().as_avx2().map(Level::Avx2)];
    #[cfg(not(target_arch = "x86_64"))]
    let more: [Option<Level>; 0] = [];
    [Level::baseline(), level()].into_iter().chain(more.into_iter().flatten()).collect()
}

/// FNV-1a, 64 bits.
fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

#[test]
fn every_processor_gives_the_same_bits() {
    let digests = MODELS.map(|model| {
        let pixels: Vec<u8> = noise(333 * 222 * model.channels(), 6).collect();
        digest(&resample(level(), &pixels, (333, 222), (200, 150), model, scale((333, 222), (200, 150))))
    });
    assert_eq!(
        digests,
        [
            0x3F47_9533_B2B3_04CE,
            0xB05D_FCB1_6217_2DCA,
            0x45F4_B4BD_D4E3_8E1A,
            0xCFF1_3397_1048_3981,
            0x70C1_3C38_0879_0FE5
        ]
    );
}

#[test]
fn every_level_gives_the_same_bits() {
    for model in MODELS {
        for (source, target) in [((301, 203), (205, 139)), ((128, 96), (64, 48)), ((90, 400), (11, 45))] {
            let count = (source.0 * source.1) as usize * model.channels();
            let pixels: Vec<u8> = noise(count, 7).collect();
            let wide: Vec<u16> = pixels.iter().map(|&sample| u16::from(sample) * 251).collect();
            let scale = scale(source, target);
            let results: Vec<_> = levels()
                .into_iter()
                .map(|level| {
                    let eight = resample(level, &pixels, source, target, model, scale);
                    (eight, resample(level, &wide, source, target, model, scale))
                })
                .collect();
            assert!(results.iter().all(|result| *result == results[0]));
        }
    }
}

#[test]
fn sizes_of_photos_are_as_exact() {
    for (source, target) in [((400, 300), (205, 154)), ((300, 200), (205, 137)), ((205, 154), (102, 77))] {
        for model in MODELS {
            check(source, target, model, scale(source, target), 3);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn any_size_is_within_a_step_of_exact_arithmetic(
        source in (1_u32..120, 1_u32..120),
        shrunk in (0.13_f64..=1.0, 0.13_f64..=1.0),
        model in proptest::sample::select(MODELS.as_slice()),
        seed: u32,
    ) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
        let target = |source: u32, shrunk: f64| (f64::from(source) * shrunk).ceil() as u32;
        let target = (target(source.0, shrunk.0), target(source.1, shrunk.1));
        check(source, target, model, scale(source, target), seed);
    }

    #[test]
    fn either_axis_may_grow(
        source in (1_u32..60, 1_u32..60),
        target in (1_u32..120, 1_u32..120),
        model in proptest::sample::select(MODELS.as_slice()),
        seed: u32,
    ) {
        let scale = scale(source, target);
        prop_assume!(scale.0 < 8.0 && scale.1 < 8.0);
        check(source, target, model, scale, seed);
    }

    #[test]
    fn a_scale_may_say_otherwise_than_the_sizes(
        source in (1_u32..80, 1_u32..80),
        target in (1_u32..80, 1_u32..80),
        scale in (0.3_f64..7.9, 0.3_f64..7.9),
        seed: u32,
    ) {
        check(source, target, Model::Gray, scale, seed);
    }

    #[test]
    fn flat_stays_flat(
        source in (1_u32..300, 1_u32..300),
        target in (1_u32..300, 1_u32..300),
        model in proptest::sample::select(MODELS.as_slice()),
        pixel: [u8; 4],
    ) {
        let mut pixel = pixel[..model.channels()].to_vec();
        if let (true, Some(alpha)) = (model.has_alpha(), pixel.last_mut()) {
            *alpha |= 0x80;
        }
        let pixels = pixel.repeat((source.0 * source.1) as usize);
        let result = resample(level(), &pixels, source, target, model, scale(source, target));
        prop_assert_eq!(result, pixel.repeat((target.0 * target.1) as usize));

        let pixel: Vec<u16> = pixel.iter().map(|&sample| u16::from(sample) << 8 | 0x80).collect();
        let pixels = pixel.repeat((source.0 * source.1) as usize);
        let result = resample(level(), &pixels, source, target, model, scale(source, target));
        let whole = pixel.repeat((target.0 * target.1) as usize);
        prop_assert!(result.iter().zip(&whole).all(|(a, b)| a.abs_diff(*b) <= 1));
    }

    #[test]
    fn memory_is_what_was_said(
        source in (1_u32..1200, 1_u32..1200),
        target in (1_u32..300, 1_u32..300),
        model in proptest::sample::select(MODELS.as_slice()),
    ) {
        let channels = model.channels();
        let count = source.0 as usize * channels;
        let (row, wide): (Vec<u8>, Vec<u16>) = (vec![100; count], vec![100; count]);
        let mut eight = Resampler::new(source, target, model);
        let mut sixteen = Resampler::new(source, target, model);
        for _ in 0..source.1 - 1 {
            eight.push(&row);
            sixteen.push(&wide);
        }
        if let Engine::Bands(mut bands) = eight.engine {
            bands.work_all();
            let (used, told) = (bands.bytes(eight::Work::bytes) as u64, memory(source, target, model, 1));
            prop_assert!(used <= told, "{used} of {told}");
        }
        if let Engine::Bands(mut bands) = sixteen.engine {
            bands.work_all();
            prop_assert!(bands.bytes(sixteen::Work::bytes) as u64 <= memory(source, target, model, 2));
        }
    }
}

impl<T: Sample> Bands<T> {
    /// Makes what bands are left, so that all buffers are there.
    fn work_all(&mut self) {
        if self.shrink.as_ref().is_some_and(Shrink::flush) {
            self.receive_shrunk();
        }
        while self.ring.received > 0 && self.next < self.down.len() {
            self.resize();
        }
    }
}

#[test]
fn memory_of_photos_is_small() {
    let beside = |source, model, bytes| {
        memory(source, (2048, 1536), model, bytes) - memory((2048, 1536), (2048, 1536), model, bytes)
    };
    assert!(beside((4000, 3000), Model::Gray, 1) < 512 << 10);
    assert!(beside((4000, 3000), Model::Rgb, 1) < 1 << 20);
    assert!(beside((8000, 6000), Model::Rgb, 1) < 3 << 20);
    assert!(beside((16_383, 12_287), Model::Rgb, 1) < 8 << 20);
    assert!(beside((16_384, 12_288), Model::Rgb, 1) < 8 << 20);
    assert!(beside((65_535, 65_535), Model::Rgba, 2) < 32 << 20);
}

#[test]
fn nothing_to_resize_is_a_copy() {
    let pixels: Vec<u8> = noise(50 * 40 * 4, 5).collect();
    assert_eq!(resample(level(), &pixels, (50, 40), (50, 40), Model::Rgba, (1.0, 1.0)), pixels);
    // The same scale, but less of it.
    let part = resample(level(), &pixels, (50, 40), (49, 20), Model::Rgba, (1.0, 1.0));
    let rows = pixels.chunks(50 * 4).take(20).flat_map(|row| &row[..49 * 4]);
    assert!(part.iter().eq(rows));
    // One axis alone.
    let pixels: Vec<u8> = noise(64 * 40, 5).collect();
    let flat = resample(level(), &pixels, (64, 40), (64, 1), Model::Gray, (1.0, 1.0));
    assert_eq!(flat, pixels[..64]);
}

#[test]
fn rows_that_never_come_repeat_the_last() {
    for model in MODELS {
        for (target, came) in [((20, 31), 1), ((20, 31), 17), ((20, 61), 60), ((3, 4), 25), ((40, 61), 17)] {
            let row = 40 * model.channels();
            let mut pixels: Vec<u8> = noise(row * 61, 9).collect();
            for y in came..61 {
                pixels.copy_within((came - 1) * row..came * row, y * row);
            }
            let scale = scale((40, 61), target);
            let whole = resample(level(), &pixels, (40, 61), target, model, scale);
            let part = resample(level(), &pixels[..came * row], (40, 61), target, model, scale);
            if scale.1 < SHRINK_FROM {
                assert_eq!(part, whole);
            } else {
                // The last box is averaged over what came of it.
                assert_eq!(part.len(), whole.len());
            }
        }
    }
}

#[test]
fn without_a_row_there_is_no_picture() {
    for target in [(4, 4), (8, 8), (1, 1)] {
        assert!(Resampler::<u8>::new((8, 8), target, Model::Rgb).finish().is_err());
    }
    let mut resampler = Resampler::<u8>::new((640, 640), (1, 1), Model::Gray);
    resampler.push(&[9; 640]);
    assert_eq!(resampler.finish().unwrap().samples, Samples::Eight(vec![9]));
}

#[test]
fn rows_and_samples_beyond_the_picture_are_ignored() {
    for target in [(5, 5), (10, 10), (1, 1)] {
        let mut resampler = Resampler::<u8>::new((10, 10), target, Model::Gray);
        for _ in 0..10 {
            resampler.push(&[[70; 10], [255; 10]].concat());
        }
        for _ in 0..50 {
            resampler.push(&[255; 10]);
        }
        let count = (target.0 * target.1) as usize;
        assert_eq!(resampler.finish().unwrap().samples, Samples::Eight(vec![70; count]));
        // Short rows are filled up, not a reason to panic.
        let mut resampler = Resampler::<u8>::new((10, 10), target, Model::Gray);
        resampler.push(&[7; 3]);
        resampler.push(&[]);
        assert!(resampler.finish().is_ok());
    }
}

#[test]
fn what_a_plane_has_past_its_picture_is_not_read() {
    // 16 × 16 samples, of which 7.5 × 7.5 stand for a picture: the ninth and later are padding.
    let pixels: Vec<u8> = (0..256).map(|at| if at % 16 < 8 && at / 16 < 8 { 50 } else { 255 }).collect();
    let result = resample(level(), &pixels, (16, 16), (5, 5), Model::Gray, (1.5, 1.5));
    assert_eq!(result, [50; 25]);
}

#[test]
fn sizes_of_nothing_do_not_panic() {
    for (source, target) in [((0, 5), (3, 3)), ((5, 0), (3, 3)), ((5, 5), (0, 3)), ((5, 5), (3, 0))] {
        let mut resampler = Resampler::<u8>::new(source, target, Model::Rgb);
        resampler.push(&[1; 15]);
        let _ = resampler.finish();
        let _ = memory(source, target, Model::Rgb, 1);
    }
    for scale in [(f64::NAN, 1.0), (0.0, f64::INFINITY), (-1.0, 2.0), (1e-9, 1e300)] {
        let mut resampler = Resampler::<u8>::scaled((5, 5), (3, 3), Model::Gray, scale);
        resampler.push(&[1; 5]);
        assert_eq!(resampler.finish().unwrap().samples, Samples::Eight(vec![1; 9]));
    }
}

/// A picture of slow waves, which any good filter reduces to the same waves.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
fn waves(size: (u32, u32)) -> Vec<u8> {
    let wave = |at: u32, of: u32| ((f64::from(at) + 0.5) / f64::from(of) * 20.0).sin();
    (0..size.1)
        .flat_map(|y| {
            (0..size.0).map(move |x| (127.5 + 120.0 * wave(x, size.0) * wave(y, size.1)).round() as u8)
        })
        .collect()
}

#[test]
fn large_reductions_are_averaged_first_and_as_good() {
    for (source, target) in [((2000, 900), (100, 100)), ((803, 4000), (99, 101)), ((8000, 40), (64, 40))] {
        let result = resample(level(), &waves(source), source, target, Model::Gray, scale(source, target));
        let worst = result.iter().zip(waves(target)).map(|(a, b)| a.abs_diff(b)).max();
        assert!(worst <= Some(3), "{source:?} → {target:?}: {worst:?}");
    }
    // Against the whole kernel, at what is hardest, noise.
    let (source, target) = ((1600, 1200), (64, 48));
    let pixels: Vec<u8> = noise(1600 * 1200, 1).collect();
    let ideal: Vec<f64> = pixels.iter().map(|&sample| full(sample)).collect();
    let ideal = reference(&ideal, source, target, Model::Gray, scale(source, target));
    let result = resample(level(), &pixels, source, target, Model::Gray, scale(source, target));
    compare(&result, &ideal, Model::Gray, 4.0);
}

#[test]
fn one_pixel_is_the_average_of_all() {
    let pixels: Vec<u8> = noise(16_383 * 3, 4).collect();
    let mean = pixels.iter().map(|&sample| f64::from(sample)).sum::<f64>() / f64::from(16_383 * 3);
    let result = resample(level(), &pixels, (16_383, 3), (1, 1), Model::Gray, (16_383.0, 3.0));
    assert!((f64::from(result[0]) - mean).abs() < 3.0, "{result:?} {mean}");
}

#[test]
fn transparent_pixels_do_not_bleed() {
    for (source, target) in [((64, 64), (9, 9)), ((64, 64), (5, 5)), ((64, 64), (40, 50))] {
        // Opaque red beside transparent green.
        let pixels: Vec<u8> = (0..source.0 * source.1)
            .flat_map(|at| if at % 64 < 32 { [255, 0, 0, 255] } else { [0, 255, 0, 0] })
            .collect();
        let scale = scale(source, target);
        for pixel in resample(level(), &pixels, source, target, Model::Rgba, scale).chunks(4) {
            assert!(pixel[3] == 0 || (pixel[0] > 250 && pixel[1] < 5), "{pixel:?}");
        }
        let pixels: Vec<u16> = pixels.into_iter().map(|sample| u16::from(sample) * 257).collect();
        for pixel in resample(level(), &pixels, source, target, Model::Rgba, scale).chunks(4) {
            assert!(pixel[3] == 0 || (pixel[0] > 65_000 && pixel[1] < 500), "{pixel:?}");
        }
    }
}

#[test]
fn a_band_that_is_opaque_is_as_if_it_were_weighted() {
    let (source, target) = ((90, 120), (50, 70));
    let mut pixels: Vec<u8> = noise(90 * 120 * 4, 8).collect();
    for pixel in pixels.chunks_mut(4) {
        pixel[3] = 255;
    }
    let fast = resample(level(), &pixels, source, target, Model::Rgba, scale(source, target));
    // A transparent pixel in each row, at the other end.
    for row in pixels.chunks_mut(90 * 4) {
        row[89 * 4 + 3] = 0;
    }
    let slow = resample(level(), &pixels, source, target, Model::Rgba, scale(source, target));
    for (fast, slow) in fast.chunks(50 * 4).zip(slow.chunks(50 * 4)) {
        let untouched = ..40 * 4;
        assert!(fast[untouched].iter().zip(&slow[untouched]).all(|(a, b)| a.abs_diff(*b) <= 1));
        assert!(slow[untouched].iter().skip(3).step_by(4).all(|&alpha| alpha == 255));
    }
}

#[test]
fn chroma_keeps_its_place() {
    // A ramp in luma and chroma: at the same place in the picture they are the same, whatever the size.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
    let ramp = |size: (u32, u32), step: f64| {
        let samples = (0..size.0 * size.1).map(|at| ((f64::from(at % size.0) + 0.5) * step).round() as u8);
        Plane { width: size.0, height: size.1, samples: samples.collect() }
    };
    for (source, target) in [((201, 151), (101, 76)), ((200, 150), (133, 100)), ((255, 3), (31, 1))] {
        let chroma = ramp(Planar::chroma_size(source), 2.0);
        let picture = Planar { luma: ramp(source, 1.0), chroma: Some([chroma.clone(), chroma]) };
        let small = picture.resize(target);
        assert_eq!(small.size(), target);
        let step = f64::from(source.0) / f64::from(target.0);
        let chroma = Planar::chroma_size(target);
        for (plane, step, size) in
            [(&small.luma, step, target), (&small.chroma.as_ref().unwrap()[1], 2.0 * step, chroma)]
        {
            assert_eq!((plane.width, plane.height), size);
            let expected = ramp(size, step);
            // Edges repeat, so that a ramp bends there.
            let inner = |plane: &Plane| -> Vec<u8> {
                let rows = plane.samples.chunks(plane.width as usize);
                rows.flat_map(|row| row[3..row.len() - 3].to_vec()).collect()
            };
            let worst = inner(plane).iter().zip(inner(&expected)).map(|(a, b)| a.abs_diff(b)).max();
            assert!(worst <= Some(1), "{source:?} → {target:?}: {worst:?}");
        }
    }
    let gray = Planar { luma: ramp((20, 20), 1.0), chroma: None };
    assert_eq!(gray.resize((10, 10)).chroma, None);
}
