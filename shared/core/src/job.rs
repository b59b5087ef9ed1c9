//! Upload jobs: an upload that is announced before it starts, by a caller's own id, and is followed to its end.
//!
//! A job is let through the gate when it is made, and keeps what was let through ([`UploadJob::terms`]): whoever has its
//! token may start just that upload, and within [`START_WITHIN`]. Of the token only the digest is kept.
//!
//! The status is private and changes in [`UploadJob::apply`] alone:
//!
//! | from | by | to |
//! |---|---|---|
//! | `queued` | its upload is opened | `uploading` |
//! | `queued` | an hour | `expired`; nobody writes that, it is read so |
//! | `queued`, `uploading` | the bytes are there | `completed` |
//! | `queued`, `uploading` | it, or its upload, is called off | `cancelled` |
//! | `uploading` | its upload's time is over | `expired` |
//!
//! The last three are ends: nothing changes an ended job but a new one that takes its id, and only where no file came
//! of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    asset::{Asset, Outcome, Placement, Stage},
    change::uncontended,
    document::{POLL, Poll},
    error::{Error, ErrorKind, Result},
    gate::Terms,
    ids::{AssetId, MessageId, OwnerId, RequestId, Sha256},
    names::{ContentType, Filename, Folder},
    ports::{Clock, Saved, UploadJobRepository},
    right::is_same_owner,
    storable,
    time::Timestamp,
    upload::SizeRange,
    usage::Quota,
};

/// How long a job waits for its upload to start.
pub const START_WITHIN: Duration = Duration::from_hours(1);
/// The most that a job keeps of what its client told beside the file, in bytes of JSON: its asset has that too, in each of its
/// documents.
pub const MAX_METADATA_BYTES: usize = 4 * 1024;
/// How often a change is tried against other writers.
const ROUNDS: usize = 8;

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadJobStatus {
    /// Its upload hasn't started.
    Queued,
    /// Its upload is open.
    Uploading,
    /// Its bytes are there.
    Completed,
    /// It was called off.
    Cancelled,
    /// It wasn't started, or its upload not finished, in time.
    Expired,
}

impl UploadJobStatus {
    /// Whether nothing comes after it.
    pub const fn is_end(self) -> bool {
        !matches!(self, Self::Queued | Self::Uploading)
    }
}

/// What happened to a job.
#[derive(Debug, Clone, Copy)]
pub enum JobEvent<'a> {
    /// Its upload is about to be opened as this asset. The first that comes has its way: one token opens one asset, by
    /// however many requests.
    Claimed {
        /// The asset that the bytes become, unless another was claimed.
        asset_id: AssetId,
        /// When its upload began.
        at: Timestamp,
    },
    /// Its upload was opened: bytes are expected of this asset.
    Started {
        /// The asset that the bytes become.
        asset_id: AssetId,
    },
    /// An asset that came by it changed.
    Followed(&'a Asset),
    /// Its owner doesn't want it any more.
    Cancelled,
}

/// What a new job is made of.
#[derive(Debug, Clone)]
pub struct NewUploadJob {
    /// Whose it is.
    pub owner: OwnerId,
    /// The client's own id of it.
    pub request_id: RequestId,
    /// What the gate let through.
    pub terms: Terms,
    /// What else the client told.
    pub metadata: Map<String, Value>,
    /// The digest of the token that it is started with.
    pub token: Sha256,
}

/// An upload job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UploadJob {
    owner: OwnerId,
    request_id: RequestId,
    filename: Filename,
    size: SizeRange,
    content_type: ContentType,
    sha256: Option<Sha256>,
    folder: Folder,
    message_id: Option<MessageId>,
    max_open_uploads: Option<u32>,
    max_stored_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
    token: Sha256,
    status: UploadJobStatus,
    progress: u8,
    asset_id: Option<AssetId>,
    /// The asset of the job that had this id before: what still becomes of it isn't this job's.
    earlier_asset: Option<AssetId>,
    start_before: Timestamp,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Goes up by one with every saved change: the sequence number that clients see.
    revision: u64,
}

impl UploadJob {
    /// A new job. Where it takes the id of an `earlier` one its revisions go on from there.
    ///
    /// # Errors
    /// `job_exists` unless the earlier one ended without a file; `invalid_field` for too much metadata, or such as isn't
    /// kept ([`storable`]).
    pub fn create(new: NewUploadJob, earlier: Option<&Self>, now: Timestamp) -> Result<Self> {
        let NewUploadJob { owner, request_id, terms, metadata, token } = new;
        let ended = [UploadJobStatus::Cancelled, UploadJobStatus::Expired];
        if earlier.is_some_and(|job| !ended.contains(&job.status(now))) {
            return Err(job_exists());
        }
        storable::check("metadata", &metadata)?;
        let bytes = serde_json::to_vec(&metadata).map_err(Error::internal)?.len();
        if bytes > MAX_METADATA_BYTES {
            return Err(Error::invalid_field(
                "metadata",
                format!("the fields beside the file's own are {bytes} bytes; {MAX_METADATA_BYTES} are kept"),
            ));
        }
        Ok(Self {
            owner,
            request_id,
            filename: terms.filename,
            size: terms.size,
            content_type: terms.content_type,
            sha256: terms.sha256,
            folder: terms.placement.folder,
            message_id: terms.placement.message_id,
            max_open_uploads: terms.quota.open_uploads,
            max_stored_bytes: terms.quota.stored_bytes,
            metadata,
            token,
            status: UploadJobStatus::Queued,
            progress: 0,
            asset_id: None,
            earlier_asset: earlier.and_then(|job| job.asset_id.max(job.earlier_asset)),
            start_before: now.plus(START_WITHIN),
            created_at: now,
            updated_at: now,
            revision: earlier.map_or(0, |job| job.revision) + 1,
        })
    }

    /// Whose it is.
    pub const fn owner(&self) -> &OwnerId {
        &self.owner
    }

    /// The client's own id of it.
    pub const fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// The digest of its token.
    pub const fn token(&self) -> Sha256 {
        self.token
    }

    /// The asset that its bytes become, once its upload is about to be opened.
    pub const fn asset_id(&self) -> Option<AssetId> {
        self.asset_id
    }

    /// What else the client told.
    pub const fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    /// 0 to 100.
    pub const fn progress(&self) -> u8 {
        self.progress
    }

    /// Until when its upload may start.
    pub const fn start_before(&self) -> Timestamp {
        self.start_before
    }

    /// Goes up by one with every saved change.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// When it was made.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When it last changed.
    pub const fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// How it stands now: one that wasn't started in time has expired, though nobody wrote that.
    pub fn status(&self, now: Timestamp) -> UploadJobStatus {
        if self.status == UploadJobStatus::Queued && now >= self.start_before {
            UploadJobStatus::Expired
        } else {
            self.status
        }
    }

    /// What the gate let through: just this may be uploaded by it.
    pub fn terms(&self) -> Terms {
        Terms {
            filename: self.filename.clone(),
            size: self.size,
            content_type: self.content_type.clone(),
            sha256: self.sha256,
            placement: Placement {
                folder: self.folder.clone(),
                message_id: self.message_id.clone(),
                upload_job: Some(self.request_id.clone()),
                task: None,
                custom: self.metadata.clone(),
            },
            quota: Quota { open_uploads: self.max_open_uploads, stored_bytes: self.max_stored_bytes },
            made: None,
        }
    }

    /// Whether its upload may be opened now. It may again while it is open: a client whose answer was lost asks twice.
    ///
    /// # Errors
    /// `already_completed`, `job_cancelled`, `job_expired`.
    pub fn check_start(&self, now: Timestamp) -> Result<()> {
        match self.status(now) {
            UploadJobStatus::Queued => Ok(()),
            UploadJobStatus::Uploading if now < self.start_before => Ok(()),
            UploadJobStatus::Completed => Err(already_completed()),
            UploadJobStatus::Cancelled => Err(job_cancelled()),
            UploadJobStatus::Uploading | UploadJobStatus::Expired => {
                Err(Error::conflict("job_expired", "the time to start this upload is over"))
            }
        }
    }

    /// Applies an event; the answer says whether anything is to be saved.
    ///
    /// # Errors
    /// For `Claimed` and `Started` those of [`Self::check_start`]; for `Cancelled` `already_completed`. A job that ended is otherwise
    /// not changed, and that is no error.
    pub fn apply(&self, event: &JobEvent<'_>, now: Timestamp) -> Result<(Self, Outcome)> {
        let mut job = self.clone();
        match *event {
            JobEvent::Claimed { asset_id, at } => {
                job.check_start(at)?;
                job.asset_id.get_or_insert(asset_id);
            }
            JobEvent::Started { asset_id } => job.started(asset_id, now)?,
            JobEvent::Followed(asset) => job.followed(asset),
            JobEvent::Cancelled => match job.status(now) {
                UploadJobStatus::Completed => return Err(already_completed()),
                // what expired is off already
                UploadJobStatus::Cancelled | UploadJobStatus::Expired => {}
                UploadJobStatus::Queued | UploadJobStatus::Uploading => {
                    job.status = UploadJobStatus::Cancelled;
                }
            },
        }
        if job == *self {
            return Ok((job, Outcome::Unchanged));
        }
        job.revision += 1;
        job.updated_at = now.max(self.updated_at);
        Ok((job, Outcome::Changed))
    }

    fn started(&mut self, asset_id: AssetId, now: Timestamp) -> Result<()> {
        if self.status == UploadJobStatus::Uploading && self.asset_id == Some(asset_id) {
            return Ok(());
        }
        if self.earlier_asset >= Some(asset_id) {
            // opened for the job that had the id before
            return Err(job_cancelled());
        }
        self.check_start(now)?;
        self.status = UploadJobStatus::Uploading;
        self.take_up(asset_id);
        Ok(())
    }

    /// Turns to the youngest of its assets: the one whose opening was answered last.
    fn take_up(&mut self, asset_id: AssetId) {
        if self.asset_id < Some(asset_id) {
            self.asset_id = Some(asset_id);
            self.progress = 0;
        }
    }

    fn followed(&mut self, asset: &Asset) {
        let ours = is_same_owner(asset.owner(), &self.owner)
            && asset.upload_job() == Some(&self.request_id)
            && Some(asset.id()) > self.earlier_asset;
        if !ours || self.status.is_end() {
            return;
        }
        if asset.object().is_some() {
            // by whichever of its assets: the bytes are there
            self.asset_id = Some(asset.id());
            self.status = UploadJobStatus::Completed;
            self.progress = 100;
            return;
        }
        // an upload that was called off before it was ever this job's, which may have its id from an earlier one
        let ended = matches!(asset.stage(), Stage::Failed | Stage::Cancelled);
        let stray = self.status == UploadJobStatus::Queued && ended;
        if stray || self.asset_id > Some(asset.id()) {
            return;
        }
        self.take_up(asset.id());
        match asset.stage() {
            Stage::Cancelled => self.status = UploadJobStatus::Cancelled,
            Stage::Failed => self.status = UploadJobStatus::Expired,
            _ => {
                self.status = UploadJobStatus::Uploading;
                self.progress = self.progress.max(asset.progress().min(99));
            }
        }
    }
}

/// The error of an id that is in use.
pub fn job_exists() -> Error {
    Error::conflict("job_exists", "an upload job with this id exists")
}

/// The error of a start after a cancel.
pub fn job_cancelled() -> Error {
    Error::conflict("job_cancelled", "the upload job was cancelled")
}

/// The error of a cancel or a start that comes too late.
pub fn already_completed() -> Error {
    Error::conflict("already_completed", "the upload job's file is already there")
}

/// An upload job that doesn't exist or isn't the caller's.
pub fn job_not_found() -> Error {
    Error::new(ErrorKind::NotFound, "job_not_found", "no such upload job")
}

/// Applies `event` to a job that was just read and saves the result if it changed anything; reads again if somebody
/// else was first. The answer is the job as it is stored now.
///
/// # Errors
/// Those of [`UploadJob::apply`]; `job_not_found` if it went meanwhile; `Throttled` when other writers were always first.
pub async fn apply_to(
    repository: &impl UploadJobRepository,
    clock: &impl Clock,
    mut job: UploadJob,
    event: &JobEvent<'_>,
) -> Result<(UploadJob, Outcome)> {
    for _ in 0..ROUNDS {
        let (changed, outcome) = job.apply(event, clock.now())?;
        let save = async || repository.save(&changed).await;
        if outcome == Outcome::Unchanged || uncontended(clock, save).await? == Saved::Yes {
            return Ok((changed, outcome));
        }
        job = repository.get(&job.owner, &job.request_id).await?.ok_or_else(job_not_found)?;
    }
    Err(Error::new(ErrorKind::Throttled, "busy", "the upload job is being changed by many at once"))
}

/// A job as clients see it, in HTTP and WebSocket. Field names are the wire's (JSON, snake case); the token isn't among
/// them, nor its digest.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the fields are the job's own, documented there")]
pub struct UploadJobDocument {
    pub request_id: RequestId,
    pub filename: Filename,
    /// Null where the client didn't say.
    pub size: Option<u64>,
    pub content_type: ContentType,
    /// The same under its earlier name.
    #[serde(rename = "type")]
    pub earlier_content_type: ContentType,
    /// What its client told beside the file.
    pub custom: Map<String, Value>,
    /// The same under its earlier name.
    pub metadata: Map<String, Value>,
    pub status: UploadJobStatus,
    pub progress: u8,
    pub asset_id: Option<AssetId>,
    pub revision: u64,
    pub start_before: Timestamp,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When to ask again; none once it has ended.
    pub poll: Option<Poll>,
}

impl UploadJobDocument {
    /// The document of a job as it stands now.
    pub fn render(job: &UploadJob, now: Timestamp) -> Self {
        Self {
            request_id: job.request_id.clone(),
            filename: job.filename.clone(),
            size: job.size.exact(),
            content_type: job.content_type.clone(),
            earlier_content_type: job.content_type.clone(),
            custom: job.metadata.clone(),
            metadata: job.metadata.clone(),
            status: job.status(now),
            progress: job.progress,
            // one that was merely claimed may never be opened
            asset_id: job.asset_id.filter(|_| job.status != UploadJobStatus::Queued),
            revision: job.revision,
            start_before: job.start_before,
            created_at: job.created_at,
            updated_at: job.updated_at,
            poll: (!job.status(now).is_end()).then_some(POLL),
        }
    }
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
