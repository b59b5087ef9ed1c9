//! What `sluice-media` knows of an image, in the domain's words.

use serde_json::{Map, Value};
use sluice_core::{
    asset::{Dimensions, Placeholder},
    names::Kind,
};
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

/// An image, in the record's words.
pub struct Described {
    /// How large it is as it is shown; none where it can't be read.
    pub dimensions: Option<Dimensions>,
    /// What else it says of itself. The orientation is the stored picture's, and named so: every preview, and every viewer of
    /// the original, turns by it already.
    pub metadata: Map<String, Value>,
    /// What can be painted of it at once; none where that takes a decode of the whole, which the conversion does anyway.
    pub placeholder: Option<Placeholder>,
}

/// What an image says of itself, and what can be painted of it at once. An image that can't be read gives neither
/// here; the reason is told by the job that tries to convert it.
pub fn describe(bytes: &[u8], limits: &Limits) -> Described {
    let placeholder = placeholder::cheap_thumbhash(bytes, limits);
    if let Err(error) = &placeholder {
        tracing::info!(error.code = error.code(), "no placeholder");
    }
    let read = metadata::read(bytes);
    let dimensions = read.width.zip(read.height).map(|(width, height)| Dimensions { width, height });
    let mut metadata = read.to_map();
    for said_on_top in ["width", "height"] {
        metadata.remove(said_on_top);
    }
    if let Some(orientation) = metadata.remove("orientation") {
        metadata.insert("original_orientation".to_owned(), orientation);
    }
    let placeholder = placeholder.ok().flatten().map(|made| Placeholder { thumbhash: made.thumbhash });
    Described { dimensions, metadata, placeholder }
}
