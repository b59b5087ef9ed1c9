//! SVG, drawn at the size that is wanted.

mod decode;
mod header;

pub(crate) use self::header::Svg as Head;
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
    const TYPES: &'static [&'static str] = &["image/svg+xml"];

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
        let (title, description) = header::texts(&header.head.text);
        Blocks { title, description, ..Blocks::default() }
    }
}
