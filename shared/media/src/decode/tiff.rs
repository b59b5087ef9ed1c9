//! Decoding TIFF.
