//! Between interleaved pixels and planes, and turning planes.
//!
//! The conversions are JFIF's (ITU-T T.871, 7) in fixed point of 16 bits; every vector level gives the same bits.

#![expect(clippy::inline_always, reason = "what is dispatched by vector level must end up in one function")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "samples are weighed means of samples, or clamped"
)]

mod turn;

use fearless_simd::{dispatch, i16x8, i32x4, prelude::*, u8x16, u16x8};

use crate::{
    planar::{Planar, Plane},
    raster::{Canvas, Model},
    simd::level,
};

/// Bits behind the point.
const SHIFT: u32 = 16;
const HALF: i32 = 1 << (SHIFT - 1);

/// A factor in fixed point.
const fn fixed(factor: f64) -> i32 {
    (factor * 65_536.0 + 0.5) as i32
}

impl Planar {
    /// A coloured picture of `size` to be written.
    pub(crate) fn blank(size: (u32, u32)) -> Self {
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
    pub(crate) fn write_band(&mut self, top: usize, band: &Canvas) {
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
        canvas.pixels = vec![0; width as usize * height as usize * 3];
        self.read_band(0, &mut canvas.pixels, &mut Scratch::new(self));
        canvas
    }

    /// The model of [`Planar::to_canvas`].
    pub(crate) const fn model(&self) -> Model {
        if self.chroma.is_some() { Model::Rgb } else { Model::Gray }
    }

    /// Reads rows as RGB from row `top` on, which is even, as many as `rgb` holds. When bands are read in order, one
    /// that was read may be written before the next is.
    pub(crate) fn read_band(&self, top: usize, rgb: &mut [u8], scratch: &mut Scratch) {
        let Some(chroma) = &self.chroma else { return };
        dispatch!(level(), simd => read_band(simd, &self.luma, chroma, top, rgb, scratch));
    }
}

/// What reading bands takes from one to the next.
pub(crate) struct Scratch {
    /// Of each chroma plane the sums of a near and a far row: one of the left neighbour, then whole vectors, then one
    /// of the right neighbour. The outermost samples are repeated.
    columns: [Vec<u16>; 2],
    /// The last chroma rows of the band above.
    above: [Vec<u8>; 2],
}

impl Scratch {
    pub fn new(picture: &Planar) -> Self {
        let half = picture.luma.width.div_ceil(2) as usize;
        let columns = vec![0; half.next_multiple_of(CHROMA_LANES) + 2];
        Self { columns: [columns.clone(), columns], above: [vec![0; half], vec![0; half]] }
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

/// Chroma samples of one vector; twice as many pixels.
const CHROMA_LANES: usize = 8;
const PIXELS: usize = 2 * CHROMA_LANES;

#[inline(always)]
fn read_band<S: Simd>(
    simd: S,
    luma: &Plane,
    chroma: &[Plane; 2],
    top: usize,
    rgb: &mut [u8],
    scratch: &mut Scratch,
) {
    let (width, half) = (luma.width as usize, chroma[0].width as usize);
    let last = (chroma[0].height as usize).saturating_sub(1);
    let mut bottom = 0;
    for (line, rgb) in rgb.chunks_exact_mut((3 * width).max(1)).enumerate() {
        let y = top + line;
        // Three parts of the nearer chroma row, one of the other one.
        let near = (y / 2).min(last);
        bottom = near;
        for ((plane, columns), above) in chroma.iter().zip(&mut scratch.columns).zip(&scratch.above) {
            let far = match (y % 2, line) {
                (0, _) if near == 0 => row(plane, near),
                (0, 0) => above,
                (0, _) => row(plane, near - 1),
                _ => row(plane, (near + 1).min(last)),
            };
            let columns = columns.as_mut_slice();
            for ((column, &near), &far) in columns[1..].iter_mut().zip(row(plane, near)).zip(far) {
                *column = 3 * u16::from(near) + u16::from(far);
            }
            columns[0] = columns[1];
            let outermost = columns[half];
            columns[half + 1..].fill(outermost);
        }
        let [blue, red] = &scratch.columns;
        let luma = row(luma, y).as_chunks::<PIXELS>();
        let (whole, rest) = rgb.as_chunks_mut::<{ 3 * PIXELS }>();
        for (at, (pixels, luma)) in whole.iter_mut().zip(luma.0).enumerate() {
            let left = at * CHROMA_LANES;
            to_rgb(simd, luma, [&blue[left..], &red[left..]], pixels);
        }
        if !luma.1.is_empty() {
            let left = whole.len() * CHROMA_LANES;
            let (mut padded, mut pixels) = ([0; PIXELS], [0; 3 * PIXELS]);
            padded[..luma.1.len()].copy_from_slice(luma.1);
            to_rgb(simd, &padded, [&blue[left..], &red[left..]], &mut pixels);
            rest.copy_from_slice(&pixels[..rest.len()]);
        }
    }
    for (above, plane) in scratch.above.iter_mut().zip(chroma) {
        above.copy_from_slice(row(plane, bottom));
    }
}

#[inline(always)]
fn row(plane: &Plane, y: usize) -> &[u8] {
    let width = plane.width as usize;
    &plane.samples[y * width..(y + 1) * width]
}

/// Pixels from luma and sums of chroma columns, which have a neighbour more on either side.
#[inline(always)]
fn to_rgb<S: Simd>(simd: S, luma: &[u8; PIXELS], columns: [&[u16]; 2], pixels: &mut [u8; 3 * PIXELS]) {
    /// Bits behind the point: products of 8 bits with these factors are summed in 32.
    const SHIFT: u32 = 14;
    const fn fixed(factor: f64) -> i16 {
        let scaled = factor * 16_384.0;
        (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i16
    }
    /// Of Cb and Cr, for red, green and blue.
    const FACTORS: [[i16; 2]; 3] =
        [[0, fixed(1.402)], [fixed(-0.344_136_286), fixed(-0.714_136_286)], [fixed(1.772), 0]];

    // Even and odd pixels apart: each chroma sample gives one of either.
    let [blue_even, blue_odd] = interpolate(simd, columns[0]);
    let [red_even, red_odd] = interpolate(simd, columns[1]);
    let even = [blue_even.zip_low(red_even), blue_even.zip_high(red_even)];
    let odd = [blue_odd.zip_low(red_odd), blue_odd.zip_high(red_odd)];
    let luma = u8x16::simd_from(simd, *luma).bitcast::<u16x8<S>>();
    let luma_even = (luma & 0xff).bitcast::<i16x8<S>>() - 128;
    let luma_odd = (luma >> 8).bitcast::<i16x8<S>>() - 128;
    let mut channels = [u8x16::splat(simd, 0); 3];
    for (channel, [blue, red]) in channels.iter_mut().zip(FACTORS) {
        let factors = i16x8::simd_from(simd, [blue, red, blue, red, blue, red, blue, red]);
        let even = luma_even + weigh::<S, SHIFT>(simd, even, factors);
        let odd = luma_odd + weigh::<S, SHIFT>(simd, odd, factors);
        // Clamped as signed bytes, around 0 instead of 128.
        *channel = even.saturating_narrow(odd).bitcast::<u8x16<S>>() ^ 0x80;
    }
    let [red, green, blue] = channels;
    for (pixels, indices) in pixels.as_chunks_mut::<16>().0.iter_mut().zip(&INTERLEAVE) {
        let red = red.swizzle_dyn_precise(u8x16::simd_from(simd, indices[0]));
        let green = green.swizzle_dyn_precise(u8x16::simd_from(simd, indices[1]));
        let blue = blue.swizzle_dyn_precise(u8x16::simd_from(simd, indices[2]));
        (red | green | blue).store_slice(&mut pixels[..]);
    }
}

/// The samples left and right of the middle of each column, less 128.
#[inline(always)]
fn interpolate<S: Simd>(simd: S, columns: &[u16]) -> [i16x8<S>; 2] {
    let left = u16x8::from_slice(simd, &columns[..CHROMA_LANES]);
    let here = u16x8::from_slice(simd, &columns[1..=CHROMA_LANES]);
    let right = u16x8::from_slice(simd, &columns[2..CHROMA_LANES + 2]);
    let here = here + here + here;
    // Halves are rounded up on the one and down on the other side, as libjpeg does.
    let left = ((here + left + 8) >> 4).bitcast::<i16x8<S>>();
    let right = ((here + right + 7) >> 4).bitcast::<i16x8<S>>();
    [left - 128, right - 128]
}

/// Sums of pairs by their factors, rounded.
#[inline(always)]
fn weigh<S: Simd, const SHIFT: u32>(simd: S, pairs: [i16x8<S>; 2], factors: i16x8<S>) -> i16x8<S> {
    let half = i32x4::splat(simd, 1 << (SHIFT - 1));
    let low = (pairs[0].pairwise_dot_product(factors) + half) >> SHIFT;
    let high = (pairs[1].pairwise_dot_product(factors) + half) >> SHIFT;
    low.saturating_narrow(high)
}

/// By third of 48 bytes of RGB and by channel: which of 8 even and 8 odd samples goes where; 255 is none.
const INTERLEAVE: [[[u8; 16]; 3]; 3] = {
    let mut indices = [[[255; 16]; 3]; 3];
    let mut at = 0;
    while at < 3 * PIXELS {
        let (pixel, channel) = ((at / 3) as u8, at % 3);
        indices[at / 16][channel][at % 16] = pixel % 2 * 8 + pixel / 2;
        at += 1;
    }
    indices
};

#[cfg(test)]
mod tests {
    use fearless_simd::Level;

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
    fn pixels_are_those_of_the_triangle_filter() {
        for (width, height) in [(1, 1), (2, 3), (16, 16), (17, 5), (33, 34), (47, 40)] {
            let mut seed = 3_u32;
            let mut planar = Planar::blank((width, height));
            let chroma = planar.chroma.iter_mut().flatten().map(|plane| &mut plane.samples);
            for sample in chroma.chain([&mut planar.luma.samples]).flatten() {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *sample = seed.to_be_bytes()[0];
            }
            let canvas = planar.to_canvas();
            let chroma = planar.chroma.as_ref().unwrap();
            let at = |plane: &Plane, x: i64, y: i64| {
                let x = x.clamp(0, i64::from(plane.width) - 1) as usize;
                let y = y.clamp(0, i64::from(plane.height) - 1) as usize;
                f64::from(plane.samples[y * plane.width as usize + x])
            };
            for (index, pixel) in canvas.pixels.as_chunks::<3>().0.iter().enumerate() {
                let (x, y) = (i64::from(index as u32 % width), i64::from(index as u32 / width));
                let (left, above) = (x % 2 == 0, y % 2 == 0);
                let (far_x, far_y) =
                    (if left { x / 2 - 1 } else { x / 2 + 1 }, if above { y / 2 - 1 } else { y / 2 + 1 });
                let [blue, red] = chroma.each_ref().map(|plane| {
                    let row = |y| 0.75 * at(plane, x / 2, y) + 0.25 * at(plane, far_x, y);
                    let sample = 0.75 * row(y / 2) + 0.25 * row(far_y);
                    // Halves go up on the left and down on the right.
                    (sample + if left { 0.5 } else { 0.4375 }).floor() - 128.0
                });
                let luma = at(&planar.luma, x, y);
                let exact =
                    [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue];
                for (got, exact) in pixel.iter().zip(exact) {
                    assert!(
                        (f64::from(*got) - exact.clamp(0.0, 255.0)).abs() < 0.51,
                        "{x} {y}: {got} {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_level_gives_the_same() {
        let canvas = canvas(83, 41);
        let best = Planar::from_canvas(&canvas);
        let chroma = best.chroma.as_ref().unwrap();
        let mut pixels = vec![0; canvas.pixels.len()];
        let mut scratch = Scratch::new(&best);
        dispatch!(Level::baseline(), simd => read_band(simd, &best.luma, chroma, 0, &mut pixels, &mut scratch));
        assert!(pixels == best.to_canvas().pixels);

        let (above, below) = canvas.pixels.split_at(3 * 83);
        let (mut luma, mut blue, mut red) = ([0; 83], [0; 42], [0; 42]);
        dispatch!(Level::baseline(), simd => {
            to_luma::<_, 3>(simd, above, &mut luma);
            to_chroma::<_, 3>(simd, above, &below[..3 * 83], &mut blue, &mut red);
        });
        assert_eq!(luma, best.luma.samples[..83]);
        assert_eq!((&blue[..], &red[..]), (&chroma[0].samples[..42], &chroma[1].samples[..42]));
    }

    /// A band may be written once it was read: the one below still sees what was above it.
    #[test]
    fn bands_may_be_replaced_as_they_are_read() {
        let mut planar = Planar::from_canvas(&canvas(50, 41));
        let whole = planar.to_canvas();
        let mut scratch = Scratch::new(&planar);
        for top in (0..41).step_by(6) {
            let mut band = Canvas { pixels: vec![0; 3 * 50 * 6.min(41 - top)], ..canvas(0, 0) };
            planar.read_band(top, &mut band.pixels, &mut scratch);
            assert!(band.pixels == whole.pixels[3 * 50 * top..][..band.pixels.len()], "{top}");
            band.pixels.fill(7);
            planar.write_band(top, &band);
        }
        assert!(planar.luma.samples.iter().all(|&sample| sample == 7));
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
}
