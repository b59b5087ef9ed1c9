//! What lies at S3 under an asset's key and belongs to nobody any more: bytes that were refused, that came under a grant
//! which another had replaced, or that are kept elsewhere; parts of uploads that are off.
//!
//! It is on record until it was freed, so that no crash between "decided" and "done" leaves anything behind.

use serde::{Deserialize, Serialize};

use super::{Asset, StoredObject};
use crate::ids::{ObjectVersionId, UploadId, Version};

/// Something to be freed. Freeing it twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leftover {
    /// An S3 version at the asset's own key. Never one that an asset shows, nor one that was ever taken.
    Object(ObjectVersionId),
    /// A multipart upload to the asset's own key. An object that was stitched from it stays.
    Upload(UploadId),
    /// What a job may have made of this version before it was given up.
    Derivatives(Version),
}

impl Asset {
    /// Notes something to be freed; answers whether that is new.
    pub(super) fn leave(&mut self, leftover: Leftover) -> bool {
        let is_new = !self.leftovers.contains(&leftover);
        if is_new {
            self.leftovers.push(leftover);
        }
        is_new
    }

    /// The same for an object at the asset's own key. Where it lay, a signature that is still good may write again. In a
    /// bucket without versions there is nothing to free: what is written next takes its place.
    pub(super) fn discard(&mut self, object: &StoredObject) -> bool {
        self.look_at = self.signed_until;
        let own = object.version_id.clone().filter(|_| object.key == self.key);
        own.is_some_and(|version_id| self.leave(Leftover::Object(version_id)))
    }
}
