//! What the tests of the routes share: a Companion on ports in memory, and its clients.

use std::time::Duration;

use serde_json::{Map, Value};
use sluice_core::{
    finish::Finisher,
    gate::{Gate, GatePolicy},
    intake::Intake,
    ports::Clock,
    usage::Quota,
};
use sluice_lambda::http::{Method, Request};
use sluice_testing::{
    CountingIds, FixedClock, MemoryEndpoints, MemoryGate, MemoryKeys, MemoryOriginals, MemoryQueue,
    MemoryTable, MemoryUploadSigner, Probe, World, build,
};
use sluice_uppy::{
    companion::{Companion, Ports},
    handler::handle,
};

pub struct Memory;

impl Ports for Memory {
    type Table = Probe<MemoryTable>;
    type Originals = Probe<MemoryOriginals>;
    type Queue = Probe<MemoryQueue>;
    type Signer = Probe<MemoryUploadSigner>;
    type Clock = FixedClock;
    type Ids = CountingIds;
    type Gate = MemoryGate;
    type Endpoints = Probe<MemoryEndpoints>;
    type Records = Probe<MemoryKeys>;
}

/// The largest image that the gate takes here.
pub const LARGEST_IMAGE: u64 = 2_000;

/// A world in which parts may be small.
pub fn world() -> World {
    let world = World::new();
    world.originals.set_min_part_size(1);
    world
}

pub fn companion(world: &World) -> Companion<Memory> {
    let rules = format!(r#"{{"image": {{"max_bytes": {LARGEST_IMAGE}}}, "audio": {{"types": []}}}}"#);
    Companion {
        intake: Intake {
            table: world.table.clone(),
            originals: world.originals.clone(),
            clock: world.clock.clone(),
            ids: world.ids.clone(),
        },
        finisher: Finisher {
            table: world.table.clone(),
            originals: world.originals.clone(),
            ingest: world.queue.clone(),
            clock: world.clock.clone(),
        },
        gate: Gate { policy: GatePolicy::new(&rules, 1 << 30, Quota::UNLIMITED).unwrap(), function: None },
        signer: world.uploads.clone(),
        endpoints: world.endpoints.clone(),
        records: world.keys.clone(),
        bucket: "originals".to_owned(),
        grant_ttl: Duration::from_hours(1),
    }
}

/// The status and body of an answer.
pub async fn answer(world: &World, request: &Request) -> (u16, Value) {
    let response = handle(&companion(world), request).await;
    (response.status().as_u16(), serde_json::from_str(response.body()).unwrap())
}

/// A request with a bearer token.
pub fn request(world: &World, owner: &str, method: Method, target: &str, body: Option<&Value>) -> Request {
    let expires_at = world.clock.now().plus(Duration::from_hours(1));
    let request = Request::new(method, target).with_caller(&build::owner(owner), expires_at);
    match body {
        Some(body) => request.with_body(body.to_string()),
        None => request,
    }
}

pub async fn get(world: &World, owner: &str, target: &str) -> (u16, Value) {
    answer(world, &request(world, owner, Method::GET, target, None)).await
}

pub async fn post(world: &World, owner: &str, target: &str, body: &Value) -> (u16, Value) {
    answer(world, &request(world, owner, Method::POST, target, Some(body))).await
}

pub async fn delete(world: &World, owner: &str, target: &str) -> (u16, Value) {
    answer(world, &request(world, owner, Method::DELETE, target, None)).await
}

/// A JSON object of texts as a client takes it: headers, or the fields of a form.
pub fn pairs(object: &Value) -> Vec<(String, String)> {
    let object: &Map<String, Value> = object.as_object().expect("an object");
    object.iter().map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned())).collect()
}
