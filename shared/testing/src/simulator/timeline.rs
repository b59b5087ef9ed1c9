//! The time that passes, and the clock that shows it.

use std::{cell::Cell, time::Duration};

use sluice_core::{ports::Clock, time::Timestamp};

use crate::time::FixedClock;

/// Time as the services keep it. The functions' clock follows, and may lag behind.
#[derive(Debug)]
pub struct Timeline {
    now: Cell<Timestamp>,
    behind: Cell<Duration>,
    clock: FixedClock,
}

impl Timeline {
    /// Starts where the clock stands.
    pub fn new(clock: &FixedClock) -> Self {
        Self { now: Cell::new(clock.now()), behind: Cell::default(), clock: clock.clone() }
    }

    /// Now, as the services keep it.
    pub fn now(&self) -> Timestamp {
        self.now.get()
    }

    /// Time passes.
    pub fn advance(&self, by: Duration) {
        self.now.set(self.now().plus(by));
        self.show();
    }

    /// Time passes until then, if that isn't past.
    pub fn advance_to(&self, then: Timestamp) {
        self.advance(self.now().until(then));
    }

    /// The functions' clock goes behind by this much.
    pub fn set_behind(&self, by: Duration) {
        self.behind.set(by);
        self.show();
    }

    fn show(&self) {
        self.clock.set(self.now().minus(self.behind.get()));
    }
}
