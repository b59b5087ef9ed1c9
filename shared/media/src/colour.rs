//! To sRGB, 8 bits: the colour space of every derivative.
//!
//! Derivatives carry no profile, which every viewer reads as sRGB. So a picture with a profile of another
//! space is converted (after its resize, when it is small), and one whose profile can't be used gets a
//! warning: colours are never changed in silence. A profile that means sRGB in all but name costs nothing:
//! it is tried on a few colours first and left out if none of them moves.

use moxcms::{
    CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace, Layout,
    MatrixCoefficients, ToneReprCurve, TransferCharacteristics, TransformExecutor, TransformOptions,
};

use crate::error::{MediaError, Warning, contained};
use crate::picture::{Colour, Pixels, Planar, Plane};
use crate::planes::Scratch;
use crate::raster::{Canvas, Model, Raster, Samples};

/// Rows of planes that are converted at a time; even, so that no chroma row is in two bands.
const BAND_ROWS: usize = 32;

/// Converts pixels to sRGB of 8 bits.
pub(crate) fn to_srgb(pixels: Pixels, colour: &Colour<'_>, warnings: &mut Vec<Warning>) -> Pixels {
    let planar = match pixels {
        Pixels::Planar(planar) => planar,
        Pixels::Raster(raster) => {
            let Canvas { width, height, model, pixels } = to_srgb_canvas(raster, colour, warnings);
            return Pixels::Raster(Raster { width, height, model, samples: Samples::Eight(pixels) });
        }
    };
    if *colour == Colour::Srgb {
        return Pixels::Planar(planar);
    }
    match contained(|| planes_by_profile(&planar, colour)) {
        Ok(converted) => Pixels::Planar(converted.unwrap_or(planar)),
        Err(error) => {
            ignored(error, warnings);
            Pixels::Planar(planar)
        }
    }
}

/// Converts interleaved pixels to sRGB of 8 bits.
pub(crate) fn to_srgb_canvas(raster: Raster, colour: &Colour<'_>, warnings: &mut Vec<Warning>) -> Canvas {
    if *colour == Colour::Srgb {
        return without_profile(raster);
    }
    match contained(|| by_profile(&raster, colour)) {
        Ok(Some(canvas)) => canvas,
        Ok(None) => without_profile(raster),
        Err(error) => {
            ignored(error, warnings);
            without_profile(raster)
        }
    }
}

/// Tells that a profile wasn't used, once.
fn ignored(error: MediaError, warnings: &mut Vec<Warning>) {
    let reason = match error {
        MediaError::Corrupt { reason } => reason,
        other => other.to_string(),
    };
    let message = format!("colours may be off, the profile can't be used: {reason}");
    let warning = Warning::new("colour_profile_ignored", message);
    if !warnings.contains(&warning) {
        warnings.push(warning);
    }
}

/// The profile that `colour` stands for, `None` where that is sRGB, checked to be of the kind of `model`.
fn profile(colour: &Colour<'_>, model: Model) -> Result<Option<ColorProfile>, MediaError> {
    let profile = match *colour {
        Colour::Srgb => return Ok(None),
        Colour::Icc(ref icc) => ColorProfile::new_from_slice(icc).map_err(MediaError::corrupt)?,
        Colour::Cicp { primaries, transfer } => match cicp(primaries, transfer)? {
            Some(profile) => profile,
            None => return Ok(None),
        },
    };
    let expected = match model {
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
    Ok(Some(profile))
}

/// The profile of code points of ITU-T H.273, `None` for sRGB. What is unspecified is sRGB's; so are the transfers of
/// BT.601, BT.709 and BT.2020 (1, 6, 14, 15), which cameras write over pictures made for sRGB screens.
fn cicp(primaries: u8, transfer: u8) -> Result<Option<ColorProfile>, MediaError> {
    let primaries = if primaries == 2 { 1 } else { primaries };
    let transfer = if matches!(transfer, 1 | 2 | 6 | 14 | 15) { 13 } else { transfer };
    if (primaries, transfer) == (1, 13) {
        return Ok(None);
    }
    let color_primaries = CicpColorPrimaries::try_from(primaries).map_err(MediaError::corrupt)?;
    let transfer_characteristics =
        TransferCharacteristics::try_from(transfer).map_err(MediaError::corrupt)?;
    let known = ColorPrimaries::try_from(color_primaries).is_ok()
        && ToneReprCurve::try_from(transfer_characteristics).is_ok();
    if !known {
        return Err(MediaError::corrupt(format!(
            "primaries {primaries} with transfer {transfer} aren't known"
        )));
    }
    Ok(Some(ColorProfile::new_from_cicp(CicpProfile {
        color_primaries,
        transfer_characteristics,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    })))
}

/// `None` when the profile means sRGB.
fn planes_by_profile(planar: &Planar, colour: &Colour<'_>) -> Result<Option<Planar>, MediaError> {
    let from = planar.model();
    let Some(profile) = profile(colour, from)? else { return Ok(None) };
    let (layout, to, model) = layouts(from);
    let transform = profile
        .create_transform_8bit(layout, &ColorProfile::new_srgb(), to, TransformOptions::default())
        .map_err(MediaError::corrupt)?;
    if is_identity(&*transform, from, model)? {
        return Ok(None);
    }
    let (width, height) = planar.size();
    if from == Model::Gray {
        // A grey profile gives neutral colours: one channel of them says it all.
        let converted = run(&*transform, &planar.luma.samples, from, model)?;
        let samples = converted.chunks_exact(model.channels()).map(|pixel| pixel[0]).collect();
        return Ok(Some(Planar { luma: Plane { width, height, samples }, chroma: None }));
    }
    let mut result = Planar::blank(planar.size());
    let stride = width as usize * from.channels();
    let mut scratch = Scratch::new(planar);
    let mut band = vec![0; stride * BAND_ROWS.min(height as usize)];
    let mut converted = Canvas { width, height: 0, model, pixels: vec![0; band.len()] };
    for top in (0..height as usize).step_by(BAND_ROWS) {
        let rows = BAND_ROWS.min(height as usize - top);
        band.truncate(rows * stride);
        converted.pixels.truncate(rows * stride);
        for (y, row) in band.chunks_exact_mut(stride).enumerate() {
            planar.rgb_row(top + y, row, &mut scratch);
        }
        transform.transform(&band, &mut converted.pixels).map_err(MediaError::corrupt)?;
        result.write_band(top, &converted);
    }
    Ok(Some(result))
}

/// `None` when the profile means sRGB.
fn by_profile(raster: &Raster, colour: &Colour<'_>) -> Result<Option<Canvas>, MediaError> {
    let Some(profile) = profile(colour, raster.model)? else { return Ok(None) };
    let srgb = ColorProfile::new_srgb();
    let (from, to, model) = layouts(raster.model);
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
        let icc = Colour::Icc(ColorProfile::new_display_p3().encode().unwrap().into());
        let mut warnings = Vec::new();
        // CSS Color 4: color(display-p3 0.8 0.4 0.2) is about rgb(217, 96, 34).
        let p3 = one(Model::Rgb, Samples::Eight(vec![204, 102, 51]));
        let canvas = to_srgb_canvas(p3, &icc, &mut warnings);
        for (got, expected) in canvas.pixels.iter().zip([217_u8, 96, 34]) {
            assert!(got.abs_diff(expected) <= 3, "{:?}", canvas.pixels);
        }
        let deep = one(Model::Rgba, Samples::Sixteen(vec![204 * 257, 102 * 257, 51 * 257, 0x8080]));
        let deep = to_srgb_canvas(deep, &icc, &mut warnings);
        for (got, expected) in
            deep.pixels.iter().zip([canvas.pixels[0], canvas.pixels[1], canvas.pixels[2], 128])
        {
            assert!(got.abs_diff(expected) <= 1, "{:?}", deep.pixels);
        }
        assert_eq!(warnings, []);
    }

    #[test]
    fn a_profile_that_means_srgb_changes_nothing() {
        let icc = Colour::Icc(ColorProfile::new_srgb().encode().unwrap().into());
        let raster = one(Model::Rgb, Samples::Eight(vec![1, 128, 254]));
        assert_eq!(by_profile(&raster, &icc), Ok(None));
        assert_eq!(to_srgb_canvas(raster, &icc, &mut Vec::new()).pixels, [1, 128, 254]);
    }

    #[test]
    fn gray_by_a_gray_profile() {
        let icc = Colour::Icc(ColorProfile::new_gray_with_gamma(1.0).encode().unwrap().into());
        let mut warnings = Vec::new();
        // Linear light of 0.5 is 188 in sRGB.
        let canvas =
            to_srgb_canvas(one(Model::GrayAlpha, Samples::Eight(vec![128, 77])), &icc, &mut warnings);
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
            let icc = Colour::Icc(icc.into());
            let canvas = to_srgb_canvas(one(Model::Gray, Samples::Eight(vec![9])), &icc, &mut warnings);
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

    fn planes(pixel: [u8; 3]) -> Planar {
        let pixels = pixel.repeat(50 * 75);
        Planar::from_canvas(&Canvas { width: 50, height: 75, model: Model::Rgb, pixels })
    }

    #[test]
    fn planes_are_converted_like_pixels() {
        let icc = Colour::Icc(ColorProfile::new_display_p3().encode().unwrap().into());
        let code_points = Colour::Cicp { primaries: 12, transfer: 13 };
        for colour in [icc, code_points] {
            let mut warnings = Vec::new();
            let Pixels::Planar(planar) =
                to_srgb(Pixels::Planar(planes([204, 102, 51])), &colour, &mut warnings)
            else {
                panic!("planes stay planes")
            };
            assert_eq!(warnings, []);
            let canvas = planar.to_canvas();
            assert_eq!(canvas.size(), (50, 75));
            for pixel in canvas.pixels.as_chunks::<3>().0 {
                for (got, expected) in pixel.iter().zip([217_u8, 96, 34]) {
                    assert!(got.abs_diff(expected) <= 4, "{pixel:?}");
                }
            }
        }
    }

    #[test]
    fn grey_planes_by_a_grey_profile_stay_grey() {
        let icc = Colour::Icc(ColorProfile::new_gray_with_gamma(1.0).encode().unwrap().into());
        let luma = Plane { width: 3, height: 1, samples: vec![0, 128, 255] };
        let grey = Pixels::Planar(Planar { luma, chroma: None });
        let Pixels::Planar(planar) = to_srgb(grey, &icc, &mut Vec::new()) else {
            panic!("planes stay planes")
        };
        assert!(planar.chroma.is_none());
        for (got, expected) in planar.luma.samples.iter().zip([0_u8, 188, 255]) {
            assert!(got.abs_diff(expected) <= 1, "{:?}", planar.luma.samples);
        }
    }

    #[test]
    fn code_points_that_mean_srgb_change_nothing() {
        for (primaries, transfer) in [(1, 13), (2, 2), (1, 1), (1, 6)] {
            let same = Pixels::Planar(planes([204, 102, 51]));
            let mut warnings = Vec::new();
            assert_eq!(to_srgb(same.clone(), &Colour::Cicp { primaries, transfer }, &mut warnings), same);
            assert_eq!(warnings, []);
        }
        let mut warnings = Vec::new();
        let unknown = Colour::Cicp { primaries: 200, transfer: 13 };
        to_srgb(Pixels::Planar(planes([1, 2, 3])), &unknown, &mut warnings);
        assert_eq!(warnings[0].code, "colour_profile_ignored");
    }
}
