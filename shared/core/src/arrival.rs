//! The arrival of bytes: S3 says that an object was written, and the asset learns of it.
//!
//! Told twice, late or out of order, it changes nothing more. Bytes that no open grant is for are noted as left behind.

use crate::{
    asset::{Event, StoredObject, Transition},
    change,
    error::Result,
    ids::ObjectVersionId,
    names::ObjectKey,
    ports::{AssetRepository, Clock, OriginalStore},
};

/// Tells the asset of an object that was written at `key`, in this S3 version (the newest where none is named). None
/// where there is nothing to be told: the object is gone, or no asset was ever granted it.
pub async fn object_created(
    table: &impl AssetRepository,
    originals: &impl OriginalStore,
    clock: &impl Clock,
    key: &ObjectKey,
    version_id: Option<ObjectVersionId>,
) -> Result<Option<Transition>> {
    let Some(head) = originals.head(key, version_id.as_ref()).await? else { return Ok(None) };
    let asset = table.get(key.asset_id()).await?.filter(|asset| asset.key() == key);
    let (Some(asset), Some(version)) = (asset, head.version) else { return Ok(None) };
    let stored = asset.stored_object(head, version);
    let object = StoredObject { version_id: version_id.or(stored.version_id.clone()), ..stored };
    change::apply_to(table, clock, asset, &Event::UploadArrived(Box::new(object))).await.map(Some)
}
