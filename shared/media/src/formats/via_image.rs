//! What has no reader of its own here goes through the `image` crate: Netpbm's formats, QOI, Windows' icons and farbfeld.
//!
//! These are small and rare, so the whole picture is decoded before it is resized, and a file that is cut short shows nothing.
//! Their headers are held against the same limits as any other, before the picture has memory.

mod decode;
mod header;
#[cfg(test)]
mod tests;

pub(crate) use self::header::ViaImage as Head;
use crate::{
    decode::{
        format::Format,
        still::{Still, Want},
    },
    error::MediaError,
    facts::Header,
};

impl<'a> Format<'a> for Head<'a> {
    const TYPES: &'static [&'static str] = &[header::NETPBM, header::QOI, header::ICON, header::FARBFELD];

    fn parse(bytes: &'a [u8]) -> Result<Header<'a, Self>, MediaError> {
        header::parse(bytes)
    }

    fn memory(header: &Header<'a, Self>, target: (u32, u32)) -> u64 {
        decode::memory(header, target)
    }

    fn decode(_bytes: &'a [u8], header: &Header<'a, Self>, want: &Want<'_>) -> Result<Still<'a>, MediaError> {
        decode::decode(header, want)
    }
}
