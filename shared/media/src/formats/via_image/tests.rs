use image::{
    ExtendedColorType, ImageEncoder, ImageError,
    codecs::{
        farbfeld::FarbfeldEncoder,
        ico::IcoEncoder,
        pnm::{PnmEncoder, PnmSubtype, SampleEncoding},
        qoi::QoiEncoder,
    },
};
use proptest::prelude::*;
use sluice_pixels::raster::{Model, Raster, Samples};

use super::{decode::memory, header::parse, *};
use crate::limits::Limits;

const LIMITS: Limits = Limits::for_memory(1 << 30);
const SIZE: (u32, u32) = (13, 7);

fn whole(bytes: &[u8]) -> Result<Raster, MediaError> {
    let header = parse(bytes)?;
    let target = header.facts.size();
    header.facts.check(&LIMITS, target, memory(&header, target), bytes.len())?;
    let still = Head::decode(bytes, &header, &Want::new(target, &LIMITS))?;
    assert_eq!(still.warnings, []);
    match still.pixels {
        sluice_pixels::planar::Pixels::Raster(raster) => Ok(raster),
        sluice_pixels::planar::Pixels::Planar(_) => panic!("these are no planes"),
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut seed = 5_u32;
    (0..length)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed.to_be_bytes()[0]
        })
        .collect()
}

fn samples(channels: usize) -> Vec<u8> {
    noise((SIZE.0 * SIZE.1) as usize * channels)
}

fn written(encode: impl FnOnce(&mut Vec<u8>) -> Result<(), ImageError>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes).unwrap();
    bytes
}

fn pnm(subtype: PnmSubtype, samples: &[u8], colour: ExtendedColorType) -> Vec<u8> {
    written(|bytes| PnmEncoder::new(bytes).with_subtype(subtype).write_image(samples, SIZE.0, SIZE.1, colour))
}

fn qoi(samples: &[u8], colour: ExtendedColorType) -> Vec<u8> {
    written(|bytes| QoiEncoder::new(bytes).write_image(samples, SIZE.0, SIZE.1, colour))
}

fn icon(samples: &[u8]) -> Vec<u8> {
    written(|bytes| IcoEncoder::new(bytes).write_image(samples, SIZE.0, SIZE.1, ExtendedColorType::Rgba8))
}

/// An icon whose picture is a bitmap of 32 bits, stored from the lowest row up and followed by an empty mask.
fn icon_of_bitmap(samples: &[u8]) -> Vec<u8> {
    let (width, height) = SIZE;
    let mut picture = 40_u32.to_le_bytes().to_vec();
    picture.extend(width.to_le_bytes());
    picture.extend((2 * height).to_le_bytes());
    picture.extend([1, 0, 32, 0]);
    picture.extend([0; 24]);
    for row in samples.chunks_exact(4 * width as usize).rev() {
        picture.extend(row.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, a]| [b, g, r, a]));
    }
    picture.extend(vec![0; (width.div_ceil(32) * 4 * height) as usize]);
    let mut bytes = vec![0, 0, 1, 0, 1, 0];
    bytes.extend([u8::try_from(width).unwrap(), u8::try_from(height).unwrap(), 0, 0, 1, 0, 32, 0]);
    bytes.extend(u32::try_from(picture.len()).unwrap().to_le_bytes());
    bytes.extend(22_u32.to_le_bytes());
    bytes.extend(picture);
    bytes
}

fn farbfeld(samples: &[u16]) -> Vec<u8> {
    let native: Vec<u8> = samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
    written(|bytes| {
        FarbfeldEncoder::new(bytes).write_image(&native, SIZE.0, SIZE.1, ExtendedColorType::Rgba16)
    })
}

fn deep(channels: usize) -> Vec<u16> {
    noise((SIZE.0 * SIZE.1) as usize * channels * 2)
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| u16::from_be_bytes(bytes))
        .collect()
}

/// A sound file of each sort.
fn every() -> Vec<Vec<u8>> {
    use ExtendedColorType::{L8, Rgb8, Rgba8};
    vec![
        pnm(PnmSubtype::Graymap(SampleEncoding::Ascii), &samples(1), L8),
        pnm(PnmSubtype::Graymap(SampleEncoding::Binary), &samples(1), L8),
        pnm(PnmSubtype::Pixmap(SampleEncoding::Ascii), &samples(3), Rgb8),
        pnm(PnmSubtype::Pixmap(SampleEncoding::Binary), &samples(3), Rgb8),
        pnm(PnmSubtype::ArbitraryMap, &samples(4), Rgba8),
        qoi(&samples(3), Rgb8),
        qoi(&samples(4), Rgba8),
        icon(&samples(4)),
        icon_of_bitmap(&samples(4)),
        farbfeld(&deep(4)),
    ]
}

#[test]
fn pixels_are_those_that_were_written() {
    for bytes in every() {
        let header = parse(&bytes).unwrap();
        assert_eq!((header.facts.size(), header.facts.frames, header.facts.animated), (SIZE, 1, false));
        let raster = whole(&bytes).unwrap();
        let expected = match raster.samples {
            Samples::Eight(_) => Samples::Eight(samples(raster.model.channels())),
            Samples::Sixteen(_) => Samples::Sixteen(deep(raster.model.channels())),
        };
        assert!(raster.samples == expected, "{}", header.facts.content_type);
    }
}

#[test]
fn bits_and_samples_of_sixteen_bits_are_read() {
    // A one is black.
    let Raster { model, samples, .. } = whole(b"P1 # a comment\n4 2\n1 0 0 1\n0 1 1 0\n").unwrap();
    assert_eq!((model, samples), (Model::Gray, Samples::Eight(vec![0, 255, 255, 0, 255, 0, 0, 255])));
    let Raster { samples, .. } = whole(b"P4\n4 2\n\x90\x60").unwrap();
    assert_eq!(samples, Samples::Eight(vec![0, 255, 255, 0, 255, 0, 0, 255]));
    let Raster { model, samples, .. } = whole(b"P6\n1 1\n65535\n\x01\x02\x03\x04\x05\x06").unwrap();
    assert_eq!((model, samples), (Model::Rgb, Samples::Sixteen(vec![0x0102, 0x0304, 0x0506])));
}

#[test]
fn a_file_that_is_cut_short_is_refused() {
    for bytes in every() {
        let content_type = parse(&bytes).unwrap().facts.content_type;
        for length in [bytes.len() / 2, bytes.len() * 3 / 4] {
            let error = whole(&bytes[..length]).unwrap_err();
            assert_eq!(error.code(), "corrupt_image", "{content_type}");
        }
        for length in 0..bytes.len().min(120) {
            assert!(whole(&bytes[..length]).is_err_and(|error| error.is_permanent()), "{content_type}");
        }
    }
}

#[test]
fn a_header_that_lies_gets_no_memory() {
    let edges = |size: u32| size.to_be_bytes();
    let lying_qoi = |size: u32| [&b"qoif"[..], &edges(size), &edges(size), &[4, 0], &[0; 9]].concat();
    let lying_farbfeld = |size: u32| [&b"farbfeld"[..], &edges(size), &edges(size), &[0; 9]].concat();
    let lying_pnm = |size: u32| format!("P6\n{size} {size}\n255\nabc").into_bytes();
    for (bytes, code) in [
        (lying_qoi(1 << 14), "too_many_pixels"),
        (lying_farbfeld(70_000), "edge_too_long"),
        (lying_farbfeld(16_000), "out_of_memory_budget"),
        (lying_pnm(65_536), "edge_too_long"),
        (lying_pnm(16_383), "out_of_memory_budget"),
        // Within the limits, and not there.
        (lying_qoi(2_000), "corrupt_image"),
        (lying_farbfeld(2_000), "corrupt_image"),
        (lying_pnm(2_000), "corrupt_image"),
        (lying_pnm(0), "corrupt_image"),
    ] {
        assert_eq!(whole(&bytes).unwrap_err().code(), code, "{:?}", &bytes[..20]);
    }
}

#[test]
fn an_icon_shows_its_best_picture_and_none_by_a_bomb() {
    // The PNG of one icon behind a smaller entry of less depth.
    let small = icon(&samples(4));
    let mut bytes = vec![0, 0, 1, 0, 2, 0];
    bytes.extend([1, 1, 0, 0, 1, 0, 8, 0, 9, 0, 0, 0, 0xFF, 0xFF, 0, 0]);
    bytes.extend(&small[6..18]);
    bytes.extend(38_u32.to_le_bytes());
    bytes.extend(&small[22..]);
    assert_eq!(whole(&bytes).unwrap(), whole(&small).unwrap());
    // No picture, and one that isn't there.
    for broken in [&b"\0\0\x01\0\0\0"[..], &bytes[..30], &bytes[..38]] {
        assert_eq!(whole(broken).unwrap_err().code(), "corrupt_image");
    }
    // A profile that would fill the memory when it is decompressed.
    let mut profile = b"big\0\0".to_vec();
    let mut encoder = flate2::write::ZlibEncoder::new(&mut profile, flate2::Compression::best());
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 64 << 20), &mut encoder).unwrap();
    encoder.finish().unwrap();
    let mut chunk = [&b"iCCP"[..], &profile].concat();
    let mut sum = flate2::Crc::new();
    sum.update(&chunk);
    chunk.extend(sum.sum().to_be_bytes());
    let mut bomb = small[..22 + 33].to_vec();
    bomb.extend(u32::try_from(profile.len()).unwrap().to_be_bytes());
    bomb.extend(chunk);
    bomb.extend(&small[22 + 33..]);
    match whole(&bomb) {
        Ok(raster) => assert_eq!(raster, whole(&small).unwrap()),
        Err(error) => assert_eq!(error.code(), "corrupt_image"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn hostile_bytes_never_panic(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        end in any::<prop::sample::Index>(),
    ) {
        let all = every();
        let mut bytes = all[seed.index(all.len())].clone();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(end.index(bytes.len()).max(bytes.len() / 2));
        if let Ok(header) = parse(&bytes)
            && header.facts.pixels() < 1 << 20
        {
            let contained = crate::error::contained(|| {
                Head::decode(&bytes, &header, &Want::new((1, 1), &LIMITS)).map(|_| ())
            });
            if let Err(error) = contained {
                prop_assert!(error.is_permanent());
            }
        }
    }
}
