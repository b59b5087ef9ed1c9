//! Decoding BMP.
