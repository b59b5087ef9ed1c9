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
#[derive(Debug, Clone)]
pub struct Change {
    /// The item's key: what is told in order.
    pub key: String,
    /// The item.
    pub image: Value,
}

/// What was written to a table since the first so many writes.
pub type Written = Box<dyn Fn(usize) -> Vec<Change>>;

/// The most records of a batch here: batches that differ matter more than large ones.
const BATCH: usize = 5;
/// The pause before a batch comes again.
const PAUSE: Duration = Duration::from_secs(1);
/// How many shards there are.
const SHARDS: usize = 2;

#[derive(Default)]
struct Shard {
    records: Vec<Value>,
    /// The first record that isn't done.
    at: usize,
    busy: bool,
    due: Option<Timestamp>,
}

/// The stream, and what feeds a function from it.
pub struct Stream {
    written: Written,
    known: Cell<usize>,
    images: RefCell<BTreeMap<String, Value>>,
    shards: Rc<RefCell<[Shard; SHARDS]>>,
    function: Function,
}

impl Stream {
    /// The stream of what `written` says, fed to `function`.
    pub fn new(written: Written, function: &Function) -> Rc<Self> {
        Rc::new(Self {
            written,
            known: Cell::default(),
            images: RefCell::default(),
            shards: Rc::default(),
            function: function.clone(),
        })
    }

    fn collect(&self) {
        for Change { key, image } in (self.written)(self.known.get()) {
            self.known.set(self.known.get() + 1);
            let before = self.images.borrow_mut().insert(key.clone(), image.clone());
            let shard = key.bytes().map(usize::from).sum::<usize>() % SHARDS;
            let record = json!({
                "eventID": self.known.get().to_string(),
                "eventName": if before.is_some() { "MODIFY" } else { "INSERT" },
                "dynamodb": {
                    "SequenceNumber": self.known.get().to_string(), "NewImage": image, "OldImage": before,
                },
            });
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
        let (which, batch) = {
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
            (which, shard.records[shard.at..most].to_vec())
        };
        engine.story.tell(|| format!("the stream to {}: {} records", self.function.name, batch.len()));
        let (on, function, shards) = (engine.clone(), self.function.clone(), self.shards.clone());
        engine.spawn("the stream", Role::Service, async move {
            let outcome = on.invoke(&function, json!({ "Records": batch })).await;
            let done = done(&outcome, &batch);
            let shard = &mut shards.borrow_mut()[which];
            shard.busy = false;
            shard.at += done;
            if done < batch.len() {
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
fn done(outcome: &Outcome, batch: &[Value]) -> usize {
    let Outcome::Answered(answer) = outcome else { return 0 };
    let failed = |record: &Value| {
        let mut failures = answer["batchItemFailures"].as_array().into_iter().flatten();
        failures.any(|failure| failure["itemIdentifier"] == record["dynamodb"]["SequenceNumber"])
    };
    batch.iter().position(failed).unwrap_or(batch.len())
}
