//! To sRGB, 8 bits: the colour space of every derivative.
//!
//! Derivatives carry no profile, which every viewer reads as sRGB. So a picture with a profile of another
//! space is converted (after its resize, when it is small), and one whose profile can't be used gets a
//! warning: colours are never changed in silence. A profile that means sRGB in all but name costs nothing:
//! it is tried on a few colours first and left out if none of them moves.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformExecutor, TransformOptions};

use crate::error::{MediaError, Warning, contained};
use crate::raster::{Canvas, Model, Raster, Samples};

/// Converts `raster` to sRGB of 8 bits, by its ICC profile if it has one.
pub(crate) fn to_srgb(raster: Raster, icc: Option<&[u8]>, warnings: &mut Vec<Warning>) -> Canvas {
    let Some(icc) = icc else { return without_profile(raster) };
    match contained(|| by_profile(&raster, icc)) {
        Ok(Some(canvas)) => canvas,
        Ok(None) => without_profile(raster),
        Err(error) => {
            let reason = match error {
                MediaError::Corrupt { reason } => reason,
                other => other.to_string(),
            };
            let warning = Warning::new(
                "colour_profile_ignored",
                format!("colours may be off, the profile can't be used: {reason}"),
            );
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
            without_profile(raster)
        }
    }
}

/// `None` when the profile means sRGB.
fn by_profile(raster: &Raster, icc: &[u8]) -> Result<Option<Canvas>, MediaError> {
    let profile = ColorProfile::new_from_slice(icc).map_err(MediaError::corrupt)?;
    let srgb = ColorProfile::new_srgb();
    let (from, to, model) = layouts(raster.model);
    let expected = match raster.model {
        Model::Gray | Model::GrayAlpha => DataColorSpace::Gray,
        Model::Rgb | Model::Rgba => DataColorSpace::Rgb,
        Model::Cmyk => DataColorSpace::Cmyk,
    };
    if profile.color_space != expected {
        return Err(MediaError::corrupt(format!(
            "it describes {:?} but the picture is {expected:?}",
            profile.color_space
        )));
    }
    let options = TransformOptions::default();
    let (width, height) = (raster.width, raster.height);
    let transform = profile.create_transform_8bit(from, &srgb, to, options).map_err(MediaError::corrupt)?;
    if raster.model != Model::Cmyk && is_identity(&*transform, raster.model, model)? {
        return Ok(None);
    }
    let pixels = match &raster.samples {
        Samples::Eight(samples) => run(&*transform, samples, raster.model, model)?,
        Samples::Sixteen(samples) => {
            let transform =
                profile.create_transform_16bit(from, &srgb, to, options).map_err(MediaError::corrupt)?;
            to_eight_bits(&run(&*transform, samples, raster.model, model)?)
        }
    };
    Ok(Some(Canvas { width, height, model, pixels }))
}

const fn layouts(model: Model) -> (Layout, Layout, Model) {
    match model {
        Model::Gray => (Layout::Gray, Layout::Rgb, Model::Rgb),
        Model::GrayAlpha => (Layout::GrayAlpha, Layout::Rgba, Model::Rgba),
        Model::Rgb => (Layout::Rgb, Layout::Rgb, Model::Rgb),
        Model::Rgba => (Layout::Rgba, Layout::Rgba, Model::Rgba),
        // moxcms takes the four inks in the layout of RGBA.
        Model::Cmyk => (Layout::Rgba, Layout::Rgb, Model::Rgb),
    }
}

fn run<T: Copy + Default>(
    transform: &(dyn TransformExecutor<T> + Send + Sync),
    samples: &[T],
    from: Model,
    to: Model,
) -> Result<Vec<T>, MediaError> {
    let mut converted = vec![T::default(); samples.len() / from.channels() * to.channels()];
    transform.transform(samples, &mut converted).map_err(MediaError::corrupt)?;
    Ok(converted)
}

/// Whether a lattice of colours comes out as it went in, give or take one step.
fn is_identity(
    transform: &(dyn TransformExecutor<u8> + Send + Sync),
    from: Model,
    to: Model,
) -> Result<bool, MediaError> {
    const STEPS: [u8; 6] = [0, 51, 102, 153, 204, 255];
    let mut colours = Vec::new();
    for red in STEPS {
        for green in STEPS {
            for blue in STEPS {
                colours.push([red, green, blue]);
            }
        }
    }
    let gray = matches!(from, Model::Gray | Model::GrayAlpha);
    let lattice: Vec<u8> = colours
        .iter()
        .flat_map(|&[red, green, blue]| match from {
            Model::Gray => vec![red],
            Model::GrayAlpha => vec![red, 255],
            Model::Rgb => vec![red, green, blue],
            Model::Rgba | Model::Cmyk => vec![red, green, blue, 255],
        })
        .collect();
    let converted = run(transform, &lattice, from, to)?;
    Ok(colours.iter().zip(converted.chunks_exact(to.channels())).all(|(colour, got)| {
        let expected = if gray { [colour[0]; 3] } else { *colour };
        expected.iter().zip(got).all(|(expected, got)| expected.abs_diff(*got) <= 1)
    }))
}

/// Samples as they are, taken for sRGB; inks by the plain formula.
fn without_profile(raster: Raster) -> Canvas {
    let Raster { width, height, model, samples } = raster;
    let samples = match samples {
        Samples::Eight(samples) => samples,
        Samples::Sixteen(samples) => to_eight_bits(&samples),
    };
    match model {
        Model::Cmyk => {
            let pixels = samples.as_chunks::<4>().0.iter().flat_map(|&[cyan, magenta, yellow, black]| {
                [cyan, magenta, yellow].map(|ink| {
                    let light = u32::from(255 - ink) * u32::from(255 - black);
                    u8::try_from((light + 127) / 255).unwrap_or(u8::MAX)
                })
            });
            Canvas { width, height, model: Model::Rgb, pixels: pixels.collect() }
        }
        _ => Canvas { width, height, model, pixels: samples },
    }
}

/// Rounds each sample to the nearest of 8 bits.
fn to_eight_bits(samples: &[u16]) -> Vec<u8> {
    samples.iter().map(|&sample| u8::try_from((u32::from(sample) + 128) / 257).unwrap_or(u8::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(model: Model, samples: Samples) -> Raster {
        Raster { width: 1, height: 1, model, samples }
    }

    #[test]
    fn display_p3_becomes_srgb() {
        let icc = ColorProfile::new_display_p3().encode().unwrap();
        let mut warnings = Vec::new();
        // CSS Color 4: color(display-p3 0.8 0.4 0.2) is about rgb(217, 96, 34).
        let p3 = one(Model::Rgb, Samples::Eight(vec![204, 102, 51]));
        let canvas = to_srgb(p3, Some(&icc), &mut warnings);
        for (got, expected) in canvas.pixels.iter().zip([217_u8, 96, 34]) {
            assert!(got.abs_diff(expected) <= 3, "{:?}", canvas.pixels);
        }
        let deep = one(Model::Rgba, Samples::Sixteen(vec![204 * 257, 102 * 257, 51 * 257, 0x8080]));
        let deep = to_srgb(deep, Some(&icc), &mut warnings);
        for (got, expected) in
            deep.pixels.iter().zip([canvas.pixels[0], canvas.pixels[1], canvas.pixels[2], 128])
        {
            assert!(got.abs_diff(expected) <= 1, "{:?}", deep.pixels);
        }
        assert_eq!(warnings, []);
    }

    #[test]
    fn a_profile_that_means_srgb_changes_nothing() {
        let icc = ColorProfile::new_srgb().encode().unwrap();
        let raster = one(Model::Rgb, Samples::Eight(vec![1, 128, 254]));
        assert_eq!(by_profile(&raster, &icc), Ok(None));
        assert_eq!(to_srgb(raster, Some(&icc), &mut Vec::new()).pixels, [1, 128, 254]);
    }

    #[test]
    fn gray_by_a_gray_profile() {
        let icc = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
        let mut warnings = Vec::new();
        // Linear light of 0.5 is 188 in sRGB.
        let canvas = to_srgb(one(Model::GrayAlpha, Samples::Eight(vec![128, 77])), Some(&icc), &mut warnings);
        assert_eq!(warnings, []);
        assert_eq!(canvas.model, Model::Rgba);
        for (got, expected) in canvas.pixels.iter().zip([188_u8, 188, 188, 77]) {
            assert!(got.abs_diff(expected) <= 1, "{:?}", canvas.pixels);
        }
    }

    #[test]
    fn an_unusable_profile_is_told() {
        let rgb = ColorProfile::new_display_p3().encode().unwrap();
        for icc in [&b"nonsense"[..], &rgb[..100], &rgb] {
            let mut warnings = Vec::new();
            let canvas = to_srgb(one(Model::Gray, Samples::Eight(vec![9])), Some(icc), &mut warnings);
            assert_eq!(canvas.pixels, [9]);
            assert_eq!(warnings[0].code, "colour_profile_ignored");
        }
    }

    #[test]
    fn inks_without_a_profile() {
        let canvas = without_profile(one(Model::Cmyk, Samples::Eight(vec![255, 0, 0, 51])));
        assert_eq!(canvas.pixels, [0, 204, 204]);
    }

    #[test]
    fn sixteen_bits_round_to_eight() {
        assert_eq!(to_eight_bits(&[0, 128, 129, 257, 65_535, 65_406]), [0, 0, 1, 1, 255, 254]);
    }
}
