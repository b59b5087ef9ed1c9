//! The time that passes, and the clock that shows it.

use std::{cell::Cell, time::Duration};

use sluice_core::{ports::Clock, time::Timestamp};

use crate::time::FixedClock;

/// Time as the services keep it. The functions' clock follows, and may lag behind. What a function waits by that clock
/// passes for everybody.
#[derive(Debug)]
pub struct Timeline {
    now: Cell<Timestamp>,
    /// What the clock was last put to.
    shown: Cell<Timestamp>,
    behind: Cell<Duration>,
    clock: FixedClock,
}

impl Timeline {
    /// Starts where the clock stands.
    pub fn new(clock: &FixedClock) -> Self {
        let now = clock.now();
        Self { now: Cell::new(now), shown: Cell::new(now), behind: Cell::default(), clock: clock.clone() }
    }

    /// Now, as the services keep it.
    pub fn now(&self) -> Timestamp {
        let clock = self.clock.now();
        let waited = self.shown.replace(clock).until(clock);
        self.now.set(self.now.get().plus(waited));
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
        self.now();
        self.behind.set(by);
        self.show();
    }

    fn show(&self) {
        let shown = self.now.get().minus(self.behind.get());
        self.shown.set(shown);
        self.clock.set(shown);
    }
}
