//! Bytes of every kind: nothing here may panic, and every refusal is permanent.

use proptest::prelude::*;
use sluice_media::{
    derive::{OutputFormat, Profile, Spec, derive},
    inspect,
    limits::Limits,
    metadata,
    placeholder::thumbhash,
    sniff,
};

use crate::support::{Around, derived, exif, jpeg, limits, png, quarters, sample, seen, webp};

#[test]
fn a_cut_jpeg_shows_what_it_has() {
    let derived = derived(&sample("truncated.jpg"));
    assert_eq!(derived.warnings[0].code, "truncated");
    let original = image::load_from_memory(&sample("astronaut.jpg")).unwrap().to_rgb8();
    let large = seen(&derived, "large");
    for (x, y) in [(100, 20), (256, 100), (400, 150)] {
        crate::support::assert_close(&large.get_pixel(x, y).0[..3], &original.get_pixel(x, y).0, 40);
    }
    // What is missing is gray.
    crate::support::assert_close(&large.get_pixel(400, 500).0[..3], &[128; 3], 6);
}

#[test]
fn a_jpeg_that_lacks_only_its_end_is_whole() {
    let file = sample("astronaut.jpg");
    let whole = derived(&file);
    let cut = derived(&file[..file.len() - 2]);
    assert_eq!(cut.derivatives, whole.derivatives);
    assert_eq!(cut.warnings[0].code, "truncated");
}

#[test]
fn a_damaged_jpeg_is_told() {
    let derived = derived(&sample("corrupt-middle.jpg"));
    assert_eq!(derived.derivatives.len(), 3);
    assert_eq!(derived.warnings[0].code, "corrupt_data");
}

#[test]
fn a_decoder_that_gives_up_says_so_to_the_log_alone() {
    // Inks are libjpeg's, which unwinds where a table's codes don't fit into their lengths.
    let mut bytes = sample("astronaut-cmyk.jpg");
    let table = memchr::memmem::find(&bytes, b"\xFF\xC4").unwrap();
    bytes[table + 5..table + 9].copy_from_slice(&[3, 3, 3, 3]);
    let errors = [
        derive(&bytes, &Profile::default(), &limits()).unwrap_err(),
        thumbhash(&bytes, &limits()).unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.code(), error.is_permanent()), ("corrupt_image", true));
        assert_eq!(error.to_string(), "the image could not be decoded");
        let detail = error.detail().unwrap();
        assert!(!detail.is_empty() && !error.to_string().contains(&detail), "{detail}");
    }
}

#[test]
fn what_is_no_image_is_refused_for_good() {
    let gif_without_frames = &sample("pan.gif")[..13];
    let lossless = {
        let mut bytes = sample("astronaut.jpg");
        let frame = memchr::memmem::find(&bytes, b"\xFF\xC0").unwrap();
        bytes[frame + 1] = 0xC3;
        bytes
    };
    let cases: [(&[u8], &str); 8] = [
        (&sample("heads/liar.jpg"), "unsupported_image"),
        (&sample("heads/empty.bin"), "unsupported_image"),
        (&sample("heads/noext"), "unsupported_image"),
        (&lossless, "unsupported_image"),
        (b"\xFF\xD8\xFF", "corrupt_image"),
        (b"\x89PNG\r\n\x1a\n", "corrupt_image"),
        (gif_without_frames, "corrupt_image"),
        (&sample("chelsea.webp")[..40], "corrupt_image"),
    ];
    for (bytes, code) in cases {
        let error = derive(bytes, &Profile::default(), &limits()).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.is_permanent());
        assert_eq!(thumbhash(bytes, &limits()).unwrap_err().code(), code);
    }
}

#[test]
fn every_cut_of_every_format_is_survived() {
    for name in
        ["astronaut-progressive.jpg", "chelsea-palette.png", "chelsea-alpha.webp", "moon-16bit-grey.png"]
    {
        let bytes = sample(name);
        for length in (0..bytes.len()).step_by(bytes.len() / 40) {
            poke(&bytes[..length]);
        }
    }
}

/// Runs everything on `bytes`.
fn poke(bytes: &[u8]) {
    // Small, so that a mutated header can't make a case slow.
    let limits =
        Limits { max_pixels: 1 << 20, max_frames: 32, max_edge: 4_096, max_memory: 32 << 20, ..limits() };
    let profile = Profile {
        derivatives: vec![
            Spec::new("small", 32, OutputFormat::WebP, 50),
            Spec::new("larger", 64, OutputFormat::Jpeg, 50),
        ],
    };
    let _ = sniff::sniff(bytes);
    let _ = metadata::read(bytes).to_map();
    let header = inspect(bytes);
    let placeholder = thumbhash(bytes, &limits);
    let derived = derive(bytes, &profile, &limits);
    for error in [header.err(), placeholder.err(), derived.err()].into_iter().flatten() {
        assert!(error.is_permanent(), "{error}");
    }
}

/// Small files of every format, with everything around the pixels that is read.
fn seeds() -> Vec<Vec<u8>> {
    let pixels = quarters(48, 40);
    let image = image::DynamicImage::ImageRgb8(pixels.clone());
    let icc = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let around = Around { exif: Some(exif(6)), icc: Some(icc) };
    let mut gif = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut gif);
    for _ in 0..3 {
        encoder.encode_frame(image::Frame::new(image.to_rgba8())).unwrap();
    }
    drop(encoder);
    let moving = derive(&gif, &Profile::default(), &limits()).unwrap().derivatives.swap_remove(0).bytes;
    let mut progressive = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut progressive, 80);
    encoder.set_progressive(true);
    encoder.encode(&pixels, 48, 40, jpeg_encoder::ColorType::Rgb).unwrap();
    vec![
        jpeg(&pixels, &around),
        progressive,
        png(&image, &around),
        png(&image::DynamicImage::ImageRgba16(image.to_rgba16()), &around),
        webp(&image, &around),
        webp(&image::DynamicImage::ImageRgba8(image.to_rgba8()), &around),
        gif,
        moving,
    ]
}

/// Small files of the formats that [`seeds`] leaves out.
fn more_seeds() -> Vec<Vec<u8>> {
    let pixels = image::DynamicImage::ImageRgb8(quarters(48, 40));
    let written = |format| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        pixels.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let mut tiff = std::io::Cursor::new(Vec::new());
    let mut encoder =
        tiff::encoder::TiffEncoder::new(&mut tiff).unwrap().with_compression(tiff::encoder::Compression::Lzw);
    encoder.write_image::<tiff::encoder::colortype::RGB8>(48, 40, pixels.as_bytes()).unwrap();
    let farbfeld = [&b"farbfeld\0\0\0\x08\0\0\0\x08"[..], &[9; 8 * 8 * 8]].concat();
    let bitmap = {
        let numbers = [40_u32, 8, 8, 24 << 16 | 1, 0, 0, 0, 0, 0, 0].map(u32::to_le_bytes).concat();
        [&b"BM\xF6\0\0\0\0\0\0\0\x36\0\0\0"[..], &numbers, &[99; 192]].concat()
    };
    let svg = "<svg xmlns='http://www.w3.org/2000/svg' width='20' height='10'><defs><filter id='f'>\
        <feGaussianBlur stdDeviation='1'/></filter></defs><g filter='url(#f)'><path d='M1 1L9 9H1z'/></g></svg>";
    let mut made = vec![
        written(image::ImageFormat::Ico),
        written(image::ImageFormat::Pnm),
        written(image::ImageFormat::Qoi),
        tiff.into_inner(),
        farbfeld,
        bitmap,
        svg.as_bytes().to_vec(),
    ];
    made.extend(["heif/gray.avif", "heif/odd.heic", "heif/grid.heic", "heif/alpha.avif"].map(sample));
    made.extend(["astronaut-cmyk.jpg", "chelsea-palette.png"].map(sample));
    made
}

/// Whether a text is one of ours by its form: plain words, numbers and the names of formats, nothing of a format string, of
/// a type, of a library.
fn is_plain(text: &str) -> bool {
    const FOREIGN: [&str; 16] = [
        "%",
        "{",
        "}",
        "::",
        "\"",
        "`",
        "_",
        "\n",
        "lib",
        "dav1d",
        "Err",
        "panic",
        "unwrap",
        "overflow",
        "index out",
        "None",
    ];
    let words = text.replace("corrupt_", "");
    let camel = words.split_whitespace().any(|word| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        word.chars().zip(word.chars().skip(1)).any(|(a, b)| a.is_lowercase() && b.is_uppercase())
    });
    let begins =
        text.starts_with(|c: char| c.is_lowercase() || c.is_ascii_digit()) || text.starts_with("HEVC");
    begins && !camel && text.chars().count() < 200 && !FOREIGN.iter().any(|foreign| words.contains(foreign))
}

#[test]
fn what_is_said_of_damaged_files_is_in_plain_words() {
    let limits =
        Limits { max_pixels: 1 << 20, max_frames: 32, max_edge: 4_096, max_memory: 64 << 20, ..limits() };
    let profile = Profile { derivatives: vec![Spec::new("small", 16, OutputFormat::WebP, 50)] };
    let mut texts = std::collections::BTreeSet::new();
    let mut told = |bytes: &[u8]| match derive(bytes, &profile, &limits) {
        Ok(derived) => texts.extend(derived.warnings.into_iter().map(|warning| warning.message)),
        Err(error) => drop(texts.insert(error.to_string())),
    };
    let mut number = 7_u32;
    let mut random = |below: usize| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from(number >> 8).unwrap() % below
    };
    for seed in seeds().into_iter().chain(more_seeds()) {
        for step in 0..24 {
            told(&seed[..seed.len() * step / 24]);
        }
        for round in 0..120 {
            let mut bytes = seed.clone();
            // Headers say more that can be wrong.
            let most = if round % 3 == 0 { bytes.len() } else { bytes.len().min(600) };
            for _ in 0..=round % 3 {
                let at = random(most);
                bytes[at] = u8::try_from(random(256)).unwrap();
            }
            told(&bytes);
        }
    }
    let foreign: Vec<_> = texts.iter().filter(|text| !is_plain(text)).collect();
    assert!(foreign.is_empty(), "{foreign:#?}");
    assert!(texts.len() > 40, "{texts:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn arbitrary_bytes_never_panic(magic in 0..8_usize, tail in prop::collection::vec(any::<u8>(), 0..512)) {
        const MAGICS: [&[u8]; 8] = [
            b"", b"\xFF\xD8\xFF", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"GIF89a", b"RIFF\xFF\0\0\0WEBPVP8 ",
            b"RIFF\xFF\0\0\0WEBPVP8L", b"RIFF\xFF\0\0\0WEBPVP8X", b"PK\x03\x04",
        ];
        poke(&[MAGICS[magic], &tail].concat());
    }
}

#[test]
fn mutated_files_never_panic() {
    let seeds = seeds();
    for seed in &seeds {
        poke(seed);
        derive(seed, &Profile::default(), &limits()).unwrap();
    }
    let count = seeds.len();
    let mutation = (any::<prop::sample::Index>(), any::<u8>());
    let strategy =
        (0..count, prop::collection::vec(mutation, 1..6), any::<prop::sample::Index>(), any::<bool>());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_500) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&strategy, |(seed, mutations, end, cut)| {
            let mut bytes = seeds[seed].clone();
            for (at, value) in mutations {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if cut {
                bytes.truncate(end.index(bytes.len()));
            }
            poke(&bytes);
            Ok(())
        })
        .unwrap();
}
