//! A function as the services see it: an event goes in; an answer comes out, or an error, or nothing.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    time::Duration,
};

use serde_json::Value;

/// What a function does with an event, both as JSON. An error is what the runtime reports: its type.
pub type Handler = Rc<dyn Fn(Value) -> Pin<Box<dyn Future<Output = Result<Value, String>>>>>;

/// A function.
#[derive(Clone)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// How long it may take.
    pub timeout: Duration,
    pub(super) handler: Handler,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Function").field(&self.name).finish()
    }
}

impl Function {
    /// A function of this name and time limit.
    pub fn new<F>(name: &'static str, timeout: Duration, handler: impl Fn(Value) -> F + 'static) -> Self
    where
        F: Future<Output = Result<Value, String>> + 'static,
    {
        Self { name, timeout, handler: Rc::new(move |event| Box::pin(handler(event))) }
    }
}

/// What came of an invocation.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It answered.
    Answered(Value),
    /// It reported an error of this type.
    Failed(String),
    /// It died, or ran into its time limit.
    Died,
}

/// Where an invocation's outcome is left.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) is_set: Rc<Cell<bool>>,
    outcome: RefCell<Option<Outcome>>,
}

impl Slot {
    pub(super) fn take(&self) -> Option<Outcome> {
        self.outcome.take()
    }
}

/// Leaves the outcome: death, if it is dropped before it was told another.
pub(super) struct Filler(pub(super) Rc<Slot>);

impl Filler {
    pub(super) fn fill(&self, outcome: Outcome) {
        if !self.0.is_set.replace(true) {
            self.0.outcome.replace(Some(outcome));
        }
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.fill(Outcome::Died);
    }
}
