//! New uploads.

use bytes::Bytes;
use http::StatusCode;
use sluice_core::{
    Error, ErrorKind,
    asset::Asset,
    gate::{Principal, Terms, Wish},
    ids::{AssetId, OwnerId, RequestId, Sha256, Version},
    intake::Opening,
    job::{self, JobEvent, UploadJob},
    names::{ContentType, Filename, Folder, ObjectKey},
    ports::{
        AssetRepository, Clock, IdGenerator, MultipartStore, Saved, TusUploadRepository, UploadJobRepository,
    },
    tus::{Form, LOCK_TTL, NewTusUpload, Target, TusUpload},
    upload::SizeRange,
    usage::UsageChange,
};
use sluice_lambda::http::{Request, Response, no_content};

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
    /// An upload job's token.
    Job(Box<UploadJob>),
}

impl Authority {
    pub(crate) fn owner(&self) -> &OwnerId {
        match self {
            Self::Bearer(principal) => &principal.owner,
            Self::Job(job) => job.owner(),
        }
    }

    pub(crate) fn job(&self) -> Option<&RequestId> {
        match self {
            Self::Bearer(_) => None,
            Self::Job(job) => Some(job.request_id()),
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

fn invalid_token() -> Fault {
    Refusal::token("invalid_token", "no upload job has this id and token").into()
}

impl<P: Ports> Tus<P> {
    /// Opens an upload, and takes its first bytes if they come along.
    pub(crate) async fn create(&self, request: &Request, dialect: Dialect) -> Result<Response, Fault> {
        let metadata = Metadata::read(request)?;
        let concat = if dialect == Dialect::Tus { Concat::read(request)? } else { None };
        let body = wire::body(request)?;
        if let Some((Concat::Final(parts), raw)) = concat {
            if !body.is_empty() {
                return Err(Refusal::new(403, "final_upload", "a final upload takes no bytes").into());
            }
            return self.join(request, &metadata, &parts, raw).await;
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
        let authority = self.authority(request, &metadata).await?;
        let secret = Secret::new(self.intake.ids.secret());
        let concat = concat.map(|(_, raw)| raw);
        let is_partial = concat.is_some();
        let told = secret.seal(&Told { metadata: metadata.raw.clone(), concat })?;
        let (form, size) = if is_partial {
            self.open_partial(&authority, length).await?
        } else {
            let wish = metadata.wish(request, length);
            let (target, terms) = self.open_whole(&authority, &metadata, wish).await?;
            (Form::Whole(target), terms.size)
        };
        let new = NewTusUpload {
            owner: authority.owner().clone(),
            job: authority.job().cloned(),
            told,
            form,
            length,
            size,
        };
        let upload = self.open(&secret, new, body.into(), dialect).await?;
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
        Ok(Authority::Job(Box::new(job)))
    }

    /// Opens the asset that an upload becomes.
    pub(crate) async fn open_whole(
        &self,
        authority: &Authority,
        metadata: &Metadata,
        wish: Wish,
    ) -> Result<(Target, Terms), Fault> {
        match authority {
            Authority::Bearer(principal) => {
                let terms = self.gate.admit(principal, &wish).await?;
                self.open_asset(&principal.owner, terms, metadata.get(&["asset_id"])).await
            }
            Authority::Job(job) => {
                job.check_start(self.intake.clock.now()).map_err(|error| token_refused(&error))?;
                self.open_by_job(job, wish.size, &JobStart::Now).await
            }
        }
    }

    /// Opens the asset of a job's upload. One that was opened by the same token before, and has no byte yet, is called off:
    /// its client never learned of it.
    pub(crate) async fn open_by_job(
        &self,
        job: &UploadJob,
        length: Option<u64>,
        start: &JobStart,
    ) -> Result<(Target, Terms), Fault> {
        let mut terms = job.terms();
        if let Some(length) = length {
            terms.size = announced(terms.size, length)?;
        }
        let earlier = match job.asset_id() {
            Some(id) => self.intake.table.get(id).await?,
            None => None,
        };
        if earlier.as_ref().is_some_and(|asset| asset.object().is_some() || asset.progress() > 0) {
            return Err(Refusal::token("token_used", "the token's upload has begun").into());
        }
        let (target, terms) = self.open_asset(job.owner(), terms, None).await?;
        self.start_job(job, &target, start).await?;
        if let Some(earlier) = earlier.as_ref().and_then(Target::of) {
            self.call_off(&earlier).await?;
        }
        Ok((target, terms))
    }

    async fn start_job(&self, job: &UploadJob, target: &Target, start: &JobStart) -> Result<(), Fault> {
        let clock = &self.intake.clock;
        let started = match start {
            JobStart::Now => {
                let event = JobEvent::Started { asset_id: target.asset_id };
                job::apply_to(&self.jobs, clock, job.clone(), &event).await.map(drop)
            }
            JobStart::Before => {
                let asset =
                    self.intake.table.get(target.asset_id).await?.ok_or_else(Error::asset_not_found)?;
                job::apply_to(&self.jobs, clock, job.clone(), &JobEvent::Followed(&asset)).await.map(drop)
            }
        };
        if let Err(error) = started {
            self.call_off(target).await?;
            return Err(match error.kind() {
                ErrorKind::Conflict | ErrorKind::NotFound => token_refused(&error),
                _ => error.into(),
            });
        }
        Ok(())
    }

    async fn open_asset(
        &self,
        owner: &OwnerId,
        mut terms: Terms,
        asset_id: Option<&str>,
    ) -> Result<(Target, Terms), Fault> {
        if terms.size.exact().is_none() {
            terms.size = SizeRange::at_most(terms.size.max().min(self.max_size()));
        }
        let opening = Opening::OpenMultipart;
        let asset: Asset = match asset_id {
            Some(id) => {
                let id: AssetId = id.parse()?;
                self.intake.open_update(owner, id, &terms, opening).await?
            }
            None => self.intake.open(owner, &terms, opening).await?,
        };
        let target =
            Target::of(&asset).ok_or_else(|| Error::internal("an upload was opened without its parts"))?;
        Ok((target, terms))
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
            Authority::Job(job) => {
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
        Ok((Form::Partial { key, upload_id }, size))
    }

    /// Records an upload, and takes its first bytes. One of no bytes is complete at once.
    async fn open(
        &self,
        secret: &Secret,
        new: NewTusUpload,
        body: Bytes,
        dialect: Dialect,
    ) -> Result<TusUpload, Fault> {
        let id = secret.digest();
        let writes = !body.is_empty() || new.length == Some(0);
        let lock = writes.then(|| self.new_lock(LOCK_TTL));
        let upload = TusUpload::create(new, lock, self.intake.clock.now());
        let recorded = match self.uploads.create(id, &upload).await {
            Ok(Saved::Yes) => Ok(()),
            Ok(Saved::Conflict | Saved::Contended) => Err(Error::internal("a new upload's secret was taken")),
            Err(error) => Err(error),
        };
        if let Err(error) = recorded {
            if let Some(target) = upload.target() {
                // else the grant's own end frees it
                let _ = self.call_off(target).await;
            }
            return Err(error.into());
        }
        if !writes {
            return Ok(upload);
        }
        let after = self.write(id, upload, body, dialect).await?;
        if after.is_whole() { self.finish(id, after).await } else { Ok(after) }
    }
}

/// When a job's upload was started.
pub(crate) enum JobStart {
    /// Just now.
    Now,
    /// With its parts, in time.
    Before,
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
