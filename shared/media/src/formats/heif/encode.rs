//! Encoding AVIF, by `rav1e`, with an effort that a function can afford.
//!
//! Planes go to the encoder as they are: AV1 takes JFIF's `Y'CbCr` with halved chroma. What is told of the file is
//! sRGB by BT.601's matrix in the full range; metadata has no way in.
//!
//! | effort | 768 × 1024 | 1536 × 2048 | bytes |
//! |---|---|---|---|
//! | [`Effort::Quick`] | 0.3 s | 1.0 s | +2.4 % |
//! | [`Effort::Thorough`] | 0.6 s | 2.6 s | 0 |
//!
//! (one Zen 5 core, quality 60; a third of it with the feature `asm`.) rav1e's own presets 8 and 9, with all
//! sizes of blocks and prediction modes, take four times that for 8 % less.
//!
//! Invariants: no threads; time is bounded by [`MAX_PIXELS`].

use avif_serialize::{
    Aviffy,
    constants::{ColorPrimaries, MatrixCoefficients, TransferCharacteristics},
};
use rav1e::{
    color::{self, ChromaSamplePosition, ColorDescription, PixelRange},
    config::SpeedSettings,
    prelude::{
        BlockSize, ChromaSampling, Config, Context, EncoderConfig, EncoderStatus, PartitionRange,
        PredictionModesSetting, SceneDetectionSpeed,
    },
};
use sluice_pixels::{
    planar::{Planar, Plane},
    raster::{Canvas, Model},
};

use crate::error::MediaError;

/// Most pixels of a picture: what takes about five seconds by [`Effort::Thorough`].
pub(crate) const MAX_PIXELS: u64 = 2_560 * 2_560;

/// How long the encoder searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Effort {
    /// Blocks of 16 × 16.
    #[default]
    Quick,
    /// Blocks of 8 × 8, too.
    #[cfg_attr(not(test), expect(dead_code, reason = "measured beside the other, which profiles get"))]
    Thorough,
}

/// Encodes an opaque picture.
pub(crate) fn planar(picture: &Planar, quality: u8, effort: Effort) -> Result<Vec<u8>, MediaError> {
    let colour = coded(&picture.luma, picture.chroma.as_ref(), quality, effort)?;
    Ok(file(picture.size(), picture.chroma.is_none(), &colour, None))
}

/// Encodes a picture that may have alpha, which is kept.
pub(crate) fn canvas(canvas: &Canvas, quality: u8, effort: Effort) -> Result<Vec<u8>, MediaError> {
    let (picture, alpha) = planes(canvas);
    let colour = coded(&picture.luma, picture.chroma.as_ref(), quality, effort)?;
    // Errors in alpha are seen as fringes: it is coded better.
    let finer = quality.saturating_add(100) / 2;
    let alpha = alpha.map(|alpha| coded(&alpha, None, finer, effort)).transpose()?;
    Ok(file(picture.size(), picture.chroma.is_none(), &colour, alpha.as_deref()))
}

fn file((width, height): (u32, u32), grey: bool, colour: &[u8], alpha: Option<&[u8]>) -> Vec<u8> {
    Aviffy::new()
        .set_color_primaries(ColorPrimaries::Bt709)
        .set_transfer_characteristics(TransferCharacteristics::Srgb)
        .set_matrix_coefficients(MatrixCoefficients::Bt601)
        .set_full_color_range(true)
        .set_chroma_subsampling((true, true))
        .set_monochrome(grey)
        .set_seq_profile(0)
        .to_vec(colour, alpha, width, height, 8)
}

/// AV1's quantizer index for a quality from 1 to 100: as `ravif` has it, which fitted it to JPEG's scale.
fn quantizer(quality: u8) -> u8 {
    let quality = u32::from(quality.clamp(1, 100));
    // In thousandths of the whole.
    let coarse = match quality {
        82.. => (100 - quality) * 26,
        26..=81 => 875 - 5 * quality,
        _ => 1_000 - 10 * quality,
    };
    u8::try_from((coarse * 255 + 500) / 1_000).unwrap_or(u8::MAX)
}

fn speed(effort: Effort) -> SpeedSettings {
    let mut speed = SpeedSettings::from_preset(9);
    let smallest = match effort {
        Effort::Quick => BlockSize::BLOCK_16X16,
        Effort::Thorough => BlockSize::BLOCK_8X8,
    };
    speed.partition.partition_range = PartitionRange::new(smallest, BlockSize::BLOCK_16X16);
    speed.partition.encode_bottomup = false;
    speed.prediction.prediction_modes = PredictionModesSetting::Simple;
    speed.prediction.fine_directional_intra = false;
    speed.transform.rdo_tx_decision = false;
    speed.transform.reduced_tx_set = true;
    speed.transform.tx_domain_rate = false;
    speed.transform.enable_inter_tx_split = true;
    // Filters against what low qualities do; and what only video needs.
    speed.cdef = false;
    speed.lrf = false;
    speed.fast_deblock = true;
    speed.multiref = false;
    speed.rdo_lookahead_frames = 1;
    speed.scene_detection_mode = SceneDetectionSpeed::None;
    speed.motion.include_near_mvs = false;
    speed
}

/// The bitstream of one picture.
fn coded(
    luma: &Plane,
    chroma: Option<&[Plane; 2]>,
    quality: u8,
    effort: Effort,
) -> Result<Vec<u8>, MediaError> {
    let pixels = u64::from(luma.width) * u64::from(luma.height);
    if pixels > MAX_PIXELS {
        return Err(MediaError::encode(format!("AVIF of {pixels} pixels, at most {MAX_PIXELS} are made")));
    }
    let quantizer = quantizer(quality);
    let config = Config::new().with_threads(1).with_encoder_config(EncoderConfig {
        width: luma.width as usize,
        height: luma.height as usize,
        bit_depth: 8,
        chroma_sampling: if chroma.is_some() { ChromaSampling::Cs420 } else { ChromaSampling::Cs400 },
        chroma_sample_position: ChromaSamplePosition::Unknown,
        pixel_range: PixelRange::Full,
        color_description: chroma.map(|_| ColorDescription {
            color_primaries: color::ColorPrimaries::BT709,
            transfer_characteristics: color::TransferCharacteristics::SRGB,
            matrix_coefficients: color::MatrixCoefficients::BT601,
        }),
        still_picture: true,
        low_latency: false,
        min_key_frame_interval: 0,
        max_key_frame_interval: 0,
        quantizer: quantizer.into(),
        min_quantizer: quantizer,
        tiles: 1,
        speed_settings: speed(effort),
        ..EncoderConfig::default()
    });
    let mut context: Context<u8> = config.new_context().map_err(MediaError::encode)?;
    let mut frame = context.new_frame();
    let sources = std::iter::once(luma).chain(chroma.into_iter().flatten());
    for (plane, source) in frame.planes.iter_mut().zip(sources) {
        plane.copy_from_raw_u8(&source.samples, source.width as usize, 1);
    }
    context.send_frame(frame).map_err(MediaError::encode)?;
    context.flush();
    let mut bytes = Vec::new();
    loop {
        match context.receive_packet() {
            Ok(packet) => bytes.extend(packet.data),
            Err(EncoderStatus::Encoded) => {}
            Err(EncoderStatus::LimitReached) => return Ok(bytes),
            Err(error) => return Err(MediaError::encode(error)),
        }
    }
}

/// `Y'CbCr` with halved chroma (JFIF 1.02), and alpha.
fn planes(canvas: &Canvas) -> (Planar, Option<Plane>) {
    let size = canvas.size();
    let plane = |(width, height): (u32, u32), samples| Plane { width, height, samples };
    let channels = canvas.model.channels();
    let channel =
        |at: usize| -> Vec<u8> { canvas.pixels.iter().skip(at).step_by(channels).copied().collect() };
    let alpha = canvas.model.has_alpha().then(|| plane(size, channel(channels - 1)));
    if matches!(canvas.model, Model::Gray | Model::GrayAlpha) {
        return (Planar { luma: plane(size, channel(0)), chroma: None }, alpha);
    }
    // In 2¹⁶ths.
    let rgb = |pixel: &[u8]| [pixel[0], pixel[1], pixel[2]].map(i32::from);
    let luma = canvas
        .pixels
        .chunks_exact(channels)
        .map(|pixel| {
            let [r, g, b] = rgb(pixel);
            byte(19_595 * r + 38_470 * g + 7_471 * b, 16)
        })
        .collect();
    let halved = Planar::chroma_size(size);
    let (width, height) = (size.0 as usize, size.1 as usize);
    let mut chroma = [(); 2].map(|()| Vec::with_capacity(halved.0 as usize * halved.1 as usize));
    for y in (0..height).step_by(2) {
        for x in (0..width).step_by(2) {
            let (right, below) = ((x + 1).min(width - 1), (y + 1).min(height - 1));
            let mut sum = [0; 3];
            for (x, y) in [(x, y), (right, y), (x, below), (right, below)] {
                let at = (y * width + x) * channels;
                for (sum, sample) in sum.iter_mut().zip(rgb(&canvas.pixels[at..])) {
                    *sum += sample;
                }
            }
            let [r, g, b] = sum;
            chroma[0].push(byte((128 << 18) - 11_059 * r - 21_709 * g + 32_768 * b, 18));
            chroma[1].push(byte((128 << 18) + 32_768 * r - 27_439 * g - 5_329 * b, 18));
        }
    }
    let chroma = chroma.map(|samples| plane(halved, samples));
    (Planar { luma: plane(size, luma), chroma: Some(chroma) }, alpha)
}

/// A number with `bits` behind the point, rounded to a byte.
#[expect(clippy::cast_sign_loss, reason = "it is clamped")]
fn byte(value: i32, bits: u32) -> u8 {
    ((value + (1 << (bits - 1))) >> bits).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::heif::header::parse;

    fn gradient(width: u32, height: u32, model: Model) -> Canvas {
        let pixels = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| {
                let part = |at: u32, of: u32| u8::try_from(at * 255 / of.max(1)).unwrap();
                let pixel = [part(x, width), part(y, height), 99, part(x + y, width + height)];
                match model {
                    Model::Gray => vec![pixel[0]],
                    Model::GrayAlpha => vec![pixel[0], pixel[3]],
                    Model::Rgb => pixel[..3].to_vec(),
                    _ => pixel.to_vec(),
                }
            })
            .collect();
        Canvas { width, height, model, pixels }
    }

    #[test]
    fn every_model_and_odd_sizes_become_files_that_are_read_again() {
        for model in [Model::Gray, Model::GrayAlpha, Model::Rgb, Model::Rgba] {
            for (width, height) in [(1, 1), (17, 9), (64, 48)] {
                let source = gradient(width, height, model);
                let bytes = canvas(&source, 80, Effort::Quick).unwrap();
                let header = parse(&bytes).unwrap();
                assert_eq!(header.facts.content_type, "image/avif");
                assert_eq!(header.facts.size(), (width, height));
                assert_eq!(header.head.picture.alpha.is_some(), model.has_alpha());
                assert!(
                    header.facts.exif.is_none()
                        && header.facts.icc.is_none()
                        && header.head.container.xmp().is_none()
                );
            }
        }
    }

    #[test]
    fn effort_and_quality_cost_what_they_say() {
        let (picture, _) = planes(&gradient(128, 96, Model::Rgb));
        let length = |quality, effort| planar(&picture, quality, effort).unwrap().len();
        assert!(length(90, Effort::Quick) > length(40, Effort::Quick));
        assert!(length(60, Effort::Thorough) > 0);
    }

    #[test]
    fn what_would_take_too_long_is_refused() {
        let plane = |width, height| Plane { width, height, samples: Vec::new() };
        let error = coded(&plane(2_561, 2_560), None, 60, Effort::Quick).unwrap_err();
        assert!(error.to_string().contains("at most"));
    }

    #[test]
    fn quantizers_follow_the_quality() {
        assert_eq!(quantizer(100), 0);
        assert_eq!(quantizer(60), 147);
        assert_eq!(quantizer(0), quantizer(1));
        assert!((1..100).all(|quality| quantizer(quality) >= quantizer(quality + 1)));
    }
}
