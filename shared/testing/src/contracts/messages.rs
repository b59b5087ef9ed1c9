//! The queue of jobs and the pushes.

use std::collections::BTreeSet;

use sluice_core::{
    asset::JobName,
    ids::{ConnectionId, Version},
    ports::{Delivery, JobOrder, JobQueue, Notifier},
};

use super::eventually;
use crate::time::CountingIds;

/// Runs on an empty queue, which keeps a message that was received until it is deleted, or drops it at once; `receive`
/// takes some messages off it and gives their bodies.
pub async fn job_queue_contract(queue: &impl JobQueue, receive: impl AsyncFn() -> Vec<String>) {
    let order = |n| JobOrder { asset_id: CountingIds::nth(n), version: Version::FIRST, job: JobName::Image };
    assert_eq!(queue.backlog().await.unwrap(), 0);
    for sent in [order(1), order(2), order(1)] {
        queue.enqueue(&sent).await.unwrap();
    }
    let backlog = async || (queue.backlog().await.unwrap() == 3).then_some(());
    eventually("a backlog of three orders", backlog).await;
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

/// Runs on an empty queue that holds each order back; `receive` gives the bodies of what is there at the time,
/// `receive_later` waits for more.
pub async fn delayed_job_queue_contract(
    queue: &impl JobQueue,
    receive: impl AsyncFn() -> Vec<String>,
    receive_later: impl AsyncFn() -> Vec<String>,
) {
    let order = JobOrder { asset_id: CountingIds::nth(1), version: Version::FIRST, job: JobName::Image };
    queue.enqueue(&order).await.unwrap();
    assert!(receive().await.is_empty(), "it is held back");
    eventually("a backlog of one order", async || (queue.backlog().await.unwrap() == 1).then_some(())).await;
    let body = eventually("the order", async || receive_later().await.pop()).await;
    assert_eq!(serde_json::from_str::<JobOrder>(&body).expect("a message is an order"), order);
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
    for connection in [open, open, gone] {
        notifier.cut(connection).await.unwrap();
    }
    let is_gone = async || (notifier.push(open, "late").await.unwrap() == Delivery::Gone).then_some(());
    eventually("the cut", is_gone).await;
}
