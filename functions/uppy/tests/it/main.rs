//! The routes on ports in memory.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

mod companion;
mod sign;
mod support;
