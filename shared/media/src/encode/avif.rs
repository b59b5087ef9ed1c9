//! Writing AVIF.

use crate::error::MediaError;
use crate::picture::Picture;

pub(crate) fn encode(_picture: &Picture, _quality: u8) -> Result<Vec<u8>, MediaError> {
    Err(MediaError::encode("AVIF"))
}
