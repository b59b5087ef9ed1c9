//! Sequential scans (ITU-T T.81, F.2): a row of MCUs at a time, from blocks that [`lanes`] decode in rounds.

#![expect(clippy::cast_possible_truncation, reason = "coefficients of hostile files wrap")]

use std::{cmp::Ordering, collections::VecDeque, ops::Range};

use super::{
    Refusal,
    band::{Band, Block, Layout},
    bits::{MCU, Segment, Stop, Window},
    huffman::{Ac, Dc, Definition},
    lanes::{self, Lane, Mark, Phase, Store},
    markers::{Markers, Scan},
};

/// Bytes that a lane decodes in a round, at most.
const TERRITORY: usize = 8 << 10;
/// With less than this, lanes find each other too late to be worth it.
const LEAST: usize = 1 << 10;
/// Bytes that a lane goes on into the next one's territory before it looks for a common block.
const OVERLAP: usize = 256;
/// Blocks of a lane in a round, at most.
const BLOCKS: usize = 1 << 10;
/// What a lane may load behind its end.
const AHEAD: usize = 64;
/// Bytes that a scan takes.
pub(super) const MEMORY: u64 =
    (lanes::COUNT * BLOCKS * (size_of::<Block>() + size_of::<Mark>()) + size_of::<Window>()) as u64;

/// A block of an MCU.
struct Place {
    /// Whose it is, by index among the parts.
    part: usize,
    /// Where it lies in the MCU's blocks of the part.
    row: usize,
    column: usize,
    /// Indexes of its tables.
    dc: usize,
    ac: usize,
}

/// A scan that is being decoded.
pub(super) struct Sequential<'a> {
    segment: Segment<'a>,
    layout: Layout,
    /// The blocks of an MCU.
    places: Vec<Place>,
    /// Tables, with their ids in the file.
    dc: Vec<(usize, Dc)>,
    ac: Vec<(usize, Ac)>,
    /// For each part the DC coefficient of the block before.
    predictions: Vec<i32>,
    stores: Vec<Store>,
    /// The blocks of the stores that come next, by store.
    ready: VecDeque<(usize, Range<usize>)>,
    /// The first bit, in the window, and the place of the block behind those.
    behind: (usize, u8),
    /// Bytes of a lane in the next round.
    territory: usize,
    /// MCUs to the end of the scan.
    rest: usize,
    interval: u32,
    /// MCUs to the next restart.
    left: u32,
    /// The next restart's number.
    restart: u8,
    /// The file ended: what is left is gray.
    pub cut: bool,
    /// Bytes stood between data and marker.
    pub extraneous: bool,
}

/// The index of table `id`, which is made if no component had it before.
fn shared<T>(
    tables: &mut Vec<(usize, T)>,
    id: usize,
    definitions: &[Option<Definition>],
    make: impl FnOnce(&Definition) -> Option<T>,
) -> Result<usize, Refusal> {
    if let Some(index) = tables.iter().position(|(known, _)| *known == id) {
        return Ok(index);
    }
    let definition = definitions.get(id).and_then(Option::as_ref).ok_or(Refusal::Damaged)?;
    tables.push((id, make(definition).ok_or(Refusal::Damaged)?));
    Ok(tables.len() - 1)
}

impl<'a> Sequential<'a> {
    pub fn new(data: &'a [u8], markers: &Markers<'a>, scan: &Scan, layout: Layout) -> Result<Self, Refusal> {
        if scan.spectrum != (0, 63) || scan.approximation != (0, 0) {
            return Err(Refusal::Damaged);
        }
        let (mut dc, mut ac, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (selected, part)) in scan.selected.iter().zip(&layout.parts).enumerate() {
            let dc = shared(&mut dc, selected.dc, &markers.dc, Dc::new)?;
            let ac = shared(&mut ac, selected.ac, &markers.ac, Ac::new)?;
            for row in 0..part.down {
                for column in 0..part.across {
                    places.push(Place { part: index, row, column, dc, ac });
                }
            }
        }
        let interval = markers.interval;
        Ok(Self {
            segment: Segment::new(data, scan.data),
            places,
            dc,
            ac,
            predictions: vec![0; layout.parts.len()],
            stores: (0..lanes::COUNT).map(|_| Store::new(BLOCKS)).collect(),
            ready: VecDeque::new(),
            behind: (0, 0),
            territory: TERRITORY,
            rest: layout.mcus.0 * layout.mcus.1,
            layout,
            interval,
            left: interval,
            restart: 0,
            cut: false,
            extraneous: false,
        })
    }

    /// Decodes the next row of MCUs.
    pub fn row(&mut self, band: &mut Band) -> Result<(), Refusal> {
        for mcu in 0..self.layout.mcus.0 {
            if self.interval > 0 && self.left == 0 && !self.cut {
                self.restart()?;
            }
            if !self.cut {
                self.hold()?;
            }
            if self.cut {
                band.clear(&self.layout, mcu);
                return Ok(());
            }
            self.mcu(band, mcu)?;
            self.rest = self.rest.saturating_sub(1);
            self.left = self.left.saturating_sub(1);
        }
        Ok(())
    }

    /// Puts the next MCU into `band`.
    fn mcu(&mut self, band: &mut Band, mcu: usize) -> Result<(), Refusal> {
        for place in 0..self.places.len() {
            while self.ready.front().is_none_or(|(_, range)| range.is_empty()) {
                self.ready.pop_front();
                if self.ready.is_empty() {
                    self.round()?;
                }
            }
            let (Some(place), Some((store, range))) = (self.places.get(place), self.ready.front_mut()) else {
                return Err(Refusal::Damaged);
            };
            let index = range.start;
            range.start += 1;
            let part = &self.layout.parts[place.part];
            let at = part.offset + place.row * part.stride + mcu * part.across + place.column;
            let store = &self.stores[*store];
            let (Some(block), Some(mark), Some(target), Some(extent)) = (
                store.blocks.get(index),
                store.marks.get(index),
                band.blocks.get_mut(at),
                band.extents.get_mut(at),
            ) else {
                return Err(Refusal::Damaged);
            };
            if mark.broken {
                return Err(Refusal::Damaged);
            }
            target.0.copy_from_slice(&block.0);
            let prediction = &mut self.predictions[place.part];
            *prediction = prediction.wrapping_add(block.0[0].into());
            target.0[0] = *prediction as i16;
            *extent = mark.extent;
        }
        Ok(())
    }

    /// Decodes the next blocks into the stores.
    fn round(&mut self) -> Result<(), Refusal> {
        let phases: Vec<Phase<'_>> = self
            .places
            .iter()
            .zip(1..)
            .map(|(place, next)| Phase {
                dc: &self.dc[place.dc].1,
                ac: &self.ac[place.ac].1,
                next: if usize::from(next) < self.places.len() { next } else { 0 },
            })
            .collect();
        self.segment.fill(self.behind.0 / 8);
        let start = (self.behind.0 % 8, self.behind.1);
        let (window, held) = (self.segment.window(), self.segment.end());
        let territory = (held / lanes::COUNT).min(self.territory);
        let mut round =
            Round { phases: &phases, window, stores: &mut self.stores, counts: [0; lanes::COUNT] };
        let closed = !self.segment.open();
        if territory < LEAST {
            // To the last block, with zeros in place of what is missing.
            let mcus = if self.interval > 0 { self.rest.min(self.left as usize) } else { self.rest };
            let wanted = mcus.saturating_mul(phases.len()).saturating_sub(usize::from(start.1));
            let end = if closed { held + MCU - AHEAD } else { held.saturating_sub(AHEAD) };
            round.lanes(start, 1, territory, |_| end, wanted.min(BLOCKS - 1) + 1);
            self.ready.push_back((0, 0..round.counts[0]));
            self.behind = round.behind(0);
        } else {
            let last = if territory == held / lanes::COUNT && closed {
                held + AHEAD / 2
            } else {
                (lanes::COUNT * territory).min(held - AHEAD)
            };
            let end = |lane: usize| ((lane + 1) * territory + OVERLAP).min(last);
            round.lanes(start, lanes::COUNT, territory, end, BLOCKS);
            self.behind = round.join(last, &mut self.ready);
        }
        let blocks: usize = self.ready.iter().map(|(_, range)| range.len()).sum();
        if blocks == 0 {
            return Err(Refusal::Damaged);
        }
        // So that a lane needs three quarters of its blocks.
        let bytes = (self.behind.0 - start.0) * (BLOCKS * 3 / 4) / (8 * blocks);
        self.territory = bytes.clamp(LEAST, TERRITORY);
        Ok(())
    }

    /// The first bit, in the window, of the next block.
    fn position(&self) -> usize {
        let next = self.ready.iter().find(|(_, range)| !range.is_empty());
        next.and_then(|(store, range)| self.stores[*store].marks.get(range.start))
            .map_or(self.behind.0, |mark| mark.start as usize)
    }

    /// Whether the data ended before the next MCU.
    fn hold(&mut self) -> Result<(), Refusal> {
        match self.segment.holds(self.position()) {
            Ok(()) => Ok(()),
            Err(Stop::Cut) => {
                self.cut = true;
                Ok(())
            }
            Err(Stop::Marker) => Err(Refusal::Damaged),
        }
    }

    /// Passes a restart marker (E.2.4).
    fn restart(&mut self) -> Result<(), Refusal> {
        let at = self.end()?;
        if self.cut {
            return Ok(());
        }
        if self.segment.byte(at + 1) != Some(0xD0 + self.restart) {
            return Err(Refusal::Damaged);
        }
        self.restart = (self.restart + 1) & 7;
        self.left = self.interval;
        self.predictions.fill(0);
        self.segment.start(at + 2);
        self.ready.clear();
        self.behind = (0, 0);
        Ok(())
    }

    /// Goes to the end of the segment, where the marker starts.
    pub fn end(&mut self) -> Result<usize, Refusal> {
        if !self.cut {
            self.hold()?;
        }
        let (left, at) = self.segment.finish(self.position());
        self.extraneous |= left;
        Ok(at)
    }
}

/// What lanes decode of a window.
struct Round<'r> {
    phases: &'r [Phase<'r>],
    window: &'r Window,
    stores: &'r mut [Store],
    /// Blocks that each lane has finished; the mark behind them is that of the one under way.
    counts: [usize; lanes::COUNT],
}

impl Round<'_> {
    /// Runs `count` lanes, of which the first starts with a block that is known, the others where they may.
    fn lanes(
        &mut self,
        start: (usize, u8),
        count: usize,
        territory: usize,
        end: impl Fn(usize) -> usize,
        room: usize,
    ) {
        let mut lanes = Vec::with_capacity(count);
        for (index, store) in self.stores.iter_mut().enumerate().take(count) {
            let start = if index == 0 { start } else { (index * territory * 8, 0) };
            let (blocks, marks) = (store.blocks.iter_mut(), store.marks.iter_mut());
            lanes.extend(Lane::new(self.phases, self.window, start, (blocks, marks), room, end(index) * 8));
        }
        lanes::run(&mut lanes);
        for (lane, count) in lanes.iter().zip(&mut self.counts) {
            *count = room - 1 - lane.room();
        }
    }

    /// Where the block starts that a lane has under way.
    fn behind(&self, lane: usize) -> (usize, u8) {
        let mark = self.stores[lane].marks[self.counts[lane]];
        (mark.start as usize, mark.phase)
    }

    /// Puts together what is known of the lanes: each up to the first block that the next one has, too. Returns where
    /// the block behind them starts.
    fn join(&mut self, last: usize, ready: &mut VecDeque<(usize, Range<usize>)>) -> (usize, u8) {
        let (mut lane, mut from) = (0, 0);
        'lanes: for next in 1..self.counts.len() {
            let (before, after) = loop {
                if let Some(common) = self.common(lane, from, next) {
                    break common;
                }
                if !self.extend(lane, next, last) {
                    break 'lanes;
                }
            };
            ready.push_back((lane, from..before));
            (lane, from) = (next, after);
        }
        ready.push_back((lane, from..self.counts[lane]));
        self.behind(lane)
    }

    /// The first block that starts at the same bit, at the same place of the MCU.
    fn common(&self, lane: usize, from: usize, next: usize) -> Option<(usize, usize)> {
        let theirs = &self.stores[next].marks[..=self.counts[next]];
        let ours = &self.stores[lane].marks[..=self.counts[lane]];
        let mut before = from + ours[from..].partition_point(|mark| mark.start < theirs[0].start);
        let mut after = 0;
        while let (Some(ours), Some(theirs)) = (ours.get(before), theirs.get(after)) {
            match ours.start.cmp(&theirs.start) {
                Ordering::Less => before += 1,
                Ordering::Greater => after += 1,
                Ordering::Equal if ours.phase == theirs.phase => return Some((before, after)),
                Ordering::Equal => {
                    before += 1;
                    after += 1;
                }
            }
        }
        None
    }

    /// Lets a lane go on in the next one's territory. Whether it could.
    fn extend(&mut self, lane: usize, next: usize, last: usize) -> bool {
        let (start, end) = (self.behind(lane), self.behind(next).0);
        let count = self.counts[lane];
        if start.0 >= end || start.0 / 8 >= last {
            return false;
        }
        let store = &mut self.stores[lane];
        let (blocks, marks) = (store.blocks[count..].iter_mut(), store.marks[count..].iter_mut());
        let room = marks.len();
        let end = (start.0 / 8 + OVERLAP).min(last);
        let Some(mut on) = Lane::new(self.phases, self.window, start, (blocks, marks), room, end * 8) else {
            return false;
        };
        lanes::run(std::slice::from_mut(&mut on));
        let more = room - 1 - on.room();
        self.counts[lane] += more;
        more > 0
    }
}
