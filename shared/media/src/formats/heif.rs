//! HEIC and AVIF: one container (HEIF), two codecs.

mod decode;
pub(crate) mod encode;
mod header;

use std::borrow::Cow;

pub(crate) use self::header::Heif as Head;
use crate::{
    blocks::Blocks,
    decode::{
        format::Format,
        still::{Still, Want},
    },
    error::MediaError,
    facts::Header,
};

impl<'a> Format<'a> for Head<'a> {
    const TYPES: &'static [&'static str] = &[header::AVIF, header::HEIC];

    fn parse(bytes: &'a [u8]) -> Result<Header<'a, Self>, MediaError> {
        header::parse(bytes)
    }

    fn memory(header: &Header<'a, Self>, target: (u32, u32)) -> u64 {
        decode::memory(header, target)
    }

    fn decode(bytes: &'a [u8], header: &Header<'a, Self>, want: &Want<'_>) -> Result<Still<'a>, MediaError> {
        decode::decode(bytes, header, want)
    }

    fn blocks(_bytes: &'a [u8], header: &Header<'a, Self>) -> Blocks<'a> {
        Blocks { xmp: header.head.container.xmp().map(Cow::Borrowed), ..Blocks::of(&header.facts) }
    }
}
