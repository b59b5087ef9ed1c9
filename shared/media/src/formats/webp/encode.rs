//! WebP from planes, and animations.
//!
//! VP8, WebP's lossy coding, works on `Y'CbCr` by the same matrix as JFIF, but in the limited range of BT.601 (RFC 9649, 2.5; RFC 6386,
//! 9.2): a multiplication and an addition a sample, no RGB in between, no resampling of the chroma.
//!
//! An animation's frames are stills of their own (RFC 9649, 2.7.1.1): each is the part of the canvas that changed, coded
//! without looking at the frame before. libwebp has an encoder for animations, too; it lets the frame before show
//! through wherever blocks are alike, for which it codes an alpha channel and does without the loop filter in
//! almost every frame. Here that is done only where much of the frame is alike, which is quicker, and smaller
//! where everything moves.

#![expect(clippy::inline_always, reason = "kernels are compiled for the instruction set of their caller")]

use fearless_simd::{Level, Simd, dispatch};
use sluice_pixels::{
    planar::Planar,
    raster::{Canvas, Model},
    simd,
};

use crate::{
    error::MediaError,
    formats::webp::header::chunks,
    native::webp::{MAX_EDGE, Yuv, encode, encode_yuv},
};

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

/// The longest that a frame can be shown (RFC 9649, 2.7.1.1: 24 bits).
const LONGEST_FRAME_MS: u32 = 0xFF_FFFF;
/// Edge of the blocks that are compared with the frame before.
const BLOCK: usize = 8;

/// Encodes an animation, frame by frame.
pub(crate) struct Animation {
    size: (u32, u32),
    quality: u8,
    loops: u16,
    /// How much a sample may differ before it counts as changed.
    tolerance: u8,
    /// The canvas as it is shown so far, RGBA; empty before the first frame.
    shown: Vec<u8>,
    /// The first frame as a file of its own: what an animation of one frame is.
    still: Vec<u8>,
    /// The chunks of all frames but the last.
    body: Vec<u8>,
    /// The last frame, whose duration may still grow.
    last: Option<Coded>,
    frames: u32,
    alpha: bool,
}

/// A frame, coded.
struct Coded {
    part: Part,
    blended: bool,
    image: Vec<u8>,
    duration_ms: u32,
}

/// A part of the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

impl Animation {
    /// An animation of `size` that plays `loops` times, 0 for ever.
    pub fn new(size: (u32, u32), quality: u8, loops: u32) -> Result<Self, MediaError> {
        if size.0.min(size.1) == 0 || size.0.max(size.1) > MAX_EDGE {
            return Err(MediaError::encode(format!("{} × {} pixels don't fit into WebP", size.0, size.1)));
        }
        Ok(Self {
            size,
            quality,
            loops: u16::try_from(loops).unwrap_or(u16::MAX),
            tolerance: tolerance(quality),
            shown: Vec::new(),
            still: Vec::new(),
            body: Vec::new(),
            last: None,
            frames: 0,
            alpha: false,
        })
    }

    /// Shows the last frame for longer.
    pub fn hold(&mut self, duration_ms: u32) {
        if let Some(last) = &mut self.last {
            last.duration_ms = last.duration_ms.saturating_add(duration_ms).min(LONGEST_FRAME_MS);
        }
    }

    /// Appends a frame that stands for `duration_ms`. One that looks like the last only lengthens it.
    pub fn push(&mut self, canvas: &Canvas, duration_ms: u32) -> Result<(), MediaError> {
        if canvas.size() != self.size {
            return Err(MediaError::encode("a frame's size differs from the animation's"));
        }
        let new = canvas.rgba();
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        if new.len() != 4 * width * height {
            return Err(MediaError::encode("the pixels don't fill the picture"));
        }
        if self.last.is_none() {
            self.still = encode(canvas, self.quality)?;
            let part = Part { x: 0, y: 0, width, height };
            let image = image(&self.still)?;
            self.alpha = image.starts_with(b"ALPH");
            self.last = Some(Coded { part, blended: false, image, duration_ms });
            self.shown = new;
            self.frames = 1;
            return Ok(());
        }
        let Some(part) = changed(&self.shown, &new, width, self.tolerance) else {
            self.hold(duration_ms);
            return Ok(());
        };
        let coded = self.code(&new, part, duration_ms)?;
        if let Some(before) = self.last.replace(coded) {
            before.write(&mut self.body);
        }
        self.still = Vec::new();
        self.frames += 1;
        Ok(())
    }

    /// Codes a part of the new canvas, and brings what is shown up to it.
    fn code(&mut self, new: &[u8], part: Part, duration_ms: u32) -> Result<Coded, MediaError> {
        let stride = 4 * self.size.0 as usize;
        let start = 4 * part.x + stride * part.y;
        let mut pixels = Vec::with_capacity(4 * part.width * part.height);
        for row in new[start..].chunks(stride).take(part.height) {
            pixels.extend_from_slice(&row[..4 * part.width]);
        }
        let opaque = |pixels: &[u8]| pixels.as_chunks::<4>().0.iter().all(|pixel| pixel[3] == u8::MAX);
        // What is transparent or becomes so can't be blended.
        let solid = opaque(&pixels);
        let alike = if solid { self.alike(new, part) } else { Vec::new() };
        let blended = solid && 3 * alike.len() * BLOCK * BLOCK >= part.width * part.height;
        if blended {
            for &(x, y) in &alike {
                for row in pixels.chunks_mut(4 * part.width).skip(y).take(BLOCK) {
                    row[4 * x..4 * (x + BLOCK)]
                        .as_chunks_mut::<4>()
                        .0
                        .iter_mut()
                        .for_each(|pixel| pixel[3] = 0);
                }
            }
        } else if solid {
            pixels = pixels.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
        }
        // Only what is coded is shown from now on: slow changes add up until they are.
        let channels = if blended || !solid { 4 } else { 3 };
        for (shown, coded) in self.shown[start..].chunks_mut(stride).zip(pixels.chunks(channels * part.width))
        {
            for (shown, coded) in shown.as_chunks_mut::<4>().0.iter_mut().zip(coded.chunks_exact(channels)) {
                if !blended || coded[3] != 0 {
                    shown[..channels].copy_from_slice(coded);
                    if channels == 3 {
                        shown[3] = u8::MAX;
                    }
                }
            }
        }
        let edge = |pixels: usize| u32::try_from(pixels).map_err(MediaError::encode);
        let model = if channels == 4 { Model::Rgba } else { Model::Rgb };
        let canvas = Canvas { width: edge(part.width)?, height: edge(part.height)?, model, pixels };
        let image = image(&encode(&canvas, self.quality)?)?;
        self.alpha |= image.starts_with(b"ALPH");
        Ok(Coded { part, blended, image, duration_ms })
    }

    /// The blocks of a part, by their place in it, in which the new canvas looks like what is shown.
    fn alike(&self, new: &[u8], part: Part) -> Vec<(usize, usize)> {
        let stride = 4 * self.size.0 as usize;
        let mut alike = Vec::new();
        for y in (0..=part.height.saturating_sub(BLOCK)).step_by(BLOCK) {
            for x in (0..=part.width.saturating_sub(BLOCK)).step_by(BLOCK) {
                if part.width < BLOCK || part.height < BLOCK {
                    continue;
                }
                let same = (0..BLOCK).all(|row| {
                    let start = 4 * (part.x + x) + stride * (part.y + y + row);
                    let range = start..start + 4 * BLOCK;
                    let shown = &self.shown[range.clone()];
                    !differs(shown, &new[range], self.tolerance)
                        && shown.iter().skip(3).step_by(4).all(|&alpha| alpha == u8::MAX)
                });
                if same {
                    alike.push((x, y));
                }
            }
        }
        alike
    }

    /// Bytes of what is coded so far.
    pub fn bytes(&self) -> usize {
        self.body.len() + self.last.as_ref().map_or(0, |last| last.image.len())
    }

    /// The finished file: a still if there is one frame.
    pub fn finish(mut self) -> Result<Vec<u8>, MediaError> {
        let last = self.last.ok_or_else(|| MediaError::encode("an animation without frames"))?;
        if self.frames == 1 {
            return Ok(self.still);
        }
        last.write(&mut self.body);
        let mut file = b"RIFF\0\0\0\0WEBPVP8X\x0A\0\0\0".to_vec();
        file.extend([if self.alpha { 0x12 } else { 0x02 }, 0, 0, 0]);
        file.extend(le24(self.size.0 - 1));
        file.extend(le24(self.size.1 - 1));
        file.extend(b"ANIM\x06\0\0\0\xFF\xFF\xFF\xFF");
        file.extend(self.loops.to_le_bytes());
        file.append(&mut self.body);
        let length = u32::try_from(file.len() - 8).map_err(MediaError::encode)?;
        file[4..8].copy_from_slice(&length.to_le_bytes());
        Ok(file)
    }
}

impl Coded {
    /// Appends the frame's chunk. Chunks in it are padded already.
    fn write(&self, file: &mut Vec<u8>) {
        let numbers = [
            self.part.x / 2,
            self.part.y / 2,
            self.part.width - 1,
            self.part.height - 1,
            self.duration_ms as usize,
        ];
        file.extend(b"ANMF");
        file.extend(u32::try_from(16 + self.image.len()).unwrap_or(u32::MAX).to_le_bytes());
        for number in numbers {
            file.extend(le24(u32::try_from(number).unwrap_or(u32::MAX)));
        }
        // Kept when the next one comes; laid over what is there only where that shall show through.
        file.push(if self.blended { 0 } else { 0x02 });
        file.extend(&self.image);
    }
}

/// The lowest 24 bits.
fn le24(value: u32) -> [u8; 3] {
    let [a, b, c, _] = value.to_le_bytes();
    [a, b, c]
}

/// The chunks of a still's image: alpha, if there is any, and the rest.
fn image(file: &[u8]) -> Result<Vec<u8>, MediaError> {
    let image = chunks(file.get(12..).unwrap_or_default())
        .find(|chunk| matches!(&chunk.kind, b"ALPH" | b"VP8 "))
        .ok_or_else(|| MediaError::encode("libwebp wrote no image"))?;
    Ok(image.rest.to_vec())
}

/// How much a sample may differ unseen at `quality`: libwebp's own measure (`src/mux/anim_encode.c`), 31 at 0, 4 at
/// 80, 1 at 100.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 1 to 31")]
fn tolerance(quality: u8) -> u8 {
    let root = (f32::from(quality.min(100)) / 100.0).sqrt();
    (31.0 * (1.0 - root) + root).round() as u8
}

/// Whether a colour differs by more than `tolerance`, or an alpha at all.
fn differs(old: &[u8], new: &[u8], tolerance: u8) -> bool {
    let mut colour = 0;
    let mut alpha = 0;
    for (old, new) in old.as_chunks::<4>().0.iter().zip(new.as_chunks::<4>().0) {
        colour =
            colour.max(old[0].abs_diff(new[0])).max(old[1].abs_diff(new[1])).max(old[2].abs_diff(new[2]));
        alpha |= old[3] ^ new[3];
    }
    colour > tolerance || alpha != 0
}

/// The smallest part that holds every difference of two RGBA canvases, at an even place, as frames must lie; `None`
/// if there is none.
fn changed(old: &[u8], new: &[u8], width: usize, tolerance: u8) -> Option<Part> {
    let rows = || old.chunks_exact(4 * width).zip(new.chunks_exact(4 * width));
    let top = rows().position(|(old, new)| differs(old, new, tolerance))?;
    let bottom = rows().rposition(|(old, new)| differs(old, new, tolerance))? + 1;
    let (mut left, mut right) = (width, 0);
    for (old, new) in rows().take(bottom).skip(top) {
        let mut pixels = old.chunks_exact(4).zip(new.chunks_exact(4));
        // Only what would widen the part.
        if let Some(first) = pixels.clone().take(left).position(|(old, new)| differs(old, new, tolerance)) {
            left = first;
        }
        if let Some(last) = pixels.rposition(|(old, new)| differs(old, new, tolerance)) {
            right = right.max(last + 1);
        }
    }
    let (x, y) = (left & !1, top & !1);
    Some(Part { x, y, width: right - x, height: bottom - y })
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small numbers of tests")]
mod tests {
    use std::io::Cursor;

    use image::{AnimationDecoder, ImageDecoder, codecs::webp::WebPDecoder, metadata::LoopCount};
    use sluice_pixels::planar::Plane;

    use super::*;

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

    /// A picture with a box in it that moves; `alpha` is that of the box.
    fn scene(number: usize, alpha: Option<u8>) -> Canvas {
        let (width, height) = (83, 61);
        let pixels = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| {
                let boxed =
                    (4 * number..4 * number + 12).contains(&x) && (3 * number..3 * number + 10).contains(&y);
                let colour = if boxed { [250, 40, 40] } else { [2 * x as u8, 3 * y as u8, 90] };
                let alpha = if boxed { alpha.unwrap_or(255) } else { 255 };
                [colour[0], colour[1], colour[2], alpha]
            })
            .collect();
        let canvas = Canvas { width: 83, height: 61, model: Model::Rgba, pixels };
        if alpha.is_some() {
            canvas
        } else {
            Canvas { model: Model::Rgb, pixels: rgb(&canvas.pixels), ..canvas }
        }
    }

    fn rgb(rgba: &[u8]) -> Vec<u8> {
        rgba.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
    }

    /// The frames as an independent decoder composes them.
    fn seen(file: &[u8]) -> (Vec<(Vec<u8>, u32)>, LoopCount) {
        let decoder = WebPDecoder::new(Cursor::new(file)).unwrap();
        let loops = decoder.loop_count();
        assert_eq!(decoder.dimensions(), (83, 61));
        let frames = decoder.into_frames().collect_frames().unwrap();
        let ms = |delay: image::Delay| delay.numer_denom_ms().0 / delay.numer_denom_ms().1;
        let frames = frames
            .into_iter()
            .map(|frame| (ms(frame.delay()), frame.into_buffer().into_raw()))
            .map(|(ms, p)| (p, ms));
        (frames.collect(), loops)
    }

    fn assert_alike(seen: &[u8], meant: &Canvas) {
        let meant = meant.rgba();
        let visible = |pixels: &[u8]| -> Vec<[f64; 4]> {
            let weigh = |&[r, g, b, a]: &[u8; 4]| [r, g, b, 255].map(|s| f64::from(s) * f64::from(a) / 255.0);
            pixels.as_chunks::<4>().0.iter().map(weigh).collect()
        };
        let (seen, meant) = (visible(seen), visible(&meant));
        let sum: f64 = seen.iter().zip(&meant).flat_map(|(a, b)| (0..4).map(|c| (a[c] - b[c]).abs())).sum();
        let mean = sum / (4 * seen.len()) as f64;
        assert!(mean < 3.0, "{mean}");
    }

    #[test]
    fn moving_parts_are_coded_and_show_up() {
        for alpha in [None, Some(255), Some(128), Some(0)] {
            let mut animation = Animation::new((83, 61), 90, 5).unwrap();
            let frames: Vec<_> = (0..6).map(|number| scene(number, alpha)).collect();
            for (frame, duration) in frames.iter().zip(40..) {
                animation.push(frame, duration).unwrap();
            }
            let file = animation.finish().unwrap();
            let (seen, loops) = seen(&file);
            assert_eq!(seen.len(), 6, "{alpha:?}");
            assert!(matches!(loops, LoopCount::Finite(times) if times.get() == 5));
            for (((seen, shown_ms), frame), duration) in seen.iter().zip(&frames).zip(40..) {
                assert_eq!(*shown_ms, duration);
                assert_alike(seen, frame);
            }
            // Parts only: the picture stands still.
            let whole: usize = frames.iter().map(|frame| encode(frame, 90).unwrap().len()).sum();
            assert!(file.len() < whole, "{} of {whole}", file.len());
        }
    }

    #[test]
    fn what_shows_through_is_as_it_was() {
        // Two boxes far apart: between them, everything is alike.
        let frame = |number: usize| {
            let mut canvas = scene(0, None);
            for (corner, shade) in [(0, 200 - 60 * number), (83 * 53 + 75, 20 + 60 * number)] {
                for row in 0..8 {
                    let start = 3 * (corner + 83 * row);
                    canvas.pixels[start..start + 24].fill(shade as u8);
                }
            }
            canvas
        };
        let mut animation = Animation::new((83, 61), 90, 0).unwrap();
        (0..3).for_each(|number| animation.push(&frame(number), 50).unwrap());
        let file = animation.finish().unwrap();
        assert!(memchr::memmem::find(&file, b"ALPH").is_some());
        let (seen, _) = seen(&file);
        for (number, (seen, _)) in seen.iter().enumerate() {
            assert_alike(seen, &frame(number));
        }
    }

    #[test]
    fn frames_that_look_alike_are_one() {
        let mut animation = Animation::new((83, 61), 80, 0).unwrap();
        let mut almost = scene(0, None);
        almost.pixels.iter_mut().for_each(|sample| *sample = sample.saturating_add(4));
        for (canvas, duration) in
            [(&scene(0, None), 40), (&almost, 50), (&scene(1, None), 60), (&scene(1, None), 70)]
        {
            animation.push(canvas, duration).unwrap();
        }
        animation.hold(5);
        let (frames, loops) = seen(&animation.finish().unwrap());
        assert_eq!(frames.iter().map(|(_, duration)| *duration).collect::<Vec<_>>(), [90, 135]);
        assert!(matches!(loops, LoopCount::Infinite));
    }

    #[test]
    fn slow_changes_add_up() {
        let mut animation = Animation::new((83, 61), 80, 0).unwrap();
        let flat =
            |shade: u8| Canvas { width: 83, height: 61, model: Model::Gray, pixels: vec![shade; 83 * 61] };
        (0..60).for_each(|number| animation.push(&flat(100 + number), 40).unwrap());
        let (frames, _) = seen(&animation.finish().unwrap());
        assert!((10..15).contains(&frames.len()), "{}", frames.len());
        assert!(frames.last().unwrap().0[0] > 150);
    }

    #[test]
    fn an_animation_of_one_frame_is_a_still() {
        let mut animation = Animation::new((83, 61), 80, 0).unwrap();
        animation.push(&scene(0, None), 40).unwrap();
        animation.push(&scene(0, None), 40).unwrap();
        assert_eq!(animation.finish().unwrap(), encode(&scene(0, None), 80).unwrap());
    }

    #[test]
    fn frames_have_the_animations_size() {
        let mut animation = Animation::new((82, 61), 80, 0).unwrap();
        assert!(animation.push(&scene(0, None), 40).is_err());
        assert!(animation.finish().is_err());
        for (size, fits) in [((MAX_EDGE, 1), true), ((MAX_EDGE + 1, 1), false), ((0, 1), false)] {
            assert_eq!(Animation::new(size, 80, 0).is_ok(), fits);
        }
    }

    #[test]
    fn the_tolerance_is_libwebps() {
        assert_eq!([0, 50, 80, 90, 100, 255].map(tolerance), [31, 10, 4, 3, 1, 1]);
    }
}
