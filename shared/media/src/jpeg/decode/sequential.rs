//! Sequential scans (ITU-T T.81, F.2): a row of MCUs at a time.

#![expect(clippy::cast_possible_truncation, reason = "coefficients of hostile files wrap")]

use super::band::{Band, Layout};
use super::bits::{Bits, Stop};
use super::huffman::{Ac, Dc};
use super::markers::{Markers, Scan, ZIGZAG};
use super::{Refusal, Scale};

/// Where a coefficient's lanes start in a group, by its index in zigzag order.
const PLACE: [u16; 64] = {
    let mut place = [0; 64];
    let mut k = 0;
    while k < 64 {
        place[k] = ZIGZAG[k] as u16 * 8;
        k += 1;
    }
    place
};

/// The tables and the state of a component.
struct Coding {
    dc: usize,
    ac: usize,
    /// The last coefficient that is kept.
    limit: u32,
    /// The DC coefficient of the block before.
    prediction: i32,
}

/// A scan that is being decoded.
pub(super) struct Sequential<'a> {
    bits: Bits<'a>,
    layout: Layout,
    codings: Vec<Coding>,
    dc: Vec<Option<Dc>>,
    ac: Vec<Option<Ac>>,
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

impl<'a> Sequential<'a> {
    pub fn new(
        data: &'a [u8],
        markers: &Markers<'a>,
        scan: &Scan,
        layout: Layout,
        scales: [Scale; 3],
    ) -> Result<Self, Refusal> {
        if scan.spectrum != (0, 63) || scan.approximation != (0, 0) {
            return Err(Refusal::Damaged);
        }
        let mut dc: Vec<Option<Dc>> = (0..4).map(|_| None).collect();
        let mut ac: Vec<Option<Ac>> = (0..4).map(|_| None).collect();
        let mut codings = Vec::with_capacity(scan.selected.len());
        let limits: Vec<u32> =
            scan.selected.iter().map(|selected| scales[selected.component.min(2)].last()).collect();
        for (selected, &limit) in scan.selected.iter().zip(&limits) {
            let definition = markers.dc.get(selected.dc).and_then(Option::as_ref).ok_or(Refusal::Damaged)?;
            if dc[selected.dc].is_none() {
                dc[selected.dc] = Some(Dc::new(definition).ok_or(Refusal::Damaged)?);
            }
            let definition = markers.ac.get(selected.ac).and_then(Option::as_ref).ok_or(Refusal::Damaged)?;
            if ac[selected.ac].is_none() {
                let passing = scan
                    .selected
                    .iter()
                    .zip(&limits)
                    .any(|(other, limit)| other.ac == selected.ac && *limit < 63);
                ac[selected.ac] = Some(Ac::new(definition, passing).ok_or(Refusal::Damaged)?);
            }
            codings.push(Coding { dc: selected.dc, ac: selected.ac, limit, prediction: 0 });
        }
        let interval = markers.interval;
        Ok(Self {
            bits: Bits::new(data, scan.data),
            layout,
            codings,
            dc,
            ac,
            interval,
            left: interval,
            restart: 0,
            cut: false,
            extraneous: false,
        })
    }

    /// Decodes the next row of MCUs into `band`, which is all 0.
    pub fn row(&mut self, band: &mut Band) -> Result<(), Refusal> {
        let mut done = 0;
        while done < self.layout.mcus.0 && !self.cut {
            let mut run = self.layout.mcus.0 - done;
            if self.interval > 0 {
                if self.left == 0 {
                    self.restart()?;
                    continue;
                }
                run = run.min(self.left as usize);
                self.left -= run as u32;
            }
            self.mcus(band, done, run)?;
            done += run;
        }
        Ok(())
    }

    /// Decodes `count` MCUs without a restart between them.
    fn mcus(&mut self, band: &mut Band, start: usize, count: usize) -> Result<(), Refusal> {
        for mcu in start..start + count {
            match self.bits.ready() {
                Ok(()) => {}
                Err(Stop::Cut) => {
                    self.cut = true;
                    return Ok(());
                }
                Err(Stop::Marker) => return Err(Refusal::Damaged),
            }
            for (part, coding) in self.layout.parts.iter().zip(&mut self.codings) {
                let (Some(Some(dc)), Some(Some(ac))) = (self.dc.get(coding.dc), self.ac.get(coding.ac))
                else {
                    return Err(Refusal::Damaged);
                };
                for row in 0..part.down {
                    for column in 0..part.across {
                        let block = mcu * part.across + column;
                        let at = part.offset + row * part.stride + block / 8;
                        let (Some(group), Some(extent)) = (band.groups.get_mut(at), band.extents.get_mut(at))
                        else {
                            return Err(Refusal::Damaged);
                        };
                        let lane = block % 8;
                        let difference = dc.next(&mut self.bits).ok_or(Refusal::Damaged)?;
                        coding.prediction = coding.prediction.wrapping_add(difference);
                        group[lane] = coding.prediction as i16;
                        let last = ac
                            .block(&mut self.bits, coding.limit, |k, value| {
                                let place = usize::from(PLACE[k as usize & 63]) + lane;
                                group[place & 511] = value as i16;
                            })
                            .ok_or(Refusal::Damaged)?;
                        *extent = (*extent).max(last as u8);
                    }
                }
            }
        }
        Ok(())
    }

    /// Passes a restart marker (E.2.4).
    fn restart(&mut self) -> Result<(), Refusal> {
        let at = self.end()?;
        if self.cut {
            return Ok(());
        }
        if self.bits.byte(at + 1) != Some(0xD0 + self.restart) {
            return Err(Refusal::Damaged);
        }
        self.restart = (self.restart + 1) & 7;
        self.left = self.interval;
        for coding in &mut self.codings {
            coding.prediction = 0;
        }
        self.bits.start(at + 2);
        Ok(())
    }

    /// Goes to the end of the segment, where the marker starts.
    pub fn end(&mut self) -> Result<usize, Refusal> {
        if !self.cut {
            match self.bits.ready() {
                Ok(()) => {}
                Err(Stop::Cut) => self.cut = true,
                Err(Stop::Marker) => return Err(Refusal::Damaged),
            }
        }
        let (left, at) = self.bits.finish();
        self.extraneous |= left;
        Ok(at)
    }
}
