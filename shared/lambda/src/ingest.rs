//! What lies in the ingest queue, and in its queue of dead letters: what S3 says of its objects, and the orders of our own
//! functions. The consumer tells them apart by their shape.

use serde::Deserialize;
use sluice_core::ports::JobOrder;

use crate::s3_event::S3Notification;

/// The body of a message.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum IngestMessage {
    /// `complete`, `sweep` or a door asks for the content of an asset to be read.
    Order(JobOrder),
    /// An object was written. S3's test message holds none.
    Objects(S3Notification),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<IngestMessage, serde_json::Error> {
        serde_json::from_str(body)
    }

    #[test]
    fn each_body_is_known_by_its_shape() {
        let order = r#"{"asset_id":"0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f","version":1,"job":"ingest"}"#;
        assert!(matches!(parse(order).unwrap(), IngestMessage::Order(_)));
        let event = r#"{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#;
        assert!(matches!(parse(event).unwrap(), IngestMessage::Objects(_)));
        let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
        assert!(matches!(parse(test).unwrap(), IngestMessage::Objects(_)));
    }

    #[test]
    fn any_other_body_is_an_error() {
        for body in ["{}", "7", r#"{"Event":"s3:OtherEvent"}"#, r#"{"asset_id":7}"#, r#"{"Records":[{}]}"#] {
            assert!(parse(body).is_err(), "{body}");
        }
    }
}
