//! The C codecs, and all of the crate's `unsafe`.
//!
//! [`jpeg`] reads with libjpeg (mozjpeg), which decodes at a reduced DCT scale and goes on past damage;
//! its Rust wrapper is safe, only the error handlers that count warnings aren't. [`webp`] writes with
//! libwebp, the only lossy and animated WebP encoder there is. Hostile bytes reach libjpeg only, and only
//! after their header passed the limits; libwebp gets finished pixels.

pub(crate) mod jpeg;
pub(crate) mod webp;
