//! Writing PNG.
