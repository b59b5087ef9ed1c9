use image::{DynamicImage, RgbImage};
use moxcms::ColorProfile;

use crate::support::{Around, assert_close, derived, jpeg, png, quarters, seen, webp};

#[test]
fn wide_gamut_is_converted_in_every_format() {
    let icc = ColorProfile::new_display_p3().encode().unwrap();
    let around = Around { icc: Some(icc), ..Around::default() };
    let pixels = RgbImage::from_pixel(300, 200, image::Rgb([204, 102, 51]));
    let image = DynamicImage::ImageRgb8(pixels.clone());
    let deep = DynamicImage::ImageRgb16(image.to_rgb16());
    for bytes in [jpeg(&pixels, &around), png(&image, &around), png(&deep, &around), webp(&image, &around)] {
        let derived = derived(&bytes);
        assert_eq!(derived.warnings, []);
        for name in ["thumb", "preview", "large"] {
            // CSS Color 4: color(display-p3 0.8 0.4 0.2).
            assert_close(&seen(&derived, name).get_pixel(99, 99).0, &[217, 96, 34, 255], 6);
        }
    }
}

#[test]
fn an_srgb_profile_costs_nothing_and_changes_nothing() {
    let image = DynamicImage::ImageRgb8(quarters(300, 200));
    let icc = ColorProfile::new_srgb().encode().unwrap();
    let tagged = derived(&png(&image, &Around { icc: Some(icc), ..Around::default() }));
    assert_eq!(tagged, derived(&png(&image, &Around::default())));
}

#[test]
fn a_profile_that_cannot_be_used_is_told() {
    let image = quarters(300, 200);
    let gray = ColorProfile::new_gray_with_gamma(2.2).encode().unwrap();
    for icc in [b"no profile at all".to_vec(), gray] {
        let derived = derived(&jpeg(&image, &Around { icc: Some(icc), ..Around::default() }));
        let codes: Vec<_> = derived.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(codes, ["colour_profile_ignored"]);
        assert_eq!(derived.derivatives.len(), 3);
    }
}
