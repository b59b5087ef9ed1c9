//! The asset: the one record that says what a file is and where it stands.
//!
//! Status fields are private. They change only in [`Asset::apply`] (module `transition`), so that no caller can
//! write a state that the table of states doesn't know (invariant I1).
//!
//! Message status, processing status and stage move together; these are the only combinations there are:
//!
//! | step | message | processing | stage |
//! |---|---|---|---|
//! | granted, bytes on their way | `pending` | `queued` | `uploading` |
//! | bytes are there | `pending` | `queued` | `processing` |
//! | a worker has begun | `pending` | `running` | `processing` |
//! | every required job is done | `sent` (later `seen`) | `done` | `done` |
//! | a required job failed, or the upload ended | `pending` | `failed` | `failed` |

mod transition;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use transition::{Effect, Event, Ingest, Outcome, Transition};

use crate::{
    ids::{AssetId, ETag, MessageId, ObjectVersionId, OwnerId, RequestId, Sha256, UploadId, Version},
    names::{ContentType, DerivedKey, Filename, Folder, Kind, ObjectKey},
    time::Timestamp,
    upload::{Parts, SizeRange},
    usage::Usage,
};

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
}

impl Stage {
    /// Whether it is the last one.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
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
    /// Until when the worker that has it may work on it undisturbed.
    pub lease_until: Option<Timestamp>,
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
    /// The failure of an upload that its user cancelled.
    pub const CANCELLED: &str = "upload_cancelled";
    /// The failure of an upload whose grant ended before the bytes came.
    pub const EXPIRED: &str = "upload_expired";
    /// The failure of work that nobody finished in its time.
    pub const TIMED_OUT: &str = "timed_out";

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
    /// Of the original as shown, in pixels.
    pub width: u32,
    /// Of the original as shown, in pixels.
    pub height: u32,
}

/// How a grant lets the bytes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum GrantMode {
    /// All at once: a presigned PUT, or a form.
    Direct,
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
    /// Until when bytes are expected.
    pub expires_at: Timestamp,
}

impl Grant {
    /// The parts that were planned; none where it comes at once, or in parts of the client's own choice.
    pub const fn parts(&self) -> Option<Parts> {
        match self.mode {
            GrantMode::Multipart { part_size, num_parts, .. } => {
                Some(Parts { size: self.size.max(), part_size, num_parts })
            }
            GrantMode::Direct | GrantMode::OpenMultipart { .. } => None,
        }
    }

    /// S3's id of the multipart upload, if it is one.
    pub const fn upload_id(&self) -> Option<&UploadId> {
        match &self.mode {
            GrantMode::Direct => None,
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

/// What a new asset is made of.
#[derive(Debug, Clone)]
pub struct NewAsset {
    /// Its id.
    pub id: AssetId,
    /// Whose it is.
    pub owner: OwnerId,
    /// Where it lands.
    pub folder: Folder,
    /// The application's message that it belongs to.
    pub message_id: Option<MessageId>,
    /// The upload job that it came by.
    pub upload_job: Option<RequestId>,
    /// The leave to upload its first version.
    pub grant: Grant,
}

/// The one record of a file. Status fields are read by methods and written by [`Asset::apply`] alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asset {
    id: AssetId,
    owner: OwnerId,
    folder: Folder,
    key: ObjectKey,
    message_id: Option<MessageId>,
    upload_job: Option<RequestId>,
    filename: Filename,
    declared_type: ContentType,
    size: u64,
    version: Version,
    /// Goes up by one with every saved change: the sequence number that clients see.
    revision: u64,
    message_status: MessageStatus,
    processing_status: ProcessingStatus,
    stage: Stage,
    progress: u8,
    grant: Option<Grant>,
    object: Option<StoredObject>,
    content_type: Option<ContentType>,
    kind: Kind,
    sha256: Option<Sha256>,
    duplicate_of: Option<AssetId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    jobs: BTreeMap<JobName, Job>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    derivatives: Vec<Derivative>,
    placeholder: Option<Placeholder>,
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    metadata: serde_json::Map<String, serde_json::Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
    failure: Option<Failure>,
    /// When somebody has to look after it if nothing happens; none once it is terminal.
    deadline: Option<Timestamp>,
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
        /// Where it lies.
        folder: &Folder, ref;
        /// Its object key, constant for life.
        key: &ObjectKey, ref;
        /// The application's message that it belongs to.
        message_id: Option<&MessageId>, opt;
        /// The upload job that it came by.
        upload_job: Option<&RequestId>, opt;
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
        /// The digest of the bytes, once they were read (or as the client said until then).
        sha256: Option<Sha256>;
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
        /// The open leave to upload, if there is one.
        grant: Option<&Grant>, opt;
        /// The original's bytes, once they are there.
        object: Option<&StoredObject>, opt;
        /// The asset that has the bytes, if this one is a copy.
        duplicate_of: Option<AssetId>;
        /// The jobs of the current version.
        jobs: &BTreeMap<JobName, Job>, ref;
        /// What was made of the current version.
        derivatives: &[Derivative], ref;
        /// What can be painted at once.
        placeholder: Option<&Placeholder>, opt;
        /// What the file says of itself.
        metadata: &serde_json::Map<String, serde_json::Value>, ref;
        /// What its user should know.
        warnings: &[Warning], ref;
        /// Why it failed.
        failure: Option<&Failure>, opt;
        /// When somebody has to look after it.
        deadline: Option<Timestamp>;
        /// When it was granted.
        created_at: Timestamp;
        /// When it last changed.
        updated_at: Timestamp;
    }

    /// The object of the open grant, if `head` at the asset's key is the granted version.
    pub fn granted_object(&self, head: ObjectHead) -> Option<StoredObject> {
        let grant = self.grant.as_ref().filter(|grant| head.version == Some(grant.version))?;
        Some(StoredObject {
            key: self.key.clone(),
            size: head.size,
            etag: head.etag,
            version_id: head.version_id,
            version: grant.version,
            upload_id: grant.upload_id().cloned(),
            sha256: head.sha256,
        })
    }

    /// What it counts for in its owner's [`Usage`]: an upload that bytes are still expected of, the bytes that it keeps
    /// itself, and those that it was granted room for.
    pub fn usage(&self) -> Usage {
        let off = self.stage == Stage::Failed && self.object.is_none();
        let open = self.grant.as_ref().filter(|_| !off);
        let own = self.object.as_ref().filter(|_| self.duplicate_of.is_none());
        let granted = open.and_then(|grant| grant.size.exact()).unwrap_or(0);
        Usage {
            open_uploads: u32::from(open.is_some()),
            stored_bytes: own.map_or(0, |object| object.size).saturating_add(granted),
        }
    }

    /// Whether the content of `version` is there and still to be read.
    pub fn awaits_ingest(&self, version: Version) -> bool {
        version == self.version && self.stage == Stage::Processing && !self.is_ingested()
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
