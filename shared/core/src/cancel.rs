//! Calling an upload off, by whichever route: parts are freed, an assembled object never is.

use crate::{
    asset::{Asset, Event},
    change, effects,
    error::{Error, Result},
    ports::{AssetRepository, Clock, MultipartStore, OriginalStore},
};

/// Cancels the open upload of `asset`: that of its first version, and the asset ends with it; or that of an update, and
/// the asset stays as it is. A repeat gives the same.
///
/// # Errors
/// `already_uploaded` once the object is there, whether or not the record knows it yet: it stays.
pub async fn cancel_upload(
    table: &impl AssetRepository,
    originals: &(impl OriginalStore + MultipartStore),
    clock: &impl Clock,
    asset: Asset,
) -> Result<()> {
    if asset.grant().is_some() {
        let head = originals.head(asset.key(), None).await?;
        if head.and_then(|head| asset.granted_object(head)).is_some() {
            return Err(already_uploaded());
        }
    }
    let transition = change::apply_to(table, clock, asset, &Event::UploadCancelled).await?;
    effects::free_uploads(table, originals, clock, &transition.asset, &transition.effects).await
}

/// The error of a cancel that comes too late.
pub fn already_uploaded() -> Error {
    Error::conflict("already_uploaded", "the file is already there; a cancel can't take it back")
}

/// The code of [`upload_cancelled`].
pub const UPLOAD_CANCELLED: &str = "upload_cancelled";

/// The error of whoever goes on with an upload that was cancelled.
pub fn upload_cancelled() -> Error {
    Error::conflict(UPLOAD_CANCELLED, "the upload was cancelled")
}
