//! Cameras' raw files: the JPEG that the camera put into them.

mod header;

pub(crate) use self::header::Preview as Head;
use self::header::Preview;
use crate::{
    blocks::Blocks,
    decode::{
        format::Format,
        jpeg,
        still::{Still, Want},
    },
    error::MediaError,
    facts::Header,
    ifd::Tiff,
};

impl<'a> Format<'a> for Head<'a> {
    const TYPES: &'static [&'static str] = header::TYPES;

    fn parse(bytes: &'a [u8]) -> Result<Header<'a, Self>, MediaError> {
        header::parse(bytes)
    }

    fn memory(header: &Header<'a, Self>, target: (u32, u32)) -> u64 {
        jpeg::memory(&header.head.header, target)
    }

    fn decode(_bytes: &'a [u8], header: &Header<'a, Self>, want: &Want<'_>) -> Result<Still<'a>, MediaError> {
        jpeg::decode(header.head.jpeg, &header.head.header, want)
    }

    fn blocks(bytes: &'a [u8], header: &Header<'a, Self>) -> Blocks<'a> {
        // The preview tells less than the raw file around it, unless that is no TIFF.
        if Tiff::new(bytes).is_some() {
            return Blocks::tiff(bytes);
        }
        let Preview { header: preview, exif, .. } = &header.head;
        let mut blocks = jpeg::blocks(preview);
        if exif.main.is_some() {
            blocks.exif = *exif;
        }
        blocks
    }

    fn salvage(bytes: &'a [u8]) -> Option<Blocks<'a>> {
        Some(Blocks::tiff(bytes))
    }
}
