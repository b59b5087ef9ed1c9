//! WebP from planes.
//!
//! WebP's VP8 codes Y'CbCr by the same matrix as JFIF, but in the limited range of BT.601 (RFC 9649, 2.5; RFC 6386,
//! 9.2): a multiplication and an addition a sample, no RGB in between, no resampling of the chroma.

use fearless_simd::{Level, Simd, dispatch};

use crate::error::MediaError;
use crate::native::webp::{Yuv, encode_yuv};
use crate::picture::Planar;
use crate::simd;

/// Encodes a still without alpha at `quality` (0 to 100).
pub(crate) fn planar(picture: &Planar, quality: u8) -> Result<Vec<u8>, MediaError> {
    encode_yuv(limited(picture, simd::level()), quality)
}

/// The picture in the limited range; a grey one gets neutral chroma.
fn limited(picture: &Planar, level: Level) -> Yuv {
    let (width, height) = picture.size();
    let mut luma = vec![0; picture.luma.samples.len()];
    let chroma = if let Some(planes) = &picture.chroma {
        let mut limited = planes.each_ref().map(|plane| vec![0; plane.samples.len()]);
        dispatch!(level, simd => {
            limit_luma(simd, &picture.luma.samples, &mut luma);
            for (plane, limited) in planes.iter().zip(&mut limited) {
                limit_chroma(simd, &plane.samples, limited);
            }
        });
        limited
    } else {
        dispatch!(level, simd => limit_luma(simd, &picture.luma.samples, &mut luma));
        let (width, height) = Planar::chroma_size(picture.size());
        let neutral = vec![128; width as usize * height as usize];
        [neutral.clone(), neutral]
    };
    Yuv { width, height, luma, chroma }
}

/// 0 to 255 becomes 16 to 235: `16 + 219 × y ÷ 255`, rounded.
#[inline(always)]
fn limit_luma<S: Simd>(_: S, full: &[u8], limited: &mut [u8]) {
    for (&full, limited) in full.iter().zip(limited) {
        *limited = rounded_255th(u16::from(full) * 219 + 16 * 255);
    }
}

/// 0 to 255 becomes 16 to 240, with 128 in the middle: `128 + 224 × (c − 128) ÷ 255`, rounded.
#[inline(always)]
fn limit_chroma<S: Simd>(_: S, full: &[u8], limited: &mut [u8]) {
    for (&full, limited) in full.iter().zip(limited) {
        *limited = rounded_255th(u16::from(full) * 224 + 128 * (255 - 224));
    }
}

/// `value ÷ 255`, rounded, for values up to 65,152: the products above stay below.
#[inline(always)]
fn rounded_255th(value: u16) -> u8 {
    let value = value + 128;
    ((value + (value >> 8)) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Plane;

    fn plane(width: u32, height: u32, sample: impl Fn(u32, u32) -> u8) -> Plane {
        let samples =
            (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| sample(x, y)).collect();
        Plane { width, height, samples }
    }

    #[test]
    fn the_range_is_that_of_bt_601() {
        let every = plane(256, 1, |x, _| x as u8);
        let picture = Planar { luma: every.clone(), chroma: Some([every.clone(), every]) };
        for level in [Level::baseline(), simd::level()] {
            let yuv = limited(&picture, level);
            for full in 0..=255_u8 {
                let luma = 16.0 + 219.0 * f64::from(full) / 255.0;
                let chroma = 128.0 + 224.0 * (f64::from(full) - 128.0) / 255.0;
                assert!((f64::from(yuv.luma[usize::from(full)]) - luma).abs() <= 0.5, "{full}");
                for plane in &yuv.chroma {
                    assert!((f64::from(plane[usize::from(full)]) - chroma).abs() <= 0.5, "{full}");
                }
            }
        }
    }

    /// Colours that planes hold, as an independent decoder sees them.
    #[test]
    fn colours_arrive() {
        for (full, rgb) in [
            ([255, 128, 128], [255, 255, 255]),
            ([0, 128, 128], [0, 0, 0]),
            ([76, 85, 255], [254, 0, 0]),
            ([150, 44, 21], [0, 255, 1]),
            ([128, 128, 128], [128, 128, 128]),
        ] {
            for (width, height) in [(33, 17), (16, 16), (1, 1)] {
                let [luma, cb, cr] = full;
                let chroma_size = Planar::chroma_size((width, height));
                let flat = |sample, (width, height): (u32, u32)| plane(width, height, |_, _| sample);
                let picture = Planar {
                    luma: flat(luma, (width, height)),
                    chroma: Some([flat(cb, chroma_size), flat(cr, chroma_size)]),
                };
                let bytes = planar(&picture, 90).unwrap();
                let seen = image::load_from_memory(&bytes).unwrap().to_rgb8();
                assert_eq!(seen.dimensions(), (width, height));
                for pixel in seen.pixels() {
                    let close = pixel.0.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 3);
                    assert!(close, "{full:?} gave {pixel:?}, not {rgb:?}");
                }
            }
        }
    }

    #[test]
    fn grey_is_neutral() {
        let picture = Planar { luma: plane(9, 5, |x, y| (20 * x + 9 * y) as u8), chroma: None };
        let seen = image::load_from_memory(&planar(&picture, 95).unwrap()).unwrap().to_rgb8();
        for (x, y, pixel) in seen.enumerate_pixels() {
            assert!(pixel.0.iter().all(|sample| sample.abs_diff((20 * x + 9 * y) as u8) < 16), "{pixel:?}");
            assert!(pixel.0.iter().all(|sample| sample.abs_diff(pixel.0[1]) <= 2), "{pixel:?}");
        }
    }

    #[test]
    fn planes_that_do_not_fill_the_picture_are_refused() {
        let short = Planar {
            luma: plane(4, 4, |_, _| 0),
            chroma: Some([plane(2, 2, |_, _| 0), plane(2, 1, |_, _| 0)]),
        };
        assert!(planar(&short, 80).is_err());
    }
}
