//! A function that is invoked at intervals. It is no reason for time to pass: what drives time on is work.

use std::{cell::Cell, rc::Rc, time::Duration};

use serde_json::json;
use sluice_core::time::Timestamp;

use super::{
    engine::{Engine, Role, Source},
    function::{Function, Outcome},
    tally::Happening,
};

/// A schedule.
pub struct Schedule {
    function: Function,
    every: Duration,
    next: Cell<Option<Timestamp>>,
}

impl Schedule {
    /// Invokes `function` as often as this.
    pub fn new(function: &Function, every: Duration) -> Rc<Self> {
        Rc::new(Self { function: function.clone(), every, next: Cell::default() })
    }

    /// Invokes it now.
    pub fn invoke(&self, engine: &Rc<Engine>) {
        self.next.set(Some(engine.time.now().plus(self.every)));
        engine.tally.came(Happening::Round);
        engine.story.tell(|| format!("the schedule to {}", self.function.name));
        let (on, function) = (engine.clone(), self.function.clone());
        engine.spawn("the schedule", Role::Service, async move {
            let event = json!({ "source": "aws.scheduler" });
            if !matches!(on.invoke(&function, event).await, Outcome::Answered(_)) {
                on.story.tell(|| format!("    {} failed at the schedule", function.name));
            }
        });
    }
}

impl Source for Schedule {
    fn next_at(&self, engine: &Rc<Engine>) -> Option<Timestamp> {
        let now = engine.time.now();
        let next = self.next.get().unwrap_or_else(|| now.plus(self.every));
        self.next.set(Some(next));
        (next <= now).then_some(next)
    }

    fn deliver(&self, engine: &Rc<Engine>) {
        self.invoke(engine);
    }

    fn deliver_again(&self, engine: &Rc<Engine>) {
        self.invoke(engine);
    }
}
