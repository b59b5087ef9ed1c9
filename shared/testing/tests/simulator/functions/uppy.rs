//! `uppy`.

use std::{rc::Rc, time::Duration};

use sluice_core::gate::Gate;
use sluice_testing::{
    CountingIds, FixedClock, MemoryEndpoints, MemoryGate, MemoryKeys, MemoryOriginals, MemoryQueue,
    MemoryTable, MemoryUploadSigner, Probe, build,
    simulator::{Engine, Function},
};
use sluice_uppy::companion::{Companion, Ports};

use crate::rules::Rules;

use super::{finisher, intake, serve};

struct Memory;

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

/// The function.
pub fn deploy(engine: &Engine, rules: &Rules, ingest: &Probe<MemoryQueue>) -> Function {
    let world = &engine.world;
    let companion = Rc::new(Companion::<Memory> {
        intake: intake(engine),
        finisher: finisher(engine, ingest),
        gate: Gate { policy: rules.policy(), function: None },
        signer: world.uploads.clone(),
        endpoints: world.endpoints.clone(),
        records: world.keys.clone(),
        bucket: "originals".to_owned(),
        grant_ttl: build::GRANT_TTL,
    });
    Function::new("uppy", Duration::from_secs(29), move |event| {
        let companion = companion.clone();
        serve(event, async move |request| {
            Ok(Box::pin(sluice_uppy::handler::handle(&companion, &request)).await)
        })
    })
}
