//! Pictures laid over each other: each is decoded whole, made sRGB, turned, and laid onto the canvas at its place.

use std::borrow::Cow;

use sluice_pixels::{
    colour::to_srgb,
    planar::{Colour, Pixels},
    raster::{Model, Raster, Samples},
    resample::Resampler,
};

use super::single;
use crate::{
    decode::still::{Still, Want},
    error::{MediaError, Warning},
    formats::heif::header::{Container, Overlay, Picture},
    limits::Limits,
};

pub(super) fn decode<'a>(
    container: &Container<'_>,
    picture: &Picture<'_>,
    overlay: &Overlay<'_>,
    want: &Want<'_>,
) -> Result<Still<'a>, MediaError> {
    check(overlay, want.limits)?;
    let (width, height) = picture.mosaic.size;
    let fill = overlay.fill.map(|sample| sample.to_be_bytes()[0]);
    let mut canvas = fill.repeat(width as usize * height as usize);
    let mut warnings: Vec<Warning> = Vec::new();
    let mut first_error = None;
    let mut laid = 0;
    for (place, layer) in &overlay.layers {
        match upright(container, layer, want.limits) {
            Ok((raster, told)) => {
                lay(&raster, *place, &mut canvas, width as usize);
                laid += 1;
                warnings.extend(
                    told.into_iter().filter(|warning| !warnings.contains(warning)).collect::<Vec<_>>(),
                );
            }
            Err(error) => drop(first_error.get_or_insert(error)),
        }
    }
    match first_error {
        Some(error) if laid == 0 => return Err(error),
        Some(_) => warnings.push(Warning::new(
            "corrupt_data",
            "one of the pictures that the image is made of is damaged, it is missing",
        )),
        None => {}
    }
    let crop = picture.crop;
    let mut resampler = Resampler::<u8>::new((crop.width, crop.height), want.target, Model::Rgba);
    let (left, length) = (crop.left as usize * 4, crop.width as usize * 4);
    let rows = canvas.chunks_exact(width as usize * 4).skip(crop.top as usize).take(crop.height as usize);
    rows.filter_map(|row| row.get(left..left + length)).for_each(|row| resampler.push(row));
    let pixels = Pixels::Raster(resampler.finish()?);
    Ok(Still { pixels, colour: Colour::Srgb, orientation: None, warnings })
}

/// Holds the pictures together against what one may have.
fn check(overlay: &Overlay<'_>, limits: &Limits) -> Result<(), MediaError> {
    let mut pixels = 0_u64;
    for (_, layer) in &overlay.layers {
        let (width, height) = layer.mosaic.size;
        pixels = pixels.saturating_add(u64::from(width) * u64::from(height));
        if width > limits.max_edge || height > limits.max_edge {
            return Err(MediaError::EdgeTooLong { width, height, limit: limits.max_edge });
        }
        if pixels > limits.max_pixels {
            return Err(MediaError::TooManyPixels { width, height, pixels, limit: limits.max_pixels });
        }
    }
    Ok(())
}

/// A picture as it is shown, in RGBA of 8 bits.
fn upright(
    container: &Container<'_>,
    layer: &Picture<'_>,
    limits: &Limits,
) -> Result<(Raster, Vec<Warning>), MediaError> {
    let icc = layer.icc.map(Cow::Borrowed);
    let still = single(container, layer, icc.as_ref(), (layer.crop.width, layer.crop.height), limits)?;
    // A profile that can't be used has its picture taken for sRGB.
    let canvas = match to_srgb(still.pixels, &still.colour, &mut Vec::new()) {
        Pixels::Planar(planar) => planar.to_canvas(),
        Pixels::Raster(raster) => raster.into_canvas()?,
    };
    let canvas = canvas.orient(layer.orientation);
    let (width, height) = canvas.size();
    let raster = Raster { width, height, model: Model::Rgba, samples: Samples::Eight(canvas.rgba()) };
    Ok((raster, still.warnings))
}

/// Lays what of a picture is within the canvas of `width` pixels across over what is there.
fn lay(raster: &Raster, (left, top): (i64, i64), canvas: &mut [u8], width: usize) {
    let Samples::Eight(samples) = &raster.samples else { return };
    let rows = samples.chunks_exact((raster.width as usize * 4).max(1));
    for (row, y) in rows.zip(top..) {
        let Some(line) = usize::try_from(y).ok().and_then(|y| canvas.chunks_exact_mut(width * 4).nth(y))
        else {
            continue;
        };
        for (source, x) in row.as_chunks::<4>().0.iter().zip(left..) {
            let place = usize::try_from(x).ok().and_then(|x| line.as_chunks_mut::<4>().0.get_mut(x));
            if let Some(place) = place {
                *place = over(*source, *place);
            }
        }
    }
}

/// `source` over `below`, neither premultiplied.
fn over(source: [u8; 4], below: [u8; 4]) -> [u8; 4] {
    let (alpha, under) = (u32::from(source[3]), u32::from(below[3]));
    match alpha {
        0 => return below,
        255 => return source,
        _ => {}
    }
    // In 255ths of 255ths.
    let whole = alpha * 255 + under * (255 - alpha);
    let mix = |at: usize| {
        let sum = u32::from(source[at]) * alpha * 255 + u32::from(below[at]) * under * (255 - alpha);
        u8::try_from((sum + whole / 2) / whole).unwrap_or(u8::MAX)
    };
    [mix(0), mix(1), mix(2), u8::try_from((whole + 127) / 255).unwrap_or(u8::MAX)]
}
