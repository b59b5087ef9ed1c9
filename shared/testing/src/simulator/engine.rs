//! Tasks, what wakes them, and what feeds them.
//!
//! A task is a client, an invocation of a function, or a service at work. The engine polls one at a time. One that waits
//! for a time or for an outcome isn't polled until that has come; every other one is ready, for it only let others run.
//! When nothing is ready, time passes until something is.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use serde_json::Value;
use sluice_core::time::Timestamp;

use super::{
    chance::Chance,
    faults::{Fault, Faults},
    function::{Filler, Function, Outcome, Slot},
    story::Story,
    tally::Tally,
    timeline::Timeline,
};
use crate::{probe::Pause, world::World};

/// What a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Somebody outside. It ends by itself.
    Client,
    /// An invocation: it may die at any point, and does at its time limit.
    Function {
        /// When that is.
        ends_at: Timestamp,
    },
    /// A service of AWS at work; it doesn't die.
    Service,
}

/// Something that feeds functions: events, messages, records.
pub trait Source {
    /// When it next has something to deliver; none while it has nothing.
    fn next_at(&self, engine: &Rc<Engine>) -> Option<Timestamp>;
    /// Delivers one thing that is due.
    fn deliver(&self, engine: &Rc<Engine>);
    /// Makes everything due again that was ever delivered.
    fn deliver_again(&self, engine: &Rc<Engine>);
}

enum Wait {
    Until(Timestamp),
    For(Rc<Cell<bool>>),
}

struct Task {
    name: &'static str,
    role: Role,
    wait: Option<Wait>,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

impl Task {
    fn is_ready(&self, now: Timestamp) -> bool {
        match &self.wait {
            None => true,
            Some(Wait::Until(then)) => *then <= now,
            Some(Wait::For(set)) => set.get(),
        }
    }
}

/// One run of the system.
pub struct Engine {
    /// The ports.
    pub world: World,
    /// The seed's random numbers.
    pub chance: Chance,
    /// What goes wrong.
    pub faults: Faults,
    /// What happened.
    pub story: Story,
    /// How often.
    pub tally: Tally,
    /// The time.
    pub time: Timeline,
    tasks: RefCell<Vec<Task>>,
    spawned: RefCell<Vec<Task>>,
    sources: RefCell<Vec<Rc<dyn Source>>>,
    /// What the task that is polled waits for.
    wait: RefCell<Option<Wait>>,
    steps: Cell<u64>,
    /// Who died over the port call that was chosen for it.
    crashed: Cell<Option<&'static str>>,
    /// Big jumps that are left.
    jumps: Cell<u32>,
    /// Until when the indexes lag, at most.
    lag_ends: Cell<Option<Timestamp>>,
    /// Until when bodies break off.
    breaks_end: Cell<Option<Timestamp>>,
}

/// How many times hours may pass at once, at most: everything may be late, but not forever.
const JUMPS: u32 = 2;
/// Half of how long an index lags at most: what is told by it overlaps by more.
const LAG: Duration = Duration::from_secs(3);

impl Engine {
    /// An engine over a world whose calls it directs.
    pub fn new(world: World, chance: Chance, faults: Faults, story: Story, tally: Tally) -> Rc<Self> {
        world.calls.direct(std::sync::Arc::new(faults.clone()));
        let time = Timeline::new(&world.clock);
        Rc::new(Self {
            world,
            chance,
            faults,
            story,
            tally,
            time,
            tasks: RefCell::default(),
            spawned: RefCell::default(),
            sources: RefCell::default(),
            wait: RefCell::default(),
            steps: Cell::default(),
            crashed: Cell::default(),
            jumps: Cell::new(JUMPS),
            lag_ends: Cell::default(),
            breaks_end: Cell::default(),
        })
    }

    /// Adds something that feeds functions.
    pub fn add_source(&self, source: Rc<dyn Source>) {
        self.sources.borrow_mut().push(source);
    }

    /// Starts a task.
    pub fn spawn(&self, name: &'static str, role: Role, future: impl Future<Output = ()> + 'static) {
        self.spawned.borrow_mut().push(Task { name, role, wait: None, future: Box::pin(future) });
    }

    /// Invokes a function with an event and waits for what comes of it.
    pub async fn invoke(&self, function: &Function, event: Value) -> Outcome {
        let slot = Rc::new(Slot::default());
        let (filler, running) = (Filler(slot.clone()), (function.handler)(event));
        let ends_at = self.time.now().plus(function.timeout);
        self.spawn(function.name, Role::Function { ends_at }, async move {
            let outcome = running.await;
            filler.fill(outcome.map_or_else(Outcome::Failed, Outcome::Answered));
        });
        while !slot.is_set.get() {
            self.wait.replace(Some(Wait::For(slot.is_set.clone())));
            Pause::default().await;
        }
        slot.take().expect("it is set")
    }

    /// Waits for a span of time.
    pub async fn sleep(&self, span: Duration) {
        let then = self.time.now().plus(span);
        while self.time.now() < then {
            self.wait.replace(Some(Wait::Until(then)));
            Pause::default().await;
        }
    }

    /// Lets other tasks run.
    pub async fn pause(&self) {
        Pause::default().await;
    }

    /// How many tasks of clients there are.
    pub fn clients(&self) -> usize {
        let count = |tasks: &RefCell<Vec<Task>>| {
            tasks.borrow().iter().filter(|task| task.role == Role::Client).count()
        };
        count(&self.tasks) + count(&self.spawned)
    }

    /// The function that died over the port call that was chosen for it.
    pub fn crashed(&self) -> Option<&'static str> {
        self.crashed.get()
    }

    /// Drops everything that runs or feeds what runs: it holds the engine, which would otherwise never be freed.
    pub fn end(&self) {
        drop(self.tasks.take());
        drop(self.spawned.take());
        drop(self.sources.take());
    }

    /// How many steps were taken.
    pub fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// Makes everything due again that was ever delivered.
    pub fn deliver_again(self: &Rc<Self>) {
        let sources = self.sources.borrow().clone();
        for source in sources {
            source.deliver_again(self);
        }
    }

    /// Takes one step: something is delivered, or a task runs up to its next point, or time passes. False if nothing is
    /// left to do, however much time passes.
    pub fn step(self: &Rc<Self>) -> bool {
        self.steps.set(self.steps() + 1);
        self.tasks.borrow_mut().append(&mut self.spawned.borrow_mut());
        self.disturb_time();
        self.end_timed_out();
        let now = self.time.now();
        let sources = self.sources.borrow().clone();
        let next: Vec<(Timestamp, Rc<dyn Source>)> =
            sources.into_iter().filter_map(|source| source.next_at(self).map(|at| (at, source))).collect();
        let due: Vec<&Rc<dyn Source>> =
            next.iter().filter(|(at, _)| *at <= now).map(|(_, source)| source).collect();
        let ready: Vec<usize> = {
            let tasks = self.tasks.borrow();
            (0..tasks.len()).filter(|&at| tasks[at].is_ready(now)).collect()
        };
        if !due.is_empty() && (ready.is_empty() || self.chance.one_in(6)) {
            self.chance.pick(&due).deliver(self);
        } else if !ready.is_empty() {
            self.run(*self.chance.pick(&ready));
        } else {
            let waiting = self
                .tasks
                .borrow()
                .iter()
                .filter_map(|task| match task.wait {
                    Some(Wait::Until(then)) => Some(then),
                    _ => None,
                })
                .min();
            let Some(then) = next.iter().map(|(at, _)| *at).chain(waiting).min() else { return false };
            self.time.advance_to(then);
        }
        true
    }

    /// Polls a task, or lets it die.
    fn run(&self, at: usize) {
        let mut task = self.tasks.borrow_mut().swap_remove(at);
        if matches!(task.role, Role::Function { .. }) && self.faults.strikes(Fault::FunctionCrashes) {
            self.story.tell(|| format!("    {} crashes", task.name));
            return;
        }
        // the task may start others and look at the tasks
        let polled = task.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        task.wait = self.wait.take();
        if self.faults.is_deadly() && matches!(task.role, Role::Function { .. }) {
            self.story.tell(|| format!("    {} crashes", task.name));
            self.crashed.set(Some(task.name));
            return;
        }
        if polled == Poll::Pending {
            self.tasks.borrow_mut().push(task);
        }
    }

    /// Time passes by moments; at times by hours, or the clock is wrong.
    fn disturb_time(&self) {
        if self.chance.one_in(8) {
            self.time.advance(self.chance.span(Duration::ZERO, Duration::from_millis(80)));
        }
        if self.faults.strikes(Fault::ClockGoesBack) {
            let behind = self.chance.span(Duration::ZERO, Duration::from_secs(2));
            self.time.set_behind(behind);
            self.story.tell(|| format!("    the clock is {behind:?} behind"));
        }
        if self.jumps.get() > 0 && self.faults.strikes(Fault::ClockJumps) {
            self.jumps.set(self.jumps.get() - 1);
            let hours = self.chance.span(Duration::from_mins(20), Duration::from_hours(3));
            self.time.advance(hours);
            self.story.tell(|| format!("    {hours:?} pass at once"));
        }
        let now = self.time.now();
        if self.faults.strikes(Fault::IndexLags) {
            self.world.table.lag_index(self.chance.index(4), Some(now.minus(LAG)));
            self.lag_ends.set(Some(now.plus(LAG)));
        }
        if self.lag_ends.get().is_some_and(|end| end <= now) {
            self.world.table.set_index_lag(0);
            self.lag_ends.take();
        }
        if self.faults.strikes(Fault::ItemsExpire) {
            self.world.table.expire(now);
            self.world.tus.expire(now);
        }
        if self.faults.strikes(Fault::WritesContend) {
            self.world.table.contend(1 + self.chance.index(4));
        }
        if self.faults.strikes(Fault::BodyBreaksOff) {
            self.world.originals.break_bodies_after(Some(self.chance.index(60)));
            self.breaks_end.set(Some(now.plus(self.chance.span(Duration::ZERO, LAG))));
        }
        if self.breaks_end.get().is_some_and(|end| end <= now || self.faults.have_passed()) {
            self.world.originals.break_bodies_after(None);
            self.breaks_end.take();
        }
    }

    /// Ends the functions whose time is up.
    fn end_timed_out(&self) {
        let now = self.time.now();
        let is_over = |task: &mut Task| matches!(task.role, Role::Function { ends_at } if ends_at <= now);
        // dropped outside of the borrow: what is dropped tells who waits for it
        let over: Vec<Task> = self.tasks.borrow_mut().extract_if(.., is_over).collect();
        for task in over {
            self.tally.struck(Fault::FunctionTimesOut);
            self.story.tell(|| format!("    {} runs into its time limit", task.name));
        }
    }
}
