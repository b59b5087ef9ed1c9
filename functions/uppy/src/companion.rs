//! What a Companion does, apart from HTTP.
//!
//! Uppy doesn't say how large a file is, so what the gate takes at most is what a form is signed for; parts are summed up
//! when they are stitched. An upload's key names its asset, and an asset is its owner's alone: who asks about another's
//! gets the same answer as for one that never was.

use std::time::Duration;

use sluice_core::{
    Error, Result,
    asset::{Asset, Failure, Grant},
    cancel::upload_cancelled,
    find,
    finish::{Completion, Finisher},
    gate::{Gate, Principal, Terms},
    ids::{OwnerId, UploadId},
    intake::{Intake, Known, Opening, Wanted},
    ports::{
        AssetRepository, Clock, ContentIndex, EndpointTokenRepository, GateFunction, IdGenerator,
        IdempotencyRepository, JobQueue, MultipartStore, OriginalStore, SignedForm, SignedPart, UploadSigner,
    },
    right::Right,
    time::Timestamp,
    upload::{MAX_PARTS, PartTag, UploadedPart},
};
use sluice_lambda::http::Once;

/// The ports that a Companion works on.
pub trait Ports {
    /// The state table: assets and who keeps which content.
    type Table: AssetRepository + ContentIndex;
    /// The bucket of originals and its multipart uploads.
    type Originals: OriginalStore + MultipartStore;
    /// The queue of content to read.
    type Queue: JobQueue;
    /// Signs uploads.
    type Signer: UploadSigner;
    /// The time.
    type Clock: Clock;
    /// New ids and secrets.
    type Ids: IdGenerator;
    /// The operator's own gate.
    type Gate: GateFunction;
    /// Addresses that carry their authority.
    type Endpoints: EndpointTokenRepository;
    /// Requests that may come again.
    type Records: IdempotencyRepository;
}

/// What uploads are opened, signed and finished with.
pub struct Companion<P: Ports> {
    /// Opens uploads.
    pub intake: Intake<P::Table, P::Originals, P::Clock, P::Ids>,
    /// Finishes them.
    pub finisher: Finisher<P::Table, P::Originals, P::Queue, P::Clock>,
    /// What every grant passes.
    pub gate: Gate<P::Gate>,
    /// Signs uploads.
    pub signer: P::Signer,
    /// Addresses that carry their authority.
    pub endpoints: P::Endpoints,
    /// Requests that may come again.
    pub records: P::Records,
    /// The name of the bucket of originals, which Uppy is told.
    pub bucket: String,
    /// How long a signed request is good.
    pub grant_ttl: Duration,
}

impl<P: Ports> Companion<P> {
    /// The time.
    pub fn now(&self) -> Timestamp {
        self.intake.clock.now()
    }

    /// What requests that may come again are done with.
    pub fn once(&self) -> Once<'_, P::Records, P::Clock, P::Ids> {
        Once { records: &self.records, clock: &self.intake.clock, ids: &self.intake.ids }
    }

    /// Opens the upload of a new asset, or of a further version of the one that is named.
    ///
    /// # Errors
    /// The gate's; `asset_not_found`, `asset_busy`, `stale_version`; `too_many_uploads`, `quota_exceeded`.
    pub async fn open(&self, principal: &Principal, wanted: Wanted, opening: Opening) -> Result<Asset> {
        let plan = |_: &mut Terms| Ok(opening);
        self.intake.take(&self.gate, principal, wanted, Known::SentAgain, plan).await?.granted()
    }

    /// Opens an upload that comes by one form, and signs the form.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub async fn form(&self, principal: &Principal, wanted: Wanted) -> Result<(Asset, SignedForm)> {
        let asset = self.open(principal, wanted, Opening::Form(self.grant_ttl)).await?;
        let grant = granted(&asset)?;
        let form = self.signer.sign_post(asset.key(), grant, self.now(), self.grant_ttl).await?;
        Ok((asset, form))
    }

    /// Signs these parts of an open upload, just in time.
    ///
    /// # Errors
    /// `invalid_field` for a number that no part has; `upload_not_found`, or why the upload is over.
    pub async fn parts_signed(
        &self,
        owner: &OwnerId,
        upload_id: &str,
        key: &str,
        numbers: &[u64],
    ) -> Result<(Vec<SignedPart>, Timestamp)> {
        let upload_id: UploadId = upload_id.parse()?;
        let numbers: Vec<u16> = numbers.iter().copied().map(part_number).collect::<Result<_>>()?;
        let asset = self.owned(owner, key).await?.ok_or_else(Error::upload_not_found)?;
        if asset.open_grant().and_then(Grant::upload_id) != Some(&upload_id) {
            return Err(why_over(&asset, &upload_id));
        }
        let (now, ttl) = (self.now(), self.grant_ttl);
        let (mut signed, mut until) = (Vec::with_capacity(numbers.len()), now.plus(ttl));
        for number in numbers {
            let window = number..=number;
            let (part, expires_at) =
                self.signer.sign_parts(asset.key(), &upload_id, window, now, ttl).await?;
            signed.extend(part);
            until = until.min(expires_at);
        }
        Ok((signed, until))
    }

    /// The parts that S3 has of an open upload.
    ///
    /// # Errors
    /// `upload_not_found`, or why the upload is over.
    pub async fn parts(&self, owner: &OwnerId, upload_id: &str, key: &str) -> Result<Vec<UploadedPart>> {
        match self.finisher.parts(owner, upload_id, key).await {
            Err(error) if error.code() == "upload_not_found" => {
                let asset = self.owned(owner, key).await?.ok_or(error)?;
                Err(why_over(&asset, &upload_id.parse()?))
            }
            listed => listed,
        }
    }

    /// Takes an upload as complete; a repeat gives the same. Answers where the object is.
    ///
    /// # Errors
    /// See [`Finisher::complete`].
    pub async fn complete(
        &self,
        owner: &OwnerId,
        upload_id: UploadId,
        key: &str,
        parts: Vec<PartTag>,
    ) -> Result<(Asset, String)> {
        let upload = Some((upload_id, parts));
        let completion = Completion { object_key: Some(key.to_owned()), version: None, upload };
        let completed = self.finisher.complete(owner, &completion).await;
        let asset = completed.map_err(|error| match error.code() {
            "asset_not_found" => Error::upload_not_found(),
            _ => error,
        })?;
        let location = self.signer.address(asset.key()).await?;
        Ok((asset, location))
    }

    /// The owner's asset with this key; what isn't the owner's isn't there.
    pub(crate) async fn owned(&self, owner: &OwnerId, key: &str) -> Result<Option<Asset>> {
        find::asset_at(&self.intake.table, owner, key, Right::Change).await
    }
}

/// A number that S3 numbers a part with.
pub(crate) fn part_number(number: u64) -> Result<u16> {
    u16::try_from(number)
        .ok()
        .filter(|&number| (1..=MAX_PARTS).contains(&u64::from(number)))
        .ok_or_else(|| Error::invalid_field("partNumber", "a number from 1 to 10000 is expected"))
}

/// The grant of an upload that was just opened.
pub(crate) fn granted(asset: &Asset) -> Result<&Grant> {
    asset.grant().ok_or_else(|| Error::internal("an upload was opened without a grant"))
}

/// Why an upload of this asset isn't open.
pub(crate) fn why_over(asset: &Asset, upload_id: &UploadId) -> Error {
    if asset.object().is_some_and(|object| object.upload_id.as_ref() == Some(upload_id)) {
        return Error::conflict("already_uploaded", "the upload is complete");
    }
    match asset.failure_code() {
        _ if asset.is_cancelled() => upload_cancelled(),
        Some(Failure::EXPIRED) => {
            Error::conflict(Failure::EXPIRED, "the upload was not finished in its time")
        }
        // it is open here and gone at S3, which frees what lies there for too long
        _ if asset.grant().and_then(Grant::upload_id) == Some(upload_id) => {
            Error::conflict("upload_gone", "the upload was aborted or has expired; begin it again")
        }
        _ => Error::upload_not_found(),
    }
}
