//! The header of an AVIF or HEIC file.

use super::{Format, Header};
use crate::error::MediaError;

pub(super) fn parse(_bytes: &[u8], format: Format) -> Result<Header<'_>, MediaError> {
    Err(MediaError::Unsupported { found: format.content_type().to_owned() })
}
