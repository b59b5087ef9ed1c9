//! SQS, and the poller that feeds a function from it: messages come at least once, in any order, early or late; one that
//! isn't deleted is seen again after its visibility timeout, and one that was received too often moves to the queue of
//! dead letters.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc, time::Duration};

use serde_json::{Value, json};
use sluice_core::{ports::JobOrder, time::Timestamp};

use super::{
    engine::{Engine, Role, Source},
    faults::Fault,
    function::{Function, Outcome},
    tally::Happening,
};
use crate::messages::MemoryQueue;

/// The settings of a queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueRules {
    /// How long a new message is hidden.
    pub delay: Duration,
    /// How long a received message is hidden.
    pub visibility: Duration,
    /// After how many receipts a message is a dead letter; none where it is tried as long as it is kept.
    pub max_receives: Option<u32>,
    /// The most messages of a batch.
    pub batch: usize,
}

#[derive(Debug, Clone)]
struct Message {
    id: u64,
    body: String,
    receives: u32,
    visible_at: Timestamp,
}

/// A queue.
pub struct Queue {
    name: &'static str,
    rules: QueueRules,
    /// What the functions put in, and how long it is hidden.
    inputs: Vec<(MemoryQueue, Duration)>,
    dead_letters: Option<Rc<Queue>>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    count: u64,
    messages: Vec<Message>,
    /// Every body that was ever sent.
    sent: BTreeSet<String>,
}

impl Queue {
    /// A queue that is filled by hand: one of dead letters.
    pub fn new(name: &'static str, rules: QueueRules) -> Rc<Self> {
        Rc::new(Self { name, rules, inputs: Vec::new(), dead_letters: None, state: RefCell::default() })
    }

    /// A queue of the orders that functions put in, some with another delay than others.
    pub fn of_orders(
        name: &'static str,
        rules: QueueRules,
        inputs: &[(&MemoryQueue, Duration)],
        dead_letters: &Rc<Self>,
    ) -> Rc<Self> {
        let inputs = inputs.iter().map(|&(input, delay)| (input.clone(), delay)).collect();
        let dead_letters = Some(dead_letters.clone());
        Rc::new(Self { name, rules, inputs, dead_letters, state: RefCell::default() })
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Feeds a function from it.
    pub fn feed(self: &Rc<Self>, function: &Function) -> Rc<dyn Source> {
        Rc::new(Poller { queue: self.clone(), function: function.clone() })
    }

    /// Puts a message in.
    pub fn send(&self, engine: &Engine, body: String) {
        self.put(engine, body, self.rules.delay);
    }

    fn put(&self, engine: &Engine, body: String, delay: Duration) {
        let late = engine.faults.strikes(Fault::MessageLate);
        let more =
            if late { engine.chance.span(Duration::ZERO, Duration::from_mins(20)) } else { Duration::ZERO };
        let mut state = self.state.borrow_mut();
        state.count += 1;
        let visible_at = engine.time.now().plus(delay).plus(more);
        let id = state.count;
        state.sent.insert(body.clone());
        state.messages.push(Message { id, body, receives: 0, visible_at });
    }

    fn collect(&self, engine: &Engine) {
        for (input, delay) in &self.inputs {
            for order in input.drain() {
                self.put(engine, body(&order), *delay);
            }
        }
    }

    /// Takes up to a batch of the messages that are visible; those that were received too often become dead letters.
    fn receive(&self, engine: &Engine) -> Vec<Message> {
        let now = engine.time.now();
        let mut batch = Vec::new();
        let most = 1 + engine.chance.index(self.rules.batch);
        let mut dead = Vec::new();
        {
            let mut state = self.state.borrow_mut();
            while batch.len() < most {
                let visible: Vec<usize> =
                    (0..state.messages.len()).filter(|&at| state.messages[at].visible_at <= now).collect();
                if visible.is_empty() {
                    break;
                }
                let at = *engine.chance.pick(&visible);
                let message = &mut state.messages[at];
                let starves = || engine.faults.strikes(Fault::MessageStarves);
                if self.rules.max_receives.is_some_and(|most| message.receives >= most || starves()) {
                    dead.push(state.messages.swap_remove(at).body);
                    continue;
                }
                message.receives += 1;
                message.visible_at = now.plus(self.rules.visibility);
                batch.push(message.clone());
            }
        }
        for body in dead {
            engine.tally.came(Happening::DeadLetter);
            engine.story.tell(|| format!("    a message of {} becomes a dead letter: {body}", self.name));
            if let Some(letters) = &self.dead_letters {
                letters.send(engine, body);
            }
        }
        batch
    }

    /// Deletes a message, unless it was received again meanwhile: the receipt is good for the last receipt only.
    fn delete(&self, message: &Message) {
        let is_it = |other: &Message| other.id == message.id && other.receives == message.receives;
        self.state.borrow_mut().messages.retain(|other| !is_it(other));
    }
}

fn body(order: &JobOrder) -> String {
    serde_json::to_string(order).expect("an order is JSON")
}

/// Feeds a function.
struct Poller {
    queue: Rc<Queue>,
    function: Function,
}

impl Source for Poller {
    fn next_at(&self, engine: &Rc<Engine>) -> Option<Timestamp> {
        self.queue.collect(engine);
        self.queue.state.borrow().messages.iter().map(|message| message.visible_at).min()
    }

    fn deliver(&self, engine: &Rc<Engine>) {
        let batch = self.queue.receive(engine);
        if batch.is_empty() {
            return;
        }
        let record = |message: &Message| {
            json!({
                "messageId": message.id.to_string(), "body": message.body, "eventSource": "aws:sqs",
                "attributes": { "ApproximateReceiveCount": message.receives.to_string() },
            })
        };
        for message in &batch {
            engine.tally.came(Happening::Message);
            engine.story.tell(|| {
                format!(
                    "{} to {}: {} ({}.)",
                    self.queue.name, self.function.name, message.body, message.receives
                )
            });
        }
        let event = json!({ "Records": batch.iter().map(record).collect::<Vec<_>>() });
        let (on, queue, function) = (engine.clone(), self.queue.clone(), self.function.clone());
        engine.spawn("SQS", Role::Service, async move {
            let outcome = on.invoke(&function, event).await;
            for message in &batch {
                if !is_done(&outcome, message) {
                    on.story.tell(|| format!("    {} failed at {}", function.name, message.body));
                } else if !on.faults.strikes(Fault::MessageTwice) {
                    queue.delete(message);
                }
            }
        });
    }

    fn deliver_again(&self, engine: &Rc<Engine>) {
        let sent = self.queue.state.borrow().sent.clone();
        for body in sent {
            self.queue.put(engine, body, Duration::ZERO);
        }
    }
}

/// Whether a message is done: the function answered, and didn't name it among those that failed.
fn is_done(outcome: &Outcome, message: &Message) -> bool {
    let Outcome::Answered(answer) = outcome else { return false };
    let failures = answer["batchItemFailures"].as_array().into_iter().flatten();
    let id = Value::from(message.id.to_string());
    failures.into_iter().all(|failure| failure["itemIdentifier"] != id)
}
