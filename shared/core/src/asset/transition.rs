//! The transition function: a state and an event give a new state and what has to be done about it.
//!
//! Events come from S3, SQS, Lambda's retries and clients: twice, late, out of order, concurrently, or never. So
//! every event names the version it speaks of, and an event that says nothing new changes nothing. Effects are worked
//! out from the state and not from the change: an event that is delivered again asks again for what is still to be
//! done, so that a worker that died between "saved" and "asked" is made good by the next delivery.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    asset::{
        Asset, Derivative, Dimensions, Failure, Grant, GrantMode, Job, JobName, JobStatus, Kept, Lease,
        Leftover, MessageStatus, Need, NewAsset, NewCopy, Placeholder, Placement, ProcessingStatus, Stage,
        StoredObject, Update, Warning,
    },
    error::{Error, Result},
    ids::{AssetId, OwnerId, Sha256, Version},
    names::{ContentType, Filename, Kind, ObjectKey},
    time::Timestamp,
    upload::SizeRange,
    usage::UsageChange,
};

/// How long bytes may still come after a grant has ended: a PUT that began in time is let finish.
const UPLOAD_GRACE: Duration = Duration::from_mins(15);
/// When an open upload is first looked at: its bytes may be there without anybody having said so, and if nothing is
/// there at all its client most likely never learned of it. Later looks come each after twice the time.
const FIRST_LOOK: Duration = Duration::from_mins(10);
/// How long a step that waits for a worker may wait before the sweeper looks: longer than a queue takes to hand a message
/// out again.
const QUEUED_FOR: Duration = Duration::from_hours(1);
/// How often work is ordered again before it is given up. Faults that pass within some hours fail nothing.
const MOST_DRIVES: u32 = 6;
/// How long work rests after it failed at every try, before it is first ordered again; four times as long after each
/// further time, for what failed five times in a row seldom works a minute later.
const FIRST_REST: Duration = Duration::from_mins(5);
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_hours(6);
/// The least time in which an order can fail at every try: five of them, a minute apart. A dead letter that comes sooner
/// after the work was ordered again is an older order's.
const EXHAUSTION_TAKES: Duration = Duration::from_mins(3);
/// Within what time leftovers are freed, should whoever left them not have come to it.
const FREED_WITHIN: Duration = Duration::from_mins(15);
/// How many of the versions that were kept at an asset's key are remembered.
const KEPT_VERSIONS: usize = 32;

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The owner may upload a further version.
    UpdateGranted(Box<Grant>),
    /// Bytes are coming, as far as is known.
    UploadProgressed {
        /// The version that is uploaded.
        version: Version,
        /// 0 to 100.
        percent: u8,
    },
    /// The bytes are in S3, whoever noticed first.
    UploadArrived(Box<StoredObject>),
    /// The bytes are in S3, and can't be taken: nothing is known of what they are, but that there is no room for them.
    UploadRefused {
        /// The bytes.
        object: Box<StoredObject>,
        /// Why.
        failure: Failure,
    },
    /// The owner doesn't want it any more.
    UploadCancelled,
    /// The content was read.
    Ingested(Box<Ingest>),
    /// The content can't be taken.
    IngestFailed {
        /// The version that was read.
        version: Version,
        /// Why.
        failure: Failure,
    },
    /// The same owner has the same bytes already.
    Deduplicated {
        /// The version that was read.
        version: Version,
        /// The asset that keeps the bytes; it was checked to be there.
        original: Box<Asset>,
    },
    /// A worker begins.
    JobStarted {
        /// Which job.
        job: JobName,
        /// Of which version.
        version: Version,
        /// Its hold on it.
        lease: Lease,
    },
    /// A worker is under way.
    JobProgressed {
        /// Which job.
        job: JobName,
        /// Of which version.
        version: Version,
        /// 0 to 100.
        percent: u8,
    },
    /// A worker gives the job back for another try.
    JobReleased {
        /// Which job.
        job: JobName,
        /// Of which version.
        version: Version,
        /// The holder of its lease.
        holder: String,
    },
    /// A worker is done.
    JobSucceeded {
        /// Which job.
        job: JobName,
        /// Of which version.
        version: Version,
        /// What it made.
        derivatives: Vec<Derivative>,
        /// What the user should know.
        warnings: Vec<Warning>,
        /// What can be painted at once, where it wasn't known before.
        placeholder: Option<Placeholder>,
    },
    /// A job can't be done.
    JobFailed {
        /// Which job.
        job: JobName,
        /// Of which version.
        version: Version,
        /// Why.
        failure: Failure,
    },
    /// An order failed at every try: it is a dead letter.
    Exhausted {
        /// Which job.
        job: JobName,
        /// Of which version.
        version: Version,
    },
    /// A receiver has looked at the message.
    MessageSeen,
    /// The asset's deadline is past and nobody else ended what it waits for.
    DeadlinePassed(Overdue),
    /// Something that was left behind is gone.
    Freed(Leftover),
}

/// What the sweeper found of an asset whose deadline is past.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overdue {
    /// Whether parts of its open upload are at S3.
    pub begun: bool,
    /// Whether orders wait on the queue that it waits for: its own may be among them.
    pub backlog: bool,
}

/// What reading the content gave.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// The version that was read.
    pub version: Version,
    /// The type by content.
    pub content_type: ContentType,
    /// What it is, broadly.
    pub kind: Kind,
    /// The digest; none where the file is larger than is hashed, and S3 checked none.
    pub sha256: Option<Sha256>,
    /// What the file says of itself.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// How large its picture is.
    pub dimensions: Option<Dimensions>,
    /// What can be painted at once.
    pub placeholder: Option<Placeholder>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
    /// What has to be made of it.
    pub jobs: Vec<(JobName, Need)>,
}

/// What has to be done about a state. Each may be done twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Read the content.
    Ingest {
        /// Of which version.
        version: Version,
    },
    /// Put the job on its queue.
    Enqueue {
        /// Which job.
        job: JobName,
        /// Of which version.
        version: Version,
    },
    /// Remove just this from S3, then say that it is [`Event::Freed`].
    Free(Leftover),
}

/// Whether anything changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The asset is to be saved.
    Changed,
    /// The event said nothing new.
    Unchanged,
}

/// A new state and what has to be done about it.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The asset after the event.
    pub asset: Asset,
    /// Whether it differs.
    pub outcome: Outcome,
    /// What it counts for more, or less, than before.
    pub usage: UsageChange,
    /// What has to be done, after it was saved.
    pub effects: Vec<Effect>,
}

/// What an event did to the working copy: nothing new, or a change; either way with effects.
struct Step(Outcome, Vec<Effect>);

const fn unchanged() -> Step {
    Step(Outcome::Unchanged, Vec::new())
}

const fn changed() -> Step {
    Step(Outcome::Changed, Vec::new())
}

impl Asset {
    /// A new asset: granted, its bytes on their way.
    pub fn create(new: NewAsset, now: Timestamp) -> Self {
        let NewAsset { id, owner, placement, grant } = new;
        let names = (grant.filename.clone(), grant.content_type.clone());
        Self {
            size: grant.size.exact().unwrap_or(0),
            version: grant.version,
            granted: grant.version,
            stage: Stage::Uploading,
            sha256: grant.sha256,
            due: Some(next_look(&grant, now)),
            signed_until: signed_until(&grant),
            upload_id: grant.upload_id().cloned(),
            grant: Some(grant),
            ..Self::empty(id, owner, placement, names, now)
        }
    }

    /// A new asset that shows the bytes of another of the same owner: done at once, without a byte sent. What its owner
    /// should know of the other's sending isn't told of it.
    pub fn copy(new: NewCopy, original: &Self, now: Timestamp) -> Self {
        let NewCopy { id, placement, filename, content_type } = new;
        let owner = original.owner.clone();
        let mut copy =
            Self { size: original.size, ..Self::empty(id, owner, placement, (filename, content_type), now) };
        copy.show(original);
        copy
    }

    /// A new asset of which nothing has come, nor is to.
    fn empty(
        id: AssetId,
        owner: OwnerId,
        placement: Placement,
        (filename, declared_type): (Filename, ContentType),
        now: Timestamp,
    ) -> Self {
        Self {
            key: ObjectKey::new(&placement.folder, id, &filename),
            id,
            owner,
            placement,
            filename,
            declared_type,
            size: 0,
            version: Version::FIRST,
            granted: Version::FIRST,
            revision: 1,
            message_status: MessageStatus::Pending,
            processing_status: ProcessingStatus::Queued,
            stage: Stage::Processing,
            progress: 0,
            grant: None,
            upload_id: None,
            object: None,
            update: None,
            kept: Vec::new(),
            leftovers: Vec::new(),
            superseded: None,
            content_type: None,
            kind: Kind::Other,
            sha256: None,
            duplicate_of: None,
            jobs: BTreeMap::new(),
            derivatives: Vec::new(),
            dimensions: None,
            placeholder: None,
            metadata: serde_json::Map::new(),
            warnings: Vec::new(),
            failure: None,
            drives: 0,
            driven_at: None,
            due: None,
            free_by: None,
            look_at: None,
            signed_until: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Applies an event.
    ///
    /// # Errors
    /// `Conflict` where the event is a request that the state doesn't allow (the code says which); events that are
    /// merely old or repeated are no error, they change nothing.
    pub fn apply(&self, event: &Event, now: Timestamp) -> Result<Transition> {
        let mut asset = self.clone();
        let Step(outcome, mut effects) = match event {
            Event::UpdateGranted(grant) => asset.update_granted(grant, now)?,
            Event::UploadProgressed { version, percent } => asset.upload_progressed(*version, *percent),
            Event::UploadArrived(object) => asset.upload_arrived(object, now),
            Event::UploadRefused { object, failure } => asset.upload_refused(object, failure, now),
            Event::UploadCancelled => asset.upload_cancelled()?,
            Event::Ingested(ingest) => asset.ingested(ingest, now),
            Event::IngestFailed { version, failure } => asset.ingest_failed(*version, failure),
            Event::Deduplicated { version, original } => asset.deduplicated(*version, original),
            Event::JobStarted { job, version, lease } => asset.job_started(*job, *version, lease, now)?,
            Event::JobProgressed { job, version, percent } => asset.job_progressed(*job, *version, *percent),
            Event::JobReleased { job, version, holder } => asset.job_released(*job, *version, holder),
            Event::JobSucceeded { job, version, derivatives, warnings, placeholder } => {
                asset.job_succeeded(*job, *version, derivatives, warnings, placeholder.as_ref())
            }
            Event::JobFailed { job, version, failure } => asset.job_failed(*job, *version, failure),
            Event::Exhausted { job, version } => asset.exhausted(*job, *version, now),
            Event::MessageSeen => asset.message_seen()?,
            Event::DeadlinePassed(found) => asset.deadline_passed(*found, now),
            Event::Freed(leftover) => asset.freed(leftover),
        };
        if outcome == Outcome::Changed {
            asset.revision += 1;
            // a clock that stands behind the last writer's must not turn the order of changes round
            asset.updated_at = now.max(self.updated_at);
            if asset.is_settled() {
                asset.due = None;
            }
            asset.free_by = match asset.free_by {
                _ if asset.leftovers.is_empty() => None,
                set => set.or(Some(now.plus(FREED_WITHIN))),
            };
        }
        effects.extend(asset.leftovers.iter().cloned().map(Effect::Free));
        let usage = asset.usage().since(self.usage());
        Ok(Transition { asset, outcome, usage, effects })
    }

    /// A further version may be uploaded. The grant takes the place of one that is open: of two that update at once, the
    /// bytes of the second count.
    fn update_granted(&mut self, grant: &Grant, now: Timestamp) -> Result<Step> {
        if !self.may_be_updated() {
            return Err(Error::conflict("asset_busy", "the asset's present version is still on its way"));
        }
        if grant.version != self.granted.next() {
            return Err(Error::conflict("stale_version", "another version was granted meanwhile"));
        }
        self.granted = grant.version;
        self.close_grant();
        self.upload_id = grant.upload_id().cloned();
        self.signed_until = self.signed_until.max(signed_until(grant));
        self.due = Some(next_look(grant, now));
        if self.object.is_some() {
            if let Some(unread) = self.update.take().and_then(|update| update.object) {
                self.discard(&unread);
            }
            self.update = Some(Update::new(grant.clone()));
        } else {
            // nothing is shown yet, so there is nothing to keep: the asset waits for these bytes from now on
            self.version = grant.version;
            self.filename = grant.filename.clone();
            self.declared_type = grant.content_type.clone();
            self.sha256 = grant.sha256;
            self.size = grant.size.exact().unwrap_or(0);
            self.processing_status = ProcessingStatus::Queued;
            self.stage = Stage::Uploading;
            self.progress = 0;
            self.failure = None;
            self.grant = Some(grant.clone());
        }
        Ok(changed())
    }

    /// Whether a further version may be granted: not while bytes that are there wait to be read or worked on.
    pub fn may_be_updated(&self) -> bool {
        let reading = self.update.as_ref().is_some_and(|update| update.stage == Stage::Processing);
        self.stage != Stage::Processing && !reading
    }

    fn upload_progressed(&mut self, version: Version, percent: u8) -> Step {
        let progress = match &mut self.update {
            Some(update) if update.version() == version && update.stage == Stage::Uploading => {
                &mut update.progress
            }
            None if self.version == version && self.stage == Stage::Uploading => &mut self.progress,
            _ => return unchanged(),
        };
        // 100 is told by the arrival
        let percent = percent.min(99);
        if percent <= *progress {
            return unchanged();
        }
        *progress = percent;
        changed()
    }

    fn upload_arrived(&mut self, object: &StoredObject, now: Timestamp) -> Step {
        if object.key != self.key {
            return unchanged();
        }
        if self.grant().is_some_and(|grant| grant.version == object.version) {
            (self.drives, self.driven_at) = (0, None);
            self.due = Some(now.plus(QUEUED_FOR));
            return if self.update.is_some() {
                self.update_arrived(object)
            } else {
                self.first_arrived(object)
            };
        }
        if self.has_taken(object) {
            // the same bytes told of again: ask again for what is still to be done
            return Step(Outcome::Unchanged, self.open_orders());
        }
        // Bytes for which there is no leave any more: their number was given up, taken by others, or its bytes came
        // before. A number beyond the granted ones is nobody's, and one so old that it is forgotten may have been taken.
        let forgotten = self.kept.len() >= KEPT_VERSIONS
            && self.kept.first().is_some_and(|oldest| object.version < oldest.version);
        if object.version > self.granted || forgotten {
            return unchanged();
        }
        let is_new = self.discard(object);
        if object.version < self.granted && self.superseded < Some(object.version) {
            self.superseded = Some(object.version);
            return changed();
        }
        if is_new { changed() } else { unchanged() }
    }

    /// Takes bytes only to let go of them, unless they were taken before.
    fn upload_refused(&mut self, object: &StoredObject, failure: &Failure, now: Timestamp) -> Step {
        let is_new = self.grant().is_some_and(|grant| grant.version == object.version);
        let step = self.upload_arrived(object, now);
        if is_new && self.awaits_ingest(object.version) {
            self.refuse(failure.clone());
            return changed();
        }
        step
    }

    /// Whether the object is one that was taken: shown, about to be read, or kept of an earlier version.
    fn has_taken(&self, object: &StoredObject) -> bool {
        let is_it = |known: &StoredObject| {
            known.key == object.key && known.version_id == object.version_id && known.etag == object.etag
        };
        let kept = |kept: &Kept| kept.version_id == object.version_id && kept.etag == object.etag;
        self.object.as_ref().is_some_and(is_it)
            || self.update.as_ref().and_then(|update| update.object.as_ref()).is_some_and(is_it)
            || self.kept.iter().any(kept)
    }

    fn first_arrived(&mut self, object: &StoredObject) -> Step {
        let Some(grant) = self.grant.take() else { return unchanged() };
        let size = grant.size;
        if grant.mode == GrantMode::Form {
            self.look_at = self.signed_until;
        }
        self.begin(grant, object);
        self.keep(object);
        if !size.holds(object.size) {
            self.refuse(size_mismatch(size, object));
            return changed();
        }
        Step(Outcome::Changed, self.open_orders())
    }

    fn update_arrived(&mut self, object: &StoredObject) -> Step {
        let Some(update) = &mut self.update else { return unchanged() };
        let size = update.grant.size;
        if update.grant.mode == GrantMode::Form || update.grant.replaces.as_ref() == Some(&object.etag) {
            // no condition, or the very bytes that it replaces: its signature may write again
            self.look_at = self.signed_until;
        }
        update.object = Some(object.clone());
        update.stage = Stage::Processing;
        update.progress = 0;
        update.failure = None;
        if !size.holds(object.size) {
            self.refuse(size_mismatch(size, object));
            return changed();
        }
        Step(Outcome::Changed, self.open_orders())
    }

    /// Turns to the content that came under `grant`. Nothing of an earlier version is left.
    fn begin(&mut self, grant: Grant, object: &StoredObject) {
        self.version = grant.version;
        self.filename = grant.filename;
        self.declared_type = grant.content_type;
        self.sha256 = grant.sha256;
        self.size = object.size;
        self.object = Some(object.clone());
        self.content_type = None;
        self.kind = Kind::Other;
        self.duplicate_of = None;
        self.jobs.clear();
        self.derivatives.clear();
        self.dimensions = None;
        self.placeholder = None;
        self.metadata.clear();
        self.warnings.clear();
        self.failure = None;
        self.message_status = MessageStatus::Pending;
        self.processing_status = ProcessingStatus::Queued;
        self.stage = Stage::Processing;
        self.progress = 0;
    }

    /// Remembers an object at the asset's own key as one that was taken.
    fn keep(&mut self, object: &StoredObject) {
        self.kept.push(Kept::of(object));
        if self.kept.len() > KEPT_VERSIONS {
            self.kept.remove(0);
        }
    }

    /// Lets go of content that can't be taken: the update's, and the asset shows what it showed before; or the first,
    /// and the asset has failed.
    fn refuse(&mut self, failure: Failure) {
        if let Some(update) = &mut self.update {
            update.stage = Stage::Failed;
            update.failure = Some(failure);
            if let Some(object) = update.object.take() {
                self.discard(&object);
            }
            return;
        }
        self.kept.clear();
        if let Some(object) = self.object.take() {
            self.discard(&object);
        }
        self.fail(failure);
    }

    fn upload_cancelled(&mut self) -> Result<Step> {
        match (&self.update, self.stage) {
            // the present version stays as it is
            (Some(update), _) if update.stage != Stage::Processing => {
                self.close_grant();
                if let Some(unread) = self.update.take().and_then(|update| update.object) {
                    self.discard(&unread);
                }
            }
            (None, Stage::Uploading) => {
                self.close_grant();
                self.processing_status = ProcessingStatus::Cancelled;
                self.stage = Stage::Cancelled;
                self.grant = None;
            }
            (None, Stage::Failed | Stage::Cancelled) if self.object.is_none() => {
                self.close_grant();
                if self.grant.take().is_none() {
                    return Ok(unchanged());
                }
            }
            _ if self.is_update_cancelled() => return Ok(unchanged()),
            _ => {
                return Err(Error::conflict(
                    "already_uploaded",
                    "the file is already there; a cancel can't take it back",
                ));
            }
        }
        Ok(changed())
    }

    /// The open grant is given up: its parts are freed, and bytes may still come by its signature.
    fn close_grant(&mut self) {
        let Some(grant) = self.grant() else { return };
        if let Some(upload_id) = grant.upload_id().cloned() {
            self.leave(Leftover::Upload(upload_id));
        }
        self.look_at = self.signed_until;
    }

    fn ingested(&mut self, ingest: &Ingest, now: Timestamp) -> Step {
        if !self.awaits_ingest(ingest.version) {
            return Step(Outcome::Unchanged, self.queued_jobs());
        }
        if let Some(Update { grant, object: Some(object), .. }) = self.update.take() {
            self.begin(grant, &object);
            self.keep(&object);
        }
        self.content_type = Some(ingest.content_type.clone());
        self.kind = ingest.kind;
        self.sha256 = ingest.sha256;
        self.metadata.clone_from(&ingest.metadata);
        self.dimensions = ingest.dimensions;
        self.placeholder.clone_from(&ingest.placeholder);
        self.warnings.extend(ingest.warnings.iter().cloned());
        let version = self.version;
        self.jobs = ingest
            .jobs
            .iter()
            .map(|&(name, need)| {
                let status = JobStatus::Queued;
                (name, Job { status, need, version, progress: 0, attempts: 0, lease: None })
            })
            .collect();
        (self.drives, self.driven_at) = (0, None);
        self.due = Some(now.plus(QUEUED_FOR));
        self.settle();
        Step(Outcome::Changed, self.queued_jobs())
    }

    fn ingest_failed(&mut self, version: Version, failure: &Failure) -> Step {
        if !self.awaits_ingest(version) {
            return unchanged();
        }
        self.refuse(failure.clone());
        changed()
    }

    fn deduplicated(&mut self, version: Version, original: &Asset) -> Step {
        if !self.awaits_ingest(version) || original.id == self.id {
            return unchanged();
        }
        let own = if let Some(Update { grant, object: Some(object), .. }) = self.update.take() {
            self.begin(grant, &object);
            Some(object)
        } else {
            self.kept.clear();
            self.object.take()
        };
        if let Some(own) = own {
            self.discard(&own);
        }
        self.show(original);
        changed()
    }

    /// Shows the bytes of another asset, and what was made of them.
    fn show(&mut self, original: &Asset) {
        self.duplicate_of = Some(original.id);
        self.object.clone_from(&original.object);
        self.content_type.clone_from(&original.content_type);
        self.kind = original.kind;
        self.sha256 = original.sha256;
        self.metadata.clone_from(&original.metadata);
        self.dimensions = original.dimensions;
        self.placeholder.clone_from(&original.placeholder);
        let version = self.version;
        let shown = original.derivatives.iter().map(|made| Derivative { version, ..made.clone() });
        self.derivatives = shown.collect();
        self.settle();
    }

    fn job_started(
        &mut self,
        name: JobName,
        version: Version,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Step> {
        let Some(job) = self.open_job(name, version) else { return Ok(unchanged()) };
        if job.lease.as_ref().is_some_and(|held| held.until > now && held.holder != lease.holder) {
            return Err(Error::conflict("job_leased", "another worker has the job"));
        }
        job.status = JobStatus::Running;
        job.attempts += 1;
        job.lease = Some(lease.clone());
        self.processing_status = self.processing_status.max(ProcessingStatus::Running);
        // a worker that dies is noticed by its queue, whose message comes back before the sweeper must act
        self.due = Some(lease.until.plus(QUEUED_FOR));
        Ok(changed())
    }

    fn job_progressed(&mut self, name: JobName, version: Version, percent: u8) -> Step {
        let Some(job) = self.open_job(name, version).filter(|job| job.status == JobStatus::Running) else {
            return unchanged();
        };
        // 100 is told by the job's end
        let percent = percent.min(99);
        if percent <= job.progress {
            return unchanged();
        }
        job.progress = percent;
        self.progress = self.mean_progress();
        changed()
    }

    fn job_released(&mut self, name: JobName, version: Version, holder: &str) -> Step {
        match self.open_job(name, version) {
            Some(job) if job.lease.as_ref().is_some_and(|lease| lease.holder == holder) => {
                job.lease = None;
                changed()
            }
            _ => unchanged(),
        }
    }

    fn job_succeeded(
        &mut self,
        name: JobName,
        version: Version,
        derivatives: &[Derivative],
        warnings: &[Warning],
        placeholder: Option<&Placeholder>,
    ) -> Step {
        let Some(job) = self.open_job(name, version) else { return unchanged() };
        job.status = JobStatus::Done;
        job.progress = 100;
        job.lease = None;
        self.derivatives.retain(|old| derivatives.iter().all(|new| new.name != old.name));
        self.derivatives.extend(derivatives.iter().cloned());
        self.warnings.extend(warnings.iter().cloned());
        if self.placeholder.is_none() {
            self.placeholder = placeholder.cloned();
        }
        self.settle();
        changed()
    }

    fn job_failed(&mut self, name: JobName, version: Version, failure: &Failure) -> Step {
        let Some(job) = self.open_job(name, version) else { return unchanged() };
        job.status = JobStatus::Failed;
        job.lease = None;
        match job.need {
            Need::Required => self.fail(failure.clone()),
            Need::Awaited | Need::Optional => {
                self.warnings.push(Warning { code: failure.code.clone(), message: failure.message.clone() });
                self.settle();
            }
        }
        changed()
    }

    /// First the work is ordered again, and only what can't work is given up: what must be there after a rest, again and
    /// again; a preview that the asset can do without once, at once, so that nobody waits for it for hours.
    fn exhausted(&mut self, name: JobName, version: Version, now: Timestamp) -> Step {
        let need = match name {
            JobName::Ingest => self.awaits_ingest(version).then_some(Need::Required),
            JobName::Image => self.open_job(name, version).map(|job| job.need),
        };
        let Some(need) = need else { return unchanged() };
        if self.driven_at.is_some_and(|driven_at| driven_at.plus(EXHAUSTION_TAKES) > now) {
            return unchanged();
        }
        match (need, self.drives) {
            (Need::Required, MOST_DRIVES..) => self.give_up(&exhausted()),
            (Need::Required, drives) => {
                let rest = FIRST_REST.saturating_mul(4_u32.saturating_pow(drives)).min(LONGEST_REST);
                let due = now.plus(rest);
                if self.due.is_some_and(|set| set <= due) {
                    return unchanged();
                }
                self.due = Some(due);
            }
            (_, 0) => return self.drive(now),
            _ => self.give_up_job(name, &exhausted()),
        }
        changed()
    }

    /// Has the work that is waited for ordered again.
    fn drive(&mut self, now: Timestamp) -> Step {
        self.drives += 1;
        self.driven_at = Some(now);
        self.due = Some(now.plus(QUEUED_FOR));
        for job in self.jobs.values_mut().filter(|job| job.status == JobStatus::Running) {
            // nobody has it any more, or whoever has it finds it done by another
            job.status = JobStatus::Queued;
            job.lease = None;
        }
        Step(Outcome::Changed, self.open_orders())
    }

    /// Ends what is waited for. The bytes stay, so that it can be tried again.
    fn give_up(&mut self, failure: &Failure) {
        if let Some(update) = self.update.as_mut().filter(|update| update.stage == Stage::Processing) {
            update.stage = Stage::Failed;
            update.failure = Some(failure.clone());
            return;
        }
        if !self.is_ingested() {
            self.fail(failure.clone());
            return;
        }
        let open: Vec<JobName> = self.jobs.keys().copied().collect();
        for name in open {
            self.give_up_job(name, failure);
        }
    }

    /// Ends a job that nobody will end. Whoever began it may have made some of what it was to make.
    fn give_up_job(&mut self, name: JobName, failure: &Failure) {
        if self.job_failed(name, self.version, failure).0 == Outcome::Changed {
            self.leave(Leftover::Derivatives(self.version));
        }
    }

    fn freed(&mut self, leftover: &Leftover) -> Step {
        let before = self.leftovers.len();
        self.leftovers.retain(|left| left != leftover);
        if self.leftovers.len() == before { unchanged() } else { changed() }
    }

    fn message_seen(&mut self) -> Result<Step> {
        match self.message_status {
            MessageStatus::Pending => {
                Err(Error::conflict("not_ready", "a message is seen only once its media is done"))
            }
            MessageStatus::Seen => Ok(unchanged()),
            MessageStatus::Sent => {
                self.message_status = MessageStatus::Seen;
                Ok(changed())
            }
        }
    }

    fn deadline_passed(&mut self, found: Overdue, now: Timestamp) -> Step {
        let is_past = |deadline: Option<Timestamp>| deadline.is_some_and(|deadline| deadline <= now);
        let mut step = unchanged();
        if is_past(self.free_by) {
            // what is to be freed stands in the state; until it is, the next round tries again
            self.free_by = Some(now.plus(FREED_WITHIN));
            step = changed();
        }
        if is_past(self.look_at) {
            if self.awaited_ingest().is_some() || self.stage == Stage::Processing {
                // nobody looks at the key of what waits for work
                self.look_at = Some(now.plus(FREED_WITHIN));
            } else {
                // whoever says that the deadline is past has looked; nothing more can come
                (self.look_at, self.signed_until) = (None, None);
            }
            step = changed();
        }
        if is_past(self.due) {
            step = if self.awaited_ingest().is_some() || self.stage == Stage::Processing {
                self.work_overdue(found, now)
            } else {
                self.upload_overdue(found, now)
            };
        }
        step
    }

    fn work_overdue(&mut self, found: Overdue, now: Timestamp) -> Step {
        if self.drives < MOST_DRIVES {
            return self.drive(now);
        }
        if found.backlog {
            // it isn't lost but waits its turn, and each order more makes the queue longer
            self.due = Some(now.plus(QUEUED_FOR.saturating_mul(MOST_DRIVES)));
            return changed();
        }
        self.give_up(&Failure::retryable(Failure::TIMED_OUT, "the work was not finished in its time"));
        changed()
    }

    fn upload_overdue(&mut self, found: Overdue, now: Timestamp) -> Step {
        let (grant, progress) = match (&mut self.update, &mut self.grant) {
            (Some(update), _) if update.stage == Stage::Uploading => (&mut update.grant, update.progress),
            (None, Some(grant)) if self.stage == Stage::Uploading => (grant, self.progress),
            _ => {
                self.due = None;
                return changed();
            }
        };
        grant.idle = !found.begun && progress == 0;
        if now < grant.expires_at.plus(UPLOAD_GRACE) {
            self.due = Some(next_look(grant, now));
            return changed();
        }
        if let Some(upload_id) = grant.upload_id().cloned() {
            self.leave(Leftover::Upload(upload_id));
        }
        // the grant stays on the record: bytes that come after all are taken, never lost
        let expired = Failure::permanent(Failure::EXPIRED, "the upload was not finished in its time");
        match &mut self.update {
            Some(update) => {
                update.stage = Stage::Failed;
                update.failure = Some(expired);
            }
            None => self.fail(expired),
        }
        changed()
    }

    /// The job, if it is of the current version and not yet ended, and the asset isn't either or the job is optional.
    fn open_job(&mut self, name: JobName, version: Version) -> Option<&mut Job> {
        if version != self.version || self.stage == Stage::Failed {
            return None;
        }
        self.jobs.get_mut(&name).filter(|job| {
            job.version == version && matches!(job.status, JobStatus::Queued | JobStatus::Running)
        })
    }

    /// Ends the asset if every job that it waits for has ended; otherwise brings its progress up to date.
    fn settle(&mut self) {
        let done = self.jobs.values().all(|job| match job.need {
            Need::Required => job.status == JobStatus::Done,
            Need::Awaited => matches!(job.status, JobStatus::Done | JobStatus::Failed),
            Need::Optional => true,
        });
        if done && !self.stage.is_terminal() {
            self.message_status = self.message_status.max(MessageStatus::Sent);
            self.processing_status = ProcessingStatus::Done;
            self.stage = Stage::Done;
            self.progress = 100;
        } else if !done {
            self.progress = self.mean_progress();
        }
    }

    /// Ends the asset as failed.
    fn fail(&mut self, failure: Failure) {
        self.processing_status = ProcessingStatus::Failed;
        self.stage = Stage::Failed;
        self.failure = Some(failure);
    }

    /// The mean of the required jobs' progress, never going back.
    fn mean_progress(&self) -> u8 {
        let awaited = || self.jobs.values().filter(|job| job.need != Need::Optional);
        let count = u32::try_from(awaited().count()).unwrap_or(1).max(1);
        let sum: u32 = awaited().map(|job| u32::from(job.progress)).sum();
        self.progress.max(u8::try_from(sum / count).unwrap_or(100))
    }

    /// What is still to be done about what is there: the content read, or else the jobs begun that nobody has.
    fn open_orders(&self) -> Vec<Effect> {
        match self.awaited_ingest() {
            Some(version) => vec![Effect::Ingest { version }],
            None => self.queued_jobs(),
        }
    }

    fn queued_jobs(&self) -> Vec<Effect> {
        let queued = |(&job, state): (&JobName, &Job)| {
            (state.status == JobStatus::Queued).then_some(Effect::Enqueue { job, version: state.version })
        };
        if self.stage == Stage::Failed { Vec::new() } else { self.jobs.iter().filter_map(queued).collect() }
    }

    /// All that is still to be done about this state, whoever was to do it.
    pub fn open_effects(&self) -> Vec<Effect> {
        let mut effects = self.open_orders();
        effects.extend(self.leftovers.iter().cloned().map(Effect::Free));
        effects
    }
}

/// Until when bytes may come by a signature that its client has. Parts come by the upload, which can be aborted.
fn signed_until(grant: &Grant) -> Option<Timestamp> {
    grant.upload_id().is_none().then(|| grant.expires_at.plus(UPLOAD_GRACE))
}

/// When an open upload is looked at next: each time after twice the time since it was granted, and last when it ends.
fn next_look(grant: &Grant, now: Timestamp) -> Timestamp {
    let age = grant.granted_at.until(now).max(FIRST_LOOK);
    now.plus(age).min(grant.expires_at.plus(UPLOAD_GRACE))
}

fn exhausted() -> Failure {
    Failure::retryable(Failure::EXHAUSTED, "the work failed at every try")
}

fn size_mismatch(granted: SizeRange, object: &StoredObject) -> Failure {
    Failure::permanent("size_mismatch", format!("{granted} bytes were granted and {} came", object.size))
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
