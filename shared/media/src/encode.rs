//! From finished pictures to the bytes of a derivative.
//!
//! Encoders get pixels only: no EXIF, no XMP, no profile can reach a derivative, because nothing here has a way to write
//! one.

pub(crate) mod avif;
pub(crate) mod jpeg;
pub(crate) mod png;
pub(crate) mod webp;
