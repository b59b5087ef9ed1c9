//! GIF: the first frame row by row, animations composed frame by frame (`GIF89a`).
//!
//! Rows are looked up in the palette as they leave the LZW decoder: of the frame at hand only one row is kept, of
//! an interlaced one its indices. Frames may be larger than the canvas, and a few bytes of LZW can be very many pixels:
//! what is decoded altogether is bounded by the limit on pixels.

use std::{borrow::Cow, num::NonZeroU64};

use gif::{ColorOutput, DecodeOptions, Decoder, DecodingError, DisposalMethod, MemoryLimit, Repeat};
use sluice_pixels::{
    planar::{Colour, Pixels},
    raster::Model,
    resample::Resampler,
};

use crate::{
    decode::{
        frames::{Animation, Canvas, Disposal, Frame, Frames, Rect, shown_ms},
        still::{Still, Want},
    },
    error::{MediaError, Warning},
    facts::Header,
    formats::gif::header::Gif,
    limits::Limits,
};

/// Peak bytes beside the input that [`decode`] takes, from the header alone.
pub(crate) fn memory(header: &Header<'_, Gif<'_>>, target: (u32, u32)) -> u64 {
    let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
    // The canvas and what a frame covered, an interlaced frame's indices; a resize's window of rows.
    let canvas = if header.facts.animated { 9 } else { 1 } * header.facts.pixels();
    canvas + 64 * 4 * u64::from(header.facts.width) + (1 << 20) + 4 * area(target)
}

/// Decodes the first frame.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    header: &Header<'a, Gif<'a>>,
    want: &Want<'_>,
) -> Result<Still<'a>, MediaError> {
    let mut reader = Reader::new(bytes, want.limits)?;
    let colour = reader.icc().map_or(Colour::Srgb, Colour::Icc);
    let size = header.facts.size();
    let Some(frame) = reader.next()? else {
        return Err(MediaError::corrupt("the file has no frame"));
    };
    let visible = frame.rect.clip(size);
    let everywhere = visible == Rect { x: 0, y: 0, width: size.0, height: size.1 };
    let model = if everywhere && frame.transparent.is_none() { Model::Rgb } else { Model::Rgba };
    let mut still = StillRows {
        resampler: Resampler::new(size, want.target, model),
        row: vec![0; size.0 as usize * model.channels()],
        rows: 0,
    };
    let palette = frame.palette;
    let mut seen = false;
    let end = {
        // Rows above the frame.
        (0..visible.y).for_each(|_| still.push());
        reader.rows(frame.rect, frame.interlaced, visible, |_, indices| {
            seen = true;
            still.push_indices(visible, model, &palette, indices);
        })
    };
    if !seen && !visible.is_empty() {
        return Err(MediaError::corrupt("no row of the image could be decoded"));
    }
    // Rows below it, and those that are missing.
    still.row.fill(0);
    if end != Rows::Complete && model == Model::Rgb {
        still.row.fill(128);
    }
    while still.rows < size.1 {
        still.push();
    }
    let warnings = match end {
        Rows::Complete => Vec::new(),
        Rows::CutShort => {
            vec![Warning::new("truncated", "the file ends before the image does, the rest is missing")]
        }
        Rows::Damaged => vec![Warning::new("corrupt_data", "the image data is damaged, the rest is missing")],
    };
    Ok(Still { pixels: Pixels::Raster(still.resampler.finish()?), colour, orientation: None, warnings })
}

/// Rows of a still on their way into a resize.
struct StillRows {
    resampler: Resampler<u8>,
    row: Vec<u8>,
    rows: u32,
}

impl StillRows {
    fn push(&mut self) {
        self.resampler.push(&self.row);
        self.rows += 1;
    }

    fn push_indices(&mut self, visible: Rect, model: Model, palette: &Palette, indices: &[u8]) {
        let channels = model.channels();
        let row = self.row.get_mut(visible.x as usize * channels..).unwrap_or_default();
        if model == Model::Rgb {
            for (pixel, &index) in row.as_chunks_mut::<3>().0.iter_mut().zip(indices) {
                let [r, g, b, _] = palette[usize::from(index)].to_ne_bytes();
                *pixel = [r, g, b];
            }
        } else {
            for (pixel, &index) in row.as_chunks_mut::<4>().0.iter_mut().zip(indices) {
                *pixel = palette[usize::from(index)].to_ne_bytes();
            }
        }
        self.push();
    }
}

/// Colours as the bytes R, G, B, A; 0 where an index is transparent or has no colour.
type Palette = [u32; 256];

/// How far the rows of a frame came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    Complete,
    /// To the end of the file.
    CutShort,
    /// To where the data makes no sense, or ends before the frame does.
    Damaged,
}

/// What stands before a frame's rows.
struct Head {
    rect: Rect,
    interlaced: bool,
    transparent: Option<u8>,
    palette: Palette,
    disposal: Disposal,
    duration_ms: u32,
}

struct Reader<'a> {
    decoder: Decoder<&'a [u8]>,
    /// Pixels that may still be decoded.
    budget: u64,
    /// One row of indices, or a whole interlaced frame's.
    indices: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], limits: &Limits) -> Result<Self, MediaError> {
        let mut options = DecodeOptions::new();
        options.set_color_output(ColorOutput::Indexed);
        // Only metadata goes into the decoder's own buffers, and that isn't compressed.
        options.set_memory_limit(MemoryLimit::Bytes(
            NonZeroU64::new(bytes.len() as u64).unwrap_or(NonZeroU64::MIN),
        ));
        let decoder = options.read_info(bytes).map_err(MediaError::corrupt)?;
        Ok(Self { decoder, budget: limits.max_pixels, indices: Vec::new() })
    }

    fn icc<'i>(&self) -> Option<Cow<'i, [u8]>> {
        self.decoder.icc_profile().map(|profile| Cow::Owned(profile.to_vec()))
    }

    fn next(&mut self) -> Result<Option<Head>, MediaError> {
        if self.decoder.next_frame_info().map_err(MediaError::corrupt)?.is_none() {
            return Ok(None);
        }
        let colours = self.decoder.palette().map_err(MediaError::corrupt)?;
        let mut palette = [0; 256];
        for (entry, &[r, g, b]) in palette.iter_mut().zip(colours.as_chunks::<3>().0) {
            *entry = u32::from_ne_bytes([r, g, b, u8::MAX]);
        }
        let Some(frame) = self.decoder.current_frame_info() else { return Ok(None) };
        if let Some(index) = frame.transparent {
            palette[usize::from(index)] = 0;
        }
        Ok(Some(Head {
            rect: Rect {
                x: frame.left.into(),
                y: frame.top.into(),
                width: frame.width.into(),
                height: frame.height.into(),
            },
            interlaced: frame.interlaced,
            transparent: frame.transparent,
            palette,
            disposal: match frame.dispose {
                DisposalMethod::Any | DisposalMethod::Keep => Disposal::Keep,
                DisposalMethod::Background => Disposal::Background,
                DisposalMethod::Previous => Disposal::Previous,
            },
            duration_ms: shown_ms(10 * u32::from(frame.delay)),
        }))
    }

    /// Decodes the frame's rows and gives those within `visible`, cut to it, from top to bottom, each with its
    /// place on the canvas.
    fn rows(
        &mut self,
        rect: Rect,
        interlaced: bool,
        visible: Rect,
        mut give: impl FnMut(u32, &[u8]),
    ) -> Rows {
        let (width, seen) = (rect.width as usize, visible.width as usize);
        if width == 0 || visible.is_empty() {
            return Rows::Complete;
        }
        self.indices.clear();
        if !interlaced {
            self.indices.resize(width, 0);
            for y in visible.y..visible.y + visible.height {
                let end = Self::fill(&mut self.decoder, &mut self.budget, &mut self.indices);
                if end != Rows::Complete {
                    return end;
                }
                give(y, &self.indices[..seen]);
            }
            return Rows::Complete;
        }
        // The eight rows apart first, those between them later: the visible ones are kept, each cut to what is
        // seen of it.
        self.indices.resize(seen * visible.height as usize, 0);
        let mut row = vec![0; width];
        let mut end = Rows::Complete;
        let mut have = vec![false; visible.height as usize];
        'passes: for (first, step) in [(0, 8), (4, 8), (2, 4), (1, 2)] {
            for y in (first..rect.height).step_by(step) {
                end = Self::fill(&mut self.decoder, &mut self.budget, &mut row);
                if end != Rows::Complete {
                    break 'passes;
                }
                if let Some(kept) = self.indices.chunks_exact_mut(seen).nth(y as usize) {
                    kept.copy_from_slice(&row[..seen]);
                    have[y as usize] = true;
                }
            }
        }
        // A row that is missing repeats the nearest above it, which of an earlier pass is always there.
        let mut above = None;
        for ((y, indices), have) in (visible.y..).zip(self.indices.chunks_exact(seen)).zip(have) {
            if have {
                above = Some(indices);
            }
            if let Some(indices) = above {
                give(y, indices);
            }
        }
        end
    }

    fn fill(decoder: &mut Decoder<&[u8]>, budget: &mut u64, row: &mut [u8]) -> Rows {
        let Some(left) = budget.checked_sub(row.len() as u64) else { return Rows::Damaged };
        *budget = left;
        match decoder.fill_buffer(row) {
            Ok(true) => Rows::Complete,
            Err(DecodingError::UnexpectedEof) => Rows::CutShort,
            Ok(false) | Err(_) => Rows::Damaged,
        }
    }
}

/// Starts decoding an animation.
pub(crate) fn animation<'a>(
    bytes: &'a [u8],
    header: &Header<'a, Gif<'a>>,
    limits: &Limits,
) -> Result<Animation<'a>, MediaError> {
    let reader = Reader::new(bytes, limits)?;
    let loops = match reader.decoder.repeat() {
        Repeat::Infinite => 0,
        // The first showing isn't counted.
        Repeat::Finite(times) => u32::from(times) + 1,
    };
    let icc = reader.icc();
    let canvas = Canvas::new(header.facts.size());
    Ok(Animation { frames: Box::new(Composed { reader, canvas, ended: false }), icc, loops })
}

struct Composed<'a> {
    reader: Reader<'a>,
    canvas: Canvas,
    ended: bool,
}

impl Frames for Composed<'_> {
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, MediaError> {
        if self.ended {
            return Ok(None);
        }
        self.ended = true;
        let Some(frame) = self.reader.next()? else { return Ok(None) };
        self.canvas.begin(frame.rect, frame.disposal);
        let visible = self.canvas.drawn();
        let canvas = &mut self.canvas;
        let end = self.reader.rows(frame.rect, frame.interlaced, visible, |y, indices| {
            canvas.draw_row(y, |row| draw(row, &frame.palette, indices));
        });
        if end != Rows::Complete {
            return Err(MediaError::corrupt("a frame is cut short or damaged"));
        }
        self.ended = false;
        Ok(Some(self.canvas.show(frame.duration_ms)))
    }
}

/// Draws the colours of a row, and tells whether that changed anything.
fn draw(row: &mut [u32], palette: &Palette, indices: &[u8]) -> bool {
    let mut changes = 0;
    for (pixel, &index) in row.iter_mut().zip(indices) {
        let colour = palette[usize::from(index)];
        // Transparent: what is there stays.
        let colour = if colour == 0 { *pixel } else { colour };
        changes |= colour ^ *pixel;
        *pixel = colour;
    }
    changes != 0
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small numbers of tests")]
mod tests {
    use std::io::Cursor;

    use gif::{Encoder, Frame as Encoded};
    use image::{AnimationDecoder, Delay, codecs::gif::GifDecoder};
    use sluice_pixels::raster::{Raster, Samples};

    use super::*;
    use crate::formats::gif::header::parse;

    const LIMITS: Limits = Limits::for_memory(1 << 30);

    fn sample(name: &str) -> Vec<u8> {
        std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
    }

    /// Every frame as RGBA with its duration, and what ended them.
    fn frames(bytes: &[u8], limits: &Limits) -> (Vec<(Vec<u8>, u32)>, Option<MediaError>) {
        let header = parse(bytes).unwrap();
        let mut frames = Vec::new();
        let mut animation = match animation(bytes, &header, limits) {
            Ok(animation) => animation,
            Err(error) => return (frames, Some(error)),
        };
        loop {
            match animation.frames.next_frame() {
                Ok(Some(frame)) => {
                    let opaque = frame.pixels.chunks_exact(4).all(|pixel| pixel[3] == 255);
                    assert_eq!(frame.opaque, opaque);
                    assert_unchanged(frames.last().map(|(pixels, _): &(Vec<u8>, u32)| pixels), &frame);
                    frames.push((frame.pixels.to_vec(), frame.duration_ms));
                }
                Ok(None) => return (frames, None),
                Err(error) => return (frames, Some(error)),
            }
        }
    }

    /// Outside of what is told as changed, nothing is.
    fn assert_unchanged(before: Option<&Vec<u8>>, frame: &Frame<'_>) {
        let changed = frame.changed;
        assert_eq!(changed.clip(frame.size), changed);
        let Some(before) = before else {
            assert_eq!((changed.width, changed.height), frame.size);
            return;
        };
        for (at, (old, new)) in before.chunks_exact(4).zip(frame.pixels.chunks_exact(4)).enumerate() {
            let at = u32::try_from(at).unwrap();
            let (x, y) = (at % frame.size.0, at / frame.size.0);
            let within = (changed.x..changed.x + changed.width).contains(&x)
                && (changed.y..changed.y + changed.height).contains(&y);
            assert!(within || old == new, "{x}, {y}");
        }
    }

    /// The same by the `image` crate.
    fn reference(bytes: &[u8]) -> Vec<(Vec<u8>, u32)> {
        let decoder = GifDecoder::new(Cursor::new(bytes)).unwrap();
        let frames = decoder.into_frames().collect_frames().unwrap();
        let ms = |delay: Delay| delay.numer_denom_ms().0 / delay.numer_denom_ms().1;
        frames
            .into_iter()
            .map(|frame| (ms(frame.delay()), frame.into_buffer().into_raw()))
            .map(|(ms, p)| (p, ms))
            .collect()
    }

    fn still(bytes: &[u8]) -> Result<Still<'_>, MediaError> {
        let header = parse(bytes)?;
        let target = header.facts.size();
        decode(bytes, &header, &Want::new(target, &LIMITS))
    }

    fn raster(still: &Still<'_>) -> (Model, Vec<u8>) {
        match &still.pixels {
            Pixels::Raster(Raster { model, samples: Samples::Eight(samples), .. }) => {
                (*model, samples.clone())
            }
            _ => panic!("a raster of 8 bits"),
        }
    }

    fn rgba(still: &Still<'_>) -> Vec<u8> {
        match raster(still) {
            (Model::Rgb, samples) => samples.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect(),
            (_, samples) => samples,
        }
    }

    const PALETTE: [u8; 12] = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];

    struct Part {
        rect: (u16, u16, u16, u16),
        disposal: DisposalMethod,
        transparent: Option<u8>,
        interlaced: bool,
        local: bool,
    }

    fn made(size: (u16, u16), parts: &[Part]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, size.0, size.1, &PALETTE).unwrap();
        for (number, part) in parts.iter().enumerate() {
            let (left, top, width, height) = part.rect;
            let order: Vec<u16> = if part.interlaced {
                [(0, 8), (4, 8), (2, 4), (1, 2)]
                    .iter()
                    .flat_map(|&(first, step)| (first..height).step_by(step))
                    .collect()
            } else {
                (0..height).collect()
            };
            let buffer: Vec<u8> = order
                .iter()
                .flat_map(|&y| (0..width).map(move |x| ((usize::from(x / 2 + 3 * y) + number) % 4) as u8))
                .collect();
            encoder
                .write_frame(&Encoded {
                    delay: 7 + u16::try_from(number).unwrap(),
                    dispose: part.disposal,
                    transparent: part.transparent,
                    top,
                    left,
                    width,
                    height,
                    interlaced: part.interlaced,
                    palette: part.local.then(|| PALETTE.iter().rev().map(|sample| sample / 2).collect()),
                    buffer: buffer.into(),
                    ..Encoded::default()
                })
                .unwrap();
        }
        drop(encoder);
        bytes
    }

    const fn part(rect: (u16, u16, u16, u16)) -> Part {
        Part { rect, disposal: DisposalMethod::Keep, transparent: None, interlaced: false, local: false }
    }

    fn awkward() -> Vec<u8> {
        use DisposalMethod::{Background, Previous};
        let whole = (0, 0, 19, 23);
        made(
            (19, 23),
            &[
                part(whole),
                Part { transparent: Some(2), disposal: Previous, ..part((3, 4, 9, 11)) },
                Part { interlaced: true, transparent: Some(0), ..part((0, 0, 19, 17)) },
                Part { disposal: Background, local: true, ..part((1, 2, 5, 30)) },
                Part { disposal: Previous, interlaced: true, ..part((10, 10, 30, 30)) },
                Part { disposal: Background, ..part((17, 0, 1, 1)) },
                part((18, 22, 1, 1)),
                Part { transparent: Some(3), ..part(whole) },
            ],
        )
    }

    #[test]
    fn frames_are_those_of_another_decoder() {
        for bytes in [sample("pan.gif"), awkward()] {
            let (frames, error) = frames(&bytes, &LIMITS);
            assert_eq!(error, None);
            let reference = reference(&bytes);
            assert_eq!(frames.len(), reference.len());
            for (number, (ours, theirs)) in frames.iter().zip(&reference).enumerate() {
                assert_eq!(ours.1, theirs.1, "{number}");
                // Where nothing is seen, colours don't matter.
                let seen = |pixels: &[u8]| -> Vec<[u8; 4]> {
                    pixels.as_chunks::<4>().0.iter().map(|&p| if p[3] == 0 { [0; 4] } else { p }).collect()
                };
                assert!(seen(&ours.0) == seen(&theirs.0), "frame {number}");
            }
            let still = still(&bytes).unwrap();
            assert_eq!(still.warnings, []);
            assert!(rgba(&still) == frames[0].0);
        }
    }

    #[test]
    fn stills_of_every_shape_are_their_first_frame() {
        for interlaced in [false, true] {
            for (size, rect) in [
                ((1, 1), (0, 0, 1, 1)),
                ((5, 9), (0, 0, 5, 9)),
                ((5, 9), (2, 3, 2, 2)),
                ((5, 9), (4, 8, 7, 7)),
                ((5, 9), (0, 0, 70, 90)),
                ((5, 9), (5, 9, 3, 3)),
            ] {
                for transparent in [None, Some(1)] {
                    let bytes = made(size, &[Part { transparent, interlaced, ..part(rect) }]);
                    let still = still(&bytes).unwrap();
                    let theirs = reference(&bytes).swap_remove(0).0;
                    assert_eq!(rgba(&still), theirs, "{size:?} {rect:?} {interlaced} {transparent:?}");
                    let covered = rect.0 == 0 && rect.2 >= size.0;
                    assert_eq!(raster(&still).0 == Model::Rgb, covered && transparent.is_none());
                }
            }
        }
    }

    #[test]
    fn a_cut_file_shows_what_it_has() {
        let file = sample("pan.gif");
        let (whole, _) = frames(&file, &LIMITS);
        for length in (0..file.len()).step_by(file.len() / 40) {
            let Ok(header) = parse(&file[..length]) else { continue };
            assert_eq!(header.facts.size(), (240, 240));
            let (some, error) = frames(&file[..length], &LIMITS);
            // Without its last byte, the file lacks no frame.
            assert!(error.is_some() && (some.len() < whole.len() || file.len() - length < 40));
            assert!(some == whole[..some.len()]);
            if length > 0 {
                let first = still(&file[..length]).unwrap();
                assert_eq!(first.warnings.is_empty(), !some.is_empty());
                assert!(first.warnings.iter().all(|warning| warning.code == "truncated"));
            }
        }
    }

    #[test]
    fn interlaced_rows_that_are_missing_repeat_those_above() {
        let bytes = made((8, 32), &[Part { interlaced: true, ..part((0, 0, 8, 32)) }]);
        let whole = rgba(&still(&bytes).unwrap());
        // The end of the data: the last pass is hit.
        let cut = still(&bytes[..bytes.len() - 12]).unwrap();
        assert_eq!(cut.warnings[0].code, "truncated");
        let rows = |pixels: &[u8]| pixels.chunks_exact(32).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let (whole, cut) = (rows(&whole), rows(&rgba(&cut)));
        for y in 0..32 {
            assert!(cut[y] == whole[y] || (y % 2 == 1 && cut[y] == whole[y - 1]), "{y}");
        }
        assert!(cut != whole);
    }

    #[test]
    fn what_is_decoded_is_bounded_whatever_a_frame_claims() {
        let bytes = made((4, 4), &[part((0, 0, 100, 4)), part((0, 0, 100, 4))]);
        assert_eq!(frames(&bytes, &Limits { max_pixels: 800, ..LIMITS }).0.len(), 2);
        let (shown, error) = frames(&bytes, &Limits { max_pixels: 799, ..LIMITS });
        assert_eq!((shown.len(), error.is_some()), (1, true));
    }

    #[test]
    fn loops_are_counted_as_webp_does() {
        let file = |repeat: Option<Repeat>| {
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes, 1, 1, &PALETTE).unwrap();
            if let Some(repeat) = repeat {
                encoder.set_repeat(repeat).unwrap();
            }
            encoder.write_frame(&Encoded::from_indexed_pixels(1, 1, vec![0], None)).unwrap();
            drop(encoder);
            bytes
        };
        for (repeat, loops) in [
            (None, 1),
            (Some(Repeat::Infinite), 0),
            (Some(Repeat::Finite(1)), 2),
            (Some(Repeat::Finite(9)), 10),
        ] {
            let bytes = file(repeat);
            let header = parse(&bytes).unwrap();
            assert_eq!(animation(&bytes, &header, &LIMITS).unwrap().loops, loops, "{repeat:?}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config {
            failure_persistence: None, ..proptest::test_runner::Config::with_cases(512)
        })]

        #[test]
        fn mutated_files_are_survived(
            mutations in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0..=255_u8), 1..8),
        ) {
            let mut bytes = awkward();
            for (at, value) in mutations {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let small = |header: &Header<'_, Gif<'_>>| header.facts.pixels() < 1 << 16;
            if parse(&bytes).is_ok_and(|header| small(&header)) {
                let _ = still(&bytes);
                let _ = frames(&bytes, &Limits { max_pixels: 1 << 20, ..LIMITS });
            }
        }
    }
}
