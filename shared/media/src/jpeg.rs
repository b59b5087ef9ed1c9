//! JPEG (ITU-T T.81), read and written by planes.

#[allow(dead_code)]
pub(crate) mod decode;
#[allow(dead_code)]
pub(crate) mod encode;
