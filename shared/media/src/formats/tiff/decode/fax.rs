//! Fax: rows of one bit a pixel as lengths of runs, or as differences to the row above (ITU-T T.4 and T.6; TIFF 6.0,
//! sections 10 and 11).
//!
//! A row is done when its width is reached. TIFF leaves out what a fax machine needs besides: the end of line behind
//! the last row, often those between rows, and the codes that end a page.

use std::{borrow::Cow, cmp::Ordering};

use fax::{
    BitReader,
    maps::{Mode, black, mode, white},
};

use super::Fault;
use crate::formats::tiff::header::Fax;

/// Zeros before the 1 that ends a line, at least.
const EOL_ZEROS: usize = 11;
/// Bits of the longest code.
const LONGEST_CODE: usize = 13;

/// A strip or tile that is being decoded.
pub(super) struct FaxRows<'a> {
    bits: Bits<'a>,
    coding: Fax,
    width: u32,
    /// Lines are ended by a code of their own.
    ends: bool,
    /// Where the row above changes its colour, white first; changes at the width are left out.
    above: Vec<u32>,
    row: Vec<u32>,
}

impl<'a> FaxRows<'a> {
    pub fn new(data: Cow<'a, [u8]>, coding: Fax, width: u32) -> Self {
        let bits = Bits { data, position: 0 };
        Self { bits, coding, width, ends: false, above: Vec::new(), row: Vec::new() }
    }

    /// Fills a row: black is 1.
    pub fn read(&mut self, out: &mut [u8]) -> Result<(), Fault> {
        self.row.clear();
        match self.coding {
            Fax::Bytes => {
                self.bits.align(8);
                self.one_dimensional()?;
            }
            Fax::Words => {
                self.bits.align(16);
                self.one_dimensional()?;
            }
            Fax::Group3 { two_dimensional } => {
                if self.begin_line(two_dimensional)? {
                    self.one_dimensional()?;
                } else {
                    self.two_dimensional()?;
                }
            }
            Fax::Group4 => self.two_dimensional()?,
        }
        paint(&self.row, out);
        std::mem::swap(&mut self.row, &mut self.above);
        Ok(())
    }

    /// Passes over the end of the line before, and tells whether the one that begins is one-dimensional.
    fn begin_line(&mut self, two_dimensional: bool) -> Result<bool, Fault> {
        if self.bits.take_end_of_line() {
            self.ends = true;
        } else if self.ends {
            // Behind its width a line may hold what doesn't count.
            while !self.bits.take_end_of_line() {
                self.bits.skip_to_zeros()?;
            }
        } else if two_dimensional && self.bits.position > 0 {
            return Err(Fault::broken("a fax whose lines don't tell how they are coded"));
        } else {
            return Ok(true);
        }
        let one_dimensional = !two_dimensional || self.bits.take_bit()?;
        // Two ends of line in a row begin the end of the page.
        if self.bits.end_of_line().is_some() { Err(Fault::Short) } else { Ok(one_dimensional) }
    }

    fn one_dimensional(&mut self) -> Result<(), Fault> {
        let (mut at, mut is_black) = (0, false);
        while at < self.width {
            let run = self.bits.run(is_black)?;
            at = self.change(at.saturating_add(run));
            is_black = !is_black;
        }
        Ok(())
    }

    /// ITU-T T.4, 4.2: a0 is where the row stands, b1 and b2 the changes that come next in the row above.
    fn two_dimensional(&mut self) -> Result<(), Fault> {
        // None is before the first pixel.
        let (mut a0, mut is_black) = (None, false);
        let mut next = 0;
        while a0 < Some(self.width) {
            let change = |index: usize| self.above.get(index).copied();
            while change(next).is_some_and(|change| Some(change) <= a0) {
                next += 1;
            }
            // Changes to black are even, those to white odd.
            let b1 = if (next % 2 == 1) == is_black { next } else { next + 1 };
            let b2 = change(b1 + 1).unwrap_or(self.width);
            let b1 = change(b1).unwrap_or(self.width);
            match self.bits.mode()? {
                Mode::Pass => a0 = Some(b2),
                Mode::Horizontal => {
                    let a1 = a0.unwrap_or(0).saturating_add(self.bits.run(is_black)?);
                    let a2 = a1.saturating_add(self.bits.run(!is_black)?);
                    self.change(a1);
                    a0 = Some(self.change(a2));
                }
                Mode::Vertical(delta) => {
                    let a1 = b1.checked_add_signed(delta.into()).filter(|a1| *a1 >= a0.unwrap_or(0));
                    let a1 = a1.ok_or_else(|| Fault::broken("a fax whose row goes back"))?;
                    a0 = Some(self.change(a1));
                    is_black = !is_black;
                }
                Mode::Extension => return Err(Fault::broken("a fax that is uncompressed in part")),
                Mode::EOF => return Err(Fault::Short),
            }
        }
        Ok(())
    }

    /// Changes the colour at a pixel, which is at most the width; two changes there are none.
    fn change(&mut self, at: u32) -> u32 {
        match at.cmp(&self.width) {
            Ordering::Less if self.row.last() == Some(&at) => {
                self.row.pop();
                at
            }
            Ordering::Less => {
                self.row.push(at);
                at
            }
            _ => self.width,
        }
    }
}

/// Bits of a row that changes its colour at `changes`, white first: black is 1.
fn paint(changes: &[u32], out: &mut [u8]) {
    out.fill(0);
    let width = out.len() * 8;
    for pair in changes.chunks(2) {
        let end = pair.get(1).map_or(width, |&end| (end as usize).min(width));
        for x in (pair[0] as usize).min(width)..end {
            out[x / 8] |= 0x80 >> (x % 8);
        }
    }
}

/// Bits from the high one on. Behind the end there are zeros to look at, and none to take.
struct Bits<'a> {
    data: Cow<'a, [u8]>,
    position: usize,
}

impl Bits<'_> {
    fn left(&self) -> usize {
        (self.data.len() * 8).saturating_sub(self.position)
    }

    /// To the next multiple of `size` bits.
    fn align(&mut self, size: usize) {
        self.position = self.position.next_multiple_of(size);
    }

    fn is_set(&self, at: usize) -> bool {
        self.data.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0)
    }

    fn take_bit(&mut self) -> Result<bool, Fault> {
        let bit = self.is_set(self.position);
        self.consume(1)?;
        Ok(bit)
    }

    /// How many zeros come next.
    fn zeros(&self) -> usize {
        let mut at = self.position;
        let end = self.data.len() * 8;
        while at < end && !self.is_set(at) {
            // Fill can be long.
            at += if at.is_multiple_of(8) && self.data[at / 8] == 0 { 8 } else { 1 };
        }
        at - self.position
    }

    /// Bits of the end of line that comes next, with the fill before it.
    fn end_of_line(&self) -> Option<usize> {
        let zeros = self.zeros();
        (zeros >= EOL_ZEROS && zeros < self.left()).then_some(zeros + 1)
    }

    fn take_end_of_line(&mut self) -> bool {
        let length = self.end_of_line();
        self.position += length.unwrap_or(0);
        length.is_some()
    }

    /// Passes over the zeros and the ones that come next.
    fn skip_to_zeros(&mut self) -> Result<(), Fault> {
        self.position += self.zeros();
        while self.take_bit()? {}
        self.position -= 1;
        Ok(())
    }

    /// The length of a run.
    fn run(&mut self, is_black: bool) -> Result<u32, Fault> {
        let mut length = 0_u32;
        loop {
            let code = if is_black { black::decode(self) } else { white::decode(self) };
            let part = u32::from(code.ok_or_else(|| self.undefined())?);
            length = length.saturating_add(part);
            // Longer runs are made of multiples of 64 and one shorter than that.
            if part < 64 {
                return Ok(length);
            }
        }
    }

    fn mode(&mut self) -> Result<Mode, Fault> {
        mode::decode(self).ok_or_else(|| self.undefined())
    }

    /// Why no code was found.
    fn undefined(&self) -> Fault {
        if self.left() < LONGEST_CODE { Fault::Short } else { Fault::broken("a fax code that isn't defined") }
    }
}

impl BitReader for Bits<'_> {
    type Error = Fault;

    fn peek(&self, bits: u8) -> Option<u16> {
        let byte = |offset: usize| u32::from(self.data.get(self.position / 8 + offset).copied().unwrap_or(0));
        let window = byte(0) << 24 | byte(1) << 16 | byte(2) << 8;
        let aligned = window << (self.position % 8);
        u16::try_from(aligned.checked_shr(32 - u32::from(bits.min(16))).unwrap_or(0)).ok()
    }

    fn consume(&mut self, bits: u8) -> Result<(), Fault> {
        if usize::from(bits) > self.left() {
            return Err(Fault::Short);
        }
        self.position += usize::from(bits);
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        u8::try_from(self.position.next_multiple_of(8) - self.position).unwrap_or(0)
    }
}
