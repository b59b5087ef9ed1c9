use sluice_media::{
    MediaError,
    derive::{Profile, derive},
    inspect,
    limits::Limits,
    placeholder::thumbhash,
};

use crate::support::{limits, sample};

fn refusal(bytes: &[u8], limits: &Limits) -> Option<MediaError> {
    derive(bytes, &Profile::default(), limits).err()
}

#[test]
fn the_bomb_is_refused_by_its_header() {
    let bomb = sample("bomb-900mp.png");
    let expected = MediaError::TooManyPixels {
        width: 30_000,
        height: 30_000,
        pixels: 900_000_000,
        limit: limits().max_pixels,
    };
    assert_eq!(refusal(&bomb, &limits()), Some(expected.clone()));
    assert_eq!(thumbhash(&bomb, &limits()), Err(expected.clone()));
    assert!(expected.is_permanent());
    assert_eq!(inspect(&bomb).unwrap().width, 30_000);

    // The header is enough.
    assert_eq!(refusal(&bomb[..64], &limits()), Some(expected));
}

#[test]
fn pixels_and_edge_at_the_limit() {
    let photo = sample("photo-12mp-exif6-gps.jpg");
    let cases = [
        (&photo, Limits { max_pixels: 12_000_000, ..limits() }, None),
        (&photo, Limits { max_pixels: 11_999_999, ..limits() }, Some("too_many_pixels")),
        (&photo, Limits { max_edge: 4_000, ..limits() }, None),
        (&photo, Limits { max_edge: 3_999, ..limits() }, Some("edge_too_long")),
    ];
    for (bytes, limits, expected) in cases {
        assert_eq!(refusal(bytes, &limits).as_ref().map(MediaError::code), expected, "{limits:?}");
    }
}

#[test]
fn memory_at_the_limit() {
    let photo = sample("photo-12mp-exif6-gps.jpg");
    let Some(MediaError::OutOfMemoryBudget { needed, budget: 1 }) =
        refusal(&photo, &Limits { max_memory: 1, ..limits() })
    else {
        panic!("a byte of memory is enough for nothing");
    };
    assert!(needed < 80 << 20, "a scaled decode of 12 MP needs {needed} bytes");
    assert_eq!(refusal(&photo, &Limits { max_memory: needed, ..limits() }), None);
    assert!(refusal(&photo, &Limits { max_memory: needed - 1, ..limits() }).is_some());
    // The placeholder's decode is far smaller.
    assert!(thumbhash(&photo, &Limits { max_memory: needed / 4, ..limits() }).is_ok());
}

#[test]
fn a_progressive_file_is_counted_with_its_coefficients() {
    let needs = |name: &str| match thumbhash(&sample(name), &Limits { max_memory: 1, ..limits() }) {
        Err(MediaError::OutOfMemoryBudget { needed, .. }) => needed,
        other => panic!("{other:?}"),
    };
    // 4:4:4: three components of 64 × 64 blocks of 64 coefficients of two bytes.
    let coefficients = 3 * 64 * 64 * 64 * 2;
    let low = coefficients / 16;
    // For a placeholder, a fourth of the edges is enough: a sixteenth of the coefficients, and the history of each block.
    let needed = needs("astronaut-progressive.jpg");
    assert!((low..coefficients).contains(&needed), "{needed}");
    // Of a sequential one a few rows are held: of these 12 MP a fourth of the 36 MB would be many.
    assert!(needs("photo-12mp-exif6-gps.jpg") < 9 << 20);
}

#[test]
fn scans_are_limited() {
    let file = sample("astronaut-progressive.jpg");
    let end = file.len() - 2;
    // The last scan's header once more, without any data: libjpeg would walk the frame for each.
    let start = memchr::memmem::rfind(&file, b"\xFF\xDA").unwrap();
    let length = usize::from(u16::from_be_bytes([file[start + 2], file[start + 3]])) + 2;
    let mut bytes = file[..end].to_vec();
    for _ in 0..100 {
        bytes.extend_from_slice(&file[start..start + length]);
    }
    bytes.extend([0xFF, 0xD9]);
    let error = refusal(&bytes, &limits()).unwrap();
    assert_eq!(error.code(), "too_many_scans");
    assert!(error.is_permanent());
}
