//! The header of a BMP file.

use super::Header;
use crate::error::MediaError;

pub(super) fn parse(_bytes: &[u8]) -> Result<Header<'_>, MediaError> {
    Err(MediaError::Unsupported { found: "BMP".to_owned() })
}
