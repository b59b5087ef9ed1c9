//! GIF: the first frame row by row, animations composed frame by frame (`GIF89a`).
//!
//! Rows are looked up in the palette as they leave the LZW decoder: of the frame at hand only one row is kept, of
//! an interlaced one its indices. Frames may be larger than the canvas, and a few bytes of LZW can be very many pixels:
//! what is decoded altogether is bounded by the limit on pixels.

use std::borrow::Cow;

use sluice_pixels::{
    planar::{Colour, Pixels},
    raster::Model,
    resample::Resampler,
};

use crate::{
    decode::{
        frames::{Animation, Canvas, Frame, Frames, Rect, shown_ms},
        lzw::{Lzw, Stop},
        still::{Still, Want},
    },
    error::{MediaError, Warning},
    facts::Header,
    formats::gif::header::{Blocks, End, FrameHead, Gif},
    limits::Limits,
};

/// Peak bytes beside the input that [`decode`] takes, from the header alone.
pub(crate) fn memory(header: &Header<'_, Gif<'_>>, target: (u32, u32)) -> u64 {
    let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
    // The canvas and what a frame covered, an interlaced frame's indices; a resize's window of rows.
    let canvas = if header.facts.animated { 9 } else { 1 } * header.facts.pixels();
    let frame = header.head.longest as u64 + Lzw::MEMORY;
    canvas + frame + 64 * 4 * u64::from(header.facts.width) + (1 << 20) + 4 * area(target)
}

/// Decodes the first frame.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    header: &Header<'a, Gif<'a>>,
    want: &Want<'_>,
) -> Result<Still<'a>, MediaError> {
    let mut reader = Reader::new(bytes, &header.head, want.limits);
    let colour = icc(&header.head).map_or(Colour::Srgb, Colour::Icc);
    let size = header.facts.size();
    let Some(frame) = reader.blocks.next_frame() else {
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
    let palette = reader.palette(&frame);
    let mut seen = false;
    let end = {
        // Rows above the frame.
        (0..visible.y).for_each(|_| still.push());
        reader.rows(&frame, visible, |_, indices| {
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
        Rows::Damaged | Rows::TooMany => {
            vec![Warning::new("corrupt_data", "the image data is damaged, the rest is missing")]
        }
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
    /// To the limit on pixels.
    TooMany,
}

struct Reader<'a> {
    blocks: Blocks<'a>,
    palette: &'a [u8],
    /// Pixels that may still be decoded.
    budget: u64,
    /// The data of the frame at hand, in one piece.
    data: Vec<u8>,
    /// One row of indices, or a whole interlaced frame's.
    indices: Vec<u8>,
}

/// The profile, in one piece.
fn icc<'i>(gif: &Gif<'_>) -> Option<Cow<'i, [u8]>> {
    // The first piece is its name.
    let profile: Vec<u8> = gif.icc?.pieces().skip(1).flatten().copied().collect();
    (!profile.is_empty()).then_some(Cow::Owned(profile))
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], gif: &Gif<'a>, limits: &Limits) -> Self {
        Self {
            blocks: Blocks::new(bytes, gif.first),
            palette: gif.palette,
            budget: limits.max_pixels,
            data: Vec::new(),
            indices: Vec::new(),
        }
    }

    /// The colours of a frame: its own, those of the file, or shades of grey where there are none, as other readers
    /// have it.
    fn palette(&self, frame: &FrameHead<'_>) -> Palette {
        let colours = frame.palette.unwrap_or(self.palette);
        let mut palette = [0; 256];
        if colours.is_empty() {
            for (entry, grey) in palette.iter_mut().zip(0..=u8::MAX) {
                *entry = u32::from_ne_bytes([grey, grey, grey, u8::MAX]);
            }
        }
        for (entry, &[r, g, b]) in palette.iter_mut().zip(colours.as_chunks::<3>().0) {
            *entry = u32::from_ne_bytes([r, g, b, u8::MAX]);
        }
        if let Some(index) = frame.transparent {
            palette[usize::from(index)] = 0;
        }
        palette
    }

    /// Decodes the frame's rows and gives those within `visible`, cut to it, from top to bottom, each with its
    /// place on the canvas.
    fn rows(&mut self, frame: &FrameHead<'_>, visible: Rect, mut give: impl FnMut(u32, &[u8])) -> Rows {
        let rect = frame.rect;
        let (width, seen) = (rect.width as usize, visible.width as usize);
        if width == 0 || visible.is_empty() {
            return Rows::Complete;
        }
        // GIF89a allows 2 to 8; browsers take more, as long as codes have no more than 12.
        if !(1..=11).contains(&frame.bits) {
            return Rows::Damaged;
        }
        self.data.clear();
        self.data.extend(frame.data.pieces().flatten());
        let mut lines = Lines {
            lzw: Lzw::gif(frame.bits.into()),
            data: &self.data,
            whole: frame.data.whole,
            budget: &mut self.budget,
        };
        self.indices.clear();
        if !frame.interlaced {
            self.indices.resize(width, 0);
            for y in visible.y..visible.y + visible.height {
                let end = lines.fill(&mut self.indices);
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
                end = lines.fill(&mut row);
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
}

/// The rows of a frame as they are stored.
struct Lines<'a> {
    lzw: Lzw,
    data: &'a [u8],
    /// The data isn't cut off by the file's end.
    whole: bool,
    /// Pixels that may still be decoded.
    budget: &'a mut u64,
}

impl Lines<'_> {
    fn fill(&mut self, row: &mut [u8]) -> Rows {
        let Some(left) = self.budget.checked_sub(row.len() as u64) else { return Rows::TooMany };
        *self.budget = left;
        match self.lzw.read(self.data, row) {
            Ok(()) => Rows::Complete,
            Err(Stop::Short) if !self.whole => Rows::CutShort,
            Err(Stop::Short | Stop::Undefined) => Rows::Damaged,
        }
    }
}

/// Starts decoding an animation.
pub(crate) fn animation<'a>(bytes: &'a [u8], header: &Header<'a, Gif<'a>>, limits: &Limits) -> Animation<'a> {
    let gif = &header.head;
    let reader = Reader::new(bytes, gif, limits);
    let canvas = Canvas::new(header.facts.size());
    let frames = Composed { reader, canvas, shown: 0, damaged: 0, ended: false };
    Animation { frames: Box::new(frames), icc: icc(gif), loops: gif.loops }
}

/// Frames as browsers show them: one whose data makes no sense, or too little of it, shows what there is, and the next
/// one follows.
struct Composed<'a> {
    reader: Reader<'a>,
    canvas: Canvas,
    shown: u32,
    damaged: u32,
    ended: bool,
}

impl Composed<'_> {
    /// What there is to say behind the last frame.
    fn end(&self) -> Result<(), MediaError> {
        if self.damaged > 0 {
            return Err(MediaError::corrupt(format!("{} frames lack rows", self.damaged)));
        }
        match self.reader.blocks.end() {
            End::Trailer => Ok(()),
            End::CutShort => Err(MediaError::corrupt("the file ends without its trailer")),
            End::Unknown => Err(MediaError::corrupt("behind a frame there is something that is no block")),
        }
    }
}

impl Frames for Composed<'_> {
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, MediaError> {
        if self.ended {
            return Ok(None);
        }
        self.ended = true;
        let Some(frame) = self.reader.blocks.next_frame() else { return self.end().map(|()| None) };
        self.canvas.begin(frame.rect, frame.disposal);
        let visible = self.canvas.drawn();
        let canvas = &mut self.canvas;
        let palette = self.reader.palette(&frame);
        let end = self.reader.rows(&frame, visible, |y, indices| {
            canvas.draw_row(y, |row| draw(row, &palette, indices));
        });
        match end {
            Rows::Complete => {}
            // Of a first frame the beginning is better than nothing.
            Rows::CutShort if self.shown > 0 => return Err(MediaError::corrupt("a frame is cut short")),
            Rows::TooMany => {
                return Err(MediaError::corrupt("the frames have more pixels than may be decoded"));
            }
            Rows::CutShort | Rows::Damaged => self.damaged += 1,
        }
        self.ended = false;
        self.shown += 1;
        Ok(Some(self.canvas.show(shown_ms(10 * u32::from(frame.delay)))))
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

    use gif::{DisposalMethod, Encoder, Frame as Encoded, Repeat};
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
        let mut animation = animation(bytes, &header, limits);
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
                ((0, 0), (0, 0, 9, 6)),
                ((0, 0), (3, 2, 9, 6)),
                ((5, 9), (0, 0, 5, 9)),
                ((5, 9), (2, 3, 2, 2)),
                ((5, 9), (4, 8, 7, 7)),
                ((5, 9), (0, 0, 70, 90)),
                ((5, 9), (5, 9, 3, 3)),
            ] {
                for transparent in [None, Some(1)] {
                    let parts = [Part { transparent, interlaced, ..part(rect) }];
                    let bytes = made(size, &parts);
                    let still = still(&bytes).unwrap();
                    // A screen that is too small grows.
                    let grown = (size.0.max(rect.0 + rect.2), size.1.max(rect.1 + rect.3));
                    let theirs = reference(&made(grown, &parts)).swap_remove(0).0;
                    assert_eq!(rgba(&still), theirs, "{size:?} {rect:?} {interlaced} {transparent:?}");
                    let covered = (rect.0, rect.1, rect.2, rect.3) == (0, 0, grown.0, grown.1);
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
            let Ok(first) = still(&file[..length]) else { continue };
            assert!(first.warnings.iter().all(|warning| warning.code == "truncated"));
            if first.warnings.is_empty() {
                assert!(some == whole[..some.len()]);
            } else {
                // The rows of the first frame that there are.
                let same = some[0].0.iter().zip(&whole[0].0).take_while(|(a, b)| a == b).count();
                assert!(some.len() == 1 && some[0].0[same..].iter().all(|sample| *sample == 0));
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

    /// A frame by hand: descriptor, then data in which each of `codes` has 3 bits.
    fn by_hand((x, y, width, height): (u8, u8, u8, u8), flags: u8, codes: &[u8]) -> Vec<u8> {
        let mut packed = vec![0; codes.len() * 3 / 8 + 1];
        for (at, code) in codes.iter().enumerate() {
            for bit in 0..3 {
                packed[(3 * at + bit) / 8] |= (code >> bit & 1) << ((3 * at + bit) % 8);
            }
        }
        let mut frame = vec![0x2C, x, 0, y, 0, width, 0, height, 0, flags, 2];
        frame.push(packed.len() as u8);
        frame.extend(packed);
        frame.push(0);
        frame
    }

    const HEAD: &[u8] = b"GIF89a\x02\0\x02\0\x80\0\0\x0A\x14\x1E\xC8\xD2\xDC";
    /// Two rows of two pixels; strings would need codes that aren't used.
    const CODES: [u8; 9] = [4, 0, 1, 4, 1, 0, 5, 0, 0];

    #[test]
    fn extensions_that_nobody_knows_are_passed_over() {
        let extension = b"\x21\x2A\x05Hello\x05World\0";
        // A zero too many, too.
        let file = [HEAD, extension, &by_hand((0, 0, 2, 2), 0, &CODES), &[0], extension, b"\x3B"].concat();
        let still = still(&file).unwrap();
        let expected = [[10, 20, 30], [200, 210, 220], [200, 210, 220], [10, 20, 30]].concat();
        assert_eq!((raster(&still), still.warnings), ((Model::Rgb, expected), vec![]));
        assert_eq!(frames(&file, &LIMITS).1, None);
    }

    #[test]
    fn without_a_palette_an_index_is_a_shade() {
        let file =
            [b"GIF89a\x02\0\x02\0\0\0\0".as_slice(), &by_hand((0, 0, 2, 2), 0, &CODES), b"\x3B"].concat();
        let still = still(&file).unwrap();
        let expected = [[0; 3], [1; 3], [1; 3], [0; 3]].concat();
        assert_eq!((raster(&still), still.warnings), ((Model::Rgb, expected), vec![]));
    }

    #[test]
    fn a_frame_that_ends_early_is_shown_and_the_next_one_follows() {
        let short = [4, 0, 1, 5];
        let file =
            [HEAD, &by_hand((0, 0, 2, 2), 0, &short), &by_hand((0, 0, 2, 2), 0, &CODES), b"\x3B"].concat();
        let (shown, error) = frames(&file, &LIMITS);
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0].0[..8], [10, 20, 30, 255, 200, 210, 220, 255]);
        assert_eq!(shown[1].0[8..], [200, 210, 220, 255, 10, 20, 30, 255]);
        assert!(error.unwrap().to_string().contains("1 frames lack rows"));
        assert_eq!(still(&file).unwrap().warnings[0].code, "corrupt_data");
    }

    #[test]
    fn disposal_4_is_what_3_is() {
        for (method, back) in [(0, false), (1, false), (3, true), (4, true), (5, false), (7, false)] {
            let control = [0x21, 0xF9, 4, method << 2, 5, 0, 0, 0];
            let whole = by_hand((0, 0, 2, 2), 0, &CODES);
            let pixel = |x| by_hand((x, 0, 1, 1), 0, &[4, 1 - x, 5]);
            let file = [HEAD, &whole, &control, &pixel(0), &pixel(1), b"\x3B"].concat();
            let (shown, error) = frames(&file, &LIMITS);
            assert_eq!((shown.len(), error), (3, None));
            assert_eq!(shown[1].0[..4], [200, 210, 220, 255]);
            let expected = if back { 10 } else { 200 };
            assert_eq!((shown[2].0[0], shown[2].0[4]), (expected, 10), "{method}");
        }
    }

    #[test]
    fn rows_that_one_string_spans_are_all_there() {
        // Strings of one colour get longer and longer, and one of them may reach over many short rows.
        let sizes: [(u16, u16, u32); 5] =
            [(1, 4_000, 1), (2, 3_000, 1), (7, 900, 4), (496, 316, 1), (3, 5_000, 2)];
        for (width, height, colours) in sizes {
            let (across, pixels) = (u32::from(width), u32::from(width) * u32::from(height));
            let pixels: Vec<u8> = (0..pixels).map(|at| (at / (across * 50) % colours) as u8).collect();
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes, width, height, &PALETTE).unwrap();
            for _ in 0..2 {
                let frame = Encoded::from_indexed_pixels(width, height, pixels.clone(), None);
                encoder.write_frame(&frame).unwrap();
            }
            drop(encoder);
            let (shown, error) = frames(&bytes, &LIMITS);
            assert_eq!((shown.len(), error), (2, None), "{width} × {height}");
            assert!(shown[1].0 == reference(&bytes)[1].0, "{width} × {height}");
        }
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
            assert_eq!(animation(&bytes, &header, &LIMITS).loops, loops, "{repeat:?}");
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
