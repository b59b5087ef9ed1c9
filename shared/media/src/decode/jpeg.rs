//! Decoding JPEG.
