//! Opening an upload, by whichever door: the record that says what may come, and for one in parts S3's multipart upload.
//!
//! Nothing is signed here and no byte is taken; that is the doors' own. What was started at S3 and could not be recorded
//! is freed at once, and where even that fails by the bucket's lifecycle rule.

use std::time::Duration;

use crate::{
    asset::{Asset, Event, Grant, GrantMode, NewAsset, Stage},
    change,
    effects::abort_uploads,
    error::{Error, Result},
    gate::Terms,
    ids::{AssetId, ETag, OwnerId, UploadId, Version},
    names::ObjectKey,
    ports::{AssetRepository, Clock, ContentIndex, IdGenerator, MultipartStore, Saved},
    upload::{MULTIPART_TTL, Parts},
};

/// What uploads are opened with.
pub struct Intake<T, O, C, I> {
    /// The state table: assets and who keeps which content.
    pub table: T,
    /// Multipart uploads to the bucket of originals.
    pub originals: O,
    /// The time.
    pub clock: C,
    /// New ids.
    pub ids: I,
}

/// How the bytes will come.
#[derive(Debug, Clone, Copy)]
pub enum Opening {
    /// At once, within this time.
    Direct(Duration),
    /// In planned parts.
    Multipart(Parts),
    /// In parts of whatever size they come.
    OpenMultipart,
}

/// Which asset's version the bytes become.
struct Target {
    key: ObjectKey,
    version: Version,
    replaces: Option<ETag>,
}

impl<T, O, C, I> Intake<T, O, C, I>
where
    T: AssetRepository + ContentIndex,
    O: MultipartStore,
    C: Clock,
    I: IdGenerator,
{
    /// The owner's finished asset with the announced content, if there is one: nothing need be sent then. The hint never
    /// reaches beyond the owner's own.
    pub async fn existing(&self, owner: &OwnerId, terms: &Terms) -> Result<Option<Asset>> {
        let Some(sha256) = terms.sha256 else { return Ok(None) };
        let Some(id) = self.table.keeper(owner, sha256).await? else { return Ok(None) };
        let keeper = self.table.get(id).await?;
        Ok(keeper.filter(|asset| {
            asset.owner() == owner
                && asset.stage() == Stage::Done
                && asset.sha256() == Some(sha256)
                && terms.size.holds(asset.size())
        }))
    }

    /// Opens the upload of a new asset. The answer is recorded and has its grant.
    ///
    /// # Errors
    /// `too_many_uploads`, `quota_exceeded`.
    pub async fn open(&self, owner: &OwnerId, terms: &Terms, opening: Opening) -> Result<Asset> {
        let id = self.ids.asset_id();
        let key = ObjectKey::new(&terms.folder, id, &terms.filename);
        let target = Target { key, version: Version::FIRST, replaces: None };
        let grant = self.grant(&target, terms, opening).await?;
        let upload_id = grant.upload_id().cloned();
        let new = NewAsset {
            id,
            owner: owner.clone(),
            folder: terms.folder.clone(),
            message_id: terms.message_id.clone(),
            upload_job: terms.upload_job.clone(),
            grant,
        };
        let asset = Asset::create(new, self.clock.now());
        let create = async || self.table.create(&asset, &terms.quota).await;
        let created = match change::uncontended(&self.clock, create).await {
            Ok(Saved::Yes) => return Ok(asset),
            Ok(Saved::Conflict | Saved::Contended) => Error::internal("a new asset id was taken"),
            Err(error) => error,
        };
        self.free(&target.key, upload_id).await;
        Err(created)
    }

    /// Opens the upload of a further version of an asset: its key stays, and S3 itself refuses whoever comes late.
    ///
    /// # Errors
    /// `asset_not_found` unless it is the owner's; `asset_busy`, `stale_version`; `quota_exceeded`.
    pub async fn open_update(
        &self,
        owner: &OwnerId,
        id: AssetId,
        terms: &Terms,
        opening: Opening,
    ) -> Result<Asset> {
        let asset = self.table.get(id).await?.filter(|asset| asset.owner() == owner);
        let asset = asset.ok_or_else(Error::asset_not_found)?;
        let object = asset.object().filter(|_| asset.stage().is_terminal()).ok_or_else(|| {
            Error::conflict("asset_busy", "the asset's present version is still on its way")
        })?;
        // a duplicate has no bytes at its own key: there the next version is the first to be written
        let replaces = (object.key == *asset.key()).then(|| object.etag.clone());
        let target = Target { key: asset.key().clone(), version: asset.version().next(), replaces };
        let grant = self.grant(&target, terms, opening).await?;
        let upload_id = grant.upload_id().cloned();
        let event = Event::UpdateGranted(Box::new(grant));
        match change::apply_within(&self.table, &self.clock, asset, &event, &terms.quota).await {
            Ok(transition) => {
                abort_uploads(&self.originals, &transition).await?;
                Ok(transition.asset)
            }
            Err(error) => {
                self.free(&target.key, upload_id).await;
                Err(error)
            }
        }
    }

    async fn grant(&self, target: &Target, terms: &Terms, opening: Opening) -> Result<Grant> {
        let create = || self.originals.create(&target.key, &terms.content_type, target.version);
        let now = self.clock.now();
        let (mode, expires_at) = match opening {
            Opening::Direct(ttl) => (GrantMode::Direct, now.plus(ttl)),
            Opening::Multipart(Parts { part_size, num_parts, .. }) => {
                let upload_id = create().await?;
                (GrantMode::Multipart { upload_id, part_size, num_parts }, now.plus(MULTIPART_TTL))
            }
            Opening::OpenMultipart => {
                let upload_id = create().await?;
                (GrantMode::OpenMultipart { upload_id }, now.plus(MULTIPART_TTL))
            }
        };
        Ok(Grant {
            version: target.version,
            mode,
            size: terms.size,
            filename: terms.filename.clone(),
            content_type: terms.content_type.clone(),
            sha256: terms.sha256,
            replaces: target.replaces.clone(),
            expires_at,
        })
    }

    /// Frees what nothing records; a failure leaves it to the bucket's lifecycle rule.
    async fn free(&self, key: &ObjectKey, upload_id: Option<UploadId>) {
        if let Some(upload_id) = upload_id {
            let _ = self.originals.abort(key, &upload_id).await;
        }
    }
}
