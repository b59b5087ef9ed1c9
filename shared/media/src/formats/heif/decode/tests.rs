//! Against pictures that libheif 1.15 and libavif 0.11 decoded, then halved (the rocket quartered) by Lanczos.

use proptest::prelude::*;
use sluice_pixels::{
    planar::Pixels,
    raster::{Raster, Samples},
};

use super::*;
use crate::formats::heif::header::{
    parse,
    tests::{Builder, boxed, clap, full_box, irot, ispe},
};

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

/// The only item of a file: its bitstream, its configuration, and its size.
fn only_item(bytes: &[u8]) -> (Vec<u8>, Vec<u8>, (u32, u32)) {
    let header = parse(bytes).unwrap();
    let coded = header.head.container.coded(header.head.picture.mosaic.tiles[0]).unwrap();
    let config = match coded.codec {
        Codec::Hevc(config) => config.to_vec(),
        Codec::Av1 => Vec::new(),
    };
    (coded.data.into_owned(), config, coded.size)
}

fn rgba(still: Still<'_>) -> Vec<u8> {
    match still.pixels {
        Pixels::Planar(planar) => planar.to_canvas().rgba(),
        Pixels::Raster(raster) => raster.into_canvas().unwrap().rgba(),
    }
}

/// Fails unless two pictures are the same but for what colours mean, which the parts of a file don't tell.
#[track_caller]
fn assert_alike(ours: &[u8], theirs: &[u8]) {
    assert_eq!(ours.len(), theirs.len());
    let sum: u64 = ours.iter().zip(theirs).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    assert!(sum < 4 * ours.len() as u64, "{sum} of {}", ours.len());
}

#[test]
fn overlays_are_laid_over_each_other() {
    let (data, config, (width, height)) = only_item(data!("gray.heic"));
    let whole = (1000, 1000);
    let layer = rgba(still(data!("gray.heic"), whole).unwrap());
    let properties = [ispe(width, height), boxed(*b"hvcC", &[&config])];
    let size = (width + 20, height + 10);
    let turned = [&properties[..], &[irot(2)]].concat();
    let short = |number: u32| u16::try_from(number).unwrap().to_be_bytes();
    for wide in [false, true] {
        let number = |value: i32| {
            let bytes = value.to_be_bytes();
            if wide { bytes.to_vec() } else { bytes[2..].to_vec() }
        };
        let canvas = [
            &[0, u8::from(wide)][..],
            &[0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF],
            &number(i32::try_from(size.0).unwrap()),
            &number(i32::try_from(size.1).unwrap()),
            &number(0),
            &number(0),
            &number(i32::try_from(width).unwrap() - 4),
            &number(-7),
        ]
        .concat();
        let bytes = Builder::new(1)
            .item(1, *b"iovl", &canvas, &[ispe(size.0, size.1)])
            .item(2, *b"hvc1", &data, &properties)
            .item(3, *b"hvc1", &data, &turned)
            .reference(*b"dimg", 1, &[2, 3])
            .build();
        let header = parse(&bytes).unwrap();
        assert_eq!(header.facts.size(), size);
        let made = rgba(still(&bytes, whole).unwrap());
        let at =
            |pixels: &[u8], width: u32, x: u32, y: u32| pixels[4 * (y * width + x) as usize..][..4].to_vec();
        for y in 0..size.1 {
            for x in 0..size.0 {
                let expected = if x >= width - 4 && y < height - 7 {
                    // Half a turn, moved.
                    at(&layer, width, width - 1 - (x - (width - 4)), height - 1 - (y + 7))
                } else if x < width && y < height {
                    at(&layer, width, x, y)
                } else {
                    vec![255, 0, 0, 255]
                };
                assert_eq!(at(&made, size.0, x, y), expected, "{x} {y}");
            }
        }
        let smaller = rgba(still(&bytes, (size.0 / 2, size.1 / 2)).unwrap());
        assert_eq!(smaller.len(), 4 * (size.0 / 2) as usize * (size.1 / 2) as usize);
    }
    let deep = Builder::new(1)
        .item(1, *b"iovl", &[&[0, 0][..], &[0; 8], &short(9), &short(9), &[0; 4]].concat(), &[ispe(9, 9)])
        .reference(*b"dimg", 1, &[1])
        .build();
    assert_eq!(parse(&deep).unwrap_err().code(), "unsupported_image");
}

/// A file that holds a sequence alone, of one picture.
fn sequence(kind: [u8; 4], handler: [u8; 4], item: &(Vec<u8>, Vec<u8>, (u32, u32)), wide: bool) -> Vec<u8> {
    let (data, config, size) = item;
    let config = if config.is_empty() { Vec::new() } else { boxed(*b"hvcC", &[config]) };
    let edges = [size.0, size.1].map(|edge| u16::try_from(edge).unwrap().to_be_bytes()).concat();
    let entry = boxed(kind, &[&[0; 24], &edges, &[0; 50], &config]);
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    let movie = |offset: u32| {
        let chunks = if wide {
            full_box(*b"co64", 0, 0, &[&[0, 0, 0, 1, 0, 0, 0, 0], &offset.to_be_bytes()])
        } else {
            full_box(*b"stco", 0, 0, &[&[0, 0, 0, 1], &offset.to_be_bytes()])
        };
        let table = boxed(
            *b"stbl",
            &[
                &full_box(*b"stsd", 0, 0, &[&[0, 0, 0, 1], &entry]),
                &full_box(*b"stsz", 0, 0, &[&[0; 4], &[0, 0, 0, 1], &length]),
                &chunks,
            ],
        );
        let media = boxed(
            *b"mdia",
            &[&full_box(*b"hdlr", 0, 0, &[&[0; 4], &handler, &[0; 13]]), &boxed(*b"minf", &[&table])],
        );
        boxed(*b"moov", &[&boxed(*b"trak", &[&media])])
    };
    let start = boxed(*b"ftyp", &[b"msf1", &[0; 4], b"hevcavis"]);
    let offset = u32::try_from(start.len() + movie(0).len() + 8).unwrap();
    [start, movie(offset), boxed(*b"mdat", &[data])].concat()
}

#[test]
fn a_sequence_alone_shows_its_first_picture() {
    for (file, kind) in
        [(data!("gray.heic"), *b"hvc1"), (data!("gray.heic"), *b"hev1"), (data!("gray.avif"), *b"av01")]
    {
        let item = only_item(file);
        let whole = (1000, 1000);
        let expected = rgba(still(file, whole).unwrap());
        for handler in [*b"pict", *b"vide"] {
            for wide in [false, true] {
                let bytes = sequence(kind, handler, &item, wide);
                assert_alike(&rgba(still(&bytes, whole).unwrap()), &expected);
                for length in 0..bytes.len().min(700) {
                    let _ = parse(&bytes[..length]);
                }
            }
        }
        assert_eq!(parse(&sequence(kind, *b"auxv", &item, false)).unwrap_err().code(), "unsupported_image");
        // With metadata of its own, but without a primary item.
        let meta = full_box(*b"meta", 0, 0, &[&full_box(*b"iinf", 0, 0, &[&[0, 0]])]);
        let bytes = [sequence(kind, *b"pict", &item, false), meta].concat();
        assert_alike(&rgba(still(&bytes, whole).unwrap()), &expected);
    }
    let h264 = sequence(*b"avc1", *b"vide", &only_item(data!("gray.heic")), false);
    assert_eq!(parse(&h264).unwrap_err().code(), "unsupported_image");
}

#[test]
fn a_small_picture_is_made_of_the_thumbnail() {
    let (data, config, (width, height)) = only_item(data!("rocket.heic"));
    let described = |size: (u32, u32)| vec![ispe(size.0, size.1), boxed(*b"hvcC", &[&config])];
    let file = |size: (u32, u32), more: &[Vec<u8>]| {
        Builder::new(1)
            .item(1, *b"hvc1", b"broken", &[described(size), more.to_vec()].concat())
            .item(2, *b"hvc1", &data, &described((width, height)))
            .reference(*b"thmb", 2, &[1])
            .build()
    };
    let large = (4 * width, 4 * height);
    let bytes = file(large, &[]);
    let expected = rgba(still(data!("rocket.heic"), (100, 67)).unwrap());
    assert_alike(&rgba(still(&bytes, (100, 67)).unwrap()), &expected);
    // Not when more is wanted than it has, when it shows something else, or stands otherwise.
    assert!(still(&bytes, (width, height)).is_err());
    let others = [file((4 * width, 5 * height), &[]), file(large, &[irot(1)])];
    let cut = file(large, &[clap([64, 1, 64, 1, 0, 1, 0, 1])]);
    for bytes in others.into_iter().chain([cut]) {
        assert!(still(&bytes, (60, 60)).is_err());
    }
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
