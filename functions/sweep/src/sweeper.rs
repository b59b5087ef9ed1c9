//! Ending what nobody else ends: orders that no worker could do, events that were lost, uploads whose client vanished.

use sluice_core::{
    Result,
    asset::{Asset, Event, Failure, JobName, StoredObject},
    change,
    effects::{abort_uploads, order_ingest},
    ids::AssetId,
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
                tracing::error!(asset.id = %id, error = ?error, "an overdue asset could not be ended; the next round tries again");
            }
        }
        Ok(overdue.len())
    }

    async fn look_after(&self, id: AssetId) -> Result<()> {
        let Some(asset) = self.table.get(id).await? else { return Ok(()) };
        match self.bytes_that_nobody_told_of(&asset).await? {
            Some(object) => self.change(asset, &Event::UploadArrived(Box::new(object))).await,
            None => self.change(asset, &Event::DeadlinePassed).await,
        }
    }

    /// Applies an event and does what follows from it.
    async fn change(&self, asset: Asset, event: &Event) -> Result<()> {
        let transition = change::apply_to(&self.table, &self.clock, asset, event).await?;
        order_ingest(&self.ingest, &transition).await?;
        abort_uploads(&self.originals, &transition).await
    }

    /// The granted object, if it is there and neither S3's event nor its client ever said so.
    async fn bytes_that_nobody_told_of(&self, asset: &Asset) -> Result<Option<StoredObject>> {
        if asset.grant().is_none() {
            return Ok(None);
        }
        let head = self.originals.head(asset.key(), None).await?;
        Ok(head.and_then(|head| asset.granted_object(head)))
    }

    /// An S3 event whose every try failed: the asset that was to be read says so.
    pub async fn event_lost(&self, key: &str) -> Result<()> {
        let Ok(key) = key.parse::<ObjectKey>() else { return Ok(()) };
        let Some(asset) = self.table.get(key.asset_id()).await? else { return Ok(()) };
        // the event may have died before it was recorded that the bytes are there: then they are read once more
        match self.bytes_that_nobody_told_of(&asset).await? {
            Some(object) => self.change(asset, &Event::UploadArrived(Box::new(object))).await,
            None => {
                self.change(
                    asset.clone(),
                    &Event::IngestFailed { version: asset.version(), failure: exhausted() },
                )
                .await
            }
        }
    }

    /// An order that every try failed at: the asset says so.
    pub async fn exhausted(&self, order: &JobOrder) -> Result<()> {
        let Some(asset) = self.table.get(order.asset_id).await? else { return Ok(()) };
        let (version, failure) = (order.version, exhausted());
        match order.job {
            JobName::Ingest => self.change(asset, &Event::IngestFailed { version, failure }).await,
            job @ JobName::Image => self.change(asset, &Event::JobFailed { job, version, failure }).await,
        }
    }
}

fn exhausted() -> Failure {
    Failure::retryable("attempts_exhausted", "the work failed at every try")
}
