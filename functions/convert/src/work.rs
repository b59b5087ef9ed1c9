//! One conversion job: take the lease, read the original, make the derivatives, write them, say so.
//!
//! Doing it twice is harmless: derivatives lie under keys made of asset, version and name, and the same bytes give the
//! same derivatives.

use std::time::Duration;

use bytes::Bytes;
use sluice_core::{
    Error, ErrorKind, Result,
    asset::{Asset, Derivative, Event, Failure, JobName, Outcome, Warning},
    change,
    ids::Version,
    names::DerivedKey,
    ports::{AssetRepository, Clock, DerivedStore, JobOrder, OriginalStore},
};
use sluice_media::{
    derive::{Derived, Profile, derive},
    input::Input,
    limits::Limits,
};

use crate::body;

/// What derivatives are made with.
pub struct Worker<T, O, D, C> {
    /// The state table.
    pub table: T,
    /// The bucket of originals.
    pub originals: O,
    /// The bucket of derivatives.
    pub derived: D,
    /// The time.
    pub clock: C,
    /// Which derivatives.
    pub profile: Profile,
    /// What a decoder may use.
    pub limits: Limits,
    /// How long a worker has a job to itself.
    pub lease: Duration,
}

impl<T, O, D, C> Worker<T, O, D, C>
where
    T: AssetRepository,
    O: OriginalStore,
    D: DerivedStore,
    C: Clock,
{
    /// Does an order. Success also where there is nothing to do: an older version, a job that is done, an asset that
    /// is gone.
    ///
    /// # Errors
    /// Only those that another try can mend; what can't be converted is said on the asset.
    pub async fn work(&self, order: &JobOrder) -> Result<()> {
        let &JobOrder { asset_id, version, job } = order;
        let lease_until = self.clock.now().plus(self.lease);
        let started = Event::JobStarted { job, version, lease_until };
        let started = match change::apply(&self.table, &self.clock, asset_id, &started).await {
            Ok(transition) => transition,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.code() == "job_leased" => {
                return Err(Error::new(ErrorKind::Unavailable, "job_leased", "another worker has the job"));
            }
            Err(error) => return Err(error),
        };
        if started.outcome == Outcome::Unchanged {
            return Ok(());
        }
        // nobody else works on the job now, so what was just written is most likely still so: no need to read it again
        let asset = started.asset;
        match self.convert(&asset, job, version).await {
            Ok(outcome) => change::apply_to(&self.table, &self.clock, asset, &outcome).await.map(drop),
            Err(error) => {
                let released = Event::JobReleased { job, version };
                change::apply_to(&self.table, &self.clock, asset, &released).await?;
                Err(error)
            }
        }
    }

    /// What came of the job.
    async fn convert(&self, asset: &Asset, job: JobName, version: Version) -> Result<Event> {
        let failed = |code: &str, message: String| {
            Ok(Event::JobFailed { job, version, failure: Failure::permanent(code, message) })
        };
        let object = asset.object().ok_or_else(|| Error::internal("a job on an asset without bytes"))?;
        let Some(body) = self.originals.get(&object.key, object.version_id.as_ref()).await? else {
            return failed("original_missing", "the bytes are no longer there".to_owned());
        };
        let (feed, reader) = body::pipe();
        let (profile, limits, size) = (self.profile.clone(), self.limits, object.size);
        let making =
            tokio::task::spawn_blocking(move || derive(Input::stream(size, reader), &profile, &limits));
        let (fed, made) = tokio::join!(feed.run(body), making);
        // what was made of half a body says nothing about the image
        fed?;
        match made.map_err(Error::internal)? {
            Ok(derived) => self.store(asset, job, version, derived).await,
            Err(error) => {
                // Why a decoder gave up is told here alone: its own words are no part of the error's text.
                tracing::warn!(code = error.code(), source = error.detail(), "the image can't be converted");
                failed(error.code(), error.to_string())
            }
        }
    }

    async fn store(&self, asset: &Asset, job: JobName, version: Version, derived: Derived) -> Result<Event> {
        let mut derivatives = Vec::with_capacity(derived.derivatives.len());
        for made in derived.derivatives {
            let key = DerivedKey::new(asset.id(), version, &made.name, made.extension);
            let content_type = made.content_type.parse()?;
            let size = made.bytes.len() as u64;
            self.derived.put(&key, &content_type, Bytes::from(made.bytes)).await?;
            derivatives.push(Derivative {
                name: made.name,
                key,
                content_type,
                width: made.width,
                height: made.height,
                bytes: size,
                version,
            });
        }
        let warnings = derived.warnings.into_iter();
        let warnings = warnings.map(|w| Warning { code: w.code.to_string(), message: w.message }).collect();
        Ok(Event::JobSucceeded { job, version, derivatives, warnings })
    }
}
