//! From bytes to rasters.
//!
//! Everything here runs on hostile bytes: call it within [`crate::error::contained`], with a header that
//! passed the limits. What a broken file still shows is kept and told as a warning.

mod bmp;
#[allow(dead_code)]
mod frames;
#[allow(dead_code)]
mod gif;
mod heif;
mod jpeg;
mod png;
mod raw;
mod svg;
mod tiff;
#[allow(dead_code)]
mod webp;

use std::borrow::Cow;
use std::io::Cursor;
use std::time::Duration;

use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::LoopCount;
use image::{AnimationDecoder, DynamicImage, Frames, ImageDecoder, ImageError};

use crate::error::{MediaError, Warning};
use crate::header::{Format, Header};
use crate::limits::Limits;
use crate::native;
use crate::raster::{Model, Raster, Samples};

/// Browsers show a frame that claims 10 ms or less for 100 ms; files are made for that.
const SHORTEST_FRAME_MS: u32 = 11;
const INSTEAD_OF_SHORTER_MS: u32 = 100;
/// The longest a GIF can say: 65,535 hundredths of a second.
const LONGEST_FRAME_MS: u32 = 655_350;

/// The first or only frame.
pub(crate) struct Still<'a> {
    pub raster: Raster,
    pub icc: Option<Cow<'a, [u8]>>,
    pub warnings: Vec<Warning>,
}

/// Decodes the first frame at the smallest size that the decoder gives and that isn't below `target`.
pub(crate) fn still<'a>(
    bytes: &'a [u8],
    header: &Header<'a>,
    target: (u32, u32),
    limits: &Limits,
) -> Result<Still<'a>, MediaError> {
    match header.format {
        Format::Jpeg => jpeg_still(bytes, header, target),
        Format::Png => {
            let mut decoder =
                PngDecoder::with_limits(Cursor::new(bytes), decoder_limits(limits)).map_err(refused)?;
            let icc = decoder.icc_profile().map_err(refused)?.map(Cow::Owned);
            finish(decoder, icc)
        }
        Format::WebP if !header.animated => {
            let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(refused)?;
            decoder.set_limits(decoder_limits(limits)).map_err(refused)?;
            finish(decoder, header.icc.clone())
        }
        Format::Gif | Format::WebP => {
            let mut animation = animation(bytes, header, limits)?;
            let (raster, _) = animation
                .frames
                .next()
                .unwrap_or_else(|| Err(MediaError::corrupt("the animation has no frame")))?;
            Ok(Still { raster, icc: animation.icc, warnings: Vec::new() })
        }
        other => Err(MediaError::Unsupported { found: other.content_type().to_owned() }),
    }
}

/// An animation's frames, composed to the whole canvas, each with its duration in milliseconds.
pub(crate) struct Animated<'a> {
    pub frames: Box<dyn Iterator<Item = Result<(Raster, u32), MediaError>> + 'a>,
    pub icc: Option<Cow<'a, [u8]>>,
    /// How often it plays, 0 for ever.
    pub loops: u32,
}

/// Starts decoding an animation; frames are decoded as they are asked for.
pub(crate) fn animation<'a>(
    bytes: &'a [u8],
    header: &Header<'a>,
    limits: &Limits,
) -> Result<Animated<'a>, MediaError> {
    let lent = match header.format {
        Format::Gif => Some(gif::animation(bytes, header, limits)?),
        Format::WebP => Some(webp::animation(bytes, header)?),
        _ => None,
    };
    if let Some(frames::Animation { mut frames, icc, loops }) = lent {
        let copies = std::iter::from_fn(move || {
            frames
                .next_frame()
                .map(|frame| frame.map(|frame| (frame.to_raster(), frame.duration_ms)))
                .transpose()
        });
        return Ok(Animated { frames: Box::new(copies), icc, loops });
    }
    let (frames, icc, loops) = match header.format {
        Format::Png => {
            let mut decoder =
                PngDecoder::with_limits(Cursor::new(bytes), decoder_limits(limits)).map_err(refused)?;
            let icc = decoder.icc_profile().map_err(refused)?.map(Cow::Owned);
            let decoder = decoder.apng().map_err(refused)?;
            let loops = decoder.loop_count();
            (decoder.into_frames(), icc, loops)
        }
        _ => return Err(MediaError::corrupt("the format has no frames")),
    };
    let loops = match loops {
        LoopCount::Infinite => 0,
        LoopCount::Finite(times) => times.get(),
    };
    Ok(Animated { frames: Box::new(rasters(frames)), icc, loops })
}

fn rasters(frames: Frames<'_>) -> impl Iterator<Item = Result<(Raster, u32), MediaError>> {
    frames.map(|frame| {
        let frame = frame.map_err(refused)?;
        let duration = u32::try_from(Duration::from(frame.delay()).as_millis()).unwrap_or(LONGEST_FRAME_MS);
        let duration = if duration < SHORTEST_FRAME_MS { INSTEAD_OF_SHORTER_MS } else { duration };
        let buffer = frame.into_buffer();
        let (width, height) = buffer.dimensions();
        let samples = Samples::Eight(buffer.into_raw());
        Ok((Raster { width, height, model: Model::Rgba, samples }, duration.min(LONGEST_FRAME_MS)))
    })
}

fn jpeg_still<'a>(bytes: &[u8], header: &Header<'a>, target: (u32, u32)) -> Result<Still<'a>, MediaError> {
    let decoded = native::jpeg::decode(bytes, header.dct_eighths(target))?;
    let mut raster = decoded.raster;
    let (adobe, complete) = header.jpeg.as_ref().map_or((false, true), |jpeg| (jpeg.adobe, jpeg.complete));
    if let (Model::Cmyk, true, Samples::Eight(inks)) = (raster.model, adobe, &mut raster.samples) {
        // Adobe's writers store light in place of ink.
        for ink in inks {
            *ink = !*ink;
        }
    }
    let mut warnings = Vec::new();
    if !complete {
        warnings.push(Warning::new(
            "truncated",
            "the file ends before the image does, the rest is gray or blurred",
        ));
    } else if decoded.damages > 0 {
        warnings.push(Warning::new(
            "corrupt_data",
            format!("the image data is damaged ({} faults), parts of it may look wrong", decoded.damages),
        ));
    }
    Ok(Still { raster, icc: header.icc.clone(), warnings })
}

fn finish(decoder: impl ImageDecoder, icc: Option<Cow<'_, [u8]>>) -> Result<Still<'_>, MediaError> {
    let image = DynamicImage::from_decoder(decoder).map_err(refused)?;
    let (width, height) = (image.width(), image.height());
    let (model, samples) = match image {
        DynamicImage::ImageLuma8(image) => (Model::Gray, Samples::Eight(image.into_raw())),
        DynamicImage::ImageLumaA8(image) => (Model::GrayAlpha, Samples::Eight(image.into_raw())),
        DynamicImage::ImageRgb8(image) => (Model::Rgb, Samples::Eight(image.into_raw())),
        DynamicImage::ImageRgba8(image) => (Model::Rgba, Samples::Eight(image.into_raw())),
        DynamicImage::ImageLuma16(image) => (Model::Gray, Samples::Sixteen(image.into_raw())),
        DynamicImage::ImageLumaA16(image) => (Model::GrayAlpha, Samples::Sixteen(image.into_raw())),
        DynamicImage::ImageRgb16(image) => (Model::Rgb, Samples::Sixteen(image.into_raw())),
        DynamicImage::ImageRgba16(image) => (Model::Rgba, Samples::Sixteen(image.into_raw())),
        other => (Model::Rgba, Samples::Sixteen(other.into_rgba16().into_raw())),
    };
    Ok(Still { raster: Raster { width, height, model, samples }, icc, warnings: Vec::new() })
}

/// A second net below [`Limits::check`], for what a file says only behind its header.
fn decoder_limits(limits: &Limits) -> image::Limits {
    let mut bounds = image::Limits::default();
    bounds.max_image_width = Some(limits.max_edge);
    bounds.max_image_height = Some(limits.max_edge);
    bounds.max_alloc = Some(limits.max_memory);
    bounds
}

fn refused(error: ImageError) -> MediaError {
    match error {
        ImageError::Unsupported(error) => MediaError::Unsupported { found: error.to_string() },
        other => MediaError::corrupt(other),
    }
}
