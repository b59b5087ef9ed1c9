//! Ending what nobody else ends: orders that no worker could do, events that were lost, uploads whose client vanished,
//! bytes and parts that were left behind. First everything is driven again; only what can't work is failed.

use sluice_core::{
    Result, arrival,
    asset::{Asset, Effect, Event, Overdue, Stage, Transition},
    change,
    effects::{free, order_ingest, order_jobs},
    ids::{AssetId, ObjectVersionId},
    names::ObjectKey,
    ports::{AssetRepository, Clock, JobOrder, JobQueue, MultipartStore, OriginalStore},
};

/// Assets looked after in one round; what is left waits for the next.
pub const ROUND: u16 = 200;

/// What the sweeper works with.
pub struct Sweeper<T, O, Q, C> {
    /// The state table.
    pub table: T,
    /// The bucket of originals and its multipart uploads.
    pub originals: O,
    /// The queue of content to read.
    pub ingest: Q,
    /// The queue of conversion jobs.
    pub convert: Q,
    /// The time.
    pub clock: C,
}

impl<T, O, Q, C> Sweeper<T, O, Q, C>
where
    T: AssetRepository,
    O: OriginalStore + MultipartStore,
    Q: JobQueue,
    C: Clock,
{
    /// Looks after the assets whose deadline is past; answers how many there were. One that can't be ended now
    /// doesn't keep the others waiting.
    pub async fn round(&self) -> Result<usize> {
        let overdue = self.table.overdue(self.clock.now(), ROUND).await?;
        for &id in &overdue {
            if let Err(error) = self.look_after(id).await {
                tracing::error!(asset.id = %id, error = ?error, "an overdue asset could not be looked after; the next round tries again");
            }
        }
        Ok(overdue.len())
    }

    async fn look_after(&self, id: AssetId) -> Result<()> {
        let Some(mut asset) = self.table.get(id).await? else { return Ok(()) };
        // its bytes may be there and nobody said so; or others are that stand in their way
        let waits_for_work = asset.awaited_ingest().is_some() || asset.stage() == Stage::Processing;
        if !waits_for_work
            && let Some(told) =
                arrival::object_created(&self.table, &self.originals, &self.clock, asset.key(), None).await?
        {
            asset = told.asset.clone();
            self.perform(told).await?;
        }
        let found = self.find(&asset).await?;
        self.change(asset, &Event::DeadlinePassed(found)).await
    }

    /// What there is to be said of an asset whose deadline is past.
    async fn find(&self, asset: &Asset) -> Result<Overdue> {
        let upload_id = asset.grant().and_then(|grant| grant.upload_id());
        let begun = match upload_id {
            Some(upload_id) => {
                let parts = self.originals.list_parts(asset.key(), upload_id).await?;
                parts.is_some_and(|parts| !parts.is_empty())
            }
            None => false,
        };
        let backlog = match asset.open_effects().first() {
            Some(Effect::Ingest { .. }) => self.ingest.backlog().await? > 0,
            Some(Effect::Enqueue { .. }) => self.convert.backlog().await? > 0,
            Some(Effect::Free(_)) | None => false,
        };
        Ok(Overdue { begun, backlog })
    }

    /// Applies an event and does what is to be done about the asset then.
    async fn change(&self, asset: Asset, event: &Event) -> Result<()> {
        self.perform(change::apply_to(&self.table, &self.clock, asset, event).await?).await
    }

    async fn perform(&self, Transition { asset, effects, .. }: Transition) -> Result<()> {
        free(&self.table, &self.originals, &self.clock, &asset, &effects).await?;
        order_jobs(&self.convert, &asset, &effects).await?;
        order_ingest(&self.ingest, &asset, &effects).await
    }

    /// An S3 event whose every try failed: what it tells of is told once more, and what follows from that is ordered. It
    /// speaks of one S3 version, and decides about no other.
    pub async fn event_lost(&self, key: &str, version_id: Option<ObjectVersionId>) -> Result<()> {
        let Ok(key) = key.parse::<ObjectKey>() else { return Ok(()) };
        let told =
            arrival::object_created(&self.table, &self.originals, &self.clock, &key, version_id).await?;
        match told {
            Some(told) => self.perform(told).await,
            None => Ok(()),
        }
    }

    /// An order that every try failed at.
    pub async fn exhausted(&self, order: &JobOrder) -> Result<()> {
        let &JobOrder { asset_id, version, job } = order;
        let Some(asset) = self.table.get(asset_id).await? else { return Ok(()) };
        self.change(asset, &Event::Exhausted { job, version }).await
    }
}
