//! The machine's own clock and randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sluice_core::{
    ids::AssetId,
    ports::{Clock, IdGenerator},
    task::TaskId,
    time::Timestamp,
};
use uuid::Uuid;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        timestamp(SystemTime::now())
    }
}

/// A point in time of the SDK's as one of ours; one before 1970 counts as 1970.
pub(crate) fn timestamp(time: SystemTime) -> Timestamp {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// Ids and secrets of the operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl IdGenerator for RandomIds {
    /// A UUID version 7; those made by one process sort strictly (RFC 9562, section 6.2).
    fn asset_id(&self) -> AssetId {
        AssetId::new(Uuid::now_v7())
    }

    fn task_id(&self) -> TaskId {
        TaskId::new(Uuid::now_v7())
    }

    fn secret(&self) -> String {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_sort_in_the_order_they_were_given() {
        let ids: Vec<AssetId> = (0..10_000).map(|_| RandomIds.asset_id()).collect();
        assert!(ids.is_sorted());
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }

    #[test]
    fn secrets_are_256_bits_and_url_safe() {
        let (one, other) = (RandomIds.secret(), RandomIds.secret());
        assert_ne!(one, other);
        assert_eq!(URL_SAFE_NO_PAD.decode(one).unwrap().len(), 32);
    }
}
