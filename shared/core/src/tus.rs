//! Uploads by tus: what is kept of one between its requests, and how its bytes become an S3 object.
//!
//! Clients append in chunks of whatever size, S3 takes parts of 5 MiB and more. What is less than a part waits as
//! *segments*, objects of their own in the staging bucket; together they are the upload's *tail*. An append that makes
//! the tail long enough ([`part_target`]) writes tail and body as one part, so each byte is written at most twice.
//!
//! One record says what counts: the offset, the tail, the next part's number. Whatever isn't in the record was never
//! acknowledged. Invariants:
//!
//! - Every write of the record is on condition of the revision that was read; so of two that append at once one wins.
//! - Nothing is overwritten that may count: a segment's name holds who wrote it, and a part's number is given to one
//!   holder of the lock alone. Where a holder vanished, or a part's fate isn't known, its number is skipped for good.
//! - Nothing is deleted that counts: segments go after the record no longer names them.
//!
//! So a holder that was taken for dead and goes on writes what nobody reads, and its commit fails.

mod join;

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

pub use self::join::{Piece, Plan, Step, plan_join};
use crate::{
    asset::{Asset, Grant},
    error::{Error, ErrorKind, Result},
    ids::{AssetId, OwnerId, RequestId, Sha256, UploadId, Version},
    names::ObjectKey,
    time::Timestamp,
    upload::{MAX_PARTS, MIB, MULTIPART_TTL, SizeRange, UploadedPart},
};

/// The most bytes of one append. Lambda takes an event of 6 MB, and its body is base64.
pub const MAX_APPEND_BYTES: u64 = 4_500_000;
/// The most segments of a tail; one more, and they are written together as one. It comes to that only where clients append
/// less than 10 KB at a time.
pub const MAX_SEGMENTS: usize = 512;
/// How long a lock holds without a sign of its holder. An append takes far less; and it is overtaken only by a client
/// that gave it up.
pub const LOCK_TTL: Duration = Duration::from_secs(8);
/// The same where uploads are put together: longer than the function may run.
pub const JOIN_LOCK_TTL: Duration = Duration::from_secs(35);
/// How long the record outlives its upload, so that late requests learn that it has expired.
pub const REMEMBERED_FOR: Duration = Duration::from_hours(24);

/// Parts up to this number are of S3's least size.
const SMALL_PARTS: u64 = 1_000;
/// Parts grow up to this number.
const GROWING_PARTS: u64 = 9_000;
const SMALLEST_TARGET: u64 = 5 * MIB;
const LARGEST_TARGET: u64 = 64 * MIB;

/// How many bytes make part `number`: 5 MiB for the first 1,000, then more and more up to 64 MiB at the 9,000th. Small
/// parts keep tails short; large ones let 10,000 of them hold much.
pub const fn part_target(number: u16) -> u64 {
    let number = number as u64;
    if number <= SMALL_PARTS {
        return SMALLEST_TARGET;
    }
    let number = if number < GROWING_PARTS { number } else { GROWING_PARTS };
    SMALLEST_TARGET
        + (LARGEST_TARGET - SMALLEST_TARGET) * (number - SMALL_PARTS) / (GROWING_PARTS - SMALL_PARTS)
}

/// The largest upload, about 274 GiB: what the first 9,000 parts hold. The other thousand make good for numbers that
/// were skipped. Larger files go by `/prepare`.
pub const fn max_upload_bytes() -> u64 {
    let (mut sum, mut number) = (0, 1_u16);
    while number as u64 <= GROWING_PARTS {
        sum += part_target(number);
        number += 1;
    }
    sum
}

/// The name of an object in the staging bucket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StagingKey(String);

impl StagingKey {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StagingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A partial upload is an object like those of originals, in the staging bucket.
impl From<&ObjectKey> for StagingKey {
    fn from(key: &ObjectKey) -> Self {
        Self(key.to_string())
    }
}

/// Who appends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// A name that no other attempt has.
    pub holder: String,
    /// Until when it is taken to be alive.
    pub until: Timestamp,
}

/// Bytes that wait for more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The offset of its first byte.
    at: u64,
    /// Who wrote it.
    by: String,
    /// How many bytes.
    len: u64,
}

impl Segment {
    /// Where it lies.
    pub fn key(&self, id: Sha256) -> StagingKey {
        StagingKey(format!("{id}/{}-{}", self.at, self.by))
    }

    /// How many bytes.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether it is empty; none is.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The asset that an upload becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The asset.
    pub asset_id: AssetId,
    /// Its key.
    pub key: ObjectKey,
    /// Its version.
    pub version: Version,
    /// S3's id of the multipart upload.
    pub upload_id: UploadId,
}

impl Target {
    /// The target of an asset's open grant; none unless the asset waits for a multipart upload.
    pub fn of(asset: &Asset) -> Option<Self> {
        let grant = asset.grant()?;
        Some(Self {
            asset_id: asset.id(),
            key: asset.key().clone(),
            version: grant.version,
            upload_id: grant.upload_id()?.clone(),
        })
    }

    /// Whether the asset still waits for this upload.
    pub fn is_open_on(&self, asset: &Asset) -> bool {
        asset.grant().and_then(Grant::upload_id) == Some(&self.upload_id)
    }

    /// Whether the asset won't take this upload any more: it was called off, or its time is over.
    pub fn is_off_on(&self, asset: &Asset) -> bool {
        let came = asset.size_of(self.version).is_some() || asset.version() > self.version;
        !self.is_open_on(asset) && !came
    }
}

/// A finished upload that becomes part of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Where it lies in the staging bucket.
    pub key: ObjectKey,
    /// Its bytes.
    pub len: u64,
}

/// What becomes of an upload's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Form {
    /// An asset.
    Whole(Target),
    /// Part of a final upload: an object of the staging bucket until then.
    Partial {
        /// Its key there.
        key: ObjectKey,
        /// S3's id of the multipart upload.
        upload_id: UploadId,
    },
    /// An asset made of partial uploads.
    Final {
        /// The asset.
        #[serde(flatten)]
        target: Target,
        /// What it is made of, in order.
        sources: Vec<Source>,
    },
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Bytes are expected, or all are there and S3 wasn't told to stitch yet.
    Open,
    /// A final upload whose partial ones are being put together.
    Joining,
    /// The object is there.
    Complete,
}

/// What an upload is made of.
#[derive(Debug, Clone)]
pub struct NewTusUpload {
    /// Whose it is.
    pub owner: OwnerId,
    /// The upload job whose token opened it; then its URL is all that later requests need.
    pub job: Option<RequestId>,
    /// What the client told, as the door wants it back.
    pub told: String,
    /// What becomes of it.
    pub form: Form,
    /// Its length, if it is known.
    pub length: Option<u64>,
    /// What lengths were let through.
    pub size: SizeRange,
}

/// An upload by tus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TusUpload {
    owner: OwnerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<RequestId>,
    told: String,
    form: Form,
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    size: SizeRange,
    offset: u64,
    next_part: u16,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<u16>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tail: Vec<Segment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lock: Option<Lock>,
    revision: u64,
    created_at: Timestamp,
    open_until: Timestamp,
}

/// What is to be written for an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Nothing: no bytes came, and none wait that would have to be written.
    Nothing,
    /// The body, as a segment.
    Segment,
    /// The tail and the body together, as the only segment.
    Merge,
    /// The tail and the body together, as this part.
    Part(u16),
}

/// Why an append isn't taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendFault {
    /// The length was told before, and was another.
    LengthChanged,
    /// The length is below what is there.
    LengthTooShort,
    /// Such a length was not let through.
    LengthRefused,
    /// The body goes beyond the length.
    BeyondLength,
    /// S3 takes no more parts.
    TooManyParts,
}

impl TusUpload {
    /// A new upload, locked if its maker goes on to write.
    pub fn create(new: NewTusUpload, lock: Option<Lock>, now: Timestamp) -> Self {
        let NewTusUpload { owner, job, told, form, length, size } = new;
        let is_final = matches!(form, Form::Final { .. });
        Self {
            owner,
            job,
            told,
            state: if is_final { State::Joining } else { State::Open },
            form,
            length,
            size,
            offset: 0,
            next_part: 1,
            skipped: Vec::new(),
            tail: Vec::new(),
            lock,
            revision: 1,
            created_at: now,
            open_until: now.plus(MULTIPART_TTL),
        }
    }

    /// Whose it is.
    pub const fn owner(&self) -> &OwnerId {
        &self.owner
    }

    /// The upload job whose token opened it.
    pub const fn job(&self) -> Option<&RequestId> {
        self.job.as_ref()
    }

    /// What the client told.
    pub fn told(&self) -> &str {
        &self.told
    }

    /// What becomes of it.
    pub const fn form(&self) -> &Form {
        &self.form
    }

    /// The asset that it becomes; none for a partial upload.
    pub const fn target(&self) -> Option<&Target> {
        match &self.form {
            Form::Whole(target) | Form::Final { target, .. } => Some(target),
            Form::Partial { .. } => None,
        }
    }

    /// How far it is.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Its length, if it is known.
    pub const fn length(&self) -> Option<u64> {
        self.length
    }

    /// How many bytes are there.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether all bytes are there.
    pub fn is_whole(&self) -> bool {
        self.length == Some(self.offset)
    }

    /// The bytes that wait for more.
    pub fn tail(&self) -> &[Segment] {
        &self.tail
    }

    /// How many they are.
    pub fn tail_len(&self) -> u64 {
        self.tail.iter().map(Segment::len).sum()
    }

    /// Goes up by one with every write.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// When it was made.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Until when bytes are expected.
    pub const fn open_until(&self) -> Timestamp {
        self.open_until
    }

    /// Until when the record is kept.
    pub fn kept_until(&self) -> Timestamp {
        self.open_until.plus(REMEMBERED_FOR)
    }

    /// Whether its time is over. A complete one has its record for as long as an open one.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now >= self.open_until
    }

    /// Whether somebody writes just now.
    pub fn is_locked(&self, now: Timestamp) -> bool {
        self.lock.as_ref().is_some_and(|lock| now < lock.until)
    }

    /// Whether somebody wrote and never said that it ended.
    pub fn is_deserted(&self, now: Timestamp) -> bool {
        self.lock.as_ref().is_some_and(|lock| now >= lock.until)
    }

    /// The lock as it is stored, if there is one.
    pub const fn lock(&self) -> Option<&Lock> {
        self.lock.as_ref()
    }

    fn changed(&self) -> Self {
        Self { revision: self.revision + 1, ..self.clone() }
    }

    /// With this lock. Where there was one its holder may still write its part, so that part's number isn't used again.
    #[must_use]
    pub fn locked(&self, lock: Lock) -> Self {
        let mut upload = self.changed();
        if upload.lock.replace(lock).is_some() {
            upload.skip_part();
        }
        upload
    }

    /// Without a lock, as it was before. If a part was begun its number isn't used again.
    #[must_use]
    pub fn unlocked(&self, store: Store) -> Self {
        let mut upload = self.changed();
        upload.lock = None;
        if matches!(store, Store::Part(_)) {
            upload.skip_part();
        }
        upload
    }

    fn skip_part(&mut self) {
        // a final upload's parts are planned: whoever writes one writes the same
        if self.state == State::Open {
            self.skipped.push(self.next_part);
            self.next_part = self.next_part.saturating_add(1);
        }
    }

    /// How many parts were written.
    fn parts(&self) -> usize {
        usize::from(self.next_part - 1).saturating_sub(self.skipped.len())
    }

    /// With a length that is told only now, or again.
    ///
    /// # Errors
    /// Any but `BeyondLength`.
    pub fn with_length(&self, told: Option<u64>) -> Result<Self, AppendFault> {
        let Some(told) = told else { return Ok(self.clone()) };
        match self.length {
            Some(known) if known == told => Ok(self.clone()),
            Some(_) => Err(AppendFault::LengthChanged),
            None if told < self.offset => Err(AppendFault::LengthTooShort),
            None if !self.size.holds(told) => Err(AppendFault::LengthRefused),
            None => Ok(Self { length: Some(told), ..self.clone() }),
        }
    }

    /// What is to be written for an append of `body` bytes.
    ///
    /// # Errors
    /// `BeyondLength`, `TooManyParts`.
    pub fn plan(&self, body: u64) -> Result<Store, AppendFault> {
        let end = self.offset.saturating_add(body);
        if end > self.length.unwrap_or_else(|| self.size.max()) {
            return Err(AppendFault::BeyondLength);
        }
        let waiting = self.tail_len().saturating_add(body);
        let is_last = self.length == Some(end);
        // an object of nothing is one part of nothing
        let is_empty = end == 0 && self.parts() == 0;
        let store = if waiting >= part_target(self.next_part) || is_last && (waiting > 0 || is_empty) {
            Store::Part(self.next_part)
        } else if body == 0 {
            Store::Nothing
        } else if self.tail.len() >= MAX_SEGMENTS {
            Store::Merge
        } else {
            Store::Segment
        };
        match store {
            Store::Part(number) if u64::from(number) > MAX_PARTS => Err(AppendFault::TooManyParts),
            store => Ok(store),
        }
    }

    /// The segment that `holder` writes for an append: the body's, or that of tail and body together.
    pub fn segment(&self, store: Store, holder: &str, body: u64) -> Segment {
        let tail = if store == Store::Merge { self.tail_len() } else { 0 };
        Segment { at: self.offset - tail, by: holder.to_owned(), len: tail + body }
    }

    /// After an append of `body` bytes that was written; unlocked.
    #[must_use]
    pub fn appended(&self, store: Store, holder: &str, body: u64) -> Self {
        let mut upload = self.changed();
        upload.lock = None;
        match store {
            Store::Nothing => {}
            Store::Segment => upload.tail.push(self.segment(store, holder, body)),
            Store::Merge => upload.tail = vec![self.segment(store, holder, body)],
            Store::Part(number) => {
                upload.tail.clear();
                upload.next_part = number.saturating_add(1);
            }
        }
        upload.offset += body;
        upload
    }

    /// After S3 stitched it.
    #[must_use]
    pub fn completed(&self) -> Self {
        let length = self.length.unwrap_or(self.offset);
        let mut upload = self.changed();
        upload.state = State::Complete;
        upload.lock = None;
        upload.offset = length;
        upload
    }

    /// The parts of S3's list that count, checked: each one there, together as long as the upload.
    ///
    /// # Errors
    /// `Internal`: what was acknowledged isn't there.
    pub fn counted(&self, uploaded: Vec<UploadedPart>) -> Result<Vec<UploadedPart>> {
        let (mut parts, mut bytes) = (uploaded, 0_u64);
        parts.retain(|part| part.number < self.next_part && !self.skipped.contains(&part.number));
        for part in &parts {
            bytes = bytes.saturating_add(part.size);
        }
        let expected = self.parts();
        if parts.len() != expected || Some(bytes) != self.length {
            let found = format!("{} parts of {expected}, {bytes} bytes of {:?}", parts.len(), self.length);
            return Err(Error::internal(format!("S3 doesn't have what was appended: {found}")));
        }
        Ok(parts)
    }

    /// How much is there, 1 to 99, if that is to be told after an append that began at `before`: of the first one, and of
    /// each further tenth.
    pub fn progress_since(&self, before: u64) -> Option<u8> {
        let percent = |offset: u64| match self.length {
            Some(length) if length > 0 => {
                u8::try_from(u128::from(offset) * 100 / u128::from(length)).unwrap_or(99)
            }
            _ => 0,
        };
        let (old, new) = (percent(before), percent(self.offset).clamp(1, 99));
        let is_told = self.offset > before && (before == 0 || old / 10 < new / 10);
        is_told.then_some(new)
    }
}

/// The error of an upload whose time is over, or whose parts S3 no longer has.
pub fn upload_gone() -> Error {
    Error::new(ErrorKind::NotFound, "upload_gone", "the upload was called off or has expired")
}

#[cfg(test)]
#[path = "tus_tests.rs"]
mod tests;
