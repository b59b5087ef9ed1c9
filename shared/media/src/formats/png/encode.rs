//! Writing PNG, for derivatives that must stay transparent or without loss.
//!
//! The picture is written with no more channels than it needs and no chunk but those that hold it. Each row's filter
//! is chosen by the smallest sum of differences. Deflate's third level, by `zlib-rs`: of a graphic of 3 megapixels,
//! level 6 makes 0.6 of the size in 2.6 times the time, of a photo 0.96 in 5 times. `fdeflate`'s one level takes a
//! quarter of the time on a photo, but finds nothing that repeats: a graphic becomes 16 times as large.

use png::{BitDepth, ColorType, DeflateCompression, Encoder, Filter};
use sluice_pixels::raster::{Canvas, Model};

use crate::error::MediaError;

/// Deflate's effort, 1 to 9.
const LEVEL: u8 = 3;

/// Encodes a PNG of 8 bits a sample.
pub(crate) fn encode(canvas: &Canvas) -> Result<Vec<u8>, MediaError> {
    let (model, pixels) = reduced(canvas);
    let colour = match model {
        Model::Gray => ColorType::Grayscale,
        Model::GrayAlpha => ColorType::GrayscaleAlpha,
        Model::Rgb => ColorType::Rgb,
        Model::Rgba => ColorType::Rgba,
        Model::Cmyk => return Err(MediaError::encode("PNG has no inks")),
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, canvas.width, canvas.height);
    encoder.set_color(colour);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_deflate_compression(DeflateCompression::Level(LEVEL));
    encoder.set_filter(Filter::Adaptive);
    let mut writer = encoder.write_header().map_err(MediaError::encode)?;
    writer.write_image_data(&pixels).map_err(MediaError::encode)?;
    writer.finish().map_err(MediaError::encode)?;
    Ok(bytes)
}

/// The same picture without alpha that is opaque throughout, and without colour that is gray throughout.
fn reduced(canvas: &Canvas) -> (Model, std::borrow::Cow<'_, [u8]>) {
    let pixels = &canvas.pixels;
    let channels = canvas.model.channels();
    let has_alpha = canvas.model.has_alpha();
    let has_colour = matches!(canvas.model, Model::Rgb | Model::Rgba);
    let alpha =
        has_alpha && pixels.iter().skip(channels - 1).step_by(channels).any(|&alpha| alpha != u8::MAX);
    let colour =
        has_colour && pixels.chunks_exact(channels).any(|pixel| pixel[0] != pixel[1] || pixel[1] != pixel[2]);
    let model = match (colour, alpha) {
        _ if canvas.model == Model::Cmyk => Model::Cmyk,
        (false, false) => Model::Gray,
        (false, true) => Model::GrayAlpha,
        (true, false) => Model::Rgb,
        (true, true) => Model::Rgba,
    };
    if model == canvas.model {
        return (model, pixels.into());
    }
    let colours = if colour { 3 } else { 1 };
    let mut kept = Vec::with_capacity(pixels.len() / channels * model.channels());
    for pixel in pixels.chunks_exact(channels) {
        kept.extend(&pixel[..colours]);
        if alpha {
            kept.extend(pixel.last());
        }
    }
    (model, kept.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canvas(model: Model, pixels: &[u8]) -> Canvas {
        let width = u32::try_from(pixels.len() / model.channels()).unwrap();
        Canvas { width, height: 1, model, pixels: pixels.to_vec() }
    }

    #[test]
    fn no_more_channels_than_needed_and_no_loss() {
        let cases: [(Model, &[u8], image::ColorType); 9] = [
            (Model::Gray, &[1, 2, 255], image::ColorType::L8),
            (Model::GrayAlpha, &[1, 255, 2, 255], image::ColorType::L8),
            (Model::GrayAlpha, &[1, 255, 2, 254], image::ColorType::La8),
            (Model::Rgb, &[1, 1, 1, 2, 2, 2], image::ColorType::L8),
            (Model::Rgb, &[1, 1, 1, 2, 2, 3], image::ColorType::Rgb8),
            (Model::Rgba, &[1, 1, 1, 255, 9, 9, 9, 255], image::ColorType::L8),
            (Model::Rgba, &[1, 1, 1, 255, 9, 9, 9, 0], image::ColorType::La8),
            (Model::Rgba, &[1, 1, 1, 255, 9, 8, 9, 255], image::ColorType::Rgb8),
            (Model::Rgba, &[1, 1, 1, 7, 9, 8, 9, 255], image::ColorType::Rgba8),
        ];
        for (model, pixels, colour) in cases {
            let canvas = canvas(model, pixels);
            let decoded = image::load_from_memory(&encode(&canvas).unwrap()).unwrap();
            assert_eq!(decoded.color(), colour);
            assert_eq!(decoded.to_rgba8().into_raw(), canvas.rgba());
        }
    }

    #[test]
    fn nothing_but_the_picture_is_written() {
        let pixels: Vec<u8> = (0..200 * 4).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let bytes = encode(&canvas(Model::Rgba, &pixels)).unwrap();
        let (mut at, mut kinds) = (8, Vec::new());
        while at < bytes.len() {
            let length = u32::from_be_bytes(*bytes[at..].first_chunk().unwrap()) as usize;
            kinds.push(&bytes[at + 4..at + 8]);
            at += length + 12;
        }
        assert_eq!(kinds, [&b"IHDR"[..], b"IDAT", b"IEND"]);
    }
}
