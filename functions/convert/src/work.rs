//! One conversion job: take the lease, read the original, make the derivatives, write them, say so.
//!
//! Doing it twice is harmless: derivatives lie under keys made of asset, version and name, and the same bytes give the
//! same derivatives.

use std::time::Duration;

use bytes::Bytes;
use sluice_core::{
    Error, ErrorKind, Result,
    asset::{Asset, Derivative, Event, Failure, JobName, Lease, Leftover, Outcome, Placeholder, Warning},
    change,
    ids::Version,
    names::DerivedKey,
    ports::{AssetRepository, Clock, DerivedStore, JobOrder, OriginalStore},
};
use sluice_media::derive::Derived;

use crate::engine::Maker;

/// What derivatives are made with.
pub struct Worker<T, O, D, C, M> {
    /// The state table.
    pub table: T,
    /// The bucket of originals.
    pub originals: O,
    /// The bucket of derivatives.
    pub derived: D,
    /// The time.
    pub clock: C,
    /// What makes them.
    pub maker: M,
    /// How long a worker has a job to itself.
    pub lease: Duration,
}

impl<T, O, D, C, M> Worker<T, O, D, C, M>
where
    T: AssetRepository,
    O: OriginalStore,
    D: DerivedStore,
    C: Clock,
    M: Maker,
{
    /// Does an order. Success also where there is nothing to do: an older version, a job that is done, an asset that
    /// is gone.
    ///
    /// # Errors
    /// Only those that another try can mend; what can't be converted is said on the asset.
    ///
    /// `message` is the order's id on the queue. Delivered again it takes over its own lease at once: whoever had it
    /// before was killed, or its answer was lost.
    pub async fn work(&self, order: &JobOrder, message: &str) -> Result<()> {
        let &JobOrder { asset_id, version, job } = order;
        let lease = Lease { holder: message.to_owned(), until: self.clock.now().plus(self.lease) };
        let started = Event::JobStarted { job, version, lease };
        let started = match change::apply(&self.table, &self.clock, asset_id, &started).await {
            Ok(transition) => transition,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.code() == "job_leased" => {
                return Err(Error::new(ErrorKind::Unavailable, "job_leased", "another worker has the job"));
            }
            Err(error) => return Err(error),
        };
        if started.outcome == Outcome::Unchanged {
            let left = Leftover::Derivatives(version);
            return if started.asset.leftovers().contains(&left) {
                self.clear(&started.asset, version).await?;
                change::apply_to(&self.table, &self.clock, started.asset, &Event::Freed(left)).await.map(drop)
            } else {
                Ok(())
            };
        }
        // nobody else works on the job now, so what was just written is most likely still so: no need to read it again
        let asset = started.asset;
        match self.convert(&asset, job, version).await {
            Ok(outcome) => {
                let told = change::apply_to(&self.table, &self.clock, asset, &outcome).await?;
                if told.outcome == Outcome::Unchanged {
                    self.clear(&told.asset, version).await
                } else {
                    Ok(())
                }
            }
            Err(error) => {
                let released = Event::JobReleased { job, version, holder: message.to_owned() };
                change::apply_to(&self.table, &self.clock, asset, &released).await?;
                Err(error)
            }
        }
    }

    /// Removes what was made for a job that was given up, for no record will ever name it. Of another version than the
    /// asset's nothing is removed: copies may show it.
    async fn clear(&self, asset: &Asset, version: Version) -> Result<()> {
        if asset.version() != version {
            return Ok(());
        }
        let keys = self
            .maker
            .outputs()
            .map(|(name, extension)| DerivedKey::new(asset.id(), version, name, extension));
        let is_named = |key: &DerivedKey| asset.derivatives().iter().any(|made| made.key == *key);
        let unnamed: Vec<_> = keys.filter(|key| !is_named(key)).collect();
        self.derived.delete(&unnamed).await
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
        match self.maker.make(object.size, body).await? {
            Ok(derived) => self.store(asset, job, version, derived).await,
            Err(error) => {
                // Why a decoder gave up is told here alone: its own words are no part of the error's text.
                tracing::warn!(code = error.code(), source = error.detail(), "the image can't be converted");
                failed(error.code(), error.to_string())
            }
        }
    }

    async fn store(&self, asset: &Asset, job: JobName, version: Version, derived: Derived) -> Result<Event> {
        let mut derivatives: Vec<Derivative> = Vec::with_capacity(derived.derivatives.len());
        for index in 0..derived.derivatives.len() {
            // of a small original two sizes are one file, which is stored once and shown under both names
            let same = derived.same_as(index).and_then(|earlier| derivatives.get(earlier)).cloned();
            let Some(made) = derived.derivatives.get(index) else { break };
            if let Some(earlier) = same {
                derivatives.push(Derivative { name: made.name.clone(), ..earlier });
                continue;
            }
            let key = DerivedKey::new(asset.id(), version, &made.name, made.extension);
            let content_type = made.content_type.parse()?;
            self.derived.put(&key, &content_type, Bytes::from(made.bytes.clone())).await?;
            derivatives.push(Derivative {
                name: made.name.clone(),
                key,
                content_type,
                width: made.width,
                height: made.height,
                bytes: made.bytes.len() as u64,
                version,
            });
        }
        let warnings = derived.warnings.into_iter();
        let warnings = warnings.map(|w| Warning { code: w.code.to_string(), message: w.message }).collect();
        let placeholder = derived.placeholder.map(|made| Placeholder { thumbhash: made.thumbhash });
        Ok(Event::JobSucceeded { job, version, derivatives, warnings, placeholder })
    }
}
