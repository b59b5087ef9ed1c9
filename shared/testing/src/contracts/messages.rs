//! The queue of jobs and the pushes.

use std::collections::BTreeSet;

use sluice_core::{
    asset::JobName,
    ids::{ConnectionId, Version},
    ports::{Delivery, JobOrder, JobQueue, Notifier},
};

use super::eventually;
use crate::time::CountingIds;

/// Runs on an empty queue; `receive` takes some messages off it and gives their bodies.
pub async fn job_queue_contract(queue: &impl JobQueue, receive: impl AsyncFn() -> Vec<String>) {
    let order = |n| JobOrder { asset_id: CountingIds::nth(n), version: Version::FIRST, job: JobName::Image };
    for sent in [order(1), order(2), order(1)] {
        queue.enqueue(&sent).await.unwrap();
    }
    let mut received = BTreeSet::new();
    eventually("both orders", async || {
        for body in receive().await {
            let parsed: JobOrder = serde_json::from_str(&body).expect("a message is an order");
            received.insert(parsed.asset_id);
        }
        (received.len() == 2).then_some(())
    })
    .await;
    assert_eq!(received, BTreeSet::from([1, 2].map(CountingIds::nth)));
}

/// Runs on one open connection and one that is none; `received` gives what came to the open one.
pub async fn notifier_contract(
    notifier: &impl Notifier,
    open: &ConnectionId,
    gone: &ConnectionId,
    received: impl AsyncFn() -> Vec<String>,
) {
    assert_eq!(notifier.push(open, r#"{"type":"pong"}"#).await.unwrap(), Delivery::Delivered);
    assert_eq!(notifier.push(open, "Grüße").await.unwrap(), Delivery::Delivered);
    assert_eq!(notifier.push(gone, "nobody there").await.unwrap(), Delivery::Gone);
    eventually("both frames", async || (received().await == [r#"{"type":"pong"}"#, "Grüße"]).then_some(()))
        .await;
}
