//! Progressive frames (ITU-T T.81, annex G): scans refine coefficients that are kept for the whole frame.
//!
//! Of each block only the coefficients that its scale needs are kept. Scans that concern others alone are passed
//! over; where a scan concerns both, a bit per coefficient tells which were not 0 before, since
//! refinements are coded by that.

#![expect(clippy::inline_always, reason = "the decoders' innermost loops")]
#![expect(clippy::cast_possible_truncation, reason = "coefficients of hostile files wrap")]

use super::{
    Refusal, Scale,
    band::{Band, Layout},
    bits::{Bits, Stop},
    huffman::Codes,
    markers::{Event, Frame, Markers, Scan},
};
use crate::zigzag::ZIGZAG;

/// A coefficient that isn't kept.
const DROPPED: u16 = u16::MAX;

/// A component's coefficients.
struct Plane {
    /// Blocks of the component itself, across and down.
    blocks: (usize, usize),
    /// Blocks in an MCU.
    factors: (usize, usize),
    /// Blocks of a row, those that only fill up an MCU included.
    stride: usize,
    /// Where a coefficient is among those of its block by its index in zigzag order.
    places: [u16; 64],
    /// Which coefficients are kept of each block: their indexes in zigzag order.
    indexes: Vec<u8>,
    coefficients: Vec<i16>,
    /// For each block, which coefficients in zigzag order aren't 0.
    history: Vec<u64>,
}

/// Blocks across and down that are kept of a component.
fn extent(frame: &Frame, component: usize) -> (usize, usize) {
    let mcus = frame.mcus();
    let (across, down) =
        frame.components().get(component).map_or((1, 1), |it| (u32::from(it.across), u32::from(it.down)));
    ((mcus.0 * across) as usize, (mcus.1 * down) as usize)
}

/// Bytes that are kept of a component.
pub(super) fn memory(frame: &Frame, component: usize, scale: Scale) -> u64 {
    let (across, down) = extent(frame, component);
    let blocks = (across * down) as u64;
    blocks * (u64::from(scale.across) * u64::from(scale.down) * 2 + 8)
}

impl Plane {
    fn new(frame: &Frame, component: usize, scale: Scale) -> Self {
        let (stride, rows) = extent(frame, component);
        let samples = frame.samples(component);
        let mut places = [DROPPED; 64];
        let mut indexes = Vec::with_capacity(64);
        for ((k, place), &natural) in (0..).zip(&mut places).zip(&ZIGZAG) {
            if natural % 8 < scale.across && natural / 8 < scale.down {
                *place = indexes.len() as u16;
                indexes.push(k);
            }
        }
        let factors = frame
            .components()
            .get(component)
            .map_or((1, 1), |it| (usize::from(it.across), usize::from(it.down)));
        Self {
            blocks: (samples.0.div_ceil(8) as usize, samples.1.div_ceil(8) as usize),
            factors,
            stride,
            places,
            coefficients: vec![0; stride * rows * indexes.len()],
            indexes,
            history: vec![0; stride * rows],
        }
    }

    /// The index of a block's history, and of its first coefficient.
    #[inline(always)]
    fn block(&self, column: usize, row: usize) -> (usize, usize) {
        let index = row * self.stride + column;
        (index, index * self.indexes.len())
    }

    /// Coefficient `k` of the block that starts at `base`, if it is kept.
    #[inline(always)]
    fn at(&mut self, base: usize, k: u32) -> Option<&mut i16> {
        let place = self.places[k as usize & 63];
        if place == DROPPED {
            return None;
        }
        self.coefficients.get_mut(base + usize::from(place))
    }
}

/// A progressive frame that is being decoded.
pub(super) struct Progressive<'a> {
    data: &'a [u8],
    planes: Vec<Plane>,
    mcus: (usize, usize),
    /// For each component the last coefficient that must be read, to keep those that are kept.
    needed: [u32; 3],
    pub cut: bool,
    pub extraneous: bool,
}

/// For each component the last coefficient that must be read. A refinement of coefficients that are kept and of
/// others can be read only if the others were, too.
fn needed(data: &[u8], scales: [Scale; 3]) -> [u32; 3] {
    let mut needed = scales.map(Scale::last);
    let mut refinements = Vec::new();
    let mut markers = Markers::new(data);
    loop {
        match markers.next() {
            Ok(Event::Scan(scan)) if scan.approximation.0 > 0 && scan.spectrum.0 > 0 => {
                refinements
                    .extend(scan.selected.first().map(|first| (first.component.min(2), scan.spectrum)));
            }
            Ok(Event::Frame(_) | Event::Scan(_)) => {}
            Ok(Event::End) | Err(_) => break,
        }
    }
    // Each round but the last takes in another refinement, of at most as many as a file may have scans.
    let mut grown = true;
    while grown {
        grown = false;
        for &(component, (start, end)) in &refinements {
            if start <= needed[component] && end > needed[component] {
                needed[component] = end;
                grown = true;
            }
        }
    }
    needed
}

/// The state of a scan.
struct Run<'a> {
    bits: Bits<'a>,
    interval: u32,
    left: u32,
    restart: u8,
    /// Blocks, after this one, that end where they start.
    ended: u32,
    predictions: [i32; 3],
}

impl<'a> Progressive<'a> {
    pub fn new(data: &'a [u8], frame: &Frame, scales: [Scale; 3]) -> Self {
        let planes = (0..frame.components().len())
            .map(|component| Plane::new(frame, component, scales[component.min(2)]))
            .collect();
        let mcus = (frame.mcus().0 as usize, frame.mcus().1 as usize);
        let needed = needed(data, scales);
        Self { data, planes, mcus, needed, cut: false, extraneous: false }
    }

    /// Decodes a scan, and returns where the next marker is.
    pub fn scan(&mut self, markers: &Markers<'a>, scan: &Scan) -> Result<usize, Refusal> {
        let (start, end) = scan.spectrum;
        let (high, low) = scan.approximation;
        // G.1.1.1.1; a refinement is by one bit.
        let sound = if start == 0 { end == 0 } else { start <= end && end <= 63 && scan.selected.len() == 1 };
        if !sound || low > 13 || (high != 0 && high != low + 1) {
            return Err(Refusal::Damaged);
        }
        let first = scan.selected.first().ok_or(Refusal::Damaged)?;
        if start > 0 && start > self.needed[first.component.min(2)] {
            return Ok(scan.data);
        }
        let mut run = Run {
            bits: Bits::new(self.data, scan.data),
            interval: markers.interval,
            left: markers.interval,
            restart: 0,
            ended: 0,
            predictions: [0; 3],
        };
        let result = if start == 0 {
            self.dc(&mut run, markers, scan, high > 0, low)
        } else {
            let definition = markers.ac.get(first.ac).and_then(Option::as_ref).ok_or(Refusal::Damaged)?;
            let codes = Codes::new(definition).ok_or(Refusal::Damaged)?;
            let plane = self.planes.get_mut(first.component).ok_or(Refusal::Damaged)?;
            if high > 0 {
                run.blocks(plane, |run, plane, column, row| {
                    refine(run, plane, &codes, (column, row), (start, end), low)
                })
            } else {
                run.blocks(plane, |run, plane, column, row| {
                    first_pass(run, plane, &codes, (column, row), (start, end), low)
                })
            }
        };
        match result.and_then(|()| Ok(run.bits.ready()?)) {
            Ok(()) => {}
            Err(Halt::Cut) => self.cut = true,
            Err(Halt::Damaged) => return Err(Refusal::Damaged),
        }
        let (left, at) = run.bits.finish();
        self.extraneous |= left && !self.cut;
        Ok(at)
    }

    /// DC scans (G.1.2.1), which may hold several components.
    fn dc(
        &mut self,
        run: &mut Run<'_>,
        markers: &Markers<'_>,
        scan: &Scan,
        refining: bool,
        low: u32,
    ) -> Result<(), Halt> {
        let mut tables = Vec::with_capacity(3);
        for selected in &scan.selected {
            let codes = if refining {
                None
            } else {
                let definition = markers.dc.get(selected.dc).and_then(Option::as_ref).ok_or(Halt::Damaged)?;
                Some(Codes::new(definition).ok_or(Halt::Damaged)?)
            };
            tables.push((selected.component, codes));
        }
        let decode = |run: &mut Run<'_>, plane: &mut Plane, codes: Option<&Codes>, at: usize, column, row| {
            let (_, base) = plane.block(column, row);
            run.bits.refill();
            let Some(coefficient) = plane.at(base, 0) else { return Err(Halt::Damaged) };
            let Some(codes) = codes else {
                if run.bits.bit() {
                    *coefficient |= 1 << low;
                }
                return Ok(());
            };
            let size = u32::from(codes.symbol(&mut run.bits.reader).ok_or(Halt::Damaged)?);
            if size > 15 {
                return Err(Halt::Damaged);
            }
            let difference = run.bits.reader.value(size);
            let prediction = &mut run.predictions[at.min(2)];
            *prediction = prediction.wrapping_add(difference);
            *coefficient = (*prediction << low) as i16;
            Ok(())
        };
        if let [(component, codes)] = tables.as_slice() {
            let plane = self.planes.get_mut(*component).ok_or(Halt::Damaged)?;
            return run.blocks(plane, |run, plane, column, row| {
                decode(run, plane, codes.as_ref(), *component, column, row)
            });
        }
        let (across, down) = self.mcus;
        for y in 0..down {
            for x in 0..across {
                run.unit()?;
                for (component, codes) in &tables {
                    let plane = self.planes.get_mut(*component).ok_or(Halt::Damaged)?;
                    let (h, v) = plane.factors;
                    for row in 0..v {
                        for column in 0..h {
                            decode(run, plane, codes.as_ref(), *component, x * h + column, y * v + row)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts row `row` of the layout's MCUs into `band`, as [`super::sequential`] would.
    pub fn row(&self, layout: &Layout, row: usize, band: &mut Band) {
        for part in &layout.parts {
            let Some(plane) = self.planes.get(part.component) else { continue };
            let kept = plane.indexes.len();
            for line in 0..part.down {
                let from = (row * part.down + line) * plane.stride;
                let to = part.offset + line * part.stride;
                let (Some(coefficients), Some(history), Some(blocks), Some(extents)) = (
                    plane.coefficients.get(from * kept..(from + plane.stride) * kept),
                    plane.history.get(from..from + plane.stride),
                    band.blocks.get_mut(to..to + plane.stride),
                    band.extents.get_mut(to..to + plane.stride),
                ) else {
                    continue;
                };
                for (source, target) in coefficients.chunks_exact(kept).zip(blocks) {
                    for (source, k) in source.iter().zip(&plane.indexes) {
                        target.0[usize::from(*k) & 63] = *source;
                    }
                }
                for (history, extent) in history.iter().zip(extents) {
                    *extent = (history | 1).ilog2() as u8;
                }
            }
        }
    }
}

/// Why a scan ends early.
enum Halt {
    Cut,
    Damaged,
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Cut => Self::Cut,
            Stop::Marker => Self::Damaged,
        }
    }
}

impl Run<'_> {
    /// What is due before each MCU.
    #[inline(always)]
    fn unit(&mut self) -> Result<(), Halt> {
        self.bits.ready()?;
        if self.interval > 0 {
            if self.left == 0 {
                self.pass_restart()?;
            }
            self.left -= 1;
        }
        Ok(())
    }

    #[cold]
    fn pass_restart(&mut self) -> Result<(), Halt> {
        let (_, at) = self.bits.finish();
        if self.bits.cut() {
            return Err(Halt::Cut);
        }
        if self.bits.byte(at + 1) != Some(0xD0 + self.restart) {
            return Err(Halt::Damaged);
        }
        self.restart = (self.restart + 1) & 7;
        self.left = self.interval;
        self.ended = 0;
        self.predictions = [0; 3];
        self.bits.start(at + 2);
        Ok(())
    }

    /// Every block of a scan of one component.
    #[inline(always)]
    fn blocks(
        &mut self,
        plane: &mut Plane,
        mut decode: impl FnMut(&mut Self, &mut Plane, usize, usize) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        for row in 0..plane.blocks.1 {
            for column in 0..plane.blocks.0 {
                self.unit()?;
                decode(self, plane, column, row)?;
            }
        }
        Ok(())
    }

    /// The length of a run of ended blocks, this one included (G.1.2.2).
    #[inline(always)]
    fn end_run(&mut self, exponent: u32) -> u32 {
        let rest = if exponent > 0 { self.bits.take(exponent) } else { 0 };
        (1 << exponent) + rest
    }
}

/// The first scan of some AC coefficients (G.1.2.2).
#[inline(always)]
fn first_pass(
    run: &mut Run<'_>,
    plane: &mut Plane,
    codes: &Codes,
    (column, row): (usize, usize),
    (start, end): (u32, u32),
    low: u32,
) -> Result<(), Halt> {
    if run.ended > 0 {
        run.ended -= 1;
        return Ok(());
    }
    let (index, base) = plane.block(column, row);
    let mut seen = 0_u64;
    let mut k = start;
    while k <= end {
        run.bits.refill();
        let symbol = u32::from(codes.symbol(&mut run.bits.reader).ok_or(Halt::Damaged)?);
        let (zeros, size) = (symbol >> 4, symbol & 15);
        if size == 0 {
            if zeros < 15 {
                run.ended = run.end_run(zeros) - 1;
                break;
            }
            k += 16;
            continue;
        }
        k += zeros;
        let value = run.bits.reader.value(size);
        if k > end {
            return Err(Halt::Damaged);
        }
        seen |= 1 << (k & 63);
        if let Some(coefficient) = plane.at(base, k) {
            *coefficient = (value << low) as i16;
        }
        k += 1;
    }
    if let Some(history) = plane.history.get_mut(index) {
        *history |= seen;
    }
    Ok(())
}

/// A later scan of some AC coefficients (G.1.2.3).
#[inline(always)]
fn refine(
    run: &mut Run<'_>,
    plane: &mut Plane,
    codes: &Codes,
    (column, row): (usize, usize),
    (start, end): (u32, u32),
    low: u32,
) -> Result<(), Halt> {
    let (index, base) = plane.block(column, row);
    let history = plane.history.get(index).copied().unwrap_or(0);
    let mut seen = 0_u64;
    let mut k = start;
    let step = 1_i16 << low;
    if run.ended == 0 {
        while k <= end {
            run.bits.refill();
            let symbol = u32::from(codes.symbol(&mut run.bits.reader).ok_or(Halt::Damaged)?);
            let (mut zeros, size) = (symbol >> 4, symbol & 15);
            let mut value = None;
            match size {
                0 if zeros < 15 => {
                    run.ended = run.end_run(zeros);
                    break;
                }
                0 => {}
                1 => value = Some(if run.bits.bit() { step } else { -step }),
                _ => return Err(Halt::Damaged),
            }
            // Past `zeros` coefficients that are 0 so far, and all that aren't, which get a bit each.
            while k <= end {
                if history >> (k & 63) & 1 == 1 {
                    correct(run, plane, base, k, step);
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                k += 1;
            }
            if let Some(value) = value {
                if k > end {
                    return Err(Halt::Damaged);
                }
                seen |= 1 << (k & 63);
                if let Some(coefficient) = plane.at(base, k) {
                    *coefficient = value;
                }
            }
            k += 1;
        }
    }
    if run.ended > 0 {
        let range = if k > end { 0 } else { (u64::MAX << (k & 63)) & (u64::MAX >> (63 - (end & 63))) };
        let mut rest = history & range;
        while rest != 0 {
            correct(run, plane, base, rest.trailing_zeros(), step);
            rest &= rest - 1;
        }
        run.ended -= 1;
    }
    if let Some(history) = plane.history.get_mut(index) {
        *history |= seen;
    }
    Ok(())
}

/// Reads a coefficient's next bit.
#[inline(always)]
fn correct(run: &mut Run<'_>, plane: &mut Plane, base: usize, k: u32, step: i16) {
    if run.bits.bit()
        && let Some(coefficient) = plane.at(base, k)
        && *coefficient & step == 0
    {
        *coefficient = coefficient.wrapping_add(if *coefficient >= 0 { step } else { -step });
    }
}
