//! The placeholder that a client shows before any derivative exists. It is made at ingest, so it must be cheap: a JPEG is decoded
//! at the DCT scale next above 100 pixels, a HEIF's own thumbnail is taken. Where that isn't to be had it is left to
//! [`crate::derive`], which decodes the whole picture anyway.

pub use crate::derive::Placeholder;
use crate::{
    derive::Decoded,
    error::{MediaError, contained},
    facts::upright,
    formats::Image,
    limits::Limits,
};

/// Makes the placeholder of an image; of an animation, that of its first frame.
///
/// # Errors
/// As for [`crate::derive::derive`].
pub fn thumbhash(bytes: &[u8], limits: &Limits) -> Result<Placeholder, MediaError> {
    contained(|| {
        let Decoded { size, picture, .. } = Decoded::of(bytes, None, limits, Placeholder::target)?;
        Ok(Placeholder::of(&picture, size))
    })
}

/// The same; none where even that takes a decode of the whole picture.
///
/// # Errors
/// As for [`crate::derive::derive`].
pub fn cheap_thumbhash(bytes: &[u8], limits: &Limits) -> Result<Option<Placeholder>, MediaError> {
    let dear = contained(|| {
        let image = Image::parse(bytes)?;
        let facts = image.facts();
        let orientation = facts.orientation();
        let target = Placeholder::target(upright(facts.size(), orientation));
        Ok(image.is_dear(upright(target, orientation)))
    })?;
    if dear { Ok(None) } else { thumbhash(bytes, limits).map(Some) }
}
