//! Media: bytes in, bytes out.
//!
//! | module | gives |
//! |---|---|
//! | [`sniff`] | what a file is, by its first bytes and, where those leave it open, by others |
//! | [`metadata`] | what an image's header, EXIF, XMP and IPTC say |
//! | [`placeholder`] | a `ThumbHash` to show at once |
//! | [`profile`] | which derivatives are made |
//! | [`mod@derive`] | resized, oriented, colour-managed copies without metadata |
//! | [`input`] | an image's bytes, in memory or as they come |
//! | [`limits`] | what an image may demand, checked before it is decoded |
//! | [`error`] | why an image was refused, and what its copies could not show |
//!
//! Images are JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF, HEIC, SVG, PNM, QOI, ICO, farbfeld and the preview in a camera's raw
//! file; everything else is refused as `unsupported_image`.
//!
//! The way of the data: `formats` reads what is known before a pixel is decoded, holds it against [`limits`], and gives the
//! picture at the size of the largest derivative (rows go through [`sluice_pixels::resample`] as they come). `colour` makes it
//! sRGB, and from then on it is a picture of [`mod@derive`]: planes as JPEG, WebP and AVIF share them, or RGBA where something
//! shows through.
//!
//! Storeys, from the lowest: `bytes`, [`error`], `ifd`, [`input`], [`limits`], [`sniff`], `xml`; `blocks`, `exif`, `facts`;
//! `decode` (what decoders share) and `native`; `formats`; `colour`, [`profile`]; [`mod@derive`], [`metadata`],
//! [`placeholder`]. A module imports from its own storey and from below; a test of the repository holds it to that.
//!
//! # Invariants
//! - No IO but the reader that is given, no clock, no AWS: what a function does depends on its arguments only, so the same
//!   bytes give the same derivatives, on any number of threads and at any level of vector instructions.
//! - Nothing is decoded before its header passed the [`limits::Limits`].
//! - Bytes never panic this crate: decoders run contained, a panic becomes `corrupt_image`, and what it said is for the log
//!   alone. This needs `panic = "unwind"`.
//! - No result depends on whether overflow is checked: `make check` and `make fuzz` run both arithmetics.
//! - No metadata of an original reaches a derivative.
//! - `unsafe` is used in `native` alone, which wraps the C codecs. The JPEG codec ([`sluice_jpeg`]), the resize and the colour
//!   conversions ([`sluice_pixels`]) are safe code over vectors.

mod blocks;
mod bytes;
mod colour;
mod decode;
pub mod derive;
pub mod error;
mod exif;
mod facts;
mod formats;
mod ifd;
pub mod input;
pub mod limits;
pub mod metadata;
mod native;
pub mod placeholder;
pub mod profile;
pub mod sniff;
mod xml;

pub use error::MediaError;
pub use metadata::inspect;
