//! Every crash there is: the scenes of some seeds are played once without a fault, and then once for each port call that
//! was made, whose caller dies over it. A crash after a call's work is one before the next call. And every lost answer to a
//! write of an asset: once for each, in the same scenes.

use std::{
    collections::BTreeMap,
    env,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use sluice_testing::simulator::{Story, Tally};

use crate::{
    ledger::Violation,
    run::{Plan, Verdict, run},
};

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

/// What broke: in which seed, at which port call or write, who died, and how.
type Broken = (u64, u64, Option<&'static str>, Violation);

/// Plays every crash.
pub fn main() {
    let crashes = Mutex::new(BTreeMap::new());
    let broken = of_all_seeds(|seed, broken| {
        let calls = play(&Plan::of_crash(seed, 0)).calls as u64;
        for call in 0..=calls {
            let verdict = play(&Plan::of_crash(seed, call));
            if let Some(name) = verdict.crashed {
                *crashes.lock().unwrap().entry(name).or_insert(0_u64) += 1;
            }
            broken.extend(verdict.violations.into_iter().map(|seen| (seed, call, verdict.crashed, seen)));
        }
    });
    let crashes = crashes.into_inner().unwrap();
    println!("crashes, by function: {crashes:?}");
    judge("crash at call", &broken);
    for name in FUNCTIONS {
        assert!(crashes.contains_key(name), "{name} never died");
    }
}

/// Plays every lost answer.
pub fn lose_answers() {
    let losses = AtomicU64::new(0);
    let broken = of_all_seeds(|seed, broken| {
        for write in 1_usize.. {
            let verdict = play(&Plan::of_loss(seed, write));
            if !verdict.lost {
                break;
            }
            losses.fetch_add(1, Ordering::Relaxed);
            broken.extend(verdict.violations.into_iter().map(|seen| (seed, write as u64, None, seen)));
        }
    });
    let losses = losses.into_inner();
    println!("answers lost: {losses}");
    judge("answer lost to write", &broken);
    assert!(losses >= SEEDS, "{losses} answers were lost");
}

fn play(plan: &Plan) -> Verdict {
    run(plan, &Story::default(), &Tally::default())
}

/// Plays the scenes of all seeds on all cores; what broke, by seed.
fn of_all_seeds(play: impl Fn(u64, &mut Vec<Broken>) + Sync) -> Vec<Broken> {
    let (next, broken) = (AtomicU64::new(1), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > SEEDS {
                break;
            }
            let mut its = Vec::new();
            play(seed, &mut its);
            broken.lock().unwrap().append(&mut its);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let mut broken = broken.into_inner().unwrap();
    broken.sort_by_key(|(seed, at, ..)| (*seed, *at));
    broken
}

/// Fails where something broke. For `infra/local/undone.sh` it prints what did first.
fn judge(what: &str, broken: &[Broken]) {
    let Some((seed, at, _, Violation { invariant, kind, .. })) = broken.first() else { return };
    if env::var("FIRST").is_ok() {
        println!("otherwise\t{invariant}\t{kind}\t{seed}, {what} {at}");
    }
    let first: Vec<_> = broken.iter().take(5).collect();
    panic!("{} of these broke a promise: {first:#?}", broken.len());
}
