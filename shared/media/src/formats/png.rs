//! PNG (third edition), still and moving; a still is decoded as it comes.

mod decode;
pub(crate) mod encode;
mod header;
mod motion;
mod text;

use std::{borrow::Cow, io::Read};

pub(crate) use self::header::Png as Head;
use self::{motion::Motion, text::Profiles};
use crate::{
    blocks::Blocks,
    decode::{
        format::Format,
        frames::Animation,
        still::{Still, Want},
    },
    error::MediaError,
    facts::Header,
    limits::Limits,
};

impl<'a> Format<'a> for Head<'a> {
    const TYPES: &'static [&'static str] = &["image/png"];

    fn parse(bytes: &'a [u8]) -> Result<Header<'a, Self>, MediaError> {
        header::parse(bytes)
    }

    fn memory(header: &Header<'a, Self>, target: (u32, u32)) -> u64 {
        decode::memory(header, target)
    }

    fn decode(bytes: &'a [u8], header: &Header<'a, Self>, want: &Want<'_>) -> Result<Still<'a>, MediaError> {
        decode::decode(bytes, header, want)
    }

    fn streams(head: &[u8]) -> bool {
        // Everything but the pixels lies there, and nothing moves.
        Head::read(head)
            .is_ok_and(|png| png.data.is_some() && !matches!(png.motion, Motion::Moving { frames: 2.., .. }))
    }

    fn stream(
        bytes: &'a [u8],
        rest: &mut (dyn Read + Send),
        header: &Header<'a, Self>,
        want: &Want<'_>,
    ) -> Result<Still<'a>, MediaError> {
        decode::stream(bytes, rest, &header.head, want)
    }

    fn animation(
        bytes: &'a [u8],
        header: &Header<'a, Self>,
        limits: &Limits,
    ) -> Result<Animation<'a>, MediaError> {
        decode::apng::animation(bytes, &header.head, limits)
    }

    fn blocks(_bytes: &'a [u8], header: &Header<'a, Self>) -> Blocks<'a> {
        let Profiles { exif, xmp, iptc } = Profiles::read(&header.head.profiles);
        Blocks {
            coded_exif: exif,
            xmp: header.head.xmp().or(xmp.map(Cow::Owned)),
            iptc: iptc.map(Cow::Owned),
            ..Blocks::of(&header.facts)
        }
    }
}
