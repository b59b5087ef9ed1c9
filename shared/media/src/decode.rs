//! What decoders of several formats share: what is asked of them and what they give, frames of animations, the memory of a
//! resize, JPEG, which raw files and TIFF hold, too, and LZW, which is TIFF's and GIF's.

pub(crate) mod format;
pub(crate) mod frames;
pub(crate) mod jpeg;
pub(crate) mod lzw;
pub(crate) mod memory;
pub(crate) mod still;
