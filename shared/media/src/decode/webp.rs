//! Decoding WEBP.
