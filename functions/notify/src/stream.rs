//! A batch of the table's stream, and the answer that says from where to deliver again.

use serde::{Deserialize, Serialize};
use serde_dynamo::Item;
use serde_json::Value;
use sluice_core::{Error, asset::Asset, job::UploadJob, task::Task};

/// A batch. Records are read one by one, so that one that can't be read fails no other.
#[derive(Debug, Clone, Deserialize)]
pub struct StreamBatch {
    /// In the order of the stream's shard.
    #[serde(rename = "Records")]
    pub records: Vec<Value>,
}

/// Which records failed. The stream is delivered again from the first of them on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchAnswer {
    /// The failed records.
    pub batch_item_failures: Vec<FailedRecord>,
}

/// A record that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedRecord {
    /// Its sequence number.
    pub item_identifier: String,
}

/// Why a record can't be read, for the log and the poison queue. It quotes nothing of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreadable {
    /// It isn't a record of a table's stream.
    NoRecord,
    /// It says it is an asset and can't be read as one.
    NoAsset,
    /// It says it is an upload job and can't be read as one.
    NoJob,
    /// It says it is a task and can't be read as one.
    NoTask,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    dynamodb: Images,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Images {
    #[serde(default)]
    new_image: Option<Item>,
    #[serde(default)]
    old_image: Option<Item>,
}

/// The sequence number of a record, readable or not.
pub fn sequence_number(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
}

/// What a record brings.
#[derive(Debug)]
pub enum Change {
    /// An asset's new state.
    Asset {
        /// It.
        asset: Box<Asset>,
        /// Whether it has just come to an end.
        ended: bool,
    },
    /// An upload job's.
    Job(Box<UploadJob>),
    /// A task that is new.
    Task(Box<Task>),
}

/// What a record brings; none if there is nothing to tell: a removal, another item, no new revision.
///
/// # Errors
/// If it can't be read.
pub fn change(record: &Value) -> Result<Option<Change>, Unreadable> {
    let Record { event_name, dynamodb } = Record::deserialize(record).map_err(|_| Unreadable::NoRecord)?;
    if event_name == "REMOVE" {
        return Ok(None);
    }
    let image = dynamodb.new_image.ok_or(Unreadable::NoRecord)?;
    let before = dynamodb.old_image.as_ref();
    let asset = sluice_aws::asset_from_item(&image).map_err(|_| Unreadable::NoAsset)?;
    if let Some(asset) = asset {
        let before = before.and_then(|image| known(sluice_aws::asset_from_item(image)));
        let is_new = before.as_ref().is_none_or(|before| before.revision() < asset.revision());
        let had_ended = before.is_some_and(|before| before.stage().is_terminal());
        let ended = asset.stage().is_terminal() && !had_ended;
        return Ok(is_new.then(|| Change::Asset { asset: Box::new(asset), ended }));
    }
    if let Some(task) = sluice_aws::task_from_item(&image).map_err(|_| Unreadable::NoTask)? {
        // a task is written once; written again it is the same
        return Ok(before.is_none().then(|| Change::Task(Box::new(task))));
    }
    let job = sluice_aws::job_from_item(&image).map_err(|_| Unreadable::NoJob)?;
    let before = before.and_then(|image| known(sluice_aws::job_from_item(image)));
    let new = job.filter(|job| before.is_none_or(|before| before.revision() < job.revision()));
    Ok(new.map(|job| Change::Job(Box::new(job))))
}

/// An old state. One that can't be read is no reason not to tell the new one.
fn known<T>(before: Result<Option<T>, Error>) -> Option<T> {
    before.ok().flatten()
}
