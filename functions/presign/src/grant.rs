//! Granting an upload: what `POST /prepare` does, apart from HTTP.

use std::time::Duration;

use sluice_core::{
    Error, Result,
    asset::{Asset, Event, Grant, GrantMode, NewAsset, Stage},
    change,
    document::AssetDocument,
    effects::abort_uploads,
    ids::{AssetId, MessageId, OwnerId, Sha256, UploadId, Version},
    names::{ContentType, Filename, Folder, ObjectKey},
    ports::{
        AssetRepository, Clock, ContentIndex, IdGenerator, LinkSigner, MultipartStore, Saved, SignedPart,
        UploadSigner,
    },
    time::Timestamp,
    upload::{MULTIPART_TTL, PartChoice, Parts, Plan, UploadPolicy},
};

use crate::request::{NewUpload, Window};

/// What a grant is made with.
pub struct Granter<T, O, S, L, C, I> {
    /// The state table: assets and who keeps which content.
    pub table: T,
    /// Multipart uploads to the bucket of originals.
    pub originals: O,
    /// Signs uploads.
    pub signer: S,
    /// Signs links, for an answer that shows an existing asset.
    pub links: L,
    /// The time.
    pub clock: C,
    /// New ids.
    pub ids: I,
    /// The operator's limits.
    pub policy: UploadPolicy,
}

/// The answer to a client that wants to upload.
#[derive(Debug)]
pub enum Granted {
    /// One PUT.
    Direct {
        /// The asset that the bytes will be.
        upload: Upload,
        /// The PUT's address.
        url: String,
        /// What the client must send with it.
        headers: Vec<(String, String)>,
        /// Until when S3 takes it.
        expires_at: Timestamp,
    },
    /// Parts, of which a window is signed.
    Multipart {
        /// The asset that the bytes will be.
        upload: Upload,
        /// S3's id of the upload.
        upload_id: UploadId,
        /// Sizes and count.
        parts: Parts,
        /// The window.
        signed: Vec<SignedPart>,
        /// Until when S3 takes these.
        expires_at: Timestamp,
    },
    /// The owner has these bytes already: nothing is to be sent.
    Existing(Box<AssetDocument>),
}

/// What an upload will become.
#[derive(Debug)]
pub struct Upload {
    /// The asset.
    pub asset_id: AssetId,
    /// Its key.
    pub key: ObjectKey,
    /// The version that the bytes will be.
    pub version: Version,
}

impl<T, O, S, L, C, I> Granter<T, O, S, L, C, I>
where
    T: AssetRepository + ContentIndex,
    O: MultipartStore,
    S: UploadSigner,
    L: LinkSigner,
    C: Clock,
    I: IdGenerator,
{
    /// Grants a new upload: of a new asset, or of a further version of an existing one.
    ///
    /// # Errors
    /// `invalid_field`, `invalid_filename`, `file_too_large`, `folder_forbidden`; for an update `asset_not_found`,
    /// `asset_busy`, `stale_version`.
    pub async fn grant(&self, owner: &OwnerId, wanted: NewUpload) -> Result<Granted> {
        let terms = Terms::check(&self.policy, owner, &wanted)?;
        if let Some(id) = &wanted.asset_id {
            return self.grant_update(owner, id.parse()?, terms).await;
        }
        if let Some(sha256) = terms.sha256
            && let Some(existing) = self.same_content(owner, sha256, terms.size).await?
        {
            let document = AssetDocument::render(&existing, &self.links).await?;
            return Ok(Granted::Existing(Box::new(document)));
        }
        let id = self.ids.asset_id();
        let key = ObjectKey::new(&terms.folder, id, &terms.filename);
        let (grant, granted) = self.open(id, &key, Version::FIRST, None, &terms).await?;
        let Terms { folder, message_id, .. } = terms;
        let asset =
            Asset::create(NewAsset { id, owner: owner.clone(), folder, message_id, grant }, self.clock.now());
        match self.table.create(&asset).await? {
            Saved::Yes => Ok(granted),
            Saved::Conflict => Err(Error::internal("a new asset id was taken")),
        }
    }

    async fn grant_update(&self, owner: &OwnerId, id: AssetId, terms: Terms) -> Result<Granted> {
        let asset = self.table.get(id).await?.filter(|asset| asset.owner() == owner);
        let asset = asset.ok_or_else(Error::asset_not_found)?;
        let object = asset.object().filter(|_| asset.stage().is_terminal()).ok_or_else(|| {
            Error::conflict("asset_busy", "the asset's present version is still on its way")
        })?;
        // a duplicate has no bytes at its own key: there the next version is the first to be written
        let replaces = (object.key == *asset.key()).then(|| object.etag.clone());
        let key = asset.key().clone();
        let (grant, granted) = self.open(id, &key, asset.version().next(), replaces, &terms).await?;
        let event = Event::UpdateGranted(Box::new(grant));
        let transition = change::apply_to(&self.table, &self.clock, asset, &event).await?;
        abort_uploads(&self.originals, &transition).await?;
        Ok(granted)
    }

    /// Opens the way for the bytes and signs it. Nothing is recorded yet: what isn't recorded in the end is freed by
    /// the bucket's lifecycle rule.
    async fn open(
        &self,
        asset_id: AssetId,
        key: &ObjectKey,
        version: Version,
        replaces: Option<sluice_core::ids::ETag>,
        terms: &Terms,
    ) -> Result<(Grant, Granted)> {
        let now = self.clock.now();
        let ttl = self.policy.grant_ttl;
        let upload = Upload { asset_id, key: key.clone(), version };
        let grant = |mode, expires_at| Grant {
            version,
            mode,
            size: terms.size,
            filename: terms.filename.clone(),
            content_type: terms.content_type.clone(),
            sha256: terms.sha256,
            replaces,
            expires_at,
        };
        match terms.plan {
            Plan::Direct => {
                let grant = grant(GrantMode::Direct, now.plus(ttl));
                let signed = self.signer.sign_put(key, &grant, now, ttl).await?;
                let (url, headers, expires_at) = (signed.url, signed.headers, signed.expires_at);
                Ok((grant, Granted::Direct { upload, url, headers, expires_at }))
            }
            Plan::Multipart(parts) => {
                let upload_id = self.originals.create(key, &terms.content_type, version).await?;
                let Parts { part_size, num_parts, .. } = parts;
                let mode = GrantMode::Multipart { upload_id: upload_id.clone(), part_size, num_parts };
                let grant = grant(mode, now.plus(MULTIPART_TTL));
                let (signed, expires_at) =
                    self.sign_window(key, &upload_id, parts, 1, u64::MAX, now, ttl).await?;
                Ok((grant, Granted::Multipart { upload, upload_id, parts, signed, expires_at }))
            }
        }
    }

    /// Signs a further window of an open multipart upload, or one that was signed before and has expired.
    ///
    /// # Errors
    /// `upload_not_found` unless it is the owner's and open; `invalid_field` for a window outside of it.
    pub async fn window(&self, owner: &OwnerId, wanted: &Window) -> Result<Granted> {
        let upload_id: UploadId = wanted.upload_id.parse()?;
        let key: ObjectKey = wanted.object_key.parse().map_err(|_| Error::upload_not_found())?;
        let asset = self.table.get(key.asset_id()).await?;
        let asset = asset.filter(|asset| asset.owner() == owner && *asset.key() == key);
        let asset = asset.ok_or_else(Error::upload_not_found)?;
        let open = asset.grant().filter(|grant| grant.upload_id() == Some(&upload_id));
        let Some(grant) = open.filter(|_| asset.stage() != Stage::Failed || asset.object().is_some()) else {
            return Err(Error::upload_not_found());
        };
        let GrantMode::Multipart { part_size, num_parts, .. } = grant.mode else {
            return Err(Error::upload_not_found());
        };
        let parts = Parts { size: grant.size, part_size, num_parts };
        let upload = Upload { asset_id: asset.id(), key: key.clone(), version: grant.version };
        let (now, ttl) = (self.clock.now(), self.policy.grant_ttl);
        let (start, count) = (wanted.start_part, wanted.batch_count);
        let (signed, expires_at) = self.sign_window(&key, &upload_id, parts, start, count, now, ttl).await?;
        Ok(Granted::Multipart { upload, upload_id, parts, signed, expires_at })
    }

    #[expect(clippy::too_many_arguments, reason = "one call with what two callers have at hand")]
    async fn sign_window(
        &self,
        key: &ObjectKey,
        upload_id: &UploadId,
        parts: Parts,
        start: u64,
        count: u64,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<(Vec<SignedPart>, Timestamp)> {
        let window = self.policy.window(start, count, parts)?;
        self.signer.sign_parts(key, upload_id, window, now, ttl).await
    }

    /// The owner's finished asset with this content, if there is one. The hint never reaches beyond the owner's own.
    async fn same_content(&self, owner: &OwnerId, sha256: Sha256, size: u64) -> Result<Option<Asset>> {
        let Some(id) = self.table.keeper(owner, sha256).await? else { return Ok(None) };
        let keeper = self.table.get(id).await?;
        Ok(keeper.filter(|asset| {
            asset.owner() == owner
                && asset.stage() == Stage::Done
                && asset.sha256() == Some(sha256)
                && asset.size() == size
        }))
    }
}

/// A wish that was checked.
struct Terms {
    filename: Filename,
    size: u64,
    content_type: ContentType,
    sha256: Option<Sha256>,
    folder: Folder,
    message_id: Option<MessageId>,
    plan: Plan,
}

impl Terms {
    fn check(policy: &UploadPolicy, owner: &OwnerId, wanted: &NewUpload) -> Result<Self> {
        let content_type = match wanted.content_type.as_deref() {
            None | Some("") => ContentType::octet_stream(),
            Some(text) => ContentType::from_header(text)?,
        };
        let choice = PartChoice { part_size: wanted.client_part_size, num_parts: wanted.client_num_parts };
        Ok(Self {
            filename: wanted.filename.parse()?,
            size: wanted.file_size,
            content_type,
            sha256: wanted.sha256.as_deref().map(str::parse).transpose()?,
            folder: Folder::requested(owner, wanted.folder.as_deref().unwrap_or_default())?,
            message_id: wanted.message_id.as_deref().map(str::parse).transpose()?,
            plan: policy.plan(wanted.file_size, choice)?,
        })
    }
}
