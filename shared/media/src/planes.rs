//! Between interleaved pixels and planes, and turning planes.
//!
//! The conversions are JFIF's (ITU-T T.871, 7) in fixed point of 16 bits; every vector level gives the same bits.

use fearless_simd::{Simd, dispatch};

use crate::picture::{Planar, Plane};
use crate::raster::{Canvas, Model, orient_pixels};
use crate::simd::level;

/// Bits behind the point.
const SHIFT: u32 = 16;
const HALF: i32 = 1 << (SHIFT - 1);

/// A factor in fixed point.
#[expect(clippy::cast_possible_truncation, reason = "the factors are below 2")]
const fn fixed(factor: f64) -> i32 {
    (factor * 65_536.0 + 0.5) as i32
}

impl Planar {
    /// A coloured picture of `size` to be written.
    pub fn blank(size: (u32, u32)) -> Self {
        let plane = |(width, height): (u32, u32)| Plane {
            width,
            height,
            samples: vec![0; width as usize * height as usize],
        };
        let half = Self::chroma_size(size);
        Self { luma: plane(size), chroma: Some([plane(half), plane(half)]) }
    }

    /// The planes of an opaque picture; a transparent one loses its alpha. Chroma is the mean of four pixels, of two or
    /// one at odd edges.
    pub fn from_canvas(canvas: &Canvas) -> Self {
        if matches!(canvas.model, Model::Gray | Model::GrayAlpha) {
            let samples = canvas.pixels.iter().step_by(canvas.model.channels()).copied().collect();
            let luma = Plane { width: canvas.width, height: canvas.height, samples };
            return Self { luma, chroma: None };
        }
        let mut planar = Self::blank(canvas.size());
        planar.write_band(0, canvas);
        planar
    }

    /// Writes RGB or RGBA rows from row `top` on, which is even.
    pub fn write_band(&mut self, top: usize, band: &Canvas) {
        let Some([blue, red]) = &mut self.chroma else { return };
        let (width, half) = (self.luma.width as usize, blue.width as usize);
        let stride = (width * band.model.channels()).max(1);
        let luma = self.luma.samples.get_mut(top * width..).unwrap_or_default();
        let blue = blue.samples.get_mut(top / 2 * half..).unwrap_or_default();
        let red = red.samples.get_mut(top / 2 * half..).unwrap_or_default();
        let pairs = band.pixels.chunks(2 * stride).zip(luma.chunks_mut((2 * width).max(1)));
        let halves = blue.chunks_mut(half.max(1)).zip(red.chunks_mut(half.max(1)));
        dispatch!(level(), simd => {
            for ((pixels, luma), (blue, red)) in pairs.zip(halves) {
                let (above, below) = pixels.split_at(stride.min(pixels.len()));
                // The last row of an odd picture is its own neighbour.
                let below = if below.is_empty() { above } else { below };
                if band.model.channels() == 3 {
                    to_luma::<_, 3>(simd, pixels, luma);
                    to_chroma::<_, 3>(simd, above, below, blue, red);
                } else {
                    to_luma::<_, 4>(simd, pixels, luma);
                    to_chroma::<_, 4>(simd, above, below, blue, red);
                }
            }
        });
    }

    /// The picture as RGB, or grey; chroma is interpolated between its samples (libjpeg's triangle filter).
    pub fn to_canvas(&self) -> Canvas {
        let (width, height) = self.size();
        let mut canvas = Canvas { width, height, model: self.model(), pixels: Vec::new() };
        if self.chroma.is_none() {
            canvas.pixels.clone_from(&self.luma.samples);
            return canvas;
        }
        let stride = (width as usize * 3).max(1);
        canvas.pixels = vec![0; stride * height as usize];
        let mut scratch = Scratch::new(self);
        for (y, row) in canvas.pixels.chunks_exact_mut(stride).enumerate() {
            self.rgb_row(y, row, &mut scratch);
        }
        canvas
    }

    /// The model of [`Planar::to_canvas`].
    pub const fn model(&self) -> Model {
        if self.chroma.is_some() { Model::Rgb } else { Model::Gray }
    }

    /// Row `y` as RGB.
    pub fn rgb_row(&self, y: usize, rgb: &mut [u8], scratch: &mut Scratch) {
        let Some([blue, red]) = &self.chroma else { return };
        let width = self.luma.width as usize;
        let Some(luma) = self.luma.samples.get(y * width..(y + 1) * width) else { return };
        let half = blue.width as usize;
        // Three parts of the nearer chroma row, one of the other one.
        let near = y / 2;
        let far = if y % 2 == 0 { near.saturating_sub(1) } else { near + 1 }.min(blue.height as usize - 1);
        dispatch!(level(), simd => {
            for (plane, wide) in [(blue, &mut scratch.blue), (red, &mut scratch.red)] {
                let row = |y: usize| plane.samples.get(y * half..(y + 1) * half).unwrap_or_default();
                interpolate(simd, row(near), row(far), &mut scratch.column, wide);
            }
            to_rgb(simd, luma, &scratch.blue, &scratch.red, rgb);
        });
    }

    /// Turns and mirrors the stored picture so that it stands as it was taken. `orientation` is EXIF's, 1 to 8; anything
    /// else counts as 1.
    pub fn orient(self, orientation: u8) -> Self {
        if !(2..=8).contains(&orientation) {
            return self;
        }
        let turn = |plane: Plane| {
            let (samples, (width, height)) =
                orient_pixels::<1>(&plane.samples, (plane.width, plane.height), orientation);
            Plane { width, height, samples }
        };
        Self { luma: turn(self.luma), chroma: self.chroma.map(|chroma| chroma.map(turn)) }
    }
}

/// Rows of chroma at the width of the picture.
pub(crate) struct Scratch {
    column: Vec<u16>,
    blue: Vec<u8>,
    red: Vec<u8>,
}

impl Scratch {
    pub fn new(picture: &Planar) -> Self {
        let half = picture.luma.width.div_ceil(2) as usize;
        Self { column: vec![0; half], blue: vec![0; 2 * half], red: vec![0; 2 * half] }
    }
}

#[inline(always)]
fn to_luma<S: Simd, const N: usize>(_: S, pixels: &[u8], luma: &mut [u8]) {
    const RED: i32 = fixed(0.299);
    const GREEN: i32 = fixed(0.587);
    const BLUE: i32 = fixed(0.114);
    for (pixel, luma) in pixels.as_chunks::<N>().0.iter().zip(luma) {
        let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(i32::from);
        *luma = ((RED * red + GREEN * green + BLUE * blue + HALF) >> SHIFT) as u8;
    }
}

#[inline(always)]
fn to_chroma<S: Simd, const N: usize>(_: S, top: &[u8], bottom: &[u8], blues: &mut [u8], reds: &mut [u8]) {
    let (top, bottom) = (top.as_chunks::<N>().0, bottom.as_chunks::<N>().0);
    let (pairs, last) = (top.as_chunks::<2>(), bottom.as_chunks::<2>());
    let chroma = blues.iter_mut().zip(reds.iter_mut());
    for (([a, b], [c, d]), (blue, red)) in pairs.0.iter().zip(last.0).zip(chroma) {
        (*blue, *red) = mean_chroma(a, b, c, d);
    }
    if let ([a], [c]) = (pairs.1, last.1)
        && let (Some(blue), Some(red)) = (blues.last_mut(), reds.last_mut())
    {
        (*blue, *red) = mean_chroma(a, a, c, c);
    }
}

#[inline(always)]
fn mean_chroma<const N: usize>(a: &[u8; N], b: &[u8; N], c: &[u8; N], d: &[u8; N]) -> (u8, u8) {
    // Two bits more: the sum of four.
    const BIAS: i32 = (128 << (SHIFT + 2)) + (1 << (SHIFT + 1)) - 1;
    let sum = |at: usize| i32::from(a[at]) + i32::from(b[at]) + i32::from(c[at]) + i32::from(d[at]);
    let (red, green, blue) = (sum(0), sum(1), sum(2));
    let cb =
        (fixed(0.5) * blue - fixed(0.168_735_892) * red - fixed(0.331_264_108) * green + BIAS) >> (SHIFT + 2);
    let cr =
        (fixed(0.5) * red - fixed(0.418_687_589) * green - fixed(0.081_312_411) * blue + BIAS) >> (SHIFT + 2);
    (cb.clamp(0, 255) as u8, cr.clamp(0, 255) as u8)
}

/// A chroma row at twice its width.
#[inline(always)]
fn interpolate<S: Simd>(_: S, near: &[u8], far: &[u8], column: &mut [u16], wide: &mut [u8]) {
    for ((column, &near), &far) in column.iter_mut().zip(near).zip(far) {
        *column = 3 * u16::from(near) + u16::from(far);
    }
    let count = column.len();
    let last = count.saturating_sub(1);
    for (x, pair) in wide.as_chunks_mut::<2>().0.iter_mut().enumerate().take(count) {
        let (left, here, right) = (column[x.saturating_sub(1)], column[x], column[(x + 1).min(last)]);
        *pair = [((3 * here + left + 8) >> 4) as u8, ((3 * here + right + 7) >> 4) as u8];
    }
}

#[inline(always)]
fn to_rgb<S: Simd>(_: S, luma: &[u8], blue: &[u8], red: &[u8], rgb: &mut [u8]) {
    for (((pixel, &luma), &blue), &red) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(luma).zip(blue).zip(red)
    {
        let (luma, blue, red) = (i32::from(luma), i32::from(blue) - 128, i32::from(red) - 128);
        let to_byte = |difference: i32| (luma + ((difference + HALF) >> SHIFT)).clamp(0, 255) as u8;
        *pixel = [
            to_byte(fixed(1.402) * red),
            to_byte(-fixed(0.344_136_286) * blue - fixed(0.714_136_286) * red),
            to_byte(fixed(1.772) * blue),
        ];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canvas(width: u32, height: u32) -> Canvas {
        let pixel = |x: u32, y: u32| [(x * 5 % 256) as u8, (y * 7 % 256) as u8, ((x + y) * 3 % 256) as u8];
        let pixels = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect();
        Canvas { width, height, model: Model::Rgb, pixels }
    }

    #[test]
    fn primaries_are_jfifs() {
        // ITU-T T.871, 7, rounded.
        for (rgb, [y, cb, cr]) in [
            ([255, 0, 0], [76, 85, 255]),
            ([0, 255, 0], [150, 44, 21]),
            ([0, 0, 255], [29, 255, 107]),
            ([255, 255, 255], [255, 128, 128]),
            ([0, 0, 0], [0, 128, 128]),
        ] {
            let canvas = Canvas { width: 1, height: 1, model: Model::Rgb, pixels: rgb.to_vec() };
            let planar = Planar::from_canvas(&canvas);
            let [blue, red] = planar.chroma.clone().unwrap();
            assert_eq!((planar.luma.samples[0], blue.samples[0], red.samples[0]), (y, cb, cr), "{rgb:?}");
            for (got, wanted) in planar.to_canvas().pixels.iter().zip(rgb) {
                assert!(got.abs_diff(wanted) <= 1, "{rgb:?}");
            }
        }
    }

    #[test]
    fn smooth_pictures_survive_both_ways_at_every_size() {
        for (width, height) in [(1, 1), (1, 2), (2, 1), (7, 5), (33, 34), (50, 35)] {
            let mut before = canvas(width, height);
            before.pixels.iter_mut().for_each(|sample| *sample = *sample / 4 + 90);
            let after = Planar::from_canvas(&before).to_canvas();
            assert_eq!(after.size(), before.size());
            for (one, other) in after.pixels.iter().zip(&before.pixels) {
                assert!(one.abs_diff(*other) <= 6, "{width} × {height}: {one} {other}");
            }
        }
    }

    #[test]
    fn alpha_and_grey_are_left_out() {
        let opaque = canvas(9, 6);
        let pixels = opaque.pixels.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
        let with_alpha = Canvas { model: Model::Rgba, pixels, ..opaque.clone() };
        assert_eq!(Planar::from_canvas(&with_alpha), Planar::from_canvas(&opaque));
        let grey = Canvas { width: 2, height: 1, model: Model::GrayAlpha, pixels: vec![9, 255, 7, 255] };
        let planar = Planar::from_canvas(&grey);
        assert_eq!((planar.luma.samples.as_slice(), planar.chroma.is_none()), (&[9, 7][..], true));
    }

    #[test]
    fn planes_turn_as_pixels_do() {
        for orientation in 0..=9 {
            let even = canvas(16, 10);
            let turned = Planar::from_canvas(&even.clone().orient(orientation));
            assert_eq!(Planar::from_canvas(&even).orient(orientation), turned, "{orientation}");
            let odd = Planar::from_canvas(&canvas(7, 5)).orient(orientation);
            let size = if (5..=8).contains(&orientation) { (5, 7) } else { (7, 5) };
            assert_eq!(odd.size(), size);
            assert!(
                odd.chroma
                    .unwrap()
                    .iter()
                    .all(|plane| { (plane.width, plane.height) == Planar::chroma_size(size) })
            );
        }
    }
}
