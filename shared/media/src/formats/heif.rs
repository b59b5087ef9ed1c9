//! HEIC and AVIF: one container (HEIF), two codecs.

mod decode;
pub(crate) mod encode;
mod header;

use std::borrow::Cow;

use self::header::Container;
pub(crate) use self::header::Heif as Head;
use crate::{
    blocks::Blocks,
    decode::{
        format::Format,
        still::{Still, Want},
    },
    error::MediaError,
    exif::Exif,
    facts::Header,
};

fn blocks<'a>(container: &Container<'a>) -> Blocks<'a> {
    let blocks = Blocks { xmp: container.xmp(), ..Blocks::default() };
    match container.exif() {
        Some(Cow::Borrowed(exif)) => Blocks { exif: Exif::new(exif), ..blocks },
        Some(Cow::Owned(exif)) => Blocks { coded_exif: Some(exif), ..blocks },
        None => blocks,
    }
}

impl<'a> Format<'a> for Head<'a> {
    const TYPES: &'static [&'static str] = &[header::AVIF, header::HEIC, header::AVCI];

    fn parse(bytes: &'a [u8]) -> Result<Header<'a, Self>, MediaError> {
        header::parse(bytes)
    }

    fn memory(header: &Header<'a, Self>, target: (u32, u32)) -> u64 {
        decode::memory(header, target)
    }

    /// HEVC and AV1 have no smaller picture in them; a thumbnail beside it is one.
    fn is_dear(header: &Header<'a, Self>, target: (u32, u32)) -> bool {
        header.head.thumbnail_for(target).is_none()
    }

    fn decode(bytes: &'a [u8], header: &Header<'a, Self>, want: &Want<'_>) -> Result<Still<'a>, MediaError> {
        decode::decode(bytes, header, want)
    }

    fn blocks(_bytes: &'a [u8], header: &Header<'a, Self>) -> Blocks<'a> {
        blocks(&header.head.container)
    }

    fn salvage(bytes: &'a [u8]) -> Option<Blocks<'a>> {
        Some(blocks(&Container::parse(bytes).ok()?))
    }
}
