//! Sample files, builders of small images, and an independent eye on derivatives.

use std::path::Path;

use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ImageEncoder, Rgb, RgbImage, RgbaImage};
use jpeg_encoder::{ColorType, Encoder};
use sluice_media::derive::{Derived, OutputFormat, Profile, Spec, derive};
use sluice_media::limits::Limits;

/// A file of `tests/data`.
pub fn sample(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

/// The limits of a function with 1 GiB.
pub fn limits() -> Limits {
    Limits::for_memory(1 << 30)
}

/// The default profile's derivatives.
pub fn derived(bytes: &[u8]) -> Derived {
    derive(bytes, &Profile::default(), &limits()).unwrap()
}

/// A profile of one derivative.
pub fn only(max_edge: u32, format: OutputFormat) -> Profile {
    Profile { derivatives: vec![Spec::new("only", max_edge, format, 90)] }
}

/// The pixels of the derivative called `name`.
pub fn seen(derived: &Derived, name: &str) -> RgbaImage {
    let derivative = derived.derivatives.iter().find(|derivative| derivative.name == name).unwrap();
    let image = image::load_from_memory(&derivative.bytes).unwrap().to_rgba8();
    assert_eq!(image.dimensions(), (derivative.width, derivative.height), "{name}");
    image
}

/// A minimal EXIF structure with an orientation.
pub fn exif(orientation: u16) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend(orientation.to_le_bytes());
    tiff.extend([0; 6]);
    tiff
}

/// What a builder puts around the pixels.
#[derive(Clone, Default)]
pub struct Around {
    pub exif: Option<Vec<u8>>,
    pub icc: Option<Vec<u8>>,
}

pub fn jpeg(image: &RgbImage, around: &Around) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 95);
    if let Some(exif) = &around.exif {
        encoder.add_exif_metadata(exif).unwrap();
    }
    if let Some(icc) = &around.icc {
        encoder.add_icc_profile(icc).unwrap();
    }
    let edge = |pixels: u32| u16::try_from(pixels).unwrap();
    encoder.encode(image, edge(image.width()), edge(image.height()), ColorType::Rgb).unwrap();
    bytes
}

pub fn png(image: &DynamicImage, around: &Around) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(PngEncoder::new(&mut bytes), image, around);
    bytes
}

pub fn webp(image: &DynamicImage, around: &Around) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(WebPEncoder::new_lossless(&mut bytes), image, around);
    bytes
}

fn write(mut encoder: impl ImageEncoder, image: &DynamicImage, around: &Around) {
    if let Some(exif) = around.exif.clone() {
        encoder.set_exif_metadata(exif).unwrap();
    }
    if let Some(icc) = around.icc.clone() {
        encoder.set_icc_profile(icc).unwrap();
    }
    image.write_with_encoder(encoder).unwrap();
}

/// Red, green, blue and white quarters, read like text.
pub const QUARTERS: [Rgb<u8>; 4] =
    [Rgb([220, 20, 20]), Rgb([20, 180, 20]), Rgb([20, 20, 220]), Rgb([240, 240, 240])];

pub fn quarters(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        QUARTERS[usize::from(x >= width / 2) + 2 * usize::from(y >= height / 2)]
    })
}

/// The middles of the four quarters, read like text.
pub fn quarter_colours(image: &RgbaImage) -> [Rgb<u8>; 4] {
    let (width, height) = image.dimensions();
    [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| {
        let [red, green, blue, _] = image.get_pixel(width * x / 4, height * y / 4).0;
        Rgb([red, green, blue])
    })
}

/// Fails unless every channel is within `tolerance`.
#[track_caller]
pub fn assert_close(got: &[u8], expected: &[u8], tolerance: u8) {
    let close =
        got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= tolerance);
    assert!(close, "{got:?} is not within {tolerance} of {expected:?}");
}
