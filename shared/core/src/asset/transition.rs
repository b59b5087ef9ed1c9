//! The transition function: a state and an event give a new state and what has to be done about it.
//!
//! Events come from S3, SQS, Lambda's retries and clients: twice, late, out of order, concurrently, or never (I3). So
//! every event names the version it speaks of, and an event that says nothing new changes nothing. Effects are worked
//! out from the state and not from the change: an event that is delivered again asks again for what is still to be
//! done, so that a worker that died between "saved" and "asked" is made good by the next delivery.

use std::{cmp::Ordering, collections::BTreeMap, time::Duration};

use crate::{
    asset::{
        Asset, Derivative, Failure, Grant, Job, JobName, JobStatus, MessageStatus, Need, NewAsset,
        Placeholder, ProcessingStatus, Stage, StoredObject, Warning,
    },
    error::{Error, Result},
    ids::{ObjectVersionId, Sha256, UploadId, Version},
    names::{ContentType, Kind, ObjectKey},
    time::Timestamp,
    usage::UsageChange,
};

/// How long bytes may still come after a grant has ended: a PUT that began in time is let finish.
const UPLOAD_GRACE: Duration = Duration::from_mins(15);
/// How long a step that waits for a worker may wait before the sweeper looks: longer than Lambda's own retries of an
/// event (about three minutes) and the redrive of a queue.
const QUEUED_FOR: Duration = Duration::from_hours(1);

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
        /// Until when it may work undisturbed.
        lease_until: Timestamp,
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
    /// A receiver has looked at the message.
    MessageSeen,
    /// The asset's deadline is past and nobody else ended what it waits for.
    DeadlinePassed,
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
    /// The digest; none where the file is larger than is hashed.
    pub sha256: Option<Sha256>,
    /// What the file says of itself.
    pub metadata: serde_json::Map<String, serde_json::Value>,
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
    /// Abort the multipart upload and free its parts.
    AbortUpload {
        /// S3's id of it.
        upload_id: UploadId,
    },
    /// Delete just this version of the object at the asset's own key: a duplicate's bytes, or bytes that came after a
    /// cancel.
    DiscardObject {
        /// Where.
        key: ObjectKey,
        /// Which; the whole object where the bucket isn't versioned.
        version_id: Option<ObjectVersionId>,
    },
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
        let NewAsset { id, owner, folder, message_id, upload_job, grant } = new;
        Self {
            key: ObjectKey::new(&folder, id, &grant.filename),
            id,
            owner,
            folder,
            message_id,
            upload_job,
            filename: grant.filename.clone(),
            declared_type: grant.content_type.clone(),
            size: grant.size.exact().unwrap_or(0),
            version: grant.version,
            revision: 1,
            message_status: MessageStatus::Pending,
            processing_status: ProcessingStatus::Queued,
            stage: Stage::Uploading,
            progress: 0,
            object: None,
            content_type: None,
            kind: Kind::Other,
            sha256: grant.sha256,
            duplicate_of: None,
            jobs: BTreeMap::new(),
            derivatives: Vec::new(),
            placeholder: None,
            metadata: serde_json::Map::new(),
            warnings: Vec::new(),
            failure: None,
            deadline: Some(grant.expires_at.plus(UPLOAD_GRACE)),
            grant: Some(grant),
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
        let Step(outcome, effects) = match event {
            Event::UpdateGranted(grant) => asset.update_granted(grant)?,
            Event::UploadProgressed { version, percent } => asset.upload_progressed(*version, *percent),
            Event::UploadArrived(object) => asset.upload_arrived(object, now),
            Event::UploadCancelled => asset.upload_cancelled()?,
            Event::Ingested(ingest) => asset.ingested(ingest, now),
            Event::IngestFailed { version, failure } => asset.ingest_failed(*version, failure),
            Event::Deduplicated { version, original } => asset.deduplicated(*version, original),
            Event::JobStarted { job, version, lease_until } => {
                asset.job_started(*job, *version, *lease_until, now)?
            }
            Event::JobProgressed { job, version, percent } => asset.job_progressed(*job, *version, *percent),
            Event::JobReleased { job, version } => asset.job_released(*job, *version),
            Event::JobSucceeded { job, version, derivatives, warnings } => {
                asset.job_succeeded(*job, *version, derivatives, warnings)
            }
            Event::JobFailed { job, version, failure } => asset.job_failed(*job, *version, failure),
            Event::MessageSeen => asset.message_seen()?,
            Event::DeadlinePassed => asset.deadline_passed(now),
        };
        if outcome == Outcome::Changed {
            asset.revision += 1;
            // a clock that stands behind the last writer's must not turn the order of changes round
            asset.updated_at = now.max(self.updated_at);
            let update_open = asset.object.is_some() && asset.grant.is_some();
            if asset.stage.is_terminal() && !update_open {
                asset.deadline = None;
            }
        }
        let usage = asset.usage().since(self.usage());
        Ok(Transition { asset, outcome, usage, effects })
    }

    fn update_granted(&mut self, grant: &Grant) -> Result<Step> {
        if !self.stage.is_terminal() || self.object.is_none() {
            return Err(Error::conflict("asset_busy", "the asset's present version is still on its way"));
        }
        if grant.version != self.version.next() {
            return Err(Error::conflict("stale_version", "another version was written meanwhile"));
        }
        let replaced = self.grant.as_ref().and_then(Grant::upload_id).cloned();
        self.deadline = Some(grant.expires_at.plus(UPLOAD_GRACE));
        self.grant = Some(grant.clone());
        Ok(Step(Outcome::Changed, abort(replaced)))
    }

    fn upload_progressed(&mut self, version: Version, percent: u8) -> Step {
        // 100 is told by the arrival
        let percent = percent.min(99);
        let expected = self.grant.as_ref().is_some_and(|grant| grant.version == version);
        if self.stage != Stage::Uploading || !expected || percent <= self.progress {
            return unchanged();
        }
        self.progress = percent;
        changed()
    }

    fn upload_arrived(&mut self, object: &StoredObject, now: Timestamp) -> Step {
        let expected = self.grant.as_ref().is_some_and(|grant| grant.version == object.version);
        if !expected {
            return match object.version.cmp(&self.version) {
                // a form or a PUT that was sent a second time: the bytes that came first are the version's
                Ordering::Equal if self.is_overwritten_by(object) => {
                    Step(Outcome::Unchanged, vec![discard(object)])
                }
                // the same bytes told of again: ask again for what is still to be done
                Ordering::Equal if self.object.is_some() => {
                    Step(Outcome::Unchanged, self.open_effects(object))
                }
                // bytes for which there is no leave any more: the user was told that the upload is off
                _ if self.failure_code() == Some(Failure::CANCELLED) || object.version > self.version => {
                    Step(Outcome::Unchanged, vec![discard(object)])
                }
                _ => unchanged(),
            };
        }
        let Some(grant) = self.grant.take() else { return unchanged() };
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
        self.placeholder = None;
        self.metadata.clear();
        self.warnings.clear();
        self.failure = None;
        self.message_status = MessageStatus::Pending;
        self.processing_status = ProcessingStatus::Queued;
        self.stage = Stage::Processing;
        self.progress = 0;
        self.deadline = Some(now.plus(QUEUED_FOR));
        if !grant.size.holds(object.size) {
            self.fail(Failure::permanent(
                "size_mismatch",
                format!("{} bytes were granted and {} came", grant.size, object.size),
            ));
            return changed();
        }
        Step(Outcome::Changed, vec![Effect::Ingest { version: self.version }])
    }

    fn upload_cancelled(&mut self) -> Result<Step> {
        let upload = self.grant.as_ref().and_then(Grant::upload_id).cloned();
        match self.stage {
            Stage::Uploading => {
                self.fail(Failure::permanent(Failure::CANCELLED, "the upload was cancelled"));
                self.grant = None;
                Ok(Step(Outcome::Changed, abort(upload)))
            }
            // an update that is called off: the present version stays as it is
            _ if self.grant.is_some() && self.object.is_some() => {
                self.grant = None;
                Ok(Step(Outcome::Changed, abort(upload)))
            }
            Stage::Failed if self.object.is_none() => {
                let again = self.grant.take().is_some();
                Ok(Step(if again { Outcome::Changed } else { Outcome::Unchanged }, abort(upload)))
            }
            _ => Err(Error::conflict(
                "already_uploaded",
                "the file is already there; a cancel can't take it back",
            )),
        }
    }

    fn ingested(&mut self, ingest: &Ingest, now: Timestamp) -> Step {
        if !self.awaits_ingest(ingest.version) {
            return Step(Outcome::Unchanged, self.queued_jobs());
        }
        self.content_type = Some(ingest.content_type.clone());
        self.kind = ingest.kind;
        self.sha256 = ingest.sha256.or(self.sha256);
        self.metadata.clone_from(&ingest.metadata);
        self.placeholder.clone_from(&ingest.placeholder);
        self.warnings.extend(ingest.warnings.iter().cloned());
        let version = self.version;
        self.jobs = ingest
            .jobs
            .iter()
            .map(|&(name, need)| {
                let status = JobStatus::Queued;
                (name, Job { status, need, version, progress: 0, attempts: 0, lease_until: None })
            })
            .collect();
        self.deadline = Some(now.plus(QUEUED_FOR));
        self.settle();
        Step(Outcome::Changed, self.queued_jobs())
    }

    fn ingest_failed(&mut self, version: Version, failure: &Failure) -> Step {
        if !self.awaits_ingest(version) {
            return unchanged();
        }
        self.fail(failure.clone());
        changed()
    }

    fn deduplicated(&mut self, version: Version, original: &Asset) -> Step {
        if self.duplicate_of == Some(original.id) {
            // the copy's own bytes are asked for by the redelivered `UploadArrived`, which knows them
            return unchanged();
        }
        if !self.awaits_ingest(version) || original.id == self.id {
            return unchanged();
        }
        let own_bytes = self.object.as_ref().map(discard).into_iter().collect();
        self.duplicate_of = Some(original.id);
        self.object.clone_from(&original.object);
        self.content_type.clone_from(&original.content_type);
        self.kind = original.kind;
        self.sha256 = original.sha256;
        self.metadata.clone_from(&original.metadata);
        self.placeholder.clone_from(&original.placeholder);
        self.derivatives.clone_from(&original.derivatives);
        self.warnings.extend(original.warnings.iter().cloned());
        self.settle();
        Step(Outcome::Changed, own_bytes)
    }

    fn job_started(
        &mut self,
        name: JobName,
        version: Version,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Step> {
        let Some(job) = self.open_job(name, version) else { return Ok(unchanged()) };
        if job.lease_until.is_some_and(|until| until > now) {
            return Err(Error::conflict("job_leased", "another worker has the job"));
        }
        job.status = JobStatus::Running;
        job.attempts += 1;
        job.lease_until = Some(lease_until);
        self.processing_status = self.processing_status.max(ProcessingStatus::Running);
        // a worker that dies is noticed at the end of its lease; its message comes back before the sweeper must act
        self.deadline = Some(lease_until.plus(QUEUED_FOR));
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

    fn job_released(&mut self, name: JobName, version: Version) -> Step {
        match self.open_job(name, version) {
            Some(job) if job.lease_until.is_some() => {
                job.lease_until = None;
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
    ) -> Step {
        let Some(job) = self.open_job(name, version) else { return unchanged() };
        job.status = JobStatus::Done;
        job.progress = 100;
        job.lease_until = None;
        self.derivatives.retain(|old| derivatives.iter().all(|new| new.name != old.name));
        self.derivatives.extend(derivatives.iter().cloned());
        self.warnings.extend(warnings.iter().cloned());
        self.settle();
        changed()
    }

    fn job_failed(&mut self, name: JobName, version: Version, failure: &Failure) -> Step {
        let Some(job) = self.open_job(name, version) else { return unchanged() };
        job.status = JobStatus::Failed;
        job.lease_until = None;
        match job.need {
            Need::Required => self.fail(failure.clone()),
            Need::Awaited | Need::Optional => {
                self.warnings.push(Warning { code: failure.code.clone(), message: failure.message.clone() });
                self.settle();
            }
        }
        changed()
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

    fn deadline_passed(&mut self, now: Timestamp) -> Step {
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return unchanged();
        }
        let upload = self.grant.as_ref().and_then(Grant::upload_id).cloned();
        match self.stage {
            Stage::Uploading => {
                // the grant stays on the record: bytes that come after all are taken, never lost
                self.fail(Failure::permanent(Failure::EXPIRED, "the upload was not finished in its time"));
                Step(Outcome::Changed, abort(upload))
            }
            Stage::Processing => {
                self.fail(Failure::retryable(Failure::TIMED_OUT, "the work was not finished in its time"));
                changed()
            }
            // an update that never came: the present version stays as it is
            Stage::Done | Stage::Failed => {
                self.grant = None;
                self.deadline = None;
                Step(Outcome::Changed, abort(upload))
            }
        }
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

    /// Whether `object` is another S3 version at the key than the one that this asset's version is.
    fn is_overwritten_by(&self, object: &StoredObject) -> bool {
        self.object.as_ref().is_some_and(|known| {
            known.key == object.key && known.version_id != object.version_id && object.version_id.is_some()
        })
    }

    /// What is still to be asked for in this state, told of an object that is already known.
    fn open_effects(&self, object: &StoredObject) -> Vec<Effect> {
        if self.awaits_ingest(object.version) {
            vec![Effect::Ingest { version: self.version }]
        } else if self.duplicate_of.is_some() && object.key == self.key {
            vec![discard(object)]
        } else {
            self.queued_jobs()
        }
    }

    fn queued_jobs(&self) -> Vec<Effect> {
        let queued = |(&job, state): (&JobName, &Job)| {
            (state.status == JobStatus::Queued).then_some(Effect::Enqueue { job, version: state.version })
        };
        if self.stage == Stage::Failed { Vec::new() } else { self.jobs.iter().filter_map(queued).collect() }
    }
}

fn abort(upload_id: Option<UploadId>) -> Vec<Effect> {
    upload_id.map(|upload_id| Effect::AbortUpload { upload_id }).into_iter().collect()
}

fn discard(object: &StoredObject) -> Effect {
    Effect::DiscardObject { key: object.key.clone(), version_id: object.version_id.clone() }
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
