//! To sRGB, with a warning where a profile can't be used: colours are never changed in silence.

use sluice_pixels::{
    colour::{self, UnusableProfile},
    planar::{Colour, Pixels},
    raster::{Canvas, Raster},
};

use crate::error::Warning;

/// Converts pixels to sRGB of 8 bits. Opaque ones come out as planes.
pub(crate) fn to_srgb(pixels: Pixels, colour: &Colour<'_>, warnings: &mut Vec<Warning>) -> Pixels {
    let mut unusable = Vec::new();
    let converted = colour::to_srgb(pixels, colour, &mut unusable);
    warn(unusable, warnings);
    converted
}

/// Converts interleaved pixels to sRGB of 8 bits.
pub(crate) fn to_srgb_canvas(raster: Raster, colour: &Colour<'_>, warnings: &mut Vec<Warning>) -> Canvas {
    let mut unusable = Vec::new();
    let converted = colour::to_srgb_canvas(raster, colour, &mut unusable);
    warn(unusable, warnings);
    converted
}

/// Warns of each profile once, whatever the number of frames.
fn warn(unusable: Vec<UnusableProfile>, warnings: &mut Vec<Warning>) {
    for UnusableProfile { reason } in unusable {
        let message = format!("colours may be off, the profile can't be used: {reason}");
        let warning = Warning::new("colour_profile_ignored", message);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}

#[cfg(test)]
mod tests {
    use sluice_pixels::raster::{Model, Samples};

    use super::*;

    #[test]
    fn a_profile_that_cannot_be_used_is_told_once() {
        let raster = Raster { width: 1, height: 1, model: Model::Gray, samples: Samples::Eight(vec![9]) };
        let broken = Colour::Icc(b"no profile".as_slice().into());
        let mut warnings = Vec::new();
        let canvas = to_srgb_canvas(raster.clone(), &broken, &mut warnings);
        assert_eq!(canvas.pixels, [9]);
        to_srgb(Pixels::Raster(raster), &broken, &mut warnings);
        let codes: Vec<_> = warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(codes, ["colour_profile_ignored"]);
        assert!(warnings[0].message.starts_with("colours may be off, the profile can't be used: "));
    }
}
