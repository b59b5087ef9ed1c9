//! The triggers: the ingest queue, and S3 itself where it is wired to the function without a queue.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use serde::{Deserialize, Serialize};
use sluice_core::{
    Result,
    ports::{AssetRepository, Clock, ContentIndex, GateFunction, JobQueue, MultipartStore, OriginalStore},
};
use sluice_lambda::{
    ingest::IngestMessage,
    s3_event::{ObjectEvent, S3Notification},
    sqs::run_batch,
};

use crate::ingest::Ingester;

/// What starts the function. Both shapes hold `Records`; a record of SQS says so.
#[derive(Debug, Deserialize)]
#[serde(from = "serde_json::Value")]
pub enum Trigger {
    /// Messages of the ingest queue.
    Messages(SqsEvent),
    /// Events that the bucket sends to the function itself; none in S3's test message.
    Objects(S3Notification),
    /// Nothing that is known.
    Unknown,
}

impl From<serde_json::Value> for Trigger {
    fn from(event: serde_json::Value) -> Self {
        let from_sqs = event["Records"][0]["eventSource"] == "aws:sqs";
        if from_sqs {
            serde_json::from_value(event).map_or(Self::Unknown, Self::Messages)
        } else {
            serde_json::from_value(event).map_or(Self::Unknown, Self::Objects)
        }
    }
}

/// What a trigger is answered with.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Which messages must be seen again.
    Batch(SqsBatchResponse),
    /// Nothing is asked.
    Nothing {},
}

/// Reads what the trigger tells of.
///
/// # Errors
/// For events that S3 sends to the function itself: what another try can mend, or what nobody has recorded. Messages of the
/// queue are reported one by one.
pub async fn handle<T, O, Q, C, G>(ingester: &Ingester<T, O, Q, C, G>, trigger: Trigger) -> Result<Answer>
where
    T: AssetRepository + ContentIndex,
    O: OriginalStore + MultipartStore,
    Q: JobQueue,
    C: Clock,
    G: GateFunction,
{
    match trigger {
        Trigger::Messages(event) => {
            let read = async |message: IngestMessage, _| match message {
                IngestMessage::Order(order) => ingester.ordered(&order).await,
                IngestMessage::Objects(notification) => objects_created(ingester, notification).await,
            };
            Ok(Answer::Batch(run_batch(event, read).await))
        }
        Trigger::Objects(notification) => {
            objects_created(ingester, notification).await?;
            Ok(Answer::Nothing {})
        }
        Trigger::Unknown => {
            // trying again would not make it readable, and no asset is named in it
            tracing::error!("an event of no known shape");
            Ok(Answer::Nothing {})
        }
    }
}

async fn objects_created<T, O, Q, C, G>(
    ingester: &Ingester<T, O, Q, C, G>,
    notification: S3Notification,
) -> Result<()>
where
    T: AssetRepository + ContentIndex,
    O: OriginalStore + MultipartStore,
    Q: JobQueue,
    C: Clock,
    G: GateFunction,
{
    for object in notification.into_objects().filter(ObjectEvent::is_created) {
        ingester.object_created(&object.key, object.version_id).await?;
    }
    Ok(())
}
