//! Invariant 13: what open connections are told. Each open connection is told the last revision; `seq` never names a state that
//! wasn't written; after a `sync` nothing older is missing.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use futures_util::FutureExt;
use serde_json::{Value, json};
use sluice_core::{
    asset::Asset,
    document::AssetDocument,
    ids::{ConnectionId, OwnerId},
    time::Timestamp,
};
use sluice_testing::simulator::{Engine, Fault, Function, Happening, Role};

use crate::{
    clients::Scene,
    watch::{broken, line},
};

/// How long API Gateway keeps a connection open.
const LONGEST: Duration = Duration::from_hours(2);

/// What a client keeps between its connections.
#[derive(Debug)]
struct Device {
    owner: OwnerId,
    /// The `at` of its last `synced`.
    since: Option<String>,
    /// The highest `seq` of each asset, and of each upload job.
    known: BTreeMap<String, u64>,
    open: Option<Line>,
}

/// An open connection.
#[derive(Debug)]
struct Line {
    id: ConnectionId,
    opened_at: Timestamp,
    /// Frames that were read.
    read: usize,
    /// How many times a `sync` was answered over it.
    syncs: u32,
}

/// What is known of what was told.
#[derive(Debug, Default)]
pub struct Told {
    devices: Vec<Device>,
    connections: u64,
    assets_known: usize,
    jobs_known: usize,
    /// Every state that was written, by id and revision; of upload jobs none but that.
    states: BTreeMap<(String, u64), Option<Asset>>,
    /// The last revision of each, and whose it is.
    last: BTreeMap<String, (OwnerId, u64)>,
}

impl Told {
    /// A further device of an owner.
    pub fn add(&mut self, owner: &OwnerId) -> usize {
        let (since, known) = (None, BTreeMap::new());
        self.devices.push(Device { owner: owner.clone(), since, known, open: None });
        self.devices.len() - 1
    }

    /// The id of a new connection.
    pub fn new_id(&mut self) -> ConnectionId {
        self.connections += 1;
        format!("connection-{}", self.connections).parse().unwrap()
    }

    /// The device's connection is open.
    pub fn opened(&mut self, device: usize, id: &ConnectionId, now: Timestamp) {
        let line = Line { id: id.clone(), opened_at: now, read: 0, syncs: 0 };
        self.devices[device].open = Some(line);
    }

    /// The connection of a device, if it is open.
    pub fn open(&self, device: usize) -> Option<ConnectionId> {
        self.devices[device].open.as_ref().map(|line| line.id.clone())
    }

    /// Whether a `sync` was answered over it.
    pub fn is_synced(&self, device: usize) -> bool {
        self.syncs(device) > 0
    }

    /// How many times a `sync` was answered over its open connection.
    pub fn syncs(&self, device: usize) -> u32 {
        self.devices[device].open.as_ref().map_or(0, |line| line.syncs)
    }

    /// From when on the device asks.
    pub fn since(&self, device: usize) -> String {
        self.devices[device].since.clone().unwrap_or_else(|| "2020-01-01T00:00:00Z".to_owned())
    }

    /// An asset that the device knows.
    pub fn some_known(&self, device: usize) -> Option<String> {
        self.devices[device].known.keys().find(|id| !id.contains('/')).cloned()
    }

    fn note_states(&mut self, scene: &Scene) {
        let world = &scene.engine.world;
        for state in world.table.written_since(self.assets_known) {
            self.assets_known += 1;
            let id = state.id().to_string();
            self.last.insert(id.clone(), (state.owner().clone(), state.revision()));
            self.states.insert((id, state.revision()), Some(state));
        }
        for job in world.jobs.written_since(self.jobs_known) {
            self.jobs_known += 1;
            let id = format!("{}/{}", job.owner(), job.request_id());
            self.last.insert(id.clone(), (job.owner().clone(), job.revision()));
            self.states.insert((id, job.revision()), None);
        }
    }
}

/// Lets every device read what came, and ends connections whose time is up.
pub fn look(scene: &Rc<Scene>) {
    if scene.told.borrow().devices.is_empty() {
        return;
    }
    let (now, count) = (scene.engine.time.now(), scene.told.borrow().devices.len());
    for device in 0..count {
        let is_over = scene.told.borrow().devices[device].open.as_ref().is_some_and(|line| {
            line.opened_at.plus(LONGEST) <= now || !scene.engine.world.notifier.is_open(&line.id)
        });
        if is_over {
            cut(scene, device);
        }
    }
}

/// A device reads what came over its connection.
pub fn read(scene: &Scene, device: usize) {
    let mut told = scene.told.borrow_mut();
    told.note_states(scene);
    let Some(line) = &told.devices[device].open else { return };
    let frames = scene.engine.world.notifier.frames(&line.id);
    let new = frames.get(line.read..).unwrap_or_default().to_vec();
    if let Some(line) = &mut told.devices[device].open {
        line.read = frames.len();
    }
    for frame in new {
        scene.engine.tally.came(Happening::Frame);
        let frame: Value = serde_json::from_str(&frame).unwrap();
        told.hear(scene, device, &frame);
    }
}

impl Told {
    fn hear(&mut self, scene: &Scene, device: usize, frame: &Value) {
        let seq = frame["seq"].as_u64().unwrap_or_default();
        let (id, shown) = match frame["type"].as_str() {
            Some("asset") => (frame["asset"]["asset_id"].as_str().unwrap().to_owned(), &frame["asset"]),
            Some("upload_job") => {
                let request_id = frame["job"]["request_id"].as_str().unwrap();
                (format!("{}/{request_id}", self.devices[device].owner), &frame["job"])
            }
            Some("task") => return self.hear_of_task(scene, device, &frame["task"]),
            Some("synced") => return self.synced(scene, device, frame),
            _ => return,
        };
        scene.engine.story.tell(|| format!("    device {device} hears of {id} revision {seq}"));
        if self.last.get(&id).is_none_or(|(owner, _)| *owner != self.devices[device].owner) {
            broken(scene, 13, "told of somebody else's", id.clone());
        }
        match self.states.get(&(id.clone(), seq)) {
            None => broken(scene, 13, "told a state that wasn't written", format!("{id} revision {seq}")),
            Some(Some(state)) => {
                let meant = document(scene, state);
                if without_links(shown.clone()) != meant {
                    broken(scene, 13, "told another state than its seq names", line(state));
                }
            }
            Some(None) => {}
        }
        let known = self.devices[device].known.entry(id).or_default();
        *known = seq.max(*known);
    }

    /// A task tells of its owner's assets alone, and of as many as it counts.
    fn hear_of_task(&self, scene: &Scene, device: usize, task: &Value) {
        let assets = task["assets"].as_array().unwrap();
        let theirs = |id: &Value| {
            let known = self.last.get(id.as_str().unwrap());
            known.is_some_and(|(owner, _)| *owner == self.devices[device].owner)
        };
        if !assets.iter().all(theirs) {
            broken(scene, 13, "told of somebody else's", task.to_string());
        }
        let refused = task["refused"].as_array().unwrap().len();
        let count = |name: &str| usize::try_from(task[name].as_u64().unwrap()).unwrap();
        let ended = count("done") + count("failed");
        let is_over = task["status"] != "processing";
        if count("total") != assets.len() + refused || is_over != (ended == count("total")) {
            broken(scene, 13, "a task that doesn't add up", task.to_string());
        }
    }

    /// A `sync` was answered: nothing that is older than its time may be missing.
    fn synced(&mut self, scene: &Scene, device: usize, frame: &Value) {
        if frame["more"] == true {
            self.devices[device].since = frame["at"].as_str().map(str::to_owned);
            return;
        }
        let at: Timestamp = frame["at"].as_str().unwrap().parse().unwrap();
        scene.engine.story.tell(|| format!("    device {device} is synced at {at}"));
        for ((id, revision), state) in &self.states {
            let Some(state) = state else { continue };
            let theirs = &self.devices[device];
            let known = theirs.known.get(id).copied().unwrap_or_default();
            if *state.owner() == theirs.owner && state.updated_at() < at && known < *revision {
                let seen = format!("{}; known was {known}, synced at {at}", line(state));
                broken(scene, 13, "missing after a sync", seen);
            }
        }
        let device = &mut self.devices[device];
        device.since = Some(at.to_string());
        // a sync tells of assets alone: upload jobs are listed by `GET /uploadjobs`
        for (id, (owner, revision)) in self.last.iter().filter(|(id, _)| id.contains('/')) {
            if *owner == device.owner {
                device.known.insert(id.clone(), *revision);
            }
        }
        if let Some(line) = &mut device.open {
            line.syncs += 1;
        }
    }
}

/// The document of a state, but for its links.
fn document(scene: &Scene, state: &Asset) -> Value {
    let links = &*scene.engine.world.links;
    let rendered = AssetDocument::render(state, links).now_or_never().unwrap().unwrap();
    without_links(serde_json::to_value(rendered).unwrap())
}

fn without_links(mut document: Value) -> Value {
    document["media_url"] = json!(document["media_url"].is_string());
    document["expires_at"] = Value::Null;
    for made in document["derivatives"].as_array_mut().into_iter().flatten() {
        (made["url"], made["expires_at"]) = (Value::Null, Value::Null);
    }
    document
}

/// When nothing more happens: every connection that is open was told the last revision of each of its owner's.
pub fn check(scene: &Scene) {
    let count = scene.told.borrow().devices.len();
    for device in 0..count {
        read(scene, device);
        let told = scene.told.borrow();
        let theirs = &told.devices[device];
        if !told.is_synced(device) {
            continue;
        }
        for (id, (_, last)) in told.last.iter().filter(|(_, (owner, _))| *owner == theirs.owner) {
            let known = theirs.known.get(id).copied().unwrap_or_default();
            if known < *last {
                let what = if id.contains('/') { "an upload job" } else { "an asset" };
                let seen = format!("device {device} knows revision {known} of {id}, of {last}");
                broken(scene, 13, &format!("an open connection isn't told the last state of {what}"), seen);
            }
        }
    }
}

/// A connection ends. API Gateway may tell of it late, twice or never.
pub fn cut(scene: &Rc<Scene>, device: usize) {
    let engine = &scene.engine;
    let Some(line) = scene.told.borrow_mut().devices[device].open.take() else { return };
    engine.world.notifier.close(&line.id);
    engine.story.tell(|| format!("    {} is cut", line.id));
    tell_end(engine, &scene.functions.connect, &line.id);
}

/// Tells that a connection has ended, or was never opened.
pub fn tell_end(engine: &Rc<Engine>, connect: &Function, id: &ConnectionId) {
    if engine.faults.strikes(Fault::EndUntold) {
        return;
    }
    let event = json!({ "requestContext": { "connectionId": id.to_string(), "eventType": "DISCONNECT" } });
    let times = if engine.faults.strikes(Fault::MessageTwice) { 2 } else { 1 };
    for _ in 0..times {
        let (on, connect, event) = (engine.clone(), connect.clone(), event.clone());
        let late = engine.faults.strikes(Fault::MessageLate);
        let delay = engine.chance.span(Duration::ZERO, Duration::from_secs(if late { 60 } else { 1 }));
        engine.spawn("API Gateway", Role::Service, async move {
            on.sleep(delay).await;
            on.invoke(&connect, event).await;
        });
    }
}
