//! New uploads.

use bytes::Bytes;
use http::StatusCode;
use sluice_core::{
    Error, ErrorKind,
    asset::Asset,
    gate::{Principal, Terms, Wish},
    idempotency::Attempt,
    ids::{OwnerId, RequestId, Sha256, Version},
    intake::{Intake, Known, Opening, Wanted},
    job::{self, JobEvent, UploadJob, UploadJobStatus},
    names::{ContentType, Filename, Folder, ObjectKey},
    ports::{
        AssetRepository, Clock, IdGenerator, MultipartStore, Saved, TusUploadRepository, UploadJobRepository,
    },
    time::Timestamp,
    tus::{Form, LOCK_TTL, NewTusUpload, State, Target, TusUpload},
    upload::SizeRange,
    usage::UsageChange,
};
use sluice_lambda::http::{Once, Request, Response, no_content};

use crate::{
    fault::{Fault, Refusal},
    handler::{Ports, Tus, set, tell},
    secret::{Secret, Told},
    wire::{self, Concat, Dialect, Metadata},
};

/// The folder of partial uploads in the staging bucket.
const PARTIALS: &str = "partials";

/// By what an upload is opened.
pub(crate) enum Authority {
    /// A bearer token.
    Bearer(Principal),
    /// An upload job's token, and the secret of the one upload that it opens.
    Job(Box<UploadJob>, Secret),
}

impl Authority {
    pub(crate) fn owner(&self) -> &OwnerId {
        match self {
            Self::Bearer(principal) => &principal.owner,
            Self::Job(job, _) => job.owner(),
        }
    }

    pub(crate) fn job(&self) -> Option<&RequestId> {
        match self {
            Self::Bearer(_) => None,
            Self::Job(job, _) => Some(job.request_id()),
        }
    }
}

/// Why a job's token opens nothing. The reasons are told to its holder alone: without it there is just the first.
fn token_refused(error: &Error) -> Fault {
    let code = match error.code() {
        "already_completed" => "token_used",
        "job_cancelled" => "job_cancelled",
        "job_expired" => "token_expired",
        _ => "invalid_token",
    };
    Refusal::token(code, error.message()).into()
}

/// Why a job can't be started, or why that can't be told now.
fn refused_or_failed(error: Error) -> Fault {
    match error.kind() {
        ErrorKind::Conflict | ErrorKind::NotFound => token_refused(&error),
        _ => error.into(),
    }
}

fn invalid_token() -> Fault {
    Refusal::token("invalid_token", "no upload job has this id and token").into()
}

impl<P: Ports> Tus<P> {
    /// Opens an upload. One by a bearer token whose request has an `Idempotency-Key` is opened once, however often that comes;
    /// what a job's token opens is one upload anyway.
    pub(crate) async fn create_once(&self, request: &Request, dialect: Dialect) -> Result<Response, Fault> {
        let metadata = Metadata::read(request)?;
        let authority = self.authority(request, &metadata).await?;
        let create = async |attempt: Option<&Attempt>| {
            self.create(request, dialect, &metadata, &authority, attempt).await
        };
        match &authority {
            Authority::Bearer(principal) => {
                let Intake { clock, ids, .. } = &self.intake;
                let once = Once { records: &self.records, clock, ids };
                once.run(&principal.owner, request, || wire::digest_of_creation(request), create).await
            }
            Authority::Job(..) => Box::pin(create(None)).await,
        }
    }

    /// Opens an upload, and takes its first bytes if they come along.
    async fn create(
        &self,
        request: &Request,
        dialect: Dialect,
        metadata: &Metadata,
        authority: &Authority,
        attempt: Option<&Attempt>,
    ) -> Result<Response, Fault> {
        let concat = if dialect == Dialect::Tus { Concat::read(request)? } else { None };
        let body = wire::body(request)?;
        if let Some((Concat::Final(parts), raw)) = concat {
            if !body.is_empty() {
                return Err(Refusal::new(403, "final_upload", "a final upload takes no bytes").into());
            }
            return self.join(request, metadata, authority, &parts, raw).await;
        }
        let len = body.len() as u64;
        let length = wire::creation_length(request, dialect, len)?;
        if length.is_some_and(|length| length > self.max_size()) {
            return Err(Refusal::too_large(self.max_size()).into());
        }
        if length.is_some_and(|length| len > length) {
            let draft = dialect == Dialect::Draft;
            return Err(if draft { Refusal::inconsistent() } else { Refusal::beyond_length() }.into());
        }
        if len > 0 && dialect == Dialect::Tus {
            wire::check_type(request, dialect)?;
        }
        wire::check_sum(request, &body)?;
        let concat = concat.map(|(_, raw)| raw);
        let is_partial = concat.is_some();
        let secret = match authority {
            Authority::Job(_, secret) if !is_partial => secret.clone(),
            _ => Secret::new(attempt.map_or_else(|| self.intake.ids.secret(), Attempt::secret)),
        };
        if attempt.is_some()
            && let Some(there) = self.uploads.get(secret.digest()).await?
        {
            // by an earlier try of this request: its offset tells what was taken
            return Ok(Self::created(request, dialect, &secret, &there));
        }
        if let Authority::Job(job, _) = authority
            && !is_partial
        {
            job.check_start(self.intake.clock.now()).map_err(|error| token_refused(&error))?;
            if let Some(there) = self.uploads.get(secret.digest()).await? {
                let there = self.opened_before(there, length).await?;
                return Ok(Self::created(request, dialect, &secret, &there));
            }
        }
        let told = secret.seal(&Told { metadata: metadata.raw.clone(), concat })?;
        let (form, size) = if is_partial {
            self.open_partial(authority, length).await?
        } else {
            let made = attempt.map(|attempt| attempt.made(0));
            let wish = Wish { made, ..metadata.wish(request, length) };
            let (target, size) = self.open_whole(authority, metadata, wish).await?;
            (Form::Whole(target), size)
        };
        let new = NewTusUpload {
            owner: authority.owner().clone(),
            job: authority.job().cloned(),
            told,
            form,
            length,
            size,
        };
        let upload = self.open(&secret, new, body.into(), dialect, attempt.is_some()).await?;
        Ok(Self::created(request, dialect, &secret, &upload))
    }

    /// 201, with the upload's URL as a reference that resolves against the request's.
    pub(crate) fn created(
        request: &Request,
        dialect: Dialect,
        secret: &Secret,
        upload: &TusUpload,
    ) -> Response {
        let mut response = no_content();
        *response.status_mut() = StatusCode::CREATED;
        let base = if request.ends_with_slash() { "" } else { "files/" };
        set(&mut response, "location", format!("{base}{}", secret.as_str()));
        tell(&mut response, dialect, upload);
        response
    }

    /// By what the upload is opened: a job's token in the metadata, or else a bearer token.
    pub(crate) async fn authority(&self, request: &Request, metadata: &Metadata) -> Result<Authority, Fault> {
        let now = self.intake.clock.now();
        let Some(token) = metadata.get(&["token"]) else {
            return Ok(Authority::Bearer(self.bearer.caller(request, now).await?.principal()));
        };
        let job = self.jobs.by_token(Sha256::of(token.as_bytes())).await?.ok_or_else(invalid_token)?;
        if metadata.get(&["upload_request_id"]) != Some(job.request_id().as_str()) {
            return Err(invalid_token());
        }
        Ok(Authority::Job(Box::new(job), Secret::of_job(token)))
    }

    /// The upload that a job's token opened before: its client never got the answer, or asks twice at once. What has bytes
    /// is somebody's.
    async fn opened_before(&self, upload: TusUpload, length: Option<u64>) -> Result<TusUpload, Fault> {
        let fresh = matches!(upload.form(), Form::Whole(_))
            && upload.offset() == 0
            && upload.state() == State::Open
            && upload.length() == length;
        if !fresh {
            return Err(Refusal::token("token_used", "the token's upload has begun").into());
        }
        if let Some(target) = upload.target() {
            let asset = self.intake.table.get(target.asset_id).await?;
            if asset.is_none_or(|asset| target.is_off_on(&asset)) {
                return Err(token_refused(&job::job_cancelled()));
            }
        }
        Ok(upload)
    }

    /// Opens the asset that an upload becomes, and says how many bytes it takes.
    pub(crate) async fn open_whole(
        &self,
        authority: &Authority,
        metadata: &Metadata,
        wish: Wish,
    ) -> Result<(Target, SizeRange), Fault> {
        match authority {
            Authority::Bearer(principal) => {
                let asset_id = metadata.get(&["asset_id"]).map(str::parse).transpose()?;
                let plan = |terms: &mut Terms| {
                    terms.size = self.within_reach(terms.size);
                    Ok(Opening::OpenMultipart)
                };
                let wanted = Wanted { wish, asset_id };
                let opened = self.intake.take(&self.gate, principal, wanted, Known::SentAgain, plan).await?;
                target_of(&opened.granted().map_err(|error| Refusal::over(&error))?)
            }
            Authority::Job(job, _) => self.open_by_job(job, wish.size, self.intake.clock.now()).await,
        }
    }

    /// Opens the one asset of a job's upload, which began at `since`. Of several requests at once one opens it, and the
    /// others are given the same.
    pub(crate) async fn open_by_job(
        &self,
        job: &UploadJob,
        length: Option<u64>,
        since: Timestamp,
    ) -> Result<(Target, SizeRange), Fault> {
        let mut terms = job.terms();
        terms.size = match length {
            Some(length) => announced(terms.size, length)?,
            None => self.within_reach(terms.size),
        };
        let clock = &self.intake.clock;
        let claim = JobEvent::Claimed { asset_id: self.intake.ids.asset_id(), at: since };
        let claimed = job::apply_to(&self.jobs, clock, job.clone(), &claim).await;
        let (job, _) = claimed.map_err(refused_or_failed)?;
        let id = job.asset_id().ok_or_else(|| Error::internal("a claim names no asset"))?;
        let asset = self.intake.open_claimed(id, job.owner(), &terms, Opening::OpenMultipart).await?;
        if asset.object().is_some() || asset.progress() > 0 {
            return Err(Refusal::token("token_used", "the token's upload has begun").into());
        }
        if asset.open_grant().is_none() {
            return Err(token_refused(&job::job_cancelled()));
        }
        let opened = target_of(&asset)?;
        // the job may have been called off since it was claimed
        let followed = job::apply_to(&self.jobs, clock, job, &JobEvent::Followed(&asset)).await;
        let (job, _) = followed.map_err(refused_or_failed)?;
        if job.status(clock.now()) == UploadJobStatus::Cancelled {
            self.call_off(&opened.0).await?;
            return Err(token_refused(&job::job_cancelled()));
        }
        Ok(opened)
    }

    /// A size that isn't said is at most what one upload holds.
    fn within_reach(&self, size: SizeRange) -> SizeRange {
        if size.exact().is_some() { size } else { SizeRange::at_most(size.max().min(self.max_size())) }
    }

    /// Opens a partial upload: no asset, but within what its owner may have.
    async fn open_partial(
        &self,
        authority: &Authority,
        length: Option<u64>,
    ) -> Result<(Form, SizeRange), Fault> {
        let owner = authority.owner();
        let quota = match authority {
            Authority::Bearer(_) => self.gate.policy.quota(),
            Authority::Job(job, _) => {
                job.check_start(self.intake.clock.now()).map_err(|error| token_refused(&error))?;
                let most = job.terms().size.max();
                if length.is_some_and(|length| length > most) {
                    return Err(Refusal::too_large(most).into());
                }
                job.terms().quota
            }
        };
        let wanted = i64::try_from(length.unwrap_or(0)).unwrap_or(i64::MAX);
        let usage = self.intake.table.usage(owner).await?;
        // a job's room was granted with it or will be with its final upload; what is there now is all that is looked at
        quota.check(usage, UsageChange { open_uploads: 0, stored_bytes: wanted })?;
        let folder: Folder = PARTIALS.parse()?;
        let name: Filename = PARTIALS.parse()?;
        let key = ObjectKey::new(&folder, self.intake.ids.asset_id(), &name);
        let upload_id = self.partials.create(&key, &ContentType::octet_stream(), Version::FIRST).await?;
        let size = length.map_or_else(|| SizeRange::at_most(self.max_size()), SizeRange::exactly);
        let size = quota.cut(size, usage)?;
        Ok((Form::Partial { key, upload_id }, size))
    }

    /// Records a new upload; what is there in its place, if another was recorded. One that is this to the letter was
    /// written by an earlier try, whose answer was lost.
    pub(crate) async fn record(&self, id: Sha256, upload: &TusUpload) -> Result<Option<TusUpload>, Error> {
        let failed = match self.uploads.create(id, upload).await {
            Ok(Saved::Yes) => return Ok(None),
            Ok(Saved::Conflict | Saved::Contended) => None,
            Err(error) if error.kind().is_transient() => Some(error),
            Err(error) => return Err(error),
        };
        match (self.uploads.get(id).await, failed) {
            (Ok(Some(there)), _) if there == *upload => Ok(None),
            (Ok(Some(there)), None) => Ok(Some(there)),
            (_, Some(error)) | (Err(error), None) => Err(error),
            (Ok(None), None) => {
                Err(Error::unavailable("the state table", "an upload went as it was recorded"))
            }
        }
    }

    /// Records an upload, and takes its first bytes. One of no bytes is complete at once. Where the request may come again, a
    /// failure leaves the asset for that.
    async fn open(
        &self,
        secret: &Secret,
        new: NewTusUpload,
        body: Bytes,
        dialect: Dialect,
        may_come_again: bool,
    ) -> Result<TusUpload, Fault> {
        let id = secret.digest();
        let writes = !body.is_empty() || new.length == Some(0);
        let lock = writes.then(|| self.new_lock(LOCK_TTL));
        let upload = TusUpload::create(new, lock, self.intake.clock.now());
        match self.record(id, &upload).await {
            Ok(None) => {}
            // a job's, by another request of the same token
            Ok(Some(there)) if upload.job().is_some() => {
                return self.opened_before(there, upload.length()).await;
            }
            Ok(Some(_)) => return Err(Error::internal("a new upload's secret was taken").into()),
            Err(error) => {
                // what a job's token opens is opened again by the next request; the rest nobody would know of
                if let Some(target) = upload.target().filter(|_| upload.job().is_none() && !may_come_again) {
                    // else the grant's own end frees it
                    let _ = self.call_off(target).await;
                }
                return Err(error.into());
            }
        }
        if !writes {
            return Ok(upload);
        }
        let after = self.write(id, upload, body, dialect).await?;
        if after.is_whole() { self.finish(id, after).await } else { Ok(after) }
    }
}

/// The target of an asset that was just opened, and how many bytes it takes.
fn target_of(asset: &Asset) -> Result<(Target, SizeRange), Fault> {
    let open = asset.grant().and_then(|grant| Some((Target::of(asset)?, grant.size)));
    Ok(open.ok_or_else(|| Error::internal("an upload was opened without its parts"))?)
}

/// A length within what was announced.
fn announced(size: SizeRange, length: u64) -> Result<SizeRange, Refusal> {
    if size.holds(length) {
        Ok(SizeRange::exactly(length))
    } else if length > size.max() {
        Err(Refusal::new(413, "file_too_large", format!("the upload job is for {size} bytes")))
    } else {
        Err(Refusal::invalid("upload-length", &format!("the upload job is for {size} bytes")))
    }
}
