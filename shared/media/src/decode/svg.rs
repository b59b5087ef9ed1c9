//! Decoding SVG.
