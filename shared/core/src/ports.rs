//! The world as the domain sees it. Each trait is one role; adapters live in `sluice-aws`, doubles in
//! `sluice-testing`, and one contract suite per port runs on both.
//!
//! Common to all: no SDK type passes through; a service that fails in passing is `Unavailable`, a refusal for load
//! `Throttled`; everything may be called twice, and each method says what the second call gives.

use std::{
    future::Future,
    ops::{Range, RangeInclusive},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    asset::{Asset, Grant, JobName},
    error::Result,
    gate::{GateAnswer, GateRequest, Principal},
    idempotency::KeyRecord,
    ids::{
        AssetId, ConnectionId, ETag, ObjectVersionId, OwnerId, RequestId, Sha256, TaskId, UploadId, Version,
    },
    job::UploadJob,
    names::{ContentType, DerivedKey, Filename, ObjectKey},
    task::Task,
    time::Timestamp,
    tus::{Lock, StagingKey, TusUpload},
    upload::{PartTag, UploadedPart},
    usage::{Quota, Usage, UsageChange},
};

pub use crate::asset::ObjectHead;

/// The time of day, and waiting for it to pass.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Waits for `duration`, to the millisecond or longer.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;

    /// Waits for a random part of `longest`, so that those that met one another don't meet again.
    fn back_off(&self, longest: Duration) -> impl Future<Output = ()> + Send;
}

/// Fresh ids and secrets.
pub trait IdGenerator: Send + Sync {
    /// An id that was never given before and sorts after those given earlier.
    fn asset_id(&self) -> AssetId;
    /// The same for a task.
    fn task_id(&self) -> TaskId;
    /// A secret of 256 random bits, URL-safe.
    fn secret(&self) -> String;
    /// A name that nobody else has, to know an attempt again by. It is no secret: 96 random bits.
    fn name(&self) -> String {
        let secret = self.secret();
        secret[secret.len().saturating_sub(16)..].to_owned()
    }
}

/// An object's bytes, chunk by chunk.
pub trait ObjectBody: Send {
    /// The next chunk; none at the end. After an error the body is at its end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>>> + Send;
}

/// What is written to the bucket of originals by ourselves.
#[derive(Debug, Clone)]
pub struct NewObject {
    /// Its type.
    pub content_type: ContentType,
    /// The asset's version that it is.
    pub version: Version,
    /// The digest that S3 checks the bytes against.
    pub sha256: Sha256,
    /// The bytes.
    pub bytes: Bytes,
}

/// The bucket of originals, read side and small whole objects.
pub trait OriginalStore: Send + Sync {
    /// The bytes of an object.
    type Body: ObjectBody;

    /// What is at `key` (in the given S3 version, or the newest); none if nothing is.
    fn head(
        &self,
        key: &ObjectKey,
        version_id: Option<&ObjectVersionId>,
    ) -> impl Future<Output = Result<Option<ObjectHead>>> + Send;

    /// The bytes at `key`; none if nothing is there.
    fn get(
        &self,
        key: &ObjectKey,
        version_id: Option<&ObjectVersionId>,
    ) -> impl Future<Output = Result<Option<Self::Body>>> + Send;

    /// Writes an object where nothing is, with all that a presigned PUT binds; none if something is there, which stays.
    /// A call that is repeated because its answer was lost finds its own object there.
    fn put(
        &self,
        key: &ObjectKey,
        object: NewObject,
    ) -> impl Future<Output = Result<Option<ObjectHead>>> + Send;

    /// Removes exactly this S3 version (or the object, in a bucket without versions). Removing what isn't there is
    /// success.
    fn delete(
        &self,
        key: &ObjectKey,
        version_id: Option<&ObjectVersionId>,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// The bucket of derivatives.
pub trait DerivedStore: Send + Sync {
    /// Writes a derivative; writing it again replaces it.
    fn put(
        &self,
        key: &DerivedKey,
        content_type: &ContentType,
        bytes: Bytes,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Removes derivatives. Removing what isn't there is success.
    fn delete(&self, keys: &[DerivedKey]) -> impl Future<Output = Result<()>> + Send;
}

/// What S3 answered to the order to stitch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stitched {
    /// The object is there.
    Done,
    /// There is no such upload (any more): it was completed before, aborted, or never was.
    NoSuchUpload,
    /// The condition of the grant doesn't hold: an object is there already, or another version than the one replaced.
    PreconditionFailed,
    /// S3 doesn't take these parts (one is missing, too small, or has another receipt).
    PartsRefused,
}

/// Multipart uploads in the bucket of originals.
pub trait MultipartStore: Send + Sync {
    /// Starts an upload of `version` at `key`. Starting twice gives two uploads; the one that isn't recorded is
    /// aborted by the bucket's lifecycle.
    fn create(
        &self,
        key: &ObjectKey,
        content_type: &ContentType,
        version: Version,
    ) -> impl Future<Output = Result<UploadId>> + Send;

    /// Writes a part; writing it again replaces it. None if there is no such upload.
    fn upload_part(
        &self,
        key: &ObjectKey,
        upload_id: &UploadId,
        number: u16,
        bytes: Bytes,
    ) -> impl Future<Output = Result<Option<ETag>>> + Send;

    /// All parts that S3 has, ascending, every page of them; none if there is no such upload.
    fn list_parts(
        &self,
        key: &ObjectKey,
        upload_id: &UploadId,
    ) -> impl Future<Output = Result<Option<Vec<UploadedPart>>>> + Send;

    /// Orders S3 to stitch, on condition: `replaces` must be the present object's tag, or nothing may be there. An
    /// answer of 200 with an error inside it is an error.
    fn complete(
        &self,
        key: &ObjectKey,
        upload_id: &UploadId,
        parts: &[PartTag],
        replaces: Option<&ETag>,
    ) -> impl Future<Output = Result<Stitched>> + Send;

    /// Frees the parts. Aborting what isn't there is success; an object that was stitched stays.
    fn abort(&self, key: &ObjectKey, upload_id: &UploadId) -> impl Future<Output = Result<()>> + Send;
}

/// A request that a client sends by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// Where to.
    pub url: String,
    /// The headers that the client must send, names in lower case; never `host` or `content-length`.
    pub headers: Vec<(String, String)>,
    /// Until when S3 takes it: never later than the signing credentials live.
    pub expires_at: Timestamp,
}

/// A form that a browser posts by itself (`multipart/form-data`): the fields in their order, then the file as `file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedForm {
    /// Where to: the bucket's address, with a slash at its end.
    pub url: String,
    /// What stands before the file.
    pub fields: Vec<(String, String)>,
    /// Until when S3 takes it: never later than the signing credentials live.
    pub expires_at: Timestamp,
}

impl SignedForm {
    /// The value of a field; empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(have, _)| have == name).map_or("", |(_, value)| value)
    }
}

/// A step of a multipart upload that a client takes at S3 by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultipartStep<'a> {
    /// `GET`: the list of its parts, as XML.
    List,
    /// `POST`: the parts are stitched, on condition, see [`MultipartStore::complete`].
    Complete {
        /// The present object's tag; without one nothing may be there.
        replaces: Option<&'a ETag>,
    },
    /// `DELETE`: the parts are freed.
    Abort,
}

/// A signed part of a multipart upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPart {
    /// 1 to 10,000.
    pub number: u16,
    /// Where its bytes are PUT.
    pub url: String,
}

/// Signs uploads to the bucket of originals. Signing is local: nothing is called but, at times, for credentials.
pub trait UploadSigner: Send + Sync {
    /// One PUT that binds exactly what was granted: length, type, version, digest if there is one, and the condition.
    fn sign_put(
        &self,
        key: &ObjectKey,
        grant: &Grant,
        now: Timestamp,
        ttl: Duration,
    ) -> impl Future<Output = Result<SignedRequest>> + Send;

    /// PUTs of a window of parts, ascending, and until when they are valid.
    fn sign_parts(
        &self,
        key: &ObjectKey,
        upload_id: &UploadId,
        parts: RangeInclusive<u16>,
        now: Timestamp,
        ttl: Duration,
    ) -> impl Future<Output = Result<(Vec<SignedPart>, Timestamp)>> + Send;

    /// A form that binds exactly what was granted: key, size, type, version. S3 knows no condition for forms, so one that
    /// comes late or twice is written, as an S3 version of its own; whose bytes count is the asset's to say.
    fn sign_post(
        &self,
        key: &ObjectKey,
        grant: &Grant,
        now: Timestamp,
        ttl: Duration,
    ) -> impl Future<Output = Result<SignedForm>> + Send;

    /// The start of a multipart upload by the client itself (`POST`), which binds type and version.
    fn sign_create(
        &self,
        key: &ObjectKey,
        grant: &Grant,
        now: Timestamp,
        ttl: Duration,
    ) -> impl Future<Output = Result<SignedRequest>> + Send;

    /// A further step of a multipart upload by the client itself.
    fn sign_step(
        &self,
        key: &ObjectKey,
        upload_id: &UploadId,
        step: MultipartStep<'_>,
        now: Timestamp,
        ttl: Duration,
    ) -> impl Future<Output = Result<SignedRequest>> + Send;

    /// The address of an object, unsigned: what clients are told as its place.
    fn address(&self, key: &ObjectKey) -> impl Future<Output = Result<String>> + Send;
}

/// How a browser treats a link to an original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Shown in place.
    Inline,
    /// Saved under the file's name.
    Attachment,
}

/// An original as it is linked to.
#[derive(Debug, Clone, Copy)]
pub struct OriginalLink<'a> {
    /// Its key.
    pub key: &'a ObjectKey,
    /// Exactly which bytes.
    pub version_id: Option<&'a ObjectVersionId>,
    /// The name it is saved under.
    pub filename: &'a Filename,
    /// The type it is served as.
    pub content_type: &'a ContentType,
    /// Shown or saved.
    pub disposition: Disposition,
}

/// A short-lived link to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its address, which takes GET alone.
    pub url: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// Signs short-lived links to read.
pub trait LinkSigner: Send + Sync {
    /// A link to an original.
    fn original(&self, link: OriginalLink<'_>) -> impl Future<Output = Result<Link>> + Send;
    /// A link to a derivative.
    fn derivative(&self, key: &DerivedKey) -> impl Future<Output = Result<Link>> + Send;
}

/// Whether a conditional write took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It did.
    Yes,
    /// Somebody else wrote first: read again.
    Conflict,
    /// Other writers of the same items were in the way: nothing was written, and whether the condition holds isn't known.
    /// Try again after a pause, as [`uncontended`](crate::change::uncontended) does.
    Contended,
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where to go on; none at the end. Opaque.
    pub next: Option<String>,
}

/// Which of an owner's assets are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listed {
    /// All but those whose upload was cancelled: what their users expect to see.
    Present,
    /// Those whose upload was cancelled.
    Cancelled,
}

impl Listed {
    /// Whether the asset is among them.
    pub fn holds(self, asset: &Asset) -> bool {
        asset.is_cancelled() == (self == Self::Cancelled)
    }
}

/// The state table's assets, and what each owner has of them: a write that changes what an asset counts for changes its
/// owner's usage in the same transaction. All of an owner's grants and arrivals meet at that one usage, so any write may be
/// `Contended`; each is one try.
pub trait AssetRepository: Send + Sync {
    /// Writes a new asset; `Conflict` if the id is taken. Nothing is written over the quota: `too_many_uploads`,
    /// `quota_exceeded`.
    fn create(&self, asset: &Asset, quota: &Quota) -> impl Future<Output = Result<Saved>> + Send;

    /// The asset as last written; none if it doesn't exist.
    fn get(&self, id: AssetId) -> impl Future<Output = Result<Option<Asset>>> + Send;

    /// Writes an asset that counts for `usage` more (or less) than before, on condition that the stored revision is one
    /// below its own. Nothing is written over the quota, as with [`Self::create`].
    fn save(
        &self,
        asset: &Asset,
        usage: UsageChange,
        quota: &Quota,
    ) -> impl Future<Output = Result<Saved>> + Send;

    /// What the owner has.
    fn usage(&self, owner: &OwnerId) -> impl Future<Output = Result<Usage>> + Send;

    /// The owner's assets, newest first, at most `limit`. It may lag behind [`Self::get`] by moments. A cursor that isn't one
    /// of this listing is `Invalid`.
    fn list(
        &self,
        owner: &OwnerId,
        listed: Listed,
        limit: u16,
        cursor: Option<&str>,
    ) -> impl Future<Output = Result<Page<Asset>>> + Send;

    /// The asset whose last multipart upload this is. It may lag behind [`Self::get`] by moments.
    fn by_upload(&self, upload_id: &UploadId) -> impl Future<Output = Result<Option<AssetId>>> + Send;

    /// The owner's assets changed at or after `since`, oldest change first, at most `limit`. It may lag behind
    /// [`Self::get`] by moments.
    fn changed_since(
        &self,
        owner: &OwnerId,
        since: Timestamp,
        limit: u16,
        cursor: Option<&str>,
    ) -> impl Future<Output = Result<Page<Asset>>> + Send;

    /// Assets whose deadline is past, at most `limit`, in no order.
    fn overdue(&self, now: Timestamp, limit: u16) -> impl Future<Output = Result<Vec<AssetId>>> + Send;
}

/// Who of an owner's assets keeps which content.
pub trait ContentIndex: Send + Sync {
    /// The asset that keeps this content, if any.
    fn keeper(&self, owner: &OwnerId, sha256: Sha256)
    -> impl Future<Output = Result<Option<AssetId>>> + Send;

    /// Makes `asset` the keeper unless another is; answers who is. A second call by the keeper gives the same.
    fn claim(
        &self,
        owner: &OwnerId,
        sha256: Sha256,
        asset: AssetId,
    ) -> impl Future<Output = Result<AssetId>> + Send;

    /// Makes `asset` the keeper in place of `stale`, which lost its bytes; answers who is keeper then.
    fn replace(
        &self,
        owner: &OwnerId,
        sha256: Sha256,
        stale: AssetId,
        asset: AssetId,
    ) -> impl Future<Output = Result<AssetId>> + Send;
}

/// An order for a worker, as it lies on the queue.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct JobOrder {
    /// The asset.
    pub asset_id: AssetId,
    /// Its version.
    pub version: Version,
    /// What to do.
    pub job: JobName,
}

/// The queues of conversion jobs.
pub trait JobQueue: Send + Sync {
    /// Queues an order. It may be delivered more than once, and queuing twice is harmless.
    fn enqueue(&self, order: &JobOrder) -> impl Future<Output = Result<()>> + Send;

    /// How many orders wait on the queue, are held back, or are being worked at. The number is approximate and lags
    /// behind, at SQS by a minute at most as a rule; 0 means that most likely nothing is there.
    fn backlog(&self) -> impl Future<Output = Result<u64>> + Send;
}

/// The operator's own gate, which decides in the policy's place. It is asked once for each grant, under a short time limit.
pub trait GateFunction: Send + Sync {
    /// Decides. Whatever isn't an answer is an error, and an error is a refusal.
    fn judge(&self, request: &GateRequest<'_>) -> impl Future<Output = Result<GateAnswer>> + Send;
}

/// Where one secret lies.
pub trait SecretSource: Send + Sync {
    /// The secret's text, as it is now.
    fn fetch(&self) -> impl Future<Output = Result<String>> + Send;
}

/// Single-use tickets for the WebSocket. Only a digest of the ticket is kept.
pub trait TicketRepository: Send + Sync {
    /// Keeps a ticket.
    fn issue(
        &self,
        ticket: Sha256,
        owner: &OwnerId,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Takes a ticket: its owner, once; none if it was taken, has expired, or never was.
    fn redeem(&self, ticket: Sha256, now: Timestamp) -> impl Future<Output = Result<Option<OwnerId>>> + Send;
}

/// A connection that is on record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    /// Its id, which no other connection ever has.
    pub id: ConnectionId,
    /// When it was added, or added again. One that was recorded without it reads as added in 1970.
    pub since: Timestamp,
}

/// Open WebSocket connections.
///
/// The record follows what API Gateway tells, and that may come late, twice, in another order, or never. So a record may
/// outlive its connection, which a push notices, and an open connection may lack its record, which its next message mends.
pub trait ConnectionRepository: Send + Sync {
    /// Adds a connection of `owner`, or the same one again, whose `since` is the new one then. It is forgotten at
    /// `expires_at` in any case. One try, which may be `Contended`, and is never a `Conflict`.
    fn add(
        &self,
        connection: &Connection,
        owner: &OwnerId,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<Saved>> + Send;

    /// Forgets a connection, whenever it was added. Forgetting what isn't there is success.
    fn remove(&self, connection: &ConnectionId) -> impl Future<Output = Result<()>> + Send;

    /// Forgets a connection of `owner` as it was read: one that was added again after its `since` stays. Forgetting what
    /// isn't there, and leaving what was added again, is success.
    fn remove_unless_newer(
        &self,
        connection: &Connection,
        owner: &OwnerId,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Whose connection it is; none if it isn't on record. One that has an owner is among [`Self::of_owner`]'s.
    fn owner_of(&self, connection: &ConnectionId) -> impl Future<Output = Result<Option<OwnerId>>> + Send;

    /// The owner's connections, each that was added before the call and not removed.
    fn of_owner(&self, owner: &OwnerId) -> impl Future<Output = Result<Vec<Connection>>> + Send;
}

/// Whether a message reached its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It was handed over.
    Delivered,
    /// There is no such connection: it has ended, or it is still opening. API Gateway takes no message for a connection
    /// before `$connect` has been answered (<https://repost.aws/knowledge-center/410-gone-api-gateway>).
    Gone,
}

/// Pushes to WebSocket connections.
pub trait Notifier: Send + Sync {
    /// Pushes a text frame, at most 128 KB (API Gateway's limit of a message; 32 KB a frame). It ends within a second or so:
    /// a line that hangs is `Unavailable`.
    fn push(&self, connection: &ConnectionId, text: &str) -> impl Future<Output = Result<Delivery>> + Send;

    /// Cuts a connection, so that its client notices. Cutting one that has ended is success.
    fn cut(&self, connection: &ConnectionId) -> impl Future<Output = Result<()>> + Send;
}

/// Upload jobs, found by their owner's own id and by the digest of their token.
pub trait UploadJobRepository: Send + Sync {
    /// Writes a new job, and the way to it by its token, both or neither: on condition that what has its id is still
    /// `earlier`, or that nothing has it. The earlier one's token leads nowhere from then on. One try, which may be
    /// `Contended`, and so may be [`Self::save`].
    fn create(
        &self,
        job: &UploadJob,
        earlier: Option<&UploadJob>,
    ) -> impl Future<Output = Result<Saved>> + Send;

    /// The job as last written; none if it doesn't exist.
    fn get(
        &self,
        owner: &OwnerId,
        request_id: &RequestId,
    ) -> impl Future<Output = Result<Option<UploadJob>>> + Send;

    /// The job of a token; none for a token of none, or of one whose id another has taken.
    fn by_token(&self, token: Sha256) -> impl Future<Output = Result<Option<UploadJob>>> + Send;

    /// Writes a changed job on condition that the stored revision is one below its own.
    fn save(&self, job: &UploadJob) -> impl Future<Output = Result<Saved>> + Send;

    /// The owner's jobs by id, at most `limit`. A cursor that isn't one is `Invalid`.
    fn list(
        &self,
        owner: &OwnerId,
        limit: u16,
        cursor: Option<&str>,
    ) -> impl Future<Output = Result<Page<UploadJob>>> + Send;
}

/// What the address of an endpoint stands for: uploads by somebody who sends no token, as long as it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whose uploads they are, and where they may land.
    pub principal: Principal,
    /// Until when new uploads may be opened.
    pub opens_until: Timestamp,
    /// Until when those that are open may be gone on with.
    pub expires_at: Timestamp,
}

/// Endpoints by the digest of the secret in their address.
pub trait EndpointTokenRepository: Send + Sync {
    /// Keeps an endpoint.
    fn keep(&self, token: Sha256, endpoint: &Endpoint) -> impl Future<Output = Result<()>> + Send;

    /// The endpoint of a token; none if it has expired or never was.
    fn endpoint(
        &self,
        token: Sha256,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Endpoint>>> + Send;
}

/// Tasks of the small form upload.
pub trait TaskRepository: Send + Sync {
    /// Writes a task; it is forgotten after [`TASK_TTL`](crate::task::TASK_TTL). A second call writes the same.
    fn create(&self, task: &Task) -> impl Future<Output = Result<()>> + Send;

    /// The task; none if it doesn't exist.
    fn get(&self, id: TaskId) -> impl Future<Output = Result<Option<Task>>> + Send;
}

/// Requests with an idempotency key. Each is forgotten after [`KEY_TTL`](crate::idempotency::KEY_TTL).
pub trait IdempotencyRepository: Send + Sync {
    /// Writes the record of a request where there is none, or one whose time is over; otherwise what is there. A second
    /// call finds its own.
    fn claim(
        &self,
        record: &KeyRecord,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<KeyRecord>>> + Send;

    /// Writes a record in the place of `there`, on condition that it is that still, or already the new one; whether it is.
    fn replace(&self, there: &KeyRecord, record: &KeyRecord) -> impl Future<Output = Result<bool>> + Send;
}

/// The bucket in which bytes wait until they are part of an original. Its lifecycle rule removes what was left.
pub trait StagingStore: Send + Sync {
    /// Writes an object; writing it again replaces it.
    fn put(&self, key: &StagingKey, bytes: Bytes) -> impl Future<Output = Result<()>> + Send;

    /// A range of an object that must be there: all of its bytes or an error. `Internal` if it isn't there.
    fn get(&self, key: &StagingKey, range: Range<u64>) -> impl Future<Output = Result<Bytes>> + Send;

    /// Removes objects. Removing what isn't there is success.
    fn remove(&self, keys: &[StagingKey]) -> impl Future<Output = Result<()>> + Send;

    /// Has S3 copy an object, or a range of it, as a part of a multipart upload to the bucket of originals; again replaces
    /// it. A whole object is copied without a range: S3 takes none of a source of 5 MiB or less
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html>).
    fn copy_part(
        &self,
        source: &StagingKey,
        range: Option<Range<u64>>,
        key: &ObjectKey,
        upload_id: &UploadId,
        number: u16,
    ) -> impl Future<Output = Result<Copied>> + Send;
}

/// What S3 answered to the order to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// The part is there.
    Done,
    /// The source isn't there.
    NoSuchSource,
    /// There is no such multipart upload.
    NoSuchUpload,
}

/// What became of the wish to append.
#[derive(Debug, Clone, PartialEq)]
pub enum Locking {
    /// The lock is the caller's; the upload with it.
    Taken(Box<TusUpload>),
    /// It isn't; the upload as it is, if there is one.
    Refused(Option<Box<TusUpload>>),
}

/// Uploads by tus, by the digest of the secret in their URL.
pub trait TusUploadRepository: Send + Sync {
    /// Writes a new upload; `Conflict` if there is one.
    fn create(&self, id: Sha256, upload: &TusUpload) -> impl Future<Output = Result<Saved>> + Send;

    /// The upload as last written; none if there is none.
    fn get(&self, id: Sha256) -> impl Future<Output = Result<Option<TusUpload>>> + Send;

    /// Locks an upload if it is open, stands at `offset`, has no lock, not even one that is past, and is `owner`'s or was
    /// opened by a job's token. One write; it counts for the revision.
    fn lock(
        &self,
        id: Sha256,
        owner: Option<&OwnerId>,
        offset: u64,
        lock: &Lock,
    ) -> impl Future<Output = Result<Locking>> + Send;

    /// Writes an upload on condition that the stored revision is one below its own.
    fn save(&self, id: Sha256, upload: &TusUpload) -> impl Future<Output = Result<Saved>> + Send;

    /// Forgets an upload, on condition of this revision. `Conflict` if it has another, or is gone.
    fn remove(&self, id: Sha256, revision: u64) -> impl Future<Output = Result<Saved>> + Send;
}
