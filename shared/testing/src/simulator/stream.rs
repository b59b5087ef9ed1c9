//! A table's stream: every change of an item once, in order per key, in batches; a batch of which something failed comes
//! again from there on, as often as it takes.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use serde_json::{Value, json};
use sluice_core::time::Timestamp;

use super::{
    engine::{Engine, Role, Source},
    function::{Function, Outcome},
    tally::Happening,
};

/// A new state of an item, as the stream shows it.
#[derive(Clone)]
pub struct Change {
    /// The item's key: what is told in order.
    pub key: String,
    /// Makes the item, in DynamoDB's JSON: only when it is delivered, for that takes longer than all the rest.
    pub image: Rc<dyn Fn() -> Value>,
}

/// What was written to a table since the first so many writes.
pub type Written = Box<dyn Fn(usize) -> Vec<Change>>;

/// The most records of a batch here: batches that differ matter more than large ones.
const BATCH: usize = 5;
/// The pause before a batch comes again.
const PAUSE: Duration = Duration::from_secs(1);
/// How many shards there are.
const SHARDS: usize = 2;

/// A change, with the one before it of the same item.
struct Record {
    number: String,
    before: Option<Change>,
    after: Change,
}

impl Record {
    fn event(&self) -> Value {
        json!({
            "eventID": self.number,
            "eventName": if self.before.is_some() { "MODIFY" } else { "INSERT" },
            "dynamodb": {
                "SequenceNumber": self.number,
                "NewImage": (self.after.image)(),
                "OldImage": self.before.as_ref().map(|before| (before.image)()),
            },
        })
    }
}

#[derive(Default)]
struct Shard {
    records: Vec<Record>,
    /// The first record that isn't done.
    at: usize,
    busy: bool,
    due: Option<Timestamp>,
}

/// The stream, and what feeds a function from it.
pub struct Stream {
    written: Written,
    known: Cell<usize>,
    last: RefCell<BTreeMap<String, Change>>,
    shards: Rc<RefCell<[Shard; SHARDS]>>,
    function: Function,
}

impl Stream {
    /// The stream of what `written` says, fed to `function`.
    pub fn new(written: Written, function: &Function) -> Rc<Self> {
        Rc::new(Self {
            written,
            known: Cell::default(),
            last: RefCell::default(),
            shards: Rc::default(),
            function: function.clone(),
        })
    }

    fn collect(&self) {
        for after in (self.written)(self.known.get()) {
            self.known.set(self.known.get() + 1);
            let shard = after.key.bytes().map(usize::from).sum::<usize>() % SHARDS;
            let before = self.last.borrow_mut().insert(after.key.clone(), after.clone());
            let record = Record { number: self.known.get().to_string(), before, after };
            self.shards.borrow_mut()[shard].records.push(record);
        }
    }
}

impl Source for Stream {
    fn next_at(&self, engine: &Rc<Engine>) -> Option<Timestamp> {
        self.collect();
        let now = engine.time.now();
        let shards = self.shards.borrow();
        let open = shards.iter().filter(|shard| !shard.busy && shard.at < shard.records.len());
        open.map(|shard| shard.due.unwrap_or(now)).min()
    }

    fn deliver(&self, engine: &Rc<Engine>) {
        let now = engine.time.now();
        let (which, numbers, batch) = {
            let mut shards = self.shards.borrow_mut();
            let is_due = |shard: &Shard| {
                !shard.busy && shard.at < shard.records.len() && shard.due.is_none_or(|due| due <= now)
            };
            let due: Vec<usize> = (0..SHARDS).filter(|&which| is_due(&shards[which])).collect();
            if due.is_empty() {
                return;
            }
            let which = *engine.chance.pick(&due);
            let shard = &mut shards[which];
            shard.busy = true;
            let most = shard.records.len().min(shard.at + 1 + engine.chance.index(BATCH));
            engine.tally.came(match shard.due.take() {
                Some(_) => Happening::StreamRetry,
                None => Happening::StreamBatch,
            });
            let batch = &shard.records[shard.at..most];
            let numbers: Vec<String> = batch.iter().map(|record| record.number.clone()).collect();
            (which, numbers, batch.iter().map(Record::event).collect::<Vec<_>>())
        };
        engine.story.tell(|| format!("the stream to {}: {} records", self.function.name, numbers.len()));
        let (on, function, shards) = (engine.clone(), self.function.clone(), self.shards.clone());
        engine.spawn("the stream", Role::Service, async move {
            let outcome = on.invoke(&function, json!({ "Records": batch })).await;
            let done = done(&outcome, &numbers);
            let shard = &mut shards.borrow_mut()[which];
            shard.busy = false;
            shard.at += done;
            if done < numbers.len() {
                on.story.tell(|| format!("    {} failed at a record of the stream", function.name));
                shard.due = Some(on.time.now().plus(PAUSE));
            }
        });
    }

    fn deliver_again(&self, _: &Rc<Engine>) {
        for shard in self.shards.borrow_mut().iter_mut() {
            shard.at = 0;
        }
    }
}

/// How many records of a batch are done: those before the first that failed.
fn done(outcome: &Outcome, numbers: &[String]) -> usize {
    let Outcome::Answered(answer) = outcome else { return 0 };
    let failed = |number: &String| {
        let mut failures = answer["batchItemFailures"].as_array().into_iter().flatten();
        failures.any(|failure| failure["itemIdentifier"] == number.as_str())
    };
    numbers.iter().position(failed).unwrap_or(numbers.len())
}
