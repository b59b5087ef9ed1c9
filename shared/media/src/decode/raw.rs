//! Decoding RAW.
