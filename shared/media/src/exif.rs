//! Where EXIF's fields lie (CIPA DC-008): three directories of a TIFF structure.

use crate::ifd::{Ifd, Tiff};

const ORIENTATION: u16 = 274;
const EXIF_IFD: u16 = 0x8769;
const GPS_IFD: u16 = 0x8825;

/// The three directories that fields are in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Exif<'a> {
    pub main: Option<Ifd<'a>>,
    pub photo: Option<Ifd<'a>>,
    pub gps: Option<Ifd<'a>>,
}

impl<'a> Exif<'a> {
    /// The directories of a TIFF structure.
    pub fn new(tiff: &'a [u8]) -> Self {
        let main = Tiff::new(tiff).and_then(Tiff::first);
        let child = |tag| main.and_then(|main| main.children(tag).next());
        Self { main, photo: child(EXIF_IFD), gps: child(GPS_IFD) }
    }

    /// 1 to 8; `None` when nothing sensible is said.
    pub fn orientation(&self) -> Option<u8> {
        let value = u8::try_from(self.main?.get(ORIENTATION)?.uint(0)?).ok()?;
        (1..=8).contains(&value).then_some(value)
    }
}

/// The orientation that EXIF fields say, if they can be read.
pub(crate) fn orientation_of(exif: &[u8]) -> Option<u8> {
    Exif::new(exif).orientation()
}
