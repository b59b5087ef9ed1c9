//! Against libjpeg, and against itself: every scale, level and number of threads.

#![expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small numbers")]

mod tables;

use std::path::Path;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;

use super::{band::LANES, *};

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../media/tests/data").join(name)).unwrap()
}

/// Keeps what it is given.
#[derive(Default)]
struct Kept {
    rows: [Vec<u8>; 3],
}

impl Sink for Kept {
    fn row(&mut self, component: usize, row: &[u8]) {
        self.rows[component].extend_from_slice(row);
    }
}

/// All components, decoded by libjpeg without upsampling or colour conversion.
fn libjpeg(bytes: &[u8]) -> [Vec<u8>; 3] {
    let frame = Frame::parse(bytes).unwrap();
    let decoder = mozjpeg::Decompress::new_mem(bytes).unwrap();
    let gray = frame.components().len() == 1;
    if gray {
        let mut decoder = decoder.grayscale().unwrap();
        let samples = decoder.read_scanlines::<u8>().unwrap();
        return [samples, Vec::new(), Vec::new()];
    }
    let mut decoder = decoder.raw().unwrap();
    let mut planes = [Vec::new(), Vec::new(), Vec::new()];
    {
        let [a, b, c] = &mut planes;
        decoder.read_raw_data(&mut [a, b, c]);
    }
    let mut cropped = [Vec::new(), Vec::new(), Vec::new()];
    for (component, (plane, cropped)) in planes.iter().zip(&mut cropped).enumerate() {
        let (width, height) = frame.samples(component);
        let stride = width.next_multiple_of(8) as usize;
        for row in plane.chunks(stride).take(height as usize) {
            cropped.extend_from_slice(&row[..width as usize]);
        }
    }
    cropped
}

fn ours(bytes: &[u8], scale: Scale, threads: usize, level: Level) -> Kept {
    let mut kept = Kept::default();
    let found = decode(bytes, [scale; 3], threads, level, &mut kept).unwrap();
    assert_eq!(found, Found::default());
    kept
}

#[track_caller]
fn assert_same(ours: &[u8], theirs: &[u8], tolerance: u8) {
    assert_eq!(ours.len(), theirs.len());
    let worst = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
    let count = ours.iter().zip(theirs).filter(|(a, b)| a != b).count();
    assert!(worst <= tolerance, "{worst} apart, {count} of {} differ", ours.len());
}

#[test]
fn samples_are_those_of_libjpeg() {
    for name in
        ["astronaut.jpg", "astronaut-grey.jpg", "astronaut-progressive.jpg", "photo-12mp-exif6-gps.jpg"]
    {
        let bytes = sample(name);
        let ours = ours(&bytes, Scale::FULL, 1, crate::simd::level());
        for (component, theirs) in libjpeg(&bytes).iter().enumerate() {
            assert_same(&ours.rows[component], theirs, 1);
        }
    }
}

/// A picture with something in every frequency.
fn picture(width: u16, height: u16) -> Vec<u8> {
    let mut seed = 1_u32;
    (0..u32::from(height))
        .flat_map(|y| (0..u32::from(width)).map(move |x| (x, y)))
        .flat_map(|(x, y)| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = seed >> 27;
            [x * 5 + noise, y * 3 + x + noise, if (x / 7 + y / 5) % 2 == 0 { 40 } else { 200 }]
        })
        .map(|sample| (sample & 0xFF) as u8)
        .collect()
}

fn encode(size: (u16, u16), set: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    set(&mut encoder);
    encoder.encode(&picture(size.0, size.1), size.0, size.1, ColorType::Rgb).unwrap();
    bytes
}

/// Every way to write a file, small.
fn files() -> Vec<Vec<u8>> {
    use SamplingFactor as By;
    let mut files = Vec::new();
    for sampling in [By::F_1_1, By::F_2_1, By::F_1_2, By::F_2_2, By::F_4_1, By::F_4_2] {
        for size in [(1, 1), (17, 9), (64, 48), (131, 67)] {
            for kind in 0..4 {
                files.push(encode(size, |encoder| {
                    encoder.set_sampling_factor(sampling);
                    match kind {
                        1 => encoder.set_restart_interval(3),
                        // In a scan for each component.
                        2 => encoder.set_optimized_huffman_tables(true),
                        3 => {
                            encoder.set_progressive(true);
                            encoder.set_restart_interval(5);
                        }
                        _ => {}
                    }
                }));
            }
        }
    }
    // A progressive file with refinements.
    for (width, height) in [(33, 50), (200, 120)] {
        let mut compress = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
        compress.set_size(width, height);
        compress.set_quality(92.0);
        compress.set_progressive_mode();
        let mut started = compress.start_compress(Vec::new()).unwrap();
        started.write_scanlines(&picture(width as u16, height as u16)).unwrap();
        files.push(started.finish().unwrap());
    }
    files
}

#[test]
fn every_sampling_and_size_is_that_of_libjpeg() {
    for bytes in files() {
        let ours = ours(&bytes, Scale::FULL, 1, crate::simd::level());
        for (component, theirs) in libjpeg(&bytes).iter().enumerate() {
            assert_same(&ours.rows[component], theirs, 1);
        }
    }
}

#[test]
fn luma_does_not_depend_on_the_chroma_beside_it() {
    use SamplingFactor as By;
    let plain = encode((75, 91), |encoder| encoder.set_sampling_factor(By::F_1_1));
    let plain = ours(&plain, Scale::FULL, 1, crate::simd::level());
    for sampling in [By::F_1_4, By::F_2_4, By::F_4_2, By::F_2_2] {
        let bytes = encode((75, 91), |encoder| encoder.set_sampling_factor(sampling));
        let frame = Frame::parse(&bytes).unwrap();
        let ours = ours(&bytes, Scale::FULL, 1, crate::simd::level());
        assert_same(&ours.rows[0], &plain.rows[0], 0);
        let (width, height) = frame.samples(1);
        assert_eq!(ours.rows[1].len(), (width * height) as usize);
    }
}

#[test]
fn every_scale_is_the_low_frequencies_exactly() {
    // Eight different blocks, as sparse as the kernels' shortcuts, and their sum in floating point.
    let mut seed = 7_u32;
    let mut random = |range: i32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8).cast_signed() % (2 * range + 1) - range
    };
    let table: [u16; 64] = std::array::from_fn(|at| 2 + at as u16 / 8);
    let cosine = |n: usize, k: usize, size: usize| {
        let turn = (2 * n + 1) as f64 * k as f64 * std::f64::consts::PI / (2 * size) as f64;
        if k == 0 { 1.0 } else { turn.cos() * std::f64::consts::SQRT_2 }
    };
    for extent in [0_u8, 2, 9, 63] {
        let mut blocks = [Block::default(); LANES];
        for (k, &place) in ZIGZAG.iter().enumerate().take(usize::from(extent) + 1) {
            for block in &mut blocks {
                let range = if place == 0 { 300 } else { 60 / (1 + i32::from(place % 8 + place / 8)) };
                block.0[k] = random(range) as i16;
            }
        }
        for across in 1..=8_usize {
            for down in 1..=8_usize {
                let stride = across * LANES + idct::SLACK;
                let [best, base] = [crate::simd::level(), Level::baseline()].map(|level| {
                    let mut out = vec![0; stride * 8];
                    let scale = Scale { across: across as u8, down: down as u8 };
                    transform(level, &blocks, &[extent; LANES], &table, scale, &mut out, stride);
                    out
                });
                for y in 0..down {
                    for x in 0..across * LANES {
                        let mut sum = 0.0;
                        for (v, u) in (0..down).flat_map(|v| (0..across).map(move |u| (v, u))) {
                            let at = v * 8 + u;
                            let k = ZIGZAG.iter().position(|place| usize::from(*place) == at).unwrap();
                            let value = f64::from(blocks[x / across].0[k]) * f64::from(table[at]);
                            sum += value * cosine(x % across, u, across) * cosine(y, v, down);
                        }
                        let exact = (sum / 8.0 + 128.0).clamp(0.0, 255.0);
                        let got = best[y * stride + x];
                        assert!(
                            (exact - f64::from(got)).abs() < 1.0,
                            "{extent} {across} {down}: {exact} {got}"
                        );
                        assert_eq!(got, base[y * stride + x]);
                    }
                }
            }
        }
    }
}

#[test]
fn scales_levels_and_threads_agree() {
    for bytes in files().iter().filter(|bytes| bytes.len() > 3_000) {
        for (across, down) in [(8, 8), (5, 6), (4, 4), (8, 3), (2, 2), (1, 2), (1, 1)] {
            let scale = Scale { across, down };
            let one = ours(bytes, scale, 1, crate::simd::level());
            let two = ours(bytes, scale, 2, Level::baseline());
            assert_eq!(one.rows, two.rows);
            let frame = Frame::parse(bytes).unwrap();
            for component in 0..3 {
                let (width, height) = scaled(&frame, component, scale);
                assert_eq!(one.rows[component].len(), (width * height) as usize);
            }
        }
    }
    let bytes = sample("photo-12mp-exif6-gps.jpg");
    let scale = Scale { across: 4, down: 4 };
    let one = ours(&bytes, scale, 1, crate::simd::level());
    assert!(one.rows == ours(&bytes, scale, 2, crate::simd::level()).rows);
}

#[test]
fn every_scale_reads_the_same_bits() {
    // The lowest coefficient of each block is the same whatever else is kept.
    for bytes in files() {
        let [all, some] = [1, 4].map(|down| ours(&bytes, Scale { across: 1, down }, 1, crate::simd::level()));
        for (all, some) in all.rows.iter().zip(&some.rows) {
            if all.len() * 4 == some.len() && all.len() == 1 {
                let mean: u32 = some.iter().map(|sample| u32::from(*sample)).sum();
                assert!((mean / 4).abs_diff(all[0].into()) <= 1);
            }
        }
        // Full and DC-only agree on means.
        let (full, dc) = (
            ours(&bytes, Scale::FULL, 1, crate::simd::level()),
            ours(&bytes, Scale { across: 1, down: 1 }, 1, crate::simd::level()),
        );
        let frame = Frame::parse(&bytes).unwrap();
        for component in 0..3 {
            let (width, height) = frame.samples(component);
            let across = scaled(&frame, component, Scale { across: 1, down: 1 }).0;
            for y in 0..height / 8 {
                for x in 0..width / 8 {
                    let mut samples = (0..64)
                        .map(|at| full.rows[component][((y * 8 + at / 8) * width + x * 8 + at % 8) as usize]);
                    // Clipped samples have another mean.
                    if samples.clone().all(|sample| (1..255).contains(&sample)) {
                        let mean = samples.by_ref().map(u32::from).sum::<u32>() / 64;
                        let dc = dc.rows[component][(y * across + x) as usize];
                        assert!(mean.abs_diff(dc.into()) <= 1, "{mean} {dc}");
                    }
                }
            }
        }
    }
}

/// Files of many blocks, so that lanes meet: of few bits a block and of many, with and without restarts.
fn long_files() -> Vec<Vec<u8>> {
    use SamplingFactor as By;
    let flat = |width: u16, height: u16| -> Vec<u8> {
        let rows = (0..u32::from(height)).flat_map(|y| (0..u32::from(width)).map(move |x| (x, y)));
        rows.flat_map(|(x, y)| [(x / 200 * 40) as u8, (y / 90 * 20) as u8, 128]).collect()
    };
    let (width, height) = (1203, 805);
    let mut files = Vec::new();
    for (sampling, quality, restart) in [
        (By::F_2_2, 100, 0),
        (By::F_2_2, 60, 0),
        (By::F_1_1, 95, 0),
        (By::F_4_1, 80, 0),
        (By::F_2_2, 90, 700),
        (By::F_2_1, 90, 31),
    ] {
        for picture in [picture(width, height), flat(width, height)] {
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes, quality);
            encoder.set_sampling_factor(sampling);
            if restart > 0 {
                encoder.set_restart_interval(restart);
            }
            encoder.encode(&picture, width, height, ColorType::Rgb).unwrap();
            files.push(bytes);
        }
    }
    files
}

#[test]
fn lanes_put_together_what_libjpeg_decodes() {
    for bytes in long_files() {
        for threads in [1, 2] {
            let ours = ours(&bytes, Scale::FULL, threads, crate::simd::level());
            for (component, theirs) in libjpeg(&bytes).iter().enumerate() {
                assert_same(&ours.rows[component], theirs, 1);
            }
        }
    }
}

#[test]
fn a_cut_in_any_round_leaves_what_came_before() {
    for bytes in long_files() {
        let frame = Frame::parse(&bytes).unwrap();
        let whole = ours(&bytes, Scale::FULL, 1, crate::simd::level());
        for part in 1..8 {
            let mut kept = Kept::default();
            let cut = &bytes[..700 + (bytes.len() - 700) * part / 8];
            let found = decode(cut, [Scale::FULL; 3], 1, crate::simd::level(), &mut kept);
            assert_eq!(found, Ok(Found { cut: true, extraneous: false }));
            // Up to the cut the rows are the same, from there on another.
            let width = frame.width as usize;
            let rows = |kept: &Kept| kept.rows[0].chunks(width * 16).map(<[u8]>::to_vec).collect::<Vec<_>>();
            let (cut, all) = (rows(&kept), rows(&whole));
            let same = cut.iter().zip(&all).take_while(|(cut, all)| cut == all).count();
            assert_eq!(cut.len(), all.len());
            assert!(cut.iter().skip(same + 1).flatten().all(|sample| *sample == 128), "{same}");
            assert!(same > 0 || part == 1);
        }
    }
}

#[test]
fn what_a_cut_file_lacks_is_gray() {
    let bytes = sample("astronaut.jpg");
    let whole = ours(&bytes, Scale::FULL, 1, crate::simd::level());
    for threads in [1, 2] {
        let mut kept = Kept::default();
        let found =
            decode(&bytes[..bytes.len() / 2], [Scale::FULL; 3], threads, crate::simd::level(), &mut kept);
        assert_eq!(found, Ok(Found { cut: true, extraneous: false }));
        let [cut, all] = [&kept.rows[0], &whole.rows[0]];
        assert_eq!(cut.len(), all.len());
        assert_eq!(cut[..512 * 64], all[..512 * 64]);
        assert!(cut[512 * 480..].iter().all(|sample| *sample == 128));
    }
}

#[test]
fn damage_is_told() {
    let mut kept = Kept::default();
    let found = decode(&sample("corrupt-middle.jpg"), [Scale::FULL; 3], 1, crate::simd::level(), &mut kept);
    assert!(found == Err(Refusal::Damaged) || found.is_ok_and(|found| found.extraneous), "{found:?}");
}

#[test]
fn other_kinds_are_left_alone() {
    assert_eq!(Frame::parse(&sample("astronaut-cmyk.jpg")), Err(Refusal::Unsupported));
    let file = sample("astronaut.jpg");
    let frame = memchr::memmem::find(&file, b"\xFF\xC0").unwrap();
    let changed = |at: usize, value: u8| {
        let mut bytes = file.clone();
        bytes[frame + at] = value;
        Frame::parse(&bytes)
    };
    assert_eq!(changed(1, 0xC9), Err(Refusal::Unsupported));
    assert_eq!(changed(4, 12), Err(Refusal::Unsupported));
    assert_eq!(changed(11, 0x51), Err(Refusal::Damaged));
    assert_eq!(changed(11, 0x00), Err(Refusal::Damaged));
    assert_eq!(changed(12, 4), Err(Refusal::Damaged));
    assert!(changed(11, 0x44).is_ok());
}

#[test]
fn colour_is_guessed_as_libjpeg_does() {
    let head = |before: &[u8], ids: [u8; 3]| {
        let [a, b, c] = ids;
        let frame = [0xFF, 0xC0, 0, 17, 8, 0, 8, 0, 8, 3, a, 0x11, 0, b, 0x11, 0, c, 0x11, 0];
        Frame::parse(&[&[0xFF, 0xD8], before, &frame].concat()).is_ok()
    };
    let jfif = b"\xFF\xE0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
    let adobe = |transform| [b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat();
    assert!(head(b"", [1, 2, 3]));
    assert!(head(b"", [0, 1, 2]));
    assert!(!head(b"", *b"RGB"));
    assert!(head(jfif, *b"RGB"));
    assert!(!head(&adobe(0), [1, 2, 3]));
    assert!(head(&adobe(1), *b"RGB"));
    assert!(head(&[jfif.as_slice(), &adobe(0)].concat(), [1, 2, 3]));
}

#[test]
fn mutated_files_never_panic() {
    let seeds: Vec<Vec<u8>> = files().into_iter().filter(|bytes| bytes.len() < 20_000).collect();
    let mutation = (any::<prop::sample::Index>(), any::<u8>());
    let strategy = (
        0..seeds.len(),
        prop::collection::vec(mutation, 1..6),
        any::<prop::sample::Index>(),
        any::<bool>(),
        1..=8_u8,
    );
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3_000) };
    proptest::test_runner::TestRunner::new(config)
        .run(&strategy, |(seed, mutations, end, cut, points)| {
            let mut bytes = seeds[seed].clone();
            for (at, value) in mutations {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if cut {
                bytes.truncate(end.index(bytes.len()));
            }
            if let Ok(frame) = Frame::parse(&bytes)
                && u64::from(frame.width) * u64::from(frame.height) <= 1 << 20
            {
                let scales = [Scale { across: points, down: points }; 3];
                let threads = 1 + usize::from(points % 4 == 0);
                let mut kept = Kept::default();
                if decode(&bytes, scales, threads, crate::simd::level(), &mut kept).is_ok() {
                    for component in 0..frame.components().len() {
                        let (width, height) = scaled(&frame, component, scales[0]);
                        assert_eq!(kept.rows[component].len(), (width * height) as usize);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
}
