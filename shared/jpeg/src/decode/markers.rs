//! Markers and their segments (ITU-T T.81, annex B), up to each scan's entropy-coded data.

use super::{Refusal, huffman::Definition};
use crate::{
    segments::{Segment, Segments},
    zigzag::ZIGZAG,
};

/// A component of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Component {
    /// Names it in scans.
    pub id: u8,
    /// Sampling factor across, 1 to 4.
    pub across: u8,
    /// Sampling factor down, 1 to 4.
    pub down: u8,
    /// Number of its quantisation table.
    table: u8,
}

/// A frame that is decoded here: 8 bits, Huffman-coded, gray or `Y'CbCr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Whether it comes in several passes.
    pub progressive: bool,
    components: [Component; 3],
    count: u8,
}

impl Frame {
    /// Reads a file up to its frame header.
    ///
    /// # Errors
    /// What [`decode`](crate::decode()) would refuse for its frame header, or for what stands before it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut markers = Markers::new(bytes);
        match markers.next()? {
            Event::Frame(frame) => Ok(frame),
            Event::Scan(_) | Event::End => Err(Refusal::Damaged),
        }
    }

    /// 1 of gray, 3 of `Y'CbCr`.
    pub fn components(&self) -> &[Component] {
        &self.components[..usize::from(self.count).min(3)]
    }

    /// The largest sampling factors, across and down.
    pub fn most(&self) -> (u32, u32) {
        let most = |pick: fn(&Component) -> u8| self.components().iter().map(pick).max().unwrap_or(1);
        (most(|component| component.across).into(), most(|component| component.down).into())
    }

    /// A component's samples across and down (A.1.1).
    pub fn samples(&self, component: usize) -> (u32, u32) {
        let Component { across, down, .. } = self.components[component.min(2)];
        let (most_across, most_down) = self.most();
        (
            (self.width * u32::from(across)).div_ceil(most_across),
            (self.height * u32::from(down)).div_ceil(most_down),
        )
    }

    /// MCUs of scans of more than one component.
    pub fn mcus(&self) -> (u32, u32) {
        let (across, down) = self.most();
        (self.width.div_ceil(8 * across), self.height.div_ceil(8 * down))
    }
}

/// A component of a scan.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Selected {
    /// Index in the frame.
    pub component: usize,
    pub dc: usize,
    pub ac: usize,
}

/// A scan header (B.2.3).
#[derive(Debug, Clone)]
pub(super) struct Scan {
    pub selected: Vec<Selected>,
    /// First and last coefficient.
    pub spectrum: (u32, u32),
    /// The bit positions of successive approximation: that of the scan before, 0 for none, and this one's.
    pub approximation: (u32, u32),
    /// Where the entropy-coded data starts.
    pub data: usize,
}

pub(super) enum Event {
    Frame(Frame),
    Scan(Scan),
    /// End of image, or of the file.
    End,
}

/// Walks over the segments and keeps the tables.
pub(super) struct Markers<'a> {
    segments: Segments<'a>,
    /// By row and column.
    pub quantisation: [Option<[u16; 64]>; 4],
    pub dc: [Option<Definition>; 4],
    pub ac: [Option<Definition>; 4],
    /// MCUs between restarts, 0 for none.
    pub interval: u32,
    jfif: bool,
    /// The transform that Adobe's marker names.
    adobe: Option<u8>,
    frame: Option<Frame>,
}

impl<'a> Markers<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self {
            segments: Segments::new(data),
            quantisation: [None; 4],
            dc: [const { None }; 4],
            ac: [const { None }; 4],
            interval: 0,
            jfif: false,
            adobe: None,
            frame: None,
        }
    }

    /// Goes on from `at`, behind a scan's data.
    pub fn seek(&mut self, at: usize) {
        self.segments.seek(at);
    }

    /// Goes to the next frame or scan header or the end.
    pub fn next(&mut self) -> Result<Event, Refusal> {
        loop {
            let Some(Segment { marker, payload: segment, length }) = self.segments.next() else {
                return Ok(Event::End);
            };
            if length < 2 {
                return Err(Refusal::Damaged);
            }
            match marker {
                0xD9 => return Ok(Event::End),
                0xC0..=0xC2 => {
                    if self.frame.is_some() {
                        return Err(Refusal::Damaged);
                    }
                    let frame = self.frame_header(segment, marker == 0xC2)?;
                    self.frame = Some(frame);
                    return Ok(Event::Frame(frame));
                }
                0xC4 => self.huffman(segment).ok_or(Refusal::Damaged)?,
                // Other processes; a number of lines that comes later; a hierarchy.
                0xC3 | 0xC5..=0xCF | 0xDC | 0xDE | 0xDF => return Err(Refusal::Unsupported),
                0xDA => return Ok(Event::Scan(self.scan_header(segment).ok_or(Refusal::Damaged)?)),
                0xDB => self.quantisation(segment).ok_or(Refusal::Damaged)?,
                0xDD => {
                    let [high, low] = *segment else { return Err(Refusal::Damaged) };
                    self.interval = u16::from_be_bytes([high, low]).into();
                }
                0xE0 => self.jfif |= segment.len() >= 14 && segment.starts_with(b"JFIF\0"),
                0xEE => {
                    if let Some(rest) = segment.strip_prefix(b"Adobe")
                        && let Some(transform) = rest.get(6)
                    {
                        self.adobe = Some(*transform);
                    }
                }
                _ => {}
            }
        }
    }

    /// B.2.2.
    fn frame_header(&self, segment: &[u8], progressive: bool) -> Result<Frame, Refusal> {
        let &[precision, h1, h0, w1, w0, count, ref specs @ ..] = segment else {
            return Err(Refusal::Damaged);
        };
        let (width, height) = (u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into());
        if precision != 8 || !matches!(count, 1 | 3) || width == 0 || height == 0 {
            return Err(Refusal::Unsupported);
        }
        let (specs, rest) = specs.as_chunks::<3>();
        if specs.len() != usize::from(count) || !rest.is_empty() {
            return Err(Refusal::Damaged);
        }
        let mut components = [Component::default(); 3];
        for (component, &[id, factors, table]) in components.iter_mut().zip(specs) {
            *component = Component { id, across: factors >> 4, down: factors & 15, table };
            if !(1..=4).contains(&component.across) || !(1..=4).contains(&component.down) || table > 3 {
                return Err(Refusal::Damaged);
            }
        }
        let [first, second, third] = components.map(|component| component.id);
        if count == 3 && (first == second || second == third || first == third) {
            return Err(Refusal::Unsupported);
        }
        // As libjpeg guesses (jdapimin.c, default_decompress_parms).
        let rgb = match (self.jfif, self.adobe) {
            (true, _) => false,
            (false, Some(transform)) => transform == 0,
            (false, None) => (first, second, third) == (b'R', b'G', b'B'),
        };
        if count == 3 && rgb {
            return Err(Refusal::Unsupported);
        }
        if count == 1 {
            // Its factors say nothing where there are no others (A.2.2).
            (components[0].across, components[0].down) = (1, 1);
        }
        Ok(Frame { width, height, progressive, components, count })
    }

    /// B.2.4.1.
    fn quantisation(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = segment.split_first() {
            let wide = head >> 4 != 0;
            let slot = self.quantisation.get_mut(usize::from(head & 15))?;
            let mut table = [0; 64];
            let (values, rest) = rest.split_at_checked(if wide { 128 } else { 64 })?;
            for (k, &place) in ZIGZAG.iter().enumerate() {
                table[usize::from(place & 63)] = if wide {
                    u16::from_be_bytes([values[2 * k], values[2 * k + 1]])
                } else {
                    values[k].into()
                };
            }
            *slot = Some(table);
            segment = rest;
        }
        Some(())
    }

    /// B.2.4.2.
    fn huffman(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = segment.split_first() {
            let slots = if head >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let slot = if head >> 4 <= 1 { slots.get_mut(usize::from(head & 15))? } else { return None };
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
            if total > 256 {
                return None;
            }
            let (symbols, rest) = rest.split_at_checked(total)?;
            *slot = Some(Definition { counts: *counts, symbols: symbols.to_vec() });
            segment = rest;
        }
        Some(())
    }

    /// B.2.3.
    fn scan_header(&self, segment: &[u8]) -> Option<Scan> {
        let frame = self.frame.as_ref()?;
        let (&count, rest) = segment.split_first()?;
        let (specs, rest) = rest.split_at_checked(2 * usize::from(count))?;
        let &[start, end, approximation] = rest else { return None };
        let mut selected: Vec<Selected> = Vec::new();
        for &[id, tables] in specs.as_chunks::<2>().0 {
            let component = frame.components().iter().position(|component| component.id == id)?;
            // Each once, in the order of the frame.
            if selected.last().is_some_and(|last| last.component >= component) {
                return None;
            }
            let (dc, ac) = (usize::from(tables >> 4), usize::from(tables & 15));
            selected.push(Selected { component, dc, ac });
        }
        if selected.is_empty() {
            return None;
        }
        Some(Scan {
            selected,
            spectrum: (start.into(), end.into()),
            approximation: ((approximation >> 4).into(), (approximation & 15).into()),
            data: self.segments.at(),
        })
    }

    /// The quantisation table of a component, as of now.
    pub fn quantisation_of(&self, frame: &Frame, component: usize) -> Option<[u16; 64]> {
        *self.quantisation.get(usize::from(frame.components().get(component)?.table))?
    }
}
