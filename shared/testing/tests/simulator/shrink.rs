//! A failing seed made small: scenes are left out and faults switched off, one kind at a time, as long as the same
//! invariant still breaks. Each attempt is another interleaving, so each is made with a few seeds.

use std::time::{Duration, Instant};

use sluice_testing::simulator::{Fault, Story, Tally};

use crate::{
    ledger::Violation,
    run::{Plan, Verdict, run},
};

/// How many seeds each smaller plan is tried with.
const TRIES: u64 = 40;

/// How long it is tried.
const PATIENCE: Duration = Duration::from_secs(40);

/// The smallest plan that was found to break the same promise in the same way, with its story.
pub fn shrink(plan: &Plan, wanted: &Violation) -> (Plan, Verdict) {
    let mut best = plan.clone();
    let mut shrunk = true;
    let begun = Instant::now();
    while shrunk && begun.elapsed() < PATIENCE {
        shrunk = false;
        for smaller in smaller(&best) {
            if begun.elapsed() >= PATIENCE {
                break;
            }
            if let Some(found) = find(&smaller, wanted) {
                best = found;
                shrunk = true;
                break;
            }
        }
    }
    let verdict = run(&best, &Story::kept(), &Tally::default());
    (best, verdict)
}

/// The plans that are one step smaller.
fn smaller(plan: &Plan) -> Vec<Plan> {
    let without_scene = plan.scenes.iter().filter(|_| plan.scenes.len() > 1).map(|scene| Plan {
        scenes: plan.scenes.iter().copied().filter(|other| other != scene).collect(),
        ..plan.clone()
    });
    let without_fault = Fault::ALL.into_iter().filter(|fault| !plan.off.contains(fault)).map(|fault| {
        let mut off = plan.off.clone();
        off.insert(fault);
        Plan { off, ..plan.clone() }
    });
    without_scene.chain(without_fault).collect()
}

/// The same plan with a seed by which the promise breaks, the own one first. What the scenes are stays as it is.
fn find(plan: &Plan, wanted: &Violation) -> Option<Plan> {
    (0..TRIES).find_map(|more| {
        let plan = Plan { order: plan.order.wrapping_add(more), ..plan.clone() };
        let verdict = run(&plan, &Story::untold(), &Tally::default());
        let same = |other: &Violation| other.invariant == wanted.invariant && other.kind == wanted.kind;
        verdict.violations.iter().any(same).then_some(plan)
    })
}
