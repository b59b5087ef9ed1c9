use std::io::{Cursor, Write};

use proptest::prelude::*;
use weezl::BitOrder;

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
            50_000 => ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest),
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
    for compression in [1, 5, 8, 32_946, 32_773, 50_000] {
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
                    let big_endian = (u32::from(bits) + u32::from(compression)) % 3 == 1;
                    let wide = tile.is_some() && planar;
                    let differences =
                        matches!(compression, 5 | 8 | 50_000) && matches!(bits, 8 | 16) && !wide;
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
fn an_extra_sample_is_alpha_where_the_file_says_so() {
    let made = Made { samples: 4, width: 2, height: 1, strip: 1, ..PLAIN };
    let row = [[9, 8, 7, 6], [5, 4, 3, 2]].concat();
    let colours = [[9, 8, 7], [5, 4, 3]].concat();
    let raster = |made: &Made, row: &[u8]| whole(&made.file_of(&[row.to_vec()])).unwrap().0;
    let rgb = (Model::Rgb, Samples::Eight(colours.clone()));
    let unspecified = Made { more: vec![(338, 3, vec![0])], ..made.clone() };
    let found = raster(&unspecified, &row);
    assert_eq!((found.model, found.samples), rgb);
    // Without a word about it, it is alpha.
    let found = raster(&made, &row);
    assert_eq!((found.model, found.samples), (Model::Rgba, Samples::Eight(row)));
    // The one that is alpha stands behind another one.
    let two = Made { samples: 5, more: vec![(338, 3, vec![0, 2])], ..made.clone() };
    let found = raster(&two, &[9, 8, 7, 100, 6, 5, 4, 3, 100, 2]);
    let expected = [[9, 8, 7, 6], [5, 4, 3, 2]].concat();
    assert_eq!((found.model, found.samples), (Model::Rgba, Samples::Eight(expected)));
    // Alpha that hides all of the picture is none, whatever it is called.
    for more in [vec![], vec![(338, 3, vec![1])], vec![(338, 3, vec![2])]] {
        let made = Made { more, ..made.clone() };
        let found = raster(&made, &[9, 8, 7, 0, 5, 4, 3, 0]);
        assert_eq!((found.model, found.samples), (Model::Rgb, Samples::Eight(colours.clone())));
        let found = raster(&made, &[9, 8, 7, 0, 5, 4, 3, 1]);
        assert_eq!(found.model, Model::Rgba);
    }
}

#[test]
fn tiles_whose_places_are_told_as_those_of_strips() {
    for compression in [1, 8] {
        let made = Made { compression, tile: Some((16, 32)), ..PLAIN };
        let mut file = made.file();
        let directory = u32::from_le_bytes(*file[4..].first_chunk().unwrap()) as usize;
        for field in file[directory + 2..].chunks_exact_mut(12) {
            match u16::from_le_bytes([field[0], field[1]]) {
                324 => field[..2].copy_from_slice(&273_u16.to_le_bytes()),
                325 => field[..2].copy_from_slice(&279_u16.to_le_bytes()),
                _ => {}
            }
        }
        let (raster, warnings) = whole(&file).unwrap();
        assert_eq!((raster.samples, warnings), (made.expected(), vec![]));
    }
}

#[test]
fn pixels_that_share_chroma() {
    for (across, down) in [(1, 1), (2, 1), (2, 2), (4, 1), (4, 2), (4, 4), (1, 2)] {
        for (tile, compression) in
            [(None, 1), (None, 5), (None, 50_000), (Some((16, 16)), 8), (Some((32, 48)), 8)]
        {
            let made = Made {
                photometric: 6,
                compression,
                strip: 8,
                tile,
                more: vec![(530, 3, vec![across as u64, down as u64])],
                ..PLAIN
            };
            let luma = |x: usize, y: usize| u8::try_from((x * 5 + y * 3) % 256).unwrap();
            let blue = |x: usize, y: usize| u8::try_from((x / across * 9 + y / down + 40) % 256).unwrap();
            let red = |x: usize, y: usize| u8::try_from((y / down * 11 + 90 + x / across) % 256).unwrap();
            let (wide, high) = tile.unwrap_or((made.width, made.strip));
            let mut chunks = Vec::new();
            for top in (0..made.height).step_by(high) {
                for left in (0..made.width).step_by(wide) {
                    let rows = if tile.is_some() { high } else { high.min(made.height - top) };
                    let mut data = Vec::new();
                    for y in (top..top + rows).step_by(down) {
                        for x in (left..left + wide).step_by(across) {
                            for row in y..y + down {
                                data.extend((x..x + across).map(|column| luma(column, row)));
                            }
                            data.extend([blue(x, y), red(x, y)]);
                        }
                    }
                    chunks.push(made.compress(&data));
                }
            }
            let expected: Vec<u8> = (0..made.height)
                .flat_map(|y| (0..made.width).map(move |x| (x, y)))
                .flat_map(|(x, y)| rgb([luma(x, y), blue(x, y), red(x, y)].map(Into::into)))
                .map(|sample| u8::try_from(sample).unwrap())
                .collect();
            let (raster, warnings) = whole(&made.file_of(&chunks)).unwrap();
            assert_eq!(warnings, []);
            assert!(raster.samples == Samples::Eight(expected), "{across} × {down}, {compression}, {tile:?}");
        }
    }
}

/// A JPEG of strips of the old kind: how the file keeps it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum OldKind {
    /// A whole JPEG, in which the only strip lies.
    Whole,
    /// A whole JPEG and no strips.
    Alone,
    /// The beginning of a JPEG, and strips of coded pixels.
    Beginning,
    /// Tables one by one, and strips of coded pixels.
    Tables,
    /// Each strip a JPEG of its own.
    Each,
}

#[test]
fn jpeg_of_the_old_kind() {
    let colour = |x: usize, y: usize| [x * 3, y * 5, (x + y) * 2].map(|value| u8::try_from(value).unwrap());
    for kind in [OldKind::Whole, OldKind::Alone, OldKind::Beginning, OldKind::Tables, OldKind::Each] {
        let rows = if matches!(kind, OldKind::Whole | OldKind::Alone) { 48 } else { 16 };
        let files: Vec<Vec<u8>> = (0..48)
            .step_by(rows)
            .map(|top| {
                let pixels: Vec<u8> =
                    (top..top + rows).flat_map(|y| (0..64).flat_map(move |x| colour(x, y))).collect();
                let mut bytes = Vec::new();
                let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 95);
                encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
                let height = u16::try_from(rows).unwrap();
                encoder.encode(&pixels, 64, height, jpeg_encoder::ColorType::Rgb).unwrap();
                bytes
            })
            .collect();
        let scan = |file: &[u8]| {
            let at = memchr::memmem::find(file, b"\xFF\xDA").unwrap();
            at + 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]))
        };
        // Files, or what of them lies behind the beginning.
        let strips: Vec<Vec<u8>> = match kind {
            OldKind::Beginning | OldKind::Tables => {
                files.iter().map(|file| file[scan(file)..file.len() - 2].to_vec()).collect()
            }
            _ => files.clone(),
        };
        let mut more = vec![(512, 3, vec![1]), (530, 3, vec![2, 2])];
        let mut apart = Vec::new();
        // The strips begin behind the header of 8 bytes; what lies apart, behind them.
        let end = 8 + strips.iter().map(Vec::len).sum::<usize>();
        match kind {
            OldKind::Whole | OldKind::Alone => {
                more.extend([(513, 4, vec![8]), (514, 4, vec![files[0].len() as u64])]);
            }
            OldKind::Beginning => {
                apart = files[0][..scan(&files[0])].to_vec();
                more.extend([(513, 4, vec![end as u64]), (514, 4, vec![apart.len() as u64])]);
            }
            OldKind::Tables => {
                let (mut quantisation, mut dc, mut ac) = (Vec::new(), Vec::new(), Vec::new());
                for Segment { marker, payload, .. } in Segments::new(&files[0]) {
                    let mut rest = payload;
                    while let (0xDB | 0xC4, Some((class, table))) = (marker, rest.split_first()) {
                        let codes = || table[..16].iter().map(|count| usize::from(*count)).sum::<usize>();
                        let length = if marker == 0xDB { 64 } else { 16 + codes() };
                        let list = match (marker, class >> 4) {
                            (0xDB, _) => &mut quantisation,
                            (_, 0) => &mut dc,
                            _ => &mut ac,
                        };
                        list.push((end + apart.len()) as u64);
                        apart.extend(&table[..length]);
                        rest = &table[length..];
                    }
                }
                for (tag, places) in [(519, quantisation), (520, dc), (521, ac)] {
                    more.push((tag, 4, vec![places[0], places[1], places[1]]));
                }
            }
            OldKind::Each => {}
        }
        let made = Made { width: 64, height: 48, compression: 6, photometric: 6, strip: rows, more, ..PLAIN };
        let mut chunks = strips;
        if !apart.is_empty() {
            chunks.push(apart);
        }
        let mut file = made.file_of(&chunks);
        if kind == OldKind::Alone {
            let directory = u32::from_le_bytes(*file[4..].first_chunk().unwrap()) as usize;
            let fields = file[directory + 2..].chunks_exact_mut(12);
            fields.filter(|field| field[..2] == 273_u16.to_le_bytes()).for_each(|field| field[..2].fill(0));
        }
        let (raster, warnings) = whole(&file).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert_eq!(warnings, [], "{kind:?}");
        let Samples::Eight(samples) = raster.samples else { panic!("8 bits") };
        let expected = (0..48).flat_map(|y| (0..64).flat_map(move |x| colour(x, y)));
        let off: u32 = samples.iter().zip(expected).map(|(a, b)| u32::from(a.abs_diff(b))).sum();
        assert!(off < 4 * 64 * 48 * 3, "{kind:?}: {off}");
    }
}

#[test]
fn webp_in_strips_and_tiles() {
    for (samples, tile) in [(3, None), (4, None), (3, Some((16, 16))), (4, Some((48, 32)))] {
        let made = Made { samples, tile, ..PLAIN };
        // As they would be without compression.
        let chunks = made.chunks(&made.noise());
        let files: Vec<Vec<u8>> = chunks
            .iter()
            .map(|pixels| {
                let width = tile.map_or(made.width, |tile: (usize, usize)| tile.0);
                let colour = if samples == 3 {
                    image::ExtendedColorType::Rgb8
                } else {
                    image::ExtendedColorType::Rgba8
                };
                let edge = |pixels: usize| u32::try_from(pixels).unwrap();
                let mut file = Vec::new();
                image::codecs::webp::WebPEncoder::new_lossless(&mut file)
                    .encode(pixels, edge(width), edge(pixels.len() / samples / width), colour)
                    .unwrap();
                file
            })
            .collect();
        let made = Made { compression: 50_001, ..made };
        let (raster, warnings) = whole(&made.file_of(&files)).unwrap();
        assert_eq!(warnings, [], "{tile:?}");
        let (Samples::Eight(got), Samples::Eight(expected)) = (raster.samples, made.expected()) else {
            panic!("8 bits")
        };
        // Without alpha there is no colour to speak of.
        let seen = |pixels: &[u8]| -> Vec<Vec<u8>> {
            let hidden = |pixel: &[u8]| samples == 4 && pixel[3] == 0;
            pixels.chunks(samples).map(|it| if hidden(it) { vec![0; 4] } else { it.to_vec() }).collect()
        };
        assert!(seen(&got) == seen(&expected), "{samples} {tile:?}");
    }
    // One that is cut shows what it has, and what is none is told.
    let made = Made { compression: 50_001, ..PLAIN };
    assert_eq!(
        whole(&made.file_of(&[b"RIFF\0\0\0\0WEBPVP8X".to_vec()])).unwrap_err().code(),
        "corrupt_image"
    );
}

#[test]
fn a_zstandard_window_is_no_larger_than_is_planned_for() {
    // A frame whose header asks for a window of 16 MiB (RFC 8878, 3.1.1.1.2).
    let frame = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 14 << 3, 0x01, 0x00, 0x00];
    let made = Made { compression: 50_000, strip: 29, ..PLAIN };
    assert_eq!(whole(&made.file_of(&[frame.to_vec()])).unwrap_err().code(), "corrupt_image");
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
            let mut encoder = ::fax::encoder::Encoder::new(::fax::VecWriter::new());
            for y in top..top + 10 {
                let row =
                    (0..40).map(|x| if black(x, y) { ::fax::Color::Black } else { ::fax::Color::White });
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

/// Writes rows as a fax.
struct FaxWriter {
    out: ::fax::VecWriter,
    above: Vec<u32>,
    width: u32,
}

impl FaxWriter {
    fn new(width: u32) -> Self {
        Self { out: ::fax::VecWriter::new(), above: Vec::new(), width }
    }

    fn bits(&mut self, data: u16, len: u8) {
        let Ok(()) = ::fax::BitWriter::write(&mut self.out, ::fax::Bits { data, len });
    }

    fn end_of_line(&mut self) {
        self.bits(1, 12);
    }

    fn run(&mut self, is_black: bool, mut length: u32) {
        use ::fax::maps::{black, white};
        loop {
            let part = if length < 64 { length } else { (length & !63).min(2_560) };
            let code = u16::try_from(part).unwrap();
            let bits = if is_black { black::encode(code) } else { white::encode(code) }.unwrap();
            self.bits(bits.data, bits.len);
            length -= part;
            if part < 64 {
                break;
            }
        }
    }

    fn changes(&self, row: &[bool]) -> Vec<u32> {
        let before = |x: usize| x > 0 && row[x - 1];
        (0..self.width).filter(|&x| row[x as usize] != before(x as usize)).collect()
    }

    fn one_dimensional(&mut self, row: &[bool]) {
        let mut left = 0;
        let changes = self.changes(row);
        let width = self.width;
        for (at, &right) in changes.iter().chain([&width]).enumerate() {
            self.run(at % 2 == 1, right - left);
            left = right;
        }
        self.above = changes;
    }

    fn two_dimensional(&mut self, row: &[bool]) {
        use ::fax::maps::{Mode, mode};
        let changes = self.changes(row);
        let (mut a0, mut is_black) = (-1, false);
        let after = |changes: &[u32], a0: i64, black: bool| {
            let even = |at: usize| (at % 2 == 1) == black;
            let mut found =
                (0..changes.len()).filter(|&at| i64::from(changes[at]) > a0).skip_while(|&at| !even(at));
            let place = |at: Option<usize>| at.map_or(self.width, |at| changes[at]);
            (place(found.next()), place(found.next()))
        };
        let mut written = Vec::new();
        while a0 < i64::from(self.width) {
            let (a1, a2) = after(&changes, a0, is_black);
            let (b1, b2) = after(&self.above, a0, is_black);
            let delta = i64::from(a1) - i64::from(b1);
            if b2 < a1 {
                written.push((Mode::Pass, None));
                a0 = b2.into();
            } else if let Ok(delta @ -3..=3) = i8::try_from(delta) {
                written.push((Mode::Vertical(delta), None));
                a0 = a1.into();
                is_black = !is_black;
            } else {
                let start = u32::try_from(a0).unwrap_or(0);
                written.push((Mode::Horizontal, Some((is_black, a1 - start, a2 - a1))));
                a0 = a2.into();
            }
        }
        for (mode, runs) in written {
            let bits = mode::encode(mode).unwrap();
            self.bits(bits.data, bits.len);
            if let Some((is_black, first, second)) = runs {
                self.run(is_black, first);
                self.run(!is_black, second);
            }
        }
        self.above = changes;
    }
}

/// Rows with runs of all lengths, those that are white or black as a whole among them.
fn fax_rows(width: usize, height: usize) -> Vec<Vec<bool>> {
    let black = |x: usize, y: usize| match y % 7 {
        0 => false,
        1 => true,
        2 => x < 3 || x + 1 == width,
        3 => (x / 70).is_multiple_of(2),
        4 => (x / 70 + 1).is_multiple_of(2),
        5 => (x * y / 5).is_multiple_of(3),
        _ => (x * y / 5 + x / 90).is_multiple_of(3),
    };
    (0..height).map(|y| (0..width).map(|x| black(x, y)).collect()).collect()
}

/// The kinds of fax: compression, options, and how a strip of rows is written.
type FaxKind = (u16, Option<u64>, fn(&[Vec<bool>]) -> Vec<u8>);

const FAX_KINDS: [FaxKind; 7] = [
    // T.4, one-dimensional: an end of line before each row, none behind the last.
    (3, None, |rows| {
        let mut fax = FaxWriter::new(u32::try_from(rows[0].len()).unwrap());
        for row in rows {
            fax.end_of_line();
            fax.one_dimensional(row);
        }
        fax.out.finish()
    }),
    // Filled so that ends of line end a byte, and an end of page behind.
    (3, Some(4), |rows| {
        let mut fax = FaxWriter::new(u32::try_from(rows[0].len()).unwrap());
        let mut bytes = Vec::new();
        for row in rows {
            bytes.extend([0, 1]);
            fax.one_dimensional(row);
            bytes.extend(std::mem::replace(&mut fax.out, ::fax::VecWriter::new()).finish());
        }
        bytes.extend([0, 0x10, 1].repeat(3));
        bytes
    }),
    // An end of line behind each row.
    (3, Some(0), |rows| {
        let mut fax = FaxWriter::new(u32::try_from(rows[0].len()).unwrap());
        for row in rows {
            fax.one_dimensional(row);
            fax.end_of_line();
        }
        fax.out.finish()
    }),
    // T.4, two-dimensional.
    (3, Some(1), |rows| {
        let mut fax = FaxWriter::new(u32::try_from(rows[0].len()).unwrap());
        for (y, row) in rows.iter().enumerate() {
            fax.end_of_line();
            let alone = y % 4 == 0;
            fax.bits(alone.into(), 1);
            if alone { fax.one_dimensional(row) } else { fax.two_dimensional(row) }
        }
        fax.out.finish()
    }),
    (4, None, |rows| {
        let mut fax = FaxWriter::new(u32::try_from(rows[0].len()).unwrap());
        for row in rows {
            fax.two_dimensional(row);
        }
        fax.end_of_line();
        fax.end_of_line();
        fax.out.finish()
    }),
    (2, None, |rows| {
        let mut fax = FaxWriter::new(u32::try_from(rows[0].len()).unwrap());
        for row in rows {
            fax.one_dimensional(row);
            fax.out.pad();
        }
        fax.out.finish()
    }),
    (32_771, None, |rows| {
        let mut bytes = Vec::new();
        for row in rows {
            let mut fax = FaxWriter::new(u32::try_from(row.len()).unwrap());
            fax.one_dimensional(row);
            bytes.extend(fax.out.finish());
            bytes.resize(bytes.len().next_multiple_of(2), 0);
        }
        bytes
    }),
];

/// A fax of one strip for each of `strips`, without what `without` names.
fn fax_file(kind: FaxKind, size: (usize, usize), strips: &[Vec<u8>], without: &[u16]) -> Vec<u8> {
    let (compression, options, _) = kind;
    let more = options.map(|options| (292, 4, vec![options])).into_iter().collect();
    let made = Made {
        width: size.0,
        height: size.1,
        bits: 1,
        samples: 1,
        photometric: 0,
        compression,
        strip: size.1.div_ceil(strips.len()),
        more,
        ..PLAIN
    };
    let mut file = made.file_of(strips);
    let directory = u32::from_le_bytes(*file[4..].first_chunk().unwrap()) as usize;
    for field in file[directory + 2..].chunks_exact_mut(12) {
        if without.contains(&u16::from_le_bytes([field[0], field[1]])) {
            // A tag that means nothing.
            field[..2].copy_from_slice(&[0, 0x90]);
        }
    }
    file
}

fn paper(rows: &[Vec<bool>]) -> Samples {
    Samples::Eight(rows.iter().flatten().map(|&black| if black { 0 } else { 255 }).collect())
}

#[test]
fn every_kind_of_fax_to_its_last_row() {
    for size in [(900, 600), (1, 5), (2_600, 20), (13, 14)] {
        let rows = fax_rows(size.0, size.1);
        for kind in FAX_KINDS {
            for strips in [1, 4] {
                let strips: Vec<Vec<u8>> = rows.chunks(size.1.div_ceil(strips)).map(kind.2).collect();
                let told = format!("{size:?}, compression {}, options {:?}", kind.0, kind.1);
                let (raster, warnings) = whole(&fax_file(kind, size, &strips, &[])).unwrap();
                assert_eq!(warnings, [], "{told}");
                assert!(raster.samples == paper(&rows), "{told}");
                // Without photometric interpretation, and without counts.
                let (raster, warnings) = whole(&fax_file(kind, size, &strips, &[262, 279])).unwrap();
                assert_eq!(warnings, [], "{told}");
                assert!(raster.samples == paper(&rows), "{told}");
            }
        }
    }
}

#[test]
fn a_fax_whose_count_is_0_goes_to_the_end_of_the_file() {
    let rows = fax_rows(40, 30);
    let mut file = fax_file(FAX_KINDS[0], (40, 30), &[(FAX_KINDS[0].2)(&rows)], &[]);
    let directory = u32::from_le_bytes(*file[4..].first_chunk().unwrap()) as usize;
    let fields = file[directory + 2..].chunks_exact_mut(12);
    fields.filter(|field| field[..2] == [23, 1]).for_each(|field| field[8..].fill(0));
    let (raster, warnings) = whole(&file).unwrap();
    assert_eq!((raster.samples, warnings), (paper(&rows), vec![]));
}

#[test]
fn behind_damage_a_fax_is_white_and_the_row_is_told() {
    for kind in FAX_KINDS {
        let mut rows = fax_rows(400, 40);
        let until = (kind.2)(&rows[..25]).len();
        let mut strip = (kind.2)(&rows);
        strip.truncate(until - 4);
        let (raster, warnings) = whole(&fax_file(kind, (400, 40), &[strip.clone()], &[])).unwrap();
        let Samples::Eight(samples) = raster.samples else { panic!("8 bits") };
        let message = &warnings[0].message;
        let good: usize = (15..26).find(|row| message.contains(&format!("behind row {row} of 40"))).unwrap();
        rows[good..].iter_mut().for_each(|row| row.fill(false));
        assert!(Samples::Eight(samples) == paper(&rows), "{kind:?}: {message}");
    }
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
