//! WebP by libwebp: reading and writing.
//!
//! Invariants: the lengths of all buffers are checked here, not by the callers; a decoder is started only with
//! the size that the header promised, and stops when the data says another; what libwebp allocates is owned by
//! types whose `Drop` frees it.

#![expect(unsafe_code, reason = "libwebp is a C library")]

mod decode;
mod encode;

use std::ffi::c_int;

pub(crate) use decode::{Band, End, Layout, Rows, lossy, raster};
pub(crate) use encode::{Yuv, encode, encode_lossless, encode_sharp, encode_yuv};

use crate::error::MediaError;

/// Longest edge of a WebP (RFC 9649, 2.5: 14 bits).
pub(crate) const MAX_EDGE: u32 = 16_383;

fn edge(pixels: u32) -> Result<c_int, MediaError> {
    if pixels == 0 || pixels > MAX_EDGE {
        return Err(MediaError::encode(format!("an edge of {pixels} pixels doesn't fit into WebP")));
    }
    c_int::try_from(pixels).map_err(MediaError::encode)
}
