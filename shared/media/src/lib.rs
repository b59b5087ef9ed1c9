//! Media: bytes in, bytes out.
//!
//! | module | gives |
//! |---|---|
//! | [`sniff`] | what a file is, by its first bytes |
//! | [`metadata`] | what an image's header, EXIF, XMP and IPTC say |
//! | [`placeholder`] | a `ThumbHash` to show at once |
//! | [`profile`] | which derivatives are made |
//! | [`mod@derive`] | resized, oriented, colour-managed copies without metadata |
//! | [`input`] | an image's bytes, in memory or as they come |
//! | [`limits`] | what an image may demand, checked before it is decoded |
//! | [`error`] | why an image was refused, and what its copies could not show |
//!
//! Images are JPEG, PNG, GIF and WebP; others are told as `unsupported_image`.
//!
//! # Invariants
//! - No IO, no clock, no threads, no AWS: what a function does depends on its arguments only, so the
//!   same bytes give the same derivatives.
//! - Nothing is decoded before its header passed the [`limits::Limits`].
//! - Bytes never panic this crate: decoders run contained, a panic becomes `corrupt_image`. This needs
//!   `panic = "unwind"`.
//! - No metadata of an original reaches a derivative.
//! - `unsafe` is used in `native` alone, which wraps the C codecs.

mod animate;
mod colour;
mod decode;
pub mod derive;
mod encode;
pub mod error;
mod header;
mod ifd;
pub mod input;
mod jpeg;
pub mod limits;
pub mod metadata;
mod native;
mod picture;
pub mod placeholder;
mod planes;
pub mod profile;
mod raster;
mod resample;
mod simd;
pub mod sniff;
mod xml;

pub use error::MediaError;
pub use metadata::inspect;
