//! Turning and mirroring planes: EXIF's orientations.
//!
//! What isn't turned by a quarter is mirrored in place. A quarter turn goes through tiles of 16 × 16 samples
//! that are transposed in vectors, along strips narrow enough that the rows written stay in the cache.

use fearless_simd::{dispatch, prelude::*, u8x16};

use crate::{
    planar::{Planar, Plane},
    simd::level,
};

/// What an orientation asks for, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    /// Rows become columns.
    transpose: bool,
    /// Left and right change places.
    mirror: bool,
    /// Top and bottom change places.
    flip: bool,
}

impl Turn {
    /// Of EXIF's orientation (CIPA DC-008, 4.6.5.1.6), `None` where nothing is to be done.
    const fn of(orientation: u8) -> Option<Self> {
        let (transpose, mirror, flip) = match orientation {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => return None,
        };
        Some(Self { transpose, mirror, flip })
    }
}

impl Planar {
    /// Turns and mirrors the stored picture so that it stands as it was taken. `orientation` is EXIF's, 1 to 8;
    /// anything else counts as 1.
    ///
    /// The last chroma sample of an odd edge covers one pixel. Mirrored it would come first and everything stand a
    /// pixel off, so chroma is then moved by half a sample.
    #[must_use]
    pub fn orient(self, orientation: u8) -> Self {
        let Some(turn) = Turn::of(orientation) else { return self };
        let luma = self.luma.turn(turn);
        let chroma = self.chroma.map(|chroma| {
            chroma.map(|plane| {
                let mut plane = plane.turn(turn);
                let half_right = turn.mirror && luma.width % 2 == 1;
                let half_down = turn.flip && luma.height % 2 == 1;
                plane.move_by_half(half_right, half_down);
                plane
            })
        });
        Self { luma, chroma }
    }
}

impl Plane {
    fn turn(mut self, turn: Turn) -> Self {
        let (width, height) = (self.width as usize, self.height as usize);
        if width == 0 || height == 0 {
            return self;
        }
        if turn.transpose {
            let mut samples = vec![0; self.samples.len()];
            dispatch!(level(), simd => transpose(simd, &self.samples, (width, height), turn, &mut samples));
            return Self { width: self.height, height: self.width, samples };
        }
        match (turn.mirror, turn.flip) {
            (true, true) => dispatch!(level(), simd => reverse(simd, &mut self.samples)),
            (true, false) => dispatch!(level(), simd => {
                for row in self.samples.chunks_exact_mut(width) {
                    reverse(simd, row);
                }
            }),
            _ => {
                let (upper, lower) = self.samples.split_at_mut(height / 2 * width);
                for (above, below) in upper.chunks_exact_mut(width).zip(lower.chunks_exact_mut(width).rev()) {
                    above.swap_with_slice(below);
                }
            }
        }
        self
    }

    /// Makes each sample the mean of itself and the next one to the right or below.
    fn move_by_half(&mut self, right: bool, down: bool) {
        let width = self.width as usize;
        let mean =
            |sample: &mut u8, next: u8| *sample = (u16::from(*sample) + u16::from(next)).div_ceil(2) as u8;
        if right {
            for row in self.samples.chunks_exact_mut(width.max(1)) {
                for at in 1..row.len() {
                    let next = row[at];
                    mean(&mut row[at - 1], next);
                }
            }
        }
        if down {
            for at in width..self.samples.len() {
                let next = self.samples[at];
                mean(&mut self.samples[at - width], next);
            }
        }
    }
}

#[inline(always)]
fn reverse<S: Simd>(simd: S, samples: &mut [u8]) {
    let half = samples.len() / 2;
    let (front, back) = samples.split_at_mut(half);
    // The middle one of an odd number stays.
    let from = back.len() - half;
    let (front, front_rest) = front.as_chunks_mut::<16>();
    let (back_rest, back) = back[from..].as_rchunks_mut::<16>();
    for (front, back) in front.iter_mut().zip(back.iter_mut().rev()) {
        let mirrored = u8x16::simd_from(simd, *front).reverse();
        u8x16::simd_from(simd, *back).reverse().store_slice(front);
        mirrored.store_slice(back);
    }
    for (front, back) in front_rest.iter_mut().zip(back_rest.iter_mut().rev()) {
        std::mem::swap(front, back);
    }
}

/// Samples along an edge of a tile.
const TILE: usize = 16;
/// Columns of the source that are done before the next: as many rows of the target are open at once.
const STRIP: usize = 4 * TILE;

/// Writes the transposed plane, mirrored and flipped as `turn` says.
#[inline(always)]
fn transpose<S: Simd>(
    simd: S,
    source: &[u8],
    (width, height): (usize, usize),
    turn: Turn,
    target: &mut [u8],
) {
    if width < TILE || height < TILE {
        for (y, row) in source.chunks_exact(width).enumerate() {
            let to_x = if turn.mirror { height - 1 - y } else { y };
            for (x, &sample) in row.iter().enumerate() {
                let to_y = if turn.flip { width - 1 - x } else { x };
                target[to_y * height + to_x] = sample;
            }
        }
        return;
    }
    // The last tiles of a row or column overlap those before them: nothing is left over.
    for strip in (0..width).step_by(STRIP) {
        for top in (0..height).step_by(TILE) {
            let top = top.min(height - TILE);
            for left in (strip..(strip + STRIP).min(width)).step_by(TILE) {
                let left = left.min(width - TILE);
                let mut tile = [u8x16::splat(simd, 0); TILE];
                for (y, row) in tile.iter_mut().enumerate() {
                    let y = if turn.mirror { TILE - 1 - y } else { y };
                    *row = u8x16::from_slice(simd, &source[(top + y) * width + left..][..TILE]);
                }
                let tile = transpose_tile(transpose_tile(transpose_tile(transpose_tile(tile))));
                let to_x = if turn.mirror { height - TILE - top } else { top };
                for (y, row) in tile.iter().enumerate() {
                    let y = left + y;
                    let to_y = if turn.flip { width - 1 - y } else { y };
                    row.store_slice(&mut target[to_y * height + to_x..][..TILE]);
                }
            }
        }
    }
}

/// A quarter of the way: a perfect shuffle of the rows' samples. Four of them transpose.
#[inline(always)]
fn transpose_tile<S: Simd>(rows: [u8x16<S>; TILE]) -> [u8x16<S>; TILE] {
    let mut shuffled = rows;
    let (upper, lower) = rows.split_at(TILE / 2);
    for ((pair, above), below) in shuffled.as_chunks_mut::<2>().0.iter_mut().zip(upper).zip(lower) {
        *pair = [above.zip_low(*below), above.zip_high(*below)];
    }
    shuffled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::{Canvas, Model};

    fn plane(width: u32, height: u32) -> Plane {
        let mut seed = 1_u32;
        let sample = |_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed.to_be_bytes()[0]
        };
        Plane { width, height, samples: (0..width * height).map(sample).collect() }
    }

    #[test]
    fn planes_turn_as_pixels_do() {
        for (width, height) in [(1, 1), (1, 2), (3, 2), (15, 40), (16, 16), (17, 16), (40, 33), (130, 70)] {
            for orientation in 0..=9 {
                let Plane { samples, .. } = plane(width, height);
                let canvas = Canvas { width, height, model: Model::Gray, pixels: samples.clone() };
                let expected = canvas.orient(orientation);
                let planar = Planar { luma: Plane { width, height, samples }, chroma: None };
                let got = planar.orient(orientation).luma;
                assert_eq!((got.width, got.height), expected.size(), "{orientation}");
                assert!(got.samples == expected.pixels, "{width} × {height} {orientation}");
            }
        }
    }

    #[test]
    fn chroma_of_even_pictures_turns_as_luma_does() {
        let chroma = plane(20, 33);
        let picture = Planar { luma: plane(40, 66), chroma: Some([chroma.clone(), chroma.clone()]) };
        let alone = Planar { luma: chroma, chroma: None };
        for orientation in 1..=8 {
            let [blue, red] = picture.clone().orient(orientation).chroma.unwrap();
            assert_eq!(
                (&blue, blue == red),
                (&alone.clone().orient(orientation).luma, true),
                "{orientation}"
            );
        }
    }

    /// Colours that grow evenly over an odd picture stand where they stood: a chroma sample is as much as the pixels
    /// that it covers.
    #[test]
    fn chroma_of_odd_pictures_stays_where_it_was() {
        let pixel = |x: u32, y: u32| [(8 * x) as u8, (7 * y) as u8, (255 - 4 * x - 4 * y) as u8];
        for (width, height) in [(31, 30), (30, 31), (31, 33)] {
            let pixels = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect();
            let canvas = Canvas { width, height, model: Model::Rgb, pixels };
            for orientation in 1..=8 {
                let turned = Planar::from_canvas(&canvas).orient(orientation);
                let expected = Planar::from_canvas(&canvas.clone().orient(orientation));
                assert_eq!(turned.luma, expected.luma);
                let planes = turned.chroma.iter().flatten().zip(expected.chroma.iter().flatten());
                for (got, expected) in planes {
                    assert_eq!((got.width, got.height), (expected.width, expected.height));
                    // At the edges samples cover fewer pixels.
                    let width = got.width as usize;
                    for row in 1..got.height as usize - 1 {
                        for at in row * width + 1..(row + 1) * width - 1 {
                            let apart = got.samples[at].abs_diff(expected.samples[at]);
                            assert!(apart <= 1, "{orientation}: {at} is {apart} off");
                        }
                    }
                }
            }
        }
    }
}
