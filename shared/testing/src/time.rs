//! Time and ids that a test decides.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use sluice_core::{
    ids::{AssetId, TaskId},
    ports::{Clock, IdGenerator},
    time::Timestamp,
};

/// A clock that stands still until it is moved, or somebody waits for it: a wait moves it on by all of its time at once,
/// and lets whoever else is ready go first. It needs no runtime. Clones show the same time.
#[derive(Debug, Clone)]
pub struct FixedClock(Arc<AtomicI64>);

impl FixedClock {
    /// A clock that shows this.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.as_millis())))
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).expect("a test's span fits");
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// Puts it to another time, back also.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }
}

impl Default for FixedClock {
    /// 2026-01-31T08:15:30Z.
    fn default() -> Self {
        Self::at(Timestamp::from_seconds(1_769_847_330))
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
        yield_once().await;
    }

    /// All of it: what a test decides isn't random.
    async fn back_off(&self, longest: Duration) {
        self.sleep(longest).await;
    }
}

/// Ready at the second poll, which it asks for at once.
async fn yield_once() {
    let mut polled = false;
    poll_fn(|context| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Ids and secrets that count from 1, the same in every run. Clones count on together.
#[derive(Debug, Clone, Default)]
pub struct CountingIds {
    assets: Arc<AtomicU64>,
    tasks: Arc<AtomicU64>,
    secrets: Arc<AtomicU64>,
}

impl CountingIds {
    /// The `n`th asset id that every new generator gives.
    pub fn nth(n: u64) -> AssetId {
        // the version and variant bits of a UUID version 7; the number in its last digits, which pick the shard
        format!("019c0000-0000-7000-8000-{n:012x}").parse().expect("a UUID")
    }
}

impl IdGenerator for CountingIds {
    fn asset_id(&self) -> AssetId {
        Self::nth(self.assets.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn task_id(&self) -> TaskId {
        let n = self.tasks.fetch_add(1, Ordering::SeqCst) + 1;
        format!("019c0000-0000-7000-9000-{n:012x}").parse().expect("a UUID")
    }

    fn secret(&self) -> String {
        format!("secret-{:036}", self.secrets.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    #[test]
    fn a_wait_moves_the_clock_on_and_lets_others_go_first() {
        let clock = FixedClock::default();
        let begun = clock.now();
        let mut context = Context::from_waker(Waker::noop());
        for (n, longest) in [(1, false), (2, true)] {
            let wait = async {
                let span = Duration::from_millis(1_500);
                if longest { clock.back_off(span).await } else { clock.sleep(span).await }
            };
            let mut wait = pin!(wait);
            assert!(wait.as_mut().poll(&mut context).is_pending());
            assert_eq!(begun.until(clock.now()), Duration::from_millis(1_500) * n);
            assert!(wait.as_mut().poll(&mut context).is_ready());
        }
    }
}
