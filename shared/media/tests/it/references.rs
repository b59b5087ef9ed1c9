//! Derivatives against an independent decode and resize of the same file.

use image::{
    DynamicImage, RgbImage, RgbaImage,
    imageops::{self, FilterType},
};
use sluice_media::{derive::OutputFormat, placeholder::thumbhash};

use crate::support::{Around, assert_close, derived, limits, only, png, quarters, sample, seen};

/// Mean squared error of the visible colours, in decibels below the peak.
fn psnr(a: &RgbaImage, b: &RgbaImage) -> f64 {
    let visible = |image: &RgbaImage| -> Vec<f64> {
        image
            .pixels()
            .flat_map(|pixel| {
                let alpha = f64::from(pixel.0[3]) / 255.0;
                [0, 1, 2].map(|channel| f64::from(pixel.0[channel]) * alpha + 255.0 * (1.0 - alpha))
            })
            .collect()
    };
    let (a, b) = (visible(a), visible(b));
    assert_eq!(a.len(), b.len());
    let squares: f64 = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum();
    let count: f64 = a.iter().map(|_| 1.0).sum();
    10.0 * (255.0 * 255.0 * count / squares.max(1.0)).log10()
}

#[test]
fn every_sample_looks_like_its_original() {
    // The CMYK and progressive files were made from the same photo; palette and subsampling cost a little.
    let cases = [
        ("astronaut.jpg", "astronaut.jpg", 30.0),
        ("astronaut-progressive.jpg", "astronaut.jpg", 30.0),
        ("astronaut-cmyk.jpg", "astronaut.jpg", 28.0),
        ("astronaut-grey.jpg", "astronaut-grey.jpg", 30.0),
        ("chelsea.png", "chelsea.png", 30.0),
        ("chelsea-palette.png", "chelsea-palette.png", 30.0),
        ("chelsea-alpha.png", "chelsea-alpha.png", 30.0),
        ("chelsea.webp", "chelsea.webp", 30.0),
        ("chelsea-alpha.webp", "chelsea-alpha.webp", 30.0),
        ("moon-16bit-grey.png", "moon-16bit-grey.png", 30.0),
    ];
    for (name, original, least) in cases {
        let derived = derived(&sample(name));
        assert_eq!(derived.warnings, [], "{name}");
        let original = image::load_from_memory(&sample(original)).unwrap().to_rgba8();
        for derivative in ["thumb", "preview", "large"] {
            let seen = seen(&derived, derivative);
            let reference = imageops::resize(&original, seen.width(), seen.height(), FilterType::Lanczos3);
            let decibels = psnr(&seen, &reference);
            assert!(decibels > least, "{name} {derivative}: {decibels:.1} dB");
        }
    }
}

#[test]
fn arithmetic_coding_shows_what_huffman_coding_shows() {
    let huffman = derived(&sample("arithmetic-as-huffman.jpg"));
    for name in ["arithmetic.jpg", "arithmetic-progressive.jpg"] {
        let arithmetic = derived(&sample(name));
        assert_eq!(arithmetic.warnings, [], "{name}");
        let decibels = psnr(&seen(&arithmetic, "large"), &seen(&huffman, "large"));
        // Chroma takes another way: through RGB.
        assert!(decibels > 28.0, "{name}: {decibels:.1} dB");
    }
}

#[test]
fn the_photo_gives_three_sizes_in_the_profiles_order() {
    let derived = derived(&sample("photo-12mp-exif6-gps.jpg"));
    let made: Vec<_> = derived
        .derivatives
        .iter()
        .map(|made| (made.name.as_str(), made.content_type, made.extension, made.width, made.height))
        .collect();
    assert_eq!(
        made,
        [
            ("thumb", "image/webp", "webp", 256, 192),
            ("preview", "image/jpeg", "jpg", 1024, 768),
            ("large", "image/jpeg", "jpg", 2048, 1536),
        ]
    );
    for name in ["thumb", "preview", "large"] {
        seen(&derived, name);
    }
}

#[test]
fn small_images_are_never_enlarged() {
    for (width, height) in [(1, 1), (1, 300), (300, 1), (255, 10), (256, 256), (257, 3)] {
        let bytes = png(&DynamicImage::ImageRgb8(quarters(width, height)), &Around::default());
        let derived = derived(&bytes);
        for name in ["preview", "large"] {
            assert_eq!(seen(&derived, name).dimensions(), (width, height));
        }
        let thumb = seen(&derived, "thumb").dimensions();
        assert!(thumb.0 <= 256.min(width) && thumb.1 <= 256.min(height), "{thumb:?}");
        thumbhash(&bytes, &limits()).unwrap();
    }
}

#[test]
fn alpha_is_kept_in_webp_and_white_in_jpeg() {
    let mut image = DynamicImage::ImageRgb8(quarters(400, 400)).to_rgba8();
    for pixel in image.pixels_mut() {
        if pixel.0[0] > 200 && pixel.0[1] < 100 {
            pixel.0[3] = 0;
        }
    }
    let bytes = png(&DynamicImage::ImageRgba8(image), &Around::default());
    let derived = derived(&bytes);
    let thumb = seen(&derived, "thumb");
    assert_eq!(thumb.get_pixel(60, 60).0[3], 0);
    assert_eq!(thumb.get_pixel(200, 60).0[3], 255);
    let large = seen(&derived, "large");
    assert_close(&large.get_pixel(100, 100).0, &[255, 255, 255, 255], 2);
    assert_close(&large.get_pixel(300, 100).0, &[20, 180, 20, 255], 4);
}

#[test]
fn every_png_colour_type_is_read() {
    let image = DynamicImage::ImageRgb8(quarters(300, 200));
    let models = [
        DynamicImage::ImageLuma8(image.to_luma8()),
        DynamicImage::ImageLumaA8(image.to_luma_alpha8()),
        DynamicImage::ImageRgb8(image.to_rgb8()),
        DynamicImage::ImageRgba8(image.to_rgba8()),
        DynamicImage::ImageLuma16(image.to_luma16()),
        DynamicImage::ImageLumaA16(image.to_luma_alpha16()),
        DynamicImage::ImageRgb16(image.to_rgb16()),
        DynamicImage::ImageRgba16(image.to_rgba16()),
    ];
    for model in models {
        let colour = model.color();
        let derived = derived(&png(&model, &Around::default()));
        let expected = model.to_rgba8();
        for (x, y) in [(75, 50), (225, 50), (75, 150), (225, 150)] {
            let got = seen(&derived, "large").get_pixel(x, y).0;
            assert_close(&got, &expected.get_pixel(x, y).0, 5);
        }
        assert_eq!(seen(&derived, "thumb").dimensions(), (256, 171), "{colour:?}");
    }
}

#[test]
fn the_same_bytes_give_the_same_derivatives() {
    for name in ["astronaut.jpg", "chelsea-alpha.png", "pan.gif"] {
        let bytes = sample(name);
        assert_eq!(derived(&bytes), derived(&bytes), "{name}");
        assert_eq!(thumbhash(&bytes, &limits()), thumbhash(&bytes, &limits()), "{name}");
    }
}

#[test]
fn a_profile_may_ask_for_anything() {
    let bytes = sample("astronaut.jpg");
    let nothing = sluice_media::derive::Profile { derivatives: Vec::new() };
    assert_eq!(sluice_media::derive::derive(&bytes, &nothing, &limits()).unwrap().derivatives, []);
    for format in [OutputFormat::Jpeg, OutputFormat::WebP] {
        for max_edge in [0, 1, 511, 512, 513, u32::MAX] {
            let derived = sluice_media::derive::derive(&bytes, &only(max_edge, format), &limits()).unwrap();
            let edge = max_edge.clamp(1, 512);
            assert_eq!(seen(&derived, "only").dimensions(), (edge, edge), "{format:?} {max_edge}");
        }
    }
}

#[test]
fn the_placeholder_tells_the_displayed_size_and_the_average_colour() {
    let placeholder = thumbhash(&sample("photo-12mp-exif6-gps.jpg"), &limits()).unwrap();
    assert_eq!((placeholder.width, placeholder.height), (4000, 3000));

    let image = DynamicImage::ImageRgb8(image::RgbImage::from_pixel(500, 300, image::Rgb([200, 60, 40])));
    let placeholder = thumbhash(&png(&image, &Around::default()), &limits()).unwrap();
    let hash =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, placeholder.thumbhash).unwrap();
    let (red, green, blue, alpha) = thumbhash::thumb_hash_to_average_rgba(&hash).unwrap();
    for (got, expected) in [(red, 200.0), (green, 60.0), (blue, 40.0), (alpha, 255.0)] {
        assert!((got * 255.0 - expected).abs() < 12.0, "{got} is not {expected}/255");
    }
}

/// Pixel art, a screen with text, and an icon that is transparent around its drawing.
fn drawings() -> Vec<(&'static str, DynamicImage)> {
    let art = RgbaImage::from_fn(160, 120, |x, y| {
        const COLOURS: [[u8; 4]; 4] =
            [[230, 30, 60, 255], [20, 60, 220, 255], [250, 220, 40, 255], [30, 30, 30, 255]];
        image::Rgba(
            COLOURS[usize::from((x / 8 * 7 + y / 8 * 5) % 9 < 3) + 2 * usize::from((x / 8 + y / 8) % 2 == 0)],
        )
    });
    let screen = RgbaImage::from_fn(900, 600, |x, y| {
        let letter = y % 18 < 11 && x % 9 < 6 && (x / 9 * 31 + y / 18 * 17 + (x % 9) * (y % 18)) % 5 < 2;
        image::Rgba(match (y < 40, letter) {
            (true, _) => [40, 80, 160, 255],
            (_, true) => [200, 20, 30, 255],
            _ => [255, 255, 255, 255],
        })
    });
    let icon = RgbaImage::from_fn(64, 64, |x, y| {
        let inside = x.abs_diff(32).pow(2) + y.abs_diff(32).pow(2) < 700;
        image::Rgba(if !inside {
            [0; 4]
        } else if x < y {
            [240, 60, 20, 255]
        } else {
            [20, 200, 90, 255]
        })
    });
    [("art", art), ("screen", screen), ("icon", icon)].map(|(name, image)| (name, image.into())).into()
}

/// A JPEG of the picture on white, as it was written before there was anything better.
fn usual_jpeg(image: &RgbaImage) -> Vec<u8> {
    let on_white = DynamicImage::from(on_white(image)).to_rgb8();
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 80);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    let edge = |pixels: u32| u16::try_from(pixels).unwrap();
    let (width, height) = (edge(image.width()), edge(image.height()));
    encoder.encode(&on_white, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    bytes
}

#[test]
fn soft_edges_between_colours_are_sharper_and_not_larger() {
    let drawing = RgbImage::from_fn(512, 512, |x, y| {
        let away = x.abs_diff(256).pow(2) + y.abs_diff(256).pow(2);
        image::Rgb(match (away, x < y) {
            (60_000.., _) => [255, 255, 255],
            (30_000.., _) => [230, 60, 20],
            (_, true) => [20, 200, 240],
            _ => [60, 20, 160],
        })
    });
    for edge in [24, 48, 64, 100] {
        let icon = imageops::resize(&drawing, edge, edge, FilterType::Lanczos3);
        let icon = DynamicImage::from(icon);
        let derived = derived(&png(&icon, &Around::default()));
        let jpeg = usual_jpeg(&icon.to_rgba8());
        let before = psnr(&image::load_from_memory(&jpeg).unwrap().to_rgba8(), &icon.to_rgba8());
        let now = psnr(&seen(&derived, "large"), &icon.to_rgba8());
        assert!(now > before + 2.0, "{edge}: {now:.1} dB after {before:.1} dB");
        let bytes = derived.derivatives[2].bytes.len();
        assert!(bytes <= jpeg.len(), "{edge}: {bytes} bytes after {}", jpeg.len());
    }
}

#[test]
fn what_is_drawn_stays_sharp_and_is_not_larger() {
    for (name, image) in drawings() {
        let derived = derived(&png(&image, &Around::default()));
        let large = &derived.derivatives[2];
        let decibels = psnr(&seen(&derived, "large"), &on_white(&image.to_rgba8()));
        assert!(decibels > 60.0, "{name}: {decibels:.1} dB");
        let before = usual_jpeg(&image.to_rgba8()).len();
        assert!(large.bytes.len() <= before, "{name}: {} bytes", large.bytes.len());
        assert_eq!(large.content_type, "image/webp", "{name}");
    }
    // An icon's thumb keeps what shows through.
    let (_, icon) = drawings().swap_remove(2);
    let thumb = seen(&derived(&png(&icon, &Around::default())), "thumb");
    assert_eq!((thumb.get_pixel(0, 0).0[3], thumb.get_pixel(32, 40).0), (0, [240, 60, 20, 255]));
}

fn on_white(image: &RgbaImage) -> RgbaImage {
    let mut image = image.clone();
    for pixel in image.pixels_mut().filter(|pixel| pixel.0[3] == 0) {
        pixel.0 = [255; 4];
    }
    image
}

#[test]
fn photos_stay_jpeg() {
    for name in ["astronaut.jpg", "chelsea.png", "chelsea-palette.png", "chelsea.webp", "moon-16bit-grey.png"]
    {
        let derived = derived(&sample(name));
        let types: Vec<_> = derived.derivatives.iter().map(|made| made.content_type).collect();
        assert_eq!(types, ["image/webp", "image/jpeg", "image/jpeg"], "{name}");
    }
    // As small as an icon, too.
    let photo = image::load_from_memory(&sample("chelsea.png")).unwrap();
    for edge in [48, 96, 128] {
        let small = photo.resize_exact(edge, edge, FilterType::Lanczos3);
        let derived = derived(&png(&small, &Around::default()));
        assert_eq!(derived.derivatives[2].content_type, "image/jpeg", "{edge}");
    }
}

#[test]
fn a_file_under_two_names_is_told() {
    let small = derived(&sample("chelsea.png"));
    assert_eq!([0, 1, 2].map(|index| small.same_as(index)), [None, None, Some(1)]);
    let large = derived(&sample("photo-12mp-exif6-gps.jpg"));
    assert_eq!([0, 1, 2].map(|index| large.same_as(index)), [None; 3]);
}
