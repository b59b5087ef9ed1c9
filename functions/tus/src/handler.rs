//! The routes.

use http::HeaderValue;
use sluice_core::{
    Error, ErrorKind,
    finish::Finisher,
    gate::Gate,
    ids::{OwnerId, Sha256},
    intake::Intake,
    ports::{
        AssetRepository, Clock, ContentIndex, GateFunction, IdGenerator, IdempotencyRepository, JobQueue,
        MultipartStore, OriginalStore, Saved, StagingStore, TusUploadRepository, UploadJobRepository,
    },
    right::{Right, has_right},
    tus::{Form, Lock, MAX_APPEND_BYTES, State, TusUpload, max_upload_bytes},
};
use sluice_lambda::{
    bearer::{Bearer, KeySource},
    http::{Caller, Method, Request, Response, StatusCode, method_not_allowed, no_content, no_such_route},
};

use crate::{
    fault::{Fault, Refusal},
    secret::Secret,
    wire::{self, Dialect},
};

/// What the function works with.
pub trait Ports {
    /// Assets.
    type Table: AssetRepository + ContentIndex;
    /// Upload jobs.
    type Jobs: UploadJobRepository;
    /// Uploads.
    type Uploads: TusUploadRepository;
    /// The bucket of originals.
    type Originals: OriginalStore + MultipartStore;
    /// Partial uploads, in the staging bucket.
    type Partials: OriginalStore + MultipartStore;
    /// What waits in the staging bucket.
    type Staging: StagingStore;
    /// The queue of content to read.
    type Queue: JobQueue;
    /// The time.
    type Clock: Clock;
    /// Fresh ids and secrets.
    type Ids: IdGenerator;
    /// The operator's own gate.
    type Gate: GateFunction;
    /// The keys of bearer tokens.
    type Keys: KeySource;
    /// Requests that may come again.
    type Records: IdempotencyRepository;
}

/// The server.
pub struct Tus<P: Ports> {
    /// Opens the assets that uploads become.
    pub intake: Intake<P::Table, P::Originals, P::Clock, P::Ids>,
    /// Has them stitched.
    pub finisher: Finisher<P::Table, P::Originals, P::Queue, P::Clock>,
    /// Upload jobs.
    pub jobs: P::Jobs,
    /// Requests that may come again.
    pub records: P::Records,
    /// Uploads.
    pub uploads: P::Uploads,
    /// Partial uploads.
    pub partials: P::Partials,
    /// What waits.
    pub staging: P::Staging,
    /// The gate.
    pub gate: Gate<P::Gate>,
    /// Checks tokens.
    pub bearer: Bearer<P::Keys>,
}

/// Who sends a request to an upload. A token is needed only by uploads that were opened with one, so that a bad one is a
/// reason to refuse only there.
pub(crate) struct Requester(Result<Caller, Error>);

impl Requester {
    /// Whose token it is, if it is good.
    pub(crate) fn owner(&self) -> Option<&OwnerId> {
        self.0.as_ref().ok().map(|caller| &caller.owner)
    }

    /// Whether the upload is the requester's to see.
    ///
    /// # Errors
    /// 401 without a good token; 404 for somebody else's.
    pub(crate) fn check(self, upload: &TusUpload) -> Result<(), Fault> {
        if upload.job().is_some() {
            return Ok(());
        }
        let is_permitted = has_right(&self.0?.owner, upload.owner(), Right::Change);
        if is_permitted { Ok(()) } else { Err(Refusal::not_found().into()) }
    }
}

impl<P: Ports> Tus<P> {
    /// Answers a request.
    pub async fn handle(&self, request: &Request) -> Response {
        let method = wire::method(request);
        if method == Method::OPTIONS {
            return self.options();
        }
        let Some(dialect) = Dialect::of(request, &method) else {
            let refusal = Refusal::new(412, "unsupported_version", "Tus-Resumable: 1.0.0 is expected");
            let mut response = Fault::from(refusal).answer(request);
            set(&mut response, "tus-version", wire::VERSION);
            set(&mut response, "tus-resumable", wire::VERSION);
            return response;
        };
        let answer = match (&method, &request.segments()[..]) {
            (&Method::POST, ["files"]) => self.create_once(request, dialect).await,
            (&Method::HEAD, ["files", id]) => self.head(request, dialect, &Secret::new(*id)).await,
            (&Method::PATCH, ["files", id]) => self.append(request, dialect, &Secret::new(*id)).await,
            (&Method::DELETE, ["files", id]) => self.terminate(request, &Secret::new(*id)).await,
            (_, ["files"]) => Ok(method_not_allowed(request, &["OPTIONS", "POST"])),
            (_, ["files", _]) => Ok(method_not_allowed(request, &["OPTIONS", "HEAD", "PATCH", "DELETE"])),
            _ => Ok(no_such_route(request)),
        };
        let mut response = answer.unwrap_or_else(|fault| fault.answer(request));
        match dialect {
            Dialect::Tus => set(&mut response, "tus-resumable", wire::VERSION),
            // RFC 9110, section 15.5.14: what the draft's clients look at to send less
            Dialect::Draft if response.status().is_success() => {
                set(&mut response, "upload-limit", self.limits());
            }
            Dialect::Draft => {}
        }
        set(&mut response, "cache-control", "no-store");
        response
    }

    /// What the server says of itself.
    fn options(&self) -> Response {
        let mut response = no_content();
        set(&mut response, "tus-resumable", wire::VERSION);
        set(&mut response, "tus-version", wire::VERSION);
        set(&mut response, "tus-extension", wire::EXTENSIONS);
        set(&mut response, "tus-max-size", self.max_size().to_string());
        set(&mut response, "tus-checksum-algorithm", wire::ALGORITHMS);
        set(&mut response, "upload-limit", self.limits());
        set(&mut response, "accept-patch", "application/partial-upload");
        response
    }

    fn limits(&self) -> String {
        format!("max-size={}, max-append-size={MAX_APPEND_BYTES}", self.max_size())
    }

    /// The largest upload. An operator's own gate may take more than the policy.
    pub(crate) fn max_size(&self) -> u64 {
        let most = max_upload_bytes();
        if self.gate.function.is_some() { most } else { most.min(self.gate.policy.largest()) }
    }

    pub(crate) async fn requester(&self, request: &Request) -> Result<Requester, Fault> {
        match self.bearer.caller(request, self.intake.clock.now()).await {
            Err(error) if error.kind() != ErrorKind::Unauthorized => Err(error.into()),
            caller => Ok(Requester(caller)),
        }
    }

    /// A lock that nobody else has.
    pub(crate) fn new_lock(&self, ttl: std::time::Duration) -> Lock {
        Lock { holder: self.intake.ids.name(), until: self.intake.clock.now().plus(ttl) }
    }

    /// Where an upload stands.
    async fn head(&self, request: &Request, dialect: Dialect, secret: &Secret) -> Result<Response, Fault> {
        let id = secret.digest();
        let requester = self.requester(request).await?;
        let upload = self.uploads.get(id).await?.ok_or_else(Refusal::not_found)?;
        requester.check(&upload)?;
        if upload.has_expired(self.intake.clock.now()) {
            return Err(Refusal::gone().into());
        }
        let upload = self.up_to_date(id, upload).await?;
        let told = secret.unseal(upload.told())?;
        let mut response = no_content();
        *response.status_mut() = StatusCode::OK;
        tell(&mut response, dialect, &upload);
        match (dialect, upload.length()) {
            (_, Some(length)) => set(&mut response, "upload-length", length.to_string()),
            (Dialect::Tus, None) => set(&mut response, "upload-defer-length", "1"),
            (Dialect::Draft, None) => {}
        }
        if let Some(metadata) = told.metadata.filter(|text| !text.is_empty()) {
            set(&mut response, "upload-metadata", metadata);
        }
        if let Some(concat) = told.concat {
            set(&mut response, "upload-concat", concat);
        }
        Ok(response)
    }

    /// An upload as it really stands: one whose asset is off is gone, and one that has all its bytes is finished, should the
    /// request that brought the last have died over it.
    async fn up_to_date(&self, id: Sha256, upload: TusUpload) -> Result<TusUpload, Fault> {
        if upload.state() != State::Open {
            return Ok(upload);
        }
        if upload.is_whole() && !upload.is_locked(self.intake.clock.now()) {
            return self.finish(id, upload).await;
        }
        if let Some(target) = upload.target() {
            let asset = self.intake.table.get(target.asset_id).await?;
            if asset.is_none_or(|asset| target.is_off_on(&asset)) {
                return Err(Refusal::gone().into());
            }
        }
        Ok(upload)
    }

    /// Ends an upload. What became an asset stays one.
    async fn terminate(&self, request: &Request, secret: &Secret) -> Result<Response, Fault> {
        let (id, now) = (secret.digest(), self.intake.clock.now());
        let requester = self.requester(request).await?;
        let upload = self.uploads.get(id).await?.ok_or_else(Refusal::not_found)?;
        requester.check(&upload)?;
        if upload.has_expired(now) {
            return Err(Refusal::gone().into());
        }
        if upload.is_locked(now) {
            return Err(Refusal::locked().into());
        }
        // nobody may append while it is taken down
        let upload = upload.locked(self.new_lock(sluice_core::tus::LOCK_TTL));
        if self.uploads.save(id, &upload).await? != Saved::Yes {
            return Err(Refusal::locked().into());
        }
        if upload.state() != State::Complete
            && let Some(target) = upload.target()
        {
            self.call_off(target).await?;
        }
        if let Form::Partial { key, upload_id } = upload.form() {
            self.partials.abort(key, upload_id).await?;
            self.staging.remove(&[key.into()]).await?;
        }
        let segments: Vec<_> = upload.tail().iter().map(|segment| segment.key(id)).collect();
        if !segments.is_empty() {
            self.staging.remove(&segments).await?;
        }
        match self.uploads.remove(id, upload.revision()).await? {
            Saved::Yes => Ok(no_content()),
            Saved::Conflict | Saved::Contended => Err(Refusal::locked().into()),
        }
    }
}

/// The headers of every answer about an upload.
pub(crate) fn tell(response: &mut Response, dialect: Dialect, upload: &TusUpload) {
    // a final upload has no offset until it is put together
    if upload.state() != State::Joining {
        set(response, "upload-offset", upload.offset().to_string());
    }
    let complete = upload.state() == State::Complete;
    if dialect == Dialect::Draft {
        set(response, "upload-complete", if complete { "?1" } else { "?0" });
    } else if !complete {
        set(response, "upload-expires", upload.open_until().to_http_date());
    }
}

/// Sets a header; a value that is none is left out.
pub(crate) fn set(response: &mut Response, name: &'static str, value: impl AsRef<str>) {
    if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
        response.headers_mut().insert(name, value);
    }
}
