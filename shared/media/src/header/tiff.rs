//! The header of a TIFF file.

use super::Header;
use crate::error::MediaError;

pub(super) fn parse(_bytes: &[u8]) -> Result<Header<'_>, MediaError> {
    Err(MediaError::Unsupported { found: "TIFF".to_owned() })
}
