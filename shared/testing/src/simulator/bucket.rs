//! S3's notifications, which it puts into a queue: at least once, in any order, early or late, or never.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sluice_core::{ids::ObjectVersionId, time::Timestamp};

use super::{
    engine::{Engine, Source},
    faults::Fault,
    queue::Queue,
    tally::Happening,
};
use crate::s3::{Created, MemoryOriginals};

/// What S3 leaves as it is in the keys of its events.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.');

struct Event {
    record: Value,
    due: Timestamp,
}

/// The events of a bucket, each put into a queue.
pub struct BucketEvents {
    bucket: MemoryOriginals,
    queue: Rc<Queue>,
    known: Cell<usize>,
    waiting: RefCell<Vec<Event>>,
    lost: RefCell<Vec<(String, Option<ObjectVersionId>)>>,
}

impl BucketEvents {
    /// The events of `bucket`, put into `queue`.
    pub fn new(bucket: &MemoryOriginals, queue: &Rc<Queue>) -> Rc<Self> {
        Rc::new(Self {
            bucket: bucket.clone(),
            queue: queue.clone(),
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
        engine.story.tell(|| format!("S3's event of {version} into {}", self.queue.name()));
        self.queue.send(engine, json!({ "Records": [event.record] }).to_string());
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
