//! Opening an upload, by whichever door: the record that says what may come, and for one in parts S3's multipart upload.
//!
//! Nothing is signed here and no byte is taken; that is the doors' own. What was started at S3 and could not be recorded
//! is freed at once, and where even that fails by the bucket's lifecycle rule.

use std::time::Duration;

use crate::{
    asset::{Asset, Event, Grant, GrantMode, NewAsset, NewCopy, Placement, Stage, Transition},
    change::{self, Written, uncontended, written},
    effects::free_uploads,
    error::{Error, ErrorKind, Result},
    find,
    finish::{over, version_superseded},
    gate::{Found, Gate, Principal, Terms, Wish},
    idempotency::Made,
    ids::{AssetId, ETag, OwnerId, Sha256, UploadId, Version},
    names::{ContentType, ObjectKey},
    ports::{AssetRepository, Clock, ContentIndex, GateFunction, IdGenerator, MultipartStore, OriginalStore},
    right::Right,
    upload::{MULTIPART_TTL, Parts, SizeRange},
    usage::Quota,
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
    /// At once by a PUT, within this time.
    Direct(Duration),
    /// At once by a form, within this time.
    Form(Duration),
    /// In planned parts.
    Multipart(Parts),
    /// In parts of whatever size they come.
    OpenMultipart,
}

/// A file that a client wants to send, as it came by whichever door.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// What the gate is asked.
    pub wish: Wish,
    /// The asset that gets a further version; a new one if it is missing.
    pub asset_id: Option<AssetId>,
}

/// What becomes of content that its owner has already, as far as the client says which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The asset that has it is shown, and nothing is sent.
    Shown,
    /// It is sent, since this door's clients know no other answer, and found to be the same when it is read.
    SentAgain,
}

/// What came of a client's wish to send a file.
#[derive(Debug)]
pub enum Opened {
    /// The upload is open.
    Granted(Asset),
    /// Nothing is to be sent: this asset has the content, or has ended since an earlier try of the request opened it.
    Existing(Asset),
}

impl Opened {
    /// The asset whose upload is open, for doors that have no other answer.
    ///
    /// # Errors
    /// Why it isn't, see [`over`].
    pub fn granted(self) -> Result<Asset> {
        match self {
            Self::Granted(asset) => Ok(asset),
            Self::Existing(asset) => Err(over(&asset)),
        }
    }
}

/// Which asset's version the bytes become.
struct Target {
    key: ObjectKey,
    version: Version,
    replaces: Option<ETag>,
}

/// The error of a new asset whose id is taken.
const ASSET_EXISTS: &str = "asset_exists";

/// How often who shows a content at a place is asked again, while others write it.
const ROUNDS: usize = 4;

impl<T, O, C, I> Intake<T, O, C, I>
where
    T: AssetRepository + ContentIndex,
    O: OriginalStore + MultipartStore,
    C: Clock,
    I: IdGenerator,
{
    /// What every door does with a file that a client wants to send: it passes the gate, and its upload is opened, as `plan`
    /// says from what was let through. What an earlier try of the same request opened is given again.
    ///
    /// A further version of an asset is written where that asset is, so that is the folder which the gate is asked of,
    /// whatever the wish says. It keeps the asset's name unless the client says another.
    ///
    /// # Errors
    /// The gate's; `asset_not_found` unless the asset is the caller's; those of [`Self::open`], [`Self::open_update`] and
    /// `plan`; `version_superseded` where another update took the place of what an earlier try opened.
    pub async fn take(
        &self,
        gate: &Gate<impl GateFunction>,
        principal: &Principal,
        wanted: Wanted,
        known: Known,
        plan: impl FnOnce(&mut Terms) -> Result<Opening>,
    ) -> Result<Opened> {
        let (owner, Wanted { mut wish, asset_id }) = (&principal.owner, wanted);
        let updated = match asset_id {
            None => None,
            Some(id) => {
                let asset = find::asset(&self.table, owner, id, Right::Change).await?;
                Some(asset.ok_or_else(Error::asset_not_found)?)
            }
        };
        if let Some(asset) = &updated {
            wish.folder = Some(asset.folder().to_string());
            wish.relative_path = None;
            wish.filename.get_or_insert_with(|| asset.filename().to_string());
        }
        let mut terms = gate.admit(principal, &wish).await?;
        let opening = plan(&mut terms)?;
        if let Some(made) = &terms.made
            && let Some(opened) = self.earlier(owner, made, updated.as_ref()).await?
        {
            return Ok(opened);
        }
        if let Some(asset) = updated {
            return self.open_update(asset, &terms, opening).await.map(Opened::Granted);
        }
        if known == Known::Shown
            && let Some(asset) = self.existing(gate, owner, &terms).await?
        {
            return Ok(Opened::Existing(asset));
        }
        self.open(owner, &terms, opening).await.map(Opened::Granted)
    }

    /// What an earlier try of the same request opened: its new asset, or the next version of `updated`.
    async fn earlier(&self, owner: &OwnerId, made: &Made, updated: Option<&Asset>) -> Result<Option<Opened>> {
        let asset = match updated {
            None => find::asset(&self.table, owner, made.asset_id, Right::Change).await?,
            Some(asset) => {
                let is_open = asset.grant().is_some_and(|grant| grant.id == made.grant);
                (made.is_repeat || is_open).then(|| asset.clone())
            }
        };
        let Some(asset) = asset else { return Ok(None) };
        match asset.open_grant() {
            Some(open) if open.id == made.grant => Ok(Some(Opened::Granted(asset))),
            Some(_) if updated.is_some() => Err(version_superseded()),
            _ => Ok(Some(Opened::Existing(asset))),
        }
    }

    /// The asset that shows the announced content, where the owner has that content already: nothing need be sent then.
    /// It is the one that has it under the same name, in the same folder, for the same message; otherwise a new one that
    /// shares its bytes. The hint never reaches beyond the owner's own, and the gate is asked of the content as it would be
    /// if it came.
    ///
    /// # Errors
    /// See [`Gate::admit_content`].
    async fn existing(
        &self,
        gate: &Gate<impl GateFunction>,
        owner: &OwnerId,
        terms: &Terms,
    ) -> Result<Option<Asset>> {
        let Some(sha256) = terms.sha256 else { return Ok(None) };
        let Some(keeper) = self.finished(owner, sha256, sha256, terms).await? else { return Ok(None) };
        let unknown = ContentType::octet_stream();
        let found = Found {
            owner,
            folder: &terms.placement.folder,
            filename: &terms.filename,
            announced: &terms.content_type,
            content_type: keeper.content_type().unwrap_or(&unknown),
            size: keeper.size(),
            message_id: terms.placement.message_id.as_ref(),
        };
        gate.admit_content(found).await?;
        if is_at_place(&keeper, terms) {
            return Ok(Some(keeper));
        }
        let place = place(sha256, terms);
        if let Some(here) =
            self.finished(owner, place, sha256, terms).await?.filter(|here| is_at_place(here, terms))
        {
            return Ok(Some(here));
        }
        if !self.has_bytes(&keeper).await? {
            return Ok(None);
        }
        self.copy(owner, place, terms, &keeper).await.map(Some)
    }

    /// The owner's finished asset that the index names under `digest`, if it shows just this content.
    async fn finished(
        &self,
        owner: &OwnerId,
        digest: Sha256,
        sha256: Sha256,
        terms: &Terms,
    ) -> Result<Option<Asset>> {
        let Some(id) = self.table.keeper(owner, digest).await? else { return Ok(None) };
        let asset = find::asset(&self.table, owner, id, Right::Read).await?;
        Ok(asset.filter(|asset| {
            asset.stage() == Stage::Done && asset.sha256() == Some(sha256) && terms.size.holds(asset.size())
        }))
    }

    /// Whether the bytes that an asset shows are there: a copy is made of nothing less.
    async fn has_bytes(&self, asset: &Asset) -> Result<bool> {
        let Some(object) = asset.object() else { return Ok(false) };
        let head = self.originals.head(&object.key, object.version_id.as_ref()).await?;
        Ok(head.is_some_and(|head| head.size == object.size && head.etag == object.etag))
    }

    /// A new asset that shows the bytes of `keeper`, the only one at its place unless two ask for it in the same moment.
    async fn copy(&self, owner: &OwnerId, place: Sha256, terms: &Terms, keeper: &Asset) -> Result<Asset> {
        let id = self.new_id(terms);
        let mut holder = self.table.claim(owner, place, id).await?;
        for _ in 0..ROUNDS {
            if holder == id {
                break;
            }
            // what was there went, was changed, or died before it was written
            let there = find::asset(&self.table, owner, holder, Right::Read).await?;
            let shown =
                there.filter(|asset| asset.stage() == Stage::Done && asset.sha256() == keeper.sha256());
            if let Some(here) = shown.filter(|here| is_at_place(here, terms)) {
                return Ok(here);
            }
            holder = self.table.replace(owner, place, holder, id).await?;
        }
        let new = NewCopy {
            id,
            placement: terms.placement.clone(),
            filename: terms.filename.clone(),
            content_type: terms.content_type.clone(),
        };
        let asset = Asset::copy(new, keeper, self.clock.now());
        self.create(asset, &terms.quota).await.map_err(|(error, _)| error)
    }

    /// Opens the upload of a new asset. The answer is recorded and has its grant.
    ///
    /// # Errors
    /// `too_many_uploads`, `quota_exceeded`.
    pub async fn open(&self, owner: &OwnerId, terms: &Terms, opening: Opening) -> Result<Asset> {
        self.open_as(self.new_id(terms), owner, terms, opening).await
    }

    /// The same under an id that was claimed for it before: of several that open it, one does, and the others are given
    /// what is there.
    pub async fn open_claimed(
        &self,
        id: AssetId,
        owner: &OwnerId,
        terms: &Terms,
        opening: Opening,
    ) -> Result<Asset> {
        if let Some(there) = self.table.get(id).await? {
            return Ok(there);
        }
        match self.open_as(id, owner, terms, opening).await {
            Err(error) if error.code() == ASSET_EXISTS => {
                self.table.get(id).await?.ok_or_else(Error::asset_not_found)
            }
            opened => opened,
        }
    }

    async fn open_as(&self, id: AssetId, owner: &OwnerId, terms: &Terms, opening: Opening) -> Result<Asset> {
        let key = ObjectKey::new(&terms.placement.folder, id, &terms.filename);
        let target = Target { key, version: Version::FIRST, replaces: None };
        let size = self.within_quota(owner, terms).await?;
        let grant = self.grant(&target, terms, size, opening).await?;
        let upload_id = grant.upload_id().cloned();
        let new = NewAsset { id, owner: owner.clone(), placement: terms.placement.clone(), grant };
        let asset = Asset::create(new, self.clock.now());
        match self.create(asset, &terms.quota).await {
            Ok(asset) => Ok(asset),
            Err((error, Recorded::No)) => {
                self.free(&target.key, upload_id).await;
                Err(error)
            }
            Err((error, Recorded::Unknown)) => Err(error),
        }
    }

    /// Writes a new asset. Where nobody can say whether it was written, what belongs to it must stay.
    async fn create(&self, asset: Asset, quota: &Quota) -> Result<Asset, (Error, Recorded)> {
        let create = async || self.table.create(&asset, quota).await;
        let created = uncontended(&self.clock, create).await;
        let unknown = matches!(&created, Err(error) if error.kind() == ErrorKind::Unavailable);
        match written(&self.table, &asset, created).await {
            Ok(Written::Ours) => Ok(asset),
            Ok(Written::Theirs(_)) => {
                Err((Error::conflict(ASSET_EXISTS, "an asset has this id"), Recorded::No))
            }
            Err(error) if unknown => match self.table.get(asset.id()).await {
                Ok(None) => Err((error, Recorded::No)),
                _ => Err((error, Recorded::Unknown)),
            },
            Err(error) => Err((error, Recorded::No)),
        }
    }

    /// Opens the upload of a further version of an asset: its key stays, and S3 itself refuses whoever comes late. It
    /// takes the place of an upload that is open.
    ///
    /// # Errors
    /// `asset_busy` while bytes that are there wait for their reading or conversion, `stale_version`; `quota_exceeded`.
    pub async fn open_update(&self, asset: Asset, terms: &Terms, opening: Opening) -> Result<Asset> {
        let id = asset.id();
        if !asset.may_be_updated() {
            return Err(Error::conflict("asset_busy", "the asset's present version is still on its way"));
        }
        let target = Target {
            key: asset.key().clone(),
            version: asset.granted().next(),
            replaces: asset.replaced_by_next().cloned(),
        };
        let size = self.within_quota(asset.owner(), terms).await?;
        let grant = self.grant(&target, terms, size, opening).await?;
        let (name, upload_id) = (grant.id.clone(), grant.upload_id().cloned());
        let event = Event::UpdateGranted(Box::new(grant));
        let granting = change::apply_within(&self.table, &self.clock, asset, &event, &terms.quota);
        let error = match Box::pin(granting).await {
            Ok(Transition { asset, effects, .. }) => {
                // what can't be freed now is on record
                let _ = free_uploads(&self.table, &self.originals, &self.clock, &asset, &effects).await;
                return Ok(asset);
            }
            Err(error) => error,
        };
        // an answer that was lost may hide a grant that was recorded, and changed since
        match self.table.get(id).await {
            Ok(Some(stored)) if stored.grant().is_some_and(|open| open.id == name) => Ok(stored),
            Ok(_) => {
                self.free(&target.key, upload_id).await;
                Err(error)
            }
            Err(_) => Err(error),
        }
    }

    /// How many bytes may come: where the client doesn't say, no more than its owner has left.
    async fn within_quota(&self, owner: &OwnerId, terms: &Terms) -> Result<SizeRange> {
        if terms.size.exact().is_some() || terms.quota.stored_bytes.is_none() {
            return Ok(terms.size);
        }
        terms.quota.cut(terms.size, self.table.usage(owner).await?)
    }

    async fn grant(
        &self,
        target: &Target,
        terms: &Terms,
        size: SizeRange,
        opening: Opening,
    ) -> Result<Grant> {
        let create = || self.originals.create(&target.key, &terms.content_type, target.version);
        let now = self.clock.now();
        let (mode, expires_at) = match opening {
            Opening::Direct(ttl) => (GrantMode::Direct, now.plus(ttl)),
            Opening::Form(ttl) => (GrantMode::Form, now.plus(ttl)),
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
            id: terms.made.as_ref().map_or_else(|| self.ids.name(), |made| made.grant.clone()),
            version: target.version,
            mode,
            size,
            quota: terms.quota,
            filename: terms.filename.clone(),
            content_type: terms.content_type.clone(),
            sha256: terms.sha256,
            replaces: target.replaces.clone(),
            granted_at: now,
            expires_at,
            idle: false,
        })
    }

    fn new_id(&self, terms: &Terms) -> AssetId {
        terms.made.as_ref().map_or_else(|| self.ids.asset_id(), |made| made.asset_id)
    }

    /// Frees what nothing records; a failure leaves it to the bucket's lifecycle rule.
    async fn free(&self, key: &ObjectKey, upload_id: Option<UploadId>) {
        if let Some(upload_id) = upload_id {
            let _ = self.originals.abort(key, &upload_id).await;
        }
    }
}

/// Whether something is on record.
enum Recorded {
    /// It isn't.
    No,
    /// Nobody can tell.
    Unknown,
}

/// Under what the content index names the asset that shows a content under this name, in this folder, for this message.
fn place(sha256: Sha256, terms: &Terms) -> Sha256 {
    let Terms { placement: Placement { folder, message_id, .. }, filename, .. } = terms;
    let message = message_id.as_ref().map(ToString::to_string).unwrap_or_default();
    // no name holds a control character
    Sha256::of(format!("{sha256}\n{folder}\n{filename}\n{message}").as_bytes())
}

/// Whether an asset has the name, folder and message of these terms.
fn is_at_place(asset: &Asset, terms: &Terms) -> bool {
    *asset.filename() == terms.filename
        && *asset.folder() == terms.placement.folder
        && asset.message_id() == terms.placement.message_id.as_ref()
}
