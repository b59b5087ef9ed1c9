//! Finishing an upload: stitching, listing what is there, cancelling; apart from HTTP.
//!
//! Every answer may be lost and every request repeated. So each starts from what *is* (the record, then S3) and not
//! from what this request did: a multipart upload that is gone is success if its object is there, and nothing is ever
//! taken back once the object is.

use crate::{
    asset::{Asset, Event, Failure, Grant, GrantMode, StoredObject},
    cancel::{already_uploaded, cancel_upload},
    change,
    effects::order_ingest,
    error::{Error, Result},
    ids::{OwnerId, UploadId},
    names::ObjectKey,
    ports::{AssetRepository, Clock, JobQueue, MultipartStore, OriginalStore, Stitched},
    upload::{PartTag, UploadedPart, check_open_upload},
};

/// What an upload is finished with.
pub struct Finisher<T, O, Q, C> {
    /// The state table.
    pub table: T,
    /// The bucket of originals and its multipart uploads.
    pub originals: O,
    /// The queue of content to read.
    pub ingest: Q,
    /// The time.
    pub clock: C,
}

/// What a client says is uploaded.
#[derive(Debug)]
pub struct Completion {
    /// The asset's key.
    pub object_key: String,
    /// Set for a multipart upload.
    pub upload: Option<(String, Vec<PartTag>)>,
}

impl<T, O, Q, C> Finisher<T, O, Q, C>
where
    T: AssetRepository,
    O: OriginalStore + MultipartStore,
    Q: JobQueue,
    C: Clock,
{
    /// Takes an upload as complete. A repeat gives the same.
    ///
    /// # Errors
    /// `asset_not_found`, `upload_not_found`; a part list that isn't the upload (`Invalid`, see
    /// [`Parts::check_list`](crate::upload::Parts::check_list)); `upload_incomplete` while the bytes aren't there; `upload_cancelled`,
    /// `upload_expired`, `upload_gone`, `stale_version` where they won't be any more.
    pub async fn complete(&self, owner: &OwnerId, completion: &Completion) -> Result<Asset> {
        let asset = self.owned(owner, &completion.object_key).await?.ok_or_else(Error::asset_not_found)?;
        let Some(grant) = asset.grant() else { return settled(asset, completion) };
        let object = match (&grant.mode, &completion.upload) {
            (GrantMode::Direct, None) => self.arrived(&asset).await?,
            (GrantMode::Direct, Some(_)) => return Err(Error::upload_not_found()),
            (
                GrantMode::Multipart { upload_id, .. } | GrantMode::OpenMultipart { upload_id },
                Some((named, list)),
            ) => {
                if named != upload_id.as_str() {
                    // the one before it, of the present version, may be asked about again
                    return settled_upload(asset, named);
                }
                self.stitch(&asset, grant, upload_id, list).await?
            }
            (GrantMode::Multipart { .. } | GrantMode::OpenMultipart { .. }, None) => {
                return Err(Error::invalid_field("upload_id", "is missing; this file is uploaded in parts"));
            }
        };
        let event = Event::UploadArrived(Box::new(object));
        let transition = change::apply_to(&self.table, &self.clock, asset, &event).await?;
        // S3's event starts the reading; this order is for the case that the event never comes. Jobs and strays belong
        // to `process`, whose own retries make them good.
        order_ingest(&self.ingest, &transition).await?;
        // a cancel that was recorded between the stitching and this: the client that cancelled was told so
        if transition.asset.object().is_some() { Ok(transition.asset) } else { Err(ended(&transition.asset)) }
    }

    /// Checks the list against S3's own and has it stitched.
    async fn stitch(
        &self,
        asset: &Asset,
        grant: &Grant,
        upload_id: &UploadId,
        list: &[PartTag],
    ) -> Result<StoredObject> {
        let planned = grant.parts();
        if let Some(parts) = planned {
            parts.check_list(list)?;
        }
        let Some(uploaded) = self.originals.list_parts(asset.key(), upload_id).await? else {
            return self.already_stitched(asset).await;
        };
        match planned {
            Some(parts) => parts.check_uploaded(list, &uploaded)?,
            None => check_open_upload(grant.size, list, &uploaded)?,
        }
        match self.originals.complete(asset.key(), upload_id, list, grant.replaces.as_ref()).await? {
            Stitched::Done => self.arrived(asset).await,
            Stitched::NoSuchUpload => self.already_stitched(asset).await,
            Stitched::PreconditionFailed => {
                self.already_stitched(asset).await.map_err(|error| match error.code() {
                    "upload_gone" => {
                        Error::conflict("stale_version", "another version was written meanwhile")
                    }
                    _ => error,
                })
            }
            Stitched::PartsRefused => {
                Err(Error::invalid_parts("parts_refused", "S3 doesn't take these parts"))
            }
        }
    }

    /// The object of an upload that S3 doesn't know any more: stitched by an earlier request, or by one that runs
    /// beside this one.
    async fn already_stitched(&self, asset: &Asset) -> Result<StoredObject> {
        self.arrived(asset).await.map_err(|error| match error.code() {
            "upload_incomplete" => {
                Error::conflict("upload_gone", "the upload was aborted or has expired; prepare it again")
            }
            _ => error,
        })
    }

    /// The granted version's object, if it is there.
    async fn arrived(&self, asset: &Asset) -> Result<StoredObject> {
        let head = self.originals.head(asset.key(), None).await?;
        head.and_then(|head| asset.granted_object(head))
            .ok_or_else(|| Error::conflict("upload_incomplete", "the bytes aren't there yet"))
    }

    /// The parts that S3 has of an open upload: what a client needs to go on after a reload.
    ///
    /// # Errors
    /// `upload_not_found` unless it is the owner's and open.
    pub async fn parts(
        &self,
        owner: &OwnerId,
        upload_id: &str,
        object_key: &str,
    ) -> Result<Vec<UploadedPart>> {
        let (asset, upload_id) = self.open_upload(owner, upload_id, object_key).await?;
        if asset.grant().and_then(Grant::upload_id) != Some(&upload_id) {
            return Err(Error::upload_not_found());
        }
        self.originals.list_parts(asset.key(), &upload_id).await?.ok_or_else(Error::upload_not_found)
    }

    /// Cancels an upload and frees its parts. A repeat gives the same.
    ///
    /// # Errors
    /// `upload_not_found` unless it is the owner's; `already_uploaded` once the object is there: it stays.
    pub async fn cancel(&self, owner: &OwnerId, upload_id: &str, object_key: &str) -> Result<()> {
        let (asset, upload_id) = self.open_upload(owner, upload_id, object_key).await?;
        let done_by_this = asset.object().is_some_and(|object| object.upload_id.as_ref() == Some(&upload_id));
        match asset.grant() {
            Some(grant) if grant.upload_id() == Some(&upload_id) => {
                cancel_upload(&self.table, &self.originals, &self.clock, asset).await
            }
            _ if done_by_this => Err(already_uploaded()),
            None if asset.failure_code() == Some(Failure::CANCELLED) => {
                // cancelled before: free once more what a late part may have left
                self.originals.abort(asset.key(), &upload_id).await
            }
            _ => Err(Error::upload_not_found()),
        }
    }

    async fn open_upload(
        &self,
        owner: &OwnerId,
        upload_id: &str,
        object_key: &str,
    ) -> Result<(Asset, UploadId)> {
        let upload_id = upload_id.parse()?;
        let asset = self.owned(owner, object_key).await?.ok_or_else(Error::upload_not_found)?;
        Ok((asset, upload_id))
    }

    /// The owner's asset with this key; what isn't the owner's isn't there.
    async fn owned(&self, owner: &OwnerId, object_key: &str) -> Result<Option<Asset>> {
        let Ok(key) = object_key.parse::<ObjectKey>() else { return Ok(None) };
        let asset = self.table.get(key.asset_id()).await?;
        Ok(asset.filter(|asset| asset.owner() == owner && *asset.key() == key))
    }
}

/// The answer where no upload is open: the asset as it is, if this completion is the one that made it so.
fn settled(asset: Asset, completion: &Completion) -> Result<Asset> {
    match &completion.upload {
        Some((named, _)) => settled_upload(asset, named),
        None if asset.object().is_some() => Ok(asset),
        None => Err(ended(&asset)),
    }
}

fn settled_upload(asset: Asset, named: &str) -> Result<Asset> {
    match asset.object() {
        // a copy shows the bytes of the asset that keeps them, so it no longer knows its own upload's id
        Some(object)
            if asset.duplicate_of().is_some()
                || object.upload_id.as_ref().is_some_and(|id| id.as_str() == named) =>
        {
            Ok(asset)
        }
        None if asset.grant().is_none() => Err(ended(&asset)),
        _ => Err(Error::upload_not_found()),
    }
}

/// Why an asset without bytes and without an open upload won't get any.
fn ended(asset: &Asset) -> Error {
    match asset.failure_code() {
        Some(Failure::CANCELLED) => Error::conflict(Failure::CANCELLED, "the upload was cancelled"),
        _ => Error::conflict(Failure::EXPIRED, "the upload was not finished in its time"),
    }
}
