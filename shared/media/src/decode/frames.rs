//! The frames of an animation, composed one after the other on one canvas.
//!
//! A canvas starts transparent; a frame is drawn onto a part of it, shown, and disposed of before the next one
//! is drawn. Frames are lent, never copied: an animation takes one canvas of 4 bytes a pixel whatever its length. What
//! changed since the frame before is told, so that nothing is resized twice.

use std::borrow::Cow;

use crate::error::MediaError;

/// Browsers show a frame that claims 10 ms or less for 100 ms; files are made for that.
const SHORTEST_FRAME_MS: u32 = 11;
const INSTEAD_OF_SHORTER_MS: u32 = 100;
/// The longest a GIF can say: 65,535 hundredths of a second.
const LONGEST_FRAME_MS: u32 = 655_350;

/// For how long a frame is shown that claims `milliseconds`.
pub(crate) fn shown_ms(milliseconds: u32) -> u32 {
    if milliseconds < SHORTEST_FRAME_MS { INSTEAD_OF_SHORTER_MS } else { milliseconds.min(LONGEST_FRAME_MS) }
}

/// A part of a canvas, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rect {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

impl Rect {
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// What of it lies within `size`.
    pub fn clip(self, size: (u32, u32)) -> Self {
        let (x, y) = (self.x.min(size.0), self.y.min(size.1));
        Self { x, y, width: self.width.min(size.0 - x), height: self.height.min(size.1 - y) }
    }

    /// The smallest part that holds both.
    pub fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.width).max(other.x + other.width);
        let bottom = (self.y + self.height).max(other.y + other.height);
        Self { x, y, width: right - x, height: bottom - y }
    }
}

/// One frame as it is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'c> {
    /// Width and height of the whole canvas.
    pub size: (u32, u32),
    /// RGBA, row after row without gaps.
    pub pixels: &'c [u8],
    /// Nothing outside of this differs from the frame before; of the first one, everything counts as changed.
    pub changed: Rect,
    /// Every alpha is 255.
    pub opaque: bool,
    pub duration_ms: u32,
}

/// Decodes the frames of an animation as they are asked for.
pub(crate) trait Frames {
    /// The next frame, lent until the one after it is asked for; `None` after the last. After an error there
    /// are no more.
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, MediaError>;
}

/// An animation.
pub(crate) struct Animation<'a> {
    pub frames: Box<dyn Frames + 'a>,
    pub icc: Option<Cow<'a, [u8]>>,
    /// How often it plays, 0 for ever.
    pub loops: u32,
}

/// What becomes of a frame before the next one is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Disposal {
    #[default]
    Keep,
    /// Its part becomes transparent, as browsers do whatever the background colour.
    Background,
    /// Its part becomes what it was before.
    Previous,
}

/// What frames are drawn onto.
pub(crate) struct Canvas {
    size: (u32, u32),
    /// Each the bytes R, G, B, A.
    pixels: Vec<u32>,
    opaque: bool,
    changed: Rect,
    drawn: Rect,
    disposal: Disposal,
    /// What was under the last frame, if that is wanted again.
    saved: Vec<u32>,
    shown: bool,
}

/// The alpha of a pixel.
const ALPHA: u32 = u32::from_ne_bytes([0, 0, 0, 0xFF]);

impl Canvas {
    /// Transparent.
    pub fn new(size: (u32, u32)) -> Self {
        Self {
            size,
            pixels: vec![0; size.0 as usize * size.1 as usize],
            opaque: false,
            changed: Rect::default(),
            drawn: Rect::default(),
            disposal: Disposal::Keep,
            saved: Vec::new(),
            shown: false,
        }
    }

    /// Disposes of the frame before and starts one in `rect`, which is clipped to the canvas.
    pub fn begin(&mut self, rect: Rect, disposal: Disposal) {
        self.changed = Rect::default();
        let stale = std::mem::replace(&mut self.drawn, rect.clip(self.size));
        match std::mem::replace(&mut self.disposal, disposal) {
            Disposal::Keep => {}
            Disposal::Background => {
                self.rows_mut(stale).for_each(|row| row.fill(0));
                self.damage(stale);
            }
            Disposal::Previous => {
                let saved = std::mem::take(&mut self.saved);
                for (row, saved) in
                    self.rows_mut(stale).zip(saved.chunks_exact((stale.width as usize).max(1)))
                {
                    row.copy_from_slice(saved);
                }
                self.saved = saved;
                self.damage(stale);
            }
        }
        if disposal == Disposal::Previous {
            let mut saved = std::mem::take(&mut self.saved);
            saved.clear();
            saved.extend(self.rows_mut(self.drawn).flat_map(|row| row.iter().copied()));
            self.saved = saved;
        }
    }

    fn damage(&mut self, rect: Rect) {
        if !rect.is_empty() {
            self.changed = self.changed.union(rect);
            self.opaque = false;
        }
    }

    /// The part that the frame is drawn to.
    pub fn drawn(&self) -> Rect {
        self.drawn
    }

    fn rows_mut(&mut self, rect: Rect) -> impl Iterator<Item = &mut [u32]> {
        let (x, width) = (rect.x as usize, rect.width as usize);
        self.pixels
            .chunks_exact_mut((self.size.0 as usize).max(1))
            .skip(rect.y as usize)
            .take(if width == 0 { 0 } else { rect.height as usize })
            .filter_map(move |row| row.get_mut(x..x + width))
    }

    /// Draws the part of row `y` that belongs to the frame: `draw` gets it and tells whether it changed anything.
    /// Rows outside of the frame's part are passed over.
    pub fn draw_row(&mut self, y: u32, draw: impl FnOnce(&mut [u32]) -> bool) {
        let Rect { x, y: top, width, height } = self.drawn;
        if width == 0 || y < top || y - top >= height {
            return;
        }
        let start = y as usize * self.size.0 as usize + x as usize;
        if let Some(row) = self.pixels.get_mut(start..start + width as usize)
            && draw(row)
        {
            self.changed = self.changed.union(Rect { x, y, width, height: 1 });
        }
    }

    /// The canvas as bytes, for a frame that is written in place; all of its part counts as changed.
    pub fn overwrite(&mut self) -> &mut [u8] {
        self.changed = self.changed.union(self.drawn);
        self.opaque = false;
        bytemuck::cast_slice_mut(&mut self.pixels)
    }

    /// The frame, when it is drawn.
    pub fn show(&mut self, duration_ms: u32) -> Frame<'_> {
        // Most animations are opaque from the first frame on and stay so: they are looked through once.
        self.opaque = self.opaque || self.pixels.iter().all(|pixel| pixel & ALPHA == ALPHA);
        if !std::mem::replace(&mut self.shown, true) {
            self.changed = Rect { x: 0, y: 0, width: self.size.0, height: self.size.1 };
        }
        Frame {
            size: self.size,
            pixels: bytemuck::cast_slice(&self.pixels),
            changed: self.changed,
            opaque: self.opaque,
            duration_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: u32 = u32::from_ne_bytes([255, 0, 0, 255]);
    const BLUE: u32 = u32::from_ne_bytes([0, 0, 255, 255]);

    fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
        Rect { x, y, width, height }
    }

    fn fill(canvas: &mut Canvas, colour: u32) {
        for y in 0..4 {
            canvas.draw_row(y, |row| {
                let changes = row.iter().any(|&pixel| pixel != colour);
                row.fill(colour);
                changes
            });
        }
    }

    fn pixels(frame: Frame<'_>) -> Vec<u32> {
        frame.pixels.as_chunks::<4>().0.iter().map(|&pixel| u32::from_ne_bytes(pixel)).collect()
    }

    #[test]
    fn frames_are_disposed_of() {
        let mut canvas = Canvas::new((3, 2));
        canvas.begin(rect(0, 0, 3, 2), Disposal::Keep);
        fill(&mut canvas, RED);
        let frame = canvas.show(50);
        assert_eq!((pixels(frame), frame.changed, frame.opaque), (vec![RED; 6], rect(0, 0, 3, 2), true));

        canvas.begin(rect(1, 0, 1, 2), Disposal::Previous);
        fill(&mut canvas, BLUE);
        let frame = canvas.show(50);
        assert_eq!(pixels(frame), [RED, BLUE, RED, RED, BLUE, RED]);
        assert_eq!((frame.changed, frame.opaque), (rect(1, 0, 1, 2), true));

        // Beyond the canvas on two sides.
        canvas.begin(rect(2, 1, 9, 9), Disposal::Background);
        fill(&mut canvas, BLUE);
        let frame = canvas.show(50);
        assert_eq!(pixels(frame), [RED, RED, RED, RED, RED, BLUE]);
        assert_eq!((frame.changed, frame.opaque), (rect(1, 0, 2, 2), true));

        canvas.begin(rect(7, 7, 1, 1), Disposal::Keep);
        fill(&mut canvas, BLUE);
        let frame = canvas.show(50);
        assert_eq!(pixels(frame), [RED, RED, RED, RED, RED, 0]);
        assert_eq!((frame.changed, frame.opaque), (rect(2, 1, 1, 1), false));

        canvas.begin(rect(0, 0, 2, 2), Disposal::Keep);
        fill(&mut canvas, RED);
        assert!(canvas.show(50).changed.is_empty());
    }

    #[test]
    fn short_frames_last_longer() {
        assert_eq!(
            [0, 10, 11, 655_350, 655_351, u32::MAX].map(shown_ms),
            [100, 100, 11, 655_350, 655_350, 655_350]
        );
    }
}
