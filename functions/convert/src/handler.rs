//! The trigger.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use sluice_core::ports::{AssetRepository, Clock, DerivedStore, JobOrder, OriginalStore};
use sluice_lambda::sqs::run_batch;

use crate::{engine::Maker, work::Worker};

/// Does the orders of a batch, one after another: a decoder has the function's memory to itself.
pub async fn handle<T, O, D, C, M>(worker: &Worker<T, O, D, C, M>, event: SqsEvent) -> SqsBatchResponse
where
    T: AssetRepository,
    O: OriginalStore,
    D: DerivedStore,
    C: Clock,
    M: Maker,
{
    run_batch(event, async |order: JobOrder, message: String| worker.work(&order, &message).await).await
}
