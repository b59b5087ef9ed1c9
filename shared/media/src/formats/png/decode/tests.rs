use std::io::Write;

use flate2::{Compression, Crc, write::ZlibEncoder};
use image::{AnimationDecoder, DynamicImage};
use proptest::prelude::*;
use sluice_pixels::raster::Raster;

use super::{apng::animation, *};
use crate::{formats::png::header::parse, limits::Limits};

/// Numbers that look random and are always the same.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0.to_be_bytes()[0]
    }
}

fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(data);
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&length, kind, data, &crc.sum().to_be_bytes()].concat()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A file to be made: any type, depth and size, noise for pixels, every filter.
#[derive(Clone)]
struct Made {
    colour: u8,
    depth: u8,
    interlaced: bool,
    width: u32,
    height: u32,
    /// Chunks between `IHDR` and the pixels, and behind them.
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Made {
    fn new(colour: u8, depth: u8, width: u32, height: u32) -> Self {
        Self { colour, depth, interlaced: false, width, height, before: Vec::new(), after: Vec::new() }
    }

    fn channels(&self) -> usize {
        [1, 0, 3, 1, 2, 0, 4][usize::from(self.colour)]
    }

    /// Filtered rows of a picture or a pass.
    fn rows(&self, noise: &mut Noise, width: usize, height: usize) -> Vec<u8> {
        let bits = self.channels() * usize::from(self.depth);
        let (length, pixel) = ((width * bits).div_ceil(8), (bits / 8).max(1));
        let mut above = vec![0; length];
        let mut rows = Vec::new();
        for y in 0..height {
            let row: Vec<u8> =
                (0..length).map(|x| noise.next() / 4 + u8::try_from((x + y) % 190).unwrap()).collect();
            let filter =
                if width.is_multiple_of(2) { noise.next() % 5 } else { u8::try_from(y % 5).unwrap() };
            rows.push(filter);
            for (x, &sample) in row.iter().enumerate() {
                let left = if x >= pixel { row[x - pixel] } else { 0 };
                let corner = if x >= pixel { above[x - pixel] } else { 0 };
                let predicted = match filter {
                    0 => 0,
                    1 => left,
                    2 => above[x],
                    3 => average(left, above[x]),
                    _ => paeth(left, above[x], corner),
                };
                rows.push(sample.wrapping_sub(predicted));
            }
            above = row;
        }
        rows
    }

    fn pixels(&self) -> Vec<u8> {
        let mut noise = Noise(u32::from(self.colour) * 77 + u32::from(self.depth));
        let (width, height) = (self.width as usize, self.height as usize);
        if !self.interlaced {
            return self.rows(&mut noise, width, height);
        }
        let mut all = Vec::new();
        for pass in &PASSES {
            let across = width.saturating_sub(pass.left).div_ceil(pass.across);
            let down = height.saturating_sub(pass.top).div_ceil(pass.down);
            if across > 0 && down > 0 {
                all.extend(self.rows(&mut noise, across, down));
            }
        }
        all
    }

    fn start(&self) -> Vec<u8> {
        let mut head = [self.width.to_be_bytes(), self.height.to_be_bytes()].concat();
        head.extend([self.depth, self.colour, 0, 0, u8::from(self.interlaced)]);
        [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &head), &self.before].concat()
    }

    fn file(&self) -> Vec<u8> {
        let mut bytes = self.start();
        let data = zlib(&self.pixels());
        // In odd pieces, one of them empty.
        bytes.extend(chunk(b"IDAT", &data[..1]));
        bytes.extend(chunk(b"IDAT", &[]));
        for piece in data[1..].chunks(999) {
            bytes.extend(chunk(b"IDAT", piece));
        }
        bytes.extend(&self.after);
        bytes.extend(chunk(b"IEND", &[]));
        bytes
    }
}

fn average(left: u8, above: u8) -> u8 {
    left.midpoint(above)
}

/// As the standard writes it (9.4).
fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let estimate = i32::from(left) + i32::from(above) - i32::from(corner);
    let distance = |sample: u8| (estimate - i32::from(sample)).abs();
    [left, above, corner].into_iter().min_by_key(|sample| distance(*sample)).unwrap()
}

/// EXIF fields that say orientation 6.
const EXIF: &[u8] = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
const LIMITS: Limits = Limits::for_memory(1 << 30);
/// By number of threads.
const ON: [Limits; 3] = [LIMITS, LIMITS, Limits { threads: 2, ..LIMITS }];

fn whole(bytes: &[u8], threads: usize) -> Result<Still<'_>, MediaError> {
    let header = parse(bytes)?;
    let want = Want::new(header.facts.size(), &ON[threads]);
    decode(bytes, &header, &want)
}

fn raster(still: &Still<'_>) -> Raster {
    match &still.pixels {
        Pixels::Raster(raster) => raster.clone(),
        Pixels::Planar(_) => panic!("PNG is no planes"),
    }
}

/// The same by the `image` crate.
fn reference(bytes: &[u8]) -> (Model, Samples) {
    match image::load_from_memory(bytes).unwrap() {
        DynamicImage::ImageLuma8(image) => (Model::Gray, Samples::Eight(image.into_raw())),
        DynamicImage::ImageLumaA8(image) => (Model::GrayAlpha, Samples::Eight(image.into_raw())),
        DynamicImage::ImageRgb8(image) => (Model::Rgb, Samples::Eight(image.into_raw())),
        DynamicImage::ImageRgba8(image) => (Model::Rgba, Samples::Eight(image.into_raw())),
        DynamicImage::ImageLuma16(image) => (Model::Gray, Samples::Sixteen(image.into_raw())),
        DynamicImage::ImageLumaA16(image) => (Model::GrayAlpha, Samples::Sixteen(image.into_raw())),
        DynamicImage::ImageRgb16(image) => (Model::Rgb, Samples::Sixteen(image.into_raw())),
        DynamicImage::ImageRgba16(image) => (Model::Rgba, Samples::Sixteen(image.into_raw())),
        other => panic!("{:?}", other.color()),
    }
}

const TYPES: [(u8, &[u8]); 5] =
    [(0, &[1, 2, 4, 8, 16]), (2, &[8, 16]), (3, &[1, 2, 4, 8]), (4, &[8, 16]), (6, &[8, 16])];

/// Every type, depth, transparency and interlace at `width` × `height`.
fn every(width: u32, height: u32) -> Vec<Made> {
    let mut all = Vec::new();
    for (colour, depths) in TYPES {
        for &depth in depths {
            for (interlaced, transparent) in [(false, false), (false, true), (true, false), (true, true)] {
                let mut made = Made { interlaced, ..Made::new(colour, depth, width, height) };
                if colour == 3 {
                    let palette: Vec<u8> = (0..768).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
                    made.before.extend(chunk(b"PLTE", &palette[..3 << depth]));
                }
                if transparent {
                    let key: &[u8] = match (colour, depth) {
                        (3, _) => &[0, 99],
                        (0, 16) => &[40, 41],
                        (0, _) => &[0, 1],
                        (2, _) => &[0, 9, 0, 9, 0, 9],
                        _ => continue,
                    };
                    made.before.extend(chunk(b"tRNS", key));
                }
                all.push(made);
            }
        }
    }
    all
}

#[test]
fn every_type_depth_and_interlace_is_as_another_decoder_has_it() {
    for (width, height) in [(1, 1), (2, 3), (5, 9), (8, 8), (37, 21), (64, 40)] {
        for made in every(width, height) {
            let bytes = made.file();
            let told =
                format!("type {}, {} bits, {}, {width} × {height}", made.colour, made.depth, made.interlaced);
            for threads in [1, 2] {
                let still = whole(&bytes, threads).unwrap();
                assert_eq!(still.warnings, [], "{told}");
                let raster = raster(&still);
                let expected = reference(&bytes);
                assert!((raster.model, raster.samples) == expected, "{told}");
            }
        }
    }
}

#[test]
fn a_colour_that_is_transparent() {
    let mut made = Made::new(2, 8, 2, 1);
    made.before = chunk(b"tRNS", &[0, 1, 0, 2, 0, 3]);
    let data = zlib(&[0, 1, 2, 3, 1, 2, 4]);
    let bytes = [made.start(), chunk(b"IDAT", &data)].concat();
    assert_eq!(raster(&whole(&bytes, 1).unwrap()).samples, Samples::Eight(vec![1, 2, 3, 0, 1, 2, 4, 255]));
}

#[test]
fn samples_come_out_as_another_decoder_has_them() {
    for name in ["chelsea.png", "chelsea-alpha.png", "chelsea-palette.png", "moon-16bit-grey.png"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
        let bytes = std::fs::read(path).unwrap();
        let still = whole(&bytes, 2).unwrap();
        let raster = raster(&still);
        assert!((raster.model, raster.samples) == reference(&bytes), "{name}");
    }
}

/// Gives its bytes in small pieces.
struct Drip<'a>(&'a [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(501);
        self.0.read(&mut buffer[..most])
    }
}

#[test]
fn a_stream_gives_what_the_whole_gives() {
    for mut made in every(300, 500) {
        made.after = [chunk(b"tEXt", b"a\0b"), chunk(b"eXIf", EXIF), chunk(b"tEXt", b"c\0d")].concat();
        let bytes = made.file();
        let png = Png::read(&bytes).unwrap();
        assert_eq!(png.exif, Some(EXIF));
        let head = png.data.unwrap() + 8;
        let begun = Png::read(&bytes[..head + 5]).unwrap();
        let expected = raster(&whole(&bytes, 1).unwrap());
        for threads in [1, 2] {
            let want = Want::new((300, 500), &ON[threads]);
            let still = stream(&bytes[..head + 5], Drip(&bytes[head + 5..]), &begun, &want).unwrap();
            assert!(raster(&still) == expected);
            assert_eq!((still.warnings, still.orientation), (Vec::new(), Some(6)));
        }
    }
}

#[test]
fn a_profile_behind_the_pixels_is_met_in_a_stream() {
    let digits = EXIF.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let profile = format!("Raw profile type exif\0\nexif\n{:8}\n{digits}\n", EXIF.len());
    let profile = chunk(b"tEXt", profile.as_bytes());
    let upright = chunk(b"eXIf", b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0");
    let iptc = chunk(b"tEXt", b"Raw profile type iptc\0\niptc\n 2\n1c02");
    for (after, orientation) in [
        ([iptc.clone(), profile.clone()].concat(), Some(6)),
        ([profile.clone(), upright.clone()].concat(), Some(1)),
        ([upright, profile].concat(), Some(1)),
        (iptc, None),
    ] {
        let mut made = Made::new(2, 8, 30, 50);
        made.after = after;
        let bytes = made.file();
        let whole = parse(&bytes).unwrap();
        let head = whole.head.data.unwrap() + 8;
        let begun = Png::read(&bytes[..head]).unwrap();
        let want = Want::new((30, 50), &ON[1]);
        let still = stream(&bytes[..head], Drip(&bytes[head..]), &begun, &want).unwrap();
        assert_eq!(still.orientation, orientation);
        assert_eq!(whole.facts.orientation(), orientation.unwrap_or(1));
    }
}

#[test]
fn a_reader_that_fails_is_not_the_files_fault() {
    struct Broken<'a>(&'a [u8]);
    impl Read for Broken<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer) {
                Ok(0) => Err(io::Error::new(ErrorKind::ConnectionReset, "gone")),
                other => other,
            }
        }
    }
    let bytes = Made::new(2, 8, 300, 500).file();
    for (cut, threads) in [(100, 1), (bytes.len() / 2, 1), (bytes.len() / 2, 2), (bytes.len() - 12, 1)] {
        let want = Want::new((300, 500), &ON[threads]);
        let error = stream(&bytes[..50], Broken(&bytes[50..cut]), &Png::read(&bytes[..50]).unwrap(), &want)
            .unwrap_err();
        assert_eq!((error.code(), error.is_permanent()), ("read_failed", false), "{cut}");
    }
}

#[test]
fn cut_files_show_the_rows_that_are_there() {
    for interlaced in [false, true] {
        let made = Made { interlaced, ..Made::new(2, 8, 200, 301) };
        let bytes = made.file();
        let Samples::Eight(expected) = raster(&whole(&bytes, 1).unwrap()).samples else { panic!("8 bits") };
        let mut seen = 0;
        for length in (0..bytes.len()).step_by(bytes.len() / 40) {
            for threads in [1, 2] {
                match whole(&bytes[..length], threads) {
                    Ok(still) => {
                        seen += 1;
                        // Near the end, nothing but the last chunk is missing.
                        if length + 40 < bytes.len() {
                            assert_eq!(still.warnings[0].code, "truncated", "{length}");
                        }
                        let Samples::Eight(samples) = raster(&still).samples else { panic!("8 bits") };
                        let same = samples.iter().zip(&expected).filter(|(a, b)| a == b).count();
                        let share = if interlaced { length / 8 } else { length };
                        assert!(same * bytes.len() * 11 > expected.len() * share * 10, "{length}: {same}");
                    }
                    Err(error) => {
                        assert!(length < bytes.len() / 10, "{length}: {error}");
                        assert!(error.is_permanent());
                    }
                }
            }
        }
        assert!(seen > 70, "{seen}");
    }
}

#[test]
fn broken_data_shows_the_rows_before() {
    let made = Made::new(2, 8, 200, 300);
    let mut rows = made.pixels();
    // A filter that isn't.
    rows[150 * 601] = 5;
    let bytes = [made.start(), chunk(b"IDAT", &zlib(&rows))].concat();
    for threads in [1, 2] {
        let still = whole(&bytes, threads).unwrap();
        assert_eq!(still.warnings[0].code, "corrupt_data");
        assert!(still.warnings[0].message.contains("after 150 of 300 rows"), "{}", still.warnings[0].message);
    }
    let mut broken = made.file();
    let middle = broken.len() / 2;
    broken[middle..middle + 40].fill(0xA5);
    let still = whole(&broken, 1).unwrap();
    assert_eq!(still.warnings.len(), 1);
    for nothing in [&b"\x78\x9c\xff\xff"[..], b"\x00\x00\x00", b""] {
        let bytes = [made.start(), chunk(b"IDAT", nothing), chunk(b"IEND", &[])].concat();
        assert_eq!(whole(&bytes, 1).unwrap_err().code(), "corrupt_image");
    }
    assert_eq!(whole(&made.start(), 1).unwrap_err().code(), "corrupt_image");
}

#[test]
fn colour_is_told_by_the_chunk_that_counts_most() {
    let icc = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let profile = chunk(b"iCCP", &[b"P3\0\0", &zlib(&icc)[..]].concat());
    let p3 = chunk(b"cICP", &[12, 13, 0, 1]);
    let srgb = chunk(b"cICP", &[1, 13, 0, 1]);
    let video = chunk(b"cICP", &[9, 16, 9, 0]);
    let told = |chunks: &[&Vec<u8>]| {
        let mut made = Made::new(2, 8, 3, 3);
        made.before = chunks.iter().flat_map(|chunk| chunk.iter().copied()).collect();
        colour(&Png::read(&made.file()).unwrap())
    };
    assert_eq!(told(&[]), Colour::Srgb);
    assert_eq!(told(&[&profile]), Colour::Icc(icc.clone().into()));
    assert_eq!(told(&[&profile, &p3]), Colour::Cicp { primaries: 12, transfer: 13 });
    assert_eq!(told(&[&profile, &srgb]), Colour::Srgb);
    // Not RGB: the chunk is invalid.
    assert_eq!(told(&[&profile, &video]), Colour::Icc(icc.into()));
}

#[test]
fn a_profile_is_inflated_within_bounds() {
    let profile = |length: usize| {
        let mut made = Made::new(2, 8, 3, 3);
        made.before = chunk(b"iCCP", &[b"big\0\0", &zlib(&vec![0; length])[..]].concat());
        colour(&Png::read(&made.file()).unwrap())
    };
    assert!(matches!(profile(4 << 20), Colour::Icc(icc) if icc.len() == 4 << 20));
    assert_eq!(profile((4 << 20) + 1), Colour::Srgb);
    assert_eq!(profile(200 << 20), Colour::Srgb);
}

#[test]
fn the_bomb_needs_no_more_than_its_rows() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bomb-900mp.png");
    let bytes = std::fs::read(path).unwrap();
    let header = parse(&bytes).unwrap();
    assert!(memory(&header, (2048, 2048)) < 40 << 20, "{}", memory(&header, (2048, 2048)));
    let decoder = memory(&header, (2048, 2048));
    let limits = Limits::for_memory(1 << 30);
    assert!(header.facts.check(&limits, (2048, 2048), decoder, bytes.len()).is_err());
    let interlaced = Made { interlaced: true, ..Made::new(6, 16, 10_000, 10_000) }.start();
    let header = parse(&interlaced).unwrap();
    assert!(memory(&header, (64, 64)) > 800_000_000);
}

#[test]
fn frames_are_laid_over_each_other_as_another_decoder_does() {
    use png::{BlendOp, DisposeOp};
    let (width, height) = (40, 30);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_animated(6, 3).unwrap();
    let mut writer = encoder.write_header().unwrap();
    let mut noise = Noise(5);
    // Not in another order: what follows `Background`, the other decoder restores to before it was cleared.
    let disposals = [DisposeOp::None, DisposeOp::Previous, DisposeOp::Background];
    for number in 0..6_u16 {
        let (w, h, x, y) =
            if number == 0 { (width, height, 0, 0) } else { (17, 11, 3 + u32::from(number), 9) };
        writer.set_frame_dimension(1, 1).unwrap();
        writer.set_frame_position(x, y).unwrap();
        writer.set_frame_dimension(w, h).unwrap();
        writer.set_frame_delay(number * 5, 100).unwrap();
        writer.set_blend_op(if number % 2 == 1 { BlendOp::Over } else { BlendOp::Source }).unwrap();
        writer.set_dispose_op(disposals[usize::from(number) % 3]).unwrap();
        let pixels: Vec<u8> = (0..w * h * 4).map(|_| noise.next()).collect();
        writer.write_image_data(&pixels).unwrap();
    }
    writer.finish().unwrap();
    let expected = image::codecs::png::PngDecoder::new(Cursor::new(&bytes)).unwrap().apng().unwrap();
    let expected = expected.into_frames().collect_frames().unwrap();
    let mut animated = animation(&bytes, &Png::read(&bytes).unwrap(), &LIMITS).unwrap();
    assert_eq!(animated.loops, 3);
    for (number, expected) in expected.iter().enumerate() {
        let frame = animated.frames.next_frame().unwrap().unwrap();
        assert_eq!(frame.duration_ms, [100, 50, 100, 150, 200, 250][number]);
        let furthest = frame.pixels.iter().zip(expected.buffer().as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(furthest <= Some(2), "frame {number}: {furthest:?}");
    }
    assert!(animated.frames.next_frame().unwrap().is_none());
    for (cut, whole) in [(bytes.len() / 3, 1), (bytes.len() - 1_200, 4)] {
        let mut frames =
            animation(&bytes[..cut], &Png::read(&bytes[..cut]).unwrap(), &LIMITS).unwrap().frames;
        for _ in 0..whole {
            assert!(frames.next_frame().unwrap().is_some());
        }
        assert!(frames.next_frame().is_err());
        assert!(frames.next_frame().unwrap().is_none());
    }
}

/// What an animation may get wrong, and the sane one first.
fn animations() -> Vec<(&'static str, Vec<u8>)> {
    fn sized(number: u32, (width, height, x, y): (u32, u32, u32, u32), end: [u8; 2]) -> Vec<u8> {
        let numbers = [number, width, height, x, y].map(u32::to_be_bytes).concat();
        chunk(b"fcTL", &[&numbers, &[0, 1, 0, 10][..], &end].concat())
    }
    fn header(number: u32) -> Vec<u8> {
        sized(number, (3, 2, 0, 0), [0, 0])
    }
    let rows = zlib(&[[0].repeat(4), [0].repeat(4)].concat());
    let pixels = |number: u32| chunk(b"fdAT", &[&number.to_be_bytes(), &rows[..]].concat());
    let control = |frames: u32| chunk(b"acTL", &[frames.to_be_bytes(), [0; 4]].concat());
    let still = Made::new(0, 8, 3, 2).file();
    let (start, rest) = still.split_at(33);
    let (picture, end) = rest.split_at(rest.len() - 12);
    let file = |before: &[Vec<u8>], after: &[Vec<u8>]| {
        [start, &before.concat(), picture, &after.concat(), end].concat()
    };
    vec![
        ("sane", file(&[control(2), header(0)], &[header(1), pixels(2)])),
        (
            "sane with another default image",
            file(&[control(2)], &[header(0), pixels(1), header(2), pixels(3)]),
        ),
        ("several chunks a frame", file(&[control(2), header(0)], &[header(1), pixels(2), pixels(3)])),
        ("no frames", file(&[control(0), header(0)], &[header(1), pixels(2)])),
        ("no headers", file(&[control(2)], &[pixels(0)])),
        ("nothing but the promise", file(&[control(2)], &[])),
        ("too few", file(&[control(3), header(0)], &[header(1), pixels(2)])),
        ("too many", file(&[control(1), header(0)], &[header(1), pixels(2)])),
        ("a huge number", file(&[control(u32::MAX), header(0)], &[header(1), pixels(2)])),
        ("a gap", file(&[control(2), header(0)], &[header(2), pixels(3)])),
        ("a repeated number", file(&[control(2), header(0)], &[header(1), pixels(1)])),
        ("out of order", file(&[control(2), header(0)], &[pixels(1), header(2)])),
        ("pixels before the picture", file(&[control(2), header(0), pixels(1)], &[header(2), pixels(3)])),
        ("two headers", file(&[control(2), header(0)], &[header(1), header(2), pixels(3)])),
        ("a header at the end", file(&[control(2), header(0)], &[header(1), pixels(2), header(3)])),
        ("two promises", file(&[control(2), control(2), header(0)], &[header(1), pixels(2)])),
        ("a short promise", file(&[chunk(b"acTL", &[0, 0, 0, 2]), header(0)], &[header(1), pixels(2)])),
        ("a short header", file(&[control(2), header(0)], &[chunk(b"fcTL", &[0, 0, 0, 1]), pixels(2)])),
        ("beyond the canvas", file(&[control(2), header(0)], &[sized(1, (3, 2, 1, 0), [0, 0]), pixels(2)])),
        (
            "far beyond the canvas",
            file(&[control(2), header(0)], &[sized(1, (3, 2, u32::MAX, 0), [0, 0]), pixels(2)]),
        ),
        ("without pixels", file(&[control(2), header(0)], &[sized(1, (0, 2, 0, 0), [0, 0]), pixels(2)])),
        ("a small first frame", file(&[control(2), sized(0, (1, 1, 0, 0), [0, 0])], &[header(1), pixels(2)])),
        ("an unknown disposal", file(&[control(2), header(0)], &[sized(1, (3, 2, 0, 0), [3, 0]), pixels(2)])),
        ("an unknown blend", file(&[control(2), header(0)], &[sized(1, (3, 2, 0, 0), [0, 2]), pixels(2)])),
    ]
}

#[test]
fn an_animation_that_breaks_the_rules_is_its_default_image() {
    let expected = raster(&whole(&Made::new(0, 8, 3, 2).file(), 1).unwrap());
    for (index, (name, bytes)) in animations().into_iter().enumerate() {
        let header = parse(&bytes).unwrap();
        let moves = index < 3;
        assert_eq!((header.facts.animated, header.facts.frames), (moves, 1 + u32::from(moves)), "{name}");
        let still = whole(&bytes, 1).unwrap();
        assert!(raster(&still) == expected, "{name}");
        let warnings: Vec<_> = still.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(warnings, if moves { &[][..] } else { &["animation_flattened"] }, "{name}");
        assert_eq!(animation(&bytes, &header.head, &LIMITS).is_ok(), moves, "{name}");
        // Cut short, it is what is left of it, but never nothing.
        let pixels = header.head.data.unwrap();
        for length in pixels + 30..bytes.len() {
            let header = parse(&bytes[..length]).unwrap();
            if header.facts.animated {
                let mut animated = animation(&bytes[..length], &header.head, &LIMITS).unwrap();
                assert!(animated.frames.next_frame().unwrap().is_some(), "{name} at {length}");
            }
        }
    }
    // Behind the pixels it says nothing; without it frames don't count.
    let mut late = Made::new(0, 8, 3, 2);
    late.after = chunk(b"acTL", &[0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(whole(&late.file(), 1).unwrap().warnings, []);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn hostile_bytes_never_panic(
        seed in 0..52_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        end in any::<prop::sample::Index>(),
    ) {
        let all = every(23, 17);
        let mut bytes = all[seed % all.len()].file();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(end.index(bytes.len()).max(bytes.len() / 2));
        if let Ok(header) = parse(&bytes)
            && header.facts.pixels() < 1 << 22
        {
            let want = Want::new((5, 5), &LIMITS);
            let _ = decode(&bytes, &header, &want);
            if let Ok(mut animated) = animation(&bytes, &header.head, &LIMITS) {
                while let Ok(Some(_)) = animated.frames.next_frame() {}
            }
        }
    }
}
