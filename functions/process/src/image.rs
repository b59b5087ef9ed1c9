//! What `sluice-media` knows of an image, in the domain's words.

use sluice_core::names::Kind;
use sluice_media::{limits::Limits, metadata, placeholder, sniff};

/// The domain's word for a kind.
pub fn kind(sniffed: sniff::Kind) -> Kind {
    match sniffed {
        sniff::Kind::Image => Kind::Image,
        sniff::Kind::Video => Kind::Video,
        sniff::Kind::Audio => Kind::Audio,
        sniff::Kind::Document => Kind::Document,
        sniff::Kind::Archive => Kind::Archive,
        sniff::Kind::Other => Kind::Other,
    }
}

/// What an image says of itself, and what can be painted of it at once. An image that can't be read gives neither
/// here; the reason is told by the job that tries to convert it.
pub fn describe(
    bytes: &[u8],
    limits: &Limits,
) -> (serde_json::Map<String, serde_json::Value>, Option<placeholder::Placeholder>) {
    let placeholder = placeholder::thumbhash(bytes, limits);
    if let Err(error) = &placeholder {
        tracing::info!(error.code = error.code(), "no placeholder");
    }
    (metadata::read(bytes).to_map(), placeholder.ok())
}
