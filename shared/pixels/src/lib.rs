//! Pixels between a decoder and an encoder: as planes or interleaved, resized, turned, and brought to sRGB.
//!
//! | module | gives |
//! |---|---|
//! | [`raster`] | interleaved pixels of any model, of 8 or 16 bits; a canvas of 8 bits, turned and laid on white |
//! | [`planar`] | `Y'CbCr` with halved chroma, the form that JPEG, WebP and AVIF share; to and from a canvas |
//! | [`resample`] | Lanczos-3, row by row while a picture is decoded, in memory that is known from the sizes |
//! | [`colour`] | from any profile to sRGB |
//! | [`simd`] | which vector instructions there are |
//!
//! # Invariants
//! - No IO, no clock, no files: what a function gives depends on its arguments only, and is the same at every level of
//!   vector instructions.
//! - A broken profile never panics this crate: it is told and left out. This needs `panic = "unwind"`.
//! - No result depends on whether overflow is checked.
//! - There is no `unsafe`.

pub mod colour;
pub mod error;
pub mod planar;
mod planes;
pub mod raster;
pub mod resample;
pub mod simd;

pub use self::error::PixelError;
