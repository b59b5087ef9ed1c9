use image::{DynamicImage, Rgb, RgbImage, imageops};
use sluice_media::{
    derive::{OutputFormat, derive},
    inspect,
    placeholder::thumbhash,
};

use crate::support::{
    Around, QUARTERS, assert_close, derived, exif, jpeg, limits, only, png, quarter_colours, quarters, seen,
    webp,
};

/// What a camera stores of `upright` so that `orientation` undoes it (EXIF 3.0, 4.6.5.1, Orientation).
fn stored(upright: &RgbImage, orientation: u16) -> RgbImage {
    match orientation {
        2 => imageops::flip_horizontal(upright),
        3 => imageops::rotate180(upright),
        4 => imageops::flip_vertical(upright),
        5 => imageops::rotate270(&imageops::flip_horizontal(upright)),
        6 => imageops::rotate270(upright),
        7 => imageops::rotate90(&imageops::flip_horizontal(upright)),
        8 => imageops::rotate90(upright),
        _ => upright.clone(),
    }
}

fn assert_upright(colours: [Rgb<u8>; 4]) {
    for (got, expected) in colours.iter().zip(QUARTERS) {
        assert_close(&got.0, &expected.0, 12);
    }
}

#[test]
fn all_eight_stand_upright_in_every_format() {
    let upright = quarters(600, 400);
    for orientation in 1..=8 {
        let pixels = stored(&upright, orientation);
        let around = Around { exif: Some(exif(orientation)), ..Around::default() };
        let image = DynamicImage::ImageRgb8(pixels.clone());
        for (format, bytes) in
            [("jpeg", jpeg(&pixels, &around)), ("png", png(&image, &around)), ("webp", webp(&image, &around))]
        {
            let header = inspect(&bytes).unwrap();
            assert_eq!((header.width, header.height), (600, 400), "{format} {orientation}");
            assert_eq!(u16::from(header.orientation), orientation, "{format}");
            let derived = derived(&bytes);
            assert_eq!(seen(&derived, "large").dimensions(), (600, 400), "{format} {orientation}");
            assert_eq!(seen(&derived, "thumb").dimensions(), (256, 171), "{format} {orientation}");
            for name in ["thumb", "preview", "large"] {
                assert_upright(quarter_colours(&seen(&derived, name)));
            }
            let placeholder = thumbhash(&bytes, &limits()).unwrap();
            assert_eq!((placeholder.width, placeholder.height), (600, 400), "{format} {orientation}");
        }
    }
}

#[test]
fn orientations_that_are_none_change_nothing() {
    for orientation in [0, 9, 999, u16::MAX] {
        let around = Around { exif: Some(exif(orientation)), ..Around::default() };
        let bytes = jpeg(&quarters(300, 200), &around);
        assert_eq!(inspect(&bytes).unwrap().orientation, 1);
        assert_upright(quarter_colours(&seen(&derived(&bytes), "large")));
    }
}

#[test]
fn a_scaled_decode_reaches_every_size_exactly() {
    // Around each step of the DCT scale, and with odd edges.
    let bytes = jpeg(&quarters(803, 601), &Around { exif: Some(exif(6)), ..Around::default() });
    for edge in [99, 100, 101, 102, 200, 201, 202, 400, 402, 603, 702, 703, 802, 803] {
        let derived = derive(&bytes, &only(edge, OutputFormat::Jpeg), &limits()).unwrap();
        let seen = seen(&derived, "only");
        assert_eq!(seen.height(), edge);
        let width = f64::from(edge) * 601.0 / 803.0;
        assert!((f64::from(seen.width()) - width).abs() <= 1.0, "{edge}: {}", seen.width());
    }
}
