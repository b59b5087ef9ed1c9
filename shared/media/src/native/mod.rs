//! The C codecs, and all of the crate's `unsafe`.
//!
//! [`jpeg`] reads with libjpeg (mozjpeg), which decodes at a reduced DCT scale and goes on past damage;
//! its Rust wrapper is safe, only the error handlers that count warnings aren't. [`webp`] reads and writes with
//! libwebp, the only lossy and animated WebP encoder there is, and the fastest decoder. Hostile bytes reach both
//! only after their header passed the limits.

pub(crate) mod jpeg;
pub(crate) mod webp;
