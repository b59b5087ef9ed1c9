//! Decoding heif.

use crate::error::MediaError;
use crate::header::Header;
use crate::picture::{Still, Want};

pub(super) fn memory(_header: &Header<'_>, _target: (u32, u32)) -> u64 {
    0
}

pub(super) fn decode<'a>(
    _bytes: &'a [u8],
    header: &Header<'a>,
    _want: &Want<'_>,
) -> Result<Still<'a>, MediaError> {
    Err(MediaError::Unsupported { found: header.format.content_type().to_owned() })
}
