//! Sample files, builders of small images, and an independent eye on derivatives.

use std::path::Path;

use image::{
    DynamicImage, ImageEncoder, Rgb, RgbImage, RgbaImage,
    codecs::{png::PngEncoder, webp::WebPEncoder},
};
use jpeg_encoder::{ColorType, Encoder};
use sluice_media::{
    derive::{Derived, OutputFormat, Profile, Spec, derive},
    limits::Limits,
};

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

/// The value of one TIFF entry.
pub enum Field {
    Short(u16),
    Long(u32),
    Text(&'static str),
    Bytes(Vec<u8>),
    /// Pairs of numerator and denominator.
    Fractions(Vec<(u32, u32)>),
    /// The type's number, the bytes of one value, and the values as stored.
    Values(u16, usize, Vec<u8>),
    /// The offset of bytes that stand elsewhere.
    At(Vec<u8>),
    /// The offset of another directory.
    Directory(Vec<(u16, Field)>),
    /// The same, with the type that the offset is said to have and how it is stored.
    DirectoryAs(u16, fn(u32) -> Vec<u8>, Vec<(u16, Field)>),
}

/// A little-endian TIFF structure, `magic` in place of `II*\0`, of one chain of directories. Everything that a
/// directory refers to stands behind it, in the order of its entries.
pub fn tiff(magic: &[u8], chain: Vec<Vec<(u16, Field)>>) -> Vec<u8> {
    let mut out = magic.to_vec();
    let mut link = 4;
    out.resize(magic.len().max(4), 0);
    if out.len() == 4 {
        out.extend([0; 4]);
    }
    for entries in chain {
        let here = u32::try_from(out.len()).unwrap();
        out[link..link + 4].copy_from_slice(&here.to_le_bytes());
        link = directory(&mut out, entries);
    }
    out
}

/// Writes a directory; gives where the offset of the next one stands.
fn directory(out: &mut Vec<u8>, entries: Vec<(u16, Field)>) -> usize {
    let start = out.len();
    let link = start + 2 + 12 * entries.len();
    out.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
    out.resize(link + 4, 0);
    for (index, (tag, field)) in entries.into_iter().enumerate() {
        let at = start + 2 + 12 * index;
        let end = u32::try_from(out.len()).unwrap().to_le_bytes();
        let (kind, size, data) = match field {
            Field::Short(value) => (3_u16, 2, value.to_le_bytes().to_vec()),
            Field::Long(value) => (4, 4, value.to_le_bytes().to_vec()),
            Field::Text(text) => (2, 1, [text.as_bytes(), &[0]].concat()),
            Field::Bytes(bytes) => (7, 1, bytes),
            Field::Fractions(pairs) => {
                (5, 8, pairs.iter().flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()].concat()).collect())
            }
            Field::Values(kind, size, data) => (kind, size, data),
            Field::DirectoryAs(kind, stored, entries) => {
                directory(out, entries);
                let data = stored(u32::from_le_bytes(end));
                (kind, data.len(), data)
            }
            Field::At(bytes) => {
                out.extend(bytes);
                (4, 4, end.to_vec())
            }
            Field::Directory(entries) => {
                directory(out, entries);
                (4, 4, end.to_vec())
            }
        };
        out[at..at + 2].copy_from_slice(&tag.to_le_bytes());
        out[at + 2..at + 4].copy_from_slice(&kind.to_le_bytes());
        out[at + 4..at + 8].copy_from_slice(&u32::try_from(data.len() / size).unwrap().to_le_bytes());
        if data.len() <= 4 {
            out[at + 8..at + 8 + data.len()].copy_from_slice(&data);
        } else {
            let end = u32::try_from(out.len()).unwrap().to_le_bytes();
            out[at + 8..at + 12].copy_from_slice(&end);
            out.extend(data);
        }
    }
    link
}

/// `jpeg` with another segment right behind its start.
pub fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xFF, marker], &length, content, &jpeg[2..]].concat()
}

/// An XMP packet of properties written as attributes and as elements.
pub fn xmp(attributes: &str, properties: &str) -> String {
    format!(
        "<?xpacket begin='\u{feff}' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'>\
         <rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description rdf:about='' \
         xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:xmp='http://ns.adobe.com/xap/1.0/' \
         xmlns:photoshop='http://ns.adobe.com/photoshop/1.0/' xmlns:exif='http://ns.adobe.com/exif/1.0/' \
         xmlns:tiff='http://ns.adobe.com/tiff/1.0/' {attributes}>{properties}</rdf:Description></rdf:RDF>\
         </x:xmpmeta><?xpacket end='w'?>"
    )
}

/// A Photoshop resource with IPTC datasets of record 2, as it stands in a JPEG's APP13.
pub fn iptc(datasets: &[(u8, &[u8])]) -> Vec<u8> {
    let mut iim = Vec::new();
    for (number, value) in datasets {
        iim.extend([0x1C, 2, *number]);
        iim.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        iim.extend(*value);
    }
    let mut resource = b"Photoshop 3.0\x008BIM\x04\x04\0\0".to_vec();
    resource.extend(u32::try_from(iim.len()).unwrap().to_be_bytes());
    resource.extend(iim);
    resource
}
