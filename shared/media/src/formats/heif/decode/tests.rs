//! Against pictures that libheif 1.15 and libavif 0.11 decoded, then halved (the rocket quartered) by Lanczos.

use proptest::prelude::*;
use sluice_pixels::{
    planar::Pixels,
    raster::{Raster, Samples},
};

use super::*;
use crate::formats::heif::header::parse;

const LIMITS: Limits = Limits::for_memory(1 << 30);

macro_rules! data {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/heif/", $name)).as_slice()
    };
}

/// Files with their references, and the least PSNR of luma, chroma and alpha in decibels.
macro_rules! cases {
    ($($name:literal $least:literal,)*) => {
        [$(($name, data!($name), include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"), "/tests/data/heif/", $name, ".png"
        )).as_slice(), $least),)*]
    };
}

/// Decodes to `target`, or to the picture's own size where that is smaller.
fn still(bytes: &[u8], target: (u32, u32)) -> Result<Still<'_>, MediaError> {
    let header = parse(bytes)?;
    let target = (header.facts.width.min(target.0), header.facts.height.min(target.1));
    header.facts.check(&LIMITS, target, memory(&header, target), bytes.len())?;
    let still = contained(|| decode(bytes, &header, &Want::new(target, &LIMITS)))?;
    let size = match &still.pixels {
        Pixels::Planar(planar) => {
            assert_eq!(planar.luma.samples.len(), target.0 as usize * target.1 as usize);
            if let Some(chroma) = &planar.chroma {
                for plane in chroma {
                    assert_eq!((plane.width, plane.height), Planar::chroma_size(target));
                    assert_eq!(plane.samples.len(), plane.width as usize * plane.height as usize);
                }
            }
            planar.size()
        }
        Pixels::Raster(raster) => (raster.width, raster.height),
    };
    assert_eq!(size, target);
    Ok(still)
}

/// Luma, the two of chroma as halved planes, and alpha, from 0 to 255, in JFIF's meaning. What doesn't show
/// through alpha is grey.
fn channels(size: (u32, u32), rgba: &[[f64; 4]]) -> [Vec<f64>; 4] {
    let (width, height) = (size.0 as usize, size.1 as usize);
    let ycc = |at: usize| {
        let [r, g, b, alpha] = rgba[at];
        let luma = 0.299 * r + 0.587 * g + 0.114 * b;
        let shown = alpha / 255.0;
        [luma * shown, (b - luma) / 1.772 * shown, (r - luma) / 1.402 * shown, alpha]
    };
    let whole = |channel: usize| (0..width * height).map(|at| ycc(at)[channel]).collect();
    let halved = |channel: usize| {
        let mut plane = Vec::new();
        for y in (0..height).step_by(2) {
            for x in (0..width).step_by(2) {
                let (x1, y1) = ((x + 1).min(width - 1), (y + 1).min(height - 1));
                let four = [(x, y), (x1, y), (x, y1), (x1, y1)];
                let sum: f64 = four.iter().map(|&(x, y)| ycc(y * width + x)[channel]).sum();
                plane.push(sum / 4.0 + 128.0);
            }
        }
        plane
    };
    [whole(0), halved(1), halved(2), whole(3)]
}

fn pixels(pixels: &Pixels) -> [Vec<f64>; 4] {
    let wide = |samples: &[u8]| samples.iter().map(|&sample| f64::from(sample)).collect::<Vec<_>>();
    match pixels {
        Pixels::Planar(Planar { luma, chroma }) => {
            let (width, height) = Planar::chroma_size((luma.width, luma.height));
            let grey = || vec![128.0; width as usize * height as usize];
            let [cb, cr] = match chroma {
                Some([cb, cr]) => [wide(&cb.samples), wide(&cr.samples)],
                None => [grey(), grey()],
            };
            [wide(&luma.samples), cb, cr, vec![255.0; luma.samples.len()]]
        }
        Pixels::Raster(Raster { width, height, model, samples }) => {
            let samples: Vec<f64> = match samples {
                Samples::Eight(samples) => wide(samples),
                Samples::Sixteen(samples) => {
                    samples.iter().map(|&sample| f64::from(sample) / 257.0).collect()
                }
            };
            let rgba: Vec<[f64; 4]> = samples
                .chunks(model.channels())
                .map(|pixel| [pixel[0], pixel[1], pixel[2], pixel.get(3).copied().unwrap_or(255.0)])
                .collect();
            channels((*width, *height), &rgba)
        }
    }
}

/// The least PSNR of any channel.
fn psnr(ours: &[Vec<f64>; 4], theirs: &[Vec<f64>; 4]) -> f64 {
    let channel = |(ours, theirs): (&Vec<f64>, &Vec<f64>)| {
        assert_eq!(ours.len(), theirs.len());
        let sum: f64 = ours.iter().zip(theirs).map(|(a, b)| (a - b).powi(2)).sum();
        10.0 * (255.0_f64.powi(2) * f64::from(u32::try_from(ours.len()).unwrap()) / sum.max(1e-9)).log10()
    };
    ours.iter().zip(theirs).map(channel).fold(f64::INFINITY, f64::min)
}

#[test]
fn pictures_are_as_other_decoders_have_them() {
    let cases = cases![
        "rocket.heic" 40.0,
        "rocket.avif" 40.0,
        "odd.heic" 38.0,
        "odd.avif" 38.0,
        "gray.heic" 45.0,
        "gray.avif" 45.0,
        "444.heic" 38.0,
        "422.heic" 38.0,
        "ten.heic" 38.0,
        "422-ten.avif" 38.0,
        "444-twelve.avif" 38.0,
        "709-limited.heic" 38.0,
        "709-limited.avif" 38.0,
        "identity.avif" 40.0,
        "ycgco.avif" 40.0,
        "pq.avif" 38.0,
        "alpha.heic" 38.0,
        "alpha.avif" 38.0,
        "premultiplied.avif" 40.0,
        "grid.heic" 36.0,
        "grid.avif" 36.0,
        "slices.heic" 38.0,
    ];
    for (name, bytes, reference, least) in cases {
        let reference = image::load_from_memory(reference).unwrap().to_rgba8();
        let size = reference.dimensions();
        let theirs: Vec<[f64; 4]> = reference.pixels().map(|pixel| pixel.0.map(f64::from)).collect();
        let still = still(bytes, size).unwrap();
        let found = psnr(&pixels(&still.pixels), &channels(size, &theirs));
        assert!(found > least, "{name}: {found}");
        let warned: Vec<_> = still.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(warned, if name == "pq.avif" { vec!["hdr_flattened"] } else { vec![] }, "{name}");
        let colour = match name {
            "rocket.heic" | "rocket.avif" => "icc",
            "pq.avif" => "cicp",
            _ => "srgb",
        };
        let told = match still.colour {
            Colour::Icc(_) => "icc",
            Colour::Cicp { primaries: 9, transfer: 16 } => "cicp",
            Colour::Cicp { .. } => "other",
            Colour::Srgb => "srgb",
        };
        assert_eq!(told, colour, "{name}");
        let in_planes = matches!(still.pixels, Pixels::Planar(_));
        let in_pixels =
            ["alpha", "premul", "identity", "ycgco", "pq"].iter().any(|kind| name.starts_with(kind));
        assert_eq!(in_planes, !in_pixels, "{name}");
    }
}

#[test]
fn sizes_are_those_of_the_primary_picture() {
    for (bytes, size) in [
        (data!("rocket.heic"), (640, 427)),
        (data!("rocket.avif"), (640, 427)),
        (data!("odd.heic"), (97, 75)),
        (data!("grid.avif"), (170, 150)),
    ] {
        let header = parse(bytes).unwrap();
        assert_eq!(header.facts.size(), size);
        assert_eq!(
            (header.facts.frames, header.facts.animated, header.facts.orientation),
            (1, false, Some(1))
        );
        // At its own size, and at one pixel.
        still(bytes, size).unwrap();
        still(bytes, (1, 1)).unwrap();
    }
    assert_eq!(parse(data!("rocket.heic")).unwrap().facts.content_type, "image/heic");
    assert_eq!(parse(data!("rocket.avif")).unwrap().facts.content_type, "image/avif");
}

#[test]
fn truncated_files_show_what_there_is_and_say_so() {
    for bytes in [data!("rocket.heic"), data!("rocket.avif"), data!("grid.heic"), data!("alpha.avif")] {
        for fortieth in 0..40 {
            let cut = &bytes[..bytes.len() * fortieth / 40];
            match still(cut, (40, 30)) {
                Ok(still) => {
                    assert!(still.warnings.iter().any(|warning| warning.code == "truncated"), "{fortieth}");
                }
                Err(error) => assert!(error.is_permanent()),
            }
        }
        let half = still(&bytes[..bytes.len() / 2], (40, 30));
        assert!(half.is_ok(), "{half:?}");
    }
}

/// Replaces the content of the first box of `kind`.
fn with_box(bytes: &[u8], kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let at = bytes.windows(4).position(|window| window == kind).unwrap() + 4;
    let mut bytes = bytes.to_vec();
    bytes[at..at + content.len()].copy_from_slice(content);
    bytes
}

#[test]
fn a_bitstream_larger_than_its_item_is_refused_before_it_is_decoded() {
    let ispe = |width: u32, height: u32| [&[0; 4][..], &width.to_be_bytes(), &height.to_be_bytes()].concat();
    for bytes in [data!("444.heic"), data!("422.heic"), data!("identity.avif")] {
        // 96 × 96 fits into what 65 × 65 may be filled up to.
        assert!(still(&with_box(bytes, *b"ispe", &ispe(65, 65)), (32, 32)).is_ok());
        let error = still(&with_box(bytes, *b"ispe", &ispe(64, 65)), (32, 32)).unwrap_err();
        assert!(error.to_string().contains("is coded as 96 × 96"), "{error}");
        // More than there is.
        let error = still(&with_box(bytes, *b"ispe", &ispe(97, 96)), (32, 32)).unwrap_err();
        assert!(error.to_string().contains("has only 96 × 96"), "{error}");
        let error = still(&with_box(bytes, *b"ispe", &ispe(u32::MAX, u32::MAX)), (32, 32)).unwrap_err();
        assert_eq!(error.code(), "edge_too_long");
        let error = still(&with_box(bytes, *b"ispe", &ispe(0, 96)), (32, 32)).unwrap_err();
        assert_eq!(error.code(), "corrupt_image");
    }
}

#[test]
fn frames_that_never_show_are_counted() {
    use crate::formats::heif::header::tests::{Builder, ispe};
    // A sequence header and a great many frame headers.
    let sequence = av1_sequence(96, 96);
    let item = |frames: usize| [sequence.clone(), [0x1A, 1, 0].repeat(frames)].concat();
    let file = |frames| Builder::new(1).item(1, *b"av01", &item(frames), &[ispe(96, 96)]).build();
    let reason = |frames| still(&file(frames), (8, 8)).unwrap_err().to_string();
    assert!(reason(9).contains("more than 8 frames"));
    assert!(!reason(8).contains("more than 8 frames"));
}

/// A reduced sequence header in its unit.
fn av1_sequence(width: u32, height: u32) -> Vec<u8> {
    let bits = [
        // Profile, still, reduced, level.
        "000110000011111111",
        // Width and height, of 16 bits.
        &format!("{:016b}{:016b}", width - 1, height - 1),
        // Tools; 8 bits, colours that are told.
        "000000001",
        &format!("{:08b}{:08b}{:08b}", 9, 16, 9),
        // The full range.
        "10000000000",
    ]
    .concat();
    let bytes: Vec<u8> = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect();
    [&[0x0A, u8::try_from(bytes.len()).unwrap()][..], &bytes].concat()
}

#[test]
fn damage_within_a_picture_is_told_where_it_shows() {
    // Arithmetic codes have few values that mean nothing: not every damage can be noticed.
    for bytes in [data!("rocket.heic"), data!("422.heic")] {
        let told = (8..15).filter(|place| {
            let mut broken = bytes.to_vec();
            let at = broken.len() / 16 * place;
            broken[at..at + 64].fill(0);
            match still(&broken, (40, 30)) {
                Ok(still) => still.warnings.iter().any(|warning| warning.code == "corrupt_data"),
                Err(error) => error.code() == "corrupt_image",
            }
        });
        assert!(told.count() > 0);
    }
}

#[test]
fn what_memory_says_covers_the_picture() {
    for bytes in [data!("rocket.heic"), data!("alpha.avif"), data!("pq.avif"), data!("grid.heic")] {
        let header = parse(bytes).unwrap();
        let said = memory(&header, header.facts.size());
        assert!(said >= header.facts.pixels() * u64::from(header.facts.bytes_per_pixel));
        assert!(said > memory(&header, (1, 1)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn broken_files_end_in_bounds(
        file in 0..6_usize,
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        head in any::<bool>(),
    ) {
        let files = [
            data!("odd.heic"), data!("odd.avif"), data!("alpha.heic"), data!("alpha.avif"),
            data!("gray.heic"), data!("422-ten.avif"),
        ];
        let mut bytes = files[file].to_vec();
        // Boxes stand in front, or anywhere.
        let end = if head { bytes.len().min(800) } else { bytes.len() };
        for (place, byte) in places {
            bytes[place.index(end)] = byte;
        }
        match still(&bytes, (24, 24)) {
            Ok(_) => {}
            Err(error) => prop_assert!(error.is_permanent()),
        }
    }
}
