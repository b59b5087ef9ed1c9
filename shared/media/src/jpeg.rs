//! JPEG (ITU-T T.81), read and written by planes.

pub(crate) mod decode;
pub(crate) mod encode;
mod zigzag;
