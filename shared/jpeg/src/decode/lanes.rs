//! Several decoders side by side in one stream of bits.
//!
//! A Huffman decoder waits: where a code starts is known when the one before it was looked up. So a processor
//! core decodes at [`COUNT`] places of the stream in turns, each a *lane*. Only the first starts where a
//! block is known to start; the others guess, and are wrong for a while. But such codes synchronise themselves
//! (Klein and Wiseman, "Parallel Huffman decoding with applications to JPEG files", The Computer Journal 46, 2003):
//! once a lane that is right and one that guessed have a block start at the same bit, at the same place in
//! the MCU, the rest is the same. [`super::sequential`] looks for those; what came before is dropped.

#![expect(clippy::inline_always, reason = "the decoders' innermost loop")]
#![expect(clippy::cast_possible_truncation, reason = "positions in a window, coefficients that wrap")]

use std::{cell::Cell, slice::IterMut};

use super::{
    band::Block,
    bits::{Reader, Window},
    huffman::{Ac, Dc, Entry, Lookups, Single, special},
};

/// Lanes at once.
pub(super) const COUNT: usize = 2;
/// Looks between two refills: at most 13 bits each of 57.
const LOOKS: usize = 4;

/// What is known of a block.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    /// Its first bit in the window.
    pub start: u32,
    /// Which block of an MCU it is.
    pub phase: u8,
    /// The index in zigzag order behind which all its coefficients are 0.
    pub extent: u8,
    /// Its bits are no block's.
    pub broken: bool,
}

/// The blocks that a lane decodes: the coefficients in zigzag order, of which the first is the difference to the DC
/// coefficient of the component's block before.
pub(super) struct Store {
    pub blocks: Vec<Block>,
    pub marks: Vec<Mark>,
}

impl Store {
    pub fn new(blocks: usize) -> Self {
        Self { blocks: vec![Block::default(); blocks], marks: vec![Mark::default(); blocks] }
    }
}

/// The tables of a block of the MCU, and which is the next.
#[derive(Clone, Copy)]
pub(super) struct Phase<'t> {
    pub dc: &'t Dc,
    pub ac: &'t Ac,
    pub next: u8,
}

/// What a lane changes at each look: few enough that those of two stay in registers.
#[derive(Clone, Copy)]
struct Hot<'s, 't> {
    reader: Reader,
    /// The index of the next coefficient.
    k: usize,
    lookups: &'t Lookups,
    block: &'s [Cell<i16>; 64],
}

/// One of the decoders.
pub(super) struct Lane<'s, 't> {
    hot: Hot<'s, 't>,
    ac: &'t Ac,
    phases: &'t [Phase<'t>],
    window: &'t Window,
    mark: &'s mut Mark,
    /// Where the next blocks go.
    blocks: IterMut<'s, Block>,
    marks: IterMut<'s, Mark>,
    /// Behind this bit of the window there is no need to go on.
    end: usize,
}

impl<'s, 't> Lane<'s, 't> {
    /// Starts with block `phase` of an MCU at bit `position`. `None` without room for a block and what follows it.
    pub fn new(
        phases: &'t [Phase<'t>],
        window: &'t Window,
        (position, phase): (usize, u8),
        (blocks, marks): (IterMut<'s, Block>, IterMut<'s, Mark>),
        room: usize,
        end: usize,
    ) -> Option<Self> {
        let mut blocks = blocks.into_slice().get_mut(..room)?.iter_mut();
        let mut marks = marks.into_slice().get_mut(..room)?.iter_mut();
        let ac = phases.first()?.ac;
        let reader = Reader::new(window, position);
        let hot = Hot { reader, k: 1, lookups: &ac.lookups, block: zeroed(blocks.next()?) };
        let mut lane = Self { hot, ac, phases, window, mark: marks.next()?, blocks, marks, end };
        lane.begin(phase);
        Some(lane)
    }

    /// Blocks for which there is room, behind the one under way.
    pub fn room(&self) -> usize {
        self.marks.len()
    }

    /// Whether it came to its end, or has no room left.
    #[inline(always)]
    fn done(&self, hot: &Hot<'s, 't>) -> bool {
        hot.reader.position >= self.end || self.marks.len() == 0
    }

    /// Starts a block.
    #[inline(always)]
    fn begin(&mut self, phase: u8) {
        let hot = &mut self.hot;
        let Some(tables) = self.phases.get(usize::from(phase)) else { return };
        *self.mark = Mark { start: hot.reader.position as u32, phase, extent: 0, broken: false };
        self.ac = tables.ac;
        hot.lookups = &tables.ac.lookups;
        hot.k = 1;
        hot.reader.refill(self.window);
        if let Some(difference) = tables.dc.next(&mut hot.reader) {
            hot.block[0].set(difference as i16);
        } else {
            self.mark.broken = true;
            hot.reader.skip(1);
        }
        hot.reader.refill(self.window);
    }

    /// Ends a block at coefficient `extent`, and starts the next.
    #[inline(always)]
    fn next(&mut self, extent: usize) {
        self.mark.extent = extent as u8;
        let next = self.phases.get(usize::from(self.mark.phase)).map_or(0, |phase| phase.next);
        if let (Some(block), Some(mark)) = (self.blocks.next(), self.marks.next()) {
            self.hot.block = zeroed(block);
            self.mark = mark;
            self.begin(next);
        } else {
            // What is decoded from here on is dropped.
            self.hot.k = 1;
            self.hot.reader.refill(self.window);
        }
    }

    /// What a look tells that is not just coefficients.
    #[inline(never)]
    fn special(&mut self, entry: Entry) {
        let hot = &mut self.hot;
        let first = hot.k + entry.run();
        match entry.special() {
            _ if hot.k > 63 => self.next(63),
            Some(kind @ (special::END | special::VALUE_END)) if first < 63 || kind == special::END => {
                hot.reader.skip(entry.length());
                // 0 where the block ends without a value.
                hot.put(first, entry.first());
                self.next(first - usize::from(kind == special::END));
            }
            Some(special::WIDE) if first <= 63 => {
                hot.reader.skip(entry.length());
                hot.reader.refill(self.window);
                let value = hot.reader.value(entry.size());
                hot.reader.refill(self.window);
                hot.put(first, value as i16);
                hot.k = first + 1;
            }
            _ => {
                hot.reader.refill(self.window);
                let single = self.ac.single(&mut hot.reader, hot.k);
                hot.reader.refill(self.window);
                match single {
                    Some(Single::Value(index, value)) => {
                        hot.put(index, value as i16);
                        hot.k = index + 1;
                    }
                    Some(Single::End) => {
                        let extent = hot.k - 1;
                        self.next(extent);
                    }
                    None => {
                        self.mark.broken = true;
                        self.next(63);
                    }
                }
            }
        }
    }

    /// Decodes what one look tells.
    #[inline(always)]
    fn step(&mut self, hot: &mut Hot<'s, 't>) {
        let entry = hot.lookups.at(hot.reader);
        let first = hot.k + entry.run();
        let second = first + entry.step();
        if second > 63 {
            self.hot = *hot;
            self.special(entry);
            *hot = self.hot;
            return;
        }
        hot.reader.skip(entry.length());
        // In this order: if there is no second value, the first takes its place.
        hot.put(second, entry.second());
        hot.put(first, entry.first());
        hot.k = second + 1;
    }
}

impl Hot<'_, '_> {
    #[inline(always)]
    fn put(&self, k: usize, value: i16) {
        self.block[k & 63].set(value);
    }
}

#[inline(always)]
fn zeroed(block: &mut Block) -> &[Cell<i16>; 64] {
    block.0 = [0; 64];
    Cell::from_mut(&mut block.0).as_array_of_cells()
}

/// Goes on with a lane until it is done.
fn alone(lane: &mut Lane<'_, '_>) {
    let mut hot = lane.hot;
    while !lane.done(&hot) {
        hot.reader.refill(lane.window);
        for _ in 0..LOOKS {
            lane.step(&mut hot);
        }
    }
    lane.hot = hot;
}

/// Goes on with two lanes until one of them is done.
fn pair(one: &mut Lane<'_, '_>, two: &mut Lane<'_, '_>) {
    let (mut a, mut b) = (one.hot, two.hot);
    while !one.done(&a) && !two.done(&b) {
        a.reader.refill(one.window);
        b.reader.refill(two.window);
        for _ in 0..LOOKS {
            one.step(&mut a);
            two.step(&mut b);
        }
    }
    (one.hot, two.hot) = (a, b);
}

/// Goes on with each lane until it is done.
pub(super) fn run(lanes: &mut [Lane<'_, '_>]) {
    if let [one, two] = lanes {
        pair(one, two);
    }
    lanes.iter_mut().for_each(alone);
}
