//! Reading: Huffman-coded JPEGs of 8 bits, gray or `Y'CbCr`, sequential or progressive, at any of DCT's scales.
//!
//! The way of the data: bits → coefficients of a row of MCUs (a [`band::Band`]) → samples of each component →
//! a [`Sink`], row by row. A sequential frame never stands in memory as a whole; of a progressive one the
//! coefficients do that the scale needs. Each component has its own scale, so that no more is computed
//! than the target needs.
//!
//! What isn't handled (arithmetic coding, 12 bits, four components, RGB) and what breaks the format is a
//! [`Refusal`]: a caller may turn to libjpeg, which decodes more, and makes more of what is damaged. A file that just ends is decoded
//! as far as it goes, the rest is gray.

mod band;
mod bits;
mod huffman;
mod idct;
mod lanes;
mod markers;
mod progressive;
mod sequential;
#[cfg(test)]
mod tests;

use std::{
    error::Error,
    fmt,
    sync::mpsc::{self, Receiver, TryRecvError},
    thread,
    time::{Duration, Instant},
};

use fearless_simd::{Level, dispatch};

pub use self::markers::{Component, Frame};
use self::{
    band::{Band, Block, Layout},
    markers::{Event, Markers, Selected},
    progressive::Progressive,
    sequential::Sequential,
};
use crate::zigzag::ZIGZAG;

/// Bands that one thread hands another at once.
const BATCH: usize = 4;
/// Batches under way between two threads.
const BATCHES: usize = 3;

/// Why a file isn't decoded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A kind of JPEG that isn't handled.
    Unsupported,
    /// Broken data.
    Damaged,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsupported => "the JPEG is of a kind that is not decoded",
            Self::Damaged => "the JPEG is damaged",
        })
    }
}

impl Error for Refusal {}

/// The size at which a component is decoded: samples of a block across and down, 1 to 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Samples of a block across.
    pub across: u8,
    /// Samples of a block down.
    pub down: u8,
}

impl Scale {
    /// All of them: the size of the file.
    pub const FULL: Self = Self { across: 8, down: 8 };

    /// The last coefficient in zigzag order that is needed.
    fn last(self) -> u32 {
        let needed = |place: &u8| place % 8 < self.across && place / 8 < self.down;
        ZIGZAG.iter().zip(0..).filter(|(place, _)| needed(place)).map(|(_, k)| k).max().unwrap_or(0)
    }
}

/// Takes the rows of components.
pub trait Sink {
    /// The next row of a component, of the width that [`scaled`] tells.
    fn row(&mut self, component: usize, row: &[u8]);
}

/// What was found on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// The file ended before the picture.
    pub cut: bool,
    /// Bytes stood where none should be; what was decoded may be wrong.
    pub extraneous: bool,
}

/// The size of a component that is decoded at `scale`.
pub fn scaled(frame: &Frame, component: usize, scale: Scale) -> (u32, u32) {
    let Some(&Component { across, down, .. }) = frame.components().get(component) else { return (0, 0) };
    let most = frame.most();
    (
        (frame.width * u32::from(across) * u32::from(scale.across)).div_ceil(most.0 * 8),
        (frame.height * u32::from(down) * u32::from(scale.down)).div_ceil(most.1 * 8),
    )
}

/// Bytes that [`decode`](crate::decode()) takes beside the file and what the sink keeps.
pub fn memory(frame: &Frame, scales: [Scale; 3], threads: usize) -> u64 {
    let components = 0..frame.components().len();
    let (mcus, rows) = (u64::from(frame.mcus().0), u64::from(frame.mcus().1));
    let blocks: u64 =
        frame.components().iter().map(|it| u64::from(it.across) * u64::from(it.down)).sum::<u64>();
    // A row is filled up to eight blocks; a byte a block tells its extent.
    let band = (mcus * blocks + 8 * 12) * (128 + 1);
    let strips = mcus * 4 * 64 + 8 * 1024;
    // Windows and tables.
    let fixed = 256 << 10;
    let kept: u64 = if frame.progressive {
        components.map(|component| progressive::memory(frame, component, scales[component.min(2)])).sum()
    } else {
        sequential::MEMORY
    };
    let bands = if threads > 1 && !frame.progressive { rows.min((BATCH * BATCHES) as u64) } else { 1 };
    band * bands + strips + fixed + kept
}

/// Decodes a file, each component at its scale. With more than one of `threads`, a second one decodes the
/// entropy-coded data; what comes out is the same.
pub(crate) fn decode(
    bytes: &[u8],
    scales: [Scale; 3],
    threads: usize,
    level: Level,
    sink: &mut impl Sink,
) -> Result<Found, Refusal> {
    let mut markers = Markers::new(bytes);
    let Event::Frame(frame) = markers.next()? else { return Err(Refusal::Damaged) };
    if frame.progressive {
        decode_progressive(bytes, markers, &frame, scales, level, sink)
    } else {
        decode_sequential(bytes, markers, &frame, scales, threads, level, sink)
    }
}

fn decode_sequential(
    bytes: &[u8],
    mut markers: Markers<'_>,
    frame: &Frame,
    scales: [Scale; 3],
    threads: usize,
    level: Level,
    sink: &mut impl Sink,
) -> Result<Found, Refusal> {
    let mut found = Found::default();
    let mut seen = [false; 3];
    let count = frame.components().len();
    while !seen[..count].iter().all(|seen| *seen) {
        let Event::Scan(scan) = markers.next()? else {
            found.cut = true;
            break;
        };
        for selected in &scan.selected {
            // A component comes once.
            if std::mem::replace(&mut seen[selected.component.min(2)], true) {
                return Err(Refusal::Damaged);
            }
        }
        let layout = Layout::new(frame, &scan.selected)?;
        let mut painter = Painter::new(frame, &layout, scales, level);
        for (part, table) in layout.parts.iter().zip(&mut painter.tables) {
            *table = markers.quantisation_of(frame, part.component).ok_or(Refusal::Damaged)?;
        }
        let rows = layout.mcus.1;
        let mut sequential = Sequential::new(bytes, &markers, &scan, layout)?;
        run(&mut sequential, rows, &mut painter, threads, sink)?;
        markers.seek(sequential.end()?);
        found.cut |= sequential.cut;
        found.extraneous |= sequential.extraneous;
        if found.cut {
            break;
        }
    }
    if seen == [false; 3] {
        return Err(Refusal::Damaged);
    }
    for (component, _) in seen.iter().enumerate().take(count).filter(|(_, seen)| !**seen) {
        let (width, height) = scaled(frame, component, scales[component]);
        let gray = vec![128; width as usize];
        for _ in 0..height {
            sink.row(component, &gray);
        }
    }
    Ok(found)
}

/// Decodes the rows of a scan and paints them, beside each other if there is a second thread.
fn run(
    sequential: &mut Sequential<'_>,
    rows: usize,
    painter: &mut Painter<'_>,
    threads: usize,
    sink: &mut impl Sink,
) -> Result<(), Refusal> {
    // Not worth a thread.
    const FEW: usize = 4;
    if threads < 2 || rows < FEW {
        let mut band = Band::new(painter.layout.blocks);
        for _ in 0..rows {
            sequential.row(&mut band)?;
            painter.paint(&band, sink);
        }
        return Ok(());
    }
    let blocks = painter.layout.blocks;
    thread::scope(|scope| {
        let (used, unused) = mpsc::sync_channel::<Vec<Band>>(BATCHES);
        let (decoded, batches) = mpsc::sync_channel(BATCHES);
        for _ in 0..BATCHES.min(rows.div_ceil(BATCH)) {
            // There is room for all.
            let _ = used.send((0..BATCH).map(|_| Band::new(blocks)).collect());
        }
        let worker = scope.spawn(move || {
            let mut left = rows;
            while left > 0 {
                // Else the other side gave up.
                let Some(mut batch) = wait(&unused) else { return };
                batch.truncate(left);
                left -= batch.len();
                let result = batch.iter_mut().try_for_each(|band| sequential.row(band));
                let failed = result.is_err();
                if decoded.send(result.map(|()| batch)).is_err() || failed {
                    return;
                }
            }
        });
        let mut result = Ok(());
        while let Some(batch) = wait(&batches) {
            match batch {
                Ok(batch) => {
                    for band in &batch {
                        painter.paint(band, sink);
                    }
                    // Refused when the worker has its last.
                    let _ = used.send(batch);
                }
                Err(refusal) => result = Err(refusal),
            }
        }
        if let Err(panic) = worker.join() {
            std::panic::resume_unwind(panic);
        }
        result
    })
}

/// What comes next, `None` if nothing will. A thread that sleeps is woken on the processor of the one that wakes it, and
/// then the two run in turns; so it stays awake for as long as a batch may take, giving way to whoever else
/// wants its processor.
fn wait<T>(receiver: &Receiver<T>) -> Option<T> {
    const AWAKE: Duration = Duration::from_millis(5);
    let started = Instant::now();
    loop {
        match receiver.try_recv() {
            Ok(it) => return Some(it),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) if started.elapsed() > AWAKE => return receiver.recv().ok(),
            Err(TryRecvError::Empty) => thread::yield_now(),
        }
    }
}

fn decode_progressive(
    bytes: &[u8],
    mut markers: Markers<'_>,
    frame: &Frame,
    scales: [Scale; 3],
    level: Level,
    sink: &mut impl Sink,
) -> Result<Found, Refusal> {
    let mut progressive = Progressive::new(bytes, frame, scales);
    let mut tables: [Option<[u16; 64]>; 3] = [None; 3];
    let mut scans = 0;
    while let Event::Scan(scan) = markers.next()? {
        for selected in &scan.selected {
            let table = &mut tables[selected.component.min(2)];
            // The one that stands at a component's first scan.
            *table = table.or_else(|| markers.quantisation_of(frame, selected.component));
            if table.is_none() {
                return Err(Refusal::Damaged);
            }
        }
        scans += 1;
        markers.seek(progressive.scan(&markers, &scan)?);
        if progressive.cut {
            break;
        }
    }
    if scans == 0 {
        return Err(Refusal::Damaged);
    }
    let all: Vec<Selected> = (0..frame.components().len())
        .map(|component| Selected { component, ..Selected::default() })
        .collect();
    let layout = Layout::new(frame, &all)?;
    let mut painter = Painter::new(frame, &layout, scales, level);
    for (table, found) in painter.tables.iter_mut().zip(tables) {
        *table = found.unwrap_or([1; 64]);
    }
    let mut band = Band::new(layout.blocks);
    for row in 0..layout.mcus.1 {
        progressive.row(&layout, row, &mut band);
        painter.paint(&band, sink);
    }
    Ok(Found { cut: progressive.cut, extraneous: progressive.extraneous })
}

/// From coefficients to rows of samples.
struct Painter<'f> {
    frame: &'f Frame,
    layout: Layout,
    scales: [Scale; 3],
    /// The quantisation table of each part.
    tables: Vec<[u16; 64]>,
    /// Rows of each component that are to come.
    left: [u32; 3],
    /// Samples of a row of blocks.
    strip: Vec<u8>,
    level: Level,
}

impl<'f> Painter<'f> {
    fn new(frame: &'f Frame, layout: &Layout, scales: [Scale; 3], level: Level) -> Self {
        let left = [0, 1, 2].map(|component| scaled(frame, component, scales[component]).1);
        let tables = vec![[0; 64]; layout.parts.len()];
        Self { frame, layout: layout.clone(), scales, tables, left, strip: Vec::new(), level }
    }

    fn paint(&mut self, band: &Band, sink: &mut impl Sink) {
        for (part, table) in self.layout.parts.iter().zip(&self.tables) {
            let component = part.component.min(2);
            let scale = self.scales[component];
            let size = (usize::from(scale.across), usize::from(scale.down));
            let width = scaled(self.frame, component, scale).0 as usize;
            let stride = part.stride * size.0 + idct::SLACK;
            self.strip.resize(self.strip.len().max(stride * 8), 0);
            for line in 0..part.down {
                let first = part.offset + line * part.stride;
                let range = first..first + part.stride;
                let (Some(blocks), Some(extents)) = (band.blocks.get(range.clone()), band.extents.get(range))
                else {
                    continue;
                };
                transform(self.level, blocks, extents, table, scale, &mut self.strip, stride);
                for row in self.strip.chunks_exact(stride).take(size.1) {
                    if self.left[component] > 0 {
                        self.left[component] -= 1;
                        sink.row(component, &row[..width.min(stride)]);
                    }
                }
            }
        }
    }
}

fn transform(
    level: Level,
    blocks: &[Block],
    extents: &[u8],
    table: &[u16; 64],
    scale: Scale,
    out: &mut [u8],
    stride: usize,
) {
    dispatch!(level, simd => idct::row(simd, blocks, extents, table, scale, out, stride));
}
