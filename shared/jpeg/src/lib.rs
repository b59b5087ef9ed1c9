#![doc = include_str!("../README.md")]

mod decode;
mod encode;
mod segments;
mod simd;
mod zigzag;

pub use self::{
    decode::{Component, Found, Frame, Refusal, Scale, Sink, memory, scaled},
    encode::{EncodeError, Picture, Plane, encode},
    segments::{Segment, Segments},
};

/// Decodes a file, each component at its scale, and gives its rows to `sink`. With more than one of `threads`, a second
/// one decodes the entropy-coded data; what comes out is the same.
///
/// # Errors
/// A [`Refusal`]. Rows may have been given before it.
pub fn decode(
    bytes: &[u8],
    scales: [Scale; 3],
    threads: usize,
    sink: &mut impl Sink,
) -> Result<Found, Refusal> {
    decode::decode(bytes, scales, threads, simd::level(), sink)
}
