//! Doing what a transition asks for, one function for each kind of effect. Each may be done twice.
//!
//! What is to be freed is on record until it was, so whoever may not free it leaves it: the sweeper does it in minutes.

use std::time::Duration;

use crate::{
    asset::{Asset, Effect, Event, JobName, Leftover},
    change,
    error::Result,
    ports::{AssetRepository, Clock, JobOrder, JobQueue, MultipartStore, OriginalStore},
};

/// How long an order of ingest is held back, so that S3's own event may be first: the order then finds nothing to do and
/// costs one read of the table.
pub const EVENT_GOES_FIRST: Duration = Duration::from_secs(15);

/// Orders the reading of content that arrived. Who reads also frees what was left at the asset's key, so that is ordered
/// by the same way.
pub async fn order_ingest(ingest: &impl JobQueue, asset: &Asset, effects: &[Effect]) -> Result<()> {
    for effect in effects {
        let version = match effect {
            Effect::Ingest { version } => *version,
            Effect::Free(Leftover::Object(_)) => asset.version(),
            Effect::Enqueue { .. } | Effect::Free(Leftover::Upload(_) | Leftover::Derivatives(_)) => continue,
        };
        return ingest.enqueue(&JobOrder { asset_id: asset.id(), version, job: JobName::Ingest }).await;
    }
    Ok(())
}

/// Orders the jobs that nobody has, and that what was left by one that was given up be removed: by who made it.
pub async fn order_jobs(convert: &impl JobQueue, asset: &Asset, effects: &[Effect]) -> Result<()> {
    for effect in effects {
        let (job, version) = match *effect {
            Effect::Enqueue { job, version } => (job, version),
            Effect::Free(Leftover::Derivatives(version)) => (JobName::Image, version),
            Effect::Ingest { .. } | Effect::Free(Leftover::Object(_) | Leftover::Upload(_)) => continue,
        };
        convert.enqueue(&JobOrder { asset_id: asset.id(), version, job }).await?;
    }
    Ok(())
}

/// Frees the parts of multipart uploads that are off.
pub async fn free_uploads(
    table: &impl AssetRepository,
    originals: &impl MultipartStore,
    clock: &impl Clock,
    asset: &Asset,
    effects: &[Effect],
) -> Result<()> {
    for effect in effects {
        if let Effect::Free(leftover @ Leftover::Upload(upload_id)) = effect {
            originals.abort(asset.key(), upload_id).await?;
            change::apply(table, clock, asset.id(), &Event::Freed(leftover.clone())).await?;
        }
    }
    Ok(())
}

/// Frees all that was left behind.
pub async fn free(
    table: &impl AssetRepository,
    originals: &(impl OriginalStore + MultipartStore),
    clock: &impl Clock,
    asset: &Asset,
    effects: &[Effect],
) -> Result<()> {
    for effect in effects {
        if let Effect::Free(leftover @ Leftover::Object(version_id)) = effect {
            originals.delete(asset.key(), Some(version_id)).await?;
            change::apply(table, clock, asset.id(), &Event::Freed(leftover.clone())).await?;
        }
    }
    free_uploads(table, originals, clock, asset, effects).await
}
