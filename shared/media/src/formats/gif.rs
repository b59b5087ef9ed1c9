//! GIF (`GIF89a`), still and moving.

mod decode;
mod header;

use std::borrow::Cow;

pub(crate) use self::header::Gif as Head;
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
    const TYPES: &'static [&'static str] = &["image/gif"];

    fn parse(bytes: &'a [u8]) -> Result<Header<'a, Self>, MediaError> {
        header::parse(bytes)
    }

    fn memory(header: &Header<'a, Self>, target: (u32, u32)) -> u64 {
        decode::memory(header, target)
    }

    fn decode(bytes: &'a [u8], header: &Header<'a, Self>, want: &Want<'_>) -> Result<Still<'a>, MediaError> {
        decode::decode(bytes, header, want)
    }

    fn animation(
        bytes: &'a [u8],
        header: &Header<'a, Self>,
        limits: &Limits,
    ) -> Result<Animation<'a>, MediaError> {
        Ok(decode::animation(bytes, header, limits))
    }

    fn blocks(_bytes: &'a [u8], header: &Header<'a, Self>) -> Blocks<'a> {
        Blocks { xmp: header.head.xmp.map(Cow::Borrowed), ..Blocks::of(&header.facts) }
    }
}
