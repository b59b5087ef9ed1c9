//! S3's notifications, and the asynchronous invocation that brings them: at least once, in any order, early or late; a
//! function that fails is invoked twice more, and what failed at every try becomes a dead letter.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sluice_core::{ids::ObjectVersionId, time::Timestamp};

use super::{
    engine::{Engine, Role, Source},
    faults::Fault,
    function::{Function, Outcome},
    queue::Queue,
    tally::Happening,
};
use crate::s3::{Created, MemoryOriginals};

/// What S3 leaves as it is in the keys of its events.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.');

/// The pauses before the second and third try (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>).
const RETRIES: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];

struct Event {
    record: Value,
    due: Timestamp,
}

/// The events of a bucket, each brought to a function.
pub struct BucketEvents {
    bucket: MemoryOriginals,
    function: Function,
    dead_letters: Rc<Queue>,
    known: Cell<usize>,
    waiting: RefCell<Vec<Event>>,
    lost: RefCell<Vec<(String, Option<ObjectVersionId>)>>,
}

impl BucketEvents {
    /// The events of `bucket`, brought to `function`.
    pub fn new(bucket: &MemoryOriginals, function: &Function, dead_letters: &Rc<Queue>) -> Rc<Self> {
        Rc::new(Self {
            bucket: bucket.clone(),
            function: function.clone(),
            dead_letters: dead_letters.clone(),
            known: Cell::default(),
            waiting: RefCell::default(),
            lost: RefCell::default(),
        })
    }

    /// Whether the event of an object never came.
    pub fn is_lost(&self, key: &str, version_id: Option<&ObjectVersionId>) -> bool {
        self.lost.borrow().iter().any(|(lost, id)| lost == key && id.as_ref() == version_id)
    }

    fn collect(&self, engine: &Engine) {
        let created = self.bucket.created_since(self.known.get());
        self.known.set(self.known.get() + created.len());
        for created in &created {
            if engine.faults.strikes(Fault::EventLost) {
                engine.story.tell(|| format!("    S3's event of {} is lost", short(created)));
                self.lost.borrow_mut().push((created.key.clone(), created.version_id.clone()));
                continue;
            }
            let times = if engine.faults.strikes(Fault::EventTwice) { 2 } else { 1 };
            for _ in 0..times {
                let longest = if engine.faults.strikes(Fault::EventLate) { 1200 } else { 2 };
                let delay = engine.chance.span(Duration::ZERO, Duration::from_secs(longest));
                self.put(created, engine.time.now().plus(delay));
            }
        }
    }

    fn put(&self, created: &Created, due: Timestamp) {
        self.waiting.borrow_mut().push(Event { record: record(created), due });
    }
}

/// The S3 version of an object, for a story.
fn short(created: &Created) -> String {
    created.version_id.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn record(created: &Created) -> Value {
    json!({
        "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": created.event,
        "s3": { "bucket": { "name": "originals" }, "object": {
            "key": utf8_percent_encode(&created.key, PLAIN).to_string(), "size": created.size,
            "eTag": created.etag.to_string(), "versionId": created.version_id,
        } },
    })
}

impl Source for BucketEvents {
    fn next_at(&self, engine: &Rc<Engine>) -> Option<Timestamp> {
        self.collect(engine);
        self.waiting.borrow().iter().map(|event| event.due).min()
    }

    fn deliver(&self, engine: &Rc<Engine>) {
        let now = engine.time.now();
        let event = {
            let mut waiting = self.waiting.borrow_mut();
            let due: Vec<usize> = (0..waiting.len()).filter(|&at| waiting[at].due <= now).collect();
            if due.is_empty() {
                return;
            }
            waiting.swap_remove(*engine.chance.pick(&due))
        };
        engine.tally.came(Happening::BucketEvent);
        let version = event.record["s3"]["object"]["versionId"].clone();
        engine.story.tell(|| format!("S3's event of {version} to {}", self.function.name));
        let (on, function, dead_letters) = (engine.clone(), self.function.clone(), self.dead_letters.clone());
        engine.spawn("S3's event", Role::Service, async move {
            bring(&on, &function, event.record, &dead_letters).await;
        });
    }

    fn deliver_again(&self, engine: &Rc<Engine>) {
        let now = engine.time.now();
        for created in self.bucket.created_since(0) {
            if !self.is_lost(&created.key, created.version_id.as_ref()) {
                self.put(&created, now);
            }
        }
    }
}

/// Invokes the function with a record until it answers, or until its tries are used up.
async fn bring(engine: &Engine, function: &Function, record: Value, dead_letters: &Queue) {
    let event = json!({ "Records": [record] });
    let mut pauses = RETRIES.iter();
    loop {
        let error = match engine.invoke(function, event.clone()).await {
            Outcome::Answered(_) => return,
            Outcome::Failed(code) => code,
            Outcome::Died => "died".to_owned(),
        };
        engine.story.tell(|| format!("    {} failed at S3's event: {error}", function.name));
        let Some(pause) = pauses.next() else { break };
        engine.sleep(*pause).await;
        engine.tally.came(Happening::InvocationRetry);
    }
    engine.story.tell(|| "    S3's event becomes a dead letter");
    engine.tally.came(Happening::DeadLetter);
    let letter = json!({
        "version": "1.0", "requestContext": { "condition": "RetriesExhausted", "approximateInvokeCount": 3 },
        "requestPayload": event,
    });
    dead_letters.send(engine, letter.to_string());
}
