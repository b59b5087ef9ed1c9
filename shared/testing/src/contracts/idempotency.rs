//! The contract of the records of requests with a key.

use std::time::Duration;

use sluice_core::{
    idempotency::{KEY_TTL, KeyRecord},
    ports::{Clock, IdempotencyRepository},
};

use crate::{FixedClock, build};

/// Runs on any table. `name` is one that no other run has.
pub async fn idempotency_repository_contract(table: &impl IdempotencyRepository, name: &str) {
    let now = FixedClock::default().now();
    let record = KeyRecord {
        id: build::digest(name.as_bytes()),
        request: build::digest(b"a request"),
        seed: "seed".to_owned(),
        began_at: now,
        busy_until: Some(now.plus(Duration::from_secs(30))),
        done: false,
        turn: 0,
    };
    assert_eq!(table.claim(&record, now).await.unwrap(), None);
    let other = KeyRecord { seed: "other".to_owned(), ..record.clone() };
    assert_eq!(table.claim(&other, now).await.unwrap().as_ref(), Some(&record), "the first one stays");
    assert_eq!(table.claim(&record, now).await.unwrap().as_ref(), Some(&record), "a repeat finds its own");

    let over = KeyRecord { busy_until: None, done: true, turn: 1, ..record.clone() };
    for _ in 0..2 {
        assert!(table.replace(&record, &over).await.unwrap(), "a repeat finds its own");
    }
    let late = KeyRecord { turn: 1, ..record.clone() };
    assert!(!table.replace(&record, &late).await.unwrap(), "who comes late changes nothing");
    assert_eq!(table.claim(&other, now).await.unwrap().as_ref(), Some(&over));

    let next_day = now.plus(KEY_TTL);
    let fresh = KeyRecord { began_at: next_day, ..other };
    assert_eq!(table.claim(&fresh, next_day).await.unwrap(), None, "what is over is forgotten");
    assert!(!table.replace(&over, &record).await.unwrap());
    assert_eq!(table.claim(&record, next_day).await.unwrap(), Some(fresh));
    let unknown = KeyRecord { id: build::digest(format!("{name} 2").as_bytes()), ..record };
    assert!(!table.replace(&unknown, &unknown).await.unwrap());
}
