//! Where records go that can't be read. Failing on them would stop their shard of the stream for as long as the stream
//! keeps records, and with it everything that is told of the assets in it.

use std::future::Future;

use serde_json::{Value, json};
use sluice_aws::SqsTextQueue;
use sluice_core::Result;

use crate::stream::{Unreadable, sequence_number};

/// The queue of what was set aside, which an alarm watches.
pub trait PoisonQueue: Send + Sync {
    /// Puts a text there. A second call puts it there twice, which does no harm.
    fn put(&self, text: String) -> impl Future<Output = Result<()>> + Send;
}

impl PoisonQueue for SqsTextQueue {
    async fn put(&self, text: String) -> Result<()> {
        Self::put(self, text).await
    }
}

/// What is set aside of a record: where it stands and which item it is about, not the item itself, which may be larger
/// than a message and can be read in the table.
pub fn note(record: &Value, reason: Unreadable) -> String {
    let note = json!({
        "reason": reason,
        "event_id": record["eventID"],
        "event_name": record["eventName"],
        "event_source_arn": record["eventSourceARN"],
        "sequence_number": sequence_number(record),
        "keys": record["dynamodb"]["Keys"],
    });
    note.to_string()
}
