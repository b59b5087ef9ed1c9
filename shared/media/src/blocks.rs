//! What a file says of itself, block by block, as its format's walk found it: not parsed yet.

use std::borrow::Cow;

use crate::{exif::Exif, facts::Facts, ifd::Ifd};

const TIFF_XMP: u16 = 700;
const TIFF_IPTC: u16 = 33_723;
const TIFF_PHOTOSHOP: u16 = 34_377;

/// Most bytes of an XMP packet that are read: a JPEG's segment holds 64 KiB, other containers any number.
pub(crate) const MAX_XMP_BYTES: usize = 1 << 20;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Blocks<'a> {
    pub exif: Exif<'a>,
    /// The TIFF structure with the EXIF fields, where the file holds it in another form than as it is.
    pub coded_exif: Option<Vec<u8>>,
    pub xmp: Option<Cow<'a, [u8]>>,
    pub iptc: Option<Cow<'a, [u8]>>,
    /// The title that the format itself has room for.
    pub title: Option<String>,
    /// The description, likewise.
    pub description: Option<String>,
}

impl<'a> Blocks<'a> {
    /// The EXIF fields that are among the facts.
    pub fn of(facts: &Facts<'a>) -> Self {
        Self { exif: facts.exif.map(Exif::new).unwrap_or_default(), ..Self::default() }
    }

    /// A TIFF structure as a whole file.
    pub fn tiff(bytes: &'a [u8]) -> Self {
        let exif = Exif::new(bytes);
        let data = |tag| exif.main.as_ref().and_then(|main: &Ifd<'a>| main.get(tag)).map(|entry| entry.data);
        Self {
            exif,
            xmp: data(TIFF_XMP).map(Cow::Borrowed),
            iptc: data(TIFF_IPTC)
                .or_else(|| data(TIFF_PHOTOSHOP).and_then(iptc_in_resources))
                .map(Cow::Borrowed),
            ..Self::default()
        }
    }
}

/// The IIM of a JPEG's APP13 payload or a TIFF's tag 34377, both lists of Photoshop resources ("Adobe
/// Photoshop File Formats Specification", image resource blocks).
pub(crate) fn iptc_in_resources(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let block = rest.strip_prefix(b"8BIM")?;
        let (id, named) = block.split_at_checked(2)?;
        // The name is counted with its length byte, and padded to an even number.
        let name = (usize::from(*named.first()?) + 2) & !1;
        let (length, data) = named.get(name..)?.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        if id == [0x04, 0x04] {
            return Some(&data[..length.min(data.len())]);
        }
        rest = data.get(length.checked_add(length & 1)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_is_found_behind_others() {
        let mut resources = b"8BIM\x04\x25\0\0\0\0\0\x03abc\0".to_vec();
        resources.extend(b"8BIM\x04\x04\x03abc\0\0\0\x02xy");
        assert_eq!(iptc_in_resources(&resources), Some(&b"xy"[..]));
        for length in 0..resources.len() {
            let _ = iptc_in_resources(&resources[..length]);
        }
        assert_eq!(iptc_in_resources(b"8BIM\x04\x25\0\0\xFF\xFF\xFF\xFF"), None);
    }
}
