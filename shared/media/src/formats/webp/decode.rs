//! WebP: stills as bands of planes or as a raster, animations frame by frame (RFC 9649).
//!
//! A lossy still is resized while it is decoded: its planes never exist at full size. Lossless coding refers back
//! to anywhere before, so that the decoder keeps all of its pixels, and gives them out at the end.

use sluice_pixels::{
    planar::{Colour, Pixels, Planar, Plane},
    raster::{Model, Raster, Samples},
    resample::Resampler,
};

use crate::{
    decode::{
        frames::{Animation, Canvas, Disposal, Frame, Frames, Rect, shown_ms},
        still::{Still, Want},
    },
    error::{MediaError, Warning},
    facts::Header,
    formats::webp::header::{WebP, chunks, lossless_size, lossy_size},
    native::webp::{Band, End, Layout, Rows, lossy, raster},
};

/// Neutral grey in the limited range, for rows that never came.
const MISSING_LUMA: u8 = 126;
const MISSING_CHROMA: u8 = 128;
/// The same in the full range.
const MISSING: u8 = 128;

/// Pictures below this many pixels are decoded before a second thread would help.
const PIXELS_FOR_THREADS: u64 = 1 << 20;

/// Peak bytes beside the input that [`decode`] takes, from the header alone.
pub(crate) fn memory(header: &Header<'_, WebP<'_>>, target: (u32, u32)) -> u64 {
    let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
    let source = header.facts.pixels();
    // libwebp's row of blocks and a resize's window of rows, generously.
    let rows = 64 * 4 * u64::from(header.facts.width) + (1 << 20);
    let (decoder, channels) = match header.head {
        // The canvas, the frame to be blended, and a frame's own pixels or alpha as below.
        WebP { framed: true, .. } => (13 * source, 4),
        WebP { lossless: true, alpha, .. } => {
            let channels = if alpha { 4 } else { 3 };
            ((4 + channels) * source, channels)
        }
        // The alpha channel, which is coded losslessly for itself.
        WebP { alpha: true, .. } => (5 * source, 4),
        WebP { .. } => (0, 2),
    };
    decoder + rows + channels * area(target)
}

/// Decodes the still, or the first frame.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    header: &Header<'a, WebP<'a>>,
    want: &Want<'_>,
) -> Result<Still<'a>, MediaError> {
    let webp = header.head;
    let size = header.facts.size();
    let (pixels, end) = if webp.framed { first_frame(bytes, size, want)? } else { still(&webp, size, want)? };
    let colour = header.facts.icc.clone().map_or(Colour::Srgb, Colour::Icc);
    let warnings = match end {
        End::Complete => Vec::new(),
        End::Damaged if !webp.cut => {
            vec![Warning::new("corrupt_data", "the image data is damaged, the rest is gray")]
        }
        _ => vec![Warning::new("truncated", "the file ends before the image does, the rest is gray")],
    };
    Ok(Still { pixels, colour, orientation: None, warnings })
}

fn still(webp: &WebP<'_>, size: (u32, u32), want: &Want<'_>) -> Result<(Pixels, End), MediaError> {
    let target = want.target;
    let threads = u64::from(size.0) * u64::from(size.1) >= PIXELS_FOR_THREADS && want.limits.threads > 1;
    if webp.image.is_empty() {
        return Err(MediaError::corrupt("the file ends before the image data"));
    }
    match (webp.lossless, webp.alpha) {
        (true, alpha) => whole(webp.image, size, alpha, threads, target),
        (false, true) => transparent(webp.image, size, threads, target),
        (false, false) => opaque(webp.image, size, threads, target),
    }
}

/// The rows of one channel on their way into a resize.
struct Channel {
    resampler: Resampler<u8>,
    rows: u32,
}

impl Channel {
    fn push<'r>(&mut self, rows: impl Iterator<Item = &'r [u8]>) {
        for row in rows {
            self.resampler.push(row);
            self.rows += 1;
        }
    }

    /// The plane, with `missing` where the picture's `height` rows didn't come.
    fn finish(mut self, (width, height): (u32, u32), missing: u8) -> Result<Plane, MediaError> {
        if self.rows < height {
            let row = vec![missing; width as usize];
            (self.rows..height).for_each(|_| self.resampler.push(&row));
        }
        let Raster { width, height, samples: Samples::Eight(samples), .. } = self.resampler.finish()? else {
            return Err(MediaError::corrupt("a plane has 8 bits"));
        };
        Ok(Plane { width, height, samples })
    }
}

/// A lossy picture without alpha, as planes.
fn opaque(
    image: &[u8],
    size: (u32, u32),
    threads: bool,
    target: (u32, u32),
) -> Result<(Pixels, End), MediaError> {
    let (half, half_target) = (Planar::chroma_size(size), Planar::chroma_size(target));
    let scale = (f64::from(size.0) / f64::from(target.0), f64::from(size.1) / f64::from(target.1));
    let mut luma = Channel { resampler: Resampler::new(size, target, Model::Gray), rows: 0 };
    let mut chroma = [0; 2]
        .map(|rows| Channel { resampler: Resampler::scaled(half, half_target, Model::Gray, scale), rows });
    let end = lossy(image, size, threads, &mut |band: &Band<'_>| {
        luma.push(band.luma.iter());
        for (channel, rows) in chroma.iter_mut().zip(&band.chroma) {
            channel.push(rows.iter());
        }
    })?;
    if luma.rows == 0 {
        return Err(MediaError::corrupt("no row of the image could be decoded"));
    }
    let mut luma = luma.finish(size, MISSING_LUMA)?;
    expand(&mut luma.samples, 16, 219, 0);
    let [cb, cr] = chroma;
    let mut chroma = [cb.finish(half, MISSING_CHROMA)?, cr.finish(half, MISSING_CHROMA)?];
    for plane in &mut chroma {
        expand(&mut plane.samples, 128, 224, 128);
    }
    Ok((Pixels::Planar(Planar { luma, chroma: Some(chroma) }), end))
}

/// From BT.601's limited range to the full one, in place: `origin` becomes `middle`, `range` steps become 255.
fn expand(samples: &mut [u8], origin: i32, range: i32, middle: i32) {
    let mut table = [0_u8; 256];
    for (limited, full) in (0..).zip(&mut table) {
        // Rounded; what is below the origin of luma is clamped anyway.
        let scaled = (2 * 255 * (limited - origin) + range).div_euclid(2 * range) + middle;
        *full = u8::try_from(scaled.clamp(0, 255)).unwrap_or(u8::MAX);
    }
    for sample in samples {
        *sample = table[usize::from(*sample)];
    }
}

/// A lossy picture with alpha: to RGBA row by row.
fn transparent(
    image: &[u8],
    size: (u32, u32),
    threads: bool,
    target: (u32, u32),
) -> Result<(Pixels, End), MediaError> {
    let mut resampler = Resampler::new(size, target, Model::Rgba);
    let mut row = vec![0; 4 * size.0 as usize];
    let mut rows = 0;
    let matrix = Matrix::new();
    let end = lossy(image, size, threads, &mut |band: &Band<'_>| {
        let [cb, cr] = band.chroma.map(|rows| rows.iter().collect::<Vec<_>>());
        let mut alphas = band.alpha.as_ref().map(Rows::iter);
        for (y, luma) in band.luma.iter().enumerate() {
            let (cb, cr) =
                (cb.get(y / 2).copied().unwrap_or_default(), cr.get(y / 2).copied().unwrap_or_default());
            matrix.rgb(luma, cb, cr, &mut row);
            if let Some(alpha) = alphas.as_mut().and_then(Iterator::next) {
                for (pixel, &alpha) in row.as_chunks_mut::<4>().0.iter_mut().zip(alpha) {
                    pixel[3] = alpha;
                }
            }
            resampler.push(&row);
            rows += 1;
        }
    })?;
    if rows == 0 {
        return Err(MediaError::corrupt("no row of the image could be decoded"));
    }
    fill_up(&mut resampler, size, Model::Rgba, rows);
    Ok((Pixels::Raster(resampler.finish()?), end))
}

/// Pushes grey rows in place of those that didn't come.
fn fill_up(resampler: &mut Resampler<u8>, size: (u32, u32), model: Model, rows: u32) {
    if rows < size.1 {
        let mut row = vec![MISSING; size.0 as usize * model.channels()];
        if model == Model::Rgba {
            row.as_chunks_mut::<4>().0.iter_mut().for_each(|pixel| pixel[3] = u8::MAX);
        }
        (rows..size.1).for_each(|_| resampler.push(&row));
    }
}

/// A lossless picture: decoded whole.
fn whole(
    image: &[u8],
    size: (u32, u32),
    alpha: bool,
    threads: bool,
    target: (u32, u32),
) -> Result<(Pixels, End), MediaError> {
    let model = if alpha { Model::Rgba } else { Model::Rgb };
    let stride = size.0 as usize * model.channels();
    let mut pixels = vec![0; stride * size.1 as usize];
    let (rows, end) = raster(image, size, threads, &mut pixels, Layout { offset: 0, stride, alpha })?;
    if rows == 0 {
        return Err(MediaError::corrupt("no row of the image could be decoded"));
    }
    let mut resampler = Resampler::new(size, target, model);
    pixels.chunks_exact(stride).take(rows as usize).for_each(|row| resampler.push(row));
    drop(pixels);
    fill_up(&mut resampler, size, model, rows);
    Ok((Pixels::Raster(resampler.finish()?), end))
}

/// BT.601 from the limited range to RGB (ITU-T T.871 has the same factors for the full one), as tables: each entry
/// a 16.16 fixed-point number.
struct Matrix {
    luma: [i32; 256],
    red_cr: [i32; 256],
    green_cb: [i32; 256],
    green_cr: [i32; 256],
    blue_cb: [i32; 256],
}

impl Matrix {
    fn new() -> Self {
        let table = |origin: i32, factor: i32| {
            let mut table = [0; 256];
            for (sample, entry) in (0..).zip(&mut table) {
                *entry = (sample - origin) * factor;
            }
            table
        };
        // 65,536 × 255 ÷ 219; and 65,536 × 255 ÷ 224 × 1.402, 0.344136, 0.714136 and 1.772.
        let mut luma = table(16, 76_309);
        for entry in &mut luma {
            *entry += 1 << 15;
        }
        Self {
            luma,
            red_cr: table(128, 104_597),
            green_cb: table(128, -25_675),
            green_cr: table(128, -53_279),
            blue_cb: table(128, 132_201),
        }
    }

    /// Fills the colours of a row of RGBA, two pixels from each chroma sample, and makes it opaque.
    #[expect(clippy::cast_possible_truncation, reason = "clamped")]
    fn rgb(&self, luma: &[u8], cb: &[u8], cr: &[u8], rgba: &mut [u8]) {
        let pixels = rgba.chunks_mut(8).zip(luma.chunks(2));
        for ((pixels, luma), (&cb, &cr)) in pixels.zip(cb.iter().zip(cr)) {
            let (cb, cr) = (usize::from(cb), usize::from(cr));
            let red = self.red_cr[cr];
            let green = self.green_cb[cb] + self.green_cr[cr];
            let blue = self.blue_cb[cb];
            for (pixel, &luma) in pixels.as_chunks_mut::<4>().0.iter_mut().zip(luma) {
                let luma = self.luma[usize::from(luma)];
                let sample = |chroma: i32| ((luma + chroma) >> 16).clamp(0, 255).cast_unsigned() as u8;
                *pixel = [sample(red), sample(green), sample(blue), u8::MAX];
            }
        }
    }
}

/// A frame of an animation (RFC 9649, 2.7.1.1).
#[expect(clippy::struct_excessive_bools, reason = "independent flags of the format")]
struct Anmf<'a> {
    rect: Rect,
    duration_ms: u32,
    blend: bool,
    disposal: Disposal,
    image: &'a [u8],
    lossless: bool,
    alpha: bool,
    whole: bool,
}

impl<'a> Anmf<'a> {
    fn parse(payload: &'a [u8], whole: bool) -> Option<Self> {
        let (head, image) = payload.split_first_chunk::<16>()?;
        let le24 = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], 0]);
        let rect = Rect { x: 2 * le24(0), y: 2 * le24(3), width: le24(6) + 1, height: le24(9) + 1 };
        let flags = head[15];
        let mut frame = Self {
            rect,
            duration_ms: le24(12),
            blend: flags & 0x02 == 0,
            disposal: if flags & 0x01 == 0 { Disposal::Keep } else { Disposal::Background },
            image: &[],
            lossless: false,
            alpha: false,
            whole,
        };
        for chunk in chunks(image) {
            match &chunk.kind {
                b"ALPH" if frame.image.is_empty() => (frame.image, frame.alpha) = (chunk.rest, true),
                b"VP8 " => {
                    if frame.image.is_empty() {
                        frame.image = chunk.rest;
                    }
                    return (lossy_size(chunk.payload)? == (rect.width, rect.height)).then_some(frame);
                }
                b"VP8L" => {
                    let (size, alpha) = lossless_size(chunk.payload)?;
                    (frame.image, frame.lossless, frame.alpha) = (chunk.rest, true, alpha);
                    return (size == (rect.width, rect.height)).then_some(frame);
                }
                _ => {}
            }
        }
        None
    }

    /// Whether it lies within a canvas of `size`, as it must.
    fn fits(&self, size: (u32, u32)) -> bool {
        self.rect.clip(size) == self.rect
    }
}

/// The frames of a file, each as it stands there.
fn anmfs(bytes: &[u8]) -> impl Iterator<Item = Option<Anmf<'_>>> {
    chunks(bytes.get(12..).unwrap_or_default())
        .filter(|chunk| &chunk.kind == b"ANMF")
        .map(|chunk| Anmf::parse(chunk.payload, chunk.whole))
}

fn first_frame(bytes: &[u8], size: (u32, u32), want: &Want<'_>) -> Result<(Pixels, End), MediaError> {
    let frame = anmfs(bytes)
        .next()
        .flatten()
        .filter(|frame| frame.fits(size))
        .ok_or_else(|| MediaError::corrupt("the animation has no whole frame"))?;
    let header = WebP {
        image: frame.image,
        lossless: frame.lossless,
        alpha: frame.alpha,
        framed: false,
        loops: 0,
        cut: !frame.whole,
        xmp: None,
    };
    if (frame.rect.width, frame.rect.height) == size {
        return still(&header, size, want);
    }
    let mut canvas = Canvas::new(size);
    canvas.begin(frame.rect, Disposal::Keep);
    let (rows, end) = raster(
        frame.image,
        (frame.rect.width, frame.rect.height),
        false,
        canvas.overwrite(),
        layout(&frame, size),
    )?;
    if rows == 0 {
        return Err(MediaError::corrupt("no row of the image could be decoded"));
    }
    let shown = canvas.show(0);
    let mut resampler = Resampler::new(size, want.target, Model::Rgba);
    shown.pixels.chunks_exact(4 * size.0 as usize).for_each(|row| resampler.push(row));
    Ok((Pixels::Raster(resampler.finish()?), end))
}

/// Where a frame's pixels stand on a canvas of `size`.
fn layout(frame: &Anmf<'_>, size: (u32, u32)) -> Layout {
    let stride = 4 * size.0 as usize;
    Layout { offset: frame.rect.y as usize * stride + 4 * frame.rect.x as usize, stride, alpha: true }
}

/// Starts decoding an animation.
pub(crate) fn animation<'a>(bytes: &'a [u8], header: &Header<'a, WebP<'a>>) -> Animation<'a> {
    let webp = header.head;
    let frames = Composed {
        frames: Box::new(anmfs(bytes)),
        canvas: Canvas::new(header.facts.size()),
        size: header.facts.size(),
        scratch: Vec::new(),
        cut: webp.cut,
    };
    Animation { frames: Box::new(frames), icc: header.facts.icc.clone(), loops: u32::from(webp.loops) }
}

struct Composed<'a> {
    frames: Box<dyn Iterator<Item = Option<Anmf<'a>>> + 'a>,
    canvas: Canvas,
    size: (u32, u32),
    /// Where frames are decoded that are then blended with what is there.
    scratch: Vec<u32>,
    cut: bool,
}

impl Frames for Composed<'_> {
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, MediaError> {
        let frame = match self.frames.next() {
            Some(frame) => frame,
            None if self.cut => return Err(MediaError::corrupt("the file ends before the animation does")),
            None => return Ok(None),
        };
        let frame = frame
            .filter(|frame| frame.fits(self.size))
            .ok_or_else(|| MediaError::corrupt("a frame is cut short or doesn't fit onto the canvas"))?;
        let size = (frame.rect.width, frame.rect.height);
        self.canvas.begin(frame.rect, frame.disposal);
        let end = if frame.blend && frame.alpha {
            let stride = 4 * size.0 as usize;
            self.scratch.clear();
            self.scratch.resize(size.0 as usize * size.1 as usize, 0);
            let layout = Layout { offset: 0, stride, alpha: true };
            let (_, end) =
                raster(frame.image, size, false, bytemuck::cast_slice_mut(&mut self.scratch), layout)?;
            for (y, above) in (frame.rect.y..).zip(self.scratch.chunks_exact(size.0 as usize)) {
                self.canvas.draw_row(y, |below| blend(below, above));
            }
            end
        } else {
            let layout = layout(&frame, self.size);
            raster(frame.image, size, false, self.canvas.overwrite(), layout)?.1
        };
        if end == End::Complete {
            Ok(Some(self.canvas.show(shown_ms(frame.duration_ms))))
        } else {
            self.frames = Box::new(std::iter::empty());
            Err(MediaError::corrupt("a frame is cut short or damaged"))
        }
    }
}

/// Lays a row over another; neither is premultiplied (RFC 9649, 2.7.1.1). Tells whether that changed anything.
fn blend(below: &mut [u32], above: &[u32]) -> bool {
    let mut changes = 0;
    for (below, &above) in below.iter_mut().zip(above) {
        let [r, g, b, alpha] = above.to_ne_bytes();
        let under = below.to_ne_bytes();
        let blended = match alpha {
            0 => continue,
            u8::MAX => above,
            _ if under[3] == 0 => above,
            _ => {
                let alpha = u32::from(alpha);
                // libwebp's arithmetic (`src/demux/anim_decode.c`): what shows through, then the sum's weight.
                let through = (u32::from(under[3]) * (256 - alpha)) >> 8;
                let sum = alpha + through;
                let scale = (1 << 24) / sum;
                let channel = |above: u8, below: u8| {
                    let weighted = u32::from(above) * alpha + u32::from(below) * through;
                    u8::try_from((u64::from(weighted) * u64::from(scale)) >> 24).unwrap_or(u8::MAX)
                };
                let [red, green, blue] = [channel(r, under[0]), channel(g, under[1]), channel(b, under[2])];
                u32::from_ne_bytes([red, green, blue, u8::try_from(sum).unwrap_or(u8::MAX)])
            }
        };
        changes |= *below ^ blended;
        *below = blended;
    }
    changes != 0
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small numbers of tests"
)]
mod tests {
    use std::io::Cursor;

    use image::{
        AnimationDecoder, DynamicImage, ImageDecoder,
        codecs::webp::{WebPDecoder, WebPEncoder},
    };
    use sluice_pixels::raster::Canvas as Picture;

    use super::*;
    use crate::{
        facts::Facts,
        formats::webp::{encode::Animation as Encoder, header::parse},
        limits::Limits,
        native::webp::{Yuv, encode, encode_yuv},
    };

    const LIMITS: Limits = Limits::for_memory(1 << 30);

    fn sample(name: &str) -> Vec<u8> {
        std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
    }

    fn decoded(bytes: &[u8]) -> Result<(Pixels, Vec<Warning>), MediaError> {
        let header = parse(bytes)?;
        let target = header.facts.size();
        let still = decode(bytes, &header, &Want::new(target, &LIMITS))?;
        Ok((still.pixels, still.warnings))
    }

    /// The same by the `image` crate, as RGBA, with the size.
    fn reference(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let decoder = WebPDecoder::new(Cursor::new(bytes)).unwrap();
        let (width, height) = decoder.dimensions();
        (width, height, DynamicImage::from_decoder(decoder).unwrap().into_rgba8().into_raw())
    }

    /// As RGBA; from planes by JFIF's matrix, with the nearest chroma.
    fn rgba(pixels: &Pixels) -> Vec<u8> {
        match pixels {
            Pixels::Raster(Raster { model: Model::Rgb, samples: Samples::Eight(samples), .. }) => {
                samples.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect()
            }
            Pixels::Raster(Raster { model: Model::Rgba, samples: Samples::Eight(samples), .. }) => {
                samples.clone()
            }
            Pixels::Raster(_) => panic!("neither RGB nor RGBA"),
            Pixels::Planar(Planar { luma, chroma: Some([cb, cr]) }) => {
                let at = |x: usize, y: usize| {
                    let half = x / 2 + y / 2 * cb.width as usize;
                    let luma = f64::from(luma.samples[x + y * luma.width as usize]);
                    let [cb, cr] = [cb, cr].map(|plane| f64::from(plane.samples[half]) - 128.0);
                    [luma + 1.402 * cr, luma - 0.344_136 * cb - 0.714_136 * cr, luma + 1.772 * cb, 255.0]
                        .map(|sample| sample.round().clamp(0.0, 255.0) as u8)
                };
                let (width, height) = (luma.width as usize, luma.height as usize);
                (0..height).flat_map(|y| (0..width).flat_map(move |x| at(x, y))).collect()
            }
            Pixels::Planar(_) => panic!("no chroma"),
        }
    }

    /// Mean absolute difference of what is seen.
    fn difference(ours: &[u8], theirs: &[u8]) -> f64 {
        assert_eq!(ours.len(), theirs.len());
        let sum: u64 = ours
            .as_chunks::<4>()
            .0
            .iter()
            .zip(theirs.as_chunks::<4>().0)
            .map(|(a, b)| {
                // Decoders round blends their own ways.
                assert!(a[3].abs_diff(b[3]) <= 2, "alpha {} and {}", a[3], b[3]);
                if a[3] == 0 { 0 } else { (0..3).map(|c| u64::from(a[c].abs_diff(b[c]))).sum() }
            })
            .sum();
        sum as f64 / (ours.len() / 4 * 3) as f64
    }

    fn picture(width: u32, height: u32, alpha: bool) -> Picture {
        let model = if alpha { Model::Rgba } else { Model::Rgb };
        let pixels = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| {
                let wave =
                    |period: u32| (127.5 + 120.0 * (f64::from(x + 2 * y) / f64::from(period)).sin()) as u8;
                [wave(11), wave(17), wave(23), if x + y > width { wave(7) } else { 255 }]
            })
            .collect::<Vec<u8>>();
        let pixels =
            if alpha { pixels } else { pixels.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect() };
        Picture { width, height, model, pixels }
    }

    fn lossless(picture: &Picture) -> Vec<u8> {
        let colour = if picture.model == Model::Rgba {
            image::ExtendedColorType::Rgba8
        } else {
            image::ExtendedColorType::Rgb8
        };
        let mut bytes = Vec::new();
        WebPEncoder::new_lossless(&mut bytes)
            .encode(&picture.pixels, picture.width, picture.height, colour)
            .unwrap();
        bytes
    }

    #[test]
    fn lossy_pictures_are_those_of_another_decoder() {
        let odd = encode_yuv(
            Yuv { width: 3, height: 1, luma: vec![40, 120, 200], chroma: [vec![90, 160], vec![128, 100]] },
            90,
        )
        .unwrap();
        let mut files = vec![(sample("chelsea.webp"), 1.5), (odd, 12.0)];
        for (width, height) in [(1, 1), (2, 2), (17, 33), (16, 16), (255, 64), (64, 255)] {
            // Steep colours, and chroma that isn't interpolated here.
            files.push((encode(&picture(width, height, false), 80).unwrap(), 6.0));
        }
        for (file, tolerance) in files {
            let (pixels, warnings) = decoded(&file).unwrap();
            assert_eq!(warnings, []);
            let (width, height, theirs) = reference(&file);
            let Pixels::Planar(planar) = &pixels else { panic!("lossy pictures are planes") };
            assert_eq!(planar.size(), (width, height));
            let planes = planar.chroma.as_ref().unwrap();
            assert!(
                planes
                    .iter()
                    .all(|plane| (plane.width, plane.height) == Planar::chroma_size((width, height)))
            );
            let difference = difference(&rgba(&pixels), &theirs);
            assert!(difference < tolerance, "{width} × {height}: {difference}");
        }
    }

    #[test]
    fn lossy_pictures_with_alpha_are_those_of_another_decoder() {
        let mut files = vec![(sample("chelsea-alpha.webp"), 1.5)];
        for (width, height) in [(1, 1), (2, 2), (17, 33), (16, 16), (255, 64), (64, 255)] {
            files.push((encode(&picture(width, height, true), 80).unwrap(), 6.0));
        }
        for (file, tolerance) in files {
            let (pixels, warnings) = decoded(&file).unwrap();
            assert_eq!(warnings, []);
            let (width, height, theirs) = reference(&file);
            let alphas = |pixels: &[u8]| pixels.iter().skip(3).step_by(4).copied().collect::<Vec<_>>();
            assert!(alphas(&rgba(&pixels)) == alphas(&theirs));
            let difference = difference(&rgba(&pixels), &theirs);
            assert!(difference < tolerance, "{width} × {height}: {difference}");
        }
    }

    #[test]
    fn lossless_pictures_are_exact() {
        for alpha in [false, true] {
            for (width, height) in [(1, 1), (2, 2), (17, 33), (300, 7)] {
                let picture = picture(width, height, alpha);
                let (pixels, warnings) = decoded(&lossless(&picture)).unwrap();
                assert_eq!(warnings, []);
                let Pixels::Raster(raster) = pixels else { panic!("lossless pictures are rasters") };
                assert_eq!(raster.samples, Samples::Eight(picture.pixels));
            }
        }
    }

    #[test]
    fn only_what_keeps_the_picture_takes_memory_by_its_size() {
        let file = sample("chelsea.webp");
        let header = |head| {
            let Header { facts, .. } = parse(&file).unwrap();
            Header { facts: Facts { width: 4_000, height: 3_000, ..facts }, head }
        };
        let lossy = WebP {
            image: &[],
            lossless: false,
            alpha: false,
            framed: false,
            loops: 0,
            cut: false,
            xmp: None,
        };
        let mib = |webp| memory(&header(webp), (2_048, 1_536)) >> 20;
        assert_eq!(mib(lossy), 7);
        assert_eq!(mib(WebP { alpha: true, ..lossy }), 71);
        assert_eq!(mib(WebP { lossless: true, ..lossy }), 91);
        assert_eq!(mib(WebP { lossless: true, alpha: true, ..lossy }), 105);
        assert_eq!(mib(WebP { framed: true, ..lossy }), 162);
    }

    #[test]
    fn threads_change_nothing() {
        for file in
            [encode(&picture(700, 90, false), 70).unwrap(), encode(&picture(700, 90, true), 70).unwrap()]
        {
            let header = parse(&file).unwrap();
            let webp = header.head;
            let decode = |threads| {
                if webp.alpha {
                    transparent(webp.image, (700, 90), threads, (700, 90)).unwrap().0
                } else {
                    opaque(webp.image, (700, 90), threads, (700, 90)).unwrap().0
                }
            };
            assert!(decode(false) == decode(true));
        }
    }

    #[test]
    fn a_cut_file_shows_what_it_has() {
        let transparent = encode(&picture(90, 200, true), 80).unwrap();
        for file in [
            sample("chelsea.webp"),
            transparent,
            lossless(&picture(90, 200, false)),
            lossless(&picture(90, 200, true)),
        ] {
            let whole = rgba(&decoded(&file).unwrap().0);
            let mut most = 0;
            for length in (0..file.len()).step_by(file.len() / 40) {
                let Ok((pixels, warnings)) = decoded(&file[..length]) else { continue };
                if file.len() - length > 16 {
                    assert_eq!(warnings.len(), 1, "{length} of {}", file.len());
                }
                assert!(warnings.iter().all(|warning| warning.code == "truncated"));
                let some = rgba(&pixels);
                let same = some.iter().zip(&whole).take_while(|(a, b)| a == b).count();
                assert!(same >= most, "{length}: {same} after {most}");
                most = same;
                let rest = &some[same.next_multiple_of(4 * 90)..];
                let grey = rest
                    .chunks_exact(4)
                    .filter(|pixel| pixel[..3].iter().all(|s| s.abs_diff(128) < 2))
                    .count();
                assert!(grey + 16 * 2 * 460 >= rest.len() / 4);
            }
            assert!(most > whole.len() / 2, "{most} of {}", whole.len());
        }
    }

    #[test]
    fn a_header_that_lies_about_the_size_is_refused() {
        let file = sample("chelsea-alpha.webp");
        assert_eq!(&file[12..16], b"VP8X");
        for at in [24, 27] {
            let mut file = file.clone();
            file[at] ^= 1;
            assert_eq!(decoded(&file).unwrap_err().code(), "corrupt_image");
        }
        // An animation's frames too: the first must lie on the canvas.
        let mut file = sample("pan.webp");
        file[24] -= 1;
        assert_eq!(decoded(&file).unwrap_err().code(), "corrupt_image");
        let header = parse(&file).unwrap();
        assert!(animation(&file, &header).frames.next_frame().is_err());
    }

    #[test]
    fn lossless_data_never_reaches_the_lossy_hooks() {
        let file = lossless(&picture(20, 20, false));
        let mut sink = |_: &Band<'_>| panic!("called");
        assert!(lossy(&file[12..], (20, 20), false, &mut sink).is_err());
        assert!(lossy(&file, (20, 20), false, &mut sink).is_err());
        let behind_alpha = [&b"ALPH\x02\0\0\0\0\0"[..], &file[12..]].concat();
        assert!(lossy(&behind_alpha, (20, 20), false, &mut sink).is_err());
        assert!(lossy(&[], (20, 20), false, &mut sink).is_err());
    }

    #[test]
    fn a_panicking_sink_unwinds_past_the_decoder() {
        let file = encode(&picture(700, 90, false), 70).unwrap();
        for threads in [false, true] {
            let mut calls = 0;
            let mut sink = |_: &Band<'_>| {
                calls += 1;
                std::panic::resume_unwind(Box::new("stop"));
            };
            let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                lossy(&file[12..], (700, 90), threads, &mut sink)
            }));
            assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"stop"));
            assert_eq!(calls, 1);
        }
    }

    type Shown = Vec<(Vec<u8>, u32)>;

    fn frames(bytes: &[u8]) -> (Shown, Option<MediaError>) {
        let header = parse(bytes).unwrap();
        let mut animation = animation(bytes, &header);
        let mut frames = Shown::new();
        loop {
            match animation.frames.next_frame() {
                Ok(Some(frame)) => {
                    assert_eq!(frame.opaque, frame.pixels.chunks_exact(4).all(|pixel| pixel[3] == 255));
                    if let Some((before, _)) = frames.last() {
                        let Rect { x, y, width, height } = frame.changed;
                        for (at, (old, new)) in
                            before.chunks_exact(4).zip(frame.pixels.chunks_exact(4)).enumerate()
                        {
                            let at = u32::try_from(at).unwrap();
                            let (column, row) = (at % frame.size.0, at / frame.size.0);
                            let within = (x..x + width).contains(&column) && (y..y + height).contains(&row);
                            assert!(within || old == new);
                        }
                    }
                    frames.push((frame.pixels.to_vec(), frame.duration_ms));
                }
                Ok(None) => return (frames, None),
                Err(error) => return (frames, Some(error)),
            }
        }
    }

    fn reference_frames(bytes: &[u8]) -> Shown {
        let mut decoder = WebPDecoder::new(Cursor::new(bytes)).unwrap();
        // Without one, it disposes of nothing.
        decoder.set_background_color(image::Rgba([0; 4])).unwrap();
        let frames = decoder.into_frames().collect_frames().unwrap();
        let ms = |delay: image::Delay| delay.numer_denom_ms().0 / delay.numer_denom_ms().1;
        frames
            .into_iter()
            .map(|frame| (ms(frame.delay()), frame.into_buffer().into_raw()))
            .map(|(ms, p)| (p, ms))
            .collect()
    }

    /// An animation written by libwebp: a spot that moves over a picture, with its alpha if it has any.
    fn moving(count: u32, alpha: bool) -> Vec<u8> {
        let mut encoder = Encoder::new((61, 47), 80, 3).unwrap();
        for number in 0..count {
            let mut picture = picture(61, 47, alpha);
            let channels = picture.model.channels();
            for (at, pixel) in picture.pixels.chunks_exact_mut(channels).enumerate() {
                let (x, y) = (at as u32 % 61, at as u32 / 61);
                if x.abs_diff(5 * number) < 6 && y.abs_diff(4 * number) < 6 {
                    pixel.fill(if alpha { 40 * number as u8 } else { 200 });
                }
            }
            encoder.push(&picture, 30 + number).unwrap();
        }
        encoder.finish().unwrap()
    }

    /// The same frames written as chunks of our own: overlaid, blended or not, kept or disposed of.
    fn overlaid(count: usize) -> Vec<u8> {
        let chunk = |kind: &[u8; 4], payload: &[u8]| {
            let mut bytes = kind.to_vec();
            bytes.extend((payload.len() as u32).to_le_bytes());
            bytes.extend(payload);
            bytes.resize(bytes.len().next_multiple_of(2), 0);
            bytes
        };
        let mut body = chunk(b"VP8X", &[0x12, 0, 0, 0, 40, 0, 0, 30, 0, 0]);
        body.extend(chunk(b"ANIM", &[0, 0, 0, 0, 2, 0]));
        for (number, (x, y, width, height, flags)) in [
            (0, 0, 41, 31, 0),
            (4, 6, 20, 11, 0),
            (2, 2, 15, 15, 1),
            (20, 10, 21, 21, 2),
            (0, 0, 9, 9, 3),
            (30, 0, 5, 31, 0),
        ]
        .into_iter()
        .take(count)
        .enumerate()
        {
            // Not one behind a frame that is disposed of: there, the `image` crate takes the canvas for RGB.
            let alpha = number != 1;
            let still = lossless(&picture(width, height, alpha));
            let le24 = |value: u32| value.to_le_bytes()[..3].to_vec();
            let image = parse(&still).unwrap().head.image.to_vec();
            let payload = [
                le24(x / 2),
                le24(y / 2),
                le24(width - 1),
                le24(height - 1),
                le24(40 + number as u32),
                vec![flags],
                image,
            ]
            .concat();
            body.extend(chunk(b"ANMF", &payload));
        }
        let mut file = b"RIFF".to_vec();
        file.extend((body.len() as u32 + 4).to_le_bytes());
        file.extend(b"WEBP");
        file.extend(body);
        file
    }

    #[test]
    fn frames_are_those_of_another_decoder() {
        // Upsampled chroma differs a little from decoder to decoder, and so does the rounding of a blend.
        for (name, file, count, tolerance) in [
            ("pan", sample("pan.webp"), 18, 1.0),
            ("opaque", moving(5, false), 5, 1.0),
            ("alpha", moving(5, true), 5, 1.0),
            ("single", overlaid(1), 1, 1.2),
            ("overlaid", overlaid(6), 6, 1.2),
        ] {
            let (frames, error) = frames(&file);
            assert_eq!((frames.len(), error), (count, None), "{name}");
            if count > 1 {
                let reference = reference_frames(&file);
                for (number, (ours, theirs)) in frames.iter().zip(&reference).enumerate() {
                    assert_eq!(ours.1, theirs.1, "{name}");
                    let difference = difference(&ours.0, &theirs.0);
                    assert!(difference < tolerance, "{name}, frame {number}: {difference}");
                }
            }
            let (first, warnings) = decoded(&file).unwrap();
            assert_eq!(warnings, []);
            assert!(difference(&rgba(&first), &frames[0].0) < 6.0, "{name}");
        }
    }

    #[test]
    fn a_cut_animation_keeps_whole_frames() {
        let file = overlaid(6);
        let (whole, _) = frames(&file);
        for length in 50..file.len() {
            let (some, error) = frames(&file[..length]);
            assert!(error.is_some() && some.len() <= whole.len(), "{length}");
            assert!(some == whole[..some.len()], "{length}");
            if let Ok((first, warnings)) = decoded(&file[..length]) {
                assert_eq!(warnings.is_empty(), !some.is_empty(), "{length}");
                assert!(!warnings.is_empty() || difference(&rgba(&first), &whole[0].0) == 0.0);
            }
        }
    }

    #[test]
    fn loops_are_read() {
        for (file, loops) in [(moving(3, false), 3), (overlaid(6), 2)] {
            let header = parse(&file).unwrap();
            assert_eq!(animation(&file, &header).loops, loops);
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config {
            failure_persistence: None, ..proptest::test_runner::Config::with_cases(1_024)
        })]

        #[test]
        fn mutated_files_are_survived(
            seed in 0..5_usize,
            mutations in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0..=255_u8), 1..8),
        ) {
            static SEEDS: std::sync::OnceLock<[Vec<u8>; 5]> = std::sync::OnceLock::new();
            let seeds = SEEDS.get_or_init(|| [
                encode(&picture(40, 50, false), 80).unwrap(),
                encode(&picture(40, 50, true), 80).unwrap(),
                lossless(&picture(40, 50, true)),
                moving(3, true),
                overlaid(6),
            ]);
            let mut bytes = seeds[seed].clone();
            for (at, value) in mutations {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if parse(&bytes).is_ok_and(|header| header.facts.pixels() < 1 << 16) {
                let _ = decoded(&bytes);
                let _ = frames(&bytes);
            }
        }
    }
}
