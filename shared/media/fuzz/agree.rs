//! The engine's decoders against others: where both decode a file, both must show the same. What is stored without loss
//! must be the same to the bit; of JPEG and lossy WebP luma may be off by 2 on average, for chroma is resized on the
//! way.

use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
    process::abort,
    sync::Once,
};

use image::{AnimationDecoder, DynamicImage, ImageDecoder, ImageFormat, codecs::gif::GifDecoder};
use sluice_media::{
    derive::{FirstSamples, first_frame},
    inspect,
    limits::Limits,
    sniff,
};
use tiff::{
    ColorType,
    decoder::{Decoder, DecodingResult},
};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

/// How far luma may be off on average where a file is lossy.
const TOLERANCE: u64 = 2;

/// A picture of another decoder: R, G, B, A, or luma alone.
struct Reference {
    size: (u32, u32),
    samples: FirstSamples,
}

/// Holds the picture of `bytes`, if they are of one of `types`, against another decoder's. A difference ends the
/// process.
pub fn agree(types: &[&str], bytes: &[u8]) {
    forgive_panics();
    let content_type = sniff::sniff(bytes).content_type;
    if !types.contains(&content_type) {
        return;
    }
    let limits = Limits { max_pixels: 1 << 20, max_edge: 4_096, ..Limits::for_memory(192 << 20) };
    // What is damaged every decoder shows in its own way; of several frames or pages there may be another first one.
    let Ok(ours) = first_frame(bytes, &limits) else { return };
    let Ok(header) = inspect(bytes) else { return };
    if ours.warned || header.frames > 1 {
        return;
    }
    let theirs = catch_unwind(AssertUnwindSafe(|| match content_type {
        "image/jpeg" => jpeg(bytes),
        "image/tiff" => tiff(bytes),
        "image/gif" => gif(bytes),
        "image/png" => by_image(bytes, ImageFormat::Png),
        _ => by_image(bytes, ImageFormat::WebP),
    }));
    let Ok(Some(theirs)) = theirs else { return };
    if ours.size != theirs.size {
        // A GIF's screen grows to its first frame here.
        if content_type != "image/gif" {
            differ(content_type, &format!("{:?} and {:?} pixels", ours.size, theirs.size));
        }
        return;
    }
    let lossy = is_lossy_webp(bytes) && content_type == "image/webp";
    match (&ours.samples, &theirs.samples) {
        (FirstSamples::Rgba(ours), FirstSamples::Rgba(theirs)) if !lossy => {
            // The colours of what is transparent don't show.
            let seen = |pixel: &[u8]| if pixel[3] == 0 { [0; 4] } else { [pixel[0], pixel[1], pixel[2], pixel[3]] };
            let pairs = ours.chunks_exact(4).zip(theirs.chunks_exact(4));
            if let Some(at) = pairs.clone().position(|(ours, theirs)| seen(ours) != seen(theirs)) {
                let (ours, theirs) = (&ours[4 * at..4 * at + 4], &theirs[4 * at..4 * at + 4]);
                differ(content_type, &format!("pixel {at} is {ours:?} and {theirs:?}"));
            }
        }
        (ours, theirs) => {
            let (ours, theirs) = (luma(ours), luma(theirs));
            let off: u64 = ours.iter().zip(&theirs).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            if off > TOLERANCE * ours.len() as u64 {
                differ(content_type, &format!("luma is off by {off} in {} pixels", ours.len()));
            }
        }
    }
}

/// Whether a WebP holds a lossy picture.
fn is_lossy_webp(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|window| window == b"VP8 ")
}

fn differ(content_type: &str, how: &str) {
    eprintln!("two decoders of {content_type} differ: {how}");
    abort();
}

/// Luma by BT.601, on white where something shows through.
fn luma(samples: &FirstSamples) -> Vec<u8> {
    match samples {
        FirstSamples::Luma(luma) => luma.clone(),
        FirstSamples::Rgba(pixels) => pixels
            .chunks_exact(4)
            .map(|pixel| {
                let [red, green, blue, alpha] = [0, 1, 2, 3].map(|at| u32::from(pixel[at]));
                let luma = (299 * red + 587 * green + 114 * blue + 500) / 1_000;
                u8::try_from((luma * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
            })
            .collect(),
    }
}

fn jpeg(bytes: &[u8]) -> Option<Reference> {
    let options = DecoderOptions::default().set_strict_mode(true).jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().ok()?;
    // Of other colours zune makes no luma.
    if !matches!(decoder.input_colorspace()?, ColorSpace::YCbCr | ColorSpace::Luma) {
        return None;
    }
    let luma = decoder.decode().ok()?;
    let (width, height) = decoder.dimensions()?;
    let size = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    (luma.len() == width * height).then_some(Reference { size, samples: FirstSamples::Luma(luma) })
}

fn by_image(bytes: &[u8], format: ImageFormat) -> Option<Reference> {
    let image = image::load_from_memory_with_format(bytes, format).ok()?;
    Some(of(&image))
}

fn of(image: &DynamicImage) -> Reference {
    let pixels = image.to_rgba8();
    Reference { size: pixels.dimensions(), samples: FirstSamples::Rgba(pixels.into_raw()) }
}

fn gif(bytes: &[u8]) -> Option<Reference> {
    let decoder = GifDecoder::new(Cursor::new(bytes)).ok()?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > 1 << 20 {
        return None;
    }
    let frame = decoder.into_frames().next()?.ok()?;
    Some(of(&frame.into_buffer().into()))
}

fn tiff(bytes: &[u8]) -> Option<Reference> {
    let mut decoder = Decoder::new(Cursor::new(bytes)).ok()?;
    let size = decoder.dimensions().ok()?;
    let colour = decoder.colortype().ok()?;
    let samples = match decoder.read_image().ok()? {
        DecodingResult::U8(samples) => samples,
        DecodingResult::U16(samples) => {
            samples.iter().map(|&sample| u8::try_from((u32::from(sample) + 128) / 257).unwrap_or(u8::MAX)).collect()
        }
        _ => return None,
    };
    let pixels: Vec<u8> = match colour {
        ColorType::Gray(8 | 16) => samples.iter().flat_map(|&grey| [grey, grey, grey, 255]).collect(),
        ColorType::RGB(8 | 16) => {
            samples.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect()
        }
        _ => return None,
    };
    let whole = pixels.len() as u64 == 4 * u64::from(size.0) * u64::from(size.1);
    whole.then_some(Reference { size, samples: FirstSamples::Rgba(pixels) })
}

/// Another decoder's panics aren't ours to find, and ours are found by other targets: none ends the process here.
fn forgive_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}
