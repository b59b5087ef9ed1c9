//! Upload jobs and tasks in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use sluice_core::{
    Error, Result,
    ids::{OwnerId, RequestId, Sha256, TaskId},
    job::UploadJob,
    ports::{Page, Saved, TaskRepository, UploadJobRepository},
    task::Task,
};

/// Upload jobs, and the way to them by their tokens. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct MemoryJobs(Arc<Mutex<Jobs>>);

#[derive(Debug, Default)]
struct Jobs {
    jobs: BTreeMap<(OwnerId, RequestId), UploadJob>,
    written: Vec<UploadJob>,
}

impl MemoryJobs {
    /// The job; the test fails if there is none.
    pub fn job(&self, owner: &OwnerId, request_id: &str) -> UploadJob {
        let key = (owner.clone(), request_id.parse().expect("an id"));
        self.lock().jobs.get(&key).cloned().expect("the job is in the table")
    }

    /// Every state that was ever written, in order: what the table's stream would bring.
    pub fn written(&self) -> Vec<UploadJob> {
        self.lock().written.clone()
    }

    /// The states that were written after the first `known`, in order.
    pub fn written_since(&self, known: usize) -> Vec<UploadJob> {
        self.lock().written.get(known..).unwrap_or_default().to_vec()
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl Jobs {
    /// Writes the job if what is there is just what `condition` wants.
    fn write_if(&mut self, job: &UploadJob, condition: impl Fn(Option<&UploadJob>) -> bool) -> Saved {
        let key = (job.owner().clone(), job.request_id().clone());
        if !condition(self.jobs.get(&key)) {
            return Saved::Conflict;
        }
        self.jobs.insert(key, job.clone());
        self.written.push(job.clone());
        Saved::Yes
    }
}

impl UploadJobRepository for MemoryJobs {
    async fn create(&self, job: &UploadJob, earlier: Option<&UploadJob>) -> Result<Saved> {
        let state = |job: &UploadJob| (job.revision(), job.token());
        Ok(self.lock().write_if(job, |stored| stored.map(state) == earlier.map(state)))
    }

    async fn get(&self, owner: &OwnerId, request_id: &RequestId) -> Result<Option<UploadJob>> {
        Ok(self.lock().jobs.get(&(owner.clone(), request_id.clone())).cloned())
    }

    async fn by_token(&self, token: Sha256) -> Result<Option<UploadJob>> {
        Ok(self.lock().jobs.values().find(|job| job.token() == token).cloned())
    }

    async fn save(&self, job: &UploadJob) -> Result<Saved> {
        let below =
            |stored: Option<&UploadJob>| stored.is_some_and(|stored| stored.revision() + 1 == job.revision());
        Ok(self.lock().write_if(job, below))
    }

    async fn list(&self, owner: &OwnerId, limit: u16, cursor: Option<&str>) -> Result<Page<UploadJob>> {
        let tag = format!("jobs:{owner}:");
        let invalid = || Error::invalid_field("cursor", "not one that this listing gave");
        let after = cursor
            .map(|cursor| {
                let text = hex::decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                text.and_then(|text| text.strip_prefix(&tag).map(str::to_owned)).ok_or_else(invalid)
            })
            .transpose()?;
        let jobs = self.lock();
        let theirs = jobs.jobs.values().filter(|job| job.owner() == owner);
        let mut rest = theirs
            .filter(|job| after.as_ref().is_none_or(|after| job.request_id().as_str() > after.as_str()));
        let items: Vec<UploadJob> = rest.by_ref().take(limit.max(1).into()).cloned().collect();
        let next = match (items.last(), rest.next()) {
            (Some(last), Some(_)) => Some(hex::encode(tag + last.request_id().as_str())),
            _ => None,
        };
        Ok(Page { items, next })
    }
}

/// Tasks. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct MemoryTasks(Arc<Mutex<Vec<Task>>>);

impl MemoryTasks {
    /// What was written after the first `known`, in order: what the table's stream would bring.
    pub fn written_since(&self, known: usize) -> Vec<Task> {
        self.lock().get(known..).unwrap_or_default().to_vec()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Task>> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl TaskRepository for MemoryTasks {
    async fn create(&self, task: &Task) -> Result<()> {
        self.lock().push(task.clone());
        Ok(())
    }

    async fn get(&self, id: TaskId) -> Result<Option<Task>> {
        Ok(self.lock().iter().rfind(|task| task.id == id).cloned())
    }
}
