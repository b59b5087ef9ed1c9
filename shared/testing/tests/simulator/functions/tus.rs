//! `tus`.

use std::{rc::Rc, time::Duration};

use sluice_core::gate::Gate;
use sluice_lambda::bearer::SecretKey;
use sluice_testing::{
    CountingIds, FixedClock, MemoryGate, MemoryJobs, MemoryKeys, MemoryOriginals, MemoryQueue, MemoryStaging,
    MemoryTable, MemoryUploads, Probe,
    simulator::{Engine, Function},
};
use sluice_tus::handler::{Ports, Tus};

use crate::rules::Rules;

use super::{finisher, intake, serve, tokens};

struct Memory;

impl Ports for Memory {
    type Table = Probe<MemoryTable>;
    type Jobs = Probe<MemoryJobs>;
    type Uploads = Probe<MemoryUploads>;
    type Originals = Probe<MemoryOriginals>;
    type Partials = Probe<MemoryOriginals>;
    type Staging = Probe<MemoryStaging>;
    type Queue = Probe<MemoryQueue>;
    type Clock = FixedClock;
    type Ids = CountingIds;
    type Records = Probe<MemoryKeys>;
    type Gate = MemoryGate;
    type Keys = SecretKey<tokens::Vault>;
}

/// The function.
pub fn deploy(engine: &Engine, rules: &Rules, ingest: &Probe<MemoryQueue>) -> Function {
    let world = &engine.world;
    let tus = Rc::new(Tus::<Memory> {
        intake: intake(engine),
        finisher: finisher(engine, ingest),
        jobs: world.jobs.clone(),
        uploads: world.tus.clone(),
        records: world.keys.clone(),
        partials: world.partials.clone(),
        staging: world.staging.clone(),
        gate: Gate { policy: rules.policy(), function: None },
        bearer: tokens::bearer(),
    });
    Function::new("tus", Duration::from_secs(29), move |event| {
        let tus = tus.clone();
        serve(event, async move |request| Ok(Box::pin(tus.handle(&request)).await))
    })
}
