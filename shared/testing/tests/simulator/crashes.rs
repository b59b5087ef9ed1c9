//! Every crash there is: the scenes of some seeds are played once without a fault, and then once for each port call that
//! was made, whose caller dies over it. A crash after a call's work is one before the next call.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use sluice_testing::simulator::{Story, Tally};

use crate::run::{Plan, run};

/// The seeds whose scenes are played: together they have every kind of client.
const SEEDS: u64 = 30;
/// Who must have died at least once.
const FUNCTIONS: [&str; 12] = [
    "assets",
    "authorize",
    "complete",
    "connect",
    "convert",
    "form",
    "notify",
    "presign",
    "process",
    "sweep",
    "tus",
    "uppy",
];

/// Plays them all.
pub fn main() {
    let (next, crashes, broken) = (AtomicU64::new(1), Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > SEEDS {
                break;
            }
            let calls = run(&Plan::of_crash(seed, 0), &Story::default(), &Tally::default()).calls as u64;
            for call in 0..=calls {
                let verdict = run(&Plan::of_crash(seed, call), &Story::default(), &Tally::default());
                if let Some(name) = verdict.crashed {
                    *crashes.lock().unwrap().entry(name).or_insert(0_u64) += 1;
                }
                broken.lock().unwrap().extend(
                    verdict.violations.into_iter().map(|violation| (seed, call, verdict.crashed, violation)),
                );
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let (crashes, broken) = (crashes.into_inner().unwrap(), broken.into_inner().unwrap());
    println!("crashes, by function: {crashes:?}");
    let first: Vec<_> = broken.iter().take(5).collect();
    assert!(broken.is_empty(), "{} of these broke a promise: {first:#?}", broken.len());
    for name in FUNCTIONS {
        assert!(crashes.contains_key(name), "{name} never died");
    }
}
