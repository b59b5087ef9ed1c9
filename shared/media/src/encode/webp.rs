//! Writing WEBP.
