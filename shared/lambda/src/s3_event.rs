//! S3's notifications (event message structure 2.x,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>).
//!
//! Only what is needed is read, so that fields S3 adds or leaves out break nothing. Keys come form-encoded and are
//! decoded here: `+` is a space, the rest is percent-encoded UTF-8.

use serde::Deserialize;
use sluice_core::ids::{ETag, ObjectVersionId};

use crate::http::decode_form;

/// What S3 sends: records, or the test message that it sends once when notifications are set up, which has none.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Message")]
pub struct S3Notification {
    records: Vec<Record>,
}

/// The two shapes. Anything else isn't S3's.
#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    #[serde(rename_all = "PascalCase")]
    Events { records: Vec<Record> },
    #[serde(rename_all = "PascalCase")]
    Test {
        #[serde(rename = "Event")]
        _event: TestEvent,
    },
}

#[derive(Deserialize)]
enum TestEvent {
    #[serde(rename = "s3:TestEvent")]
    TestEvent,
}

impl From<Message> for S3Notification {
    fn from(message: Message) -> Self {
        match message {
            Message::Events { records } => Self { records },
            Message::Test { .. } => Self { records: Vec::new() },
        }
    }
}

/// Something that happened to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEvent {
    /// Such as `ObjectCreated:Put`, without the `s3:` that some senders put before it.
    pub name: String,
    /// The bucket's name.
    pub bucket: String,
    /// The key, decoded.
    pub key: String,
    /// The object's bytes; none where the event doesn't say (removals).
    pub size: Option<u64>,
    /// The entity tag; none where the event doesn't say.
    pub etag: Option<ETag>,
    /// The S3 version; none where the bucket isn't versioned.
    pub version_id: Option<ObjectVersionId>,
    /// Orders the events of one key: pad the shorter with zeros on the right, then compare as text.
    pub sequencer: Option<String>,
}

impl ObjectEvent {
    /// Whether it tells of bytes that came.
    pub fn is_created(&self) -> bool {
        self.name.starts_with("ObjectCreated:")
    }
}

impl S3Notification {
    /// The events. A key that isn't UTF-8 is none of ours and is left out.
    pub fn into_objects(self) -> impl Iterator<Item = ObjectEvent> {
        self.records.into_iter().filter_map(Record::into_object)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    s3: Entity,
}

#[derive(Debug, Clone, Deserialize)]
struct Entity {
    bucket: Bucket,
    object: Object,
}

#[derive(Debug, Clone, Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    key: String,
    size: Option<u64>,
    e_tag: Option<String>,
    version_id: Option<String>,
    sequencer: Option<String>,
}

impl Record {
    fn into_object(self) -> Option<ObjectEvent> {
        let Entity { bucket, object } = self.s3;
        let Some(key) = decode_form(&object.key) else {
            tracing::warn!(bucket = bucket.name, "the key of an event isn't UTF-8");
            return None;
        };
        Some(ObjectEvent {
            name: self.event_name.trim_start_matches("s3:").to_owned(),
            bucket: bucket.name,
            key,
            size: object.size,
            etag: object.e_tag.and_then(|tag| ETag::from_header(&tag).ok()),
            // a bucket whose versioning is suspended says "null"
            version_id: object.version_id.filter(|id| id != "null").and_then(|id| id.parse().ok()),
            sequencer: object.sequencer,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn objects(payload: serde_json::Value) -> Vec<ObjectEvent> {
        serde_json::from_value::<S3Notification>(payload).unwrap().into_objects().collect()
    }

    fn record(object: &serde_json::Value) -> serde_json::Value {
        json!({"Records": [{
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
            "eventTime": "2026-01-31T08:15:30.000Z", "eventName": "ObjectCreated:CompleteMultipartUpload",
            "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": "originals", "arn": "arn:aws:s3:::originals"},
                   "object": object},
        }]})
    }

    #[test]
    fn an_event_names_its_object_exactly() {
        let payload = record(&json!({
            "key": "users/alice/my+trip/%C3%9Cber%2B1.jpg", "size": 1024, "eTag": "d41d8cd98f00b204e9800998ecf8427e-2",
            "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko", "sequencer": "0055AED6DCD90281E5",
        }));
        let [object] = &objects(payload)[..] else { panic!("one record") };
        assert_eq!(object.key, "users/alice/my trip/Über+1.jpg");
        assert_eq!((object.bucket.as_str(), object.size), ("originals", Some(1024)));
        assert_eq!(object.etag.as_ref().unwrap().as_str(), "d41d8cd98f00b204e9800998ecf8427e-2");
        assert_eq!(object.version_id.as_ref().unwrap().as_str(), "096fKKXTRTtl3on89fVO.nfljtsv6qko");
        assert_eq!(object.sequencer.as_deref(), Some("0055AED6DCD90281E5"));
        assert!(object.is_created());
    }

    #[test]
    fn what_an_event_leaves_out_is_none() {
        let [object] = &objects(record(&json!({"key": "k", "versionId": "null"})))[..] else { panic!("one") };
        assert_eq!((object.size, &object.etag, &object.version_id), (None, &None, &None));
    }

    #[test]
    fn the_test_message_and_keys_that_are_no_text_give_nothing() {
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-31T08:15:30.000Z",
            "Bucket": "originals", "RequestId": "5582815E1AEA5ADF", "HostId": "x"});
        assert!(objects(test).is_empty());
        assert!(objects(record(&json!({"key": "%FF"}))).is_empty());
    }
}
