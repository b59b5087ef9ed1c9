//! Decoding by the `image` crate: the whole picture, then the resize.

use image::{ColorType, ImageDecoder};
use sluice_pixels::{
    planar::{Colour, Pixels},
    raster::{Model, Raster},
    resample::{Resampler, Sample},
};

use super::header::ViaImage;
use crate::{
    decode::{
        memory::resizing,
        still::{Still, Want},
    },
    error::MediaError,
    facts::Header,
};

/// What the decoders keep beside the picture: some rows.
const DECODER_BYTES: u64 = 1 << 20;

/// Peak bytes beside the input that [`decode`] takes, from the header alone.
pub(super) fn memory(header: &Header<'_, ViaImage<'_>>, target: (u32, u32)) -> u64 {
    let rows = 8 * u64::from(header.facts.width) * u64::from(header.facts.bytes_per_pixel);
    let kept = header.head.bytes.saturating_add(DECODER_BYTES).saturating_add(rows);
    kept.saturating_add(resizing(&header.facts, target))
}

/// Decodes the picture.
pub(super) fn decode<'a>(
    header: &Header<'a, ViaImage<'a>>,
    want: &Want<'_>,
) -> Result<Still<'a>, MediaError> {
    let mut decoder = header.head.open(want.limits.max_memory)?;
    let (size, colour) = (decoder.dimensions(), decoder.color_type());
    if size != header.facts.size() || decoder.total_bytes() != header.head.bytes {
        return Err(MediaError::corrupt("the picture is of another size than its header says"));
    }
    let profile = decoder.icc_profile().map_err(MediaError::corrupt)?;
    let mut samples = vec![0; usize::try_from(header.head.bytes).map_err(MediaError::corrupt)?];
    decoder.read_image(&mut samples).map_err(MediaError::corrupt)?;
    let model = match colour {
        ColorType::L8 | ColorType::L16 => Model::Gray,
        ColorType::La8 | ColorType::La16 => Model::GrayAlpha,
        ColorType::Rgb8 | ColorType::Rgb16 => Model::Rgb,
        _ => Model::Rgba,
    };
    let deep = usize::from(colour.bytes_per_pixel()) > model.channels();
    let raster = if deep {
        let wide = |row: &[u8]| row.as_chunks().0.iter().map(|&bytes| u16::from_ne_bytes(bytes)).collect();
        resized::<u16>(&samples, 2, size, want.target, model, wide)?
    } else {
        resized::<u8>(&samples, 1, size, want.target, model, <[u8]>::to_vec)?
    };
    let colour = profile.map_or(Colour::Srgb, |profile| Colour::Icc(profile.into()));
    Ok(Still { pixels: Pixels::Raster(raster), colour, orientation: None, warnings: Vec::new() })
}

fn resized<T: Sample>(
    samples: &[u8],
    bytes: usize,
    size: (u32, u32),
    target: (u32, u32),
    model: Model,
    row: impl Fn(&[u8]) -> Vec<T>,
) -> Result<Raster, MediaError> {
    let mut resampler = Resampler::<T>::new(size, target, model);
    for stored in samples.chunks_exact((size.0 as usize * model.channels() * bytes).max(1)) {
        resampler.push(&row(stored));
    }
    Ok(resampler.finish()?)
}
