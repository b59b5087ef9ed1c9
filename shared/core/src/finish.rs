//! Finishing an upload: stitching, listing what is there, cancelling; apart from HTTP.
//!
//! Every answer may be lost and every request repeated. So each starts from what *is* (the record, then S3) and not
//! from what this request did: a multipart upload that is gone is success if its object is there, and nothing is ever
//! taken back once the object is.

use crate::{
    asset::{Asset, Effect, Event, Failure, Grant, GrantMode, Leftover, StoredObject, Transition},
    cancel::{already_uploaded, cancel_upload, upload_cancelled},
    change,
    effects::order_ingest,
    error::{Error, Result},
    find,
    ids::{OwnerId, UploadId, Version},
    ports::{AssetRepository, Clock, JobQueue, MultipartStore, ObjectHead, OriginalStore, Stitched},
    right::Right,
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

/// What is said where nothing of the upload lies at its key. It may be that it was there, and was taken.
const NOT_THERE: [&str; 3] = ["upload_incomplete", "upload_gone", "stale_version"];

/// How often a record is read that others change meanwhile.
const ROUNDS: usize = 4;

/// What a client says is uploaded.
#[derive(Debug)]
pub struct Completion {
    /// The asset's key; may be missing of a multipart upload.
    pub object_key: Option<String>,
    /// The version that was granted, where the client says.
    pub version: Option<Version>,
    /// Set for a multipart upload.
    pub upload: Option<(UploadId, Vec<PartTag>)>,
}

impl Completion {
    fn upload_id(&self) -> Option<&UploadId> {
        self.upload.as_ref().map(|(upload_id, _)| upload_id)
    }
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
    /// [`Parts::check_list`](crate::upload::Parts::check_list)); `upload_incomplete` while the bytes aren't there;
    /// `upload_cancelled`, `upload_expired`, `upload_gone`, `version_superseded`, `stale_version` where they won't be any
    /// more. Bytes that came and are refused are no error: the asset says why.
    pub async fn complete(&self, owner: &OwnerId, completion: &Completion) -> Result<Asset> {
        let mut asset = match (&completion.object_key, completion.upload_id()) {
            (None, None) => return Err(Error::invalid_field("object_key", "is missing")),
            (None, Some(upload_id)) => find::asset_of_upload(&self.table, owner, upload_id, Right::Change)
                .await?
                .ok_or_else(Error::upload_not_found)?,
            (Some(key), _) => find::asset_at(&self.table, owner, key, Right::Change)
                .await?
                .ok_or_else(Error::asset_not_found)?,
        };
        for _ in 0..ROUNDS {
            let error = match self.complete_as_read(&asset, completion).await {
                Err(error) if NOT_THERE.contains(&error.code()) => error,
                answer => return answer,
            };
            // the bytes may have been taken, and kept elsewhere, since the record was read
            let now = self.table.get(asset.id()).await?.ok_or_else(Error::asset_not_found)?;
            if now.revision() == asset.revision() {
                return Err(error);
            }
            asset = now;
        }
        Err(incomplete(asset.grant()))
    }

    async fn complete_as_read(&self, asset: &Asset, completion: &Completion) -> Result<Asset> {
        let open = asset.grant().filter(|grant| is_of(grant, completion));
        let Some(grant) = open else {
            let untold = completion.version.is_none() && completion.upload.is_none();
            if untold && asset.size_of(asset.granted()).is_none() {
                // whose completion it is can't be known: that of bytes that another upload took the place of is refused
                let head = self.originals.head(asset.key(), None).await?;
                if self.is_superseded(asset, head).await? {
                    return Err(version_superseded());
                }
            }
            return settled(asset.clone(), completion);
        };
        let version = grant.version;
        let object = match (&grant.mode, &completion.upload) {
            (GrantMode::Direct | GrantMode::Form, _) => {
                let head = self.originals.head(asset.key(), None).await?;
                match head.clone().and_then(|head| asset.granted_object(head)) {
                    Some(object) => object,
                    // what lies there instead goes; who doesn't say which version it means may have sent just that
                    None if self.is_superseded(asset, head).await? && completion.version.is_none() => {
                        return Err(version_superseded());
                    }
                    None => return Err(incomplete(Some(grant))),
                }
            }
            (
                GrantMode::Multipart { upload_id, .. } | GrantMode::OpenMultipart { upload_id },
                Some((_, list)),
            ) => self.stitch(asset, grant, upload_id, list).await?,
            (GrantMode::Multipart { .. } | GrantMode::OpenMultipart { .. }, None) => {
                return Err(Error::invalid_field("upload_id", "is missing; this file is uploaded in parts"));
            }
        };
        let event = Event::UploadArrived(Box::new(object));
        let Transition { asset, effects, .. } =
            change::apply_to(&self.table, &self.clock, asset.clone(), &event).await?;
        // S3's event starts the reading; this order is for the case that the event never comes. Jobs and what was left
        // behind belong to `process`, whose own retries make them good.
        order_ingest(&self.ingest, &asset, &effects).await?;
        // between the stitching and this the upload may have been cancelled, or another taken its place
        if came(&asset, version) { Ok(asset) } else { Err(why_over(&asset, version)) }
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
            Stitched::Done | Stitched::NoSuchUpload => self.already_stitched(asset).await,
            Stitched::PreconditionFailed => {
                let head = self.originals.head(asset.key(), None).await?;
                if let Some(object) = head.clone().and_then(|head| asset.granted_object(head)) {
                    return Ok(object);
                }
                if self.is_superseded(asset, head).await? {
                    // bytes of an earlier grant lie in the way, and go now: the parts are still there
                    return Err(Error::unavailable("S3", "the key is being cleared"));
                }
                Err(Error::conflict("stale_version", "another version was written meanwhile"))
            }
            Stitched::PartsRefused => {
                Err(Error::invalid_parts("parts_refused", "S3 doesn't take these parts"))
            }
        }
    }

    /// The object of an upload that S3 doesn't know any more: stitched by this request, an earlier one, or one that runs
    /// beside it.
    async fn already_stitched(&self, asset: &Asset) -> Result<StoredObject> {
        let head = self.originals.head(asset.key(), None).await?;
        head.and_then(|head| asset.granted_object(head)).ok_or_else(|| {
            Error::conflict("upload_gone", "the upload was aborted or has expired; prepare it again")
        })
    }

    /// Whether bytes came by a grant of which another took the place, given what lies at the key. If they lie there still
    /// they are in the way of the grant that is open, so they are let go.
    async fn is_superseded(&self, asset: &Asset, head: Option<ObjectHead>) -> Result<bool> {
        if let Some(head) = head
            && let Some(version) = head.version
        {
            let stray = Event::UploadArrived(Box::new(asset.stored_object(head, version)));
            let told = change::apply_to(&self.table, &self.clock, asset.clone(), &stray).await?;
            if told.effects.iter().any(|effect| matches!(effect, Effect::Free(Leftover::Object(_)))) {
                order_ingest(&self.ingest, &told.asset, &told.effects).await?;
                return Ok(true);
            }
        }
        // those that were let go before
        let shown = asset.object().map(|_| asset.version());
        Ok(asset.superseded() > shown && asset.superseded() < Some(asset.granted()))
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
        match asset.grant() {
            Some(grant) if grant.upload_id() == Some(&upload_id) => {
                cancel_upload(&self.table, &self.originals, &self.clock, asset).await
            }
            _ if came_by(&asset, &upload_id) => Err(already_uploaded()),
            _ if asset.is_cancelled() || asset.is_update_cancelled() => {
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
        let asset = find::asset_at(&self.table, owner, object_key, Right::Change).await?;
        Ok((asset.ok_or_else(Error::upload_not_found)?, upload_id))
    }
}

/// Whether the completion can be of this grant.
fn is_of(grant: &Grant, completion: &Completion) -> bool {
    let version = completion.version.is_none_or(|version| version == grant.version);
    let upload = match (grant.upload_id(), completion.upload_id()) {
        (Some(open), Some(named)) => open == named,
        (None, Some(_)) => false,
        (_, None) => true,
    };
    version && upload
}

/// Whether bytes of this asset came by that multipart upload: those that it shows, those that are about to be read, or
/// those of an earlier version.
fn came_by(asset: &Asset, upload_id: &UploadId) -> bool {
    let is_it = |id: &Option<UploadId>| id.as_ref() == Some(upload_id);
    let update = asset.update().and_then(|update| update.object.as_ref());
    asset.object().into_iter().chain(update).any(|object| is_it(&object.upload_id))
        || asset.kept().iter().any(|kept| is_it(&kept.upload_id))
}

/// Whether this version came, or was to come, by a multipart upload.
fn is_in_parts(asset: &Asset, version: Version) -> bool {
    let update = asset
        .update()
        .is_some_and(|update| update.version() == version && update.grant.upload_id().is_some());
    update || asset.kept().iter().any(|kept| kept.version == version && kept.upload_id.is_some())
}

/// The answer where the completion is of no open upload: the asset as it is, if the upload's bytes came to it; otherwise
/// why they didn't.
fn settled(asset: Asset, completion: &Completion) -> Result<Asset> {
    let version = completion.version.unwrap_or_else(|| asset.granted());
    if version > asset.granted() {
        return Err(Error::upload_not_found());
    }
    let came = match completion.upload_id() {
        // what names no upload is no completion of one in parts, but of a PUT that it took the place of
        None if completion.version.is_none() && is_in_parts(&asset, version) && version > Version::FIRST => {
            return Err(version_superseded());
        }
        None => came(&asset, version),
        Some(named) if came_by(&asset, named) => true,
        // whose bytes were refused, or are kept by the asset that this one is a copy of
        Some(named) => {
            let let_go =
                asset.object().is_none() || asset.duplicate_of().is_some() || asset.update().is_some();
            let is_last = match asset.update().map(|update| &update.grant).or(asset.grant()) {
                Some(last) => last.upload_id() == Some(named),
                None => let_go || asset.is_update_cancelled() || asset.granted() == Version::FIRST,
            };
            if !is_last && asset.granted() > Version::FIRST {
                return Err(version_superseded());
            }
            is_last && let_go && came(&asset, version)
        }
    };
    if came { Ok(asset) } else { Err(why_over(&asset, version)) }
}

/// Whether the bytes of this version came, though they may have been refused: the document says so then.
fn came(asset: &Asset, version: Version) -> bool {
    let is_refusal = |failure: &Failure| failure.code != Failure::EXPIRED;
    let failure = match asset.update() {
        Some(update) if update.version() == version => update.failure.as_ref(),
        _ if asset.version() == version => asset.failure(),
        _ => None,
    };
    let was_kept = asset.kept().iter().any(|kept| kept.version == version);
    was_kept || asset.size_of(version).is_some() || failure.is_some_and(is_refusal)
}

/// Why no bytes came under the grant of this version.
fn why_over(asset: &Asset, version: Version) -> Error {
    if version < asset.granted() {
        return version_superseded();
    }
    let expired = asset.update().map_or(asset.failure(), |update| update.failure.as_ref());
    match expired.map(|failure| failure.code.as_str()) {
        Some(Failure::EXPIRED) => {
            Error::conflict(Failure::EXPIRED, "the upload was not finished in its time")
        }
        _ if asset.is_cancelled() || asset.is_update_cancelled() => upload_cancelled(),
        _ => Error::upload_not_found(),
    }
}

/// Why nothing can be sent any more for what an asset's last grant let come.
pub fn over(asset: &Asset) -> Error {
    let version = asset.granted();
    if came(asset, version) {
        return Error::conflict("already_uploaded", "the upload is complete");
    }
    why_over(asset, version)
}

/// A PUT of another length is answered by S3 as `SignatureDoesNotMatch`, which doesn't say why: so this does.
fn incomplete(grant: Option<&Grant>) -> Error {
    let size = grant.map(|grant| format!("; {} were granted, and S3 refuses any other number", grant.size));
    let message = format!("the bytes aren't there yet{}", size.unwrap_or_default());
    Error::conflict("upload_incomplete", message)
}

/// Another upload of the asset took the place of the one that is spoken of.
pub fn version_superseded() -> Error {
    Error::conflict("version_superseded", "a later upload of this asset took the place of this one")
}
