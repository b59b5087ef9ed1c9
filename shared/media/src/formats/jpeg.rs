//! JPEG as a file. Its header and its decoder stand in [`crate::decode::jpeg`], since raw files and TIFF hold JPEGs, too.

pub(crate) mod encode;

pub(crate) use crate::decode::jpeg::Jpeg as Head;
use crate::{
    blocks::Blocks,
    decode::{
        format::Format,
        jpeg,
        still::{Still, Want},
    },
    error::MediaError,
    facts::Header,
};

impl<'a> Format<'a> for Head<'a> {
    const TYPES: &'static [&'static str] = &["image/jpeg"];

    fn parse(bytes: &'a [u8]) -> Result<Header<'a, Self>, MediaError> {
        jpeg::parse(bytes)
    }

    fn memory(header: &Header<'a, Self>, target: (u32, u32)) -> u64 {
        jpeg::memory(header, target)
    }

    fn decode(bytes: &'a [u8], header: &Header<'a, Self>, want: &Want<'_>) -> Result<Still<'a>, MediaError> {
        jpeg::decode(bytes, header, want)
    }

    fn blocks(_bytes: &'a [u8], header: &Header<'a, Self>) -> Blocks<'a> {
        jpeg::blocks(header)
    }
}
