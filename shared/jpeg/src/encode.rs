//! Writing baseline JPEG from planes.
//!
//! The fastest form that every decoder reads: one scan, the standard Huffman tables, 4:2:0 or grey. Coefficients
//! are those of libjpeg's accurate DCT, so a file is byte for byte what libjpeg-turbo writes from the same
//! planes. Nothing is allocated but the output.
//!
//! Blocks over the right and the lower edge repeat the last column and row; those wholly outside the picture,
//! which fill up the last MCUs, are as flat as their neighbour, as libjpeg makes them.

#![expect(clippy::inline_always, reason = "what is dispatched by vector level must end up in one function")]

mod fdct;
mod huffman;
mod markers;

use std::{error::Error, fmt};

use fearless_simd::{Level, Simd, dispatch};

use self::{
    fdct::{Block, Quantizer, Samples},
    huffman::{CHROMA, LUMA, Writer},
};

/// One channel of 8 bits, row after row without gaps: exactly `width × height` samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plane<'a> {
    /// Samples across.
    pub width: u32,
    /// Samples down.
    pub height: u32,
    /// The samples.
    pub samples: &'a [u8],
}

/// A picture in JFIF's colour space: `Y'CbCr` by the matrix of BT.601, each channel in the full range 0 to 255
/// (JFIF 1.02; ITU-T T.871, 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture<'a> {
    /// Y', of the size of the picture.
    pub luma: Plane<'a>,
    /// Cb and Cr at half the size both ways, rounded up (4:2:0); a grey picture has none.
    pub chroma: Option<[Plane<'a>; 2]>,
}

/// Why a picture can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// An edge of more than 65,535 pixels.
    EdgeTooLong {
        /// The edge, in pixels.
        pixels: u32,
    },
    /// A picture without pixels, or planes that are not of the sizes that they tell.
    Planes,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EdgeTooLong { pixels } => {
                write!(f, "an edge of {pixels} pixels, at most 65535 fit into a JPEG")
            }
            Self::Planes => f.write_str("planes of other sizes than they tell"),
        }
    }
}

impl Error for EncodeError {}

/// Encodes `picture` at `quality` (1 to 100, on libjpeg's scale).
///
/// # Errors
/// An edge of 0 or of more than 65,535 pixels (ITU-T T.81, B.2.2: 16 bits), or planes that aren't of the sizes
/// that they tell.
pub fn encode(picture: &Picture<'_>, quality: u8) -> Result<Vec<u8>, EncodeError> {
    encode_at(crate::simd::level(), picture, quality)
}

fn encode_at(level: Level, picture: &Picture<'_>, quality: u8) -> Result<Vec<u8>, EncodeError> {
    // The kernels are of 256 bits; with AVX-512 the compiler gathers table entries, which takes longer.
    #[cfg(target_arch = "x86_64")]
    let level = level.as_avx2().map_or(level, Level::Avx2);
    let edge = |pixels: u32| u16::try_from(pixels).map_err(|_| EncodeError::EdgeTooLong { pixels });
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
fn check(picture: &Picture<'_>) -> Result<(), EncodeError> {
    let whole = |plane: &Plane<'_>, (width, height): (u32, u32)| {
        (plane.width, plane.height) == (width, height)
            && width > 0
            && height > 0
            && plane.samples.len() == width as usize * height as usize
    };
    let size = (picture.luma.width, picture.luma.height);
    let chroma = (size.0.div_ceil(2), size.1.div_ceil(2));
    if whole(&picture.luma, size) && picture.chroma.iter().flatten().all(|plane| whole(plane, chroma)) {
        Ok(())
    } else {
        Err(EncodeError::Planes)
    }
}

/// Pairs of blocks that go from stage to stage together: few enough to stay in the first-level cache, where
/// rows of a plane, whole powers of two apart, would push each other out.
const PAIRS: usize = 48;

/// Samples and coefficients of a batch of pairs.
struct Batch {
    samples: [Samples; PAIRS],
    blocks: [Block; 2 * PAIRS],
    /// Of each block a bit for each coefficient that isn't 0, by rows.
    nonzero: [u64; 2 * PAIRS],
}

impl Batch {
    const EMPTY: Self =
        Self { samples: [[[0; 16]; 8]; PAIRS], blocks: [[0; 64]; 2 * PAIRS], nonzero: [0; 2 * PAIRS] };

    /// From samples to coefficients, of the first `pairs`. `quantizers` are used in turn.
    #[inline(always)]
    fn transform<S: Simd, const N: usize>(&mut self, simd: S, pairs: usize, quantizers: [&Quantizer; N]) {
        let blocks = self.blocks.as_chunks_mut().0.iter_mut().zip(self.nonzero.as_chunks_mut().0);
        let mut turn = 0;
        for (samples, (blocks, nonzero)) in self.samples[..pairs].iter().zip(blocks) {
            *nonzero = fdct::transform(simd, samples, quantizers[turn], blocks);
            turn = if turn + 1 == N { 0 } else { turn + 1 };
        }
    }

    /// Makes a block that lies outside the picture as flat as the one before it: it codes to next to nothing.
    fn flatten(&mut self, block: usize) {
        self.blocks[block][0] = self.blocks[block - 1][0];
        self.nonzero[block] = 0;
    }

    /// The first `count` blocks, each with its bits.
    #[inline(always)]
    fn blocks(&self, count: usize) -> impl Iterator<Item = (&Block, u64)> {
        self.blocks[..count].iter().zip(self.nonzero)
    }
}

/// MCUs of four blocks of luma and one of each chroma: three pairs.
#[inline(always)]
fn colour_scan<S: Simd>(
    simd: S,
    luma: &Plane<'_>,
    [blue, red]: &[Plane<'_>; 2],
    quantizers: &[Quantizer; 2],
    out: &mut Vec<u8>,
) {
    const MCUS: usize = PAIRS / 3;
    let (width, height) = (luma.width as usize, luma.height as usize);
    let mcus = width.div_ceil(16);
    let mut writer = Writer::new(out);
    let mut last_dc = [0; 3];
    let mut batch = Batch::EMPTY;
    for mcu_row in 0..height.div_ceil(16) {
        for first in (0..mcus).step_by(MCUS) {
            let count = MCUS.min(mcus - first);
            let (samples, _) = batch.samples.as_chunks_mut::<3>();
            for line in 0..16 {
                let row = row(luma, 16 * mcu_row + line);
                let target = samples[..count].iter_mut().map(|mcu| &mut mcu[line / 8][line % 8]);
                gather(row, 16 * first, target);
            }
            for line in 0..8 {
                let (blue, red) = (row(blue, 8 * mcu_row + line), row(red, 8 * mcu_row + line));
                for (half, row) in [blue, red].into_iter().enumerate() {
                    let target = samples[..count].iter_mut().map(|mcu| mcu[2][line].as_chunks_mut::<8>().0);
                    gather(row, 8 * first, target.map(|halves| &mut halves[half]));
                }
            }

            batch.transform(simd, 3 * count, [&quantizers[0], &quantizers[0], &quantizers[1]]);
            let below = 16 * mcu_row + 8 >= height;
            for mcu in 0..count {
                let behind = 16 * (first + mcu) + 8 >= width;
                for (block, outside) in [(1, behind), (2, below), (3, behind || below)] {
                    if outside {
                        batch.flatten(6 * mcu + block);
                    }
                }
            }

            // One loop and no inner one of six, whose end is hard to foresee.
            let mut position = 0;
            for (block, nonzero) in batch.blocks(6 * count) {
                let (table, last_dc) = match position {
                    0..4 => (&LUMA, &mut last_dc[0]),
                    4 => (&CHROMA, &mut last_dc[1]),
                    _ => (&CHROMA, &mut last_dc[2]),
                };
                writer.block(table, block, nonzero, last_dc);
                position = if position == 5 { 0 } else { position + 1 };
            }
        }
    }
    writer.finish();
}

/// Blocks of the only component, row after row.
#[inline(always)]
fn grey_scan<S: Simd>(simd: S, luma: &Plane<'_>, quantizer: &Quantizer, out: &mut Vec<u8>) {
    let (width, height) = (luma.width as usize, luma.height as usize);
    let mut writer = Writer::new(out);
    let mut last_dc = 0;
    let mut batch = Batch::EMPTY;
    for block_row in 0..height.div_ceil(8) {
        for left in (0..width).step_by(16 * PAIRS) {
            let blocks = (2 * PAIRS).min((width - left).div_ceil(8));
            let samples = &mut batch.samples[..blocks.div_ceil(2)];
            for line in 0..8 {
                let row = row(luma, 8 * block_row + line);
                gather(row, left, samples.iter_mut().map(|pair| &mut pair[line]));
            }
            batch.transform(simd, blocks.div_ceil(2), [quantizer]);
            // The last block of the last pair may lie behind the edge: without MCUs there is nothing to fill.
            for (block, nonzero) in batch.blocks(blocks) {
                writer.block(&LUMA, block, nonzero, &mut last_dc);
            }
        }
    }
    writer.finish();
}

/// A row of a plane, the last one below the plane.
#[inline(always)]
fn row<'a>(plane: &Plane<'a>, row: usize) -> &'a [u8] {
    let (width, height) = (plane.width as usize, plane.height as usize);
    let start = row.min(height - 1) * width;
    &plane.samples[start..start + width]
}

/// Hands out the samples of `row` from `left`, `N` to each target; behind its end the last one is repeated.
#[inline(always)]
fn gather<'t, const N: usize>(row: &[u8], left: usize, targets: impl Iterator<Item = &'t mut [u8; N]>) {
    let (whole, rest) = row.get(left..).unwrap_or(&[]).as_chunks::<N>();
    let mut whole = whole.iter();
    for target in targets {
        if let Some(samples) = whole.next() {
            *target = *samples;
        } else {
            let last = row.last().copied().unwrap_or(0);
            *target = std::array::from_fn(|at| rest.get(at).copied().unwrap_or(last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Frame;

    /// A plane with samples of its own.
    #[derive(Clone)]
    struct Plane {
        width: u32,
        height: u32,
        samples: Vec<u8>,
    }

    impl Plane {
        fn lent(&self) -> super::Plane<'_> {
            super::Plane { width: self.width, height: self.height, samples: &self.samples }
        }
    }

    #[derive(Clone)]
    struct Planar {
        luma: Plane,
        chroma: Option<[Plane; 2]>,
    }

    impl Planar {
        fn lent(&self) -> Picture<'_> {
            let chroma = self.chroma.as_ref().map(|[blue, red]| [blue.lent(), red.lent()]);
            Picture { luma: self.luma.lent(), chroma }
        }
    }

    fn encode(picture: &Planar, quality: u8) -> Result<Vec<u8>, EncodeError> {
        super::encode(&picture.lent(), quality)
    }

    /// Planes of what `sample` gives by channel, column and row.
    fn picture(size: (u32, u32), colour: bool, mut sample: impl FnMut(u8, u32, u32) -> u8) -> Planar {
        let mut plane = |channel, (width, height)| {
            let at = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            Plane { width, height, samples: at.map(|(x, y)| sample(channel, x, y)).collect() }
        };
        let luma = plane(0, size);
        let chroma =
            colour.then(|| [1, 2].map(|channel| plane(channel, (size.0.div_ceil(2), size.1.div_ceil(2)))));
        Planar { luma, chroma }
    }

    /// Smooth waves with some grain, different in each channel.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "28 to 235")]
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
                        let best = encode(&picture, quality).unwrap();
                        for level in levels() {
                            let bytes = encode_at(level, &picture.lent(), quality).unwrap();
                            assert!(bytes == best, "{size:?} {colour} {quality} {level:?}");
                        }
                    }
                }
            }
        }
    }

    fn levels() -> Vec<Level> {
        #[cfg(target_arch = "x86_64")]
        let more = crate::simd::level().as_sse4_2().map(Level::Sse4_2);
        #[cfg(not(target_arch = "x86_64"))]
        let more = None;
        [Level::baseline()].into_iter().chain(more).collect()
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
                        let frame = Frame::parse(&bytes).unwrap();
                        assert_eq!((frame.width, frame.height), size);
                        assert!(bytes.ends_with(&[0xff, 0xd9]));
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
                assert!(refused.is_err(), "{size:?} {refused:?}");
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
}
