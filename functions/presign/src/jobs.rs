//! Upload jobs: announcing an upload, listing what was announced, calling one off; apart from HTTP.
//!
//! What the gate lets through is kept by the job, and the token starts just that. The token goes out once, in the answer
//! to the announcement; only its digest is kept.

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};
use sluice_core::{
    Error, ErrorKind, Result,
    asset::Outcome,
    cancel::cancel_upload,
    change::uncontended,
    gate::{Gate, Principal, Wish},
    idempotency::Attempt,
    ids::{OwnerId, RequestId, Sha256},
    job::{
        JobEvent, NewUploadJob, UploadJob, UploadJobDocument, already_completed, job_exists, job_not_found,
    },
    ports::{
        AssetRepository, Clock, GateFunction, IdGenerator, MultipartStore, OriginalStore, Page, Saved,
        UploadJobRepository,
    },
};

/// Jobs on a page unless the client says.
pub const DEFAULT_LIMIT: u16 = 50;
/// The most jobs on a page: with all the metadata that each may have, below 2 MB of Lambda's 6.
pub const MAX_LIMIT: u16 = 100;
/// How often a cancel is tried against other writers.
const ROUNDS: usize = 8;

/// What a client announces. Every field that isn't named here is metadata.
#[derive(Debug, Deserialize)]
pub struct Announcement {
    #[serde(deserialize_with = "text_or_number")]
    id: String,
    filename: String,
    #[serde(alias = "filesize", alias = "file_size")]
    size: Option<u64>,
    #[serde(alias = "filetype", alias = "type")]
    content_type: Option<String>,
    sha256: Option<String>,
    folder: Option<String>,
    #[serde(alias = "relativePath")]
    relative_path: Option<String>,
    message_id: Option<String>,
    #[serde(flatten)]
    metadata: Map<String, Value>,
}

/// Clients count their requests as often as they name them.
fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) if !number.is_f64() => Ok(number.to_string()),
        _ => Err(de::Error::custom("a text or a whole number is expected")),
    }
}

/// A job that was just made, and the one secret about it.
pub struct Announced {
    /// The job.
    pub job: UploadJob,
    /// What its upload is started with. It can't be read again.
    pub token: String,
}

/// What upload jobs are made and called off with. All of it is shared with the other routes.
pub struct UploadJobs<'a, J, T, O, C, I, G> {
    /// The jobs.
    pub jobs: &'a J,
    /// The assets that came by them.
    pub table: &'a T,
    /// The bucket of originals and its multipart uploads.
    pub originals: &'a O,
    /// The time.
    pub clock: &'a C,
    /// New tokens.
    pub ids: &'a I,
    /// What every job passes.
    pub gate: &'a Gate<G>,
}

impl<J, T, O, C, I, G> UploadJobs<'_, J, T, O, C, I, G>
where
    J: UploadJobRepository,
    T: AssetRepository,
    O: OriginalStore + MultipartStore,
    C: Clock,
    I: IdGenerator,
    G: GateFunction,
{
    /// Makes a job.
    ///
    /// # Errors
    /// `invalid_field`; the gate's; `job_exists` unless what had the id ended without a file.
    pub async fn announce(
        &self,
        principal: &Principal,
        wanted: Announcement,
        attempt: Option<&Attempt>,
    ) -> Result<Announced> {
        let owner = &principal.owner;
        let request_id: RequestId = wanted.id.parse()?;
        let mut wish = Wish {
            filename: Some(wanted.filename),
            size: wanted.size,
            content_type: wanted.content_type,
            sha256: wanted.sha256,
            folder: wanted.folder,
            relative_path: wanted.relative_path,
            message_id: wanted.message_id,
            upload_job: Some(request_id.clone()),
            metadata: wanted.metadata,
            ..Wish::default()
        };
        let terms = self.gate.admit(principal, &wish).await?;
        let earlier = self.jobs.get(owner, &request_id).await?;
        let token = attempt.map_or_else(|| self.ids.secret(), Attempt::secret);
        if let Some(job) = earlier.clone().filter(|job| job.token() == Sha256::of(token.as_bytes())) {
            // made by an earlier try of this request
            return Ok(Announced { job, token });
        }
        let new = NewUploadJob {
            owner: owner.clone(),
            request_id,
            terms,
            metadata: std::mem::take(&mut wish.metadata),
            token: Sha256::of(token.as_bytes()),
        };
        let job = UploadJob::create(new, earlier.as_ref(), self.clock.now())?;
        match uncontended(self.clock, async || self.jobs.create(&job, earlier.as_ref()).await).await? {
            Saved::Yes => Ok(Announced { job, token }),
            Saved::Conflict | Saved::Contended => Err(job_exists()),
        }
    }

    /// A page of the owner's jobs, by id.
    ///
    /// # Errors
    /// `invalid_field` for a cursor that isn't one.
    pub async fn list(
        &self,
        owner: &OwnerId,
        limit: Option<u16>,
        cursor: Option<&str>,
    ) -> Result<Page<UploadJobDocument>> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
        let page = self.jobs.list(owner, limit, cursor).await?;
        let now = self.clock.now();
        let items = page.items.iter().map(|job| UploadJobDocument::render(job, now)).collect();
        Ok(Page { items, next: page.next })
    }

    /// One of the owner's jobs.
    ///
    /// # Errors
    /// `job_not_found` unless it is the owner's.
    pub async fn one(&self, owner: &OwnerId, request_id: &str) -> Result<UploadJobDocument> {
        // what can't be an id is none
        let request_id: RequestId = request_id.parse().map_err(|_| job_not_found())?;
        let job = self.jobs.get(owner, &request_id).await?.ok_or_else(job_not_found)?;
        Ok(UploadJobDocument::render(&job, self.clock.now()))
    }

    /// Calls a job off, and the upload that it started. A repeat changes nothing.
    ///
    /// The upload goes first: should this end in between, the job follows its asset, and so does whoever looks at it.
    ///
    /// # Errors
    /// `job_not_found` unless it is the owner's; `already_completed` once its file is there: it stays.
    pub async fn cancel(&self, owner: &OwnerId, request_id: &str) -> Result<()> {
        // what can't be an id is none
        let request_id: RequestId = request_id.parse().map_err(|_| job_not_found())?;
        for _ in 0..ROUNDS {
            let job = self.jobs.get(owner, &request_id).await?.ok_or_else(job_not_found)?;
            if !job.status(self.clock.now()).is_end() {
                self.cancel_upload_of(&job).await?;
            }
            let (job, outcome) = job.apply(&JobEvent::Cancelled, self.clock.now())?;
            if outcome == Outcome::Unchanged || self.jobs.save(&job).await? == Saved::Yes {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Throttled, "busy", "the upload job is being changed by many at once"))
    }

    async fn cancel_upload_of(&self, job: &UploadJob) -> Result<()> {
        let Some(asset_id) = job.asset_id() else { return Ok(()) };
        let Some(asset) = self.table.get(asset_id).await? else { return Ok(()) };
        // the job only hasn't heard of it
        if asset.object().is_some() {
            return Err(already_completed());
        }
        let cancelled = cancel_upload(self.table, self.originals, self.clock, asset).await;
        cancelled
            .map_err(|error| if error.code() == "already_uploaded" { already_completed() } else { error })
    }
}
