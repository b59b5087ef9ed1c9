//! Granting an upload: what `POST /prepare` and `POST /s3_signature` do, apart from HTTP.

use std::time::Duration;

use sluice_core::{
    Error, Result,
    asset::{Asset, Grant},
    document::AssetDocument,
    find,
    gate::{Gate, Principal, Terms},
    ids::{AssetId, OwnerId, UploadId, Version},
    intake::{Intake, Known, Opened, Opening, Wanted},
    names::ObjectKey,
    ports::{
        AssetRepository, Clock, ContentIndex, GateFunction, IdGenerator, LinkSigner, MultipartStore,
        OriginalStore, SignedForm, SignedPart, UploadSigner,
    },
    right::Right,
    time::Timestamp,
    upload::{PartChoice, Parts, Plan, UploadPolicy},
};

use crate::request::Window;

/// What a grant is made with.
pub struct Granter<T, O, S, L, C, I, G> {
    /// Opens uploads.
    pub intake: Intake<T, O, C, I>,
    /// What every grant passes.
    pub gate: Gate<G>,
    /// Signs uploads.
    pub signer: S,
    /// Signs links, for an answer that shows an existing asset.
    pub links: L,
    /// The operator's limits.
    pub policy: UploadPolicy,
}

/// The answer to a client that wants to upload.
#[derive(Debug)]
pub enum Granted {
    /// One PUT.
    Direct {
        /// The asset that the bytes will be.
        upload: Upload,
        /// The PUT's address.
        url: String,
        /// What the client must send with it.
        headers: Vec<(String, String)>,
        /// Until when S3 takes it.
        expires_at: Timestamp,
    },
    /// One form.
    Form {
        /// The asset that the bytes will be.
        upload: Upload,
        /// The form, but for the file.
        form: SignedForm,
    },
    /// Parts, of which a window is signed.
    Multipart {
        /// The asset that the bytes will be.
        upload: Upload,
        /// S3's id of the upload.
        upload_id: UploadId,
        /// Sizes and count.
        parts: Parts,
        /// The window.
        signed: Vec<SignedPart>,
        /// Until when S3 takes these.
        expires_at: Timestamp,
    },
    /// The owner has these bytes already: nothing is to be sent.
    Existing(Box<AssetDocument>),
}

/// What an upload will become.
#[derive(Debug)]
pub struct Upload {
    /// The asset.
    pub asset_id: AssetId,
    /// Its key.
    pub key: ObjectKey,
    /// The version that the bytes will be.
    pub version: Version,
}

impl Upload {
    /// What the open grant of an asset will become.
    pub fn of(asset: &Asset, grant: &Grant) -> Self {
        Self { asset_id: asset.id(), key: asset.key().clone(), version: grant.version }
    }
}

impl<T, O, S, L, C, I, G> Granter<T, O, S, L, C, I, G>
where
    T: AssetRepository + ContentIndex,
    O: OriginalStore + MultipartStore,
    S: UploadSigner,
    L: LinkSigner,
    C: Clock,
    I: IdGenerator,
    G: GateFunction,
{
    /// Grants a new upload: of a new asset, or of a further version of an existing one.
    ///
    /// # Errors
    /// The gate's; for an update `asset_not_found`, `asset_busy`, `stale_version`; `too_many_uploads`,
    /// `quota_exceeded`.
    pub async fn grant(&self, principal: &Principal, wanted: Wanted, choice: PartChoice) -> Result<Granted> {
        let policy = &self.policy;
        let plan = |terms: &mut Terms| {
            Ok(match policy.plan(terms.size.max(), choice)? {
                Plan::Direct => Opening::Direct(policy.grant_ttl),
                Plan::Multipart(parts) => Opening::Multipart(parts),
            })
        };
        match self.intake.take(&self.gate, principal, wanted, Known::Shown, plan).await? {
            Opened::Granted(asset) => self.sign(&asset, 1, u64::MAX).await,
            Opened::Existing(asset) => self.existing(&asset).await,
        }
    }

    /// Grants an upload by one form, of a new asset or of a further version of an existing one. S3 takes no condition with
    /// a form: one that is posted twice, or after a later version, is written beside what is there and then discarded, for
    /// an asset takes each version's bytes once.
    ///
    /// # Errors
    /// As for [`Self::grant`].
    pub async fn grant_form(&self, principal: &Principal, wanted: Wanted) -> Result<Granted> {
        let ttl = self.policy.grant_ttl;
        let plan = |_: &mut Terms| Ok(Opening::Form(ttl));
        let asset = match self.intake.take(&self.gate, principal, wanted, Known::Shown, plan).await? {
            Opened::Granted(asset) => asset,
            Opened::Existing(asset) => return self.existing(&asset).await,
        };
        let grant = granted(&asset)?;
        let form = self.signer.sign_post(asset.key(), grant, self.intake.clock.now(), ttl).await?;
        Ok(Granted::Form { upload: Upload::of(&asset, grant), form })
    }

    async fn existing(&self, asset: &Asset) -> Result<Granted> {
        Ok(Granted::Existing(Box::new(AssetDocument::render(asset, &self.links).await?)))
    }

    /// Signs a further window of an open multipart upload, or one that was signed before and has expired.
    ///
    /// # Errors
    /// `upload_not_found` unless it is the owner's and open; `invalid_field` for a window outside of it.
    pub async fn window(&self, owner: &OwnerId, wanted: &Window) -> Result<Granted> {
        let upload_id: UploadId = wanted.upload_id.parse()?;
        let asset = find::asset_at(&self.intake.table, owner, &wanted.object_key, Right::Change).await?;
        let asset = asset.ok_or_else(Error::upload_not_found)?;
        let open = asset.open_grant().filter(|grant| grant.upload_id() == Some(&upload_id));
        if open.is_none_or(|grant| grant.parts().is_none()) {
            return Err(Error::upload_not_found());
        }
        self.sign(&asset, wanted.start_part, wanted.batch_count).await
    }

    /// Signs the open grant of an asset: its one PUT, or `count` of its parts from `start` on.
    async fn sign(&self, asset: &Asset, start: u64, count: u64) -> Result<Granted> {
        let (now, ttl): (Timestamp, Duration) = (self.intake.clock.now(), self.policy.grant_ttl);
        let grant = granted(asset)?;
        let upload = Upload::of(asset, grant);
        let (Some(upload_id), Some(parts)) = (grant.upload_id().cloned(), grant.parts()) else {
            let signed = self.signer.sign_put(asset.key(), grant, now, ttl).await?;
            let (url, headers, expires_at) = (signed.url, signed.headers, signed.expires_at);
            return Ok(Granted::Direct { upload, url, headers, expires_at });
        };
        let window = self.policy.window(start, count, parts)?;
        let (signed, expires_at) = self.signer.sign_parts(asset.key(), &upload_id, window, now, ttl).await?;
        Ok(Granted::Multipart { upload, upload_id, parts, signed, expires_at })
    }
}

/// The grant of an upload that was just opened.
fn granted(asset: &Asset) -> Result<&Grant> {
    asset.grant().ok_or_else(|| Error::internal("an upload was opened without a grant"))
}
