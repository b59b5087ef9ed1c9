//! What a format must give to be decoded.

use std::io::Read;

use super::{
    frames::Animation,
    still::{Still, Want},
};
use crate::{blocks::Blocks, error::MediaError, facts::Header, limits::Limits};

/// A format; it is implemented by what only the format's headers have.
///
/// `bytes` are always those that the header was read from.
pub(crate) trait Format<'a>: Sized {
    /// Its content types, as [`crate::sniff`] names them.
    const TYPES: &'static [&'static str];

    /// Reads the header of a file. The one walk through its container: what is wanted later is kept.
    fn parse(bytes: &'a [u8]) -> Result<Header<'a, Self>, MediaError>;

    /// Peak bytes beside the input that [`Self::decode`] takes, from the header alone.
    fn memory(header: &Header<'a, Self>, target: (u32, u32)) -> u64;

    /// Whether a picture of `target` pixels, however small, takes a decode of the whole, and that much more than reading the
    /// file does. Such a file is decoded once.
    fn is_dear(_header: &Header<'a, Self>, _target: (u32, u32)) -> bool {
        false
    }

    /// Decodes the first or only frame.
    fn decode(bytes: &'a [u8], header: &Header<'a, Self>, want: &Want<'_>) -> Result<Still<'a>, MediaError>;

    /// Whether a file that begins with `head` can be decoded as it comes, its header lying in `head`.
    fn streams(_head: &[u8]) -> bool {
        false
    }

    /// The same as [`Self::decode`], where `bytes` are the file's head and `rest` gives what follows. Only called after
    /// [`Self::streams`].
    fn stream(
        bytes: &'a [u8],
        _rest: &mut (dyn Read + Send),
        header: &Header<'a, Self>,
        want: &Want<'_>,
    ) -> Result<Still<'a>, MediaError> {
        Self::decode(bytes, header, want)
    }

    /// Starts decoding an animation; frames are decoded as they are asked for.
    fn animation(
        _bytes: &'a [u8],
        _header: &Header<'a, Self>,
        _limits: &Limits,
    ) -> Result<Animation<'a>, MediaError> {
        Err(MediaError::corrupt("the format has no frames"))
    }

    /// Where the file keeps what it says of itself.
    fn blocks(_bytes: &'a [u8], header: &Header<'a, Self>) -> Blocks<'a> {
        Blocks::of(&header.facts)
    }

    /// The same of a file whose header can't be read, if it still says something.
    fn salvage(_bytes: &'a [u8]) -> Option<Blocks<'a>> {
        None
    }
}
