//! Writing baseline JPEG from planes.
//!
//! The fastest form that every decoder reads: one scan, the standard Huffman tables, 4:2:0 or grey. Coefficients
//! are those of libjpeg's accurate DCT, so a file is byte for byte what libjpeg-turbo writes from the same
//! planes. Nothing is allocated but the output.
//!
//! Blocks over the right and the lower edge repeat the last column and row; those wholly outside the picture,
//! which fill up the last MCUs, are as flat as their neighbour, as libjpeg makes them.

mod fdct;
mod huffman;
mod markers;

use fearless_simd::{Level, Simd, dispatch};

use self::fdct::{Pair, Quantizer, Samples};
use self::huffman::{CHROMA, LUMA, Writer};
use crate::error::MediaError;
use crate::picture::{Planar, Plane};

/// Encodes `picture` at `quality` (1 to 100, on libjpeg's scale).
///
/// # Errors
/// An edge of 0 or of more than 65,535 pixels (ITU-T T.81, B.2.2: 16 bits), or planes that aren't of the sizes
/// that they tell.
pub(crate) fn encode(picture: &Planar, quality: u8) -> Result<Vec<u8>, MediaError> {
    encode_at(crate::simd::level(), picture, quality)
}

fn encode_at(level: Level, picture: &Planar, quality: u8) -> Result<Vec<u8>, MediaError> {
    let edge = |pixels: u32| u16::try_from(pixels).map_err(MediaError::encode);
    let size = (edge(picture.luma.width)?, edge(picture.luma.height)?);
    check(picture)?;
    let steps = markers::steps(quality);
    // Photos take 1 to 2 bits a pixel at quality 80.
    let mut out = Vec::with_capacity(1024 + picture.luma.samples.len() / 6);
    markers::write(&mut out, size, picture.chroma.is_some(), &steps);
    let quantizers = [Quantizer::new(&steps[0]), Quantizer::new(&steps[1])];
    match &picture.chroma {
        Some(chroma) => {
            dispatch!(level, simd => colour_scan(simd, &picture.luma, chroma, &quantizers, &mut out));
        }
        None => dispatch!(level, simd => grey_scan(simd, &picture.luma, &quantizers[0], &mut out)),
    }
    out.extend([0xff, 0xd9]);
    Ok(out)
}

/// Everything below takes rows from the planes by their sizes.
fn check(picture: &Planar) -> Result<(), MediaError> {
    let whole = |plane: &Plane, (width, height): (u32, u32)| {
        (plane.width, plane.height) == (width, height)
            && width > 0
            && height > 0
            && plane.samples.len() == width as usize * height as usize
    };
    let size = picture.size();
    let chroma = Planar::chroma_size(size);
    if whole(&picture.luma, size) && picture.chroma.iter().flatten().all(|plane| whole(plane, chroma)) {
        Ok(())
    } else {
        Err(MediaError::encode("planes of other sizes than they tell"))
    }
}

/// The rows of a plane from `top`, `N` of them, the last one repeated below the plane.
#[inline(always)]
fn rows<const N: usize>(plane: &Plane, top: usize) -> [&[u8]; N] {
    let (width, height) = (plane.width as usize, plane.height as usize);
    std::array::from_fn(|row| {
        let start = (top + row).min(height - 1) * width;
        &plane.samples[start..start + width]
    })
}

/// `N` samples of `row` from `left`, the last one repeated behind the row.
fn edge<const N: usize>(row: &[u8], left: usize) -> [u8; N] {
    let last = row[row.len() - 1];
    std::array::from_fn(|column| row.get(left + column).copied().unwrap_or(last))
}

/// Of each row the 16 samples of the pair of blocks at `left`. Where they don't lie within the row they are
/// put together in `buffer`.
#[inline(always)]
fn samples<'s>(rows: &[&'s [u8]; 8], left: usize, buffer: &'s mut [[u8; 16]; 8]) -> Samples<'s> {
    if left + 16 <= rows[0].len() {
        rows.map(|row| row[left..].first_chunk().unwrap_or(&[0; 16]))
    } else {
        for (buffer, row) in buffer.iter_mut().zip(rows) {
            *buffer = edge(row, left);
        }
        buffer.each_ref()
    }
}

/// MCUs of four blocks of luma and one of each chroma.
#[inline(always)]
fn colour_scan<S: Simd>(
    simd: S,
    luma: &Plane,
    chroma: &[Plane; 2],
    quantizers: &[Quantizer; 2],
    out: &mut Vec<u8>,
) {
    let (width, height) = (luma.width as usize, luma.height as usize);
    let mut writer = Writer::new(out);
    let mut last_dc = [0; 3];
    let mut pair = Pair::ZERO;
    let mut buffers = [[[0; 16]; 8]; 3];
    for mcu_row in 0..height.div_ceil(16) {
        let upper = rows::<8>(luma, 16 * mcu_row);
        let lower = rows::<8>(luma, 16 * mcu_row + 8);
        let [blue, red] = chroma.each_ref().map(|plane| rows::<8>(plane, 8 * mcu_row));
        let lower_inside = 16 * mcu_row + 8 < height;
        for mcu in 0..width.div_ceil(16) {
            let left = 16 * mcu;
            let right_inside = left + 8 < width;
            let [upper_buffer, lower_buffer, chroma_buffer] = &mut buffers;
            for (buffer, (blue, red)) in chroma_buffer.iter_mut().zip(blue.iter().zip(&red)) {
                let (first, second) = buffer.split_at_mut(8);
                match (blue.get(left / 2..left / 2 + 8), red.get(left / 2..left / 2 + 8)) {
                    (Some(blue), Some(red)) => {
                        first.copy_from_slice(blue);
                        second.copy_from_slice(red);
                    }
                    _ => {
                        first.copy_from_slice(&edge::<8>(blue, left / 2));
                        second.copy_from_slice(&edge::<8>(red, left / 2));
                    }
                }
            }
            let pairs = [
                samples(&upper, left, upper_buffer),
                samples(&lower, left, lower_buffer),
                chroma_buffer.each_ref(),
            ];
            let inside = [[true, right_inside], [lower_inside, lower_inside && right_inside], [true; 2]];
            for (at, (samples, inside)) in pairs.iter().zip(inside).enumerate() {
                let (quantizer, table, components) = match at {
                    0 | 1 => (&quantizers[0], &LUMA, [0, 0]),
                    _ => (&quantizers[1], &CHROMA, [1, 2]),
                };
                fdct::transform(simd, samples, quantizer, &mut pair);
                for (half, component) in components.into_iter().enumerate() {
                    if inside[half] {
                        let last_dc = &mut last_dc[component];
                        writer.block(table, &pair.blocks[half], pair.nonzero[half], last_dc);
                    } else {
                        writer.filler(table);
                    }
                }
            }
        }
    }
    writer.finish();
}

/// Blocks of the only component, row after row.
#[inline(always)]
fn grey_scan<S: Simd>(simd: S, luma: &Plane, quantizer: &Quantizer, out: &mut Vec<u8>) {
    let (width, height) = (luma.width as usize, luma.height as usize);
    let mut writer = Writer::new(out);
    let mut last_dc = 0;
    let mut pair = Pair::ZERO;
    let mut buffer = [[0; 16]; 8];
    for row in 0..height.div_ceil(8) {
        let rows = rows::<8>(luma, 8 * row);
        for left in (0..width).step_by(16) {
            fdct::transform(simd, &samples(&rows, left, &mut buffer), quantizer, &mut pair);
            // The second block may lie behind the edge: without interleaving nothing fills up.
            let blocks = if left + 8 < width { 2 } else { 1 };
            for (block, &nonzero) in pair.blocks.iter().zip(&pair.nonzero).take(blocks) {
                writer.block(&LUMA, block, nonzero, &mut last_dc);
            }
        }
    }
    writer.finish();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Planes of what `sample` gives by channel, column and row.
    fn picture(size: (u32, u32), colour: bool, mut sample: impl FnMut(u8, u32, u32) -> u8) -> Planar {
        let mut plane = |channel, (width, height)| {
            let at = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            Plane { width, height, samples: at.map(|(x, y)| sample(channel, x, y)).collect() }
        };
        let luma = plane(0, size);
        let chroma = colour.then(|| [1, 2].map(|channel| plane(channel, Planar::chroma_size(size))));
        Planar { luma, chroma }
    }

    /// Smooth waves with some grain, different in each channel.
    fn waves(size: (u32, u32), colour: bool) -> Planar {
        let mut seed = 1_u32;
        picture(size, colour, |channel, x, y| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let scale = 0.02 * f64::from(channel + 1);
            let wave = (f64::from(x) * scale).sin() + (f64::from(x + 2 * y) * scale).cos();
            (128.0 + 50.0 * wave + f64::from(seed >> 29)) as u8
        })
    }

    fn noise(size: (u32, u32), colour: bool) -> Planar {
        let mut seed = 7_u32;
        picture(size, colour, |_, _, _| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
    }

    fn extremes(size: (u32, u32), colour: bool) -> Vec<Planar> {
        vec![
            picture(size, colour, |_, _, _| 0),
            picture(size, colour, |_, _, _| 255),
            // The highest frequencies that there are, at full swing.
            picture(size, colour, |_, x, y| if (x + y) % 2 == 0 { 0 } else { 255 }),
            picture(size, colour, |_, x, _| if x % 8 < 4 { 0 } else { 255 }),
            picture(size, colour, |_, x, y| if (x % 8 < 4) == (y % 16 < 8) { 0 } else { 255 }),
            noise(size, colour),
            waves(size, colour),
        ]
    }

    const SIZES: [(u32, u32); 12] = [
        (1, 1),
        (1, 2),
        (7, 5),
        (8, 8),
        (9, 9),
        (15, 33),
        (16, 16),
        (17, 33),
        (24, 23),
        (25, 8),
        (65, 16),
        (130, 99),
    ];

    /// What libjpeg (accurate DCT, no trellis) writes from the same planes.
    fn by_libjpeg(picture: &Planar, quality: u8) -> Vec<u8> {
        use mozjpeg::{ColorSpace, Compress};

        let space = if picture.chroma.is_some() { ColorSpace::JCS_YCbCr } else { ColorSpace::JCS_GRAYSCALE };
        let mut encoder = Compress::new(space);
        encoder.set_size(picture.luma.width as usize, picture.luma.height as usize);
        encoder.set_fastest_defaults();
        encoder.set_color_space(space);
        encoder.set_quality(f32::from(quality));
        encoder.set_raw_data_in(true);
        if picture.chroma.is_some() {
            encoder.set_chroma_sampling_pixel_sizes((2, 2), (2, 2));
        }
        let padded = |plane: &Plane| {
            let (width, height) = (plane.width as usize, plane.height as usize);
            let (wide, high) = (width.next_multiple_of(8), height.next_multiple_of(8));
            let at = (0..high).flat_map(|y| (0..wide).map(move |x| (x.min(width - 1), y.min(height - 1))));
            at.map(|(x, y)| plane.samples[y * width + x]).collect::<Vec<u8>>()
        };
        let planes: Vec<_> =
            [&picture.luma].into_iter().chain(picture.chroma.iter().flatten()).map(padded).collect();
        let planes: Vec<&[u8]> = planes.iter().map(Vec::as_slice).collect();
        let mut started = encoder.start_compress(Vec::new()).unwrap();
        assert!(started.write_raw_data(&planes));
        started.finish().unwrap()
    }

    #[test]
    fn files_are_those_of_libjpeg_byte_for_byte() {
        for size in SIZES {
            for colour in [false, true] {
                for picture in extremes(size, colour) {
                    // libjpeg writes steps above 255 with 16 bits at low qualities, which isn't baseline.
                    for quality in [25, 50, 80, 100] {
                        let ours = encode(&picture, quality).unwrap();
                        assert!(ours == by_libjpeg(&picture, quality), "{size:?} {colour} {quality}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_level_writes_the_same() {
        for size in [(17, 33), (130, 99)] {
            for colour in [false, true] {
                for picture in extremes(size, colour) {
                    for quality in [1, 80, 100] {
                        let plain = encode_at(Level::baseline(), &picture, quality).unwrap();
                        assert!(plain == encode(&picture, quality).unwrap(), "{size:?} {colour} {quality}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_independent_decoder_reads_them() {
        for size in SIZES {
            for colour in [false, true] {
                for quality in [1, 50, 80, 100] {
                    for picture in extremes(size, colour) {
                        let bytes = encode(&picture, quality).unwrap();
                        let decoded =
                            image::load_from_memory_with_format(&bytes, image::ImageFormat::Jpeg).unwrap();
                        assert_eq!((decoded.width(), decoded.height()), size);
                        assert_eq!(decoded.color().has_color(), colour);
                        let header = crate::header::Header::parse(&bytes).unwrap();
                        assert_eq!((header.width, header.height), size);
                        assert!(header.jpeg.unwrap().complete);
                    }
                    let smooth = waves(size, colour);
                    let decoded = image::load_from_memory(&encode(&smooth, quality).unwrap()).unwrap();
                    // Luma of grey pictures is the sample itself.
                    if quality >= 80 && !colour {
                        let worst = decoded.to_luma8().into_raw();
                        let worst = worst.iter().zip(&smooth.luma.samples).map(|(a, b)| a.abs_diff(*b)).max();
                        assert!(worst < Some(if quality == 100 { 4 } else { 24 }), "{size:?} {worst:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_edge_of_sixteen_bits_is_the_longest() {
        for size in [(65_535, 1), (1, 65_535)] {
            let bytes = encode(&picture(size, true, |_, _, _| 9), 80).unwrap();
            assert_eq!(image::load_from_memory(&bytes).unwrap().width(), size.0);
        }
        for size in [(65_536, 1), (1, 65_536), (0, 1), (1, 0)] {
            for colour in [false, true] {
                let refused = encode(&picture(size, colour, |_, _, _| 9), 80);
                assert!(matches!(refused, Err(MediaError::Encode { .. })), "{size:?} {refused:?}");
            }
        }
    }

    #[test]
    fn planes_must_be_of_the_sizes_they_tell() {
        let sound = waves((20, 10), true);
        let mut short = sound.clone();
        short.luma.samples.pop();
        let mut chroma = sound.clone();
        chroma.chroma.as_mut().unwrap()[1].width = 9;
        for broken in [short, chroma] {
            assert!(encode(&broken, 80).is_err());
        }
    }

    #[test]
    #[ignore = "a measurement"]
    fn speed() {
        let path = std::env::var("PHOTO").unwrap();
        let photo = image::open(path)
            .unwrap()
            .resize_exact(2048, 1536, image::imageops::FilterType::Triangle)
            .to_rgb8();
        let at = |x: u32, y: u32| photo.get_pixel(x.min(2047), y.min(1535)).0.map(f64::from);
        let picture = picture((2048, 1536), true, |channel, x, y| {
            let [r, g, b] = if channel == 0 { at(x, y) } else { at(2 * x, 2 * y) };
            match channel {
                0 => (0.299 * r + 0.587 * g + 0.114 * b) as u8,
                1 => (128.0 - 0.168736 * r - 0.331264 * g + 0.5 * b) as u8,
                _ => (128.0 + 0.5 * r - 0.418688 * g - 0.081312 * b) as u8,
            }
        });
        let time = |name: &str, run: &dyn Fn() -> Vec<u8>| {
            let mut best = f64::MAX;
            let mut length = 0;
            for _ in 0..15 {
                let start = std::time::Instant::now();
                length = run().len();
                best = best.min(start.elapsed().as_secs_f64());
            }
            println!("{name}: {:.2} ms, {length} bytes", best * 1e3);
        };
        time("ours", &|| encode(&picture, 80).unwrap());
        time("sse4.2", &|| {
            encode_at(Level::Sse4_2(crate::simd::level().as_sse4_2().unwrap()), &picture, 80).unwrap()
        });
        time("baseline", &|| encode_at(Level::baseline(), &picture, 80).unwrap());
        time("libjpeg", &|| by_libjpeg(&picture, 80));
    }
}
