//! The machine's own clock and randomness.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sluice_core::{
    ids::{AssetId, TaskId},
    ports::{Clock, IdGenerator},
    time::Timestamp,
};
use uuid::Uuid;

/// The machine's clock. It waits by the timer of tokio's runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        timestamp(SystemTime::now())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn back_off(&self, longest: Duration) {
        let mut byte = [u8::MAX];
        // without randomness it is the longest wait
        let _ = getrandom::fill(&mut byte);
        self.sleep(longest.mul_f64(f64::from(byte[0]) / f64::from(u8::MAX))).await;
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

    #[tokio::test(start_paused = true)]
    async fn the_clock_sleeps_all_of_the_time_and_backs_off_for_a_part_of_it() {
        let span = Duration::from_millis(500);
        let begun = tokio::time::Instant::now();
        SystemClock.sleep(span).await;
        let slept = begun.elapsed();
        assert!(slept >= span, "{slept:?}");

        let mut waits = BTreeSet::new();
        for _ in 0..50 {
            let begun = tokio::time::Instant::now();
            SystemClock.back_off(span).await;
            waits.insert(begun.elapsed());
        }
        // a runtime's timer counts whole milliseconds
        assert!(waits.iter().all(|wait| *wait <= span + Duration::from_millis(1)), "{waits:?}");
        assert!(waits.len() > 10, "random: {waits:?}");
    }

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
