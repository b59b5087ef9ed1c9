//! Decoding PNG.
