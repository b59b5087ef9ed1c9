//! The single table: item types, keys, indexes, access patterns.
//!
//! # Items
//!
//! | type | `pk` | `sk` | other attributes |
//! |---|---|---|---|
//! | asset | `A#{asset_id}` | `A` | the asset's own fields, and the keys of the indexes |
//! | usage | `U#{owner}` | `U` | `open_uploads`, `stored_bytes`: the sums over the owner's assets |
//! | content | `H#{owner}#{sha256}` | `H` | `asset_id`: who keeps these bytes |
//! | ticket | `T#{sha256 of the ticket}` | `T` | `owner`, `valid_until`, `expires_at` |
//! | endpoint | `E#{sha256 of its token}` | `E` | `owner`, `roots`, `opens_until`, `valid_until`, `expires_at` |
//! | upload job | `O#{owner}` | `J#{request_id}` | the job's own fields, `expires_at` |
//! | its token | `J#{sha256 of the token}` | `J` | `owner`, `request_id`, `expires_at` |
//! | tus upload | `F#{sha256 of its id}` | `F` | the upload's own fields, `expires_at` |
//! | task | `K#{task_id}` | `K` | the task's own fields, `expires_at` |
//! | request with a key | `R#{sha256 of owner, route and key}` | `R` | what was asked, a seed, `expires_at` |
//! | connection | `O#{owner}` | `C#{connection_id}` | `since`, `expires_at` |
//! | its reverse | `C#{connection_id}` | `C` | `owner`, `since`, `expires_at` |
//!
//! `expires_at` is the table's TTL attribute, in seconds since 1970, of what ends by itself; no asset has it. Times are
//! RFC 3339 in milliseconds, of one width, so that they sort as text. No partition grows with the number of users: an
//! asset is a partition of its own, and so is an owner.
//!
//! # Indexes
//!
//! | index | hash | range | holds | projection |
//! |---|---|---|---|---|
//! | `owner-created` | `owner_pk` = `O#{owner}` | `created_sk` = `{created_at}#{asset_id}` | every asset | all |
//! | `owner-updated` | `owner_pk` = `O#{owner}` | `updated_sk` = `{updated_at}#{asset_id}` | every asset | all |
//! | `deadlines` | `deadline_shard` = `D#{0…7}` | `deadline_at` = the deadline | assets that somebody still has to end | all |
//! | `uploads` | `upload_id` = S3's id of the multipart upload that was last granted | | assets that came in parts | keys |
//!
//! In `owner-created` the `created_sk` of an asset whose upload was cancelled begins with `cancelled#`: it stands behind all
//! times, so that the usual listing ends before it without reading it.
//!
//! The last two are sparse: an asset leaves `deadlines` with its deadline, and what comes at once is never in `uploads`. The
//! shards of the deadlines, by the last digit of the id (random in a UUID version 7), keep the writes of many uploads at once
//! off one partition.
//!
//! # Access patterns
//!
//! | what | how |
//! |---|---|
//! | an asset by id | consistent `GetItem` |
//! | a new asset | `PutItem`, on condition that there is none |
//! | a changed asset | `PutItem`, on condition that the stored `revision` is one below |
//! | one that counts for more or less | the same and an `UpdateItem` of the usage, within the quota, in one transaction |
//! | an owner's assets, newest first | `Query` of `owner-created`, backwards, but for those that were cancelled, or these alone |
//! | an asset by its multipart upload | `Query` of `uploads`, then a consistent `GetItem` |
//! | an owner's changes since a time | `Query` of `owner-updated` from that time on |
//! | overdue assets | `Query` of each shard of `deadlines` up to now |
//! | who keeps a content | consistent `GetItem`; claimed by `PutItem` on condition |
//! | a ticket, once | `DeleteItem`, on condition that it is still good, which returns it |
//! | an endpoint | consistent `GetItem` |
//! | a new upload job | it and its token in one transaction, on condition that its id is free, or its earlier job unchanged |
//! | a changed upload job | `PutItem`, on condition that the stored `revision` is one below |
//! | an upload job by token | consistent `GetItem` of the token, then of the job |
//! | an owner's upload jobs | consistent `Query` of `O#{owner}`, `J#…` |
//! | a tus upload's lock | `UpdateItem`, on condition of its owner, offset and state, which returns it |
//! | a changed tus upload | `PutItem`, on condition that the stored `revision` is one below |
//! | a task | consistent `GetItem` |
//! | a request with a key | `PutItem`, on condition that there is none, which returns what is there; then on that of its turn |
//! | a new connection | both its items in one transaction |
//! | a connection that is gone | `DeleteItem` of the reverse, then of the other, on condition that `since` isn't newer |
//! | an owner's connections | consistent `Query` of `O#{owner}` |
//! | a connection's owner | consistent `GetItem` of the reverse |

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use sluice_core::{
    Error, Result,
    asset::Asset,
    ids::{AssetId, ConnectionId, OwnerId, RequestId, Sha256, TaskId},
    job::UploadJob,
    time::Timestamp,
};

/// The index of an owner's assets by creation.
pub const OWNER_CREATED: &str = "owner-created";
/// The index of an owner's assets by change.
pub const OWNER_UPDATED: &str = "owner-updated";
/// The index of what somebody still has to end.
pub const DEADLINES: &str = "deadlines";
/// The index of multipart uploads.
pub const UPLOADS: &str = "uploads";
/// The start of a cancelled asset's sort key in [`OWNER_CREATED`].
pub const CANCELLED: &str = "cancelled#";
/// Shards of [`DEADLINES`].
pub const DEADLINE_SHARDS: u8 = 8;
/// The TTL attribute.
pub const EXPIRES_AT: &str = "expires_at";

/// How long an upload job is kept after its last change, so that a client that was away finds how it ended. The longest
/// upload takes seven days.
const JOB_TTL: Duration = Duration::from_hours(30 * 24);

/// The sort key of an asset.
const ASSET: &str = "A";

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn number(number: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}

fn key(pk: String, sk: impl Into<String>) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

pub(super) fn asset_key(id: AssetId) -> Item {
    key(format!("A#{id}"), ASSET)
}

pub(super) fn usage_key(owner: &OwnerId) -> Item {
    key(format!("U#{owner}"), "U")
}

pub(super) fn content_key(owner: &OwnerId, sha256: Sha256) -> Item {
    key(format!("H#{owner}#{sha256}"), "H")
}

pub(super) fn ticket_key(ticket: Sha256) -> Item {
    key(format!("T#{ticket}"), "T")
}

pub(super) fn endpoint_key(token: Sha256) -> Item {
    key(format!("E#{token}"), "E")
}

pub(super) fn idempotency_key(id: Sha256) -> Item {
    key(format!("R#{id}"), "R")
}

pub(super) fn tus_key(id: Sha256) -> Item {
    key(format!("F#{id}"), "F")
}

/// The partition of an owner: connections in the table, assets in the indexes.
pub(super) fn owner_pk(owner: &OwnerId) -> String {
    format!("O#{owner}")
}

/// The start of a connection's sort key.
pub(super) const CONNECTION: &str = "C#";

pub(super) fn connection_key(owner: &OwnerId, connection: &ConnectionId) -> Item {
    key(owner_pk(owner), format!("{CONNECTION}{connection}"))
}

pub(super) fn reverse_key(connection: &ConnectionId) -> Item {
    key(format!("{CONNECTION}{connection}"), "C")
}

/// The start of an upload job's sort key.
pub(super) const JOB: &str = "J#";

pub(super) fn job_key(owner: &OwnerId, request_id: &RequestId) -> Item {
    key(owner_pk(owner), format!("{JOB}{request_id}"))
}

pub(super) fn job_token_key(token: Sha256) -> Item {
    key(format!("J#{token}"), "J")
}

/// The sort key of a task.
const TASK: &str = "K";

pub(super) fn task_key(id: TaskId) -> Item {
    key(format!("K#{id}"), TASK)
}

/// A sort key of one of the owner's indexes.
pub(super) fn time_sk(time: Timestamp, id: AssetId) -> String {
    format!("{time}#{id}")
}

pub(super) fn deadline_shard(shard: u8) -> String {
    format!("D#{shard}")
}

fn shard_of(id: AssetId) -> u8 {
    let last = id.to_string().bytes().last().unwrap_or_default();
    char::from(last).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or_default()
        % DEADLINE_SHARDS
}

/// Whether a sort key is an asset's.
pub(crate) fn is_asset(sk: Option<&str>) -> bool {
    sk == Some(ASSET)
}

/// An asset as it lies in the table.
pub(crate) fn asset_item(asset: &Asset) -> Result<Item> {
    let mut item: Item = serde_dynamo::to_item(asset).map_err(Error::internal)?;
    item.extend(asset_key(asset.id()));
    let mut add = |name: &str, value: String| item.insert(name.to_owned(), text(value));
    add("owner_pk", owner_pk(asset.owner()));
    let cancelled = if asset.is_cancelled() { CANCELLED } else { "" };
    add("created_sk", format!("{cancelled}{}", time_sk(asset.created_at(), asset.id())));
    add("updated_sk", time_sk(asset.updated_at(), asset.id()));
    if let Some(deadline) = asset.deadline() {
        add("deadline_shard", deadline_shard(shard_of(asset.id())));
        add("deadline_at", deadline.to_string());
    }
    Ok(item)
}

/// The asset whose key an item has.
pub(super) fn asset_id_of(item: &Item) -> Result<AssetId> {
    let key = item.get("pk").and_then(|pk| pk.as_s().ok()).and_then(|pk| pk.strip_prefix("A#"));
    key.ok_or_else(|| Error::internal("an item of the index is no asset"))?.parse().map_err(Error::internal)
}

/// The asset in an item.
pub(crate) fn asset_of<T>(item: HashMap<String, T>) -> Result<Asset>
where
    serde_dynamo::Item: From<HashMap<String, T>>,
{
    serde_dynamo::from_item(serde_dynamo::Item::from(item)).map_err(Error::internal)
}

/// Whether a sort key is an upload job's.
pub(crate) fn is_job(sk: Option<&str>) -> bool {
    sk.is_some_and(|sk| sk.starts_with(JOB))
}

/// Whether a sort key is a task's.
pub(crate) fn is_task(sk: Option<&str>) -> bool {
    sk == Some(TASK)
}

/// An upload job as it lies in the table.
pub(crate) fn job_item(job: &UploadJob) -> Result<Item> {
    let mut item: Item = serde_dynamo::to_item(job).map_err(Error::internal)?;
    item.extend(job_key(job.owner(), job.request_id()));
    item.insert(EXPIRES_AT.to_owned(), number(job.updated_at().plus(JOB_TTL).as_seconds()));
    Ok(item)
}

/// The upload job in an item.
pub(crate) fn job_of<T>(item: HashMap<String, T>) -> Result<UploadJob>
where
    serde_dynamo::Item: From<HashMap<String, T>>,
{
    serde_dynamo::from_item(serde_dynamo::Item::from(item)).map_err(Error::internal)
}

/// What leads from a token to its upload job, for as long as that may start.
pub(super) fn job_token_item(job: &UploadJob) -> Item {
    let mut item = job_token_key(job.token());
    item.insert("owner".to_owned(), text(job.owner().as_str()));
    item.insert("request_id".to_owned(), text(job.request_id().as_str()));
    item.insert(EXPIRES_AT.to_owned(), number(job.start_before().as_seconds()));
    item
}

/// A text attribute that must be there and be well formed.
pub(super) fn parse<T>(item: &Item, name: &str) -> Result<T>
where
    T: std::str::FromStr<Err = Error>,
{
    let value = item.get(name).and_then(|value| value.as_s().ok());
    let value = value.ok_or_else(|| Error::internal(format!("an item has no `{name}`")))?;
    value.parse().map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sluice_core::asset::{Event, Overdue};
    use sluice_testing::{CountingIds, build};

    use super::*;

    fn s<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
        item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
    }

    #[test]
    fn an_asset_is_its_fields_and_the_keys_of_the_indexes() {
        let now = Timestamp::from_millis(1_769_847_330_250);
        let id = CountingIds::nth(0x1d);
        let asset = build::asset(id, "alice", build::grant(now), now);
        let item = asset_item(&asset).unwrap();
        assert_eq!(s(&item, "pk"), Some("A#019c0000-0000-7000-8000-00000000001d"));
        assert_eq!((s(&item, "sk"), s(&item, "owner_pk")), (Some("A"), Some("O#alice")));
        let sort = format!("2026-01-31T08:15:30.250Z#{id}");
        assert_eq!((s(&item, "created_sk"), s(&item, "updated_sk")), (Some(&*sort), Some(&*sort)));
        assert_eq!(s(&item, "deadline_shard"), Some("D#5"));
        let deadline = asset.deadline().unwrap().to_string();
        assert_eq!(s(&item, "deadline_at"), Some(&*deadline));
        assert!(!item.contains_key(EXPIRES_AT), "the table's TTL must never take an asset");

        let cancelled = asset.apply(&Event::UploadCancelled, now.plus(Duration::from_secs(1))).unwrap().asset;
        let item = asset_item(&cancelled).unwrap();
        assert!(item.contains_key("deadline_at"), "its signature is good for a while");
        let looked = Event::DeadlinePassed(Overdue::default());
        let ended = cancelled.apply(&looked, cancelled.deadline().unwrap()).unwrap().asset;
        let item = asset_item(&ended).unwrap();
        assert!(!item.contains_key("deadline_shard") && !item.contains_key("deadline_at"));
        assert_eq!(s(&item, "updated_sk"), Some(&*format!("2026-01-31T09:30:30.250Z#{id}")));
        assert_eq!(s(&item, "created_sk"), Some(&*format!("cancelled#{sort}")));
        assert!(!item.contains_key("upload_id"), "a key of an index must not be null");
    }

    #[test]
    fn every_field_comes_back() {
        let now = Timestamp::from_millis(1_769_847_330_250);
        let full = build::everything(CountingIds::nth(1), "alice", now);
        assert_eq!(asset_of(asset_item(&full).unwrap()).unwrap(), full);
        let plain = build::asset(CountingIds::nth(2), "alice", build::grant(now), now);
        assert_eq!(asset_of(asset_item(&plain).unwrap()).unwrap(), plain);
    }

    #[test]
    fn deadlines_are_spread_over_all_shards() {
        let shards: std::collections::BTreeSet<u8> = (0..16).map(|n| shard_of(CountingIds::nth(n))).collect();
        assert_eq!(shards, (0..DEADLINE_SHARDS).collect());
    }
}
