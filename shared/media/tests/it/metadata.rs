use serde_json::json;
use sluice_media::metadata::read;

use crate::support::{Around, derived, jpeg, png, quarters, sample, webp};

#[test]
fn the_photo_tells_everything() {
    let found = serde_json::Value::Object(read(&sample("photo-12mp-exif6-gps.jpg")).to_map());
    assert_eq!(
        found,
        json!({
            "width": 4000,
            "height": 3000,
            "orientation": 6,
            "animated": false,
            "frames": 1,
            "camera_make": "Canon",
            "camera_model": "EOS R5",
            "lens": "RF24-105mm F4",
            "exposure": "1/250",
            "f_number": 4.0,
            "iso": 400,
            "focal_length": 50.0,
            "taken_at": "2025-07-04T10:11:12+02:00",
            "gps": {"latitude": 48.8584, "longitude": 2.2945},
            "description": "Tasse de café ☕",
            "artist": "Corpus",
            "copyright": "CC0",
        })
    );
}

#[test]
fn no_derivative_carries_metadata() {
    let photo = sample("photo-12mp-exif6-gps.jpg");
    let secrets: [&[u8]; 10] = [
        b"Exif",
        b"EXIF",
        b"II*\0",
        b"MM\0*",
        b"Canon",
        b"EOS R5",
        b"RF24",
        b"012345678",
        b"ICC",
        b"adobe.com",
    ];
    assert!(
        secrets.iter().filter(|secret| contains(&photo, secret)).count() >= 5,
        "the photo has what is looked for"
    );
    let quarters = quarters(300, 200);
    let image = image::DynamicImage::ImageRgb8(quarters.clone());
    let around = Around { exif: Some(crate::support::exif(3)), icc: None };
    for bytes in [photo, jpeg(&quarters, &around), png(&image, &around), webp(&image, &around)] {
        for derivative in derived(&bytes).derivatives {
            for secret in secrets {
                assert!(!contains(&derivative.bytes, secret), "{} has {secret:?}", derivative.name);
            }
        }
    }
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(bytes, needle).is_some()
}

#[test]
fn heic_and_tiff_are_read_without_being_decoded() {
    assert_eq!(read(&sample("heads/chelsea.tif")).width, None);
    // Only the first 8 KiB are there.
    for name in ["heads/rocket.heic", "heads/rocket.avif"] {
        let found = read(&sample(name));
        assert_eq!((found.width, found.height, found.orientation), (Some(640), Some(427), Some(1)), "{name}");
    }
}

#[test]
fn broken_exif_gives_what_it_can_and_never_fails() {
    let photo = sample("photo-12mp-exif6-gps.jpg");
    let start = memchr::memmem::find(&photo, b"Exif\0\0").unwrap() + 6;
    // Every byte of the first directories, turned around; only the head of the photo is needed.
    for at in start..start + 700 {
        let mut bytes = photo[..16 << 10].to_vec();
        bytes[at] = !bytes[at];
        let found = read(&bytes);
        assert!(found.width.is_some() && found.height.is_some(), "byte {at}");
    }
    let mut cut = photo[..16 << 10].to_vec();
    cut.truncate(start + 200);
    read(&cut);
}

#[test]
fn text_is_cleaned_and_bounded() {
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x0E\x01\x02\0".to_vec();
    let description = format!("  a\u{7}b\tcaf\u{e9}{}\0", "x".repeat(5_000));
    let latin1: Vec<u8> = description.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    tiff.extend(u32::try_from(latin1.len()).unwrap().to_le_bytes());
    tiff.extend(26_u32.to_le_bytes());
    tiff.extend([0; 4]);
    tiff.extend(latin1);
    let found = read(&jpeg(&quarters(8, 8), &Around { exif: Some(tiff), icc: None }));
    let description = found.description.unwrap();
    assert!(description.starts_with("a b café"), "{description}");
    assert!(description.chars().count() <= 1_024);
}
