//! The header of a raw file.

use super::Header;
use crate::error::MediaError;

/// Whether a sniffed content type is a raw file's.
pub(super) fn is_raw(_content_type: &str) -> bool {
    false
}

pub(super) fn parse(_bytes: &[u8]) -> Result<Header<'_>, MediaError> {
    Err(MediaError::Unsupported { found: "raw".to_owned() })
}
