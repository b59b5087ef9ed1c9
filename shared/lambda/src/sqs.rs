//! Batches of SQS messages with partial failures (`FunctionResponseTypes: [ReportBatchItemFailures]`): one message
//! never decides about another.
//!
//! The policy, in one place:
//!
//! | the handler | the message |
//! |---|---|
//! | returns `Ok` | is done and leaves the queue. A permanent failure is recorded by the handler, which then returns `Ok` |
//! | returns a transient error | is reported: SQS delivers it again, and after the queue's `maxReceiveCount` it is a dead letter |
//! | returns a permanent error | is reported too: nobody has recorded it, so the consumer of dead letters must |
//! | never sees it, for the body isn't a `T` | is reported: it ends as a dead letter, where a person can read it |

use std::future::Future;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use serde::de::DeserializeOwned;
use sluice_core::Result;

/// Runs `handle` on each message and its id, one after another, and reports those that must be seen again. A message that
/// is delivered again has the same id.
pub async fn run_batch<T, F>(event: SqsEvent, handle: impl Fn(T, String) -> F) -> SqsBatchResponse
where
    T: DeserializeOwned,
    F: Future<Output = Result<()>>,
{
    let mut response = SqsBatchResponse::default();
    for message in event.records {
        let message_id = message.message_id.unwrap_or_default();
        match serde_json::from_str(message.body.as_deref().unwrap_or_default()) {
            Ok(order) => {
                let Err(error) = handle(order, message_id.clone()).await else { continue };
                if error.kind().is_transient() {
                    tracing::warn!(%message_id, code = error.code(), source = error.sources(), "message will be retried");
                } else {
                    tracing::error!(%message_id, code = error.code(), source = error.sources(), "message failed for good");
                }
            }
            // serde's words may quote the body, so only where it went wrong is told
            Err(error) => tracing::error!(
                %message_id,
                line = error.line(),
                column = error.column(),
                category = ?error.classify(),
                "message can't be read"
            ),
        }
        response.add_failure(message_id);
    }
    response
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::json;
    use sluice_core::{Error, ErrorKind, ports::JobOrder};

    use super::*;

    fn event(bodies: &[&str]) -> SqsEvent {
        let records: Vec<_> = (1..)
            .zip(bodies)
            .map(|(number, body)| json!({"messageId": format!("m{number}"), "body": body, "eventSource": "aws:sqs"}))
            .collect();
        serde_json::from_value(json!({ "Records": records })).unwrap()
    }

    fn failures(response: SqsBatchResponse) -> Vec<String> {
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    #[tokio::test]
    async fn each_message_is_judged_alone() {
        let seen = RefCell::new(Vec::new());
        let handle = async |number: u32, _| {
            seen.borrow_mut().push(number);
            match number {
                2 => Err(Error::unavailable("S3", "timeout")),
                4 => Err(Error::new(ErrorKind::Invalid, "odd", "odd")),
                _ => Ok(()),
            }
        };
        let response = run_batch(event(&["1", "2", "{", "4", "5"]), handle).await;
        assert_eq!(failures(response), ["m2", "m3", "m4"]);
        assert_eq!(*seen.borrow(), [1, 2, 4, 5]);
    }

    #[tokio::test]
    async fn a_body_of_another_shape_is_reported() {
        let good = r#"{"asset_id":"0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f","version":1,"job":"image"}"#;
        let bodies = event(&[r#"{"asset_id":7}"#, "", good, &good.replace("image", "dance")]);
        let response = run_batch(bodies, async |_: JobOrder, _| Ok(())).await;
        assert_eq!(failures(response), ["m1", "m2", "m4"]);
    }
}
