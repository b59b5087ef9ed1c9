//! Finding the asset that a caller names.
//!
//! What a caller has no right to doesn't exist for it. So nothing here fails for want of a right: the answer is that of an
//! asset that never was.

use crate::{
    asset::Asset,
    error::Result,
    ids::{AssetId, OwnerId, UploadId},
    names::ObjectKey,
    ports::AssetRepository,
    right::{Right, has_right},
    task::Task,
};

/// The asset with this id, if the caller has the right to it.
pub async fn asset(
    table: &impl AssetRepository,
    caller: &OwnerId,
    id: AssetId,
    right: Right,
) -> Result<Option<Asset>> {
    Ok(table.get(id).await?.filter(|asset| has_right(caller, asset.owner(), right)))
}

/// The asset with this object key, if the caller has the right to it. Of a text that is no key there is none.
pub async fn asset_at(
    table: &impl AssetRepository,
    caller: &OwnerId,
    key: &str,
    right: Right,
) -> Result<Option<Asset>> {
    let Ok(key) = key.parse::<ObjectKey>() else { return Ok(None) };
    Ok(asset(table, caller, key.asset_id(), right).await?.filter(|asset| *asset.key() == key))
}

/// The asset whose last multipart upload this is, if the caller has the right to it.
pub async fn asset_of_upload(
    table: &impl AssetRepository,
    caller: &OwnerId,
    upload_id: &UploadId,
    right: Right,
) -> Result<Option<Asset>> {
    let Some(id) = table.by_upload(upload_id).await? else { return Ok(None) };
    // the index may show what was so a moment ago
    Ok(asset(table, caller, id, right).await?.filter(|asset| asset.upload_id() == Some(upload_id)))
}

/// The assets of a task as they are now; those that are gone are left out. Whoever has a right to the task has it to them.
pub async fn assets_of_task(table: &impl AssetRepository, task: &Task) -> Result<Vec<Asset>> {
    let mut assets = Vec::with_capacity(task.assets.len());
    for id in &task.assets {
        assets.extend(table.get(*id).await?);
    }
    Ok(assets)
}
