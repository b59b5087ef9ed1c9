//! Animated PNG (third edition, 4.9): frames, each a part of the canvas.

use sluice_pixels::raster::Model;

use super::{Inflater, Row, model, rows};
use crate::{
    decode::frames::{Animation, Frame, Frames, Rect, shown_ms},
    error::MediaError,
    formats::png::{header::Png, motion::Motion},
    limits::Limits,
};

/// How a frame is laid over the ones before it, and what is left of it then (PNG, third edition, 11.3.4.2).
#[derive(Debug, Clone, Copy)]
struct Control {
    width: u32,
    height: u32,
    left: u32,
    top: u32,
    duration_ms: u32,
    disposal: u8,
    over: bool,
    /// Where its first chunk of pixels begins, and that chunk's type.
    data: (usize, [u8; 4]),
}

/// Starts decoding an animation; frames are decoded as they are asked for.
pub(in crate::formats::png) fn animation<'a>(
    bytes: &'a [u8],
    png: &Png<'a>,
    limits: &Limits,
) -> Result<Animation<'a>, MediaError> {
    let Motion::Moving { frames: count, plays: loops, .. } = png.motion else {
        return Err(MediaError::corrupt("the picture has no frames"));
    };
    let frames = frames(bytes, png, count.min(limits.max_frames));
    let icc = png.profile().map(Into::into);
    let pixels = vec![0; png.width as usize * png.height as usize * 4];
    let canvas =
        Composer { bytes, png: png.clone(), frames: frames.into_iter(), pixels, last: None, end: None };
    Ok(Animation { frames: Box::new(canvas), icc, loops })
}

/// The frames that the file holds, at most `count`.
fn frames(bytes: &[u8], png: &Png<'_>, count: u32) -> Vec<Control> {
    let mut frames = Vec::new();
    let mut found: Option<Control> = None;
    let mut at = 8;
    let be32 = |bytes: &[u8], at: usize| {
        bytes.get(at..).and_then(|rest| rest.first_chunk()).map(|&bytes| u32::from_be_bytes(bytes))
    };
    while let (Some(length), Some(kind)) = (be32(bytes, at), bytes.get(at + 4..at + 8)) {
        let length = length as usize;
        match kind {
            b"fcTL" => {
                let chunk = bytes.get(at + 8..at + 34).unwrap_or_default();
                found = control(chunk).filter(|frame| {
                    let inside = |start: u32, length: u32, whole: u32| {
                        length > 0 && start.checked_add(length).is_some_and(|end| end <= whole)
                    };
                    inside(frame.left, frame.width, png.width) && inside(frame.top, frame.height, png.height)
                });
            }
            b"IDAT" | b"fdAT" => {
                if let Some(frame) = found.take() {
                    let kind = if kind == b"IDAT" { *b"IDAT" } else { *b"fdAT" };
                    frames.push(Control { data: (at, kind), ..frame });
                    if frames.len() >= count as usize {
                        break;
                    }
                }
            }
            b"IEND" => break,
            _ => {}
        }
        let Some(next) = length.checked_add(12).and_then(|size| at.checked_add(size)) else { break };
        at = next;
    }
    frames
}

/// Reads an `fcTL`.
fn control(chunk: &[u8]) -> Option<Control> {
    let (numbers, rest) = chunk.split_at_checked(20)?;
    let mut numbers = numbers.as_chunks::<4>().0.iter().map(|&bytes| u32::from_be_bytes(bytes));
    let [_, width, height, left, top] = std::array::from_fn(|_| numbers.next().unwrap_or(0));
    let &[n1, n0, d1, d0, disposal, blend] = rest else { return None };
    let (delay, unit) = (u32::from(u16::from_be_bytes([n1, n0])), u32::from(u16::from_be_bytes([d1, d0])));
    // A denominator of 0 counts as 100.
    let duration_ms = shown_ms(delay * 1000 / if unit == 0 { 100 } else { unit });
    Some(Control { width, height, left, top, duration_ms, disposal, over: blend == 1, data: (0, [0; 4]) })
}

/// Lays frame over frame.
struct Composer<'a> {
    bytes: &'a [u8],
    png: Png<'a>,
    frames: std::vec::IntoIter<Control>,
    /// RGBA of the whole canvas.
    pixels: Vec<u8>,
    /// The frame that is shown, to be disposed of before the next one, and the canvas before it if that is wanted again.
    last: Option<(Control, Option<Vec<u8>>)>,
    /// What ended the animation early, once its last frame was given.
    end: Option<MediaError>,
}

impl Frames for Composer<'_> {
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, MediaError> {
        if let Some(end) = self.end.take() {
            self.frames = Vec::new().into_iter();
            return Err(end);
        }
        let Some(frame) = self.frames.next() else { return Ok(None) };
        let first = self.last.is_none();
        self.dispose();
        let before = (frame.disposal == 2).then(|| self.pixels.clone());
        if let Err(error) = self.draw(&frame) {
            // A part of the first is better than nothing.
            if !first {
                self.frames = Vec::new().into_iter();
                return Err(error);
            }
            self.end = Some(error);
        }
        self.last = Some((frame, before));
        let size = (self.png.width, self.png.height);
        let opaque = self.pixels.as_chunks::<4>().0.iter().all(|pixel| pixel[3] == u8::MAX);
        let changed = Rect { x: 0, y: 0, width: size.0, height: size.1 };
        Ok(Some(Frame { size, pixels: &self.pixels, changed, opaque, duration_ms: frame.duration_ms }))
    }
}

impl Composer<'_> {
    fn stride(&self) -> usize {
        self.png.width as usize * 4
    }

    fn dispose(&mut self) {
        let stride = self.stride();
        match self.last.take() {
            Some((_, Some(before))) => self.pixels = before,
            Some((frame, None)) if frame.disposal == 1 => {
                let (left, length) = (frame.left as usize * 4, frame.width as usize * 4);
                let lines = self.pixels.chunks_exact_mut(stride).skip(frame.top as usize);
                for line in lines.take(frame.height as usize) {
                    line[left..left + length].fill(0);
                }
            }
            _ => {}
        }
    }

    fn draw(&mut self, frame: &Control) -> Result<(), MediaError> {
        let data = self.bytes.get(frame.data.0..).unwrap_or_default();
        let mut inflater = Inflater::new(data, frame.data.1);
        let stride = self.stride();
        let (left, length) = (frame.left as usize * 4, frame.width as usize * 4);
        let mut lines = self.pixels.chunks_exact_mut(stride).skip(frame.top as usize);
        let model = model(&self.png);
        let progress = rows(&mut inflater, &self.png, (frame.width, frame.height), 1, &mut |row| {
            if let Some(line) = lines.next() {
                lay(&row, model, &mut line[left..left + length], frame.over);
            }
        });
        match progress.check(frame.height)? {
            Some(warning) => Err(MediaError::corrupt(warning.message)),
            None => Ok(()),
        }
    }
}

/// Lays a row of a frame onto the canvas.
fn lay(row: &Row<'_>, model: Model, line: &mut [u8], over: bool) {
    let channels = model.channels();
    let places = line.as_chunks_mut::<4>().0.iter_mut().enumerate();
    for (x, place) in places {
        let sample = |at: usize| match row {
            Row::Eight(row) => row.get(x * channels + at).copied().unwrap_or(0),
            Row::Sixteen(row) => {
                let deep = row.get(x * channels + at).map_or(0, |&sample| u32::from(sample));
                u8::try_from((deep + 128) / 257).unwrap_or(u8::MAX)
            }
        };
        let source = match model {
            Model::Gray => [sample(0), sample(0), sample(0), u8::MAX],
            Model::GrayAlpha => [sample(0), sample(0), sample(0), sample(1)],
            Model::Rgb => [sample(0), sample(1), sample(2), u8::MAX],
            Model::Rgba | Model::Cmyk => [sample(0), sample(1), sample(2), sample(3)],
        };
        *place = if over { blend(source, *place) } else { source };
    }
}

/// `source` over `below`, neither premultiplied.
fn blend(source: [u8; 4], below: [u8; 4]) -> [u8; 4] {
    let (alpha, under) = (u32::from(source[3]), u32::from(below[3]));
    match alpha {
        0 => below,
        255 => source,
        _ => {
            // In 255ths of 255ths.
            let whole = alpha * 255 + under * (255 - alpha);
            let mix = |at: usize| {
                let sum = u32::from(source[at]) * alpha * 255 + u32::from(below[at]) * under * (255 - alpha);
                u8::try_from((sum + whole / 2) / whole).unwrap_or(u8::MAX)
            };
            let alpha = u8::try_from((whole + 127) / 255).unwrap_or(u8::MAX);
            [mix(0), mix(1), mix(2), alpha]
        }
    }
}
