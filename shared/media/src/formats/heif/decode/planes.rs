//! From a picture's own numbers to JFIF's `Y'CbCr` or to RGB (ITU-T H.273, 8.3).
//!
//! A matrix of H.273 turns R'G'B' into luma and two differences from it. Luma has the same meaning whatever the
//! differences are, so one such form becomes another without going through RGB: chroma by a matrix of 2 × 2,
//! and luma by a share of both differences.
//!
//! Fixed point with [`FRACTION`] bits: the same result everywhere.

use sluice_pixels::{
    planar::{Planar, Plane},
    raster::{Model, Raster, Samples},
};

use super::{Layout, depth::Depth};
use crate::{error::MediaError, formats::heif::header::Nclx};

/// Bits behind the point: what 16 bits of sample, three of gain and the sign leave of 32.
const FRACTION: u32 = 12;
/// The shares of red and blue in luma, of BT.601: JFIF's.
const JFIF: (f64, f64) = (0.299, 0.114);

/// How the channels make colours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Matrix {
    kind: Kind,
    full_range: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Luma with this share of red and blue, and the differences of blue and red from it.
    Luma { red: f64, blue: f64 },
    /// Green, blue, red.
    Identity,
    /// Half of green with a quarter each of the others, and differences.
    YCgCo,
}

impl Matrix {
    /// By table 4 of H.273. What isn't told is BT.601's, as libheif and libavif have it; so are the matrices
    /// that aren't of this kind (`ICtCp`, constant luminance), which no still camera writes.
    pub fn new(signal: Nclx, layout: Layout) -> Self {
        let in_full = layout.chroma == Some((0, 0));
        // Matrices 12 and 13 follow from the primaries.
        let matrix = match (signal.matrix, signal.primaries) {
            (12 | 13, 1) => 1,
            (12 | 13, 9) => 9,
            (matrix, _) => matrix,
        };
        let (red, blue) = match matrix {
            1 => (0.2126, 0.0722),
            4 => (0.30, 0.11),
            7 => (0.212, 0.087),
            9 | 10 => (0.2627, 0.0593),
            _ => JFIF,
        };
        let kind = match matrix {
            0 if in_full => Kind::Identity,
            8 if in_full => Kind::YCgCo,
            _ => Kind::Luma { red, blue },
        };
        Self { kind, full_range: signal.full_range }
    }

    /// Whether planes of it can become JFIF's.
    pub fn is_luma_and_differences(self) -> bool {
        matches!(self.kind, Kind::Luma { .. })
    }

    /// Where luma begins, and how many steps it and chroma have, at `depth` bits (H.273, 8.3: equations for the
    /// full and the limited range).
    fn range(self, depth: u8) -> (f64, f64, f64) {
        let most = f64::from((1_u32 << depth) - 1);
        let unit = f64::from(1_u32 << (depth - 8));
        if self.full_range { (0.0, most, most) } else { (16.0 * unit, 219.0 * unit, 224.0 * unit) }
    }

    /// To RGB from 0 to `most`.
    pub fn to_rgb(self, depth: u8, most: i32) -> ToRgb {
        let (black, luma, chroma) = self.range(depth);
        let most = f64::from(most);
        let (luma_gain, chroma_gain) = (most / luma, most / chroma);
        let weights = match self.kind {
            Kind::Luma { red, blue } => {
                let green = 1.0 - red - blue;
                let (to_red, to_blue) = (2.0 * (1.0 - red), 2.0 * (1.0 - blue));
                [[0.0, to_red], [-to_blue * blue / green, -to_red * red / green], [to_blue, 0.0]]
            }
            Kind::Identity => [[0.0; 2]; 3],
            // Equations 41 to 44, with Cg and Co in place of Cb and Cr.
            Kind::YCgCo => [[-1.0, 1.0], [1.0, 0.0], [-1.0, -1.0]],
        };
        ToRgb {
            black: fixed_offset(black),
            grey: 1 << (depth - 1),
            luma: fixed(luma_gain),
            chroma: weights.map(|row| row.map(|weight| fixed(weight * chroma_gain))),
            identity: self.kind == Kind::Identity,
        }
    }

    /// To JFIF's, 8 bits.
    fn to_jfif(self, depth: u8) -> ToJfif {
        let (black, luma, chroma) = self.range(depth);
        let (luma_gain, chroma_gain) = (255.0 / luma, 255.0 / chroma);
        let (red, blue) = match self.kind {
            Kind::Luma { red, blue } => (red, blue),
            Kind::Identity | Kind::YCgCo => JFIF,
        };
        let green = 1.0 - red - blue;
        // Red, green and blue without the luma, by Cb and by Cr.
        let to_red = [0.0, 2.0 * (1.0 - red)];
        let to_blue = [2.0 * (1.0 - blue), 0.0];
        let to_green = [-to_blue[0] * blue / green, -to_red[1] * red / green];
        let (jfif_red, jfif_blue) = JFIF;
        let share = |by: usize| {
            jfif_red * to_red[by] + (1.0 - jfif_red - jfif_blue) * to_green[by] + jfif_blue * to_blue[by]
        };
        let differences = [
            [0, 1].map(|by| (to_blue[by] - share(by)) / (2.0 * (1.0 - jfif_blue))),
            [0, 1].map(|by| (to_red[by] - share(by)) / (2.0 * (1.0 - jfif_red))),
        ];
        ToJfif {
            black: fixed_offset(black),
            grey: 1 << (depth - 1),
            luma: fixed(luma_gain),
            share: [0, 1].map(|by| fixed(share(by) * chroma_gain)),
            chroma: differences.map(|row| row.map(|weight| fixed(weight * chroma_gain))),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "gains are below 2⁹")]
fn fixed(gain: f64) -> i32 {
    (gain * f64::from(1 << FRACTION)).round() as i32
}

#[expect(clippy::cast_possible_truncation, reason = "an offset is a whole sample of at most 16 bits")]
fn fixed_offset(offset: f64) -> i32 {
    offset as i32
}

/// Half a step, to round.
const HALF: i32 = 1 << (FRACTION - 1);

/// Makes RGB of a picture's channels.
#[derive(Debug, Clone, Copy)]
pub(super) struct ToRgb {
    black: i32,
    grey: i32,
    luma: i32,
    /// For red, green, blue: by the first and the second channel of chroma.
    chroma: [[i32; 2]; 3],
    identity: bool,
}

impl ToRgb {
    /// Not clamped.
    #[inline]
    pub fn rgb(&self, first: i32, second: i32, third: i32) -> [i32; 3] {
        if self.identity {
            return [third, first, second]
                .map(|sample| ((sample - self.black) * self.luma + HALF) >> FRACTION);
        }
        let luma = (first - self.black) * self.luma + HALF;
        let (cb, cr) = (second - self.grey, third - self.grey);
        self.chroma.map(|[by_cb, by_cr]| (luma + by_cb * cb + by_cr * cr) >> FRACTION)
    }
}

/// Makes JFIF's channels of a picture's.
#[derive(Debug, Clone, Copy)]
struct ToJfif {
    black: i32,
    grey: i32,
    luma: i32,
    /// What luma gets of Cb and Cr.
    share: [i32; 2],
    chroma: [[i32; 2]; 2],
}

impl ToJfif {
    /// Samples of 8 bits by these are as they were.
    fn is_nothing(&self) -> bool {
        let one = 1 << FRACTION;
        self.black == 0 && self.luma == one && self.keeps_luma() && self.chroma == [[one, 0], [0, one]]
    }

    /// Luma is luma already.
    fn keeps_luma(&self) -> bool {
        self.share == [0, 0]
    }
}

/// The samples of a grey raster, in the form they were resized in.
pub(super) fn samples<T: Depth>(raster: Raster) -> Result<Vec<T>, MediaError> {
    T::unwrap(raster.samples).ok_or_else(|| MediaError::corrupt("a resize has lost the depth of its samples"))
}

/// A picture in JFIF's planes of `size` from resized ones, chroma of which is halved.
pub(super) fn planar<T: Depth>(
    luma: Vec<T>,
    chroma: Option<[Vec<T>; 2]>,
    matrix: Matrix,
    depth: u8,
    size: (u32, u32),
) -> Planar {
    let to = matrix.to_jfif(depth);
    let halved = Planar::chroma_size(size);
    let plane = |samples, (width, height)| Plane { width, height, samples };
    if to.is_nothing() && depth == 8 {
        return Planar {
            luma: plane(T::bytes(luma), size),
            chroma: chroma.map(|planes| planes.map(|samples| plane(T::bytes(samples), halved))),
        };
    }
    let byte = |value: i32| <u8 as Depth>::from_i32((value + HALF) >> FRACTION);
    let mut bright = vec![0; luma.len()];
    match &chroma {
        Some([cb, cr]) if !to.keeps_luma() => {
            let (width, half) = (size.0 as usize, halved.0 as usize);
            for (y, (row, out)) in luma.chunks_exact(width).zip(bright.chunks_exact_mut(width)).enumerate() {
                let start = y / 2 * half;
                let (cb, cr) = (&cb[start..start + half], &cr[start..start + half]);
                let pairs = row.chunks(2).zip(out.chunks_mut(2));
                for ((pair, out), (&cb, &cr)) in pairs.zip(cb.iter().zip(cr)) {
                    let share = (Into::<i32>::into(cb) - to.grey) * to.share[0]
                        + (Into::<i32>::into(cr) - to.grey) * to.share[1];
                    for (&sample, out) in pair.iter().zip(out) {
                        *out = byte((Into::<i32>::into(sample) - to.black) * to.luma + share);
                    }
                }
            }
        }
        _ => {
            for (&sample, out) in luma.iter().zip(&mut bright) {
                *out = byte((Into::<i32>::into(sample) - to.black) * to.luma);
            }
        }
    }
    drop(luma);
    let chroma = chroma.map(|[cb, cr]| {
        let mut planes = [vec![0; cb.len()], vec![0; cr.len()]];
        let [blue, red] = &mut planes;
        let [by_blue, by_red] = to.chroma;
        for ((&cb, &cr), (blue, red)) in cb.iter().zip(&cr).zip(blue.iter_mut().zip(red)) {
            let (cb, cr) = (Into::<i32>::into(cb) - to.grey, Into::<i32>::into(cr) - to.grey);
            *blue = byte((128 << FRACTION) + by_blue[0] * cb + by_blue[1] * cr);
            *red = byte((128 << FRACTION) + by_red[0] * cb + by_red[1] * cr);
        }
        planes.map(|samples| plane(samples, halved))
    });
    Planar { luma: plane(bright, size), chroma }
}

/// A picture of RGB with 16 bits from resized planes of its size.
pub(super) fn rgb<T: Depth>(
    luma: &[T],
    [cb, cr]: &[Vec<T>; 2],
    matrix: Matrix,
    depth: u8,
    (width, height): (u32, u32),
) -> Raster {
    let to = matrix.to_rgb(depth, <u16 as Depth>::MAX);
    let mut samples = Vec::with_capacity(luma.len() * 3);
    for ((&luma, &cb), &cr) in luma.iter().zip(cb).zip(cr) {
        samples.extend(
            to.rgb(luma.into(), Into::<i32>::into(cb), Into::<i32>::into(cr)).map(<u16 as Depth>::from_i32),
        );
    }
    Raster { width, height, model: Model::Rgb, samples: Samples::Sixteen(samples) }
}
