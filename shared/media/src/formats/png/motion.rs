//! Whether a PNG moves: the chunks of its animation, held against their rules (PNG, third edition, 4.9 and 11.3.4).
//!
//! A file whose rules are broken is a still, as browsers have it: its default image is whole whatever was said about frames. One
//! that is cut short keeps the frames that it has.

use crate::bytes::Bytes;

/// How the picture moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Motion {
    /// It says nothing of moving.
    Still,
    /// It has as many frames, or would have, were it not cut short.
    Moving {
        /// As said.
        frames: u32,
        /// How often they play; 0 is for ever.
        plays: u32,
        /// As found: fewer where the file is cut short.
        found: u32,
    },
    /// It says that it moves, and breaks the rules for it: why.
    Broken(&'static str),
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// Of `acTL`: frames, and how often they play.
    control: Option<(u32, u32)>,
    /// The number that the next `fcTL` or `fdAT` must have.
    next: u32,
    /// Frames with pixels.
    found: u32,
    /// There was an `fcTL` whose pixels are still to come.
    announced: bool,
    /// `IDAT` has come.
    pixels: bool,
    broken: Option<&'static str>,
}

impl Sequence {
    /// Takes the next chunk of a picture of `size`, or what of it is there.
    pub fn chunk(&mut self, kind: &[u8], chunk: &[u8], length: usize, size: (u32, u32)) {
        match kind {
            b"acTL" if !self.pixels => self.control(chunk),
            // One behind the pixels counts for nothing, as do frames of a file that says of none.
            b"fcTL" if self.control.is_some() => self.frame(chunk, length, size),
            b"fdAT" if self.control.is_some() => {
                let begins = std::mem::take(&mut self.announced);
                if !self.pixels || (!begins && self.found == 0) {
                    self.break_off("pixels of a frame come before the frame");
                }
                self.found += u32::from(begins);
                self.number(chunk);
            }
            b"IDAT" => {
                self.pixels = true;
                self.found += u32::from(std::mem::take(&mut self.announced));
            }
            _ => {}
        }
    }

    /// The verdict. `complete` tells that the file's end was found.
    pub fn finish(self, complete: bool) -> Motion {
        let Some((frames, plays)) = self.control else { return Motion::Still };
        if let Some(reason) = self.broken {
            return Motion::Broken(reason);
        }
        if frames == 0 {
            return Motion::Broken("the animation has no frames");
        }
        if complete && (self.found != frames || self.announced) {
            return Motion::Broken("the animation has another number of frames than it says");
        }
        Motion::Moving { frames, plays, found: self.found }
    }

    fn control(&mut self, chunk: &[u8]) {
        if self.control.is_some() {
            self.break_off("the animation says twice how many frames it has");
        }
        self.control = Bytes(chunk).be32(0).zip(Bytes(chunk).be32(4));
        if self.control.is_none() {
            (self.control, self.broken) =
                (Some((0, 0)), Some("the animation doesn't say how many frames it has"));
        }
    }

    fn frame(&mut self, chunk: &[u8], length: usize, (width, height): (u32, u32)) {
        if length != 26 {
            self.break_off("a frame's header has another length than it must");
        }
        if std::mem::replace(&mut self.announced, true) {
            self.break_off("a frame has no pixels");
        }
        self.number(chunk);
        let number = |at: usize| Bytes(chunk).be32(at).unwrap_or(0);
        // Cut short: there is nothing to hold against the rules.
        let Some(&[disposal, blend]) = chunk.get(24..26) else { return };
        let inside = |start: u32, length: u32, whole: u32| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= whole)
        };
        if !inside(number(12), number(4), width) || !inside(number(16), number(8), height) {
            self.break_off("a frame reaches beyond the picture");
        }
        if !self.pixels && (number(4), number(8)) != (width, height) {
            self.break_off("the first frame isn't as large as the picture");
        }
        if disposal > 2 || blend > 1 {
            self.break_off("a frame is laid over others in an unknown way");
        }
    }

    /// `fcTL` and `fdAT` are numbered together, from 0.
    fn number(&mut self, chunk: &[u8]) {
        if Bytes(chunk).be32(0).is_some_and(|number| number != self.next) {
            self.break_off("the frames are out of order");
        }
        self.next = self.next.saturating_add(1);
    }

    fn break_off(&mut self, reason: &'static str) {
        self.broken.get_or_insert(reason);
    }
}
