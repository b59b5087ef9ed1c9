//! The asset: the one record that says what a file is and where it stands.
//!
//! Status fields are private. They change only in [`Asset::apply`] (module `transition`), so that no caller can
//! write a state that the table of states doesn't know.
//!
//! A further version on its way stands beside what is shown ([`Update`]): the asset turns to it when its content was
//! read and taken. Whatever becomes of it before that, the present version stays as it is.
//!
//! Message status, processing status and stage move together; these are the only combinations there are:
//!
//! | step | message | processing | stage |
//! |---|---|---|---|
//! | granted, bytes on their way | `pending` | `queued` | `uploading` |
//! | bytes are there | `pending` | `queued` | `processing` |
//! | a worker has begun | `pending` | `running` | `processing` |
//! | every required job is done | `sent` (later `seen`) | `done` | `done` |
//! | a required job failed, or the upload's time ended | `pending` | `failed` | `failed` |
//! | the upload was cancelled | `pending` | `cancelled` | `cancelled` |

mod leftovers;
mod transition;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use transition::{Effect, Event, Ingest, Outcome, Overdue, Transition};

use crate::{
    ids::{AssetId, ETag, MessageId, ObjectVersionId, OwnerId, RequestId, Sha256, TaskId, UploadId, Version},
    names::{ContentType, DerivedKey, Filename, Folder, Kind, ObjectKey},
    time::Timestamp,
    upload::{Parts, SizeRange},
    usage::{Quota, Usage},
};

pub use leftovers::Leftover;

/// Whether the message that the asset belongs to may be shown to its receivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// Not yet.
    Pending,
    /// It may.
    Sent,
    /// It was.
    Seen,
}

/// Where the work on the asset stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessingStatus {
    /// Nothing has begun.
    Queued,
    /// A worker has begun.
    Running,
    /// All that is required is done.
    Done,
    /// Something required failed.
    Failed,
    /// The upload was cancelled: there is nothing to work on.
    Cancelled,
}

/// What a user is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A progress bar.
    Uploading,
    /// A clock.
    Processing,
    /// The file and a tick.
    Done,
    /// A red mark and what can be done about it.
    Failed,
    /// Nothing any more: its user didn't want it.
    Cancelled,
}

impl Stage {
    /// Whether it is the last one.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// A kind of work on an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobName {
    /// Reading the content. Never among an asset's jobs: that it is to be done is said by the asset's state.
    Ingest,
    /// Image derivatives.
    Image,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// No worker has it.
    Queued,
    /// A worker has it until its lease ends.
    Running,
    /// Done.
    Done,
    /// Failed for good.
    Failed,
}

/// Whether an asset can be `done` without a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// The asset is `done` only when the job is, and fails with it.
    Required,
    /// The asset is `done` only when the job has ended; a failure is a warning on it.
    Awaited,
    /// A failure is a warning on the asset.
    Optional,
}

/// A job of the asset's current version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// How it stands.
    pub status: JobStatus,
    /// Whether the asset can be done without it.
    pub need: Need,
    /// The version of the asset that it works on.
    pub version: Version,
    /// 0 to 100.
    pub progress: u8,
    /// How many times a worker began it.
    pub attempts: u32,
    /// The worker that has it.
    pub lease: Option<Lease>,
}

/// A worker's hold on a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The order that it works on, by its id on the queue. The same order delivered again is the same holder: whoever
    /// had it before is dead, or its answer was lost.
    pub holder: String,
    /// Until when another order's worker leaves the job alone.
    pub until: Timestamp,
}

/// Why something failed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable, snake case, for programs.
    pub code: String,
    /// For people, with numbers where there are any.
    pub message: String,
    /// Whether trying again without a new upload can help.
    pub retryable: bool,
}

impl Failure {
    /// The failure of an upload whose grant ended before the bytes came.
    pub const EXPIRED: &str = "upload_expired";
    /// The failure of work that nobody finished in its time.
    pub const TIMED_OUT: &str = "timed_out";
    /// The failure of work that failed at every try.
    pub const EXHAUSTED: &str = "attempts_exhausted";

    /// A failure that trying again can't mend.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), retryable: false }
    }

    /// A failure that trying again may mend.
    pub fn retryable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), retryable: true }
    }
}

/// Something that its user should know and that hindered nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Stable, snake case.
    pub code: String,
    /// For people.
    pub message: String,
}

/// Whether there is a picture to show in a file's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cover {
    /// It is among the derivatives.
    Available,
    /// It is being made, or will be once the bytes are there.
    Pending,
    /// None is made of such a file.
    None,
    /// None could be made of this file.
    Impossible,
}

/// A converted form of the original.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derivative {
    /// Its name in the profile: `thumb`, `preview`, `large`.
    pub name: String,
    /// Where its bytes are.
    pub key: DerivedKey,
    /// Its media type.
    pub content_type: ContentType,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Its size.
    pub bytes: u64,
    /// The version of the asset that it was made from.
    pub version: Version,
}

/// What can be painted before any byte of a derivative has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placeholder {
    /// A `ThumbHash`, base64 (<https://evanw.github.io/thumbhash/>).
    pub thumbhash: String,
}

/// How large a picture is as it is shown: turned as its orientation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimensions {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// How a grant lets the bytes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum GrantMode {
    /// All at once: a presigned PUT.
    Direct,
    /// All at once: a form. S3 takes no condition with one, so what is posted twice is written twice.
    Form,
    /// S3's multipart upload.
    Multipart {
        /// S3's id of it.
        upload_id: UploadId,
        /// Bytes of each part but the last.
        part_size: u64,
        /// How many parts.
        num_parts: u16,
    },
    /// S3's multipart upload in parts of whatever size they come.
    OpenMultipart {
        /// S3's id of it.
        upload_id: UploadId,
    },
}

/// The leave to upload one version of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What no other grant has: by it a grant is known again whose answer was lost.
    pub id: String,
    /// The version that the bytes will be.
    pub version: Version,
    /// How they come.
    #[serde(flatten)]
    pub mode: GrantMode,
    /// How many bytes.
    pub size: SizeRange,
    /// The name they come under.
    pub filename: Filename,
    /// The type that the client says.
    pub content_type: ContentType,
    /// The digest that the client says.
    pub sha256: Option<Sha256>,
    /// The entity tag of the version that is replaced; none for the first (`If-None-Match: *`).
    pub replaces: Option<ETag>,
    /// What its owner may have, by whoever let it in: bytes that no room was kept for are measured by it when they come.
    #[serde(default, skip_serializing_if = "Quota::is_unlimited")]
    pub quota: Quota,
    /// When it was granted.
    pub granted_at: Timestamp,
    /// Until when bytes are expected.
    pub expires_at: Timestamp,
    /// Whether nothing was seen of its upload for so long that its answer was most likely lost: it no longer counts for
    /// its owner's quota. Bytes that come after all are taken.
    #[serde(default)]
    pub idle: bool,
}

impl Grant {
    /// The parts that were planned; none where it comes at once, or in parts of the client's own choice.
    pub const fn parts(&self) -> Option<Parts> {
        match self.mode {
            GrantMode::Multipart { part_size, num_parts, .. } => {
                Some(Parts { size: self.size.max(), part_size, num_parts })
            }
            GrantMode::Direct | GrantMode::Form | GrantMode::OpenMultipart { .. } => None,
        }
    }

    /// S3's id of the multipart upload, if it is one.
    pub const fn upload_id(&self) -> Option<&UploadId> {
        match &self.mode {
            GrantMode::Direct | GrantMode::Form => None,
            GrantMode::Multipart { upload_id, .. } | GrantMode::OpenMultipart { upload_id } => {
                Some(upload_id)
            }
        }
    }
}

/// What S3 says of an object without sending its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// Its bytes.
    pub size: u64,
    /// Its entity tag.
    pub etag: ETag,
    /// Its S3 version; none where the bucket isn't versioned.
    pub version_id: Option<ObjectVersionId>,
    /// The asset's version from the metadata that the grant bound (`x-amz-meta-version`); none if it is missing.
    pub version: Option<Version>,
    /// The digest of the whole object, if S3 checked one.
    pub sha256: Option<Sha256>,
}

/// The original's bytes as they lie in S3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    /// Where they are: the asset's own key, or for a duplicate the key of the asset that has the bytes.
    pub key: ObjectKey,
    /// How many bytes.
    pub size: u64,
    /// The entity tag.
    pub etag: ETag,
    /// S3's version, to pin every reader to just these bytes; none where the bucket isn't versioned.
    pub version_id: Option<ObjectVersionId>,
    /// The asset's version, as written in the object's metadata at the grant.
    pub version: Version,
    /// The multipart upload that they came by.
    pub upload_id: Option<UploadId>,
    /// The digest, where S3 itself checked one.
    pub sha256: Option<Sha256>,
}

/// A version that was kept at the asset's own key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The asset's version.
    pub version: Version,
    /// S3's version.
    pub version_id: Option<ObjectVersionId>,
    /// The entity tag: the condition of whoever replaces it.
    pub etag: ETag,
    /// The multipart upload that it came by.
    pub upload_id: Option<UploadId>,
}

impl Kept {
    fn of(object: &StoredObject) -> Self {
        Self {
            version: object.version,
            version_id: object.version_id.clone(),
            etag: object.etag.clone(),
            upload_id: object.upload_id.clone(),
        }
    }
}

/// A further version on its way, beside the one that is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// The leave that it comes by.
    pub grant: Grant,
    /// `uploading` until its bytes are there, `processing` until they were read, `failed` where they can't be taken or
    /// didn't come. What is taken is the asset's, and the update is over.
    pub stage: Stage,
    /// Of its upload, 0 to 100.
    pub progress: u8,
    /// Its bytes, once they are there.
    pub object: Option<StoredObject>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

impl Update {
    fn new(grant: Grant) -> Self {
        Self { grant, stage: Stage::Uploading, progress: 0, object: None, failure: None }
    }

    /// The version that it brings.
    pub const fn version(&self) -> Version {
        self.grant.version
    }

    /// Whether bytes may still come by its grant: also after its time, should they be under way; not once they were
    /// refused.
    fn is_awaited(&self) -> bool {
        let expired = self.failure.as_ref().is_some_and(|failure| failure.code == Failure::EXPIRED);
        self.stage == Stage::Uploading || expired
    }
}

/// Content that is there and waits to be read: the asset's first, or its update's.
#[derive(Debug, Clone, Copy)]
pub struct Unread<'a> {
    /// The version that it is.
    pub version: Version,
    /// The bytes.
    pub object: &'a StoredObject,
    /// The name they came under.
    pub filename: &'a Filename,
    /// The type that the client said.
    pub declared_type: &'a ContentType,
    /// The digest that the client said.
    pub announced: Option<Sha256>,
}

/// What an asset belongs to: said before its first version is granted, and the same for all its versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// Where it lies.
    pub folder: Folder,
    /// The application's message that it belongs to.
    pub message_id: Option<MessageId>,
    /// The upload job that it came by.
    pub upload_job: Option<RequestId>,
    /// The task of the form that it came by.
    pub task: Option<TaskId>,
    /// What its client told beside the file when it announced it.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub custom: serde_json::Map<String, serde_json::Value>,
}

impl Placement {
    /// A folder, and nothing else.
    pub fn of_folder(folder: Folder) -> Self {
        Self { folder, message_id: None, upload_job: None, task: None, custom: serde_json::Map::new() }
    }
}

/// What a new asset is made of.
#[derive(Debug, Clone)]
pub struct NewAsset {
    /// Its id.
    pub id: AssetId,
    /// Whose it is.
    pub owner: OwnerId,
    /// What it belongs to.
    pub placement: Placement,
    /// The leave to upload its first version.
    pub grant: Grant,
}

/// What a new asset is made of that shows another's bytes.
#[derive(Debug, Clone)]
pub struct NewCopy {
    /// Its id.
    pub id: AssetId,
    /// What it belongs to.
    pub placement: Placement,
    /// Its own name.
    pub filename: Filename,
    /// The type that the client said.
    pub content_type: ContentType,
}

/// The one record of a file. Status fields are read by methods and written by [`Asset::apply`] alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asset {
    id: AssetId,
    owner: OwnerId,
    placement: Placement,
    key: ObjectKey,
    filename: Filename,
    declared_type: ContentType,
    size: u64,
    version: Version,
    /// The highest version number that was ever granted. A number is never granted twice, so that bytes count only for
    /// the grant that they were sent under.
    granted: Version,
    /// Goes up by one with every saved change: the sequence number that clients see.
    revision: u64,
    message_status: MessageStatus,
    processing_status: ProcessingStatus,
    stage: Stage,
    progress: u8,
    grant: Option<Grant>,
    /// S3's id of the multipart upload that was last granted; none where the last grant was of another mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upload_id: Option<UploadId>,
    object: Option<StoredObject>,
    update: Option<Update>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kept: Vec<Kept>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    leftovers: Vec<Leftover>,
    /// The highest version number of which bytes came although another had taken its place.
    superseded: Option<Version>,
    content_type: Option<ContentType>,
    kind: Kind,
    /// As the client said, until the content was read; from then on as somebody found it, who had all the bytes.
    sha256: Option<Sha256>,
    duplicate_of: Option<AssetId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    jobs: BTreeMap<JobName, Job>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    derivatives: Vec<Derivative>,
    dimensions: Option<Dimensions>,
    placeholder: Option<Placeholder>,
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    metadata: serde_json::Map<String, serde_json::Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
    failure: Option<Failure>,
    /// How often the work that it waits for was ordered again, since something last came of it.
    #[serde(default)]
    drives: u32,
    /// When it was last ordered again.
    driven_at: Option<Timestamp>,
    /// When somebody has to look after what it waits for; none where it waits for nothing.
    due: Option<Timestamp>,
    /// When somebody has to free what was left behind; none where nothing was.
    free_by: Option<Timestamp>,
    /// When somebody has to look whether bytes came that nobody told of: once the signatures of grants are void by which
    /// more could be written, because they were given up, or hold no condition that the bytes taken don't meet.
    look_at: Option<Timestamp>,
    /// Until when a signature of any of its grants may be used.
    signed_until: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Getters: by value for what is `Copy`, by reference for the rest.
macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty $(, $how:tt)?;)*) => {
        $($(#[$doc])* pub fn $name(&self) -> $kind { getters!(@ self.$name $(, $how)?) })*
    };
    (@ $self:ident.$name:ident) => { $self.$name };
    (@ $self:ident.$name:ident, ref) => { &$self.$name };
    (@ $self:ident.$name:ident, opt) => { $self.$name.as_ref() };
}

impl Asset {
    getters! {
        /// Its id.
        id: AssetId;
        /// Whose it is.
        owner: &OwnerId, ref;
        /// What it belongs to.
        placement: &Placement, ref;
        /// Its object key, constant for life.
        key: &ObjectKey, ref;
        /// Its name as the user wrote it.
        filename: &Filename, ref;
        /// The type that the client said.
        declared_type: &ContentType, ref;
        /// The type by content, once it was read.
        content_type: Option<&ContentType>, opt;
        /// What it is, broadly.
        kind: Kind;
        /// Its size in bytes.
        size: u64;
        /// The version of its content.
        version: Version;
        /// Goes up by one with every saved change.
        revision: u64;
        /// Whether its message may be shown.
        message_status: MessageStatus;
        /// Where the work stands.
        processing_status: ProcessingStatus;
        /// What a user is shown.
        stage: Stage;
        /// 0 to 100.
        progress: u8;
        /// The highest version number that was ever granted.
        granted: Version;
        /// S3's id of the multipart upload that was last granted, also when it is over.
        upload_id: Option<&UploadId>, opt;
        /// The original's bytes, once they are there.
        object: Option<&StoredObject>, opt;
        /// The further version on its way, or why the last one didn't come to be the asset's.
        update: Option<&Update>, opt;
        /// The versions that were kept at its own key, oldest first; the oldest are forgotten in time.
        kept: &[Kept], ref;
        /// What lies at S3 under its key and belongs to nobody any more.
        leftovers: &[Leftover], ref;
        /// The asset that has the bytes, if this one is a copy.
        duplicate_of: Option<AssetId>;
        /// The jobs of the current version.
        jobs: &BTreeMap<JobName, Job>, ref;
        /// What was made of the current version.
        derivatives: &[Derivative], ref;
        /// How large its picture is.
        dimensions: Option<Dimensions>;
        /// What can be painted at once.
        placeholder: Option<&Placeholder>, opt;
        /// What the file says of itself.
        metadata: &serde_json::Map<String, serde_json::Value>, ref;
        /// What its user should know.
        warnings: &[Warning], ref;
        /// Why it failed.
        failure: Option<&Failure>, opt;
        /// When it was granted.
        created_at: Timestamp;
        /// When it last changed.
        updated_at: Timestamp;
    }

    /// Where it lies.
    pub const fn folder(&self) -> &Folder {
        &self.placement.folder
    }

    /// The application's message that it belongs to.
    pub const fn message_id(&self) -> Option<&MessageId> {
        self.placement.message_id.as_ref()
    }

    /// The upload job that it came by.
    pub const fn upload_job(&self) -> Option<&RequestId> {
        self.placement.upload_job.as_ref()
    }

    /// Whether its owner called its only upload off.
    pub fn is_cancelled(&self) -> bool {
        self.stage == Stage::Cancelled
    }

    /// The digest of the bytes as somebody found it: S3, or who read them. What the client said is no digest.
    pub fn sha256(&self) -> Option<Sha256> {
        if self.is_ingested() { self.sha256 } else { self.object.as_ref().and_then(|object| object.sha256) }
    }

    /// What its owner may have, where an event brings what no room was kept for.
    pub fn quota_of(&self, event: &Event) -> Quota {
        let grant = match event {
            Event::UploadArrived(object) => self.grant().filter(|grant| grant.version == object.version),
            Event::DeadlinePassed(_) => self.grant(),
            _ => None,
        };
        grant.map_or(Quota::UNLIMITED, |grant| grant.quota)
    }

    /// When somebody has to look after it if nothing happens; none once it waits for nothing and has nothing to free.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.due.into_iter().chain(self.free_by).chain(self.look_at).min()
    }

    /// The leave that bytes may come by: the first version's, or an update's.
    pub fn grant(&self) -> Option<&Grant> {
        match &self.update {
            Some(update) => update.is_awaited().then_some(&update.grant),
            None => self.grant.as_ref(),
        }
    }

    /// The leave of an upload that is under way: not of one whose time is over, though its bytes are taken should they come.
    pub fn open_grant(&self) -> Option<&Grant> {
        let stage = self.update.as_ref().map_or(self.stage, |update| update.stage);
        self.grant().filter(|_| stage == Stage::Uploading)
    }

    /// The object of the open grant, if `head` at the asset's key is the granted version.
    pub fn granted_object(&self, head: ObjectHead) -> Option<StoredObject> {
        let version =
            head.version.filter(|&version| self.grant().is_some_and(|grant| grant.version == version))?;
        Some(self.stored_object(head, version))
    }

    /// An object at the asset's key as the record keeps it.
    pub fn stored_object(&self, head: ObjectHead, version: Version) -> StoredObject {
        let granted = self.grant().filter(|grant| grant.version == version);
        StoredObject {
            key: self.key.clone(),
            size: head.size,
            etag: head.etag,
            version_id: head.version_id,
            version,
            upload_id: granted.and_then(Grant::upload_id).cloned(),
            sha256: head.sha256,
        }
    }

    /// The tag of what lies at the asset's own key and is kept: the condition under which the next version is written.
    /// None where nothing may lie there.
    pub fn replaced_by_next(&self) -> Option<&ETag> {
        self.kept.last().map(|kept| &kept.etag)
    }

    /// Why the last grant came to nothing, if its owner called it off.
    pub fn is_update_cancelled(&self) -> bool {
        self.update.is_none() && self.object.is_some() && self.granted > self.version
    }

    /// The highest version number of which bytes came although another grant had taken its place.
    pub const fn superseded(&self) -> Option<Version> {
        self.superseded
    }

    /// What it counts for in its owner's [`Usage`]: an upload that bytes are still expected of, the bytes that it keeps
    /// itself, and those that it was granted room for.
    pub fn usage(&self) -> Usage {
        let expected = match &self.update {
            Some(update) => (update.stage == Stage::Uploading).then_some(&update.grant),
            None => self.grant.as_ref().filter(|_| self.stage == Stage::Uploading),
        };
        let open = expected.filter(|grant| !grant.idle);
        let granted = open.and_then(|grant| grant.size.exact()).unwrap_or(0);
        let own = self.object.as_ref().filter(|_| self.duplicate_of.is_none());
        let waiting = self.update.as_ref().and_then(|update| update.object.as_ref());
        let size = |object: Option<&StoredObject>| object.map_or(0, |object| object.size);
        Usage {
            open_uploads: u32::from(open.is_some()),
            stored_bytes: size(own).saturating_add(size(waiting)).saturating_add(granted),
        }
    }

    /// The content of `version` that is there and still to be read.
    pub fn unread(&self, version: Version) -> Option<Unread<'_>> {
        if let Some(update) = self.update.as_ref().filter(|update| update.version() == version) {
            let object = update.object.as_ref().filter(|_| update.stage == Stage::Processing)?;
            let Grant { filename, content_type, sha256, .. } = &update.grant;
            return Some(Unread {
                version,
                object,
                filename,
                declared_type: content_type,
                announced: *sha256,
            });
        }
        let first = version == self.version && self.stage == Stage::Processing && !self.is_ingested();
        let object = self.object.as_ref().filter(|_| first)?;
        let (filename, declared_type) = (&self.filename, &self.declared_type);
        Some(Unread { version, object, filename, declared_type, announced: self.sha256 })
    }

    /// Whether the content of `version` is there and still to be read.
    pub fn awaits_ingest(&self, version: Version) -> bool {
        self.unread(version).is_some()
    }

    /// The version whose content is there and still to be read, if there is one.
    pub fn awaited_ingest(&self) -> Option<Version> {
        let version = self.update.as_ref().map_or(self.version, Update::version);
        self.unread(version).map(|unread| unread.version)
    }

    /// Whether there is a picture to show in its place. Until the content was read that is guessed from the type that the client
    /// said.
    pub fn cover(&self) -> Cover {
        if self.derivatives.iter().any(|made| Kind::of(&made.content_type) == Kind::Image) {
            return Cover::Available;
        }
        if !self.is_ingested() {
            let expected = !self.stage.is_terminal() && Kind::of(&self.declared_type) == Kind::Image;
            return if expected { Cover::Pending } else { Cover::None };
        }
        match self.jobs.get(&JobName::Image).map(|job| job.status) {
            Some(JobStatus::Queued | JobStatus::Running) if self.stage != Stage::Failed => Cover::Pending,
            Some(JobStatus::Done) => Cover::None,
            Some(_) => Cover::Impossible,
            None if self.kind == Kind::Image => Cover::Impossible,
            None => Cover::None,
        }
    }

    /// Whether something is still on its way: clients ask again until it isn't.
    pub fn is_settled(&self) -> bool {
        self.stage.is_terminal() && self.update.as_ref().is_none_or(|update| update.stage.is_terminal())
    }

    /// How many bytes the content of `version` has; none where it isn't there, or is no longer.
    pub fn size_of(&self, version: Version) -> Option<u64> {
        match &self.update {
            Some(update) if update.version() == version => update.object.as_ref().map(|object| object.size),
            _ => self.object.as_ref().filter(|_| self.version == version).map(|object| object.size),
        }
    }

    /// Whether its content has been read (type, hash, metadata).
    pub const fn is_ingested(&self) -> bool {
        self.content_type.is_some()
    }

    /// The failure's code, if it failed.
    pub fn failure_code(&self) -> Option<&str> {
        self.failure.as_ref().map(|failure| failure.code.as_str())
    }
}
