use std::io::{Cursor, Write};

use proptest::prelude::*;

use super::*;
use crate::{formats::tiff::header::parse, limits::Limits};

const LIMITS: Limits = Limits::for_memory(1 << 30);

fn whole(bytes: &[u8]) -> Result<(Raster, Vec<Warning>), MediaError> {
    let header = parse(bytes)?;
    let want = Want::new(header.facts.size(), &LIMITS);
    let still = decode(bytes, &header, &want)?;
    match still.pixels {
        Pixels::Raster(raster) => Ok((raster, still.warnings)),
        Pixels::Planar(_) => panic!("TIFF is no planes"),
    }
}

/// A file to be made of noise.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each has two values")]
struct Made {
    big_endian: bool,
    wide: bool,
    width: usize,
    height: usize,
    bits: u16,
    samples: usize,
    photometric: u16,
    compression: u16,
    differences: bool,
    planar: bool,
    low_bit_first: bool,
    /// Rows of a strip, or width and height of tiles.
    strip: usize,
    tile: Option<(usize, usize)>,
    /// Tag, type and values.
    more: Vec<(u16, u16, Vec<u64>)>,
}

const PLAIN: Made = Made {
    big_endian: false,
    wide: false,
    width: 37,
    height: 29,
    bits: 8,
    samples: 3,
    photometric: 2,
    compression: 1,
    differences: false,
    planar: false,
    low_bit_first: false,
    strip: 7,
    tile: None,
    more: Vec::new(),
};

impl Made {
    fn number(&self, value: u64, size: usize) -> Vec<u8> {
        let bytes = value.to_be_bytes()[8 - size..].to_vec();
        if self.big_endian { bytes } else { bytes.into_iter().rev().collect() }
    }

    /// Every sample as stored, by rows.
    fn noise(&self) -> Vec<u32> {
        let mut seed = 99_u32;
        (0..self.width * self.height * self.samples)
            .map(|at| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Long runs here and there, for PackBits.
                let value = if at / 61 % 3 == 0 { 0x5555_5555 } else { seed };
                if self.bits == 32 { value } else { (value >> 9) & ((1 << self.bits) - 1) }
            })
            .collect()
    }

    fn compress(&self, data: &[u8]) -> Vec<u8> {
        let compressed = match self.compression {
            1 => data.to_vec(),
            5 => weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8).encode(data).unwrap(),
            8 | 32_946 => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
                encoder.write_all(data).unwrap();
                encoder.finish().unwrap()
            }
            32_773 => {
                let mut out = vec![128];
                for run in data.chunk_by(|a, b| a == b) {
                    for piece in run.chunks(100) {
                        if let [byte, _, ..] = piece {
                            out.extend([u8::try_from(257 - piece.len()).unwrap(), *byte]);
                        } else {
                            out.extend([0, piece[0]]);
                        }
                    }
                }
                out
            }
            other => panic!("{other}"),
        };
        if self.low_bit_first {
            compressed.iter().map(|byte| byte.reverse_bits()).collect()
        } else {
            compressed
        }
    }

    /// The strips or tiles.
    fn chunks(&self, noise: &[u32]) -> Vec<Vec<u8>> {
        let (across, down) = self.tile.unwrap_or((self.width, self.strip));
        let planes = if self.planar { self.samples } else { 1 };
        let mut chunks = Vec::new();
        for plane in 0..planes {
            for top in (0..self.height).step_by(down) {
                for left in (0..self.width).step_by(across) {
                    let rows = if self.tile.is_some() { down } else { down.min(self.height - top) };
                    let mut data = Vec::new();
                    for y in top..top + rows {
                        let sample = |x: usize, sample: usize| {
                            let inside = x < self.width && y < self.height;
                            if inside { noise[(y * self.width + x) * self.samples + sample] } else { 0 }
                        };
                        let channels: Vec<usize> =
                            if self.planar { vec![plane] } else { (0..self.samples).collect() };
                        let mut row = Vec::new();
                        for x in left..left + across {
                            for &channel in &channels {
                                let before = if x > left { sample(x - 1, channel) } else { 0 };
                                let value = sample(x, channel);
                                row.push(if self.differences { value.wrapping_sub(before) } else { value });
                            }
                        }
                        data.extend(self.pack(&row));
                    }
                    chunks.push(self.compress(&data));
                }
            }
        }
        chunks
    }

    fn pack(&self, row: &[u32]) -> Vec<u8> {
        if self.bits >= 8 && self.bits.is_multiple_of(8) {
            let size = usize::from(self.bits) / 8;
            return row
                .iter()
                .flat_map(|&value| {
                    self.number((u64::from(value) << (64 - self.bits)) >> (64 - self.bits), size)
                })
                .collect();
        }
        let mut bits: Vec<bool> = Vec::new();
        for value in row {
            bits.extend((0..self.bits).rev().map(|bit| value >> bit & 1 == 1));
        }
        bits.chunks(8)
            .map(|bits| bits.iter().enumerate().fold(0, |byte, (at, &bit)| byte | u8::from(bit) << (7 - at)))
            .collect()
    }

    fn file_of(&self, chunks: &[Vec<u8>]) -> Vec<u8> {
        let head = if self.wide { 16 } else { 8 };
        let mut data = vec![0; head];
        let mut places = Vec::new();
        for chunk in chunks {
            places.push(data.len() as u64);
            data.extend(chunk);
        }
        let lengths: Vec<u64> = chunks.iter().map(|chunk| chunk.len() as u64).collect();
        let mut fields = vec![
            (256, 4, vec![self.width as u64]),
            (257, 4, vec![self.height as u64]),
            (258, 3, vec![u64::from(self.bits); self.samples]),
            (259, 3, vec![u64::from(self.compression)]),
            (262, 3, vec![u64::from(self.photometric)]),
            (277, 3, vec![self.samples as u64]),
            (284, 3, vec![1 + u64::from(self.planar)]),
            (317, 3, vec![1 + u64::from(self.differences)]),
            (266, 3, vec![1 + u64::from(self.low_bit_first)]),
        ];
        match self.tile {
            Some((across, down)) => fields.extend([
                (322, 3, vec![across as u64]),
                (323, 3, vec![down as u64]),
                (324, 4, places),
                (325, 4, lengths),
            ]),
            None => fields.extend([(273, 4, places), (278, 4, vec![self.strip as u64]), (279, 4, lengths)]),
        }
        fields.extend(self.more.clone());
        let inline = if self.wide { 8 } else { 4 };
        let mut directory = self.number(fields.len() as u64, if self.wide { 8 } else { 2 });
        for (tag, kind, values) in fields {
            let size = if kind == 16 { 8 } else { [0, 1, 1, 2, 4, 0, 1, 1][usize::from(kind)] };
            let mut bytes: Vec<u8> = values.iter().flat_map(|&value| self.number(value, size)).collect();
            directory.extend(self.number(tag.into(), 2));
            directory.extend(self.number(kind.into(), 2));
            directory.extend(self.number(values.len() as u64, inline));
            if bytes.len() > inline {
                directory.extend(self.number(data.len() as u64, inline));
                data.extend(bytes);
            } else {
                bytes.resize(inline, 0);
                directory.extend(bytes);
            }
        }
        directory.extend(self.number(0, inline));
        let start = data.len() as u64;
        data.extend(directory);
        let mut magic = if self.big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        if self.wide {
            magic.extend(
                [self.number(43, 2), self.number(8, 2), self.number(0, 2), self.number(start, 8)].concat(),
            );
        } else {
            magic.extend([self.number(42, 2), self.number(start, 4)].concat());
        }
        data[..head].copy_from_slice(&magic);
        data
    }

    fn file(&self) -> Vec<u8> {
        self.file_of(&self.chunks(&self.noise()))
    }

    /// Samples as they should come out, without anything but scaling.
    fn expected(&self) -> Samples {
        let noise = self.noise();
        let most = (1_u64 << self.bits) - 1;
        let scaled = |top: u64| move |value: &u32| (u64::from(*value) * top + most / 2) / most;
        if self.bits > 8 {
            let top = if self.bits == 32 { |value: &u32| u64::from(*value >> 16) } else { |_: &u32| 0 };
            let deep =
                noise.iter().map(|value| if self.bits == 32 { top(value) } else { scaled(65_535)(value) });
            Samples::Sixteen(deep.map(|value| u16::try_from(value).unwrap()).collect())
        } else {
            Samples::Eight(noise.iter().map(scaled(255)).map(|value| u8::try_from(value).unwrap()).collect())
        }
    }
}

fn variants() -> Vec<Made> {
    let mut all = Vec::new();
    for compression in [1, 5, 8, 32_946, 32_773] {
        for (bits, samples, photometric) in [
            (1, 1, 1),
            (2, 1, 1),
            (4, 1, 1),
            (8, 1, 1),
            (12, 1, 1),
            (16, 1, 1),
            (8, 3, 2),
            (16, 3, 2),
            (4, 3, 2),
            (8, 4, 5),
            (32, 3, 2),
            (8, 4, 2),
            (16, 4, 2),
        ] {
            for tile in [None, Some((16, 16)), Some((48, 32))] {
                let planes = if samples > 1 { &[false, true][..] } else { &[false] };
                for &planar in planes {
                    let big_endian = (bits + compression) % 3 == 1;
                    let wide = tile.is_some() && planar;
                    let differences = matches!(compression, 5 | 8) && matches!(bits, 8 | 16) && !wide;
                    let low_bit_first = compression == 32_773 && bits == 2;
                    all.push(Made {
                        big_endian,
                        wide,
                        bits,
                        samples,
                        photometric,
                        compression,
                        differences,
                        planar,
                        low_bit_first,
                        tile,
                        ..PLAIN
                    });
                }
            }
        }
    }
    all
}

#[test]
fn every_layout_depth_and_compression() {
    for made in variants() {
        let told = format!(
            "{} bits, {} samples, compression {}, {:?}, planar {}, big {}",
            made.bits, made.samples, made.compression, made.tile, made.planar, made.big_endian
        );
        let (raster, warnings) = whole(&made.file()).unwrap_or_else(|error| panic!("{told}: {error}"));
        assert_eq!(warnings, [], "{told}");
        assert!(raster.samples == made.expected(), "{told}");
        let channels = if made.photometric == 5 { 4 } else { made.samples };
        assert_eq!(raster.model.channels(), channels, "{told}");
    }
}

#[test]
fn another_writer_and_another_reader_agree() {
    use tiff::encoder::{TiffEncoder, colortype};
    let made = Made { width: 61, height: 47, ..PLAIN };
    let pixels: Vec<u8> = made.noise().iter().map(|&value| u8::try_from(value).unwrap()).collect();
    for compression in [
        tiff::encoder::Compression::Uncompressed,
        tiff::encoder::Compression::Lzw,
        tiff::encoder::Compression::Packbits,
    ] {
        for predictor in [tiff::tags::Predictor::None, tiff::tags::Predictor::Horizontal] {
            let mut bytes = Cursor::new(Vec::new());
            let encoder = TiffEncoder::new_big(&mut bytes).unwrap().with_compression(compression);
            let horizontal = predictor == tiff::tags::Predictor::Horizontal;
            if horizontal && !matches!(compression, tiff::encoder::Compression::Lzw) {
                continue;
            }
            encoder.with_predictor(predictor).write_image::<colortype::RGB8>(61, 47, &pixels).unwrap();
            let (raster, warnings) = whole(bytes.get_ref()).unwrap();
            assert_eq!((raster.samples, warnings), (Samples::Eight(pixels.clone()), vec![]));
        }
    }
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let bytes = std::fs::read(data.join("chelsea.tif")).unwrap();
    let mut decoder = tiff::decoder::Decoder::new(Cursor::new(&bytes)).unwrap();
    let tiff::decoder::DecodingResult::U8(expected) = decoder.read_image().unwrap() else { panic!("8 bits") };
    assert!(whole(&bytes).unwrap().0.samples == Samples::Eight(expected));
}

#[test]
fn colours_of_a_palette_and_of_inverted_gray() {
    let map: Vec<u64> = (0..48).map(|at| at * 1_300).collect();
    let made = Made { bits: 4, samples: 1, photometric: 3, more: vec![(320, 3, map.clone())], ..PLAIN };
    let expected: Vec<u8> = made
        .noise()
        .iter()
        .flat_map(|&index| {
            [0, 16, 32].map(|plane| u8::try_from((map[plane + index as usize] + 128) / 257).unwrap())
        })
        .collect();
    let (raster, _) = whole(&made.file()).unwrap();
    assert_eq!((raster.model, raster.samples), (Model::Rgb, Samples::Eight(expected)));
    // Of 8 bits, where 16 belong.
    let map: Vec<u64> = (0..48).map(|at| at * 5).collect();
    let made = Made { bits: 4, samples: 1, photometric: 3, more: vec![(320, 3, map)], ..PLAIN };
    let Samples::Eight(samples) = whole(&made.file()).unwrap().0.samples else { panic!("8 bits") };
    assert_eq!(u32::from(samples[0]), made.noise()[0] * 5);
    // Of 64 bits, and more than 16 of them: as bright as can be.
    for (colour, sample) in [(65_535, 255), (65_536, 255), (u64::MAX - 128, 255), (u64::MAX, 255)] {
        let more = vec![(320, 16, vec![colour; 48])];
        let made = Made { wide: true, bits: 4, samples: 1, photometric: 3, more, ..PLAIN };
        let Samples::Eight(samples) = whole(&made.file()).unwrap().0.samples else { panic!("8 bits") };
        assert!(samples.iter().all(|it| *it == sample), "{colour}: {}", samples[0]);
    }

    let made = Made { bits: 8, samples: 1, photometric: 0, ..PLAIN };
    let inverted: Vec<u8> = made.noise().iter().map(|&value| 255 - u8::try_from(value).unwrap()).collect();
    assert_eq!(whole(&made.file()).unwrap().0.samples, Samples::Eight(inverted));
}

#[test]
fn alpha_is_divided_out_where_it_was_multiplied_in() {
    let made = Made { samples: 4, more: vec![(338, 3, vec![1])], ..PLAIN };
    let stored: Vec<Vec<u8>> =
        vec![[[100, 50, 0, 200], [7, 7, 7, 0], [90, 90, 90, 90], [255, 3, 3, 100]].concat()];
    let made = Made { width: 4, height: 1, strip: 1, ..made };
    let (raster, _) = whole(&made.file_of(&stored)).unwrap();
    let expected = [[128, 64, 0, 200], [7, 7, 7, 0], [255, 255, 255, 90], [255, 8, 8, 100]].concat();
    assert_eq!((raster.model, raster.samples), (Model::Rgba, Samples::Eight(expected)));
    // More than one extra sample, none of them alpha.
    let made = Made { samples: 5, more: vec![(338, 3, vec![0, 0])], ..PLAIN };
    let (raster, _) = whole(&made.file()).unwrap();
    assert_eq!(raster.model, Model::Rgb);
}

#[test]
fn floats_from_zero_to_one() {
    let made = Made {
        width: 4,
        height: 1,
        strip: 1,
        bits: 32,
        samples: 1,
        photometric: 1,
        more: vec![(339, 3, vec![3])],
        ..PLAIN
    };
    let row: Vec<u8> = [0.0_f32, 0.5, 1.0, f32::NAN].iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(whole(&made.file_of(&[row])).unwrap().0.samples, Samples::Sixteen(vec![0, 32_768, 65_535, 0]));
}

#[test]
fn fax_of_group_4() {
    let made = Made {
        width: 40,
        height: 20,
        bits: 1,
        samples: 1,
        photometric: 0,
        compression: 4,
        strip: 10,
        ..PLAIN
    };
    let black = |x: u16, y: u16| (x * y / 7).is_multiple_of(3);
    let strips: Vec<Vec<u8>> = [0, 10]
        .map(|top| {
            let mut encoder = fax::encoder::Encoder::new(fax::VecWriter::new());
            for y in top..top + 10 {
                let row = (0..40).map(|x| if black(x, y) { fax::Color::Black } else { fax::Color::White });
                encoder.encode_line(row, 40).unwrap();
            }
            encoder.finish().unwrap().finish()
        })
        .to_vec();
    let expected: Vec<u8> =
        (0..20).flat_map(|y| (0..40).map(move |x| if black(x, y) { 0 } else { 255 })).collect();
    assert_eq!(whole(&made.file_of(&strips)).unwrap().0.samples, Samples::Eight(expected.clone()));
    let reversed: Vec<Vec<u8>> =
        strips.iter().map(|strip| strip.iter().map(|byte| byte.reverse_bits()).collect()).collect();
    let made = Made { low_bit_first: true, ..made };
    assert_eq!(whole(&made.file_of(&reversed)).unwrap().0.samples, Samples::Eight(expected));
}

#[test]
fn jpeg_in_strips_with_tables_apart() {
    let made = Made { width: 64, height: 48, compression: 7, photometric: 6, strip: 16, ..PLAIN };
    let colour = |x: usize, y: usize| [x * 3, y * 5, (x + y) * 2].map(|value| u8::try_from(value).unwrap());
    let mut tables = Vec::new();
    let strips: Vec<Vec<u8>> = (0..3)
        .map(|strip| {
            let pixels: Vec<u8> =
                (16 * strip..16 * strip + 16).flat_map(|y| (0..64).flat_map(move |x| colour(x, y))).collect();
            let mut bytes = Vec::new();
            let encoder = jpeg_encoder::Encoder::new(&mut bytes, 100);
            encoder.encode(&pixels, 64, 16, jpeg_encoder::ColorType::Rgb).unwrap();
            // Quantisation tables go apart, what names the colours goes away.
            let mut apart = vec![0xFF, 0xD8];
            let mut rest = vec![0xFF, 0xD8];
            let mut at = 2;
            while bytes[at + 1] != 0xDA {
                let end = at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
                match bytes[at + 1] {
                    0xDB => apart.extend(&bytes[at..end]),
                    0xE0..=0xEF => {}
                    _ => rest.extend(&bytes[at..end]),
                }
                at = end;
            }
            rest.extend(&bytes[at..]);
            apart.extend([0xFF, 0xD9]);
            tables = apart;
            rest
        })
        .collect();
    let tables: Vec<u64> = tables.into_iter().map(u64::from).collect();
    let made = Made { more: vec![(347, 7, tables), (530, 3, vec![2, 2])], ..made };
    let bytes = made.file_of(&strips);
    let (raster, warnings) = whole(&bytes).unwrap();
    let Samples::Eight(samples) = raster.samples else { panic!("8 bits") };
    let expected = (0..48).flat_map(|y| (0..64).flat_map(move |x| colour(x, y)));
    let furthest = samples.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max();
    assert!(furthest < Some(24), "{furthest:?}");
    assert_eq!(warnings, []);
    // Another size than the directory tells.
    let liar = Made { width: 60, ..made };
    assert_eq!(whole(&liar.file_of(&strips)).unwrap_err().code(), "corrupt_image");
}

#[test]
fn pages_are_counted_and_a_reduced_copy_is_passed_over() {
    use tiff::encoder::{TiffEncoder, colortype};
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes).unwrap();
    for (edge, reduced) in [(8_u32, 1_u32), (20, 0), (30, 0)] {
        let mut image = encoder.new_image::<colortype::Gray8>(edge, edge).unwrap();
        image.encoder().write_tag(tiff::tags::Tag::NewSubfileType, reduced).unwrap();
        image.write_data(&vec![9; (edge * edge) as usize]).unwrap();
    }
    let header = parse(bytes.get_ref()).unwrap();
    assert_eq!((header.facts.width, header.facts.frames, header.facts.animated), (20, 3, false));
    assert_eq!(whole(bytes.get_ref()).unwrap().0.width, 20);
    // A ring of directories ends.
    let mut ring = PLAIN.file();
    let first = u32::from_le_bytes(*ring[4..].first_chunk().unwrap()).to_le_bytes();
    let end = ring.len() - 4;
    ring[end..].copy_from_slice(&first);
    assert_eq!(parse(&ring).unwrap().facts.frames, 1);
}

#[test]
fn what_is_missing_or_broken_repeats_what_stands_above() {
    let made = Made { compression: 8, height: 200, strip: 20, ..PLAIN };
    let (sound, _) = whole(&made.file()).unwrap();
    let Samples::Eight(sound) = sound.samples else { panic!("8 bits") };
    let mut chunks = made.chunks(&made.noise());
    chunks[4] = vec![0x78, 0x9C, 0xFF, 0xFF];
    let (raster, warnings) = whole(&made.file_of(&chunks)).unwrap();
    assert_eq!(warnings[0].code, "corrupt_data");
    let Samples::Eight(samples) = raster.samples else { panic!("8 bits") };
    let row = 37 * 3;
    assert_eq!(samples[..80 * row], sound[..80 * row]);
    assert_eq!(samples[80 * row..81 * row], sound[79 * row..80 * row]);
    assert_eq!(samples[100 * row..], sound[100 * row..]);
    for chunk in &mut chunks {
        chunk.clear();
    }
    assert_eq!(whole(&made.file_of(&chunks)).unwrap_err().code(), "corrupt_image");

    // Cut: the last strips aren't there.
    let mut chunks = made.chunks(&made.noise());
    chunks[7].truncate(200);
    for chunk in &mut chunks[8..] {
        chunk.clear();
    }
    let (raster, warnings) = whole(&made.file_of(&chunks)).unwrap();
    assert_eq!(warnings[0].code, "truncated");
    let Samples::Eight(samples) = raster.samples else { panic!("8 bits") };
    assert_eq!(samples[..140 * row], sound[..140 * row]);
    assert_eq!(samples[198 * row..199 * row], samples[199 * row..]);
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let bytes = std::fs::read(data.join("chelsea.tif")).unwrap();
    for length in (0..bytes.len()).step_by(bytes.len() / 40) {
        // Its directory stands behind the pixels.
        assert!(length > 430_000 || whole(&bytes[..length]).is_err_and(|error| error.is_permanent()));
    }
}

#[test]
fn memory_is_told_from_the_header() {
    let needs = |made: &Made| {
        let bytes = made.file_of(&[vec![0; 10]]);
        memory(&parse(&bytes).unwrap(), (2048, 2048))
    };
    let large = Made { width: 12_000, height: 8_000, strip: 8_000, ..PLAIN };
    assert!(needs(&large) < 24 << 20, "{}", needs(&large));
    assert!(needs(&Made { compression: 8, ..large.clone() }) < 24 << 20);
    assert!(needs(&Made { compression: 7, ..large.clone() }) > 4 * 288_000_000);
    let tiles = Made { compression: 8, planar: true, tile: Some((16, 16)), ..large.clone() };
    assert!(needs(&tiles) < 26 << 20, "{}", needs(&tiles));
    let tiles = Made { compression: 7, tile: Some((512, 512)), ..large };
    assert!(needs(&tiles) < 100 << 20, "{}", needs(&tiles));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn hostile_bytes_never_panic(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        in_directory in any::<bool>(),
    ) {
        let all = variants();
        let mut bytes = all[seed.index(all.len())].file();
        let length = bytes.len();
        for (at, value) in changes {
            let at = if in_directory { length - 1 - at.index(260.min(length)) } else { at.index(length) };
            bytes[at] = value;
        }
        if let Ok(header) = parse(&bytes)
            && header.facts.pixels() < 1 << 20 && memory(&header, (5, 5)) < 64 << 20
        {
            let want = Want::new((5.min(header.facts.width), 5.min(header.facts.height)), &LIMITS);
            let _ = decode(&bytes, &header, &want);
        }
    }
}
