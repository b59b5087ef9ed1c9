use proptest::prelude::*;
use sluice_pixels::raster::{Raster, Samples};

use super::*;
use crate::{formats::bmp::header::parse, limits::Limits};

const LIMITS: Limits = Limits::for_memory(1 << 30);

fn whole(bytes: &[u8]) -> Result<(Raster, Vec<Warning>), MediaError> {
    let header = parse(bytes)?;
    let want = Want::new(header.facts.size(), &LIMITS);
    let still = decode(bytes, &header, &want)?;
    match still.pixels {
        Pixels::Raster(raster) => Ok((raster, still.warnings)),
        Pixels::Planar(_) => panic!("BMP is no planes"),
    }
}

fn samples(bytes: &[u8]) -> Vec<u8> {
    let (raster, warnings) = whole(bytes).unwrap();
    assert_eq!(warnings, []);
    match raster.samples {
        Samples::Eight(samples) => samples,
        Samples::Sixteen(_) => panic!("8 bits"),
    }
}

/// A header of `size` bytes; `more` stands behind its first 40 (or 12).
fn file(size: u32, edges: (i32, i32), bits: u16, compression: u32, more: &[u8], data: &[u8]) -> Vec<u8> {
    let mut header = size.to_le_bytes().to_vec();
    if size == 12 {
        for edge in [edges.0, edges.1, 1, i32::from(bits)] {
            header.extend(u16::try_from(edge).unwrap().to_le_bytes());
        }
    } else {
        header.extend(edges.0.to_le_bytes());
        header.extend(edges.1.to_le_bytes());
        header.extend(1_u16.to_le_bytes());
        header.extend(bits.to_le_bytes());
        header.extend(compression.to_le_bytes());
        header.extend([0; 20]);
    }
    header.extend(more);
    let start = u32::try_from(14 + header.len()).unwrap();
    let mut bytes = b"BM".to_vec();
    bytes.extend((start + u32::try_from(data.len()).unwrap()).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(start.to_le_bytes());
    [bytes, header, data.to_vec()].concat()
}

const PALETTE: [u8; 16] = [1, 2, 3, 0, 11, 12, 13, 0, 21, 22, 23, 0, 31, 32, 33, 0];

#[test]
fn a_real_file_is_as_its_twin() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let bytes = std::fs::read(data.join("chelsea.bmp")).unwrap();
    let twin = image::open(data.join("chelsea.png")).unwrap().to_rgb8();
    assert!(samples(&bytes) == twin.into_raw());
    for length in (0..bytes.len()).step_by(bytes.len() / 40) {
        match whole(&bytes[..length]) {
            Ok((raster, warnings)) => {
                assert_eq!((raster.width, warnings[0].code), (451, "truncated"));
            }
            Err(error) => assert!(length < 2_000 && error.is_permanent(), "{length}"),
        }
    }
}

#[test]
fn indices_of_every_depth() {
    // Bottom-up, each row filled up to 4 bytes.
    let bytes = file(40, (3, 2), 1, 0, &PALETTE[..8], &[0b0100_0000, 0, 0, 0, 0b1110_0000, 9, 9, 9]);
    assert_eq!(samples(&bytes), [13, 12, 11, 13, 12, 11, 13, 12, 11, 3, 2, 1, 13, 12, 11, 3, 2, 1]);
    let bytes = file(40, (3, -1), 2, 0, &PALETTE, &[0b0001_1000, 0, 0, 0]);
    assert_eq!(samples(&bytes), [3, 2, 1, 13, 12, 11, 23, 22, 21]);
    let mut palette = PALETTE.to_vec();
    palette.resize(64, 7);
    let bytes = file(40, (3, 1), 4, 0, &palette, &[0x03, 0x20, 0, 0]);
    assert_eq!(samples(&bytes), [3, 2, 1, 33, 32, 31, 23, 22, 21]);
    // OS/2: entries of three bytes. Fewer colours than the depth has: black.
    let bytes = file(12, (3, 1), 8, 0, &[1, 2, 3, 11, 12, 13], &[1, 0, 200, 0]);
    assert_eq!(samples(&bytes), [13, 12, 11, 3, 2, 1, 0, 0, 0]);
}

#[test]
fn colours_and_fields() {
    let bytes = file(40, (1, 2), 24, 0, &[], &[1, 2, 3, 0, 4, 5, 6, 0]);
    assert_eq!(samples(&bytes), [6, 5, 4, 3, 2, 1]);
    let bytes = file(40, (1, -2), 32, 0, &[], &[1, 2, 3, 99, 4, 5, 6, 0]);
    assert_eq!(samples(&bytes), [3, 2, 1, 6, 5, 4]);
    // 5 bits each; 5, 6 and 5.
    let bytes = file(40, (2, 1), 16, 0, &[], &[0x1F, 0x7C, 0xE0, 0x03]);
    assert_eq!(samples(&bytes), [255, 0, 255, 0, 255, 0]);
    let masks: Vec<u8> = [0xF800_u32, 0x07E0, 0x001F].iter().flat_map(|mask| mask.to_le_bytes()).collect();
    let bytes = file(40, (2, 1), 16, 3, &masks, &[0xE0, 0x07, 0x10, 0x80]);
    assert_eq!(samples(&bytes), [0, 255, 0, 132, 0, 132]);
    // Red, green, blue, alpha in the order of bytes, within a header of 56 bytes.
    let masks: Vec<u8> =
        [0xFF_u32, 0xFF00, 0x00FF_0000, 0xFF00_0000].iter().flat_map(|mask| mask.to_le_bytes()).collect();
    let bytes = file(56, (2, 1), 32, 3, &masks, &[1, 2, 3, 4, 5, 6, 7, 0]);
    assert_eq!(samples(&bytes), [1, 2, 3, 4, 5, 6, 7, 0]);
    // Alpha that is 0 everywhere counts as no alpha.
    let bytes = file(56, (2, 1), 32, 3, &masks, &[1, 2, 3, 0, 5, 6, 7, 0]);
    assert_eq!(samples(&bytes), [1, 2, 3, 5, 6, 7]);
}

#[test]
fn runs_of_8_and_4_bits() {
    let gray: Vec<u8> = (0..=255).flat_map(|value| [value, value, value, 0]).collect();
    let first = |bytes: &[u8]| -> Vec<u8> { samples(bytes).chunks(3).map(|pixel| pixel[0]).collect() };
    // A run, a row's end, three bytes as they are, a leap up, the end.
    let codes = [4, 7, 0, 0, 0, 3, 1, 2, 3, 0, 0, 2, 1, 1, 1, 9, 0, 1];
    let bytes = file(40, (5, 3), 8, 1, &gray, &codes);
    assert_eq!(first(&bytes), [0, 0, 0, 0, 9, 1, 2, 3, 0, 0, 7, 7, 7, 7, 0]);
    let codes = [5, 0x12, 0, 0, 0, 3, 0x34, 0x50, 0, 1];
    let bytes = file(40, (5, 2), 4, 2, &gray[..64], &codes);
    assert_eq!(first(&bytes), [3, 4, 5, 0, 0, 1, 2, 1, 2, 1]);
    // Cut.
    let bytes = file(40, (5, 9), 8, 1, &gray, &[4, 7, 0, 0, 3]);
    assert_eq!(whole(&bytes).unwrap().1[0].code, "truncated");
}

#[test]
fn what_is_no_bmp() {
    let code = |bytes: &[u8]| whole(bytes).unwrap_err().code();
    assert_eq!(code(&file(40, (5, 5), 24, 4, &[], &[0; 99])), "unsupported_image");
    assert_eq!(code(&file(40, (-5, 5), 24, 0, &[], &[0; 99])), "corrupt_image");
    assert_eq!(code(&file(40, (5, 0), 24, 0, &[], &[0; 99])), "corrupt_image");
    assert_eq!(code(&file(40, (5, 5), 24, 0, &[], &[0; 15])), "corrupt_image");
    // An edge that can't be turned around.
    let bytes = file(40, (1, i32::MIN), 24, 0, &[], &[0; 15]);
    assert_eq!(parse(&bytes).unwrap().facts.height, 1 << 31);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn hostile_bytes_never_panic(
        size in prop::sample::select(vec![12_u32, 16, 40, 52, 56, 64, 108, 124]),
        bits in prop::sample::select(vec![1_u16, 2, 4, 8, 16, 24, 32, 48]),
        compression in 0_u32..8,
        edges in (1..40_i32, prop_oneof![-40..0_i32, 1..40_i32]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        data in prop::collection::vec(any::<u8>(), 0..3_000),
    ) {
        let edges = if size == 12 { (edges.0, edges.1.abs()) } else { edges };
        let mut bytes = file(size, edges, bits, compression, &data[..data.len().min(90)], &data);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(header) = parse(&bytes)
            && header.facts.pixels() < 1 << 20
        {
            let want = Want::new((1, 1), &LIMITS);
            let _ = decode(&bytes, &header, &want);
        }
    }
}
