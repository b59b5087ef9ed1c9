//! Bytes: taken under a lock, written where nobody else writes, and acknowledged only once the record says so.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use sluice_core::{
    Error,
    asset::Event,
    change,
    ids::Sha256,
    ports::{AssetRepository, Clock, Locking, MultipartStore, Saved, StagingStore, TusUploadRepository},
    tus::{AppendFault, Form, LOCK_TTL, Lock, Segment, State, Store, Target, TusUpload},
};
use sluice_lambda::http::{Request, Response, no_content};

use crate::{
    fault::{Fault, Refusal},
    handler::{Ports, Requester, Tus, tell},
    secret::Secret,
    wire::{self, Dialect},
};

/// Segments that are read at once.
const READ_AT_ONCE: usize = 16;

/// How a fault is told.
fn refusal(fault: AppendFault, dialect: Dialect) -> Refusal {
    match (dialect, fault) {
        (
            Dialect::Draft,
            AppendFault::LengthChanged | AppendFault::LengthTooShort | AppendFault::BeyondLength,
        ) => Refusal::inconsistent(),
        (_, AppendFault::LengthChanged) => {
            Refusal::invalid("upload-length", "it was told before, and was another")
        }
        (_, AppendFault::LengthTooShort) => Refusal::invalid("upload-length", "more bytes are there already"),
        (_, AppendFault::LengthRefused) => {
            Refusal::new(413, "file_too_large", "upload-length: not what this upload was let through for")
        }
        (_, AppendFault::BeyondLength) => Refusal::beyond_length(),
        (_, AppendFault::TooManyParts) => {
            Refusal::new(413, "too_many_parts", "the upload was interrupted too often to become one object")
        }
    }
}

/// Bytes as a client appends them.
struct Append {
    dialect: Dialect,
    offset: u64,
    /// The upload's length, if the request tells it.
    length: Option<u64>,
    body: Bytes,
}

impl Append {
    fn read(request: &Request, dialect: Dialect) -> Result<Self, Fault> {
        wire::check_type(request, dialect)?;
        let offset = wire::number(request, "upload-offset")?
            .ok_or_else(|| Refusal::invalid("upload-offset", "is missing"))?;
        let told = wire::number(request, "upload-length")?;
        let body = wire::body(request)?;
        let length = match dialect {
            Dialect::Draft if wire::completes(request)? => {
                let end = offset.saturating_add(body.len() as u64);
                if told.is_some_and(|length| length != end) {
                    return Err(Refusal::inconsistent().into());
                }
                Some(end)
            }
            _ => told,
        };
        wire::check_sum(request, &body)?;
        Ok(Self { dialect, offset, length, body: body.into() })
    }
}

impl<P: Ports> Tus<P> {
    /// Appends.
    pub(crate) async fn append(
        &self,
        request: &Request,
        dialect: Dialect,
        secret: &Secret,
    ) -> Result<Response, Fault> {
        let append = Append::read(request, dialect)?;
        let requester = self.requester(request).await?;
        let id = secret.digest();
        let lock = self.new_lock(LOCK_TTL);
        let locking = self.uploads.lock(id, requester.owner(), append.offset, &lock).await?;
        let after = match locking {
            Locking::Refused(None) => return Err(Refusal::not_found().into()),
            Locking::Refused(Some(upload)) if upload.state() == State::Complete => {
                requester.check(&upload)?;
                self.check_complete(&upload, &append)?;
                *upload
            }
            Locking::Refused(Some(upload)) => {
                let upload = self.take_over(id, *upload, requester, &append, lock).await?;
                self.write_append(id, upload, append).await?
            }
            Locking::Taken(upload) => self.write_append(id, *upload, append).await?,
        };
        let mut response = no_content();
        tell(&mut response, dialect, &after);
        Ok(response)
    }

    /// Whether an append to a complete upload says nothing new.
    fn check_complete(&self, upload: &TusUpload, append: &Append) -> Result<(), Refusal> {
        if upload.has_expired(self.intake.clock.now()) {
            return Err(Refusal::gone());
        }
        if matches!(upload.form(), Form::Final { .. }) {
            return Err(Refusal::new(403, "final_upload", "a final upload takes no bytes"));
        }
        if append.offset != upload.offset() {
            return Err(Refusal::offset(upload.offset(), append.offset));
        }
        match append.dialect {
            _ if append.body.is_empty() => Ok(()),
            Dialect::Tus => Err(Refusal::beyond_length()),
            Dialect::Draft => Err(Refusal::completed()),
        }
    }

    /// Why the lock can't be had; or the lock, where whoever had it vanished.
    async fn take_over(
        &self,
        id: Sha256,
        upload: TusUpload,
        requester: Requester,
        append: &Append,
        lock: Lock,
    ) -> Result<TusUpload, Fault> {
        requester.check(&upload)?;
        let now = self.intake.clock.now();
        if upload.has_expired(now) {
            return Err(Refusal::gone().into());
        }
        if matches!(upload.form(), Form::Final { .. }) {
            return Err(Refusal::new(403, "final_upload", "a final upload takes no bytes").into());
        }
        if upload.is_locked(now) {
            return Err(Refusal::locked().into());
        }
        if upload.offset() != append.offset {
            return Err(Refusal::offset(upload.offset(), append.offset).into());
        }
        let taken = upload.locked(lock);
        match self.uploads.save(id, &taken).await? {
            Saved::Yes => Ok(taken),
            Saved::Conflict | Saved::Contended => Err(Refusal::locked().into()),
        }
    }

    /// Writes what a client appends to an upload that is locked for it, and finishes the upload if that was the last of it.
    async fn write_append(&self, id: Sha256, upload: TusUpload, append: Append) -> Result<TusUpload, Fault> {
        if upload.has_expired(self.intake.clock.now()) {
            self.unlock(id, &upload, Store::Nothing).await;
            return Err(Refusal::gone().into());
        }
        let upload = match upload.with_length(append.length) {
            Ok(upload) => upload,
            Err(fault) => {
                self.unlock(id, &upload, Store::Nothing).await;
                return Err(refusal(fault, append.dialect).into());
            }
        };
        let after = self.write(id, upload, append.body, append.dialect).await?;
        if after.is_whole() { self.finish(id, after).await } else { Ok(after) }
    }

    /// Writes bytes to an upload that is locked for it, and notes them. Without an answer the upload may stand before or
    /// after them; the client asks.
    pub(crate) async fn write(
        &self,
        id: Sha256,
        upload: TusUpload,
        body: Bytes,
        dialect: Dialect,
    ) -> Result<TusUpload, Fault> {
        let Some(holder) = upload.lock().map(|lock| lock.holder.clone()) else {
            return Err(Error::internal("an upload is written without a lock").into());
        };
        let len = body.len() as u64;
        let store = match upload.plan(len) {
            Ok(store) => store,
            Err(fault) => {
                self.unlock(id, &upload, Store::Nothing).await;
                return Err(refusal(fault, dialect).into());
            }
        };
        if let Err(fault) = self.store(id, &upload, store, &holder, body).await {
            let was_held = self.unlock(id, &upload, store).await;
            // whoever overtook this may have had the upload stitched since
            return Err(if was_held { fault } else { Refusal::locked().into() });
        }
        let after = upload.appended(store, &holder, len);
        match self.uploads.save(id, &after).await {
            Ok(Saved::Yes) => {}
            // taken for dead, and overtaken
            Ok(Saved::Conflict | Saved::Contended) => return Err(Refusal::locked().into()),
            Err(error) => {
                // it may have been noted; then this changes nothing
                self.unlock(id, &upload, store).await;
                return Err(error.into());
            }
        }
        // only now: until it was noted, the tail was what counts
        let tail = if matches!(store, Store::Segment | Store::Nothing) { &[][..] } else { upload.tail() };
        futures_util::join!(self.remove(id, tail), self.tell_progress(&upload, &after));
        Ok(after)
    }

    async fn store(
        &self,
        id: Sha256,
        upload: &TusUpload,
        store: Store,
        holder: &str,
        body: Bytes,
    ) -> Result<(), Fault> {
        let key = || upload.segment(store, holder, body.len() as u64).key(id);
        match store {
            Store::Nothing => {}
            Store::Segment => {
                // S3 refuses parts of an upload that is off, but knows nothing of segments: the asset is asked meanwhile
                let key = key();
                let (kept, wanted) =
                    futures_util::join!(self.staging.put(&key, body), self.is_still_wanted(upload));
                kept?;
                if !wanted? {
                    return Err(Refusal::gone().into());
                }
            }
            Store::Merge => {
                let key = key();
                self.staging.put(&key, self.with_tail(id, upload.tail(), body).await?).await?;
            }
            Store::Part(number) => {
                let bytes = self.with_tail(id, upload.tail(), body).await?;
                let written = match upload.form() {
                    Form::Partial { key, upload_id } => {
                        self.partials.upload_part(key, upload_id, number, bytes).await?
                    }
                    Form::Whole(Target { key, upload_id, .. })
                    | Form::Final { target: Target { key, upload_id, .. }, .. } => {
                        self.intake.originals.upload_part(key, upload_id, number, bytes).await?
                    }
                };
                if written.is_none() {
                    // called off, or freed by the bucket's lifecycle rule
                    return Err(Refusal::gone().into());
                }
            }
        }
        Ok(())
    }

    /// Whether the asset still waits for the upload: it may have been called off by another route.
    async fn is_still_wanted(&self, upload: &TusUpload) -> Result<bool, Fault> {
        let Some(target) = upload.target() else { return Ok(true) };
        let asset = self.intake.table.get(target.asset_id).await?;
        Ok(asset.and_then(|asset| Target::of(&asset)).is_some_and(|waited_for| waited_for == *target))
    }

    /// The tail and the body as one. It is at most a part's target and an append.
    async fn with_tail(&self, id: Sha256, tail: &[Segment], body: Bytes) -> Result<Bytes, Fault> {
        if tail.is_empty() {
            return Ok(body);
        }
        let len = tail.iter().map(Segment::len).sum::<u64>() + body.len() as u64;
        let mut bytes = BytesMut::with_capacity(usize::try_from(len).map_err(Error::internal)?);
        let mut read = stream::iter(tail.iter().map(|segment| (segment.key(id), segment.len())))
            .map(|(key, len)| async move { self.staging.get(&key, 0..len).await })
            .buffered(READ_AT_ONCE);
        while let Some(segment) = read.try_next().await? {
            bytes.extend_from_slice(&segment);
        }
        bytes.extend_from_slice(&body);
        Ok(bytes.freeze())
    }

    /// Removes segments that no record names. What stays is the lifecycle rule's.
    async fn remove(&self, id: Sha256, segments: &[Segment]) {
        if segments.is_empty() {
            return;
        }
        let keys: Vec<_> = segments.iter().map(|segment| segment.key(id)).collect();
        if let Err(error) = self.staging.remove(&keys).await {
            tracing::warn!(code = error.code(), source = error.sources(), "segments are left behind");
        }
    }

    /// Gives the lock back after nothing was noted, if it was still held. Where that fails too it ends by itself.
    pub(crate) async fn unlock(&self, id: Sha256, upload: &TusUpload, store: Store) -> bool {
        match self.uploads.save(id, &upload.unlocked(store)).await {
            Ok(saved) => saved == Saved::Yes,
            Err(error) => {
                tracing::warn!(code = error.code(), source = error.sources(), "a lock is left behind");
                true
            }
        }
    }

    /// Tells the asset how far its upload is. The bytes count without it.
    async fn tell_progress(&self, before: &TusUpload, after: &TusUpload) {
        let Some(target) = after.target() else { return };
        // the arrival is told in its own way
        let Some(percent) = after.progress_since(before.offset()).filter(|_| !after.is_whole()) else {
            return;
        };
        let event = Event::UploadProgressed { version: target.version, percent };
        let (table, clock) = (&self.intake.table, &self.intake.clock);
        if let Err(error) = change::apply(table, clock, target.asset_id, &event).await {
            tracing::warn!(code = error.code(), source = error.sources(), "progress isn't told");
        }
    }
}
