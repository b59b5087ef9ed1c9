//! Writing AVIF.
