//! Requests that a client may send again: the `Idempotency-Key` header
//! (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>).
//!
//! The first request with a key leaves a record: a digest of what was asked, and a seed. What the request makes is named by
//! that seed, so a repeat finds it by its name and answers it again, links signed anew; no answer is kept. That holds also
//! where the first one died half-way: the repeat goes on where it ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use crate::{
    error::{Error, ErrorKind, Result},
    ids::{AssetId, OwnerId, Sha256, TaskId},
    ports::{Clock, IdGenerator, IdempotencyRepository},
    time::Timestamp,
};

/// How long a key is remembered.
pub const KEY_TTL: Duration = Duration::from_hours(24);
/// How long a request that was begun keeps others with its key out: API Gateway waits no longer for its answer.
const IN_FLIGHT: Duration = Duration::from_secs(30);
/// How long a grant's id is: 96 bits.
const GRANT_CHARS: usize = 24;
/// The longest key.
const MAX_KEY_BYTES: usize = 255;

/// A request with a key.
#[derive(Debug, Clone, Copy)]
pub struct Keyed<'a> {
    /// Who asks: another's key is another.
    pub owner: &'a OwnerId,
    /// Its route: the same key on another route is another.
    pub route: &'a str,
    /// The key.
    pub key: &'a str,
    /// The digest of all that was asked.
    pub request: Sha256,
}

/// What is kept of a request with a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The digest of owner, route and key.
    pub id: Sha256,
    /// The digest of all that was asked.
    pub request: Sha256,
    /// By what the things are named that it makes. It tells nothing without the key, which isn't kept.
    pub seed: String,
    /// When the first request came.
    pub began_at: Timestamp,
    /// Until when a request is under way; none where none is.
    pub busy_until: Option<Timestamp>,
    /// Whether one was answered with success.
    pub done: bool,
    /// Goes up with every change.
    pub turn: u32,
}

impl KeyRecord {
    /// When it is forgotten.
    pub fn expires_at(&self) -> Timestamp {
        self.began_at.plus(KEY_TTL)
    }
}

/// How what a request makes is named: the same at each try of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The id of a new asset.
    pub asset_id: AssetId,
    /// The id of the grant.
    pub grant: String,
    /// Whether an earlier try was answered with success.
    pub is_repeat: bool,
}

/// One try of a request with a key: what it makes has the same names in each.
#[derive(Debug, Clone)]
pub struct Attempt {
    seed: Sha256,
    record: KeyRecord,
}

impl Attempt {
    /// Begins a request.
    ///
    /// # Errors
    /// `invalid_idempotency_key`; `idempotency_mismatch` where the key came with another request before;
    /// `request_in_flight` while one with it is under way.
    pub async fn begin(
        records: &impl IdempotencyRepository,
        clock: &impl Clock,
        ids: &impl IdGenerator,
        keyed: Keyed<'_>,
    ) -> Result<Self> {
        let Keyed { owner, route, key, request } = keyed;
        if key.is_empty() || key.len() > MAX_KEY_BYTES || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::new(
                ErrorKind::Invalid,
                "invalid_idempotency_key",
                "Idempotency-Key: 1 to 255 printable ASCII characters without spaces are expected",
            ));
        }
        let now = clock.now();
        let fresh = KeyRecord {
            // none of the three holds a line feed
            id: Sha256::of(format!("{owner}\n{route}\n{key}").as_bytes()),
            request,
            seed: ids.secret(),
            began_at: now,
            busy_until: Some(now.plus(IN_FLIGHT)),
            done: false,
            turn: 0,
        };
        let record = match records.claim(&fresh, now).await? {
            None => fresh,
            // written by a try whose answer was lost
            Some(there) if there == fresh => fresh,
            Some(there) if there.request != request => {
                return Err(Error::new(
                    ErrorKind::Unprocessable,
                    "idempotency_mismatch",
                    "the key came with another request before; each request has a key of its own",
                ));
            }
            Some(there) if there.busy_until.is_some_and(|until| until > now) => return Err(in_flight()),
            Some(there) => {
                let ours = KeyRecord {
                    busy_until: Some(now.plus(IN_FLIGHT)),
                    turn: there.turn + 1,
                    ..there.clone()
                };
                if !records.replace(&there, &ours).await? {
                    return Err(in_flight());
                }
                ours
            }
        };
        let seed = Sha256::of(format!("{}\n{key}", record.seed).as_bytes());
        Ok(Self { seed, record })
    }

    /// Ends the try: a further one may come at once. Where that can't be recorded it may come some seconds later.
    pub async fn end(self, records: &impl IdempotencyRepository, is_success: bool) -> Result<()> {
        let there = self.record;
        let done = there.done || is_success;
        let over = KeyRecord { busy_until: None, done, turn: there.turn + 1, ..there.clone() };
        records.replace(&there, &over).await.map(drop)
    }

    /// How the `nth` asset is named that the request makes, and its grant.
    pub fn made(&self, nth: usize) -> Made {
        Made {
            asset_id: AssetId::new(self.uuid(&format!("asset {nth}"))),
            grant: self.digest(&format!("grant {nth}")).to_string().chars().take(GRANT_CHARS).collect(),
            is_repeat: self.record.done,
        }
    }

    /// The id of the task that it makes.
    pub fn task_id(&self) -> TaskId {
        TaskId::new(self.uuid("task"))
    }

    /// The secret that it gives out, URL-safe. Whoever has the record but not the key can't work it out.
    pub fn secret(&self) -> String {
        self.digest("secret").to_string()
    }

    fn digest(&self, what: &str) -> Sha256 {
        Sha256::of(format!("{}\n{what}", self.seed).as_bytes())
    }

    /// A UUID version 7 of the time of the first try.
    fn uuid(&self, what: &str) -> Uuid {
        let digest = self.digest(what);
        let random = digest.as_bytes().first_chunk().copied().unwrap_or_default();
        let millis = u64::try_from(self.record.began_at.as_millis()).unwrap_or_default();
        Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

fn in_flight() -> Error {
    Error::conflict(
        "request_in_flight",
        "a request with this idempotency key is under way; try again in a moment",
    )
}
