//! Raw files, built as the cameras build them: their embedded picture is what is shown.

use proptest::prelude::*;
use sluice_media::{
    derive::{Profile, derive},
    inspect,
    metadata::read,
    placeholder::thumbhash,
    sniff::{Kind, sniff},
};

use crate::support::{
    Around, Field, QUARTERS, assert_close, derived, exif, jpeg, limits, quarter_colours, quarters, seen, tiff,
};

/// A preview whose quarters tell it from the thumbnail beside it, which is grey.
fn preview() -> Vec<u8> {
    jpeg(&quarters(900, 600), &Around::default())
}

fn thumbnail() -> Vec<u8> {
    jpeg(&image::RgbImage::from_pixel(160, 120, image::Rgb([128; 3])), &Around::default())
}

fn length(bytes: &[u8]) -> Field {
    Field::Long(u32::try_from(bytes.len()).unwrap())
}

fn photo() -> Field {
    Field::Directory(vec![(0x829A, Field::Fractions(vec![(1, 250)])), (0x8827, Field::Short(400))])
}

/// What is no picture: the sensor's data as lossless JPEG.
fn sensor() -> Vec<u8> {
    let mut bytes = b"\xFF\xD8\xFF\xC3\0\x0B\x0E\x10\0\x10\0\x01\x01\x11\0\xFF\xDA".to_vec();
    bytes.resize(4_000, 0x55);
    bytes
}

fn cr2() -> Vec<u8> {
    let (large, small) = (preview(), thumbnail());
    tiff(
        b"II*\0\x10\0\0\0CR\x02\0\0\0\0\0",
        vec![
            vec![
                (259, Field::Short(6)),
                (271, Field::Text("Canon")),
                (272, Field::Text("Canon EOS 5D")),
                (274, Field::Short(6)),
                (279, length(&large)),
                (273, Field::At(large)),
                (0x8769, photo()),
            ],
            vec![(514, length(&small)), (513, Field::At(small))],
            vec![(259, Field::Short(6)), (279, length(&sensor())), (273, Field::At(sensor()))],
        ],
    )
}

fn nef() -> Vec<u8> {
    let large = preview();
    tiff(
        b"II*\0",
        vec![vec![
            (254, Field::Long(1)),
            (271, Field::Text("NIKON CORPORATION")),
            (272, Field::Text("NIKON D90")),
            (274, Field::Short(1)),
            (
                330,
                Field::Directory(vec![
                    (259, Field::Short(6)),
                    (514, length(&large)),
                    (513, Field::At(large)),
                ]),
            ),
            (0x8769, photo()),
        ]],
    )
}

fn arw() -> Vec<u8> {
    let large = preview();
    tiff(
        b"II*\0",
        vec![vec![
            (254, Field::Long(1)),
            (259, Field::Short(6)),
            (271, Field::Text("SONY")),
            (330, Field::Directory(vec![(259, Field::Short(32_767)), (262, Field::Short(32_803))])),
            (514, length(&large)),
            (513, Field::At(large)),
        ]],
    )
}

fn dng() -> Vec<u8> {
    let large = preview();
    tiff(
        b"II*\0",
        vec![vec![
            (254, Field::Long(1)),
            (271, Field::Text("Google")),
            (
                330,
                Field::Directory(vec![
                    (259, Field::Short(7)),
                    (262, Field::Short(6)),
                    (279, length(&large)),
                    (273, Field::At(large)),
                ]),
            ),
            (50_706, Field::Bytes(vec![1, 4, 0, 0])),
        ]],
    )
}

fn rw2() -> Vec<u8> {
    tiff(
        b"IIU\0",
        vec![vec![(0x2E, Field::Bytes(preview())), (271, Field::Text("Panasonic")), (274, Field::Short(1))]],
    )
}

fn orf() -> Vec<u8> {
    // The preview stands where only the maker's note tells.
    let note = [&b"OLYMPUS\0"[..], &preview()].concat();
    tiff(
        b"IIRO",
        vec![vec![
            (271, Field::Text("OLYMPUS")),
            (0x8769, Field::Directory(vec![(0x927C, Field::Bytes(note))])),
        ]],
    )
}

fn raf() -> Vec<u8> {
    let large = jpeg(&quarters(900, 600), &Around { exif: Some(exif(3)), icc: None });
    let mut bytes = b"FUJIFILMCCD-RAW 0201FF389501X100".to_vec();
    bytes.resize(84, 0);
    bytes.extend(160_u32.to_be_bytes());
    bytes.extend(u32::try_from(large.len()).unwrap().to_be_bytes());
    bytes.resize(160, 0);
    bytes.extend(large);
    bytes.extend([0x55; 500]);
    bytes
}

fn cr3() -> Vec<u8> {
    fn boxed(kind: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        [&u32::try_from(content.len() + 8).unwrap().to_be_bytes(), kind, &content].concat()
    }
    let large = preview();
    let small = jpeg(&image::RgbImage::from_pixel(320, 240, image::Rgb([128; 3])), &Around::default());
    let main = tiff(
        b"II*\0",
        vec![vec![(271, Field::Text("Canon")), (272, Field::Text("EOS R")), (274, Field::Short(8))]],
    );
    let photo = tiff(b"II*\0", vec![vec![(0x8827, Field::Short(800))]]);
    let metadata = boxed(
        b"uuid",
        &[
            b"\x85\xC0\xB6\x87\x82\x0F\x11\xE0\x81\x11\xF4\xCE\x46\x2B\x6A\x48",
            &boxed(b"CMT1", &[&main]),
            &boxed(b"CMT2", &[&photo]),
        ],
    );
    let prvw = boxed(
        b"uuid",
        &[
            b"\xEA\xF4\x2B\x5E\x1C\x98\x4B\x88\xB9\xFB\xB7\xDC\x40\x6E\x4D\x16",
            &[0; 8],
            &boxed(b"PRVW", &[&[0; 16], &small]),
        ],
    );
    let ftyp = boxed(b"ftyp", &[b"crx \0\0\0\x01crx isom"]);
    let movie = |offset: u32| {
        let size = u32::try_from(large.len()).unwrap().to_be_bytes();
        let sizes = boxed(b"stsz", &[&[0; 4], &size, &1_u32.to_be_bytes()]);
        let offsets = boxed(b"co64", &[&[0; 4], &1_u32.to_be_bytes(), &[0; 4], &offset.to_be_bytes()]);
        let table = boxed(b"stbl", &[&sizes, &offsets]);
        boxed(b"moov", &[&metadata, &boxed(b"trak", &[&boxed(b"mdia", &[&boxed(b"minf", &[&table])])])])
    };
    let before = ftyp.len() + movie(0).len() + prvw.len() + 8;
    let movie = movie(u32::try_from(before).unwrap());
    [ftyp, movie, prvw, boxed(b"mdat", &[&large])].concat()
}

fn all() -> [(&'static str, Vec<u8>, u8); 8] {
    [
        ("image/x-canon-cr2", cr2(), 6),
        ("image/x-nikon-nef", nef(), 1),
        ("image/x-sony-arw", arw(), 1),
        ("image/x-adobe-dng", dng(), 1),
        ("image/x-panasonic-rw2", rw2(), 1),
        ("image/x-olympus-orf", orf(), 1),
        ("image/x-fuji-raf", raf(), 3),
        ("image/x-canon-cr3", cr3(), 8),
    ]
}

#[test]
fn every_sort_is_recognised_and_shown_upright() {
    for (content_type, bytes, orientation) in all() {
        let sniffed = sniff(&bytes);
        assert_eq!((sniffed.content_type, sniffed.kind), (content_type, Kind::Image));
        let header = inspect(&bytes).unwrap();
        let upright = if orientation >= 5 { (600, 900) } else { (900, 600) };
        assert_eq!(
            (header.width, header.height, header.orientation),
            (upright.0, upright.1, orientation),
            "{content_type}"
        );
        let derived = derived(&bytes);
        assert_eq!(derived.warnings, [], "{content_type}");
        let seen = seen(&derived, "large");
        assert_eq!(seen.dimensions(), upright, "{content_type}");
        // Where the stored quarters go: 3 is half a turn, 6 a quarter clockwise, 8 the other way.
        let order = match orientation {
            3 => [3, 2, 1, 0],
            6 => [2, 0, 3, 1],
            8 => [1, 3, 0, 2],
            _ => [0, 1, 2, 3],
        };
        for (got, from) in quarter_colours(&seen).iter().zip(order) {
            assert_close(&got.0, &QUARTERS[from].0, 12);
        }
        thumbhash(&bytes, &limits()).unwrap();
    }
}

#[test]
fn the_raw_files_own_exif_is_read() {
    let found = read(&cr2());
    assert_eq!(found.camera_model.as_deref(), Some("Canon EOS 5D"));
    assert_eq!((found.exposure.as_deref(), found.iso), (Some("1/250"), Some(400)));
    let found = read(&cr3());
    assert_eq!((found.camera_model.as_deref(), found.iso), (Some("EOS R"), Some(800)));
    assert_eq!(read(&nef()).camera_make.as_deref(), Some("NIKON CORPORATION"));
    assert_eq!(read(&rw2()).camera_make.as_deref(), Some("Panasonic"));
}

#[test]
fn pictures_that_were_developed_stay_tiff() {
    let developed = [
        vec![
            (254, Field::Long(0)),
            (259, Field::Short(1)),
            (262, Field::Short(2)),
            (271, Field::Text("NIKON CORPORATION")),
        ],
        // A pyramid: smaller copies in sub-directories.
        vec![
            (254, Field::Long(0)),
            (271, Field::Text("SONY")),
            (330, Field::Directory(vec![(254, Field::Long(1))])),
        ],
        vec![(259, Field::Short(7)), (262, Field::Short(6))],
    ];
    for entries in developed {
        assert_eq!(sniff(&tiff(b"II*\0", vec![entries])).content_type, "image/tiff");
    }
}

#[test]
fn a_raw_file_without_a_preview_is_refused_for_good() {
    let bytes = tiff(
        b"II*\0",
        vec![vec![
            (259, Field::Short(7)),
            (262, Field::Short(32_803)),
            (271, Field::Text("NIKON")),
            (279, length(&sensor())),
            (273, Field::At(sensor())),
        ]],
    );
    assert_eq!(sniff(&bytes).content_type, "image/x-nikon-nef");
    let error = derive(&bytes, &Profile::default(), &limits()).unwrap_err();
    assert_eq!(error.code(), "unsupported_image");
    assert!(error.to_string().contains("preview"), "{error}");
    assert_eq!(read(&bytes).camera_make.as_deref(), Some("NIKON"));
}

#[test]
fn directories_in_a_circle_end() {
    let mut bytes = nef();
    // The first directory's next is itself.
    let count = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + 12 * count..14 + 12 * count].copy_from_slice(&8_u32.to_le_bytes());
    assert_eq!(inspect(&bytes).unwrap().width, 900);
    // Thousands of starts of pictures, none of which is one.
    let mut starts = tiff(b"IIRO", vec![vec![(271, Field::Text("OLYMPUS"))]]);
    starts.extend(b"\xFF\xD8\xFF\xE0".repeat(500_000));
    let started = std::time::Instant::now();
    assert!(inspect(&starts).is_err());
    assert!(started.elapsed().as_secs() < 3);
}

#[test]
fn mutated_raw_files_never_panic() {
    let seeds = all();
    let mutation = (any::<prop::sample::Index>(), any::<u8>());
    let strategy =
        (0..seeds.len(), prop::collection::vec(mutation, 1..8), any::<prop::sample::Index>(), any::<bool>());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) };
    proptest::test_runner::TestRunner::new(config)
        .run(&strategy, |(seed, mutations, end, cut)| {
            let mut bytes = seeds[seed].1.clone();
            // Mostly in front, where the structure is.
            for (at, value) in mutations {
                let at = at.index(bytes.len().min(400));
                bytes[at] = value;
            }
            if cut {
                bytes.truncate(end.index(bytes.len()));
            }
            let _ = read(&bytes).to_map();
            if let Err(error) = thumbhash(&bytes, &limits()) {
                prop_assert!(error.is_permanent(), "{}", error);
            }
            Ok(())
        })
        .unwrap();
}
