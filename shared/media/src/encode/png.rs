//! Writing PNG.

use crate::error::MediaError;
use crate::raster::Canvas;

pub(crate) fn encode(_canvas: &Canvas) -> Result<Vec<u8>, MediaError> {
    Err(MediaError::encode("PNG"))
}
