//! The end of an upload: S3 stitches, and the asset learns of it. Whatever is lost on the way, the next request finds the
//! upload with all its bytes and does it again.

use sluice_core::{
    Error, ErrorKind,
    asset::JobName,
    cancel::cancel_upload,
    finish::Completion,
    ids::{Sha256, UploadId},
    names::ObjectKey,
    ports::{
        AssetRepository, JobOrder, JobQueue, MultipartStore, OriginalStore, Stitched, TusUploadRepository,
    },
    tus::{Form, State, Target, TusUpload},
    upload::{PartTag, UploadedPart},
};

use crate::{
    fault::{Fault, Refusal},
    handler::{Ports, Tus},
};

/// What says that an upload won't become anything any more.
const GONE: [&str; 7] = [
    "upload_gone",
    "upload_cancelled",
    "upload_expired",
    "upload_not_found",
    "asset_not_found",
    "stale_version",
    "version_superseded",
];

/// An error of the domain, as tus has it.
fn gone(error: Error) -> Fault {
    if GONE.contains(&error.code()) { Refusal::gone().into() } else { error.into() }
}

fn tags(parts: Vec<UploadedPart>) -> Vec<PartTag> {
    parts.into_iter().map(|part| PartTag { number: part.number, etag: part.etag }).collect()
}

impl<P: Ports> Tus<P> {
    /// Finishes an upload whose bytes are all there.
    ///
    /// # Errors
    /// 410 if S3 has neither the parts nor the object.
    pub(crate) async fn finish(&self, id: Sha256, upload: TusUpload) -> Result<TusUpload, Fault> {
        if upload.state() == State::Complete {
            return Ok(upload);
        }
        match upload.form() {
            Form::Whole(Target { key, upload_id, .. }) => {
                let parts = self.finisher.originals.list_parts(key, upload_id).await?;
                let parts = parts.map(|parts| upload.counted(parts)).transpose()?;
                self.arrive(&upload, key, upload_id, parts.unwrap_or_default()).await?;
            }
            Form::Partial { key, upload_id } => self.stitch_partial(&upload, key, upload_id).await?,
            Form::Final { .. } => {
                return Err(Error::internal("a final upload is put together, not appended to").into());
            }
        }
        self.complete(id, upload).await
    }

    /// Notes that the object is there.
    pub(crate) async fn complete(&self, id: Sha256, upload: TusUpload) -> Result<TusUpload, Fault> {
        let completed = upload.completed();
        // a conflict is another request that did the same: what it noted is the same
        self.uploads.save(id, &completed).await?;
        Ok(completed)
    }

    /// Has the parts stitched and the asset told. Without parts S3 doesn't know the multipart upload any more; then the
    /// object of the granted version must be there.
    pub(crate) async fn arrive(
        &self,
        upload: &TusUpload,
        key: &ObjectKey,
        upload_id: &UploadId,
        parts: Vec<UploadedPart>,
    ) -> Result<(), Fault> {
        let stitched_before = parts.is_empty();
        let version = upload.target().map(|target| target.version);
        let in_parts = Some((upload_id.clone(), tags(parts)));
        let completion = Completion { object_key: Some(key.to_string()), version, upload: in_parts };
        let asset = self.finisher.complete(upload.owner(), &completion).await.map_err(gone)?;
        if stitched_before && let Some(version) = asset.awaited_ingest() {
            // whoever had it stitched may have died before it ordered the reading
            let asset_id = asset.id();
            self.finisher.ingest.enqueue(&JobOrder { asset_id, version, job: JobName::Ingest }).await?;
        }
        let size = version.and_then(|version| asset.size_of(version));
        if size.is_some() && upload.length().is_some() && size != upload.length() {
            tracing::error!(asset_id = %asset.id(), "the object isn't as long as the upload");
            return Err(Refusal::gone().into());
        }
        Ok(())
    }

    async fn stitch_partial(
        &self,
        upload: &TusUpload,
        key: &ObjectKey,
        upload_id: &UploadId,
    ) -> Result<(), Fault> {
        let parts = self.partials.list_parts(key, upload_id).await?;
        if let Some(parts) = parts {
            let tags = tags(upload.counted(parts)?);
            match self.partials.complete(key, upload_id, &tags, None).await? {
                Stitched::Done => return Ok(()),
                Stitched::NoSuchUpload | Stitched::PreconditionFailed => {}
                Stitched::PartsRefused => {
                    return Err(Error::internal("S3 refuses a partial upload's parts").into());
                }
            }
        }
        let size = self.partials.head(key, None).await?.map(|head| head.size);
        if size == upload.length() { Ok(()) } else { Err(Refusal::gone().into()) }
    }

    /// Calls the upload of an asset off, unless the asset has its bytes, or waits for others.
    pub(crate) async fn call_off(&self, target: &Target) -> Result<(), Fault> {
        let Some(asset) = self.intake.table.get(target.asset_id).await? else { return Ok(()) };
        if !target.is_open_on(&asset) {
            return Ok(self.intake.originals.abort(&target.key, &target.upload_id).await?);
        }
        let finisher = &self.finisher;
        match cancel_upload(&finisher.table, &finisher.originals, &finisher.clock, asset).await {
            Err(error) if error.kind() != ErrorKind::Conflict => Err(error.into()),
            _ => Ok(()),
        }
    }
}
