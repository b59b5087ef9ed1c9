//! The triggers.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_core::{
    Result,
    ports::{AssetRepository, Clock, JobQueue, MultipartStore, OriginalStore},
};
use sluice_lambda::{
    ingest::IngestMessage,
    s3_event::{ObjectEvent, S3Notification},
    sqs::run_batch,
};

use crate::sweeper::Sweeper;

/// What starts the function: a batch of dead letters has `Records`, a schedule's event has none.
#[derive(Debug, Deserialize)]
#[serde(from = "Value")]
pub enum Trigger {
    /// Dead letters.
    DeadLetters(SqsEvent),
    /// Time for a round.
    Schedule,
}

impl From<Value> for Trigger {
    fn from(event: Value) -> Self {
        match event.get("Records").is_some().then(|| serde_json::from_value(event)) {
            Some(Ok(letters)) => Self::DeadLetters(letters),
            _ => Self::Schedule,
        }
    }
}

/// A dead letter: an order that was never done, an event of S3 that could not be followed, or, where S3 invokes `process`
/// itself, the record of the failed invocation with the event that it was for
/// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum DeadLetter {
    Message(IngestMessage),
    #[serde(rename_all = "camelCase")]
    Invocation {
        request_payload: S3Notification,
    },
}

/// What a trigger is answered with.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Which messages must be seen again.
    Batch(SqsBatchResponse),
    /// How many assets were overdue.
    Round {
        /// Their number.
        overdue: usize,
    },
}

/// Ends what the trigger tells of.
///
/// # Errors
/// If the overdue assets can't be listed; the next round tries again.
pub async fn handle<T, O, Q, C>(sweeper: &Sweeper<T, O, Q, C>, trigger: Trigger) -> Result<Answer>
where
    T: AssetRepository,
    O: OriginalStore + MultipartStore,
    Q: JobQueue,
    C: Clock,
{
    match trigger {
        Trigger::Schedule => Ok(Answer::Round { overdue: sweeper.round().await? }),
        Trigger::DeadLetters(event) => {
            let end = async |letter: DeadLetter, _| {
                let lost = match letter {
                    DeadLetter::Message(IngestMessage::Order(order)) => {
                        return sweeper.exhausted(&order).await;
                    }
                    DeadLetter::Message(IngestMessage::Objects(event)) => event,
                    DeadLetter::Invocation { request_payload } => request_payload,
                };
                for object in lost.into_objects().filter(ObjectEvent::is_created) {
                    sweeper.event_lost(&object.key, object.version_id).await?;
                }
                Ok(())
            };
            Ok(Answer::Batch(run_batch(event, end).await))
        }
    }
}
