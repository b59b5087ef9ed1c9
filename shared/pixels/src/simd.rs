//! Which vector instructions this processor has.
//!
//! Kernels are written once, over [`fearless_simd::Simd`] or as plain loops that the compiler vectorises, and
//! compiled for each level; the best one is chosen at run time: AVX2 or SSE4.2 on x86-64, NEON on aarch64.
//! Every level gives the same bits.

use std::sync::OnceLock;

use fearless_simd::Level;

/// The best level of this processor, found out once.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(Level::new)
}
