//! Final uploads: partial ones put together by S3 itself.
//!
//! The plan follows from the parts' sizes, so that a request which died over it is made good by the next: that finds the
//! record by the same URL, sees which parts S3 has, and has the others made.

use std::time::Duration;

use bytes::BytesMut;
use futures_util::{StreamExt, TryStreamExt, stream};
use sluice_core::{
    Error, ErrorKind,
    ids::Sha256,
    ports::{Clock, Copied, MultipartStore, Saved, StagingStore, TusUploadRepository},
    right::{Right, has_right},
    time::Timestamp,
    tus::{
        Form, JOIN_LOCK_TTL, NewTusUpload, Plan, Source, State, Step, Store, Target, TusUpload, plan_join,
    },
    upload::{SizeRange, UploadedPart},
};
use sluice_lambda::http::{Request, Response};

use crate::{
    create::Authority,
    fault::{Fault, Refusal},
    handler::{Ports, Tus},
    secret::{Secret, Told},
    wire::{Dialect, Metadata},
};

/// Parts that are made at once. One that is read takes 5 MiB of memory.
const AT_ONCE: usize = 16;
/// When no further part is begun: the function has 29 seconds, and stitching takes some of them.
const TIME: Duration = Duration::from_secs(20);

impl<P: Ports> Tus<P> {
    /// Makes an upload of partial ones, or goes on with it.
    pub(crate) async fn join(
        &self,
        request: &Request,
        metadata: &Metadata,
        authority: &Authority,
        parts: &[Secret],
        raw: String,
    ) -> Result<Response, Fault> {
        let secret = match authority {
            Authority::Job(_, secret) => secret.clone(),
            Authority::Bearer(principal) => {
                Secret::of_parts(&principal.owner, parts, metadata.raw.as_deref().unwrap_or_default())
            }
        };
        let told = Told { metadata: metadata.raw.clone(), concat: Some(raw) };
        let (id, now) = (secret.digest(), self.intake.clock.now());
        let lock = self.new_lock(JOIN_LOCK_TTL);
        let upload = match self.uploads.get(id).await? {
            Some(upload) if upload.has_expired(now) => return Err(Refusal::gone().into()),
            Some(upload) if secret.unseal(upload.told())? != told => {
                // the token opened another
                return Err(Refusal::token("token_used", "the token's upload has begun").into());
            }
            Some(upload) if upload.state() == State::Complete => {
                return Ok(Self::created(request, Dialect::Tus, &secret, &upload));
            }
            Some(upload) if upload.is_locked(now) => return Err(Refusal::locked().into()),
            Some(upload) => {
                let upload = upload.locked(lock);
                if self.uploads.save(id, &upload).await? != Saved::Yes {
                    return Err(Refusal::locked().into());
                }
                upload
            }
            None => {
                let told = secret.seal(&told)?;
                let new = self.open_final(request, authority, metadata, parts, told).await?;
                let upload = TusUpload::create(new, Some(lock), now);
                self.record_final(id, &upload).await?;
                upload
            }
        };
        match self.put_together(&upload, now).await {
            Ok(()) => {
                let upload = self.complete(id, upload).await?;
                Ok(Self::created(request, Dialect::Tus, &secret, &upload))
            }
            Err(fault) => {
                self.unlock(id, &upload, Store::Nothing).await;
                Err(fault)
            }
        }
    }

    async fn record_final(&self, id: Sha256, upload: &TusUpload) -> Result<(), Fault> {
        let fault: Fault = match self.record(id, upload).await {
            Ok(None) => return Ok(()),
            // the same request, sent twice at once
            Ok(Some(_)) => Refusal::locked().into(),
            Err(error) => error.into(),
        };
        // what a job's token opens is one asset, by whichever request
        if let Some(target) = upload.target().filter(|_| upload.job().is_none()) {
            // else the grant's own end frees it
            let _ = self.call_off(target).await;
        }
        Err(fault)
    }

    /// Checks the parts, and opens the asset that they become.
    async fn open_final(
        &self,
        request: &Request,
        authority: &Authority,
        metadata: &Metadata,
        parts: &[Secret],
        told: String,
    ) -> Result<NewTusUpload, Fault> {
        let partials: Vec<TusUpload> = stream::iter(parts)
            .map(|part| self.finished_part(authority, part))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let sources: Vec<Source> = partials.iter().filter_map(source).collect();
        let sizes: Vec<u64> = sources.iter().map(|source| source.len).collect();
        let length = sizes.iter().try_fold(0_u64, |sum, size| sum.checked_add(*size));
        let length = length.filter(|_| plan_join(&sizes).is_some());
        let length = length.ok_or_else(|| Refusal::new(413, "file_too_large", "too much for one object"))?;
        let (target, _) = match authority {
            Authority::Bearer(_) => {
                self.open_whole(authority, metadata, metadata.wish(request, Some(length))).await?
            }
            Authority::Job(job, _) => {
                // the job is started by its parts; the hour may be over once all are there
                let of_job = |part: &TusUpload| part.job() == Some(job.request_id());
                let last =
                    partials.iter().map(TusUpload::created_at).max().filter(|_| partials.iter().all(of_job));
                let since = last.unwrap_or_else(|| self.intake.clock.now());
                self.open_by_job(job, Some(length), since).await?
            }
        };
        Ok(NewTusUpload {
            owner: authority.owner().clone(),
            job: authority.job().cloned(),
            told,
            form: Form::Final { target, sources },
            length: Some(length),
            size: SizeRange::exactly(length),
        })
    }

    /// A partial upload that is all there.
    async fn finished_part(&self, authority: &Authority, part: &Secret) -> Result<TusUpload, Fault> {
        let id = part.digest();
        let upload = self.uploads.get(id).await?;
        let upload = upload.filter(|upload| has_right(authority.owner(), upload.owner(), Right::Change));
        let upload = upload.ok_or_else(Refusal::not_found)?;
        let fault = |reason: &str| Err(Refusal::invalid("upload-concat", reason).into());
        if !matches!(upload.form(), Form::Partial { .. }) {
            return fault("one of the uploads isn't partial");
        }
        if upload.has_expired(self.intake.clock.now()) {
            return Err(Refusal::gone().into());
        }
        if !upload.is_whole() {
            return fault("one of the uploads isn't complete");
        }
        self.finish(id, upload).await
    }

    async fn put_together(&self, upload: &TusUpload, since: Timestamp) -> Result<(), Fault> {
        let Form::Final { target, sources } = upload.form() else {
            return Err(Error::internal("only a final upload is put together").into());
        };
        let sizes: Vec<u64> = sources.iter().map(|source| source.len).collect();
        let plan =
            plan_join(&sizes).ok_or_else(|| Error::internal("a final upload can't be planned any more"))?;
        let originals = &self.intake.originals;
        let (key, upload_id) = (&target.key, &target.upload_id);
        let mut parts = originals.list_parts(key, upload_id).await?;
        if let Some(have) = &parts {
            let missing: Vec<(u16, &Step)> = missing(&plan, have);
            let (begun, deadline) = (!missing.is_empty(), since.plus(TIME));
            stream::iter(missing)
                .map(|(number, step)| self.make(target, sources, number, step, deadline))
                .buffer_unordered(AT_ONCE)
                .try_collect::<()>()
                .await?;
            if begun {
                parts = originals.list_parts(key, upload_id).await?;
            }
        }
        if let Some(parts) = &parts
            && (parts.len() != plan.len() || !missing(&plan, parts).is_empty())
        {
            return Err(Error::internal("S3 doesn't have the parts that were made").into());
        }
        // where S3 knows the upload no more, an earlier request had it stitched, or it was called off
        self.arrive(upload, key, upload_id, parts.unwrap_or_default()).await
    }

    /// Makes a part. It may be there already: it is the same then.
    async fn make(
        &self,
        target: &Target,
        sources: &[Source],
        number: u16,
        step: &Step,
        deadline: Timestamp,
    ) -> Result<(), Fault> {
        if self.intake.clock.now() >= deadline {
            let detail = "the upload isn't put together yet; send the request again";
            return Err(Error::new(ErrorKind::Unavailable, "join_unfinished", detail).into());
        }
        let source = |at: usize| sources.get(at).ok_or_else(|| Error::internal("a part of no source"));
        let copied = match step {
            Step::Copy(piece) => {
                let from = source(piece.source)?;
                let range = Some(piece.range.clone()).filter(|range| *range != (0..from.len));
                let (from, to) = ((&from.key).into(), &target.key);
                self.staging.copy_part(&from, range, to, &target.upload_id, number).await?
            }
            Step::Read(pieces) => {
                let mut bytes = BytesMut::new();
                for piece in pieces {
                    let from = (&source(piece.source)?.key).into();
                    bytes.extend_from_slice(&self.staging.get(&from, piece.range.clone()).await?);
                }
                let originals = &self.intake.originals;
                match originals.upload_part(&target.key, &target.upload_id, number, bytes.freeze()).await? {
                    Some(_) => Copied::Done,
                    None => Copied::NoSuchUpload,
                }
            }
        };
        match copied {
            Copied::Done => Ok(()),
            // freed by the buckets' lifecycle rules, or called off
            Copied::NoSuchSource | Copied::NoSuchUpload => Err(Refusal::gone().into()),
        }
    }
}

fn source(part: &TusUpload) -> Option<Source> {
    match part.form() {
        Form::Partial { key, .. } => Some(Source { key: key.clone(), len: part.offset() }),
        _ => None,
    }
}

/// The parts of a plan that S3 doesn't have.
fn missing<'a>(plan: &'a Plan, have: &[UploadedPart]) -> Vec<(u16, &'a Step)> {
    let is_there = |number: u16, step: &Step| {
        let found = have.binary_search_by_key(&number, |part| part.number);
        found.is_ok_and(|at| have[at].size == step.len())
    };
    (1..).zip(plan).filter(|(number, step)| !is_there(*number, step)).collect()
}
