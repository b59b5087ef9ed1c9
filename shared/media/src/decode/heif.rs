//! Decoding HEIF.
