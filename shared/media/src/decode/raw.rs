//! Decoding raw files: the JPEG that the camera put into them.

use super::{
    jpeg,
    still::{Still, Want},
};
use crate::{error::MediaError, header::Header};

/// Peak bytes beside the input that [`decode`] takes: those of a JPEG, whose header this is.
pub(super) fn memory(header: &Header<'_>, target: (u32, u32)) -> u64 {
    jpeg::memory(header, target)
}

/// Decodes the preview.
pub(super) fn decode<'a>(
    _bytes: &'a [u8],
    header: &Header<'a>,
    want: &Want<'_>,
) -> Result<Still<'a>, MediaError> {
    let preview = header.raw.as_ref().ok_or_else(|| MediaError::corrupt("there is no preview"))?;
    jpeg::decode(preview.jpeg, header, want)
}
